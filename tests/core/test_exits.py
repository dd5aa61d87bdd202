"""Getting out: one procedure for every reason, from confirmed facts only."""

import itertools
from dataclasses import replace
from fractions import Fraction

import pytest

from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import ClockSkewed, Command, Marked, Outcome, Status
from olaf_async.domain.intents import ModifyOrder, PlaceOrder
from olaf_async.domain.order import OrderState, PriceType, Role, Side, Terms
from olaf_async.domain.setup import Direction
from olaf_async.domain.trade import ExitReason
from tests.core.bench import ENTRY, EXIT_NS, INITIAL, RULES, STRATEGY, TRIGGER, Bench, where

TARGETS = replace(STRATEGY, take_profit_r=Fraction(2))


def deadline(bench: Bench, last: int = 100_00) -> None:
    """The exit's time comes, a second after a print."""
    bench.wait_until(max(bench.now_ns, EXIT_NS - SECOND_NS))
    bench.price(last)
    bench.wait_until(max(bench.now_ns, EXIT_NS))


def placed(bench: Bench) -> PlaceOrder:
    """The one order that has left the desk."""
    (intent,) = bench.take()
    assert isinstance(intent, PlaceOrder)
    return intent


# --- the deadline -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "side", "limit"), [(Direction.LONG, Side.SELL, 99_90), (Direction.SHORT, Side.BUY, 102_00)]
)
def test_at_the_deadline_the_stop_is_cancelled_and_what_is_held_is_closed_through_the_market(
    direction: Direction, side: Side, limit: int
) -> None:
    bench = Bench(direction=direction)
    bench.hold()
    deadline(bench, 100_95)
    assert bench.took() == ["cancel stop"]
    bench.accept(bench.stop)
    assert bench.took() == []
    bench.end(bench.stop)
    assert bench.took() == []
    bench.books()
    out = placed(bench)
    assert (out.role, out.side, out.price_type) == (Role.EXIT, side, PriceType.LIMIT)
    assert out.terms == Terms(10, limit)
    bench.accept(bench.exit)
    bench.fill(bench.exit, price=100_95)
    bench.settle()
    assert bench.trades[0].reason is ExitReason.SESSION_END


def test_the_deadline_needs_no_tick_to_come() -> None:
    bench = Bench()
    bench.hold()
    bench.wait_until(EXIT_NS)
    assert bench.took() == ["cancel stop"]


@pytest.mark.parametrize(("ahead_s", "early_s"), [(60, 60), (-60, 0), (2, 0)])
def test_of_two_clocks_that_disagree_the_one_that_is_ahead_tells_the_deadline(
    ahead_s: int, early_s: int
) -> None:
    bench = Bench()
    bench.hold()
    bench.tell(ClockSkewed(bench.later(), ahead_s * SECOND_NS))
    bench.wait_until(EXIT_NS - early_s * SECOND_NS - 1)
    assert bench.took() == []
    bench.wait_until(EXIT_NS - early_s * SECOND_NS)
    assert bench.took() == ["cancel stop"]


def test_a_clock_found_past_the_deadline_ends_the_day_at_once() -> None:
    bench = Bench()
    bench.hold()
    bench.tell(ClockSkewed(bench.later(), EXIT_NS))
    assert bench.took() == ["cancel stop"]


def test_a_stop_that_fills_while_it_is_being_cancelled_leaves_nothing_to_sell() -> None:
    bench = Bench()
    bench.hold()
    deadline(bench)
    bench.fill(bench.stop)
    bench.settle()
    assert bench.took() == ["cancel stop"]
    assert (bench.state.held, bench.trades[0].reason) == (0, ExitReason.STOP)


def test_of_a_stop_that_filled_in_part_while_it_was_cancelled_only_the_rest_is_sold() -> None:
    bench = Bench()
    stop = bench.hold()
    deadline(bench)
    bench.take()
    bench.fill(stop, 4, tells=False)
    bench.end(stop)
    bench.books()
    bench.price(99_00)
    assert placed(bench).terms.quantity == 6


def test_after_the_deadline_nothing_is_bought_and_nothing_watched() -> None:
    bench = Bench()
    deadline(bench)
    bench.price(TRIGGER)
    assert bench.took() == []
    assert bench.engine.guard("ABC").due_ns > EXIT_NS
    assert not bench.engine.guard("ABC").wants_bars


