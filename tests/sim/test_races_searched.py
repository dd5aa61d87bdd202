"""The ten races, searched for: with the protections no schedule within the bound breaks anything.

Without the one that a race is about, the search finds it within seconds, by itself, and tells it in a table.
"""

from collections.abc import Callable

import pytest

from olaf_async.sim.explore import explore

from .hunts import DELAYS_TO_FIND, hunted
from .scenarios import RACES, Race
from .stage import COLUMNS

ON = {race.scenario.name: race for race in RACES}


@pytest.mark.parametrize("race", ON.values(), ids=ON)
def test_with_all_protections_no_schedule_within_the_bound_breaks_anything(
    race: Race, record_property: Callable[[str, object], None]
) -> None:
    explored = explore(race.scenario, race.delays)
    assert explored.finding is None, explored.finding.plain(COLUMNS)
    assert explored.is_exhausted
    assert explored.schedules > explored.draws, "it is a search, not one calm run"
    told = f"race {race.scenario.name}: all {explored.schedules} schedules of up to {race.delays} delays"
    record_property("told", told)


@pytest.mark.parametrize("race", RACES, ids=lambda race: f"{race.scenario.name}: {race.out}")
def test_without_its_protection_a_race_is_found_in_seconds_and_told_in_a_table(
    race: Race, record_property: Callable[[str, object], None]
) -> None:
    explored = hunted(race)
    finding = explored.finding
    assert finding is not None, f"not in {explored.schedules} schedules"
    assert finding.broken.name == race.breaks
    assert len(finding.entries) <= DELAYS_TO_FIND
    table = finding.plain(COLUMNS)
    told = f"race {race.scenario.name} without {race.out}: {race.breaks}, schedule {explored.schedules}"
    record_property("told", told)
    record_property("shown", f"\n{told}\n{table}\n")
    assert max(map(len, table.splitlines())) <= 120
