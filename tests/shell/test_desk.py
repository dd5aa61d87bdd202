"""The desk: what it sends, when it lets go of the lock, and what it makes of an answer that does not come.

D1 to D5 are the rules of its docstring.
"""

import pytest

from olaf_async.adapters.clock import LoopClock
from olaf_async.adapters.journal.memory import MemoryJournal
from olaf_async.core.engine import Drop, ReadFirst, Wait
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import Command, Commanded, OrderAnswered, Outcome, QuoteRead, Verb
from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder
from olaf_async.domain.order import Role, Side
from olaf_async.errors import (
    BrokerQueued,
    BrokerRejected,
    BrokerUndecided,
    BrokerUnreachable,
    JournalError,
    NeedsApproval,
    NotNow,
    RateLimited,
    SessionExpired,
)
from olaf_async.ports.journal import Entry, NotSent, PutOff
from tests.races.world import (
    ENTRY,
    INFY,
    OPEN_NS,
    SHARES,
    UNDERCUT,
    Mood,
    World,
    play,
)

from .harness import DeskBench, End, entry, on_virtual_time, pause, stop

# --- D1: nothing is sent that the core no longer wants --------------------------------------------


def test_d1_what_the_core_no_longer_wants_is_not_sent_and_said_to_be_so() -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock)
        bench.engine.verdicts["1-entry"] = [Drop("a better idea")]
        bench.desk.submit(entry())
        await pause(clock, 1)
        return bench

    bench = on_virtual_time(story)
    assert bench.broker.calls == []
    assert bench.outcomes("1-entry") == [(0, Outcome.NOT_SENT)]
    assert bench.journalled("1-entry") == [Entry.NOT_SENT]


def test_d1_the_core_is_asked_again_after_every_wait_inside_the_lock() -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock)
        bench.broker.book_ends = [2]
        bench.engine.verdicts["1-entry"] = [ReadFirst(), Drop("not on these books")]
        bench.desk.submit(entry())
        await pause(clock, 3)
        return bench

    bench = on_virtual_time(story)
    assert [at_ns - OPEN_NS for at_ns, _ in bench.engine.asked] == [0, 2 * SECOND_NS]
    assert bench.broker.calls == []


async def a_halt_comes_while_the_entry_waits_for_the_books(world: World) -> None:
    read = world.broker.keep_answer("books")
    await world.prints(UNDERCUT, pause_s=0.5)
    world.supervisor.pump.put(Commanded(world.clock.now_ns(), Command.HALT))
    await world.wait(0.5)
    read.open()
    await world.wait(3)


def test_d1_a_halt_stops_an_entry_that_is_decided_and_not_yet_sent() -> None:
    world = play(a_halt_comes_while_the_entry_waits_for_the_books)
    assert world.state().triggers == 1
    assert world.asked(PlaceOrder, Role.ENTRY) == []


async def a_halt_comes_while_a_limiter_keeps_the_entry_back(world: World) -> None:
    limited = RateLimited("429", retry_after_s=5)
    world.broker.meets(Verb.PLACE, Mood(fails=limited, acts=False), Role.ENTRY)
    await world.prints(UNDERCUT, pause_s=2)
    assert len(world.asked(PlaceOrder, Role.ENTRY)) == 1
    world.supervisor.pump.put(Commanded(world.clock.now_ns(), Command.HALT))
    await world.wait(10)


def test_d1_an_entry_that_a_limiter_kept_back_is_asked_about_again_before_it_is_repeated() -> None:
    world = play(a_halt_comes_while_a_limiter_keeps_the_entry_back)
    assert len(world.asked(PlaceOrder, Role.ENTRY)) == 1
    assert world.orders(Side.BUY) == []
    assert world.state().entry is None


# --- D2: journalled before it is sent -------------------------------------------------------------


class ForgetfulJournal(MemoryJournal):
    """A journal on a full disk: it can keep anything but what is to be sent."""

    def append(self, entry: Entry, at_ns: int, body: object, fingerprint: str | None = None) -> int:
        """See Journal."""
        if entry is Entry.SENDING:
            raise JournalError("no space left on device")
        return super().append(entry, at_ns, body, fingerprint)


