"""The supervisor: what a dead task leads to, and how a day goes from beginning to end.

S1 and S3 to S5 of its docstring; S2, the stop, has a file of its own.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Literal, TypeVar

import pytest

from olaf_async.adapters.journal.memory import MemoryJournal
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import ClockSkewed, Command, Commanded, Event, StreamChanged, Verb
from olaf_async.domain.intents import PlaceOrder, Severity
from olaf_async.domain.order import Role, Side
from olaf_async.domain.trade import ExitReason
from olaf_async.errors import BrokerRejected, FeedError, JournalError
from olaf_async.ports.journal import Entry
from olaf_async.shell.supervisor import EXIT_FINE, EXIT_UNSAFE
from tests.journals import forget
from tests.races.world import (
    ENTRY,
    OPEN_NS,
    RISK,
    SHARES,
    UNDERCUT,
    Mood,
    World,
    plan_of,
    play,
)

_Event = TypeVar("_Event")
GARBAGE = FeedError("garbage on the wire")


def told(world: World, kind: type[_Event]) -> list[_Event]:
    """What the core was told of this kind."""
    bodies = [record.body for record in world.journal.records if record.entry is Entry.EVENT]
    return [body for body in bodies if isinstance(body, kind)]


def alarms(world: World) -> list[str]:
    """The codes of what called a person."""
    return [message.code for _, message in world.alarms.said if message.severity is Severity.ALARM]


# --- S1: a task that dies -------------------------------------------------------------------------


async def the_feed_breaks_while_a_position_is_held(world: World) -> None:
    await world.enters()
    world.feed.prints.put_nowait(GARBAGE)
    await world.wait(2)
    await world.prints(ENTRY - RISK - 5, pause_s=1)
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=1)


def test_s1_a_feed_that_breaks_is_read_again_and_ends_new_risk_but_not_protection() -> None:
    world = play(the_feed_breaks_while_a_position_is_held)
    assert alarms(world) == ["task_died"]
    assert [event.command for event in told(world, Commanded)] == [Command.HALT]
    assert world.positions() == [0, SHARES, 0], (
        "the print that reached the stop came by the feed's second life"
    )
    assert len(world.orders(Side.BUY)) == 1, "and the undercut after it armed nothing"


@pytest.mark.parametrize("end", [FeedError("frame too long"), "end"], ids=["an error", "an end"])
def test_s1_when_the_accounts_news_break_off_fills_are_found_in_the_books(
    end: Exception | Literal["end"],
) -> None:
    async def story(world: World) -> None:
        await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
        world.broker.news_end = end
        await world.prints(ENTRY, pause_s=3)

    world = play(story)
    assert [event.is_up for event in told(world, StreamChanged)] == [False]
    assert "task_died" in alarms(world)
    filled_ns = world.exchange.fills[0].at_ns
    assert world.protected() == SHARES
    assert world.orders(Side.SELL)[0].placed_ns - filled_ns < 2 * SECOND_NS


async def the_call_of_the_stop_crashes_and_so_does_the_read_after_it(world: World) -> None:
    crash = KeyError("orderid")
    world.broker.meets(Verb.PLACE, Mood(fails=crash), Role.STOP)
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    await world.prints(ENTRY, pause_s=0.005)
    world.broker.loses_frames = True
    for _ in range(3):
        world.broker.meets("books", Mood(fails=crash, acts=False))
    await world.wait(7)


def test_s1_crashes_of_books_and_calls_end_new_risk_and_the_stop_is_still_confirmed() -> None:
    world = play(
        the_call_of_the_stop_crashes_and_so_does_the_read_after_it, rules={"idle_poll_ns": SECOND_NS}
    )
    assert alarms(world).count("task_died") == 4
    stop = world.state().stop
    assert stop is not None
    assert stop.order_id == world.working(Side.SELL)[0].order_id
    assert len(world.asked(PlaceOrder, Role.STOP)) == 1


# --- S3: calls that are out at the end ------------------------------------------------------------


async def a_stop_is_asked_for_while_a_call_hangs_of_which_all_is_known(world: World) -> None:
    """The raise has been done, and the books have said so; only its answer has never come."""
    await world.enters()
    answer = world.broker.keep_answer(Verb.MODIFY, Role.STOP)
    await world.until_ns(OPEN_NS + 70 * SECOND_NS)
    assert world.supervisor.engine.is_quiet
    world.supervisor.request_stop()
    await world.wait(5)
    assert world.outcome is None, "it is still waited for"
    answer.open()
    await world.wait(1)


def test_s3_a_stop_waits_for_the_answers_to_calls_that_are_out() -> None:
    world = play(a_stop_is_asked_for_while_a_call_hangs_of_which_all_is_known)
    assert world.outcome is not None
    assert world.outcome.exit_code == EXIT_FINE
    assert world.protected() == SHARES


async def a_stop_is_asked_for_while_a_call_hangs_for_good(world: World) -> None:
    await world.enters()
    world.broker.keep_answer(Verb.MODIFY, Role.STOP)
    await world.until_ns(OPEN_NS + 70 * SECOND_NS)
    world.supervisor.request_stop()
    await world.wait(21)


def test_s3_but_not_for_ever() -> None:
    world = play(a_stop_is_asked_for_while_a_call_hangs_for_good)
    assert world.outcome is not None
    assert world.outcome.exit_code == EXIT_FINE, "all is known, and the position has its stop"


# --- S4: without the pump -------------------------------------------------------------------------


async def the_core_dies(world: World) -> None:
    nonsense: Event = None  # type: ignore[assignment] # that is the point
    world.supervisor.pump.put(nonsense)
    await world.wait(0.01)


def left_without_a_pump(*moods: Mood) -> World:
    """The core dies while an entry rests; its cancel meets these moods."""

    async def story(world: World) -> None:
        await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
        for mood in moods:
            world.broker.meets(Verb.CANCEL, mood, Role.ENTRY)
        await the_core_dies(world)
        await world.wait(30)

    return play(story)


def test_s4_without_the_pump_a_resting_entry_is_cancelled_and_a_person_is_called() -> None:
    world = left_without_a_pump()
    assert world.working(Side.BUY) == []
    assert world.outcome is not None
    assert world.outcome.exit_code == EXIT_UNSAFE
    assert alarms(world)[0] == "pump_died"


@pytest.mark.parametrize(
    "mood",
    [
        Mood(fails=BrokerRejected("not now"), acts=False),
        Mood(fails=KeyError("status"), acts=False),
    ],
    ids=["a refusal", "a crash"],
)
def test_s4_an_entry_that_cannot_be_cancelled_is_named(mood: Mood) -> None:
    world = left_without_a_pump(mood)
    (entry,) = world.working(Side.BUY)
    texts = [message.text for _, message in world.alarms.said if message.code == "left_behind"]
    assert "cancel_failed" in alarms(world)
    assert len(texts) == 1
    assert entry.order_id in texts[0]
    assert world.outcome is not None
    assert world.outcome.exit_code == EXIT_UNSAFE


def test_s4_the_end_comes_though_the_cancel_hangs() -> None:
    async def story(world: World) -> None:
        await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
        world.broker.keep_request(Verb.CANCEL, Role.ENTRY)
        await the_core_dies(world)
        await world.wait(30)

    world = play(story)
    assert world.outcome is not None
    assert world.outcome.exit_code == EXIT_UNSAFE


def test_s4_the_exit_code_says_so_even_where_nothing_is_open() -> None:
    async def story(world: World) -> None:
        await the_core_dies(world)
        await world.wait(20)

    world = play(story)
    assert world.outcome is not None
    assert world.outcome.exit_code == EXIT_UNSAFE


def test_s4_no_entry_that_waited_at_the_desk_leaves_any_more() -> None:
    async def story(world: World) -> None:
        await world.prints(ENTRY, pause_s=0)
        await world.prints(UNDERCUT, symbol="TCS", pause_s=0.01)
        await world.prints(UNDERCUT, pause_s=0.3)
        assert world.state().entry is not None, "it waits for the rate"
        await the_core_dies(world)
        await world.wait(20)

    world = play(story, plan_of(), plan_of("TCS"), rules={"max_orders_per_s": 1})
    assert len(world.orders(Side.BUY, "TCS")) == 1
    assert world.orders(Side.BUY) == []


# --- a whole day ----------------------------------------------------------------------------------

CLOSE_NS = OPEN_NS + 300 * SECOND_NS
SHORT_DAY = plan_of(exit_ns=OPEN_NS + 200 * SECOND_NS, close_ns=CLOSE_NS, trails_from_entry_bar=False)


async def a_position_is_held_to_the_end(world: World) -> None:
    await world.enters()
    await world.until_ns(OPEN_NS + 199 * SECOND_NS)
    await world.prints(1010_00)
    await world.until_ns(CLOSE_NS + 20 * SECOND_NS)


def test_a_day_ends_by_itself_at_the_close_with_its_trades_and_nothing_left() -> None:
    world = play(a_position_is_held_to_the_end, SHORT_DAY)
    assert world.outcome is not None
    assert world.outcome.exit_code == EXIT_FINE
    (trade,) = world.outcome.trades
    assert trade.reason is ExitReason.SESSION_END
    assert trade.gross == SHARES * (1010_00 - ENTRY)
    assert world.positions() == [0, SHARES, 0]


async def the_feed_is_silent_at_the_deadline(world: World) -> None:
    await world.enters()
    await world.until_ns(OPEN_NS + 230 * SECOND_NS)


def test_an_exit_without_fresh_prints_asks_the_broker_for_a_price() -> None:
    world = play(the_feed_is_silent_at_the_deadline, SHORT_DAY)
    assert world.broker.quotes == 1
    assert world.position() == 0


# --- clocks ---------------------------------------------------------------------------------------


def test_a_wall_clock_that_strays_is_told_once_and_so_is_its_return() -> None:
    skew_ns = 0

    async def story(world: World) -> None:
        nonlocal skew_ns
        await world.wait(3)
        skew_ns = 5 * SECOND_NS
        await world.wait(3)
        await world.prints(UNDERCUT, pause_s=3)
        assert world.broker.calls == [], "no new risk in between"
        skew_ns = 0
        await world.wait(3)
        await world.prints(UNDERCUT, pause_s=1)

    world = play(story, wall_skew_ns=lambda: skew_ns)
    skews = [event.skew_ns for event in told(world, ClockSkewed)]
    assert skews == [5 * SECOND_NS, 0]
    assert len(world.asked(PlaceOrder, Role.ENTRY)) == 1


# --- S5: without the journal ----------------------------------------------------------------------


class FillingDisk(MemoryJournal):
    """A journal whose disk is full from the moment it is told so."""

    is_full = False

    def append(self, entry: Entry, at_ns: int, body: object, fingerprint: str | None = None) -> int:
        """See Journal."""
        if self.is_full:
            forget(self)
            raise JournalError("no space left on device")
        return super().append(entry, at_ns, body, fingerprint)


def on_a_filling_disk(story: Callable[[World, FillingDisk], Awaitable[None]]) -> World:
    """Let a story happen whose journal it may break."""
    journal = FillingDisk()

    async def with_disk(world: World) -> None:
        await story(world, journal)

    return play(with_disk, new_journal=lambda _: journal)


async def the_disk_fills_while_shares_are_held(world: World, disk: FillingDisk) -> None:
    await world.enters()
    disk.is_full = True
    await world.prints(1005_00, 1007_00, pause_s=1)
    await world.until_ns(OPEN_NS + 70 * SECOND_NS)


def test_s5_a_full_disk_leaves_the_stop_standing_and_lets_it_rise() -> None:
    world = on_a_filling_disk(the_disk_fills_while_shares_are_held)
    assert world.protected() == SHARES
    first, *raised = world.stop_levels()
    assert first == ENTRY - RISK
    assert raised
    assert alarms(world) == ["journal_failing"]


async def the_disk_fills_while_an_entry_rests(world: World, disk: FillingDisk) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    assert len(world.working(Side.BUY)) == 1
    disk.is_full = True
    await world.prints(ENTRY - 2_00, UNDERCUT, ENTRY - 1_00, pause_s=2)


def test_s5_a_full_disk_takes_a_resting_entry_back_and_lets_no_other_go() -> None:
    world = on_a_filling_disk(the_disk_fills_while_an_entry_rests)
    assert world.working(Side.BUY) == []
    assert len(world.orders(Side.BUY)) == 1
    assert alarms(world) == ["journal_failing"]


async def an_entry_fills_on_a_full_disk(world: World, disk: FillingDisk) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    world.broker.keep_request(Verb.CANCEL, Role.ENTRY)
    disk.is_full = True
    await world.prints(ENTRY, pause_s=3)


def test_s5_what_fills_on_a_full_disk_is_protected_all_the_same() -> None:
    world = on_a_filling_disk(an_entry_fills_on_a_full_disk)
    assert world.position() == SHARES
    assert world.protected() == SHARES


async def a_person_resumes(world: World, disk: FillingDisk, *, is_full: bool) -> None:
    disk.is_full = True
    await world.prints(1005_00, pause_s=1)
    disk.is_full = is_full
    world.supervisor.pump.put(Commanded(world.clock.now_ns(), Command.RESUME))
    await world.wait(1)
    await world.prints(UNDERCUT, pause_s=1)


def test_s5_a_resume_while_the_journal_fails_is_taken_back() -> None:
    world = on_a_filling_disk(partial(a_person_resumes, is_full=True))
    assert world.orders() == []
    assert alarms(world) == ["journal_failing"] * 2


def test_s5_once_the_journal_keeps_again_a_person_may_resume() -> None:
    world = on_a_filling_disk(partial(a_person_resumes, is_full=False))
    assert len(world.orders(Side.BUY)) == 1
    assert "journal_kept" in world.alarms.codes
    assert alarms(world) == ["journal_failing"]
