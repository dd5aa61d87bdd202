"""The paper exchange, one rule at a time. Prices are paise, the tick is 5, times are bare counters."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from olaf_async.adapters.paper.exchange import PaperExchange, PaperRules
from olaf_async.adapters.paper.orders import Change, Fill, OrderStatus, What
from olaf_async.adapters.paper.reach import EVERY_PRINT, NO_HIGH, NO_LOW
from olaf_async.domain.charges import ChargeRates, ExecutedOrder, charges_of
from olaf_async.domain.events import Status
from olaf_async.domain.order import PriceType, Side, Terms
from olaf_async.errors import BrokerRejected, InvariantBroken

BUY, SELL = Side.BUY, Side.SELL
MARKET, LIMIT, SL, SL_M = PriceType.MARKET, PriceType.LIMIT, PriceType.SL, PriceType.SL_M
NOON_NS = 1_795_329_000 * 1_000_000_000  # 2026-11-22 12:00 in India

RULES = PaperRules()


class Market:
    """One symbol at an exchange, with as little to write as possible."""

    def __init__(
        self,
        rules: PaperRules | None = None,
        *,
        split: Callable[[int], int] | None = None,
        session: tuple[int, int] | None = None,
    ) -> None:
        sessions = {"SBIN": session} if session else None
        self.exchange = PaperExchange(rules or RULES, {"SBIN": 5, "ITC": 5}, split=split, sessions=sessions)
        self.now_ns = NOON_NS

    def prints(self, *prices: int, continuous: bool = False) -> "Market":
        for price in prices:
            self.now_ns += 1
            self.exchange.on_print("SBIN", price, self.now_ns, continuous=continuous)
        return self

    def place(
        self,
        side: Side,
        kind: PriceType,
        quantity: int,
        price: int = 0,
        trigger: int = 0,
        *,
        on_print: bool = False,
        product: str = "MIS",
    ) -> str:
        terms = Terms(quantity, price, trigger)
        return self.exchange.place("SBIN", side, kind, terms, self.now_ns, on_print=on_print, product=product)

    def refusal(
        self, side: Side, kind: PriceType, price: int = 0, trigger: int = 0, quantity: int = 1
    ) -> str:
        before = self.exchange.records()
        with pytest.raises(BrokerRejected) as refused:
            self.place(side, kind, quantity, price, trigger)
        assert self.exchange.records() == before
        return str(refused.value)

    @property
    def fills(self) -> list[tuple[int, int]]:
        """(quantity, price) of each."""
        return [(fill.quantity, fill.price) for fill in self.exchange.fills]

    def status(self, order_id: str) -> OrderStatus:
        return self.exchange.record(order_id).status


def true(rules: PaperRules = RULES) -> Market:
    return Market(rules)


def sandbox(rules: PaperRules = RULES) -> Market:
    return Market(replace(rules, exchange_true=False))


# ------------------------------------------------------------------------------ both: what fills, and at what


@pytest.fixture(params=[true, sandbox], ids=["exchange", "sandbox"])
def either(request: pytest.FixtureRequest) -> Market:
    market: Market = request.param()
    return market


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
    assert [(fill.price, fill.intrabar) for fill in either.exchange.fills] == [(99_00, False)]


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


# ------------------------------------------------------------------------------------ the exchange's own ways


@pytest.mark.parametrize(
    ("side", "trigger", "limit", "jump", "back"),
    [(BUY, 101_00, 102_00, 105_00, 100_50), (SELL, 99_00, 98_00, 95_00, 99_50)],
)
def test_a_triggered_stop_is_a_plain_limit_order(
    side: Side, trigger: int, limit: int, jump: int, back: int
) -> None:
    market = true()
    market.prints(100_00).place(side, SL, 1, limit, trigger)
    assert market.prints(jump, back).fills == [(1, limit)]


@pytest.mark.parametrize(("side", "limit", "crossing"), [(BUY, 98_00, 103_00), (SELL, 102_00, 97_00)])
def test_a_modify_to_a_marketable_price_fills_at_the_market(side: Side, limit: int, crossing: int) -> None:
    market = true()
    order_id = market.prints(100_00).place(side, LIMIT, 1, limit)
    market.exchange.modify(order_id, Terms(1, crossing), market.now_ns)
    assert market.fills == [(1, 100_00)]


def test_a_modify_because_of_a_print_waits_for_the_next_one() -> None:
    market = true()
    order_id = market.prints(100_00).place(BUY, LIMIT, 1, 98_00)
    market.exchange.modify(order_id, Terms(1, 103_00), market.now_ns, on_print=True)
    assert market.fills == []
    assert market.prints(100_40).fills == [(1, 100_40)]


def test_a_triggered_stop_is_chased_by_a_crossing_price() -> None:
    market = true()
    order_id = market.prints(100_00).place(SELL, SL, 2, 98_00, 99_00)
    market.prints(95_00)
    market.exchange.modify(order_id, Terms(2, 94_00, 99_00), market.now_ns)
    assert market.fills == [(2, 95_00)]
    assert market.status(order_id) is OrderStatus.COMPLETE


def test_a_waiting_stop_may_be_made_a_crossing_limit() -> None:
    market = true()
    order_id = market.prints(100_00).place(SELL, SL, 2, 98_00, 99_00)
    market.exchange.modify(order_id, Terms(2, 99_50), market.now_ns, price_type=LIMIT)
    assert market.fills == [(2, 100_00)]
    record = market.exchange.record(order_id)
    assert (record.price_type, record.price, record.trigger) == (LIMIT, 99_50, 0)


def test_a_limit_may_be_made_a_stop_and_is_then_checked_as_one() -> None:
    market = true()
    order_id = market.prints(100_00).place(SELL, LIMIT, 2, 103_00)
    with pytest.raises(BrokerRejected, match="not below the last price"):
        market.exchange.modify(order_id, Terms(2, 99_00, 100_00), market.now_ns, price_type=SL)
    market.exchange.modify(order_id, Terms(2, 98_00, 99_00), market.now_ns, price_type=SL)
    assert market.status(order_id) is OrderStatus.TRIGGER_PENDING
    assert market.prints(103_00, 98_90).fills == [(2, 98_90)]


def test_a_stop_is_raised_in_place() -> None:
    market = true()
    order_id = market.prints(100_00).place(SELL, SL, 5, 98_00, 99_00)
    market.exchange.modify(order_id, Terms(7, 98_50, 99_50), market.now_ns)
    assert market.exchange.band("SBIN") == (99_50, NO_HIGH)
    assert market.prints(99_45).fills == [(7, 99_45)]


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (Terms(5, 99_00, 100_00), "not below the last price 100.00"),
        (Terms(5, 99_30, 99_25), "above its trigger price"),
        (Terms(5, 96_00, 99_00), "further from its trigger price"),
        (Terms(5, 98_51, 99_50), "Price 98.51 is not a multiple of the tick size 0.05"),
        (Terms(5, 98_50, 99_52), "Trigger price 99.52 is not a multiple"),
        (Terms(0, 98_50, 99_50), "Quantity must be a positive number"),
        (Terms(5, 0, 99_50), "SL orders require price"),
        (Terms(5, 98_50, 0), "SL orders require trigger_price"),
    ],
)
def test_a_refused_modify_leaves_the_old_stop_standing(terms: Terms, words: str) -> None:
    market = true()
    order_id = market.prints(100_00).place(SELL, SL, 5, 98_00, 99_00)
    before, band = market.exchange.record(order_id), market.exchange.band("SBIN")
    with pytest.raises(BrokerRejected, match=words):
        market.exchange.modify(order_id, terms, market.now_ns)
    assert (market.exchange.record(order_id), market.exchange.band("SBIN")) == (before, band)
    assert market.prints(98_50).fills == [(5, 98_50)]


@pytest.mark.parametrize(
    ("side", "kind", "price", "trigger", "words"),
    [
        (BUY, SL, 102_00, 100_00, "Trigger price 100.00 of a buy stop is not above the last price 100.00"),
        (BUY, SL_M, 0, 99_00, "of a buy stop is not above"),
        (SELL, SL, 99_00, 100_00, "Trigger price 100.00 of a sell stop is not below the last price 100.00"),
        (SELL, SL_M, 0, 101_00, "of a sell stop is not below"),
        (BUY, SL, 100_95, 101_00, "Price 100.95 of a buy stop is below its trigger price 101.00"),
        (SELL, SL, 99_05, 99_00, "Price 99.05 of a sell stop is above its trigger price 99.00"),
        (BUY, SL, 104_05, 101_00, "Price 104.05 is further from its trigger price 101.00 than allowed"),
        (SELL, SL, 96_00, 99_00, "Price 96.00 is further from its trigger price 99.00 than allowed"),
        (BUY, LIMIT, 99_99, 0, "Price 99.99 is not a multiple of the tick size 0.05"),
        (BUY, SL, 102_00, 101_01, "Trigger price 101.01 is not a multiple of the tick size 0.05"),
    ],
)
def test_an_exchange_refuses_what_it_cannot_hold(
    side: Side, kind: PriceType, price: int, trigger: int, words: str
) -> None:
    assert words in true().prints(100_00).refusal(side, kind, price, trigger)


@pytest.mark.parametrize(
    ("last", "trigger", "widest"),
    [
        (101_00, 100_00, 3_00),
        (100_00, 99_00, 2_95),
        (100_00, 50_05, 1_50),
        (60_00, 50_00, 1_50),
        (20_00, 10_00, 1_50),
    ],
)
def test_a_stops_limit_may_be_three_percent_away_or_one_and_a_half_rupees_where_it_is_cheap(
    last: int, trigger: int, widest: int
) -> None:
    market = true().prints(last)
    market.place(SELL, SL, 1, trigger - widest, trigger)
    assert "further from its trigger price" in market.refusal(SELL, SL, trigger - widest - 5, trigger)


def test_an_order_is_taken_inside_its_session_only() -> None:
    market = Market(session=(NOON_NS, NOON_NS + 10))
    order_id = market.place(BUY, LIMIT, 1, 99_00)
    market.now_ns = NOON_NS + 10
    assert market.refusal(BUY, LIMIT, 99_00) == "Market is closed for SBIN"
    with pytest.raises(BrokerRejected, match="Market is closed for SBIN"):
        market.exchange.modify(order_id, Terms(1, 98_00), market.now_ns)
    market.exchange.cancel(order_id, market.now_ns)
    market.now_ns = NOON_NS - 1
    assert market.refusal(BUY, LIMIT, 99_00) == "Market is closed for SBIN"


def test_all_working_orders_are_cancelled_stops_included() -> None:
    market = true().prints(100_00)
    ids = (market.place(SELL, SL, 1, 98_00, 99_00), market.place(BUY, LIMIT, 1, 99_00))
    assert market.exchange.cancel_all(market.now_ns) == ids
    assert market.exchange.cancel_all(market.now_ns) == ()
    assert market.prints(90_00).fills == []


# ------------------------------------------------------------------------------------- the sandbox's own ways


@pytest.mark.parametrize(
    ("side", "trigger", "limit", "jump", "beyond", "inside"),
    [(BUY, 101_00, 102_00, 105_00, 100_50, 101_50), (SELL, 99_00, 98_00, 95_00, 99_50, 98_40)],
)
def test_a_triggered_stop_in_the_sandbox_fills_only_between_trigger_and_limit(
    side: Side, trigger: int, limit: int, jump: int, beyond: int, inside: int
) -> None:
    market = sandbox()
    market.prints(100_00).place(side, SL, 1, limit, trigger)
    assert market.prints(jump, beyond, jump, beyond).fills == []
    assert market.prints(inside).fills == [(1, inside)]


@pytest.mark.parametrize(("beyond", "edge"), [(105_00, 102_00), (100_00, 101_00)])
def test_both_edges_belong_to_the_sandboxs_window(beyond: int, edge: int) -> None:
    market = sandbox()
    market.prints(100_00).place(BUY, SL, 1, 102_00, 101_00)
    assert market.prints(105_00, beyond, edge).fills == [(1, edge)]


@pytest.mark.parametrize(("start", "end", "fill"), [(100_00, 106_00, 101_00), (106_00, 100_00, 102_00)])
def test_a_continuous_path_enters_the_sandboxs_window_at_its_edge(start: int, end: int, fill: int) -> None:
    market = sandbox()
    market.prints(100_00).place(BUY, SL, 1, 102_00, 101_00)
    market.prints(105_00, start)
    assert market.prints(end, continuous=True).fills == [(1, fill)]


def test_a_stop_of_the_sandbox_whose_limit_its_trigger_denies_never_fills() -> None:
    market = sandbox()
    order_id = market.prints(100_00).place(BUY, SL, 1, 100_50, 101_00)
    assert market.prints(101_00, 100_50, 100_75, 101_00, 105_00, 90_00).fills == []
    assert market.exchange.band("SBIN") == (NO_LOW, NO_HIGH)
    market.exchange.cancel(order_id, market.now_ns)


def test_a_stop_already_triggered_takes_the_last_price_in_the_sandbox_or_waits_open() -> None:
    market = sandbox().prints(100_00)
    market.place(BUY, SL, 1, 102_00, 99_00)
    market.place(BUY, SL_M, 2, 0, 99_00)
    assert market.fills == [(1, 100_00), (2, 100_00)]
    waiting = market.place(BUY, SL, 3, 99_50, 99_00)
    assert market.status(waiting) is OrderStatus.OPEN
    assert market.prints(99_40).fills[2:] == [(3, 99_40)]


def test_an_already_triggered_stop_placed_because_of_a_print_waits_for_the_next_in_the_sandbox() -> None:
    market = sandbox().prints(100_00)
    market.place(BUY, SL, 1, 102_00, 99_00, on_print=True)
    assert market.exchange.band("SBIN") == EVERY_PRINT
    assert market.prints(100_10).fills == [(1, 100_10)]


def test_a_modify_in_the_sandbox_is_met_by_the_next_print_and_a_limit_then_fills_at_its_limit() -> None:
    market = sandbox()
    order_id = market.prints(100_00).place(BUY, LIMIT, 1, 98_00)
    market.exchange.modify(order_id, Terms(1, 103_00), market.now_ns)
    assert market.fills == []
    assert market.prints(100_00).fills == [(1, 103_00)]


def test_a_modify_in_the_sandbox_of_an_order_waiting_for_the_next_print_makes_it_rest() -> None:
    market = sandbox()
    order_id = market.prints(100_00).place(BUY, LIMIT, 1, 101_00, on_print=True)
    market.exchange.modify(order_id, Terms(1, 102_00), market.now_ns, on_print=True)
    assert market.prints(100_00).fills == [(1, 102_00)]


def test_a_modify_in_the_sandbox_ignores_zeros_and_the_price_type() -> None:
    market = sandbox()
    order_id = market.prints(100_00).place(SELL, SL, 1, 98_00, 99_00)
    market.exchange.modify(order_id, Terms(4, 0, 0), market.now_ns, price_type=MARKET)
    record = market.exchange.record(order_id)
    assert (record.price_type, record.quantity, record.price, record.trigger) == (SL, 4, 98_00, 99_00)
    assert market.fills == []


@pytest.mark.parametrize(
    ("kind", "price", "trigger", "terms", "words"),
    [
        (SL_M, 0, 101_00, Terms(1, 102_00, 101_00), "SL-M orders do not accept a price"),
        (LIMIT, 98_00, 0, Terms(1, 98_00, 97_00), "LIMIT orders do not accept a trigger_price"),
    ],
)
def test_the_sandbox_refuses_a_price_the_order_has_no_use_for(
    kind: PriceType, price: int, trigger: int, terms: Terms, words: str
) -> None:
    market = sandbox()
    order_id = market.prints(100_00).place(BUY, kind, 1, price, trigger)
    with pytest.raises(BrokerRejected, match=words):
        market.exchange.modify(order_id, terms, market.now_ns)


def test_a_stop_modified_to_a_reached_trigger_fills_with_the_next_print_in_the_sandbox() -> None:
    market = sandbox()
    order_id = market.prints(100_00).place(BUY, SL, 1, 103_00, 102_00)
    market.exchange.modify(order_id, Terms(1, 103_00, 99_00), market.now_ns)
    assert market.status(order_id) is OrderStatus.TRIGGER_PENDING
    assert market.prints(100_50, continuous=True).fills == [(1, 100_50)]


def test_a_market_order_in_the_sandbox_takes_the_quote_of_the_newest_print() -> None:
    market = sandbox().prints(100_00)
    market.exchange.set_quote("SBIN", 99_95, 100_05)
    market.place(BUY, MARKET, 1)
    market.place(SELL, MARKET, 1)
    market.exchange.set_quote("SBIN", 0, 100_05)
    market.place(SELL, MARKET, 1)
    market.prints(100_20).place(BUY, MARKET, 1)
    assert [price for _, price in market.fills] == [100_05, 99_95, 100_00, 100_20]


def test_the_sandbox_takes_what_an_exchange_refuses() -> None:
    market = sandbox().prints(100_00)
    market.place(BUY, LIMIT, 1, 8_03)
    market.place(BUY, SL, 1, 150_00, 101_00)
    market.place(BUY, SL, 1, 100_50, 101_00)


def test_the_sandbox_opens_no_mis_position_after_square_off_time_but_closes_one() -> None:
    market = sandbox(PaperRules(square_off_s=12 * 3600 + 60)).prints(100_00)
    market.place(BUY, MARKET, 5)
    market.now_ns += 60 * 1_000_000_000
    words = (
        "MIS orders cannot be placed after square-off time (12:01 IST). "  # codespell:ignore
        "Trading resumes at 09:00 AM IST."  # codespell:ignore
    )
    assert market.refusal(BUY, MARKET) == words
    market.place(BUY, LIMIT, 1, 90_00, product="CNC")
    market.place(SELL, MARKET, 5)
    assert market.refusal(SELL, MARKET) == words
    market.now_ns -= 4 * 3600 * 1_000_000_000
    assert market.refusal(BUY, MARKET) == words


def test_the_square_off_time_can_be_done_without() -> None:
    market = sandbox(PaperRules(square_off_s=None)).prints(100_00)
    market.now_ns += 10 * 3600 * 1_000_000_000
    market.place(BUY, MARKET, 1)
    assert market.fills == [(1, 100_00)]


def test_the_sandbox_leaves_untriggered_stops_when_all_are_cancelled() -> None:
    market = sandbox().prints(100_00)
    stop, limit = market.place(SELL, SL, 1, 98_00, 99_00), market.place(BUY, LIMIT, 1, 99_50)
    assert market.exchange.cancel_all(market.now_ns) == (limit,)
    assert market.status(stop) is OrderStatus.TRIGGER_PENDING


# ------------------------------------------------------------------------------------------- refusals of both


@pytest.mark.parametrize(
    ("kind", "price", "trigger", "quantity", "words"),
    [
        (LIMIT, 0, 0, 1, "LIMIT orders require price"),
        (SL, 0, 101_00, 1, "SL orders require price"),
        (SL, 102_00, 0, 1, "SL orders require trigger_price"),
        (SL_M, 0, 0, 1, "SL-M orders require trigger_price"),
        (MARKET, 0, 0, 0, "{'quantity': ['Quantity must be a positive number.']}"),
        (LIMIT, -5, 0, 1, "{'price': ['Price must be a non-negative number.']}"),
        (SL_M, 0, -5, 1, "{'trigger_price': ['Trigger price must be a non-negative number.']}"),
    ],
)
def test_malformed_orders_are_refused_in_openalgos_words(
    either: Market, kind: PriceType, price: int, trigger: int, quantity: int, words: str
) -> None:
    assert either.prints(100_00).refusal(BUY, kind, price, trigger, quantity) == words


def test_an_unknown_symbol_or_product_is_refused(either: Market) -> None:
    with pytest.raises(BrokerRejected, match=r"^Symbol NOPE not found on NSE$"):
        either.exchange.place("NOPE", BUY, LIMIT, Terms(1, 99_00), either.now_ns)
    with pytest.raises(BrokerRejected, match=r"Must be one of: MIS, NRML, CNC\."):
        either.place(BUY, LIMIT, 1, 99_00, product="BO")
    with pytest.raises(BrokerRejected, match="NRML product not allowed for NSE equity segment"):
        either.place(BUY, LIMIT, 1, 99_00, product="NRML")
    assert either.exchange.records() == ()


def test_a_market_order_needs_a_price_to_fill_at(either: Market) -> None:
    words = "Cannot place MARKET order for SBIN - unable to fetch current price."
    assert words in either.refusal(BUY, MARKET)
    either.place(BUY, LIMIT, 1, 99_00)
    either.place(BUY, SL, 1, 102_00, 101_00)


def test_a_limit_cannot_be_made_a_market_order_before_there_is_a_price() -> None:
    market = true()
    order_id = market.place(BUY, LIMIT, 1, 99_00)
    with pytest.raises(BrokerRejected, match="unable to fetch current price"):
        market.exchange.modify(order_id, Terms(1, 0), market.now_ns, price_type=MARKET)
    market.prints(100_00)
    market.exchange.modify(order_id, Terms(1, 0), market.now_ns, price_type=MARKET)
    assert market.fills == [(1, 100_00)]


@pytest.mark.parametrize("verb", ["modify", "cancel"])
def test_what_has_ended_or_never_was_cannot_be_touched(either: Market, verb: str) -> None:
    def touch(order_id: str) -> str:
        act = {
            "modify": partial(either.exchange.modify, terms=Terms(1, 99_00), at_ns=either.now_ns),
            "cancel": partial(either.exchange.cancel, at_ns=either.now_ns),
        }[verb]
        with pytest.raises(BrokerRejected) as refused:
            act(order_id)
        return str(refused.value)

    filled = either.prints(100_00).place(BUY, MARKET, 1)
    cancelled = either.place(BUY, LIMIT, 1, 99_00)
    either.exchange.cancel(cancelled, either.now_ns)
    assert touch(filled) == f"Cannot {verb} order in complete status"
    assert touch(cancelled) == f"Cannot {verb} order in cancelled status"
    assert touch("99999999999999") == "Order 99999999999999 not found"
    with pytest.raises(BrokerRejected, match="Order 1 not found"):
        either.exchange.record("1")


def test_a_delivery_sell_of_more_than_is_held_becomes_a_rejected_order(either: Market) -> None:
    either.prints(100_00).place(BUY, MARKET, 2, product="CNC")
    either.exchange.take_news()
    with pytest.raises(BrokerRejected, match="Cannot sell SBIN in CNC"):
        either.place(SELL, MARKET, 3, product="CNC")
    (news,) = either.exchange.take_news()
    assert (news.status, news.filled) == (Status.REJECTED, 0)
    assert news.reason.startswith("Cannot sell SBIN in CNC.")
    with pytest.raises(BrokerRejected, match="Cannot cancel order in rejected status"):
        either.exchange.cancel(news.order_id, either.now_ns)
    either.place(SELL, MARKET, 2, product="CNC")
    assert either.fills == [(2, 100_00), (2, 100_00)]


# ------------------------------------------------------------------------------------------- money and margin


def test_an_order_beyond_the_margin_is_refused_with_the_sums(either: Market) -> None:
    either.prints(800_00)
    words = either.refusal(BUY, MARKET, quantity=10_000)
    assert words == "Insufficient funds. Required: ₹1600000.0, Available: ₹1000000.0, Shortage: ₹600000.0"


def test_margin_is_blocked_while_an_order_works_and_moves_to_the_position() -> None:
    market = true().prints(100_00)
    order_id = market.place(BUY, LIMIT, 10, 99_00)
    assert market.exchange.funds().used == 198_00
    market.exchange.modify(order_id, Terms(20, 99_00), market.now_ns)
    assert market.exchange.funds().used == 396_00
    market.prints(99_00)
    assert (market.exchange.funds().used, market.exchange.positions()[0].margin) == (396_00, 396_00)
    stop = market.place(SELL, SL, 20, 97_00, 98_00)
    assert market.exchange.funds().used == 396_00
    market.exchange.cancel(stop, market.now_ns)
    market.place(SELL, MARKET, 5)
    assert market.exchange.funds().used == 297_00
    market.place(SELL, MARKET, 25)
    assert market.exchange.funds().used == 10 * 99_00 // 5
    market.place(BUY, MARKET, 10)
    assert market.exchange.funds().used == 0


def test_margin_of_a_partly_filled_order_is_half_the_positions_and_half_the_orders() -> None:
    market = Market(split=scripted(4, 9)).prints(100_00)
    order_id = market.place(BUY, LIMIT, 10, 100_00)
    assert (market.exchange.funds().used, market.exchange.positions()[0].margin) == (200_00, 80_00)
    market.exchange.cancel(order_id, market.now_ns)
    assert market.exchange.funds().used == 80_00


def test_an_order_that_came_to_close_a_position_gives_back_what_it_had_blocked_to_open_one() -> None:
    market = true().prints(100_00)
    market.place(BUY, LIMIT, 10, 99_00)
    market.place(SELL, MARKET, 10)
    market.prints(99_00)
    assert (market.exchange.position_rows()[0].quantity, market.exchange.funds().used) == (0, 0)


def test_a_cancelled_order_gives_its_margin_back() -> None:
    market = true().prints(100_00)
    order_id = market.place(BUY, LIMIT, 10, 99_00)
    market.exchange.cancel(order_id, market.now_ns)
    assert market.exchange.funds() == PaperExchange(RULES, {}).funds()


def test_a_modify_beyond_the_margin_is_refused() -> None:
    market = true(PaperRules(capital_paise=1000_00)).prints(100_00)
    order_id = market.place(BUY, LIMIT, 40, 99_00)
    market.exchange.modify(order_id, Terms(50, 99_00), market.now_ns)
    with pytest.raises(BrokerRejected, match=r"Required: ₹1009.8, Available: ₹1000.0, Shortage: ₹9.8"):
        market.exchange.modify(order_id, Terms(51, 99_00), market.now_ns)


def test_an_account_in_debt_may_still_close() -> None:
    market = true(PaperRules(capital_paise=200_00, leverage=5)).prints(100_00)
    market.place(BUY, MARKET, 10)
    market.prints(70_00)
    market.place(SELL, LIMIT, 5, 69_00)
    assert market.exchange.funds().available < 0
    market.place(SELL, MARKET, 5)
    assert market.exchange.positions()[0].quantity == 0


def test_delivery_has_no_leverage() -> None:
    market = true().prints(100_00)
    market.place(BUY, MARKET, 10, product="CNC")
    assert market.exchange.funds().used == 1000_00


def test_the_sandbox_releases_the_margin_of_resting_orders_at_any_fill() -> None:
    market = sandbox().prints(100_00)
    market.place(BUY, LIMIT, 10, 90_00)
    assert market.exchange.funds().used == 180_00
    market.place(BUY, MARKET, 1)
    assert market.exchange.funds().used == 20_00


def test_profit_is_realised_at_average_cost_and_open_shares_are_marked_at_the_last_price(
    either: Market,
) -> None:
    either.prints(100_00).place(BUY, MARKET, 1)
    either.prints(101_00).place(BUY, MARKET, 2)
    either.prints(103_00).place(SELL, MARKET, 2)
    (position,) = either.exchange.positions()
    assert (position.quantity, position.cost, position.realised) == (1, 100_67, 206_00 - 201_33)
    either.prints(99_00)
    funds = either.exchange.funds()
    assert (funds.realised, funds.unrealised) == (4_67, 99_00 - 100_67)
    either.place(SELL, MARKET, 1)
    assert either.exchange.funds().realised == 206_00 + 99_00 - 302_00
    assert either.exchange.funds().charges == 0


def test_charges_are_those_of_each_order_partial_fills_together() -> None:
    rates = ChargeRates()
    market = Market(PaperRules(charges=rates), split=lambda left: min(left, 300))
    market.prints(800_00).place(BUY, MARKET, 1000)
    market.prints(800_00, 800_05, 800_10).place(SELL, LIMIT, 10, 799_00)
    bought, sold = ExecutedOrder(True, 80_002_500), ExecutedOrder(False, 800_100)
    assert sum(quantity * price for quantity, price in market.fills[:4]) == bought.value
    expected = charges_of(rates, [bought]).total + charges_of(rates, [sold]).total
    assert market.exchange.funds().charges == expected
    funds = market.exchange.funds()
    assert funds.available == RULES.capital_paise + funds.realised - funds.used - expected


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


def scripted(*shares: int) -> Callable[[int], int]:
    left = list(shares)
    return lambda _: left.pop(0)


def test_a_market_order_fills_in_shares_at_the_prints_that_follow() -> None:
    market = Market(split=scripted(2, 3, 99)).prints(100_00)
    order_id = market.place(BUY, MARKET, 10)
    assert market.exchange.band("SBIN") == EVERY_PRINT
    assert market.prints(100_10, 100_20, 100_30).fills == [(2, 100_00), (3, 100_10), (5, 100_20)]
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
    market.place(BUY, MARKET, 3)
    assert market.prints(100_00).fills == [(1, 100_00), (2, 100_00)]


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
    order_id = market.place(BUY, MARKET, 5)
    market.exchange.cancel(order_id, market.now_ns)
    row = market.exchange.order_rows()[0]
    assert (row.status, row.filled, row.average, row.quantity) == (Status.CANCELLED, 2, 100_00, 5)
    assert market.exchange.take_news()[-1] == row
    assert market.prints(100_00).fills == [(2, 100_00)]


def test_seeded_partial_fills_are_the_same_for_the_same_seed_only() -> None:
    def shares(seed: int) -> list[tuple[int, int]]:
        market = true(PaperRules(partial_fills=True, seed=seed)).prints(100_00)
        market.place(BUY, MARKET, 1000)
        return market.prints(*range(100_00, 101_00, 5)).fills

    assert shares(1) == shares(1)
    assert shares(1) != shares(2)
    assert len(shares(1)) > 1


# --------------------------------------------------------------------------------- what the owner gets to see


def test_ids_are_the_local_date_and_a_counter_and_refusals_use_none_up() -> None:
    market = true().prints(100_00)
    first = market.place(BUY, MARKET, 1)
    market.refusal(BUY, LIMIT)
    second = market.place(BUY, MARKET, 1)
    market.now_ns += 12 * 3600 * 1_000_000_000 - 2
    before_midnight = market.place(BUY, MARKET, 1)
    market.now_ns += 1
    after = market.place(BUY, MARKET, 1)
    assert (first, second) == ("26112200000001", "26112200000002")
    assert (before_midnight, after) == ("26112200000003", "26112300000004")


def test_news_tells_placing_trigger_partial_fill_completion_and_cancel_but_no_modify() -> None:
    market = Market(split=scripted(1, 9)).prints(100_00)
    stop = market.place(SELL, SL, 3, 98_00, 99_00)
    market.exchange.modify(stop, Terms(4, 98_00, 99_00), market.now_ns)
    market.prints(97_00, 98_00, 98_00)
    cancelled = market.place(BUY, LIMIT, 1, 90_00)
    market.exchange.cancel(cancelled, market.now_ns)
    news = market.exchange.take_news()
    assert [(row.order_id, row.status, row.filled, row.average) for row in news] == [
        (stop, Status.WORKING, 0, 0),
        (stop, Status.WORKING, 0, 0),
        (stop, Status.WORKING, 1, 98_00),
        (stop, Status.COMPLETE, 4, 98_00),
        (cancelled, Status.WORKING, 0, 0),
        (cancelled, Status.CANCELLED, 0, 0),
    ]
    assert market.exchange.take_news() == []


def test_the_sandboxs_frames_show_no_pending_shares_and_the_fill_as_the_price() -> None:
    market = sandbox().prints(100_00)
    market.place(SELL, SL, 3, 98_00, 99_00)
    market.prints(98_50)
    frames = market.exchange.take_frames()
    assert [(str(frame.status), frame.pending, frame.price, frame.average) for frame in frames] == [
        ("trigger pending", 0, 98_00, 0),
        ("complete", 0, 98_50, 98_50),
    ]
    assert market.exchange.records()[0].price == 98_00


def test_an_average_is_rounded_to_the_nearest_paisa() -> None:
    market = Market(split=scripted(1, 2)).prints(100_00)
    market.place(BUY, MARKET, 3)
    assert market.prints(100_10).exchange.order_rows()[0].average == 100_07


def test_history_holds_every_change_in_order() -> None:
    market = Market(split=scripted(1, 9)).prints(100_00)
    stop = market.place(SELL, SL, 3, 98_00, 99_00)
    placed_ns = market.now_ns
    market.exchange.modify(stop, Terms(4, 98_05, 99_05), placed_ns + 1)
    market.prints(97_00, 98_10, 98_10)
    opened, done = OrderStatus.OPEN, OrderStatus.COMPLETE
    waiting = OrderStatus.TRIGGER_PENDING
    assert market.exchange.history == [
        Change(stop, placed_ns, What.PLACED, waiting, 3, 0, 98_00, 99_00),
        Change(stop, placed_ns + 1, What.MODIFIED, waiting, 4, 0, 98_05, 99_05),
        Change(stop, placed_ns + 1, What.TRIGGERED, opened, 4, 0, 98_05, 99_05),
        Change(stop, placed_ns + 2, What.FILLED, opened, 4, 1, 98_05, 99_05),
        Change(stop, placed_ns + 3, What.FILLED, done, 4, 4, 98_05, 99_05),
    ]


def test_fills_say_everything_about_themselves() -> None:
    market = true().prints(100_00)
    order_id = market.exchange.place("SBIN", SELL, MARKET, Terms(2, 0), market.now_ns, strategy="tag")
    assert market.exchange.fills == [
        Fill(1, order_id, "SBIN", "MIS", "tag", SELL, 2, 100_00, market.now_ns, False)
    ]
    record = market.exchange.records()[0]
    assert (record.strategy, record.placed_ns, record.changed_ns) == ("tag", market.now_ns, market.now_ns)


def test_books_are_made_anew_only_after_a_change() -> None:
    market = true().prints(100_00)
    market.place(BUY, MARKET, 2)
    exchange = market.exchange
    books = exchange.order_rows(), exchange.trade_rows(), exchange.position_rows()
    market.prints(100_05)
    assert all(
        new is old
        for new, old in zip(
            (exchange.order_rows(), exchange.trade_rows(), exchange.position_rows()), books, strict=True
        )
    )
    market.place(SELL, MARKET, 2)
    assert [row.quantity for row in exchange.position_rows()] == [0]
    assert len(exchange.order_rows()) == len(exchange.trade_rows()) == 2
    assert exchange.position_rows("CNC") == ()


def test_all_positions_are_closed_at_the_market_and_working_orders_stay() -> None:
    market = true().prints(100_00)
    market.exchange.on_print("ITC", 400_00, market.now_ns)
    market.place(BUY, MARKET, 3)
    market.exchange.place("ITC", SELL, MARKET, Terms(2, 0), market.now_ns)
    stop = market.place(SELL, SL, 3, 98_00, 99_00)
    closing = market.exchange.close_positions(market.now_ns)
    assert [market.exchange.record(order_id).strategy for order_id in closing] == ["AUTO_SQUARE_OFF"] * 2
    assert [row.quantity for row in market.exchange.position_rows()] == [0, 0]
    assert market.status(stop) is OrderStatus.TRIGGER_PENDING
    assert market.exchange.close_positions(market.now_ns) == ()
