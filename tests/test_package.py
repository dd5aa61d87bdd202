"""What a notebook imports: everything by one name, and nothing before it is asked for."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import olaf_async

HEAVY = ("numpy", "pydantic", "plotly", "pyarrow", "pandas", "aiohttp", "rich", "asyncio")


def test_importing_the_package_loads_none_of_the_rest() -> None:
    code = "import sys, olaf_async; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(ran.stdout.split())
    assert "olaf_async" in loaded
    assert loaded & set(HEAVY) == set()
    assert {name for name in loaded if name.startswith("olaf_async.")} == set()


@pytest.mark.parametrize("name", olaf_async.__all__)
def test_each_name_is_the_one_the_type_checker_is_told_of(name: str) -> None:
    tree = ast.parse(Path(olaf_async.__file__).read_text(encoding="utf-8"))
    homes = {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    assert set(homes) == set(olaf_async.__all__)
    assert getattr(olaf_async, name) is getattr(import_module(homes[name]), name)
    assert name in dir(olaf_async)


def test_a_name_there_is_not_is_an_attribute_error_that_says_so() -> None:
    with pytest.raises(AttributeError, match="module 'olaf_async' has no attribute 'plya'"):
        olaf_async.plya  # type: ignore[attr-defined]  # noqa: B018
