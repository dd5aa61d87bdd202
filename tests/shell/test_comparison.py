"""Belief against raw books: what is told of each difference, and which of them need a person."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from olaf_async.core.engine import Plan
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import OrderRow, PositionRow, Status, TradeRow, Verb
from olaf_async.domain.order import Order, OrderState, PriceType, Role, Side, Terms
from olaf_async.domain.setup import Direction, Setup
from olaf_async.errors import BrokerUndecided
from olaf_async.ports.broker import Books
from olaf_async.ports.control import Difference
from olaf_async.shell.comparison import compare
from olaf_async.strategies.eighty_twenty import EightyTwenty, EightyTwentyRules
from tests.races.world import DAY, ENTRY, INFY, RISK, SHARES, UNDERCUT, Mood, Story, World, plan_of, play

Seen = tuple[SymbolState, Books]


def after(story: Story) -> Seen:
    """The belief and the true books at the end of a story, which agree."""
    world = play(story)
    exchange = world.exchange
    books = Books(exchange.order_rows(), exchange.trade_rows(), exchange.position_rows("MIS"))
    return world.state(), books


async def holding(world: World) -> None:
    await world.enters()
    await world.wait(6)


async def resting(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=3)


async def idle(world: World) -> None:
    await world.wait(1)


async def stopped_out(world: World) -> None:
    await holding(world)
    await world.prints(ENTRY - RISK - 5, pause_s=3)


def found(seen: Seen, *, is_watched: bool = True) -> list[Difference]:
    state, books = seen
    return list(compare([state], books, is_watched=is_watched))


def kinds(differences: list[Difference]) -> dict[str, bool]:
    """What differs, and whether that needs a person."""
    assert len({difference.kind for difference in differences}) == len(differences)
    return {difference.kind: difference.needs_person for difference in differences}


def with_row(books: Books, order: int, **changes: object) -> Books:
    """The books with another row in the place of that order's."""
    rows = list(books.orders)
    rows[order] = replace(rows[order], **changes)  # type: ignore[arg-type] # names are the row's own
    return replace(books, orders=tuple(rows))


def row_of(order_id: str, side: Side, quantity: int, status: Status = Status.WORKING) -> OrderRow:
    return OrderRow(order_id, INFY, side, PriceType.LIMIT, status, quantity, 990_00, 0, 0)


@pytest.mark.parametrize("story", [idle, resting, holding, stopped_out])
@pytest.mark.parametrize("is_watched", [True, False])
def test_where_all_agrees_there_is_no_difference(story: Story, is_watched: bool) -> None:
    differences = found(after(story), is_watched=is_watched)
    if story is resting and not is_watched:
        assert kinds(differences) == {"unwatched": True}, "what it buys would have no stop"
    else:
        assert differences == []


def test_the_books_of_other_symbols_are_nobodys_business() -> None:
    state, books = after(holding)
    other = replace(
        books,
        orders=(*books.orders, replace(row_of("77", Side.BUY, 5), symbol="TCS")),
        trades=(*books.trades, TradeRow("78", "TCS", Side.BUY, 5, 100_00)),
        positions=(*books.positions, PositionRow("TCS", 5)),
    )
    assert found((state, other)) == []


# --- our orders -----------------------------------------------------------------------------------


def test_a_fill_and_an_end_that_the_books_know_and_the_belief_not_are_news_and_need_nobody() -> None:
    state, books = after(stopped_out)
    (stop,) = [order for order in state.retired if order.role is Role.STOP]
    stop.state, stop.filled = OrderState.WORKING, 0
    assert kinds(found((state, books))) == {"filled": False, "state": False, "position": False}


def test_what_such_news_leaves_without_a_stop_needs_a_person() -> None:
    state, books = after(holding)
    differences = found((state, with_row(books, 1, status=Status.CANCELLED, reason="by the broker")))
    assert kinds(differences) == {"state": False, "unprotected": True}
    state_of_stop, bare = differences
    assert (state_of_stop.believed, state_of_stop.found) == ("working", "cancelled: by the broker")
    assert bare.found == f"{SHARES} shares held, 0 covered by working orders"


def test_a_fill_that_the_books_take_back_needs_a_person() -> None:
    state, books = after(holding)
    differences = found((state, replace(with_row(books, 0, filled=0), trades=(), positions=())))
    assert kinds(differences) == {"filled": True, "position": False}
    assert (differences[0].believed, differences[0].found) == (f"{SHARES} filled", "0 filled")


