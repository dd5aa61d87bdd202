"""The exact second and share at which what is said of one order of ours counts.

As in `test_exact_edges.py`: each was found by changing one sign of the core (`make mutate`).
"""

from dataclasses import replace

import pytest

from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import Command, Status
from olaf_async.domain.intents import CancelOrder, OrderIntent
from olaf_async.domain.order import Order, OrderState, Terms
from tests.core.bench import ENTRY, INITIAL, RULES, Bench, where

# --- which order it is ----------------------------------------------------------------------------------


def test_an_order_that_was_refused_is_not_found_in_the_books() -> None:
    """Somebody's order like it, placed afterwards, is his."""
    bench = Bench()
    entry = bench.undercut()
    asked = bench.open[-1]
    bench.refuse(entry)
    bench.reach(entry, asked)
    bench.books()
    assert entry.order_id is None
    assert "order_found" not in bench.said


def stop_placed_twice(bench: Bench) -> tuple[Order, OrderIntent]:
    """A stop that never was, by two reads after the settle time, and the one that was placed for it."""
    bench.fill(bench.rest())
    first = bench.stop
    asked = bench.lose(first)
    bench.wait_until((first.sent_ns or 0) + RULES.settle_ns)
    bench.books()
    assert where(first) is OrderState.UNDECIDED
    bench.books()
    assert where(first) is OrderState.ABSENT
    assert bench.stop is not first
    return first, asked


def test_reads_from_the_settle_time_on_prove_that_an_order_never_was() -> None:
    bench = Bench()
    stop_placed_twice(bench)
    assert bench.took()[-1] == "place stop"


def test_a_row_that_may_be_either_of_two_orders_is_one_of_them() -> None:
    """The other would be cancelled as a stop too many, and it is the same order at the broker."""
    bench = Bench()
    first, _ = stop_placed_twice(bench)
    bench.lose(bench.stop, reached=True)
    bench.take()
    bench.books()
    assert (bench.stop.order_id, first.order_id) == ("2", None)
    bench.wait(2)
    bench.books()
    assert bench.took() == []


@pytest.mark.parametrize("is_at_once", [True, False])
def test_each_of_two_orders_alike_takes_one_row(is_at_once: bool) -> None:
    """Found by the simulator: the second row passed for a second order of the first, and froze the symbol."""
    bench = Bench()
    first, asked = stop_placed_twice(bench)
    bench.lose(bench.stop, reached=True)
    if not is_at_once:
        bench.books()
    bench.reach(first, asked)
    bench.take()
    bench.books()
    assert (bench.stop.order_id, first.order_id) == ("2", "3")
    assert bench.frozen() is None
    (cancel,) = bench.take()
    assert (type(cancel), cancel.key) == (CancelOrder, first.key)


def test_one_order_too_many_is_taken_in_once_though_it_may_be_behind_either_of_two() -> None:
    bench = Bench()
    first, asked = stop_placed_twice(bench)
    bench.lose(bench.stop, reached=True)
    bench.reach(first, asked)
    bench.books()
    first.sent_ns = bench.now_ns  # so that a second one is watched for behind this request too
    first.is_bound_by_books = True
    bench.reach(first, asked)
    bench.books()
    assert [order.order_id for order in bench.state.phantoms] == ["3", "4"]
    assert "is at the broker twice" in (bench.frozen() or "")


def test_what_became_of_an_order_that_was_taken_for_the_next_is_asked_at_once() -> None:
    bench = Bench()
    first, asked = stop_placed_twice(bench)
    bench.frame(bench.reach(first, asked))
    bench.read_while_due()
    assert not bench.are_books_due
    bench.answer_late(asked, bench.stop.order_id)
    assert bench.are_books_due


# --- a change under way ---------------------------------------------------------------------------------


def test_a_change_whose_answer_was_lost_is_looked_for_at_once() -> None:
    bench = Bench()
    stop = bench.raising()
    bench.read_while_due()
    bench.lose(stop)
    assert bench.are_books_due


def test_a_change_that_is_answered_after_its_order_has_ended_asks_nothing() -> None:
    bench = Bench()
    stop = bench.raising()
    asked = bench.open[-1]
    bench.end(stop)
    bench.read_apart(2)
    bench.read_while_due()
    assert not stop.is_outstanding
    bench.answer_late(asked, stop.order_id)
    assert not bench.are_books_due


def test_from_the_settle_time_on_other_terms_of_a_lost_change_are_what_the_broker_keeps() -> None:
    bench = Bench()
    stop = bench.raising()
    bench.lose(stop)
    bench.show("2", Terms(10, 98_10, 99_10))
    bench.wait_until(stop.modify_sent_ns + RULES.settle_ns - 1)
    bench.books()
    assert where(stop) is OrderState.MODIFY_UNDECIDED
    bench.wait_until(stop.modify_sent_ns + RULES.settle_ns)
    bench.books()
    assert where(stop) is OrderState.WORKING


def test_a_raise_that_landed_late_is_looked_at_no_further_once_a_book_shows_it() -> None:
    bench = Bench()
    stop = bench.raising()
    old = bench.lose(stop)
    bench.books()
    bench.reach(stop, old)
    bench.wait(6)
    bench.books()
    bench.read_while_due()
    assert "late_raise" in bench.said
    assert bench.engine.books_due_ns(bench.now_ns) > bench.now_ns + SECOND_NS


