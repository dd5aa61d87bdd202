"""The lease: one engine per journal directory, held by a lock of the operating system.

The lock is freed by the death of its holder, however that comes, so a takeover needs no waiting and no hand.
What stands in the file is information only; the lock alone decides. Must never remove the file: whoever waits
at the old one would then hold a lock that nobody else sees.
"""

import fcntl
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from olaf_async.errors import JournalError

FILE: Final = "engine.lease"


class LeaseHeld(JournalError):
    """Another engine has this journal directory."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who wrote the lease file; ``since`` is ISO 8601 with offset."""

    pid: int
    since: str
    host: str

    @property
    def is_alive(self) -> bool:
        """Whether a process of this number runs here; it may be another by now."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


class Lease:
    """Held from construction until ``release`` or the end of the process.

    Raises:
        LeaseHeld: another engine holds it; the text names that one.
        JournalError: the directory cannot be written.
    """

    def __init__(self, directory: Path, now_ns: int) -> None:
        self.path = directory / FILE
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise JournalError(f"{self.path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            since = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC).astimezone()
            self._write(msgspec.json.encode(Holder(os.getpid(), since.isoformat(), socket.gethostname())))
        except BlockingIOError:
            os.close(self._file)
            raise LeaseHeld(_refusal(directory)) from None
        except OSError as error:
            os.close(self._file)
            raise JournalError(f"{self.path} cannot be locked: {error.strerror}") from error

    def release(self) -> None:
        """Let another engine begin."""
        self._write(b"")
        os.close(self._file)

    def _write(self, data: bytes) -> None:
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, data, 0)


def holder(directory: Path) -> Holder | None:
    """Who holds the directory's lease by the file's own word, if that process lives; takes no lock."""
    try:
        told = msgspec.json.decode((directory / FILE).read_bytes(), type=Holder)
    except (OSError, msgspec.MsgspecError):
        return None
    return told if told.is_alive else None


def _refusal(directory: Path) -> str:
    first = holder(directory)
    who = "another engine" if first is None else f"the engine of process {first.pid}"
    since = "" if first is None else f", since {first.since} on {first.host}"
    return (
        f"{who} has the journals in {directory}{since}. One engine trades one account: stop that one, "
        "or give this one's account its own journal.dir"
    )
