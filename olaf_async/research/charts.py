"""One trade as a chart: the price around it, its levels, the stop on its way, entry and exit.

Owns the drawing: which stretch of the day is seen, how prices become candles, where each word stands. The
result is a ``Chart``, the plain data plotly.js draws from, so that page, report and notebook show the same
and nobody has to load plotly to make one. Pure. Prices become floats here, and only as places on the paper:
every price a person can read is written from paise.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from html import escape
from typing import Final, TypeAlias

import numpy as np

from olaf_async.adapters.replay.files import PriceColumns, PriceFolder
from olaf_async.domain.order import Role
from olaf_async.domain.price import PAISE_PER_RUPEE, Paise, to_text
from olaf_async.domain.setup import Direction, Setup
from olaf_async.domain.trade import ExitReason, Trade
from olaf_async.errors import ConfigError
from olaf_async.research.day_story import REASONS, average, money, r_text
from olaf_async.research.results import OrderChange, RunResult, TradeRecord
from olaf_async.research.trade_chart import stop_steps

Chart: TypeAlias = dict[str, object]
"""``data`` and ``layout``, JSON alone: for ``Plotly.newPlot`` and for ``plotly.graph_objects.Figure``."""

HEIGHT_PX: Final = 430
_MARGIN_PX: Final = {"l": 72, "r": 136, "t": 76, "b": 40}
_LINE_PX: Final = 15
"""What a line of the labels needs, so that no two are written over each other."""

_LIFT_PX: Final = 10
"""From a line or mark to the words about it."""

_LETTER_SHARE: Final = 0.01
"""The share of the width a letter needs, on a chart of some 700 pixels."""

_NS_PER_S: Final = 1_000_000_000
_NS_PER_MIN: Final = 60 * _NS_PER_S
_CANDLES_MAX: Final = 100
_SPANS_MIN: Final = (1, 3, 5, 15)
"""Candle spans to choose from; each divides the time from midnight to 09:15."""

_OHLC: Final = ("open", "high", "low", "close")

_LEAD_NS: Final = 20 * _NS_PER_MIN
"""How much of the day is seen before the entry order and after the exit, at least."""

_INK, _FAINT, _GRID = "#1f2933", "#7b8794", "#eef1f4"
_RISES, _FALLS = "#ffffff", "#b8c2cc"
_ENTRY, _STOP, _WON, _LOST = "#1d5fa8", "#c2570c", "#14804a", "#b4232c"
_TINT, _VEIL = "rgba(29, 95, 168, 0.05)", "rgba(255, 255, 255, 0.8)"
_FONT = "Inter, Segoe UI, Helvetica, Arial, sans-serif"


@dataclass(frozen=True, slots=True)
class _View:
    """The stretch of time and price that is seen; ``span_ns`` is that of a candle."""

    start_ns: int
    end_ns: int
    span_ns: int
    low: Paise
    high: Paise
    zone: tzinfo

    @property
    def edges_ns(self) -> tuple[int, int]:
        """Where the picture ends: half a candle beyond the first and the last."""
        return self.start_ns - self.span_ns // 2, self.end_ns + self.span_ns // 2

    def place(self, at_ns: int) -> str:
        """A time on the axis: local, for plotly.js knows no zones."""
        local = datetime.fromtimestamp(at_ns // _NS_PER_S, self.zone).replace(tzinfo=None)
        return f"{local.isoformat()}.{at_ns % _NS_PER_S // 1_000_000:03}"

    def clock(self, at_ns: int) -> str:
        """A time to be read."""
        return f"{datetime.fromtimestamp(at_ns // _NS_PER_S, self.zone):%H:%M:%S}"

    def share(self, at_ns: int) -> float:
        """How far along the width a time is, from 0 to 1."""
        return (at_ns - self.start_ns) / (self.end_ns - self.start_ns)

    def pixels(self, price: Paise) -> float:
        """The height of a price above the bottom of the picture."""
        height = HEIGHT_PX - _MARGIN_PX["t"] - _MARGIN_PX["b"]
        return (price - self.low) * height / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class _Words:
    """Where words stand: left edge as a share of the width, middle in pixels, number of letters."""

    left: float
    height: float
    letters: int

    def touches(self, other: "_Words") -> bool:
        """Are they written over each other?"""
        first, second = sorted((self, other), key=lambda words: words.left)
        is_level = abs(self.height - other.height) < _LINE_PX
        return is_level and second.left - first.left < first.letters * _LETTER_SHARE


def trade_charts(result: RunResult, prices: PriceFolder, zone: tzinfo) -> Iterator[Chart]:
    """The chart of each trade of a run, in their order, from the prices it was replayed over.

    Raises:
        ConfigError: the prices are no longer there.
    """
    for day in result.days:
        setups = {setup.symbol: setup for setup in day.setups}
        for record in day.trades:
            symbol = record.trade.symbol
            columns = prices.read(symbol, day.day)
            if columns is None:
                raise ConfigError(
                    f"the prices of {symbol} on {day.day}, replayed before, are no longer there"
                )
            yield trade_chart(record, setups[symbol], columns, day.orders, zone)


def trade_chart(
    record: TradeRecord, setup: Setup, prices: PriceColumns, orders: Sequence[OrderChange], zone: tzinfo
) -> Chart:
    """The chart of one trade; ``prices`` are its symbol's of the whole day, ``orders`` everybody's."""
    trade = record.trade
    armed = _armed(trade, prices, orders)
    steps = stop_steps(orders, trade)
    levels = (setup.entry_price, setup.trigger_price, *(price for _, price in steps), *_ends(trade))
    view = _view(trade, prices, armed, levels, zone)
    data = [
        *_level_lines(setup, view),
        _candles(prices, view),
        *_entry_order(trade, setup, armed, view),
        _stop_line(trade, steps, view),
        *_marks(record, view),
    ]
    layout = {
        **_paper(view),
        "title": _title(record, view),
        "shapes": [_held(trade, view)],
        "annotations": [
            *_level_labels(setup, view),
            *_step_labels(trade, steps, view),
            _exit_label(record, view),
            _zone_label(trade, view),
        ],
    }
    return {"data": data, "layout": layout}


# ------------------------------------------------------------------------------------------- what is seen


def _ends(trade: Trade) -> tuple[Paise, Paise]:
    """The average prices of entry and exit, to the paisa: near enough to be drawn."""
    return trade.entry_value // trade.quantity, trade.exit_value // trade.quantity


def _armed(trade: Trade, prices: PriceColumns, orders: Sequence[OrderChange]) -> tuple[int, Paise] | None:
    """When the order that opened the trade was placed, and the price then."""
    entries = [
        change
        for change in orders
        if change.symbol == trade.symbol and change.role is Role.ENTRY and change.at_ns <= trade.exit_ns
    ]
    filled = [change.order_id for change in entries if change.change == "filled"]
    placed = [
        change.at_ns for change in entries if change.change == "placed" and change.order_id in filled[-1:]
    ]
    if not placed:
        return None
    index = int(prices.t_ns.searchsorted(placed[0], side="right")) - 1
    return (placed[0], int(prices.price[index])) if index >= 0 else None


def _view(
    trade: Trade,
    prices: PriceColumns,
    armed: tuple[int, Paise] | None,
    levels: Sequence[Paise],
    zone: tzinfo,
) -> _View:
    """From some time before the entry order to some time after the exit, in whole candles."""
    lead_ns = max(_LEAD_NS, (trade.exit_ns - trade.entry_ns) // 8)
    armed_ns = trade.entry_ns if armed is None else armed[0]
    start_ns = max(armed_ns - lead_ns, min(armed_ns, int(prices.t_ns[0])))
    end_ns = min(trade.exit_ns + lead_ns, max(trade.exit_ns, int(prices.t_ns[-1])))
    span_ns = _span_ns(end_ns - start_ns)
    midnight_ns = _midnight_ns(start_ns, zone)
    start_ns -= (start_ns - midnight_ns) % span_ns
    end_ns += span_ns - (end_ns - midnight_ns) % span_ns
    seen = prices.price[slice(*prices.t_ns.searchsorted([start_ns, end_ns]))].tolist()
    low, high = min((*levels, *seen)), max((*levels, *seen))
    air = max(1, (high - low) // 12)
    return _View(start_ns, end_ns, span_ns, low - air, high + air, zone)


def _span_ns(seen_ns: int) -> int:
    """How long a candle lasts: the shortest span of which there are not too many."""
    spans_ns = [minutes * _NS_PER_MIN for minutes in _SPANS_MIN]
    return next((span_ns for span_ns in spans_ns if span_ns * _CANDLES_MAX >= seen_ns), spans_ns[-1])


def _midnight_ns(at_ns: int, zone: tzinfo) -> int:
    local = datetime.fromtimestamp(at_ns // _NS_PER_S, zone)
    return int(local.replace(hour=0, minute=0, second=0).timestamp()) * _NS_PER_S


# ---------------------------------------------------------------------------------------------- the price


def _candles(prices: PriceColumns, view: _View) -> Chart:
    """The prices in view as candles, each standing in the middle of its span."""
    within = slice(*prices.t_ns.searchsorted([view.start_ns, view.end_ns]))
    price = prices.price[within]
    number = (prices.t_ns[within] - view.start_ns) // view.span_ns
    firsts = np.flatnonzero(np.diff(number, prepend=-1))
    starts_ns = [view.start_ns + view.span_ns * each for each in number[firsts].tolist()]
    parts = np.split(price, firsts[1:])
    ohlc = [tuple(map(int, (part[0], part.max(), part.min(), part[-1]))) for part in parts if part.size]
    columns = dict(zip(_OHLC, zip(*ohlc, strict=True), strict=True))
    return {
        "type": "candlestick",
        "name": "price",
        "x": [view.place(at_ns + view.span_ns // 2) for at_ns in starts_ns],
        **{name: [price / PAISE_PER_RUPEE for price in column] for name, column in columns.items()},
        "hovertext": [
            f"{view.clock(at_ns)[:5]}–{view.clock(at_ns + view.span_ns)[:5]}<br>"
            + "<br>".join(f"{name} {to_text(price)}" for name, price in zip(_OHLC, four, strict=True))
            for at_ns, four in zip(starts_ns, ohlc, strict=True)
        ],
        "hoverinfo": "text",
        "increasing": {"line": {"color": _FAINT, "width": 1}, "fillcolor": _RISES},
        "decreasing": {"line": {"color": _FAINT, "width": 1}, "fillcolor": _FALLS},
    }


# --------------------------------------------------------------------------------- levels, orders, the marks


def _level_lines(setup: Setup, view: _View) -> Iterator[Chart]:
    """The setup's two levels, behind everything and from edge to edge."""
    levels = (("setup level", setup.entry_price, "dash"), ("undercut level", setup.trigger_price, "dot"))
    for name, price, dash in levels:
        points = [(at_ns, price) for at_ns in view.edges_ns]
        yield _line(name, points, {"color": _FAINT, "width": 1, "dash": dash}, view)


