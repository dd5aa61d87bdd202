"""The pump: the only caller of the core. Every event passes here, one at a time, in one order.

P1  What is due at t runs before a print stamped t or later, and after those stamped earlier, also where
    these waited; of one instant bar closes come first.
P2  Prints go before the other events that wait beside them; no event is ever dropped.
P3  An event and what the core wants because of it are journalled before anything of it is done. A journal
    that fails does not stop the pump: the desk sends no entry then, and protection goes on.
P4  A print inside its guard never wakes the pump.

Must never await anything between taking an event and handing on what the core wants because of it.
"""

from collections import deque
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Protocol

from olaf_async.core.engine import Engine, Plan
from olaf_async.core.fingerprint import Stamp, fingerprint
from olaf_async.core.market import SymbolMarket
from olaf_async.domain.events import Event, Marked
from olaf_async.domain.intents import Intent, Say, Severity
from olaf_async.domain.price import Paise
from olaf_async.ports.clock import Clock
from olaf_async.ports.feed import Tick
from olaf_async.ports.journal import Entry, Line
from olaf_async.shell.scribe import Scribe
from olaf_async.shell.slots import Slot
from olaf_async.shell.waiting import Signal

BACKLOG_ALARM = 10_000
"""Waiting events past which a person is told (they are still not dropped)."""


class Outlet(Protocol):
    """Where the pump sends what the core wants, and the news that an event has been handled."""

    def carry_out(self, intent: Intent) -> None:
        """Begin to do what the core wants. Yields: never."""
        ...

    def handled(self, event: Event) -> None:
        """The core has taken this event in. Yields: never."""
        ...


