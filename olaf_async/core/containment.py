"""One symbol's broken belief must not reach the others, nor the broker.

Owns what happens when a symbol contradicts itself in the middle of a step: what it asked for in that step is
taken back, it is frozen, and looked at once more, for protection goes on. It must never decide what a symbol
wants.
"""

from collections.abc import Callable
from typing import assert_never

from olaf_async.core import evidence
from olaf_async.core.account import Account
from olaf_async.core.trader import Trader
from olaf_async.domain.intents import CancelOrder, ModifyOrder, OrderIntent, PlaceOrder
from olaf_async.domain.order import Signal
from olaf_async.errors import InvariantBroken

_BROKEN = (InvariantBroken, AssertionError)
"""A failed assertion is a broken invariant like any other: its symbol is frozen, the day goes on."""


def let_act(account: Account, trader: Trader, at_ns: int, act: Callable[[], None]) -> None:
    """Let one symbol act. One whose belief contradicts itself must not trade on it; the others go on."""
    trader.digest = None
    mark = len(account.out)
    try:
        act()
    except _BROKEN as broken:
        _take_back(account, trader, mark)
        trader.stand_back(str(broken), at_ns)
        try:
            trader.look_again(at_ns)
        except _BROKEN as again:
            _take_back(account, trader, mark)
            trader.stand_back(str(again), at_ns)


def _take_back(account: Account, trader: Trader, mark: int) -> None:
    asked, account.out[mark:] = account.out[mark:], []
    for intent in asked:
        if isinstance(intent, PlaceOrder | ModifyOrder | CancelOrder):
            _unask(trader, intent)
        else:
            account.out.append(intent)


def _unask(trader: Trader, intent: OrderIntent) -> None:
    order = evidence.find_by_key(trader.state, intent.key)
    assert order is not None, "it was asked for in this very step"
    match intent:
        case PlaceOrder():
            order.apply(Signal.REFUSED)
        case ModifyOrder():
            order.resolve(is_done=False)
            order.modifications -= 1
        case CancelOrder():
            order.apply(Signal.CANCEL_FAILED)
            order.cancels -= 1
        case _:
            assert_never(intent)
