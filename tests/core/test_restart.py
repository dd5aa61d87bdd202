"""A run after another of the same day: what is known, what is asked, and in which order."""

from dataclasses import replace

import pytest

from olaf_async.core.engine import Plan
from olaf_async.core.past import Past
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import Command, Marked, OrderRow, Status
from olaf_async.domain.intents import CancelOrder, ModifyOrder
from olaf_async.domain.order import OrderState, PriceType, Role, Side, Terms
from olaf_async.errors import ConfigError
from tests.core.bench import ENTRY, EXIT_NS, INITIAL, RULES, STRATEGY, TRIGGER, Bench, plan, where


def test_an_entry_that_never_left_does_not_exist_and_its_trigger_has_lapsed() -> None:
    bench = Bench()
    bench.is_desk_busy = True
    bench.price(TRIGGER)
    bench.begin_again()
    assert (bench.state.entry, bench.state.armed_ns) == (None, None)
    assert bench.said == ["not_sent"]
    bench.books()
    bench.price(TRIGGER)
    assert bench.took() == ["place entry"]


def test_an_order_that_was_called_off_after_its_sending_does_not_exist_either() -> None:
    bench = Bench()
    entry = bench.undercut()
    bench.begin_again(entry.key)
    assert bench.state.entry is None


def test_an_entry_sent_and_never_answered_is_ours_once_the_books_show_it() -> None:
    bench = Bench()
    entry = bench.undercut()
    bench.reach(entry, bench.open[0])
    bench.begin_again()
    assert entry.state is OrderState.UNDECIDED
    bench.books()
    assert (entry.state, entry.order_id) == (OrderState.WORKING, "1")


def test_what_it_filled_while_nobody_watched_is_told_and_protected_after_the_first_read() -> None:
    bench = Bench()
    entry = bench.undercut()
    bench.reach(entry, bench.open[0])
    bench.take()
    bench.fill(entry, 4, tells=False)
    bench.begin_again()
    assert bench.took() == []
    bench.read_while_due()
    assert bench.took() == ["place stop"]
    assert bench.stop.terms.quantity == 4
    assert [say.text for say in bench.says if say.code == "while_away"] == [
        "ABC: since it was last watched: ABC/1-entry working, 4 filled"
    ]


def test_an_entry_that_never_arrived_stays_undecided_until_its_absence_is_proved() -> None:
    bench = Bench()
    entry = bench.undercut()
    bench.begin_again()
    bench.read_while_due()
    bench.price(TRIGGER)
    assert where(entry) is OrderState.UNDECIDED
    bench.wait(RULES.settle_ns / SECOND_NS)
    bench.books()
    bench.wait(1)
    bench.books()
    assert where(entry) is OrderState.ABSENT
    assert bench.state.is_done


def test_a_stop_that_never_left_is_placed_after_a_read_of_the_books_and_not_before() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.is_desk_busy = True
    bench.fill(entry)
    reads = bench.engine.account.asked_seq
    bench.begin_again()
    assert bench.engine.account.asked_seq > reads
    assert bench.took() == ["place stop"]
    assert bench.stop.terms == Terms(10, bench.stop.terms.price, bench.stop.terms.trigger)
    assert bench.dropped == []


def test_shares_that_were_sold_by_hand_meanwhile_get_no_stop() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.is_desk_busy = True
    bench.fill(entry)
    bench.stranger(Side.SELL, 10, tells=False)
    bench.begin_again()
    assert bench.took() == []
    assert bench.state.held == 0


def test_a_change_in_flight_is_settled_by_the_row_that_stands() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.bar(ENTRY, ENTRY + 20_00, ENTRY + 5_00, ENTRY + 15_00)
    (raised,) = bench.take()
    assert isinstance(raised, ModifyOrder)
    bench.reach(stop, raised)
    bench.begin_again()
    assert stop.state is OrderState.MODIFY_UNDECIDED
    bench.books()
    assert (stop.state, stop.terms) == (OrderState.WORKING, raised.terms)


