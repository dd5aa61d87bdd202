"""The official OpenAlgo SDK, unchanged, against ``serve-paper`` in another process.

The SDK blocks and hears the websocket on a thread of its own; here its calls run on a thread, and what its
callbacks hear comes back to the test's loop. The SDK for Python 3.11 is too old to know of order updates.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from openalgo import api as OpenAlgo  # noqa: N812 -- a class, by its name there

from tests.paper_server import KEY, Json, ServedProcess, serve_paper

TRANSCRIPTS = Path(__file__).parents[3] / "shared" / "reference" / "openalgo-transcripts"
HEARD_WITHIN_S: Final = 20
"""A bound for a broken run; nothing waits it out."""

SBIN: Final = {"symbol": "SBIN", "exchange": "NSE"}
ORDER: Final = {**SBIN, "strategy": "sdk", "product": "MIS"}

KNOWS_ORDERS: Final = hasattr(OpenAlgo, "subscribe_orders")


class Sdk:
    """An SDK object whose calls are awaited. ``heard`` are the messages of all its callbacks."""

    def __init__(self, served: ServedProcess, key: str = KEY) -> None:
        told = served.told
        self.served = served
        self.heard: asyncio.Queue[Json] = asyncio.Queue()
        self._sdk = OpenAlgo(api_key=key, host=told["rest"], ws_url=told["ws"])
        self._loop = asyncio.get_running_loop()

    async def call(self, name: str, **arguments: object) -> Any:  # noqa: ANN401 -- whatever the SDK returns
        method: Callable[..., Any] = getattr(self._sdk, name)
        return await asyncio.to_thread(method, **arguments)

    async def place(self, side: str, kind: str, quantity: int, **prices: object) -> str:
        answer = await self.call(
            "placeorder", **ORDER, action=side, price_type=kind, quantity=quantity, **prices
        )
        assert (answer["status"], answer["mode"]) == ("success", "analyze"), answer
        order_id = answer["orderid"]
        assert isinstance(order_id, str)
        return order_id

    async def status(self, order_id: str) -> Json:
        row: Json = (await self.call("orderstatus", order_id=order_id, strategy="sdk"))["data"]
        return row

    def on_message(self, message: Json) -> None:
        self._loop.call_soon_threadsafe(self.heard.put_nowait, message)

    async def hear(self) -> Json:
        async with asyncio.timeout(HEARD_WITHIN_S):
            return await self.heard.get()


@asynccontextmanager
async def connected(*symbols: str) -> AsyncIterator[Sdk]:
    """The SDK with its websocket open, at a server whose SBIN stands at 800."""
    async with serve_paper("--symbols", ",".join(symbols or ("SBIN",))) as served:
        sdk = Sdk(served)
        await served.price("SBIN", "800")
        assert await sdk.call("connect") is True
        try:
            yield sdk
        finally:
            await sdk.call("disconnect")


async def until(served: ServedProcess, is_so: Callable[[Json], bool]) -> None:
    """Ask the server's state until it is so: the SDK does not say when its subscriptions were taken."""
    async with asyncio.timeout(HEARD_WITHIN_S):
        while not is_so(await served.control("/paper/state")):
            pass


# ----------------------------------------------------------------------------------------------------- orders


async def test_the_sdk_places_modifies_and_cancels_and_reads_every_book() -> None:
    async with connected() as sdk:
        bought = await sdk.place("BUY", "MARKET", 3)
        resting = await sdk.place("BUY", "LIMIT", 2, price=790)
        stop = await sdk.place("SELL", "SL", 3, price=794, trigger_price=795)
        modified = await sdk.call(
            "modifyorder",
            **ORDER,
            order_id=resting,
            action="BUY",
            price_type="LIMIT",
            quantity=1,
            price=791.5,
        )
        assert modified["message"] == "Order modified successfully"
        row = await sdk.status(resting)
        assert (row["order_status"], row["price"], row["quantity"]) == ("open", 791.5, 1)
        cancelled = await sdk.call("cancelorder", order_id=resting, strategy="sdk")
        assert cancelled["message"] == "Order cancelled successfully"
        await sdk.served.price("SBIN", "794.50")

        book = (await sdk.call("orderbook"))["data"]["orders"]
        assert [(row["orderid"], row["order_status"]) for row in book] == [
            (stop, "complete"),
            (resting, "cancelled"),
            (bought, "complete"),
        ]
        trades = (await sdk.call("tradebook"))["data"]
        assert [(row["orderid"], row["average_price"]) for row in trades] == [(stop, 794.5), (bought, 800.05)]
        position = (await sdk.call("positionbook"))["data"][0]
        assert (position["symbol"], position["quantity"], position["pnl"]) == ("SBIN", 0, -16.65)
        assert (await sdk.call("openposition", **SBIN, product="MIS", strategy="sdk"))["quantity"] == 0
        assert (await sdk.call("funds"))["data"]["m2mrealized"] == -16.65
        assert (await sdk.call("holdings"))["data"]["holdings"] == []
        assert (await sdk.call("quotes", **SBIN))["data"]["ltp"] == 794.5
        assert len((await sdk.call("depth", **SBIN))["data"]["bids"]) == 5


