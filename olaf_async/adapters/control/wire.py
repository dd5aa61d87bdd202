"""The control protocol: one JSON object a line. One request, then its answers, the last one marked.

    {"version": 1, "request": {"deed": "flatten", "symbol": "INFY"}}
    {"version": 1, "kind": "Flattening", "is_last": false, "answer": {...}}
    {"version": 1, "kind": "Refusal", "is_last": true, "answer": {"why": "..."}}

Owns the form and its version; a line of another version is refused by name, never guessed at.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from olaf_async.errors import ControlError
from olaf_async.ports.control import Answer, Comparison, Flattening, Request, Standing, Status

VERSION: Final = 1
LINE_MAX: Final = 4096
"""Bytes of a request. Answers may be longer."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was asked is not done."""

    why: str


class _Asked(msgspec.Struct, frozen=True):
    version: int
    request: msgspec.Raw


class _Told(msgspec.Struct, frozen=True):
    version: int
    kind: str
    is_last: bool
    answer: msgspec.Raw


Reply: TypeAlias = Answer | Refusal
_KINDS: Final[dict[str, type[Reply]]] = {
    kind.__name__: kind for kind in (Status, Standing, Flattening, Comparison, Refusal)
}


def write_request(request: Request) -> bytes:
    """A request as a line."""
    return _line(_Asked(VERSION, msgspec.Raw(msgspec.json.encode(request))))


def read_request(line: bytes) -> Request:
    """A line as a request.

    Raises:
        ControlError: it is none.
    """
    try:
        asked = msgspec.json.decode(line, type=_Asked)
        _check(asked.version)
        return msgspec.json.decode(asked.request, type=Request)
    except msgspec.MsgspecError as error:
        raise ControlError(f"that is no request: {error}") from error


def write_reply(reply: Reply, *, is_last: bool) -> bytes:
    """An answer as a line."""
    body = msgspec.Raw(msgspec.json.encode(reply))
    return _line(_Told(VERSION, type(reply).__name__, is_last, body))


def read_reply(line: bytes) -> tuple[Reply, bool]:
    """A line as an answer, and whether it is the last.

    Raises:
        ControlError: it is none.
    """
    try:
        told = msgspec.json.decode(line, type=_Told)
        _check(told.version)
        kind = _KINDS.get(told.kind)
        if kind is None:
            raise ControlError(f"the engine's answer is of an unknown kind, {told.kind}")
        return msgspec.json.decode(told.answer, type=kind), told.is_last
    except msgspec.MsgspecError as error:
        raise ControlError(f"the engine's answer cannot be read: {error}") from error


def _check(version: int) -> None:
    if version != VERSION:
        raise ControlError(
            f"version {version} of the control protocol is not spoken here, but {VERSION}: ask with the Olaf"
            " that trades"
        )


def _line(message: msgspec.Struct) -> bytes:
    return msgspec.json.encode(message) + b"\n"
