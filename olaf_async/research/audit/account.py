"""What an audit judges and what it says: the account's books of a day, the plan, proofs with their rows.

Owns values only. Prices in paise, times in ns since the epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from olaf_async.adapters.openalgo.wire.dated import Dated
from olaf_async.domain.events import OrderRow, PositionRow, TradeRow
from olaf_async.domain.order import Side
from olaf_async.domain.price import Paise


@dataclass(frozen=True, slots=True)
class Account:
    """The broker's three books, each of our exchange and product only."""

    orders: tuple[Dated[OrderRow], ...]
    trades: tuple[Dated[TradeRow], ...]
    positions: tuple[PositionRow, ...]


@dataclass(frozen=True, slots=True)
class SymbolPlan:
    """What was to be traded in a symbol: which side opens, at most how many shares and how often."""

    symbol: str
    opens: Side
    quantity: int
    tick_size: Paise
    attempts_max: int


@dataclass(frozen=True, slots=True)
class Told:
    """A line of the journal that shows something. ``seq`` is its record's number."""

    seq: int
    at_ns: int
    symbol: str
    text: str


Row: TypeAlias = Dated[OrderRow] | Dated[TradeRow] | PositionRow | Told


class Promise(Enum):
    """What a day has to keep."""

    ONE_POSITION = "one position at a time"
    ATTEMPTS = "entries within the limit"
    STOPPED = "a stop for every position"
    IN_TIME = "stops within the budget"
    ON_TICK = "prices on the tick"
    NOTHING_LEFT = "nothing left over"
    BOOKS_AGREE = "books that agree"
    ALL_THERE = "our orders in the book"


class Verdict(Enum):
    """What became of a promise. NOT_SHOWN: what is there can neither prove nor break it."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_SHOWN = "not shown"


class Source(Enum):
    """Whose word it is."""

    BOOKS = "books"
    JOURNAL = "journal"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Breach:
    """A promise broken in one symbol, and the rows that show it."""

    symbol: str
    text: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """A promise with what was counted for it."""

    promise: Promise
    verdict: Verdict
    measured: str
    source: Source
    breaches: tuple[Breach, ...] = ()


@dataclass(frozen=True, slots=True)
class Spell:
    """One position from its first share to its last, and how long not all of it had a confirmed stop.

    ``bare_ns`` is the longest stretch of that, ``bare_from_ns`` its beginning, ``bare_total_ns`` all of them.
    Times are of when each thing was first heard; ``end_ns`` is None where it never ended.
    """

    symbol: str
    begin_ns: int
    end_ns: int | None
    shares: int
    bare_ns: int
    bare_from_ns: int
    bare_total_ns: int
    entry_ids: frozenset[str]
    lines: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be judged. ``ours`` are the ids of our orders.

    ``ways_out`` are of those the journal knows as sent to close something, ``stops`` of the stops among them.
    ``spells`` and ``sent_prices`` are the journal's and None without one: each price that was ever sent, with
    its line. ``is_over`` says that nothing may be left any more.
    """

    account: Account
    plans: Mapping[str, SymbolPlan]
    ours: frozenset[str]
    budget_ns: int
    is_over: bool = True
    ways_out: frozenset[str] = frozenset()
    stops: frozenset[str] = frozenset()
    known_ids: Mapping[str, str] = field(default_factory=dict)
    spells: tuple[Spell, ...] | None = None
    sent_prices: tuple[tuple[Paise, Told], ...] | None = None
