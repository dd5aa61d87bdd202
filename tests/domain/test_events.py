"""Events: everything the core can be told, as values."""

from dataclasses import FrozenInstanceError, fields
from typing import get_args

import pytest

from olaf_async.domain.events import Event, OrderRow, OrderUpdated, Status, TimerDue
from olaf_async.domain.order import PriceType, Side

EVENTS: list[type[Event]] = list(get_args(Event))


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_says_when_it_was_learnt(event: type[Event]) -> None:
    assert "at_ns" in {one.name for one in fields(event)}


def test_what_has_happened_cannot_be_changed() -> None:
    event = TimerDue("ABC", 5, None, 0)
    with pytest.raises(FrozenInstanceError):
        event.at_ns = 6  # type: ignore[misc]


def test_a_row_whose_source_cannot_say_how_much_has_filled_does_not_say_none_has() -> None:
    row = OrderRow("7", "M&M", Side.BUY, PriceType.SL, Status.WORKING, 10, 100_30, 100_00)
    assert row.filled is None
    assert OrderUpdated(1, row).symbol == "M&M"
