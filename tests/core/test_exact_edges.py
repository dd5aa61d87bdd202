"""The exact price, instant, count and share at which a rule changes its mind: each of these was once untold.

Found by changing one sign of the core at a time (`make mutate`) and seeing what no other test noticed.
"""

from dataclasses import replace
from fractions import Fraction

import pytest

from olaf_async.core.clock_back import believe_account, believe_symbol
from olaf_async.core.guards import is_feed_fresh
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.bar import Bar
from olaf_async.domain.events import BarClosed, BooksFailed, Command, PriceTouched, Status
from olaf_async.domain.intents import ModifyOrder
from olaf_async.domain.order import OrderState, Side, Terms
from olaf_async.domain.trade import ExitReason
from tests.core.bench import ACT_NS, ENTRY, INITIAL, OPEN_NS, RULES, STRATEGY, TRIGGER, Bench, where

ONE_SHARE = replace(RULES, quantity=1)


# --- the stop, and the price at it ----------------------------------------------------------------------


def test_a_stop_refused_with_the_price_exactly_at_it_is_followed_by_an_exit() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    bench.take()
    bench.price(INITIAL)
    bench.refuse(bench.stop)
    assert bench.took() == ["place exit"]


def test_a_price_exactly_at_the_stops_limit_has_not_jumped_it() -> None:
    bench = Bench()
    limit = bench.hold().terms.price
    bench.price(limit)
    bench.wait(1)
    assert bench.took() == []
    bench.price(limit - 5)
    bench.wait(1)
    assert bench.took() == ["modify stop"]


def test_a_jump_is_told_at_the_first_chase_and_not_again() -> None:
    bench = Bench()
    bench.hold()
    bench.price(97_00)
    for price in (95_00, 93_00, 91_00):
        bench.wait(1)
        assert bench.took() == ["modify stop"]
        assert bench.said.count("stop_jumped") == 1
        bench.accept(bench.stop)
        bench.price(price)


@pytest.mark.parametrize(
    "rules",
    [replace(RULES, modifications_max=1, modifications_reserve=0), replace(RULES, exit_tries_max=1)],
    ids=["the broker's cap", "our own"],
)
def test_the_chase_after_the_last_allowed_one_is_a_way_out_and_no_change(rules: object) -> None:
    assert isinstance(rules, type(RULES))
    bench = Bench(rules=rules)
    bench.hold()
    bench.price(97_00)
    bench.wait(1)
    assert bench.took() == ["modify stop"]
    bench.accept(bench.stop)
    bench.price(95_00)
    bench.wait(1)
    assert bench.took() == ["cancel stop"]
    assert bench.state.leaving is ExitReason.STOP


def test_one_share_is_chased_like_many() -> None:
    bench = Bench(rules=ONE_SHARE)
    bench.hold(1)
    bench.price(97_00)
    bench.wait(1)
    assert bench.took() == ["modify stop"]


def test_the_stop_of_one_share_is_missed_like_that_of_many() -> None:
    bench = Bench(rules=ONE_SHARE)
    bench.end(bench.hold(1))
    bench.read_while_due()
    assert "stop_gone" in bench.said


def test_a_target_reached_after_the_stop_was_touched_closes_the_position() -> None:
    bench = Bench(strategy=replace(STRATEGY, take_profit_r=Fraction(1)))
    bench.hold()
    bench.price(97_00)
    bench.price(ENTRY + 1_00)
    assert bench.state.leaving is ExitReason.TARGET


def test_a_stop_that_others_cancel_as_they_close_the_position_is_not_missed() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.stranger(Side.SELL, 10, tells=False)
    bench.end(stop, tells=False)
    for _ in range(3):
        bench.books()
        bench.wait(3)
    assert where(stop) is OrderState.CANCELLED
    assert bench.state.held == 0
    assert "stop_gone" not in bench.said


def test_it_is_told_whether_a_stop_that_was_taken_away_is_placed_again() -> None:
    bench = Bench()
    bench.hold()
    for _ in range(2):
        bench.end(bench.stop)
        bench.settle()
        bench.wait(3)
        bench.settle()
    first, second = (say.text for say in bench.says if say.code == "stop_gone")
    assert first.endswith("; placing it again")
    assert second.endswith("; NOT placing it again")


# --- the bar of the fill --------------------------------------------------------------------------------


def bar_closes(bench: Bench, start_ns: int, end_ns: int) -> None:
    bench.now_ns = max(bench.now_ns, end_ns)
    bench.tell(BarClosed("ABC", bench.now_ns, Bar(start_ns, end_ns, ENTRY, 121_00, 105_00, 115_00)))


