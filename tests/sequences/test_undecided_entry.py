"""An undecided entry: never placed again, protected before anybody has explained it, hunted once given up.

That a lost answer is looked for in the books and not retried is in tests/races/test_race_09_retry.py; over
sockets in tests/wire/test_faults.py.
"""

from dataclasses import replace

import pytest

from olaf_async.core import reconcile
from olaf_async.core.reconcile import SymbolBooks
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.core.trader import Trader
from olaf_async.domain.events import Verb
from olaf_async.domain.intents import CancelOrder, PlaceOrder
from olaf_async.domain.order import PriceType, Role, Side, Terms
from olaf_async.errors import BrokerQueued
from olaf_async.ports.broker import Books
from tests.races.world import (
    BY_HAND,
    ENTRY,
    INFY,
    LIMIT,
    RISK,
    SHARES,
    UNDERCUT,
    Gate,
    Mood,
    World,
    play,
)

SETTLE_S = 20
RULES = {"settle_ns": SETTLE_S * SECOND_NS, "idle_poll_ns": SECOND_NS}


async def undercuts_and_nothing_is_heard_of_the_entry(world: World) -> Gate:
    """It has not reached the broker either, and nobody knows that."""
    on_its_way = world.broker.keep_request(Verb.PLACE, Role.ENTRY)
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    return on_its_way


# --- seen in the position book only -----------------------------------------------------------------


def only_positions(books: Books) -> Books:
    """Order book and tradebook lag behind; the position book does not."""
    return replace(books, orders=(), trades=())


async def its_shares_are_seen_before_the_order(world: World) -> None:
    world.broker.keep_answer(Verb.PLACE, Role.ENTRY)
    world.broker.loses_frames = True
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    world.broker.shows = only_positions
    await world.prints(ENTRY, pause_s=6)
    assert world.protected() == SHARES
    world.broker.shows = lambda books: books
    await world.wait(3)
    await world.prints(ENTRY - RISK - 5, pause_s=2)


def test_shares_seen_only_in_the_position_book_are_protected_at_once_and_sold_once() -> None:
    world = play(its_shares_are_seen_before_the_order, rules=RULES)
    assert world.positions() == [0, SHARES, 0]
    assert world.oversell_risk() == 0
    assert len(world.supervisor.outcome.trades) == 1


def waits_for_the_tradebook(state: SymbolState, _books: SymbolBooks) -> None:
    state.provisional = 0


def test_twin_that_waits_for_the_tradebook_leaves_them_naked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "_unseen", waits_for_the_tradebook)
    with pytest.raises(AssertionError, match="0 == 10"):
        play(its_shares_are_seen_before_the_order, rules=RULES)


async def a_stranger_buys_while_it_is_undecided(world: World) -> None:
    await undercuts_and_nothing_is_heard_of_the_entry(world)
    world.trades_by_hand(Side.BUY, SHARES)
    await world.wait(8)


def test_shares_of_a_stranger_whose_order_is_known_are_not_taken_for_the_entrys() -> None:
    world = play(a_stranger_buys_while_it_is_undecided, rules=RULES)
    assert world.orders(Side.SELL) == []
    assert "foreign_fill" in world.alarms.codes


# --- two that could be it ---------------------------------------------------------------------------


def alike_by_hand(world: World) -> None:
    """A person places the very order that the engine would."""
    world.exchange.place(
        INFY,
        Side.BUY,
        PriceType.SL,
        Terms(SHARES, LIMIT, ENTRY),
        world.clock.now_ns(),
        strategy=BY_HAND,
    )


async def a_second_order_like_it_appears(world: World) -> None:
    world.broker.keep_answer(Verb.PLACE, Role.ENTRY)
    world.broker.loses_frames = True
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    await world.wait(7)
    alike_by_hand(world)
    await world.prints(ENTRY, pause_s=4)


def test_a_second_candidate_freezes_the_symbol_and_both_quantities_are_protected() -> None:
    world = play(a_second_order_like_it_appears, rules=RULES)
    assert "at the broker twice" in str(world.state().frozen)
    assert world.position() == world.protected() == 2 * SHARES


