"""Getting in: the undercut, the resting order, its retries, and taking it back."""

from dataclasses import replace
from fractions import Fraction

import pytest

from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import ClockSkewed, Command, Mode, ModeSeen, Outcome, PriceTouched, Status
from olaf_async.domain.intents import PlaceOrder
from olaf_async.domain.order import OrderState, PriceType, Role, Side, Terms
from olaf_async.domain.setup import Direction
from tests.core.bench import ENTRY, EXIT_NS, OPEN_NS, RULES, STRATEGY, TRIGGER, Bench, where

# --- the undercut -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "side", "trigger", "limit"),
    [(Direction.LONG, Side.BUY, 99_50, 100_30), (Direction.SHORT, Side.SELL, 100_50, 99_70)],
)
def test_an_undercut_rests_a_stop_limit_at_the_setups_level(
    direction: Direction, side: Side, trigger: int, limit: int
) -> None:
    bench = Bench(direction=direction)
    bench.price(trigger)
    (placed,) = bench.take()
    assert isinstance(placed, PlaceOrder)
    assert (placed.role, placed.side, placed.price_type) == (Role.ENTRY, side, PriceType.SL)
    assert placed.terms == Terms(10, limit, ENTRY)


def test_a_print_above_the_trigger_arms_nothing() -> None:
    bench = Bench()
    bench.price(TRIGGER + 5)
    assert bench.took() == []


def test_a_print_above_the_trigger_that_reaches_the_core_arms_nothing_either() -> None:
    bench = Bench()
    bench.tell(PriceTouched("ABC", bench.later(), TRIGGER + 5))
    assert bench.took() == []


def test_the_entrys_limit_may_be_given_in_ticks() -> None:
    bench = Bench(rules=replace(RULES, entry_limit_ticks=4, entry_limit_pct=Fraction(3)))
    assert bench.undercut().terms.price == ENTRY + 20


def test_one_trigger_makes_one_entry_however_many_prints_come_while_it_is_in_flight() -> None:
    bench = Bench()
    for price in (TRIGGER, TRIGGER - 5, TRIGGER - 10, TRIGGER, TRIGGER + 5, TRIGGER):
        bench.price(price)
    assert bench.took() == ["place entry"]


def test_nothing_is_acted_on_before_the_session_may_be_acted_on() -> None:
    bench = Bench()
    bench.now_ns = OPEN_NS
    bench.price(TRIGGER)
    assert bench.took() == []
    bench.wait(60)
    bench.price(TRIGGER)
    assert bench.took() == ["place entry"]


def test_the_window_is_for_undercuts_and_a_resting_entry_outlives_it() -> None:
    bench = Bench()
    bench.wait_until(OPEN_NS + 3599 * SECOND_NS)
    entry = bench.rest()
    bench.wait(30)
    assert bench.entry is entry
    assert where(entry) is OrderState.WORKING
    late = Bench()
    late.wait_until(OPEN_NS + 3600 * SECOND_NS)
    late.price(TRIGGER)
    assert late.took() == []


def test_a_symbol_whose_window_has_passed_unused_is_done_and_asks_for_nothing_more() -> None:
    bench = Bench()
    bench.wait_until(OPEN_NS + 3600 * SECOND_NS)
    assert bench.state.is_done
    guard = bench.engine.guard("ABC")
    assert not guard.is_breached_by(1)
    assert guard.due_ns > EXIT_NS


def test_a_trigger_that_a_limit_denies_lapses_and_is_said_once() -> None:
    bench = Bench()
    bench.command(Command.HALT)
    for _ in range(5):
        bench.price(TRIGGER)
    assert bench.took() == []
    assert [say.text for say in bench.says] == ["ABC: undercut not acted on: trading is halted"]
    bench.command(Command.RESUME)
    bench.price(TRIGGER + 5)
    assert bench.took() == []
    bench.price(TRIGGER)
    assert bench.took() == ["place entry"]


