"""Tick sizes by date and price."""

import csv
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.domain.calendar import NseCalendar
from olaf_async.domain.price import Paise, PriceError, is_on_tick, to_paise
from olaf_async.domain.tick_sizes import ALLOWED_TICKS, TICK_BANDS, tick_size, tick_sizes

prices = st.integers(1, 10_000_000)
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.mark.parametrize("price", ["0.05", "249.99", "250", "1000", "5000.05", "25000"])
@pytest.mark.parametrize("day", [date(1995, 1, 2), date(2015, 3, 2), date(2024, 6, 7), date(2024, 6, 9)])
def test_until_june_2024_every_share_moves_by_5_paise(day: date, price: str) -> None:
    assert tick_size(day, to_paise(price)) == 5


@pytest.mark.parametrize("day", [date(2024, 6, 10), date(2025, 4, 14)])
@pytest.mark.parametrize(
    ("price", "tick"), [("0.01", 1), ("249.99", 1), ("250", 5), ("1000.05", 5), ("50000", 5)]
)
def test_from_june_2024_cheap_shares_move_by_1_paisa(day: date, price: str, tick: Paise) -> None:
    assert tick_size(day, to_paise(price)) == tick


@pytest.mark.parametrize("day", [date(2025, 4, 15), date(2026, 11, 23), date(2030, 1, 1)])
@pytest.mark.parametrize(
    ("price", "tick"),
    [
        ("0.01", 1),
        ("249.99", 1),
        ("250", 5),
        ("1000", 5),
        ("1000.01", 10),
        ("5000", 10),
        ("5000.01", 50),
        ("10000", 50),
        ("10000.01", 100),
        ("20000", 100),
        ("20000.01", 500),
        ("150000", 500),
    ],
)
def test_from_april_2025_dear_shares_move_in_larger_steps(day: date, price: str, tick: Paise) -> None:
    assert tick_size(day, to_paise(price)) == tick


@pytest.mark.parametrize("price", [0, -1])
def test_a_share_without_a_price_has_no_tick_size(price: Paise) -> None:
    with pytest.raises(PriceError, match="no tick size"):
        tick_size(date(2026, 11, 23), price)


@given(st.dates(), prices)
def test_every_tick_is_one_a_server_may_claim(day: date, price: Paise) -> None:
    assert tick_size(day, price) in ALLOWED_TICKS


def test_every_tick_a_server_may_claim_occurs_in_the_table() -> None:
    named = {tick for bands in TICK_BANDS for _, tick in bands.bands} | {bands.above for bands in TICK_BANDS}
    assert named == ALLOWED_TICKS


@given(st.dates(), prices, prices)
def test_a_dearer_share_never_moves_in_smaller_steps(day: date, one: Paise, other: Paise) -> None:
    assert tick_size(day, min(one, other)) <= tick_size(day, max(one, other))


def test_bands_ascend_by_date_and_by_price_and_name_a_source() -> None:
    assert [bands.since for bands in TICK_BANDS] == sorted({bands.since for bands in TICK_BANDS})
    assert TICK_BANDS[0].since == date.min
    for bands in TICK_BANDS:
        assert list(bands.bands) == sorted(bands.bands)
        assert bands.source


@pytest.mark.skipif(not DATA.is_dir(), reason="the recorded prices are not here")
@pytest.mark.parametrize("folder", ["daily_2021", "daily_2023"])
def test_recorded_daily_prices_lie_on_the_tick_of_last_months_close(folder: str) -> None:
    checked = 0
    for path in (DATA / folder).glob("*.csv"):
        if path.stem == "CANBK":
            continue  # adjusted for a later split, so off the grid of its day
        with path.open(encoding="utf-8") as file:
            rows = {date.fromisoformat(row["date"]): row for row in csv.DictReader(file)}
        for day, row in rows.items():
            reference = rows.get(NseCalendar().previous_session(day.replace(day=1)) or date.min)
            if reference is not None:
                tick = tick_size(day, to_paise(reference["close"]))
                assert all(is_on_tick(to_paise(row[key]), tick) for key in ("open", "high", "low", "close"))
                checked += 1
    assert checked > 1000


@pytest.mark.parametrize(
    ("day", "ticks"),
    [
        (date(2024, 6, 9), (5,)),
        (date(2024, 6, 10), (1, 5)),
        (date(2025, 4, 15), (1, 5, 10, 50, 100, 500)),
    ],
)
def test_the_ticks_of_a_day_are_those_of_all_its_bands(day: date, ticks: tuple[int, ...]) -> None:
    assert tick_sizes(day) == ticks
    assert set(ticks) <= ALLOWED_TICKS
