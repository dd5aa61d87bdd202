"""What may go wrong in a simulated day, which of it does in this one, and how often.

Owns the classes of faults and their heat. Each seed draws which classes are on and how hot each of them is,
so that days with one single fault and days with all of them both happen. Must never do a fault itself.

Every choice is a draw, and 0 is always the calm one: a tape of zeros is a day on which nothing goes wrong.
"""

from collections.abc import Iterable
from enum import Enum
from typing import TypeVar

from olaf_async.sim.choices import Choices

_T = TypeVar("_T")

MS_NS = 1_000_000
SECOND_NS = 1_000 * MS_NS


class Fault(Enum):
    """One class of faults; the value is its name on the command line."""

    __hash__ = object.__hash__  # members are single objects; Enum's own hash costs a call per look-up

    REQUESTS = "requests"
    ANSWERS = "answers"
    LATE = "late"
    FRAMES = "frames"
    STREAM = "stream"
    BOOKS = "books"
    FEED = "feed"
    FILLS = "fills"
    REJECTS = "rejects"
    MARKET = "market"
    HANDS = "hands"
    SQUAREOFF = "squareoff"
    CLOCK = "clock"
    OPERATOR = "operator"
    SERVER = "server"
    RESTART = "restart"
    CUT = "cut"
    DISK = "disk"
    SESSION = "session"
    MODE = "mode"
    APPROVAL = "approval"
    SETTINGS = "settings"


MEANINGS = {
    Fault.REQUESTS: "requests lost on the way, reset before they are taken, turned away or refused",
    Fault.ANSWERS: "answers lost, reset, 500, unreadable or without an id, of requests that were carried out",
    Fault.LATE: "requests and answers late, far past the engine's patience",
    Fault.FRAMES: "order updates lost, doubled, late and out of order",
    Fault.STREAM: "the order-update stream half open, down, up again",
    Fault.BOOKS: "books stale, torn, with a row missing or wrong; failing, hanging",
    Fault.FEED: "prints lost, doubled, out of order, absurd, held back and burst; the line broken",
    Fault.FILLS: "partial fills, fills during a cancel",
    Fault.REJECTS: "orders rejected, or taken away, after they were accepted",
    Fault.MARKET: "price gaps, halts, circuits",
    Fault.HANDS: "other hands on the account: their trades, their orders",
    Fault.SQUAREOFF: "the broker squares the account off",
    Fault.CLOCK: "the wall clock steps; prints with skewed times",
    Fault.OPERATOR: "halt, resume, flatten and kill at any moment",
    Fault.SERVER: "the server restarts: everything breaks off for a while",
    Fault.RESTART: "an orderly stop of the engine, and a new start",
    Fault.CUT: "power cuts between any two acts of the engine, and a new start",
    Fault.DISK: "the disk is full: what the journal is given is not kept, until there is room again",
    Fault.SESSION: "the key is refused: every call, and on some days the stream and the feed too",
    Fault.MODE: "the server is switched to its other mode, and back",
    Fault.APPROVAL: "semi-auto mode: orders wait for a person, who approves them or does not",
    Fault.SETTINGS: "a new start by other settings: quantity, attempts, positions, patience, daily loss",
}
"""In words, for whoever asks for a list."""

COOL, HOT = 12, 4
"""One in so many times, where a fault could strike."""

DEAR = frozenset({Fault.CLOCK, Fault.RESTART, Fault.CUT})
"""These cost a day a third of its time and more; they are on half as often as the others."""

LAST = frozenset({Fault.DISK, Fault.SESSION, Fault.MODE, Fault.APPROVAL})
"""These end new risk, most often for the day: half as often again, or few days would have much to tell."""

RARER = {Fault.RESTART: 8, Fault.DISK: 4, Fault.SESSION: 4, Fault.MODE: 4, Fault.APPROVAL: 4}
"""How many times less often these strike than usual: there is little left of a day after them. Else 2."""


class Swarm:
    """The faults of one day. ``odds`` of a class that is off are not there."""

    def __init__(self, choices: Choices, allowed: Iterable[Fault]) -> None:
        self._draw = choices.draw
        self.odds: dict[Fault, int] = {}
        for fault in allowed:
            one_in = 8 if fault in LAST else 4 if fault in DEAR else 2
            heat = choices.draw(f"heat of {fault.value}", 3, one_in=one_in)
            if heat:
                self.odds[fault] = (COOL, HOT)[heat - 1]

    def has(self, fault: Fault) -> bool:
        """Whether the class is on."""
        return fault in self.odds

    def strikes(self, fault: Fault, label: str, *, rarer: int = 1) -> bool:
        """Whether it strikes here and now; ``rarer`` times less often than such a fault usually does."""
        odds = self.odds.get(fault)
        return odds is not None and self._draw(label, 2, odds * rarer) > 0

    def kind(self, fault: Fault, label: str, kinds: tuple[_T, ...], *, rarer: int = 1) -> _T | None:
        """Which of these kinds of it strikes here and now, if one does."""
        odds = self.odds.get(fault)
        if odds is None:
            return None
        drawn = self._draw(label, len(kinds) + 1, odds * rarer)
        return kinds[drawn - 1] if drawn else None

    def calm_down(self) -> None:
        """From now on nothing goes wrong any more."""
        self.odds = {}


def listed(names: str) -> tuple[Fault, ...]:
    """The classes of a list such as ``late,books``; ``all`` and ``none`` are lists too.

    Raises:
        ValueError: a name is not one of them.
    """
    if names in ("all", "none"):
        return tuple(Fault) if names == "all" else ()
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    if unknown := sorted(wanted - {fault.value for fault in Fault}):
        raise ValueError(f"there is no fault {', '.join(unknown)}")
    return tuple(fault for fault in Fault if fault.value in wanted)
