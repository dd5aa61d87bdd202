"""One symbol's life: an event changes what is known, then the three slots are brought to what is wanted.

Owns the order of things within one step: evidence first, then ended orders leave their slots, then what
is wanted is asked for, marked in flight in the same breath, then the invariants are checked. Wishes are
derived from the facts each time, not remembered, so a lost or doubled event changes nothing.

Must never: wait, look at a clock, or know of another symbol.
"""

from dataclasses import replace

from olaf_async.core import calls, clock_back, entries, evidence, exits, invariants, protection, reconcile
from olaf_async.core.account import Account
from olaf_async.core.guards import STANDARD, Guards
from olaf_async.core.market import Guard, guard_of
from olaf_async.core.rules import NEVER_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.charges import ExecutedOrder
from olaf_async.domain.events import (
    BarClosed,
    OrderAnswered,
    OrderRow,
    PriceTouched,
    QuoteRead,
    RunBegan,
    TimerDue,
)
from olaf_async.domain.intents import ReportTrade, Severity
from olaf_async.domain.order import Order, OrderState, Role, Side
from olaf_async.domain.position import Position
from olaf_async.domain.price import Paise, is_near, to_text
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Setup
from olaf_async.domain.trade import ExitReason, Trade
from olaf_async.strategies.protocol import Strategy

_ENDED = {Role.ENTRY: entries.ended, Role.STOP: protection.ended, Role.EXIT: exits.ended}


