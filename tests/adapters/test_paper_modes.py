"""Where an exchange and OpenAlgo's sandbox differ: each on its own."""

import pytest

from olaf_async.adapters.paper.exchange import PaperRules
from olaf_async.adapters.paper.orders import OrderStatus
from olaf_async.adapters.paper.reach import EVERY_PRINT, NO_HIGH, NO_LOW
from olaf_async.domain.order import PriceType, Side, Terms
from olaf_async.errors import BrokerRejected
from tests.adapters.paper_market import BUY, LIMIT, MARKET, NOON_NS, SELL, SL, SL_M, Market, sandbox, true

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
