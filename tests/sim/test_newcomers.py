"""Code that newcomers bring: what is wrong is found, and said as docs/your-own-strategy.md shows it."""

import re
import sys
from pathlib import Path

import pytest

from olaf_async.cli import main
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Setup
from olaf_async.sim.campaign import Plan, checked, run_days
from olaf_async.sim.world import Walls
from olaf_async.sim.yours import Own
from olaf_async.strategies.protocol import Oriented
from tests.sim.newcomers.steady import Steady

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "your-own-strategy.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```console\n\$ olaf (.*?)\n(.*?)```", PAGE, re.DOTALL)
HERE = "tests.sim.newcomers"

NO_VALUE = """
class Bare:
    direction = bar_ns = entry = 1
    arming = initial_stop = target = trailed_stop = None

def new_strategy(setup, session):
    return Bare()
"""


class Sly(Steady):
    """Counts where nobody sees it, and answers the same when asked the same again at once."""

    asked = 0

    def initial_stop(self, fill: Oriented) -> Oriented:
        Sly.asked += 1
        return Steady.initial_stop(self, fill) - 5 * ((Sly.asked + 1) // 2 % 10)


def sly(setup: Setup, session: Session) -> Sly:
    return Sly(setup, session)


def told(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> tuple[int, str]:
    """Exit code and output of a command line, with tapes kept in a folder of the test's."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", ["olaf"])
    code = main([*command.split(), "--set", f"journal.dir={folder}"])
    said = capsys.readouterr()
    return code, plain(said.out + said.err).replace(f"{folder}", "var")


def plain(text: str) -> str:
    return " ".join(text.split())


def test_the_page_shows_each_planted_bug() -> None:
    shown = " ".join(command for command, _ in SHOWN)
    planted = {path.stem for path in (ROOT / "tests/sim/newcomers").glob("[a-z]*.py")} - {"steady"}
    assert planted == {name for name in planted if f"{HERE}.{name}:" in shown}
    assert len(planted) == len(SHOWN)


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command.split(":")[0] for command, _ in SHOWN])
def test_each_planted_bug_is_found_and_told_as_the_page_says(
    command: str,
    output: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    code, said = told(command, monkeypatch, capsys, tmp_path)
    assert code == (1 if "failing" in command else 4)
    parts = [plain(part) for part in output.split("[...]")]
    assert any(parts)
    for part in parts:
        assert part in said


def test_a_strategy_as_it_should_be_keeps_every_promise() -> None:
    own = checked(Own(strategy=f"{HERE}.steady:new_strategy"))
    results = list(run_days(range(24), Plan(own=own)))
    assert [result.violations for result in results if result.violations] == []
    assert sum(result.events for result in results) > 24 * 50


def test_a_strategy_that_counts_in_secret_does_not_stand_being_executed_again() -> None:
    results = run_days(range(8), Plan(walls=Walls(new_strategy=sly)))
    assert "I6" in {result.violations[0].promise for result in results if result.violations}


def test_a_day_with_code_of_ones_own_is_the_same_each_time() -> None:
    own = checked(Own(beside=f"{HERE}.safety_net:sell_what_is_bare"))
    first, second = ([day.digest for day in run_days(range(4), Plan(own=own))] for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("steady", "is not MODULE:NAME"),
        ("nowhere:new_strategy", "there is no module 'nowhere' in this folder"),
        (f"{HERE}.steady:old_strategy", "has nothing by the name 'old_strategy'"),
        (f"{HERE}.steady:MINUTE_NS", "which cannot be called"),
        ("builtins:divmod", "calling it with a setup and a session fails: TypeError"),
        ("builtins:isinstance", "calling it with a setup and a session fails: TypeError"),
        ("operator:is_", "makes a bool, which is no strategy; it has no direction, bar_ns"),
    ],
)
def test_what_is_no_strategy_is_refused_and_why(
    name: str,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    code, said = told(f"simulate --seed 0 --strategy {name}", monkeypatch, capsys, tmp_path)
    assert code == 3
    assert why in said


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import nothing_of_the_kind\n", "importing it fails: ModuleNotFoundError"),
        ("1 / 0\n", "importing it fails: ZeroDivisionError: division by zero {}, line 1, in <module>: 1 / 0"),
        (NO_VALUE, "are not equal. A strategy is a value"),
    ],
    ids=["an import", "an error", "no value"],
)
def test_a_module_that_is_wrong_is_told_the_line(
    source: str,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = f"newcomer_{re.sub('[^a-z]', '_', request.node.callspec.id)}"
    (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    code = main(["simulate", "--seed", "0", "--strategy", f"{name}:new_strategy"])
    assert code == 3
    assert why.format(f"{name}.py") in plain(capsys.readouterr().err)


def test_the_short_day_is_the_same_again_from_its_tape_which_stays_as_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    own = f"--beside {HERE}.safety_net:sell_what_is_bare"
    code, first = told(f"simulate --seeds 0..16 {own}", monkeypatch, capsys, tmp_path)
    (tape,) = (tmp_path / "simulated").iterdir()
    kept = tape.read_bytes()
    again, second = told(f"simulate --scenario {tape} {own}", monkeypatch, capsys, tmp_path)
    assert (code, again) == (4, 4)
    assert "The day of the tape, its last steps:" in second
    assert first.partition("its last steps:")[2] == second.partition("its last steps:")[2]
    assert tape.read_bytes() == kept


KEEPS_NOTES = """
from tests.sim.newcomers.steady import Steady
from newcomer_helper import SEEN

class Noting(Steady):
    def initial_stop(self, fill):
        SEEN.add(self.setup.symbol)
        return Steady.initial_stop(self, fill) - 5 * len(SEEN)

def new_strategy(setup, session):
    return Noting(setup, session)
"""


def test_what_a_module_keeps_does_not_pass_to_the_next_day(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "newcomer_helper.py").write_text("SEEN = set()\n", encoding="utf-8")
    (tmp_path / "newcomer_notes.py").write_text(KEEPS_NOTES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    plan = Plan(own=checked(Own(strategy="newcomer_notes:new_strategy")))
    among_others = list(run_days(range(4), plan))[-1]
    (alone,) = run_days([3], plan)
    assert among_others.digest == alone.digest
    assert among_others.violations == alone.violations
    assert among_others.events > 50


WRONG_SIDE = """
from olaf_async.domain.setup import Direction
from tests.sim.newcomers.steady import Steady

class Raw(Steady):
    def trailed_stop(self, bar, *, is_entry_bar):
        return bar.low - 50

def new_strategy(setup, session):
    return Raw(setup, session)
"""


def test_a_short_s_price_that_is_not_oriented_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "newcomer_raw.py").write_text(WRONG_SIDE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    plan = Plan(faults=(), own=checked(Own(strategy="newcomer_raw:new_strategy")))
    first = {
        day.violations[0].promise: day.violations[0] for day in run_days(range(8), plan) if day.violations
    }
    assert list(first) == ["Y2"]
    assert "which for a short is no price. Prices are oriented" in first["Y2"].text


ODD = """
from olaf_async.domain.setup import Direction
from tests.sim.newcomers.steady import Steady

class Odd(Steady):
    {}

def new_strategy(setup, session):
    return Odd(setup, session)
"""


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("direction = Direction.SHORT", "direction is <Direction.SHORT: -1>, and that of its setup"),
        ("bar_ns = 0", "bar_ns is 0: how long a bar lasts, in whole nanoseconds above zero"),
        ("bar_ns = 6e10", "bar_ns is 60000000000.0: how long"),
        ("def arming(self, *, after_exit): return None", "arming(after_exit=False) is None, and no Arming("),
        (
            "def arming(self, *, after_exit): return Steady.arming(self, after_exit=1 // (not after_exit))",
            "ZeroDivisionError: integer division or modulo by zero newcomer_odd_4.py, line 6, in arming",
        ),
    ],
)
def test_what_the_engine_could_do_nothing_with_is_the_author_s_error_and_not_olaf_s(
    rule: str,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = f"newcomer_odd_{request.node.callspec.indices['rule']}"
    (tmp_path / f"{name}.py").write_text(ODD.format(rule), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    code = main(["simulate", "--seeds", "0..8", "--strategy", f"{name}:new_strategy"])
    said = plain(capsys.readouterr().err)
    assert code == 1
    assert "What you brought has failed" in said
    assert why in said


FIELDS = """
from dataclasses import dataclass
from typing import Any

@dataclass(frozen=True)
class Fields:
    direction: Any
    bar_ns: int
    entry: int
    arming: Any
    initial_stop: Any
    target: Any
    trailed_stop: Any

def new_strategy(setup, session):
    return Fields(setup.direction, 60, 0, *[len] * 4)
"""


def test_what_a_dataclass_has_as_fields_it_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "newcomer_fields.py").write_text(FIELDS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    own = Own(strategy="newcomer_fields:new_strategy")
    assert checked(own) == own


@pytest.mark.parametrize(
    ("command", "code", "why"),
    [
        ("--minutes 0", 2, "'0' is not a number of minutes above zero"),
        ("--scenario a.tape --order pct", 2, "a tape has its own order and faults"),
        ("--scenario a.tape --faults none", 2, "a tape has its own order and faults"),
        ("--scenario nowhere.tape", 3, "nowhere.tape: cannot be read (No such file or directory)"),
        ("--scenario README.md", 3, "README.md: not the tape of a simulated day (Expecting value"),
        (f"--seed 0 --strategy {HERE}.steady.py:new_strategy", 3, f"As a module its name is '{HERE}.steady'"),
        (f"--seed 0 --beside {HERE}.steady:new_strategy", 3, "it is no async function; what runs beside is"),
        (f"--seed 0 --strategy {HERE}.safety_net:sell_what_is_bare", 3, "fails: TypeError"),
    ],
)
def test_what_cannot_be_simulated_is_refused_with_the_reason(
    command: str,
    code: int,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    ended, said = told(f"simulate {command}", monkeypatch, capsys, tmp_path)
    assert ended == code
    assert why in said
