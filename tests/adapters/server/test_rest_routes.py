"""The REST routes of the paper server, a corpus of our own: what is refused in which words, and the rest."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from olaf_async.adapters.paper.account import PaperRules
from olaf_async.adapters.paper.server.desk import PaperDesk
from olaf_async.adapters.paper.server.limits import Rate, Rates
from olaf_async.adapters.paper.server.rest import build_app
from tests.adapters.server.rest_server import KEY, NOON_NS, PLENTY, Client, Json, a_desk, serving
from tests.wire.step_clock import StepClock

S = 1_000_000_000
ORDER: Json = {
    "strategy": "s",
    "exchange": "NSE",
    "symbol": "SBIN",
    "action": "BUY",
    "quantity": "2",
    "pricetype": "LIMIT",
    "product": "MIS",
    "price": "790",
}
MODIFY: Json = {**ORDER, "orderid": "1", "disclosed_quantity": "0", "trigger_price": "0"}


@pytest.fixture
async def desk() -> PaperDesk:
    return a_desk()


@pytest.fixture
async def client(desk: PaperDesk) -> AsyncIterator[Client]:
    async with serving(build_app(desk, rates=PLENTY)) as it:
        yield it


def without(fields: Json, *names: str) -> Json:
    return {name: value for name, value in fields.items() if name not in names}


# --------------------------------------------------------------------------------------------------- refusals

SPECIAL = "Special numeric values (nan or infinity) are not permitted."
MISSING = "Missing data for required field."
BAD_ORDERS: list[tuple[Json, str]] = [
    (without(ORDER, "strategy"), f"{{'strategy': ['{MISSING}']}}"),
    (without(ORDER, "symbol", "quantity"), f"{{'symbol': ['{MISSING}'], 'quantity': ['{MISSING}']}}"),
    ({**ORDER, "quantity": "0"}, "{'quantity': ['Quantity must be a positive number.']}"),
    ({**ORDER, "quantity": "ten"}, "{'quantity': ['Not a valid number.']}"),
    ({**ORDER, "quantity": True}, "{'quantity': ['Not a valid number.']}"),
    ({**ORDER, "quantity": None}, "{'quantity': ['Field may not be null.']}"),
    ({**ORDER, "quantity": "NaN"}, f"{{'quantity': ['{SPECIAL}']}}"),
    ({**ORDER, "price": 1e308 * 10}, f"{{'price': ['{SPECIAL}']}}"),
    ({**ORDER, "price": "1e999999"}, f"{{'price': ['{SPECIAL}']}}"),
    ({**ORDER, "quantity": 2.5},
     "{'quantity': ['Fractional quantity (2.5) is not allowed for non-crypto exchanges.']}"),
    ({**ORDER, "price": -1}, "{'price': ['Price must be a non-negative number.']}"),
    ({**ORDER, "trigger_price": "-1"}, "{'trigger_price': ['Trigger price must be a non-negative number.']}"),
    ({**ORDER, "disclosed_quantity": "ten"}, "{'disclosed_quantity': ['Not a valid integer.']}"),
    ({**ORDER, "disclosed_quantity": "1.5"}, "{'disclosed_quantity': ['Not a valid integer.']}"),
    ({**ORDER, "disclosed_quantity": "-1"},
     "{'disclosed_quantity': ['Disclosed quantity must be a non-negative integer.']}"),
    ({**ORDER, "strategy": 7}, "{'strategy': ['Not a valid string.']}"),
    ({**ORDER, "apikey": ""}, "{'apikey': ['Length must be between 1 and 256.']}"),
    ({**ORDER, "action": "Buy"}, "{'action': ['Must be one of: BUY, SELL, buy, sell.']}"),
    ({**ORDER, "product": "mis"}, "{'product': ['Must be one of: MIS, NRML, CNC.']}"),
    ({**ORDER, "pricetype": "SLM"}, "{'pricetype': ['Must be one of: MARKET, LIMIT, SL, SL-M.']}"),
    ({**ORDER, "target": "1", "validity": "DAY"},
     "{'target': ['Unknown field.'], 'validity': ['Unknown field.']}"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), BAD_ORDERS)
async def test_a_bad_order_is_told_all_its_faults_as_python_prints_them(
    client: Client, desk: PaperDesk, body: Json, message: str
) -> None:
    reply = await client.post("placeorder", **body)
    assert (reply.status, reply.body) == (400, {"status": "error", "message": message})
    assert desk.exchange.records() == ()


async def test_a_body_that_is_no_object_is_refused_as_such(client: Client) -> None:
    reply = await client.send("POST", "/api/v1/placeorder", "[1]")
    assert (reply.status, reply.body["message"]) == (400, "{'_schema': ['Invalid input type.']}")


@pytest.mark.parametrize(
    ("route", "body", "message"),
    [
        ("quotes", {"symbol": "SBIN"}, {"exchange": [MISSING]}),
        ("orderbook", {"x": 1}, {"x": ["Unknown field."]}),
        ("multiquotes", {"symbols": []}, {"symbols": ["Shorter than minimum length 1."]}),
        ("multiquotes", {"symbols": "SBIN"}, {"symbols": ["Not a valid list."]}),
        ("multiquotes", {"symbols": [{"symbol": "SBIN", "exchange": "NSE"}, 7]},
         {"symbols": {"1": {"_schema": ["Invalid input type."]}}}),
        ("market/holidays", {"year": 2019},
         {"year": ["Must be greater than or equal to 2020 and less than or equal to 2050."]}),
        ("market/timings", {"date": "20261123"}, {"date": ["Not a valid date."]}),
        ("market/timings", {"date": "2026-13-01"}, {"date": ["Not a valid date."]}),
        ("search", {"query": "S", "exchange": None}, {"exchange": ["Field may not be null."]}),
    ],
)  # fmt: skip
async def test_a_bad_read_is_told_its_faults_as_an_object(
    client: Client, route: str, body: Json, message: Json
) -> None:
    reply = await client.post(route, **body)
    assert (reply.status, reply.body) == (400, {"status": "error", "message": message})


@pytest.mark.parametrize("route", ["modifyorder", "cancelorder", "cancelallorder", "basketorder"])
async def test_the_other_order_routes_tell_the_mode_beside_the_faults(client: Client, route: str) -> None:
    reply = await client.post(route)
    assert (reply.status, reply.body["mode"]) == (400, "analyze")
    assert reply.body["message"].startswith("{'strategy': ['Missing data for required field.']")


async def test_faults_are_told_before_a_wrong_key_is(client: Client) -> None:
    assert (await client.post("placeorder", apikey="wrong")).status == 400
    reply = await client.post("placeorder", **ORDER, apikey="wrong")
    assert (reply.status, reply.body) == (403, {"status": "error", "message": "Invalid openalgo apikey"})


async def test_a_key_that_utf_8_cannot_spell_is_just_wrong(client: Client) -> None:
    assert (await client.send("POST", "/api/v1/funds", '{"apikey": "\\ud800"}')).status == 403


async def test_a_server_without_a_key_lets_every_caller_in() -> None:
    async with serving(build_app(a_desk(key=""))) as client:
        assert (await client.post("ping", apikey="whatever")).status == 200


@pytest.mark.parametrize("body", ["", "{not json", '{"apikey": ' + "[" * 100_000])
async def test_a_body_that_is_no_json_is_not_understood(client: Client, body: str) -> None:
    reply = await client.send("POST", "/api/v1/placeorder", body)
    words = "The browser (or proxy) sent a request that this server could not understand."
    assert (reply.status, reply.body) == (400, {"message": words})


async def test_json_under_another_name_is_an_unexpected_error(client: Client) -> None:
    reply = await client.send("POST", "/api/v1/funds", {"apikey": KEY}, "text/plain")
    words = "An unexpected error occurred in the API endpoint"
    assert (reply.status, reply.body) == (500, {"status": "error", "message": words})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/placeorder"),
        ("POST", "/api/v1/nosuch"),
        ("POST", "/api/v1/instruments"),
        ("GET", "/"),
    ],
)
async def test_an_unknown_path_and_a_wrong_method_are_not_found(
    client: Client, method: str, path: str
) -> None:
    reply = await client.send(method, path, "")
    assert (reply.status, reply.body) == (404, {"message": "Not found", "path": path, "status": "error"})


async def test_every_answer_ends_its_connection(client: Client) -> None:
    for reply in (await client.post("ping/"), await client.post("nosuch"), await client.post("funds", x=1)):
        assert reply.headers["Connection"] == "close"
        assert reply.headers["Content-Type"] == "application/json"


async def test_a_request_cut_half_way_makes_no_order(client: Client, desk: PaperDesk) -> None:
    host, port = client.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps({"apikey": KEY, **ORDER})
    head = f"Host: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(f"POST /api/v1/placeorder HTTP/1.1\r\n{head}{body[:-40]}".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await client.post("ping")).status == 200
    assert desk.exchange.records() == ()
    assert await reader.read() == b""


# ----------------------------------------------------------------------------------------------------- limits


async def test_each_route_lets_its_rate_through_and_what_is_refused_does_not_count() -> None:
    clock = StepClock(NOON_NS)
    async with serving(build_app(a_desk(clock=clock))) as client:
        statuses = [(await client.post("placeorder", **ORDER)).status for _ in range(11)]
        assert statuses == [200] * 10 + [429]
        refused = await client.post("placeorder/", **ORDER)
        assert (refused.status, refused.body) == (429, {"message": "10 per 1 second"})
        assert (await client.post("cancelorder", strategy="s", orderid="1")).status == 404
        clock.move_to(NOON_NS + S)
        assert (await client.post("placeorder", **ORDER)).status == 429
        clock.move_to(NOON_NS + S + 1)
        assert (await client.post("placeorder", **ORDER)).status == 200


async def test_bad_requests_count_and_the_limit_is_looked_at_first() -> None:
    async with serving(build_app(a_desk(), rates=Rates(read=Rate(2), notify=Rate(1, 60)))) as client:
        statuses = [(await client.post("funds", apikey="wrong")).status for _ in range(3)]
        assert statuses == [403, 403, 429]
        noted = [await client.post("telegram/notify", username="u", message="m") for _ in range(2)]
        assert [reply.status for reply in noted] == [200, 429]
        assert noted[1].body == {"message": "1 per 1 minute"}
        listed = [await client.send("GET", "/api/v1/instruments", "") for _ in range(3)]
        assert [reply.status for reply in listed] == [400, 400, 429]


# ----------------------------------------------------------------------------------------------------- orders


async def test_numbers_may_come_as_text_and_prices_keep_two_places(client: Client, desk: PaperDesk) -> None:
    for price in ("780.037", 780.037, " 780.04 "):
        assert (await client.post("placeorder", **{**ORDER, "price": price, "quantity": 2})).status == 200
    assert {record.price for record in desk.exchange.records()} == {780_04}


async def test_the_price_of_an_underlying_may_be_null(client: Client) -> None:
    assert (await client.post("placeorder", **ORDER, underlying_ltp=None)).status == 200


async def test_what_could_not_be_closed_is_told() -> None:
    clock = StepClock(NOON_NS)
    hours = {"SBIN": (NOON_NS, NOON_NS + S)}
    desk = PaperDesk(PaperRules(), {"SBIN": 5}, clock, api_key=KEY, sessions=hours)
    desk.on_price("SBIN", 800_00, NOON_NS)
    async with serving(build_app(desk)) as client:
        await client.post("placeorder", **{**ORDER, "pricetype": "MARKET"})
        clock.move_to(NOON_NS + S)
        reply = await client.post("closeposition", strategy="s")
    assert reply.body["message"] == "Closed 0 positions (Failed to close 1 positions)"
    assert (reply.body["closed_positions"], reply.body["failed_closures"]) == (0, 1)


async def test_an_order_for_another_exchange_finds_no_symbol(client: Client) -> None:
    reply = await client.post("placeorder", **{**ORDER, "exchange": "BSE"})
    words = "Symbol SBIN not found on BSE"
    assert (reply.status, reply.body) == (400, {"status": "error", "message": words, "mode": "analyze"})
    smart = await client.post("placesmartorder", **{**ORDER, "exchange": "BSE"}, position_size=1)
    assert (smart.status, smart.body) == (reply.status, reply.body)


async def test_a_refused_delivery_sell_has_an_id_and_a_row(client: Client) -> None:
    reply = await client.post("placeorder", **{**ORDER, "action": "SELL", "product": "CNC"})
    status = await client.post("orderstatus", strategy="", orderid=reply.body["orderid"])
    assert (reply.status, reply.body["status"]) == (400, "error")
    assert status.body["data"]["order_status"] == "rejected"


@pytest.mark.parametrize(
    ("held", "asked", "traded"),
    [
        (0, {"position_size": 5, "quantity": 1}, ("BUY", 5)),
        (5, {"position_size": 2, "quantity": 9}, ("SELL", 3)),
        (5, {"position_size": 0, "quantity": 0}, ("SELL", 5)),
        (0, {"position_size": -3, "quantity": 1}, ("SELL", 3)),
        (0, {"position_size": 0, "quantity": 4}, ("BUY", 4)),
    ],
)
async def test_a_smart_order_trades_the_way_to_its_position_at_market(
    client: Client, desk: PaperDesk, held: int, asked: Json, traded: tuple[str, int]
) -> None:
    if held:
        await client.post("placeorder", **{**ORDER, "pricetype": "MARKET", "quantity": held})
    reply = await client.post("placesmartorder", **{**ORDER, "price": "1", **asked})
    record = desk.exchange.record(reply.body["orderid"])
    assert (record.side.value, record.quantity) == traded
    assert str(record.status) == "complete"


async def test_a_smart_order_that_has_nothing_to_do_says_so_without_an_id(client: Client) -> None:
    for quantity, target, words in (
        (0, 0, "No OpenPosition Found. Not placing Exit order."),
        (1, 2, "Positions Already Matched. No Action needed."),
    ):
        reply = await client.post("placesmartorder", **{**ORDER, "quantity": quantity}, position_size=target)
        assert (reply.status, reply.body) == (200, {"status": "success", "message": words, "mode": "analyze"})
        await client.post("placeorder", **{**ORDER, "pricetype": "MARKET"})


async def test_a_basket_sends_buys_first_and_is_a_success_whatever_became_of_them(client: Client) -> None:
    leg = without(ORDER, "strategy")
    orders = [{**leg, "action": "sell", "price": "900"}, {**leg, "symbol": "NOPE", "action": "buy"}, leg]
    reply = await client.post("basketorder", strategy="b", orders=orders)
    assert (reply.status, reply.body["status"]) == (200, "success")
    assert [(row["symbol"], row["status"]) for row in reply.body["results"]] == [
        ("NOPE", "error"),
        ("SBIN", "success"),
        ("SBIN", "success"),
    ]
    assert reply.body["results"][0]["message"] == "Symbol NOPE not found on NSE"
    assert {len(row) for row in reply.body["results"]} == {5}


async def test_a_split_order_becomes_pieces_and_a_rest(client: Client, desk: PaperDesk) -> None:
    reply = await client.post("splitorder", **{**ORDER, "quantity": "5"}, splitsize="2")
    assert [(row["order_num"], row["quantity"]) for row in reply.body["results"]] == [(1, 2), (2, 2), (3, 1)]
    assert (reply.body["total_quantity"], reply.body["split_size"]) == (5, 2)
    assert [record.quantity for record in desk.exchange.records()] == [2, 2, 1]


@pytest.mark.parametrize(("quantity", "size"), [("101", "1"), ("2", "0.5"), ("2", "0"), ("2", "-1")])
async def test_a_split_into_too_many_or_no_pieces_is_refused(
    client: Client, desk: PaperDesk, quantity: str, size: str
) -> None:
    reply = await client.post("splitorder", **{**ORDER, "quantity": quantity}, splitsize=size)
    assert (reply.status, desk.exchange.records()) == (400, ())


async def test_a_split_into_a_hundred_pieces_is_taken(client: Client, desk: PaperDesk) -> None:
    await client.post("splitorder", **{**ORDER, "quantity": "100"}, splitsize="1")
    assert len(desk.exchange.records()) == 100


async def test_a_position_is_of_this_exchange_alone(client: Client) -> None:
    await client.post("placeorder", **{**ORDER, "pricetype": "MARKET"})
    asked = {"strategy": "s", "symbol": "SBIN", "product": "MIS"}
    here = await client.post("openposition", **asked, exchange="NSE")
    there = await client.post("openposition", **asked, exchange="BSE")
    assert (here.body["quantity"], there.body["quantity"]) == (2, 0)


async def test_closing_without_any_position_says_so(client: Client) -> None:
    reply = await client.post("closeposition", strategy="s")
    assert reply.body["message"] == "No open positions to close"


async def test_a_live_server_tells_no_mode_and_the_toggle_says_which(client: Client, desk: PaperDesk) -> None:
    toggled = await client.post("analyzer/toggle", mode=False)
    assert toggled.body["data"]["message"] == "Analyzer mode switched to live"
    assert "mode" not in (await client.post("placeorder", **ORDER)).body
    assert "mode" not in (await client.post("cancelorder", strategy="s")).body
    assert (await client.post("analyzer")).body["data"]["analyze_mode"] is False
    assert desk.mode == "live"
    assert (await client.post("analyzer/toggle", mode="on")).body["data"]["mode"] == "analyze"


async def test_a_toggle_to_neither_is_refused(client: Client) -> None:
    reply = await client.post("analyzer/toggle", mode=[])
    assert (reply.status, reply.body["message"]) == (400, "{'mode': ['Not a valid boolean.']}")


async def test_an_exchange_true_account_refuses_as_exchanges_do_and_tells_rows_as_brokers_do() -> None:
    async with serving(build_app(a_desk(is_true=True), rates=PLENTY)) as client:
        off_tick = await client.post("placeorder", **{**ORDER, "price": "790.03"})
        too_fine = await client.post("placeorder", **{**ORDER, "price": "790.051"})
        assert (off_tick.status, too_fine.status) == (400, 400)
        placed = await client.post("placeorder", **{**ORDER, "pricetype": "MARKET"})
        rested = await client.post("placeorder", **ORDER)
        moved = {**MODIFY, "orderid": rested.body["orderid"], "price": "791"}
        assert (await client.post("modifyorder", **{**moved, "price": "791.001"})).status == 400
        assert (await client.post("modifyorder", **moved)).status == 200
        book = (await client.post("orderbook")).body["data"]
        assert set(book["orders"][0]) == {
            "symbol", "exchange", "action", "quantity", "price", "trigger_price", "pricetype", "product",
            "orderid", "order_status", "timestamp",
        }  # fmt: skip
        assert "total_trigger_pending_orders" not in book["statistics"]
        assert [row["price"] for row in book["orders"]] == [791.0, 0.0]
        trade = (await client.post("tradebook")).body["data"][0]
        assert trade["orderid"] == placed.body["orderid"]
        assert {"tradeid", "strategy", "price"}.isdisjoint(trade)


async def test_a_middleware_may_lose_the_answer_of_an_order_that_was_placed(desk: PaperDesk) -> None:
    @web.middleware
    async def lose(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        response = await handler(request)
        assert request.transport is not None
        request.transport.close()
        return response

    async with serving(build_app(desk, middlewares=[lose])) as client:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await client.post("placeorder", **ORDER)
    assert len(desk.exchange.records()) == 1
