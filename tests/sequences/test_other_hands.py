"""Other hands on the account: recognised, explained, made safe, never fought.

That the stop shrinks where somebody sells a part, and that nobody buys on top of a stranger's shares, is in
tests/races (races 7 and 8).
"""

from dataclasses import replace

import pytest

from olaf_async.core import evidence, protection, reconcile, trader
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import Verb
from olaf_async.domain.intents import CancelOrder, PlaceOrder
from olaf_async.domain.order import Order, PriceType, Role, Side, Terms
from olaf_async.domain.trade import ExitReason
from olaf_async.ports.broker import Books
from tests.races.world import (
    BY_HAND,
    ENTRY,
    INFY,
    OPEN_NS,
    RISK,
    SHARES,
    UNDERCUT,
    World,
    plan_of,
    play,
)

TCS = "TCS"
POLL = {"idle_poll_ns": 2 * SECOND_NS}
DEADLINE_NS = OPEN_NS + 60 * SECOND_NS


# --- a manual close ---------------------------------------------------------------------------------


async def a_person_closes_it(world: World) -> None:
    await world.enters()
    world.trades_by_hand(Side.SELL, SHARES)
    await world.wait(0.5)
    assert world.working(Side.SELL) == [], "at once"
    await world.prints(ENTRY - RISK - 5, UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=2)


@pytest.mark.parametrize("is_heard", [True, False], ids=["by the stream", "by the books"])
def test_a_position_that_a_person_closes_loses_its_stop_and_the_symbol_is_left_to_him(is_heard: bool) -> None:
    async def story(world: World) -> None:
        if is_heard:
            await a_person_closes_it(world)
            return
        await world.enters()
        world.broker.loses_frames = True
        world.trades_by_hand(Side.SELL, SHARES)
        await world.wait(3)
        await world.prints(ENTRY - RISK - 5, UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=2)

    world = play(story, rules=POLL)
    assert world.positions() == [0, SHARES, 0]
    assert world.working(Side.SELL) == []
    assert len(world.orders(Side.BUY)) == 1
    (done,) = world.supervisor.outcome.trades
    assert done.reason is ExitReason.OPERATOR


def minds_nobody(*_args: object, **_kwargs: object) -> None:
    """What others trade is no business of ours."""


async def a_person_closes_it_and_nobody_minds(world: World) -> None:
    await world.enters()
    world.trades_by_hand(Side.SELL, SHARES)
    await world.wait(1)
    await world.prints(ENTRY - RISK - 5, pause_s=1)


def test_twin_that_minds_nobody_opens_a_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "foreign_fill", minds_nobody)
    monkeypatch.setattr(reconcile, "_note_shortfall", minds_nobody)
    world = play(a_person_closes_it_and_nobody_minds, rules=POLL)
    assert world.position() == -SHARES


