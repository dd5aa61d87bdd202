"""Keeps live ticks as files that replay reads: ``DIR/<SYMBOL>/<YYYY-MM-DD>.parquet``, one for each day.

Owns these files from the first tick to the finished day. A Parquet file cannot be read before its last byte
is written, so a day in progress is a folder of small whole files instead, ``<day>.parts/000001.parquet`` and
on, in order of arrival. It must never change or drop what a feed has told.

R1  What has been flushed can be read, whenever the process dies: a part has its name only once it is whole
    and on the disk, and is removed only once the day's own file is.
R2  A day is either one file or parts. Where both are found, the file is whole, and the parts are what a death
    during the merge has left behind.
R3  The loop never waits for a disk: it appends to arrays, and one thread writes. What cannot be written is
    kept and tried again with the next flush.
"""

import asyncio
import fcntl
import os
import shutil
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from olaf_async.domain.price import Paise
from olaf_async.errors import ConfigError, OlafError
from olaf_async.ports.clock import Clock
from olaf_async.ports.feed import Tick

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

PARTS: Final = ".parts"
"""Ends the name of the folder in which a day in progress lies."""

_LOCK: Final = ".recording"
_NS_PER_S: Final = 1_000_000_000
_PRICE_DIGITS: Final = 18


class RecordingError(OlafError):
    """Ticks could not be written, or what was written could not be merged; nothing of it is lost."""


@dataclass(slots=True)
class Rows:
    """Ticks of one symbol and day as columns: times in ns since the epoch, prices in paise."""

    t_ns: "array[int]" = field(default_factory=lambda: array("q"))
    price: "array[int]" = field(default_factory=lambda: array("q"))
    received_ns: "array[int]" = field(default_factory=lambda: array("q"))

    def append(self, at_ns: int, price: Paise, received_ns: int) -> None:
        """Add one tick."""
        self.t_ns.append(at_ns)
        self.price.append(price)
        self.received_ns.append(received_ns)

    def extend(self, later: "Rows") -> None:
        """Add ticks that arrived after these."""
        self.t_ns.extend(later.t_ns)
        self.price.extend(later.price)
        self.received_ns.extend(later.received_ns)


SymbolDay: TypeAlias = tuple[str, date]


# ------------------------------------------------------------------------------------------------- the files


class DayFiles:
    """The files of one recording. Not for two threads at once, nor for two processes on one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers: dict[SymbolDay, int] = {}

    @property
    def unfinished(self) -> tuple[SymbolDay, ...]:
        """The days this object has written parts of, by name."""
        return tuple(sorted(self._numbers))

    def add(self, symbol: str, day: date, rows: Rows) -> None:
        """Write rows as the day's next part.

        Raises:
            OSError: they could not be written; nothing of them is there.
        """
        key = symbol, day
        if key not in self._numbers:
            self._numbers[key] = self._open_day(symbol, day)
        number = self._numbers[key] + 1
        _write_table(self._parts(symbol, day) / f"{number:06}.parquet", _table(rows))
        self._numbers[key] = number

    def finish(self, symbol: str, day: date) -> None:
        """Make one file of the day's parts.

        Raises:
            OSError: it could not be written, or a part could not be read; the parts are still there.
        """
        parts = self._parts(symbol, day)
        whole = self._whole(symbol, day)
        if not whole.exists():
            _merge(part_files(parts), whole)
        shutil.rmtree(parts)
        self._numbers.pop((symbol, day), None)

    def recover(self) -> Iterator[SymbolDay]:
        """Finish every day that an earlier process left in parts; yields each as it is finished.

        Raises:
            OSError: as ``finish``.
        """
        for parts in sorted(self._folder.glob(f"*/*{PARTS}")):
            with suppress(ValueError):  # a folder that only looks like one of ours stays as it is
                symbol, day = parts.parent.name, date.fromisoformat(parts.name.removesuffix(PARTS))
                if any(part_files(parts)) or self._whole(symbol, day).exists():
                    self.finish(symbol, day)
                    yield symbol, day

    def _open_day(self, symbol: str, day: date) -> int:
        """Make the day a folder of parts; the number of its last part."""
        parts, whole = self._parts(symbol, day), self._whole(symbol, day)
        if whole.exists():
            shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir(parents=True, exist_ok=True)
        if whole.exists():
            whole.rename(parts / "000000.parquet")
        return max((int(path.stem) for path in part_files(parts)), default=0)

    def _parts(self, symbol: str, day: date) -> Path:
        return self._folder / symbol / f"{day}{PARTS}"

    def _whole(self, symbol: str, day: date) -> Path:
        return self._folder / symbol / f"{day}.parquet"


def days_in_parts(folder: Path) -> dict[str, tuple[Path, ...]]:
    """The days of one symbol's folder that are in parts, as their names say, each with its parts in order."""
    found = {parts.name.removesuffix(PARTS): tuple(part_files(parts)) for parts in folder.glob(f"*{PARTS}")}
    return {day: paths for day, paths in found.items() if paths}


