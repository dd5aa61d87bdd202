"""The steps of a run as a table: one column a task, virtual time down the side.

Owns how a schedule is shown to a person. Must never drop a step between the first and the last it shows: the
order of the rows is the order in which things happened.
"""

import textwrap
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rich.table import Table

_EXCHANGE_TIME = timezone(timedelta(hours=5, minutes=30))
_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000
_CLOCK = "time"
_CLOCK_WIDTH = 12
_GAP = "  "
LAST = 25
WIDTH = 120


class Step(NamedTuple):
    """What one task did, in a few words. ``column`` is the task."""

    at_ns: int
    column: str
    text: str


def plain(steps: Sequence[Step], *, last: int = LAST, width: int = WIDTH, columns: Sequence[str] = ()) -> str:
    """The last steps as text of at most ``width`` characters a line.

    ``columns`` come first, in this order, where they did anything; the others by first appearance.
    """
    shown = steps[-last:]
    names = _columns_of(shown, columns)
    widths = _widths(shown, names, width - _CLOCK_WIDTH)
    lines = [_line([_CLOCK, *names], [_CLOCK_WIDTH, *widths])]
    lines.append(_line(["-" * _CLOCK_WIDTH, *("-" * each for each in widths)], [_CLOCK_WIDTH, *widths]))
    left_out = len(steps) - len(shown)
    if left_out:
        lines.append(f"... {left_out} earlier steps")
    told_ns = None
    for step in shown:
        at = names.index(step.column)
        clock = time_of_day(step.at_ns) if step.at_ns != told_ns else ""
        told_ns = step.at_ns
        for number, piece in enumerate(textwrap.wrap(step.text, widths[at]) or [""]):
            cells = [clock if number == 0 else "", *("" for _ in names)]
            cells[at + 1] = piece
            lines.append(_line(cells, [_CLOCK_WIDTH, *widths]))
    return "\n".join(lines)


def rich_table(
    steps: Sequence[Step], *, title: str = "", last: int = LAST, columns: Sequence[str] = ()
) -> "Table":
    """The same for a terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = steps[-last:]
    names = _columns_of(shown, columns)
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(_CLOCK, style="dim", no_wrap=True)
    for name in names:
        table.add_column(name, overflow="fold")
    told_ns = None
    for step in shown:
        clock = time_of_day(step.at_ns) if step.at_ns != told_ns else ""
        told_ns = step.at_ns
        cells = [Text(step.text if name == step.column else "") for name in names]
        table.add_row(clock, *cells)
    return table


def time_of_day(at_ns: int) -> str:
    """Hours to milliseconds, as the exchange's clock shows them; times off the millisecond show all of it."""
    second, rest_ns = divmod(at_ns, _NS_PER_S)
    text = datetime.fromtimestamp(second, _EXCHANGE_TIME).strftime("%H:%M:%S")
    return f"{text}.{rest_ns // _NS_PER_MS:03d}"


def _columns_of(shown: Iterable[Step], first: Sequence[str]) -> list[str]:
    found = dict.fromkeys(step.column for step in shown)
    return [name for name in first if name in found] + [name for name in found if name not in first]


def _widths(shown: Sequence[Step], names: Sequence[str], room: int) -> list[int]:
    """Each column as wide as it needs, the widest giving way until all have room."""
    widths = [max(len(name), *(len(step.text) for step in shown if step.column == name), 1) for name in names]
    room -= len(_GAP) * len(names)
    while sum(widths) > room and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    return widths


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    return _GAP.join(cell[:width].ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
