"""Race 6: a stop in flight looks like no stop, and another one is placed at every print.

The wall is `may_place_stop`: in flight counts as present. The lock is none here, on purpose: protection never
waits for the answer of another protective call.
"""

from dataclasses import replace

from olaf_async.core.guards import STANDARD
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import Verb
from olaf_async.domain.intents import PlaceOrder
from olaf_async.domain.order import Role, Side
from olaf_async.errors import BrokerUndecided

from .world import ENTRY, RISK, SHARES, UNDERCUT, Mood, World, play


def sees_no_stop_in_flight(state: SymbolState) -> bool:
    """The old engine's way: a stop is known by its id, and before the answer there is none."""
    stop = state.stop
    return stop is None or (stop.sent_ns is not None and stop.order_id is None)


BLIND = replace(STANDARD, may_place_stop=sees_no_stop_in_flight)


async def prints_come_while_nothing_is_heard_of_the_stop(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    answers = [world.broker.keep_answer(Verb.PLACE, Role.STOP) for _ in range(20)]
    answers += [world.broker.keep_answer("books") for _ in range(20)]
    await world.prints(ENTRY, pause_s=0.001)
    world.broker.hold_frames()  # the fill has been told; of the stop nothing will be
    for price in (1000_50, 1001_00, 999_50, 1000_00, 999_00):
        await world.prints(price)
    await world.prints(ENTRY - RISK - 5, pause_s=0.5)
    world.broker.release_frames()
    for answer in answers:
        if answer.waiting:
            answer.open()
    await world.wait(10)


def test_a_stop_in_flight_is_a_stop_however_many_prints_come() -> None:
    world = play(prints_come_while_nothing_is_heard_of_the_stop)
    assert len(world.asked(PlaceOrder, Role.STOP)) == 1
    assert world.positions() == [0, SHARES, 0]


def test_twin_that_does_not_see_it_in_flight_places_one_at_every_print_and_ends_short() -> None:
    world = play(prints_come_while_nothing_is_heard_of_the_stop, guards=BLIND)
    placed = world.asked(PlaceOrder, Role.STOP)
    assert len(placed) >= 5
    assert min(world.positions()) == SHARES - len(placed) * SHARES < 0


# --- undecided ----------------------------------------------------------------------------------


async def the_answer_to_the_stop_is_lost_while_prints_come(world: World) -> None:
    world.broker.meets(Verb.PLACE, Mood(fails=BrokerUndecided("reset by peer")), Role.STOP)
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    await world.prints(ENTRY, pause_s=0.005)
    world.broker.loses_frames = True
    for price in (1000_50, 1001_00, 999_50, 1000_00, 999_00):
        await world.prints(price)
    await world.wait(3)


def test_a_stop_whose_answer_was_lost_is_found_in_the_books_and_not_placed_again() -> None:
    world = play(the_answer_to_the_stop_is_lost_while_prints_come)
    assert len(world.asked(PlaceOrder, Role.STOP)) == 1
    assert world.protected() == SHARES
    stop = world.state().stop
    assert stop is not None
    assert stop.order_id == world.working(Side.SELL)[0].order_id
