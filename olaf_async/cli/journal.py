"""``journal``: what a day's journal says, whether it is as it was written, and the day executed again.

Owns how records look to a person. Reads only; ``verify --cut`` alone changes a file, and keeps the old one.
"""

import json
import time
from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, ParamSpec, TypeAlias

import typer

from olaf_async.cli.invocation import ERROR, UNSAFE, Invocation
from olaf_async.cli.options import AsJson, Config, Sets
from olaf_async.cli.plain_help import Verb, Verbs
from olaf_async.errors import JournalError

if TYPE_CHECKING:
    from olaf_async.adapters.journal.reading import Reading
    from olaf_async.adapters.journal.rerun import Rerun
    from olaf_async.adapters.journal.sqlite import Row
    from olaf_async.ports.journal import Record

journal_verbs = typer.Typer(
    cls=Verbs, help="A day's journal: shown, verified, executed again.", no_args_is_help=True
)

CONTEXT: Final = 8
"""Records shown before a difference."""

_P = ParamSpec("_P")
Named: TypeAlias = Annotated[
    str | None, typer.Argument(metavar="DAY|FILE", help="The journal; else the newest.", show_default=False)
]


def _refusing(verb: Callable[_P, None]) -> Callable[_P, None]:
    """Let a journal that cannot be read end the verb with a sentence, and the exit code for a person."""

    @wraps(verb)
    def run(*arguments: _P.args, **named: _P.kwargs) -> None:
        try:
            verb(*arguments, **named)
        except JournalError as error:
            from olaf_async.adapters.journal.lease import LeaseHeld

            typer.echo(str(error), err=True)
            raise typer.Exit(ERROR if isinstance(error, LeaseHeld) else UNSAFE) from None

    return run


