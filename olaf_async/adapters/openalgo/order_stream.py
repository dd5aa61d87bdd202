"""The account's pushed order updates as news, from a line of their own.

Owns which frames are passed on: those of our exchange and product, and of the mode the run began in. They are
hints, early ones: the server numbers, stamps and repeats nothing, and loses some. So each hole that can be
noticed is told as a stream that went down and came up, upon which the books are read.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from olaf_async.adapters.openalgo.connection import Dialer, KeyRefused, Line, LineLost
from olaf_async.adapters.openalgo.feed import Tell
from olaf_async.adapters.openalgo.numbers import WireError
from olaf_async.adapters.openalgo.wire.frames import SUBSCRIBE_ORDERS, ErrorFrame, OrderFrame, OrdersAck
from olaf_async.adapters.openalgo.wire.rows import Scope
from olaf_async.domain.events import Mode, ModeSeen, OrderUpdated, StreamChanged
from olaf_async.domain.intents import Say, Severity
from olaf_async.ports.broker import AccountNews
from olaf_async.ports.clock import Clock

NS_PER_S: Final = 1_000_000_000
ACK_WITHIN_NS: Final = 20 * NS_PER_S
"""How long the subscription may go unanswered: twice the ten seconds for which the server may freeze."""
HOLE_EVERY_NS: Final = NS_PER_S
"""Holes are not told more often: to read the books is dear, and the next read serves for all of them."""
_NEVER_NS: Final = 2**63 - 1


@dataclass(slots=True)
class OrderCounts:
    """What has come since the start."""

    lines: int = 0
    updates: int = 0
    of_others: int = 0
    of_other_mode: int = 0
    unreadable: int = 0


class OrderStream:
    """Where the broker has its pushed news from; one listener at a time.

    ``mode`` is what the server was in at the start. ``tell`` hears ``orders_up`` and ``orders_down``.
    """

    def __init__(self, dialer: Dialer, scope: Scope, mode: Mode, clock: Clock, tell: Tell) -> None:
        self._dialer = dialer
        self._scope = scope
        self._mode = mode
        self._clock = clock
        self._tell = tell
        self._seen: Mode | None = None
        self._hole_ns = 0
        self._is_up = False
        self.counts = OrderCounts()

    async def news(self) -> AsyncGenerator[AccountNews, None]:
        """What is pushed, without end; reconnects by itself and says so. Close it to stop. Yields: always.

        It begins by saying that it is down, and says that it is up once the server has agreed to send.
        """
        told = ""
        self._seen = None
        yield self._change(is_up=False)
        while True:
            try:
                async with self._dialer.line() as line, aclosing(self._follow(line)) as news:
                    self.counts.lines += 1
                    async for event in news:
                        told = ""
                        yield event
            except LineLost as lost:
                if str(lost) != told:
                    told = str(lost)
                    severity = Severity.ALARM if isinstance(lost, KeyRefused) else Severity.WARNING
                    self._tell(Say(None, severity, "orders_down", f"the order stream is down: {lost}"))
            if self._is_up:
                yield self._change(is_up=False)

    async def _follow(self, line: Line) -> AsyncGenerator[AccountNews, None]:
        due_ns = self._clock.now_ns() + ACK_WITHIN_NS
        await line.send(SUBSCRIBE_ORDERS)
        while True:
            try:
                frame = await line.receive(_NEVER_NS if self._is_up else due_ns)
                if isinstance(frame, OrderFrame):
                    for event in self._updated(frame):
                        yield event
            except WireError:
                self.counts.unreadable += 1
                for change in self._hole():
                    yield change
                continue
            if isinstance(frame, OrdersAck) and not self._is_up:
                self._tell(Say(None, Severity.NOTE, "orders_up", "the order stream is connected"))
                yield self._change(is_up=True)
            elif isinstance(frame, ErrorFrame):
                raise LineLost(f"no order updates: {frame.code} {frame.message}")
            if not self._is_up and self._clock.now_ns() >= due_ns:
                raise LineLost(f"no answer to the subscription in {ACK_WITHIN_NS // NS_PER_S} s")

    def _updated(self, frame: OrderFrame) -> list[AccountNews]:
        """What a frame is news of.

        Raises:
            WireError: it may be of ours: its product has a name that nobody knows.
        """
        is_our_mode = frame.mode is self._mode
        is_ours = is_our_mode and self._scope.holds({"exchange": frame.exchange, "product": frame.product})
        now_ns = self._clock.now_ns()
        news: list[AccountNews] = []
        if frame.mode is not self._seen:
            self._seen = frame.mode
            news.append(ModeSeen(now_ns, frame.mode))
        if is_ours:
            self.counts.updates += 1
            news.append(OrderUpdated(now_ns, frame.row))
        elif is_our_mode:
            self.counts.of_others += 1
        else:
            self.counts.of_other_mode += 1
        return news

    def _hole(self) -> tuple[StreamChanged, ...]:
        """What could not be read may have been about an order of ours."""
        now_ns = self._clock.now_ns()
        if not self._is_up or now_ns < self._hole_ns:
            return ()
        self._hole_ns = now_ns + HOLE_EVERY_NS
        return self._change(is_up=False), self._change(is_up=True)

    def _change(self, *, is_up: bool) -> StreamChanged:
        self._is_up = is_up
        return StreamChanged(self._clock.now_ns(), is_up)