class Pump:
    """Feeds the core. ``offer`` and ``put`` may be called from any coroutine of the loop; they never wait."""

    def __init__(self, engine: Engine, plans: Mapping[str, Plan], clock: Clock, scribe: Scribe) -> None:
        self.engine = engine
        self._clock = clock
        self._scribe = scribe
        self._outlet: Outlet | None = None
        self._events: deque[Event] = deque()
        self._signal = Signal(clock)
        self._slots = {symbol: Slot() for symbol in plans}
        self.markets = {
            symbol: SymbolMarket(
                symbol,
                plan.session,
                plan.strategy.bar_ns,
                engine.guard(symbol),
                watched_from_ns=clock.now_ns(),
            )
            for symbol, plan in plans.items()
        }
        self._has_alarmed_backlog = False
        self.stamp: Stamp = fingerprint
        """What the journal keeps beside each event of the core's belief after it."""

    def connect(self, outlet: Outlet) -> None:
        """Say where intents go; before the first event."""
        self._outlet = outlet

    # --- in ---------------------------------------------------------------------------------------

    def offer(self, tick: Tick) -> None:
        """Take in a print. One that can change nothing only moves the bar; others wake the pump."""
        market = self.markets.get(tick.symbol)
        if market is None or _is_before_open(market, tick.at_ns):
            return
        slot = self._slots[tick.symbol]
        is_calm = slot.is_empty and tick.at_ns < market.next_due_ns()
        if is_calm and not market.guard.is_breached_by(tick.price):
            market.take(tick.price, tick.at_ns)
            return
        slot.put(tick.at_ns, tick.price, market.next_due_ns())
        self._signal.set()

    def put(self, event: Event) -> None:
        """Queue an event that is not a print."""
        self._events.append(event)
        if len(self._events) > BACKLOG_ALARM and not self._has_alarmed_backlog:
            self._has_alarmed_backlog = True
            self._tell(Say(None, Severity.ALARM, "backlog", f"more than {BACKLOG_ALARM} events are waiting"))
        self._signal.set()

    @property
    def is_idle(self) -> bool:
        """Nothing is waiting to be handled now."""
        return not self._signal.is_set() and self._next_due_ns() > self._clock.now_ns()

    # --- the loop ---------------------------------------------------------------------------------

    async def run(self, began: Event) -> None:
        """Handle events until cancelled, and ``began`` before all others. Yields: between turns."""
        self._handle(began)
        try:
            while True:
                self.turn()
                await self._signal.wait_until(self._next_due_ns())
        finally:
            self._signal.stop_alarm()

    def turn(self) -> None:
        """Handle everything that waits and everything that is due. Yields: never."""
        self._signal.clear()
        now_ns = self._clock.now_ns()
        for at_ns, price, market in self._take_prints():
            self._run_due(min(at_ns, now_ns))
            self._run_due_of(market, at_ns)
            touched = market.take(price, at_ns)
            if touched is not None:
                self._handle(touched)
        self._run_due(now_ns)
        while self._events:
            self._handle(self._events.popleft())

    def _take_prints(self) -> list[tuple[int, Paise, SymbolMarket]]:
        """What waits in the slots, by time; where a symbol's time steps back it stands still."""
        prints = []
        for symbol, slot in self._slots.items():
            market = self.markets[symbol]
            newest_ns = market.last_ns
            for at_ns, price in slot.take():
                newest_ns = max(newest_ns, at_ns)
                prints.append((newest_ns, price, market))
        return sorted(prints, key=itemgetter(0))

    def _run_due(self, at_ns: int) -> None:
        """What all symbols have due by then: first the bars, then the timers, then the mark."""
        for market in self.markets.values():
            if market.guard.wants_bars:
                self._close_bars(market, at_ns)
        for market in self.markets.values():
            self._run_due_of(market, at_ns)
        if self.engine.mark_due_ns() <= at_ns:
            self._mark(at_ns)

    def _run_due_of(self, market: SymbolMarket, at_ns: int) -> None:
        """One symbol's bars and timers due by then; a print's own time may be ahead of the clock's."""
        if market.guard.wants_bars:
            self._close_bars(market, at_ns)
        while market.guard.due_ns <= at_ns:
            timer = market.pop_timer(max(at_ns, self._clock.now_ns()))
            assert timer is not None, "it is due"
            self._handle(timer)

    def _close_bars(self, market: SymbolMarket, at_ns: int) -> None:
        while (bar := market.pop_bar(at_ns)) is not None:
            self._handle(bar)

    def _mark(self, now_ns: int) -> None:
        lasts = ((symbol, self.markets[symbol].last) for symbol in self.engine.held_symbols)
        self._handle(Marked(now_ns, tuple((symbol, last) for symbol, last in lasts if last is not None)))

    def _next_due_ns(self) -> int:
        due_ns = self.engine.mark_due_ns()
        for market in self.markets.values():
            due_ns = min(due_ns, market.next_due_ns())
        return due_ns

    # --- out --------------------------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        intents = self._ask(event)
        traders = self.engine.traders
        for symbol, market in self.markets.items():
            market.guard = traders[symbol].guard
        for intent in intents:
            self._tell(intent)
        if self._outlet is not None:
            self._outlet.handled(event)

    def _ask(self, event: Event) -> list[Intent]:
        """Tell the core; write down what it was told, also where that was its end, and what it wants."""
        at_ns = event.at_ns
        try:
            intents = self.engine.handle(event)
        except Exception:
            self._scribe.write(Line(Entry.EVENT, at_ns, event))
            raise
        told = Line(Entry.EVENT, at_ns, event, self.stamp(self.engine))
        self._scribe.write(told, *(Line(Entry.INTENT, at_ns, intent) for intent in intents))
        return intents

    def _tell(self, intent: Intent) -> None:
        if self._outlet is not None:
            self._outlet.carry_out(intent)


def _is_before_open(market: SymbolMarket, at_ns: int) -> bool:
    """Whether a print is of before the session; once that has begun, time that steps back stands still."""
    return market.last is None and at_ns < market.last_ns


OnTick = Callable[[Tick], None]
"""What else wants to hear of every print: the paper exchange, a recorder."""
