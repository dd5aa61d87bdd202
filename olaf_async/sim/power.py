"""The power cut: a machine whose tasks never run again, and a disk that keeps what a disk keeps.

Owns whose callback is whose, and what of a journal outlives its writer. A cut is not an ending: nothing is
cancelled, no ``finally`` runs, what was waiting waits for ever. The world goes on: other machines, the
broker, and whatever was handed to it with `on_the_wire`.

W1  Everything that a machine's own code starts belongs to it, by the context that asyncio hands on.
W2  Of a machine without power no callback is run. A step that is cut in its middle runs to its end, and what
    it does is unseen: nothing it schedules runs, nothing it sends leaves, nothing it writes is kept.
W3  Coroutines of a cut machine are held until the loop closes, so that no finaliser runs code of theirs while
    the world goes on; they are closed then, in the dark.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, TypeVar
from weakref import WeakSet

from olaf_async.adapters.journal.sqlite import DURABLE, RETRY_NS, must_outlive_a_power_cut
from olaf_async.errors import JournalError, OlafError
from olaf_async.ports.journal import Entry, Record
from olaf_async.sim.loop import Coro, Pick, SimLoop, SimTask, fifo

_T = TypeVar("_T")

_OWNER: ContextVar["Machine | None"] = ContextVar("machine", default=None)
_CLOSINGS_MAX: Final = 100
"""Awaits that a coroutine may still begin while it is being closed; one that begins more is left as it is."""


class PowerLoop(SimLoop):
    """A simulated loop that machines run on.

    ``on_callback`` is called before each callback, the world's too: so before and after each await there is.
    """

    def __init__(self, *, start_ns: int = 0, pick: Pick = fifo) -> None:
        super().__init__(start_ns=start_ns, pick=pick)
        self.on_callback: Callable[[], None] | None = None
        self.world = copy_context()
        self.world.run(_OWNER.set, None)
        self._machines: list[Machine] = []

    def create_task(
        self,
        coro: Coro[_T],
        *,
        name: str | None = None,
        context: Context | None = None,
        eager_start: bool | None = None,
    ) -> SimTask[_T]:
        """See SimLoop."""
        task = super().create_task(coro, name=name, context=context, eager_start=eager_start)
        if (machine := _owner(context)) is not None:
            task.owner = machine
            if not machine.is_on:
                machine.hold()
        return task

    def _run_handle(self, handle: asyncio.Handle) -> None:
        machine: Machine | None = handle._context.get(_OWNER)  # type: ignore[attr-defined] # noqa: SLF001
        if machine is not None and not machine.is_on:
            return
        if self.on_callback is not None:
            self.on_callback()
            if machine is not None and not machine.is_on:
                return
        handle._run()  # noqa: SLF001 - a loop is who runs them

    def _asyncgen_began(self, generator: AsyncGenerator[Any, Any]) -> None:
        super()._asyncgen_began(generator)
        if (machine := _owner(None)) is not None:
            machine.generators.add(generator)

    async def shutdown_asyncgens(self) -> None:
        """See SimLoop; those of a machine without power stay as they are."""
        dead = {id(one) for machine in self._machines if not machine.is_on for one in machine.generators}
        for number, generator in list(self._asyncgens.items()):
            if id(generator) in dead:
                del self._asyncgens[number]
        await super().shutdown_asyncgens()

    def close(self) -> None:
        """See SimLoop."""
        for machine in self._machines:
            machine.bury()
        super().close()
        self._machines.clear()

    def _switched_on(self, machine: "Machine") -> None:
        self._machines.append(machine)

    def _switched_off(self, machine: "Machine") -> list[asyncio.Task[Any]]:
        """Give up its tasks that are not done."""
        held = {
            birth: task for birth, task in self._tasks.items() if task.owner is machine and not task.done()
        }
        for birth in held:
            del self._tasks[birth]
        return list(held.values())


class Machine:
    """A computer with a switch. It is on until `cut`, and never again: a restart is another machine."""

    def __init__(self, loop: PowerLoop) -> None:
        self.is_on = True
        self.generators: WeakSet[AsyncGenerator[Any, Any]] = WeakSet()
        self._loop = loop
        self._kept: list[asyncio.Task[Any]] = []
        self._kept_generators: list[AsyncGenerator[Any, Any]] = []
        loop._switched_on(self)  # noqa: SLF001 -- the two are one thing

    def start(self, coro: Coroutine[Any, Any, _T], name: str) -> asyncio.Task[_T]:
        """Run a program on it."""
        context = self._loop.world.copy()
        context.run(_OWNER.set, self)
        return self._loop.create_task(coro, name=name, context=context)

    def cut(self) -> None:
        """Take the power away, also from within one of its own steps."""
        self.is_on = False
        self.hold()

    def hold(self) -> None:
        """Keep all there is of it from moving and from being finalised."""
        self._kept += self._loop._switched_off(self)  # noqa: SLF001 -- as above
        self._kept_generators = list(self.generators)

    def bury(self) -> None:
        """Close what was held, now that nothing will ever run: what still stirs reaches nobody."""
        for task in self._kept:
            task._log_destroy_pending = False  # type: ignore[attr-defined] # noqa: SLF001 -- it was meant to
            _close(task.get_coro())
        for generator in self._kept_generators:
            # The generator itself is ended by the loop's hook, which does nothing once the loop is closed.
            _close(generator.ag_await)  # type: ignore[attr-defined]


def _close(awaited: object) -> None:
    """See a coroutine ended that may want to wait for more on its way out."""
    for _ in range(_CLOSINGS_MAX):
        with suppress(BaseException):
            if isinstance(awaited, Coroutine):
                awaited.close()
            return


def _owner(context: Context | None) -> Machine | None:
    return _OWNER.get() if context is None else context.get(_OWNER)


def is_powerless() -> bool:
    """Whether the code that asks runs on a machine without power: what it does, nobody may see."""
    machine = _OWNER.get()
    return machine is not None and not machine.is_on


async def on_the_wire(request: Coroutine[Any, Any, _T]) -> _T:
    """Hand a request to the world: it goes on there whatever becomes of the one who waits for its answer.

    Yields: always. Raises what the request raises.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, PowerLoop), "requests outlive machines on their own loop only"
    if is_powerless():
        request.close()
        await loop.create_future()
    sent = loop.create_task(_answer(request), name="on the wire", context=loop.world.copy())
    answer = await asyncio.shield(sent)
    if isinstance(answer, _Refusal):
        raise answer.error
    return answer


