"""Three channels, one truth: answers, frames and books settle what became of an order."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import permutations

import pytest

from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import OrderAnswered, Outcome, Status, Verb
from olaf_async.domain.intents import OrderIntent, Severity
from olaf_async.domain.order import Order, OrderState, Side, Terms
from tests.core.bench import ENTRY, INITIAL, TRIGGER, Bench, where


def is_unknown(order: Order) -> bool:
    return order.order_id is None


# --- acceptance -------------------------------------------------------------------------------------


def test_the_first_decisive_evidence_settles_a_placing_and_the_rest_changes_nothing() -> None:
    """Every order of answer, acknowledging frame, frame of the fill and read of the books ends alike."""
    endings = set()
    for order_of_news in permutations(("answer", "acknowledged", "filled", "books")):
        bench = Bench()
        entry = bench.undercut()
        intent = bench.open.pop()
        bench.reach(entry, intent)
        working = bench.ledger.orders["1"]
        bench.ledger.execute("1", 10, ENTRY)
        channels: dict[str, Callable[[], None]] = {
            "answer": partial(bench.answer_late, intent, "1"),
            "acknowledged": partial(bench.frame_of, working),
            "filled": partial(bench.frame, "1"),
            "books": bench.books,
        }
        for news in order_of_news:
            channels[news]()
        placed = bench.took()
        endings.add((entry.state, entry.order_id, bench.state.held, bench.state.frozen, tuple(placed)))
    assert endings == {(OrderState.FILLED, "1", 10, None, ("place entry", "place stop"))}


def test_a_frame_ahead_of_its_answer_is_claimed_by_the_order_in_flight() -> None:
    bench = Bench()
    entry = bench.undercut()
    bench.reach(entry, bench.open[0])
    bench.fill(entry)
    assert where(entry) is OrderState.FILLED
    assert bench.took() == ["place entry", "place stop"]
    bench.accept(entry, "1")
    assert bench.state.held == 10


def test_a_frame_before_the_order_was_sent_is_not_its_acknowledgement() -> None:
    bench = Bench()
    bench.is_desk_busy = True
    entry = bench.undercut()
    bench.reach(entry, bench.waiting[0], "X1")
    bench.frame("X1")
    assert bench.state.orders == (entry,)
    assert is_unknown(entry)
    bench.desk()
    bench.accept(entry, "2")
    assert bench.id_of(entry) == "2"
    assert bench.frozen() is None


@pytest.mark.parametrize(
    "change",
    [{"quantity": 11}, {"trigger": ENTRY + 5}, {"side": Side.SELL}],
    ids=["quantity", "trigger", "side"],
)
def test_a_frame_of_anything_but_what_was_sent_is_somebody_elses(change: dict[str, int]) -> None:
    bench = Bench()
    entry = bench.undercut()
    bench.reach(entry, bench.open[0])
    row = replace(bench.ledger.orders["1"], **change)  # type: ignore[arg-type]
    bench.frame_of(row)
    assert entry.order_id is None


def test_an_answer_after_its_order_was_seen_under_another_id_freezes_and_protects_both() -> None:
    bench = Bench()
    entry = bench.undercut()
    intent = bench.open[0]
    bench.reach(entry, intent, "1")
    bench.frame("1")
    bench.reach(entry, intent, "2")
    bench.accept(entry, "2")
    assert bench.frozen() is not None
    bench.take()
    bench.fill(entry)
    bench.accept(bench.stop)
    bench.ledger.execute("2", 10, ENTRY)
    bench.frame("2")
    assert bench.state.held == 20
    assert bench.stop.pending is not None
    assert bench.stop.pending.quantity == 20
    assert "place exit" not in bench.took()


def test_a_second_id_is_taken_in_once() -> None:
    bench = Bench()
    entry = bench.undercut()
    intent = bench.open[0]
    bench.accept(entry, "1")
    for _ in range(3):
        bench.reach(entry, intent, "2")
        bench.answer_late(intent, "2")
    assert len(bench.state.phantoms) == 1
    assert bench.said.count("frozen") == 1


def test_a_refusal_of_an_order_that_has_been_seen_freezes() -> None:
    bench = Bench()
    entry = bench.undercut()
    bench.reach(entry, bench.open[0])
    bench.frame("1")
    bench.refuse(entry)
    assert where(entry) is not OrderState.REJECTED
    assert bench.frozen() is not None


def test_a_refusal_told_twice_is_one_refusal() -> None:
    bench = Bench()
    entry = bench.undercut()
    intent = bench.open[0]
    bench.refuse(entry)
    bench.answer_late(intent, None, Outcome.REFUSED)
    assert where(entry) is OrderState.REJECTED
    assert bench.state.rejections == 1


def test_an_answer_about_nothing_of_ours_is_ignored() -> None:
    bench = Bench()
    bench.tell(OrderAnswered("ABC", bench.later(), 99, "ABC/99-entry", Verb.PLACE, Outcome.ACCEPTED, "9"))
    assert bench.state.orders == ()


def test_a_late_answer_is_applied_to_the_order_it_was_asked_about_and_not_to_the_next() -> None:
    bench = Bench()
    first = bench.undercut()
    bench.refuse(first)
    bench.wait(5)
    second = bench.entry
    bench.tell(OrderAnswered("ABC", bench.later(), 1, first.key, Verb.PLACE, Outcome.LOST, None, "late"))
    assert where(first) is OrderState.REJECTED
    assert where(second) is OrderState.IN_FLIGHT


def test_a_timeout_is_not_evidence() -> None:
    bench = Bench()
    entry = bench.undercut()
    bench.accept(entry)
    bench.tell(OrderAnswered("ABC", bench.later(), 1, entry.key, Verb.PLACE, Outcome.LOST, None, "timeout"))
    assert where(entry) is OrderState.WORKING


def test_a_strangers_order_like_ours_that_comes_after_our_answer_is_his() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.frame_of(replace(bench.ledger.orders["1"], order_id="X"))
    assert bench.frozen() is None
    assert bench.state.orders == (entry,)


def test_an_answer_makes_a_read_asked_for_before_it_worthless() -> None:
    bench = Bench()
    entry = bench.undercut()
    read = bench.ask()
    bench.accept(entry)
    before = bench.state.books_seq
    bench.tell(replace(read, at_ns=bench.later()))
    assert bench.state.books_seq == before


def test_a_cancel_that_was_taken_asks_for_the_books_at_once() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.wait(900)
    bench.read_while_due()
    bench.accept(entry)
    assert bench.engine.books_due_ns(bench.now_ns) == bench.now_ns


def test_the_late_refusal_of_a_cancel_does_not_disturb_what_was_asked_since() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.stranger(Side.SELL, 10)
    (cancel,) = bench.open
    bench.wait(1)
    assert where(stop) is OrderState.CANCELLING
    bench.state.position.take(-10, -10 * ENTRY, 0)
    bench.books()
    assert where(stop) is OrderState.WORKING
    bench.bar(100_00, 101_00, 99_80, 100_50)
    assert where(stop) is OrderState.MODIFYING
    bench.answer_late(cancel, None, Outcome.REFUSED)
    assert where(stop) is OrderState.MODIFYING
    assert bench.frozen() is None


# --- ends -------------------------------------------------------------------------------------------


def test_complete_needs_its_trade() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.end(entry, Status.COMPLETE, tells=False)
    for _ in range(5):
        bench.books()
    assert where(entry) is OrderState.ENDING
    assert bench.took() == []
    bench.ledger.execute("1", 10, ENTRY)
    bench.books()
    assert where(entry) is OrderState.FILLED
    assert bench.took() == ["place stop"]


def test_complete_without_any_quantity_is_no_fill() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.frame_of(replace(bench.ledger.orders["1"], status=Status.COMPLETE, quantity=0))
    assert where(entry) is OrderState.ENDING


def test_waiting_for_the_trade_of_a_complete_order_reads_the_books_once_a_second_and_not_without_pause() -> (
    None
):
    bench = Bench()
    bench.end(bench.rest(), Status.COMPLETE, tells=False)
    bench.books()
    bench.read_while_due()
    assert bench.engine.books_due_ns(bench.now_ns) == bench.engine.account.asked_ns + SECOND_NS


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.REJECTED, Status.EXPIRED])
def test_an_end_in_a_book_needs_a_second_read_two_seconds_later(status: Status) -> None:
    bench = Bench()
    entry = bench.rest()
    bench.end(entry, status, tells=False)
    bench.books()
    assert where(entry) is OrderState.ENDING
    assert bench.read_while_due() == 1
    assert where(entry) is OrderState.ENDING, "a book may show another row's status for as long as a second"
    bench.wait(2)
    bench.books()
    assert entry.state.value == status.value


def test_an_end_in_a_frame_needs_one_read_asked_for_after_it() -> None:
    bench = Bench()
    entry = bench.rest()
    older = bench.ask()
    bench.end(entry)
    bench.tell(replace(older, orders=tuple(bench.ledger.orders.values()), at_ns=bench.later()))
    assert where(entry) is OrderState.ENDING
    bench.books()
    assert where(entry) is OrderState.CANCELLED


def test_a_book_that_shows_a_neighbours_status_once_is_not_believed() -> None:
    bench = Bench()
    entry = bench.rest()
    true_row = bench.ledger.orders["1"]
    bench.end(entry, Status.REJECTED, tells=False)
    bench.books()
    bench.ledger.orders["1"] = true_row
    bench.books()
    assert where(entry) is OrderState.WORKING


def test_a_book_does_not_take_back_what_a_frame_has_told() -> None:
    bench = Bench()
    entry = bench.rest()
    stale = bench.ledger.orders["1"]
    bench.end(entry)
    bench.ledger.orders["1"] = stale
    bench.books()
    assert where(entry) is OrderState.ENDING


def test_shares_filled_during_a_cancel_are_found_in_the_tradebook_before_anything_is_sold() -> None:
    """Four of ten fill, the book says only `cancelled`: four are held, never ten, never none."""
    bench = Bench()
    entry = bench.rest()
    bench.wait(900)
    bench.accept(entry)
    bench.fill(entry, 4, tells=False)
    bench.ledger.orders["1"] = replace(
        bench.ledger.orders["1"], status=Status.CANCELLED, filled=None, average=0
    )
    bench.books()
    bench.wait(2)
    bench.books()
    assert where(entry) is OrderState.CANCELLED
    assert bench.state.held == 4


def test_why_an_order_ended_is_passed_on() -> None:
    bench = Bench()
    bench.end(bench.rest(), Status.REJECTED)
    assert [say.text for say in bench.says if say.code == "order_ended"] == [
        "ABC: ABC/1-entry rejected: so be it"
    ]


def test_a_fill_after_its_orders_end_is_counted_with_an_alarm_and_protected() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.end(entry)
    bench.books()
    assert where(entry) is OrderState.CANCELLED
    bench.take()
    bench.fill(entry, 4, tells=False)
    bench.books()
    assert bench.took() == ["place stop"]
    late = next(say for say in bench.says if say.code == "late_fill")
    assert late.severity is Severity.ALARM


def test_news_of_fills_may_come_twice_late_and_in_any_order() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 4, tells=False)
    four = bench.ledger.orders["1"]
    bench.fill(entry, 5, tells=False)
    nine = bench.ledger.orders["1"]
    for row in (nine, four, nine, four):
        bench.frame_of(row)
    bench.books()
    bench.books()
    assert bench.state.held == 9


# --- modifies ---------------------------------------------------------------------------------------


def raising(bench: Bench) -> Terms:
    """A raise of the stop is in flight; the terms asked for."""
    bench.hold()
    bench.bar(100_00, 101_00, 99_80, 100_50)
    assert bench.took() == ["modify stop"]
    assert bench.stop.pending is not None
    return bench.stop.pending


@pytest.mark.parametrize(("reached", "trigger"), [(True, 99_70), (False, INITIAL)])
def test_an_undecided_modify_is_settled_by_the_row_that_shows_new_or_old_terms(
    reached: bool, trigger: int
) -> None:
    bench = Bench()
    raising(bench)
    stop = bench.stop
    bench.lose(stop, reached=reached)
    assert where(stop) is OrderState.MODIFY_UNDECIDED
    bench.books()
    assert (where(stop), stop.pending, stop.terms.trigger) == (OrderState.WORKING, None, trigger)


def test_after_an_undecided_modify_there_is_no_other_until_the_row_shows_old_or_new_terms() -> None:
    bench = Bench()
    wished = raising(bench)
    bench.lose(bench.stop)
    bench.show("2", replace(wished, price=wished.price + 5))
    for _ in range(5):
        bench.books()
        bench.bar(100_50, 102_00, 100_50, 101_50)
    assert where(bench.stop) is OrderState.MODIFY_UNDECIDED
    assert bench.took() == []


def test_terms_that_are_neither_old_nor_new_after_the_settle_time_are_what_the_broker_keeps() -> None:
    bench = Bench()
    raised = raising(bench)
    stop = bench.stop
    bench.lose(stop)
    kept = replace(raised, price=raised.price + 5)
    bench.show("2", kept)
    bench.wait(129)
    bench.books()
    assert where(stop) is OrderState.MODIFY_UNDECIDED
    bench.wait(2)
    bench.books()
    assert (where(stop), stop.terms) == (OrderState.WORKING, kept)


def test_an_undecided_modify_does_not_block_a_cancel_and_is_settled_beside_it() -> None:
    bench = Bench()
    wished = raising(bench)
    stop = bench.stop
    bench.lose(stop, reached=True)
    bench.stranger(Side.SELL, 10)
    assert bench.took() == ["cancel stop"]
    bench.refuse(stop)
    bench.books()
    assert (stop.pending, stop.terms) == (None, wished)


def test_only_the_newest_modifys_answer_counts() -> None:
    bench = Bench()
    wished = raising(bench)
    stop = bench.stop
    old = bench.lose(stop)
    bench.books()
    bench.wait(1)
    bench.bar(100_50, 102_00, 100_50, 101_50)
    newest = stop.pending
    assert newest not in (None, wished)
    bench.answer_late(old, "2")
    assert stop.pending is newest
    assert stop.terms.trigger == INITIAL


def test_an_older_modify_that_lands_late_is_looked_at_and_one_that_was_refused_late_is_not() -> None:
    bench = Bench()
    raising(bench)
    stop = bench.stop
    old = bench.lose(stop)
    bench.books()
    assert stop.pending is None
    bench.read_while_due()
    bench.answer_late(old, None, Outcome.REFUSED)
    assert bench.read_while_due() == 0
    bench.answer_late(old, "2")
    assert bench.read_while_due() == 1


def test_a_raise_that_counted_as_never_done_and_lands_after_all_stands() -> None:
    bench = Bench()
    raised = raising(bench)
    stop = bench.stop
    old = bench.lose(stop)
    bench.books()
    bench.reach(stop, old)
    bench.answer_late(old, "2")
    bench.read_while_due()
    assert stop.terms == raised
    assert bench.state.stop_level == raised.trigger
    assert "late_raise" in bench.said
    assert bench.took() == []


def test_a_book_that_lags_behind_a_raise_that_landed_late_is_no_other_terms() -> None:
    """Found by the simulator: the repair that followed was refused, and the symbol frozen for nothing."""
    bench = Bench()
    raising(bench)
    stop = bench.stop
    old = bench.lose(stop)
    bench.books()
    lagging = bench.ask()
    bench.reach(stop, old)
    bench.books()
    assert bench.said.count("late_raise") == 1
    bench.wait(1)
    bench.tell(replace(lagging, at_ns=bench.later(), asked_ns=bench.now_ns, asked_seq=bench.engine.seq))
    assert "terms_differ" not in bench.said
    assert bench.took() == []
    bench.wait(1)
    assert bench.read_while_due() == 1, "it is looked at until a read shows it as it is known"
    assert bench.read_while_due() == 0
    assert bench.frozen() is None


def test_a_larger_quantity_that_counted_as_never_done_and_lands_after_all_stands() -> None:
    """Found by the simulator: it was taken back to the smaller one, though more was held by then."""
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 4)
    bench.accept(bench.stop)
    bench.books()
    bench.fill(entry, 6)
    stop = bench.stop
    old = bench.lose(stop)
    bench.books()
    assert stop.pending is None
    bench.take()
    bench.reach(stop, old)
    bench.answer_late(old, "2")
    bench.read_while_due()
    assert stop.terms.quantity == 10
    assert "terms_differ" not in bench.said
    assert bench.took() == []


def lost_raises(bench: Bench) -> list[OrderIntent]:
    """Two raises of the stop that counted as never done, and a third that the broker has taken."""
    raising(bench)
    lost = [bench.lose(bench.stop)]
    bench.books()
    bench.wait(2)
    bench.bar(100_50, 101_50, 100_00, 101_00)
    lost.append(bench.lose(bench.stop))
    bench.books()
    bench.wait(2)
    bench.bar(100_50, 101_50, 100_40, 101_00)
    bench.accept(bench.stop)
    bench.read_while_due()
    bench.take()
    return lost


def lasts(bench: Bench) -> None:
    """What the broker keeps by now is read for long enough to be believed."""
    for _ in range(2):
        bench.wait(5)
        bench.books()


def test_each_change_that_was_lost_may_land_late_and_is_put_right() -> None:
    """Found by the simulator: at the second the symbol was frozen, though the broker kept what was sent."""
    bench = Bench()
    lost = lost_raises(bench)
    stop, terms = bench.stop, bench.stop.terms
    for old in lost:
        bench.reach(stop, old)
        lasts(bench)
        assert stop.terms != terms
        bench.accept(stop)
        bench.read_while_due()
        assert stop.terms == terms
    assert bench.said.count("terms_differ") == len(lost)
    assert bench.frozen() is None
    for _ in range(2):
        assert bench.frozen() is None, "what nothing explains is put right once"
        bench.show(bench.id_of(stop), Terms(9, 98_00, 99_00))
        lasts(bench)
        if stop.pending is not None:
            bench.accept(stop)
        bench.read_while_due()
    assert bench.frozen() is not None


def test_a_change_that_landed_late_and_cannot_be_put_right_leaves_the_shares_no_less_protected() -> None:
    """Found by the simulator: the server refused it in semi-auto mode; the missing share was given up."""
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 9)
    bench.accept(bench.stop)
    bench.books()
    bench.bar(100_00, 101_00, 99_80, 100_50)
    old = bench.lose(bench.stop)
    bench.books()
    bench.fill(entry, 1)
    bench.wait(1)
    bench.accept(bench.stop)
    bench.read_while_due()
    stop = bench.stop
    assert stop.terms.quantity == 10
    bench.take()
    bench.reach(stop, old)
    bench.show(bench.id_of(stop), replace(stop.terms, quantity=9))
    lasts(bench)
    bench.refuse(stop, "not allowed in Semi-Auto mode")
    assert bench.frozen() is None
    bench.wait(1)
    assert bench.took()[-1] == "modify stop"
    bench.accept(stop)
    assert stop.terms.quantity == 10


def test_a_repair_whose_answer_was_lost_is_asked_for_again_and_was_refused_by_nobody() -> None:
    """Found by the simulator: a book that showed the old terms was taken for the broker's refusal."""
    bench = Bench()
    stop = bench.hold()
    bench.show(bench.id_of(stop), Terms(9, 98_00, 99_00))
    bench.books()
    bench.lose(stop)
    bench.books()
    assert bench.frozen() is None
    bench.take()
    bench.wait(1)
    assert bench.took() == ["modify stop"]
    bench.accept(stop)
    bench.read_while_due()
    assert stop.terms.quantity == 10


