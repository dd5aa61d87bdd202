"""The paper day while it runs: one screenful, made anew for each moment.

Owns the look. It is a function of the scene and the room there is; it never reads a clock and never prints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from olaf_async.domain.price import Paise, to_text
from olaf_async.research.day_story import Line, Mood, money
from olaf_async.research.paper_day import Scene, SymbolScene

WIDTH_MAX = 100
STYLES = {
    Mood.QUIET: "dim",
    Mood.PLAIN: "default",
    Mood.GOOD: "green",
    Mood.BAD: "red",
    Mood.ALARM: "bold white on red",
}
_BLOCKS = "▁▂▃▄▅▆▇█"
_NS_PER_S = 1_000_000_000
_ROWS_BESIDE_LINES = 10
_ROWS_OF_LINES_MAX = 14


@dataclass(frozen=True, slots=True)
class Stage:
    """What does not change while the day runs."""

    title: str
    zone: tzinfo
    open_ns: int
    close_ns: int
    width: int
    height: int


def screen(scene: Scene, stage: Stage) -> RenderableType:
    """The screenful."""
    rows = min(_ROWS_OF_LINES_MAX, max(3, stage.height - _ROWS_BESIDE_LINES - len(scene.symbols)))
    body = Group(
        _clock(scene, stage),
        Text(),
        _symbols(scene, stage),
        Text(),
        _sums(scene),
        Rule(style="dim"),
        _lines(scene.lines, rows, stage.zone),
    )
    return Panel(
        body,
        title=Text(stage.title, style="bold not dim"),
        title_align="left",
        subtitle=Text("Ctrl-C ends it", style="dim"),
        subtitle_align="right",
        border_style="dim",
        padding=(0, 1),
        width=min(stage.width, WIDTH_MAX),
    )


def told(line: Line, zone: tzinfo) -> Text:
    """One line of the story."""
    clock = f"{datetime.fromtimestamp(line.at_ns // _NS_PER_S, zone):%H:%M:%S} "
    text = Text.assemble((clock, "dim"), (f"{line.symbol:<10} ", "bold"), (line.text, STYLES[line.mood]))
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _clock(scene: Scene, stage: Stage) -> RenderableType:
    now = datetime.fromtimestamp(scene.at_ns // _NS_PER_S, stage.zone)
    ends = [datetime.fromtimestamp(ns // _NS_PER_S, stage.zone) for ns in (stage.open_ns, stage.close_ns)]
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True)
    bar = ProgressBar(
        total=stage.close_ns - stage.open_ns,
        completed=scene.at_ns - stage.open_ns,
        complete_style="cyan",
        finished_style="cyan",
        style="dim",
    )
    grid.add_row(Text(f"{now:%H:%M:%S} ", style="bold cyan"), f"{ends[0]:%H:%M}", bar, f"{ends[1]:%H:%M}")
    return grid


def _symbols(scene: Scene, stage: Stage) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        expand=True,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="dim",
        border_style="dim",
    )
    table.add_column("Symbol", no_wrap=True)
    table.add_column("Last", justify="right", no_wrap=True)
    table.add_column("Day", no_wrap=True)
    table.add_column("Doing", no_wrap=True, ratio=1)
    table.add_column("Stop", justify="right", no_wrap=True, min_width=7)
    table.add_column("Net", justify="right", no_wrap=True, min_width=9)
    width = max(6, min(24, stage.width - 74))
    for symbol in scene.symbols:
        table.add_row(*_symbol_cells(symbol, width, _share(scene, stage)))
    return table


def _share(scene: Scene, stage: Stage) -> float:
    """How much of the day is over."""
    return min(1.0, max(0.0, (scene.at_ns - stage.open_ns) / (stage.close_ns - stage.open_ns)))


def _symbol_cells(symbol: SymbolScene, width: int, share: float) -> tuple[RenderableType, ...]:
    last = to_text(symbol.prices[-1]) if symbol.prices else "–"
    stop = Text(to_text(symbol.stop) if symbol.stop else "–", style="red" if symbol.stop else "dim")
    return (
        Text(symbol.symbol, style="bold"),
        last,
        Text(sparkline(symbol.prices, max(1, round(width * share))).ljust(width), style="cyan"),
        Text(symbol.doing, style="default" if symbol.is_held else "dim"),
        stop,
        Text(money(symbol.net), style=_colour(symbol.net)),
    )


def sparkline(prices: Sequence[Paise], width: int) -> str:
    """The prices as blocks, at most ``width`` of them, the last of each share of the row standing for it."""
    if not prices:
        return ""
    width = min(width, len(prices))
    shown = [prices[(index + 1) * len(prices) // width - 1] for index in range(width)]
    low, high = min(shown), max(shown)
    steps = len(_BLOCKS) - 1
    return "".join(_BLOCKS[(price - low) * steps // max(1, high - low)] for price in shown)


def _sums(scene: Scene) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    for name, value in (("realised", scene.realised), ("open", scene.open_gross)):
        text.append(f"{name} ", style="dim")
        text.append(f"{money(value)}  ", style=_colour(value))
    for name, number in (("orders", scene.orders_working), ("trades", scene.trades), ("ticks", scene.ticks)):
        text.append(f"{name} ", style="dim")
        text.append(f"{number:,}", style="bold")
        text.append("  " if name != "ticks" else f" ({_speed(scene.ticks_per_s)})", style="dim")
    return text


def _speed(ticks_per_s: int) -> str:
    return f"{ticks_per_s // 1000:,}k/s" if ticks_per_s >= 10_000 else f"{ticks_per_s:,}/s"


def _lines(lines: Sequence[Line], rows: int, zone: tzinfo) -> RenderableType:
    shown = [told(line, zone) for line in lines[-rows:]]
    return Group(*shown, *(Text("") for _ in range(rows - len(shown))))


def _colour(paise: Paise) -> str:
    return "green" if paise > 0 else "red" if paise < 0 else "dim"
