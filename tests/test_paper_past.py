"""What an engine's belief means for a paper account that died with its process."""

from dataclasses import replace

import pytest

from olaf_async.adapters.paper.exchange import PaperExchange, PaperRules
from olaf_async.adapters.paper.kept import KeptOrder
from olaf_async.adapters.paper.orders import OrderStatus
from olaf_async.app.paper import kept_orders, newest_prices, triggered_stops
from olaf_async.core.engine import Engine
from olaf_async.domain.events import BooksRead, Event, OrderRow, OrderUpdated, PriceTouched, Status
from olaf_async.domain.order import Order, OrderState, PriceType, Role, Side, Signal, Terms
from olaf_async.ports.journal import Entry, Record
from olaf_async.settings import BrokerSettings
from tests.core.bench import RULES, plan

SYMBOL = plan().setup.symbol
OLD, NEW = Terms(10, 94_00, 95_00), Terms(10, 92_00, 95_00)
BROKER = BrokerSettings(product="CNC", strategy="mine")


def stop_of(state: OrderState, **changes: object) -> Order:
    order = Order(f"{SYMBOL}/2-stop", SYMBOL, Role.STOP, Side.SELL, PriceType.SL, OLD)
    order.state, order.order_id, order.sent_ns = state, "26112200000002", 7
    for name, value in changes.items():
        setattr(order, name, value)
    return order


def kept(order: Order, *triggered: str) -> list[KeptOrder]:
    engine = Engine([plan()], RULES)
    engine.traders[SYMBOL].state.retired.append(order)
    return list(kept_orders(engine, triggered, BROKER))


def status_of(order: Order, *triggered: str) -> OrderStatus:
    (one,) = kept(order, *triggered)
    return one.status


def terms_of(order: Order) -> Terms:
    (one,) = kept(order)
    return one.terms


@pytest.mark.parametrize("state", [OrderState.IN_FLIGHT, OrderState.UNDECIDED, OrderState.ABSENT])
def test_what_was_sent_and_has_no_id_never_arrived(state: OrderState) -> None:
    assert kept(stop_of(state, order_id=None)) == []


@pytest.mark.parametrize(
    "state",
    [
        OrderState.WORKING,
        OrderState.MODIFYING,
        OrderState.MODIFY_UNDECIDED,
        OrderState.CANCELLING,
    ],
)
def test_what_has_an_id_and_has_not_ended_works_on_as_it_was(state: OrderState) -> None:
    is_changing = state in {OrderState.MODIFYING, OrderState.MODIFY_UNDECIDED}
    order = stop_of(state, pending=NEW if is_changing else None)
    assert kept(order) == [
        KeptOrder(
            order_id="26112200000002",
            symbol=SYMBOL,
            side=Side.SELL,
            price_type=PriceType.SL,
            terms=OLD,
            placed_ns=7,
            status=OrderStatus.TRIGGER_PENDING,
            product="CNC",
            strategy="mine",
        )
    ]


@pytest.mark.parametrize(
    ("state", "ended_as", "status"),
    [
        (OrderState.CANCELLED, Signal.PROVED_CANCELLED, OrderStatus.CANCELLED),
        (OrderState.EXPIRED, Signal.PROVED_EXPIRED, OrderStatus.CANCELLED),
        (OrderState.REJECTED, Signal.PROVED_REJECTED, OrderStatus.REJECTED),
        (OrderState.ENDING, Signal.PROVED_CANCELLED, OrderStatus.CANCELLED),
        (OrderState.ENDING, Signal.PROVED_REJECTED, OrderStatus.REJECTED),
        (OrderState.ENDING, None, OrderStatus.CANCELLED),
    ],
)
def test_what_was_seen_to_end_has_ended_with_its_fills(
    state: OrderState, ended_as: Signal | None, status: OrderStatus
) -> None:
    (one,) = kept(stop_of(state, ended_as=ended_as, filled=4, value=4 * 94_50))
    assert (one.status, one.filled, one.value) == (status, 4, 4 * 94_50)


