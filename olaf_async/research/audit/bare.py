"""How long shares stood without a stop that the broker had confirmed, by what was heard when.

A share counts from when its execution was first heard of, by frame or book, whichever came first. A stop
counts from when the broker confirmed it, for as many shares as it was confirmed for, until the broker said
that it has ended and never again that it works: an end that a book takes back was none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from olaf_async.domain.events import OrderRow, Status
from olaf_async.domain.order import Side
from olaf_async.research.audit.account import Spell, SymbolPlan, Told

_ENDS_WITHOUT = (Status.CANCELLED, Status.REJECTED, Status.EXPIRED)


@dataclass(frozen=True, slots=True)
class Whose:
    """Our orders, each with its symbol and side, and the ids of the stops among them."""

    ours: Mapping[str, tuple[str, Side]]
    stops: frozenset[str]


@dataclass(frozen=True, slots=True)
class Heard:
    """A row as it came: in the journal's record ``seq``, at ``at_ns``, as of ``as_of_ns`` at the earliest."""

    seq: int
    at_ns: int
    as_of_ns: int
    row: OrderRow
    is_book: bool


@dataclass(slots=True)
class Life:
    """What was heard of one order id, in its order; ``rows`` where the status was not that of before."""

    rows: list[Heard] = field(default_factory=list)
    _fills: list[tuple[int, int, int]] = field(default_factory=list)
    _sizes: list[tuple[int, int, int]] = field(default_factory=list)

    # --- hearing ----------------------------------------------------------------------------------

    def heard(self, heard: Heard) -> None:
        """A frame or a row of a book has come."""
        row = heard.row
        if not self.rows or self.rows[-1].row.status is not row.status:
            self.rows.append(heard)
        if not heard.is_book:
            is_whole = row.status is Status.COMPLETE and row.filled is None
            self.executed(heard.seq, heard.at_ns, row.quantity if is_whole else row.filled or 0)
        # A frame may be older than an answer that came before it; a read says itself how old it may be.
        if row.status is Status.WORKING and (
            not self._sizes or (heard.is_book and self._sizes[-1][0] <= heard.as_of_ns)
        ):
            self.accepted(heard.seq, heard.at_ns, row.quantity)

    def executed(self, seq: int, at_ns: int, shares: int) -> None:
        """So many of its shares have been executed in all."""
        if shares > (self._fills[-1][2] if self._fills else 0):
            self._fills.append((at_ns, seq, shares))

    def accepted(self, seq: int, at_ns: int, shares: int) -> None:
        """The broker has confirmed it for so many shares."""
        if not self._sizes or self._sizes[-1][2] != shares:
            self._sizes.append((at_ns, seq, shares))

    # --- telling ----------------------------------------------------------------------------------

    @property
    def first_ns(self) -> int | None:
        """When it was first heard of."""
        times = [self._sizes[0][0]] if self._sizes else []
        return min([*times, *(heard.at_ns for heard in self.rows[:1])], default=None)

    def filled_ns(self, shares: int) -> int | None:
        """When so many shares, or more, were first told of."""
        return next((at_ns for at_ns, _, filled in self._fills if filled >= shares), None)

    @property
    def about(self) -> tuple[str, Side]:
        """Symbol and side, as far as a row told them."""
        return (self.rows[-1].row.symbol, self.rows[-1].row.side) if self.rows else ("", Side.BUY)

    @property
    def end(self) -> Heard | None:
        """The first news of an end after the last that it works; None where it has none but executions."""
        works = [n for n, heard in enumerate(self.rows) if heard.row.status is Status.WORKING]
        after = self.rows[works[-1] + 1 :] if works else self.rows
        return next((heard for heard in after if heard.row.status in _ENDS_WITHOUT), None)

    def fills(self) -> Iterator[tuple[int, int, int]]:
        """(time, record, shares added) of each piece of news."""
        before = 0
        for at_ns, seq, shares in self._fills:
            yield at_ns, seq, shares - before
            before = shares

    def cover(self) -> Iterator[tuple[int, int, int]]:
        """(time, record, shares confirmed from then on); one that was rejected was never confirmed."""
        end = self.end
        is_never = end is not None and end.row.status is Status.REJECTED
        if not is_never or any(heard.row.status is Status.WORKING for heard in self.rows):
            yield from self._sizes
            if end is not None:
                yield end.at_ns, end.seq, 0


