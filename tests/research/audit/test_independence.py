"""The audit shares no reckoning with the engine: what that gets wrong must show here."""

import ast
from pathlib import Path

from olaf_async.research import audit


def imported(file: Path) -> set[str]:
    """The modules a file takes something from."""
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module is not None}


def test_nothing_of_core_and_shell_is_used_for_judging() -> None:
    files = sorted(Path(audit.__path__[0]).glob("*.py"))
    assert len(files) > 4
    used = {module for file in files for module in imported(file) if module.startswith("olaf_async.")}
    assert {module.split(".")[1] for module in used} == {"adapters", "domain", "ports", "research"}
