"""What earlier runs of the day leave to the next one."""

from dataclasses import dataclass

from olaf_async.core.engine import Engine
from olaf_async.domain.trade import Trade


@dataclass(frozen=True, slots=True)
class Past:
    """The belief at the end of the last run, the trades reported until then, and the orders called off.

    ``unsent`` are those whose sending was written down and then did not happen: nobody has to look for them.
    """

    engine: Engine
    trades: tuple[Trade, ...]
    unsent: tuple[str, ...]

    @property
    def open_symbols(self) -> tuple[str, ...]:
        """Where shares are held, or an order may still fill: somebody has to look after them."""
        states = (trader.state for trader in self.engine.traders.values())
        return tuple(state.symbol for state in states if state.held or state.slots or state.is_unsettled)
