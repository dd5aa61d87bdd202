"""The course of a symbol's position, share by share, as its executions tell it.

Books tell times to the second, and executions of one second in any order. So what is looked for is an order
of each second's executions in which nothing forbidden happens; where there is none, something did.

Other hands may trade the same symbol. Their shares are theirs first: what they sell is taken from what they
bought, and only then from what we hold.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from olaf_async.adapters.openalgo.wire.dated import Dated
from olaf_async.domain.events import TradeRow
from olaf_async.domain.order import Side

STATES_MAX: Final = 50_000
"""More ways than this to order one second are not looked through."""


@dataclass(frozen=True, slots=True, order=True)
class _Held:
    """Shares of ours and of others, counted in the direction of the plan; the entry ours came by."""

    ours: int = 0
    theirs: int = 0
    entry: str = ""


@dataclass(frozen=True, slots=True, order=True)
class _Step:
    """An execution: signed shares, and the id of the order of ours it is of ("" for others)."""

    order_id: str
    shares: int


@dataclass(frozen=True, slots=True)
class Moment:
    """One second's executions, and what may be held of ours after them: the least and the most."""

    at_ns: int | None
    trades: tuple[Dated[TradeRow], ...]
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Course:
    """All moments of a symbol, up to the first that has no allowed order, which is then ``broken``.

    ``shared`` counts executions whose order the books cannot tell; ``is_too_much`` that a moment had more
    orders than were looked through.
    """

    moments: tuple[Moment, ...]
    broken: Moment | None
    shared: int
    is_too_much: bool = False

    @property
    def since_flat(self) -> tuple[Dated[TradeRow], ...]:
        """The executions of the last position, from its beginning to the moment that is broken."""
        moments = self.moments
        held = max((n for n, each in enumerate(moments) if each.most), default=0)
        begin = max((n + 1 for n, each in enumerate(moments[:held]) if not each.most), default=0)
        last = () if self.broken is None else (self.broken,)
        return tuple(trade for each in (*moments[begin:], *last) for trade in each.trades)


def course_of(
    trades: Iterable[Dated[TradeRow]], ours: frozenset[str], opens: Side, shares_max: int
) -> Course:
    """Follow the position; ``trades`` are one symbol's, in any order."""
    known = sorted(trades, key=_place)
    # One execution without a time may belong anywhere, so nothing is known of the others' places either.
    by_time = [known]
    if all(trade.at_ns is not None for trade in known):
        by_time = [list(each) for _, each in groupby(known, key=lambda trade: trade.at_ns)]
    ways, shared = {_Held()}, 0
    moments: list[Moment] = []
    for group in filter(None, by_time):
        shared += len(group) if len(group) > 1 else 0
        steps = [_step(trade, ours, opens) for trade in group]
        after = _through(ways, steps, shares_max)
        bounds = (min(way.ours for way in after), max(way.ours for way in after)) if after else (0, 0)
        moment = Moment(group[0].at_ns, tuple(group), *bounds)
        if not after:
            return Course(tuple(moments), moment, shared, is_too_much=after is None)
        moments.append(moment)
        ways = after
    return Course(tuple(moments), None, shared)


def _place(trade: Dated[TradeRow]) -> tuple[int, str, str, int, int]:
    row = trade.row
    return trade.at_ns or 0, row.order_id, row.side.value, row.quantity, row.price


def _step(trade: Dated[TradeRow], ours: frozenset[str], opens: Side) -> _Step:
    row = trade.row
    sign = 1 if row.side is opens else -1
    return _Step(row.order_id if row.order_id in ours else "", sign * row.quantity)


def _through(ways: set[_Held], steps: Sequence[_Step], shares_max: int) -> set[_Held] | None:
    """What may be held after all these steps in some allowed order; empty: there is none; None: too many."""
    kinds = sorted(Counter(steps).items())
    todo = {(tuple(count for _, count in kinds), way) for way in ways}
    seen = 0
    for _ in steps:
        done: set[tuple[tuple[int, ...], _Held]] = set()
        for left, way in todo:
            for number, (step, _) in enumerate(kinds):
                if left[number] and (after := _after(way, step, shares_max)) is not None:
                    done.add(((*left[:number], left[number] - 1, *left[number + 1 :]), after))
        seen += len(done)
        if seen > STATES_MAX:
            return None
        todo = done
    return {way for _, way in todo}


def _after(held: _Held, step: _Step, shares_max: int) -> _Held | None:
    """What is held after a step, None where it must not happen."""
    if not step.order_id:
        return _others(held, step.shares)
    if step.shares > 0:
        if held.ours and held.entry != step.order_id:
            return None
        now = held.ours + step.shares
        return _Held(now, held.theirs, step.order_id) if now <= shares_max else None
    now = held.ours + step.shares
    return None if now < 0 else _Held(now, held.theirs, held.entry if now else "")


def _others(held: _Held, shares: int) -> _Held:
    """Somebody else traded: what closes is taken from theirs, then from ours."""
    ours, theirs = held.ours, held.theirs
    if shares < 0:
        of_theirs = min(-shares, max(0, theirs))
        of_ours = min(-shares - of_theirs, ours)
        ours, theirs = ours - of_ours, theirs + shares + of_ours
    else:
        theirs += shares
    return _Held(ours, theirs, held.entry if ours else "")
