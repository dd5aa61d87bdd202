"""A day replayed: the same core and the paper exchange on a virtual clock, without an event loop.

A second, synchronous shell. It does what pump and desk do - hand events to the core one at a time, ask it
again before each send, turn every outcome into an event - but time is a number here, so nothing needs to
wait. The two shells are held equal by a test that runs both on the same prices.

Order of things (contract, "Time in replay"): what is due at t runs before any print stamped t or later; at
one instant bar closes, then timers, then books, then the once-a-second mark, then answers on their way.
A print reaches the exchange first, then the core, then the core hears what the exchange made of it, so
that the print that ends a trade never begins the next one.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from olaf_async.adapters.paper.exchange import PaperExchange, PaperRules
from olaf_async.adapters.replay.files import PriceColumns
from olaf_async.adapters.replay.lanes import Lane, Lanes, Print, PrintByPrint, Skipping, Source, in_session
from olaf_async.core.engine import Drop, Engine, Plan, ReadFirst, Send, Wait
from olaf_async.core.guards import STANDARD, Guards
from olaf_async.core.rules import Rules
from olaf_async.domain.events import (
    BooksRead,
    Event,
    Marked,
    OrderAnswered,
    OrderRow,
    OrderUpdated,
    Outcome,
    PositionRow,
    PriceTouched,
    QuoteRead,
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
from olaf_async.domain.trade import Trade
from olaf_async.errors import BrokerRejected, InvariantBroken

_STEPS_AT_ONE_INSTANT = 10_000
_Rows: TypeAlias = tuple[tuple[OrderRow, ...], tuple[TradeRow, ...], tuple[PositionRow, ...]]
Arrival: TypeAlias = tuple[int, bool, int, Callable[[], None]]

_VERBS: Mapping[type[OrderIntent], Verb] = {
    PlaceOrder: Verb.PLACE,
    ModifyOrder: Verb.MODIFY,
    CancelOrder: Verb.CANCEL,
}


@dataclass(slots=True)
class DayLog:
    """What a replayed day leaves behind. ``says`` are (time in ns, message) in order."""

    trades: list[Trade] = field(default_factory=list)
    says: list[tuple[int, Say]] = field(default_factory=list)
    triggers: int = 0
    entries: int = 0
    ticks: int = 0
    events: int = 0


class ReplayDay:
    """One day of any number of symbols, each with a plan and its prints.

    ``is_skipping`` False takes every print through its guard; the result is the same, only slower.
    """

    def __init__(  # noqa: PLR0913 -- everything a day consists of
        self,
        plans: Sequence[Plan],
        columns: Mapping[str, PriceColumns],
        rules: Rules,
        paper: PaperRules,
        *,
        latency_ns: int = 0,
        is_skipping: bool = True,
        guards: Guards = STANDARD,
    ) -> None:
        plans = sorted(plans, key=lambda plan: plan.setup.symbol)
        self.engine = Engine(plans, rules, guards)
        self.exchange = PaperExchange(paper, {plan.setup.symbol: plan.setup.tick_size for plan in plans})
        self.log = DayLog()
        self.now_ns = min(plan.session.open_ns for plan in plans)
        self._end_ns = max(plan.session.close_ns for plan in plans)
        self._way_there_ns = latency_ns // 2
        self._way_back_ns = latency_ns - self._way_there_ns
        sources = [self._source(plan, columns[plan.setup.symbol]) for plan in plans]
        self._lanes: Lanes = Skipping(sources) if is_skipping else PrintByPrint(sources)
        self._by_symbol: dict[str, Lane] = {lane.symbol: lane for lane in self._lanes.lanes}
        self._events: deque[Event] = deque()
        self._arrivals: list[Arrival] = []
        self._arrival_number = 0
        self._is_after_print = False
        self._is_reading = False
        self._waiting_for_books: list[OrderIntent] = []
        self._calm_steps = 0

    def _source(self, plan: Plan, columns: PriceColumns) -> Source:
        guard = self.engine.guard(plan.setup.symbol)
        return Source(in_session(columns, plan.session), plan.session, plan.strategy.bar_ns, guard)

    # --- the day ----------------------------------------------------------------------------------

    def run(self) -> DayLog:
        """Replay the whole day."""
        for _ in self.steps():
            pass
        return self.log

    def steps(self) -> Iterator[int]:
        """Replay the day one happening at a time; yields the virtual time (ns) after each.

        Raises:
            InvariantBroken: time stands still, which is a bug of ours.
        """
        while True:
            due_ns = max(self._next_due_ns(), self.now_ns)
            found = self._lanes.advance(min(due_ns, self._end_ns))
            if found is not None:
                self._print(found)
            elif due_ns >= self._end_ns:
                break
            else:
                self._move_to(due_ns)
                self._run_one_due()
            self._drain()
            yield self.now_ns
        self.now_ns = self._end_ns
        self._close()

    def _close(self) -> None:
        self.log.ticks = self._lanes.taken
        self.log.events = self.engine.seq
        for trader in self.engine.traders.values():
            self.log.triggers += trader.state.triggers
            self.log.entries += trader.state.attempts

    def _move_to(self, at_ns: int) -> None:
        if at_ns > self.now_ns:
            self.now_ns = at_ns
            self._is_after_print = False
            self._calm_steps = 0
        self._calm_steps += 1
        if self._calm_steps > _STEPS_AT_ONE_INSTANT:
            raise InvariantBroken(f"{_STEPS_AT_ONE_INSTANT} steps at one instant ({self.now_ns} ns)")

    def _next_due_ns(self) -> int:
        engine = self.engine
        due_ns = min(lane.next_due_ns() for lane in self._lanes.lanes)
        if not self._is_reading:
            due_ns = min(due_ns, engine.books_due_ns(self.now_ns))
        due_ns = min(due_ns, engine.mark_due_ns())
        return min(due_ns, self._arrivals[0][0]) if self._arrivals else due_ns

    def _run_one_due(self) -> None:
        now_ns = self.now_ns
        for lane in self._lanes.lanes:
            bar = lane.pop_bar(now_ns)
            if bar is not None:
                self._events.append(bar)
                return
        for lane in self._lanes.lanes:
            timer = lane.pop_timer(now_ns)
            if timer is not None:
                self._events.append(timer)
                return
        if self._arrivals and self._arrivals[0][0] <= now_ns:
            heapq.heappop(self._arrivals)[3]()
        elif not self._read_if_due() and self.engine.mark_due_ns() <= now_ns:
            self._mark()

    def _read_if_due(self) -> bool:
        """Whether a read was due and has been begun."""
        is_due = not self._is_reading and self.engine.books_due_ns(self.now_ns) <= self.now_ns
        if is_due:
            self._read_books()
        return is_due

    def _print(self, found: Print) -> None:
        self._move_to(found.at_ns)
        self._is_after_print = True
        if found.before is not None:
            self._tell_last(found.symbol, *found.before)
        self.exchange.on_print(found.symbol, found.price, found.at_ns, continuous=found.is_continuous)
        if found.is_breach:
            self._events.append(PriceTouched(found.symbol, found.at_ns, found.price))
            self._drain()
            self._read_if_due()
        self._take_news()

    def _tell_last(self, symbol: str, price: int, at_ns: int) -> None:
        """The exchange was spared the prints inside its band; tell it the newest of them."""
        if self.exchange.last(symbol) != price:
            self.exchange.set_last(symbol, price, at_ns, 1)

    # --- pump -------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Hand every waiting event to the core and carry out what it wants."""
        while self._events:
            event = self._events.popleft()
            for intent in self.engine.handle(event):
                self._carry_out(intent)
            if isinstance(event, BooksRead):
                self._send_after_books()
        for lane in self._lanes.lanes:
            lane.set_guard(self.engine.guard(lane.symbol))
            lane.set_band(*self.exchange.band(lane.symbol))

    def _carry_out(self, intent: Intent) -> None:
        match intent:
            case PlaceOrder() | ModifyOrder() | CancelOrder():
                self._send(intent)
            case ReadQuote(symbol):
                self._after(self._way_there_ns, lambda: self._quote(symbol))
            case Say():
                self.log.says.append((self.now_ns, intent))
            case ReportTrade(trade):
                self.log.trades.append(trade)

    def _quote(self, symbol: str) -> None:
        """The question reaches the exchange: its newest print of that moment takes the way back."""
        self._sync(symbol)
        last = self.exchange.last(symbol)
        self._after(self._way_back_ns, lambda: self._events.append(QuoteRead(symbol, self.now_ns, last)))

    # --- desk -------------------------------------------------------------------------------------

    def _send(self, intent: OrderIntent) -> None:
        match self.engine.admit(intent, self.now_ns):
            case Send(admitted):
                cause = self._cause(intent.symbol)
                self._after(self._way_there_ns, lambda: self._act(admitted, cause))
            case Wait(until_ns):
                self._after(until_ns - self.now_ns, lambda: self._send(intent))
            case ReadFirst():
                self._waiting_for_books.append(intent)
                self._read_books()
            case Drop(why):
                self._answer(intent, Outcome.NOT_SENT, None, why)

    def _send_after_books(self) -> None:
        waiting, self._waiting_for_books = self._waiting_for_books, []
        for intent in waiting:
            self._send(intent)

    def _cause(self, symbol: str) -> tuple[int | None, int] | None:
        """The print that what is sent now is sent because of; None where it is not a print."""
        newest = self._by_symbol[symbol].newest()
        return newest if self._is_after_print and newest[1] == self.now_ns else None

    def _act(self, intent: OrderIntent, cause: tuple[int | None, int] | None) -> None:
        """The request reaches the exchange; its frames go out at once, its answer takes the way back."""
        self._sync(intent.symbol)
        order_id: str | None = None
        outcome, message = Outcome.ACCEPTED, ""
        try:
            # Until another print has come, what a print has caused waits for it.
            order_id = self._call(intent, on_print=cause == self._by_symbol[intent.symbol].newest())
        except BrokerRejected as refusal:
            outcome, message = Outcome.REFUSED, str(refusal)
        self._take_news()
        self._after(self._way_back_ns, lambda: self._answer(intent, outcome, order_id, message))

    def _call(self, intent: OrderIntent, *, on_print: bool) -> str | None:
        match intent:
            case PlaceOrder():
                return self.exchange.place(
                    intent.symbol,
                    intent.side,
                    intent.price_type,
                    intent.terms,
                    self.now_ns,
                    on_print=on_print,
                )
            case ModifyOrder():
                self.exchange.modify(intent.order_id, intent.terms, self.now_ns, on_print=on_print)
                return intent.order_id
            case CancelOrder():
                self.exchange.cancel(intent.order_id, self.now_ns)
                return intent.order_id

    def _answer(self, intent: OrderIntent, outcome: Outcome, order_id: str | None, message: str) -> None:
        verb = _VERBS[type(intent)]
        self._events.append(
            OrderAnswered(
                intent.symbol, self.now_ns, intent.request, intent.key, verb, outcome, order_id, message
            )
        )

    def _sync(self, symbol: str) -> None:
        price, at_ns = self._by_symbol[symbol].newest()
        if price is not None:
            self._tell_last(symbol, price, at_ns)

    def _take_news(self) -> None:
        self._events.extend(OrderUpdated(self.now_ns, row) for row in self.exchange.take_news())

    # --- books, mark, arrivals --------------------------------------------------------------------

    def _read_books(self) -> None:
        if self._is_reading:
            return
        self._is_reading = True
        asked_ns, asked_seq = self.now_ns, self.engine.seq

        def arrive() -> None:
            exchange = self.exchange
            rows = exchange.order_rows(), exchange.trade_rows(), exchange.position_rows()
            self._after(self._way_back_ns, lambda: self._books(asked_ns, asked_seq, rows), is_read=True)

        self._after(self._way_there_ns, arrive, is_read=True)

    def _books(self, asked_ns: int, asked_seq: int, rows: _Rows) -> None:
        self._is_reading = False
        self._events.append(BooksRead(self.now_ns, asked_ns, asked_seq, *rows))

    def _mark(self) -> None:
        prices = []
        for symbol in self.engine.held_symbols:
            price, _ = self._by_symbol[symbol].newest()
            if price is not None:
                prices.append((symbol, price))
        self._events.append(Marked(self.now_ns, tuple(prices)))

    def _after(self, delay_ns: int, act: Callable[[], None], *, is_read: bool = False) -> None:
        if delay_ns <= 0:
            act()
            return
        self._arrival_number += 1
        heapq.heappush(self._arrivals, (self.now_ns + delay_ns, not is_read, self._arrival_number, act))
