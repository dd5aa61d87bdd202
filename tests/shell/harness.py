"""Parts of the shell on their own: a clock set by hand, an outlet that remembers, an engine that obeys.

Owns what the shell tests share. The whole shell at work, with an exchange behind it, is `tests.races.world`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import uvloop

from olaf_async.adapters.clock import LoopClock, SystemClock
from olaf_async.adapters.journal.memory import MemoryJournal
from olaf_async.core.engine import Engine, Plan, Send, Verdict
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.domain.events import Event, OrderAnswered, Outcome, StreamChanged, Verb
from olaf_async.domain.intents import CancelOrder, Intent, ModifyOrder, OrderIntent, PlaceOrder, Say
from olaf_async.domain.order import PriceType, Role, Side, Terms
from olaf_async.errors import BrokerError, JournalError
from olaf_async.ports.broker import AccountNews, Books
from olaf_async.ports.clock import Clock
from olaf_async.ports.feed import Tick
from olaf_async.ports.journal import Entry, NotSent, PutOff
from olaf_async.shell.desk import Desk, Lock
from olaf_async.shell.pump import Pump
from olaf_async.shell.scribe import Scribe
from olaf_async.sim.loop import SimLoop, run
from tests.races.world import INFY, OPEN_NS, Story, World, live, plan_of

_T = TypeVar("_T")


def on_virtual_time(main: Callable[[LoopClock], Coroutine[Any, Any, _T]]) -> _T:
    """Run a coroutine on virtual time from the open on."""

    async def begin() -> _T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        return await main(LoopClock(loop))

    return run(begin(), start_ns=OPEN_NS)


NewLoop: TypeAlias = Callable[[], asyncio.AbstractEventLoop]
LOOPS: Mapping[str, NewLoop] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
"""The loops the engine runs on for real."""


def for_real(
    new_loop: NewLoop,
    story: Story,
    *symbols: str,
    exit_s: float = 300,
    close_s: float = 600,
    **engine: object,
) -> World:
    """Let a story happen on a real loop and a real clock, in a session that has just opened.

    The deadline and the close lie this far ahead; ``engine`` as in `World`.
    """

    async def day() -> World:
        clock = SystemClock()
        now_ns = clock.now_ns()
        plans = [
            plan_of(
                symbol,
                open_ns=now_ns - SECOND_NS,
                exit_ns=now_ns + round(exit_s * SECOND_NS),
                close_ns=now_ns + round(close_s * SECOND_NS),
            )
            for symbol in symbols or (INFY,)
        ]
        world = World(plans, {}, clock, **engine)  # type: ignore[arg-type] # named as there
        await live(world, story, warm_up_s=0.05)
        return world

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(day())


async def pause(clock: Clock, seconds: float) -> None:
    """Let time pass."""
    await clock.sleep_until_ns(clock.now_ns() + round(seconds * SECOND_NS))


class HandClock:
    """A clock whose time is what the test says it is."""

    def __init__(self, now_ns: int = OPEN_NS) -> None:
        self.at_ns = now_ns

    def now_ns(self) -> int:
        """See Clock."""
        return self.at_ns

    async def sleep_until_ns(self, when_ns: int) -> None:
        """See Clock; nobody sleeps on it."""
        raise AssertionError("nothing in a turn of the pump may wait")


@dataclass(slots=True)
class Outlet:
    """Remembers what the pump hands on, and how long the journal was at that moment."""

    journal: MemoryJournal
    intents: list[Intent] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    journalled: list[set[str]] = field(default_factory=list)

    def carry_out(self, intent: Intent) -> None:
        """See pump.Outlet."""
        self.intents.append(intent)
        self.journalled.append({repr(record.body) for record in self.journal.records})

    def handled(self, event: Event) -> None:
        """See pump.Outlet."""
        self.events.append(event)

    def said(self) -> list[str]:
        """The codes of what was said."""
        return [intent.code for intent in self.intents if isinstance(intent, Say)]


class PumpBench:
    """A pump over a real engine, turned by hand."""

    def __init__(
        self, *plans: Plan, rules: Rules | None = None, journal: MemoryJournal | None = None
    ) -> None:
        plans = plans or (plan_of(),)
        self.clock = HandClock()
        self.journal = journal or MemoryJournal()
        self.engine = Engine(plans, rules or Rules())
        self.outlet = Outlet(self.journal)
        by_symbol = {plan.setup.symbol: plan for plan in plans}
        self.journal_changes: list[JournalError | None] = []
        self.scribe = Scribe(self.journal, self.journal_changes.append)
        self.pump = Pump(self.engine, by_symbol, self.clock, self.scribe)
        self.pump.connect(self.outlet)

    def at(self, seconds: float) -> None:
        """Let it be this many seconds after the open."""
        self.clock.at_ns = OPEN_NS + round(seconds * SECOND_NS)

    def offer(self, price: int, at_s: float, symbol: str = INFY) -> None:
        """A print stamped this many seconds after the open comes in."""
        self.pump.offer(Tick(symbol, OPEN_NS + round(at_s * SECOND_NS), price))

    def kinds(self) -> list[str]:
        """The names of the events the core was told, in order."""
        return [type(event).__name__ for event in self.outlet.events]


class ObedientEngine(Engine):
    """Admits what the test lets it, and keeps a question open until it has its answer.

    Stands where the desk's own behaviour is looked at and the core's opinion would be in the way.
    """

    def __init__(self) -> None:
        super().__init__([plan_of()], Rules())
        self.verdicts: dict[str, list[Verdict | Exception]] = {}
        self.closed: set[int] = set()
        self.asked: list[tuple[int, str]] = []

    def admit(self, intent: OrderIntent, now_ns: int) -> Verdict:
        """The next verdict laid out for this key; else it may go."""
        self.account.seq += 1
        self.asked.append((now_ns, intent.key))
        laid_out = self.verdicts.get(intent.key)
        verdict = laid_out.pop(0) if laid_out else Send(intent)
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    def is_open(self, intent: OrderIntent) -> bool:
        """Until the test, or an answer, closes it."""
        return intent.request not in self.closed


def entry(request: int = 1) -> PlaceOrder:
    """An entry that somebody wants."""
    terms = Terms(10, 1003_00, 1000_00)
    return PlaceOrder(INFY, request, f"{request}-entry", Role.ENTRY, Side.BUY, PriceType.SL, terms)


def stop(request: int = 2) -> PlaceOrder:
    """A protective stop that somebody wants."""
    terms = Terms(10, 980_00, 990_00)
    return PlaceOrder(INFY, request, f"{request}-stop", Role.STOP, Side.SELL, PriceType.SL, terms)


End: TypeAlias = float | Exception | tuple[float, Exception]
"""How a call ends: answered after these seconds, or with this error, or with it after these seconds."""


class SlowBroker:
    """A broker whose calls end as they are told to beforehand.

    ``ends`` gives for a key how call after call ends; a call of which nothing is said is answered after a
    hundredth of a second, and so are reads and quotes.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ends: dict[str, list[End]] = {}
        self.book_ends: list[End] = []
        self.quote_ends: list[End] = []
        self.calls: list[tuple[int, Verb, str]] = []
        self.reads_ns: list[int] = []
        self._reads_out = 0
        self.most_reads_out = 0

    def seconds(self, key: str) -> list[float]:
        """When this was called, in seconds after the open."""
        return [(at_ns - OPEN_NS) / SECOND_NS for at_ns, _, called in self.calls if called == key]

    async def place(self, intent: PlaceOrder) -> str:
        """See Broker."""
        await self._call(Verb.PLACE, intent)
        return f"id of {intent.key}"

    async def modify(self, intent: ModifyOrder) -> None:
        """See Broker."""
        await self._call(Verb.MODIFY, intent)

    async def cancel(self, intent: CancelOrder) -> None:
        """See Broker."""
        await self._call(Verb.CANCEL, intent)

    async def books(self) -> Books:
        """See Broker."""
        self.reads_ns.append(self._clock.now_ns())
        self._reads_out += 1
        self.most_reads_out = max(self.most_reads_out, self._reads_out)
        try:
            await self._end(self.book_ends)
        finally:
            self._reads_out -= 1
        return Books((), (), ())

    async def quote(self, symbol: str) -> int | None:
        """See Broker."""
        await self._end(self.quote_ends)
        return 1000_00

    async def _call(self, verb: Verb, intent: OrderIntent) -> None:
        self.calls.append((self._clock.now_ns(), verb, intent.key))
        await self._end(self.ends.get(intent.key, []))

    async def _end(self, ends: list[End]) -> None:
        match ends.pop(0) if ends else 0.01:
            case (seconds, error):
                await pause(self._clock, seconds)
                raise error
            case Exception() as error:
                await pause(self._clock, 0)
                raise error
            case seconds:
                await pause(self._clock, seconds)

    async def news(self) -> AsyncIterator[AccountNews]:
        """See Broker; there are none."""
        await asyncio.Event().wait()
        yield StreamChanged(0, is_up=True)


