"""The ten races as searches: a plain day, what may go wrong in it, and the protection that is taken out.

Owns no interleaving. Where tests/races stages each race by hand, here the story says only what the market
(and once another hand) does, and which calls may be late: the search has to find the rest.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from olaf_async.core import evidence
from olaf_async.core.guards import STANDARD
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain import order as domain_order
from olaf_async.domain.events import Command, OrderAnswered
from olaf_async.domain.order import TRANSITIONS, Order, OrderState, Side, Signal
from olaf_async.domain.price import Paise
from tests.races.test_race_01_stale_entry_cancel import FORGETFUL
from tests.races.test_race_05_exit_at_the_deadline import HASTY
from tests.races.test_race_06_emergency_stop import BLIND
from tests.races.test_race_07_checks_one_by_one import was_flat_when_last_read
from tests.races.test_race_08_stop_for_a_closed_position import closes_what_was_asked
from tests.races.test_race_10_answer_for_another_order import in_the_slot
from tests.races.walls import NO_WALL_LEFT, OpenDoor, Walls, checks_nothing
from tests.races.world import ENTRY, OPEN_NS, RISK, SHARES, UNDERCUT, plan_of

from .judges import (
    ALL,
    killed_at_last,
    never_short,
    none_on_top,
    nothing_dies,
    out_at_last,
    safe_when_stopped,
)
from .stage import DROPPED, LONG, LOST, REFUSED, SHORT, TOO_LONG, May, Scenario, Stage

VERY_PATIENT_S = 600
"""What is given up may still arrive, and no engine can call it back: here nothing is given up."""
SOON = {"idle_poll_ns": 3 * SECOND_NS, "settle_ns": 10 * SECOND_NS}
"""Polls and an absence that count within a short story; nothing is longer on the way than `TOO_LONG`."""
NEAR = ENTRY - 1_00
STOPPED = ENTRY - RISK - 5


@dataclass(frozen=True)
class Race:
    """A scenario, what is taken out of the engine, and the property that breaks then."""

    scenario: Scenario
    out: str
    off: Walls
    breaks: str
    delays: int = 3
    patches: tuple[tuple[object, str, object], ...] = ()
    """Walls that are no guard: (module or class, name, what stands there instead)."""
    rules: Mapping[str, object] = field(default_factory=dict)
    """Numbers of the rules that are walls."""

    @contextmanager
    def off_is(self) -> Iterator[Scenario]:
        """The scenario without its protection."""
        with ExitStack() as stack:
            for where, name, instead in self.patches:
                stack.enter_context(patched(where, name, instead))
            rules = {**self.scenario.rules, **self.rules}
            yield replace(self.scenario, walls=self.off, rules=rules, only=self.breaks)


@contextmanager
def patched(where: object, name: str, instead: object) -> Iterator[None]:
    """Put something else there for a while."""
    before = getattr(where, name)
    setattr(where, name, instead)
    try:
        yield
    finally:
        setattr(where, name, before)


# --- 1 --------------------------------------------------------------------------------------------


async def an_entry_becomes_stale_and_the_price_comes_back(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR)
    await stage.wait(28)
    await stage.prints(999_00, pause_s=1.9)
    await stage.prints(UNDERCUT, NEAR, ENTRY, pause_s=0.2)
    await stage.calm(25)


ONE = Race(
    Scenario(
        "1 stale entry",
        an_entry_becomes_stale_and_the_price_comes_back,
        {
            "cancel entry": May(there=(SHORT, LONG), back=(SHORT, LONG), fate=(LOST, DROPPED)),
            "place entry": May(back=(SHORT,)),
            "frame": May(back=(SHORT,), fate=(LOST,)),
            "books": May(back=(SHORT,), most=3),
        },
        rules={**SOON, "order_timeout_ns": 30 * SECOND_NS},
        judges=ALL,
    ),
    "may_forget and the lock",
    {"guards": FORGETFUL, "new_lock": OpenDoor},
    "two entries",
    delays=2,
)

# --- 2 --------------------------------------------------------------------------------------------


BAR_S = 10


async def green_bar(stage: Stage, low: Paise) -> None:
    """The bar in progress trades from ``low`` up; then it closes."""
    await stage.prints(low, low + 1_00, pause_s=1)
    bars = (stage.clock.now_ns() - OPEN_NS) // (BAR_S * SECOND_NS)
    await stage.until_ns(OPEN_NS + (bars + 1) * BAR_S * SECOND_NS + 1)


async def bars_raise_the_stop(stage: Stage) -> None:
    stage.is_disturbed = False
    await stage.prints(UNDERCUT, NEAR, ENTRY, pause_s=0.5)
    await green_bar(stage, 1001_00)
    stage.is_disturbed = True
    for low in (1005_00, 1006_00, 1007_00, 1008_00, 1009_00, 1010_00, 1008_50):
        await green_bar(stage, low)
    await stage.calm(90)


OVER_A_BAR, OVER_TWO_BARS, GIVEN_UP, PATIENCE_S = 12.0, 25.0, 45.0, 30.0
TRAILING = Scenario(
    "2 trailing stop",
    bars_raise_the_stop,
    {
        "modify stop": May(there=(SHORT, OVER_TWO_BARS), back=(GIVEN_UP,), fate=(LOST, DROPPED)),
        "books": May(back=(SHORT,), most=3),
    },
    plan=plan_of(bar_s=BAR_S, trail_buffer_ticks=100, trails_from_entry_bar=False),
    timeout_s=PATIENCE_S,
    judges=ALL,
)
TWO_MAY_LOWER = Race(
    TRAILING,
    "may_raise",
    {"guards": replace(STANDARD, may_raise=lambda current, wished: True)},
    "the stop fell",
    delays=2,
)
TWO_ANY_ANSWER = Race(
    TRAILING,
    "is_answer_for",
    {"guards": replace(STANDARD, is_answer_for=lambda order, answer: True)},
    "the stop fell",
    delays=2,
)
SECOND_MODIFY = MappingProxyType(
    {**TRANSITIONS, (OrderState.MODIFYING, Signal.MODIFY_SENT): OrderState.MODIFYING}
)
TWO_AT_ONCE = Race(
    TRAILING,
    "is_modify_free and the table of an order's life",
    {"guards": replace(STANDARD, is_modify_free=lambda order: True)},
    "the stop fell",
    delays=2,
    patches=((domain_order, "TRANSITIONS", SECOND_MODIFY),),
)

# --- 3, 4 -----------------------------------------------------------------------------------------

ENTERING = {
    "place entry": May(there=(SHORT,), back=(SHORT, LONG, TOO_LONG), fate=(LOST,)),
    "place stop": May(back=(SHORT,)),
    "frame": May(back=(SHORT, LONG), fate=(LOST,)),
    "books": May(back=(SHORT,), most=4),
}


async def two_prints_undercut(stage: Stage) -> None:
    await stage.prints(UNDERCUT, UNDERCUT - 5, ENTRY, ENTRY, pause_s=0.5)
    await stage.calm(25)


THREE = Race(
    Scenario("3 first trigger", two_prints_undercut, ENTERING, rules=SOON, judges=ALL),
    "mark, lock and books",
    NO_WALL_LEFT,
    "two entries",
)


async def it_fills_and_undercuts_again(stage: Stage) -> None:
    await stage.prints(UNDERCUT, ENTRY, UNDERCUT, ENTRY, pause_s=0.5)
    await stage.calm(25)


FOUR = Race(
    Scenario("4 re-entry", it_fills_and_undercuts_again, ENTERING, rules=SOON, judges=ALL),
    "mark, lock and books",
    NO_WALL_LEFT,
    "two entries",
)

# --- 5 --------------------------------------------------------------------------------------------

DEADLINE_NS = OPEN_NS + 150 * SECOND_NS


async def the_price_falls_to_the_stop_at_the_deadline(stage: Stage) -> None:
    stage.is_disturbed = False
    await stage.prints(UNDERCUT, NEAR, ENTRY, pause_s=0.5)
    await stage.until_ns(DEADLINE_NS - SECOND_NS)
    stage.is_disturbed = True
    await stage.prints(ENTRY - RISK + 5, pause_s=1.2)
    await stage.prints(STOPPED, STOPPED - 5)
    await stage.calm(25)


FIVE = Race(
    Scenario(
        "5 exit at the deadline",
        the_price_falls_to_the_stop_at_the_deadline,
        {
            "cancel stop": May(there=(SHORT, LONG), back=(SHORT, LONG), fate=(LOST, DROPPED)),
            "place exit": May(there=(SHORT,), back=(SHORT,), fate=(LOST, REFUSED)),
            "frame": May(back=(SHORT,), fate=(LOST,)),
            "books": May(back=(SHORT,), most=3),
        },
        plan=plan_of(exit_ns=DEADLINE_NS, trails_from_entry_bar=False),
        fills=(SHARES, 4),
        rules=SOON,
        judges=ALL,
    ),
    "may_place_exit and the invariants",
    {"guards": HASTY, "check": checks_nothing},
    "too much to sell",
    delays=2,
)

# --- 6 --------------------------------------------------------------------------------------------


async def prints_come_while_the_stop_is_placed(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR, ENTRY, 1000_50, 999_50, STOPPED, pause_s=0.2)
    await stage.calm(25)


SIX = Race(
    Scenario(
        "6 emergency stop",
        prints_come_while_the_stop_is_placed,
        {
            "place stop": May(there=(SHORT,), back=(SHORT, LONG, TOO_LONG), fate=(LOST, DROPPED)),
            "frame": May(back=(SHORT, LONG), fate=(LOST,)),
            "books": May(back=(SHORT, LONG), most=4),
        },
        rules=SOON,
        judges=ALL,
    ),
    "may_place_stop",
    {"guards": BLIND},
    "too much to sell",
    delays=2,
)

# --- 7, 8: another hand ---------------------------------------------------------------------------


async def somebody_buys_before_the_trigger(stage: Stage) -> None:
    await stage.prints(NEAR, pause_s=0.2)
    stage.trades_by_hand(Side.BUY, SHARES)
    await stage.prints(NEAR, UNDERCUT)
    await stage.prints(NEAR, ENTRY, pause_s=1)
    await stage.calm(25)


SEVEN = Race(
    Scenario(
        "7 checks one by one",
        somebody_buys_before_the_trigger,
        {
            "place entry": May(back=(SHORT,)),
            "frame": May(back=(SHORT, LONG), fate=(LOST,)),
            "books": May(there=(SHORT,), back=(SHORT, LONG), most=6),
        },
        rules=SOON,
        judges=(none_on_top,),
    ),
    "books_allow_entry",
    {"guards": replace(STANDARD, books_allow_entry=was_flat_when_last_read)},
    "bought on top",
)


async def somebody_sells_after_the_fill(stage: Stage) -> None:
    await stage.prints(UNDERCUT, pause_s=0.1)
    await stage.prints(ENTRY, pause_s=0.3)
    stage.trades_by_hand(Side.SELL, SHARES)
    await stage.wait(0.7)
    await stage.prints(STOPPED)
    await stage.calm(25)


EIGHT = Race(
    Scenario(
        "8 stop for a closed position",
        somebody_sells_after_the_fill,
        {
            "place entry": May(back=(SHORT,)),
            "frame": May(back=(SHORT,)),
            "books": May(back=(SHORT,), most=4),
        },
        rules={**SOON, "max_orders_per_s": 1},
        judges=(nothing_dies, never_short),
    ),
    "shares_to_close",
    {"guards": replace(STANDARD, shares_to_close=closes_what_was_asked)},
    "sold short",
)

# --- 9 --------------------------------------------------------------------------------------------


async def polls_and_prints_come_while_it_is_tried_again(stage: Stage) -> None:
    await stage.prints(UNDERCUT, pause_s=5.1)
    await stage.prints(UNDERCUT - 5, ENTRY, UNDERCUT, ENTRY, pause_s=0.5)
    await stage.calm(25)


NINE = Race(
    Scenario(
        "9 retry",
        polls_and_prints_come_while_it_is_tried_again,
        {
            "place entry": May(back=(SHORT, LONG), fate=(REFUSED, LOST)),
            "frame": May(back=(SHORT, LONG), fate=(LOST,)),
            "books": May(back=(SHORT,), most=4),
        },
        rules=SOON,
        judges=ALL,
    ),
    "mark, lock and books",
    NO_WALL_LEFT,
    "two entries",
)

# --- 10 -------------------------------------------------------------------------------------------


async def a_second_entry_follows_a_stale_one(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR, pause_s=10)
    await stage.prints(NEAR, pause_s=15)
    await stage.prints(NEAR, pause_s=8)
    await stage.prints(UNDERCUT, NEAR, pause_s=0.2)
    await stage.prints(NEAR, pause_s=5)
    await stage.prints(NEAR, ENTRY, pause_s=1)
    await stage.calm(60)


UNTIL_THE_NEXT = 44.0
TEN = Race(
    Scenario(
        "10 answer for another order",
        a_second_entry_follows_a_stale_one,
        {
            "place entry": May(there=(LONG,), back=(UNTIL_THE_NEXT, SHORT)),
            "cancel entry": May(back=(SHORT,)),
            "frame": May(back=(SHORT,)),
            "books": May(back=(SHORT,), most=3),
        },
        rules={"order_timeout_ns": 30 * SECOND_NS},
        timeout_s=VERY_PATIENT_S,
        judges=ALL,
    ),
    "order_asked_about",
    {"guards": replace(STANDARD, order_asked_about=in_the_slot)},
    "naked, and nobody told",
)


def _counts_where_it_was_asked(state: SymbolState, order: Order, answer: OrderAnswered) -> None:
    """An id that another order of ours goes by already is taken all the same."""
    assert answer.order_id is not None
    evidence.accepted(state, order, answer.order_id)


TEN_IN_THE_SLOT = replace(TEN, patches=((evidence, "_taken_for_another", _counts_where_it_was_asked),))


async def a_bar_closes_lower_after_a_raise(stage: Stage) -> None:
    stage.is_disturbed = False
    await stage.prints(UNDERCUT, NEAR, ENTRY, pause_s=0.5)
    await green_bar(stage, 1001_00)
    stage.is_disturbed = True
    for low in (1010_00, 1009_00, 1008_50):
        await green_bar(stage, low)
    await stage.calm(60)


TEN_OLD_READ = Race(
    replace(
        TRAILING,
        name="10 snapshot from before",
        story=a_bar_closes_lower_after_a_raise,
        may={
            "modify stop": May(back=(SHORT,), fate=(LOST,), most=3),
            "books": May(back=(OVER_A_BAR,), most=6),
        },
        rules={"idle_poll_ns": 3 * SECOND_NS},
        timeout_s=VERY_PATIENT_S,
    ),
    "is_read_current",
    {"guards": replace(STANDARD, is_read_current=lambda state, asked_seq: True)},
    "the stop fell",
)

# --- ways out, and restarts -------------------------------------------------------------------------


async def in_and_stopped_out(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR, ENTRY, 1000_50, STOPPED, STOPPED, pause_s=0.5)
    await stage.calm()


async def in_and_out_at_the_deadline(stage: Stage) -> None:
    stage.is_disturbed = False
    await stage.prints(UNDERCUT, NEAR, ENTRY, 1000_50, pause_s=0.5)
    await stage.until_ns(DEADLINE_NS - SECOND_NS)
    stage.is_disturbed = True
    await stage.prints(1001_00, 1001_50, 1002_00, pause_s=1)
    await stage.calm()


TARGET = ENTRY + RISK


async def in_and_out_at_the_target(stage: Stage) -> None:
    """The price reaches the target and comes back, on to the stop, while the exit is on its way."""
    stage.is_disturbed = False
    await stage.prints(UNDERCUT, NEAR, ENTRY, 1000_50, pause_s=0.5)
    stage.is_disturbed = True
    await stage.prints(TARGET + 5, TARGET, STOPPED, STOPPED, pause_s=0.5)
    await stage.calm()


async def killed_while_it_enters(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR, pause_s=0.1)
    stage.commands(Command.KILL)
    await stage.prints(ENTRY, 1000_50, 1000_00, pause_s=0.5)
    await stage.calm()


async def flattened_while_it_holds(stage: Stage) -> None:
    stage.is_disturbed = False
    await stage.prints(UNDERCUT, NEAR, ENTRY, 1000_50, pause_s=0.5)
    stage.is_disturbed = True
    stage.commands(Command.FLATTEN)
    await stage.prints(1000_00, 999_00, pause_s=0.5)
    await stage.calm()


async def the_day_loses_too_much(stage: Stage) -> None:
    stage.is_disturbed = False
    await stage.prints(UNDERCUT, NEAR, ENTRY, 1000_50, pause_s=0.5)
    stage.is_disturbed = True
    await stage.prints(991_00, 990_50, 992_00, pause_s=1)
    await stage.calm()


async def asked_to_stop_while_it_enters(stage: Stage) -> None:
    await stage.prints(UNDERCUT, pause_s=0.05)
    stage.supervisor.request_stop()
    await stage.prints(ENTRY, 1000_50, pause_s=0.5)
    await stage.calm()


async def the_price_jumps_over_the_stop(stage: Stage) -> None:
    stage.is_disturbed = False
    await stage.prints(UNDERCUT, NEAR, ENTRY, 1000_50, pause_s=0.5)
    stage.is_disturbed = True
    await stage.prints(960_00, 959_00, 958_00, 957_00, pause_s=1.2)
    await stage.calm()


ORDERS = {
    "place entry": May(there=(SHORT,), back=(SHORT,), fate=(LOST,)),
    "place stop": May(there=(SHORT,), back=(LONG,), fate=(LOST, REFUSED)),
    "cancel entry": May(there=(SHORT,), fate=(LOST, DROPPED)),
    "cancel stop": May(there=(SHORT,), fate=(LOST, DROPPED)),
    "place exit": May(there=(SHORT,), fate=(LOST, REFUSED)),
    "modify stop": May(there=(SHORT,), fate=(LOST, REFUSED)),
    "modify exit": May(there=(SHORT,), fate=(LOST, REFUSED)),
    "frame": May(fate=(LOST,)),
}
FROM_A_POSITION = plan_of(exit_ns=DEADLINE_NS, trails_from_entry_bar=False)
STOPPED_OUT = Scenario("stopped out", in_and_stopped_out, ORDERS, rules=SOON, fills=(4, 6, 3, 7), judges=ALL)
WAYS_OUT = (
    STOPPED_OUT,
    replace(STOPPED_OUT, name="deadline", story=in_and_out_at_the_deadline, plan=FROM_A_POSITION),
    replace(
        STOPPED_OUT,
        name="target",
        story=in_and_out_at_the_target,
        plan=plan_of(take_profit_r=1, trails_from_entry_bar=False),
        judges=(*ALL, out_at_last),
    ),
    replace(STOPPED_OUT, name="killed", story=killed_while_it_enters, judges=(*ALL, killed_at_last)),
    replace(STOPPED_OUT, name="flattened", story=flattened_while_it_holds, judges=(*ALL, out_at_last)),
    replace(
        STOPPED_OUT,
        name="daily loss",
        story=the_day_loses_too_much,
        rules={**SOON, "max_daily_loss": 50_00},
        judges=(*ALL, out_at_last),
    ),
    replace(
        STOPPED_OUT,
        name="stop refused",
        rules={**SOON, "stop_rejections_max": 1},
        judges=(*ALL, out_at_last),
    ),
    replace(STOPPED_OUT, name="jumped", story=the_price_jumps_over_the_stop, judges=(*ALL, out_at_last)),
    replace(
        STOPPED_OUT,
        name="asked to stop",
        story=asked_to_stop_while_it_enters,
        judges=(*ALL, safe_when_stopped),
    ),
)
DOWN_S = 1.0
RESTARTS = tuple(
    replace(
        way,
        name=f"power cut, {way.name}",
        down=(DOWN_S, TOO_LONG) if way.name in ("stopped out", "deadline", "jumped") else (DOWN_S,),
        # Whoever starts it again does not ask it to stop at once.
        judges=tuple(judge for judge in way.judges if judge is not safe_when_stopped),
    )
    for way in WAYS_OUT
)

RACES = (
    ONE,
    TWO_MAY_LOWER,
    TWO_ANY_ANSWER,
    TWO_AT_ONCE,
    THREE,
    FOUR,
    FIVE,
    SIX,
    SEVEN,
    EIGHT,
    NINE,
    TEN_IN_THE_SLOT,
    TEN_OLD_READ,
)
