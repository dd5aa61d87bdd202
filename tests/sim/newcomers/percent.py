"""A planted bug: a stop one percent behind the fill, which is hardly ever a price."""

from dataclasses import dataclass

from olaf_async.domain.session import Session
from olaf_async.domain.setup import Setup
from olaf_async.strategies.protocol import Oriented
from tests.sim.newcomers.steady import Steady


@dataclass(frozen=True, slots=True)
class Percent(Steady):
    """Stops by percent."""

    def initial_stop(self, fill: Oriented) -> Oriented:
        """One percent behind the fill."""
        return fill - abs(fill) // 100 + 1


def new_strategy(setup: Setup, session: Session) -> Percent:
    """See steady."""
    return Percent(setup, session)
