"""The journal on disk: SQLite in WAL mode, written by the engine's own thread.

J1  What is appended is written with the next ``flush``, all of it or nothing. Then it outlives the process; a
    power cut may take it, back to the last SENDING.
J2  SENDING and HEADER are on disk (fsync) when ``append`` returns, and everything before them with them; so
    is what a person has ordered, and what has raised an alarm, after the next ``flush``: a halt and the
    daily loss have to outlive a power cut.
J3  What could not be written is kept and tried again with the next: no gap, no other order.
J4  Each record carries a hash over the one before it and its own content.

Must never be opened by two engines at once: that is what the lease is for. Measured on one core of a server:
about 20 us for an event with its intents, 0.5 to 1 ms for a SENDING, 3 ms when the log is folded into the
database, once in some 4 MB.
"""

import sqlite3
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from olaf_async.adapters.journal.codec import VERSION, check_version, encode
from olaf_async.domain.events import Commanded
from olaf_async.domain.intents import Say, Severity
from olaf_async.errors import JournalError
from olaf_async.ports.journal import Entry

APPLICATION_ID: Final = 0x4F6C6166
"""What `file` and SQLite's own tools know a journal by: "Olaf"."""
BUSY_S: Final = 0.05
"""The longest wait for somebody else who locks the file; nobody should."""
RETRY_NS: Final = 1_000_000_000
"""A failing disk is asked again this often, and before each send."""
NS_END: Final = 1 << 63
DURABLE: Final = frozenset({Entry.HEADER, Entry.SENDING, Entry.CLOSED})

TABLE: Final = """
CREATE TABLE records (
    seq INTEGER PRIMARY KEY,
    entry TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    body BLOB NOT NULL,
    fingerprint TEXT,
    chain BLOB NOT NULL
) STRICT
"""


def must_outlive_a_power_cut(body: object) -> bool:
    """Whether the write that brings it is waited for: what a person ordered, and what a person was told."""
    return isinstance(body, Commanded) or (isinstance(body, Say) and body.severity is Severity.ALARM)


class Row(NamedTuple):
    """One record as it lies in the table."""

    seq: int
    entry: str
    at_ns: int
    body: bytes
    fingerprint: str | None
    chain: bytes

    def link(self, previous: bytes) -> bytes:
        """The hash that this record should carry."""
        digest = blake2b(previous, digest_size=16)
        digest.update(f"{self.seq}\0{self.entry}\0{self.at_ns}\0{self.fingerprint}\0".encode())
        digest.update(self.body)
        return digest.digest()


class SqliteJournal:
    """See Journal. One file; a second run of the same day goes on where the first ended.

    Raises:
        JournalError: the file cannot be written, is no journal, or of a format this version does not know.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pending: list[Row] = []
        self._is_urgent = False
        self._failed_ns: int | None = None
        self._failure = ""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"{path} cannot be opened: {error}") from error
        try:
            self._seq, self._chain = self._begin()
        except sqlite3.Error as error:
            self._db.close()
            raise JournalError(f"{path} cannot be written: {error}") from error
        except JournalError:
            self._db.close()
            raise

    def _begin(self) -> tuple[int, bytes]:
        """Make the table where there is none; where the file ends."""
        db = self._db
        if not db.execute("SELECT 1 FROM sqlite_master").fetchone():
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("BEGIN IMMEDIATE")
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute(TABLE)
            db.execute("COMMIT")
        check_format(db, self.path)
        last = db.execute("SELECT seq, chain FROM records ORDER BY seq DESC LIMIT 1").fetchone()
        return last or (0, b"")

    def append(self, entry: Entry, at_ns: int, body: object, fingerprint: str | None = None) -> int:
        """See Journal."""
        data = encode(body)
        if abs(at_ns) >= NS_END:
            raise JournalError(f"the journal cannot keep the time {at_ns}")
        row = Row(self._seq + 1, entry.value, at_ns, data, fingerprint, b"")
        self._seq, self._chain = row.seq, row.link(self._chain)
        self._pending.append(row._replace(chain=self._chain))
        self._is_urgent |= must_outlive_a_power_cut(body)
        if entry in DURABLE:
            self._is_urgent = True
            self._write()
        return row.seq

    def flush(self) -> None:
        """See Journal."""
        if not self._pending:
            return
        newest_ns = self._pending[-1].at_ns
        if self._failed_ns is not None and abs(newest_ns - self._failed_ns) < RETRY_NS:
            raise JournalError(self._failure)
        self._write()

    def _write(self) -> None:
        """Write all that is pending in one transaction."""
        db = self._db
        try:
            db.execute(f"PRAGMA synchronous = {'FULL' if self._is_urgent else 'NORMAL'}")
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", self._pending)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            self._take_back()
            self._failed_ns = self._pending[-1].at_ns
            self._failure = f"{self.path}: {error}"
            raise JournalError(self._failure) from error
        self._pending.clear()
        self._is_urgent = False
        self._failed_ns = None

    def _take_back(self) -> None:
        """End the broken transaction, where SQLite has not done so already; a failure tells nothing new."""
        with suppress(sqlite3.Error):
            self._db.rollback()

    def close(self) -> None:
        """Write what is pending and fold the log into the database.

        Raises:
            JournalError: something could not be written; the file is closed all the same.
        """
        try:
            if self._pending:
                self._write()
        finally:
            self._db.close()


def check_format(db: sqlite3.Connection, path: Path) -> None:
    """See that this is a journal, and of a format that is known here.

    Raises:
        JournalError: it is not.
        sqlite3.Error: it cannot be read.
    """
    (application_id,) = db.execute("PRAGMA application_id").fetchone()
    if application_id != APPLICATION_ID:
        raise JournalError(f"{path} is no journal of Olaf's")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    check_version(version)