def test_an_order_at_work_that_counts_as_ended_needs_a_person() -> None:
    state, books = after(stopped_out)
    assert kinds(found((state, with_row(books, 1, status=Status.WORKING)))) == {"state": True}


def test_an_end_of_another_kind_is_told_and_needs_nobody() -> None:
    state, books = after(stopped_out)
    assert kinds(found((state, with_row(books, 1, status=Status.CANCELLED)))) == {"state": False}


@pytest.mark.parametrize(
    "change",
    [{"quantity": SHARES + 1}, {"price": 900_00}, {"trigger": 980_00}, {"price_type": PriceType.MARKET}],
    ids=lambda change: next(iter(change)),
)
def test_other_terms_than_ours_need_a_person(change: dict[str, object]) -> None:
    state, books = after(holding)
    (terms,) = found((state, with_row(books, 1, **change)))
    assert (terms.kind, terms.needs_person) == ("terms", True)
    assert terms.believed == "SELL 10 SL from 990.00 at 970.20"
    assert terms.found != terms.believed


def test_the_terms_of_a_change_under_way_are_no_difference_and_others_meanwhile_need_nobody() -> None:
    state, books = after(holding)
    assert state.stop is not None
    state.stop.pending = replace(state.stop.terms, trigger=995_00)
    assert found((state, with_row(books, 1, trigger=995_00))) == []
    assert kinds(found((state, with_row(books, 1, trigger=993_00)))) == {"terms": False}


def test_a_stop_that_has_triggered_and_shows_as_a_limit_order_is_no_difference() -> None:
    state, books = after(holding)
    assert found((state, with_row(books, 1, price_type=PriceType.LIMIT))) == []


def test_an_order_that_the_book_has_lost_needs_a_person() -> None:
    state, books = after(holding)
    differences = found((state, replace(books, orders=books.orders[:1])))
    assert kinds(differences) == {"missing": True, "unprotected": True}
    assert differences[0].believed == "SELL 10 SL from 990.00 at 970.20, working"


# --- orders of unknown fate -----------------------------------------------------------------------


def lost(*, acts: bool) -> Story:
    """The answer to the entry is lost; the order is at the broker or not."""

    async def story(world: World) -> None:
        world.broker.loses_frames = True
        world.broker.meets(Verb.PLACE, Mood(fails=BrokerUndecided("timeout"), acts=acts), Role.ENTRY)
        world.broker.shows = lambda _: Books((), (), ())
        await world.prints(UNDERCUT, pause_s=1)

    return story


@pytest.mark.parametrize("is_watched", [True, False])
def test_an_undecided_order_that_nobody_sees_is_looked_for_by_the_engine_if_there_is_one(
    is_watched: bool,
) -> None:
    differences = found(after(lost(acts=False)), is_watched=is_watched)
    assert kinds(differences) == {"undecided": not is_watched}
    assert differences[0].found == "nothing like it"


def test_an_undecided_order_that_stands_in_the_books_is_news() -> None:
    (found_there,) = found(after(lost(acts=True)))
    assert (found_there.kind, found_there.needs_person) == ("found", False)
    assert found_there.found.endswith(" working")


def test_an_exit_of_unknown_fate_is_recognised_by_its_limit() -> None:
    state, books = after(holding)
    terms = Terms(SHARES, 990_00)
    undecided = OrderState.UNDECIDED
    state.exit = Order(
        "INFY/3-exit", INFY, Role.EXIT, Side.SELL, PriceType.LIMIT, terms, undecided, sent_ns=1
    )
    row = row_of("55", Side.SELL, SHARES)
    for price, told in (
        (990_00, {"found": False}),
        (989_95, {"undecided": False, "foreign order": True}),
    ):
        more = replace(books, orders=(*books.orders, replace(row, price=price)))
        assert kinds(found((state, more))) == told


def test_two_candidates_for_one_undecided_order_need_a_person() -> None:
    state, books = after(lost(acts=True))
    twin = replace(books.orders[0], order_id="twin")
    differences = found((state, replace(books, orders=(*books.orders, twin))))
    assert kinds(differences) == {"found": True}


def test_an_order_given_up_as_absent_that_stands_in_the_books_needs_a_person() -> None:
    state, books = after(lost(acts=True))
    assert state.entry is not None
    state.entry.state = OrderState.ABSENT
    assert kinds(found((state, books))) == {"found": True}
    assert found((state, replace(books, orders=()))) == []


def test_an_order_that_was_never_sent_is_not_looked_for() -> None:
    state, books = after(lost(acts=False))
    assert state.entry is not None
    state.entry.state, state.entry.sent_ns = OrderState.IN_FLIGHT, None
    assert found((state, books)) == []


