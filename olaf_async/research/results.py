"""What a run leaves behind: trades with their charges, orders with their lives, days, and the sums of them.

Owns values and their sums, and the join of what the engine meant with an order to what the exchange did
with it. It must never read a clock, a file or a setting. Money is in paise, times in ns since the epoch.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from olaf_async.adapters.paper.orders import Change, OrderRecord, What
from olaf_async.core.engine import Plan
from olaf_async.core.state import SymbolState
from olaf_async.domain.charges import ChargeRates, charges_of
from olaf_async.domain.intents import Say, Severity
from olaf_async.domain.order import Order, OrderState, PriceType, Role, Side
from olaf_async.domain.price import Paise
from olaf_async.domain.setup import Direction, Setup
from olaf_async.domain.trade import Trade

REFUSED = "refused"
"""The change of an order that the exchange never took; it has no order id."""

_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class TradeRecord:
    """A closed position and what it cost, its executed orders charged one by one and rounded together."""

    trade: Trade
    charges: Paise

    @property
    def gross(self) -> Paise:
        """Profit before charges."""
        return self.trade.gross

    @property
    def net(self) -> Paise:
        """Profit after charges."""
        return self.trade.gross - self.charges


@dataclass(frozen=True, slots=True)
class OrderChange:
    """One change in the life of one order, seen from both sides.

    ``key`` and ``role`` are the engine's (empty where the day closed before it learnt the order's id), the
    rest is the exchange's. ``change`` is one of placed, modified, triggered, filled, cancelled, rejected,
    refused; ``status`` the order's after it. ``limit`` and ``trigger`` are the order's own (0: none),
    ``fill_price`` that of a fill; ``filled`` is cumulative. ``is_intrabar`` marks a fill that rests on price
    passing every level between two prices of a bar.
    """

    day: date
    at_ns: int
    symbol: str
    order_id: str
    key: str
    role: Role | None
    side: Side
    price_type: PriceType
    change: str
    status: str
    quantity: int
    filled: int
    limit: Paise
    trigger: Paise
    fill_price: Paise | None
    is_intrabar: bool


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """A position as it stands. ``entry_value`` is of all ``entered`` shares, ``quantity`` what is left.

    ``stop`` is the trigger of the protective stop, None while there is none; ``gross`` counts what has been
    closed already and marks the rest at ``last``.
    """

    symbol: str
    direction: Direction
    quantity: int
    entered: int
    entry_value: Paise
    last: Paise
    stop: Paise | None
    gross: Paise


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """An order that may still fill, as the engine believes it to be. Prices in paise, 0: none."""

    symbol: str
    key: str
    role: Role
    side: Side
    state: str
    quantity: int
    filled: int
    limit: Paise
    trigger: Paise


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A setup that was not replayed, and why."""

    setup: Setup
    why: str


