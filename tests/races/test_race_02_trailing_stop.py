"""Race 2: the trailing stop is raised while something newer is already known of it.

The walls: a stop only rises (`may_raise`), a modify's answer speaks of that modify only (`is_answer_for`),
and while one modify is out no other is sent (`is_modify_free`, and behind it the table of an order's life).
"""

from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

import pytest

from olaf_async.core.guards import STANDARD
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain import order as domain_order
from olaf_async.domain.events import Verb
from olaf_async.domain.intents import ModifyOrder
from olaf_async.domain.order import TRANSITIONS, OrderState, Role, Side, Signal
from olaf_async.domain.price import Paise

from .world import ENTRY, OPEN_NS, RISK, SHARES, World, plan_of, play

FIRST_STOP = ENTRY - RISK
BUFFER = 5_00
"""How far below a green bar's low its stop lies; wide, so that a lower bar need not touch the stop."""
PLAN = plan_of(trail_buffer_ticks=100, trails_from_entry_bar=False)


async def green_bar(world: World, low: Paise) -> None:
    """The minute in progress trades from ``low`` up; then it closes."""
    await world.prints(low, low + 1_00, pause_s=1)
    minutes = (world.clock.now_ns() - OPEN_NS) // (60 * SECOND_NS)
    await world.until_ns(OPEN_NS + (minutes + 1) * 60 * SECOND_NS + 1)


async def holds(world: World) -> None:
    """In, and the bar of the entry over; it does not count."""
    await world.enters()
    await green_bar(world, 1001_00)
    assert world.stop_levels() == [FIRST_STOP]


def falls(world: World) -> list[tuple[Paise, Paise]]:
    """Each time the stop came to lie lower at the exchange: (from, to)."""
    levels = world.stop_levels()
    return [(old, new) for old, new in pairwise(levels) if new < old]


# --- it only rises --------------------------------------------------------------------------------


async def a_lower_bar_closes_while_a_raise_is_on_the_way(world: World) -> None:
    await holds(world)
    raise_ = world.broker.keep_request(Verb.MODIFY, Role.STOP)
    await green_bar(world, 1010_00)
    await green_bar(world, 1007_00)
    raise_.open()
    await world.wait(3)


def test_a_raise_that_arrives_late_is_not_followed_by_a_lower_one() -> None:
    world = play(a_lower_bar_closes_while_a_raise_is_on_the_way, PLAN, timeout_s=600)
    assert world.stop_levels() == [FIRST_STOP, 1010_00 - BUFFER]


def test_twin_that_may_lower_follows_the_lower_bar_down() -> None:
    world = play(
        a_lower_bar_closes_while_a_raise_is_on_the_way,
        PLAN,
        timeout_s=600,
        guards=replace(STANDARD, may_raise=lambda current, wished: True),
    )
    assert falls(world) == [(1010_00 - BUFFER, 1007_00 - BUFFER)]


# --- a modify that returns late changes nothing newer ---------------------------------------------


async def the_first_raise_is_answered_while_the_second_is_on_the_way(world: World) -> None:
    await holds(world)
    first = world.broker.keep_request(Verb.MODIFY, Role.STOP)
    second = world.broker.keep_request(Verb.MODIFY, Role.STOP)
    await green_bar(world, 1005_00)  # the first raise; unanswered, and by the books never done
    await green_bar(world, 1010_00)  # the second
    first.open()
    await green_bar(world, 1015_00)  # a third is due
    await world.wait(0.5)
    second.open()
    await world.wait(3)


UNANSWERED_FOR_59_S = 59


def test_the_answer_to_an_older_raise_does_not_stand_for_the_newer_one() -> None:
    story = the_first_raise_is_answered_while_the_second_is_on_the_way
    world = play(story, PLAN, timeout_s=UNANSWERED_FOR_59_S)
    assert world.stop_levels() == [FIRST_STOP, 1005_00 - BUFFER, 1010_00 - BUFFER, 1015_00 - BUFFER]


def test_twin_that_takes_any_answer_for_the_newest_lets_an_older_raise_overwrite_a_newer() -> None:
    world = play(
        the_first_raise_is_answered_while_the_second_is_on_the_way,
        PLAN,
        timeout_s=UNANSWERED_FOR_59_S,
        guards=replace(STANDARD, is_answer_for=lambda order, answer: True),
    )
    assert falls(world) == [(1015_00 - BUFFER, 1010_00 - BUFFER)]


