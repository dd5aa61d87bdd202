"""The dated table against itself, against a public calendar library, and against recorded prices."""

import gzip
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path

import exchange_calendars
import pytest

from olaf_async.domain.calendar import NseCalendar
from olaf_async.domain.nse_sessions import (
    CLOSING_AUCTIONS,
    FIRST_DAY,
    HOLIDAYS,
    SPECIAL_SESSIONS,
    YEAR_SOURCES,
    SessionKind,
)

NSE = NseCalendar()
LAST_DAY = date(max(HOLIDAYS), 12, 31)
SATURDAY = 5

XBOM_LACKS = {
    date(2015, 2, 28): "Saturday: Union Budget, full hours",
    date(2015, 11, 11): "Muhurat hour",
    date(2016, 10, 30): "Muhurat hour, Sunday",
    date(2017, 10, 19): "Muhurat hour",
    date(2018, 11, 7): "Muhurat hour",
    date(2019, 10, 27): "Muhurat hour, Sunday",
    date(2020, 2, 1): "Saturday: Union Budget, full hours",
    date(2020, 11, 14): "Muhurat hour, Saturday",
    date(2021, 11, 4): "Muhurat hour",
    date(2022, 10, 24): "Muhurat hour",
    date(2023, 11, 12): "Muhurat hour, Sunday",
    date(2024, 1, 20): "Saturday: full hours before the closed Monday",
    date(2024, 3, 2): "Saturday: drill of the recovery site",
    date(2024, 5, 18): "Saturday: drill of the recovery site",
    date(2024, 11, 1): "Muhurat hour",
    date(2025, 2, 1): "Saturday: Union Budget, full hours",
    date(2025, 10, 21): "Muhurat hour",
    date(2026, 2, 1): "Sunday: Union Budget, full hours",
    date(2026, 11, 8): "Muhurat hour, Sunday",
}
"""Sessions of ours that ``exchange_calendars`` 4.13 XBOM does not have: it knows regular weekdays only."""

XBOM_HAS_MORE: dict[date, str] = {}
"""Days XBOM calls open and we call closed: none."""


@pytest.mark.filterwarnings("ignore:Series.values:DeprecationWarning")  # the library trails its pandas
def test_the_table_and_the_library_differ_only_where_the_reason_is_known() -> None:
    xbom = exchange_calendars.get_calendar("XBOM", start=FIRST_DAY.isoformat(), end=LAST_DAY.isoformat())
    theirs = {stamp.date() for stamp in xbom.sessions}
    ours = {day for day in days(FIRST_DAY, LAST_DAY) if NSE.session(day) is not None}
    assert len(theirs) > 2900
    assert ours - theirs == XBOM_LACKS.keys()
    assert theirs - ours == XBOM_HAS_MORE.keys()


def test_the_years_follow_one_another_without_a_gap_and_each_names_its_source() -> None:
    assert list(HOLIDAYS) == list(range(FIRST_DAY.year, LAST_DAY.year + 1))
    assert YEAR_SOURCES.keys() == HOLIDAYS.keys()


@pytest.mark.parametrize("year", HOLIDAYS)
def test_a_years_closed_days_are_weekdays_of_that_year_in_order_and_named(year: int) -> None:
    closed = HOLIDAYS[year]
    assert list(closed) == sorted(closed)
    assert all(day.year == year and day.weekday() < SATURDAY and name for day, name in closed.items())
    assert len(closed) >= 12 or year == FIRST_DAY.year  # a year half entered would fail open
    assert not closed.keys() & SPECIAL_SESSIONS.keys()


@pytest.mark.parametrize("year", range(2015, 2027))
def test_every_year_has_one_muhurat_hour_in_october_or_november(year: int) -> None:
    hours = [
        session
        for day, session in SPECIAL_SESSIONS.items()
        if day.year == year and session.kind is SessionKind.MUHURAT
    ]
    assert len(hours) == 1
    assert hours[0].day.month in (10, 11)
    assert hours[0].close.hour - hours[0].open.hour == 1
    assert not hours[0].is_full_length


