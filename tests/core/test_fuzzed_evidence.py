"""Random sequences of lost, doubled, torn and reordered evidence, against what must always hold.

The broker of `fuzz` keeps the truth and tells it badly; every happening is checked against that truth, and
after each run a calm must bring belief and truth together. What hypothesis shrinks a failure to is a tape;
its story is printed. `HYPOTHESIS_PROFILE=deep` plays fifty times as many. That this notices is shown
too: an engine that lacks one of its guards fails on some of a few tapes.
"""

from collections.abc import Mapping
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from olaf_async.core.guards import STANDARD, Guards
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import OrderAnswered
from olaf_async.domain.order import ENDS, Order, OrderState
from tests.core.fuzz import World
from tests.core.fuzz_broker import Fault

LOG_LINES = 120
TAPES_WITHOUT = 150
TAPE_BYTES = 500
TAPES = st.binary(min_size=300, max_size=900) | st.binary(max_size=300)


def examples(times: int) -> settings:
    """So many times the examples of the chosen profile."""
    assert settings.default is not None, "a profile is loaded"
    return settings(
        max_examples=settings.default.max_examples * times,
        suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow],
    )


@given(TAPES)
@examples(10)
def test_whatever_a_broker_does_nothing_forbidden_happens_and_belief_comes_right(tape: bytes) -> None:
    world = World(tape)
    try:
        world.play()
    except AssertionError:
        note("\n".join(world.log[-LOG_LINES:]))
        raise


def in_the_slot_now(state: SymbolState, answer: OrderAnswered) -> Order | None:
    """The old mistake: an answer is taken to be about whatever order of its role stands by then."""
    return next((order for order in state.slots if order.key.endswith(answer.key.split("-")[-1])), None)


def is_seen_to_end(order: Order) -> bool:
    """Forgets on a claim, without the proof."""
    return order.state in ENDS or order.state is OrderState.ENDING


TAKEN_OUT: Mapping[str, tuple[Guards, Fault]] = {
    "may_place_stop": (replace(STANDARD, may_place_stop=lambda state: True), Fault.LOSES_ANSWERS),
    "may_place_exit": (replace(STANDARD, may_place_exit=lambda state: True), Fault.LOSES_ANSWERS),
    "may_raise": (replace(STANDARD, may_raise=lambda old, new: old != new), Fault(0)),
    "may_forget": (replace(STANDARD, may_forget=is_seen_to_end), Fault.FILLS_IN_PARTS | Fault.TAKES_AWAY),
    "shares_to_close": (
        replace(STANDARD, shares_to_close=lambda state, side: state.planned),
        Fault.FILLS_IN_PARTS | Fault.FOREIGN_HANDS,
    ),
    "books_allow_entry": (replace(STANDARD, books_allow_entry=lambda state: True), Fault.FOREIGN_HANDS),
    "is_read_current": (
        replace(STANDARD, is_read_current=lambda state, asked_seq: True),
        Fault.LOSES_FRAMES | Fault.TAKES_AWAY,
    ),
    "is_modify_free": (
        replace(
            STANDARD, is_modify_free=lambda order: order.state in (OrderState.WORKING, OrderState.MODIFYING)
        ),
        Fault.FILLS_IN_PARTS,
    ),
    "order_asked_about": (
        replace(STANDARD, order_asked_about=in_the_slot_now),
        Fault.REPEATS | Fault.REFUSES,
    ),
}


def fails(tape: bytes, guards: Guards) -> bool:
    try:
        World(tape, guards).play()
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("guard", TAKEN_OUT)
def test_an_engine_without_this_guard_does_not_get_by(guard: str) -> None:
    guards, faults = TAKEN_OUT[guard]
    head = faults.to_bytes(2, "little")
    tapes = (head + Random(seed).randbytes(TAPE_BYTES) for seed in range(TAPES_WITHOUT))
    assert any(fails(tape, guards) for tape in tapes)
