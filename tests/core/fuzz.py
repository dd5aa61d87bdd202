"""The core's world for one tape: a market, a desk and books as the shell would keep them, and that broker.

Owns the order in which things happen, which the tape decides, and the time they take. A request takes effect
within the settle time or not at all (unless the broker of this run breaks its word), and a read shows each
book as it was at some instant after it was asked for; everything else may be late, lost, doubled or torn.
After the tape come a calm in which all must come right, the deadline, and another calm.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction

from olaf_async.core.engine import Drop, Engine, Plan, ReadFirst, Send, Wait
from olaf_async.core.guards import STANDARD, Guards
from olaf_async.core.market import SymbolMarket
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import (
    BooksFailed,
    BooksRead,
    ClockSkewed,
    Command,
    Commanded,
    Event,
    Marked,
    Mode,
    ModeSeen,
    OrderAnswered,
    OrderRow,
    OrderUpdated,
    Outcome,
    PositionRow,
    QuoteRead,
    StreamChanged,
    TradeRow,
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
from olaf_async.domain.order import Role, Side
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Direction, Setup
from olaf_async.domain.trade import Trade
from olaf_async.errors import BrokerRejected
from olaf_async.strategies.eighty_twenty import EightyTwenty, EightyTwentyRules
from tests.core import fuzz_checks as check
from tests.core.fuzz_broker import TICK, UNTRUE, Broker, Fault, Tape
from tests.core.fuzz_checks import Watched, Wrong
from tests.core.fuzz_words import VERBS, brief

MS = 1_000_000
DAY = date(2026, 11, 23)
OPEN_NS = 33_300 * SECOND_NS
EXIT_NS = OPEN_NS + 1200 * SECOND_NS
CLOSE_NS = EXIT_NS + 1800 * SECOND_NS
SESSION = Session(DAY, OPEN_NS, OPEN_NS, EXIT_NS, CLOSE_NS)
STARTS_NS = (*[OPEN_NS + 60 * SECOND_NS] * 7, EXIT_NS - 20 * SECOND_NS)
ENTRY, UNDERCUT, TRUE_RANGE = 100_00, 50, 2_00
BAR_NS = 20 * SECOND_NS
TIMEOUT_NS = 5 * SECOND_NS
LATEST_NS = 120 * SECOND_NS
"""After its sending, when a request takes effect at the latest."""
CALM_S = 200
STEPS_AT_ONE_INSTANT = 200
MOST_EVENTS = 10_000
PAUSES_S = (0.01, 0.02, 0.05, 0.1, 0.3, 0.3, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 5, 6, 12, 20, 31, 140)


@dataclass(slots=True, eq=False)
class Request:
    """A call on its way: from the desk to the broker, and its answer back."""

    intent: OrderIntent
    admitted: OrderIntent
    sent_ns: int
    has_arrived: bool = False
    answer: tuple[Outcome, str | None, str] | None = None
    is_answered: bool = False
    is_told_lost: bool = False

    @property
    def is_waited_for(self) -> bool:
        return not (self.is_answered or self.is_told_lost)

    @property
    def is_on_the_way_back(self) -> bool:
        return self.answer is not None and not self.is_answered

    @property
    def is_over(self) -> bool:
        return self.has_arrived and not self.is_waited_for and not self.is_on_the_way_back


@dataclass(slots=True)
class Reading:
    """A read of the books under way: order book, then tradebook, then positions."""

    asked_ns: int
    asked_seq: int
    orders: tuple[OrderRow, ...] | None = None
    trades: tuple[TradeRow, ...] | None = None
    positions: tuple[PositionRow, ...] | None = None
    lied_about: set[str] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Step:
    """An intent at the desk: when it may be tried again (0: now), and whether it waits for a read."""

    intent: OrderIntent
    ready_ns: int = 0
    wants_read: bool = False
    has_read: bool = False

    @property
    def is_protective(self) -> bool:
        return isinstance(self.intent, CancelOrder) or self.intent.role is not Role.ENTRY


@dataclass(slots=True)
class Symbol:
    """One symbol's market and desk. ``holder`` is the step whose call holds the lock."""

    watched: Watched
    market: SymbolMarket
    desk: list[Step] = field(default_factory=list)
    holder: Step | None = None

    @property
    def name(self) -> str:
        return self.watched.name


