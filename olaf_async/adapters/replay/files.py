"""Folders of recorded prices: ticks by symbol and day, bars by symbol, daily bars by symbol.

Owns what a file means (which rows count, in which order, how a bar becomes four prices); `tables` opens it
and `cells` reads its numbers. A file that cannot be read as the contract says is refused with file, row
and column, or, with ``skip_bad``, left out and named in ``skipped``. Nothing here trades or keeps time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from olaf_async.adapters import recorder
from olaf_async.adapters.replay import cells, tables
from olaf_async.adapters.replay.cells import Booleans, Integers
from olaf_async.domain.bar import DailyBar
from olaf_async.errors import ConfigError

T = TypeVar("T")
Number = TypeVar("Number", np.int64, np.bool_)

_OHLC = ("open", "high", "low", "close")
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class PriceColumns:
    """One symbol's prices of one day, in the order they are played.

    ``t_ns`` never falls: a time that steps back is taken as the newest so far. ``price`` is in paise.
    ``continuous`` is None for ticks; for bars it is True where the path from the price before to this one
    passes every level (inside a bar) and False at each bar's open. ``rows_read`` counts the file's rows for
    this day, ``rows_dropped`` those of them that were dated other than the file. The arrays are read-only.
    """

    symbol: str
    day: date
    t_ns: Integers
    price: Integers
    continuous: Booleans | None
    rows_dropped: int
    rows_read: int


class PriceFolder(Protocol):
    """What replay asks of recorded prices, whether ticks or bars."""

    skipped: list[str]

    def symbols(self) -> tuple[str, ...]:
        """The symbols there is a file or folder of, sorted."""
        ...

    def days(self, symbol: str) -> tuple[date, ...]:
        """The days there are prices of, ascending; none for an unknown symbol."""
        ...

    def read(self, symbol: str, day: date) -> PriceColumns | None:
        """One day's prices; None where there are none (or its file was left out as bad)."""
        ...


