"""Waiting for a signal or for a time, whichever comes first."""

import asyncio
from collections.abc import Coroutine

from olaf_async.core.rules import NEVER_NS
from olaf_async.ports.clock import Clock


async def wait_for_signal_or_time(signal: asyncio.Event, clock: Clock, due_ns: int) -> None:
    """Return once the signal is set or the clock has reached ``due_ns``. Yields: unless the signal is set."""
    if signal.is_set():
        return
    if due_ns >= NEVER_NS:
        await signal.wait()
        return
    await first_of(signal.wait(), clock.sleep_until_ns(due_ns))


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
