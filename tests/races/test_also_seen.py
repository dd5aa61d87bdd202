"""What else went wrong that day, each with a twin in which it goes wrong again.

An old snapshot, a price with a binary tail, a stop at every print, a counter that ran past its limit.
"""

from collections.abc import Collection
from dataclasses import replace

import pytest

from olaf_async.core import reconcile
from olaf_async.core.guards import STANDARD, Guards
from olaf_async.core.reconcile import SymbolBooks
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.trader import Trader
from olaf_async.domain.events import BooksRead, Verb
from olaf_async.domain.intents import PlaceOrder
from olaf_async.domain.order import Role, Side
from olaf_async.domain.price import PriceError, to_paise, to_text
from olaf_async.errors import BrokerRejected

from .walls import checks_nothing, without_entry_guards
from .world import ENTRY, RISK, SHARES, UNDERCUT, Mood, World, plan_of, play

# --- a snapshot older than the fill -------------------------------------------------------------


async def a_snapshot_from_before_the_fill_arrives_after_it(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    snapshot = world.broker.keep_answer("books")
    await world.wait(4)
    await world.prints(ENTRY, pause_s=1)
    assert world.protected() == SHARES
    snapshot.open()  # taken while the account was flat
    await world.wait(0.5)


POLLING = {"idle_poll_ns": 3 * SECOND_NS}


def test_a_snapshot_older_than_the_fill_does_not_clear_the_position() -> None:
    world = play(a_snapshot_from_before_the_fill_arrives_after_it, rules=POLLING, timeout_s=60)
    assert world.state().held == SHARES
    assert world.protected() == SHARES
    assert world.state().frozen is None


def believes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read lacks orders that are known, and nobody minds; and one is enough."""

    def as_if_whole(
        event: BooksRead, symbols: Collection[str], *, contains_all: bool
    ) -> dict[str, SymbolBooks]:
        return split(event, symbols, contains_all=True)

    split = reconcile.by_symbol
    monkeypatch.setattr(reconcile, "by_symbol", as_if_whole)
    monkeypatch.setattr(reconcile, "CONFIRMING_READS", 1)


AGELESS = replace(STANDARD, is_read_current=lambda state, asked_seq: True)


def test_twin_that_believes_any_snapshot_takes_the_stop_of_a_held_position_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three walls are out: the age of a read, its completeness, and that a shortfall is read twice."""
    believes_all(monkeypatch)
    story = a_snapshot_from_before_the_fill_arrives_after_it
    world = play(story, rules=POLLING, timeout_s=60, guards=AGELESS)
    assert world.position() == SHARES
    assert world.orders(Side.SELL)[0].status == "cancelled"
    assert "frozen" in world.alarms.codes


@pytest.mark.parametrize("is_age_the_wall_left", [True, False], ids=["its age", "the other two"])
def test_the_age_of_a_read_alone_holds_and_so_do_the_other_two(
    is_age_the_wall_left: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_age_the_wall_left:
        believes_all(monkeypatch)
    guards = STANDARD if is_age_the_wall_left else AGELESS
    story = a_snapshot_from_before_the_fill_arrives_after_it
    world = play(story, rules=POLLING, timeout_s=60, guards=guards)
    assert world.protected() == SHARES


# --- a price with a binary tail -----------------------------------------------------------------


async def enters_and_trails(world: World) -> None:
    await world.prints(518_00, 521_95, pause_s=0.5)
    await world.wait(60)
    await world.prints(523_15, 523_40, pause_s=1)
    await world.wait(60)


def test_every_price_sent_is_on_the_tick_and_written_in_two_decimals() -> None:
    world = play(enters_and_trails, plan_of(entry=521_95, trigger=518_50, trails_from_entry_bar=False))
    assert world.stop_levels() == [511_95, 523_05]
    for order in world.orders():
        for price in (order.price, order.trigger):
            assert price % 5 == 0
            text = to_text(price)
            assert to_paise(text) == price
            assert len(text.partition(".")[2]) == 2


def test_twin_that_reckons_in_floats_has_a_price_that_no_exchange_takes() -> None:
    """The figure of that day, and how it came about: rounded to the tick in binary."""
    rounded = round(511.95 / 0.05) * 0.05
    assert str(rounded) == "511.95000000000005"
    with pytest.raises(PriceError):
        to_paise(str(rounded))


# --- an emergency stop at every print -----------------------------------------------------------


async def the_stop_is_refused_again_and_again_while_prints_rain(world: World) -> None:
    for _ in range(100):
        refusal = BrokerRejected("no")
        world.broker.meets(Verb.PLACE, Mood(fails=refusal, acts=False), Role.STOP)
    await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY)
    for number in range(60):
        await world.prints(1000_00 + 5 * (number % 7), pause_s=0.05)
    await world.wait(3)


def test_a_refused_stop_is_tried_again_at_the_pace_of_a_clock_and_given_up_for_an_exit() -> None:
    world = play(the_stop_is_refused_again_and_again_while_prints_rain)
    tries = [at_ns for at_ns, intent in world.broker.calls if intent.role is Role.STOP]
    assert len(tries) == 3
    assert tries[2] - tries[1] >= SECOND_NS
    assert world.positions() == [0, SHARES, 0]


def test_twin_without_a_pace_or_a_bound_places_one_at_every_print() -> None:
    """Here the protection is two numbers of the rules: the pause between tries, and how many there are."""
    world = play(
        the_stop_is_refused_again_and_again_while_prints_rain,
        rules={"chase_ns": 0, "stop_rejections_max": 1_000},
    )
    assert len(world.asked(PlaceOrder, Role.STOP)) >= 50


# --- a counter past its limit -------------------------------------------------------------------


async def the_setup_triggers_and_is_stopped_out_six_times(world: World) -> None:
    for _ in range(6):
        await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, ENTRY - RISK - 5, pause_s=1)
        await world.wait(2)


