"""A paper account made again from what was kept of its orders: the same books, and the same day to come."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.adapters.paper.exchange import PaperExchange, PaperRules
from olaf_async.adapters.paper.kept import KeptOrder
from olaf_async.adapters.paper.orders import Fill, OrderStatus, What
from olaf_async.domain.charges import ChargeRates
from olaf_async.domain.events import Status, TradeRow
from olaf_async.domain.order import PriceType, Side, Terms
from olaf_async.domain.price import Paise
from olaf_async.errors import InvariantBroken
from tests.adapters.test_paper_properties import (
    START_NS,
    SYMBOL,
    TICK,
    Modify,
    Prints,
    Step,
    act,
    cancels,
    days,
    levels,
    modifies,
    places,
    play,
    print_by_print,
    rules,
    stretches,
)

LATER_NS = START_NS + 3600 * 1_000_000_000
BUY, SELL = Side.BUY, Side.SELL
LIMIT, SL = PriceType.LIMIT, PriceType.SL
OPEN, PENDING, COMPLETE = OrderStatus.OPEN, OrderStatus.TRIGGER_PENDING, OrderStatus.COMPLETE


def kept_of(exchange: PaperExchange) -> list[KeptOrder]:
    """What somebody who has read all its books knows of the account, in no order."""
    value = Counter[str]()
    for fill in exchange.fills:
        value[fill.order_id] += fill.quantity * fill.price
    return [
        KeptOrder(
            record.order_id,
            record.symbol,
            record.side,
            record.price_type,
            Terms(record.quantity, record.price, record.trigger),
            record.placed_ns,
            record.status,
            record.filled,
            value[record.order_id],
        )
        for record in reversed(exchange.records())
    ]


def made_again(exchange: PaperExchange, *, remembers: bool = True) -> PaperExchange:
    again = PaperExchange(exchange.rules, {SYMBOL: TICK})
    last = exchange.last(SYMBOL)
    again.take_over(kept_of(exchange), {SYMBOL: last} if remembers and last is not None else {})
    return again


def worth(exchange: PaperExchange) -> dict[str, tuple[int, Paise]]:
    """Shares and value that each order has traded."""
    shares, value = Counter[str](), Counter[str]()
    for row in exchange.trade_rows():
        shares[row.order_id] += row.quantity
        value[row.order_id] += row.quantity * row.price
    return {order_id: (shares[order_id], value[order_id]) for order_id in shares}


def equity(exchange: PaperExchange, mark: Paise) -> Paise:
    """What the account is worth at this price."""
    funds, positions = exchange.funds(), exchange.positions()
    unrealised = sum(position.quantity * mark - position.cost for position in positions)
    return funds.realised + unrealised - funds.charges


# ------------------------------------------------------------------------------------------------- the books


@given(rules, days)
def test_the_books_and_the_money_are_those_of_before(rules: PaperRules, day: list[Step]) -> None:
    exchange = play(rules, day, print_by_print)
    again = made_again(exchange)
    assert again.order_rows() == exchange.order_rows()
    assert worth(again) == worth(exchange)
    assert again.position_rows() == exchange.position_rows()
    assert again.funds().charges == exchange.funds().charges
    assert equity(again, 100_00) == equity(exchange, 100_00)
    assert again.take_frames() == []


@given(rules, days)
def test_the_money_hangs_together(rules: PaperRules, day: list[Step]) -> None:
    again = made_again(play(rules, day, print_by_print))
    funds, positions = again.funds(), again.positions()
    spent = sum(fill.side.sign * fill.quantity * fill.price for fill in again.fills)
    assert funds.realised == sum(position.realised for position in positions)
    assert funds.realised == sum(position.cost for position in positions) - spent
    assert funds.available == rules.capital_paise + funds.realised - funds.charges - funds.used
    assert funds.used >= 0
    if not any(row.status is Status.WORKING for row in again.order_rows()):
        assert (funds.used > 0) == any(position.quantity for position in positions)


@given(rules, days)
def test_every_order_s_life_is_told_whole_and_nothing_happens_after_its_end(
    rules: PaperRules, day: list[Step]
) -> None:
    again = made_again(play(rules, day, print_by_print))
    for order in again.records():
        life = [change for change in again.history if change.order_id == order.order_id]
        assert life[0].what is What.PLACED
        assert (life[-1].status, life[-1].filled) == (order.status, order.filled)
        assert {change.at_ns for change in life} == {order.placed_ns}
    assert [fill.number for fill in again.fills] == list(range(1, len(again.fills) + 1))


@given(rules, days, st.builds(Terms, st.just(1), levels))
def test_a_new_order_has_an_id_that_no_order_had_before(
    rules: PaperRules, day: list[Step], wanted: Terms
) -> None:
    exchange = play(replace(rules, capital_paise=1_000_000_00), day, print_by_print)
    before = [row.order_id for row in exchange.order_rows()]
    new_ids = [each.place(SYMBOL, BUY, LIMIT, wanted, LATER_NS) for each in (exchange, made_again(exchange))]
    assert new_ids[0] == new_ids[1]
    assert all(new_ids[1] > order_id for order_id in before)


# ------------------------------------------------------------------------------------------------- the day


def sorted_by_order(fills: Sequence[Fill]) -> list[Fill]:
    """As `Fill.number` has it, the order of fills by one print may differ: that print's origin is unknown."""
    return sorted((replace(fill, number=0) for fill in fills), key=lambda fill: fill.order_id)


