"""Every sequence of moves there is, breadth first, until nothing new comes or the bound is reached.

Owns the search, its tally, and the shortest way to a broken promise. Situations are told apart by 128 bits of
their value, so that each is looked at once however it was come by. From each the calm is followed as well:
where nothing more goes wrong, belief must become truth.
"""

from array import array
from collections import deque
from dataclasses import dataclass, field
from hashlib import blake2b
from marshal import dumps
from typing import cast

from olaf_async.sim.model import Move, Scope, Situation
from olaf_async.sim.model_acts import after
from olaf_async.sim.model_checks import broken, not_right
from olaf_async.sim.model_moves import calm, possible

_PLAIN = 2
"""marshal's format that writes equal values alike, however they share their parts."""
_NOWHERE = -1


@dataclass(slots=True)
class Found:
    """What a search has seen. ``wrong`` is the promise that was broken, ``way`` the moves that lead there.

    ``is_whole``: everything was looked at that the scope allows; else ``left`` situations were reached, and
    what follows them was not tried.
    """

    situations: int = 0
    moves: int = 0
    depth: int = 0
    left: int = 0
    wrong: str | None = None
    way: tuple[Move, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the search came to its end."""
        return not self.left


@dataclass(slots=True)
class _Graph:
    """What has been reached: by number, each with where it came from, by what, and where a calm takes it."""

    numbers: dict[bytes, int] = field(default_factory=dict)
    origin: "array[int]" = field(default_factory=lambda: array("l"))
    by: list[Move | None] = field(default_factory=list)
    calm: "array[int]" = field(default_factory=lambda: array("l"))
    wrong: dict[int, str] = field(default_factory=dict)

    def number(self, situation: Situation, origin: int, by: Move | None) -> tuple[int, bool]:
        """The number of a situation, and whether it is new."""
        key = blake2b(dumps(cast("tuple[int, ...]", situation.value()), _PLAIN), digest_size=16).digest()
        number = self.numbers.setdefault(key, len(self.by))
        is_new = number == len(self.by)
        if is_new:
            self.origin.append(origin)
            self.by.append(by)
            self.calm.append(_NOWHERE)
        return number, is_new

    def way_to(self, number: int) -> tuple[Move, ...]:
        """The moves that lead there, the fewest there are."""
        way = []
        while (by := self.by[number]) is not None:
            way.append(by)
            number = self.origin[number]
        return tuple(reversed(way))


def search(scope: Scope, most: int = 1_000_000) -> Found:
    """Try everything, up to so many situations; stop at the first broken promise."""
    graph, found = _Graph(), Found()
    first = Situation.of(scope)
    graph.number(first, _NOWHERE, None)
    found.wrong = broken(first)
    level = deque([(0, first)])
    while level and found.wrong is None:
        found.depth += 1
        level = _next_level(graph, found, level, most)
        if found.situations >= most:
            break
    found.left = len(level)
    if found.wrong is None:
        _follow_calms(graph, found)
    return found


def _next_level(
    graph: _Graph, found: Found, level: deque[tuple[int, Situation]], most: int
) -> deque[tuple[int, Situation]]:
    """All that one more move leads to."""
    new: deque[tuple[int, Situation]] = deque()
    while level and found.situations < most:
        number, now = level.popleft()
        found.situations += 1
        calmly = calm(now)
        if calmly is None:
            graph.calm[number] = number
        if (wrong := not_right(now)) is not None:
            graph.wrong[number] = wrong
        for move in possible(now):
            found.moves += 1
            then = after(now, move)
            reached, is_new = graph.number(then, number, move)
            if move == calmly:
                graph.calm[number] = reached
            if not is_new:
                continue
            found.wrong = broken(then)
            if found.wrong is not None:
                found.way = graph.way_to(reached)
                return new
            new.append((reached, then))
    new.extendleft(reversed(level))
    return new


def _follow_calms(graph: _Graph, found: Found) -> None:
    """From everything that was looked at, the calm must go round at last where all is right."""
    ends = array("b", bytes(len(graph.by)))
    for start in range(len(graph.by)):
        trail, number = [], start
        while number != _NOWHERE and not ends[number]:
            ends[number] = 1
            trail.append(number)
            number = graph.calm[number]
        if number == _NOWHERE or number not in trail:
            continue
        for one in trail[trail.index(number) :]:
            if one in graph.wrong:
                found.wrong = f"in the calm that follows: {graph.wrong[one]}"
                found.way = graph.way_to(one)
                return
