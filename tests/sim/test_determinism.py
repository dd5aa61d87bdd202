"""The gate: one seed is one run, in this process and in every other."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from olaf_async.sim.tapes import first_difference

from .determinism import SEEDS, digests, log_of, scenarios

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", scenarios())
def test_a_scenario_runs_the_same_twice_in_one_process(name: str) -> None:
    scenario = scenarios()[name]
    for seed in range(SEEDS):
        first, again = log_of(scenario, seed), log_of(scenario, seed)
        assert first_difference(first, again) is None
        assert any(label == "core" for label, _, _ in first), "the core's belief is part of what is compared"


def test_lanes_run_the_same_twice_and_otherwise_than_stock_order() -> None:
    scenario = scenarios()["stopped out"]
    hostile = replace(scenario, has_lanes=True, latency_ns=0)
    logs = [log_of(hostile, 5) for _ in range(2)]
    assert first_difference(*logs) is None
    assert any(label == "next" and value for label, _, value in logs[0])


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_a_process_with_another_hash_seed_runs_the_same(hash_seed: str) -> None:
    there = subprocess.run(
        [sys.executable, "-m", "tests.sim.determinism"],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.splitlines() == list(digests())
