"""One odd print is not acted on; a true gap is, once a second source has seen it too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.adapters.openalgo.sanity import PriceSanity
from olaf_async.adapters.openalgo.wire.frames import Band
from olaf_async.domain.price import STEP_MAX_PERCENT

PRICES = st.integers(min_value=1, max_value=10**9)


@pytest.mark.parametrize(
    ("price", "is_accepted"),
    [
        (800_00, True),
        (1000_00, True),
        (1000_01, False),
        (600_00, True),
        (599_99, False),
        (8000_00, False),
        (80_00, False),
        (1, False),
    ],
)
def test_a_print_too_far_from_the_last_is_rejected(price: int, is_accepted: bool) -> None:
    assert PriceSanity(800_00).accepts(price) is is_accepted


def test_the_reference_moves_with_each_accepted_print_and_with_no_other() -> None:
    sanity = PriceSanity(800_00)
    assert sanity.accepts(960_00)
    assert not sanity.accepts(8000_00)
    assert sanity.reference == 960_00
    assert sanity.accepts(1150_00)


def test_the_same_odd_price_is_rejected_however_often_it_comes() -> None:
    sanity = PriceSanity(800_00)
    assert not any(sanity.accepts(8000_00) for _ in range(100))


def test_a_print_outside_the_band_of_its_frame_is_rejected() -> None:
    sanity = PriceSanity(800_00)
    assert not sanity.accepts(850_00, Band(760_00, 840_00))
    assert sanity.accepts(840_00, Band(760_00, 840_00))


def test_a_quote_near_the_rejected_level_makes_it_the_reference() -> None:
    sanity = PriceSanity(800_00)
    assert not sanity.accepts(500_00)
    assert sanity.compare(503_00)
    assert sanity.accepts(505_00)


def test_a_quote_far_from_the_rejected_level_leaves_the_reference_alone() -> None:
    sanity = PriceSanity(800_00)
    assert not sanity.accepts(8000_00)
    assert not sanity.compare(801_00)
    assert not sanity.has_doubt
    assert sanity.reference == 800_00


def test_a_quote_that_nobody_had_doubts_about_moves_nothing() -> None:
    sanity = PriceSanity(800_00)
    assert not sanity.compare(100_00)
    assert not sanity.accepts(8000_00)
    assert sanity.accepts(801_00)
    assert not sanity.compare(8000_00)
    assert sanity.reference == 801_00


def test_a_band_that_print_and_quote_contradict_is_disbelieved_until_it_changes() -> None:
    sanity = PriceSanity(800_00)
    in_paise = Band(7_60, 8_40)
    assert not sanity.accepts(800_00, in_paise)
    assert sanity.compare(800_00)
    assert sanity.accepts(801_00, in_paise)
    assert not sanity.accepts(850_00, Band(760_00, 840_00))


def test_a_band_that_only_the_print_contradicts_stands() -> None:
    sanity = PriceSanity(800_00)
    band = Band(760_00, 840_00)
    assert not sanity.accepts(850_00, band)
    assert not sanity.compare(839_00)
    assert not sanity.accepts(850_00, band)


@given(start=PRICES, prints=st.lists(PRICES, max_size=30))
def test_without_a_second_source_accepted_prints_never_jump(start: int, prints: list[int]) -> None:
    sanity = PriceSanity(start)
    last = start
    for price in prints:
        if sanity.accepts(price):
            assert abs(price - last) * 100 <= STEP_MAX_PERCENT * last
            last = price
        assert sanity.reference == last