def _entry_order(trade: Trade, setup: Setup, armed: tuple[int, Paise] | None, view: _View) -> Iterator[Chart]:
    """The entry order at its trigger, for as long as it worked, and a hollow mark where it was placed."""
    if armed is None:
        return
    points = [(armed[0], setup.entry_price), (trade.entry_ns, setup.entry_price)]
    yield _line("entry order", points, {"color": _ENTRY, "width": 2}, view)
    text = f"{view.clock(armed[0])} entry order placed, last price {to_text(armed[1])}"
    hollow = {"symbol": "diamond-open", "color": _ENTRY, "size": 9, "line": {"width": 1.5}}
    yield _mark("armed", armed, text, hollow, view)


def _stop_line(trade: Trade, steps: Sequence[tuple[int, Paise]], view: _View) -> Chart:
    """The level of the resting stop, from step to step, until the exit."""
    points = [*steps, (trade.exit_ns, steps[-1][1])] if steps else []
    return {
        **_line("stop", points, {"color": _STOP, "width": 2, "shape": "hv"}, view),
        "hoverinfo": "text",
        "text": [f"{view.clock(at_ns)} stop {to_text(price)}" for at_ns, price in points],
    }


def _line(name: str, points: Sequence[tuple[int, Paise]], line: Mapping[str, object], view: _View) -> Chart:
    return {
        "type": "scatter",
        "name": name,
        "mode": "lines",
        "x": [view.place(at_ns) for at_ns, _ in points],
        "y": [price / PAISE_PER_RUPEE for _, price in points],
        "hoverinfo": "skip",
        "line": {**line},
    }


