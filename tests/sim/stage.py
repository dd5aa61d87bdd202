"""A small day whose every delay and fault is drawn: the real shell and core, one account, one symbol.

Owns the ways in which a call, an answer, a frame or a read may be late or lost, and the draws that choose
among them. The exchange is the truth; nothing here ever invents what it did not say. A story says only what
the market does: what goes wrong meanwhile is the search's to find.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TypeAlias, TypeVar

from olaf_async.adapters.clock import LoopClock
from olaf_async.adapters.journal.codec import Header
from olaf_async.adapters.journal.rerun import recover
from olaf_async.adapters.paper.broker import PaperBroker
from olaf_async.adapters.paper.exchange import PaperExchange, PaperRules
from olaf_async.core.engine import Plan
from olaf_async.core.guards import STANDARD
from olaf_async.core.invariants import check as check_invariants
from olaf_async.core.rules import NEVER_NS, SECOND_NS, Rules
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import (
    BarClosed,
    BooksRead,
    Command,
    Commanded,
    Marked,
    OrderUpdated,
    PriceTouched,
    RunBegan,
    TimerDue,
)
from olaf_async.domain.intents import CancelOrder, ModifyOrder, OrderIntent, PlaceOrder, Say
from olaf_async.domain.order import PriceType, Side, Terms
from olaf_async.domain.price import Paise, to_text
from olaf_async.errors import BrokerRejected, BrokerUndecided
from olaf_async.ports.broker import AccountNews, Books
from olaf_async.ports.feed import Tick
from olaf_async.ports.journal import Entry, PutOff, Record
from olaf_async.research.journal_words import words
from olaf_async.shell.desk import VERBS
from olaf_async.shell.supervisor import Ports, Supervisor
from olaf_async.sim.choices import Choices
from olaf_async.sim.explore import Broken, Steps
from olaf_async.sim.loop import run
from olaf_async.sim.orders import fifo, lanes
from olaf_async.sim.power import Disk, Machine, PowerLoop, is_powerless, on_the_wire
from olaf_async.sim.table import Step
from tests.journals import header_of
from tests.races.walls import Walls
from tests.races.world import BY_HAND, INFY, OPEN_NS, QueuedFeed, plan_of

_T = TypeVar("_T")
SHORT, LONG, TOO_LONG = 0.3, 3.0, 7.0
"""Seconds. Past the next print; past the next poll; past the engine's patience of 5 s."""
CALM_PRINTS = 2
LATENCY_NS = 20_000_000
COLUMNS = ("market", "exchange", "core", "desk", "broker", "news", "power")

DAY_PREFIX = "2611230000000"
"""What all order ids of the day begin with; a table leaves it out."""

LOST, DROPPED, REFUSED = "answer lost", "never arrives", "refused"


@dataclass(frozen=True, slots=True)
class May:
    """What may befall whatever these labels begin with. The first way, nothing, is always there.

    Labels: "place entry", "cancel stop", ..., "books", each followed by "there", "back" or "fate"; "frame".
    """

    there: tuple[float, ...] = ()
    back: tuple[float, ...] = ()
    fate: tuple[str, ...] = ()
    most: int = 99
    """How many calls of one label draw at all."""


Alphabet: TypeAlias = Mapping[str, May]


