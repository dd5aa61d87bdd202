"""The paper account as its owner sees it: order book, tradebook, positions, funds, frames, history.

Owns what is told and when it is told anew. It must never decide anything about an order.
"""

from dataclasses import dataclass, replace
from typing import Final

from olaf_async.adapters.paper.ledger import Funds, Ledger, PaperPosition
from olaf_async.adapters.paper.market import Market
from olaf_async.adapters.paper.orders import Change, Fill, OrderRecord, OrderStatus, PaperOrder, What
from olaf_async.domain.charges import ChargeRates
from olaf_async.domain.events import OrderRow, PositionRow, TradeRow
from olaf_async.domain.price import Paise
from olaf_async.errors import BrokerRejected

_SQUARE_OFF_S: Final = 15 * 3600 + 15 * 60
_IST_S: Final = 5 * 3600 + 30 * 60


@dataclass(frozen=True, slots=True)
class PaperRules:
    """How the paper exchange behaves. ``exchange_true`` False is OpenAlgo's sandbox with its quirks.

    ``slippage_ticks`` worsens every fill that takes a price (market, stop, marketable limit), never beyond
    the order's limit. ``seed`` is of the partial fills. ``charges`` None means none. ``leverage`` divides
    the margin of MIS orders. ``square_off_s`` (seconds since local midnight, None: never) is when the
    sandbox stops taking MIS orders. ``utc_offset_s`` makes local dates and times, India's by default.
    """

    slippage_ticks: int = 0
    exchange_true: bool = True
    partial_fills: bool = False
    seed: int = 0
    capital_paise: Paise = 1_000_000_00
    charges: ChargeRates | None = None
    leverage: int = 5
    square_off_s: int | None = _SQUARE_OFF_S
    utc_offset_s: int = _IST_S


class PaperAccount:
    """The readable half of the paper exchange.

    ``history`` (every change of every order) and ``fills`` only ever grow; read them, leave them alone.
    """

    def __init__(self, rules: PaperRules, markets: dict[str, Market]) -> None:
        self.rules = rules
        self.history: list[Change] = []
        self.fills: list[Fill] = []
        self._markets = markets
        self._ledger = Ledger(rules.capital_paise, rules.leverage, rules.charges)
        self._orders: dict[str, PaperOrder] = {}
        self._frames: list[OrderRecord] = []
        self._order_rows: tuple[OrderRow, ...] | None = None
        self._trade_rows: tuple[TradeRow, ...] = ()
        self._position_rows: dict[str, tuple[PositionRow, ...]] = {}

    def order_rows(self) -> tuple[OrderRow, ...]:
        """The order book, oldest first."""
        if self._order_rows is None:
            self._order_rows = tuple(order.record().row for order in self._orders.values())
        return self._order_rows

    def trade_rows(self) -> tuple[TradeRow, ...]:
        """The tradebook, oldest first."""
        new = self.fills[len(self._trade_rows) :]
        if new:
            self._trade_rows += tuple(
                TradeRow(fill.order_id, fill.symbol, fill.side, fill.quantity, fill.price) for fill in new
            )
        return self._trade_rows

    def position_rows(self, product: str = "MIS") -> tuple[PositionRow, ...]:
        """The position book of one product, closed positions included."""
        rows = self._position_rows.get(product)
        if rows is None:
            rows = self._position_rows[product] = tuple(
                PositionRow(position.symbol, position.quantity)
                for position in self._ledger.positions.values()
                if position.product == product
            )
        return rows

    def records(self) -> tuple[OrderRecord, ...]:
        """All orders in full, oldest first; how each came there is in ``history``."""
        return tuple(order.record() for order in self._orders.values())

    def record(self, order_id: str) -> OrderRecord:
        """One order in full.

        Raises:
            BrokerRejected: there is none of this id.
        """
        return self._find(order_id).record()

    def positions(self) -> tuple[PaperPosition, ...]:
        """All positions with their cost, realised profit and margin, as copies."""
        return tuple(replace(position) for position in self._ledger.positions.values())

    def funds(self) -> Funds:
        """The account's money at the last prices."""
        marks = {symbol: market.last for symbol, market in self._markets.items() if market.last is not None}
        return self._ledger.funds(marks)

    def take_frames(self) -> list[OrderRecord]:
        """The order-update frames since frames or news were last taken."""
        frames, self._frames = self._frames, []
        return frames

    def take_news(self) -> list[OrderRow]:
        """The same as the engine reads them."""
        return [frame.row for frame in self.take_frames()] if self._frames else []

    def _next_number(self) -> int:
        """A new order's: above that of every order there is, the newest being last."""
        newest = next(reversed(self._orders.values()), None)
        return newest.number + 1 if newest is not None else 1

    def _find(self, order_id: str) -> PaperOrder:
        order = self._orders.get(order_id)
        if order is None:
            raise BrokerRejected(f"Order {order_id} not found")
        return order

    def _write_change(self, order: PaperOrder, what: What, at_ns: int) -> None:
        """Put a change other than a fill into the history."""
        self._forget_cached(order, at_ns)
        self.history.append(
            Change(
                order_id=order.order_id,
                at_ns=at_ns,
                what=what,
                status=order.status,
                quantity=order.quantity,
                filled=order.filled,
                price=order.price,
                trigger=order.trigger,
            )
        )

    def _write_fill(
        self, order: PaperOrder, quantity: int, price: Paise, at_ns: int, *, intrabar: bool
    ) -> None:
        """Put a fill, already counted in the order, into tradebook, ledger and history."""
        self._forget_cached(order, at_ns)
        self._position_rows.clear()
        fill = Fill(
            number=len(self.fills) + 1,
            order_id=order.order_id,
            symbol=order.symbol,
            product=order.product,
            strategy=order.strategy,
            side=order.side,
            quantity=quantity,
            price=price,
            at_ns=at_ns,
            intrabar=intrabar,
        )
        self.fills.append(fill)
        self._ledger.fold(order, quantity, price)
        self.history.append(
            Change(
                order_id=order.order_id,
                at_ns=at_ns,
                what=What.FILLED,
                status=order.status,
                quantity=order.quantity,
                filled=order.filled,
                price=price,
                trigger=order.trigger,
                intrabar=intrabar,
            )
        )

    def _tell(self, order: PaperOrder) -> None:
        """Send an order-update frame."""
        record = order.record()
        if not self.rules.exchange_true:
            # The sandbox's frames know no pending quantity, and its last one shows the fill as the price.
            price = order.average if order.status is OrderStatus.COMPLETE else order.price
            record = replace(record, price=price, pending=0)
        self._frames.append(record)

    def _forget_cached(self, order: PaperOrder, at_ns: int) -> None:
        order.changed_ns = at_ns
        order.cached = None
        self._order_rows = None
