"""The account routes: orders, trades, positions, funds, margin and mode, as OpenAlgo's sandbox tells them.

Owns the shapes of the rows. It must never change anything but the mode. An exchange-true account tells its
orders and trades as live brokers do: without fill fields, strategy or trade id.
"""

from collections import Counter
from decimal import Decimal
from typing import Final

from olaf_async.adapters.paper.ledger import PaperPosition
from olaf_async.adapters.paper.orders import Fill, OrderRecord, OrderStatus
from olaf_async.adapters.paper.server.answers import Answer, Json, error, rupees, success
from olaf_async.adapters.paper.server.desk import EXCHANGE, PaperDesk
from olaf_async.adapters.paper.server.fields import Fields
from olaf_async.domain.order import Side
from olaf_async.domain.price import PAISE_PER_RUPEE

_TIME: Final = "%Y-%m-%d %H:%M:%S"
_ONLY_SANDBOX_ORDERS: Final = frozenset(
    {"average_price", "filled_quantity", "pending_quantity", "rejection_reason", "strategy"}
)
_ONLY_SANDBOX_TRADES: Final = frozenset({"price", "strategy", "tradeid"})


def order_book(desk: PaperDesk, _fields: Fields) -> Answer:
    """orderbook: newest first."""
    records = desk.exchange.records()[::-1]
    is_live_like = desk.exchange.rules.exchange_true
    hidden = _ONLY_SANDBOX_ORDERS if is_live_like else frozenset[str]()
    statuses = Counter(record.status for record in records)
    sides = Counter(record.side for record in records)
    statistics = {
        "total_buy_orders": sides[Side.BUY],
        "total_sell_orders": sides[Side.SELL],
        "total_completed_orders": statuses[OrderStatus.COMPLETE],
        "total_open_orders": statuses[OrderStatus.OPEN],
        "total_rejected_orders": statuses[OrderStatus.REJECTED],
    }
    if not is_live_like:
        statistics["total_trigger_pending_orders"] = statuses[OrderStatus.TRIGGER_PENDING]
    rows = [_without(hidden, _order_row(desk, record)) for record in records]
    return success(data={"orders": rows, "statistics": statistics})


def order_status(desk: PaperDesk, fields: Fields) -> Answer:
    """orderstatus: the row of one order, by its id alone."""
    order_id = fields.text("orderid")
    record = desk.find(order_id)
    if record is None:
        return error(404, f"Order {order_id} not found")
    row = _order_row(desk, record)
    del row["rejection_reason"]
    row["price_type"] = row.pop("pricetype")  # this route, and no other, spells it so
    return success(data=row)


def trade_book(desk: PaperDesk, _fields: Fields) -> Answer:
    """tradebook: a row for each fill, newest first."""
    hidden = _ONLY_SANDBOX_TRADES if desk.exchange.rules.exchange_true else frozenset[str]()
    rows = [_without(hidden, _trade_row(desk, fill)) for fill in reversed(desk.exchange.fills)]
    return success(data=rows)


def position_book(desk: PaperDesk, _fields: Fields) -> Answer:
    """positionbook: closed positions stay as rows of quantity 0."""
    positions = sorted(desk.exchange.positions(), key=lambda held: (held.symbol, held.product))
    realised = sum(position.realised for position in positions)
    unrealised = sum(_unrealised(desk, position) for position in positions)
    return success(
        data=[_position_row(desk, position) for position in positions],
        total_pnl=rupees(realised + unrealised),
        total_pnl_today=rupees(realised + unrealised),
        total_today_realized_pnl=rupees(realised),
        total_unrealized_pnl=rupees(unrealised),
    )


def open_position(desk: PaperDesk, fields: Fields) -> Answer:
    """openposition: net shares, 0 also where there are none."""
    held = desk.held(fields.text("symbol"), fields.text("product"))
    return success(quantity=held if fields.text("exchange") == EXCHANGE else 0)


def holdings(_desk: PaperDesk, _fields: Fields) -> Answer:
    """holdings: none, since no share is ever carried into another day here."""
    names = ("totalholdingvalue", "totalinvvalue", "totalpnlpercentage", "totalprofitandloss")
    return success(data={"holdings": [], "statistics": dict.fromkeys(names, 0.0)})


