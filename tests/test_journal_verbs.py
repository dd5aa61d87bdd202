"""``journal show``, ``verify`` and ``replay``, as they are typed, and what they leave alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from olaf_async.adapters.journal.lease import Lease
from olaf_async.adapters.journal.sqlite import SqliteJournal
from olaf_async.cli import main
from olaf_async.core import protection
from olaf_async.core.limits import stop_limit
from olaf_async.core.rules import SECOND_NS
from olaf_async.ports.journal import Entry
from tests.journals import header_of, written
from tests.races.world import ENTRY, OPEN_NS, World, plan_of, play

DAY = "2026-11-23"


async def a_trade(world: World) -> None:
    await world.enters()
    await world.until_ns(OPEN_NS + 70 * SECOND_NS)
    await world.prints(ENTRY - 20_00, pause_s=2)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a day with one trade."""
    world = play(a_trade)
    header = header_of([plan_of()], world.supervisor.engine.account.rules)
    return written(tmp_path_factory.mktemp("kept") / "kept.journal", header, world.journal.records)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "var").mkdir()
    path = tmp_path / "var" / f"{DAY}.journal"
    shutil.copyfile(kept, path)
    return path


def altered(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"trigger":99000', b'"trigger":99005'))


def torn(path: Path) -> None:
    journal = SqliteJournal(path)
    for _ in range(2):
        journal.append(Entry.CLOSED, OPEN_NS, "exit code 0")
    left = {file: file.read_bytes() for file in (path, Path(f"{path}-wal"))}
    journal.close()
    for file, content in left.items():
        file.write_bytes(content[: len(content) - (file != path)])


def test_show_tells_every_record_in_its_order(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "show", DAY]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [int(line.split()[0]) for line in lines] == list(range(1, len(lines) + 1))
    assert "header" in lines[0]
    assert any(
        "sending" in line and "place INFY/1-entry: BUY 10 SL at 1003.00, trigger 1000.00" in line
        for line in lines
    )
    assert any("09:15:01.000000  intent" in line for line in lines)
    assert any("trade 1 over: stop" in line for line in lines)


def test_show_of_one_symbol_tells_of_no_other(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "show", DAY, "--symbol", "TCS"]) == 0
    assert capsys.readouterr().out == ""


def test_show_as_json_has_every_field(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "show", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["faults"], told["is_torn"], told["is_altered"]) == ([], False, False)
    sent = next(record for record in told["records"] if record["entry"] == "sending")
    assert sent["kind"] == "place"
    assert sent["body"]["terms"] == {"quantity": 10, "price": 100300, "trigger": 100000}
    assert sent["at"].startswith(f"{DAY}T09:15:01+05:30")


@pytest.mark.parametrize("verb", ["show", "verify", "replay"])
@pytest.mark.parametrize("spoil", [altered, torn, lambda _: None], ids=["altered", "torn", "whole"])
def test_looking_changes_nothing(path: Path, verb: str, spoil: Callable[[Path], None]) -> None:
    spoil(path)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir() if "log" not in file.name}
    main(["journal", verb, DAY, "--json"])
    assert {
        file.name: file.read_bytes() for file in path.parent.iterdir() if "log" not in file.name
    } == before


def test_verify_says_that_a_journal_is_as_it_was_written(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["journal", "verify"]) == 0
    assert "is as it was written" in capsys.readouterr().out


def test_an_altered_byte_is_named_and_needs_a_person(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    altered(path)
    assert main(["journal", "verify", DAY]) == 4
    told = capsys.readouterr().out
    assert "is not what was written" in told
    assert "IS NOT AS IT WAS WRITTEN" in told
    assert main(["journal", "verify", DAY, "--cut"]) == 4, "nothing is cut that is not torn"
    assert main(["journal", "replay", DAY]) == 4


def test_a_torn_journal_is_cut_when_asked(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torn(path)
    assert main(["journal", "verify", DAY]) == 4
    assert "--cut takes the rest away" in capsys.readouterr().out
    assert main(["journal", "replay", DAY]) == 0, "its records are whole"
    assert main(["journal", "verify", DAY, "--cut"]) == 0
    assert f"As it was: {path}.torn" in capsys.readouterr().out.replace("var/", f"{path.parent}/")
    assert main(["journal", "verify", DAY, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["is_closed"] is True


def test_nothing_is_cut_under_an_engine_that_runs(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torn(path)
    lease = Lease(path.parent, OPEN_NS)
    main(["journal", "verify", DAY, "--cut"])
    assert not Path(f"{path}.torn").exists()
    lease.release()


def test_replay_gives_every_command_again(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "replay", DAY, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["differences"], told["first"]) == (0, None)
    assert min(told["events"], told["intents"], told["questions"]) > 3


def test_replay_shows_the_first_difference_with_what_came_before(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal is as it was; it is the engine that decides otherwise by now."""
    monkeypatch.setattr(protection, "stop_limit", lambda *terms: stop_limit(*terms) - 5)
    assert main(["journal", "replay", DAY]) == 4
    told = capsys.readouterr().out
    assert "The first difference is at record" in told
    assert "in the journal:  PlaceOrder(" in told
    assert "executed again:  PlaceOrder(" in told
    assert "print at 1000.00" in told


@pytest.mark.parametrize("named", ["2026-11-24", "nowhere.journal"])
def test_a_journal_there_is_not_is_a_wrong_input(
    path: Path, capsys: pytest.CaptureFixture[str], named: str
) -> None:
    assert main(["journal", "show", named]) == 3
    assert f"there is no journal {named}" in capsys.readouterr().err


def test_of_two_journals_of_a_day_one_has_to_be_named(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copyfile(path, path.with_name(f"{DAY}-paper.journal"))
    assert main(["journal", "show", DAY]) == 3
    assert "more than one journal" in capsys.readouterr().err
    assert main(["journal", "verify", f"var/{DAY}-paper.journal"]) == 0


def test_a_file_that_is_no_journal_needs_a_person(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(b"a letter to a friend" * 100)
    assert main(["journal", "verify", DAY]) == 4
    assert "cannot be read" in capsys.readouterr().err
