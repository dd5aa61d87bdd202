"""What the engine believes, as a value: cheap to copy, and equal for two beliefs that will act alike.

Owns what of the core's state matters for what it will do. Time is counted from now, and what lies further
back than any rule looks is all the same; of the sequence numbers only those comparisons are left that can
still be made; names and requests are numbered as they come. Sums of money that nothing is decided by are left
out. Must never: change what it looks at.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from copy import copy
from operator import attrgetter
from typing import TypeAlias

from olaf_async.core.account import Account
from olaf_async.core.engine import Engine
from olaf_async.core.reconcile import BOOK_LAG_NS
from olaf_async.core.rules import Rules
from olaf_async.core.state import Foreign, SymbolState
from olaf_async.core.trader import Trader
from olaf_async.domain.events import OrderRow, Status
from olaf_async.domain.order import Order, OrderState, Signal, Terms
from olaf_async.domain.position import Position

Value: TypeAlias = object
"""Nested tuples of numbers, texts and None."""

ORDER_APART = (
    *("key", "symbol", "role", "side", "price_type", "terms", "state", "pending", "restore", "ended_as"),
    *(
        "sent_ns",
        "modify_sent_ns",
        "evidence_ns",
        "changed_ns",
        "doubted_ns",
        "next_modify_ns",
        "next_cancel_ns",
    ),
    *("sent_seq", "evidence_seq", "modify_request"),
)
ORDER_COUNTS = ("cancels", "repairs", "absent_reads", "doubtful_reads")
STATE_TIMES = (
    "armed_ns",
    "touched_ns",
    "unprotected_since_ns",
    "quote_asked_ns",
    "shortfall_ns",
    "last_ns",
    "reached_ns",
)
STATE_COUNTS = ("stops_gone", "shortfall_reads", "oversold_reads")
"""Of these it only matters whether there was none, one, or more."""
STATE_DUES = ("entry_retry_ns", "stop_retry_ns", "exit_retry_ns")
STATE_APART = (
    *("account", "position", "entry", "stop", "exit", "phantoms", "retired", "retired_before", "foreign"),
    *("leaving", "priced_ns", "newest_seq", "want_seq", "books_seq", "setup", "session", "strategy"),
)
STATE_LEFT_OUT = ("wake_ns", "unprotected_ns", "triggers", "last_denial", "orders_made")

ACCOUNT_TIMES = ("unread_since_ns", "asked_ns")
ACCOUNT_APART = ("rules", "seen_ids", "asked_seq", "mode", "exposed")
ACCOUNT_LEFT_OUT = (
    *("seq", "requests", "realised", "marked_realised", "marked_ns", "open_profit", "sends"),
    *("urgent_until_ns", "out", "seen_digest"),
)
"""The rate of calls and the daily loss are for other ways of trying: a model must switch them off."""

_STATES = {state: number for number, state in enumerate(OrderState)}
_SIGNALS = {signal: number for number, signal in enumerate((None, *Signal))}
_STATUSES = {status: number for number, status in enumerate(Status)}

_all_of_order = attrgetter(*Order.__dataclass_fields__)
_all_of_state = attrgetter(*SymbolState.__dataclass_fields__)
_all_of_account = attrgetter(*Account.__dataclass_fields__)
_all_of_position = attrgetter(*Position.__dataclass_fields__)


def _others(kind: type, *apart: tuple[str, ...]) -> Callable[[object], tuple[Value, ...]]:
    named = {name for names in apart for name in names}
    getter: Callable[[object], tuple[Value, ...]] = attrgetter(
        *(name for name in kind.__dataclass_fields__ if name not in named)  # type: ignore[attr-defined]
    )
    return getter


_plain_of_order = _others(Order, ORDER_APART, ORDER_COUNTS)
_plain_of_state = _others(SymbolState, STATE_TIMES, STATE_DUES, STATE_COUNTS, STATE_APART, STATE_LEFT_OUT)
_plain_of_account = _others(Account, ACCOUNT_TIMES, ACCOUNT_APART, ACCOUNT_LEFT_OUT)
_times_of_state, _dues_of_state = attrgetter(*STATE_TIMES), attrgetter(*STATE_DUES)
_counts_of_order, _counts_of_state = attrgetter(*ORDER_COUNTS), attrgetter(*STATE_COUNTS)
_times_of_account = attrgetter(*ACCOUNT_TIMES)
_fills = attrgetter(
    "order_id", "filled", "value", "is_value_exact", "most_asked", "is_bound_by_books", "is_queued"
)
_terms = attrgetter("quantity", "price", "trigger")
_row = attrgetter("order_id", "quantity", "price", "trigger", "filled", "average")


def horizon_ns(rules: Rules) -> int:
    """Longer than any rule looks back or ahead."""
    spans: list[int | None] = [
        getattr(rules, name) for name in rules.__dataclass_fields__ if name.endswith("_ns")
    ]
    return max(BOOK_LAG_NS, *(span for span in spans if span is not None)) + 1


# --- copies ---------------------------------------------------------------------------------------------


def copy_of(engine: Engine) -> Engine:
    """An engine of the same belief that goes its own way from here."""
    new = copy(engine)
    account = Account(*_all_of_account(engine.account))
    account.exposed, account.seen_ids = account.exposed.copy(), account.seen_ids.copy()
    account.sends, account.out = account.sends.copy(), []
    new.account = account
    new.traders = {symbol: _copy_of_trader(trader, account) for symbol, trader in engine.traders.items()}
    return new


def _copy_of_trader(trader: Trader, account: Account) -> Trader:
    new = copy(trader)
    new.state = state = SymbolState(*_all_of_state(trader.state))
    state.account = account
    state.position = Position(*_all_of_position(state.position))
    state.entry, state.stop, state.exit = map(_copy_of_order, (state.entry, state.stop, state.exit))
    state.phantoms = [Order(*_all_of_order(order)) for order in state.phantoms]
    state.retired = [Order(*_all_of_order(order)) for order in state.retired]
    if state.foreign:
        state.foreign = {
            name: Foreign(other.signed, other.taken, other.value) for name, other in state.foreign.items()
        }
    else:
        state.foreign = {}
    return new


def _copy_of_order(order: Order | None) -> Order | None:
    return None if order is None else Order(*_all_of_order(order))


# --- as a value -----------------------------------------------------------------------------------------


class Picture:
    """Turns the beliefs of one engine, trading one symbol, into values.

    ``read_seq`` is when the books that are on their way were asked for (None: no such read): any other read
    will be newer than all that is known now. ``shown`` is what the broker's order book shows now.
    """

    def __init__(
        self, engine: Engine, now_ns: int, far_ns: int, read_seq: int | None, shown: Mapping[str, OrderRow]
    ) -> None:
        (self._trader,) = engine.traders.values()
        self._account = engine.account
        self._now_ns = now_ns
        self._far_ns = far_ns
        self._read_seq = -1 if read_seq is None else read_seq
        self._shown = shown
        self._keys: dict[str, int] = {}
        self._asks: dict[int, int] = {0: 0}

    def since(self, at_ns: int | None) -> int | None:
        """How long ago, as far as anything looks back."""
        return None if at_ns is None else max(-self._far_ns, at_ns - self._now_ns)

    def until(self, at_ns: int) -> int:
        """How long until, as far as anything looks ahead; what is over is over."""
        return min(self._far_ns, max(0, at_ns - self._now_ns))

    def key(self, key: str | None) -> int | None:
        """A number for an order's name: the order of first sight in this picture."""
        return None if key is None else self._keys.setdefault(key, len(self._keys))

    def ask(self, request: int) -> int:
        """A number for a request."""
        return self._asks.setdefault(request, len(self._asks))

    def belief(self, spoken_of: Collection[str]) -> tuple[Value, ...]:
        """All that the engine will act by; ``spoken_of`` are the orders that messages on their way name."""
        account, state = self._account, self._trader.state
        guard = self._trader.guard
        return (
            _plain_of_account(account),
            tuple(map(self.since, _times_of_account(account))),
            None if account.mode is None else account.mode.value,
            _plain_of_state(state),
            tuple(map(self.since, _times_of_state(state))),
            tuple(map(self.until, _dues_of_state(state))),
            tuple(map(_up_to_many, _counts_of_state(state))),
            self._reads(state),
            state.priced_ns == self._now_ns,
            None if state.leaving is None else state.leaving.value,
            self._position(state.position),
            tuple((name, other.signed, other.taken, other.value) for name, other in state.foreign.items()),
            tuple(map(self._order, (state.entry, state.stop, state.exit, *state.phantoms))),
            tuple(self._retired_orders(state, spoken_of)),
            (guard.low, guard.high, self.until(guard.due_ns), guard.wants_bars),
            self._absorbed(),
        )

    def _reads(self, state: SymbolState) -> Value:
        """How the reads that there have been, and the one on its way, compare with what is known."""
        account, read = self._account, self._read_seq
        is_wanted = state.want_seq > state.books_seq
        newest_seq = max(state.want_seq, state.newest_seq)
        return (
            state.books_seq >= state.newest_seq,
            is_wanted,
            is_wanted and account.asked_seq >= newest_seq,
            read >= state.newest_seq,
            is_wanted and read >= state.want_seq,
            tuple(name for name, seq in account.seen_ids.items() if seq <= read) if read >= 0 else None,
            tuple(account.seen_ids),
        )

    def _absorbed(self) -> Value:
        """The read that was taken in last, where a later one may still show the same."""
        rows, executions = self._trader.absorbed
        shown = self._shown
        if rows.keys() != shown.keys():
            return None
        if any(
            row.status is not shown[name].status or row.filled != shown[name].filled
            for name, row in rows.items()
        ):
            return None
        traded = tuple((name, done.quantity, done.value) for name, done in executions.items())
        return tuple(map(row_value, rows.values())), traded

    def _position(self, position: Position) -> Value:
        if not position.entered and not position.exit_ns:
            return None
        return (
            (position.entered, position.entry_value, position.left, position.exit_value, position.taken),
            position.entry_ns >= self._now_ns,
            position.exit_ns > 0,
        )

    def _order(self, order: Order | None) -> Value:
        if order is None:
            return None
        state = order.state
        is_ending = state is OrderState.ENDING
        is_asked = state is OrderState.MODIFY_UNDECIDED
        return (
            (_plain_of_order(order), tuple(map(_up_to_many, _counts_of_order(order)))),
            (self.key(order.key), self.ask(order.modify_request)),
            (self.until(order.next_modify_ns), self.until(order.next_cancel_ns)),
            (order.side.sign, _STATES[state], _SIGNALS[order.ended_as]),
            (terms_value(order.terms), terms_value(order.pending), terms_value(order.restore)),
            (self.since(order.evidence_ns), self._read_seq >= order.evidence_seq) if is_ending else None,
            self.since(order.modify_sent_ns) if is_asked else None,
            self.since(order.changed_ns) if order.changed_ns else None,
            self.since(order.doubted_ns) if order.doubted_ns else None,
            self._sent(order),
            self._is_of_before_the_deadline(order),
        )

    def _is_of_before_the_deadline(self, order: Order) -> bool:
        """Also where the deadline is still to come, for it may come now."""
        sent_ns = max(order.sent_ns or 0, order.modify_sent_ns)
        return sent_ns < min(self._now_ns, self._trader.state.exit_ns)

    def _sent(self, order: Order) -> Value:
        """When it was sent, and what had been seen by then, while another order may still be taken for it."""
        if order.sent_ns is None:
            return None
        if order.order_id is not None and not order.is_bound_by_books:
            return True
        seen = self._account.seen_ids.items()
        return self.since(order.sent_ns), tuple(name for name, seq in seen if seq <= order.sent_seq)

    def _retired_orders(self, state: SymbolState, spoken_of: Collection[str]) -> Iterator[Value]:
        """Of an order that has ended only late fills and late sight matter; of one never placed nothing."""
        for number, order in enumerate(state.retired):
            if order.order_id is None and not order.filled and order.key not in spoken_of:
                continue
            yield (
                (_fills(order), self.key(order.key), number >= state.retired_before),
                (_STATES[order.state], _terms(order.terms), order.side.sign, order.doubtful_reads > 1),
                self._sent(order) if order.is_bound_by_books else None,
            )


def _up_to_many(count: int) -> int:
    return min(count, 2)


def terms_value(terms: Terms | None) -> Value:
    """Terms as numbers."""
    return None if terms is None else _terms(terms)


def row_value(row: OrderRow) -> Value:
    """A row of a book or a frame as numbers; what never changes of an order is in its id."""
    return _STATUSES[row.status], _row(row)
