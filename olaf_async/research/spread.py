"""How some times are spread: the middle one, the one that 95 of 100 stay within, the worst. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Times of one kind, in one unit; all 0 where there is none."""

    p50: float = 0
    p95: float = 0
    worst: float = 0

    def named(self) -> Iterator[tuple[str, float]]:
        """Each with the name it has in files."""
        yield from (("p50", self.p50), ("p95", self.p95), ("worst", self.worst))


def spread(values: Sequence[float]) -> Spread:
    """How the values are spread; each figure is one of them (nearest rank)."""
    if not values:
        return Spread()
    ordered = sorted(values)
    return Spread(_rank(ordered, 50), _rank(ordered, 95), ordered[-1])


def _rank(ordered: Sequence[float], percent: int) -> float:
    """The smallest value that this many of a hundred do not exceed."""
    return ordered[-(-len(ordered) * percent // 100) - 1]
