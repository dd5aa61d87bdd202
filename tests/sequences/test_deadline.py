"""At the deadline everything ends in one procedure: from confirmed facts, bounded, and never a second sale.

That the stop is waited for before the exit is in tests/races/test_race_05_exit_at_the_deadline.py; that a
resting entry is taken back, in test_stopping.py; that the deadline is no later than the exchange allows, with
the settings.
"""

import pytest

from olaf_async.core import exits
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import Command, Commanded, Verb
from olaf_async.domain.intents import ModifyOrder, PlaceOrder, ReadQuote
from olaf_async.domain.order import Role, Side
from olaf_async.domain.trade import ExitReason
from olaf_async.errors import BrokerRejected
from tests.races.world import (
    ENTRY,
    INFY,
    OPEN_NS,
    SHARES,
    UNDERCUT,
    Mood,
    World,
    plan_of,
    play,
)

DEADLINE_NS, CLOSE_NS = OPEN_NS + 60 * SECOND_NS, OPEN_NS + 120 * SECOND_NS
PLAN = plan_of(exit_ns=DEADLINE_NS, close_ns=CLOSE_NS, trails_from_entry_bar=False)
RULES = {"settle_ns": 20 * SECOND_NS, "idle_poll_ns": 5 * SECOND_NS}


# --- an entry that is undecided then ----------------------------------------------------------------


async def an_entry_is_undecided_at_the_deadline_and_fills(world: World) -> None:
    world.broker.loses_frames = True
    await world.until_ns(DEADLINE_NS - 8 * SECOND_NS)
    on_its_way = world.broker.keep_request(Verb.PLACE, Role.ENTRY)
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    await world.until_ns(DEADLINE_NS + SECOND_NS)
    assert world.state().entry is not None, "the day is not done while it is undecided"
    await world.prints(ENTRY - 1_00, pause_s=0.5)
    on_its_way.open()
    await world.wait(0.015)
    for _ in range(8):
        await world.prints(ENTRY, pause_s=1)


def test_an_undecided_entry_is_watched_beyond_the_deadline_and_its_fill_is_exited_at_once() -> None:
    world = play(an_entry_is_undecided_at_the_deadline_and_fills, PLAN, rules=RULES)
    assert world.positions() == [0, SHARES, 0]
    bought, sold = world.exchange.fills
    assert sold.at_ns - bought.at_ns <= 5 * SECOND_NS
    assert world.working(Side.SELL) == []


async def it_is_never_heard_of(world: World) -> None:
    world.broker.loses_frames = True
    await world.until_ns(CLOSE_NS - 65 * SECOND_NS)
    world.broker.keep_request(Verb.PLACE, Role.ENTRY)
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    await world.until_ns(CLOSE_NS + 30 * SECOND_NS)


def test_a_day_that_ends_with_an_undecided_entry_says_so_with_its_exit_code() -> None:
    world = play(it_is_never_heard_of, PLAN, rules=RULES | {"settle_ns": 600 * SECOND_NS})
    assert world.outcome is not None
    assert world.outcome.exit_code == 4
    assert "left_behind" in world.alarms.codes


# --- a frozen symbol --------------------------------------------------------------------------------


async def a_frozen_symbol_holds_shares_beside_a_persons(world: World) -> None:
    await world.enters()
    world.trades_by_hand(Side.BUY, 7)
    world.supervisor.pump.put(Commanded(world.clock.now_ns(), Command.HALT, INFY))
    await world.until_ns(DEADLINE_NS - SECOND_NS)
    await world.prints(ENTRY + 1_00, pause_s=1)
    await world.prints(ENTRY + 1_00, ENTRY + 1_00, pause_s=2)


def test_a_frozen_symbol_exits_what_its_own_fills_explain_and_leaves_the_rest_to_its_owner() -> None:
    world = play(a_frozen_symbol_holds_shares_beside_a_persons, PLAN, rules=RULES)
    assert world.state().frozen is not None
    assert world.positions() == [0, SHARES, SHARES + 7, 7]


def sells_the_account(state: SymbolState) -> int:
    return state.account_net


def test_twin_that_sells_what_the_account_holds_sells_a_persons_shares(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SymbolState, "exposure", property(sells_the_account))
    world = play(
        a_frozen_symbol_holds_shares_beside_a_persons,
        PLAN,
        rules=RULES,
        check=lambda _: None,
    )
    assert world.position() == 0


