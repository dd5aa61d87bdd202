"""One websocket to the server: opened, authenticated, and opened again, patiently, after each loss.

Owns the connection and nothing that is said over it later: whoever uses a line asks anew for all it wants,
for the server remembers nothing of a connection that has gone. Must never let the key into a log or message,
nor send it to a server it was not meant for.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from olaf_async.adapters.openalgo.numbers import WireError
from olaf_async.adapters.openalgo.wire import frames
from olaf_async.adapters.openalgo.wire.frames import AuthResult, ErrorFrame, Frame
from olaf_async.errors import FeedError
from olaf_async.ports.clock import Clock

NS_PER_S: Final = 1_000_000_000
FIRST_DELAY_NS: Final = NS_PER_S // 2
DELAY_MAX_NS: Final = 30 * NS_PER_S
REFUSED_DELAY_NS: Final = 60 * NS_PER_S
"""A refused key is not right a moment later, and servers may ban who shows wrong ones too often."""
PROVED_NS: Final = 10 * NS_PER_S
"""A line that lasted so long was a good one: after its loss the delays begin anew."""
AUTHENTICATE_WITHIN_NS: Final = 30 * NS_PER_S
"""The server connects to its broker before it answers, and is known to freeze for ten seconds."""
PING_S: Final = 20.0
PONG_WITHIN_S: Final = 20.0
"""Twice the freeze of ten seconds, during which the recorded server answers no ping either."""
_OPEN_WITHIN_S: Final = 10.0
_CLOSE_WITHIN_S: Final = 2.0
FRAME_MAX: Final = 2**20
"""Bytes. A tick has 300; the acknowledgement of a thousand symbols 150,000."""
FRAMES_AHEAD_MAX: Final = 2**14
"""Frames taken from the socket ahead of their reader. A server that cannot get rid of its frames makes all
its clients wait; past this many, memory would be the next to suffer."""
_MESSAGE_MAX: Final = 200


def _silent() -> logging.Logger:
    """A logger that no setting reaches: at DEBUG the library prints every frame, the key's too."""
    logger = logging.Logger("olaf.websocket")  # noqa: LOG001 -- one of the tree could be switched on again
    logger.disabled = True
    return logger


class LineLost(FeedError):
    """The connection could not be made, was refused, or has broken. The text never holds the key."""


class KeyRefused(LineLost):
    """The server does not know the key. Only a person can help."""


class _Connect(connect):
    """A connection to the address it was told, and no other."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Take a redirect for the failure it is: the key goes where it was configured to go."""
        return exc


class Line:
    """An open, authenticated connection, until `LineLost`. One coroutine at a time may use it."""

    def __init__(self, socket: ClientConnection, clock: Clock, secret: str) -> None:
        self._socket = socket
        self._clock = clock
        self._secret = secret
        self._receiving: asyncio.Task[str | bytes] | None = None
        self._napping: asyncio.Task[None] | None = None
        self._nap_until_ns = 0

    async def send(self, command: str) -> None:
        """Send one command. Yields: mostly.

        Raises:
            LineLost: the connection has gone.
        """
        try:
            await self._socket.send(command)
        except ConnectionClosed as closed:
            raise self._lost(closed) from None

    async def receive(self, until_ns: int, *others: asyncio.Future[Any]) -> Frame | None:
        """The next frame; None once it is ``until_ns``, or one of ``others`` is done, and no frame has come.

        Yields: always. To be cancelled loses no frame.

        Raises:
            LineLost: the connection has gone.
            WireError: what came cannot be read; the line is as good as before.
        """
        if self._receiving is None:
            self._receiving = asyncio.create_task(self._socket.recv())
        waiting: list[asyncio.Future[Any]] = [self._receiving, self._nap(until_ns), *others]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not self._receiving.done():
            return None
        received, self._receiving = self._receiving, None
        try:
            frame = frames.decode(received.result())
        except ConnectionClosed as closed:
            raise self._lost(closed) from None
        if isinstance(frame, ErrorFrame):
            return ErrorFrame(frame.code, self._clean(frame.message))
        return frame

    def _nap(self, until_ns: int) -> asyncio.Task[None]:
        """The sleeper until then; most calls find it asleep, since many frames share a deadline."""
        if self._napping is None or self._napping.done() or self._nap_until_ns != until_ns:
            if self._napping is not None:
                self._napping.cancel()
            self._napping = asyncio.create_task(self._clock.sleep_until_ns(until_ns))
            self._nap_until_ns = until_ns
        return self._napping

    async def release(self) -> None:
        """End what still waits. Yields: sometimes."""
        waiting = [task for task in (self._receiving, self._napping) if task is not None]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    def _lost(self, closed: ConnectionClosed) -> LineLost:
        if closed.rcvd is None:
            sent = f" ({closed.sent.code} {closed.sent.reason})" if closed.sent is not None else ""
            return LineLost(f"the connection broke off{sent}")
        return LineLost(
            f"the server closed with {closed.rcvd.code} {self._clean(closed.rcvd.reason)}".rstrip()
        )

    def _clean(self, words: str) -> str:
        """The server's own words, short, and without the key should it quote that."""
        return ascii(words.replace(self._secret, "***"))[1:-1][:_MESSAGE_MAX]