@dataclass(slots=True)
class _Now:
    """What is held, and what covers it, at one moment of the sweep."""

    ours: int = 0
    theirs: int = 0
    confirmed: dict[str, int] = field(default_factory=dict)
    executed: dict[str, int] = field(default_factory=dict)

    @property
    def is_bare(self) -> bool:
        """Whether more is held than confirmed stops would close."""
        covered = sum(
            max(0, shares - self.executed.get(order_id, 0)) for order_id, shares in self.confirmed.items()
        )
        return self.ours > covered

    def trade(self, order_id: str, shares: int, *, is_ours: bool) -> None:
        """Shares were executed, signed in the plan's direction."""
        self.executed[order_id] = self.executed.get(order_id, 0) + abs(shares)
        if is_ours:
            self.ours += shares
            return
        of_ours = 0
        if shares < 0:
            of_ours = max(0, min(-shares - max(0, self.theirs), self.ours))
        self.ours -= of_ours
        self.theirs += shares + of_ours


@dataclass(slots=True)
class _Open:
    """A position that is being followed."""

    symbol: str
    begin_ns: int
    shares: int = 0
    since: tuple[int, Told] | None = None
    worst: tuple[int, int, tuple[Told, ...]] = (0, 0, ())
    total_ns: int = 0
    entry_ids: set[str] = field(default_factory=set)

    def looked_at(self, at_ns: int, told: Told, *, is_bare: bool) -> None:
        """Begin or end a stretch without cover."""
        if is_bare and self.since is None:
            self.since = at_ns, told
        elif not is_bare and self.since is not None:
            begin_ns, first = self.since
            spell_ns = at_ns - begin_ns
            self.total_ns += spell_ns
            self.worst = max(self.worst, (spell_ns, begin_ns, (first, told)), key=lambda each: each[0])
            self.since = None

    def over(self, end_ns: int | None) -> Spell:
        """What is to be told of it."""
        bare_ns, from_ns, lines = self.worst
        ids = frozenset(self.entry_ids)
        return Spell(
            self.symbol, self.begin_ns, end_ns, self.shares, bare_ns, from_ns, self.total_ns, ids, lines
        )


def spells(
    plan: SymbolPlan,
    lives: Mapping[str, Life],
    whose: Whose,
    until: Told,
) -> Iterator[Spell]:
    """Each position in a symbol, in the order of time, up to the journal's end."""
    news = sorted(_news(plan, lives, whose), key=lambda each: (each[0], each[1].seq))
    now = _Now()
    open_: _Open | None = None
    for number, (at_ns, told, order_id, change, is_trade) in enumerate(news):
        if is_trade:
            now.trade(order_id, change, is_ours=order_id in whose.ours)
            if now.ours > 0 and open_ is None:
                open_ = _Open(plan.symbol, at_ns)
            if open_ is not None and change > 0 and order_id in whose.ours:
                open_.shares += change
                open_.entry_ids.add(order_id)
        else:
            now.confirmed[order_id] = change
        is_last_of_moment = number + 1 == len(news) or news[number + 1][0] > at_ns
        if open_ is not None and is_last_of_moment:
            open_.looked_at(at_ns, told, is_bare=now.is_bare)
            if now.ours <= 0:
                yield open_.over(at_ns)
                open_ = None
    if open_ is not None:
        open_.looked_at(until.at_ns, until, is_bare=False)
        yield open_.over(None)


def _news(
    plan: SymbolPlan, lives: Mapping[str, Life], whose: Whose
) -> Iterator[tuple[int, Told, str, int, bool]]:
    for order_id, life in lives.items():
        symbol, side = whose.ours.get(order_id) or life.about
        if symbol != plan.symbol:
            continue
        sign = 1 if side is plan.opens else -1
        by = "" if order_id in whose.ours else "another's "
        for at_ns, seq, shares in life.fills():
            text = f"{by}{side.value} {order_id}: {shares:,} shares executed"
            yield at_ns, Told(seq, at_ns, plan.symbol, text), order_id, sign * shares, True
        if order_id in whose.stops and sign < 0:
            for at_ns, seq, shares in life.cover():
                what = f"confirmed for {shares:,} shares" if shares else "has ended"
                text = f"stop {order_id} {what}"
                yield at_ns, Told(seq, at_ns, plan.symbol, text), order_id, shares, False
