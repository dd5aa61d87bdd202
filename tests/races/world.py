"""A small day on virtual time for stories to happen in: real shell, real core, and a broker with moods.

Owns the stage and nothing of the plot. The paper exchange is the truth; between it and the engine stands a
broker that can keep a request or its answer on the way, lose an answer, refuse, or hold frames and books
back. It invents nothing by itself: what the engine hears is late or lost, but the exchange said it; unless a
story says how the books ``shows`` differ from what is.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from fractions import Fraction
from typing import Literal, TypeAlias, TypedDict, TypeVar

from olaf_async.adapters.clock import LoopClock
from olaf_async.adapters.journal.memory import MemoryJournal
from olaf_async.adapters.journal.rerun import recover
from olaf_async.adapters.paper.broker import PaperBroker
from olaf_async.adapters.paper.exchange import PaperExchange, PaperRules
from olaf_async.adapters.paper.orders import OrderRecord, What
from olaf_async.core.engine import Plan
from olaf_async.core.guards import STANDARD, Guards
from olaf_async.core.invariants import Check
from olaf_async.core.invariants import check as check_invariants
from olaf_async.core.past import Past
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import PriceTouched, Verb
from olaf_async.domain.intents import CancelOrder, ModifyOrder, OrderIntent, PlaceOrder, Say
from olaf_async.domain.order import PriceType, Role, Side, Terms
from olaf_async.domain.price import Paise
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Setup
from olaf_async.ports.broker import AccountNews, Books
from olaf_async.ports.clock import Clock
from olaf_async.ports.feed import Tick
from olaf_async.ports.journal import Entry, Record
from olaf_async.shell.desk import Lock
from olaf_async.shell.supervisor import Outcome, Ports, Supervisor
from olaf_async.sim.loop import SimLoop, run
from olaf_async.strategies.eighty_twenty import EightyTwenty, EightyTwentyRules
from tests.journals import header_of, stage

_T = TypeVar("_T")

INDIA = timezone(timedelta(hours=5, minutes=30))
DAY = date(2026, 11, 23)
OPEN_NS = int(datetime(2026, 11, 23, 9, 15, tzinfo=INDIA).timestamp()) * SECOND_NS
EXIT_NS = OPEN_NS + (14 * 60 + 45 - 9 * 60 - 15) * 60 * SECOND_NS
CLOSE_NS = OPEN_NS + (15 * 60 + 30 - 9 * 60 - 15) * 60 * SECOND_NS

INFY = "INFY"
ENTRY, UNDERCUT, LIMIT = 1000_00, 994_00, 1003_00
"""The entry's trigger; a print that arms it; how far up its limit reaches."""
RISK = 10_00
"""From the fill down to the first stop."""
SHARES = 10
LATENCY_NS = 20_000_000
BY_HAND = "by hand"
"""The strategy tag of orders that a person sends on the same account."""


class Gate:
    """A place on the way where a call waits until the story lets it pass."""

    def __init__(self) -> None:
        self._opened = asyncio.Event()
        self.waiting = 0

    async def passed(self) -> None:
        """Wait until it is open. Yields: unless it is."""
        self.waiting += 1
        await self._opened.wait()

    def open(self) -> None:
        """Let pass; where nobody waits the story did not happen as it was meant to, and that is an error."""
        assert self.waiting, "nobody waits at this gate"
        self._opened.set()


@dataclass(slots=True)
class Mood:
    """What befalls one call: kept on the way there, or back; failing; never reaching the exchange."""

    there: Gate | None = None
    back: Gate | None = None
    fails: Exception | None = None
    acts: bool = True


CALM = Mood()
What_: TypeAlias = Verb | Literal["books", "quote"]