@dataclass(frozen=True)
class Scenario:
    """A story, the engine it happens to, and what may go wrong in it."""

    name: str
    story: "Story"
    may: Alphabet
    plan: Plan = field(default_factory=plan_of)
    rules: Mapping[str, object] = field(default_factory=dict)
    walls: Walls = field(default_factory=Walls)
    timeout_s: float = 5.0
    has_lanes: bool = False
    latency_ns: int = LATENCY_NS
    fills: tuple[int, ...] = ()
    down: tuple[float, ...] = ()
    """Where it is given, the power may be cut at any call; for so many seconds."""
    is_cut_at_writes: bool = False
    """Then also right after any write of the journal."""
    judges: "tuple[Judge, ...]" = ()
    only: str = ""
    """The one property to be judged; any where it is empty."""

    def __call__(self, choices: Choices, steps: Steps | None) -> Broken | None:
        """One run (see `olaf_async.sim.explore.Program`)."""
        stage_of: list[Stage] = []
        day = self._day(choices, steps, stage_of)
        return run(day, start_ns=OPEN_NS, pick=self._pick(choices, stage_of), new_loop=PowerLoop)

    def _pick(self, choices: Choices, stage_of: "list[Stage]") -> Callable[..., int]:
        if not self.has_lanes:
            return fifo
        drawn = lanes(choices)
        return lambda ready: drawn(ready) if stage_of and stage_of[0].is_disturbed else 0

    async def _day(self, choices: Choices, steps: Steps | None, stage_of: "list[Stage]") -> Broken | None:
        stage = Stage(self, choices, steps)
        stage_of.append(stage)
        stage.start()
        await stage.wait(1)
        stage.is_disturbed = True
        await self.story(stage)
        stage.is_disturbed = False
        if steps is not None:
            stage.tell_exchange()
        found = (judge(stage) for judge in self.judges)
        broken = next((broken for broken in found if broken and self.only in ("", broken.name)), None)
        stage.machine.cut()
        return broken

    def without(self, **walls: object) -> "Scenario":
        """The same with protections taken out."""
        return replace(self, walls=walls)  # type: ignore[arg-type] # the keys of Walls


Judge: TypeAlias = Callable[["Stage"], Broken | None]
Story: TypeAlias = Callable[["Stage"], Coroutine[object, object, None]]


class Fickle:
    """The Broker port over the paper broker; each call is late, lost or refused as it is drawn."""

    def __init__(self, stage: "Stage", inner: PaperBroker) -> None:
        self._stage = stage
        self._inner = inner

    async def place(self, intent: PlaceOrder) -> str:
        """See Broker."""
        return await self._order(intent, lambda: self._inner.place(intent))

    async def modify(self, intent: ModifyOrder) -> None:
        """See Broker."""
        await self._order(intent, lambda: self._inner.modify(intent))

    async def cancel(self, intent: CancelOrder) -> None:
        """See Broker."""
        await self._order(intent, lambda: self._inner.cancel(intent))

    async def books(self) -> Books:
        """See Broker; late on the way back it is the snapshot of when it was taken."""
        return await self._meet("books", self._inner.books)

    async def quote(self, symbol: str) -> Paise | None:
        """See Broker."""
        return await self._inner.quote(symbol)

    async def news(self) -> AsyncIterator[AccountNews]:
        """See Broker; frames stay in order, a late one keeps the others waiting."""
        async for news in self._inner.news():
            await self._stage.until_ns(self._stage.deaf_until_ns)
            may = self._stage.may("frame")
            await self._stage.pause("frame", may.back)
            if not self._stage.loses_frames and self._stage.choose("frame fate", may.fate) != LOST:
                self._stage.heard.append((self._stage.clock.now_ns(), news))
                yield news
            else:
                self._stage.tell("news", f"lost: {_short(news)}")

    async def _order(self, intent: OrderIntent, act: Callable[[], Awaitable[_T]]) -> _T:
        label = f"{VERBS[type(intent)].value} {intent.role.value}"
        self._stage.may_cut(f"before {label} leaves")
        if not is_powerless():
            self._stage.note_call(intent)
        return await on_the_wire(self._meet(label, act))

    async def _meet(self, label: str, act: Callable[[], Awaitable[_T]]) -> _T:
        stage = self._stage
        if label == "books" and stage.clock.now_ns() < stage.deaf_until_ns:
            raise BrokerUndecided("no answer")
        may = stage.may(label)
        left_ns, trip = stage.clock.now_ns(), len(stage.trips)
        stage.trips.append((label, left_ns, NEVER_NS if label.startswith("place") else left_ns))
        await stage.pause(f"{label} there", may.there)
        stage.trips[trip] = (label, left_ns, stage.clock.now_ns())
        fate = stage.choose(f"{label} fate", may.fate)
        if fate == DROPPED:
            stage.tell("broker", f"{label} never arrives, the connection is reset")
            raise BrokerUndecided("connection reset")
        if fate == REFUSED:
            stage.tell("broker", f"{label} is refused")
            raise BrokerRejected("RMS: not now")
        try:
            answer = await act()
        finally:
            if label != "books":
                stage.may_cut(f"after {label} has arrived")
            await stage.pause(f"{label} back", may.back)
        if fate == LOST:
            stage.tell("broker", f"the answer to {label} is lost")
            raise BrokerUndecided("connection reset")
        if label != "books":
            stage.tell("broker", f"{label} answered")
        return answer