def test_no_more_entries_fill_than_are_allowed() -> None:
    world = play(the_setup_triggers_and_is_stopped_out_six_times, rules={"max_attempts": 3})
    assert world.bought() == 3 * SHARES
    assert world.state().attempts == 3


_finish = Trader._finish


def never_done(trader: Trader, now_ns: int) -> None:
    """The end of a trade, without its conclusion that the day is over for this symbol."""
    _finish(trader, now_ns)
    trader.state.is_done = False


@pytest.mark.parametrize(
    "guards", [STANDARD, without_entry_guards("has_attempts_left")], ids=["the guard", "being done"]
)
def test_the_guard_alone_holds_and_so_does_being_done(
    guards: Guards, monkeypatch: pytest.MonkeyPatch
) -> None:
    if guards is STANDARD:
        monkeypatch.setattr(Trader, "_finish", never_done)
    world = play(the_setup_triggers_and_is_stopped_out_six_times, rules={"max_attempts": 3}, guards=guards)
    assert world.bought() == 3 * SHARES


def test_twin_that_does_not_look_at_the_counter_buys_once_too_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Out are the guard, I6, and that a symbol is done with its last trade. A fourth wall ends it there."""
    monkeypatch.setattr(Trader, "_finish", never_done)
    world = play(
        the_setup_triggers_and_is_stopped_out_six_times,
        rules={"max_attempts": 3},
        guards=without_entry_guards("has_attempts_left"),
        check=checks_nothing,
    )
    assert world.bought() == 4 * SHARES
    assert world.state().frozen == "4 entries have filled where 3 are allowed"


async def an_entry_fills_in_five_parts(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    world.next_fills = [1, 2, 3, 3, 1]
    await world.prints(*[ENTRY] * 5, pause_s=0.3)
    await world.wait(1)


def test_an_entry_counts_once_however_many_parts_it_fills_in() -> None:
    world = play(an_entry_fills_in_five_parts)
    assert world.positions() == [0, 1, 3, 6, 9, 10]
    assert world.state().attempts == 1
    assert world.protected() == SHARES
