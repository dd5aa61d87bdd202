"""A live day's own figures: belief against each read of the books, and what the locks took."""

from dataclasses import replace

from olaf_async.adapters.journal.memory import MemoryJournal
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import Command, Event, PositionRow, Verb
from olaf_async.domain.order import Role, Side
from olaf_async.ports.broker import Books
from olaf_async.ports.journal import Entry
from olaf_async.research.live_day import LiveDay
from olaf_async.research.results import DayResult, Watch
from tests.races.world import DAY, ENTRY, LATENCY_NS, UNDERCUT, Story, World, plan_of, play


class ReadAlong(MemoryJournal):
    """A journal through which a day follows its engine."""

    def __init__(self, day: LiveDay) -> None:
        super().__init__()
        self._day = day

    def append(self, entry: Entry, at_ns: int, body: object, fingerprint: str | None = None) -> int:
        if entry is Entry.EVENT:
            assert isinstance(body, Event)
            self._day.handled(body)
        return super().append(entry, at_ns, body, fingerprint)


def told_of(story: Story) -> DayResult:
    """The story's day, with books read each second."""
    day = LiveDay(DAY, (plan_of(),), None)

    async def followed(world: World) -> None:
        day.follow(world.supervisor.engine, (), world.supervisor.desk)
        await story(world)

    play(followed, rules={"idle_poll_ns": SECOND_NS}, new_journal=lambda _: ReadAlong(day))
    return day.result(0).days[0]


def watched(story: Story) -> Watch:
    """What the day of a story tells of its engine."""
    watch = told_of(story).watch
    assert watch is not None
    return watch


async def a_trade(world: World) -> None:
    await world.enters()
    await world.wait(5)
    await world.prints(ENTRY - 20_00, pause_s=5)


def test_through_a_calm_trade_every_read_agrees() -> None:
    watch = watched(a_trade)
    assert watch.polls == watch.polls_agreed > 8


def test_a_read_that_knows_of_other_shares_differs() -> None:
    def with_more(books: Books) -> Books:
        return replace(books, positions=(PositionRow("INFY", 17),))

    async def more_than_ours(world: World) -> None:
        await world.enters()
        await world.wait(3)
        world.broker.shows = with_more
        await world.wait(3)

    watch = watched(more_than_ours)
    assert 0 < watch.polls - watch.polls_agreed <= 4
    assert watch.polls_agreed >= 3


def test_a_read_asked_before_a_fill_was_heard_of_is_not_held_against_belief() -> None:
    async def overtaken(world: World) -> None:
        gate = world.broker.keep_answer("books")
        await world.wait(1.5)
        await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=0.2)
        gate.open()
        await world.wait(3)

    watch = watched(overtaken)
    assert watch.polls == watch.polls_agreed > 0


def test_each_call_s_hold_of_the_lock_and_protection_s_wait_for_it_are_measured() -> None:
    async def once_the_run_has_read(world: World) -> None:
        await world.wait(0.5)
        await a_trade(world)

    watch = watched(once_the_run_has_read)
    assert watch.lock_waits_ns == (0,)
    half_way_ns = LATENCY_NS // 2
    assert watch.lock_holds_ns == (LATENCY_NS + half_way_ns, half_way_ns), "read and entry; the stop"


def test_a_stop_that_waited_for_an_entry_s_call_has_that_in_its_wait() -> None:
    async def kept_waiting(world: World) -> None:
        gate = world.broker.keep_answer(Verb.PLACE, Role.ENTRY)
        await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=0.5)
        assert world.working(Side.SELL)
        gate.open()
        await world.wait(1)

    watch = watched(kept_waiting)
    assert len(watch.lock_waits_ns) == 1
    assert max(watch.lock_holds_ns) > LATENCY_NS


def test_a_symbol_waits_for_a_person_until_it_is_resumed() -> None:
    async def halts(world: World) -> None:
        await a_trade(world)
        await world.supervisor.command(Command.HALT, "INFY")

    async def halts_and_resumes(world: World) -> None:
        await halts(world)
        await world.supervisor.command(Command.RESUME, "INFY")

    assert told_of(halts).frozen == ("INFY",)
    resumed = told_of(halts_and_resumes)
    assert resumed.frozen == ()
    assert resumed.trades == told_of(a_trade).trades