@dataclass(frozen=True, slots=True)
class _Refusal:
    error: OlafError


async def _answer(request: Coroutine[Any, Any, _T]) -> _T | _Refusal:
    """The answer, or the refusal as one: that nobody is left to hear it is no error of the simulation's."""
    try:
        return await request
    except OlafError as error:
        return _Refusal(error)


class Disk:
    """A journal as SQLite keeps it: what is written together is kept together, or not at all.

    A process that dies takes with it what it had not written. A power cut may also take the newest
    ``unsynced`` writes, any number of them counted from the end: ``durable`` entries are waited for, and
    so is what a power cut must not take. ``on_write`` is called after each write.

    While it ``is_full`` nothing is written; all of it is kept and tried again with the next, as often as the
    journal on a real disk does.
    """

    def __init__(
        self,
        kept: Iterable[Record] = (),
        durable: AbstractSet[Entry] = DURABLE,
        is_full: Callable[[], bool] = lambda: False,
    ) -> None:
        self._writes: list[tuple[Record, ...]] = [(record,) for record in kept]
        self._synced = len(self._writes)
        self._pending: list[Record] = []
        self._durable = durable
        self._seq = self._synced
        self._is_urgent = False
        self._is_full = is_full
        self._failed_ns: int | None = None
        self.on_write: Callable[[], None] | None = None

    @property
    def unsynced(self) -> int:
        """How many of the newest writes a power cut may take."""
        return len(self._writes) - self._synced

    def records(self, lost: int = 0) -> list[Record]:
        """What can be read when the newest ``lost`` writes are gone."""
        assert 0 <= lost <= self.unsynced, "what was waited for is never lost"
        return list(chain.from_iterable(self._writes[: len(self._writes) - lost]))

    @property
    def unwritten(self) -> list[Record]:
        """What ends with the process."""
        return self._pending

    def append(self, entry: Entry, at_ns: int, body: object, fingerprint: str | None = None) -> int:
        """See Journal."""
        self._seq += 1
        self._pending.append(Record(self._seq, entry, at_ns, body, fingerprint))
        is_durable = entry in self._durable
        self._is_urgent |= is_durable or must_outlive_a_power_cut(body)
        if is_durable:
            self._write()
        return self._seq

    def flush(self) -> None:
        """See Journal."""
        if not self._pending:
            return
        if self._failed_ns is not None and abs(self._pending[-1].at_ns - self._failed_ns) < RETRY_NS:
            raise JournalError("the disk is full")
        self._write()

    def close(self) -> None:
        """Write what is pending, if that is possible.

        Raises:
            JournalError: it is not.
        """
        if self._pending:
            self._write()

    def _write(self) -> None:
        if self._is_full() and not is_powerless():
            self._failed_ns = self._pending[-1].at_ns
            raise JournalError("the disk is full")
        self._failed_ns = None
        is_synced, self._is_urgent = self._is_urgent, False
        written, self._pending = tuple(self._pending), []
        if is_powerless():
            return
        self._writes.append(written)
        if is_synced:
            self._synced = len(self._writes)
        if self.on_write is not None:
            self.on_write()
