"""What the engine believes held against the broker's raw books: every difference, and who has to see to it.

`compare` is pure: it decides nothing and changes nothing. It does not use the core's own reading of the
books: what that misunderstands is to be found here.

C1  The books' word is taken as it is. One read may be a moment behind, hence a second and a third look.
C2  News of our own orders (a fill, an end) needs nobody: an engine takes it in, the next one too. What it
    leaves open does: shares that no working order of ours would sell, shares short.
C3  Where no engine runs, nobody looks for an order of unknown fate, nor after what a resting entry buys.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import OrderRow, Status
from olaf_async.domain.order import Order, OrderState, PriceType, Role, Side, Terms
from olaf_async.domain.price import to_text
from olaf_async.ports.broker import Books
from olaf_async.ports.clock import Clock
from olaf_async.ports.control import Comparison, Difference

_ENDED_AS = {
    Status.COMPLETE: OrderState.FILLED,
    Status.CANCELLED: OrderState.CANCELLED,
    Status.REJECTED: OrderState.REJECTED,
    Status.EXPIRED: OrderState.EXPIRED,
}
NOTHING = "nothing"
LOOKS_MAX = 3
LOOK_AGAIN_NS = 2 * SECOND_NS
"""Between two looks; books may be about a second behind while an order is being accepted or changed."""


@dataclass(slots=True)
class _Account:
    """One symbol's part of the books. ``traded`` is signed, by order id; ``ours`` are ids of ours."""

    rows: dict[str, OrderRow] = field(default_factory=dict)
    traded: dict[str, int] = field(default_factory=dict)
    net: int = 0
    ours: set[str] = field(default_factory=set)

    def signed(self, order_id: str) -> int:
        """Shares of it that are filled, by whichever of order book and tradebook says more."""
        row, traded = self.rows.get(order_id), self.traded.get(order_id, 0)
        shown = 0 if row is None else row.side.sign * (row.filled or 0)
        return max(traded, shown, key=abs)

    def filled(self, order_id: str) -> int:
        """The same, whichever side it is on."""
        return abs(self.signed(order_id))

    @property
    def orders(self) -> tuple[str, ...]:
        """The ids of all orders that any of the books shows."""
        return tuple(dict.fromkeys((*self.rows, *self.traded)))


def compare(states: Iterable[SymbolState], books: Books, *, is_watched: bool) -> tuple[Difference, ...]:
    """Every difference in the symbols of ``states``; ``is_watched`` where an engine is at work on them."""
    states = tuple(states)
    accounts = _by_symbol(books, [state.symbol for state in states])
    return tuple(
        difference
        for state in states
        for difference in _differences(state, accounts[state.symbol], is_watched=is_watched)
    )


async def look(
    states: Sequence[SymbolState],
    read: Callable[[], Awaitable[Books]],
    clock: Clock,
    *,
    belief: str,
    is_watched: bool,
) -> Comparison:
    """Compare with books read now; what needs a person is told once it has been seen in several reads.

    Raises what ``read`` raises. Yields: always.
    """
    looks = 0
    while True:
        looks += 1
        differences = compare(states, await read(), is_watched=is_watched)
        orders = sum(len(state.orders) for state in states)
        told = Comparison(clock.now_ns(), belief, len(states), orders, looks, differences)
        if looks == LOOKS_MAX or not told.needs_person:
            return told
        await clock.sleep_until_ns(clock.now_ns() + LOOK_AGAIN_NS)


def _by_symbol(books: Books, symbols: Iterable[str]) -> dict[str, _Account]:
    accounts = {symbol: _Account() for symbol in symbols}
    for row in books.orders:
        if row.symbol in accounts:
            accounts[row.symbol].rows[row.order_id] = row
    for trade in books.trades:
        if trade.symbol in accounts:
            traded = accounts[trade.symbol].traded
            traded[trade.order_id] = traded.get(trade.order_id, 0) + trade.side.sign * trade.quantity
    for position in books.positions:
        if position.symbol in accounts:
            accounts[position.symbol].net += position.quantity
    return accounts


def _differences(state: SymbolState, account: _Account, *, is_watched: bool) -> Iterator[Difference]:
    account.ours = {order.order_id for order in state.orders if order.order_id is not None}
    for order in state.orders:
        if order.order_id is not None:
            yield from _known(order, order.order_id, account)
        elif order.sent_ns is not None:
            yield from _unanswered(order, account, is_watched=is_watched)
    yield from _foreign(state, account)
    yield from _net(state, account)
    yield from _uncovered(state, account)
    if not is_watched:
        yield from _unwatched(state, account)


# ------------------------------------------------------------------------------------------------- our orders


def _known(order: Order, order_id: str, account: _Account) -> Iterator[Difference]:
    """An order of ours whose id is known."""
    row = account.rows.get(order_id)
    if row is None:
        yield _of(order, "missing", _believed(order), "not in the order book", needs_person=True)
        return
    filled = account.filled(order_id)
    if filled != order.filled:
        told = f"{order.filled} filled", f"{filled} filled"
        yield _of(order, "filled", *told, needs_person=filled < order.filled)
    is_working = row.status is Status.WORKING
    if is_working and order.is_outstanding:
        yield from _terms(order, row)
    elif is_working or order.state is not _ENDED_AS[row.status]:
        told = order.state.value, f"{row.status.value}: {row.reason}" if row.reason else row.status.value
        yield _of(order, "state", *told, needs_person=is_working)