def test_a_working_entry_is_cancelled_at_the_deadline_with_evidence() -> None:
    bench = Bench(
        rules=replace(RULES, order_timeout_ns=10**15), strategy=replace(STRATEGY, trigger_window_ns=10**15)
    )
    entry = bench.rest()
    deadline(bench)
    assert bench.took() == ["cancel entry"]
    bench.accept(entry)
    assert bench.state.leaving is ExitReason.SESSION_END
    bench.end(entry)
    bench.books()
    assert bench.state.slots == ()


def test_a_trigger_that_waits_for_its_retry_at_the_deadline_is_forgotten() -> None:
    bench = Bench(strategy=replace(STRATEGY, trigger_window_ns=10**15))
    bench.wait_until(EXIT_NS - 2 * SECOND_NS)
    bench.refuse(bench.undercut())
    bench.take()
    deadline(bench)
    bench.wait(60)
    assert bench.took() == []
    assert bench.state.armed_ns is None


def test_an_undecided_entry_at_the_deadline_is_watched_until_settled_and_its_fill_exited_at_once() -> None:
    bench = Bench(strategy=replace(STRATEGY, trigger_window_ns=10**15))
    bench.wait_until(EXIT_NS - 2 * SECOND_NS)
    entry = bench.undercut()
    intent = bench.lose(entry)
    bench.take()
    deadline(bench)
    bench.wait(30)
    assert bench.took() == []
    assert not bench.is_quiet()
    bench.reach(entry, intent)
    bench.fill(entry, tells=False)
    bench.price(ENTRY)
    bench.books()
    assert bench.took() == ["place exit"]


def test_a_fill_found_after_the_deadline_is_exited() -> None:
    bench = Bench(
        rules=replace(RULES, order_timeout_ns=10**15), strategy=replace(STRATEGY, trigger_window_ns=10**15)
    )
    entry = bench.rest()
    deadline(bench)
    bench.settle()
    bench.take()
    assert where(entry) is OrderState.CANCELLED
    bench.wait(30)
    bench.fill(entry, 3, tells=False)
    bench.price(ENTRY)
    bench.books()
    assert bench.state.leaving is ExitReason.SESSION_END
    bench.settle()
    assert "place exit" in bench.took()
    assert not [code for code in bench.said if code == "excess"]


# --- other reasons ----------------------------------------------------------------------------------


def test_a_target_is_watched_and_never_rests_at_the_broker() -> None:
    bench = Bench(strategy=TARGETS)
    bench.hold()
    bench.price(101_95)
    assert bench.took() == []
    bench.price(102_00)
    assert bench.took() == ["cancel stop"]
    bench.settle()
    bench.fill(bench.exit, price=102_00)
    bench.settle()
    assert bench.trades[0].reason is ExitReason.TARGET
    assert not bench.state.is_done


@pytest.mark.parametrize(
    ("command", "reason"), [(Command.FLATTEN, ExitReason.OPERATOR), (Command.KILL, ExitReason.HALT)]
)
def test_a_person_may_have_everything_closed(command: Command, reason: ExitReason) -> None:
    bench = Bench()
    bench.hold()
    bench.command(command)
    bench.settle()
    bench.fill(bench.exit)
    bench.settle()
    assert bench.trades[0].reason is reason
    bench.price(TRIGGER)
    assert bench.state.is_done
    assert bench.state.entry is None


def test_the_daily_loss_closes_everything_and_latches() -> None:
    bench = Bench(rules=replace(RULES, max_daily_loss=5_00))
    bench.hold()
    bench.tell(Marked(bench.later(), (("ABC", 99_51),)))
    assert bench.took() == []
    bench.tell(Marked(bench.later(), (("ABC", 99_50),)))
    assert bench.took() == ["cancel stop"]
    assert "daily_loss" in bench.said
    bench.settle()
    bench.fill(bench.exit, price=99_50)
    bench.settle()
    assert bench.trades[0].reason is ExitReason.RISK
    bench.command(Command.RESUME)
    bench.price(TRIGGER)
    assert bench.engine.account.is_loss_latched
    assert bench.state.entry is None


def test_the_first_reason_to_leave_stands() -> None:
    bench = Bench()
    bench.hold()
    bench.command(Command.FLATTEN)
    deadline(bench)
    assert bench.state.leaving is ExitReason.OPERATOR