def test_two_reads_alone_find_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without knowing whose trade it was: the account holds less, and that lasts."""
    monkeypatch.setattr(evidence, "foreign_fill", minds_nobody)

    async def story(world: World) -> None:
        await world.enters()
        world.trades_by_hand(Side.SELL, SHARES)
        await world.wait(5)
        await world.prints(ENTRY - RISK - 5, pause_s=1)

    world = play(story, rules=POLL)
    assert world.position() == 0
    assert "frozen" in world.alarms.codes


# --- shares that are missing without a trade ----------------------------------------------------------


def nothing_of_today(books: Books) -> Books:
    """Positions and executions are gone, though the order stands as complete."""
    return replace(books, trades=(), positions=())


async def the_shares_are_gone(world: World, for_s: float) -> None:
    await world.enters()
    await world.wait(2)
    world.broker.shows = nothing_of_today
    await world.wait(for_s)
    world.broker.shows = lambda books: books


async def they_are_gone_for_good(world: World) -> None:
    await the_shares_are_gone(world, 6)


def test_shares_missing_in_two_reads_are_not_for_sale_any_more_and_a_person_is_called() -> None:
    world = play(they_are_gone_for_good, rules=POLL)
    assert world.asked(CancelOrder, Role.STOP)
    assert "frozen" in world.alarms.codes


async def they_are_missing_in_one_read(world: World) -> None:
    await the_shares_are_gone(world, 1.2)
    await world.wait(5)


def test_shares_missing_in_a_single_read_change_nothing() -> None:
    world = play(they_are_missing_in_one_read, rules={"idle_poll_ns": SECOND_NS * 3 // 2})
    assert world.asked(CancelOrder, Role.STOP) == []
    assert world.state().frozen is None
    assert world.protected() == SHARES


# --- a manual extra buy -----------------------------------------------------------------------------


async def a_person_buys_more_of_it(world: World) -> None:
    await world.enters()
    world.trades_by_hand(Side.BUY, 7)
    await world.wait(3)
    assert world.protected() == SHARES, "his are not ours to sell"
    await world.prints(ENTRY - RISK - 5, pause_s=2)


def test_shares_that_a_person_buys_beside_ours_are_his() -> None:
    world = play(a_person_buys_more_of_it, rules=POLL)
    assert world.position() == 7
    assert world.working(Side.SELL) == []
    assert [trade.quantity for trade in world.supervisor.outcome.trades] == [SHARES]


async def a_person_sells_his_own_again(world: World) -> None:
    await world.enters()
    world.trades_by_hand(Side.BUY, 7)
    await world.wait(1)
    world.trades_by_hand(Side.SELL, 7)
    await world.wait(3)


def test_a_person_who_sells_his_own_takes_nothing_of_ours() -> None:
    world = play(a_person_sells_his_own_again, rules=POLL)
    assert world.protected() == SHARES
    assert world.asked(CancelOrder, Role.STOP) == []


# --- orders of others -------------------------------------------------------------------------------


async def others_have_orders_everywhere(world: World) -> None:
    now_ns = world.clock.now_ns
    await world.prints(ENTRY, symbol=TCS)
    for symbol in (INFY, TCS):
        terms = Terms(3, ENTRY + 50_00)
        world.exchange.place(symbol, Side.SELL, PriceType.LIMIT, terms, now_ns(), strategy=BY_HAND)
    await world.enters()
    await world.prints(ENTRY + 2_00, ENTRY - RISK - 5, pause_s=2)


def test_orders_of_others_are_left_alone_and_are_no_error() -> None:
    world = play(others_have_orders_everywhere, plan_of(INFY), plan_of(TCS), rules=POLL)
    theirs = [order for order in world.exchange.records() if order.strategy == BY_HAND]
    assert [order.status.value for order in theirs] == ["open", "open"]
    assert world.positions() == [0, SHARES, 0]
    assert world.alarms.codes == []


async def a_person_keeps_an_order_just_like_ours(world: World) -> None:
    """It was there before: what is seen before the sending is never the one that was sent."""
    world.exchange.place(
        INFY,
        Side.BUY,
        PriceType.SL,
        Terms(SHARES, 1003_00, ENTRY),
        world.clock.now_ns(),
        strategy=BY_HAND,
    )
    await world.wait(3)
    world.broker.keep_answer(Verb.PLACE, Role.ENTRY)
    world.broker.loses_frames = True
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=8)
    await world.prints(ENTRY, pause_s=4)


def test_an_order_just_like_ours_that_was_there_before_is_not_taken_for_it() -> None:
    world = play(a_person_keeps_an_order_just_like_ours, rules=POLL)
    assert world.position() == 2 * SHARES
    assert world.state().held == world.protected() == SHARES
    assert world.state().frozen is None


# --- the broker squares off -------------------------------------------------------------------------


async def the_broker_squares_the_account_off(world: World) -> None:
    await world.enters()
    world.exchange.close_positions(world.clock.now_ns())
    await world.wait(3)
    await world.prints(ENTRY - RISK - 5, pause_s=2)


def test_a_position_that_the_broker_squares_off_is_over_and_its_stop_is_taken_away() -> None:
    world = play(the_broker_squares_the_account_off, rules=POLL)
    assert world.positions() == [0, SHARES, 0]
    assert world.working(Side.SELL) == []
    assert len(world.supervisor.outcome.trades) == 1


# --- a short nobody intended --------------------------------------------------------------------------


async def a_person_sells_more_than_is_held(world: World) -> None:
    await world.enters()
    world.trades_by_hand(Side.SELL, 2 * SHARES)
    for _ in range(8):
        await world.prints(ENTRY, pause_s=1)


def test_a_short_that_our_own_fills_do_not_explain_is_left_to_its_owner() -> None:
    world = play(a_person_sells_more_than_is_held, rules=POLL)
    assert world.position() == -SHARES
    assert len(world.orders(Side.BUY)) == 1


# --- the stop is taken away -------------------------------------------------------------------------


async def the_stop_is_taken_away(world: World, times: int) -> None:
    await world.enters()
    for _ in range(times):
        world.cancels_by_hand(world.working(Side.SELL)[-1].order_id)
        await world.wait(4)


async def once(world: World) -> None:
    await the_stop_is_taken_away(world, 1)


async def twice(world: World) -> None:
    await the_stop_is_taken_away(world, 2)
    reads = world.broker.reads
    await world.wait(10)
    assert world.broker.reads - reads >= 9, "every second"


def test_a_stop_that_others_take_away_is_placed_again_once() -> None:
    world = play(once)
    assert world.protected() == SHARES
    assert world.alarms.codes.count("stop_gone") == 1


def test_taken_away_a_second_time_it_is_not_fought_for_a_person_is_called_and_the_books_are_watched() -> None:
    world = play(twice, rules={"idle_poll_ns": 60 * SECOND_NS})
    assert world.protected() == 0
    assert len(world.asked(PlaceOrder, Role.STOP)) == 2
    assert world.alarms.codes.count("stop_gone") == 2
    assert "unprotected" in world.alarms.codes


_ended = protection.ended


def keeps_no_count(state: SymbolState, order: Order, now_ns: int) -> None:
    _ended(state, order, now_ns)
    state.stops_gone = min(state.stops_gone, 1)


def test_twin_that_keeps_no_count_fights_a_person_for_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trader._ENDED, Role.STOP, keeps_no_count)

    async def six_times(world: World) -> None:
        await the_stop_is_taken_away(world, 6)

    assert len(play(six_times).asked(PlaceOrder, Role.STOP)) == 7


async def at_the_deadline(world: World) -> None:
    await world.enters()
    await world.until_ns(DEADLINE_NS - SECOND_NS)
    await world.prints(ENTRY, pause_s=0.9)
    stop = world.working(Side.SELL)[0]
    world.broker.hold_frames()
    world.cancels_by_hand(stop.order_id)
    await world.prints(ENTRY, pause_s=0.2)
    world.broker.release_frames()
    await world.prints(ENTRY, ENTRY, pause_s=2)


def test_taken_away_at_the_deadline_it_is_not_placed_again_and_the_shares_are_sold() -> None:
    world = play(at_the_deadline, plan_of(exit_ns=DEADLINE_NS, trails_from_entry_bar=False))
    assert len(world.asked(PlaceOrder, Role.STOP)) == 1
    assert world.positions() == [0, SHARES, 0]


async def a_person_cancels_the_resting_entry(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    world.cancels_by_hand(world.working(Side.BUY)[0].order_id)
    await world.wait(3)
    await world.prints(ENTRY - 1_00, ENTRY, pause_s=1)


def test_an_entry_that_a_person_cancels_is_not_placed_again_for_that_trigger() -> None:
    world = play(a_person_cancels_the_resting_entry)
    assert world.positions() == [0]
    assert len(world.asked(PlaceOrder, Role.ENTRY)) == 1
