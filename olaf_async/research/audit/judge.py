"""The judgement: each promise of a day held against the broker's rows, with the very rows that break it.

A1  What cannot be read is not guessed: a time in unknown words makes the order of executions unknown, and
    only what no order of them allows counts as broken.
A2  The order of rows in a book means nothing: brokers list them newest first, oldest first, or by order id.
A3  A row's end is a hint: what was filled is what the tradebook has.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from olaf_async.adapters.openalgo.wire.dated import Dated
from olaf_async.domain.events import OrderRow, PositionRow, Status, TradeRow
from olaf_async.domain.order import PriceType
from olaf_async.domain.price import to_text
from olaf_async.research.audit.account import (
    Breach,
    Case,
    Promise,
    Proof,
    Row,
    Source,
    SymbolPlan,
    Verdict,
)
from olaf_async.research.audit.course import Course, course_of

SECOND_NS: Final = 1_000_000_000
_STOPS: Final = (PriceType.SL, PriceType.SL_M)
_MS: Final = 1_000_000


@dataclass(frozen=True)
class _Symbol:
    """One symbol's part of the account, in an order that does not depend on the books'."""

    plan: SymbolPlan
    orders: tuple[Dated[OrderRow], ...]
    trades: tuple[Dated[TradeRow], ...]
    net: int
    positions: tuple[PositionRow, ...]
    ours: frozenset[str]
    ways_out: frozenset[str]

    @cached_property
    def course(self) -> Course:
        """How the position went."""
        return course_of(self.trades, self.ours, self.plan.opens, self.plan.quantity)

    @cached_property
    def own_orders(self) -> tuple[Dated[OrderRow], ...]:
        """Ours of the orders."""
        return tuple(order for order in self.orders if order.row.order_id in self.ours)

    @cached_property
    def own_trades(self) -> tuple[Dated[TradeRow], ...]:
        """Ours of the executions."""
        return tuple(trade for trade in self.trades if trade.row.order_id in self.ours)

    @cached_property
    def filled(self) -> Mapping[str, int]:
        """Shares executed, by order id."""
        total: dict[str, int] = defaultdict(int)
        for trade in self.trades:
            total[trade.row.order_id] += trade.row.quantity
        return total

    @cached_property
    def entries(self) -> Mapping[str, tuple[Dated[TradeRow], ...]]:
        """Executions of each order of ours that opened something; not of one that bought back a short."""
        found: dict[str, list[Dated[TradeRow]]] = defaultdict(list)
        for trade in self.own_trades:
            if trade.row.side is self.plan.opens and trade.row.order_id not in self.ways_out:
                found[trade.row.order_id].append(trade)
        return {order_id: tuple(trades) for order_id, trades in found.items()}

    def rows_of(self, order_id: str) -> tuple[Row, ...]:
        """Everything the books have of an order."""
        orders = [order for order in self.orders if order.row.order_id == order_id]
        return (*orders, *(trade for trade in self.trades if trade.row.order_id == order_id))


def judge(case: Case) -> tuple[Proof, ...]:
    """Every promise, judged. The order of rows in the books makes no difference."""
    symbols = [_symbol(case, plan) for _, plan in sorted(case.plans.items())]
    return (
        _one_position(symbols),
        _attempts(symbols),
        _stopped(symbols, case),
        _in_time(symbols, case),
        _on_tick(symbols, case),
        _nothing_left(symbols, is_over=case.is_over),
        _books_agree(symbols),
        _all_there(case),
    )


def others(case: Case) -> tuple[Dated[OrderRow], ...]:
    """Orders in our symbols that are not ours: somebody else's, to be known of and kept apart."""
    orders = case.account.orders
    found = [each for each in orders if each.row.symbol in case.plans and each.row.order_id not in case.ours]
    return tuple(sorted(found, key=_order_place))


def unordered(case: Case) -> int:
    """Executions in our symbols of which the books cannot tell which came first."""
    return sum(_symbol(case, plan).course.shared for plan in case.plans.values())


