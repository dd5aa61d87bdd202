"""``replay``, ``backtest`` and ``scan`` put together: recorded prices and setups become a run and its files.

It must never decide anything itself, nor be loaded by a live start: it brings numpy and pyarrow with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TypeAlias

from olaf_async.adapters.replay.files import BarFolder, DailyFolder, PriceFolder, TickFolder
from olaf_async.adapters.setups_csv import write_setups
from olaf_async.app.rules import calendar, core_rules, load_setups, paper_rules, plans_for
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.calendar import Calendar
from olaf_async.domain.price import Paise
from olaf_async.domain.setup import Setup
from olaf_async.research.backtest import Backtest, BacktestResult, Range, backtest
from olaf_async.research.results import RunResult
from olaf_async.research.runs import Conditions, Observer, Run
from olaf_async.research.scan import ScanReport, ScanRules, scan
from olaf_async.research.tables import check_folder, write_run
from olaf_async.settings import FlagError, Settings

SETUPS = "setups.csv"
"""What a backtest's scan found, beside the run's own files."""


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


def conditions(settings: Settings) -> Conditions:
    """What every replayed day has in common."""
    latency_ns = settings.paper.latency_ms * SECOND_NS // 1000
    return Conditions(core_rules(settings), paper_rules(settings), latency_ns)


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
        partial(plans_for, settings, skip_bad=True),
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
