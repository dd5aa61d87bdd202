"""``audit``: days really traded, over sockets or on paper, proved afterwards; and what is said where not."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from olaf_async.adapters.clock import SystemClock
from olaf_async.adapters.journal.sqlite import SqliteJournal
from olaf_async.app.audit import SECOND_LOOK_NS, Audit, Outcome, audit
from olaf_async.cli import main
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import BooksRead
from olaf_async.domain.order import PriceType, Side, Terms
from olaf_async.errors import BrokerError, BrokerUndecided, ConfigError
from olaf_async.ports.journal import Entry, Record
from olaf_async.research.audit.account import Promise, Verdict
from olaf_async.settings import Settings
from tests.journals import header_of, written
from tests.made_market import MONDAY
from tests.races.world import ENTRY, EXIT_NS, OPEN_NS, UNDERCUT, World, plan_of, play
from tests.test_live import PRINTS, Stage, settings_of, stage

DAY = "2026-11-23"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# -------------------------------------------------------------------------------- the server's own books


@asynccontextmanager
async def traded(tmp_path: Path, mode: str = "live") -> AsyncIterator[Stage]:
    """A day with one trade, over; its server still stands."""
    async with stage(tmp_path, settings_of(mode)) as day:
        day.begin()
        await day.until(lambda: day.stop.engine is not None)
        await day.until(lambda: day.server.stream.subscribed() == ("ALPHA",))
        await day.until(lambda: day.server.stream.order_listeners == (mode == "live"))
        for when, price in PRINTS:
            await day.print(when, price)
        await day.move_to("09:25:30")
        await day.ended()
        yield day


async def audited(day: Stage, settings: Settings | None = None, **how: object) -> Audit:
    """The day's audit; what looks broken is looked at again without waiting."""

    async def nap(seconds: float) -> None:
        day.step.move_to(day.step.now_ns() + round(seconds * SECOND_NS))

    clock = SystemClock(wall_ns=day.step.now_ns, boot_ns=day.step.now_ns, sleep_s=nap)
    return await audit(settings or day.settings, MONDAY, clock, **how)  # type: ignore[arg-type] # its keywords


async def test_a_day_traded_at_a_server_is_proved_from_its_books(tmp_path: Path) -> None:
    async with traded(tmp_path) as day:
        made = await audited(day)
    assert made.outcome is Outcome.SAFE, made.proofs
    assert {proof.verdict for proof in made.proofs} == {Verdict.KEPT}
    assert len(made.case.ours) == 3
    assert "asked now (analyze mode): orders 3, executions 2" in made.books
    assert made.case.spells is not None
    (spell,) = made.case.spells
    assert 0 <= spell.bare_ns < 3 * SECOND_NS


async def test_what_others_do_at_the_server_is_named_and_kept_apart(tmp_path: Path) -> None:
    async with traded(tmp_path) as day:
        now_ns = day.step.now_ns()
        by_hand = day.desk.exchange.place("ALPHA", Side.SELL, PriceType.MARKET, Terms(1, 0), now_ns)
        made = await audited(day)
    assert made.outcome is Outcome.SAFE, "it is somebody else's short"
    assert [order.row.order_id for order in made.others] == [by_hand]


