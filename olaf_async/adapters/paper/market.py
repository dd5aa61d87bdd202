"""One symbol at the paper exchange: its last print, its working orders, and the band they leave alone.

Owns no rule; it is the state the exchange's hot path reads.
"""

from olaf_async.adapters.paper.orders import PaperOrder
from olaf_async.adapters.paper.reach import NO_HIGH, NO_LOW, reaction_band
from olaf_async.domain.price import Paise


class Market:
    """Plain attributes, because each print of a replay may come through here.

    ``orders`` are the working ones in order of arrival. A quote (``bid``, ``ask``) belongs to the print that
    was number ``quoted_at``.
    """

    __slots__ = ("ask", "bid", "high", "last", "last_ns", "low", "orders", "prints", "quoted_at", "tick")

    def __init__(self, tick: Paise) -> None:
        self.tick = tick
        self.last: Paise | None = None
        self.last_ns = 0
        self.prints = 0
        self.low: Paise = NO_LOW
        self.high: Paise = NO_HIGH
        self.orders: list[PaperOrder] = []
        self.bid: Paise = 0
        self.ask: Paise = 0
        self.quoted_at = -1

    def settle(self) -> None:
        """Forget what has ended and reckon the band anew; due after every change of an order."""
        self.orders = [order for order in self.orders if order.is_working]
        low, high = NO_LOW, NO_HIGH
        for order in self.orders:
            floor, ceiling = reaction_band(order, self.last)
            low, high = max(low, floor), min(high, ceiling)
        self.low, self.high = low, high
