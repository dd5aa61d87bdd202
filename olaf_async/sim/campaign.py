"""Many days: by seed, a third in each order, over as many processes as are wanted, and their tally.

Owns which day runs in which order, and what a campaign must have seen to count. A property that never had its
chance proves nothing, so a campaign that missed one of `SOMETIMES` has failed.
"""

import gc
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from olaf_async.sim.choices import Choices, Drawn, Tape, calm
from olaf_async.sim.day import Result, run_day
from olaf_async.sim.faults import Fault
from olaf_async.sim.shrink import shrink
from olaf_async.sim.world import STANDING, SYMBOLS, Walls, plan_of
from olaf_async.sim.yours import Own, check_beside, check_strategy, find, maker

ORDER_OF: Final = ("fifo", "lanes", "pct")
CHUNK: Final = 16
"""Days that a process takes at a time."""
ENOUGH: Final = 1_000
"""Days with every fault allowed after which everything in `SOMETIMES` must have been seen."""

SOMETIMES: Final = (
    "late place",
    "late modify",
    "late cancel",
    "request lost",
    "place answer lost",
    "modify answer lost",
    "cancel answer lost",
    "update lost",
    "update before the answer",
    "fill during cancel",
    "partial fill",
    "rejected by others",
    "cancelled by others",
    "power cut",
    "cut between accept and journal",
    "cut with an order on its way",
    "orderly stop",
    "stale books",
    "torn books",
    "row missing",
    "wrong status",
    "double reconnect",
    "feed reconnects",
    "burst",
    "halt",
    "circuit",
    "other hand",
    "square-off",
    "server restart",
    "journal fails",
    "send without a record",
    "other settings",
    "key refused",
    "other mode",
    "order queued",
    "order approved",
)


@dataclass(slots=True)
class Tally:
    """What a campaign has come to so far."""

    days: int = 0
    events: int = 0
    broken: list[Result] = field(default_factory=list)
    sometimes: Counter[str] = field(default_factory=Counter)

    def add(self, result: Result) -> None:
        """Count a day."""
        self.days += 1
        self.events += result.events
        self.sometimes.update(result.sometimes)
        if result.violations:
            self.broken.append(result)

    @property
    def unseen(self) -> tuple[str, ...]:
        """What never happened and should have, were this a whole campaign."""
        return tuple(what for what in SOMETIMES if not self.sometimes[what])


@dataclass(frozen=True, slots=True)
class Plan:
    """Which days: ``order`` None gives each seed its own; of ``faults`` each seed draws its swarm.

    ``walls`` are taken out by tests, to see that their absence is noticed; ``own`` is what a person put in.
    """

    order: str | None = None
    faults: tuple[Fault, ...] = tuple(Fault)
    walls: Walls | None = None
    own: Own = field(default_factory=Own)

    @property
    def standing(self) -> Walls:
        """The engine that is tried."""
        walls, own = self.walls or STANDING, self.own
        own.forget()
        if own.strategy is not None:
            walls = replace(walls, new_strategy=maker(own.strategy))
        if own.beside is not None:
            walls = replace(walls, beside=find(own.beside))
        return walls

    def run(self, seed: int) -> Result:
        """One of its days."""
        return run_day(seed, self.order or ORDER_OF[seed % len(ORDER_OF)], self.faults, walls=self.standing)


def checked(own: Own) -> Own:
    """The same, once it has been found and tried.

    Raises:
        ConfigError: there is no such thing, or it is none of the kind.
    """
    if own.strategy is not None:
        plan = plan_of(SYMBOLS[0], calm())
        check_strategy(own.strategy, plan.setup, plan.session)
    if own.beside is not None:
        check_beside(own.beside)
    return own


def shortest(result: Result, plan: Plan, attempts_max: int) -> Result:
    """The day with the fewest draws against the calm found on which the same promise is broken."""
    promise, best = result.violations[0].promise, {result.drawn: result}

    def replays(entries: tuple[Drawn, ...]) -> tuple[Drawn, ...] | None:
        choices = Choices(Tape(entries, is_exact=False))
        again = run_day(result.seed, result.order, plan.faults, walls=plan.standing, choices=choices)
        if not again.violations or again.violations[0].promise != promise:
            return None
        best[again.drawn] = again
        return again.drawn

    return best[shrink(result.drawn, replays, attempts_max=attempts_max)]


def run_days(
    seeds: Iterable[int], plan: Plan, *, jobs: int = 1, goes_on: Callable[[], bool] = lambda: True
) -> Iterator[Result]:
    """The days of these seeds, in their order, for as long as ``goes_on``."""
    chunks = _chunks(iter(seeds))
    if jobs == 1:
        for chunk in chunks:
            for result in _run_chunk((chunk, plan)):
                yield result
                if not goes_on():
                    return
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        # A few chunks ahead and no more: the seeds may have no end.
        while batch := list(islice(chunks, 2 * jobs)):
            for results in pool.imap(_run_chunk, [(chunk, plan) for chunk in batch]):
                yield from results
            if not goes_on():
                return


def _chunks(seeds: Iterator[int]) -> Iterator[Sequence[int]]:
    while chunk := list(islice(seeds, CHUNK)):
        yield chunk


def _run_chunk(work: tuple[Sequence[int], Plan]) -> list[Result]:
    """Garbage is collected after each day, in that day's own leavings: the program itself is not searched."""
    seeds, plan = work
    gc.disable()
    gc.freeze()
    results = []
    try:
        for seed in seeds:
            results.append(plan.run(seed))
            gc.collect()
    finally:
        gc.unfreeze()
        gc.enable()
    return results