class WatchedJournal(MemoryJournal):
    """Notes how many calls the broker had had when a sending was written."""

    def __init__(self) -> None:
        super().__init__()
        self.calls_before: list[int] = []
        self.bench: DeskBench | None = None

    def append(self, entry: Entry, at_ns: int, body: object, fingerprint: str | None = None) -> int:
        """See Journal."""
        assert self.bench is not None
        if entry is Entry.SENDING:
            self.calls_before.append(len(self.bench.broker.calls))
        return super().append(entry, at_ns, body, fingerprint)


def test_d2_each_send_is_in_the_journal_before_the_broker_hears_of_it() -> None:
    async def story(clock: LoopClock) -> WatchedJournal:
        journal = WatchedJournal()
        journal.bench = bench = DeskBench(clock, journal=journal)
        bench.broker.ends["1-entry"] = [RateLimited("429", retry_after_s=1)]
        bench.desk.submit(entry())
        await pause(clock, 3)
        bench.desk.submit(stop())
        await pause(clock, 3)
        return journal

    assert on_virtual_time(story).calls_before == [0, 1, 2]


def test_d2_an_entry_that_the_journal_cannot_keep_is_not_sent_and_that_is_told() -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock, journal=ForgetfulJournal())
        bench.desk.submit(entry())
        await pause(clock, 1)
        return bench

    bench = on_virtual_time(story)
    assert bench.broker.calls == []
    assert bench.outcomes("1-entry") == [(0, Outcome.NOT_SENT)]
    assert bench.journalled("1-entry") == [Entry.NOT_SENT], "should the sending be kept later, so is this"
    assert [str(change) for change in bench.journal_changes] == ["no space left on device", "None"]
    assert bench.crashes == []


def cancel(request: int) -> CancelOrder:
    """A cancel of an entry."""
    return CancelOrder(INFY, request, f"{request}-entry", Role.ENTRY, "id")


@pytest.mark.parametrize("intent", [stop(2), cancel(3)], ids=["a stop", "the cancel of an entry"])
def test_d2_what_takes_risk_away_is_sent_though_the_journal_cannot_keep_it(
    intent: PlaceOrder | CancelOrder,
) -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock, journal=ForgetfulJournal())
        bench.desk.submit(intent)
        await pause(clock, 1)
        return bench

    bench = on_virtual_time(story)
    assert [key for _, _, key in bench.broker.calls] == [intent.key]
    assert [outcome for _, outcome in bench.outcomes(intent.key)] == [Outcome.ACCEPTED]
    assert len(bench.journal_changes) == 1


def test_d2_each_question_to_the_core_is_journalled_with_its_time_and_the_answer() -> None:
    until_ns = OPEN_NS + 2 * SECOND_NS

    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock)
        bench.engine.verdicts["1-entry"] = [Wait(until_ns), ReadFirst(), Drop("a better idea")]
        bench.desk.submit(entry())
        await pause(clock, 5)
        return bench

    bench = on_virtual_time(story)
    written = [(record.at_ns, record.body) for record in bench.journal.records]
    times = [at_ns for at_ns, _ in bench.engine.asked]
    assert [at_ns for at_ns, _ in written] == times
    assert [body for _, body in written] == [
        PutOff(entry(), until_ns),
        PutOff(entry(), None),
        NotSent(entry(), "a better idea", is_refused=True),
    ]


def test_d2_a_core_that_crashes_over_a_question_has_still_been_asked() -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock)
        bench.engine.verdicts["1-entry"] = [KeyError("lost")]
        bench.desk.submit(entry())
        await pause(clock, 1)
        return bench

    (record,) = on_virtual_time(story).journal.records
    assert record.body == NotSent(entry(), "the core crashed: KeyError('lost')", is_refused=True)


# --- D3: the lock is not held by a hung call ------------------------------------------------------


def when_a_second_entry_leaves(timeout_s: float = 5, *, settled_after_s: float | None = None) -> DeskBench:
    """The first call takes ten seconds; after one, a second order comes that protects nothing."""

    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock, timeout_s=timeout_s)
        bench.broker.ends["1-entry"] = [10.0]
        bench.desk.submit(entry(1))
        await pause(clock, 1)
        bench.desk.submit(entry(3))
        if settled_after_s is not None:
            await pause(clock, settled_after_s - 1)
            bench.evidence_settles(entry(1))
        await pause(clock, 20)
        return bench

    return on_virtual_time(story)


