"""A short day on which the engine may lose its power at any point, and be started again.

Owns the stage: one symbol, the paper exchange (which outlives everything), a script of prices, and as many
machines as there were cuts. The exchange alone is the truth that a day is judged by.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from typing import Final, Self

from olaf_async.adapters.clock import LoopClock
from olaf_async.adapters.journal.rerun import recover
from olaf_async.adapters.paper.broker import PaperBroker
from olaf_async.adapters.paper.exchange import PaperExchange, PaperRules
from olaf_async.adapters.paper.orders import PaperOrder
from olaf_async.core.guards import STANDARD, Guards
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder
from olaf_async.domain.order import PriceType, Side, Terms
from olaf_async.domain.price import Paise
from olaf_async.errors import BrokerRejected
from olaf_async.ports.broker import AccountNews, Books
from olaf_async.ports.feed import Tick
from olaf_async.ports.journal import Entry, Record
from olaf_async.shell.supervisor import Outcome, Ports, Supervisor
from olaf_async.sim.loop import run
from olaf_async.sim.power import Disk, Machine, PowerLoop, on_the_wire
from tests.journals import header_of
from tests.races.world import BY_HAND, ENTRY, INFY, OPEN_NS, SHARES, HeardAlarms, plan_of

LATENCY_NS: Final = 20_000_000
BAR_S: Final = 4
EXIT_S, CLOSE_S = 36, 44
ATTEMPTS: Final = 3

RULES: Final = Rules(
    quantity=SHARES,
    max_attempts=ATTEMPTS,
    stop_limit_pct=Fraction(2),
    settle_ns=2 * SECOND_NS,
    order_timeout_ns=120 * SECOND_NS,
    stale_feed_ns=300 * SECOND_NS,
    idle_poll_ns=10 * SECOND_NS,
)

PRICES: Final[tuple[tuple[float, Paise], ...]] = (
    (1.0, ENTRY + 2_00),
    (2.0, ENTRY - 6_00),  # the undercut: a stop entry rests at 1000.00
    (3.0, ENTRY - 1_00),
    (3.5, ENTRY),  # set off: 4 of 10
    (4.1, ENTRY + 50),  # the other 6
    (5.0, ENTRY + 1_00),
    (7.0, ENTRY + 6_00),
    (8.5, ENTRY + 9_00),  # a green bar has ended: the stop is raised
    (11.0, ENTRY + 15_00),
    (13.0, ENTRY + 14_00),  # and again
    (15.0, ENTRY + 2_00),  # through it: 4 of 10
    (15.5, ENTRY + 2_00),  # the other 6
    (17.0, ENTRY - 6_00),  # a second undercut
    (18.0, ENTRY - 1_00),
    (19.0, ENTRY),
    (19.5, ENTRY + 50),
    (23.0, ENTRY + 6_00),
    (25.0, ENTRY + 9_00),
    (30.0, ENTRY + 9_00),
    (37.9, ENTRY + 8_00),  # after the deadline: the rest of the exit
    (39.0, ENTRY + 7_85),
    (41.0, ENTRY + 7_80),
    (42.5, ENTRY + 7_75),
)


class WiredBroker:
    """The Broker port of one machine: what has been sent goes on without it. ``on_call`` is called before."""

    def __init__(self, inner: PaperBroker, on_call: Callable[[], None]) -> None:
        self._inner = inner
        self._on_call = on_call

    async def place(self, intent: PlaceOrder) -> str:
        """See Broker."""
        self._on_call()
        return await on_the_wire(self._inner.place(intent))

    async def modify(self, intent: ModifyOrder) -> None:
        """See Broker."""
        self._on_call()
        await on_the_wire(self._inner.modify(intent))

    async def cancel(self, intent: CancelOrder) -> None:
        """See Broker."""
        self._on_call()
        await on_the_wire(self._inner.cancel(intent))

    async def books(self) -> Books:
        """See Broker."""
        self._on_call()
        return await on_the_wire(self._inner.books())

    async def quote(self, symbol: str) -> Paise | None:
        """See Broker."""
        self._on_call()
        return await on_the_wire(self._inner.quote(symbol))

    def news(self) -> AsyncIterator[AccountNews]:
        """See Broker."""
        return self._inner.news()


class Prints:
    """The Feed port of one machine."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Tick] = asyncio.Queue()

    async def ticks(self) -> AsyncIterator[Tick]:
        """See Feed."""
        while True:
            yield await self.queue.get()


