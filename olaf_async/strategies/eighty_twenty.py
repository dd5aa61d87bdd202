"""The 80-20 reversal (Connors and Raschke, "Street Smarts", 1995), for one symbol and one day.

Yesterday opened in the top fifth of its range and closed in the bottom fifth. Today the price undercuts
yesterday's low early on; if it then comes back to that low, buy there, with a stop half a true range
below the fill, raised under each green bar. Shorts are the mirror image.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

from olaf_async.domain.bar import Bar
from olaf_async.domain.price import floor_to_tick
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Direction, Setup
from olaf_async.strategies.protocol import Arming, Oriented, oriented


@dataclass(frozen=True, slots=True)
class EightyTwentyRules:
    """The strategy's settings. ``initial_stop_ticks``, where set, replaces the distance by true range."""

    trigger_window_ns: int
    bar_ns: int
    trail_buffer_ticks: int = 2
    trails_from_entry_bar: bool = True
    reenters_at_once: bool = False
    initial_stop_tr_mult: Fraction = Fraction(1, 2)
    initial_stop_ticks: int | None = None
    take_profit_r: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class EightyTwenty:
    """The rules applied to one setup."""

    setup: Setup
    session: Session
    rules: EightyTwentyRules
    _armings: tuple[Arming, Arming] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out once what is asked after every event: what arms the first entry, and the next ones."""
        act_from, exit_ns = self.session.act_from_ns, self.session.exit_ns
        window_end = self.session.open_ns + self.rules.trigger_window_ns
        trigger = oriented(self.setup.trigger_price, self.direction)
        first = Arming(trigger, act_from, min(window_end, exit_ns))
        again = Arming(self.entry - 1, act_from, exit_ns) if self.rules.reenters_at_once else first
        object.__setattr__(self, "_armings", (first, again))

    @property
    def direction(self) -> Direction:
        """The setup's side."""
        return self.setup.direction

    @property
    def bar_ns(self) -> int:
        """The trailing bar's span."""
        return self.rules.bar_ns

    @property
    def entry(self) -> Oriented:
        """Yesterday's extreme: the low for a long, the high for a short."""
        return oriented(self.setup.entry_price, self.direction)

    def arming(self, *, after_exit: bool) -> Arming:
        """An undercut inside the window; after an exit, where so set, any print strictly below the entry."""
        return self._armings[after_exit]

    def initial_stop(self, fill: Oriented) -> Oriented:
        """The fill minus the distance, rounded to the tick away from the market."""
        return floor_to_tick(floor(fill - self._distance()), self.setup.tick_size)

    def _distance(self) -> Fraction:
        if self.rules.initial_stop_ticks is not None:
            return Fraction(self.rules.initial_stop_ticks * self.setup.tick_size)
        return self.setup.true_range * self.rules.initial_stop_tr_mult

    def target(self, fill: Oriented, initial_stop: Oriented) -> Oriented | None:
        """The fill plus a multiple of the initial risk, up to the next tick; None where switched off."""
        if not self.rules.take_profit_r:
            return None
        reach = fill + (fill - initial_stop) * self.rules.take_profit_r
        return -floor_to_tick(floor(-reach), self.setup.tick_size)

    def trailed_stop(self, bar: Bar, *, is_entry_bar: bool) -> Oriented | None:
        """Under the low of a green bar (close at or above its open) by the buffer; a red bar says nothing."""
        if is_entry_bar and not self.rules.trails_from_entry_bar:
            return None
        if (bar.close - bar.open) * self.direction < 0:
            return None
        extreme = min(oriented(bar.low, self.direction), oriented(bar.high, self.direction))
        tick = self.setup.tick_size
        return floor_to_tick(extreme - self.rules.trail_buffer_ticks * tick, tick)
