"""The orders a simulated loop may be given: what a lane is, and what no order may break."""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import permutations

import pytest

from olaf_async.sim.choices import Choices, Odometer, calm, seeded
from olaf_async.sim.loop import Pick, run
from olaf_async.sim.orders import ORDERS, fifo, lanes, pct

Heard = list[tuple[str, int]]


async def three_tasks(heard: Heard) -> None:
    """Each says a number, gives way, and says the next."""

    async def count(name: str) -> None:
        for number in range(3):
            heard.append((name, number))
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(count(name), name=name)


def heard_with(pick: Pick) -> Heard:
    heard: Heard = []
    run(three_tasks(heard), pick=pick)
    return heard


def test_the_calm_choice_is_stock_order() -> None:
    assert heard_with(lanes(calm())) == heard_with(fifo)


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_a_seed_gives_the_same_order_again(order: Callable[[Choices], Pick]) -> None:
    assert heard_with(order(seeded(11))) == heard_with(order(seeded(11)))


@pytest.mark.parametrize("order", [lanes, partial(pct, horizon=9)], ids=["lanes", "pct"])
def test_seeds_reach_orders_that_stock_does_not(order: Callable[[Choices], Pick]) -> None:
    seen = {tuple(heard_with(order(seeded(seed)))) for seed in range(50)}
    assert len(seen) > 10
    for heard in seen:
        for name in "abc":
            assert [number for who, number in heard if who == name] == [0, 1, 2]


def test_a_search_without_bound_meets_every_order_of_what_is_ready() -> None:
    async def once(heard: list[str]) -> None:
        async def say(name: str) -> None:
            heard.append(name)

        async with asyncio.TaskGroup() as group:
            for name in "abc":
                group.create_task(say(name))

    seen = set()
    for choices in Odometer(9):
        heard: list[str] = []
        run(once(heard), pick=lanes(choices))
        seen.add(tuple(heard))
    assert seen == set(permutations("abc"))


class Link:
    """A connection: what it calls back stays in order."""

    sim_lane = "link"

    def __init__(self) -> None:
        self.heard: list[int] = []

    def frame(self, number: int) -> None:
        self.heard.append(number)


def test_a_connection_is_a_lane_and_what_has_no_owner_is_another() -> None:
    seen = set()
    for seed in range(40):
        links, ownerless = [Link(), Link()], Link()
        every: list[str] = []

        async def schedule(
            links: list[Link] = links, ownerless: Link = ownerless, every: list[str] = every
        ) -> None:
            loop = asyncio.get_running_loop()
            for number in range(3):
                for name, link in zip("xy", links, strict=True):
                    loop.call_soon(link.frame, number)
                    loop.call_soon(partial(every.append, name))
                loop.call_soon(partial(ownerless.heard.append, number))
            later = loop.create_future()
            loop.call_later(1, later.set_result, None)
            await later

        run(schedule(), pick=lanes(seeded(seed)))
        assert [link.heard for link in (*links, ownerless)] == [[0, 1, 2]] * 3
        seen.add(tuple(every))
    assert seen == {("x", "y") * 3}


def test_a_cancelled_callback_is_no_choice() -> None:
    choices = calm()

    async def cancels() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(5):
            loop.call_soon(print, "never").cancel()
        await asyncio.sleep(0)

    run(cancels(), pick=lanes(choices))
    assert choices.log == []


def test_priorities_are_fair_in_the_end_so_nobody_starves() -> None:
    """One task spins until another one has spoken; whoever is in front for ever would hang the day."""
    for seed in range(30):

        async def day() -> None:
            said = asyncio.Event()

            async def spin() -> None:
                while not said.is_set():  # noqa: ASYNC110 -- a hot loop is what this is about
                    await asyncio.sleep(0)

            async def say() -> None:
                await asyncio.sleep(0)
                said.set()

            async with asyncio.TaskGroup() as group:
                group.create_task(spin())
                group.create_task(say())

        run(day(), pick=pct(seeded(seed), horizon=200))


def test_priorities_hold_until_a_lane_is_demoted() -> None:
    """With no demotion a lane that is in front runs to its end."""
    fronts = set()
    for seed in range(60):
        heard = heard_with(pct(seeded(seed), depth=1))
        order = [name for name, number in heard if number == 2]
        fronts.add(tuple(order))
    assert ("c", "b", "a") in fronts
    assert ("a", "b", "c") in fronts
