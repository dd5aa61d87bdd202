"""Many days replayed one after the other, each with all its symbols together, and the look over its shoulder.

Owns the order of days, the reading ahead, and what a run shows of itself while it goes on. It must never
decide anything about an order, and nothing it shows may change what happens: the same plans and prices give
the same result whether anybody looks or not. Each day begins with the whole capital of its own account.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import TypeAlias

from olaf_async.adapters.paper.account import PaperRules
from olaf_async.adapters.replay.files import PriceColumns, PriceFolder
from olaf_async.adapters.replay.lanes import in_session
from olaf_async.adapters.replay.machine import ReplayDay
from olaf_async.core.engine import Plan
from olaf_async.core.rules import Rules
from olaf_async.core.state import SymbolState
from olaf_async.domain.price import Paise
from olaf_async.errors import InvariantBroken
from olaf_async.research.results import (
    DayResult,
    LeftOut,
    OpenPosition,
    RunResult,
    TradeRecord,
    WorkingOrder,
    order_changes,
    position_of,
    record_of,
    working_order,
)

READERS = 2
"""Threads that read files: unpacking and parsing leave Python's own lock alone."""

SEEDS_PER_SETTING = 10_000_000
"""More than there are day numbers, so that no two seeds share the draws of any two days."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What every day of a run has in common. The charges are those of ``paper``; None: free of charge.

    ``is_skipping`` False takes every price through its guard: the same result, only slower.
    """

    rules: Rules
    paper: PaperRules
    latency_ns: int = 0
    is_skipping: bool = True


@dataclass(frozen=True, slots=True)
class Progress:
    """A run at one moment: all of it ``so_far``, with the day in progress as far as it is.

    ``at_ns`` is virtual time. ``today`` is None before the first price and after the last day.
    """

    at_ns: int
    days_done: int
    days_total: int
    today: DayResult | None
    so_far: RunResult
    orders: tuple[WorkingOrder, ...]

    @property
    def positions(self) -> tuple[OpenPosition, ...]:
        """What is held now, marked at the last prices."""
        return self.today.unclosed if self.today else ()

    @property
    def open_gross(self) -> Paise:
        """What the open positions would make at the last prices, before charges."""
        return sum(position.gross for position in self.positions)

    @property
    def net(self) -> Paise:
        """What the run has made: closed trades after charges, open positions at the last prices."""
        return self.so_far.net + self.open_gross


Observer: TypeAlias = Callable[["Run"], None]
"""Called after each happening; it asks the run for its ``progress`` when it wants to look."""