class What(Enum):
    """What is counted to say when the power goes; each counts from 1 in every life of the engine.

    CALLBACK: just before a callback of the loop, the world's or the engine's: so at every await.
    WRITE: just after a write to the journal, in the middle of the step that wrote.
    CALL: just before a request would leave for the broker.
    """

    CALLBACK = "callback"
    WRITE = "write"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class Cut:
    """One loss of power. With it go the newest ``lost`` writes, as far as none of them was waited for."""

    what: What
    number: int
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Outage:
    """How long the machine stays off, and the prices meanwhile; the rest of the day comes so much later.

    ``is_closed_by_hand``: a person then cancels and sells all there is.
    """

    seconds: int = 0
    prices: tuple[Paise, ...] = ()
    is_closed_by_hand: bool = False


ALL: Final = 1_000_000
"""More writes than there are to lose."""


@dataclass(slots=True)
class Life:
    """One run of the engine, until its own end or that of the power; what happened in it is counted.

    ``unsynced`` holds, for each write, how many writes a power cut just after it may take, and the callback
    it was made in.
    """

    machine: Machine
    disk: Disk
    feed: Prints
    alarms: HeardAlarms
    supervisor: Supervisor
    began_ns: int
    ended_ns: int | None = None
    counts: Counter[What] = field(default_factory=Counter)
    unsynced: list[tuple[int, int]] = field(default_factory=list)

    def end(self, at_ns: int) -> None:
        """Nothing is counted from now on."""
        self.ended_ns = at_ns


@dataclass(frozen=True, slots=True)
class Parts:
    """What a test may take out of the engine, to see that it is missed."""

    guards: Guards = STANDARD
    reads_journal: bool = True
    new_disk: Callable[[list[Record]], Disk] = Disk


