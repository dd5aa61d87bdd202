"""The command line: what a person types, what comes back, and with which exit code.

Owns flags, exit codes and the last line of defence: whatever goes wrong ends as one paragraph on standard
error, never as a traceback (unless asked for by --debug). It must never decide how anything trades.

Heavy modules are imported by the verb that needs them, so that --help and a wrong flag answer at once.
"""

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Final

import typer

from olaf_async import __version__
from olaf_async.cli.invocation import INTERRUPTED, TERMINATED, Invocation
from olaf_async.cli.options import AsJson, Config, Day, Fast, Out, Sets
from olaf_async.cli.plain_help import Verb, Verbs
from olaf_async.errors import ConfigError

__all__ = ["main"]

app = typer.Typer(
    name="olaf",
    cls=Verbs,
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


STOPPED: Final = {
    INTERRUPTED: "Stopped by Ctrl-C. Nothing was written.\n",
    TERMINATED: "Stopped by SIGTERM. Nothing was written.\n",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (by default this process's) and return its exit code."""
    if not __debug__:
        sys.stderr.write(
            "Olaf's assertions are part of its safety, and Python was told to leave them out."
            " Start it without -O and without PYTHONOPTIMIZE.\n"
        )
        return 1
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter shows a question mark; that is no reason to end.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    invocation = Invocation()
    try:
        with _terminable():
            app(arguments, obj=invocation)
    except ConfigError as error:
        return invocation.refuse(error)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
        sys.stderr.write(STOPPED.get(code, ""))
        return code
    except Exception as error:  # noqa: BLE001 -- here it becomes a sentence for a person and a record for the log
        return invocation.apologise(error)
    return 0


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the run as Ctrl-C does, through every ``finally``, so that nothing is left half made.

    A verb with a loop of its own puts its own handler in the place of this one. Only the main thread may
    have a say in signals, and a handler that somebody else has set is theirs.
    """
    if threading.current_thread() is not threading.main_thread() or (
        signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@app.callback(invoke_without_command=True)
def paper_day(  # noqa: PLR0913 -- one parameter for each flag
    context: typer.Context,
    *,
    day: Day = None,
    fast: Fast = False,
    out: Out = None,
    config: Config = None,
    sets: Sets = None,
    as_json: AsJson = False,
    debug: Annotated[bool, typer.Option("--debug", metavar="", help="Show tracebacks of errors.")] = False,
    version: Annotated[bool, typer.Option("--version", metavar="", help="Show the version.")] = False,
) -> None:
    """A trading engine for Indian equities.

    Without a verb: one paper day on the bundled sample market, and its report.

    The options here are the paper day's; each verb has its own.
    """
    invocation = context.ensure_object(Invocation)
    invocation.is_debugging = debug
    if version:
        typer.echo(f"olaf {__version__}")
        return
    given = {"--day": day, "--fast": fast, "--out": out, "--config": config, "--set": sets, "--json": as_json}
    misplaced = [name for name, value in given.items() if value]
    if context.invoked_subcommand is not None:
        if misplaced:
            verb = context.invoked_subcommand
            raise typer.BadParameter(
                f"{misplaced[0]} stands before {verb}; put the options of a verb after it"
            )
        return
    from olaf_async.cli.paper import run_paper_day

    run_paper_day(invocation, day=day, is_fast=fast, out=out, config=config, sets=sets, as_json=as_json)


def _add_verbs() -> None:
    from olaf_async.cli.audit import audit
    from olaf_async.cli.config import config_verbs
    from olaf_async.cli.control import flatten, halt, reconcile, resume, status
    from olaf_async.cli.journal import journal_verbs
    from olaf_async.cli.live import live
    from olaf_async.cli.record import record
    from olaf_async.cli.serve import serve_paper
    from olaf_async.cli.simulate import simulate
    from olaf_async.cli.verbs import backtest, replay, scan

    app.command(cls=Verb)(live)
    app.command(cls=Verb)(replay)
    app.command(cls=Verb)(scan)
    app.command(cls=Verb)(backtest)
    app.command(cls=Verb)(simulate)
    app.command("serve-paper", cls=Verb)(serve_paper)
    app.command(cls=Verb)(record)
    for verb in (status, halt, resume, flatten, reconcile):
        app.command(cls=Verb)(verb)
    app.command(cls=Verb)(audit)
    app.add_typer(journal_verbs, name="journal")
    app.add_typer(config_verbs, name="config")


_add_verbs()
