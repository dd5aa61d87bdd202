"""A bar is a value: the span it covers and the four prices of it."""

from dataclasses import FrozenInstanceError, replace
from datetime import date

import pytest

from olaf_async.domain.bar import Bar, DailyBar

BAR = Bar(0, 900, 100_00, 101_00, 99_50, 100_50)
DAILY = DailyBar(date(2026, 11, 23), 100_00, 101_00, 99_50, 100_50, 12_000)


def test_bars_are_equal_where_all_they_say_is_equal() -> None:
    assert replace(BAR) == BAR
    assert replace(BAR, close=100_45) != BAR
    assert replace(DAILY) == DAILY
    assert replace(DAILY, volume=0) != DAILY


def test_a_closed_bar_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        BAR.high = 102_00  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        DAILY.high = 102_00  # type: ignore[misc]
