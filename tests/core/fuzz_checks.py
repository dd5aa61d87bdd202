"""What must hold while the core is tried, and in the calm afterwards: the broker's truth judges, not belief.

Owns the promises and the few excuses for breaking them, each of which needs the broker to have done, or the
core to have said, something in particular.
"""

from dataclasses import dataclass, field

from olaf_async.core.rules import Rules
from olaf_async.core.state import SymbolState
from olaf_async.domain.intents import ModifyOrder, OrderIntent, PlaceOrder, Say
from olaf_async.domain.order import OrderState, Role, Side
from olaf_async.domain.setup import Direction
from tests.core.fuzz_broker import Broker

CALLS = frozenset({"stop_gone", "unprotected", "exit_stuck", "frozen"})
"""What calls a person to a position that has no stop."""


class Wrong(AssertionError):
    """The core broke a promise."""


@dataclass(slots=True)
class Watched:
    """One symbol, and what excuses it: what has been said of it, and what the broker did to it.

    ``is_haunted``: a request took effect after the settle time. ``is_changed_late``: a change took effect
    after it had been given up. ``queued``: the roles of orders that the server kept for a person.
    ``is_to_be_flat``: a person ordered it closed. ``shown``: the account's shares in the newest read that
    fits together.
    """

    name: str
    direction: Direction
    planned: int
    codes: set[str] = field(default_factory=set)
    is_haunted: bool = False
    is_changed_late: bool = False
    queued: set[Role] = field(default_factory=set)
    is_to_be_flat: bool = False
    shown: int = 0

    @property
    def may_double(self) -> bool:
        """Two orders may truly stand: the core has knowingly let an exit go beside a stop that may still
        appear, or what it had concluded absent did appear."""
        return self.is_haunted or "stop_phantom" in self.codes

    def strange(self, broker: Broker) -> int:
        """Shares that somebody else took on our side; they may look like those of an unanswered entry."""
        side = Side.BUY if self.direction is Direction.LONG else Side.SELL
        return min(broker.foreign(self.name, side), self.planned)

    def taken(self, broker: Broker) -> int:
        """Shares that somebody else traded against us."""
        side = Side.SELL if self.direction is Direction.LONG else Side.BUY
        return broker.foreign(self.name, side)


def of_say(say: Say, broker: Broker, symbol: Watched) -> None:
    """A freeze, or an alarm about terms, must be about something that the broker did."""
    if say.code == "terms_differ" and not _was_unfaithful(broker, symbol):
        raise Wrong(say.text)
    if say.code == "frozen" and not _is_justly_accused(say.text, broker, symbol):
        raise Wrong(say.text)


def _is_justly_accused(text: str, broker: Broker, symbol: Watched) -> bool:
    """Whether a freeze says what the broker did. Any other is a contradiction of the core's own."""
    if "where our fills add up to" in text:
        return bool(symbol.taken(broker) or symbol.strange(broker))
    if "the broker keeps other terms" in text:
        return _was_unfaithful(broker, symbol)
    is_of_two = "is at the broker twice" in text or "after it had been seen" in text
    return is_of_two and symbol.is_haunted


def _was_unfaithful(broker: Broker, symbol: Watched) -> bool:
    """Whether an order of ours did not get the terms that were asked for, or got them after their time."""
    if symbol.is_haunted or symbol.is_changed_late:
        return True
    return any(not held.is_as_asked for held in broker.ours(symbol.name))


def of_truth(broker: Broker, symbol: Watched, rules: Rules) -> None:
    """What stands and is held at the broker, after every single happening."""
    if symbol.may_double:
        return
    ours = broker.ours(symbol.name)
    entries = [one for one in ours if one.role is Role.ENTRY]
    if sum(one.is_working for one in entries) > 1:
        raise Wrong(f"two entries stand: {[one for one in entries if one.is_working]}")
    if sum(one.filled > 0 for one in entries) > rules.max_attempts:
        raise Wrong(f"too many entries have filled: {entries}")
    held = broker.net(symbol.name, is_ours=True) * symbol.direction
    strange = symbol.strange(broker)
    if not -strange <= held <= symbol.planned:
        raise Wrong(f"{held} shares held, {symbol.planned} planned")
    closing = sum(one.remaining for one in ours if one.side.sign * symbol.direction < 0)
    if closing > max(0, held) + strange:
        raise Wrong(f"{closing} shares for sale, {held} held")


