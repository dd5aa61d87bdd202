"""Journals read back: R1 to R3 of its docstring. One byte altered is found; a torn end is found and cut."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from olaf_async.adapters.journal.lease import Lease
from olaf_async.adapters.journal.reading import Reading, cut, read
from olaf_async.adapters.journal.sqlite import SqliteJournal
from olaf_async.domain.events import PriceTouched
from olaf_async.domain.intents import CancelOrder
from olaf_async.domain.order import Role
from olaf_async.errors import JournalError
from olaf_async.ports.journal import Entry

CANCEL = CancelOrder("INFY", 1, "INFY/1-entry", Role.ENTRY, "id")
RECORDS = 12
PRICE = 100_00


def fill(journal: SqliteJournal, first: int = 1, last: int = RECORDS) -> None:
    """Records that differ, each written on its own."""
    for number in range(first, last + 1):
        if number % 4 == 0:
            journal.append(Entry.SENDING, number, CANCEL)
        else:
            journal.append(
                Entry.EVENT, number, PriceTouched("INFY", number, PRICE + number), f"{number:032x}"
            )
            journal.flush()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "day.journal"


@pytest.fixture
def whole(path: Path) -> Path:
    """A journal that was closed."""
    journal = SqliteJournal(path)
    fill(journal)
    journal.append(Entry.CLOSED, RECORDS + 1, "exit code 0")
    journal.close()
    return path


def killed(path: Path, last: int = RECORDS) -> Path:
    """A journal as the death of its engine leaves it, all in the log beside the database."""
    journal = SqliteJournal(path.parent / "living.journal")
    fill(journal, last=last)
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{journal.path}{suffix}", f"{path}{suffix}")
    journal.close()
    journal.path.unlink()
    return path


def texts(reading: Reading) -> list[str]:
    return [fault.text for fault in reading.faults]


def state_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


# --- R1: reading writes nothing -------------------------------------------------------------------


@pytest.mark.parametrize("make", [killed, None], ids=["killed", "closed"])
def test_r1_a_reader_leaves_everything_as_it_is(path: Path, whole: Path, make: object) -> None:
    if make is killed:
        whole.unlink()
        killed(path)
    before = state_of(path.parent)
    assert len(read(path).records) in {RECORDS, RECORDS + 1}
    assert state_of(path.parent) == before


def test_r1_a_journal_may_be_read_while_it_is_written(path: Path) -> None:
    lease, journal = Lease(path.parent, 0), SqliteJournal(path)
    fill(journal, last=5)
    reading = read(path)
    assert (reading.is_live, reading.faults, len(reading.records)) == (True, (), 5)
    fill(journal, 6)
    assert len(read(path).records) == RECORDS
    journal.close()
    lease.release()


def test_a_journal_tells_whether_its_run_came_to_its_end(whole: Path) -> None:
    assert read(whole).is_closed
    assert not read(killed(whole.parent / "other.journal")).is_closed


def test_there_has_to_be_one(path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"nonsense" * 1000])
def test_and_it_has_to_be_one(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(JournalError):
        read(path)


# --- R2: altered ----------------------------------------------------------------------------------


def contents(path: Path) -> Iterator[tuple[str, int, bytes]]:
    """(column, seq, value as it lies in the file) of everything that a record says."""
    with sqlite3.connect(path) as db:
        for seq, entry, body, mark, chain in db.execute(
            "SELECT seq, entry, body, fingerprint, chain FROM records"
        ).fetchall():
            yield "entry", seq, entry.encode()
            yield "body", seq, body
            yield "chain", seq, chain
            if mark is not None:
                yield "fingerprint", seq, mark.encode()
    db.close()


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_r2_one_altered_byte_of_a_records_content_is_found(whole: Path, data: st.DataObject) -> None:
    file = whole.read_bytes()
    spans = [(file.index(body), body) for column, _, body in contents(whole) if column == "body"]
    at, body = data.draw(st.sampled_from(spans))
    offset = data.draw(st.integers(0, len(body) - 1))
    altered = bytearray(file)
    altered[at + offset] ^= data.draw(st.integers(1, 255))
    other = whole.parent / "altered.journal"
    other.write_bytes(altered)
    reading = read(other)
    assert reading.is_altered
    assert "is not what was written" in texts(reading)[0]


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_r2_so_is_one_of_its_hash_kind_time_number_or_fingerprint(whole: Path, data: st.DataObject) -> None:
    other = whole.parent / "altered.journal"
    shutil.copyfile(whole, other)
    column = data.draw(st.sampled_from(["entry", "at_ns", "seq", "fingerprint", "chain"]))
    seq = data.draw(st.integers(1, RECORDS + 1))
    with sqlite3.connect(other) as db:
        (old,) = db.execute(f"SELECT {column} FROM records WHERE seq = ?", (seq,)).fetchone()
        new: object
        match old:
            case int():
                new = old + data.draw(st.integers(RECORDS + 1, 1000))
            case str():
                at = data.draw(st.integers(0, len(old) - 1))
                new = old[:at] + data.draw(st.sampled_from("xyz")) + old[at + 1 :]
            case bytes():
                at = data.draw(st.integers(0, len(old) - 1))
                new = old[:at] + bytes([old[at] ^ data.draw(st.integers(1, 255))]) + old[at + 1 :]
            case _:
                new = "0" * 32
        db.execute(f"UPDATE records SET {column} = ? WHERE seq = ?", (new, seq))
    db.close()
    assert read(other).is_altered


@pytest.mark.parametrize("seq", [1, 5, RECORDS])
def test_r2_a_record_taken_out_is_found(whole: Path, seq: int) -> None:
    with sqlite3.connect(whole) as db:
        db.execute("DELETE FROM records WHERE seq = ?", (seq,))
    db.close()
    reading = read(whole)
    assert reading.is_altered
    assert texts(reading)[0] == f"record {seq} is missing"


def test_r2_two_records_that_changed_places_are_found(whole: Path) -> None:
    with sqlite3.connect(whole) as db:
        for old, new in ((2, 100), (3, 2), (100, 3)):
            db.execute("UPDATE records SET seq = ? WHERE seq = ?", (new, old))
    db.close()
    assert read(whole).is_altered


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_r2_a_byte_anywhere_in_the_file_never_makes_another_day_of_it(
    whole: Path, data: st.DataObject
) -> None:
    """Not every byte of a file means something; what is read is what was written, or is not believed."""
    good = read(whole)
    file = bytearray(whole.read_bytes())
    file[data.draw(st.integers(0, len(file) - 1))] ^= data.draw(st.integers(1, 255))
    other = whole.parent / "altered.journal"
    other.write_bytes(file)
    try:
        reading = read(other)
    except JournalError:
        return
    assert reading.faults or reading.records == good.records


def test_r2_a_value_of_another_kind_is_found(whole: Path) -> None:
    """Which kind a value is of is a byte of the file like any other."""
    with sqlite3.connect(whole) as db:
        db.execute("CREATE TABLE loose (seq INTEGER PRIMARY KEY, entry, at_ns, body, fingerprint, chain)")
        db.execute("INSERT INTO loose SELECT * FROM records")
        db.execute("UPDATE loose SET fingerprint = CAST(fingerprint AS BLOB) WHERE seq = 3")
        db.execute("DROP TABLE records")
        db.execute("ALTER TABLE loose RENAME TO records")
    db.close()
    reading = read(whole)
    assert (reading.is_altered, len(reading.records)) == (True, 2)
    assert texts(reading) == ["record 3 holds values of another kind"]


def test_r2_a_record_of_another_day_in_the_same_place_is_found(whole: Path, tmp_path: Path) -> None:
    """Each record carries a hash that fits its own content, and not the day's."""
    other = tmp_path / "other.journal"
    journal = SqliteJournal(other)
    journal.append(Entry.EVENT, 1, PriceTouched("TCS", 1, PRICE), "0" * 32)
    fill(journal, 2)
    journal.close()
    with sqlite3.connect(whole) as db:
        db.execute("ATTACH ? AS other", (str(other),))
        db.execute("REPLACE INTO main.records SELECT * FROM other.records WHERE seq = 5")
    db.close()
    reading = read(whole)
    assert [record.body for record in reading.records][4] == PriceTouched("INFY", 5, PRICE + 5)
    assert texts(reading)[0] == "record 5 is not what was written"


