"""A run on an event loop that is somebody else's: a notebook's, a page's.

Owns the giving way and nothing else. What happens in the run is the run's, and the same as by ``finish``.
"""

import asyncio
from typing import Final

from olaf_async.research.results import RunResult
from olaf_async.research.runs import Observer, Run

STEPS: Final = 20
"""Happenings between two turns of everybody else. A day of a few symbols has some hundred in all."""


async def play(run: Run, observer: Observer | None = None) -> RunResult:
    """Run to the end and return the result, giving way to the loop's other tasks every ``STEPS`` happenings.

    Files are read in threads, as always; only the wait for them holds the loop. A cancelled run keeps what it
    has replayed so far, for its ``result``.

    Yields: always.

    Raises:
        ConfigError: as the run does.
    """
    await asyncio.sleep(0)
    for number, _ in enumerate(run.steps(), start=1):
        if observer is not None:
            observer(run)
        if number % STEPS == 0:
            await asyncio.sleep(0)
    return run.result()
