"""``status``, ``halt``, ``resume``, ``flatten`` and ``reconcile``: a person's hand on a running engine.

Owns flags, confirmation, exit codes and the JSON. The engine is found by its socket in ``journal.dir``.
"""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Final, ParamSpec, TypeAlias

import typer

from olaf_async.cli.invocation import ERROR, UNSAFE, Invocation
from olaf_async.cli.options import AsJson, Config, Sets, read_seconds
from olaf_async.errors import ControlError, JournalError

if TYPE_CHECKING:
    from olaf_async.adapters.control.client import Remote
    from olaf_async.ports.control import Comparison, Flattening, Standing, Status
    from olaf_async.settings import Settings

LIMIT_S: Final = 60.0
MARGIN_S: Final = 10.0
"""What the engine may take beyond what its own limits come to."""
_LOOKS: Final = 3
"""Reads of the books, each with a limit of its own, that a comparison may take."""
_NS_PER_S: Final = 1_000_000_000

_P = ParamSpec("_P")
Symbol: TypeAlias = Annotated[
    str | None,
    typer.Argument(metavar="SYMBOL", help="Only this one; else the whole account.", show_default=False),
]


def _refusing(verb: Callable[_P, None]) -> Callable[_P, None]:
    """Let what cannot be done end the verb with a sentence."""

    @wraps(verb)
    def run(*arguments: _P.args, **named: _P.kwargs) -> None:
        try:
            verb(*arguments, **named)
        except ControlError as error:
            code = ERROR
            typer.echo(f"{error}.", err=True)
        except JournalError as error:
            code = UNSAFE
            typer.echo(f"{error}.", err=True)
        else:
            return
        raise typer.Exit(code)

    return run


@_refusing
def status(
    context: typer.Context, *, config: Config = None, sets: Sets = None, as_json: AsJson = False
) -> None:
    """How the running engine stands. Exit code 4 where it needs a person now."""
    invocation = context.ensure_object(Invocation)
    settings = invocation.load(config, sets)
    told = _engine(settings).status()
    if as_json:
        _print_json(settings, told, told.at_ns, is_safe=not told.unsafe)
    else:
        from olaf_async.cli.control_screen import status_screen

        invocation.console.print(status_screen(told, settings.session.zone, invocation.console.width))
    if told.unsafe:
        raise typer.Exit(UNSAFE)


