"""What a power cut takes, and what it leaves: tasks, requests on the wire, the journal."""

import asyncio
import gc
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from olaf_async.errors import BrokerRejected
from olaf_async.ports.journal import Entry
from olaf_async.sim.loop import run
from olaf_async.sim.power import Disk, Machine, PowerLoop, is_powerless, on_the_wire


def on_power_loop(world: Callable[[PowerLoop], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, PowerLoop)
        await world(loop)

    run(main(), new_loop=PowerLoop)
    gc.collect()


async def pause(seconds: float) -> None:
    """Let virtual time pass."""
    loop = asyncio.get_running_loop()
    passed = loop.create_future()
    loop.call_later(seconds, passed.set_result, None)
    await passed


def test_a_cut_machine_runs_no_callback_and_no_finally_while_the_world_goes_on() -> None:
    done: list[str] = []

    async def child() -> None:
        try:
            await pause(1)
            done.append("woke")
        finally:
            done.append("finally of the child")

    async def program() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
        finally:
            done.append("finally of the program")

    async def world(loop: PowerLoop) -> None:
        machine = Machine(loop)
        running = machine.start(program(), "program")
        await pause(0.5)
        machine.cut()
        del running
        gc.collect()
        await pause(10)
        assert done == []
        assert loop.pending_tasks() == [asyncio.current_task()]

    on_power_loop(world)
    assert done, "what was held is let go of at the end"


def test_another_machine_keeps_its_power() -> None:
    done: list[str] = []

    async def program(name: str) -> None:
        await pause(1)
        done.append(name)

    async def world(loop: PowerLoop) -> None:
        first, second = Machine(loop), Machine(loop)
        first.start(program("first"), "first")
        second.start(program("second"), "second")
        first.cut()
        await pause(2)

    on_power_loop(world)
    assert done == ["second"]


def test_a_step_that_is_cut_in_its_middle_does_nothing_more_that_anybody_sees() -> None:
    disk, arrived, ran = Disk(), list[str](), list[str]()

    async def request() -> None:
        arrived.append("a request")

    async def later() -> None:
        ran.append("a task")

    async def world(loop: PowerLoop) -> None:
        machine = Machine(loop)

        async def program() -> None:
            disk.append(Entry.NOTE, 1, "before")
            disk.flush()
            machine.cut()
            assert is_powerless()
            disk.append(Entry.HEADER, 2, "after")
            loop.call_soon(ran.append, "a callback")
            asyncio.create_task(later())  # noqa: RUF006 -- it must never run
            await on_the_wire(request())

        machine.start(program(), "program")
        await pause(5)

    on_power_loop(world)
    assert [record.body for record in disk.records()] == ["before"]
    assert (arrived, ran) == ([], [])


@pytest.mark.parametrize("is_refused", [False, True])
def test_a_request_on_the_wire_arrives_and_nobody_has_to_hear_the_answer(is_refused: bool) -> None:
    arrived: list[str] = []

    async def request() -> str:
        await pause(1)
        arrived.append("it")
        if is_refused:
            raise BrokerRejected("no")
        return "order 1"

    async def world(loop: PowerLoop) -> None:
        machine = Machine(loop)
        machine.start(on_the_wire(request()), "program")
        await pause(0.5)
        machine.cut()
        await pause(5)

    on_power_loop(world)
    assert arrived == ["it"]


def test_with_power_the_answer_or_the_refusal_comes_back() -> None:
    async def request(*, is_refused: bool) -> str:
        await pause(1)
        if is_refused:
            raise BrokerRejected("no")
        return "order 1"

    async def world(loop: PowerLoop) -> None:
        machine = Machine(loop)
        assert await machine.start(on_the_wire(request(is_refused=False)), "one") == "order 1"
        with pytest.raises(BrokerRejected, match="no"):
            await machine.start(on_the_wire(request(is_refused=True)), "two")

    on_power_loop(world)


def test_a_stream_that_a_cut_machine_was_reading_is_neither_read_nor_closed_any_more() -> None:
    done: list[object] = []
    queue: asyncio.Queue[int] = asyncio.Queue()

    async def stream() -> AsyncIterator[int]:
        try:
            while True:
                yield await queue.get()
        finally:
            done.append("closed")

    async def program() -> None:
        async for number in stream():
            done.append(number)  # noqa: PERF401 -- one at a time, to be cut between them

    async def world(loop: PowerLoop) -> None:
        machine = Machine(loop)
        machine.start(program(), "program")
        queue.put_nowait(1)
        await pause(1)
        machine.cut()
        queue.put_nowait(2)
        await pause(1)
        assert done == [1]

    on_power_loop(world)


@pytest.mark.parametrize("at", range(1, 6))
def test_each_callback_can_be_cut_before_and_the_one_cut_before_does_not_run(at: int) -> None:
    ran: list[int] = []
    callbacks = itertools.count(1)

    async def program() -> None:
        for number in range(1, 6):
            ran.append(number)
            await asyncio.sleep(0)

    async def world(loop: PowerLoop) -> None:
        machine = Machine(loop)
        machine.start(program(), "program")
        loop.on_callback = lambda: machine.cut() if next(callbacks) == at else None
        await pause(1)

    on_power_loop(world)
    assert ran == list(range(1, at))


def test_what_is_written_together_is_lost_together_and_what_was_waited_for_never() -> None:
    disk = Disk()
    disk.append(Entry.HEADER, 0, "header")
    disk.append(Entry.EVENT, 1, "event")
    disk.append(Entry.INTENT, 1, "intent")
    disk.flush()
    disk.append(Entry.NOTE, 2, "note")
    disk.flush()
    assert disk.unsynced == 2
    kept = [[record.body for record in disk.records(lost)] for lost in range(3)]
    assert kept == [["header", "event", "intent", "note"], ["header", "event", "intent"], ["header"]]
    disk.append(Entry.SENDING, 3, "sending")
    assert disk.unsynced == 0
    with pytest.raises(AssertionError, match="never lost"):
        disk.records(1)


def test_a_process_takes_with_it_what_it_had_not_written_and_the_next_one_counts_on() -> None:
    disk = Disk()
    disk.append(Entry.HEADER, 0, "header")
    disk.append(Entry.EVENT, 1, "event")
    again = Disk(disk.records())
    assert again.append(Entry.HEADER, 2, "header") == 2
    assert [record.body for record in again.records()] == ["header", "header"]
