"""One suite for every feed of live prices: the paper server, and the recorded words of the real one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from decimal import Decimal
from itertools import count
from typing import TypeAlias

import pytest

from olaf_async.adapters.clock import SystemClock
from olaf_async.adapters.openalgo.connection import Dialer
from olaf_async.adapters.openalgo.feed import OpenAlgoFeed
from olaf_async.adapters.paper.exchange import PaperRules
from olaf_async.adapters.paper.server.desk import PaperDesk
from olaf_async.adapters.paper.server.running import running
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.price import Paise, to_paise
from olaf_async.domain.session import Session
from tests.contract.recording import playing, recorded
from tests.contract.stories import HEARD_WITHIN_S, START, SYMBOL
from tests.races.world import DAY

KEY = "a-key-for-tests"
RECORDED = ["800.05", "800.1", "800.0", "800.0", "800.0", "801.0"]
"""What ``ws/subscribe-ltp-ticks-unsubscribe`` of 05-websocket.jsonl brought to a subscribed client."""

Publish: TypeAlias = Callable[[Decimal], Awaitable[None]]


async def no_quotes(_: Sequence[str]) -> Mapping[str, Paise | None]:
    return {}


def feed_of(ws_url: str) -> OpenAlgoFeed:
    clock = SystemClock()
    now_ns = clock.now_ns()
    return OpenAlgoFeed(
        Dialer(ws_url, KEY, clock, lambda: 0.0, needs_prices=True),
        "NSE",
        {SYMBOL: START},
        session=Session(DAY, now_ns, now_ns, now_ns + 60 * SECOND_NS, now_ns + 90 * SECOND_NS),
        clock=clock,
        quotes=no_quotes,
        tell=lambda _: None,
    )


@asynccontextmanager
async def by_paper_server() -> AsyncIterator[tuple[OpenAlgoFeed, Publish]]:
    clock = SystemClock()
    desk = PaperDesk(PaperRules(exchange_true=False), {SYMBOL: 5}, clock, api_key=KEY)
    # Two prints of one price in one millisecond are one to whoever hears of them.
    at_ns = count(clock.now_ns() - SECOND_NS, SECOND_NS // 100)
    async with running(desk) as server:

        async def publish(rupees: Decimal) -> None:
            await server.stream.asked()
            server.board.publish(SYMBOL, to_paise(rupees), at_ns=next(at_ns))

        yield feed_of(server.ws_url), publish


@asynccontextmanager
async def by_recording() -> AsyncIterator[tuple[OpenAlgoFeed, Publish]]:
    lines = recorded("05-websocket.jsonl", "ws/subscribe-ltp-ticks-unsubscribe")
    played = [line for line in lines if "price" in line or line.get("frame", {}).get("type") == "market_data"]
    async with playing(played) as recording:

        async def publish(rupees: Decimal) -> None:
            await recording.listened()
            await recording.price(SYMBOL, rupees)

        yield feed_of(recording.ws_url), publish
        assert not recording.failures


FEEDS: dict[str, Callable[[], AbstractAsyncContextManager[tuple[OpenAlgoFeed, Publish]]]] = {
    "the paper server": by_paper_server,
    "the recording": by_recording,
}


@pytest.mark.parametrize("feed", FEEDS)
async def test_every_print_comes_in_its_order_with_its_exact_price(feed: str) -> None:
    async with FEEDS[feed]() as (prices, publish), aclosing(prices.ticks()) as ticks:
        for rupees in RECORDED:
            arriving = asyncio.ensure_future(anext(ticks))
            await publish(Decimal(rupees))
            tick = await asyncio.wait_for(arriving, HEARD_WITHIN_S)
            assert (tick.symbol, tick.price) == (SYMBOL, to_paise(rupees))
