"""One symbol's life: what wakes it, in which order things happen, and what a trade is in the end."""

from dataclasses import replace
from fractions import Fraction

import pytest

from olaf_async.core.market import NO_HIGH, NO_LOW, Guard
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.charges import ExecutedOrder
from olaf_async.domain.events import Command, TimerDue
from olaf_async.domain.order import OrderState, Role, Side
from olaf_async.domain.setup import Direction
from olaf_async.domain.trade import ExitReason
from tests.core.bench import (
    ACT_NS,
    DAY,
    ENTRY,
    EXIT_NS,
    INITIAL,
    OPEN_NS,
    RULES,
    STRATEGY,
    TRIGGER,
    Bench,
    where,
)

WINDOW_NS = OPEN_NS + 3600 * SECOND_NS
TARGETS = replace(STRATEGY, take_profit_r=Fraction(2))


def guard(bench: Bench) -> Guard:
    return bench.engine.guard("ABC")


# --- what wakes it ----------------------------------------------------------------------------------


def test_before_the_first_action_only_the_time_matters() -> None:
    bench = Bench()
    assert guard(bench) == Guard(NO_LOW, NO_HIGH, ACT_NS, wants_bars=False)


def test_while_watching_a_print_at_the_trigger_or_the_windows_end_wakes_it() -> None:
    bench = Bench()
    bench.price(TRIGGER + 5)
    assert guard(bench) == Guard(TRIGGER, NO_HIGH, WINDOW_NS, wants_bars=False)
    short = Bench(direction=Direction.SHORT)
    short.price(100_45)
    assert guard(short) == Guard(NO_LOW, 100_50, WINDOW_NS, wants_bars=False)


def test_while_an_entry_rests_only_its_timeout_wakes_it() -> None:
    bench = Bench()
    entry = bench.rest()
    assert entry.sent_ns is not None
    assert guard(bench) == Guard(NO_LOW, NO_HIGH, entry.sent_ns + RULES.order_timeout_ns, wants_bars=False)


def test_while_an_entry_is_on_its_way_out_the_deadline_still_wakes_it() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.wait(900)
    bench.accept(entry)
    bench.end(entry)
    assert where(entry) is OrderState.ENDING
    assert guard(bench).due_ns == EXIT_NS


def test_without_a_stream_the_resting_entrys_trigger_wakes_it_once() -> None:
    bench = Bench()
    bench.rest()
    bench.stream(is_up=False)
    assert guard(bench).high == ENTRY
    bench.price(ENTRY)
    assert guard(bench).high == NO_HIGH


def test_while_holding_the_stop_the_target_the_bars_and_the_deadline_wake_it() -> None:
    bench = Bench(strategy=TARGETS)
    bench.hold()
    assert guard(bench) == Guard(INITIAL, 102_00, EXIT_NS, wants_bars=True)
    short = Bench(direction=Direction.SHORT, strategy=TARGETS)
    short.hold()
    assert guard(short) == Guard(98_00, 101_00, EXIT_NS, wants_bars=True)


def test_a_stop_that_has_been_touched_does_not_wake_it_again_at_every_print() -> None:
    bench = Bench()
    bench.hold()
    bench.price(INITIAL)
    before = bench.engine.seq
    for _ in range(20):
        bench.price(INITIAL - 5)
    assert bench.engine.seq == before


def test_while_leaving_neither_target_nor_bars_wake_it() -> None:
    bench = Bench(strategy=TARGETS)
    bench.hold()
    bench.command(Command.FLATTEN)
    assert (guard(bench).high, guard(bench).wants_bars) == (NO_HIGH, False)


def test_a_symbol_that_is_done_and_idle_is_woken_by_nothing() -> None:
    bench = Bench()
    bench.wait_until(EXIT_NS)
    assert guard(bench) == Guard(NO_LOW, NO_HIGH, guard(bench).due_ns, wants_bars=False)
    assert guard(bench).due_ns > 10 * EXIT_NS


def test_between_two_attempts_it_watches_for_the_next_undercut() -> None:
    bench = Bench()
    bench.hold_and_stop_out()
    assert guard(bench) == Guard(TRIGGER, NO_HIGH, WINDOW_NS, wants_bars=False)


# --- a timer brings the newest price ----------------------------------------------------------------


def test_a_timer_without_a_print_yet_is_no_price() -> None:
    bench = Bench()
    bench.wait(1)
    assert bench.state.last is None


def test_a_timers_print_is_taken_in_only_if_it_is_newer_than_what_is_known() -> None:
    bench = Bench()
    bench.price(TRIGGER + 10)
    bench.quote(TRIGGER + 20)
    bench.tell(TimerDue("ABC", bench.later(), TRIGGER + 10, ACT_NS))
    assert bench.state.last == TRIGGER + 20
    bench.tell(TimerDue("ABC", bench.later(), TRIGGER + 30, bench.now_ns))
    assert bench.state.last == TRIGGER + 30


# --- a trade ----------------------------------------------------------------------------------------


