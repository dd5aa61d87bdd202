"""Recorded prints on their way to the core: one by one, or found by searching for the next that matters.

Both ways tell the same story. `PrintByPrint` takes every print through the live path's own SymbolMarket and
is the measure; `Skipping` searches columns for the next breach of a guard or of the exchange's band and
reads bars out of slices. They must never differ in what they report, only in how long it takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from olaf_async.adapters.replay.files import PriceColumns
from olaf_async.core.market import NO_HIGH, NO_LOW, Guard, SymbolMarket
from olaf_async.core.rules import NEVER_NS
from olaf_async.domain.bar import Bar
from olaf_async.domain.events import BarClosed, TimerDue
from olaf_async.domain.price import Paise
from olaf_async.domain.session import Session

Integers = NDArray[np.int64]
_QUIET: Final = (NO_LOW, NO_HIGH)


@dataclass(frozen=True, slots=True)
class Print:
    """A print that something must hear of. ``before`` is the symbol's print before it, if any."""

    symbol: str
    at_ns: int
    price: Paise
    is_breach: bool
    is_continuous: bool
    before: tuple[Paise, int] | None


class Lane(Protocol):
    """One symbol's prints and what is waiting for them."""

    symbol: str
    guard: Guard

    def set_band(self, low: Paise, high: Paise) -> None:
        """The exchange's orders react only at or beyond these."""
        ...

    def newest(self) -> tuple[Paise | None, int]:
        """The newest print taken in, and its time."""
        ...

    def next_due_ns(self) -> int:
        """When a bar that is wanted ends, or the guard's time comes."""
        ...

    def pop_bar(self, now_ns: int) -> BarClosed | None:
        """The bar that has ended, if it is wanted."""
        ...

    def pop_timer(self, now_ns: int) -> TimerDue | None:
        """The guard's time, if it has come."""
        ...


class Lanes(Protocol):
    """All symbols of a day."""

    lanes: Sequence[Lane]

    def advance(self, before_ns: int) -> Print | None:
        """Take in prints stamped before this time, by time, then by symbol, up to the next that matters."""
        ...

    @property
    def taken(self) -> int:
        """Prints taken in or skipped over so far."""
        ...


def in_session(columns: PriceColumns, session: Session) -> PriceColumns:
    """The prints inside continuous trading; others are ignored."""
    start, stop = np.searchsorted(columns.t_ns, [session.open_ns, session.close_ns])
    if start == 0 and stop == len(columns.t_ns):
        return columns
    return PriceColumns(
        columns.symbol,
        columns.day,
        columns.t_ns[start:stop],
        columns.price[start:stop],
        None if columns.continuous is None else columns.continuous[start:stop],
        columns.rows_dropped,
        columns.rows_read,
    )


@dataclass(frozen=True, slots=True)
class Source:
    """What a lane is made of; ``columns`` are inside the session already."""

    columns: PriceColumns
    session: Session
    bar_ns: int
    guard: Guard


# --- print by print ---------------------------------------------------------------------------------


class _StepLane:
    __slots__ = ("continuous", "high", "low", "market", "prices", "symbol", "times")

    def __init__(self, source: Source) -> None:
        self.symbol = source.columns.symbol
        self.market = SymbolMarket(self.symbol, source.session, source.bar_ns, source.guard)
        self.low, self.high = _QUIET
        self.prices: list[int] = source.columns.price.tolist()
        self.times: list[int] = source.columns.t_ns.tolist()
        marks = source.columns.continuous
        self.continuous: list[bool] | None = None if marks is None else marks.tolist()

    @property
    def guard(self) -> Guard:
        return self.market.guard

    @guard.setter
    def guard(self, guard: Guard) -> None:
        self.market.guard = guard

    def set_band(self, low: Paise, high: Paise) -> None:
        self.low, self.high = low, high

    def newest(self) -> tuple[Paise | None, int]:
        return self.market.last, self.market.last_ns

    def next_due_ns(self) -> int:
        return self.market.next_due_ns()

    def pop_bar(self, now_ns: int) -> BarClosed | None:
        return self.market.pop_bar(now_ns)

    def pop_timer(self, now_ns: int) -> TimerDue | None:
        return self.market.pop_timer(now_ns)


