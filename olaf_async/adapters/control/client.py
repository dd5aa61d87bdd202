"""The verbs' end of the control socket. Blocking, without a loop: who asks has nothing else to do."""

import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from olaf_async.adapters.control.place import reached
from olaf_async.adapters.control.wire import Refusal, read_reply, write_request
from olaf_async.adapters.journal.lease import Holder, holder
from olaf_async.errors import ControlError
from olaf_async.ports.control import Answer, Comparison, Deed, Flattening, Request, Standing, Status

_Told = TypeVar("_Told", bound=Answer)

TIMEOUT_S: Final = 30.0
"""How long the engine may take from one line to the next; its own limits are shorter."""


class NoEngine(ControlError):
    """No engine listens for this directory. ``holder`` is the one that has its lease all the same."""

    def __init__(self, message: str, holder: Holder | None) -> None:
        super().__init__(message)
        self.holder = holder


class Remote:
    """The operations of the engine of this directory, one method each; each raises as `ask`."""

    def __init__(self, directory: Path, *, timeout_s: float = TIMEOUT_S) -> None:
        self._directory = directory
        self._timeout_s = timeout_s

    def status(self) -> Status:
        """See Operations."""
        return self._one(Request(Deed.STATUS), Status)

    def halt(self, symbol: str | None) -> Standing:
        """See Operations."""
        return self._one(Request(Deed.HALT, symbol), Standing)

    def resume(self, symbol: str | None) -> Standing:
        """See Operations."""
        return self._one(Request(Deed.RESUME, symbol), Standing)

    def reconcile(self) -> Comparison:
        """See Operations."""
        return self._one(Request(Deed.RECONCILE), Comparison)

    def flatten(self, symbol: str | None, limit_s: float) -> Iterator[Flattening]:
        """See Operations; nothing is told while nothing changes, for up to the limit."""
        request = Request(Deed.FLATTEN, symbol, limit_s)
        for told in ask(self._directory, request, timeout_s=self._timeout_s + limit_s):
            yield _as(told, Flattening)

    def _one(self, request: Request, kind: type[_Told]) -> _Told:
        (told,) = ask(self._directory, request, timeout_s=self._timeout_s)
        return _as(told, kind)


def _as(told: Answer, kind: type[_Told]) -> _Told:
    if not isinstance(told, kind):
        raise ControlError(
            f"the engine answers with {type(told).__name__} where {kind.__name__} was asked for"
        )
    return told


def ask(directory: Path, request: Request, *, timeout_s: float = TIMEOUT_S) -> Iterator[Answer]:
    """Ask the engine that has the journals of this directory; its answers as they come.

    Raises:
        NoEngine: nobody listens there.
        ControlError: it refuses, breaks off, or says nothing for too long.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        _connect(connection, directory)
        try:
            with suppress(BrokenPipeError):  # whoever does not listen to us has said why before
                connection.sendall(write_request(request))
            with connection.makefile("rb") as lines:
                yield from _answers(lines)
        except TimeoutError:
            raise ControlError(f"the engine has not answered for {timeout_s:g} s{_who(directory)}") from None
        except OSError as error:
            raise ControlError(f"the engine broke off: {error.strerror}{_who(directory)}") from error


def _connect(connection: socket.socket, directory: Path) -> None:
    path = reached(directory)
    try:
        connection.connect(str(path))
    except PermissionError as error:
        raise ControlError(f"{path} belongs to another user: ask as the one who runs the engine") from error
    except (BlockingIOError, TimeoutError) as error:
        raise ControlError(f"the engine lets nobody in: others wait already{_who(directory)}") from error
    except OSError as error:  # also a path too long for any socket, which is one nobody can listen at
        first = holder(directory)
        if first is None:
            text = f"no engine is running here: nobody listens at {path}"
            raise NoEngine(text, None) from error
        raise NoEngine(
            f"the engine of process {first.pid}, there since {first.since}, does not listen at {path}:"
            " it may be making its checks, waiting for the open, or at its end",
            first,
        ) from error


def _answers(lines: Iterable[bytes]) -> Iterator[Answer]:
    for line in lines:
        reply, is_last = read_reply(line)
        if isinstance(reply, Refusal):
            raise ControlError(reply.why)
        yield reply
        if is_last:
            return
    raise ControlError("the engine broke off before its last word: it may have ended")


def _who(directory: Path) -> str:
    first = holder(directory)
    return "" if first is None else f"; it is process {first.pid}"
