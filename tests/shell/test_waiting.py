"""Waiting for a signal or a time: which ends it, and what is left behind."""

import asyncio

import pytest

from olaf_async.adapters.clock import LoopClock
from olaf_async.core.rules import NEVER_NS, SECOND_NS
from olaf_async.shell.waiting import Signal, first_of
from tests.races.world import OPEN_NS

from .harness import HandClock, on_virtual_time, pause


@pytest.mark.parametrize(
    ("signal_s", "due_s", "ends_s"),
    [(None, 5, 5), (2, 5, 2), (5, 2, 2), (2, None, 2), (0, 5, 0), (None, -1, 0)],
    ids=["time alone", "signal first", "time first", "never due", "set already", "due already"],
)
def test_the_first_of_signal_and_time_ends_the_wait(
    signal_s: int | None, due_s: int | None, ends_s: int
) -> None:
    async def story(clock: LoopClock) -> int:
        signal = Signal(clock)
        due_ns = NEVER_NS if due_s is None else OPEN_NS + due_s * SECOND_NS
        if signal_s == 0:
            signal.set()
        elif signal_s is not None:
            asyncio.get_running_loop().call_later(signal_s, signal.set)
        await signal.wait_until(due_ns)
        signal.stop_alarm()
        return clock.now_ns() - OPEN_NS

    assert on_virtual_time(story) == ends_s * SECOND_NS


@pytest.mark.parametrize(("is_set", "due_ns"), [(True, OPEN_NS + SECOND_NS), (False, NEVER_NS)])
def test_where_the_time_cannot_matter_the_clock_is_not_asked_to_wait(is_set: bool, due_ns: int) -> None:
    """The hand-set clock refuses; the machine's would wake once a second to see whether never has come."""

    async def story(_clock: LoopClock) -> None:
        signal = Signal(HandClock())
        if is_set:
            signal.set()
        else:
            asyncio.get_running_loop().call_later(5, signal.set)
        await signal.wait_until(due_ns)

    on_virtual_time(story)


async def _waits(clock: LoopClock, *dues_s: int, news_s: tuple[int, ...] = ()) -> list[int]:
    """When a task comes back that waits for these times in turn, with news at others."""
    signal = Signal(clock)
    for at_s in news_s:
        asyncio.get_running_loop().call_later(at_s, signal.set)
    came_s = []
    for due_s in dues_s:
        signal.clear()
        await signal.wait_until(OPEN_NS + due_s * SECOND_NS)
        came_s.append((clock.now_ns() - OPEN_NS) // SECOND_NS)
    signal.stop_alarm()
    return came_s


@pytest.mark.parametrize(
    ("dues_s", "news_s", "came_s"),
    [
        ((5, 5, 9), (2,), [2, 5, 9]),
        ((5, 9, 9), (2,), [2, 5, 9]),
        ((9, 5, 9), (2,), [2, 5, 9]),
    ],
    ids=["the same", "a later one is looked at early", "an earlier one"],
)
def test_the_alarm_goes_on_from_wait_to_wait(
    dues_s: tuple[int, ...], news_s: tuple[int, ...], came_s: list[int]
) -> None:
    async def story(clock: LoopClock) -> list[int]:
        return await _waits(clock, *dues_s, news_s=news_s)

    assert on_virtual_time(story) == came_s


def test_an_alarm_that_rang_while_nobody_waited_is_no_alarm_any_more() -> None:
    async def story(clock: LoopClock) -> int:
        signal = Signal(clock)
        asyncio.get_running_loop().call_later(1, signal.set)
        await signal.wait_until(OPEN_NS + 3 * SECOND_NS)
        await pause(clock, 5)
        signal.clear()
        await signal.wait_until(OPEN_NS + 8 * SECOND_NS)
        return clock.now_ns() - OPEN_NS

    assert on_virtual_time(story) == 8 * SECOND_NS


def test_a_stopped_alarm_does_not_ring() -> None:
    async def story(clock: LoopClock) -> bool:
        signal = Signal(clock)
        waiting = asyncio.get_running_loop().create_task(signal.wait_until(OPEN_NS + SECOND_NS))
        await pause(clock, 0.5)
        waiting.cancel()
        signal.stop_alarm()
        await pause(clock, 5)
        return signal.is_set()

    assert not on_virtual_time(story)


def test_a_loser_that_takes_its_time_to_go_is_waited_for() -> None:
    async def story(clock: LoopClock) -> bool:
        is_gone = False

        async def slow_to_go() -> None:
            nonlocal is_gone
            try:
                await asyncio.Event().wait()
            finally:
                await pause(clock, 3)
                is_gone = True

        await first_of(slow_to_go(), pause(clock, 1))
        return is_gone

    assert on_virtual_time(story)


def test_what_lost_the_race_is_gone_when_the_wait_is_over() -> None:
    async def story(clock: LoopClock) -> list[str]:
        ended: list[str] = []

        async def sleeper(name: str, seconds: float) -> None:
            try:
                await pause(clock, seconds)
            finally:
                ended.append(name)

        await first_of(sleeper("slow", 5), sleeper("fast", 1))
        return ended

    assert on_virtual_time(story) == ["fast", "slow"]


def test_an_error_that_ends_the_race_is_raised() -> None:
    async def story(clock: LoopClock) -> None:
        async def fails() -> None:
            await pause(clock, 1)
            raise ZeroDivisionError

        await first_of(pause(clock, 5), fails())

    with pytest.raises(ZeroDivisionError):
        on_virtual_time(story)


def test_a_cancelled_wait_cancels_what_it_waits_for() -> None:
    async def story(clock: LoopClock) -> bool:
        inner = asyncio.get_running_loop().create_task(pause(clock, 100))

        async def waits() -> None:
            await inner

        waiting = asyncio.get_running_loop().create_task(first_of(waits()))
        await pause(clock, 1)
        waiting.cancel()
        await asyncio.wait([waiting])
        return inner.cancelled() and waiting.cancelled()

    assert on_virtual_time(story)


def test_a_clock_that_fails_is_not_waited_for() -> None:
    class BrokenClock(HandClock):
        async def sleep_until_ns(self, when_ns: int) -> None:
            await asyncio.sleep(0)
            raise OSError(f"no time for {when_ns}")

    async def story(_clock: LoopClock) -> None:
        with pytest.raises(OSError, match="no time"):
            await Signal(BrokenClock()).wait_until(OPEN_NS + SECOND_NS)

    on_virtual_time(story)
