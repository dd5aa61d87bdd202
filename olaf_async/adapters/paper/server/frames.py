"""What the websocket says: ticks in three modes, order updates, errors; keys and quirks as recorded.

Owns the shapes. Must never know who hears them. The keys of a tick's ``data`` belong to the broker behind a
server, not to OpenAlgo: these are those of the recording, and those the official Python SDK reads.
"""

from enum import IntEnum
from typing import Final

from olaf_async.adapters.paper.orders import OrderRecord
from olaf_async.adapters.paper.server.answers import Json, rupees
from olaf_async.adapters.paper.server.desk import EXCHANGE, PaperDesk, Quote
from olaf_async.domain.price import Paise

DEPTH_LEVELS: Final = 5
_NS_PER_MS: Final = 1_000_000
_LEVEL_SHARES: Final = 100


class Mode(IntEnum):
    """How much of a tick a client wants; each holds all of the one before."""

    LTP = 1
    QUOTE = 2
    DEPTH = 3

    @property
    def label(self) -> str:
        """The word for it in acknowledgements."""
        return "LTP" if self is Mode.LTP else self.name.title()


_WORDS: Final = {Mode.LTP: "ltp", Mode.QUOTE: "quote", Mode.DEPTH: "full"}
"""What ``data`` itself calls its mode."""


class BadMode(ValueError):
    """No mode at all; the text is what the client is told."""


def read_mode(value: object) -> Mode:
    """A mode as clients write it: 1 to 3, or its label in any case.

    Raises:
        BadMode: neither.
    """
    if isinstance(value, str):
        try:
            return Mode[value.strip().upper()]
        except KeyError:
            raise BadMode(
                f"Invalid mode {value!r}; expected 'LTP', 'Quote', or 'Depth' (case-insensitive)"
            ) from None
    if isinstance(value, bool) or not isinstance(value, int):
        said = f" ({value!r})" if isinstance(value, bool) else ""
        raise BadMode(f"Mode must be int or str, got {type(value).__name__}{said}")
    try:
        return Mode(value)
    except ValueError:
        raise BadMode(f"Invalid mode {value}; expected 1 (LTP), 2 (Quote), or 3 (Depth)") from None


def error(code: str, message: str) -> Json:
    """A refusal: it names neither the command nor its request id, and the socket stays open."""
    return {"status": "error", "code": code, "message": message}


def market_data(desk: PaperDesk, symbol: str, mode: Mode, data: Json) -> Json:
    """A tick for clients that are told ``mode``; ``data`` may hold more than that."""
    return {
        "type": "market_data",
        "symbol": symbol,
        "exchange": EXCHANGE,
        "mode": int(mode),
        "data": data,
        "broker": desk.broker_name,
    }


def tick_data(
    symbol: str, mode: Mode, quote: Quote, at_ns: int, tick: Paise, *, has_trade_time: bool = True
) -> Json:
    """The ``data`` of a tick; times are whole milliseconds since the epoch.

    The second frame of a tick, for clients that want the price alone while others want more, is without
    ``ltt``: recorded so.
    """
    at_ms = at_ns // _NS_PER_MS
    data: Json = {"symbol": symbol, "exchange": EXCHANGE, "mode": _WORDS[mode], "ltp": rupees(quote.ltp)}
    if has_trade_time:
        data["ltt"] = at_ms
    data["timestamp"] = at_ms
    if mode >= Mode.QUOTE:
        data |= _quote_data(quote)
    if mode is Mode.DEPTH:
        data["depth"] = {"buy": _levels(quote.bid, -tick), "sell": _levels(quote.ask, tick)}
    return data


def _quote_data(quote: Quote) -> Json:
    """Quantities and averages of trades are not known here, and 0; the day's change is."""
    shares = _LEVEL_SHARES * DEPTH_LEVELS * (DEPTH_LEVELS + 1) // 2
    change = quote.ltp - quote.prev_close
    return {
        "volume": quote.volume,
        "last_quantity": 0,
        "average_price": 0.0,
        "total_buy_quantity": shares,
        "total_sell_quantity": shares,
        "open": rupees(quote.open),
        "high": rupees(quote.high),
        "low": rupees(quote.low),
        "close": rupees(quote.prev_close),
        # The names under which the SDK looks for the same.
        "last_trade_quantity": 0,
        "avg_trade_price": 0.0,
        "change": rupees(change),
        "change_percent": round(100 * change / quote.prev_close, 2) if quote.prev_close else 0.0,
    }


def _levels(best: Paise, step: Paise) -> list[Json]:
    """A made-up side of the book, as the recording's: 100 shares more at each tick away from the price."""
    prices = (best + n * step for n in range(DEPTH_LEVELS))
    return [
        {"price": rupees(price), "quantity": _LEVEL_SHARES * n, "orders": n}
        for n, price in enumerate(prices, 1)
        if price > 0
    ]


def order_update(desk: PaperDesk, order: OrderRecord) -> Json:
    """What became of an order: no time, sequence or strategy, so that frames of one order may look alike."""
    return {
        "type": "order_update",
        "user_id": desk.user,
        "mode": desk.mode,
        "broker": "sandbox" if desk.is_analyze else desk.broker_name,
        "orderid": order.order_id,
        "symbol": order.symbol,
        "exchange": EXCHANGE,
        "action": order.side.value,
        "quantity": order.quantity,
        "price": rupees(order.price),
        "trigger_price": rupees(order.trigger),
        "pricetype": order.price_type.value,
        "product": order.product,
        "order_status": order.status.value,
        "filled_quantity": order.filled,
        "pending_quantity": order.pending,
        "average_price": rupees(order.average),
        "rejection_reason": order.reason,
    }
