"""Prints become a guard's breach, a bar, or nothing at all."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.core.market import NO_HIGH, NO_LOW, Guard, SymbolMarket, guard_of
from olaf_async.core.rules import NEVER_NS
from olaf_async.domain.bar import Bar
from olaf_async.domain.events import BarClosed, PriceTouched, TimerDue
from olaf_async.domain.setup import Direction
from tests.core.bench import CLOSE_NS, OPEN_NS, SESSION

BAR_NS = 900_000_000_000
QUIET = Guard(NO_LOW, NO_HIGH, NEVER_NS, wants_bars=False)
BARS = replace(QUIET, wants_bars=True)


def market(guard: Guard = QUIET) -> SymbolMarket:
    return SymbolMarket("ABC", SESSION, BAR_NS, guard)


# --- guards -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("price", "is_breach"), [(99, True), (100, True), (101, False), (110, True)])
def test_a_guard_is_breached_at_its_prices_and_beyond(price: int, is_breach: bool) -> None:
    assert Guard(100, 110, NEVER_NS, wants_bars=False).is_breached_by(price) is is_breach
    found = market(Guard(100, 110, NEVER_NS, wants_bars=False)).take(price, OPEN_NS)
    assert found == (PriceTouched("ABC", OPEN_NS, price) if is_breach else None)


def test_a_guard_of_a_short_is_mirrored() -> None:
    assert guard_of(Direction.LONG, 90, 110, 7, wants_bars=True) == Guard(90, 110, 7, wants_bars=True)
    assert guard_of(Direction.SHORT, -110, -90, 7, wants_bars=True) == Guard(90, 110, 7, wants_bars=True)


@pytest.mark.parametrize("direction", Direction)
def test_a_guard_without_levels_is_breached_by_nothing(direction: Direction) -> None:
    guard = guard_of(direction, None, None, 7, wants_bars=False)
    assert guard == Guard(NO_LOW, NO_HIGH, 7, wants_bars=False)
    assert not guard.is_breached_by(1)


# --- prints -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_ns", [OPEN_NS - 1, 0, CLOSE_NS, CLOSE_NS + 1])
def test_prints_outside_the_session_are_ignored(at_ns: int) -> None:
    silent = market(Guard(100, 110, NEVER_NS, wants_bars=False))
    assert silent.take(50, at_ns) is None
    assert silent.last is None


def test_time_that_steps_back_stands_still_and_the_price_counts() -> None:
    stepping = market(Guard(100, 110, NEVER_NS, wants_bars=False))
    stepping.take(105, OPEN_NS + 10)
    assert stepping.take(99, OPEN_NS + 3) == PriceTouched("ABC", OPEN_NS + 10, 99)
    assert (stepping.last, stepping.last_ns) == (99, OPEN_NS + 10)


# --- bars -------------------------------------------------------------------------------------------


def test_bars_are_aligned_to_the_open_and_hold_the_prints_of_their_span() -> None:
    trading = market(BARS)
    for price, at_ns in ((100, 0), (104, 1), (98, 2), (101, BAR_NS - 1)):
        trading.take(price, OPEN_NS + at_ns)
    assert trading.next_due_ns() == OPEN_NS + BAR_NS
    assert trading.pop_bar(OPEN_NS + BAR_NS - 1) is None
    end_ns = OPEN_NS + BAR_NS
    assert trading.pop_bar(end_ns) == BarClosed("ABC", end_ns, Bar(OPEN_NS, end_ns, 100, 104, 98, 101))
    assert trading.pop_bar(end_ns) is None
    assert trading.next_due_ns() == OPEN_NS + 2 * BAR_NS


def test_a_span_without_a_print_is_no_bar() -> None:
    trading = market(BARS)
    trading.take(100, OPEN_NS)
    first = trading.pop_bar(OPEN_NS + BAR_NS)
    assert first is not None
    assert trading.pop_bar(OPEN_NS + 3 * BAR_NS) is None
    assert trading.next_due_ns() == OPEN_NS + 4 * BAR_NS


@pytest.mark.parametrize("watched_s", [1, 899, 900])
def test_a_bar_that_began_before_it_was_watched_is_none_and_the_next_one_is(watched_s: int) -> None:
    from_ns = OPEN_NS + watched_s * BAR_NS // 900
    one = SymbolMarket("ABC", SESSION, BAR_NS, BARS, watched_from_ns=from_ns)
    one.take(100, from_ns)
    first = one.pop_bar(OPEN_NS + BAR_NS)
    one.take(101, OPEN_NS + BAR_NS + 1)
    second = one.pop_bar(OPEN_NS + 2 * BAR_NS)
    assert first is None
    assert second is not None
    assert second.bar.open == (100 if watched_s == 900 else 101)


def test_a_bar_that_nobody_wants_is_begun_anew_by_the_print_after_it() -> None:
    trading = market()
    trading.take(100, OPEN_NS)
    assert trading.pop_bar(OPEN_NS + BAR_NS) is None
    assert trading.next_due_ns() == NEVER_NS
    trading.take(50, OPEN_NS + BAR_NS + 5)
    trading.guard = BARS
    bar = trading.pop_bar(OPEN_NS + 2 * BAR_NS)
    assert bar is not None
    assert (bar.bar.open, bar.bar.high, bar.bar.low, bar.bar.close) == (50, 50, 50, 50)


# --- timers -----------------------------------------------------------------------------------------


def test_a_timer_carries_the_newest_print() -> None:
    waiting = market(replace(QUIET, due_ns=OPEN_NS + 100))
    assert waiting.next_due_ns() == OPEN_NS + 100
    assert waiting.pop_timer(OPEN_NS + 99) is None
    assert waiting.pop_timer(OPEN_NS + 100) == TimerDue("ABC", OPEN_NS + 100, None, OPEN_NS)
    waiting.take(77, OPEN_NS + 50)
    assert waiting.pop_timer(OPEN_NS + 200) == TimerDue("ABC", OPEN_NS + 200, 77, OPEN_NS + 50)


def test_the_earlier_of_timer_and_bar_is_due_first() -> None:
    both = market(replace(BARS, due_ns=OPEN_NS + 100))
    assert both.next_due_ns() == OPEN_NS + 100
    both.guard = replace(BARS, due_ns=OPEN_NS + 2 * BAR_NS)
    assert both.next_due_ns() == OPEN_NS + BAR_NS


# --- all together -----------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(-5, 2 * BAR_NS), st.integers(1, 200)), max_size=40))
def test_every_print_of_the_session_is_in_exactly_one_bar(prints: list[tuple[int, int]]) -> None:
    trading, bars, expected = market(BARS), [], []
    for step, price in prints:
        at_ns = max(trading.last_ns + step, trading.last_ns if trading.last else 0)
        while trading.next_due_ns() <= at_ns:
            closed = trading.pop_bar(trading.next_due_ns())
            bars += [closed.bar] if closed else []
        trading.take(price, at_ns)
        if OPEN_NS <= at_ns < CLOSE_NS:
            expected.append((at_ns, price))
    for bar in bars:
        inside = [price for at_ns, price in expected if bar.start_ns <= at_ns < bar.end_ns]
        assert (bar.open, bar.high, bar.low, bar.close) == (
            inside[0],
            max(inside),
            min(inside),
            inside[-1],
        )
    last_end = bars[-1].end_ns if bars else 0
    assert all(any(b.start_ns <= at < b.end_ns for b in bars) for at, _ in expected if at < last_end)