def test_d3_the_lock_is_held_from_the_check_to_the_answer() -> None:
    bench = when_a_second_entry_leaves(timeout_s=60)
    assert bench.broker.seconds("3-entry") == [10.0]


def test_d3_the_lock_is_free_once_evidence_from_elsewhere_settles_the_question() -> None:
    bench = when_a_second_entry_leaves(timeout_s=60, settled_after_s=4)
    assert bench.broker.seconds("3-entry") == [4.0]


def test_d3_the_lock_is_free_at_the_time_limit_and_the_call_goes_on() -> None:
    bench = when_a_second_entry_leaves(timeout_s=5)
    assert bench.broker.seconds("3-entry") == [5.0]
    assert bench.outcomes("1-entry") == [(5.0, Outcome.LOST), (10.0, Outcome.ACCEPTED)]


def test_d3_protection_does_not_wait_for_a_hung_call() -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock)
        bench.broker.ends["1-entry"] = [10.0]
        bench.desk.submit(entry())
        await pause(clock, 1)
        bench.desk.submit(stop())
        await pause(clock, 20)
        return bench

    bench = on_virtual_time(story)
    assert bench.broker.seconds("2-stop") == [1.0]
    assert bench.outcomes("1-entry")[-1] == (10.0, Outcome.ACCEPTED), "the hung call was let be"


def test_d3_protection_does_not_wait_for_books_that_hang() -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock)
        bench.broker.book_ends = [10.0]
        bench.engine.verdicts["1-entry"] = [ReadFirst()]
        bench.desk.submit(entry())
        await pause(clock, 1)
        bench.desk.submit(stop())
        await pause(clock, 20)
        return bench

    bench = on_virtual_time(story)
    assert bench.broker.seconds("2-stop") == [1.0]
    assert len(bench.broker.seconds("1-entry")) == 1


def test_d3_protection_that_waited_for_the_rate_does_not_then_wait_for_a_hung_call() -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock)
        bench.broker.ends["1-entry"] = [10.0]
        bench.engine.verdicts["2-stop"] = [Wait(OPEN_NS + 2 * SECOND_NS)]
        bench.desk.submit(stop())
        await pause(clock, 1)
        bench.desk.submit(entry())
        await pause(clock, 20)
        return bench

    bench = on_virtual_time(story)
    assert bench.broker.seconds("1-entry") == [1.0]
    assert bench.broker.seconds("2-stop") == [2.0]


async def the_entry_fills_while_its_call_hangs(world: World) -> None:
    world.broker.keep_answer(Verb.PLACE, Role.ENTRY)
    await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=0.5)


def test_d3_a_fill_is_protected_at_once_though_the_call_it_came_from_hangs() -> None:
    world = play(the_entry_fills_while_its_call_hangs, timeout_s=60)
    filled_ns = world.exchange.fills[0].at_ns
    placed_ns = world.orders(Side.SELL)[0].placed_ns
    assert placed_ns - filled_ns <= 50_000_000


async def a_raise_hangs_when_everything_is_to_be_sold(world: World) -> None:
    world.broker.keep_request(Verb.MODIFY, Role.STOP)
    await world.enters()
    await world.until_ns(OPEN_NS + 61 * SECOND_NS)
    world.supervisor.pump.put(Commanded(world.clock.now_ns(), Command.FLATTEN))
    await world.prints(ENTRY, pause_s=3)


def test_d3_a_hung_raise_does_not_keep_the_exit_waiting() -> None:
    world = play(a_raise_hangs_when_everything_is_to_be_sold, timeout_s=600)
    assert world.position() == 0
    sold_ns = world.exchange.fills[-1].at_ns
    assert sold_ns - OPEN_NS <= 62 * SECOND_NS


# --- D4: waits without the lock -------------------------------------------------------------------


def test_d4_a_wait_for_the_rate_is_waited_out_without_the_lock() -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock)
        bench.engine.verdicts["1-entry"] = [Wait(OPEN_NS + 10 * SECOND_NS)]
        bench.desk.submit(entry(1))
        await pause(clock, 1)
        bench.desk.submit(entry(3))
        await pause(clock, 20)
        return bench

    bench = on_virtual_time(story)
    assert bench.broker.seconds("3-entry") == [1.0]
    assert bench.broker.seconds("1-entry") == [10.0]


