"""Race 1: a stale entry is being cancelled, and the engine already acts as if it were gone.

The walls: an order leaves its slot only on the broker's evidence (`may_forget`), and the lock, which keeps
the next entry waiting while the cancel is out. An answer that comes late speaks of its own order only.
"""

from dataclasses import replace

import pytest

from olaf_async.core.guards import STANDARD
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import Verb
from olaf_async.domain.order import Order, OrderState, Role, Side

from .walls import OpenDoor, Walls
from .world import ENTRY, RISK, SHARES, UNDERCUT, World, play

STALE_AFTER_30_S = {"order_timeout_ns": 30 * SECOND_NS}


def forgets_what_it_cancels(order: Order) -> bool:
    """The old engine's way: the cancel is sent, the id is cleared."""
    return order.state is OrderState.CANCELLING or not order.is_outstanding


FORGETFUL = replace(STANDARD, may_forget=forgets_what_it_cancels)


async def an_entry_fills_while_its_cancel_is_on_the_way(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00)
    cancel = world.broker.keep_request(Verb.CANCEL, Role.ENTRY)
    await world.wait(28.5)
    await world.prints(999_00, pause_s=1.5)
    # It is stale now. The price dips once more, which by itself would arm another entry, then comes back.
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.1)
    await world.prints(ENTRY)
    cancel.open()
    await world.wait(3)


def test_an_entry_that_fills_while_it_is_cancelled_is_the_only_one_and_is_protected() -> None:
    world = play(an_entry_fills_while_its_cancel_is_on_the_way, rules=STALE_AFTER_30_S)
    assert len(world.orders(Side.BUY)) == 1
    assert world.position() == SHARES
    assert world.protected() == SHARES
    assert world.stop_levels() == [ENTRY - RISK]
    assert world.state().entry is None


def test_twin_forgetting_what_it_cancels_and_locking_nothing_it_buys_twice() -> None:
    world = play(
        an_entry_fills_while_its_cancel_is_on_the_way,
        rules=STALE_AFTER_30_S,
        guards=FORGETFUL,
        new_lock=OpenDoor,
    )
    assert world.bought() == 2 * SHARES
    assert max(world.positions()) == 2 * SHARES


@pytest.mark.parametrize(
    "walls",
    [{"guards": FORGETFUL}, {"new_lock": OpenDoor}],
    ids=["the lock is left", "the guard is left"],
)
def test_either_wall_alone_still_holds(walls: Walls) -> None:
    world = play(an_entry_fills_while_its_cancel_is_on_the_way, rules=STALE_AFTER_30_S, **walls)
    assert world.bought() == SHARES
    assert world.protected() == SHARES


# --- the answer to that cancel, when another entry stands -----------------------------------------


async def the_answer_to_a_cancel_comes_when_the_next_entry_stands(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00)
    cancel = world.broker.keep_answer(Verb.CANCEL, Role.ENTRY)
    await world.wait(28.5)
    await world.prints(999_00, pause_s=4)
    assert world.working(Side.BUY) == []
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=1)
    assert len(world.working(Side.BUY)) == 1
    cancel.open()
    await world.wait(0.1)
    await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=1)
    await world.wait(3)


def test_the_answer_to_the_old_cancel_leaves_the_next_entry_alone() -> None:
    world = play(the_answer_to_a_cancel_comes_when_the_next_entry_stands, rules=STALE_AFTER_30_S)
    assert [order.filled for order in world.orders(Side.BUY)] == [0, SHARES]
    assert world.protected() == SHARES