class MoodyBroker:
    """The Broker port over another broker; each call meets the first mood that was laid out for its kind.

    ``loses_frames`` drops order updates; ``news_end`` ends their stream at the next one, and loses that;
    ``shows`` makes of the true books those that a read brings.
    """

    def __init__(self, inner: PaperBroker, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock
        self._moods: list[tuple[What_, Role | None, str | None, Mood]] = []
        self._frames_pass = asyncio.Event()
        self._frames_pass.set()
        self.loses_frames = False
        self.news_end: Exception | Literal["end"] | None = None
        self.shows: Callable[[Books], Books] = lambda books: books
        self.calls: list[tuple[int, OrderIntent]] = []
        self.reads = self.quotes = 0

    # --- what a story says ------------------------------------------------------------------------

    def meets(self, what: What_, mood: Mood, role: Role | None = None, symbol: str | None = None) -> None:
        """Lay out a mood for the next call of this kind."""
        self._moods.append((what, role, symbol, mood))

    def keep_request(self, what: What_, role: Role | None = None) -> Gate:
        """The next such call does not reach the exchange until the gate opens."""
        gate = Gate()
        self.meets(what, Mood(there=gate), role)
        return gate

    def keep_answer(self, what: What_, role: Role | None = None, symbol: str | None = None) -> Gate:
        """The next such call acts at once, but its answer comes only when the gate opens."""
        gate = Gate()
        self.meets(what, Mood(back=gate), role, symbol)
        return gate

    def hold_frames(self) -> None:
        """Order updates wait, in order, until `release_frames`."""
        self._frames_pass.clear()

    def release_frames(self) -> None:
        """Let them pass."""
        self._frames_pass.set()

    # --- the port ---------------------------------------------------------------------------------

    async def place(self, intent: PlaceOrder) -> str:
        """See Broker."""
        return await self._order(Verb.PLACE, intent, lambda: self._inner.place(intent))

    async def modify(self, intent: ModifyOrder) -> None:
        """See Broker."""
        await self._order(Verb.MODIFY, intent, lambda: self._inner.modify(intent))

    async def cancel(self, intent: CancelOrder) -> None:
        """See Broker."""
        await self._order(Verb.CANCEL, intent, lambda: self._inner.cancel(intent))

    async def books(self) -> Books:
        """See Broker. Kept on the way back, it is the snapshot of when it was taken."""
        self.reads += 1
        return self.shows(await self._meet(self._mood("books", None, None), self._inner.books))

    async def quote(self, symbol: str) -> Paise | None:
        """See Broker."""
        self.quotes += 1
        return await self._meet(self._mood("quote", None, symbol), lambda: self._inner.quote(symbol))

    def news(self) -> AsyncIterator[AccountNews]:
        """See Broker."""
        return self._passing(self._inner.news())

    async def _passing(self, inner: AsyncIterator[AccountNews]) -> AsyncIterator[AccountNews]:
        async for news in inner:
            await self._frames_pass.wait()
            end, self.news_end = self.news_end, None
            if end == "end":
                return
            if end is not None:
                raise end
            if not self.loses_frames:
                yield news

    async def _order(self, verb: Verb, intent: OrderIntent, act: Callable[[], Awaitable[_T]]) -> _T:
        self.calls.append((self._clock.now_ns(), intent))
        return await self._meet(self._mood(verb, intent.role, intent.symbol), act)

    def _mood(self, what: What_, role: Role | None, symbol: str | None) -> Mood:
        for number, (wanted, of_role, of_symbol, mood) in enumerate(self._moods):
            if wanted == what and of_role in (None, role) and of_symbol in (None, symbol):
                del self._moods[number]
                return mood
        return CALM

    async def _meet(self, mood: Mood, act: Callable[[], Awaitable[_T]]) -> _T:
        if mood.there is not None:
            await mood.there.passed()
        if not mood.acts:
            assert mood.fails is not None, "a call that does nothing has to fail"
            raise mood.fails
        try:
            return await act()
        finally:
            if mood.back is not None:
                await mood.back.passed()
            if mood.fails is not None:
                raise mood.fails


class QueuedFeed:
    """A feed that says what the story tells it; an error among the prints breaks it there."""

    def __init__(self) -> None:
        self.prints: asyncio.Queue[Tick | Exception] = asyncio.Queue()

    async def ticks(self) -> AsyncIterator[Tick]:
        """See Feed."""
        while True:
            tick = await self.prints.get()
            if isinstance(tick, Exception):
                raise tick
            yield tick


@dataclass(slots=True)
class HeardAlarms:
    """Keeps what was said."""

    said: list[tuple[int, Say]] = field(default_factory=list)

    def say(self, at_ns: int, message: Say) -> None:
        """See Alarms."""
        self.said.append((at_ns, message))

    @property
    def codes(self) -> list[str]:
        """The codes of all messages, in order."""
        return [message.code for _, message in self.said]


def plan_of(
    symbol: str = INFY,
    *,
    entry: Paise = ENTRY,
    trigger: Paise = 995_00,
    open_ns: int = OPEN_NS,
    exit_ns: int = EXIT_NS,
    close_ns: int = CLOSE_NS,
    bar_s: int = 60,
    **rules: object,
) -> Plan:
    """A long setup: entry at 1000.00, undercut at 995.00, first stop 10.00 below; bars of a minute."""
    session = Session(DAY, open_ns, open_ns, exit_ns, close_ns)
    setup = Setup(symbol, DAY, entry, trigger, 5, 2 * RISK, quantity=SHARES)
    strategy = EightyTwentyRules(
        trigger_window_ns=6 * 3600 * SECOND_NS,
        bar_ns=bar_s * SECOND_NS,
        **rules,  # type: ignore[arg-type] # the names are checked by the dataclass
    )
    return Plan(setup, session, EightyTwenty(setup, session, strategy))


class Known(TypedDict):
    """What an engine is built with, and built again with after a restart."""

    guards: Guards
    check: Check


class World:
    """One engine on one paper account, and all that a story may do and ask.

    ``next_fills`` are the shares that the coming fills take; without any, a fill takes all that is left.
    """

    def __init__(
        self,
        plans: Iterable[Plan],
        rules: Mapping[str, object],
        clock: Clock,
        *,
        guards: Guards = STANDARD,
        check: Check = check_invariants,
        new_lock: Callable[[], Lock] = asyncio.Lock,
        timeout_s: float = 5,
        new_journal: Callable[[Clock], MemoryJournal] = lambda _: MemoryJournal(),
        wall_skew_ns: Callable[[], int] | None = None,
    ) -> None:
        self.clock = clock
        by_symbol = {plan.setup.symbol: plan for plan in plans}
        ticks = {symbol: plan.setup.tick_size for symbol, plan in by_symbol.items()}
        self.next_fills: list[int] = []
        self.exchange = PaperExchange(PaperRules(), ticks, split=self._split)
        self._paper = PaperBroker(self.exchange, self.clock, LATENCY_NS)
        self.broker = MoodyBroker(self._paper, self.clock)
        self.feed = QueuedFeed()
        self.alarms = HeardAlarms()
        self.journal = new_journal(clock)
        numbers = replace(Rules(stop_limit_pct=Fraction(2)), **rules)  # type: ignore[arg-type] # as in plan_of
        stage(by_symbol, numbers, self.journal, guards, check)
        self.plans, self.rules = by_symbol, numbers
        self._first = Record(0, Entry.HEADER, 0, header_of([*by_symbol.values()], numbers), None)
        self._timeout_ns = round(timeout_s * SECOND_NS)
        self._known: Known = {"guards": guards, "check": check}
        self._new_lock = new_lock
        self._wall_skew_ns = wall_skew_ns
        self.supervisor = self._supervisor(by_symbol, numbers, None)
        self.running: asyncio.Task[None] | None = None
        self.outcome: Outcome | None = None

    def _supervisor(self, plans: Mapping[str, Plan], rules: Rules, past: Past | None) -> Supervisor:
        ports = Ports(
            self.broker,
            self.feed,
            self.clock,
            self.journal,
            self.alarms,
            self._paper.on_tick,
            self._wall_skew_ns,
        )
        return Supervisor(
            plans,
            rules,
            ports,
            timeout_ns=self._timeout_ns,
            past=past,
            new_lock=self._new_lock,
            **self._known,
        )

    async def run(self) -> None:
        """Run the engine; ``outcome`` is set once it has come to its end."""
        self.outcome = await self.supervisor.run()

    def start(self) -> None:
        """Run the engine beside the story."""
        self.running = asyncio.get_running_loop().create_task(self.run(), name="engine")

    async def dies(self) -> None:
        """The engine ends at once and says nothing more; what it had sent has arrived or never will."""
        assert self.running is not None, "it runs"
        mine = asyncio.current_task()
        for task in asyncio.all_tasks():
            if task is not mine:
                task.cancel()
        with suppress(asyncio.CancelledError):
            await self.running
        await asyncio.sleep(0)

    def starts_again(self, *plans: Plan, **rules: object) -> None:
        """Another run of the day begins from what the journal tells, by other plans and rules where given."""
        past = recover([self._first, *self.journal.records], **self._known)
        assert past is not None, "there has been a run"
        by_symbol = {plan.setup.symbol: plan for plan in plans} or self.plans
        numbers = replace(self.rules, **rules)  # type: ignore[arg-type] # as in plan_of
        self.supervisor = self._supervisor(by_symbol, numbers, past)
        self.plans, self.rules = by_symbol, numbers
        self.journal.append(Entry.HEADER, self.clock.now_ns(), header_of([*by_symbol.values()], numbers))
        self.start()

    # --- what happens -----------------------------------------------------------------------------

    async def wait(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due meanwhile."""
        await self.until_ns(self.clock.now_ns() + round(seconds * SECOND_NS))

    async def until_ns(self, at_ns: int) -> None:
        """Let it become this time."""
        await self.clock.sleep_until_ns(at_ns)

    async def comes_true(self, holds: Callable[[], bool], within_s: float = 10) -> None:
        """Let time pass until this holds; for real clocks, where nobody knows how long things take."""
        until_ns = self.clock.now_ns() + round(within_s * SECOND_NS)
        while not holds():
            assert self.clock.now_ns() < until_ns, "it does not come true"
            await self.wait(0.005)

    async def prints(self, *prices: Paise, symbol: str = INFY, pause_s: float = 0.1) -> None:
        """Trades at these prices, one after another, with time for an undisturbed answer between them.

        The core hears of each, also of those its own guard would spare it: no race may be impossible only
        because the core was not asked.
        """
        for price in prices:
            now_ns = self.clock.now_ns()
            self.feed.prints.put_nowait(Tick(symbol, now_ns, price))
            self.supervisor.pump.put(PriceTouched(symbol, now_ns, price))
            await self.wait(pause_s)

    async def enters(self, fill: Paise = ENTRY) -> None:
        """The whole way in, undisturbed: undercut, resting entry, fill, confirmed stop."""
        await self.prints(UNDERCUT, ENTRY - 1_00, fill, pause_s=0.5)
        assert self.position() == SHARES
        assert [order.trigger for order in self.working(Side.SELL)] == [fill - RISK]

    def _split(self, left: int) -> int:
        return self.next_fills.pop(0) if self.next_fills else left

    def trades_by_hand(self, side: Side, quantity: int, symbol: str = INFY) -> None:
        """Somebody else trades on the same account, at the last price, now; the push channel tells of it."""
        self.exchange.place(
            symbol, side, PriceType.MARKET, Terms(quantity, 0), self.clock.now_ns(), strategy=BY_HAND
        )
        self._paper._push()

    def cancels_by_hand(self, order_id: str) -> None:
        """Somebody else cancels an order of the account; the push channel tells of it."""
        self.exchange.cancel(order_id, self.clock.now_ns())
        self._paper._push()

    # --- the truth --------------------------------------------------------------------------------

    def orders(self, side: Side | None = None, symbol: str = INFY) -> list[OrderRecord]:
        """What the exchange has taken from the engine, oldest first."""
        return [
            order
            for order in self.exchange.records()
            if order.symbol == symbol and order.strategy != BY_HAND and side in (None, order.side)
        ]

    def working(self, side: Side, symbol: str = INFY) -> list[OrderRecord]:
        """Those of them that may still fill."""
        return [order for order in self.orders(side, symbol) if order.status in ("open", "trigger pending")]

    def positions(self, symbol: str = INFY) -> list[int]:
        """The account's net position after each fill there was."""
        net, course = 0, [0]
        for fill in self.exchange.fills:
            if fill.symbol == symbol:
                net += fill.side.sign * fill.quantity
                course.append(net)
        return course

    def position(self, symbol: str = INFY) -> int:
        """The account's net position."""
        return self.positions(symbol)[-1]

    def bought(self, symbol: str = INFY) -> int:
        """Shares the engine has bought."""
        return sum(order.filled for order in self.orders(Side.BUY, symbol))

    def stop_levels(self, symbol: str = INFY) -> list[Paise]:
        """The triggers that sell stops have had at the exchange, in the order in which they took effect."""
        ours = {
            order.order_id for order in self.orders(Side.SELL, symbol) if order.price_type is PriceType.SL
        }
        changes = (What.PLACED, What.MODIFIED)
        return [
            change.trigger
            for change in self.exchange.history
            if change.order_id in ours and change.what in changes
        ]

    def protected(self, symbol: str = INFY) -> int:
        """Shares that a working sell stop would sell."""
        return sum(order.pending for order in self.working(Side.SELL, symbol))

    def oversell_risk(self, symbol: str = INFY) -> int:
        """The most that working sells of the engine could ever have sold beyond the account's position."""
        records = {order.order_id: order for order in self.exchange.records() if order.symbol == symbol}
        open_sells: dict[str, int] = {}
        filled = dict.fromkeys(records, 0)
        net = worst = 0
        for change in self.exchange.history:
            order = records.get(change.order_id)
            if order is None:
                continue
            net += order.side.sign * (change.filled - filled[change.order_id])
            filled[change.order_id] = change.filled
            if order.side is Side.SELL:
                is_open = change.status in ("open", "trigger pending")
                open_sells[change.order_id] = change.quantity - change.filled if is_open else 0
            worst = max(worst, sum(open_sells.values()) - max(0, net))
        return worst

    def state(self, symbol: str = INFY) -> SymbolState:
        """What the engine believes."""
        return self.supervisor.engine.traders[symbol].state

    def asked(self, kind: type[OrderIntent], role: Role) -> list[OrderIntent]:
        """The calls of this kind that the broker was asked to make."""
        return [intent for _, intent in self.broker.calls if isinstance(intent, kind) and intent.role is role]


Story: TypeAlias = Callable[[World], Coroutine[object, object, None]]


def play(story: Story, *plans: Plan, rules: Mapping[str, object] | None = None, **engine: object) -> World:
    """Let a story happen to an engine that runs; give back the world as it was at the story's end.

    ``engine`` is whatever else `World` takes.
    """

    async def day() -> World:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        world = World(plans or [plan_of()], rules or {}, LoopClock(loop), **engine)  # type: ignore[arg-type]
        await live(world, story)
        return world

    return run(day(), start_ns=OPEN_NS)


async def live(world: World, story: Story, warm_up_s: float = 1) -> None:
    """Run the world's engine for as long as the story lasts; keep its outcome if it came to its end."""
    world.start()
    await world.wait(warm_up_s)
    await story(world)
    assert world.running is not None, "it was started"
    world.running.cancel()
    with suppress(asyncio.CancelledError):
        await world.running
