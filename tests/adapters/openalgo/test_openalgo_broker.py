"""The account as the engine sees it: books in order, one mode, and news from both sides."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest

from olaf_async.adapters.openalgo.broker import OpenAlgoBroker
from olaf_async.adapters.openalgo.rest import OpenAlgoRest
from olaf_async.domain.events import Mode, ModeSeen, PositionRow, StreamChanged
from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder
from olaf_async.domain.order import PriceType, Role, Side, Terms
from olaf_async.errors import BrokerError, BrokerQueued, BrokerRejected, BrokerUndecided, FeedError
from olaf_async.ports.broker import AccountNews, Broker
from tests.adapters.openalgo.corpus import FLAT, ORDER, POSITION, TRADE, orders, rows
from tests.adapters.openalgo.hostile import JumpingClock, hostile, says

PLACE = PlaceOrder("SBIN", 1, "SBIN-1", Role.STOP, Side.SELL, PriceType.SL, Terms(1, 50000, 51195))
MODIFY = ModifyOrder("SBIN", 2, "SBIN-1", Role.STOP, Side.SELL, PriceType.SL, Terms(1, 50000, 51200), "12")
CANCEL = CancelOrder("SBIN", 3, "SBIN-1", Role.STOP, "12")
TAKEN = {"status": "success", "orderid": "12"}
SIMULATED = {**TAKEN, "mode": "analyze"}
OTHER = b'{"symbol":"SBIN","exchange":"NSE","product":"CNC","quantity":9}'


class Stream:
    """Account news that the test tells."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[AccountNews | Exception | None] = asyncio.Queue()
        self.is_open = asyncio.Event()

    async def news(self) -> AsyncGenerator[AccountNews, None]:
        self.is_open.set()
        try:
            while (event := await self.told.get()) is not None:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.is_open.clear()


def broker_over(rest: OpenAlgoRest, mode: Mode = Mode.LIVE, stream: Stream | None = None) -> OpenAlgoBroker:
    return OpenAlgoBroker(rest, (stream or Stream()).news, JumpingClock(), mode)


def in_analyzer(body: bytes) -> bytes:
    return body.replace(b'{"status"', b'{"mode":"analyze","status"', 1)


# --- writes -----------------------------------------------------------------------------------------------


async def test_orders_are_placed_changed_and_cancelled() -> None:
    async with hostile(says(TAKEN), says(TAKEN), says(TAKEN)) as (rest, server):
        broker: Broker = broker_over(rest)

        assert await broker.place(PLACE) == "12"
        await broker.modify(MODIFY)
        await broker.cancel(CANCEL)

    assert server.routes == ["placeorder", "modifyorder", "cancelorder"]


@pytest.mark.parametrize(
    ("said", "status", "error"),
    [
        ({"status": "error", "message": "Insufficient funds"}, 400, BrokerRejected),
        ({"status": "success", "mode": "semi_auto", "pending_order_id": 3}, 200, BrokerQueued),
        ({"status": "success", "orderid": None}, 200, BrokerUndecided),
    ],
)
async def test_what_was_not_taken_is_raised(
    said: dict[str, object], status: int, error: type[BrokerError]
) -> None:
    async with hostile(*[says(said, status)] * 3) as (rest, _):
        broker = broker_over(rest)
        for write in (broker.place(PLACE), broker.modify(MODIFY), broker.cancel(CANCEL)):
            with pytest.raises(error):
                await write


@pytest.mark.parametrize(("mode", "said"), [(Mode.LIVE, SIMULATED), (Mode.ANALYZE, TAKEN)])
async def test_an_order_taken_in_the_other_mode_is_not_taken_for_ours(
    mode: Mode, said: dict[str, object]
) -> None:
    async with hostile(says(said), says(said), says(said)) as (rest, server):
        broker = broker_over(rest, mode)
        with pytest.raises(BrokerUndecided, match=r"other mode.* 12 is being cancelled there"):
            await broker.place(PLACE)
        with pytest.raises(BrokerUndecided, match=r"other mode than [a-z]+$"):
            await broker.modify(MODIFY)

        assert server.routes == ["placeorder", "cancelorder", "modifyorder"], "what went astray is taken back"
        assert [seen.mode for seen in broker._modes] == [mode, *(set(Mode) - {mode})]


