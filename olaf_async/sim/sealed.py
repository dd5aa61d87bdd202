"""An event loop without a world: what could reach outside is refused, what fails unseen is kept.

Owns the list of calls that would leave a simulation, and the errors that no coroutine retrieved. Must never
let one through or lose one: a thread, a socket, a signal or a process answers in its own time, and a run that
waited for it could not be repeated. Knows neither order nor time; those are `loop`'s.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn, TypeAlias

from olaf_async.errors import OlafError

_ErrorContext: TypeAlias = dict[str, Any]
_ErrorHandler: TypeAlias = Callable[[asyncio.AbstractEventLoop, _ErrorContext], object]


class SimulationError(OlafError):
    """The simulated program did what a simulation cannot carry; also wraps what is no `Exception` itself."""


class EscapedSimulation(SimulationError):
    """Something reached for a thread, a socket, a signal or a process; the text names the call."""


class _Refused:
    """A method that raises as soon as it is called, not when its result is awaited."""

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __call__(self, *_args: object, **_kwargs: object) -> NoReturn:
        raise EscapedSimulation(f"loop.{self._name}() leaves the simulation; reach the world through a port")


class SealedLoop(asyncio.AbstractEventLoop):
    """The part of a simulated loop that has nothing to do with order and time."""

    def __init__(self) -> None:
        self._closed = False
        self._unhandled: list[Exception] = []
        self._error_handler: _ErrorHandler | None = None

    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the loop is closed")

    def set_exception_handler(self, handler: _ErrorHandler | None) -> None:
        """Let ``handler(loop, context)`` have the errors of callbacks that would be kept otherwise."""
        self._error_handler = handler

    def get_exception_handler(self) -> _ErrorHandler | None:
        """The handler set, if any."""
        return self._error_handler

    def call_exception_handler(self, context: _ErrorContext) -> None:
        """Report an error that has no caller to go to."""
        if self._error_handler is None:
            self.default_exception_handler(context)
        else:
            self._error_handler(self, context)

    def default_exception_handler(self, context: _ErrorContext) -> None:
        """Keep the error for `take_unhandled`; after `close`, when nobody will ask any more, log it."""
        message, error = context.get("message", "unnamed error"), context.get("exception")
        if self._closed:
            log_unhandled(message, error)
        elif isinstance(error, Exception):
            error.add_note(message)
            self._unhandled.append(error)
        else:
            wrapped = SimulationError(message)
            wrapped.__cause__ = error
            self._unhandled.append(wrapped)

    get_debug = staticmethod(partial(bool, 0))
    """Whether handles and futures remember where they were made. Each asks: hence a call without a frame."""

    def set_debug(self, enabled: bool) -> None:  # noqa: FBT001 - asyncio's signature
        """Change neither order nor time; slow callbacks are not reported, for time stands still in them."""
        self.get_debug = partial(bool, enabled)

    def set_task_factory(self, factory: object) -> None:
        """Take None only.

        Raises:
            EscapedSimulation: tasks made by others (eager ones, say) are not ordered by this loop.
        """
        if factory is not None:
            raise EscapedSimulation("set_task_factory() would make tasks outside the order of the loop")

    def get_task_factory(self) -> None:
        """None, always."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Nothing to do: there is none."""

    run_in_executor = _Refused()
    set_default_executor = _Refused()
    getaddrinfo = _Refused()
    getnameinfo = _Refused()
    create_connection = _Refused()
    create_server = _Refused()
    create_unix_connection = _Refused()
    create_unix_server = _Refused()
    create_datagram_endpoint = _Refused()
    connect_accepted_socket = _Refused()
    start_tls = _Refused()
    sendfile = _Refused()
    add_reader = _Refused()
    remove_reader = _Refused()
    add_writer = _Refused()
    remove_writer = _Refused()
    sock_recv = _Refused()
    sock_recv_into = _Refused()
    sock_recvfrom = _Refused()
    sock_recvfrom_into = _Refused()
    sock_sendall = _Refused()
    sock_sendto = _Refused()
    sock_connect = _Refused()
    sock_accept = _Refused()
    sock_sendfile = _Refused()
    connect_read_pipe = _Refused()
    connect_write_pipe = _Refused()
    subprocess_shell = _Refused()
    subprocess_exec = _Refused()
    add_signal_handler = _Refused()
    remove_signal_handler = _Refused()


def log_unhandled(message: str, error: BaseException | None) -> None:
    """Say it where stock asyncio would."""
    logging.getLogger("asyncio").error("unhandled in simulation: %s", message, exc_info=error)