async def test_a_refusal_reaches_the_sdk_as_the_error_it_knows() -> None:
    async with connected() as sdk:
        unknown = await sdk.call("cancelorder", order_id="1", strategy="sdk")
        assert (unknown["code"], unknown["error_type"]) == (404, "http_error")
        assert "Order 1 not found" in unknown["message"]
        stranger = await Sdk(sdk.served, key="wrong").call("funds")
        assert (stranger["code"], "Invalid openalgo apikey" in stranger["message"]) == (403, True)
        assert await Sdk(sdk.served, key="wrong").call("connect") is False


# ---------------------------------------------------------------------------------------------------- streams


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("ltp", {"ltp": 801.35}),
        (
            "quote",
            {
                "open": 800.0,
                "high": 801.35,
                "low": 800.0,
                "close": 800.0,
                "ltp": 801.35,
                "volume": 0,
                "last_trade_quantity": 0,
                "avg_trade_price": 0.0,
                "change": 1.35,
                "change_percent": 0.17,
            },
        ),
        ("depth", {"ltp": 801.35}),
    ],
)
async def test_the_sdk_hears_ticks(kind: str, told: Json) -> None:
    async with connected() as sdk:
        await sdk.call(f"subscribe_{kind}", instruments=[SBIN], on_data_received=sdk.on_message)
        await until(sdk.served, lambda state: state["subscribed"] == ["SBIN"])
        await sdk.served.price("SBIN", "801.35")
        message = await sdk.hear()
        data = message["data"]
        assert (message["type"], message["symbol"], message["exchange"]) == ("market_data", "SBIN", "NSE")
        assert {name: data[name] for name in told} == told
        assert data["timestamp"] == (await sdk.served.control("/paper/ticks"))["ticks"][-1]["at_ms"]
        if kind == "depth":
            assert data["depth"]["buy"][0] == {"price": 801.3, "quantity": 100, "orders": 1}
            assert data["depth"]["sell"][0] == {"price": 801.4, "quantity": 100, "orders": 1}
        await sdk.call(f"unsubscribe_{kind}", instruments=[SBIN])
        await until(sdk.served, lambda state: state["subscribed"] == [])


@pytest.mark.skipif(not KNOWS_ORDERS, reason="the SDK for this Python knows no order updates; 2.0.3 does")
async def test_the_sdk_hears_what_becomes_of_its_orders() -> None:
    async with connected() as sdk:
        await sdk.call("subscribe_orders", on_order_update=sdk.on_message)
        await until(sdk.served, lambda state: state["order_listeners"] == 1)
        stop = await sdk.place("BUY", "SL", 1, price=806, trigger_price=805)
        for ltp in ("810", "805.50"):
            await sdk.served.price("SBIN", ltp)
        heard = [await sdk.hear() for _ in range(3)]
        assert {message["orderid"] for message in heard} == {stop}
        fields = ("order_status", "price", "filled_quantity", "average_price")
        assert [tuple(message[name] for name in fields) for message in heard] == [
            ("trigger pending", 806.0, 0, 0.0),
            ("open", 806.0, 0, 0.0),
            ("complete", 805.5, 1, 805.5),
        ]
        await sdk.call("unsubscribe_orders")
        await until(sdk.served, lambda state: state["order_listeners"] == 0)


# -------------------------------------------------------------------------------------------------- recording

PRICES_AFTER: Final = {"SL": ("810", "805.50"), "SL-M": ("820",)}
"""What the recorded market did once an order of this kind had been placed; its ticks are in the recording."""

NOT_CALLED: Final = {
    "sdk/history": "no bars are known to a server whose prices come by hand",
    "sdk/funds-bad-key": "see test_a_refusal_reaches_the_sdk_as_the_error_it_knows",
    "sdk/funds-server-down": "says nothing of a server",
    "sdk/placeorder-timeout": "says nothing of a server",
    "sdk/intervals": "a server without bars has none",
}


def recorded_calls() -> list[Json]:
    path = TRANSCRIPTS / "08-python-sdk.jsonl"
    if not path.exists():
        pytest.skip(f"the recordings of the real server are not at {path.parent}")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if "call" in line and line["case"] not in NOT_CALLED]


def shape(value: object) -> object:
    """Fields and types; of a list those of its first item. An error is compared whole."""
    if isinstance(value, dict):
        is_error = value.get("status") == "error"
        return {name: each if is_error else shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return type(value).__name__


async def test_each_recorded_call_returns_what_it_returned_from_the_real_server() -> None:
    calls = recorded_calls()
    ours: dict[str, str] = {}
    async with connected("SBIN", "M&M", "RELIANCE") as sdk:
        for line in calls:
            name, arguments = line["call"]["method"], dict(line["call"]["kwargs"])
            if name in {"connect", "disconnect"} or not hasattr(OpenAlgo, name):
                continue
            if "order_id" in arguments:
                arguments["order_id"] = ours.get(arguments["order_id"], arguments["order_id"])
            returned = await sdk.call(name, **arguments)
            assert (line["case"], shape(returned)) == (line["case"], shape(line["returned"]))
            if isinstance(returned, dict) and "orderid" in returned:
                ours[line["returned"]["orderid"]] = returned["orderid"]
            if name == "placeorder":
                for ltp in PRICES_AFTER.get(arguments["price_type"], ()):
                    await sdk.served.price("SBIN", ltp)
    assert len(ours) > 4
