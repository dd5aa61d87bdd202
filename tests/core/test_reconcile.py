"""Belief against the books: what a read proves, what it does not, and when it is too old to say anything."""

from dataclasses import replace

import pytest

from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import BooksFailed, PositionRow, Status, TradeRow
from olaf_async.domain.intents import ModifyOrder, PlaceOrder
from olaf_async.domain.order import OrderState, PriceType, Role, Side, Terms
from olaf_async.domain.trade import ExitReason
from tests.core.bench import ENTRY, EXIT_NS, INITIAL, TRIGGER, Bench, where

# --- the age of a read ------------------------------------------------------------------------------


def test_a_read_asked_for_before_the_newest_order_event_is_ignored() -> None:
    """The poller cleared a position from a snapshot older than the fill: a duplicate got in."""
    bench = Bench()
    entry = bench.rest()
    older = bench.ask()
    bench.fill(entry)
    bench.accept(bench.stop)
    bench.tell(replace(older, at_ns=bench.later()))
    bench.tell(replace(older, at_ns=bench.later()))
    assert bench.state.held == 10
    assert bench.state.ceiling is None
    assert bench.state.account_net == 0
    assert where(bench.stop) is OrderState.WORKING


def test_ticks_do_not_age_a_read_and_wall_time_does_not_decide() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, tells=False)
    read = bench.ask()
    for price in (TRIGGER, TRIGGER + 5):
        bench.price(price)
    bench.wait(30)
    bench.tell(replace(read, at_ns=bench.later()))
    assert where(entry) is OrderState.FILLED


def test_sending_makes_older_reads_worthless() -> None:
    bench = Bench()
    bench.hold()
    bench.is_desk_busy = True
    bench.bar(100_00, 101_00, 99_80, 100_50)
    read = bench.ask()
    bench.desk()
    bench.lose(bench.stop)
    bench.tell(replace(read, at_ns=bench.later()))
    assert where(bench.stop) is OrderState.MODIFY_UNDECIDED


def test_a_read_that_broke_off_proves_nothing_and_is_not_repeated_at_once() -> None:
    bench = Bench()
    bench.lose(bench.undercut())
    bench.wait(131)
    seq = bench.engine.seq
    for _ in range(3):
        bench.tell(BooksFailed(bench.later(), bench.engine.seq, "timeout"))
    assert where(bench.entry) is OrderState.UNDECIDED
    assert bench.engine.books_due_ns(bench.now_ns) == bench.now_ns + SECOND_NS
    assert bench.engine.account.asked_seq > seq


# --- complete reads ---------------------------------------------------------------------------------


def test_absence_counts_only_in_a_read_that_contains_every_id_seen_today() -> None:
    bench = Bench()
    stranger = bench.stranger(Side.BUY, 5)
    bench.stranger(Side.SELL, 5)
    entry = bench.undercut()
    bench.lose(entry)
    bench.wait(131)
    missing = bench.ledger.orders.pop(stranger)
    for _ in range(4):
        bench.books()
    assert where(entry) is OrderState.UNDECIDED
    bench.ledger.orders[stranger] = missing
    bench.books()
    bench.books()
    assert where(entry) is OrderState.ABSENT


def test_an_empty_position_book_counts_only_beside_a_tradebook_that_nets_to_it() -> None:
    bench = Bench()
    bench.hold()
    bench.ledger.positions.clear()
    for _ in range(5):
        bench.wait(3)
        bench.books()
    assert bench.frozen() is None
    assert bench.stop.terms.quantity == 10


def test_a_trade_without_its_order_in_the_book_makes_a_read_incomplete() -> None:
    bench = Bench()
    bench.stranger(Side.BUY, 5, tells=False)
    bench.stranger(Side.SELL, 5, tells=False)
    row = bench.ledger.orders.pop("X1")
    bench.books()
    before = bench.state.books_seq
    bench.books()
    assert bench.state.books_seq == before
    bench.ledger.orders["X1"] = row
    bench.books()
    assert bench.state.books_seq > before


def test_an_entry_needs_books_newer_than_its_own_making_that_show_nothing_held() -> None:
    bench = Bench()
    bench.stranger(Side.BUY, 5, tells=False)
    bench.price(TRIGGER)
    assert bench.took() == []
    assert bench.dropped == ["the account already holds the share"]