def _symbol(case: Case, plan: SymbolPlan) -> _Symbol:
    account, name = case.account, plan.symbol
    positions = tuple(sorted((p for p in account.positions if p.symbol == name), key=lambda p: p.quantity))
    return _Symbol(
        plan,
        tuple(sorted((each for each in account.orders if each.row.symbol == name), key=_order_place)),
        tuple(sorted((each for each in account.trades if each.row.symbol == name), key=_trade_place)),
        sum(position.quantity for position in positions),
        positions,
        case.ours,
        case.ways_out,
    )


def _order_place(order: Dated[OrderRow]) -> tuple[int, str, str]:
    return order.at_ns or 0, order.row.order_id, repr(order)


def _trade_place(trade: Dated[TradeRow]) -> tuple[int, str, str]:
    return trade.at_ns or 0, trade.row.order_id, repr(trade)


# --------------------------------------------------------------------------------------------- the position


def _one_position(symbols: Sequence[_Symbol]) -> Proof:
    broken = [
        Breach(each.plan.symbol, _two_text(each), each.course.since_flat)
        for each in symbols
        if each.course.broken is not None
    ]
    is_unclear = all(each.course.is_too_much for each in symbols if each.course.broken is not None)
    most = max((moment.most for each in symbols for moment in each.course.moments), default=0)
    count = sum(len(each.trades) for each in symbols)
    verdict = Verdict.KEPT if not broken else Verdict.NOT_SHOWN if is_unclear else Verdict.BROKEN
    measured = f"at most {_count(most, 'share')}, {_count(count, 'trade')}"
    return Proof(Promise.ONE_POSITION, verdict, measured, Source.BOOKS, tuple(broken))


def _two_text(symbol: _Symbol) -> str:
    course, plan = symbol.course, symbol.plan
    assert course.broken is not None, "asked of a course that is"
    if course.is_too_much:
        return "too many executions in one second to find out what was held between them"
    before = course.moments[-1] if course.moments else None
    held = 0 if before is None else before.most
    net = sum(
        (1 if trade.row.side is plan.opens else -1) * trade.row.quantity
        for trade in course.broken.trades
        if trade.row.order_id in symbol.ours
    )
    if held + net < 0:
        return f"{-net:,} shares closed where no more than {held:,} were held"
    if held + net > plan.quantity:
        return f"{held + net:,} shares held where the plan was for {plan.quantity:,}"
    return f"a second entry while {held:,} shares of the first were held" if held else "two positions at once"


def _attempts(symbols: Sequence[_Symbol]) -> Proof:
    broken, most, allowed = [], 0, 0
    for each in symbols:
        count = len(each.entries)
        if (count, each.plan.attempts_max) > (most, allowed) or not allowed:
            most, allowed = count, each.plan.attempts_max
        if count > each.plan.attempts_max:
            rows = tuple(row for order_id in each.entries for row in each.rows_of(order_id))
            text = f"{count} entries filled, {each.plan.attempts_max} allowed"
            broken.append(Breach(each.plan.symbol, text, rows))
    measured = f"at most {most} of {allowed} in a symbol"
    return _proof(Promise.ATTEMPTS, measured, Source.BOOKS, broken)


# --------------------------------------------------------------------------------------------- protection


def _stopped(symbols: Sequence[_Symbol], case: Case) -> Proof:
    """By the books: to each filled entry a stop of ours, big enough, sent while it was held."""
    broken: list[Breach] = []
    needed = without = 0
    for each in symbols:
        every = tuple(order for order in each.own_orders if _is_stop(order.row, each.plan, case.stops))
        stops = list(every)
        for order_id, trades in _by_first(each.entries):
            needed += 1
            begin, end = _life(each, trades)
            fitting = [stop for stop in stops if _fits(each, stop, begin, end, trades)]
            if fitting:
                stops.remove(fitting[0])
            elif begin is not None and end is not None and end - begin <= case.budget_ns + SECOND_NS:
                without += 1  # left again before a stop could have been late
            else:
                rows = (*each.rows_of(order_id), *every)
                broken.append(Breach(each.plan.symbol, f"no stop for what {order_id} bought", rows))
    told = f", {without} closed before one was due" if without else ""
    return _proof(Promise.STOPPED, f"{_count(needed, 'position')}{told}", Source.BOOKS, broken)


