"""``simulate``: days with faults, each by a number; what broke, how, and the line that shows it again.

Owns how a campaign looks to a person. It must never decide what counts as broken; that is the checkers'.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from olaf_async.cli.invocation import ERROR, UNSAFE, Invocation
from olaf_async.cli.options import AsJson, Config, Sets, read_seconds
from olaf_async.errors import ConfigError

if TYPE_CHECKING:
    from olaf_async.sim.campaign import Plan, Tally
    from olaf_async.sim.day import Result
    from olaf_async.sim.faults import Fault

SEEDS: Final = range(300)
"""Without a word about seeds: some ten seconds' worth."""
SHRINKS_MAX: Final = 100
TOLD_MAX: Final = 5
LOOK_S: Final = 0.2


def read_seeds(text: str) -> range:
    """A span of seeds, ``A..B``, B not included.

    Raises:
        BadParameter: it is not one.
    """
    first, dots, last = text.partition("..")
    if not dots or not first.isdecimal() or not last.isdecimal() or int(first) >= int(last):
        raise typer.BadParameter(f"{text!r} is not A..B with A below B")
    return range(int(first), int(last))


def read_faults(text: str) -> "tuple[Fault, ...]":
    """A list of fault classes.

    Raises:
        BadParameter: one of them is none.
    """
    from olaf_async.sim.faults import Fault, listed

    try:
        return listed(text)
    except ValueError as error:
        known = ", ".join(fault.value for fault in Fault)
        raise typer.BadParameter(f"{error}; there are: all, none, {known}") from None


def read_order(text: str) -> str:
    """The name of an order of callbacks.

    Raises:
        BadParameter: it is none.
    """
    from olaf_async.sim.orders import ORDERS

    if text not in ORDERS:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(ORDERS)}")
    return text


def read_minutes(text: str) -> float:
    """A number of minutes above zero.

    Raises:
        BadParameter: it is not one.
    """
    try:
        return read_seconds(text)
    except typer.BadParameter:
        raise typer.BadParameter(f"{text!r} is not a number of minutes above zero") from None


