"""What became of an order: answers, frames and book rows, turned into moves of the TRANSITIONS table.

The first decisive piece of evidence settles a question, whichever channel brings it; the rest is
idempotent. An answer is applied to the order it was asked about, by key and by request number, never to
whatever stands in the slot now.
"""

from dataclasses import replace
from typing import assert_never

from olaf_async.core import protection
from olaf_async.core.guards import Guards
from olaf_async.core.state import Foreign, SymbolState
from olaf_async.domain.events import OrderAnswered, OrderRow, Outcome, RunBegan, Status, Verb
from olaf_async.domain.intents import Severity
from olaf_async.domain.order import ENDS, Order, OrderState, PriceType, Role, Signal
from olaf_async.domain.price import Paise
from olaf_async.errors import InvariantBroken

PROOFS = {
    Status.CANCELLED: Signal.PROVED_CANCELLED,
    Status.REJECTED: Signal.PROVED_REJECTED,
    Status.EXPIRED: Signal.PROVED_EXPIRED,
}


def find_by_key(state: SymbolState, key: str) -> Order | None:
    """The order of ours with this name, ended ones included."""
    return next((order for order in state.orders if order.key == key), None)


def find_by_id(state: SymbolState, order_id: str) -> Order | None:
    """The order of ours with this broker id, ended ones included."""
    return next((order for order in state.orders if order.order_id == order_id), None)


def answered(state: SymbolState, guards: Guards, answer: OrderAnswered) -> None:
    """Apply the answer to a request of ours."""
    order = guards.order_asked_about(state, answer)
    if order is None:
        return
    state.touch()
    match answer.verb:
        case Verb.PLACE:
            _place_answered(state, order, answer)
        case Verb.MODIFY:
            _modify_answered(state, guards, order, answer)
        case Verb.CANCEL:
            _cancel_answered(state, order, answer)
        case _:
            assert_never(answer.verb)


def _place_answered(state: SymbolState, order: Order, answer: OrderAnswered) -> None:
    match answer.outcome:
        case Outcome.ACCEPTED:
            assert answer.order_id, "an accepted order has an id"
            if find_by_id(state, answer.order_id) in (None, order):
                accepted(state, order, answer.order_id)
            else:
                _taken_for_another(state, order, answer)
        case Outcome.LOST | Outcome.QUEUED:
            if order.order_id is None:
                _place_unknown(state, order, answer)
        case Outcome.REFUSED | Outcome.NOT_SENT:
            if order.order_id is not None:
                state.freeze(f"order {order.key} was refused ({answer.message}) after it had been seen")
            elif order.state not in ENDS:
                _never_placed(state, order, answer)
        case _:
            assert_never(answer.outcome)


def _place_unknown(state: SymbolState, order: Order, answer: OrderAnswered) -> None:
    """It may have been placed, or may still be: only the books can tell."""
    order.apply(Signal.LOST)
    state.want_books()
    if answer.outcome is Outcome.QUEUED:
        order.is_queued = state.account.is_order_queued = True
        text = f"{state.symbol}: {order.key} waits at the server for a person's approval: no new risk today"
        state.say(Severity.ALARM, "queued", text)
    else:
        text = f"{state.symbol}: no answer to {order.key} ({answer.message}); reading the books"
        state.say(Severity.WARNING, "undecided", text)


def _never_placed(state: SymbolState, order: Order, answer: OrderAnswered) -> None:
    """Definitely nothing at the broker. What we held back ourselves is no rejection: the trigger lapses."""
    order.apply(Signal.REFUSED)
    if answer.outcome is Outcome.NOT_SENT:
        if order.role is Role.ENTRY:
            state.armed_ns = None
        state.say(Severity.NOTE, "not_sent", f"{state.symbol}: {order.key} not sent: {answer.message}")
    else:
        text = f"{state.symbol}: {order.key} refused: {answer.message}"
        state.say(Severity.WARNING, "order_refused", text)


