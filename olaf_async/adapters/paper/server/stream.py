"""The websocket of the paper server: who is connected, what each client has asked for, and who hears what.

Owns connections and subscriptions. It must never let one client make another wait: frames go out without
waiting, and whoever falls too far behind is cut off. There OpenAlgo's own proxy is weaker: it waits for each
client in turn, so that one that does not read silences all (reading its source; no recording).

S1. A frame caused by a request is on its way before the request is answered.
S2. A tick is on its way before the order updates it causes.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import msgspec
from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

from olaf_async.adapters.paper.orders import OrderRecord
from olaf_async.adapters.paper.server import frames
from olaf_async.adapters.paper.server.answers import Json
from olaf_async.adapters.paper.server.commands import Commands, Subscriber
from olaf_async.adapters.paper.server.desk import NS_PER_S, PaperDesk, Quote
from olaf_async.adapters.paper.server.frames import Mode

AUTH_GRACE_S: Final = 15
AUTH_TIMEOUT: Final = 4401
CLOSE_S_MAX: Final = 2
"""How long a client that does not answer may hold up the end."""

BEHIND_BYTES_MAX: Final = 8 * 2**20
"""What may wait for a client that does not read, before it is cut off."""


@dataclass(slots=True, eq=False)
class _Client:
    connection: ServerConnection
    wants: Subscriber = field(default_factory=Subscriber)


class PriceStream:
    """The clients of one desk. Serve it with `serving`; ticks and order updates reach it from the desk.

    ``behind_bytes_max`` bounds what waits for a client that does not read.
    """

    def __init__(self, desk: PaperDesk, *, behind_bytes_max: int = BEHIND_BYTES_MAX) -> None:
        self._desk = desk
        self._clients: set[_Client] = set()
        self._behind_bytes_max = behind_bytes_max
        self._encode = msgspec.json.Encoder().encode
        self._asked = asyncio.Event()
        self._commands = Commands(desk)

    # ------------------------------------------------------------------------------------------ for control

    @property
    def connected(self) -> int:
        """How many clients there are."""
        return len(self._clients)

    @property
    def authenticated(self) -> int:
        """How many of them have given a key."""
        return sum(client.wants.is_known for client in self._clients)

    @property
    def order_listeners(self) -> int:
        """How many of them hear order updates."""
        return sum(client.wants.hears_orders for client in self._clients)

    def subscribed(self) -> tuple[str, ...]:
        """The symbols that anybody hears the ticks of."""
        return tuple(sorted({symbol for client in self._clients for symbol in client.wants.symbols}))

    async def asked(self) -> None:
        """Return once a client has asked for ticks, or at once where one has before. Yields: sometimes."""
        await self._asked.wait()

    async def taken(self) -> None:
        """Return once every client that hears ticks has read all it was sent, or has gone. Yields: always."""
        await asyncio.sleep(0)
        for client in tuple(self._clients):
            if client.wants.symbols:
                try:
                    await (await client.connection.ping())
                except ConnectionClosed:
                    continue

    # ----------------------------------------------------------------------------------------------- serving

    @asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[Server]:
        """Listen; at the end every client is closed with 1001, as one going away.

        Raises:
            OSError: the address cannot be had.
        """
        stop_ticks, stop_orders = self._desk.watch(self._tell_tick), self._desk.subscribe(self._tell_order)
        try:
            async with serve(self._converse, host, port, close_timeout=CLOSE_S_MAX) as server:
                yield server
        finally:
            stop_ticks()
            stop_orders()

    async def _converse(self, connection: ServerConnection) -> None:
        client = _Client(connection)
        self._clients.add(client)
        deadline = asyncio.create_task(self._want_key(client))
        try:
            async for message in connection:
                answer = self._commands.answer(client.wants, message)
                if client.wants.symbols:
                    self._asked.set()
                await connection.send(self._text(answer))
        except ConnectionClosed:
            pass  # how it ended is the client's business
        finally:
            self._clients.discard(client)
            deadline.cancel()

    async def _want_key(self, client: _Client) -> None:
        clock = self._desk.clock
        await clock.sleep_until_ns(clock.now_ns() + AUTH_GRACE_S * NS_PER_S)
        if not client.wants.is_known:
            await client.connection.close(AUTH_TIMEOUT, "auth timeout")

    # ----------------------------------------------------------------------------------------------- telling

    def _tell_tick(self, symbol: str, quote: Quote, at_ns: int) -> None:
        """One frame for each client, as the mode most wanted has it and labelled with the client's own.

        Where that is more than the price, the price alone follows for those who asked for it, who thus hear
        a tick twice: recorded so.
        """
        wanted = {client: modes for client in self._clients if (modes := client.wants.modes(symbol))}
        if not wanted:
            return
        tick = self._desk.tick_sizes[symbol]
        top = max(max(modes) for modes in wanted.values())
        self._spread(symbol, wanted, top, frames.tick_data(symbol, top, quote, at_ns, tick))
        if top > Mode.LTP:
            thin = frames.tick_data(symbol, Mode.LTP, quote, at_ns, tick, has_trade_time=False)
            self._spread(symbol, wanted, Mode.LTP, thin)

    def _spread(self, symbol: str, wanted: Mapping[_Client, frozenset[Mode]], top: Mode, data: Json) -> None:
        by_label: dict[Mode, list[_Client]] = defaultdict(list)
        for client, modes in wanted.items():
            heard = [mode for mode in modes if mode <= top]
            if heard:
                by_label[max(heard)].append(client)
        for label, clients in by_label.items():
            self._send(clients, frames.market_data(self._desk, symbol, label, data))

    def _tell_order(self, order: OrderRecord) -> None:
        listeners = [client for client in self._clients if client.wants.hears_orders]
        if listeners:
            self._send(listeners, frames.order_update(self._desk, order))

    def _send(self, clients: Iterable[_Client], frame: Json) -> None:
        """Send now, waiting for nobody."""
        keeping_up = []
        for client in clients:
            transport = client.connection.transport
            if transport.get_write_buffer_size() > self._behind_bytes_max:
                transport.abort()
            else:
                keeping_up.append(client.connection)
        broadcast(keeping_up, self._text(frame))

    def _text(self, frame: Json) -> str:
        return self._encode(frame).decode()