def test_a_cancel_in_flight_is_asked_for_again_without_waiting_for_books() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.command(Command.HALT)
    assert bench.took() == ["cancel entry"]
    bench.begin_again()
    (again,) = bench.take()
    assert again == CancelOrder("ABC", again.request, entry.key, Role.ENTRY, "1")
    assert again.request > 2


def test_a_halt_and_the_daily_loss_outlive_the_run_and_an_orderly_stop_does_not() -> None:
    bench = Bench(rules=replace(RULES, max_daily_loss=5_00))
    bench.hold()
    bench.tell(Marked(bench.later(), (("ABC", ENTRY - 10_00),)))
    bench.settle()
    bench.command(Command.HALT)
    bench.command(Command.STOP)
    bench.begin_again()
    account = bench.engine.account
    assert (account.is_halted, account.is_loss_latched, account.is_stopping) == (True, True, False)
    bench.command(Command.RESUME)
    assert account.refuses_new_risk() == "the daily loss limit has been reached"


def test_no_entry_leaves_on_a_price_of_the_run_before() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.end(entry)
    bench.settle()
    bench.begin_again(after_s=1)
    bench.read_while_due()
    assert bench.took() == []
    bench.price(TRIGGER)
    assert bench.took() == ["place entry"]


def looks_like_ours(bench: Bench, order_id: str, filled: int = 0) -> None:
    """The broker has an entry as we would send it, of which the journal knows nothing."""
    working = Status.WORKING
    bench.ledger.orders[order_id] = OrderRow(
        order_id, "ABC", Side.BUY, PriceType.SL, working, 10, ENTRY + 50, ENTRY
    )
    if filled:
        bench.ledger.execute(order_id, filled, ENTRY)


def test_attempts_used_are_the_larger_of_the_journals_and_the_books() -> None:
    bench = Bench()
    bench.hold_and_stop_out()
    assert bench.state.attempts == 1
    looks_like_ours(bench, "7", 10)
    looks_like_ours(bench, "8", 10)
    bench.begin_again()
    bench.read_while_due()
    assert bench.state.attempts == 3
    assert "attempts_found" in bench.said
    assert bench.state.is_done


def test_an_entry_at_work_that_the_journal_does_not_know_ends_new_risk_in_the_symbol() -> None:
    bench = Bench()
    looks_like_ours(bench, "7")
    bench.begin_again()
    bench.read_while_due()
    assert bench.frozen() == "order 7, at work, looks like our entry, and the journal does not know it"
    bench.price(TRIGGER)
    assert bench.took() == []


def test_the_deadline_that_passed_while_nobody_watched_is_kept_after_the_first_read() -> None:
    bench = Bench()
    bench.hold()
    bench.take()
    bench.now_ns = EXIT_NS
    bench.begin_again()
    assert bench.took() == ["cancel stop"]
    bench.settle()
    bench.quote(ENTRY)
    bench.wait(2)
    bench.settle()
    assert bench.took()[-1] == "place exit"


# --- a clock that was set back ---------------------------------------------------------------------


SET_BACK_S = -40


def test_a_stop_that_was_refused_is_placed_again_at_its_pace_though_the_clock_was_set_back() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    bench.refuse(bench.stop)
    bench.price(ENTRY + 50)
    bench.refuse(bench.stop)
    bench.take()
    bench.begin_again(after_s=SET_BACK_S)
    bench.read_while_due()
    bench.price(ENTRY + 50)
    bench.wait(2)
    assert bench.took() == ["place stop"]


def test_a_stop_does_not_wait_for_the_rate_of_a_clock_that_was_set_back() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.is_desk_busy = True
    bench.fill(entry)
    bench.engine.account.sends.extend([bench.now_ns] * RULES.max_orders_per_s)
    bench.engine.account.urgent_until_ns = bench.now_ns + SECOND_NS
    bench.begin_again(after_s=SET_BACK_S)
    bench.read_while_due()
    bench.wait(1)
    bench.desk()
    assert bench.took() == ["place stop"]