def test_a_modifys_answer_after_the_orders_end_changes_nothing() -> None:
    bench = Bench()
    raising(bench)
    stop = bench.stop
    bench.fill(stop)
    bench.accept(stop)
    assert where(stop) is OrderState.FILLED
    assert bench.frozen() is None


def test_an_order_that_fills_to_its_old_quantity_while_a_larger_one_is_asked_for_has_not_ended() -> None:
    """The larger quantity may have reached the exchange: five shares may still be sold."""
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 5)
    bench.accept(bench.stop)
    bench.books()
    stop = bench.stop
    bench.fill(entry, 5)
    assert stop.pending is not None
    bench.reach(stop, bench.open[-1])
    bench.ledger.execute("2", 5, INITIAL)
    bench.frame("2")
    assert where(stop) is not OrderState.FILLED
    bench.accept(stop)
    assert stop.remaining == 5
    assert "place stop" not in bench.took()[2:]


def test_an_order_that_filled_before_a_larger_quantity_reached_it_has_ended_once_that_is_known() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 5)
    bench.accept(bench.stop)
    stop = bench.stop
    bench.fill(entry, 5)
    bench.fill(stop)
    bench.refuse(stop)
    assert where(stop) is OrderState.FILLED
    assert bench.state.held == 5
    assert bench.took()[-1:] == ["place stop"]


