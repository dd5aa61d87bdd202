"""The websocket half of the paper server, against what a real OpenAlgo server was recorded saying.

Each recorded session is held again over real sockets: what its clients sent is sent, its prices are fed in
as they came, its REST calls are made. Every connection must hear the recorded frames, in the recorded order,
with the same fields, types and values, but for what DIFFERENT, MORE and ANY_ORDER name.
"""

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from websockets.exceptions import ConnectionClosed

from olaf_async.adapters.paper.server.rest import build_app
from olaf_async.adapters.paper.server.stream import AUTH_GRACE_S
from tests.adapters.server.rest_server import Client, serving
from tests.adapters.server.talking import STUB_PRICES, Json, Talk, Talks, clock_of, new_desk, served

TRANSCRIPTS = Path(__file__).parents[4] / "shared" / "reference" / "openalgo-transcripts"

DIFFERENT: Final = {
    "orderid": "random digits there, a running number here; compared by order of appearance",
    "ltt": "when it was said; that it is the same as the frame's timestamp is compared",
    "timestamp": "when it was said; that it counts milliseconds is compared",
    "server_timestamp": "when it was said; that it counts milliseconds is compared",
    "volume": "the stub counted its ticks; a price without a volume leaves it as it was here",
    "last_quantity": "the stub said 1; how many shares a print traded is not known here, and 0",
    "average_price": "the stub said 800 of a quote; it is not known here, and 0. Compared in order updates",
}
"""Fields whose values may differ, and why."""

MORE: Final = {"last_trade_quantity", "avg_trade_price", "change", "change_percent"}
"""Keys of a quote that the official SDK reads and the stub did not send."""

ANY_ORDER: Final = {
    "freeze/stop-exit-fills-and-position-goes-flat": "that server fell silent for 10 s; ours does not",
    "freeze/cancelled-last-order-of-a-symbol-then-a-tick": "the same",
    "life/five-orders-at-once": "five threads worked on it",
    "life/cancelallorder-leaves-trigger-pending": "it cancelled the newest order first",
}
"""Cases in which only what was said is compared, and not when."""

PRICES_LEFT_OUT: Final = "ws/burst-of-30-ticks-in-one-go"
"""The recording of this case does not tell the prices; they are those of its frames."""

PUSHED: Final = {"market_data", "order_update"}


def lines_of(name: str) -> list[Json]:
    """The recording in true order: a REST call counts when it was answered."""
    path = TRANSCRIPTS / name
    if not path.exists():
        pytest.skip(f"the recordings of the real server are not at {path.parent}")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    cases = {case: number for number, case in enumerate(dict.fromkeys(line["case"] for line in lines))}
    return sorted(lines, key=lambda line: (cases[line["case"]], line["t"] + line.get("ms", 0) / 1000))


