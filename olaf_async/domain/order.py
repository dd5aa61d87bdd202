"""One order: what was asked for, where it is in its life, and what has been filled.

The legal life of an order is the TRANSITIONS table and nothing else: a pair that is not in the table is
a bug or a lie and raises. What may arrive late, twice or out of order is in the table because a broker
does all three. The table never decides what to do, only what is true.
"""

from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import Final

from olaf_async.domain.price import Paise, to_text
from olaf_async.errors import InvariantBroken


class Side(Enum):
    """What the exchange is asked to do."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell: the change of the net position a share of it makes."""
        return 1 if self is Side.BUY else -1

    @property
    def other(self) -> "Side":
        """The opposite side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Role(Enum):
    """Which of a symbol's three slots the order fills."""

    ENTRY = "entry"
    STOP = "stop"
    EXIT = "exit"


class PriceType(Enum):
    """OpenAlgo's order kinds. Olaf itself sends only LIMIT and SL; the paper exchange takes all four."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    SL = "SL"
    SL_M = "SL-M"


class OrderState(Enum):
    """Where an order is. Only the last five are ends."""

    __hash__ = object.__hash__  # members are single objects; Enum's own hash costs a call per look-up

    IN_FLIGHT = "in flight"
    UNDECIDED = "undecided"
    WORKING = "working"
    MODIFYING = "modify in flight"
    MODIFY_UNDECIDED = "modify undecided"
    CANCELLING = "cancel in flight"
    ENDING = "ending"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    ABSENT = "absent"


ENDS: Final = frozenset(
    {OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED, OrderState.ABSENT}
)
"""States after which only a late fill may still arrive."""


class Signal(Enum):
    """A settled piece of evidence about one order, whichever channel it came by."""

    __hash__ = object.__hash__  # members are single objects; Enum's own hash costs a call per look-up

    ACCEPTED = "the broker knows it"
    LOST = "the answer to the placing is lost"
    REFUSED = "definitely not placed"
    PROVED_ABSENT = "missing from the books for good"
    MODIFY_SENT = "modify sent"
    MODIFY_DONE = "modify took effect"
    MODIFY_REFUSED = "modify definitely had no effect"
    MODIFY_LOST = "the answer to the modify is lost"
    CANCEL_SENT = "cancel sent"
    CANCEL_FAILED = "cancel refused or lost, and the order still works"
    SEEN_ENDED = "a terminal status, its fills not yet proved"
    SEEN_STANDING = "a book took its terminal status back"
    ALL_FILLED = "every share is filled"
    PROVED_CANCELLED = "ended as cancelled, fills known"
    PROVED_REJECTED = "ended as rejected, fills known"
    PROVED_EXPIRED = "ended as expired, fills known"


def _table() -> dict[tuple[OrderState, Signal], OrderState]:
    state, signal = OrderState, Signal
    unsent = {
        signal.ACCEPTED: state.WORKING,
        signal.LOST: state.UNDECIDED,
        signal.REFUSED: state.REJECTED,
        signal.SEEN_ENDED: state.ENDING,
        signal.ALL_FILLED: state.FILLED,
    }
    late_answers = (signal.LOST, signal.MODIFY_DONE, signal.MODIFY_REFUSED, signal.MODIFY_LOST)
    standing = {signal.SEEN_ENDED: state.ENDING, signal.ALL_FILLED: state.FILLED}
    table: dict[OrderState, dict[Signal, OrderState]] = {
        state.IN_FLIGHT: unsent,
        state.UNDECIDED: {**unsent, signal.PROVED_ABSENT: state.ABSENT},
        state.WORKING: {
            **standing,
            **dict.fromkeys((signal.ACCEPTED, signal.CANCEL_FAILED, *late_answers), state.WORKING),
            signal.MODIFY_SENT: state.MODIFYING,
            signal.CANCEL_SENT: state.CANCELLING,
        },
        state.MODIFYING: {
            **standing,
            **dict.fromkeys((signal.ACCEPTED, signal.LOST), state.MODIFYING),
            **dict.fromkeys((signal.MODIFY_DONE, signal.MODIFY_REFUSED), state.WORKING),
            signal.MODIFY_LOST: state.MODIFY_UNDECIDED,
            signal.CANCEL_SENT: state.CANCELLING,
        },
        state.MODIFY_UNDECIDED: {
            **standing,
            **dict.fromkeys((signal.ACCEPTED, signal.LOST, signal.MODIFY_LOST), state.MODIFY_UNDECIDED),
            **dict.fromkeys((signal.MODIFY_DONE, signal.MODIFY_REFUSED), state.WORKING),
            signal.CANCEL_SENT: state.CANCELLING,
        },
        state.CANCELLING: {
            **standing,
            **dict.fromkeys((signal.ACCEPTED, *late_answers), state.CANCELLING),
            signal.CANCEL_FAILED: state.WORKING,
        },
        state.ENDING: {
            **standing,
            **dict.fromkeys((signal.ACCEPTED, signal.CANCEL_FAILED, *late_answers), state.ENDING),
            signal.SEEN_STANDING: state.WORKING,
            signal.PROVED_CANCELLED: state.CANCELLED,
            signal.PROVED_REJECTED: state.REJECTED,
            signal.PROVED_EXPIRED: state.EXPIRED,
        },
    }
    late = (signal.ACCEPTED, signal.CANCEL_FAILED, signal.SEEN_ENDED, signal.REFUSED, *late_answers)
    for end in ENDS:
        table[end] = {**dict.fromkeys(late, end), signal.ALL_FILLED: state.FILLED}
    # An order concluded absent that shows up after all is ours, and must be chased down.
    table[state.ABSENT] |= {signal.ACCEPTED: state.WORKING, signal.SEEN_ENDED: state.ENDING}
    return {(old, seen): new for old, row in table.items() for seen, new in row.items()}


TRANSITIONS: Final = MappingProxyType(_table())
"""The legal life of an order: (state, signal) -> state."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a modify may change. Prices in paise as the exchange sees them; ``trigger`` 0 for a LIMIT."""

    quantity: int
    price: Paise
    trigger: Paise = 0

    def __str__(self) -> str:
        """For a person: `10 at 98.00, trigger 99.00`."""
        trigger = f", trigger {to_text(self.trigger)}" if self.trigger else ""
        return f"{self.quantity} at {to_text(self.price)}{trigger}"


