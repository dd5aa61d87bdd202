"""Runs of ``replay`` and ``backtest`` as a person sees them: a bar while they go on, a table afterwards."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from olaf_async.cli.invocation import UNSAFE, Invocation
from olaf_async.cli.output import limits, print_files, print_json, shown_path
from olaf_async.domain.intents import Severity
from olaf_async.domain.price import to_text
from olaf_async.research.day_report import headline, safety, trade_table
from olaf_async.research.results import RunResult
from olaf_async.research.runs import Observer, Run
from olaf_async.research.safety_figures import needs_a_person, safety_figures
from olaf_async.research.scan import ScanReport

LOOK_S: Final = 0.1
"""A bar is looked at this often; looking costs the run a sum over all its trades."""

ROWS_MAX: Final = 40
"""More rows than this are for the file, not for the terminal."""


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
        Exit: it left something that needs a person.
    """
    console = invocation.console
    if as_json:
        print_json(console, result, out)
    else:
        settings = invocation.settings
        assert settings is not None, "a run has settings"
        console.print(headline(result, _span_of(result)))
        if result.trades:
            shown = result.trades[-ROWS_MAX:]
            console.print(trade_table(shown, result, settings.session.zone, console.width, has_days=True))
            if len(shown) < len(result.trades):
                console.print(f"[dim]the last {len(shown)} of {len(result.trades):,} trades[/]")
        console.print(safety(safety_figures(result.days), limits(settings), console.width))
        _print_remarks(console, result)
        print_files(console, out)
    if needs_a_person(result):
        raise typer.Exit(UNSAFE)


def _span_of(result: RunResult) -> str:
    days = [day.day for day in result.days]
    if not days:
        return "No day replayed"
    return str(days[0]) if len(days) == 1 else f"{len(days)} days, {days[0]} to {days[-1]}"


def _print_remarks(console: Console, result: RunResult) -> None:
    """What was left out or went wrong: never passed over in silence."""
    for left in result.left_out[:ROWS_MAX]:
        console.print(
            Text(f"left out: {left.setup.symbol} {left.setup.entry_date}: {left.why}", style="yellow"),
            soft_wrap=True,
        )
    for skipped in result.skipped_files:
        console.print(Text(f"skipped: {skipped}", style="yellow"), soft_wrap=True)
    for day in result.days:
        for _, say in day.says:
            if say.severity is not Severity.NOTE:
                style = "bold red" if say.severity is Severity.ALARM else "yellow"
                console.print(
                    Text(f"{say.severity.value} on {day.day}: {say.text}", style=style), soft_wrap=True
                )
        for position in day.unclosed:
            text = (
                f"STILL OPEN on {day.day}: {position.symbol}, {position.direction.word} {position.quantity}"
            )
            console.print(Text(text, style="bold red"), soft_wrap=True)


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