def test_a_bar_that_ends_at_the_instant_of_the_fill_raises_nothing() -> None:
    bench = Bench()
    bench.hold()
    filled_ns = bench.state.position.entry_ns
    bar_closes(bench, filled_ns - 900 * SECOND_NS, filled_ns)
    assert bench.took() == []
    bar_closes(bench, filled_ns - 900 * SECOND_NS, filled_ns + 1)
    assert bench.took() == ["modify stop"]


@pytest.mark.parametrize(("later_ns", "sent"), [(0, []), (1, ["modify stop"])])
def test_a_bar_that_begins_at_the_instant_of_the_fill_is_the_bar_of_the_fill(
    later_ns: int, sent: list[str]
) -> None:
    bench = Bench(strategy=replace(STRATEGY, trails_from_entry_bar=False))
    bench.hold()
    start_ns = bench.state.position.entry_ns + later_ns
    bar_closes(bench, start_ns, start_ns + 900 * SECOND_NS)
    assert bench.took() == sent


# --- refused changes ------------------------------------------------------------------------------------


def test_after_a_refused_repair_what_stands_is_only_cut() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.show(bench.id_of(stop), Terms(10, 98_00, 98_90))
    bench.books()
    bench.refuse(stop)
    bench.take()
    bench.wait(1)
    bench.stranger(Side.SELL, 4)
    (cut,) = bench.take()
    assert isinstance(cut, ModifyOrder)
    assert cut.terms.quantity == 6


def test_a_refused_quantity_is_urgent_also_for_a_stop_that_has_sold_in_part() -> None:
    bench = Bench()
    bench.fill(bench.rest(), 6)
    bench.settle()
    bench.fill(bench.stop, 2)
    bench.fill(bench.entry, 4)
    bench.take()
    bench.refuse(bench.stop)
    assert bench.state.stop_refusals == 1
    bench.wait(1)
    assert bench.took() == ["modify stop"]


def test_what_was_refused_and_what_was_not_sent_is_told() -> None:
    bench = Bench()
    bench.refuse(bench.undercut())
    assert bench.said == ["order_refused"]
    bench.is_desk_busy = True
    bench.wait(5)
    bench.stream(is_up=True)
    bench.wait(900)
    bench.desk()
    assert "not_sent" in bench.said


# --- a restart ------------------------------------------------------------------------------------------


def test_an_entry_that_never_left_was_refused_by_nobody() -> None:
    bench = Bench()
    bench.is_desk_busy = True
    bench.price(TRIGGER)
    entry = bench.entry
    bench.begin_again(after_s=20)
    assert where(entry) is OrderState.REJECTED
    assert (bench.state.refusals, bench.state.rejections) == (0, 0)


def test_it_is_told_that_an_order_was_sent_and_never_answered() -> None:
    bench = Bench()
    bench.undercut()
    bench.begin_again(after_s=20)
    assert "undecided" in bench.said


def test_a_cancel_in_flight_is_asked_for_again_at_once() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.wait(RULES.order_timeout_ns / SECOND_NS)
    assert entry.state is OrderState.CANCELLING
    bench.take()
    bench.begin_again(after_s=0.1)
    assert bench.took() == ["cancel entry"]


# --- answers --------------------------------------------------------------------------------------------


def test_a_second_order_behind_one_request_is_seen_asked_about_and_owns_what_was_taken_for_anothers() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    (placing,) = bench.take()
    bench.settle()
    other = bench.stranger(Side.SELL, 4)
    assert bench.state.position.taken == 4
    bench.settle()
    bench.answer_late(placing, other)
    assert "twice" in (bench.frozen() or "")
    assert other in bench.engine.account.seen_ids
    assert (bench.state.position.taken, bench.state.position.left) == (0, 4)
    assert bench.are_books_due


def test_an_id_that_only_a_late_answer_names_belongs_to_every_complete_read() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    (placing,) = bench.take()
    bench.settle()
    bench.answer_late(placing, "77")
    assert "77" in bench.engine.account.seen_ids
    assert bench.are_books_due


def test_a_change_that_is_told_done_after_it_was_given_up_is_looked_for() -> None:
    bench = Bench()
    bench.hold()
    bench.bar(ENTRY, ENTRY + 20_00, ENTRY + 5_00, ENTRY + 15_00)
    (raised,) = bench.take()
    bench.lose(bench.stop)
    bench.settle()
    bench.wait(1)
    bench.settle()
    assert not bench.are_books_due
    bench.answer_late(raised, "2")
    assert bench.are_books_due


def test_a_refused_change_is_told_and_the_books_are_asked() -> None:
    bench = Bench()
    bench.hold()
    bench.bar(ENTRY, ENTRY + 20_00, ENTRY + 5_00, ENTRY + 15_00)
    bench.refuse(bench.stop)
    assert "modify_refused" in bench.said
    assert bench.are_books_due


