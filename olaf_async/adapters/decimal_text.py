"""The one rule of what text counts as a price in an input file."""

import re

from olaf_async.domain.price import Paise, PriceError, to_paise

PRICE_PAISE_MAX = 10**12
"""Ten billion rupees a share: past this a cell is not a price, and sums could leave 64 bits."""

_DECIMAL = re.compile(r"[+-]?(?:\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})", re.ASCII)


def read_price(text: str) -> Paise:
    """Plain decimal text as paise, exactly: no exponent, no grouping, no digits but 0 to 9.

    Raises:
        PriceError: not such a number, finer than a paisa, zero, negative, or past ``PRICE_PAISE_MAX``.
    """
    if not _DECIMAL.fullmatch(text):
        raise PriceError(f"{text!r} is not a decimal number")
    paise = to_paise(text)
    if paise <= 0:
        raise PriceError(f"{text} must be greater than zero")
    if paise > PRICE_PAISE_MAX:
        raise PriceError(f"{text} is not a price: above {PRICE_PAISE_MAX // 100:,} rupees")
    return paise
