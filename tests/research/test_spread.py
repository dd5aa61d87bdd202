"""The spread of some times: each figure is one of them."""

from hypothesis import given
from hypothesis import strategies as st

from olaf_async.research.spread import Spread, spread


def test_nothing_is_spread_over_nothing() -> None:
    assert spread(()) == Spread(0, 0, 0)


def test_of_one_value_every_figure_is_that() -> None:
    assert spread((7,)) == Spread(7, 7, 7)


def test_half_and_ninety_five_of_a_hundred_are_within() -> None:
    assert spread(range(100, 0, -1)) == Spread(50, 95, 100)


@given(st.lists(st.integers(0, 1000), min_size=1))
def test_figures_are_values_and_rise(values: list[int]) -> None:
    found = spread(values)
    assert {found.p50, found.p95, found.worst} <= set(values)
    assert found.p50 <= found.p95 <= found.worst == max(values)
    assert 2 * sum(value <= found.p50 for value in values) >= len(values)
