"""Waiting for a signal or for a time, whichever comes first."""

import asyncio
from collections.abc import Coroutine

from olaf_async.core.rules import NEVER_NS
from olaf_async.ports.clock import Clock


class Signal(asyncio.Event):
    """An event that the clock sets too, for a task that waits again and again for news or for a time.

    The alarm goes on from wait to wait, for what is waited for is mostly the same time again: pump and poller
    wait after every event. One that is too early by now rings all the same, and the task looks again.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_ns = NEVER_NS

    async def wait_until(self, due_ns: int) -> None:
        """Return once it is set; the clock sets it at ``due_ns`` at the latest.

        Raises what the clock raises. Yields: unless it is set.
        """
        if self.is_set():
            return
        if due_ns < self._alarm_ns:
            self.stop_alarm()
            self._alarm_ns, self._alarm = due_ns, asyncio.ensure_future(self._ring(due_ns))
        await self.wait()
        if self._alarm is not None and self._alarm.done():
            self._alarm.result()

    def stop_alarm(self) -> None:
        """Nobody waits any more. Yields: never."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm, self._alarm_ns = None, NEVER_NS

    async def _ring(self, due_ns: int) -> None:
        try:
            await self._clock.sleep_until_ns(due_ns)
        except Exception:
            self._has_rung()  # a clock that fails must not be waited for
            raise
        self._has_rung()

    def _has_rung(self) -> None:
        self._alarm_ns = NEVER_NS
        self.set()


async def first_of(*coroutines: Coroutine[object, object, object]) -> None:
    """Run all until one ends, then cancel the rest and wait for them to be gone; raise what the first raised.

    Yields: always.
    """
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def is_cancelled_within() -> bool:
    """Whether a CancelledError that the running task has caught is none of its own.

    Something that it waited for was cancelled by others, inside a client library say. Nobody wants the task
    itself to end then: to it that is a failure like any other.
    """
    task = asyncio.current_task()
    return task is not None and not task.cancelling()
