"""The market routes of the paper server, a corpus of our own: prices, symbols, days, history and the rest."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Any

import aiohttp
import pytest

from olaf_async.adapters.paper.server.desk import PaperDesk
from olaf_async.adapters.paper.server.market import Candle
from olaf_async.adapters.paper.server.rest import build_app
from olaf_async.errors import ConfigError
from tests.adapters.server.rest_server import KEY, PLENTY, Client, Json, a_desk, serving

LEG: Json = {
    "symbol": "SBIN",
    "exchange": "NSE",
    "action": "BUY",
    "product": "MIS",
    "pricetype": "LIMIT",
    "quantity": "10",
    "price": "100.5",
}


@pytest.fixture
async def desk() -> PaperDesk:
    return a_desk()


@pytest.fixture
async def client(desk: PaperDesk) -> AsyncIterator[Client]:
    async with serving(build_app(desk, rates=PLENTY)) as it:
        yield it


async def test_a_symbol_without_a_price_has_no_quote(client: Client) -> None:
    itc = {"symbol": "ITC", "exchange": "NSE"}
    for route in ("quotes", "depth"):
        reply = await client.post(route, **itc)
        assert (reply.status, reply.body["message"]) == (500, f"Error fetching {route}: no price yet")
    reply = await client.post("multiquotes", symbols=[itc])
    assert (reply.status, reply.body["message"]) == (400, "no price yet")
    both = await client.post("multiquotes", symbols=[{"symbol": "SBIN", "exchange": "NSE"}, itc])
    assert [row["symbol"] for row in both.body["results"]] == ["ITC", "SBIN"]


async def test_depth_of_an_unknown_symbol_and_of_a_missing_side(client: Client, desk: PaperDesk) -> None:
    assert (await client.post("depth", symbol="SBIN", exchange="BSE")).status == 400
    desk.set_quote("SBIN", bid=10, ask=5)
    data = (await client.post("depth", symbol="SBIN", exchange="NSE")).body["data"]
    assert [level["price"] for level in data["bids"]] == [0.1, 0.05]
    desk.set_quote("SBIN", bid=0)
    data = (await client.post("depth", symbol="SBIN", exchange="NSE")).body["data"]
    assert (data["bids"], [level["price"] for level in data["asks"]]) == ([], [0.05, 0.1, 0.15, 0.2, 0.25])


async def test_margin_is_price_times_quantity_and_a_fifth_of_it_intraday(client: Client) -> None:
    legs = [LEG, {**LEG, "product": "CNC"}, {**LEG, "pricetype": "MARKET", "price": "0", "quantity": "1"}]
    data = (await client.post("margin", positions=legs)).body["data"]
    assert data == {"total_margin_required": 201 + 1005 + 160, "exposure_margin": 1366.0, "span_margin": 0.0}
    for bad in ({"quantity": 10}, {"price": "NaN"}, {"quantity": "ten"}):
        assert (await client.post("margin", positions=[{**LEG, **bad}])).status == 400
    assert (await client.post("margin", positions=[LEG] * 51)).status == 400


async def test_symbols_are_found_by_a_part_of_their_name(client: Client) -> None:
    found = await client.post("search", query="i")
    assert (found.body["message"], len(found.body["data"])) == ("Found 2 matching symbols", 2)
    assert (await client.post("search", query="SB", exchange="NSE")).body["data"][0]["tick_size"] == 0.05
    for query in ({"query": "XYZ"}, {"query": "SB", "exchange": "NFO"}):
        assert (await client.post("search", **query)).status == 404


async def test_instruments_are_asked_by_get_as_json_or_as_a_table(client: Client) -> None:
    async def get(query: str, **headers: str) -> tuple[int, str]:
        url = f"{client.url}/api/v1/instruments?{query}"
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
            return response.status, await response.text()

    status, text = await get(f"apikey={KEY}&exchange=NSE")
    assert (status, [row["symbol"] for row in json.loads(text)["data"]]) == (200, ["SBIN", "ITC"])
    status, text = await get(f"apikey={KEY}&exchange=NSE&format=csv")
    assert (status, len(text.splitlines())) == (200, 3)
    assert await get(f"apikey={KEY}&exchange=NFO&format=csv") == (200, "")
    assert (await get(f"apikey={KEY}"))[0] == 400
    assert (await get("apikey=wrong&exchange=NSE"))[0] == 403
    assert (await get(f"apikey={KEY}&exchange=NSE", **{"Content-Type": "application/json"}))[0] == 400


async def test_the_exchange_s_days_need_no_right_key(client: Client) -> None:
    closed = await client.post("market/timings", date="2026-11-22", apikey="any")
    opened = await client.post("market/timings", date="2026-11-23", apikey="any")
    assert (closed.status, closed.body["data"]) == (200, [])
    times = {"exchange": "NSE", "start_time": 1_795_405_500_000, "end_time": 1_795_428_000_000}
    assert opened.body["data"] == [times]
    year = await client.post("market/holidays", apikey="any")
    assert year.body["year"] == 2026
    assert "2026-01-26" in [row["date"] for row in year.body["data"]]
    assert (await client.post("market/holidays", year=2049)).body["data"] == []


async def test_a_notification_is_kept_for_whoever_looks_and_its_key_is_a_matter_of_401(
    client: Client, desk: PaperDesk
) -> None:
    reply = await client.post("telegram/notify", username="u", message="halted", wait_for_delivery=True)
    assert (reply.body["message"], list(desk.notes)) == ("Notification sent successfully", ["halted"])
    assert (await client.post("telegram/notify", username="u", message="m", apikey="wrong")).status == 401


async def test_only_shares_are_listed_so_nothing_expires(client: Client) -> None:
    reply = await client.post("expiry", symbol="SBIN", exchange="NFO", instrumenttype="futures")
    assert (reply.status, reply.body["data"]) == (200, [])


class OneBar:
    intervals = ("5m", "1h", "D")

    def candles(self, symbol: str, interval: str, start: date, end: date) -> Sequence[Candle]:
        if interval == "5m":
            raise ConfigError("row 3 is no bar")
        known = symbol == "SBIN" and interval == "D" and start <= date(2026, 11, 20) <= end
        return [Candle(1_795_113_000, 1, 300, 1, 205, 7)] if known else []


async def test_history_is_what_its_source_has_and_without_a_source_nothing(desk: PaperDesk) -> None:
    asked: dict[str, Any] = {"symbol": "SBIN", "exchange": "NSE", "interval": "D", "start_date": "2026-11-20",
                             "end_date": "2026-11-20"}  # fmt: skip
    row = {
        "timestamp": 1_795_113_000,
        "open": 0.01,
        "high": 3.0,
        "low": 0.01,
        "close": 2.05,
        "volume": 7,
        "oi": 0,
    }
    async with serving(build_app(desk, history=OneBar())) as client:
        assert (await client.post("history", **asked)).body["data"] == [row]
        assert (await client.post("intervals")).body["data"]["minutes"] == ["5m"]
        assert (await client.post("history", **asked, source="db")).status == 200
        unread = await client.post("history", **{**asked, "interval": "5m"})
        assert (unread.status, unread.body["message"]) == (500, "Error fetching history: row 3 is no bar")
    async with serving(build_app(desk)) as client:
        assert (await client.post("history", **asked)).body["data"] == []
        assert (await client.post("history", **asked, source="db")).status == 404
        assert (await client.post("intervals")).body["data"]["days"] == []
