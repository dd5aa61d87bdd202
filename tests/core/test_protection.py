"""Staying protected: one stop for all that is held, raised and never lowered, chased when jumped over."""

from dataclasses import replace
from fractions import Fraction

import pytest

from olaf_async.core.guards import STANDARD
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.bar import Bar
from olaf_async.domain.events import BarClosed, Command, Mode, ModeSeen, OrderRow, OrderUpdated, Status
from olaf_async.domain.intents import ModifyOrder, OrderIntent, PlaceOrder
from olaf_async.domain.order import Order, OrderState, PriceType, Role, Side, Terms
from olaf_async.domain.setup import Direction
from olaf_async.domain.trade import ExitReason
from tests.core.bench import ENTRY, EXIT_NS, INITIAL, RULES, STRATEGY, TRIGGER, Bench, where

LIMIT = 98_01
"""1 % below the initial stop, to the tick: 98.01 is rounded outward to 98.00."""


def stop_terms(bench: Bench) -> Terms:
    """The terms of the stop now, or as they have been asked for."""
    return bench.stop.pending or bench.stop.terms


# --- placing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "side", "terms"),
    [
        (Direction.LONG, Side.SELL, Terms(10, 98_00, 99_00)),
        (Direction.SHORT, Side.BUY, Terms(10, 102_05, 101_00)),
    ],
)
def test_a_fill_is_protected_in_the_same_step_by_a_stop_limit(
    direction: Direction, side: Side, terms: Terms
) -> None:
    bench = Bench(direction=direction)
    bench.fill(bench.rest())
    (placed,) = bench.take()
    assert isinstance(placed, PlaceOrder)
    assert (placed.role, placed.side, placed.price_type) == (Role.STOP, side, PriceType.SL)
    assert placed.terms == terms


def test_the_initial_stop_hangs_below_the_price_that_was_paid() -> None:
    bench = Bench()
    bench.fill(bench.rest(), price=100_15)
    assert bench.stop.terms.trigger == 99_15


def test_a_partial_fill_is_protected_and_the_quantity_raised_by_modify_as_fills_arrive() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 3)
    assert bench.stop.terms.quantity == 3
    bench.accept(bench.stop)
    bench.fill(entry, 4)
    bench.accept(bench.stop)
    bench.fill(entry, 3)
    bench.accept(bench.stop)
    assert bench.took() == ["place stop", "modify stop", "modify stop"]
    assert bench.stop.terms == Terms(10, 98_00, INITIAL)


def test_fills_that_arrive_while_a_raise_is_in_flight_become_one_more_raise() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 1)
    for _ in range(4):
        bench.fill(entry, 2)
    assert bench.took() == ["place stop"]
    bench.accept(bench.stop)
    (raised,) = bench.take()
    assert isinstance(raised, ModifyOrder)
    assert raised.terms.quantity == 9


def test_a_stop_still_at_the_desk_leaves_with_the_quantity_of_that_moment() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.is_desk_busy = True
    bench.fill(entry, 3)
    bench.fill(entry, 4)
    bench.desk()
    (placed,) = bench.take()
    assert isinstance(placed, PlaceOrder)
    assert placed.terms.quantity == 7


def test_where_the_guard_forbids_a_stop_none_is_placed() -> None:
    bench = Bench(guards=replace(STANDARD, may_place_stop=lambda _: False))
    bench.fill(bench.rest())
    bench.wait(1)
    assert bench.took() == []


def test_a_stop_in_flight_counts_as_present() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    for price in (99_80, 99_50, 99_20):
        bench.price(price)
    bench.wait(2)
    bench.books()
    assert bench.took() == ["place stop"]


# --- raising ----------------------------------------------------------------------------------------


def test_a_green_bar_raises_the_stop_by_a_modify_in_place() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.bar(100_00, 101_00, 99_80, 100_50)
    (raised,) = bench.take()
    assert isinstance(raised, ModifyOrder)
    assert raised.terms == Terms(10, 98_70, 99_70)
    assert bench.stop is stop


@pytest.mark.parametrize(
    "bar", [(100_50, 101_00, 99_80, 100_45), (100_00, 101_00, 98_90, 100_50)], ids=["a red bar", "a low bar"]
)
def test_a_stop_only_rises(bar: tuple[int, int, int, int]) -> None:
    bench = Bench()
    bench.hold()
    bench.bar(*bar)
    assert bench.took() == []
    assert bench.stop.terms.trigger == INITIAL


