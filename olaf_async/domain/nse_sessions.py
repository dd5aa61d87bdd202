"""The dated facts of the NSE cash market: closed days, sessions out of the ordinary, the closing auction.

Owns data and nothing else; ``calendar`` asks the questions. It must never guess: a year enters this table
from the exchange's published list, as ``docs/calendar.md`` describes, and until then it does not exist.

What is recorded is the session as it was announced before it began. A halt that nobody could know of in
the morning (24 February 2021: stopped 11:40, resumed 15:45 to 17:00) is no entry here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from typing import Final, TypeAlias

Windows: TypeAlias = tuple[tuple[time, time], ...]
"""Spans of continuous trading in exchange local time, ascending; the end is no longer part of the span."""


class SessionKind(StrEnum):
    """Why the exchange trades that day."""

    REGULAR = "regular"
    BUDGET = "budget"
    """A weekend day on which the Union Budget is presented: full hours."""
    WEEKEND = "weekend"
    """Any other weekend day with full hours."""
    MUHURAT = "muhurat"
    """The ceremonial hour of Diwali."""
    DRILL = "drill"
    """Two short spans on a Saturday, between which the exchange moves to its recovery site."""


@dataclass(frozen=True, slots=True)
class ExchangeSession:
    """One day on which the exchange trades. Times are exchange local time; ``source`` says who told us."""

    day: date
    kind: SessionKind
    windows: Windows
    source: str

    @property
    def open(self) -> time:
        """Start of the first window."""
        return self.windows[0][0]

    @property
    def close(self) -> time:
        """End of the last window."""
        return self.windows[-1][1]

    @property
    def is_full_length(self) -> bool:
        """Whether strategies may treat it as an ordinary day; a Muhurat hour and a drill are not."""
        return self.kind not in (SessionKind.MUHURAT, SessionKind.DRILL)


@dataclass(frozen=True, slots=True)
class ClosingAuction:
    """From ``since`` on, shares in the closing auction stop trading continuously at ``continuous_close``."""

    since: date
    continuous_close: time
    source: str


FIRST_DAY: Final = date(2014, 12, 1)
"""The table starts here; of 2014 it holds December only."""

FULL_HOURS: Final[Windows] = ((time(9, 15), time(15, 30)),)
DRILL_HOURS: Final[Windows] = ((time(9, 15), time(10, 0)), (time(11, 30), time(12, 30)))

CLOSING_AUCTIONS: Final = (
    ClosingAuction(date(2026, 8, 3), time(15, 15), "NSE/CMTR/74466 of 2026-05-29; BSE 20260801-1 (go-live)"),
)
"""Ascending by ``since``."""


def _session(day: date, kind: SessionKind, windows: Windows, source: str) -> tuple[date, ExchangeSession]:
    return day, ExchangeSession(day, kind, windows, source)


def _muhurat(day: date, start: time, source: str) -> tuple[date, ExchangeSession]:
    return _session(day, SessionKind.MUHURAT, ((start, start.replace(hour=start.hour + 1)),), source)


_PRESS = "exchange notice as reported in the press"
_PRINTED = "hours as printed in recorded prices of that day"

SPECIAL_SESSIONS: Final[Mapping[date, ExchangeSession]] = dict(
    (
        _session(date(2015, 2, 28), SessionKind.BUDGET, FULL_HOURS, _PRINTED),
        _muhurat(date(2015, 11, 11), time(17, 45), _PRESS),
        _muhurat(date(2016, 10, 30), time(18, 30), _PRESS),
        _muhurat(date(2017, 10, 19), time(18, 30), _PRESS),
        _muhurat(date(2018, 11, 7), time(17, 30), _PRESS),
        _muhurat(date(2019, 10, 27), time(18, 15), _PRESS),
        _session(date(2020, 2, 1), SessionKind.BUDGET, FULL_HOURS, _PRESS),
        _muhurat(date(2020, 11, 14), time(18, 15), "date: press; time: unverified, general knowledge"),
        _muhurat(date(2021, 11, 4), time(18, 15), _PRESS),
        _muhurat(date(2022, 10, 24), time(18, 15), _PRESS),
        _muhurat(date(2023, 11, 12), time(18, 15), _PRINTED),
        _session(date(2024, 1, 20), SessionKind.WEEKEND, FULL_HOURS, _PRINTED),
        _session(date(2024, 3, 2), SessionKind.DRILL, DRILL_HOURS, _PRINTED),
        _session(date(2024, 5, 18), SessionKind.DRILL, DRILL_HOURS, _PRINTED),
        _muhurat(date(2024, 11, 1), time(18, 0), _PRESS),
        _session(date(2025, 2, 1), SessionKind.BUDGET, FULL_HOURS, _PRESS),
        _muhurat(date(2025, 10, 21), time(13, 45), _PRESS),
        _session(date(2026, 2, 1), SessionKind.BUDGET, FULL_HOURS, "NSE/CMTR/72349 of 2026-01-16"),
        _muhurat(date(2026, 11, 8), time(18, 0), "date: NSE/CMTR/71775; time: unverified, a guess"),
    )
)


def _closed(year: int, *days: tuple[int, int, str]) -> tuple[int, Mapping[date, str]]:
    return year, {date(year, month, day): name for month, day, name in days}


HOLIDAYS: Final[Mapping[int, Mapping[date, str]]] = dict(
    (
        _closed(2014, (12, 25, "Christmas")),
        _closed(
            2015,
            (1, 26, "Republic Day"),
            (2, 17, "Mahashivratri"),
            (3, 6, "Holi"),
            (4, 2, "Mahavir Jayanti"),
            (4, 3, "Good Friday"),
            (4, 14, "Ambedkar Jayanti"),
            (5, 1, "Maharashtra Day"),
            (9, 17, "Ganesh Chaturthi"),
            (9, 25, "Bakri Id"),
            (10, 2, "Gandhi Jayanti"),
            (10, 22, "Dussehra"),
            (11, 12, "Diwali Balipratipada"),
            (11, 25, "Guru Nanak Jayanti"),
            (12, 25, "Christmas"),
        ),
        _closed(
            2016,
            (1, 26, "Republic Day"),
            (3, 7, "Mahashivratri"),
            (3, 24, "Holi"),
            (3, 25, "Good Friday"),
            (4, 14, "Ambedkar Jayanti"),
            (4, 15, "Ram Navami"),
            (4, 19, "Mahavir Jayanti"),
            (7, 6, "Id-ul-Fitr"),
            (8, 15, "Independence Day"),
            (9, 5, "Ganesh Chaturthi"),
            (9, 13, "Bakri Id"),
            (10, 11, "Dussehra"),
            (10, 12, "Muharram"),
            (10, 31, "Diwali Balipratipada"),
            (11, 14, "Guru Nanak Jayanti"),
        ),
        _closed(
            2017,
            (1, 26, "Republic Day"),
            (2, 24, "Mahashivratri"),
            (3, 13, "Holi"),
            (4, 4, "Ram Navami"),
            (4, 14, "Good Friday and Ambedkar Jayanti"),
            (5, 1, "Maharashtra Day"),
            (6, 26, "Id-ul-Fitr"),
            (8, 15, "Independence Day"),
            (8, 25, "Ganesh Chaturthi"),
            (10, 2, "Gandhi Jayanti"),
            (10, 20, "Diwali Balipratipada"),
            (12, 25, "Christmas"),
        ),
        _closed(
            2018,
            (1, 26, "Republic Day"),
            (2, 13, "Mahashivratri"),
            (3, 2, "Holi"),
            (3, 29, "Mahavir Jayanti"),
            (3, 30, "Good Friday"),
            (5, 1, "Maharashtra Day"),
            (8, 15, "Independence Day"),
            (8, 22, "Bakri Id"),
            (9, 13, "Ganesh Chaturthi"),
            (9, 20, "Muharram"),
            (10, 2, "Gandhi Jayanti"),
            (10, 18, "Dussehra"),
            (11, 8, "Diwali Balipratipada"),
            (11, 23, "Guru Nanak Jayanti"),
            (12, 25, "Christmas"),
        ),
        _closed(
            2019,
            (3, 4, "Mahashivratri"),
            (3, 21, "Holi"),
            (4, 17, "Mahavir Jayanti"),
            (4, 19, "Good Friday"),
            (4, 29, "Parliamentary elections in Mumbai"),
            (5, 1, "Maharashtra Day"),
            (6, 5, "Id-ul-Fitr"),
            (8, 12, "Bakri Id"),
            (8, 15, "Independence Day"),
            (9, 2, "Ganesh Chaturthi"),
            (9, 10, "Muharram"),
            (10, 2, "Gandhi Jayanti"),
            (10, 8, "Dussehra"),
            (10, 21, "State assembly elections"),
            (10, 28, "Diwali Balipratipada"),
            (11, 12, "Guru Nanak Jayanti"),
            (12, 25, "Christmas"),
        ),
        _closed(
            2020,
            (2, 21, "Mahashivratri"),
            (3, 10, "Holi"),
            (4, 2, "Ram Navami"),
            (4, 6, "Mahavir Jayanti"),
            (4, 10, "Good Friday"),
            (4, 14, "Ambedkar Jayanti"),
            (5, 1, "Maharashtra Day"),
            (5, 25, "Id-ul-Fitr"),
            (10, 2, "Gandhi Jayanti"),
            (11, 16, "Diwali Balipratipada"),
            (11, 30, "Guru Nanak Jayanti"),
            (12, 25, "Christmas"),
        ),
        _closed(
            2021,
            (1, 26, "Republic Day"),
            (3, 11, "Mahashivratri"),
            (3, 29, "Holi"),
            (4, 2, "Good Friday"),
            (4, 14, "Ambedkar Jayanti"),
            (4, 21, "Ram Navami"),
            (5, 13, "Id-ul-Fitr"),
            (7, 21, "Bakri Id"),
            (8, 19, "Muharram"),
            (9, 10, "Ganesh Chaturthi"),
            (10, 15, "Dussehra"),
            (11, 5, "Diwali Balipratipada"),
            (11, 19, "Guru Nanak Jayanti"),
        ),
        _closed(
            2022,
            (1, 26, "Republic Day"),
            (3, 1, "Mahashivratri"),
            (3, 18, "Holi"),
            (4, 14, "Ambedkar Jayanti and Mahavir Jayanti"),
            (4, 15, "Good Friday"),
            (5, 3, "Id-ul-Fitr"),
            (8, 9, "Muharram"),
            (8, 15, "Independence Day"),
            (8, 31, "Ganesh Chaturthi"),
            (10, 5, "Dussehra"),
            (10, 26, "Diwali Balipratipada"),
            (11, 8, "Guru Nanak Jayanti"),
        ),
        _closed(
            2023,
            (1, 26, "Republic Day"),
            (3, 7, "Holi"),
            (3, 30, "Ram Navami"),
            (4, 4, "Mahavir Jayanti"),
            (4, 7, "Good Friday"),
            (4, 14, "Ambedkar Jayanti"),
            (5, 1, "Maharashtra Day"),
            (6, 29, "Bakri Id"),
            (8, 15, "Independence Day"),
            (9, 19, "Ganesh Chaturthi"),
            (10, 2, "Gandhi Jayanti"),
            (10, 24, "Dussehra"),
            (11, 14, "Diwali Balipratipada"),
            (11, 27, "Guru Nanak Jayanti"),
            (12, 25, "Christmas"),
        ),
        _closed(
            2024,
            (1, 22, "Consecration of the temple at Ayodhya"),
            (1, 26, "Republic Day"),
            (3, 8, "Mahashivratri"),
            (3, 25, "Holi"),
            (3, 29, "Good Friday"),
            (4, 11, "Id-ul-Fitr"),
            (4, 17, "Ram Navami"),
            (5, 1, "Maharashtra Day"),
            (5, 20, "Parliamentary elections in Mumbai"),
            (6, 17, "Bakri Id"),
            (7, 17, "Muharram"),
            (8, 15, "Independence Day"),
            (10, 2, "Gandhi Jayanti"),
            (11, 15, "Guru Nanak Jayanti"),
            (11, 20, "State assembly elections"),
            (12, 25, "Christmas"),
        ),
        _closed(
            2025,
            (2, 26, "Mahashivratri"),
            (3, 14, "Holi"),
            (3, 31, "Id-ul-Fitr"),
            (4, 10, "Mahavir Jayanti"),
            (4, 14, "Ambedkar Jayanti"),
            (4, 18, "Good Friday"),
            (5, 1, "Maharashtra Day"),
            (8, 15, "Independence Day"),
            (8, 27, "Ganesh Chaturthi"),
            (10, 2, "Gandhi Jayanti and Dussehra"),
            (10, 22, "Diwali Balipratipada"),
            (11, 5, "Guru Nanak Jayanti"),
            (12, 25, "Christmas"),
        ),
        _closed(
            2026,
            (1, 15, "Municipal elections in Maharashtra"),
            (1, 26, "Republic Day"),
            (3, 3, "Holi"),
            (3, 26, "Ram Navami"),
            (3, 31, "Mahavir Jayanti"),
            (4, 3, "Good Friday"),
            (4, 14, "Ambedkar Jayanti"),
            (5, 1, "Maharashtra Day"),
            (5, 28, "Bakri Id"),
            (6, 26, "Muharram"),
            (9, 14, "Ganesh Chaturthi"),
            (10, 2, "Gandhi Jayanti"),
            (10, 20, "Dussehra"),
            (11, 10, "Diwali Balipratipada"),
            (11, 24, "Guru Nanak Jayanti"),
            (12, 25, "Christmas"),
        ),
    )
)
"""Weekdays without any session, per year. A year without an entry is unknown, not free of holidays."""

_LIBRARIES = "general knowledge, agreeing with exchange_calendars XBOM"

YEAR_SOURCES: Final[Mapping[int, str]] = {
    **dict.fromkeys(range(2014, 2025), _LIBRARIES),
    2025: "two published calendar libraries in agreement",
    2026: "NSE/CMTR/71775 of 2025-12-12; 15 January by a circular of 2026-01-12",
}
"""Who told us a year's closed days."""
