"""The exact second, paisa and share at which a way out or a stop is treated otherwise.

As in `test_exact_edges.py`: each was found by changing one sign of the core (`make mutate`).
"""

from dataclasses import replace

import pytest

from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import Command, PriceTouched, TimerDue
from olaf_async.domain.intents import ModifyOrder
from olaf_async.domain.order import OrderState, Side, Terms
from olaf_async.domain.trade import ExitReason
from tests.core import bench as benches
from tests.core.bench import ENTRY, EXIT_NS, INITIAL, MS, RULES, Bench, where


def leaving(bench: Bench) -> None:
    """The stop has ended; an exit may be placed as soon as a read has proved that."""
    bench.hold()
    bench.command(Command.FLATTEN)
    bench.end(bench.stop)
    bench.take()


def out(bench: Bench, price: int = 100_00) -> None:
    """An exit works, a percent below the price."""
    leaving(bench)
    bench.price(price)
    bench.books()
    bench.accept(bench.exit)
    bench.books()
    bench.take()


# --- the price of an exit -------------------------------------------------------------------------------


def test_a_print_of_exactly_five_seconds_ago_still_prices_an_exit() -> None:
    """To ask for a quote costs the trader up to a second in which nothing is for sale."""
    bench = Bench()
    leaving(bench)
    bench.price(100_00)
    bench.wait_until(bench.now_ns + RULES.quote_after_ns - MS)
    bench.books()
    assert (bench.took(), bench.quotes_asked) == (["place exit"], 0)
    assert bench.exit.terms.price == 99_00


def test_a_quote_is_asked_for_again_only_more_than_five_seconds_later() -> None:
    bench = Bench()
    leaving(bench)
    bench.wait(6)
    bench.books()
    asked_ns = bench.now_ns
    bench.wait_until(asked_ns + SECOND_NS)
    bench.accept(bench.exit)
    bench.wait_until(asked_ns + RULES.quote_after_ns)
    assert bench.quotes_asked == 1
    bench.wait_until(asked_ns + RULES.quote_after_ns + SECOND_NS)
    assert bench.quotes_asked == 2


