"""Where a task waits, in words for a report. Only looks at suspended frames; must never resume one."""

import asyncio
import types
from pathlib import Path
from typing import Any

_ASYNCIO_FOLDER = str(Path(asyncio.__file__).parent)


def await_site(task: asyncio.Task[Any]) -> str:
    """``file:line function`` of a suspended task's await, and the part of asyncio it waits inside, if any."""
    frames = _suspended_frames(task.get_coro())
    if not frames:
        return "nowhere: it has ended"
    outside = [frame for frame in frames if not frame.f_code.co_filename.startswith(_ASYNCIO_FOLDER)]
    site, innermost = (outside or frames)[-1], frames[-1]
    text = f"{site.f_code.co_filename}:{site.f_lineno} {site.f_code.co_qualname}"
    return text if site is innermost else f"{text}, inside {innermost.f_code.co_qualname}"


def _suspended_frames(awaited: object) -> list[types.FrameType]:
    """From the outermost coroutine inwards; ends at an async generator, which does not show its frame."""
    frames: list[types.FrameType] = []
    while True:
        match awaited:
            case types.CoroutineType(cr_frame=types.FrameType() as frame, cr_await=inner):
                awaited = inner
            case types.GeneratorType(gi_frame=types.FrameType() as frame, gi_yieldfrom=inner):
                awaited = inner
            case _:
                return frames
        frames.append(frame)
