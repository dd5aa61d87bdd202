"""What fills at the paper exchange, when, and at what price: one rule at a time."""

import pytest

from olaf_async.adapters.paper.exchange import PaperRules
from olaf_async.adapters.paper.orders import OrderStatus
from olaf_async.adapters.paper.reach import EVERY_PRINT, NO_HIGH, NO_LOW
from olaf_async.domain.events import Status
from olaf_async.domain.order import PriceType, Side, Terms
from olaf_async.errors import BrokerRejected, InvariantBroken
from tests.adapters.paper_market import BUY, LIMIT, MARKET, SELL, SL, SL_M, Market, sandbox, scripted, true


@pytest.fixture(params=[true, sandbox], ids=["exchange", "sandbox"])
def either(request: pytest.FixtureRequest) -> Market:
    market: Market = request.param()
    return market


# ------------------------------------------------------------------------------ both: what fills, and at what


@pytest.mark.parametrize(
    ("side", "trigger", "limit", "path", "fill"),
    [
        (BUY, 101_00, 102_00, (100_95, 101_00), 101_00),
        (BUY, 101_00, 102_00, (100_95, 101_50), 101_50),
        (BUY, 101_00, 102_00, (100_95, 102_00), 102_00),
        (SELL, 99_00, 98_00, (99_05, 99_00), 99_00),
        (SELL, 99_00, 98_00, (99_05, 98_40), 98_40),
        (SELL, 99_00, 98_00, (99_05, 98_00), 98_00),
    ],
)
def test_a_stop_fills_at_the_first_print_at_or_beyond_its_trigger(
    either: Market, side: Side, trigger: int, limit: int, path: tuple[int, ...], fill: int
) -> None:
    order_id = either.prints(100_00).place(side, SL, 3, limit, trigger)
    either.prints(*path[:-1])
    assert either.status(order_id) is OrderStatus.TRIGGER_PENDING
    either.prints(path[-1])
    assert either.fills == [(3, fill)]
    assert either.status(order_id) is OrderStatus.COMPLETE


@pytest.mark.parametrize(
    ("side", "trigger", "limit", "jump"), [(BUY, 101_00, 102_00, 102_05), (SELL, 99_00, 98_00, 97_95)]
)
def test_a_stop_whose_limit_was_jumped_is_open_and_unfilled(
    either: Market, side: Side, trigger: int, limit: int, jump: int
) -> None:
    order_id = either.prints(100_00).place(side, SL, 1, limit, trigger)
    either.prints(jump)
    assert either.status(order_id) is OrderStatus.OPEN
    assert either.fills == []


@pytest.mark.parametrize(
    ("side", "limit", "near", "through"), [(BUY, 99_00, 99_05, 98_00), (SELL, 101_00, 100_95, 102_00)]
)
def test_a_resting_limit_fills_at_its_limit_when_touched_or_crossed(
    either: Market, side: Side, limit: int, near: int, through: int
) -> None:
    either.prints(100_00).place(side, LIMIT, 1, limit)
    either.place(side, LIMIT, 2, limit)
    assert either.prints(near).fills == []
    assert either.prints(through).fills == [(1, limit), (2, limit)]


def test_a_limit_is_touched_at_its_very_price(either: Market) -> None:
    either.prints(100_00).place(BUY, LIMIT, 1, 99_00)
    assert either.prints(99_00).fills == [(1, 99_00)]


@pytest.mark.parametrize(("side", "limit"), [(BUY, 101_00), (BUY, 100_00), (SELL, 99_00), (SELL, 100_00)])
def test_a_marketable_limit_placed_by_a_timer_takes_the_last_price_at_once(
    either: Market, side: Side, limit: int
) -> None:
    either.prints(100_00).place(side, LIMIT, 1, limit)
    assert either.fills == [(1, 100_00)]


@pytest.mark.parametrize(("kind", "limit"), [(LIMIT, 101_00), (MARKET, 0)])
def test_an_order_placed_because_of_a_print_is_filled_by_the_next_print_at_the_earliest(
    either: Market, kind: PriceType, limit: int
) -> None:
    either.prints(100_00).place(BUY, kind, 1, limit, on_print=True)
    assert either.fills == []
    assert either.prints(100_60).fills == [(1, 100_60)]


def test_the_next_print_may_be_the_same_price_again(either: Market) -> None:
    either.prints(100_00).place(BUY, LIMIT, 1, 101_00, on_print=True)
    assert either.prints(100_00).fills == [(1, 100_00)]


