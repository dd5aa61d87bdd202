"""A server that can only say what a real one was recorded saying, in that order and on being asked the same.

Owns one recorded case: it answers each request with the recorded answer, after the frames that had come
before it and before those that came after. It must never invent anything: a request that is not the next
recorded one ends the test.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from websockets.asyncio.server import ServerConnection, serve

TRANSCRIPTS = Path(__file__).parents[3] / "shared" / "reference" / "openalgo-transcripts"
NOT_COMPARED = {"apikey", "strategy", "orderid", "disclosed_quantity"}
"""Parts of a request that were the recording client's own."""

Json = dict[str, Any]


def recorded(file: str, case: str) -> list[Json]:
    """The lines of one case in true order: a call counts when it was answered."""
    path = TRANSCRIPTS / file
    if not path.exists():
        pytest.skip(f"the recordings of the real server are not at {path.parent}")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    mine = [line for line in lines if line["case"] == case and line.get("dir") != "send"]
    assert mine, f"{file} has no case {case}"
    return sorted(mine, key=lambda line: line["t"] + line.get("ms", 0) / 1000)


def comparable(body: Json) -> Json:
    """A request's fields with numbers as numbers, without what was the client's own; a zero is not said."""
    told: Json = {}
    for name, value in body.items():
        if name in NOT_COMPARED:
            continue
        try:
            number = Decimal(str(value))
        except ArithmeticError:
            told[name] = value
        else:
            if number:
                told[name] = number
    return told


class Recording:
    """Plays one case; ``price`` is the test's word that the recorded price has come."""

    def __init__(self, lines: list[Json]) -> None:
        self._lines = lines
        self._at = 0
        self._clients: set[ServerConnection] = set()
        self._listened = asyncio.Event()
        self.failures: list[str] = []
        self.rest_url = ""
        self.ws_url = ""

    @property
    def is_over(self) -> bool:
        """Whether all that was asked in the recording has been asked."""
        return not any("request" in line for line in self._lines[self._at :])

    async def listened(self) -> None:
        """Return once somebody listens."""
        await self._listened.wait()

    async def price(self, symbol: str, rupees: Decimal) -> None:
        """The next recorded price; the frames it caused go out."""
        line = self._next()
        said = line.get("price", {})
        if (said.get("symbol"), Decimal(str(said.get("ltp", 0)))) != (symbol, rupees):
            self.failures.append(f"the recording goes on with {line}, not with {symbol} at {rupees}")
        await self._tell_frames()

    def _next(self) -> Json:
        if self._at == len(self._lines):
            self.failures.append("the recording is over")
            return {}
        self._at += 1
        return self._lines[self._at - 1]

    async def _tell_frames(self) -> None:
        while self._at < len(self._lines) and "frame" in self._lines[self._at]:
            frame = json.dumps(self._next()["frame"])
            for client in self._clients:
                await client.send(frame)

    async def answer(self, request: web.Request) -> web.Response:
        """The recorded answer to a request."""
        body = await request.json()
        await self._tell_frames()
        line = self._next()
        asked = line.get("request", {"path": None, "body": {}})
        if (request.path.rstrip("/"), comparable(body)) != (asked["path"], comparable(asked["body"])):
            self.failures.append(f"asked {request.path} {body}, recorded {asked}")
            raise web.HTTPNotImplemented(text="not in the recording")
        # What came on the heels of the answer may as well come before it: frames overtake answers.
        await self._tell_frames()
        return web.json_response(line["response"], status=line["status"])

    async def converse(self, client: ServerConnection) -> None:
        """Answer what a client of the stream asks; the words are the recorded ones."""
        answers: dict[str, Json] = {
            "authenticate": {
                "type": "auth",
                "status": "success",
                "message": "Authentication successful",
                "broker": "stub",
                "user_id": "trader",
                "supported_features": {"ltp": True, "quote": True, "depth": True},
            },
            "subscribe_orders": {
                "type": "subscribe_orders",
                "status": "success",
                "message": "Subscribed to order updates",
            },
            "subscribe": {
                "type": "subscribe",
                "status": "success",
                "subscriptions": [
                    {
                        "symbol": "SBIN",
                        "exchange": "NSE",
                        "status": "success",
                        "mode": "LTP",
                        "depth": 5,
                        "broker": "stub",
                    }
                ],
                "message": "Subscription processing complete",
                "broker": "stub",
            },
        }
        async for message in client:
            asked = json.loads(message)
            await client.send(json.dumps(answers[asked["action"]] | {"request_id": asked.get("request_id")}))
            if asked["action"] != "authenticate":
                self._clients.add(client)
                self._listened.set()


@asynccontextmanager
async def playing(lines: list[Json]) -> AsyncIterator[Recording]:
    """A recording on two sockets of this machine."""
    recording = Recording(lines)
    application = web.Application()
    application.router.add_post("/api/v1/{name:.*}", recording.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with serve(recording.converse, "127.0.0.1", 0) as stream:
        recording.rest_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        recording.ws_url = f"ws://127.0.0.1:{next(iter(stream.sockets)).getsockname()[1]}"
        try:
            yield recording
        finally:
            await runner.cleanup()
