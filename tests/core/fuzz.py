"""A broker that does its worst, and the core's world around it, driven by a tape of bytes.

Owns the truth (what the broker did) and every way of telling it late, twice, out of order, in parts or never.
It must never lie about what cannot be checked: a fill it names has happened, a read shows each book as it was
at some instant after it was asked for, and a request takes effect within the settle time or not at all. What
brokers are known to get wrong - a book row with a neighbour's status, a row that is missing, terms that were
not kept - happens, but to an order only once.

Each byte of the tape is one decision. Zero is always the harmless one, so a tape that has been shrunk tells a
short and plain story.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import IntFlag, auto
from fractions import Fraction

from olaf_async.core.engine import Drop, Engine, Plan, ReadFirst, Send, Wait
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
    Status,
    StreamChanged,
    TradeRow,
    Verb,
)
from olaf_async.domain.intents import (
    CancelOrder,
    ModifyOrder,
    OrderIntent,
    PlaceOrder,
    ReadQuote,
    ReportTrade,
    Say,
)
from olaf_async.domain.order import OrderState, PriceType, Role, Side, Terms
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Direction, Setup
from olaf_async.domain.trade import Trade
from olaf_async.strategies.eighty_twenty import EightyTwenty, EightyTwentyRules

MS = 1_000_000
DAY = date(2026, 11, 23)
OPEN_NS = 33_300 * SECOND_NS
EXIT_NS = OPEN_NS + 1200 * SECOND_NS
CLOSE_NS = EXIT_NS + 1800 * SECOND_NS
SESSION = Session(DAY, OPEN_NS, OPEN_NS, EXIT_NS, CLOSE_NS)
ENTRY, UNDERCUT, TICK, TRUE_RANGE = 100_00, 50, 5, 2_00
BAR_NS = 20 * SECOND_NS
TIMEOUT_NS = 5 * SECOND_NS
LATEST_NS = 120 * SECOND_NS
"""After its sending, when a request takes effect at the latest."""
STEPS_AT_ONE_INSTANT = 200

VERBS: dict[type[OrderIntent], Verb] = {
    PlaceOrder: Verb.PLACE,
    ModifyOrder: Verb.MODIFY,
    CancelOrder: Verb.CANCEL,
}
ENDED = (Status.COMPLETE, Status.CANCELLED, Status.REJECTED, Status.EXPIRED)
BROKERS_DOING = re.compile(
    r"the account holds .* where our fills add up to|the broker keeps other terms|is at the broker twice"
)
"""Freezes that say what the broker did. Any other is a contradiction of the core's own."""


class Wrong(AssertionError):
    """The core broke a promise."""


class Fault(IntFlag):
    """What a broker of this run gets up to."""

    LOSES_ANSWERS = auto()
    LOSES_FRAMES = auto()
    REORDERS = auto()
    REPEATS = auto()
    REFUSES = auto()
    ACTS_LATE = auto()
    FILLS_IN_PARTS = auto()
    TAKES_AWAY = auto()
    FOREIGN_HANDS = auto()
    TORN_BOOKS = auto()
    WRONG_ROWS = auto()
    VAGUE_ROWS = auto()
    CHANGES_TERMS = auto()
    COMMANDS = auto()
    MUTE_FEED = auto()
    TURNS_AWAY = auto()
    GHOSTS = auto()
    QUEUES = auto()


class Tape:
    """Decisions, one byte each; past its end every decision is the harmless one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_over(self) -> bool:
        return self._at >= len(self._data)

    def pick(self, choices: int) -> int:
        """A number below ``choices``."""
        if self.is_over:
            return 0
        self._at += 1
        return self._data[self._at - 1] % choices

    def one_in(self, odds: int) -> bool:
        """True about once in so many times; never for a zero."""
        return self.pick(odds) == odds - 1


# --- the broker's truth ---------------------------------------------------------------------------------


@dataclass(slots=True)
class Held:
    """One order as the broker has it. ``key`` and ``role`` are None for other people's orders."""

    order_id: str
    symbol: str
    side: Side
    price_type: PriceType
    terms: Terms
    key: str | None = None
    role: Role | None = None
    status: Status = Status.WORKING
    is_triggered: bool = False
    filled: int = 0
    value: int = 0
    reason: str = ""
    is_cancel_due: bool = False
    is_as_asked: bool = True

    @property
    def is_working(self) -> bool:
        return self.status is Status.WORKING

    @property
    def remaining(self) -> int:
        return self.terms.quantity - self.filled if self.is_working else 0

    def row(self, *, is_vague: bool = False) -> OrderRow:
        """What a book or frame shows of it; a vague one does not know what has filled."""
        average = (2 * self.value + self.filled) // (2 * self.filled) if self.filled else 0
        return OrderRow(
            self.order_id,
            self.symbol,
            self.side,
            self.price_type,
            self.status,
            self.terms.quantity,
            self.terms.price,
            self.terms.trigger,
            None if is_vague else self.filled,
            0 if is_vague else average,
            self.reason,
        )

    def is_met_by(self, price: int) -> bool:
        """Whether it trades at this price now; a stop is set off by it first."""
        if not self.is_working:
            return False
        sign = self.side.sign
        if self.price_type is PriceType.SL and not self.is_triggered:
            self.is_triggered = (price - self.terms.trigger) * sign >= 0
        is_open = self.is_triggered or self.price_type is not PriceType.SL
        return is_open and (self.terms.price - price) * sign >= 0


