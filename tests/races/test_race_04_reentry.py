"""Race 4, the costliest: flat and nothing pending was checked, a fill arrived, a second buy was placed.

The same three walls as in race 3 stand between the check and the order: mark, lock, books. What differs is
that here the first entry has filled already, and only the exchange knows.
"""

import pytest

from olaf_async.domain.events import Verb
from olaf_async.domain.intents import PlaceOrder
from olaf_async.domain.order import Role, Side

from .walls import NO_WALL_LEFT, ONE_WALL_LEFT, Walls
from .world import ENTRY, RISK, SHARES, UNDERCUT, World, play


async def the_fill_of_an_entry_is_not_yet_known_when_the_next_is_due(world: World) -> None:
    answer = world.broker.keep_answer(Verb.PLACE, Role.ENTRY)
    world.broker.hold_frames()
    await world.prints(UNDERCUT, ENTRY)
    assert world.position() == SHARES, "the exchange has filled it, and nobody knows"
    await world.prints(UNDERCUT, pause_s=0.02)
    await world.prints(ENTRY, pause_s=0.5)
    world.broker.release_frames()
    await world.wait(0.5)
    answer.open()
    await world.wait(5)


def test_a_fill_that_is_news_to_the_engine_is_protected_and_not_doubled() -> None:
    world = play(the_fill_of_an_entry_is_not_yet_known_when_the_next_is_due)
    assert len(world.asked(PlaceOrder, Role.ENTRY)) == 1
    assert world.positions() == [0, SHARES]
    assert world.protected() == SHARES
    assert world.stop_levels() == [ENTRY - RISK]


def test_twin_without_mark_lock_and_books_it_buys_twice() -> None:
    world = play(the_fill_of_an_entry_is_not_yet_known_when_the_next_is_due, **NO_WALL_LEFT)
    assert world.bought() == 2 * SHARES
    assert max(world.positions()) == 2 * SHARES


@pytest.mark.parametrize("left", ONE_WALL_LEFT.values(), ids=ONE_WALL_LEFT)
def test_each_wall_alone_still_holds(left: Walls) -> None:
    world = play(the_fill_of_an_entry_is_not_yet_known_when_the_next_is_due, **left)
    assert world.bought() == SHARES
    assert world.protected() == SHARES


# --- the answer comes late ------------------------------------------------------------------------


async def the_first_entry_is_answered_when_the_second_stands(world: World) -> None:
    answer = world.broker.keep_answer(Verb.PLACE, Role.ENTRY)
    await world.prints(UNDERCUT, ENTRY, ENTRY - RISK - 5, pause_s=1)
    assert world.positions() == [0, SHARES, 0]
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=1)
    assert len(world.working(Side.BUY)) == 1
    answer.open()
    await world.wait(1)
    await world.prints(ENTRY, pause_s=1)


def test_an_answer_that_comes_when_its_trade_is_over_leaves_the_next_one_alone() -> None:
    world = play(the_first_entry_is_answered_when_the_second_stands)
    assert world.positions() == [0, SHARES, 0, SHARES]
    assert world.protected() == SHARES
    assert world.state().attempts == 2
    assert world.state().frozen is None
