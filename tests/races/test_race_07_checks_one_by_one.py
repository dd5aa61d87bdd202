"""Race 7: flat is checked, then pending is checked, then the fill arrives that makes both checks worthless.

In the engine all checks are made at one instant, again in the step that sends, on books newer than anything
known of the symbol (`books_allow_entry`). Limits of the account span symbols, so no symbol's lock holds them:
for them the mark is the wall (`does_account_allow` counts what is in flight).
"""

from dataclasses import replace

import pytest

from olaf_async.core import entries
from olaf_async.core.guards import STANDARD
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import Verb
from olaf_async.domain.intents import PlaceOrder
from olaf_async.domain.order import Order, Role, Side

from .walls import Walls, checks_nothing, trusts_any_books, with_entry_guard, without_entry_guards
from .world import ENTRY, INFY, RISK, SHARES, UNDERCUT, Gate, Mood, World, plan_of, play

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


# --- a second buy on top of what is held --------------------------------------------------------


async def the_stop_of_a_held_position_is_taken_away_twice_and_the_price_undercuts(world: World) -> None:
    """A person cancels the stop, and the one after it too; so there is a position, and no order at all."""
    await world.enters()
    for _ in range(2):
        world.cancels_by_hand(world.working(Side.SELL)[0].order_id)
        await world.wait(5)
    assert world.working(Side.SELL) == []
    await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=1)


def test_an_undercut_while_shares_are_held_buys_no_more_of_them() -> None:
    world = play(the_stop_of_a_held_position_is_taken_away_twice_and_the_price_undercuts)
    assert len(world.orders(Side.BUY)) == 1
    assert world.position() == SHARES


BLINDLY: Walls = {
    "guards": replace(without_entry_guards("is_flat_by_belief"), books_allow_entry=trusts_any_books),
    "check": checks_nothing,
}
ONE_LEFT: dict[str, Walls] = {
    "belief": {**BLINDLY, "guards": replace(STANDARD, books_allow_entry=trusts_any_books)},
    "books": {**BLINDLY, "guards": without_entry_guards("is_flat_by_belief")},
    "invariants": {"guards": BLINDLY["guards"]},
    "what is wanted": BLINDLY,
}


def wants_any_entry(state: SymbolState, entry: Order, now_ns: int) -> bool:
    """Also one beside shares that an earlier one has bought."""
    return False


def test_twin_that_asks_none_of_belief_books_invariants_and_wishes_buys_on_top_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(entries, "is_unwanted", wants_any_entry)
    world = play(the_stop_of_a_held_position_is_taken_away_twice_and_the_price_undercuts, **BLINDLY)
    assert world.position() == 2 * SHARES


@pytest.mark.parametrize("left", ONE_LEFT)
def test_each_of_the_four_alone_still_holds(left: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if left != "what is wanted":
        monkeypatch.setattr(entries, "is_unwanted", wants_any_entry)
    story = the_stop_of_a_held_position_is_taken_away_twice_and_the_price_undercuts
    world = play(story, **ONE_LEFT[left])
    assert world.position() == SHARES


# --- a new risk while something is undecided ----------------------------------------------------


async def a_stop_that_never_arrived_may_arrive_yet(world: World) -> None:
    """Nobody knows of the stop; the price fell through it, so the position was sold. Then an undercut."""
    world.broker.loses_frames = True
    late = Mood(there=Gate())
    world.broker.meets(Verb.PLACE, late, Role.STOP)
    await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=1)
    for _ in range(12):
        await world.prints(ENTRY - RISK - 5, pause_s=1)
    assert world.positions() == [0, SHARES, 0]
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=3)


def test_while_a_stop_is_undecided_nothing_new_is_risked() -> None:
    world = play(a_stop_that_never_arrived_may_arrive_yet, rules={"idle_poll_ns": SECOND_NS})
    assert "stop_phantom" in world.alarms.codes
    assert len(world.orders(Side.BUY)) == 1


def test_twin_that_does_not_look_at_what_is_undecided_enters_again() -> None:
    world = play(
        a_stop_that_never_arrived_may_arrive_yet,
        rules={"idle_poll_ns": SECOND_NS},
        guards=without_entry_guards("has_nothing_undecided"),
    )
    assert len(world.working(Side.BUY)) == 1
