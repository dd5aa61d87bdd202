"""A live day as it goes: what the engine believes, written down in the words of a replayed one.

Owns the fold from events to results, so that the picture on the terminal, the report and the files of a live
day are made as those of a replay are. It only looks: it must never change what it is shown, nor read a clock.

The orders' lives are the engine's own view of them, one line for each change it came to believe: no broker
tells its history, and what no channel ever brought is not in it.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from olaf_async.core.engine import Engine, Plan
from olaf_async.core.state import SymbolState
from olaf_async.domain.charges import ChargeRates
from olaf_async.domain.events import BooksRead, Event
from olaf_async.domain.intents import Say
from olaf_async.domain.order import Order, OrderState, PriceType, Terms
from olaf_async.domain.price import Paise
from olaf_async.domain.trade import Trade
from olaf_async.ports.broker import Books
from olaf_async.ports.feed import Tick
from olaf_async.research.day_story import story
from olaf_async.research.paper_day import Scene, SymbolScene, doing
from olaf_async.research.results import (
    REFUSED,
    DayResult,
    LeftOut,
    OpenPosition,
    OrderChange,
    RunResult,
    TradeRecord,
    Watch,
    position_of,
    record_of,
    working_order,
)
from olaf_async.shell.comparison import compare
from olaf_async.shell.desk import Desk

if TYPE_CHECKING:
    from olaf_async.adapters.replay.files import PriceColumns

_KNOWN = frozenset(OrderState) - {OrderState.IN_FLIGHT, OrderState.UNDECIDED, OrderState.REJECTED}
_ENDS = {
    OrderState.CANCELLED: "cancelled",
    OrderState.EXPIRED: "cancelled",
    OrderState.REJECTED: "rejected",
    OrderState.ABSENT: REFUSED,
}


@dataclass(slots=True)
class Prints:
    """One symbol's prints so far: times in ns since the epoch, prices in paise."""

    t_ns: "array[int]" = field(default_factory=lambda: array("q"))
    price: "array[int]" = field(default_factory=lambda: array("q"))


@dataclass(frozen=True, slots=True)
class _Seen:
    """An order as it was after the last event."""

    is_placed: bool
    state: OrderState
    terms: Terms
    filled: int
    value: Paise