def test_a_cancel_that_was_refused_is_asked_for_again_though_the_clock_was_set_back() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.command(Command.FLATTEN)
    bench.refuse(stop)
    bench.take()
    bench.begin_again(after_s=SET_BACK_S)
    bench.wait(2)
    assert bench.took() == ["cancel stop"]


def test_a_stop_for_too_few_is_made_bigger_though_the_clock_was_set_back() -> None:
    bench = Bench()
    stop = bench.hold(4)
    bench.fill(bench.entry, 6)
    bench.refuse(stop)
    bench.take()
    bench.begin_again(after_s=SET_BACK_S)
    bench.read_while_due()
    bench.wait(2)
    assert bench.took() == ["modify stop"]


def test_what_was_seen_by_a_clock_that_was_ahead_counts_as_seen_now() -> None:
    bench = Bench(rules=replace(RULES, max_daily_loss=5_00))
    stop = bench.hold()
    bench.tell(Marked(bench.later(), (("ABC", ENTRY),)))
    bench.price(INITIAL)
    bench.begin_again(after_s=SET_BACK_S)
    now_ns, state = bench.now_ns, bench.state
    assert bench.engine.account.marked_ns == now_ns
    assert (stop.sent_ns, state.touched_ns, state.armed_ns) == (now_ns, now_ns, None)


def test_a_clock_that_has_gone_on_changes_no_time() -> None:
    bench = Bench()
    stop = bench.hold()
    sent_ns = stop.sent_ns
    bench.begin_again()
    assert sent_ns is not None
    assert stop.sent_ns == sent_ns


# --- other plans, other rules ----------------------------------------------------------------------


def changed() -> Plan:
    return plan("ABC", rules=replace(STRATEGY, trail_buffer_ticks=9))


def test_a_new_run_may_have_other_rules_and_more_symbols_and_other_plans_for_what_was_not_traded() -> None:
    bench = Bench(symbols=("ABC", "XYZ"))
    bench.symbol = "XYZ"
    bench.rest()
    bench.engine.carry_on([plan("NEW"), plan("XYZ"), changed()], replace(RULES, max_attempts=1))
    assert list(bench.engine.traders) == ["NEW", "XYZ", "ABC"]
    assert bench.state.entry is not None
    assert bench.engine.traders["ABC"].state.strategy == changed().strategy
    assert bench.state.rules.max_attempts == 1
    assert bench.engine.account.exposed == {"NEW": False, "XYZ": True, "ABC": False}


def test_a_run_with_a_smaller_quantity_sells_nothing_of_what_is_held_and_leaves_its_stop() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.take()
    bench.engine.carry_on([plan("ABC")], replace(RULES, quantity=4))
    bench.begin_again()
    bench.read_while_due()
    assert bench.took() == []
    assert (bench.state.held, stop.state) == (10, OrderState.WORKING)
    assert "excess" not in bench.said
    bench.fill(stop)
    bench.settle()
    bench.rest()
    assert bench.entry.terms.quantity == 4


@pytest.mark.parametrize("plans", [[changed()], [], [plan("XYZ")]], ids=["other", "none", "another symbol"])
def test_what_has_been_traded_today_cannot_be_planned_otherwise(plans: list[Plan]) -> None:
    bench = Bench()
    bench.rest()
    with pytest.raises(ConfigError, match="ABC: traded today already"):
        bench.engine.carry_on(plans, RULES)
    assert list(bench.engine.traders) == ["ABC"]


def test_a_symbol_that_a_person_has_halted_stays_so() -> None:
    bench = Bench()
    bench.command(Command.HALT, "ABC")
    bench.engine.carry_on([plan("ABC")], RULES)
    assert bench.frozen() == "a person has halted it"
    with pytest.raises(ConfigError):
        bench.engine.carry_on([changed()], RULES)


