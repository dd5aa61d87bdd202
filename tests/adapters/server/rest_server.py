"""The REST half of the paper server on a socket of this machine, and a client that says what was answered."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from olaf_async.adapters.paper.account import PaperRules
from olaf_async.adapters.paper.server.desk import PaperDesk
from olaf_async.adapters.paper.server.limits import Rate, Rates
from tests.wire.step_clock import StepClock

Json = dict[str, Any]

KEY = "test-key"
NOON_NS = 1_795_332_000 * 1_000_000_000  # a Sunday, 2026-11-22 12:50 in India, as in the recordings
PLENTY = Rates(order=Rate(1000), read=Rate(1000))


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: Any
    headers: Mapping[str, str]


class Client:
    """Sends one request at a time, each on a connection of its own."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def send(
        self, method: str, path: str, body: object, content_type: str = "application/json"
    ) -> Reply:
        """Send a body as it is where it is text, else as JSON."""
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        headers = {"Content-Type": content_type} if method == "POST" else {}
        async with self._session.request(method, self.url + path, data=data, headers=headers) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            return Reply(response.status, json.loads(text) if is_json else text, response.headers)

    async def post(self, name: str, **fields: object) -> Reply:
        """Ask a route with the right key, unless another is given."""
        return await self.send("POST", f"/api/v1/{name}", {"apikey": KEY, **fields})


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[Client]:
    """The application on a free port."""
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession() as session:
            yield Client(session, f"http://{host}:{port}")
    finally:
        await runner.cleanup()


def a_desk(*, is_true: bool = False, key: str = KEY, clock: StepClock | None = None) -> PaperDesk:
    """An account at noon with SBIN at 800 and ITC unpriced."""
    desk = PaperDesk(
        PaperRules(exchange_true=is_true, capital_paise=1_00_00_000_00),
        {"SBIN": 5, "ITC": 5},
        clock or StepClock(NOON_NS),
        api_key=key,
    )
    desk.on_price("SBIN", 800_00, NOON_NS)
    return desk
