"""``live``: flags in, the checks and the day as they go, the report and the files at the end.

Owns what a person sees. On a terminal that is a picture, made anew each second; elsewhere plain lines, and
the log on standard error. It must never slow the engine down: what it shows is made once a second, whatever
happens meanwhile.
"""

import os
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from olaf_async.cli.invocation import UNSAFE, Invocation
from olaf_async.cli.options import AsJson, Config, Sets, read_day
from olaf_async.cli.running import logging_to, print_finding, run_on_loop

if TYPE_CHECKING:
    from rich.console import Console

    from olaf_async.adapters.openalgo.checks import Finding
    from olaf_async.app.live import Ended
    from olaf_async.ports.clock import Clock
    from olaf_async.research.live_day import LiveDay
    from olaf_async.research.results import Planned, RunResult
    from olaf_async.settings import Settings

LOOK_NS: Final = 1_000_000_000
"""Between two pictures of the day."""

_NS_PER_S = 1_000_000_000


def live(
    context: typer.Context,
    *,
    setups: Annotated[
        Path | None,
        typer.Option("--setups", metavar="FILE", help="Setups to trade; else the setting setups_file."),
    ] = None,
    day: Annotated[
        date | None,
        typer.Option("--date", parser=read_day, metavar="DAY", help="The day to trade; else today."),
    ] = None,
    config: Config = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Trade today's setups through OpenAlgo, or on paper at its prices (mode = paper)."""
    invocation = context.ensure_object(Invocation)
    settings = invocation.load(config, sets)
    chosen = setups or settings.setups_file
    if chosen is None:
        raise typer.BadParameter("give a setups file, or set setups_file", param_hint="--setups")
    from olaf_async.adapters.clock import SystemClock
    from olaf_async.app.connections import today
    from olaf_async.app.live import plans_of_day

    day = day or today(settings, SystemClock())
    planned = plans_of_day(settings, chosen, day)
    out = _free_folder(settings.journal.dir, day)
    _check_folder(out)
    watcher = _Lines(invocation, settings, is_quiet=as_json)
    if not as_json and invocation.console.is_terminal and not invocation.console.is_dumb_terminal:
        watcher = _Picture(invocation, settings)
    # A picture leaves no room for the log, which is in the file, and whose warnings are in the picture.
    is_drawn = isinstance(watcher, _Picture)
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        logging_to(nowhere if is_drawn else sys.stderr, settings),
    ):
        ended = _run(settings, planned, day, watcher)
    _report(invocation, settings, ended, out, as_json=as_json)


def _free_folder(parent: Path, day: date) -> Path:
    """Where the day is written: a second run of one day leaves the files of the first alone."""
    runs = (parent / (f"{day}-{number}" if number > 1 else str(day)) for number in range(1, sys.maxsize))
    return next(folder for folder in runs if not folder.exists())


def _check_folder(out: Path) -> None:
    from olaf_async.research.tables import check_folder

    check_folder(out)


def _run(settings: "Settings", planned: "Planned", day: date, watcher: "_Lines") -> "Ended":
    from olaf_async.app.live import LiveRun, StopSwitch
    from olaf_async.shell.signals import stop_on_signals

    async def main() -> "Ended":
        stop = StopSwitch()
        run = LiveRun(settings, planned, day, watcher, stop)
        with stop_on_signals(stop):
            return await run.run()

    return run_on_loop(main)


# ------------------------------------------------------------------------------------------------- watching


class _Lines:
    """The checks and the day in plain lines; with ``is_quiet`` the checks go to standard error alone."""

    def __init__(self, invocation: Invocation, settings: "Settings", *, is_quiet: bool = False) -> None:
        self._settings = settings
        self._is_quiet = is_quiet
        self._out: Console = invocation.errors if is_quiet else invocation.console

    def found(self, finding: "Finding") -> None:
        """See Watcher."""
        print_finding(self._out, finding)

    def waits(self, until_ns: int) -> None:
        """See Watcher."""
        at = datetime.fromtimestamp(until_ns // _NS_PER_S, self._settings.session.zone)
        self._out.print(
            f"Ready. Waits until {at:%Y-%m-%d %H:%M:%S}, shortly before the open. Ctrl-C ends it."
        )

    async def watch(self, day: "LiveDay", clock: "Clock") -> None:
        """See Watcher."""
        from olaf_async.cli.screen import told
        from olaf_async.research.day_story import story

        shown = 0
        while not self._is_quiet:
            lines = story(day.result(clock.now_ns()).days[0])
            for line in lines[shown:]:
                self._out.print(told(line, self._settings.session.zone), soft_wrap=True)
            shown = len(lines)
            await clock.sleep_until_ns(clock.now_ns() + LOOK_NS)


class _Picture(_Lines):
    """The checks in lines, the day as a picture of the whole terminal."""

    async def watch(self, day: "LiveDay", clock: "Clock") -> None:
        """See Watcher."""
        from rich.live import Live

        from olaf_async.cli.screen import Stage, screen

        sessions = [plan.session for plan in day.plans]
        window_ns = int(self._settings.strategy.trigger_window_s * _NS_PER_S)
        ticks = day.ticks
        with Live(console=self._out, auto_refresh=False, transient=True) as picture:
            while True:
                stage = Stage(
                    title=_title(self._settings, day.day),
                    zone=self._settings.session.zone,
                    open_ns=min(session.open_ns for session in sessions),
                    close_ns=max(session.close_ns for session in sessions),
                    width=self._out.width,
                    height=self._out.height,
                )
                scene = day.scene(clock.now_ns(), window_ns, (day.ticks - ticks) * _NS_PER_S // LOOK_NS)
                ticks = day.ticks
                picture.update(screen(scene, stage), refresh=True)
                await clock.sleep_until_ns(clock.now_ns() + LOOK_NS)


def _title(settings: "Settings", day: date) -> str:
    money = "orders go to OpenAlgo" if settings.mode == "live" else "live prices, paper money"
    return f"Live · {day:%A} {day.day} {day:%B %Y} · {money}"


# ------------------------------------------------------------------------------------------------- the end


def _report(
    invocation: Invocation, settings: "Settings", ended: "Ended", out: Path, *, as_json: bool
) -> None:
    """Write and print what the day has brought.

    Raises:
        Exit: always, where the exit code is not 0.
    """
    code = ended.exit_code
    if ended.result is None or ended.day is None:
        (invocation.errors if as_json else invocation.console).print(ended.why)
    else:
        from olaf_async.cli.output import checked, print_files, print_json
        from olaf_async.research.safety_figures import needs_a_person
        from olaf_async.research.tables import write_run

        write_run(out, ended.result, settings.session.zone)
        if as_json:
            print_json(invocation.console, ended.result, out, settings)
        else:
            _print_day(invocation.console, settings, ended.day, ended.result)
            print_files(invocation.console, out)
        if needs_a_person(checked(ended.result, settings)):
            code = UNSAFE
    if code:
        raise typer.Exit(code)


def _print_day(console: "Console", settings: "Settings", day: "LiveDay", result: "RunResult") -> None:
    from olaf_async.cli.output import limits
    from olaf_async.cli.screen import WIDTH_MAX
    from olaf_async.research.day_report import ReportFrame, day_report

    frame = ReportFrame(
        title=_title(settings, day.day),
        zone=settings.session.zone,
        width=min(console.width, WIDTH_MAX),
        limits=limits(settings),
        is_drawn=console.encoding.lower().startswith("utf"),
    )
    console.print(day_report(result, day.columns(), frame), width=frame.width)
