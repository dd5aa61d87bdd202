"""The questions a trading day asks of the calendar."""

from datetime import date, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.domain.calendar import (
    AlwaysOpen,
    Calendar,
    NseCalendar,
    SessionKind,
    continuous_close,
    latest_exit_start,
)
from olaf_async.errors import ConfigError

NSE: Calendar = NseCalendar()
ALWAYS: Calendar = AlwaysOpen(time(9, 15), time(15, 30))
CLOSE = time(15, 30)

any_day = st.dates(date(2014, 1, 1), date(2028, 12, 31))
times = st.times().map(lambda t: t.replace(microsecond=0))


def test_an_ordinary_day_runs_from_0915_to_1530_and_names_its_source() -> None:
    session = NSE.session(date(2026, 11, 23))
    assert session is not None
    assert (session.open, session.close) == (time(9, 15), time(15, 30))
    assert session.kind is SessionKind.REGULAR
    assert session.is_full_length
    assert "NSE/CMTR/71775" in session.source


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        (date(2026, 11, 24), "Guru Nanak Jayanti"),
        (date(2026, 1, 15), "Municipal elections in Maharashtra"),
        (date(2026, 11, 21), "Saturday"),
        (date(2026, 11, 22), "Sunday"),
    ],
)
def test_a_closed_day_says_why(day: date, reason: str) -> None:
    assert NSE.session(day) is None
    assert NSE.why_closed(day) == reason


@pytest.mark.parametrize("day", [date(2014, 11, 28), date(2027, 1, 4), date.min, date.max])
def test_a_day_outside_the_table_is_closed_and_the_reason_says_what_the_table_knows(day: date) -> None:
    assert NSE.session(day) is None
    assert NSE.previous_session(day) is None
    assert NSE.next_session(day) is None
    reason = NSE.why_closed(day)
    assert reason is not None
    assert f"2014-12-01 to the end of 2026 and not {day}" in reason


def test_the_walk_to_a_neighbour_stops_at_both_ends_of_the_table() -> None:
    assert NSE.previous_session(date(2014, 12, 1)) is None
    assert NSE.next_session(date(2014, 12, 1)) == date(2014, 12, 2)
    assert NSE.previous_session(date(2026, 12, 31)) == date(2026, 12, 30)
    assert NSE.next_session(date(2026, 12, 31)) is None


def test_neighbours_include_short_sessions_and_full_weekend_sessions() -> None:
    assert NSE.next_session(date(2023, 11, 10)) == date(2023, 11, 12)  # Muhurat on a Sunday
    assert NSE.next_session(date(2023, 11, 12)) == date(2023, 11, 13)
    assert NSE.previous_session(date(2024, 3, 4)) == date(2024, 3, 2)  # drill on a Saturday
    assert NSE.previous_session(date(2026, 2, 2)) == date(2026, 2, 1)  # Budget on a Sunday
    assert NSE.previous_session(date(2024, 1, 23)) == date(2024, 1, 20)  # full Saturday, closed Monday


def test_neighbours_step_over_a_long_weekend_and_the_turn_of_a_year() -> None:
    assert NSE.previous_session(date(2016, 3, 28)) == date(2016, 3, 23)
    assert NSE.next_session(date(2020, 12, 31)) == date(2021, 1, 1)
    assert NSE.previous_session(date(2017, 1, 1)) == date(2016, 12, 30)


@pytest.mark.parametrize(
    "day", [date(2026, 11, 23), date(2026, 11, 8), date(2026, 11, 24), date(2026, 11, 21)]
)
def test_a_closure_added_by_the_operator_wins_over_everything(day: date) -> None:
    calendar = NseCalendar(extra_closed=frozenset({day}))
    assert calendar.session(day) is None
    assert calendar.why_closed(day) == "closed by the operator"
    assert calendar.next_session(day - timedelta(days=1)) != day
    assert calendar.previous_session(day + timedelta(days=1)) != day


@given(any_day, st.frozensets(any_day, max_size=5))
def test_a_day_has_either_a_session_or_a_reason(day: date, extra_closed: frozenset[date]) -> None:
    calendar = NseCalendar(extra_closed)
    session, reason = calendar.session(day), calendar.why_closed(day)
    assert (session is None) == (reason is not None)
    assert reason != ""
    if session is not None:
        assert session.day == day


