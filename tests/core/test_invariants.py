"""Each invariant, broken on purpose: it fires, and its symbol is frozen."""

from collections.abc import Callable

import pytest

from olaf_async.core import calls
from olaf_async.core.invariants import check
from olaf_async.core.state import SymbolState
from olaf_async.domain.order import Order, OrderState, PriceType, Role, Side, Terms
from olaf_async.errors import InvariantBroken
from tests.core.bench import ENTRY, INITIAL, Bench

STOP = Terms(10, 98_00, INITIAL)


def holding() -> SymbolState:
    """Ten shares with nothing resting: the tests add what must not be."""
    bench = Bench()
    bench.hold()
    state = bench.state
    state.stop = None
    check(state)
    return state


def place(state: SymbolState, role: Role, terms: Terms, side: Side = Side.SELL) -> Order:
    kind = PriceType.LIMIT if role is Role.EXIT else PriceType.SL
    return calls.place(state, role, side, kind, terms)


def exit_beside_stop(state: SymbolState) -> None:
    place(state, Role.STOP, STOP)
    place(state, Role.EXIT, Terms(10, 98_00))


def exit_beside_entry(state: SymbolState) -> None:
    place(state, Role.EXIT, Terms(10, 98_00))
    state.entry = place(state, Role.ENTRY, Terms(10, 100_30, ENTRY), Side.BUY)


def more_than_held(state: SymbolState) -> None:
    place(state, Role.STOP, Terms(11, 98_00, INITIAL))


def more_by_modify(state: SymbolState) -> None:
    stop = place(state, Role.STOP, STOP)
    state.account.out.clear()
    stop.order_id, stop.state = "9", OrderState.WORKING
    calls.modify(state, stop, Terms(11, 98_00, INITIAL))


def more_bought_back_than_sold(state: SymbolState) -> None:
    state.position.leave(13, 13 * ENTRY, 1)
    place(state, Role.EXIT, Terms(4, 101_00), Side.BUY)


def off_tick(state: SymbolState) -> None:
    place(state, Role.STOP, Terms(10, 98_00, 99_01))


def limit_off_tick(state: SymbolState) -> None:
    place(state, Role.STOP, Terms(10, 98_02, INITIAL))


def price_of_nothing(state: SymbolState) -> None:
    place(state, Role.EXIT, Terms(10, 0))


def trigger_below_zero(state: SymbolState) -> None:
    place(state, Role.STOP, Terms(10, 98_00, -5))


def stop_below_the_initial(state: SymbolState) -> None:
    state.stop_level = INITIAL - 5


def entry_while_holding(state: SymbolState) -> None:
    place(state, Role.ENTRY, Terms(10, 100_30, ENTRY), Side.BUY)


def entry_beside_a_stop(state: SymbolState) -> None:
    state.position.leave(10, 10 * ENTRY, 1)
    place(state, Role.ENTRY, Terms(10, 100_30, ENTRY), Side.BUY)
    state.stop = Order("s", "ABC", Role.STOP, Side.SELL, PriceType.SL, STOP)


def too_many_attempts(state: SymbolState) -> None:
    state.attempts = state.rules.max_attempts + 1


@pytest.mark.parametrize(
    ("name", "breaks"),
    [
        ("I1", exit_beside_stop),
        ("I1", exit_beside_entry),
        ("I2", more_than_held),
        ("I2", more_by_modify),
        ("I2", more_bought_back_than_sold),
        ("I3", off_tick),
        ("I3", limit_off_tick),
        ("I3", price_of_nothing),
        ("I3", trigger_below_zero),
        ("I4", stop_below_the_initial),
        ("I5", entry_while_holding),
        ("I5", entry_beside_a_stop),
        ("I6", too_many_attempts),
    ],
)
def test_a_broken_invariant_is_named(name: str, breaks: Callable[[SymbolState], None]) -> None:
    state = holding()
    breaks(state)
    with pytest.raises(InvariantBroken, match=f"ABC: {name}: "):
        check(state)


def test_more_attempts_than_allowed_are_no_news_once_the_symbol_is_frozen() -> None:
    state = holding()
    too_many_attempts(state)
    state.frozen = "more entries have filled than are allowed"
    check(state)


def test_what_another_symbol_asks_for_is_its_own_matter() -> None:
    state = holding()
    place(state, Role.STOP, STOP)
    (intent,) = state.account.out
    other = Bench(symbols=("XYZ",)).state
    other.account.out.append(intent)
    check(other)


def test_a_belief_that_contradicts_itself_freezes_the_symbol_and_sends_nothing() -> None:
    bench = Bench()
    bench.hold()
    bench.state.stop_level = INITIAL - 5
    bench.price(INITIAL)
    bench.wait(2)
    assert "I4" in (bench.frozen() or "")
    assert "frozen" in bench.said
