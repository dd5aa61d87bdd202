"""Search, shrink, tell, keep: on programs so small that one sees what must come out."""

import asyncio
from pathlib import Path

import pytest

from olaf_async.sim.choices import Choices, Drawn, Drift, seeded
from olaf_async.sim.explore import Broken, Finding, Steps, explain, explore, hunt, replay
from olaf_async.sim.loop import run
from olaf_async.sim.shrink import shrink
from olaf_async.sim.table import Step
from olaf_async.sim.tapes import BadTape, Recorded, digest_of, first_difference, read_tape, write_tape

# --- the search -----------------------------------------------------------------------------------


def breaks_where_two_are_late(choices: Choices, steps: Steps | None) -> Broken | None:
    """Ten calls; with the third and the seventh late it goes wrong."""
    late = [choices.draw(f"call {number}", 3) for number in range(10)]
    if steps is not None:
        steps += [Step(number, "calls", f"late by {way}") for number, way in enumerate(late)]
    return Broken("both late", 7, "3 and 7") if late[3] and late[7] else None


def test_a_search_below_the_bound_that_a_bug_needs_finds_nothing_and_says_how_far_it_looked() -> None:
    explored = explore(breaks_where_two_are_late, 1)
    assert explored.finding is None
    assert explored.is_exhausted
    assert (explored.schedules, explored.draws) == (21, 10)


def test_a_search_within_the_bound_finds_it_and_shrinks_it_to_what_it_needs() -> None:
    explored = explore(breaks_where_two_are_late, 3)
    assert explored.finding is not None
    assert [(entry.label, entry.value) for entry in explored.finding.entries] == [
        ("call 3", 1),
        ("call 7", 1),
    ]
    assert not explored.is_exhausted


def test_a_hunt_looks_at_the_simple_schedules_first() -> None:
    explored = hunt(breaks_where_two_are_late, 3)
    assert explored.delays == 2
    assert explored.finding is not None


def test_a_hunt_that_finds_nothing_has_looked_at_every_bound() -> None:
    def fine(choices: Choices, _steps: Steps | None) -> Broken | None:
        choices.draw("x", 2)
        return None

    nothing = hunt(fine, 2)
    assert nothing.is_exhausted
    assert nothing.schedules == 1 + 2 + 2


def test_a_search_may_be_given_a_budget() -> None:
    explored = explore(breaks_where_two_are_late, 3, schedules_max=5)
    assert (explored.schedules, explored.is_exhausted) == (5, False)
    assert hunt(breaks_where_two_are_late, 3, schedules_max=5).schedules == 5


def test_a_program_that_hangs_is_broken_and_says_who_waits() -> None:
    def hangs(choices: Choices, _steps: Steps | None) -> Broken | None:
        async def wait() -> None:
            if choices.draw("hang", 2):
                await asyncio.get_running_loop().create_future()

        run(wait())
        return None

    finding = explore(hangs, 1).finding
    assert finding is not None
    assert finding.broken.name == "Deadlock"
    assert "test_explore.py" in finding.broken.text


def test_a_program_that_is_not_the_same_twice_is_no_program_for_a_search() -> None:
    runs = iter(range(100))

    def moody(choices: Choices, _steps: Steps | None) -> Broken | None:
        choices.draw("a", 2)
        choices.draw(f"b{next(runs)}", 2)
        return None

    with pytest.raises(Drift, match="'b0'"):
        explore(moody, 2)


def test_a_program_that_swallows_the_news_of_a_drift_is_found_out_all_the_same() -> None:
    def swallows(choices: Choices, _steps: Steps | None) -> Broken | None:
        try:
            choices.draw("new", 2)
        except Drift:
            return None
        return None

    with pytest.raises(Drift):
        replay(swallows, (Drawn(0, "old", 0, 2, 1),))


