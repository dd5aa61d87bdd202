"""Every way out of a position, and every restart on the way: no schedule within the bound ends badly."""

from collections.abc import Callable

import pytest

from olaf_async.sim.explore import explore

from .scenarios import RESTARTS, WAYS_OUT
from .stage import COLUMNS, Scenario

DELAYS = 2


@pytest.mark.parametrize("scenario", [*WAYS_OUT, *RESTARTS], ids=lambda scenario: scenario.name)
def test_no_schedule_within_the_bound_ends_badly(
    scenario: Scenario, record_property: Callable[[str, object], None]
) -> None:
    explored = explore(scenario, DELAYS)
    assert explored.finding is None, explored.finding.plain(COLUMNS)
    assert explored.is_exhausted
    told = f"{scenario.name}: all {explored.schedules} schedules of up to {DELAYS} delays"
    record_property("told", told)
