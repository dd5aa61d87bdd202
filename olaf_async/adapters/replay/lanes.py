"""Recorded prints on their way to the core: one by one, or found by searching for the next that matters.

Both ways tell the same story. `PrintByPrint` takes every print through the live path's own SymbolMarket and
is the measure; `Skipping` searches columns for the next breach of a guard or of the exchange's band and
reads bars out of slices. They must never differ in what they report, only in how long it takes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Final, Protocol, TypeAlias

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
_Ahead: TypeAlias = "tuple[int, Paise, _StepLane, int]"
"""A print still to come: its time, its price, whose it is, and its place in the day."""


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

    def set_guard(self, guard: Guard) -> None:
        """The core's wishes have changed."""
        ...

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


def print_at(columns: PriceColumns, index: int, guard: Guard) -> Print:
    """The print at this index as it is told to exchange and core."""
    price, at_ns = int(columns.price[index]), int(columns.t_ns[index])
    before = (int(columns.price[index - 1]), int(columns.t_ns[index - 1])) if index else None
    is_continuous = columns.continuous is not None and bool(columns.continuous[index])
    return Print(columns.symbol, at_ns, price, guard.is_breached_by(price), is_continuous, before)


@dataclass(frozen=True, slots=True)
class Source:
    """What a lane is made of; ``columns`` are inside the session already."""

    columns: PriceColumns
    session: Session
    bar_ns: int
    guard: Guard


# --- print by print ---------------------------------------------------------------------------------


class _StepLane(SymbolMarket):
    """The live path's market, with the exchange's band beside its guard.

    A print between ``calm_low`` and ``calm_high`` reaches no level and does not widen the bar.
    """

    __slots__ = ("_band", "calm_high", "calm_low", "columns")

    def __init__(self, source: Source) -> None:
        super().__init__(source.columns.symbol, source.session, source.bar_ns, source.guard)
        self.columns = source.columns
        self._band = _QUIET
        self._settle()

    def set_guard(self, guard: Guard) -> None:
        self.guard = guard
        self._settle()

    def set_band(self, low: Paise, high: Paise) -> None:
        self._band = low, high
        self._settle()

    def _settle(self) -> None:
        self.calm_low = max(self.low, self._band[0] + 1, self.guard.low + 1)
        self.calm_high = min(self.high, self._band[1] - 1, self.guard.high - 1)

    def newest(self) -> tuple[Paise | None, int]:
        return self.last, self.last_ns

    def meets(self, price: Paise, at_ns: int) -> bool:
        """Take in a print that begins or widens a bar, or reaches a level: only the last is for others."""
        is_touched = self.take(price, at_ns) is not None
        self._settle()
        return is_touched or price <= self._band[0] or price >= self._band[1]


class PrintByPrint:
    """Every print goes through its symbol's guard, in the order of time, then symbol."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._lanes = [_StepLane(source) for source in sources]
        self.lanes: Sequence[Lane] = self._lanes
        self._total = sum(len(source.columns.t_ns) for source in sources)
        self._within: Sequence[int] = range(self._total)
        self._ahead = self._merged()
        self._held_back: _Ahead | None = None
        self.taken = 0

    def _merged(self) -> Iterator[_Ahead]:
        columns = [lane.columns for lane in self._lanes]
        if len(columns) == 1:
            lanes: Iterable[_StepLane] = repeat(self._lanes[0], self._total)
            times, prices = columns[0].t_ns, columns[0].price
        else:
            times = np.concatenate([column.t_ns for column in columns])
            owners = np.repeat(np.arange(len(columns)), [len(column.t_ns) for column in columns])
            order = np.lexsort((owners, times))
            times = times[order]
            prices = np.concatenate([column.price for column in columns])[order]
            within = np.concatenate([np.arange(len(column.t_ns)) for column in columns])[order]
            self._within = within.tolist()
            lanes = [self._lanes[owner] for owner in owners[order].tolist()]
        return zip(times.tolist(), prices.tolist(), lanes, range(self._total), strict=True)

    def advance(self, before_ns: int) -> Print | None:
        """See Lanes."""
        ahead = self._ahead
        if self._held_back is not None:
            ahead = chain((self._held_back,), ahead)
            self._held_back = None
        for at_ns, price, lane, index in ahead:
            if at_ns >= before_ns:
                self._held_back = at_ns, price, lane, index
                self.taken = index
                return None
            # The calm path of SymbolMarket.take, written out: this runs for every print there is.
            if at_ns < lane.limit_ns and lane.calm_low <= price <= lane.calm_high:
                lane.last = price
                lane.last_ns = at_ns
            elif lane.meets(price, at_ns):
                self.taken = index + 1
                return print_at(lane.columns, self._within[index], lane.guard)
        self.taken = self._total
        return None


# --- skipping ---------------------------------------------------------------------------------------


class _SkipLane:
    """A cursor in one symbol's columns. ``upto`` prints are taken in; the next breach is searched lazily."""

    __slots__ = (
        "_bar_ns",
        "_breach",
        "_closed_ns",
        "_columns",
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
        self._columns = source.columns
        self._open_ns = source.session.open_ns
        self._bar_ns = source.bar_ns
        self._closed_ns = source.session.open_ns
        self._low, self._high = _QUIET
        self._guard = source.guard
        self.upto = 0
        self._forget()

    def set_guard(self, guard: Guard) -> None:
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
        self.upto = index + 1
        self._forget()
        return print_at(self._columns, index, self._guard)

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
