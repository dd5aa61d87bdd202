"""A planted bug: one percent behind the fill, computed as if every trade were long."""

from dataclasses import dataclass

from olaf_async.domain.price import floor_to_tick
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Setup
from olaf_async.strategies.protocol import Oriented
from tests.sim.newcomers.steady import Steady


@dataclass(frozen=True, slots=True)
class Percent(Steady):
    """Right for every long."""

    def initial_stop(self, fill: Oriented) -> Oriented:
        """One percent less; but a short's prices are negative, and one percent less of those is higher."""
        return floor_to_tick(fill * 99 // 100, self.setup.tick_size)


def new_strategy(setup: Setup, session: Session) -> Percent:
    """See steady."""
    return Percent(setup, session)
