"""The synchronous shell by itself: what it owes to the contract beyond being equal to the other shell."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import numpy as np
import pytest

from olaf_async.adapters.paper.exchange import PaperRules
from olaf_async.adapters.replay.files import PriceColumns
from olaf_async.adapters.replay.machine import ReplayDay
from olaf_async.core.engine import Plan
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Setup
from olaf_async.strategies.eighty_twenty import EightyTwenty, EightyTwentyRules

OPEN_NS = 1_620_033_300 * SECOND_NS
SESSION = Session(
    date(2021, 5, 3), OPEN_NS, OPEN_NS, OPEN_NS + 19_800 * SECOND_NS, OPEN_NS + 22_500 * SECOND_NS
)
SETUP = Setup("X", SESSION.day, 100_000, 99_950, 5, 2_000)
STRATEGY = EightyTwentyRules(3_600 * SECOND_NS, 900 * SECOND_NS, take_profit_r=Fraction(1))


@pytest.mark.parametrize("is_skipping", [True, False])
def test_an_exit_that_a_print_has_caused_waits_for_the_next_print(*, is_skipping: bool) -> None:
    seconds = [10, 20, 30, 60, 62]
    prices = [99_900, 100_000, 100_500, 101_000, 100_900]
    columns = PriceColumns(
        "X", SESSION.day, OPEN_NS + np.array(seconds) * SECOND_NS, np.array(prices), None, 0, len(prices)
    )
    plan = Plan(SETUP, SESSION, EightyTwenty(SETUP, SESSION, STRATEGY))
    rules = Rules(chase_ns=10 * SECOND_NS)
    day = ReplayDay([plan], {"X": columns}, rules, PaperRules(), is_skipping=is_skipping)
    (trade,) = day.run().trades
    assert (trade.reason.value, trade.exit_value) == ("target", 100_900), "the target's own print is gone"
    assert (trade.exit_ns - OPEN_NS) // SECOND_NS == 62


@pytest.mark.parametrize("seed", range(5))
def test_where_the_file_ends_early_the_deadline_closes_what_was_filled_in_parts_at_the_last_price(
    seed: int,
) -> None:
    seconds, prices = [10, 20, 21, 30], [99_900, 100_000, 100_005, 100_100]
    columns = PriceColumns(
        "X", SESSION.day, OPEN_NS + np.array(seconds) * SECOND_NS, np.array(prices), None, 0, len(prices)
    )
    setup = replace(SETUP, quantity=1_000)
    plan = Plan(setup, SESSION, EightyTwenty(setup, SESSION, replace(STRATEGY, take_profit_r=Fraction(0))))
    day = ReplayDay([plan], {"X": columns}, Rules(), PaperRules(partial_fills=True, seed=seed))
    (trade,) = day.run().trades
    assert (trade.reason.value, trade.exit_ns) == ("session_end", SESSION.exit_ns)
    assert trade.exit_value == trade.quantity * 100_100
