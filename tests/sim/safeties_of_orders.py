"""The safeties of what is sent, what is heard, and what protects, each with a search that misses it."""

import asyncio
from dataclasses import replace

from olaf_async.core import evidence
from olaf_async.core.engine import Engine, ReadFirst, Send, Verdict
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import Command, OrderAnswered, OrderRow, Outcome
from olaf_async.domain.intents import OrderIntent, PlaceOrder
from olaf_async.domain.order import Order, Role
from olaf_async.ports.journal import Entry, Line
from olaf_async.shell import slots
from olaf_async.shell.desk import Desk
from olaf_async.shell.scribe import Scribe
from tests.races.test_race_01_stale_entry_cancel import FORGETFUL
from tests.races.test_race_05_exit_at_the_deadline import HASTY
from tests.races.walls import UNMARKED, OpenDoor
from tests.races.world import ENTRY, UNDERCUT

from . import scenarios as found
from .judges import (
    ALL,
    journalled_first,
    none_after_halt,
    none_bought_long_after_halt,
    none_on_a_stale_price,
    undercut_acted_on,
)
from .safety import Safety, without
from .scenarios import NEAR, SOON, Race
from .stage import LONG, LOST, REFUSED, SHORT, TOO_LONG, May, Scenario, Stage

# --- what is sent, and what becomes of it -------------------------------------------------------------


def _no_answer_means_no(state: SymbolState, order: Order, answer: OrderAnswered) -> None:
    """As if the broker had refused it."""
    evidence._never_placed(state, order, answer)


async def an_entry_is_asked_for_and_the_day_goes_on(stage: Stage) -> None:
    await stage.prints(UNDERCUT, pause_s=0.5)
    await stage.prints(UNDERCUT, NEAR, pause_s=3)
    await stage.prints(UNDERCUT, ENTRY, ENTRY, pause_s=3)
    await stage.calm(40)


LOST_ENTRY = Scenario(
    "an entry whose answer is lost",
    an_entry_is_asked_for_and_the_day_goes_on,
    {"place entry": May(there=(TOO_LONG,), back=(TOO_LONG,), fate=(LOST,)), "frame": May(fate=(LOST,))},
    rules=SOON,
    judges=ALL,
)


async def a_person_halts_it_right_after_the_trigger(stage: Stage) -> None:
    await stage.prints(UNDERCUT, pause_s=0.1)
    stage.commands(Command.HALT)
    await stage.prints(NEAR, ENTRY, pause_s=1)
    await stage.calm()


def _asks_nothing_again(engine: Engine, order: Order, intent: PlaceOrder, _now_ns: int) -> Verdict:
    """Only the books are looked at."""
    state = engine.traders[order.symbol].state
    return Send(intent) if engine._guards.books_allow_entry(state) else ReadFirst()


HALTED = Scenario(
    "a halt while the entry waits",
    a_person_halts_it_right_after_the_trigger,
    {"books": May(there=(SHORT,), back=(SHORT, LONG), most=4)},
    rules=SOON,
    judges=(none_after_halt,),
)


_write = Scribe.write


def _writes_later(scribe: Scribe, *lines: Line) -> bool:
    """What is sent is written down with whatever is written next."""
    late: tuple[Line, ...] = getattr(scribe, "late", ())
    scribe.late = tuple(line for line in lines if line.entry is Entry.SENDING)  # type: ignore[attr-defined]
    return _write(scribe, *late, *(line for line in lines if line.entry is not Entry.SENDING))


WRITTEN = replace(found.STOPPED_OUT, name="what is sent is written", judges=(journalled_first,))


async def it_enters_and_the_price_stays(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR, ENTRY, 1000_50, pause_s=0.5)
    await stage.calm()


LATE_STOP = Scenario(
    "a stop that is long on the way",
    it_enters_and_the_price_stays,
    {"place stop": May(there=(TOO_LONG,)), "frame": May(fate=(LOST,)), "books": May(back=(SHORT,), most=3)},
    rules=SOON,
    judges=ALL,
)

