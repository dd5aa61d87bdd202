"""The guards: each a named claim that must hold before something may be done.

They are gathered in one immutable table that the engine is built with. Production always uses STANDARD;
a test may replace one claim to show that the race it prevents then happens.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from olaf_async.core.state import SymbolState
from olaf_async.domain.events import OrderAnswered
from olaf_async.domain.order import Order, OrderState, Side
from olaf_async.strategies.protocol import Oriented, stop_at_entry

EntryGuard: TypeAlias = Callable[[SymbolState, int], bool]
"""(state, now in ns) -> whether an entry may go ahead as far as this guard is concerned."""


def is_flat_by_belief(state: SymbolState, _now_ns: int) -> bool:
    """No shares held, known or seen, and the trade before is reported."""
    return state.held == 0 and state.provisional == 0 and not state.is_unreported


def has_no_entry_outstanding(state: SymbolState, _now_ns: int) -> bool:
    """The entry slot is empty: in flight counts as present."""
    return state.entry is None


def has_no_closing_order(state: SymbolState, _now_ns: int) -> bool:
    """Neither stop nor exit may still sell what a new entry would buy."""
    return state.stop is None and state.exit is None


def has_nothing_undecided(state: SymbolState, _now_ns: int) -> bool:
    """No order of today is still unexplained."""
    return not state.phantoms


def has_attempts_left(state: SymbolState, _now_ns: int) -> bool:
    """Fewer filled entries than allowed."""
    return state.attempts < state.rules.max_attempts


def is_before_the_exit(state: SymbolState, now_ns: int) -> bool:
    """Inside the session and not yet leaving."""
    return state.session.act_from_ns <= now_ns < state.exit_ns and state.leaving is None


def is_feed_fresh(state: SymbolState, now_ns: int) -> bool:
    """The newest print is young enough to act on."""
    return now_ns - state.last_ns < state.rules.stale_feed_ns


def is_level_ahead(state: SymbolState, _now_ns: int) -> bool:
    """Price has not yet passed the entry's trigger; an exchange would refuse the stop order."""
    return state.last is not None and state.orient(state.last) < state.strategy.entry


def can_be_protected(state: SymbolState, _now_ns: int) -> bool:
    """The stop of a fill at the entry would lie at a price that exists."""
    return stop_at_entry(state.strategy) >= state.setup.tick_size


def is_not_frozen(state: SymbolState, _now_ns: int) -> bool:
    """No contradiction is open."""
    return state.frozen is None and not state.is_done


def does_account_allow(state: SymbolState, _now_ns: int) -> bool:
    """Limits of the whole account."""
    return state.account.refuses_position(state.symbol) is None


ENTRY_GUARDS: Mapping[str, EntryGuard] = MappingProxyType(
    {
        guard.__name__: guard
        for guard in (
            has_no_entry_outstanding,
            is_flat_by_belief,
            has_no_closing_order,
            has_nothing_undecided,
            has_attempts_left,
            is_before_the_exit,
            is_feed_fresh,
            is_level_ahead,
            can_be_protected,
            is_not_frozen,
            does_account_allow,
        )
    }
)


def are_books_fresh_and_flat(state: SymbolState) -> bool:
    """The last books were asked for after everything we know of this symbol, and show nothing held."""
    return state.books_seq >= state.newest_seq and state.account_net == 0


def is_watched(state: SymbolState) -> bool:
    """The books have been read in this run: what was open when the last one ended may be so no more."""
    return not state.is_unread


def may_place_stop(state: SymbolState) -> bool:
    """There is no protective order, not even one in flight."""
    return state.stop is None


def may_place_exit(state: SymbolState) -> bool:
    """Nothing else may still trade this symbol: entry, stop and exit have ended."""
    return state.entry is None and state.stop is None and state.exit is None


def may_forget(order: Order) -> bool:
    """An order leaves its slot only when the broker's evidence says that it has ended."""
    return not order.is_outstanding


def may_raise(current: Oriented, wished: Oriented) -> bool:
    """A stop only rises."""
    return wished > current


def is_read_current(state: SymbolState, asked_seq: int) -> bool:
    """A book asked for before our newest order event of the symbol says nothing about it."""
    return asked_seq >= state.newest_seq


def is_still_wanted(state: SymbolState, order: Order) -> bool:
    """The order is still the one in its slot."""
    return any(slot is order for slot in state.slots)


def shares_to_close(state: SymbolState, side: Side) -> int:
    """What a closing order of this side may still close now: what is held, or what was sold too much."""
    return state.exposure if side is state.entry_side.other else state.oversold


def order_asked_about(state: SymbolState, answer: OrderAnswered) -> Order | None:
    """An answer speaks of the order it was asked about, wherever that is by now; None where unknown."""
    return next((order for order in state.orders if order.key == answer.key), None)


def is_answer_for(order: Order, answer: OrderAnswered) -> bool:
    """A modify's answer speaks of the newest modify only."""
    return order.modify_request == answer.request


def is_modify_free(order: Order) -> bool:
    """The order works and no modify of it is outstanding."""
    return order.state is OrderState.WORKING and order.pending is None


@dataclass(frozen=True, slots=True)
class Guards:
    """The table the engine is built with."""

    entry: Mapping[str, EntryGuard] = field(default_factory=lambda: ENTRY_GUARDS)
    books_allow_entry: Callable[[SymbolState], bool] = are_books_fresh_and_flat
    is_watched: Callable[[SymbolState], bool] = is_watched
    may_place_stop: Callable[[SymbolState], bool] = may_place_stop
    may_place_exit: Callable[[SymbolState], bool] = may_place_exit
    may_forget: Callable[[Order], bool] = may_forget
    may_raise: Callable[[Oriented, Oriented], bool] = may_raise
    is_read_current: Callable[[SymbolState, int], bool] = is_read_current
    is_still_wanted: Callable[[SymbolState, Order], bool] = is_still_wanted
    shares_to_close: Callable[[SymbolState, Side], int] = shares_to_close
    order_asked_about: Callable[[SymbolState, OrderAnswered], Order | None] = order_asked_about
    is_answer_for: Callable[[Order, OrderAnswered], bool] = is_answer_for
    is_modify_free: Callable[[Order], bool] = is_modify_free

    def denies_entry(self, state: SymbolState, now_ns: int) -> str | None:
        """The first entry guard that says no, by name."""
        return next((name for name, holds in self.entry.items() if not holds(state, now_ns)), None)


STANDARD = Guards()