def asker_gone(state: SymbolState, order: Order, run: RunBegan) -> None:
    """The run that asked is over, and its answers with it.

    An order whose sending was never written down, or was called off, does not exist. Of any other request
    nobody knows what became.
    """
    match order.state:
        case OrderState.IN_FLIGHT if order.sent_ns is None or order.key in run.unsent:
            order.apply(Signal.REFUSED)
            state.retire(order)
            if order.role is Role.ENTRY:
                state.armed_ns = None
            state.say(
                Severity.NOTE, "not_sent", f"{state.symbol}: {order.key} was not sent before the restart"
            )
        case OrderState.IN_FLIGHT:
            order.apply(Signal.LOST)
            text = f"{state.symbol}: {order.key} was sent before the restart, the answer is not known"
            state.say(Severity.WARNING, "undecided", f"{text}; reading the books")
        case OrderState.MODIFYING:
            order.apply(Signal.MODIFY_LOST)
        case OrderState.CANCELLING:
            order.apply(Signal.CANCEL_FAILED)
            order.next_cancel_ns = run.at_ns
        case _:
            pass


def accepted(state: SymbolState, order: Order, order_id: str) -> None:
    """The broker knows the order by this id."""
    if order.order_id is None:
        order.order_id = order_id
        order.apply(Signal.ACCEPTED)
        state.want_books()
        state.account.see(order_id)
        _own(state, order, order_id)
    elif order.order_id != order_id:
        _second_id(state, order, order_id)


def _taken_for_another(state: SymbolState, order: Order, answer: OrderAnswered) -> None:
    """Another order of ours, like this one, goes by the id that is told now: it counts there, and only there.

    So what became of that other order is open now, under this one's name.
    """
    if order.order_id is not None:
        state.freeze(
            f"{order.key} is at the broker as {order.order_id} and as another order's {answer.order_id}"
        )
        return
    order.apply(Signal.LOST)
    state.want_books()


def _own(state: SymbolState, order: Order, order_id: str) -> None:
    """What was taken for somebody else's order is ours: the shares it took of a position, it has left itself.

    Its other trades will be folded in as they are heard of.
    """
    other = state.foreign.pop(order_id, None)
    if other is None or not other.taken:
        return
    order.fold(other.taken, other.value)
    if state.position.entered:
        state.position.take(-other.taken, -other.value, state.position.exit_ns)
        state.position.leave(other.taken, other.value, state.position.exit_ns)


def _second_id(state: SymbolState, order: Order, order_id: str) -> None:
    """One request, two orders: both are ours, both count, and a person must look."""
    twin = Order(
        state.new_key(order.role), state.symbol, order.role, order.side, order.price_type, order.terms
    )
    twin.order_id = order_id
    twin.apply(Signal.ACCEPTED)
    state.phantoms.append(twin)
    state.account.see(order_id)
    _own(state, twin, order_id)
    state.want_books()
    state.freeze(f"{order.key} is at the broker twice, as {order.order_id} and as {order_id}")


def _modify_answered(state: SymbolState, guards: Guards, order: Order, answer: OrderAnswered) -> None:
    if order.state in ENDS:
        return
    if order.pending is None or not guards.is_answer_for(order, answer):
        if answer.outcome is Outcome.ACCEPTED:
            # An older change has landed after all: see what it left behind.
            state.want_books()
        return
    match answer.outcome:
        case Outcome.ACCEPTED:
            modify_done(state, order, answer.at_ns)
        case Outcome.LOST | Outcome.QUEUED:
            order.apply(Signal.MODIFY_LOST)
            state.want_books()
        case Outcome.REFUSED:
            modify_refused(state, order, answer.at_ns)
            text = f"{state.symbol}: change of {order.key} refused, the old terms stand: {answer.message}"
            state.say(Severity.WARNING, "modify_refused", text)
        case Outcome.NOT_SENT:
            _not_modified(state, order, answer.at_ns)
        case _:
            assert_never(answer.outcome)


