"""A proxy that stands between the live adapters and a server and does to the wire what real wires do.

Owns two listening sockets, for REST and for the stream. What it may do is decided by rules the test sets; it
must never change what the server believes: a request it passes on is passed on whole, and once.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

from aiohttp import ClientError, ClientSession, DummyCookieJar, TCPConnector, web
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_upstream
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

ABNORMAL = 1006
"""The code of a connection that broke without a word; it cannot be sent."""

Json: TypeAlias = dict[str, Any]
Forward: TypeAlias = Callable[[], Awaitable[tuple[int, bytes]]]
Fault: TypeAlias = Callable[[web.Request, Forward], Awaitable[web.StreamResponse]]
"""What happens to one request; ``Forward`` passes it on to the server and brings its answer."""

Deliver: TypeAlias = Callable[[str], Awaitable[None]]
FrameFault: TypeAlias = Callable[[Json, str, Deliver], Awaitable[None]]
"""What happens to one frame on its way to the engine: its content, its text, and the way on."""


# --- faults of one request ----------------------------------------------------------------------------


async def pass_on(_: web.Request, forward: Forward) -> web.StreamResponse:
    """Nothing goes wrong."""
    status, body = await forward()
    return web.Response(status=status, body=body, content_type="application/json")


async def lose_answer(request: web.Request, forward: Forward) -> web.StreamResponse:
    """The server acts; the connection closes before a byte of the answer."""
    await forward()
    return await _hang_up(request)


async def lose_request(request: web.Request, _: Forward) -> web.StreamResponse:
    """The connection closes, and the server has heard nothing."""
    return await _hang_up(request)


async def fail_after_acceptance(_: web.Request, forward: Forward) -> web.StreamResponse:
    """The server acts, and says that it failed."""
    await forward()
    message = {"status": "error", "message": "An unexpected error occurred in the API endpoint"}
    return web.json_response(message, status=500)


async def forget_order_id(_: web.Request, forward: Forward) -> web.StreamResponse:
    """The server acts, and answers a success that names no order."""
    status, body = await forward()
    return web.json_response(json.loads(body) | {"orderid": None}, status=status)


async def too_many(_: web.Request, __: Forward) -> web.StreamResponse:
    """A limiter turns the request away."""
    return web.json_response({"message": "10 per 1 second"}, status=429)


async def no_session(_: web.Request, __: Forward) -> web.StreamResponse:
    """The broker's session has ended: nobody can trade until a person has logged in."""
    return web.json_response({"status": "error", "message": "Invalid openalgo apikey"}, status=403)


def hold_until(released: asyncio.Event) -> Fault:
    """The server acts at once; its answer comes when the test says so."""

    async def hold(_: web.Request, forward: Forward) -> web.StreamResponse:
        status, body = await forward()
        await released.wait()
        return web.Response(status=status, body=body, content_type="application/json")

    return hold


def act_when(released: asyncio.Event) -> Fault:
    """The request itself is held up; the server acts, and answers, when the test says so."""

    async def hold(request: web.Request, forward: Forward) -> web.StreamResponse:
        await released.wait()
        return await pass_on(request, forward)

    return hold


async def _hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response(status=500)  # nobody is left to read it


# --- faults of one frame ------------------------------------------------------------------------------


async def deliver(_: Json, text: str, onward: Deliver) -> None:
    """Nothing goes wrong."""
    await onward(text)


async def drop_order_updates(frame: Json, text: str, onward: Deliver) -> None:
    """The proxy in the real server swallows messages; prices still come."""
    if frame.get("type") != "order_update":
        await onward(text)


async def double_order_updates(frame: Json, text: str, onward: Deliver) -> None:
    """Postback and socket both tell it."""
    await onward(text)
    if frame.get("type") == "order_update":
        await onward(text)