def test_r2_damage_in_the_middle_of_the_log_is_not_taken_for_a_torn_end(path: Path) -> None:
    killed(path)
    log = Path(f"{path}-wal")
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)
    reading = read(path)
    assert len(reading.records) < RECORDS
    assert reading.is_torn
    assert not reading.is_usual
    assert "writes" in texts(reading)[0]


# --- R3: torn -------------------------------------------------------------------------------------


def test_r3_a_write_torn_at_any_byte_loses_itself_and_nothing_else(path: Path) -> None:
    before = Path(f"{killed(path, RECORDS - 1)}-wal").stat().st_size
    log = Path(f"{killed(path)}-wal")
    data = log.read_bytes()
    assert before < len(data)
    for size in range(before, len(data)):
        log.write_bytes(data[:size])
        reading = read(path)
        assert len(reading.records) == RECORDS - 1
        assert [fault.after for fault in reading.faults] == ([] if size == before else [RECORDS - 1])
        assert reading.is_usual


@pytest.mark.parametrize("lost", [1, 24, 4000])
def test_r3_a_torn_journal_is_cut_to_its_whole_records_and_kept_beside(path: Path, lost: int) -> None:
    log = Path(f"{killed(path)}-wal")
    os.truncate(log, log.stat().st_size - lost)
    torn = log.read_bytes()
    aside = cut(read(path))
    assert Path(f"{aside}-wal").read_bytes() == torn
    reading = read(path)
    assert reading.faults == ()
    assert len(reading.records) == RECORDS - 1
    journal = SqliteJournal(path)
    fill(journal, RECORDS, RECORDS + 3)
    journal.close()
    again = read(path)
    assert again.faults == ()
    assert len(again.records) == RECORDS + 3


def test_r3_a_file_that_lost_its_end_is_cut_too(path: Path) -> None:
    journal = SqliteJournal(path)
    fill(journal, last=200)
    journal.close()
    os.truncate(path, path.stat().st_size * 2 // 3)
    reading = read(path)
    assert 0 < len(reading.records) < 200
    assert reading.is_torn
    assert not reading.is_usual, "no crash does that"
    cut(reading)
    assert read(path).faults == ()
    assert read(path).rows == reading.rows


def test_r3_two_cuts_of_one_day_keep_both_files(path: Path) -> None:
    asides = []
    for _ in range(2):
        log = Path(f"{killed(path)}-wal")
        os.truncate(log, log.stat().st_size - 1)
        asides.append(cut(read(path)))
    assert len({*asides}) == 2
    assert all(aside.exists() for aside in asides)


def test_r3_neither_a_whole_journal_nor_an_altered_one_is_cut(whole: Path) -> None:
    with pytest.raises(JournalError, match="not to be cut"):
        cut(read(whole))
    with sqlite3.connect(whole) as db:
        db.execute("UPDATE records SET at_ns = 0 WHERE seq = 3")
    db.close()
    with pytest.raises(JournalError, match="not to be cut"):
        cut(read(whole))
