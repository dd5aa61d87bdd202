"""The story of a simulated day in steps, one column for each task, of the symbol that something befell.

Owns the words. It is a function of what the journal and the exchange have kept; it never looks at a clock.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from olaf_async.adapters.paper.orders import Change, What
from olaf_async.domain.events import (
    BarClosed,
    BooksFailed,
    BooksRead,
    Commanded,
    OrderAnswered,
    OrderUpdated,
    PriceTouched,
    RunBegan,
    StreamChanged,
)
from olaf_async.domain.intents import CancelOrder, ModifyOrder, OrderIntent, PlaceOrder
from olaf_async.domain.order import Terms
from olaf_async.domain.price import to_text
from olaf_async.ports.broker import Books
from olaf_async.ports.journal import Entry, NotSent, PutOff, Record
from olaf_async.sim.table import Step

if TYPE_CHECKING:
    from olaf_async.sim.checkers import Violation
    from olaf_async.sim.world import World

COLUMNS = ("exchange", "feed", "news", "poller", "call", "desk", "pump", "beside", "person")


def steps_of(world: "World", violation: "Violation") -> tuple[Step, ...]:
    """Everything about the violation's symbol (or all of them), by time."""
    symbol = violation.symbol
    steps = [
        Step(change.at_ns, "exchange", _changed(world, change))
        for change in world.exchange.history
        if symbol in (None, world.exchange.record(change.order_id).symbol)
    ]
    assert world.life is not None, "every day has at least one run"
    for record in world.life.disk.records():
        told = _told(record, symbol)
        if told is not None:
            steps.append(Step(record.at_ns, *told))
    steps += _aside(world.aside, symbol)
    steps += [
        Step(at_ns, "person", f"hears {say.code}")
        for at_ns, say in world.alarms
        if symbol is None or say.symbol in (None, symbol)
    ]
    steps.append(Step(violation.at_ns, "person", f"{violation.promise} IS BROKEN"))
    return tuple(sorted((step for step in steps if step.at_ns <= violation.at_ns), key=lambda one: one.at_ns))


def _changed(world: "World", change: Change) -> str:
    ours = world.server.ours.get(change.order_id)
    name = ours.key if ours is not None else f"by hand ({change.order_id[-3:]})"
    match change.what:
        case What.FILLED:
            return f"{name}: {change.filled} of {change.quantity} filled at {to_text(change.price)}"
        case What.PLACED | What.MODIFIED:
            terms = Terms(change.quantity, change.price, change.trigger)
            return f"{name} {change.what.value}: {_terms(terms)}"
        case _:
            return f"{name} {change.what.value}"


def _told(record: Record, symbol: str | None) -> tuple[str, str] | None:  # noqa: PLR0911 -- one for each
    """Column and words of one record; None where it is not about the symbol, or nothing to tell."""
    body = record.body
    of = getattr(body, "symbol", None) or getattr(getattr(body, "intent", None), "symbol", None)
    if symbol is not None and of not in (None, symbol):
        return None
    match body:
        case PlaceOrder() | ModifyOrder() | CancelOrder() if record.entry is Entry.SENDING:
            return "desk", f"sends {_asked(body)}"
        case PutOff(intent):
            return "desk", f"puts off {_asked(intent)}"
        case NotSent(intent, why):
            return "desk", f"drops {_asked(intent)}: {why}"
        case PlaceOrder() | ModifyOrder() | CancelOrder():
            return "pump", f"wants {_asked(body)}"
        case _ if record.entry is Entry.EVENT:
            return _event(body, symbol)
        case _:
            return None


def _event(body: object, symbol: str | None) -> tuple[str, str] | None:  # noqa: PLR0911 -- as above
    match body:
        case PriceTouched(price=price):
            return "feed", f"a print at {to_text(price)}"
        case OrderUpdated(row=row):
            return "news", f"{row.order_id[-3:]} {row.status.value}, {row.filled} filled"
        case StreamChanged(is_up=is_up):
            return "news", "the stream is up" if is_up else "the stream is down"
        case BooksRead(orders=orders, trades=trades, positions=positions):
            return "poller", _read(Books(orders, trades, positions), symbol)
        case BooksFailed(why=why):
            return "poller", f"cannot read: {why}"
        case OrderAnswered(key=key, outcome=outcome, message=message):
            return "call", f"{key}: {outcome.value} {message}".rstrip()
        case Commanded(command=command):
            return "person", f"orders {command.value}"
        case RunBegan():
            return "pump", "a run begins"
        case BarClosed():
            return "pump", "a bar closes"
        case _:
            return None


def _aside(acts: Iterable[tuple[int, object]], symbol: str | None) -> Iterator[Step]:
    """What code beside the engine did; of reads that show the same, the first and the last in a row."""
    told: list[Step] = []
    for at_ns, what in acts:
        done = _done(what, symbol)
        if done is None:
            continue
        if [step.text for step in told[-2:]] == [done, done]:
            told.pop()
        told.append(Step(at_ns, "beside", done))
    return iter(told)


def _done(what: object, symbol: str | None) -> str | None:
    """What code beside the engine did; None where it is about another symbol."""
    match what:
        case Books():
            return _read(what, symbol)
        case PlaceOrder() | ModifyOrder() | CancelOrder() if symbol in (None, what.symbol):
            return f"sends {_asked(what)}"
        case _:
            return None


def _read(books: Books, symbol: str | None) -> str:
    working = sum(row.symbol == symbol and row.status.value == "working" for row in books.orders)
    held = sum(row.quantity for row in books.positions if row.symbol == symbol)
    return f"reads {working} working, {held} held"


def _asked(intent: OrderIntent) -> str:
    match intent:
        case PlaceOrder(key=key, terms=terms):
            return f"{key}: {_terms(terms)}"
        case ModifyOrder(key=key, terms=terms):
            return f"{key} changed: {_terms(terms)}"
        case CancelOrder(key=key):
            return f"{key} cancelled"


def _terms(terms: Terms) -> str:
    trigger = f" from {to_text(terms.trigger)}" if terms.trigger else ""
    return f"{terms.quantity} at {to_text(terms.price)}{trigger}"
