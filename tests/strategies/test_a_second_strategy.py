"""A strategy that is not the 80-20 meets the protocol and trades, with nothing in the core aware of it."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pytest

from olaf_async.adapters.paper.exchange import PaperRules
from olaf_async.adapters.replay.files import PriceColumns
from olaf_async.adapters.replay.machine import ReplayDay
from olaf_async.core.engine import Plan
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.domain.bar import Bar
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Direction, Setup
from olaf_async.domain.trade import Trade
from olaf_async.strategies.protocol import Arming, Oriented, Strategy, oriented

MIDNIGHT_NS = 1_620_000_000 * SECOND_NS
OPEN_NS = MIDNIGHT_NS + 33_300 * SECOND_NS
SESSION = Session(
    date(2021, 5, 3),
    OPEN_NS,
    OPEN_NS,
    MIDNIGHT_NS + 53_100 * SECOND_NS,
    MIDNIGHT_NS + 55_800 * SECOND_NS,
)
MIRROR = 200_000
"""Prices of the mirrored day are this minus those of the day: rises become falls."""


@dataclass(frozen=True, slots=True)
class DipAndHold:
    """Buys any return to a level after a dip, at any hour; a fixed stop, a fixed target, no trailing."""

    setup: Setup

    @property
    def direction(self) -> Direction:
        """The setup's side."""
        return self.setup.direction

    @property
    def bar_ns(self) -> int:
        """Bars are asked for and ignored."""
        return 300 * SECOND_NS

    @property
    def entry(self) -> Oriented:
        """Where to rest."""
        return oriented(self.setup.entry_price, self.direction)

    def arming(self, *, after_exit: bool) -> Arming:
        """A dip at any time; one trade a day is enough."""
        until_ns = SESSION.open_ns if after_exit else SESSION.exit_ns
        return Arming(oriented(self.setup.trigger_price, self.direction), SESSION.open_ns, until_ns)

    def initial_stop(self, fill: Oriented) -> Oriented:
        """Two rupees below."""
        return fill - 200

    def target(self, fill: Oriented, initial_stop: Oriented) -> Oriented | None:
        """Twice the risk above."""
        return fill + 2 * (fill - initial_stop)

    def trailed_stop(self, bar: Bar, *, is_entry_bar: bool) -> Oriented | None:
        """Never."""
        return None


def _run(direction: Direction, prices: list[int]) -> list[Trade]:
    level, trigger = (100_000, 99_800) if direction is Direction.LONG else (MIRROR - 100_000, MIRROR - 99_800)
    setup = Setup("X", SESSION.day, level, trigger, 5, 1_000, direction)
    strategy: Strategy = DipAndHold(setup)
    shown = prices if direction is Direction.LONG else [MIRROR - price for price in prices]
    times = OPEN_NS + 7_200 * SECOND_NS + np.arange(len(shown)) * 10 * SECOND_NS
    columns = PriceColumns("X", SESSION.day, times, np.array(shown), None, 0, len(shown))
    day = ReplayDay([Plan(setup, SESSION, strategy)], {"X": columns}, Rules(), PaperRules())
    return day.run().trades


STORIES = {
    "target": [100_100, 99_790, 99_900, 100_010, 100_200, 100_420, 100_415, 99_700, 100_100],
    "stop": [100_100, 99_790, 99_900, 100_010, 99_900, 99_800, 99_790, 100_100],
    "session_end": [100_100, 99_790, 99_900, 100_010, 100_050],
}


@pytest.mark.parametrize("reason", STORIES)
def test_a_second_strategy_needs_nothing_from_the_core(reason: str) -> None:
    (trade,) = _run(Direction.LONG, STORIES[reason])
    assert (trade.entry_value, trade.reason.value) == (100_010, reason)
    assert (trade.initial_stop, trade.final_stop) == (99_810, 99_810)


@pytest.mark.parametrize("reason", STORIES)
def test_its_short_is_its_long_seen_in_a_mirror(reason: str) -> None:
    (long,), (short,) = (_run(direction, STORIES[reason]) for direction in Direction)
    assert short.gross == long.gross
    assert MIRROR - short.entry_value == long.entry_value
    assert MIRROR - short.exit_value == long.exit_value
    assert MIRROR - short.final_stop == long.final_stop
    assert (short.entry_ns, short.exit_ns, short.reason) == (long.entry_ns, long.exit_ns, long.reason)