def test_where_the_books_stay_incomplete_the_entry_waits_and_lapses() -> None:
    bench = Bench()
    bench.stranger(Side.BUY, 5)
    bench.ledger.orders.clear()
    bench.price(TRIGGER)
    assert bench.took() == []
    (waiting,) = bench.waiting
    bench.wait(10)
    bench.admit(waiting)
    assert bench.took() == []
    assert bench.state.entry is not None


# --- lost orders ------------------------------------------------------------------------------------


def test_a_lost_order_is_recognised_by_what_was_sent_and_first_seen_after_it() -> None:
    bench = Bench()
    twin = bench.stranger(Side.BUY, 10, tells=False)
    bench.stranger(Side.SELL, 10, tells=False)
    bench.ledger.orders[twin] = replace(
        bench.ledger.orders[twin], price_type=PriceType.SL, price=100_30, trigger=ENTRY
    )
    bench.books()
    entry = bench.undercut()
    bench.lose(entry)
    bench.books()
    assert where(entry) is OrderState.UNDECIDED
    bench.reach(entry, PlaceOrder("ABC", 0, "", Role.ENTRY, Side.BUY, PriceType.SL, entry.terms), "Z")
    bench.books()
    assert entry.order_id == "Z"


@pytest.mark.parametrize(
    "other",
    [{"quantity": 9}, {"trigger": ENTRY + 5}, {"side": Side.SELL}],
    ids=["quantity", "trigger", "side"],
)
def test_an_order_that_differs_in_anything_is_not_the_lost_one(other: dict[str, int]) -> None:
    bench = Bench()
    entry = bench.undercut()
    bench.lose(entry, reached=True)
    bench.ledger.orders["1"] = replace(bench.ledger.orders["1"], **other)  # type: ignore[arg-type]
    bench.books()
    assert where(entry) is OrderState.UNDECIDED
    assert entry.order_id is None


def test_a_lost_exit_is_not_mistaken_for_a_phantom_stop_at_the_same_price() -> None:
    """Stop at 99.00 with its limit at 98.00; an exit a percent below 99.00 has that limit too."""
    bench = Bench()
    bench.fill(bench.rest())
    stop = bench.stop
    intent = bench.lose(stop)
    bench.price(INITIAL)
    for _ in range(2):
        bench.wait(2)
        bench.price(98_99)
        bench.books()
    out = bench.exit
    assert (out.terms.price, stop.terms.price) == (98_00, 98_00)
    bench.reach(stop, intent, "S")
    bench.lose(out)
    bench.books()
    assert (stop.order_id, out.order_id) == ("S", None)


def test_a_second_candidate_freezes_the_symbol_and_both_quantities_are_protected() -> None:
    bench = Bench()
    entry = bench.undercut()
    intent = bench.lose(entry, reached=True)
    bench.books()
    bench.settle()
    bench.wait(20)
    bench.reach(entry, intent, "2")
    bench.books()
    assert bench.frozen() is not None
    assert bench.said.count("order_found") == 1
    bench.settle()
    assert not bench.state.phantoms
    both = Bench()
    entry = both.undercut()
    intent = both.lose(entry, reached=True)
    both.reach(entry, intent, "2")
    both.ledger.execute("1", 10, ENTRY)
    both.ledger.execute("2", 10, ENTRY)
    both.books()
    both.settle()
    assert both.frozen() is not None
    assert both.stop.terms.quantity == 20
    assert both.state.leaving is None


def test_a_second_candidate_is_watched_for_also_after_the_first_has_filled() -> None:
    bench = Bench()
    entry = bench.undercut()
    intent = bench.lose(entry, reached=True)
    bench.books()
    bench.fill(entry)
    bench.settle()
    assert where(entry) is OrderState.FILLED
    bench.wait(20)
    assert bench.engine.books_due_ns(bench.now_ns) <= bench.now_ns
    bench.reach(entry, intent, "5")
    bench.books()
    assert bench.frozen() is not None


