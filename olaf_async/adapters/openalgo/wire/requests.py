"""Requests: what is sent to which route, as bytes.

Owns names and forms of fields. Every field is sent, also where the server has a default: a modify replaces
all of them at once, and a field that the server does not know is a refusal. The one that is left out,
``underlying_ltp``, is unknown to older servers. Order ids go out as text, sides in capitals, prices as
decimal numbers made of paise: ``511.95`` and never what a binary float has instead.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import msgspec

from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder
from olaf_async.domain.order import PriceType, Side, Terms
from olaf_async.domain.price import to_text

_ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Access:
    """What every request says of us. The key is in no repr."""

    api_key: str = field(repr=False)
    strategy: str = "olaf"
    exchange: str = "NSE"
    product: str = "MIS"


@dataclass(frozen=True, slots=True)
class Request:
    """One call: POST ``body`` to ``route``. The body holds the key and is in no repr."""

    route: str
    body: bytes = field(repr=False)


def place(access: Access, intent: PlaceOrder) -> Request:
    """A new order. There is no id of ours in it: the server takes none, so sending it twice is two orders."""
    terms = _terms(intent.side, intent.price_type, intent.terms)
    return _request(
        "placeorder", access, strategy=access.strategy, **_instrument(access, intent.symbol), **terms
    )


def modify(access: Access, intent: ModifyOrder) -> Request:
    """All fields of a working order anew."""
    terms = _terms(intent.side, intent.price_type, intent.terms)
    return _request(
        "modifyorder",
        access,
        strategy=access.strategy,
        orderid=intent.order_id,
        **_instrument(access, intent.symbol),
        **terms,
    )


def cancel(access: Access, intent: CancelOrder) -> Request:
    """A cancel of a working order."""
    return _request("cancelorder", access, strategy=access.strategy, orderid=intent.order_id)


def order_book(access: Access) -> Request:
    """All orders of the day."""
    return _request("orderbook", access)


def trade_book(access: Access) -> Request:
    """All executions of the day."""
    return _request("tradebook", access)


def position_book(access: Access) -> Request:
    """All positions."""
    return _request("positionbook", access)


def order_status(access: Access, order_id: str) -> Request:
    """One order's row; a live server downloads its whole order book for it."""
    return _request("orderstatus", access, strategy=access.strategy, orderid=order_id)


def open_position(access: Access, symbol: str) -> Request:
    """One symbol's net quantity. The answer is 0 where the server found none and where it could not look."""
    return _request("openposition", access, strategy=access.strategy, **_instrument(access, symbol))


def quote(access: Access, symbol: str) -> Request:
    """One symbol's prices."""
    return _request("quotes", access, symbol=symbol, exchange=access.exchange)


def quotes(access: Access, symbols: Iterable[str]) -> Request:
    """The prices of several symbols, at least one."""
    wanted = [{"symbol": symbol, "exchange": access.exchange} for symbol in symbols]
    return _request("multiquotes", access, symbols=wanted)


def symbol_info(access: Access, symbol: str) -> Request:
    """What the server's master contract says of a symbol."""
    return _request("symbol", access, symbol=symbol, exchange=access.exchange)


def history(access: Access, symbol: str, interval: str, start: date, end: date) -> Request:
    """Bars of both days and all between; ``interval`` in the server's words, ``1m`` to ``D``."""
    return _request(
        "history",
        access,
        symbol=symbol,
        exchange=access.exchange,
        interval=interval,
        start_date=start.isoformat(),
        end_date=end.isoformat(),
        source="api",
    )


def search(access: Access, query: str) -> Request:
    """Symbols whose name contains the text. Of all calls here the only one that needs no broker session."""
    return _request("search", access, query=query, exchange=access.exchange)


def funds(access: Access) -> Request:
    """The account's money."""
    return _request("funds", access)


def ping(access: Access) -> Request:
    """The cheapest call that needs both the key and the broker's session."""
    return _request("ping", access)


def analyzer(access: Access) -> Request:
    """Where the server sends orders."""
    return _request("analyzer", access)


def timings(access: Access, day: date) -> Request:
    """The exchanges' hours on a day, as the server has them."""
    return _request("market/timings", access, date=day.isoformat())


def _instrument(access: Access, symbol: str) -> dict[str, object]:
    return {"symbol": symbol, "exchange": access.exchange, "product": access.product}


def _terms(side: Side, price_type: PriceType, terms: Terms) -> dict[str, object]:
    return {
        "action": side.value,
        "pricetype": price_type.value,
        "quantity": terms.quantity,
        "price": Decimal(to_text(terms.price)),
        "trigger_price": Decimal(to_text(terms.trigger)),
        "disclosed_quantity": 0,
    }


def _request(route: str, access: Access, **fields: object) -> Request:
    return Request(route, _ENCODER.encode({"apikey": access.api_key, **fields}))
