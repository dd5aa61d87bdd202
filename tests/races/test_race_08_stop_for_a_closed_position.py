"""Race 8: position and stop are read, something is awaited, and the stop goes out for what is no longer held.

The walls: in the step that sends, the core is asked how much is still to be closed (`shares_to_close`), and a
stop that stands without a position is cancelled. A refused change leaves the old stop standing.
"""

from dataclasses import replace

from olaf_async.core.guards import STANDARD
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import Verb
from olaf_async.domain.intents import ModifyOrder, PlaceOrder
from olaf_async.domain.order import Role, Side
from olaf_async.errors import BrokerRejected

from .world import ENTRY, RISK, SHARES, UNDERCUT, Mood, World, play

ONE_ORDER_A_SECOND = {"max_orders_per_s": 1}
"""So that the stop has to wait between its decision and its send."""


def closes_what_was_asked(state: SymbolState, side: Side) -> int:
    """Whatever is still held by now."""
    return SHARES


async def somebody_sells_while_the_stop_waits_to_be_sent(world: World) -> None:
    await world.prints(UNDERCUT, pause_s=0.1)
    await world.prints(ENTRY, pause_s=0.3)
    assert world.position() == SHARES
    world.trades_by_hand(Side.SELL, SHARES)
    await world.wait(0.7)
    await world.prints(ENTRY - RISK - 5)
    await world.wait(10)


def test_a_stop_for_shares_that_somebody_sold_meanwhile_is_not_sent() -> None:
    world = play(somebody_sells_while_the_stop_waits_to_be_sent, rules=ONE_ORDER_A_SECOND)
    assert world.state().orders_made == 2, "the stop was decided"
    assert world.asked(PlaceOrder, Role.STOP) == []
    assert world.positions() == [0, SHARES, 0]


def test_twin_that_does_not_ask_again_opens_a_short() -> None:
    world = play(
        somebody_sells_while_the_stop_waits_to_be_sent,
        rules=ONE_ORDER_A_SECOND,
        guards=replace(STANDARD, shares_to_close=closes_what_was_asked),
    )
    assert min(world.positions()) == -SHARES


# --- the quantity follows the fills -------------------------------------------------------------


async def the_entry_fills_in_three_parts_while_answers_are_slow(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    placed = world.broker.keep_answer(Verb.PLACE, Role.STOP)
    changed = world.broker.keep_answer(Verb.MODIFY, Role.STOP)
    world.next_fills = [4, 3, 3]
    await world.prints(ENTRY, pause_s=0.5)
    placed.open()
    await world.prints(ENTRY + 5, pause_s=0.5)
    await world.prints(ENTRY, pause_s=0.5)
    changed.open()
    await world.wait(3)


def test_the_stop_grows_with_the_fills_and_never_beyond_them() -> None:
    world = play(the_entry_fills_in_three_parts_while_answers_are_slow)
    assert world.positions() == [0, 4, 7, 10]
    assert world.protected() == SHARES
    assert len(world.asked(PlaceOrder, Role.STOP)) == 1
    assert world.oversell_risk() == 0


async def a_person_sells_some_while_the_stop_stands(world: World) -> None:
    await world.enters()
    world.trades_by_hand(Side.SELL, 6)
    await world.wait(3)


def test_the_stop_shrinks_at_once_when_somebody_sells_part_of_the_position() -> None:
    world = play(a_person_sells_some_while_the_stop_stands)
    assert world.position() == 4
    assert world.protected() == 4


# --- a refused change ---------------------------------------------------------------------------


async def the_larger_quantity_is_refused_once(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    refusal = Mood(fails=BrokerRejected("modification not allowed now"), acts=False)
    world.broker.meets(Verb.MODIFY, refusal, Role.STOP)
    world.next_fills = [4]
    await world.prints(ENTRY, ENTRY, pause_s=0.4)
    assert world.protected() == 4, "the old stop stands"
    await world.wait(2)


def test_a_refused_change_leaves_the_old_stop_standing_and_is_asked_for_again() -> None:
    world = play(the_larger_quantity_is_refused_once)
    assert world.protected() == world.position() == SHARES
    assert len(world.asked(ModifyOrder, Role.STOP)) == 2
    assert len(world.asked(PlaceOrder, Role.STOP)) == 1
    assert world.oversell_risk() == 0


# --- flat means no stop -------------------------------------------------------------------------


async def a_person_sells_all_while_the_stop_stands(world: World) -> None:
    await world.enters()
    world.trades_by_hand(Side.SELL, SHARES)
    await world.wait(3)
    await world.prints(ENTRY - RISK - 5, pause_s=1)


def test_flat_means_that_no_stop_remains() -> None:
    world = play(a_person_sells_all_while_the_stop_stands)
    assert world.positions() == [0, SHARES, 0]
    assert world.working(Side.SELL) == []
