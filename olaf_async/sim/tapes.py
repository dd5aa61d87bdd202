"""Schedules on disk: what a program did against the calm, and what broke because of it.

Owns the format: lines of JSON, the first says what the tape is of, each of the others is one draw with its
label. A tape promises its run for the program it was made with; a later one may draw otherwise, and then
`Drift` says where.
"""

import hashlib
import json
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from olaf_async.sim.choices import Drawn, Logged
from olaf_async.sim.sealed import SimulationError

FORMAT = 1


class BadTape(SimulationError):
    """This file is no tape; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A tape: its scenario, what broke, the draws, the digest of all there was, and what it was made with."""

    scenario: str
    broken: str
    entries: tuple[Drawn, ...]
    digest: str
    python: str = platform.python_version()
    program: str = version("olaf-async")


def digest_of(log: Iterable[Logged]) -> str:
    """A hash over all that was drawn and seen; equal for two runs that are the same."""
    hashed = hashlib.sha256()
    for label, n, value in log:
        hashed.update(f"{label}\0{n}\0{value}\n".encode())
    return hashed.hexdigest()[:16]


def first_difference(one: Sequence[Logged], other: Sequence[Logged]) -> str | None:
    """Where two runs part, in words; None where they are the same."""
    for at, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return f"line {at}: {_words(left)}, and then {_words(right)}"
    if len(one) != len(other):
        longer = max(one, other, key=len)
        at = min(len(one), len(other))
        return f"line {at}: one run ended, the other went on with {_words(longer[at])}"
    return None


def _words(logged: Logged) -> str:
    label, n, value = logged
    return f"{label!r} drew {value} of {n}" if n else f"{label!r} was {value:#x}"


def write_tape(path: Path, tape: Recorded) -> None:
    """Write it, over what was there."""
    head = {
        "tape": FORMAT,
        "scenario": tape.scenario,
        "broken": tape.broken,
        "digest": tape.digest,
        "python": tape.python,
        "program": tape.program,
    }
    lines = [json.dumps(head), *(json.dumps(entry._asdict()) for entry in tape.entries)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_tape(path: Path) -> Recorded:
    """Read a tape.

    Raises:
        BadTape: the file is none, or of another format.
    """
    try:
        head, *rest = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        if head["tape"] != FORMAT:
            raise BadTape(f"{path}: of format {head['tape']}, this program reads {FORMAT}")
        entries = tuple(Drawn(**line) for line in rest)
        made = head["digest"], head["python"], head["program"]
        return Recorded(head["scenario"], head["broken"], entries, *made)
    except (ValueError, KeyError, TypeError) as wrong:
        raise BadTape(f"{path}: {wrong}") from wrong