def test_a_limit_that_closes_between_trigger_and_send_drops_the_entry_and_its_trigger_lapses() -> None:
    bench = Bench()
    bench.is_desk_busy = True
    bench.price(TRIGGER)
    bench.command(Command.HALT)
    bench.desk()
    assert bench.dropped == ["does_account_allow"]
    assert bench.took() == []
    assert bench.state.entry is None
    bench.command(Command.RESUME)
    bench.wait(60)
    assert bench.took() == []


# --- refused ----------------------------------------------------------------------------------------


def test_a_refused_entry_is_placed_again_a_poll_later_and_not_before() -> None:
    bench = Bench()
    bench.refuse(bench.undercut())
    bench.take()
    bench.wait(4.9)
    assert bench.took() == []
    bench.wait(0.1)
    assert bench.took() == ["place entry"]


def test_a_trigger_is_given_up_after_as_many_refusals_as_allowed() -> None:
    bench = Bench()
    bench.price(TRIGGER)
    for _ in range(3):
        bench.refuse(bench.entry)
        bench.wait(5)
    bench.wait(60)
    assert bench.took() == ["place entry"] * 3
    assert bench.said.count("entry_given_up") == 1
    bench.price(TRIGGER)
    assert bench.took() == ["place entry"]


def test_a_retry_that_would_come_after_the_triggers_time_is_not_made() -> None:
    bench = Bench(rules=replace(RULES, order_timeout_ns=3 * SECOND_NS))
    bench.refuse(bench.undercut())
    bench.take()
    bench.wait(10)
    assert bench.took() == []
    assert bench.state.armed_ns is None


def test_refusals_are_counted_for_each_trigger_anew() -> None:
    bench = Bench()
    for _ in range(2):
        bench.price(TRIGGER)
        for _ in range(3):
            bench.refuse(bench.entry)
            bench.wait(5)
        bench.wait(60)
    assert bench.took() == ["place entry"] * 6


def test_an_entry_rejected_after_its_acceptance_counts_as_a_refusal() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.end(entry, Status.REJECTED)
    bench.books()
    assert where(entry) is OrderState.REJECTED
    assert bench.state.rejections == 1
    bench.wait(5)
    assert bench.took() == ["place entry"]


def test_a_retry_is_denied_where_price_has_passed_the_level_meanwhile() -> None:
    bench = Bench()
    bench.refuse(bench.undercut())
    bench.price(ENTRY)
    bench.take()
    bench.wait(10)
    assert bench.took() == []
    assert bench.state.armed_ns is None
    assert bench.says[-1].text == "ABC: undercut not acted on: is_level_ahead"


# --- taken back -------------------------------------------------------------------------------------


def test_an_unfilled_entry_is_cancelled_at_its_timeout_counted_from_the_first_send() -> None:
    bench = Bench()
    bench.is_desk_busy = True
    bench.price(TRIGGER)
    bench.wait(20)
    bench.desk()
    sent_ns = bench.now_ns
    bench.settle()
    bench.take()
    bench.wait_until(sent_ns + RULES.order_timeout_ns - 1)
    assert bench.took() == []
    bench.wait(1)
    assert bench.took() == ["cancel entry"]


def test_after_a_timeout_only_a_new_undercut_arms_again() -> None:
    bench = Bench()
    bench.rest()
    bench.wait(900)
    bench.settle()
    bench.take()
    assert bench.state.entry is None
    bench.price(TRIGGER + 5)
    assert bench.took() == []
    bench.price(TRIGGER)
    assert bench.took() == ["place entry"]


def test_an_entry_that_waited_too_long_for_its_turn_is_not_sent() -> None:
    bench = Bench()
    bench.is_desk_busy = True
    bench.price(TRIGGER)
    for _ in range(90):
        bench.wait(10)
        bench.price(TRIGGER)
    bench.wait(10)
    bench.desk()
    assert bench.took() == []
    assert bench.dropped == ["the trigger has lapsed"]


