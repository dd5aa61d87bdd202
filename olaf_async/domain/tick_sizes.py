"""Tick sizes of NSE cash shares by date and price, for history and for want of a better source.

Owns the dated bands. It must never overrule the server: the exchange reviews each share's tick once a month
from the last closing price of the month before, and leaves it alone through splits and bonuses until then,
so today's price alone does not tell it. Live, the broker's instrument list knows; this table serves scans
and replays of files that carry no tick.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from olaf_async.domain.price import Paise, PriceError

ALLOWED_TICKS: Final[frozenset[Paise]] = frozenset({1, 5, 10, 50, 100, 500})
"""Every tick size an NSE cash share has had since 2014. Anything else a server claims is a mistake."""


@dataclass(frozen=True, slots=True)
class TickBands:
    """From ``since`` on: ``tick`` of the first band whose ``highest`` reference price is not exceeded."""

    since: date
    bands: tuple[tuple[Paise, Paise], ...]
    above: Paise
    source: str

    def tick_at(self, reference_price: Paise) -> Paise:
        """The tick of a share whose reference price (paise) this is."""
        return next((tick for highest, tick in self.bands if reference_price <= highest), self.above)


TICK_BANDS: Final = (
    TickBands(date.min, (), 5, "general knowledge; agrees with recorded prices of 2014 to June 2024"),
    TickBands(date(2024, 6, 10), ((249_99, 1),), 5, "brokers' notices of June 2024"),
    TickBands(
        date(2025, 4, 15),
        ((249_99, 1), (1_000_00, 5), (5_000_00, 10), (10_000_00, 50), (20_000_00, 100)),
        500,
        "brokers' notices of 2025-03-17; the two dearest bands seen in brokers' notices only",
    ),
)
"""Ascending by ``since``. Edges: a share at exactly 250 is in the 0.05 band; one at exactly 1,000, 5,000,
10,000 or 20,000 keeps the finer tick below it. Published pages differ at the edges, so this is unverified
there; the finer tick is chosen because a price of the coarser one is always a price of the finer one too,
and a level of history is then never moved without need.
"""


def tick_size(day: date, reference_price: Paise) -> Paise:
    """The tick in paise on ``day`` of a share whose reference price, in paise, this is.

    The reference price is the close of the last session of the month before ``day``; with the changes of
    2024-06-10 and 2025-04-15 the exchange followed the same rule. Exchange-traded funds are not covered.

    Raises:
        PriceError: the reference price is not greater than zero.
    """
    if reference_price <= 0:
        raise PriceError(f"a reference price of {reference_price} paise has no tick size")
    return _in_force(day).tick_at(reference_price)


def tick_sizes(day: date) -> tuple[Paise, ...]:
    """Every tick in paise that a share could have on ``day``, finest first."""
    in_force = _in_force(day)
    return (*(tick for _, tick in in_force.bands), in_force.above)


def _in_force(day: date) -> TickBands:
    return next(bands for bands in reversed(TICK_BANDS) if bands.since <= day)