def test_a_bar_that_ended_before_the_fill_raises_nothing() -> None:
    bench = Bench()
    entry = bench.rest()
    ended_ns = bench.now_ns
    bench.wait(1)
    bench.fill(entry)
    bench.settle()
    bench.take()
    bench.now_ns = ended_ns
    bench.bar(100_00, 101_00, 99_80, 100_50)
    assert bench.took() == []


def test_the_bar_of_the_fill_may_be_told_to_raise_nothing() -> None:
    bench = Bench(strategy=replace(STRATEGY, trails_from_entry_bar=False))
    bench.hold()
    bench.wait(60)
    bench.bar(100_00, 101_00, 99_80, 100_50)
    assert bench.took() == []
    bench.wait(900)
    bench.bar(100_00, 101_00, 99_80, 100_50, span_s=900)
    assert bench.took() == ["modify stop"]


def test_a_stop_that_has_sold_in_part_trails_on_with_the_rest() -> None:
    bench = Bench()
    bench.fill(bench.hold(), 4)
    bench.bar(100_00, 101_00, 99_80, 100_50)
    (raised,) = bench.take()
    assert isinstance(raised, ModifyOrder)
    assert raised.terms == Terms(10, 98_70, 99_70)


def test_raises_that_come_while_one_is_in_flight_become_one() -> None:
    bench = Bench()
    bench.hold()
    for low in (99_50, 100_00, 100_50):
        bench.bar(low, low + 2_00, low, low + 1_00)
    assert bench.took() == ["modify stop"]
    bench.accept(bench.stop)
    assert bench.took() == ["modify stop"]
    assert stop_terms(bench).trigger == 100_40


def test_a_refused_raise_leaves_the_old_stop_standing_until_the_next_bar() -> None:
    bench = Bench()
    bench.hold()
    bench.bar(100_00, 101_00, 99_80, 100_50)
    bench.refuse(bench.stop)
    assert bench.stop.terms.trigger == INITIAL
    bench.books()
    bench.wait(100)
    assert bench.took() == ["modify stop"]
    bench.bar(100_00, 101_00, 99_90, 100_50)
    assert bench.took() == ["modify stop"]


def test_a_refused_raise_does_not_take_along_what_a_later_bar_has_wished_for() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.bar(99_90, 100_20, 99_60, 100_00)
    bench.bar(100_00, 101_00, 99_80, 100_50)
    wished = bench.state.stop_level
    bench.refuse(stop)
    bench.wait(1)
    bench.accept(stop)
    assert stop.terms.trigger == wished == 99_70


def test_a_refused_quantity_is_urgent_and_tried_again_a_second_later() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 4)
    bench.accept(bench.stop)
    bench.fill(entry, 6)
    bench.refuse(bench.stop)
    bench.take()
    bench.wait(0.9)
    assert bench.took() == []
    bench.wait(0.2)
    assert bench.took() == ["modify stop"]
    assert stop_terms(bench).quantity == 10


def test_a_quantity_refused_three_times_ends_the_position() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 4)
    bench.accept(bench.stop)
    bench.fill(entry, 6)
    for _ in range(3):
        assert bench.state.leaving is None
        bench.refuse(bench.stop)
        bench.wait(1)
    assert bench.state.leaving is ExitReason.RISK
    assert bench.took()[-1] == "cancel stop"


def test_a_quantity_that_was_taken_in_between_starts_the_count_of_refusals_anew() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 1)
    bench.accept(bench.stop)
    for _ in range(4):
        bench.fill(entry, 1)
        bench.refuse(bench.stop)
        bench.wait(1)
        bench.accept(bench.stop)
    assert bench.state.leaving is None


def test_a_raise_that_would_cover_more_than_is_held_by_now_does_not_leave_the_desk() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 4)
    bench.accept(bench.stop)
    bench.take()
    bench.is_desk_busy = True
    bench.fill(entry, 6)
    bench.stranger(Side.SELL, 8)
    bench.desk()
    assert bench.dropped == ["less is held by now"]
    bench.wait(1)
    (lowered,) = bench.take()
    assert isinstance(lowered, ModifyOrder)
    assert lowered.terms.quantity == 2


# --- budget -----------------------------------------------------------------------------------------


def test_raises_stop_at_the_reserve_of_the_brokers_modification_cap() -> None:
    bench = Bench(rules=replace(RULES, modifications_max=8, modifications_reserve=3))
    bench.hold()
    for step in range(12):
        bench.bar(100_00 + step * 10, 105_00, 99_80 + step * 10, 104_00)
        bench.settle()
        bench.wait(1)
    assert bench.took() == ["modify stop"] * 5
    assert bench.state.leaving is None


