"""Which prints may be believed. Pure: no clock, no I/O.

Owns one symbol's reference: the price that the next print is measured against. One print alone never moves it
far; a person would not sell because of one odd number on the screen either, but look at a second source. A
true fall through the widest step is believed as soon as a quote confirms it.
"""

from olaf_async.adapters.openalgo.wire.frames import Band
from olaf_async.domain.price import Paise, is_near


class PriceSanity:
    """Accepts or rejects the prints of one symbol.

    ``reference`` is the last accepted print; at first any price the share is known to be near.
    """

    def __init__(self, reference: Paise) -> None:
        self.reference = reference
        self._doubted: Paise | None = None
        self._band: Band | None = None
        self._wrong_band: Band | None = None

    @property
    def has_doubt(self) -> bool:
        """The newest print was rejected, and no quote has yet been compared with it."""
        return self._doubted is not None

    def accepts(self, price: Paise, band: Band | None = None) -> bool:
        """Whether the print may be acted on. ``band`` is the day's as the same frame tells it, if it does."""
        self._band = band
        if is_near(price, self.reference) and not self._is_outside(price):
            self.reference, self._doubted = price, None
            return True
        self._doubted = price
        return False

    def compare(self, quote: Paise) -> bool:
        """Whether a price from the second source confirms the rejected level; then it is the new reference.

        A band that both sources contradict is not believed any more.
        """
        doubted, self._doubted = self._doubted, None
        if doubted is None or not is_near(doubted, quote):
            return False
        if self._is_outside(quote):
            self._wrong_band = self._band
        if self._is_outside(doubted):
            return False
        self.reference = quote
        return True

    def _is_outside(self, price: Paise) -> bool:
        band = self._band
        return band is not None and band != self._wrong_band and not band.low <= price <= band.high
