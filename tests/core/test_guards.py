"""Each guard is a claim; here each is made false alone, and denies."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace

import pytest

from olaf_async.core import guards
from olaf_async.core.engine import Send
from olaf_async.core.guards import ENTRY_GUARDS, STANDARD, EntryGuard, Guards
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import Command, OrderAnswered, Outcome, RunBegan, Verb
from olaf_async.domain.order import ENDS, Order, OrderState, PriceType, Role, Side, Terms
from olaf_async.domain.trade import ExitReason
from tests.core.bench import ACT_NS, ENTRY, EXIT_NS, TRIGGER, Bench, where


def order(role: Role = Role.STOP) -> Order:
    return Order(f"ABC/9-{role.value}", "ABC", role, Side.SELL, PriceType.SL, Terms(10, 98_00, 99_00))


def ready() -> Bench:
    """Everything is as an entry needs it."""
    bench = Bench()
    bench.price(TRIGGER)
    bench.state.entry = None
    assert STANDARD.denies_entry(bench.state, bench.now_ns) is None
    return bench


def has_entry(state: SymbolState) -> None:
    state.entry = order(Role.ENTRY)


def has_shares(state: SymbolState) -> None:
    state.position.enter(1, ENTRY, 1)


def has_unseen_shares(state: SymbolState) -> None:
    state.provisional = 1


def has_unreported_trade(state: SymbolState) -> None:
    closed = order()
    closed.is_value_exact = False
    state.retired.append(closed)
    state.position.enter(1, ENTRY, 1)
    state.position.leave(1, ENTRY, 2)


def has_stop(state: SymbolState) -> None:
    state.stop = order()


def has_exit(state: SymbolState) -> None:
    state.exit = order(Role.EXIT)


def has_phantom(state: SymbolState) -> None:
    state.phantoms.append(order())


def is_used_up(state: SymbolState) -> None:
    state.attempts = state.rules.max_attempts


def is_leaving(state: SymbolState) -> None:
    state.leaving = ExitReason.OPERATOR


def is_silent(state: SymbolState) -> None:
    state.last_ns -= state.rules.stale_feed_ns


def is_past_the_level(state: SymbolState) -> None:
    state.last = ENTRY


def has_no_price(state: SymbolState) -> None:
    state.last = None


def has_no_stop_to_place(state: SymbolState) -> None:
    state.setup = replace(state.setup, tick_size=100_00, entry_price=200_00, trigger_price=100_00)


def is_frozen(state: SymbolState) -> None:
    state.frozen = "because"


def is_done(state: SymbolState) -> None:
    state.is_done = True


def is_halted(state: SymbolState) -> None:
    state.account.is_halted = True


BROKEN: list[tuple[str, Callable[[SymbolState], None]]] = [
    ("has_no_entry_outstanding", has_entry),
    ("is_flat_by_belief", has_shares),
    ("is_flat_by_belief", has_unseen_shares),
    ("is_flat_by_belief", has_unreported_trade),
    ("has_no_closing_order", has_stop),
    ("has_no_closing_order", has_exit),
    ("has_nothing_undecided", has_phantom),
    ("has_attempts_left", is_used_up),
    ("is_before_the_exit", is_leaving),
    ("is_feed_fresh", is_silent),
    ("is_level_ahead", is_past_the_level),
    ("is_level_ahead", has_no_price),
    ("can_be_protected", has_no_stop_to_place),
    ("is_not_frozen", is_frozen),
    ("is_not_frozen", is_done),
    ("does_account_allow", is_halted),
]


@pytest.mark.parametrize(("name", "breaks"), BROKEN, ids=[f"{n}-{b.__name__}" for n, b in BROKEN])
def test_each_entry_guard_denies_alone(name: str, breaks: Callable[[SymbolState], None]) -> None:
    bench = ready()
    breaks(bench.state)
    assert STANDARD.denies_entry(bench.state, bench.now_ns) == name
    others: Mapping[str, EntryGuard] = {key: holds for key, holds in ENTRY_GUARDS.items() if key != name}
    assert replace(STANDARD, entry=others).denies_entry(bench.state, bench.now_ns) is None


def test_every_entry_guard_is_shown_to_deny() -> None:
    assert {name for name, _ in BROKEN} == set(ENTRY_GUARDS)


@pytest.mark.parametrize(
    ("at_ns", "holds"), [(ACT_NS - 1, False), (ACT_NS, True), (EXIT_NS - 1, True), (EXIT_NS, False)]
)
def test_an_entry_needs_the_time_between_first_action_and_exit(at_ns: int, holds: bool) -> None:
    assert guards.is_before_the_exit(ready().state, at_ns) is holds


def test_a_print_that_ends_a_silence_is_fresh() -> None:
    bench = Bench()
    bench.price(TRIGGER + 5)
    bench.wait(600)
    bench.price(TRIGGER)
    assert bench.took() == ["place entry"]


# --- the other claims -------------------------------------------------------------------------------


def test_books_allow_an_entry_only_if_newer_than_all_we_know_and_flat() -> None:
    state = ready().state
    state.books_seq, state.newest_seq, state.account_net = 5, 5, 0
    assert guards.are_books_fresh_and_flat(state)
    state.account_net = 1
    assert not guards.are_books_fresh_and_flat(state)
    state.account_net, state.books_seq = 0, 4
    assert not guards.are_books_fresh_and_flat(state)


def test_a_stop_is_placed_only_where_there_is_none_not_even_in_flight() -> None:
    state = ready().state
    assert guards.may_place_stop(state)
    has_stop(state)
    assert not guards.may_place_stop(state)


@pytest.mark.parametrize("breaks", [has_entry, has_stop, has_exit])
def test_an_exit_is_placed_only_where_nothing_else_may_trade(breaks: Callable[[SymbolState], None]) -> None:
    state = ready().state
    assert guards.may_place_exit(state)
    breaks(state)
    assert not guards.may_place_exit(state)


@pytest.mark.parametrize("where", OrderState)
def test_an_order_is_forgotten_only_once_it_has_ended(where: OrderState) -> None:
    kept = order()
    kept.state = where
    assert guards.may_forget(kept) is (where in ENDS)


@pytest.mark.parametrize(("wished", "may"), [(101, True), (100, False), (99, False)])
def test_a_stop_may_only_rise(wished: int, may: bool) -> None:
    assert guards.may_raise(100, wished) is may


@pytest.mark.parametrize(("asked_seq", "is_current"), [(6, True), (5, True), (4, False)])
def test_a_read_asked_for_before_the_newest_order_event_is_not_current(
    asked_seq: int, is_current: bool
) -> None:
    state = ready().state
    state.newest_seq = 5
    assert guards.is_read_current(state, asked_seq) is is_current


def test_only_the_order_in_its_slot_is_still_wanted() -> None:
    state = ready().state
    has_stop(state)
    assert state.stop is not None
    assert guards.is_still_wanted(state, state.stop)
    assert not guards.is_still_wanted(state, order())


def test_a_closing_order_may_close_what_is_held_and_a_buy_back_what_is_confirmed_short() -> None:
    state = ready().state
    state.position.enter(10, 10 * ENTRY, 1)
    assert guards.shares_to_close(state, Side.SELL) == 10
    assert guards.shares_to_close(state, Side.BUY) == 0
    state.position.leave(14, 14 * ENTRY, 2)
    state.account_net = -3
    assert guards.shares_to_close(state, Side.BUY) == 0
    state.oversold_reads = 2
    assert guards.shares_to_close(state, Side.BUY) == 3


def answer(key: str, request: int) -> OrderAnswered:
    return OrderAnswered("ABC", 1, request, key, Verb.MODIFY, Outcome.ACCEPTED)


def test_an_answer_speaks_of_the_order_it_was_asked_about() -> None:
    state = ready().state
    has_stop(state)
    assert state.stop is not None
    assert guards.order_asked_about(state, answer(state.stop.key, 1)) is state.stop
    assert guards.order_asked_about(state, answer("another", 1)) is None


def test_a_modifys_answer_speaks_of_the_newest_modify_only() -> None:
    asked = order()
    asked.modify_request = 7
    assert guards.is_answer_for(asked, answer(asked.key, 7))
    assert not guards.is_answer_for(asked, answer(asked.key, 6))


@pytest.mark.parametrize("where", OrderState)
def test_an_order_is_modified_only_while_it_works_and_no_modify_is_open(where: OrderState) -> None:
    wished = order()
    wished.state = where
    assert guards.is_modify_free(wished) is (where is OrderState.WORKING)
    wished.pending = wished.terms
    assert not guards.is_modify_free(wished)


def test_the_standard_table_is_what_an_engine_is_built_with_and_cannot_be_changed() -> None:
    assert Guards() == STANDARD
    with pytest.raises(TypeError):
        ENTRY_GUARDS["another"] = guards.is_not_frozen  # type: ignore[index]


def test_a_feed_is_fresh_until_the_limit_is_reached() -> None:
    bench = ready()
    limit_ns = bench.state.rules.stale_feed_ns
    assert limit_ns == 30 * SECOND_NS
    assert guards.is_feed_fresh(bench.state, bench.state.last_ns + limit_ns - 1)
    assert not guards.is_feed_fresh(bench.state, bench.state.last_ns + limit_ns)


# --- what each claim prevents happens without it ----------------------------------------------------


def buys_what_the_account_holds(bench: Bench) -> bool:
    bench.stranger(Side.BUY, 5, tells=False)
    bench.price(TRIGGER)
    return bench.took() == ["place entry"]


def acts_on_what_nobody_watched(bench: Bench) -> bool:
    entry = bench.rest()
    bench.is_desk_busy = True
    bench.fill(entry)
    bench.frame("1")
    bench.take()
    bench.stranger(Side.SELL, 10, tells=False)
    bench.is_desk_busy = False
    bench.tell(RunBegan(bench.now_ns))
    return "place stop" in bench.took()


def stops_twice(bench: Bench) -> bool:
    bench.fill(bench.rest())
    bench.frame("1")
    return bench.took().count("place stop") > 1


def sells_beside_its_stop(bench: Bench) -> bool:
    stop = bench.hold()
    bench.wait_until(EXIT_NS - SECOND_NS)
    bench.price(ENTRY)
    bench.wait_until(EXIT_NS)
    return stop.is_outstanding and bench.state.exit is not None


def forgets_an_entry_that_may_fill(bench: Bench) -> bool:
    bench.is_desk_busy = True
    bench.price(TRIGGER)
    entry = bench.entry
    bench.command(Command.RESUME)
    return entry.is_outstanding and bench.state.entry is not entry


def lowers_its_stop(bench: Bench) -> bool:
    bench.hold()
    bench.bar(99_90, 100_20, 99_60, 100_00)
    bench.settle()
    raised = bench.stop.terms.trigger
    bench.bar(99_50, 100_00, 99_20, 99_80)
    bench.settle()
    return bench.stop.terms.trigger < raised


def believes_an_old_read(bench: Bench) -> bool:
    entry = bench.rest()
    bench.fill(entry, 4)
    bench.settle()
    old = bench.ask()
    bench.fill(entry)
    bench.settle()
    for seconds in (0, 2):
        bench.tell(replace(old, asked_ns=old.asked_ns + seconds * SECOND_NS, at_ns=bench.later()))
    return bench.frozen() is not None


def sends_an_order_that_left_its_slot(bench: Bench) -> bool:
    bench.fill(bench.rest())
    (asked,) = bench.take()
    bench.state.phantoms.append(bench.stop)
    bench.state.stop = None
    return isinstance(bench.engine.admit(asked, bench.now_ns), Send)


def sells_what_is_gone(bench: Bench) -> bool:
    entry = bench.rest()
    bench.is_desk_busy = True
    bench.fill(entry)
    bench.stranger(Side.SELL, 10)
    bench.desk()
    return bench.took() == ["place stop"]


def takes_one_orders_answer_for_anothers(bench: Bench) -> bool:
    first = bench.undercut()
    (asked,) = bench.open
    bench.reach(first, asked, "1")
    bench.fill(first)
    before = bench.stop.state
    bench.answer_late(asked, "1")
    return bench.stop.state is not before


def takes_an_older_answer_for_the_newest(bench: Bench) -> bool:
    stop = bench.hold()
    bench.bar(99_90, 100_20, 99_60, 100_00)
    (older,) = bench.open
    bench.lose(stop)
    bench.books()
    bench.wait(1)
    bench.bar(100_00, 101_00, 99_80, 100_50)
    assert where(stop) is OrderState.MODIFYING
    bench.answer_late(older, "2")
    return where(stop) is OrderState.WORKING


def asks_for_two_changes_at_once(bench: Bench) -> bool:
    bench.hold()
    bench.bar(99_90, 100_20, 99_60, 100_00)
    bench.bar(100_00, 101_00, 99_80, 100_50)
    return "MODIFY_SENT is impossible" in (bench.frozen() or "")


def checks_nothing(_state: SymbolState) -> None:
    """The invariants would stop much of what a missing guard lets happen."""


def whatever_stands(state: SymbolState, _answer: OrderAnswered) -> Order | None:
    return state.slots[0]


STORIES: list[tuple[Guards, Callable[[Bench], bool]]] = [
    (Guards(books_allow_entry=lambda _: True), buys_what_the_account_holds),
    (Guards(is_watched=lambda _: True), acts_on_what_nobody_watched),
    (Guards(may_place_stop=lambda _: True), stops_twice),
    (Guards(may_place_exit=lambda _: True), sells_beside_its_stop),
    (Guards(may_forget=lambda _: True), forgets_an_entry_that_may_fill),
    (Guards(may_raise=lambda current, wished: wished != current), lowers_its_stop),
    (Guards(is_read_current=lambda _state, _seq: True), believes_an_old_read),
    (Guards(is_still_wanted=lambda _state, _order: True), sends_an_order_that_left_its_slot),
    (Guards(shares_to_close=lambda _state, _side: 10), sells_what_is_gone),
    (Guards(order_asked_about=whatever_stands), takes_one_orders_answer_for_anothers),
    (Guards(is_answer_for=lambda _order, _answer: True), takes_an_older_answer_for_the_newest),
    (Guards(is_modify_free=lambda _: True), asks_for_two_changes_at_once),
]


def replaced(table: Guards) -> list[str]:
    return [one.name for one in fields(Guards) if getattr(table, one.name) != getattr(STANDARD, one.name)]


@pytest.mark.parametrize(
    ("without", "happens"), STORIES, ids=[f"{replaced(g)[0]}-{story.__name__}" for g, story in STORIES]
)
def test_what_a_claim_prevents_happens_without_it(without: Guards, happens: Callable[[Bench], bool]) -> None:
    assert not happens(Bench(check=checks_nothing))
    assert happens(Bench(check=checks_nothing, guards=without))


def test_every_claim_of_the_table_is_shown_to_prevent_something() -> None:
    assert [*replaced(Guards(entry={})), *(name for g, _ in STORIES for name in replaced(g))] == [
        one.name for one in fields(Guards)
    ]
