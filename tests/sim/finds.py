"""What the simulator has found in the engine, each with the schedule that broke it before it was mended.

Owns the small days of these tapes, and what a mend is taken out with: in a test only. Which promise was
broken is the race's; where a mend is taken out that promise breaks, and as the engine is now it holds.
"""

from dataclasses import dataclass
from pathlib import Path

from olaf_async.core import evidence, protection, reconcile
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.core.trader import Trader
from olaf_async.domain.events import Command
from olaf_async.domain.intents import PlaceOrder
from olaf_async.domain.order import Order, PriceType, Role, Side, Terms
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Setup
from olaf_async.ports.broker import Books
from olaf_async.sim.explore import Broken
from olaf_async.strategies.protocol import Strategy
from tests.races.world import ENTRY, INFY, SHARES, UNDERCUT, plan_of

from .judges import entries_of, never_short, never_too_much_to_sell
from .safety import GOLDEN
from .scenarios import BAR_S, NEAR, SOON, STOPPED, Race, green_bar
from .stage import DROPPED, LOST, SHORT, May, Scenario, Stage

JUST_GIVEN_UP = 5.5
"""Seconds. Past the engine's patience, and before it asks again."""
IN_TIME_S = 10
"""A person is called by then where what closes a position does not fill."""


@dataclass(frozen=True)
class Find:
    """What was found, the promise that it broke, the mend, and the ordinary test of that."""

    number: str
    what: str
    promise: str
    mend: str
    test: str
    race: Race

    @property
    def tape(self) -> Path:
        """The schedule that broke it."""
        return GOLDEN / f"{self.number}.jsonl"


# --- nobody buys ----------------------------------------------------------------------------------


async def the_price_falls_and_perhaps_nobody_buys(stage: Stage) -> None:
    stage.is_disturbed = False
    await stage.prints(UNDERCUT, NEAR, ENTRY, 1000_50, pause_s=0.5)
    if stage.choose("circuit", ("nobody buys",)):
        stage.exchange._depth = lambda order, price: 0
    for _ in range(2 * IN_TIME_S):
        await stage.prints(STOPPED, pause_s=1)


def called_where_nothing_closes(stage: Stage) -> Broken | None:
    """A person hears of it where shares are still held long after the price of their stop was printed."""
    reached_ns = min((at_ns for at_ns, price in stage.printed if price == STOPPED), default=0)
    held = held_at(stage, stage.clock.now_ns())
    if held and not any(said.code == "closing_unfilled" for _, said in stage.alarms):
        late_ns = reached_ns + IN_TIME_S * SECOND_NS
        return Broken("not out, and nobody told", late_ns, f"{held} shares held, past their stop")
    return None


def _calls_nobody(_state: SymbolState, _since_ns: int, _now_ns: int) -> None:
    """It rests at a price that crosses, and waits."""


# --- flattened before its first order ---------------------------------------------------------------


async def flattened_before_its_first_order(stage: Stage) -> None:
    await stage.prints(NEAR, pause_s=0.5)
    stage.commands(Command.FLATTEN, INFY)
    await stage.wait(3)
    await stage.prints(UNDERCUT, NEAR, NEAR, pause_s=1)
    await stage.calm()


def none_after_flatten(stage: Stage) -> Broken | None:
    """No entry leaves for a symbol that a person has taken out of the day."""
    for flattened_ns, _ in stage.commanded:
        for at_ns, _ in entries_of(stage):
            if at_ns > flattened_ns:
                return Broken("entry after a flatten", at_ns, "an entry leaves for what was taken out")
    return None


def _is_planned_and_touched(trader: Trader, setup: Setup, session: Session, strategy: Strategy) -> bool:
    """What has made no order yet begins the new run afresh, and what it was told is forgotten."""
    if trader.is_untouched:
        trader.state.is_dismissed = False
        return False
    return _is_planned(trader, setup, session, strategy)


_is_planned = Trader.is_planned

# --- strangers --------------------------------------------------------------------------------------


def reads_lag(stage: Stage, most: int = 2) -> None:
    """From now on a read may be answered from the copy of an earlier one, up to so many before."""
    taken, copies = stage._paper.books, [Books((), (), ())] * most

    async def books() -> Books:
        copies.append(await taken())
        older = stage.choices.draw("lag", most + 1) if stage.is_disturbed else 0
        return copies[-1 - older]

    stage._paper.books = books  # type: ignore[method-assign] # the broker of this one run


