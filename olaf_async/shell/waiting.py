"""Waiting for a signal or for a time, whichever comes first."""

import asyncio
from collections.abc import Coroutine

from olaf_async.core.rules import NEVER_NS
from olaf_async.ports.clock import Clock


async def wait_for_signal_or_time(signal: asyncio.Event, clock: Clock, due_ns: int) -> None:
    """Return once the signal is set or the clock has reached ``due_ns``; by then the signal is set, too.

    Pump and poller wait here after every event, hence one task and none of the machinery of `first_of`.
    Yields: unless the signal is set.
    """
    if signal.is_set():
        return
    if due_ns >= NEVER_NS:
        await signal.wait()
        return
    sleeper = asyncio.ensure_future(_set_at(signal, clock, due_ns))
    try:
        await signal.wait()
    finally:
        sleeper.cancel()
    if sleeper.done():
        sleeper.result()


async def _set_at(signal: asyncio.Event, clock: Clock, due_ns: int) -> None:
    try:
        await clock.sleep_until_ns(due_ns)
    except Exception:
        signal.set()  # a clock that fails must not be waited for
        raise
    signal.set()


async def first_of(*coroutines: Coroutine[object, object, object]) -> None:
    """Run all until one ends, then cancel the rest and wait for them to be gone; raise what the first raised.

    Yields: always.
    """
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def is_cancelled_within() -> bool:
    """Whether a CancelledError that the running task has caught is none of its own.

    Something that it waited for was cancelled by others, inside a client library say. Nobody wants the task
    itself to end then: to it that is a failure like any other.
    """
    task = asyncio.current_task()
    return task is not None and not task.cancelling()
