"""What an intraday equity trade costs on top of its prices: brokerage, exchange, regulator, taxes.

Owns the arithmetic and the default rates, each of which can be replaced. It must never use a float, and it
does not know slippage, which is a matter of prices.

Rounding: every item is the exact sum over all orders given, rounded once, half a paisa up; the total is the
sum of the rounded items. GST is taken from the exact amounts, not the rounded ones. A contract note may
round securities transaction tax and stamp duty to whole rupees (unverified), which is not done here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from fractions import Fraction

from olaf_async.domain.price import Paise
from olaf_async.errors import ConfigError, InvariantBroken

_PER_CRORE = Fraction(1, 10_000_000)


@dataclass(frozen=True, slots=True)
class ChargeRates:
    """Rates as shares of traded value (``0.03 %`` is ``Fraction(3, 10_000)``), the cap in paise per order.

    The defaults are NSE equity intraday from 1 March 2026 with a broker charging 20 rupees or 0.03 %,
    whichever is less. Sources: NSE/FA/73061 (exchange, investor protection); Finance Act 2026 left the
    transaction tax alone (NSE, 2026-03-31); brokers' charge pages (the rest).

    Raises:
        ConfigError: a rate below zero.
    """

    brokerage: Fraction = Fraction(3, 10_000)
    """On each executed order, up to ``brokerage_cap``."""
    brokerage_cap: Paise = 20_00
    transaction_tax: Fraction = Fraction(25, 100_000)
    """STT, on what is sold."""
    exchange: Fraction = Fraction("306.99") * _PER_CRORE
    """NSE transaction charge, on both sides."""
    investor_protection: Fraction = Fraction("0.01") * _PER_CRORE
    """NSE IPFT, on both sides."""
    regulator: Fraction = 10 * _PER_CRORE
    """SEBI turnover fee, on both sides."""
    stamp_duty: Fraction = Fraction(3, 100_000)
    """On what is bought."""
    gst: Fraction = Fraction(18, 100)
    """On brokerage, exchange, investor protection and regulator together."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 0:
                raise ConfigError(f"{field.name} must not be less than zero")


@dataclass(frozen=True, slots=True)
class ExecutedOrder:
    """One order that traded: its side, and the value in paise of all its fills (partial fills are one order).

    Raises:
        InvariantBroken: a value not greater than zero; such an order did not trade.
    """

    is_buy: bool
    value: Paise

    def __post_init__(self) -> None:
        if self.value <= 0:
            raise InvariantBroken(f"an executed order has a value, not {self.value} paise")


@dataclass(frozen=True, slots=True)
class Charges:
    """Charges by item, each in whole paise."""

    brokerage: Paise = 0
    transaction_tax: Paise = 0
    exchange: Paise = 0
    investor_protection: Paise = 0
    regulator: Paise = 0
    stamp_duty: Paise = 0
    gst: Paise = 0

    @property
    def total(self) -> Paise:
        """All items together."""
        return (
            self.brokerage
            + self.transaction_tax
            + self.exchange
            + self.investor_protection
            + self.regulator
            + self.stamp_duty
            + self.gst
        )


def charges_of(rates: ChargeRates, executed_orders: Iterable[ExecutedOrder]) -> Charges:
    """The charges of these orders together, rounded as the module says.

    Source: nature and base of each item as in the published NSE equity intraday tariffs from 1 March 2026.
    """
    bought = sold = 0
    brokerage, cap = Fraction(0), Fraction(rates.brokerage_cap)
    for order in executed_orders:
        brokerage += min(rates.brokerage * order.value, cap)
        if order.is_buy:
            bought += order.value
        else:
            sold += order.value
    turnover = bought + sold
    exchange = rates.exchange * turnover
    investor_protection = rates.investor_protection * turnover
    regulator = rates.regulator * turnover
    return Charges(
        brokerage=_nearest(brokerage),
        transaction_tax=_nearest(rates.transaction_tax * sold),
        exchange=_nearest(exchange),
        investor_protection=_nearest(investor_protection),
        regulator=_nearest(regulator),
        stamp_duty=_nearest(rates.stamp_duty * bought),
        gst=_nearest(rates.gst * (brokerage + exchange + investor_protection + regulator)),
    )


def _nearest(amount: Fraction) -> Paise:
    """Round to whole paise, half up; amounts are never negative here."""
    return (2 * amount.numerator + amount.denominator) // (2 * amount.denominator)
