"""Race 9: the poller retries an entry that the tick path is placing.

A retry is no second way in: it is the same wish, seen in the same step, sent by the same desk under the same
lock, after the same read of the books. And only a definite no is retried: a lost answer is a question.
"""

import pytest

from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import BooksRead, Verb
from olaf_async.domain.intents import PlaceOrder
from olaf_async.domain.order import Role, Side
from olaf_async.errors import BrokerRejected, BrokerUndecided
from olaf_async.ports.journal import Entry

from .walls import NO_WALL_LEFT, ONE_WALL_LEFT, Walls
from .world import ENTRY, SHARES, UNDERCUT, Mood, World, play

POLLING = {"idle_poll_ns": 4 * SECOND_NS}


async def prints_and_polls_come_while_the_retry_is_in_flight(world: World) -> None:
    refusal = Mood(fails=BrokerRejected("RMS: try again"), acts=False)
    world.broker.meets(Verb.PLACE, refusal, Role.ENTRY)
    answer = world.broker.keep_answer(Verb.PLACE, Role.ENTRY)
    world.broker.hold_frames()
    await world.prints(UNDERCUT, pause_s=5.1)
    assert world.working(Side.BUY), "the retry is at the exchange, and nothing has been heard of it"
    await world.prints(UNDERCUT - 5, pause_s=0.02)
    await world.prints(ENTRY, pause_s=3)
    answer.open()
    await world.wait(0.2)
    world.broker.release_frames()
    await world.wait(5)


def test_a_retry_in_flight_is_an_entry_in_flight() -> None:
    world = play(prints_and_polls_come_while_the_retry_is_in_flight, rules=POLLING)
    assert len(world.asked(PlaceOrder, Role.ENTRY)) == 2
    assert world.positions() == [0, SHARES]
    assert world.protected() == SHARES


def test_a_retry_goes_the_way_of_every_entry_through_books_and_journal() -> None:
    world = play(prints_and_polls_come_while_the_retry_is_in_flight, rules=POLLING)
    kinds = [record.entry for record in world.journal.records if isinstance(record.body, PlaceOrder)]
    assert kinds[:4] == [Entry.INTENT, Entry.SENDING] * 2
    first, second = [
        number for number, record in enumerate(world.journal.records) if record.entry is Entry.SENDING
    ][:2]
    between = [record.body for record in world.journal.records[first:second]]
    assert any(isinstance(body, BooksRead) for body in between)


def test_twin_without_mark_lock_and_books_retries_beside_it_and_buys_twice() -> None:
    world = play(prints_and_polls_come_while_the_retry_is_in_flight, rules=POLLING, **NO_WALL_LEFT)
    assert max(world.positions()) == 2 * SHARES


@pytest.mark.parametrize("left", ONE_WALL_LEFT.values(), ids=ONE_WALL_LEFT)
def test_each_wall_alone_still_holds(left: Walls) -> None:
    world = play(prints_and_polls_come_while_the_retry_is_in_flight, rules=POLLING, **left)
    assert world.positions() == [0, SHARES]
    assert world.protected() == SHARES


# --- a lost answer is not a no ------------------------------------------------------------------


async def the_answer_to_the_entry_is_lost(world: World, error: Exception) -> None:
    world.broker.meets(Verb.PLACE, Mood(fails=error), Role.ENTRY)
    world.broker.loses_frames = True
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=3)
    await world.wait(4)
    await world.prints(ENTRY, pause_s=3)


async def it_is_told_as_lost(world: World) -> None:
    await the_answer_to_the_entry_is_lost(world, BrokerUndecided("504 Gateway Time-out"))


async def it_is_told_as_refused(world: World) -> None:
    await the_answer_to_the_entry_is_lost(world, BrokerRejected("504 Gateway Time-out"))


def test_an_entry_whose_answer_was_lost_is_looked_for_and_not_retried() -> None:
    world = play(it_is_told_as_lost, rules=POLLING)
    assert len(world.asked(PlaceOrder, Role.ENTRY)) == 1
    assert "order_found" in world.alarms.codes
    assert world.positions() == [0, SHARES]
    assert world.protected() == SHARES


def test_twin_whose_broker_calls_a_lost_answer_a_refusal_buys_twice() -> None:
    """What is out is the broker's own distinction: BrokerUndecided alone says that it may have happened."""
    world = play(it_is_told_as_refused, rules=POLLING)
    assert world.bought() == 2 * SHARES