# --- other hands ----------------------------------------------------------------------------------


def by_hand(act: Callable[[World], None]) -> Story:
    async def story(world: World) -> None:
        await holding(world)
        act(world)
        await world.wait(6)

    return story


def test_a_trade_by_hand_that_the_engine_knows_is_told_and_needs_nobody() -> None:
    seen = after(by_hand(lambda world: world.trades_by_hand(Side.BUY, 3)))
    (trade,) = found(seen)
    assert (trade.kind, trade.needs_person) == ("foreign trade", False)
    assert (trade.believed, trade.found) == ("+3 shares", "+3 shares")


def test_one_that_it_does_not_know_needs_a_person() -> None:
    state, books = after(by_hand(lambda world: world.trades_by_hand(Side.BUY, 3)))
    state.foreign.clear()
    assert kinds(found((state, books))) == {"foreign trade": True, "position": False}


def test_a_position_closed_by_hand_is_flat_and_not_unprotected() -> None:
    assert kinds(found(after(by_hand(lambda world: world.trades_by_hand(Side.SELL, SHARES))))) == {
        "foreign trade": False
    }


def test_a_foreign_order_at_work_needs_a_person_and_one_that_ended_with_nothing_nobody() -> None:
    state, books = after(holding)
    for status, told in ((Status.WORKING, {"foreign order": True}), (Status.CANCELLED, {})):
        more = replace(books, orders=(*books.orders, row_of("99", Side.SELL, 4, status)))
        assert kinds(found((state, more))) == told


# --- positions ------------------------------------------------------------------------------------


def test_a_position_that_no_execution_explains_needs_a_person() -> None:
    state, books = after(holding)
    differences = found((state, replace(books, positions=(PositionRow(INFY, SHARES + 5),))))
    assert kinds(differences) == {"books": True, "position": True}
    assert (differences[1].believed, differences[1].found) == ("+10 shares", "+15 shares")


def test_books_of_which_some_lag_behind_the_others_contradict_themselves() -> None:
    state, books = after(holding)
    differences = found((state, replace(books, trades=(), positions=())))
    assert kinds(differences) == {"books": True, "position": True}
    assert (differences[0].believed, differences[0].found) == ("fills: +10 shares", "position: +0 shares")


def test_shares_sold_twice_need_a_person() -> None:
    state, books = after(stopped_out)
    sold = [trade for trade in books.trades if trade.side is Side.SELL]
    twice = replace(books, trades=(*books.trades, *sold), positions=(PositionRow(INFY, -SHARES),))
    assert kinds(found((state, twice))) == {"filled": False, "position": False, "oversold": True}


def test_an_entry_that_filled_while_nobody_watched_leaves_shares_without_a_stop() -> None:
    state, books = after(resting)
    assert state.entry is not None
    filled = with_row(books, 0, status=Status.COMPLETE, filled=SHARES)
    trade = TradeRow(books.orders[0].order_id, INFY, Side.BUY, SHARES, ENTRY)
    filled = replace(filled, trades=(trade,), positions=(PositionRow(INFY, SHARES),))
    assert kinds(found((state, filled), is_watched=False)) == {
        "filled": False,
        "state": False,
        "position": False,
        "unprotected": True,
    }


def test_a_short_position_is_held_against_the_books_as_a_long_one() -> None:
    session = plan_of().session
    setup = Setup(INFY, DAY, ENTRY, ENTRY + 5_00, 5, 2 * RISK, quantity=SHARES, direction=Direction.SHORT)
    plan = Plan(
        setup, session, EightyTwenty(setup, session, EightyTwentyRules(3600 * SECOND_NS, 60 * SECOND_NS))
    )

    async def short(world: World) -> None:
        await world.prints(ENTRY + 6_00, ENTRY + 1_00, ENTRY, pause_s=0.5)
        await world.wait(6)
        assert world.position() == -SHARES

    world = play(short, plan)
    exchange = world.exchange
    books = Books(exchange.order_rows(), exchange.trade_rows(), exchange.position_rows("MIS"))
    seen = world.state(), books
    assert found(seen) == []
    assert kinds(found((seen[0], with_row(books, 1, status=Status.CANCELLED)))) == {
        "state": False,
        "unprotected": True,
    }


def test_comparing_changes_nothing() -> None:
    state, books = after(holding)
    before = repr(state), repr(books)
    compare([state], replace(books, orders=(), positions=()), is_watched=True)
    assert (repr(state), repr(books)) == before
