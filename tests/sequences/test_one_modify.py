"""One change of an order at a time; what the broker keeps is held against what was sent.

That raises coalesce and never step back is in tests/races/test_race_02_trailing_stop.py; that a refused one
leaves the old stop standing, in test_race_08_stop_for_a_closed_position.py.
"""

from collections.abc import Callable

import pytest

from olaf_async.core import reconcile
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import Command, Commanded, Verb
from olaf_async.domain.intents import CancelOrder, ModifyOrder
from olaf_async.domain.order import OrderState, Role, Side, Terms
from olaf_async.errors import BrokerUndecided
from olaf_async.ports.broker import Books
from tests.races.world import ENTRY, LIMIT, OPEN_NS, RISK, SHARES, UNDERCUT, Mood, World, play

LOST = BrokerUndecided("reset by peer")
RULES = {"settle_ns": 20 * SECOND_NS}


async def bars_that_raise(world: World, *numbers: int) -> None:
    """Green bars of a minute, each above the one before, and each wants the stop higher."""
    for number in numbers:
        base = ENTRY + number * 5_00
        await world.prints(base, base + 2_00, base + 1_00, pause_s=0.5)
        minute = (world.clock.now_ns() - OPEN_NS) // (60 * SECOND_NS) + 1
        await world.until_ns(OPEN_NS + (60 * minute + 1) * SECOND_NS)


# --- one outstanding --------------------------------------------------------------------------------


def unreadable(books: Books) -> Books:
    raise LOST


@pytest.mark.parametrize("acts", [True, False], ids=["it was done", "it was not done"])
def test_after_an_undecided_change_there_is_none_until_a_book_shows_old_or_new_terms(acts: bool) -> None:
    async def story(world: World) -> None:
        await world.enters()
        world.broker.meets(Verb.MODIFY, Mood(fails=LOST, acts=acts), Role.STOP)
        world.broker.shows = unreadable
        await bars_that_raise(world, 1, 2, 3)
        assert len(world.asked(ModifyOrder, Role.STOP)) == 1
        world.broker.shows = lambda books: books
        await world.wait(10)

    world = play(story, rules=RULES)
    assert len(world.asked(ModifyOrder, Role.STOP)) == 2, "all that was wished for meanwhile is one change"
    stop = world.state().stop
    assert stop is not None
    assert world.stop_levels()[-1] == stop.terms.trigger == world.state().stop_level
    assert stop.state is OrderState.WORKING