@dataclass(slots=True, eq=False)
class Order:
    """One order of ours. ``key`` is our name for it, ``order_id`` the broker's once known.

    ``filled`` and ``value`` (paise) are cumulative; the value ``is_value_exact`` where it is a sum of
    executions and not an average times a quantity. ``pending`` holds the terms of the one modify that may
    be outstanding, ``modify_request`` its number and ``modify_sent_ns`` its sending, ``most_asked`` the most
    shares any of its modifies began or ended with, ``lost_changes`` how many of them counted as never done
    and may land yet; ``next_modify_ns`` and ``next_cancel_ns`` pace repeated calls. ``evidence_seq`` is the
    engine's sequence number when a terminal status was first seen, ``evidence_ns`` the time of that;
    ``sent_seq`` is of when it was sent, ``changed_ns`` when its newest change was accepted, 0 once a book has
    shown that, ``doubted_ns`` when a book first showed other terms, 0 while none does; ``restore`` are terms
    that the broker was found not to keep.
    """

    key: str
    symbol: str
    role: Role
    side: Side
    price_type: PriceType
    terms: Terms
    state: OrderState = OrderState.IN_FLIGHT
    order_id: str | None = None
    sent_ns: int | None = None
    sent_seq: int = 0
    filled: int = 0
    value: Paise = 0
    is_value_exact: bool = True
    most_asked: int = 0
    pending: Terms | None = None
    modify_request: int = 0
    modify_sent_ns: int = 0
    next_modify_ns: int = 0
    next_cancel_ns: int = 0
    modifications: int = 0
    cancels: int = 0
    lost_changes: int = 0
    repairs: int = 0
    restore: Terms | None = None
    ended_as: Signal | None = None
    evidence_seq: int = -1
    evidence_ns: int = 0
    changed_ns: int = 0
    doubted_ns: int = 0
    is_end_framed: bool = False
    absent_reads: int = 0
    doubtful_reads: int = 0
    is_bound_by_books: bool = False
    is_queued: bool = False

    def apply(self, signal: Signal) -> None:
        """Move along the table.

        Raises:
            InvariantBroken: the table has no such move; the order is left as it was.
        """
        new = TRANSITIONS.get((self.state, signal))
        if new is None:
            raise InvariantBroken(f"order {self.key}: {signal.name} is impossible while {self.state.value}")
        self.state = new

    def fold(self, filled: int, value: Paise, *, is_exact: bool = False) -> tuple[int, Paise]:
        """Take in a cumulative fill; return what it adds (shares, paise).

        Older news adds nothing; equal news may still correct the value where it ``is_exact`` (summed from
        executions, not from an average).

        Raises:
            InvariantBroken: more than was asked for.
        """
        asked = max(self.terms.quantity, self.pending.quantity if self.pending else 0)
        if filled > max(asked, self.most_asked):
            raise InvariantBroken(f"order {self.key}: {filled} filled of {asked}")
        if filled < self.filled or (filled == self.filled and not is_exact):
            return 0, 0
        added = filled - self.filled, value - self.value
        self.filled, self.value, self.is_value_exact = filled, value, is_exact
        if filled > asked:
            # A change of quantity that counted as done was not, or one that counted as lost was.
            asked = self.most_asked
            self.terms = replace(self.terms, quantity=asked)
        if self.filled == asked:
            # While a modify is open, its quantity may already be the order's.
            self.apply(Signal.ALL_FILLED)
        return added

    def resolve(self, *, is_done: bool) -> None:
        """Settle the open modify: its terms are the order's now, or never were."""
        assert self.pending is not None, "a modify is open"
        self.most_asked = max(self.most_asked, self.terms.quantity, self.pending.quantity)
        if is_done:
            self.terms = self.pending
        self.pending = None
        self.apply(Signal.MODIFY_DONE if is_done else Signal.MODIFY_REFUSED)
        if self.filled >= self.terms.quantity:
            self.apply(Signal.ALL_FILLED)

    @property
    def is_outstanding(self) -> bool:
        """Whether it may still fill."""
        return self.state not in ENDS

    @property
    def is_unsettled(self) -> bool:
        """Whether a question about it is open that only the broker can answer."""
        return self.state in _UNSETTLED

    @property
    def remaining(self) -> int:
        """Shares that may still fill, as far as is known."""
        return self.terms.quantity - self.filled if self.is_outstanding else 0


_UNSETTLED: Final = frozenset(
    {
        OrderState.UNDECIDED,
        OrderState.MODIFY_UNDECIDED,
        OrderState.CANCELLING,
        OrderState.ENDING,
    }
)
