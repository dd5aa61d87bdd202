"""The engine's core, a small broker, and what is on its way between them: one situation, as a value.

Owns what a situation is, how it is copied, and when two of them are the same. What may happen next is
`model_moves`, what comes of it `model_acts`, what must hold `model_checks`, every sequence `model_search`.

Must never: know a strategy by name.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import NamedTuple

from olaf_async.core.engine import Engine, Plan
from olaf_async.core.limits import stop_limit
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.core.state import SymbolState
from olaf_async.core.trader import Trader
from olaf_async.domain.events import Event, OrderRow, Outcome, PositionRow, PriceTouched, RunBegan, TradeRow
from olaf_async.domain.intents import CancelOrder, Intent, ModifyOrder, OrderIntent, PlaceOrder, ReadQuote
from olaf_async.domain.order import Role, Side
from olaf_async.domain.price import Paise
from olaf_async.sim.beliefs import Picture, Value, copy_of, horizon_ns, row_value, terms_value
from olaf_async.sim.small_broker import Held, SmallBroker

RULES = Rules(
    quantity=2,
    max_attempts=2,
    order_timeout_ns=8 * SECOND_NS,
    retry_ns=3 * SECOND_NS,
    settle_ns=6 * SECOND_NS,
    blind_after_ns=9 * SECOND_NS,
    idle_poll_ns=9 * SECOND_NS,
    stale_feed_ns=9 * SECOND_NS,
    max_orders_per_s=1_000,
    modifications_max=4,
    modifications_reserve=1,
    exit_tries_max=2,
)
"""Short times, few shares, no limit on calls: what a model can try all of. The logic is the same."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is tried.

    ``begin`` makes the engine; ``recover`` makes of what it had journalled what a restart knows. ``prices``
    are (name, price) of every level that the price may be at, the first of them at the start. ``prints`` says
    how often the price may change; ``faults``, ``crashes``, ``hands`` and ``bars`` how many of each there may
    be. What is under way at one instant happens one after the other, or, where ``is_any_order``, in every
    order there is. Only faults of these ``kinds`` happen (None: all of them). ``timeout_ns`` is how long the
    desk waits for an answer, ``read_timeout_ns`` the poller for the books; a request takes effect within
    ``settle_ns`` of its sending, or never.
    """

    plan: Plan
    prices: tuple[tuple[str, Paise], ...]
    rules: Rules = RULES
    begin: Callable[[Plan, Rules], Engine] = lambda plan, rules: Engine([plan], rules)
    recover: Callable[[Engine], Engine] = copy_of
    is_any_order: bool = False
    kinds: frozenset[str] | None = None
    prints: int = 3
    faults: int = 1
    crashes: int = 0
    hands: int = 0
    bars: int = 0
    timeout_ns: int = 2 * SECOND_NS
    read_timeout_ns: int = 4 * SECOND_NS
    settle_ns: int = 6 * SECOND_NS

    def name_of(self, price: Paise) -> str:
        """What a price of the trial is called."""
        return next(name for name, known in self.prices if known == price)


def levels(plan: Plan, rules: Rules = RULES) -> tuple[tuple[str, Paise], ...]:
    """Where something changes for this plan, the entry first, and a gap beyond the stop."""
    strategy, tick, sign = plan.strategy, plan.setup.tick_size, plan.setup.direction
    stop = strategy.initial_stop(strategy.entry)
    closing = Side.SELL if sign > 0 else Side.BUY
    limit = stop_limit(stop * sign, closing, rules.stop_limit_pct, tick) * sign
    target = strategy.target(strategy.entry, stop)
    oriented = {
        "at the entry": strategy.entry,
        "at the undercut": strategy.arming(after_exit=False).level,
        "at the stop": stop,
        "beyond the stop's limit": limit - 2 * tick,
        **({} if target is None else {"at the target": target}),
    }
    return tuple((name, price * sign) for name, price in oriented.items())


@dataclass(frozen=True, slots=True)
class Step:
    """An intent at the desk. ``wants_read``: it waits for the books; ``has_read``: it has had them."""

    intent: OrderIntent
    is_held: bool = False
    wants_read: bool = False
    has_read: bool = False

    @property
    def is_protective(self) -> bool:
        """Whether it goes before what hangs."""
        return isinstance(self.intent, CancelOrder) or self.intent.role is not Role.ENTRY


@dataclass(frozen=True, slots=True)
class Call:
    """A request that has left: on its way to the broker, or (``answer``) its answer on the way back.

    Nobody waits for the answer any more once it ``is_given_up``; nobody could hear it where ``is_orphan``.
    """

    intent: OrderIntent
    sent_ns: int
    answer: tuple[Outcome, str | None, str] | None = None
    is_held: bool = False
    is_given_up: bool = False
    is_orphan: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """News of the order-update stream on its way."""

    row: OrderRow
    at_ns: int
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """A read of the books that was answered when it was asked for, and is not delivered yet."""

    asked_ns: int
    asked_seq: int
    orders: tuple[OrderRow, ...]
    trades: tuple[TradeRow, ...]
    positions: tuple[PositionRow, ...]


class Move(NamedTuple):
    """One thing that may happen: what, to which, and of which budget it takes one."""

    name: str
    which: int = 0
    costs: str = ""


@dataclass(slots=True)
class Situation:
    """Where things stand. ``now_ns`` is the only clock; the budgets say what may still happen.

    ``kept`` is the belief that the journal is sure to have (None where nothing crashes): what was told since
    may be lost with the power. ``is_thin``: the next order that is met trades one share. ``is_late``: the
    deadline has come. ``shown`` is the account's position in the last read that fits together, ``offence``
    what was sent and must not have been.
    """

    scope: Scope
    engine: Engine
    broker: SmallBroker
    now_ns: int
    prints: int
    faults: int
    crashes: int
    hands: int
    bars: int
    kept: Engine | None = None
    desk: tuple[Step, ...] = ()
    calls: tuple[Call, ...] = ()
    frames: tuple[Frame, ...] = ()
    reading: Reading | None = None
    is_quote_asked: bool = False
    is_thin: bool = False
    is_late: bool = False
    shown: int = 0
    offence: str | None = None
    far_ns: int = 0

    @classmethod
    def of(cls, scope: Scope) -> "Situation":
        """The start of a trial: nothing has happened, the price is at the first level."""
        engine = scope.begin(scope.plan, scope.rules)
        broker = SmallBroker(scope.plan.setup.symbol, scope.prices[0][1])
        budgets = scope.prints, scope.faults, scope.crashes, scope.hands, scope.bars
        begun = cls(scope, engine, broker, scope.plan.session.act_from_ns + SECOND_NS, *budgets)
        begun.far_ns = max(horizon_ns(scope.rules), scope.settle_ns + 1, scope.read_timeout_ns + 1)
        begun.tell(RunBegan(begun.now_ns))
        begun.keep()
        return begun

    def copy(self) -> "Situation":
        """The same, to go its own way."""
        new = Situation(*_all_of(self))
        new.engine = copy_of(self.engine)
        return new

    @property
    def trader(self) -> Trader:
        """The engine's part for the symbol."""
        return self.engine.traders[self.broker.symbol]

    @property
    def state(self) -> SymbolState:
        """What the engine believes of the symbol."""
        return self.trader.state

    @property
    def asked(self) -> tuple[OrderIntent, ...]:
        """What has been asked for and is not done yet, at the desk or on its way."""
        going = (call.intent for call in self.calls if call.answer is None)
        return (*(step.intent for step in self.desk), *going)

    @property
    def read_due_ns(self) -> int:
        """When the books are next to be read."""
        if any(step.wants_read for step in self.desk):
            return self.now_ns
        return self.engine.books_due_ns(self.now_ns)

    @property
    def next_due_ns(self) -> int:
        """When something is due next that time alone brings."""
        timeouts = (
            call.sent_ns + self.scope.timeout_ns
            for call in self.calls
            if not (call.is_given_up or call.is_orphan)
        )
        ends = (call.sent_ns + self.scope.settle_ns for call in self.calls)
        ends_too = (frame.at_ns + self.scope.settle_ns for frame in self.frames)
        books_ns = (
            self.read_due_ns if self.reading is None else self.reading.asked_ns + self.scope.read_timeout_ns
        )
        return min(self.trader.guard.due_ns, books_ns, *timeouts, *ends, *ends_too)

    # --- what everything that happens is made of ----------------------------------------------------------

    def tell(self, event: Event) -> None:
        """Hand the core one event and take down what it wants."""
        self.note_wishes(self.engine.handle(event))

    def note_wishes(self, intents: list[Intent]) -> None:
        """Orders go to the desk; what is only said is for people."""
        for intent in intents:
            if isinstance(intent, PlaceOrder | ModifyOrder | CancelOrder):
                self.desk = (*self.desk, Step(intent))
            elif isinstance(intent, ReadQuote):
                self.is_quote_asked = True

    def keep(self) -> None:
        """The journal is on the disk up to here."""
        if self.crashes:
            self.kept = copy_of(self.engine)

    def print_at(self, price: Paise) -> None:
        """The symbol trades: the broker sees it first, then the engine, where it breaches its guard."""
        self.broker = self.broker.at(price)
        self.fill_what_is_met()
        if self.trader.guard.is_breached_by(price):
            self.tell(PriceTouched(self.broker.symbol, self.now_ns, price))

    def fill_what_is_met(self) -> None:
        """What the price of now allows to trade does, wholly, but in a thin market only one share of it."""
        while (held := self.broker.first_met()) is not None:
            is_part = self.is_thin and held.remaining > 1
            self.is_thin = False
            self.broker = self.broker.trade(held, 1 if is_part else held.remaining)
            if is_part:
                break
        self.send_news()

    def send_news(self) -> None:
        """What has changed at the broker goes out on the order-update stream."""
        if self.broker.news:
            if self.engine.account.is_stream_up:
                fresh = tuple(Frame(row, self.now_ns) for row in self.broker.news)
                self.frames = (*self.frames, *fresh)
            self.broker = replace(self.broker, news=())

    # --- as a value ---------------------------------------------------------------------------------------

    def value(self) -> tuple[Value, ...]:
        """Equal for two situations from which the same can happen."""
        reading = self.reading
        picture = self._picture(self.engine, None if reading is None else reading.asked_seq)
        return (
            (self.prints, self.faults, self.crashes, self.hands, self.bars),
            (self.is_quote_asked, self.is_thin, self.is_late, self.broker.price, self.shown != 0),
            picture.belief({call.intent.key for call in self.calls}),
            tuple(_held(held, picture) for held in self.broker.orders),
            tuple(
                (_ask(step.intent, picture), step.is_held, step.wants_read, step.has_read)
                for step in self.desk
            ),
            tuple(_call(call, picture) for call in self.calls),
            tuple((row_value(frame.row), picture.since(frame.at_ns), frame.is_held) for frame in self.frames),
            None if reading is None else _reading(reading, picture),
            None if self.kept is None or not self.crashes else self._picture(self.kept, None).belief(()),
        )

    def _picture(self, engine: Engine, read_seq: int | None) -> Picture:
        return Picture(engine, self.now_ns, self.far_ns, read_seq, self.broker.rows)


def _ask(intent: OrderIntent, picture: Picture) -> Value:
    terms = None if isinstance(intent, CancelOrder) else terms_value(intent.terms)
    return type(intent).__name__, picture.key(intent.key), picture.ask(intent.request), terms


def _call(call: Call, picture: Picture) -> Value:
    """A call, and how long ago it was sent where that decides when it is given up or lost."""
    return (
        _ask(call.intent, picture),
        picture.since(call.sent_ns),
        None if call.answer is None else (call.answer[0].name, call.answer[1]),
        (call.is_held, call.is_given_up, call.is_orphan),
    )


def _reading(reading: Reading, picture: Picture) -> Value:
    return (
        picture.since(reading.asked_ns),
        tuple(map(row_value, reading.orders)),
        tuple((trade.order_id, trade.quantity, trade.price) for trade in reading.trades),
        tuple(position.quantity for position in reading.positions),
    )


def _held(held: Held, picture: Picture) -> Value:
    is_of = held.side.sign, picture.key(held.key), held.is_triggered
    return is_of, held.status.name, terms_value(held.terms), held.fills


_all_of = attrgetter(*Situation.__dataclass_fields__)
