"""The poller: one read at a time, each bounded, and none that ends the reading."""

import asyncio
from collections.abc import Callable

import pytest

from olaf_async.adapters.clock import LoopClock
from olaf_async.core.engine import Engine
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.domain.events import BooksFailed, BooksRead, Event, Verb
from olaf_async.domain.order import Role
from olaf_async.errors import BrokerUnreachable
from olaf_async.shell.poller import Poller
from tests.races.world import ENTRY, INFY, OPEN_NS, SHARES, UNDERCUT, Mood, World, plan_of, play

from .harness import End, SlowBroker, on_virtual_time, pause


class PollerBench:
    """A poller over an engine that wants a read at the start and then every four seconds."""

    def __init__(self, clock: LoopClock, *, timeout_s: float = 5) -> None:
        self.engine = Engine([plan_of()], Rules(idle_poll_ns=4 * SECOND_NS))
        self.broker = SlowBroker(clock)
        self.events: list[Event] = []
        self.crashes: list[str] = []
        self.poller = Poller(
            self.engine,
            self.broker,
            clock,
            self._report,
            timeout_ns=round(timeout_s * SECOND_NS),
            on_crash=lambda name, error: self.crashes.append(f"{name}: {error!r}"),
        )

    def _report(self, event: Event) -> None:
        self.events.append(event)
        self.engine.handle(event)
        self.poller.handled()

    def ask(self) -> None:
        """A question comes up that only the books can answer."""
        self.engine.account.seq += 1
        self.engine.traders[INFY].state.want_books()

    def reads_s(self) -> list[float]:
        """When reads were begun, in seconds after the open."""
        return [(at_ns - OPEN_NS) / SECOND_NS for at_ns in self.broker.reads_ns]


def polled(seconds: float, *ends: End, before: Callable[[PollerBench], None] | None = None) -> PollerBench:
    """Let the poller run for a while over reads that end like this."""

    async def story(clock: LoopClock) -> PollerBench:
        bench = PollerBench(clock)
        bench.broker.book_ends = list(ends)
        if before is not None:
            before(bench)
        running = asyncio.get_running_loop().create_task(bench.poller.run())
        await pause(clock, seconds)
        running.cancel()
        return bench

    return on_virtual_time(story)


def test_with_nothing_to_ask_the_books_are_read_at_the_idle_pace() -> None:
    assert polled(13).reads_s() == [0, 4, 8, 12]


def test_a_kick_makes_it_look_again_at_what_is_wanted() -> None:
    async def story(clock: LoopClock) -> PollerBench:
        bench = PollerBench(clock)
        running = asyncio.get_running_loop().create_task(bench.poller.run())
        await pause(clock, 1)
        was_idle = bench.poller.is_idle
        bench.ask()
        assert (was_idle, bench.poller.is_idle) == (True, False)
        bench.poller.kick()
        await pause(clock, 1)
        running.cancel()
        return bench

    bench = on_virtual_time(story)
    assert bench.reads_s() == [0, 1]
    assert bench.poller.is_idle


def test_a_read_says_when_it_was_asked_for_in_time_and_in_sequence() -> None:
    first, second = polled(7, 0.5, 2.0).events
    assert isinstance(first, BooksRead)
    assert isinstance(second, BooksRead)
    assert (second.asked_ns - OPEN_NS, second.at_ns - OPEN_NS) == (4 * SECOND_NS, 6 * SECOND_NS)
    assert second.asked_seq == first.asked_seq + 1, "the first read was all that has happened in between"


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (BrokerUnreachable("no route to host"), "no route to host"),
        (60.0, "no answer in 5 s"),
        (KeyError("tradebook"), "KeyError('tradebook')"),
    ],
    ids=["an error", "silence", "a crash"],
)
def test_a_read_that_fails_is_told_as_failed_and_the_next_one_comes(end: End, why: str) -> None:
    bench = polled(15, end)
    failed, read = bench.events[:2]
    assert isinstance(failed, BooksFailed)
    assert failed.why == why
    assert isinstance(read, BooksRead)
    assert bool(bench.crashes) is isinstance(end, KeyError)


