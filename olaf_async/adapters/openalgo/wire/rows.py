"""What an order looks like on the wire, the same in the order book and on the order-update stream.

Owns the words: statuses, sides, kinds, modes, and which rows are ours to look at. A row that cannot be read
is a `WireError`, never a guess: a book with a hole in it would prove that an order is absent.
"""

from dataclasses import dataclass

from olaf_async.adapters.openalgo.numbers import (
    Fields,
    Json,
    WireError,
    paise,
    required_text,
    required_whole,
    shown,
    text,
    whole_or_none,
)
from olaf_async.domain.events import Mode, OrderRow, Status
from olaf_async.domain.order import PriceType, Side

_INDICES = frozenset({"NSE_INDEX", "BSE_INDEX", "MCX_INDEX", "GLOBAL_INDEX"})
_MARKETS = frozenset({"NSE", "NFO", "CDS", "BSE", "BFO", "BCD", "MCX", "NCDEX", "NCO", "CRYPTO"})
EXCHANGES = _MARKETS | _INDICES
"""Every exchange the server has a name for."""
PRODUCTS = frozenset({"MIS", "CNC", "NRML", "MTF", "BO", "CO"})
"""The three products that can be ordered, and three more that brokers' own applications make."""

_ENDED = (
    ("complete", Status.COMPLETE),
    ("cancelled", Status.CANCELLED),
    ("canceled", Status.CANCELLED),
    ("rejected", Status.REJECTED),
    ("expired", Status.EXPIRED),
)


@dataclass(frozen=True, slots=True)
class Scope:
    """The exchange and product we trade: rows of others are another strategy's business."""

    exchange: str
    product: str

    def holds(self, row: Fields) -> bool:
        """Whether the row is of our exchange and product.

        Raises:
            WireError: it names none, or one that nobody knows. Brokers' own words for a product reach us
                where a server cannot translate them, so an unknown one might be ours.
        """
        exchange, product = required_text(row, "exchange"), required_text(row, "product")
        if exchange not in EXCHANGES:
            raise WireError(f"unknown exchange {shown(exchange)}")
        if exchange != self.exchange:
            return False
        if product not in PRODUCTS:
            raise WireError(f"unknown product {shown(product)}")
        return product == self.product


def status_of(value: Json) -> Status:
    """What may be believed of a status text; all that is not known to be an end is WORKING.

    Live servers hand through whatever the broker calls it: ``put order req received``, ``TRANSIT``,
    ``PartiallyFilled``, ``cancel pending``. The server's zerodha plugin may also show the status of the
    row before: an end in a book is a hint that needs a second read or executions, which is for the core.
    """
    words = text(value).casefold()
    return next((status for start, status in _ENDED if words.startswith(start)), Status.WORKING)


def side_of(row: Fields) -> Side:
    """The row's ``action``.

    Raises:
        WireError: neither BUY nor SELL.
    """
    action = text(row.get("action")).upper()
    if action not in ("BUY", "SELL"):
        raise WireError(f"action is neither BUY nor SELL: {shown(row.get('action'))}")
    return Side(action)


def mode_of(message: Fields) -> Mode | None:
    """The mode an answer, book or frame tells; None where it tells none (live answers never do)."""
    told = text(message.get("mode"))
    return Mode(told) if told in ("live", "analyze") else None


def order_row(row: Fields) -> OrderRow:
    """One row of the order book, one orderstatus, or one order_update frame.

    ``filled`` is None where the row has no such field: most live books have none.

    Raises:
        WireError: no order id, symbol or side, or a number that cannot be read.
    """
    filled = whole_or_none(row, "filled_quantity")
    return OrderRow(
        order_id=required_text(row, "orderid"),
        symbol=required_text(row, "symbol"),
        side=side_of(row),
        price_type=_price_type(row),
        status=status_of(row.get("order_status")),
        quantity=_not_negative(required_whole(row, "quantity"), "quantity"),
        price=_not_negative(paise(row, "price"), "price"),
        trigger=_not_negative(paise(row, "trigger_price"), "trigger_price"),
        filled=None if filled is None else _not_negative(filled, "filled_quantity"),
        average=_not_negative(paise(row, "average_price"), "average_price"),
        reason=text(row.get("rejection_reason")),
    )


def _price_type(row: Fields) -> PriceType:
    """The row's kind; the word is a hint only, so an unknown one is read from the trigger beside it.

    Books write ``pricetype``, the answer to orderstatus ``price_type``.
    """
    word = text(row.get("pricetype")) or text(row.get("price_type"))
    known = {kind.value: kind for kind in PriceType}
    return known.get(word.upper()) or (PriceType.SL if paise(row, "trigger_price") else PriceType.LIMIT)


def _not_negative(value: int, what: str) -> int:
    if value < 0:
        raise WireError(f"{what} is negative: {shown(value)}")
    return value