def of_send(intent: OrderIntent, state: SymbolState, broker: Broker, symbol: Watched) -> None:
    """What leaves the desk."""
    match intent:
        case ModifyOrder(role=Role.STOP) if state.stop is not None and state.stop.key == intent.key:
            standing = state.stop
            is_lower = state.orient(intent.terms.trigger) < state.orient(standing.terms.trigger)
            if is_lower and standing.restore is None:
                raise Wrong(f"a stop is lowered: {standing.terms} to {intent.terms}")
        case PlaceOrder(role=Role.ENTRY):
            if symbol.shown:
                raise Wrong(f"an entry leaves although the account was shown to hold {symbol.shown}")
            if state.frozen or state.is_done or state.account.refuses_new_risk():
                raise Wrong(f"an entry leaves although nothing may be risked: {intent}")
            if broker.net(symbol.name, is_ours=True) and not symbol.may_double:
                raise Wrong(f"an entry leaves while shares are held: {intent}")


def of_belief(state: SymbolState, broker: Broker, symbol: Watched) -> None:
    """In the calm, what the core believes of each order and of the position is what the broker has.

    Of two alike orders, one after its time, the one may have been taken for the other: a person was called.
    """
    if symbol.is_haunted and state.frozen:
        return
    known = {order.order_id: order for order in state.orders if order.order_id is not None}
    for held in broker.ours(symbol.name):
        order = known.get(held.order_id)
        if order is None:
            raise Wrong(f"{held} is not known")
        is_same = order.is_outstanding == held.is_working and order.filled == held.filled
        if held.is_working:
            is_same &= order.terms == held.terms and order.state is OrderState.WORKING
        if not is_same:
            raise Wrong(f"{order} is believed, {held} is true")
    true = broker.net(symbol.name, is_ours=True) * symbol.direction
    if not 0 <= true - state.held <= symbol.taken(broker):
        raise Wrong(f"{state.held} shares are believed held, {true} are, {symbol.taken(broker)} were taken")
    if state.account_net != broker.net(symbol.name, is_ours=False):
        raise Wrong(f"the account is believed to hold {state.account_net}")


def of_protection(state: SymbolState, broker: Broker, symbol: Watched) -> None:
    """In the calm, what is held has a stop for all of it or a person has been called, and what a person
    ordered has been done."""
    ours = [held for held in broker.ours(symbol.name) if held.is_working]
    covered = sum(held.remaining for held in ours if held.side is state.entry_side.other)
    may_enter = state.account.refuses_new_risk() is None
    if not may_enter and any(held.role is Role.ENTRY for held in ours):
        raise Wrong("an entry still works although nothing may be risked")
    if symbol.codes & CALLS:
        return
    if symbol.is_to_be_flat and max(covered, state.exposure) > 0:
        raise Wrong(f"{state.exposure} shares held, {covered} for sale, and it was to be closed")
    if state.exposure > covered:
        raise Wrong(f"{state.exposure} shares held, {covered} protected, and nobody was called")


def of_the_end(state: SymbolState, broker: Broker, symbol: Watched) -> None:
    """After the exit nothing of ours works, and nothing of ours is left that the account still holds."""
    working = [held for held in broker.ours(symbol.name) if held.is_working]
    if working:
        raise Wrong(f"still working after the day: {working}")
    ours = broker.net(symbol.name, is_ours=True) * symbol.direction - symbol.taken(broker)
    left = min(ours, broker.net(symbol.name, is_ours=False) * symbol.direction)
    if left > 0 and Role.EXIT not in symbol.queued:
        raise Wrong(f"{left} shares left after the day, {state.held} believed")
    if not state.is_quiet and not symbol.queued:
        raise Wrong(f"questions are still open after the day: {state.slots} {state.phantoms}")