def funds(desk: PaperDesk, _fields: Fields) -> Answer:
    """Funds."""
    money = desk.exchange.funds()
    return success(
        data={
            "availablecash": rupees(money.available),
            "collateral": 0.0,
            "grossexposure": rupees(money.used),
            "last_reset": desk.local(desk.started_ns).strftime(_TIME),
            "m2mrealized": rupees(money.realised),
            "m2munrealized": rupees(money.unrealised),
            "reset_count": 0,
            "today_realized_pnl": rupees(money.realised),
            "total_realized_pnl": rupees(money.realised),
            "totalpnl": rupees(money.realised + money.unrealised),
            "utiliseddebits": rupees(money.used),
        }
    )


def margin(desk: PaperDesk, fields: Fields) -> Answer:
    """margin: what these orders would block, each taken alone."""
    total = Decimal(0)
    for leg in fields.rows("positions"):
        quote = desk.quote(leg.text("symbol"))
        price = leg.number("price") or Decimal(quote.ltp if quote else 0) / PAISE_PER_RUPEE
        leverage = desk.exchange.rules.leverage if leg.text("product") == "MIS" else 1
        total += price * leg.number("quantity") / leverage
    required = round(float(total), 2)
    return success(data={"exposure_margin": required, "span_margin": 0.0, "total_margin_required": required})


def analyzer(desk: PaperDesk, _fields: Fields) -> Answer:
    """analyzer: in which mode the server is."""
    return success(data=_mode(desk))


def toggle_analyzer(desk: PaperDesk, fields: Fields) -> Answer:
    """analyzer/toggle: from then on the server answers in the other mode, over the same paper account."""
    desk.is_analyze = fields.flag("mode")
    return success(data={**_mode(desk), "message": f"Analyzer mode switched to {desk.mode}"})


def _order_row(desk: PaperDesk, record: OrderRecord) -> Json:
    """An order as the sandbox's order book has it."""
    return {
        "action": record.side.value,
        "average_price": rupees(record.average),
        "exchange": EXCHANGE,
        "filled_quantity": record.filled,
        "order_status": str(record.status),
        "orderid": record.order_id,
        "pending_quantity": record.pending,
        "price": rupees(record.price),
        "pricetype": record.price_type.value,
        "product": record.product,
        "quantity": record.quantity,
        "rejection_reason": record.reason,
        "strategy": record.strategy,
        "symbol": record.symbol,
        "timestamp": desk.local(record.placed_ns).strftime(_TIME),
        "trigger_price": rupees(record.trigger),
    }


def _trade_row(desk: PaperDesk, fill: Fill) -> Json:
    at = desk.local(fill.at_ns)
    return {
        "action": fill.side.value,
        "average_price": rupees(fill.price),
        "exchange": EXCHANGE,
        "orderid": fill.order_id,
        "price": rupees(fill.price),
        "product": fill.product,
        "quantity": fill.quantity,
        "strategy": fill.strategy,
        "symbol": fill.symbol,
        "timestamp": at.strftime(_TIME),
        "trade_value": rupees(fill.price * fill.quantity),
        "tradeid": f"TRADE-{at:%Y%m%d-%H%M%S}-{fill.number:08x}",
    }


def _position_row(desk: PaperDesk, position: PaperPosition) -> Json:
    unrealised = _unrealised(desk, position)
    total = position.realised + unrealised
    cost = abs(position.cost)
    average = rupees(round(Decimal(cost) / abs(position.quantity))) if position.quantity else 0.0
    return {
        "average_price": average,
        "exchange": EXCHANGE,
        "lot_size": 1.0,
        "ltp": rupees(_mark(desk, position)),
        "pnl": rupees(total),
        "pnlpercent": 100 * total / cost if cost else 0.0,
        "product": position.product,
        "quantity": position.quantity,
        "symbol": position.symbol,
        "today_realized_pnl": rupees(position.realised),
        "total_pnl_today": rupees(total),
        # A closed row repeats its realised profit here; recorded so.
        "unrealized_pnl": rupees(unrealised if position.quantity else position.realised),
    }


def _mark(desk: PaperDesk, position: PaperPosition) -> int:
    """The last price of an open position; a closed one is marked no more after the fill that closed it."""
    if position.quantity:
        return desk.exchange.last(position.symbol) or 0
    return next(
        fill.price
        for fill in reversed(desk.exchange.fills)
        if (fill.symbol, fill.product) == (position.symbol, position.product)
    )


def _unrealised(desk: PaperDesk, position: PaperPosition) -> int:
    return position.quantity * _mark(desk, position) - position.cost if position.quantity else 0


def _mode(desk: PaperDesk) -> Json:
    return {"analyze_mode": desk.is_analyze, "mode": desk.mode, "total_logs": len(desk.exchange.history)}


def _without(hidden: frozenset[str], row: Json) -> Json:
    return {name: value for name, value in row.items() if name not in hidden}