class DeskBench:
    """A desk over an obedient engine and a slow broker; what it reports is answered to it at once."""

    def __init__(
        self,
        clock: Clock,
        *,
        timeout_s: float = 5,
        journal: MemoryJournal | None = None,
        new_lock: Callable[[], Lock] = asyncio.Lock,
    ) -> None:
        self.clock = clock
        self.engine = ObedientEngine()
        self.broker = SlowBroker(clock)
        self.journal = journal or MemoryJournal()
        self.events: list[Event] = []
        self.crashes: list[str] = []
        self.approvals: list[str] = []
        self.journal_changes: list[JournalError | None] = []
        self.desk = Desk(
            self.engine,
            self.broker,
            clock,
            Scribe(self.journal, self.journal_changes.append),
            self._report,
            self._read_books,
            timeout_ns=round(timeout_s * SECOND_NS),
            on_crash=lambda name, error: self.crashes.append(f"{name}: {error!r}"),
            on_approval=self.approvals.append,
            new_lock=new_lock,
        )

    def _report(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, OrderAnswered):
            self.engine.closed.add(event.request)
            self.desk.answered(event)

    async def _read_books(self) -> None:
        with suppress(BrokerError):
            await self.broker.books()

    def evidence_settles(self, intent: OrderIntent) -> None:
        """The core has learnt from elsewhere what this call was to tell."""
        self.engine.closed.add(intent.request)
        self.desk.notice(intent.symbol)

    def outcomes(self, key: str) -> list[tuple[float, Outcome]]:
        """What was reported of this order: (seconds after the open, outcome)."""
        return [
            ((event.at_ns - OPEN_NS) / SECOND_NS, event.outcome)
            for event in self.events
            if isinstance(event, OrderAnswered) and event.key == key
        ]

    def journalled(self, key: str) -> list[Entry]:
        """What the journal has of this order."""
        return [record.entry for record in self.journal.records if _key_of(record.body) == key]


def _key_of(body: object) -> str | None:
    """The order that a record of the desk's is about."""
    intent = body.intent if isinstance(body, NotSent | PutOff) else body
    return intent.key if isinstance(intent, PlaceOrder | ModifyOrder | CancelOrder) else None
