"""Rate limits, kept on our side so that the server need not refuse: it counts per route, we also in sum.

Owns when a call may go. The server counts a moving window for each route and for each client address, and
nothing counts all order calls together but the broker behind it. Must never let an entry go before a cancel,
a stop or an exit that could go as well.
"""

import itertools
from bisect import insort
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from olaf_async.errors import RateLimited
from olaf_async.ports.clock import Clock

SECOND_NS = 1_000_000_000
ROUTE_SPAN_NS: Final = SECOND_NS + SECOND_NS // 10
"""The server counts one second on arrival; two calls may arrive closer together than they were sent."""
ORDERS_MAX: Final = 10
"""Calls a span to each route that writes: the server's default of ten a second."""
_WRITES = 3
"""Routes that write: more than so many times ``ORDERS_MAX`` can never go."""
READS_MAX: Final = 40
"""Calls a span to each route that reads: fifty a second as the server is shipped, ten where its own setting
is missing. Then it refuses some, and those are asked again."""
WRITE_WAIT_NS: Final = SECOND_NS
"""The longest a write waits here: past it the caller had better ask again whether it is still wanted."""


class Urgency(IntEnum):
    """Who goes first where not all can go at once."""

    PROTECTION = 0
    ENTRY = 1


class Window:
    """At most ``limit`` calls in any ``span_ns``."""

    def __init__(self, limit: int, span_ns: int) -> None:
        self._span_ns = span_ns
        self._times: deque[int] = deque([-span_ns] * limit, maxlen=limit)
        self._closed_until_ns = 0

    def free_ns(self) -> int:
        """When the next call may go."""
        return max(self._times[0] + self._span_ns, self._closed_until_ns)

    def take(self, at_ns: int) -> None:
        """Count a call that goes at ``at_ns``, no earlier than `free_ns`."""
        self._times.append(at_ns)

    def close(self, until_ns: int) -> None:
        """Let nothing go until then: the server has refused one."""
        self._closed_until_ns = max(self._closed_until_ns, until_ns)

    def copy(self) -> "Window":
        """The same window, to look ahead with."""
        twin = Window(len(self._times), self._span_ns)
        twin._times.extend(self._times)
        twin._closed_until_ns = self._closed_until_ns
        return twin


@dataclass(frozen=True, slots=True, order=True)
class _Waiting:
    urgency: Urgency
    number: int
    route: str = field(compare=False)


class Limits:
    """The windows of one server. ``orders_per_s`` bounds all writes together."""

    def __init__(self, clock: Clock, orders_per_s: int) -> None:
        self._clock = clock
        self._writes = Window(min(orders_per_s, _WRITES * ORDERS_MAX), SECOND_NS)
        self._routes: dict[str, Window] = {}
        self._waiting: list[_Waiting] = []
        self._numbers = itertools.count()

    async def enter_read(self, route: str) -> None:
        """Return when a read may go, in order of asking. Yields: where it has to wait."""
        window = self._route(route, READS_MAX)
        at_ns = max(window.free_ns(), self._clock.now_ns())
        # The place in the window is taken at once; a reader that is cancelled leaves it unused.
        window.take(at_ns)
        if at_ns > self._clock.now_ns():
            await self._clock.sleep_until_ns(at_ns)

    async def enter_write(self, route: str, urgency: Urgency) -> None:
        """Return when a write may go. Yields: where it has to wait.

        Raises:
            RateLimited: that would be later than `WRITE_WAIT_NS` from now. Nothing has been counted.
        """
        self._route(route, ORDERS_MAX)
        me = _Waiting(urgency, next(self._numbers), route)
        give_up_ns = self._clock.now_ns() + WRITE_WAIT_NS
        insort(self._waiting, me)
        try:
            while (due_ns := self._due_ns(me)) > self._clock.now_ns():
                if due_ns > give_up_ns:
                    later_s = (due_ns - self._clock.now_ns()) / SECOND_NS
                    raise RateLimited(f"{route}: our own limit is used up for {later_s:.1f} s", later_s)
                await self._clock.sleep_until_ns(due_ns)
            self._writes.take(self._clock.now_ns())
            self._routes[route].take(self._clock.now_ns())
        finally:
            self._waiting.remove(me)

    def refused(self, route: str, for_s: float) -> None:
        """The server's own limiter has refused a call to the route."""
        window = self._routes.get(route)
        if window is not None:
            window.close(self._clock.now_ns() + int(for_s * SECOND_NS))

    def _due_ns(self, me: _Waiting) -> int:
        """When this one may go if all ahead of it go as soon as they can; those may still grow in number."""
        writes = self._writes.copy()
        routes: dict[str, Window] = {}
        due_ns = self._clock.now_ns()
        for ahead in self._waiting[: self._waiting.index(me) + 1]:
            window = routes.setdefault(ahead.route, self._routes[ahead.route].copy())
            due_ns = max(writes.free_ns(), window.free_ns(), self._clock.now_ns())
            writes.take(due_ns)
            window.take(due_ns)
        return due_ns

    def _route(self, route: str, limit: int) -> Window:
        return self._routes.setdefault(route, Window(limit, ROUTE_SPAN_NS))
