"""Turns the cells of a data file into exact numbers: paise, epoch nanoseconds, dates, share counts.

The common forms go through Arrow's decimal and timestamp casts a whole column at a time; a column with
any other form is read row by row, which is also how a fault gets its row. Both give the same numbers:
a pattern decides beforehand which cells the fast way may see. No decimal text passes through a float.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from olaf_async.adapters.decimal_text import PRICE_PAISE_MAX, read_price
from olaf_async.adapters.replay.tables import CellFault
from olaf_async.domain.price import PriceError

Integers: TypeAlias = NDArray[np.int64]
Booleans: TypeAlias = NDArray[np.bool_]

_PAISE = pa.decimal128(18, 2)
_PLAIN_PRICE = r"^\d{1,10}(?:\.\d{1,2})?$"

_MICROS_PER_DAY = 86_400_000_000
_NS_PER_MICRO = 1_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_FIRST_MICRO = (date(1900, 1, 1).toordinal() - _EPOCH_DAY) * _MICROS_PER_DAY
_END_MICRO = (date(2200, 1, 1).toordinal() - _EPOCH_DAY) * _MICROS_PER_DAY

_CLOCK = r"\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?"
_ISO = r"\d{4}-\d\d-\d\d[T ]" + _CLOCK
_ZONE = r"(?:Z|[+-]\d\d:?\d\d)"
_TIME = re.compile(
    r"(?:(\d{4}-\d\d-\d\d)[T ])?(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:(Z)|([+-])(\d\d):?(\d\d))?",
    re.ASCII,
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def prices(column: pa.ChunkedArray) -> Integers:
    """Prices in paise: decimal text, decimals and whole paise exactly, float64 to the nearest paisa.

    Raises:
        CellFault: blank, not a number, finer than a paisa (text and decimals), zero, negative, absurd, or a
            column of another type.
    """
    column = _plain(column)
    if pa.types.is_string(column.type):
        paise = _text_prices(column)
    elif pa.types.is_decimal(column.type):
        paise = _decimal_prices(column)
    elif pa.types.is_float64(column.type):
        paise = _float_prices(column)
    elif pa.types.is_int64(column.type):
        paise = _numbers(column)
    else:
        raise CellFault(f"has the type {column.type}; prices are decimal, int64 paise or float64")
    _refuse(paise <= 0, "must be greater than zero")
    _refuse(paise > PRICE_PAISE_MAX, f"is not a price: above {PRICE_PAISE_MAX // 100:,} rupees")
    return paise


def times(column: pa.ChunkedArray, tz: tzinfo) -> Integers:
    """Full times as epoch nanoseconds; local times of ``tz`` where they carry no offset.

    Raises:
        CellFault: not a date and time, or outside the years 1900 to 2199.
    """
    micros, is_local = _instants(_plain(column), None, tz)
    _refuse((micros < _FIRST_MICRO) | (micros >= _END_MICRO), "has a year outside 1900 to 2199")
    return (_to_utc(micros, tz) if is_local else micros) * _NS_PER_MICRO


def times_of_day(column: pa.ChunkedArray, day: date, tz: tzinfo) -> tuple[Integers, Booleans]:
    """Epoch nanoseconds of the rows that fall on ``day`` in ``tz``, and which rows those are.

    A clock time alone is one of that day; digits finer than a microsecond are cut off.

    Raises:
        CellFault: not a time.
    """
    micros, is_local = _instants(_plain(column), day, tz)
    if is_local:
        kept = micros // _MICROS_PER_DAY == day.toordinal() - _EPOCH_DAY
        return _to_utc(micros[kept], tz) * _NS_PER_MICRO, kept
    start, end = (midnight_ns(each, tz) // _NS_PER_MICRO for each in (day, day + timedelta(days=1)))
    kept = (micros >= start) & (micros < end)
    return micros[kept] * _NS_PER_MICRO, kept


def midnight_ns(day: date, tz: tzinfo) -> int:
    """The first instant of a local day, in epoch nanoseconds."""
    micros = (day.toordinal() - _EPOCH_DAY) * _MICROS_PER_DAY
    return (micros - _offset_micros(micros, tz)) * _NS_PER_MICRO


def dates(column: pa.ChunkedArray) -> list[date]:
    """Days: ``YYYY-MM-DD`` text, Parquet dates, or Parquet timestamps at midnight without a zone.

    Raises:
        CellFault: anything else.
    """
    column = _plain(column)
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.tz is None:
        micros = _numbers(pc.cast(column, pa.timestamp("us"), safe=False))
        _refuse(micros % _MICROS_PER_DAY != 0, "is a time of day where a date must stand")
        return [date.fromordinal(_EPOCH_DAY + int(each)) for each in micros // _MICROS_PER_DAY]
    if pa.types.is_date(kind):
        _refuse_nulls(column)
        return list(pc.cast(column, pa.date32()).to_pylist())
    if not pa.types.is_string(kind):
        raise CellFault(f"has the type {kind}; days are text (YYYY-MM-DD) or Parquet dates")
    return [_date(text, row) for row, text in _texts(column)]


def volumes(column: pa.ChunkedArray) -> list[int]:
    """Share counts: whole numbers, not negative.

    Raises:
        CellFault: anything else.
    """
    column = _plain(column)
    kind = column.type
    if pa.types.is_string(kind):
        return [_volume(text, row) for row, text in _texts(column)]
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise CellFault(f"has the type {kind}; volumes are whole numbers")
    _refuse_nulls(column)
    return [_volume(f"{value:f}", row) for row, value in enumerate(column.to_pylist())]


def _plain(column: pa.ChunkedArray) -> pa.Array:
    """One array, with dictionary-encoded and large text made plain text."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_large_string(kind):
        kind = pa.string()
    return pc.cast(column.combine_chunks(), kind)


