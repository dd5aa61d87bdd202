"""Each day that a test stages is executed again from its journal, as `journal replay` would do it.

Owns the list of days staged since the last look, and the fixture that looks after each test. Whoever makes an
engine says so here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from olaf_async.adapters.journal.codec import Account, EightyTwentyPlan, Header
from olaf_async.adapters.journal.memory import MemoryJournal
from olaf_async.adapters.journal.reading import read
from olaf_async.adapters.journal.rerun import Rerun, Rerunner
from olaf_async.adapters.journal.sqlite import SqliteJournal
from olaf_async.core.engine import Plan
from olaf_async.core.guards import STANDARD, Guards
from olaf_async.core.invariants import Check
from olaf_async.core.invariants import check as check_invariants
from olaf_async.core.rules import Rules
from olaf_async.ports.journal import Entry, Record

ACCOUNT = Account.of("paper", "http://127.0.0.1:5000", "a-key", "MIS")


@dataclass(frozen=True, slots=True)
class Staged:
    """One engine's day: what it began with, and where it writes."""

    header: Header
    journal: MemoryJournal
    guards: Guards
    check: Check


STAGED: list[Staged] = []


def stage(
    plans: Mapping[str, Plan],
    rules: Rules,
    journal: MemoryJournal,
    guards: Guards = STANDARD,
    check: Check = check_invariants,
) -> None:
    """An engine has been made that will write here."""
    STAGED.append(Staged(header_of(list(plans.values()), rules), journal, guards, check))


def forget(journal: MemoryJournal) -> None:
    """This journal has been made to lose something: no day can be executed again from it."""
    STAGED[:] = [day for day in STAGED if day.journal is not journal]


def header_of(plans: Sequence[Plan], rules: Rules) -> Header:
    """What a journal of such a day begins with."""
    kept = tuple(EightyTwentyPlan.of(plan) for plan in plans)
    return Header("test", ACCOUNT, plans[0].session.day, rules, kept)


def written(path: Path, header: Header, records: Sequence[Record]) -> Path:
    """The records in a journal on disk, as the engine would have written them."""
    journal = SqliteJournal(path)
    journal.append(Entry.HEADER, 0, header)
    for record in records:
        journal.append(record.entry, record.at_ns, record.body, record.fingerprint)
        if record.entry is not Entry.EVENT:
            journal.flush()
    journal.close()
    return path


def executed_again(path: Path, guards: Guards = STANDARD, check: Check = check_invariants) -> Rerun:
    """The journal on disk, replayed; it has to be whole."""
    reading = read(path)
    assert reading.faults == (), reading.faults
    return Rerunner(guards=guards, check=check).run(reading.records)


@pytest.fixture(autouse=True)
def _journals_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After each test: all it has staged replays without a difference, in a core patched as it was."""
    del monkeypatch  # it is only needed to be undone later than this
    STAGED.clear()
    yield
    for number, day in enumerate(STAGED):
        path = written(tmp_path / f"{number}.journal", day.header, day.journal.records)
        again = executed_again(path, day.guards, day.check)
        assert again.difference is None, again.difference
        assert again.events == sum(record.entry is Entry.EVENT for record in day.journal.records)
    STAGED.clear()
