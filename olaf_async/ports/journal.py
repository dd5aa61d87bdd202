"""What the shell needs of a journal: a place to write before it acts."""

from enum import Enum
from typing import Protocol


class Entry(Enum):
    """What a record is about."""

    EVENT = "event"
    INTENT = "intent"
    SENDING = "sending"
    NOT_SENT = "not sent"
    NOTE = "note"


class Journal(Protocol):
    """An append-only record. What returns from ``append`` is kept."""

    def append(self, entry: Entry, at_ns: int, body: object, fingerprint: str | None = None) -> int:
        """Write one record and return its sequence number.

        Raises:
            JournalError: it could not be kept; nothing it would have allowed may be done.
        """
        ...
