"""A broker that does its worst, driven by a tape of bytes.

Owns the truth (what has been ordered, filled and ended) and every way of telling it late, twice, in parts or
never. It must never lie about what cannot be checked: a fill it names has happened, and a book shows what was
so at some instant after it was asked for. What brokers are known to get wrong - a row with a neighbour's
status, a row that is missing, terms that were not kept - happens, but to an order only once.

Each byte of the tape is one decision. Zero is always the harmless one, so a tape that has been shrunk tells a
short and plain story.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntFlag, auto

from olaf_async.domain.events import OrderRow, PositionRow, Status, TradeRow
from olaf_async.domain.intents import CancelOrder, ModifyOrder, OrderIntent, PlaceOrder
from olaf_async.domain.order import PriceType, Role, Side, Terms
from olaf_async.errors import BrokerRejected

TICK = 5
FAR_OFF = 7 * TICK
"""How far from what was asked a broker puts a trigger when it does not keep to it."""
UNTRUE = (Status.CANCELLED, Status.REJECTED, Status.EXPIRED)


class Fault(IntFlag):
    """What a broker, and the world around it, gets up to in one run."""

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
            order_id=self.order_id,
            symbol=self.symbol,
            side=self.side,
            price_type=self.price_type,
            status=self.status,
            quantity=self.terms.quantity,
            price=self.terms.price,
            trigger=self.terms.trigger,
            filled=None if is_vague else self.filled,
            average=0 if is_vague else average,
            reason=self.reason,
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


class Broker:
    """One account at one broker; ``frames`` are on their way to whoever listens."""

    def __init__(self, tape: Tape, prices: dict[str, int], note: Callable[[str], None]) -> None:
        self.tape = tape
        self.faults = Fault(0)
        self.prices = prices
        self.orders: dict[str, Held] = {}
        self.trades: list[TradeRow] = []
        self.frames: list[OrderRow] = []
        self._note = note
        self._lied_about: set[str] = set()

    def has(self, fault: Fault, odds: int = 4) -> bool:
        """Whether this fault strikes now."""
        return fault in self.faults and self.tape.one_in(odds)

    # --- what is true -----------------------------------------------------------------------------

    def ours(self, symbol: str) -> list[Held]:
        return [held for held in self.orders.values() if held.symbol == symbol and held.key is not None]

    def net(self, symbol: str, *, is_ours: bool) -> int:
        """Shares bought less shares sold: by our own orders, or by everybody."""
        return sum(
            held.side.sign * held.filled
            for held in self.orders.values()
            if held.symbol == symbol and (held.key is not None or not is_ours)
        )

    def foreign(self, symbol: str, side: Side) -> int:
        """Shares that other people have traded on this side."""
        orders = self.orders.values()
        return sum(
            one.filled for one in orders if one.symbol == symbol and one.key is None and one.side is side
        )

    # --- requests ---------------------------------------------------------------------------------

    def carry_out(self, intent: OrderIntent) -> str:
        """Do what is asked; return the order's id. Raises BrokerRejected where nothing happens."""
        match intent:
            case PlaceOrder():
                return self._place(intent)
            case ModifyOrder():
                self._modify(intent)
            case CancelOrder():
                held = self._working(intent.order_id)
                held.is_cancel_due = True
                if not self.has(Fault.ACTS_LATE, 2):
                    self.end(held, Status.CANCELLED)
        return intent.order_id

    def _place(self, intent: PlaceOrder) -> str:
        price, trigger = self.prices[intent.symbol], intent.terms.trigger
        held = Held(
            str(len(self.orders) + 1),
            intent.symbol,
            intent.side,
            intent.price_type,
            intent.terms,
            intent.key,
            intent.role,
        )
        if intent.price_type is PriceType.SL and (price - trigger) * intent.side.sign >= 0:
            if not self.has(Fault.REFUSES, 2):
                raise BrokerRejected("the trigger has been reached")
            held.status, held.reason = Status.REJECTED, "the trigger has been reached"
        if trigger and self.has(Fault.CHANGES_TERMS, 8):
            held.terms = replace(held.terms, trigger=trigger - FAR_OFF)
            held.is_as_asked = False
        self.orders[held.order_id] = held
        self._note(
            f"broker: {held.order_id} is {intent.key} {held.side.value} {held.terms} {held.status.value}"
        )
        self.frame(held)
        self._try_fill(held)
        return held.order_id

    def _modify(self, intent: ModifyOrder) -> None:
        held = self._working(intent.order_id)
        if intent.terms.quantity <= held.filled:
            raise BrokerRejected("it has filled")
        if self.has(Fault.CHANGES_TERMS, 8):
            self._note("broker: says yes to a change and does nothing")
            held.is_as_asked = False
            return
        is_reached = (self.prices[held.symbol] - intent.terms.trigger) * held.side.sign >= 0
        if held.price_type is PriceType.SL and not held.is_triggered and is_reached:
            raise BrokerRejected("the trigger has been reached")
        held.terms = intent.terms
        self._note(f"broker: {held.order_id} is {intent.terms} now")
        self.frame(held)
        self._try_fill(held)

    def _working(self, order_id: str) -> Held:
        held = self.orders[order_id]
        if not held.is_working:
            raise BrokerRejected("it has ended")
        return held

    # --- what happens to orders -------------------------------------------------------------------

    def on_price(self, symbol: str, price: int) -> None:
        self.prices[symbol] = price
        for held in [*self.orders.values()]:
            if held.symbol == symbol:
                self._try_fill(held)

    def fill_more(self) -> None:
        """An order that is open already trades on."""
        met = [held for held in self.orders.values() if held.is_met_by(self.prices[held.symbol])]
        if met:
            self._try_fill(met[self.tape.pick(len(met))])

    def _try_fill(self, held: Held) -> None:
        """Some or all of what is left trades at the price of now, if that allows it."""
        price = self.prices[held.symbol]
        if not held.is_met_by(price):
            return
        left = held.remaining
        is_partial = left > 1 and self.has(Fault.FILLS_IN_PARTS, 2)
        self._execute(held, 1 + self.tape.pick(left) if is_partial else left, price)

    def _execute(self, held: Held, quantity: int, price: int) -> None:
        held.filled += quantity
        held.value += quantity * price
        if held.filled == held.terms.quantity:
            held.status = Status.COMPLETE
        self.trades.append(TradeRow(held.order_id, held.symbol, held.side, quantity, price))
        self._note(f"broker: {held.order_id} {held.side.value} {quantity} at {price}, {held.remaining} left")
        self.frame(held)

    def end(self, held: Held, status: Status) -> None:
        """It ends unfilled, or with what it has."""
        held.status, held.is_cancel_due = status, False
        self._note(f"broker: {held.order_id} {held.side.value} is {status.value}, {held.filled} filled")
        self.frame(held)

    def cancels_take_effect(self, most: int) -> None:
        """Up to so many cancels that were taken are carried out."""
        due = [held for held in self.orders.values() if held.is_cancel_due and held.is_working]
        for held in due[:most]:
            self.end(held, Status.CANCELLED)

    def trade_for_another(self, symbol: str, side: Side, quantity: int) -> None:
        """Somebody else buys or sells the share on the same account."""
        order_id = f"F{len(self.orders) + 1}"
        held = Held(order_id, symbol, side, PriceType.MARKET, Terms(quantity, 0))
        self.orders[order_id] = held
        self._execute(held, quantity, self.prices[symbol])

    # --- what is told -----------------------------------------------------------------------------

    def frame(self, held: Held) -> None:
        """The order-update stream tells of an order, or does not."""
        if not self.has(Fault.LOSES_FRAMES, 2):
            self.frames.append(held.row(is_vague=self.has(Fault.VAGUE_ROWS, 2)))

    def order_book(self, lied_about: set[str]) -> tuple[OrderRow, ...]:
        """The rows, all but a few of them as they are; which are not is added to ``lied_about``."""
        rows = []
        for held in self.orders.values():
            row = held.row(is_vague=self.has(Fault.VAGUE_ROWS, 2))
            if held.order_id not in self._lied_about and self.has(Fault.WRONG_ROWS, 8):
                lied_about.add(held.order_id)
                if self.tape.pick(2):
                    continue
                if held.is_working:
                    row = replace(row, status=UNTRUE[self.tape.pick(3)])
                    self._note(f"broker: shows {held.order_id} as {row.status.value}, which it is not")
            rows.append(row)
        return tuple(rows)

    def was_believed(self, lied_about: set[str]) -> None:
        """The read got through; these orders have had their lie."""
        self._lied_about |= lied_about

    def positions(self) -> tuple[PositionRow, ...]:
        return tuple(PositionRow(symbol, self.net(symbol, is_ours=False)) for symbol in self.prices)
