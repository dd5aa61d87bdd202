"""What the simulator has found stays mended: its schedule breaks nothing now, and does without the mend."""

import pytest

from olaf_async.sim.choices import Choices, Tape
from olaf_async.sim.explore import explore
from olaf_async.sim.tapes import read_tape

from .finds import Find
from .finds_of_campaigns import FINDS
from .safety import GOLDEN
from .stage import COLUMNS


def by_number(find: Find) -> str:
    return find.number


@pytest.mark.parametrize("find", FINDS, ids=by_number)
def test_the_schedule_of_a_find_breaks_nothing_any_more(find: Find) -> None:
    tape = read_tape(find.tape)
    replayed = Tape(tape.entries, is_exact=False)
    assert find.race.scenario(Choices(replayed), None) is None
    replayed.check_end()


@pytest.mark.parametrize("find", FINDS, ids=by_number)
def test_without_its_mend_the_schedule_of_a_find_breaks_the_promise_that_it_broke(find: Find) -> None:
    tape = read_tape(find.tape)
    assert tape.scenario == find.race.scenario.name
    replayed = Tape(tape.entries, is_exact=False)
    with find.race.off_is() as unmended:
        broken = unmended(Choices(replayed), None)
    replayed.check_end()
    assert broken is not None, "the program has changed; `make safety` records the tape anew"
    assert broken.name == tape.broken == find.race.breaks


@pytest.mark.parametrize("find", FINDS, ids=by_number)
def test_no_schedule_near_that_of_a_find_breaks_its_promise(find: Find) -> None:
    explored = explore(find.race.scenario, 1)
    assert explored.finding is None, explored.finding.plain(COLUMNS)
    assert explored.is_exhausted


def test_every_find_has_its_number_once_and_every_tape_is_played() -> None:
    assert [find.number for find in FINDS] == [f"F{n + 1}" for n in range(len(FINDS))]
    assert {path.name for path in GOLDEN.glob("F*.jsonl")} == {find.tape.name for find in FINDS}


@pytest.mark.parametrize("find", FINDS, ids=by_number)
def test_a_find_has_its_ordinary_test_too(find: Find) -> None:
    path, _, name = find.test.partition(" ")
    assert f"def {name.strip('`')}(" in (GOLDEN.parents[1] / path).read_text(encoding="utf-8")
