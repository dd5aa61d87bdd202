"""Comparing belief with a read of the books, for one symbol.

A read has an age: what was asked for before our newest order event of the symbol says nothing. Presence
is evidence in any read; absence, and the position, only in a *complete* one: it contains every order id
seen earlier today, and its positions are what its trades add up to.
"""

from collections.abc import Collection
from dataclasses import dataclass

from olaf_async.core import evidence
from olaf_async.core.guards import Guards
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import CONFIRMING_READS, SymbolState, is_unanswered
from olaf_async.domain.events import BooksRead, OrderRow, Status
from olaf_async.domain.intents import Severity
from olaf_async.domain.order import ENDS, Order, OrderState, PriceType, Signal, Terms
from olaf_async.domain.price import Paise
from olaf_async.domain.trade import ExitReason

BOOK_LAG_NS = 5 * SECOND_NS
"""How long after an accepted change, until it first shows that, a book may show the order as it was."""
CLAIM_GAP_NS = 2 * SECOND_NS
"""How far apart two reads have to be that prove by themselves that an order has ended or shares are gone:
while an order is being accepted, changed or cancelled a book may show another row's status for it, about a
second long, and a book may lag behind what a frame has told."""


@dataclass(slots=True)
class Executions:
    """The executions of one order id, added up. ``quantity`` is signed: sells are below zero."""

    quantity: int = 0
    value: Paise = 0


@dataclass(frozen=True, slots=True)
class SymbolBooks:
    """One symbol's part of a read. ``net`` is the account's signed position in it."""

    asked_ns: int
    asked_seq: int
    rows: dict[str, OrderRow]
    executions: dict[str, Executions]
    net: int
    is_complete: bool


def by_symbol(event: BooksRead, symbols: Collection[str], *, contains_all: bool) -> dict[str, SymbolBooks]:
    """Split a read by symbol.

    The position counts only beside executions that add up to it, and those only beside their orders.
    """
    rows: dict[str, dict[str, OrderRow]] = {symbol: {} for symbol in symbols}
    executions: dict[str, dict[str, Executions]] = {symbol: {} for symbol in symbols}
    net, traded = dict.fromkeys(symbols, 0), dict.fromkeys(symbols, 0)
    for row in event.orders:
        if row.symbol in rows:
            rows[row.symbol][row.order_id] = row
    for trade in event.trades:
        if trade.symbol in executions:
            of_symbol = executions[trade.symbol]
            done = of_symbol.get(trade.order_id)
            if done is None:
                done = of_symbol[trade.order_id] = Executions()
            signed = trade.side.sign * trade.quantity
            done.quantity += signed
            done.value += signed * trade.price
            traded[trade.symbol] += signed
    for position in event.positions:
        if position.symbol in net:
            net[position.symbol] = position.quantity
    return {
        symbol: SymbolBooks(
            event.asked_ns,
            event.asked_seq,
            rows[symbol],
            executions[symbol],
            net[symbol],
            contains_all
            and executions[symbol].keys() <= rows[symbol].keys()
            and net[symbol] == traded[symbol],
        )
        for symbol in symbols
    }


def absorb(state: SymbolState, guards: Guards, books: SymbolBooks, now_ns: int) -> None:
    """Take in a read of the books, as far as it says anything about this symbol now."""
    if not guards.is_read_current(state, books.asked_seq):
        return
    _bind(state, books)
    for order in (*state.slots, *state.phantoms):
        _compare(state, order, books, now_ns)
    for order in tuple(state.retired):
        _fold_executions(state, order, books, now_ns)
    _foreign(state, books, now_ns)
    _unseen(state, books)
    if not books.is_complete:
        return
    state.books_seq = max(state.books_seq, books.asked_seq)
    state.account_net = books.net
    for order in (*state.slots, *state.phantoms):
        _absent(state, order, books)
    _take_explained(state, books, now_ns)
    _position(state, books)


