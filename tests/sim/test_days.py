"""Whole days by number: the promises hold, the rare things happen, and a day is the same wherever it runs."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from olaf_async.cli import main
from olaf_async.cli.invocation import Invocation
from olaf_async.cli.simulate import read_seeds, report
from olaf_async.core.guards import STANDARD
from olaf_async.core.state import SymbolState
from olaf_async.domain.intents import Say, Severity
from olaf_async.errors import JournalError
from olaf_async.ports.journal import Line
from olaf_async.shell.scribe import Scribe
from olaf_async.shell.supervisor import Supervisor
from olaf_async.sim.campaign import ENOUGH, ORDER_OF, SOMETIMES, Plan, Tally, run_days, shortest
from olaf_async.sim.checkers import PROMISES
from olaf_async.sim.choices import calm
from olaf_async.sim.day import run_day
from olaf_async.sim.faults import MEANINGS, Fault, Swarm, listed
from olaf_async.sim.prices import path
from olaf_async.sim.world import CLOSE_NS, OPEN_NS, Walls, World
from tests.races.walls import NO_WALL_LEFT, checks_nothing

ROOT = Path(__file__).resolve().parents[2]
PARTS = 4


def sells_what_was_planned(state: SymbolState, _side: object) -> int:
    """The old engine's mistake: a stop for all that was to be bought, whatever was."""
    return state.planned


UNGUARDED = Walls(guards=replace(STANDARD, shares_to_close=sells_what_was_planned), check=checks_nothing)
UNLOCKED = Walls(guards=NO_WALL_LEFT["guards"], check=checks_nothing, new_lock=NO_WALL_LEFT["new_lock"])


# --- the days -------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", range(PARTS))
def test_a_thousand_days_with_all_faults_break_no_promise(part: int) -> None:
    """Each quarter sees on its own whatever a campaign has to see."""
    tally = Tally()
    for result in run_days(range(part, ENOUGH, PARTS), Plan()):
        tally.add(result)
    assert [(one.seed, one.order, one.violations) for one in tally.broken] == []
    assert tally.unseen == ()


def test_on_a_calm_day_everybody_trades_and_nobody_is_called() -> None:
    result = run_day(0, choices=calm())
    assert result.violations == ()
    assert result.sometimes == {"update before the answer"}
    assert result.events > 50


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.value)
def test_each_fault_alone_breaks_nothing(fault: Fault) -> None:
    for seed in range(9):
        assert run_day(seed, ORDER_OF[seed % 3], [fault]).violations == ()


def test_every_fault_says_what_it_is() -> None:
    assert set(MEANINGS) == set(Fault)
    assert all(name in SOMETIMES for name in ("power cut", "late place", "stale books"))


# --- the checkers bite ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("walls", "promise", "seeds"), [(UNGUARDED, "I2", 30), (UNLOCKED, "I4", 20)], ids=["quantity", "entries"]
)
def test_an_engine_without_this_protection_does_not_get_by(walls: Walls, promise: str, seeds: int) -> None:
    found = {
        result.violations[0].promise
        for result in run_days(range(seeds), Plan(walls=walls))
        if result.violations
    }
    assert promise in found


def what_a_full_disk_shows() -> set[str]:
    """What is broken on days on which only the disk is full at times."""
    return {
        one.text for day in run_days(range(80, 110), Plan(faults=(Fault.DISK,))) for one in day.violations
    }


def test_an_engine_that_says_nothing_of_a_full_disk_does_not_get_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Supervisor, "_journal_changed", lambda *_: None)
    assert what_a_full_disk_shows() == {"the journal fails, and nobody was called"}


def test_an_engine_that_enters_on_a_full_disk_does_not_get_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """It calls a person and goes on, as though everything were kept."""
    write = Scribe.write

    def is_sure_of_itself(scribe: Scribe, *lines: Line) -> bool:
        write(scribe, *lines)
        return True

    def only_says_so(engine: Supervisor, error: JournalError | None) -> None:
        code = "journal_kept" if error is None else "journal_failing"
        engine._ports.alarms.say(OPEN_NS, Say(None, Severity.ALARM, code, "the disk"))

    monkeypatch.setattr(Scribe, "write", is_sure_of_itself)
    monkeypatch.setattr(Supervisor, "_journal_changed", only_says_so)
    found = what_a_full_disk_shows()
    assert any("is sent and was not journalled" in text for text in found)


def an_unguarded_campaign() -> tuple[Plan, Tally]:
    """Days without the guard until the first broken one: which number it has changes with the engine."""
    plan, tally = Plan(walls=UNGUARDED), Tally()
    for result in run_days(range(100), plan):
        tally.add(result)
        if tally.broken:
            return plan, tally
    raise AssertionError("a hundred days without the guard broke no promise")


