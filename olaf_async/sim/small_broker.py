"""A broker small enough to try everything with: one symbol, orders that are values, the truth, nothing else.

Owns what has been ordered, filled and ended, and at what price the symbol trades. It does what it is told;
when, how often and whether anybody hears of it is for who uses it. What trades does so at its own price, so
that the sums of a day do not multiply the situations there are.
"""

from dataclasses import dataclass, replace

from olaf_async.domain.events import OrderRow, PositionRow, Status, TradeRow
from olaf_async.domain.intents import ModifyOrder, PlaceOrder
from olaf_async.domain.order import PriceType, Role, Side, Terms
from olaf_async.domain.price import Paise
from olaf_async.errors import BrokerRejected


@dataclass(frozen=True, slots=True)
class Held:
    """One order as the broker has it; ``key`` and ``role`` are None for another hand's.

    ``fills`` are its executions, (shares, price) each.
    """

    order_id: str
    side: Side
    price_type: PriceType
    terms: Terms
    key: str | None = None
    role: Role | None = None
    status: Status = Status.WORKING
    is_triggered: bool = False
    fills: tuple[tuple[int, Paise], ...] = ()

    @property
    def filled(self) -> int:
        """Shares traded."""
        return sum(quantity for quantity, _ in self.fills)

    @property
    def is_working(self) -> bool:
        """Whether it may still trade."""
        return self.status is Status.WORKING

    @property
    def remaining(self) -> int:
        """Shares that may still trade."""
        return self.terms.quantity - self.filled if self.is_working else 0

    def is_set_off_by(self, price: Paise) -> bool:
        """Whether this price triggers it."""
        if not self.is_working or self.is_triggered or self.price_type is not PriceType.SL:
            return False
        return (price - self.terms.trigger) * self.side.sign >= 0

    def is_met_by(self, price: Paise) -> bool:
        """Whether it trades at this price."""
        if not self.is_working:
            return False
        is_open = self.is_triggered or self.price_type is not PriceType.SL or self.is_set_off_by(price)
        return is_open and (self.terms.price - price) * self.side.sign >= 0


@dataclass(frozen=True, slots=True)
class SmallBroker:
    """The account. Every act returns the broker after it; ``news`` are the rows that acts have changed."""

    symbol: str
    price: Paise
    orders: tuple[Held, ...] = ()
    news: tuple[OrderRow, ...] = ()

    # --- what is true -------------------------------------------------------------------------------------

    @property
    def ours(self) -> tuple[Held, ...]:
        """The engine's orders."""
        return tuple(held for held in self.orders if held.key is not None)

    def net(self, *, is_ours: bool) -> int:
        """Shares bought less shares sold, by the engine's own orders or by everybody."""
        return sum(
            held.side.sign * held.filled for held in self.orders if held.key is not None or not is_ours
        )

    def foreign(self, side: Side) -> int:
        """Shares that other hands have traded on this side."""
        return sum(held.filled for held in self.orders if held.key is None and held.side is side)

    # --- what it is asked ---------------------------------------------------------------------------------

    def place(self, intent: PlaceOrder) -> "SmallBroker":
        """Take an order; its id is the next.

        Raises:
            BrokerRejected: a stop order whose trigger the price has reached.
        """
        held = Held(self.next_id, intent.side, intent.price_type, intent.terms, intent.key, intent.role)
        if held.is_set_off_by(self.price):
            raise BrokerRejected("the trigger has been reached")
        return self._with(held)

    def modify(self, intent: ModifyOrder) -> "SmallBroker":
        """Change a working order.

        Raises:
            BrokerRejected: it has ended or filled, or its new trigger has been reached.
        """
        held = self._working(intent.order_id)
        changed = replace(held, terms=intent.terms)
        if intent.terms.quantity <= held.filled:
            raise BrokerRejected("it has filled")
        if changed.is_set_off_by(self.price):
            raise BrokerRejected("the trigger has been reached")
        return self._with(changed)

    def end(self, order_id: str, status: Status) -> "SmallBroker":
        """End a working order with what it has.

        Raises:
            BrokerRejected: it has ended already.
        """
        return self._with(replace(self._working(order_id), status=status))

    @property
    def next_id(self) -> str:
        """The id of the order that is placed next."""
        return str(len(self.orders) + 1)

    def _working(self, order_id: str) -> Held:
        held = self.orders[int(order_id) - 1]
        if not held.is_working:
            raise BrokerRejected("it has ended")
        return held

    # --- what happens -------------------------------------------------------------------------------------

    def at(self, price: Paise) -> "SmallBroker":
        """The symbol trades at this price; what is set off by it is open from now on."""
        orders = tuple(
            replace(held, is_triggered=True) if held.is_set_off_by(price) else held for held in self.orders
        )
        return replace(self, price=price, orders=orders)

    def first_met(self) -> Held | None:
        """The first order that trades at the price of now."""
        return next((held for held in self.orders if held.is_met_by(self.price)), None)

    def trade(self, held: Held, quantity: int) -> "SmallBroker":
        """So many shares of an order trade: at its trigger, else its limit, else the price of now."""
        price = held.terms.trigger or held.terms.price or self.price
        traded = replace(held, fills=(*held.fills, (quantity, price)))
        if traded.filled == traded.terms.quantity:
            traded = replace(traded, status=Status.COMPLETE)
        return self._with(traded)

    def another_hand(self, side: Side, quantity: int) -> "SmallBroker":
        """Somebody else trades the symbol on the same account."""
        held = Held(self.next_id, side, PriceType.MARKET, Terms(quantity, 0))
        return self._with(held).trade(held, quantity)

    def _with(self, held: Held) -> "SmallBroker":
        at = int(held.order_id) - 1
        orders = (*self.orders[:at], held, *self.orders[at + 1 :])
        return replace(self, orders=orders, news=(*self.news, self.row(held)))

    # --- what it shows ------------------------------------------------------------------------------------

    def row(self, held: Held) -> OrderRow:
        """What a book or a frame shows of an order."""
        filled = held.filled
        value = sum(quantity * price for quantity, price in held.fills)
        return OrderRow(
            order_id=held.order_id,
            symbol=self.symbol,
            side=held.side,
            price_type=held.price_type,
            status=held.status,
            quantity=held.terms.quantity,
            price=held.terms.price,
            trigger=held.terms.trigger,
            filled=filled,
            average=(2 * value + filled) // (2 * filled) if filled else 0,
            reason="" if held.status is not Status.REJECTED else "so be it",
        )

    @property
    def rows(self) -> dict[str, OrderRow]:
        """Every order of today by its id."""
        return {held.order_id: self.row(held) for held in self.orders}

    def order_book(self) -> tuple[OrderRow, ...]:
        """Every order of today."""
        return tuple(self.rows.values())

    def trade_book(self) -> tuple[TradeRow, ...]:
        """Every execution of today."""
        return tuple(
            TradeRow(held.order_id, self.symbol, held.side, quantity, price)
            for held in self.orders
            for quantity, price in held.fills
        )

    def positions(self) -> tuple[PositionRow, ...]:
        """The account's net position."""
        return (PositionRow(self.symbol, self.net(is_ours=False)),)