# --- money ------------------------------------------------------------------------------------------


def test_a_trade_is_reported_once_the_tradebook_has_told_what_it_was_worth() -> None:
    """A frame tells an average, rounded to the paisa; only the executions add up exactly."""
    bench = Bench()
    stop = bench.hold()
    bench.ledger.execute("2", 5, INITIAL)
    bench.ledger.execute("2", 5, INITIAL - 5)
    exact = INITIAL * 5 + (INITIAL - 5) * 5
    bench.frame_of(replace(bench.ledger.orders["2"], average=INITIAL))
    assert bench.state.held == 0
    assert bench.trades == []
    bench.price(TRIGGER)
    assert bench.took() == []
    bench.books()
    (trade,) = bench.trades
    assert (trade.exit_value, stop.value) == (exact, exact)
    assert bench.engine.account.realised == exact - 10 * ENTRY


def test_what_an_entry_was_worth_to_the_paisa_is_taken_over_from_the_tradebook() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.ledger.execute("1", 5, ENTRY)
    bench.ledger.execute("1", 5, ENTRY - 5)
    bench.frame_of(replace(bench.ledger.orders["1"], average=ENTRY))
    assert bench.state.position.entry_value == 10 * ENTRY
    bench.books()
    assert bench.state.position.entry_value == 10 * ENTRY - 25
    assert (bench.state.attempts, entry.filled) == (1, 10)


