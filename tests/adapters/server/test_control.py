"""The control endpoint: prices by hand, and what goes on inside."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from websockets.asyncio.client import connect

from olaf_async.adapters.paper.server.control import Control, Traffic
from olaf_async.adapters.paper.server.desk import PaperDesk
from olaf_async.adapters.paper.server.prices import PriceBoard
from olaf_async.adapters.paper.server.running import PaperServer, running
from olaf_async.adapters.paper.server.stream import PriceStream
from tests.adapters.server.talking import SUNDAY_NOON_NS, Json, Talk, new_desk

KEY: Final = {"X-API-Key": "test-key"}


class Hand:
    """Whoever controls the server."""

    def __init__(self, server: PaperServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self._session = session

    async def post(self, path: str, body: Json | str, headers: Json = KEY) -> tuple[int, Json]:
        sent = {"data": body} if isinstance(body, str) else {"json": body}
        async with self._session.post(self.server.rest_url + path, headers=headers, **sent) as response:
            return response.status, await response.json()

    async def get(self, path: str, headers: Json = KEY) -> tuple[int, Json]:
        async with self._session.get(self.server.rest_url + path, headers=headers) as response:
            return response.status, await response.json()


@asynccontextmanager
async def controlled(desk: PaperDesk | None = None) -> AsyncIterator[Hand]:
    async with running(desk or new_desk()) as server, aiohttp.ClientSession() as session:
        yield Hand(server, session)


async def test_a_price_by_hand_is_heard_by_clients_and_by_quotes_with_all_it_brings() -> None:
    async with controlled() as hand, connect(hand.server.ws_url) as connection:
        talk = Talk(connection)
        await talk.enter("SBIN", mode="Depth")
        price = {"symbol": "SBIN", "ltp": "801.35", "bid": 801.3, "ask": 801.45, "volume": 7}
        status, answer = await hand.post("/paper/price", price)
        assert (status, answer) == (
            200,
            {
                "status": "success",
                "number": 1,
                "symbol": "SBIN",
                "ltp": 801.35,
                "at_ms": SUNDAY_NOON_NS // 1_000_000,
            },
        )
        data = (await talk.hear())["data"]
        assert (data["ltp"], data["volume"]) == (801.35, 7)
        assert (data["depth"]["buy"][0]["price"], data["depth"]["sell"][0]["price"]) == (801.3, 801.45)
        quote = {"apikey": "test-key", "symbol": "SBIN", "exchange": "NSE"}
        _, told = await hand.post("/api/v1/quotes", quote)
        assert [told["data"][name] for name in ("ltp", "bid", "ask", "volume")] == [801.35, 801.3, 801.45, 7]


async def test_a_price_that_is_not_published_is_a_quote_and_no_tick() -> None:
    async with controlled() as hand, connect(hand.server.ws_url) as connection:
        talk = Talk(connection)
        await talk.enter("SBIN")
        status, answer = await hand.post("/paper/price", {"symbol": "SBIN", "ltp": 801, "publish": False})
        assert (status, answer) == (200, {"status": "success", "number": None})
        assert await talk.hears_nothing_more()
        assert (await hand.get("/paper/ticks"))[1] == {"status": "success", "ticks": []}


async def test_the_tape_tells_each_print_with_its_time_from_a_number_on() -> None:
    async with controlled() as hand:
        for ltp, at in (
            ("801", "2026-11-23T09:15:00.123456+05:30"),
            ("802", "2026-11-23T03:45:01Z"),
        ):
            await hand.post("/paper/price", {"symbol": "SBIN", "ltp": ltp, "at": at})
        _, all_of_it = await hand.get("/paper/ticks")
        assert all_of_it["ticks"] == [
            {"number": 1, "symbol": "SBIN", "ltp": 801.0, "at_ms": 1_795_405_500_123},
            {"number": 2, "symbol": "SBIN", "ltp": 802.0, "at_ms": 1_795_405_501_000},
        ]
        assert (await hand.get("/paper/ticks?after=1"))[1]["ticks"] == all_of_it["ticks"][1:]
        assert (await hand.get("/paper/ticks?after=x"))[0] == 400


async def test_the_state_counts_clients_requests_orders_and_prints() -> None:
    async with controlled() as hand, connect(hand.server.ws_url) as connection, connect(hand.server.ws_url):
        talk = Talk(connection)
        await talk.enter("SBIN", "ITC")
        await talk.ask({"action": "subscribe_orders"})
        await hand.post("/paper/price", {"symbol": "SBIN", "ltp": 800})
        order = {
            "apikey": "test-key", "strategy": "t", "symbol": "SBIN", "exchange": "NSE", "action": "BUY",
            "quantity": 1, "pricetype": "LIMIT", "price": 790,
        }  # fmt: skip
        assert (await hand.post("/api/v1/placeorder", order))[0] == 200
        assert (await hand.post("/api/v1/orderbook", {"apikey": "wrong"}))[0] == 403
        assert (await hand.get("/paper/state"))[1] == {
            "status": "success",
            "clients": 2,
            "authenticated": 1,
            "order_listeners": 1,
            "subscribed": ["ITC", "SBIN"],
            "requests": 2,
            "in_flight": 0,
            "working_orders": 1,
            "prints": 1,
            "playing": False,
        }


async def test_a_request_is_in_flight_until_it_is_answered() -> None:
    traffic = Traffic()

    async def handler(_request: web.Request) -> web.Response:
        assert (traffic.requests, traffic.in_flight) == (1, 1)
        raise web.HTTPGone

    with pytest.raises(web.HTTPGone):
        await traffic.count(make_mocked_request("POST", "/api/v1/ping"), handler)
    assert (traffic.requests, traffic.in_flight) == (1, 0)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("{oops", 400, "JSON"),
        ("[]", 400, "object"),
        ({"ltp": 1}, 400, "symbol"),
        ({"symbol": "SBIN", "ltp": 1, "prise": 2}, 400, "prise"),
        ({"symbol": "SBIN", "ltp": 0}, 400, "ltp must be greater than zero"),
        ({"symbol": "SBIN", "ltp": "800.001"}, 400, "finer than one paisa"),
        ({"symbol": "SBIN", "ltp": "NaN"}, 400, "ltp"),
        ({"symbol": "SBIN", "ltp": 1, "bid": -1}, 400, "bid"),
        ({"symbol": "SBIN", "ltp": 1, "volume": -1}, 400, "volume"),
        ({"symbol": "SBIN", "ltp": 1, "at": "2026-11-23T09:15:00"}, 400, "timezone"),
        ({"symbol": "NOPE", "ltp": 1}, 404, "NOPE is not traded here"),
    ],
)
async def test_a_price_that_cannot_be_used_is_refused_with_its_fault(
    body: Json | str, status: int, said: str
) -> None:
    async with controlled() as hand:
        got, answer = await hand.post("/paper/price", body)
        assert (got, answer["status"]) == (status, "error")
        assert said in answer["message"]
        assert hand.server.board.published == 0


@pytest.mark.parametrize("path", ["/paper/state", "/paper/ticks"])
@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}])
async def test_without_the_key_control_tells_nothing(path: str, headers: Json) -> None:
    async with controlled() as hand:
        status, answer = await hand.get(path, headers)
        assert (status, answer["status"]) == (403, "error")
        assert (await hand.post("/paper/price", {"symbol": "SBIN", "ltp": 1}, headers))[0] == 403
        assert hand.server.board.published == 0


async def test_where_no_key_is_set_none_is_asked_for() -> None:
    async with controlled(new_desk(api_key="")) as hand:
        assert (await hand.get("/paper/state", {}))[0] == 200


@pytest.mark.parametrize(
    ("caller", "is_open", "status"),
    [("127.0.0.1", False, 200), ("::1", False, 200), ("10.1.2.3", False, 403), ("10.1.2.3", True, 200)],
)
async def test_other_machines_are_kept_out_unless_they_were_let_in(
    caller: str, is_open: bool, status: int
) -> None:
    desk = new_desk()
    stream = PriceStream(desk)
    app = web.Application()
    Control(desk, PriceBoard(desk), stream, Traffic(), is_open=is_open).add_to(app)
    request = make_mocked_request("GET", "/paper/state", headers=KEY, app=app).clone(remote=caller)
    match = await app.router.resolve(request)
    response = await match.handler(request)
    assert isinstance(response, web.Response)
    assert response.status == status


async def test_what_is_no_control_path_is_the_other_servers_404() -> None:
    async with controlled() as hand:
        assert await hand.get("/paper/nothing") == (
            404,
            {"status": "error", "message": "Not found", "path": "/paper/nothing"},
        )
