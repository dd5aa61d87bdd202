"""One round trip: how it was opened, how it ended, and how long it stood without a confirmed stop."""

from dataclasses import dataclass
from datetime import date
from enum import Enum

from olaf_async.domain.charges import ExecutedOrder
from olaf_async.domain.price import Paise
from olaf_async.domain.setup import Direction


class ExitReason(Enum):
    """Why a position was closed."""

    STOP = "stop"
    TARGET = "target"
    SESSION_END = "session_end"
    HALT = "halt"
    RISK = "risk"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Trade:
    """A closed position. Values are price times shares in paise; stops are prices in paise.

    ``executed`` are the orders that made it, each once however many fills it took: charges go by order.
    """

    symbol: str
    day: date
    attempt: int
    direction: Direction
    quantity: int
    entry_ns: int
    entry_value: Paise
    exit_ns: int
    exit_value: Paise
    reason: ExitReason
    initial_stop: Paise
    final_stop: Paise
    unprotected_ns: int
    executed: tuple[ExecutedOrder, ...] = ()

    @property
    def gross(self) -> Paise:
        """Profit before charges, in paise."""
        return (self.exit_value - self.entry_value) * self.direction
