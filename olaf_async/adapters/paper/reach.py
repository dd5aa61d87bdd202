"""Where a price path meets an order: the geometry of fills, and nothing else.

A path leads from the symbol's last print to the new one. A jump has only its end; a continuous path (between
two prices of one bar) passes every level. Pure functions; they must never change an order.

R1. `meeting_level` finds nothing for a print strictly inside the `reaction_band` taken where its path begins.
"""

from typing import Final, TypeAlias, assert_never

from olaf_async.adapters.paper.orders import PaperOrder, Stance
from olaf_async.domain.order import Side
from olaf_async.domain.price import Paise

Band: TypeAlias = tuple[Paise, Paise]

NO_LOW: Final = -1
NO_HIGH: Final = 1 << 62
QUIET: Final[Band] = (NO_LOW, NO_HIGH)
"""No print breaches it."""
EVERY_PRINT: Final[Band] = (NO_HIGH, NO_LOW)
"""Every print breaches it."""


def meeting_level(order: PaperOrder, start: Paise | None, end: Paise) -> Paise | None:
    """The price at which the order comes to act on the way to ``end``, or None.

    ``start`` is where a continuous path began, None for a jump. Whether the order then fills is another
    question (`PaperOrder.allows`).
    """
    match order.stance:
        case Stance.PENDING:
            return _pending(order, start, end)
        case Stance.TAKING:
            # Whatever could be taken where the path began is taken, at the limit, before the path leaves it.
            leaves = start is not None and order.allows(start) and not order.allows(end)
            return order.price if leaves else end
        case Stance.RESTING:
            return order.price if order.allows(end) else None
        case Stance.WINDOW:
            return _window(order, start, end)
        case _:
            assert_never(order.stance)


def reaction_band(order: PaperOrder, last: Paise | None) -> Band:
    """(low, high): a print strictly between them leaves the order alone."""
    is_buy = order.side is Side.BUY
    match order.stance:
        case Stance.PENDING:
            return (NO_LOW, order.trigger) if is_buy else (order.trigger, NO_HIGH)
        case Stance.TAKING:
            return EVERY_PRINT
        case Stance.RESTING:
            return (order.price, NO_HIGH) if is_buy else (NO_LOW, order.price)
        case Stance.WINDOW:
            return _window_band(order, last)
        case _:
            assert_never(order.stance)


def _pending(order: PaperOrder, start: Paise | None, end: Paise) -> Paise | None:
    if not order.is_triggered_at(end):
        return None
    return order.trigger if start is not None and not order.is_triggered_at(start) else end


def _window(order: PaperOrder, start: Paise | None, end: Paise) -> Paise | None:
    """The first price on the path that is both triggered and within the limit."""
    if not _has_window(order):
        return None
    if start is None or (order.is_triggered_at(start) and order.allows(start)):
        return end if order.is_triggered_at(end) and order.allows(end) else None
    if order.is_triggered_at(start):  # it comes back from beyond the limit
        return order.price if order.allows(end) else None
    return order.trigger if order.is_triggered_at(end) else None


def _window_band(order: PaperOrder, last: Paise | None) -> Band:
    if not _has_window(order):
        return QUIET
    if last is None or (order.is_triggered_at(last) and order.allows(last)):
        return EVERY_PRINT
    is_buy = order.side is Side.BUY
    if order.is_triggered_at(last):
        return (order.price, NO_HIGH) if is_buy else (NO_LOW, order.price)
    return (NO_LOW, order.trigger) if is_buy else (order.trigger, NO_HIGH)


def _has_window(order: PaperOrder) -> bool:
    """Whether any price satisfies both; the sandbox also takes stops for which none does."""
    return order.allows(order.trigger)
