"""The simulated loop: stock order, exact time, nothing from outside, nothing lost, the same on every run."""

import asyncio
import contextvars
import gc
import hashlib
import inspect
import itertools
import logging
import math
import os
import re
import selectors
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.sim.loop import Deadlock, Livelock, SimLoop, UnhandledInSimulation, run
from olaf_async.sim.sealed import EscapedSimulation, SimulationError
from olaf_async.sim.sites import await_site

ROOT = Path(__file__).resolve().parents[2]
EPOCH_NS = 1_700_000_000_123_456_789
MS = 1_000_000

rest = asyncio.sleep
"""Waits in the time of the loop it runs on. Every loop in this file only pretends to wait."""


def sim_loop() -> SimLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimLoop)
    return loop


# ------------------------------------------------------------------------------- the order is stock asyncio's


class JumpingSelector(selectors.SelectSelector):
    """Skips each wait and notes how long it would have been."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "stock asyncio would wait for ever"
        self.waited_s += max(timeout, 0.0)
        return super().select(0)


class StockLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, every line of its scheduling, with a clock that follows the skipped waits."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.waited_s


@dataclass
class Stage:
    """What the actors of a random program share, and the log of what they did."""

    actors: list[asyncio.Task[None]] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    queue: asyncio.Queue[int] = field(default_factory=lambda: asyncio.Queue(maxsize=2))
    taken_ms: set[int] = field(default_factory=set)
    log: list[tuple[int, str]] = field(default_factory=list)

    def note(self, what: str) -> None:
        self.log.append((round(asyncio.get_running_loop().time() * 1000), what))

    def until(self, wait_ms: int) -> float:
        """Seconds to an instant no one else waits for: stock asyncio leaves the order of a tie open."""
        now_s = asyncio.get_running_loop().time()
        due = next(ms for ms in itertools.count(round(now_s * 1000) + wait_ms) if ms not in self.taken_ms)
        self.taken_ms.add(due)
        return due / 1000 - now_s


async def act(stage: Stage, me: int, deed: str, number: int) -> None:  # noqa: C901 - one flat table
    loop = asyncio.get_running_loop()
    match deed:
        case "yield":
            await asyncio.sleep(0)
        case "rest":
            await rest(stage.until(number))
        case "soon":
            loop.call_soon(stage.note, f"soon {me}")
        case "later":
            loop.call_later(stage.until(number), stage.note, f"later {me}")
        case "lock":
            async with stage.lock:
                stage.note(f"locked {me}")
                await asyncio.sleep(0)
        case "put":
            await stage.queue.put(number)
        case "get":
            stage.note(f"got {await stage.queue.get()}")
        case "wait":
            await stage.gate.wait()
            stage.gate.clear()
        case "open":
            stage.gate.set()
        case "cancel":
            stage.actors[number % len(stage.actors)].cancel()
        case "group":
            async with asyncio.TaskGroup() as group:
                group.create_task(act(stage, me, "yield", 0))
                group.create_task(act(stage, me, "lock", 0))
        case _:
            raise AssertionError(deed)


async def play(stage: Stage, me: int, script: Sequence[tuple[str, int]]) -> None:
    for deed, number in script:
        try:
            async with asyncio.timeout(stage.until(7)):
                await act(stage, me, deed, number)
            stage.note(f"{me} did {deed}")
        except TimeoutError:
            stage.note(f"{me} gave up {deed}")
        except asyncio.CancelledError:
            stage.note(f"{me} was cancelled in {deed}")
            raise


async def mixed_program(scripts: Sequence[Sequence[tuple[str, int]]]) -> list[tuple[int, str]]:
    stage = Stage()
    stage.actors += [asyncio.create_task(play(stage, me, script)) for me, script in enumerate(scripts)]
    await asyncio.gather(*stage.actors, return_exceptions=True)
    await rest(stage.until(50))
    return stage.log


DEEDS = ["yield", "rest", "soon", "later", "lock", "put", "get", "wait", "open", "cancel", "group"]
SCRIPTS = st.lists(
    st.lists(st.tuples(st.sampled_from(DEEDS), st.integers(1, 9)), max_size=6), min_size=1, max_size=5
)


@given(SCRIPTS)
def test_a_mixed_program_runs_in_the_order_of_stock_asyncio(
    scripts: list[list[tuple[str, int]]],
) -> None:
    with asyncio.Runner(loop_factory=StockLoop) as stock:
        expected = stock.run(mixed_program(scripts))
    assert run(mixed_program(scripts)) == expected


async def due_timer_against_callback() -> list[str]:
    log: list[str] = []
    loop = asyncio.get_running_loop()
    loop.call_soon(loop.call_later, 0, log.append, "timer set first")
    loop.call_soon(loop.call_soon, log.append, "callback of the same round")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return log


def test_a_timer_already_due_waits_for_the_end_of_the_round_as_in_stock_asyncio() -> None:
    with asyncio.Runner(loop_factory=StockLoop) as stock:
        expected = stock.run(due_timer_against_callback())
    assert expected == ["callback of the same round", "timer set first"]
    assert run(due_timer_against_callback()) == expected


def test_timers_of_one_instant_run_in_the_order_they_were_set() -> None:
    async def main() -> list[int]:
        log: list[int] = []
        loop = asyncio.get_running_loop()
        for number in range(20):
            loop.call_later(0.001, log.append, number)
        await rest(1)
        return log

    assert run(main()) == list(range(20))


def test_a_lock_is_granted_in_the_order_it_was_asked_for_and_nobody_barges_in() -> None:
    async def main() -> list[int]:
        lock = asyncio.Lock()
        log: list[int] = []

        async def client(number: int) -> None:
            for _ in range(3):
                async with lock:
                    log.append(number)
                    await rest(0.001)

        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(client(number))
        return log

    assert run(main()) == [0, 1, 2, 3] * 3


def test_stop_lets_the_round_in_progress_end_and_keeps_the_next_for_later() -> None:
    loop = SimLoop()
    log: list[str] = []
    loop.call_soon(loop.stop)
    loop.call_soon(log.append, "same round")
    loop.call_soon(loop.call_soon, log.append, "next round")
    loop.run_forever()
    assert log == ["same round"]
    loop.stop()
    loop.run_forever()
    assert log == ["same round", "next round"]
    loop.call_later(1, log.append, "later")
    loop.stop()
    loop.run_forever()
    assert loop.now_ns == 0, "a loop that is to stop does not wait"
    loop.close()


def test_another_order_can_be_picked_where_there_is_a_choice() -> None:
    choices: list[int] = []

    def newest(ready: Sequence[asyncio.Handle]) -> int:
        choices.append(len(ready))
        return len(ready) - 1

    loop = SimLoop(pick=newest)
    log: list[int] = []
    for number in range(3):
        loop.call_soon(log.append, number)
    loop.call_later(1, loop.stop)
    loop.run_forever()
    loop.close()
    assert log == [2, 1, 0]
    assert choices == [3, 2]


# --------------------------------------------------------------------------------------------- time is exact


@given(st.lists(st.integers(1, 10**15), min_size=1, max_size=6), st.integers(0, 2 * 10**18))
def test_a_timer_set_in_nanoseconds_fires_at_exactly_that_nanosecond(
    waits_ns: list[int], start_ns: int
) -> None:
    async def main() -> list[int]:
        loop, fired = sim_loop(), list[int]()
        for wait_ns in waits_ns:
            loop.call_at_ns(start_ns + wait_ns, lambda: fired.append(loop.now_ns - start_ns))
        await rest(10**15 / 1e9 + 1)
        return fired

    assert run(main(), start_ns=start_ns) == sorted(waits_ns)


@given(st.lists(st.integers(1, 10**13), min_size=1, max_size=20))
def test_float_delays_add_up_to_the_nanosecond_even_at_a_start_in_our_century(waits_ns: list[int]) -> None:
    async def main() -> int:
        for wait_ns in waits_ns:
            await rest(wait_ns / 1e9)
        return sim_loop().now_ns

    assert run(main(), start_ns=EPOCH_NS) == EPOCH_NS + sum(waits_ns)


def test_a_timeout_fires_at_its_nanosecond_and_not_at_the_end_of_what_it_cuts_off() -> None:
    async def main() -> list[int]:
        seen = []
        for delay_s in (0.25, 0.1, 1e-9, 3600.000000001):
            began_ns = sim_loop().now_ns
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await rest(86_400)
            seen.append(sim_loop().now_ns - began_ns)
        return seen

    assert run(main(), start_ns=EPOCH_NS) == [250 * MS, 100 * MS, 1, 3_600_000_000_001]


def test_time_stands_still_while_anything_is_ready() -> None:
    async def main() -> int:
        sim_loop().call_later(1e-9, lambda: None)
        for _ in range(1000):
            await asyncio.sleep(0)
        return sim_loop().now_ns

    assert run(main(), start_ns=5) == 5


def test_the_float_time_counts_from_the_start_of_the_loop() -> None:
    async def main() -> tuple[float, int]:
        await rest(1.5)
        return asyncio.get_running_loop().time(), sim_loop().now_ns

    assert run(main(), start_ns=EPOCH_NS) == (1.5, EPOCH_NS + 1_500 * MS)


def test_waiting_out_a_rest_below_a_nanosecond_moves_time_and_so_ends() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        deadline = math.nextafter(0.1, 1)
        rounds = 0
        while (left_s := deadline - loop.time()) > 0:
            await rest(left_s)
            rounds += 1
        return rounds

    assert run(main()) == 2


def test_a_timer_set_for_the_past_is_due_at_once_and_draws_no_time_back() -> None:
    loop = SimLoop(start_ns=10)
    loop.call_at_ns(5, loop.stop)
    loop.run_forever()
    assert loop.now_ns == 10
    loop.close()


def test_a_cancelled_timer_does_not_draw_time_forward() -> None:
    async def main() -> None:
        sim_loop().call_later(60, lambda: None).cancel()
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match="at 5 ns"):
        run(main(), start_ns=5)


def test_cancelled_timers_are_forgotten_long_before_their_time() -> None:
    async def main() -> int:
        sim_loop().call_later(1, lambda: None)  # keeps the cancelled ones from the top of the heap
        for _ in range(5000):
            async with asyncio.timeout(3600):
                await asyncio.sleep(0)
        return len(sim_loop()._timers)

    assert run(main()) < 200


# ------------------------------------------------------------------------------------------------- cancelling


def test_a_cancelled_sleeper_cleans_up_at_the_instant_of_its_cancellation() -> None:
    async def main() -> list[tuple[int, str]]:
        log: list[tuple[int, str]] = []

        async def sleeper() -> None:
            try:
                await rest(3600)
            finally:
                log.append((sim_loop().now_ns, "woken"))
                await rest(0.002)
                log.append((sim_loop().now_ns, "cleaned up"))

        task = asyncio.create_task(sleeper())
        await rest(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return log

    assert run(main()) == [(1 * MS, "woken"), (3 * MS, "cleaned up")]


def test_what_main_leaves_behind_is_cancelled_and_may_finish_in_virtual_time() -> None:
    log: list[str] = []

    async def leftover(name: str) -> None:
        try:
            await rest(3600)
        finally:
            await rest(1)
            log.append(f"{name} ended at {sim_loop().now_ns // MS} ms")

    async def main() -> str:
        asyncio.create_task(leftover("first"))  # noqa: RUF006 - it is meant to be forgotten
        asyncio.create_task(leftover("second"))  # noqa: RUF006
        await rest(0.005)
        return "result"

    assert run(main()) == "result"
    assert log == ["first ended at 1005 ms", "second ended at 1005 ms"]


def test_a_task_made_while_winding_down_is_wound_down_too() -> None:
    log: list[str] = []

    async def last_words() -> None:
        try:
            await rest(3600)
        finally:
            log.append("last words")

    async def leftover() -> None:
        try:
            await rest(3600)
        finally:
            asyncio.create_task(last_words())  # noqa: RUF006
            await asyncio.sleep(0)

    async def main() -> None:
        asyncio.create_task(leftover())  # noqa: RUF006
        await asyncio.sleep(0)

    run(main())
    assert log == ["last words"]


def test_tasks_that_replace_themselves_for_ever_are_reported() -> None:
    async def hydra() -> None:
        try:
            await rest(3600)
        except asyncio.CancelledError:
            asyncio.create_task(hydra())  # noqa: RUF006
            await asyncio.sleep(0)

    async def main() -> None:
        loops.append(sim_loop())
        asyncio.create_task(hydra())  # noqa: RUF006
        await asyncio.sleep(0)

    loops: list[SimLoop] = []
    with pytest.raises(UnhandledInSimulation) as caught:
        run(main())
    (error,) = caught.value.exceptions
    assert isinstance(error, SimulationError)
    assert re.search(r"outlive their cancellation.*hydra", str(error), re.DOTALL)
    assert loops[0].is_closed()


def test_cancelling_main_from_within_ends_the_run_as_cancelled() -> None:
    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        sim_loop().call_later(0.001, task.cancel)
        await rest(1)

    with pytest.raises(asyncio.CancelledError):
        run(main())


# -------------------------------------------------------------------------------------- deadlock and livelock


def line_of(function: Callable[..., Any], mark: str) -> str:
    lines, first = inspect.getsourcelines(function)
    (offset,) = [offset for offset, line in enumerate(lines) if mark in line]
    return f"{__file__}:{first + offset} {function.__qualname__}"


async def wants_both(first: asyncio.Lock, second: asyncio.Lock) -> None:
    async with first:
        await asyncio.sleep(0)
        async with second:  # the deadly embrace
            raise AssertionError("both locks were had")


async def reads_on(pages: AsyncIterator[int]) -> None:
    async for _ in pages:  # for ever
        pass


async def embrace() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()

    async def pages() -> AsyncIterator[int]:
        yield 1
        await asyncio.get_running_loop().create_future()

    async with asyncio.TaskGroup() as group:  # the parent
        group.create_task(wants_both(a, b), name="left")
        group.create_task(wants_both(b, a), name="right")
        group.create_task(reads_on(pages()), name="reader")
        group.create_task(asyncio.Event().wait(), name="bare")


def test_a_deadlock_names_the_await_of_every_pending_task() -> None:
    with pytest.raises(Deadlock) as caught:
        run(embrace(), start_ns=17)
    first, *rows = str(caught.value).splitlines()
    assert first == "nothing is ready and no timer is set at 17 ns; waiting:"
    parent, left, right, reader, bare = rows
    assert parent.startswith("  Task-1: " + line_of(embrace, "# the parent"))
    assert parent.endswith("inside TaskGroup.__aexit__")
    assert left == "  left: " + line_of(wants_both, "# the deadly embrace") + ", inside Lock.acquire"
    assert right == "  right: " + line_of(wants_both, "# the deadly embrace") + ", inside Lock.acquire"
    assert reader == "  reader: " + line_of(reads_on, "# for ever")
    assert re.fullmatch(r"  bare: \S+locks.py:\d+ Event.wait", bare)


def test_a_task_that_has_ended_waits_nowhere() -> None:
    async def main() -> list[str]:
        myself = asyncio.current_task()
        ended = asyncio.create_task(asyncio.sleep(0))
        await ended
        assert myself is not None
        return [await_site(ended), await_site(myself)]

    of_ended, of_myself = run(main())
    assert of_ended == "nowhere: it has ended"
    assert of_myself.startswith(__file__)


def test_a_loop_with_nothing_to_run_for_ever_is_a_deadlock_without_tasks() -> None:
    loop = SimLoop()
    with pytest.raises(Deadlock, match="no task at all"):
        loop.run_forever()
    loop.close()


def test_an_endless_sleep_is_a_deadlock_too() -> None:
    with pytest.raises(Deadlock, match="sleep"):
        run(rest(math.inf))


def test_a_deadlocked_program_is_still_wound_down() -> None:
    log: list[str] = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("cleaned up")

    with pytest.raises(Deadlock):
        run(main())
    assert log == ["cleaned up"]


def test_a_leftover_that_refuses_to_end_is_reported_as_a_deadlock_of_the_winding_down() -> None:
    async def refuses() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()  # refuses

    async def main() -> None:
        asyncio.create_task(refuses(), name="stubborn")  # noqa: RUF006
        await asyncio.sleep(0)

    with pytest.raises(UnhandledInSimulation) as caught:
        run(main())
    (error,) = caught.value.exceptions
    assert isinstance(error, Deadlock)
    assert "  stubborn: " + line_of(refuses, "# refuses") in str(error)


def test_running_without_time_passing_is_a_livelock_that_says_who() -> None:
    async def spins() -> None:
        for _ in itertools.count():
            await asyncio.sleep(0)

    with pytest.raises(Livelock, match=r"(?s)100000 steps and time stands still at 0 ns.*Task-1: .*spins"):
        run(spins())


def test_steps_are_counted_anew_whenever_time_moves() -> None:
    async def busy(instants: int) -> int:
        for _ in range(instants):
            for _ in range(40):
                await asyncio.sleep(0)
            await rest(0.001)
        return instants

    loop = SimLoop(steps_max=50)
    assert loop.run_until_complete(busy(20)) == 20
    loop.close()
    loop = SimLoop(steps_max=30)
    with pytest.raises(Livelock):
        loop.run_until_complete(busy(20))
    assert loop.wind_down() == []
    loop.close()


# ------------------------------------------------------------------------------------------------ no way out


def test_every_method_of_an_event_loop_is_either_simulated_or_refused() -> None:
    missing = [
        name
        for name, method in vars(asyncio.AbstractEventLoop).items()
        if inspect.isfunction(method) and not name.startswith("_")
        if getattr(SimLoop, name) is method
    ]
    assert missing == []


async def start_process() -> None:
    await asyncio.create_subprocess_exec("true")


async def listen_to_signal() -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, print)


async def eager() -> None:
    await sim_loop().create_task(asyncio.sleep(0), eager_start=True)


async def foreign_tasks() -> None:
    asyncio.get_running_loop().set_task_factory(lambda loop, coro, **_: asyncio.Task(coro, loop=loop))


ESCAPES: list[tuple[Callable[[], Coroutine[Any, Any, object]], str]] = [
    (lambda: asyncio.to_thread(print), "run_in_executor"),
    (lambda: asyncio.open_connection("localhost", 1), "create_connection"),
    (lambda: asyncio.start_server(lambda _r, _w: None, "localhost", 0), "create_server"),
    (lambda: asyncio.get_running_loop().getaddrinfo("localhost", 1), "getaddrinfo"),
    (start_process, "subprocess_exec"),
    (listen_to_signal, "add_signal_handler"),
    (eager, "eager_start"),
    (foreign_tasks, "set_task_factory"),
]


@pytest.mark.parametrize(("reach_out", "named"), ESCAPES)
def test_reaching_outside_raises_and_names_the_call(
    reach_out: Callable[[], Coroutine[Any, Any, object]], named: str
) -> None:
    async def main() -> None:
        await reach_out()

    with pytest.raises(EscapedSimulation, match=named):
        run(main())


def test_a_refused_call_raises_at_the_call_before_anything_is_awaited() -> None:
    async def main() -> None:
        with pytest.raises(EscapedSimulation, match=r"loop\.sock_recv\(\)"):
            asyncio.get_running_loop().sock_recv(None, 1)  # type: ignore[arg-type,unused-coroutine]

    run(main())


def test_another_thread_cannot_reach_in_but_the_own_one_may_use_the_threadsafe_call() -> None:
    caught: list[BaseException] = []

    def intrude(loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.call_soon_threadsafe(print)
        except EscapedSimulation as error:
            caught.append(error)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=intrude, args=(loop,))
        thread.start()
        thread.join()
        done = asyncio.Event()
        loop.call_soon_threadsafe(done.set)
        await done.wait()

    run(main())
    assert "another thread" in str(caught[0])


# -------------------------------------------------------------------------------------------- nothing is lost


async def fail(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


def test_a_task_that_failed_unseen_fails_the_run_though_main_succeeds() -> None:
    async def main() -> None:
        asyncio.create_task(fail(ValueError("unseen")), name="lost")  # noqa: RUF006
        await rest(1)

    with pytest.raises(UnhandledInSimulation) as caught:
        run(main())
    (error,) = caught.value.exceptions
    assert isinstance(error, ValueError)
    assert error.__notes__ == ["raised in lost, which nobody awaited"]


def test_a_failed_task_is_remembered_however_many_tasks_follow_it() -> None:
    async def main() -> None:
        asyncio.create_task(fail(ValueError("unseen")))  # noqa: RUF006
        for _ in range(500):
            await asyncio.create_task(asyncio.sleep(0))
        assert len(sim_loop()._tasks) < 200, "tasks that ended well are forgotten"

    with pytest.raises(UnhandledInSimulation):
        run(main())


def test_an_error_that_somebody_looked_at_is_not_reported_again() -> None:
    async def main() -> str:
        task = asyncio.create_task(fail(ValueError("seen")))
        await asyncio.wait([task])
        return repr(task.exception())

    assert run(main()) == "ValueError('seen')"


def test_failing_callbacks_and_leftovers_are_all_reported_oldest_first() -> None:
    async def fails_when_cancelled() -> None:
        try:
            await rest(60)
        finally:
            raise KeyError("leftover")

    def callback() -> None:
        raise ValueError("callback")

    async def main() -> None:
        sim_loop().call_soon(callback)
        asyncio.create_task(fails_when_cancelled())  # noqa: RUF006
        await rest(1)

    with pytest.raises(UnhandledInSimulation) as caught:
        run(main())
    callback_error, leftover_error = caught.value.exceptions
    assert repr(callback_error) == "ValueError('callback')"
    assert repr(leftover_error) == "KeyError('leftover')"


def test_an_error_of_main_is_raised_as_it_is_with_the_unseen_ones_as_notes() -> None:
    async def main() -> None:
        asyncio.create_task(fail(ValueError("unseen")))  # noqa: RUF006
        await rest(1)
        raise KeyError("main")

    with pytest.raises(KeyError) as caught:
        run(main())
    (note,) = caught.value.__notes__
    assert note.startswith("also unhandled: ")
    assert "ValueError: unseen" in note


def test_an_error_that_main_raises_on_behalf_of_a_task_is_not_its_own_note() -> None:
    handed_on: list[Exception] = []

    async def fails_and_tells() -> None:
        try:
            await fail(ValueError("once"))
        except ValueError as error:
            handed_on.append(error)
            raise

    async def main() -> None:
        asyncio.create_task(fails_and_tells())  # noqa: RUF006
        await rest(1)
        raise handed_on[0]

    with pytest.raises(ValueError, match="once") as caught:
        run(main())
    assert not any("also" in note for note in caught.value.__notes__)


def test_an_unseen_failure_that_is_no_exception_is_wrapped() -> None:
    class Odd(BaseException):
        pass

    async def main() -> None:
        asyncio.create_task(fail(Odd()))  # noqa: RUF006
        await rest(1)

    with pytest.raises(UnhandledInSimulation) as caught:
        run(main())
    (error,) = caught.value.exceptions
    assert isinstance(error, SimulationError)
    assert isinstance(error.__cause__, Odd)


@pytest.mark.parametrize("in_main", [True, False])
def test_an_interrupt_gets_through_at_once_and_the_rest_is_cleaned_up(in_main: bool) -> None:
    log: list[str] = []

    async def leftover() -> None:
        try:
            await rest(60)
        finally:
            await rest(1)
            log.append("cleaned up")

    async def main() -> None:
        asyncio.create_task(leftover())  # noqa: RUF006
        await rest(1)
        interrupted = fail(KeyboardInterrupt())
        await (interrupted if in_main else asyncio.create_task(interrupted))

    with pytest.raises(KeyboardInterrupt) as caught:
        run(main())
    assert log == ["cleaned up"]
    assert not hasattr(caught.value, "__notes__")


def test_a_handler_that_was_set_gets_the_errors_of_callbacks() -> None:
    seen: list[BaseException] = []

    def callback() -> None:
        raise ValueError("callback")

    async def main() -> None:
        loop = sim_loop()
        assert loop.get_exception_handler() is None
        loop.set_exception_handler(lambda _loop, context: seen.append(context["exception"]))
        assert loop.get_exception_handler() is not None
        loop.call_soon(callback)
        await rest(1)

    run(main())
    assert [repr(error) for error in seen] == ["ValueError('callback')"]


def test_under_a_stock_runner_the_unseen_is_logged_when_the_loop_closes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        asyncio.create_task(fail(ValueError("unseen")))  # noqa: RUF006
        await rest(1)

    with caplog.at_level(logging.ERROR, "asyncio"), asyncio.Runner(loop_factory=SimLoop) as runner:
        runner.run(main())
    assert "unseen" in caplog.text


def test_what_fails_after_the_loop_was_closed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    loop = SimLoop()
    future = loop.create_future()
    future.set_exception(ValueError("too late"))
    loop.close()
    loop.close()
    with caplog.at_level(logging.ERROR, "asyncio"):
        del future
        gc.collect()
    assert "too late" in caplog.text


# ------------------------------------------------------------------------------------- it behaves like a loop


def test_it_runs_under_a_stock_runner_with_debugging_on() -> None:
    async def main() -> tuple[bool, float]:
        await rest(3)
        handle = asyncio.get_running_loop().call_soon(print)
        handle.cancel()
        assert "created at" in repr(handle)
        return asyncio.get_running_loop().get_debug(), asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=SimLoop, debug=True) as runner:
        assert runner.run(main()) == (True, 3.0)
        assert runner.run(main()) == (True, 6.0)


def test_each_task_has_its_own_context() -> None:
    symbol = contextvars.ContextVar[str]("symbol")

    async def reads_late() -> str:
        await rest(1)
        return symbol.get()

    async def main() -> list[str]:
        tasks = []
        for name in ("SBIN", "M&M"):
            symbol.set(name)
            tasks.append(asyncio.create_task(reads_late()))
        special = contextvars.copy_context()
        special.run(symbol.set, "TCS")
        tasks.append(asyncio.create_task(reads_late(), context=special))
        return await asyncio.gather(*tasks)

    assert run(main()) == ["SBIN", "M&M", "TCS"]


def test_async_generators_left_open_are_closed_in_the_order_they_were_begun() -> None:
    log: list[str] = []
    kept: list[AsyncIterator[str]] = []

    async def letters(name: str) -> AsyncIterator[str]:
        try:
            yield name
            yield name
        finally:
            await rest(0.001)
            log.append(f"closed {name} at {sim_loop().now_ns // MS} ms")

    async def main() -> None:
        async for _ in letters("dropped"):
            break
        kept.extend(letters(name) for name in ("b", "a"))
        for generator in kept:
            await anext(generator)
        await rest(1)

    run(main())
    assert log == ["closed dropped at 1 ms", "closed b at 1001 ms", "closed a at 1001 ms"]


def test_an_async_generator_dropped_after_the_end_harms_nobody() -> None:
    kept: list[AsyncIterator[int]] = []

    async def numbers() -> AsyncIterator[int]:
        yield 1
        yield 2

    async def main() -> None:
        kept.append(numbers())
        await anext(kept[0])

    loop = SimLoop()
    loop.run_until_complete(main())
    loop.close()
    kept.clear()
    gc.collect()
    assert loop.take_unhandled() == []


def test_an_async_generator_that_fails_to_close_is_reported() -> None:
    kept: list[AsyncIterator[int]] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise ValueError("while closing")

    async def main() -> None:
        kept.append(numbers())
        await anext(kept[0])

    with pytest.raises(UnhandledInSimulation) as caught:
        run(main())
    assert "while closing" in repr(caught.value.exceptions)


def test_it_cannot_run_inside_a_running_loop_and_says_so() -> None:
    async def inner() -> None:
        raise AssertionError("it ran")

    async def main() -> None:
        with pytest.raises(RuntimeError, match="thread of its own"):
            run(inner())
        with pytest.raises(RuntimeError, match="thread of its own"):
            sim_loop().run_forever()

    run(main())


def test_a_closed_loop_takes_no_more_work_and_a_running_one_is_not_closed() -> None:
    async def main() -> SimLoop:
        with pytest.raises(RuntimeError, match="cannot be closed"):
            sim_loop().close()
        assert sim_loop().is_running()
        assert asyncio.get_running_loop().get_task_factory() is None
        asyncio.get_running_loop().set_task_factory(None)
        return sim_loop()

    loop = run(main())
    assert loop.is_closed()
    assert not loop.is_running()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon(print)
    for delay_s in (1, math.inf):
        with pytest.raises(RuntimeError, match="closed"):
            loop.call_later(delay_s, print)


def test_stopping_before_main_is_done_is_an_error() -> None:
    async def main() -> None:
        sim_loop().stop()
        await rest(1)

    with pytest.raises(RuntimeError, match="stopped before"):
        run(main())


# -------------------------------------------------------------------------------------- the same on every run


async def a_day_of_trouble() -> str:
    """Everything that tempts an event loop to order by address: sets of tasks, groups that abort, names."""
    log: list[str] = []
    lock = asyncio.Lock()

    def note(what: str) -> None:
        task = asyncio.current_task()
        log.append(f"{sim_loop().now_ns} {task.get_name() if task else '-'} {what}")

    async def worker(number: int) -> None:
        try:
            async with lock:
                note(f"locked {number}")
                await rest(number % 3 / 1000)
            await rest(3600)
        finally:
            note(f"ended {number}")

    async def bomb() -> None:
        await rest(0.02)
        raise ValueError("bomb")

    for _ in range(3):
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(40):
                    group.create_task(worker(number))
                group.create_task(bomb())
        except* ValueError:
            note("the group is over")
    waits: Iterable[Awaitable[None]] = [rest(number % 5 / 1000) for number in range(30)]
    done, _ = await asyncio.wait([asyncio.ensure_future(wait) for wait in waits])
    note(" ".join(task.get_name() for task in done))
    note(" ".join(task.get_name() for task in asyncio.all_tasks()))
    for number in range(40):
        asyncio.create_task(worker(number))  # noqa: RUF006
    await rest(0.01)
    return hashlib.sha256("\n".join(log).encode()).hexdigest()


def test_the_same_program_leaves_the_same_trace_twice_in_one_process() -> None:
    first = run(a_day_of_trouble(), start_ns=EPOCH_NS)
    ballast = [object() for _ in range(1000)]  # so that the second run lives at other addresses
    assert run(a_day_of_trouble(), start_ns=EPOCH_NS) == first
    assert ballast


def test_a_fresh_process_with_another_hash_seed_leaves_the_same_trace() -> None:
    def fresh(seed: int) -> str:
        env = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, __file__], env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    here = run(a_day_of_trouble(), start_ns=EPOCH_NS)
    assert Counter([here, fresh(1), fresh(2)]) == {here: 3}


if __name__ == "__main__":
    sys.stdout.write(run(a_day_of_trouble(), start_ns=EPOCH_NS))
