"""Race 3: two prints both see that nothing has triggered yet, and both place.

Three walls stand before the second entry: the first is marked in flight in the step that decides it, the
desk's lock keeps a second one waiting for the first one's outcome and then asks the core again, and a read of
the books goes before every entry.
"""

import pytest

from olaf_async.domain.events import Verb
from olaf_async.domain.intents import PlaceOrder
from olaf_async.domain.order import Role, Side

from .walls import NO_WALL_LEFT, ONE_WALL_LEFT, Walls
from .world import ENTRY, RISK, SHARES, UNDERCUT, World, play


async def a_second_undercut_prints_while_the_entry_is_in_flight(world: World) -> None:
    answer = world.broker.keep_answer(Verb.PLACE, Role.ENTRY)
    world.broker.hold_frames()
    await world.prints(UNDERCUT, pause_s=0.1)
    await world.prints(UNDERCUT - 5, pause_s=0.02)
    await world.prints(ENTRY, pause_s=0.5)
    answer.open()
    await world.wait(0.2)
    world.broker.release_frames()
    await world.wait(5)


def test_however_many_prints_undercut_while_it_is_in_flight_one_entry_is_placed() -> None:
    world = play(a_second_undercut_prints_while_the_entry_is_in_flight)
    assert len(world.asked(PlaceOrder, Role.ENTRY)) == 1
    assert world.positions() == [0, SHARES]
    assert world.stop_levels() == [ENTRY - RISK]
    assert world.state().triggers == 1


def test_twin_without_mark_lock_and_books_it_buys_twice() -> None:
    world = play(a_second_undercut_prints_while_the_entry_is_in_flight, **NO_WALL_LEFT)
    assert [order.filled for order in world.orders(Side.BUY)] == [SHARES, SHARES]
    assert max(world.positions()) == 2 * SHARES


@pytest.mark.parametrize("left", ONE_WALL_LEFT.values(), ids=ONE_WALL_LEFT)
def test_each_wall_alone_still_holds(left: Walls) -> None:
    world = play(a_second_undercut_prints_while_the_entry_is_in_flight, **left)
    assert world.positions() == [0, SHARES]
    assert world.protected() == SHARES


# --- many at once ---------------------------------------------------------------------------------


async def a_burst_undercuts_in_one_instant(world: World) -> None:
    for price in range(UNDERCUT, UNDERCUT - 50 * 5, -5):
        await world.prints(price, pause_s=0)
    await world.wait(1)
    await world.prints(ENTRY, pause_s=1)


def test_a_burst_of_fifty_undercuts_in_one_instant_is_one_trigger() -> None:
    world = play(a_burst_undercuts_in_one_instant)
    assert len(world.orders(Side.BUY)) == 1
    assert world.state().triggers == 1