def absorb_unwatched(state: SymbolState, guards: Guards, books: SymbolBooks, now_ns: int) -> None:
    """Take in the first read of a run: what happened while nobody watched, and what the journal lacks.

    Attempts used are the larger of the journal's count and the book's. What the journal does not know is
    never adopted: an order that could open a position behind our back ends new risk in the symbol.
    """
    before = _facts(state)
    absorb(state, guards, books, now_ns)
    state.is_unread = False
    changed = [f"{key} {fact}" for key, fact in _facts(state).items() if before.get(key) != fact]
    if changed:
        state.say(
            Severity.NOTE, "while_away", f"{state.symbol}: since it was last watched: {', '.join(changed)}"
        )
    alike = [row for row in books.rows.values() if _is_like_an_entry(state, row)]
    filled = sum(bool(row.filled) or row.order_id in books.executions for row in alike)
    if filled > state.attempts:
        text = f"{state.symbol}: the order book shows {filled} filled entries, the journal {state.attempts}"
        state.say(Severity.WARNING, "attempts_found", f"{text}: the larger number counts")
        state.attempts = filled
        unknown = state.orient(books.net) - max(0, state.held)
        if books.is_complete and unknown > 0:
            state.freeze(
                f"{unknown} shares are held of an entry like ours that the journal does not know:"
                " nobody looks after them and their stop"
            )
    if state.entry is not None and not state.entry.filled and state.attempts >= state.rules.max_attempts:
        # The trigger lapses: the books know of more attempts than the journal, or fewer are allowed by now.
        state.armed_ns = None
    for row in alike:
        if row.status is Status.WORKING and evidence.find_by_id(state, row.order_id) is None:
            state.freeze(
                f"order {row.order_id}, at work, looks like our entry, and the journal does not know it"
            )


def _facts(state: SymbolState) -> dict[str, str]:
    """What a person is told of each order where it has changed."""
    return {order.key: f"{order.state.value}, {order.filled} filled" for order in state.orders}


def _is_like_an_entry(state: SymbolState, row: OrderRow) -> bool:
    return (row.side, row.quantity, row.trigger) == (
        state.entry_side,
        state.planned,
        state.orient(state.strategy.entry),
    )


def _bind(state: SymbolState, books: SymbolBooks) -> None:
    """Recognise orders whose answer was lost: ids not seen before the send that are all we sent, as sent.

    Each takes one such id. Until settle time ends, one more is watched for, that none of the others takes.
    """
    orders = state.orders
    ours = {order.order_id for order in orders}
    fresh = [row for order_id, row in books.rows.items() if order_id not in ours]
    for order in orders:
        if order.is_bound_by_books and _is_past_settling(state, order, books):
            order.is_bound_by_books = False
        if order.order_id is None and (order.state is OrderState.ABSENT or is_unanswered(order)):
            row = next((row for row in fresh if evidence.may_be(state, order, row)), None)
            if row is not None:
                fresh.remove(row)
                _found(state, order, row)
    for order in orders:
        if order.is_bound_by_books:
            for row in [row for row in fresh if evidence.may_be(state, order, row)]:
                fresh.remove(row)
                evidence.accepted(state, order, row.order_id)


def _found(state: SymbolState, order: Order, row: OrderRow) -> None:
    evidence.accepted(state, order, row.order_id)
    order.is_bound_by_books = True
    text = f"{state.symbol}: {order.key} found in the books as {order.order_id}"
    state.say(Severity.WARNING, "order_found", text)


def _compare(state: SymbolState, order: Order, books: SymbolBooks, now_ns: int) -> None:
    """Hold one order of ours against its row and its executions."""
    row = None if order.order_id is None else books.rows.get(order.order_id)
    if row is not None and (done := books.executions.get(row.order_id)) is not None:
        evidence.notice_more(order, row, abs(done.quantity))
    _fold_executions(state, order, books, now_ns)
    if row is None or order.state in ENDS:
        return
    if row.status is Status.WORKING:
        _standing(state, order, row, books.asked_ns, now_ns)
    else:
        _ending(state, order, row, books, now_ns)


def _fold_executions(state: SymbolState, order: Order, books: SymbolBooks, now_ns: int) -> None:
    """Count what the tradebook has of it, also long after its end."""
    done = None if order.order_id is None else books.executions.get(order.order_id)
    if done is not None:
        evidence.fill(state, order, abs(done.quantity), abs(done.value), now_ns, is_exact=True)


def _standing(state: SymbolState, order: Order, row: OrderRow, asked_ns: int, now_ns: int) -> None:
    """The row says that it works: what of our open questions does that answer?"""
    shown = Terms(row.quantity, row.price, row.trigger)
    if order.state is OrderState.ENDING and not order.is_end_framed:
        order.apply(Signal.SEEN_STANDING)
    if order.state is not OrderState.MODIFYING and shown == order.pending:
        evidence.modify_done(state, order, now_ns)
    elif order.state is not OrderState.MODIFYING and order.pending is not None and shown == order.terms:
        evidence.modify_not_done(state, order, now_ns)
    elif order.state is OrderState.MODIFY_UNDECIDED and _is_modify_past_settling(state, order, asked_ns):
        # Neither old nor new: an older change has landed late, or this one with other terms. Those stand now.
        evidence.modify_not_done(state, order, now_ns)
    if order.state is OrderState.CANCELLING and now_ns >= order.next_cancel_ns:
        order.apply(Signal.CANCEL_FAILED)
    if order.state is OrderState.WORKING:
        _read_back(state, order, row.price_type, shown, asked_ns)


