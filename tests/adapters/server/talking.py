"""A paper server's websocket on a clock that the test moves, and clients that speak to it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect

from olaf_async.adapters.paper.account import PaperRules
from olaf_async.adapters.paper.server.desk import PaperDesk
from olaf_async.adapters.paper.server.stream import BEHIND_BYTES_MAX, PriceStream
from olaf_async.domain.price import Paise
from tests.wire.step_clock import StepClock

SUNDAY_NOON_NS: Final = 1_795_332_000 * 1_000_000_000
"""2026-11-22 12:50 in India, when the recordings were made: the sandbox asks for no session."""

HEARD_WITHIN_S: Final = 10
"""A frame that has not come by then does not come: a bound for a broken run, nothing waits it out."""

STUB_PRICES: Final[dict[str, Paise]] = {
    "SBIN": 800_00,
    "RELIANCE": 3000_00,
    "ITC": 400_00,
    "M&M": 3000_00,
    "INFY": 1500_00,
    "TCS": 3100_00,
    "HDFCBANK": 1000_00,
}

Json = dict[str, Any]


def new_desk(*, api_key: str = "test-key", exchange_true: bool = False) -> PaperDesk:
    """A desk that calls itself and its user what the recorded server did."""
    rules = PaperRules(exchange_true=exchange_true, capital_paise=1_00_00_000_00)
    desk = PaperDesk(rules, dict.fromkeys(STUB_PRICES, 5), StepClock(SUNDAY_NOON_NS), api_key=api_key)
    desk.broker_name, desk.user = "stub", "trader"
    return desk


def clock_of(desk: PaperDesk) -> StepClock:
    assert isinstance(desk.clock, StepClock)
    return desk.clock


class Talk:
    """One client, which speaks JSON."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, frame: Json | str) -> None:
        await self.connection.send(frame if isinstance(frame, str) else json.dumps(frame))

    async def hear(self) -> Json:
        async with asyncio.timeout(HEARD_WITHIN_S):
            heard: Json = json.loads(await self.connection.recv())
        return heard

    async def ask(self, frame: Json | str) -> Json:
        """Say something and hear what comes next."""
        await self.say(frame)
        return await self.hear()

    async def hears_nothing_more(self) -> bool:
        """Whether nothing waits to be heard: what is said next is what is answered next."""
        return (await self.ask({"action": "ping", "_pingId": "the end"})).get("_pingId") == "the end"

    async def enter(self, *symbols: str, mode: str | int = "LTP", key: str = "test-key") -> None:
        """Show the key and ask for ticks."""
        assert (await self.ask({"action": "authenticate", "api_key": key}))["status"] == "success"
        if symbols:
            entries = [{"symbol": symbol, "exchange": "NSE"} for symbol in symbols]
            answer = await self.ask({"action": "subscribe", "symbols": entries, "mode": mode})
            assert answer["status"] == "success"


class Talks:
    """A served stream, and as many clients as a test wants."""

    def __init__(self, desk: PaperDesk, stream: PriceStream, port: int) -> None:
        self.desk = desk
        self.stream = stream
        self.port = port

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Talk]:
        async with connect(f"ws://127.0.0.1:{self.port}") as connection:
            yield Talk(connection)

    def price(self, symbol: str, price: Paise) -> None:
        self.desk.on_price(symbol, price, self.desk.clock.now_ns())


@asynccontextmanager
async def served(
    desk: PaperDesk | None = None, behind_bytes_max: int = BEHIND_BYTES_MAX
) -> AsyncIterator[Talks]:
    """The websocket of a desk on a free port of this machine."""
    desk = desk or new_desk()
    stream = PriceStream(desk, behind_bytes_max=behind_bytes_max)
    async with stream.serving("127.0.0.1", 0) as server:
        yield Talks(desk, stream, next(iter(server.sockets)).getsockname()[1])
