"""A planted bug: it counts its losses, and what it answers depends on how often it was asked."""

from dataclasses import dataclass, field

from olaf_async.domain.session import Session
from olaf_async.domain.setup import Setup
from olaf_async.strategies.protocol import Oriented
from tests.sim.newcomers.steady import Steady


@dataclass(frozen=True, slots=True)
class Counting(Steady):
    """Gives each new trade a little more room than the last."""

    fills: list[Oriented] = field(default_factory=list, compare=False)

    def initial_stop(self, fill: Oriented) -> Oriented:
        """Ten ticks, and ten more for each fill before this one."""
        self.fills.append(fill)
        return fill - 10 * len(self.fills) * self.setup.tick_size


def new_strategy(setup: Setup, session: Session) -> Counting:
    """See steady."""
    return Counting(setup, session)