async def test_an_order_that_went_astray_and_cannot_be_taken_back_is_named() -> None:
    gone = {"status": "error", "message": "Order 12 not found"}
    async with hostile(says(TAKEN), says(gone, 404), says(TAKEN)) as (rest, _):
        broker = broker_over(rest, Mode.ANALYZE)
        with pytest.raises(BrokerUndecided, match=r"cancel 12 there by hand.*Order 12 not found"):
            await broker.place(PLACE)
    async with hostile(says(TAKEN), says({}, 500)) as (rest, _):
        broker = broker_over(rest, Mode.ANALYZE)
        with pytest.raises(BrokerUndecided, match=r"cancel 12 there by hand.*HTTP 500"):
            await broker.place(PLACE)


# --- reads ------------------------------------------------------------------------------------------------


async def test_books_are_asked_for_one_after_the_other_and_hold_our_rows_only() -> None:
    bodies = (orders(ORDER, OTHER), rows(TRADE, OTHER), rows(POSITION, OTHER, FLAT))
    async with hostile(*map(says, bodies)) as (rest, server):
        books = await broker_over(rest).books()

    assert server.routes == ["orderbook", "tradebook", "positionbook"]
    assert [row.order_id for row in books.orders] == ["250408000989443"]
    assert [row.order_id for row in books.trades] == ["12"]
    assert books.positions == (PositionRow("SBIN", -3), PositionRow("ITC", 0))


async def test_books_with_a_hole_are_no_books() -> None:
    async with hostile(says(orders()), says(rows(b"{}"))) as (rest, server):
        with pytest.raises(BrokerUndecided):
            await broker_over(rest).books()

    assert server.routes == ["orderbook", "tradebook"]


async def test_books_of_the_other_account_prove_nothing_of_ours() -> None:
    async with hostile(says(orders()), says(in_analyzer(rows()))) as (rest, _):
        broker = broker_over(rest)
        with pytest.raises(BrokerUndecided, match="tradebook is of the analyze account"):
            await broker.books()

        assert [seen.mode for seen in broker._modes] == [Mode.LIVE, Mode.ANALYZE]


async def test_a_quote_is_the_last_price_or_none() -> None:
    quotes = (b'{"status":"success","data":{"ltp":511.95}}', b'{"status":"success","data":{"ltp":0}}')
    async with hostile(*map(says, quotes)) as (rest, _):
        broker = broker_over(rest)
        assert await broker.quote("SBIN") == 51195
        assert await broker.quote("SBIN") is None


# --- news -------------------------------------------------------------------------------------------------


async def test_news_come_from_the_stream_and_from_answers_that_tell_a_change_of_mode() -> None:
    stream = Stream()
    up = StreamChanged(5, is_up=True)
    answers = (TAKEN, TAKEN, SIMULATED, SIMULATED, TAKEN)
    async with hostile(*map(says, answers)) as (rest, _):
        broker = broker_over(rest, Mode.LIVE, stream)
        news = broker.news()
        heard = [await anext(news)]
        stream.told.put_nowait(up)
        heard.append(await anext(news))
        for _ in answers:
            with suppress(BrokerUndecided):
                await broker.cancel(CANCEL)
        heard += [await anext(news), await anext(news)]
        await news.aclose()

    modes = [event.mode for event in heard if isinstance(event, ModeSeen)]
    assert heard[1] is up
    assert modes == [Mode.LIVE, Mode.ANALYZE, Mode.LIVE]
    assert not stream.is_open.is_set()


async def test_news_end_with_the_stream_and_fail_with_it() -> None:
    async with hostile() as (rest, _):
        for end in (None, FeedError("broken")):
            stream = Stream()
            stream.told.put_nowait(end)
            news = broker_over(rest, stream=stream).news()
            assert isinstance(await anext(news), ModeSeen)
            with pytest.raises(StopAsyncIteration if end is None else FeedError):
                await anext(news)
            assert not stream.is_open.is_set()


async def test_a_listener_that_is_cancelled_leaves_nothing_running_and_loses_no_change_of_mode() -> None:
    stream = Stream()
    async with hostile(says(in_analyzer(orders()))) as (rest, _):
        broker = broker_over(rest, Mode.LIVE, stream)

        async def listen() -> list[AccountNews]:
            return [event async for event in broker.news()]

        before = asyncio.all_tasks()
        listener = asyncio.create_task(listen())
        await stream.is_open.wait()
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
        assert asyncio.all_tasks() == before
        assert not stream.is_open.is_set()

        with pytest.raises(BrokerUndecided):
            await broker.books()
        news = broker.news()
        heard = [await anext(news), await anext(news)]
        await news.aclose()

    assert [event.mode for event in heard if isinstance(event, ModeSeen)] == [Mode.LIVE, Mode.ANALYZE]