# --- two raises become one ------------------------------------------------------------------------


async def three_bars_close_while_the_first_raise_is_on_the_way(world: World) -> None:
    await holds(world)
    first = world.broker.keep_request(Verb.MODIFY, Role.STOP)
    await green_bar(world, 1005_00)
    await green_bar(world, 1010_00)
    await green_bar(world, 1015_00)
    await world.wait(1)
    first.open()
    await world.wait(3)


def test_raises_that_come_while_one_is_out_become_a_single_one() -> None:
    world = play(three_bars_close_while_the_first_raise_is_on_the_way, PLAN, timeout_s=600)
    assert world.stop_levels() == [FIRST_STOP, 1005_00 - BUFFER, 1015_00 - BUFFER]
    assert len(world.asked(ModifyOrder, Role.STOP)) == 2


def test_twin_with_two_raises_out_at_once_lets_the_older_overwrite_the_newer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two walls are taken out: the guard, and the table by which a second modify of one order is a bug."""
    second_modify = {(OrderState.MODIFYING, Signal.MODIFY_SENT): OrderState.MODIFYING}
    monkeypatch.setattr(domain_order, "TRANSITIONS", MappingProxyType({**TRANSITIONS, **second_modify}))
    world = play(
        three_bars_close_while_the_first_raise_is_on_the_way,
        PLAN,
        timeout_s=600,
        guards=replace(STANDARD, is_modify_free=lambda order: True),
    )
    assert falls(world) == [(1010_00 - BUFFER, 1005_00 - BUFFER)]


def test_without_the_guard_the_table_of_an_orders_life_still_holds() -> None:
    world = play(
        three_bars_close_while_the_first_raise_is_on_the_way,
        PLAN,
        timeout_s=600,
        guards=replace(STANDARD, is_modify_free=lambda order: True),
    )
    assert falls(world) == []
    assert world.state().frozen is not None
    assert world.protected() == SHARES


# --- a raise for a position that is gone ----------------------------------------------------------


async def the_stop_fills_while_its_raise_is_on_the_way(world: World) -> None:
    await holds(world)
    raise_ = world.broker.keep_request(Verb.MODIFY, Role.STOP)
    await green_bar(world, 1005_00)
    await world.prints(FIRST_STOP - 1_00)
    assert world.position() == 0
    raise_.open()
    await world.wait(10)


def test_a_raise_that_finds_its_stop_filled_revives_nothing() -> None:
    world = play(the_stop_fills_while_its_raise_is_on_the_way, PLAN)
    assert world.positions() == [0, SHARES, 0]
    assert world.working(Side.SELL) == []
    assert len(world.supervisor.outcome.trades) == 1


# --- what lands after it was given up -------------------------------------------------------------


async def an_older_raise_lands_after_a_newer_one(world: World) -> None:
    await holds(world)
    first = world.broker.keep_request(Verb.MODIFY, Role.STOP)
    await green_bar(world, 1005_00)  # lost after 5 s, not done by the books, so given up
    await green_bar(world, 1010_00)
    await world.wait(1)
    assert world.stop_levels() == [FIRST_STOP, 1010_00 - BUFFER]
    first.open()
    await world.wait(3)


def test_an_older_raise_that_lands_after_a_newer_one_is_put_right_at_once() -> None:
    """No engine can call a request back; but its late answer says that the stop must be looked at."""
    world = play(an_older_raise_lands_after_a_newer_one, PLAN)
    assert world.stop_levels()[2:] == [1005_00 - BUFFER, 1010_00 - BUFFER]
    assert "terms_differ" in world.alarms.codes


async def a_raise_lands_after_it_was_given_up(world: World) -> None:
    await holds(world)
    first = world.broker.keep_request(Verb.MODIFY, Role.STOP)
    await green_bar(world, 1010_00)
    await world.wait(20)
    first.open()
    await world.wait(20)
    await green_bar(world, 1007_00)  # above the first stop, below the one that has landed


def test_a_raise_that_lands_after_it_was_given_up_is_kept() -> None:
    world = play(a_raise_lands_after_it_was_given_up, PLAN)
    assert world.stop_levels() == [FIRST_STOP, 1010_00 - BUFFER]
    assert world.state().stop_level == 1010_00 - BUFFER
    assert "late_raise" in world.alarms.codes
