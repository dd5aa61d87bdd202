"""Waiting for a signal or a time: which ends it, and what is left behind."""

import asyncio

import pytest

from olaf_async.adapters.clock import LoopClock
from olaf_async.core.rules import NEVER_NS, SECOND_NS
from olaf_async.shell.waiting import first_of, wait_for_signal_or_time
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
        signal = asyncio.Event()
        due_ns = NEVER_NS if due_s is None else OPEN_NS + due_s * SECOND_NS
        if signal_s == 0:
            signal.set()
        elif signal_s is not None:
            asyncio.get_running_loop().call_later(signal_s, signal.set)
        await wait_for_signal_or_time(signal, clock, due_ns)
        return clock.now_ns() - OPEN_NS

    assert on_virtual_time(story) == ends_s * SECOND_NS


@pytest.mark.parametrize(("is_set", "due_ns"), [(True, OPEN_NS + SECOND_NS), (False, NEVER_NS)])
def test_where_the_time_cannot_matter_the_clock_is_not_asked_to_wait(is_set: bool, due_ns: int) -> None:
    """The hand-set clock refuses; the machine's would wake once a second to see whether never has come."""

    async def story(_clock: LoopClock) -> None:
        signal = asyncio.Event()
        if is_set:
            signal.set()
        else:
            asyncio.get_running_loop().call_later(5, signal.set)
        await wait_for_signal_or_time(signal, HandClock(), due_ns)

    on_virtual_time(story)


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
            await wait_for_signal_or_time(asyncio.Event(), BrokenClock(), OPEN_NS + SECOND_NS)

    on_virtual_time(story)
