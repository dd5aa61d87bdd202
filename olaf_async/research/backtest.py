"""A backtest: the scan of a range of days, and the replay of what it found.

Owns the joint of the two and nothing of either. It must never look at an intraday price before the replay
does: days without a setup are not read at all, and a setup without prices is the run's to report.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from olaf_async.adapters.replay.files import DailyFolder, PriceFolder
from olaf_async.domain.calendar import Calendar
from olaf_async.domain.setup import Setup
from olaf_async.research.results import Planned, RunResult
from olaf_async.research.runs import Conditions, Observer, Run
from olaf_async.research.scan import ScanReport, ScanRules, scan


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """What the scan found and what became of it."""

    scan: ScanReport
    run: RunResult


@dataclass(frozen=True, slots=True)
class Backtest:
    """A finished scan with the run of its setups, which may be taken step by step."""

    scan: ScanReport
    run: Run

    def finish(self, observer: Observer | None = None) -> BacktestResult:
        """Run to the end and return both results."""
        return BacktestResult(self.scan, self.run.finish(observer))


@dataclass(frozen=True, slots=True)
class Range:
    """The entry days a backtest is over, ends included, and what is scanned for on them."""

    first: date
    last: date
    calendar: Calendar
    rules: ScanRules


def backtest(
    daily: DailyFolder,
    prices: PriceFolder,
    span: Range,
    plan: Callable[[Iterable[Setup]], Planned],
    conditions: Conditions,
) -> Backtest:
    """Scan now; the run is ready to be started. ``plan`` makes a symbol's day of each setup it can.

    Raises:
        ConfigError: a daily file that is not as the contract says (unless the folder skips bad ones).
    """
    report = scan(daily, span.calendar, span.rules, span.first, span.last)
    planned = plan(hit.setup for hit in report.hits)
    run = Run(planned.plans, prices, conditions, planned.left_out, skipped_files=report.skipped)
    return Backtest(report, run)
