"""One suite for every broker there is: in process, over real sockets, and as the real one was recorded."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import pytest

from olaf_async.adapters.clock import SystemClock
from olaf_async.adapters.openalgo.broker import OpenAlgoBroker
from olaf_async.adapters.openalgo.connection import Dialer
from olaf_async.adapters.openalgo.order_stream import OrderStream
from olaf_async.adapters.openalgo.rest import OpenAlgoRest
from olaf_async.adapters.openalgo.wire import answers, requests
from olaf_async.adapters.openalgo.wire.requests import Access
from olaf_async.adapters.openalgo.wire.rows import Scope
from olaf_async.adapters.paper.broker import PaperBroker
from olaf_async.adapters.paper.exchange import PaperExchange, PaperRules
from olaf_async.adapters.paper.server.desk import PaperDesk
from olaf_async.adapters.paper.server.running import running
from olaf_async.domain.events import Mode, OrderRow
from olaf_async.domain.price import to_paise
from olaf_async.ports.broker import Books
from olaf_async.ports.feed import Tick
from tests.contract.recording import Recording, playing, recorded
from tests.contract.stories import SANDBOX_ONLY, START, STORIES, SYMBOL, Dealer, Market

ACCESS = Access("a-key-for-tests", strategy="contract")
TICKS = {SYMBOL: 5}
FILES = {"life": "02-order-lifecycle.jsonl", "error": "03-rest-errors.jsonl"}


@dataclass(slots=True)
class InProcess:
    """The paper broker, called directly."""

    broker: PaperBroker
    clock: SystemClock
    has_stream: bool = False

    async def price(self, rupees: Decimal) -> None:
        self.broker.on_tick(Tick(SYMBOL, self.clock.now_ns(), to_paise(rupees)))

    async def order(self, order_id: str) -> OrderRow:
        return row_of(await self.broker.books(), order_id)


@dataclass(slots=True)
class OverSockets:
    """The paper server, spoken to by the live adapters."""

    broker: OpenAlgoBroker
    desk: PaperDesk
    has_stream: bool = True

    async def price(self, rupees: Decimal) -> None:
        self.desk.on_price(SYMBOL, to_paise(rupees), self.desk.clock.now_ns())

    async def order(self, order_id: str) -> OrderRow:
        return row_of(await self.broker.books(), order_id)


@dataclass(slots=True)
class AsRecorded:
    """The recording of the real server, spoken to by the live adapters."""

    broker: OpenAlgoBroker
    rest: OpenAlgoRest
    recording: Recording
    has_stream: bool = True

    async def price(self, rupees: Decimal) -> None:
        await self.recording.price(SYMBOL, rupees)

    async def order(self, order_id: str) -> OrderRow:
        return await self.rest.read(requests.order_status(ACCESS, order_id), answers.order_status)


def row_of(books: Books, order_id: str) -> OrderRow:
    return next(row for row in books.orders if row.order_id == order_id)


# --- who tells the stories ----------------------------------------------------------------------------


@asynccontextmanager
async def in_process(_: str, *, is_exchange: bool) -> AsyncIterator[Market]:
    clock = SystemClock()
    exchange = PaperExchange(PaperRules(exchange_true=is_exchange, square_off_s=None), TICKS)
    market = InProcess(PaperBroker(exchange, clock, same_instant_ns=0), clock)
    await market.price(Decimal(START) / 100)
    yield market


@asynccontextmanager
async def over_sockets(_: str, *, is_exchange: bool) -> AsyncIterator[Market]:
    clock = SystemClock()
    desk = PaperDesk(
        PaperRules(exchange_true=is_exchange, square_off_s=None), TICKS, clock, api_key=ACCESS.api_key
    )
    async with running(desk) as server, connected(server.rest_url, server.ws_url) as (broker, _rest):
        market = OverSockets(broker, desk)
        await market.price(Decimal(START) / 100)
        yield market


@asynccontextmanager
async def as_recorded(case: str) -> AsyncIterator[Market]:
    lines = recorded(FILES[case.split("/", maxsplit=1)[0]], case)
    async with playing(lines) as recording:
        async with connected(recording.rest_url, recording.ws_url) as (broker, rest):
            yield AsRecorded(broker, rest, recording)
        assert not recording.failures
        assert recording.is_over, "the story ends before the recording does"


@asynccontextmanager
async def connected(rest_url: str, ws_url: str) -> AsyncIterator[tuple[OpenAlgoBroker, OpenAlgoRest]]:
    clock = SystemClock()
    scope = Scope(ACCESS.exchange, ACCESS.product)
    dialer = Dialer(ws_url, ACCESS.api_key, clock, lambda: 0.0, needs_prices=False)
    stream = OrderStream(dialer, scope, Mode.ANALYZE, clock, lambda _: None)
    async with OpenAlgoRest(rest_url, ACCESS, clock) as rest:
        yield OpenAlgoBroker(rest, stream.news, clock, Mode.ANALYZE), rest


Teller = Callable[[str], AbstractAsyncContextManager[Market]]
TELLERS: dict[str, Teller] = {
    "the paper broker": partial(in_process, is_exchange=True),
    "the paper broker as a sandbox": partial(in_process, is_exchange=False),
    "the paper server": partial(over_sockets, is_exchange=True),
    "the paper server as a sandbox": partial(over_sockets, is_exchange=False),
    "the recording": as_recorded,
}


@pytest.mark.parametrize("teller", TELLERS)
@pytest.mark.parametrize("case", STORIES)
async def test_every_broker_tells_the_story_alike(case: str, teller: str) -> None:
    if case in SANDBOX_ONLY and teller in ("the paper broker", "the paper server"):
        pytest.skip("an exchange treats a stop that was set off as a limit order; the sandbox does not")
    async with TELLERS[teller](case) as market:
        dealer = Dealer(market)
        listening = asyncio.create_task(dealer.listen())
        await dealer.listens()
        try:
            await STORIES[case](dealer)
            assert dealer.has_heard_all
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
