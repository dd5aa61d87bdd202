"""Getting in: the trigger, the resting entry stop, its retries, and taking it back."""

from olaf_async.core import calls
from olaf_async.core.guards import Guards
from olaf_async.core.limits import stop_limit, stop_limit_by_ticks
from olaf_async.core.state import SymbolState
from olaf_async.domain.intents import Severity
from olaf_async.domain.order import Order, OrderState, PriceType, Role, Terms
from olaf_async.domain.price import Paise, to_text
from olaf_async.strategies.protocol import stop_at_entry


def consider(state: SymbolState, guards: Guards, price: Paise, now_ns: int) -> None:
    """A print has come: is it the undercut that arms the entry? A trigger that a guard denies lapses."""
    _notice_touch(state, price)
    if state.armed_ns is not None or state.is_done:
        return
    arming = state.strategy.arming(after_exit=state.is_after_exit)
    if not arming.from_ns <= now_ns < arming.until_ns or state.orient(price) > arming.level:
        return
    denied_by = guards.denies_entry(state, now_ns)
    if denied_by is not None:
        _note_denial(state, denied_by)
        return
    state.triggers += 1
    state.armed_ns = now_ns
    # An exit re-arms once; should this entry lapse, only a new undercut arms another.
    state.is_after_exit = False
    state.rejections = 0
    # A broker that has just refused is not asked again at the rate of prints.
    state.entry_retry_ns = max(now_ns, state.entry_retry_ns)
    state.last_denial = ""


def _notice_touch(state: SymbolState, price: Paise) -> None:
    """Without a stream nobody tells of a fill: a print at the resting entry's trigger asks the books."""
    is_watched = state.entry is not None and not state.account.is_stream_up
    if is_watched and state.orient(price) >= state.strategy.entry:
        state.is_entry_at_work = True
        state.want_books()


def _note_denial(state: SymbolState, guard: str) -> None:
    if guard in (state.last_denial, "has_no_entry_outstanding", "is_flat_by_belief"):
        return
    state.last_denial = guard
    why: str | None = guard
    if guard == "does_account_allow":
        why = state.account.refuses_position(state.symbol)
    elif guard == "can_be_protected":
        why = f"its stop would lie at {to_text(stop_at_entry(state.strategy))}, below one tick"
    state.say(Severity.NOTE, "trigger_denied", f"{state.symbol}: undercut not acted on: {why}")


def pursue(state: SymbolState, guards: Guards, now_ns: int) -> None:
    """Bring the entry slot to what is wanted now: a resting order, none, or one on its way out."""
    if state.entry is not None and is_unwanted(state, state.entry, now_ns):
        calls.cancel(state, state.entry, now_ns)
    if state.armed_ns is None:
        return
    lapses_ns = state.armed_ns + state.rules.order_timeout_ns
    if now_ns >= lapses_ns:
        if state.entry is None:
            disarm(state)
        return
    state.wake(lapses_ns)
    if now_ns < state.entry_retry_ns:
        state.wake(state.entry_retry_ns)
        return
    denied_by = guards.denies_entry(state, now_ns)
    if denied_by is None:
        place(state)
    elif denied_by != "has_no_entry_outstanding":
        _note_denial(state, denied_by)
        disarm(state)


def place(state: SymbolState) -> None:
    """Rest a stop-limit at the setup's level."""
    trigger = state.orient(state.strategy.entry)
    tick = state.setup.tick_size
    rules = state.rules
    if rules.entry_limit_ticks is not None:
        limit = stop_limit_by_ticks(trigger, state.entry_side, rules.entry_limit_ticks, tick)
    else:
        limit = stop_limit(trigger, state.entry_side, rules.entry_limit_pct, tick)
    calls.place(state, Role.ENTRY, state.entry_side, PriceType.SL, Terms(state.planned, limit, trigger))


def sent(state: SymbolState, now_ns: int) -> None:
    """The entry is leaving: a trigger's time runs from its first send, retries do not renew it."""
    if not state.rejections:
        state.armed_ns = now_ns


def is_unwanted(state: SymbolState, entry: Order, now_ns: int) -> bool:
    """Whether the outstanding entry should be cancelled, or not be sent at all."""
    position = state.position
    if state.frozen is not None or position.left or position.taken:
        return True
    if state.armed_ns is None or now_ns >= state.armed_ns + state.rules.order_timeout_ns:
        return True
    if position.entered > entry.filled:
        # An earlier entry has filled after its end.
        return True
    if state.stop is not None and state.stop.modifications >= _modifications_free(state):
        return True
    return bool(entry.repairs) or state.account.refuses_new_risk() is not None


def _modifications_free(state: SymbolState) -> int:
    return state.rules.modifications_max - state.rules.modifications_reserve


def disarm(state: SymbolState) -> None:
    """The trigger has lapsed; a new undercut is needed."""
    state.armed_ns = None


def ended(state: SymbolState, order: Order, now_ns: int) -> None:
    """The entry has left its slot for good."""
    if order.state is OrderState.ABSENT:
        state.is_done = True
        state.say(
            Severity.WARNING,
            "entry_absent",
            f"{state.symbol}: entry {order.key} never reached the broker's books;"
            " the symbol is done for today, and should the order appear it will be cancelled",
        )
    if order.state is OrderState.REJECTED and not order.filled:
        _count_refusal(state)
    if order.state is OrderState.REJECTED and not order.filled and state.armed_ns is not None:
        state.rejections += 1
        state.entry_retry_ns = now_ns + state.rules.retry_ns
        if state.rejections < state.rules.max_order_retries:
            return
        state.say(
            Severity.WARNING,
            "entry_given_up",
            f"{state.symbol}: entry rejected {state.rejections} times, the trigger lapses",
        )
    disarm(state)


def _count_refusal(state: SymbolState) -> None:
    """A broker that refuses every entry is not asked all day."""
    state.refusals += 1
    if state.refusals < state.rules.max_order_retries * state.rules.max_attempts or state.is_done:
        return
    state.is_done = True
    state.say(
        Severity.WARNING,
        "entries_refused",
        f"{state.symbol}: {state.refusals} entries were refused today; the symbol is done for today",
    )
