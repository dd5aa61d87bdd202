"""The source of chance: the same numbers everywhere, tapes that say where they part, a search that counts."""

import hashlib
import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.sim.choices import Choices, Drawn, Drift, Odometer, Tape, calm, noncalm_of, seeded


class FromHypothesis:
    """A source whose answers hypothesis gives, and therefore shrinks."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def answer(self, label: str, n: int, one_in: int) -> int:
        del one_in
        return self._data.draw(st.integers(0, n - 1), label=label)


# --- seeds ----------------------------------------------------------------------------------------


def test_a_seed_gives_the_numbers_that_it_gave_when_this_was_written() -> None:
    choices = seeded(7)
    assert [choices.draw("a", 10) for _ in range(12)] == SEVEN


SEVEN = [1, 9, 9, 3, 0, 0, 2, 4, 6, 2, 2, 6]


def test_a_seed_gives_the_same_numbers_in_a_process_with_another_hash_seed() -> None:
    program = (
        "import hashlib; from olaf_async.sim.choices import seeded; c = seeded(7);"
        "print(hashlib.sha256(bytes(c.draw('x', 200) for _ in range(5000))).hexdigest())"
    )
    choices = seeded(7)
    here = hashlib.sha256(bytes(choices.draw("x", 200) for _ in range(5000))).hexdigest()
    for hash_seed in ("0", "1", "random"):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        there = subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
        )
        assert there.stdout.strip() == here


@pytest.mark.parametrize("n", [2, 3, 7, 100])
def test_all_ways_of_a_draw_are_alike(n: int) -> None:
    choices = seeded(n)
    counted = Counter(choices.draw("x", n) for _ in range(1_000 * n))
    assert set(counted) == set(range(n))
    assert all(800 < times < 1_200 for times in counted.values())


def test_neighbouring_seeds_do_not_begin_alike() -> None:
    firsts = Counter(seeded(seed).draw("x", 10) for seed in range(10_000))
    assert all(850 < firsts[value] < 1_150 for value in range(10))


def test_a_rare_draw_leaves_the_calm_choice_once_in_so_many() -> None:
    choices = seeded(3)
    counted = Counter(choices.draw("fault", 3, 50) for _ in range(50_000))
    assert 800 < counted[1] + counted[2] < 1_200
    assert counted[1] > 300
    assert counted[2] > 300


def test_of_one_way_there_is_no_choice_and_nothing_is_kept() -> None:
    choices = seeded(3)
    assert choices.draw("x", 1) == 0
    assert choices.log == []


# --- tapes ----------------------------------------------------------------------------------------


def program(choices: Choices) -> list[int]:
    """Draws more where a draw is not calm."""
    drawn = []
    for _ in range(4):
        value = choices.draw("a", 3)
        drawn.append(value)
        drawn += [choices.draw("b", 2) for _ in range(value)]
    return drawn


@given(st.data())
def test_a_tape_gives_again_what_was_drawn(data: st.DataObject) -> None:
    first = Choices(FromHypothesis(data))
    drawn = program(first)
    tape = Tape(first.noncalm())
    again = Choices(tape)
    assert program(again) == drawn
    assert again.log == first.log
    tape.check_end()


def test_what_was_drawn_is_told_by_place_label_and_count() -> None:
    log = [("a", 2, 0), ("seen", 0, 99), ("b", 2, 1), ("a", 5, 4)]
    assert noncalm_of(log) == [Drawn(1, "b", 0, 2, 1), Drawn(2, "a", 1, 5, 4)]


def test_a_tape_that_meets_another_label_says_where() -> None:
    choices = Choices(Tape([Drawn(1, "old", 0, 2, 1)]))
    choices.draw("first", 2)
    with pytest.raises(
        Drift, match="draw 1 is number 0 of 'new', of 2 ways; the tape has for 1 number 0 of 'old'"
    ):
        choices.draw("new", 2)


def test_a_tape_that_meets_its_label_elsewhere_says_where() -> None:
    choices = Choices(Tape([Drawn(1, "a", 1, 2, 1)]))
    choices.draw("a", 2)
    choices.draw("a", 2)
    moved = Choices(Tape([Drawn(2, "a", 1, 2, 1)]))
    moved.draw("a", 2)
    with pytest.raises(Drift, match="draw 1 is number 1 of 'a'"):
        moved.draw("a", 2)


def test_a_tape_that_meets_other_ways_says_so() -> None:
    choices = Choices(Tape([Drawn(0, "a", 0, 3, 2)]))
    with pytest.raises(Drift, match="of 2 ways; the tape has for 0 number 0 of 'a', of 3 ways"):
        choices.draw("a", 2)


def test_a_tape_longer_than_its_program_says_so() -> None:
    tape = Tape([Drawn(5, "a", 0, 2, 1)])
    Choices(tape).draw("b", 2)
    with pytest.raises(Drift, match="ended before draw 5"):
        tape.check_end()


def test_an_edited_tape_finds_its_draws_wherever_they_are_now() -> None:
    choices = Choices(Tape([Drawn(7, "a", 1, 5, 4), Drawn(9, "gone", 0, 2, 1)], is_exact=False))
    assert [choices.draw("a", 2) for _ in range(3)] == [0, 1, 0]


def test_calm_is_nothing_but_zero() -> None:
    assert program(calm()) == [0, 0, 0, 0]


# --- the search -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("delays", "schedules"), [(0, 1), (1, 5), (2, 10), (3, 12), (9, 12)])
def test_each_schedule_within_the_bound_comes_once(delays: int, schedules: int) -> None:
    odometer = Odometer(delays)
    seen = [(run.draw("a", 2), run.draw("b", 3), run.draw("c", 2)) for run in odometer]
    assert len(seen) == len(set(seen)) == odometer.schedules == schedules
    assert seen[0] == (0, 0, 0)
    assert all(sum(value > 0 for value in schedule) <= delays for schedule in seen)


def test_a_program_that_draws_more_when_disturbed_is_searched_to_its_end() -> None:
    everything = {tuple(program(run)) for run in Odometer(20)}
    # Each of the four turns is calm, or draws one more of two ways, or two more.
    assert len(everything) == (1 + 2 + 4) ** 4


def test_a_program_that_does_not_repeat_itself_is_found_out() -> None:
    labels = iter(["a", "b", "x", "b"])
    odometer = iter(Odometer(1))
    for run in [next(odometer)]:
        run.draw(next(labels), 2)
        run.draw(next(labels), 2)
    run = next(odometer)
    with pytest.raises(Drift, match="draw 0 was 'a' of 2 ways, and now is 'x'"):
        run.draw(next(labels), 2)
