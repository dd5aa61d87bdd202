"""A safe day passes; what is planted in it is found, by the rows that show it, in any order of rows."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.adapters.openalgo.wire.dated import Dated
from olaf_async.domain.events import OrderRow, PositionRow, Status, TradeRow
from olaf_async.domain.order import PriceType, Side
from olaf_async.research.audit.account import Account, Case, Promise, Proof, Spell, Told, Verdict
from olaf_async.research.audit.judge import judge, others, unordered
from tests.research.audit.made_account import BUDGET_NS, OURS, SAFE, SECOND_NS, case_of, order, trade

BUY, SELL = Side.BUY, Side.SELL


def proof_of(case: Case, promise: Promise) -> Proof:
    return next(proof for proof in judge(case) if proof.promise is promise)


def broken(case: Case) -> set[Promise]:
    return {proof.promise for proof in judge(case) if proof.verdict is Verdict.BROKEN}


def shown(proof: Proof) -> set[str]:
    """Ids of the orders whose rows are shown, and symbols of positions."""
    return {
        row.row.order_id if isinstance(row, Dated) else row.symbol
        for breach in proof.breaches
        for row in breach.rows
    }


def with_order(order_id: str, **changes: object) -> Account:
    def changed(each: Dated[OrderRow]) -> Dated[OrderRow]:
        if each.row.order_id != order_id:
            return each
        row = replace(each.row, **changes)  # type: ignore[arg-type] # names are checked by the dataclass
        return replace(each, row=row)

    return replace(SAFE, orders=tuple(map(changed, SAFE.orders)))


def without(order_id: str) -> Account:
    """The day without an order, its executions included."""
    return replace(
        SAFE,
        orders=tuple(each for each in SAFE.orders if each.row.order_id != order_id),
        trades=tuple(each for each in SAFE.trades if each.row.order_id != order_id),
    )


def plus(
    *rows: Dated[OrderRow] | Dated[TradeRow], positions: tuple[PositionRow, ...] = SAFE.positions
) -> Account:
    orders = tuple(row for row in rows if isinstance(row.row, OrderRow))
    trades = tuple(row for row in rows if isinstance(row.row, TradeRow))
    return Account(SAFE.orders + orders, SAFE.trades + trades, positions)


def test_a_safe_day_passes() -> None:
    assert {proof.verdict for proof in judge(case_of())} == {Verdict.KEPT}


def test_a_day_on_which_nothing_happened_passes() -> None:
    case = replace(case_of(Account((), (), ()), ours=frozenset()), spells=())
    assert {proof.verdict for proof in judge(case)} == {Verdict.KEPT}


@dataclass(frozen=True)
class Planted:
    """A day with something in it, what that breaks, and whose rows must be shown."""

    account: Account
    breaks: set[Promise]
    rows: set[str]
    ours: frozenset[str] = OURS


PLANTED = {
    "a second entry while the first is held": Planted(
        plus(
            order("x", BUY, 10, 110),
            order("y", SELL, 10, 110, price=95_00),
            trade("x", BUY, 10, 110),
            trade("y", SELL, 10, 150),
        ),
        {Promise.ONE_POSITION, Promise.ATTEMPTS},
        {"a1", "x"},
        OURS | {"x", "y"},
    ),
    "a small second entry beside a part of the first": Planted(
        Account(
            (
                order("a1", BUY, 10, 90, status=Status.CANCELLED),
                order("x", BUY, 10, 101, status=Status.CANCELLED),
                order("a2", SELL, 8, 102, price=95_00),
            ),
            (trade("a1", BUY, 4, 100), trade("x", BUY, 4, 110), trade("a2", SELL, 8, 150)),
            (),
        ),
        {Promise.ONE_POSITION, Promise.STOPPED},
        {"a1", "x"},
        frozenset({"a1", "x", "a2"}),
    ),
    "sold twice, and bought back": Planted(
        plus(
            order("x", SELL, 10, 160, kind=PriceType.LIMIT),
            order("y", BUY, 10, 170, kind=PriceType.LIMIT),
            trade("x", SELL, 10, 160),
            trade("y", BUY, 10, 170),
        ),
        {Promise.ONE_POSITION, Promise.ATTEMPTS, Promise.STOPPED},
        {"a1", "a2", "x"},
        OURS | {"x", "y"},
    ),
    "one entry too many": Planted(
        plus(
            order("x", BUY, 10, 310),
            order("y", SELL, 10, 311, price=95_00),
            trade("x", BUY, 10, 311),
            trade("y", SELL, 10, 320),
        ),
        {Promise.ATTEMPTS},
        {"a1", "a3", "x"},
        OURS | {"x", "y"},
    ),
    "a position that never had a stop": Planted(
        without("a4"), {Promise.STOPPED}, {"a2", "a3"}, OURS - {"a4"}
    ),
    "a stop that was refused": Planted(
        with_order("a4", status=Status.REJECTED), {Promise.STOPPED}, {"a2", "a3"}
    ),
    "a stop for too few shares": Planted(with_order("a4", quantity=9), {Promise.STOPPED}, {"a2", "a3", "a4"}),
    "a stop that came only after the position": Planted(
        replace(
            without("a4"),
            orders=(*without("a4").orders, order("a4", SELL, 10, 303, status=Status.CANCELLED)),
        ),
        {Promise.STOPPED},
        {"a2", "a3", "a4"},
    ),
    "a limit off the tick": Planted(with_order("a4", price=95_02), {Promise.ON_TICK}, {"a4"}),
    "a trigger off the tick": Planted(with_order("b2", trigger=105_05), {Promise.ON_TICK}, {"b2"}),
    "a price finer than a paisa": Planted(
        replace(
            SAFE,
            orders=tuple(
                replace(each, finer=("95.001",)) if each.row.order_id == "a4" else each
                for each in SAFE.orders
            ),
        ),
        {Promise.ON_TICK},
        {"a4"},
    ),
    "a stop left at work": Planted(with_order("a4", status=Status.WORKING), {Promise.NOTHING_LEFT}, {"a4"}),
    "shares left in the account": Planted(
        Account(
            without("a5").orders,
            without("a5").trades,
            (PositionRow("ALPHA", 10), PositionRow("BETA", 0)),
        ),
        {Promise.NOTHING_LEFT},
        {"ALPHA", "a1", "a2", "a3"},
        OURS - {"a5"},
    ),
    "a position that no execution explains": Planted(
        replace(SAFE, positions=(PositionRow("BETA", -4),)),
        {Promise.BOOKS_AGREE},
        {"BETA", "b1", "b2"},
    ),
    "an execution of an order that is in no book": Planted(
        plus(trade("x", BUY, 3, 400), positions=(PositionRow("ALPHA", 3),)), {Promise.BOOKS_AGREE}, {"x"}
    ),
    "an order complete that was not executed": Planted(
        with_order("b3", status=Status.COMPLETE, filled=None), {Promise.BOOKS_AGREE}, {"b3"}
    ),
    "an order that says more than its executions": Planted(
        with_order("b2", filled=3), {Promise.BOOKS_AGREE}, {"b2"}
    ),
    "more executed than was ordered": Planted(
        with_order("a5", quantity=9, status=Status.CANCELLED), {Promise.BOOKS_AGREE}, {"a5"}
    ),
    "a stop that is older than what it is to stop": Planted(
        replace(
            without("a4"),
            orders=(*without("a4").orders, order("a4", SELL, 10, 188, status=Status.CANCELLED)),
        ),
        {Promise.STOPPED},
        {"a2", "a3", "a4"},
    ),
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED.keys())
def test_what_is_planted_is_found_with_its_rows(planted: Planted) -> None:
    case = case_of(planted.account, ours=planted.ours)
    known = replace(case, spells=None)  # the journal's part of the safe day says nothing of this one
    assert broken(known) == planted.breaks
    found = {row for promise in planted.breaks for row in shown(proof_of(known, promise))}
    assert planted.rows <= found


def test_what_buys_back_a_short_is_no_entry_and_needs_no_stop() -> None:
    planted = PLANTED["sold twice, and bought back"]
    case = replace(case_of(planted.account, ours=planted.ours), ways_out=frozenset({"x", "y"}))
    assert broken(case) == {Promise.ONE_POSITION}


def test_an_order_of_ours_that_the_book_does_not_have_is_named() -> None:
    case = case_of(ours=OURS | {"gone"})
    assert broken(case) == {Promise.ALL_THERE}
    assert "gone" in proof_of(case, Promise.ALL_THERE).breaches[0].text


@given(st.data())
def test_the_order_of_rows_does_not_change_the_judgement(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["safe", *PLANTED]))
    account, ours = (SAFE, OURS) if name == "safe" else (PLANTED[name].account, PLANTED[name].ours)
    mixed = Account(
        tuple(data.draw(st.permutations(account.orders))),
        tuple(data.draw(st.permutations(account.trades))),
        tuple(data.draw(st.permutations(account.positions))),
    )
    assert judge(case_of(mixed, ours=ours)) == judge(case_of(account, ours=ours))


# ------------------------------------------------------------------------------------------------- time


def at(second: Callable[[int], int | None]) -> Account:
    """The safe day with other times."""

    def changed(each: Dated[OrderRow] | Dated[TradeRow]) -> int | None:
        return second((each.at_ns or 0) // SECOND_NS)

    def ns(seconds: int | None) -> int | None:
        return None if seconds is None else seconds * SECOND_NS

    return Account(
        tuple(replace(each, at_ns=ns(changed(each))) for each in SAFE.orders),
        tuple(replace(each, at_ns=ns(changed(each))) for each in SAFE.trades),
        SAFE.positions,
    )


def test_where_all_happened_in_one_second_some_order_of_it_is_safe() -> None:
    case = case_of(at(lambda _: 100))
    assert broken(case) == set()
    assert unordered(case) == len(SAFE.trades)


def test_without_times_some_order_is_looked_for_too() -> None:
    assert broken(case_of(at(lambda _: None))) == set()


def test_where_no_order_of_a_second_is_safe_it_is_broken_without_times_too() -> None:
    account = at(lambda _: None)
    more = (trade("a5", SELL, 11, None), trade("a3", BUY, 11, None))
    case = case_of(replace(account, trades=account.trades + more))
    assert Promise.ONE_POSITION in broken(case)


def test_a_position_closed_within_the_budget_needs_no_stop() -> None:
    account = without("a4")
    quick = tuple(
        replace(each, at_ns=203 * SECOND_NS) if each.row.order_id == "a5" else each for each in account.trades
    )
    case = case_of(replace(account, trades=quick), ours=OURS - {"a4"})
    assert broken(replace(case, spells=())) - {Promise.IN_TIME} == set()


# ------------------------------------------------------------------------------------------------- brokers


def test_the_average_that_a_broker_writes_over_a_limit_is_no_price_of_ours() -> None:
    bought = tuple(
        replace(each, row=replace(each.row, price=100_02)) if each.row.order_id == "a3" else each
        for each in SAFE.trades
    )
    account = replace(with_order("a3", price=100_02), trades=bought)
    assert broken(case_of(account)) == set()
    assert broken(case_of(with_order("a3", price=100_02))) == {Promise.ON_TICK}


def test_a_stop_that_shows_as_a_limit_order_since_it_was_set_off_is_still_a_stop() -> None:
    assert broken(case_of(with_order("a2", price_type=PriceType.LIMIT))) == set()
    bare = with_order("a2", price_type=PriceType.LIMIT, trigger=0)
    assert broken(case_of(bare)) == {Promise.STOPPED}
    assert broken(replace(case_of(bare), stops=frozenset({"a2"}))) == set()


def test_what_a_broker_shows_as_price_of_a_market_order_is_none() -> None:
    assert broken(case_of(with_order("a5", price_type=PriceType.MARKET, price=100_01))) == set()


def test_a_price_sent_off_the_tick_is_found_although_the_book_shows_only_the_last() -> None:
    told = Told(7, SECOND_NS, "BETA", "sent BETA/2-stop at 105.05")
    case = replace(case_of(), sent_prices=((105_05, told), (105_10, told)))
    assert broken(case) == {Promise.ON_TICK}
    assert proof_of(case, Promise.ON_TICK).breaches[0].rows == (told,)


# ---------------------------------------------------------------------------------- other hands


def by_hand(*rows: Dated[OrderRow] | Dated[TradeRow], alpha: int = 0) -> Case:
    return case_of(plus(*rows, positions=(PositionRow("ALPHA", alpha),)))


def test_what_others_do_is_named_and_kept_apart() -> None:
    case = by_hand(
        order("x", BUY, 70, 120, kind=PriceType.MARKET, price=99_99), trade("x", BUY, 70, 120), alpha=70
    )
    assert broken(case) == set()
    assert [each.row.order_id for each in others(case)] == ["x"]


def test_shares_that_others_closed_are_not_held_any_more() -> None:
    account = without("a2")
    rows = (
        order("x", SELL, 10, 150, kind=PriceType.MARKET),
        order("a2", SELL, 10, 100, status=Status.CANCELLED),
    )
    closed = Account(account.orders + rows, (*account.trades, trade("x", SELL, 10, 150)), SAFE.positions)
    assert broken(case_of(closed)) == set()


def test_a_stop_that_sells_what_others_had_sold_already_is_a_short() -> None:
    case = by_hand(
        order("x", SELL, 10, 140, kind=PriceType.MARKET),
        trade("x", SELL, 10, 140),
        order("y", BUY, 10, 160, kind=PriceType.MARKET),
        trade("y", BUY, 10, 160),
    )
    assert broken(case) == {Promise.ONE_POSITION}
    assert {"x", "a2"} <= shown(proof_of(case, Promise.ONE_POSITION))


def test_what_others_bought_is_sold_by_them_before_ours_is() -> None:
    case = by_hand(
        order("x", BUY, 5, 110, kind=PriceType.MARKET),
        trade("x", BUY, 5, 110),
        order("y", SELL, 5, 120, kind=PriceType.MARKET),
        trade("y", SELL, 5, 120),
    )
    assert broken(case) == set()


# ---------------------------------------------------------------------------------- the journal


def test_without_a_journal_milliseconds_are_not_shown() -> None:
    case = replace(case_of(), spells=None)
    assert proof_of(case, Promise.IN_TIME).verdict is Verdict.NOT_SHOWN


def test_a_stop_at_the_budget_is_in_time_and_past_it_is_not() -> None:
    def at_most(bare_ns: int) -> Case:
        told = (Told(1, 0, "ALPHA", "bought"), Told(2, bare_ns, "ALPHA", "stopped"))
        spell = Spell("ALPHA", 0, 1, 10, bare_ns, 0, bare_ns, frozenset({"a1", "a3", "b1"}), told)
        return replace(case_of(), spells=(spell,))

    assert broken(at_most(BUDGET_NS)) == set()
    late = at_most(BUDGET_NS + 1)
    assert broken(late) == {Promise.IN_TIME}
    assert len(proof_of(late, Promise.IN_TIME).breaches[0].rows) == 2


def test_an_entry_that_the_journal_never_heard_of_is_not_in_time() -> None:
    case = case_of()
    assert case.spells is not None
    known = tuple(spell for spell in case.spells if "a3" not in spell.entry_ids)
    assert shown(proof_of(replace(case, spells=known), Promise.IN_TIME)) == {"a3"}


def test_while_the_engine_runs_nothing_that_is_open_is_held_against_it() -> None:
    account = with_order("a4", status=Status.WORKING)
    assert broken(case_of(account, is_over=False)) == set()