def test_after_the_settle_time_another_order_like_ours_is_somebody_elses() -> None:
    bench = Bench()
    entry = bench.undercut()
    intent = bench.lose(entry, reached=True)
    bench.books()
    bench.settle()
    bench.wait(131)
    bench.books()
    assert not entry.is_bound_by_books
    bench.reach(entry, intent, "2")
    bench.books()
    assert bench.frozen() is None
    assert bench.state.phantoms == []


def test_a_late_answer_with_another_id_freezes() -> None:
    bench = Bench()
    entry = bench.undercut()
    intent = bench.lose(entry, reached=True)
    bench.books()
    assert entry.order_id == "1"
    bench.reach(entry, intent, "2")
    bench.answer_late(intent, "2")
    assert bench.frozen() is not None


def test_a_trade_whose_order_the_book_does_not_show_yet_may_be_ours_and_is_not_foreign() -> None:
    """The order book is read before the tradebook: what was placed between them has a trade and no order."""
    bench = Bench()
    entry = bench.undercut()
    bench.lose(entry, reached=True)
    bench.fill(entry, tells=False)
    row = bench.ledger.orders.pop("1")
    bench.take()
    bench.books()
    assert bench.state.foreign == {}
    assert bench.engine.books_due_ns(bench.now_ns) <= bench.now_ns
    assert bench.took() == ["place stop"]
    bench.ledger.orders["1"] = row
    bench.books()
    assert (bench.state.held, bench.state.provisional) == (10, 0)
    assert bench.took() == []


def test_what_was_taken_for_a_strangers_order_is_given_back_when_it_turns_out_to_be_ours() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    stop = bench.stop
    intent = bench.lose(stop, reached=True)
    bench.frame_of(replace(bench.ledger.orders["2"], trigger=INITIAL + 5, filled=10, average=INITIAL))
    assert bench.state.held == 0
    assert bench.state.position.taken == 10
    bench.fill(stop, tells=False)
    bench.answer_late(intent, "2")
    bench.books()
    bench.settle()
    (trade,) = bench.trades
    assert (trade.reason, trade.exit_value) == (ExitReason.STOP, 10 * INITIAL)


def test_an_order_found_to_be_ours_after_its_trade_was_reported_changes_nothing_any_more() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    stop = bench.stop
    intent = bench.lose(stop)
    bench.price(INITIAL)
    for _ in range(2):
        bench.wait(2)
        bench.price(INITIAL)
        bench.books()
    bench.reach(stop, intent, "2")
    bench.ledger.execute("2", 10, INITIAL)
    bench.frame_of(replace(bench.ledger.orders["2"], trigger=INITIAL + 5))
    bench.refuse(bench.exit)
    bench.settle()
    assert len(bench.trades) == 1
    bench.answer_late(intent, "2")
    bench.settle()
    bench.wait(5)
    bench.settle()
    assert (bench.state.held, len(bench.trades), bench.state.slots) == (0, 1, ())
    assert where(stop) is OrderState.FILLED


# --- shares seen before their fill ------------------------------------------------------------------


def seen(bench: Bench, quantity: int) -> None:
    """The position book shows shares that no trade explains yet."""
    bench.ledger.positions["ABC"] = quantity
    bench.books()


def test_shares_of_an_undecided_entry_seen_only_in_the_position_book_are_protected_at_once() -> None:
    bench = Bench()
    bench.lose(bench.undercut())
    bench.take()
    seen(bench, 10)
    (placed,) = bench.take()
    assert isinstance(placed, PlaceOrder)
    assert placed.role is Role.STOP
    assert placed.terms == Terms(10, 98_00, INITIAL)


def test_no_more_is_protected_than_the_undecided_entry_could_have_bought() -> None:
    bench = Bench()
    bench.lose(bench.undercut())
    seen(bench, 25)
    assert bench.stop.terms.quantity == 10


def test_shares_seen_beside_a_known_partial_fill_are_protected_with_it() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 4)
    bench.settle()
    seen(bench, 10)
    assert bench.state.exposure == 10
    (raised,) = [intent for intent in bench.take() if isinstance(intent, ModifyOrder)]
    assert raised.terms.quantity == 10
    seen(bench, 12)
    assert bench.state.exposure == 10


