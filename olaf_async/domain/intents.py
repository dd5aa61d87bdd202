"""Everything the core can ask for. Imperative, immutable; the order intents are already marked in flight."""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from olaf_async.domain.order import PriceType, Role, Side, Terms
from olaf_async.domain.trade import Trade


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """Send a new order. ``request`` names this one call, ``key`` the order."""

    symbol: str
    request: int
    key: str
    role: Role
    side: Side
    price_type: PriceType
    terms: Terms


@dataclass(frozen=True, slots=True)
class ModifyOrder:
    """Change a working order in place; every field is sent, as OpenAlgo demands."""

    symbol: str
    request: int
    key: str
    role: Role
    side: Side
    price_type: PriceType
    terms: Terms
    order_id: str


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Cancel a working order."""

    symbol: str
    request: int
    key: str
    role: Role
    order_id: str


@dataclass(frozen=True, slots=True)
class ReadQuote:
    """Ask for a fresh price: the feed has been silent and an exit must be priced."""

    symbol: str


class Severity(Enum):
    """How loud: NOTE is for the log, WARNING for the eye, ALARM for a person, now."""

    NOTE = "note"
    WARNING = "warning"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Say:
    """Something a person or the log should hear. ``code`` is a stable word, ``text`` a sentence."""

    symbol: str | None
    severity: Severity
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class ReportTrade:
    """A position has been closed; for the books of the day."""

    trade: Trade


OrderIntent: TypeAlias = PlaceOrder | ModifyOrder | CancelOrder
Intent: TypeAlias = OrderIntent | ReadQuote | Say | ReportTrade
