"""What must be true after every event, checked in production too. A broken one freezes its symbol.

I1  An exit order never stands beside an entry or a stop.
I2  A closing order is asked for only for shares that are held (or seen in the account), never more.
I3  Every price asked for is a positive multiple of the tick.
I4  A stop never lies below the trade's initial stop.
I5  An entry is asked for only while nothing is held and no other order stands.
I6  An entry is asked for only while fewer have filled today than are allowed.
"""

from collections.abc import Callable
from typing import TypeAlias

from olaf_async.core.state import SymbolState
from olaf_async.domain.intents import ModifyOrder, PlaceOrder
from olaf_async.domain.order import Role
from olaf_async.errors import InvariantBroken

Check: TypeAlias = Callable[[SymbolState], None]


def check(state: SymbolState) -> None:
    """Raise InvariantBroken, naming the invariant, where the state contradicts itself."""
    if state.exit is not None:
        _require(state.entry is None and state.stop is None, state, "I1: an exit beside an entry or a stop")
    if state.initial_level is not None and state.stop_level is not None:
        _require(state.stop_level >= state.initial_level, state, "I4: the stop lies below the initial stop")
    for intent in state.account.out:
        if isinstance(intent, PlaceOrder | ModifyOrder) and intent.symbol == state.symbol:
            _check_intent(state, intent)


def _check_intent(state: SymbolState, intent: PlaceOrder | ModifyOrder) -> None:
    tick = state.setup.tick_size
    terms = intent.terms
    is_on_tick = (
        terms.price > 0 and terms.price % tick == 0 and terms.trigger >= 0 and terms.trigger % tick == 0
    )
    _require(is_on_tick, state, f"I3: {terms} is off the tick of {tick} paise")
    if intent.role is Role.ENTRY:
        is_alone = state.held == 0 and state.stop is None and state.exit is None
        _require(is_alone, state, "I5: an entry while something is held or stands")
        is_within = state.attempts < state.rules.max_attempts
        _require(is_within, state, f"I6: an entry after {state.attempts} that have filled")
        return
    order = state.stop if intent.role is Role.STOP else state.exit
    already = order.filled if order is not None else 0
    allowed = state.exposure if intent.side is state.entry_side.other else -state.held
    _require(
        terms.quantity - already <= allowed, state, f"I2: {terms.quantity - already} to close of {allowed}"
    )


def _require(holds: object, state: SymbolState, what: str) -> None:
    if not holds:
        raise InvariantBroken(f"{state.symbol}: {what}")