def _marks(record: TradeRecord, view: _View) -> list[Chart]:
    trade = record.trade
    entry, exit_ = _ends(trade)
    arrow = "triangle-up" if trade.direction is Direction.LONG else "triangle-down"
    opened, closed = _sentences(trade, view)
    edge = {"line": {"color": "#ffffff", "width": 1.5}}
    bought = {"symbol": arrow, "color": _ENTRY, "size": 13, **edge}
    left = {"symbol": "circle", "color": _outcome(record.net), "size": 11, **edge}
    return [
        _mark("entry", (trade.entry_ns, entry), opened, bought, view),
        _mark("exit", (trade.exit_ns, exit_), closed, left, view),
    ]


def _mark(name: str, at: tuple[int, Paise], text: str, marker: Mapping[str, object], view: _View) -> Chart:
    return {
        "type": "scatter",
        "name": name,
        "mode": "markers",
        "x": [view.place(at[0])],
        "y": [at[1] / PAISE_PER_RUPEE],
        "text": [text],
        "hoverinfo": "text",
        "marker": {**marker},
    }


def _sentences(trade: Trade, view: _View) -> tuple[str, str]:
    """How it was opened and how it ended, in words."""
    is_long = trade.direction is Direction.LONG
    opened = "bought" if is_long else "sold short"
    closed = "sold" if is_long else "bought back"
    entry, exit_ = (average(value, trade.quantity) for value in (trade.entry_value, trade.exit_value))
    return (
        f"{view.clock(trade.entry_ns)} {opened} {trade.quantity} at {entry}",
        f"{view.clock(trade.exit_ns)} {closed} at {exit_} ({REASONS[trade.reason]})",
    )


