"""The run is cancelled, or asked to stop, at every point of a day; each time the engine is started again.

No power is lost here: what the engine does on its way out it does to the end, and its process closes the
journal. The day, the exchange and what is demanded are those of `test_every_cut`.
"""

import asyncio
from collections.abc import Callable
from functools import cache

import pytest

from olaf_async.ports.journal import Record
from olaf_async.shell.supervisor import Outcome, Supervisor
from olaf_async.sim.loop import SimTask
from olaf_async.sim.sites import await_site
from tests.crash.day import CrashDay, Cut, Life, Parts, What
from tests.crash.test_every_cut import at_each
from tests.crash.truth import faults

SLICES = 4


class EndedDay(CrashDay):
    """A day on which the process ends where the power would have gone."""

    _running: asyncio.Future[Outcome]

    def _boot(
        self, kept: list[Record], cut: Cut | None
    ) -> tuple[asyncio.Future[Outcome], asyncio.Future[None]]:
        self._running, went_out = super()._boot(kept, cut)
        # The process ends later than its main task.
        return self._running if cut is None else self._loop.create_future(), went_out

    def _go_out(self, life: Life, went_out: asyncio.Future[None]) -> None:
        self._loop.create_task(self._end(life, went_out), name="process", context=self._loop.world.copy())
        self.end(life)

    def end(self, _life: Life) -> None:
        """Bring the run to its end: here as `asyncio.run` does that is interrupted."""
        self._running.cancel()

    async def _end(self, life: Life, went_out: asyncio.Future[None]) -> None:
        """The main task ends first, then the loop cancels what is left, and the process closes its files."""
        await asyncio.wait([self._running])
        left = tasks_of(self._loop.pending_tasks(), life)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        assert not tasks_of(self._loop.pending_tasks(), life), "what is cancelled ends"
        life.disk.close()
        super()._go_out(life, went_out)


def tasks_of(tasks: list[asyncio.Task[object]], life: Life) -> list[SimTask[object]]:
    """Those that belong to this run of the engine."""
    return [task for task in tasks if isinstance(task, SimTask) and task.owner is life.machine]


class StoppedDay(EndedDay):
    """A day on which the run is asked to stop, as a signal does."""

    ask: Callable[[Supervisor], None] = staticmethod(Supervisor.request_stop)

    def end(self, life: Life) -> None:
        """See EndedDay."""
        self.ask(life.supervisor)


class ForcedDay(StoppedDay):
    """A day on which it is told to wait for nothing."""

    ask = staticmethod(Supervisor.force_stop)


class WatchedDay(CrashDay):
    """A calm day; ``waits`` has for each callback where the engine's tasks wait, and how far it has come."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[object] = []

    def _count(self, life: Life, what: What, cut: Cut | None, went_out: asyncio.Future[None]) -> None:
        super()._count(life, what, cut, went_out)
        if what is not What.CALLBACK or life.ended_ns is not None:
            return
        sites = [(task.get_name(), await_site(task)) for task in tasks_of(self._loop.pending_tasks(), life)]
        supervisor, counts = life.supervisor, life.counts
        did = supervisor.engine.seq, counts[What.WRITE], counts[What.CALL], len(self.exchange.history)
        self.waits.append((sites, did, supervisor.pump.is_idle))


@cache
def at_each_await() -> list[Cut]:
    """Before each callback at which something is elsewhere than it was before the last one."""
    waits = WatchedDay().play().waits
    return [
        Cut(What.CALLBACK, number)
        for number, (before, now) in enumerate(zip([None, *waits], waits, strict=False), 1)
        if now != before
    ]


def survives(cuts: list[Cut], day_of: type[EndedDay]) -> None:
    """Each of them alone, and nothing that must not happen."""
    for cut in cuts:
        day = day_of(cut).play()
        assert list(faults(day)) == [], (cut, [life.alarms.said for life in day.lives])
        assert len(day.lives) == 2


@pytest.mark.parametrize("part", range(SLICES))
def test_a_run_that_is_cancelled_at_any_await_leaves_nothing_that_a_restart_cannot_mend(part: int) -> None:
    survives(at_each_await()[part::SLICES], EndedDay)


@pytest.mark.parametrize("day_of", [StoppedDay, ForcedDay])
def test_a_run_that_is_asked_to_stop_before_any_request_goes_on_after_a_restart(
    day_of: type[EndedDay],
) -> None:
    survives(at_each(What.CALL), day_of)


def test_the_sweep_would_tell_of_a_restart_that_does_not_read_its_journal() -> None:
    parts = Parts(reads_journal=False)
    found = [fault for cut in at_each_await()[::10] for fault in faults(EndedDay(cut, parts=parts).play())]
    assert any("without protection, and no alarm" in fault for fault in found)


def test_the_awaits_are_as_many_as_is_said() -> None:
    print(f"cancelled at {len(at_each_await())} awaits, asked to stop at {len(at_each(What.CALL))} requests")  # noqa: T201
    assert len(at_each_await()) > 300
    assert len(at_each(What.CALL)) > 30
