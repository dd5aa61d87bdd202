"""What a person may ask of a running engine, and what they are told. One method for each operation.

Prices and money are texts in rupees, as people write them; times are ns since the epoch, spans are in ms.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias


class Deed(Enum):
    """The operations, by the names of their verbs."""

    STATUS = "status"
    HALT = "halt"
    RESUME = "resume"
    FLATTEN = "flatten"
    RECONCILE = "reconcile"


@dataclass(frozen=True, slots=True)
class Request:
    """One wish. ``symbol`` None means the whole account; ``limit_s`` is how long a flatten is followed."""

    deed: Deed
    symbol: str | None = None
    limit_s: float = 60.0


# ------------------------------------------------------------------------------------------------- status


@dataclass(frozen=True, slots=True)
class OrderStatus:
    """One order that may still fill, as the engine believes it to be."""

    key: str
    order_id: str | None
    role: str
    side: str
    kind: str
    state: str
    quantity: int
    filled: int
    price: str
    trigger: str | None


@dataclass(frozen=True, slots=True)
class SymbolStatus:
    """One symbol.

    ``held`` counts shares in the direction of the trade, below zero where more was sold than held.
    ``unprotected_ms`` is today's sum; ``bare_ms`` how long there has been no confirmed stop for all that is
    held, None where there is one.
    """

    symbol: str
    side: str
    words: tuple[str, ...]
    held: int
    average: str | None
    stop: str | None
    last: str | None
    last_age_ms: int | None
    attempts: int
    attempts_max: int
    unprotected_ms: int
    bare_ms: int | None
    frozen: str | None
    refusals: tuple[str, ...]
    orders: tuple[OrderStatus, ...]


@dataclass(frozen=True, slots=True)
class LockWaits:
    """How long protective calls waited for their symbol's lock."""

    count: int
    p50_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class OrdersSent:
    """Order calls of the day."""

    placed: int
    changed: int
    cancelled: int


@dataclass(frozen=True, slots=True)
class Status:
    """The engine at one moment.

    ``refusals`` say why nothing new may be opened anywhere, ``unsafe`` what needs a person now.
    ``books_age_ms`` counts from the last read, or from when reads began to fail; None before the first.
    """

    at_ns: int
    began_ns: int
    pid: int
    program: str
    mode: str
    refusals: tuple[str, ...]
    unsafe: tuple[str, ...]
    symbols: tuple[SymbolStatus, ...]
    realised: str
    trades: int
    lock_waits: LockWaits
    orders_sent: OrdersSent
    books_age_ms: int | None
    are_books_failing: bool
    is_stream_up: bool
    is_journal_kept: bool


# ------------------------------------------------------------------------------------------------- commands


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds now that the core has taken a halt or resume in: why nothing new is opened, if so."""

    symbol: str | None
    refusals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flattening:
    """How far a flatten has come. ``left`` names what is still held or working; empty is flat."""

    at_ns: int
    left: tuple[str, ...]
    is_over: bool

    @property
    def is_flat(self) -> bool:
        """Whether nothing is left."""
        return not self.left


# ------------------------------------------------------------------------------------------------- reconcile


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing about which belief and books do not agree. ``about`` is an order's name or id, if one's."""

    symbol: str
    kind: str
    about: str
    believed: str
    found: str
    needs_person: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """A belief held against one read of the books. ``belief`` says whose; ``looks`` how often it was done."""

    at_ns: int
    belief: str
    symbols: int
    orders: int
    looks: int
    differences: tuple[Difference, ...]

    @property
    def needs_person(self) -> bool:
        """Whether something differs that the engine does not settle by itself."""
        return any(difference.needs_person for difference in self.differences)


Answer: TypeAlias = Status | Standing | Flattening | Comparison


class Operations(Protocol):
    """A person's hand on a running engine. Each raises ControlError where it cannot do what is asked."""

    def status(self) -> Status:
        """How things stand. Changes nothing."""
        ...

    async def halt(self, symbol: str | None) -> Standing:
        """End new risk, in one symbol or everywhere; protection and exits go on. Yields: always."""
        ...

    async def resume(self, symbol: str | None) -> Standing:
        """Lift a halt of the same scope; what else ends new risk stays, and is told. Yields: always."""
        ...

    def flatten(self, symbol: str | None, limit_s: float) -> AsyncGenerator[Flattening, None]:
        """Get out, and stay out for the day; followed until flat or for this long, then ``is_over``.

        Closed early, it only stops telling.
        """
        ...

    async def reconcile(self) -> Comparison:
        """Hold the belief against books read now. Changes nothing. Yields: always."""
        ...