def test_a_trade_that_ends_after_the_window_waits_for_its_value_in_peace() -> None:
    bench = Bench()
    bench.hold()
    bench.wait(3600)
    bench.fill(bench.stop)
    bench.wait(10)
    assert bench.trades == []
    bench.books()
    assert len(bench.trades) == 1
    assert bench.state.is_done


def test_a_late_value_of_a_trade_already_reported_goes_into_the_days_result() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry)
    bench.settle()
    bench.fill(bench.stop)
    bench.settle()
    before = bench.engine.account.realised
    bench.ledger.trades[0] = replace(bench.ledger.trades[0], price=ENTRY + 1)
    bench.books()
    assert bench.engine.account.realised == before - 10
    assert (len(bench.trades), bench.state.held, bench.said) == (1, 0, [])
    assert entry.value == 10 * (ENTRY + 1)


def test_a_strangers_symbol_is_remembered_but_moves_nothing() -> None:
    bench = Bench()
    bench.rest()
    row = replace(bench.ledger.orders["1"], order_id="Y", symbol="XYZ")
    bench.frame_of(row)
    assert "Y" in bench.engine.account.seen_ids
    assert bench.took() == []


def test_a_price_above_the_trigger_is_no_news() -> None:
    bench = Bench()
    bench.rest()
    before = bench.engine.seq
    bench.price(TRIGGER + 10)
    assert bench.engine.seq == before


def test_a_frame_that_does_not_know_what_a_stranger_has_filled_takes_nothing_back() -> None:
    bench = Bench()
    bench.hold()
    order_id = bench.stranger(Side.SELL, 4)
    assert bench.state.held == 6
    row = bench.ledger.orders[order_id]
    for filled in (None, 0, 3):
        bench.frame_of(replace(row, filled=filled))
    assert bench.state.held == 6
    assert bench.state.foreign[order_id].signed == -4


@pytest.mark.parametrize("channel", ["frame", "books"])
def test_a_stop_that_shows_more_at_work_than_was_known_has_not_filled(channel: str) -> None:
    """A change of its quantity was refused and has been done all the same: nothing is sold beside it."""
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 9)
    bench.settle()
    stop = bench.stop
    bench.fill(entry, 1)
    bench.refuse(stop)
    assert stop.terms.quantity == 9
    bench.take()
    bench.show(bench.id_of(stop), replace(stop.terms, quantity=10))
    bench.fill(stop, 9, tells=channel == "frame")
    bench.books()
    assert (bench.state.stop, where(stop), bench.state.held) == (stop, OrderState.WORKING, 1)
    assert bench.took() == []
