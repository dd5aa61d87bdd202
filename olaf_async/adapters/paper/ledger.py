"""The paper account's money: positions as folds over fills, margin, charges, funds.

Owns every paisa of the account. It must never know why an order filled.

L1. A position's quantity is the sum of its signed fills.
L2. capital + realised = cash + cost of what is open, where cash is capital minus all signed fill values.
L3. Margin used and charges are never below zero; a flat position holds no margin.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from olaf_async.adapters.paper.orders import PaperOrder
from olaf_async.domain.charges import ChargeRates, ExecutedOrder, charges_of
from olaf_async.domain.order import Side
from olaf_async.domain.price import Paise


@dataclass(slots=True)
class PaperPosition:
    """Net shares in one symbol and product; short is negative.

    ``cost`` is the signed value of what is open, so cost / quantity is its average price; ``realised`` is
    before charges.
    """

    symbol: str
    product: str
    quantity: int = 0
    cost: Paise = 0
    realised: Paise = 0
    margin: Paise = 0

    def fold(self, change: int, price: Paise) -> int:
        """Take in a fill of ``change`` signed shares; return how many of them opened rather than closed."""
        held = abs(self.quantity)
        closed = min(abs(change), held) if change * self.quantity < 0 else 0
        sign = 1 if change > 0 else -1
        if closed:
            released = self.cost * closed // held  # exact at the last share, so no paisa is lost on the way
            self.realised -= sign * closed * price + released
            self.cost -= released
            self.margin -= self.margin * closed // held
        opened = abs(change) - closed
        self.cost += sign * opened * price
        self.quantity += change
        return opened


@dataclass(frozen=True, slots=True)
class Funds:
    """The account in paise. ``used`` is margin; ``realised`` and ``unrealised`` are before charges."""

    available: Paise
    used: Paise
    realised: Paise
    unrealised: Paise
    charges: Paise


class Ledger:
    """The account's books of money."""

    def __init__(self, capital: Paise, leverage: int, rates: ChargeRates | None) -> None:
        self._capital = capital
        self._leverage = leverage
        self._rates = rates
        self._charged: dict[str, Paise] = {}
        self.positions: dict[tuple[str, str], PaperPosition] = {}
        self.realised: Paise = 0
        self.charges: Paise = 0
        self.used: Paise = 0
        self.blocked: Paise = 0

    @property
    def available(self) -> Paise:
        """What new orders may still block."""
        return self._capital + self.realised - self.charges - self.used - self.blocked

    def held(self, symbol: str, product: str) -> int:
        """Net shares now held."""
        position = self.positions.get((symbol, product))
        return position.quantity if position is not None else 0

    def margin_for(self, order: PaperOrder) -> Paise:
        """Margin its remaining shares need at ``order.margin_price``; closing shares need none.

        Source: OpenAlgo 2.0.2.1, sandbox/fund_manager.py: price times quantity over leverage.
        """
        if order.product == "CNC" and order.side is Side.SELL:
            return 0
        held = self.held(order.symbol, order.product) * order.side.sign
        opening = order.remaining if held >= 0 else max(0, order.remaining + held)
        return self._margin(order, opening)

    def block(self, order: PaperOrder, margin: Paise) -> None:
        """Hold this much, and no more, for a working order."""
        self.blocked += margin - order.blocked
        order.blocked = margin

    def fold(self, order: PaperOrder, quantity: int, price: Paise) -> None:
        """Book one fill, already counted in the order: position, realised profit, margin, charges."""
        key = order.symbol, order.product
        position = self.positions.get(key)
        if position is None:
            position = self.positions[key] = PaperPosition(order.symbol, order.product)
        realised, margin = position.realised, position.margin
        opened = position.fold(order.side.sign * quantity, price)
        taken = self._margin(order, opened)
        position.margin += taken
        self.realised += position.realised - realised
        self.used += position.margin - margin
        self.block(order, max(0, order.blocked - taken) if order.remaining else 0)
        self._charge(order)

    def funds(self, last_prices: Mapping[str, Paise]) -> Funds:
        """The account marked at these prices; a symbol without one is marked at its cost."""
        unrealised = sum(
            position.quantity * last_prices[position.symbol] - position.cost
            for position in self.positions.values()
            if position.symbol in last_prices
        )
        used = self.used + self.blocked
        return Funds(self.available, used, self.realised, unrealised, self.charges)

    def _margin(self, order: PaperOrder, shares: int) -> Paise:
        leverage = self._leverage if order.product == "MIS" else 1
        return -(-shares * order.margin_price // leverage)

    def _charge(self, order: PaperOrder) -> None:
        """Partial fills are one order: its charges are reckoned anew from all it has traded."""
        if self._rates is None:
            return
        total = charges_of(self._rates, (ExecutedOrder(order.side is Side.BUY, order.value),)).total
        self.charges += total - self._charged.get(order.order_id, 0)
        self._charged[order.order_id] = total