def test_a_person_who_flattens_while_a_target_is_being_taken_ends_the_symbols_day() -> None:
    bench = Bench(strategy=TARGETS)
    bench.hold()
    bench.price(102_00)
    bench.command(Command.FLATTEN)
    bench.settle()
    bench.fill(bench.exit, price=102_00)
    bench.settle()
    assert bench.trades[0].reason is ExitReason.TARGET
    bench.take()
    bench.price(TRIGGER)
    assert bench.took() == []


def test_a_frozen_symbol_still_exits_what_our_own_fills_explain_and_never_more() -> None:
    bench = Bench()
    entry = bench.undercut()
    bench.reach(entry, bench.open[0])
    bench.frame("1")
    bench.refuse(entry)
    bench.fill(entry, 10)
    assert bench.frozen() is not None
    bench.stranger(Side.BUY, 5)
    deadline(bench)
    bench.settle()
    assert bench.exit.terms.quantity == 10


# --- pricing ----------------------------------------------------------------------------------------


def leaving(bench: Bench) -> None:
    """The stop has ended; an exit may be placed."""
    bench.hold()
    bench.command(Command.FLATTEN)
    bench.end(bench.stop)
    bench.take()


def test_an_exit_is_priced_from_the_newest_print() -> None:
    bench = Bench()
    leaving(bench)
    bench.price(101_00)
    bench.books()
    assert placed(bench).terms.price == 99_95


def test_an_exit_after_five_silent_seconds_asks_for_a_quote_and_is_priced_from_it() -> None:
    bench = Bench()
    leaving(bench)
    bench.wait(6)
    bench.books()
    assert (bench.took(), bench.quotes_asked) == ([], 1)
    bench.quote(98_00)
    assert placed(bench).terms.price == 97_00


@pytest.mark.parametrize("answers", [False, True], ids=["no answer", "an answer without a price"])
def test_without_a_quote_an_exit_is_priced_3_percent_through_the_last_price(answers: bool) -> None:
    bench = Bench()
    leaving(bench)
    bench.wait(6)
    bench.books()
    if answers:
        bench.quote(None)
    assert bench.took() == []
    bench.wait(1)
    assert placed(bench).terms.price == 96_50  # 3 % below the last print, 99.50, outward
    assert bench.quotes_asked == 1


@pytest.mark.parametrize("odd", [995_00, 9_95, 124_40, 74_60])
def test_a_quote_that_cannot_follow_on_the_last_price_is_none(odd: int) -> None:
    bench = Bench()
    leaving(bench)
    bench.wait(6)
    bench.books()
    bench.quote(odd)
    bench.wait(1)
    assert placed(bench).terms.price == 96_50
    assert "odd_price" in [say.code for say in bench.says]


def test_a_stale_print_does_not_overrule_a_fresh_quote() -> None:
    bench = Bench()
    leaving(bench)
    bench.wait(6)
    bench.books()
    bench.quote(98_00)
    bench.take()
    bench.accept(bench.exit)
    bench.wait(1)
    assert bench.state.last == 98_00


# --- chasing ----------------------------------------------------------------------------------------


def out(bench: Bench) -> None:
    """An exit works at 99.00, a percent below the price of 100.00."""
    leaving(bench)
    bench.price(100_00)
    bench.books()
    bench.accept(bench.exit)
    bench.books()
    bench.take()


def test_an_unfilled_exit_is_repriced_in_place_once_a_second() -> None:
    bench = Bench()
    out(bench)
    bench.price(98_00)
    bench.wait(0.9)
    assert bench.took() == []
    bench.price(97_00)
    bench.wait(0.1)
    (chase,) = bench.take()
    assert isinstance(chase, ModifyOrder)
    assert chase.terms == Terms(10, 96_00)
    bench.accept(bench.exit)
    for _ in range(5):
        bench.price(96_00)
    assert bench.took() == []


def test_an_exit_that_should_have_filled_is_asked_about_and_not_made_worse() -> None:
    bench = Bench()
    out(bench)
    for _ in range(3):
        bench.wait(1)
        bench.price(100_00)
        assert bench.read_while_due() == 1
    assert bench.took() == []