class World:
    """One run. ``log`` tells the story; ``play`` raises Wrong where a promise was broken.

    ``guards`` are the engine's; a test takes one out to see that its absence is noticed.
    """

    def __init__(self, data: bytes, guards: Guards = STANDARD) -> None:
        self.tape = tape = Tape(data)
        self.faults = Fault(tape.pick(256) | tape.pick(256) << 8)
        broken_word = tape.pick(32)
        if broken_word >= 30:
            self.faults |= (Fault.GHOSTS, Fault.QUEUES)[broken_word - 30]
        direction = (Direction.LONG, Direction.SHORT)[tape.pick(2)]
        quantity = (10, 1, 3, 40)[tape.pick(4)]
        names = ("ABC", "XYZ")[: 1 + tape.pick(2)]
        self.rules = Rules(
            quantity=quantity,
            idle_poll_ns=15 * SECOND_NS,
            max_orders_per_s=(8, 2)[tape.one_in(4)],
            max_daily_loss=(None, 3_00 * quantity)[tape.pick(2)],
            stop_limit_pct=(Fraction(1), Fraction(1, 10))[tape.pick(2)],
        )
        self.now_ns = STARTS_NS[tape.pick(len(STARTS_NS))]
        plans = [plan_of(name, direction, is_immediate=bool(tape.pick(2))) for name in names]
        self.engine = Engine(plans, self.rules, guards)
        self.symbols = {
            name: Symbol(
                Watched(name, direction, quantity),
                SymbolMarket(name, SESSION, BAR_NS, self.engine.guard(name)),
            )
            for name in names
        }
        self.log: list[str] = []
        self.broker = Broker(tape, dict.fromkeys(names, ENTRY + 10 * direction), self.note)
        self.broker.faults = self.faults
        self.requests: list[Request] = []
        self.queue: list[PlaceOrder] = []
        self.echoes: list[OrderAnswered] = []
        self.quotes: list[str] = []
        self.reading: Reading | None = None
        self.reports: list[Trade] = []
        self.sends_ns: list[int] = []
        self.modifies: dict[str, int] = {}

    def state(self, symbol: str) -> SymbolState:
        return self.engine.traders[symbol].state

    def has(self, fault: Fault, odds: int = 4) -> bool:
        return self.broker.has(fault, odds)

    def note(self, text: str) -> None:
        self.log.append(f"{(self.now_ns - OPEN_NS) / SECOND_NS:9.3f} {text}")

    # --- the story --------------------------------------------------------------------------------

    def play(self) -> None:
        """Everything on the tape, then a calm end in which all must come right."""
        while not self.tape.is_over and self.now_ns < EXIT_NS + 300 * SECOND_NS:
            possible = self._possible()
            possible[self.tape.pick(len(possible))]()
            self._serve_desk(everything=False)
            self.pass_time(MS)
        self._calm_down()

    def _possible(self) -> list[Callable[[], None]]:
        """What may happen next, each as often as it should."""
        actions: list[tuple[int, bool, Callable[[], None]]] = [
            (3, True, self.a_print),
            (2, True, self.a_while),
            (5, any(not request.has_arrived for request in self.requests), self.a_request_arrives),
            (5, any(request.is_on_the_way_back for request in self.requests), self.an_answer_comes),
            (4, bool(self.broker.frames), self.a_frame_comes),
            (4, self.reading is not None, self.books_come),
            (3, bool(self.quotes), self.a_quote_comes),
            (1, bool(self.broker.orders), self.broker.fill_more),
            (2, any(held.is_cancel_due for held in self.broker.orders.values()), self.a_cancel_is_done),
            (1, Fault.FOREIGN_HANDS in self.faults, self.a_foreign_hand),
            (1, Fault.TAKES_AWAY in self.faults, self.an_order_is_taken_away),
            (1, Fault.COMMANDS in self.faults, self.a_command),
            (1, bool(self.queue), self.a_person_releases),
            (1, bool(self.echoes), self.an_echo_comes),
        ]
        return [action for weight, is_possible, action in actions if is_possible for _ in range(weight)]

    def tell(self, event: Event) -> None:
        """Hand the core one event and take down what it wants."""
        self.note(f"-> {brief(event)}")
        if self.engine.seq > MOST_EVENTS:
            raise Wrong(f"{self.engine.seq} events in one day, the last of them {brief(event)}")
        intents = self.engine.handle(event)
        for name, symbol in self.symbols.items():
            symbol.market.guard = self.engine.guard(name)
        for intent in intents:
            self._take(intent)
        if isinstance(event, OrderAnswered):
            symbol = self.symbols[event.symbol]
            if symbol.holder is not None and symbol.holder.intent.request == event.request:
                symbol.holder = None
        self._check_truth()

    def _take(self, intent: Intent) -> None:
        self.note(f"   {brief(intent)}")
        match intent:
            case PlaceOrder() | ModifyOrder() | CancelOrder():
                self.symbols[intent.symbol].desk.append(Step(intent))
            case ReadQuote(symbol=name):
                self.quotes.append(name)
            case Say(symbol=name, code=code):
                if name is not None:
                    self.symbols[name].watched.codes.add(code)
                    check.of_say(intent, self.broker, self.symbols[name].watched)
            case ReportTrade(trade=trade):
                self.reports.append(trade)

    def _check_truth(self) -> None:
        for symbol in self.symbols.values():
            check.of_truth(self.broker, symbol.watched, self.rules)

    # --- market -----------------------------------------------------------------------------------

    def a_print(self) -> None:
        """A price somewhere that matters, seen by the broker first."""
        symbol = self._some_symbol()
        state, sign = self.state(symbol.name), symbol.watched.direction
        here, entry = self.broker.prices[symbol.name] * sign, ENTRY * sign
        if state.stop_level is not None:
            near = (state.stop_level, state.stop_level + TICK, here + 8 * TICK, state.stop_level - 3_00)
        elif state.entry is not None:
            near = (entry, entry + TICK, entry + 3_00, entry - 2 * TICK)
        else:
            near = (entry - UNDERCUT, entry - UNDERCUT, entry - 3_00, entry)
        places = (here, here + TICK, here - TICK, *near, *near)
        self._print(symbol, places[self.tape.pick(len(places))] * sign)

    def _print(self, symbol: Symbol, price: int) -> None:
        self.note(f"print {symbol.name} {price}")
        self.broker.on_price(symbol.name, price)
        self._check_truth()
        if not self.has(Fault.MUTE_FEED):
            touched = symbol.market.take(price, self.now_ns)
            if touched is not None:
                self.tell(touched)

    def a_quote_comes(self) -> None:
        name = self.quotes.pop(0)
        is_known = not self.has(Fault.MUTE_FEED, 3)
        self.tell(QuoteRead(name, self.now_ns, self.broker.prices[name] if is_known else None))

    def _some_symbol(self) -> Symbol:
        symbols = list(self.symbols.values())
        return symbols[self.tape.pick(len(symbols)) if len(symbols) > 1 else 0]

    # --- time -------------------------------------------------------------------------------------

    def a_while(self) -> None:
        self.pass_time(round(PAUSES_S[self.tape.pick(len(PAUSES_S))] * SECOND_NS))

    def pass_time(self, span_ns: int) -> None:
        """Let time run; whatever is due on the way happens when it is due."""
        until_ns = self.now_ns + span_ns
        instant_ns, count = self.now_ns, 0
        while True:
            self._serve_desk(everything=True)
            due_ns = max(self.now_ns, self._next_due_ns())
            if due_ns > until_ns:
                break
            count = count + 1 if due_ns == instant_ns else 0
            instant_ns = self.now_ns = due_ns
            if count > STEPS_AT_ONE_INSTANT:
                raise Wrong(f"time stands still: {self.log[-3:]}")
            self._run_one_due()
        self.now_ns = until_ns

    def _next_due_ns(self) -> int:
        markets = (symbol.market.next_due_ns() for symbol in self.symbols.values())
        steps = (step.ready_ns for symbol in self.symbols.values() for step in symbol.desk if step.ready_ns)
        timeouts = (request.sent_ns + TIMEOUT_NS for request in self.requests if request.is_waited_for)
        if self.reading is not None:
            books_ns = self.reading.asked_ns + TIMEOUT_NS
        else:
            books_ns = self.engine.books_due_ns(self.now_ns)
        return min(*markets, self.engine.mark_due_ns(), books_ns, *steps, *timeouts)

    def _run_one_due(self) -> None:
        for symbol in self.symbols.values():
            event = symbol.market.pop_bar(self.now_ns) or symbol.market.pop_timer(self.now_ns)
            if event is not None:
                self.tell(event)
                return
        if self.engine.mark_due_ns() <= self.now_ns:
            prices = ((name, self.broker.prices[name]) for name in self.engine.held_symbols)
            self.tell(Marked(self.now_ns, tuple(prices)))
            return
        for request in self.requests:
            if request.is_waited_for and request.sent_ns + TIMEOUT_NS <= self.now_ns:
                request.is_told_lost = True
                self._answer(request.intent, Outcome.LOST, None, "no answer in time")
                return
        self._run_books()
        for symbol in self.symbols.values():
            for step in symbol.desk:
                if step.ready_ns <= self.now_ns:
                    step.ready_ns = 0

    def _run_books(self) -> None:
        reading = self.reading
        if reading is None:
            if self.engine.books_due_ns(self.now_ns) <= self.now_ns:
                self.reading = Reading(self.now_ns, self.engine.seq)
        elif reading.asked_ns + TIMEOUT_NS <= self.now_ns:
            self._end_reading(BooksFailed(self.now_ns, reading.asked_seq, "no answer in time"))

    # --- desk -------------------------------------------------------------------------------------

    def _serve_desk(self, *, everything: bool) -> None:
        """Let the desk do what it can do now; sometimes something else happens before it comes to it."""
        for symbol in self.symbols.values():
            while symbol.desk and (everything or self.tape.pick(4) != 3):
                if not self._desk_moves(symbol):
                    break

    def _desk_moves(self, symbol: Symbol) -> bool:
        """One step of one symbol's desk: the lock, the core's word, the call. False where it has to wait."""
        ready = [step for step in symbol.desk if not step.ready_ns]
        if symbol.holder is not None:
            if self._is_out(symbol.holder) and not any(step.is_protective for step in ready):
                return False
            symbol.holder = None
        reading = [step for step in ready if step.wants_read]
        if reading and not any(step.is_protective for step in ready if step is not reading[0]):
            return False
        step = next((step for step in ready if not step.wants_read), None)
        if step is None:
            return False
        symbol.desk.remove(step)
        self._try(symbol, step)
        return True

    def _is_out(self, step: Step) -> bool:
        """Whether its call is out, unanswered, and its question still open."""
        asked = [request for request in self.requests if request.intent is step.intent]
        return bool(asked) and asked[-1].is_waited_for and self.engine.is_open(step.intent)

    def _try(self, symbol: Symbol, step: Step) -> None:
        intent = step.intent
        verdict = self.engine.admit(intent, self.now_ns)
        self.note(f"desk: {brief(intent)}: {type(verdict).__name__} {getattr(verdict, 'why', '')}")
        match verdict:
            case Send(intent=admitted):
                self._send(symbol, step, admitted)
            case Wait(until_ns=until_ns):
                if until_ns <= self.now_ns:
                    raise Wrong(f"{intent} is to wait for the past")
                step.ready_ns = until_ns
                symbol.desk.append(step)
            case ReadFirst():
                if step.has_read:
                    step.ready_ns, step.has_read = self.now_ns + self.rules.read_gap_ns, False
                else:
                    step.wants_read = True
                    self.reading = self.reading or Reading(self.now_ns, self.engine.seq)
                symbol.desk.insert(0, step)
            case Drop(why=why):
                self._answer(intent, Outcome.NOT_SENT, None, why)

    def _send(self, symbol: Symbol, step: Step, admitted: OrderIntent) -> None:
        check.of_send(admitted, self.state(symbol.name), self.broker, symbol.watched)
        self.sends_ns = [at_ns for at_ns in self.sends_ns if at_ns > self.now_ns - SECOND_NS] + [self.now_ns]
        if len(self.sends_ns) > self.rules.max_orders_per_s:
            raise Wrong(f"{len(self.sends_ns)} calls in one second")
        if isinstance(admitted, ModifyOrder):
            self.modifies[admitted.key] = self.modifies.get(admitted.key, 0) + 1
            if self.modifies[admitted.key] > self.rules.modifications_max:
                raise Wrong(f"{admitted.key} is modified too often")
        self.requests.append(Request(step.intent, admitted, self.now_ns))
        symbol.holder = step

    # --- requests and answers ---------------------------------------------------------------------

    def a_request_arrives(self) -> None:
        """The broker takes up a request, or it is lost on the way."""
        on_the_way = [request for request in self.requests if not request.has_arrived]
        request = on_the_way[self._one_of(on_the_way)]
        watched = self.symbols[request.intent.symbol].watched
        if self.now_ns - request.sent_ns > LATEST_NS:
            if Fault.GHOSTS not in self.faults:
                request.has_arrived = True  # too late by now: it never happens
                return
            watched.is_haunted = True
        if self.has(Fault.ACTS_LATE):
            return
        if self.has(Fault.TURNS_AWAY, 6):
            self._turn_away(request)
            return
        request.has_arrived = True
        if self.has(Fault.LOSES_ANSWERS):
            self.note(f"broker: never gets {brief(request.admitted)}")
        elif self.has(Fault.REFUSES):
            request.answer = Outcome.REFUSED, None, "no"
        elif isinstance(request.admitted, PlaceOrder) and self.has(Fault.QUEUES):
            request.answer = Outcome.QUEUED, None, "waiting for a person"
            self._queue(request.admitted, watched)
        else:
            self._act(request)

    def _queue(self, order: PlaceOrder, watched: Watched) -> None:
        self.note(f"broker: keeps {brief(order)} for a person")
        self.queue.append(order)
        watched.queued.add(order.role)

    def a_person_releases(self) -> None:
        """What waited at the server goes to the broker now; nobody says so but the stream and the books.

        It gets the terms it was asked for with, for nothing else lets it be recognised.
        """
        order = self.queue.pop(self._one_of(self.queue))
        self.broker.faults = self.faults & ~Fault.CHANGES_TERMS
        try:
            self.broker.carry_out(order)
        except BrokerRejected as refused:
            self.note(f"broker: refuses {brief(order)}: {refused}")
        self.broker.faults = self.faults
        self._check_truth()

    def _act(self, request: Request) -> None:
        try:
            order_id = self.broker.carry_out(request.admitted)
        except BrokerRejected as refused:
            self.note(f"broker: refuses {brief(request.admitted)}: {refused}")
            request.answer = Outcome.REFUSED, None, str(refused)
        else:
            request.answer = Outcome.ACCEPTED, order_id, ""
            watched = self.symbols[request.intent.symbol].watched
            watched.is_changed_late |= isinstance(request.intent, ModifyOrder) and request.is_told_lost
            self._check_truth()
            if not self.broker.orders[order_id].is_as_asked:
                # What was done is not what was asked: only the answer lets that be recognised.
                self._deliver(request)
                return
        if self.has(Fault.LOSES_ANSWERS, 3):
            self.note("broker: its answer is lost")
            request.answer = None

    def _turn_away(self, request: Request) -> None:
        """A limiter: nothing happened; the desk begins again where its question is still open."""
        self.requests.remove(request)
        if not request.is_waited_for:
            return
        if not self.engine.is_open(request.intent):
            self._answer(request.intent, Outcome.REFUSED, None, "429")
            return
        symbol = self.symbols[request.intent.symbol]
        if symbol.holder is not None and symbol.holder.intent is request.intent:
            symbol.holder = None
        symbol.desk.append(Step(request.intent, self.now_ns + SECOND_NS))

    def an_answer_comes(self) -> None:
        waiting = [request for request in self.requests if request.is_on_the_way_back]
        self._deliver(waiting[self._one_of(waiting)])

    def _deliver(self, request: Request) -> None:
        assert request.answer is not None, "there is an answer"
        request.is_answered = True
        answered = self._answer(request.intent, *request.answer)
        if self.has(Fault.REPEATS):
            self.echoes.append(answered)

    def an_echo_comes(self) -> None:
        """An answer is told once more, however long after."""
        echo = self.echoes.pop(self._one_of(self.echoes))
        self.tell(replace(echo, at_ns=self.now_ns))

    def _answer(self, intent: OrderIntent, outcome: Outcome, order_id: str | None, why: str) -> OrderAnswered:
        verb = VERBS[type(intent)]
        answered = OrderAnswered(
            intent.symbol, self.now_ns, intent.request, intent.key, verb, outcome, order_id, why
        )
        self.tell(answered)
        return answered

    def _one_of(self, waiting: Sequence[object]) -> int:
        """The first, or any where this broker does not keep order."""
        return self.tape.pick(len(waiting)) if Fault.REORDERS in self.faults else 0

    # --- frames, books ----------------------------------------------------------------------------

    def a_frame_comes(self) -> None:
        frames = self.broker.frames
        index = self._one_of(frames)
        row = frames[index] if self.has(Fault.REPEATS) else frames.pop(index)
        self.tell(OrderUpdated(self.now_ns, row))

    def books_come(self) -> None:
        """A read goes on: each book as it is at that instant, so that they may not fit each other."""
        reading = self.reading
        assert reading is not None, "a read is under way"
        is_torn = Fault.TORN_BOOKS in self.faults
        if is_torn and self.tape.one_in(8):
            self._end_reading(BooksFailed(self.now_ns, reading.asked_seq, "500"))
            return
        if reading.orders is None:
            reading.orders = self.broker.order_book(reading.lied_about)
            if is_torn and self.tape.pick(2):
                return
        if reading.trades is None:
            reading.trades = tuple(self.broker.trades)
            if is_torn and self.tape.pick(2):
                return
        if reading.positions is None:
            reading.positions = self.broker.positions()
            if is_torn and self.tape.pick(2):
                return
        self.broker.was_believed(reading.lied_about)
        books = reading.orders, reading.trades, reading.positions
        self._show(*books)
        self._end_reading(BooksRead(self.now_ns, reading.asked_ns, reading.asked_seq, *books))

    def _show(
        self, orders: Sequence[OrderRow], trades: Sequence[TradeRow], positions: Sequence[PositionRow]
    ) -> None:
        """What a read tells of the account, where its three books fit each other."""
        known = {row.order_id for row in orders}
        for position in positions:
            done = [trade for trade in trades if trade.symbol == position.symbol]
            is_sum = position.quantity == sum(trade.side.sign * trade.quantity for trade in done)
            if is_sum and all(trade.order_id in known for trade in done):
                self.symbols[position.symbol].watched.shown = position.quantity

    def _end_reading(self, outcome: BooksRead | BooksFailed) -> None:
        self.reading = None
        self.tell(outcome)
        for symbol in self.symbols.values():
            for step in symbol.desk:
                if step.wants_read:
                    step.wants_read, step.has_read = False, True

    # --- other hands ------------------------------------------------------------------------------

    def a_cancel_is_done(self) -> None:
        self.broker.cancels_take_effect(1)

    def a_foreign_hand(self) -> None:
        if self.has(Fault.FOREIGN_HANDS, 3):
            symbol = self._some_symbol()
            side = (Side.SELL, Side.BUY)[self.tape.pick(2)]
            planned = symbol.watched.planned
            self.broker.trade_for_another(symbol.name, side, (planned, 1, 2 * planned)[self.tape.pick(3)])

    def an_order_is_taken_away(self) -> None:
        """An order of ours ends by another hand, by the broker's risk system, or by the exchange."""
        orders = self.broker.orders.values()
        working = [held for held in orders if held.is_working and held.key is not None]
        if working and self.has(Fault.TAKES_AWAY, 3):
            self.broker.end(working[self.tape.pick(len(working))], UNTRUE[self.tape.pick(3)])

    def a_command(self) -> None:
        """A person, a signal, the clock, the server's mode."""
        if not self.has(Fault.COMMANDS, 3):
            return
        now_ns, symbol = self.now_ns, self._some_symbol()
        events: Sequence[Event] = (
            Commanded(now_ns, Command.HALT),
            Commanded(now_ns, Command.RESUME),
            StreamChanged(now_ns, is_up=False),
            StreamChanged(now_ns, is_up=True),
            Commanded(now_ns, Command.FLATTEN, symbol.name),
            ClockSkewed(now_ns, 3 * SECOND_NS),
            ClockSkewed(now_ns, 0),
            ModeSeen(now_ns, Mode.LIVE),
            ModeSeen(now_ns, Mode.ANALYZE),
            Commanded(now_ns, Command.KILL),
            Commanded(now_ns, Command.STOP),
        )
        event = events[self.tape.pick(len(events))]
        if isinstance(event, Commanded) and event.command in (Command.KILL, Command.FLATTEN):
            for each in self.symbols.values():
                each.watched.is_to_be_flat |= event.symbol in (None, each.name)
        self.tell(event)

    # --- the calm end -----------------------------------------------------------------------------

    def _calm_down(self) -> None:
        """Faults end, the broker is prompt and honest, time goes by: belief becomes truth; the day ends."""
        self.note("calm")
        self.faults = self.broker.faults = Fault(0)
        self._run_calmly(CALM_S)
        for name, symbol in self.symbols.items():
            check.of_belief(self.state(name), self.broker, symbol.watched)
            check.of_protection(self.state(name), self.broker, symbol.watched)
        if self.now_ns < EXIT_NS:
            if any(self.state(name).held for name in self.symbols):
                self._run_calmly((EXIT_NS - self.now_ns) // SECOND_NS)
            self.now_ns = EXIT_NS
        self._run_calmly(CALM_S)
        for name, symbol in self.symbols.items():
            check.of_belief(self.state(name), self.broker, symbol.watched)
            check.of_the_end(self.state(name), self.broker, symbol.watched)

    def _run_calmly(self, seconds: int) -> None:
        """A print every ten seconds; whatever is asked is done within a tenth of one."""
        until_ns, printed_ns = self.now_ns + seconds * SECOND_NS, self.now_ns
        while self.now_ns < until_ns:
            self._serve()
            self.pass_time(min(100 * MS, until_ns - self.now_ns))
            self._serve()
            idle_ns = max(0, self._next_due_ns() - self.now_ns)
            self.pass_time(min(10 * SECOND_NS, idle_ns, until_ns - self.now_ns))
            if self.now_ns - printed_ns >= 10 * SECOND_NS:
                printed_ns = self.now_ns
                for symbol in self.symbols.values():
                    self._print(symbol, self.broker.prices[symbol.name])

    def _serve(self) -> None:
        """Everything on its way arrives."""
        on_the_way = 2 * len(self.requests) + len(self.broker.frames)
        for _ in range(STEPS_AT_ONE_INSTANT + on_the_way):
            self._serve_desk(everything=True)
            self.broker.cancels_take_effect(len(self.broker.orders))
            self.requests = [request for request in self.requests if not request.is_over]
            coming = self._arrivals()
            if not coming:
                return
            coming[0]()
        raise Wrong(f"the core is never content: {self.log[-6:]}")

    def _arrivals(self) -> list[Callable[[], None]]:
        arrivals: list[tuple[bool, Callable[[], None]]] = [
            (any(not request.has_arrived for request in self.requests), self.a_request_arrives),
            (any(request.is_on_the_way_back for request in self.requests), self.an_answer_comes),
            (bool(self.broker.frames), self.a_frame_comes),
            (bool(self.quotes), self.a_quote_comes),
            (self.reading is not None, self.books_come),
        ]
        return [arrive for is_waiting, arrive in arrivals if is_waiting]


def plan_of(symbol: str, direction: Direction, *, is_immediate: bool) -> Plan:
    setup = Setup(symbol, DAY, ENTRY, ENTRY - direction * UNDERCUT, TICK, TRUE_RANGE, direction)
    rules = EightyTwentyRules(
        trigger_window_ns=1200 * SECOND_NS, bar_ns=BAR_NS, reenters_at_once=is_immediate
    )
    return Plan(setup, SESSION, EightyTwenty(setup, SESSION, rules))
