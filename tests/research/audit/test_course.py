"""The course of a position, held against every order that the executions of a second can stand in."""

from collections.abc import Iterable, Iterator
from itertools import groupby, permutations, product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.adapters.openalgo.wire.dated import Dated
from olaf_async.domain.events import TradeRow
from olaf_async.domain.order import Side
from olaf_async.research.audit import course
from olaf_async.research.audit.course import course_of
from tests.research.audit.made_account import trade

BUY, SELL = Side.BUY, Side.SELL
OURS = frozenset({"in1", "in2", "out"})
MAX = 4

Trades = tuple[Dated[TradeRow], ...]


def is_allowed(trades: Iterable[Dated[TradeRow]]) -> bool:
    """One order of executions, step by step, in the plainest words."""
    ours, theirs, entry = 0, 0, ""
    for each in trades:
        row = each.row
        for _ in range(row.quantity):
            if row.order_id not in OURS:
                if row.side is BUY:
                    theirs += 1
                elif theirs > 0 or ours == 0:
                    theirs -= 1
                else:
                    ours -= 1
            elif row.side is SELL:
                ours -= 1
            else:
                if ours and entry != row.order_id:
                    return False
                ours, entry = ours + 1, row.order_id
            if not 0 <= ours <= MAX:
                return False
    return True


def orders_of(trades: Trades) -> Iterator[Trades]:
    """Every order that the times allow."""
    seconds = [list(each) for _, each in groupby(trades, key=lambda each: each.at_ns)]
    for orders in product(*(permutations(second) for second in seconds)):
        yield tuple(each for order in orders for each in order)


@st.composite
def some_trades(draw: st.DrawFn) -> Trades:
    found, at_s = [], 0
    for _ in range(draw(st.integers(0, 6))):
        at_s += draw(st.integers(0, 1))
        order_id = draw(st.sampled_from(["in1", "in1", "in2", "out", "out", "his"]))
        side = {"in1": BUY, "in2": BUY, "out": SELL}.get(order_id) or draw(st.sampled_from([BUY, SELL]))
        found.append(trade(order_id, side, draw(st.integers(1, MAX)), at_s))
    return tuple(found)


@given(some_trades())
def test_a_course_is_broken_exactly_where_no_order_is_allowed(trades: Trades) -> None:
    found = course_of(trades, OURS, BUY, MAX)
    assert (found.broken is None) is any(map(is_allowed, orders_of(trades)))


@given(some_trades(), st.randoms())
def test_rows_may_come_in_any_order(trades: Trades, random: Random) -> None:
    mixed = list(trades)
    random.shuffle(mixed)
    assert course_of(mixed, OURS, BUY, MAX) == course_of(trades, OURS, BUY, MAX)


def test_a_short_plan_is_the_mirror_image() -> None:
    short = [trade("in1", SELL, 4, 1), trade("out", BUY, 4, 2)]
    assert course_of(short, OURS, SELL, MAX).broken is None
    assert course_of(short, OURS, BUY, MAX).broken is not None


def test_what_is_too_much_to_look_through_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [trade("in1", BUY, 1, 1) for _ in range(4)] + [trade("out", SELL, 1, 1) for _ in range(4)]
    assert course_of(many, OURS, BUY, MAX).broken is None
    monkeypatch.setattr(course, "STATES_MAX", 5)
    assert course_of(many, OURS, BUY, MAX).is_too_much


def test_hundreds_of_parts_in_one_second_are_looked_through() -> None:
    many = [trade("in1", BUY, 1, 1) for _ in range(300)] + [trade("out", SELL, 3, 1) for _ in range(100)]
    found = course_of(many, OURS, BUY, 300)
    assert (found.broken, found.moments[0].least, found.moments[0].most) == (None, 0, 0)
