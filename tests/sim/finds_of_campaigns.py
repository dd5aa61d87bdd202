"""What long campaigns have found in the engine, like `finds` and after it, and the list of all.

Owns the small days of these tapes, and what a mend is taken out with: in a test only.
"""

from dataclasses import replace

from olaf_async.core import calls, evidence, reconcile
from olaf_async.core.invariants import check
from olaf_async.core.state import SymbolState, is_unanswered
from olaf_async.domain.events import Command
from olaf_async.domain.intents import CancelOrder, Say
from olaf_async.domain.order import Order, OrderState, PriceType, Side, Terms
from olaf_async.errors import BrokerRejected, InvariantBroken
from olaf_async.sim.explore import Broken
from tests.races.world import ENTRY, SHARES, UNDERCUT, plan_of

from .finds import FINDS as EARLIER
from .finds import Find, held_at, none_frozen
from .judges import protected_at_last
from .scenarios import BAR_S, NEAR, SOON, STOPPED, Race, green_bar
from .stage import LOST, May, Scenario, Stage

GIVEN_UP = 25.0
"""Seconds. By then it counts as never sent."""
ABOVE = ENTRY + 50
LONG_GIVEN_UP = 40.0
"""Seconds. By then it has asked for something else, and was given it."""


async def a_stop_is_raised_and_raised_again(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR, ENTRY, pause_s=0.5)
    await green_bar(stage, 1001_00)
    await green_bar(stage, 1005_00)
    await green_bar(stage, 1009_00)
    await stage.prints(*(1010_00,) * 8, pause_s=3)
    await stage.calm()


def _mended_once(state: SymbolState, order: Order, kind: PriceType, shown: Terms) -> None:
    """Other terms are put right once, whatever may still have been on its way."""
    order.lost_changes = 0
    _put_right(state, order, kind, shown)


_put_right = reconcile._put_right


async def it_starts_again_and_may_try_less_often(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR, ENTRY, 1000_50, STOPPED, pause_s=0.5)
    await stage.prints(UNDERCUT - 5, NEAR, NEAR, ENTRY, pause_s=1)
    if stage.choose("power", ("cut, and other settings",)):
        stage.machine.cut()
        await stage.wait(1)
        stage.rules = replace(stage.rules, max_attempts=1)
        stage.start(stage.disk.records(0))
    await stage.calm()


def _no_more_than_are_allowed_by_now(state: SymbolState) -> None:
    """More attempts than there may be are a contradiction, whenever they were made."""
    check(state)
    if state.attempts > state.rules.max_attempts and state.frozen is None:
        raise InvariantBroken(f"I6: {state.attempts} filled entries")


async def it_goes_in_and_nobody_tells_of_orders(stage: Stage) -> None:
    stage.loses_frames = True
    await stage.prints(UNDERCUT, NEAR, ENTRY, pause_s=0.5)
    await stage.prints(*(ENTRY,) * 12, pause_s=3)
    await stage.calm()


def _one_takes_all(state: SymbolState, books: reconcile.SymbolBooks) -> None:
    """Whatever is like the order that was found is a second order behind its request."""
    fresh = [row for order_id, row in books.rows.items() if evidence.find_by_id(state, order_id) is None]
    for order in state.orders:
        is_lost = order.order_id is None and (order.state is OrderState.ABSENT or is_unanswered(order))
        if order.is_bound_by_books or is_lost:
            for row in [row for row in fresh if evidence.may_be(state, order, row)]:
                fresh.remove(row)
                evidence.accepted(state, order, row.order_id)
                order.is_bound_by_books = True


async def others_sell_in_two_parts_and_buy_between(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR, ENTRY, ENTRY, pause_s=0.5)
    stage.trades_by_hand(Side.SELL, SHARES, ABOVE)
    await stage.prints(ABOVE, pause_s=1)
    stage.loses_frames = True
    stage.trades_by_hand(Side.BUY, 4)
    await stage.prints(ABOVE, ABOVE, pause_s=5)
    await stage.calm()


def _as_they_come(state: SymbolState, books: reconcile.SymbolBooks, now_ns: int) -> None:
    """Others' trades count in the order of the tradebook."""
    for order_id, done in books.executions.items():
        if evidence.find_by_id(state, order_id) is None and order_id in books.rows:
            price = abs(done.value) // abs(done.quantity)
            evidence.foreign_fill(state, order_id, done.quantity, price, now_ns)


async def it_is_flattened_where_nothing_can_be_taken_back(stage: Stage) -> None:
    async def refuses(intent: CancelOrder) -> None:
        raise BrokerRejected("not allowed in Semi-Auto mode")

    stage._paper.cancel = refuses  # type: ignore[method-assign] # the broker of this one run
    await stage.prints(UNDERCUT, NEAR, ENTRY, ENTRY, pause_s=0.5)
    stage.commands(Command.FLATTEN)
    await stage.calm()


