"""The safeties of an entry, and of a restart, each with a search in which it is missing."""

from dataclasses import replace

from olaf_async.core import entries
from olaf_async.core.engine import Plan
from olaf_async.core.guards import STANDARD
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.core.trader import Trader
from olaf_async.domain.events import Command
from olaf_async.domain.order import Order, Side
from tests.races.walls import checks_nothing, trusts_any_books
from tests.races.world import ENTRY, INFY, SHARES, UNDERCUT, plan_of

from . import scenarios as found
from .judges import (
    ALL,
    attempts_kept,
    buys_once,
    none_after_halt,
    none_after_the_deadline,
    none_beside_a_sell,
    none_past_its_level,
    none_unprotectable,
    none_while_on_the_wire,
)
from .safety import Safety, without
from .scenarios import DEADLINE_NS, NEAR, SOON, STOPPED, Race
from .stage import LONG, SHORT, TOO_LONG, Alphabet, Judge, May, Scenario, Stage, Story


async def the_stop_is_taken_away_twice_and_it_undercuts(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR, ENTRY, pause_s=0.5)
    for _ in range(2):
        stage.cancels_by_hand(stage.exchange.records()[-1].order_id)
        await stage.wait(5)
    await stage.prints(UNDERCUT, NEAR, ENTRY, pause_s=1)
    await stage.calm()


async def a_stop_is_on_the_way_while_it_is_sold(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR, ENTRY, pause_s=0.5)
    await stage.prints(*[STOPPED] * 10, pause_s=1)
    await stage.prints(UNDERCUT, NEAR, pause_s=2)
    await stage.calm()


async def it_is_stopped_out_and_undercuts_again(stage: Stage) -> None:
    for _ in range(2):
        await stage.prints(UNDERCUT, NEAR, ENTRY, STOPPED, pause_s=1)
    await stage.calm()


