"""The figures that show whether a day was safe, counted from what the exchange wrote down.

Owns the counting, and nothing of it is taken from the engine's own belief: positions and outstanding entries
are folded anew from the order changes, so that an engine that fooled itself would show here. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from olaf_async.domain.intents import Severity
from olaf_async.domain.order import Role
from olaf_async.research.results import REFUSED, DayResult, OrderChange, RunResult

_ENDS = frozenset({"complete", "cancelled", "rejected"})
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class SafetyFigures:
    """What races.md asks for, of one or more days.

    ``entries`` are filled entries by symbol, the most of any day. ``stops_at_once`` of ``stops_needed``
    positions had their first protective stop accepted at the first try. ``duplicate_entries`` were sent
    while shares were held or another entry was outstanding. ``off_tick`` counts among ``prices``, every
    limit and trigger that was sent. ``emergency_stops`` are stops placed anew beside a position that had
    one before. ``unprotected_ms`` is, by trade in their order, how long shares had no confirmed stop.
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

    @property
    def is_calm(self) -> bool:
        """Nothing happened that must not happen; attempts are judged by who knows their limit."""
        return (
            self.stops_at_once == self.stops_needed
            and not self.duplicate_entries
            and not self.off_tick
            and not self.emergency_stops
            and not self.alarms
        )


class _SymbolDay:
    """One symbol's orders on one day, change by change."""

    def __init__(self, tick_size: int) -> None:
        self._tick_size = tick_size
        self._held = 0
        self._filled: dict[str, int] = {}
        self._outstanding_entries: set[str] = set()
        self._stops_tried = 0
        self._stops_taken = 0
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
        if change.change in ("placed", REFUSED):
            self._sent(change)
        self._fold(change)

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
        if change.role is Role.ENTRY:
            self.filled_entries.add(change.key)
        self._held += change.side.sign * added


def safety_figures(days: Iterable[DayResult]) -> SafetyFigures:
    """The figures of these days together."""
    entries: Counter[str] = Counter()
    symbol_days: list[_SymbolDay] = []
    unprotected: list[float] = []
    alarms = 0
    for day in days:
        of_day = {setup.symbol: _SymbolDay(setup.tick_size) for setup in day.setups}
        for change in day.orders:
            of_day[change.symbol].take(change)
        for symbol, counted in of_day.items():
            entries[symbol] = max(entries[symbol], len(counted.filled_entries))
        symbol_days += of_day.values()
        unprotected += [record.trade.unprotected_ns / _NS_PER_MS for record in day.trades]
        alarms += sum(1 for _, say in day.says if say.severity is Severity.ALARM)
    return SafetyFigures(
        entries=dict(sorted(entries.items())),
        stops_at_once=sum(each.stops_at_once for each in symbol_days),
        stops_needed=sum(each.stops_needed for each in symbol_days),
        duplicate_entries=sum(each.duplicate_entries for each in symbol_days),
        off_tick=sum(each.off_tick for each in symbol_days),
        prices=sum(each.prices for each in symbol_days),
        emergency_stops=sum(each.emergency_stops for each in symbol_days),
        unprotected_ms=tuple(unprotected),
        alarms=alarms,
    )


def needs_a_person(result: RunResult) -> bool:
    """Whether a run ended with a position nobody closed, or with a symbol that froze over what it saw."""
    has_frozen = any(say.code == "frozen" for day in result.days for _, say in day.says)
    return bool(result.unclosed) or has_frozen