class TellingDisk(Disk):
    """Tells the steps of the core and the desk as they are written."""

    def __init__(self, stage: "Stage", kept: Iterable[Record] = ()) -> None:
        super().__init__(kept)
        self._stage = stage
        self._rows: object = None
        self._cause = ""

    def append(self, entry: Entry, at_ns: int, body: object, fingerprint: str | None = None) -> int:
        """See Journal."""
        stage = self._stage
        if is_powerless():
            return super().append(entry, at_ns, body, fingerprint)
        if fingerprint is not None:
            stage.choices.see("core", int(fingerprint[:12], 16))
        if stage.steps is not None:
            self._tell(entry, body)
        return super().append(entry, at_ns, body, fingerprint)

    def _tell(self, entry: Entry, body: object) -> None:
        """What the core was told counts where it changed something: that it came, for all else, is noise."""
        match body:
            case PriceTouched() | TimerDue() | Marked() | BarClosed():
                self._cause = _short(body)
                return
            case Header():
                return
            case BooksRead():
                rows, self._rows = self._rows, (body.orders, body.trades, body.positions)
                if rows == self._rows:
                    return
            case _:
                pass
        column = "core" if entry in (Entry.EVENT, Entry.INTENT, Entry.NOTE) else "desk"
        if column == "core":
            cause, self._cause = self._cause, ""
            if entry is Entry.INTENT and cause:
                self._stage.tell("core", cause)
        text = _short(body)
        if entry is Entry.SENDING:
            text = "sends " + text.partition(":")[0]
        self._stage.tell(column, f"wants: {text}" if entry is Entry.INTENT else text)


def _short(body: object) -> str:
    """As the journal has it, without what a reader of one small day knows."""
    match body:
        case OrderUpdated(row=row):
            filled = f", {row.filled} filled" if row.filled else ""
            text = f"hears: {row.order_id} {row.status.value}{filled}"
        case PutOff(_, until_ns):
            text = "not yet" if until_ns else "the books first"
        case BooksRead(orders=orders, trades=trades):
            net = sum(position.quantity for position in body.positions)
            text = f"reads: {len(orders)} orders, {len(trades)} trades, {net} held"
        case RunBegan():
            text = "the run begins"
        case _:
            text = words(body)
    return text.replace(DAY_PREFIX, "#").replace(f"{INFY}/", "").replace(f"{INFY}: ", "")


