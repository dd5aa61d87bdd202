"""What must hold whatever goes wrong, judged by the exchange's truth and not by the engine's belief.

Owns the promises and their names, and the few excuses for breaking one; each of these needs the engine to
have called a person, or another hand to have done something. Must never look at the engine but where a
promise is about its belief (E1, E4, I5, I6).

Always, after every change at the exchange and at every send:
    I1  at most one entry is outstanding per symbol, and none while shares are held
    I2  never more held than planned, never the other side; never more for sale than is held
    I3  whatever is sent was journalled before
    I4  no entry is sent while an order of the symbol is unexplained, or after new risk was forbidden;
        never a second stop or exit beside one that may still stand
    I5  the engine never contradicts itself: it freezes only over what the server did, and nothing crashes
    I6  the journal, executed again, gives the same belief
    I7  never more order calls in a second than the limit
    I8  an order update is taken in in the instant in which it comes
    I9  no entry on a feed that has been silent for longer than the limit
Of a strategy that a person has brought (`sim/yours.py`): Y1, Y2.
Eventually, once nothing goes wrong any more:
    E1  belief equals truth
    E2  shares without a stop for longer than `PATIENCE_NS`: a person has been called
    E3  a stop that was reached and did not close the position by then: a person has been called
    E4  no question stays open
    E5  what was ordered flat is flat, and after the deadline everything is
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from olaf_async.adapters.paper.orders import Change, OrderStatus, What
from olaf_async.core.engine import Engine
from olaf_async.core.rules import NEVER_NS, Rules
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import Command, Commanded
from olaf_async.domain.intents import CancelOrder, ModifyOrder, OrderIntent, PlaceOrder, Say, Severity
from olaf_async.domain.order import OrderState, Role, Side
from olaf_async.domain.setup import Setup
from olaf_async.ports.feed import Tick
from olaf_async.ports.journal import Entry, Record
from olaf_async.sim.faults import SECOND_NS
from olaf_async.sim.server import Server
from olaf_async.sim.truth import Standing, Truth

PROMISES: Final = MappingProxyType(
    {
        "I1": "one entry at a time, and none while shares are held",
        "I2": "never more held than planned, never more for sale than held",
        "I3": "whatever is sent was journalled before",
        "I4": "nothing is sent beside what is unexplained, and no new risk where it is forbidden",
        "I5": "the engine never contradicts itself, and nothing of it crashes",
        "I6": "the journal, executed again, gives the same belief",
        "I7": "never more order calls in a second than the limit",
        "I8": "an order update is taken in at once",
        "I9": "no entry on a silent feed",
        "Y1": "a strategy, asked the same again, answers the same",
        "Y2": "a strategy's prices are orders that a broker takes",
        "E1": "belief becomes truth",
        "E2": "shares without a stop call a person",
        "E3": "a stop that was reached closes the position, or calls a person",
        "E4": "no question stays open",
        "E5": "what is to be flat becomes flat",
    }
)
"""In a few words, for a person."""

PATIENCE_NS: Final = 30 * SECOND_NS
NEWS_NS: Final = 12 * SECOND_NS
"""By when the engine has heard of what happened, or read of it, on a day on which it can be told at all."""
_FOREIGN: Final = ("where our fills add up to", "looks like our entry")
_LAST: Final = frozenset({"queued", "mode_changed"})
"""After these there is no new risk on that day, whatever a person orders."""
_CRASHES: Final = frozenset({"task_died", "pump_died", "backlog", "cancel_failed"})


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken."""

    promise: str
    at_ns: int
    symbol: str | None
    text: str


