"""A server on raw sockets that does to each call what the test tells it to, and counts what it was sent."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from olaf_async.adapters.openalgo.rest import OpenAlgoRest
from olaf_async.adapters.openalgo.wire.requests import Access

KEY = "secret-key-0123456789abcdef"
S = 1_000_000_000


class JumpingClock:
    """A clock whose time passes by sleeping alone."""

    def __init__(self) -> None:
        self.ns = 1_700_000_000 * S

    def now_ns(self) -> int:
        return self.ns

    async def sleep_until_ns(self, when_ns: int) -> None:
        self.ns = max(self.ns, when_ns)
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Call:
    """One request as it arrived; ``connection`` counts the connections made so far."""

    route: str
    body: dict[str, Any]
    connection: int


Deed: TypeAlias = Callable[[Call, asyncio.StreamWriter], Awaitable[bool]]
"""What is done to one call; it returns whether the connection is to live on."""


class HostileServer:
    """Does the deeds in order; a call without a deed left is an error of the test."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.deeds: deque[Deed] = deque()
        self.arrived = asyncio.Event()
        self.connections = 0
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    def will(self, *deeds: Deed) -> None:
        self.deeds.extend(deeds)

    @property
    def routes(self) -> list[str]:
        return [call.route for call in self.calls]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._open.add(writer)
        self.connections += 1
        number = self.connections
        try:
            while await self._serve_one(reader, writer, number):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self._open.discard(writer)
            self._serving.discard(task)

    async def _serve_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lengths = [
            line.split(":")[1] for line in head.splitlines() if line.lower().startswith("content-length")
        ]
        body = await reader.readexactly(int(lengths[0]))
        call = Call(head.split()[1].removeprefix("/api/v1/"), json.loads(body), number)
        self.calls.append(call)
        self.arrived.set()
        return await self.deeds.popleft()(call, writer)

    async def close(self) -> None:
        for writer in tuple(self._open):
            writer.transport.abort()
        await asyncio.gather(*self._serving, return_exceptions=True)


@asynccontextmanager
async def hostile_server(*deeds: Deed) -> AsyncIterator[HostileServer]:
    server = HostileServer()
    server.will(*deeds)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await server.close()
        await listener.wait_closed()


@asynccontextmanager
async def hostile(
    *deeds: Deed, clock: JumpingClock | None = None, timeout_s: float = 5.0
) -> AsyncIterator[tuple[OpenAlgoRest, HostileServer]]:
    """A client of a hostile server."""
    async with hostile_server(*deeds) as server:
        host = f"http://127.0.0.1:{server.port}"
        async with OpenAlgoRest(host, Access(KEY), clock or JumpingClock(), timeout_s=timeout_s) as rest:
            yield rest, server


def response(body: bytes, status: int = 200, *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", *headers]
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def says(said: object, status: int = 200, *headers: str) -> Deed:
    """Answer and keep the connection."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return sends(response(body, status, *headers), keeps=True)


def sends(raw: bytes, *, keeps: bool = False) -> Deed:
    """Send these bytes; where not ``keeps``, close without a word about it."""

    async def deed(call: Call, writer: asyncio.StreamWriter) -> bool:
        writer.write(raw)
        await writer.drain()
        return keeps

    return deed


def aborts() -> Deed:
    """Reset the connection."""

    async def deed(call: Call, writer: asyncio.StreamWriter) -> bool:
        writer.transport.abort()
        return False

    return deed


def waits(until: asyncio.Event, then: Deed) -> Deed:
    """Let the client wait."""

    async def deed(call: Call, writer: asyncio.StreamWriter) -> bool:
        await until.wait()
        return await then(call, writer)

    return deed


def echoes(status: int) -> Deed:
    """Answer with the request in the message, key and all."""

    async def deed(call: Call, writer: asyncio.StreamWriter) -> bool:
        body = {"status": "error", "message": f"bad request: {json.dumps(call.body)}"}
        return await says(body, status)(call, writer)

    return deed
