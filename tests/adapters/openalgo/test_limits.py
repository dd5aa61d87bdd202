"""Calls wait here so that the server need not refuse them, and protection never waits for an entry."""

import asyncio
from collections.abc import Callable, Coroutine

from hypothesis import given
from hypothesis import strategies as st

from olaf_async.adapters.clock import LoopClock
from olaf_async.adapters.openalgo.limits import (
    ORDERS_MAX,
    READS_MAX,
    ROUTE_SPAN_NS,
    SECOND_NS,
    WRITE_WAIT_NS,
    Limits,
    Urgency,
)
from olaf_async.errors import RateLimited
from olaf_async.sim.loop import SimLoop, run

START_NS = 1_700_000_000 * SECOND_NS
MS = 1_000_000


class Track:
    """Who passed when, on virtual time."""

    def __init__(self, orders_per_s: int) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        self.clock = LoopClock(loop)
        self.limits = Limits(self.clock, orders_per_s)
        self.passed: list[tuple[str, int]] = []
        self.refused: list[tuple[str, float]] = []

    @property
    def at_ns(self) -> int:
        return self.clock.now_ns() - START_NS

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.passed]

    async def write(self, name: str, urgency: Urgency, route: str = "placeorder") -> None:
        try:
            await self.limits.enter_write(route, urgency)
        except RateLimited as error:
            self.refused.append((name, error.retry_after_s))
        else:
            self.passed.append((name, self.at_ns))

    async def read(self, name: str) -> None:
        await self.limits.enter_read("quotes")
        self.passed.append((name, self.at_ns))


def on_track(orders_per_s: int, story: Callable[[Track], Coroutine[object, object, None]]) -> Track:
    async def main() -> Track:
        track = Track(orders_per_s)
        await story(track)
        return track

    return run(main(), start_ns=START_NS)


def test_as_many_orders_go_in_a_second_as_are_allowed_over_all_verbs() -> None:
    async def story(track: Track) -> None:
        routes = ["placeorder", "modifyorder", "cancelorder"]
        await asyncio.gather(*(track.write(str(n), Urgency.ENTRY, routes[n % 3]) for n in range(6)))

    assert on_track(4, story).passed == [
        ("0", 0),
        ("1", 0),
        ("2", 0),
        ("3", 0),
        ("4", SECOND_NS),
        ("5", SECOND_NS),
    ]


def test_protection_that_asks_last_goes_first() -> None:
    async def story(track: Track) -> None:
        await asyncio.gather(*(track.write(f"first {n}", Urgency.ENTRY) for n in range(2)))
        waiting = [asyncio.create_task(track.write(f"entry {n}", Urgency.ENTRY)) for n in range(2)]
        await track.clock.sleep_until_ns(track.clock.now_ns() + 500 * MS)
        await track.write("stop", Urgency.PROTECTION)
        await asyncio.gather(*waiting)

    track = on_track(2, story)

    assert dict(track.passed) == {"first 0": 0, "first 1": 0, "stop": SECOND_NS, "entry 0": SECOND_NS}
    assert track.refused == [("entry 1", 1.0)]


def test_a_write_that_would_wait_too_long_is_sent_back_with_the_time_to_come_again() -> None:
    async def story(track: Track) -> None:
        await asyncio.gather(*(track.write(str(n), Urgency.ENTRY) for n in range(3)))

    track = on_track(1, story)

    assert track.passed == [("0", 0), ("1", SECOND_NS)]
    assert track.refused == [("2", 2.0)]


def test_a_waiter_that_is_cancelled_gives_its_place_back() -> None:
    async def story(track: Track) -> None:
        await track.write("first", Urgency.ENTRY)
        gone = asyncio.create_task(track.write("gone", Urgency.PROTECTION))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        await track.write("second", Urgency.ENTRY)

    assert on_track(1, story).passed == [("first", 0), ("second", SECOND_NS)]


def test_each_route_has_a_window_of_its_own() -> None:
    async def story(track: Track) -> None:
        names = [f"place {n}" for n in range(ORDERS_MAX + 1)]
        calls = [track.write(name, Urgency.ENTRY) for name in names]
        await asyncio.gather(*calls, track.write("cancel", Urgency.ENTRY, "cancelorder"))

    track = on_track(1000, story)

    assert track.passed[-1] == ("cancel", 0)
    assert len(track.passed) == ORDERS_MAX + 1
    assert [name for name, _ in track.refused] == [f"place {ORDERS_MAX}"]


def test_a_route_that_the_server_refused_stays_closed_and_the_others_open() -> None:
    async def story(track: Track) -> None:
        await track.write("0", Urgency.ENTRY)
        track.limits.refused("placeorder", 0.5)
        track.limits.refused("never used", 0.5)
        await asyncio.gather(
            track.write("place", Urgency.PROTECTION), track.write("cancel", Urgency.ENTRY, "cancelorder")
        )

    assert on_track(8, story).passed == [("0", 0), ("cancel", 0), ("place", SECOND_NS // 2)]


def test_reads_go_in_the_order_of_asking_however_many_there_are() -> None:
    async def story(track: Track) -> None:
        await asyncio.gather(*(track.read(str(n)) for n in range(2 * READS_MAX + 1)))

    track = on_track(8, story)

    assert track.names == [str(n) for n in range(2 * READS_MAX + 1)]
    assert [at for _, at in track.passed][READS_MAX - 1 :: READS_MAX] == [0, ROUTE_SPAN_NS]
    assert track.passed[-1][1] == 2 * ROUTE_SPAN_NS


@given(
    st.integers(1, 12),
    st.lists(
        st.tuples(
            st.integers(0, 300), st.sampled_from(Urgency), st.sampled_from(["placeorder", "cancelorder"])
        ),
        max_size=60,
    ),
)
def test_no_second_ever_sees_more_orders_than_allowed_nor_a_route_more_than_its_own(
    orders_per_s: int, asked: list[tuple[int, Urgency, str]]
) -> None:
    async def story(track: Track) -> None:
        tasks = []
        for after_ms, urgency, route in asked:
            await track.clock.sleep_until_ns(track.clock.now_ns() + after_ms * MS)
            tasks.append(asyncio.create_task(track.write(route, urgency, route)))
        await asyncio.gather(*tasks)

    track = on_track(orders_per_s, story)

    assert len(track.passed) + len(track.refused) == len(asked)
    assert all(
        0 < later_s <= 60 and later_s > WRITE_WAIT_NS / SECOND_NS / 1000 for _, later_s in track.refused
    )
    _check(track.passed, orders_per_s, SECOND_NS)
    for route in ("placeorder", "cancelorder"):
        _check([(name, at) for name, at in track.passed if name == route], ORDERS_MAX, ROUTE_SPAN_NS)


def _check(passed: list[tuple[str, int]], limit: int, span_ns: int) -> None:
    times = sorted(at for _, at in passed)
    assert all(later - earlier >= span_ns for earlier, later in zip(times, times[limit:], strict=False))
