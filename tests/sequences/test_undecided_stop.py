"""An undecided stop: looked for, never doubled; where the price is through it, given up, and then hunted.

That its books are read every second and that prints place no second one is in
tests/races/test_race_06_emergency_stop.py; that nothing new is risked meanwhile in test_race_07.
"""

import pytest

from olaf_async.core import evidence
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.core.trader import Trader
from olaf_async.domain.events import OrderAnswered, Verb
from olaf_async.domain.intents import CancelOrder, PlaceOrder
from olaf_async.domain.order import Order, Role, Side
from tests.races.world import ENTRY, RISK, SHARES, UNDERCUT, Gate, Mood, World, play

TIMEOUT_S, SETTLE_S = 5, 20
RULES = {"settle_ns": SETTLE_S * SECOND_NS, "idle_poll_ns": SECOND_NS}


async def enters_with_a_stop_on_its_way(world: World) -> Gate:
    """The shares are held; the request of their stop has not reached the broker, and nobody knows that."""
    on_its_way = world.broker.keep_request(Verb.PLACE, Role.STOP)
    await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=0.5)
    return on_its_way


# --- looked for -----------------------------------------------------------------------------------


async def nothing_is_heard_of_the_stop(world: World) -> None:
    await enters_with_a_stop_on_its_way(world)
    await world.wait(TIMEOUT_S)
    reads = world.broker.reads
    await world.wait(10)
    assert 9 <= world.broker.reads - reads <= 12, "once a second"


def test_its_books_are_read_every_second_a_person_is_called_and_no_second_one_is_placed() -> None:
    world = play(nothing_is_heard_of_the_stop, rules={"settle_ns": SETTLE_S * SECOND_NS})
    assert len(world.asked(PlaceOrder, Role.STOP)) == 1
    assert world.alarms.codes.count("unprotected") == 1


async def it_never_arrives(world: World) -> None:
    await enters_with_a_stop_on_its_way(world)
    await world.wait(SETTLE_S - 2)
    assert len(world.asked(PlaceOrder, Role.STOP)) == 1, "no timer alone turns unknown into no"
    await world.wait(6)


def test_absent_in_two_complete_reads_after_its_time_it_is_placed_again() -> None:
    world = play(it_never_arrives, rules=RULES)
    assert "stop_absent" in world.alarms.codes
    assert world.protected() == SHARES


# --- one that arrives after its successor was asked for -----------------------------------------


async def the_first_arrives_while_the_second_is_on_its_way(world: World) -> None:
    first, answer = Gate(), Gate()
    world.broker.meets(Verb.PLACE, Mood(there=first, back=answer), Role.STOP)
    await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=0.5)
    second = world.broker.keep_request(Verb.PLACE, Role.STOP)
    await world.wait(SETTLE_S + 3)
    assert second.waiting == 1
    first.open()
    await world.wait(0.2)
    await world.prints(ENTRY - RISK - 5, pause_s=0.5)
    answer.open()
    await world.wait(3)


def test_two_stops_that_are_alike_are_told_apart_and_the_shares_are_sold_once() -> None:
    world = play(the_first_arrives_while_the_second_is_on_its_way, rules=RULES)
    assert world.positions() == [0, SHARES, 0]
    assert world.state().held == 0
    assert world.state().frozen is None


def counts_for_any(state: SymbolState, order: Order, answer: OrderAnswered) -> None:
    """The answer is believed although another order goes by that id."""
    assert answer.order_id is not None
    evidence.accepted(state, order, answer.order_id)


def test_twin_that_believes_every_answer_counts_one_sale_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "_taken_for_another", counts_for_any)
    world = play(the_first_arrives_while_the_second_is_on_its_way, rules=RULES)
    assert world.position() == 0
    assert world.state().held == -SHARES


# --- the price goes through it --------------------------------------------------------------------


async def the_price_falls_through_it(world: World) -> Gate:
    on_its_way = await enters_with_a_stop_on_its_way(world)
    for _ in range(6):
        await world.prints(ENTRY - RISK - 5, pause_s=1)
    return on_its_way


async def it_is_given_up(world: World) -> None:
    await the_price_falls_through_it(world)


def test_with_the_price_through_it_for_two_seconds_and_two_reads_the_shares_are_sold() -> None:
    world = play(it_is_given_up)
    assert "stop_phantom" in world.alarms.codes
    assert world.positions() == [0, SHARES, 0]
    filled_ns = [fill.at_ns for fill in world.exchange.fills]
    assert filled_ns[1] - filled_ns[0] <= (TIMEOUT_S + 4) * SECOND_NS


async def it_appears_once_the_shares_are_sold(world: World) -> None:
    phantom = await the_price_falls_through_it(world)
    assert world.position() == 0
    await world.prints(ENTRY - RISK + 5, pause_s=0.5)
    phantom.open()
    await world.wait(2)
    await world.prints(ENTRY - RISK - 5, pause_s=2)


def test_a_phantom_that_appears_is_cancelled_on_sight() -> None:
    world = play(it_appears_once_the_shares_are_sold)
    assert len(world.asked(CancelOrder, Role.STOP)) == 1
    assert world.positions() == [0, SHARES, 0]
    assert world.working(Side.SELL) == []


_step = Trader._step


def forgets_phantoms(trader: Trader, now_ns: int) -> None:
    """What was given up is not looked for any more."""
    trader.state.phantoms.clear()
    _step(trader, now_ns)


def test_twin_that_forgets_what_it_gave_up_ends_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trader, "_step", forgets_phantoms)
    world = play(it_appears_once_the_shares_are_sold)
    assert world.position() == -SHARES


async def it_fills_beside_the_exit(world: World) -> None:
    phantom = await the_price_falls_through_it(world)
    await world.prints(ENTRY - RISK + 5, pause_s=0.5)
    cancel = world.broker.keep_request(Verb.CANCEL, Role.STOP)
    phantom.open()
    await world.wait(0.2)
    await world.prints(ENTRY - RISK - 5, pause_s=0.2)
    assert world.position() == -SHARES, "sold twice"
    cancel.open()
    for _ in range(8):
        await world.prints(ENTRY - RISK - 5, pause_s=1)


def test_a_phantom_that_fills_beside_the_exit_is_bought_back_as_far_as_our_fills_explain_it() -> None:
    world = play(it_fills_beside_the_exit)
    assert world.positions() == [0, SHARES, 0, -SHARES, 0]
    assert "bought_back" in world.alarms.codes
    assert world.working(Side.BUY) == []


def explains_nothing(_state: SymbolState) -> int:
    return 0


def test_twin_that_buys_nothing_back_stays_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SymbolState, "oversold", property(explains_nothing))
    assert play(it_fills_beside_the_exit).position() == -SHARES


async def nobody_sold_and_the_account_says_so(world: World) -> None:
    """The stop had arrived after all, and sold: only its news was lost, and the books lag."""
    world.broker.keep_answer(Verb.PLACE, Role.STOP)
    world.broker.loses_frames = True
    await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=0.5)
    await world.prints(ENTRY - RISK - 5, pause_s=1)
    for _ in range(6):
        await world.prints(ENTRY - RISK - 5, pause_s=1)


def test_a_stop_that_had_sold_unheard_is_not_followed_by_a_second_sale() -> None:
    world = play(nobody_sold_and_the_account_says_so, rules={"idle_poll_ns": SECOND_NS})
    assert world.positions() == [0, SHARES, 0]
    assert world.asked(PlaceOrder, Role.EXIT) == []
