"""Staying protected: one stop for all that is held, raised and never lowered, chased when jumped over.

The stop is always a stop-limit (SL): brokers rewrite or drop SL-M. Nothing here runs at the rate of
ticks; every second try waits for evidence or for a timer.
"""

from olaf_async.core import calls
from olaf_async.core.guards import Guards
from olaf_async.core.limits import crossing_limit, stop_limit
from olaf_async.core.state import SymbolState
from olaf_async.domain.bar import Bar
from olaf_async.domain.intents import Severity
from olaf_async.domain.order import Order, OrderState, PriceType, Role, Terms
from olaf_async.domain.price import Paise
from olaf_async.domain.trade import ExitReason

_CONFIRMED = (
    OrderState.WORKING,
    OrderState.MODIFYING,
    OrderState.MODIFY_UNDECIDED,
    OrderState.CANCELLING,
)


def found_position(state: SymbolState, price: Paise) -> None:
    """Shares are held, at this price per share: set the levels of the trade.

    Where shares were protected before their fill was known, the stop that stands is not lowered.
    """
    fill = state.orient(price)
    state.initial_level = state.strategy.initial_stop(fill)
    state.target_level = state.strategy.target(fill, state.initial_level)
    state.stop_level = max(state.initial_level, state.stop_level or state.initial_level)


def pursue(state: SymbolState, guards: Guards, now_ns: int) -> None:
    """Bring the stop slot to what is held now."""
    if state.exposure <= 0:
        if state.stop is not None:
            calls.cancel(state, state.stop, now_ns)
        return
    if guards.may_place_stop(state):
        _place(state, now_ns)
    elif state.stop is not None:
        _chase(state, guards, state.stop, now_ns)
        _adjust(state, guards, state.stop, now_ns)


def _place(state: SymbolState, now_ns: int) -> None:
    """Ask for a stop; after one that was refused or passed by the price, only against the newest price."""
    assert state.stop_level is not None, "what is held has a level"
    if state.stops_gone > 1 or (state.stops_gone and now_ns >= state.exit_ns):
        return
    if state.touched_ns is not None or state.stop_rejections:
        if state.priced_ns != now_ns:
            state.wake(now_ns)
            return
        if state.orient(state.newest) <= state.stop_level:
            state.leave(ExitReason.STOP)
            return
        state.touched_ns = None
    if now_ns < state.stop_retry_ns:
        state.wake(state.stop_retry_ns)
    elif state.stops_gone and state.books_seq < state.newest_seq:
        state.want_newer_books()
    else:
        calls.place(state, Role.STOP, state.entry_side.other, PriceType.SL, _terms(state, 0))


def _terms(state: SymbolState, already_filled: int) -> Terms:
    assert state.stop_level is not None
    trigger = state.orient(state.stop_level)
    limit = stop_limit(trigger, state.entry_side.other, state.rules.stop_limit_pct, state.setup.tick_size)
    return Terms(already_filled + state.exposure, limit, trigger)


def _adjust(state: SymbolState, guards: Guards, stop: Order, now_ns: int) -> None:
    """Raise quantity or trigger by one modify in place; wishes that come meanwhile coalesce into the next."""
    if not guards.is_modify_free(stop) or state.touched_ns is not None:
        return
    wished = _wished(state, guards, stop)
    if wished == stop.terms and stop.restore is None:
        return
    if stop.repairs > 1 and wished.quantity >= stop.terms.quantity:
        # The broker does not keep what is sent. A person looks; only what would sell too much is still cut.
        return
    if now_ns < stop.next_modify_ns:
        state.wake(stop.next_modify_ns)
        return
    is_resized = wished.quantity != stop.terms.quantity
    if now_ns >= state.exit_ns and not is_resized:
        # The stop is about to be cancelled; how much of this raise is overtaken must not depend on the shell.
        return
    budget = state.rules.modifications_max - (0 if is_resized else state.rules.modifications_reserve)
    if stop.modifications < budget:
        calls.modify(state, stop, wished)
    elif is_resized:
        state.leave(ExitReason.RISK)


def _wished(state: SymbolState, guards: Guards, stop: Order) -> Terms:
    """The terms the stop should have: what is held, at the level reached, or as it was sent."""
    assert state.stop_level is not None, "a stop has a level"
    base = stop.restore or stop.terms
    if guards.may_raise(state.orient(base.trigger), state.stop_level):
        return _terms(state, stop.filled)
    quantity = stop.filled + state.exposure
    return base if quantity == base.quantity else Terms(quantity, base.price, base.trigger)


def _chase(state: SymbolState, guards: Guards, stop: Order, now_ns: int) -> None:
    """The stop was reached and has not filled: re-price it to cross, once per interval, bounded."""
    if state.touched_ns is None or not guards.is_modify_free(stop):
        return
    due_ns = state.touched_ns + state.rules.chase_ns
    if now_ns < due_ns:
        state.wake(due_ns)
        return
    if state.priced_ns != now_ns:
        state.wake(now_ns)
        return
    price, trigger, limit = (state.orient(p) for p in (state.newest, stop.terms.trigger, stop.terms.price))
    if price > trigger:
        state.touched_ns = state.reached_ns = None
        state.want_books()
        return
    if state.reached_ns is None:
        state.reached_ns = state.touched_ns
    state.call_unfilled(state.reached_ns, now_ns)
    state.touched_ns = now_ns
    state.wake(now_ns + state.rules.chase_ns)
    if price >= limit:
        state.want_books()
        return
    state.exit_tries += 1
    if state.exit_tries == 1:
        state.say(
            Severity.ALARM,
            "stop_jumped",
            f"{state.symbol}: the price jumped over the stop's limit; re-pricing it to cross",
        )
    if stop.modifications >= state.rules.modifications_max or state.exit_tries > state.rules.exit_tries_max:
        state.leave(ExitReason.STOP)
        return
    crossing = crossing_limit(state.newest, stop.side, state.rules.exit_limit_pct, state.setup.tick_size)
    calls.modify(state, stop, Terms(stop.filled + state.exposure, crossing, stop.terms.trigger))