class Dialer:
    """Opens lines to one server, one after the other, and waits before each as long as the last deserves.

    Each delay is twice the one before, up to `DELAY_MAX_NS`; ``jitter`` says, from 0 to 1, how much of its
    second half is left out, so that engines which lost the same server do not return in step.
    ``needs_prices`` says that a server without its broker's prices is of no use.
    """

    def __init__(
        self, url: str, api_key: str, clock: Clock, jitter: Callable[[], float], *, needs_prices: bool
    ) -> None:
        self._url = url
        self._api_key = api_key
        self._clock = clock
        self._jitter = jitter
        self._needs_prices = needs_prices
        self._delay_ns = FIRST_DELAY_NS
        self._next_ns = clock.now_ns()

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        """Wait for the turn, connect, authenticate; at the end the connection is closed.

        Raises:
            KeyRefused: the server does not know the key.
            LineLost: no line could be had; also passed on from inside, as anything else is.
        """
        await self._clock.sleep_until_ns(self._next_ns)
        opened_ns = None
        try:
            async with self._open() as socket:
                line = Line(socket, self._clock, self._api_key)
                try:
                    await self._authenticate(line)
                    opened_ns = self._clock.now_ns()
                    yield line
                finally:
                    await line.release()
        except KeyRefused:
            self._wait(REFUSED_DELAY_NS)
            raise
        finally:
            if opened_ns is not None and self._clock.now_ns() - opened_ns >= PROVED_NS:
                self._delay_ns = FIRST_DELAY_NS
            self._wait(self._delay_ns)
            self._delay_ns = min(2 * self._delay_ns, DELAY_MAX_NS)

    def _wait(self, delay_ns: int) -> None:
        left_out_ns = int(delay_ns / 2 * self._jitter())
        self._next_ns = max(self._next_ns, self._clock.now_ns() + delay_ns - left_out_ns)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[ClientConnection]:
        connecting = _Connect(
            self._url,
            compression=None,
            proxy=None,
            open_timeout=_OPEN_WITHIN_S,
            ping_interval=PING_S,
            ping_timeout=PONG_WITHIN_S,
            close_timeout=_CLOSE_WITHIN_S,
            max_size=FRAME_MAX,
            max_queue=FRAMES_AHEAD_MAX,
            logger=_silent(),
        )
        try:
            socket = await connecting
        except (OSError, WebSocketException) as error:
            raise LineLost(f"no connection: {type(error).__name__}: {error}"[:_MESSAGE_MAX]) from None
        try:
            yield socket
        finally:
            await socket.close()

    async def _authenticate(self, line: Line) -> None:
        until_ns = self._clock.now_ns() + AUTHENTICATE_WITHIN_NS
        await line.send(frames.authenticate(self._api_key))
        while self._clock.now_ns() < until_ns:
            try:
                frame = await line.receive(until_ns)
            except WireError:
                continue
            if isinstance(frame, AuthResult):
                return
            if isinstance(frame, ErrorFrame):
                if frame.code == frames.AUTHENTICATION_ERROR:
                    raise KeyRefused(f"the key was refused: {frame.message}")
                # The key has been taken by then, and order updates need no more than that.
                if frame.code.startswith(frames.BROKER_ERRORS) and not self._needs_prices:
                    return
                raise LineLost(f"no entry: {frame.code} {frame.message}")
        raise LineLost(f"no answer to the key in {AUTHENTICATE_WITHIN_NS // NS_PER_S} s")
