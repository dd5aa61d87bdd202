"""An asyncio event loop on virtual time: same program, same order, same clock, on every run.

Owns the order of callbacks and the passing of time. Must never read a real clock, wait, or take anything
from chance; what would leave the simulation is refused by `sealed`.

L1. Callbacks run in the order and in the rounds of stock asyncio: what is ready when a round starts, then
    the timers that came due, by (time, order of creation). Only ``pick`` may choose otherwise.
L2. Time is an integer of nanoseconds. It moves only when nothing is ready, and then to the next timer.
L3. Waiting for nothing (`Deadlock`) and running on one instant (`Livelock`) raise, naming who waits where.
L4. No exception is lost: what nobody retrieved is kept for `SimLoop.take_unhandled`, and raised by `run`.

Beyond its control: the order of sets that hold coroutines, plain futures or text (``asyncio.as_completed``
puts bare coroutines into one: give it tasks), the moment cyclic garbage is collected, and code that asks the
machine for time, chance or threads without going through the loop.
"""

import asyncio
import heapq
import itertools
import math
import sys
import threading
import traceback
import weakref
from asyncio import _get_running_loop, _set_running_loop  # meant for those who write a loop
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Sequence
from contextvars import Context
from typing import Any, TypeAlias, TypeVar, TypeVarTuple, cast

from olaf_async.sim.sealed import EscapedSimulation, SealedLoop, SimulationError, log_unhandled
from olaf_async.sim.sites import await_site

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
Coro: TypeAlias = Coroutine[Any, Any, _T] | Generator[Any, None, _T]

Pick: TypeAlias = Callable[[Sequence[asyncio.Handle]], int]
"""Chooses the next of two or more ready callbacks, by index."""

NS_PER_S = 1_000_000_000
STEPS_MAX_WITHOUT_TIME = 100_000
_CANCEL_ROUNDS_MAX = 10
_SWEEP_MIN = 64


class Deadlock(SimulationError):
    """Nothing is ready, no timer is set, and the loop was not asked to stop."""


class Livelock(SimulationError):
    """Callbacks keep making callbacks and time stands still."""


class UnhandledInSimulation(SimulationError, ExceptionGroup[Exception]):
    """Errors that no coroutine retrieved, though the main one succeeded."""


def fifo(_ready: Sequence[asyncio.Handle]) -> int:
    """Stock asyncio's choice: the oldest."""
    return 0


class SimTask(asyncio.Task[_T]):
    """A task that hashes by birth: asyncio cancels the tasks of a group in the order of a set.

    ``owner`` is for loops that tell whose it is.
    """

    owner: object = None

    def __init__(
        self, coro: Coro[_T], birth: int, *, loop: "SimLoop", name: str, context: Context | None
    ) -> None:
        self._birth = birth
        super().__init__(cast("Coroutine[Any, Any, _T]", coro), loop=loop, name=name, context=context)

    def __hash__(self) -> int:
        return self._birth


