"""The engine's end of the control socket: one request for each connection, answered line by line.

V1  A client can do nothing to the engine but ask: one that sends nonsense, too much, or nothing, that goes
    away or does not read, is answered where it can be, and dropped.
V2  Each client has its own task, and at most so many are heard at once; the others are told to come again.
V3  An operation that crashes is refused with its error, and told. It ends nothing.
V4  Who goes away ends the following of a flatten, never the flatten.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from olaf_async.adapters.control.place import Place
from olaf_async.adapters.control.wire import LINE_MAX, Refusal, Reply, read_request, write_reply
from olaf_async.errors import ControlError
from olaf_async.ports.control import Deed, Operations, Request

CLIENTS_MAX: Final = 8
PATIENCE_S: Final = 5.0
"""How long a client may take for its line, and for taking in one of ours."""


class _Gone(Exception):
    """The client has gone away, or does not read: nobody is left to tell."""


async def _gone(reader: asyncio.StreamReader) -> None:
    """Return once the client has closed its end, or says so much more that it is not meant for us."""
    said = 0
    while said <= LINE_MAX and (more := await reader.read(LINE_MAX)):
        said += len(more)


class ControlServer:
    """Answers clients by the ``operations`` of one engine. ``tell`` hears of what crashed."""

    def __init__(
        self,
        operations: Operations,
        tell: Callable[[str], None],
        *,
        clients_max: int = CLIENTS_MAX,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._operations = operations
        self._tell = tell
        self._clients_max = clients_max
        self._patience_s = patience_s
        self._clients: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self, directory: Path) -> AsyncIterator[None]:
        """Serve on the directory's socket, for the holder of its lease, while the context lasts.

        Raises:
            ControlError: the socket cannot be made.
        """
        place = Place(directory)
        try:
            # Begun in two steps, for whoever is cancelled in the first must not leave a server behind.
            server = await asyncio.start_unix_server(
                self._connected, sock=place.socket, limit=LINE_MAX, start_serving=False
            )
            try:
                await server.start_serving()
                yield
            finally:
                server.close()
                for client in tuple(self._clients):
                    client.cancel()
                await asyncio.gather(*self._clients, return_exceptions=True)
        finally:
            place.close()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_heard = len(self._clients) < self._clients_max
        client = asyncio.get_running_loop().create_task(self._client(reader, writer, is_heard=is_heard))
        self._clients.add(client)

        def ended(_: asyncio.Task[None]) -> None:
            self._clients.discard(client)
            writer.transport.abort()

        client.add_done_callback(ended)  # also of a task that is cancelled before its first step

    async def _client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_heard: bool
    ) -> None:
        """One client, from its line to its end. What goes wrong with it stays here."""
        writer.transport.set_write_buffer_limits(high=0)  # what has been waited for is out of our hands
        try:
            if is_heard:
                await self._serve(reader, writer)
            else:
                await self._refuse(writer, "too many ask at once; come again")
        except _Gone:
            pass
        except Exception as error:  # noqa: BLE001 -- V3: a client's border
            self._tell(f"a client of the control socket was dropped: {error!r}")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = read_request(await self._line(reader))
        except ControlError as error:
            await self._refuse(writer, str(error))
            return
        answering = asyncio.ensure_future(self._answer(request, writer))
        leaving = asyncio.ensure_future(_gone(reader))
        try:
            await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            answering.cancel()
            leaving.cancel()
            ended, _ = await asyncio.gather(answering, leaving, return_exceptions=True)
        if isinstance(ended, Exception):
            raise ended

    async def _line(self, reader: asyncio.StreamReader) -> bytes:
        """The client's line.

        Raises:
            _Gone: it went away before the end of it.
            ControlError: the line is too long, or does not come.
        """
        try:
            async with asyncio.timeout(self._patience_s):
                line = await reader.readline()
        except TimeoutError:
            raise ControlError(f"no request came within {self._patience_s:g} s") from None
        except ValueError:
            raise ControlError(f"a request has at most {LINE_MAX} bytes") from None
        except OSError as error:
            raise _Gone from error
        if not line.endswith(b"\n"):
            raise _Gone
        return line

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Write the answers as they come."""
        try:
            async with aclosing(self._replies(request)) as replies:
                async for reply, is_last in replies:
                    await self._write(writer, reply, is_last=is_last)
        except _Gone:
            raise
        except ControlError as error:
            await self._refuse(writer, str(error))
        except Exception as error:
            with suppress(_Gone):
                await self._refuse(writer, f"the engine could not do that: {error!r}")
            raise

    async def _replies(self, request: Request) -> AsyncGenerator[tuple[Reply, bool], None]:
        """What the engine says to a request; whether it is the last."""
        operations, symbol = self._operations, request.symbol
        match request.deed:
            case Deed.STATUS:
                yield operations.status(), True
            case Deed.HALT:
                yield await operations.halt(symbol), True
            case Deed.RESUME:
                yield await operations.resume(symbol), True
            case Deed.RECONCILE:
                yield await operations.reconcile(), True
            case Deed.FLATTEN:
                async with aclosing(operations.flatten(symbol, request.limit_s)) as course:
                    async for progress in course:
                        yield progress, progress.is_over

    async def _refuse(self, writer: asyncio.StreamWriter, why: str) -> None:
        await self._write(writer, Refusal(why), is_last=True)

    async def _write(self, writer: asyncio.StreamWriter, reply: Reply, *, is_last: bool) -> None:
        """Hand an answer over whole; a client that does not take it in is not waited for for ever.

        Raises:
            _Gone: it has not been taken in.
        """
        try:
            writer.write(write_reply(reply, is_last=is_last))
            async with asyncio.timeout(self._patience_s):
                await writer.drain()
        except (OSError, TimeoutError) as error:
            raise _Gone from error
