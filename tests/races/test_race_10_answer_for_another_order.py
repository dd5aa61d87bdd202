"""Race 10: an order is asked about, the order changes meanwhile, and the answer is applied to the new one.

The walls: an answer finds the order it was asked about (`order_asked_about`), never the slot that one was in;
an id is one order's, and is not given to a second; and a read of the books says nothing of a symbol of which
something newer is known (`is_read_current`).
"""

from dataclasses import replace

import pytest

from olaf_async.core import evidence
from olaf_async.core.guards import STANDARD
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import OrderAnswered, Verb
from olaf_async.domain.order import Order, Role, Side
from olaf_async.errors import BrokerUndecided

from .world import ENTRY, OPEN_NS, RISK, SHARES, UNDERCUT, Gate, Mood, World, plan_of, play

# --- an answer for the order before -------------------------------------------------------------


async def the_first_entry_is_answered_while_the_second_is_in_flight(world: World) -> None:
    first = world.broker.keep_answer(Verb.PLACE, Role.ENTRY)
    second = Gate()
    world.broker.meets(Verb.PLACE, Mood(there=second, back=Gate()), Role.ENTRY)
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=10)
    await world.prints(ENTRY - 1_00, pause_s=15)
    await world.prints(ENTRY - 1_00, pause_s=8)
    assert world.working(Side.BUY) == [], "the first one was stale, and is proved to have been cancelled"
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.2)
    first.open()
    await world.prints(ENTRY - 1_00, pause_s=5)
    second.open()
    await world.prints(ENTRY - 1_00, ENTRY, pause_s=1)


STALE_AFTER_30_S = {"order_timeout_ns": 30 * SECOND_NS}
VERY_PATIENT_S = 600


def test_an_answer_is_for_the_order_it_was_asked_about() -> None:
    story = the_first_entry_is_answered_while_the_second_is_in_flight
    world = play(story, rules=STALE_AFTER_30_S, timeout_s=VERY_PATIENT_S)
    assert [order.filled for order in world.orders(Side.BUY)] == [0, SHARES]
    assert world.protected() == SHARES
    second = [order for order in world.state().retired if order.role is Role.ENTRY][-1]
    assert second.order_id == world.orders(Side.BUY)[1].order_id


def in_the_slot(state: SymbolState, answer: OrderAnswered) -> Order | None:
    """The old engine's way: whatever is pending now is what the answer is about."""
    asked_about = STANDARD.order_asked_about(state, answer)
    is_entry = asked_about is not None and asked_about.role is Role.ENTRY
    return state.entry if is_entry and state.entry is not None else asked_about


def counts_for_any(state: SymbolState, order: Order, answer: OrderAnswered) -> None:
    """The answer is believed although an order before it goes by that id."""
    assert answer.order_id is not None
    evidence.accepted(state, order, answer.order_id)


def test_twin_that_gives_the_answer_to_whatever_is_pending_leaves_a_position_naked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two walls are out: whom an answer is for, and that an id is one order's."""
    monkeypatch.setattr(evidence, "_taken_for_another", counts_for_any)
    world = play(
        the_first_entry_is_answered_while_the_second_is_in_flight,
        rules=STALE_AFTER_30_S,
        timeout_s=VERY_PATIENT_S,
        guards=replace(STANDARD, order_asked_about=in_the_slot),
    )
    assert world.position() == SHARES
    assert world.protected() == 0


def test_that_an_id_is_one_orders_holds_alone_too() -> None:
    world = play(
        the_first_entry_is_answered_while_the_second_is_in_flight,
        rules=STALE_AFTER_30_S,
        timeout_s=VERY_PATIENT_S,
        guards=replace(STANDARD, order_asked_about=in_the_slot),
    )
    assert world.position() == world.protected() == SHARES


# --- a snapshot from before the change ----------------------------------------------------------

PLAN = plan_of(trail_buffer_ticks=100, trails_from_entry_bar=False)
BUFFER = 5_00
POLLING = {"idle_poll_ns": 3 * SECOND_NS}


async def a_snapshot_from_before_the_raise_arrives_just_before_the_next_bar_closes(world: World) -> None:
    """The raise has been done and its answer lost; the books that come were taken before it."""
    await world.enters()
    await world.until_ns(OPEN_NS + 61 * SECOND_NS)
    await world.prints(1010_00, 1011_00)
    world.broker.meets(Verb.MODIFY, Mood(fails=BrokerUndecided("reset by peer")), Role.STOP)
    await world.until_ns(OPEN_NS + 117 * SECOND_NS)
    snapshot = world.broker.keep_answer("books")
    await world.until_ns(OPEN_NS + 121 * SECOND_NS)
    assert world.stop_levels()[-1] == 1010_00 - BUFFER
    await world.prints(1007_00, 1008_00)
    await world.until_ns(OPEN_NS + 180 * SECOND_NS - SECOND_NS // 200)
    # The read after it would put a false belief right, so it stays away.
    world.broker.keep_answer("books")
    snapshot.open()
    await world.wait(3)


def test_a_snapshot_from_before_the_raise_does_not_undo_it() -> None:
    story = a_snapshot_from_before_the_raise_arrives_just_before_the_next_bar_closes
    world = play(story, PLAN, rules=POLLING, timeout_s=VERY_PATIENT_S)
    assert world.stop_levels() == [ENTRY - RISK, 1010_00 - BUFFER]
    assert world.state().stop_level == 1010_00 - BUFFER


def test_twin_that_believes_any_snapshot_lowers_the_stop() -> None:
    world = play(
        a_snapshot_from_before_the_raise_arrives_just_before_the_next_bar_closes,
        PLAN,
        rules=POLLING,
        timeout_s=VERY_PATIENT_S,
        guards=replace(STANDARD, is_read_current=lambda state, asked_seq: True),
    )
    assert world.stop_levels() == [ENTRY - RISK, 1010_00 - BUFFER, 1007_00 - BUFFER]
