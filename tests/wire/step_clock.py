"""A clock that a test moves on: real sockets, and a day that takes no longer than the work in it."""

import asyncio
import heapq
from itertools import count


class StepClock:
    """Stands still until it is moved; then whoever slept until then wakes, the earliest first."""

    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def now_ns(self) -> int:
        """See Clock."""
        return self._now_ns

    async def sleep_until_ns(self, when_ns: int) -> None:
        """See Clock."""
        if when_ns <= self._now_ns:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (when_ns, next(self._numbers), woken))
        await woken

    @property
    def next_ns(self) -> int | None:
        """When the first sleeper wants to be woken."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)  # whoever slept has been cancelled
        return self._sleepers[0][0] if self._sleepers else None

    def move_to(self, when_ns: int) -> None:
        """Let it be this time, and wake all who waited for it."""
        assert when_ns >= self._now_ns, "a clock does not step back"
        self._now_ns = when_ns
        while (next_ns := self.next_ns) is not None and next_ns <= when_ns:
            heapq.heappop(self._sleepers)[2].set_result(None)