def test_a_fill_while_the_cancel_is_in_flight_is_a_position_like_any_other() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.wait(900)
    assert where(entry) is OrderState.CANCELLING
    bench.fill(entry)
    assert where(entry) is OrderState.FILLED
    assert bench.took() == ["cancel entry", "place stop"]
    assert bench.stop.terms.quantity == 10


def test_four_of_ten_filled_during_the_cancel_are_held_and_counted_before_the_entry_has_ended() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.wait(900)
    bench.fill(entry, 4, tells=False)
    bench.end(entry, tells=False)
    bench.books()
    bench.wait(2)
    bench.books()
    assert where(entry) is OrderState.CANCELLED
    assert bench.state.held == 4
    assert bench.stop.terms.quantity == 4


@pytest.mark.parametrize("command", [Command.HALT, Command.STOP, Command.FLATTEN, Command.KILL])
def test_a_halt_and_a_stop_first_cancel_the_working_entry_and_wait_for_evidence_of_its_end(
    command: Command,
) -> None:
    bench = Bench()
    entry = bench.rest()
    bench.command(command)
    assert bench.took() == ["cancel entry"]
    bench.accept(entry)
    assert bench.entry is entry
    assert not bench.is_quiet()
    bench.end(entry)
    assert not bench.is_quiet()
    bench.books()
    assert bench.is_quiet()
    assert bench.state.entry is None


def test_the_clock_and_the_mode_end_new_risk_and_take_the_resting_entry_back() -> None:
    skewed = Bench()
    skewed.rest()
    skewed.tell(ClockSkewed(skewed.later(), 3 * SECOND_NS))
    assert skewed.took() == ["cancel entry"]
    other = Bench()
    other.tell(ModeSeen(other.later(), Mode.ANALYZE))
    other.rest()
    other.tell(ModeSeen(other.later(), Mode.LIVE))
    assert other.took() == ["cancel entry"]


def test_a_refused_cancel_is_asked_again_a_second_later_for_as_long_as_the_entry_works() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.command(Command.HALT)
    for _ in range(3):
        bench.refuse(entry)
        assert where(entry) is OrderState.WORKING
        bench.wait(0.9)
        assert bench.took() == ["cancel entry"]
        bench.wait(0.2)


def test_the_rest_of_an_entry_is_taken_back_once_part_of_it_has_been_closed() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 4)
    bench.accept(bench.stop)
    bench.take()
    bench.fill(bench.stop)
    assert "cancel entry" in bench.took()


def test_the_rest_of_an_entry_is_taken_back_once_a_stranger_has_closed_part_of_it() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 4)
    bench.settle()
    bench.take()
    bench.stranger(Side.SELL, 2)
    assert "cancel entry" in bench.took()


def test_a_late_fill_of_an_earlier_entry_takes_the_resting_one_back() -> None:
    bench = Bench()
    first = bench.rest()
    bench.wait(900)
    bench.settle()
    second = bench.rest()
    assert second is not first
    bench.fill(first, 6)
    assert bench.took() == ["cancel entry", "place stop"]
    assert bench.stop.terms.quantity == 6


@pytest.mark.parametrize("kept", [Terms(100, 100_30, ENTRY), Terms(10, 100_35, ENTRY + 5)])
def test_an_entry_that_the_broker_keeps_otherwise_than_sent_is_taken_back(kept: Terms) -> None:
    bench = Bench()
    entry = bench.undercut()
    bench.accept(entry)
    bench.show("1", kept)
    bench.take()
    bench.books()
    assert bench.took() == ["cancel entry"]
    assert "terms_differ" in bench.said


# --- undecided --------------------------------------------------------------------------------------


def test_an_undecided_entry_is_not_repeated_and_the_books_are_read_every_second() -> None:
    bench = Bench()
    bench.lose(bench.undercut())
    assert bench.said == ["undecided"]
    assert where(bench.entry) is OrderState.UNDECIDED
    bench.take()
    assert bench.read_while_due() == 1
    assert bench.engine.books_due_ns(bench.now_ns) == bench.engine.account.asked_ns + SECOND_NS
    for _ in range(100):
        bench.price(TRIGGER)
        bench.wait(1)
        bench.books()
    assert bench.took() == []


