"""The pure core against a small adversarial broker: everything that can happen within a bound, each once.

Each scope below is searched to its end, and tells how much that was. `HYPOTHESIS_PROFILE=deep` searches the
larger ones too.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from olaf_async.domain.setup import Direction
from olaf_async.sim.model import Scope
from olaf_async.sim.model_search import Found, search
from olaf_async.sim.model_words import story
from tests.model.trials import LACKING, NO_WALL, WALLS, scope

IS_DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"

SCOPES = {
    "one fault of any kind": scope(faults=1),
    "every order of what is under way": replace(scope(), is_any_order=True),
    "a crash anywhere": replace(scope(), crashes=1),
    "a person's hand anywhere": replace(scope(), hands=1),
    "a bar closes, and one fault": replace(scope(faults=1, prints=2), bars=1),
    "one fault, mirrored": scope(faults=1, prints=2, direction=Direction.SHORT),
    "two attempts": scope(attempts=2, prints=5),
}
DEEPER = {
    "two faults of any kind": scope(faults=2, prints=2),
    "a crash and a fault": replace(scope(faults=1, prints=2), crashes=1),
    "a person's hand and a fault": replace(scope(faults=1, prints=2), hands=1),
    "two attempts and a crash": replace(scope(attempts=2, prints=5), crashes=1),
    "every order, and four prints": replace(scope(prints=4), is_any_order=True),
}
LEAST = 5_000
"""Situations that each scope has at the least: fewer would mean that the model has lost its moves."""


def report(name: str, tried: Scope, found: Found) -> str:
    """What was searched; where a promise was broken, the shortest way there is shown."""
    bound = f"{tried.prints} prints, {tried.faults} faults, {tried.crashes} crashes, {tried.hands} hands"
    count = f"{found.situations} situations, {found.moves} moves, {found.depth} deep"
    if found.wrong is not None:
        sys.stdout.write("\n".join((f"{found.wrong}:", *story(tried, found.way), "")))
    return f"{name} ({bound}): {count}"


@pytest.mark.parametrize("name", [*SCOPES, *(DEEPER if IS_DEEP else ())])
def test_within_this_bound_no_sequence_of_anything_breaks_a_promise(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    tried = {**SCOPES, **DEEPER}[name]
    found = search(tried)
    record_property("told", report(name, tried, found))
    assert found.wrong is None
    assert found.is_whole
    assert found.situations >= LEAST


@pytest.mark.parametrize("name", LACKING)
def test_without_this_a_promise_is_broken_within_a_small_bound(name: str) -> None:
    tried, promise = LACKING[name]
    found = search(tried)
    report(name, tried, found)
    assert promise in (found.wrong or "nothing is wrong")


def test_an_entry_in_flight_stands_behind_three_walls_and_without_any_of_them_a_second_is_sent() -> None:
    found = search(NO_WALL)
    report("no wall", NO_WALL, found)
    assert found.wrong == "two entries stand at the broker"


@pytest.mark.parametrize("name", WALLS)
def test_each_of_the_three_walls_before_an_entry_in_flight_suffices(name: str) -> None:
    found = search(WALLS[name])
    assert found.wrong is None
    assert found.is_whole


def test_the_way_to_a_broken_promise_is_told_in_words() -> None:
    tried, _ = LACKING["a timeout is no failure"]
    lines = "\n".join(story(tried, search(tried).way))
    assert "the price is at the undercut, 99.50" in lines
    assert "the engine wants to place ABC/1-entry: buy 2, trigger 100.00, limit 100.30" in lines
    assert "held up on its way: place ABC/1-entry" in lines
    assert "no answer in time: place ABC/1-entry" in lines
    assert lines.splitlines()[-1].startswith("The engine believes that 0 shares are held")


def test_a_search_that_is_cut_short_says_what_it_has_left() -> None:
    found = search(scope(faults=1), most=100)
    assert found.situations == 100
    assert not found.is_whole
    assert found.left > 0