def test_a_refused_change_of_an_exit_is_no_refusal_of_a_stop() -> None:
    bench = Bench()
    bench.hold()
    bench.command(Command.FLATTEN)
    bench.settle()
    bench.price(99_40)
    bench.wait(1)
    assert bench.took()[-1] == "modify exit"
    bench.refuse(bench.exit)
    assert bench.state.stop_refusals == 0


# --- the trigger ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at_ns", "sent"),
    [
        (ACT_NS, ["place entry"]),
        (OPEN_NS + STRATEGY.trigger_window_ns - 1, ["place entry"]),
        (OPEN_NS + STRATEGY.trigger_window_ns, []),
    ],
)
def test_the_window_of_the_trigger_has_its_first_instant_and_not_its_last(
    at_ns: int, sent: list[str]
) -> None:
    bench = Bench()
    bench.now_ns = at_ns
    bench.tell(PriceTouched("ABC", at_ns, TRIGGER))
    assert bench.took() == sent


def test_a_print_that_was_on_its_way_renews_no_trigger_that_waits_for_its_retry() -> None:
    bench = Bench()
    bench.refuse(bench.undercut())
    armed_ns = bench.state.armed_ns
    assert armed_ns is not None
    bench.tell(PriceTouched("ABC", bench.later(), TRIGGER))
    assert (bench.state.armed_ns, bench.state.triggers, bench.state.rejections) == (armed_ns, 1, 1)


# --- one trade after another ----------------------------------------------------------------------------


def test_after_a_target_the_symbol_may_be_entered_again() -> None:
    bench = Bench(strategy=replace(STRATEGY, take_profit_r=Fraction(1)))
    bench.hold()
    bench.price(ENTRY + 1_00)
    bench.settle()
    bench.fill(bench.exit)
    bench.settle()
    bench.take()
    assert bench.state.leaving is None
    bench.price(TRIGGER)
    assert bench.took() == ["place entry"]


def test_each_trade_has_its_own_count_of_stops_that_were_taken_away() -> None:
    bench = Bench()
    for trade in range(2):
        bench.hold()
        bench.end(bench.stop)
        bench.settle()
        bench.wait(3)
        bench.settle()
        assert (bench.state.stops_gone, bench.stop.state) == (1, OrderState.WORKING), trade
        bench.fill(bench.stop)
        bench.settle()
        assert bench.state.stops_gone == 0
        bench.take()


def test_two_other_hands_take_what_each_of_them_closed() -> None:
    bench = Bench()
    bench.hold()
    bench.stranger(Side.SELL, 4)
    bench.stranger(Side.SELL, 4)
    assert (bench.state.held, bench.state.position.taken) == (2, 8)


def test_an_entry_that_was_taken_back_was_refused_by_nobody() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.wait(RULES.order_timeout_ns / SECOND_NS)
    bench.accept(entry)
    bench.end(entry)
    bench.settle()
    assert where(entry) is OrderState.CANCELLED
    assert bench.state.refusals == 0


def test_every_frame_about_an_order_of_ours_makes_older_reads_worthless() -> None:
    bench = Bench()
    bench.hold()
    bench.frame("2")
    assert bench.state.newest_seq == bench.engine.seq


def test_after_a_restart_no_price_of_before_is_fresh() -> None:
    bench = Bench()
    bench.price(TRIGGER)
    assert is_feed_fresh(bench.state, bench.now_ns)
    bench.begin_again(after_s=0.1)
    assert not is_feed_fresh(bench.state, bench.now_ns)


# --- one share, and the last shares ---------------------------------------------------------------------


def test_the_bars_of_one_share_are_wanted_and_its_missing_stop_keeps_a_call_free() -> None:
    bench = Bench(rules=ONE_SHARE)
    entry = bench.rest()
    bench.is_desk_busy = True
    bench.fill(entry)
    assert bench.engine.guard("ABC").wants_bars
    assert bench.state.may_need_a_call


def test_a_stop_that_sells_out_while_its_raise_is_on_the_way_has_ended() -> None:
    bench = Bench()
    bench.fill(bench.rest(), 6)
    bench.settle()
    stop = bench.stop
    bench.fill(bench.entry, 4)
    assert stop.state is OrderState.MODIFYING
    bench.take()
    bench.fill(stop)
    assert (where(stop), stop.pending) == (OrderState.FILLED, None)
    assert bench.took() == ["place stop"]
    assert bench.stop.terms.quantity == 4


def test_a_trade_that_is_not_over_is_not_waiting_for_its_report() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    assert not bench.state.retired[0].is_value_exact
    assert not bench.state.is_unreported