def test_a_fill_told_after_its_shares_were_seen_is_not_protected_twice() -> None:
    bench = Bench()
    entry = bench.undercut()
    bench.lose(entry, reached=True)
    seen(bench, 10)
    bench.settle()
    assert bench.state.provisional == 10
    bench.ledger.positions["ABC"] = 6
    bench.fill(entry, 4)
    assert (bench.state.held, bench.state.exposure) == (4, 10)


def test_a_position_book_that_lags_behind_a_sale_protects_nothing() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 4)
    bench.settle()
    bench.fill(bench.stop)
    bench.take()
    seen(bench, 4)
    assert bench.state.exposure == 0
    assert "place stop" not in bench.took()


def test_a_position_book_that_lags_behind_a_strangers_sale_protects_nothing() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 4)
    bench.settle()
    bench.stranger(Side.SELL, 4)
    bench.ledger.orders["X3"] = replace(bench.ledger.orders["X3"], filled=None, average=0)
    bench.ledger.trades.pop()
    bench.take()
    seen(bench, 8)
    assert bench.state.provisional == 0


def test_books_that_lag_behind_a_strangers_sale_show_no_shares_of_a_resting_entry() -> None:
    """Found by simulation: an old read set off against the sale known by now looked like a fill of ours."""
    bench = Bench()
    bench.rest()
    bench.stranger(Side.SELL, 20)
    bench.ledger.orders.pop("X2")
    bench.ledger.trades.pop()
    bench.ledger.positions["ABC"] = 0
    bench.take()
    seen(bench, 0)
    assert bench.state.provisional == 0
    assert bench.state.stop is None


def test_a_read_older_than_what_is_known_shows_no_shares_of_the_next_entry() -> None:
    """Found by simulation: after a quick re-entry an old read still showed the trade before as open."""
    bench = Bench()
    bench.hold()
    older = bench.ask()
    bench.fill(bench.stop)
    bench.settle()
    bench.rest()
    bench.take()
    late = replace(older, at_ns=bench.later(), asked_ns=bench.now_ns, asked_seq=bench.engine.seq)
    bench.tell(late)
    assert bench.state.provisional == 0
    assert bench.state.stop is None


def test_nor_does_a_read_that_lacks_an_order_known_to_have_filled() -> None:
    """Found by simulation: it was from before that order was in the books."""
    bench = Bench()
    bench.fill(bench.rest())
    older = bench.ask()
    bench.settle()
    bench.fill(bench.stop)
    bench.settle()
    bench.rest()
    bench.take()
    bench.tell(replace(older, at_ns=bench.later(), asked_ns=bench.now_ns, asked_seq=bench.engine.seq))
    assert bench.state.provisional == 0
    assert bench.state.stop is None


@pytest.mark.parametrize("quantity", [-10, 0])
def test_shares_on_the_other_side_are_not_the_entrys(quantity: int) -> None:
    bench = Bench()
    bench.lose(bench.undercut())
    seen(bench, quantity)
    assert bench.state.stop is None


def test_an_entry_without_its_answer_yet_counts_like_an_undecided_one() -> None:
    bench = Bench()
    bench.undercut()
    seen(bench, 10)
    assert bench.stop.terms.quantity == 10


def test_when_the_fill_is_known_the_levels_follow_it_and_the_stop_is_never_lowered() -> None:
    for price, trigger in ((ENTRY + 10, INITIAL + 10), (ENTRY - 10, INITIAL)):
        bench = Bench()
        entry = bench.undercut()
        bench.lose(entry, reached=True)
        seen(bench, 10)
        bench.accept(bench.stop)
        bench.ledger.positions["ABC"] = 0
        bench.fill(entry, price=price, tells=False)
        bench.books()
        bench.settle()
        assert bench.state.held == 10
        assert bench.stop.terms.trigger == trigger
        assert bench.state.initial_level == price - 1_00
        assert bench.frozen() is None


def test_shares_that_turn_out_to_be_somebody_elses_are_left_alone_again() -> None:
    bench = Bench()
    entry = bench.undercut()
    bench.lose(entry)
    seen(bench, 10)
    bench.accept(bench.stop)
    bench.ledger.positions["ABC"] = 0
    bench.stranger(Side.BUY, 10, tells=False)
    bench.take()
    bench.books()
    assert bench.state.provisional == 0
    assert bench.took() == ["cancel stop"]
    bench.settle()
    bench.wait(131)
    bench.books()
    bench.books()
    assert where(entry) is OrderState.ABSENT
    assert bench.state.initial_level is None
    assert bench.state.slots == ()


