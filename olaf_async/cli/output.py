"""What verbs print when they are done: where the files are, a result as JSON, how this program is called."""

import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from olaf_async.cli.invocation import ERROR, UNSAFE
from olaf_async.research.metrics import metrics_of
from olaf_async.research.results import RunResult
from olaf_async.research.safety_figures import Check, Limits, checks, needs_a_person, safety_figures
from olaf_async.research.tables import ORDERS, SUMMARY, TRADES, summary_json
from olaf_async.settings import Settings


def command() -> str:
    """How this program was called, so that a suggested line can be typed as it is shown."""
    called = Path(sys.argv[0])
    if called.name != "__main__.py":
        return called.name if shutil.which(called.name) else shlex.quote(shown_path(called))
    python = Path(sys.executable)
    on_path = shutil.which(python.name)
    name = python.name if on_path and Path(on_path) == python else shlex.quote(shown_path(python))
    return f"{name} -m olaf_async"


def shown_path(path: Path) -> str:
    """The shorter way to a path: from here where it lies below here."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def limits(settings: Settings) -> Limits:
    """What the safety figures of a run under these settings are held against."""
    return Limits(settings.strategy.max_attempts, int(settings.risk.unprotected_s_max * 1000))


def checked(result: RunResult, settings: Settings) -> tuple[Check, ...]:
    """The verdicts on a run; they decide about exit code 4 as they decide about what is shown."""
    return checks(safety_figures(result.days), limits(settings))


def exit_as(result: RunResult, verdicts: Sequence[Check]) -> None:
    """End the program where the run was not fine.

    Raises:
        Exit: it left something that needs a person, or not one of its setups could be replayed.
    """
    if needs_a_person(verdicts):
        raise typer.Exit(UNSAFE)
    if result.left_out and not result.days:
        raise typer.Exit(ERROR)


def print_files(console: Console, out: Path) -> None:
    """Where the run was written."""
    text = Text("written to   ", style="dim")
    text.append(f"{shown_path(out)}/", style="bold")
    text.append(f"{TRADES}, {ORDERS}, {SUMMARY}")
    console.print(text, soft_wrap=True)


def print_json(console: Console, result: RunResult, out: Path, settings: Settings) -> None:
    """The summary as it was written, with the safety figures, the metrics and the folder beside it."""
    figures = safety_figures(result.days)
    more = {
        "safety": {
            "entries_max": max(figures.entries.values(), default=0),
            "stops_needed": figures.stops_needed,
            "stops_at_once": figures.stops_at_once,
            "duplicate_entries": figures.duplicate_entries,
            "emergency_stops": figures.emergency_stops,
            "off_tick_prices": figures.off_tick,
            "unprotected_ms": list(figures.unprotected_ms),
            "orders_refused": figures.refused,
            "symbols_frozen": figures.frozen,
            "alarms": figures.alarms,
            "positions_open": figures.still_open,
        },
        "metrics": {each.name: each.value for each in metrics_of(figures, limits(settings))},
        "out": str(out),
    }
    beginning = summary_json(result).rstrip().removesuffix("}").rstrip()
    console.out(beginning + ",\n" + json.dumps(more, indent=2).removeprefix("{\n"), highlight=False)