async def a_stranger_sells_while_the_entry_rests(stage: Stage) -> None:
    reads_lag(stage)
    await stage.prints(UNDERCUT, NEAR, pause_s=1)
    stage.trades_by_hand(Side.SELL, SHARES)
    await stage.prints(NEAR, NEAR, NEAR, pause_s=2)
    await stage.calm()


def held_at(stage: Stage, at_ns: int) -> int:
    """What the account holds then."""
    return sum(fill.quantity * fill.side.sign for fill in stage.exchange.fills if fill.at_ns <= at_ns)


def none_for_nothing(stage: Stage) -> Broken | None:
    """No stop leaves while nothing is held."""
    for at_ns, intent in stage.calls:
        if isinstance(intent, PlaceOrder) and intent.role is Role.STOP and held_at(stage, at_ns) <= 0:
            return Broken("a stop for nothing", at_ns, "a stop leaves though nothing is held")
    return None


def _unseen_shares(state: SymbolState, books: reconcile.SymbolBooks) -> None:
    """A sale that the books do not have yet makes what they show look like shares of the entry."""
    position, entry = state.position, state.entry
    if books.is_complete or entry is None or entry.sent_ns is None or position.left or position.taken:
        state.provisional = 0
        return
    unexplained = state.orient(books.net) - state.held - state.foreign_net
    state.provisional = min(max(state.provisional, unexplained), entry.remaining)
    if state.provisional:
        evidence.protect_unseen(state)


async def it_is_stopped_out_and_enters_again(stage: Stage) -> None:
    stage.is_disturbed = False
    reads_lag(stage, most=8)
    await stage.prints(UNDERCUT, NEAR, ENTRY, 1000_50, STOPPED, pause_s=0.5)
    stage.is_disturbed = True
    await stage.prints(UNDERCUT - 5, NEAR, NEAR, NEAR, NEAR, pause_s=1)
    await stage.calm()


def _is_never_behind(_order: Order, _books: reconcile.SymbolBooks) -> bool:
    """A read shows what is."""
    return False


async def a_stranger_sells_what_fills_in_two_parts(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR, ENTRY, pause_s=0.5)
    await stage.prints(ENTRY, pause_s=0.2)
    stage.trades_by_hand(Side.SELL, SHARES)
    await stage.prints(1000_50, pause_s=2)
    await stage.calm()


def _takes_nothing_more(_state: SymbolState, _books: reconcile.SymbolBooks, _now_ns: int) -> None:
    """What was sold before its fill was heard of stays ours."""


# --- other terms ------------------------------------------------------------------------------------


async def a_stop_is_raised(stage: Stage) -> None:
    stage.is_disturbed = False
    reads_lag(stage)
    await stage.prints(UNDERCUT, NEAR, ENTRY, pause_s=0.5)
    await green_bar(stage, 1001_00)
    stage.is_disturbed = True
    await green_bar(stage, 1005_00)
    await stage.prints(1006_00, 1006_00, 1006_00, pause_s=2)
    await stage.calm()


def none_put_right(stage: Stage) -> Broken | None:
    """No person is called to other terms where the broker keeps what it was sent."""
    for at_ns, said in stage.alarms:
        if said.code == "terms_differ":
            return Broken("other terms, for nothing", at_ns, said.text)
    return None


def _read_once(state: SymbolState, order: Order, kind: PriceType, shown: Terms, asked_ns: int) -> None:
    """What one read has shown every later one must show."""
    if shown == order.terms:
        order.changed_ns = 0
    elif asked_ns >= order.changed_ns + reconcile.BOOK_LAG_NS:
        order.changed_ns = 0
        if not reconcile._is_late_change(state, order, shown):
            reconcile._put_right(state, order, kind, shown)


async def the_entry_fills_in_two_parts(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR, ENTRY, pause_s=0.5)
    await stage.prints(ENTRY, pause_s=4)
    await stage.prints(ENTRY, ENTRY, ENTRY, ENTRY, pause_s=1)
    await stage.calm()


def _only_a_raise(state: SymbolState, order: Order, shown: Terms) -> bool:
    """A larger quantity that lands late is other terms."""
    return shown.quantity == order.terms.quantity and _is_late_change(state, order, shown)


_is_late_change = reconcile._is_late_change


