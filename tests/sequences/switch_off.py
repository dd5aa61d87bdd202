"""Switch each protection off, one after another, in a copy of the project, and run its tests: they must fail.

    python -m tests.sequences.switch_off [WORD]     only those whose name has this word in it
    python -m tests.sequences.switch_off --table    the list, as docs/sequences.md shows it

Owns the copy and nothing else; what is switched off, and what fails then, is listed in `mechanisms`. The exit
code is 1 where a protection could be taken away unnoticed.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.sequences.mechanisms import GROUPS, Mechanism

ROOT = Path(__file__).parents[2]
COPIED = ("olaf_async", "tests", "pyproject.toml")
NO_TEST_FAILED, SOME_FAILED = 0, 1


def failing(tree: Path, tests: Iterable[str]) -> set[str]:
    """Those of the tests that fail in this tree, without their parameters.

    Raises:
        RuntimeError: they could not be run.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rf", "--tb=no", *tests],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (NO_TEST_FAILED, SOME_FAILED):
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-500:])
    return set(re.findall(r"^FAILED ([^\[\s]+)", done.stdout, re.MULTILINE))


def unnoticed(tree: Path, mechanism: Mechanism) -> str:
    """Why it cannot be said that this protection bears load; empty where it does."""
    path = tree / mechanism.file
    whole = path.read_text()
    if whole.count(mechanism.on) != 1:
        return f"it is not where it was ({whole.count(mechanism.on)} times in {mechanism.file})"
    try:
        path.write_text(whole.replace(mechanism.on, mechanism.off))
        failed = failing(tree, mechanism.tests)
    except RuntimeError as error:
        return f"its tests cannot be run: {error}"
    finally:
        path.write_text(whole)
    return ", ".join(f"{test} still passes" for test in mechanism.tests if test not in failed)


def say(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def table() -> str:
    """The list of protections, in Markdown."""
    lines = []
    for title, rows in GROUPS.items():
        lines += ["", f"### {title}", "", "| What protects | Where | What notices |", "| --- | --- | --- |"]
        for one in rows:
            tests = "<br>".join(f"`{test}`" for test in one.tests)
            lines.append(f"| {one.name} | `{one.file}` | {tests} |")
    return "\n".join([*lines, ""])


def main(word: str = "") -> int:
    """Try all of them; say which bear load and which do not."""
    if word == "--table":
        say(table())
        return 0
    chosen = [one for rows in GROUPS.values() for one in rows if word in one.name]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name in COPIED:
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, tree / name)
        already = failing(tree, sorted({test for one in chosen for test in one.tests}))
        bad = len(already)
        for test in sorted(already):
            say(f"FAILS ALREADY  {test}")
        for one in chosen:
            why = unnoticed(tree, one)
            bad += bool(why)
            say(f"UNNOTICED  {one.name}: {why}" if why else f"ok         {one.name}")
    say(f"{len(chosen)} switched off, {bad} unnoticed")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