class CrashDay:
    """A day on which the power goes so many times."""

    def __init__(self, *cuts: Cut, outage: Outage | None = None, parts: Parts | None = None) -> None:
        self.lives: list[Life] = []
        self.outcome: Outcome | None = None
        self.exchange = PaperExchange(PaperRules(), {INFY: 5}, depth=_in_two)
        self._cuts = cuts
        self._outage = outage or Outage()
        self.parts = parts or Parts()
        self._late_ns = 0
        off_ns = self._outage.seconds * SECOND_NS
        self.plan = plan_of(
            exit_ns=OPEN_NS + EXIT_S * SECOND_NS + off_ns,
            close_ns=OPEN_NS + CLOSE_S * SECOND_NS + 2 * off_ns,
            bar_s=BAR_S,
        )

    def play(self) -> Self:
        """Let the whole day happen."""
        run(self._day(), start_ns=OPEN_NS, new_loop=PowerLoop)
        return self

    # --- the world --------------------------------------------------------------------------------

    async def _day(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, PowerLoop)
        self._loop = loop
        self._clock = LoopClock(loop)
        self._broker = PaperBroker(self.exchange, self._clock, LATENCY_NS)
        script = loop.create_task(self._print_all(), name="prices")
        kept: list[Record] = []
        for cut in self._cuts:
            running, went_out = self._boot(kept, cut)
            await asyncio.wait((running, went_out), return_when=asyncio.FIRST_COMPLETED)
            assert went_out.done(), f"{cut} never comes"
            kept = self._kept(self.lives[-1].disk, cut)
            await self._without_power()
        running, _ = self._boot(kept, None)
        self.outcome = await running
        await script

    def _boot(
        self, kept: list[Record], cut: Cut | None
    ) -> tuple[asyncio.Future[Outcome], asyncio.Future[None]]:
        """Start the engine as `live` does: first what the journal tells, then its header, then the run."""
        past = recover(kept, guards=self.parts.guards) if self.parts.reads_journal else None
        machine, disk, feed, alarms = Machine(self._loop), self.parts.new_disk(kept), Prints(), HeardAlarms()
        went_out = self._loop.create_future()
        broker = WiredBroker(self._broker, lambda: self._count(life, What.CALL, cut, went_out))
        supervisor = Supervisor(
            {INFY: self.plan},
            RULES,
            Ports(broker, feed, self._clock, disk, alarms),
            timeout_ns=2 * SECOND_NS,
            past=past,
            guards=self.parts.guards,
        )
        disk.append(Entry.HEADER, self._clock.now_ns(), header_of([self.plan], RULES))
        life = Life(machine, disk, feed, alarms, supervisor, self._clock.now_ns())
        disk.on_write = lambda: self._count(life, What.WRITE, cut, went_out)
        self._loop.on_callback = lambda: self._count(life, What.CALLBACK, cut, went_out)
        self.lives.append(life)
        running = machine.start(supervisor.run(), name="engine")
        running.add_done_callback(lambda _: life.end(self._clock.now_ns()), context=self._loop.world)
        return running, went_out

    def _kept(self, disk: Disk, cut: Cut) -> list[Record]:
        """What can be read of the journal after the cut."""
        return disk.records(min(cut.lost, disk.unsynced))

    def _count(self, life: Life, what: What, cut: Cut | None, went_out: asyncio.Future[None]) -> None:
        """One more of them; the power goes where the cut says so."""
        if life.ended_ns is not None:
            return
        life.counts[what] += 1
        if what is What.WRITE:
            life.unsynced.append((life.disk.unsynced, life.counts[What.CALLBACK]))
        if cut is not None and (cut.what, cut.number) == (what, life.counts[what]):
            self._go_out(life, went_out)

    def _go_out(self, life: Life, went_out: asyncio.Future[None]) -> None:
        life.machine.cut()
        life.end(self._clock.now_ns())
        went_out.set_result(None)

    async def _without_power(self) -> None:
        """The world goes on by itself."""
        off_ns, prices = self._outage.seconds * SECOND_NS, self._outage.prices
        self._late_ns += off_ns
        until_ns = self._clock.now_ns() + off_ns
        for number, price in enumerate(prices):
            await self._clock.sleep_until_ns(until_ns - off_ns * (len(prices) - number) // (len(prices) + 1))
            self._print(price)
        if self._outage.is_closed_by_hand:
            self._close_by_hand()
        if off_ns:
            await self._clock.sleep_until_ns(until_ns)

    def _close_by_hand(self) -> None:
        now_ns = self._clock.now_ns()
        for order in self.exchange.records():
            if order.pending:
                with suppress(BrokerRejected):
                    self.exchange.cancel(order.order_id, now_ns)
        held = sum(fill.side.sign * fill.quantity for fill in self.exchange.fills)
        if held:
            terms = Terms(held, 0)
            self.exchange.place(INFY, Side.SELL, PriceType.MARKET, terms, now_ns, strategy=BY_HAND)
        self._broker._push()

    async def _print_all(self) -> None:
        for seconds, price in PRICES:
            due_ns = OPEN_NS + round(seconds * SECOND_NS)
            while self._clock.now_ns() < due_ns + self._late_ns:
                await self._clock.sleep_until_ns(due_ns + self._late_ns)
            self._print(price)

    def _print(self, price: Paise) -> None:
        tick = Tick(INFY, self._clock.now_ns(), price)
        self._broker.on_tick(tick)
        self.lives[-1].feed.queue.put_nowait(tick)


def _in_two(order: PaperOrder, _price: Paise) -> int:
    """Every order of the whole position fills in two parts, also one that could be filled when it comes."""
    is_whole = order.remaining == SHARES and order.strategy != BY_HAND
    return 4 if is_whole else order.remaining
