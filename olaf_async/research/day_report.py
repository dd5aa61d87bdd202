"""The day report: what a person reads when a replayed day is over.

Owns the arrangement of headline, trades, pictures and safety figures as rich renderables. It never prints and
never computes money: every number comes from the result, so the same result always gives the same report.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import TypeAlias

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from olaf_async.adapters.replay.files import PriceColumns
from olaf_async.domain.price import Paise, to_text
from olaf_async.domain.trade import ExitReason
from olaf_async.research.day_story import REASONS, average, money, r_multiple, r_text
from olaf_async.research.results import DayResult, RunResult, TradeRecord
from olaf_async.research.safety_figures import (
    Check,
    Limits,
    Verdict,
    checks,
    needs_a_person,
    safety_figures,
)
from olaf_async.research.trade_chart import WIDTH_MIN, chart, stop_steps

CHARTS_MAX = 6
"""More pictures than this are no longer a report but a book."""

OPEN_SHOWN_MAX = 4
"""More open positions than this are counted and not named."""

Prices: TypeAlias = Mapping[tuple[str, date], PriceColumns]
"""The prices of a symbol on a day."""

_ROOMY = 92
"""Columns from which on a table may breathe."""

_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class ReportFrame:
    """What a report needs beside the result: names, the zone of its times, the room it has.

    ``is_drawn`` says whether the terminal can show the letters pictures are made of; ``rules`` is a line on
    what the day was traded by.
    """

    title: str
    zone: tzinfo
    width: int
    limits: Limits
    is_drawn: bool = True
    rules: str = ""


def day_report(result: RunResult, prices: Prices, frame: ReportFrame) -> RenderableType:
    """The whole report; ``prices`` are by symbol and day, and a trade without any gets no picture."""
    parts: list[RenderableType] = [headline(result, frame.title, frame.rules)]
    if result.trades:
        parts.append(Text())
        parts.append(
            trade_table(result.trades, result, frame.zone, frame.width, has_days=len(result.days) > 1)
        )
    if frame.is_drawn:
        parts += _pictures(result, prices, frame)
    if result.days:
        parts.append(safety(checks(safety_figures(result.days), frame.limits), frame.width))
    return Group(*parts)


# ---------------------------------------------------------------------------------------- headline


def headline(result: RunResult, title: str, rules: str = "") -> Panel:
    """The result of the day in one number, and how it came about; what is still open or left out is said."""
    lines = _result_lines(result) if result.days else [_nothing(result)]
    if result.unclosed:
        held = ", ".join(
            f"{each.symbol} {each.direction.word} {each.quantity:,}"
            for each in result.unclosed[:OPEN_SHOWN_MAX]
        )
        more = ", ..." if len(result.unclosed) > OPEN_SHOWN_MAX else ""
        positions = _count(len(result.unclosed), "position")
        lines.append(Text(f"STILL OPEN, and in no sum above: {positions} ({held}{more})", style="bold red"))
    if result.days and result.left_out:
        left = f"{len(result.left_out):,} of {_count(result.setups, 'setup')} left out"
        lines.append(Text(left, style="yellow"))
    if rules:
        lines.append(Text(rules, style="dim"))
    return Panel(
        Group(*lines),
        title=Text(title, style="bold not dim"),
        title_align="left",
        border_style="dim",
        padding=(0, 1),
    )


def _result_lines(result: RunResult) -> list[Text]:
    net = Text(f"{money(result.net)} rupees", style=f"bold {_colour(result.net)}")
    net.append(" net", style="default not bold")
    won = sum(record.net > 0 for record in result.trades)
    return [
        net,
        Text(f"{money(result.gross)} from trading, {money(-result.charges)} brokerage and taxes"),
        Text(
            f"{_count(result.setups, 'setup')}, {_count(result.triggers, 'undercut')}, "
            f"{_count(len(result.trades), 'trade')}: {won} won, {len(result.trades) - won} lost"
        ),
    ]


def _nothing(result: RunResult) -> Text:
    """A run without a single day must not look like a quiet one."""
    if not result.left_out:
        return Text("There was no setup to trade.")
    every = "The only setup was" if result.setups == 1 else f"All {result.setups:,} setups were"
    return Text(f"NOTHING WAS REPLAYED. {every} left out.", style="bold yellow")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _colour(paise: Paise) -> str:
    return "green" if paise > 0 else "red" if paise < 0 else "default"


# ------------------------------------------------------------------------------------------ trades


def trade_table(
    trades: Sequence[TradeRecord], sums: RunResult, zone: tzinfo, width: int, *, has_days: bool = False
) -> Table:
    """One row for each of these trades, of two lines so that it fits on 80 columns; below, the ``sums``."""
    gap = 1 if width >= _ROOMY else 0
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, gap, 0, 0),
        header_style="dim",
        show_footer=True,
    )
    gross, charges, net = sums.gross, sums.charges, sums.net
    table.add_column("Trade", footer="all", no_wrap=True)
    for name in ("In", "Out", "Ended by\nWithout stop"):
        table.add_column(name, no_wrap=True)
    for name in ("Stop", "R"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Gross\nCharges", _both(gross, charges), justify="right", no_wrap=True)
    table.add_column("Net", Text(money(net), style=_colour(net)), justify="right", no_wrap=True)
    for record in trades:
        table.add_row(*_trade_cells(record, zone, has_days=has_days))
    return table


def _trade_cells(record: TradeRecord, zone: tzinfo, *, has_days: bool) -> Iterable[RenderableType]:
    trade = record.trade
    name = Text(trade.symbol, style="bold")
    name.append(f"\n{trade.direction.word} {trade.quantity:,}", style="not bold dim")
    day = f" {trade.day:%d %b}" if has_days else ""
    name.append(day, style="not bold dim")
    yield name
    for at_ns, value in ((trade.entry_ns, trade.entry_value), (trade.exit_ns, trade.exit_value)):
        cell = Text(f"{_clock(at_ns, zone)}\n")
        cell.append(average(value, trade.quantity), style="bold")
        yield cell
    ended = Text(REASONS[trade.reason], style="red" if trade.reason is ExitReason.RISK else "default")
    ended.append(f"\n{trade.unprotected_ns / _NS_PER_MS:,.0f} ms", style="default not bold dim")
    yield ended
    moved = f"\n{to_text(trade.final_stop)}" if trade.final_stop != trade.initial_stop else ""
    yield Text(to_text(trade.initial_stop) + moved)
    yield Text(r_text(trade), style=_colour(trade.gross) if r_multiple(trade) is not None else "dim")
    yield _both(record.gross, record.charges)
    yield Text(money(record.net), style=f"bold {_colour(record.net)}")


def _both(gross: Paise, charges: Paise) -> Text:
    """What trading brought, and below it what it cost."""
    return Text.assemble(money(gross), "\n", (money(-charges), "not bold dim"))


def _clock(at_ns: int, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(at_ns // _NS_PER_S, zone):%H:%M:%S}"


# ---------------------------------------------------------------------------------------- pictures


def _pictures(result: RunResult, prices: Prices, frame: ReportFrame) -> list[RenderableType]:
    """A picture for each of the first trades, two beside each other where there is room."""
    drawn = [
        (day, record, prices[record.trade.symbol, day.day])
        for day in result.days
        for record in day.trades
        if (record.trade.symbol, day.day) in prices
    ][:CHARTS_MAX]
    if not drawn:
        return []
    columns = 2 if len(drawn) > 1 and frame.width >= 2 * WIDTH_MIN + 4 else 1
    width = (frame.width - 2 * (columns - 1)) // columns
    grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    cells = [_picture(day, record, columns_of, frame.zone, width) for day, record, columns_of in drawn]
    for start in range(0, len(cells), columns):
        grid.add_row(*cells[start : start + columns])
    legend = Text("▲ bought  ▼ sold short  ─ resting stop  ● out", style="dim")
    return [Text(), grid, legend]


def _picture(
    day: DayResult, record: TradeRecord, columns: PriceColumns, zone: tzinfo, width: int
) -> RenderableType:
    trade = record.trade
    title = Text(trade.symbol, style="bold")
    title.append(f"  {r_text(trade)} R", style=_colour(trade.gross))
    title.append(f"  {REASONS[trade.reason]}", style="dim")
    return Group(title, *chart(trade, columns, stop_steps(day.orders, trade), zone, width))


# ------------------------------------------------------------------------------------------ safety


def safety(checked: Sequence[Check], width: int) -> RenderableType:
    """The figures that must be what they are, each with a mark that says whether it is."""
    columns = 2 if width >= _ROOMY else 1
    table = Table.grid(padding=(0, 1), pad_edge=False)
    for _ in range(columns):
        table.add_column(width=1)
        table.add_column()
        table.add_column(justify="right")
        table.add_column(width=3)
    rows = [_safety_cells(check) for check in checked]
    height = -(-len(rows) // columns)
    for first in range(height):
        table.add_row(*(cell for row in rows[first::height] for cell in row))
    parts: list[RenderableType] = [Text(), Rule("Was it safe?", align="left", style="dim"), table]
    if needs_a_person(checked):
        parts.append(Text("✗ needs a person", style="red"))
    if any(check.verdict is Verdict.NOTED for check in checked):
        parts.append(Text("! was dealt with, and is worth a look", style="yellow"))
    return Group(*parts, Text())


_MARKS = {
    Verdict.GOOD: ("✓", "green", "bold"),
    Verdict.NOTED: ("!", "bold yellow", "bold yellow"),
    Verdict.BAD: ("✗", "bold red", "bold red"),
}


def _safety_cells(check: Check) -> tuple[RenderableType, ...]:
    mark, colour, style = _MARKS[check.verdict]
    return Text(mark, style=colour), check.what, Text(check.measured, style=style), ""
