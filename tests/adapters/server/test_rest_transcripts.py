"""The REST half of the paper server, against what a real OpenAlgo server was recorded answering.

Each recorded session is asked again over HTTP, its prices fed in as they came, on a clock moved by the times
of the recording. Every answer must have the recorded status, the same fields of the same types, and the same
values, but for what DIFFERENT names.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from olaf_async.adapters.paper.account import PaperRules
from olaf_async.adapters.paper.server.desk import PaperDesk
from olaf_async.adapters.paper.server.market import Candle
from olaf_async.adapters.paper.server.rest import build_app
from tests.adapters.server.rest_server import NOON_NS, Client, Json, serving
from tests.wire.step_clock import StepClock

TRANSCRIPTS = Path(__file__).parents[4] / "shared" / "reference" / "openalgo-transcripts"
S = 1_000_000_000
EPOCH = date(1970, 1, 1).toordinal()

PRICES = {
    "SBIN": 800_00,
    "RELIANCE": 3000_00,
    "M&M": 3000_00,
    "ITC": 400_00,
    "INFY": 1500_00,
    "TCS": 3100_00,
    "HDFCBANK": 1000_00,
    "SARDAEN": 500_00,
}

RULES = PaperRules(exchange_true=False, capital_paise=1_00_00_000_00)

DIFFERENT = {
    "broker": "the recorded server's broker plug-in was a stub; ours is called paper",
    "id": "a row number of the server's own table of contracts",
    "token": "the broker's number of a share; ours has the symbol in its place",
    "orderid": "random digits there, a running number here; compared through a map of one to the other",
    "tradeid": "a random tail there, a running number here; its shape is compared",
    "timestamp": "the recordings tell times within a case only; the shape is compared",
    "last_reset": "when the account began; the shape is compared",
    "total_logs": "that server counts requests since it was installed",
}
"""Fields whose values may differ, and why."""

SHAPED = {"tradeid", "timestamp", "last_reset"}
"""Those of them that must still be written alike."""

AMOUNT = re.compile(r"₹([\d.]+)")
NEAR = 0.0125
"""Rupees. That server rounds a position's average at each fill to two places; ours loses no fraction."""

NEAR_PRODUCT = 0.03
MADE_OF_NEAR = {"pnlpercent", "unrealized_pnl", "total_unrealized_pnl", "pnl", "total_pnl", "total_pnl_today"}
"""Quantity times an average that is off by up to half a paisa, and percentages of it."""

GAPS_S: dict[str, float] = {
    "rate/placeorder-retry-every-100ms-after-burst": 0.38,  # when the last answer to the burst had come
    "squareoff/mis-position-and-stop-at-square-off-time": 0,
    "squareoff/new-mis-order-after-it": 1,
    "stale/no-ticks-at-all-stop-fills-by-polling": 1,
    "stale/second-stop-while-polling-is-on": 0,
}
"""How long after the case before it a case begins, where that matters; a minute otherwise."""

NOT_ASKED = {
    "restart/server-terminated": "a paper account lives no longer than its process",
    "restart/price-crosses-one-trigger-while-down": "the same",
    "restart/after": "the same",
    "restart/server-killed": "the same",
    "read/quotes-broker-fails": "the words of a broker's failure; ours are compared in test_rest_routes",
}


def recorded(*names: str) -> Iterator[Json]:
    """Lines of recordings in true order: calls by when they were sent, which is how a server gets them."""
    for name in names:
        file = TRANSCRIPTS / name
        if not file.exists():
            pytest.skip(f"the recordings of the real server are not at {file.parent}")
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        order = {case: number for number, case in enumerate(dict.fromkeys(line["case"] for line in lines))}
        yield from sorted(lines, key=lambda line: (order[line["case"]], line.get("t", 0)))


class FlatHistory:
    """The stub's bars: always 800."""

    intervals = ("1m", "5m", "15m", "30m", "1h", "D")

    def candles(self, symbol: str, interval: str, start: date, end: date) -> Sequence[Candle]:
        days = range(start.toordinal(), end.toordinal() + 1)
        midnights = [(day - EPOCH) * 86_400 - 19_800 for day in days]
        starts = midnights if interval == "D" else [midnights[0] + 35_400 + 3600 * n for n in range(1, 7)]
        return [Candle(at, 800_00, 800_00, 800_00, 800_00, 1000) for at in starts]