def test_a_filled_order_has_the_shares_that_were_filled_whichever_change_was_open() -> None:
    (one,) = kept(stop_of(OrderState.FILLED, pending=Terms(5, 94_00, 95_00), filled=5, value=5 * 94_50))
    assert (one.status, one.terms) == (OrderStatus.COMPLETE, replace(OLD, quantity=5))


def test_a_stop_is_open_once_a_fill_or_a_second_frame_has_said_so() -> None:
    assert status_of(stop_of(OrderState.WORKING)) is OrderStatus.TRIGGER_PENDING
    assert status_of(stop_of(OrderState.WORKING, filled=1, value=94_50)) is OrderStatus.OPEN
    assert status_of(stop_of(OrderState.WORKING), "26112200000002") is OrderStatus.OPEN
    assert status_of(stop_of(OrderState.WORKING, price_type=PriceType.LIMIT)) is OrderStatus.OPEN


def test_fills_that_only_an_open_change_explains_show_that_it_was_made() -> None:
    changing = OrderState.MODIFYING
    assert terms_of(stop_of(changing, pending=NEW, filled=4, value=4 * 94_00)) == OLD
    assert terms_of(stop_of(changing, pending=NEW, filled=4, value=4 * 94_00 - 1)) == NEW
    more = replace(OLD, quantity=20)
    assert terms_of(stop_of(changing, pending=more, filled=9, value=9 * 94_00)) == OLD
    assert terms_of(stop_of(changing, pending=more, filled=10, value=10 * 94_00)) == more
    bought = {"side": Side.BUY, "terms": Terms(10, 96_00, 95_00), "pending": Terms(10, 97_00, 95_00)}
    assert terms_of(stop_of(changing, filled=1, value=96_00, **bought)).price == 96_00
    assert terms_of(stop_of(changing, filled=1, value=96_05, **bought)).price == 97_00


def test_the_newest_price_is_the_one_the_engine_was_told_last() -> None:
    engine = Engine([plan()], RULES)
    assert newest_prices(engine) == {}
    session = plan().session
    for number, price in enumerate((101_00, 100_95)):
        engine.handle(PriceTouched(SYMBOL, session.open_ns + number, price))
    assert newest_prices(engine) == {SYMBOL: 100_95}


# --------------------------------------------------------------------------------------------- triggers


def told_by(exchange: PaperExchange) -> list[Record]:
    return [record_of(OrderUpdated(0, row)) for row in exchange.take_news()]


def record_of(event: Event) -> Record:
    return Record(1, Entry.EVENT, 0, event, None)


def test_the_paper_exchange_s_second_frame_before_any_fill_tells_of_a_trigger() -> None:
    exchange = PaperExchange(PaperRules(), {SYMBOL: 5})
    exchange.on_print(SYMBOL, 100_00, 1)
    jumped, waiting = (
        exchange.place(SYMBOL, Side.SELL, PriceType.SL, Terms(10, trigger - 50, trigger), 2)
        for trigger in (99_00, 90_00)
    )
    before = told_by(exchange)
    assert triggered_stops(before) == set()
    exchange.modify(waiting, Terms(10, 91_00, 91_50), 3)
    exchange.on_print(SYMBOL, 98_00, 4)
    assert triggered_stops(before + told_by(exchange)) == {jumped}


def test_a_fill_an_end_and_a_row_of_the_books_are_no_such_frame() -> None:
    row = OrderRow("1", SYMBOL, Side.SELL, PriceType.SL, Status.WORKING, 10, 94_00, 95_00, filled=0)
    first = record_of(OrderUpdated(0, row))
    for other in (
        OrderUpdated(0, replace(row, filled=4)),
        OrderUpdated(0, replace(row, status=Status.CANCELLED)),
        OrderUpdated(0, replace(row, order_id="2")),
        BooksRead(0, 0, 0, (row,), (), ()),
    ):
        assert triggered_stops([first, record_of(other)]) == set()
    assert triggered_stops([first, first]) == {"1"}