def test_a_first_read_that_lacks_shares_is_followed_by_another_within_a_second() -> None:
    bench = Bench()
    bench.hold()
    bench.wait(10)
    bench.ledger.positions["ABC"] = 4
    bench.ledger.trades[0] = replace(bench.ledger.trades[0], quantity=4)
    bench.state.want_books()
    bench.books()
    assert bench.state.shortfall_reads == 1
    assert bench.state.is_waiting_for_evidence


# --- the way out ----------------------------------------------------------------------------------------


def test_on_the_way_out_the_stop_stays_and_grows_until_the_entry_has_ended() -> None:
    bench = Bench()
    bench.fill(bench.rest(), 4)
    bench.settle()
    bench.take()
    bench.command(Command.FLATTEN)
    assert bench.took() == ["cancel entry"]
    bench.fill(bench.entry, 3)
    (grown,) = bench.take()
    assert isinstance(grown, ModifyOrder)
    assert grown.terms.quantity == 7
    bench.end(bench.entry)
    bench.settle()
    assert "cancel stop" in bench.took()


def test_one_share_is_sold_and_its_exit_followed() -> None:
    bench = Bench(rules=ONE_SHARE)
    bench.hold(1)
    bench.command(Command.FLATTEN)
    bench.settle()
    assert (bench.exit.side, bench.exit.terms.quantity) == (Side.SELL, 1)
    bench.take()
    bench.price(90_00)
    bench.wait(1)
    assert bench.took() == ["modify exit"]


def test_an_exit_that_has_just_been_placed_is_not_followed_before_a_second_is_over() -> None:
    bench = Bench()
    bench.hold()
    bench.command(Command.FLATTEN)
    bench.end(bench.stop)
    bench.read_while_due()
    assert bench.took()[-1] == "place exit"
    bench.price(90_00)
    bench.accept(bench.exit)
    bench.read_while_due()
    assert bench.took() == []
    bench.wait(1)
    assert bench.took() == ["modify exit"]


def test_after_an_exit_that_was_rejected_the_next_waits_a_second() -> None:
    bench = Bench()
    bench.hold()
    bench.command(Command.FLATTEN)
    bench.settle()
    bench.wait(30)
    bench.settle()
    bench.take()
    bench.end(bench.exit, Status.REJECTED)
    bench.read_while_due()
    assert bench.took() == []
    bench.wait(1)
    bench.read_while_due()
    assert bench.took() == ["place exit"]


def test_what_another_hand_closed_counts_at_the_price_the_tradebook_has() -> None:
    bench = Bench()
    bench.hold()
    bench.stranger(Side.SELL, 10, 99_75, tells=False)
    bench.books()
    bench.settle()
    (trade,) = bench.trades
    assert trade.exit_value == 10 * 99_75


def test_a_new_run_knows_nothing_of_the_old_runs_stream_and_reads() -> None:
    bench = Bench()
    bench.stream(is_up=False)
    bench.tell(BooksFailed(bench.later(), bench.engine.seq, "500"))
    account = bench.engine.account
    account.begin_run()
    assert (account.is_stream_up, account.unread_since_ns) == (True, None)
    assert (account.asked_seq, account.asked_ns) == (-1, 0)


# --- every time that a clock ahead of this run's has left ------------------------------------------------


def test_each_time_that_lies_ahead_of_a_clock_set_back_is_brought_to_it_and_none_that_is_past() -> None:
    bench = Bench()
    order, state, account = bench.hold(), bench.state, bench.engine.account
    now_ns = bench.now_ns
    soon_ns, later_ns = now_ns + RULES.chase_ns, now_ns + RULES.retry_ns
    times: list[tuple[object, str, int]] = [
        (account, "urgent_until_ns", now_ns),
        (account, "marked_ns", now_ns),
        (state, "stop_retry_ns", soon_ns),
        (state, "entry_retry_ns", later_ns),
        (state, "exit_retry_ns", later_ns),
        *((state, name, now_ns) for name in ("shortfall_ns", "touched_ns", "reached_ns", "armed_ns")),
        (state, "unprotected_since_ns", now_ns),
        (order, "next_modify_ns", soon_ns),
        (order, "next_cancel_ns", soon_ns),
        *(
            (order, name, now_ns)
            for name in ("changed_ns", "doubted_ns", "evidence_ns", "modify_sent_ns", "sent_ns")
        ),
    ]
    for left_ns in (now_ns + 1_000 * SECOND_NS, now_ns - SECOND_NS):
        for owner, name, _ in times:
            setattr(owner, name, left_ns)
        believe_account(account, now_ns)
        believe_symbol(state, now_ns)
        for owner, name, most_ns in times:
            assert (name, getattr(owner, name)) == (name, min(left_ns, most_ns))