# ------------------------------------------------------------------------------------------------ the words


def _held(trade: Trade, view: _View) -> Chart:
    """The time of holding, as a tint behind everything."""
    return {
        "type": "rect",
        "layer": "below",
        "yref": "paper",
        "x0": view.place(trade.entry_ns),
        "x1": view.place(trade.exit_ns),
        "y0": 0,
        "y1": 1,
        "fillcolor": _TINT,
        "line": {"width": 0},
    }


def _level_labels(setup: Setup, view: _View) -> list[Chart]:
    """What the setup's lines are, beside them on the right, kept apart where the lines are not."""
    labels = sorted([(setup.entry_price, "setup level"), (setup.trigger_price, "undercut")])
    heights = spread([view.pixels(price) for price, _ in labels], _LINE_PX)
    return [
        _label(
            f"{word} {to_text(price)}",
            {"xref": "paper", "x": 1, "xshift": 8},
            price,
            _FAINT,
            round(height - view.pixels(price)),
        )
        for (price, word), height in zip(labels, heights, strict=True)
    ]


def _step_labels(trade: Trade, steps: Sequence[tuple[int, Paise]], view: _View) -> list[Chart]:
    """The stop's level at each step, where nothing else is written; at the first always."""
    lift = -_LIFT_PX * trade.direction
    exit_text, exit_lift = _exit_words(trade)
    taken = [_Words(view.share(trade.exit_ns), view.pixels(_ends(trade)[1]) + exit_lift, len(exit_text))]
    labels: list[Chart] = []
    for at_ns, price in steps:
        text = to_text(price) if labels else f"stop {to_text(price)}"
        words = _Words(view.share(at_ns), view.pixels(price) + lift, len(text))
        if labels and any(words.touches(other) for other in taken):
            continue
        taken.append(words)
        place = {"x": view.place(at_ns), "xshift": 2, "bgcolor": _VEIL}
        labels.append(_label(text, place, price, _STOP, lift))
    return labels


