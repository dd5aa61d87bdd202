"""A bench to try the core on: one symbol, a clock that runs, and a broker that does only what it is told.

A test reads as a story: `bench.hold()`, `bench.price(98_90)`, `bench.fill(bench.stop)`. The bench is a desk
(each order intent is admitted as soon as it is asked for, unless ``is_desk_busy``), a market (the core hears
only of prints that breach its guard) and a ledger of what the broker has; the books say what the ledger says.
Every timer is served when it comes due, and more than a few at one instant fail the test.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction

from olaf_async.core.engine import Drop, Engine, Plan, ReadFirst, Send, Wait
from olaf_async.core.guards import STANDARD, Guards
from olaf_async.core.invariants import Check, check
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.core.state import SymbolState
from olaf_async.domain.bar import Bar
from olaf_async.domain.events import (
    BarClosed,
    BooksRead,
    Command,
    Commanded,
    Event,
    OrderAnswered,
    OrderRow,
    OrderUpdated,
    Outcome,
    PositionRow,
    PriceTouched,
    QuoteRead,
    RunBegan,
    Status,
    StreamChanged,
    TimerDue,
    TradeRow,
    Verb,
)
from olaf_async.domain.intents import (
    CancelOrder,
    Intent,
    ModifyOrder,
    OrderIntent,
    PlaceOrder,
    ReadQuote,
    ReportTrade,
    Say,
)
from olaf_async.domain.order import Order, OrderState, PriceType, Side, Terms
from olaf_async.domain.price import Paise
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Direction, Setup
from olaf_async.domain.trade import Trade
from olaf_async.strategies.eighty_twenty import EightyTwenty, EightyTwentyRules

MS = 1_000_000
DAY = date(2026, 11, 23)
OPEN_NS = 33_300 * SECOND_NS
ACT_NS = OPEN_NS + 60 * SECOND_NS
EXIT_NS = 53_100 * SECOND_NS
CLOSE_NS = 55_800 * SECOND_NS
SESSION = Session(DAY, OPEN_NS, ACT_NS, EXIT_NS, CLOSE_NS)

ENTRY, TRIGGER, TICK, TRUE_RANGE = 100_00, 99_50, 5, 2_00
INITIAL = 99_00
"""The initial stop of a long filled at its entry: half a true range below."""
STRATEGY = EightyTwentyRules(trigger_window_ns=3600 * SECOND_NS, bar_ns=900 * SECOND_NS)
RULES = Rules(quantity=10, stop_limit_pct=Fraction(1), entry_limit_pct=Fraction(3, 10))

VERBS: dict[type[OrderIntent], Verb] = {
    PlaceOrder: Verb.PLACE,
    ModifyOrder: Verb.MODIFY,
    CancelOrder: Verb.CANCEL,
}
TIMERS_AT_ONE_INSTANT = 5


def setup(symbol: str = "ABC", direction: Direction = Direction.LONG, true_range: int = TRUE_RANGE) -> Setup:
    return Setup(symbol, DAY, ENTRY, ENTRY - direction * (ENTRY - TRIGGER), TICK, true_range, direction)


def plan(
    symbol: str = "ABC",
    direction: Direction = Direction.LONG,
    rules: EightyTwentyRules = STRATEGY,
    true_range: int = TRUE_RANGE,
) -> Plan:
    chosen = setup(symbol, direction, true_range)
    return Plan(chosen, SESSION, EightyTwenty(chosen, SESSION, rules))


def where(order: Order) -> OrderState:
    """Where an order is now. A call, so that the type checker does not hold an order to its last answer."""
    return order.state


@dataclass(slots=True)
class Ledger:
    """What the broker truly has."""

    orders: dict[str, OrderRow]
    trades: list[TradeRow]
    positions: dict[str, int]

    def execute(self, order_id: str, quantity: int, price: Paise) -> None:
        row = self.orders[order_id]
        self.trades.append(TradeRow(order_id, row.symbol, row.side, quantity, price))
        self.positions[row.symbol] = self.positions.get(row.symbol, 0) + row.side.sign * quantity
        done = [trade for trade in self.trades if trade.order_id == order_id]
        filled = sum(trade.quantity for trade in done)
        average = sum(trade.quantity * trade.price for trade in done) // filled
        status = Status.COMPLETE if filled == row.quantity else row.status
        self.orders[order_id] = replace(row, filled=filled, average=average, status=status)


class Bench:
    """See the module. ``now_ns`` is the clock, ``sent`` what left the desk, ``says`` what was said."""

    def __init__(
        self,
        *,
        symbols: Sequence[str] = ("ABC",),
        direction: Direction = Direction.LONG,
        rules: Rules = RULES,
        strategy: EightyTwentyRules = STRATEGY,
        guards: Guards = STANDARD,
        check: Check = check,
        true_range: int = TRUE_RANGE,
    ) -> None:
        plans = [plan(name, direction, strategy, true_range) for name in symbols]
        self.engine = Engine(plans, rules, guards, check)
        self.symbol = symbols[0]
        self.now_ns = ACT_NS
        self.is_desk_busy = False
        self.waiting: list[OrderIntent] = []
        self.dropped: list[str] = []
        self.sent: list[OrderIntent] = []
        self.quotes_asked = 0
        self.says: list[Say] = []
        self.trades: list[Trade] = []
        self.ledger = Ledger({}, [], {})
        self.open: list[OrderIntent] = []
        self.kept: list[OrderIntent] = []
        self._lasts: dict[str, tuple[Paise, int]] = {}
        self._timers: dict[str, tuple[int, int]] = {}

    # --- what there is ----------------------------------------------------------------------------

    @property
    def state(self) -> SymbolState:
        return self.engine.traders[self.symbol].state

    @property
    def entry(self) -> Order:
        assert self.state.entry is not None, "there is no entry"
        return self.state.entry

    @property
    def stop(self) -> Order:
        assert self.state.stop is not None, "there is no stop"
        return self.state.stop

    @property
    def exit(self) -> Order:
        assert self.state.exit is not None, "there is no exit"
        return self.state.exit

    @property
    def said(self) -> list[str]:
        return [say.code for say in self.says]

    def is_quiet(self) -> bool:
        return self.engine.is_quiet

    def frozen(self) -> str | None:
        return self.state.frozen

    def take(self) -> list[OrderIntent]:
        """What has left the desk since last asked."""
        taken, self.sent = self.sent, []
        return taken

    def took(self) -> list[str]:
        """As ``take``, in words: ``place stop``."""
        return [f"{VERBS[type(intent)].value} {intent.role.value}" for intent in self.take()]

    # --- clock, market ----------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        """Hand the core one event, carry out what it wants, and serve the timers that are due."""
        self._handle(event)
        self._serve_timers()

    def later(self) -> int:
        """A millisecond passes."""
        self.now_ns += MS
        return self.now_ns

    def wait(self, seconds: float) -> None:
        self.wait_until(self.now_ns + round(seconds * SECOND_NS))

    def wait_until(self, at_ns: int) -> None:
        while (due_ns := self._due_ns()) <= at_ns:
            self.now_ns = max(self.now_ns, due_ns)
            self._serve_timers()
        self.now_ns = at_ns

    def price(self, price: Paise) -> None:
        """One print; the core hears of it where it breaches the guard."""
        at_ns = self.later()
        self._serve_timers()
        self._lasts[self.symbol] = price, at_ns
        if self.engine.guard(self.symbol).is_breached_by(price):
            self.tell(PriceTouched(self.symbol, at_ns, price))

    def bar(self, open_: Paise, high: Paise, low: Paise, close: Paise, span_s: int = 900) -> None:
        """A bar ends now."""
        at_ns = self.later()
        bar = Bar(at_ns - span_s * SECOND_NS, at_ns, open_, high, low, close)
        self.tell(BarClosed(self.symbol, at_ns, bar))

    def quote(self, price: Paise | None) -> None:
        self.tell(QuoteRead(self.symbol, self.later(), price))

    def command(self, command: Command, symbol: str | None = None) -> None:
        self.tell(Commanded(self.later(), command, symbol))

    def stream(self, *, is_up: bool) -> None:
        self.tell(StreamChanged(self.later(), is_up))

    def _due_ns(self) -> int:
        return min(self.engine.guard(symbol).due_ns for symbol in self.engine.traders)

    def _serve_timers(self) -> None:
        while self._due_ns() <= self.now_ns:
            symbol = min(self.engine.traders, key=lambda name: self.engine.guard(name).due_ns)
            at_ns, count = self._timers.get(symbol, (0, 0))
            count = count + 1 if at_ns == self.now_ns else 1
            self._timers[symbol] = self.now_ns, count
            assert count <= TIMERS_AT_ONE_INSTANT, f"timers without end at {self.now_ns}"
            last, last_ns = self._lasts.get(symbol, (None, OPEN_NS))
            self._handle(TimerDue(symbol, self.now_ns, last, last_ns))

    def begin_again(self, *unsent: str, after_s: float = 20) -> None:
        """The engine dies: what its desk had not sent, every answer under way and all prices are lost.

        A new run begins.
        """
        self.is_desk_busy = False
        self.waiting.clear()
        self.open.clear()
        self._lasts.clear()
        self.now_ns += round(after_s * SECOND_NS)
        self.tell(RunBegan(self.now_ns, unsent))

    # --- desk -------------------------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        for intent in self.engine.handle(event):
            self._carry_out(intent)

    def _carry_out(self, intent: Intent) -> None:
        match intent:
            case PlaceOrder() | ModifyOrder() | CancelOrder():
                self.waiting.append(intent)
                if not self.is_desk_busy:
                    self.desk()
            case ReadQuote():
                self.quotes_asked += 1
            case Say():
                self.says.append(intent)
            case ReportTrade(trade):
                self.trades.append(trade)

    def desk(self) -> None:
        """The desk takes up what is waiting."""
        self.is_desk_busy = False
        waiting, self.waiting = self.waiting, []
        for intent in waiting:
            self.admit(intent)

    def admit(self, intent: OrderIntent, reads: int = 2) -> None:
        match self.engine.admit(intent, self.now_ns):
            case Send(admitted):
                self.sent.append(admitted)
                self.open.append(admitted)
            case Drop(why):
                self.dropped.append(why)
                self._answer(intent, Outcome.NOT_SENT, None, why)
            case ReadFirst() if reads:
                self.books()
                self.admit(intent, reads - 1)
            case Wait() | ReadFirst():
                self.waiting.append(intent)

    def _answer(self, intent: OrderIntent, outcome: Outcome, order_id: str | None, why: str) -> None:
        verb = VERBS[type(intent)]
        at_ns = self.later()
        self.tell(
            OrderAnswered(intent.symbol, at_ns, intent.request, intent.key, verb, outcome, order_id, why)
        )

    # --- broker: answers --------------------------------------------------------------------------

    def accept(self, order: Order, order_id: str | None = None) -> None:
        """The newest request for this order succeeds. A cancel is only taken: see ``end``."""
        intent = self._request(order)
        known = self.reach(order, intent, order_id)
        self._answer(intent, Outcome.ACCEPTED, known, "")

    def refuse(self, order: Order, why: str = "no") -> None:
        """The newest request for this order is definitely refused."""
        self._answer(self._request(order), Outcome.REFUSED, None, why)

    def lose(self, order: Order, *, reached: bool = False) -> OrderIntent:
        """No answer comes in time; the request may have ``reached`` the broker all the same."""
        intent = self._request(order)
        if reached:
            self.reach(order, intent)
        self._answer(intent, Outcome.LOST, None, "timeout")
        return intent

    def keep_for_a_person(self, order: Order) -> None:
        """The server holds the newest request for somebody's approval, and says so."""
        intent = self._request(order)
        self.kept.append(intent)
        self._answer(intent, Outcome.QUEUED, None, "waiting")

    def answer_late(
        self, intent: OrderIntent, order_id: str | None, outcome: Outcome = Outcome.ACCEPTED
    ) -> None:
        self._answer(intent, outcome, order_id, "late")

    def reach(self, order: Order, intent: OrderIntent, order_id: str | None = None) -> str:
        """The broker carries out a request; whether anybody hears of it is another matter."""
        match intent:
            case PlaceOrder(symbol=symbol, side=side, price_type=kind, terms=terms):
                order_id = order_id or str(len(self.ledger.orders) + 1)
                self.ledger.orders[order_id] = OrderRow(
                    order_id,
                    symbol,
                    side,
                    kind,
                    Status.WORKING,
                    terms.quantity,
                    terms.price,
                    terms.trigger,
                )
                return order_id
            case ModifyOrder(order_id=known, terms=terms):
                self.show(known, terms)
                return known
            case CancelOrder(order_id=known):
                return known

    def _request(self, order: Order) -> OrderIntent:
        intent = next((intent for intent in reversed(self.open) if intent.key == order.key), None)
        assert intent is not None, f"nothing has been asked about {order.key}"
        self.open.remove(intent)
        return intent

    # --- broker: what happens to orders -----------------------------------------------------------

    def id_of(self, order: Order) -> str:
        """The broker's id of an order, also where the core does not know it yet: the newest that fits."""
        if order.order_id is not None:
            return order.order_id
        fits = (row for row in self.ledger.orders.values() if row.side is order.side)
        return [row.order_id for row in fits if row.trigger == order.terms.trigger][-1]

    def fill(
        self, order: Order, quantity: int | None = None, price: Paise | None = None, *, tells: bool = True
    ) -> None:
        """Shares of an order trade (all that is left of it, at its trigger or price, where not said)."""
        order_id = self.id_of(order)
        row = self.ledger.orders[order_id]
        left = row.quantity - (row.filled or 0)
        self.ledger.execute(order_id, quantity or left, price or row.trigger or row.price)
        if tells:
            self.frame(order_id)

    def end(self, order: Order, status: Status = Status.CANCELLED, *, tells: bool = True) -> None:
        """An order ends at the broker."""
        order_id = self.id_of(order)
        self.ledger.orders[order_id] = replace(self.ledger.orders[order_id], status=status, reason="so be it")
        if tells:
            self.frame(order_id)

    def show(self, order_id: str, terms: Terms) -> None:
        """The broker keeps these terms."""
        self.ledger.orders[order_id] = replace(
            self.ledger.orders[order_id], quantity=terms.quantity, price=terms.price, trigger=terms.trigger
        )

    def stranger(self, side: Side, quantity: int, price: Paise = ENTRY, *, tells: bool = True) -> str:
        """Somebody else trades the symbol on the same account."""
        order_id = f"X{len(self.ledger.orders) + 1}"
        self.ledger.orders[order_id] = OrderRow(
            order_id, self.symbol, side, PriceType.LIMIT, Status.WORKING, quantity, price, 0
        )
        self.ledger.execute(order_id, quantity, price)
        if tells:
            self.frame(order_id)
        return order_id

    def frame(self, order_id: str) -> None:
        """The order-update stream tells of an order as it is."""
        self.frame_of(self.ledger.orders[order_id])

    def frame_of(self, row: OrderRow) -> None:
        """The order-update stream tells this."""
        self.tell(OrderUpdated(self.later(), row))

    # --- broker: books ----------------------------------------------------------------------------

    def ask(self) -> BooksRead:
        """A read of the books that has been asked for and answered, but not yet delivered."""
        return BooksRead(
            self.now_ns,
            self.now_ns,
            self.engine.seq,
            tuple(self.ledger.orders.values()),
            tuple(self.ledger.trades),
            tuple(PositionRow(symbol, net) for symbol, net in self.ledger.positions.items()),
        )

    def books(self) -> None:
        """Read the books now."""
        read = self.ask()
        self.tell(replace(read, at_ns=self.later()))

    @property
    def are_books_due(self) -> bool:
        """Whether a read is wanted at once."""
        return self.engine.books_due_ns(self.now_ns) <= self.now_ns

    def read_while_due(self) -> int:
        """Read for as long as the core wants it at once; how often that was."""
        for count in range(6):
            if not self.are_books_due:
                return count
            self.books()
        raise AssertionError("reads of the books without end")

    def read_apart(self, count: int) -> None:
        """So many reads, each far enough from the one before to count as another."""
        for _ in range(count):
            self.wait(3)
            self.books()

    # --- chapters ---------------------------------------------------------------------------------

    def settle(self) -> None:
        """A calm broker does all that has been asked of it and tells of it, until nothing is open."""
        for _ in range(10):
            while self.open:
                self._oblige(self.open.pop(0))
            self.read_while_due()
            if not self.open:
                return
        raise AssertionError("the core is never content")

    def _oblige(self, intent: OrderIntent) -> None:
        order = next(o for o in self.engine.traders[intent.symbol].state.orders if o.key == intent.key)
        order_id = self.reach(order, intent)
        self._answer(intent, Outcome.ACCEPTED, order_id, "")
        if isinstance(intent, CancelOrder) and self.ledger.orders[order_id].status is Status.WORKING:
            self.end(order)

    def undercut(self) -> Order:
        """A print at the trigger; the entry leaves the desk."""
        self.price(self.state.setup.trigger_price)
        return self.entry

    def rest(self) -> Order:
        """The entry rests at the broker, read back."""
        entry = self.undercut()
        self.settle()
        self.take()
        return entry

    def hold_and_stop_out(self) -> None:
        """A whole trade, from the undercut to its stop."""
        self.fill(self.hold())
        self.settle()
        self.take()

    def hold_now(self) -> Order:
        """The entry that is on its way fills and is protected."""
        self.settle()
        self.fill(self.entry)
        self.settle()
        return self.stop

    def hold(self, quantity: int = 10, price: Paise = ENTRY) -> Order:
        """Shares are held and their stop rests at the broker, read back."""
        self.fill(self.rest(), quantity, price)
        self.settle()
        self.take()
        return self.stop

    def raising(self) -> Order:
        """Shares are held, and a raise of their stop is on its way."""
        stop = self.hold()
        self.bar(100_00, 101_00, 99_80, 100_50)
        return stop
