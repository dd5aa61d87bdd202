"""Both halves of the paper server, its control endpoint and its clock, as one thing that runs.

Owns when each part starts and stops, and nothing else.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from olaf_async.adapters.paper.server.control import Control, Traffic
from olaf_async.adapters.paper.server.desk import PaperDesk
from olaf_async.adapters.paper.server.limits import Rates
from olaf_async.adapters.paper.server.market import History
from olaf_async.adapters.paper.server.prices import PriceBoard
from olaf_async.adapters.paper.server.rest import build_app
from olaf_async.adapters.paper.server.stream import PriceStream

_SHUTDOWN_S: Final = 1.0
"""How long requests that are being answered may take to end."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens, and whom it lets in to its control endpoint. Port 0: any free one."""

    host: str = "127.0.0.1"
    port: int = 0
    ws_port: int = 0
    is_control_open: bool = False


@dataclass(frozen=True, slots=True)
class PaperServer:
    """A server that runs; the ports are those it was given."""

    host: str
    port: int
    ws_port: int
    board: PriceBoard
    stream: PriceStream

    @property
    def rest_url(self) -> str:
        """The root of the REST routes, and of control."""
        return f"http://{_in_url(self.host)}:{self.port}"

    @property
    def ws_url(self) -> str:
        """The websocket."""
        return f"ws://{_in_url(self.host)}:{self.ws_port}"


@asynccontextmanager
async def running(
    desk: PaperDesk,
    address: Address | None = None,
    *,
    rates: Rates | None = None,
    history: History | None = None,
    middlewares: Sequence[Middleware] = (),
) -> AsyncIterator[PaperServer]:
    """Serve a desk until the block ends; websocket clients are then closed with 1001.

    ``rates``, ``history`` and ``middlewares`` as in `build_app`.

    Raises:
        OSError: an address cannot be had.
    """
    address = address or Address()
    traffic, board, stream = Traffic(), PriceBoard(desk), PriceStream(desk)
    app = build_app(desk, rates=rates, history=history, middlewares=(traffic.count, *middlewares))
    Control(desk, board, stream, traffic, is_open=address.is_control_open).add_to(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, address.host, address.port).start()
        async with stream.serving(address.host, address.ws_port) as sockets:
            ws_port = next(iter(sockets.sockets)).getsockname()[1]
            time_keeper = asyncio.create_task(desk.keep_time())
            try:
                yield PaperServer(address.host, runner.addresses[0][1], ws_port, board, stream)
            finally:
                time_keeper.cancel()
                with suppress(asyncio.CancelledError):
                    await time_keeper
    finally:
        await runner.cleanup()


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