class PrintByPrint:
    """Every print goes through its symbol's guard, in the order of time, then symbol."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._lanes = [_StepLane(source) for source in sources]
        self.lanes: Sequence[Lane] = self._lanes
        times = np.concatenate([source.columns.t_ns for source in sources])
        owner = np.repeat(np.arange(len(sources)), [len(source.columns.t_ns) for source in sources])
        order = np.lexsort((owner, times))
        within = np.concatenate([np.arange(len(source.columns.t_ns)) for source in sources])
        prices = np.concatenate([source.columns.price for source in sources])
        self._times: list[int] = times[order].tolist()
        self._prices: list[int] = prices[order].tolist()
        self._within: list[int] = within[order].tolist()
        self._owners = [self._lanes[index] for index in owner[order].tolist()]
        self.taken = 0

    def advance(self, before_ns: int) -> Print | None:
        """See Lanes."""
        times, prices, owners = self._times, self._prices, self._owners
        for index in range(self.taken, len(times)):
            at_ns = times[index]
            if at_ns >= before_ns:
                self.taken = index
                return None
            price = prices[index]
            lane = owners[index]
            touched = lane.market.take(price, at_ns)
            if touched is not None or price <= lane.low or price >= lane.high:
                self.taken = index + 1
                return self._print(lane, self._within[index], is_breach=touched is not None)
        self.taken = len(times)
        return None

    @staticmethod
    def _print(lane: _StepLane, within: int, *, is_breach: bool) -> Print:
        before = (lane.prices[within - 1], lane.times[within - 1]) if within else None
        is_continuous = lane.continuous is not None and lane.continuous[within]
        return Print(lane.symbol, lane.times[within], lane.prices[within], is_breach, is_continuous, before)


# --- skipping ---------------------------------------------------------------------------------------


class _SkipLane:
    """A cursor in one symbol's columns. ``upto`` prints are taken in; the next breach is searched lazily."""

    __slots__ = (
        "_bar_ns",
        "_breach",
        "_closed_ns",
        "_continuous",
        "_guard",
        "_high",
        "_low",
        "_open_ns",
        "_prices",
        "_searched",
        "_times",
        "symbol",
        "upto",
    )

    def __init__(self, source: Source) -> None:
        self.symbol = source.columns.symbol
        self._times: Integers = source.columns.t_ns
        self._prices: Integers = source.columns.price
        self._continuous = source.columns.continuous
        self._open_ns = source.session.open_ns
        self._bar_ns = source.bar_ns
        self._closed_ns = source.session.open_ns
        self._low, self._high = _QUIET
        self._guard = source.guard
        self.upto = 0
        self._forget()

    @property
    def guard(self) -> Guard:
        return self._guard

    @guard.setter
    def guard(self, guard: Guard) -> None:
        if (guard.low, guard.high) != (self._guard.low, self._guard.high):
            self._forget()
        self._guard = guard

    def set_band(self, low: Paise, high: Paise) -> None:
        if (low, high) != (self._low, self._high):
            self._low, self._high = low, high
            self._forget()

    def _forget(self) -> None:
        """What was found under the old limits says nothing under the new."""
        self._searched = self.upto
        self._breach = -1

    def newest(self) -> tuple[Paise | None, int]:
        if not self.upto:
            return None, self._open_ns
        return int(self._prices[self.upto - 1]), int(self._times[self.upto - 1])

    def breach_before(self, before_ns: int) -> int:
        """Index of the next print, stamped before this time, at or beyond a limit; -1 for none."""
        if self._breach >= 0:
            return self._breach if self._times[self._breach] < before_ns else -1
        low = max(self._guard.low, self._low)
        high = min(self._guard.high, self._high)
        stop = self.index_at(before_ns)
        if (low, high) != _QUIET and self._searched < stop:
            self._search(low, high, stop)
        self._searched = max(self._searched, stop)
        return self._breach

    def _search(self, low: Paise, high: Paise, stop: int) -> None:
        ahead = self._prices[self._searched : stop]
        if high == NO_HIGH:
            outside = ahead <= low
        elif low == NO_LOW:
            outside = ahead >= high
        else:
            outside = (ahead <= low) | (ahead >= high)
        first = int(outside.argmax())
        if outside[first]:
            self._breach = self._searched + first

    def index_at(self, at_ns: int) -> int:
        """How many prints are stamped before this time."""
        if at_ns >= NEVER_NS:
            return len(self._times)
        return int(self._times.searchsorted(at_ns))

    def time_of(self, index: int) -> int:
        return int(self._times[index])

    def skip_to(self, upto: int) -> None:
        """Take in prints up to this index, none of which matters."""
        if upto > self.upto:
            self.upto = upto
            self._searched = max(self._searched, upto)

    def take(self, index: int) -> Print:
        """Take in the print at this index, which matters."""
        price, at_ns = int(self._prices[index]), int(self._times[index])
        before = (int(self._prices[index - 1]), int(self._times[index - 1])) if index else None
        is_continuous = self._continuous is not None and bool(self._continuous[index])
        self.upto = index + 1
        self._forget()
        return Print(self.symbol, at_ns, price, self._guard.is_breached_by(price), is_continuous, before)

    def next_due_ns(self) -> int:
        if not self._guard.wants_bars:
            return self._guard.due_ns
        return min(self._guard.due_ns, self._bar_due_ns())

    def _bar_due_ns(self) -> int:
        """The end of the bar in progress, or, where none is, of the next bar that will have a print."""
        if self.upto:
            end_ns = self._end_of_bar(self.upto - 1)
            if end_ns > self._closed_ns:
                return end_ns
        return self._end_of_bar(self.upto) if self.upto < len(self._times) else NEVER_NS

    def _end_of_bar(self, index: int) -> int:
        since_ns = int(self._times[index]) - self._open_ns
        return self._open_ns + (since_ns // self._bar_ns + 1) * self._bar_ns

    def pop_bar(self, now_ns: int) -> BarClosed | None:
        if not self._guard.wants_bars or not self.upto:
            return None
        end_ns = self._end_of_bar(self.upto - 1)
        if end_ns <= self._closed_ns or end_ns > now_ns:
            return None
        self._closed_ns = end_ns
        start_ns = end_ns - self._bar_ns
        inside = self._prices[self.index_at(start_ns) : self.upto]
        bar = Bar(start_ns, end_ns, int(inside[0]), int(inside.max()), int(inside.min()), int(inside[-1]))
        return BarClosed(self.symbol, end_ns, bar)

    def pop_timer(self, now_ns: int) -> TimerDue | None:
        if self._guard.due_ns > now_ns:
            return None
        last, last_ns = self.newest()
        return TimerDue(self.symbol, now_ns, last, last_ns)


class Skipping:
    """Goes from one print that matters to the next."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._lanes = [_SkipLane(source) for source in sources]
        self.lanes: Sequence[Lane] = self._lanes

    @property
    def taken(self) -> int:
        """See Lanes."""
        return sum(lane.upto for lane in self._lanes)

    def advance(self, before_ns: int) -> Print | None:
        """See Lanes."""
        nearest: _SkipLane | None = None
        nearest_ns, index = before_ns, -1
        for lane in self._lanes:
            found = lane.breach_before(nearest_ns)
            if found >= 0:
                nearest, nearest_ns, index = lane, lane.time_of(found), found
        if nearest is None:
            for lane in self._lanes:
                lane.skip_to(lane.index_at(before_ns))
            return None
        is_past = False
        for lane in self._lanes:
            if lane is nearest:
                is_past = True
            else:
                # Of prints at the same instant, those of symbols further on come later.
                lane.skip_to(lane.index_at(nearest_ns + (0 if is_past else 1)))
        return nearest.take(index)
