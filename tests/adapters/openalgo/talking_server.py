"""A websocket server that says what a test has it say, and a listener that keeps what a generator gives."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Generic, TypeVar

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.wire.step_clock import StepClock

_T = TypeVar("_T")
Json = dict[str, Any]

KEY: Final = "0123456789abcdef-the-key"
NOON_NS: Final = 1_795_332_000 * 1_000_000_000
BOUND_S: Final = 10
"""For a broken run; nothing waits it out."""

AUTH_OK: Final[Json] = {"type": "auth", "status": "success", "message": "Authentication successful"}
AUTH_BAD: Final[Json] = {"status": "error", "code": "AUTHENTICATION_ERROR", "message": "Invalid API key"}
NO_BROKER: Final[Json] = {"status": "error", "code": "BROKER_INIT_ERROR", "message": "no session"}
ORDERS_OK: Final[Json] = {"type": "subscribe_orders", "status": "success", "message": "Subscribed"}


def ack(*symbols: str, refused: tuple[str, ...] = ()) -> Json:
    entries = [
        {"symbol": symbol, "exchange": "NSE", "status": "success", "mode": "LTP"} for symbol in symbols
    ]
    entries += [{"symbol": name, "exchange": "NSE", "status": "error", "message": "no"} for name in refused]
    status = "partial" if refused else "success"
    return {"type": "subscribe", "status": status, "subscriptions": entries, "broker": "stub"}


def tick(symbol: str, price: float | str, at_ns: int | None = None, **more: object) -> Json:
    data = {"symbol": symbol, "exchange": "NSE", "mode": "ltp", "ltp": price, **more}
    if at_ns is not None:
        data["timestamp"] = at_ns // 1_000_000
    return {"type": "market_data", "symbol": symbol, "exchange": "NSE", "mode": 1, "data": data}


def order(order_id: str = "1", status: str = "open", **more: object) -> Json:
    return {
        "type": "order_update",
        "user_id": "trader",
        "mode": "analyze",
        "broker": "sandbox",
        "orderid": order_id,
        "symbol": "SBIN",
        "exchange": "NSE",
        "action": "BUY",
        "quantity": 2,
        "price": 800.05,
        "trigger_price": 0.0,
        "pricetype": "LIMIT",
        "product": "MIS",
        "order_status": status,
        "filled_quantity": 0,
        "pending_quantity": 0,
        "average_price": 0.0,
        "rejection_reason": "",
        **more,
    }


class Talk:
    """The server's end of one connection."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.heard: asyncio.Queue[Json] = asyncio.Queue()
        self.gone = asyncio.Event()

    async def hear(self, action: str) -> Json:
        """The next command, which must be this one."""
        async with asyncio.timeout(BOUND_S):
            command = await self.heard.get()
        assert command["action"] == action, command["action"]
        return command

    async def say(self, *frames: Json | str | bytes) -> None:
        for frame in frames:
            await self.connection.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    async def enter(self) -> None:
        """Hear the key and take it."""
        assert (await self.hear("authenticate"))["api_key"] == KEY
        await self.say(AUTH_OK)

    async def enter_feed(self, *symbols: str) -> None:
        await self.enter()
        wanted = [entry["symbol"] for entry in (await self.hear("subscribe"))["symbols"]]
        assert wanted == list(symbols)
        await self.say(ack(*symbols))

    async def is_left(self) -> None:
        """Return once the client has gone."""
        async with asyncio.timeout(BOUND_S):
            await self.gone.wait()


class TalkingServer:
    """Keeps its conversations in order of arrival."""

    def __init__(self) -> None:
        self.conversations: asyncio.Queue[Talk] = asyncio.Queue()
        self.url = ""

    async def talk(self) -> Talk:
        async with asyncio.timeout(BOUND_S):
            return await self.conversations.get()

    async def converse(self, connection: ServerConnection) -> None:
        talk = Talk(connection)
        self.conversations.put_nowait(talk)
        try:
            async for message in connection:
                talk.heard.put_nowait(json.loads(message))
        except ConnectionClosed:
            pass
        finally:
            talk.gone.set()


@asynccontextmanager
async def talking_server() -> AsyncIterator[TalkingServer]:
    server = TalkingServer()
    async with serve(server.converse, "127.0.0.1", 0, max_queue=None) as listening:
        server.url = f"ws://127.0.0.1:{port_of(listening)}"
        yield server


def port_of(server: Server) -> int:
    return int(next(iter(server.sockets)).getsockname()[1])


class Listener(Generic[_T]):
    """Takes all that a generator gives, as fast as it does."""

    def __init__(self, source: AsyncGenerator[_T, None]) -> None:
        self.taken: asyncio.Queue[_T] = asyncio.Queue()
        self._source = source
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for item in self._source:
            self.taken.put_nowait(item)

    async def next(self) -> _T:
        async with asyncio.timeout(BOUND_S):
            return await self.taken.get()

    async def some(self, count: int) -> list[_T]:
        return [await self.next() for _ in range(count)]

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._source.aclose()


@asynccontextmanager
async def listening(source: AsyncGenerator[_T, None]) -> AsyncIterator[Listener[_T]]:
    listener = Listener(source)
    try:
        yield listener
    finally:
        await listener.stop()


async def until(is_so: Callable[[], bool]) -> None:
    """Let the loop work until it is so."""
    async with asyncio.timeout(BOUND_S):
        while not is_so():  # noqa: ASYNC110 -- what is waited for has no event
            await asyncio.sleep(0)


async def until_asleep(clock: StepClock, when_ns: int) -> None:
    """Let the loop work until somebody sleeps until exactly then, and nobody until earlier."""
    await until(lambda: clock.next_ns == when_ns)
