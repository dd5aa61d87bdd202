"""The only source of chance in a simulation: `Choices.draw`, and where its answers come from.

Owns the log of what was drawn. Must never take anything from the machine: the same seed, tape or schedule
gives the same answers in every process and on every Python.

C1. 0 is always the calm choice: the oldest callback, the least latency, no fault. What a run did against the
    calm is its draws that are not 0, and that is how large a schedule is.
C2. A draw is known by its label and by how often that label was drawn before, so a tape that no longer fits
    the program says where it parted from it.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol, TypeAlias

from olaf_async.sim.sealed import SimulationError

_MASK = (1 << 64) - 1


class Drift(SimulationError):
    """A tape or schedule met another program than the one it was made with; the text says where."""


class Drawn(NamedTuple):
    """One draw that was not calm: the ``nth`` (from 0) of its label, the ``at``-th of all, ``value`` of n."""

    at: int
    label: str
    nth: int
    n: int
    value: int


Logged: TypeAlias = tuple[str, int, int]
"""A line of the log: (label, ways, value); where ways is 0, something seen in passing."""


class Source(Protocol):
    """Where answers come from."""

    def answer(self, label: str, n: int, one_in: int) -> int:
        """A number in 0..n-1 for a draw with ``n`` > 1; ``one_in`` as in `Choices.draw`."""
        ...


class Choices:
    """Draws from a source, and keeps what was drawn."""

    def __init__(self, source: Source) -> None:
        self._answer = source.answer
        self.log: list[Logged] = []
        self.drift: Drift | None = None
        """Kept, for it is raised inside the program, which may think that it is its own to catch."""

    def draw(self, label: str, n: int, one_in: int = 0) -> int:
        """A number in 0..n-1; of one way there is no choice, and nothing is kept of it.

        ``one_in`` says how rarely a *seeded* draw leaves the calm choice: once in so many (0: all n ways are
        alike). A tape or a search gives the other ways regardless.
        """
        if n <= 1:
            return 0
        try:
            value = self._answer(label, n, one_in)
        except Drift as drift:
            self.drift = self.drift or drift
            raise
        self.log.append((label, n, value))
        return value

    def see(self, label: str, value: int) -> None:
        """Put a fact beside the draws: two runs of one program must have seen the same."""
        self.log.append((label, 0, value))

    def noncalm(self) -> list[Drawn]:
        """What was drawn against the calm, in order."""
        return noncalm_of(self.log)


def noncalm_of(log: Iterable[Logged]) -> list[Drawn]:
    """The draws of a log that were not 0."""
    counts: dict[str, int] = {}
    found: list[Drawn] = []
    at = 0
    for label, n, value in log:
        if n:
            nth = counts.get(label, 0)
            counts[label] = nth + 1
            if value:
                found.append(Drawn(at, label, nth, n, value))
            at += 1
    return found


class _Calm:
    def answer(self, label: str, n: int, one_in: int) -> int:
        del label, n, one_in
        return 0


def calm() -> Choices:
    """Choices that are all 0."""
    return Choices(_Calm())


class Seeded:
    """Pseudo-random answers of our own making: a 64-bit congruence whose upper half is used.

    Python's own generator promises the same stream for ``random()`` only; here every release and platform
    gives the same integers.
    """

    def __init__(self, seed: int) -> None:
        self._state = _mixed(seed & _MASK)

    def answer(self, label: str, n: int, one_in: int) -> int:
        """See `Source`."""
        del label
        if one_in > 1 and self._next() * one_in >> 32:
            return 0
        return 1 + (self._next() * (n - 1) >> 32) if one_in else self._next() * n >> 32

    def _next(self) -> int:
        self._state = state = (self._state * 6364136223846793005 + 1442695040888963407) & _MASK
        return (state ^ state >> 22) >> 25 & 0xFFFFFFFF


def _mixed(seed: int) -> int:
    """Seeds that follow one another must not begin alike."""
    mixed = (seed + 0x9E3779B97F4A7C15) & _MASK
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _MASK
    return mixed ^ mixed >> 31


def seeded(seed: int) -> Choices:
    """Choices by a number."""
    return Choices(Seeded(seed))


class Tape:
    """Gives again what was drawn against the calm; whatever it does not name is calm.

    ``is_exact`` (a replay) demands that every entry meets its draw: at its place, with its label and as many
    ways. Without it (an edited tape, as shrinking makes them) an entry goes to the nth draw of its label, in
    the ways there are.
    """

    def __init__(self, entries: Iterable[Drawn], *, is_exact: bool = True) -> None:
        self.entries = tuple(entries)
        self._left = {(entry.label, entry.nth): entry for entry in self.entries}
        self._counts: dict[str, int] = {}
        self._at = -1
        self._is_exact = is_exact
        self._places = {entry.at: entry for entry in self.entries} if is_exact else {}

    def answer(self, label: str, n: int, one_in: int) -> int:
        """See `Source`.

        Raises:
            Drift: an exact tape has another draw here.
        """
        del one_in
        self._at += 1
        nth = self._counts.get(label, 0)
        self._counts[label] = nth + 1
        entry = self._left.pop((label, nth), None)
        if self._is_exact:
            place = self._places.get(self._at)
            if place is not entry or (entry is not None and entry.n != n):
                raise Drift(self._parted(label, nth, n, place or entry))
        return min(entry.value, n - 1) if entry is not None else 0

    def _parted(self, label: str, nth: int, n: int, entry: Drawn | None) -> str:
        met = f"draw {self._at} is number {nth} of {label!r}, of {n} ways"
        if entry is None:
            return met
        return f"{met}; the tape has for {entry.at} number {entry.nth} of {entry.label!r}, of {entry.n} ways"

    def check_end(self) -> None:
        """Say so where the program ended before the tape.

        Raises:
            Drift: an entry was never drawn.
        """
        if self._left:
            entry = next(iter(self._left.values()))
            raise Drift(f"the program ended before draw {entry.at}, number {entry.nth} of {entry.label!r}")


class _Scheduled:
    """One schedule of a search: a prefix as prescribed, then calm."""

    def __init__(self, prefix: list[Logged]) -> None:
        self._prefix = prefix
        self._at = 0

    def answer(self, label: str, n: int, one_in: int) -> int:
        del one_in
        at = self._at
        self._at = at + 1
        if at >= len(self._prefix):
            return 0
        expected, ways, value = self._prefix[at]
        if (expected, ways) != (label, n):
            raise Drift(f"draw {at} was {expected!r} of {ways} ways, and now is {label!r} of {n} ways")
        return value


class Odometer:
    """All schedules with at most ``delays`` draws against the calm, each once, the calm one first.

    Iterating gives the `Choices` for the next run; each has to be run to its end before the next is taken.
    The last draw that still has another way within the bound is bumped, and what follows it is calm again.
    """

    def __init__(self, delays: int) -> None:
        self._delays = delays
        self.schedules = 0

    def __iter__(self) -> Iterator[Choices]:
        prefix: list[Logged] | None = []
        while prefix is not None:
            choices = Choices(_Scheduled(prefix))
            self.schedules += 1
            yield choices
            prefix = self._bumped([logged for logged in choices.log if logged[1]])

    def _bumped(self, drawn: list[Logged]) -> list[Logged] | None:
        spent = sum(value > 0 for _, _, value in drawn)
        for at in range(len(drawn) - 1, -1, -1):
            label, n, value = drawn[at]
            spent -= value > 0
            if value + 1 < n and spent < self._delays:
                return [*drawn[:at], (label, n, value + 1)]
        return None
