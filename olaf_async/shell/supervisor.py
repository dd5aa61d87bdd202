"""The supervisor: owns the long-lived tasks and the way to stop.

S1  A task that dies ends new risk, calls a person and is started again: protection and exits go on.
S2  A stop first cancels working entries and waits, bounded, for evidence of their end and for the protection
    of what they filled; stops stay, and are looked at last of all. What could not be proved to have ended,
    and shares without a stop, are named in an alarm and make the exit code 4.
S3  Place calls live in the desk's own set, outside the task group: a stop waits for their answers.
S4  Without the pump nothing is decided any more: the entries known to work are cancelled directly, what is
    left at the broker is named, and the run ends with exit code 4.
S5  A journal that fails ends new risk and calls a person; a resume counts only once it keeps again.
S6  A server that wants a person's approval for each order ends new risk: nothing could be protected in time.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from olaf_async.core.engine import Engine, Plan
from olaf_async.core.guards import STANDARD, Guards
from olaf_async.core.invariants import Check
from olaf_async.core.invariants import check as check_invariants
from olaf_async.core.past import Past
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import (
    BooksFailed,
    BooksRead,
    ClockSkewed,
    Command,
    Commanded,
    Event,
    OrderAnswered,
    OrderUpdated,
    RunBegan,
    StreamChanged,
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
from olaf_async.domain.order import Order
from olaf_async.domain.trade import Trade
from olaf_async.errors import BrokerError, JournalError
from olaf_async.ports.alarms import Alarms
from olaf_async.ports.broker import Broker
from olaf_async.ports.clock import Clock
from olaf_async.ports.feed import Feed
from olaf_async.ports.journal import Entry, Journal, Line
from olaf_async.shell.desk import Desk, Lock
from olaf_async.shell.poller import Poller
from olaf_async.shell.pump import OnTick, Pump
from olaf_async.shell.scribe import Scribe
from olaf_async.shell.waiting import first_of, is_cancelled_within

EXIT_FINE = 0
EXIT_UNSAFE = 4
RESTART_NS = SECOND_NS
"""How long after its death a task is started again."""

Follower: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


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
    """One engine run: from the first read of the books to the orderly stop, after ``past`` runs of the day.

    Raises:
        ConfigError: what has been traded today is planned otherwise now.
    """

    def __init__(  # noqa: PLR0913 -- what a test may replace stands beside what a run consists of
        self,
        plans: Mapping[str, Plan],
        rules: Rules,
        ports: Ports,
        *,
        timeout_ns: int,
        past: Past | None = None,
        guards: Guards = STANDARD,
        check: Check = check_invariants,
        new_lock: Callable[[], Lock] = asyncio.Lock,
    ) -> None:
        if past is None:
            self.engine = Engine(plans.values(), rules, guards, check)
        else:
            self.engine = past.engine
            self.engine.carry_on(plans.values(), rules)
        self._ports = ports
        self._clock = ports.clock
        self._timeout_ns = timeout_ns
        self.scribe = Scribe(ports.journal, self._journal_changed)
        self.pump = Pump(self.engine, plans, ports.clock, self.scribe)
        self.poller = Poller(
            self.engine,
            ports.broker,
            ports.clock,
            self.pump.put,
            timeout_ns=timeout_ns,
            on_crash=self._crashed,
        )
        self.desk = Desk(
            self.engine,
            ports.broker,
            ports.clock,
            self.scribe,
            self.pump.put,
            self.poller.read,
            timeout_ns=timeout_ns,
            on_crash=self._crashed,
            on_approval=self._needs_approval,
            new_lock=new_lock,
        )
        self.pump.connect(self)
        self.outcome = Outcome(trades=[] if past is None else list(past.trades))
        self._end_ns = max(plan.session.close_ns for plan in plans.values())
        self._stop = asyncio.Event()
        self._unsent = () if past is None else past.unsent
        self._is_forced = False
        self._has_pump = True
        self._given: list[tuple[Commanded, asyncio.Future[None]]] = []
        self.halted_by: dict[str, str] = {}

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
            case Commanded():
                self._commanded(event)
        self.poller.kick()

    # --- a person's hand --------------------------------------------------------------------------

    @property
    def is_deciding(self) -> bool:
        """Whether events still reach the core; without that the run is at its end (S4)."""
        return self._has_pump

    async def command(self, command: Command, symbol: str | None = None) -> None:
        """Give the core an order from outside; returns once it has been taken in. Yields: always."""
        event = Commanded(self._clock.now_ns(), command, symbol)
        taken = asyncio.get_running_loop().create_future()
        self._given.append((event, taken))
        self.pump.put(event)
        await taken

    def _commanded(self, event: Commanded) -> None:
        """An order has been taken in: wake whoever gave it, and remember why a halt stands."""
        for given, taken in self._given:
            if given is event and not taken.done():
                taken.set_result(None)
                if event.symbol is None and event.command in (Command.HALT, Command.KILL):
                    self.halted_by["person"] = "a person has halted it"
        self._given = [one for one in self._given if not one[1].done()]
        if event.symbol is None and event.command is Command.RESUME:
            self.halted_by.clear()
            if self.scribe.is_failing:
                self._end_new_risk("journal_failing", "the journal still fails; the resume is taken back")

    # --- the run ----------------------------------------------------------------------------------

    def request_stop(self) -> None:
        """Begin the orderly stop; safe to call from a signal handler on the loop. Yields: never."""
        self._stop.set()

    def force_stop(self) -> None:
        """Stop without waiting for evidence any longer; what is open is still named. Yields: never."""
        self._is_forced = True
        self._stop.set()

    @property
    def is_quiet(self) -> bool:
        """Nothing is waiting or due now, and no call is out."""
        return self.pump.is_idle and self.desk.is_idle and self.poller.is_idle

    async def run(self) -> Outcome:
        """Trade until the session is over or a stop is asked for. Yields: always."""
        tasks: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as group:
            # First of all the pump: what it makes of the run's beginning is what the first read is asked for.
            tasks.append(group.create_task(self._run_pump(), name="pump"))
            for name, follow in self._followers().items():
                tasks.append(group.create_task(self._keep_alive(name, follow), name=name))
            try:
                await first_of(self._stop.wait(), self._clock.sleep_until_ns(self._end_ns))
                await self._stop_orderly()
            finally:
                for task in tasks:
                    task.cancel()
        return self.outcome

    def _followers(self) -> dict[str, Follower]:
        followers: dict[str, Follower] = {
            "poller": self.poller.run,
            "news": self._follow_news,
            "feed": self._follow_feed,
        }
        if self._ports.wall_skew_ns is not None:
            followers["clock"] = partial(self._watch_clock, self._ports.wall_skew_ns)
        return followers

    async def _keep_alive(self, name: str, follow: Follower) -> None:
        """Run a task whose death must not take protection with it; it ends where it comes to its own end."""
        while True:
            try:
                await follow()
            except asyncio.CancelledError as error:
                if not is_cancelled_within():
                    raise
                self._crashed(name, error)
            except Exception as error:  # noqa: BLE001 -- a task's border: reported, and new risk ends
                self._crashed(name, error)
            else:
                return
            await self._clock.sleep_until_ns(self._clock.now_ns() + RESTART_NS)

    async def _run_pump(self) -> None:
        try:
            await self.pump.run(RunBegan(self._clock.now_ns(), self._unsent))
        except Exception as error:  # noqa: BLE001 -- S4: the last thing that can be done has to be done
            self._has_pump = False
            self.desk.close_to_entries()
            self._alarm(None, "pump_died", f"the pump died ({error!r}): nothing is decided any more")
            self._stop.set()

    def _crashed(self, name: str, error: BaseException) -> None:
        text = f"{name} died ({type(error).__name__}: {error}); no new entries, stops and exits go on"
        self._end_new_risk("task_died", text)

    def _needs_approval(self, message: str) -> None:
        """Told once: what is wanted most is asked for each second, and refused as often."""
        if not self.engine.account.is_halted:
            text = (
                f"the server is in semi-auto mode ({message}): no new entries; stops stand, not to be moved"
            )
            self._end_new_risk("semi_auto", text)

    def _journal_changed(self, error: JournalError | None) -> None:
        if error is None:
            self._say(
                None, Severity.NOTE, "journal_kept", "the journal is written again; a resume counts now"
            )
            return
        text = f"the journal cannot be written ({error}): no new entries; stops stand and exits go on"
        self._end_new_risk("journal_failing", text)

    def _end_new_risk(self, code: str, text: str) -> None:
        self.halted_by[code] = text
        self.pump.put(Commanded(self._clock.now_ns(), Command.HALT))
        self._alarm(None, code, text)

    def _alarm(self, symbol: str | None, code: str, text: str) -> None:
        self._say(symbol, Severity.ALARM, code, text)

    def _say(self, symbol: str | None, severity: Severity, code: str, text: str) -> None:
        now_ns, message = self._clock.now_ns(), Say(symbol, severity, code, text)
        self._ports.alarms.say(now_ns, message)
        self.scribe.write(Line(Entry.NOTE, now_ns, message))

    async def _follow_news(self) -> None:
        """Hand on the account's news. Once they break off, fills are only to be found in the books."""
        try:
            async for event in self._ports.broker.news():
                self.pump.put(event)
        finally:
            self.pump.put(StreamChanged(self._clock.now_ns(), is_up=False))
        raise BrokerError("the account's news have come to an end")

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
            has_moved = abs(skew_ns - told) > limit_ns
            if has_moved or (abs(skew_ns) > limit_ns) != (abs(told) > limit_ns):
                self.pump.put(ClockSkewed(self._clock.now_ns(), skew_ns))
                told = skew_ns
            await self._clock.sleep_until_ns(self._clock.now_ns() + SECOND_NS)

    # --- the stop ---------------------------------------------------------------------------------

    async def _stop_orderly(self) -> None:
        # A cancel may need its time limit, a read of the books after it, and the same once more.
        await self._settle(self._in_ns(3 * self._timeout_ns))
        await self._look_once_more(self._in_ns(self._timeout_ns))
        if not self._has_pump:
            until_ns = self._in_ns(3 * self._timeout_ns)
            await first_of(self._cancel_entries(), self._clock.sleep_until_ns(until_ns))
            self.outcome.exit_code = EXIT_UNSAFE
        self._judge()

    def _in_ns(self, span_ns: int) -> int:
        return self._clock.now_ns() + span_ns

    async def _look_once_more(self, until_ns: int) -> None:
        """The stops that stay are looked at last of all, and again where something was done about one."""
        while self._has_pump and not self._is_forced and self._clock.now_ns() < until_ns:
            seq = self.engine.seq
            await self._settle(until_ns)
            if all(state.newest_seq <= seq for state in self._states()):
                return

    async def _settle(self, until_ns: int) -> None:
        """Tell the core to stop, which has the books read, and wait, bounded, until no question is open."""
        self.pump.put(Commanded(self._clock.now_ns(), Command.STOP))
        while self._has_pump and not self._is_settled() and not self._is_forced:
            now_ns = self._clock.now_ns()
            if now_ns >= until_ns:
                return
            await self._clock.sleep_until_ns(min(until_ns, now_ns + SECOND_NS // 20))

    def _is_settled(self) -> bool:
        is_told = self.is_quiet and self.engine.account.is_stopping
        return is_told and self.engine.is_quiet and not any(map(_is_bare, self._states()))

    async def _cancel_entries(self) -> None:
        """What the core can no longer ask for: the end of every entry that is known to work."""
        for state in self._states():
            entry = state.entry
            if entry is None or entry.order_id is None:
                continue
            try:
                await self._ports.broker.cancel(
                    CancelOrder(state.symbol, 0, entry.key, entry.role, entry.order_id)
                )
            except Exception as error:  # noqa: BLE001 -- the next entry has to be cancelled too
                self._alarm(state.symbol, "cancel_failed", f"{state.symbol}: {entry.order_id}: {error!r}")

    def _states(self) -> Iterator[SymbolState]:
        return (trader.state for trader in self.engine.traders.values())

    def _judge(self) -> None:
        """Say what the engine leaves behind; what needs a person makes the exit code 4."""
        for state in self._states():
            left = [f"{o.key} ({o.order_id or 'no id'}): {o.state.value}" for o in _open_questions(state)]
            if _is_bare(state):
                left.append(f"{state.exposure} shares without a confirmed stop for all of them")
            elif state.is_unseen:
                left.append(f"{state.exposure} shares whose stop could not be looked at once more")
            if left:
                self.outcome.exit_code = EXIT_UNSAFE
                text = f"{state.symbol}: stopped with {', '.join(left)}; look at the broker now"
                self._alarm(state.symbol, "left_behind", text)


def _open_questions(state: SymbolState) -> list[Order]:
    """Orders that may still open a position, or of which nobody knows what became."""
    return [order for order in state.orders if order.is_unsettled or order is state.entry]


def _is_bare(state: SymbolState) -> bool:
    """Whether shares are held beyond what a confirmed stop covers."""
    return state.unprotected_since_ns is not None