def modify_done(state: SymbolState, order: Order, now_ns: int) -> None:
    """The pending terms are the order's terms now."""
    order.resolve(is_done=True)
    order.changed_ns = now_ns
    order.restore = None
    state.stop_refusals = 0
    state.want_books()


def modify_refused(state: SymbolState, order: Order, now_ns: int) -> None:
    """The pending terms never took effect."""
    refused = order.pending
    _not_modified(state, order, now_ns)
    if order.role is Role.STOP and refused is not None:
        protection.modify_refused(state, order, refused)


def modify_not_done(state: SymbolState, order: Order, now_ns: int) -> None:
    """A book shows the old terms: as good as refused, but it may land yet. A repair is asked for again."""
    order.lost_changes += 1
    if order.restore is None:
        modify_refused(state, order, now_ns)
    else:
        _not_modified(state, order, now_ns)


def _not_modified(state: SymbolState, order: Order, now_ns: int) -> None:
    """The old terms stand. Where we held the change back ourselves, nothing speaks against asking again."""
    order.resolve(is_done=False)
    state.want_books()
    order.next_modify_ns = now_ns + state.rules.chase_ns


def _cancel_answered(state: SymbolState, order: Order, answer: OrderAnswered) -> None:
    """Success only means that the request was taken; the end must be seen."""
    state.want_books()
    if answer.outcome is not Outcome.ACCEPTED and order.state is OrderState.CANCELLING:
        order.apply(Signal.CANCEL_FAILED)
        order.next_cancel_ns = answer.at_ns + state.rules.chase_ns


def notice_more(order: Order, row: OrderRow, filled: int) -> None:
    """More of it works than was known: a change of quantity that counted as not done has been done.

    Else it would pass for filled, and what is left of it would be sold a second time.
    """
    if row.status is Status.WORKING and order.terms.quantity <= filled < row.quantity <= order.most_asked:
        order.terms = replace(order.terms, quantity=row.quantity)


def row_seen(state: SymbolState, order: Order, row: OrderRow, now_ns: int, *, is_frame: bool) -> None:
    """Apply what a frame or a book row says of an order of ours."""
    if row.filled:
        notice_more(order, row, row.filled)
        fill(state, order, row.filled, row.filled * row.average, now_ns)
    if order.state in ENDS:
        return
    if row.status is not Status.WORKING:
        _end_seen(state, order, row, now_ns, is_frame=is_frame)


def _end_seen(state: SymbolState, order: Order, row: OrderRow, now_ns: int, *, is_frame: bool) -> None:
    """Take a terminal status as a claim.

    Its fills must be proved by a tradebook asked for afterwards; a book's own claim needs a second read as
    well, because books are known to show a neighbour's status.
    """
    if row.status is Status.COMPLETE and 0 < row.quantity <= order.filled:
        # Complete and counted: a modify that was still open cannot change it any more.
        order.pending = None
        order.apply(Signal.ALL_FILLED)
        return
    if order.state is not OrderState.ENDING:
        state.want_books()
        order.apply(Signal.SEEN_ENDED)
        order.evidence_seq, order.evidence_ns = state.account.seq, now_ns
        if row.reason:
            text = f"{state.symbol}: {order.key} {row.status.value}: {row.reason}"
            state.say(Severity.WARNING, "order_ended", text)
    if is_frame:
        order.is_end_framed = True
        state.want_books()
    order.ended_as = PROOFS.get(row.status)


