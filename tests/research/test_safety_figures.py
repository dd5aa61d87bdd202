"""The safety figures count what they say they count, and each kind of trouble moves its own figure."""

from dataclasses import replace

import pytest

from olaf_async.domain.order import Side
from olaf_async.domain.setup import Direction
from olaf_async.research.results import OpenPosition, RunResult
from olaf_async.research.safety_figures import SafetyFigures, needs_a_person, safety_figures
from tests.made_market import setup_of
from tests.research.made_days import CALM, alarm, change, day, run

CALM_FIGURES = SafetyFigures(
    entries={"ALPHA": 1},
    stops_at_once=1,
    stops_needed=1,
    duplicate_entries=0,
    off_tick=0,
    prices=6,
    emergency_stops=0,
    unprotected_ms=(60.0,),
    alarms=0,
)


def test_a_calm_day_is_calm() -> None:
    figures = safety_figures([day(*CALM)])
    assert figures == CALM_FIGURES
    assert figures.is_calm


def test_an_entry_sent_while_shares_are_held_is_a_duplicate() -> None:
    figures = safety_figures([day(*CALM[:3], change("entry-3", "placed", 20), *CALM[3:])])
    assert figures.duplicate_entries == 1
    assert not figures.is_calm


def test_an_entry_sent_while_another_rests_is_a_duplicate() -> None:
    figures = safety_figures([day(CALM[0], change("entry-9", "placed", 6), *CALM[1:])])
    assert figures.duplicate_entries == 1


def test_an_entry_after_the_one_before_has_ended_is_none() -> None:
    again = (
        change("entry-1", "placed", 5),
        change("entry-1", "cancelled", 20),
        change("entry-2", "placed", 21),
    )
    assert safety_figures([day(*again)]).duplicate_entries == 0
    assert safety_figures([day(*CALM, change("entry-3", "placed", 46))]).duplicate_entries == 0


def test_fills_of_one_entry_are_one_attempt_and_attempts_are_the_most_of_any_day() -> None:
    parts = (
        change("entry-1", "placed", 5),
        change("entry-1", "filled", 10, filled=4, fill_price=10000, status="open"),
        change("stop-2", "placed", 10),
        change("entry-1", "filled", 11, filled=10, fill_price=10000),
    )
    figures = safety_figures([day(*parts), day(*CALM)])
    assert figures.entries == {"ALPHA": 1}
    assert (figures.stops_at_once, figures.stops_needed) == (2, 2)
    twice = (change("entry-3", "placed", 50), change("entry-3", "filled", 51, filled=10, fill_price=10000))
    assert safety_figures([day(*CALM), day(*CALM, *twice)]).entries == {"ALPHA": 2}


def test_a_position_without_any_stop_shows() -> None:
    figures = safety_figures([day(*CALM[:2])])
    assert (figures.stops_at_once, figures.stops_needed) == (0, 1)
    assert not figures.is_calm


def test_a_stop_refused_first_was_not_accepted_at_the_first_try() -> None:
    refused = change("stop-2", "refused", 10)
    placed = replace(CALM[2], key="stop-3")
    figures = safety_figures([day(*CALM[:2], refused, placed)])
    assert (figures.stops_at_once, figures.stops_needed, figures.emergency_stops) == (0, 1, 0)


def test_a_second_stop_beside_the_same_position_is_an_emergency() -> None:
    figures = safety_figures([day(*CALM[:3], change("stop-9", "placed", 12))])
    assert (figures.stops_at_once, figures.emergency_stops) == (1, 1)
    later = (
        change("entry-5", "placed", 50),
        change("entry-5", "filled", 51, filled=10, fill_price=10000),
        change("stop-6", "placed", 51),
    )
    assert safety_figures([day(*CALM, *later)]).emergency_stops == 0, "the next position needs its own"


@pytest.mark.parametrize("field", ["limit", "trigger"])
def test_a_price_off_the_tick_is_counted_where_it_is_sent(field: str) -> None:
    sent = change("entry-1", "placed", 5, **{field: 10001})
    figures = safety_figures([day(sent, replace(sent, change="triggered"))])
    assert (figures.off_tick, figures.prices) == (1, 2)


def test_a_short_position_is_folded_the_other_way() -> None:
    orders = tuple(replace(each, side=each.side.other) for each in CALM)
    assert orders[0].side is Side.SELL
    assert safety_figures([day(*orders)]) == CALM_FIGURES


def test_alarms_are_counted() -> None:
    figures = safety_figures([day(*CALM, says=(alarm("stop_jumped"),))])
    assert figures.alarms == 1
    assert not figures.is_calm


def test_a_run_needs_a_person_where_something_is_still_open_or_frozen_and_only_then() -> None:
    held = OpenPosition("ALPHA", Direction.LONG, 10, 10, 100_000, 9900, None, -1000)
    assert not needs_a_person(run())
    assert not needs_a_person(RunResult((day(*CALM, says=(alarm("stop_jumped"),)),)))
    assert needs_a_person(run(day(*CALM, says=(alarm("frozen"),))))
    assert needs_a_person(run(day(*CALM, unclosed=(held,), setups=(setup_of(),))))