def test_special_sessions_are_in_order_have_ascending_windows_and_name_a_source() -> None:
    assert list(SPECIAL_SESSIONS) == sorted(SPECIAL_SESSIONS)
    for day, session in SPECIAL_SESSIONS.items():
        edges = [edge for window in session.windows for edge in window]
        assert edges == sorted(set(edges))
        assert session.day == day
        assert session.source
        assert NSE.session(day) == session


@pytest.mark.parametrize("day", [date(2024, 3, 2), date(2024, 5, 18)])
def test_a_drill_has_two_windows_and_is_not_full_length(day: date) -> None:
    session = SPECIAL_SESSIONS[day]
    assert session.kind is SessionKind.DRILL
    assert session.windows == ((time(9, 15), time(10, 0)), (time(11, 30), time(12, 30)))
    assert (session.open, session.close) == (time(9, 15), time(12, 30))
    assert not session.is_full_length


@pytest.mark.parametrize(
    "day", [date(2015, 2, 28), date(2020, 2, 1), date(2024, 1, 20), date(2025, 2, 1), date(2026, 2, 1)]
)
def test_a_full_weekend_session_is_an_ordinary_day(day: date) -> None:
    session = SPECIAL_SESSIONS[day]
    assert day.weekday() >= SATURDAY
    assert session.is_full_length
    assert (session.open, session.close) == (time(9, 15), time(15, 30))


def test_an_unverified_time_says_so() -> None:
    unverified = {day.year for day, session in SPECIAL_SESSIONS.items() if "unverified" in session.source}
    assert unverified == {2020, 2026}


def test_closing_auctions_ascend_and_name_a_source() -> None:
    assert [auction.since for auction in CLOSING_AUCTIONS] == sorted({a.since for a in CLOSING_AUCTIONS})
    assert all(auction.source and auction.continuous_close < time(15, 30) for auction in CLOSING_AUCTIONS)


# Recorded prices. They may not be shipped; where they are absent these tests say so.

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
with_recorded_prices = pytest.mark.skipif(not DATA.is_dir(), reason="the recorded prices are not here")

ABSENT_2015 = {
    *(date(2015, 1, day) for day in (8, 9, 12, 13)),
    *(date(2015, 2, day) for day in (4, 5, 6, 9, 10, 11, 12, 13, 16)),
    date(2015, 4, 21),
}
"""Defects of that recording, as its own notes list them, not closures."""

ABSENT_2021 = {date(2021, 5, 24), date(2021, 5, 25)}
"""Left out: recorded twice over."""


@with_recorded_prices
@pytest.mark.parametrize(
    ("folder", "absent"),
    [
        ("bars_1m_2015", ABSENT_2015),
        ("daily_2015", ABSENT_2015),
        ("bars_1m_2021", ABSENT_2021),
        ("daily_2021", set[date]()),
        ("bars_5m_2023", set[date]()),
        ("daily_2023", set[date]()),
    ],
)
def test_the_days_with_recorded_prices_are_the_sessions_of_the_table(folder: str, absent: set[date]) -> None:
    recorded = {date.fromisoformat(stamp[:10]) for stamp in stamps(DATA / folder)}
    ours = {day for day in days(min(recorded), max(recorded)) if NSE.session(day) is not None}
    assert recorded - ours == set()
    assert ours - recorded == absent


@with_recorded_prices
@pytest.mark.parametrize("folder", ["bars_1m_2015", "bars_1m_2021", "bars_5m_2023"])
def test_every_recorded_bar_starts_inside_a_window_of_its_day(folder: str) -> None:
    for stamp in stamps(DATA / folder):
        moment = datetime.fromisoformat(stamp)
        session = NSE.session(moment.date())
        assert session is not None
        assert any(start <= moment.time() < end for start, end in session.windows), stamp


@with_recorded_prices
def test_every_day_with_recorded_ticks_is_a_session() -> None:
    recorded = {date.fromisoformat(path.name[:10]) for path in (DATA / "ticks_2021").glob("*/*.csv.gz")}
    assert recorded
    assert all(NSE.session(day) is not None for day in recorded)


def days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


@cache
def stamps(folder: Path) -> frozenset[str]:
    """The distinct first columns of all files, to the minute."""
    found: set[str] = set()
    for path in folder.glob("*.csv*"):
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        found.update(line[:16].split(",")[0] for line in text.decode().splitlines()[1:])
    assert found
    return frozenset(found)
