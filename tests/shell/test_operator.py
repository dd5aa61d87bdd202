"""A person's hand on a running engine: what each operation does, when it answers, and what it says."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from olaf_async.adapters.journal.memory import MemoryJournal
from olaf_async.adapters.journal.reading import read
from olaf_async.adapters.journal.rerun import recover
from olaf_async.domain.events import Commanded, Mode, ModeSeen, Verb
from olaf_async.domain.order import Role, Side
from olaf_async.domain.trade import ExitReason
from olaf_async.errors import BrokerRejected, BrokerUndecided, ControlError, JournalError
from olaf_async.ports.broker import Books
from olaf_async.ports.control import Comparison, Flattening, Standing, Status
from olaf_async.ports.journal import Entry
from olaf_async.shell.operator import Operator
from tests.journals import forget, header_of, written
from tests.races.world import ENTRY, INFY, RISK, SHARES, UNDERCUT, Mood, World, plan_of, play

Scene = Callable[[World, Operator], Awaitable[None]]


def act(scene: Scene, *symbols: str, **engine: object) -> World:
    """Let a scene happen to a running engine with an operator at it."""

    async def story(world: World) -> None:
        ports = world.supervisor._ports
        await scene(world, Operator(world.supervisor, ports.broker, ports.clock, timeout_ns=5 * 10**9))

    return play(story, *map(plan_of, symbols or (INFY,)), **engine)  # type: ignore[arg-type] # play's own


async def course(operator: Operator, symbol: str | None = None, limit_s: float = 60) -> list[Flattening]:
    return [told async for told in operator.flatten(symbol, limit_s)]


# --- halt and resume ------------------------------------------------------------------------------


def test_a_halt_is_answered_once_it_holds_and_is_in_the_journal() -> None:
    async def scene(world: World, operator: Operator) -> None:
        assert await operator.halt(None) == Standing(None, ("trading is halted (a person has halted it)",))
        assert world.supervisor.engine.account.is_halted
        written = [record.body for record in world.journal.records if record.entry is Entry.EVENT]
        assert isinstance(written[-1], Commanded)
        await world.prints(UNDERCUT, pause_s=1)
        assert world.orders() == []
        assert await operator.resume(None) == Standing(None, ())
        await world.prints(UNDERCUT, pause_s=1)
        assert len(world.working(Side.BUY)) == 1

    act(scene)


def test_a_halt_takes_a_resting_entry_back_and_leaves_stops_alone() -> None:
    async def scene(world: World, operator: Operator) -> None:
        await world.enters()
        await world.prints(UNDERCUT, symbol="TCS", pause_s=1)
        assert len(world.working(Side.BUY, "TCS")) == 1
        await operator.halt(None)
        await world.wait(1)
        assert world.working(Side.BUY, "TCS") == []
        assert world.protected() == SHARES

    act(scene, INFY, "TCS")


def test_a_halt_of_one_symbol_leaves_the_others_and_is_lifted_by_its_own_name_only() -> None:
    async def scene(world: World, operator: Operator) -> None:
        frozen = ("INFY is frozen: a person has halted it",)
        assert await operator.halt(INFY) == Standing(INFY, frozen)
        assert await operator.resume(None) == Standing(None, ())
        assert await operator.resume("TCS") == Standing("TCS", ())
        await world.prints(UNDERCUT, pause_s=1)
        await world.prints(UNDERCUT, symbol="TCS", pause_s=1)
        assert (world.orders(), len(world.orders(symbol="TCS"))) == ([], 1)
        assert await operator.resume(INFY) == Standing(INFY, ())
        await world.prints(UNDERCUT, pause_s=1)
        assert len(world.orders()) == 1

    act(scene, INFY, "TCS")


def test_a_symbol_that_may_trade_in_a_halted_account_is_told_of_the_halt() -> None:
    async def scene(_: World, operator: Operator) -> None:
        await operator.halt(None)
        assert await operator.resume(INFY) == Standing(INFY, ("trading is halted (a person has halted it)",))

    act(scene)


def test_a_resume_does_not_open_the_loss_latch_and_says_so() -> None:
    async def scene(world: World, operator: Operator) -> None:
        await world.enters()
        await world.prints(ENTRY - RISK - 5, pause_s=3)
        assert await operator.resume(None) == Standing(None, ("the daily loss limit has been reached",))
        await world.prints(UNDERCUT, pause_s=1)
        assert len(world.orders(Side.BUY)) == 1

    act(scene, rules={"max_daily_loss": 50_00})


class FullDisk(MemoryJournal):
    """A journal that keeps nothing while it is full."""

    is_full = False

    def append(self, entry: Entry, at_ns: int, body: object, fingerprint: str | None = None) -> int:
        """See Journal."""
        if self.is_full:
            forget(self)
            raise JournalError("no space left on device")
        return super().append(entry, at_ns, body, fingerprint)


def test_a_resume_while_the_journal_fails_is_answered_with_the_halt_that_stands() -> None:
    disk = FullDisk()

    async def scene(world: World, operator: Operator) -> None:
        disk.is_full = True
        await operator.halt(None)
        (why,) = (await operator.resume(None)).refusals
        assert why == "trading is halted (the journal still fails; the resume is taken back)"
        assert not operator.status().is_journal_kept
        disk.is_full = False
        await world.prints(ENTRY - 1_00, pause_s=1)
        assert await operator.resume(None) == Standing(None, ())

    act(scene, new_journal=lambda _: disk)


def test_a_halt_of_the_engines_own_is_told_with_its_reason_beside_a_persons() -> None:
    async def scene(world: World, operator: Operator) -> None:
        world.feed.prints.put_nowait(ValueError("garbage"))
        await world.wait(1)
        (why,) = (await operator.halt(None)).refusals
        assert why.startswith("trading is halted (feed died (ValueError: garbage);")
        assert why.endswith("; a person has halted it)")

    act(scene)


def test_a_halt_outlives_the_run(tmp_path: Path) -> None:
    async def scene(_: World, operator: Operator) -> None:
        await operator.halt(None)
        await operator.halt("TCS")

    world = act(scene, INFY, "TCS")
    header = header_of([plan_of(INFY), plan_of("TCS")], world.supervisor.engine.account.rules)
    past = recover(read(written(tmp_path / "day.journal", header, world.journal.records)).records)
    assert past is not None
    assert past.engine.account.is_halted
    assert past.engine.traders["TCS"].state.frozen == "a person has halted it"


@pytest.mark.parametrize("name", ["halt", "resume"])
def test_a_symbol_that_is_not_traded_is_refused_with_those_that_are(name: str) -> None:
    async def scene(world: World, operator: Operator) -> None:
        with pytest.raises(ControlError, match="WIPRO is not traded by this engine, which trades INFY, TCS"):
            await getattr(operator, name)("WIPRO")
        with pytest.raises(ControlError, match="WIPRO"):
            await course(operator, "WIPRO")
        assert not [one for one in world.journal.records if isinstance(one.body, Commanded)]

    act(scene, INFY, "TCS")


def test_a_core_that_is_dead_takes_nothing_in_and_that_is_said() -> None:
    async def scene(world: World, operator: Operator) -> None:
        world.supervisor.pump.put(None)  # type: ignore[arg-type] # that is what kills it
        await world.wait(0.01)
        with pytest.raises(ControlError, match="the engine's pump died: it takes nothing in any more"):
            await operator.halt(None)
        (why,) = operator.status().unsafe
        assert why.startswith("the pump died: nothing is decided any more")

    act(scene)


def test_a_command_that_nobody_takes_in_is_not_waited_for_for_ever() -> None:
    async def scene(world: World, operator: Operator) -> None:
        for task in asyncio.all_tasks():
            if task.get_name() == "pump":
                task.cancel()
        await world.wait(0.01)
        with pytest.raises(ControlError, match="has not taken the halt in within 5 s"):
            await operator.halt(None)

    act(scene)


# --- flatten --------------------------------------------------------------------------------------


def test_a_flatten_is_followed_until_everything_is_out() -> None:
    async def scene(world: World, operator: Operator) -> None:
        await world.enters()
        await world.prints(UNDERCUT, symbol="TCS", pause_s=1)
        told = await course(operator)
        assert "INFY: 10 shares held" in told[0].left
        assert any(text.startswith("TCS: entry") for text in told[0].left)
        assert [one.is_over for one in told] == [False] * (len(told) - 1) + [True]
        assert told[-1].is_flat
        assert (world.position(), world.working(Side.SELL), world.working(Side.BUY, "TCS")) == (0, [], [])
        await world.wait(2)
        assert [trade.reason for trade in world.supervisor.outcome.trades] == [ExitReason.OPERATOR]
        await world.prints(UNDERCUT, pause_s=1)
        assert len(world.orders(Side.BUY)) == 1, "out for the day"

    act(scene, INFY, "TCS")


def test_a_flatten_of_one_symbol_leaves_the_others() -> None:
    async def scene(world: World, operator: Operator) -> None:
        await world.enters()
        await world.prints(UNDERCUT, symbol="TCS", pause_s=1)
        told = await course(operator, INFY)
        assert told[-1].is_flat
        assert world.position() == 0
        assert len(world.working(Side.BUY, "TCS")) == 1

    act(scene, INFY, "TCS")


def test_what_is_left_at_the_time_limit_is_named() -> None:
    async def scene(world: World, operator: Operator) -> None:
        await world.enters()
        refusal = Mood(fails=BrokerRejected("not now"), acts=False)
        for _ in range(9):
            world.broker.meets(Verb.PLACE, refusal, Role.EXIT)
        began_ns = world.clock.now_ns()
        told = await course(operator, limit_s=3)
        assert told[-1].is_over
        assert not told[-1].is_flat
        assert told[-1].left[0] == "INFY: 10 shares held"
        assert world.clock.now_ns() == began_ns + 3 * 10**9

    act(scene)


def test_who_stops_following_does_not_stop_the_flatten() -> None:
    async def scene(world: World, operator: Operator) -> None:
        await world.enters()
        async with aclosing(operator.flatten(None, 60)) as told:
            await anext(told)
        await world.wait(5)
        assert world.position() == 0

    act(scene)


def test_a_flatten_of_what_is_flat_is_over_at_once() -> None:
    async def scene(_: World, operator: Operator) -> None:
        (told,) = await course(operator)
        assert (told.is_flat, told.is_over) == (True, True)

    act(scene)


# --- status ---------------------------------------------------------------------------------------


def seen(scene: Scene, *symbols: str, **engine: object) -> Status:
    """The status at the end of a scene."""
    found: list[Status] = []

    async def look(world: World, operator: Operator) -> None:
        await scene(world, operator)
        found.append(operator.status())

    act(look, *symbols, **engine)
    return found[0]


def test_the_status_of_a_position_tells_what_is_held_and_what_protects_it() -> None:
    async def scene(world: World, _: Operator) -> None:
        await world.enters()
        await world.prints(ENTRY + 3_00, pause_s=2)

    told = seen(scene, INFY, "TCS")
    infy, tcs = told.symbols
    assert (infy.symbol, infy.side, infy.words, infy.held) == (INFY, "long", ("holding",), SHARES)
    assert (infy.average, infy.stop, infy.last, infy.last_age_ms) == ("1000.00", "990.00", "1003.00", 2000)
    assert (infy.attempts, infy.attempts_max, infy.bare_ms) == (1, 3, None)
    assert 0 < infy.unprotected_ms < 1000
    (stop,) = infy.orders
    assert (stop.role, stop.side, stop.state, stop.quantity, stop.trigger) == (
        "stop",
        "SELL",
        "working",
        SHARES,
        "990.00",
    )
    assert (tcs.words, tcs.held, tcs.last, tcs.orders) == (("waits for 995.00",), 0, None, ())
    assert (told.mode, told.refusals, told.unsafe) == ("paper", (), ())
    assert (told.orders_sent.placed, told.orders_sent.changed, told.orders_sent.cancelled) == (2, 0, 0)
    assert told.lock_waits.count == 1
    assert told.is_journal_kept
    assert told.is_stream_up
    assert told.books_age_ms is not None
    assert told.books_age_ms < 5000


def test_the_words_of_a_symbol_follow_its_day() -> None:
    words: list[tuple[str, ...]] = []

    async def scene(world: World, operator: Operator) -> None:
        async def say(*prices: int) -> None:
            await world.prints(*prices, pause_s=1)
            words.append(operator.status().symbols[0].words)

        await say()
        await say(ENTRY + 1_00, UNDERCUT)
        await say(ENTRY)
        await operator.halt(INFY)
        await say(ENTRY - RISK - 5)
        await operator.resume(INFY)
        await course(operator, INFY)
        await say()

    act(scene)
    assert words == [
        ("waits for 995.00",),
        ("entry working",),
        ("holding",),
        ("frozen", "waits for 995.00"),
        ("done",),
    ]


def test_shares_without_a_stop_are_unsafe_once_the_budget_is_used_up() -> None:
    async def scene(world: World, operator: Operator) -> None:
        refusal = Mood(fails=BrokerUndecided("timeout"), acts=False)
        world.broker.meets(Verb.PLACE, refusal, Role.STOP)
        await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=0.5)
        assert operator.status().unsafe == ()
        assert operator.status().symbols[0].words[0] == "unprotected"
        await world.wait(3)

    told = seen(scene)
    (why,) = told.unsafe
    assert why.startswith("INFY: 10 shares without a confirmed stop for 3.")
    assert told.symbols[0].bare_ms is not None
    assert told.symbols[0].bare_ms > 3000
    assert told.symbols[0].unprotected_ms == told.symbols[0].bare_ms
    assert told.symbols[0].words == ("unprotected", "1 undecided", "holding")


def test_a_frozen_symbol_is_unsafe_while_it_holds_shares_and_not_after() -> None:
    async def scene(world: World, operator: Operator) -> None:
        await operator.halt(INFY)
        assert operator.status().unsafe == ()
        await operator.resume(INFY)
        await world.enters()
        await operator.halt(INFY)

    assert seen(scene).unsafe == ("INFY: frozen with 10 shares: a person has halted it",)


def test_shares_sold_too_much_are_unsafe() -> None:
    async def scene(world: World, _: Operator) -> None:
        await world.enters()
        # No story leads there that a broker would not have to break.
        world.state().position.leave(SHARES + 3, 0, 0)

    told = seen(scene)
    assert told.unsafe == ("INFY: 3 shares sold too much",)
    assert told.symbols[0].words[-1] == "buying back"
    assert told.symbols[0].held == -3


def test_the_milliseconds_without_a_stop_are_those_of_the_whole_day() -> None:
    sums: list[int] = []

    async def scene(world: World, operator: Operator) -> None:
        for _time in range(2):
            await world.enters()
            await world.prints(ENTRY - RISK - 5, pause_s=3)
            sums.append(operator.status().symbols[0].unprotected_ms)

    told = seen(scene)
    assert 0 < sums[0] < sums[1] == told.symbols[0].unprotected_ms
    assert (told.trades, told.realised) == (2, "-201.00")


def test_books_that_cannot_be_read_are_as_old_as_their_failing() -> None:
    async def scene(world: World, _: Operator) -> None:
        for _time in range(40):
            world.broker.meets("books", Mood(fails=BrokerRejected("no session"), acts=False))
        await world.wait(20)

    told = seen(scene, rules={"idle_poll_ns": 10**9})
    assert told.are_books_failing
    assert told.books_age_ms is not None
    assert 17_000 < told.books_age_ms <= 20_000
    assert told.refusals == ("the account's books cannot be relied on",)


def test_the_mode_is_the_servers_own_word_where_it_gave_one() -> None:
    async def scene(world: World, _: Operator) -> None:
        world.supervisor.pump.put(ModeSeen(world.clock.now_ns(), Mode.ANALYZE))
        await world.wait(0.1)

    assert seen(scene).mode == "analyze"


# --- reconcile ------------------------------------------------------------------------------------


def compared(scene: Scene) -> tuple[Comparison, World]:
    found: list[Comparison] = []

    async def look(world: World, operator: Operator) -> None:
        await scene(world, operator)
        written = len(world.journal.records)
        found.append(await operator.reconcile())
        bodies = [record.body for record in world.journal.records[written:]]
        assert not [body for body in bodies if isinstance(body, Commanded)]

    world = act(look)
    return found[0], world


def test_a_belief_that_agrees_with_the_books_is_looked_at_once() -> None:
    async def scene(world: World, _: Operator) -> None:
        await world.enters()
        await world.wait(6)

    told, world = compared(scene)
    assert (told.differences, told.needs_person, told.looks) == ((), False, 1)
    assert (told.symbols, told.orders, told.belief) == (1, 2, "the running engine")
    assert world.position() == SHARES


def test_what_stays_different_needs_a_person_and_was_looked_at_time() -> None:
    async def scene(world: World, _: Operator) -> None:
        await world.enters()
        await world.wait(6)
        world.broker.shows = lambda books: replace(books, orders=books.orders[:1])

    told, _ = compared(scene)
    assert told.needs_person
    assert told.looks == 3
    assert {difference.kind for difference in told.differences} == {"missing", "unprotected"}


def test_books_that_are_a_moment_behind_are_no_difference() -> None:
    async def scene(world: World, _: Operator) -> None:
        await world.enters()
        await world.wait(6)

        def lag(books: Books) -> Books:
            world.broker.shows = lambda later: later
            return replace(books, trades=(), positions=())

        world.broker.shows = lag

    told, _ = compared(scene)
    assert (told.differences, told.looks) == ((), 2)


def test_books_that_cannot_be_read_compare_nothing() -> None:
    async def scene(world: World, operator: Operator) -> None:
        world.broker.meets("books", Mood(fails=BrokerRejected("no session"), acts=False))
        with pytest.raises(ControlError, match="the books cannot be read: no session"):
            await operator.reconcile()
        gate = world.broker.keep_answer("books")
        with pytest.raises(ControlError, match="no answer in 5 s"):
            await operator.reconcile()
        assert gate.waiting == 1

    act(scene)


def test_reconcile_does_not_tell_the_core_what_it_read() -> None:
    async def scene(world: World, operator: Operator) -> None:
        world.broker.shows = lambda _: Books((), (), ())
        seq = world.supervisor.engine.seq
        await operator.reconcile()
        assert world.supervisor.engine.seq == seq

    act(scene)
