"""Print the digests of every scenario's run, one a line: for a second process to be held against."""

import sys
from collections.abc import Iterator

from olaf_async.sim.choices import Choices, Logged, seeded
from olaf_async.sim.tapes import digest_of

from .safeties import SAFETIES
from .scenarios import RACES, RESTARTS, WAYS_OUT
from .stage import Scenario

SEEDS = 3


def scenarios() -> dict[str, Scenario]:
    """Every scenario there is, by name."""
    every = [race.scenario for race in RACES] + [*WAYS_OUT, *RESTARTS]
    every += [safety.race.scenario for safety in SAFETIES]
    return {scenario.name: scenario for scenario in every}


def log_of(scenario: Scenario, seed: int) -> list[Logged]:
    """All that one run draws and sees: labels, draws, and the core's fingerprint after each event."""
    choices: Choices = seeded(seed)
    scenario(choices, None)
    return choices.log


def digests() -> Iterator[str]:
    """One line for each scenario and seed."""
    for name, scenario in scenarios().items():
        for seed in range(SEEDS):
            yield f"{name}, seed {seed}: {digest_of(log_of(scenario, seed))}"


if __name__ == "__main__":
    sys.stdout.write("\n".join(digests()) + "\n")
