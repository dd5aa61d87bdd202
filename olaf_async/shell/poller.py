"""The poller: reads the books when the core says they are due, one read at a time.

It never takes a lock and never places anything: what it finds goes to the core as an event, stamped with
the sequence number at which it was asked for, and the core decides what that proves.
"""

import asyncio
from collections.abc import Callable

from olaf_async.core.engine import Engine
from olaf_async.domain.events import BooksFailed, BooksRead, Event
from olaf_async.errors import BrokerError
from olaf_async.ports.broker import Broker
from olaf_async.ports.clock import Clock
from olaf_async.shell.waiting import wait_for_signal_or_time


class Poller:
    """Keeps the core's view of the books as fresh as it asks for."""

    def __init__(self, engine: Engine, broker: Broker, clock: Clock, report: Callable[[Event], None]) -> None:
        self._engine = engine
        self._broker = broker
        self._clock = clock
        self._report = report
        self._signal = asyncio.Event()
        self._reading = asyncio.Lock()
        self._handled: asyncio.Future[None] | None = None

    def kick(self) -> None:
        """The core's wishes may have changed. Yields: never."""
        self._signal.set()

    @property
    def is_idle(self) -> bool:
        """No read is out and none is due now."""
        now_ns = self._clock.now_ns()
        return not self._reading.locked() and self._engine.books_due_ns(now_ns) > now_ns

    async def run(self) -> None:
        """Read whenever a read is due, until cancelled. Yields: always."""
        while True:
            self._signal.clear()
            now_ns = self._clock.now_ns()
            due_ns = self._engine.books_due_ns(now_ns)
            if due_ns <= now_ns and not self._reading.locked():
                await self.read()
            else:
                await wait_for_signal_or_time(self._signal, self._clock, due_ns)

    async def read(self) -> None:
        """Read the books now and return once the core has taken the result in. Yields: always."""
        async with self._reading:
            asked_ns, asked_seq = self._clock.now_ns(), self._engine.seq
            self._handled = asyncio.get_running_loop().create_future()
            try:
                books = await self._broker.books()
            except BrokerError as error:
                self._report(BooksFailed(self._clock.now_ns(), asked_seq, str(error)))
            else:
                event = BooksRead(
                    self._clock.now_ns(), asked_ns, asked_seq, books.orders, books.trades, books.positions
                )
                self._report(event)
            await self._handled

    def handled(self) -> None:
        """The core has taken in a read of the books, or its failure. Yields: never."""
        if self._handled is not None and not self._handled.done():
            self._handled.set_result(None)
        self.kick()