SENT = (
    Safety(
        "S1",
        "what is asked for is marked in the step that asks for it",
        "two prints in one instant must not both find the slot empty",
        "core/calls.py `place`, core/guards.py `has_no_entry_outstanding`",
        found.THREE,
        behind="S2, S7",
        alone={"guards": UNMARKED},
        guards=("has_no_entry_outstanding",),
    ),
    Safety(
        "S2",
        "one lock per symbol is held from the check to the outcome of a call",
        "whoever asks between an entry's acceptance and its answer sees a symbol without one",
        "shell/desk.py `Desk._step`",
        found.FOUR,
        behind="S1, S7",
        alone={"new_lock": OpenDoor},
    ),
    Safety(
        "S3",
        "a lost answer is a question, never a failure",
        "the order may be at the exchange; a second one would double it",
        "core/evidence.py `_place_unknown`",
        Race(
            LOST_ENTRY,
            "the question",
            {},
            "two entries",
            patches=((evidence, "_place_unknown", _no_answer_means_no),),
        ),
    ),
    Safety(
        "S4",
        "the core is asked again, with nothing awaited before the send",
        "while the books were read or the order rate waited for, the day has gone on",
        "core/engine.py `Engine._admit_entry`",
        Race(
            HALTED,
            "the second question",
            {},
            "entry after a halt",
            patches=((Engine, "_admit_entry", _asks_nothing_again),),
        ),
    ),
    Safety(
        "S5",
        "what is about to be sent is on disk before it leaves",
        "after a power cut nobody would look for an order that nobody wrote down",
        "shell/desk.py `Desk._admit`, ports/journal.py `DURABLE`",
        Race(
            WRITTEN, "the writing ahead", {}, "sent, not written", patches=((Scribe, "write", _writes_later),)
        ),
    ),
    Safety(
        "S6",
        "absence from the books counts only after a settling time",
        "an order still on the wire is in no book yet",
        "core/rules.py `settle_ns`, core/reconcile.py",
        Race(LATE_STOP, "the settling time", {}, "too much to sell", rules={"settle_ns": 0}),
    ),
    Safety(
        "S7",
        "no entry leaves before books that are newer than all that is known show the symbol flat",
        "another hand, or an order of an earlier run, may hold it",
        "core/guards.py `are_books_fresh_and_flat`",
        found.SEVEN,
        guards=("books_allow_entry",),
    ),
    Safety(
        "S8",
        "an answer is for the order it was asked about",
        "an old order's late answer must not speak of the one pending now",
        "core/guards.py `order_asked_about`, core/evidence.py `_taken_for_another`",
        found.TEN_IN_THE_SLOT,
        behind="an id counts for one order only",
        alone=found.TEN_IN_THE_SLOT.off,
        guards=("order_asked_about",),
    ),
)

# --- what is heard ------------------------------------------------------------------------------------


def _knows_no_orphans(_state: SymbolState, _row: OrderRow) -> None:
    """A frame about an order without an id is somebody else's."""


VERY_LONG = 18.0
ORPHAN = Scenario(
    "a fill that is told before the answer",
    found.it_fills_and_undercuts_again,
    {"place entry": May(back=(SHORT, VERY_LONG)), "books": May(back=(LONG, VERY_LONG), most=6)},
    rules={"settle_ns": 30 * SECOND_NS},
    timeout_s=20,
    judges=ALL,
)


async def the_price_dips_between_two_looks(stage: Stage) -> None:
    await stage.prints(NEAR)
    await stage.burst(NEAR, UNDERCUT, NEAR - 5, NEAR)
    await stage.calm(5)


def _only_the_newest(slot: slots.Slot) -> list[slots.Print]:
    taken = _take(slot)
    return taken[-1:]


_take = slots.Slot.take


async def the_feed_falls_silent_after_a_refusal(stage: Stage) -> None:
    await stage.prints(UNDERCUT, NEAR)
    await stage.calm(20)


SILENT = Scenario(
    "a silent feed",
    the_feed_falls_silent_after_a_refusal,
    {"place entry": May(fate=(REFUSED,)), "books": May(back=(SHORT, LONG), most=3)},
    rules={**SOON, "stale_feed_ns": 2 * SECOND_NS},
    judges=(none_on_a_stale_price,),
)


def _takes_no_for_yes(state: SymbolState, order: Order, answer: OrderAnswered) -> None:
    """A stop counts as standing once it has been asked for."""
    if order.role is not Role.STOP:
        _never_placed(state, order, answer)


_never_placed = evidence._never_placed
NO_STOP = Scenario(
    "a stop that is refused",
    found.prints_come_while_the_stop_is_placed,
    {"place stop": May(fate=(REFUSED,))},
    rules=SOON,
    judges=ALL,
)


async def halted_while_frames_and_books_are_away(stage: Stage) -> None:
    await stage.prints(UNDERCUT, pause_s=0.03)
    stage.hears_nothing(VERY_LONG)
    stage.commands(Command.HALT)
    await stage.prints(NEAR, pause_s=11)
    await stage.prints(ENTRY, 1000_50, pause_s=1)
    await stage.calm()


