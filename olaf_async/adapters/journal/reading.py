"""Journals read back, checked and cut. What is wrong with one is told, never passed over.

R1  Reading writes nothing, not even what SQLite itself would put beside the file: a copy is read, or, while
    an engine writes, a snapshot of the file.
R2  A *torn* journal ends in a write that was not finished: its whole records are good. An *altered* one holds
    something that was not written like this: nothing in it can be taken for granted.
R3  Only a torn journal is cut, and only when asked; the file as it was stays beside it.
"""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import NoneType
from typing import Final

from olaf_async.adapters.journal.codec import VERSION, decode
from olaf_async.adapters.journal.lease import holder
from olaf_async.adapters.journal.sqlite import APPLICATION_ID, TABLE, Row, check_format
from olaf_async.errors import JournalError
from olaf_async.ports.journal import Entry, Record

_HEAD: Final = 100
_WAL_HEAD: Final = 32
_FRAME_HEAD: Final = 24
_FAULTS_MAX: Final = 20
"""More than so many of one file tell nothing new."""
_TYPES: Final = frozenset((int, str, int, bytes, mark, bytes) for mark in (str, NoneType))
"""Of a row's values. SQLite holds a writer to them, and a reader not."""
_UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)
_FINGERPRINT: Final = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it was written. ``after`` is the last record before it.

    ``is_usual``: a tear as a crash or a power cut leaves it, one write long.
    """

    after: int
    text: str
    is_torn: bool = False
    is_usual: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """A journal as it was found. ``rows`` are the whole records as they lie there, good or not."""

    path: Path
    rows: tuple[Row, ...]
    records: tuple[Record, ...]
    faults: tuple[Fault, ...]
    is_live: bool

    @property
    def is_altered(self) -> bool:
        """Whether something in it was not written like this."""
        return any(not fault.is_torn for fault in self.faults)

    @property
    def is_torn(self) -> bool:
        """Whether it ends in the middle of a write, and is good up to there."""
        return bool(self.faults) and not self.is_altered

    @property
    def is_usual(self) -> bool:
        """Whether nothing is wrong with it but what a crash leaves."""
        return all(fault.is_usual for fault in self.faults)

    @property
    def is_closed(self) -> bool:
        """Whether its last run came to its own end."""
        return bool(self.records) and self.records[-1].entry is Entry.CLOSED


def read(path: Path, *, is_ours: bool = False) -> Reading:
    """Read and check a journal; ``is_ours``: the caller holds the lease and has not opened the file.

    Raises:
        JournalError: there is none, it is no journal, or of a format that this version does not know.
    """
    if not path.is_file():
        raise JournalError(f"there is no journal {path}")
    is_live = not is_ours and holder(path.parent) is not None
    rows: list[Row] = []
    faults: list[Fault] = []
    try:
        with _snapshot(path, is_live=is_live) as (copy, db):
            check_format(db, path)
            faults += _read_rows(copy, db, rows)
            if not is_live:
                faults += _torn_tail(copy, db, len(rows))
    except _UNREADABLE as error:
        raise JournalError(f"{path} cannot be read: {error}") from error
    records, found = _check(rows)
    return Reading(path, tuple(rows), tuple(records), (*found, *faults)[:_FAULTS_MAX], is_live)


@contextmanager
def _snapshot(path: Path, *, is_live: bool) -> Iterator[tuple[Path, sqlite3.Connection]]:
    """The journal at one moment, opened; the file itself stays as it is."""
    if is_live:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            yield path, db
        return
    with TemporaryDirectory(prefix="olaf-journal-") as folder:
        copy = Path(folder) / "copy"
        for suffix in ("", "-wal"):
            if Path(f"{path}{suffix}").exists():
                shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
        with closing(sqlite3.connect(copy)) as db:
            db.execute("PRAGMA writable_schema = ON")  # read what there is of a file that is too short
            yield copy, db


def _read_rows(copy: Path, db: sqlite3.Connection, rows: list[Row]) -> Iterator[Fault]:
    """Add the rows there are; tell where they cannot be read any more."""
    try:
        for values in db.execute("SELECT * FROM records ORDER BY seq"):
            if tuple(map(type, values)) not in _TYPES:
                yield Fault(len(rows), f"record {len(rows) + 1} holds values of another kind")
                return
            rows.append(Row(*values))
        for (text,) in db.execute("PRAGMA integrity_check(1)"):
            if text != "ok":
                yield Fault(len(rows), f"the file's own structure is damaged: {text}")
    except _UNREADABLE as error:
        head = copy.read_bytes()[:_HEAD]
        size = int.from_bytes(head[16:18], "big") * int.from_bytes(head[28:32], "big")
        is_short = copy.stat().st_size < size
        why = f"the file is {size - copy.stat().st_size} bytes too short" if is_short else str(error)
        yield Fault(len(rows), f"nothing can be read after record {len(rows)}: {why}", is_torn=is_short)


def _torn_tail(copy: Path, db: sqlite3.Connection, whole: int) -> Iterator[Fault]:
    """Whether the log beside the file goes on after the last write that is whole."""
    log = Path(f"{copy}-wal")
    data = log.read_bytes() if log.exists() else b""
    if not data:
        return
    (page_size,) = db.execute("PRAGMA page_size").fetchone()
    _, frames, _ = db.execute("PRAGMA wal_checkpoint").fetchone()
    frame = _FRAME_HEAD + page_size
    begin = _WAL_HEAD + max(frames, 0) * frame if len(data) >= _WAL_HEAD else 0
    left = [data[at : at + frame] for at in range(begin, len(data), frame)]
    if frames > 0:
        # The log is used again and again: whole frames of an earlier round may follow, with other salts.
        left = [each for each in left if len(each) < frame or each[8:16] == data[16:24]]
    if not left:
        return
    ends = sum(any(each[4:8]) for each in left)
    size = sum(map(len, left))
    text = f"the last write, of {size} bytes after record {whole}, was not finished"
    if ends > 1:
        text = f"{ends} writes, {size} bytes, cannot be read after record {whole}"
    yield Fault(whole, text, is_torn=True, is_usual=ends <= 1)


def _check(rows: list[Row]) -> tuple[list[Record], list[Fault]]:
    """Hold the records against their numbers, hashes and form."""
    records: list[Record] = []
    faults: list[Fault] = []
    chain, seq = b"", 0
    for row in rows:
        if row.seq != seq + 1:
            faults.append(Fault(seq, f"record {seq + 1} is missing"))
        if row.fingerprint is not None and not _FINGERPRINT.fullmatch(row.fingerprint):
            faults.append(Fault(seq, f"the fingerprint of record {row.seq} is none"))
        if row.link(chain) != row.chain:
            faults.append(Fault(seq, f"record {row.seq} is not what was written"))
        chain, seq = row.chain, row.seq
        try:
            records.append(_record(row))
        except (JournalError, ValueError) as error:
            faults.append(Fault(row.seq - 1, f"record {row.seq} cannot be read: {error}"))
    return records, faults


def _record(row: Row) -> Record:
    return Record(row.seq, Entry(row.entry), row.at_ns, decode(row.body), row.fingerprint)


def cut(reading: Reading) -> Path:
    """Keep the whole records of a torn journal under its name; return where the file as it was is now.

    The caller holds the lease of the directory.

    Raises:
        JournalError: it is altered or an engine writes it, or it cannot be written.
    """
    path = reading.path
    if not reading.is_torn or reading.is_live:
        raise JournalError(f"{path} is not to be cut")
    names = (Path(f"{path}.torn{number or ''}") for number in range(1000))
    aside = next(name for name in names if not name.exists())
    fresh = Path(f"{path}.new")
    try:
        fresh.unlink(missing_ok=True)
        with closing(sqlite3.connect(fresh, isolation_level=None)) as db:
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute("BEGIN")
            db.execute(TABLE)
            db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", reading.rows)
            db.execute("COMMIT")
            db.execute("PRAGMA journal_mode = WAL")
        path.rename(aside)
        for suffix in ("-wal", "-shm"):
            if Path(f"{path}{suffix}").exists():
                Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
        fresh.rename(path)
    except (OSError, sqlite3.Error) as error:
        raise JournalError(f"{path} cannot be cut: {error}") from error
    return aside