def simulate(  # noqa: PLR0913 -- one parameter for each flag
    context: typer.Context,
    *,
    seeds: Annotated[
        range | None,
        typer.Option("--seeds", parser=read_seeds, metavar="A..B", help="These days, B not included."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, metavar="N", help="This one day, told at length.")
    ] = None,
    order: Annotated[
        str | None,
        typer.Option(
            "--order",
            parser=read_order,
            metavar="ORDER",
            help="Of callbacks: fifo, lanes or pct; else each seed has its own.",
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", parser=read_minutes, metavar="M", help="Stop after so many minutes."),
    ] = None,
    faults: Annotated[
        str | None,
        typer.Option(
            "--faults",
            metavar="LIST",
            help="Classes that may be on, by comma, or none; else all. A wrong one names them.",
        ),
    ] = None,
    scenario: Annotated[
        Path | None,
        typer.Option("--scenario", metavar="FILE", help="One day again, from the tape that was kept of it."),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            "--strategy",
            metavar="MODULE:NAME",
            help="Trade all symbols by this: NAME(setup, session), from a module in this folder.",
        ),
    ] = None,
    beside: Annotated[
        str | None,
        typer.Option(
            "--beside",
            metavar="MODULE:NAME",
            help="Run this beside the engine: await NAME(ports), with the same ports.",
        ),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, metavar="N", help="Processes; else one for each core.")
    ] = None,
    config: Config = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Trade simulated days in which everything goes wrong, and check every promise."""
    if sum(given is not None for given in (seeds, seed, scenario)) > 1:
        raise typer.BadParameter("give one of --seeds, --seed and --scenario")
    if scenario is not None and any(given is not None for given in (order, faults, minutes)):
        raise typer.BadParameter(
            "a tape has its own order and faults: leave away --order, --faults, --minutes"
        )
    classes = read_faults(faults or "all")
    invocation = context.ensure_object(Invocation)
    folder = invocation.load(config, sets).journal.dir / "simulated"
    from olaf_async.sim.campaign import Plan, Tally, checked
    from olaf_async.sim.yours import Own, OwnCodeError

    sys.path.insert(0, str(Path.cwd()))
    plan = Plan(order, classes, own=checked(Own(strategy, beside)))
    tally, began_s = Tally(), time.monotonic()
    if scenario is not None:
        plan, days = _taped(scenario, plan)
    else:
        days = _days(plan, _seeds(seeds, seed, minutes), jobs, minutes)
    try:
        with _watched(invocation, tally) as look:
            for result in days:
                tally.add(result)
                look()
                if as_json:
                    typer.echo(json.dumps(_as_json(result)))
    except OwnCodeError as error:
        invocation.errors.print("What you brought has failed:", style="bold red")
        invocation.errors.print(str(error), markup=False)
        raise typer.Exit(ERROR) from None
    if not as_json:
        report(invocation, tally, plan, scenario or folder, time.monotonic() - began_s)
    _exit_as(invocation, tally, plan)


def _seeds(seeds: range | None, seed: int | None, minutes: float | None) -> Iterable[int]:
    if seed is not None:
        return (seed,)
    if seeds is not None:
        return seeds
    return SEEDS if minutes is None else count()


def _days(plan: "Plan", seeds: Iterable[int], jobs: int | None, minutes: float | None) -> "Iterator[Result]":
    from olaf_async.sim.campaign import CHUNK, run_days

    until_s = None if minutes is None else time.monotonic() + minutes * 60
    if isinstance(seeds, tuple) or (isinstance(seeds, range) and len(seeds) <= CHUNK):
        jobs = 1
    return run_days(
        seeds,
        plan,
        jobs=jobs or os.cpu_count() or 1,
        goes_on=lambda: until_s is None or time.monotonic() < until_s,
    )


def _taped(path: Path, plan: "Plan") -> "tuple[Plan, Iterator[Result]]":
    """The day of a tape, with what the person has brought.

    Raises:
        ConfigError: the file is no tape of a day, or of another program.
    """
    from olaf_async.sim.choices import Choices, Tape
    from olaf_async.sim.day import run_day
    from olaf_async.sim.faults import listed
    from olaf_async.sim.orders import ORDERS
    from olaf_async.sim.sealed import SimulationError
    from olaf_async.sim.tapes import read_tape

    try:
        tape = read_tape(path)
        kind, seed, order, names = tape.scenario.split(" ")
        plan = replace(plan, order=order, faults=listed(names))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (SimulationError, ValueError) as error:
        why = str(error).removeprefix(f"{path}: ")
        raise ConfigError(f"{path}: not the tape of a simulated day ({why})") from None
    if kind != "day" or order not in ORDERS:
        raise ConfigError(f"{path}: a tape of {tape.scenario!r}, which is no simulated day")
    choices = Choices(Tape(tape.entries, is_exact=False))
    return plan, iter([run_day(int(seed), order, plan.faults, walls=plan.standing, choices=choices)])


@contextmanager
def _watched(invocation: Invocation, tally: "Tally") -> Iterator[Callable[[], None]]:
    """A line on standard error that says how far it has come; nothing where nobody watches."""
    console = invocation.errors
    if not console.is_terminal or console.is_dumb_terminal:
        yield lambda: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("simulating")
        began_s = due_s = time.monotonic()

        def look() -> None:
            nonlocal due_s
            now_s = time.monotonic()
            if now_s < due_s:
                return
            due_s = now_s + LOOK_S
            rate = tally.days / max(0.001, now_s - began_s) * 60
            text = f"{tally.days:,} days, {rate:,.0f} a minute, {tally.events:,} events"
            bar.update(task, description=f"{text}, {len(tally.broken)} broken")

        yield look


def _as_json(result: "Result") -> dict[str, object]:
    return {
        "seed": result.seed,
        "order": result.order,
        "digest": result.digest,
        "violations": [
            {"promise": one.promise, "at_ns": one.at_ns, "symbol": one.symbol, "text": one.text}
            for one in result.violations
        ],
    }


def report(invocation: Invocation, tally: "Tally", plan: "Plan", kept: Path, elapsed_s: float) -> None:
    """The tally; and of the first day that was broken, how that came.

    ``kept`` is the folder for its tape; or the tape it came from, which is short enough and stays as it is.
    """
    console = invocation.console
    rate = tally.days / max(elapsed_s, 0.001) * 60
    console.print(
        f"{_counted(tally.days, 'simulated day')} of 3 symbols in {elapsed_s:.1f} s ({rate:,.0f} a minute): "
        f"{tally.events:,} events, {_counted(len(tally.broken), 'day')} with a broken promise",
        style="bold",
    )
    if tally.days > 1:
        seen = ", ".join(f"{what} {number:,}" for what, number in tally.sometimes.most_common())
        console.print(f"Days on which it happened: {seen or 'nothing out of the ordinary'}", style="dim")
    for result in tally.broken[:TOLD_MAX]:
        first = result.violations[0]
        at = f"{first.symbol or 'the account'}: {first.text}"
        console.print(f"seed {result.seed} {result.order}: {first.promise} {at}", style="red", markup=False)
    if tally.broken:
        _explain(invocation, tally.broken[0], plan, kept)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _explain(invocation: Invocation, result: "Result", plan: "Plan", kept: Path) -> None:
    """One broken day: its story, made as short as can be, and how to have it again."""
    from olaf_async.cli.output import command, shown_path
    from olaf_async.sim.campaign import shortest
    from olaf_async.sim.checkers import PROMISES
    from olaf_async.sim.table import plain, time_of_day
    from olaf_async.sim.tapes import Recorded, write_tape
    from olaf_async.sim.telling import COLUMNS
    from olaf_async.sim.yours import HINTS

    console = invocation.console
    is_taped = kept.is_file()
    small = result if is_taped else shortest(result, plan, SHRINKS_MAX)
    first = small.violations[0]
    console.print()
    console.print(
        f"Seed {result.seed}, order {result.order}: {first.promise} ({PROMISES[first.promise]}) "
        f"was broken at {time_of_day(first.at_ns)}",
        style="bold red",
    )
    console.print(f"  {first.symbol or 'the account'}: {first.text}", markup=False)
    if plan.own.strategy is not None and first.promise in HINTS:
        console.print(f"  {HINTS[first.promise]}.", markup=False)
    found = "The day of the tape" if is_taped else "The shortest day found on which it is"
    console.print(f"{found}, its last steps:")
    console.print(plain(small.steps, columns=COLUMNS, width=console.width), markup=False, soft_wrap=True)
    names = ",".join(fault.value for fault in plan.faults) or "none"
    tape = kept
    if not is_taped:
        tape = kept / f"seed-{result.seed}-{result.order}.tape"
        kept.mkdir(parents=True, exist_ok=True)
        scenario = f"day {result.seed} {result.order} {names}"
        write_tape(tape, Recorded(scenario, first.promise, small.drawn, small.digest))
    chosen = "" if len(plan.faults) == len(type(plan)().faults) else f" --faults {names}"
    console.print("Again, the whole day and the short one:")
    console.print(
        f"  {command()} simulate --seed {result.seed} --order {result.order}{chosen}{plan.own.flags}",
        markup=False,
        soft_wrap=True,
    )
    console.print(
        f"  {command()} simulate --scenario {shown_path(tape)}{plan.own.flags}", markup=False, soft_wrap=True
    )


def _exit_as(invocation: Invocation, tally: "Tally", plan: "Plan") -> None:
    """End the program where a promise was broken, or where the campaign proves too little.

    Raises:
        Exit: it did.
    """
    from olaf_async.sim.campaign import ENOUGH

    if tally.broken:
        raise typer.Exit(UNSAFE)
    is_whole = len(plan.faults) == len(type(plan)().faults)
    if is_whole and tally.days >= ENOUGH and tally.unseen:
        never = ", ".join(tally.unseen)
        invocation.errors.print(f"This proves too little: it never happened that: {never}", style="bold red")
        raise typer.Exit(ERROR)
