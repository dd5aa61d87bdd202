"""What the search relies on: copies go their own way, and situations of one value have one future."""

from dataclasses import replace
from random import Random

import pytest

from olaf_async.core.account import Account
from olaf_async.core.fingerprint import fingerprint
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.order import Order
from olaf_async.sim import beliefs
from olaf_async.sim.beliefs import Value, copy_of, horizon_ns
from olaf_async.sim.model import RULES, Move, Scope, Situation
from olaf_async.sim.model_acts import after
from olaf_async.sim.model_moves import calm, possible
from tests.model.trials import scope

SCOPES = {
    "two faults": scope(faults=2, prints=2),
    "a crash and a fault": replace(scope(faults=1), crashes=1),
    "a hand and a fault": replace(scope(faults=1), hands=1),
    "bars and a fault": replace(scope(faults=1), bars=2),
    "every order, two attempts": replace(scope(attempts=2, prints=5), is_any_order=True),
}
MANY = 3_000


def walk(tried: Scope, seed: int, steps: int = 60) -> list[Situation]:
    """Situations along one way taken at random."""
    chance, now = Random(seed), Situation.of(tried)
    way = [now]
    for _ in range(steps):
        moves = possible(now)
        if not moves:
            break
        now = after(now, chance.choice(moves))
        way.append(now)
    return way


def futures(now: Situation) -> list[tuple[Move, tuple[Value, ...]]]:
    return [(move, after(now, move).value()) for move in possible(now)]


@pytest.mark.parametrize("name", SCOPES)
def test_situations_of_one_value_have_one_future(name: str) -> None:
    first = Situation.of(SCOPES[name])
    known, level, compared = {first.value(): first}, [first], 0
    while level and len(known) < MANY:
        new = []
        for now in level:
            for move in possible(now):
                then = after(now, move)
                other = known.setdefault(then.value(), then)
                if other is then:
                    new.append(then)
                elif compared < MANY // 4:
                    compared += 1
                    assert futures(other) == futures(then)
                    assert calm(other) == calm(then)
        level = new
    assert compared > MANY // 10


@pytest.mark.parametrize("name", SCOPES)
def test_a_copy_believes_the_same_and_a_move_leaves_where_it_came_from_as_it_was(name: str) -> None:
    for now in walk(SCOPES[name], seed=7):
        before = fingerprint(now.engine)
        assert fingerprint(copy_of(now.engine)) == before
        for move in possible(now):
            after(now, move)
        assert fingerprint(now.engine) == before


def test_every_time_and_sequence_number_of_the_core_is_counted_from_now_or_left_out() -> None:
    sorted_out = {
        Order: {*beliefs.ORDER_APART},
        SymbolState: {
            *beliefs.STATE_TIMES,
            *beliefs.STATE_DUES,
            *beliefs.STATE_APART,
            *beliefs.STATE_LEFT_OUT,
        },
        Account: {*beliefs.ACCOUNT_TIMES, *beliefs.ACCOUNT_APART, *beliefs.ACCOUNT_LEFT_OUT},
    }
    for kind, names in sorted_out.items():
        fields = kind.__dataclass_fields__  # type: ignore[attr-defined]
        assert names <= set(fields)
        stamps = {name for name in fields if name.endswith(("_ns", "_seq"))}
        assert stamps - names <= {"clock_ahead_ns"}, "it is a difference, and stands as it is"


def test_nothing_looks_further_than_the_horizon() -> None:
    assert horizon_ns(RULES) > 9 * SECOND_NS
    assert horizon_ns(replace(RULES, settle_ns=77 * SECOND_NS)) > 77 * SECOND_NS