@pytest.mark.parametrize("reason", [RateLimited, BrokerUnreachable, SessionExpired])
def test_d4_what_passes_is_waited_out_without_the_lock_and_then_all_begins_again(
    reason: type[NotNow],
) -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock)
        bench.broker.ends["1-entry"] = [reason("not now", retry_after_s=7)]
        bench.desk.submit(entry(1))
        await pause(clock, 1)
        bench.desk.submit(entry(3))
        await pause(clock, 20)
        return bench

    bench = on_virtual_time(story)
    assert bench.broker.seconds("3-entry") == [1.0]
    assert bench.broker.seconds("1-entry") == [0.0, 7.0]
    assert [outcome for _, outcome in bench.outcomes("1-entry")] == [Outcome.ACCEPTED]
    assert bench.journalled("1-entry") == [Entry.SENDING, Entry.NOT_SENT, Entry.SENDING]


def test_a_refusal_for_want_of_approval_is_passed_on_as_what_it_is() -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock)
        bench.broker.ends["1-entry"] = [NeedsApproval("not allowed in Semi-Auto mode")]
        bench.broker.ends["2-entry"] = [BrokerRejected("no")]
        bench.desk.submit(entry(1))
        bench.desk.submit(entry(2))
        await pause(clock, 1)
        return bench

    bench = on_virtual_time(story)
    assert bench.approvals == ["not allowed in Semi-Auto mode"]
    assert [outcome for _, outcome in bench.outcomes("1-entry")] == [Outcome.REFUSED]


def test_d4_a_limiter_that_speaks_after_the_time_limit_is_a_definite_no() -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock, timeout_s=5)
        bench.broker.ends["1-entry"] = [(8.0, RateLimited("429"))]
        bench.desk.submit(entry())
        await pause(clock, 20)
        return bench

    bench = on_virtual_time(story)
    assert bench.outcomes("1-entry") == [(5.0, Outcome.LOST), (8.0, Outcome.REFUSED)]
    assert len(bench.broker.calls) == 1


async def no_book_can_be_read_for_a_while(world: World) -> None:
    for _ in range(100):
        failure = BrokerUnreachable("no route to host")
        world.broker.meets("books", Mood(fails=failure, acts=False))
    await world.prints(UNDERCUT, pause_s=10)


def test_d4_books_that_cannot_be_read_are_tried_again_at_the_pace_of_a_clock() -> None:
    world = play(no_book_can_be_read_for_a_while)
    assert 8 <= world.broker.reads <= 14
    assert world.asked(PlaceOrder, Role.ENTRY) == []


async def the_books_come_back(world: World) -> None:
    for _ in range(5):
        failure = BrokerUnreachable("no route to host")
        world.broker.meets("books", Mood(fails=failure, acts=False))
    await world.prints(UNDERCUT, pause_s=10)


def test_d4_an_entry_that_waited_for_books_leaves_when_they_come() -> None:
    world = play(the_books_come_back)
    assert len(world.working(Side.BUY)) == 1


# --- D5: a lost answer is not a failure -----------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (0.5, Outcome.ACCEPTED),
        (BrokerRejected("no"), Outcome.REFUSED),
        (BrokerQueued("a person has to approve it"), Outcome.QUEUED),
        (BrokerUndecided("504"), Outcome.LOST),
        (KeyError("orderid"), Outcome.LOST),
    ],
)
def test_d5_each_end_of_a_call_is_told_for_what_it_is(end: End, outcome: Outcome) -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock)
        bench.broker.ends["1-entry"] = [end]
        bench.desk.submit(entry())
        await pause(clock, 30)
        return bench

    bench = on_virtual_time(story)
    assert [found for _, found in bench.outcomes("1-entry")] == [outcome]
    assert len(bench.broker.calls) == 1
    assert bool(bench.crashes) is isinstance(end, KeyError)
    assert bench.desk.is_idle