@dataclass(slots=True)
class Request:
    """A call on its way: from the desk to the broker, and its answer back."""

    intent: OrderIntent
    admitted: OrderIntent
    sent_ns: int
    has_arrived: bool = False
    answer: tuple[Outcome, str | None, str] | None = None
    is_answered: bool = False
    is_told_lost: bool = False


@dataclass(slots=True)
class Reading:
    """A read of the books under way: order book, then tradebook, then positions."""

    asked_ns: int
    asked_seq: int
    orders: tuple[OrderRow, ...] | None = None
    trades: tuple[TradeRow, ...] | None = None
    lied_about: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Step:
    """An intent at the desk, and when it may be tried (again)."""

    intent: OrderIntent
    ready_ns: int = 0
    wants_read: bool = False
    has_read: bool = False

    @property
    def is_protective(self) -> bool:
        return isinstance(self.intent, CancelOrder) or self.intent.role is not Role.ENTRY


@dataclass(slots=True)
class Symbol:
    """One symbol's market, desk and what has been said of it."""

    name: str
    direction: Direction
    planned: int
    market: SymbolMarket
    price: int
    desk: list[Step] = field(default_factory=list)
    holder: Step | None = None
    codes: set[str] = field(default_factory=set)
    is_excused: bool = False
    is_queued: bool = False
    foreign_given: int = 0
    foreign_taken: int = 0


