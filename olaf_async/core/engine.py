"""The whole machine: every event goes in here, every intent comes out here, nothing else changes state.

    handle(event) -> intents          what has happened, and what is wanted because of it
    admit(intent, now) -> verdict     the desk is about to send: may it, now, still?
    guard(symbol), books_due_ns()     when it next needs to be asked

Both ``handle`` and ``admit`` advance the sequence number; a journal of their calls re-executes a day.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias, assert_never

from olaf_async.core import clock_back, containment, entries, evidence, reconcile
from olaf_async.core.account import Account
from olaf_async.core.guards import STANDARD, Guards
from olaf_async.core.invariants import Check
from olaf_async.core.invariants import check as check_invariants
from olaf_async.core.market import Guard
from olaf_async.core.rules import NEVER_NS, SECOND_NS, Rules
from olaf_async.core.state import SymbolState
from olaf_async.core.trader import Trader
from olaf_async.domain.events import (
    BarClosed,
    BooksFailed,
    BooksRead,
    ClockSkewed,
    Command,
    Commanded,
    Event,
    Marked,
    ModeSeen,
    OrderAnswered,
    OrderRow,
    OrderUpdated,
    Outcome,
    PriceTouched,
    QuoteRead,
    RunBegan,
    StreamChanged,
    TimerDue,
)
from olaf_async.domain.intents import CancelOrder, Intent, ModifyOrder, OrderIntent, PlaceOrder, Severity
from olaf_async.domain.order import Order, OrderState, Role
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Setup
from olaf_async.domain.trade import ExitReason
from olaf_async.errors import ConfigError
from olaf_async.strategies.protocol import Strategy


@dataclass(frozen=True, slots=True)
class Plan:
    """One symbol's part of the day."""

    setup: Setup
    session: Session
    strategy: Strategy


