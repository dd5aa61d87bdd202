"""A setup: the levels of one symbol, one day, one direction."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from olaf_async.domain.setup import Direction, Setup
from olaf_async.errors import ConfigError

LONG = Setup("M&M", date(2026, 11, 23), 100_00, 99_50, 5, 2_00)
SHORT = replace(LONG, direction=Direction.SHORT, trigger_price=100_50)


def test_a_direction_is_the_sign_that_mirrors_a_price() -> None:
    assert [int(Direction.LONG), int(Direction.SHORT)] == [1, -1]
    assert [Direction.LONG.word, Direction.SHORT.word] == ["long", "short"]


def test_quantity_and_setup_date_may_be_unknown() -> None:
    assert (LONG.quantity, LONG.setup_date, LONG.exchange) == (None, None, "NSE")


@pytest.mark.parametrize("name", ["entry_price", "trigger_price", "tick_size", "true_range"])
@pytest.mark.parametrize("value", [0, -5])
def test_a_level_must_be_greater_than_zero(name: str, value: int) -> None:
    change: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError, match=f"{name} must be greater than zero"):
        replace(LONG, **change)


@pytest.mark.parametrize(("name", "value"), [("entry_price", 100_01), ("trigger_price", 99_51)])
def test_a_price_off_the_tick_grid_is_refused(name: str, value: int) -> None:
    change: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError, match=f"{name} is not a multiple of tick_size"):
        replace(LONG, **change)


def test_the_true_range_need_not_lie_on_the_grid() -> None:
    assert replace(LONG, true_range=2_03).true_range == 2_03


@pytest.mark.parametrize("quantity", [0, -1])
def test_a_quantity_must_be_greater_than_zero(quantity: int) -> None:
    with pytest.raises(ConfigError, match="quantity must be a whole number"):
        replace(LONG, quantity=quantity)


@pytest.mark.parametrize(
    ("setup", "trigger", "text"),
    [
        (LONG, 100_05, "long setup must lie below"),
        (LONG, 100_00, "long setup must lie below"),
        (SHORT, 99_95, "short setup must lie above"),
        (SHORT, 100_00, "short setup must lie above"),
    ],
)
def test_a_trigger_on_the_wrong_side_of_the_entry_is_refused(setup: Setup, trigger: int, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        replace(setup, trigger_price=trigger)


def test_one_paisa_and_one_share_are_greater_than_zero() -> None:
    least = Setup("M&M", date(2026, 11, 23), 2, 1, 1, 1, quantity=1)
    assert (least.entry_price - least.trigger_price, least.tick_size, least.quantity) == (1, 1, 1)
