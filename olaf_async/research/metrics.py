"""The safety figures under names that stay, for a result as JSON and for whoever collects metrics. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from olaf_async.research.safety_figures import Limits, SafetyFigures, ms_of
from olaf_async.research.spread import spread


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure. The name follows the ways of Prometheus: unit last, ``_total`` for what only grows."""

    name: str
    value: float
    help: str


def metrics_of(figures: SafetyFigures, limits: Limits) -> tuple[Metric, ...]:
    """Every figure that shows whether the promises hold."""
    most = max(figures.entries.values(), default=0)
    return (
        Metric("olaf_entries_filled_most", most, "filled entries of the symbol that had most"),
        Metric("olaf_entries_allowed", limits.attempts_max, "filled entries a symbol may have on a day"),
        Metric("olaf_stops_needed_total", figures.stops_needed, "positions that needed a stop"),
        Metric("olaf_stops_at_first_try_total", figures.stops_at_once, "stops accepted at the first try"),
        Metric("olaf_stops_emergency_total", figures.emergency_stops, "stops placed anew beside a position"),
        Metric("olaf_entries_duplicate_total", figures.duplicate_entries, "entries beside shares or entries"),
        Metric("olaf_prices_sent_total", figures.prices, "limits and triggers sent"),
        Metric("olaf_prices_off_tick_total", figures.off_tick, "of these, off the tick"),
        Metric("olaf_orders_refused_total", figures.refused, "orders refused"),
        Metric("olaf_alarms_total", figures.alarms, "alarms"),
        Metric("olaf_symbols_frozen", figures.frozen, "symbols that wait for a person"),
        Metric("olaf_positions_open", figures.still_open, "positions that nobody closed"),
        Metric("olaf_unprotected_budget_ms", limits.unprotected_ms_max, "the budget of the next three"),
        *_times("olaf_unprotected", figures.unprotected_ms, "longest time of a position without its stop"),
        *_watched(figures),
    )


def _watched(figures: SafetyFigures) -> Iterator[Metric]:
    """What only a live day has."""
    watch = figures.watch
    if watch is None:
        return
    yield Metric("olaf_polls_total", watch.polls, "reads of the books held against belief")
    yield Metric("olaf_polls_agreed_total", watch.polls_agreed, "of these, with the same in them")
    yield from _times("olaf_lock_wait", ms_of(watch.lock_waits_ns), "protection's wait for a symbol's lock")
    yield from _times("olaf_lock_hold", ms_of(watch.lock_holds_ns), "a symbol's lock held for one call")


def _times(name: str, values_ms: Sequence[float], text: str) -> Iterator[Metric]:
    for which, ms in spread(values_ms).named():
        yield Metric(f"{name}_{which}_ms", ms, f"{text}, {which}")
