"""Orders of a paper account that died with its process, as a record kept elsewhere last knew them.

Owns what such a record has to say of each order for the account to be made again from it. It must never guess
at what the record does not say: that did not happen.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from olaf_async.adapters.paper.orders import STOPS, OrderStatus, PaperOrder
from olaf_async.domain.order import PriceType, Side, Terms
from olaf_async.domain.price import Paise

_NUMBER_DIGITS = 8


def id_of(day: str, number: int) -> str:
    """The id of the order that is the account's ``number``-th on a day (YYMMDD)."""
    return f"{day}{number:0{_NUMBER_DIGITS}d}"


def number_in(order_id: str) -> int:
    """The running number of an id made by `id_of`."""
    return int(order_id[-_NUMBER_DIGITS:])


@dataclass(frozen=True, slots=True)
class KeptOrder:
    """One order: ``filled`` shares of it have traded, for ``value`` paise in all.

    A stop is OPEN once it has been triggered. One that is COMPLETE has no more shares than have traded.
    """

    order_id: str
    symbol: str
    side: Side
    price_type: PriceType
    terms: Terms
    placed_ns: int
    status: OrderStatus
    filled: int = 0
    value: Paise = 0
    product: str = "MIS"
    strategy: str = "olaf"

    def as_placed(self) -> PaperOrder:
        """The order before anything happened to it, but for its terms, which are the newest."""
        terms = self.terms
        is_stop = self.price_type in STOPS
        return PaperOrder(
            number=number_in(self.order_id),
            order_id=self.order_id,
            symbol=self.symbol,
            side=self.side,
            price_type=self.price_type,
            product=self.product,
            strategy=self.strategy,
            quantity=terms.quantity,
            price=terms.price,
            trigger=terms.trigger,
            placed_ns=self.placed_ns,
            changed_ns=self.placed_ns,
            status=OrderStatus.TRIGGER_PENDING if is_stop else OrderStatus.OPEN,
            margin_price=terms.trigger or terms.price or (self.value // self.filled if self.filled else 0),
        )

    def executions(self, tick: Paise) -> Iterator[tuple[int, Paise]]:
        """(shares, price) of at most two executions that are worth exactly this.

        Prices are next to each other, on the grid of ``tick`` where value and limit are, and keep the limit.
        """
        filled, value = self.filled, self.value
        if not filled:
            return
        step = tick if value % tick == 0 and self.terms.price % tick == 0 else 1
        steps, dearer = divmod(value // step, filled)
        for shares, price in ((filled - dearer, steps * step), (dearer, (steps + 1) * step)):
            if shares:
                yield shares, price
