"""Calls to the server's REST interface: one request, one answer, never the same write twice.

Owns connections and their failures. A read shares kept-alive connections and may be asked again. A write
gets a connection of its own, since a kept-alive one may be half closed, is sent once, and outlives the
patience of whoever waits: the server itself waits two minutes for its broker, and a late answer still tells
the order's id. Must never follow a redirect, believe in a body without end, or let the key into a message.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final, Self, TypeVar

import aiohttp

from olaf_async.adapters.openalgo.limits import Limits, Urgency
from olaf_async.adapters.openalgo.numbers import WireError
from olaf_async.adapters.openalgo.wire import answers, requests
from olaf_async.adapters.openalgo.wire.answers import Funds, History, Hours, Quote, SymbolInfo
from olaf_async.adapters.openalgo.wire.outcomes import Verdict, judge_failed_read, judge_write
from olaf_async.adapters.openalgo.wire.requests import Access, Request
from olaf_async.domain.events import Mode, Verb
from olaf_async.errors import BrokerError, BrokerUndecided, BrokerUnreachable, RateLimited
from olaf_async.ports.clock import Clock

SECOND_NS = 1_000_000_000
WRITE_LIFE_S: Final = 130.0
"""The server waits 120 s for its broker; what has not been answered by then will not be."""
BODY_MAX: Final = 32 * 1024 * 1024
"""Bytes of an answer: a month of one-minute bars is some three hundred thousand."""
READ_TRIES: Final = 5
"""How often a read is asked that a limiter keeps refusing."""
_MESSAGE_MAX = 300
_API = "/api/v1/"
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}

KEEP_ALIVE_S: Final = 1.5
"""The server's gunicorn closes an idle connection after two seconds; ours are to be gone before."""

_T = TypeVar("_T")


class _Dropped(BrokerUndecided):
    """The connection broke. It may have been an old one that the server was just closing."""


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    body: bytes = field(repr=False)