def test_with_the_reserve_reached_the_rest_of_the_entry_is_cancelled_and_fills_on_the_way_are_covered() -> (
    None
):
    bench = Bench(rules=replace(RULES, modifications_max=6, modifications_reserve=3))
    entry = bench.rest()
    bench.fill(entry, 1)
    bench.settle()
    for _ in range(3):
        bench.fill(entry, 1)
        bench.settle()
    assert bench.took()[-1] == "cancel entry"
    assert where(entry) is OrderState.CANCELLED
    assert bench.stop.terms.quantity == 4


def test_a_fill_while_the_last_of_an_entry_is_taken_back_uses_the_reserve() -> None:
    bench = Bench(rules=replace(RULES, modifications_max=3, modifications_reserve=2))
    entry = bench.rest()
    bench.fill(entry, 1)
    bench.accept(bench.stop)
    bench.fill(entry, 1)
    bench.accept(bench.stop)
    assert where(entry) is OrderState.CANCELLING
    bench.fill(entry, 1)
    bench.accept(bench.stop)
    assert bench.stop.terms.quantity == 3


def test_with_the_whole_budget_spent_shares_that_cannot_be_covered_end_the_position() -> None:
    bench = Bench(rules=replace(RULES, modifications_max=1, modifications_reserve=0))
    entry = bench.rest()
    for _ in range(2):
        bench.fill(entry, 1)
        bench.accept(bench.stop)
    assert bench.state.leaving is None
    bench.fill(entry, 1)
    assert bench.state.leaving is ExitReason.RISK


# --- read back --------------------------------------------------------------------------------------


def test_a_stop_is_read_back_after_placing_and_after_each_modify() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    bench.accept(bench.stop)
    assert bench.read_while_due() == 1
    bench.bar(100_00, 101_00, 99_80, 100_50)
    bench.accept(bench.stop)
    assert bench.read_while_due() == 1


@pytest.mark.parametrize(
    "kept",
    [
        Terms(9, 98_00, 99_00),
        Terms(10, 97_00, 99_00),
        Terms(10, 98_00, 98_95),
        Terms(10, 98_00, 0),
        Terms(9, 98_50, 99_50),
    ],
    ids=["quantity", "limit", "trigger", "no trigger", "quantity of a higher one"],
)
def test_terms_that_differ_field_by_field_are_put_right_once_and_then_a_person_is_called(kept: Terms) -> None:
    bench = Bench()
    bench.fill(bench.rest())
    bench.accept(bench.stop)
    bench.take()
    bench.show("2", kept)
    bench.books()
    (repair,) = bench.take()
    assert isinstance(repair, ModifyOrder)
    assert repair.terms == Terms(10, 98_00, 99_00)
    assert bench.frozen() is None
    bench.accept(bench.stop)
    bench.show("2", kept)
    bench.wait(5)
    bench.books()
    differing = [say.text for say in bench.says if say.code == "terms_differ"]
    assert [text.rpartition("; ")[2] for text in differing] == [
        "putting it right",
        "it was put right once already, a person must look",
    ]
    assert bench.frozen() is not None
    bench.wait(10)
    bench.books()
    assert bench.took() == []


def test_a_book_that_lags_behind_an_accepted_change_is_read_again_and_nothing_is_put_right() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 4)
    bench.accept(bench.stop)
    bench.books()
    bench.fill(entry, 6)
    before = bench.ledger.orders["2"]
    bench.accept(bench.stop)
    bench.take()
    after, bench.ledger.orders["2"] = bench.ledger.orders["2"], before
    bench.wait(4)
    bench.books()
    assert "terms_differ" not in [say.code for say in bench.says]
    assert bench.took() == []
    assert bench.engine.books_due_ns(bench.now_ns) == bench.engine.account.asked_ns + SECOND_NS
    bench.ledger.orders["2"] = after
    bench.books()
    assert bench.stop.terms.quantity == 10
    bench.ledger.orders["2"] = before
    bench.books()
    assert "terms_differ" not in bench.said, "a read may be answered from a copy that is older than the last"
    assert bench.engine.books_due_ns(bench.now_ns) == bench.engine.account.asked_ns + SECOND_NS
    bench.wait(1.9)
    bench.books()
    assert "terms_differ" not in bench.said
    bench.wait(0.2)
    bench.books()
    assert "terms_differ" in bench.said, "once shown, a change must stay"