def perhaps_changes_the_stop(stage: Stage) -> None:
    """The broker keeps the stop lower than it was sent."""
    if not stage.choose("another hand", ("lowers the stop",)):
        return
    stop = next(row for row in stage.exchange.order_rows() if row.side is Side.SELL)
    lower = Terms(stop.quantity, stop.price - 1_00, stop.trigger - 1_00)
    stage.exchange.modify(stop.order_id, lower, stage.clock.now_ns())


async def a_stop_is_not_kept(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR, ENTRY, pause_s=0.5)
    perhaps_changes_the_stop(stage)
    await stage.prints(ENTRY, ENTRY, ENTRY, ENTRY, pause_s=2)
    await stage.calm()


async def a_stop_is_not_kept_and_it_is_flattened(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR, pause_s=1)
    await stage.prints(ENTRY, pause_s=0.015)
    perhaps_changes_the_stop(stage)
    await stage.wait(0.1)
    stage.commands(Command.FLATTEN)
    await stage.prints(ENTRY, ENTRY, ENTRY, pause_s=1)
    await stage.calm()


def none_frozen(stage: Stage) -> Broken | None:
    """Where the broker has refused nothing no symbol is frozen for it."""
    frozen = stage.state.frozen
    return Broken("frozen for nothing", stage.clock.now_ns(), str(frozen)) if frozen else None


def _refused_by_the_broker(state: SymbolState, order: Order, now_ns: int) -> None:
    """What did not happen was refused."""
    refused = order.pending
    _not_modified(state, order, now_ns)
    if order.role is Role.STOP and refused is not None:
        protection.modify_refused(state, order, refused)


_not_modified = evidence._not_modified


