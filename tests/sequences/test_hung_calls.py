"""The lock is not held by a hung call: what protects does not wait, what reads does not wait, others do not.

The desk's side of it, call by call, is in tests/shell/test_desk.py (D3, D4); another symbol's orders while a
call hangs, in tests/shell/test_slow_calls.py.
"""

import pytest

from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import Verb
from olaf_async.domain.intents import CancelOrder, OrderIntent
from olaf_async.domain.order import Role, Side
from olaf_async.shell.desk import Desk
from tests.races.world import ENTRY, OPEN_NS, RISK, SHARES, UNDERCUT, World, plan_of, play

FOR_EVER_S = 3_600
POLL = {"idle_poll_ns": SECOND_NS}


# --- the books are read while a call hangs ----------------------------------------------------------


async def the_call_of_the_entry_hangs_and_its_frames_are_lost(world: World) -> None:
    world.broker.keep_answer(Verb.PLACE, Role.ENTRY)
    world.broker.loses_frames = True
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    await world.prints(ENTRY, pause_s=4)


def test_a_read_finds_what_a_hung_call_has_done_and_the_shares_are_protected() -> None:
    world = play(the_call_of_the_entry_hangs_and_its_frames_are_lost, rules=POLL, timeout_s=FOR_EVER_S)
    assert world.protected() == SHARES
    (bought,) = world.exchange.fills
    assert world.orders(Side.SELL)[0].placed_ns - bought.at_ns <= 3 * SECOND_NS


# --- a call of each kind hangs, and the day goes on ---------------------------------------------------

DEADLINE_NS = OPEN_NS + 200 * SECOND_NS
HANGS: dict[str, tuple[Verb, Role]] = {
    "the entry": (Verb.PLACE, Role.ENTRY),
    "the stop": (Verb.PLACE, Role.STOP),
    "a raise": (Verb.MODIFY, Role.STOP),
    "the stop's cancel": (Verb.CANCEL, Role.STOP),
    "the exit": (Verb.PLACE, Role.EXIT),
}


async def a_day_to_its_deadline(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=0.5)
    await world.until_ns(OPEN_NS + 61 * SECOND_NS)
    await world.prints(ENTRY + 5_00, ENTRY + 7_00, ENTRY + 6_00, pause_s=0.5)
    await world.until_ns(OPEN_NS + 121 * SECOND_NS)
    await world.prints(ENTRY + 6_00, pause_s=0.5)
    await world.until_ns(DEADLINE_NS - SECOND_NS)
    await world.prints(ENTRY + 6_00, pause_s=2)
    await world.prints(*[ENTRY + 6_00] * 6, pause_s=1)


@pytest.mark.parametrize("hangs", HANGS)
def test_whichever_answer_never_comes_the_day_ends_flat_with_one_trade(hangs: str) -> None:
    async def story(world: World) -> None:
        world.broker.keep_answer(*HANGS[hangs])
        await a_day_to_its_deadline(world)

    world = play(story, plan_of(exit_ns=DEADLINE_NS), rules=POLL, timeout_s=FOR_EVER_S)
    assert world.positions() == [0, SHARES, 0]
    assert world.working(Side.SELL) == []
    assert len(world.supervisor.outcome.trades) == 1


# --- an exit is not kept by the call before it --------------------------------------------------------


async def the_request_of_the_stop_hangs_when_the_day_ends(world: World) -> None:
    """The stop is never to be cancelled while nobody knows its id: so what is waited for is evidence."""
    await world.enters()
    world.broker.keep_answer(Verb.MODIFY, Role.STOP)
    await world.until_ns(OPEN_NS + 60 * SECOND_NS + SECOND_NS // 10)
    await world.prints(ENTRY - RISK + 50_00, pause_s=0.1)
    await world.until_ns(DEADLINE_NS + SECOND_NS)


def test_the_cancel_at_the_deadline_leaves_at_once_though_a_raise_hangs() -> None:
    world = play(
        the_request_of_the_stop_hangs_when_the_day_ends,
        plan_of(exit_ns=DEADLINE_NS),
        timeout_s=FOR_EVER_S,
    )
    at_ns = next(at for at, one in world.broker.calls if isinstance(one, CancelOrder))
    assert at_ns - DEADLINE_NS <= SECOND_NS // 100


async def a_fill_while_the_call_hangs(world: World) -> None:
    world.broker.keep_answer(Verb.PLACE, Role.ENTRY)
    await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=0.5)


def waits_its_turn(_desk: Desk, _intent: OrderIntent) -> None:
    """Protection stands in the queue like everybody."""


def test_twin_whose_lock_waits_for_the_answer_leaves_the_fill_naked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither evidence that settles the question nor protection that waits frees the lock."""

    def only_the_answer(desk: Desk, intent: OrderIntent) -> bool:
        return intent.request in desk._answered

    monkeypatch.setattr(Desk, "_is_settled", only_the_answer)
    monkeypatch.setattr(Desk, "_announce", waits_its_turn)
    assert play(a_fill_while_the_call_hangs, timeout_s=FOR_EVER_S).protected() == 0