@dataclass(frozen=True, slots=True)
class Planned:
    """What of some setups can be traded, and what cannot."""

    plans: tuple[Plan, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class Watch:
    """What an engine that ran on a clock, among others' delays, tells of itself.

    ``polls`` are the reads of the books that were held against its belief, ``polls_agreed`` those that said
    the same; the lock's times are of each order call: how long protection waited for it, how long it was
    held.
    """

    polls: int = 0
    polls_agreed: int = 0
    lock_waits_ns: tuple[int, ...] = ()
    lock_holds_ns: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DayResult:
    """One day, all its symbols together.

    ``ticks`` are the prices played (a bar counts four); ``says`` are (time, message) in order; ``unclosed``
    is what the exits could not close before the close, and is in no trade; ``until_ns`` is how far the day
    has been played. ``frozen`` are the symbols in which a person is waited for. ``watch`` is of a live day
    only.
    """

    day: date
    setups: tuple[Setup, ...]
    trades: tuple[TradeRecord, ...]
    orders: tuple[OrderChange, ...]
    says: tuple[tuple[int, Say], ...]
    unclosed: tuple[OpenPosition, ...]
    ticks: int
    triggers: int
    entries: int
    rows_dropped: int
    until_ns: int
    watch: Watch | None = None
    frozen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """All days of a run.

    ``elapsed_ns`` is the time it took, reading included, and alone is never twice the same.
    ``skipped_files`` says of each file that was left out as bad what is wrong with it.
    """

    days: tuple[DayResult, ...]
    left_out: tuple[LeftOut, ...] = ()
    skipped_files: tuple[str, ...] = ()
    elapsed_ns: int = 0

    @property
    def trades(self) -> tuple[TradeRecord, ...]:
        """Every trade, by day and time of entry."""
        return tuple(trade for day in self.days for trade in day.trades)

    @property
    def orders(self) -> tuple[OrderChange, ...]:
        """Every change of every order, by time."""
        return tuple(change for day in self.days for change in day.orders)

    @property
    def unclosed(self) -> tuple[OpenPosition, ...]:
        """Every position that outlived its day."""
        return tuple(position for day in self.days for position in day.unclosed)

    @property
    def symbols(self) -> tuple[str, ...]:
        """What was replayed, sorted."""
        return tuple(sorted({setup.symbol for day in self.days for setup in day.setups}))

    @property
    def setups(self) -> int:
        """Setups asked for, those left out included."""
        return sum(len(day.setups) for day in self.days) + len(self.left_out)

    @property
    def ticks(self) -> int:
        """Prices played."""
        return sum(day.ticks for day in self.days)

    @property
    def triggers(self) -> int:
        """Undercuts acted on."""
        return sum(day.triggers for day in self.days)

    @property
    def entries(self) -> int:
        """Entries filled, in part or whole."""
        return sum(day.entries for day in self.days)

    @property
    def alarms(self) -> int:
        """What was said that a person should have heard at once."""
        return sum(say.severity is Severity.ALARM for day in self.days for _, say in day.says)

    @property
    def rows_dropped(self) -> int:
        """Rows of tick files that were dated other than their file."""
        return sum(day.rows_dropped for day in self.days)

    @property
    def gross(self) -> Paise:
        """Profit of all trades before charges."""
        return sum(record.gross for day in self.days for record in day.trades)

    @property
    def charges(self) -> Paise:
        """What all trades cost."""
        return sum(record.charges for day in self.days for record in day.trades)

    @property
    def net(self) -> Paise:
        """Profit of all trades after charges."""
        return self.gross - self.charges

    @property
    def unprotected_ms(self) -> tuple[float, ...]:
        """For each trade how long, in all, its shares stood without a confirmed stop."""
        return tuple(record.trade.unprotected_ns / _NS_PER_MS for record in self.trades)

    @property
    def ticks_per_s(self) -> int:
        """Prices played per second of ``elapsed_ns``."""
        return self.ticks * _NS_PER_S // max(1, self.elapsed_ns)


def position_of(state: SymbolState, last: Paise) -> OpenPosition:
    """What is held in a symbol, marked at ``last``."""
    position = state.position
    worth = position.exit_value + position.held * last
    return OpenPosition(
        symbol=state.symbol,
        direction=state.direction,
        quantity=position.held,
        entered=position.entered,
        entry_value=position.entry_value,
        last=last,
        stop=None if state.stop is None else state.stop.terms.trigger,
        gross=(worth - position.entry_value) * state.direction,
    )


def working_order(order: Order) -> WorkingOrder:
    """An order as it is believed to stand."""
    return WorkingOrder(
        symbol=order.symbol,
        key=order.key,
        role=order.role,
        side=order.side,
        state=order.state.value,
        quantity=order.terms.quantity,
        filled=order.filled,
        limit=order.terms.price,
        trigger=order.terms.trigger,
    )


def record_of(trade: Trade, rates: ChargeRates | None) -> TradeRecord:
    """A trade with its charges; without rates it costs nothing."""
    return TradeRecord(trade, 0 if rates is None else charges_of(rates, trade.executed).total)


def order_changes(
    day: date,
    history: Sequence[Change],
    records: Iterable[OrderRecord],
    orders: Iterable[Order],
    way_ns: int = 0,
) -> tuple[OrderChange, ...]:
    """The lives of a day's orders by time: the exchange's ``history`` with the engine's word on each order.

    ``records`` are the exchange's orders, ``orders`` the engine's; both sides know them by order id. One
    that was sent and refused left no trace at the exchange and gets its line from the engine, ``way_ns``
    after it was sent. One that was held back was never an order and gets none.
    """
    ours = tuple(orders)
    by_id = {order.order_id: order for order in ours if order.order_id is not None}
    changes = _taken(day, history, {record.order_id: record for record in records}, by_id)
    changes += [
        _refused(day, order, order.sent_ns + way_ns)
        for order in ours
        if order.state is OrderState.REJECTED and order.order_id is None and order.sent_ns is not None
    ]
    return tuple(sorted(changes, key=lambda change: change.at_ns))


def _taken(
    day: date, history: Iterable[Change], records: Mapping[str, OrderRecord], orders: Mapping[str, Order]
) -> list[OrderChange]:
    """The changes the exchange wrote down; a fill's own price stands beside the limit it was under."""
    changes = []
    limits: dict[str, Paise] = {}
    for change in history:
        is_fill = change.what is What.FILLED
        if not is_fill:
            limits[change.order_id] = change.price
        record, order = records[change.order_id], orders.get(change.order_id)
        changes.append(
            OrderChange(
                day=day,
                at_ns=change.at_ns,
                symbol=record.symbol,
                order_id=change.order_id,
                key="" if order is None else order.key,
                role=None if order is None else order.role,
                side=record.side,
                price_type=record.price_type,
                change=change.what.value,
                status=change.status.value,
                quantity=change.quantity,
                filled=change.filled,
                limit=limits[change.order_id],
                trigger=change.trigger,
                fill_price=change.price if is_fill else None,
                is_intrabar=change.intrabar,
            )
        )
    return changes


def _refused(day: date, order: Order, at_ns: int) -> OrderChange:
    return OrderChange(
        day=day,
        at_ns=at_ns,
        symbol=order.symbol,
        order_id="",
        key=order.key,
        role=order.role,
        side=order.side,
        price_type=order.price_type,
        change=REFUSED,
        status="rejected",
        quantity=order.terms.quantity,
        filled=0,
        limit=order.terms.price,
        trigger=order.terms.trigger,
        fill_price=None,
        is_intrabar=False,
    )
