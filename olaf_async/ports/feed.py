"""What the shell needs of a price feed."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from olaf_async.domain.price import Paise


@dataclass(frozen=True, slots=True)
class Tick:
    """One print. ``at_ns`` is the exchange's time where that is sane, else the time of receipt."""

    symbol: str
    at_ns: int
    price: Paise


class Feed(Protocol):
    """A stream of prints of the symbols it was made for."""

    def ticks(self) -> AsyncIterator[Tick]:
        """Prints in order of arrival; ends when the source is exhausted or closed."""
        ...
