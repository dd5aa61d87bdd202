"""What a client of the websocket may say, and what it is answered; texts and quirks as recorded.

Owns the conversation with one client: whether it is known and what it wants to hear. Must never touch a
socket. Nothing a client says ends the conversation, and no answer to a fault says which command it was to.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

import msgspec

from olaf_async.adapters.paper.server import frames
from olaf_async.adapters.paper.server.answers import Json
from olaf_async.adapters.paper.server.desk import EXCHANGE, PaperDesk
from olaf_async.adapters.paper.server.frames import BadMode, Mode, read_mode
from olaf_async.errors import OlafError

Asked: TypeAlias = Mapping[str, object]

_COMPLETE: Final = "processing complete"


class _Unusable(OlafError):
    """A command of a shape that the original stumbles over; the text is what it says then."""


class Subscriber:
    """What one client has shown and asked for."""

    def __init__(self) -> None:
        self.is_known = False
        self.hears_orders = False
        self._modes: defaultdict[str, set[Mode]] = defaultdict(set)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols whose ticks it hears."""
        return tuple(self._modes)

    def modes(self, symbol: str) -> frozenset[Mode]:
        """In which modes it hears a symbol's ticks; a client may hold several."""
        return frozenset(self._modes.get(symbol, ()))

    def add(self, symbol: str, mode: Mode) -> None:
        """Let it hear the symbol in this mode too."""
        self._modes[symbol].add(mode)

    def drop(self, symbol: str, mode: Mode) -> None:
        """Let it no longer hear the symbol in this mode, if it did."""
        left = self._modes.get(symbol, set())
        left.discard(mode)
        if not left:
            self._modes.pop(symbol, None)

    def forget_all(self) -> None:
        """Let it hear no ticks any more."""
        self._modes.clear()