def test_another_kind_of_order_than_was_sent_is_put_right_too() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    bench.accept(bench.stop)
    bench.take()
    bench.ledger.orders["2"] = replace(bench.ledger.orders["2"], price_type=PriceType.SL_M)
    bench.books()
    assert "terms_differ" in bench.said
    (repair,) = bench.take()
    assert isinstance(repair, ModifyOrder)
    assert repair.price_type is PriceType.SL


def test_a_stop_that_has_triggered_and_shows_as_a_limit_is_as_it_was_sent() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    bench.accept(bench.stop)
    bench.ledger.orders["2"] = replace(bench.ledger.orders["2"], price_type=PriceType.LIMIT)
    bench.books()
    assert "terms_differ" not in bench.said


def test_a_repair_that_a_cancel_overtakes_at_the_desk_was_refused_by_nobody() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.show(bench.id_of(stop), replace(stop.terms, trigger=98_90))
    bench.is_desk_busy = True
    bench.books()
    assert stop.state is OrderState.MODIFYING
    bench.command(Command.FLATTEN)
    bench.desk()
    assert bench.dropped == ["the order is cancel in flight"]
    assert bench.frozen() is None


def test_a_refused_repair_is_not_tried_for_ever() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    bench.accept(bench.stop)
    bench.show("2", Terms(10, 98_00, 98_95))
    bench.books()
    bench.refuse(bench.stop)
    bench.take()
    for _ in range(5):
        bench.wait(1)
        bench.books()
    assert bench.took() == []
    assert "will not have it mended" in (bench.frozen() or "")


# --- refused, gone ----------------------------------------------------------------------------------


def rejected(bench: Bench) -> None:
    bench.end(bench.stop, Status.REJECTED)
    bench.books()


def test_a_rejected_stop_is_placed_again_at_once_then_a_second_later_then_the_position_is_closed() -> None:
    bench = Bench()
    bench.hold()
    rejected(bench)
    assert bench.took() == ["place stop"]
    bench.accept(bench.stop)
    rejected(bench)
    assert bench.took() == []
    bench.wait(1)
    assert bench.took() == ["place stop"]
    bench.accept(bench.stop)
    rejected(bench)
    assert bench.state.leaving is ExitReason.RISK
    assert bench.took() == ["place exit"]
    assert bench.said.count("stop_rejected") == 3
    bench.settle()
    bench.fill(bench.exit)
    bench.settle()
    bench.take()
    bench.price(TRIGGER)
    assert bench.took() == []


def test_a_stop_refused_outright_is_a_rejected_stop() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    bench.refuse(bench.stop)
    assert bench.took() == ["place stop", "place stop"]


def test_a_stop_refused_because_price_is_through_it_is_followed_by_an_exit_at_once() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    bench.take()
    bench.price(INITIAL - 5)
    bench.refuse(bench.stop)
    assert bench.took() == ["place exit"]
    assert bench.state.leaving is ExitReason.STOP


def test_a_stop_refused_after_price_was_through_it_and_came_back_is_placed_again() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    bench.take()
    bench.price(INITIAL - 5)
    bench.price(INITIAL + 20)
    bench.refuse(bench.stop)
    assert bench.took() == ["place stop"]
    bench.settle()
    bench.bar(100_00, 101_00, 99_80, 100_50)
    assert bench.took() == ["modify stop"]


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.EXPIRED])
def test_a_stop_taken_away_by_others_is_placed_again_once_its_end_is_evidenced(status: Status) -> None:
    bench = Bench()
    stop = bench.hold()
    bench.end(stop, status)
    assert bench.took() == []
    bench.books()
    assert bench.took() == ["place stop"]
    assert bench.said.count("stop_gone") == 1
    bench.settle()
    assert bench.engine.books_due_ns(bench.now_ns) > EXIT_NS


def test_a_stop_taken_away_twice_is_not_placed_again_but_alarmed_and_the_books_are_read_every_second() -> (
    None
):
    bench = Bench()
    for _ in range(2):
        bench.end(bench.stop if bench.state.stop else bench.hold())
        bench.books()
        bench.settle()
        bench.take()
    assert bench.state.stop is None
    assert bench.said.count("stop_gone") == 2
    for _ in range(5):
        assert bench.engine.books_due_ns(bench.now_ns) <= bench.engine.account.asked_ns + SECOND_NS
        bench.wait(1)
        bench.books()
    bench.price(INITIAL - 5)
    assert bench.took() == []
    assert "unprotected" in bench.said