def test_a_waiting_order_whose_limit_the_next_print_jumps_rests_at_its_limit(either: Market) -> None:
    either.prints(100_00).place(SELL, LIMIT, 1, 99_00, on_print=True)
    assert either.prints(98_00, 98_95).fills == []
    assert either.prints(99_40).fills == [(1, 99_00)]


def test_a_limit_that_was_not_marketable_rests_at_once_even_when_placed_because_of_a_print(
    either: Market,
) -> None:
    either.prints(100_00).place(BUY, LIMIT, 1, 99_00, on_print=True)
    assert either.prints(98_00).fills == [(1, 99_00)]


def test_a_stop_market_order_fills_at_whatever_the_print_is(either: Market) -> None:
    either.prints(100_00).place(SELL, SL_M, 1, 0, 99_00)
    assert either.prints(90_00).fills == [(1, 90_00)]


def test_entry_and_stop_resting_together_act_nearest_first_and_each_once(either: Market) -> None:
    either.prints(100_00)
    far = either.place(SELL, LIMIT, 1, 102_00)
    near = either.place(SELL, LIMIT, 1, 101_00)
    below = either.place(SELL, SL, 1, 98_50, 99_00)
    either.prints(103_00)
    assert [fill.order_id for fill in either.exchange.fills] == [near, far]
    either.prints(98_90)
    assert [fill.order_id for fill in either.exchange.fills] == [near, far, below]


def test_other_symbols_prints_do_not_matter(either: Market) -> None:
    either.prints(100_00).place(BUY, LIMIT, 1, 99_00)
    either.exchange.on_print("ITC", 90_00, either.now_ns)
    assert either.fills == []
    assert (either.exchange.last("ITC"), either.exchange.last("SBIN")) == (90_00, 100_00)
    assert either.exchange.last("NOPE") is None


# ------------------------------------------------------------------------------------------- continuous paths


def test_on_a_continuous_path_a_stop_fills_at_its_trigger_and_says_that_this_was_assumed(
    either: Market,
) -> None:
    either.prints(100_00).place(SELL, SL, 1, 98_00, 99_00)
    either.prints(95_00, continuous=True)
    assert either.fills == [(1, 99_00)]
    assert [fill.intrabar for fill in either.exchange.fills] == [True]
    assert either.exchange.history[-1].intrabar


def test_a_stop_at_the_very_end_of_a_continuous_path_assumes_nothing(either: Market) -> None:
    either.prints(100_00).place(SELL, SL, 1, 98_00, 99_00)
    either.prints(99_00, continuous=True)
    assert [(fill.price, fill.intrabar) for fill in either.exchange.fills] == [(99_00, False)]


def test_a_jump_between_two_bars_fills_the_stop_at_the_open(either: Market) -> None:
    either.prints(100_00).place(SELL, SL, 1, 98_00, 99_00)
    either.prints(98_20, continuous=False)
    assert [(fill.price, fill.intrabar) for fill in either.exchange.fills] == [(98_20, False)]


def test_orders_act_in_the_order_of_the_path(either: Market) -> None:
    either.prints(100_00)
    limit = either.place(BUY, LIMIT, 1, 97_00)
    stop = either.place(SELL, SL, 1, 98_00, 99_00)
    either.prints(95_00, continuous=True)
    assert [(fill.order_id, fill.price) for fill in either.exchange.fills] == [(stop, 99_00), (limit, 97_00)]


def test_an_order_waiting_for_the_next_print_takes_the_end_of_the_path_or_its_limit_on_the_way(
    either: Market,
) -> None:
    either.prints(100_00).place(SELL, LIMIT, 1, 99_00, on_print=True)
    assert either.prints(99_50, continuous=True).fills == [(1, 99_50)]
    either.place(SELL, LIMIT, 1, 99_00, on_print=True)
    assert either.prints(97_00, continuous=True).fills[1:] == [(1, 99_00)]
    assert either.exchange.fills[-1].intrabar


def test_the_first_print_of_all_is_no_path(either: Market) -> None:
    either.place(BUY, LIMIT, 1, 99_00)
    either.prints(98_00, continuous=True)
    assert [fill.intrabar for fill in either.exchange.fills] == [False]


