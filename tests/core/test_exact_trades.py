"""What one trade, one trigger and one run of the day leave to the next, and what they do not.

As in `test_exact_edges.py`: each was found by changing one sign of the core (`make mutate`).
"""

from dataclasses import replace

import pytest

from olaf_async.core.exits import to_close
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import Command, RunBegan, TimerDue
from olaf_async.domain.intents import Say
from olaf_async.domain.trade import ExitReason
from tests.core.bench import ENTRY, EXIT_NS, INITIAL, RULES, TRIGGER, Bench, plan

# --- from trade to trade --------------------------------------------------------------------------------


def slowly_protected(bench: Bench, seconds: float) -> None:
    """The entry fills; its stop is confirmed only so much later."""
    bench.fill(bench.rest())
    bench.wait(seconds)
    bench.settle()


def test_each_trade_has_its_own_time_without_a_stop_and_its_own_alarm_of_it() -> None:
    bench = Bench()
    for _ in range(2):
        slowly_protected(bench, 4)
        bench.fill(bench.stop)
        bench.settle()
    first, second = bench.trades
    assert first.unprotected_ns == second.unprotected_ns > 4 * SECOND_NS
    assert bench.said.count("unprotected") == 2


def test_each_trade_has_its_own_alarm_of_an_order_that_does_not_close_it() -> None:
    """And each is given its time: what was reached in the trade before does not count."""
    bench = Bench()
    for count in (1, 2):
        bench.hold()
        bench.price(INITIAL)
        bench.wait(2.9)
        assert bench.said.count("closing_unfilled") == count - 1
        bench.wait(1.1)
        assert bench.said.count("closing_unfilled") == count
        bench.fill(bench.stop)
        bench.settle()
        bench.price(ENTRY)


def test_what_the_account_lacked_in_one_trade_bounds_no_share_of_the_next() -> None:
    """The trade may be over by a read that does not show yet that all is well."""
    bench = Bench()
    bench.hold()
    bench.state.ceiling = 7
    bench.fill(bench.stop)
    bench.ledger.positions["ABC"] = 3
    bench.books()
    assert len(bench.trades) == 1
    assert bench.state.ceiling is None


def test_after_a_trade_the_books_are_read_at_once() -> None:
    bench = Bench()
    bench.hold()
    bench.fill(bench.stop)
    while not bench.trades:
        bench.books()
    assert bench.are_books_due


def test_a_trigger_whose_entry_was_refused_ends_with_the_trade_of_an_earlier_entry() -> None:
    """Its retry would be an entry that no undercut has called for."""
    bench = Bench()
    first = bench.rest()
    bench.end(first)
    bench.settle()
    bench.undercut()
    bench.refuse(bench.entry)
    bench.fill(first, tells=False)
    bench.books()
    bench.settle()
    bench.fill(bench.stop)
    bench.settle()
    assert len(bench.trades) == 1
    bench.take()
    bench.price(ENTRY - 5)
    bench.wait(10)
    bench.price(ENTRY - 5)
    assert bench.took() == []


def test_shares_seen_of_an_entry_are_nobodys_once_it_is_refused() -> None:
    bench = Bench()
    entry = bench.undercut()
    bench.ledger.positions["ABC"] = 10
    bench.books()
    assert bench.state.exposure == 10
    bench.refuse(entry)
    assert bench.state.exposure == 0


def test_what_is_held_again_is_sold_whole_though_two_reads_have_shown_a_short() -> None:
    bench = Bench()
    bench.hold()
    bench.state.oversold_reads = 2
    bench.state.account_net = -4
    assert (bench.state.oversold, to_close(bench.state)) == (0, 10)


# --- what is meant to be held ---------------------------------------------------------------------------


def planned_smaller(bench: Bench) -> None:
    """A run of five shares an entry follows one of ten."""
    bench.engine.carry_on([plan("ABC")], replace(RULES, quantity=5))
    bench.begin_again()
    bench.read_while_due()


def test_of_two_entries_that_both_filled_the_larger_is_kept() -> None:
    bench = Bench()
    first = bench.rest()
    bench.end(first)
    bench.settle()
    planned_smaller(bench)
    bench.hold(5)
    bench.fill(first, tells=False)
    bench.books()
    assert (bench.state.held, bench.state.keep) == (15, 10)