def test_a_stop_taken_away_is_placed_again_only_after_a_position_read_newer_than_its_end() -> None:
    """The broker squared off: the same read that proves the stop's end shows that nothing is left."""
    bench = Bench()
    stop = bench.hold()
    bench.end(stop)
    bench.stranger(Side.SELL, 10, tells=False)
    bench.books()
    assert bench.took() == []
    assert bench.state.held == 0
    assert bench.trades[0].reason is ExitReason.OPERATOR


def test_a_fill_in_the_read_that_proves_the_stops_end_asks_for_one_more_before_it_is_placed_again() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 4)
    bench.settle()
    bench.take()
    bench.end(bench.stop)
    bench.fill(entry, 6, tells=False)
    bench.books()
    assert bench.took() == []
    bench.books()
    (again,) = bench.take()
    assert isinstance(again, PlaceOrder)
    assert again.terms.quantity == 10


def test_a_stop_taken_away_with_price_through_it_is_followed_by_an_exit() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.price(INITIAL - 5)
    bench.end(stop)
    bench.books()
    assert bench.took() == ["place exit"]
    assert bench.state.leaving is ExitReason.STOP


def test_a_stop_we_took_back_ourselves_is_not_a_stop_taken_by_others() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 4)
    bench.settle()
    stop = bench.stop
    bench.stranger(Side.SELL, 4)
    assert where(stop) is OrderState.CANCELLING
    bench.fill(entry, 6)
    bench.take()
    bench.end(stop)
    bench.books()
    assert "stop_gone" not in bench.said
    assert bench.took() == ["place stop"]
    assert bench.stop.terms.quantity == 6


# --- undecided --------------------------------------------------------------------------------------


def undecided(bench: Bench, *, reached: bool = False) -> None:
    bench.fill(bench.rest())
    bench.take()
    bench.lose(bench.stop, reached=reached)


def test_an_undecided_stop_is_not_placed_again_and_its_books_are_read_every_second_with_an_alarm() -> None:
    bench = Bench()
    undecided(bench)
    for _ in range(10):
        bench.wait(1)
        assert bench.read_while_due() == 1
    assert bench.took() == []
    assert bench.said.count("unprotected") == 1


def test_an_undecided_stop_found_in_the_books_is_the_stop() -> None:
    bench = Bench()
    undecided(bench, reached=True)
    bench.books()
    assert where(bench.stop) is OrderState.WORKING
    assert bench.took() == []


def test_a_stop_concluded_absent_is_placed_again() -> None:
    bench = Bench()
    undecided(bench)
    bench.wait(131)
    bench.books()
    bench.books()
    assert bench.took() == ["place stop"]
    assert "stop_absent" in bench.said


def absent_and_placed_again(bench: Bench) -> tuple[Order, OrderIntent]:
    """Neither the first stop has arrived nor the second; then the first does, and a frame tells of it."""
    bench.fill(bench.rest())
    bench.take()
    first = bench.stop
    asked = bench.lose(first)
    bench.wait(131)
    bench.books()
    bench.books()
    assert bench.took() == ["place stop"]
    bench.frame(bench.reach(first, asked))
    return first, asked


def test_a_stop_that_was_taken_for_the_one_after_it_sells_once() -> None:
    bench = Bench()
    first, asked = absent_and_placed_again(bench)
    assert where(bench.stop) is OrderState.WORKING, "the two are alike"
    bench.answer_late(asked, bench.stop.order_id)
    bench.fill(bench.stop)
    assert bench.state.held == 0
    assert where(first) is OrderState.ABSENT
    assert bench.frozen() is None


def test_an_answer_that_contradicts_two_orders_at_once_freezes() -> None:
    bench = Bench()
    first, asked = absent_and_placed_again(bench)
    bench.frame(bench.reach(first, asked, "late"))
    bench.answer_late(asked, bench.stop.order_id)
    assert "as another order's" in (bench.frozen() or "")


def through(bench: Bench) -> None:
    """The price has been through an undecided stop for two seconds, and the books have been read twice."""
    bench.price(INITIAL - 5)
    for _ in range(2):
        bench.wait(2)
        bench.price(INITIAL - 10)
        bench.books()


def test_an_undecided_stop_with_price_through_it_for_2_s_and_two_reads_is_given_up_and_exited() -> None:
    bench = Bench()
    undecided(bench)
    bench.price(INITIAL - 5)
    bench.books()
    bench.wait(1.9)
    bench.books()
    assert bench.took() == []
    bench.wait(0.2)
    bench.books()
    assert bench.took() == []
    bench.books()
    (out,) = bench.take()
    assert isinstance(out, PlaceOrder)
    assert (out.role, out.price_type, out.terms.quantity) == (Role.EXIT, PriceType.LIMIT, 10)
    assert "stop_phantom" in bench.said


