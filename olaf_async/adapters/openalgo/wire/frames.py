"""The websocket's words: commands as text, every incoming frame as one small value.

Owns what a frame means. What is in a tick depends on the broker behind the server, and a client that asked
for prices alone is sent richer frames under the same label when somebody else asked for more: so the keys
decide, never the ``mode`` beside them. A price that cannot be read is a `WireError`, never a guess.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import msgspec

from olaf_async.adapters.openalgo.numbers import (
    Fields,
    WireError,
    fields,
    items,
    number_or_none,
    paise_or_none,
    read_json,
    required_text,
    shown,
    text,
)
from olaf_async.adapters.openalgo.wire.rows import mode_of, order_row
from olaf_async.domain.events import Mode, OrderRow
from olaf_async.domain.price import PAISE_PER_RUPEE, Paise

PRICE_MAX: Final[Paise] = 10_000_000 * PAISE_PER_RUPEE
"""Past this a price is garbage: no share of the exchange has come near it."""
AUTHENTICATION_ERROR: Final = "AUTHENTICATION_ERROR"
"""The code of a refused key."""
BROKER_ERRORS: Final = "BROKER_"
"""How the codes begin that say that the server has no prices from its broker."""

_MS_FROM: Final = 10**11
"""Times are seconds or milliseconds since the epoch, as the broker has it. Seconds reach this in the year
5138."""
_NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000

SUBSCRIBE_ORDERS: Final = '{"action":"subscribe_orders"}'


@dataclass(frozen=True, slots=True)
class AuthResult:
    """The key was taken."""


@dataclass(frozen=True, slots=True)
class SubscribeAck:
    """What became of each symbol asked for. What is in neither was passed over in silence.

    The answer's own status says ``partial`` also where every one failed.
    """

    taken: frozenset[str]
    refused: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class OrdersAck:
    """Order updates will be sent; also said by servers whose broker sends none."""


@dataclass(frozen=True, slots=True)
class Band:
    """The prices between which the exchange takes orders today, both included."""

    low: Paise
    high: Paise


@dataclass(frozen=True, slots=True)
class TickFrame:
    """A last price. ``exchange_ns`` is its time as the broker tells it; it may be nonsense, or None."""

    symbol: str
    exchange: str
    price: Paise
    exchange_ns: int | None
    band: Band | None


@dataclass(frozen=True, slots=True)
class OrderFrame:
    """What became of an order of the account, whoever placed it.

    ``row.filled`` is None where the frame says 0: the simulation writes 0 whatever the truth, unless the
    whole quantity has filled.
    """

    row: OrderRow
    mode: Mode
    exchange: str
    product: str


@dataclass(frozen=True, slots=True)
class ErrorFrame:
    """The server refuses something; it does not say what. ``message`` is its own and of any length."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A frame that is of no use here: an answer to nothing we asked, or market data without a price."""

    kind: str


Frame: TypeAlias = AuthResult | SubscribeAck | OrdersAck | TickFrame | OrderFrame | ErrorFrame | Unknown


def authenticate(api_key: str) -> str:
    """The first command on each connection. It holds the key."""
    return _encode({"action": "authenticate", "api_key": api_key})


def subscribe(exchange: str, symbols: Iterable[str]) -> str:
    """Ask for prices. Asking again for what one has is harmless."""
    wanted = [{"symbol": symbol, "exchange": exchange} for symbol in symbols]
    return _encode({"action": "subscribe", "symbols": wanted, "mode": "LTP"})


def decode(message: str | bytes) -> Frame:
    """One incoming frame.

    Raises:
        WireError: it is no JSON object, or a tick, order or acknowledgement that cannot be read.
    """
    frame = fields(read_json(message), "the frame")
    kind = text(frame.get("type"))
    if kind in _READERS:
        return _READERS[kind](frame)
    if text(frame.get("status")) == "error":
        return ErrorFrame(text(frame.get("code")), text(frame.get("message")))
    return _SUCCESSES.get(kind) or Unknown(kind)


def _market_data(frame: Fields) -> TickFrame | Unknown:
    data = fields(frame.get("data"), "data")
    price = paise_or_none(data, "ltp")
    if price is None:
        return Unknown("market_data")
    if not 0 < price <= PRICE_MAX:
        raise WireError(f"ltp is no price: {shown(data.get('ltp'))}")
    return TickFrame(
        symbol=required_text(frame, "symbol"),
        exchange=required_text(frame, "exchange"),
        price=price,
        exchange_ns=_time_ns(data, "timestamp") or _time_ns(data, "ltt"),
        band=_band(data),
    )


def _time_ns(data: Fields, key: str) -> int | None:
    """A time of either unit; None where there is none, or one that is no number (some write text)."""
    try:
        found = number_or_none(data, key)
    except WireError:
        return None
    if found is None or found <= 0:
        return None
    return int(found * (_NS_PER_S if found < _MS_FROM else _NS_PER_MS))


def _band(data: Fields) -> Band | None:
    """The day's band, which few brokers' feeds have; most of those write 0 where they do not know it."""
    try:
        low, high = paise_or_none(data, "lower_circuit"), paise_or_none(data, "upper_circuit")
    except WireError:
        return None
    return Band(low, high) if low is not None and high is not None and 0 < low < high else None


def _order_update(frame: Fields) -> OrderFrame:
    mode = mode_of(frame)
    if mode is None:
        raise WireError(f"an order update of neither mode: {shown(frame.get('mode'))}")
    row = order_row(frame)
    row = replace(row, filled=row.filled or None)
    return OrderFrame(row, mode, required_text(frame, "exchange"), required_text(frame, "product"))


def _subscribed(frame: Fields) -> SubscribeAck | ErrorFrame:
    if frame.get("subscriptions") is None:
        return ErrorFrame(text(frame.get("code")), text(frame.get("message")))
    taken: set[str] = set()
    refused: list[tuple[str, str]] = []
    for item in items(frame.get("subscriptions"), "subscriptions"):
        entry = fields(item, "a subscription")
        symbol = required_text(entry, "symbol")
        if text(entry.get("status")) == "success":
            taken.add(symbol)
        else:
            refused.append((symbol, text(entry.get("message"))))
    return SubscribeAck(frozenset(taken), tuple(refused))


_READERS: Final[Mapping[str, Callable[[Fields], Frame]]] = {
    "market_data": _market_data,
    "order_update": _order_update,
    "subscribe": _subscribed,
}
_SUCCESSES: Final[Mapping[str, Frame]] = {"auth": AuthResult(), "subscribe_orders": OrdersAck()}


def _encode(command: object) -> str:
    return msgspec.json.encode(command).decode()
