"""What a day with cuts is held to, all of it from the exchange's own record.

Owns the checks. Only two of them ask the engine: whether it knows at the end what the exchange knows, and
whether it called a person where shares stayed without a stop for longer than the budget.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from olaf_async.adapters.journal.rerun import Rerunner
from olaf_async.adapters.paper.orders import OrderRecord, OrderStatus
from olaf_async.domain.events import BooksRead
from olaf_async.domain.order import Side
from olaf_async.ports.journal import Entry
from tests.crash.day import ATTEMPTS, RULES, CrashDay, Life
from tests.races.world import INFY, SHARES

WORKING = (OrderStatus.OPEN, OrderStatus.TRIGGER_PENDING)
MARGIN_NS = 50_000_000
"""What the engine may need to notice that its budget is used up, and to say so."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The account from ``at_ns`` on: shares held, and what working orders would still buy or sell."""

    at_ns: int
    held: int
    buying: int
    selling: int


def course(day: CrashDay) -> list[Moment]:
    """The account after each change at the exchange."""
    sides = {order.order_id: order.side for order in day.exchange.records()}
    filled = dict.fromkeys(sides, 0)
    left = {Side.BUY: dict[str, int](), Side.SELL: dict[str, int]()}
    held, moments = 0, [Moment(0, 0, 0, 0)]
    for change in day.exchange.history:
        side = sides[change.order_id]
        held += side.sign * (change.filled - filled[change.order_id])
        filled[change.order_id] = change.filled
        is_working = change.status in WORKING
        left[side][change.order_id] = change.quantity - change.filled if is_working else 0
        buying, selling = (sum(of_side.values()) for of_side in left.values())
        moments.append(Moment(change.at_ns, held, buying, selling))
    return moments


def faults(day: CrashDay) -> Iterator[str]:
    """Everything that must not have happened, in words."""
    moments = course(day)
    yield from _twice(moments)
    yield from _naked(day, moments)
    yield from _left_over(day, moments[-1])
    entries = [order for order in bought(day) if order.filled]
    if len(entries) > ATTEMPTS:
        yield f"{len(entries)} entries were filled, {ATTEMPTS} are allowed"
    again = Rerunner(guards=day.parts.guards).run(day.lives[-1].disk.records())
    if again.difference is not None:
        yield f"the journal does not replay: {again.difference}"


def bought(day: CrashDay) -> list[OrderRecord]:
    """The entries that reached the exchange."""
    return [order for order in day.exchange.records() if order.side is Side.BUY]


def _twice(moments: list[Moment]) -> Iterator[str]:
    for moment in moments:
        if moment.held + moment.buying > SHARES:
            yield f"{moment}: more than one position"
        if moment.held < 0:
            yield f"{moment}: short"
        if moment.selling > max(moment.held, 0):
            yield f"{moment}: more would be sold than is held"


def _naked(day: CrashDay, moments: list[Moment]) -> Iterator[str]:
    """Shares without a sell order beside them; what nobody could see counts from the first books after."""
    for life in day.lives:
        longest_ns = naked_ns(day, life, moments)
        if longest_ns > RULES.unprotected_max_ns + MARGIN_NS and "unprotected" not in life.alarms.codes:
            yield f"{longest_ns / 1e9:.3f} s without protection, and no alarm"


def naked_ns(day: CrashDay, life: Life, moments: list[Moment]) -> int:
    """The longest that shares were without a sell order while this life could have done something."""
    until_ns = life.ended_ns or day.plan.session.close_ns
    longest_ns, since_ns = 0, None
    ends = [moment.at_ns for moment in moments[1:]] + [until_ns]
    for moment, end_ns in zip(moments, ends, strict=True):
        if moment.held <= moment.selling:
            since_ns = None
            continue
        since_ns = max(moment.at_ns, seen_ns(life)) if since_ns is None else since_ns
        longest_ns = max(longest_ns, min(end_ns, until_ns) - since_ns)
    return longest_ns


def seen_ns(life: Life) -> int:
    """When this life first knew the books."""
    reads = (
        record.at_ns
        for record in life.disk.records()
        if record.at_ns >= life.began_ns and isinstance(record.body, BooksRead)
    )
    return next(reads, life.ended_ns or life.began_ns)


def _left_over(day: CrashDay, last: Moment) -> Iterator[str]:
    if (last.held, last.buying, last.selling) != (0, 0, 0):
        yield f"at the end: {last}"
    state = day.lives[-1].supervisor.engine.traders[INFY].state
    if state.held != last.held:
        yield f"the engine believes in {state.held} shares, the account has {last.held}"
    if state.slots:
        yield f"the engine believes in open orders: {[order.key for order in state.slots]}"
    if state.frozen:
        yield f"frozen: {state.frozen}"
    if day.outcome is None or day.outcome.exit_code:
        yield f"the run ends with {day.outcome and day.outcome.exit_code}: {day.lives[-1].alarms.codes}"
    told = sum(trade.quantity for trade in day.outcome.trades) if day.outcome else 0
    sold = sum(fill.quantity for fill in day.exchange.fills if fill.side is Side.SELL)
    if told != sold:
        yield f"the trades told are of {told} shares, {sold} were sold"
    if any(
        record.entry is Entry.EVENT and record.fingerprint is None for record in day.lives[-1].disk.records()
    ):
        yield "the core crashed"