@dataclass(frozen=True, slots=True)
class Send:
    """Go: these are the terms to send now (they may be newer than those asked with)."""

    intent: OrderIntent


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: ask again at this time."""

    until_ns: int


@dataclass(frozen=True, slots=True)
class ReadFirst:
    """Not on such old books: read them, tell the core, ask again."""


@dataclass(frozen=True, slots=True)
class Drop:
    """No longer wanted; nothing is to be sent."""

    why: str


Verdict: TypeAlias = Send | Wait | ReadFirst | Drop


class Engine:
    """All symbols of one account on one day.

    Raises:
        ConfigError: two plans for one symbol.
    """

    def __init__(
        self,
        plans: Iterable[Plan],
        rules: Rules,
        guards: Guards = STANDARD,
        check: Check = check_invariants,
    ) -> None:
        self.account = Account(rules)
        self.traders: dict[str, Trader] = {}
        self._guards = guards
        self._check = check
        self._plan(plans)

    def carry_on(self, plans: Iterable[Plan], rules: Rules) -> None:
        """Go on with the same day by the plans and rules of a new run.

        Raises:
            ConfigError: two plans for one symbol; one that has been traded today is planned otherwise now, or
                not at all.
        """
        self.account.rules = rules
        self._plan(plans)

    def _plan(self, plans: Iterable[Plan]) -> None:
        """Have a trader for each plan: the one there is, where it has begun to trade by this very plan.

        A symbol that was told to leave stays out by whichever plan.
        """
        past, traders = self.traders, dict[str, Trader]()
        for plan in plans:
            symbol = plan.setup.symbol
            if symbol in traders:
                raise ConfigError(f"two setups for {symbol} on {plan.session.day}")
            known = past.get(symbol)
            what = plan.setup, plan.session, plan.strategy
            if known is None or (known.is_untouched and not known.is_planned(*what)):
                is_dismissed = known is not None and known.state.is_dismissed
                known = Trader(*what, self.account, self._guards, self._check)
                known.state.is_dismissed = is_dismissed
                known.state.is_done |= is_dismissed
            traders[symbol] = known
            if known.is_planned(*what):
                past.pop(symbol, None)
        changed = [symbol for symbol, trader in past.items() if not trader.is_untouched]
        if changed:
            raise ConfigError(
                f"{', '.join(changed)}: traded today already, and planned otherwise now. Put its setup and"
                " the settings of strategy and session back; what is changed can begin tomorrow"
            )
        self.traders = traders

    # --- events -----------------------------------------------------------------------------------

    @property
    def seq(self) -> int:
        """How many events and admissions there have been."""
        return self.account.seq

    def handle(self, event: Event) -> list[Intent]:
        """Take in what has happened; return what is wanted because of it, in order."""
        self.account.seq += 1
        self._dispatch(event)
        out, self.account.out = self.account.out, []
        return out

    def _dispatch(self, event: Event) -> None:  # noqa: C901 -- one line for each event
        match event:
            case RunBegan():
                self._run_began(event)
            case PriceTouched() | BarClosed() | TimerDue() | QuoteRead() | OrderAnswered():
                self._to_trader(event)
            case OrderUpdated(at_ns, row):
                self._framed(row, at_ns)
            case BooksRead():
                self._books_read(event)
            case BooksFailed():
                self._books_failed(event)
            case StreamChanged(at_ns, is_up):
                self.account.is_stream_up = is_up
                self._all_look_again(at_ns, needs_books=True)
            case ModeSeen(at_ns, mode):
                self.account.see_mode(mode)
                self._all_look_again(at_ns)
            case Commanded():
                self._commanded(event)
            case Marked():
                self._marked(event)
            case ClockSkewed(at_ns, skew_ns):
                self._skewed(at_ns, skew_ns)
            case _:
                assert_never(event)

    def _run_began(self, event: RunBegan) -> None:
        self.account.begin_run()
        clock_back.believe_account(self.account, event.at_ns)
        for trader in self.traders.values():
            self._tell(trader, event.at_ns, partial(trader.run_began, event))

    def _to_trader(self, event: PriceTouched | BarClosed | TimerDue | QuoteRead | OrderAnswered) -> None:
        trader = self.traders[event.symbol]
        match event:
            case PriceTouched():
                self._tell(trader, event.at_ns, lambda: trader.price_touched(event))
            case BarClosed():
                self._tell(trader, event.at_ns, lambda: trader.bar_closed(event))
            case TimerDue():
                self._tell(trader, event.at_ns, lambda: trader.timer_due(event))
            case QuoteRead():
                self._tell(trader, event.at_ns, lambda: trader.quote_read(event))
            case OrderAnswered():
                self._tell(trader, event.at_ns, lambda: trader.answered(event))
                if event.outcome is Outcome.QUEUED:
                    # New risk ends in the whole account: the entries of the others are taken back.
                    self._all_look_again(event.at_ns)
            case _:
                assert_never(event)

    def _framed(self, row: OrderRow, at_ns: int) -> None:
        self.account.see(row.order_id)
        trader = self.traders.get(row.symbol)
        if trader is not None:
            self._tell(trader, at_ns, lambda: trader.framed(row, at_ns))

    def _all_look_again(self, at_ns: int, *, needs_books: bool = False) -> None:
        for trader in self.traders.values():
            if needs_books:
                trader.state.want_books()
            self._tell(trader, at_ns, partial(trader.look_again, at_ns))

    def _commanded(self, event: Commanded) -> None:
        """Halts of the whole account stand beside those of a symbol; each is lifted by its own name only."""
        account, at_ns = self.account, event.at_ns
        named = [trader for symbol, trader in self.traders.items() if symbol == event.symbol]
        is_all = event.symbol is None
        match event.command:
            case Command.HALT | Command.KILL:
                account.is_halted |= is_all
                for trader in named:
                    trader.state.freeze("a person has halted it")
            case Command.RESUME:
                account.is_halted &= not is_all
                for trader in named:
                    trader.state.frozen = None
            case Command.STOP if is_all:
                account.is_stopping = True
            case Command.STOP:
                text = "only the whole account can be stopped; halt the symbol instead"
                account.say(event.symbol, Severity.WARNING, "stop_refused", text)
            case Command.FLATTEN:
                pass
            case _:
                assert_never(event.command)
        reason = {Command.FLATTEN: ExitReason.OPERATOR, Command.KILL: ExitReason.HALT}.get(event.command)
        if reason is None:
            # What will be left to its stop is looked at once more: that may have been taken away unheard.
            self._all_look_again(at_ns, needs_books=event.command is Command.STOP)
            return
        for trader in self.traders.values() if is_all else named:
            self._tell(trader, at_ns, partial(trader.must_leave, reason, at_ns))

    def _marked(self, event: Marked) -> None:
        prices = dict(event.prices)
        open_profit = sum(self._open_profit(name, price) for name, price in prices.items())
        if self.account.mark(open_profit, event.at_ns):
            self.account.say(
                None,
                Severity.ALARM,
                "daily_loss",
                "the daily loss limit is reached: all positions are closed",
            )
            for trader in self.traders.values():
                self._tell(trader, event.at_ns, partial(trader.must_leave, ExitReason.RISK, event.at_ns))

    def _open_profit(self, symbol: str, price: int) -> int:
        state = self.traders[symbol].state
        position = state.position
        held_value = position.held * price
        return (position.exit_value + held_value - position.entry_value) * state.direction

    def _skewed(self, at_ns: int, skew_ns: int) -> None:
        is_skewed = abs(skew_ns) > self.account.rules.clock_skew_max_ns
        if is_skewed and not self.account.is_clock_skewed:
            self.account.say(
                None,
                Severity.ALARM,
                "clock_skew",
                f"the wall clock is {skew_ns / 1e9:+.1f} s off the boot-time clock: no new entries",
            )
        self.account.is_clock_skewed = is_skewed
        self.account.clock_ahead_ns = max(0, skew_ns) if is_skewed else 0
        self._all_look_again(at_ns)

    def _tell(self, trader: Trader, at_ns: int, act: Callable[[], None]) -> None:
        containment.let_act(self.account, trader, at_ns, act)

    # --- books ------------------------------------------------------------------------------------

    def _books_read(self, event: BooksRead) -> None:
        account = self.account
        account.asked_seq, account.asked_ns = event.asked_seq, event.asked_ns
        present = {row.order_id: None for row in event.orders}
        # An order seen only after the read was asked for may well be missing from it.
        missing = [
            order_id
            for order_id, seq in account.seen_ids.items()
            if seq <= event.asked_seq and order_id not in present
        ]
        account.see(*present, *[trade.order_id for trade in event.trades])
        parts = reconcile.by_symbol(event, self.traders, contains_all=not missing)
        for symbol, books in parts.items():
            trader = self.traders[symbol]
            self._tell(trader, event.at_ns, partial(trader.books_read, books, event.at_ns))
        if self._is_sight_changed(event.at_ns, missing):
            self._all_look_again(event.at_ns)

    def _is_sight_changed(self, at_ns: int, missing: list[str]) -> bool:
        """Books that lack what they showed before prove nothing: for long, that is not to see at all."""
        if not missing:
            return self.account.read()
        return self.account.fail_to_read(at_ns, f"order {missing[0]}, seen earlier, is missing from them")

    def _books_failed(self, event: BooksFailed) -> None:
        self.account.asked_seq, self.account.asked_ns = event.asked_seq, event.at_ns
        if self.account.fail_to_read(event.at_ns, event.why):
            self._all_look_again(event.at_ns)

    def books_due_ns(self, now_ns: int) -> int:
        """When the books are next to be read: now where a question waits for them, else at the poll."""
        account = self.account
        due_ns = NEVER_NS
        if account.rules.idle_poll_ns is not None:
            due_ns = account.asked_ns + account.rules.idle_poll_ns
        again_ns = account.asked_ns + account.rules.read_gap_ns
        for trader in self.traders.values():
            state = trader.state
            if state.want_seq > state.books_seq:
                is_asked = account.asked_seq >= max(state.want_seq, state.newest_seq)
                due_ns = min(due_ns, again_ns if is_asked else now_ns)
            elif again_ns < due_ns and state.is_waiting_for_evidence:
                due_ns = again_ns
        return due_ns

    # --- the desk's questions ---------------------------------------------------------------------

    def admit(self, intent: OrderIntent, now_ns: int) -> Verdict:
        """The desk holds the symbol's lock and is about to send: is this still wanted, and may it go now?

        On Send the order counts as sent at ``now_ns``.
        """
        self.account.seq += 1
        trader = self.traders[intent.symbol]
        trader.digest = None
        state = trader.state
        order = evidence.find_by_key(state, intent.key)
        if order is None:
            return Drop("the order is unknown")
        verdict = self._verdict(order, intent, now_ns)
        if not isinstance(verdict, Send):
            return verdict
        wait_ns = self.account.wait_for_rate(now_ns, keep=self._calls_to_keep(order, intent))
        if wait_ns is not None:
            return Wait(wait_ns)
        if isinstance(intent, PlaceOrder):
            order.sent_ns, order.sent_seq = now_ns, self.account.seq
            if intent.role is Role.ENTRY:
                entries.sent(state, now_ns)
        elif isinstance(intent, ModifyOrder):
            order.modify_sent_ns = now_ns
        state.touch()
        return verdict

    def _verdict(self, order: Order, intent: OrderIntent, now_ns: int) -> Verdict:
        """What the symbol itself says; a cancel is all that goes before the books of this run are known."""
        state = self.traders[intent.symbol].state
        if isinstance(intent, CancelOrder):
            is_due = order.state is OrderState.CANCELLING
            return Send(intent) if is_due else Drop(f"the order is {order.state.value}")
        if isinstance(intent, PlaceOrder):
            verdict = self._admit_place(order, intent, now_ns)
        else:
            verdict = self._admit_modify(state, order, intent)
        if isinstance(verdict, Send) and not self._guards.is_watched(state):
            return ReadFirst()
        return verdict

    def _calls_to_keep(self, order: Order, intent: OrderIntent) -> int:
        """Order calls of this second that must stay free after this one: a stop for every entry that rests.

        All of them may fill at one instant. An entry needs one more, for its own stop; at one call a second
        it goes without, but alone. A raise gives way as far as it can ever leave.
        """
        is_entry = isinstance(intent, PlaceOrder) and intent.role is Role.ENTRY
        if not is_entry and not _is_raise(order, intent):
            return 0
        others = sum(
            trader.state.may_need_a_call for symbol, trader in self.traders.items() if symbol != intent.symbol
        )
        room = self.account.rules.max_orders_per_s - 1
        if is_entry:
            return others + 1 if others else min(1, room)
        return min(others, room)

    def _admit_place(self, order: Order, intent: PlaceOrder, now_ns: int) -> Verdict:
        state = self.traders[intent.symbol].state
        if order.state is not OrderState.IN_FLIGHT or not self._guards.is_still_wanted(state, order):
            return Drop(f"the order is {order.state.value}")
        if intent.role is Role.ENTRY:
            return self._admit_entry(order, intent, now_ns)
        return self._admit_closing(order, intent)

    def _admit_entry(self, order: Order, intent: PlaceOrder, now_ns: int) -> Verdict:
        """All guards once more, with nothing awaited between the last of them and the sending."""
        state = self.traders[intent.symbol].state
        state.entry = None
        denied_by = self._guards.denies_entry(state, now_ns)
        state.entry = order
        if denied_by is not None:
            return Drop(denied_by)
        if entries.is_unwanted(state, order, now_ns):
            return Drop("the trigger has lapsed")
        if self._guards.books_allow_entry(state):
            return Send(intent)
        if state.books_seq >= state.newest_seq:
            return Drop("the account already holds the share")
        return ReadFirst()

    def _admit_closing(self, order: Order, intent: PlaceOrder) -> Verdict:
        """Send what is to be closed now, which may be less (or more) than when it was asked for."""
        state = self.traders[intent.symbol].state
        quantity = self._guards.shares_to_close(state, intent.side)
        if intent.role is Role.EXIT:
            quantity -= state.keep
        if quantity <= 0:
            return Drop("nothing is held any more")
        # Who was told to wait asks again with the terms of the first time.
        order.terms = replace(order.terms, quantity=quantity)
        return Send(replace(intent, terms=order.terms))

    def _admit_modify(self, state: SymbolState, order: Order, intent: ModifyOrder) -> Verdict:
        """A change that would sell more than is held by now is not sent; another will be asked for."""
        if order.state is not OrderState.MODIFYING or order.modify_request != intent.request:
            return Drop(f"the order is {order.state.value}")
        if intent.terms.quantity - order.filled > self._guards.shares_to_close(state, intent.side):
            return Drop("less is held by now")
        return Send(intent)

    def is_open(self, intent: OrderIntent) -> bool:
        """Whether the question this request asked is still open: the desk need not wait once it is not."""
        order = evidence.find_by_key(self.traders[intent.symbol].state, intent.key)
        if order is None:
            return False
        match intent:
            case PlaceOrder():
                return order.state is OrderState.IN_FLIGHT
            case ModifyOrder():
                return order.state is OrderState.MODIFYING and order.modify_request == intent.request
            case CancelOrder():
                return order.state is OrderState.CANCELLING
            case _:
                assert_never(intent)

    def mark_due_ns(self) -> int:
        """When the open positions are next to be valued: at once after a trade, else once a second."""
        account = self.account
        if account.rules.max_daily_loss is None or account.is_loss_latched:
            return NEVER_NS
        if account.realised != account.marked_realised:
            return account.marked_ns
        for trader in self.traders.values():
            if trader.is_to_be_valued:
                return account.marked_ns + SECOND_NS
        return NEVER_NS

    def guard(self, symbol: str) -> Guard:
        """What would wake the core for this symbol."""
        return self.traders[symbol].guard

    @property
    def is_quiet(self) -> bool:
        """No entry may fill any more and no question is open: the engine may stop (stops stay)."""
        return all(trader.state.is_quiet for trader in self.traders.values())

    @property
    def held_symbols(self) -> tuple[str, ...]:
        """Symbols whose position is open, or closed and not reported yet; for the once-a-second mark."""
        return tuple(symbol for symbol, trader in self.traders.items() if trader.is_to_be_valued)


def _is_raise(order: Order, intent: OrderIntent) -> bool:
    """Whether it only moves the stop of shares that are protected already."""
    if not isinstance(intent, ModifyOrder) or intent.role is not Role.STOP or order.restore is not None:
        return False
    return intent.terms.quantity == order.terms.quantity and intent.terms.trigger != order.terms.trigger