def test_a_symbol_that_was_flattened_before_it_traded_does_not_trade_after_a_restart() -> None:
    """Found by simulation: what had made no order yet began the new run afresh, its end forgotten."""
    bench = Bench()
    bench.command(Command.FLATTEN, "ABC")
    bench.engine.carry_on([plan("ABC")], RULES)
    bench.begin_again()
    bench.books()
    bench.price(TRIGGER)
    assert bench.took() == []


def test_nor_does_it_by_other_settings() -> None:
    bench = Bench()
    bench.command(Command.FLATTEN)
    bench.engine.carry_on([changed()], RULES)
    bench.begin_again()
    bench.books()
    bench.price(TRIGGER)
    assert bench.took() == []


def test_what_a_run_leaves_open_is_what_is_held_or_may_still_fill() -> None:
    bench = Bench(symbols=("ABC", "XYZ"))

    def left() -> tuple[str, ...]:
        return Past(bench.engine, (), ()).open_symbols

    assert left() == ()
    bench.undercut()
    assert left() == ("ABC",)
    bench.hold_now()
    assert left() == ("ABC",)
    bench.fill(bench.stop)
    bench.settle()
    assert left() == ()


# --- what the journal does not know of ---------------------------------------------------------------


def traded_unknown_to_the_journal(bench: Bench, times: int) -> None:
    """So many whole trades, as ours would be."""
    for number in range(times):
        looks_like_ours(bench, f"E{number}", 10)
        bench.stranger(Side.SELL, 10, tells=False)


def test_an_entry_at_rest_is_taken_back_once_the_book_shows_that_no_attempt_is_left() -> None:
    bench = Bench()
    bench.hold_and_stop_out()
    bench.rest()
    traded_unknown_to_the_journal(bench, 2)
    bench.begin_again()
    bench.read_while_due()
    assert bench.state.attempts == 3
    assert bench.took() == ["cancel entry"]
    bench.settle()
    assert bench.state.entry is None


def test_a_run_that_is_allowed_fewer_attempts_takes_an_entry_at_rest_back() -> None:
    bench = Bench()
    bench.hold_and_stop_out()
    bench.rest()
    bench.engine.carry_on([plan("ABC")], replace(RULES, max_attempts=1))
    bench.begin_again()
    bench.read_while_due()
    assert bench.took() == ["cancel entry"]


def test_a_run_that_is_allowed_fewer_attempts_than_have_filled_looks_after_what_is_held() -> None:
    """Found by simulation: the symbol was frozen, for its belief contradicted the new settings."""
    bench = Bench()
    bench.hold_and_stop_out()
    stop = bench.hold()
    bench.engine.carry_on([plan("ABC")], replace(RULES, max_attempts=1))
    bench.begin_again()
    bench.read_while_due()
    assert (bench.frozen(), bench.state.attempts, bench.took()) == (None, 2, [])
    bench.fill(stop)
    bench.settle()
    assert bench.state.is_done


def test_an_entry_that_has_filled_in_part_is_not_one_attempt_too_many() -> None:
    bench = Bench(rules=replace(RULES, max_attempts=1))
    bench.fill(bench.rest(), 4)
    bench.settle()
    assert bench.state.entry is not None


def test_shares_that_an_entry_like_ours_brought_and_the_journal_does_not_know_call_a_person() -> None:
    """Found with a journal that was lost: nobody looked after them, and all was called well."""
    bench = Bench()
    looks_like_ours(bench, "7", 10)
    bench.begin_again()
    bench.read_while_due()
    assert bench.frozen() == (
        "10 shares are held of an entry like ours that the journal does not know:"
        " nobody looks after them and their stop"
    )


def test_shares_of_such_an_entry_that_are_sold_again_call_nobody() -> None:
    bench = Bench()
    traded_unknown_to_the_journal(bench, 1)
    bench.begin_again()
    bench.read_while_due()
    assert (bench.frozen(), bench.state.attempts) == (None, 1)
