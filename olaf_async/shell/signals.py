"""What a terminal, a container or an init system uses to end the engine: SIGINT and SIGTERM.

The first one begins the orderly stop, the second ends the waiting for evidence. Must never end the process
itself: what the engine leaves at the broker has to be said first.
"""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stoppable(Protocol):
    """What can be told to stop; the supervisor."""

    def request_stop(self) -> None:
        """Begin the orderly stop. Yields: never."""
        ...

    def force_stop(self) -> None:
        """Wait for nothing any more. Yields: never."""
        ...


@contextmanager
def stop_on_signals(engine: Stoppable) -> Iterator[None]:
    """While the context lasts, signals stop the engine; afterwards they mean what they meant to Python.

    To be entered on the engine's own loop, in the main thread.
    """
    loop = asyncio.get_running_loop()
    has_come = False

    def stop() -> None:
        nonlocal has_come
        if has_come:
            engine.force_stop()
        has_come = True
        engine.request_stop()

    for number in SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