def test_an_undecided_entry_found_in_the_books_is_ours() -> None:
    bench = Bench()
    bench.lose(bench.undercut(), reached=True)
    bench.books()
    assert (bench.entry.order_id, bench.entry.state) == ("1", OrderState.WORKING)
    assert "order_found" in bench.said


def test_an_entry_is_concluded_absent_after_two_complete_reads_past_the_settle_time() -> None:
    bench = Bench()
    entry = bench.undercut()
    bench.lose(entry)
    bench.wait(129)
    for _ in range(4):
        bench.books()
    assert bench.entry is entry
    bench.wait(1)
    bench.books()
    assert bench.entry is entry
    bench.books()
    assert bench.state.entry is None
    assert where(entry) is OrderState.ABSENT


def absent(bench: Bench) -> None:
    bench.lose(bench.undercut())
    bench.wait(131)
    bench.books()
    bench.books()
    bench.take()


def test_a_tombstone_ends_the_symbols_day() -> None:
    bench = Bench()
    absent(bench)
    assert "entry_absent" in bench.said
    bench.price(TRIGGER)
    assert bench.took() == []


def test_a_tombstone_that_appears_is_ours_and_is_cancelled() -> None:
    bench = Bench()
    placed = bench.undercut()
    intent = bench.lose(placed)
    bench.wait(131)
    bench.books()
    bench.books()
    bench.take()
    bench.reach(placed, intent)
    bench.books()
    assert bench.took() == ["cancel entry"]
    bench.settle()
    assert where(placed) is OrderState.CANCELLED
    assert bench.state.phantoms == []


def test_a_tombstone_that_turns_out_to_have_filled_is_protected() -> None:
    bench = Bench()
    placed = bench.undercut()
    intent = bench.lose(placed)
    bench.wait(131)
    bench.books()
    bench.books()
    bench.take()
    bench.reach(placed, intent)
    bench.fill(placed, tells=False)
    bench.books()
    assert bench.state.held == 10
    assert bench.took() == ["place stop"]


def test_a_late_answer_settles_an_undecided_entry() -> None:
    bench = Bench()
    placed = bench.undercut()
    intent = bench.lose(placed, reached=True)
    bench.answer_late(intent, "1")
    assert (placed.order_id, placed.state) == ("1", OrderState.WORKING)


def test_an_undecided_entry_that_was_refused_after_all_is_a_refusal() -> None:
    bench = Bench()
    placed = bench.undercut()
    intent = bench.lose(placed)
    bench.answer_late(intent, None, Outcome.REFUSED)
    assert where(placed) is OrderState.REJECTED
    bench.wait(5)
    assert bench.took() == ["place entry", "place entry"]


def test_one_filled_entry_more_than_allowed_is_protected_and_freezes_the_symbol() -> None:
    """An entry proved cancelled fills late, when the attempts are used up."""
    bench = Bench(rules=replace(RULES, max_attempts=1))
    first = bench.rest()
    bench.wait(900)
    bench.settle()
    bench.hold()
    bench.fill(bench.stop)
    bench.settle()
    bench.take()
    bench.fill(first)
    assert bench.took() == ["place stop"]
    assert "2 entries have filled where 1 are allowed" in (bench.frozen() or "")


# --- again ------------------------------------------------------------------------------------------


def test_after_an_exit_a_new_undercut_enters_again_as_often_as_there_are_attempts() -> None:
    bench = Bench()
    for _ in range(3):
        bench.hold_and_stop_out()
    assert [trade.attempt for trade in bench.trades] == [1, 2, 3]
    bench.price(TRIGGER)
    assert bench.took() == []