def test_an_exit_that_does_not_fill_calls_a_person_once() -> None:
    """Found by simulation: at a circuit an exit rested at a price that crossed, and nobody heard of it."""
    bench = Bench()
    out(bench)
    bench.wait(2.5)
    assert "closing_unfilled" not in bench.said
    bench.wait(5)
    assert bench.said.count("closing_unfilled") == 1


def test_a_chase_that_is_refused_is_tried_again_a_second_later() -> None:
    bench = Bench()
    out(bench)
    bench.price(97_00)
    bench.wait(1)
    bench.refuse(bench.exit)
    bench.take()
    bench.wait(0.5)
    assert bench.took() == []
    bench.price(97_00)
    bench.wait(0.6)
    assert bench.took() == ["modify exit"]


def test_with_the_brokers_modification_cap_reached_the_exit_is_cancelled_and_begun_anew() -> None:
    bench = Bench(rules=replace(RULES, modifications_max=2, modifications_reserve=0))
    out(bench)
    for price in (98_00, 97_00, 96_00):
        bench.price(price)
        bench.wait(1)
        if bench.sent[-1:] and isinstance(bench.sent[-1], ModifyOrder):
            bench.accept(bench.exit)
    assert bench.took() == ["modify exit", "modify exit", "cancel exit"]
    bench.end(bench.exit)
    bench.price(95_00)
    bench.books()
    bench.wait(1)
    bench.books()
    assert placed(bench).terms.quantity == 10


def test_exits_are_bounded_and_then_go_on_at_the_pace_of_the_poll_with_an_alarm() -> None:
    bench = Bench(rules=replace(RULES, exit_tries_max=3))
    leaving(bench)
    bench.price(100_00)
    bench.books()
    times = []
    for _ in range(40):
        if bench.took() == ["place exit"]:
            times.append(bench.now_ns)
            bench.refuse(bench.exit)
        bench.books()
        bench.price(100_00)
        bench.wait(0.5)
    gaps = [round((later - before) / SECOND_NS) for before, later in itertools.pairwise(times)]
    assert len(gaps) > 3
    assert gaps[:2] == [1, 1]
    assert all(gap >= 4 for gap in gaps[2:])
    assert bench.said.count("exit_stuck") >= 1


def test_before_each_further_sell_the_position_is_read_anew() -> None:
    bench = Bench()
    leaving(bench)
    bench.price(100_00)
    bench.books()
    bench.refuse(bench.exit)
    bench.take()
    bench.wait(1)
    bench.price(100_00)
    bench.wait(2)
    assert bench.took() == []
    bench.stranger(Side.SELL, 4, tells=False)
    bench.books()
    bench.price(100_00)
    assert bench.took() == []
    bench.books()
    bench.price(100_00)
    assert placed(bench).terms.quantity == 6


# --- undecided --------------------------------------------------------------------------------------


def test_an_undecided_exit_is_never_repeated_before_it_is_settled_and_read_for_every_second() -> None:
    bench = Bench()
    leaving(bench)
    bench.price(100_00)
    bench.books()
    bench.lose(bench.exit)
    bench.take()
    for _ in range(60):
        bench.wait(1)
        bench.price(97_00)
        assert bench.read_while_due() == 1
    assert bench.took() == []


def test_an_undecided_exit_found_in_the_books_is_chased_in_place() -> None:
    bench = Bench()
    leaving(bench)
    bench.price(100_00)
    bench.books()
    bench.lose(bench.exit, reached=True)
    bench.take()
    bench.price(97_00)
    bench.wait(1)
    bench.books()
    bench.price(97_00)
    bench.wait(1)
    assert bench.took() == ["modify exit"]


def test_an_exit_concluded_absent_is_placed_again_and_cancelled_should_it_appear() -> None:
    bench = Bench()
    leaving(bench)
    bench.price(100_00)
    bench.books()
    first = bench.exit
    intent = bench.lose(first)
    bench.wait(131)
    bench.books()
    bench.books()
    bench.take()
    bench.wait(0.5)
    bench.price(100_00)
    bench.wait(1)
    assert bench.took() == ["place exit"]
    second = bench.exit
    bench.accept(second)
    bench.reach(first, intent)
    bench.books()
    assert bench.took() == ["cancel exit"]
    assert where(first) is OrderState.CANCELLING
    assert where(second) is OrderState.WORKING


# --- less to sell, too much sold --------------------------------------------------------------------


