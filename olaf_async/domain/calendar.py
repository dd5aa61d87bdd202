"""On which days the exchange trades, from when to when, and when an intraday position must be on its way out.

Owns the questions asked of the dated table in ``nse_sessions``. It must never answer from a rule of thumb:
a day the table does not cover has no session, and ``why_closed`` says so. Only dates and local times live
here; time zones belong to the edges, and which time zone is meant is a setting.

I1. ``session(day) is None`` exactly when ``why_closed(day)`` gives a reason.
I2. The calendar of one value never changes; a closure added by the operator makes another value.
"""

from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Final, Protocol

from olaf_async.domain.nse_sessions import (
    CLOSING_AUCTIONS,
    FIRST_DAY,
    FULL_HOURS,
    HOLIDAYS,
    SPECIAL_SESSIONS,
    YEAR_SOURCES,
    ExchangeSession,
    SessionKind,
    Windows,
)
from olaf_async.errors import ConfigError

__all__ = [
    "AlwaysOpen",
    "Calendar",
    "ExchangeSession",
    "NseCalendar",
    "SessionKind",
    "Windows",
    "continuous_close",
    "latest_exit_start",
]

LATEST_EXIT_START: Final = time(14, 59)
"""From about 15:00 brokers square intraday positions off; an engine still at work would collide with them."""

EXIT_MINUTES_BEFORE_CLOSE: Final = 16
"""What an exit keeps in hand before the symbol stops trading continuously."""

_ONE_DAY = timedelta(days=1)
_SATURDAY = 5


class Calendar(Protocol):
    """Which days are sessions. Short sessions count as sessions everywhere here; ask ``is_full_length``."""

    def session(self, day: date) -> ExchangeSession | None:
        """The session of that day, or None where the exchange is closed or the day is unknown."""

    def previous_session(self, day: date) -> date | None:
        """The last session day before ``day``; None where ``day`` or the answer lies outside the table."""

    def next_session(self, day: date) -> date | None:
        """The first session day after ``day``; None where ``day`` or the answer lies outside the table."""

    def why_closed(self, day: date) -> str | None:
        """The reason in words a person can act on; None on a session day."""


@dataclass(frozen=True, slots=True)
class NseCalendar:
    """The NSE cash market by the project's own table, closed where the table says nothing.

    ``extra_closed`` are closures the operator knows of before the table does; they win over everything.
    """

    extra_closed: frozenset[date] = frozenset()

    def session(self, day: date) -> ExchangeSession | None:
        """See ``Calendar.session``."""
        if self.why_closed(day) is not None:
            return None
        regular = ExchangeSession(day, SessionKind.REGULAR, FULL_HOURS, YEAR_SOURCES[day.year])
        return SPECIAL_SESSIONS.get(day, regular)

    def previous_session(self, day: date) -> date | None:
        """See ``Calendar.previous_session``."""
        return self._nearest(day, -_ONE_DAY)

    def next_session(self, day: date) -> date | None:
        """See ``Calendar.next_session``."""
        return self._nearest(day, _ONE_DAY)

    def why_closed(self, day: date) -> str | None:
        """See ``Calendar.why_closed``."""
        if not _covers(day):
            return (
                f"the NSE calendar knows {FIRST_DAY} to the end of {max(HOLIDAYS)} and not {day}: "
                "an unknown day is closed until its year is added"
            )
        if day in self.extra_closed:
            return "closed by the operator"
        if day in SPECIAL_SESSIONS:
            return None
        if day.weekday() >= _SATURDAY:
            return "Saturday" if day.weekday() == _SATURDAY else "Sunday"
        return HOLIDAYS[day.year].get(day)

    def _nearest(self, day: date, step: timedelta) -> date | None:
        while _covers(day):
            day += step
            if self.why_closed(day) is None:
                return day
        return None


@dataclass(frozen=True, slots=True)
class AlwaysOpen:
    """Every day is an ordinary session of the given hours: for tests and drills.

    Raises:
        ConfigError: the close is not after the open.
    """

    open: time
    close: time

    def __post_init__(self) -> None:
        if self.open >= self.close:
            raise ConfigError(f"session.close ({self.close}) must be later than session.open ({self.open})")

    def session(self, day: date) -> ExchangeSession | None:
        """See ``Calendar.session``."""
        return ExchangeSession(
            day, SessionKind.REGULAR, ((self.open, self.close),), 'session.calendar = "always"'
        )

    def previous_session(self, day: date) -> date | None:
        """See ``Calendar.previous_session``."""
        return day - _ONE_DAY if day > date.min else None

    def next_session(self, day: date) -> date | None:
        """See ``Calendar.next_session``."""
        return day + _ONE_DAY if day < date.max else None

    def why_closed(self, day: date) -> str | None:  # noqa: ARG002  the protocol asks about a day
        """See ``Calendar.why_closed``."""
        return None


def continuous_close(day: date, exchange_close: time, *, in_closing_auction: bool = True) -> time:
    """When an NSE share stops trading continuously: 15:15 in the auction, from 2026-08-03 on; else the close.

    At that moment the exchange also cancels resting stops. Which shares are in the auction changes and is
    not always known, so a share is taken to be in it unless the caller knows better; the earlier close is
    the safe one. A Muhurat hour or drill holds no closing auction and keeps its own close.

    Source: NSE/CMTR/74466 (2026-05-29).
    """
    special = SPECIAL_SESSIONS.get(day)
    if not in_closing_auction or (special is not None and not special.is_full_length):
        return exchange_close
    for auction in reversed(CLOSING_AUCTIONS):
        if auction.since <= day:
            return min(exchange_close, auction.continuous_close)
    return exchange_close


def latest_exit_start(day: date, exchange_close: time, *, in_closing_auction: bool = True) -> time:
    """The latest local time at which the exit of an intraday NSE position may begin.

    Never after 14:59, nor later than 16 minutes before the share's own continuous close. It may lie before
    the open of a short session: such a session leaves no time for an intraday trade.
    """
    end = continuous_close(day, exchange_close, in_closing_auction=in_closing_auction)
    minutes = max(0, end.hour * 60 + end.minute - EXIT_MINUTES_BEFORE_CLOSE)
    return min(LATEST_EXIT_START, end.replace(hour=minutes // 60, minute=minutes % 60))


def _covers(day: date) -> bool:
    return day >= FIRST_DAY and day.year in HOLIDAYS
