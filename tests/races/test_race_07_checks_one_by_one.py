"""Race 7: flat is checked, then pending is checked, then the fill arrives that makes both checks worthless.

In the engine all checks are made at one instant, again in the step that sends, on books newer than anything
known of the symbol (`books_allow_entry`). Limits of the account span symbols, so no symbol's lock holds them:
for them the mark is the wall (`does_account_allow` counts what is in flight).
"""

from dataclasses import replace

from olaf_async.core.guards import STANDARD
from olaf_async.core.state import SymbolState
from olaf_async.domain.intents import PlaceOrder
from olaf_async.domain.order import Role, Side

from .world import ENTRY, INFY, SHARES, UNDERCUT, World, plan_of, play, with_entry_guard

# --- a fill between the check and the order -----------------------------------------------------


async def somebody_buys_between_the_check_and_the_order(world: World) -> None:
    read = world.broker.keep_answer("books")
    await world.prints(UNDERCUT, pause_s=0.2)
    world.trades_by_hand(Side.BUY, SHARES)
    await world.wait(0.1)
    if read.waiting:
        read.open()  # a snapshot from before that trade
    await world.prints(ENTRY - 1_00, ENTRY, pause_s=1)
    await world.wait(3)


def test_a_position_that_came_between_the_check_and_the_order_stops_the_order() -> None:
    world = play(somebody_buys_between_the_check_and_the_order)
    assert world.state().triggers == 1, "it was decided, on a flat account"
    assert world.asked(PlaceOrder, Role.ENTRY) == []
    assert world.positions() == [0, SHARES]
    assert world.broker.reads >= 2, "the first read was older than the news, so there was another"


def was_flat_when_last_read(state: SymbolState) -> bool:
    """However long ago that was, and whatever has been heard since."""
    return state.account_net == 0


def test_twin_that_sends_on_an_earlier_check_buys_on_top_of_it() -> None:
    world = play(
        somebody_buys_between_the_check_and_the_order,
        guards=replace(STANDARD, books_allow_entry=was_flat_when_last_read),
    )
    assert max(world.positions()) == 2 * SHARES


# --- another symbol between the check and the order ---------------------------------------------

TCS = "TCS"
ONE_POSITION = {"max_open_positions": 1}


async def two_symbols_trigger_in_one_instant(world: World) -> None:
    await world.prints(ENTRY, pause_s=0)
    await world.prints(ENTRY, symbol=TCS)
    await world.prints(UNDERCUT, pause_s=0)
    await world.prints(UNDERCUT, symbol=TCS, pause_s=0.5)
    await world.prints(ENTRY - 1_00, pause_s=0)
    await world.prints(ENTRY - 1_00, symbol=TCS)
    await world.prints(ENTRY, pause_s=0)
    await world.prints(ENTRY, symbol=TCS, pause_s=1)


def counts_no_other_symbol(state: SymbolState, _now_ns: int) -> bool:
    """No position is held when either is asked, so a count of positions alone would allow both."""
    return state.account.refuses_new_risk() is None


def test_two_symbols_do_not_share_the_last_free_position() -> None:
    world = play(two_symbols_trigger_in_one_instant, plan_of(INFY), plan_of(TCS), rules=ONE_POSITION)
    assert (world.position(INFY), world.position(TCS)) == (SHARES, 0)
    assert world.orders(symbol=TCS) == []


def test_twin_that_counts_only_what_is_held_opens_both() -> None:
    world = play(
        two_symbols_trigger_in_one_instant,
        plan_of(INFY),
        plan_of(TCS),
        rules=ONE_POSITION,
        guards=with_entry_guard("does_account_allow", counts_no_other_symbol),
    )
    assert (world.position(INFY), world.position(TCS)) == (SHARES, SHARES)