async def an_undecided_raise_when_all_is_to_be_closed(world: World) -> None:
    await world.enters()
    world.broker.meets(Verb.MODIFY, Mood(fails=LOST), Role.STOP)
    for _ in range(3):
        world.broker.meets("books", Mood(fails=LOST, acts=False))
    await world.until_ns(OPEN_NS + 60 * SECOND_NS + SECOND_NS // 10)
    stop = world.state().stop
    assert stop is not None
    assert stop.state is OrderState.MODIFY_UNDECIDED
    world.supervisor.pump.put(Commanded(world.clock.now_ns(), Command.FLATTEN))
    await world.wait(0.1)
    assert len(world.asked(CancelOrder, Role.STOP)) == 1
    await world.prints(ENTRY + 1_00, pause_s=6)


def test_an_undecided_change_never_blocks_a_cancel() -> None:
    world = play(an_undecided_raise_when_all_is_to_be_closed, rules=RULES)
    assert world.positions() == [0, SHARES, 0]


# --- the budget -------------------------------------------------------------------------------------


async def an_entry_fills_share_by_share(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    for _ in range(SHARES):
        if world.working(Side.BUY):
            world.next_fills = [1]
            await world.prints(ENTRY, pause_s=1)


TIGHT = {"modifications_max": 6, "modifications_reserve": 2}


def test_with_the_reserve_of_changes_reached_the_rest_of_the_entry_is_taken_back() -> None:
    world = play(an_entry_fills_share_by_share, rules=TIGHT)
    assert len(world.asked(CancelOrder, Role.ENTRY)) == 1
    assert 0 < world.position() < SHARES
    assert world.protected() == world.position()
    assert len(world.asked(ModifyOrder, Role.STOP)) <= 6


def test_twin_without_a_budget_changes_its_stop_at_every_fill() -> None:
    world = play(an_entry_fills_share_by_share, rules={"modifications_max": 1_000})
    assert len(world.asked(ModifyOrder, Role.STOP)) == SHARES - 1


async def the_stop_is_raised_all_day(world: World) -> None:
    await world.enters()
    await bars_that_raise(world, *range(1, 9))


def test_raises_stop_at_the_reserve_and_the_stop_stays() -> None:
    world = play(the_stop_is_raised_all_day, rules=TIGHT)
    assert len(world.asked(ModifyOrder, Role.STOP)) == 4
    assert world.protected() == SHARES


def test_bars_raise_and_not_prints() -> None:
    """A hundred prints in a minute of a rising price are one raise."""

    async def story(world: World) -> None:
        await world.enters()
        for step in range(100):
            await world.prints(ENTRY + 10 * step, pause_s=0.5)
        await world.until_ns(OPEN_NS + 119 * SECOND_NS)

    assert len(play(story).asked(ModifyOrder, Role.STOP)) == 1


# --- read back, and put right once ------------------------------------------------------------------

KEPT: dict[str, Callable[[Terms], Terms]] = {
    "it is lower": lambda sent: Terms(sent.quantity, sent.price - 5_00, sent.trigger - 5_00),
    "its trigger is lower": lambda sent: Terms(sent.quantity, sent.price, sent.trigger - 5_00),
    "its limit is nearer": lambda sent: Terms(sent.quantity, sent.price + 5_00, sent.trigger),
    "its quantity is less": lambda sent: Terms(sent.quantity - 3, sent.price, sent.trigger),
    "its quantity is more": lambda sent: Terms(sent.quantity + 3, sent.price, sent.trigger),
}


def keeps_otherwise(world: World, how: Callable[[Terms], Terms]) -> Terms:
    """The broker has other terms for the stop than were sent."""
    (stop,) = world.working(Side.SELL)
    sent = Terms(stop.quantity, stop.price, stop.trigger)
    world.exchange.modify(stop.order_id, how(sent), world.clock.now_ns())
    return sent


@pytest.mark.parametrize("how", KEPT)
def test_a_stop_that_the_broker_keeps_otherwise_than_sent_is_put_right_once_with_an_alarm(how: str) -> None:
    async def story(world: World) -> None:
        await world.enters()
        sent = keeps_otherwise(world, KEPT[how])
        await world.wait(15)
        (stop,) = world.working(Side.SELL)
        assert Terms(stop.quantity, stop.price, stop.trigger) == sent
        assert "terms_differ" in world.alarms.codes
        assert len(world.asked(ModifyOrder, Role.STOP)) == 1

    play(story, rules={"idle_poll_ns": 2 * SECOND_NS})


async def the_broker_never_keeps_what_is_sent(world: World) -> None:
    await world.enters()
    for _ in range(4):
        keeps_otherwise(world, KEPT["it is lower"])
        await world.wait(10)


def test_terms_that_are_never_kept_are_put_right_once_and_then_a_person_is_called() -> None:
    world = play(the_broker_never_keeps_what_is_sent, rules={"idle_poll_ns": 2 * SECOND_NS})
    assert len(world.asked(ModifyOrder, Role.STOP)) == 1
    assert "frozen" in world.alarms.codes
    assert world.protected() == SHARES


def reads_nothing_back(*_args: object) -> None:
    return None


def test_twin_that_does_not_read_back_leaves_the_wrong_stop_standing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "_read_back", reads_nothing_back)
    world = play(the_broker_never_keeps_what_is_sent, rules={"idle_poll_ns": 2 * SECOND_NS})
    assert world.stop_levels()[-1] < ENTRY - RISK
    assert world.alarms.codes == []


async def the_entry_is_kept_otherwise(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    (entry,) = world.working(Side.BUY)
    world.exchange.modify(entry.order_id, Terms(2 * SHARES, LIMIT, ENTRY), world.clock.now_ns())
    await world.wait(4)
    await world.prints(ENTRY, pause_s=2)


def test_an_entry_that_the_broker_keeps_otherwise_is_taken_back() -> None:
    world = play(the_entry_is_kept_otherwise, rules={"idle_poll_ns": SECOND_NS})
    assert world.positions() == [0]
