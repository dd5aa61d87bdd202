"""The verbs that speak to a running engine, as they are called: over a real socket, to a real engine."""

import asyncio
import json
import os
import pty
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from olaf_async.adapters.journal.lease import Lease
from olaf_async.app.control import listening
from olaf_async.app.reconcile import reconcile_journal
from olaf_async.cli import main
from olaf_async.domain.events import Command, Commanded, Verb
from olaf_async.domain.order import PriceType, Role, Side, Terms
from olaf_async.errors import BrokerRejected, ConfigError, ControlError, JournalError
from olaf_async.ports.broker import Books
from olaf_async.ports.control import Comparison
from olaf_async.ports.journal import Entry
from olaf_async.shell.operator import Operator
from tests.made_market import MONDAY
from tests.races.world import ENTRY, INFY, SHARES, UNDERCUT, Mood, World
from tests.shell.harness import LOOPS, for_real
from tests.test_live import KEY, PRINTS, Stage, here, settings_of, stage
from tests.test_live_restart import begins, dies, plays

__all__ = ["here"]

LIMIT_NS = 5 * 10**9
VAR = Path("var")


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def shown(self) -> str:
        """Standard output as one line, without the columns it is set in."""
        return re.sub(r"[\s│]+", " ", self.out)

    @property
    def told(self) -> dict[str, Any]:
        """What was printed as JSON."""
        told: dict[str, Any] = json.loads(self.out)
        return told


Olaf = Callable[..., Awaitable[Ended]]


