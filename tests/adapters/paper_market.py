"""One symbol at a paper exchange, with little to write. The tick is 5 paise; times only count up."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from olaf_async.adapters.paper.exchange import PaperExchange, PaperRules
from olaf_async.adapters.paper.orders import OrderStatus
from olaf_async.domain.order import PriceType, Side, Terms
from olaf_async.errors import BrokerRejected

BUY, SELL = Side.BUY, Side.SELL
MARKET, LIMIT, SL, SL_M = PriceType.MARKET, PriceType.LIMIT, PriceType.SL, PriceType.SL_M
NOON_NS = 1_795_329_000 * 1_000_000_000  # 2026-11-22 12:00 in India

RULES = PaperRules()


class Market:
    """One symbol at an exchange, with as little to write as possible."""

    def __init__(
        self,
        rules: PaperRules | None = None,
        *,
        split: Callable[[int], int] | None = None,
        session: tuple[int, int] | None = None,
    ) -> None:
        sessions = {"SBIN": session} if session else None
        self.exchange = PaperExchange(rules or RULES, {"SBIN": 5, "ITC": 5}, split=split, sessions=sessions)
        self.now_ns = NOON_NS

    def prints(self, *prices: int, continuous: bool = False) -> "Market":
        for price in prices:
            self.now_ns += 1
            self.exchange.on_print("SBIN", price, self.now_ns, continuous=continuous)
        return self

    def place(
        self,
        side: Side,
        kind: PriceType,
        quantity: int,
        price: int = 0,
        trigger: int = 0,
        *,
        on_print: bool = False,
        product: str = "MIS",
    ) -> str:
        terms = Terms(quantity, price, trigger)
        return self.exchange.place("SBIN", side, kind, terms, self.now_ns, on_print=on_print, product=product)

    def refusal(
        self, side: Side, kind: PriceType, price: int = 0, trigger: int = 0, quantity: int = 1
    ) -> str:
        before = self.exchange.records()
        with pytest.raises(BrokerRejected) as refused:
            self.place(side, kind, quantity, price, trigger)
        assert self.exchange.records() == before
        return str(refused.value)

    @property
    def fills(self) -> list[tuple[int, int]]:
        """(quantity, price) of each."""
        return [(fill.quantity, fill.price) for fill in self.exchange.fills]

    def status(self, order_id: str) -> OrderStatus:
        return self.exchange.record(order_id).status


def true(rules: PaperRules = RULES) -> Market:
    return Market(rules)


def sandbox(rules: PaperRules = RULES) -> Market:
    return Market(replace(rules, exchange_true=False))


def scripted(*shares: int) -> Callable[[int], int]:
    left = list(shares)
    return lambda _: left.pop(0)
