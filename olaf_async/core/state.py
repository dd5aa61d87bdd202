"""What the core knows of one symbol: facts that stand beside each other, not one big phase.

A position (a fold over fills) and three order slots; everything else is when to try again, what has been
read, and why. Prices named ``*_level`` are oriented (see strategies.protocol), all others are raw paise.
"""

from dataclasses import dataclass, field

from olaf_async.core.account import Account
from olaf_async.core.rules import NEVER_NS, Rules
from olaf_async.domain.intents import Severity
from olaf_async.domain.order import Order, OrderState, Role, Side
from olaf_async.domain.position import Position
from olaf_async.domain.price import Paise
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Direction, Setup
from olaf_async.domain.trade import ExitReason
from olaf_async.strategies.protocol import Oriented, Strategy

CONFIRMING_READS = 2
"""Reads of the books that must agree before a number in them is acted on."""


@dataclass(slots=True)
class Foreign:
    """What an order of somebody else's has traded.

    ``signed`` shares (sells below zero), of which ``taken`` shares, worth ``value`` paise, closed what was
    ours.
    """

    signed: int = 0
    taken: int = 0
    value: Paise = 0


@dataclass(slots=True)
class SymbolState:
    """One symbol's life on one day."""

    setup: Setup
    session: Session
    strategy: Strategy
    account: Account

    position: Position = field(default_factory=Position)
    entry: Order | None = None
    stop: Order | None = None
    exit: Order | None = None
    phantoms: list[Order] = field(default_factory=list)
    retired: list[Order] = field(default_factory=list)
    orders_made: int = 0
    retired_before: int = 0

    # the entry
    armed_ns: int | None = None
    rejections: int = 0
    refusals: int = 0
    entry_retry_ns: int = 0
    attempts: int = 0
    triggers: int = 0
    is_after_exit: bool = False
    last_denial: str = ""
    is_entry_at_work: bool = False

    # protection
    initial_level: Oriented | None = None
    stop_level: Oriented | None = None
    target_level: Oriented | None = None
    touched_ns: int | None = None
    stop_retry_ns: int = 0
    stop_rejections: int = 0
    stop_refusals: int = 0
    stops_gone: int = 0
    provisional: int = 0
    ceiling: int | None = None
    unprotected_since_ns: int | None = None
    unprotected_ns: int = 0
    has_alarmed_unprotected: bool = False
    reached_ns: int | None = None
    has_alarmed_unfilled: bool = False

    # leaving
    leaving: ExitReason | None = None
    keep: int = 0
    exit_retry_ns: int = 0
    exit_tries: int = 0
    quote_asked_ns: int = -NEVER_NS

    # evidence
    frozen: str | None = None
    is_done: bool = False
    is_dismissed: bool = False
    is_unread: bool = False
    newest_seq: int = 0
    want_seq: int = 0
    books_seq: int = -1
    account_net: int = 0
    foreign: dict[str, Foreign] = field(default_factory=dict)
    shortfall_reads: int = 0
    shortfall_ns: int = 0
    oversold_reads: int = 0
    last: Paise | None = None
    last_ns: int = -NEVER_NS
    priced_ns: int = -NEVER_NS
    wake_ns: int = NEVER_NS

    @property
    def rules(self) -> Rules:
        """The core's numbers."""
        return self.account.rules

    @property
    def exit_ns(self) -> int:
        """The deadline, as the earlier of two clocks that disagree reads it."""
        return self.session.exit_ns - self.account.clock_ahead_ns

    @property
    def symbol(self) -> str:
        """The setup's symbol."""
        return self.setup.symbol

    @property
    def direction(self) -> Direction:
        """The side being traded."""
        return self.setup.direction

    @property
    def entry_side(self) -> Side:
        """What opens."""
        return Side.BUY if self.direction is Direction.LONG else Side.SELL

    @property
    def planned(self) -> int:
        """Shares per entry."""
        return self.setup.quantity or self.rules.quantity

    @property
    def intended(self) -> int:
        """The most shares to hold now: as the entry was sent that they came by, whatever is planned by now.

        A run with a smaller quantity sells nothing for that. What others made of an entry is no intention.
        """
        orders = (*self.slots, *self.phantoms, *self.retired[self.retired_before :])
        entries = (order for order in orders if order.role is Role.ENTRY and order.filled)
        return max((order.terms.quantity for order in entries if not order.repairs), default=self.planned)

    @property
    def held(self) -> int:
        """Shares held by our own fills."""
        return self.position.held

    @property
    def exposure(self) -> int:
        """Shares that need a stop.

        Held, or seen in the account while our entry is undecided, and never more than the account is known
        to hold.
        """
        known = self.position.held + self.provisional
        return known if self.ceiling is None else min(known, self.ceiling)

    @property
    def oversold(self) -> int:
        """Shares to buy back: as far as our own fills explain them and two reads of the account confirm."""
        if self.oversold_reads < CONFIRMING_READS:
            return 0
        return max(0, min(-self.held, -self.orient(self.account_net)))

    @property
    def foreign_net(self) -> int:
        """Shares that others have traded in all, oriented."""
        return self.orient(sum(other.signed for other in self.foreign.values()))

    @property
    def untaken(self) -> int:
        """Shares that others have closed on balance and that have not been taken from what is ours."""
        return max(0, -self.foreign_net - sum(other.taken for other in self.foreign.values()))

    @property
    def is_exposed(self) -> bool:
        """Whether it counts against the account's open positions."""
        return self.held != 0 or self.entry is not None

    @property
    def may_need_a_call(self) -> bool:
        """Whether a fill of now would have to be protected, or what is held has no closing order sent yet."""
        if self.entry is not None and self.entry.sent_ns is not None:
            return True
        closing = (self.stop, self.exit)
        return self.exposure > 0 and all(order is None or order.sent_ns is None for order in closing)

    @property
    def slots(self) -> tuple[Order, ...]:
        """The orders in the three slots."""
        if self.entry is None and self.stop is None and self.exit is None:
            return ()
        return tuple(filter(None, (self.entry, self.stop, self.exit)))

    @property
    def orders(self) -> tuple[Order, ...]:
        """Every order of ours today, slots first."""
        return (*self.slots, *self.phantoms, *self.retired)

    @property
    def newest(self) -> Paise:
        """The newest price known, where an order of today has been made because of one."""
        assert self.last is not None, "nothing is done before the first print"
        return self.last

    def orient(self, price: int) -> int:
        """Raw to oriented and back."""
        return price * self.setup.direction

    def new_key(self, role: Role) -> str:
        """A name for a new order, unique in the day."""
        self.orders_made += 1
        return f"{self.symbol}/{self.orders_made}-{role.value}"

    def touch(self) -> None:
        """Something about our orders is newer than any book asked for until now."""
        self.newest_seq = self.account.seq

    def want_books(self) -> None:
        """A question has come up that only a read asked for from now on can answer."""
        self.want_seq = self.account.seq

    def want_newer_books(self) -> None:
        """A read newer than all we know of our orders is needed; wishing again does not hurry it."""
        self.want_seq = max(self.want_seq, self.newest_seq)

    def wake(self, at_ns: int) -> None:
        """Ask for a TimerDue (and with it the newest price) at this time."""
        self.wake_ns = min(self.wake_ns, at_ns)

    def leave(self, reason: ExitReason) -> None:
        """Decide to get out of all that is held; the first reason stands."""
        self.keep = 0
        if self.leaving is None:
            self.leaving = reason
            self.exit_tries = 0

    def call_unfilled(self, since_ns: int, now_ns: int) -> None:
        """Call a person, once a trade, to an order that should have closed the position and does not fill.

        Its price crosses the market, so nobody is there to trade with: a circuit, a halt, a broken feed.
        """
        if self.has_alarmed_unfilled or now_ns - since_ns < self.rules.unprotected_max_ns:
            return
        self.has_alarmed_unfilled = True
        span_s = (now_ns - since_ns) / 1e9
        text = f"{self.symbol}: the order that is to close the position has not filled in {span_s:.1f} s"
        self.say(Severity.ALARM, "closing_unfilled", text)

    def freeze(self, why: str) -> None:
        """No new risk until a person or a proof ends it; protection and exits go on."""
        if self.frozen is None:
            self.frozen = why
            self.say(Severity.ALARM, "frozen", f"{self.symbol} is frozen: {why}")

    def say(self, severity: Severity, code: str, text: str) -> None:
        """Tell the log or a person about this symbol."""
        self.account.say(self.symbol, severity, code, text)

    @property
    def is_waiting_for_evidence(self) -> bool:
        """Whether the books should be read every second for this symbol."""
        if not self.orders_made:
            return False
        is_short = 0 < self.shortfall_reads < CONFIRMING_READS
        if self.held < 0 or self.provisional or self.stops_gone > 1 or is_short:
            return True
        if self.touched_ns is not None and self.stop is not None:
            return True
        if self.entry is not None and not self.account.is_stream_up and self.is_entry_at_work:
            return True
        return self.is_unreported or self._is_order_in_question

    @property
    def _is_order_in_question(self) -> bool:
        """Whether the books may yet say otherwise of an order. Asked after every event, hence loops."""
        for order in (self.entry, self.stop, self.exit):
            if order is None:
                continue
            if order.changed_ns or order.doubted_ns or order.is_unsettled or order.is_bound_by_books:
                return True
        for order in self.phantoms:
            if order.is_unsettled or order.is_bound_by_books:
                return True
        for order in self.retired:  # noqa: SIM110 -- a generator has a frame of its own
            if order.is_bound_by_books:
                return True
        return False

    @property
    def is_unreported(self) -> bool:
        """A trade is over, and the tradebook has not told yet what it was worth to the paisa."""
        if not self.position.entered or self.held or self.slots:
            return False
        return any(not order.is_value_exact for order in self.retired[self.retired_before :])

    @property
    def is_unsettled(self) -> bool:
        """Whether a question about an order that left its slot is still open; a tombstone is none."""
        return any(order.is_unsettled for order in self.phantoms)

    @property
    def is_unseen(self) -> bool:
        """Shares are held, and the read of the books that was wished for has not come yet."""
        return self.held != 0 and self.want_seq > self.books_seq

    @property
    def is_quiet(self) -> bool:
        """No entry that may fill, no question open about any order, nothing held that is to be looked at."""
        if self.entry is not None or self.is_unseen:
            return False
        asking = (OrderState.IN_FLIGHT, OrderState.MODIFYING)
        return not any(o.is_unsettled or o.state in asking for o in (*self.slots, *self.phantoms))

    @property
    def is_idle(self) -> bool:
        """Nothing held, nothing outstanding, nothing armed, nothing left to report."""
        is_busy = self.armed_ns is not None or self.held or self.slots
        return not (is_busy or self.is_unreported)

    def retire(self, order: Order) -> None:
        """Move an ended order out of its slot; late evidence will still find it.

        One concluded absent stays a phantom for the day: should it appear, it is cancelled on sight.
        """
        if self.entry is order:
            self.entry = None
            self.is_entry_at_work = False
            self.provisional = 0
        elif self.stop is order:
            self.stop = None
        elif self.exit is order:
            self.exit = None
        self.phantoms = [other for other in self.phantoms if other is not order]
        (self.phantoms if order.state is OrderState.ABSENT else self.retired).append(order)


def is_unanswered(order: Order) -> bool:
    """Whether it has been sent, no broker id is known, and an answer may still bring one."""
    return order.state in (OrderState.IN_FLIGHT, OrderState.UNDECIDED) and order.sent_ns is not None