@given(any_day, st.frozensets(any_day, max_size=5))
def test_neighbours_are_sessions_with_nothing_between(day: date, extra_closed: frozenset[date]) -> None:
    calendar = NseCalendar(extra_closed)
    for neighbour, step in ((calendar.next_session(day), 1), (calendar.previous_session(day), -1)):
        if neighbour is None:
            continue
        assert calendar.session(neighbour) is not None
        assert (neighbour > day) == (step > 0)
        between = range(step, (neighbour - day).days, step)
        assert all(calendar.session(day + timedelta(days=n)) is None for n in between)


@given(st.dates())
def test_the_always_open_calendar_has_the_same_hours_every_day(day: date) -> None:
    session = ALWAYS.session(day)
    assert session is not None
    assert (session.day, session.open, session.close) == (day, time(9, 15), time(15, 30))
    assert session.is_full_length
    assert ALWAYS.why_closed(day) is None


def test_the_neighbours_of_an_always_open_day_are_the_days_beside_it() -> None:
    sunday = date(2026, 11, 22)
    assert ALWAYS.previous_session(sunday) == date(2026, 11, 21)
    assert ALWAYS.next_session(sunday) == date(2026, 11, 23)
    assert ALWAYS.previous_session(date.min) is None
    assert ALWAYS.next_session(date.max) is None


@pytest.mark.parametrize("close", [time(9, 15), time(9, 0)])
def test_an_always_open_day_must_close_after_it_opens(close: time) -> None:
    with pytest.raises(ConfigError, match=r"session\.close .* must be later than session\.open"):
        AlwaysOpen(time(9, 15), close)


@pytest.mark.parametrize(
    ("day", "exchange_close", "in_auction", "expected"),
    [
        (date(2026, 7, 31), CLOSE, True, CLOSE),  # the last session before the closing auction
        (date(2026, 8, 3), CLOSE, True, time(15, 15)),
        (date(2026, 8, 3), CLOSE, False, CLOSE),
        (date(2026, 8, 4), time(13, 0), True, time(13, 0)),  # an earlier close stays earlier
        (date(2026, 11, 8), time(19, 0), True, time(19, 0)),  # the Muhurat hour holds no closing auction
        (date(2026, 2, 1), CLOSE, True, CLOSE),  # a full weekend session before the rule
        (date(2027, 1, 4), CLOSE, True, time(15, 15)),  # the rule does not end with the table
    ],
)
def test_continuous_trading_ends_at_1515_in_the_closing_auction(
    day: date, exchange_close: time, *, in_auction: bool, expected: time
) -> None:
    assert continuous_close(day, exchange_close, in_closing_auction=in_auction) == expected


def test_a_share_is_taken_to_be_in_the_closing_auction_unless_said_otherwise() -> None:
    assert continuous_close(date(2026, 11, 23), CLOSE) == time(15, 15)


@pytest.mark.parametrize(
    ("day", "exchange_close", "expected"),
    [
        (date(2015, 6, 1), CLOSE, time(14, 59)),
        (date(2026, 11, 23), CLOSE, time(14, 59)),
        (date(2026, 11, 23), time(15, 14), time(14, 58)),
        (date(2024, 3, 2), time(12, 30), time(12, 14)),
        (date(2023, 11, 12), time(19, 15), time(14, 59)),  # before its open: no time for an intraday trade
        (date(2015, 6, 1), time(0, 10), time(0, 0)),
    ],
)
def test_an_exit_starts_by_1459_and_16_minutes_before_the_share_stops(
    day: date, exchange_close: time, expected: time
) -> None:
    assert latest_exit_start(day, exchange_close) == expected


@given(day=any_day, exchange_close=times, in_auction=st.booleans())
def test_the_latest_exit_leaves_16_minutes_where_the_day_has_them(
    day: date, exchange_close: time, *, in_auction: bool
) -> None:
    end = continuous_close(day, exchange_close, in_closing_auction=in_auction)
    start = latest_exit_start(day, exchange_close, in_closing_auction=in_auction)
    assert end <= exchange_close
    assert start <= time(14, 59)
    if end >= time(0, 16):
        assert _seconds(end) - _seconds(start) >= 16 * 60


def _seconds(moment: time) -> int:
    return moment.hour * 3600 + moment.minute * 60 + moment.second
