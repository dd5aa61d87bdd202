"""A strategy as it should be: in on the way back up, a stop of twenty ticks, raised to the entry once."""

from dataclasses import dataclass

from olaf_async.domain.bar import Bar
from olaf_async.domain.price import floor_to_tick
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Direction, Setup
from olaf_async.strategies.protocol import Arming, Oriented, oriented

MINUTE_NS = 60_000_000_000


@dataclass(frozen=True, slots=True)
class Steady:
    """The rules for one setup: a value, made of what it was given and nothing else."""

    setup: Setup
    session: Session

    @property
    def direction(self) -> Direction:
        """The side of the setup."""
        return self.setup.direction

    @property
    def bar_ns(self) -> int:
        """Bars of a minute."""
        return MINUTE_NS

    @property
    def entry(self) -> Oriented:
        """Where the entry rests."""
        return oriented(self.setup.entry_price, self.direction)

    def arming(self, *, after_exit: bool) -> Arming:
        """The undercut of the setup, at any time until the exit."""
        trigger = oriented(self.setup.trigger_price, self.direction)
        return Arming(trigger, self.session.act_from_ns, self.session.exit_ns)

    def initial_stop(self, fill: Oriented) -> Oriented:
        """Twenty ticks behind the fill, down to the tick: a fill in parts has an average price."""
        tick = self.setup.tick_size
        return floor_to_tick(fill - 20 * tick, tick)

    def target(self, fill: Oriented, initial_stop: Oriented) -> Oriented | None:
        """None: it stays in until the stop or the exit."""
        return None

    def trailed_stop(self, bar: Bar, *, is_entry_bar: bool) -> Oriented | None:
        """At the entry, once a bar has closed twenty ticks above it."""
        has_run = oriented(bar.close, self.direction) >= self.entry + 20 * self.setup.tick_size
        return self.entry if has_run else None


def new_strategy(setup: Setup, session: Session) -> Steady:
    """What `simulate --strategy` asks for, once for each symbol."""
    return Steady(setup, session)