class Played:
    """A server that is asked what the recorded one was asked."""

    def __init__(self, desk: PaperDesk, clock: StepClock, client: Client) -> None:
        self.desk = desk
        self.clock = clock
        self.client = client
        self.ours: dict[str, str] = {}
        self.asked: Counter[str] = Counter()
        self._case: object = None
        self._case_ns = clock.now_ns()

    async def play(self, lines: Iterator[Json]) -> None:
        """Feed and ask line by line; each case begins its gap after the last line of the one before."""
        for line in lines:
            if line["case"] in NOT_ASKED:
                continue
            if line["case"] != self._case:
                self._case = line["case"]
                self._case_ns = self.clock.now_ns() + round(GAPS_S.get(str(line["case"]), 60.0) * S)
            await self.at(self._case_ns + round(line.get("t", 0) * S))
            if "price" in line:
                self.hear(line["price"])
            elif "request" in line:
                await self.ask(line["case"], line["request"], line["status"], line["response"])
            elif "wire_request" in line:
                await self.ask(line["case"], line["wire_request"], line["wire_status"], line["wire_response"])

    async def at(self, when_ns: int) -> None:
        """Let it be this time, and let whoever waited for it act."""
        self.clock.move_to(max(when_ns, self.clock.now_ns()))
        for _ in range(3):
            await asyncio.sleep(0)

    def hear(self, price: Json) -> None:
        """A price as the stub published it: with a quote whose range is the price itself."""
        symbol, last = price["symbol"], round(price["ltp"] * 100)
        bid, ask = (round(price[word] * 100) if word in price else last + off
                    for word, off in (("bid", -5), ("ask", 5)))  # fmt: skip
        if price.get("publish", 1):
            self.desk.on_price(symbol, last, self.clock.now_ns(), bid=bid, ask=ask)
        low, high = (round((price.get(word) or price["ltp"]) * 100) for word in ("day_low", "day_high"))
        self.desk.set_quote(symbol, ltp=last, bid=bid, ask=ask, low=low, high=high, volume=1000)

    async def ask(self, case: str, request: Json, status: int | None, answer: Json | None) -> None:
        """Ask it, and compare, where the recorded client heard an answer."""
        if "body_cut_at" in request:
            return  # a request that never came whole: see test_rest_routes
        body = request["body"]
        if isinstance(body, dict) and "orderid" in body:
            body = {**body, "orderid": self.ours.get(body["orderid"], body["orderid"])}
        kind = "text/plain" if "without-content-type" in case else "application/json"
        reply = await self.client.send(request["method"], request["path"], body, kind)
        self.asked[request["path"].removeprefix("/api/v1/")] += 1
        if status is not None and answer is not None:
            assert reply.status == status, (case, reply.body)
            self.compare(case, answer, reply.body)

    def compare(self, at: str, theirs: Any, ours: Any, field: str = "") -> None:  # noqa: ANN401 -- any JSON
        """The same shape all the way down, and the same values but for DIFFERENT."""
        assert (at, type(ours)) == (at, type(theirs))
        if isinstance(theirs, dict):
            assert (at, sorted(ours)) == (at, sorted(theirs))
            for name, value in theirs.items():
                self.compare(f"{at} {name}", value, ours[name], name)
        elif isinstance(theirs, list):
            assert (at, len(ours)) == (at, len(theirs))
            rows = self.in_our_order(theirs, ours) if field == "orders" else theirs
            for number, value in enumerate(rows):
                self.compare(f"{at}[{number}]", value, ours[number], field)
        else:
            self.compare_values(at, theirs, ours, field)

    def compare_values(self, at: str, theirs: Any, ours: Any, field: str) -> None:  # noqa: ANN401 -- any JSON
        """Two values of one type that have no parts."""
        if field in {"orderid", "canceled_orders"}:
            assert (at, ours) == (at, self.ours.setdefault(theirs, ours))
            assert (at, len(ours), ours[:2]) == (at, len(theirs), theirs[:2])
        elif field in DIFFERENT:
            assert (at, shape(ours)) == (at, shape(theirs)) or field not in SHAPED
        elif isinstance(theirs, float):
            assert abs(ours - theirs) <= (NEAR_PRODUCT if field in MADE_OF_NEAR else NEAR), (at, ours, theirs)
        elif isinstance(theirs, str):
            assert (at, AMOUNT.sub("", ours)) == (at, AMOUNT.sub("", theirs))
            for mine, real in zip(AMOUNT.findall(ours), AMOUNT.findall(theirs), strict=True):
                self.compare(at, float(real), float(mine))
        else:
            assert (at, ours) == (at, theirs)

    def in_our_order(self, theirs: list[Json], ours: list[Json]) -> list[Json]:
        """Their rows; those of one second in the order of ours, since they worked on five calls at once."""
        places = {row["orderid"]: number for number, row in enumerate(ours)}
        seconds = groupby(theirs, key=lambda row: row["timestamp"])
        return [
            row
            for _, rows in seconds
            for row in sorted(rows, key=lambda row: places.get(self.ours.get(row["orderid"], ""), 0))
        ]


def shape(value: object) -> str:
    """Text with digits as 0, so that two times of the same format are equal."""
    return "".join("0" if letter in "0123456789abcdef" else letter for letter in str(value))


