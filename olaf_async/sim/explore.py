"""Search a small program through every schedule within a bound, and explain the first that breaks it.

Owns the loop over schedules. What is explored is a program that draws its choices and says which property
broke, if any; it must be the same program on every run, or the search says where it was not.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from olaf_async.sim.choices import Choices, Drawn, Drift, Logged, Odometer, Tape
from olaf_async.sim.sealed import SimulationError
from olaf_async.sim.shrink import shrink
from olaf_async.sim.table import Step, plain, time_of_day
from olaf_async.sim.tapes import Recorded, digest_of


class Broken(NamedTuple):
    """A property that does not hold: its name, when, and what was seen."""

    name: str
    at_ns: int
    text: str


Steps: TypeAlias = list[Step]
Program: TypeAlias = Callable[[Choices, Steps | None], Broken | None]
"""One run. Where it is handed a list it tells its steps there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The shortest schedule found that breaks a property, and the story of it."""

    broken: Broken
    entries: tuple[Drawn, ...]
    steps: Steps
    digest: str

    def recorded(self, scenario: str) -> Recorded:
        """For a file."""
        return Recorded(scenario, self.broken.name, self.entries, self.digest)

    def plain(self, columns: tuple[str, ...] = (), last: int = 25) -> str:
        """What broke, what was drawn against the calm, and the last steps as a table."""
        lines = [f"{self.broken.name}: {self.broken.text} (at {time_of_day(self.broken.at_ns)})"]
        lines += [
            f"  draw {e.at}: number {e.nth} of {e.label!r} took {e.value} of {e.n}" for e in self.entries
        ]
        until = [step for step in self.steps if step.at_ns <= self.broken.at_ns] or self.steps
        return "\n".join([*lines, "", plain(until, columns=columns, last=last)])


@dataclass(slots=True)
class Explored:
    """How far a search went. ``is_exhausted``: there is no schedule within the bound that was not run."""

    delays: int
    schedules: int = 0
    draws: int = 0
    is_exhausted: bool = False
    finding: Finding | None = field(default=None)


def explore(program: Program, delays: int, *, schedules_max: int | None = None) -> Explored:
    """Run every schedule with at most ``delays`` draws against the calm, or until one breaks something."""
    explored = Explored(delays)
    for choices in Odometer(delays):
        if explored.schedules == schedules_max:
            return explored
        broken = _run(program, choices, None)
        explored.schedules += 1
        explored.draws = max(explored.draws, sum(1 for _, n, _ in choices.log if n))
        if broken is not None:
            explored.finding = explain(program, broken, tuple(choices.noncalm()))
            return explored
    explored.is_exhausted = True
    return explored


def hunt(program: Program, delays: int, *, schedules_max: int | None = None) -> Explored:
    """As `explore`, the schedules with fewer draws against the calm first: what it finds needs no fewer."""
    before = 0
    for bound in range(delays + 1):
        left = None if schedules_max is None else schedules_max - before
        explored = explore(program, bound, schedules_max=left)
        explored.schedules += before
        if explored.finding is not None or not explored.is_exhausted or bound == delays:
            return explored
        before = explored.schedules
    raise ValueError(f"a search of {delays} delays")


def explain(program: Program, broken: Broken, entries: tuple[Drawn, ...]) -> Finding:
    """Shrink a schedule that breaks a property, and run it once more to tell its steps."""

    def replays(candidate: tuple[Drawn, ...]) -> tuple[Drawn, ...] | None:
        choices = Choices(Tape(candidate, is_exact=False))
        found = _run(program, choices, None)
        return tuple(choices.noncalm()) if found is not None and found.name == broken.name else None

    small = shrink(entries, replays)
    found, steps, log = replay(program, small)
    if found is None or found.name != broken.name:
        raise Drift(f"{broken.name} broke once, and not again with the same draws: {entries}")
    return Finding(found, small, steps, digest_of(log))


def replay(program: Program, entries: tuple[Drawn, ...]) -> tuple[Broken | None, Steps, list[Logged]]:
    """Run a schedule exactly as it was drawn.

    Raises:
        Drift: the program is not the one that the schedule was made with.
    """
    tape, steps = Tape(entries), Steps()
    choices = Choices(tape)
    broken = _run(program, choices, steps)
    tape.check_end()
    return broken, steps, choices.log


def _run(program: Program, choices: Choices, steps: Steps | None) -> Broken | None:
    """A program that hangs, spins, escapes or leaves errors behind is broken too."""
    try:
        broken = program(choices, steps)
    except SimulationError as stuck:
        broken = Broken(type(stuck).__name__, 0, str(stuck))
    if choices.drift is not None:
        raise choices.drift
    return broken
