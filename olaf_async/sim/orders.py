"""Which ready callback is next: the orders that `SimLoop` may be given as ``pick``.

Owns what a lane is. Must never break what asyncio documents: callbacks of one lane run in the order in which
they were scheduled; only the order *between* lanes is anybody's guess.

A lane is a task, or a connection (an object with a ``sim_lane`` whose methods are called back), or all that
has no owner: timers, done-callbacks. ``fifo`` is stock asyncio's order.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from olaf_async.sim.choices import Choices
from olaf_async.sim.loop import Pick, fifo

__all__ = ["ORDERS", "fifo", "lane_of", "lanes", "pct"]

PCT_DEPTH = 3
PCT_HORIZON = 2_000
"""Steps with a choice, after which the order is fair; about what a day of one symbol has."""

_Ready = Sequence[asyncio.Handle]


def lane_of(handle: asyncio.Handle) -> object | None:
    """The task or connection whose callback this is; None where nobody owns it."""
    owner = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined] # noqa: SLF001
    return owner if isinstance(owner, asyncio.Task) or hasattr(owner, "sim_lane") else None


def _dead(ready: _Ready) -> int | None:
    """A cancelled callback: to drop it is no choice."""
    return next((index for index, handle in enumerate(ready) if handle.cancelled()), None)


def _heads(ready: _Ready) -> list[tuple[int, object | None]]:
    """The oldest callback of each lane, (index, lane), oldest first."""
    heads: list[tuple[int, object | None]] = []
    seen: list[object | None] = []
    for index, handle in enumerate(ready):
        lane = lane_of(handle)
        if not any(lane is other for other in seen):
            seen.append(lane)
            heads.append((index, lane))
    return heads


def lanes(choices: Choices) -> Pick:
    """Any lane may be next; 0 is the one that has waited longest."""

    def pick(ready: _Ready) -> int:
        dead = _dead(ready)
        if dead is not None:
            return dead
        heads = _heads(ready)
        return heads[choices.draw("next", len(heads))][0]

    return pick


def pct(choices: Choices, depth: int = PCT_DEPTH, horizon: int = PCT_HORIZON) -> Pick:
    """A random priority for each lane, and ``depth`` - 1 moments at which the lane in front falls to the end.

    A bug that needs ``depth`` steps in one order is met in one run of (lanes x horizon^(depth - 1)) at
    least. After ``horizon`` choices the order is fair, so that nobody starves for ever.
    """
    demotions = {choices.draw("demoted at", horizon) for _ in range(depth - 1)} - {0}
    ranks: list[object | None] = []
    step = 0

    def pick(ready: _Ready) -> int:
        nonlocal step
        dead = _dead(ready)
        if dead is not None:
            return dead
        heads = _heads(ready)
        if len(heads) == 1:
            return heads[0][0]
        step += 1
        if step >= horizon:
            return 0
        _admit(heads, ranks, choices)
        if step in demotions:
            front = _front(heads, ranks)[1]
            ranks.append(ranks.pop(_rank(front, ranks)))
        return _front(heads, ranks)[0]

    return pick


def _admit(heads: list[tuple[int, object | None]], ranks: list[object | None], choices: Choices) -> None:
    """Give every new lane its place: 0 is behind all that came before it. Lanes that have ended leave."""
    ranks[:] = [lane for lane in ranks if not (isinstance(lane, asyncio.Task) and lane.done())]
    for _, lane in heads:
        if not any(lane is other for other in ranks):
            ranks.insert(len(ranks) - choices.draw("priority", len(ranks) + 1), lane)


def _rank(lane: object | None, ranks: list[object | None]) -> int:
    return next(rank for rank, other in enumerate(ranks) if other is lane)


def _front(heads: list[tuple[int, object | None]], ranks: list[object | None]) -> tuple[int, object | None]:
    return min(heads, key=lambda head: _rank(head[1], ranks))


def _fifo(_choices: Choices) -> Pick:
    return fifo


ORDERS: Mapping[str, Callable[[Choices], Pick]] = MappingProxyType(
    {"fifo": _fifo, "lanes": lanes, "pct": pct}
)
"""By the name that ``--order`` takes."""