def test_a_phantom_stop_that_appears_is_cancelled_on_sight() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    stop = bench.stop
    intent = bench.lose(stop)
    through(bench)
    bench.take()
    bench.reach(stop, intent)
    bench.books()
    assert bench.took() == ["cancel stop"]


def test_a_phantom_stop_that_fills_beside_the_exit_is_bought_back() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    stop = bench.stop
    intent = bench.lose(stop)
    through(bench)
    bench.accept(bench.exit)
    bench.fill(bench.exit)
    bench.settle()
    bench.take()
    bench.reach(stop, intent)
    bench.fill(stop, tells=False)
    bench.books()
    assert bench.state.held == -10
    assert bench.took() == []
    bench.wait(1)
    bench.books()
    bench.price(INITIAL)
    (back,) = bench.take()
    assert isinstance(back, PlaceOrder)
    assert (back.role, back.side, back.terms.quantity) == (Role.EXIT, Side.BUY, 10)
    bench.settle()
    bench.fill(bench.exit)
    bench.settle()
    assert bench.state.held == 0
    assert "bought_back" in bench.said
    spent = sum(trade.side.sign * trade.quantity * trade.price for trade in bench.ledger.trades)
    assert bench.engine.account.realised == -spent


def test_no_new_entry_while_a_phantom_of_today_is_unexplained() -> None:
    bench = Bench()
    undecided(bench)
    through(bench)
    bench.settle()
    bench.fill(bench.exit)
    bench.settle()
    bench.take()
    bench.price(TRIGGER)
    assert bench.took() == []


def test_a_doubted_stop_is_kept_where_the_account_no_longer_holds_the_shares() -> None:
    bench = Bench()
    undecided(bench, reached=False)
    bench.ledger.positions["ABC"] = 0
    bench.ledger.trades.clear()
    bench.ledger.orders["1"] = replace(bench.ledger.orders["1"], filled=10)
    through(bench)
    assert bench.took() == []
    assert bench.state.leaving is None


# --- touched ----------------------------------------------------------------------------------------


def test_a_stop_that_fills_is_a_trade_closed_by_its_stop() -> None:
    bench = Bench()
    bench.fill(bench.hold())
    bench.settle()
    (trade,) = bench.trades
    assert (trade.reason, trade.quantity, trade.exit_value) == (ExitReason.STOP, 10, 10 * INITIAL)
    assert (trade.initial_stop, trade.final_stop) == (INITIAL, INITIAL)


def test_a_triggered_stop_whose_limit_was_jumped_is_repriced_to_cross_once_a_second_with_one_alarm() -> None:
    bench = Bench()
    bench.hold()
    bench.price(97_00)
    assert bench.took() == []
    for _ in range(10):
        bench.price(97_00)
    assert bench.took() == []
    bench.wait(1)
    (crossing,) = bench.take()
    assert isinstance(crossing, ModifyOrder)
    assert crossing.terms == Terms(10, 96_00, INITIAL)
    bench.accept(bench.stop)
    bench.price(95_00)
    bench.wait(1)
    assert bench.took() == ["modify stop"]
    assert bench.said.count("stop_jumped") == 1


def test_a_reached_stop_that_does_not_fill_calls_a_person_once() -> None:
    """Found by simulation: at a circuit a stop rested at a price that crossed, and nobody heard of it."""
    bench = Bench()
    bench.hold()
    bench.price(INITIAL)
    bench.wait(2.5)
    assert "closing_unfilled" not in bench.said
    bench.wait(5)
    assert bench.said.count("closing_unfilled") == 1


def test_a_chase_that_comes_due_among_other_news_waits_for_the_newest_price() -> None:
    bench = Bench()
    bench.hold()
    bench.price(97_00)
    bench.wait(0.998)
    bench.price(98_50)
    bench.books()
    assert bench.took() == []
    assert bench.state.last == 98_50


def test_a_triggered_stop_that_should_have_filled_asks_the_books_and_leaves_the_order_alone() -> None:
    bench = Bench()
    bench.hold()
    bench.price(98_50)
    bench.wait(1)
    assert bench.took() == []
    assert bench.engine.books_due_ns(bench.now_ns) <= bench.now_ns


