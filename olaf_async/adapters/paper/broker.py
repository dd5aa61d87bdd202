"""The Broker port over the paper exchange: the same answers, late, and frames that do not wait for them.

Owns latency and the account's push channel. It must never decide about an order; that is the exchange's.

A call acts at the exchange half the latency after it was made and is answered the other half later; what it
causes is pushed at the moment it acts, so frames may come before the answer, as in real life.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from olaf_async.adapters.paper.exchange import PaperExchange
from olaf_async.domain.events import OrderUpdated
from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder
from olaf_async.domain.price import Paise
from olaf_async.ports.broker import AccountNews, Books
from olaf_async.ports.clock import Clock
from olaf_async.ports.feed import Tick

_T = TypeVar("_T")


class PaperBroker:
    """An implementation of `olaf_async.ports.broker.Broker`; prints reach the exchange through `on_tick`.

    A call made within ``same_instant_ns`` of the symbol's newest print counts as made because of it, and is
    filled by the next print at the earliest. On virtual time 0 is exact, since timers of an instant run
    before its prints; on a real clock it must cover the way from a tick to the call.
    """

    def __init__(
        self,
        exchange: PaperExchange,
        clock: Clock,
        latency_ns: int = 0,
        *,
        same_instant_ns: int = 0,
        strategy: str = "olaf",
        product: str = "MIS",
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._way_there_ns = latency_ns // 2
        self._way_back_ns = latency_ns - self._way_there_ns
        self._same_instant_ns = same_instant_ns
        self._strategy = strategy
        self._product = product
        self._heard: dict[str, tuple[int, int]] = {}
        self._listeners: list[asyncio.Queue[AccountNews]] = []

    def on_tick(self, tick: Tick, *, continuous: bool = False) -> None:
        """Pass one print on to the exchange (``continuous`` as there) and push what it caused."""
        number, _ = self._heard.get(tick.symbol, (0, 0))
        self._heard[tick.symbol] = number + 1, self._clock.now_ns()
        self._exchange.on_print(tick.symbol, tick.price, tick.at_ns, continuous=continuous)
        self._push()

    async def place(self, intent: PlaceOrder) -> str:
        """Send a new order; return its id.

        Raises:
            BrokerRejected: the exchange refused it.
        """
        is_by_print = self._is_by_print(intent.symbol)
        return await self._ask(
            lambda: self._exchange.place(
                intent.symbol,
                intent.side,
                intent.price_type,
                intent.terms,
                self._clock.now_ns(),
                on_print=is_by_print(),
                strategy=self._strategy,
                product=self._product,
            )
        )

    async def modify(self, intent: ModifyOrder) -> None:
        """Change a working order. Raises as `place`."""
        is_by_print = self._is_by_print(intent.symbol)
        await self._ask(
            lambda: self._exchange.modify(
                intent.order_id,
                intent.terms,
                self._clock.now_ns(),
                on_print=is_by_print(),
                price_type=intent.price_type,
            )
        )

    async def cancel(self, intent: CancelOrder) -> None:
        """Cancel a working order. Raises as `place`."""
        await self._ask(lambda: self._exchange.cancel(intent.order_id, self._clock.now_ns()))

    async def books(self) -> Books:
        """All three books, as of one instant."""
        exchange = self._exchange
        return await self._ask(
            lambda: Books(exchange.order_rows(), exchange.trade_rows(), exchange.position_rows(self._product))
        )

    async def quote(self, symbol: str) -> Paise | None:
        """The newest print, None where there is none."""
        return await self._ask(lambda: self._exchange.last(symbol))

    def news(self) -> AsyncGenerator[AccountNews, None]:
        """Order updates from this call on, without end; each caller hears all of them. Close it to stop."""
        heard: asyncio.Queue[AccountNews] = asyncio.Queue()
        self._listeners.append(heard)
        return self._listen(heard)

    async def _listen(self, heard: asyncio.Queue[AccountNews]) -> AsyncGenerator[AccountNews, None]:
        try:
            while True:
                yield await heard.get()
        finally:
            self._listeners.remove(heard)

    async def _ask(self, act: Callable[[], _T]) -> _T:
        """Act after half the latency; answer, or refuse, after the whole. Yields: always."""
        await self._clock.sleep_until_ns(self._clock.now_ns() + self._way_there_ns)
        try:
            return act()
        finally:
            self._push()
            await self._clock.sleep_until_ns(self._clock.now_ns() + self._way_back_ns)

    def _is_by_print(self, symbol: str) -> Callable[[], bool]:
        """Whether a call made now is because of the newest print, to be asked when it reaches the exchange.

        By then a newer print may have come, and that one may already fill it.
        """
        number, heard_ns = heard = self._heard.get(symbol, (0, 0))
        is_fresh = number > 0 and self._clock.now_ns() - heard_ns <= self._same_instant_ns
        return lambda: is_fresh and self._heard[symbol] == heard

    def _push(self) -> None:
        for row in self._exchange.take_news():
            update = OrderUpdated(self._clock.now_ns(), row)
            for listener in self._listeners:
                listener.put_nowait(update)