def test_unseen_shares_are_read_for_every_second() -> None:
    bench = Bench()
    bench.rest()
    seen(bench, 10)
    bench.settle()
    assert where(bench.entry) is OrderState.WORKING
    assert bench.engine.books_due_ns(bench.now_ns) == bench.engine.account.asked_ns + SECOND_NS


def test_no_bar_raises_the_stop_of_shares_whose_fill_is_not_known() -> None:
    bench = Bench()
    bench.lose(bench.undercut())
    seen(bench, 10)
    bench.accept(bench.stop)
    bench.take()
    bench.bar(100_00, 101_00, 99_80, 100_50)
    assert bench.took() == []


# --- fewer than we think ----------------------------------------------------------------------------


def shrink(bench: Bench, quantity: int) -> None:
    """The account holds less than our fills add up to, and its books agree with each other."""
    bench.ledger.trades = [TradeRow("1", "ABC", Side.BUY, quantity, ENTRY)] if quantity else []
    bench.ledger.positions["ABC"] = quantity


@pytest.mark.parametrize(("quantity", "asked"), [(7, "modify stop"), (0, "cancel stop")])
def test_two_fresh_reads_below_our_quantity_reduce_or_cancel_the_stop(quantity: int, asked: str) -> None:
    bench = Bench()
    bench.hold()
    shrink(bench, quantity)
    bench.books()
    bench.books()
    assert bench.took() == [], "all books together may lag behind the fills that frames told of"
    bench.wait(2)
    bench.books()
    assert bench.took() == [asked]
    assert bench.frozen() is not None
    assert bench.state.exposure == quantity


def test_a_single_read_below_our_quantity_changes_nothing() -> None:
    bench = Bench()
    bench.hold()
    shrink(bench, 7)
    bench.books()
    shrink(bench, 10)
    bench.books()
    shrink(bench, 7)
    bench.books()
    assert bench.took() == []
    assert bench.frozen() is None


def test_an_unsettled_order_of_ours_may_explain_what_is_missing() -> None:
    bench = Bench()
    bench.hold()
    bench.bar(100_00, 101_00, 99_80, 100_50)
    bench.lose(bench.stop)
    bench.show("2", Terms(10, 98_70, 99_65))
    shrink(bench, 0)
    bench.take()
    for _ in range(4):
        bench.books()
    assert bench.took() == []


def test_what_the_account_does_not_hold_stays_unsold_while_the_stop_is_being_cancelled() -> None:
    bench = Bench()
    stop = bench.hold()
    shrink(bench, 0)
    bench.books()
    bench.wait(2)
    bench.books()
    assert where(stop) is OrderState.CANCELLING
    bench.books()
    assert bench.state.exposure == 0
    bench.end(stop)
    bench.books()
    bench.books()
    bench.take()
    bench.wait(10)
    assert bench.took() == []


def test_shares_that_come_back_are_protected_again() -> None:
    bench = Bench()
    stop = bench.hold()
    shrink(bench, 0)
    bench.books()
    bench.wait(2)
    bench.books()
    bench.end(stop)
    bench.books()
    bench.take()
    shrink(bench, 10)
    bench.books()
    assert bench.took() == ["place stop"]


def test_working_sells_never_exceed_what_the_account_holds() -> None:
    bench = Bench()
    bench.hold()
    shrink(bench, 7)
    bench.books()
    bench.wait(2)
    bench.books()
    bench.settle()
    bench.wait_until(EXIT_NS)
    bench.price(100_00)
    bench.settle()
    bench.wait(2)
    bench.settle()
    assert bench.exit.terms.quantity == 7


# --- others on the account --------------------------------------------------------------------------


def test_orders_of_others_are_recognised_and_left_alone() -> None:
    bench = Bench()
    bench.hold()
    bench.stranger(Side.BUY, 5)
    bench.stranger(Side.SELL, 5)
    bench.books()
    bench.books()
    assert bench.took() == []
    assert bench.frozen() is None
    assert bench.state.held == 10
    assert set(bench.said) <= {"foreign_fill", "unprotected"}