def test_where_prices_lie_a_paisa_apart_a_paisa_is_reason_enough_to_reprice_an_exit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cheap shares have a tick of one paisa; an exit left a tick behind the market may never fill."""
    monkeypatch.setattr(benches, "TICK", 1)
    bench = Bench()
    out(bench)
    bench.price(99_99)
    bench.wait(1)
    (chase,) = bench.take()
    assert isinstance(chase, ModifyOrder)
    assert chase.terms == Terms(10, 98_99)


def test_a_change_of_an_exit_that_landed_late_is_no_raise_of_a_stop() -> None:
    """The next change asks for the same."""
    bench = Bench()
    out(bench)
    bench.stranger(Side.SELL, 4)
    bench.lose(bench.exit)
    bench.books()
    bench.show(bench.id_of(bench.exit), replace(bench.exit.terms, quantity=6))
    bench.take()
    bench.books()
    assert "late_raise" not in bench.said
    bench.wait(1)
    assert bench.took() == ["modify exit"]


def test_a_stop_that_cannot_be_taken_back_on_the_way_out_calls_a_person_every_twenty_times() -> None:
    """Found by the simulator: in semi-auto mode the server refused it, and nobody was called."""
    bench = Bench()
    stop = bench.hold()
    bench.command(Command.FLATTEN)
    for count in range(1, 41):
        assert bench.said.count("cancel_stuck") == count // 20
        bench.refuse(stop, "not allowed in Semi-Auto mode")
        bench.wait(1)
    text = "ABC: ABC/2-stop still works, after 20 times of taking it back; 10 shares are held"
    assert next(say.text for say in bench.says if say.code == "cancel_stuck") == text


# --- the deadline ---------------------------------------------------------------------------------------


def sent_at(bench: Bench, at_ns: int) -> None:
    """The exit leaves the desk at this very time, and works."""
    leaving(bench)
    bench.wait_until(at_ns - 2 * MS)
    bench.price(100_00)
    bench.books()
    assert bench.exit.sent_ns == at_ns
    bench.accept(bench.exit)
    bench.take()


def test_an_exit_that_rests_is_sent_anew_at_the_very_deadline() -> None:
    bench = Bench()
    sent_at(bench, EXIT_NS - SECOND_NS)
    bench.wait_until(EXIT_NS)
    (again,) = bench.take()
    assert isinstance(again, ModifyOrder)
    assert again.terms == Terms(10, 99_00)


def test_an_exit_that_was_sent_at_the_very_deadline_is_not_sent_anew() -> None:
    """Sent again at its own price it would only lose its place in the queue."""
    bench = Bench()
    sent_at(bench, EXIT_NS)
    bench.wait(3)
    assert bench.took() == []


def test_a_stop_taken_away_is_not_placed_again_at_the_very_deadline() -> None:
    """It would only be in the way of the exit that is due now; and the alarm must not promise it."""
    bench = Bench()
    stop = bench.hold()
    bench.wait_until(EXIT_NS - 10 * MS)
    bench.end(stop)
    bench.take()
    bench.wait_until(EXIT_NS - MS)
    bench.books()
    (gone,) = (say.text for say in bench.says if say.code == "stop_gone")
    assert bench.now_ns == EXIT_NS
    assert gone.endswith("; NOT placing it again")
    assert "place stop" not in bench.took()


# --- an exit that ends, or is too small -------------------------------------------------------------------


def test_after_an_exit_that_others_took_away_the_next_waits_a_second_from_its_end() -> None:
    """Whoever took it away may be closing the position by hand: to sell at once would sell it twice."""
    bench = Bench()
    out(bench)
    retry_ns = bench.state.exit_retry_ns
    bench.wait_until(retry_ns + 900 * MS)
    bench.end(bench.exit)
    bench.books()
    ended_ns = bench.now_ns
    bench.read_while_due()
    assert bench.state.exit is None
    bench.take()
    bench.wait_until(ended_ns + SECOND_NS - MS)
    assert bench.took() == []
    bench.wait_until(ended_ns + SECOND_NS)
    assert bench.took() == ["place exit"]


def test_shares_that_the_books_add_on_the_way_out_are_sold_after_one_read_more_asked_at_once() -> None:
    bench = Bench(rules=replace(RULES, order_timeout_ns=10**15))
    entry = bench.rest()
    bench.fill(entry, 7)
    bench.settle()
    bench.command(Command.FLATTEN)
    bench.settle()
    bench.price(100_00)
    bench.settle()
    bench.wait(2)
    bench.settle()
    assert (where(entry), bench.exit.terms.quantity) == (OrderState.CANCELLED, 7)
    bench.take()
    bench.fill(entry, 3, tells=False)
    bench.books()
    assert bench.took() == []
    assert bench.read_while_due() == 1
    bench.wait(1)
    (more,) = bench.take()
    assert isinstance(more, ModifyOrder)
    assert more.terms.quantity == 10


# --- the stop -------------------------------------------------------------------------------------------


def test_a_stop_that_should_have_filled_is_asked_about_in_the_second_it_is_due() -> None:
    """Its fill may have been lost on the way: every second of not knowing is one without an exit."""
    bench = Bench()
    bench.hold()
    bench.price(INITIAL)
    bench.wait(0.5)
    bench.books()
    bench.wait_until(bench.now_ns + SECOND_NS // 2 - MS)
    assert bench.read_while_due() == 1


def test_once_it_is_chased_the_stop_is_looked_at_a_second_later_and_not_at_once() -> None:
    bench = Bench()
    bench.hold()
    bench.price(INITIAL)
    touched_ns = bench.now_ns
    due_ns = touched_ns + SECOND_NS
    bench.now_ns = due_ns
    bench.engine.handle(TimerDue("ABC", due_ns, INITIAL, touched_ns))
    assert bench.engine.guard("ABC").due_ns == due_ns + SECOND_NS


def test_with_no_chase_left_the_stop_is_cancelled_and_no_change_of_it_is_even_asked_for() -> None:
    bench = Bench(rules=replace(RULES, exit_tries_max=1))
    bench.hold()
    bench.price(97_00)
    bench.wait(1)
    bench.accept(bench.stop)
    bench.price(95_00)
    bench.wait(1)
    assert (where(bench.stop), bench.stop.pending) == (OrderState.CANCELLING, None)
    assert bench.dropped == []


@pytest.mark.parametrize("price", [INITIAL, ENTRY + 100_00], ids=["at the stop", "at the target"])
def test_a_print_that_comes_after_the_last_share_was_closed_reaches_nothing(price: int) -> None:
    """The trade is over but for the price it got: no new reason may be found for leaving it."""
    bench = Bench()
    stop = bench.hold()
    bench.state.target_level = ENTRY + 2_00
    bench.fill(stop)
    assert (bench.state.held, bench.state.stop_level) == (0, INITIAL)
    bench.tell(PriceTouched("ABC", bench.later(), price))
    assert (bench.state.touched_ns, bench.state.leaving) == (None, None)


def test_a_stop_below_the_initial_one_that_cannot_be_raised_ends_in_an_exit() -> None:
    """Shares were protected before their fill was known; for what they cost, that stop risks too much."""
    bench = Bench()
    entry = bench.undercut()
    bench.lose(entry, reached=True)
    bench.ledger.positions["ABC"] = 10
    bench.books()
    bench.settle()
    assert bench.stop.terms == Terms(10, 98_00, INITIAL)
    bench.take()
    bench.ledger.positions["ABC"] = 0
    bench.fill(entry, price=ENTRY + 30)
    assert (bench.state.initial_level, bench.state.stop_level) == (INITIAL + 30, INITIAL + 30)
    for _ in range(RULES.stop_rejections_max):
        bench.read_while_due()
        bench.wait(2)
        bench.refuse(bench.stop)
    assert bench.state.stop_level == INITIAL + 30
    assert bench.state.leaving is ExitReason.RISK


def test_a_cut_after_a_refused_repair_asks_for_nothing_that_the_broker_has_refused() -> None:
    """Else the cut were refused as well, and the stop would sell more than is held."""
    bench = Bench()
    stop = bench.hold()
    kept = replace(stop.terms, price=stop.terms.price - 50)
    bench.show(bench.id_of(stop), kept)
    bench.books()
    bench.wait(4)
    bench.books()
    bench.refuse(stop)
    assert bench.frozen() is not None
    bench.take()
    bench.stranger(Side.SELL, 4)
    bench.wait(1)
    (cut,) = bench.take()
    assert isinstance(cut, ModifyOrder)
    assert cut.terms == Terms(6, kept.price, kept.trigger)
