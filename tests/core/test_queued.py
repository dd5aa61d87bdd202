"""A server in semi-automatic mode keeps orders for a person: it may place them hours later, or never.

Until the day ends such an order is undecided and nothing new is risked in the account. One that is released
after all is ours: its id comes by the stream or the books.
"""

import pytest

from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import Status
from olaf_async.domain.intents import Severity
from olaf_async.domain.order import Order, OrderState
from olaf_async.domain.trade import ExitReason
from tests.core.bench import ENTRY, EXIT_NS, INITIAL, TRIGGER, Bench, where


def release(bench: Bench, order: Order, *, tells: bool) -> None:
    """A person approves the order; the stream tells of it, or only the books do."""
    (kept,) = [intent for intent in bench.kept if intent.key == order.key]
    order_id = bench.reach(order, kept)
    if tells:
        bench.frame(order_id)
    else:
        bench.books()


def queued_entry(*symbols: str) -> tuple[Bench, Order]:
    bench = Bench(symbols=symbols or ("ABC",))
    entry = bench.undercut()
    bench.take()
    bench.keep_for_a_person(entry)
    return bench, entry


def queued_stop() -> tuple[Bench, Order]:
    bench = Bench()
    bench.fill(bench.rest())
    bench.take()
    bench.keep_for_a_person(bench.stop)
    return bench, bench.stop


def queued_exit() -> tuple[Bench, Order]:
    bench = Bench()
    stop = bench.hold()
    bench.wait_until(EXIT_NS - SECOND_NS)
    bench.price(ENTRY + 5)
    bench.wait_until(EXIT_NS)
    bench.accept(stop)
    bench.end(stop)
    bench.read_while_due()
    assert bench.took() == ["cancel stop", "place exit"]
    bench.keep_for_a_person(bench.exit)
    return bench, bench.exit


def test_an_order_kept_for_a_person_is_undecided_until_the_day_ends_and_a_person_is_called() -> None:
    bench, entry = queued_entry()
    assert [say.severity for say in bench.says if say.code == "queued"] == [Severity.ALARM]
    for _ in range(4):
        bench.wait(600)
        bench.books()
    bench.wait_until(EXIT_NS + 600 * SECOND_NS)
    bench.books()
    assert where(entry) is OrderState.UNDECIDED
    assert bench.took() == []
    assert not bench.is_quiet()


def test_an_order_kept_for_a_person_ends_new_risk_in_the_whole_account_at_once() -> None:
    bench = Bench(symbols=("ABC", "DEF", "XYZ"))
    bench.symbol = "DEF"
    resting = bench.rest()
    bench.symbol = "ABC"
    bench.undercut()
    bench.take()
    bench.keep_for_a_person(bench.entry)
    (taken_back,) = bench.take()
    assert taken_back.key == resting.key, "a working entry of another symbol is new risk too"
    bench.symbol = "XYZ"
    bench.price(TRIGGER)
    assert bench.took() == []


@pytest.mark.parametrize("tells", [True, False])
def test_an_entry_that_a_person_releases_is_ours_and_is_taken_back(tells: bool) -> None:
    bench, entry = queued_entry()
    bench.wait(600)
    release(bench, entry, tells=tells)
    assert bench.took() == ["cancel entry"]
    bench.end(entry)
    bench.read_while_due()
    assert where(entry) is OrderState.CANCELLED
    assert bench.frozen() is None


@pytest.mark.parametrize("tells", [True, False])
def test_an_entry_that_a_person_releases_and_that_fills_is_protected_at_once(tells: bool) -> None:
    bench, entry = queued_entry()
    bench.wait(600)
    release(bench, entry, tells=tells)
    bench.take()
    bench.fill(entry, tells=tells)
    bench.read_while_due()
    assert bench.took() == ["place stop"]
    assert bench.stop.terms.trigger == INITIAL


@pytest.mark.parametrize("tells", [True, False])
def test_a_stop_that_a_person_releases_is_ours_and_protects(tells: bool) -> None:
    bench, stop = queued_stop()
    bench.wait(600)
    assert "unprotected" in bench.said
    release(bench, stop, tells=tells)
    assert where(stop) is OrderState.WORKING
    assert bench.state.unprotected_since_ns is None
    bench.bar(100_00, 101_00, 99_80, 100_50)
    assert bench.took() == ["modify stop"]


@pytest.mark.parametrize("tells", [True, False])
def test_an_exit_that_a_person_releases_is_ours_and_closes_the_trade(tells: bool) -> None:
    bench, exit_ = queued_exit()
    bench.wait(30)
    assert bench.took() == [], "never a second sell beside one that may still be released"
    release(bench, exit_, tells=tells)
    bench.fill(exit_, tells=tells)
    bench.read_while_due()
    (trade,) = bench.trades
    assert trade.reason is ExitReason.SESSION_END
    assert bench.state.held == 0
    assert bench.took() == []


def test_one_that_a_person_releases_and_the_exchange_refuses_has_ended() -> None:
    bench, entry = queued_entry()
    (kept,) = bench.kept
    order_id = bench.reach(entry, kept)
    bench.take()
    bench.end(entry, Status.REJECTED, tells=False)
    bench.frame(order_id)
    bench.read_while_due()
    assert where(entry) is OrderState.REJECTED
    assert bench.took() == []
