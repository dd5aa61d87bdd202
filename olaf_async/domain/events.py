"""Everything the core can be told. Past tense, immutable, each stamped with the injected clock (ns).

Evidence about an order may come by three channels - the answer to a request, the order-update stream, a
read of the books - in any order, late, twice or never; each is an event here, and the core sorts it out.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from olaf_async.domain.bar import Bar
from olaf_async.domain.order import PriceType, Side
from olaf_async.domain.price import Paise


class Verb(Enum):
    """What was asked of the broker."""

    PLACE = "place"
    MODIFY = "modify"
    CANCEL = "cancel"


class Outcome(Enum):
    """How a request ended, as far as its own answer tells.

    QUEUED: the server keeps it for a person's approval; it may be placed later, or never.
    """

    ACCEPTED = "accepted"
    REFUSED = "refused"
    LOST = "lost"
    QUEUED = "queued"
    NOT_SENT = "not sent"


class Status(Enum):
    """An order's status in a book or frame, reduced to what may be believed of it."""

    WORKING = "working"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class PriceTouched:
    """A print at or beyond the symbol's guard."""

    symbol: str
    at_ns: int
    price: Paise


@dataclass(frozen=True, slots=True)
class BarClosed:
    """A bar of the strategy's span has ended."""

    symbol: str
    at_ns: int
    bar: Bar


@dataclass(frozen=True, slots=True)
class TimerDue:
    """The time a guard asked for has come. ``last`` is the newest print (None: none yet today)."""

    symbol: str
    at_ns: int
    last: Paise | None
    last_ns: int


@dataclass(frozen=True, slots=True)
class QuoteRead:
    """The answer to ReadQuote; ``price`` is None where the broker could not say."""

    symbol: str
    at_ns: int
    price: Paise | None


@dataclass(frozen=True, slots=True)
class OrderAnswered:
    """The answer to one request, or the news that there will be none in time (LOST)."""

    symbol: str
    at_ns: int
    request: int
    key: str
    verb: Verb
    outcome: Outcome
    order_id: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order as a book or a frame shows it. ``filled`` is None where the source cannot say."""

    order_id: str
    symbol: str
    side: Side
    price_type: PriceType
    status: Status
    quantity: int
    price: Paise
    trigger: Paise
    filled: int | None = None
    average: Paise = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TradeRow:
    """One execution as the tradebook shows it."""

    order_id: str
    symbol: str
    side: Side
    quantity: int
    price: Paise


@dataclass(frozen=True, slots=True)
class PositionRow:
    """The account's net quantity in one symbol and our product; negative is short."""

    symbol: str
    quantity: int


@dataclass(frozen=True, slots=True)
class OrderUpdated:
    """A frame of the order-update stream: the whole account's, other people's orders included."""

    at_ns: int
    row: OrderRow

    @property
    def symbol(self) -> str:
        """The symbol the frame is about."""
        return self.row.symbol


@dataclass(frozen=True, slots=True)
class BooksRead:
    """Order book, then tradebook, then position book, each asked for after the answer to the one before.

    ``asked_seq`` is the engine's sequence number when the first was asked for: what the engine has learnt
    of a symbol since makes the read worthless for that symbol. Every book was a success, parsed whole.
    """

    at_ns: int
    asked_ns: int
    asked_seq: int
    orders: tuple[OrderRow, ...]
    trades: tuple[TradeRow, ...]
    positions: tuple[PositionRow, ...]


@dataclass(frozen=True, slots=True)
class BooksFailed:
    """A read of the books broke off; it proves nothing."""

    at_ns: int
    asked_seq: int
    why: str


@dataclass(frozen=True, slots=True)
class StreamChanged:
    """The order-update stream came up or went down."""

    at_ns: int
    is_up: bool


class Mode(Enum):
    """Where the server sends orders."""

    LIVE = "live"
    ANALYZE = "analyze"


@dataclass(frozen=True, slots=True)
class ModeSeen:
    """An answer or a frame told which mode the server is in."""

    at_ns: int
    mode: Mode


class Command(Enum):
    """What a person, a signal or the supervisor may order."""

    HALT = "halt"
    RESUME = "resume"
    FLATTEN = "flatten"
    KILL = "kill"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Commanded:
    """An order from outside. ``symbol`` None means the whole account; STOP is for the whole account only."""

    at_ns: int
    command: Command
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class Marked:
    """The last prices, once a second while a daily loss limit has something to watch."""

    at_ns: int
    prices: tuple[tuple[str, Paise], ...]


@dataclass(frozen=True, slots=True)
class ClockSkewed:
    """Wall time and boot-time clock disagree by more than is safe."""

    at_ns: int
    skew_ns: int


@dataclass(frozen=True, slots=True)
class RunBegan:
    """A run of the engine begins, maybe after another on the same day: nobody watched in between.

    ``unsent`` names the orders whose sending was written down and then called off.
    """

    at_ns: int
    unsent: tuple[str, ...] = ()


Event: TypeAlias = (
    RunBegan
    | PriceTouched
    | BarClosed
    | TimerDue
    | QuoteRead
    | OrderAnswered
    | OrderUpdated
    | BooksRead
    | BooksFailed
    | StreamChanged
    | ModeSeen
    | Commanded
    | Marked
    | ClockSkewed
)
