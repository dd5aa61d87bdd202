"""Clocks that disagree, a machine that slept, a feed that was mute, a server in another mode.

The clock itself (boot time, naps, a suspend) is in tests/adapters/test_clock.py; that a wall clock which
strays ends new risk, in tests/shell/test_supervisor.py.
"""

from dataclasses import replace

import pytest

from olaf_async.core.account import Account
from olaf_async.core.guards import STANDARD
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import Mode, ModeSeen, Verb
from olaf_async.domain.intents import PlaceOrder
from olaf_async.domain.order import Role, Side
from olaf_async.errors import BrokerRejected
from tests.races.walls import trusts_any_books, without_entry_guards
from tests.races.world import ENTRY, OPEN_NS, RISK, SHARES, UNDERCUT, Mood, World, plan_of, play

DEADLINE_NS = OPEN_NS + 300 * SECOND_NS
PLAN = plan_of(exit_ns=DEADLINE_NS, trails_from_entry_bar=False)


# --- two clocks -------------------------------------------------------------------------------------


class Wall:
    """How far the wall clock is ahead of the engine's."""

    def __init__(self) -> None:
        self.ahead_ns = 0

    def __call__(self) -> int:
        return self.ahead_ns


def holds_while_the_wall_is_ahead(ahead_s: int) -> World:
    wall = Wall()

    async def story(world: World) -> None:
        await world.enters()
        wall.ahead_ns = ahead_s * SECOND_NS
        await world.until_ns(DEADLINE_NS - 61 * SECOND_NS)
        assert world.position() == SHARES
        await world.prints(ENTRY, ENTRY, ENTRY, ENTRY, pause_s=1)

    return play(story, PLAN, wall_skew_ns=wall)


@pytest.mark.parametrize(("ahead_s", "sold"), [(60, SHARES), (0, 0), (-60, 0)])
def test_the_deadline_comes_at_the_earlier_of_two_readings(ahead_s: int, sold: int) -> None:
    world = holds_while_the_wall_is_ahead(ahead_s)
    assert world.position() == SHARES - sold


def test_twin_that_reads_one_clock_only_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SymbolState, "exit_ns", property(lambda state: state.session.exit_ns))
    assert holds_while_the_wall_is_ahead(60).position() == SHARES


def test_a_wall_clock_that_goes_on_straying_takes_the_deadline_with_it() -> None:
    wall = Wall()

    async def story(world: World) -> None:
        await world.enters()
        for minute in range(1, 4):
            wall.ahead_ns = minute * 30 * SECOND_NS
            await world.wait(10)
        await world.until_ns(DEADLINE_NS - 91 * SECOND_NS)
        await world.prints(ENTRY, ENTRY, ENTRY, pause_s=1)

    world = play(story, PLAN, wall_skew_ns=wall)
    assert world.position() == 0
    assert world.alarms.codes.count("clock_skew") == 1


async def no_print_comes_any_more(world: World) -> None:
    await world.enters()
    await world.until_ns(DEADLINE_NS + 5 * SECOND_NS)


def test_a_deadline_needs_no_print() -> None:
    assert play(no_print_comes_any_more, PLAN).positions() == [0, SHARES, 0]


# --- after a silence --------------------------------------------------------------------------------


async def a_person_buys_in_a_silence_that_nobody_reports(world: World) -> None:
    """Nothing was heard for half an hour: no print, no frame, no answer to a read that could tell."""
    await world.prints(ENTRY, pause_s=1)
    world.broker.loses_frames = True
    world.trades_by_hand(Side.BUY, SHARES)
    reads = world.broker.reads
    await world.wait(1800)
    assert world.broker.reads == reads
    await world.prints(ENTRY, UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=1)


def test_after_a_silence_the_books_are_read_before_anything_new_is_risked() -> None:
    world = play(a_person_buys_in_a_silence_that_nobody_reports)
    assert world.asked(PlaceOrder, Role.ENTRY) == []
    assert world.positions() == [0, SHARES]


def test_twin_that_relies_on_the_books_of_before_buys_on_top() -> None:
    guards = replace(STANDARD, books_allow_entry=trusts_any_books)
    world = play(a_person_buys_in_a_silence_that_nobody_reports, guards=guards)
    assert world.position() == 2 * SHARES


async def the_feed_falls_silent_before_a_retry(world: World) -> None:
    """The broker refuses the entry; when it is to be asked again nobody knows where the price is."""
    world.broker.meets(Verb.PLACE, Mood(fails=BrokerRejected("busy"), acts=False), Role.ENTRY)
    await world.prints(ENTRY, UNDERCUT, pause_s=0.1)
    await world.wait(60)


RETRY_LATE = {"retry_ns": 40 * SECOND_NS}


def test_on_a_feed_that_has_fallen_silent_no_entry_is_tried_again() -> None:
    world = play(the_feed_falls_silent_before_a_retry, rules=RETRY_LATE)
    assert len(world.asked(PlaceOrder, Role.ENTRY)) == 1


def test_twin_that_does_not_ask_how_old_the_price_is_tries_again() -> None:
    guards = without_entry_guards("is_feed_fresh")
    world = play(the_feed_falls_silent_before_a_retry, rules=RETRY_LATE, guards=guards)
    assert len(world.asked(PlaceOrder, Role.ENTRY)) == 2


# --- the mode ---------------------------------------------------------------------------------------


def answers_in(world: World, mode: Mode) -> None:
    world.supervisor.pump.put(ModeSeen(world.clock.now_ns(), mode))


async def the_mode_changes_while_shares_are_held(world: World) -> None:
    answers_in(world, Mode.ANALYZE)
    await world.enters()
    answers_in(world, Mode.LIVE)
    await world.wait(5)
    answers_in(world, Mode.ANALYZE)
    await world.prints(ENTRY - RISK - 5, UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=2)


def test_another_mode_ends_new_risk_for_good_and_makes_protection_unconfirmed() -> None:
    world = play(the_mode_changes_while_shares_are_held)
    assert world.alarms.codes.count("mode_changed") == 1
    assert world.alarms.codes.count("unprotected") == 1
    assert world.positions() == [0, SHARES, 0], "the stop was left where it was"
    assert len(world.asked(PlaceOrder, Role.ENTRY)) == 1
    (trade,) = world.supervisor.outcome.trades
    assert trade.unprotected_ns >= 5 * SECOND_NS


def sees_no_mode(_account: Account, _mode: Mode) -> None:
    """Whatever the server says."""


def test_twin_that_does_not_look_trades_on_in_the_other_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Account, "see_mode", sees_no_mode)
    world = play(the_mode_changes_while_shares_are_held)
    assert len(world.asked(PlaceOrder, Role.ENTRY)) == 2
