"""The random days themselves: well formed, and reaching every outcome the engine is to be compared on."""

from collections import Counter
from itertools import pairwise

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from .plain_loop import SECOND, OutOfScope
from .strategies import CLOSE, OPEN, RandomDay, random_days, varied_rules


@given(random_days())
@settings(max_examples=50, deadline=None)
def test_random_days_are_in_order_on_the_grid_and_inside_the_day(day: RandomDay) -> None:
    assert all(earlier[0] <= later[0] for earlier, later in pairwise(day.prints))
    assert all(price > 0 and price % day.levels.tick == 0 for _, price in day.prints)
    assert all(OPEN - 300 * SECOND <= time < CLOSE for time, _ in day.prints)
    assert day.levels.direction * (day.levels.entry - day.levels.trigger) > 0


def _outcomes(days: st.SearchStrategy[RandomDay]) -> Counter[str]:
    """Count, over 300 repeatable examples, the days on which each outcome occurs."""
    seen: Counter[str] = Counter()

    @given(days)
    @settings(
        max_examples=300,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def count(day: RandomDay) -> None:
        patient = day._replace(rules=day.rules._replace(timeout_s=10**6))
        try:
            trades, patient_trades = day.reference(), patient.reference("rest")
        except OutOfScope as unmodelled:
            seen[str(unmodelled)] += 1
            return
        outcomes: set[str] = {trade.reason for trade in trades}
        outcomes |= {"long" if day.levels.direction > 0 else "short" for _ in trades}
        outcomes |= {"raised stop" for trade in trades if trade.final_stop != trade.initial_stop}
        outcomes |= {"gap stop" for t in trades if t.reason == "stop" and t.exit_price != t.final_stop}
        outcomes |= {"gap entry" for trade in trades if trade.entry_price != day.levels.entry}
        outcomes |= {"second entry"} if len(trades) > 1 else set()
        outcomes |= {"attempts used up"} if len(trades) == day.rules.max_attempts else set()
        outcomes |= {"timeout"} if len(patient_trades) != len(trades) else set()
        seen.update(outcomes)

    count()
    return seen


def test_random_days_reach_every_outcome_often() -> None:
    seen = _outcomes(random_days())
    wanted = ["long", "short", "stop", "gap stop", "raised stop", "session_end", "gap entry", "second entry"]
    assert {name: seen[name] for name in wanted if seen[name] < 15} == {}
    rarer = [
        "attempts used up",
        "timeout",
        "an entry's limit was jumped",
        "a protective stop's limit was jumped",
    ]
    assert {name: seen[name] for name in rarer if seen[name] < 3} == {}


def test_random_days_with_targets_reach_them() -> None:
    assert _outcomes(random_days(varied_rules(targets=True)))["target"] >= 15