def _read_back(state: SymbolState, order: Order, kind: PriceType, shown: Terms, asked_ns: int) -> None:
    """What the broker keeps must be what we sent, field by field; repaired once, then a person is called.

    Every read is held against it, because a change that counted as lost may land at any time. Of an order
    that was changed a read may be of before: other terms count once they last. A stop that has triggered
    shows as the limit order it is by then.
    """
    is_kind_kept = kind in (order.price_type, PriceType.LIMIT)
    if is_kind_kept and shown == order.terms:
        order.changed_ns = order.doubted_ns = 0
    elif asked_ns < order.changed_ns + BOOK_LAG_NS:
        return
    elif is_kind_kept and _is_late_change(state, order, shown):
        order.changed_ns = order.doubted_ns = 0
    elif order.modifications and not order.changed_ns and not order.doubted_ns:
        order.doubted_ns = asked_ns
    elif asked_ns >= order.doubted_ns + CLAIM_GAP_NS:
        order.changed_ns = order.doubted_ns = 0
        _put_right(state, order, kind, shown)


def _put_right(state: SymbolState, order: Order, kind: PriceType, shown: Terms) -> None:
    """What the broker keeps is not what we sent: that counts now, and is repaired once.

    As often again as changes were lost, for each of them may have landed late.
    """
    wanted, order.terms = order.terms, shown
    is_explained = order.lost_changes > 0
    may_repair = is_explained or not order.repairs
    state.say(
        Severity.ALARM,
        "terms_differ",
        f"{state.symbol}: {order.key} is {kind.value} {shown} at the broker, not {wanted}; "
        + ("putting it right" if may_repair else "it was put right once already, a person must look"),
    )
    if may_repair:
        order.restore = wanted
    else:
        state.freeze(f"the broker keeps other terms for {order.key} than were sent")
    if is_explained:
        order.lost_changes -= 1
    else:
        order.repairs += 1


def _is_late_change(state: SymbolState, order: Order, shown: Terms) -> bool:
    """A change that counted as never done has landed after all: it stands, a stop is not lowered again.

    That is a raise, or the quantity that is held by now.
    """
    if order is not state.stop or state.stop_level is None:
        return False
    terms, raised = order.terms, state.orient(shown.trigger) - state.orient(order.terms.trigger)
    is_for_all = shown.quantity == order.filled + state.exposure
    if raised < 0 or not (is_for_all or shown.quantity == terms.quantity):
        return False
    if not raised and shown.price != terms.price:
        return False
    order.terms = shown
    state.stop_level = max(state.stop_level, state.orient(shown.trigger))
    state.say(Severity.WARNING, "late_raise", f"{state.symbol}: {order.key} turns out to be at {shown}")
    return True


def _ending(state: SymbolState, order: Order, row: OrderRow, books: SymbolBooks, now_ns: int) -> None:
    """The row says that it has ended; believed when framed or seen before, with the executions to match."""
    is_second = order.state is OrderState.ENDING and books.asked_seq >= order.evidence_seq
    if not order.is_end_framed:
        is_second &= books.asked_ns >= order.evidence_ns + CLAIM_GAP_NS
    evidence.row_seen(state, order, row, now_ns, is_frame=False)
    # "complete" has no proof of its own: only the executions can end it.
    if order.state is OrderState.ENDING and order.ended_as is not None and is_second and books.is_complete:
        order.apply(order.ended_as)


def _is_past_settling(state: SymbolState, order: Order, books: SymbolBooks) -> bool:
    return order.sent_ns is not None and books.asked_ns >= order.sent_ns + state.rules.settle_ns


def _is_modify_past_settling(state: SymbolState, order: Order, asked_ns: int) -> bool:
    return asked_ns >= order.modify_sent_ns + state.rules.settle_ns


def _absent(state: SymbolState, order: Order, books: SymbolBooks) -> None:
    """Absence of what we sent counts in two complete reads, both asked for after the settle time."""
    if order.state is not OrderState.UNDECIDED:
        return
    if _is_past_settling(state, order, books) and not order.is_queued:
        order.absent_reads += 1
        if order.absent_reads >= CONFIRMING_READS:
            order.apply(Signal.PROVED_ABSENT)
    if order is state.stop:
        _doubt_stop(state, order, books)