@_refusing
def halt(
    context: typer.Context,
    symbol: Symbol = None,
    *,
    config: Config = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """End new risk in the running engine until resume, restarts included. Stops and exits go on."""
    invocation = context.ensure_object(Invocation)
    settings = invocation.load(config, sets)
    _print_standing(invocation, settings, _engine(settings).halt(symbol), as_json=as_json)


@_refusing
def resume(
    context: typer.Context,
    symbol: Symbol = None,
    *,
    config: Config = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Lift a halt of the same scope, and say what still ends new risk."""
    invocation = context.ensure_object(Invocation)
    settings = invocation.load(config, sets)
    _print_standing(invocation, settings, _engine(settings).resume(symbol), as_json=as_json)


@_refusing
def flatten(  # noqa: PLR0913 -- one parameter for each flag
    context: typer.Context,
    symbol: Symbol = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", metavar="", help="Do not ask whether it is meant.")] = False,
    limit_s: Annotated[
        float,
        typer.Option("--wait", parser=read_seconds, metavar="SECONDS", help="How long to follow it."),
    ] = LIMIT_S,
    config: Config = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Leave all positions and trade no more today. Exit code 4 where it is not flat in time."""
    invocation = context.ensure_object(Invocation)
    settings = invocation.load(config, sets)
    engine = _engine(settings)
    if not yes:
        _confirm(invocation, engine, symbol, as_json=as_json)
    last = _follow(invocation, settings, engine.flatten(symbol, limit_s), is_quiet=as_json)
    if as_json:
        _print_json(settings, last, last.at_ns, is_flat=last.is_flat)
    elif last.is_flat:
        invocation.console.print("[green]✓[/] flat, and done for today")
    else:
        invocation.console.print(
            f"✗ not flat after {limit_s:g} s: the engine goes on; look at the broker too",
            style="bold red",
            markup=False,
        )
    if not last.is_flat:
        raise typer.Exit(UNSAFE)


@_refusing
def reconcile(
    context: typer.Context,
    journal: Annotated[
        str | None,
        typer.Argument(
            metavar="DAY|FILE", help="Where no engine runs: this journal; else today's.", show_default=False
        ),
    ] = None,
    *,
    config: Config = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Compare belief and broker books now, and change nothing. Exit code 4 where a person is needed."""
    invocation = context.ensure_object(Invocation)
    settings = invocation.load(config, sets)
    told = _compared(settings, journal)
    if as_json:
        _print_json(settings, told, told.at_ns, needs_person=told.needs_person)
    else:
        from olaf_async.cli.control_screen import comparison_screen

        invocation.console.print(comparison_screen(told, settings.session.zone, invocation.console.width))
    if told.needs_person:
        raise typer.Exit(UNSAFE)


# ------------------------------------------------------------------------------------------------- the engine


def _engine(settings: "Settings", waits: int = 1) -> "Remote":
    """The running engine; it answers within so many of its own time limits."""
    from olaf_async.adapters.control.client import Remote

    timeout_s = float(settings.broker.request_timeout_s) * waits + MARGIN_S
    return Remote(settings.journal.dir, timeout_s=timeout_s)


def _compared(settings: "Settings", journal: str | None) -> "Comparison":
    """By the running engine; where there is none, by its journal."""
    from olaf_async.adapters.control.client import NoEngine

    if journal is None:
        try:
            return _engine(settings, _LOOKS).reconcile()
        except NoEngine as absent:
            if absent.holder is not None:
                raise
    from olaf_async.adapters.clock import SystemClock
    from olaf_async.app.reconcile import reconcile_journal
    from olaf_async.cli.running import run_on_loop

    return run_on_loop(lambda: reconcile_journal(settings, journal, SystemClock()))


def _confirm(invocation: Invocation, engine: "Remote", symbol: str | None, *, as_json: bool) -> None:
    """Ask whether it is meant, showing what is at stake.

    Raises:
        BadParameter: nobody is there to ask.
        Abort: it is not meant.
    """
    if as_json or not (sys.stdin.isatty() and invocation.console.is_terminal):
        raise typer.BadParameter(
            "flatten leaves positions at any price; say that it is meant", param_hint="--yes"
        )
    told = engine.status()
    meant = [one for one in told.symbols if symbol in (None, one.symbol)]
    for one in meant:
        if one.held or one.orders:
            orders = ", ".join(f"{order.role} {order.state}" for order in one.orders)
            invocation.console.print(
                f"  {one.symbol}: {one.held} held, {orders or 'no orders'}", markup=False
            )
    what = "all symbols" if symbol is None else symbol
    if not typer.confirm(f"Leave {what} now, and trade no more there today?"):
        typer.echo("Nothing was changed.")
        raise typer.Exit(ERROR)


def _follow(
    invocation: Invocation, settings: "Settings", course: "Iterable[Flattening]", *, is_quiet: bool
) -> "Flattening":
    last: Flattening | None = None
    for last in course:
        if not is_quiet:
            at = datetime.fromtimestamp(last.at_ns // _NS_PER_S, settings.session.zone)
            left = "; ".join(last.left) or "nothing left"
            invocation.console.print(f"[dim]{at:%H:%M:%S}[/]  ", end="")
            invocation.console.print(left, markup=False, soft_wrap=True)
    assert last is not None, "a course has a last word"
    return last


# ------------------------------------------------------------------------------------------------- words


def _print_standing(invocation: Invocation, settings: "Settings", told: "Standing", *, as_json: bool) -> None:
    if as_json:
        _print_json(settings, told, None, may_open=not told.refusals)
        return
    where = "anywhere" if told.symbol is None else f"in {told.symbol}"
    if not told.refusals:
        invocation.console.print(f"[green]✓[/] new entries may be opened {where}")
        return
    invocation.console.print(f"[bold yellow]■[/] nothing new is opened {where}:")
    for why in told.refusals:
        invocation.console.print(f"  {why}", markup=False, soft_wrap=True)
    invocation.console.print("[dim]Stops and exits go on.[/]")


def _print_json(
    settings: "Settings",
    told: "Status | Standing | Flattening | Comparison",
    at_ns: int | None,
    **verdict: bool,
) -> None:
    """The answer as it came, with the verdict that the exit code rests on and the local time."""
    at = {}
    if at_ns is not None:
        at["at"] = datetime.fromtimestamp(at_ns // _NS_PER_S, settings.session.zone).isoformat()
    typer.echo(json.dumps({**verdict, **at, **asdict(told)}, indent=2, ensure_ascii=False))