def part_files(parts: Path) -> list[Path]:
    """The parts in order of arrival; what a crash has left half written is not among them."""
    return sorted(path for path in parts.glob("*.parquet") if path.stem.isdecimal())


def _table(rows: Rows) -> "pa.Table":
    import numpy as np
    import pyarrow as pa

    time = pa.timestamp("ns", tz="UTC")
    # A 128-bit decimal is its digits as a little-endian number; those of a price fit its low half.
    words = np.zeros((len(rows.price), 2), dtype="<i8")
    words[:, 0] = rows.price
    prices = pa.Array.from_buffers(
        pa.decimal128(_PRICE_DIGITS, 2), len(words), [None, pa.py_buffer(words.tobytes())]
    )
    t_ns, received_ns = (np.frombuffer(each, dtype=np.int64) for each in (rows.t_ns, rows.received_ns))
    columns = [pa.array(t_ns, time), prices, pa.array(received_ns, time)]
    return pa.Table.from_arrays(columns, names=["t", "ltp", "received"])


def _merge(parts: Iterable[Path], whole: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        tables = [parquet.read_table(path, use_threads=False) for path in parts]
        table = pa.concat_tables(tables)
    except pa.ArrowException as error:
        raise OSError(f"a part cannot be read: {error}") from None
    _write_table(whole, table)


def _write_table(path: Path, table: "pa.Table") -> None:
    """Write a file under another name, have it on the disk, then give it its own name."""
    from pyarrow import parquet

    beside = path.with_name(f".{path.name}.tmp")
    with beside.open("wb") as file:
        parquet.write_table(table, file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk too, where the file system can."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


# ----------------------------------------------------------------------------------------------- the recorder


class TickRecorder:
    """Records what ``take`` is given. Ticks go into the file of the local day on which they were received.

    Raises:
        ConfigError: the folder cannot be written to, or another process records into it.
    """

    def __init__(self, folder: Path, zone: tzinfo, clock: Clock) -> None:
        self._zone = zone
        self._clock = clock
        self._lock = _locked(folder)
        self._files = DayFiles(folder)
        self._waiting: dict[SymbolDay, Rows] = {}
        self._backlog: dict[SymbolDay, Rows] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._day, self._day_ends_ns = _day_at(clock.now_ns(), zone)
        self.taken = 0

    def take(self, tick: Tick) -> None:
        """Keep one tick. Yields: never."""
        now_ns = self._clock.now_ns()
        if now_ns >= self._day_ends_ns:
            self._day, self._day_ends_ns = _day_at(now_ns, self._zone)
        key = tick.symbol, self._day
        rows = self._waiting.get(key)
        if rows is None:
            rows = self._waiting[key] = Rows()
        rows.append(tick.at_ns, tick.price, now_ns)
        self.taken += 1

    async def recover(self) -> list[SymbolDay]:
        """Finish what an earlier process, killed or crashed, left in parts.

        Raises:
            RecordingError: a part cannot be read, or the disk is full.
        """
        return await self._in_thread(lambda: list(self._files.recover()))

    async def flush(self) -> None:
        """Write all that was taken, and finish the days that are over. Yields: always.

        Raises:
            RecordingError: something could not be written; it is kept, and tried again by the next flush.
        """
        await self._flush(_day_at(self._clock.now_ns(), self._zone)[0])

    async def close(self) -> None:
        """Write all that was taken, finish all days and let go of the folder.

        Raises:
            RecordingError: something could not be written. What had been flushed can be read.
        """
        try:
            await self._flush(None)
        finally:
            self._thread.shutdown()
            os.close(self._lock)

    async def _flush(self, today: date | None) -> None:
        waiting, self._waiting = self._waiting, {}
        await self._in_thread(lambda: self._write(waiting, today))

    def _write(self, waiting: Mapping[SymbolDay, Rows], today: date | None) -> None:
        """In the thread, which alone touches the backlog and the files."""
        for key, rows in waiting.items():
            self._backlog.setdefault(key, Rows()).extend(rows)
        for key in sorted(self._backlog):
            self._files.add(*key, self._backlog[key])
            del self._backlog[key]
        for symbol, day in self._files.unfinished:
            if day != today:
                self._files.finish(symbol, day)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except OSError as error:
            raise RecordingError(f"ticks cannot be written: {error}") from None


def _locked(folder: Path) -> int:
    """Make the folder and hold it for this process until the number returned is closed, or it dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written to ({error.strerror}); name another folder") from None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        raise ConfigError(f"{folder}: another process is recording into it; name another folder") from None
    return number


def _day_at(at_ns: int, zone: tzinfo) -> tuple[date, int]:
    """The local day of an instant, and when it ends."""
    day = datetime.fromtimestamp(at_ns // _NS_PER_S, zone).date()
    end = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone)
    return day, int(end.timestamp()) * _NS_PER_S