def test_d5_a_call_that_crashes_after_the_lock_was_given_away_is_lost_all_the_same() -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock)
        bench.broker.ends["1-entry"] = [(3.0, KeyError("orderid"))]
        bench.desk.submit(entry())
        await pause(clock, 1)
        bench.desk.submit(stop())
        await pause(clock, 20)
        return bench

    bench = on_virtual_time(story)
    assert bench.broker.seconds("2-stop") == [1.0]
    assert bench.outcomes("1-entry") == [(3.0, Outcome.LOST)]
    assert len(bench.crashes) == 1


def test_d5_what_crashes_before_its_call_was_not_sent_and_the_next_one_finds_the_lock_free() -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock)
        bench.engine.verdicts["1-entry"] = [AssertionError("of the core's")]
        bench.desk.submit(entry())
        bench.desk.submit(stop())
        await pause(clock, 5)
        return bench

    bench = on_virtual_time(story)
    assert [outcome for _, outcome in bench.outcomes("1-entry")] == [Outcome.NOT_SENT]
    assert [outcome for _, outcome in bench.outcomes("2-stop")] == [Outcome.ACCEPTED]
    assert len(bench.crashes) == 1


async def the_stop_is_answered_after_the_time_limit(world: World) -> None:
    answer = world.broker.keep_answer(Verb.PLACE, Role.STOP)
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    await world.prints(ENTRY, pause_s=7)
    answer.open()
    await world.wait(1)


def test_d5_an_answer_after_the_time_limit_still_counts() -> None:
    world = play(the_stop_is_answered_after_the_time_limit)
    assert len(world.asked(PlaceOrder, Role.STOP)) == 1
    assert world.protected() == SHARES
    assert world.state().frozen is None


# --- the rest -------------------------------------------------------------------------------------


def test_each_verb_goes_to_its_own_call_and_each_answer_names_its_order() -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock)
        like = stop()
        raised = ModifyOrder(INFY, 5, "5-stop", Role.STOP, like.side, like.price_type, like.terms, "id 5")
        for intent in (entry(), raised, CancelOrder(INFY, 6, "6-entry", Role.ENTRY, "id 6")):
            bench.desk.submit(intent)
            await pause(clock, 1)
        return bench

    bench = on_virtual_time(story)
    assert [verb for _, verb, _ in bench.broker.calls] == [Verb.PLACE, Verb.MODIFY, Verb.CANCEL]
    answers = [event for event in bench.events if isinstance(event, OrderAnswered)]
    assert [answer.verb for answer in answers] == [Verb.PLACE, Verb.MODIFY, Verb.CANCEL]
    assert [answer.order_id for answer in answers] == ["id of 1-entry", "id 5", "id 6"]


@pytest.mark.parametrize(("end", "price"), [(0.5, 1000_00), (BrokerUnreachable("no route to host"), None)])
def test_a_quote_is_told_as_a_price_or_as_none(end: End, price: int | None) -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock)
        bench.broker.quote_ends = [end]
        bench.desk.ask_quote(INFY)
        await pause(clock, 1)
        return bench

    (told,) = on_virtual_time(story).events
    assert isinstance(told, QuoteRead)
    assert told.price == price


def test_news_of_a_symbol_that_is_not_traded_wakes_nobody() -> None:
    async def story(clock: LoopClock) -> None:
        bench = DeskBench(clock)
        bench.desk.notice("TCS")
        assert bench.desk.is_idle

    on_virtual_time(story)


def test_without_anybody_to_look_after_it_no_entry_leaves_but_protection_does() -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock)
        bench.desk.close_to_entries()
        bench.desk.submit(entry())
        bench.desk.submit(stop())
        await pause(clock, 1)
        return bench

    bench = on_virtual_time(story)
    assert [key for _, _, key in bench.broker.calls] == ["2-stop"]
    assert [outcome for _, outcome in bench.outcomes("1-entry")] == [Outcome.NOT_SENT]


def test_how_long_protection_waited_for_its_lock_is_kept() -> None:
    async def story(clock: LoopClock) -> DeskBench:
        bench = DeskBench(clock)
        bench.broker.ends["1-entry"] = [10.0]
        bench.desk.submit(entry())
        await pause(clock, 1)
        bench.desk.submit(stop())
        await pause(clock, 20)
        return bench

    assert on_virtual_time(story).desk.lock_waits_ns == [0]