@journal_verbs.command(cls=Verb)
@_refusing
def show(
    context: typer.Context,
    named: Named = None,
    *,
    symbol: Annotated[
        str | None, typer.Option("--symbol", metavar="SYMBOL", help="Only what is about this one.")
    ] = None,
    config: Config = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Every record, one a line: when, what, about which share."""
    invocation = context.ensure_object(Invocation)
    path, zone = _meant(invocation, named, config, sets)
    from olaf_async.adapters.journal.reading import read

    reading = read(path)
    shown = [record for record in reading.records if symbol is None or _symbol(record.body) == symbol]
    if as_json:
        wanted = {record.seq for record in shown}
        rows = [_row_as_json(row, zone) for row in reading.rows if row.seq in wanted]
        typer.echo(json.dumps({"file": str(path), "records": rows, **_faults(reading)}, indent=2))
    else:
        for record in shown:
            typer.echo(_line(record, zone))
    if reading.faults:
        typer.echo(f"{path} is not whole: {reading.faults[0].text} (see `journal verify`)", err=True)


@journal_verbs.command(cls=Verb)
@_refusing
def verify(
    context: typer.Context,
    named: Named = None,
    *,
    does_cut: Annotated[
        bool,
        typer.Option("--cut", metavar="", help="Cut a torn end off; the file as it was is kept beside it."),
    ] = False,
    config: Config = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Numbers, hashes, form and file: is it as it was written? Exit code 4 where it is not."""
    invocation = context.ensure_object(Invocation)
    path, _ = _meant(invocation, named, config, sets)
    from olaf_async.adapters.journal.reading import read

    reading = read(path)
    aside = None
    if does_cut and reading.is_torn and not reading.is_live:
        reading, aside = _cut(path)
    if as_json:
        kept = None if aside is None else str(aside)
        counts = {"records": len(reading.records), "runs": _runs(reading), "is_closed": reading.is_closed}
        told = {"file": str(path), **counts, "cut": kept, **_faults(reading)}
        typer.echo(json.dumps(told, indent=2))
    else:
        _print_verdict(reading, aside)
    if reading.faults and aside is None:
        raise typer.Exit(UNSAFE)


@journal_verbs.command(cls=Verb)
@_refusing
def replay(
    context: typer.Context,
    named: Named = None,
    *,
    config: Config = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Execute the day again, and compare each command it gives. Exit code 4 where one differs."""
    invocation = context.ensure_object(Invocation)
    path, zone = _meant(invocation, named, config, sets)
    from olaf_async.adapters.journal.reading import read
    from olaf_async.adapters.journal.rerun import Rerunner

    reading = read(path)
    if reading.is_altered:
        raise JournalError(f"{path} is not as it was written: {reading.faults[0].text}")
    again = Rerunner().run(reading.records)
    if as_json:
        typer.echo(json.dumps({"file": str(path), **_rerun_as_json(again), **_faults(reading)}, indent=2))
    else:
        _print_rerun(reading, again, zone)
    if again.difference is not None:
        raise typer.Exit(UNSAFE)


def _meant(
    invocation: Invocation, named: str | None, config: Path | None, sets: list[str] | None
) -> tuple[Path, tzinfo]:
    from olaf_async.app.journal import meant

    settings = invocation.load(config, sets)
    return meant(settings, named), settings.session.zone


def _cut(path: Path) -> "tuple[Reading, Path]":
    """Cut it as the only one who may: what is read and cut is what nobody writes meanwhile."""
    from olaf_async.adapters.journal.lease import Lease
    from olaf_async.adapters.journal.reading import cut, read

    lease = Lease(path.parent, time.time_ns())
    try:
        reading = read(path, is_ours=True)
        return reading, cut(reading)
    finally:
        lease.release()


# ------------------------------------------------------------------------------------------------- for people


def _print_verdict(reading: "Reading", aside: Path | None) -> None:
    for fault in reading.faults:
        typer.echo(f"after record {fault.after}: {fault.text}")
    ending = "is being written" if reading.is_live else "was not closed: its engine did not end by itself"
    if reading.is_closed:
        ending = "was closed"
    counts = f"{_counted(len(reading.records), 'record')} in {_counted(_runs(reading), 'run')}; it {ending}."
    if not reading.faults:
        typer.echo(f"{reading.path} is as it was written: {counts}")
    elif aside is not None:
        typer.echo(f"{reading.path} was torn, and has been cut to its {counts[:-1]}. As it was: {aside}")
    elif reading.is_torn:
        typer.echo(f"{reading.path} is torn: {counts} Its records are whole; --cut takes the rest away.")
    else:
        typer.echo(f"{reading.path} IS NOT AS IT WAS WRITTEN: {counts} Nothing in it can be relied on.")


def _print_rerun(reading: "Reading", again: "Rerun", zone: tzinfo) -> None:
    compared = (
        f"{again.events:,} events, {again.intents:,} intents, {again.questions:,} questions of the desk"
    )
    for fault in reading.faults:
        typer.echo(f"after record {fault.after}: {fault.text}")
    if again.difference is None:
        typer.echo(f"{reading.path}: {compared}, in {_counted(again.runs, 'run')}: no difference.")
        return
    seq = again.difference.record.seq
    for record in reading.records[max(0, seq - CONTEXT) : seq]:
        typer.echo(_line(record, zone))
    typer.echo(f"\nThe first difference is at record {seq}, after {compared}.")
    typer.echo(f"  in the journal:  {again.difference.written}")
    typer.echo(f"  executed again:  {again.difference.now}")


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _line(record: "Record", zone: tzinfo) -> str:
    from olaf_async.research.journal_words import words

    when, about = _at(record.at_ns, zone), _symbol(record.body) or "-"
    return f"{record.seq:>7}  {when}  {record.entry.value:<8}  {about:<12}  {words(record.body)}"


def _at(at_ns: int, zone: tzinfo) -> str:
    seconds, ns = divmod(at_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, zone):%H:%M:%S}.{ns // 1000:06d}"


def _symbol(body: object) -> str | None:
    inner = getattr(body, "intent", None) or getattr(body, "trade", None) or body
    symbol = getattr(inner, "symbol", None)
    return symbol if isinstance(symbol, str) else None


# ------------------------------------------------------------------------------------------------- as JSON


def _row_as_json(row: "Row", zone: tzinfo) -> dict[str, object]:
    kind, fields = json.loads(row.body)
    at = datetime.fromtimestamp(row.at_ns // 1_000_000_000, zone).isoformat()
    return {
        "seq": row.seq,
        "at": at,
        "at_ns": row.at_ns,
        "entry": row.entry,
        "kind": kind,
        "body": fields,
        "fingerprint": row.fingerprint,
    }


def _faults(reading: "Reading") -> dict[str, object]:
    faults = [{"after": each.after, "text": each.text, "is_torn": each.is_torn} for each in reading.faults]
    return {"is_torn": reading.is_torn, "is_altered": reading.is_altered, "faults": faults}


def _rerun_as_json(again: "Rerun") -> dict[str, object]:
    found = again.difference
    first = None if found is None else {"seq": found.record.seq, "written": found.written, "now": found.now}
    counts = {"events": again.events, "intents": again.intents, "questions": again.questions}
    return {"runs": again.runs, **counts, "differences": int(found is not None), "first": first}


def _runs(reading: "Reading") -> int:
    from olaf_async.ports.journal import Entry

    return sum(record.entry is Entry.HEADER for record in reading.records)
