"""A day on a disk that is full for a while, for real: what is done, and what the journal has of it."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import pytest

from olaf_async.adapters.journal.memory import MemoryJournal
from olaf_async.adapters.journal.reading import read
from olaf_async.adapters.journal.sqlite import SqliteJournal
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.domain.events import Command, Commanded
from olaf_async.domain.intents import ModifyOrder
from olaf_async.domain.order import Role, Side
from olaf_async.ports.journal import Entry, NotSent
from tests.journals import executed_again, header_of
from tests.races.world import ENTRY, OPEN_NS, UNDERCUT, World, plan_of, play


class OnDisk(MemoryJournal):
    """Keeps in a file what it is given; in memory, so that it can be compared, what it should have kept."""

    fills_up_before_a_sending = False

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.disk = SqliteJournal(path)

    def append(self, entry: Entry, at_ns: int, body: object, fingerprint: str | None = None) -> int:
        """See Journal."""
        super().append(entry, at_ns, body, fingerprint)
        if not self.fills_up_before_a_sending or entry is not Entry.SENDING:
            return self.disk.append(entry, at_ns, body, fingerprint)
        self.fills_up_before_a_sending = False
        with self.full():
            return self.disk.append(entry, at_ns, body, fingerprint)

    def flush(self) -> None:
        """See Journal."""
        self.disk.flush()

    @contextmanager
    def full(self) -> Iterator[None]:
        """Let no file grow beyond what the journal's log is by now."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (Path(f"{self.disk.path}-wal").stat().st_size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[OnDisk]:
    journal = OnDisk(tmp_path / "day.journal")
    journal.disk.append(Entry.HEADER, 0, header_of([plan_of()], Rules(stop_limit_pct=Fraction(2))))
    yield journal
    journal.disk.close()


def test_protection_goes_on_and_once_there_is_room_nothing_is_missing(journal: OnDisk) -> None:
    async def story(world: World) -> None:
        await world.enters()
        with journal.full():
            await world.prints(1005_00, 1007_00, pause_s=1)
            await world.until_ns(OPEN_NS + 70 * SECOND_NS)
            assert world.asked(ModifyOrder, Role.STOP), "the stop rises with the bar"
            await world.prints(ENTRY - 20_00, pause_s=5)
            assert world.position() == 0
            await world.prints(UNDERCUT - 5, UNDERCUT, pause_s=2)
            assert len(world.orders(Side.BUY)) == 1, "and nothing new begins"
        await world.prints(ENTRY - 3_00, pause_s=2)
        assert "journal_kept" in world.alarms.codes
        world.supervisor.pump.put(Commanded(world.clock.now_ns(), Command.RESUME))
        await world.wait(1)
        await world.prints(UNDERCUT - 5, UNDERCUT, pause_s=2)
        assert len(world.orders(Side.BUY)) == 2

    world = play(story, new_journal=lambda _: journal)
    assert world.alarms.codes.count("journal_failing") == 1
    journal.disk.flush()
    again = executed_again(journal.disk.path)
    assert again.difference is None
    assert again.events == sum(record.entry is Entry.EVENT for record in journal.records)


def test_an_entry_the_disk_had_no_room_for_is_not_sent_and_that_is_kept_with_it(journal: OnDisk) -> None:
    async def story(world: World) -> None:
        journal.fills_up_before_a_sending = True
        await world.prints(UNDERCUT, pause_s=3)
        await world.prints(ENTRY - 3_00, pause_s=2)

    world = play(story, new_journal=lambda _: journal)
    assert world.orders() == []
    journal.disk.flush()
    records = read(journal.disk.path).records
    number = next(number for number, record in enumerate(records) if record.entry is Entry.SENDING)
    sending, _, not_sent = records[number : number + 3]
    assert not_sent.body == NotSent(sending.body, "the journal cannot keep it", is_refused=False)  # type: ignore[arg-type]
    assert executed_again(journal.disk.path).difference is None
