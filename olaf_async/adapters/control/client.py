"""The verbs' end of the control socket. Blocking, without a loop: who asks has nothing else to do."""

import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from olaf_async.adapters.control.place import reached
from olaf_async.adapters.control.wire import Refusal, read_reply, write_request
from olaf_async.adapters.journal.lease import holder
from olaf_async.errors import ControlError
from olaf_async.ports.control import Answer, Request

TIMEOUT_S: Final = 30.0
"""How long the engine may take from one line to the next; its own limits are shorter."""


class NoEngine(ControlError):
    """No engine listens for this directory."""


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
    except OSError as error:  # also a path too long for any socket, which is one nobody can listen at
        first = holder(directory)
        if first is None:
            raise NoEngine(f"no engine is running here: nobody listens at {path}") from error
        raise NoEngine(
            f"the engine of process {first.pid}, there since {first.since}, does not listen at {path}:"
            " it may be making its checks, waiting for the open, or at its end"
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
