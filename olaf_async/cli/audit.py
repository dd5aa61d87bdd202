"""``audit``: a day proved safe from the broker's own books, or the rows that show that it was not.

Owns how a proof looks to a person. A safe day is a few lines; a day that was not is as long as its rows.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from olaf_async.cli.invocation import ERROR, UNSAFE, Invocation
from olaf_async.cli.options import AsJson, Config, Sets, read_day

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

    from olaf_async.app.audit import Audit
    from olaf_async.research.audit.account import Breach, Proof, Row
    from olaf_async.settings import Settings

ROWS_MAX: Final = 40
"""More rows of one breach than this are for --json."""
_NS_PER_S: Final = 1_000_000_000
_WIDTH_MAX: Final = 120


def audit(  # noqa: PLR0913 -- one parameter for each flag
    context: typer.Context,
    *,
    day: Annotated[
        date | None,
        typer.Option("--day", parser=read_day, metavar="DAY", help="The day to prove; else today."),
    ] = None,
    from_journal: Annotated[
        bool,
        typer.Option(
            "--from-journal", metavar="", help="Judge the books as last read and kept; ask no server."
        ),
    ] = False,
    setups: Annotated[
        Path | None,
        typer.Option("--setups", metavar="FILE", help="What was traded, where there is no journal."),
    ] = None,
    config: Config = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Prove a day safe from the broker's own books. Exit code 4 where it was not."""
    invocation = context.ensure_object(Invocation)
    settings = invocation.load(config, sets)
    made = _made(invocation, settings, day, setups, from_journal=from_journal)
    zone = settings.session.zone
    if as_json:
        typer.echo(json.dumps(_as_json(made, zone), indent=2, ensure_ascii=False))
    else:
        _print(invocation.console, made, zone)
    code = {"safe": 0, "not safe": UNSAFE, "not proved": ERROR}[made.outcome.value]
    if code:
        raise typer.Exit(code)


def _made(
    invocation: Invocation, settings: "Settings", day: date | None, setups: Path | None, *, from_journal: bool
) -> "Audit":
    """Judge; whatever cannot be read ends the verb with a sentence.

    Raises:
        Exit: the books or the journal cannot be read.
    """
    from olaf_async.adapters.clock import SystemClock
    from olaf_async.app.audit import audit as judge_day
    from olaf_async.app.connections import today
    from olaf_async.cli.running import run_on_loop
    from olaf_async.errors import BrokerError, JournalError

    clock = SystemClock()
    meant = day or today(settings, clock)

    async def main() -> "Audit":
        return await judge_day(settings, meant, clock, setups=setups, from_journal=from_journal)

    try:
        return run_on_loop(main)
    except BrokerError as error:
        told = f"The books of {settings.broker.host} cannot be read: {error}."
        told += " --from-journal judges them as they were last read."
        code = ERROR
    except JournalError as error:
        told, code = f"{error}.", UNSAFE
    invocation.errors.print(told, markup=False)
    raise typer.Exit(code)


# ------------------------------------------------------------------------------------------------- for people


def _print(console: "Console", made: "Audit", zone: tzinfo) -> None:
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    width = min(console.width, _WIDTH_MAX)
    parts: list[RenderableType] = [_headline(made), _proofs(made.proofs)]
    for proof in made.proofs:
        for breach in proof.breaches:
            parts += [Text(), _breach_title(proof, breach)]
            if breach.rows:
                parts.append(Padding(_rows(breach.rows, zone), (0, 0, 0, 2)))
    if made.others:
        parts += [Text(), Text("Not ours, and kept apart", style="bold yellow")]
        parts.append(Padding(_rows(made.others, zone), (0, 0, 0, 2)))
    parts += [Text(), _said((f"books: {made.books}", *made.said))]
    console.print(Group(*parts), width=width)


def _headline(made: "Audit") -> "RenderableType":
    from rich.panel import Panel
    from rich.text import Text

    from olaf_async.app.audit import Outcome

    symbols = len(made.case.plans)
    about = f"{symbols} symbol{'' if symbols == 1 else 's'}, {len(made.case.ours):,} orders of ours"
    word, style = {
        Outcome.SAFE: ("✓ SAFE", "green"),
        Outcome.UNSAFE: ("✗ NOT SAFE", "red"),
        Outcome.UNPROVED: ("? NOT PROVED", "yellow"),
    }[made.outcome]
    if not made.case.is_over:
        word += " SO FAR"
    text = Text(word, style=f"bold {style}")
    text.append(f"   {about}", style="default not bold")
    title = f"Audit · {made.day:%A} {made.day.day} {made.day:%B %Y}"
    return Panel(
        text, title=Text(title, style="bold not dim"), title_align="left", border_style=style, padding=(0, 1)
    )


