"""Puts Olaf together: settings become rules, files become setups and prices, and both become a run.

The only module that knows the settings and every adapter. It must never decide anything itself: every number
it hands on is a setting turned exactly into the engine's units (paise, nanoseconds, fractions), every day a
session of the calendar.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from olaf_async.adapters.paper.account import PaperRules
from olaf_async.adapters.replay.files import BarFolder, DailyFolder, PriceFolder, TickFolder
from olaf_async.adapters.setups_csv import Defaults, read_setups, write_setups
from olaf_async.core.engine import Plan
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.domain.calendar import (
    AlwaysOpen,
    Calendar,
    NseCalendar,
    continuous_close,
    latest_exit_start,
)
from olaf_async.domain.charges import ChargeRates
from olaf_async.domain.price import Paise, to_paise
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Setup
from olaf_async.errors import ConfigError
from olaf_async.research.backtest import Backtest, BacktestResult, Range, backtest
from olaf_async.research.results import LeftOut, RunResult
from olaf_async.research.runs import Conditions, Observer, Run
from olaf_async.research.scan import ScanReport, ScanRules, scan
from olaf_async.research.tables import check_folder, write_run
from olaf_async.settings import FlagError, Settings
from olaf_async.strategies.eighty_twenty import EightyTwenty, EightyTwentyRules

EXCHANGE_ZONE: Final = ZoneInfo("Asia/Kolkata")
"""The calendar's times are the exchange's own, in whatever zone files and settings are written."""

SETUPS = "setups.csv"
"""What a backtest's scan found, beside the run's own files."""

FAULTS_SHOWN_MAX = 20


@dataclass(frozen=True, slots=True)
class Ticks:
    """Recorded ticks, ``folder/<SYMBOL>/<day>.*``."""

    folder: Path


@dataclass(frozen=True, slots=True)
class Bars:
    """Recorded bars, ``folder/<SYMBOL>.*``; ``span_s`` None: the smallest step seen."""

    folder: Path
    span_s: float | None = None


Source: TypeAlias = Ticks | Bars


# ------------------------------------------------------------------------------------- settings as rules


def core_rules(settings: Settings, *, is_replay: bool = True) -> Rules:
    """The core's numbers. A replay reads books only when asked: its exchange hides nothing."""
    broker, strategy, risk = settings.broker, settings.strategy, settings.risk
    poll_ns = _ns(broker.poll_interval_s)
    return Rules(
        quantity=risk.quantity,
        max_attempts=strategy.max_attempts,
        max_order_retries=strategy.max_order_retries,
        order_timeout_ns=_ns(strategy.order_timeout_s),
        retry_ns=poll_ns,
        settle_ns=_ns(broker.settle_time_s),
        chase_ns=_ns(strategy.chase_interval_s),
        idle_poll_ns=None if is_replay else poll_ns,
        entry_limit_pct=Fraction(strategy.entry_limit_pct),
        entry_limit_ticks=strategy.entry_limit_ticks,
        stop_limit_pct=Fraction(strategy.stop_limit_pct),
        exit_limit_pct=Fraction(strategy.exit_limit_pct),
        stale_feed_ns=_ns(risk.stale_feed_s),
        unprotected_max_ns=_ns(risk.unprotected_s_max),
        max_open_positions=risk.max_open_positions,
        max_daily_loss=None if risk.max_daily_loss is None else to_paise(risk.max_daily_loss),
        max_orders_per_s=risk.max_orders_per_s,
    )


def strategy_rules(settings: Settings) -> EightyTwentyRules:
    """The strategy's numbers."""
    strategy = settings.strategy
    return EightyTwentyRules(
        trigger_window_ns=_ns(strategy.trigger_window_s),
        bar_ns=_ns(strategy.trail_bar_s),
        trail_buffer_ticks=strategy.trail_buffer_ticks,
        trails_from_entry_bar=strategy.trail_from == "entry_bar",
        reenters_at_once=strategy.reentry == "immediate",
        initial_stop_tr_mult=Fraction(strategy.initial_stop_tr_mult),
        initial_stop_ticks=strategy.initial_stop_ticks if strategy.initial_stop == "ticks" else None,
        take_profit_r=Fraction(strategy.take_profit_r),
    )