class Commands:
    """Answers the messages of every client of one desk."""

    def __init__(self, desk: PaperDesk) -> None:
        self._desk = desk
        self._of_all: dict[str, Callable[[Subscriber, Asked], Json]] = {
            "authenticate": self._authenticate,
            "auth": self._authenticate,
            "ping": self._pong,
            "get_supported_brokers": self._supported_brokers,
        }
        self._of_known: dict[str, Callable[[Subscriber, Asked], Json]] = {
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "unsubscribe_all": self._unsubscribe_all,
            "subscribe_orders": self._subscribe_orders,
            "unsubscribe_orders": self._unsubscribe_orders,
            "get_broker_info": self._broker_info,
        }

    def answer(self, client: Subscriber, message: str | bytes) -> Json:
        """What a client is told to one message of it; nothing it says closes the socket."""
        try:
            asked: object = msgspec.json.decode(message)
        except (msgspec.DecodeError, RecursionError):
            return frames.error("INVALID_JSON", "Invalid JSON message")
        try:
            return self._carry_out(client, _object(asked))
        except BadMode as bad:
            return frames.error("INVALID_MODE", str(bad))
        except _Unusable as unusable:
            return frames.error("SERVER_ERROR", str(unusable))

    def _carry_out(self, client: Subscriber, asked: Asked) -> Json:
        action = asked.get("action") or asked.get("type")
        if not isinstance(action, str):
            return frames.error("INVALID_ACTION", f"Invalid action: {action}")
        if (command := self._of_all.get(action)) is not None:
            return command(client, asked)
        if (command := self._of_known.get(action)) is None:
            return frames.error("INVALID_ACTION", f"Invalid action: {action}")
        if not client.is_known:
            return frames.error("NOT_AUTHENTICATED", "You must authenticate first")
        return command(client, asked)

    def _authenticate(self, client: Subscriber, asked: Asked) -> Json:
        key = asked.get("api_key") or asked.get("apikey")
        if not key:
            return frames.error("AUTHENTICATION_ERROR", "API key is required")
        if not isinstance(key, str) or not self._desk.accepts(key):
            return frames.error("AUTHENTICATION_ERROR", "Invalid API key")
        client.is_known = True
        return {
            "type": "auth",
            "status": "success",
            "message": "Authentication successful",
            "broker": self._desk.broker_name,
            "user_id": self._desk.user,
            "supported_features": {"ltp": True, "quote": True, "depth": True},
        }

    def _pong(self, _client: Subscriber, asked: Asked) -> Json:
        answer: Json = {
            "type": "pong",
            "status": "success",
            "server_timestamp": self._desk.clock.now_ns() // 1_000_000,
        }
        if (sent := asked.get("timestamp")) is not None:
            answer["client_timestamp"] = sent
        if (ping_id := asked.get("_pingId")) is not None:
            answer["_pingId"] = ping_id
        return answer

    def _broker_info(self, _client: Subscriber, _asked: Asked) -> Json:
        return {
            "type": "broker_info",
            "status": "success",
            "broker": self._desk.broker_name,
            "adapter_status": "connected",
            "user_id": self._desk.user,
        }

    def _supported_brokers(self, _client: Subscriber, _asked: Asked) -> Json:
        return {
            "type": "supported_brokers",
            "status": "success",
            "brokers": [self._desk.broker_name],
            "count": 1,
        }

    def _subscribe(self, client: Subscriber, asked: Asked) -> Json:
        mode = read_mode(asked.get("mode", "Quote"))
        entries = list(_entries(asked))
        if not entries:
            return frames.error("INVALID_PARAMETERS", "At least one symbol must be specified")
        told = [
            self._subscribe_one(client, symbol, exchange, mode)
            for entry in entries
            if (symbol := entry.get("symbol")) and (exchange := entry.get("exchange"))
        ]
        has_failed = any(each["status"] == "error" for each in told)
        return _with_request_id(
            asked,
            {
                "type": "subscribe",
                "status": "partial" if has_failed else "success",
                "subscriptions": told,
                "message": f"Subscription {_COMPLETE}",
                "broker": self._desk.broker_name,
            },
        )

    def _subscribe_one(self, client: Subscriber, symbol: object, exchange: object, mode: Mode) -> Json:
        told: Json = {"symbol": symbol, "exchange": exchange}
        if not isinstance(symbol, str) or exchange != EXCHANGE or not self._desk.lists(symbol, EXCHANGE):
            why = f"Symbol {symbol} not found for exchange {exchange}"
            return {**told, "status": "error", "message": why, "broker": self._desk.broker_name}
        client.add(symbol, mode)
        return {
            **told,
            "status": "success",
            "mode": mode.label,
            "depth": frames.DEPTH_LEVELS,
            "broker": self._desk.broker_name,
        }

    def _unsubscribe(self, client: Subscriber, asked: Asked) -> Json:
        """End subscriptions. Each entry of a list brings its own mode, Quote if none, whatever stands above.

        So an entry without a mode does not stop an LTP subscription, and says success: recorded so.
        """
        is_list = bool(asked.get("symbols"))
        single_mode = Mode.QUOTE if is_list else read_mode(asked.get("mode", 2))
        entries = list(_entries(asked))
        if not entries:
            return frames.error("INVALID_PARAMETERS", "Either symbols or unsubscribe_all is required")
        ended: list[Json] = []
        failed: list[Json] = []
        for entry in entries:
            symbol, exchange = entry.get("symbol"), entry.get("exchange")
            told: Json = {"symbol": symbol, "exchange": exchange}
            try:
                mode = read_mode(entry.get("mode", 2)) if is_list else single_mode
            except BadMode as bad:
                failed.append(
                    {**told, "status": "error", "message": str(bad), "broker": self._desk.broker_name}
                )
                continue
            if not symbol or not exchange:
                continue
            if isinstance(symbol, str) and exchange == EXCHANGE:
                client.drop(symbol, mode)
            ended.append({**told, "status": "success", "broker": self._desk.broker_name})
        return self._unsubscribed(asked, ended, failed)

    def _unsubscribe_all(self, client: Subscriber, asked: Asked) -> Json:
        ended: list[Json] = [
            {"symbol": symbol, "exchange": EXCHANGE, "status": "success", "broker": self._desk.broker_name}
            for symbol in client.symbols
            for _ in client.modes(symbol)
        ]
        client.forget_all()
        return self._unsubscribed(asked, ended, [])

    def _unsubscribed(self, asked: Asked, ended: list[Json], failed: list[Json]) -> Json:
        status = "success" if not failed else "partial" if ended else "error"
        return _with_request_id(
            asked,
            {
                "type": "unsubscribe",
                "status": status,
                "message": f"Unsubscription {_COMPLETE}",
                "successful": ended,
                "failed": failed,
                "broker": self._desk.broker_name,
            },
        )

    def _subscribe_orders(self, client: Subscriber, asked: Asked) -> Json:
        client.hears_orders = True
        return _orders_answer(asked, "subscribe_orders", "Subscribed to order updates")

    def _unsubscribe_orders(self, client: Subscriber, asked: Asked) -> Json:
        client.hears_orders = False
        return _orders_answer(asked, "unsubscribe_orders", "Unsubscribed from order updates")


def _object(asked: object) -> Asked:
    """A command, which is a JSON object.

    Raises:
        _Unusable: it is something else.
    """
    if not isinstance(asked, dict):
        raise _Unusable(f"{type(asked).__name__!r} object has no attribute 'get'")
    return asked


def _entries(asked: Asked) -> Iterator[Asked]:
    """The list of symbols, or the one symbol that stands in the command itself.

    Raises:
        _Unusable: no list, or one of other things than objects.
    """
    symbols = asked.get("symbols")
    if not symbols:
        if asked.get("symbol") and asked.get("exchange"):
            yield asked
        return
    if not isinstance(symbols, list | dict | str):
        raise _Unusable(f"{type(symbols).__name__!r} object is not iterable")
    for entry in symbols:
        yield _object(entry)


def _orders_answer(asked: Asked, kind: str, message: str) -> Json:
    return _with_request_id(asked, {"type": kind, "status": "success", "message": message})


def _with_request_id(asked: Asked, answer: Json) -> Json:
    """The answer with the id that the client gave its request, where it gave one."""
    request_id = asked.get("request_id")
    return answer if request_id is None else {**answer, "request_id": request_id}