def consider(state: SymbolState, price: Paise, now_ns: int) -> None:
    """A print has come: has it reached the target or the stop?"""
    if state.exposure <= 0:
        return
    reached = state.orient(price)
    if state.target_level is not None and reached >= state.target_level:
        state.leave(ExitReason.TARGET)
    level = watched_level(state)
    if level is not None and reached <= level:
        state.touched_ns = now_ns
        if not state.account.is_stream_up:
            state.want_books()


def watched_level(state: SymbolState) -> int | None:
    """The oriented price that sets off the stop of what is held: as the broker has it, else as we want it."""
    if state.touched_ns is not None:
        return None
    if state.stop is not None:
        return state.orient(state.stop.terms.trigger)
    return state.stop_level


def trail(state: SymbolState, guards: Guards, bar: Bar) -> None:
    """A bar has closed: may the stop rise?"""
    if not state.position.entered or state.stop_level is None or state.leaving is not None:
        return
    if bar.end_ns <= state.position.entry_ns:
        return
    is_entry_bar = bar.start_ns <= state.position.entry_ns
    wished = state.strategy.trailed_stop(bar, is_entry_bar=is_entry_bar)
    if wished is not None and guards.may_raise(state.stop_level, wished):
        state.stop_level = wished


def ended(state: SymbolState, order: Order, now_ns: int) -> None:
    """The stop has left its slot for good: filled, refused, or taken away."""
    if state.exposure <= 0 or order.state is OrderState.FILLED or order.cancels:
        return
    match order.state:
        case OrderState.REJECTED:
            _rejected(state, now_ns)
        case OrderState.ABSENT:
            state.say(Severity.ALARM, "stop_absent", f"{state.symbol}: stop {order.key} never arrived")
        case _:
            state.stops_gone += 1
            again = state.stops_gone == 1 and now_ns < state.exit_ns
            state.say(
                Severity.ALARM,
                "stop_gone",
                f"{state.symbol}: stop {order.order_id} was {order.state.value} by other hands;"
                f" {'placing it again' if again else 'NOT placing it again'}",
            )


def _rejected(state: SymbolState, now_ns: int) -> None:
    state.stop_rejections += 1
    state.say(Severity.ALARM, "stop_rejected", f"{state.symbol}: protective stop rejected")
    if state.stop_rejections >= state.rules.stop_rejections_max:
        state.leave(ExitReason.RISK)
    elif state.stop_rejections > 1:
        state.stop_retry_ns = now_ns + state.rules.chase_ns


def modify_refused(state: SymbolState, order: Order, refused: Terms) -> None:
    """The old stop stands.

    A trailing raise waits for the next bar, unless one has wished for more meanwhile; a missing quantity, or
    a stop below the initial one, is urgent.
    """
    standing = state.orient(order.terms.trigger)
    is_below_initial = state.initial_level is not None and standing < state.initial_level
    is_last_repair = order.restore is not None and order.repairs > 0
    order.restore = None
    if state.touched_ns is not None and refused.trigger == order.terms.trigger:
        state.leave(ExitReason.STOP)
    elif is_last_repair:
        order.repairs += 1
        state.freeze(
            f"the broker keeps other terms for {order.key} than were sent, and will not have it mended"
        )
    elif is_below_initial or order.terms.quantity - order.filled < state.exposure:
        state.stop_refusals += 1
        if state.stop_refusals >= state.rules.stop_rejections_max:
            state.leave(ExitReason.RISK)
    elif state.leaving is None and state.stop_level == state.orient(refused.trigger):
        state.stop_level = standing


def measure(state: SymbolState, now_ns: int) -> None:
    """Keep the time for which shares were held without a confirmed stop for all of them."""
    stop = state.stop
    covered = 0
    if stop is not None and stop.state in _CONFIRMED and not state.account.is_mode_foreign:
        covered = stop.remaining
    if state.exposure > covered:
        if state.unprotected_since_ns is None:
            state.unprotected_since_ns = now_ns
        due_ns = state.unprotected_since_ns + state.rules.unprotected_max_ns
        if now_ns < due_ns:
            state.wake(due_ns)
        elif not state.has_alarmed_unprotected:
            state.has_alarmed_unprotected = True
            state.say(
                Severity.ALARM,
                "unprotected",
                f"{state.symbol}: {state.exposure - covered} shares without a confirmed stop"
                f" for {(now_ns - state.unprotected_since_ns) / 1e9:.1f} s",
            )
    elif state.unprotected_since_ns is not None:
        state.unprotected_ns += now_ns - state.unprotected_since_ns
        state.unprotected_since_ns = None
        state.has_alarmed_unprotected = False
