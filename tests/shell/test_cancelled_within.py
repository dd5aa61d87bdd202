"""A CancelledError that comes out of a port, while nobody has cancelled the task: something inside a client
library was cancelled, and what waited for it hears of that so. It is a crash like any other: told, new risk
ended, the task started again, the call lost.
"""

import asyncio

import pytest

from olaf_async.domain.intents import PlaceOrder
from olaf_async.domain.order import Role
from olaf_async.ports.broker import Books
from tests.crash.day import CrashDay, WiredBroker
from tests.crash.truth import faults


@pytest.mark.parametrize("nth", [1, 2, 5])
def test_a_read_of_the_books_that_is_cancelled_within_does_not_end_the_reading(
    nth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    books, count = WiredBroker.books, 0

    async def cancelled_within(broker: WiredBroker) -> Books:
        nonlocal count
        count += 1
        if count == nth:
            raise asyncio.CancelledError
        return await books(broker)

    monkeypatch.setattr(WiredBroker, "books", cancelled_within)
    day = CrashDay().play()
    assert "task_died" in day.lives[0].alarms.codes
    assert list(faults(day)) == []


@pytest.mark.parametrize("role", [Role.ENTRY, Role.STOP, Role.EXIT])
def test_an_order_call_that_is_cancelled_within_is_lost_and_told(
    role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, is_first = WiredBroker.place, True

    async def cancelled_within(broker: WiredBroker, intent: PlaceOrder) -> str:
        nonlocal is_first
        if is_first and intent.role is role:
            is_first = False
            raise asyncio.CancelledError
        return await place(broker, intent)

    monkeypatch.setattr(WiredBroker, "place", cancelled_within)
    day = CrashDay().play()
    assert "task_died" in day.lives[0].alarms.codes
    assert list(faults(day)) == []
