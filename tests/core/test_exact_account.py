"""The exact second, call and read at which the account as a whole says no, or looks again.

As in `test_exact_edges.py`: each was found by changing one sign of the core (`make mutate`).
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from olaf_async.core.account import Account
from olaf_async.core.engine import Drop, Send
from olaf_async.core.limits import stop_limit
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import BooksFailed, Command
from olaf_async.domain.order import OrderState, Role, Side
from olaf_async.errors import InvariantBroken
from tests.core.bench import RULES, Bench, plan

# --- not to see -----------------------------------------------------------------------------------------


def test_books_that_fail_are_not_to_be_seen_by_from_the_fifteenth_second_on() -> None:
    account = Account(Rules())
    blind_ns = account.rules.blind_after_ns
    assert not account.fail_to_read(0, "why")
    assert not account.fail_to_read(blind_ns - 1, "why")
    assert account.fail_to_read(blind_ns, "why"), "everybody has to look again"
    assert not account.fail_to_read(blind_ns + 1, "why"), "and does so once"


def fails(bench: Bench) -> None:
    bench.tell(BooksFailed(bench.later(), bench.engine.seq, "down"))


@pytest.mark.parametrize("reads", [fails, Bench.books], ids=["fail", "lack an order"])
def test_who_cannot_see_takes_the_entry_back_in_that_very_step(reads: Callable[[Bench], None]) -> None:
    bench = Bench()
    lacking = bench.stranger(Side.BUY, 1, tells=False)
    bench.stranger(Side.SELL, 1, tells=False)
    bench.books()
    bench.rest()
    bench.ledger.orders.pop(lacking)
    for seconds in (0, 14):
        bench.wait(seconds)
        reads(bench)
        assert bench.took() == []
    bench.wait(1)
    reads(bench)
    assert bench.took() == ["cancel entry"]


def test_an_order_heard_of_right_before_a_read_was_asked_for_belongs_to_it() -> None:
    bench = Bench()
    bench.hold()
    known = bench.stranger(Side.BUY, 5)
    bench.ledger.orders.pop(known)
    bench.ledger.trades.pop()
    bench.ledger.positions["ABC"] = 10
    bench.books()
    assert bench.engine.books_due_ns(bench.now_ns) <= bench.now_ns + SECOND_NS, "it has answered nothing"


# --- the rate -------------------------------------------------------------------------------------------


def is_sent_after_another(bench: Bench) -> bool:
    """Whether what waits may leave though one call more of this second has left."""
    bench.engine.account.sends.append(bench.now_ns)
    return isinstance(bench.engine.admit(bench.waiting[-1], bench.now_ns), Send)


def holding_beside_an_entry(*, is_protected: bool) -> Bench:
    """Three calls a second; XYZ's entry rests and may need one of them; ABC holds ten shares."""
    bench = Bench(symbols=("ABC", "XYZ"), rules=replace(RULES, max_orders_per_s=3))
    entry = bench.rest()
    if is_protected:
        bench.fill(entry)
        bench.settle()
    bench.wait(2)
    bench.symbol = "XYZ"
    bench.rest()
    bench.wait(2)
    bench.symbol = "ABC"
    if not is_protected:
        bench.is_desk_busy = True
        bench.fill(entry)
    return bench


def test_the_first_stop_of_shares_takes_the_call_that_is_kept_for_another() -> None:
    bench = holding_beside_an_entry(is_protected=False)
    assert bench.waiting[-1].role is Role.STOP
    bench.engine.account.sends.append(bench.now_ns)
    assert is_sent_after_another(bench)


def test_a_stop_that_the_price_has_passed_takes_the_call_that_is_kept_for_another() -> None:
    bench = holding_beside_an_entry(is_protected=True)
    bench.price(97_00)
    bench.is_desk_busy = True
    bench.wait(1)
    assert bench.waiting[-1].role is Role.STOP
    bench.engine.account.sends.append(bench.now_ns)
    assert is_sent_after_another(bench)


def test_an_entry_alone_keeps_one_call_and_no_more() -> None:
    bench = Bench(rules=replace(RULES, max_orders_per_s=3))
    bench.is_desk_busy = True
    bench.undercut()
    bench.books()
    assert is_sent_after_another(bench)


def test_one_read_after_the_newest_news_is_enough_to_know_that_the_account_holds_the_share() -> None:
    bench = Bench()
    bench.is_desk_busy = True
    bench.undercut()
    bench.stranger(Side.BUY, 5)
    bench.books()
    verdict = bench.engine.admit(bench.waiting[-1], bench.now_ns)
    assert verdict == Drop("the account already holds the share")


# --- commands, plans, silence ---------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "is_due"), [(Command.STOP, True), (Command.HALT, False)])
def test_an_orderly_stop_reads_the_books_and_a_halt_does_not(command: Command, is_due: bool) -> None:
    bench = Bench()
    bench.hold()
    bench.read_while_due()
    bench.command(command)
    assert bench.are_books_due == is_due


def test_a_symbol_that_was_flattened_stays_out_by_the_third_plan_too() -> None:
    bench = Bench()
    bench.command(Command.FLATTEN)
    for true_range in (3_00, 4_00):
        bench.engine.carry_on([plan("ABC", true_range=true_range)], RULES)
        assert bench.state.is_dismissed
        assert bench.state.is_done


def test_the_engine_may_stop_only_when_every_symbol_is_quiet() -> None:
    bench = Bench(symbols=("ABC", "XYZ"))
    assert bench.is_quiet()
    bench.rest()
    assert not bench.is_quiet()


# --- one symbol that contradicts itself -----------------------------------------------------------------


def test_what_was_told_in_a_step_that_contradicts_itself_is_told() -> None:
    def never_with_others(state: SymbolState) -> None:
        if state.foreign and state.frozen is None:
            raise InvariantBroken("made to fail")

    bench = Bench(check=never_with_others)
    bench.stranger(Side.BUY, 5)
    assert bench.said == ["foreign_fill", "frozen"]


def test_what_was_asked_for_in_such_a_step_is_never_sent() -> None:
    def no_stop_while_all_is_well(state: SymbolState) -> None:
        if state.stop is not None and state.frozen is None:
            raise InvariantBroken("made to fail")

    bench = Bench(check=no_stop_while_all_is_well)
    bench.fill(bench.rest())
    assert [order.key for order in bench.state.retired if order.state is OrderState.REJECTED] == [
        "ABC/2-stop"
    ]
    assert [intent.key for intent in bench.take()] == ["ABC/3-stop"]


# --- prices ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("trigger", "limit"), [(50_00, 48_50), (49_95, 48_45), (50_05, 48_55)])
def test_the_cap_of_a_stops_limit_at_fifty_rupees(trigger: int, limit: int) -> None:
    """Three percent of Rs 50 are the Rs 1.50 that hold below."""
    assert stop_limit(trigger, Side.SELL, RULES.stop_limit_pct * 10, 5) == limit
