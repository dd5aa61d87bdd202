"""The journal on disk: J1 to J4 of its docstring, and what becomes of it on a disk that fails."""

import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from olaf_async.adapters.journal.reading import read
from olaf_async.adapters.journal.sqlite import SqliteJournal
from olaf_async.domain.events import PriceTouched
from olaf_async.domain.intents import CancelOrder
from olaf_async.domain.order import Role
from olaf_async.errors import JournalError
from olaf_async.ports.journal import Entry

PRINT = PriceTouched("INFY", 5, 100_00)
CANCEL = CancelOrder("INFY", 1, "INFY/1-entry", Role.ENTRY, "id")
MARK = "0123456789abcdef" * 2
SECOND = 1_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "day.journal"


def told(journal: SqliteJournal, times: int = 1, at_ns: int = 5) -> None:
    for _ in range(times):
        journal.append(Entry.EVENT, at_ns, PRINT, MARK)
    journal.flush()


def left(path: Path, folder: str = "left") -> list[Entry]:
    """The records that another process would find now, if this one were gone."""
    copy = path.parent / folder
    copy.mkdir()
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{path}{suffix}", f"{copy / path.name}{suffix}")
    reading = read(copy / path.name)
    assert reading.faults == ()
    return [record.entry for record in reading.records]


# --- J1: with the next flush, all or nothing ------------------------------------------------------


def test_j1_what_is_appended_outlives_the_process_with_the_next_flush(path: Path) -> None:
    journal = SqliteJournal(path)
    told(journal)
    journal.append(Entry.EVENT, 5, PRINT, MARK)
    assert left(path, "before") == [Entry.EVENT]
    journal.flush()
    assert left(path, "after") == [Entry.EVENT] * 2
    journal.close()


def test_j1_what_was_written_is_read_back(path: Path) -> None:
    journal = SqliteJournal(path)
    assert [journal.append(Entry.EVENT, 7, PRINT, MARK), journal.append(Entry.INTENT, 8, CANCEL)] == [1, 2]
    journal.close()
    first, second = read(path).records
    assert (first.seq, first.entry, first.at_ns, first.body, first.fingerprint) == (
        1,
        Entry.EVENT,
        7,
        PRINT,
        MARK,
    )
    assert (second.seq, second.entry, second.at_ns, second.body, second.fingerprint) == (
        2,
        Entry.INTENT,
        8,
        CANCEL,
        None,
    )


def test_j1_a_second_run_goes_on_where_the_first_ended(path: Path) -> None:
    for _ in range(2):
        journal = SqliteJournal(path)
        told(journal, 2)
        journal.close()
    reading = read(path)
    assert reading.faults == ()
    assert [record.seq for record in reading.records] == [1, 2, 3, 4]


def test_j1_so_does_one_after_a_killed_one(path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from olaf_async.adapters.journal.sqlite import SqliteJournal
from olaf_async.domain.events import PriceTouched
from olaf_async.ports.journal import Entry
journal = SqliteJournal(Path(sys.argv[1]))
for _ in range(3):
    journal.append(Entry.EVENT, 5, PriceTouched("INFY", 5, 100_00), "0" * 32)
    journal.flush()
journal.append(Entry.EVENT, 5, PriceTouched("INFY", 5, 100_00), "0" * 32)
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    journal = SqliteJournal(path)
    told(journal)
    journal.close()
    assert len(read(path).records) == 4


# --- J2: on the disk before the call --------------------------------------------------------------


def test_j2_a_sending_is_written_through_at_once_and_the_rest_is_not(path: Path) -> None:
    statements: list[str] = []
    journal = SqliteJournal(path)
    journal._db.set_trace_callback(statements.append)
    told(journal)
    journal.append(Entry.EVENT, 5, PRINT, MARK)
    journal.append(Entry.SENDING, 5, CANCEL)
    assert left(path) == [Entry.EVENT, Entry.EVENT, Entry.SENDING]
    told(journal)
    journal.close()
    levels = [statement for statement in statements if "synchronous" in statement]
    assert levels == [f"PRAGMA synchronous = {level}" for level in ("NORMAL", "FULL", "NORMAL")]


# --- J3: a disk that fails ------------------------------------------------------------------------


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """No file of this process may grow beyond what the journal's log is now: a write fails, for real."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(f"{path}-wal").stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_j3_a_write_that_fails_is_told_and_made_up_for_without_a_gap(path: Path) -> None:
    journal = SqliteJournal(path)
    told(journal)
    with full_disk(path):
        for _ in range(3):
            with pytest.raises(JournalError, match=str(path)):
                told(journal)
        with pytest.raises(JournalError):
            journal.append(Entry.SENDING, 5, CANCEL)
    assert left(path) == [Entry.EVENT]
    told(journal, at_ns=5 + SECOND)
    assert left(path, "again") == [Entry.EVENT] * 4 + [Entry.SENDING] + [Entry.EVENT]
    journal.close()
    assert read(path).faults == ()


def test_j3_a_database_that_is_full_is_no_different(path: Path) -> None:
    journal = SqliteJournal(path)
    told(journal)
    (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
    journal._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalError, match="full"):
        told(journal, 100)
    journal._db.execute("PRAGMA max_page_count = 10000")
    told(journal, at_ns=5 + SECOND)
    journal.close()
    assert len(read(path).records) == 102


def test_j3_a_failing_disk_is_asked_once_a_second_and_before_each_send(path: Path) -> None:
    journal = SqliteJournal(path)
    with full_disk(path), pytest.raises(JournalError):
        told(journal, at_ns=5)
    with pytest.raises(JournalError):
        told(journal, at_ns=5 + SECOND - 1)
    assert left(path, "before") == []
    journal.append(Entry.SENDING, 6, CANCEL)
    assert left(path, "after") == [Entry.EVENT] * 2 + [Entry.SENDING]
    journal.close()


def test_j3_what_cannot_be_put_into_words_takes_no_number(path: Path) -> None:
    journal = SqliteJournal(path)
    for body, at_ns in ((object(), 5), (PRINT, 1 << 63)):
        with pytest.raises(JournalError):
            journal.append(Entry.EVENT, at_ns, body)
    told(journal)
    journal.close()
    assert [record.seq for record in read(path).records] == [1]


def test_j3_a_journal_that_can_never_be_written_says_so_at_its_close(path: Path) -> None:
    journal = SqliteJournal(path)
    with full_disk(path):
        with pytest.raises(JournalError):
            told(journal)
        with pytest.raises(JournalError):
            journal.close()


# --- files that are none --------------------------------------------------------------------------


def test_a_file_that_is_something_else_is_left_alone(path: Path) -> None:
    path.write_bytes(b"a letter to a friend" * 100)
    with pytest.raises(JournalError, match="not a database"):
        SqliteJournal(path)
    assert path.read_bytes() == b"a letter to a friend" * 100


def test_so_is_the_database_of_another_program(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE records (seq)")
    other.close()
    with pytest.raises(JournalError, match="no journal of Olaf's"):
        SqliteJournal(path)


def test_a_journal_of_a_later_format_is_refused_with_both_versions(path: Path) -> None:
    SqliteJournal(path).close()
    later = sqlite3.connect(path)
    later.execute("PRAGMA user_version = 99")
    later.close()
    for opened in (SqliteJournal, read):
        with pytest.raises(JournalError, match="format 99, and this version of Olaf reads up to 1"):
            opened(path)


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be opened"):
        SqliteJournal(tmp_path / "file" / "day.journal")