def _by_first(
    entries: Mapping[str, tuple[Dated[TradeRow], ...]],
) -> list[tuple[str, tuple[Dated[TradeRow], ...]]]:
    return sorted(entries.items(), key=lambda each: (min(trade.at_ns or 0 for trade in each[1]), each[0]))


def _is_stop(row: OrderRow, plan: SymbolPlan, sent_as_stops: frozenset[str]) -> bool:
    """A stop that was set off shows as a limit order at some brokers, with or without its trigger."""
    if row.side is plan.opens or row.status is Status.REJECTED:
        return False
    return row.price_type in _STOPS or row.trigger > 0 or row.order_id in sent_as_stops


def _life(symbol: _Symbol, trades: Sequence[Dated[TradeRow]]) -> tuple[int | None, int | None]:
    """From when to when what an entry bought was held, to the second; None where the books do not tell."""
    times = [trade.at_ns for trade in trades]
    if any(at is None for at in times):
        return None, None
    begin = min(at for at in times if at is not None)
    moments = symbol.course.moments
    end = next((m.at_ns for m in moments if m.at_ns is not None and m.at_ns >= begin and m.least == 0), None)
    return begin, end


def _fits(
    symbol: _Symbol,
    stop: Dated[OrderRow],
    begin: int | None,
    end: int | None,
    trades: Sequence[Dated[TradeRow]],
) -> bool:
    """Whether this stop can have been the one of that position.

    It may be older than the first execution that the books tell, where it was sent before that was heard of,
    but not than the entry. Where others closed a part, it was cut down to the rest.
    """
    shares = sum(trade.row.quantity for trade in trades)
    if stop.row.quantity < shares and len(symbol.own_trades) == len(symbol.trades):
        return False
    if stop.at_ns is None or begin is None:
        return True
    entry_id = trades[0].row.order_id
    sent = [order.at_ns for order in symbol.own_orders if order.row.order_id == entry_id]
    first = min(begin, *(at for at in sent if at is not None)) if sent else begin
    return first - SECOND_NS <= stop.at_ns and (end is None or stop.at_ns <= end + SECOND_NS)


def _in_time(symbols: Sequence[_Symbol], case: Case) -> Proof:
    """By the journal: how long after it was heard of each share had a stop that the broker had confirmed."""
    if case.spells is None:
        return Proof(Promise.IN_TIME, Verdict.NOT_SHOWN, "books tell no milliseconds", Source.JOURNAL)
    broken = [
        Breach(spell.symbol, f"{spell.bare_ns / _MS:,.0f} ms without a stop for all shares", spell.lines)
        for spell in case.spells
        if spell.bare_ns > case.budget_ns
    ]
    told = frozenset[str]().union(*(spell.entry_ids for spell in case.spells))
    for each in symbols:
        for order_id in sorted(each.entries.keys() - told):
            text = f"the journal never heard that {order_id} was filled"
            broken.append(Breach(each.plan.symbol, text, each.rows_of(order_id)))
    worst = max((spell.bare_ns for spell in case.spells), default=0)
    measured = f"at most {worst / _MS:,.0f} of {case.budget_ns / _MS:,.0f} ms"
    return _proof(Promise.IN_TIME, measured, Source.JOURNAL, broken)


# --------------------------------------------------------------------------------------------- prices


def _on_tick(symbols: Sequence[_Symbol], case: Case) -> Proof:
    broken: list[Breach] = []
    count = 0
    for each in symbols:
        tick = each.plan.tick_size
        for order in each.own_orders:
            prices = _prices(order.row, each)
            count += len(prices)
            off = [*order.finer, *(to_text(price) for price in prices if price % tick)]
            if off:
                broken.append(Breach(each.plan.symbol, _off_text(off, tick), (order,)))
    for price, told in case.sent_prices or ():
        plan = case.plans.get(told.symbol)
        count += 1
        if plan is not None and price % plan.tick_size:
            broken.append(Breach(told.symbol, _off_text([to_text(price)], plan.tick_size), (told,)))
    source = Source.BOOKS if case.sent_prices is None else Source.BOTH
    return _proof(Promise.ON_TICK, f"{count:,} prices", source, broken)


def _off_text(prices: Iterable[str], tick: int) -> str:
    return f"{', '.join(prices)} is no multiple of {to_text(tick)}"


