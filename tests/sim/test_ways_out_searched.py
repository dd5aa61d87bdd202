"""Every way out of a position, and every restart on the way: no schedule within the bound ends badly."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from olaf_async.sim.explore import explore

from .scenarios import FOUR, NINE, RESTARTS, SIX, THREE, WAYS_OUT
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


IN_ANY_ORDER = [
    *(race.scenario for race in (THREE, FOUR, SIX, NINE)),
    *(way for way in WAYS_OUT if way.name in ("stopped out", "asked to stop")),
]


@pytest.mark.parametrize("scenario", IN_ANY_ORDER, ids=lambda scenario: scenario.name)
def test_whatever_is_ready_may_come_first(
    scenario: Scenario, record_property: Callable[[str, object], None]
) -> None:
    """Calls are answered in their own instant, and one task is overtaken by another, anywhere."""
    overtaking = replace(scenario, may={}, has_lanes=True, latency_ns=0)
    explored = explore(overtaking, 1)
    assert explored.finding is None, explored.finding.plain(COLUMNS)
    assert explored.is_exhausted
    assert explored.draws > 50, "where nothing is ready beside another there is nothing to choose"
    record_property("told", f"{scenario.name}: all {explored.schedules} orders with one task overtaken")