def scan_rules(settings: Settings, tick_size: Paise | None = None) -> ScanRules:
    """The scan's thresholds; ``tick_size`` (paise) serves an exchange without a table of ticks.

    Raises:
        ConfigError: such an exchange and no tick size.
    """
    strategy = settings.strategy
    return ScanRules(
        open_pos_min=Fraction(strategy.open_pos_min),
        close_pos_max=Fraction(strategy.close_pos_max),
        volume_min=strategy.volume_min,
        ex_date_gap_pct=Fraction(settings.scan.ex_date_gap_pct),
        trigger_ticks=strategy.trigger_ticks,
        exchange=settings.broker.exchange,
        tick_size=tick_size,
    )


def charge_rates(settings: Settings) -> ChargeRates | None:
    """What trades cost on paper and in replay; None where they cost nothing."""
    return settings.paper.charge_rates.rates() if settings.paper.charges else None


def paper_rules(settings: Settings) -> PaperRules:
    """How the paper exchange behaves."""
    paper = settings.paper
    return PaperRules(
        slippage_ticks=paper.slippage_ticks,
        exchange_true=paper.exchange_true,
        partial_fills=paper.partial_fills,
        seed=paper.seed,
        capital_paise=to_paise(paper.capital),
        charges=charge_rates(settings),
    )


def conditions(settings: Settings) -> Conditions:
    """What every replayed day has in common."""
    latency_ns = settings.paper.latency_ms * SECOND_NS // 1000
    return Conditions(core_rules(settings), paper_rules(settings), latency_ns)


def _ns(seconds: Decimal) -> int:
    """Whole nanoseconds; settings have no more than nine places."""
    return int(seconds * SECOND_NS)


# ------------------------------------------------------------------------------------- days and sessions


def calendar(settings: Settings) -> Calendar:
    """Which days are sessions."""
    hours = settings.session
    return NseCalendar() if hours.calendar == "NSE" else AlwaysOpen(hours.open, hours.close)


def session_for(settings: Settings, day: date, symbol: str) -> Session:
    """The symbol's hours on a day: those of the settings, inside those of the exchange.

    The exit starts ``exit_before_close_s`` before the close. With the NSE calendar it starts by 14:59 and by
    16 minutes before the symbol's own continuous close, which from August 2026 on is 15:15 for shares in the
    closing auction; every symbol is taken to be in it, which is the safe side.

    Raises:
        ConfigError: there is no full session that day, or these hours leave no time to trade in.
    """
    hours, exchange = settings.session, calendar(settings).session(day)
    if exchange is None or not exchange.is_full_length:
        raise ConfigError(f"{symbol} cannot be traded on {day}: {_why_not(calendar(settings), day)}")
    open_ns, close_ns = (_instant_ns(day, at, hours.zone) for at in (hours.open, hours.close))
    end_ns, latest_ns = close_ns, close_ns
    if hours.calendar == "NSE":
        at_exchange = partial(_instant_ns, day, zone=EXCHANGE_ZONE)
        open_ns = max(open_ns, at_exchange(exchange.open))
        close_ns = min(close_ns, at_exchange(exchange.close))
        end_ns = min(close_ns, at_exchange(continuous_close(day, exchange.close)))
        latest_ns = at_exchange(latest_exit_start(day, exchange.close))
    return Session(
        day=day,
        open_ns=open_ns,
        act_from_ns=open_ns + _ns(hours.ignore_initial_s),
        exit_ns=min(close_ns - _ns(hours.exit_before_close_s), latest_ns),
        close_ns=end_ns,
    )


