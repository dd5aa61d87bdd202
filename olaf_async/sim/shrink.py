"""Make a failing schedule small: fewer draws against the calm, and calmer ones.

Owns nothing but the search. A smaller schedule counts only where the same property breaks; what is measured
is what the run really drew against the calm, not how long it was: a program's length is its own.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from olaf_async.sim.choices import Drawn

Entries: TypeAlias = tuple[Drawn, ...]
Replays: TypeAlias = Callable[[Entries], Entries | None]
"""Run with these draws (see the inexact `Tape`): what was really drawn, or None where nothing breaks."""

ATTEMPTS_MAX = 400


def shrink(entries: Sequence[Drawn], replays: Replays, *, attempts_max: int = ATTEMPTS_MAX) -> Entries:
    """The smallest schedule found within ``attempts_max`` runs.

    Ends of it become calm, spans, single draws, then what is left is lowered; again until nothing helps.
    """
    best = tuple(entries)
    attempts = 0
    while True:
        for candidate in _smaller(best):
            attempts += 1
            if attempts > attempts_max:
                return best
            drawn = replays(candidate)
            if drawn is not None and _size(drawn) < _size(best):
                best = drawn
                break
        else:
            return best


def _size(entries: Sequence[Drawn]) -> tuple[int, int]:
    return len(entries), sum(entry.value for entry in entries)


def _smaller(entries: Entries) -> Iterator[Entries]:
    """Boldest first."""
    count = len(entries)
    keep = 0
    while keep < count:
        yield entries[:keep]
        keep = max(keep + 1, (keep + count) // 2)
    span = count // 2
    while span >= 1:
        for start in range(0, count, span):
            yield entries[:start] + entries[start + span :]
        span //= 2
    for at, entry in enumerate(entries):
        for value in range(1, entry.value):
            yield (*entries[:at], entry._replace(value=value), *entries[at + 1 :])