class SimLoop(SealedLoop):
    """One thread, one queue, one virtual clock.

    `time` counts seconds from the making of the loop, not from the epoch, so that a float still tells single
    nanoseconds apart after weeks; `now_ns` counts from whatever ``start_ns`` means.
    """

    def __init__(
        self, *, start_ns: int = 0, pick: Pick = fifo, steps_max: int = STEPS_MAX_WITHOUT_TIME
    ) -> None:
        super().__init__()
        self._start_ns = start_ns
        self.now_ns = start_ns
        """Virtual time in nanoseconds; the loop alone moves it."""
        self._pick = pick
        self._steps_max = steps_max
        self._steps = 0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[int, int, asyncio.TimerHandle]] = []
        self._timer_cancels = 0
        self._tasks: dict[int, SimTask[Any]] = {}
        self._sweep_at = _SWEEP_MIN
        self._births = itertools.count(1)
        self._numbers = itertools.count()
        self._asyncgens: weakref.WeakValueDictionary[int, AsyncGenerator[Any, Any]]
        self._asyncgens = weakref.WeakValueDictionary()
        self._thread_id = threading.get_ident()
        self._running = self._stopping = False
        self._main: asyncio.Future[Any] | None = None

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return (self.now_ns - self._start_ns) / NS_PER_S

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run ``callback`` in the next round."""
        if self._closed:
            self._check_open()
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """`call_soon`, for the loop's own thread only (signal handlers come this way).

        Raises:
            EscapedSimulation: called from another thread, whose timing nobody controls.
        """
        if threading.get_ident() != self._thread_id:
            raise EscapedSimulation("loop.call_soon_threadsafe() was called from another thread")
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run ``callback`` ``delay`` seconds from now."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run ``callback`` at ``when`` on the scale of `time`, to the nanosecond; infinity is never."""
        if when == math.inf:
            self._check_open()
            return asyncio.TimerHandle(when, callback, args, self, context)
        when_ns = self._start_ns + round(when * NS_PER_S)
        if when > self.time():
            # The shortest wait moves time, or a loop that waits out a rest of 1e-12 s would never end.
            when_ns = max(when_ns, self.now_ns + 1)
        return self.call_at_ns(when_ns, callback, *args, context=context)

    def call_at_ns(
        self, when_ns: int, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run ``callback`` at exactly ``when_ns`` on the scale of `now_ns`; past times are due at once."""
        if self._closed:
            self._check_open()
        handle = asyncio.TimerHandle((when_ns - self._start_ns) / NS_PER_S, callback, args, self, context)
        heapq.heappush(self._timers, (when_ns, next(self._numbers), handle))
        return handle

    def _timer_handle_cancelled(self, _handle: asyncio.TimerHandle) -> None:
        # asyncio also cancels timers that have run, so this counts too many: it bounds memory, nothing else.
        self._timer_cancels += 1
        if self._timer_cancels > max(_SWEEP_MIN, len(self._timers) // 2):
            self._timer_cancels = 0
            self._timers[:] = [timer for timer in self._timers if not timer[2].cancelled()]
            heapq.heapify(self._timers)

    def run_forever(self) -> None:
        """Run rounds until `stop`.

        Raises:
            Deadlock, Livelock: L3.
        """
        self._check_open()
        _check_alone()
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=self._asyncgen_began, finalizer=self._asyncgen_dropped)
        _set_running_loop(self)
        self._running = True
        self._steps = 0
        try:
            while True:
                self._run_round()
                if self._stopping:
                    break
        finally:
            self._running = self._stopping = False
            _set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)

    def run_until_complete(self, future: Generator[Any, None, _T] | Awaitable[_T]) -> _T:
        """Run until ``future`` is done and give its result.

        Raises:
            Deadlock, Livelock: L3.
        """
        self._check_open()
        _check_alone()
        main = asyncio.ensure_future(cast("Awaitable[_T]", future), loop=self)
        main.add_done_callback(self._main_done)
        self._main = main
        try:
            self.run_forever()
        finally:
            self._main = None
            main.remove_done_callback(self._main_done)
        if not main.done():
            raise RuntimeError("the loop was stopped before its main task was done")
        return main.result()

    def _main_done(self, main: asyncio.Future[Any]) -> None:
        if main is self._main:  # it may be of an earlier run, one that an exception cut short
            self.stop()

    def _run_round(self) -> None:
        ready, timers = self._ready, self._timers
        if not ready or (timers and timers[0][0] <= self.now_ns):
            self._collect_due_timers()
        steps = len(ready)
        if self._steps >= self._steps_max:
            raise Livelock(self._report(f"{self._steps_max} steps and time stands still"))
        self._steps += steps
        for _ in range(steps):
            if len(ready) > 1 and (index := self._pick(ready)):
                handle = ready[index]
                del ready[index]
            else:
                handle = ready.popleft()
            if not handle._cancelled:  # noqa: SLF001 -- asked once a step
                self._run_handle(handle)

    def _run_handle(self, handle: asyncio.Handle) -> None:
        handle._run()  # noqa: SLF001 - a loop is who runs them

    def _collect_due_timers(self) -> None:
        timers, ready = self._timers, self._ready
        if not ready and not self._stopping:
            while timers and timers[0][2]._cancelled:  # noqa: SLF001 -- asked once a round
                heapq.heappop(timers)
            if not timers:
                raise Deadlock(self._report("nothing is ready and no timer is set"))
            if timers[0][0] > self.now_ns:
                self.now_ns = timers[0][0]
                self._steps = 0
        while timers and timers[0][0] <= self.now_ns:
            ready.append(heapq.heappop(timers)[2])

    def _report(self, what: str) -> str:
        waiting = [f"  {task.get_name()}: {await_site(task)}" for task in self.pending_tasks()]
        return "\n".join([f"{what} at {self.now_ns} ns; waiting:", *(waiting or ["  no task at all"])])

    def stop(self) -> None:
        """End `run_forever` after the round in progress."""
        self._stopping = True

    def is_running(self) -> bool:
        """Whether the loop is inside `run_forever`."""
        return self._running

    def close(self) -> None:
        """Forget what is scheduled. Errors that nobody took are logged, as stock asyncio does."""
        if self._running:
            raise RuntimeError("a running loop cannot be closed")
        if self._closed:
            return
        for error in self.take_unhandled():
            log_unhandled(repr(error), error)
        self._closed = True
        self._ready.clear()
        self._timers.clear()
        self._tasks.clear()

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Coro[_T],
        *,
        name: str | None = None,
        context: Context | None = None,
        eager_start: bool | None = None,
    ) -> SimTask[_T]:
        """Schedule ``coro``; unnamed tasks are numbered by the loop, so that names repeat from run to run.

        Tasks are held until done: a forgotten one shows up as waiting instead of vanishing with the garbage.

        Raises:
            EscapedSimulation: ``eager_start``, which would run it outside the order of the loop.
        """
        self._check_open()
        if eager_start:
            coro.close()
            raise EscapedSimulation("create_task(eager_start=True) would run outside the order of the loop")
        birth = next(self._births)
        task = SimTask(coro, birth, loop=self, name=name or f"Task-{birth}", context=context)
        if len(self._tasks) >= self._sweep_at:
            self._sweep_tasks()
        self._tasks[birth] = task
        return task

    def _sweep_tasks(self) -> None:
        # A task that failed stays until somebody asks for its error; this is asyncio's own mark of that.
        kept = {b: t for b, t in self._tasks.items() if not t.done() or t._log_traceback}  # noqa: SLF001
        self._tasks = kept
        self._sweep_at = 2 * len(self._tasks) + _SWEEP_MIN

    def pending_tasks(self) -> list[asyncio.Task[Any]]:
        """Tasks that are not done, oldest first."""
        return [task for task in self._tasks.values() if not task.done()]

    def wind_down(self) -> list[Exception]:
        """Cancel what is left, let it end in virtual time, and give every error that nobody retrieved."""
        try:
            for _ in range(_CANCEL_ROUNDS_MAX):
                tasks = self.pending_tasks()
                if not tasks:
                    break
                for task in tasks:
                    task.cancel()
                self.run_until_complete(self.create_task(asyncio.wait(tasks), name="wind down"))
            else:
                self._unhandled.append(SimulationError(self._report("tasks outlive their cancellation")))
            self.run_until_complete(self.shutdown_asyncgens())
        except (Deadlock, Livelock) as stuck:
            self._unhandled.append(stuck)
        return self.take_unhandled()

    def _asyncgen_began(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._asyncgens[next(self._numbers)] = generator

    def _asyncgen_dropped(self, generator: AsyncGenerator[Any, Any]) -> None:
        if not self._closed:
            self.call_soon(self.create_task, _finish(generator))

    async def shutdown_asyncgens(self) -> None:
        """Close the async generators that were begun and not ended, oldest first."""
        generators = list(self._asyncgens.values())
        self._asyncgens.clear()
        ended = await asyncio.gather(*map(_finish, generators), return_exceptions=True)
        self._unhandled += [error for error in ended if isinstance(error, Exception)]

    def take_unhandled(self) -> list[Exception]:
        """Hand over, once, the errors nobody retrieved: of callbacks as they came, then of ended tasks."""
        self._sweep_tasks()
        for task in self._tasks.values():
            if task.done():
                message = f"raised in {task.get_name()}, which nobody awaited"
                self.default_exception_handler({"message": message, "exception": task.exception()})
        taken, self._unhandled = self._unhandled, []
        return taken


async def _finish(generator: AsyncGenerator[Any, Any]) -> None:
    await generator.aclose()


def _check_alone() -> None:
    if _get_running_loop() is not None:
        raise RuntimeError("a loop runs in this thread already; give the simulation a thread of its own")


def run(
    main: Coroutine[Any, Any, _T],
    *,
    start_ns: int = 0,
    pick: Pick = fifo,
    new_loop: "type[SimLoop]" = SimLoop,
) -> _T:
    """Run ``main`` on a new loop, cancel what it leaves behind, close the loop, and give its result.

    Whatever ``main`` raises is raised, with the errors that nobody retrieved as notes on it.

    Raises:
        UnhandledInSimulation: ``main`` succeeded, but a task or callback failed and nobody looked.
        Deadlock, Livelock: L3.
        RuntimeError: called inside a running loop (in a notebook: ``await asyncio.to_thread(run, main)``).
    """
    try:
        _check_alone()
    except RuntimeError:
        main.close()
        raise
    loop = new_loop(start_ns=start_ns, pick=pick)
    try:
        result = loop.run_until_complete(main)
    except BaseException as error:
        for other in loop.wind_down():
            if error not in (other, other.__cause__):
                error.add_note("also unhandled: " + "".join(traceback.format_exception(other)))
        raise
    else:
        if unhandled := loop.wind_down():
            raise UnhandledInSimulation("errors that nobody retrieved", unhandled)
        return result
    finally:
        loop.close()
