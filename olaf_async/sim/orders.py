"""Which ready callback is next: the orders that `SimLoop` may be given as ``pick``.

Owns what a lane is. Must never break what asyncio documents: callbacks of one lane run in the order in which
they were scheduled; only the order *between* lanes is anybody's guess.

A lane is a task, or a connection (an object with a ``sim_lane`` whose methods are called back), or all that
has no owner: timers, done-callbacks. ``fifo`` is stock asyncio's order.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    for index, handle in enumerate(ready):
        if handle._cancelled:  # noqa: SLF001 -- asked at each step of each handle that waits
            return index
    return None


def _heads(ready: _Ready) -> dict[object | None, int]:
    """Where the oldest callback of each lane is, the lanes by age."""
    heads: dict[object | None, int] = {}
    for index, handle in enumerate(ready):
        heads.setdefault(lane_of(handle), index)
    return heads


def lanes(choices: Choices) -> Pick:
    """Any lane may be next; 0 is the one that has waited longest."""

    def pick(ready: _Ready) -> int:
        dead = _dead(ready)
        if dead is not None:
            return dead
        heads = _heads(ready)
        return list(heads.values())[choices.draw("next", len(heads))]

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
            return 0
        step += 1
        if step >= horizon:
            return 0
        _admit(heads, ranks, choices)
        if step in demotions:
            ranks.append(ranks.pop(ranks.index(_front(heads, ranks))))
        return heads[_front(heads, ranks)]

    return pick


def _admit(heads: Iterable[object | None], ranks: list[object | None], choices: Choices) -> None:
    """Give every new lane its place: 0 is behind all that came before it. Lanes that have ended leave."""
    new = [lane for lane in heads if lane not in ranks]
    if not new:
        return
    ranks[:] = [lane for lane in ranks if not (isinstance(lane, asyncio.Task) and lane.done())]
    for lane in new:
        ranks.insert(len(ranks) - choices.draw("priority", len(ranks) + 1), lane)


def _front(heads: Iterable[object | None], ranks: list[object | None]) -> object | None:
    return min(heads, key=ranks.index)


def _fifo(_choices: Choices) -> Pick:
    return fifo


ORDERS: Mapping[str, Callable[[Choices], Pick]] = MappingProxyType(
    {"fifo": _fifo, "lanes": lanes, "pct": pct}
)
"""By the name that ``--order`` takes."""
