"""``record``: flags in, a line that says how it goes, and an orderly end on Ctrl-C or SIGTERM."""

import io
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from olaf_async.cli.invocation import Invocation
from olaf_async.cli.options import AsJson, Config, Sets
from olaf_async.cli.running import logging_to, print_finding, run_on_loop

if TYPE_CHECKING:
    from rich.console import Console

    from olaf_async.adapters.openalgo.checks import Finding
    from olaf_async.adapters.recorder import TickRecorder
    from olaf_async.app.record import Recorded
    from olaf_async.ports.clock import Clock
    from olaf_async.settings import Settings

SECOND_NS: Final = 1_000_000_000
LOOK_NS: Final = SECOND_NS
"""Between two looks at the recording, on a terminal."""
LINE_NS: Final = 60 * SECOND_NS
"""The same elsewhere, where each look is a line of its own."""


def record(  # noqa: PLR0913 -- one parameter for each flag
    context: typer.Context,
    *,
    symbols: Annotated[
        str | None,
        typer.Option("--symbols", metavar="LIST", help="Symbols, by comma, or a file with one a line."),
    ] = None,
    setups: Annotated[
        Path | None, typer.Option("--setups", metavar="FILE", help="Record the symbols of these setups.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Where DIR/SYMBOL/DAY.parquet is written; else ticks in journal.dir."
        ),
    ] = None,
    config: Config = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Record live prices from OpenAlgo as files that replay reads, until stopped."""
    invocation = context.ensure_object(Invocation)
    settings = invocation.load(config, sets)
    names = _names(settings, symbols, setups)
    chosen = out or settings.journal.dir / "ticks"
    console = invocation.errors
    onlooker = _Onlooker(console)
    with logging_to(_Above(console) if console.is_terminal else sys.stderr, settings):
        ended = _run(settings, names, chosen, onlooker)
    if as_json:
        typer.echo(json.dumps({"ticks": ended.ticks, "out": str(chosen)}))
    elif ended.ticks:
        from olaf_async.cli.output import shown_path

        console.print(f"{ended.ticks:,} ticks in {shown_path(chosen)}/", markup=False, soft_wrap=True)
    if ended.why:
        console.print(ended.why, style="bold red", markup=False)
    if ended.exit_code:
        raise typer.Exit(ended.exit_code)


def _names(settings: "Settings", symbols: str | None, setups: Path | None) -> tuple[str, ...]:
    if (symbols is None) == (setups is None):
        raise typer.BadParameter("give one of --symbols and --setups")
    if symbols is not None:
        from olaf_async.app.serve import read_symbols

        return tuple(read_symbols(symbols))
    from olaf_async.app.rules import load_setups

    assert setups is not None
    return tuple(sorted({setup.symbol for setup in load_setups(settings, setups)}))


def _run(settings: "Settings", names: tuple[str, ...], out: Path, onlooker: "_Onlooker") -> "Recorded":
    import pyarrow.parquet  # noqa: F401 -- now, lest the first flush hold the prices up

    from olaf_async.app.record import RecordRun, StopSignal
    from olaf_async.shell.signals import stop_on_signals

    async def main() -> "Recorded":
        stop = StopSignal()
        run = RecordRun(settings, names, out, onlooker, stop)
        with stop_on_signals(stop):
            return await run.run()

    return run_on_loop(main)


class _Onlooker:
    """The checks in lines; how the recording goes in one line that is renewed, or on one a minute."""

    def __init__(self, console: "Console") -> None:
        self._console = console

    def found(self, finding: "Finding") -> None:
        """See Onlooker."""
        print_finding(self._console, finding)

    async def watch(self, recorder: "TickRecorder", clock: "Clock") -> None:
        """See Onlooker."""
        is_drawn = self._console.is_terminal and not self._console.is_dumb_terminal
        every_ns = LOOK_NS if is_drawn else LINE_NS
        status = self._console.status("") if is_drawn else None
        with status or nullcontext():
            taken, at_ns = recorder.taken, clock.now_ns()
            while True:
                await clock.sleep_until_ns(at_ns + every_ns)
                now_ns = clock.now_ns()
                speed = (recorder.taken - taken) * SECOND_NS // (now_ns - at_ns)
                told = f"recording: {recorder.taken:,} ticks, {speed:,}/s"
                taken, at_ns = recorder.taken, now_ns
                if status is None:
                    self._console.print(told)
                else:
                    status.update(f"{told}. Ctrl-C ends it.")


class _Above(io.StringIO):
    """A stream for the log: its lines appear above the one that is renewed."""

    def __init__(self, console: "Console") -> None:
        super().__init__()
        self._console = console

    def write(self, text: str) -> int:
        """Print, as it is."""
        self._console.out(text, end="", highlight=False)
        return len(text)