class Run:
    """Replays plans over recorded prices, day by day.

    A setup without prices inside its session is left out and reported; it ends nothing. ``left_out`` and
    ``skipped_files`` are what was left out before the run, for its result.

    Raises:
        ConfigError: while it runs: two plans for one symbol and day, or a file that cannot be read.
    """

    def __init__(
        self,
        plans: Iterable[Plan],
        prices: PriceFolder,
        conditions: Conditions,
        left_out: Iterable[LeftOut] = (),
        *,
        skipped_files: Iterable[str] = (),
        clock_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        ordered = sorted(plans, key=lambda plan: (plan.session.day, plan.setup.symbol))
        self._days = [(day, list(group)) for day, group in groupby(ordered, lambda plan: plan.session.day)]
        self._prices = prices
        self._conditions = conditions
        self._left_out = list(left_out)
        self._skipped_files = tuple(skipped_files)
        self._clock_ns = clock_ns
        self._is_started = False
        self._elapsed_ns = 0
        self._now_ns = 0
        self._done: list[DayResult] = []
        self._days_done = 0
        self._today: _Today | None = None

    @property
    def days(self) -> tuple[date, ...]:
        """The days there are plans for, ascending."""
        return tuple(day for day, _ in self._days)

    def finish(self, observer: Observer | None = None) -> RunResult:
        """Run to the end and return the result."""
        for _ in self.steps():
            if observer is not None:
                observer(self)
        return self.result()

    def steps(self) -> Iterator[int]:
        """Replay one happening at a time; yields the virtual time (ns) after each.

        Time that passes while the caller holds the run does not count as elapsed.

        Raises:
            InvariantBroken: the run has been started before; its days would count twice.
        """
        if self._is_started:
            raise InvariantBroken("a run runs once; prepare another")
        self._is_started = True
        since_ns = self._clock_ns()
        for day, priced in self._read_ahead():
            if priced:
                self._today = today = _Today(day, priced, self._conditions)
                for self._now_ns in today.replay.steps():
                    self._elapsed_ns += self._clock_ns() - since_ns
                    yield self._now_ns
                    since_ns = self._clock_ns()
                self._done.append(today.result())
                self._today = None
            self._days_done += 1
        self._elapsed_ns += self._clock_ns() - since_ns

    def result(self) -> RunResult:
        """What has been replayed so far, the day in progress included; after the last step, the whole."""
        return RunResult(
            days=(*self._done, self._today.result()) if self._today else tuple(self._done),
            left_out=tuple(self._left_out),
            skipped_files=tuple(sorted({*self._skipped_files, *self._prices.skipped})),
            elapsed_ns=self._elapsed_ns,
        )

    def progress(self) -> Progress:
        """The run as it stands. It is made when asked for, so it costs nothing while nobody looks."""
        so_far = self.result()
        return Progress(
            at_ns=self._now_ns,
            days_done=self._days_done,
            days_total=len(self._days),
            today=so_far.days[-1] if self._today else None,
            so_far=so_far,
            orders=self._today.orders() if self._today else (),
        )

    def _read_ahead(self) -> Iterator[tuple[date, list[tuple[Plan, PriceColumns]]]]:
        """Each day with its prices; while it is replayed, the files of the next are read.

        The files of one day are of different symbols, so no two threads ever read the same one.
        """
        with ThreadPoolExecutor(READERS) as pool:
            asked = self._ask(pool, 0)
            for number, (day, plans) in enumerate(self._days):
                found = [each.result() for each in asked]
                asked = self._ask(pool, number + 1)
                yield day, list(self._priced(plans, found))

    def _ask(self, pool: ThreadPoolExecutor, number: int) -> list[Future[PriceColumns | None]]:
        return [
            pool.submit(self._prices.read, plan.setup.symbol, day)
            for day, plans in self._days[number : number + 1]
            for plan in plans
        ]

    def _priced(
        self, plans: Iterable[Plan], found: Iterable[PriceColumns | None]
    ) -> Iterator[tuple[Plan, PriceColumns]]:
        """The plans there are prices for, each with those inside its session; the others are left out."""
        for plan, columns in zip(plans, found, strict=True):
            inside = None if columns is None else in_session(columns, plan.session)
            if inside is not None and len(inside.price):
                yield plan, inside
            else:
                why = "there are no prices of that day" if columns is None else "no price is in its session"
                self._left_out.append(LeftOut(plan.setup, why))


class _Today:
    """The day in progress."""

    def __init__(
        self, day: date, priced: Sequence[tuple[Plan, PriceColumns]], conditions: Conditions
    ) -> None:
        paper = conditions.paper
        self._day = day
        self._priced = priced
        self._conditions = conditions
        self._records: list[TradeRecord] = []
        self.replay = ReplayDay(
            [plan for plan, _ in priced],
            {columns.symbol: columns for _, columns in priced},
            conditions.rules,
            replace(paper, seed=paper.seed * SEEDS_PER_SETTING + day.toordinal()),
            latency_ns=conditions.latency_ns,
            is_skipping=conditions.is_skipping,
        )

    def result(self) -> DayResult:
        """The day as it stands."""
        replay, log = self.replay, self.replay.log
        states = self._states()
        new = log.trades[len(self._records) :]
        self._records += [record_of(trade, self._conditions.paper.charges) for trade in new]
        by_entry = sorted(self._records, key=lambda record: (record.trade.entry_ns, record.trade.symbol))
        return DayResult(
            day=self._day,
            setups=tuple(plan.setup for plan, _ in self._priced),
            trades=tuple(by_entry),
            orders=order_changes(
                self._day,
                replay.exchange.history,
                replay.exchange.records(),
                (order for state in states for order in state.orders),
                self._conditions.latency_ns // 2,
            ),
            says=tuple(log.says),
            unclosed=tuple(self._position(state) for state in states if state.held),
            ticks=sum(self._taken(columns) for _, columns in self._priced),
            triggers=sum(state.triggers for state in states),
            entries=sum(state.attempts for state in states),
            rows_dropped=sum(columns.rows_dropped for _, columns in self._priced),
            until_ns=replay.now_ns,
            frozen=tuple(state.symbol for state in states if state.frozen is not None),
        )

    def orders(self) -> tuple[WorkingOrder, ...]:
        """The orders that may still fill."""
        return tuple(
            working_order(order) for state in self._states() for order in state.orders if order.is_outstanding
        )

    def _states(self) -> list[SymbolState]:
        return [trader.state for trader in self.replay.engine.traders.values()]

    def _taken(self, columns: PriceColumns) -> int:
        """How many of a symbol's prices have been played."""
        return int(columns.t_ns.searchsorted(self.replay.now_ns, side="right"))

    def _position(self, state: SymbolState) -> OpenPosition:
        columns = next(columns for _, columns in self._priced if columns.symbol == state.symbol)
        return position_of(state, int(columns.price[max(0, self._taken(columns) - 1)]))
