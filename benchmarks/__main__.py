"""``python -m benchmarks``: the marks of speed, each a ratio of two times taken in this run.

    1  print-by-print replay of a feed's days against a plain Python loop            at least 0.3
    2  skipping replay of a tape's days against a bare numpy search                  at least 0.3
    3  skipping replay of a feed's days against the same                             for information

A feed has about one print a second, a tape every trade of a busy share. The replay runs core, paper exchange,
orders, books and all; the loop and the search only find the trades, and that they find the same ones is
checked first. Each time is the best of several runs, taken in turns so that both sides meet the same noise.
Exits 1 where a mark is missed.
"""

import gc
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from typing import TypedDict

from benchmarks.days import FEED_PRINTS, RULES, TAPE_PRINTS, MadeUpDay, made_up_days
from benchmarks.plain import Trade, bare_search, plain_loop
from olaf_async.adapters.paper.exchange import PaperRules
from olaf_async.adapters.replay.machine import ReplayDay
from olaf_async.core.rules import Rules

MARK = 0.3
FEED_DAYS, TAPE_DAYS = 24, 8
RUNS = 7
CORE_RULES = Rules(entry_limit_pct=Fraction(299, 100), stop_limit_pct=Fraction(299, 100))


class Levels(TypedDict):
    """What the bare programs are told of a day."""

    entry: int
    trigger: int
    tick: int
    true_range: int
    open_ns: int
    window_ns: int
    exit_ns: int
    bar_ns: int
    timeout_ns: int


def main() -> int:
    """Measure and print; the exit code."""
    feed = made_up_days(FEED_DAYS, FEED_PRINTS)
    tape = made_up_days(TAPE_DAYS, TAPE_PRINTS)
    is_met = _is_agreed("feed", feed, with_loop=True) and _is_agreed("tape", tape, with_loop=False)
    lists = [(day.columns.t_ns.tolist(), day.columns.price.tolist(), levels(day)) for day in feed]
    is_met &= _compare(
        "print by print, feed",
        feed,
        lambda: [replay(day, is_skipping=False) for day in feed],
        "plain loop",
        lambda: [plain_loop(times, prices, **rest) for times, prices, rest in lists],
        mark=MARK,
    )
    is_met &= _compare_skipping("skipping, tape", tape, mark=MARK)
    is_met &= _compare_skipping("skipping, feed", feed, mark=None)
    return 0 if is_met else 1


def _is_agreed(name: str, days: list[MadeUpDay], *, with_loop: bool) -> bool:
    """Whether all programs find the same trades on these days."""
    arrays = [(day.columns.t_ns, day.columns.price, levels(day)) for day in days]
    trades = [_trades(replay(day, is_skipping=True)) for day in days]
    found = [[bare_search(times, prices, **rest) for times, prices, rest in arrays]]
    if with_loop:
        found.append([_trades(replay(day, is_skipping=False)) for day in days])
        found.append([plain_loop(t.tolist(), p.tolist(), **rest) for t, p, rest in arrays])
    prints = sum(len(day.columns.price) for day in days)
    _say(f"{name}: {len(days)} made-up days, {prints:,} prints, {sum(map(len, trades))} trades")
    if any(other != trades for other in found):
        _say("the programs do not find the same trades")
        return False
    return True


def _compare_skipping(name: str, days: list[MadeUpDay], *, mark: float | None) -> bool:
    arrays = [(day.columns.t_ns, day.columns.price, levels(day)) for day in days]
    return _compare(
        name,
        days,
        lambda: [replay(day, is_skipping=True) for day in days],
        "numpy search",
        lambda: [bare_search(times, prices, **rest) for times, prices, rest in arrays],
        mark=mark,
    )


def levels(day: MadeUpDay) -> Levels:
    """The day's plan as the bare programs take it."""
    setup, session = day.plan.setup, day.plan.session
    return Levels(
        entry=setup.entry_price,
        trigger=setup.trigger_price,
        tick=setup.tick_size,
        true_range=setup.true_range,
        open_ns=session.open_ns,
        window_ns=RULES.trigger_window_ns,
        exit_ns=session.exit_ns,
        bar_ns=RULES.bar_ns,
        timeout_ns=CORE_RULES.order_timeout_ns,
    )


def _trades(machine: ReplayDay) -> list[Trade]:
    return [
        (trade.entry_ns, trade.entry_value, trade.exit_ns, trade.exit_value) for trade in machine.log.trades
    ]


def replay(day: MadeUpDay, *, is_skipping: bool) -> ReplayDay:
    """One day through core and paper exchange."""
    symbol = day.plan.setup.symbol
    machine = ReplayDay([day.plan], {symbol: day.columns}, CORE_RULES, PaperRules(), is_skipping=is_skipping)
    machine.run()
    return machine


def _compare(
    name: str,
    days: list[MadeUpDay],
    ours: Callable[[], object],
    against: str,
    bare: Callable[[], object],
    *,
    mark: float | None,
) -> bool:
    prints = sum(len(day.columns.price) for day in days)
    bare_s, ours_s = _best_of_both(bare, ours)
    ratio = bare_s / ours_s
    verdict = "" if mark is None else f"  at least {mark}: {'met' if ratio >= mark else 'MISSED'}"
    _say(
        f"{name:22}{prints / ours_s / 1e6:9.1f} M prints/s {ours_s / len(days) * 1e3:8.2f} ms/day"
        f"   {against}{prints / bare_s / 1e6:9.1f} M/s   ratio {ratio:.2f}{verdict}"
    )
    return mark is None or ratio >= mark


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _best_of_both(bare: Callable[[], object], ours: Callable[[], object]) -> tuple[float, float]:
    """Best time of each, taken in turns so that both meet the same noise."""
    times = [(_timed(bare), _timed(ours)) for _ in range(RUNS)]
    return min(bare_s for bare_s, _ in times), min(ours_s for _, ours_s in times)


def _timed(act: Callable[[], object]) -> float:
    gc.collect()
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