class LiveDay:
    """One engine's day. ``heard``, ``handled`` and ``said`` are told as things happen; ask it at any time."""

    def __init__(
        self, day: date, plans: Sequence[Plan], rates: ChargeRates | None, left_out: Iterable[LeftOut] = ()
    ) -> None:
        self.day = day
        self.plans = tuple(plans)
        self.prints = {plan.setup.symbol: Prints() for plan in plans}
        self.ticks = 0
        self._rates = rates
        self._left_out = tuple(left_out)
        self._engine: Engine | None = None
        self._desk: Desk | None = None
        self._newest: dict[str, int] = {}
        self._polls = self._polls_agreed = 0
        self._trades: Sequence[Trade] = ()
        self._records: list[TradeRecord] = []
        self._changes: list[OrderChange] = []
        self._seen: dict[str, _Seen] = {}
        self._says: list[tuple[int, Say]] = []

    def follow(self, engine: Engine, trades: Sequence[Trade], desk: Desk | None = None) -> None:
        """Say whose day it is; ``trades`` grows as they close."""
        self._engine, self._trades, self._desk = engine, trades, desk

    # --- what happens -----------------------------------------------------------------------------

    def heard(self, tick: Tick) -> None:
        """Take in a print."""
        self.ticks += 1
        prints = self.prints.get(tick.symbol)
        if prints is not None:
            prints.t_ns.append(tick.at_ns)
            prints.price.append(tick.price)

    def handled(self, event: Event) -> None:
        """Take in what the engine has made of an event."""
        if isinstance(event, BooksRead):
            self._compare(event)
        for state in self._states():
            self._newest[state.symbol] = state.newest_seq
            for order in state.orders:
                self._follow_order(order, event.at_ns)

    def _compare(self, read: BooksRead) -> None:
        """Hold belief against the books, where nothing newer of a symbol was known before they came."""
        current = [each for each in self._states() if self._newest.get(each.symbol, 0) <= read.asked_seq]
        if not current:
            return
        found = compare(current, Books(read.orders, read.trades, read.positions), is_watched=True)
        self._polls += 1
        # Shares without a stop are a danger and no difference; they are measured elsewhere.
        differs = any(each.needs_person and each.kind != "unprotected" for each in found)
        self._polls_agreed += not differs

    def said(self, at_ns: int, say: Say) -> None:
        """Take in a note, a warning or an alarm."""
        self._says.append((at_ns, say))

    # --- how it stands ----------------------------------------------------------------------------

    def result(self, now_ns: int, elapsed_ns: int = 0) -> RunResult:
        """The day so far."""
        self._records += [record_of(trade, self._rates) for trade in self._trades[len(self._records) :]]
        by_entry = sorted(self._records, key=lambda record: (record.trade.entry_ns, record.trade.symbol))
        states = list(self._states())
        today = DayResult(
            day=self.day,
            setups=tuple(plan.setup for plan in self.plans),
            trades=tuple(by_entry),
            orders=tuple(self._changes),
            says=tuple(self._says),
            unclosed=tuple(self._held(state) for state in states if state.held),
            ticks=self.ticks,
            triggers=sum(state.triggers for state in states),
            entries=sum(state.attempts for state in states),
            rows_dropped=0,
            until_ns=now_ns,
            watch=self._watch(),
            frozen=tuple(state.symbol for state in states if state.frozen is not None),
        )
        return RunResult((today,), self._left_out, elapsed_ns=elapsed_ns)

    def _watch(self) -> Watch:
        waits, holds = (self._desk.lock_waits_ns, self._desk.lock_holds_ns) if self._desk else ((), ())
        return Watch(self._polls, self._polls_agreed, tuple(waits), tuple(holds))

    def scene(self, now_ns: int, window_ns: int, ticks_per_s: int) -> Scene:
        """The day as a picture of this moment; undercuts count for ``window_ns`` from the open."""
        result = self.result(now_ns)
        (today,) = result.days
        held = {position.symbol: position for position in today.unclosed}
        by_symbol = {state.symbol: state for state in self._states()}
        symbols = [
            self._symbol_scene(plan, by_symbol[plan.setup.symbol], held, now_ns - window_ns)
            for plan in sorted(self.plans, key=lambda plan: plan.setup.symbol)
        ]
        return Scene(
            at_ns=now_ns,
            symbols=tuple(symbols),
            lines=story(today),
            ticks=self.ticks,
            ticks_per_s=ticks_per_s,
            orders_working=sum(
                order.is_outstanding for state in by_symbol.values() for order in state.orders
            ),
            trades=len(today.trades),
            realised=result.net,
            open_gross=sum(position.gross for position in held.values()),
        )

    def columns(self) -> "dict[tuple[str, date], PriceColumns]":
        """The prints as replay has them, for the pictures of the report; to be asked for when all is over."""
        import numpy as np

        from olaf_async.adapters.replay.files import PriceColumns

        return {
            (symbol, self.day): PriceColumns(
                symbol=symbol,
                day=self.day,
                t_ns=np.maximum.accumulate(np.array(prints.t_ns, dtype=np.int64)),
                price=np.array(prints.price, dtype=np.int64),
                continuous=None,
                rows_dropped=0,
                rows_read=len(prints.price),
            )
            for symbol, prints in self.prints.items()
            if prints.price
        }

    def _states(self) -> Iterator[SymbolState]:
        traders = self._engine.traders.values() if self._engine is not None else ()
        return (trader.state for trader in traders)

    def _held(self, state: SymbolState) -> OpenPosition:
        prices = self.prints[state.symbol].price
        last = prices[-1] if prices else state.last
        return position_of(state, state.setup.entry_price if last is None else last)

    def _symbol_scene(
        self, plan: Plan, state: SymbolState, held: Mapping[str, OpenPosition], triggers_from_ns: int
    ) -> SymbolScene:
        symbol, position = plan.setup.symbol, held.get(plan.setup.symbol)
        working = [working_order(order) for order in state.orders if order.is_outstanding]
        told = doing(
            plan.setup,
            position,
            working,
            may_trigger=triggers_from_ns < plan.session.open_ns and not state.is_done,
        )
        closed = sum(record.net for record in self._records if record.trade.symbol == symbol)
        return SymbolScene(
            symbol=symbol,
            prices=self.prints[symbol].price,
            doing=f"frozen, {told}" if state.frozen is not None else told,
            stop=position.stop if position else None,
            net=closed + (position.gross if position else 0),
            is_held=position is not None,
        )

    # --- the lives of orders ----------------------------------------------------------------------

    def _follow_order(self, order: Order, at_ns: int) -> None:
        """Write down what is new about an order since it was last looked at."""
        before = self._seen.get(order.key)
        is_placed = order.order_id is not None or order.state in _KNOWN
        now = _Seen(is_placed, order.state, order.terms, order.filled, order.value)
        if before == now:
            return
        self._seen[order.key] = now
        old = before or _Seen(
            is_placed=False, state=OrderState.IN_FLIGHT, terms=order.terms, filled=0, value=0
        )
        if is_placed and not old.is_placed:
            self._note(order, at_ns, "placed", _working_status(order))
        elif order.terms != old.terms:
            self._note(order, at_ns, "modified", _working_status(order))
        if order.filled > old.filled:
            shares = order.filled - old.filled
            price = (2 * (order.value - old.value) + shares) // (2 * shares)
            status = "complete" if order.state is OrderState.FILLED else _working_status(order)
            self._note(order, at_ns, "filled", status, price)
        if order.state is not old.state and order.state in _ENDS and order.sent_ns is not None:
            change = _ENDS[order.state]
            is_refused = change == "rejected" and not is_placed
            self._note(order, at_ns, REFUSED if is_refused else change, _end_status(change))

    def _note(
        self, order: Order, at_ns: int, change: str, status: str, fill_price: Paise | None = None
    ) -> None:
        self._changes.append(
            OrderChange(
                day=self.day,
                at_ns=at_ns,
                symbol=order.symbol,
                order_id=order.order_id or "",
                key=order.key,
                role=order.role,
                side=order.side,
                price_type=order.price_type,
                change=change,
                status=status,
                quantity=order.terms.quantity,
                filled=order.filled,
                limit=order.terms.price,
                trigger=order.terms.trigger,
                fill_price=fill_price,
                is_intrabar=False,
            )
        )


def _working_status(order: Order) -> str:
    waits = order.price_type in (PriceType.SL, PriceType.SL_M) and not order.filled
    return "trigger pending" if waits else "open"


def _end_status(change: str) -> str:
    return "cancelled" if change == "cancelled" else "rejected"
