"""Runs of ``replay`` and ``backtest`` as a person sees them: a bar while they go on, a table afterwards."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Final

from rich import box
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from olaf_async.cli.invocation import Invocation
from olaf_async.cli.output import checked, exit_as, print_files, print_json, shown_path
from olaf_async.domain.intents import Severity
from olaf_async.domain.price import to_text
from olaf_async.research.day_report import headline, safety, trade_table
from olaf_async.research.results import LeftOut, RunResult
from olaf_async.research.runs import Observer, Run
from olaf_async.research.scan import ScanReport

LOOK_S: Final = 0.1
"""A bar is looked at this often; looking costs the run a sum over all its trades."""

ROWS_MAX: Final = 40
"""More rows than this are for the file, not for the terminal."""

NAMES_MAX: Final = 5
"""More names than this in one line are counted, not read."""


@contextmanager
def watched(invocation: Invocation) -> Iterator[Observer | None]:
    """An observer that shows the result so far on standard error; None where nobody watches."""
    console = invocation.errors
    if not console.is_terminal or console.is_dumb_terminal:
        yield None
        return
    columns = (TextColumn("days"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        yield _observer(bar)


def _observer(bar: Progress, clock: Callable[[], float] = time.monotonic) -> Observer:
    task = bar.add_task("days", total=None, told="")
    due_s = 0.0

    def look(run: Run) -> None:
        nonlocal due_s
        if clock() < due_s:
            return
        progress = run.progress()
        told = f"{len(progress.so_far.trades):,} trades, net {to_text(progress.net)}"
        bar.update(task, total=progress.days_total, completed=progress.days_done, told=told)
        due_s = clock() + LOOK_S

    return look


def finish(invocation: Invocation, result: RunResult, out: Path, *, as_json: bool) -> None:
    """Print what a run has brought.

    Raises:
        Exit: as ``exit_as``.
    """
    console, settings = invocation.console, invocation.settings
    assert settings is not None, "a run has settings"
    verdicts = checked(result, settings)
    if as_json:
        print_json(console, result, out, settings)
    else:
        console.print(headline(result, _span_of(result)))
        if result.trades:
            shown = result.trades[-ROWS_MAX:]
            console.print(trade_table(shown, result, settings.session.zone, console.width, has_days=True))
            if len(shown) < len(result.trades):
                console.print(f"[dim]the last {len(shown)} of {len(result.trades):,} trades[/]")
        if result.days:
            console.print(safety(verdicts, console.width))
        for remark in _remarks(result):
            console.print(remark, soft_wrap=True)
        print_files(console, out)
    exit_as(result, verdicts)


def _span_of(result: RunResult) -> str:
    days = [day.day for day in result.days]
    if not days:
        return "No day"
    return str(days[0]) if len(days) == 1 else f"{len(days)} days, {days[0]} to {days[-1]}"


def _remarks(result: RunResult) -> Iterator[Text]:
    """What was left out or went wrong: never passed over in silence, and nothing twice."""
    by_why: dict[str, list[LeftOut]] = {}
    for left in result.left_out:
        by_why.setdefault(left.why, []).append(left)
    for why, alike in by_why.items():
        names = [f"{left.setup.symbol} {left.setup.entry_date}" for left in alike]
        yield Text(f"left out: {_listed(names)}: {why}", style="yellow")
    for skipped in result.skipped_files:
        yield Text(f"skipped: {skipped}", style="yellow")
    yield from _said(result)
    for day in result.days:
        for position in day.unclosed:
            text = (
                f"STILL OPEN on {day.day}: {position.symbol}, {position.direction.word} {position.quantity}"
            )
            yield Text(text, style="bold red")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMES_MAX
    return ", ".join(names[:NAMES_MAX]) + (f" and {more:,} more" if more > 0 else "")


def _said(result: RunResult) -> Iterator[Text]:
    """Warnings and alarms, those of one kind in one line: the first of them, and how often."""
    alike: dict[tuple[Severity, str], list[tuple[date, str]]] = {}
    for day in result.days:
        for _, say in day.says:
            if say.severity is not Severity.NOTE:
                alike.setdefault((say.severity, say.code), []).append((day.day, say.text))
    for (severity, _), found in alike.items():
        first_day, first = found[0]
        again = f" (and {len(found) - 1:,} more like it)" if len(found) > 1 else ""
        style = "bold red" if severity is Severity.ALARM else "yellow"
        yield Text(f"{severity.value} on {first_day}: {first}{again}", style=style)


def print_scan(invocation: Invocation, report: ScanReport, out: Path | None) -> None:
    """The setups found, and what was passed over for which reason."""
    console = invocation.console
    if report.hits:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        for name in ("Day", "Symbol", "Side"):
            table.add_column(name, no_wrap=True)
        for name in ("Undercut at", "Entry at", "True range", "Tick"):
            table.add_column(name, justify="right", no_wrap=True)
        for hit in report.hits[-ROWS_MAX:]:
            setup = hit.setup
            prices = (setup.trigger_price, setup.entry_price, setup.true_range, setup.tick_size)
            table.add_row(
                str(setup.entry_date),
                setup.symbol,
                setup.direction.word,
                *(to_text(price) for price in prices),
            )
        console.print(table)
    shown = min(ROWS_MAX, len(report.hits))
    last = f", the last {shown} shown" if shown < len(report.hits) else ""
    console.print(f"{len(report.hits):,} setups in {report.symbol_days:,} symbol-days{last}.")
    for reason, count in sorted(report.drop_counts.items()):
        console.print(Text(f"passed over {count:,}: {reason.value}", style="dim"), soft_wrap=True)
    for skipped in report.skipped:
        console.print(Text(f"skipped: {skipped}", style="yellow"), soft_wrap=True)
    if out is not None:
        console.print(Text(f"written to {shown_path(out)}", style="bold"), soft_wrap=True)