@pytest.fixture
def olaf(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Olaf:
    """Call a verb while the loop goes on."""
    for name in [name for name in os.environ if name.startswith("OLAF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")

    async def run(*arguments: str) -> Ended:
        code = await asyncio.to_thread(main, arguments)
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return run


def is_there(path: Path) -> bool:
    return path.exists()


def at_work(scene: Callable[[World], Awaitable[None]], *symbols: str) -> World:
    """Let a scene happen to an engine that listens in ``var``."""
    VAR.mkdir()

    async def story(world: World) -> None:
        operator = Operator(world.supervisor, world.broker, world.clock, timeout_ns=LIMIT_NS, program="0.1.0")
        async with listening(VAR, operator, lambda message: pytest.fail(message.text)):
            await scene(world)

    return for_real(LOOPS["asyncio"], story, *symbols)


async def enters(world: World) -> None:
    """Until shares are held and their stop rests."""
    await world.prints(UNDERCUT)
    await world.comes_true(lambda: len(world.working(Side.BUY)) == 1)
    await world.prints(ENTRY)
    await world.comes_true(lambda: world.state().stop is not None and world.protected() == SHARES)
    await world.comes_true(lambda: not world.state().is_unsettled)


# --- without an engine ------------------------------------------------------------------------------

ASKING = ("status", "halt", "halt INFY", "resume", "resume INFY", "flatten --yes")


@pytest.mark.parametrize("verb", ASKING)
async def test_without_an_engine_the_file_that_was_looked_for_is_named(olaf: Olaf, verb: str) -> None:
    ended = await olaf(*verb.split())
    assert ended == Ended(1, "", "no engine is running here: nobody listens at var/engine.sock.\n")
    assert not is_there(VAR)


@pytest.mark.parametrize("verb", [*ASKING, "reconcile"])
async def test_an_engine_that_does_not_listen_yet_is_named(olaf: Olaf, verb: str) -> None:
    lease = Lease(VAR, 0)
    try:
        ended = await olaf(*verb.split())
    finally:
        lease.release()
    assert (ended.code, ended.out) == (1, "")
    assert f"the engine of process {os.getpid()}" in ended.err
    assert "it may be making its checks, waiting for the open, or at its end" in ended.err


async def test_the_folder_is_that_of_the_settings(olaf: Olaf, tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text('[journal]\ndir = "elsewhere"\n')
    ended = await olaf("status", "--config", str(config))
    assert "nobody listens at elsewhere/engine.sock" in ended.err


# --- to an engine -----------------------------------------------------------------------------------


def test_status_shows_what_is_held_and_ends_with_0_while_that_is_safe(olaf: Olaf) -> None:
    async def scene(world: World) -> None:
        await enters(world)
        shown = await olaf("status")
        assert (shown.code, shown.err) == (0, "")
        assert "✓ nothing needs a person; new entries may be opened" in shown.out
        assert f"INFY holding +{SHARES} 990.00 1000.00" in shown.shown
        assert "INFY stop sell 10 990.00 970.20 working" in shown.shown
        assert all(len(line) <= 80 for line in shown.out.splitlines())
        told = (await olaf("status", "--json")).told
        assert (told["is_safe"], told["mode"], told["pid"]) == (True, "paper", os.getpid())
        infy, tcs = told["symbols"]
        assert (infy["held"], infy["stop"], infy["words"]) == (SHARES, "990.00", ["holding"])
        assert tcs["words"] == ["waits for 995.00"]
        assert infy["orders"][0]["order_id"] == world.working(Side.SELL)[0].order_id
        assert told["at"].endswith("+05:30")

    at_work(scene, INFY, "TCS")


def test_status_ends_with_4_where_shares_are_held_in_a_frozen_symbol(olaf: Olaf) -> None:
    async def scene(world: World) -> None:
        await enters(world)
        await olaf("halt", INFY)
        shown = await olaf("status")
        assert shown.code == 4
        assert "✗ INFY: frozen with 10 shares: a person has halted it" in shown.out
        told = await olaf("status", "--json")
        assert (told.code, told.told["is_safe"]) == (4, False)

    at_work(scene)


def test_status_says_why_a_frozen_symbol_without_shares_opens_nothing(olaf: Olaf) -> None:
    async def scene(world: World) -> None:
        await olaf("halt", INFY)
        shown = await olaf("status")
        assert shown.code == 0
        assert "■ no new entries in INFY: a person has halted it" in shown.out
        assert "nothing needs a person" not in shown.out
        await olaf("resume", INFY)
        assert "nothing needs a person" in (await olaf("status")).out

    at_work(scene, INFY, "TCS")


def test_halt_and_resume_say_what_holds_then_and_are_in_the_journal(olaf: Olaf) -> None:
    async def scene(world: World) -> None:
        halted = await olaf("halt")
        assert (halted.code, halted.err) == (0, "")
        assert halted.out.splitlines() == [
            "■ nothing new is opened anywhere:",
            "  trading is halted (a person has halted it)",
            "Stops and exits go on.",
        ]
        assert world.supervisor.engine.account.is_halted
        one = await olaf("halt", INFY, "--json")
        assert one.told["refusals"][1] == "INFY is frozen: a person has halted it"
        assert one.told["may_open"] is False
        resumed = await olaf("resume")
        assert resumed.out == "✓ new entries may be opened anywhere\n"
        assert (await olaf("resume", INFY)).out == "✓ new entries may be opened in INFY\n"
        commands = [
            (record.body.command, record.body.symbol)
            for record in world.journal.records
            if record.entry is Entry.EVENT and isinstance(record.body, Commanded)
        ]
        assert commands == [
            (Command.HALT, None),
            (Command.HALT, INFY),
            (Command.RESUME, None),
            (Command.RESUME, INFY),
        ]

    at_work(scene)


def test_what_the_engine_refuses_is_an_error(olaf: Olaf) -> None:
    async def scene(_: World) -> None:
        told = "WIPRO is not traded by this engine, which trades INFY.\n"
        assert await olaf("halt", "WIPRO") == Ended(1, "", told)

    at_work(scene)


def test_flatten_is_shown_until_it_is_flat(olaf: Olaf) -> None:
    async def scene(world: World) -> None:
        await enters(world)
        ended = await olaf("flatten", "--yes")
        assert (ended.code, ended.err) == (0, "")
        assert "INFY: 10 shares held; INFY: stop " in ended.out
        assert ended.out.endswith("  nothing left\n✓ flat, and done for today\n")
        assert world.position() == 0
        again = await olaf("flatten", INFY, "--yes", "--json")
        assert (again.code, again.told["is_flat"], again.told["left"]) == (0, True, [])

    at_work(scene)


def test_flatten_ends_with_4_and_names_what_is_left_where_it_takes_too_long(olaf: Olaf) -> None:
    async def scene(world: World) -> None:
        await enters(world)
        for _ in range(20):
            world.broker.meets(Verb.PLACE, Mood(fails=BrokerRejected("no"), acts=False), Role.EXIT)
        ended = await olaf("flatten", "--yes", "--wait", "0.3")
        assert ended.code == 4
        assert "INFY: 10 shares held" in ended.out
        assert "✗ not flat after 0.3 s: the engine goes on; look at the broker too" in ended.out
        told = await olaf("flatten", "--yes", "--wait", "0.1", "--json")
        assert (told.code, told.told["is_flat"]) == (4, False)
        assert told.told["left"][0] == "INFY: 10 shares held"

    at_work(scene)


def test_flatten_wants_to_be_told_that_it_is_meant_where_nobody_can_be_asked(olaf: Olaf) -> None:
    async def scene(world: World) -> None:
        await enters(world)
        ended = await olaf("flatten")
        assert ended.code == 2
        assert "say that it is meant" in re.sub(r"[\s│]+", " ", ended.err)
        assert world.position() == SHARES

    at_work(scene)


@pytest.mark.parametrize(("said", "code", "held"), [("y", 0, 0), ("n", 1, SHARES)])
def test_on_a_terminal_flatten_asks_and_does_as_it_is_told(
    said: str, code: int, held: int, tmp_path: Path
) -> None:
    async def scene(world: World) -> None:
        await enters(world)
        shown, ended = await on_terminal(tmp_path, "trade no more there today?", said, "flatten", INFY)
        assert f"INFY: {SHARES} held, stop working" in shown
        assert ("Nothing was changed." in shown) is (said == "n")
        assert (ended, world.position()) == (code, held)

    at_work(scene)


async def on_terminal(folder: Path, question: str, said: str, *verb: str) -> tuple[str, int]:
    """Run a verb on a terminal of its own, and answer its question there."""
    master, slave = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "NO_COLOR": "1", "TERM": "xterm"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "olaf_async", *verb),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=folder,
        env=environment,
    )
    os.close(slave)
    seen = b""
    try:
        while True:
            try:
                chunk = await asyncio.to_thread(os.read, master, 65_536)
            except OSError:  # so Linux says that nobody is left
                break
            seen += chunk
            if said and question.encode() in b" ".join(seen.split()):
                os.write(master, f"{said}\n".encode())
                said = ""
        return seen.decode(), await process.wait()
    finally:
        os.close(master)


def test_reconcile_asks_the_engine_and_ends_with_0_where_all_agrees(olaf: Olaf) -> None:
    async def scene(world: World) -> None:
        await enters(world)
        ended = await olaf("reconcile")
        assert (ended.code, ended.err) == (0, "")
        assert "✓ belief and books agree" in ended.out
        assert "1 symbol, 2 orders; belief of the running engine" in ended.out
        told = (await olaf("reconcile", "--json")).told
        assert (told["needs_person"], told["differences"]) == (False, [])

    at_work(scene)


def test_reconcile_ends_with_4_and_prints_each_difference_where_a_person_is_needed(
    olaf: Olaf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("olaf_async.shell.comparison.LOOK_AGAIN_NS", 0)

    async def scene(world: World) -> None:
        await enters(world)
        world.broker.shows = lambda _: Books((), (), ())
        ended = await olaf("reconcile")
        assert ended.code == 4
        assert "✗ 2 differences for a person to look at" in ended.out
        assert "INFY  missing  INFY/1-entry" in ended.out
        assert "INFY  missing  INFY/2-stop" in ended.out
        assert "not in the order book" in ended.out

    at_work(scene)


# --- reconcile without an engine --------------------------------------------------------------------


async def compared(day: Stage, named: str | None = None) -> Comparison:
    """What reconcile says at the time of the stage; time passes while it waits to look again."""
    clock = day.run._clock
    work = asyncio.create_task(reconcile_journal(day.settings, named, clock))
    while not work.done():
        await asyncio.sleep(0)
        if (next_ns := day.step.next_ns) is not None:
            day.step.move_to(max(next_ns, day.step.now_ns()))
    return work.result()


def kinds(told: Comparison) -> dict[str, bool]:
    return {one.kind: one.needs_person for one in told.differences}


async def test_a_journal_that_agrees_with_the_books_is_told_as_such_and_left_alone(
    tmp_path: Path, olaf: Olaf
) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        await begins(day)
        await plays(day, PRINTS[:5])
        await dies(day)
        journal = tmp_path / "var" / f"{MONDAY}.journal"
        before = journal.read_bytes()
        told = await compared(day)
        assert (told.differences, told.needs_person, told.belief) == ((), False, f"var/{journal.name}")
        assert (told.symbols, told.orders) == (1, 2)
        there = ("--set", f"broker.host={day.server.rest_url}", "--set", "mode=live")
        ended = await olaf("reconcile", str(MONDAY), "--set", f"broker.api_key={KEY}", *there)
        assert (ended.code, ended.err) == (0, "")
        assert "✓ belief and books agree" in ended.out
        assert journal.read_bytes() == before
        assert not (tmp_path / "var" / "engine.sock").exists()


async def test_an_entry_that_rests_while_no_engine_runs_needs_a_person(tmp_path: Path) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        await begins(day)
        await plays(day, PRINTS[:3])
        await dies(day)
        assert kinds(await compared(day)) == {"unwatched": True}


async def test_an_entry_that_filled_while_no_engine_ran_needs_a_person(tmp_path: Path) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        await begins(day)
        await plays(day, PRINTS[:3])
        await dies(day)
        day.server.board.publish("ALPHA", 100_00, at_ns=day.step.now_ns())
        told = await compared(day)
        assert kinds(told) == {"filled": False, "state": False, "position": False, "unprotected": True}
        assert told.looks == 3


async def test_a_stop_that_filled_while_no_engine_ran_needs_nobody(tmp_path: Path) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        await begins(day)
        await plays(day, PRINTS[:5])
        await dies(day)
        day.server.board.publish("ALPHA", 94_95, at_ns=day.step.now_ns())
        told = await compared(day)
        assert kinds(told) == {"filled": False, "state": False, "position": False}
        assert not told.needs_person


async def test_other_hands_while_no_engine_ran_need_a_person(tmp_path: Path) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        await begins(day)
        await plays(day, PRINTS[:5])
        await dies(day)
        day.desk.exchange.place(
            "ALPHA", Side.BUY, PriceType.MARKET, Terms(3, 0), day.step.now_ns(), strategy="by hand"
        )
        assert kinds(await compared(day)) == {"foreign trade": True, "position": False}


async def test_without_a_journal_of_today_there_is_nothing_to_compare(tmp_path: Path) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        day.begin()
        await day.until(lambda: day.stop.engine is not None)
        await dies(day)
        (tmp_path / "var" / f"{MONDAY}.journal").unlink()
        with pytest.raises(ControlError, match=f"there is no journal of today, var/{MONDAY}.journal"):
            await compared(day)
        with pytest.raises(ConfigError, match="there is no journal yesterday in var"):
            await compared(day, "yesterday")


async def test_a_journal_of_another_account_is_not_compared_with_this_one(tmp_path: Path) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        await begins(day)
        await dies(day)
        day.desk.is_analyze = not day.desk.is_analyze
        with pytest.raises(ControlError, match=r"of another account .* \(mode analyze then, live now\)"):
            await compared(day)


async def test_a_journal_that_is_not_as_it_was_written_is_compared_with_nothing(
    tmp_path: Path, olaf: Olaf
) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        await begins(day)
        await dies(day)
        journal = tmp_path / "var" / f"{MONDAY}.journal"
        written = journal.read_bytes()
        at = written.index(b"ALPHA")
        journal.write_bytes(written[:at] + b"OMEGA" + written[at + 5 :])
        with pytest.raises(JournalError, match="is not as it was written"):
            await compared(day)
        ended = await olaf("reconcile", str(MONDAY), "--set", "mode=live", "--set", f"broker.api_key={KEY}")
        assert ended.code == 4
        assert "is not as it was written" in ended.err


async def test_a_server_that_cannot_be_asked_is_said(tmp_path: Path) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        await begins(day)
        await dies(day)
    with pytest.raises(ControlError, match="the server cannot be read: "):
        await reconcile_journal(day.settings, None, day.run._clock)


async def test_on_paper_there_are_no_books_without_the_engine(olaf: Olaf) -> None:
    ended = await olaf("reconcile")
    assert (ended.code, ended.out) == (1, "")
    assert "the paper broker lives in the engine" in ended.err


async def test_a_live_run_listens_while_it_trades_and_not_after(tmp_path: Path, olaf: Olaf) -> None:
    async with stage(tmp_path) as day:
        await begins(day)
        told = (await olaf("status", "--json")).told
        assert [symbol["symbol"] for symbol in told["symbols"]] == ["ALPHA"]
        assert (await olaf("halt")).code == 0
        day.stop.request_stop()
        await day.settle()
        await day.move_to("09:15:10")
        await day.ended()
        assert (await olaf("status")).code == 1


async def test_a_halt_and_a_flatten_are_in_force_after_a_crash(tmp_path: Path, olaf: Olaf) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        await begins(day)
        await plays(day, PRINTS[:5])
        assert (await olaf("halt")).code == 0
        await dies(day)
        await begins(day)
        told = (await olaf("status", "--json")).told
        assert told["refusals"] == ["trading is halted (halted before this run began)"]
        assert told["symbols"][0]["held"] == 1
        assert day.stop.engine is not None
        await day.stop.engine.command(Command.FLATTEN)
        await dies(day)
        await begins(day)
        await day.move_to("09:18:00")
        assert sum(order.side.sign * order.filled for order in day.desk.exchange.records()) == 0
        (symbol,) = (await olaf("status", "--json")).told["symbols"]
        assert symbol["refusals"] == ["ALPHA is done for today"]
        assert (await olaf("resume")).out == "✓ new entries may be opened anywhere\n"


async def test_a_live_run_whose_socket_cannot_be_made_trades_without_and_calls_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("deep-" * 30)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    async with stage(tmp_path, settings_of(journal__dir=str(deep))) as day:
        await begins(day)
        said = [say.text for _, say in day.run.day.result(day.step.now_ns()).days[0].says]
        assert any("Nobody can halt or flatten this run from outside" in text for text in said)
