"""``live`` put together: today's setups traded through an OpenAlgo server, or on paper at its prices.

Owns the order of a day: the journal is taken, what is needed is checked, the open is waited for and
everything checked again, then the supervisor trades until the close or a stop. It must never decide about an
order, nor import what only research needs before the day is over.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final, Protocol

from olaf_async import __version__
from olaf_async.adapters.clock import SystemClock
from olaf_async.adapters.journal.lease import LeaseHeld
from olaf_async.adapters.openalgo.broker import OpenAlgoBroker
from olaf_async.adapters.openalgo.checks import Finding, Findings, Grade, RestServer, Wanted, examine
from olaf_async.adapters.openalgo.feed import Tell
from olaf_async.app.connections import (
    exchange_hours_ns,
    log_message,
    log_trade,
    new_feed,
    new_order_stream,
    new_rest,
    watching,
)
from olaf_async.app.control import listening
from olaf_async.app.journal import DayJournal, day_file
from olaf_async.app.paper import paper_broker
from olaf_async.app.rules import (
    EXCHANGE_ZONE,
    charge_rates,
    core_rules,
    load_setups,
    plans_for,
)
from olaf_async.core.engine import Plan
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import Event, Mode, ModeSeen
from olaf_async.domain.intents import ReportTrade, Say, Severity
from olaf_async.errors import ConfigError, JournalError
from olaf_async.ports.clock import Clock
from olaf_async.ports.feed import Tick
from olaf_async.ports.journal import Entry, Journal
from olaf_async.research.live_day import LiveDay
from olaf_async.research.results import Planned, RunResult
from olaf_async.settings import Settings
from olaf_async.shell.operator import Operator
from olaf_async.shell.supervisor import EXIT_UNSAFE, Ports, Supervisor
from olaf_async.shell.waiting import first_of

LEAD_NS: Final = 120 * SECOND_NS
"""How long before the open the connections are made."""
AGAIN_NS: Final = 5 * SECOND_NS
"""How often the checks are made again where an earlier run of the day has left something open."""
EXIT_ERROR: Final = 1
EXIT_INPUT: Final = 3


class Watcher(Protocol):
    """Who looks on: a terminal, a log, a test."""

    def found(self, finding: Finding) -> None:
        """A check has been made."""
        ...

    def waits(self, until_ns: int) -> None:
        """Everything is ready, and nothing happens before then."""
        ...

    async def watch(self, day: LiveDay, clock: Clock) -> None:
        """Look at the day until cancelled."""
        ...


@dataclass(frozen=True, slots=True)
class Ended:
    """How a day ended. ``day`` and ``result`` are None where nothing was traded; ``why`` then says why."""

    exit_code: int
    why: str = ""
    day: LiveDay | None = None
    result: RunResult | None = None


class StopSwitch:
    """Ends the day in any part of it; for `olaf_async.shell.signals.stop_on_signals`."""

    def __init__(self) -> None:
        self._pulled = asyncio.Event()
        self._engine: Supervisor | None = None

    @property
    def is_pulled(self) -> bool:
        """Whether a stop has been asked for."""
        return self._pulled.is_set()

    def request_stop(self) -> None:
        """Begin the orderly stop. Yields: never."""
        self._pulled.set()
        if self._engine is not None:
            self._engine.request_stop()

    def force_stop(self) -> None:
        """Wait for nothing any more. Yields: never."""
        self._pulled.set()
        if self._engine is not None:
            self._engine.force_stop()

    def connect(self, engine: Supervisor) -> None:
        """From now on it is the engine that stops."""
        self._engine = engine
        if self.is_pulled:
            engine.request_stop()

    async def wait(self) -> None:
        """Return once a stop has been asked for."""
        await self._pulled.wait()


# ------------------------------------------------------------------------------------- before the day


def plans_of_day(settings: Settings, setups: Path, day: date) -> Planned:
    """What is to be traded on that day.

    Raises:
        ConfigError: the file is not as it should be, or a setup is for another exchange than the orders.
    """
    planned = plans_for(settings, load_setups(settings, setups), day, file=setups)
    exchange = settings.broker.exchange
    for plan in planned.plans:
        if plan.setup.exchange != exchange:
            raise ConfigError(
                f"{setups}: {plan.setup.symbol} is of {plan.setup.exchange}, and orders go to {exchange}: "
                "one run trades one exchange, that of broker.exchange"
            )
    return planned


def wanted_of(settings: Settings, plans: Sequence[Plan], day: date) -> Wanted:
    """What the day needs of the server."""
    return Wanted(
        host=settings.broker.host,
        setups=tuple(plan.setup for plan in plans),
        day=day,
        zone=EXCHANGE_ZONE,
        hours_ns=exchange_hours_ns(settings, day),
        exchange=settings.broker.exchange,
        product=settings.broker.product,
        quantity=settings.risk.quantity,
        require_analyzer=settings.broker.require_analyzer,
        is_trading=settings.mode == "live",
    )


# ------------------------------------------------------------------------------------- the day


class LiveRun:
    """One day, to be run once.

    Raises:
        ConfigError: there is no key for the server.
    """

    def __init__(
        self,
        settings: Settings,
        planned: Planned,
        day: date,
        watcher: Watcher,
        stop: StopSwitch,
        *,
        clock: SystemClock | None = None,
    ) -> None:
        self._settings = settings
        self._plans = planned.plans
        self._watcher = watcher
        self._stop = stop
        self._clock = clock or SystemClock()
        self._rest = new_rest(settings, self._clock)
        self._kept: DayJournal
        self.day = LiveDay(day, planned.plans, charge_rates(settings), planned.left_out)

    async def run(self) -> Ended:
        """Trade from the checks to the close, or to the stop. Yields: always."""
        day, now_ns = self.day.day, self._clock.now_ns()
        if self._why_idle() and not day_file(self._settings, day).exists():
            return Ended(0, self._why_idle())
        try:
            self._kept = DayJournal(self._settings, day, now_ns)
        except LeaseHeld as held:
            return Ended(EXIT_ERROR, f"{held}. Nothing was traded.")
        except JournalError as error:
            return Ended(EXIT_UNSAFE, f"{error}. Nothing was traded.")
        ended: Ended | None = None
        try:
            ended = await self._run()
        finally:
            how = None if ended is None else f"exit code {ended.exit_code}"
            try:
                self._kept.close(how, self._clock.now_ns())
            except JournalError as error:
                self._tell_journal(Severity.ALARM, f"the journal of {day} is not whole: {error}")
                ended = None if ended is None else replace(ended, exit_code=EXIT_UNSAFE)
        return ended

    def _why_idle(self) -> str:
        """Why there is nothing to begin today, if so."""
        if not self._plans:
            return f"There is no setup to trade on {self.day.day}."
        if self._clock.now_ns() >= max(plan.session.exit_ns for plan in self._plans):
            return f"The deadline of {self.day.day} has passed: nothing is begun any more."
        return ""

    async def _run(self) -> Ended:
        if self._kept.remark:
            self._tell_journal(Severity.WARNING, self._kept.remark)
        if self._why_idle() and not self._kept.open_symbols:
            return Ended(0, self._why_idle())
        if not self._plans:
            return self._unbegun(EXIT_INPUT, self._why_idle())
        async with self._rest:
            findings = await self._prepare()
            if findings.exit_code:
                return self._unbegun(findings.exit_code)
            if self._stop.is_pulled:
                return self._unbegun(0, "Stopped before the open; nothing was traded.")
            return await self._trade(findings.mode)

    def _unbegun(self, exit_code: int, why: str = "Nothing was traded.") -> Ended:
        """Nothing was done; where an earlier run has left something open, that needs a person."""
        if not self._kept.open_symbols:
            return Ended(exit_code, why)
        left = ", ".join(self._kept.open_symbols)
        text = f"{why} An earlier run of the day left {left} open: look at the broker now."
        return Ended(EXIT_UNSAFE, text)

    def _tell_journal(self, severity: Severity, text: str) -> None:
        self._tell(Say(None, severity, "journal", text))

    def _tell(self, message: Say) -> None:
        _Voice(self.day).say(self._clock.now_ns(), message)

    async def _prepare(self) -> Findings:
        """Check, wait for the open, and check again where there was time for something to change."""
        wanted = wanted_of(self._settings, self._plans, self.day.day)
        server = RestServer(self._rest, self._clock)
        findings = await self._examined(server, wanted)
        begin_ns = min(plan.session.open_ns for plan in self._plans) - LEAD_NS
        if findings.exit_code or self._clock.now_ns() >= begin_ns:
            return findings
        self._watcher.waits(begin_ns)
        await first_of(self._clock.sleep_until_ns(begin_ns), self._stop.wait())
        if self._stop.is_pulled:
            return findings

        return await examine(server, wanted, self._found_trouble)

    async def _examined(self, server: RestServer, wanted: Wanted) -> Findings:
        """Check; where an earlier run has left something open, not to begin is no way out: try again."""
        findings = await examine(server, wanted, self._watcher.found)
        if not findings.exit_code or not self._kept.open_symbols:
            return findings
        left = ", ".join(self._kept.open_symbols)
        text = f"{left}: left open by an earlier run, and not looked after until the checks pass"
        self._tell(Say(None, Severity.ALARM, "unattended", text))
        while findings.exit_code and not self._stop.is_pulled:
            await first_of(self._clock.sleep_until_ns(self._clock.now_ns() + AGAIN_NS), self._stop.wait())
            findings = await examine(server, wanted, self._found_trouble)
        return findings

    def _found_trouble(self, finding: Finding) -> None:
        if finding.grade is not Grade.OK:
            self._watcher.found(finding)

    async def _trade(self, mode: Mode | None) -> Ended:
        rules, ports = core_rules(self._settings, is_replay=False), self._ports(mode)
        timeout_ns = int(self._settings.broker.request_timeout_s * SECOND_NS)
        try:
            supervisor = Supervisor(
                {plan.setup.symbol: plan for plan in self._plans},
                rules,
                ports,
                timeout_ns=timeout_ns,
                past=self._kept.past,
            )
            self._kept.begin(self._plans, rules, mode, self._clock.now_ns())
        except (ConfigError, JournalError) as error:
            is_ours = isinstance(error, JournalError)
            return self._unbegun(EXIT_UNSAFE if is_ours else EXIT_INPUT, f"{error}. Nothing was traded.")
        self.day.follow(supervisor.engine, supervisor.outcome.trades, supervisor.desk)
        if mode is not None:
            supervisor.pump.put(ModeSeen(self._clock.now_ns(), mode))
        self._stop.connect(supervisor)
        began_ns = self._clock.now_ns()
        hand = Operator(supervisor, ports.broker, self._clock, timeout_ns=timeout_ns, program=__version__)
        async with listening(self._settings.journal.dir, hand, self._tell):
            await first_of(supervisor.run(), watching(self._watcher.watch(self.day, self._clock)))
        now_ns = self._clock.now_ns()
        result = self.day.result(now_ns, now_ns - began_ns)
        return Ended(supervisor.outcome.exit_code, day=self.day, result=result)

    def _ports(self, mode: Mode | None) -> Ports:
        settings, clock, tell = self._settings, self._clock, self._tell
        paper = None
        if settings.mode == "paper":
            paper = paper_broker(settings, self._plans, clock, self._kept.past, self._kept.triggered)

        def heard(tick: Tick) -> None:
            self.day.heard(tick)
            if paper is not None:
                paper.on_tick(tick)

        near = {plan.setup.symbol: plan.setup.entry_price for plan in self._plans}
        longest = max((plan.session for plan in self._plans), key=lambda session: session.close_ns)
        feed = new_feed(settings, self._rest, near, longest, clock, tell)
        return Ports(
            broker=paper or self._openalgo_broker(mode, tell),
            feed=feed,
            clock=clock,
            journal=_Chronicle(self._kept.journal, self.day),
            alarms=_Voice(self.day),
            on_tick=heard,
            wall_skew_ns=clock.wall_skew_ns,
        )

    def _openalgo_broker(self, mode: Mode | None, tell: Tell) -> OpenAlgoBroker:
        assert mode is not None, "orders need a mode, and the checks have learnt it"
        stream = new_order_stream(self._settings, mode, self._clock, tell)
        return OpenAlgoBroker(self._rest, stream.news, self._clock, mode)


class _Chronicle:
    """The journal, read along: the day is told of each event, also of one that cannot be written."""

    def __init__(self, journal: Journal, day: LiveDay) -> None:
        self._journal = journal
        self._day = day

    def append(self, entry: Entry, at_ns: int, body: object, fingerprint: str | None = None) -> int:
        """See Journal."""
        if entry is Entry.EVENT:
            assert isinstance(body, Event), "an event's record holds the event"
            self._day.handled(body)
        elif isinstance(body, ReportTrade):
            log_trade(body.trade)
        return self._journal.append(entry, at_ns, body, fingerprint)

    def flush(self) -> None:
        """See Journal."""
        self._journal.flush()


class _Voice:
    """Alarms, into the log and into the day."""

    def __init__(self, day: LiveDay) -> None:
        self._day = day

    def say(self, at_ns: int, message: Say) -> None:
        """See Alarms."""
        self._day.said(at_ns, message)
        log_message(message)