async def test_what_an_engine_that_was_stopped_has_left_is_found_in_the_server_s_books(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        day.begin()
        await day.until(lambda: day.server.stream.subscribed() == ("ALPHA",))
        for when, price in PRINTS[:5]:
            await day.print(when, price)
        day.stop.force_stop()
        await day.ended()
        began_ns = day.step.now_ns()
        made = await audited(day)
        assert day.step.now_ns() == began_ns + SECOND_LOOK_NS, "what looks broken is looked at twice"
    assert made.outcome is Outcome.UNSAFE
    (left,) = [proof for proof in made.proofs if proof.verdict is Verdict.BROKEN]
    assert left.promise is Promise.NOTHING_LEFT
    assert [breach.text for breach in left.breaches] == [
        "1 order still at work",
        "1 share of ours still held",
    ]


async def test_without_a_journal_a_setups_file_says_what_to_judge_and_milliseconds_stay_unproved(
    tmp_path: Path,
) -> None:
    async with traded(tmp_path) as day:
        journal = next((tmp_path / "var").glob("*.journal"))
        journal.unlink()
        with pytest.raises(ConfigError, match="there is no journal of 2021-06-07"):
            await audited(day)
        made = await audited(day, setups=tmp_path / "setups.csv")
    assert made.outcome is Outcome.UNPROVED
    assert made.verdict(Promise.IN_TIME) is Verdict.NOT_SHOWN
    assert {proof.verdict for proof in made.proofs if proof.promise is not Promise.IN_TIME} == {Verdict.KEPT}


async def test_a_server_in_the_other_mode_is_not_asked(tmp_path: Path) -> None:
    async with traded(tmp_path) as day:
        day.desk.is_analyze = False
        with pytest.raises(BrokerUndecided, match="in live mode now, and the day was traded in analyze mode"):
            await audited(day)


async def test_another_account_s_books_prove_nothing(tmp_path: Path) -> None:
    async with traded(tmp_path) as day:
        broker = day.settings.broker.model_copy(update={"host": "http://127.0.0.1:1"})
        with pytest.raises(
            ConfigError, match=r"another account .* \(server 127.0.0.1:\d+ then, 127.0.0.1:1 now\)"
        ):
            await audited(day, day.settings.model_copy(update={"broker": broker}))


async def test_a_server_that_is_gone_is_no_proof_and_the_journal_still_is_one(tmp_path: Path) -> None:
    async with traded(tmp_path) as day:
        pass
    with pytest.raises(BrokerError):
        await audited(day)
    made = await audited(day, from_journal=True)
    assert made.outcome is Outcome.SAFE, made.proofs
    assert "kept in var/2021-06-07.journal" in made.books


async def test_a_day_on_paper_is_proved_from_what_the_paper_broker_said(tmp_path: Path) -> None:
    async with traded(tmp_path, "paper") as day:
        made = await audited(day)
    assert made.outcome is Outcome.SAFE, made.proofs
    assert any("the paper broker's books are only in its process" in said for said in made.said)


# -------------------------------------------------------------------------------- as it is typed


async def a_day(world: World) -> None:
    """Two trades: stopped out, and left at the deadline."""
    await world.enters()
    await world.until_ns(OPEN_NS + 70 * SECOND_NS)
    await world.prints(ENTRY - 20_00, pause_s=2)
    await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=0.5)
    await world.until_ns(EXIT_NS - SECOND_NS)
    await world.prints(ENTRY + 5_00)
    await world.wait(10)


async def by_hand(world: World) -> None:
    """Somebody sells what is held, and the stop is not yet gone when its trigger comes."""
    await world.enters()
    await world.wait(2)
    world.trades_by_hand(Side.BUY, 5)
    await world.wait(20)
    await world.prints(ENTRY - 20_00, pause_s=5)
    world.trades_by_hand(Side.SELL, 5)
    await world.wait(20)


async def cut_off(world: World) -> None:
    """The engine is gone while shares are held."""
    await world.enters()


def kept(
    tmp_path: Path, story: Callable[[World], object], keep: Callable[[Record], bool] = lambda _: True
) -> None:
    """The journal of a day, where ``audit`` looks for it."""
    world = play(story)  # type: ignore[arg-type] # a story
    header = header_of([plan_of()], world.supervisor.engine.account.rules)
    (tmp_path / "var").mkdir()
    records = [record for record in world.journal.records if keep(record)]
    written(tmp_path / "var" / f"{DAY}-paper.journal", header, records)


def audit_of(*flags: str) -> int:
    return main(["audit", "--day", DAY, *flags])


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_a_safe_day_is_a_few_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(tmp_path, a_day)
    assert audit_of() == 0
    told = capsys.readouterr().out
    assert "✓ SAFE" in told
    assert "at most 2 of 3 in a symbol" in told
    assert len(told.splitlines()) < 20
    assert max(map(len, told.splitlines())) <= 80


