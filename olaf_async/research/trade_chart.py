"""One trade as a picture made of letters: the price, the entry, the stop on its way, the exit.

Owns the drawing and nothing else. The price is drawn in braille (two by four dots a letter), the stop as a
line at the level that rested at the exchange, entry and exit as single marks. Pure: prices in, text out.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import groupby
from operator import itemgetter

import numpy as np
from rich.text import Text

from olaf_async.adapters.replay.files import PriceColumns
from olaf_async.domain.order import Role
from olaf_async.domain.price import Paise, to_text
from olaf_async.domain.setup import Direction
from olaf_async.domain.trade import Trade
from olaf_async.research.results import OrderChange

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The braille dot of each row and column of a letter."""

_BLANK = 0x2800
_LABEL_WIDTH = 9
_NS_PER_S = 1_000_000_000
_LEAD_NS = 600 * _NS_PER_S
WIDTH_MIN = 36


@dataclass(frozen=True, slots=True)
class _Frame:
    """Which stretch of time and price the picture shows, and on how many letters."""

    start_ns: int
    end_ns: int
    low: Paise
    high: Paise
    width: int
    height: int

    def dot_x(self, at_ns: int) -> int:
        """The dot column of a time, kept inside."""
        dots = 2 * self.width
        return max(0, min(dots - 1, (at_ns - self.start_ns) * dots // (self.end_ns - self.start_ns)))

    def dot_y(self, price: Paise) -> int:
        """The dot row of a price, from the top."""
        dots = 4 * self.height
        return (self.high - price) * (dots - 1) // max(1, self.high - self.low)


def stop_steps(orders: Sequence[OrderChange], trade: Trade) -> list[tuple[int, Paise]]:
    """When the trade's stop came to rest at which trigger, in order of time."""
    return [
        (change.at_ns, change.trigger)
        for change in orders
        if change.symbol == trade.symbol
        and change.role is Role.STOP
        and change.change in ("placed", "modified")
        and trade.entry_ns <= change.at_ns <= trade.exit_ns
    ]


def chart(
    trade: Trade,
    columns: PriceColumns,
    steps: Sequence[tuple[int, Paise]],
    zone: tzinfo,
    width: int,
    height: int = 7,
) -> list[Text]:
    """The picture, ``height`` lines and one more with the times, each at most ``width`` letters."""
    frame = _frame(trade, columns, steps, max(WIDTH_MIN, width) - _LABEL_WIDTH - 1, height)
    letters, styles = _price(frame, columns)

    def put(x: int, y: int, letter: str, style: str, *, over: bool = True) -> None:
        if over or letters[y][x] == " ":
            letters[y][x], styles[y][x] = letter, style

    _stop(frame, trade, steps, put)
    _marks(frame, trade, put)
    labels = _labels(frame, trade)
    lines = []
    for y in range(height):
        line = Text()
        line.append(labels.get(y, "").rjust(_LABEL_WIDTH - 1) + (" ┤" if y in labels else " │"), style="dim")
        for style, run in groupby(zip(styles[y], letters[y], strict=True), key=itemgetter(0)):
            line.append("".join(letter for _, letter in run), style=style)
        lines.append(line)
    return [*lines, _times(frame, trade, zone)]


def _frame(
    trade: Trade, columns: PriceColumns, steps: Sequence[tuple[int, Paise]], width: int, height: int
) -> _Frame:
    lead_ns = max(_LEAD_NS, (trade.exit_ns - trade.entry_ns) // 12)
    start_ns = max(int(columns.t_ns[0]), trade.entry_ns - lead_ns)
    end_ns = max(start_ns + 1, min(int(columns.t_ns[-1]), trade.exit_ns + lead_ns) + 1)
    first, last = np.searchsorted(columns.t_ns, [start_ns, end_ns])
    seen = columns.price[first:last]
    levels = [*(price for _, price in steps), _entry(trade), _exit(trade)]
    low, high = min(levels), max(levels)
    if seen.size:
        low, high = min(low, int(seen.min())), max(high, int(seen.max()))
    return _Frame(start_ns, end_ns, low, high, width, height)


def _price(frame: _Frame, columns: PriceColumns) -> tuple[list[list[str]], list[list[str]]]:
    """The price as braille: the last one of each dot column, joined to the one before."""
    masks = [[0] * frame.width for _ in range(frame.height)]
    dots = 2 * frame.width
    span_ns = frame.end_ns - frame.start_ns
    edges = [frame.start_ns + span_ns * x // dots for x in range(dots + 1)]
    bounds = np.searchsorted(columns.t_ns, edges)
    before: int | None = None
    for x in range(dots):
        if bounds[x + 1] > bounds[0]:
            y = frame.dot_y(int(columns.price[bounds[x + 1] - 1]))
            for dot in _joined(before, y):
                masks[dot // 4][x // 2] |= _DOTS[dot % 4][x % 2]
            before = y
    letters = [[chr(_BLANK + mask) if mask else " " for mask in row] for row in masks]
    return letters, [["cyan" for _ in row] for row in masks]


def _joined(before: int | None, y: int) -> range:
    """The dots of a column that lead from the height before, which has its own dot, to this one."""
    if before is None or before == y:
        return range(y, y + 1)
    return range(before + 1, y + 1) if before < y else range(y, before)


def _stop(frame: _Frame, trade: Trade, steps: Sequence[tuple[int, Paise]], put: Callable[..., None]) -> None:
    """The level of the resting stop under (or over) the price, while there was one."""
    times = [at_ns for at_ns, _ in steps]
    first, last = frame.dot_x(trade.entry_ns) // 2, frame.dot_x(trade.exit_ns) // 2
    for x in range(first, last + 1):
        at_ns = frame.start_ns + (frame.end_ns - frame.start_ns) * (2 * x + 1) // (2 * frame.width)
        index = bisect_right(times, min(at_ns, trade.exit_ns)) - 1
        if index >= 0:
            put(x, frame.dot_y(steps[index][1]) // 4, "─", "red", over=False)


def _marks(frame: _Frame, trade: Trade, put: Callable[..., None]) -> None:
    arrow = "▲" if trade.direction is Direction.LONG else "▼"
    put(frame.dot_x(trade.entry_ns) // 2, frame.dot_y(_entry(trade)) // 4, arrow, "bold blue")
    won = "bold green" if trade.gross > 0 else "bold red"
    put(frame.dot_x(trade.exit_ns) // 2, frame.dot_y(_exit(trade)) // 4, "●", won)


def _labels(frame: _Frame, trade: Trade) -> dict[int, str]:
    """Prices beside the rows they lie on: the entry before the exit before the first stop."""
    labels: dict[int, str] = {}
    for price in (_entry(trade), _exit(trade), trade.initial_stop):
        if frame.low <= price <= frame.high:
            labels.setdefault(frame.dot_y(price) // 4, to_text(price))
    return labels


def _times(frame: _Frame, trade: Trade, zone: tzinfo) -> Text:
    """The axis: when it was opened and closed, below their marks."""
    row = [" "] * frame.width
    free = 0
    for at_ns in (trade.entry_ns, trade.exit_ns):
        text = f"{datetime.fromtimestamp(at_ns // _NS_PER_S, zone):%H:%M}"
        at = max(free, min(frame.width - len(text), frame.dot_x(at_ns) // 2 - len(text) // 2))
        row[at : at + len(text)] = text
        free = at + len(text) + 1
    return Text(" " * _LABEL_WIDTH + "└" + "".join(row).rstrip(), style="dim")


def _entry(trade: Trade) -> Paise:
    return trade.entry_value // trade.quantity


def _exit(trade: Trade) -> Paise:
    return trade.exit_value // trade.quantity
