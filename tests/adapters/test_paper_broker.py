"""The paper broker: answers late, frames at once, and what a print caused waits for the next print."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import pytest

from olaf_async.adapters.clock import LoopClock, SystemClock
from olaf_async.adapters.paper.broker import PaperBroker
from olaf_async.adapters.paper.exchange import PaperExchange, PaperRules
from olaf_async.domain.events import OrderUpdated, Status
from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder
from olaf_async.domain.order import PriceType, Role, Side, Terms
from olaf_async.errors import BrokerRejected
from olaf_async.ports.broker import AccountNews, Books, Broker
from olaf_async.ports.feed import Tick
from olaf_async.sim.loop import SimLoop, run

_T = TypeVar("_T")
MS = 1_000_000
NOON_NS = 1_795_329_000 * 1_000_000_000


class Desk:
    """A broker on virtual time with one symbol, and what its stream has said."""

    def __init__(self, latency_ms: int = 0, same_instant_ms: int = 0) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        self.clock = LoopClock(loop)
        self.exchange = PaperExchange(PaperRules(), {"SBIN": 5})
        self.broker = PaperBroker(
            self.exchange, self.clock, latency_ms * MS, same_instant_ns=same_instant_ms * MS
        )
        self.news: list[tuple[int, Status]] = []

    def tick(self, price: int) -> None:
        self.broker.on_tick(Tick("SBIN", self.clock.now_ns(), price))

    async def wait(self, span_ms: int) -> None:
        await self.clock.sleep_until_ns(self.clock.now_ns() + span_ms * MS)

    async def listen(self) -> None:
        async for update in self.broker.news():
            assert isinstance(update, OrderUpdated)
            assert self.clock.now_ns() == update.at_ns
            self.news.append(((update.at_ns - NOON_NS) // MS, update.row.status))

    @property
    def fills(self) -> list[int]:
        return [fill.price for fill in self.exchange.fills]


def limit(price: int, side: Side = Side.BUY, symbol: str = "SBIN") -> PlaceOrder:
    return PlaceOrder(symbol, 1, "key", Role.EXIT, side, PriceType.LIMIT, Terms(1, price))


def changed(order_id: str, price: int) -> ModifyOrder:
    return ModifyOrder("SBIN", 2, "key", Role.EXIT, Side.BUY, PriceType.LIMIT, Terms(1, price), order_id)


def on_virtual_time(main: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    return run(main(), start_ns=NOON_NS)


def test_it_is_what_the_port_asks_for() -> None:
    broker: Broker = PaperBroker(PaperExchange(PaperRules(), {}), SystemClock())
    assert isinstance(broker.news(), AsyncIterator)


def test_a_call_acts_after_half_the_latency_is_pushed_then_and_answered_after_the_whole() -> None:
    async def day() -> tuple[list[tuple[int, Status]], int, int]:
        desk = Desk(latency_ms=100)
        listening = asyncio.create_task(desk.listen())
        desk.tick(100_00)
        await desk.wait(10)
        order_id = await desk.broker.place(limit(101_00))
        answered_ns = desk.clock.now_ns()
        listening.cancel()
        return desk.news, (answered_ns - NOON_NS) // MS, desk.exchange.record(order_id).placed_ns

    news, answered_ms, placed_ns = on_virtual_time(day)
    assert news == [(60, Status.WORKING), (60, Status.COMPLETE)]
    assert answered_ms == 110
    assert placed_ns == NOON_NS + 60 * MS


def test_an_odd_nanosecond_of_latency_is_spent_on_the_way_back() -> None:
    async def day() -> tuple[int, int]:
        clock = Desk().clock
        exchange = PaperExchange(PaperRules(), {"SBIN": 5})
        order_id = await PaperBroker(exchange, clock, latency_ns=7).place(limit(101_00))
        return exchange.record(order_id).placed_ns - NOON_NS, clock.now_ns() - NOON_NS

    assert on_virtual_time(day) == (3, 7)


def test_a_refusal_takes_as_long_as_an_answer() -> None:
    async def day() -> int:
        desk = Desk(latency_ms=100)
        with pytest.raises(BrokerRejected, match="Symbol NOPE not found on NSE"):
            await desk.broker.place(limit(100_00, symbol="NOPE"))
        with pytest.raises(BrokerRejected, match="Order 7 not found"):
            await desk.broker.modify(changed("7", 100_00))
        with pytest.raises(BrokerRejected, match="Order 7 not found"):
            await desk.broker.cancel(CancelOrder("SBIN", 3, "key", Role.EXIT, "7"))
        return (desk.clock.now_ns() - NOON_NS) // MS

    assert on_virtual_time(day) == 300


def test_prices_move_while_an_order_is_on_its_way() -> None:
    async def day() -> list[int]:
        desk = Desk(latency_ms=100)
        desk.tick(100_00)
        await desk.wait(1)
        placing = asyncio.create_task(desk.broker.place(limit(101_00)))
        await desk.wait(20)
        desk.tick(100_50)
        await placing
        return desk.fills

    assert on_virtual_time(day) == [100_50]


def test_an_order_is_changed_and_cancelled_through_the_port_and_books_show_it() -> None:
    async def day() -> tuple[list[Books], int | None]:
        desk = Desk()
        desk.tick(100_00)
        await desk.wait(1)
        broker = desk.broker
        resting = await broker.place(limit(99_00))
        await broker.modify(changed(resting, 99_50))
        first = await broker.books()
        await broker.cancel(CancelOrder("SBIN", 3, "key", Role.EXIT, resting))
        await broker.place(limit(100_00))
        return [first, await broker.books()], await broker.quote("SBIN")

    (first, last), quote = on_virtual_time(day)
    assert [(row.status, row.price) for row in first.orders] == [(Status.WORKING, 99_50)]
    assert (first.trades, first.positions) == ((), ())
    assert [row.status for row in last.orders] == [Status.CANCELLED, Status.COMPLETE]
    assert [(row.quantity, row.price) for row in last.trades] == [(1, 100_00)]
    assert [(row.symbol, row.quantity) for row in last.positions] == [("SBIN", 1)]
    assert quote == 100_00


def test_every_call_yields_even_without_latency() -> None:
    async def day() -> list[bool]:
        desk = Desk()
        desk.tick(100_00)
        order_id = await desk.broker.place(limit(99_00))
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: desk.broker.place(limit(99_00)),
            lambda: desk.broker.modify(changed(order_id, 98_00)),
            lambda: desk.broker.cancel(CancelOrder("SBIN", 3, "key", Role.EXIT, order_id)),
            desk.broker.books,
            lambda: desk.broker.quote("SBIN"),
        ]
        yielded = []
        for call in calls:
            others = asyncio.create_task(asyncio.sleep(0))
            await call()
            yielded.append(others.done())
        return yielded

    assert on_virtual_time(day) == [True] * 5


def test_what_a_print_caused_waits_for_the_next_print() -> None:
    async def day() -> list[list[int]]:
        desk = Desk()
        seen = []
        desk.tick(100_00)
        resting = await desk.broker.place(limit(99_00))
        await desk.broker.place(limit(101_00))
        await desk.broker.modify(changed(resting, 102_00))
        seen.append(desk.fills)
        await desk.wait(1)
        desk.tick(100_20)
        seen.append(desk.fills)
        return seen

    assert on_virtual_time(day) == [[], [100_20, 100_20]]


def test_what_a_timer_caused_takes_the_last_price() -> None:
    async def day() -> list[int]:
        desk = Desk()
        desk.tick(100_00)
        await desk.wait(1)
        resting = await desk.broker.place(limit(99_00))
        await desk.broker.modify(changed(resting, 102_00))
        return desk.fills

    assert on_virtual_time(day) == [100_00]


def test_on_a_real_clock_the_way_from_a_tick_to_its_order_may_take_a_moment() -> None:
    async def day() -> list[list[int]]:
        desk = Desk(same_instant_ms=5)
        seen = []
        desk.tick(100_00)
        await desk.wait(5)
        await desk.broker.place(limit(101_00))
        seen.append(desk.fills)
        await desk.wait(1)
        await desk.broker.place(limit(101_00))
        seen.append(desk.fills)
        return seen

    assert on_virtual_time(day) == [[], [100_00]]


def test_a_print_that_overtakes_the_order_is_a_next_print() -> None:
    async def day() -> list[int]:
        desk = Desk(latency_ms=100)
        desk.tick(100_00)
        placing = asyncio.create_task(desk.broker.place(limit(101_00)))
        await desk.wait(10)
        desk.tick(100_00)
        await placing
        return desk.fills

    assert on_virtual_time(day) == [100_00]


def test_an_order_that_no_print_overtook_still_waits_when_it_arrives() -> None:
    async def day() -> list[int]:
        desk = Desk(latency_ms=100)
        desk.tick(100_00)
        await desk.broker.place(limit(101_00))
        desk.tick(100_10)
        return desk.fills

    assert on_virtual_time(day) == [100_10]


def test_a_tick_pushes_what_it_filled_to_every_listener_until_it_stops_listening() -> None:
    async def day() -> list[Status]:
        desk = Desk()
        leaving, staying = desk.broker.news(), desk.broker.news()
        desk.tick(100_00)
        await desk.broker.place(limit(99_00))
        heard: list[AccountNews] = [await anext(leaving), await anext(staying)]
        await leaving.aclose()
        desk.broker.on_tick(Tick("SBIN", desk.clock.now_ns(), 95_00), continuous=True)
        heard.append(await anext(staying))
        assert desk.exchange.fills[0].intrabar
        with pytest.raises(StopAsyncIteration):
            await anext(leaving)
        return [update.row.status for update in heard if isinstance(update, OrderUpdated)]

    assert on_virtual_time(day) == [Status.WORKING, Status.WORKING, Status.COMPLETE]


def test_the_tag_and_the_product_go_with_every_order() -> None:
    async def day() -> tuple[str, str]:
        desk = Desk()
        broker = PaperBroker(desk.exchange, desk.clock, strategy="drill", product="CNC")
        record = desk.exchange.record(await broker.place(limit(99_00)))
        assert (await broker.books()).positions == ()
        return record.strategy, record.product

    assert on_virtual_time(day) == ("drill", "CNC")