def _exit_label(record: TradeRecord, view: _View) -> Chart:
    trade = record.trade
    text, lift = _exit_words(trade)
    place = {"x": view.place(trade.exit_ns), "xshift": 9, "bgcolor": _VEIL}
    return _label(text, place, _ends(trade)[1], _outcome(record.net), lift)


def _exit_words(trade: Trade) -> tuple[str, int]:
    """Where and why it ended, and the lift: a stop on the stop's side of the mark, all else on the other."""
    side = -trade.direction if trade.reason is ExitReason.STOP else trade.direction
    return f"{average(trade.exit_value, trade.quantity)} {REASONS[trade.reason]}", _LIFT_PX * side


def _zone_label(trade: Trade, view: _View) -> Chart:
    """Whose time the axis is in, at the end of its row of numbers."""
    zone = datetime.fromtimestamp(trade.entry_ns // _NS_PER_S, view.zone).tzname() or ""
    place = {"xref": "paper", "x": 1, "xshift": 24}
    return _label(zone, place, view.low, _FAINT, -_LINE_PX)


def _label(text: str, place: Mapping[str, object], price: Paise, color: str, lift_px: int) -> Chart:
    return {
        **place,
        "xanchor": "left",
        "y": price / PAISE_PER_RUPEE,
        "yanchor": "middle",
        "yshift": lift_px,
        "showarrow": False,
        "text": text,
        "font": {"size": 12, "color": color},
    }


def spread(places: Sequence[float], apart: float) -> list[float]:
    """Ascending places, moved as little as a simple rule can so that neighbours are ``apart`` or more.

    Those that are too close form a group around their own middle; a group that touches the next takes it in.
    """
    groups: list[list[float]] = []
    for place in places:
        groups.append([place])
        while len(groups) > 1 and _bounds(groups[-2], apart)[1] + apart > _bounds(groups[-1], apart)[0]:
            groups[-2:] = [groups[-2] + groups[-1]]
    return [_bounds(group, apart)[0] + number * apart for group in groups for number in range(len(group))]


def _bounds(group: Sequence[float], apart: float) -> tuple[float, float]:
    middle, half = sum(group) / len(group), apart * (len(group) - 1) / 2
    return middle - half, middle + half


def _title(record: TradeRecord, view: _View) -> Chart:
    trade = record.trade
    opened, closed = _sentences(trade, view)
    what = f"{trade.direction.word}, attempt {trade.attempt}, {trade.day.day} {trade.day:%B %Y}"
    net = f"{money(record.net)} net ({r_text(trade)} R)"
    coloured = f"<span style='color:{_outcome(record.net)}'>{net}</span>"
    return {
        "text": f"<b>{escape(trade.symbol)}</b>  {what}  {coloured}",
        "subtitle": {"text": f"{opened}, {closed}", "font": {"size": 13, "color": _FAINT}},
        "font": {"size": 16},
        "x": 0,
        "xref": "paper",
        "xanchor": "left",
    }


def _outcome(net: Paise) -> str:
    return _WON if net > 0 else _LOST


def _paper(view: _View) -> Chart:
    """Axes, colours and margins: white and quiet on any page, in its full width."""
    axis = {"gridcolor": _GRID, "linecolor": _GRID, "tickcolor": _GRID, "zeroline": False, "showline": True}
    return {
        "template": "none",
        "height": HEIGHT_PX,
        "autosize": True,
        "margin": dict(_MARGIN_PX),
        "font": {"family": _FONT, "size": 12, "color": _INK},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "showlegend": False,
        "hovermode": "closest",
        "xaxis": {
            **axis,
            "type": "date",
            "range": [view.place(at_ns) for at_ns in view.edges_ns],
            "tickformat": "%H:%M",
            "nticks": 10,
            "rangeslider": {"visible": False},
        },
        "yaxis": {
            **axis,
            "range": [view.low / PAISE_PER_RUPEE, view.high / PAISE_PER_RUPEE],
            "tickformat": ".2f",
            "nticks": 8,
            "title": {"text": "rupees", "standoff": 12, "font": {"size": 12, "color": _FAINT}},
        },
    }