def called_where_it_cannot_leave(stage: Stage) -> Broken | None:
    """A person hears of it where it was ordered flat and shares are still held at last."""
    held = held_at(stage, stage.clock.now_ns())
    if held and not any(said.code == "cancel_stuck" for _, said in stage.alarms):
        return Broken("not out, and nobody told", stage.clock.now_ns(), f"{held} shares are held")
    return None


def _in_silence(state: SymbolState, order: Order, now_ns: int) -> None:
    """It is asked for again and again, and nobody is told."""
    mark = len(state.account.out)
    _cancel(state, order, now_ns)
    state.account.out[mark:] = [intent for intent in state.account.out[mark:] if not isinstance(intent, Say)]


_cancel = calls.cancel

FINDS: tuple[Find, ...] = (
    *EARLIER,
    Find(
        "F10",
        "two raises of the stop that were lost landed late, one after the other, and froze the symbol",
        "nobody is called to a stop that the broker keeps as it was sent",
        "core/reconcile.py `_put_right`",
        "tests/core/test_evidence.py `test_each_change_that_was_lost_may_land_late_and_is_put_right`",
        Race(
            Scenario(
                "the stop is raised, and raised again",
                a_stop_is_raised_and_raised_again,
                {"modify stop": May(there=(LONG_GIVEN_UP,), most=2)},
                plan=plan_of(bar_s=BAR_S, trail_buffer_ticks=100, trails_from_entry_bar=False),
                rules=SOON,
                judges=(none_frozen,),
            ),
            "the repair of each change that was lost",
            {},
            "frozen for nothing",
            patches=((reconcile, "_put_right", _mended_once),),
        ),
    ),
    Find(
        "F11",
        "a run that was allowed fewer attempts than had filled froze the symbol",
        "nobody is called to what was right by the settings of its time",
        "core/invariants.py I6",
        "tests/core/test_restart.py"
        " `test_a_run_that_is_allowed_fewer_attempts_than_have_filled_looks_after_what_is_held`",
        Race(
            Scenario(
                "in again, and allowed once",
                it_starts_again_and_may_try_less_often,
                {},
                rules=SOON,
                judges=(none_frozen,),
            ),
            "what I6 asks: attempts at the time of the entry, not by now",
            {"check": _no_more_than_are_allowed_by_now},
            "frozen for nothing",
        ),
    ),
    Find(
        "F12",
        "two stops alike whose answers were lost: the second to show up froze the symbol",
        "nobody is called to orders that were sent",
        "core/reconcile.py `_bind`",
        "tests/core/test_exact_orders.py `test_each_of_two_orders_alike_takes_one_row`",
        Race(
            Scenario(
                "in, and nobody tells of orders",
                it_goes_in_and_nobody_tells_of_orders,
                {"place stop": May(there=(GIVEN_UP,), fate=(LOST,), most=2)},
                rules=SOON,
                judges=(none_frozen,),
            ),
            "one row for each order",
            {},
            "frozen for nothing",
            patches=((reconcile, "_bind", _one_takes_all),),
        ),
    ),
    Find(
        "F13",
        "others sold in two parts and bought between: all of ours passed for sold, and lost its stop",
        "what the account still holds of a position keeps its stop",
        "core/reconcile.py `_foreign`",
        "tests/core/test_exact_books.py `test_of_what_others_have_done_in_one_read_what_opened_comes_first`",
        Race(
            Scenario(
                "others sell and buy",
                others_sell_in_two_parts_and_buy_between,
                {},
                rules=SOON,
                fills=(SHARES, SHARES - 4, 4),
                judges=(protected_at_last,),
            ),
            "what opened comes first",
            {},
            "naked",
            patches=((reconcile, "_foreign", _as_they_come),),
        ),
    ),
    Find(
        "F14",
        "a stop that could not be taken back on the way out kept the position, and nobody was called",
        "a person is called where an order cannot be taken back",
        "core/calls.py `cancel`",
        "tests/core/test_exact_exits.py"
        " `test_a_stop_that_cannot_be_taken_back_on_the_way_out_calls_a_person_every_twenty_times`",
        Race(
            Scenario(
                "flattened, and nothing can be taken back",
                it_is_flattened_where_nothing_can_be_taken_back,
                {},
                rules=SOON,
                judges=(called_where_it_cannot_leave,),
            ),
            "the call after twenty times",
            {},
            "not out, and nobody told",
            patches=((calls, "cancel", _in_silence),),
        ),
    ),
)
