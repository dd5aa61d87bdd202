"""How far beyond a trigger an order's limit may lie, rounded so that the exchange will take it.

Source of the cap: NSE/CM/57613 as quoted by brokers - a stop-limit's limit may differ from its trigger by
3 % of the trigger, or by Rs 1.50 where the trigger is at most Rs 50.
"""

from fractions import Fraction
from math import ceil, floor

from olaf_async.domain.order import Side
from olaf_async.domain.price import Paise, ceil_to_tick, floor_to_tick

EXCHANGE_CAP_PCT = Fraction(3)
LOW_PRICE: Paise = 50_00
LOW_PRICE_CAP: Paise = 1_50


def stop_limit(trigger: Paise, side: Side, pct: Fraction, tick: Paise) -> Paise:
    """The limit ``pct`` percent beyond ``trigger``: rounded outward, then back inside the exchange's cap."""
    return _capped(trigger, side, trigger * pct / 100, tick)


def stop_limit_by_ticks(trigger: Paise, side: Side, ticks: int, tick: Paise) -> Paise:
    """The limit a number of ticks beyond ``trigger``, back inside the exchange's cap."""
    return _capped(trigger, side, Fraction(ticks * tick), tick)


def crossing_limit(price: Paise, side: Side, pct: Fraction, tick: Paise) -> Paise:
    """A limit ``pct`` percent through ``price``, rounded outward: fills at once while the market stands."""
    return max(tick, _outward(price, side, price * pct / 100, tick))


def _outward(price: Paise, side: Side, distance: Fraction, tick: Paise) -> Paise:
    if side is Side.BUY:
        return ceil_to_tick(ceil(price + distance), tick)
    return floor_to_tick(floor(price - distance), tick)


def _capped(trigger: Paise, side: Side, distance: Fraction, tick: Paise) -> Paise:
    cap = Fraction(LOW_PRICE_CAP) if trigger <= LOW_PRICE else trigger * EXCHANGE_CAP_PCT / 100
    wished = _outward(trigger, side, distance, tick)
    if side is Side.BUY:
        return min(wished, floor_to_tick(floor(trigger + cap), tick))
    return max(wished, ceil_to_tick(ceil(trigger - cap), tick), tick)
