"""The supervisor: owns the long-lived tasks and the way to stop.

S1  A task that dies ends new risk and calls a person; protection and exits go on while the pump lives.
S2  A stop first cancels working entries and waits, bounded, for evidence of their end; stops stay. What
    could not be proved to have ended is named in an alarm and makes the exit code 4.
S3  Place calls live in the desk's own set, outside the task group: a stop waits for their answers.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from olaf_async.core.engine import Engine, Plan
from olaf_async.core.guards import STANDARD, Guards
from olaf_async.core.invariants import Check
from olaf_async.core.invariants import check as check_invariants
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.domain.events import (
    BooksFailed,
    BooksRead,
    ClockSkewed,
    Command,
    Commanded,
    Event,
    OrderAnswered,
    OrderUpdated,
)
from olaf_async.domain.intents import (
    CancelOrder,
    Intent,
    ModifyOrder,
    PlaceOrder,
    ReadQuote,
    ReportTrade,
    Say,
    Severity,
)
from olaf_async.domain.trade import Trade
from olaf_async.ports.alarms import Alarms
from olaf_async.ports.broker import Broker
from olaf_async.ports.clock import Clock
from olaf_async.ports.feed import Feed
from olaf_async.ports.journal import Journal
from olaf_async.shell.desk import Desk, Lock
from olaf_async.shell.poller import Poller
from olaf_async.shell.pump import OnTick, Pump
from olaf_async.shell.waiting import first_of

EXIT_FINE = 0
EXIT_UNSAFE = 4


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything the shell reaches the world through."""

    broker: Broker
    feed: Feed
    clock: Clock
    journal: Journal
    alarms: Alarms
    on_tick: OnTick | None = None
    wall_skew_ns: Callable[[], int] | None = None


@dataclass(slots=True)
class Outcome:
    """How a run ended."""

    exit_code: int = EXIT_FINE
    trades: list[Trade] = field(default_factory=list)


