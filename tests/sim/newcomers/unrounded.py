"""A planted bug: a stop twenty ticks behind the fill, as if every fill were on the tick grid."""

from dataclasses import dataclass

from olaf_async.domain.session import Session
from olaf_async.domain.setup import Setup
from olaf_async.strategies.protocol import Oriented
from tests.sim.newcomers.steady import Steady


@dataclass(frozen=True, slots=True)
class Unrounded(Steady):
    """Right on every day on which orders fill at one price."""

    def initial_stop(self, fill: Oriented) -> Oriented:
        """Twenty ticks behind the fill."""
        return fill - 20 * self.setup.tick_size


def new_strategy(setup: Setup, session: Session) -> Unrounded:
    """See steady."""
    return Unrounded(setup, session)