class _Folder:
    """A folder whose bad files are either refused or, with ``skip_bad``, noted and left out."""

    def __init__(self, path: Path, *, skip_bad: bool) -> None:
        self.path = path
        self.skipped: list[str] = []
        self._skip_bad = skip_bad

    def _attempt(self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except ConfigError as error:
            if not self._skip_bad:
                raise
            # The advice to go on without the file has just been taken.
            told = str(error).removesuffix(f"; {tables.ADVICE}")
            if told not in self.skipped:
                self.skipped.append(told)
            return None

    def _files(self, folder: Path) -> dict[str, Path]:
        found = {}
        for stem, paths in tables.files_by_stem(folder):
            path = self._attempt(partial(tables.only_one, paths))
            if path is not None:
                found[stem] = path
        return found


class TickFolder(_Folder):
    """``DIR/<SYMBOL>/<YYYY-MM-DD>.csv|.csv.gz|.parquet`` with ``t`` and ``ltp``, in arrival order.

    A day that is still being recorded, or was when its recorder died, is a folder of parts instead.

    Raises:
        ConfigError: by every method, for a folder or file that is not as the contract says.
    """

    def __init__(self, path: Path, tz: tzinfo, *, skip_bad: bool = False) -> None:
        super().__init__(path, skip_bad=skip_bad)
        self._tz = tz
        self._symbols = tuple(
            sorted(each.name for each in tables.entries(path) if each.is_dir() and each.name[0] != ".")
        )
        self._by_symbol: dict[str, dict[date, tuple[Path, ...]]] = {}
        if not self._symbols:
            raise ConfigError(f"{path}: holds no <SYMBOL>/<YYYY-MM-DD>.csv (.csv.gz, .parquet) of ticks")

    def symbols(self) -> tuple[str, ...]:
        """The names of the sub-folders, sorted."""
        return self._symbols

    def days(self, symbol: str) -> tuple[date, ...]:
        """The days there is a file of, ascending."""
        return tuple(sorted(self._day_files(symbol)))

    def read(self, symbol: str, day: date) -> PriceColumns | None:
        """One day. Rows of another day are dropped and counted; the columns may then be empty."""
        paths = self._day_files(symbol).get(day)
        if paths is None:
            return None
        return self._attempt(partial(_read_ticks, paths, symbol, day, self._tz))

    def _day_files(self, symbol: str) -> dict[date, tuple[Path, ...]]:
        if symbol not in self._symbols:
            return {}
        if symbol not in self._by_symbol:
            dated = {}
            folder = self.path / symbol
            whole = {stem: (path,) for stem, path in self._files(folder).items()}
            # Where a day has its own file, its parts are what a death in the midst of merging them has left.
            for stem, paths in {**recorder.days_in_parts(folder), **whole}.items():
                day = self._attempt(partial(_day_of, stem, paths[0]))
                if day is not None:
                    dated[day] = paths
            self._by_symbol[symbol] = dated
        return self._by_symbol[symbol]


class BarFolder(_Folder):
    """``DIR/<SYMBOL>.csv|.csv.gz|.parquet`` with ``ts`` (bar start), open, high, low, close, volume.

    Each bar is played as four prices, at its start and at each quarter of its span: open, low, high, close
    where close >= open, else open, high, low, close. The span is the smallest step of the file unless
    ``span_s`` gives it. An open or close outside high and low (vendors have them) widens the range. A file
    is read once and kept.

    Raises:
        ConfigError: by every method, for a folder or file that is not as the contract says.
    """

    def __init__(
        self, path: Path, tz: tzinfo, span_s: float | None = None, *, skip_bad: bool = False
    ) -> None:
        super().__init__(path, skip_bad=skip_bad)
        self._tz = tz
        self._span_ns = None if span_s is None else round(span_s * _NS_PER_S)
        if self._span_ns is not None and self._span_ns < 4:
            raise ConfigError("--bar-span must be greater than zero seconds")
        self._by_symbol = self._files(path)
        self._read: dict[str, _Bars | None] = {}
        if not self._by_symbol and not self.skipped:
            raise ConfigError(f"{path}: holds no <SYMBOL>.csv (.csv.gz, .parquet) of bars")

    def symbols(self) -> tuple[str, ...]:
        """The symbols there is a file of, sorted."""
        return tuple(self._by_symbol)

    def days(self, symbol: str) -> tuple[date, ...]:
        """The days a bar starts on, ascending."""
        bars = self._bars(symbol)
        return () if bars is None else tuple(bars.rows_by_day)

    def read(self, symbol: str, day: date) -> PriceColumns | None:
        """The four prices of each bar that starts on ``day``."""
        bars = self._bars(symbol)
        if bars is None or day not in bars.rows_by_day:
            return None
        return _as_prices(bars, symbol, day)

    def _bars(self, symbol: str) -> "_Bars | None":
        path = self._by_symbol.get(symbol)
        if path is None:
            return None
        if symbol not in self._read:
            self._read[symbol] = self._attempt(partial(_read_bars, path, self._tz, self._span_ns))
        return self._read[symbol]


class DailyFolder(_Folder):
    """``DIR/<SYMBOL>.csv|.csv.gz|.parquet`` with date, open, high, low, close, volume.

    Raises:
        ConfigError: by every method, for a folder or file that is not as the contract says.
    """

    def __init__(self, path: Path, *, skip_bad: bool = False) -> None:
        super().__init__(path, skip_bad=skip_bad)
        self._by_symbol = self._files(path)
        if not self._by_symbol and not self.skipped:
            raise ConfigError(f"{path}: holds no <SYMBOL>.csv (.csv.gz, .parquet) of daily bars")

    def symbols(self) -> tuple[str, ...]:
        """The symbols there is a file of, sorted."""
        return tuple(self._by_symbol)

    def read(self, symbol: str) -> tuple[DailyBar, ...]:
        """All bars by rising date, each date once; none for an unknown symbol or a file left out as bad."""
        path = self._by_symbol.get(symbol)
        if path is None:
            return ()
        return self._attempt(partial(_read_daily, path)) or ()


@dataclass(frozen=True, slots=True, eq=False)
class _Bars:
    start_ns: Integers
    ohlc: dict[str, Integers]
    span_ns: int
    rows_by_day: dict[date, slice]


def _day_of(stem: str, path: Path) -> date:
    try:
        day = date.fromisoformat(stem)
    except ValueError:
        day = None
    if day is None or day.isoformat() != stem:
        raise ConfigError(f"{path}: its name is not a day (YYYY-MM-DD); rename it or move it away")
    return day


def _read_ticks(paths: tuple[Path, ...], symbol: str, day: date, tz: tzinfo) -> PriceColumns:
    """The rows of a day's file, or of its parts one after the other."""
    read = [_read_tick_file(path, day, tz) for path in paths]
    t_ns = np.concatenate([part[0] for part in read])
    price = np.concatenate([part[1] for part in read])
    rows = sum(part[2] for part in read)
    return PriceColumns(
        symbol=symbol,
        day=day,
        t_ns=_sealed(np.maximum.accumulate(t_ns)),
        price=_sealed(price),
        continuous=None,
        rows_dropped=rows - len(price),
        rows_read=rows,
    )


def _read_tick_file(path: Path, day: date, tz: tzinfo) -> tuple[Integers, Integers, int]:
    """Times and prices of the rows of that day, and how many rows there are."""
    table = tables.load(path, ("t", "ltp"))
    try:
        t_ns, kept = cells.times_of_day(table.columns["t"], day, tz)
    except tables.CellFault as fault:
        raise table.fault(fault, "t") from None
    return t_ns, _prices(table, "ltp", kept), table.rows


def _read_bars(path: Path, tz: tzinfo, span_ns: int | None) -> _Bars:
    table = tables.load(path, ("ts", *_OHLC, "volume"))
    try:
        start_ns = cells.times(table.columns["ts"], tz)
    except tables.CellFault as fault:
        raise table.fault(fault, "ts") from None
    ohlc = _read_ohlc(table)
    order = np.argsort(start_ns, kind="stable")
    start_ns = start_ns[order]
    again = np.flatnonzero(np.diff(start_ns) == 0)
    if again.size:
        raise table.fault(tables.CellFault("this bar is there twice", int(order[again[0] + 1])), "ts")
    ohlc = {name: values[order] for name, values in ohlc.items()}
    return _Bars(start_ns, ohlc, _span(path, start_ns, span_ns), _rows_by_day(start_ns, tz))


def _read_ohlc(table: tables.Table) -> dict[str, Integers]:
    """The four price columns, refusing a high below its low."""
    ohlc = {name: _prices(table, name) for name in _OHLC}
    crossed = ohlc["high"] < ohlc["low"]
    if crossed.any():
        raise table.fault(tables.CellFault("is below the low", int(np.argmax(crossed))), "high")
    return ohlc


def _span(path: Path, start_ns: Integers, given_ns: int | None) -> int:
    """How long a bar lasts: what was given, else the smallest step between two starts."""
    smallest_ns = int(np.diff(start_ns).min()) if len(start_ns) > 1 else None
    if given_ns is None and smallest_ns is None and len(start_ns):
        raise ConfigError(f"{path}: one bar alone does not show its span; give it with --bar-span SECONDS")
    if given_ns is not None and smallest_ns is not None and given_ns > smallest_ns:
        raise ConfigError(
            f"{path}: bars {smallest_ns / _NS_PER_S:g} s apart cannot span {given_ns / _NS_PER_S:g} s; "
            "give a smaller --bar-span, or none"
        )
    return given_ns or smallest_ns or 0


def _rows_by_day(start_ns: Integers, tz: tzinfo) -> dict[date, slice]:
    """Which rows start on which local day."""
    if not len(start_ns):
        return {}
    first, last = (int(start_ns[end] // (86_400 * _NS_PER_S)) for end in (0, -1))
    days = [date(1970, 1, 1) + timedelta(days=n) for n in range(first - 1, last + 3)]
    edges = np.searchsorted(start_ns, [cells.midnight_ns(day, tz) for day in days]).tolist()
    spans = zip(days, edges, edges[1:], strict=False)
    return {day: slice(start, end) for day, start, end in spans if end > start}


def _as_prices(bars: _Bars, symbol: str, day: date) -> PriceColumns:
    rows = bars.rows_by_day[day]
    open_, high, low, close = (bars.ohlc[name][rows] for name in _OHLC)
    high = np.maximum(high, np.maximum(open_, close))
    low = np.minimum(low, np.minimum(open_, close))
    rises = close >= open_
    path = (open_, np.where(rises, low, high), np.where(rises, high, low), close)
    quarters_ns = np.arange(4, dtype=np.int64) * (bars.span_ns // 4)
    count = len(open_)
    return PriceColumns(
        symbol=symbol,
        day=day,
        t_ns=_sealed((bars.start_ns[rows, np.newaxis] + quarters_ns).ravel()),
        price=_sealed(np.column_stack(path).ravel()),
        continuous=_sealed(np.tile(np.array([False, True, True, True]), count)),
        rows_dropped=0,
        rows_read=count,
    )


def _read_daily(path: Path) -> tuple[DailyBar, ...]:
    table = tables.load(path, ("date", *_OHLC, "volume"))
    try:
        days = cells.dates(table.columns["date"])
    except tables.CellFault as fault:
        raise table.fault(fault, "date") from None
    ohlc = [values.tolist() for values in _read_ohlc(table).values()]
    try:
        volumes = cells.volumes(table.columns["volume"])
    except tables.CellFault as fault:
        raise table.fault(fault, "volume") from None
    first_row: dict[date, int] = {}
    for row, day in enumerate(days):
        if first_row.setdefault(day, row) != row:
            raise table.fault(tables.CellFault(f"{day} is there twice", row), "date")
    bars = zip(days, *ohlc, volumes, strict=True)
    return tuple(sorted((DailyBar(*bar) for bar in bars), key=lambda bar: bar.day))


def _prices(table: tables.Table, name: str, kept: Booleans | None = None) -> Integers:
    """A price column, or only its kept rows: what a dropped row says its price is does not matter."""
    column = table.columns[name]
    rows = np.arange(table.rows) if kept is None or kept.all() else np.flatnonzero(kept)
    try:
        return cells.prices(column if len(rows) == table.rows else column.take(rows))
    except tables.CellFault as fault:
        row = None if fault.row is None else int(rows[fault.row])
        raise table.fault(tables.CellFault(fault.problem, row), name) from None


def _sealed(array: NDArray[Number]) -> NDArray[Number]:
    array.flags.writeable = False
    return array
