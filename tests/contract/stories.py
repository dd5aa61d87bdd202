"""What every broker there is must do, told as the real one was recorded doing it.

Each story bears the name of its recorded case, so that it can be told by the recording too. The share
stands at 800.00 when it begins. Rules on which an exchange and OpenAlgo's sandbox differ are in
``SANDBOX_ONLY``.
"""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Final, Protocol

import pytest

from olaf_async.domain.events import OrderRow, OrderUpdated, Status, StreamChanged
from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder
from olaf_async.domain.order import PriceType, Role, Side, Terms
from olaf_async.domain.price import Paise
from olaf_async.errors import BrokerRejected
from olaf_async.ports.broker import Broker

SYMBOL: Final = "SBIN"
START: Final = 800_00
HEARD_WITHIN_S: Final = 10
"""A frame that has not come by then does not come: a bound for a broken run, nothing waits it out."""


class Market(Protocol):
    """What stands behind a broker in a test: it makes prices, and shows an order as a book has it."""

    has_stream: bool
    """Whether the broker's news come over a connection that has to be made first."""

    @property
    def broker(self) -> Broker: ...

    async def price(self, rupees: Decimal) -> None: ...

    async def order(self, order_id: str) -> OrderRow: ...


class Dealer:
    """Speaks to a broker as the desk does, and listens to its news."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._rows: asyncio.Queue[OrderRow] = asyncio.Queue()
        self._requests = 0
        self._kinds: dict[str, tuple[Side, PriceType]] = {}
        self._listens = asyncio.Event()

    async def listen(self) -> None:
        """Take in the account's news until cancelled."""
        heard = self._market.broker.news()
        if not self._market.has_stream:
            self._listens.set()
        async for news in heard:
            if isinstance(news, StreamChanged) and news.is_up:
                self._listens.set()
            if isinstance(news, OrderUpdated):
                self._rows.put_nowait(news.row)

    async def listens(self) -> None:
        """Return once nothing that happens from now on is missed."""
        await asyncio.wait_for(self._listens.wait(), HEARD_WITHIN_S)

    async def place(self, side: Side, kind: PriceType, terms: Terms) -> str:
        self._requests += 1
        key = f"{SYMBOL}-{self._requests}"
        order_id = await self._market.broker.place(
            PlaceOrder(SYMBOL, self._requests, key, Role.ENTRY, side, kind, terms)
        )
        self._kinds[order_id] = side, kind
        return order_id

    async def modify(self, order_id: str, terms: Terms) -> None:
        self._requests += 1
        side, kind = self._kinds[order_id]
        await self._market.broker.modify(
            ModifyOrder(SYMBOL, self._requests, "k", Role.ENTRY, side, kind, terms, order_id)
        )

    async def cancel(self, order_id: str) -> None:
        self._requests += 1
        await self._market.broker.cancel(CancelOrder(SYMBOL, self._requests, "k", Role.ENTRY, order_id))

    async def price(self, rupees: str) -> None:
        await self._market.price(Decimal(rupees))

    async def hears(self, order_id: str, status: Status, *, filled: int = 0, at: Paise = 0) -> None:
        """The next of the account's frames is this one."""
        row = await asyncio.wait_for(self._rows.get(), HEARD_WITHIN_S)
        side, kind = self._kinds.get(order_id, (row.side, row.price_type))
        assert (row.order_id, row.symbol, row.side, row.price_type) == (order_id, SYMBOL, side, kind)
        assert (row.status, row.filled or 0, row.average) == (status, filled, at)

    async def shows(
        self, order_id: str, status: Status, terms: Terms, *, filled: int = 0, at: Paise = 0
    ) -> None:
        """A book has the order so; what has filled most live books do not say."""
        row = await self._market.order(order_id)
        assert (row.status, Terms(row.quantity, row.price, row.trigger)) == (status, terms)
        assert (row.filled, row.average) in ((filled, at), (None, 0))

    @property
    def has_heard_all(self) -> bool:
        return self._rows.empty()


Story = Callable[[Dealer], Awaitable[None]]


async def a_limit_order_rests_is_changed_and_is_cancelled(dealer: Dealer) -> None:
    order = await dealer.place(Side.BUY, PriceType.LIMIT, Terms(1, 790_00))
    await dealer.hears(order, Status.WORKING)
    await dealer.shows(order, Status.WORKING, Terms(1, 790_00))
    await dealer.modify(order, Terms(3, 791_00))
    await dealer.shows(order, Status.WORKING, Terms(3, 791_00))
    await dealer.cancel(order)
    await dealer.hears(order, Status.CANCELLED)
    await dealer.shows(order, Status.CANCELLED, Terms(3, 791_00))


