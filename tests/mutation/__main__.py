"""Do the tests notice when one sign of the core is another? ``make mutate ARGS="core.guards domain.order"``.

The tests are collected once. Each mutant lives in a forked child, which puts the changed code into the
function and runs the tests that are known to call it, the quickest first, until one fails. What no test
notices is printed; `docs/mutants.md` says of each such mutant why it changes nothing. No part of the suite:
it takes long.
"""

import argparse
import importlib
import os
import signal
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from types import FunctionType, MappingProxyType
from typing import TypeAlias

import pytest
from coverage import Coverage

from olaf_async.domain import order
from tests.mutation.mutants import Mutant, mutants_of

Callers: TypeAlias = dict[tuple[Path, int], list[tuple[float, pytest.Item]]]
"""By file and line: the seconds that each test took that comes by there, and the test."""

TESTS = ("tests/core", "tests/domain", "tests/model")
PARTS = ("core", "domain")
ROOT = Path(__file__).parents[2]
KILLED, SURVIVED, UNCALLED = 1, 0, 3


class Trial:
    """A pytest plugin: in place of running the tests once, it runs them against each mutant."""

    def __init__(self, modules: Sequence[str], lines: Collection[int]) -> None:
        self._modules = modules
        self._lines = lines
        self.survivors: list[str] = []
        self.tally = {KILLED: 0, SURVIVED: 0, UNCALLED: 0}
        self.timeouts = 0

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Learn who calls what; then try each mutant."""
        files = {name: ROOT / (name.replace(".", "/") + ".py") for name in self._modules}
        mutants = [mutant for name, path in files.items() for mutant in mutants_of(name, path)]
        mutants = [mutant for mutant in mutants if not self._lines or mutant.line in self._lines]
        callers = _callers(session, files.values())
        say(f"{len(session.items)} tests, {len(mutants)} mutants of {', '.join(self._modules)}")
        everybody = [(1.0, item) for item in session.items]
        for mutant in mutants:
            is_of_import = mutant.function == order._table.__name__
            tests = everybody if is_of_import else callers.get((files[mutant.module], mutant.line), [])
            self._try(session, mutant, tests)
        return True

    def _try(self, session: pytest.Session, mutant: Mutant, tests: list[tuple[float, pytest.Item]]) -> None:
        if not tests:
            self._note(UNCALLED, mutant, "is called by no test")
            return
        child = os.fork()
        if child == 0:
            signal.setitimer(signal.ITIMER_REAL, 10 + 5 * sum(seconds for seconds, _ in tests))
            _live_as(session, mutant, [test for _, test in tests])
        _, ended = os.waitpid(child, 0)
        self.timeouts += os.WIFSIGNALED(ended)
        self._note(KILLED if ended else SURVIVED, mutant, "survives")

    def _note(self, verdict: int, mutant: Mutant, why: str) -> None:
        self.tally[verdict] += 1
        if verdict != KILLED:
            self.survivors.append(str(mutant))
            say(f"{why}: {mutant}")


def _function(mutant: Mutant) -> FunctionType:
    """The function that lives, out of whatever it is wrapped in."""
    found: object = importlib.import_module(mutant.module)
    for name in mutant.function.split("."):
        found = vars(found)[name] if isinstance(found, type) else getattr(found, name)
    if isinstance(found, property):
        found = found.fget
    elif isinstance(found, staticmethod | classmethod):
        found = found.__func__
    assert isinstance(found, FunctionType), mutant.function
    return found


def _callers(session: pytest.Session, files: Iterable[Path]) -> Callers:
    """Which tests come by each line, the quickest first."""
    watch = Coverage(data_file=None, include=[str(path) for path in files])
    took: dict[str, float] = {}
    watch.start()
    for number, item in enumerate(session.items):
        watch.switch_context(str(number))
        begun = time.perf_counter()
        _run(session, item)
        took[str(number)] = time.perf_counter() - begun
    watch.stop()
    assert not session.testsfailed, "the tests pass before anything is changed"
    data, callers = watch.get_data(), dict[tuple[Path, int], list[tuple[float, pytest.Item]]]()
    for path in files:
        for line, numbers in data.contexts_by_lineno(str(path)).items():
            tests = sorted((took[number], number) for number in numbers if number)
            callers[path, line] = [(seconds, session.items[int(number)]) for seconds, number in tests]
    return callers


def _run(session: pytest.Session, item: pytest.Item) -> None:
    session.config.hook.pytest_runtest_protocol(item=item, nextitem=None)


def _live_as(session: pytest.Session, mutant: Mutant, tests: Iterable[pytest.Item]) -> None:
    """The child: be that mutant until a test fails, and say so by the exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    _function(mutant).__code__ = mutant.code
    verdict = KILLED  # also where pytest itself cannot go on
    try:
        order.TRANSITIONS = MappingProxyType(order._table())  # type: ignore[misc]
        for item in tests:
            _run(session, item)
            if session.testsfailed:
                break
        else:
            verdict = SURVIVED
    finally:
        os._exit(verdict)


def say(text: str) -> None:
    """A line, also while pytest keeps the output to itself."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Read the command line, try, and say what came of it."""
    known = sorted(
        f"{part}.{path.stem}" for part in PARTS for path in Path("olaf_async", part).glob("[!_]*.py")
    )
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("modules", nargs="*", default=known, help="such as core.guards; else all of them")
    parser.add_argument("--lines", type=int, nargs="*", default=(), help="only these lines")
    parser.add_argument("--tests", nargs="*", default=TESTS, help="files or folders; else those of the suite")
    given = parser.parse_args()
    trial = Trial([f"olaf_async.{name}" for name in given.modules], given.lines)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--capture=no", "--no-header"]
    pytest.main([*options, *given.tests], plugins=[trial])
    killed, survived, uncalled = (trial.tally[verdict] for verdict in (KILLED, SURVIVED, UNCALLED))
    say(f"{killed} noticed ({trial.timeouts} of them by their slowness), {survived} not, {uncalled} uncalled")


if __name__ == "__main__":
    main()
