"""The control socket of a live run: served while it trades, and never in its way."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from loguru import logger

from olaf_async.adapters.control.server import ControlServer
from olaf_async.domain.intents import Say, Severity
from olaf_async.errors import ControlError
from olaf_async.ports.control import Operations


@asynccontextmanager
async def listening(
    directory: Path, operations: Operations, tell: Callable[[Say], None]
) -> AsyncIterator[None]:
    """Let persons ask and order while the context lasts, for the holder of the directory's lease.

    Where there can be no socket that is an alarm: a run with stops to look after goes on without.
    """
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(ControlServer(operations, logger.error).serving(directory))
        except ControlError as error:
            text = f"{error}. Nobody can halt or flatten this run from outside; Ctrl-C still stops it"
            tell(Say(None, Severity.ALARM, "no_control", text))
        yield
