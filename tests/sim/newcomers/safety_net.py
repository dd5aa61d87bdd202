"""A planted bug: a safety net that sells by what the books showed a moment ago."""

from itertools import count

from olaf_async.domain.events import Status
from olaf_async.domain.intents import PlaceOrder
from olaf_async.domain.order import PriceType, Role, Side, Terms
from olaf_async.errors import BrokerError
from olaf_async.ports.broker import Books
from olaf_async.ports.journal import Entry
from olaf_async.shell.supervisor import Ports

SECOND_NS = 1_000_000_000


async def sell_what_is_bare(ports: Ports) -> None:
    """Every second: read the books, and sell whatever is held there without a stop."""
    for number in count(1):
        await ports.clock.sleep_until_ns(ports.clock.now_ns() + SECOND_NS)
        try:
            books = await ports.broker.books()
            for symbol, shares in bare(books).items():
                order = PlaceOrder(
                    symbol=symbol,
                    request=1_000_000 + number,
                    key=f"{symbol}-net",
                    role=Role.EXIT,
                    side=Side.SELL,
                    price_type=PriceType.MARKET,
                    terms=Terms(shares, 0),
                )
                ports.journal.append(Entry.SENDING, ports.clock.now_ns(), order)
                await ports.broker.place(order)
        except BrokerError:
            continue


def bare(books: Books) -> dict[str, int]:
    """Shares held long, of symbols for which no sell order works."""
    protected = {row.symbol for row in books.orders if row.side is Side.SELL and row.status is Status.WORKING}
    return {
        row.symbol: row.quantity
        for row in books.positions
        if row.quantity > 0 and row.symbol not in protected
    }
