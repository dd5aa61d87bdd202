"""A planted bug: a second hand that buys on a tick by itself, past the desk."""

from olaf_async.domain.intents import PlaceOrder
from olaf_async.domain.order import PriceType, Role, Side, Terms
from olaf_async.errors import BrokerError
from olaf_async.shell.supervisor import Ports

LEVEL = 99_50


async def buy_the_dip(ports: Ports) -> None:
    """Buy one share the moment a price is at the level: faster than waiting for the engine."""
    bought = set[str]()
    async for tick in ports.feed.ticks():
        if tick.price > LEVEL or tick.symbol in bought:
            continue
        bought.add(tick.symbol)
        order = PlaceOrder(
            symbol=tick.symbol,
            request=1_000_000 + len(bought),
            key=f"{tick.symbol}-dip",
            role=Role.ENTRY,
            side=Side.BUY,
            price_type=PriceType.LIMIT,
            terms=Terms(1, LEVEL),
        )
        try:
            await ports.broker.place(order)
        except BrokerError:
            bought.discard(tick.symbol)
