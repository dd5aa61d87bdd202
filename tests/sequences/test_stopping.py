"""Stop, halt, daily loss, deadline, fatal error: first the resting entries are taken back, with evidence.

A resting stop that fills when nobody is left, or nobody is willing, is a naked position. What `stop` does,
the wait that is bounded, the alarm that names the order and the exit code 4 are in tests/shell/test_stop.py.
"""

from collections.abc import Callable

import pytest

from olaf_async.core import entries
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import Command, Commanded, Mode, ModeSeen, Verb
from olaf_async.domain.intents import CancelOrder, PlaceOrder
from olaf_async.domain.order import Order, Role, Side
from olaf_async.errors import BrokerQueued, BrokerUnreachable, NeedsApproval
from tests.races.world import ENTRY, INFY, OPEN_NS, RISK, SHARES, UNDERCUT, Gate, Mood, World, plan_of, play

TCS = "TCS"
DEADLINE_NS = OPEN_NS + 30 * SECOND_NS


def commands(command: Command, symbol: str | None = None) -> Callable[[World], None]:
    def act(world: World) -> None:
        world.supervisor.pump.put(Commanded(world.clock.now_ns(), command, symbol))

    return act


def changes_mode(world: World) -> None:
    for mode in (Mode.ANALYZE, Mode.LIVE):
        world.supervisor.pump.put(ModeSeen(world.clock.now_ns(), mode))


def books_cannot_be_read(world: World) -> None:
    for _ in range(30):
        world.broker.meets("books", Mood(fails=BrokerUnreachable("no route"), acts=False))


REASONS: dict[str, Callable[[World], None]] = {
    "a halt": commands(Command.HALT),
    "a halt of the symbol": commands(Command.HALT, INFY),
    "a kill": commands(Command.KILL),
    "a flatten": commands(Command.FLATTEN),
    "a stop": commands(Command.STOP),
    "a change of mode": changes_mode,
    "books that cannot be read": books_cannot_be_read,
    "the deadline": lambda world: None,
}


@pytest.mark.parametrize("reason", REASONS)
def test_a_resting_entry_is_taken_back_and_fills_nothing_afterwards(reason: str) -> None:
    async def story(world: World) -> None:
        await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
        assert len(world.working(Side.BUY)) == 1
        REASONS[reason](world)
        await world.until_ns(
            DEADLINE_NS + 2 * SECOND_NS if reason == "the deadline" else DEADLINE_NS - SECOND_NS
        )
        assert world.working(Side.BUY) == []
        is_quiet = world.supervisor.engine.is_quiet
        assert is_quiet is (reason != "books that cannot be read"), "its end has been seen, where it could be"
        await world.prints(ENTRY, ENTRY + 1_00, UNDERCUT, ENTRY, pause_s=0.5)

    plan = plan_of(exit_ns=DEADLINE_NS)
    world = play(story, plan, rules={"idle_poll_ns": 2 * SECOND_NS})
    assert len(world.asked(CancelOrder, Role.ENTRY)) == 1
    assert len(world.asked(PlaceOrder, Role.ENTRY)) == 1
    assert world.positions() == [0]


def wants_it_all_the_same(_state: SymbolState, _entry: Order, _now_ns: int) -> bool:
    return False


