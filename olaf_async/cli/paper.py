"""No verb: one paper day on the bundled market, shown as it goes, then the day report.

Owns the pace at which a person sees the day; the engine is one happening ahead of what is shown. Where nobody
watches (a pipe, CI, ``--fast``) the same day is told in plain lines at once.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from olaf_async.adapters.replay.files import PriceColumns
from olaf_async.app.replay import Bars, open_prices, prepare_replay
from olaf_async.app.rules import load_setups, session_for
from olaf_async.cli.invocation import Invocation
from olaf_async.cli.output import checked, command, exit_as, limits, print_files, print_json, shown_path
from olaf_async.cli.screen import WIDTH_MAX, Stage, screen, told
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.setup import Setup
from olaf_async.research.day_report import ReportFrame, day_report
from olaf_async.research.day_story import story
from olaf_async.research.paper_day import DAYS_WITH_TRADES, PAPER_DAY, SAMPLE, Director, Stretch, stretches
from olaf_async.research.results import RunResult
from olaf_async.research.runs import Run
from olaf_async.research.tables import check_folder, write_run
from olaf_async.settings import Settings

DAY_S: Final = 2.6
"""Seconds in which the clock of the day goes round, where nothing happens."""

LINE_S: Final = 0.1
"""Seconds a new line is given to be read."""

LINES_S_MAX: Final = 2.4
"""Seconds for all lines together: the whole run stays under ten seconds on a slow machine too."""

FRAME_S: Final = 1 / 20

NOT_LIVE: Final = (
    "The settings say mode = live; this is the paper day all the same: the bundled sample, and no order"
    " leaves this machine."
)


def run_paper_day(  # noqa: PLR0913 -- one parameter for each flag
    invocation: Invocation,
    *,
    day: date | None,
    is_fast: bool,
    out: Path | None,
    config: Path | None,
    sets: Sequence[str] | None,
    as_json: bool,
) -> None:
    """Run the paper day and report it.

    Raises:
        ConfigError: a setting is wrong, or the folder cannot be written to.
        Exit: as ``exit_as``.
    """
    settings = invocation.load(config, sets, SAMPLE / "settings.toml")
    if settings.mode == "live":
        invocation.errors.print(NOT_LIVE, style="yellow")
    chosen = day or PAPER_DAY
    setups = _setups(settings, chosen)
    out = out or settings.journal.dir / "paper" / str(chosen)
    check_folder(out)
    source = Bars(SAMPLE / "bars")
    run = prepare_replay(settings, source, setups)
    folder = open_prices(settings, source)
    prices = {
        setup.symbol: columns
        for setup in setups
        if (columns := folder.read(setup.symbol, chosen)) is not None
    }
    title = f"Paper day · {chosen:%A} {chosen.day} {chosen:%B %Y} · real prices, paper money"
    console = invocation.console
    is_watched = console.is_terminal and not console.is_dumb_terminal and not is_fast and not as_json
    if is_watched:
        _show(console, run, _director(settings, setups, prices), _stage(console, settings, setups, title))
    else:
        run.finish()
    result = run.result()
    write_run(out, result, settings.session.zone)
    if as_json:
        print_json(console, result, out, settings)
    else:
        if not is_watched:
            _tell(console, result, settings)
        _report(console, result, prices, settings, title)
        print_files(console, out)
        _next_steps(console, chosen)
    exit_as(result, checked(result, settings))


def _setups(settings: Settings, day: date) -> tuple[Setup, ...]:
    listed = load_setups(settings, SAMPLE / "setups.csv")
    chosen = tuple(setup for setup in listed if setup.entry_date == day)
    if not chosen:
        days = ", ".join(str(each) for each in sorted({setup.entry_date for setup in listed}))
        raise typer.BadParameter(f"the sample has no setup for {day}, but for {days}", param_hint="--day")
    return chosen


# ------------------------------------------------------------------------------------------------- watching


@dataclass(slots=True)
class Pace:
    """When each moment of the day is due on the wall: evenly, with time to read what has happened.

    ``clock`` and ``sleep`` are of the wall, in seconds.
    """

    open_ns: int
    close_ns: int
    clock: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep
    _began_s: float = 0.0
    _read_s: float = 0.0

    def begin(self) -> None:
        """The day opens now."""
        self._began_s = self.clock()

    def moments(self, stretch: Stretch, *, has_news: bool) -> Iterator[int]:
        """The moments of a stretch to be shown, each when it is due; those already missed are left out."""
        span_ns = self.close_ns - self.open_ns
        step_ns = int(span_ns * FRAME_S / DAY_S)
        first = -(-(stretch.from_ns - self.open_ns) // step_ns)
        if has_news:
            yield stretch.from_ns
            self._read_s = min(LINES_S_MAX, self._read_s + LINE_S)
        for at_ns in range(self.open_ns + first * step_ns, stretch.until_ns, step_ns):
            late_s = self.clock() - self._due_s(at_ns)
            if late_s < FRAME_S:
                self.sleep(max(0.0, -late_s))
                yield at_ns

    def _due_s(self, at_ns: int) -> float:
        return self._began_s + self._read_s + DAY_S * (at_ns - self.open_ns) / (self.close_ns - self.open_ns)


def _show(console: Console, run: Run, director: Director, stage: Stage) -> None:
    """Run the day with a picture of it on the terminal."""
    pace = Pace(stage.open_ns, stage.close_ns)
    told_lines = 0
    pace.begin()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        for stretch in stretches(run, stage.close_ns):
            lines = len(director.scene(stretch, stretch.from_ns).lines)
            for at_ns in pace.moments(stretch, has_news=lines > told_lines):
                live.update(screen(director.scene(stretch, at_ns), stage), refresh=True)
            told_lines = lines


def _director(settings: Settings, setups: Sequence[Setup], prices: Mapping[str, PriceColumns]) -> Director:
    sessions = {setup.symbol: session_for(settings, setup.entry_date, setup.symbol) for setup in setups}
    return Director(setups, sessions, prices, int(settings.strategy.trigger_window_s * SECOND_NS))


def _stage(console: Console, settings: Settings, setups: Sequence[Setup], title: str) -> Stage:
    session = session_for(settings, setups[0].entry_date, setups[0].symbol)
    return Stage(
        title=title,
        zone=settings.session.zone,
        open_ns=session.open_ns,
        close_ns=session.close_ns,
        width=console.width,
        height=console.height,
    )


# ------------------------------------------------------------------------------------------------- telling


def _tell(console: Console, result: RunResult, settings: Settings) -> None:
    """The day in plain lines."""
    for each in result.days:
        for line in story(each):
            console.print(told(line, settings.session.zone), soft_wrap=True)


def _report(
    console: Console, result: RunResult, prices: Mapping[str, PriceColumns], settings: Settings, title: str
) -> None:
    frame = ReportFrame(
        title=title,
        zone=settings.session.zone,
        width=min(console.width, WIDTH_MAX),
        limits=limits(settings),
        is_drawn=console.encoding.lower().startswith("utf"),
        rules=_rules(settings),
    )
    by_day = {(symbol, columns.day): columns for symbol, columns in prices.items()}
    console.print(day_report(result, by_day, frame), width=frame.width)


def _rules(settings: Settings) -> str:
    """The settings that shape the day most, and whose they are: they are not the defaults."""
    keys = ("strategy.trail_bar_s", "risk.quantity", "paper.latency_ms")
    sample = str(SAMPLE / "settings.toml")
    whose = "Sample" if all(settings.origin(key) == sample for key in keys) else "Your"
    return (
        f"{whose} rules: {_span(settings.strategy.trail_bar_s)} bars, "
        f"{settings.risk.quantity:,} shares an entry, broker answers in {settings.paper.latency_ms} ms"
    )


def _span(seconds: Decimal) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{seconds.normalize():f}-second" if rest else f"{minutes.normalize():f}-minute"


def _next_steps(console: Console, shown: date) -> None:
    """Commands that work from here, as they were meant to be typed."""
    olaf, sample = command(), shown_path(SAMPLE)
    later = [day for day in DAYS_WITH_TRADES if day > shown] or DAYS_WITH_TRADES
    files = f"--config {sample}/settings.toml --daily {sample}/daily --bars {sample}/bars"
    steps = (
        ("another day", f"{olaf} --day {later[0]}"),
        ("other rules", f"{olaf} --set strategy.trail_bar_s=900"),
        ("three weeks", f"{olaf} backtest {files} --from 2015-01-14 --to 2015-02-03"),
    )
    for what, line in steps:
        console.print(Text.assemble((f"{what:<12} ", "dim"), line), soft_wrap=True)