async def a_stop_waits_for_its_trigger_and_fills_there(dealer: Dealer) -> None:
    order = await dealer.place(Side.BUY, PriceType.SL, Terms(1, 806_00, 805_00))
    await dealer.hears(order, Status.WORKING)
    await dealer.shows(order, Status.WORKING, Terms(1, 806_00, 805_00))
    for rupees in ("801", "803", "804.95", "805.0"):
        await dealer.price(rupees)
    await dealer.hears(order, Status.COMPLETE, filled=1, at=805_00)
    await dealer.shows(order, Status.COMPLETE, Terms(1, 806_00, 805_00), filled=1, at=805_00)


async def a_stop_is_moved_in_place_and_fills_at_its_new_trigger(dealer: Dealer) -> None:
    order = await dealer.place(Side.BUY, PriceType.SL, Terms(1, 806_00, 805_00))
    await dealer.hears(order, Status.WORKING)
    await dealer.modify(order, Terms(1, 803_00, 802_00))
    await dealer.shows(order, Status.WORKING, Terms(1, 803_00, 802_00))
    await dealer.price("802.5")
    await dealer.hears(order, Status.COMPLETE, filled=1, at=802_50)
    await dealer.shows(order, Status.COMPLETE, Terms(1, 803_00, 802_00), filled=1, at=802_50)


async def a_stop_that_is_cancelled_never_fires(dealer: Dealer) -> None:
    order = await dealer.place(Side.BUY, PriceType.SL, Terms(1, 806_00, 805_00))
    await dealer.hears(order, Status.WORKING)
    await dealer.cancel(order)
    await dealer.hears(order, Status.CANCELLED)
    await dealer.shows(order, Status.CANCELLED, Terms(1, 806_00, 805_00))
    await dealer.price("805.5")
    await dealer.shows(order, Status.CANCELLED, Terms(1, 806_00, 805_00))


async def a_sell_stop_that_the_price_jumps_rests_as_a_limit_until_met(dealer: Dealer) -> None:
    order = await dealer.place(Side.SELL, PriceType.SL, Terms(1, 794_00, 795_00))
    await dealer.hears(order, Status.WORKING)
    await dealer.price("790")
    await dealer.hears(order, Status.WORKING)
    await dealer.shows(order, Status.WORKING, Terms(1, 794_00, 795_00))
    await dealer.price("796")
    await dealer.shows(order, Status.WORKING, Terms(1, 794_00, 795_00))
    await dealer.price("794.5")
    await dealer.hears(order, Status.COMPLETE, filled=1, at=794_50)
    await dealer.shows(order, Status.COMPLETE, Terms(1, 794_00, 795_00), filled=1, at=794_50)


async def a_resting_limit_fills_at_its_limit_when_the_price_drops_through(dealer: Dealer) -> None:
    order = await dealer.place(Side.BUY, PriceType.LIMIT, Terms(1, 795_00))
    await dealer.hears(order, Status.WORKING)
    for rupees in ("799", "796", "790"):
        await dealer.price(rupees)
    await dealer.hears(order, Status.COMPLETE, filled=1, at=795_00)
    await dealer.shows(order, Status.COMPLETE, Terms(1, 795_00), filled=1, at=795_00)


async def an_order_nobody_knows_cannot_be_cancelled(dealer: Dealer) -> None:
    with pytest.raises(BrokerRejected, match="Order 99999999999999 not found"):
        await dealer.cancel("99999999999999")


STORIES: Final[dict[str, Story]] = {
    "life/limit-resting-buy-modify-cancel": a_limit_order_rests_is_changed_and_is_cancelled,
    "life/sl-buy-trigger-pending-walk-to-fill": a_stop_waits_for_its_trigger_and_fills_there,
    "life/sl-modify-trigger-then-fill": a_stop_is_moved_in_place_and_fills_at_its_new_trigger,
    "life/cancel-trigger-pending": a_stop_that_is_cancelled_never_fires,
    "life/sl-sell-gap-below-limit-open-then-above-trigger-then-fill": (
        a_sell_stop_that_the_price_jumps_rests_as_a_limit_until_met
    ),
    "life/limit-resting-buy-fills-on-drop-through": (
        a_resting_limit_fills_at_its_limit_when_the_price_drops_through
    ),
    "error/cancel-unknown-order": an_order_nobody_knows_cannot_be_cancelled,
}

SANDBOX_ONLY: Final = {"life/sl-sell-gap-below-limit-open-then-above-trigger-then-fill"}
"""The sandbox wants trigger and limit met at once; at an exchange a stop set off is a limit order."""
