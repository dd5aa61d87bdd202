"""The safety figures count what they say they count, and each kind of trouble moves its own figure."""

from dataclasses import replace

import pytest

from olaf_async.domain.order import Side
from olaf_async.domain.setup import Direction
from olaf_async.research.results import DayResult, OpenPosition
from olaf_async.research.safety_figures import (
    Limits,
    SafetyFigures,
    Verdict,
    checks,
    needs_a_person,
    safety_figures,
)
from tests.research.made_days import CALM, MINUTE_NS, alarm, change, day

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
    refused=0,
    frozen=0,
    still_open=0,
)
LIMITS = Limits(attempts_max=3, unprotected_ms_max=3000)
HELD = OpenPosition("ALPHA", Direction.LONG, 10, 10, 100_000, 9900, None, -1000)


def verdicts(*days: DayResult, limits: Limits = LIMITS) -> dict[str, Verdict]:
    """What is not good, by its words."""
    checked = checks(safety_figures(days), limits)
    return {check.what: check.verdict for check in checked if check.verdict is not Verdict.GOOD}


def test_a_calm_day_is_calm() -> None:
    assert safety_figures([day(*CALM)]) == CALM_FIGURES
    assert verdicts(day(*CALM)) == {}


def test_an_entry_sent_while_shares_are_held_is_a_duplicate() -> None:
    figures = safety_figures([day(*CALM[:3], change("entry-3", "placed", 20), *CALM[3:])])
    assert figures.duplicate_entries == 1


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
    assert figures.unprotected_ms == (365 * MINUTE_NS / 1e6,), "from the fill to the end of the day"


def test_the_longest_stretch_without_a_stop_is_measured_and_not_the_sum_of_several() -> None:
    left = (change("stop-2", "cancelled", 45), change("exit-3", "placed", 45))
    sold = change("exit-3", "filled", 45.05, filled=10, fill_price=9900)
    figures = safety_figures([day(*CALM[:4], *left, sold)])
    assert figures.unprotected_ms == (3000.0,), "60 ms before the stop, 3 s before the exit"


def test_each_position_has_its_own_stretch_and_a_stop_for_fewer_shares_is_not_enough() -> None:
    more = (
        change("entry-5", "placed", 50),
        change("entry-5", "filled", 51, filled=4, fill_price=10000, status="open"),
        change("stop-6", "placed", 51, quantity=4),
        change("entry-5", "filled", 52, filled=10, fill_price=10000),
        change("stop-6", "modified", 52.5, quantity=10),
        change("stop-6", "filled", 60, filled=10, fill_price=9500),
    )
    assert safety_figures([day(*CALM, *more)]).unprotected_ms == (60.0, 30_000.0)


def test_orders_refused_are_counted() -> None:
    refused = change("entry-1", "refused", 5), change("exit-9", "rejected", 6, status="rejected")
    assert safety_figures([day(*refused, trades=())]).refused == 2


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


def test_alarms_and_frozen_symbols_are_counted() -> None:
    says = (alarm("stop_jumped"), alarm("frozen"))
    figures = safety_figures([replace(day(*CALM, says=says), frozen=("ALPHA",))])
    assert (figures.alarms, figures.frozen) == (2, 1)


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (day(*CALM, unclosed=(HELD,)), "positions still open"),
        (day(*CALM[:3], change("entry-3", "placed", 20), *CALM[3:]), "duplicate entries"),
        (day(change("entry-1", "placed", 5, limit=10001), trades=()), "order prices off the tick"),
    ],
)
def test_a_broken_promise_or_an_open_position_is_bad_and_needs_a_person(made: DayResult, named: str) -> None:
    assert verdicts(made) == {named: Verdict.BAD}
    assert needs_a_person(checks(safety_figures([made]), LIMITS))


def test_more_attempts_than_allowed_are_bad() -> None:
    assert verdicts(day(*CALM), limits=Limits(0, 3000)) == {"entries filled in a symbol": Verdict.BAD}


def test_a_frozen_symbol_is_bad_and_its_alarm_is_noted() -> None:
    frozen = verdicts(replace(day(*CALM, says=(alarm("frozen"),)), frozen=("ALPHA",)))
    assert frozen == {"symbols frozen": Verdict.BAD, "alarms": Verdict.NOTED}


def test_a_symbol_that_was_frozen_and_has_been_resumed_waits_for_nobody() -> None:
    resumed = day(*CALM, says=(alarm("frozen"),))
    assert verdicts(resumed) == {"alarms": Verdict.NOTED}
    assert not needs_a_person(checks(safety_figures([resumed]), LIMITS))


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (day(*CALM, says=(alarm("stop_jumped"),)), "alarms"),
        (day(*CALM[:3], change("stop-9", "placed", 12), *CALM[3:]), "emergency stops"),
        (day(change("entry-1", "refused", 5), trades=()), "orders refused"),
    ],
)
def test_what_the_engine_has_dealt_with_is_noted_and_needs_nobody(made: DayResult, named: str) -> None:
    assert verdicts(made) == {named: Verdict.NOTED}
    assert not needs_a_person(checks(safety_figures([made]), LIMITS))


def test_a_first_stop_that_was_refused_is_noted_with_its_refusal() -> None:
    made = day(*CALM[:2], change("stop-2", "refused", 10), replace(CALM[2], key="stop-3"), *CALM[4:])
    assert set(verdicts(made)) >= {"stops accepted at the first try", "orders refused"}


def test_longer_without_a_stop_than_allowed_is_noted() -> None:
    assert verdicts(day(*CALM), limits=Limits(3, 59)) == {"longest without a confirmed stop": Verdict.NOTED}
