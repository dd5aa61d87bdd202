"""A run whose clock is behind that of the run before, as after a correction between the two.

Owns what then becomes of the times that the earlier run has left: none of them may hold this one back until
its clock has come to it, since shares may wait for a stop that long. Where the clock has gone on, nothing
changes. It must never bring a time forward that is past already.
"""

from olaf_async.core.account import Account
from olaf_async.core.state import SymbolState
from olaf_async.domain.order import Order


def believe_account(account: Account, now_ns: int) -> None:
    """What has been counted by the other clock counts as of now."""
    for index, at_ns in enumerate(account.sends):
        account.sends[index] = min(at_ns, now_ns)
    account.urgent_until_ns = min(account.urgent_until_ns, now_ns)
    account.marked_ns = min(account.marked_ns, now_ns)


def believe_symbol(state: SymbolState, now_ns: int) -> None:
    """What was put off is put off for its pace at most; what was seen, was seen no later than now."""
    soon_ns, later_ns = now_ns + state.rules.chase_ns, now_ns + state.rules.retry_ns
    state.stop_retry_ns = min(state.stop_retry_ns, soon_ns)
    state.entry_retry_ns = min(state.entry_retry_ns, later_ns)
    state.exit_retry_ns = min(state.exit_retry_ns, later_ns)
    state.shortfall_ns = min(state.shortfall_ns, now_ns)
    state.touched_ns = _seen(state.touched_ns, now_ns)
    state.reached_ns = _seen(state.reached_ns, now_ns)
    state.armed_ns = _seen(state.armed_ns, now_ns)
    state.unprotected_since_ns = _seen(state.unprotected_since_ns, now_ns)
    for order in (*state.slots, *state.phantoms):
        _order(order, soon_ns, now_ns)


def _order(order: Order, soon_ns: int, now_ns: int) -> None:
    order.next_modify_ns = min(order.next_modify_ns, soon_ns)
    order.next_cancel_ns = min(order.next_cancel_ns, soon_ns)
    order.changed_ns = min(order.changed_ns, now_ns)
    order.doubted_ns = min(order.doubted_ns, now_ns)
    order.evidence_ns = min(order.evidence_ns, now_ns)
    order.modify_sent_ns = min(order.modify_sent_ns, now_ns)
    order.sent_ns = _seen(order.sent_ns, now_ns)


def _seen(at_ns: int | None, now_ns: int) -> int | None:
    return None if at_ns is None else min(at_ns, now_ns)
