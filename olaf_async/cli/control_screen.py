"""How a running engine and a comparison look on a terminal: functions of what was told."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from olaf_async.ports.control import Comparison, Difference, OrderStatus, Status, SymbolStatus

WIDTH_MAX: Final = 110
_NS_PER_S: Final = 1_000_000_000
_NONE: Final = Text("–", style="dim")
_WORDS: Final = {"frozen": "bold red", "unprotected": "bold red", "holding": "bold", "done": "dim"}
_TITLE: Final = "bold default not dim"
_STALE_MS: Final = 30_000
_STATE_WIDTH: Final = 19
_WIDE: Final = 78
"""Narrower than this not every column has room."""


def status_screen(told: Status, zone: tzinfo, width: int) -> RenderableType:
    """The engine at one moment."""
    parts: list[RenderableType] = [_alerts(told), Text(), _symbols(told.symbols, min(width, WIDTH_MAX))]
    if any(symbol.orders for symbol in told.symbols):
        parts += [Text(), _orders(told.symbols)]
    parts += [Text(), _figures(told)]
    title = f"{_clock(told.at_ns, zone)} · {told.mode} · trading since {_clock(told.began_ns, zone)}"
    return Panel(
        Group(*parts),
        title=Text(title, style=_TITLE),
        title_align="left",
        subtitle=Text(f"Olaf {told.program} · process {told.pid}", style="default dim"),
        subtitle_align="right",
        border_style="red" if told.unsafe else "yellow" if told.refusals or _frozen(told) else "dim",
        padding=(0, 1),
        width=min(width, WIDTH_MAX),
    )


def _alerts(told: Status) -> RenderableType:
    lines = [Text(f"✗ {text}", style="bold red") for text in told.unsafe]
    lines += [Text(f"■ no new entries: {text}", style="yellow") for text in told.refusals]
    lines += [
        Text(f"■ no new entries in {one.symbol}: {one.frozen}", style="yellow") for one in _frozen(told)
    ]
    return Group(*lines or [Text("✓ nothing needs a person; new entries may be opened", style="green")])


def _frozen(told: Status) -> list[SymbolStatus]:
    """Symbols that wait for a person; those with shares are among what is unsafe."""
    return [one for one in told.symbols if one.frozen is not None and not one.held]


def _symbols(symbols: Sequence[SymbolStatus], width: int) -> Table:
    """A row for each; where there is little room, without what can best be missed."""
    is_wide = width >= _WIDE
    room = _STATE_WIDTH + max(0, width - _WIDE)
    table = _table()
    table.add_column("Symbol", no_wrap=True)
    table.add_column("State", ratio=1, min_width=_STATE_WIDTH)
    for name in ("Held", "Stop", "Last", *(("Age", "Tries", "No stop") if is_wide else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for symbol in symbols:
        cells = _symbol_cells(symbol, room)
        table.add_row(*(cells if is_wide else cells[:5]))
    return table


def _symbol_cells(symbol: SymbolStatus, room: int) -> tuple[RenderableType, ...]:
    sign = -1 if symbol.side == "short" else 1
    age_ms = symbol.last_age_ms
    is_stale = age_ms is not None and age_ms > _STALE_MS
    bare_style = "dim" if symbol.bare_ms is None else "bold red"
    return (
        Text(symbol.symbol, style="bold"),
        _state(symbol.words, room),
        Text(f"{sign * symbol.held:+d}", style="bold") if symbol.held else _NONE,
        Text(symbol.stop, style="red") if symbol.stop else _NONE,
        symbol.last or _NONE,
        _NONE if age_ms is None else Text(_seconds(age_ms), style="yellow" if is_stale else "default"),
        f"{symbol.attempts}/{symbol.attempts_max}",
        Text(_exact(symbol.unprotected_ms), style=bare_style) if symbol.unprotected_ms else _NONE,
    )


def _state(words: Sequence[str], room: int) -> Text:
    """The words in as many lines as they need, none of them broken."""
    text, used = Text(), 0
    for word in words:
        if text:
            is_room = used + len(word) < room
            text.append(", " if is_room else ",\n")
            used = used if is_room else 0
        text.append(word, style=_WORDS.get(word, "default"))
        used += len(word) + 2
    return text


def _orders(symbols: Sequence[SymbolStatus]) -> Table:
    table = _table()
    for name in ("Symbol", "Order", "Asks to"):
        table.add_column(name, no_wrap=True)
    for name in ("Trigger", "Limit"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("State", ratio=1)
    table.add_column("Id", justify="right", no_wrap=True, max_width=18)
    for symbol in symbols:
        for order in symbol.orders:
            table.add_row(Text(symbol.symbol, style="bold"), *_order_cells(order))
    return table


def _order_cells(order: OrderStatus) -> tuple[RenderableType, ...]:
    filled = f", {order.filled} filled" if order.filled else ""
    return (
        order.role,
        f"{order.side.lower()} {order.quantity}{filled}",
        order.trigger or _NONE,
        order.price,
        Text(order.state, style="default" if order.state == "working" else "yellow"),
        Text(order.order_id, style="dim") if order.order_id else _NONE,
    )


def _figures(told: Status) -> Table:
    """What else there is to know, two facts a line."""
    sent, waits = told.orders_sent, told.lock_waits
    age = "never read" if told.books_age_ms is None else f"{_seconds(told.books_age_ms)} old"
    books = f"cannot be read for {_seconds(told.books_age_ms or 0)}" if told.are_books_failing else age
    facts = (
        ("books", books, told.are_books_failing),
        ("lock wait", f"p50 {waits.p50_ms:.1f} ms, max {waits.max_ms:.1f} ms", False),
        ("stream", "up" if told.is_stream_up else "down", not told.is_stream_up),
        ("sent", f"{sent.placed} placed, {sent.changed} changed, {sent.cancelled} cancelled", False),
        ("journal", "kept" if told.is_journal_kept else "cannot be written", not told.is_journal_kept),
        ("realised", f"{told.realised} in {_count(told.trades, 'trade')}", False),
    )
    grid = Table.grid(padding=(0, 2, 0, 0))
    cells = [
        (Text(name, style="dim"), Text(fact, style="bold red" if is_bad else "default"))
        for name, fact, is_bad in facts
    ]
    for left, right in zip(cells[::2], cells[1::2], strict=True):
        grid.add_row(*left, *right)
    return grid


# ------------------------------------------------------------------------------------------------- reconcile


def comparison_screen(told: Comparison, zone: tzinfo, width: int) -> RenderableType:
    """Belief against books."""
    grave = sum(difference.needs_person for difference in told.differences)
    light = len(told.differences) - grave
    if grave:
        headline = Text(f"✗ {_count(grave, 'difference')} for a person to look at", style="bold red")
    else:
        agrees = "✓ belief and books agree" if not light else "✓ nothing that needs a person"
        headline = Text(agrees, style="bold green")
    parts: list[RenderableType] = [headline]
    if light:
        parts.append(
            Text(
                f"· {_count(light, 'difference')} that need{'s' if light == 1 else ''} nobody", style="yellow"
            )
        )
    if told.differences:
        parts += [Text(), *_differences(told.differences)]
    compared = f"{_count(told.symbols, 'symbol')}, {_count(told.orders, 'order')}"
    parts += [Text(), Text(f"{compared}; belief of {told.belief}; {_count(told.looks, 'look')}", style="dim")]
    return Panel(
        Group(*parts),
        title=Text(f"Reconcile · {_clock(told.at_ns, zone)}", style=_TITLE),
        title_align="left",
        border_style="red" if grave else "dim",
        padding=(0, 1),
        width=min(width, WIDTH_MAX),
    )


def _differences(differences: Sequence[Difference]) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for one in sorted(differences, key=lambda one: not one.needs_person):
        mark, style = ("✗", "bold red") if one.needs_person else ("·", "yellow")
        title = Text.assemble((f"{mark} ", style), (one.symbol, "bold"), f"  {one.kind}")
        title.append(f"  {one.about}" if one.about else "", style="dim")
        grid = Table.grid(padding=(0, 1))
        grid.add_row(Text("  believed", style="dim"), one.believed)
        grid.add_row(Text("  found", style="dim"), one.found)
        lines += [title, grid]
    return lines


# ------------------------------------------------------------------------------------------------- helpers


def _table() -> Table:
    return Table(
        box=box.SIMPLE_HEAD,
        expand=True,
        show_edge=False,
        pad_edge=False,
        padding=0,
        header_style="dim",
        border_style="dim",
    )


def _clock(at_ns: int, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(at_ns // _NS_PER_S, zone):%H:%M:%S}"


def _seconds(ms: int) -> str:
    """Tenths of seconds while they tell something."""
    return f"{ms / 1000:.1f} s" if ms < 60_000 else f"{ms // 60_000} min"


def _exact(ms: int) -> str:
    return f"{ms} ms" if ms < 1000 else _seconds(ms)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
