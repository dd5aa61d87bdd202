"""A setup: one symbol, one day, one direction, and the levels the strategy trades it at."""

from dataclasses import dataclass
from datetime import date
from enum import IntEnum

from olaf_async.domain.price import Paise, is_on_tick
from olaf_async.errors import ConfigError


class Direction(IntEnum):
    """The side of a position. Its value is the sign that mirrors a short into a long."""

    LONG = 1
    SHORT = -1

    @property
    def word(self) -> str:
        """``long`` or ``short``, as files write it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Setup:
    """Levels for one symbol on one day. Prices in paise.

    ``trigger_price`` is the undercut that arms the entry; ``true_range`` is the setup day's; ``quantity``
    and ``setup_date`` may be unknown.

    Raises:
        ConfigError: a price off the tick grid, a trigger on the wrong side of the entry, or a value that
            must be positive and is not.
    """

    symbol: str
    entry_date: date
    entry_price: Paise
    trigger_price: Paise
    tick_size: Paise
    true_range: Paise
    direction: Direction = Direction.LONG
    quantity: int | None = None
    setup_date: date | None = None
    exchange: str = "NSE"

    def __post_init__(self) -> None:
        for name in ("entry_price", "trigger_price", "tick_size", "true_range"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} must be greater than zero")
        for name in ("entry_price", "trigger_price"):
            if not is_on_tick(getattr(self, name), self.tick_size):
                raise ConfigError(f"{name} is not a multiple of tick_size")
        if self.quantity is not None and self.quantity <= 0:
            raise ConfigError("quantity must be a whole number greater than zero")
        if (self.entry_price - self.trigger_price) * self.direction <= 0:
            side = "below" if self.direction is Direction.LONG else "above"
            raise ConfigError(f"trigger_price of a {self.direction.word} setup must lie {side} entry_price")