_bind = reconcile._bind


def takes_the_first_for_it(state: SymbolState, books: SymbolBooks) -> None:
    """One candidate was enough, so no other is looked for."""
    _bind(state, books)
    for order in state.orders:
        order.is_bound_by_books = False


def test_twin_that_is_content_with_the_first_candidate_leaves_the_second_to_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the first was the stranger's, that is a position of its own without a stop."""
    monkeypatch.setattr(reconcile, "_bind", takes_the_first_for_it)
    world = play(a_second_order_like_it_appears, rules=RULES)
    assert (world.position(), world.protected()) == (2 * SHARES, SHARES)
    assert world.state().frozen is None


async def the_answer_names_another_order(world: World) -> None:
    """What was found in the books was a stranger's; the engine's own order is only now on its way back."""
    answer = Gate()
    there = Gate()
    world.broker.meets(Verb.PLACE, Mood(there=there, back=answer), Role.ENTRY)
    world.broker.loses_frames = True
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    alike_by_hand(world)
    await world.wait(8)
    there.open()
    await world.wait(0.02)
    await world.prints(ENTRY, pause_s=0.1)
    answer.open()
    await world.wait(4)


def test_a_late_answer_with_another_id_freezes_and_both_are_ours_to_protect() -> None:
    world = play(the_answer_names_another_order, rules=RULES)
    assert "frozen" in world.alarms.codes
    assert world.position() == world.protected() == 2 * SHARES


# --- concluded absent -------------------------------------------------------------------------------


async def it_is_concluded_absent(world: World) -> Gate:
    on_its_way = await undercuts_and_nothing_is_heard_of_the_entry(world)
    await world.wait(SETTLE_S - 2)
    assert "entry_absent" not in world.alarms.codes, "no timer alone turns unknown into no"
    await world.wait(6)
    assert "entry_absent" in world.alarms.codes
    return on_its_way


async def it_appears_and_another_undercut_comes(world: World) -> None:
    on_its_way = await it_is_concluded_absent(world)
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=1)
    on_its_way.open()
    await world.wait(2)
    await world.prints(ENTRY, pause_s=2)


def test_one_concluded_absent_that_appears_is_cancelled_and_the_symbol_trades_no_more() -> None:
    world = play(it_appears_and_another_undercut_comes, rules=RULES)
    assert len(world.asked(CancelOrder, Role.ENTRY)) == 1
    assert len(world.asked(PlaceOrder, Role.ENTRY)) == 1
    assert world.positions() == [0]


_step = Trader._step


def forgets_tombstones(trader: Trader, now_ns: int) -> None:
    trader.state.phantoms.clear()
    _step(trader, now_ns)


def test_twin_without_the_tombstone_holds_shares_that_nobody_protects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Trader, "_step", forgets_tombstones)
    world = play(it_appears_and_another_undercut_comes, rules=RULES)
    assert world.position() == SHARES
    assert world.protected() == 0


async def it_appears_and_fills_at_once(world: World) -> None:
    on_its_way = await it_is_concluded_absent(world)
    on_its_way.open()
    await world.wait(0.011)
    await world.prints(ENTRY, pause_s=3)


def test_one_concluded_absent_that_fills_is_protected() -> None:
    world = play(it_appears_and_fills_at_once, rules=RULES)
    assert world.position() == SHARES
    assert world.protected() == SHARES


# --- queued for a person ----------------------------------------------------------------------------


async def it_is_queued_all_day(world: World) -> None:
    world.broker.meets(Verb.PLACE, Mood(fails=BrokerQueued("pending approval"), acts=False), Role.ENTRY)
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    await world.wait(3 * SETTLE_S)
    assert world.state().entry is not None, "a person may yet approve it"
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=1)


def test_one_queued_for_a_person_is_undecided_all_day_and_nothing_new_is_risked() -> None:
    world = play(it_is_queued_all_day, rules=RULES)
    assert world.alarms.codes.count("queued") == 1
    assert len(world.asked(PlaceOrder, Role.ENTRY)) == 1
    assert "entry_absent" not in world.alarms.codes
