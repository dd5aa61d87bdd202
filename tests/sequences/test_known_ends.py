"""An order has ended only with its filled quantity known.

Four of ten fill during the cancel, the book says only `cancelled`, the exit sells ten: so a book's word is
not enough. `complete` needs its trade; `cancelled` needs a second read or a frame, and a tradebook asked for
after it. The same with undisturbed books is in tests/races/test_race_05_exit_at_the_deadline.py.
"""

from dataclasses import replace
from typing import TypeAlias

import pytest

from olaf_async.core import reconcile
from olaf_async.core.reconcile import SymbolBooks
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import Command, Commanded, OrderRow, Status, Verb
from olaf_async.domain.intents import PlaceOrder
from olaf_async.domain.order import Order, OrderState, Role, Side
from olaf_async.ports.broker import Books
from tests.races.world import ENTRY, RISK, SHARES, UNDERCUT, World, play

Patch: TypeAlias = pytest.MonkeyPatch


class LaggingTrades:
    """Books as some brokers keep them: no filled quantity in a row, and executions four seconds late."""

    def __init__(self, world: World, from_count: int) -> None:
        self._world = world
        self._count = from_count
        self._until_ns = 0

    def __call__(self, books: Books) -> Books:
        now_ns = self._world.clock.now_ns()
        if len(books.trades) > self._count and not self._until_ns:
            self._until_ns = now_ns + 4 * SECOND_NS
        is_late = now_ns < self._until_ns
        trades = books.trades[: self._count] if is_late else books.trades
        return replace(books, orders=tuple(map(vague, books.orders)), trades=trades)


def vague(row: OrderRow) -> OrderRow:
    return replace(row, filled=None, average=0)


# --- a stop that sells in part while it is cancelled ------------------------------------------------


async def four_of_ten_are_sold_during_the_cancel(world: World) -> None:
    await world.enters()
    world.broker.loses_frames = True
    world.broker.shows = LaggingTrades(world, len(world.exchange.fills))
    cancel = world.broker.keep_request(Verb.CANCEL, Role.STOP)
    world.supervisor.pump.put(Commanded(world.clock.now_ns(), Command.FLATTEN))
    await world.prints(ENTRY - RISK + 5, pause_s=0.2)
    world.next_fills = [4]
    await world.prints(ENTRY - RISK - 5, pause_s=0)
    cancel.open()
    await world.wait(0.3)
    for _ in range(12):
        await world.prints(ENTRY - RISK - 5, pause_s=1)


def test_what_the_stop_sold_during_its_cancel_is_known_before_the_rest_is_sold() -> None:
    world = play(four_of_ten_are_sold_during_the_cancel)
    assert [order.filled for order in world.orders(Side.SELL)] == [4, SHARES - 4]
    assert world.positions() == [0, SHARES, SHARES - 4, 0]
    assert world.oversell_risk() == 0


def believes_it_at_once(monkeypatch: Patch) -> None:
    """A row that says so ends the order: no second read, no tradebook to match."""

    def ending(state: SymbolState, order: Order, row: OrderRow, books: SymbolBooks, now_ns: int) -> None:
        whole(state, order, row, books, now_ns)
        if order.state is OrderState.ENDING and order.ended_as is not None:
            order.apply(order.ended_as)

    whole = reconcile._ending
    monkeypatch.setattr(reconcile, "_ending", ending)


def test_twin_that_believes_the_word_cancelled_sells_ten(monkeypatch: Patch) -> None:
    believes_it_at_once(monkeypatch)
    world = play(four_of_ten_are_sold_during_the_cancel)
    assert [order.filled for order in world.orders(Side.SELL)][:2] == [4, SHARES]
    assert min(world.positions()) == -4


# --- an entry that fills in part while it is cancelled ----------------------------------------------


async def four_of_ten_are_bought_during_the_cancel(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    world.broker.loses_frames = True
    world.broker.shows = LaggingTrades(world, 0)
    cancel = world.broker.keep_request(Verb.CANCEL, Role.ENTRY)
    world.supervisor.pump.put(Commanded(world.clock.now_ns(), Command.HALT))
    await world.wait(0.1)
    world.next_fills = [4]
    await world.prints(ENTRY, pause_s=0)
    cancel.open()
    await world.wait(8)


def test_four_shares_bought_during_the_cancel_of_the_rest_are_found_and_protected() -> None:
    world = play(four_of_ten_are_bought_during_the_cancel)
    assert world.positions() == [0, 4]
    assert world.protected() == 4
    assert world.state().entry is None


# --- complete needs the trade -----------------------------------------------------------------------


async def a_book_says_complete_before_the_trade_is_there(world: World) -> None:
    await world.enters()
    world.broker.loses_frames = True
    world.broker.shows = LaggingTrades(world, len(world.exchange.fills))
    await world.prints(ENTRY - RISK - 5, pause_s=0.5)
    await world.prints(ENTRY - RISK - 10, pause_s=1)
    assert world.state().held == SHARES, "nothing is believed before the trade is there"
    await world.wait(6)


def test_complete_counts_once_its_trade_is_there_and_nothing_is_sold_twice() -> None:
    world = play(a_book_says_complete_before_the_trade_is_there, rules={"idle_poll_ns": SECOND_NS})
    assert len(world.orders(Side.SELL)) == 1
    assert world.positions() == [0, SHARES, 0]
    (trade,) = world.supervisor.outcome.trades
    assert trade.exit_value == SHARES * (ENTRY - RISK - 5)


# --- a row that shows a neighbour's status ----------------------------------------------------------


class WrongRow:
    """For a second and a half the book shows the stop as cancelled; it is not."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._until_ns = world.clock.now_ns() + 3 * SECOND_NS // 2

    def __call__(self, books: Books) -> Books:
        if self._world.clock.now_ns() >= self._until_ns:
            return books
        orders = [replace(r, status=Status.CANCELLED) if r.side is Side.SELL else r for r in books.orders]
        return replace(books, orders=tuple(orders))


async def the_book_shows_the_stop_as_cancelled_for_a_while(world: World) -> None:
    await world.enters()
    world.broker.shows = WrongRow(world)
    await world.wait(5)
    await world.prints(ENTRY - RISK - 5, pause_s=2)


FAST_POLL = {"idle_poll_ns": SECOND_NS // 2, "read_gap_ns": SECOND_NS // 2}


def test_a_stop_that_a_book_wrongly_shows_as_cancelled_is_not_placed_a_second_time() -> None:
    world = play(the_book_shows_the_stop_as_cancelled_for_a_while, rules=FAST_POLL)
    assert len(world.asked(PlaceOrder, Role.STOP)) == 1
    assert world.positions() == [0, SHARES, 0]


def test_twin_that_takes_two_reads_of_one_instant_for_two_proofs_sells_twice(monkeypatch: Patch) -> None:
    monkeypatch.setattr(reconcile, "CLAIM_GAP_NS", 0)
    world = play(the_book_shows_the_stop_as_cancelled_for_a_while, rules=FAST_POLL)
    assert len(world.asked(PlaceOrder, Role.STOP)) == 2
    assert min(world.positions()) == -SHARES