def test_twin_that_only_takes_no_new_entries_is_filled_after_the_halt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it then holds it protects; but nobody had wanted it any more."""
    monkeypatch.setattr(entries, "is_unwanted", wants_it_all_the_same)

    async def story(world: World) -> None:
        await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
        commands(Command.HALT)(world)
        await world.prints(ENTRY - 1_00, ENTRY, pause_s=1)

    assert play(story).position() == SHARES


# --- the loss of a day ----------------------------------------------------------------------------


async def one_symbol_loses_what_the_day_may_cost_while_another_rests(world: World) -> None:
    await world.prints(ENTRY, symbol=TCS)
    await world.enters()
    await world.prints(UNDERCUT, ENTRY - 1_00, symbol=TCS, pause_s=0.5)
    assert len(world.working(Side.BUY, TCS)) == 1
    await world.prints(ENTRY - RISK - 5, ENTRY - 16_00, pause_s=1.5)
    await world.prints(ENTRY, symbol=TCS, pause_s=1)


def test_the_daily_loss_takes_the_resting_entries_of_all_symbols_back() -> None:
    world = play(
        one_symbol_loses_what_the_day_may_cost_while_another_rests,
        plan_of(INFY),
        plan_of(TCS),
        rules={"max_daily_loss": SHARES * RISK},
    )
    assert "daily_loss" in world.alarms.codes
    assert world.position(INFY) == 0
    assert world.positions(TCS) == [0]
    assert world.working(Side.BUY, TCS) == []


def test_twin_without_a_limit_enters_the_next_one() -> None:
    world = play(one_symbol_loses_what_the_day_may_cost_while_another_rests, plan_of(INFY), plan_of(TCS))
    assert world.position(TCS) == SHARES


async def a_held_symbol_falls_below_the_limit_before_its_stop(world: World) -> None:
    await world.enters()
    await world.prints(ENTRY - 6_00, pause_s=3)


def test_the_daily_loss_closes_what_is_held_and_counts_what_is_not_realised_yet() -> None:
    world = play(a_held_symbol_falls_below_the_limit_before_its_stop, rules={"max_daily_loss": SHARES * 5_00})
    assert world.positions() == [0, SHARES, 0]
    assert world.working(Side.SELL) == []


# --- a fill that is on its way ----------------------------------------------------------------------


async def it_fills_in_part_while_it_is_taken_back(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    cancel = world.broker.keep_request(Verb.CANCEL, Role.ENTRY)
    commands(Command.HALT)(world)
    await world.wait(0.1)
    world.next_fills = [4]
    await world.prints(ENTRY, pause_s=0.2)
    cancel.open()
    await world.wait(0.2)
    await world.prints(ENTRY - 1_00, ENTRY, pause_s=1.5)


def test_what_fills_on_the_way_is_a_position_like_any_other_and_protected() -> None:
    world = play(it_fills_in_part_while_it_is_taken_back)
    assert world.positions() == [0, 4]
    assert world.protected() == 4
    assert world.working(Side.BUY) == []


# --- an order that waits for a person, and one of another symbol --------------------------------


async def a_server_queues_one_entry_while_another_rests(world: World) -> None:
    await world.prints(ENTRY, symbol=TCS)
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    world.broker.meets(Verb.PLACE, Mood(fails=BrokerQueued("pending"), acts=False), Role.ENTRY, TCS)
    await world.prints(UNDERCUT, ENTRY - 1_00, symbol=TCS, pause_s=1)
    await world.prints(ENTRY, pause_s=1)


def test_an_order_queued_for_a_person_ends_new_risk_in_the_whole_account() -> None:
    world = play(a_server_queues_one_entry_while_another_rests, plan_of(INFY), plan_of(TCS))
    assert "queued" in world.alarms.codes
    assert world.working(Side.BUY) == []
    assert world.positions() == [0]


# --- the cancel itself is refused or lost -----------------------------------------------------------


@pytest.mark.parametrize("lost", [Mood(fails=BrokerUnreachable("no route"), acts=False), Mood(back=Gate())])
def test_a_cancel_that_is_lost_is_asked_again_until_the_end_is_seen(lost: Mood) -> None:
    async def story(world: World) -> None:
        await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
        world.broker.loses_frames = True
        world.broker.meets(Verb.CANCEL, lost, Role.ENTRY)
        commands(Command.HALT)(world)
        await world.wait(8)

    world = play(story)
    assert world.working(Side.BUY) == []
    assert world.supervisor.engine.is_quiet


async def a_server_wants_approval_for_each_order(world: World) -> None:
    world.broker.meets(Verb.PLACE, Mood(fails=NeedsApproval("semi-auto"), acts=False), Role.ENTRY, TCS)
    await world.prints(ENTRY, symbol=TCS)
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    await world.prints(UNDERCUT, ENTRY - 1_00, symbol=TCS, pause_s=1)
    await world.prints(ENTRY, pause_s=1)
    await world.prints(UNDERCUT, ENTRY - 1_00, symbol=TCS, pause_s=6)


def test_a_server_that_wants_approval_for_each_order_ends_new_risk() -> None:
    """Nothing could be protected in time any more."""
    world = play(a_server_wants_approval_for_each_order, plan_of(INFY), plan_of(TCS))
    assert world.alarms.codes.count("semi_auto") == 1
    assert world.positions() == [0]
    assert len([one for _, one in world.broker.calls if one.symbol == TCS]) == 1
