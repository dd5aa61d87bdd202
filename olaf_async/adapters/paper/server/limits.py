"""How often each route may be called: a moving window per route and caller, as the imitated server has it.

Owns the counts. A refused call counts for nothing, so whoever asks again is let in once the window has moved.
"""

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Final

_NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls in any span of so many seconds."""

    calls: int
    seconds: int = 1

    @property
    def words(self) -> str:
        """What a refused caller is told."""
        span = {1: "second", 60: "minute"}.get(self.seconds)
        return f"{self.calls} per 1 {span}" if span else f"{self.calls} per {self.seconds} second"


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates of OpenAlgo's sample settings; ``order`` is that of place, modify, cancel and smart order."""

    order: Rate = Rate(10)
    read: Rate = Rate(50)
    notify: Rate = Rate(30, 60)


class MovingWindows:
    """Who called what, and when."""

    def __init__(self) -> None:
        self._passed: defaultdict[tuple[str, str], deque[int]] = defaultdict(deque)

    def admits(self, route: str, caller: str, rate: Rate, now_ns: int) -> bool:
        """Whether this call may pass; if so it counts."""
        passed = self._passed[route, caller]
        while passed and passed[0] < now_ns - rate.seconds * _NS_PER_S:
            passed.popleft()
        if len(passed) >= rate.calls:
            return False
        passed.append(now_ns)
        return True
