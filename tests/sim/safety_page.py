"""docs/safety.md, made from the lists of safeties and of finds and the tapes in tests/golden.

Owns the page's words. ``python -m tests.sim.safety_page`` writes it; with ``--tapes`` every tape is recorded
anew first, for a program that draws otherwise than the one they were made with. What long campaigns have
shown stands in tests/golden/campaigns.md, written by whoever ran them.
"""

import argparse
from pathlib import Path

from olaf_async.sim.tapes import Recorded, read_tape, write_tape

from .finds import Find
from .finds_of_campaigns import FINDS
from .hunts import hunted
from .safeties import SAFETIES
from .safety import GOLDEN, Safety

PAGE = GOLDEN.parents[1] / "docs" / "safety.md"
CAMPAIGNS = GOLDEN / "campaigns.md"

HEAD = """\
# The safeties, and what happens without each

Every safety below is load-bearing: a search through all schedules of a small day finds no way to break its
promise, and finds one within seconds once it is taken out. What is taken out is taken out in the tests
only; the engine has no switch. Where another wall stands behind a safety, both are taken out together,
and it is shown as well that without it alone nothing breaks.

A tape is the schedule that breaks without the safety: what was drawn against the calm. `make docs` checks
that this page is what the tests say; `make safety` records the tapes anew and writes it.
"""

FOUND = """\
## Found by the simulator

These were bugs. Each tape below is a schedule that broke the engine before its mend: played on the engine
as it is, it breaks nothing, and with the mend taken out, in the test, the promise breaks again
(`tests/sim/test_finds.py`). The days in which they were found are long;
these are small ones that show the same.
"""


def find(safety: Safety | Find) -> Recorded:
    """The simplest schedule that breaks without it.

    Raises:
        AssertionError: none was found; then it is not load-bearing, or hides behind another.
    """
    explored = hunted(safety.race)
    finding = explored.finding
    assert finding is not None, f"{safety.number}: nothing broke in {explored.schedules} schedules"
    return finding.recorded(safety.race.scenario.name)


def page() -> str:
    """The whole page."""
    parts = [HEAD, _contents(), "", *map(_section, SAFETIES), FOUND, *map(_found, FINDS)]
    if CAMPAIGNS.exists():
        parts.append(CAMPAIGNS.read_text(encoding="utf-8"))
    return "\n".join(parts)


def _contents() -> str:
    rows = ["| | safety | without it |", "|---|---|---|"]
    rows += [f"| {safety.number} | {safety.claim} | {safety.race.breaks} |" for safety in SAFETIES]
    return "\n".join(rows)


def _drawn(tape: Recorded) -> str:
    drawn = (f"`{entry.label}` number {entry.nth} took {entry.value} of {entry.n}" for entry in tape.entries)
    return "; ".join(drawn) or "the calm day is enough"


def _found(it: Find) -> str:
    tape = read_tape(it.tape)
    lines = [
        f"### {it.number}: {it.what}",
        "",
        f"- promise: {it.promise}",
        f"- mend: {it.mend}",
        f"- test: `tests/sim/test_finds.py`, `{it.number}`, in the scenario *{tape.scenario}*; {it.test}",
        f"- taken out: {it.race.out}",
        f"- then: **{tape.broken}**",
        f"- tape: [{it.tape.name}](../tests/golden/{it.tape.name}): {_drawn(tape)}",
    ]
    return "\n".join([*lines, ""])


def _section(safety: Safety) -> str:
    tape = read_tape(safety.tape)
    tape_name = safety.tape.name
    lines = [
        f"## {safety.number}: {safety.claim}",
        "",
        f"- why: {safety.why}",
        f"- guard: {safety.where}",
        f"- test: `tests/sim/test_safeties.py`, `{safety.number}`, in the scenario *{tape.scenario}*",
        f"- taken out: {safety.race.out}",
        f"- then: **{tape.broken}**",
        f"- tape: [{tape_name}](../tests/golden/{tape_name}): {_drawn(tape)}",
    ]
    if safety.behind:
        lines.append(f"- behind it stand: {safety.behind}")
    return "\n".join([*lines, ""])


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description="write docs/safety.md")
    parser.add_argument("--tapes", action="store_true", help="record the tapes anew first")
    if parser.parse_args().tapes:
        GOLDEN.mkdir(exist_ok=True)
        recorded: tuple[Safety | Find, ...] = (*SAFETIES, *FINDS)
        for it in recorded:
            write_tape(it.tape, find(it))
    Path(PAGE).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
