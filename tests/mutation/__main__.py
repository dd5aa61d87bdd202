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
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import CodeType, FrameType, FunctionType, MappingProxyType

import pytest

from olaf_async.domain import order
from tests.mutation.mutants import Mutant, mutants_of

TESTS = ("tests/core", "tests/domain", "tests/model")
PARTS = ("core", "domain")
SLOW_S = 2.0
KILLED, SURVIVED, UNCALLED = 1, 0, 3


class Trial:
    """A pytest plugin: in place of running the tests once, it runs them against each mutant."""

    def __init__(self, modules: Sequence[str], *, least_line: int, most: int | None) -> None:
        self._modules = modules
        self._least_line = least_line
        self._most = most
        self.survivors: list[str] = []
        self.tally = {KILLED: 0, SURVIVED: 0, UNCALLED: 0}
        self.timeouts = 0

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Learn who calls what; then try each mutant."""
        root = Path(__file__).parents[2]
        mutants = [
            mutant
            for name in self._modules
            for mutant in mutants_of(name, root / (name.replace(".", "/") + ".py"))
            if mutant.line >= self._least_line
        ][: self._most]
        callers = _callers(session, {_function(mutant).__code__ for mutant in mutants})
        say(f"{len(session.items)} tests, {len(mutants)} mutants of {', '.join(self._modules)}")
        for mutant in mutants:
            self._try(session, mutant, callers.get(_function(mutant).__code__, []))
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


def _callers(
    session: pytest.Session, codes: set[CodeType]
) -> dict[CodeType, list[tuple[float, pytest.Item]]]:
    """Who calls what, the quickest first. What runs at import is called by everybody."""
    callers: dict[CodeType, list[tuple[float, pytest.Item]]] = {}
    everybody = []
    for item in session.items:
        called: set[CodeType] = set()

        def on(frame: FrameType, event: str, _arg: object, called: set[CodeType] = called) -> None:
            if event == "call" and frame.f_code in codes:
                called.add(frame.f_code)

        begun = time.perf_counter()
        sys.setprofile(on)
        try:
            _run(session, item)
        finally:
            sys.setprofile(None)
        took = time.perf_counter() - begun
        everybody.append((took, item))
        for code in called:
            callers.setdefault(code, []).append((took, item))
    assert not session.testsfailed, "the tests pass before anything is changed"
    callers[order._table.__code__] = everybody
    return {code: sorted(tests, key=lambda test: test[0]) for code, tests in callers.items()}


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
    parser.add_argument("--from-line", type=int, default=0)
    parser.add_argument("--most", type=int, default=None)
    parser.add_argument("--tests", nargs="*", default=TESTS)
    given = parser.parse_args()
    trial = Trial(
        [f"olaf_async.{name}" for name in given.modules], least_line=given.from_line, most=given.most
    )
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--capture=no", "--no-header"]
    pytest.main([*options, *given.tests], plugins=[trial])
    killed, survived, uncalled = (trial.tally[verdict] for verdict in (KILLED, SURVIVED, UNCALLED))
    say(f"{killed} noticed ({trial.timeouts} of them by their slowness), {survived} not, {uncalled} uncalled")


if __name__ == "__main__":
    main()