def test_a_working_exit_shrinks_at_once_when_others_close_part_of_the_position() -> None:
    bench = Bench()
    out(bench)
    bench.stranger(Side.SELL, 4)
    (smaller,) = bench.take()
    assert isinstance(smaller, ModifyOrder)
    assert smaller.terms == Terms(6, 99_00)
    assert bench.frozen() is None


def test_a_working_exit_with_nothing_left_to_sell_is_cancelled() -> None:
    bench = Bench()
    out(bench)
    bench.stranger(Side.SELL, 10)
    assert bench.took() == ["cancel exit"]
    bench.end(bench.exit)
    bench.books()
    assert bench.trades[0].reason is ExitReason.OPERATOR


def test_an_exit_still_at_the_desk_leaves_with_what_is_held_by_then_or_not_at_all() -> None:
    bench = Bench()
    leaving(bench)
    bench.is_desk_busy = True
    bench.price(100_00)
    bench.books()
    bench.stranger(Side.SELL, 10)
    bench.desk()
    assert bench.dropped == ["nothing is held any more"]
    assert bench.took() == []


def test_a_working_exit_grows_for_a_late_fill_only_upon_a_read_newer_than_the_last_send() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 6)
    bench.settle()
    bench.end(entry)
    bench.settle()
    bench.command(Command.FLATTEN)
    bench.end(bench.stop)
    bench.price(100_00)
    bench.books()
    bench.accept(bench.exit)
    bench.take()
    bench.fill(entry, 2)
    assert bench.took() == []
    bench.books()
    (larger,) = bench.take()
    assert isinstance(larger, ModifyOrder)
    assert larger.terms.quantity == 8


def oversold(bench: Bench, quantity: int = 4) -> None:
    """A stop that was proved cancelled has filled all the same, beside the exit."""
    stop = bench.hold()
    bench.command(Command.FLATTEN)
    bench.end(stop)
    bench.price(100_00)
    bench.books()
    bench.accept(bench.exit)
    bench.fill(bench.exit)
    bench.settle()
    bench.take()
    bench.fill(stop, quantity, tells=False)
    bench.books()


def test_what_was_sold_too_much_is_bought_back_after_two_confirming_reads() -> None:
    bench = Bench()
    oversold(bench)
    assert bench.state.held == -4
    bench.price(100_00)
    assert bench.took() == []
    bench.wait(1)
    bench.books()
    bench.price(100_00)
    back = placed(bench)
    assert (back.role, back.side, back.price_type) == (Role.EXIT, Side.BUY, PriceType.LIMIT)
    assert back.terms == Terms(4, 101_00)
    bench.settle()
    bench.fill(bench.exit)
    bench.settle()
    assert (bench.state.held, bench.state.slots, bench.state.is_done) == (0, (), True)
    assert "bought_back" in bench.said


def test_a_short_is_bought_back_only_as_far_as_the_account_is_short() -> None:
    bench = Bench()
    oversold(bench, 10)
    bench.stranger(Side.BUY, 7)
    for _ in range(3):
        bench.wait(1)
        bench.books()
        bench.price(100_00)
    assert placed(bench).terms.quantity == 3


def test_a_short_that_our_fills_do_not_explain_is_never_bought_back() -> None:
    bench = Bench()
    bench.hold()
    bench.fill(bench.stop)
    bench.settle()
    bench.stranger(Side.SELL, 10)
    for _ in range(5):
        bench.wait(1)
        bench.books()
        bench.price(TRIGGER + 5)
    assert "place exit" not in bench.took()


def test_an_undecided_buy_back_is_never_repeated() -> None:
    bench = Bench()
    oversold(bench)
    bench.wait(1)
    bench.books()
    bench.price(100_00)
    bench.lose(bench.exit)
    bench.take()
    for _ in range(60):
        bench.wait(1)
        bench.books()
        bench.price(100_00)
    assert bench.took() == []


def test_a_buy_back_is_not_placed_beside_an_entry_or_a_stop() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.command(Command.FLATTEN)
    bench.end(stop)
    bench.price(100_00)
    bench.books()
    exit_order = bench.exit
    bench.accept(exit_order)
    bench.fill(stop, 10)
    assert bench.state.held == 0
    assert "cancel exit" in bench.took()
    bench.fill(exit_order)
    bench.books()
    bench.wait(1)
    assert bench.state.held == -10
    assert bench.took() == []
    bench.books()
    bench.price(100_00)
    assert placed(bench).side is Side.BUY