def _doubt_stop(state: SymbolState, stop: Order, books: SymbolBooks) -> None:
    """The stop is not to be waited for any longer: get out without it.

    That is so where the price has been through it and nothing sold, and where it is time to leave while a
    person has not approved it, which may never happen.
    """
    is_passed = (
        state.touched_ns is not None and books.asked_ns >= state.touched_ns + state.rules.phantom_stop_ns
    )
    if not is_passed and not (stop.is_queued and state.leaving is not None):
        return
    stop.doubtful_reads += 1
    if stop.doubtful_reads >= CONFIRMING_READS and state.orient(books.net) >= state.held:
        state.stop = None
        state.phantoms.append(stop)
        state.leave(ExitReason.STOP)
        why = "the price is through it" if is_passed else "it is time to leave"
        state.say(
            Severity.ALARM,
            "stop_phantom",
            f"{state.symbol}: stop {stop.key} was never confirmed and {why}; exiting",
        )


def _foreign(state: SymbolState, books: SymbolBooks, now_ns: int) -> None:
    """Trades of orders that are not ours. One whose order is not in the book yet may still turn out ours."""
    ours = {order.order_id for order in state.orders}
    closing = -state.entry_side.sign
    # Those that opened first: in doubt what is left is ours, and stays protected.
    for order_id, done in sorted(books.executions.items(), key=lambda item: item[1].quantity * closing):
        if order_id in ours or not done.quantity:
            continue
        if order_id in books.rows:
            price = abs(done.value) // abs(done.quantity)
            evidence.foreign_fill(state, order_id, done.quantity, price, now_ns)
        elif state.account.seen_ids[order_id] == state.account.seq:
            state.want_books()


def _unseen(state: SymbolState, books: SymbolBooks) -> None:
    """Shares that no known fill explains may be those of the outstanding entry: protect them now.

    They count until a complete read explains them, and never once something of the position has been sold:
    a position book is known to lag behind a fill. For the same reason a stranger's sale adds nothing to them.
    """
    position, entry = state.position, state.entry
    if books.is_complete or entry is None or entry.sent_ns is None or position.left or position.taken:
        state.provisional = 0
        return
    if any(_is_behind(order, books) for order in state.orders):
        return
    unexplained = state.orient(books.net) - state.held - max(0, state.foreign_net)
    state.provisional = min(max(state.provisional, unexplained), entry.remaining)
    if state.provisional:
        evidence.protect_unseen(state)


def _is_behind(order: Order, books: SymbolBooks) -> bool:
    """Whether the read shows an order as it was before a fill that is known, or not at all."""
    if order.order_id is None:
        return False
    row = books.rows.get(order.order_id)
    if row is None:
        return order.filled > 0
    is_unfilled = row.status is Status.WORKING and order.state is OrderState.FILLED
    return is_unfilled or (row.filled is not None and row.filled < order.filled)


def _take_explained(state: SymbolState, books: SymbolBooks, now_ns: int) -> None:
    """Shares of a fill heard of after somebody else had sold them: the read that shows both explains it."""
    if not state.foreign:
        return
    for order_id, done in books.executions.items():
        other = state.foreign.get(order_id)
        gone = min(state.untaken, state.held - max(0, state.orient(books.net)))
        if other is None or gone <= 0:
            continue
        sold = -state.orient(done.quantity) - other.taken
        price = abs(done.value) // abs(done.quantity)
        evidence.taken_away(state, other, max(0, min(gone, sold)), price, now_ns)


def _note_shortfall(state: SymbolState, asked_ns: int) -> None:
    """Count a read that shows less than we hold; all books together may lag behind a fill in a frame."""
    if not state.shortfall_reads:
        state.shortfall_reads, state.shortfall_ns = 1, asked_ns
    elif asked_ns >= state.shortfall_ns + CLAIM_GAP_NS:
        state.shortfall_reads += 1


def _position(state: SymbolState, books: SymbolBooks) -> None:
    """Hold the account's net position against our fills."""
    seen = state.orient(books.net)
    is_settled = not any(order.is_unsettled for order in (*state.slots, *state.phantoms))
    if seen >= state.held:
        state.shortfall_reads, state.ceiling = 0, None
    elif state.held > 0 and is_settled:
        _note_shortfall(state, books.asked_ns)
        if state.shortfall_reads >= CONFIRMING_READS:
            state.ceiling = max(0, seen)
            state.freeze(f"the account holds {seen} shares where our fills add up to {state.held}")
    is_oversold = is_settled and state.held < 0 and seen < 0
    state.oversold_reads = state.oversold_reads + 1 if is_oversold else 0