def test_a_stop_that_was_touched_and_left_alone_again_trails_on() -> None:
    bench = Bench()
    bench.hold()
    bench.price(INITIAL)
    bench.price(INITIAL + 50)
    bench.wait(1)
    assert bench.state.touched_ns is None
    assert bench.engine.books_due_ns(bench.now_ns) == bench.now_ns
    bench.bar(100_00, 101_00, 99_80, 100_50)
    assert bench.took() == ["modify stop"]


def test_a_touched_stop_does_not_trail() -> None:
    bench = Bench()
    bench.hold()
    bench.price(INITIAL)
    bench.bar(100_00, 101_00, 99_80, 100_50)
    assert bench.took() == []


def test_a_chase_is_bounded_and_ends_in_an_exit() -> None:
    bench = Bench(rules=replace(RULES, exit_tries_max=3))
    bench.hold()
    for step in range(3):
        bench.price(97_00 - step * 2_00)
        bench.wait(1)
        bench.settle()
    assert bench.took() == ["modify stop"] * 3
    bench.price(90_00)
    bench.wait(1)
    assert bench.took() == ["cancel stop"]
    bench.settle()
    assert "place exit" in bench.took()


def test_a_chase_covers_the_shares_that_were_filled_on_the_way_down() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 4)
    bench.settle()
    bench.price(97_00)
    bench.fill(entry, 6, 97_00)
    bench.take()
    bench.wait(1)
    (crossing,) = bench.take()
    assert isinstance(crossing, ModifyOrder)
    assert crossing.terms.quantity == 10


def test_a_refused_chase_ends_in_an_exit_and_a_refused_raise_does_not() -> None:
    bench = Bench()
    bench.hold()
    bench.bar(100_00, 101_00, 99_80, 100_50)
    bench.price(INITIAL)
    bench.refuse(bench.stop)
    assert bench.state.leaving is None
    bench.price(97_00)
    bench.wait(1.1)
    bench.take()
    bench.refuse(bench.stop)
    assert bench.took() == ["cancel stop"]
    assert bench.state.leaving is ExitReason.STOP


def test_without_a_stream_a_print_at_the_stop_asks_for_the_books_at_once_and_then_every_second() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.stream(is_up=False)
    bench.read_while_due()
    bench.wait(0.2)
    bench.price(INITIAL)
    assert bench.engine.books_due_ns(bench.now_ns) <= bench.now_ns
    bench.books()
    assert bench.engine.books_due_ns(bench.now_ns) == bench.engine.account.asked_ns + SECOND_NS
    bench.fill(stop, tells=False)
    bench.books()
    assert bench.trades[0].reason is ExitReason.STOP


# --- measured ---------------------------------------------------------------------------------------


def test_the_time_without_a_confirmed_stop_is_measured_and_reported() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    bench.wait(0.5)
    bench.accept(bench.stop)
    bench.wait(60)
    bench.fill(bench.stop)
    bench.settle()
    (trade,) = bench.trades
    assert 500_000_000 <= trade.unprotected_ns <= 510_000_000


def test_shares_without_a_confirmed_stop_are_alarmed_once_per_stretch() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    bench.wait(2.9)
    assert "unprotected" not in bench.said
    bench.wait(0.2)
    bench.wait(10)
    (alarm,) = [say.text for say in bench.says if say.code == "unprotected"]
    assert alarm == "ABC: 10 shares without a confirmed stop for 3.0 s"
    bench.accept(bench.stop)
    bench.end(bench.stop)
    bench.wait(10)
    assert bench.said.count("unprotected") == 2


def test_in_another_mode_a_stop_can_no_longer_be_taken_for_granted() -> None:
    bench = Bench()
    bench.tell(ModeSeen(bench.later(), Mode.LIVE))
    bench.hold()
    bench.tell(ModeSeen(bench.later(), Mode.ANALYZE))
    bench.wait(3.1)
    assert "unprotected" in bench.said


# --- foreign hands ----------------------------------------------------------------------------------


def test_a_foreign_fill_that_closes_part_of_ours_reduces_the_stop_at_once() -> None:
    bench = Bench()
    bench.hold()
    bench.stranger(Side.SELL, 4)
    (reduced,) = bench.take()
    assert isinstance(reduced, ModifyOrder)
    assert reduced.terms.quantity == 6


def test_a_foreign_fill_that_closes_all_of_ours_cancels_the_stop_at_once() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.stranger(Side.SELL, 10, 99_40)
    assert bench.took() == ["cancel stop"]
    bench.end(stop)
    bench.books()
    (trade,) = bench.trades
    assert (trade.reason, trade.exit_value) == (ExitReason.OPERATOR, 10 * 99_40)


