"""Exact prices: whole paise inside, decimal text outside, and rounding to the tick in a stated direction.

Paise, not ticks, are the inner unit: a share's tick size changes from month to month and adjusted
history is often off the grid, but every exchange price of the cash market is a whole number of paise.
A binary float never gets past the wire; the refused stop at 511.95000000000005 is why.
"""

from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from olaf_async.errors import OlafError

Paise: TypeAlias = int
"""A price or an amount of money in hundredths of a rupee."""

PAISE_PER_RUPEE = 100
STEP_MAX_PERCENT = 25
"""How far one price may lie from the one before. NSE's daily bands around the previous close are 2, 5, 10
and 20 %, and shares with derivatives start the day with 10 %: a gap at the open lies within, a price with a
digit too many does not."""
_DIGITS_MAX = 100


class PriceError(OlafError, ValueError):
    """The text is not a decimal number of whole paise."""


def to_paise(value: str | int | Decimal) -> Paise:
    """Read rupees exactly.

    Raises:
        PriceError: not a finite decimal number, or finer than one paisa.
    """
    try:
        rupees = Decimal(value)
    except InvalidOperation:
        raise PriceError(f"{value!r} is not a decimal number") from None
    if not rupees.is_finite() or abs(rupees.adjusted()) > _DIGITS_MAX:
        raise PriceError(f"{value!r} is not a number of rupees")
    numerator, denominator = rupees.as_integer_ratio()
    paise, rest = divmod(numerator * PAISE_PER_RUPEE, denominator)
    if rest:
        raise PriceError(f"{value} is finer than one paisa")
    return paise


def to_text(paise: Paise) -> str:
    """Write rupees with two places and no binary tail: 51195 becomes ``511.95``."""
    sign = "-" if paise < 0 else ""
    rupees, rest = divmod(abs(paise), PAISE_PER_RUPEE)
    return f"{sign}{rupees}.{rest:02d}"


def floor_to_tick(price: Paise, tick: Paise) -> Paise:
    """The highest multiple of ``tick`` at or below ``price`` (also below zero)."""
    return price // tick * tick


def ceil_to_tick(price: Paise, tick: Paise) -> Paise:
    """The lowest multiple of ``tick`` at or above ``price`` (also below zero)."""
    return -(-price // tick) * tick


def is_near(price: Paise, reference: Paise) -> bool:
    """Whether it is no further than `STEP_MAX_PERCENT` from a price that is known to be true."""
    return abs(price - reference) * 100 <= reference * STEP_MAX_PERCENT


def is_on_tick(price: Paise, tick: Paise) -> bool:
    """Whether the exchange would take this price."""
    return price % tick == 0
