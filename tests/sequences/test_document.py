"""docs/sequences.md names tests and places in the code that exist, and shows all protections there are."""

import ast
import re
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from olaf_async.core.guards import ENTRY_GUARDS, Guards
from tests.sequences import mechanisms, switch_off

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "sequences.md"
TEXT = PAGE.read_text()
NAMED = sorted(set(re.findall(r"((?:tests|olaf_async)/[\w/]+\.py)::(\w+)", TEXT)))
STORIES = [path for path in sorted(Path(__file__).parent.glob("test_*.py")) if path != Path(__file__)]
LISTED = [one for rows in mechanisms.GROUPS.values() for one in rows]


@cache
def names_in(path: str) -> frozenset[str]:
    """The functions, methods and classes of a file."""
    tree = ast.parse((ROOT / path).read_text())
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def test_everything_the_page_names_exists() -> None:
    missing = [f"{path}::{name}" for path, name in NAMED if name not in names_in(path)]
    assert missing == []


def test_the_page_shows_the_list_of_protections() -> None:
    _, _, shown = TEXT.partition("<!-- mechanisms -->\n")
    assert shown == switch_off.table(), "python -m tests.sequences.switch_off --table writes it"


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_every_story_told_here_is_on_the_page(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    told = {one for one in names_in(name) if one.startswith("test_")}
    assert told <= {test for file, test in NAMED if file == name}


def test_every_claim_of_the_guards_and_every_invariant_is_on_the_list() -> None:
    names = " ".join(one.name for one in LISTED)
    claims = [*ENTRY_GUARDS, *(one.name for one in fields(Guards) if one.name != "entry")]
    assert [claim for claim in claims if f"`{claim}`" not in names] == []
    assert [f"I{n}" for n in range(1, 7) if f"I{n}: " not in names] == []


def test_each_protection_stands_once_where_the_list_says() -> None:
    gone = [one.name for one in LISTED if (ROOT / one.file).read_text().count(one.on) != 1]
    assert gone == [], "the code has moved: say in `mechanisms` how they are switched off now"
    assert len({one.name for one in LISTED}) == len(LISTED)
