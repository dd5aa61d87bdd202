"""Exact prices: text outside, paise inside, rounding in a stated direction."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.domain.price import (
    STEP_MAX_PERCENT,
    PriceError,
    ceil_to_tick,
    floor_to_tick,
    is_near,
    is_on_tick,
    to_paise,
    to_text,
)

prices = st.integers(-(10**12), 10**12)
ticks = st.integers(1, 500)


@pytest.mark.parametrize(
    ("value", "paise"),
    [
        ("511.95", 511_95),
        ("0.01", 1),
        ("-0.05", -5),
        ("1e3", 1000_00),
        (7, 7_00),
        (Decimal("99.50"), 99_50),
        ("100.500000", 100_50),
    ],
)
def test_rupees_are_read_exactly(value: str | int | Decimal, paise: int) -> None:
    assert to_paise(value) == paise


@pytest.mark.parametrize("value", ["", "price", "1,000", "12.3.4"])
def test_what_is_no_decimal_number_is_refused(value: str) -> None:
    with pytest.raises(PriceError, match="not a decimal number"):
        to_paise(value)


@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity", "1e400", "1e-400"])
def test_what_is_no_amount_of_money_is_refused(value: str) -> None:
    with pytest.raises(PriceError, match="not a number of rupees"):
        to_paise(value)


@pytest.mark.parametrize("value", ["511.95000000000005", "0.001", "0.1000000000000000055511151231257827"])
def test_a_binary_tail_is_refused_and_not_rounded(value: str) -> None:
    with pytest.raises(PriceError, match="finer than one paisa"):
        to_paise(value)


@pytest.mark.parametrize(("paise", "text"), [(511_95, "511.95"), (5, "0.05"), (-1_05, "-1.05"), (0, "0.00")])
def test_rupees_are_written_with_two_places(paise: int, text: str) -> None:
    assert to_text(paise) == text


@given(prices)
def test_what_is_written_reads_back(paise: int) -> None:
    assert to_paise(to_text(paise)) == paise


@given(prices, ticks)
def test_rounding_goes_to_the_nearest_multiple_in_the_stated_direction(price: int, tick: int) -> None:
    low, high = floor_to_tick(price, tick), ceil_to_tick(price, tick)
    assert low <= price <= high
    assert is_on_tick(low, tick)
    assert is_on_tick(high, tick)
    assert high - low == (0 if is_on_tick(price, tick) else tick)


@given(st.integers(1, 10_000_000), st.integers(0, 20_000_000))
def test_a_price_is_near_one_that_is_true_up_to_a_share_of_it_either_way(reference: int, price: int) -> None:
    share = Decimal(price - reference) / reference * 100
    assert is_near(price, reference) == (-STEP_MAX_PERCENT <= share <= STEP_MAX_PERCENT)


def test_a_price_exactly_at_the_edge_is_near_and_one_paisa_beyond_is_not() -> None:
    edge = STEP_MAX_PERCENT
    assert is_near(100 + edge, 100)
    assert is_near(100 - edge, 100)
    assert not is_near(100 + edge + 1, 100)


def test_a_hundred_places_before_the_point_are_a_price_and_a_hundred_and_one_are_none() -> None:
    """A text like 1e999999 would take all memory there is."""
    assert to_paise("1e100") == 10**102
    with pytest.raises(PriceError, match="is not a number of rupees"):
        to_paise("1e101")
