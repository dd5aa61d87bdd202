"""The poller: reads the books when the core says they are due, one read at a time.

It never takes a symbol's lock and never places anything: what it finds goes to the core as an event, stamped
with the sequence number at which it was asked for, and the core decides what that proves. A read that fails,
hangs or crashes is told as failed; nothing that a broker does may end the reading.
"""

import asyncio
from collections.abc import Callable

from olaf_async.core.engine import Engine
from olaf_async.core.rules import NEVER_NS, SECOND_NS
from olaf_async.domain.events import BooksFailed, BooksRead, Event
from olaf_async.errors import BrokerError
from olaf_async.ports.broker import Broker
from olaf_async.ports.clock import Clock
from olaf_async.shell.waiting import Signal, is_cancelled_within


class Poller:
    """Keeps the core's view of the books as fresh as it asks for."""

    def __init__(
        self,
        engine: Engine,
        broker: Broker,
        clock: Clock,
        report: Callable[[Event], None],
        *,
        timeout_ns: int,
        on_crash: Callable[[str, BaseException], None],
    ) -> None:
        self._engine = engine
        self._broker = broker
        self._clock = clock
        self._report = report
        self._timeout_ns = timeout_ns
        self._on_crash = on_crash
        self._signal = Signal(clock)
        self._reading = asyncio.Lock()
        self._handled: asyncio.Future[None] | None = None
        self._read_seq = -1
        self._due_ns = NEVER_NS

    def kick(self) -> None:
        """The core's wishes may have changed: wake, if a read is due earlier by now. Yields: never."""
        if self._engine.books_due_ns(self._clock.now_ns()) < self._due_ns:
            self._signal.set()

    @property
    def is_idle(self) -> bool:
        """No read is out and none is due now."""
        now_ns = self._clock.now_ns()
        return not self._reading.locked() and self._engine.books_due_ns(now_ns) > now_ns

    async def run(self) -> None:
        """Read whenever a read is due, until cancelled. Yields: always."""
        try:
            while True:
                self._signal.clear()
                now_ns = self._clock.now_ns()
                self._due_ns = self._engine.books_due_ns(now_ns)
                if self._due_ns <= now_ns:
                    await self.read()
                else:
                    await self._signal.wait_until(self._due_ns)
        finally:
            self._signal.stop_alarm()

    async def read(self) -> None:
        """See the books read as of now or later, and the core told, whether that succeeds or not.

        A read that somebody else asked for after this call serves as well. Yields: always.
        """
        wanted_seq = self._engine.seq
        async with self._reading:
            if self._read_seq < wanted_seq:
                await self._read()

    async def _read(self) -> None:
        asked_seq = self._engine.seq
        self._handled = asyncio.get_running_loop().create_future()
        self._report(await self._ask(asked_seq))
        await self._handled
        self._read_seq = asked_seq

    async def _ask(self, asked_seq: int) -> BooksRead | BooksFailed:
        asked_ns = self._clock.now_ns()
        try:
            async with asyncio.timeout(self._timeout_ns / SECOND_NS):
                books = await self._broker.books()
        except BrokerError as error:
            why = str(error)
        except TimeoutError:
            why = f"no answer in {self._timeout_ns / SECOND_NS:g} s"
        except asyncio.CancelledError as error:
            if not is_cancelled_within():
                raise
            why = "the read was cancelled within"
            self._on_crash("a read of the books", error)
        except Exception as error:  # noqa: BLE001 -- without reads no question would ever be settled again
            why = repr(error)
            self._on_crash("a read of the books", error)
        else:
            now_ns = self._clock.now_ns()
            return BooksRead(now_ns, asked_ns, asked_seq, books.orders, books.trades, books.positions)
        return BooksFailed(self._clock.now_ns(), asked_seq, why)

    def handled(self) -> None:
        """The core has taken in a read of the books, or its failure. Yields: never."""
        if self._handled is not None and not self._handled.done():
            self._handled.set_result(None)