def test_after_a_repair_that_was_refused_one_read_of_yet_other_terms_is_not_believed() -> None:
    bench = Bench()
    stop = bench.raising()
    bench.accept(stop)
    bench.show("2", Terms(10, 97_00, 98_00))
    bench.read_apart(3)
    assert bench.took()[-1] == "modify stop"
    bench.show("2", Terms(10, 96_00, 97_00))
    bench.refuse(stop, "try later")
    bench.wait(6)
    bench.books()
    assert bench.said.count("terms_differ") == 1


def doubting(bench: Bench) -> tuple[Order, Terms]:
    """The stop has been raised; a first read now shows it lower than that; what it showed."""
    stop, lower = bench.raising(), Terms(10, 97_00, 98_00)
    bench.accept(stop)
    bench.wait(6)
    bench.books()
    bench.show("2", lower)
    bench.books()
    return stop, lower


@pytest.mark.parametrize(("later_ns", "said"), [(2 * SECOND_NS - 1, 0), (2 * SECOND_NS, 1)])
def test_other_terms_count_that_last_for_two_seconds(later_ns: int, said: int) -> None:
    bench = Bench()
    stop, _ = doubting(bench)
    bench.wait_until(stop.doubted_ns + later_ns)
    bench.books()
    assert bench.said.count("terms_differ") == said


def test_after_a_raise_that_landed_late_one_read_of_before_is_not_believed() -> None:
    bench = Bench()
    stop, lower = doubting(bench)
    bench.wait(3)
    bench.show("2", Terms(10, 98_90, 99_90))
    bench.books()
    assert "late_raise" in bench.said
    bench.show("2", lower)
    bench.books()
    assert "terms_differ" not in bench.said
    assert stop.terms.trigger == 99_90


def test_an_order_that_works_while_its_change_is_on_the_way_contradicts_nothing() -> None:
    bench = Bench()
    stop = bench.raising()
    bench.books()
    assert (where(stop), bench.frozen()) == (OrderState.MODIFYING, None)


def test_a_cancel_has_failed_from_the_second_on_in_which_it_may_be_asked_for_again() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.command(Command.FLATTEN)
    bench.accept(stop)
    read = bench.ask()
    bench.tell(replace(read, at_ns=stop.next_cancel_ns - 1))
    assert where(stop) is OrderState.CANCELLING
    bench.take()
    bench.now_ns = stop.next_cancel_ns
    bench.tell(replace(read, at_ns=bench.now_ns))
    assert bench.took() == ["cancel stop"]


@pytest.mark.parametrize("filled", [0, 2])
def test_a_larger_quantity_that_nobody_asked_for_is_told(filled: int) -> None:
    """Also where some of it has filled: it is not taken for a change of ours that landed late."""
    bench = Bench()
    stop = bench.hold()
    if filled:
        bench.fill(stop, filled)
        bench.settle()
    bench.show("2", Terms(12, stop.terms.price, stop.terms.trigger))
    bench.read_apart(2)
    assert "terms_differ" in bench.said


# --- the end of an order --------------------------------------------------------------------------------


def test_an_end_that_is_told_again_is_no_news() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.end(stop, Status.REJECTED)
    bench.read_apart(2)
    assert not stop.is_outstanding
    bench.frame("2")
    assert bench.said.count("order_ended") == 1


def test_an_end_that_a_book_has_claimed_and_a_frame_confirms_is_proved_by_a_read_at_once() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.end(stop, tells=False)
    bench.books()
    bench.read_while_due()
    assert where(stop) is OrderState.ENDING
    bench.frame("2")
    assert bench.are_books_due


def test_a_stop_of_one_share_that_has_sold_before_a_second_reached_it_has_ended() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 1)
    bench.accept(bench.stop)
    stop = bench.stop
    bench.fill(entry, 1)
    assert stop.pending is not None
    bench.fill(stop)
    assert where(stop) is OrderState.FILLED


# --- a stop that nobody confirms ------------------------------------------------------------------------


def doubted(bench: Bench) -> int:
    """A stop whose answer was lost has been touched by the price; when that was."""
    bench.fill(bench.rest())
    bench.lose(bench.stop)
    bench.books()
    bench.price(INITIAL)
    bench.take()
    assert bench.state.touched_ns is not None
    return bench.state.touched_ns


def test_a_touched_stop_is_doubted_by_reads_from_the_second_second_on() -> None:
    bench = Bench()
    touched_ns = doubted(bench)
    for at_ns in (touched_ns + RULES.phantom_stop_ns - 1, touched_ns + RULES.phantom_stop_ns):
        bench.wait_until(at_ns)
        bench.books()
        assert "stop_phantom" not in bench.said
    bench.books()
    (said,) = (say for say in bench.says if say.code == "stop_phantom")
    assert said.text.endswith("was never confirmed and the price is through it; exiting")


def test_the_way_out_without_a_doubted_stop_is_taken_though_the_price_has_come_back() -> None:
    """A second stop beside one that may yet show up could sell twice."""
    bench = Bench()
    doubted(bench)
    bench.price(ENTRY)
    bench.wait(2)
    for _ in range(2):
        bench.price(ENTRY)
        bench.books()
    assert bench.took() == ["place exit"]