def _terms(order: Order, row: OrderRow) -> Iterator[Difference]:
    """Both say that it works: as what? A stop that has triggered shows as a limit order."""
    shown = Terms(row.quantity, row.price, row.trigger)
    is_kind_kept = row.price_type in (order.price_type, PriceType.LIMIT)
    if is_kind_kept and shown in (order.terms, order.pending):
        return
    believed = _order(order.side, order.price_type, order.terms)
    is_changing = order.pending is not None and is_kind_kept
    yield _of(order, "terms", believed, _order(row.side, row.price_type, shown), needs_person=not is_changing)


def _unanswered(order: Order, account: _Account, *, is_watched: bool) -> Iterator[Difference]:
    """An order that has been sent and whose id nobody told: what in the books may be it?"""
    found = [
        row for order_id, row in account.rows.items() if order_id not in account.ours and _fits(order, row)
    ]
    account.ours |= {row.order_id for row in found}
    if not found:
        if order.is_outstanding:
            yield _of(order, "undecided", _believed(order), "nothing like it", needs_person=not is_watched)
        return
    told = ", ".join(f"{row.order_id} {row.status.value}" for row in found)
    is_one_awaited = order.is_outstanding and len(found) == 1
    yield _of(order, "found", _believed(order), told, needs_person=not is_one_awaited)


def _fits(order: Order, row: OrderRow) -> bool:
    if (row.side, row.quantity) != (order.side, order.terms.quantity):
        return False
    if order.price_type is PriceType.SL:
        return row.trigger == order.terms.trigger
    return (row.price, row.trigger) == (order.terms.price, 0)


# ------------------------------------------------------------------------------------------------- the rest


def _foreign(state: SymbolState, account: _Account) -> Iterator[Difference]:
    """Orders of somebody else's: those that work, and those that have traded."""
    for order_id in account.orders:
        if order_id in account.ours:
            continue
        row, traded = account.rows.get(order_id), account.signed(order_id)
        known = state.foreign[order_id].signed if order_id in state.foreign else 0
        if row is not None and row.status is Status.WORKING:
            shown = _order(row.side, row.price_type, Terms(row.quantity, row.price, row.trigger))
            yield Difference(state.symbol, "foreign order", order_id, NOTHING, shown, needs_person=True)
        if traded or known:
            told = f"{known:+d} shares" if known else NOTHING, f"{traded:+d} shares"
            yield Difference(state.symbol, "foreign trade", order_id, *told, needs_person=known != traded)


def _net(state: SymbolState, account: _Account) -> Iterator[Difference]:
    """The position, against the fills believed in and against those that the books show."""
    believed = sum(order.side.sign * order.filled for order in state.orders)
    believed += sum(other.signed for other in state.foreign.values())
    shown = sum(map(account.signed, account.orders))
    if account.net != shown:
        told = f"fills: {shown:+d} shares", f"position: {account.net:+d} shares"
        yield Difference(state.symbol, "books", "", *told, needs_person=True)
    if account.net != believed:
        # Books that agree among themselves name each order that makes the difference, above.
        told = f"{believed:+d} shares", f"{account.net:+d} shares"
        yield Difference(state.symbol, "position", "", *told, needs_person=account.net != shown)


def _uncovered(state: SymbolState, account: _Account) -> Iterator[Difference]:
    """What the account holds of ours that no working order of ours would close; and what is short of it."""
    ours = state.orient(sum(map(account.signed, account.ours)))
    held, short = min(state.orient(account.net), ours), -max(state.orient(account.net), ours)
    if short > 0:
        told = f"{short} shares sold too much"
        yield Difference(state.symbol, "oversold", "", NOTHING, told, needs_person=True)
    covered = sum(
        row.quantity - account.filled(order_id)
        for order_id, row in account.rows.items()
        if order_id in account.ours and row.status is Status.WORKING and row.side is state.entry_side.other
    )
    if held > covered:
        told = f"{held} shares held, {covered} covered by working orders"
        yield Difference(state.symbol, "unprotected", "", NOTHING, told, needs_person=True)


def _unwatched(state: SymbolState, account: _Account) -> Iterator[Difference]:
    """An entry that rests while no engine runs: what it buys would have no stop."""
    for order in state.orders:
        row = None if order.order_id is None else account.rows.get(order.order_id)
        if order.role is Role.ENTRY and row is not None and row.status is Status.WORKING:
            yield _of(order, "unwatched", "an engine looks after it", "no engine runs", needs_person=True)


# ------------------------------------------------------------------------------------------------- words


def _of(order: Order, kind: str, believed: str, found: str, *, needs_person: bool) -> Difference:
    about = f"{order.key} ({order.order_id})" if order.order_id is not None else order.key
    return Difference(order.symbol, kind, about, believed, found, needs_person)


def _believed(order: Order) -> str:
    return f"{_order(order.side, order.price_type, order.terms)}, {order.state.value}"


def _order(side: Side, kind: PriceType, terms: Terms) -> str:
    trigger = f" from {to_text(terms.trigger)}" if terms.trigger else ""
    return f"{side.value} {terms.quantity} {kind.value}{trigger} at {to_text(terms.price)}"