class Played:
    """A server to which the recorded clients speak again."""

    def __init__(self, talks: Talks, rest: Client, stack: AsyncExitStack) -> None:
        self._talks = talks
        self._rest = rest
        self._stack = stack
        self._open: dict[str, Talk] = {}
        self._heard: dict[str, list[Json]] = defaultdict(list)
        self._expected: dict[str, list[Json]] = defaultdict(list)
        self._numbers: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._ours: dict[str, str] = {}
        self.compared = 0

    async def play(self, lines: list[Json]) -> None:
        for number, line in enumerate(lines):
            await self._play_one(line)
            if number + 1 == len(lines) or lines[number + 1]["case"] != line["case"]:
                for name in tuple(self._open):
                    await self._compare(name, line["case"])

    async def _play_one(self, line: Json) -> None:
        if "price" in line:
            self._price(line["price"])
        elif "request" in line:
            await self._call(line)
        elif line.get("dir") == "send":
            await self._send(line["conn"], line["frame"])
        elif line.get("dir") == "recv":
            self._expected[line["conn"]].append(line["frame"])
            if line["case"] == PRICES_LEFT_OUT and line["frame"]["type"] == "market_data":
                self._price(line["frame"]["data"])
        elif line.get("dir") == "closed":
            await self._close(line)

    def _price(self, price: Json) -> None:
        symbol, last = price["symbol"], round(price["ltp"] * 100)
        quote = {word: round(price[word] * 100) for word in ("bid", "ask") if word in price}
        if price.get("publish", 1):
            self._talks.desk.on_price(symbol, last, self._talks.desk.clock.now_ns(), **quote)
        else:
            self._talks.desk.set_quote(symbol, ltp=last, **quote)

    async def _call(self, line: Json) -> None:
        clock = clock_of(self._talks.desk)
        clock.move_to(clock.now_ns() + 1_000_000_000)  # past every limit
        request = line["request"]
        body = dict(request["body"])
        if "orderid" in body:
            body["orderid"] = self._ours.get(body["orderid"], body["orderid"])
        reply = await self._rest.send(request["method"], request["path"], body)
        assert (line["case"], reply.status) == (line["case"], line["status"])
        if "orderid" in line["response"]:
            self._ours[line["response"]["orderid"]] = reply.body["orderid"]

    async def _talk(self, name: str) -> Talk:
        if name not in self._open:
            self._open[name] = await self._stack.enter_async_context(self._talks.client())
        return self._open[name]

    async def _send(self, name: str, frame: Json | str) -> None:
        """Say it, and hear the answer, since what comes next in the recording came after it."""
        talk = await self._talk(name)
        await talk.say(frame)
        while True:
            heard = await talk.hear()
            self._heard[name].append(heard)
            if heard.get("type") not in PUSHED:
                return

    async def _compare(self, name: str, case: str) -> None:
        """All that this connection should have heard by now, and nothing more."""
        talk = self._open[name]
        theirs, ours = self._expected.pop(name, []), self._heard.pop(name, [])
        while len(ours) < len(theirs):
            ours.append(await talk.hear())
        assert await talk.hears_nothing_more(), case
        pairs = [
            (self._comparable(their, 0), self._comparable(our, 1))
            for their, our in zip(theirs, ours, strict=True)
        ]
        said, again = ([pair[side] for pair in pairs] for side in (0, 1))
        if case in ANY_ORDER:
            said, again = (
                sorted((without_id(each) for each in frames), key=json.dumps) for frames in (said, again)
            )
        assert (case, again) == (case, said)
        self.compared += len(said)

    async def _close(self, line: Json) -> None:
        talk, ended = await self._talk(line["conn"]), line["frame"]
        if line["conn"] in self._heard:  # else it has said nothing, and heard nothing
            await self._compare(line["conn"], line["case"])
        if ended["code"] == 1000:
            await talk.connection.close()
        else:
            clock = clock_of(self._talks.desk)
            clock.move_to(clock.now_ns() + AUTH_GRACE_S * 1_000_000_000)
            with pytest.raises(ConnectionClosed) as closed:
                await talk.hear()
            assert closed.value.rcvd is not None
            assert {"code": closed.value.rcvd.code, "reason": closed.value.rcvd.reason} == ended
        del self._open[line["conn"]]

    def _comparable(self, frame: Json, side: int) -> Json:
        """A frame without what may differ, of which only the shape is kept."""
        frame = dict(frame)
        if "orderid" in frame:
            numbers = self._numbers[side]
            frame["orderid"] = numbers.setdefault(frame["orderid"], len(numbers))
        if "server_timestamp" in frame:
            frame["server_timestamp"] = milliseconds(frame["server_timestamp"])
        if "data" in frame:
            data = {name: value for name, value in frame["data"].items() if name not in MORE}
            assert side or len(data) == len(frame["data"]), "the stub sent what only we send"
            assert data.get("ltt", data["timestamp"]) == data["timestamp"]
            frame["data"] = {
                name: type(value).__name__ if name in DIFFERENT else (type(value).__name__, value)
                for name, value in data.items()
            }
            milliseconds(data["timestamp"])
        return {
            name: value if name == "data" else (type(value).__name__, value) for name, value in frame.items()
        }


def milliseconds(value: object) -> str:
    assert isinstance(value, int)
    assert len(str(value)) == 13
    return "milliseconds"


def without_id(frame: Json) -> Json:
    return {name: value for name, value in frame.items() if name != "orderid"}


@asynccontextmanager
async def playing() -> AsyncIterator[Played]:
    desk = new_desk()
    for symbol, price in STUB_PRICES.items():
        desk.on_price(symbol, price, desk.clock.now_ns())
        desk.set_quote(symbol, volume=1000)
    async with served(desk) as talks, serving(build_app(desk)) as rest, AsyncExitStack() as stack:
        yield Played(talks, rest, stack)


@pytest.mark.parametrize(
    "name", ["02-order-lifecycle.jsonl", "05-websocket.jsonl", "06-exit-fill-freezes-feed.jsonl"]
)
async def test_a_recorded_session_is_heard_again(name: str) -> None:
    lines = lines_of(name)
    async with playing() as played:
        await played.play(lines)
        assert played.compared == sum(line.get("dir") == "recv" for line in lines) > 40
