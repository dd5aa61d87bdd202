"""Random sequences of lost, doubled, reordered and late evidence, against what must always hold.

The broker of `fuzz.World` keeps the truth and tells it badly; every step is checked against that truth. The
tapes are drawn from fixed seeds, so a failure can be repeated by its number.
"""

import random

import pytest

from tests.core.fuzz import World

TAPES = 480
PER_TEST = 40


@pytest.mark.parametrize("first", range(0, TAPES, PER_TEST))
def test_whatever_evidence_a_broker_gives_nothing_forbidden_happens(first: int) -> None:
    for seed in range(first, first + PER_TEST):
        chance = random.Random(seed)
        world = World(chance.randbytes(chance.choice([40, 120, 300, 600])))
        try:
            world.play()
        except AssertionError as wrong:
            story = "\n".join(world.log[-40:])
            pytest.fail(f"tape {seed}: {wrong}\n{story}")
