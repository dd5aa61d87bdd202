"""What the shell needs of a broker, and how a broker says that it does not know.

Every method may take long and may raise one leaf of BrokerError. BrokerUndecided leaves open whether the
act happened, BrokerQueued whether it will; the others are definite.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from olaf_async.domain.events import ModeSeen, OrderRow, OrderUpdated, PositionRow, StreamChanged, TradeRow
from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder
from olaf_async.domain.price import Paise


@dataclass(frozen=True, slots=True)
class Books:
    """One read of the account: orders, then trades, then positions, in that order of asking."""

    orders: tuple[OrderRow, ...]
    trades: tuple[TradeRow, ...]
    positions: tuple[PositionRow, ...]


AccountNews: TypeAlias = OrderUpdated | StreamChanged | ModeSeen
"""What the account's push channel may tell."""


class Broker(Protocol):
    """Places, changes and cancels orders, and reads the account. All methods always yield at least once."""

    async def place(self, intent: PlaceOrder) -> str:
        """Send a new order; return the broker's id for it.

        Raises:
            BrokerRejected: definitely not placed, and not by asking again either.
            NotNow: definitely not placed, for a reason that passes.
            BrokerQueued: not placed, and a person may yet have it placed.
            BrokerUndecided: it may have been placed.
        """
        ...

    async def modify(self, intent: ModifyOrder) -> None:
        """Change a working order. Success means the broker took the request. Raises as ``place``."""
        ...

    async def cancel(self, intent: CancelOrder) -> None:
        """Ask for a cancel. Success means the broker took the request. Raises as ``place``."""
        ...

    async def books(self) -> Books:
        """Read all three books whole. Raises a BrokerError where any part fails or does not parse."""
        ...

    async def quote(self, symbol: str) -> Paise | None:
        """The newest price the broker knows, or None. Raises a BrokerError where it cannot be asked."""
        ...

    def news(self) -> AsyncIterator[AccountNews]:
        """The account's pushed order updates, without end; reconnects by itself and says so."""
        ...
