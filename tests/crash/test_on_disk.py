"""The same with the journal's real file: copied at each write as a dead process leaves it, whole or torn.

A file torn in its last frame is what a power cut leaves that came during the write; a new start finds that,
says so, and goes on with the writes before.
"""

import shutil
from pathlib import Path

import pytest

from olaf_async.adapters.journal.reading import cut as cut_tail
from olaf_async.adapters.journal.reading import read
from olaf_async.adapters.journal.sqlite import SqliteJournal
from olaf_async.ports.journal import Entry, Record
from olaf_async.sim.power import Disk, is_powerless
from tests.crash.day import CrashDay, Cut, Parts, What
from tests.crash.test_every_cut import at_each
from tests.crash.truth import faults
from tests.journals import executed_again

PARTS = 4
HALF_A_FRAME = 2_000
"""Bytes; a frame holds one page of 4,096 and 24 of its own."""


class FileDisk(Disk):
    """Writes into a file what the model keeps in memory."""

    def __init__(self, path: Path, kept: list[Record]) -> None:
        super().__init__(kept)
        self.file = SqliteJournal(path)

    def append(self, entry: Entry, at_ns: int, body: object, fingerprint: str | None = None) -> int:
        """See Journal."""
        if not is_powerless():
            self.file.append(entry, at_ns, body, fingerprint)
        return super().append(entry, at_ns, body, fingerprint)

    def flush(self) -> None:
        """See Journal."""
        if not is_powerless():
            self.file.flush()
        super().flush()


class FileDay(CrashDay):
    """A day whose machine has a file for its journal."""

    def __init__(self, folder: Path, *cuts: Cut, is_torn: bool = False) -> None:
        super().__init__(*cuts, parts=Parts(new_disk=self._new_disk))
        self.path = folder / "first.journal"
        self.disks: list[FileDisk] = []
        self._is_torn = is_torn

    def _new_disk(self, kept: list[Record]) -> FileDisk:
        self.disks.append(FileDisk(self.path, kept))
        return self.disks[-1]

    def _kept(self, disk: Disk, cut: Cut) -> list[Record]:
        """Start from a copy of the files, as `live` does: read, cut what is torn, and go on."""
        written = disk.records()
        old, self.path = self.path, self.path.with_name("second.journal")
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{old}{suffix}", f"{self.path}{suffix}")
        if not self._is_torn:
            reading = read(self.path, is_ours=True)
            assert reading.faults == ()
            assert list(reading.records) == written
            return written
        log = Path(f"{self.path}-wal")
        with log.open("r+b") as file:
            file.truncate(log.stat().st_size - HALF_A_FRAME)
        torn = read(self.path, is_ours=True)
        assert torn.is_torn, torn.faults
        assert torn.is_usual, torn.faults
        assert "was not finished" in torn.faults[0].text
        assert cut_tail(torn).exists()
        whole = read(self.path, is_ours=True)
        assert whole.faults == ()
        assert list(whole.records) == written[: len(whole.records)]
        assert len(whole.records) < len(written), cut
        return list(whole.records)

    def close(self) -> None:
        """Close the files, also those that a dead process had open."""
        for disk in self.disks:
            disk.file.close()


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("is_torn", [False, True], ids=["whole", "torn"])
def test_a_start_from_the_file_that_a_cut_leaves_is_as_good_as_from_any_other(
    part: int, is_torn: bool, tmp_path: Path
) -> None:
    for cut in at_each(What.WRITE)[part::PARTS]:
        folder = tmp_path / str(cut.number)
        folder.mkdir()
        day = FileDay(folder, cut, is_torn=is_torn).play()
        day.close()
        assert list(faults(day)) == [], cut
        again = executed_again(day.path)
        assert again.difference is None, (cut, again.difference)
        assert again.runs == 2
        shutil.rmtree(folder)
