"""The control endpoint beside the REST routes: prices by hand and a look inside, for scripts and tests.

Owns ``/paper/``. Nothing of it exists on an OpenAlgo server. It must never place or change an order. Callers
from other machines are refused unless they were let in, and where a key is set it is asked for in the header
``X-API-Key``, since addresses are written to logs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from ipaddress import ip_address
from typing import Annotated, Final

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from olaf_async.adapters.paper.server.answers import Json, rupees
from olaf_async.adapters.paper.server.desk import PaperDesk
from olaf_async.adapters.paper.server.prices import PriceBoard, Print
from olaf_async.adapters.paper.server.stream import PriceStream
from olaf_async.domain.events import Status
from olaf_async.domain.price import Paise, PriceError, to_paise
from olaf_async.errors import OlafError

PREFIX: Final = "/paper/"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_MS: Final = 1_000_000


class PriceAsked(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /paper/price``, in rupees, as numbers or text.

    ``publish`` false changes quotes only: no tick, and working orders do not see it.
    """

    symbol: str
    ltp: Decimal
    bid: Decimal | None = None
    ask: Decimal | None = None
    volume: Annotated[int, msgspec.Meta(ge=0)] | None = None
    publish: bool = True
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class _Refused(OlafError):
    """A control request that is not carried out."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Traffic:
    """How much REST there was; requests to the control endpoint are not counted."""

    requests: int = 0
    in_flight: int = 0

    @web.middleware
    async def count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The middleware that counts."""
        if request.path.startswith(PREFIX):
            return await handler(request)
        self.requests += 1
        self.in_flight += 1
        try:
            return await handler(request)
        finally:
            self.in_flight -= 1


class Control:
    """The routes over one server. ``is_open``: callers of other machines are let in."""

    def __init__(
        self,
        desk: PaperDesk,
        board: PriceBoard,
        stream: PriceStream,
        traffic: Traffic,
        *,
        is_open: bool = False,
    ) -> None:
        self._desk = desk
        self._board = board
        self._stream = stream
        self._traffic = traffic
        self._is_open = is_open
        self._decode = msgspec.json.Decoder(PriceAsked).decode

    def add_to(self, app: web.Application) -> None:
        """Add the routes to the REST application."""
        app.router.add_post(PREFIX + "price", self._guarded(self._price))
        app.router.add_get(PREFIX + "state", self._guarded(self._state))
        app.router.add_get(PREFIX + "ticks", self._guarded(self._ticks))

    def _guarded(self, act: Callable[[web.Request, bytes], Json]) -> Handler:
        async def handler(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            try:
                self._admit(request)
                return _written(HTTPStatus.OK, {"status": "success", **act(request, body)})
            except _Refused as refused:
                return _written(refused.status, {"status": "error", "message": str(refused)})

        return handler

    def _admit(self, request: web.Request) -> None:
        if not self._is_open and not ip_address(request.remote or "0.0.0.0").is_loopback:  # noqa: S104
            raise _Refused(HTTPStatus.FORBIDDEN, "control is for this machine only; see --open-control")
        if not self._desk.accepts(request.headers.get("X-API-Key", "")):
            raise _Refused(HTTPStatus.FORBIDDEN, "the header X-API-Key must hold the key of this server")

    def _price(self, _request: web.Request, body: bytes) -> Json:
        try:
            asked = self._decode(body)
        except msgspec.DecodeError as fault:
            raise _Refused(HTTPStatus.BAD_REQUEST, str(fault)) from None
        if asked.symbol not in self._desk.tick_sizes:
            raise _Refused(HTTPStatus.NOT_FOUND, f"{asked.symbol} is not traded here")
        price = _paise("ltp", asked.ltp, least=1)
        bid, ask = (
            None if side is None else _paise(name, side, least=0)
            for name, side in (("bid", asked.bid), ("ask", asked.ask))
        )
        if not asked.publish:
            self._desk.set_quote(asked.symbol, ltp=price, bid=bid, ask=ask, volume=asked.volume)
            return {"number": None}
        at_ns = None if asked.at is None else (asked.at - _EPOCH) // timedelta(microseconds=1) * 1000
        printed = self._board.publish(asked.symbol, price, at_ns=at_ns, bid=bid, ask=ask, volume=asked.volume)
        return _told(printed)

    def _state(self, _request: web.Request, _body: bytes) -> Json:
        return {
            "clients": self._stream.connected,
            "authenticated": self._stream.authenticated,
            "order_listeners": self._stream.order_listeners,
            "subscribed": self._stream.subscribed(),
            "requests": self._traffic.requests,
            "in_flight": self._traffic.in_flight,
            "working_orders": sum(row.status is Status.WORKING for row in self._desk.exchange.order_rows()),
            "prints": self._board.published,
            "playing": self._board.is_playing,
        }

    def _ticks(self, request: web.Request, _body: bytes) -> Json:
        after = request.query.get("after", "0")
        if not after.isdecimal():
            raise _Refused(HTTPStatus.BAD_REQUEST, "after must be the number of a print")
        return {"ticks": [_told(printed) for printed in self._board.tape if printed.number > int(after)]}


def _paise(name: str, amount: Decimal, *, least: Paise) -> Paise:
    try:
        paise = to_paise(amount)
    except PriceError as fault:
        raise _Refused(HTTPStatus.BAD_REQUEST, f"{name}: {fault}") from None
    if paise < least:
        raise _Refused(HTTPStatus.BAD_REQUEST, f"{name} must be greater than zero")
    return paise


def _told(printed: Print) -> Json:
    return {
        "number": printed.number,
        "symbol": printed.symbol,
        "ltp": rupees(printed.price),
        "at_ms": printed.at_ns // _NS_PER_MS,
    }


def _written(status: HTTPStatus, answer: Json) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(answer) + b"\n", content_type="application/json"
    )