class Trader:
    """Trades one setup for one day."""

    def __init__(
        self,
        setup: Setup,
        session: Session,
        strategy: Strategy,
        account: Account,
        guards: Guards = STANDARD,
        check: invariants.Check = invariants.check,
    ) -> None:
        self.state = SymbolState(setup, session, strategy, account)
        self._guards = guards
        self._check = check
        self.absorbed: tuple[dict[str, OrderRow], dict[str, reconcile.Executions]] = {}, {}
        self.digest: bytes | None = None
        self.absorbed_digest: tuple[object, bytes] = None, b""
        self.guard: Guard
        self._step(session.open_ns)

    @property
    def is_untouched(self) -> bool:
        """Whether nothing of the day is lost where another takes its place."""
        state = self.state
        return not (state.orders_made or state.foreign or state.frozen)

    def is_planned(self, setup: Setup, session: Session, strategy: Strategy) -> bool:
        """Whether this is what it trades."""
        state = self.state
        return (state.setup, state.session, state.strategy) == (setup, session, strategy)

    @property
    def is_to_be_valued(self) -> bool:
        """Whether its position is open, or closed and not reported yet."""
        position = self.state.position
        return bool(position.held or position.entered)

    # --- events -----------------------------------------------------------------------------------

    def run_began(self, event: RunBegan) -> None:
        """Whoever asked for what is in flight is gone, and what has happened since nobody watched."""
        state = self.state
        clock_back.believe_symbol(state, event.at_ns)
        state.touch()
        state.want_books()
        state.is_unread = True
        state.last_ns = -NEVER_NS
        state.quote_asked_ns = -NEVER_NS
        for order in (*state.slots, *state.phantoms):
            evidence.asker_gone(state, order, event)
        self._step(event.at_ns)

    def price_touched(self, event: PriceTouched) -> None:
        """A print at or beyond the guard."""
        self._price(event.price, event.at_ns, event.at_ns)
        protection.consider(self.state, event.price, event.at_ns)
        entries.consider(self.state, self._guards, event.price, event.at_ns)
        self._step(event.at_ns)

    def bar_closed(self, event: BarClosed) -> None:
        """A bar of the strategy's span has ended: the stop may rise."""
        protection.trail(self.state, self._guards, event.bar)
        self._step(event.at_ns)

    def timer_due(self, event: TimerDue) -> None:
        """The time that was asked for."""
        if event.last is not None and event.last_ns >= self.state.last_ns:
            # A quote that was asked for in a silence is newer than the print before it.
            self._price(event.last, event.last_ns, event.at_ns)
        self.state.priced_ns = event.at_ns
        if event.at_ns >= self.state.exit_ns:
            self.state.is_done = True
            self.state.leave(ExitReason.SESSION_END)
        self._step(event.at_ns)

    def quote_read(self, event: QuoteRead) -> None:
        """The answer to a question for a fresh price; one that cannot follow on the last print is none."""
        price, last = event.price, self.state.last
        if price is not None and last is not None and not is_near(price, last):
            text = f"{self.state.symbol}: a quote of {to_text(price)} after {to_text(last)} is not believed"
            self.state.say(Severity.WARNING, "odd_price", text)
        elif price is not None:
            self._price(price, event.at_ns, event.at_ns)
        self._step(event.at_ns)

    def answered(self, event: OrderAnswered) -> None:
        """The answer to a request."""
        evidence.answered(self.state, self._guards, event)
        self._step(event.at_ns)

    def framed(self, row: OrderRow, now_ns: int) -> None:
        """A frame of the order-update stream."""
        evidence.frame(self.state, row, now_ns)
        self._step(now_ns)

    def books_read(self, books: reconcile.SymbolBooks, now_ns: int) -> None:
        """This symbol's part of a read of the books."""
        if self._says_nothing_new(books):
            self.state.books_seq = max(self.state.books_seq, books.asked_seq)
            return
        if self.state.is_unread and self._guards.is_read_current(self.state, books.asked_seq):
            reconcile.absorb_unwatched(self.state, self._guards, books, now_ns)
        else:
            reconcile.absorb(self.state, self._guards, books, now_ns)
        self.absorbed = books.rows, books.executions
        self._step(now_ns)

    def _says_nothing_new(self, books: reconcile.SymbolBooks) -> bool:
        """Whether the read shows what the last one absorbed showed, and no question is open to it."""
        state = self.state
        return (
            books.is_complete
            and books.net == state.orient(state.held) == state.account_net
            and state.want_seq <= state.books_seq
            and not (state.is_unread or state.is_waiting_for_evidence)
            and (books.rows, books.executions) == self.absorbed
            and self._guards.is_read_current(state, books.asked_seq)
        )

    def must_leave(self, reason: ExitReason, now_ns: int) -> None:
        """Get out and stay out."""
        self.state.is_done = self.state.is_dismissed = True
        self.state.leave(reason)
        self._step(now_ns)

    def look_again(self, now_ns: int) -> None:
        """Something about the account has changed."""
        self._step(now_ns)

    def stand_back(self, why: str, now_ns: int) -> None:
        """Our own state contradicts itself: freeze, and look again in a while rather than at once."""
        self.state.freeze(why)
        self.guard = replace(self.guard, due_ns=now_ns + self.state.rules.chase_ns)

    # --- one step ---------------------------------------------------------------------------------

    def _price(self, price: Paise, print_ns: int, now_ns: int) -> None:
        self.state.last, self.state.last_ns, self.state.priced_ns = price, print_ns, now_ns

    def _step(self, now_ns: int) -> None:
        state = self.state
        state.wake_ns = NEVER_NS
        self._clear_ended(now_ns)
        self._watch_quantity()
        if state.leaving is None:
            entries.pursue(state, self._guards, now_ns)
            protection.pursue(state, self._guards, now_ns)
        if state.leaving is not None:
            exits.pursue(state, self._guards, now_ns)
        for phantom in state.phantoms:
            calls.cancel(state, phantom, now_ns)
        protection.measure(state, now_ns)
        self._finish(now_ns)
        if state.leaving is None and not state.is_idle:
            state.wake(state.exit_ns)
        state.account.exposed[state.symbol] = state.is_exposed
        self.guard = self._guard_now(now_ns)
        self._check(state)

    def _clear_ended(self, now_ns: int) -> None:
        state = self.state
        for order in state.slots:
            if self._guards.may_forget(order):
                state.retire(order)
                _ENDED[order.role](state, order, now_ns)
        for phantom in tuple(state.phantoms):
            if not phantom.is_outstanding and phantom.state is not OrderState.ABSENT:
                state.retire(phantom)

    def _watch_quantity(self) -> None:
        """Of two entries that both filled the excess is sold; what was sold too much is bought back."""
        state = self.state
        if state.held < 0:
            state.leave(ExitReason.RISK)
        elif state.keep and state.held <= state.keep and state.exit is None:
            state.keep, state.leaving = 0, None
        elif state.held and state.leaving is None and state.frozen is None and state.held > state.intended:
            # Where it is not certain that both are ours, the symbol is frozen and both are protected.
            text = f"{state.symbol}: {state.held} shares are held where {state.intended} were planned"
            state.say(Severity.ALARM, "excess", f"{text}; the excess is sold, the symbol is done for today")
            state.is_done = True
            state.leave(ExitReason.RISK)
            state.keep = state.intended

    def _finish(self, now_ns: int) -> None:
        """A position that is flat, with nothing left that could change it, is a trade."""
        state = self.state
        if state.held or state.slots or state.is_unreported:
            return
        if state.position.entered:
            self._report()
        elif state.position.exit_ns:
            self._settle_oversold()
        elif state.initial_level is not None:
            self._start_afresh()
        state.is_done |= state.leaving not in (None, ExitReason.STOP, ExitReason.TARGET)
        state.is_done |= state.attempts >= state.rules.max_attempts
        state.leaving = None
        until_ns = state.strategy.arming(after_exit=state.is_after_exit).until_ns
        state.is_done |= state.armed_ns is None and now_ns >= until_ns
        if state.is_done:
            entries.disarm(state)

    def _report(self) -> None:
        state = self.state
        position = state.position
        state.account.out.append(ReportTrade(self._trade(position)))
        gross = (position.exit_value - position.entry_value) * state.direction
        state.account.realised += gross
        state.is_after_exit = True
        self._start_afresh()

    def _settle_oversold(self) -> None:
        """Shares sold after the trade was over have been bought back; what that cost is part of the day."""
        state = self.state
        cost = state.position.exit_value * state.direction
        state.account.realised += cost
        state.say(
            Severity.WARNING,
            "bought_back",
            f"{state.symbol}: shares sold twice are bought back: {cost} paise",
        )
        self._start_afresh()

    def _start_afresh(self) -> None:
        state = self.state
        state.position = Position()
        state.retired_before = len(state.retired)
        state.initial_level = state.stop_level = state.target_level = state.touched_ns = None
        state.stop_rejections = state.stop_refusals = state.stops_gone = state.exit_tries = 0
        state.unprotected_ns = 0
        state.has_alarmed_unprotected = state.has_alarmed_unfilled = False
        state.reached_ns = None
        state.ceiling = None
        state.armed_ns = None
        state.want_books()

    def _trade(self, position: Position) -> Trade:
        state = self.state
        assert state.initial_level is not None, "a position has levels"
        assert state.stop_level is not None, "a position has levels"
        return Trade(
            symbol=state.symbol,
            day=state.session.day,
            attempt=state.attempts,
            direction=state.direction,
            quantity=position.entered,
            entry_ns=position.entry_ns,
            entry_value=position.entry_value,
            exit_ns=position.exit_ns,
            exit_value=position.exit_value,
            reason=self._reason(position),
            initial_stop=state.orient(state.initial_level),
            final_stop=state.orient(state.stop_level),
            unprotected_ns=state.unprotected_ns,
            executed=tuple(
                ExecutedOrder(is_buy=order.side is Side.BUY, value=order.value) for order in self._executed()
            ),
        )

    def _executed(self) -> list[Order]:
        """The orders of this trade that filled, in the order they ended."""
        return [order for order in self.state.retired[self.state.retired_before :] if order.filled]

    def _reason(self, position: Position) -> ExitReason:
        """What actually closed it: a stop that filled on the way out is a stop."""
        state = self.state
        if position.taken:
            return ExitReason.OPERATOR
        closing = [order for order in self._executed() if order.role is not Role.ENTRY]
        if closing and closing[-1].role is Role.STOP:
            return ExitReason.STOP
        return state.leaving or ExitReason.STOP

    # --- what the shell asks ----------------------------------------------------------------------

    def _guard_now(self, now_ns: int) -> Guard:
        """The raw prices and the time at which something could change."""
        state = self.state
        low: int | None = None
        high: int | None = None
        needs_stop = state.exposure > 0
        if needs_stop:
            low = protection.watched_level(state)
            high = state.target_level if state.leaving is None else None
        elif state.entry is not None:
            if not state.account.is_stream_up and not state.is_entry_at_work:
                high = state.strategy.entry
        elif state.is_idle and not state.is_done:
            low = self._watch_for_trigger(now_ns)
        is_holding = needs_stop and state.leaving is None
        return guard_of(state.direction, low, high, state.wake_ns, wants_bars=is_holding)

    def _watch_for_trigger(self, now_ns: int) -> int | None:
        arming = self.state.strategy.arming(after_exit=self.state.is_after_exit)
        if now_ns < arming.from_ns:
            self.state.wake(arming.from_ns)
            return None
        self.state.wake(arming.until_ns)
        return arming.level
