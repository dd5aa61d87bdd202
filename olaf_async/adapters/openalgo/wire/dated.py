"""The books with what an audit wants beside: when a row says it was, its tag, its prices as written.

Owns the reading of a broker's words for a time. They are local, mostly without a zone, to the second, and
written in a dozen ways; a time that cannot be read is None and never a guess. Some brokers give a trade the
time of its order, and an order that of its last change.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Final, Generic, TypeVar

from olaf_async.adapters.openalgo.numbers import Fields, fields, items, number_or_none, text
from olaf_async.adapters.openalgo.wire.answers import account_mode, ours_of, success, trade_row
from olaf_async.adapters.openalgo.wire.rows import Scope, order_row
from olaf_async.domain.events import Mode, OrderRow, TradeRow
from olaf_async.domain.price import PAISE_PER_RUPEE

_Row = TypeVar("_Row", OrderRow, TradeRow)

_TIMES: Final = ("timestamp", "fill_timestamp", "trade_timestamp", "exchange_timestamp", "order_timestamp")
_CLOCK: Final = re.compile(r"(?<!\d)(\d{1,2}):(\d{2}):(\d{2})(?:\.\d+)?(?:\s*([AaPp])[Mm])?")
_NUMBER: Final = re.compile(r"\d{10}(?:\d{3})?")
_DAYS: Final = (
    (re.compile(r"\d{4}-\d{2}-\d{2}"), "%Y-%m-%d"),
    (re.compile(r"\d{2}-\d{2}-\d{4}"), "%d-%m-%Y"),
    (re.compile(r"\d{2}/\d{2}/\d{4}"), "%d/%m/%Y"),
    (re.compile(r"\d{2}-[A-Za-z]{3}-\d{4}"), "%d-%b-%Y"),
)
_ZONED: Final = re.compile(r"\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})$")
_BINARY_TAIL: Final = Decimal("0.000001")
"""Rupees. Servers that count in binary floats write 511.95000000000005 and mean 511.95."""


@dataclass(frozen=True, slots=True)
class Dated(Generic[_Row]):
    """A row, and what its book says beside.

    ``at_ns`` is of the second it names, None where that cannot be read; ``at`` the words themselves; ``tag``
    the strategy it was sent under, where a book has that; ``finer`` its prices that are no whole paise.
    """

    row: _Row
    at_ns: int | None = None
    at: str = ""
    tag: str = ""
    finer: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DatedBook(Generic[_Row]):
    """One book read whole, the mode of its account, and how many of its rows are of another day."""

    mode: Mode
    rows: tuple[Dated[_Row], ...]
    of_other_days: int


def dated_orders(body: bytes, scope: Scope, day: date, zone: tzinfo) -> DatedBook[OrderRow]:
    """The order book.

    Raises:
        WireError: not a whole order book.
    """
    answer = success(body)
    rows = ours_of(items(fields(answer.get("data"), "data").get("orders"), "orders"), scope)
    return _book(account_mode(answer), rows, order_row, ("price", "trigger_price"), day, zone)


def dated_trades(body: bytes, scope: Scope, day: date, zone: tzinfo) -> DatedBook[TradeRow]:
    """The tradebook, without rows of no shares.

    Raises:
        WireError: not a whole tradebook.
    """
    answer = success(body)
    rows = ours_of(items(answer.get("data"), "data"), scope)
    traded = [row for row in rows if number_or_none(row, "quantity") != 0]
    return _book(account_mode(answer), traded, trade_row, (), day, zone)


def _book(
    mode: Mode,
    rows: list[Fields],
    read: Callable[[Fields], _Row],
    prices: tuple[str, ...],
    day: date,
    zone: tzinfo,
) -> DatedBook[_Row]:
    todays = [row for row in rows if _day_of(_time_of(row), zone) in (None, day)]
    dated = tuple(
        Dated(read(row), time_ns(at, day, zone), at, text(row.get("strategy")), _finer(row, prices))
        for row in todays
        for at in (_time_of(row),)
    )
    return DatedBook(mode, dated, len(rows) - len(todays))


def _time_of(row: Fields) -> str:
    return next(filter(None, (text(row.get(name)) for name in _TIMES)), "")


def _finer(row: Fields, names: tuple[str, ...]) -> tuple[str, ...]:
    found = [number_or_none(row, name) for name in names]
    return tuple(str(price) for price in found if price is not None and _is_finer(price))


def _is_finer(price: Decimal) -> bool:
    paise = price * PAISE_PER_RUPEE
    return abs(paise - paise.to_integral_value()) > _BINARY_TAIL * PAISE_PER_RUPEE


def time_ns(words: str, day: date, zone: tzinfo) -> int | None:
    """The second a broker's time is of, in ns since the epoch; None where it cannot be read.

    A time without a date is of ``day``, one without an offset of ``zone``.
    """
    moment = _whole(words, zone)
    if moment is None:
        found = _CLOCK.search(words)
        at = None if found is None else _time(*found.groups())
        if at is None:
            return None
        moment = datetime.combine(_named_day(words) or day, at, zone)
    return int(moment.timestamp()) * 1_000_000_000


def _day_of(words: str, zone: tzinfo) -> date | None:
    """The day a time names; None where it names none that can be read."""
    moment = _whole(words, zone)
    return _named_day(words) if moment is None else moment.astimezone(zone).date()


def _whole(words: str, zone: tzinfo) -> datetime | None:
    """A time that says by itself which moment it is: an offset, or a count since 1970 (s or ms)."""
    if _NUMBER.fullmatch(words):
        seconds = int(words) // (1000 if len(words) > 10 else 1)
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).astimezone(zone)
    if not _ZONED.search(words):
        return None
    try:
        return datetime.fromisoformat(words)
    except ValueError:
        return None


def _named_day(words: str) -> date | None:
    for pattern, form in _DAYS:
        if found := pattern.search(words):
            try:
                return datetime.strptime(found[0], form).replace(tzinfo=UTC).date()
            except ValueError:
                return None
    return None


def _time(hour: str, minute: str, second: str, half: str | None) -> time | None:
    hours = int(hour)
    if half is not None:
        hours = hours % 12 + (12 if half in "Pp" else 0)
    try:
        return time(hours, int(minute), int(second))
    except ValueError:
        return None
