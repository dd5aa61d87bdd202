"""Each safety bears load: with it nothing breaks, and without it a search finds what does."""

from collections.abc import Callable
from dataclasses import fields, replace

import pytest

from olaf_async.core.guards import ENTRY_GUARDS, Guards
from olaf_async.sim.choices import Choices, Tape
from olaf_async.sim.explore import explore
from olaf_async.sim.tapes import read_tape

from .safeties import SAFETIES
from .safety import GOLDEN, Safety
from .safety_page import PAGE, find, page
from .scenarios import RACES
from .stage import COLUMNS, Scenario

SEARCHED_ELSEWHERE = {race.scenario.name for race in RACES}
DELAYS = {"what is sent is written": 1, "somebody sells while it is down": 1}
HIDDEN = [safety for safety in SAFETIES if safety.alone is not None]
SCHEDULES_ALONE = 80


def by_number(safety: Safety) -> str:
    return safety.number


@pytest.mark.parametrize("safety", SAFETIES, ids=by_number)
def test_a_safety_is_load_bearing(safety: Safety, record_property: Callable[[str, object], None]) -> None:
    tape = find(safety)
    assert tape.broken == safety.race.breaks
    drawn = ", ".join(f"{entry.label} #{entry.nth}={entry.value}" for entry in tape.entries) or "the calm day"
    record_property("told", f"{safety.number} without {safety.race.out}: {tape.broken} by {drawn}")


SCENARIOS = {
    safety.race.scenario.name: safety.race.scenario
    for safety in SAFETIES
    if safety.race.scenario.name not in SEARCHED_ELSEWHERE
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_with_all_safeties_nothing_breaks(
    scenario: Scenario, record_property: Callable[[str, object], None]
) -> None:
    explored = explore(scenario, DELAYS.get(scenario.name, 2))
    assert explored.finding is None, explored.finding.plain(COLUMNS)
    assert explored.is_exhausted
    record_property("told", f"{scenario.name}: all {explored.schedules} of up to {explored.delays} delays")


@pytest.mark.parametrize("safety", HIDDEN, ids=by_number)
def test_a_safety_that_others_stand_behind_is_missed_by_nobody_alone(safety: Safety) -> None:
    """So it is the pair that is proven. One that is never missed could go: nothing here says it may not."""
    assert safety.behind
    assert safety.alone is not None
    missing = replace(safety.race.scenario, walls=safety.alone)
    explored = explore(missing, 2, schedules_max=SCHEDULES_ALONE)
    assert explored.finding is None, explored.finding.plain(COLUMNS)


def test_every_guard_of_the_engine_is_one_of_the_safeties() -> None:
    named = [guard for safety in SAFETIES for guard in safety.guards]
    guards = {field.name for field in fields(Guards)} - {"entry"} | set(ENTRY_GUARDS)
    assert set(named) == guards
    assert len(named) == len(set(named)), "one is named twice"


def test_every_safety_has_its_number_once() -> None:
    numbers = [safety.number for safety in SAFETIES]
    assert sorted(numbers, key=lambda number: int(number[1:])) == [f"S{n + 1}" for n in range(len(numbers))]


# --- the tapes, and the page made from them ---------------------------------------------------------


@pytest.mark.parametrize("safety", SAFETIES, ids=by_number)
def test_its_tape_breaks_without_it_and_with_it_does_not(safety: Safety) -> None:
    tape = read_tape(safety.tape)
    replayed = Tape(tape.entries, is_exact=False)
    with safety.race.off_is() as unprotected:
        broken = unprotected(Choices(replayed), None)
    replayed.check_end()
    assert broken is not None, "the program has changed; `make safety` records the tape anew"
    assert broken.name == tape.broken
    protected = safety.race.scenario(Choices(Tape(tape.entries, is_exact=False)), None)
    assert protected is None


def test_there_is_no_tape_that_nobody_plays() -> None:
    assert {path.name for path in GOLDEN.glob("S*.jsonl")} == {safety.tape.name for safety in SAFETIES}


def test_the_page_of_safeties_is_what_the_tests_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make safety`"
