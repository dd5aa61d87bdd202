"""The REST half of the server: routes, and the order in which a request is looked at.

Owns HTTP: limiter first, then body, then fields, then key, then the act, as the imitated server does it; and
which of its two ways of telling bad fields a route has. It must never know what an order is.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from olaf_async.adapters.paper.server import books, market, orders, requests
from olaf_async.adapters.paper.server.answers import Answer, Json, error
from olaf_async.adapters.paper.server.desk import PaperDesk
from olaf_async.adapters.paper.server.fields import Fields, NotJson, Table, Unfit, decoded
from olaf_async.adapters.paper.server.limits import MovingWindows, Rate, Rates
from olaf_async.adapters.paper.server.market import History, NoHistory

PREFIX: Final = "/api/v1/"
_BAD_KEY: Final = "Invalid openalgo apikey"
_NOT_UNDERSTOOD: Final = "The browser (or proxy) sent a request that this server could not understand."
_UNEXPECTED: Final = "An unexpected error occurred in the API endpoint"

Act: TypeAlias = Callable[[PaperDesk, Fields], Answer]


class Telling(Enum):
    """How a route tells bad fields."""

    OBJECT = "message is a JSON object"
    TEXT = "message is that object as Python prints it"
    TEXT_WITH_MODE = "the same, and the mode beside it"


class Bucket(Enum):
    """Which of the configured rates a route keeps; each route counts for itself."""

    ORDER = "order"
    READ = "read"
    NOTIFY = "notify"


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. ``tells_mode``: its answers say ``"mode":"analyze"`` while that is the mode."""

    table: Table
    act: Act
    telling: Telling = Telling.OBJECT
    bucket: Bucket = Bucket.READ
    tells_mode: bool = False
    any_key: bool = False
    bad_key_status: int = 403


def _verb(
    table: Table, act: Act, bucket: Bucket = Bucket.READ, telling: Telling = Telling.TEXT_WITH_MODE
) -> Route:
    return Route(table, act, telling, bucket, tells_mode=True)


def _book(table: Table, act: Act, telling: Telling = Telling.OBJECT) -> Route:
    return Route(table, act, telling, tells_mode=True)


_ROUTES: Final = {
    "placeorder": _verb(requests.ORDER, orders.place, Bucket.ORDER, Telling.TEXT),
    "placesmartorder": _verb(requests.SMART_ORDER, orders.place_smart, Bucket.ORDER),
    "modifyorder": _verb(requests.MODIFY, orders.modify, Bucket.ORDER),
    "cancelorder": _verb(requests.ONE_ORDER, orders.cancel, Bucket.ORDER),
    "basketorder": _verb(requests.BASKET, orders.place_basket),
    "splitorder": _verb(requests.SPLIT_ORDER, orders.place_split),
    "cancelallorder": _verb(requests.STRATEGY_ONLY, orders.cancel_all),
    "closeposition": _verb(requests.STRATEGY_ONLY, orders.close_positions),
    "orderstatus": _book(requests.ONE_ORDER, books.order_status, Telling.TEXT),
    "openposition": _book(requests.OPEN_POSITION, books.open_position, Telling.TEXT),
    "orderbook": _book(requests.KEY_ONLY, books.order_book),
    "tradebook": _book(requests.KEY_ONLY, books.trade_book),
    "positionbook": _book(requests.KEY_ONLY, books.position_book),
    "holdings": _book(requests.KEY_ONLY, books.holdings),
    "funds": _book(requests.KEY_ONLY, books.funds),
    "margin": Route(requests.MARGIN, books.margin, Telling.TEXT),
    "analyzer": Route(requests.KEY_ONLY, books.analyzer, Telling.TEXT),
    "analyzer/toggle": Route(requests.TOGGLE, books.toggle_analyzer, Telling.TEXT),
    "ping": Route(requests.KEY_ONLY, market.ping),
    "quotes": Route(requests.INSTRUMENT, market.quotes),
    "multiquotes": Route(requests.INSTRUMENTS, market.multi_quotes),
    "depth": Route(requests.INSTRUMENT, market.depth),
    "symbol": Route(requests.INSTRUMENT, market.symbol),
    "search": Route(requests.SEARCH, market.search),
    "expiry": Route(requests.EXPIRY, market.expiry),
    "market/holidays": Route(requests.HOLIDAYS, market.holidays, any_key=True),
    "market/timings": Route(requests.TIMINGS, market.timings, any_key=True),
    "telegram/notify": Route(requests.NOTIFY, market.notify, bucket=Bucket.NOTIFY, bad_key_status=401),
}


