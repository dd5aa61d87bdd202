"""The paper desk: who hears what and when, and what it does by the clock."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from olaf_async.adapters.paper.account import PaperRules
from olaf_async.adapters.paper.orders import OrderRecord
from olaf_async.adapters.paper.server.desk import PaperDesk, Placed
from olaf_async.domain.order import PriceType, Side, Terms
from tests.adapters.server.rest_server import NOON_NS
from tests.wire.step_clock import StepClock

S = 1_000_000_000
DAY_NS = 86_400 * S
SQUARE_OFF_NS = NOON_NS + (2 * 3600 + 25 * 60) * S  # 15:15 of that Sunday
SANDBOX = PaperRules(exchange_true=False)


def a_desk(clock: StepClock, rules: PaperRules = SANDBOX) -> PaperDesk:
    desk = PaperDesk(rules, {"SBIN": 5, "ITC": 5}, clock)
    desk.on_price("SBIN", 800_00, clock.now_ns())
    return desk


def buy(desk: PaperDesk, *, price: int = 0, trigger: int = 0, product: str = "MIS") -> Placed:
    """Buy ten at market, at a limit, or above a trigger."""
    kind = PriceType.SL if trigger else PriceType.LIMIT if price else PriceType.MARKET
    return desk.place("SBIN", Side.BUY, kind, Terms(10, price, trigger), strategy="s", product=product)


@asynccontextmanager
async def keeping(desk: PaperDesk, clock: StepClock) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """What the desk does by the clock, and to the caller what brings it to a time, through all before it."""
    task = asyncio.create_task(desk.keep_time())

    async def until(when_ns: int) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        while (next_ns := clock.next_ns) is not None and next_ns <= when_ns:
            clock.move_to(next_ns)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        clock.move_to(when_ns)

    try:
        yield until
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_listeners_hear_an_order_before_its_placing_returns_and_until_they_leave() -> None:
    desk = a_desk(StepClock(NOON_NS))
    heard: list[OrderRecord] = []
    leave = desk.subscribe(heard.append)
    placed = buy(desk)
    assert [(record.order_id, str(record.status)) for record in heard] == [
        (placed.order_id, "open"),
        (placed.order_id, "complete"),
    ]
    leave()
    buy(desk)
    assert len(heard) == 2


async def test_a_market_order_takes_the_quote_and_the_next_tick_has_another() -> None:
    desk = a_desk(StepClock(NOON_NS))
    assert desk.exchange.record(buy(desk).order_id).average == 800_05
    desk.set_quote("SBIN", ask=801_00)
    assert desk.exchange.record(buy(desk).order_id).average == 801_00
    desk.on_price("SBIN", 799_00, NOON_NS)
    assert desk.exchange.record(buy(desk).order_id).average == 799_05


async def test_nothing_fills_at_placement_on_a_quote_outside_its_own_range() -> None:
    desk = a_desk(StepClock(NOON_NS))
    desk.set_quote("SBIN", low=801_00, high=802_00)
    orders = [buy(desk), buy(desk, price=805_00)]
    assert {str(desk.exchange.record(order.order_id).status) for order in orders} == {"open"}
    desk.on_price("SBIN", 800_50, NOON_NS)
    assert {str(desk.exchange.record(order.order_id).status) for order in orders} == {"complete"}


async def test_an_exchange_true_desk_knows_no_such_guard() -> None:
    desk = a_desk(StepClock(NOON_NS), PaperRules())
    desk.set_quote("SBIN", low=801_00, high=802_00)
    assert str(desk.exchange.record(buy(desk).order_id).status) == "complete"


async def test_ticks_widen_the_range_of_the_day() -> None:
    desk = a_desk(StepClock(NOON_NS))
    for price in (790_00, 810_00, 805_00):
        desk.on_price("SBIN", price, NOON_NS)
    quote = desk.quote("SBIN")
    assert quote is not None
    assert (quote.open, quote.low, quote.high, quote.ltp) == (800_00, 790_00, 810_00, 805_00)


async def test_a_first_quote_needs_a_last_price() -> None:
    desk = a_desk(StepClock(NOON_NS))
    with pytest.raises(ValueError, match="the first quote of ITC needs a last price"):
        desk.set_quote("ITC", bid=399_00)
    desk.set_quote("ITC", ltp=400_00)
    quote = desk.quote("ITC")
    assert quote is not None
    assert (quote.low, quote.high, quote.bid) == (400_00, 400_00, 0)


async def test_a_position_that_cannot_be_closed_is_counted_as_failed() -> None:
    clock = StepClock(NOON_NS)
    desk = PaperDesk(PaperRules(), {"SBIN": 5}, clock, sessions={"SBIN": (NOON_NS, NOON_NS + S)})
    desk.on_price("SBIN", 800_00, NOON_NS)
    buy(desk)
    clock.move_to(NOON_NS + S)
    closed = desk.close_positions()
    assert (closed.done, closed.failed) == (0, 1)


async def test_at_the_square_off_time_mis_orders_end_and_mis_positions_close_and_delivery_stays() -> None:
    clock = StepClock(NOON_NS)
    desk = a_desk(clock)
    buy(desk)
    stop, delivery = buy(desk, price=820_00, trigger=810_00), buy(desk, price=700_00, product="CNC")
    buy(desk, product="CNC")
    async with keeping(desk, clock) as until:
        await until(SQUARE_OFF_NS - 1)
        assert (desk.held("SBIN", "MIS"), len(desk.exchange.records())) == (10, 4)
        await until(SQUARE_OFF_NS)
        assert (desk.held("SBIN", "MIS"), desk.held("SBIN", "CNC")) == (0, 10)
        assert str(desk.exchange.record(stop.order_id).status) == "cancelled"
        assert str(desk.exchange.record(delivery.order_id).status) == "open"
        assert desk.exchange.fills[-1].strategy == "AUTO_SQUARE_OFF"


async def test_a_square_off_tells_the_newest_order_first() -> None:
    desk = a_desk(StepClock(NOON_NS))
    older, newer = buy(desk, price=700_00), buy(desk, price=710_00)
    heard: list[str] = []
    desk.subscribe(lambda record: heard.append(record.order_id))
    desk.square_off()
    assert heard == [newer.order_id, older.order_id]


async def test_the_square_off_comes_again_on_the_next_day() -> None:
    clock = StepClock(SQUARE_OFF_NS + S)
    desk = a_desk(clock)
    async with keeping(desk, clock) as until:
        await until(SQUARE_OFF_NS + DAY_NS - S)
        desk.on_price("SBIN", 800_00, clock.now_ns())
        buy(desk)
        assert desk.held("SBIN", "MIS") == 10
        await until(SQUARE_OFF_NS + DAY_NS)
        assert desk.held("SBIN", "MIS") == 0


async def test_without_a_tick_for_half_a_minute_quotes_are_looked_at_instead() -> None:
    clock = StepClock(NOON_NS)
    desk = a_desk(clock)
    stop = buy(desk, price=803_00, trigger=802_00)
    desk.set_quote("SBIN", ltp=802_50, high=802_50)
    async with keeping(desk, clock) as until:
        await until(NOON_NS + 30 * S - 1)
        assert str(desk.exchange.record(stop.order_id).status) == "trigger pending"
        await until(NOON_NS + 30 * S)
        assert desk.exchange.record(stop.order_id).average == 802_50


async def test_a_quote_outside_its_own_range_is_not_looked_at() -> None:
    clock = StepClock(NOON_NS)
    desk = a_desk(clock)
    stop = buy(desk, price=803_00, trigger=802_00)
    desk.set_quote("SBIN", ltp=802_50)
    async with keeping(desk, clock) as until:
        await until(NOON_NS + 60 * S)
    assert str(desk.exchange.record(stop.order_id).status) == "trigger pending"


async def test_a_tick_of_any_symbol_keeps_quotes_from_being_looked_at() -> None:
    clock = StepClock(NOON_NS)
    desk = a_desk(clock)
    stop = buy(desk, price=803_00, trigger=802_00)
    desk.set_quote("SBIN", ltp=802_50, high=802_50)
    async with keeping(desk, clock) as until:
        for second in range(10, 100, 10):
            await until(NOON_NS + second * S)
            desk.on_price("ITC", 400_00, clock.now_ns())
        assert str(desk.exchange.record(stop.order_id).status) == "trigger pending"


@pytest.mark.parametrize("rules", [PaperRules(), PaperRules(exchange_true=False, square_off_s=None)])
async def test_an_exchange_true_desk_and_one_without_a_time_square_nothing_off(rules: PaperRules) -> None:
    clock = StepClock(NOON_NS)
    desk = a_desk(clock, rules)
    buy(desk)
    async with keeping(desk, clock) as until:
        await until(SQUARE_OFF_NS + S)
    assert desk.held("SBIN", "MIS") == 10