class Shuffled:
    """Order updates come in pairs, the later first; a single one waits for its partner."""

    def __init__(self) -> None:
        self._kept: str | None = None

    async def __call__(self, frame: Json, text: str, onward: Deliver) -> None:
        """See FrameFault."""
        if frame.get("type") != "order_update":
            await onward(text)
        elif self._kept is None:
            self._kept = text
        else:
            kept, self._kept = self._kept, None
            await onward(text)
            await onward(kept)


# --- the proxy ----------------------------------------------------------------------------------------


class FaultProxy:
    """Both wires of one server. ``plan`` holds the faults of the next requests, by verb."""

    def __init__(self, rest_url: str, ws_url: str) -> None:
        self._upstream_rest, self._upstream_ws = rest_url, ws_url
        self._session: ClientSession | None = None
        self.plan: dict[str, deque[Fault]] = {}
        self.always: Fault = pass_on
        self.on_frame: FrameFault = deliver
        self.is_mute = False
        self.asked: list[tuple[str, Json]] = []
        self.moved = 0
        """Grows with each request, answer and frame that passes."""
        self.rest_url = ""
        self.ws_url = ""
        self._links: set[tuple[ServerConnection, ClientConnection]] = set()

    def next(self, verb: str, *faults: Fault) -> None:
        """What happens to the next requests of this verb."""
        self.plan.setdefault(verb, deque()).extend(faults)

    async def cut_streams(self) -> None:
        """Every stream breaks now."""
        for downstream, upstream in tuple(self._links):
            downstream.transport.abort()
            await upstream.close()

    async def echo(self) -> None:
        """Return once each end of each stream has read what had been sent to it before. Yields: always."""
        await asyncio.sleep(0)
        for link in tuple(self._links):
            for end in link:
                with suppress(ConnectionClosed):
                    await (await end.ping())

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request of the engine's."""
        verb, body = request.path.strip("/").split("/")[-1], await request.read()
        self.asked.append((verb, json.loads(body)))
        waiting = self.plan.get(verb)
        fault = waiting.popleft() if waiting else self.always

        async def forward() -> tuple[int, bytes]:
            assert self._session is not None
            url = self._upstream_rest + request.path
            async with self._session.post(
                url, data=body, headers={"Content-Type": "application/json"}
            ) as answer:
                return answer.status, await answer.read()

        self.moved += 1
        try:
            return await fault(request, forward)
        except ClientError:
            return await _hang_up(request)  # the server behind is down
        finally:
            self.moved += 1

    async def converse(self, downstream: ServerConnection) -> None:
        """One stream of the engine's."""
        try:
            upstream = await connect_upstream(self._upstream_ws)
        except OSError:
            downstream.transport.abort()
            return
        link = downstream, upstream
        self._links.add(link)
        up = asyncio.create_task(self._up(downstream, upstream))
        try:
            async for text in upstream:
                self.moved += 1
                if not self.is_mute:
                    await self.on_frame(json.loads(text), str(text), downstream.send)
        except ConnectionClosed:
            pass
        finally:
            up.cancel()
            with suppress(asyncio.CancelledError):
                await up
            self._links.discard(link)
            await upstream.close()
            if upstream.close_code in (None, ABNORMAL):
                downstream.transport.abort()
            else:
                await downstream.close(upstream.close_code)

    async def _up(self, downstream: ServerConnection, upstream: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            async for text in downstream:
                self.moved += 1
                await upstream.send(text)
            await upstream.close()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["FaultProxy"]:
        """Listen on two ports of this machine."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        connector = TCPConnector(force_close=True)
        async with (
            ClientSession(connector=connector, cookie_jar=DummyCookieJar()) as self._session,
            serve(self.converse, "127.0.0.1", 0) as stream,
        ):
            self.rest_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            self.ws_url = f"ws://127.0.0.1:{next(iter(stream.sockets)).getsockname()[1]}"
            try:
                yield self
            finally:
                await self.cut_streams()
                await runner.cleanup()