def _proofs(proofs: Sequence["Proof"]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    from olaf_async.research.audit.account import Verdict

    marks = {
        Verdict.KEPT: ("✓", "green", "default"),
        Verdict.BROKEN: ("✗", "bold red", "bold red"),
        Verdict.NOT_SHOWN: ("?", "bold yellow", "bold yellow"),
    }
    table = Table.grid(padding=(0, 1), pad_edge=False)
    table.add_column(width=1)
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_column(style="dim", no_wrap=True)
    for proof in proofs:
        mark, colour, style = marks[proof.verdict]
        told = proof.measured
        table.add_row(
            Text(mark, style=colour),
            proof.promise.value,
            Text(told, style=style),
            _WHOSE[proof.source.value],
        )
    return table


_WHOSE: Final = {"books": "books", "journal": "journal", "both": "books + journal"}


def _said(lines: Iterable[str]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1), pad_edge=False)
    for line in lines:
        table.add_row(Text("·", style="dim"), Text(line, style="dim"))
    return table


def _breach_title(proof: "Proof", breach: "Breach") -> "Text":
    from rich.text import Text

    text = Text("✗ ", style="bold red")
    text.append(f"{breach.symbol}: {breach.text}", style="bold red")
    text.append(f"  ({proof.promise.value})", style="dim not bold")
    return text


def _rows(rows: Sequence["Row"], zone: tzinfo) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for row in rows[:ROWS_MAX]:
        kind, at, words = row_words(row, zone)
        table.add_row(kind, at, Text(words))
    if len(rows) > ROWS_MAX:
        table.add_row("", "", Text(f"and {len(rows) - ROWS_MAX:,} more, see --json", style="dim"))
    return table


def row_words(row: "Row", zone: tzinfo) -> tuple[str, str, str]:
    """A row for a person: which book, when, what."""
    from olaf_async.adapters.openalgo.wire.dated import Dated
    from olaf_async.domain.events import OrderRow, PositionRow
    from olaf_async.domain.price import to_text
    from olaf_async.research.audit.account import Told

    if isinstance(row, PositionRow):
        return "position", "", f"{row.quantity:+,} {row.symbol}"
    if isinstance(row, Told):
        return "journal", _clock(row.at_ns, zone), f"{row.symbol}, record {row.seq}: {row.text}"
    inner = row.row
    at = row.at if row.at_ns is None else _clock(row.at_ns, zone)
    tag = f" [{row.tag}]" if row.tag else ""
    about = f"{inner.side.value} {inner.quantity:,} {inner.symbol}"
    if not isinstance(inner, OrderRow):
        return "trade", at, f"{inner.order_id}  {about} at {to_text(inner.price)}{tag}"
    assert isinstance(row, Dated), "an order of the book"
    trigger = f" from {to_text(inner.trigger)}" if inner.trigger else ""
    filled = f", {inner.filled:,} filled" if inner.filled not in (None, 0, inner.quantity) else ""
    limit = f" at {to_text(inner.price)}" if inner.price else ""
    terms = f"{inner.price_type.value}{trigger}{limit}"
    return "order", at, f"{inner.order_id}  {about} {terms}: {inner.status.value}{filled}{tag}"


def _clock(at_ns: int, zone: tzinfo) -> str:
    seconds, ns = divmod(at_ns, _NS_PER_S)
    at = f"{datetime.fromtimestamp(seconds, zone):%H:%M:%S}"
    return f"{at}.{ns // 1_000_000:03d}" if ns else at


# ------------------------------------------------------------------------------------------------- as JSON


def _as_json(made: "Audit", zone: tzinfo) -> dict[str, object]:
    spells = made.case.spells
    return {
        "day": str(made.day),
        "outcome": made.outcome.value,
        "is_over": made.case.is_over,
        "books": made.books,
        "symbols": sorted(made.case.plans),
        "orders_of_ours": len(made.case.ours),
        "proofs": [
            {
                "promise": proof.promise.value,
                "verdict": proof.verdict.value,
                "measured": proof.measured,
                "source": proof.source.value,
                "breaches": [
                    {"symbol": each.symbol, "text": each.text, "rows": _rows_as_json(each.rows, zone)}
                    for each in proof.breaches
                ],
            }
            for proof in made.proofs
        ],
        "positions": None
        if spells is None
        else [
            {
                "symbol": spell.symbol,
                "begin": _iso(spell.begin_ns, zone),
                "end": None if spell.end_ns is None else _iso(spell.end_ns, zone),
                "shares": spell.shares,
                "unprotected_ms": spell.bare_ns / 1e6,
                "unprotected_total_ms": spell.bare_total_ns / 1e6,
            }
            for spell in spells
        ],
        "others": _rows_as_json(made.others, zone),
        "said": list(made.said),
    }


def _rows_as_json(rows: Iterable["Row"], zone: tzinfo) -> list[dict[str, object]]:
    from olaf_async.domain.events import PositionRow
    from olaf_async.research.audit.account import Told

    found: list[dict[str, object]] = []
    for row in rows:
        kind, at, words = row_words(row, zone)
        about: dict[str, object] = {"book": kind, "at": at, "words": words}
        if isinstance(row, Told):
            about |= {"record": row.seq, "symbol": row.symbol}
        elif isinstance(row, PositionRow):
            about |= {"symbol": row.symbol, "quantity": row.quantity}
        else:
            about |= {
                "order_id": row.row.order_id,
                "symbol": row.row.symbol,
                "side": row.row.side.value,
                "quantity": row.row.quantity,
            }
        found.append(about)
    return found


def _iso(at_ns: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(at_ns / _NS_PER_S, zone).isoformat(timespec="milliseconds")