def test_a_trade_tells_all_that_was_asked_paid_and_risked() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 4, 100_00)
    bench.fill(entry, 6, 100_05)
    entered_ns = bench.now_ns - 1_000_000
    bench.settle()
    bench.bar(100_00, 101_00, 99_80, 100_50)
    bench.settle()
    bench.fill(bench.stop)
    left_ns = bench.now_ns
    bench.settle()
    (trade,) = bench.trades
    paid, got = 4 * 100_00 + 6 * 100_05, 10 * 99_70
    assert (trade.symbol, trade.day, trade.attempt, trade.direction) == ("ABC", DAY, 1, Direction.LONG)
    assert (trade.quantity, trade.entry_value, trade.exit_value) == (10, paid, got)
    assert (trade.entry_ns, trade.exit_ns) == (entered_ns, left_ns)
    assert (trade.initial_stop, trade.final_stop, trade.reason) == (INITIAL, 99_70, ExitReason.STOP)
    assert trade.executed == (ExecutedOrder(is_buy=True, value=paid), ExecutedOrder(is_buy=False, value=got))
    assert trade.gross == bench.engine.account.realised == got - paid


def test_a_short_is_traded_by_the_same_code_mirrored() -> None:
    bench = Bench(direction=Direction.SHORT)
    stop = bench.hold()
    assert (stop.side, stop.terms.trigger) == (Side.BUY, 101_00)
    bench.bar(100_00, 100_20, 99_00, 99_50)
    bench.settle()
    assert stop.terms.trigger == 100_30
    bench.fill(stop)
    bench.settle()
    (trade,) = bench.trades
    assert (trade.initial_stop, trade.final_stop, trade.gross) == (101_00, 100_30, -10 * 30)


def test_each_trade_tells_only_of_its_own_orders() -> None:
    bench = Bench()
    for _ in range(2):
        bench.hold_and_stop_out()
    assert [trade.attempt for trade in bench.trades] == [1, 2]
    assert [len(trade.executed) for trade in bench.trades] == [2, 2]


def test_an_exit_whose_stop_had_filled_in_part_is_closed_by_what_filled_last() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.command(Command.FLATTEN)
    bench.fill(stop, 4)
    bench.end(stop)
    bench.price(100_00)
    bench.books()
    bench.settle()
    bench.fill(bench.exit)
    bench.settle()
    assert bench.trades[0].reason is ExitReason.OPERATOR
    assert len(bench.trades[0].executed) == 3


# --- frozen -----------------------------------------------------------------------------------------


def test_a_frozen_symbol_takes_no_new_risk_but_protection_and_the_deadline_go_on() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 4)
    bench.settle()
    bench.take()
    bench.command(Command.HALT, "ABC")
    assert bench.took() == ["cancel entry"]
    bench.fill(entry, 2)
    assert bench.took() == ["modify stop"]
    bench.settle()
    bench.bar(100_00, 101_00, 99_80, 100_50)
    assert bench.took() == ["modify stop"]
    bench.settle()
    bench.wait_until(EXIT_NS)
    assert bench.took() == ["cancel stop"]


def test_a_symbol_is_frozen_for_the_first_reason_and_says_so_once() -> None:
    bench = Bench()
    for _ in range(3):
        bench.command(Command.HALT, "ABC")
    assert bench.said == ["frozen"]
    assert bench.frozen() == "a person has halted it"


# --- the order of things within one step ------------------------------------------------------------


def test_an_ended_order_leaves_its_slot_before_anything_new_is_asked_for() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry)
    assert where(entry) is OrderState.FILLED
    assert bench.state.slots == (bench.stop,)
    assert entry in bench.state.retired


def test_the_print_that_ends_a_trade_never_begins_the_next_one() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.price(INITIAL)
    bench.fill(stop)
    bench.settle()
    assert bench.took() == []
    bench.price(INITIAL)
    assert bench.took() == ["place entry"]


def test_lost_and_doubled_events_change_nothing_because_wishes_are_derived_anew() -> None:
    once, twice = Bench(), Bench()
    for bench, times in ((once, 1), (twice, 3)):
        entry = bench.rest()
        for _ in range(times):
            bench.ledger.execute("1", 10, ENTRY) if not entry.filled else None
            bench.frame("1")
        bench.settle()
    assert (once.state.held, once.stop.terms) == (twice.state.held, twice.stop.terms)


@pytest.mark.parametrize("seconds", [0.001, 1, 4.9, 5, 29, 31, 899, 3000, 20_000])
def test_however_time_passes_no_timer_ever_runs_without_pause(seconds: float) -> None:
    """The bench fails a test in which one symbol is served more than a few timers at one instant."""
    bench = Bench()
    for _ in range(3):
        bench.wait(seconds)
        bench.price(TRIGGER)
        if bench.state.entry is not None:
            bench.settle()
            bench.wait(seconds)
        if bench.state.entry is not None:
            bench.fill(bench.entry, 4)
            bench.wait(seconds)
        if bench.open and bench.open[-1].role is Role.STOP:
            bench.lose(bench.stop)
        bench.price(INITIAL - 50)
        bench.wait(seconds)
        bench.books()
    bench.wait_until(max(bench.now_ns, EXIT_NS + 300 * SECOND_NS))
