"""What is refused, what it costs, and what the owner of the paper account gets to see."""

from functools import partial

import pytest

from olaf_async.adapters.paper.exchange import PaperExchange, PaperRules
from olaf_async.adapters.paper.orders import Change, Fill, OrderStatus, What
from olaf_async.domain.charges import ChargeRates, ExecutedOrder, charges_of
from olaf_async.domain.events import Status
from olaf_async.domain.order import PriceType, Terms
from olaf_async.errors import BrokerRejected
from tests.adapters.paper_market import (
    BUY,
    LIMIT,
    MARKET,
    RULES,
    SELL,
    SL,
    SL_M,
    Market,
    sandbox,
    scripted,
    true,
)


@pytest.fixture(params=[true, sandbox], ids=["exchange", "sandbox"])
def either(request: pytest.FixtureRequest) -> Market:
    market: Market = request.param()
    return market


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
    order_id = market.place(BUY, LIMIT, 10, 100_00, on_print=True)
    market.prints(100_00)
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
    market.prints(800_00).place(BUY, MARKET, 1000, on_print=True)
    market.prints(800_00, 800_00, 800_05, 800_10).place(SELL, LIMIT, 10, 799_00)
    bought, sold = ExecutedOrder(True, 80_002_500), ExecutedOrder(False, 800_100)
    assert sum(quantity * price for quantity, price in market.fills[:4]) == bought.value
    expected = charges_of(rates, [bought]).total + charges_of(rates, [sold]).total
    assert market.exchange.funds().charges == expected
    funds = market.exchange.funds()
    assert funds.available == RULES.capital_paise + funds.realised - funds.used - expected


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
    market.place(BUY, MARKET, 3, on_print=True)
    assert market.prints(100_00, 100_10).exchange.order_rows()[0].average == 100_07


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
