"""The figures that show whether a day was safe, counted from what the exchange wrote down, with verdicts.

Owns the counting and the judging. Positions, stops and outstanding entries are folded anew from the order
changes, so that an engine that fooled itself would show here; only alarms, frozen symbols and what is still
open are the engine's own word. Pure.

S1. A run needs a person (exit code 4) exactly where one of its `checks` is BAD.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from olaf_async.domain.intents import Severity
from olaf_async.domain.order import Role, Side
from olaf_async.research.results import REFUSED, DayResult, OrderChange, Watch
from olaf_async.research.spread import Spread, spread

_ENDS = frozenset({"complete", "cancelled", "rejected"})
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class SafetyFigures:
    """What races.md asks for, of one or more days.

    ``entries`` are filled entries by symbol, the most of any day. ``stops_at_once`` of ``stops_needed``
    positions had their first protective stop accepted at the first try. ``duplicate_entries`` were sent
    while shares were held or another entry was outstanding. ``off_tick`` counts among ``prices``, every
    limit and trigger that was sent. ``emergency_stops`` are stops placed anew beside a position that had
    one before. ``unprotected_ms`` is, for each position by day, symbol and time, the longest stretch in which
    not all of its shares had a stop at the exchange. ``refused`` orders were never taken. ``frozen`` counts
    symbols that wait for a person, ``still_open`` positions that nobody closed. ``watch`` is of live days.
    """

    entries: Mapping[str, int]
    stops_at_once: int
    stops_needed: int
    duplicate_entries: int
    off_tick: int
    prices: int
    emergency_stops: int
    unprotected_ms: tuple[float, ...]
    alarms: int
    refused: int
    frozen: int
    still_open: int
    watch: Watch | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What the figures are held against."""

    attempts_max: int
    unprotected_ms_max: int


class Verdict(Enum):
    """What a figure says."""

    GOOD = "good"
    NOTED = "noted"
    """Worth a look: the market or the broker was difficult, and the engine dealt with it."""
    BAD = "bad"
    """A promise is broken, or something waits for a person."""


@dataclass(frozen=True, slots=True)
class Check:
    """One figure in words."""

    what: str
    measured: str
    verdict: Verdict


def checks(figures: SafetyFigures, limits: Limits) -> tuple[Check, ...]:
    """Every figure with its verdict, what needs a person first."""
    most, bare = max(figures.entries.values(), default=0), spread(figures.unprotected_ms)
    needed, at_once = figures.stops_needed, figures.stops_at_once
    return (
        _bad_unless(not figures.still_open, "positions still open", str(figures.still_open)),
        _bad_unless(not figures.frozen, "symbols frozen", str(figures.frozen)),
        _bad_unless(
            most <= limits.attempts_max,
            "entries filled in a symbol",
            f"{most} of {limits.attempts_max} allowed",
        ),
        _bad_unless(not figures.duplicate_entries, "duplicate entries", str(figures.duplicate_entries)),
        _bad_unless(
            not figures.off_tick, "order prices off the tick", f"{figures.off_tick} of {figures.prices}"
        ),
        _noted_unless(at_once == needed, "stops accepted at the first try", f"{at_once} of {needed}"),
        _noted_unless(not figures.emergency_stops, "emergency stops", str(figures.emergency_stops)),
        _noted_unless(
            bare.worst <= limits.unprotected_ms_max,
            "longest without a confirmed stop",
            _times(bare) if len(figures.unprotected_ms) > 1 else f"{bare.worst:,.0f} ms",
        ),
        _noted_unless(not figures.alarms, "alarms", str(figures.alarms)),
        _noted_unless(not figures.refused, "orders refused", str(figures.refused)),
        *(() if figures.watch is None else _watch_checks(figures.watch)),
    )


def _watch_checks(watch: Watch) -> tuple[Check, ...]:
    agreed, polls = watch.polls_agreed, watch.polls
    return (
        _noted_unless(agreed == polls, "books read that agreed", f"{agreed:,} of {polls:,}"),
        # Worth knowing, and no promise.
        Check("longest wait for a lock", _times(spread(ms_of(watch.lock_waits_ns))), Verdict.GOOD),
        Check("longest hold of a lock", _times(spread(ms_of(watch.lock_holds_ns))), Verdict.GOOD),
    )


def _times(within: Spread) -> str:
    return f"{within.worst:,.0f} ms (p50 {within.p50:,.0f}, p95 {within.p95:,.0f})"


def ms_of(times_ns: Iterable[int]) -> tuple[float, ...]:
    """Times in milliseconds."""
    return tuple(ns / _NS_PER_MS for ns in times_ns)


def needs_a_person(checked: Iterable[Check]) -> bool:
    """Whether one of them is BAD."""
    return any(check.verdict is Verdict.BAD for check in checked)


def _bad_unless(is_good: bool, what: str, measured: str) -> Check:  # noqa: FBT001
    return Check(what, measured, Verdict.GOOD if is_good else Verdict.BAD)


def _noted_unless(is_good: bool, what: str, measured: str) -> Check:  # noqa: FBT001
    return Check(what, measured, Verdict.GOOD if is_good else Verdict.NOTED)