def test_a_broken_day_is_made_short_and_told_with_the_line_that_shows_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, tally = an_unguarded_campaign()
    (worst,) = tally.broken
    small = shortest(worst, plan, attempts_max=60)
    assert len(small.drawn) < len(worst.drawn)
    assert small.violations[0].promise == worst.violations[0].promise
    report(Invocation(), tally, plan, tmp_path, 1.0)
    said = " ".join(capsys.readouterr().out.split())
    assert PROMISES[worst.violations[0].promise] in said
    assert f"simulate --seed {worst.seed} --order {worst.order}" in said
    assert f"{worst.violations[0].promise} IS BROKEN" in said
    (tape,) = tmp_path.iterdir()
    assert tape.name == f"seed-{worst.seed}-{worst.order}.tape"


# --- the same day everywhere ----------------------------------------------------------------------


def digests(hash_seed: str) -> list[object]:
    """What a fresh process makes of some days."""
    command = [sys.executable, "-m", "olaf_async", "simulate", "--seeds", "0..9", "--jobs", "1", "--json"]
    ended = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_a_day_is_the_same_again_and_in_other_processes_with_other_hash_seeds() -> None:
    here = [
        {"seed": result.seed, "order": result.order, "digest": result.digest, "violations": []}
        for result in run_days(range(9), Plan())
    ]
    assert [run_day(seed, ORDER_OF[seed % 3]).digest for seed in range(9)] == [day["digest"] for day in here]
    assert digests("1") == digests("4711") == here
    assert len({day["digest"] for day in here}) == len(here)


def test_more_processes_make_the_same_days_in_the_same_order() -> None:
    seeds = range(40)
    alone = [(day.seed, day.digest) for day in run_days(seeds, Plan())]
    assert [(day.seed, day.digest) for day in run_days(seeds, Plan(), jobs=2)] == alone


def test_a_campaign_stops_when_its_time_is_over() -> None:
    left = iter((True, True, False))
    days = list(run_days(range(100), Plan(), goes_on=lambda: next(left)))
    assert len(days) == 3


# --- the parts ------------------------------------------------------------------------------------


def test_the_calm_path_undercuts_goes_in_and_comes_out_at_the_stop() -> None:
    from olaf_async.sim.power import PowerLoop

    loop = PowerLoop(start_ns=OPEN_NS)
    world = World(loop, calm(), ())
    loop.close()
    setup = world.plans["ABC"].setup
    prints = path(setup, calm(), Swarm(calm(), ()), (OPEN_NS, CLOSE_NS))
    prices = [print_.price for print_ in prints]
    low = next(number for number, price in enumerate(prices) if price <= setup.trigger_price)
    high = next(number for number, price in enumerate(prices) if number > low and price > setup.entry_price)
    assert min(prices[high:]) < setup.entry_price - setup.true_range // 2
    assert [print_.at_ns for print_ in prints] == sorted(print_.at_ns for print_ in prints)


def test_a_list_of_faults_is_read_by_name() -> None:
    assert listed("late, books") == (Fault.LATE, Fault.BOOKS)
    assert (listed("all"), listed("none")) == (tuple(Fault), ())
    with pytest.raises(ValueError, match="there is no fault rain"):
        listed("rain,books")


def test_no_loop_is_left_behind() -> None:
    run_day(1)
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


# --- the verb -------------------------------------------------------------------------------------


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("here")
def test_json_is_one_object_a_line_for_each_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--seeds", "3..6", "--faults", "late,books", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["seed"], line["order"]) for line in lines] == [(3, "fifo"), (4, "lanes"), (5, "pct")]
    assert all(line["violations"] == [] and len(line["digest"]) == 32 for line in lines)


@pytest.mark.usefixtures("here")
def test_one_seed_may_run_in_another_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--seed", "7", "--order", "pct", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["order"] == "pct"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "flags",
    [
        ["--seeds", "5"],
        ["--seeds", "5..5"],
        ["--seed", "1", "--seeds", "1..2"],
        ["--order", "lifo"],
        ["--faults", "rain"],
    ],
    ids=" ".join,
)
def test_a_wrong_flag_is_a_usage_error(flags: list[str]) -> None:
    assert main(["simulate", *flags]) == 2


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("text", [None, "no tape", '{"tape": 1, "scenario": "race 4", "broken": "x"}'])
def test_a_scenario_that_is_no_tape_of_a_day_is_an_input_error(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "a.tape"
    if text is not None:
        file.write_text(text)
    assert main(["simulate", "--scenario", str(file)]) == 3


@pytest.mark.usefixtures("here")
def test_a_tape_brings_its_day_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, tally = an_unguarded_campaign()
    report(Invocation(), tally, plan, tmp_path / "tapes", 1.0)
    capsys.readouterr()
    (tape,) = (tmp_path / "tapes").iterdir()
    # The engine as it is shipped keeps the promise on that very day.
    assert main(["simulate", "--scenario", str(tape), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seed"] == tally.broken[0].seed


def test_seeds_are_read_as_a_span_without_its_end() -> None:
    assert list(read_seeds("3..6")) == [3, 4, 5]
