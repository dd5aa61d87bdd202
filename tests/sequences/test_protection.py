"""A stop that is rejected, that vanishes, that triggers and does not fill, that price jumps over.

That a refused stop is tried at the pace of a clock and given up for an exit is in
tests/races/test_also_seen.py; stops that others take away, in test_other_hands.py.
"""

from dataclasses import replace

import pytest

from olaf_async.core import protection
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import Verb
from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder
from olaf_async.domain.order import PriceType, Role, Side
from olaf_async.domain.trade import ExitReason
from olaf_async.errors import BrokerRejected
from olaf_async.ports.broker import Books
from tests.races.world import ENTRY, OPEN_NS, RISK, SHARES, UNDERCUT, Gate, Mood, World, play

STOP = ENTRY - RISK
STOP_LIMIT = 970_20


# --- its kind, and the fills it covers --------------------------------------------------------------


async def it_fills_in_three_parts(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    world.next_fills = [3, 4, 3]
    for _ in range(3):
        await world.prints(ENTRY, pause_s=0.5)
        assert world.protected() == world.position()


def test_each_part_that_fills_is_covered_by_the_one_stop_at_once() -> None:
    world = play(it_fills_in_three_parts)
    assert len(world.asked(PlaceOrder, Role.STOP)) == 1
    assert len(world.asked(ModifyOrder, Role.STOP)) == 2
    assert world.oversell_risk() == 0


def test_the_stop_is_a_stop_limit_inside_the_exchanges_range_and_no_other_kind_is_ever_sent() -> None:
    world = play(it_fills_in_three_parts)
    (stop,) = world.orders(Side.SELL)
    assert (stop.price_type, stop.trigger, stop.price) == (PriceType.SL, STOP, STOP_LIMIT)
    assert stop.price >= stop.trigger * 97 // 100
    assert {order.price_type for order in world.orders()} == {PriceType.SL}


# --- rejected ---------------------------------------------------------------------------------------


async def the_price_is_through_it_before_it_arrives(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    await world.prints(ENTRY, pause_s=0.003)
    await world.prints(STOP - 2_00, pause_s=0.5)
    await world.prints(STOP - 2_00, pause_s=1)


def test_a_stop_that_is_refused_because_the_price_is_through_it_is_followed_by_an_exit_at_once() -> None:
    world = play(the_price_is_through_it_before_it_arrives)
    assert "stop_rejected" in world.alarms.codes
    assert world.positions() == [0, SHARES, 0]
    bought, sold = world.exchange.fills
    assert sold.at_ns - bought.at_ns <= SECOND_NS
    assert len(world.asked(PlaceOrder, Role.STOP)) == 1
    (trade,) = world.supervisor.outcome.trades
    assert trade.reason is ExitReason.STOP


async def it_is_refused_once_for_no_reason(world: World) -> None:
    refusal = BrokerRejected("please try again")
    world.broker.meets(Verb.PLACE, Mood(fails=refusal, acts=False), Role.STOP)
    await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=0.5)


def test_a_stop_that_is_refused_for_no_reason_is_placed_again_at_once() -> None:
    world = play(it_is_refused_once_for_no_reason)
    assert world.protected() == SHARES
    (trade_ns, *_) = [fill.at_ns for fill in world.exchange.fills]
    assert world.orders(Side.SELL)[0].placed_ns - trade_ns <= SECOND_NS // 5


# --- triggered, and not filled ----------------------------------------------------------------------


async def the_price_jumps_its_limit(world: World) -> None:
    await world.enters()
    for step in range(6):
        await world.prints(STOP_LIMIT - 10_00 - 10 * step, pause_s=0.5)


def test_a_stop_whose_limit_was_jumped_is_repriced_to_cross_within_two_seconds_with_an_alarm() -> None:
    world = play(the_price_jumps_its_limit)
    assert world.alarms.codes.count("stop_jumped") == 1
    assert world.positions() == [0, SHARES, 0]
    assert 1 <= len(world.asked(ModifyOrder, Role.STOP)) <= 2
    jumped_ns = world.exchange.fills[0].at_ns
    assert world.exchange.fills[1].at_ns - jumped_ns <= 3 * SECOND_NS


def test_twin_that_does_not_chase_it_falls_with_the_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protection, "_chase", lambda *_: None)
    assert play(the_price_jumps_its_limit).position() == SHARES


