"""Made-up trading days: a seeded walk of prints around a setup's levels, about as busy as a recorded feed."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from olaf_async.adapters.replay.files import PriceColumns
from olaf_async.core.engine import Plan
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.price import floor_to_tick
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Setup
from olaf_async.strategies.eighty_twenty import EightyTwenty, EightyTwentyRules

FEED_PRINTS = 20_000
"""A day of a broker's price feed: about one print a second, as recorded in 2021."""
TAPE_PRINTS = 1_000_000
"""A day of every trade in a busy share."""
TICK = 5
DAY = date(2021, 5, 3)
OPEN_S, EXIT_S, CLOSE_S = 33_300, 53_100, 55_800
RULES = EightyTwentyRules(trigger_window_ns=3_600 * SECOND_NS, bar_ns=900 * SECOND_NS)


@dataclass(frozen=True, slots=True)
class MadeUpDay:
    """A plan and the prints to run it on."""

    plan: Plan
    columns: PriceColumns


def made_up_days(count: int, prints: int, seed: int = 20) -> list[MadeUpDay]:
    """``count`` days of different symbols; about half of them undercut their trigger."""
    chance = np.random.default_rng(seed)
    return [_day(f"S{number:03d}", prints, chance) for number in range(count)]


def _day(symbol: str, prints: int, chance: np.random.Generator) -> MadeUpDay:
    midnight_ns = int(datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC).timestamp()) * SECOND_NS
    session = Session(
        DAY,
        midnight_ns + OPEN_S * SECOND_NS,
        midnight_ns + OPEN_S * SECOND_NS,
        midnight_ns + EXIT_S * SECOND_NS,
        midnight_ns + CLOSE_S * SECOND_NS,
    )
    seconds = np.sort(chance.integers(OPEN_S, CLOSE_S, prints))
    # Denser days have the same range: they move on fewer of their prints.
    is_move = chance.random(prints) < FEED_PRINTS / prints
    steps = chance.choice(np.array([-2, -1, 0, 0, 1, 2]), prints) * is_move
    start = int(chance.integers(20_000, 200_000))
    prices = (start // TICK + np.cumsum(steps)) * TICK
    entry = floor_to_tick(start - int(chance.integers(10, 600)), TICK)
    setup = Setup(symbol, DAY, entry, entry - 10 * TICK, TICK, true_range=max(100, start // 40))
    columns = PriceColumns(symbol, DAY, midnight_ns + seconds * SECOND_NS, prices, None, 0, prints)
    return MadeUpDay(Plan(setup, session, EightyTwenty(setup, session, RULES)), columns)
