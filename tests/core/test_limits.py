"""Limits beyond a trigger: outward, on the tick, and inside what the exchange allows."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.core.limits import crossing_limit, stop_limit, stop_limit_by_ticks
from olaf_async.domain.order import Side
from olaf_async.domain.price import Paise

ticks = st.integers(1, 500)
sides = st.sampled_from(Side)
percents = st.fractions(0, 3, max_denominator=100)


def cap(trigger: Paise) -> Fraction:
    """The exchange's own words: 3 % of the trigger, Rs 1.50 where the trigger is at most Rs 50."""
    return Fraction(150) if trigger <= 50_00 else Fraction(trigger * 3, 100)


@pytest.mark.parametrize(
    ("trigger", "side", "pct", "limit"),
    [
        (100_00, Side.SELL, "1", 99_00),
        (100_00, Side.BUY, "0.3", 100_30),
        (511_95, Side.SELL, "1", 506_80),  # 506.8305 rounded outward
        (511_95, Side.BUY, "1", 517_10),  # 517.0695 rounded outward
    ],
)
def test_a_limit_lies_a_percentage_beyond_its_trigger_rounded_outward(
    trigger: Paise, side: Side, pct: str, limit: Paise
) -> None:
    assert stop_limit(trigger, side, Fraction(pct), 5) == limit


@pytest.mark.parametrize(
    ("trigger", "side", "limit"),
    [
        (100_00, Side.SELL, 97_00),
        (101_05, Side.SELL, 98_05),  # 98.0185: outward would be 98.00, beyond the cap
        (101_05, Side.BUY, 104_05),  # 104.0815
        (50_00, Side.BUY, 51_50),
        (50_05, Side.BUY, 51_55),  # 3 % of 50.05 is 1.5015
        (20_00, Side.SELL, 18_50),
    ],
)
def test_a_limit_never_leaves_the_exchanges_cap(trigger: Paise, side: Side, limit: Paise) -> None:
    assert stop_limit(trigger, side, Fraction(3 if trigger > 50_00 else 10), 5) == limit


def test_a_limit_may_be_given_in_ticks() -> None:
    assert stop_limit_by_ticks(100_00, Side.BUY, 4, 5) == 100_20
    assert stop_limit_by_ticks(100_00, Side.SELL, 4, 5) == 99_80
    assert stop_limit_by_ticks(100_00, Side.BUY, 400, 5) == 103_00


@given(ticks, st.integers(1, 20_000), sides, percents)
def test_every_stop_limit_is_a_price_the_exchange_takes(
    tick: Paise, steps: int, side: Side, pct: Fraction
) -> None:
    trigger = tick * steps
    limit = stop_limit(trigger, side, pct, tick)
    assert limit > 0
    assert limit % tick == 0
    assert (limit - trigger) * side.sign >= 0
    assert abs(limit - trigger) <= cap(trigger)


@given(ticks, st.integers(1, 10**7), sides, percents)
def test_a_crossing_limit_lies_at_least_the_percentage_through_the_price(
    tick: Paise, price: Paise, side: Side, pct: Fraction
) -> None:
    limit = crossing_limit(price, side, pct, tick)
    assert limit > 0
    assert limit % tick == 0
    through = (limit - price) * side.sign
    assert through >= price * pct / 100 or limit == tick
    assert through < price * pct / 100 + tick + 1


def test_a_price_near_nothing_is_sold_for_one_tick_and_not_for_less() -> None:
    assert crossing_limit(3, Side.SELL, Fraction(3), 5) == 5
    assert stop_limit(1_00, Side.SELL, Fraction(3), 5) == 95
    assert stop_limit(5, Side.SELL, Fraction(3), 5) == 5