async def nothing_can_be_changed_while_it_falls(world: World) -> None:
    await world.enters()
    for _ in range(200):
        world.broker.meets(Verb.MODIFY, Mood(fails=BrokerRejected("frozen"), acts=False), Role.STOP)
    for step in range(60):
        await world.prints(STOP_LIMIT - 10_00 - 5 * step, pause_s=0.2)


def test_a_chase_that_is_refused_ends_in_an_exit_and_is_never_made_at_the_rate_of_prints() -> None:
    world = play(nothing_can_be_changed_while_it_falls)
    assert world.position() == 0
    assert len(world.asked(ModifyOrder, Role.STOP)) <= 2


async def it_only_falls(world: World) -> None:
    """Each new price is out of the reach of the order that was made for the last one."""
    await world.enters()
    price = STOP_LIMIT - 10_00
    for _ in range(40):
        await world.prints(price, pause_s=0.5)
        price = price * 98 // 100 // 5 * 5


def test_a_chase_is_bounded_by_tries_and_by_the_brokers_changes() -> None:
    world = play(it_only_falls, rules={"exit_tries_max": 4, "modifications_max": 6})
    assert len(world.asked(ModifyOrder, Role.STOP)) <= 6
    assert world.oversell_risk() == 0


# --- vanished from the books ------------------------------------------------------------------------


def without_stops(books: Books) -> Books:
    """A server that has forgotten them, or keeps them back; at the exchange they stand."""
    return replace(books, orders=tuple(row for row in books.orders if row.side is Side.BUY))


async def the_books_lack_the_stop(world: World) -> None:
    await world.enters()
    world.broker.shows = without_stops
    await world.wait(40)
    assert world.state().account.refuses_new_risk() is not None
    world.broker.shows = lambda books: books
    await world.wait(5)
    await world.prints(STOP - 5, pause_s=1)


def test_a_stop_that_the_books_lack_is_not_placed_again_on_their_word_and_a_person_is_called() -> None:
    world = play(the_books_lack_the_stop, rules={"idle_poll_ns": 2 * SECOND_NS})
    assert len(world.asked(PlaceOrder, Role.STOP)) == 1
    assert "books_unreadable" in world.alarms.codes
    assert world.positions() == [0, SHARES, 0]


# --- the alarm --------------------------------------------------------------------------------------


async def it_takes_its_time(world: World, seconds: float) -> None:
    on_its_way = Gate()
    world.broker.meets(Verb.PLACE, Mood(there=on_its_way), Role.STOP)
    await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=0.5)
    await world.wait(seconds)
    on_its_way.open()
    await world.wait(1)


@pytest.mark.parametrize(("seconds", "alarms"), [(1.5, 0), (3, 1)])
def test_shares_without_a_confirmed_stop_for_longer_than_the_budget_are_told_once(
    seconds: float, alarms: int
) -> None:
    async def story(world: World) -> None:
        await it_takes_its_time(world, seconds)
        await world.prints(STOP - 5, pause_s=1)

    world = play(story, rules={"unprotected_max_ns": 3 * SECOND_NS})
    assert world.alarms.codes.count("unprotected") == alarms
    (trade,) = world.supervisor.outcome.trades
    assert trade.unprotected_ns >= seconds * SECOND_NS


def test_twin_with_a_budget_without_end_tells_nobody() -> None:
    async def story(world: World) -> None:
        await it_takes_its_time(world, 4)

    world = play(story, rules={"unprotected_max_ns": 3_600 * SECOND_NS})
    assert "unprotected" not in world.alarms.codes


# --- nothing at the rate of prints ------------------------------------------------------------------


async def prints_rain_around_the_stop(world: World) -> None:
    await world.enters()
    for number in range(400):
        await world.prints(STOP + 5 + 5 * (number % 5), pause_s=0.05)
    await world.until_ns(OPEN_NS + 59 * SECOND_NS)


def test_four_hundred_prints_around_the_stop_make_no_call_at_all() -> None:
    world = play(prints_rain_around_the_stop)
    assert len(world.broker.calls) == 2, "the entry and its stop"
    assert world.asked(CancelOrder, Role.STOP) == []
