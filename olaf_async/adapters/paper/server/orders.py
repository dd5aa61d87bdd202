"""The order routes: from the fields of a request to the desk, and from what the desk says to an answer.

Owns what each verb means to OpenAlgo's sandbox. It must never fill an order or move a price.
"""

from decimal import Decimal
from typing import Final

from olaf_async.adapters.paper.server.answers import Answer, Json, error, success
from olaf_async.adapters.paper.server.desk import PaperDesk, Placed
from olaf_async.adapters.paper.server.fields import Fields
from olaf_async.domain.order import PriceType, Side, Terms
from olaf_async.domain.price import PAISE_PER_RUPEE, Paise, PriceError, to_paise
from olaf_async.errors import BrokerRejected

CHILDREN_MAX: Final = 100
"""The most orders one order may be split into."""


def place(desk: PaperDesk, fields: Fields) -> Answer:
    """Placeorder."""
    return _answer(_place(desk, fields, fields.text("strategy")))


def place_smart(desk: PaperDesk, fields: Fields) -> Answer:
    """placesmartorder: trade the way to a position; always at market, as the sandbox does it."""
    symbol, product = fields.text("symbol"), fields.text("product")
    held = desk.held(symbol, product)
    target, quantity = fields.whole("position_size"), fields.whole("quantity")
    side = Side(fields.text("action").upper())
    if held or target:
        side = Side.BUY if target > held else Side.SELL
        quantity = abs(target - held)
        if not quantity:
            return success(message="Positions Already Matched. No Action needed.")
    elif not quantity:
        return success(message="No OpenPosition Found. Not placing Exit order.")
    unlisted = _unlisted(desk, fields)
    if unlisted:
        return _answer(unlisted)
    terms = Terms(quantity, 0)
    strategy = fields.text("strategy")
    return _answer(desk.place(symbol, side, PriceType.MARKET, terms, strategy=strategy, product=product))


def place_basket(desk: PaperDesk, fields: Fields) -> Answer:
    """basketorder: buys first, so the results are not in the order of the request; 200 whatever they are."""
    orders = fields.rows("orders")
    buys_first = sorted(orders, key=lambda order: order.text("action").upper() != "BUY")
    results = [
        {name: order.text(name) for name in ("symbol", "exchange", "product")}
        | _result(_place(desk, order, fields.text("strategy")))
        for order in buys_first
    ]
    return success(results=results)


def place_split(desk: PaperDesk, fields: Fields) -> Answer:
    """splitorder: the same order in pieces of ``splitsize`` shares and a rest."""
    total, size = fields.whole("quantity"), fields.whole("splitsize")
    if size == 0 or -(-total // size) > CHILDREN_MAX:
        return error(400, f"Total number of orders would exceed maximum limit of {CHILDREN_MAX}")
    pieces = [size] * (total // size) + ([total % size] if total % size else [])
    results = [
        {"order_num": number, "quantity": quantity}
        | _result(_place(desk, fields, fields.text("strategy"), quantity))
        for number, quantity in enumerate(pieces, 1)
    ]
    return success(results=results, split_size=size, total_quantity=total)


def modify(desk: PaperDesk, fields: Fields) -> Answer:
    """modifyorder; symbol, action and product of the request are not looked at."""
    order_id = fields.text("orderid")
    if desk.find(order_id) is None:
        return _unknown(order_id)
    try:
        desk.modify(order_id, _terms(desk, fields), PriceType(fields.text("pricetype")))
    except BrokerRejected as refusal:
        return error(400, str(refusal))
    return success(message="Order modified successfully", orderid=order_id)


def cancel(desk: PaperDesk, fields: Fields) -> Answer:
    """Cancelorder."""
    order_id = fields.text("orderid")
    if desk.find(order_id) is None:
        return _unknown(order_id)
    try:
        desk.cancel(order_id)
    except BrokerRejected as refusal:
        return error(400, str(refusal))
    return success(message="Order cancelled successfully", orderid=order_id)


def cancel_all(desk: PaperDesk, _fields: Fields) -> Answer:
    """cancelallorder: of the whole account, whatever the strategy says."""
    cancelled = desk.cancel_all()
    message = f"Canceled {len(cancelled)} orders. Failed to cancel 0 orders."
    return success(
        canceled_orders=list(cancelled),
        failed_cancellations=[],
        message=message if cancelled else "No open orders to cancel",
    )


def close_positions(desk: PaperDesk, _fields: Fields) -> Answer:
    """closeposition: all of the account; working orders stay, and may open new positions."""
    if not desk.exchange.positions():
        return success(closed_positions=0, failed_closures=0, message="No open positions to close")
    closed = desk.close_positions()
    message = f"Closed {closed.done} positions"
    if closed.failed:
        message += f" (Failed to close {closed.failed} positions)"
    return success(closed_positions=closed.done, failed_closures=closed.failed, message=message)


def _place(desk: PaperDesk, fields: Fields, strategy: str, quantity: int | None = None) -> Placed:
    unlisted = _unlisted(desk, fields)
    if unlisted:
        return unlisted
    try:
        terms = _terms(desk, fields, quantity)
    except BrokerRejected as refusal:
        return Placed("", str(refusal))
    return desk.place(
        fields.text("symbol"),
        Side(fields.text("action").upper()),
        PriceType(fields.text("pricetype")),
        terms,
        strategy=strategy,
        product=fields.text("product"),
    )


def _unlisted(desk: PaperDesk, fields: Fields) -> Placed | None:
    symbol, exchange = fields.text("symbol"), fields.text("exchange")
    return None if desk.lists(symbol, exchange) else Placed("", f"Symbol {symbol} not found on {exchange}")


def _terms(desk: PaperDesk, fields: Fields, quantity: int | None = None) -> Terms:
    read = _exact if desk.exchange.rules.exchange_true else _rounded
    return Terms(
        fields.whole("quantity") if quantity is None else quantity,
        read(fields.number("price")),
        read(fields.number("trigger_price")),
    )


def _rounded(number: Decimal) -> Paise:
    """As the sandbox stores prices: two places, half to even."""
    return round(number * PAISE_PER_RUPEE)


def _exact(number: Decimal) -> Paise:
    try:
        return to_paise(number)
    except PriceError as fault:
        raise BrokerRejected(str(fault)) from None


def _answer(placed: Placed) -> Answer:
    if not placed.refusal:
        return success(orderid=placed.order_id)
    return error(400, placed.refusal, **({"orderid": placed.order_id} if placed.order_id else {}))


def _result(placed: Placed) -> Json:
    return _answer(placed)[1]


def _unknown(order_id: str) -> Answer:
    return error(404, f"Order {order_id} not found")