@pytest.mark.parametrize(("limit", "price"), [(99_00, 98_00), (97_00, 97_00)])
def test_at_an_exchange_a_limit_sent_before_the_first_print_takes_it_or_waits(limit: int, price: int) -> None:
    market = true()
    market.place(BUY, LIMIT, 1, limit)
    assert market.prints(98_00, 97_00).fills == [(1, price)]


def test_in_the_sandbox_a_limit_sent_before_the_first_print_fills_at_its_limit() -> None:
    market = sandbox()
    market.place(BUY, LIMIT, 1, 99_00)
    assert market.prints(98_00).fills == [(1, 99_00)]


# ---------------------------------------------------------------------------------------- the band of silence


def test_without_orders_nothing_can_matter(either: Market) -> None:
    assert either.exchange.band("SBIN") == (NO_LOW, NO_HIGH)


def test_the_band_lies_between_the_nearest_levels_of_all_orders(either: Market) -> None:
    either.prints(100_00)
    either.place(BUY, SL, 1, 102_00, 101_00)
    either.place(BUY, SL, 1, 103_00, 102_00)
    stop = either.place(SELL, SL, 1, 98_00, 99_00)
    either.place(BUY, LIMIT, 1, 98_00)
    assert either.exchange.band("SBIN") == (99_00, 101_00)
    either.exchange.cancel(stop, either.now_ns)
    assert either.exchange.band("SBIN") == (98_00, 101_00)
    assert either.exchange.band("ITC") == (NO_LOW, NO_HIGH)


def test_every_print_breaches_while_an_order_waits_for_the_next_one(either: Market) -> None:
    either.prints(100_00).place(BUY, MARKET, 1, on_print=True)
    assert either.exchange.band("SBIN") == EVERY_PRINT
    low, high = EVERY_PRINT
    assert all(price <= low or price >= high for price in (1, 100_00, 1 << 61))
    either.prints(100_00)
    assert either.exchange.band("SBIN") == (NO_LOW, NO_HIGH)


def test_skipped_prints_become_the_last_price(either: Market) -> None:
    either.prints(100_00).place(SELL, SL, 1, 98_00, 99_00)
    either.exchange.set_last("SBIN", 99_05, either.now_ns, 1000)
    either.place(BUY, MARKET, 1)
    assert either.fills == [(1, 99_05)]


@pytest.mark.parametrize("price", [99_00, 98_00])
def test_a_print_that_orders_had_to_see_cannot_be_skipped(either: Market, price: int) -> None:
    either.prints(100_00).place(SELL, SL, 1, 98_00, 99_00)
    with pytest.raises(InvariantBroken, match=r"skipped .* of SBIN"):
        either.exchange.set_last("SBIN", price, either.now_ns, 1)
    assert either.exchange.last("SBIN") == 100_00


# ------------------------------------------------------------------------------------ slippage, partial fills


@pytest.mark.parametrize(
    ("side", "kind", "price", "trigger", "path", "fill"),
    [
        (BUY, MARKET, 0, 0, (), 100_15),
        (SELL, MARKET, 0, 0, (), 99_85),
        (BUY, LIMIT, 101_00, 0, (), 100_15),
        (BUY, LIMIT, 100_10, 0, (), 100_10),
        (BUY, LIMIT, 99_00, 0, (98_00,), 99_00),
        (SELL, SL, 98_00, 99_00, (98_50,), 98_35),
        (SELL, SL, 98_45, 99_00, (98_50,), 98_45),
        (SELL, SL_M, 0, 99_00, (98_50,), 98_35),
        (SELL, SL_M, 0, 99_00, (10,), 5),
    ],
)
def test_slippage_worsens_what_takes_a_price_and_never_passes_the_limit(
    side: Side, kind: PriceType, price: int, trigger: int, path: tuple[int, ...], fill: int
) -> None:
    market = true(PaperRules(slippage_ticks=3)).prints(100_00)
    market.place(side, kind, 1, price, trigger)
    assert market.prints(*path).fills == [(1, fill)]


@pytest.mark.parametrize("kind", [MARKET, LIMIT])
def test_an_order_of_a_timer_fills_whole_at_the_last_price_where_prints_fill_in_parts(
    kind: PriceType,
) -> None:
    market = Market(split=scripted()).prints(100_00)
    market.place(BUY, kind, 10, 101_00 if kind is LIMIT else 0)
    assert market.fills == [(10, 100_00)]