FINDS: tuple[Find, ...] = (
    Find(
        "F1",
        "what should have closed the position rested at a price that crossed, and nobody heard of it",
        "a person is called where what is to close a position does not fill",
        "core/state.py `SymbolState.call_unfilled`",
        "tests/core/test_protection.py `test_a_reached_stop_that_does_not_fill_calls_a_person_once`",
        Race(
            Scenario(
                "nobody buys",
                the_price_falls_and_perhaps_nobody_buys,
                {},
                rules=SOON,
                judges=(called_where_nothing_closes,),
            ),
            "the call to a person",
            {},
            "not out, and nobody told",
            patches=((SymbolState, "call_unfilled", _calls_nobody),),
        ),
    ),
    Find(
        "F2",
        "a symbol that was flattened before its first order traded again after a restart",
        "what a person has taken out of the day stays out",
        "core/engine.py `Engine.carry_on`",
        "tests/core/test_restart.py"
        " `test_a_symbol_that_was_flattened_before_it_traded_does_not_trade_after_a_restart`",
        Race(
            Scenario(
                "flattened before its first order",
                flattened_before_its_first_order,
                {},
                rules=SOON,
                down=(1.0,),
                is_cut_at_writes=True,
                judges=(none_after_flatten,),
            ),
            "the memory of what has made no order",
            {},
            "entry after a flatten",
            patches=((Trader, "is_planned", _is_planned_and_touched),),
        ),
    ),
    Find(
        "F3",
        "books from before a stranger's sale, set off against the sale, looked like a fill of our entry",
        "nothing protects shares that nobody has",
        "core/reconcile.py `_unseen`",
        "tests/core/test_reconcile.py"
        " `test_books_that_lag_behind_a_strangers_sale_show_no_shares_of_a_resting_entry`",
        Race(
            Scenario(
                "a stranger sells while the entry rests",
                a_stranger_sells_while_the_entry_rests,
                {},
                rules=SOON,
                judges=(none_for_nothing,),
            ),
            "the floor under a stranger's sale",
            {},
            "a stop for nothing",
            patches=((reconcile, "_unseen", _unseen_shares),),
        ),
    ),
    Find(
        "F4",
        "a stranger's sale was heard of before our own last fill: a stop was placed for what was sold",
        "no more is to be sold than is held",
        "core/reconcile.py `_take_explained`",
        "tests/core/test_reconcile.py"
        " `test_a_strangers_sale_heard_of_before_our_own_last_fill_takes_that_too_once_a_read_shows_it`",
        Race(
            Scenario(
                "a stranger sells what fills in two parts",
                a_stranger_sells_what_fills_in_two_parts,
                {
                    "frame": May(fate=(LOST,)),
                    "books": May(back=(SHORT,), most=4),
                },
                rules=SOON,
                fills=(4, 6),
                judges=(never_too_much_to_sell, never_short),
            ),
            "the shares that a read explains",
            {},
            "too much to sell",
            patches=((reconcile, "_take_explained", _takes_nothing_more),),
        ),
    ),
    Find(
        "F5",
        "a book that stepped back behind a change which an earlier one had shown counted as other terms",
        "nobody is called to other terms where the broker keeps what it was sent",
        "core/reconcile.py `_read_back`",
        "tests/core/test_evidence.py"
        " `test_a_book_that_lags_behind_a_raise_that_landed_late_is_no_other_terms`",
        Race(
            Scenario(
                "a stop is raised",
                a_stop_is_raised,
                {},
                plan=plan_of(bar_s=BAR_S, trail_buffer_ticks=100, trails_from_entry_bar=False),
                rules=SOON,
                judges=(none_put_right,),
            ),
            "the second look at other terms",
            {},
            "other terms, for nothing",
            patches=((reconcile, "_read_back", _read_once),),
        ),
    ),
    Find(
        "F6",
        "a repair whose answer was lost counted as refused, and the symbol was frozen",
        "what no broker has refused freezes nothing",
        "core/evidence.py `modify_not_done`",
        "tests/core/test_evidence.py"
        " `test_a_repair_whose_answer_was_lost_is_asked_for_again_and_was_refused_by_nobody`",
        Race(
            Scenario(
                "a stop is not kept",
                a_stop_is_not_kept,
                {"modify stop": May(fate=(DROPPED,), most=1)},
                rules=SOON,
                judges=(none_frozen,),
            ),
            "the repair's second try",
            {},
            "frozen for nothing",
            patches=((evidence, "modify_not_done", evidence.modify_refused),),
        ),
    ),
    Find(
        "F7",
        "a change of the stop that never left the desk counted as the broker's refusal",
        "what no broker has refused freezes nothing",
        "core/evidence.py `_not_modified`",
        "tests/core/test_protection.py"
        " `test_a_repair_that_a_cancel_overtakes_at_the_desk_was_refused_by_nobody`",
        Race(
            Scenario(
                "a stop is not kept, and it is flattened",
                a_stop_is_not_kept_and_it_is_flattened,
                {"place stop": May(back=(SHORT,)), "books": May(back=(SHORT,), most=3)},
                rules={**SOON, "max_orders_per_s": 1},
                judges=(none_frozen,),
            ),
            "the difference between held back and refused",
            {},
            "frozen for nothing",
            patches=(
                (evidence, "_not_modified", _refused_by_the_broker),
                (evidence, "modify_refused", _refused_by_the_broker),
            ),
        ),
    ),
    Find(
        "F8",
        "a larger quantity of the stop that landed late counted as other terms than were sent",
        "nobody is called to other terms where the broker keeps what it was sent",
        "core/reconcile.py `_is_late_change`",
        "tests/core/test_evidence.py"
        " `test_a_larger_quantity_that_counted_as_never_done_and_lands_after_all_stands`",
        Race(
            Scenario(
                "the entry fills in two parts",
                the_entry_fills_in_two_parts,
                {
                    "modify stop": May(there=(JUST_GIVEN_UP,), fate=(LOST, DROPPED), most=2),
                    "books": May(back=(SHORT,), most=8),
                },
                rules=SOON,
                fills=(4, 6),
                judges=(none_put_right,),
            ),
            "the larger quantity that stands, and the second look behind it",
            {},
            "other terms, for nothing",
            patches=((reconcile, "_is_late_change", _only_a_raise), (reconcile, "_read_back", _read_once)),
        ),
    ),
    Find(
        "F9",
        "right after a re-entry an older read still showed the trade before as shares of the new entry",
        "nothing protects shares that nobody has",
        "core/reconcile.py `_is_behind`",
        "tests/core/test_reconcile.py"
        " `test_a_read_older_than_what_is_known_shows_no_shares_of_the_next_entry`",
        Race(
            Scenario(
                "stopped out, and in again",
                it_is_stopped_out_and_enters_again,
                {},
                rules=SOON,
                judges=(none_for_nothing,),
            ),
            "the look at the fills that a read should have",
            {},
            "a stop for nothing",
            patches=((reconcile, "_is_behind", _is_never_behind),),
        ),
    ),
)