# --- the price of an exit ---------------------------------------------------------------------------


@pytest.mark.parametrize("fails", [False, True], ids=["a quote comes", "none comes"])
def test_an_exit_after_five_silent_seconds_is_priced_from_a_quote_or_three_percent_away(fails: bool) -> None:
    async def story(world: World) -> None:
        await world.enters()
        if fails:
            for _ in range(20):
                world.broker.meets("quote", Mood(fails=BrokerRejected("no quote"), acts=False))
        await world.until_ns(DEADLINE_NS + 4 * SECOND_NS)

    world = play(story, PLAN, rules=RULES)
    (out,) = [one for one in world.asked(PlaceOrder, Role.EXIT) if isinstance(one, PlaceOrder)]
    assert world.broker.quotes == 1
    assert out.terms.price == (970_00 if fails else 990_00)
    assert world.position() == 0


async def prints_come_until_the_deadline(world: World) -> None:
    await world.enters()
    await world.until_ns(DEADLINE_NS - SECOND_NS)
    await world.prints(ENTRY + 4_00, pause_s=3)


def test_an_exit_with_a_fresh_print_needs_no_quote() -> None:
    world = play(prints_come_until_the_deadline, PLAN, rules=RULES)
    assert world.broker.quotes == 0
    assert not any(isinstance(record.body, ReadQuote) for record in world.journal.records)
    assert world.position() == 0


# --- bounded ----------------------------------------------------------------------------------------


async def every_exit_is_refused(world: World) -> None:
    await world.enters()
    for _ in range(60):
        world.broker.meets(Verb.PLACE, Mood(fails=BrokerRejected("blocked"), acts=False), Role.EXIT)
    await world.until_ns(DEADLINE_NS)
    for _ in range(30):
        await world.prints(ENTRY, ENTRY + 5, pause_s=0.5)


def test_exits_that_are_refused_are_bounded_and_a_person_is_called() -> None:
    world = play(every_exit_is_refused, PLAN, rules=RULES | {"exit_tries_max": 5})
    tries = [at_ns for at_ns, intent in world.broker.calls if intent.role is Role.EXIT]
    assert 5 <= len(tries) <= 10, "five in a row, then at the pace of the poll"
    assert "exit_stuck" in world.alarms.codes


def test_twin_without_a_bound_asks_once_a_second_for_ever_and_calls_nobody() -> None:
    world = play(every_exit_is_refused, PLAN, rules=RULES | {"exit_tries_max": 1_000})
    assert len(world.asked(PlaceOrder, Role.EXIT)) >= 25
    assert "exit_stuck" not in world.alarms.codes


async def the_price_falls_away_from_the_exit(world: World) -> None:
    await world.enters()
    exit_ = world.broker.keep_request(Verb.PLACE, Role.EXIT)
    await world.until_ns(DEADLINE_NS - SECOND_NS)
    await world.prints(ENTRY, pause_s=1.5)
    await world.prints(ENTRY - 15_00, pause_s=0.2)
    exit_.open()
    for step in range(6):
        await world.prints(ENTRY - 15_00 - 10 * step, pause_s=0.7)


def test_an_exit_that_is_left_behind_is_chased_in_place() -> None:
    world = play(the_price_falls_away_from_the_exit, PLAN, rules=RULES)
    assert world.positions() == [0, SHARES, 0]
    assert len(world.asked(PlaceOrder, Role.EXIT)) == 1
    assert len(world.asked(ModifyOrder, Role.EXIT)) >= 1


def test_twin_that_does_not_chase_is_left_with_its_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exits, "_chase", lambda *_: None)
    world = play(the_price_falls_away_from_the_exit, PLAN, rules=RULES)
    assert world.position() == SHARES


# --- what it cost -----------------------------------------------------------------------------------


def test_the_time_without_protection_is_measured_from_fill_to_stop_and_from_cancel_to_exit() -> None:
    world = play(prints_come_until_the_deadline, PLAN, rules=RULES)
    (trade,) = world.supervisor.outcome.trades
    assert trade.reason is ExitReason.SESSION_END
    bought, sold = world.exchange.fills
    stop = world.orders(Side.SELL)[0]
    bare_ns = (stop.placed_ns - bought.at_ns) + (sold.at_ns - stop.changed_ns)
    assert bare_ns <= trade.unprotected_ns <= bare_ns + SECOND_NS // 5
