"""What holds of the paper exchange whatever is asked of it, on random orders and random paths."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from olaf_async.adapters.paper.exchange import PaperExchange, PaperRules
from olaf_async.adapters.paper.orders import LIMITED, OrderStatus, What
from olaf_async.adapters.paper.reach import EVERY_PRINT
from olaf_async.domain.charges import ChargeRates
from olaf_async.domain.order import PriceType, Side, Terms
from olaf_async.errors import BrokerRejected

TICK = 5
START_NS = 1_795_329_000 * 1_000_000_000
SYMBOL = "SBIN"


@dataclass(frozen=True)
class Prints:
    """A stretch of (price, continuous)."""

    path: tuple[tuple[int, bool], ...]


@dataclass(frozen=True)
class Place:
    side: Side
    kind: PriceType
    terms: Terms
    on_print: bool


@dataclass(frozen=True)
class Modify:
    which: int
    terms: Terms
    on_print: bool
    kind: PriceType | None


@dataclass(frozen=True)
class Cancel:
    which: int


Step: TypeAlias = Prints | Place | Modify | Cancel
Feed: TypeAlias = Callable[[PaperExchange, Sequence[tuple[int, bool]], int], int]

levels = st.integers(1994, 2006).map(lambda ticks: ticks * TICK)
terms = st.builds(Terms, st.integers(1, 20), levels, levels)
stretches = st.lists(st.tuples(levels, st.booleans()), min_size=1, max_size=12)
prints = st.builds(Prints, stretches.map(tuple))
places = st.builds(Place, st.sampled_from(Side), st.sampled_from(PriceType), terms, st.booleans())
modifies = st.builds(Modify, st.integers(0, 9), terms, st.booleans(), st.none() | st.sampled_from(PriceType))
cancels = st.builds(Cancel, st.integers(0, 9))
days = st.lists(prints | places | places | modifies | cancels, min_size=4, max_size=25)
rules = st.builds(
    PaperRules,
    slippage_ticks=st.integers(0, 3),
    exchange_true=st.booleans(),
    partial_fills=st.booleans(),
    seed=st.integers(0, 3),
    capital_paise=st.sampled_from([2_000_00, 1_000_000_00]),
    charges=st.sampled_from([None, ChargeRates()]),
)


def print_by_print(exchange: PaperExchange, path: Sequence[tuple[int, bool]], now_ns: int) -> int:
    for price, continuous in path:
        now_ns += 1
        exchange.on_print(SYMBOL, price, now_ns, continuous=continuous)
    return now_ns


def skipping(exchange: PaperExchange, path: Sequence[tuple[int, bool]], now_ns: int) -> int:
    """As a replay does it: search for the next breach, and tell only the newest print before it."""
    skipped = 0
    low, high = exchange.band(SYMBOL)
    for number, (price, continuous) in enumerate(path):
        if low < price < high:
            skipped += 1
            continue
        if skipped:
            exchange.set_last(SYMBOL, path[number - 1][0], now_ns + number, skipped)
            skipped = 0
        exchange.on_print(SYMBOL, price, now_ns + number + 1, continuous=continuous)
        low, high = exchange.band(SYMBOL)
    if skipped:
        exchange.set_last(SYMBOL, path[-1][0], now_ns + len(path), skipped)
    return now_ns + len(path)


def level_by_level(exchange: PaperExchange, path: Sequence[tuple[int, bool]], now_ns: int) -> int:
    """Every price that a continuous path passes, as a print of its own."""
    for price, continuous in path:
        last = exchange.last(SYMBOL)
        if continuous and last is not None:
            way = range(last, price, TICK if price > last else -TICK)
            now_ns = print_by_print(exchange, [(passed, False) for passed in way[1:]], now_ns)
        now_ns = print_by_print(exchange, [(price, False)], now_ns)
    return now_ns


def act(exchange: PaperExchange, step: Step, now_ns: int, feed: Feed) -> int:
    """Take one step; refusals are part of life."""
    known = exchange.records()
    try:
        match step:
            case Prints(path):
                return feed(exchange, path, now_ns)
            case Place(side, kind, wanted, on_print):
                exchange.place(SYMBOL, side, kind, wanted, now_ns, on_print=on_print)
            case Modify(which, wanted, on_print, price_type):
                order_id = known[which % len(known)].order_id if known else "none"
                exchange.modify(order_id, wanted, now_ns, on_print=on_print, price_type=price_type)
            case Cancel(which):
                exchange.cancel(known[which % len(known)].order_id if known else "none", now_ns)
    except BrokerRejected:
        pass
    return now_ns


def play(rules: PaperRules, day: Sequence[Step], feed: Feed) -> PaperExchange:
    exchange = PaperExchange(rules, {SYMBOL: TICK})
    now_ns = START_NS
    for step in day:
        now_ns = act(exchange, step, now_ns, feed)
    return exchange


def everything_of(exchange: PaperExchange) -> tuple[object, ...]:
    return (
        exchange.history,
        exchange.fills,
        exchange.records(),
        exchange.order_rows(),
        exchange.trade_rows(),
        exchange.position_rows(),
        exchange.positions(),
        exchange.funds(),
        exchange.band(SYMBOL),
        exchange.last(SYMBOL),
        exchange.take_frames(),
    )


@given(rules, days)
def test_skipping_prints_inside_the_band_changes_nothing_at_all(rules: PaperRules, day: list[Step]) -> None:
    assert everything_of(play(rules, day, skipping)) == everything_of(play(rules, day, print_by_print))


@given(rules, days)
def test_two_runs_of_one_day_are_identical(rules: PaperRules, day: list[Step]) -> None:
    first, second = (play(rules, day, print_by_print) for _ in range(2))
    assert everything_of(first) == everything_of(second)


@given(st.booleans(), st.lists(places, min_size=1, max_size=5), stretches)
def test_a_continuous_path_fills_what_a_print_at_every_level_would(
    exchange_true: bool, wanted: list[Place], path: list[tuple[int, bool]]
) -> None:
    day: list[Step] = [
        Prints(((100_00, False),)),
        *(replace(place, on_print=False) for place in wanted),
        Prints(tuple(path)),
    ]
    rules = PaperRules(exchange_true=exchange_true)
    paths, levels = (play(rules, day, feed) for feed in (print_by_print, level_by_level))
    assert paths.trade_rows() == levels.trade_rows()
    assert paths.order_rows() == levels.order_rows()


@given(rules, days)
def test_money_and_shares_are_conserved(rules: PaperRules, day: list[Step]) -> None:
    exchange = play(rules, day, print_by_print)
    shares = sum(fill.side.sign * fill.quantity for fill in exchange.fills)
    spent = sum(fill.side.sign * fill.quantity * fill.price for fill in exchange.fills)
    assert sum(row.quantity for row in exchange.position_rows()) == shares
    funds, positions = exchange.funds(), exchange.positions()
    assert funds.realised == sum(position.realised for position in positions)
    assert funds.realised == sum(position.cost for position in positions) - spent
    assert funds.available == rules.capital_paise + funds.realised - funds.charges - funds.used
    last = exchange.last(SYMBOL) or 0
    assert funds.realised + funds.unrealised == shares * last - spent
    assert min(funds.used, funds.charges) >= 0
    assert (funds.charges > 0) == (rules.charges is not None and bool(exchange.fills))
    working = any(row.status in {OrderStatus.OPEN, OrderStatus.TRIGGER_PENDING} for row in exchange.records())
    if not shares and not working:
        assert funds.used == 0


@given(rules, days)
def test_no_order_fills_beyond_its_quantity_or_its_limit_or_by_the_print_it_came_from(
    rules: PaperRules, day: list[Step]
) -> None:
    exchange = PaperExchange(rules, {SYMBOL: TICK})
    now_ns, seen = START_NS, 0
    for step in day:
        now_ns = act(exchange, step, now_ns, print_by_print)
        if isinstance(step, Place | Modify) and step.on_print and rules.exchange_true:
            assert len(exchange.fills) == seen
        for fill in exchange.fills[seen:]:
            order = exchange.record(fill.order_id)
            assert fill.quantity > 0
            if order.price_type in LIMITED:
                assert (order.price - fill.price) * order.side.sign >= 0
            if rules.exchange_true:
                assert fill.price % TICK == 0
        seen = len(exchange.fills)
    filled = Counter[str]()
    for fill in exchange.fills:
        filled[fill.order_id] += fill.quantity
    for order in exchange.records():
        assert order.filled == filled[order.order_id] <= order.quantity
        assert (order.filled == order.quantity) == (order.status is OrderStatus.COMPLETE)


@given(rules, days)
def test_what_was_sent_without_a_print_never_waits_at_a_true_exchange_where_it_could_be_filled(
    rules: PaperRules, day: list[Step]
) -> None:
    exchange = PaperExchange(replace(rules, exchange_true=True), {SYMBOL: TICK})
    now_ns = START_NS
    for step in day:
        seen = len(exchange.history)
        now_ns = act(exchange, step, now_ns, print_by_print)
        if len(exchange.history) == seen or not isinstance(step, Place | Modify) or step.on_print:
            continue
        order, last = exchange.record(exchange.history[-1].order_id), exchange.last(SYMBOL)
        if order.status is OrderStatus.OPEN and last is not None:
            assert (last - order.price) * order.side.sign > 0


@given(rules, days)
def test_every_order_is_placed_once_ends_at_most_once_and_lies_still_thereafter(
    rules: PaperRules, day: list[Step]
) -> None:
    exchange = play(rules, day, print_by_print)
    ends = {OrderStatus.COMPLETE, OrderStatus.CANCELLED}
    for order in exchange.records():
        life = [change for change in exchange.history if change.order_id == order.order_id]
        assert [change.what is What.PLACED for change in life] == [True] + [False] * (len(life) - 1)
        assert all(change.status not in ends for change in life[:-1])
        assert life[-1].status is order.status
        fills = [change.filled for change in life]
        assert fills == sorted(fills)
    assert [change.at_ns for change in exchange.history] == sorted(
        change.at_ns for change in exchange.history
    )


@given(days)
def test_at_a_true_exchange_that_fills_whole_orders_the_last_price_always_lies_inside_the_band(
    day: list[Step],
) -> None:
    exchange = PaperExchange(PaperRules(), {SYMBOL: TICK})
    now_ns = START_NS
    for step in day:
        now_ns = act(exchange, step, now_ns, print_by_print)
        (low, high), last = exchange.band(SYMBOL), exchange.last(SYMBOL)
        assert (low, high) == EVERY_PRINT or last is None or low < last < high