def go_on(exchange: PaperExchange, first: Paise, day: Sequence[Step]) -> tuple[object, ...]:
    """A gap, and the rest of the day; what came of it."""
    exchange.take_frames()
    seen = len(exchange.fills)
    exchange.on_print(SYMBOL, first, LATER_NS)
    at_gap = (
        sorted_by_order(exchange.fills[seen:]),
        sorted(exchange.take_frames(), key=lambda frame: (frame.order_id, frame.filled)),
    )
    seen, now_ns = len(exchange.fills), LATER_NS
    for step in day:
        now_ns = act(exchange, step, now_ns + 1, print_by_print)
    later = [replace(fill, number=0) for fill in exchange.fills[seen:]]
    return (
        at_gap,
        later,
        exchange.take_frames(),
        exchange.order_rows(),
        exchange.position_rows(),
        exchange.band(SYMBOL),
    )


whole = st.builds(
    PaperRules, slippage_ticks=st.integers(0, 3), charges=st.sampled_from([None, ChargeRates()])
)
more = st.lists(st.builds(Prints, stretches.map(tuple)) | places | modifies | cancels, max_size=12)


@given(whole, days, levels, more)
def test_at_a_true_exchange_the_day_goes_on_as_if_nothing_had_been(
    rules: PaperRules, day: list[Step], first: Paise, rest: list[Step]
) -> None:
    exchange = play(rules, day, print_by_print)
    again = made_again(exchange)
    assert go_on(again, first, rest) == go_on(exchange, first, rest)


@given(whole, days, levels, more)
def test_in_the_sandbox_it_does_so_too_where_no_limit_was_changed(
    rules: PaperRules, day: list[Step], first: Paise, rest: list[Step]
) -> None:
    """A changed limit waits there to be reached even where the market is beyond it, which no book shows."""
    before = [step for step in day if not isinstance(step, Modify)]
    exchange = play(replace(rules, exchange_true=False), before, print_by_print)
    again = made_again(exchange)
    assert go_on(again, first, rest) == go_on(exchange, first, rest)


@given(rules, days, more)
def test_whatever_was_kept_the_rest_of_the_day_keeps_the_exchange_s_own_rules(
    rules: PaperRules, day: list[Step], rest: list[Step]
) -> None:
    again = made_again(play(rules, day, print_by_print), remembers=False)
    now_ns, seen = LATER_NS, len(again.fills)
    for step in rest:
        now_ns = act(again, step, now_ns + 1, print_by_print)
    for fill in again.fills[seen:]:
        order = again.record(fill.order_id)
        if order.price_type in {LIMIT, SL}:
            assert (order.price - fill.price) * order.side.sign >= 0
        assert fill.price > 0
    for order in again.records():
        assert order.filled == sum(fill.quantity for fill in again.fills if fill.order_id == order.order_id)
        assert (order.filled == order.quantity) == (order.status is COMPLETE)


# ------------------------------------------------------------------------------------------------- one by one


def order_of(number: int = 1, **changes: object) -> KeptOrder:
    placed = KeptOrder(f"261122{number:08d}", SYMBOL, BUY, SL, Terms(10, 101_00, 100_00), START_NS, PENDING)
    return replace(placed, **changes)  # type: ignore[arg-type] # the fields are told apart by name


def account(*kept: KeptOrder, last: Paise | None = None) -> PaperExchange:
    exchange = PaperExchange(PaperRules(), {SYMBOL: TICK})
    exchange.take_over(kept, {} if last is None else {SYMBOL: last})
    return exchange


def trades_at(exchange: PaperExchange, *prices: Paise) -> list[tuple[int, Paise]]:
    seen = len(exchange.fills)
    for number, price in enumerate(prices):
        exchange.on_print(SYMBOL, price, LATER_NS + number)
    return [(fill.quantity, fill.price) for fill in exchange.fills[seen:]]


def test_a_stop_that_was_passed_while_nobody_watched_fills_at_the_next_print() -> None:
    assert trades_at(account(order_of(), last=99_00), 100_60) == [(10, 100_60)]