async def _gives_its_call_up(desk: Desk, intent: OrderIntent, admitted: OrderIntent) -> None:
    """A call that is not answered in time is cancelled: its answer is never heard."""
    try:
        async with asyncio.timeout(desk._timeout_ns / SECOND_NS):
            await _call(desk, intent, admitted)
    except TimeoutError:
        desk._answer(intent, Outcome.LOST, None, "cancelled")


_call = Desk._call

HEARD = (
    Safety(
        "S9",
        "news of an order whose answer is still out is kept as its own",
        "the fill may be told before the id is",
        "core/evidence.py `_claim`",
        Race(
            ORPHAN,
            "the claim",
            {},
            "naked, and nobody told",
            patches=((evidence, "_claim", _knows_no_orphans),),
        ),
    ),
    Safety(
        "S10",
        "a call is never cancelled: its answer counts whenever it comes",
        "where books and news are away nothing else tells the id that a cancel needs",
        "shell/desk.py D3",
        Race(
            Scenario(
                "a halt while nothing but the answer can be heard",
                halted_while_frames_and_books_are_away,
                {"place entry": May(back=(TOO_LONG,))},
                rules=SOON,
                judges=(none_bought_long_after_halt,),
            ),
            "the patience of a call",
            {},
            "bought after a halt",
            patches=((Desk, "_call", _gives_its_call_up),),
        ),
    ),
    Safety(
        "S11",
        "of prints that wait the lowest and the highest are kept",
        "a burst must not hide a price that was printed",
        "shell/slots.py `Slot`",
        Race(
            Scenario(
                "a burst", the_price_dips_between_two_looks, {}, rules=SOON, judges=(undercut_acted_on,)
            ),
            "lowest and highest",
            {},
            "print missed",
            patches=((slots.Slot, "take", _only_the_newest),),
        ),
    ),
    Safety(
        "S12",
        "on a feed that has fallen silent nothing is entered",
        "the price that was decided on may be gone",
        "core/guards.py `is_feed_fresh`",
        Race(SILENT, "is_feed_fresh", without("is_feed_fresh"), "entry on a stale price"),
        guards=("is_feed_fresh",),
    ),
    Safety(
        "S13",
        "a book asked for before the newest that is known of a symbol proves nothing about it",
        "a snapshot from before a fill or a change would undo it",
        "core/guards.py `is_read_current`",
        found.TEN_OLD_READ,
        guards=("is_read_current",),
    ),
    Safety(
        "S14",
        "a stop protects only once it is confirmed",
        "a refused stop leaves the position naked",
        "core/evidence.py `_never_placed`, core/protection.py",
        Race(NO_STOP, "the refusal", {}, "naked", patches=((evidence, "_never_placed", _takes_no_for_yes),)),
    ),
    Safety(
        "S15",
        "an answer to a change speaks of the newest change only",
        "an older one would let a further change overtake it",
        "core/guards.py `is_answer_for`",
        found.TWO_ANY_ANSWER,
        guards=("is_answer_for",),
    ),
)

# --- protection and ways out --------------------------------------------------------------------------

PROTECTED = (
    Safety(
        "S16",
        "a stop in flight is a stop",
        "else every print would place another one",
        "core/guards.py `may_place_stop`",
        found.SIX,
        guards=("may_place_stop",),
    ),
    Safety(
        "S17",
        "an exit stands beside no other order",
        "stop and exit would both sell",
        "core/guards.py `may_place_exit`, core/invariants.py I1",
        found.FIVE,
        behind="the invariants",
        alone={"guards": HASTY},
        guards=("may_place_exit",),
    ),
    Safety(
        "S18",
        "what closes is cut to what is held when it leaves",
        "it may have been sold while the order waited",
        "core/guards.py `shares_to_close`",
        found.EIGHT,
        guards=("shares_to_close",),
    ),
    Safety(
        "S19",
        "an order is forgotten only upon evidence of its end",
        "a cancel that is asked for is not yet done",
        "core/guards.py `may_forget`",
        replace(found.ONE, out="may_forget", off={"guards": FORGETFUL}, breaks="undecided for ever"),
        guards=("may_forget",),
    ),
    Safety(
        "S20",
        "a stop only rises",
        "what is won is not given back",
        "core/guards.py `may_raise`",
        found.TWO_MAY_LOWER,
        guards=("may_raise",),
    ),
    Safety(
        "S21",
        "one change of an order is out at a time",
        "of two the older may land last",
        "core/guards.py `is_modify_free`, domain/order.py `TRANSITIONS`",
        found.TWO_AT_ONCE,
        behind="the table of an order's life",
        alone=found.TWO_AT_ONCE.off,
        guards=("is_modify_free",),
    ),
)