def _instant_ns(day: date, at: time, zone: tzinfo) -> int:
    return int(datetime.combine(day, at, zone).timestamp()) * SECOND_NS


def _why_not(known: Calendar, day: date) -> str:
    closed = known.why_closed(day)
    return "it is a short session, in which setups lapse" if closed is None else f"closed ({closed})"


@dataclass(frozen=True, slots=True)
class Planned:
    """What of some setups can be traded, and what cannot."""

    plans: tuple[Plan, ...]
    left_out: tuple[LeftOut, ...]


def plan_for(settings: Settings, setup: Setup) -> Plan:
    """One setup with its session and its strategy.

    Raises:
        ConfigError: as ``session_for``.
    """
    session = session_for(settings, setup.entry_date, setup.symbol)
    return Plan(setup, session, EightyTwenty(setup, session, strategy_rules(settings)))


def plans_for(
    settings: Settings,
    setups: Iterable[Setup],
    day: date | None = None,
    *,
    skip_bad: bool = False,
    file: Path | None = None,
) -> Planned:
    """The plans of all setups, or of those for ``day``. A setup for a short session lapses.

    ``file`` is where the setups are from, for the words of a refusal.

    Raises:
        ConfigError: setups for days on which the exchange is closed, or which the calendar does not know;
            with ``skip_bad`` they are left out instead. Also as ``session_for``.
    """
    known = calendar(settings)
    plans, left_out, faults = [], [], []
    for setup in setups:
        if day not in (None, setup.entry_date):
            continue
        exchange = known.session(setup.entry_date)
        if exchange is not None and exchange.is_full_length:
            plans.append(plan_for(settings, setup))
            continue
        left_out.append(LeftOut(setup, _why_not(known, setup.entry_date)))
        if exchange is None:
            faults.append(left_out[-1])
    if faults and not skip_bad:
        raise ConfigError(_closed_days(faults, "setups" if file is None else str(file)))
    return Planned(tuple(plans), tuple(left_out))


def _closed_days(faults: Sequence[LeftOut], where: str) -> str:
    lines = [
        f"{where}: {fault.setup.symbol} on {fault.setup.entry_date}, column entry_date: {fault.why}; "
        "correct it, or go on without it by --skip-bad"
        for fault in faults
    ]
    more = len(lines) - FAULTS_SHOWN_MAX
    return "\n".join(lines[:FAULTS_SHOWN_MAX] + ([f"... and {more} more"] if more > 0 else []))


# ------------------------------------------------------------------------------------- files


def open_prices(settings: Settings, source: Source, *, skip_bad: bool = False) -> PriceFolder:
    """The folder of recorded prices.

    Raises:
        ConfigError: it is not there or holds nothing; by its reads later, a file that is not as it should be.
    """
    zone = settings.session.zone
    if isinstance(source, Ticks):
        return TickFolder(source.folder, zone, skip_bad=skip_bad)
    return BarFolder(source.folder, zone, source.span_s, skip_bad=skip_bad)


def load_setups(settings: Settings, path: Path) -> tuple[Setup, ...]:
    """A setups file; where it leaves them blank, the settings give the trigger and the exchange.

    Raises:
        ConfigError: it is not as it should be, with line and column.
    """
    return read_setups(path, Defaults(settings.strategy.trigger_ticks, settings.broker.exchange))


# ------------------------------------------------------------------------------------- the verbs


def prepare_replay(
    settings: Settings, source: Source, setups: Path | Iterable[Setup], *, skip_bad: bool = False
) -> Run:
    """A replay ready to be run, step by step or to its end.

    Raises:
        ConfigError: the setups or the folder of prices are not as they should be.
    """
    file = setups if isinstance(setups, Path) else None
    listed = load_setups(settings, setups) if isinstance(setups, Path) else setups
    planned = plans_for(settings, listed, skip_bad=skip_bad, file=file)
    prices = open_prices(settings, source, skip_bad=skip_bad)
    return Run(planned.plans, prices, conditions(settings), planned.left_out)


