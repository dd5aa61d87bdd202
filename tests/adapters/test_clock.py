"""The machine's clock follows nobody who sets the wall clock; the loop's clock is exact."""

import asyncio
import time
from dataclasses import dataclass, field

import pytest

from olaf_async.adapters.clock import LoopClock, SystemClock, boot_time_ns
from olaf_async.ports.clock import Clock
from olaf_async.sim.loop import Deadlock, SimLoop, run

EPOCH_NS = 1_700_000_000_123_456_789
S = 1_000_000_000


@dataclass
class Machine:
    """A computer whose clocks and sleeps are ours to move."""

    wall: int = EPOCH_NS
    boot: int = 77 * S
    naps_s: list[float] = field(default_factory=list)
    suspend_at_nap: int | None = None

    def pass_time(self, span_ns: int) -> None:
        self.wall += span_ns
        self.boot += span_ns

    async def sleep(self, delay_s: float) -> None:
        self.naps_s.append(delay_s)
        self.pass_time(round(delay_s * S))
        if self.suspend_at_nap == len(self.naps_s):
            self.pass_time(3600 * S)
        await asyncio.sleep(0)

    def clock(self) -> SystemClock:
        return SystemClock(wall_ns=lambda: self.wall, boot_ns=lambda: self.boot, sleep_s=self.sleep)


def test_both_clocks_are_what_the_port_asks_for() -> None:
    loop = SimLoop()
    clocks: list[Clock] = [SystemClock(), LoopClock(loop)]
    assert all(isinstance(clock.now_ns(), int) for clock in clocks)
    loop.close()


# -------------------------------------------------------------------------------------------- the machine's


def test_it_starts_at_the_wall_time_and_runs_on_the_boot_clock() -> None:
    machine = Machine()
    clock = machine.clock()
    assert clock.now_ns() == EPOCH_NS
    machine.boot += 5 * S
    assert clock.now_ns() == EPOCH_NS + 5 * S


@pytest.mark.parametrize("step_ns", [3 * S, -3 * S])
def test_setting_the_wall_clock_moves_the_skew_and_not_the_clock(step_ns: int) -> None:
    machine = Machine()
    clock = machine.clock()
    machine.pass_time(10 * S)
    assert clock.wall_skew_ns() == 0
    machine.wall += step_ns
    assert clock.now_ns() == EPOCH_NS + 10 * S
    assert clock.wall_skew_ns() == step_ns


async def test_a_long_sleep_is_taken_in_naps_of_a_second() -> None:
    machine = Machine()
    clock = machine.clock()
    await clock.sleep_until_ns(EPOCH_NS + 2 * S + S // 4)
    assert machine.naps_s == [1.0, 1.0, 0.25]
    assert clock.now_ns() == EPOCH_NS + 2 * S + S // 4


async def test_a_sleep_across_a_suspend_ends_with_the_nap_in_which_the_machine_woke() -> None:
    machine = Machine(suspend_at_nap=2)
    clock = machine.clock()
    await clock.sleep_until_ns(EPOCH_NS + 600 * S)
    assert machine.naps_s == [1.0, 1.0]


async def test_waking_early_is_not_taken_for_waking() -> None:
    machine = Machine()
    clock = machine.clock()
    woken_early: list[float] = []

    async def light_sleep(delay_s: float) -> None:
        woken_early.append(delay_s)
        machine.pass_time(1 if len(woken_early) == 1 else round(delay_s * S))
        await asyncio.sleep(0)

    clock = SystemClock(wall_ns=lambda: machine.wall, boot_ns=lambda: machine.boot, sleep_s=light_sleep)
    await clock.sleep_until_ns(EPOCH_NS + 10)
    assert clock.now_ns() == EPOCH_NS + 10
    assert woken_early == [10e-9, 9e-9]


@pytest.mark.parametrize("past_ns", [0, 1, 3600 * S])
async def test_the_machines_clock_lets_others_run_once_even_where_the_time_is_past(past_ns: int) -> None:
    machine = Machine()
    others: list[str] = []
    asyncio.get_running_loop().call_soon(others.append, "ran")
    await machine.clock().sleep_until_ns(EPOCH_NS - past_ns)
    assert others == ["ran"]
    assert machine.naps_s == [0.0]


async def test_on_the_real_machine_it_agrees_with_the_wall_and_wakes_no_earlier_than_asked() -> None:
    clock = SystemClock()
    assert abs(clock.now_ns() - time.time_ns()) < S
    assert abs(clock.wall_skew_ns()) < S
    when_ns = clock.now_ns() + 1
    await clock.sleep_until_ns(when_ns)
    assert clock.now_ns() >= when_ns


def test_the_boot_clock_never_steps_back_and_does_without_the_boot_time_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = boot_time_ns()
    assert boot_time_ns() >= first
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    before = time.monotonic_ns()
    assert before <= boot_time_ns() <= time.monotonic_ns()


# ----------------------------------------------------------------------------------------- the virtual loop's


def loop_clock() -> tuple[SimLoop, LoopClock]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    return loop, LoopClock(loop)


def test_the_loops_clock_wakes_at_exactly_the_nanosecond_asked_for() -> None:
    async def main() -> list[int]:
        _, clock = loop_clock()
        seen = [clock.now_ns()]
        for wait_ns in (1, 333_333_333, 86_400 * S + 7):
            await clock.sleep_until_ns(clock.now_ns() + wait_ns)
            seen.append(clock.now_ns())
        return seen

    at = EPOCH_NS
    assert run(main(), start_ns=at) == [at, at + 1, at + 333_333_334, at + 333_333_334 + 86_400 * S + 7]


@pytest.mark.parametrize("past_ns", [0, 1, 3600 * S])
def test_the_loops_clock_lets_others_run_once_even_where_the_time_is_past(past_ns: int) -> None:
    async def main() -> tuple[list[str], int]:
        loop, clock = loop_clock()
        others: list[str] = []
        loop.call_soon(others.append, "ran")
        await clock.sleep_until_ns(EPOCH_NS - past_ns)
        return others, clock.now_ns()

    assert run(main(), start_ns=EPOCH_NS) == (["ran"], EPOCH_NS)


def test_sleepers_of_one_instant_wake_in_the_order_they_went_to_sleep() -> None:
    async def main() -> list[int]:
        _, clock = loop_clock()
        woken: list[int] = []

        async def sleeper(number: int) -> None:
            await clock.sleep_until_ns(EPOCH_NS + S)
            woken.append(number)

        await asyncio.gather(*map(sleeper, range(5)))
        return woken

    assert run(main(), start_ns=EPOCH_NS) == [0, 1, 2, 3, 4]


def test_a_cancelled_sleeper_takes_its_timer_along() -> None:
    async def main() -> None:
        _, clock = loop_clock()
        sleeper = asyncio.create_task(clock.sleep_until_ns(EPOCH_NS + 3600 * S))
        await asyncio.sleep(0)
        sleeper.cancel()
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match=f"no timer is set at {EPOCH_NS} ns"):
        run(main(), start_ns=EPOCH_NS)


def test_a_sleeper_cancelled_in_the_instant_its_timer_fires_is_simply_cancelled() -> None:
    async def main() -> str:
        loop, clock = loop_clock()
        sleeper = asyncio.create_task(clock.sleep_until_ns(EPOCH_NS + S))
        loop.call_at_ns(EPOCH_NS + S, sleeper.cancel)
        await asyncio.wait([sleeper])
        return "cancelled" if sleeper.cancelled() else "woken"

    assert run(main(), start_ns=EPOCH_NS) == "cancelled"
