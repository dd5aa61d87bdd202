"""Two clocks for the `Clock` port: the machine's, and that of a loop on virtual time.

Owns how wall time is anchored. Must never read the wall clock for `now_ns` after the start: steps of it are
reported as skew, not followed.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

NS_PER_S = 1_000_000_000
_NAP_MAX_NS = NS_PER_S


def boot_time_ns() -> int:
    """Nanoseconds on a clock that nobody sets; on Linux it counts on while the machine is suspended."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return time.monotonic_ns()


class SystemClock:
    """Wall time at the making of this object, carried on by the boot-time clock."""

    def __init__(
        self,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        boot_ns: Callable[[], int] = boot_time_ns,
        sleep_s: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._wall_ns = wall_ns
        self._boot_ns = boot_ns
        self._sleep_s = sleep_s
        self._offset_ns = wall_ns() - boot_ns()

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, as if the wall clock had never been set since the start."""
        return self._offset_ns + self._boot_ns()

    def wall_skew_ns(self) -> int:
        """How far the wall clock has been moved since the start; positive where it is ahead of `now_ns`."""
        return self._wall_ns() - self.now_ns()

    async def sleep_until_ns(self, when_ns: int) -> None:
        """Return once `now_ns` reaches ``when_ns``; up to a second late after a suspend. Yields: always."""
        while True:
            # The event loop's own timer stands still while the machine is suspended; short naps notice.
            await self._sleep_s(min(max(when_ns - self.now_ns(), 0), _NAP_MAX_NS) / NS_PER_S)
            if self.now_ns() >= when_ns:
                return


class VirtualLoop(Protocol):
    """What `LoopClock` needs of a loop on virtual time; `olaf_async.sim.loop.SimLoop` is one."""

    @property
    def now_ns(self) -> int:
        """Virtual time in nanoseconds since the epoch."""
        ...

    def create_future(self) -> asyncio.Future[Any]:
        """A future of that loop."""
        ...

    def call_at_ns(
        self, when_ns: int, callback: Callable[[asyncio.Future[Any]], object], future: asyncio.Future[Any]
    ) -> asyncio.TimerHandle:
        """Run ``callback(future)`` at exactly ``when_ns``."""
        ...


class LoopClock:
    """The virtual time of a loop that was started at a time since the epoch."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now_ns(self) -> int:
        """Virtual nanoseconds since the epoch."""
        return self._loop.now_ns

    async def sleep_until_ns(self, when_ns: int) -> None:
        """Return at exactly ``when_ns``, or at once where that is past. Yields: always."""
        if when_ns <= self._loop.now_ns:
            await asyncio.sleep(0)
            return
        reached = self._loop.create_future()
        timer = self._loop.call_at_ns(when_ns, _reach, reached)
        try:
            await reached
        finally:
            timer.cancel()


def _reach(future: asyncio.Future[None]) -> None:
    if not future.done():  # a sleeper may be cancelled in the instant its timer fires
        future.set_result(None)