def test_what_a_print_left_of_an_order_fills_whole_once_a_timer_makes_it_marketable() -> None:
    market = Market(split=scripted(1)).prints(100_00)
    order_id = market.place(SELL, LIMIT, 10, 101_00)
    market.prints(101_00, 100_50)
    market.exchange.modify(order_id, Terms(10, 100_00), market.now_ns)
    assert market.fills == [(1, 101_00), (9, 100_50)]


def test_a_market_order_of_a_print_fills_in_shares_at_the_prints_that_follow() -> None:
    market = Market(split=scripted(2, 3, 99)).prints(100_00)
    order_id = market.place(BUY, MARKET, 10, on_print=True)
    assert market.exchange.band("SBIN") == EVERY_PRINT
    assert market.prints(100_00, 100_10, 100_20, 100_30).fills == [(2, 100_00), (3, 100_10), (5, 100_20)]
    record = market.exchange.record(order_id)
    assert (record.filled, record.pending, record.average) == (10, 0, 100_13)


def test_a_partly_filled_stop_goes_on_while_its_limit_allows_and_then_rests() -> None:
    market = Market(split=scripted(1, 1, 1, 1)).prints(100_00)
    order_id = market.place(SELL, SL, 4, 98_00, 99_00)
    assert market.prints(98_90, 98_10).fills == [(1, 98_90), (1, 98_10)]
    assert market.status(order_id) is OrderStatus.OPEN
    assert market.prints(97_00, 97_95).fills[2:] == []
    assert market.prints(98_40, 98_40).fills[2:] == [(1, 98_00), (1, 98_00)]


def test_a_partly_filled_limit_needs_its_limit_touched_again() -> None:
    market = Market(split=scripted(1, 4)).prints(100_00)
    market.place(BUY, LIMIT, 5, 99_00)
    assert market.prints(98_00, 99_05).fills == [(1, 99_00)]
    assert market.prints(99_00).fills == [(1, 99_00), (4, 99_00)]


def test_a_stop_partly_filled_on_a_continuous_path_that_ends_beyond_its_limit_rests() -> None:
    market = Market(split=scripted(1, 9)).prints(100_00)
    market.place(SELL, SL, 10, 98_00, 99_00)
    assert market.prints(95_00, continuous=True).fills == [(1, 99_00)]
    assert market.exchange.band("SBIN") == (NO_LOW, 98_00)
    assert market.prints(98_50).fills == [(1, 99_00), (9, 98_00)]


def test_at_least_one_share_fills_and_never_more_than_are_left() -> None:
    market = Market(split=scripted(0, 1000)).prints(100_00)
    market.place(BUY, MARKET, 3, on_print=True)
    assert market.prints(100_00, 100_00).fills == [(1, 100_00), (2, 100_00)]


def test_quantity_can_be_raised_above_what_is_filled_but_not_lowered_to_it() -> None:
    market = Market(split=scripted(2, 9)).prints(100_00)
    order_id = market.place(BUY, LIMIT, 5, 100_00, on_print=True)
    market.prints(100_00)
    with pytest.raises(BrokerRejected, match="Quantity 2 is not above the 2 already filled"):
        market.exchange.modify(order_id, Terms(2, 100_00), market.now_ns)
    market.exchange.modify(order_id, Terms(7, 100_00), market.now_ns, on_print=True)
    assert market.prints(99_90).fills == [(2, 100_00), (5, 99_90)]


def test_a_cancelled_remainder_keeps_what_was_filled() -> None:
    market = Market(split=scripted(2)).prints(100_00)
    order_id = market.place(BUY, MARKET, 5, on_print=True)
    market.prints(100_00).exchange.cancel(order_id, market.now_ns)
    row = market.exchange.order_rows()[0]
    assert (row.status, row.filled, row.average, row.quantity) == (Status.CANCELLED, 2, 100_00, 5)
    assert market.exchange.take_news()[-1] == row
    assert market.prints(100_00).fills == [(2, 100_00)]


def test_seeded_partial_fills_are_the_same_for_the_same_seed_only() -> None:
    def shares(seed: int) -> list[tuple[int, int]]:
        market = true(PaperRules(partial_fills=True, seed=seed)).prints(100_00)
        market.place(BUY, MARKET, 1000, on_print=True)
        return market.prints(*range(100_00, 101_00, 5)).fills

    assert shares(1) == shares(1)
    assert shares(1) != shares(2)
    assert len(shares(1)) > 1
