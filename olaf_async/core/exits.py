"""Getting out: one procedure for every reason, from confirmed facts only.

Working entry cancelled, then the stop, each with evidence of how it ended; then what is still held is
sold with a limit that crosses the market, chased, bounded. If the stop filled meanwhile there is nothing
left to sell. What was sold too much is bought back only after two reads of the account confirm it.
"""

from olaf_async.core import calls, protection
from olaf_async.core.guards import Guards
from olaf_async.core.limits import crossing_limit
from olaf_async.core.state import SymbolState
from olaf_async.domain.intents import ReadQuote, Severity
from olaf_async.domain.order import Order, OrderState, PriceType, Role, Side, Terms
from olaf_async.domain.price import Paise


def pursue(state: SymbolState, guards: Guards, now_ns: int) -> None:
    """Bring the symbol one step nearer to flat."""
    if state.entry is not None:
        calls.cancel(state, state.entry, now_ns)
        protection.pursue(state, guards, now_ns)
        return
    if state.stop is not None:
        calls.cancel(state, state.stop, now_ns)
    quantity = to_close(state)
    if state.exit is not None:
        is_selling = state.exit.side is state.entry_side.other
        _tend(state, guards, state.exit, quantity if is_selling else -quantity, now_ns)
    if quantity and guards.may_place_exit(state):
        _place(state, quantity, now_ns)


def to_close(state: SymbolState) -> int:
    """Shares still to sell; negative: to buy back, as far as fills explain and the account confirms."""
    return max(0, state.exposure - state.keep) - state.oversold


def _place(state: SymbolState, quantity: int, now_ns: int) -> None:
    if now_ns < state.exit_retry_ns:
        state.wake(state.exit_retry_ns)
        return
    if state.exit_tries and state.books_seq < state.newest_seq:
        state.want_newer_books()
        return
    if state.exit_tries >= state.rules.exit_tries_max:
        _slow_down(state, now_ns)
        return
    side = state.entry_side.other if quantity > 0 else state.entry_side
    limit = _limit(state, side, now_ns)
    if limit is None:
        return
    state.exit_tries += 1
    state.exit_retry_ns = now_ns + state.rules.chase_ns
    calls.place(state, Role.EXIT, side, PriceType.LIMIT, Terms(abs(quantity), limit))


def _tend(state: SymbolState, guards: Guards, order: Order, quantity: int, now_ns: int) -> None:
    """Keep the working exit to what is still to be closed, and its price through the market."""
    if quantity <= 0:
        calls.cancel(state, order, now_ns)
    elif not guards.is_modify_free(order):
        return
    elif now_ns < order.next_modify_ns:
        state.wake(order.next_modify_ns)
    elif quantity > order.remaining and state.books_seq < state.newest_seq:
        # Selling more is a further sell: only upon a read newer than the last send.
        state.want_newer_books()
    elif quantity != order.remaining:
        _modify(state, order, Terms(order.filled + quantity, order.terms.price), now_ns)
    else:
        _chase(state, order, now_ns)


def _limit(state: SymbolState, side: Side, now_ns: int) -> Paise | None:
    """A price that crosses the market; None while a fresh one is being asked for."""
    if state.priced_ns != now_ns:
        state.wake(now_ns)
        return None
    pct = state.rules.exit_limit_pct
    if now_ns - state.last_ns > state.rules.quote_after_ns:
        if now_ns - state.quote_asked_ns > state.rules.quote_after_ns:
            state.quote_asked_ns = now_ns
            state.account.out.append(ReadQuote(state.symbol))
        answer_due_ns = state.quote_asked_ns + state.rules.chase_ns
        if now_ns < answer_due_ns:
            state.wake(answer_due_ns)
            return None
        pct = state.rules.quoteless_exit_pct
    return crossing_limit(state.newest, side, pct, state.setup.tick_size)


def _chase(state: SymbolState, order: Order, now_ns: int) -> None:
    """Re-price an unfilled exit through the market, in place, once per interval, bounded."""
    if now_ns < state.exit_retry_ns:
        state.wake(state.exit_retry_ns)
        return
    limit = _limit(state, order.side, now_ns)
    if limit is None:
        return
    state.exit_retry_ns = now_ns + state.rules.chase_ns
    state.wake(state.exit_retry_ns)
    state.call_unfilled(order.sent_ns or now_ns, now_ns)
    is_better = (limit - order.terms.price) * order.side.sign > 0
    if is_better or _is_of_before_the_deadline(state, order, now_ns):
        _modify(state, order, Terms(order.terms.quantity, limit if is_better else order.terms.price), now_ns)
    else:
        # As crossing as a new price would be, so it should have filled: the news of it may be lost.
        state.want_books()


def _is_of_before_the_deadline(state: SymbolState, order: Order, now_ns: int) -> bool:
    """An exit that still rests at the deadline is sent anew once, even at its own price."""
    sent_ns = max(order.sent_ns or 0, order.modify_sent_ns)
    return sent_ns < state.exit_ns <= now_ns


def _modify(state: SymbolState, order: Order, terms: Terms, now_ns: int) -> None:
    """Change the exit in place while the broker's budget allows; else cancel it and begin anew."""
    if order.modifications < state.rules.modifications_max:
        calls.modify(state, order, terms)
    else:
        calls.cancel(state, order, now_ns)


def _slow_down(state: SymbolState, now_ns: int) -> None:
    """Enough tries for a fast market: call a person, and go on at the pace of the poll."""
    state.exit_tries = state.rules.exit_tries_max - 1
    state.exit_retry_ns = now_ns + state.rules.retry_ns
    state.wake(state.exit_retry_ns)
    state.say(
        Severity.ALARM,
        "exit_stuck",
        f"{state.symbol}: {state.rules.exit_tries_max} exit orders have not closed the position;"
        f" {state.held} shares are held; trying on every {state.rules.retry_ns / 1e9:.0f} s",
    )


def ended(state: SymbolState, order: Order, now_ns: int) -> None:
    """An exit order has left its slot; anything still held is for the next one, not at once."""
    if order.state is not OrderState.FILLED:
        state.exit_retry_ns = now_ns + state.rules.chase_ns