class OpenAlgoRest:
    """One server, one key. Use it in ``async with``: what it opens it closes there."""

    def __init__(
        self, host: str, access: Access, clock: Clock, *, timeout_s: float = 5.0, orders_per_s: int = 8
    ) -> None:
        self.access = access
        self._root = host.rstrip("/") + _API
        self._clock = clock
        self._limits = Limits(clock, orders_per_s)
        self._read_time = aiohttp.ClientTimeout(total=timeout_s)
        self._write_time = aiohttp.ClientTimeout(total=WRITE_LIFE_S, connect=timeout_s)
        self._reads: aiohttp.ClientSession | None = None
        self._writes: aiohttp.ClientSession | None = None
        self.server_ahead_s: float | None = None
        """How far the server's clock was ahead of ours at its newest answer; None: it told no time."""

    async def __aenter__(self) -> Self:
        self._reads = _session(aiohttp.TCPConnector(keepalive_timeout=KEEP_ALIVE_S))
        self._writes = _session(aiohttp.TCPConnector(force_close=True, limit=0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in (self._reads, self._writes):
            assert session is not None, "it was entered"
            await session.close()

    # --- writes -----------------------------------------------------------------------------------

    async def write(self, verb: Verb, request: Request, urgency: Urgency) -> Verdict:
        """Send an order call once and judge its answer, up to `WRITE_LIFE_S` later. Yields: always.

        Raises:
            RateLimited: our own limit holds it back longer than is worth waiting. Nothing was sent.
            BrokerUnreachable: no connection could be made. Nothing was sent.
            BrokerUndecided: the connection broke, or no answer came.
        """
        assert self._writes is not None, "it was entered"
        await self._limits.enter_write(request.route, urgency)
        reply = await self._post(self._writes, request, self._write_time)
        verdict = judge_write(verb, reply.status, reply.body)
        if isinstance(verdict.result, RateLimited):
            self._limits.refused(request.route, verdict.result.retry_after_s)
        if isinstance(verdict.result, BrokerError):
            self._without_key(verdict.result)
        return verdict

    # --- reads ------------------------------------------------------------------------------------

    async def read(self, request: Request, decode: Callable[[bytes], _T]) -> _T:
        """Ask and decode; where a limiter refuses, wait and ask again, a few times. Yields: always.

        Raises:
            BrokerUnreachable: no connection could be made.
            SessionExpired: the key is wrong, or the broker's session has ended.
            RateLimited: a limiter refused it `READ_TRIES` times.
            BrokerRejected: the server will not answer this.
            BrokerUndecided: it failed, did not answer in time, or answered what cannot be read.
        """
        for _ in range(READ_TRIES - 1):
            try:
                return await self._read_once(request, decode)
            except RateLimited as refusal:
                self._limits.refused(request.route, refusal.retry_after_s)
        return await self._read_once(request, decode)

    async def ping(self) -> str:
        """The name of the server's broker; proves key and session. Raises as `read`."""
        return await self.read(requests.ping(self.access), answers.ping)

    async def analyzer(self) -> Mode:
        """Where the server sends orders. Raises as `read`."""
        return await self.read(requests.analyzer(self.access), answers.analyzer)

    async def funds(self) -> Funds | None:
        """The account's money; None where the server could not learn it. Raises as `read`."""
        return await self.read(requests.funds(self.access), answers.funds)

    async def quote(self, symbol: str) -> Quote:
        """Prices of a symbol. Raises as `read`."""
        return await self.read(requests.quote(self.access, symbol), answers.quote)

    async def symbol_info(self, symbol: str) -> SymbolInfo:
        """What the server knows of a symbol. Raises as `read`."""
        return await self.read(requests.symbol_info(self.access, symbol), answers.symbol_info)

    async def history(self, symbol: str, interval: str, start: date, end: date) -> History:
        """Bars of the days from ``start`` to ``end``. Raises as `read`."""
        return await self.read(requests.history(self.access, symbol, interval, start, end), answers.history)

    async def timings(self, day: date) -> tuple[Hours, ...]:
        """The exchanges' hours on a day, advisory. Raises as `read`."""
        return await self.read(requests.timings(self.access, day), answers.timings)

    async def search(self, query: str) -> None:
        """Look for a symbol; proves the key alone, since it needs no session. Raises as `read`."""
        await self.read(requests.search(self.access, query), answers.success)

    async def _read_once(self, request: Request, decode: Callable[[bytes], _T]) -> _T:
        await self._limits.enter_read(request.route)
        try:
            reply = await self._ask(request)
        except _Dropped:
            reply = await self._ask(request)
        if reply.status != 200:
            raise self._without_key(judge_failed_read(reply.status, reply.body))
        try:
            return decode(reply.body)
        except WireError as error:
            raise self._without_key(BrokerUndecided(f"{request.route}: {error}")) from None

    async def _ask(self, request: Request) -> _Reply:
        assert self._reads is not None, "it was entered"
        return await self._post(self._reads, request, self._read_time)

    # --- the wire ---------------------------------------------------------------------------------

    async def _post(
        self, session: aiohttp.ClientSession, request: Request, time: aiohttp.ClientTimeout
    ) -> _Reply:
        """One POST. aiohttp repeats only what is idempotent, on a kept-alive connection: never a POST."""
        sent_ns = self._clock.now_ns()
        try:
            async with session.post(
                self._root + request.route,
                data=request.body,
                headers=_HEADERS,
                allow_redirects=False,
                timeout=time,
            ) as response:
                self._compare_clocks(response.headers.get("Date"), sent_ns)
                return _Reply(response.status, await _bounded(response))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            failure: BrokerError = BrokerUnreachable(_told(request, error))
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            failure = _Dropped(_told(request, error))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            failure = BrokerUndecided(_told(request, error))
        raise self._without_key(failure)

    def _compare_clocks(self, told: str | None, sent_ns: int) -> None:
        """The server tells whole seconds, at a moment taken to be half-way between sending and now."""
        try:
            told_s = None if told is None else parsedate_to_datetime(told).timestamp()
        except ValueError:
            told_s = None
        ours_s = (sent_ns + self._clock.now_ns()) / (2 * SECOND_NS)
        self.server_ahead_s = None if told_s is None else told_s + 0.5 - ours_s

    def _without_key(self, error: BrokerError) -> BrokerError:
        """A server may quote the request in what it says, and a library what it could not read."""
        error.args = (str(error).replace(self.access.api_key, "[key]")[:_MESSAGE_MAX],)
        return error


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
    )


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > BODY_MAX:
            raise ValueError(f"the answer is longer than {BODY_MAX} bytes")
    return bytes(body)


def _told(request: Request, error: Exception) -> str:
    return f"{request.route}: {type(error).__name__}: {error}"
