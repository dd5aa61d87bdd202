"""What a stream of prints is reduced to before the core hears of it: a guard, and the bar in progress.

A print inside its guard costs three comparisons and the bar's high and low. The core hears of a print
only when it reaches a price the guard names, of a bar when one ends that is wanted, and of the time when
the guard's time has come.
"""

from dataclasses import dataclass

from olaf_async.domain.bar import Bar
from olaf_async.domain.events import BarClosed, PriceTouched, TimerDue
from olaf_async.domain.price import Paise
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Direction

NO_LOW: Paise = -(1 << 62)
NO_HIGH: Paise = 1 << 62


@dataclass(frozen=True, slots=True)
class Guard:
    """What the core need not hear of.

    Nothing can change for the symbol while every print lies strictly between ``low`` and ``high`` (raw
    paise), the time is before ``due_ns``, and, where it ``wants_bars``, no bar ends.
    """

    low: Paise
    high: Paise
    due_ns: int
    wants_bars: bool

    def is_breached_by(self, price: Paise) -> bool:
        """Whether the core must hear of this print."""
        return price <= self.low or price >= self.high


def guard_of(
    direction: Direction, low: int | None, high: int | None, due_ns: int, *, wants_bars: bool
) -> Guard:
    """A guard from oriented levels (None: no level on that side)."""
    if direction is Direction.SHORT:
        low, high = (None if high is None else -high), (None if low is None else -low)
    return Guard(NO_LOW if low is None else low, NO_HIGH if high is None else high, due_ns, wants_bars)


class SymbolMarket:
    """One symbol's prints of one day, one at a time; a bar that began before they were watched is none.

    ``high`` and ``low`` are the bar's so far; ``limit_ns`` is when the bar or the session ends.
    """

    __slots__ = (
        "_bar_ns",
        "_end_ns",
        "_open",
        "_session",
        "_watched_from_ns",
        "guard",
        "high",
        "last",
        "last_ns",
        "limit_ns",
        "low",
        "symbol",
    )

    def __init__(
        self, symbol: str, session: Session, bar_ns: int, guard: Guard, *, watched_from_ns: int = 0
    ) -> None:
        self._watched_from_ns = watched_from_ns
        self.symbol = symbol
        self.guard = guard
        self.last: Paise | None = None
        self.last_ns = session.open_ns
        self._session = session
        self._bar_ns = bar_ns
        self._open: Paise | None = None
        self.high: Paise = NO_LOW
        self.low: Paise = NO_HIGH
        self._roll(session.open_ns)

    def take(self, price: Paise, at_ns: int) -> PriceTouched | None:
        """Take in one print, after whatever was due before it. Time that steps back stands still.

        Prints outside the session are ignored. This runs for every print there is, hence its shape.
        """
        if at_ns < self.last_ns:
            if self.last is None:
                return None
            at_ns = self.last_ns
        if at_ns >= self.limit_ns:
            if at_ns >= self._session.close_ns:
                return None
            self._roll(at_ns)
        self.last = price
        self.last_ns = at_ns
        if price > self.high:
            self.high = price
            if self._open is None:
                self._open = price
        if price < self.low:  # noqa: PLR1730
            self.low = price
        guard = self.guard
        if guard.low < price < guard.high:
            return None
        return PriceTouched(self.symbol, at_ns, price)

    def next_due_ns(self) -> int:
        """When the core next wants to be asked whatever the price does."""
        return min(self.guard.due_ns, self._end_ns) if self.guard.wants_bars else self.guard.due_ns

    def pop_bar(self, now_ns: int) -> BarClosed | None:
        """The bar that has ended, if it is wanted; comes before any timer of the same instant."""
        if not self.guard.wants_bars or self._end_ns > now_ns:
            return None
        if self._open is None or self._end_ns - self._bar_ns < self._watched_from_ns:
            self._roll(now_ns)
            return None
        return BarClosed(self.symbol, self._end_ns, self._close_bar())

    def pop_timer(self, now_ns: int) -> TimerDue | None:
        """The guard's time, if it has come; set the new guard before asking again."""
        if self.guard.due_ns > now_ns:
            return None
        return TimerDue(self.symbol, now_ns, self.last, self.last_ns)

    def _close_bar(self) -> Bar:
        assert self._open is not None, "only a bar with a print is closed"
        assert self.last is not None, "a bar with a print has a last price"
        end_ns = self._end_ns
        bar = Bar(end_ns - self._bar_ns, end_ns, self._open, self.high, self.low, self.last)
        self._roll(end_ns)
        return bar

    def _roll(self, at_ns: int) -> None:
        """Begin the bar that ``at_ns`` lies in."""
        start_ns = self._session.open_ns
        self._end_ns = start_ns + ((at_ns - start_ns) // self._bar_ns + 1) * self._bar_ns
        self.limit_ns = min(self._end_ns, self._session.close_ns)
        self._open = None
        self.high = NO_LOW
        self.low = NO_HIGH
