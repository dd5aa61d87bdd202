"""Each invariant, broken on purpose: it fires, and its symbol is frozen."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from olaf_async.core import calls
from olaf_async.core.guards import Guards
from olaf_async.core.invariants import check
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import Command
from olaf_async.domain.intents import Severity
from olaf_async.domain.order import Order, OrderState, PriceType, Role, Side, Terms
from olaf_async.errors import InvariantBroken
from olaf_async.strategies.eighty_twenty import EightyTwenty
from olaf_async.strategies.protocol import Oriented
from tests.core import bench as benches
from tests.core.bench import ENTRY, EXIT_NS, INITIAL, RULES, SESSION, STRATEGY, TRIGGER, Bench, where

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


def entry_beyond_the_attempts(state: SymbolState) -> None:
    state.position.leave(10, 10 * ENTRY, 1)
    state.attempts = state.rules.max_attempts
    place(state, Role.ENTRY, Terms(10, 100_30, ENTRY), Side.BUY)


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
        ("I6", entry_beyond_the_attempts),
    ],
)
def test_a_broken_invariant_is_named(name: str, breaks: Callable[[SymbolState], None]) -> None:
    state = holding()
    breaks(state)
    with pytest.raises(InvariantBroken, match=f"ABC: {name}: "):
        check(state)


def test_a_price_of_one_paisa_is_a_price_where_prices_lie_a_paisa_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(benches, "TICK", 1)
    state = holding()
    place(state, Role.EXIT, Terms(10, 1))
    check(state)


def test_more_attempts_than_are_allowed_by_now_are_no_contradiction() -> None:
    """Found by the simulator: a new run that was allowed fewer froze what had been traded more often."""
    state = holding()
    state.attempts = state.rules.max_attempts + 1
    check(state)


def test_what_another_symbol_asks_for_is_its_own_matter() -> None:
    state = holding()
    place(state, Role.STOP, STOP)
    (intent,) = state.account.out
    other = Bench(symbols=("XYZ",)).state
    other.account.out.append(intent)
    check(other)


# --- through the engine: what was asked for is taken back, the symbol is frozen, a person is called ----


@dataclass(frozen=True, slots=True)
class Crooked(EightyTwenty):
    """A strategy with a fault: its initial stop lies off the tick."""

    def initial_stop(self, fill: Oriented) -> Oriented:
        return super(Crooked, self).initial_stop(fill) - 1


def exit_before_the_stops_end() -> Bench:
    bench = Bench(guards=Guards(may_place_exit=lambda _: True))
    bench.hold()
    bench.wait_until(EXIT_NS - SECOND_NS)
    bench.price(ENTRY)
    bench.wait_until(EXIT_NS)
    return bench


def exit_of_more_than_is_held() -> Bench:
    bench = Bench()
    stop = bench.hold()
    bench.command(Command.FLATTEN)
    bench.accept(stop)
    bench.take()
    bench.state.keep = -5
    bench.end(stop)
    bench.books()
    return bench


def stop_off_the_tick() -> Bench:
    bench = Bench()
    trader = bench.engine.traders["ABC"]
    trader.state.strategy = Crooked(trader.state.setup, SESSION, STRATEGY)
    entry = bench.rest()
    bench.fill(entry)
    return bench


def stop_that_falls() -> Bench:
    bench = Bench(guards=Guards(may_raise=lambda _current, _wished: True))
    bench.hold()
    bench.bar(98_50, 100_00, 98_40, 99_00)
    return bench


def entry_beside_what_is_held() -> Bench:
    bench = Bench(guards=Guards(entry={}))
    bench.hold()
    bench.price(INITIAL)
    return bench


def entry_after_the_last() -> Bench:
    bench = Bench(guards=Guards(entry={}))
    bench.hold_and_stop_out()
    bench.engine.account.rules = replace(RULES, max_attempts=1)
    bench.price(TRIGGER)
    return bench


@pytest.mark.parametrize(
    ("name", "story"),
    [
        ("I1", exit_before_the_stops_end),
        ("I2", exit_of_more_than_is_held),
        ("I3", stop_off_the_tick),
        ("I4", stop_that_falls),
        ("I5", entry_beside_what_is_held),
        ("I6", entry_after_the_last),
    ],
)
def test_a_broken_invariant_freezes_its_symbol_takes_back_what_was_asked_for_and_calls_a_person(
    name: str, story: Callable[[], Bench]
) -> None:
    bench = story()
    assert f"ABC: {name}: " in (bench.frozen() or "")
    assert bench.took() == []
    unsent = (OrderState.IN_FLIGHT, OrderState.MODIFYING, OrderState.CANCELLING)
    assert not [order for order in bench.state.slots if order.state in unsent]
    alarms = [say for say in bench.says if say.severity is Severity.ALARM and say.code == "frozen"]
    assert [f"is frozen: ABC: {name}: " in alarm.text for alarm in alarms] == [True]


def test_a_belief_that_contradicts_itself_for_good_stays_frozen_and_keeps_its_stop() -> None:
    bench = stop_that_falls()
    bench.wait(10)
    assert bench.took() == []
    assert (where(bench.stop), bench.stop.terms.trigger) == (OrderState.WORKING, INITIAL)
