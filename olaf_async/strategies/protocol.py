"""What the core asks of a strategy, and nothing more.

A strategy is an immutable value for one symbol and one day. It never sees an order. All its prices are
*oriented*: multiplied by the direction's sign, so that for a short as for a long "higher" means "more
profit". One set of rules therefore serves both sides, mirrored and not copied.
"""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from olaf_async.domain.bar import Bar
from olaf_async.domain.price import Paise
from olaf_async.domain.setup import Direction

Oriented: TypeAlias = int
"""A price in paise times the direction's sign."""


@dataclass(frozen=True, slots=True)
class Arming:
    """An entry is wished at a print at or below ``level`` (oriented) while ``from_ns <= t < until_ns``."""

    level: Oriented
    from_ns: int
    until_ns: int


class Strategy(Protocol):
    """One symbol's rules for one day."""

    @property
    def direction(self) -> Direction:
        """The side it trades."""
        ...

    @property
    def bar_ns(self) -> int:
        """The span of the bars it trails on; they are aligned to the session open."""
        ...

    @property
    def entry(self) -> Oriented:
        """Trigger of the resting entry stop, on the tick grid."""
        ...

    def arming(self, *, after_exit: bool) -> Arming:
        """What arms the next entry; ``after_exit`` when a trade has been closed and nothing armed since."""
        ...

    def initial_stop(self, fill: Oriented) -> Oriented:
        """Trigger of the first protective stop for a fill at this price, on the tick grid."""
        ...

    def target(self, fill: Oriented, initial_stop: Oriented) -> Oriented | None:
        """The price at or above which to take profit, or None."""
        ...

    def trailed_stop(self, bar: Bar, *, is_entry_bar: bool) -> Oriented | None:
        """Where a closed bar (raw prices) would put the stop, or None. The core never lowers a stop."""
        ...


def stop_at_entry(strategy: Strategy) -> Paise:
    """The raw trigger of the first stop of a fill at the entry: below one tick it is no order at all."""
    return oriented(strategy.initial_stop(strategy.entry), strategy.direction)


def oriented(price: Paise, direction: Direction) -> Oriented:
    """A raw price as a strategy sees it (and back: it is its own inverse)."""
    return price * direction
