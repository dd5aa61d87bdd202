"""What must hold in every situation of the model, and where a calm must end: the broker's truth judges.

Owns the promises and their few excuses. A text says which promise was broken; None says that all is well.
"""

from olaf_async.domain.intents import PlaceOrder
from olaf_async.domain.order import OrderState, Role
from olaf_async.sim.model import Situation
from olaf_async.sim.small_broker import Held


def broken(now: Situation) -> str | None:
    """The promise that does not hold now, or None."""
    return now.offence or _of_truth(now) or _of_belief(now)


def offence_of(now: Situation, entry: PlaceOrder) -> str | None:
    """Why an entry must not leave now, or None."""
    state = now.state
    if now.shown:
        return f"{entry.key} leaves although the account was shown to hold {now.shown}"
    if state.held + state.foreign_net:
        return f"{entry.key} leaves although the stream has told of shares that the account holds"
    if state.frozen or state.is_done or state.account.refuses_new_risk():
        return f"{entry.key} leaves although nothing may be risked"
    if now.broker.net(is_ours=True) and not may_double(now):
        return f"{entry.key} leaves while shares are held"
    return None


def _of_truth(now: Situation) -> str | None:
    """What stands and is held at the broker."""
    state, broker = now.state, now.broker
    if may_double(now):
        return None
    ours = broker.ours
    entries = [held for held in ours if held.role is Role.ENTRY]
    standing = sum(held.is_working for held in entries)
    if standing > 1:
        return "two entries stand at the broker"
    if sum(held.filled > 0 for held in entries) > now.scope.rules.max_attempts:
        return "more entries have filled than there are attempts"
    held = state.orient(broker.net(is_ours=True))
    if standing and sum(one.filled for one in entries if one.is_working) < held:
        return "an entry stands while shares of another are held"
    return _of_shares(now, held)


def _of_shares(now: Situation, held: int) -> str | None:
    state, broker = now.state, now.broker
    strange = min(broker.foreign(state.entry_side), state.planned)
    if held > state.planned:
        return f"{held} shares are held, {state.planned} were planned"
    if held < -strange:
        return f"{-held} shares were sold that were not held"
    closing = sum(one.remaining for one in broker.ours if one.side is not state.entry_side)
    if closing > max(0, held) + strange:
        return f"{closing} shares are for sale, {held} are held"
    return None


def may_double(now: Situation) -> bool:
    """Whether the core has knowingly let an exit go beside a stop that may still appear."""
    state = now.state
    return any(order.doubtful_reads > 1 for order in (*state.phantoms, *state.retired))


def _of_belief(now: Situation) -> str | None:
    """What the core does about what it knows, in the very step it learns it."""
    state = now.state
    if state.frozen is not None and not _is_justly_frozen(now):
        return f"frozen: {state.frozen}"
    if state.exposure <= 0 or state.leaving is not None:
        return None
    if now.trader.guard.due_ns <= now.now_ns or state.touched_ns is not None:
        # It is about to look again, or follows the price already.
        return None
    stop = state.stop
    if stop is None:
        is_to_come = now.now_ns < state.stop_retry_ns or state.stops_gone
        return None if is_to_come else f"{state.exposure} shares are held and no stop is asked for"
    is_short = stop.state is OrderState.WORKING and stop.remaining < state.exposure
    if is_short and now.now_ns >= stop.next_modify_ns and stop.repairs < 2:
        return f"{state.exposure} shares are held and the stop is for {stop.remaining}"
    return None


def _is_justly_frozen(now: Situation) -> bool:
    """A contradiction may only be seen where another hand, or a person, has made one."""
    return now.hands < now.scope.hands


def not_right(now: Situation) -> str | None:
    """What would be wrong if nothing more happened: with belief, with protection, with the end of the day."""
    return _belief_is_not_truth(now) or _not_protected(now) or (_not_over(now) if now.is_late else None)


def _belief_is_not_truth(now: Situation) -> str | None:
    state, broker = now.state, now.broker
    known = {order.order_id: order for order in state.orders if order.order_id is not None}
    for held in broker.ours:
        order = known.get(held.order_id)
        if order is None:
            return f"order {held.order_id} is not known"
        is_same = order.is_outstanding == held.is_working and order.filled == held.filled
        if held.is_working:
            is_same &= order.terms == held.terms and order.state is OrderState.WORKING
        if not is_same:
            return f"{order.key} is believed {_words(order.state.value, order.filled)}, it is {_of(held)}"
    taken = broker.foreign(state.entry_side.other)
    true = state.orient(broker.net(is_ours=True))
    if not 0 <= true - state.held <= taken:
        return f"{state.held} shares are believed held, {true} are"
    if state.account_net != broker.net(is_ours=False):
        return f"the account is believed to hold {state.account_net}, it holds {broker.net(is_ours=False)}"
    if not (state.is_quiet or state.entry is not None):
        return "a question is still open"
    return None


def _words(state: str, filled: int) -> str:
    return f"{state} with {filled} filled"


def _of(held: Held) -> str:
    return _words(held.status.value, held.filled)


def _not_protected(now: Situation) -> str | None:
    """What is held has a stop for all of it, or a person has been called."""
    state = now.state
    is_called = state.frozen is not None or state.stops_gone > 1 or state.has_alarmed_unprotected
    covered = sum(held.remaining for held in now.broker.ours if held.side is not state.entry_side)
    if state.exposure > covered and not is_called:
        return f"{state.exposure} shares are held, {covered} protected, and nobody was called"
    return None


def _not_over(now: Situation) -> str | None:
    """After the deadline nothing of ours works, and nothing of ours is left that the account still holds."""
    state, broker = now.state, now.broker
    if any(held.is_working for held in broker.ours):
        return "an order still works after the day"
    ours = state.orient(broker.net(is_ours=True)) - broker.foreign(state.entry_side.other)
    left = min(ours, state.orient(broker.net(is_ours=False)))
    return f"{left} shares are left after the day" if left > 0 else None
