"""An undecided exit: no second sale before it is settled; a chase is a change of one order, not another."""

from dataclasses import replace

from olaf_async.core.guards import STANDARD
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import Command, Commanded, Verb
from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder
from olaf_async.domain.order import Role, Side
from tests.races.walls import checks_nothing
from tests.races.world import ENTRY, SHARES, Gate, World, play

SETTLE_S = 20
RULES = {"settle_ns": SETTLE_S * SECOND_NS, "idle_poll_ns": 60 * SECOND_NS}


def flatten(world: World) -> None:
    world.supervisor.pump.put(Commanded(world.clock.now_ns(), Command.FLATTEN))


async def is_to_sell_and_nothing_is_heard_of_it(world: World) -> Gate:
    await world.enters()
    on_its_way = world.broker.keep_request(Verb.PLACE, Role.EXIT)
    flatten(world)
    for _ in range(SETTLE_S - 3):
        await world.prints(ENTRY, pause_s=1)
    return on_its_way


async def it_arrives_within_its_time(world: World) -> None:
    on_its_way = await is_to_sell_and_nothing_is_heard_of_it(world)
    assert len(world.asked(PlaceOrder, Role.EXIT)) == 1
    on_its_way.open()
    await world.wait(3)


def test_while_it_is_undecided_nothing_more_is_sold_and_the_books_are_read_every_second() -> None:
    world = play(it_arrives_within_its_time, rules=RULES)
    assert world.positions() == [0, SHARES, 0]
    assert len(world.orders(Side.SELL)) == 2, "the stop and one exit"
    assert world.broker.reads >= SETTLE_S - 8


def sells_again(state: SymbolState) -> bool:
    """An exit without an id is none; so another one."""
    return state.stop is None and (state.exit is None or state.exit.order_id is None)


def test_twin_that_takes_no_answer_for_no_order_sells_twice() -> None:
    guards = replace(STANDARD, may_place_exit=sells_again)
    world = play(it_arrives_within_its_time_with_another, rules=RULES, guards=guards, check=checks_nothing)
    assert min(world.positions()) < 0


async def it_arrives_within_its_time_with_another(world: World) -> None:
    on_its_way = await is_to_sell_and_nothing_is_heard_of_it(world)
    on_its_way.open()
    await world.wait(3)


async def it_never_arrives(world: World) -> None:
    await is_to_sell_and_nothing_is_heard_of_it(world)
    for _ in range(10):
        await world.prints(ENTRY, pause_s=1)


def test_concluded_absent_after_its_time_it_is_placed_again() -> None:
    world = play(it_never_arrives, rules=RULES)
    assert len(world.asked(PlaceOrder, Role.EXIT)) == 2
    assert world.positions() == [0, SHARES, 0]


async def it_arrives_after_the_next_has_sold(world: World) -> None:
    on_its_way = await is_to_sell_and_nothing_is_heard_of_it(world)
    for _ in range(10):
        await world.prints(ENTRY, pause_s=1)
    assert world.position() == 0
    await world.prints(ENTRY - 30_00, pause_s=0.5)  # it will rest: its limit lies above the market
    on_its_way.open()
    await world.wait(3)
    await world.prints(ENTRY, pause_s=1)


def test_one_that_arrives_after_the_next_has_sold_is_cancelled_on_sight() -> None:
    world = play(it_arrives_after_the_next_has_sold, rules=RULES)
    assert len(world.asked(CancelOrder, Role.EXIT)) == 1
    assert world.positions() == [0, SHARES, 0]
    assert world.working(Side.SELL) == []


async def it_arrives_and_sells_once_more(world: World) -> None:
    on_its_way = await is_to_sell_and_nothing_is_heard_of_it(world)
    for _ in range(10):
        await world.prints(ENTRY, pause_s=1)
    on_its_way.open()
    await world.wait(0.1)
    for _ in range(8):
        await world.prints(ENTRY, pause_s=1)


def test_what_it_sold_once_more_is_bought_back_once() -> None:
    world = play(it_arrives_and_sells_once_more, rules=RULES)
    assert world.positions() == [0, SHARES, 0, -SHARES, 0]
    assert len([order for order in world.orders(Side.BUY) if order.filled]) == 2, (
        "the entry, and one way back"
    )


async def the_way_back_is_undecided_too(world: World) -> None:
    await it_arrives_up_to_its_sale(world)
    world.broker.keep_request(Verb.PLACE, Role.EXIT)
    for _ in range(15):
        await world.prints(ENTRY, pause_s=1)


async def it_arrives_up_to_its_sale(world: World) -> None:
    on_its_way = await is_to_sell_and_nothing_is_heard_of_it(world)
    for _ in range(10):
        await world.prints(ENTRY, pause_s=1)
    world.broker.hold_frames()
    on_its_way.open()
    await world.wait(0.015)
    world.broker.release_frames()


def test_an_undecided_way_back_is_not_repeated() -> None:
    world = play(the_way_back_is_undecided_too, rules=RULES)
    assert world.position() == -SHARES
    sent = [intent for intent in world.asked(PlaceOrder, Role.EXIT) if isinstance(intent, PlaceOrder)]
    assert [intent.side for intent in sent].count(Side.BUY) == 1


# --- the chase ------------------------------------------------------------------------------------


async def the_price_runs_away_below_the_exit(world: World) -> None:
    await world.enters()
    on_its_way = world.broker.keep_request(Verb.PLACE, Role.EXIT)
    flatten(world)
    await world.prints(ENTRY, pause_s=0.5)
    await world.prints(ENTRY - 15_00, pause_s=0.2)
    on_its_way.open()
    for step in range(1, 8):
        await world.prints(ENTRY - 15_00 - step * 10, pause_s=0.8)


def test_an_exit_that_the_price_runs_away_from_is_changed_in_place_until_it_fills() -> None:
    world = play(the_price_runs_away_below_the_exit, rules=RULES)
    assert world.positions() == [0, SHARES, 0]
    assert len(world.asked(PlaceOrder, Role.EXIT)) == 1
    assert 1 <= len(world.asked(ModifyOrder, Role.EXIT)) <= 3, "once a second, not at each print"


# --- before each further sale -----------------------------------------------------------------------


async def part_is_sold_and_the_rest_of_the_exit_is_taken_away(world: World) -> None:
    await world.enters()
    on_its_way = world.broker.keep_request(Verb.PLACE, Role.EXIT)
    flatten(world)
    await world.prints(ENTRY, pause_s=0.5)
    await world.prints(ENTRY - 15_00, pause_s=0.2)
    on_its_way.open()
    await world.wait(0.1)
    world.next_fills = [4]
    await world.prints(ENTRY, pause_s=0.1)
    assert world.position() == SHARES - 4
    for order in world.working(Side.SELL):
        world.cancels_by_hand(order.order_id)
    world.trades_by_hand(Side.SELL, 2)
    for _ in range(8):
        await world.prints(ENTRY, pause_s=1)


def test_of_an_exit_that_was_taken_away_only_what_is_still_held_is_sold_again() -> None:
    world = play(part_is_sold_and_the_rest_of_the_exit_is_taken_away, rules=RULES)
    assert world.position() == 0
    assert min(world.positions()) == 0
    assert world.oversell_risk() == 0
