"""Bars: the highest, lowest, first and last price of a span of time, in paise."""

from dataclasses import dataclass
from datetime import date

from olaf_async.domain.price import Paise


@dataclass(frozen=True, slots=True)
class Bar:
    """One closed span ``[start_ns, end_ns)`` of prints."""

    start_ns: int
    end_ns: int
    open: Paise
    high: Paise
    low: Paise
    close: Paise


@dataclass(frozen=True, slots=True)
class DailyBar:
    """One exchange session of one symbol; ``volume`` in shares."""

    day: date
    open: Paise
    high: Paise
    low: Paise
    close: Paise
    volume: int