def test_a_failure_that_does_not_come_again_is_no_finding() -> None:
    runs = iter(range(100))

    def once(choices: Choices, _steps: Steps | None) -> Broken | None:
        choices.draw("a", 2)
        return Broken("once", 0, "") if next(runs) == 0 else None

    with pytest.raises(Drift, match="and not again"):
        explore(once, 0)


# --- shrinking ------------------------------------------------------------------------------------


def test_from_a_random_schedule_only_what_breaks_it_is_left() -> None:
    for seed in range(200):
        choices = seeded(seed)
        broken = breaks_where_two_are_late(choices, None)
        if broken is not None:
            finding = explain(breaks_where_two_are_late, broken, tuple(choices.noncalm()))
            assert [(entry.nth, entry.value) for entry in finding.entries] == [(0, 1), (0, 1)]
            assert finding.steps[3].text == "late by 1"
            return
    raise AssertionError("no seed of 200 breaks it")


def test_what_is_smaller_but_breaks_nothing_is_not_taken() -> None:
    entries = tuple(Drawn(at, "a", at, 9, 8) for at in range(20))

    def replays(candidate: tuple[Drawn, ...]) -> tuple[Drawn, ...] | None:
        return candidate if sum(entry.value for entry in candidate) >= 12 else None

    assert sum(entry.value for entry in shrink(entries, replays)) == 12
    assert len(shrink(entries, replays)) == 2


def test_shrinking_ends_after_so_many_attempts() -> None:
    entries = tuple(Drawn(at, "a", at, 2, 1) for at in range(100))
    tried = []

    def replays(candidate: tuple[Drawn, ...]) -> None:
        tried.append(candidate)

    assert shrink(entries, replays, attempts_max=10) == entries
    assert len(tried) == 10


def test_a_finding_is_told_by_its_property_its_draws_and_its_steps() -> None:
    finding = explore(breaks_where_two_are_late, 2).finding
    assert finding is not None
    text = finding.plain()
    assert "both late: 3 and 7" in text
    assert "draw 3: number 0 of 'call 3' took 1 of 3" in text
    assert "late by 1" in text


# --- tapes on disk --------------------------------------------------------------------------------


def a_finding() -> Finding:
    finding = explore(breaks_where_two_are_late, 2).finding
    assert finding is not None
    return finding


def test_a_tape_is_read_as_it_was_written_and_plays_the_same(tmp_path: Path) -> None:
    finding = a_finding()
    path = tmp_path / "a.jsonl"
    write_tape(path, finding.recorded("ten calls"))
    tape = read_tape(path)
    assert tape == finding.recorded("ten calls")
    broken, _, log = replay(breaks_where_two_are_late, tape.entries)
    assert broken is not None
    assert (broken.name, digest_of(log)) == (tape.broken, tape.digest)


@pytest.mark.parametrize(
    "text", ["", "not json", "{}", '{"tape": 9}', '{"tape": 1, "scenario": "s"}', "[1]"], ids=str
)
def test_what_is_no_tape_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    with pytest.raises(BadTape, match=r"bad\.jsonl"):
        read_tape(path)


def test_a_tape_with_a_line_that_is_no_draw_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_tape(path, Recorded("s", "b", (), "d"))
    path.write_text(path.read_text() + '{"at": 1}\n')
    with pytest.raises(BadTape):
        read_tape(path)


# --- digests --------------------------------------------------------------------------------------


def test_two_runs_differ_where_a_draw_or_a_fact_does() -> None:
    one = [("a", 2, 1), ("core", 0, 255)]
    assert digest_of(one) == digest_of(list(one))
    assert first_difference(one, list(one)) is None
    assert first_difference(one, [("a", 2, 0), ("core", 0, 255)]) == (
        "line 0: 'a' drew 1 of 2, and then 'a' drew 0 of 2"
    )
    assert first_difference(one, [("a", 2, 1), ("core", 0, 1)]) == (
        "line 1: 'core' was 0xff, and then 'core' was 0x1"
    )
    assert first_difference(one, one[:1]) == "line 1: one run ended, the other went on with 'core' was 0xff"