@asynccontextmanager
async def playing(
    *, unquoted: str = "", rules: PaperRules = RULES, start_s: int = 0
) -> AsyncIterator[Played]:
    """A fresh account so many seconds after 12:50, in which all but one symbol have the stub's price."""
    clock = StepClock(NOON_NS + start_s * S)
    desk = PaperDesk(rules, dict.fromkeys(PRICES, 5), clock, api_key="test-key")
    async with serving(build_app(desk, history=FlatHistory())) as client:
        played = Played(desk, clock, client)
        for symbol, price in PRICES.items():
            if symbol != unquoted:
                played.hear({"symbol": symbol, "ltp": price / 100})
        keeping = asyncio.create_task(desk.keep_time())
        try:
            yield played
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping


async def test_the_recorded_reads_are_answered_alike() -> None:
    async with playing(unquoted="ITC") as played:
        await played.play(recorded("01-rest-read.jsonl"))
    assert played.asked.total() == 20


async def test_the_recorded_life_of_orders_is_answered_alike() -> None:
    async with playing() as played:
        await played.play(recorded("02-order-lifecycle.jsonl"))
    assert played.asked["placeorder"] == 34
    assert played.asked["orderstatus"] > 40


async def test_the_recorded_errors_are_answered_alike() -> None:
    async with playing(unquoted="ITC") as played:
        await played.play(recorded("03-rest-errors.jsonl"))
    assert played.asked.total() > 70


async def test_the_recorded_limits_are_kept_alike() -> None:
    async with playing() as played:
        await played.play(recorded("04-rest-rate-limit.jsonl"))
    assert played.asked == {"placeorder": 49, "modifyorder": 10, "cancelorder": 10, "ping": 60}


async def test_the_recorded_lost_answers_and_sdk_calls_are_answered_alike() -> None:
    """One account through three recordings; it began with an order that nobody recorded."""
    async with playing() as played:
        terms = {"symbol": "SBIN", "exchange": "NSE", "action": "BUY", "pricetype": "LIMIT", "price": "700"}
        placed = await played.client.post("placeorder", strategy="rec", quantity="1", **terms)
        await played.client.post("cancelorder", strategy="rec", orderid=placed.body["orderid"])
        await played.play(recorded("06-exit-fill-freezes-feed.jsonl"))
        await played.play(as_served(recorded("07-lost-response.jsonl")))
        await played.play(with_prices(recorded("08-python-sdk.jsonl")))
    assert played.asked.total() > 70


async def test_the_recorded_fills_without_a_feed_are_answered_alike() -> None:
    async with playing() as played:
        lines = recorded("09-faults.jsonl")
        await played.play(line for line in lines if not line["case"].startswith("squareoff/"))
    assert played.asked["orderstatus"] == 2


async def test_the_recorded_refusal_after_the_square_off_is_answered_alike() -> None:
    """Three positions were open by then; here they are opened in the other product."""
    case = "squareoff/mis-order-after-square-off-time"
    async with playing(rules=replace(RULES, square_off_s=9 * 3600 + 5 * 60)) as played:
        for symbol in ("ITC", "INFY", "SBIN"):
            order = {"symbol": symbol, "exchange": "NSE", "action": "BUY", "product": "CNC", "quantity": "1"}
            await played.client.post("placeorder", strategy="rec", **order)
        await played.play(line for line in recorded("09-faults.jsonl") if line["case"] == case)
    assert played.asked == {"placeorder": 2, "closeposition": 1}


async def test_the_recorded_square_off_is_answered_alike() -> None:
    rules = replace(RULES, square_off_s=13 * 3600 + 7 * 60)
    async with playing(rules=rules, start_s=16 * 60 - 4) as played:
        await played.play(recorded("11-square-off.jsonl"))
    assert played.asked["placeorder"] == 6


async def test_the_recorded_orders_of_the_split_layout_are_answered_alike() -> None:
    """That layout looks every 5 s and misses a spike; ours sees every tick, so it is not asked there."""
    spike = "split/spike-through-trigger-and-back-within-2s"
    async with playing() as played:
        lines = recorded("10-split-layout.jsonl")
        await played.play(line for line in lines if line["case"] != spike or "price" in line)
    assert played.asked == {"placeorder": 4, "orderstatus": 4, "closeposition": 1}


def as_served(lines: Iterator[Json]) -> Iterator[Json]:
    """The request that a slow server got to 3 s later, when it got to it."""
    case = "lost/client-timeout-while-server-is-slow-order-appears-later"
    held: Json | None = None
    for line in lines:
        if line["case"] == case and "request" in line and line["status"] is None:
            held = line
            continue
        if held is not None and line["t"] > 3:
            yield {**held, "t": 3.0}
            held = None
        yield line


def with_prices(lines: Iterator[Json]) -> Iterator[Json]:
    """The SDK's session with the prices its callbacks heard."""
    after = {"SL": (810.0, 805.5), "SL-M": (820.0,)}
    for line in lines:
        yield line
        if line["case"] == "sdk/placeorder" and "wire_request" in line:
            for last in after.get(line["wire_request"]["body"]["pricetype"], ()):
                yield {"case": "sdk/placeorder", "price": {"symbol": "SBIN", "ltp": last}}