def test_a_foreign_fill_asks_for_the_books_at_once() -> None:
    bench = Bench()
    bench.hold()
    assert bench.engine.books_due_ns(bench.now_ns) > bench.now_ns
    bench.stranger(Side.BUY, 4)
    assert bench.engine.books_due_ns(bench.now_ns) == bench.now_ns


def test_a_trade_without_its_order_asks_for_one_more_read_at_once_and_not_for_ever() -> None:
    bench = Bench()
    bench.stranger(Side.BUY, 5, tells=False)
    bench.stranger(Side.SELL, 5, tells=False)
    bench.ledger.orders.clear()
    bench.books()
    assert bench.engine.books_due_ns(bench.now_ns) == bench.now_ns
    bench.books()
    assert bench.engine.books_due_ns(bench.now_ns) > bench.now_ns


def test_a_foreign_fill_is_counted_once_whether_by_frame_or_by_book() -> None:
    bench = Bench()
    bench.hold()
    bench.stranger(Side.SELL, 4)
    for _ in range(3):
        bench.frame("X3")
        bench.books()
    assert bench.state.held == 6
    assert bench.said.count("foreign_fill") == 1


def test_a_foreign_fill_learnt_from_the_books_reduces_the_stop_as_well() -> None:
    bench = Bench()
    bench.hold()
    bench.stranger(Side.SELL, 4, tells=False)
    bench.books()
    (reduced,) = bench.take()
    assert isinstance(reduced, ModifyOrder)
    assert reduced.terms.quantity == 6


def test_others_may_sell_what_they_bought_without_touching_ours() -> None:
    bench = Bench()
    bench.hold()
    bench.stranger(Side.BUY, 4)
    bench.stranger(Side.SELL, 6)
    assert bench.state.held == 8


def test_a_strangers_working_order_without_a_fill_is_nothing() -> None:
    bench = Bench()
    bench.hold()
    row = replace(bench.ledger.orders["2"], order_id="X", trigger=50_00, filled=None)
    bench.frame_of(row)
    assert bench.took() == []
    assert "foreign_fill" not in bench.said


def test_after_a_stranger_has_closed_our_position_the_symbol_is_left_to_him() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.stranger(Side.SELL, 10)
    bench.end(stop)
    bench.settle()
    bench.take()
    bench.price(TRIGGER)
    assert bench.took() == []
    assert bench.state.is_done


def test_a_read_without_the_symbol_says_that_it_is_flat() -> None:
    bench = Bench(symbols=("ABC", "XYZ"))
    bench.hold()
    bench.symbol = "XYZ"
    bench.books()
    assert bench.state.account_net == 0
    assert bench.state.books_seq >= bench.state.newest_seq


def test_rows_of_symbols_that_are_not_traded_are_passed_over() -> None:
    bench = Bench()
    bench.hold()
    row = replace(bench.ledger.orders["1"], order_id="N", symbol="NIFTY", status=Status.WORKING)
    bench.ledger.orders["N"] = row
    read = bench.ask()
    bench.tell(replace(read, positions=(*read.positions, PositionRow("NIFTY", 75)), at_ns=bench.later()))
    assert bench.took() == []


def test_a_strangers_sale_heard_of_before_our_own_last_fill_takes_that_too_once_a_read_shows_it() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 4)
    bench.settle()
    bench.take()
    bench.fill(entry, 6, tells=False)
    bench.stranger(Side.SELL, 10)
    assert (bench.state.held, bench.state.position.taken) == (0, 4)
    bench.settle()
    assert bench.state.held == 0
    assert "place stop" not in bench.took()
    assert bench.frozen() is None
    (trade,) = bench.trades
    assert (trade.quantity, trade.entry_value, trade.exit_value) == (10, 10 * ENTRY, 10 * ENTRY)


def test_of_a_strangers_sale_no_more_is_taken_than_the_account_lacks() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.stranger(Side.BUY, 3, tells=False)
    bench.fill(entry, 4)
    bench.settle()
    bench.fill(entry, 6, tells=False)
    bench.stranger(Side.SELL, 9)
    bench.settle()
    assert (bench.state.held, bench.state.account_net) == (4, 4)
    assert bench.stop.terms.quantity - bench.stop.filled == 4