class World:
    """The core, its shell and its broker for one tape. ``log`` tells the story, event by event."""

    def __init__(self, data: bytes) -> None:
        self.tape = Tape(data)
        self.faults = Fault(self.tape.pick(256) | self.tape.pick(256) << 8)
        breaks_its_word = self.tape.pick(32)
        if breaks_its_word > 29:
            self.faults |= (Fault.GHOSTS, Fault.QUEUES)[breaks_its_word - 30]
        style = self.tape.pick(256)
        direction = Direction.SHORT if style & 1 else Direction.LONG
        quantity = (10, 1, 3, 40)[style >> 1 & 3]
        names = ("ABC", "XYZ")[: 1 + (style >> 3 & 1)]
        rules = Rules(
            quantity=quantity,
            idle_poll_ns=15 * SECOND_NS,
            max_orders_per_s=(8, 2, 8, 8)[style >> 4 & 3],
            max_daily_loss=3_00 * quantity if style >> 6 & 1 else None,
            stop_limit_pct=Fraction(1, 10) if style >> 7 & 1 else Fraction(1),
        )
        plans = [_plan(name, direction, second=bool(self.tape.pick(2))) for name in names]
        self.engine = Engine(plans, rules)
        self.rules = rules
        self.now_ns = (OPEN_NS + 60 * SECOND_NS, EXIT_NS - 20 * SECOND_NS)[self.tape.pick(8) == 7]
        self.symbols = {
            plan.setup.symbol: Symbol(
                plan.setup.symbol,
                direction,
                quantity,
                SymbolMarket(plan.setup.symbol, SESSION, BAR_NS, self.engine.guard(plan.setup.symbol)),
                ENTRY + direction * 10,
            )
            for plan in plans
        }
        self.orders: dict[str, Held] = {}
        self.trades: list[TradeRow] = []
        self.requests: list[Request] = []
        self.frames: list[OrderRow] = []
        self.quotes: list[str] = []
        self.reading: Reading | None = None
        self.lied_about: set[str] = set()
        self.is_halted = False
        self.says: list[Say] = []
        self.reports: list[Trade] = []
        self.log: list[str] = []
        self.sends: list[int] = []
        self.modifies: dict[str, int] = {}
        self.must_be_flat: set[str] = set()

    # --- truth ------------------------------------------------------------------------------------

    def state(self, symbol: str) -> SymbolState:
        return self.engine.traders[symbol].state

    def ours(self, symbol: str) -> list[Held]:
        return [held for held in self.orders.values() if held.symbol == symbol and held.key is not None]

    def net(self, symbol: str, *, is_ours: bool) -> int:
        """Shares bought less shares sold, oriented: by our own orders, or by everybody."""
        signed = sum(
            held.side.sign * held.filled
            for held in self.orders.values()
            if held.symbol == symbol and (held.key is not None or not is_ours)
        )
        return signed * self.symbols[symbol].direction

    def has(self, fault: Fault, odds: int = 4) -> bool:
        """Whether this fault strikes now."""
        return bool(self.faults & fault) and self.tape.one_in(odds)

    def note(self, text: str) -> None:
        self.log.append(f"{(self.now_ns - OPEN_NS) / SECOND_NS:10.3f} {text}")

    # --- the story --------------------------------------------------------------------------------

    def play(self) -> None:
        """Everything on the tape, then a calm end in which all must come right."""
        while not self.tape.is_over and self.now_ns < EXIT_NS + 300 * SECOND_NS:
            actions = self._possible()
            actions[self.tape.pick(len(actions))]()
            self._settle_desk(everything=False)
            self.pass_time(MS)
        self.calm_down()

    def _possible(self) -> list[Callable[[], None]]:
        """What may happen next, each as often as it should."""
        actions: list[tuple[int, bool, Callable[[], None]]] = [
            (3, True, self.a_print),
            (2, True, self.a_while),
            (5, any(not request.has_arrived for request in self.requests), self.a_request_arrives),
            (5, any(r.answer is not None and not r.is_answered for r in self.requests), self.an_answer_comes),
            (4, bool(self.frames), self.a_frame_comes),
            (4, self.reading is not None, self.books_come),
            (3, bool(self.quotes), self.a_quote_comes),
            (1, bool(self.orders), self.fill_more),
            (3, any(held.is_cancel_due for held in self.orders.values()), self.a_cancel_takes_effect),
            (1, Fault.FOREIGN_HANDS in self.faults, self.a_foreign_hand),
            (1, Fault.TAKES_AWAY in self.faults, self.an_order_is_taken_away),
            (1, Fault.COMMANDS in self.faults, self.a_command),
        ]
        return [action for weight, is_possible, action in actions if is_possible for _ in range(weight)]

    def tell(self, event: Event) -> None:
        """Hand the core one event and take down what it wants."""
        self.note(f"-> {_brief(event)}")
        intents = self.engine.handle(event)
        for name, symbol in self.symbols.items():
            symbol.market.guard = self.engine.guard(name)
        for intent in intents:
            match intent:
                case PlaceOrder() | ModifyOrder() | CancelOrder():
                    self.note(f"   wants {_brief(intent)}")
                    self.symbols[intent.symbol].desk.append(Step(intent))
                case ReadQuote(symbol=name):
                    self.quotes.append(name)
                case Say():
                    self._heard(intent)
                case ReportTrade(trade=trade):
                    self.note(
                        f"   trade {trade.quantity} {trade.entry_value}->{trade.exit_value} {trade.reason}"
                    )
                    self.reports.append(trade)
        if isinstance(event, OrderAnswered):
            self._free_desk(event)
        self.check()

    def _heard(self, say: Say) -> None:
        self.note(f"   {say.severity.value}: {say.code}: {say.text}")
        self.says.append(say)
        if say.symbol is not None:
            self.symbols[say.symbol].codes.add(say.code)
        if say.code == "frozen" and not BROKERS_DOING.search(say.text):
            raise Wrong(say.text)

    # --- market -----------------------------------------------------------------------------------

    def a_print(self) -> None:
        """A price somewhere that matters, seen by the broker first."""
        symbol = self._some_symbol()
        state = self.state(symbol.name)
        here, entry = symbol.price * symbol.direction, ENTRY * symbol.direction
        if state.stop_level is not None:
            near = (state.stop_level, state.stop_level + TICK, here + 40, state.stop_level - 3_00)
        elif state.entry is not None:
            near = (entry, entry + TICK, entry + 3_00, entry - 10)
        else:
            near = (entry - UNDERCUT, entry - UNDERCUT, entry - 3_00, entry)
        places = (here, here + TICK, here - TICK, *near, *near)
        self.prints(symbol, places[self.tape.pick(len(places))] * symbol.direction)

    def prints(self, symbol: Symbol, price: int) -> None:
        symbol.price = max(TICK, price)
        self.note(f"print {symbol.name} {symbol.price}")
        for held in [*self.orders.values()]:
            if held.symbol == symbol.name and held.is_met_by(symbol.price):
                self.fill(held)
        self.check()
        if not self.has(Fault.MUTE_FEED):
            touched = symbol.market.take(symbol.price, self.now_ns)
            if touched is not None:
                self.tell(touched)

    def fill(self, held: Held) -> None:
        """Some or all of what is left of an order trades at the price of now."""
        left = held.remaining
        quantity = 1 + self.tape.pick(left) if self.has(Fault.FILLS_IN_PARTS, 2) and left > 1 else left
        self.execute(held, quantity, self.symbols[held.symbol].price)
        self.frame(held)

    def execute(self, held: Held, quantity: int, price: int) -> None:
        held.filled += quantity
        held.value += quantity * price
        if held.filled == held.terms.quantity:
            held.status = Status.COMPLETE
        self.trades.append(TradeRow(held.order_id, held.symbol, held.side, quantity, price))
        self.note(
            f"broker: {held.order_id} {held.side.value} filled {quantity} at {price}, {held.remaining} left"
        )
        if held.key is None:
            symbol = self.symbols[held.symbol]
            opening = held.side.sign * symbol.direction * quantity
            symbol.foreign_given += max(0, opening)
            symbol.foreign_taken += max(0, -opening)

    def fill_more(self) -> None:
        """An order that is already open trades on."""
        met = [held for held in self.orders.values() if held.is_met_by(self.symbols[held.symbol].price)]
        if met:
            self.fill(met[self.tape.pick(len(met))])
            self.check()

    # --- time -------------------------------------------------------------------------------------

    def a_while(self) -> None:
        span_s = (
            0.01,
            0.02,
            0.05,
            0.1,
            0.1,
            0.3,
            0.3,
            1,
            1,
            1,
            1,
            1,
            2,
            2,
            2,
            2,
            3,
            3,
            3,
            4,
            5,
            6,
            12,
            20,
            31,
            140,
        )
        self.pass_time(round(span_s[self.tape.pick(len(span_s))] * SECOND_NS))

    def pass_time(self, span_ns: int) -> None:
        """Let time run; whatever is due on the way happens when it is due."""
        until_ns = self.now_ns + span_ns
        instant, count = self.now_ns, 0
        while True:
            self._settle_desk(everything=True)
            due_ns = max(self.now_ns, self._next_due_ns())
            if due_ns > until_ns:
                break
            instant, count = (instant, count + 1) if due_ns == instant else (due_ns, 0)
            if count > STEPS_AT_ONE_INSTANT:
                raise Wrong(f"time stands still: {self.log[-3:]}")
            self.now_ns = due_ns
            self._run_one_due()
        self.now_ns = until_ns

    def _next_due_ns(self) -> int:
        markets = (symbol.market.next_due_ns() for symbol in self.symbols.values())
        steps = (step.ready_ns for symbol in self.symbols.values() for step in symbol.desk if step.ready_ns)
        timeouts = (r.sent_ns + TIMEOUT_NS for r in self.requests if not (r.is_answered or r.is_told_lost))
        reads = [self.reading.asked_ns + TIMEOUT_NS] if self.reading else []
        if self.reading is None:
            reads.append(self.engine.books_due_ns(self.now_ns))
        return min(*markets, self.engine.mark_due_ns(), *steps, *timeouts, *reads)

    def _run_one_due(self) -> None:  # noqa: C901 -- a list of cases
        now_ns = self.now_ns
        for symbol in self.symbols.values():
            bar = symbol.market.pop_bar(now_ns)
            if bar is not None:
                self.tell(bar)
                return
        for symbol in self.symbols.values():
            timer = symbol.market.pop_timer(now_ns)
            if timer is not None:
                self.tell(timer)
                return
        if self.engine.mark_due_ns() <= now_ns:
            held = self.engine.held_symbols
            self.tell(Marked(now_ns, tuple((name, self.symbols[name].price) for name in held)))
            return
        for request in self.requests:
            if not (request.is_answered or request.is_told_lost) and request.sent_ns + TIMEOUT_NS <= now_ns:
                request.is_told_lost = True
                self._answer(request, Outcome.LOST, None, "no answer in 5 s")
                return
        if self.reading is not None and self.reading.asked_ns + TIMEOUT_NS <= now_ns:
            self._end_reading(BooksFailed(now_ns, self.reading.asked_seq, "no answer in 5 s"))
        elif self.reading is None and self.engine.books_due_ns(now_ns) <= now_ns:
            self.reading = Reading(now_ns, self.engine.seq)
        for symbol in self.symbols.values():
            for step in symbol.desk:
                if step.ready_ns <= now_ns:
                    step.ready_ns = 0

    # --- desk -------------------------------------------------------------------------------------

    def _settle_desk(self, *, everything: bool) -> None:
        """Let the desk do what it can do now; sometimes something else happens before it comes to it."""
        for symbol in self.symbols.values():
            while symbol.desk and (everything or self.tape.pick(4) != 3):
                if not self._desk_moves(symbol):
                    break

    def _desk_moves(self, symbol: Symbol) -> bool:
        """One step of one symbol's desk: the lock, the core's word, the call. False where it has to wait."""
        ready = [step for step in symbol.desk if not step.ready_ns]
        is_protection_waiting = any(step.is_protective for step in ready)
        if symbol.holder is not None:
            if not is_protection_waiting and self._is_open(symbol.holder):
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

    def _try(self, symbol: Symbol, step: Step) -> None:
        intent = step.intent
        verdict = self.engine.admit(intent, self.now_ns)
        self.note(f"desk: {_brief(intent)}: {type(verdict).__name__} {getattr(verdict, 'why', '')}")
        match verdict:
            case Send(intent=admitted):
                self._check_send(admitted)
                self.requests.append(Request(intent, admitted, self.now_ns))
                symbol.holder = step
            case Wait(until_ns=until_ns):
                if until_ns <= self.now_ns:
                    raise Wrong(f"the core wants {intent} to wait for the past")
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
                request = Request(intent, intent, self.now_ns)
                self._answer(request, Outcome.NOT_SENT, None, why)

    def _is_open(self, step: Step) -> bool:
        """Whether the desk still waits for this call."""
        asked = [r for r in self.requests if r.intent is step.intent]
        is_waiting = not (asked and (asked[-1].is_answered or asked[-1].is_told_lost))
        return is_waiting and self.engine.is_open(step.intent)

    def _free_desk(self, event: OrderAnswered) -> None:
        symbol = self.symbols[event.symbol]
        if symbol.holder is not None and symbol.holder.intent.request == event.request:
            symbol.holder = None

    # --- requests and answers ---------------------------------------------------------------------

    def _answer(self, request: Request, outcome: Outcome, order_id: str | None, message: str) -> None:
        intent = request.intent
        self.tell(
            OrderAnswered(
                intent.symbol,
                self.now_ns,
                intent.request,
                intent.key,
                VERBS[type(intent)],
                outcome,
                order_id,
                message,
            )
        )

    def a_request_arrives(self) -> None:  # noqa: C901, PLR0911 -- a list of cases
        """The broker takes up a request, or it is lost on the way."""
        on_the_way = [request for request in self.requests if not request.has_arrived]
        if not on_the_way:
            return
        request = on_the_way[self.tape.pick(len(on_the_way)) if self.faults & Fault.REORDERS else 0]
        if self.now_ns - request.sent_ns > LATEST_NS:
            if not self.faults & Fault.GHOSTS:
                request.has_arrived = True  # too late by now: it never happens
                return
            self.symbols[request.intent.symbol].is_excused = True
        if self.has(Fault.ACTS_LATE):
            return
        if self.has(Fault.TURNS_AWAY, 6):
            self._turn_away(request)
            return
        request.has_arrived = True
        if self.has(Fault.LOSES_ANSWERS):
            self.note(f"broker: never gets {_brief(request.admitted)}")
            return
        if self.has(Fault.REFUSES):
            request.answer = Outcome.REFUSED, None, "no"
            return
        if isinstance(request.intent, PlaceOrder) and self.has(Fault.QUEUES):
            request.answer = Outcome.QUEUED, None, "waiting for approval"
            self.symbols[request.intent.symbol].is_queued = True
            return
        if not self._act(request):
            self._deliver(request)
        elif self.has(Fault.LOSES_ANSWERS, 3):
            self.note("broker: its answer is lost")
            request.answer = None

    def _turn_away(self, request: Request) -> None:
        """A limiter: nothing happened, the desk begins again, unless nobody waits for it any more."""
        self.requests.remove(request)
        if self.engine.is_open(request.intent) and not request.is_told_lost:
            symbol = self.symbols[request.intent.symbol]
            if symbol.holder is not None and symbol.holder.intent is request.intent:
                symbol.holder = None
            symbol.desk.append(Step(request.intent, self.now_ns + SECOND_NS))
        elif not request.is_told_lost:
            self._answer(request, Outcome.REFUSED, None, "429")

    def _act(self, request: Request) -> bool:
        """Do it; False where something else was done: then it can only be recognised by its answer."""
        intent = request.admitted
        try:
            order_id = self._carry_out(intent)
        except _Refused as refused:
            request.answer = Outcome.REFUSED, None, str(refused)
            self.note(f"broker: refuses {_brief(intent)}: {refused}")
        else:
            request.answer = Outcome.ACCEPTED, order_id, ""
        self.check()
        known = request.answer[1]
        return known is None or self.orders[known].is_as_asked

    def _carry_out(self, intent: OrderIntent) -> str:
        match intent:
            case PlaceOrder():
                return self._place(intent)
            case ModifyOrder():
                self._modify(intent)
            case CancelOrder():
                held = self.orders[intent.order_id]
                if not held.is_working:
                    raise _Refused("it has ended")
                held.is_cancel_due = True
                if not self.has(Fault.ACTS_LATE, 2):
                    self.end(held, Status.CANCELLED)
        return intent.order_id

    def _place(self, intent: PlaceOrder) -> str:
        price = self.symbols[intent.symbol].price
        held = Held(
            str(len(self.orders) + 1),
            intent.symbol,
            intent.side,
            intent.price_type,
            intent.terms,
            intent.key,
            intent.role,
        )
        if intent.price_type is PriceType.SL and (price - intent.terms.trigger) * intent.side.sign >= 0:
            if not self.has(Fault.REFUSES, 2):
                raise _Refused("the trigger has been reached")
            held.status, held.reason = Status.REJECTED, "the trigger has been reached"
        if self.has(Fault.CHANGES_TERMS, 8):
            held.terms = replace(held.terms, trigger=held.terms.trigger and held.terms.trigger - 7 * TICK)
            held.is_as_asked = False
        self.orders[held.order_id] = held
        self.note(f"broker: has {_brief(intent)} as {held.order_id} {held.status.value}")
        self.frame(held)
        if held.is_met_by(price):
            self.fill(held)
        return held.order_id

    def _modify(self, intent: ModifyOrder) -> None:
        held = self.orders[intent.order_id]
        if not held.is_working:
            raise _Refused("it has ended")
        if intent.terms.quantity <= held.filled:
            raise _Refused("it has filled")
        if self.has(Fault.CHANGES_TERMS, 8):
            self.note("broker: says yes to a change and does nothing")
            held.is_as_asked = False
            return
        price = self.symbols[intent.symbol].price
        is_reached = (price - intent.terms.trigger) * held.side.sign >= 0
        if held.price_type is PriceType.SL and not held.is_triggered and is_reached:
            raise _Refused("the trigger has been reached")
        held.terms = intent.terms
        self.note(f"broker: {held.order_id} is {intent.terms} now")
        self.frame(held)
        if held.is_met_by(price):
            self.fill(held)

    def end(self, held: Held, status: Status) -> None:
        held.status = status
        held.is_cancel_due = False
        self.note(f"broker: {held.order_id} {held.side.value} is {status.value}, {held.filled} filled")
        self.frame(held)

    def a_cancel_takes_effect(self) -> None:
        due = [held for held in self.orders.values() if held.is_cancel_due and held.is_working]
        if due:
            self.end(due[self.tape.pick(len(due))], Status.CANCELLED)
            self.check()

    def an_answer_comes(self) -> None:
        waiting = [r for r in self.requests if r.answer is not None and not r.is_answered]
        if waiting:
            request = waiting[self.tape.pick(len(waiting)) if self.faults & Fault.REORDERS else 0]
            self._deliver(request)

    def _deliver(self, request: Request) -> None:
        assert request.answer is not None
        is_again = self.has(Fault.REPEATS, 8)
        request.is_answered = not is_again
        self._answer(request, *request.answer)

    # --- frames -----------------------------------------------------------------------------------

    def frame(self, held: Held) -> None:
        if not self.has(Fault.LOSES_FRAMES, 2):
            self.frames.append(held.row(is_vague=self.has(Fault.VAGUE_ROWS, 2)))

    def a_frame_comes(self) -> None:
        if not self.frames:
            return
        index = self.tape.pick(len(self.frames)) if self.faults & Fault.REORDERS else 0
        row = self.frames[index] if self.has(Fault.REPEATS) else self.frames.pop(index)
        self.tell(OrderUpdated(self.now_ns, row))

    # --- books ------------------------------------------------------------------------------------

    def books_come(self) -> None:
        """A read goes on: each book as it is at that instant, so that they may not fit each other."""
        reading = self.reading
        if reading is None:
            return
        is_torn = bool(self.faults & Fault.TORN_BOOKS)
        if is_torn and self.tape.one_in(8):
            self._end_reading(BooksFailed(self.now_ns, reading.asked_seq, "500"))
            return
        if reading.orders is None:
            reading.orders = self._order_book(reading)
            if is_torn and self.tape.pick(2):
                return
        if reading.trades is None:
            reading.trades = tuple(self.trades)
            if is_torn and self.tape.pick(2):
                return
        nets = dict.fromkeys(self.symbols, 0)
        for held in self.orders.values():
            nets[held.symbol] += held.side.sign * held.filled
        positions = tuple(PositionRow(name, net) for name, net in nets.items())
        read = BooksRead(
            self.now_ns, reading.asked_ns, reading.asked_seq, reading.orders, reading.trades, positions
        )
        self._end_reading(read)

    def _order_book(self, reading: Reading) -> tuple[OrderRow, ...]:
        """The rows as they are, but for a few that are not; each order's only in one read that succeeds."""
        rows = []
        for held in self.orders.values():
            row = held.row(is_vague=self.has(Fault.VAGUE_ROWS, 2))
            if held.order_id not in self.lied_about and self.has(Fault.WRONG_ROWS, 8):
                reading.lied_about.add(held.order_id)
                if self.tape.pick(2):
                    continue
                if held.is_working:
                    row = replace(row, status=ENDED[1 + self.tape.pick(3)])
                    self.note(f"broker: shows {held.order_id} as {row.status.value}, which it is not")
            rows.append(row)
        return tuple(rows)

    def _end_reading(self, outcome: BooksRead | BooksFailed) -> None:
        assert self.reading is not None
        if isinstance(outcome, BooksRead):
            self.lied_about |= self.reading.lied_about
        self.reading = None
        self.tell(outcome)
        for symbol in self.symbols.values():
            for step in symbol.desk:
                if step.wants_read:
                    step.wants_read, step.has_read = False, True

    # --- other hands ------------------------------------------------------------------------------

    def a_quote_comes(self) -> None:
        if self.quotes:
            name = self.quotes.pop(0)
            is_known = not self.has(Fault.MUTE_FEED, 3)
            self.tell(QuoteRead(name, self.now_ns, self.symbols[name].price if is_known else None))

    def a_foreign_hand(self) -> None:
        """Somebody else buys or sells the share on the same account."""
        if not self.has(Fault.FOREIGN_HANDS, 3):
            return
        symbol = self._some_symbol()
        side = (Side.SELL, Side.BUY)[self.tape.pick(2)]
        quantity = (symbol.planned, 1, 2 * symbol.planned)[self.tape.pick(3)]
        price = symbol.price
        held = Held(f"F{len(self.orders) + 1}", symbol.name, side, PriceType.MARKET, Terms(quantity, 0))
        self.orders[held.order_id] = held
        self.execute(held, quantity, price)
        self.frame(held)

    def an_order_is_taken_away(self) -> None:
        """An order of ours ends by another hand, by the broker's risk system, or by the exchange."""
        if not self.has(Fault.TAKES_AWAY, 3):
            return
        working = [held for held in self.orders.values() if held.is_working and held.key is not None]
        if working:
            held = working[self.tape.pick(len(working))]
            self.end(held, (Status.CANCELLED, Status.REJECTED, Status.EXPIRED)[self.tape.pick(3)])

    def a_command(self) -> None:
        """A person, a signal, the clock, the server's mode."""
        if not self.has(Fault.COMMANDS, 3):
            return
        now_ns = self.now_ns
        name = self._some_symbol().name
        events: Sequence[Event] = (
            Commanded(now_ns, Command.HALT),
            Commanded(now_ns, Command.RESUME),
            StreamChanged(now_ns, is_up=False),
            StreamChanged(now_ns, is_up=True),
            Commanded(now_ns, Command.FLATTEN, name),
            ClockSkewed(now_ns, 3 * SECOND_NS),
            ClockSkewed(now_ns, 0),
            ModeSeen(now_ns, Mode.LIVE),
            Commanded(now_ns, Command.KILL),
            Commanded(now_ns, Command.STOP),
        )
        event = events[self.tape.pick(len(events))]
        self.tell(event)
        if isinstance(event, Commanded) and event.command in (Command.KILL, Command.FLATTEN):
            self.must_be_flat |= {event.symbol} if event.symbol else set(self.symbols)
        if isinstance(event, Commanded) and event.command in (Command.HALT, Command.KILL, Command.STOP):
            self.is_halted = True
        elif isinstance(event, Commanded) and event.command is Command.RESUME:
            self.is_halted = self.engine.account.is_stopping

    def _some_symbol(self) -> Symbol:
        symbols = list(self.symbols.values())
        return symbols[self.tape.pick(len(symbols))] if len(symbols) > 1 else symbols[0]

    # --- what must hold at every step -------------------------------------------------------------

    def check(self) -> None:
        """The broker's truth must never show what the core promises to prevent."""
        for name in self.symbols:
            self._check_symbol(name)

    def _check_symbol(self, name: str) -> None:
        symbol = self.symbols[name]
        if symbol.is_excused or symbol.codes & EXCUSES:
            return
        working = [held for held in self.ours(name) if held.is_working]
        entries = [held for held in working if held.role is Role.ENTRY]
        if len(entries) > 1:
            raise Wrong(f"{name}: two entries stand: {entries}")
        held = self.net(name, is_ours=True)
        filled = [one for one in self.ours(name) if one.role is Role.ENTRY and one.filled]
        if len(filled) > self.rules.max_attempts:
            raise Wrong(f"{name}: {len(filled)} entries have filled")
        if held > symbol.planned:
            raise Wrong(f"{name}: {held} shares held, {symbol.planned} planned")
        # Shares that somebody else bought may look like those of an entry whose answer is open.
        strange = min(symbol.foreign_given, symbol.planned)
        if held < -strange:
            raise Wrong(f"{name}: {-held} shares sold that were never held")
        closing = sum(one.remaining for one in working if one.side.sign * symbol.direction < 0)
        if closing > max(0, held) + strange:
            raise Wrong(f"{name}: {closing} shares for sale, {held} held")

    def _check_send(self, intent: OrderIntent) -> None:
        now_ns = self.now_ns
        self.sends = [at_ns for at_ns in self.sends if at_ns > now_ns - SECOND_NS] + [now_ns]
        if len(self.sends) > self.rules.max_orders_per_s:
            raise Wrong(f"{len(self.sends)} calls in one second")
        state = self.state(intent.symbol)
        if isinstance(intent, ModifyOrder) and intent.role is Role.STOP and state.stop is not None:
            believed = state.stop
            is_lower = state.orient(intent.terms.trigger) < state.orient(believed.terms.trigger)
            if is_lower and believed.key == intent.key and believed.restore is None:
                raise Wrong(f"a stop is lowered: {believed.terms} to {intent.terms}")
        if isinstance(intent, ModifyOrder):
            self.modifies[intent.key] = self.modifies.get(intent.key, 0) + 1
            if self.modifies[intent.key] > self.rules.modifications_max:
                raise Wrong(f"{intent.key} is modified too often")
        if not isinstance(intent, PlaceOrder) or intent.role is not Role.ENTRY:
            return
        if self.is_halted or now_ns >= EXIT_NS or state.frozen or state.is_done:
            raise Wrong(f"an entry leaves although nothing may be risked: {intent}")
        symbol = self.symbols[intent.symbol]
        if self.net(intent.symbol, is_ours=True) and not (symbol.is_excused or symbol.codes & EXCUSES):
            raise Wrong(f"an entry leaves while shares are held: {intent}")

    # --- the calm end -----------------------------------------------------------------------------

    def calm_down(self) -> None:
        """Faults end, everything on its way arrives, the broker is prompt and honest; time goes by."""
        self.note("calm")
        self.faults = Fault(0)
        for request in self.requests:
            if not request.has_arrived and self.now_ns - request.sent_ns > LATEST_NS:
                request.has_arrived = True
        self._run_calmly(200)
        for name in self.symbols:
            self._check_belief(name)
            self._check_protection(name)
        if self.now_ns < EXIT_NS and any(self.state(name).held for name in self.symbols):
            self._run_calmly((EXIT_NS - self.now_ns) // SECOND_NS + 1)
        else:
            self.now_ns = max(EXIT_NS, self.now_ns)
        self._run_calmly(200)
        for name in self.symbols:
            self._check_belief(name)
            self._check_flat(name)

    def _run_calmly(self, seconds: int) -> None:
        """A print every ten seconds, and whatever is asked is done at once."""
        until_ns, printed_ns = self.now_ns + seconds * SECOND_NS, self.now_ns
        while self.now_ns < until_ns:
            self._serve()
            self.pass_time(min(100 * MS, until_ns - self.now_ns))
            self._serve()
            self.pass_time(self._calm_span(until_ns))
            if self.now_ns - printed_ns > 10 * SECOND_NS:
                printed_ns = self.now_ns
                for symbol in self.symbols.values():
                    self.prints(symbol, symbol.price)

    def _calm_span(self, until_ns: int) -> int:
        """Up to the next thing that is due, a second at most while anything is, ten otherwise."""
        is_busy = bool(self.requests or self.frames or self.reading or self.quotes)
        longest = SECOND_NS if is_busy else 10 * SECOND_NS
        return max(0, min(longest, until_ns - self.now_ns, max(0, self._next_due_ns() - self.now_ns) + MS))

    def _serve(self) -> None:
        """Everything on its way arrives."""
        for _ in range(STEPS_AT_ONE_INSTANT):
            self._settle_desk(everything=True)
            for held in [*self.orders.values()]:
                if held.is_cancel_due and held.is_working:
                    self.end(held, Status.CANCELLED)
            self.requests = [
                r
                for r in self.requests
                if not (
                    r.has_arrived
                    and (r.is_answered or r.is_told_lost)
                    and (r.answer is None or r.is_answered)
                )
            ]
            if any(not r.has_arrived for r in self.requests):
                self.a_request_arrives()
            elif any(r.answer is not None and not r.is_answered for r in self.requests):
                self.an_answer_comes()
            elif self.frames:
                self.a_frame_comes()
            elif self.quotes:
                self.a_quote_comes()
            elif self.reading is not None:
                self.books_come()
            else:
                return
        raise Wrong(f"the core is never content: {self.log[-6:]}")

    def _check_belief(self, name: str) -> None:
        """What the core believes of each order and of the position is what the broker has."""
        state = self.state(name)
        known = {order.order_id: order for order in state.orders if order.order_id is not None}
        for held in self.ours(name):
            order = known.get(held.order_id)
            if order is None:
                raise Wrong(f"{held} is not known")
            if order.is_outstanding != held.is_working or order.filled != held.filled:
                raise Wrong(f"{order} is believed, {held} is true")
            if held.is_working and (order.terms != held.terms or order.state is not OrderState.WORKING):
                raise Wrong(f"{order} is believed, {held} is true")
        true = self.net(name, is_ours=True)
        taken = true - state.held
        if not 0 <= taken <= self.symbols[name].foreign_taken and not state.foreign:
            raise Wrong(
                f"{name}: {state.held} believed, {true} true, {self.symbols[name].foreign_taken} taken"
            )
        if state.orient(state.account_net) != self.net(name, is_ours=False):
            raise Wrong(f"{name}: the account is believed to hold {state.account_net}")

    def _check_protection(self, name: str) -> None:
        """What is held has a stop for all of it, or a person has been called."""
        state = self.state(name)
        stops = [held for held in self.ours(name) if held.is_working and held.role is not Role.ENTRY]
        covered = sum(held.remaining for held in stops if held.side is state.entry_side.other)
        if self.is_halted and any(held.role is Role.ENTRY for held in self.ours(name) if held.is_working):
            raise Wrong(f"{name}: an entry still works although nothing may be risked")
        if (
            name in self.must_be_flat
            and max(covered, state.exposure) > 0
            and not self.symbols[name].codes & CALLS
        ):
            raise Wrong(f"{name}: {state.exposure} held, {covered} for sale, and it was to be closed")
        if state.exposure > covered and not self.symbols[name].codes & CALLS:
            raise Wrong(f"{name}: {state.exposure} held, {covered} protected, and nobody was called")

    def _check_flat(self, name: str) -> None:
        """After the exit nothing of ours is left that the account still holds, and nothing works."""
        state = self.state(name)
        working = [held for held in self.ours(name) if held.is_working]
        if working:
            raise Wrong(f"{name}: still working after the day: {working}")
        ours = self.net(name, is_ours=True) - self.symbols[name].foreign_taken
        left = min(ours, self.net(name, is_ours=False))
        if left > 0:
            raise Wrong(f"{name}: {left} shares left after the day, {state.held} believed")
        if not state.is_quiet and not self.symbols[name].is_queued:
            raise Wrong(f"{name}: questions are still open after the day: {state.slots} {state.phantoms}")


EXCUSES = frozenset({"stop_phantom"})
"""After this the core has knowingly let an exit go beside a stop that may still appear."""

CALLS = frozenset({"stop_gone", "unprotected", "exit_stuck", "frozen"})
"""What calls a person to a position that has no stop."""


class _Refused(Exception):
    """The broker says no; nothing has happened."""


def _plan(symbol: str, direction: Direction, *, second: bool) -> Plan:
    setup = Setup(symbol, DAY, ENTRY, ENTRY - direction * UNDERCUT, TICK, TRUE_RANGE, direction)
    rules = EightyTwentyRules(trigger_window_ns=1200 * SECOND_NS, bar_ns=BAR_NS, reenters_at_once=second)
    return Plan(setup, SESSION, EightyTwenty(setup, SESSION, rules))


def _brief(what: object) -> str:  # noqa: PLR0911 -- a list of cases
    match what:
        case PlaceOrder(key=key, side=side, terms=terms, request=request):
            return f"place {key} {side.value} {terms} #{request}"
        case ModifyOrder(key=key, terms=terms, request=request):
            return f"modify {key} {terms} #{request}"
        case CancelOrder(key=key, request=request):
            return f"cancel {key} #{request}"
        case BooksRead(asked_seq=asked_seq, orders=orders, trades=trades, positions=positions):
            rows = " ".join(f"{row.order_id}:{row.status.value}:{row.filled}" for row in orders)
            return f"books of {asked_seq}: {rows}; {len(trades)} trades; {[p.quantity for p in positions]}"
        case OrderUpdated(row=row):
            return f"frame {row.order_id} {row.status.value} {row.filled} {row.quantity} {row.trigger}"
        case OrderAnswered(key=key, verb=verb, outcome=outcome, order_id=order_id, request=request):
            return f"answer {verb.value} {key} {outcome.value} {order_id} #{request}"
    return str(what)
