"""A whole day over real sockets: the live adapters, a proxy that breaks wires, the paper server behind it.

Owns the stage. The clock stands still until everything that was sent has been dealt with, then moves to what
is due next; so a day takes as long as the work in it, and is the same each time. The exchange is the truth
that the engine is held to.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from fractions import Fraction

import numpy as np

from olaf_async.adapters.journal.memory import MemoryJournal
from olaf_async.adapters.openalgo.broker import OpenAlgoBroker
from olaf_async.adapters.openalgo.connection import Dialer
from olaf_async.adapters.openalgo.feed import OpenAlgoFeed
from olaf_async.adapters.openalgo.order_stream import OrderStream
from olaf_async.adapters.openalgo.rest import OpenAlgoRest
from olaf_async.adapters.openalgo.wire import answers, requests
from olaf_async.adapters.openalgo.wire.requests import Access
from olaf_async.adapters.openalgo.wire.rows import Scope
from olaf_async.adapters.paper.account import PaperRules
from olaf_async.adapters.paper.server.desk import PaperDesk
from olaf_async.adapters.paper.server.limits import Rate, Rates
from olaf_async.adapters.paper.server.running import Address, PaperServer, running
from olaf_async.adapters.replay.files import PriceColumns
from olaf_async.adapters.replay.machine import ReplayDay
from olaf_async.core.engine import Plan
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.domain.events import Mode
from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder, Say
from olaf_async.domain.order import Side
from olaf_async.domain.price import Paise
from olaf_async.domain.trade import Trade
from olaf_async.ports.broker import AccountNews, Books, Broker
from olaf_async.shell.supervisor import Outcome, Ports, Supervisor
from tests.journals import stage
from tests.races.world import ENTRY, INFY, OPEN_NS, SHARES, HeardAlarms, plan_of
from tests.wire.proxy import FaultProxy
from tests.wire.step_clock import StepClock

KEY = "a-key-that-must-not-be-seen"
ACCESS = Access(KEY, strategy="olaf")
EXIT_S, CLOSE_S, END_S = 600, 660, 665
TIMEOUT_S = 5
PAPER = PaperRules(exchange_true=True, partial_fills=True, seed=3, square_off_s=None)
RULES = Rules(
    stop_limit_pct=Fraction(2),
    settle_ns=20 * SECOND_NS,
    order_timeout_ns=120 * SECOND_NS,
    stale_feed_ns=300 * SECOND_NS,
    idle_poll_ns=15 * SECOND_NS,
)
ROUNDS_MAX = 400
"""Of looking whether anything still moves; past it something moves without end."""
STUCK_ROUNDS = 12
"""So many rounds without anything new while an answer is out: it waits for time to pass."""

Path = Sequence[tuple[float, Paise]]
"""Seconds after the open, and the price of a print."""

DAY: Path = (
    (5, ENTRY + 2_00),
    (10, ENTRY - 6_00),  # the undercut: a stop entry rests at 1000.00
    (15, ENTRY - 3_00),
    (20, ENTRY),  # it is set off, and fills in parts
    (22, ENTRY + 50),
    (25, ENTRY + 1_00),
    (40, ENTRY + 4_00),
    (55, ENTRY + 6_00),
    (70, ENTRY + 5_00),
    (90, ENTRY + 9_00),
    (110, ENTRY + 12_00),
    (130, ENTRY + 11_00),
    (150, ENTRY + 15_00),
    (175, ENTRY + 16_00),
    (190, ENTRY + 12_00),
    (200, ENTRY + 8_00),  # through the trailed stop
    (202, ENTRY + 7_00),
    (210, ENTRY - 7_00),  # a second undercut
    (230, ENTRY - 2_00),
    (240, ENTRY + 20),
    (243, ENTRY + 40),
    (300, ENTRY + 3_00),
    (400, ENTRY + 4_00),
    (500, ENTRY + 6_00),
    (560, ENTRY + 7_00),  # still held at the deadline
    (620, ENTRY + 6_50),  # after the deadline
)


def plan() -> Plan:
    """Bars of a minute, the deadline before ten of them, the close after eleven."""
    return plan_of(exit_ns=OPEN_NS + EXIT_S * SECOND_NS, close_ns=OPEN_NS + CLOSE_S * SECOND_NS)


class PassingBroker:
    """Passes everything on; what stands before a broker overrides what it spoils."""

    def __init__(self, inner: Broker) -> None:
        self._inner = inner

    async def place(self, intent: PlaceOrder) -> str:
        """See Broker."""
        return await self._inner.place(intent)

    async def modify(self, intent: ModifyOrder) -> None:
        """See Broker."""
        await self._inner.modify(intent)

    async def cancel(self, intent: CancelOrder) -> None:
        """See Broker."""
        await self._inner.cancel(intent)

    async def books(self) -> Books:
        """See Broker."""
        return await self._inner.books()

    async def quote(self, symbol: str) -> Paise | None:
        """See Broker."""
        return await self._inner.quote(symbol)

    def news(self) -> AsyncIterator[AccountNews]:
        """See Broker."""
        return self._inner.news()


class WireDay:
    """One engine, one server, and what lies between them; ``wrap`` puts something before the broker."""

    def __init__(self, wrap: Callable[[Broker], Broker] = lambda broker: broker) -> None:
        self.clock = StepClock(OPEN_NS)
        self.desk = PaperDesk(PAPER, {INFY: 5}, self.clock, api_key=KEY)
        self.alarms = HeardAlarms()
        self.journal = MemoryJournal()
        self.plan = plan()
        self._wrap = wrap
        self._address = Address()
        self._server_stack = AsyncExitStack()
        self.restarts = -1
        self.server: PaperServer | None = None
        self.proxy: FaultProxy
        self.supervisor: Supervisor
        self.outcome: Outcome | None = None
        self.checks: list[Callable[[], None]] = []

    # --- the stage --------------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self) -> AsyncIterator["WireDay"]:
        """Server, proxy and engine, until the block ends."""
        await self.start_server()
        assert self.server is not None
        self.proxy = FaultProxy(self.server.rest_url, self.server.ws_url)
        async with self.proxy.serving(), OpenAlgoRest(self.proxy.rest_url, ACCESS, self.clock) as rest:
            self.supervisor = self._engine(rest)
            engine = asyncio.create_task(self._run())
            try:
                await self.settle()
                yield self
            finally:
                engine.cancel()
                with suppress(asyncio.CancelledError):
                    await engine
                await self.stop_server()

    async def _run(self) -> None:
        self.outcome = await self.supervisor.run()

    def _engine(self, rest: OpenAlgoRest) -> Supervisor:
        async def quotes(symbols: Sequence[str]) -> Mapping[str, Paise | None]:
            found = await rest.read(requests.quotes(ACCESS, symbols), answers.quotes)
            return {symbol: quote.last for symbol, quote in found.items()}

        scope = Scope(ACCESS.exchange, ACCESS.product)
        stream = OrderStream(self._dialer(needs_prices=False), scope, Mode.ANALYZE, self.clock, self._tell)
        feed = OpenAlgoFeed(
            self._dialer(needs_prices=True),
            ACCESS.exchange,
            {INFY: ENTRY},
            session=self.plan.session,
            clock=self.clock,
            quotes=quotes,
            tell=self._tell,
        )
        broker = OpenAlgoBroker(rest, stream.news, self.clock, Mode.ANALYZE)
        ports = Ports(self._wrap(broker), feed, self.clock, self.journal, self.alarms)
        stage({INFY: self.plan}, RULES, self.journal)
        return Supervisor({INFY: self.plan}, RULES, ports, timeout_ns=TIMEOUT_S * SECOND_NS)

    def _dialer(self, *, needs_prices: bool) -> Dialer:
        return Dialer(self.proxy.ws_url, KEY, self.clock, lambda: 1.0, needs_prices=needs_prices)

    def _tell(self, message: Say) -> None:
        self.alarms.say(self.clock.now_ns(), message)

    async def start_server(self) -> None:
        """The server comes (back) on the same ports; the account behind it is as it was."""
        rates = Rates(order=Rate(10), read=Rate(50))
        self.server = await self._server_stack.enter_async_context(
            running(self.desk, self._address, rates=rates)
        )
        self._address = Address(port=self.server.port, ws_port=self.server.ws_port)
        self.restarts += 1

    async def stop_server(self) -> None:
        """The server goes; what works at the exchange goes on working."""
        await self._server_stack.aclose()
        self._server_stack = AsyncExitStack()
        self.server = None

    # --- time -------------------------------------------------------------------------------------

    async def play(self, path: Path = DAY) -> None:
        """The prints at their times, then the day to its end."""
        for seconds, price in path:
            await self.until(seconds)
            await self.print(price)
        await self.until(END_S)

    async def print(self, price: Paise) -> None:
        """One print, and all that comes of it now."""
        now_ns = self.clock.now_ns()
        if self.server is not None:
            self.server.board.publish(INFY, price, at_ns=now_ns)
        else:
            self.desk.on_price(INFY, price, now_ns)
        self._check()
        await self.settle()

    async def until(self, seconds: float) -> None:
        """Let time run to so many seconds after the open; whatever is due on the way happens then."""
        until_ns = OPEN_NS + round(seconds * SECOND_NS)
        while (next_ns := self.clock.next_ns) is not None and next_ns <= until_ns:
            self.clock.move_to(max(next_ns, self.clock.now_ns()))
            await self.settle()
        self.clock.move_to(until_ns)
        await self.settle()

    @property
    def seconds(self) -> float:
        """How long ago the open was."""
        return (self.clock.now_ns() - OPEN_NS) / SECOND_NS

    async def settle(self) -> None:
        """Let everything arrive that is on its way; return when only time could change anything."""
        still = 0
        for _ in range(ROUNDS_MAX):
            before = self._moved()
            await self.proxy.echo()
            still = still + 1 if self._moved() == before else 0
            self._check()
            if still >= (2 if self.supervisor.is_quiet else STUCK_ROUNDS):
                return
        raise AssertionError("something moves without end")

    def _moved(self) -> tuple[int, ...]:
        return self.supervisor.engine.seq, self.proxy.moved, len(self.desk.exchange.history)

    def _check(self) -> None:
        for check in self.checks:
            check()

    # --- the truth --------------------------------------------------------------------------------

    def course(self) -> list[int]:
        """The account's position after each fill."""
        net, course = 0, [0]
        for fill in self.desk.exchange.fills:
            net += fill.side.sign * fill.quantity
            course.append(net)
        return course

    @property
    def position(self) -> int:
        """Shares held now."""
        return self.course()[-1]

    def working(self, side: Side) -> int:
        """Shares that working orders of this side would still trade."""
        return sum(
            order.pending
            for order in self.desk.exchange.records()
            if order.side is side and order.status.value in ("open", "trigger pending")
        )

    @property
    def trades(self) -> list[Trade]:
        """What the engine reported."""
        return self.supervisor.outcome.trades

    def never_twice(self) -> None:
        """No fill and no working order can take the account beyond one planned position, or below none."""
        course = self.course()
        assert max(course) <= SHARES, course
        assert min(course) >= 0, course
        assert course[-1] + self.working(Side.BUY) <= SHARES, "a second entry works beside what is held"
        assert self.working(Side.SELL) <= max(course[-1], 0), "more would be sold than is held"

    def ends_well(self) -> None:
        """Flat, nothing works any more, the engine knows it, and left nothing for a person."""
        assert self.position == 0
        assert (self.working(Side.BUY), self.working(Side.SELL)) == (0, 0)
        assert self.supervisor.engine.traders[INFY].state.held == 0
        assert sum(trade.quantity for trade in self.trades) * 2 == sum(
            fill.quantity for fill in self.desk.exchange.fills
        )
        assert self.outcome is not None, "the engine did not come to its end"
        assert self.outcome.exit_code == 0, self.alarms.said


def replayed() -> list[Trade]:
    """The trades of a replay of the same prints."""
    ours = plan()
    columns = PriceColumns(
        symbol=INFY,
        day=ours.session.day,
        t_ns=np.array([OPEN_NS + round(at * SECOND_NS) for at, _ in DAY], dtype=np.int64),
        price=np.array([price for _, price in DAY], dtype=np.int64),
        continuous=None,
        rows_dropped=0,
        rows_read=len(DAY),
    )
    return ReplayDay([ours], {INFY: columns}, RULES, PAPER).run().trades