def test_a_stop_in_flight_is_cancelled_as_soon_as_it_is_known_where_nothing_is_held_any_more() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    stop = bench.stop
    bench.stranger(Side.SELL, 10)
    bench.take()
    bench.accept(stop)
    assert bench.took() == ["cancel stop"]


def test_after_a_halt_the_stop_stays() -> None:
    bench = Bench()
    bench.hold()
    for command in (Command.HALT, Command.STOP):
        bench.command(command)
    assert bench.took() == []
    bench.bar(100_00, 101_00, 99_80, 100_50)
    assert bench.took() == ["modify stop"]


def test_the_stops_limit_follows_the_setting() -> None:
    bench = Bench(rules=replace(RULES, stop_limit_pct=Fraction(2)))
    bench.hold()
    assert bench.stop.terms == Terms(10, 97_00, INITIAL)


def test_a_new_days_first_fill_sets_the_levels_anew() -> None:
    bench = Bench()
    bench.fill(bench.hold())
    bench.settle()
    bench.hold(price=100_20)
    assert bench.stop.terms.trigger == 99_20
    assert bench.state.initial_level == 99_20
    assert bench.state.target_level is None
    assert ENTRY == 100_00


def queued(bench: Bench) -> None:
    """The server keeps the stop for a person's approval."""
    bench.fill(bench.rest())
    bench.take()
    bench.keep_for_a_person(bench.stop)


def time_to_leave(bench: Bench) -> None:
    """The deadline comes, a second after a print, and the books are read twice."""
    bench.wait_until(bench.state.session.exit_ns - SECOND_NS)
    bench.price(ENTRY + 5)
    bench.wait_until(bench.state.session.exit_ns)
    for _ in range(2):
        assert bench.took() == []
        bench.wait(0.5)
        bench.books()


def test_a_stop_that_nobody_approves_is_waited_for_all_day_and_given_up_when_it_is_time_to_leave() -> None:
    bench = Bench()
    queued(bench)
    bench.wait(600)
    bench.books()
    bench.books()
    assert bench.took() == []
    time_to_leave(bench)
    assert bench.took() == ["place exit"]
    assert "stop_phantom" in bench.said


def test_a_stop_that_is_approved_after_it_was_given_up_is_cancelled() -> None:
    bench = Bench()
    queued(bench)
    stop = bench.stop
    time_to_leave(bench)
    bench.accept(bench.exit)
    bench.take()
    bench.ledger.orders["late"] = OrderRow(
        "late", "ABC", stop.side, PriceType.SL, Status.WORKING, 10, stop.terms.price, stop.terms.trigger
    )
    bench.frame("late")
    assert bench.took() == ["cancel stop"]


def test_a_raise_that_the_way_out_overtakes_is_still_the_level_the_stop_was_to_have() -> None:
    bench = Bench()
    bench.hold()
    bench.is_desk_busy = True
    bench.bar(ENTRY, ENTRY + 1_00, ENTRY + 50, ENTRY + 1_00)
    raised = bench.state.stop_level
    bench.command(Command.FLATTEN)
    bench.desk()
    assert bench.dropped
    assert bench.state.stop_level == raised


def test_a_raise_at_the_very_instant_of_the_deadline_is_not_sent_and_still_counts() -> None:
    """The stop is about to be cancelled: live, the cancel would overtake the raise; in a replay not."""
    bench = Bench()
    bench.hold()
    bench.wait_until(EXIT_NS - SECOND_NS)
    bench.price(ENTRY + 5)
    bench.now_ns = EXIT_NS
    bar = Bar(EXIT_NS - 900 * SECOND_NS, EXIT_NS, 100_00, 101_00, 99_80, 100_50)
    bench.tell(BarClosed("ABC", EXIT_NS, bar))
    assert bench.took() == ["cancel stop"]
    bench.settle()
    bench.fill(bench.exit)
    bench.settle()
    (trade,) = bench.trades
    assert trade.final_stop == 99_70


def test_what_a_stop_at_the_deadline_has_too_little_or_too_much_of_is_still_put_right() -> None:
    bench = Bench()
    bench.hold()
    bench.now_ns = EXIT_NS
    order_id = bench.stranger(Side.SELL, 4, tells=False)
    bench._handle(OrderUpdated(EXIT_NS, bench.ledger.orders[order_id]))
    (reduced,) = bench.take()
    assert isinstance(reduced, ModifyOrder)
    assert reduced.terms.quantity == 6