def test_while_too_much_is_sold_the_books_are_read_every_second() -> None:
    bench = Bench()
    oversold(bench)
    bench.read_while_due()
    assert bench.engine.books_due_ns(bench.now_ns) == bench.engine.account.asked_ns + SECOND_NS


# --- two fills where one was meant ------------------------------------------------------------------


def doubled(bench: Bench) -> None:
    """An entry proved cancelled fills after another has filled: both are ours, one is too many."""
    first = bench.rest()
    bench.end(first)
    bench.settle()
    bench.hold()
    bench.fill(first, 6, tells=False)
    bench.books()


def test_of_two_entries_that_filled_the_excess_is_sold_and_the_rest_protected_again() -> None:
    bench = Bench()
    doubled(bench)
    assert "excess" in bench.said
    assert bench.took() == ["cancel stop"]
    bench.end(bench.stop)
    bench.price(100_00)
    bench.books()
    assert placed(bench).terms.quantity == 6
    bench.accept(bench.exit)
    bench.fill(bench.exit)
    assert bench.took() == ["place stop"]
    assert bench.stop.terms.quantity == 10
    assert bench.state.is_done
    assert bench.state.leaving is None


def test_a_reason_to_leave_that_comes_while_an_excess_is_sold_closes_all() -> None:
    bench = Bench()
    doubled(bench)
    bench.command(Command.KILL)
    bench.settle()
    assert bench.exit.terms.quantity == 16


def test_an_excess_at_the_deadline_is_sold_with_the_rest() -> None:
    bench = Bench()
    doubled(bench)
    deadline(bench)
    bench.settle()
    assert bench.exit.terms.quantity == 16


# --- nothing loops ----------------------------------------------------------------------------------


def test_a_symbol_whose_account_shows_nothing_of_ours_waits_in_peace_after_the_deadline() -> None:
    """Our fills add up to ten, the account shows none: nothing is sold, and no timer or read runs hot."""
    bench = Bench()
    stop = bench.hold()
    bench.ledger.positions["ABC"] = 0
    bench.ledger.trades = []
    bench.ledger.orders["1"] = replace(bench.ledger.orders["1"], filled=10)
    for _ in range(3):
        bench.wait(1)
        bench.books()
    assert bench.frozen() is not None
    assert set(bench.took()) == {"cancel stop"}
    bench.end(stop)
    bench.books()
    bench.books()
    deadline(bench)
    bench.wait(60)
    assert bench.took() == []


def test_an_exit_that_is_refused_once_and_then_expires_ends_in_a_flat_position() -> None:
    bench = Bench()
    leaving(bench)
    bench.price(100_00)
    bench.books()
    bench.refuse(bench.exit)
    bench.wait(1)
    bench.books()
    bench.price(100_00)
    bench.accept(bench.exit)
    bench.end(bench.exit, Status.EXPIRED)
    bench.books()
    bench.wait(1)
    bench.books()
    bench.price(100_00)
    bench.settle()
    bench.fill(bench.exit)
    bench.settle()
    assert bench.state.slots == ()
    assert len(bench.trades) == 1


def test_a_late_refusal_of_an_undecided_exit_frees_the_next() -> None:
    bench = Bench()
    leaving(bench)
    bench.price(INITIAL)
    bench.books()
    intent = bench.lose(bench.exit)
    bench.answer_late(intent, None, Outcome.REFUSED)
    bench.take()
    bench.wait(1)
    bench.books()
    bench.price(INITIAL)
    assert bench.took() == ["place exit"]


def test_an_exit_that_still_rests_at_the_deadline_is_sent_anew_once_at_its_own_price() -> None:
    """What was sent because of the last print before a feed fell silent waits for one that never comes."""
    bench = Bench(strategy=TARGETS)
    bench.hold()
    bench.price(102_00)
    bench.settle()
    out = bench.exit
    terms = out.terms
    bench.wait_until(bench.state.session.exit_ns + SECOND_NS)
    bench.quote(102_00)
    bench.settle()
    bench.wait(30)
    modified = [intent for intent in bench.take() if isinstance(intent, ModifyOrder)]
    assert len(modified) <= 2
    assert bench.exit.terms.quantity == terms.quantity
    assert bench.exit.modify_sent_ns >= bench.state.session.exit_ns