def test_a_stop_that_was_jumped_while_nobody_watched_rests_at_its_limit() -> None:
    exchange = account(order_of(), last=99_00)
    assert trades_at(exchange, 102_00) == []
    assert [frame.status for frame in exchange.take_frames()] == [OPEN]
    assert trades_at(exchange, 101_00) == [(10, 101_00)]


def test_a_stop_that_was_triggered_before_needs_no_second_trigger() -> None:
    assert trades_at(account(order_of(), last=102_00), 99_00) == []
    assert trades_at(account(order_of(status=OPEN), last=102_00), 99_00) == [(10, 101_00)]


def test_a_limit_that_was_to_take_the_next_print_takes_it_and_one_that_waited_fills_at_its_limit() -> None:
    limit = order_of(price_type=LIMIT, terms=Terms(10, 101_00), status=OPEN)
    assert trades_at(account(limit, last=100_00), 99_00) == [(10, 99_00)]
    assert trades_at(account(limit, last=102_00), 99_00) == [(10, 101_00)]


def test_an_order_without_a_limit_takes_the_next_print_even_if_no_price_is_remembered() -> None:
    market = order_of(price_type=PriceType.MARKET, terms=Terms(10, 0), status=OPEN)
    assert trades_at(account(market), 99_00) == [(10, 99_00)]


def test_the_rest_of_a_partly_filled_order_goes_on() -> None:
    exchange = account(order_of(status=OPEN, filled=4, value=4 * 100_00), last=100_00)
    assert exchange.trade_rows() == (TradeRow("26112200000001", SYMBOL, BUY, 4, 100_00),)
    assert trades_at(exchange, 100_50) == [(6, 100_50)]
    assert exchange.order_rows()[0].status is Status.COMPLETE


def test_numbers_that_were_given_to_orders_nobody_knows_are_not_missed() -> None:
    exchange = account(order_of(7), order_of(12))
    assert exchange.place(SYMBOL, BUY, LIMIT, Terms(1, 99_00), START_NS) == "26112200000013"


def test_no_price_of_before_passes_for_one_of_now() -> None:
    exchange = account(order_of(status=COMPLETE, filled=10, value=1000_00), last=100_00)
    assert exchange.last(SYMBOL) is None
    assert exchange.funds().unrealised == 0


@pytest.mark.parametrize("happened", ["an order", "a print", "a take-over"])
def test_an_account_at_which_something_has_happened_is_not_taken_over(happened: str) -> None:
    exchange = PaperExchange(PaperRules(), {SYMBOL: TICK})
    if happened == "an order":
        exchange.place(SYMBOL, BUY, LIMIT, Terms(1, 99_00), START_NS)
    elif happened == "a print":
        exchange.on_print(SYMBOL, 100_00, START_NS)
    else:
        exchange.take_over([order_of()], {})
    with pytest.raises(InvariantBroken, match="before anything else happens"):
        exchange.take_over([order_of(2)], {})


# ------------------------------------------------------------------------------------------------- executions


def executions(filled: int, value: Paise, limit: Paise = 101_00) -> list[tuple[int, Paise]]:
    return list(order_of(filled=filled, value=value, terms=Terms(100, limit)).executions(TICK))


def test_a_value_that_is_so_much_a_share_is_one_execution() -> None:
    assert executions(3, 300_15) == [(3, 100_05)]


def test_any_other_value_is_two_at_neighbouring_prices_on_the_grid() -> None:
    assert executions(3, 300_05) == [(2, 100_00), (1, 100_05)]
    assert executions(5, 500_15) == [(2, 100_00), (3, 100_05)]


def test_a_value_that_no_prices_on_the_grid_make_is_two_a_paisa_apart() -> None:
    assert executions(3, 300_01) == [(2, 100_00), (1, 100_01)]


def test_a_limit_off_the_grid_is_kept_all_the_same() -> None:
    assert executions(3, 300_05, limit=100_02) == [(1, 100_01), (2, 100_02)]


def test_what_has_not_traded_has_no_executions() -> None:
    assert executions(0, 0) == []


@given(st.lists(st.tuples(st.integers(1, 20), levels), min_size=1, max_size=6), st.integers(0, 2))
def test_executions_are_worth_what_the_true_ones_were_and_keep_their_limit(
    fills: list[tuple[int, Paise]], off_grid: int
) -> None:
    filled = sum(shares for shares, _ in fills)
    value = sum(shares * (price + off_grid) for shares, price in fills)
    limit = max(price for _, price in fills) + off_grid
    made = executions(filled, value, limit)
    assert len(made) <= 2
    assert sum(shares for shares, _ in made) == filled
    assert sum(shares * price for shares, price in made) == value
    assert all(price <= limit for _, price in made)
    if not off_grid:
        assert all(price % TICK == 0 for _, price in made)
