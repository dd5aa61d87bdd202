"""The three things that can be asked of a broker, each marked in flight in the same step that asks for it.

This adjacency is the first of the two walls against races: whatever event comes next already sees the
mark. (The second is the desk's lock.)
"""

from typing import assert_never

from olaf_async.core.state import SymbolState
from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder, Severity
from olaf_async.domain.order import Order, OrderState, PriceType, Role, Side, Signal, Terms

_CANCELLABLE = (OrderState.WORKING, OrderState.MODIFYING, OrderState.MODIFY_UNDECIDED)


def place(state: SymbolState, role: Role, side: Side, price_type: PriceType, terms: Terms) -> Order:
    """Put a new order into its slot and ask for it to be sent."""
    order = Order(state.new_key(role), state.symbol, role, side, price_type, terms)
    match role:
        case Role.ENTRY:
            displaced, state.entry = state.entry, order
        case Role.STOP:
            displaced, state.stop = state.stop, order
        case Role.EXIT:
            displaced, state.exit = state.exit, order
        case _:
            assert_never(role)
    if displaced is not None:
        # The guards never let this happen. Should one fail, what may still fill is not forgotten.
        state.phantoms.append(displaced)
    state.touch()
    request = state.account.next_request()
    state.account.out.append(PlaceOrder(state.symbol, request, order.key, role, side, price_type, terms))
    return order


def modify(state: SymbolState, order: Order, terms: Terms) -> None:
    """Ask for new terms of a working order; at most one such question is open per order."""
    assert order.order_id is not None, "a working order has an id"
    order.apply(Signal.MODIFY_SENT)
    order.pending = terms
    order.modifications += 1
    order.modify_request = state.account.next_request()
    state.touch()
    state.account.out.append(
        ModifyOrder(
            state.symbol,
            order.modify_request,
            order.key,
            order.role,
            order.side,
            order.price_type,
            terms,
            order.order_id,
        )
    )


def cancel(state: SymbolState, order: Order, now_ns: int) -> None:
    """Ask for a cancel where that can be asked now: a known, working order, not just refused."""
    if order.state not in _CANCELLABLE:
        return
    assert order.order_id is not None, "a working order has an id"
    if now_ns < order.next_cancel_ns:
        state.wake(order.next_cancel_ns)
        return
    order.apply(Signal.CANCEL_SENT)
    order.cancels += 1
    order.next_cancel_ns = now_ns + state.rules.chase_ns
    state.touch()
    if order.cancels % state.rules.exit_tries_max == 0:
        text = f"{state.symbol}: {order.key} still works, after {order.cancels} times of taking it back"
        state.say(Severity.ALARM, "cancel_stuck", f"{text}; {state.held} shares are held")
    request = state.account.next_request()
    state.account.out.append(CancelOrder(state.symbol, request, order.key, order.role, order.order_id))