class Stage:
    """One run of one scenario, and all that a story may do and a judge may ask."""

    def __init__(self, scenario: Scenario, choices: Choices, steps: Steps | None) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, PowerLoop)
        self.loop = loop
        self.scenario = scenario
        self.choices = choices
        self.steps = steps
        self.clock = LoopClock(loop)
        self.is_disturbed = False
        self.calls: list[tuple[int, OrderIntent]] = []
        self.heard: list[tuple[int, AccountNews]] = []
        self.alarms: list[tuple[int, Say]] = []
        self._drawn: dict[str, int] = {}
        self._fills = list(scenario.fills)
        self._seen = 0
        self.plan = scenario.plan
        numbers = replace(Rules(stop_limit_pct=Fraction(2)), **scenario.rules)  # type: ignore[arg-type] # names
        self.rules = numbers
        self.exchange = PaperExchange(PaperRules(), {INFY: self.plan.setup.tick_size}, split=self._split)
        self._paper = PaperBroker(self.exchange, self.clock, scenario.latency_ns)
        self.starts: list[int] = []
        self.deaf_until_ns = 0
        self.loses_frames = False
        self.trips: list[tuple[str, int, int]] = []
        self.commanded: list[tuple[int, Command]] = []
        self.unwritten: list[tuple[int, OrderIntent]] = []
        self.printed: list[tuple[int, Paise]] = []

    def start(self, kept: Sequence[Record] = ()) -> None:
        """A run of the engine begins, on a machine of its own, from what an earlier one has left on disk."""
        walls = self.scenario.walls
        past = None
        if kept:
            guards, check = walls.get("guards", STANDARD), walls.get("check", check_invariants)
            past = recover(kept, guards=guards, check=check)
        self.machine = Machine(self.loop)
        self.feed = QueuedFeed()
        self.disk = TellingDisk(self, kept)
        if self.scenario.is_cut_at_writes:
            self.disk.on_write = lambda: self.may_cut("after a write")
        self.disk.append(Entry.HEADER, self.clock.now_ns(), header_of([self.plan], self.rules))
        self.supervisor = Supervisor(
            {INFY: self.plan},
            self.rules,
            Ports(Fickle(self, self._paper), self.feed, self.clock, self.disk, self),
            timeout_ns=round(self.scenario.timeout_s * SECOND_NS),
            past=past,
            **walls,
        )
        self.starts.append(self.clock.now_ns())
        self.running = self.machine.start(self.supervisor.run(), "engine")

    def may_cut(self, where: str) -> None:
        """The power may be cut here. Yields: never."""
        down = self.scenario.down
        if not self.is_disturbed or not self.machine.is_on:
            return
        way = self.choices.draw("power cut", len(down) + 1)
        if way:
            self.tell("power", f"cut {where}")
            self.machine.cut()
            self.loop.create_task(self._restart(down[way - 1]), name="power", context=self.loop.world.copy())

    async def _restart(self, seconds: float) -> None:
        await self.wait(seconds)
        lost = self.choices.draw("writes lost", self.disk.unsynced + 1)
        self.tell("power", "starts again" + (f", {lost} writes lost" if lost else ""))
        self.start(self.disk.records(lost))

    # --- what happens -----------------------------------------------------------------------------

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await self.until_ns(self.clock.now_ns() + round(seconds * SECOND_NS))

    async def until_ns(self, at_ns: int) -> None:
        """Let it become this time."""
        await self.clock.sleep_until_ns(at_ns)

    async def prints(self, *prices: Paise, pause_s: float = 0.1) -> None:
        """Trades at these prices; the core hears of each, also of those its own guard would spare it."""
        for price in prices:
            self._trade(price)
            if self.machine.is_on:
                self.supervisor.pump.put(PriceTouched(INFY, self.clock.now_ns(), price))
            await self.wait(pause_s)

    def _trade(self, price: Paise) -> None:
        """One print: the exchange acts on it, the feed tells of it where somebody listens."""
        tick = Tick(INFY, self.clock.now_ns(), price)
        self.tell("market", f"print {to_text(price)}")
        self.printed.append((tick.at_ns, price))
        self._paper.on_tick(tick)
        if self.machine.is_on:
            self.feed.prints.put_nowait(tick)

    async def burst(self, *prices: Paise) -> None:
        """Trades at these prices faster than anybody can look; the core hears what the pump makes of them."""
        for price in prices:
            self._trade(price)
        await self.wait(0.1)

    async def calm(self, seconds: float = 30.0) -> None:
        """Nothing goes wrong from here on: what must come true at last has this long.

        The price stands, and goes on being traded.
        """
        self.is_disturbed = False
        for _ in range(CALM_PRINTS):
            await self.wait(seconds / (CALM_PRINTS + 1))
            await self.burst(self.printed[-1][1])
        await self.wait(seconds / (CALM_PRINTS + 1))

    def trades_by_hand(self, side: Side, quantity: int, limit: Paise = 0) -> None:
        """Somebody else trades on the same account, at the last price, now; the push channel tells of it.

        With a ``limit`` it rests until the price is there.
        """
        kind, terms = PriceType.LIMIT if limit else PriceType.MARKET, Terms(quantity, limit)
        self.exchange.place(INFY, side, kind, terms, self.clock.now_ns(), strategy=BY_HAND)
        self._paper._push()

    def commands(self, command: Command, symbol: str | None = None) -> None:
        """A person orders something; lost where nothing runs."""
        self.tell("person", command.value)
        if self.machine.is_on:
            self.commanded.append((self.clock.now_ns(), command))
            self.supervisor.pump.put(Commanded(self.clock.now_ns(), command, symbol))

    def hears_nothing(self, seconds: float) -> None:
        """For so long no frame comes and no book can be read; calls and their answers go on."""
        self.deaf_until_ns = self.clock.now_ns() + round(seconds * SECOND_NS)

    def cancels_by_hand(self, order_id: str) -> None:
        """Somebody else cancels an order of the account; the push channel tells of it."""
        self.exchange.cancel(order_id, self.clock.now_ns())
        self._paper._push()

    def _split(self, left: int) -> int:
        return self._fills.pop(0) if self._fills else left

    # --- what is drawn ----------------------------------------------------------------------------

    def may(self, label: str) -> May:
        """What may befall this call; nothing, once it has happened as often as the scenario allows."""
        may = self.scenario.may.get(label)
        if may is None or not self.is_disturbed:
            return CALM
        count = self._drawn[label] = self._drawn.get(label, 0) + 1
        return may if count <= may.most else CALM

    async def pause(self, label: str, menu: tuple[float, ...]) -> None:
        """Wait as long as is drawn. Yields: always."""
        way = self.choices.draw(label, len(menu) + 1)
        if not way:
            await asyncio.sleep(0)
            return
        self.tell("broker", f"{label}: {menu[way - 1]:g} s late")
        await self.wait(menu[way - 1])

    def choose(self, label: str, menu: tuple[str, ...]) -> str:
        """Nothing, or one of these."""
        return ("", *menu)[self.choices.draw(label, len(menu) + 1)]

    def note_call(self, intent: OrderIntent) -> None:
        """A call leaves the engine: when, and whether that it would is on disk."""
        at_ns = self.clock.now_ns()
        self.calls.append((at_ns, intent))
        on_disk = self.disk.records(self.disk.unsynced)
        if not any(record.entry is Entry.SENDING and record.body == intent for record in on_disk[-20:]):
            self.unwritten.append((at_ns, intent))

    # --- what is told -----------------------------------------------------------------------------

    def tell(self, column: str, text: str) -> None:
        """Put a step into the table, where one is wanted, after what the exchange has done until now."""
        if self.steps is not None:
            self.tell_exchange()
            self.steps.append(Step(self.clock.now_ns(), column, text))

    def tell_exchange(self) -> None:
        """Put what the exchange has done since the last look into the table."""
        assert self.steps is not None, "asked for where steps are told"
        for change in self.exchange.history[self._seen :]:
            side = self.exchange.record(change.order_id).side.value
            filled = f", {change.filled} filled" if change.filled else ""
            text = (
                f"#{change.order_id.removeprefix(DAY_PREFIX)} {change.what}: {side} {change.quantity}{filled}"
            )
            self.steps.append(Step(change.at_ns, "exchange", text))
        self._seen = len(self.exchange.history)

    def say(self, at_ns: int, message: Say) -> None:
        """See Alarms."""
        self.alarms.append((at_ns, message))

    # --- the truth --------------------------------------------------------------------------------

    @property
    def state(self) -> SymbolState:
        """What the engine believes."""
        return self.supervisor.engine.traders[INFY].state


CALM = May()
