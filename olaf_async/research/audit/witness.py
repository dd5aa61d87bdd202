"""What a day's journal can testify: which orders are ours, what was sent, when what was heard of the broker.

Of the broker it takes the broker's own words, answers, frames and books as they came in; of the engine only
what it sent, never what it believed of it. One thing is concluded here: an order whose answer was lost is the
one in the book that is all that was sent, and was not known before.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from olaf_async.adapters.journal.codec import Header
from olaf_async.adapters.openalgo.wire.dated import Dated
from olaf_async.domain.events import (
    BooksRead,
    OrderAnswered,
    OrderRow,
    OrderUpdated,
    Outcome,
    PositionRow,
    TradeRow,
    Verb,
)
from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder
from olaf_async.domain.order import PriceType, Role, Side
from olaf_async.domain.price import Paise, to_text
from olaf_async.domain.setup import Direction
from olaf_async.ports.journal import Entry, NotSent, Record
from olaf_async.research.audit.account import Account, Case, SymbolPlan, Told
from olaf_async.research.audit.bare import Heard, Life, Whose, spells

_OPENS: Final = {Direction.LONG: Side.BUY, Direction.SHORT: Side.SELL}


@dataclass(slots=True)
class _Sent:
    """An order of ours: as it was sent first, and what the broker calls it."""

    place: PlaceOrder
    order_id: str | None = None
    is_open: bool = True
    """Whether it may have arrived although no answer ever said so."""


@dataclass(slots=True)
class Witness:
    """A journal, listened to.

    ``gaps`` are the times between two runs, in which nobody watched; ``prices`` all that were ever sent.
    """

    header: Header
    plans: Mapping[str, SymbolPlan]
    budget_ns: int
    last_books: BooksRead | None = None
    last_books_seq: int = 0
    last_act_seq: int = 0
    last_ns: int = 0
    last_seq: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)
    prices: list[tuple[Paise, Told]] = field(default_factory=list)
    _sent: dict[str, _Sent] = field(default_factory=dict)
    _lives: dict[str, Life] = field(default_factory=dict)
    _modifies: dict[int, ModifyOrder] = field(default_factory=dict)
    _orders: dict[str, Dated[OrderRow]] = field(default_factory=dict)
    _trades: dict[str, list[Dated[TradeRow]]] = field(default_factory=lambda: defaultdict(list))
    _positions: tuple[PositionRow, ...] = ()

    # --- listening --------------------------------------------------------------------------------

    def hear(self, record: Record) -> None:
        """Take in one record."""
        match record.entry, record.body:
            case Entry.SENDING, PlaceOrder() as place:
                if place.key not in self._sent or self._sent[place.key].order_id is None:
                    self._sent[place.key] = _Sent(place)
                self._note_prices(record, place)
            case Entry.SENDING, ModifyOrder() as modify:
                self._modifies[modify.request] = modify
                self._name(modify.key, modify.order_id)
                self._note_prices(record, modify)
            case Entry.SENDING, CancelOrder(key=key, order_id=order_id):
                self._name(key, order_id)
            case Entry.NOT_SENT, NotSent(PlaceOrder(key=key), is_refused=False) if key in self._sent:
                self._sent[key].is_open = False
            case Entry.EVENT, OrderAnswered() as answer:
                self._answered(record, answer)
            case Entry.EVENT, OrderUpdated(at_ns, row):
                self._life(row.order_id).heard(Heard(record.seq, at_ns, at_ns, row, is_book=False))
                self.last_act_seq = record.seq if row.symbol in self.plans else self.last_act_seq
            case Entry.EVENT, BooksRead() as books:
                self._read(record, books)
            case _:
                pass
        if record.entry is Entry.SENDING:
            self.last_act_seq = record.seq
        self.last_ns, self.last_seq = record.at_ns, record.seq

    def _note_prices(self, record: Record, intent: PlaceOrder | ModifyOrder) -> None:
        prices = [price for price in (intent.terms.price, intent.terms.trigger) if price]
        text = f"sent {intent.key} at " + ", trigger ".join(map(to_text, prices))
        told = Told(record.seq, record.at_ns, intent.symbol, text)
        self.prices += [(price, told) for price in prices]

    def _name(self, key: str, order_id: str) -> None:
        if key in self._sent and self._sent[key].order_id is None:
            self._sent[key].order_id = order_id

    def _answered(self, record: Record, answer: OrderAnswered) -> None:
        if answer.outcome is Outcome.ACCEPTED and answer.order_id is not None:
            life = self._life(answer.order_id)
            if answer.verb is Verb.PLACE and answer.key in self._sent:
                self._name(answer.key, answer.order_id)
                life.accepted(record.seq, answer.at_ns, self._sent[answer.key].place.terms.quantity)
            elif (modify := self._modifies.get(answer.request)) is not None:
                life.accepted(record.seq, answer.at_ns, modify.terms.quantity)
        if answer.verb is Verb.PLACE and answer.outcome in (Outcome.REFUSED, Outcome.NOT_SENT):
            sent = self._sent.get(answer.key)
            if sent is not None and sent.order_id is None:
                sent.is_open = False

    def _read(self, record: Record, books: BooksRead) -> None:
        """Keep what the books say, and of each row when it was first heard of."""
        before, self.last_books, self.last_books_seq = self.last_books, books, record.seq
        self._positions = books.positions
        if before is None or books.trades != before.trades:
            self._read_trades(record, books)
        for row in books.orders:
            life = self._life(row.order_id)
            life.heard(Heard(record.seq, books.at_ns, books.asked_ns, row, is_book=True))
            first = self._orders.get(row.order_id)
            at_ns = life.first_ns or books.at_ns
            self._orders[row.order_id] = Dated(row, at_ns if first is None else first.at_ns)

    def _read_trades(self, record: Record, books: BooksRead) -> None:
        executed: dict[str, list[TradeRow]] = defaultdict(list)
        for trade in books.trades:
            executed[trade.order_id].append(trade)
        for order_id, trades in executed.items():
            self._life(order_id).executed(record.seq, books.at_ns, sum(each.quantity for each in trades))
            self._keep_trades(order_id, trades, books.at_ns)

    def _keep_trades(self, order_id: str, trades: Sequence[TradeRow], at_ns: int) -> None:
        """Add the executions that were not there before, at the time a frame told of so many, or now.

        A paper account made again tells those of before as one: then they stand in the place of the parts.
        """
        kept = self._trades[order_id]
        new, known = Counter(trades), Counter(each.row for each in kept)
        if known == new or sum(each.quantity for each in trades) < _shares(kept):
            return
        if known - new:
            kept.clear()
            known.clear()
        for trade in (new - known).elements():
            heard_ns = self._life(order_id).filled_ns(_shares(kept) + trade.quantity)
            kept.append(Dated(trade, at_ns if heard_ns is None else min(at_ns, heard_ns)))

    def _life(self, order_id: str) -> Life:
        return self._lives.setdefault(order_id, Life())

    # --- testifying -------------------------------------------------------------------------------

    @property
    def account(self) -> Account:
        """The books as they were read, all reads together; the positions are of the last."""
        trades = tuple(trade for each in self._trades.values() for trade in each)
        return Account(tuple(self._orders.values()), trades, self._positions)

    @property
    def is_read_to_the_end(self) -> bool:
        """Whether the books were read once more after the last thing that happened to an order."""
        return self.last_books is not None and self.last_act_seq < self.last_books_seq

    def ours(self, account: Account) -> dict[str, str]:
        """Our orders in these books: id to symbol."""
        return {order_id: place.symbol for order_id, place in self._ours(account).items()}

    def _ours(self, account: Account) -> dict[str, PlaceOrder]:
        found = {each.order_id: each.place for each in self._sent.values() if each.order_id is not None}
        fresh = sorted(
            (order for order in account.orders if order.row.order_id not in found),
            key=lambda order: (order.at_ns or 0, order.row.order_id),
        )
        for sent in self._unanswered():
            match = next((order for order in fresh if _may_be(sent.place, order.row)), None)
            if match is not None:
                fresh.remove(match)
                found[match.row.order_id] = sent.place
        return found

    def never_arrived(self, account: Account) -> int:
        """Orders sent, never answered, and in no book."""
        arrived = len(self.ours(account)) - sum(each.order_id is not None for each in self._sent.values())
        return sum(1 for _ in self._unanswered()) - arrived

    def _end(self, symbol: str) -> Told:
        return Told(self.last_seq, self.last_ns, symbol, "the journal ends")

    def _unanswered(self) -> Iterator[_Sent]:
        return (each for each in self._sent.values() if each.order_id is None and each.is_open)

    def case(self, account: Account, *, is_over: bool, asked_ns: int | None = None) -> Case:
        """These books, to be judged with all that the journal knows.

        Read from ``asked_ns`` on (None: now), they need not have orders that were first heard of later.
        """
        ours = self._ours(account)
        first = {order_id: self._life(order_id).first_ns or 0 for order_id in ours}
        later = {key for key, at_ns in first.items() if asked_ns is not None and at_ns > asked_ns}
        stops = frozenset(order_id for order_id, place in ours.items() if place.role is Role.STOP)
        whose = Whose({order_id: (place.symbol, place.side) for order_id, place in ours.items()}, stops)
        return Case(
            account,
            self.plans,
            frozenset(ours) - (later - {order.row.order_id for order in account.orders}),
            self.budget_ns,
            is_over,
            frozenset(order_id for order_id, place in ours.items() if place.role is not Role.ENTRY),
            stops,
            known_ids={order_id: place.symbol for order_id, place in ours.items()},
            spells=tuple(
                spell
                for _, plan in sorted(self.plans.items())
                for spell in spells(plan, self._lives, whose, self._end(plan.symbol))
            ),
            sent_prices=tuple(self.prices),
        )


def _shares(trades: Iterable[Dated[TradeRow]]) -> int:
    return sum(each.row.quantity for each in trades)


def _may_be(place: PlaceOrder, row: OrderRow) -> bool:
    """Whether a row is all that was sent.

    Of a stop the prices may have been changed since; one that was set off may show as a limit order.
    """
    if (row.symbol, row.side) != (place.symbol, place.side):
        return False
    if row.price_type not in (place.price_type, PriceType.LIMIT):
        return False
    is_same_price = row.trigger == place.terms.trigger or row.price_type is PriceType.LIMIT
    return place.role is Role.STOP or (is_same_price and row.quantity == place.terms.quantity)


def listen(records: Iterable[Record]) -> Witness | None:
    """Hear a whole journal; None where no run began in it."""
    witness: Witness | None = None
    last_ns = 0
    for record in records:
        if isinstance(record.body, Header):
            witness = _begun(record.body, witness)
            if last_ns:
                witness.gaps.append((last_ns, record.at_ns))
        elif witness is not None:
            witness.hear(record)
        last_ns = record.at_ns
    return witness


def _begun(header: Header, before: Witness | None) -> Witness:
    plans = {
        each.setup.symbol: SymbolPlan(
            each.setup.symbol,
            _OPENS[each.setup.direction],
            each.setup.quantity or header.rules.quantity,
            each.setup.tick_size,
            header.rules.max_attempts,
        )
        for each in header.plans
    }
    budget_ns = header.rules.unprotected_max_ns
    if before is None:
        return Witness(header, plans, budget_ns)
    before.header, before.budget_ns = header, budget_ns
    before.plans = {**before.plans, **{name: _widest(before.plans.get(name), plans[name]) for name in plans}}
    return before


def _widest(before: SymbolPlan | None, plan: SymbolPlan) -> SymbolPlan:
    """A later run may be allowed less: what an earlier one was allowed, it has kept to all the same."""
    if before is None:
        return plan
    quantity, attempts = max(before.quantity, plan.quantity), max(before.attempts_max, plan.attempts_max)
    return replace(plan, quantity=quantity, attempts_max=attempts)
