"""What the shell needs of a journal: a place to write before it acts."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from olaf_async.domain.intents import OrderIntent


class Entry(Enum):
    """What a record is about.

    HEADER: a run begins; its body is all that is needed to make the same engine again.
    EVENT: the core was told something; with its fingerprint afterwards, or without one where it crashed.
    INTENT: what it wanted because of the event before.
    SENDING: the desk asked again, may send, and is about to; on disk before the call.
    PUT_OFF, NOT_SENT: the desk asked again, or tried, and nothing happened at the broker.
    NOTE: what the shell itself told a person.
    CLOSED: the run came to its own end.
    """

    HEADER = "header"
    EVENT = "event"
    INTENT = "intent"
    SENDING = "sending"
    PUT_OFF = "put off"
    NOT_SENT = "not sent"
    NOTE = "note"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class PutOff:
    """The core said "not yet" to the desk: ask again at this time, or (None) after a read of the books."""

    intent: OrderIntent
    until_ns: int | None


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nothing has happened at the broker.

    ``is_refused``: the core said so when the desk asked it, which is a step of the core's like an event. Else
    it was the desk's own doing, or the broker's, without the core.
    """

    intent: OrderIntent
    why: str
    is_refused: bool


class Line(NamedTuple):
    """One record to be written. ``at_ns`` is the event's time, or that of the desk's question."""

    entry: Entry
    at_ns: int
    body: object
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was written; sequence numbers begin at 1 and leave none out."""

    seq: int
    entry: Entry
    at_ns: int
    body: object
    fingerprint: str | None


class Journal(Protocol):
    """An append-only record."""

    def append(self, entry: Entry, at_ns: int, body: object, fingerprint: str | None = None) -> int:
        """Take one record and return its sequence number; SENDING is on disk when this returns.

        Raises:
            JournalError: it could not be kept. No risk may be taken on it; what takes risk away is done all
                the same.
        """
        ...

    def flush(self) -> None:
        """Hand to the operating system what was appended: it outlives this process from now on.

        Raises:
            JournalError: as ``append``. What could not be kept is tried again with the next.
        """
        ...
