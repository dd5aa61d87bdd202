"""A planted bug: it counts on a quantity that a setup need not have."""

from dataclasses import dataclass

from olaf_async.domain.price import floor_to_tick
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Setup
from olaf_async.strategies.protocol import Oriented
from tests.sim.newcomers.steady import Steady

RISK = 50_00


@dataclass(frozen=True, slots=True)
class Failing(Steady):
    """The same loss on every trade, however many shares."""

    def initial_stop(self, fill: Oriented) -> Oriented:
        """As far behind the fill as makes the risk fifty rupees."""
        distance = RISK // (self.setup.quantity or 0)
        return floor_to_tick(fill - distance, self.setup.tick_size)


def new_strategy(setup: Setup, session: Session) -> Failing:
    """See steady."""
    return Failing(setup, session)