def fill(
    state: SymbolState, order: Order, filled: int, value: Paise, now_ns: int, *, is_exact: bool = False
) -> None:
    """Fold a cumulative fill of an order of ours into the position.

    What cannot be (more filled than was asked for) freezes the symbol; the other evidence goes on counting.
    """
    was_ended = order.state in ENDS
    try:
        quantity, paid = order.fold(filled, value, is_exact=is_exact)
    except InvariantBroken as broken:
        state.freeze(str(broken))
        return
    if not quantity and not paid:
        return
    if not quantity and order in state.retired[: state.retired_before]:
        # Its trade has been reported: only the day's result can still learn of it.
        state.account.realised -= order.side.sign * paid
        return
    if quantity:
        state.touch()
        if not is_exact:
            state.want_books()
        if was_ended:
            text = f"{state.symbol}: {quantity} shares of {order.key} filled after its end"
            state.say(Severity.ALARM, "late_fill", text)
    if order.role is Role.ENTRY:
        _entered(state, order, quantity, paid, now_ns)
    else:
        sign = 1 if order.side is state.entry_side.other else -1
        state.position.leave(sign * quantity, sign * paid, now_ns)


def _entered(state: SymbolState, order: Order, quantity: int, paid: Paise, now_ns: int) -> None:
    state.position.enter(quantity, paid, now_ns)
    if not quantity:
        return
    if order.filled == quantity:
        state.attempts += 1
        if state.attempts > state.rules.max_attempts:
            state.freeze(f"{state.attempts} entries have filled where {state.rules.max_attempts} are allowed")
    state.is_entry_at_work |= order is state.entry
    state.provisional = max(0, state.provisional - quantity)
    if state.position.entered == quantity:
        protection.found_position(state, paid // quantity)


def may_be(state: SymbolState, order: Order, row: OrderRow) -> bool:
    """Whether a row nobody has claimed may be this order: not seen before it was sent, and as it was sent."""
    if order.sent_ns is None or state.account.seen_ids[row.order_id] <= order.sent_seq:
        return False
    if (row.side, row.quantity) != (order.side, order.terms.quantity):
        return False
    if order.price_type is PriceType.SL:
        return row.trigger == order.terms.trigger
    return (row.price, row.trigger) == (order.terms.price, 0)


def frame(state: SymbolState, row: OrderRow, now_ns: int) -> None:
    """A frame of the order-update stream about this symbol: ours, ours not yet answered, or foreign."""
    order = find_by_id(state, row.order_id)
    if order is None:
        order = _claim(state, row)
    if order is None:
        foreign_fill(state, row.order_id, row.side.sign * (row.filled or 0), row.average, now_ns)
        return
    state.touch()
    row_seen(state, order, row, now_ns, is_frame=True)


def _claim(state: SymbolState, row: OrderRow) -> Order | None:
    """The one order in flight that this frame, ahead of its answer, must be about."""
    ours = (*state.slots, *state.phantoms)
    order = next((o for o in ours if o.order_id is None and may_be(state, o, row)), None)
    if order is not None:
        accepted(state, order, row.order_id)
    return order


def foreign_fill(state: SymbolState, order_id: str, signed: int, price: Paise, now_ns: int) -> None:
    """Somebody else traded this symbol: ``signed`` shares in all by this order.

    What closes our position takes its quantity out of our hands at once, so that nothing of ours sells it a
    second time.
    """
    other = state.foreign.get(order_id) or Foreign()
    if abs(signed) <= abs(other.signed):
        # What an order has filled only grows: this is older news of it, or none.
        return
    added = signed - other.signed
    state.foreign[order_id] = other
    other.signed = signed
    state.touch()
    state.want_books()
    state.say(
        Severity.WARNING, "foreign_fill", f"{state.symbol}: {added:+d} shares by another hand ({order_id})"
    )
    taken_away(state, other, min(state.untaken, max(0, state.held)), price, now_ns)


def taken_away(state: SymbolState, other: Foreign, closed: int, price: Paise, now_ns: int) -> None:
    """So many of the shares that were ours are gone by this order of somebody else's."""
    if closed:
        other.taken += closed
        other.value += closed * price
        state.position.take(closed, closed * price, now_ns)
        state.is_done = True


def protect_unseen(state: SymbolState) -> None:
    """Protect shares seen in the account while our entry is undecided, from where it would have filled."""
    if state.initial_level is None:
        protection.found_position(state, state.orient(state.strategy.entry))