def test_a_day_left_open_is_not_safe_and_the_rows_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(tmp_path, cut_off)
    assert audit_of() == 4
    told = capsys.readouterr().out
    assert "✗ NOT SAFE" in told
    assert "INFY: 10 shares of ours still held" in told
    assert "position" in told
    assert max(map(len, told.splitlines())) <= 80


def test_as_json_everything_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(tmp_path, cut_off)
    assert audit_of("--json") == 4
    told = json.loads(capsys.readouterr().out)
    assert (told["day"], told["outcome"], told["symbols"]) == (DAY, "not safe", ["INFY"])
    (left,) = [proof for proof in told["proofs"] if proof["verdict"] == "broken"]
    assert left["promise"] == "nothing left over"
    rows = [row for breach in left["breaches"] for row in breach["rows"]]
    assert {row["book"] for row in rows} == {"order", "position", "trade"}
    (position,) = told["positions"]
    assert position["end"] is None
    assert position["unprotected_ms"] < 100


def test_what_others_did_is_told_and_kept_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(tmp_path, by_hand)
    audit_of("--json")
    told = json.loads(capsys.readouterr().out)
    assert len(told["others"]) == 2
    assert told["orders_of_ours"] >= 2


def test_without_a_journal_it_is_said_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit_of() == 3
    assert f"there is no journal of {DAY} in var, and the paper broker's books are only" in " ".join(
        capsys.readouterr().err.split()
    )
    assert main(["audit", "--day", "2026-11-20", "--set", "mode=live"]) == 3
    assert "OpenAlgo's books are only of today" in capsys.readouterr().err


def test_a_journal_in_which_no_run_began_proves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    SqliteJournal(tmp_path / "var" / f"{DAY}-paper.journal").close()
    assert audit_of() == 3
    assert f"no run began in the journal of {DAY}" in capsys.readouterr().err


def test_a_journal_without_a_read_of_the_books_proves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(tmp_path, cut_off, lambda record: not isinstance(record.body, BooksRead))
    assert audit_of() == 3
    assert "has no read of the books" in capsys.readouterr().err


def test_a_journal_that_is_not_as_it_was_written_proves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(tmp_path, a_day)
    path = tmp_path / "var" / f"{DAY}-paper.journal"
    path.write_bytes(path.read_bytes().replace(b'"trigger":99000', b'"trigger":99005'))
    assert audit_of() == 4
    assert "is not as it was written" in capsys.readouterr().err


def test_orders_that_moved_after_the_last_read_leave_the_end_unproved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(tmp_path, a_day)
    path = tmp_path / "var" / f"{DAY}-paper.journal"
    world = play(cut_off)
    sent = next(record for record in world.journal.records if record.entry is Entry.SENDING)
    journal = SqliteJournal(path)
    journal.append(Entry.SENDING, EXIT_NS, replace(sent.body, key="INFY/9-entry", request=99))  # type: ignore[type-var] # an intent
    journal.close()
    assert audit_of() == 1
    assert "? NOT PROVED" in capsys.readouterr().out
    assert audit_of("--json") == 1
    told = json.loads(capsys.readouterr().out)
    (left,) = [proof for proof in told["proofs"] if proof["verdict"] == "not shown"]
    assert left["measured"] == "orders moved after the last read (14:45:00)"
    assert "1 of our orders had no answer and are in no book: they never arrived" in told["said"]


async def test_while_the_engine_runs_a_day_is_safe_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        day.begin()
        await day.until(lambda: day.server.stream.subscribed() == ("ALPHA",))
        for when, price in PRINTS[:5]:
            await day.print(when, price)
        made = await audited(day)
        assert (made.outcome, made.case.is_over) == (Outcome.SAFE, False)
        monkeypatch.setenv("OLAF_MODE", "live")
        assert await asyncio.to_thread(main, ["audit", "--day", str(MONDAY), "--from-journal"]) == 0
    assert "✓ SAFE SO FAR" in capsys.readouterr().out