def test_an_entry_that_did_not_fill_is_no_reason_to_keep_as_much() -> None:
    bench = Bench()
    first = bench.rest()
    bench.end(first)
    bench.settle()
    planned_smaller(bench)
    second = bench.rest()
    bench.end(second)
    bench.settle()
    bench.hold(5)
    bench.fill(second, tells=False)
    bench.books()
    assert (bench.state.held, bench.state.keep) == (10, 5)


# --- words at the right time ----------------------------------------------------------------------------


def test_a_trigger_that_is_denied_again_after_one_that_was_not_is_told_again() -> None:
    bench = Bench(symbols=("ABC", "XYZ"), rules=replace(RULES, max_open_positions=1))
    for count in (1, 2):
        bench.symbol = "XYZ"
        bench.rest()
        bench.symbol = "ABC"
        bench.price(TRIGGER)
        assert bench.said.count("trigger_denied") == count
        bench.symbol = "XYZ"
        bench.fill(bench.entry)
        bench.settle()
        bench.fill(bench.stop)
        bench.settle()
        bench.symbol = "ABC"
        if count == 1:
            entry = bench.rest()
            bench.end(entry)
            bench.settle()


@pytest.mark.parametrize(("after_ns", "said"), [(3 * SECOND_NS - 1, 0), (3 * SECOND_NS, 1)])
def test_a_person_is_called_from_the_third_second_on_in_which_nothing_closes(
    after_ns: int, said: int
) -> None:
    bench = Bench()
    bench.state.call_unfilled(bench.now_ns, bench.now_ns + after_ns)
    called = [say.text for say in bench.engine.account.out if isinstance(say, Say)]
    text = "ABC: the order that is to close the position has not filled in 3.0 s"
    assert called == [text] * said


def test_a_shortfall_that_is_certain_is_read_for_no_further() -> None:
    bench = Bench()
    bench.hold()
    bench.state.shortfall_reads = 1
    assert bench.state.is_waiting_for_evidence
    bench.state.shortfall_reads = 2
    assert not bench.state.is_waiting_for_evidence


def test_a_second_order_like_one_that_was_found_is_watched_for_also_after_its_trade() -> None:
    bench = Bench()
    bench.lose(bench.undercut(), reached=True)
    bench.books()
    bench.fill(bench.entry)
    bench.settle()
    bench.fill(bench.stop)
    bench.settle()
    assert len(bench.trades) == 1
    assert bench.engine.books_due_ns(bench.now_ns) <= bench.now_ns + SECOND_NS


# --- a new run, and the deadline ------------------------------------------------------------------------


def test_a_read_of_before_a_run_is_not_its_first() -> None:
    bench = Bench()
    bench.hold()
    older = bench.ask()
    bench.begin_again()
    bench.tell(replace(older, at_ns=bench.later()))
    assert bench.state.is_unread


def test_a_new_run_asks_for_its_own_quote() -> None:
    """Where the one before has asked, the answer went down with it."""
    bench = Bench()
    bench.hold()
    bench.command(Command.FLATTEN)
    bench.end(bench.stop)
    bench.wait(6)
    bench.books()
    assert bench.quotes_asked == 1
    bench.open.clear()
    bench.tell(RunBegan(bench.later()))
    bench.read_while_due()
    assert bench.quotes_asked == 2


def test_a_symbol_that_is_stopped_out_at_the_deadline_is_done_for_the_day() -> None:
    bench = Bench()
    bench.hold()
    bench.state.leave(ExitReason.STOP)
    bench.tell(TimerDue("ABC", EXIT_NS, None, 0))
    assert bench.state.leaving is ExitReason.STOP
    assert bench.state.is_done


def test_of_two_prints_of_one_instant_the_second_is_the_price() -> None:
    bench = Bench()
    bench.price(TRIGGER)
    bench.tell(TimerDue("ABC", bench.later(), TRIGGER - 10, bench.state.last_ns))
    assert bench.state.last == TRIGGER - 10
