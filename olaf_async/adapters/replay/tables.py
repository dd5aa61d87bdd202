"""Opens one data file (CSV, gzipped CSV or Parquet) and hands out its columns as they are written.

Owns which file names count, how a file is unpacked, and how a fault is told: file, row, column, what to
do. It never interprets a cell; `cells` does that. Everything in a CSV stays text, so no price is ever seen
by a float parser.
"""

import csv
import difflib
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv
from pyarrow import parquet

from olaf_async.errors import ConfigError

SUFFIXES = (".csv.gz", ".csv", ".parquet")
"""The endings that are taken off a file name to get the symbol or the day; all other files are ignored."""

ADVICE = "correct the file, or go on without it by --skip-bad"

_UNREADABLE = (OSError, EOFError, zlib.error, pa.ArrowException, UnicodeDecodeError, csv.Error)


class CellFault(Exception):
    """One cell (or a column's whole type, where ``row`` is None) cannot be read. Rows count from zero."""

    def __init__(self, problem: str, row: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.row = row


@dataclass(frozen=True, slots=True)
class Table:
    """The wanted columns of one file, as text (CSV) or in the file's own types (Parquet)."""

    path: Path
    columns: dict[str, pa.ChunkedArray]
    rows: int

    def fault(self, fault: CellFault, column: str) -> ConfigError:
        """The error a user sees: file, row (and the line of a CSV), column, problem, what to do."""
        where = f"{self.path}: "
        if fault.row is not None:
            where += f"row {fault.row + 1}{self._line_words(fault.row)}, "
        return ConfigError(f"{where}column {column}: {fault.problem}; {ADVICE}")

    def _line_words(self, row: int) -> str:
        if self.path.suffix == ".parquet":
            return ""
        lines = (line for line, _ in _records(_unpacked(self.path)))
        return f" (line {next(islice(lines, row + 1, None))})"


def stem_of(name: str) -> str | None:
    """The symbol or day a file name stands for; None where it is not a data file."""
    if name.startswith("."):
        return None
    for suffix in SUFFIXES:
        if name.endswith(suffix) and len(name) > len(suffix):
            return name.removesuffix(suffix)
    return None


def files_by_stem(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """Each symbol or day of a folder with the files that carry its name, in order of name.

    Raises:
        ConfigError: the folder cannot be listed.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(entries(folder)):
        stem = stem_of(path.name)
        if stem is not None and path.is_file():
            found.setdefault(stem, []).append(path)
    yield from sorted(found.items())


def entries(folder: Path) -> list[Path]:
    """What lies in a folder.

    Raises:
        ConfigError: it is not a folder, or cannot be listed.
    """
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be listed ({error.strerror}); name an existing folder") from None


def only_one(paths: Sequence[Path]) -> Path:
    """The single file of a symbol or day.

    Raises:
        ConfigError: there are several, and none has more right than the other.
    """
    if len(paths) > 1:
        names = " and ".join(path.name for path in paths)
        raise ConfigError(f"{paths[0].parent}: {names} stand for the same data; keep one of them")
    return paths[0]


def load(path: Path, wanted: Sequence[str]) -> Table:
    """Read the wanted columns of a file; others are ignored.

    Raises:
        ConfigError: the file cannot be read, or a wanted column is missing or there twice.
    """
    try:
        return _load_parquet(path, wanted) if path.suffix == ".parquet" else _load_csv(path, wanted)
    except _UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"{path}: cannot be read: {reason}; {ADVICE}") from None


def _load_parquet(path: Path, wanted: Sequence[str]) -> Table:
    with parquet.ParquetFile(path) as file:
        _check_header(path, file.schema_arrow.names, wanted)
        table = file.read(columns=list(wanted), use_threads=False)
    return Table(path, {name: table[name] for name in wanted}, table.num_rows)


def _load_csv(path: Path, wanted: Sequence[str]) -> Table:
    data = _unpacked(path)
    _check_header(path, next(_records(data), (0, []))[1], wanted)
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(use_threads=False),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=list(wanted), column_types=dict.fromkeys(wanted, pa.string())
            ),
        )
    except pa.ArrowInvalid:
        _refuse_ragged(path, data)
        raise
    return Table(path, {name: table[name] for name in wanted}, table.num_rows)


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def _records(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """The records of a CSV with the line each ends on, header first, empty lines left out as Arrow does."""
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline=""))
    return ((reader.line_num, record) for record in reader if record)


def _refuse_ragged(path: Path, data: bytes) -> None:
    """Name the first row whose number of cells is not the header's, if that is what is wrong."""
    width = 0
    for index, (line, record) in enumerate(_records(data)):
        width = width or len(record)
        if len(record) != width:
            problem = f"has {len(record)} cells where the header has {width}"
            raise ConfigError(f"{path}: row {index} (line {line}): {problem}; {ADVICE}")


def _check_header(path: Path, header: Iterable[str], wanted: Sequence[str]) -> None:
    counts = Counter(header)
    if not counts:
        raise ConfigError(f"{path}: is empty; it needs a header with {', '.join(wanted)}; {ADVICE}")
    for name in wanted:
        if counts[name] > 1:
            raise ConfigError(f"{path}: column {name} is there {counts[name]} times; {ADVICE}")
    missing = [name for name in wanted if not counts[name]]
    if missing:
        words = ", ".join(name + _nearest(name, counts) for name in missing)
        raise ConfigError(
            f"{path}: column {words} is missing; the header must name {', '.join(wanted)}; {ADVICE}"
        )


def _nearest(name: str, present: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, present, n=1)
    return f" (nearest: {close[0]!r})" if close else ""