class Checkers:
    """Looks on. ``violations`` are in the order in which they were seen; a promise counts once per symbol."""

    def __init__(self, server: Server, setups: Mapping[str, Setup], rules: Rules) -> None:
        self.violations: list[Violation] = []
        self.now_ns = 0
        self.started_ns = 0
        self.forbidden_ns: int | None = None
        self._ended_ns: int | None = None
        self._heard: dict[str, Tick] = {}
        self._journalled: set[int] = set()
        self._unkept: set[int] = set()
        self._failing_ns: int | None = None
        self.handled = 0
        self._server = server
        self._rules = rules
        self._are_fewer_allowed = False
        self._seen = 0
        self._told_ns, self._told = 0, 0
        self._exits_since: dict[str, int] = {}
        self._sends: deque[int] = deque()
        self._blind_ns: int | None = None
        self._seeing_ns = 0
        self.truths = {
            symbol: Truth(setup, setup.quantity or rules.quantity) for symbol, setup in setups.items()
        }

    def hold_to(self, rules: Rules) -> None:
        """From now on these limits hold; an entry of before may still fill as it was sent."""
        self._are_fewer_allowed |= rules.max_attempts < self._rules.max_attempts
        self._rules = rules
        for truth in self.truths.values():
            truth.planned = max(truth.planned, truth.setup.quantity or rules.quantity)

    def broken(self, promise: str, symbol: str | None, text: str) -> None:
        """Take down that a promise was broken."""
        if symbol is not None and symbol in self.truths and self.truths[symbol].is_unrecorded:
            return
        if all((one.promise, one.symbol) != (promise, symbol) for one in self.violations):
            self.violations.append(Violation(promise, self.now_ns, symbol, text))

    # --- what happens at the exchange -------------------------------------------------------------

    def changed(self) -> None:
        """Take in what is new at the exchange, and hold it against what was promised."""
        history = self._server.exchange.history
        while self._seen < len(history):
            change = history[self._seen]
            self._seen += 1
            record = self._server.exchange.record(change.order_id)
            truth = self.truths.get(record.symbol)
            if truth is not None:
                self._take(truth, change, record.side)

    def _take(self, truth: Truth, change: Change, side: Side) -> None:
        truth.changed_ns = self.now_ns
        intent = self._server.ours.get(change.order_id)
        sign = side.sign * truth.setup.direction
        if intent is None:
            added = change.filled - truth.foreign.get(change.order_id, 0)
            truth.foreign[change.order_id] = change.filled
            truth.by_others(sign * added)
            return
        order = truth.orders.get(change.order_id)
        if order is None:
            order = Standing(change.order_id, intent.role, sign, change.quantity, 0, change.trigger)
            truth.orders[change.order_id] = order
            self._arrived(truth, order)
        added = change.filled - order.filled
        if added and not truth.held:
            truth.opened_ns = self.now_ns
        truth.held += sign * added
        truth.net += sign * added
        order.filled, order.trigger = change.filled, change.trigger
        order.is_working = change.status in (OrderStatus.OPEN, OrderStatus.TRIGGER_PENDING)
        order.left = change.quantity - change.filled if order.is_working else 0
        if order.role is Role.STOP and change.what in (What.PLACED, What.MODIFIED):
            truth.stop = change.trigger * truth.setup.direction
        self._hold_against(truth)

    def _arrived(self, truth: Truth, order: Standing) -> None:
        if order.role is not Role.ENTRY or truth.may_double:
            return
        # A stop for shares that look like the unanswered entry's, and are a stranger's, is no order too many.
        others = [one for one in truth.orders.values() if one.is_working and one is not order]
        others = [one for one in others if one.role is not Role.STOP or one.left > truth.strange]
        if others or truth.held:
            what = f"{len(others)} other orders of ours stand, {truth.held} shares are held"
            self.broken("I1", truth.setup.symbol, f"an entry arrives ({order.order_id}) while {what}")

    def _hold_against(self, truth: Truth) -> None:
        if not truth.held:
            truth.stop = None
        if truth.may_double:
            return
        symbol = truth.setup.symbol
        if not -truth.strange <= truth.held <= truth.planned:
            self.broken("I2", symbol, f"{truth.held} shares held, {truth.planned} planned")
        if truth.for_sale > max(0, truth.held) + truth.strange:
            what = f"{truth.for_sale} shares for sale, {truth.held} held"
            self.broken("I2", symbol, f"{what}: were all of them sold, it would hold the other side")

    # --- what leaves the engine -------------------------------------------------------------------

    def sending(self, intent: OrderIntent) -> None:
        """An order call leaves the engine."""
        now_ns, sends = self.now_ns, self._sends
        while sends and sends[0] <= now_ns - SECOND_NS:
            sends.popleft()
        sends.append(now_ns)
        if len(sends) > self._rules.max_orders_per_s:
            self.broken("I7", None, f"{len(sends)} order calls within a second")
        is_entry = isinstance(intent, PlaceOrder | ModifyOrder) and intent.role is Role.ENTRY
        if intent.request not in self._journalled and (is_entry or intent.request not in self._unkept):
            self.broken(
                "I3", intent.symbol, f"{intent.key} is sent and was not journalled: it went around the desk"
            )
        if isinstance(intent, PlaceOrder):
            self._placing(intent, self.truths[intent.symbol])

    def _placing(self, intent: PlaceOrder, truth: Truth) -> None:
        symbol = intent.symbol
        coming = self._server.may_become_orders(symbol)
        standing = [order for order in truth.orders.values() if order.is_working]
        if intent.role is Role.ENTRY:
            if coming or standing:
                what = f"{len(coming)} orders may still arrive, {len(standing)} stand"
                self.broken("I4", symbol, f"{intent.key} is sent while {what}")
            forbidden_ns = self.forbidden_ns if self._ended_ns is None else self._ended_ns
            if forbidden_ns is not None and self.now_ns > forbidden_ns:
                self.broken("I4", symbol, f"{intent.key} is sent although new risk is forbidden")
            silent_ns = self.now_ns - self._heard[symbol].at_ns if symbol in self._heard else NEVER_NS
            if silent_ns >= self._rules.stale_feed_ns:
                self.broken(
                    "I9", symbol, f"{intent.key} is sent on a print {silent_ns / SECOND_NS:.1f} s old"
                )
        elif not truth.may_double:
            alike = [one.key for one in coming if one.role is intent.role]
            alike += [order.order_id for order in standing if order.role is intent.role]
            if alike:
                self.broken("I4", symbol, f"{intent.key} is sent beside {', '.join(alike)}")

    def kept(self, intent: OrderIntent) -> None:
        """It is on disk that this is about to be sent."""
        self._journalled.add(intent.request)
        self._unkept.discard(intent.request)

    def unkept(self, intent: OrderIntent) -> None:
        """The disk could not keep that this is about to be sent, nor now an earlier time."""
        self._unkept.add(intent.request)
        self._journalled.discard(intent.request)

    def journal_failed(self) -> None:
        """A write has failed: a person has to be called about it."""
        if self._failing_ns is None:
            self._failing_ns = self.now_ns

    def forgotten(self, lost: Iterable[Record]) -> None:
        """A process has died with these, which a full disk could not take: nobody can hold it to them."""
        for record in lost:
            match record.body:
                case PlaceOrder(symbol=symbol) | ModifyOrder(symbol=symbol) | CancelOrder(symbol=symbol):
                    self.truths[symbol].is_unrecorded |= record.entry is Entry.SENDING
                case Commanded():
                    self.forbidden_ns = self._ended_ns = None
                    for truth in self.truths.values():
                        truth.must_be_flat = False

    def begun(self) -> None:
        """An engine run begins: patience begins anew with it."""
        self.started_ns = self.now_ns
        self._failing_ns = None
        self.handled = self._told = self._server.told = 0

    def commanded(self, command: Command, symbol: str | None, at_ns: int) -> None:
        """The engine has taken in, and written down, what a person ordered."""
        match command:
            case Command.HALT | Command.KILL if symbol is None:
                self.forbidden_ns = at_ns
            case Command.RESUME if symbol is None:
                self.forbidden_ns = None
        if command in (Command.KILL, Command.FLATTEN):
            for truth in self.truths.values():
                truth.must_be_flat |= symbol in (None, truth.setup.symbol)

    # --- what is said, heard, and what time brings ------------------------------------------------

    def said(self, say: Say) -> None:
        """The engine speaks to a person."""
        code, truth = say.code, self.truths.get(say.symbol or "")
        if code in _CRASHES:
            self.broken("I5", say.symbol, say.text)
        if code in _LAST:
            self._ended_ns = self.now_ns
        elif code in ("journal_failing", "journal_kept"):
            self._failing_ns = NEVER_NS if code == "journal_failing" else None
        elif code == "books_unreadable":
            self._blind_ns = self.now_ns
        elif code == "books_readable":
            self._blind_ns, self._seeing_ns = None, self.now_ns
        if truth is not None:
            truth.codes.add(code)
            if say.severity is Severity.ALARM:
                truth.last_call_ns = self.now_ns
            if code == "frozen":
                self._frozen(truth, say)

    def _frozen(self, truth: Truth, say: Say) -> None:
        """A freeze must be over something that another hand, a person or the server did."""
        is_foreign = any(part in say.text for part in _FOREIGN) and (truth.against or truth.strange)
        # An entry at rest may fill before it is taken back because fewer are allowed by now.
        is_one_more = "entries have filled where" in say.text and self._are_fewer_allowed
        if not is_foreign and not is_one_more and "a person has halted it" not in say.text:
            self.broken("I5", truth.setup.symbol, say.text)

    def heard(self, tick: Tick) -> None:
        """A print comes to the engine; its time never goes back."""
        before = self._heard.get(tick.symbol)
        if before is None or before.at_ns < tick.at_ns:
            self._heard[tick.symbol] = tick
        else:
            self._heard[tick.symbol] = Tick(tick.symbol, before.at_ns, tick.price)

    def time_passed(self) -> None:
        """Look at what may not last.

        A price must have passed the stop at the exchange, and have come through to this run.
        """
        if self.handled < self._told and self._told_ns < self.now_ns:
            self.broken("I8", None, f"{self._told - self.handled} order updates wait since {self._told_ns}")
        self._told_ns, self._told = self.now_ns, self._server.told
        if self._failing_ns is not None and self._failing_ns < self.now_ns:
            self.broken("I3", None, "the journal fails, and nobody was called")
        for symbol, truth in self.truths.items():
            if not truth.at_risk:
                truth.bare_since_ns = truth.passed_since_ns = None
                continue
            is_bare = truth.at_risk > truth.for_sale
            self._last(truth, "E2", is_bare, "without a stop for all of them")
            tick = self._heard.get(symbol)
            came = tick.price if tick is not None and tick.at_ns >= self.started_ns else None
            is_passed = truth.is_passed(came) and truth.is_passed(self._server.exchange.last(symbol))
            self._last(truth, "E3", is_passed, "after the price had passed the stop")

    def _last(self, truth: Truth, promise: str, is_so: bool, text: str) -> None:  # noqa: FBT001
        since = truth.bare_since_ns if promise == "E2" else truth.passed_since_ns
        since = (
            None
            if not is_so
            else self.now_ns
            if since is None
            else max(since, self.started_ns, self._seeing_ns)
        )
        if promise == "E2":
            truth.bare_since_ns = since
        else:
            truth.passed_since_ns = since
        if since is None or self.now_ns - since < PATIENCE_NS:
            return
        if truth.last_call_ns < truth.opened_ns and self._blind_ns is None:
            span_s = (self.now_ns - since) / SECOND_NS
            self.broken(
                promise,
                truth.setup.symbol,
                f"{truth.at_risk} shares held, {text}, for {span_s:.0f} s: no alarm",
            )

    # --- in the calm ------------------------------------------------------------------------------

    def belief(self, engine: Engine) -> None:
        """E1 and E4: what the engine believes is what is so, and it knows all it asked.

        Where something has just happened, or a call is out, it may still be on its way to know.
        """
        busy = {request.intent.symbol for request in self._server.requests}
        for symbol, truth in self.truths.items():
            state = engine.traders[symbol].state
            if symbol in busy or self.now_ns - truth.changed_ns < NEWS_NS:
                continue
            if not state.is_quiet and state.entry is None and not _waits_for_a_person(state):
                self.broken("E4", symbol, f"questions are open: {_open(state)}")
            self._orders_known(truth, state)
            if not 0 <= truth.held - state.held <= truth.against:
                self.broken("E1", symbol, f"{state.held} shares are believed held, {truth.held} are")
            if state.account_net * truth.setup.direction != truth.net and not state.is_done:
                self.broken(
                    "E1", symbol, f"the account is believed to hold {state.account_net}, it holds {truth.net}"
                )

    def _orders_known(self, truth: Truth, state: SymbolState) -> None:
        known = {order.order_id: order for order in state.orders if order.order_id is not None}
        for standing in truth.orders.values():
            order = known.get(standing.order_id)
            if order is None:
                key = self._server.ours[standing.order_id].key
                text = f"the engine knows nothing of {key} ({standing.order_id}), which went out in its name"
                self.broken("E1", truth.setup.symbol, text)
                continue
            is_same = order.is_outstanding == standing.is_working and order.filled == standing.filled
            if standing.is_working:
                is_same &= order.state is OrderState.WORKING and order.terms.trigger == standing.trigger
            if not is_same:
                text = f"{order.key} is believed {order.state.value} with {order.filled} filled"
                self.broken(
                    "E1",
                    truth.setup.symbol,
                    f"{text}; it is {'working' if standing.is_working else 'ended'} with {standing.filled}",
                )

    def protected(self) -> None:
        """E2 in the calm: everything held has its stop, or a person was called."""
        for symbol, truth in self.truths.items():
            if truth.at_risk > truth.for_sale and truth.last_call_ns < truth.opened_ns:
                self.broken("E2", symbol, f"{truth.at_risk} shares held, {truth.for_sale} protected")
            if truth.must_be_flat and truth.at_risk and truth.last_call_ns < truth.opened_ns:
                self.broken("E5", symbol, f"{truth.at_risk} shares held, and it was ordered flat")

    def left_behind(self, exit_code: int) -> None:
        """An orderly stop: what could still open a position, or is bare, makes the exit code 4."""
        if exit_code:
            return
        for symbol, truth in self.truths.items():
            entries = [
                one.order_id for one in truth.orders.values() if one.is_working and one.role is Role.ENTRY
            ]
            if entries or self._server.may_become_orders(symbol):
                self.broken(
                    "E4", symbol, f"stopped with exit code 0 while {entries} still work or are on the way"
                )
            is_old = truth.bare_since_ns is not None and self.now_ns - truth.bare_since_ns > NEWS_NS
            if truth.at_risk > truth.for_sale and is_old:
                self.broken(
                    "E2",
                    symbol,
                    f"stopped with exit code 0, {truth.at_risk} held, {truth.for_sale} protected",
                )

    def ended(self, engine: Engine) -> None:
        """E5 at the end of the day: nothing of ours works or is held."""
        for symbol, truth in self.truths.items():
            state = engine.traders[symbol].state
            working = [order.order_id for order in truth.orders.values() if order.is_working]
            left = truth.at_risk
            if working:
                self.broken("E5", symbol, f"still working after the day: {', '.join(working)}")
            if left > 0 and not _waits_for_a_person(state):
                self.broken("E5", symbol, f"{left} shares are left after the day, {state.held} believed")
            if not state.is_quiet and not _waits_for_a_person(state):
                self.broken("E4", symbol, f"questions are open after the day: {_open(state)}")


def _waits_for_a_person(state: SymbolState) -> bool:
    """An order that is kept for approval can be placed at any time: that question has to stay open."""
    return any(order.is_unsettled and order.is_queued for order in (*state.slots, *state.phantoms))


def _open(state: SymbolState) -> str:
    return ", ".join(
        f"{order.key} {order.state.value}" for order in (*state.slots, *state.phantoms) if order.is_unsettled
    )