def test_books_that_keep_failing_are_read_at_the_pace_of_a_clock_though_a_question_is_open() -> None:
    failures = [BrokerUnreachable("no route to host")] * 100
    assert 9 <= len(polled(10, *failures, before=PollerBench.ask).reads_s()) <= 11


def test_reads_that_are_asked_for_at_once_go_one_after_another_and_one_serves_all_who_waited() -> None:
    async def story(clock: LoopClock) -> PollerBench:
        bench = PollerBench(clock)
        bench.broker.book_ends = [1.0, 1.0, 1.0, 1.0]
        loop = asyncio.get_running_loop()
        first = loop.create_task(bench.poller.read())
        await pause(clock, 0.5)
        bench.engine.account.seq += 1  # something was learnt, so the read that is out is too old for it
        others = [loop.create_task(bench.poller.read()) for _ in range(5)]
        await asyncio.wait([first, *others])
        return bench

    bench = on_virtual_time(story)
    assert bench.broker.most_reads_out == 1
    assert bench.reads_s() == [0, 1]


def test_a_read_that_was_asked_for_after_the_news_is_not_asked_for_twice() -> None:
    async def story(clock: LoopClock) -> PollerBench:
        bench = PollerBench(clock)
        bench.broker.book_ends = [1.0]
        loop = asyncio.get_running_loop()
        await asyncio.wait([loop.create_task(bench.poller.read()) for _ in range(5)])
        return bench

    assert on_virtual_time(story).reads_s() == [0]


def test_what_is_learnt_while_a_read_is_out_is_not_credited_to_it() -> None:
    async def story(clock: LoopClock) -> PollerBench:
        bench = PollerBench(clock)
        bench.broker.book_ends = [1.0]
        reading = asyncio.get_running_loop().create_task(bench.poller.read())
        await pause(clock, 0.5)
        bench.engine.account.seq += 3
        await reading
        return bench

    (read,) = on_virtual_time(story).events
    assert isinstance(read, BooksRead)
    assert read.asked_seq == 0


def test_a_read_is_over_only_when_the_core_has_taken_it_in() -> None:
    class Waiting(PollerBench):
        """Its pump has not come round yet."""

        def _report(self, event: Event) -> None:
            self.events.append(event)

    async def story(clock: LoopClock) -> list[tuple[int, bool]]:
        bench = Waiting(clock)
        reading = asyncio.get_running_loop().create_task(bench.poller.read())
        seen = []
        for _ in range(3):
            await pause(clock, 1)
            seen.append((len(bench.events), reading.done()))
        bench.poller.handled()
        await reading
        return seen

    assert on_virtual_time(story) == [(1, False)] * 3


def test_while_a_read_is_out_the_poller_is_not_idle() -> None:
    async def story(clock: LoopClock) -> tuple[bool, bool]:
        bench = PollerBench(clock)
        reading = asyncio.get_running_loop().create_task(bench.poller.read())
        await pause(clock, 0)
        is_idle = bench.poller.is_idle
        await reading
        return is_idle, bench.poller.is_idle

    assert on_virtual_time(story) == (False, True)


# --- beside the desk ------------------------------------------------------------------------------


async def another_question_comes_up_while_the_desk_reads(world: World) -> None:
    """The desk reads for one symbol's entry when the other's books are due, and the read takes long."""
    await world.prints(UNDERCUT, ENTRY - 1_00, symbol="TCS", pause_s=0.5)
    read = world.broker.keep_answer("books")
    await world.prints(UNDERCUT, pause_s=0.1)
    await world.prints(ENTRY, symbol="TCS", pause_s=0.1)
    world.broker.meets(Verb.PLACE, Mood(), Role.STOP)
    await world.wait(3)
    read.open()
    await world.prints(UNDERCUT, pause_s=3)


def test_it_waits_quietly_while_somebody_elses_read_is_out() -> None:
    """A poller that looked again and again would keep virtual time from moving: the loop raises Livelock."""
    world = play(another_question_comes_up_while_the_desk_reads, plan_of(INFY), plan_of("TCS"))
    assert world.protected("TCS") == SHARES
    assert len(world.orders(symbol=INFY)) == 1