def _text_prices(texts: pa.Array) -> Integers:
    if _all_match(texts, _PLAIN_PRICE):
        return _unscaled(pc.cast(texts, _PAISE))
    return np.array([_price(text, row) for row, text in _texts(texts)], dtype=np.int64)


def _price(text: str, row: int) -> int:
    try:
        return read_price(text)
    except PriceError as error:
        raise CellFault(str(error), row) from None


def _decimal_prices(column: pa.Array) -> Integers:
    _refuse_nulls(column)
    try:
        return _unscaled(pc.cast(column, _PAISE))
    except pa.ArrowInvalid:
        return np.array([_price(f"{value:f}", row) for row, value in enumerate(column.to_pylist())], np.int64)


def _unscaled(paise: pa.Array) -> Integers:
    """The digits of an 18-digit decimal column: the low half of each 128-bit little-endian number."""
    words = np.frombuffer(paise.buffers()[1] or b"", dtype="<i8").reshape(-1, 2)
    return np.ascontiguousarray(words[paise.offset : paise.offset + len(paise), 0], dtype=np.int64)


def _float_prices(column: pa.Array) -> Integers:
    _refuse_nulls(column)
    rupees: NDArray[np.float64] = column.to_numpy(zero_copy_only=False)
    _refuse(~np.isfinite(rupees), "is not a finite number")
    _refuse(np.abs(rupees) > PRICE_PAISE_MAX // 100, "is not a price")
    return np.rint(rupees * 100).astype(np.int64)


def _instants(column: pa.Array, day: date | None, tz: tzinfo) -> tuple[Integers, bool]:
    """Microseconds since 1970-01-01, and whether they are local (else UTC)."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return _numbers(pc.cast(column, pa.timestamp("us", kind.tz), safe=False)), kind.tz is None
    if pa.types.is_time(kind) and day is not None:
        clock = pc.cast(pc.cast(column, pa.time64("ns")), pa.time64("us"), safe=False)
        return _numbers(clock) + (day.toordinal() - _EPOCH_DAY) * _MICROS_PER_DAY, True
    if not pa.types.is_string(kind):
        raise CellFault(f"has the type {kind}; times are text or Parquet times")
    try:
        return _text_instants(column, day, tz)
    except pa.ArrowInvalid:  # a number out of its range, such as hour 25: the slow way names the row
        return _row_by_row(column, day, tz), False


def _text_instants(texts: pa.Array, day: date | None, tz: tzinfo) -> tuple[Integers, bool]:
    if day is not None and _all_match(texts, f"^{_CLOCK}$"):
        texts = pc.binary_join_element_wise(pa.scalar(day.isoformat()), texts, pa.scalar("T"))
    elif _all_match(texts, f"^{_ISO}{_ZONE}$"):
        return _numbers(pc.cast(texts, pa.timestamp("us", "UTC"))), False
    elif not _all_match(texts, f"^{_ISO}$"):
        return _row_by_row(texts, day, tz), False
    return _numbers(pc.cast(texts, pa.timestamp("us"))), True


def _row_by_row(texts: pa.Array, day: date | None, tz: tzinfo) -> Integers:
    return np.array([_instant(text, row, day, tz) for row, text in _texts(texts)], dtype=np.int64)


def _instant(text: str, row: int, day: date | None, tz: tzinfo) -> int:
    """One time as UTC microseconds."""
    parts = _TIME.fullmatch(text)
    if parts is None or (parts[1] is None and (day is None or parts[6] or parts[7])):
        form = "YYYY-MM-DD HH:MM:SS" if day is None else "HH:MM:SS[.ffffff] or an ISO time"
        raise CellFault(f"{text!r} is not {form}", row)
    on = day if parts[1] is None else _date(parts[1], row)
    hour, minute, second = int(parts[2]), int(parts[3]), int(parts[4] or 0)
    away_h, away_m = int(parts[8] or 0), int(parts[9] or 0)
    if hour > 23 or minute > 59 or second > 59 or away_h > 23 or away_m > 59 or on is None:
        raise CellFault(f"{text!r} is not a time that exists", row)
    clock_s = (hour * 60 + minute) * 60 + second
    micros = (on.toordinal() - _EPOCH_DAY) * _MICROS_PER_DAY + clock_s * 1_000_000
    micros += int((parts[5] or "").ljust(6, "0")[:6])
    if parts[6]:
        return micros
    if parts[7]:
        away = (away_h * 60 + away_m) * 60_000_000
        return micros - away if parts[7] == "+" else micros + away
    return micros - _offset_micros(micros, tz)


def _to_utc(local: Integers, tz: tzinfo) -> Integers:
    """Local microseconds as UTC. The zone is asked by the day, and by the row where its clocks change."""
    days, which = np.unique(local // _MICROS_PER_DAY, return_inverse=True)
    starts, ends = (
        np.array([_offset_micros(edge * _MICROS_PER_DAY, tz) for edge in edges.tolist()], dtype=np.int64)
        for edges in (days, days + 1)
    )
    offsets = starts[which]
    for row in np.flatnonzero((starts != ends)[which]).tolist():
        offsets[row] = _offset_micros(int(local[row]), tz)
    return local - offsets


def _offset_micros(local_micros: int, tz: tzinfo) -> int:
    """How far the zone's clocks are ahead of UTC when they show this time."""
    shown = datetime(1970, 1, 1, tzinfo=tz) + timedelta(microseconds=local_micros)
    return (shown.utcoffset() or timedelta()) // timedelta(microseconds=1)


def _date(text: str, row: int) -> date:
    if not _DATE.fullmatch(text):
        raise CellFault(f"{text!r} is not a date (YYYY-MM-DD)", row)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CellFault(f"{text!r} is not a day that exists", row) from None


def _volume(text: str, row: int) -> int:
    whole, _, fraction = text.partition(".")
    if not (whole.isascii() and whole.isdigit() and not fraction.strip("0")):
        raise CellFault(f"{text!r} is not a whole number of shares", row)
    return int(whole)


def _all_match(texts: pa.Array, pattern: str) -> bool:
    matches = pc.match_substring_regex(texts, pattern)
    return bool(pc.all(matches, skip_nulls=False, min_count=0).as_py())


def _texts(column: pa.Array) -> Iterator[tuple[int, str]]:
    for row, text in enumerate(column.to_pylist()):
        stripped = (text or "").strip()
        if not stripped:
            raise CellFault("is blank", row)
        yield row, stripped


def _numbers(column: pa.Array) -> Integers:
    _refuse_nulls(column)
    return np.array(pc.cast(column, pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)


def _refuse_nulls(column: pa.Array) -> None:
    if column.null_count:
        _refuse(pc.is_null(column).to_numpy(zero_copy_only=False), "is blank")


def _refuse(faulty: Booleans, problem: str) -> None:
    if faulty.any():
        raise CellFault(problem, int(np.argmax(faulty)))
