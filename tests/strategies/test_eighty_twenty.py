"""The 80-20 rules, for a long and, mirrored, for a short."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.domain.bar import Bar
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Direction, Setup
from olaf_async.strategies.eighty_twenty import EightyTwenty, EightyTwentyRules
from olaf_async.strategies.protocol import Arming, Strategy, oriented, stop_at_entry

DAY = date(2026, 11, 23)
SESSION = Session(DAY, open_ns=1_000, act_from_ns=1_060, exit_ns=20_000, close_ns=22_000)
LONG = Setup("ABC", DAY, 100_00, 99_50, 5, 2_00)
SHORT = replace(LONG, direction=Direction.SHORT, trigger_price=100_50)
RULES = EightyTwentyRules(trigger_window_ns=3_600, bar_ns=900)


def rules_for(setup: Setup, rules: EightyTwentyRules = RULES) -> EightyTwenty:
    return EightyTwenty(setup, SESSION, rules)


def bar(open_: int, high: int, low: int, close: int) -> Bar:
    return Bar(0, 900, open_, high, low, close)


@given(st.integers(1, 10**9), st.sampled_from(Direction))
def test_orienting_a_price_twice_gives_it_back(price: int, direction: Direction) -> None:
    assert oriented(oriented(price, direction), direction) == price


def test_the_rules_are_a_strategy_with_the_side_and_the_span_of_their_settings() -> None:
    strategy: Strategy = rules_for(SHORT)
    assert (strategy.direction, strategy.bar_ns) == (Direction.SHORT, 900)


# --- arming -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("setup", "entry", "level"), [(LONG, 100_00, 99_50), (SHORT, -100_00, -100_50)])
def test_an_undercut_inside_the_window_arms_the_entry(setup: Setup, entry: int, level: int) -> None:
    strategy = rules_for(setup)
    assert strategy.entry == entry
    assert strategy.arming(after_exit=False) == Arming(level, from_ns=1_060, until_ns=4_600)


def test_the_window_ends_with_the_exit_at_the_latest() -> None:
    strategy = rules_for(LONG, replace(RULES, trigger_window_ns=50_000))
    assert strategy.arming(after_exit=False).until_ns == SESSION.exit_ns


def test_retrigger_needs_a_new_undercut_inside_the_window_after_an_exit() -> None:
    strategy = rules_for(LONG)
    assert strategy.arming(after_exit=True) == strategy.arming(after_exit=False)


@pytest.mark.parametrize(("setup", "level"), [(LONG, 99_99), (SHORT, -100_01)])
def test_immediate_rearms_after_an_exit_at_a_print_strictly_beyond_the_entry(
    setup: Setup, level: int
) -> None:
    strategy = rules_for(setup, replace(RULES, reenters_at_once=True))
    assert strategy.arming(after_exit=True) == Arming(level, from_ns=1_060, until_ns=20_000)
    assert strategy.arming(after_exit=False).until_ns == 4_600


# --- stop and target --------------------------------------------------------------------------------


@pytest.mark.parametrize(("setup", "fill", "stop"), [(LONG, 100_00, 99_00), (SHORT, 100_00, 101_00)])
def test_the_initial_stop_is_half_a_true_range_beyond_the_fill(setup: Setup, fill: int, stop: int) -> None:
    side = setup.direction
    assert rules_for(setup).initial_stop(oriented(fill, side)) == oriented(stop, side)


@pytest.mark.parametrize(("setup", "stop"), [(LONG, 98_95), (SHORT, 101_05)])
def test_the_initial_stop_is_rounded_away_from_the_market(setup: Setup, stop: int) -> None:
    odd = replace(setup, true_range=2_03)
    side = setup.direction
    assert rules_for(odd).initial_stop(oriented(100_00, side)) == oriented(stop, side)


@pytest.mark.parametrize(("setup", "stop"), [(LONG, 99_00), (SHORT, 101_00)])
def test_a_distance_in_ticks_replaces_the_one_by_true_range(setup: Setup, stop: int) -> None:
    strategy = rules_for(setup, replace(RULES, initial_stop_ticks=20))
    side = setup.direction
    assert strategy.initial_stop(oriented(100_00, side)) == oriented(stop, side)


def test_there_is_no_target_unless_one_is_asked_for() -> None:
    assert rules_for(LONG).target(100_00, 99_00) is None


@pytest.mark.parametrize(("setup", "target"), [(LONG, 101_55), (SHORT, 98_45)])
def test_the_target_is_a_multiple_of_the_initial_risk_up_to_the_next_tick(setup: Setup, target: int) -> None:
    strategy = rules_for(setup, replace(RULES, take_profit_r=Fraction("1.51")))
    side = setup.direction
    fill = oriented(100_00, side)
    assert strategy.target(fill, fill - 1_00) == oriented(target, side)


# --- trailing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setup", "green", "stop"),
    [(LONG, bar(100_00, 101_00, 99_80, 100_50), 99_70), (SHORT, bar(100_00, 100_20, 99_00, 99_50), 100_30)],
)
def test_a_green_bar_puts_the_stop_a_buffer_beyond_its_extreme(setup: Setup, green: Bar, stop: int) -> None:
    assert rules_for(setup).trailed_stop(green, is_entry_bar=False) == oriented(stop, setup.direction)


@pytest.mark.parametrize("setup", [LONG, SHORT])
def test_a_bar_that_closes_where_it_opened_is_green(setup: Setup) -> None:
    doji = bar(100_00, 100_50, 99_50, 100_00)
    assert rules_for(setup).trailed_stop(doji, is_entry_bar=False) is not None


@pytest.mark.parametrize(
    ("setup", "red"),
    [(LONG, bar(100_00, 100_50, 99_00, 99_95)), (SHORT, bar(100_00, 101_00, 99_90, 100_05))],
)
def test_a_red_bar_says_nothing(setup: Setup, red: Bar) -> None:
    assert rules_for(setup).trailed_stop(red, is_entry_bar=False) is None


def test_where_so_set_the_bar_of_the_fill_says_nothing() -> None:
    green = bar(100_00, 101_00, 99_80, 100_50)
    later = rules_for(LONG, replace(RULES, trails_from_entry_bar=False))
    assert later.trailed_stop(green, is_entry_bar=True) is None
    assert later.trailed_stop(green, is_entry_bar=False) == 99_70
    assert rules_for(LONG).trailed_stop(green, is_entry_bar=True) == 99_70


# --- both sides by the same code --------------------------------------------------------------------

ticks = st.integers(1, 500)
levels = st.integers(2_000, 8_000)
around = st.integers(-200, 200)


@given(levels, st.integers(1, 15), ticks, st.integers(1, 60_00), st.lists(around, min_size=4, max_size=4))
def test_a_short_is_the_mirror_of_a_long(
    entry: int, below: int, tick: int, true_range: int, moves: list[int]
) -> None:
    rules = replace(RULES, take_profit_r=Fraction(3, 2))
    level, trigger = entry * tick, (entry - below) * tick
    long = rules_for(Setup("ABC", DAY, level, trigger, tick, true_range), rules)
    mirror = rules_for(
        Setup("ABC", DAY, level, level + below * tick, tick, true_range, Direction.SHORT), rules
    )
    shift = 2 * level  # a long at p and a short at shift - p see the same picture
    open_, close, high, low = moves[0], moves[1], max(moves), min(moves)
    up = bar(*(level + move * tick for move in (open_, high, low, close)))
    down = bar(*(level - move * tick for move in (open_, low, high, close)))
    stop = long.initial_stop(level)
    assert mirror.initial_stop(-level) == stop - shift
    assert stop % tick == 0
    target = long.target(level, stop)
    assert target is not None
    assert target % tick == 0
    assert mirror.target(-level, stop - shift) == target - shift
    trailed = long.trailed_stop(up, is_entry_bar=False)
    mirrored = mirror.trailed_stop(down, is_entry_bar=False)
    assert mirrored == (None if trailed is None else trailed - shift)
    assert mirror.arming(after_exit=False).level == long.arming(after_exit=False).level - shift


@pytest.mark.parametrize(
    ("setup", "price"), [(LONG, 99_00), (SHORT, 101_00), (replace(LONG, true_range=300_00), -50_00)]
)
def test_where_the_stop_of_a_fill_at_the_entry_would_lie(setup: Setup, price: int) -> None:
    assert stop_at_entry(rules_for(setup)) == price
