"""Race 5: the stop fills while it is being cancelled for the exit, and the exit opens a short.

The walls: an exit is placed only once entry and stop are proved to have ended (`may_place_exit`), behind it
the invariant that no exit stands beside a stop (I1), and before each send it is asked what is still held.
"""

from dataclasses import replace

from olaf_async.core.guards import STANDARD
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import Verb
from olaf_async.domain.intents import CancelOrder
from olaf_async.domain.order import Role, Side
from olaf_async.domain.trade import ExitReason

from .walls import checks_nothing
from .world import ENTRY, OPEN_NS, RISK, SHARES, World, plan_of, play

DEADLINE_NS = OPEN_NS + 150 * SECOND_NS
PLAN = plan_of(exit_ns=DEADLINE_NS, trails_from_entry_bar=False)


def exits_beside_a_stop(state: SymbolState) -> bool:
    """The old engine's way: the cancel is sent, so the stop is gone."""
    return state.entry is None and state.exit is None


HASTY = replace(STANDARD, may_place_exit=exits_beside_a_stop)


async def the_stop_fills_while_it_is_cancelled_for_the_exit(world: World) -> None:
    await world.enters()
    cancel = world.broker.keep_request(Verb.CANCEL, Role.STOP)
    await world.until_ns(DEADLINE_NS - SECOND_NS)
    await world.prints(ENTRY - RISK + 5, pause_s=1.5)
    await world.prints(ENTRY - RISK - 5)
    if cancel.waiting:
        cancel.open()
    await world.wait(10)


def test_a_stop_that_fills_while_it_is_cancelled_leaves_nothing_to_sell() -> None:
    world = play(the_stop_fills_while_it_is_cancelled_for_the_exit, PLAN)
    assert world.positions() == [0, SHARES, 0]
    assert len(world.orders(Side.SELL)) == 1
    assert len(world.asked(CancelOrder, Role.STOP)) == 1
    (trade,) = world.supervisor.outcome.trades
    assert trade.reason is ExitReason.STOP


def test_twin_that_does_not_wait_for_the_end_of_the_stop_opens_a_short() -> None:
    world = play(the_stop_fills_while_it_is_cancelled_for_the_exit, PLAN, guards=HASTY, check=checks_nothing)
    assert min(world.positions()) == -SHARES


def test_without_the_guard_the_invariant_still_holds() -> None:
    world = play(the_stop_fills_while_it_is_cancelled_for_the_exit, PLAN, guards=HASTY)
    assert min(world.positions()) == 0
    assert "I1" in str(world.state().frozen)


# --- the stop is being replaced -------------------------------------------------------------------


async def the_stop_is_being_raised_when_the_deadline_comes(world: World) -> None:
    await world.enters()
    raise_ = world.broker.keep_request(Verb.MODIFY, Role.STOP)
    await world.until_ns(OPEN_NS + 61 * SECOND_NS)
    await world.prints(1005_00, 1006_00)
    await world.until_ns(DEADLINE_NS - SECOND_NS)
    await world.prints(1006_00)
    await world.until_ns(DEADLINE_NS + SECOND_NS // 2)
    raise_.open()
    await world.wait(10)


def test_a_raise_still_out_at_the_deadline_does_not_stand_in_the_way_nor_beside_the_exit() -> None:
    world = play(the_stop_is_being_raised_when_the_deadline_comes, PLAN, timeout_s=60)
    assert world.positions() == [0, SHARES, 0]
    assert world.working(Side.SELL) == []
    (trade,) = world.supervisor.outcome.trades
    assert trade.reason is ExitReason.SESSION_END


# --- nobody says how the stop ended ---------------------------------------------------------------


async def the_cancel_of_the_stop_is_never_answered(world: World) -> None:
    await world.enters()
    world.broker.keep_answer(Verb.CANCEL, Role.STOP)
    await world.until_ns(DEADLINE_NS - SECOND_NS)
    await world.prints(1002_00, pause_s=1)
    world.broker.loses_frames = True
    await world.wait(10)


def test_the_books_alone_are_enough_to_know_how_the_stop_ended() -> None:
    world = play(the_cancel_of_the_stop_is_never_answered, PLAN)
    assert world.positions() == [0, SHARES, 0]


# --- it filled in part ----------------------------------------------------------------------------


async def the_stop_fills_in_part_while_it_is_cancelled(world: World) -> None:
    await world.enters()
    cancel = world.broker.keep_request(Verb.CANCEL, Role.STOP)
    await world.until_ns(DEADLINE_NS - SECOND_NS)
    await world.prints(ENTRY - RISK + 5, pause_s=1.5)
    world.next_fills = [4]
    await world.prints(ENTRY - RISK - 5, pause_s=0)
    cancel.open()
    await world.wait(10)


def test_of_a_stop_that_filled_in_part_only_the_rest_is_sold() -> None:
    world = play(the_stop_fills_in_part_while_it_is_cancelled, PLAN)
    assert [order.filled for order in world.orders(Side.SELL)] == [4, SHARES - 4]
    assert world.positions() == [0, SHARES, SHARES - 4, 0]


def test_twin_that_does_not_wait_sells_four_too_many() -> None:
    world = play(the_stop_fills_in_part_while_it_is_cancelled, PLAN, guards=HASTY, check=checks_nothing)
    assert min(world.positions()) == -4