class Supervisor:
    """One engine run: from the first read of the books to the orderly stop."""

    def __init__(
        self,
        plans: Mapping[str, Plan],
        rules: Rules,
        ports: Ports,
        *,
        timeout_ns: int,
        guards: Guards = STANDARD,
        check: Check = check_invariants,
        new_lock: Callable[[], Lock] = asyncio.Lock,
    ) -> None:
        self.engine = Engine(plans.values(), rules, guards, check)
        self._ports = ports
        self._clock = ports.clock
        self._timeout_ns = timeout_ns
        self.pump = Pump(self.engine, plans, ports.clock, ports.journal)
        self.poller = Poller(self.engine, ports.broker, ports.clock, self.pump.put)
        self.desk = Desk(
            self.engine,
            ports.broker,
            ports.clock,
            ports.journal,
            self.pump.put,
            self.poller.read,
            timeout_ns=timeout_ns,
            on_crash=self._crashed,
            new_lock=new_lock,
        )
        self.pump.connect(self)
        self.outcome = Outcome()
        self._end_ns = max(plan.session.close_ns for plan in plans.values())
        self._stop = asyncio.Event()

    # --- the pump's outlet ------------------------------------------------------------------------

    def carry_out(self, intent: Intent) -> None:
        """Pass an intent to whoever does it. Yields: never."""
        match intent:
            case PlaceOrder() | ModifyOrder() | CancelOrder():
                self.desk.submit(intent)
            case ReadQuote(symbol):
                self.desk.ask_quote(symbol)
            case Say():
                self._ports.alarms.say(self._clock.now_ns(), intent)
            case ReportTrade(trade):
                self.outcome.trades.append(trade)

    def handled(self, event: Event) -> None:
        """Wake whoever waited for this event. Yields: never."""
        match event:
            case OrderAnswered():
                self.desk.answered(event)
            case OrderUpdated():
                self.desk.notice(event.symbol)
            case BooksRead() | BooksFailed():
                for symbol in self.engine.traders:
                    self.desk.notice(symbol)
                self.poller.handled()
        self.poller.kick()

    # --- the run ----------------------------------------------------------------------------------

    def request_stop(self) -> None:
        """Begin the orderly stop; safe to call from a signal handler on the loop. Yields: never."""
        self._stop.set()

    @property
    def is_quiet(self) -> bool:
        """Nothing is waiting or due now, and no call is out."""
        return self.pump.is_idle and self.desk.is_idle and self.poller.is_idle

    async def run(self) -> Outcome:
        """Trade until the session is over or a stop is asked for. Yields: always."""
        tasks: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as group:
            for name, body in self._bodies().items():
                tasks.append(group.create_task(self._watched(name, body), name=name))
            tasks.append(group.create_task(self.pump.run(), name="pump"))
            try:
                await first_of(self._stop.wait(), self._clock.sleep_until_ns(self._end_ns))
                await self._stop_orderly()
            finally:
                for task in tasks:
                    task.cancel()
        return self.outcome

    def _bodies(self) -> dict[str, Coroutine[Any, Any, None]]:
        bodies = {
            "poller": self.poller.run(),
            "news": self._follow_news(self._ports.broker.news()),
            "feed": self._follow_feed(),
        }
        if self._ports.wall_skew_ns is not None:
            bodies["clock"] = self._watch_clock(self._ports.wall_skew_ns)
        return bodies

    async def _watched(self, name: str, body: Coroutine[Any, Any, None]) -> None:
        """Run a task whose death must not take protection with it."""
        try:
            await body
        except Exception as error:  # noqa: BLE001 -- a task's border: reported, and new risk ends
            self._crashed(name, error)

    def _crashed(self, name: str, error: BaseException) -> None:
        now_ns = self._clock.now_ns()
        text = f"{name} died ({type(error).__name__}: {error}); no new entries, stops and exits go on"
        self._ports.alarms.say(now_ns, Say(None, Severity.ALARM, "task_died", text))
        self.pump.put(Commanded(now_ns, Command.HALT))

    async def _follow_news(self, news: AsyncIterator[Event]) -> None:
        async for event in news:
            self.pump.put(event)

    async def _follow_feed(self) -> None:
        """Every print goes to the pump first, then to whoever else must see every one of them."""
        async for tick in self._ports.feed.ticks():
            self.pump.offer(tick)
            if self._ports.on_tick is not None:
                self._ports.on_tick(tick)

    async def _watch_clock(self, wall_skew_ns: Callable[[], int]) -> None:
        told = 0
        while True:
            skew_ns = wall_skew_ns()
            limit_ns = self.engine.account.rules.clock_skew_max_ns
            if (abs(skew_ns) > limit_ns) != (abs(told) > limit_ns):
                self.pump.put(ClockSkewed(self._clock.now_ns(), skew_ns))
                told = skew_ns
            await self._clock.sleep_until_ns(self._clock.now_ns() + SECOND_NS)

    # --- the stop ---------------------------------------------------------------------------------

    async def _stop_orderly(self) -> None:
        self.pump.put(Commanded(self._clock.now_ns(), Command.STOP))
        # A cancel may need its time limit, a read of the books after it, and the same once more.
        until_ns = self._clock.now_ns() + 3 * self._timeout_ns
        while not self._is_settled() and self._clock.now_ns() < until_ns:
            await self._clock.sleep_until_ns(min(until_ns, self._clock.now_ns() + SECOND_NS // 20))
        self._judge()

    def _is_settled(self) -> bool:
        return self.is_quiet and self.engine.is_quiet and self.engine.account.is_stopping

    def _judge(self) -> None:
        """Say what the engine leaves behind; what needs a person makes the exit code 4."""
        for trader in self.engine.traders.values():
            state = trader.state
            open_questions = [o for o in state.orders if o.is_unsettled or o is state.entry]
            bare = state.exposure > 0 and state.stop is None
            if not open_questions and not bare:
                continue
            self.outcome.exit_code = EXIT_UNSAFE
            names = ", ".join(f"{o.key} ({o.order_id or 'no id'}): {o.state.value}" for o in open_questions)
            what = names or f"{state.exposure} shares without a stop"
            text = f"{state.symbol}: stopped with {what}; look at the broker now"
            self._ports.alarms.say(
                self._clock.now_ns(), Say(state.symbol, Severity.ALARM, "left_behind", text)
            )
