"""Engine against plain loop on the recorded ticks of 2021: every trade of every setup, field for field.

And skipping between guards against taking every print, also where the plain loop has no word to say. The data
may not be shipped, so where they are absent all of this is skipped. The numbers of trades are written down so
that nothing here can pass by comparing nothing with nothing.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Literal, NamedTuple

import pytest

from olaf_async.adapters.paper.exchange import PaperRules
from olaf_async.adapters.replay.files import PriceColumns
from olaf_async.adapters.replay.machine import ReplayDay
from olaf_async.core import rules as core

from .days import SKIPPED_WHY, RealDay, real_days
from .engine_runs import UNLIMITED, SymbolDay, as_reference, columns_of, differences, left_behind, replayed
from .plain_loop import OutOfScope, Trade
from .strategies import CLOSE, OPEN, PLAIN_RULES, Levels, RandomDay, Rules


class Variant(NamedTuple):
    """Rules to compare under, and what there is to compare on the recorded days."""

    rules: Rules
    trades: int
    jumped_entry: Literal["out_of_scope", "rest"] = "out_of_scope"


class Harder(NamedTuple):
    """A day as no reference models it, to compare the two ways of replaying it."""

    rules: Rules
    paper: PaperRules = PaperRules()
    quantity: int = 1
    latency_ms: int = 0
    account: core.Rules = UNLIMITED


def _plain(**changes: object) -> Rules:
    return PLAIN_RULES._replace(**changes)  # type: ignore[arg-type] # the names are checked by the tuple


VARIANTS = {
    "plain": Variant(_plain(), 23),
    "trailing from the next bar on": Variant(_plain(trail_from="next_bar"), 21),
    "immediate re-entry": Variant(_plain(reentry="immediate"), 32),
    "ignoring the first minute": Variant(_plain(ignore_initial_s=60), 23),
    "a stop of 20 ticks": Variant(_plain(initial_stop="ticks"), 48),
    "a stop of 20 ticks, immediate": Variant(_plain(initial_stop="ticks", reentry="immediate"), 50),
    "a single attempt": Variant(_plain(max_attempts=1), 19),
    "one-minute bars": Variant(_plain(bar_s=60), 39),
    "a target of 1 R": Variant(_plain(take_profit_r=Fraction(1), bar_s=3600), 19),
    "a window of the whole day": Variant(_plain(window_s=22500, max_attempts=9), 48),
    "the limits a newcomer has": Variant(
        _plain(entry_limit_pct=Fraction(3, 10), stop_limit_pct=Fraction(1), ignore_initial_s=60),
        23,
        jumped_entry="rest",
    ),
}


class Recorded(NamedTuple):
    """A recorded day as the reference and as the engine read it."""

    day: RealDay
    columns: PriceColumns

    def played(self, quantity: int = 1) -> SymbolDay:
        day = self.day
        return SymbolDay(day.symbol, self.levels, day.prints, quantity=quantity, day=day.date)

    @property
    def levels(self) -> Levels:
        setup = self.day.setup
        return Levels(setup.entry, setup.trigger, setup.tick, setup.true_range, setup.direction)


@pytest.fixture(scope="module")
def recorded() -> list[Recorded]:
    days = real_days()
    if days is None:
        pytest.skip(SKIPPED_WHY)
    plain = SymbolDay("", Levels(0, 0, 0, 0, 0), ())
    return [
        Recorded(day, columns_of(replace(plain, symbol=day.symbol, day=day.date, prints=day.prints)))
        for day in days
    ]


class Judged(NamedTuple):
    """A variant, and the days on which the reference has a judgement under it, with that judgement."""

    variant: Variant
    days: list[tuple[Recorded, list[Trade]]]


@pytest.fixture(scope="module", params=list(VARIANTS.values()), ids=list(VARIANTS))
def judged(request: pytest.FixtureRequest, recorded: list[Recorded]) -> Judged:
    variant = request.param
    assert isinstance(variant, Variant)
    return Judged(variant, list(_judgements(recorded, variant)))


def _judgements(recorded: list[Recorded], variant: Variant) -> Iterator[tuple[Recorded, list[Trade]]]:
    for each in recorded:
        day = RandomDay(each.levels, variant.rules, each.day.prints)
        with suppress(OutOfScope):
            yield each, day.reference(variant.jumped_entry)


def by_date(days: list[Recorded]) -> Iterator[list[Recorded]]:
    """The recorded days grouped into the days of an account."""
    dates = defaultdict[date, list[Recorded]](list)
    for each in days:
        dates[each.day.date].append(each)
    yield from dates.values()


def replay_of(days: list[Recorded], rules: Rules, *, is_skipping: bool) -> ReplayDay:
    columns = {each.day.symbol: each.columns for each in days}
    return replayed([each.played() for each in days], rules, is_skipping=is_skipping, columns=columns)


def test_every_trade_of_every_recorded_day_is_the_plain_loops(judged: Judged) -> None:
    for each, expected in judged.days:
        replay = replay_of([each], judged.variant.rules, is_skipping=True)
        assert as_reference(replay.log.trades) == expected, (each.day.symbol, each.day.date)
        assert replay.log.ticks == sum(OPEN <= at < CLOSE for at, _ in each.day.prints)
    assert sum(len(trades) for _, trades in judged.days) == judged.variant.trades


def test_print_by_print_they_are_the_plain_loops_too(judged: Judged) -> None:
    for each, expected in judged.days:
        if expected:  # a day without a trade is compared whole, in both ways, below
            replay = replay_of([each], judged.variant.rules, is_skipping=False)
            assert as_reference(replay.log.trades) == expected, (each.day.symbol, each.day.date)


def test_every_recorded_day_has_a_judgement(recorded: list[Recorded], judged: Judged) -> None:
    assert len(judged.days) == len(recorded) == 51


def test_all_setups_of_a_day_played_together_trade_as_each_alone(judged: Judged) -> None:
    expected = {(each.day.symbol, each.day.date): trades for each, trades in judged.days}
    together = [days for days in by_date([each for each, _ in judged.days]) if len(days) > 1]
    assert len(together) == 12
    for days in together:
        replay = replay_of(days, judged.variant.rules, is_skipping=True)
        for symbol, day in ((each.day.symbol, each.day.date) for each in days):
            assert as_reference(replay.log.trades, symbol) == expected[symbol, day], (symbol, day)


# What the plain loop does not model: limits so narrow that prices jump them, shares that fill in parts,
# a broker that takes its time, an account with limits of its own.
HARDER = {
    "jumped limits": Harder(_plain(entry_limit_pct=Fraction(1, 100), stop_limit_pct=Fraction(0))),
    "partial fills and slippage": Harder(PLAIN_RULES, PaperRules(partial_fills=True, slippage_ticks=1), 40),
    "two seconds of latency": Harder(_plain(initial_stop="ticks"), PaperRules(partial_fills=True), 7, 2000),
    "a daily loss limit": Harder(
        _plain(initial_stop="ticks", stop_ticks=4), account=replace(UNLIMITED, max_daily_loss=500)
    ),
    "one position, one order a second": Harder(
        _plain(bar_s=60),
        PaperRules(partial_fills=True),
        9,
        account=replace(UNLIMITED, max_open_positions=1, max_orders_per_s=1),
    ),
}


@pytest.mark.parametrize("harder", HARDER.values(), ids=HARDER.keys())
def test_skipping_leaves_exactly_the_day_behind_that_taking_every_print_does(
    recorded: list[Recorded], harder: Harder
) -> None:
    orders = 0
    for days in by_date(recorded):
        skipped, stepped = (
            replayed(
                [each.played(harder.quantity) for each in days],
                harder.rules,
                is_skipping=is_skipping,
                account=harder.account,
                paper=harder.paper,
                latency_ns=harder.latency_ms * 1_000_000,
                columns={each.day.symbol: each.columns for each in days},
            )
            for is_skipping in (True, False)
        )
        assert differences(left_behind(skipped), left_behind(stepped)) == [], days[0].day.date
        orders += len(skipped.exchange.records())
    assert orders >= 50