async def it_undercuts_right_before_and_after_the_deadline(stage: Stage) -> None:
    stage.is_disturbed = False
    await stage.until_ns(DEADLINE_NS - SECOND_NS // 5)
    stage.is_disturbed = True
    await stage.prints(NEAR, UNDERCUT, NEAR, UNDERCUT, NEAR, ENTRY, pause_s=0.1)
    await stage.calm()


async def it_rises_through_the_level_at_once(stage: Stage) -> None:
    await stage.prints(UNDERCUT, ENTRY + 50, ENTRY + 60, pause_s=0.1)
    await stage.calm()


async def a_share_of_a_few_rupees_enters(stage: Stage) -> None:
    await stage.prints(2_00, 3_90, 4_00, pause_s=0.5)
    await stage.calm()


async def halted_and_then_it_undercuts(stage: Stage) -> None:
    stage.commands(Command.HALT)
    await stage.prints(UNDERCUT, NEAR, ENTRY, pause_s=0.5)
    await stage.calm()


async def one_symbol_halted_and_then_it_undercuts(stage: Stage) -> None:
    stage.commands(Command.HALT, INFY)
    await stage.prints(UNDERCUT, NEAR, ENTRY, pause_s=0.5)
    await stage.calm()


async def somebody_sells_all_and_it_undercuts(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR, ENTRY, pause_s=0.5)
    stage.trades_by_hand(Side.SELL, SHARES)
    await stage.prints(UNDERCUT, NEAR, UNDERCUT, NEAR, pause_s=0.4)
    await stage.calm()


async def prints_come_while_a_stop_waits_for_the_rate(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR, ENTRY, 1000_50, 999_50, 1001_00, pause_s=0.2)
    await stage.calm()


async def somebody_sells_while_it_is_down(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR, ENTRY, pause_s=0.1)
    await stage.wait(0.2)
    if stage.exchange.fills:
        stage.trades_by_hand(Side.SELL, SHARES)
    await stage.prints(1000_50, 1000_00, 999_50, pause_s=0.5)
    await stage.calm()


def _wants_any_entry(_state: SymbolState, _entry: Order, _now_ns: int) -> bool:
    """Nothing makes an entry unwanted."""
    return False


_finish = Trader._finish


def _never_done(trader: Trader, now_ns: int) -> None:
    """The end of a trade, without its conclusion that the day is over for this symbol."""
    _finish(trader, now_ns)
    trader.state.is_done = False


def _is_sent(state: SymbolState) -> bool:
    """A stop that was asked for and has not left yet is none."""
    return state.stop is None or state.stop.sent_ns is None


ANY_ENTRY = (entries, "is_unwanted", _wants_any_entry)
BOOKS = {"books": May(back=(SHORT, LONG), most=4)}


def small(
    name: str, story: Story, may: Alphabet, *judges: Judge, plan: Plan | None = None, **rules: object
) -> Scenario:
    """A scenario of this part."""
    return Scenario(name, story, may, plan or plan_of(), {**SOON, **rules}, judges=judges)


ENTERED = (
    Safety(
        "S22",
        "no entry beside shares that are held",
        "the second would double the position",
        "core/guards.py `is_flat_by_belief`",
        Race(
            small(
                "an undercut while shares are held",
                the_stop_is_taken_away_twice_and_it_undercuts,
                {},
                buys_once,
            ),
            "belief, books, invariants and what is wanted",
            {**without("is_flat_by_belief", books_allow_entry=trusts_any_books), "check": checks_nothing},
            "bought too much",
            patches=(ANY_ENTRY,),
        ),
        behind="S7, the invariants, the wish itself",
        alone=without("is_flat_by_belief"),
        guards=("is_flat_by_belief",),
    ),
    Safety(
        "S23",
        "no entry while an order that closes still works",
        "it would sell what the entry buys",
        "core/guards.py `has_no_closing_order`",
        Race(
            small(
                "sold by another hand",
                somebody_sells_all_and_it_undercuts,
                {"cancel stop": May(there=(LONG, TOO_LONG))},
                none_beside_a_sell,
            ),
            "has_no_closing_order, books, belief, being done, invariants and what is wanted",
            {
                **without(
                    "has_no_closing_order",
                    "is_flat_by_belief",
                    "is_not_frozen",
                    books_allow_entry=trusts_any_books,
                ),
                "check": checks_nothing,
            },
            "entry beside a sell",
            patches=(ANY_ENTRY,),
        ),
        behind="S7, S22, S29 (what another hand has closed is done), the invariants, the wish itself",
        alone=without("has_no_closing_order"),
        guards=("has_no_closing_order",),
    ),
    Safety(
        "S24",
        "no entry while anything is undecided",
        "an order that may still arrive would meet the new position",
        "core/guards.py `has_nothing_undecided`",
        Race(
            small(
                "an entry while a stop is on the way",
                a_stop_is_on_the_way_while_it_is_sold,
                {"place stop": May(there=(25.0,))},
                none_while_on_the_wire,
                settle_ns=60 * SECOND_NS,
            ),
            "has_nothing_undecided",
            without("has_nothing_undecided"),
            "entry beside a question",
        ),
        guards=("has_nothing_undecided",),
    ),
    Safety(
        "S25",
        "no more entries fill than are allowed",
        "a bad day for a setup must end",
        "core/guards.py `has_attempts_left`, core/trader.py `Trader._finish`, core/invariants.py I6",
        Race(
            small(
                "one attempt allowed",
                it_is_stopped_out_and_undercuts_again,
                BOOKS,
                attempts_kept,
                max_attempts=1,
            ),
            "has_attempts_left, being done and the invariants",
            {**without("has_attempts_left"), "check": checks_nothing},
            "too many entries",
            patches=((Trader, "_finish", _never_done),),
        ),
        behind="a symbol is done with its last trade, the invariants",
        alone=without("has_attempts_left"),
        guards=("has_attempts_left",),
    ),
    Safety(
        "S26",
        "no entry once the time to get out has come",
        "nothing is held overnight",
        "core/guards.py `is_before_the_exit`",
        Race(
            small(
                "an undercut at the deadline",
                it_undercuts_right_before_and_after_the_deadline,
                BOOKS,
                buys_once,
                none_after_the_deadline,
                plan=found.FROM_A_POSITION,
            ),
            "is_before_the_exit and being done",
            without("is_before_the_exit", "is_not_frozen"),
            "entry after the deadline",
        ),
        behind="S29: a symbol is done at the deadline",
        alone=without("is_before_the_exit"),
        guards=("is_before_the_exit",),
    ),
    Safety(
        "S27",
        "no stop entry once the price is through its trigger",
        "it would be refused, or buy at any price at once",
        "core/guards.py `is_level_ahead`",
        Race(
            small("a price that runs away", it_rises_through_the_level_at_once, BOOKS, none_past_its_level),
            "is_level_ahead",
            without("is_level_ahead"),
            "entry past its level",
        ),
        guards=("is_level_ahead",),
    ),
    Safety(
        "S28",
        "no entry whose stop would lie at a price that does not exist",
        "it could never be protected",
        "core/guards.py `can_be_protected`",
        Race(
            small(
                "a share of a few rupees",
                a_share_of_a_few_rupees_enters,
                BOOKS,
                none_unprotectable,
                plan=plan_of(entry=4_00, trigger=3_00),
            ),
            "can_be_protected",
            without("can_be_protected"),
            "cannot be protected",
        ),
        guards=("can_be_protected",),
    ),
    Safety(
        "S29",
        "a symbol that is frozen enters nothing",
        "what contradicts itself needs a person first",
        "core/guards.py `is_not_frozen`, core/entries.py `is_unwanted`",
        Race(
            small("one symbol halted", one_symbol_halted_and_then_it_undercuts, BOOKS, none_after_halt),
            "is_not_frozen and the wish",
            without("is_not_frozen"),
            "entry after a halt",
            patches=(ANY_ENTRY,),
        ),
        behind="the wish itself",
        alone=without("is_not_frozen"),
        guards=("is_not_frozen",),
    ),
    Safety(
        "S30",
        "the limits of the whole account are asked for each entry",
        "a halt, a loss, too many positions: no symbol's own state shows them",
        "core/guards.py `does_account_allow`, core/entries.py `is_unwanted`",
        Race(
            small("the account halted", halted_and_then_it_undercuts, BOOKS, none_after_halt),
            "does_account_allow and the wish",
            without("does_account_allow"),
            "entry after a halt",
            patches=(ANY_ENTRY,),
        ),
        behind="the wish itself",
        alone=without("does_account_allow"),
        guards=("does_account_allow",),
    ),
    Safety(
        "S31",
        "what is sent is still in its slot",
        "an order that another has taken the place of would be sent beside it",
        "core/guards.py `is_still_wanted`",
        Race(
            replace(
                found.EIGHT.scenario,
                name="a stop that waits to be sent",
                story=prints_come_while_a_stop_waits_for_the_rate,
                judges=ALL,
            ),
            "is_still_wanted and may_place_stop",
            {"guards": replace(STANDARD, may_place_stop=_is_sent, is_still_wanted=lambda state, order: True)},
            "too much to sell",
        ),
        behind="S16",
        alone={"guards": replace(STANDARD, is_still_wanted=lambda state, order: True)},
        guards=("is_still_wanted",),
    ),
    Safety(
        "S32",
        "after a restart nothing but cancels leaves before the books are read",
        "what was open when the last run ended may have filled, or been sold, meanwhile",
        "core/guards.py `is_watched`",
        Race(
            Scenario(
                "somebody sells while it is down",
                somebody_sells_while_it_is_down,
                {},
                rules=SOON,
                down=(found.DOWN_S,),
                is_cut_at_writes=True,
                judges=ALL,
            ),
            "is_watched",
            {"guards": replace(STANDARD, is_watched=lambda state: True)},
            "too much to sell",
        ),
        guards=("is_watched",),
    ),
)