class _SymbolDay:
    """One symbol's orders on one day, change by change."""

    def __init__(self, tick_size: int) -> None:
        self._tick_size = tick_size
        self._held = 0
        self._filled: dict[str, int] = {}
        self._outstanding_entries: set[str] = set()
        self._stops_tried = 0
        self._stops_taken = 0
        self._stops: dict[str, tuple[Side, int]] = {}
        self._naked_since_ns: int | None = None
        self._is_open = False
        self._gap_ns = 0
        self.gaps_ns: list[int] = []
        self.refused = 0
        self.filled_entries: set[str] = set()
        self.stops_at_once = 0
        self.stops_needed = 0
        self.duplicate_entries = 0
        self.emergency_stops = 0
        self.off_tick = 0
        self.prices = 0

    def take(self, change: OrderChange) -> None:
        """Take in one change."""
        is_sent = change.change in ("placed", "modified", REFUSED)
        if is_sent:
            prices = [price for price in (change.limit, change.trigger) if price]
            self.prices += len(prices)
            self.off_tick += sum(1 for price in prices if price % self._tick_size)
        self.refused += change.change in (REFUSED, "rejected")
        if change.change in ("placed", REFUSED):
            self._sent(change)
        self._fold(change)
        self._cover(change)

    def end(self, at_ns: int) -> None:
        """The day has been played until here."""
        if self._held:
            self._measure(at_ns, is_naked=False)
            self.gaps_ns.append(self._gap_ns)

    def _sent(self, change: OrderChange) -> None:
        if change.role is Role.ENTRY:
            others = self._outstanding_entries - {change.key}
            self.duplicate_entries += bool(others or self._held)
            self._outstanding_entries.add(change.key)
        elif change.role is Role.STOP:
            self._stops_tried += 1
            if change.change == REFUSED:
                return
            if self._stops_tried == 1:
                self.stops_at_once += 1
            self.emergency_stops += self._stops_taken > 0
            self._stops_taken += 1

    def _fold(self, change: OrderChange) -> None:
        if change.role is Role.ENTRY and change.status in _ENDS:
            self._outstanding_entries.discard(change.key)
        added = change.filled - self._filled.get(change.key, 0)
        self._filled[change.key] = change.filled
        if not added:
            return
        if self._held == 0:
            self.stops_needed += 1
            self._stops_tried = self._stops_taken = 0
            self._gap_ns = 0
        if change.role is Role.ENTRY:
            self.filled_entries.add(change.key)
        self._held += change.side.sign * added

    def _cover(self, change: OrderChange) -> None:
        """See whether the stops at the exchange are for all shares that are held."""
        if change.role is Role.STOP:
            left = 0 if change.status in _ENDS else change.quantity - change.filled
            self._stops[change.key] = change.side, left
        covered = sum(left for side, left in self._stops.values() if side.sign * self._held < 0)
        self._measure(change.at_ns, is_naked=abs(self._held) > covered)
        if self._is_open and not self._held:
            self.gaps_ns.append(self._gap_ns)
        self._is_open = bool(self._held)

    def _measure(self, at_ns: int, *, is_naked: bool) -> None:
        if is_naked and self._naked_since_ns is None:
            self._naked_since_ns = at_ns
        elif not is_naked and self._naked_since_ns is not None:
            self._gap_ns = max(self._gap_ns, at_ns - self._naked_since_ns)
            self._naked_since_ns = None


def safety_figures(days: Iterable[DayResult]) -> SafetyFigures:
    """The figures of these days together."""
    listed = tuple(days)
    entries: Counter[str] = Counter()
    symbol_days: list[_SymbolDay] = []
    for day in listed:
        of_day = {setup.symbol: _SymbolDay(setup.tick_size) for setup in day.setups}
        for change in day.orders:
            of_day[change.symbol].take(change)
        for symbol, counted in of_day.items():
            counted.end(day.until_ns)
            entries[symbol] = max(entries[symbol], len(counted.filled_entries))
        symbol_days += of_day.values()
    says = [say for day in listed for _, say in day.says]
    return SafetyFigures(
        entries=dict(sorted(entries.items())),
        stops_at_once=sum(each.stops_at_once for each in symbol_days),
        stops_needed=sum(each.stops_needed for each in symbol_days),
        duplicate_entries=sum(each.duplicate_entries for each in symbol_days),
        off_tick=sum(each.off_tick for each in symbol_days),
        prices=sum(each.prices for each in symbol_days),
        emergency_stops=sum(each.emergency_stops for each in symbol_days),
        unprotected_ms=tuple(gap_ns / _NS_PER_MS for each in symbol_days for gap_ns in each.gaps_ns),
        alarms=sum(say.severity is Severity.ALARM for say in says),
        refused=sum(each.refused for each in symbol_days),
        frozen=sum(len(day.frozen) for day in listed),
        still_open=sum(len(day.unclosed) for day in listed),
        watch=_watched(listed),
    )


def _watched(days: Iterable[DayResult]) -> Watch | None:
    watches = [day.watch for day in days if day.watch is not None]
    if not watches:
        return None
    return Watch(
        sum(each.polls for each in watches),
        sum(each.polls_agreed for each in watches),
        tuple(ns for each in watches for ns in each.lock_waits_ns),
        tuple(ns for each in watches for ns in each.lock_holds_ns),
    )
