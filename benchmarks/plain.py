"""What the engine is measured against: the strategy as a bare loop, and as bare numpy searches.

Neither keeps orders, no books, no evidence and no records; they only find the trades. Both are written
for speed, as one would for a single quick look at the data.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Trade = tuple[int, int, int, int]
"""Entry time, entry price, exit time, exit price."""


def plain_loop(  # noqa: C901, PLR0913 -- a plain loop is what this is
    times: Sequence[int],
    prices: Sequence[int],
    *,
    entry: int,
    trigger: int,
    tick: int,
    true_range: int,
    open_ns: int,
    window_ns: int,
    exit_ns: int,
    bar_ns: int,
    timeout_ns: int,
) -> list[Trade]:
    """Trades of one long 80-20 setup: retrigger, trailing from the entry bar, at most three entries."""
    trades: list[Trade] = []
    window_end = open_ns + window_ns
    bar_end = open_ns + bar_ns
    armed_ns = entry_ns = entry_price = stop = last = 0
    bar_open = bar_high = bar_low = 0
    for at_ns, price in zip(times, prices, strict=True):
        if at_ns >= exit_ns:
            break
        if at_ns >= bar_end:
            if stop and bar_open and last >= bar_open:
                raised = (bar_low - 2 * tick) // tick * tick
                stop = max(stop, raised)
            bar_end = open_ns + ((at_ns - open_ns) // bar_ns + 1) * bar_ns
            bar_open = bar_high = bar_low = price
        if not bar_open:
            bar_open = bar_high = bar_low = price
        bar_high = max(bar_high, price)
        bar_low = min(bar_low, price)
        last = price
        if stop:
            if price <= stop:
                trades.append((entry_ns, entry_price, at_ns, price))
                stop = 0
                # The print that ends a trade never begins the next.
                continue
        elif armed_ns:
            if at_ns >= armed_ns + timeout_ns:
                armed_ns = 0
            elif price >= entry:
                entry_ns, entry_price, armed_ns = at_ns, price, 0
                stop = (2 * price - true_range) // 2 // tick * tick
        if not stop and not armed_ns and price <= trigger and at_ns < window_end and len(trades) < 3:
            armed_ns = at_ns
    if stop:
        trades.append((entry_ns, entry_price, exit_ns, last))
    return trades


def bare_search(  # noqa: PLR0913 -- the same arguments as the loop's
    times: NDArray[np.int64],
    prices: NDArray[np.int64],
    *,
    entry: int,
    trigger: int,
    tick: int,
    true_range: int,
    open_ns: int,
    window_ns: int,
    exit_ns: int,
    bar_ns: int,
    timeout_ns: int,
) -> list[Trade]:
    """The same trades by searching whole columns, as one would write it in a notebook."""
    day_end = int(times.searchsorted(exit_ns))
    day = prices[:day_end]
    under = np.flatnonzero(day[: times.searchsorted(open_ns + window_ns)] <= trigger)
    if not len(under):
        return []
    over = np.flatnonzero(day >= entry)
    bars = times.searchsorted(np.arange(open_ns, exit_ns + bar_ns, bar_ns))
    trades: list[Trade] = []
    at = 0
    while len(trades) < 3 and (nth := int(under.searchsorted(at))) < len(under):
        armed = int(under[nth])
        lapses = min(day_end, int(times.searchsorted(times[armed] + timeout_ns)))
        nth = int(over.searchsorted(armed + 1))
        if nth == len(over) or over[nth] >= lapses:
            at = lapses
            continue
        filled = int(over[nth])
        price = int(day[filled])
        left = _leave(day, bars, filled, (2 * price - true_range) // 2 // tick * tick, tick)
        if left < 0:
            trades.append((int(times[filled]), price, exit_ns, int(day[-1])))
            break
        trades.append((int(times[filled]), price, int(times[left]), int(day[left])))
        at = left + 1
    return trades


def _leave(day: NDArray[np.int64], bars: NDArray[np.int64], filled: int, stop: int, tick: int) -> int:
    """Index of the print that reaches the stop as it is trailed from bar to bar; -1 for none."""
    number = int(bars.searchsorted(filled, side="right")) - 1
    at = filled + 1
    while at < len(day):
        start, end = int(bars[number]), min(len(day), int(bars[number + 1]))
        hits = np.flatnonzero(day[at:end] <= stop)
        if len(hits):
            return at + int(hits[0])
        if end > start and day[end - 1] >= day[start]:
            stop = max(stop, (int(day[start:end].min()) - 2 * tick) // tick * tick)
        number += 1
        at = end
    return -1