def run_replay(
    settings: Settings,
    source: Source,
    setups: Path | Iterable[Setup],
    out: Path | None = None,
    *,
    skip_bad: bool = False,
    observer: Observer | None = None,
) -> RunResult:
    """Replay setups over recorded prices; write the files of the run into ``out`` where it is given.

    Raises:
        ConfigError: anything given is not as it should be. Then nothing is written.
    """
    if out is not None:
        check_folder(out)
    result = prepare_replay(settings, source, setups, skip_bad=skip_bad).finish(observer)
    if out is not None:
        write_run(out, result, settings.session.zone)
    return result


def prepare_backtest(
    settings: Settings,
    daily: Path,
    source: Source,
    span: tuple[date, date],
    *,
    skip_bad: bool = False,
    tick_size: Paise | None = None,
) -> Backtest:
    """A backtest that has scanned the entry days of ``span`` (ends included) and is ready to be run.

    Raises:
        FlagError: there is no session in ``span``.
        ConfigError: either folder, or a daily file, is not as it should be.
    """
    known = _checked(settings, span)
    return backtest(
        DailyFolder(daily, skip_bad=skip_bad),
        open_prices(settings, source, skip_bad=skip_bad),
        Range(*span, known, scan_rules(settings, tick_size)),
        partial(plan_for, settings),
        conditions(settings),
    )


def run_backtest(  # noqa: PLR0913 -- each is a flag of the verb
    settings: Settings,
    daily: Path,
    source: Source,
    span: tuple[date, date],
    out: Path | None = None,
    *,
    skip_bad: bool = False,
    tick_size: Paise | None = None,
    observer: Observer | None = None,
) -> BacktestResult:
    """Scan and replay; write the files of the run, and the setups found, into ``out`` where it is given.

    Raises:
        FlagError: there is no session in ``span``.
        ConfigError: anything given is not as it should be. Then nothing is written.
    """
    if out is not None:
        check_folder(out)
    prepared = prepare_backtest(settings, daily, source, span, skip_bad=skip_bad, tick_size=tick_size)
    result = prepared.finish(observer)
    if out is not None:
        write_run(
            out, result.run, settings.session.zone, lambda folder: _write_found(folder / SETUPS, result.scan)
        )
    return result


def run_scan(  # noqa: PLR0913 -- each is a flag of the verb
    settings: Settings,
    daily: Path,
    span: tuple[date, date],
    out: Path | None = None,
    *,
    is_live: bool = False,
    skip_bad: bool = False,
    tick_size: Paise | None = None,
) -> ScanReport:
    """The setups of a folder of daily bars for the entry days of ``span``; written to ``out`` where given.

    ``is_live`` is for the day to trade, which may lie one session past the newest row of the folder.

    Raises:
        FlagError: there is no session in ``span``.
        ConfigError: the folder or a file of it is not as it should be, or ``out`` cannot be written.
    """
    known = _checked(settings, span)
    folder = DailyFolder(daily, skip_bad=skip_bad)
    report = scan(folder, known, scan_rules(settings, tick_size), *span, live=is_live)
    if out is not None:
        _write_found(out, report)
    return report


def _write_found(path: Path, report: ScanReport) -> None:
    write_setups(path, (hit.setup for hit in report.hits), report.marks)


def _checked(settings: Settings, span: tuple[date, date]) -> Calendar:
    """The calendar, if it has a session in this range of days."""
    known = calendar(settings)
    first, last = span
    if first > last:
        raise FlagError(f"--from {first} must not be later than --to {last}")
    if not any(known.session(first + timedelta(days=n)) for n in range((last - first).days + 1)):
        days = str(first) if first == last else f"{first} to {last}"
        raise FlagError(f"there is no session on {days}: {known.why_closed(first)}")
    return known