def build_app(
    desk: PaperDesk,
    *,
    rates: Rates | None = None,
    history: History | None = None,
    middlewares: Sequence[Middleware] = (),
) -> web.Application:
    """The REST application over a desk. Tests break its answers with ``middlewares``, which go around all."""
    source = history or NoHistory()
    routes = {
        **_ROUTES,
        "history": Route(requests.HISTORY, lambda _, fields: market.history(source, fields)),
        "intervals": Route(requests.KEY_ONLY, lambda _desk, _fields: market.intervals(source)),
    }
    app = web.Application(middlewares=middlewares)
    door = _Door(desk, rates or Rates())
    for name, route in routes.items():
        handler = door.opened(name, route)
        app.router.add_post(PREFIX + name, handler)
        app.router.add_post(PREFIX + name + "/", handler)
    app.router.add_get(PREFIX + "instruments", door.instruments)
    app.router.add_get(PREFIX + "instruments/", door.instruments)
    app.router.add_route("*", "/{path:.*}", _not_found)
    return app


class _Door:
    """What every request passes before a route acts on it."""

    def __init__(self, desk: PaperDesk, rates: Rates) -> None:
        self._desk = desk
        self._rates = {Bucket.ORDER: rates.order, Bucket.READ: rates.read, Bucket.NOTIFY: rates.notify}
        self._windows = MovingWindows()

    def opened(self, name: str, route: Route) -> Handler:
        """The handler of a route."""

        async def handler(request: web.Request) -> web.StreamResponse:
            return self._refused(name, route.bucket, request) or _written(*await self._answer(route, request))

        return handler

    async def instruments(self, request: web.Request) -> web.StreamResponse:
        """The one route that is asked by GET, its fields in the query."""
        refused = self._refused("instruments", Bucket.READ, request)
        if refused:
            return refused
        if _is_json(request):
            return _written(400, {"message": _NOT_UNDERSTOOD})
        try:
            fields = requests.LISTING.read(dict(request.query))
        except Unfit as unfit:
            return _written(*error(400, unfit.fault))
        if not self._desk.accepts(fields.text("apikey")):
            return _written(*error(403, _BAD_KEY))
        if fields.text("format") == "csv":
            return _closing(
                web.Response(text=market.instruments_csv(self._desk, fields), content_type="text/csv")
            )
        return _written(*market.instruments(self._desk, fields))

    def _refused(self, name: str, bucket: Bucket, request: web.Request) -> web.StreamResponse | None:
        rate: Rate = self._rates[bucket]
        if self._windows.admits(name, request.remote or "", rate, self._desk.clock.now_ns()):
            return None
        return _written(429, {"message": rate.words})

    async def _answer(self, route: Route, request: web.Request) -> Answer:
        body = await request.read()
        if not _is_json(request):
            return error(500, _UNEXPECTED)
        try:
            fields = route.table.read(decoded(body))
        except NotJson:
            return 400, {"message": _NOT_UNDERSTOOD}
        except Unfit as unfit:
            return self._told(route, unfit)
        if not route.any_key and not self._desk.accepts(fields.text("apikey")):
            return error(route.bad_key_status, _BAD_KEY)
        status, answer = route.act(self._desk, fields)
        return status, self._with_mode(answer) if route.tells_mode else answer

    def _told(self, route: Route, unfit: Unfit) -> Answer:
        if route.telling is Telling.OBJECT:
            return error(400, unfit.fault)
        status, answer = error(400, str(unfit.fault))
        return status, self._with_mode(answer) if route.telling is Telling.TEXT_WITH_MODE else answer

    def _with_mode(self, answer: Json) -> Json:
        return {**answer, "mode": self._desk.mode} if self._desk.is_analyze else answer


async def _not_found(request: web.Request) -> web.StreamResponse:
    """An unknown path, and a known one asked by the wrong method."""
    return _written(404, {"message": "Not found", "path": request.path, "status": "error"})


def _is_json(request: web.Request) -> bool:
    kind = request.content_type
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _written(status: int, answer: Json) -> web.StreamResponse:
    text = json.dumps(answer, sort_keys=True, separators=(",", ":")) + "\n"
    return _closing(web.Response(status=status, body=text.encode(), content_type="application/json"))


def _closing(response: web.Response) -> web.StreamResponse:
    response.force_close()  # as the imitated server does after every answer
    return response