def _prices(row: OrderRow, symbol: _Symbol) -> list[int]:
    """The prices it was sent with, as far as the row still has them.

    Of a market order brokers show any price, and of one that is filled some show the average instead.
    """
    prices = [row.trigger] if row.trigger else []
    if row.price and row.price_type in (PriceType.LIMIT, PriceType.SL):
        executed = [trade.row for trade in symbol.trades if trade.row.order_id == row.order_id]
        shares = sum(trade.quantity for trade in executed)
        value = sum(trade.quantity * trade.price for trade in executed)
        if not shares or abs(row.price * shares - value) >= shares:
            prices.append(row.price)
    return prices


# --------------------------------------------------------------------------------------------- the end


def _nothing_left(symbols: Sequence[_Symbol], *, is_over: bool) -> Proof:
    left: list[Breach] = []
    for each in symbols:
        working = tuple(order for order in each.own_orders if order.row.status is Status.WORKING)
        if working:
            left.append(Breach(each.plan.symbol, f"{_count(len(working), 'order')} still at work", working))
        net = sum(trade.row.side.sign * trade.row.quantity for trade in each.own_trades)
        if net and each.net:
            rows: tuple[Row, ...] = (*each.positions, *each.own_trades)
            left.append(Breach(each.plan.symbol, f"{_count(net, 'share')} of ours still held", rows))
    measured = "no order at work, flat"
    if left:
        measured = f"open in {_count(len({each.symbol for each in left}), 'symbol')}"
    if left and not is_over:
        return Proof(Promise.NOTHING_LEFT, Verdict.KEPT, f"{measured}, and the engine runs", Source.BOOKS, ())
    return _proof(Promise.NOTHING_LEFT, measured, Source.BOOKS, left)


def _books_agree(symbols: Sequence[_Symbol]) -> Proof:
    """What one book says of shares the others must say too: else there is a phantom in one of them."""
    broken: list[Breach] = []
    for each in symbols:
        total = sum(trade.row.side.sign * trade.row.quantity for trade in each.trades)
        if total != each.net:
            text = f"the position book says {each.net:,} shares, the executions add up to {total:,}"
            broken.append(Breach(each.plan.symbol, text, (*each.positions, *each.trades)))
        broken += [Breach(each.plan.symbol, text, rows) for text, rows in _odd_orders(each)]
    count = sum(len(each.orders) + len(each.trades) + len(each.positions) for each in symbols)
    return _proof(Promise.BOOKS_AGREE, f"{count:,} rows", Source.BOOKS, broken)


def _odd_orders(symbol: _Symbol) -> Iterator[tuple[str, tuple[Row, ...]]]:
    for order in symbol.own_orders:
        row, done = order.row, symbol.filled.get(order.row.order_id, 0)
        rows = symbol.rows_of(row.order_id)
        if done > row.quantity:
            yield f"{done:,} shares executed of {row.order_id}, which is for {row.quantity:,}", rows
        elif row.status is Status.COMPLETE and done != row.quantity:
            yield (
                f"{row.order_id} is complete, and {done:,} of its {row.quantity:,} shares were executed",
                rows,
            )
        elif row.filled is not None and row.filled != done:
            yield f"{row.order_id} says {row.filled:,} shares filled, the tradebook {done:,}", rows
    known = {order.row.order_id for order in symbol.orders}
    for order_id in sorted({trade.row.order_id for trade in symbol.trades} - known):
        yield f"{order_id} was executed, and the order book does not have it", symbol.rows_of(order_id)


def _all_there(case: Case) -> Proof:
    """An order that the broker gave an id and then does not know: the book is not the whole day's."""
    there = {order.row.order_id for order in case.account.orders}
    missing = sorted(case.ours - there)
    broken = [
        Breach(case.known_ids.get(order_id, ""), f"the order book lacks {order_id}", ())
        for order_id in missing
    ]
    measured = f"{len(case.ours) - len(missing):,} of {len(case.ours):,}"
    return _proof(Promise.ALL_THERE, measured, Source.BOTH, broken)


def _proof(promise: Promise, measured: str, source: Source, broken: Sequence[Breach]) -> Proof:
    verdict = Verdict.BROKEN if broken else Verdict.KEPT
    return Proof(promise, verdict, measured, source, tuple(broken))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
