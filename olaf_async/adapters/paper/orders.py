"""One paper order, what its life leaves behind, and where it stands towards the next print.

Owns the shapes of orders, fills and changes. It must never decide whether an order fills.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Final

from olaf_async.domain.events import OrderRow, Status
from olaf_async.domain.order import PriceType, Side
from olaf_async.domain.price import Paise

STOPS: Final = frozenset({PriceType.SL, PriceType.SL_M})
"""The kinds that wait for a trigger."""

LIMITED: Final = frozenset({PriceType.LIMIT, PriceType.SL})
"""The kinds that carry a limit."""


class OrderStatus(StrEnum):
    """The five words OpenAlgo's sandbox has for an order, spelled as it spells them."""

    OPEN = "open"
    TRIGGER_PENDING = "trigger pending"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


STATUSES: Final = MappingProxyType(
    {
        OrderStatus.OPEN: Status.WORKING,
        OrderStatus.TRIGGER_PENDING: Status.WORKING,
        OrderStatus.COMPLETE: Status.COMPLETE,
        OrderStatus.CANCELLED: Status.CANCELLED,
        OrderStatus.REJECTED: Status.REJECTED,
    }
)
"""What may be believed of each word."""


class Stance(Enum):
    """What a working order is waiting for."""

    PENDING = "its trigger"
    TAKING = "the very next print, at which it takes what its limit allows"
    RESTING = "its limit, at which it fills when touched or crossed"
    WINDOW = "a price between trigger and limit: the sandbox's triggered stop"


class What(StrEnum):
    """The kinds of change in an order's life."""

    PLACED = "placed"
    MODIFIED = "modified"
    TRIGGERED = "triggered"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Change:
    """One line of an order's life. ``price`` is the fill's for FILLED, else the order's own limit.

    ``filled`` is cumulative, ``status`` the one after the change. ``intrabar`` marks a fill strictly between
    two prices of a bar: it rests on the assumption that price passes every level between them.
    """

    order_id: str
    at_ns: int
    what: What
    status: OrderStatus
    quantity: int
    filled: int
    price: Paise
    trigger: Paise
    intrabar: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution; ``number`` counts them from 1 in the order they happened. ``intrabar`` as in Change."""

    number: int
    order_id: str
    symbol: str
    product: str
    strategy: str
    side: Side
    quantity: int
    price: Paise
    at_ns: int
    intrabar: bool


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """All an order book, an order status or an order-update frame may want to say of an order."""

    order_id: str
    symbol: str
    side: Side
    price_type: PriceType
    product: str
    strategy: str
    status: OrderStatus
    quantity: int
    price: Paise
    trigger: Paise
    filled: int
    pending: int
    average: Paise
    reason: str
    placed_ns: int
    changed_ns: int

    @property
    def row(self) -> OrderRow:
        """The part of it that the engine reads."""
        return OrderRow(
            order_id=self.order_id,
            symbol=self.symbol,
            side=self.side,
            price_type=self.price_type,
            status=STATUSES[self.status],
            quantity=self.quantity,
            price=self.price,
            trigger=self.trigger,
            filled=self.filled,
            average=self.average,
            reason=self.reason,
        )


@dataclass(slots=True, eq=False)
class PaperOrder:
    """An order as the exchange keeps it. ``number`` is its place in the queue of arrivals.

    ``blocked`` is the margin still held for it, ``margin_price`` the price that margin was reckoned at.
    """

    number: int
    order_id: str
    symbol: str
    side: Side
    price_type: PriceType
    product: str
    strategy: str
    quantity: int
    price: Paise
    trigger: Paise
    placed_ns: int
    changed_ns: int
    status: OrderStatus = OrderStatus.OPEN
    stance: Stance = Stance.RESTING
    filled: int = 0
    value: Paise = 0
    reason: str = ""
    margin_price: Paise = 0
    blocked: Paise = 0
    cached: OrderRecord | None = None

    @property
    def is_working(self) -> bool:
        """Whether it has not ended."""
        return self.status is OrderStatus.OPEN or self.status is OrderStatus.TRIGGER_PENDING

    @property
    def remaining(self) -> int:
        """Shares not yet filled."""
        return self.quantity - self.filled

    @property
    def average(self) -> Paise:
        """Average fill price to the nearest paisa, 0 while nothing is filled. Tradebook rows are exact."""
        return (2 * self.value + self.filled) // (2 * self.filled) if self.filled else 0

    def allows(self, price: Paise) -> bool:
        """Whether its limit, if it has one, lets it trade at this price."""
        return self.price_type not in LIMITED or (self.price - price) * self.side.sign >= 0

    def is_triggered_at(self, price: Paise) -> bool:
        """Whether a print at this price sets off its trigger: at or beyond."""
        return (price - self.trigger) * self.side.sign >= 0

    def take_over(self, changed: "PaperOrder") -> None:
        """Adopt what a modify has changed."""
        self.price_type, self.quantity = changed.price_type, changed.quantity
        self.price, self.trigger, self.margin_price = changed.price, changed.trigger, changed.margin_price
        self.status, self.stance = changed.status, changed.stance

    def record(self) -> OrderRecord:
        """The order as it is now; made anew only after a change."""
        if self.cached is None:
            self.cached = OrderRecord(
                order_id=self.order_id,
                symbol=self.symbol,
                side=self.side,
                price_type=self.price_type,
                product=self.product,
                strategy=self.strategy,
                status=self.status,
                quantity=self.quantity,
                price=self.price,
                trigger=self.trigger,
                filled=self.filled,
                pending=0 if self.status is OrderStatus.REJECTED else self.remaining,
                average=self.average,
                reason=self.reason,
                placed_ns=self.placed_ns,
                changed_ns=self.changed_ns,
            )
        return self.cached