def test_a_partial_fill_is_an_attempt() -> None:
    bench = Bench()
    bench.fill(bench.rest(), 1)
    assert bench.state.attempts == 1


def test_immediate_reentry_rearms_at_a_print_strictly_below_the_entry() -> None:
    bench = Bench(strategy=replace(STRATEGY, reenters_at_once=True))
    bench.hold_and_stop_out()
    bench.price(ENTRY)
    assert bench.took() == []
    bench.price(ENTRY - 5)
    assert bench.took() == ["place entry"]


def test_an_exit_rearms_once_and_an_entry_that_lapses_needs_a_new_undercut() -> None:
    bench = Bench(strategy=replace(STRATEGY, reenters_at_once=True))
    bench.hold_and_stop_out()
    bench.price(ENTRY - 5)
    bench.settle()
    bench.wait(900)
    bench.settle()
    bench.take()
    assert bench.state.entry is None
    bench.price(ENTRY - 5)
    assert bench.took() == []
    bench.price(TRIGGER)
    assert bench.took() == ["place entry"]


# --- without an order stream ------------------------------------------------------------------------


def test_without_a_stream_a_print_at_the_entrys_trigger_asks_for_the_books_at_once() -> None:
    bench = Bench()
    bench.rest()
    bench.stream(is_up=False)
    bench.read_while_due()
    bench.wait(0.2)
    bench.price(ENTRY)
    assert bench.engine.books_due_ns(bench.now_ns) <= bench.now_ns


def test_without_a_stream_an_entry_once_touched_is_read_every_second_even_if_price_falls_back() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.stream(is_up=False)
    bench.read_while_due()
    bench.price(ENTRY)
    bench.price(TRIGGER)
    bench.wait(300)
    bench.read_while_due()
    assert bench.engine.books_due_ns(bench.now_ns) == bench.engine.account.asked_ns + SECOND_NS
    bench.fill(entry, tells=False)
    bench.wait(1)
    bench.read_while_due()
    assert bench.took() == ["place stop"]


def test_without_a_stream_an_entry_known_to_be_filling_is_read_every_second() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.stream(is_up=False)
    bench.fill(entry, 4, tells=False)
    bench.settle()
    bench.wait(60)
    bench.read_while_due()
    assert bench.engine.books_due_ns(bench.now_ns) == bench.engine.account.asked_ns + SECOND_NS


def test_with_a_stream_a_resting_entry_asks_for_no_books() -> None:
    bench = Bench()
    bench.rest()
    bench.tell(PriceTouched("ABC", bench.later(), ENTRY))
    assert bench.engine.books_due_ns(bench.now_ns) > EXIT_NS


def test_a_broker_that_refuses_every_entry_is_asked_no_more_after_so_many_of_a_day() -> None:
    bench = Bench()
    for _ in range(3):
        bench.price(TRIGGER)
        for _ in range(3):
            bench.refuse(bench.entry)
            bench.wait(5)
        bench.wait(60)
    assert bench.took() == ["place entry"] * 9
    assert bench.said.count("entries_refused") == 1
    bench.price(TRIGGER)
    bench.wait(600)
    assert bench.took() == []
    assert bench.state.is_done


@pytest.mark.parametrize(
    ("true_range", "is_entered"), [(199_80, True), (199_90, True), (199_91, False), (400_00, False)]
)
def test_a_setup_whose_stop_would_lie_below_one_tick_is_not_entered(
    true_range: int, is_entered: bool
) -> None:
    bench = Bench(true_range=true_range)
    bench.price(TRIGGER)
    bench.price(TRIGGER - 5)
    assert bench.took() == ["place entry"] * is_entered
    notes = [say.text for say in bench.says]
    assert len(notes) == (not is_entered)
    assert all("ABC: undercut not acted on: its stop would lie at" in note for note in notes)


def test_of_a_short_any_stop_can_be_placed() -> None:
    bench = Bench(direction=Direction.SHORT, true_range=400_00)
    bench.price(100_50)
    assert bench.took() == ["place entry"]
