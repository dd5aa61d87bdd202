"""A day told in sentences: each thing that happened to an order, in words a newcomer understands.

Owns the wording, so that the live display, the plain lines of a pipe and a log say the same. Pure: it takes
order changes and trades and gives lines; it never looks at a clock and never prints.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from olaf_async.domain.intents import Say, Severity
from olaf_async.domain.order import Role, Side
from olaf_async.domain.price import Paise, to_text
from olaf_async.domain.setup import Direction
from olaf_async.domain.trade import ExitReason, Trade
from olaf_async.research.results import REFUSED, DayResult, OrderChange, TradeRecord


class Mood(Enum):
    """How a line wants to be seen."""

    QUIET = "quiet"
    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened."""

    at_ns: int
    symbol: str
    text: str
    mood: Mood = Mood.PLAIN


MINUS = "\N{MINUS SIGN}"
"""As wide as a plus, which a hyphen is not."""

REASONS = {
    ExitReason.STOP: "stop",
    ExitReason.TARGET: "target",
    ExitReason.SESSION_END: "deadline",
    ExitReason.HALT: "halt",
    ExitReason.RISK: "risk limit",
    ExitReason.OPERATOR: "by hand",
}
"""Why a trade ended, in one word or two."""


def money(paise: Paise) -> str:
    """Rupees with their sign and thousands separated."""
    sign = MINUS if paise < 0 else "+" if paise > 0 else ""
    rupees, rest = divmod(abs(paise), 100)
    return f"{sign}{rupees:,}.{rest:02d}"


def average(value: Paise, quantity: int) -> str:
    """The price per share of a value, to the nearest paisa."""
    return to_text((2 * value + quantity) // (2 * quantity))


def r_multiple(trade: Trade) -> float | None:
    """Gross profit in units of the initial risk: entry to initial stop, for all shares. None without risk."""
    risk = (trade.entry_value - trade.initial_stop * trade.quantity) * trade.direction
    return trade.gross / risk if risk > 0 else None


def r_text(trade: Trade) -> str:
    """The R multiple with one place and its sign, a dash where there was no risk."""
    multiple = r_multiple(trade)
    if multiple is None:
        return "–"
    return f"{multiple:+.1f}".replace("-", MINUS)


def story(day: DayResult) -> tuple[Line, ...]:
    """The day's lines by time."""
    lines = _orders_told(day.orders, day.trades) + _said(day.says)
    return tuple(sorted(lines, key=lambda line: line.at_ns))


def _said(says: Iterable[tuple[int, Say]]) -> list[Line]:
    """Warnings and alarms; what is said of a symbol again and again is one line, where it was said first."""
    alike: dict[tuple[str, Severity, str], list[tuple[int, Say]]] = {}
    for at_ns, say in says:
        if say.severity is not Severity.NOTE:
            alike.setdefault((say.symbol or "", say.severity, say.code), []).append((at_ns, say))
    lines = []
    for (symbol, severity, _), found in alike.items():
        at_ns, first = found[0]
        again = f" ({len(found):,} times)" if len(found) > 1 else ""
        mood = Mood.ALARM if severity is Severity.ALARM else Mood.BAD
        lines.append(Line(at_ns, symbol, first.text.removeprefix(f"{symbol}: ") + again, mood))
    return lines


def _orders_told(orders: Sequence[OrderChange], trades: Iterable[TradeRecord]) -> list[Line]:
    lines: list[Line] = []
    newest: dict[str, OrderChange] = {}
    for change in orders:
        text = _told(change, newest.get(change.key, change))
        newest[change.key] = change
        if text is not None:
            lines.append(Line(change.at_ns, change.symbol, text, _mood(change)))
    return lines + [_ended(record) for record in trades]


def _mood(change: OrderChange) -> Mood:
    if change.change in (REFUSED, "rejected"):
        return Mood.BAD
    is_quiet = change.change == "cancelled" or (change.role is Role.ENTRY and change.change == "placed")
    return Mood.QUIET if is_quiet else Mood.PLAIN


def _told(change: OrderChange, before: OrderChange) -> str | None:
    """One order change in words, ``before`` being the one before it; None for what another line says."""
    if change.change in (REFUSED, "rejected"):
        return f"{change.role.value if change.role else 'foreign'} order refused"
    match change.role:
        case Role.ENTRY:
            return _entry_told(change, before)
        case Role.STOP:
            return _stop_told(change, before)
        case _:
            return None


def _entry_told(change: OrderChange, before: OrderChange) -> str | None:
    is_buy = change.side is Side.BUY
    trigger = to_text(change.trigger)
    match change.change:
        case "placed":
            return f"undercut seen: {'buy' if is_buy else 'sell'} stop placed at {trigger}"
        case "filled" if change.fill_price is not None:
            shares = change.filled - before.filled
            return f"{'bought' if is_buy else 'sold short'} {shares} at {to_text(change.fill_price)}"
        case "cancelled":
            return f"entry at {trigger} not reached, cancelled"
        case _:
            return None


def _stop_told(change: OrderChange, before: OrderChange) -> str | None:
    trigger = to_text(change.trigger)
    match change.change:
        case "placed":
            return f"protected: {change.side.value.lower()} stop placed at {trigger}"
        case "modified" if before.trigger != change.trigger:
            return f"stop trailed from {to_text(before.trigger)} to {trigger}"
        case "cancelled":
            return f"stop at {trigger} cancelled to leave"
        case _:
            return None


def _ended(record: TradeRecord) -> Line:
    trade = record.trade
    verb = "sold" if trade.direction is Direction.LONG else "bought back"
    price = average(trade.exit_value, trade.quantity)
    text = f"{REASONS[trade.reason]}: {verb} at {price}, net {money(record.net)}"
    text += f" ({r_text(trade)} R)"
    return Line(trade.exit_ns, trade.symbol, text, Mood.GOOD if record.net > 0 else Mood.BAD)
