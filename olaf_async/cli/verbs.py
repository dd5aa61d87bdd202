"""``replay``, ``scan`` and ``backtest``: flags in, files and a short report out."""

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from olaf_async.cli.invocation import Invocation
from olaf_async.cli.options import (
    AsJson,
    Bars,
    BarSpan,
    Config,
    Daily,
    From,
    Out,
    Sets,
    SkipBad,
    Ticks,
    TickSize,
    To,
    read_day,
)

if TYPE_CHECKING:
    from olaf_async.app.replay import Source
    from olaf_async.research.scan import ScanReport


def replay(  # noqa: PLR0913 -- one parameter for each flag
    context: typer.Context,
    *,
    ticks: Ticks = None,
    bars: Bars = None,
    setups: Annotated[
        Path | None,
        typer.Option("--setups", metavar="FILE", help="Setups to trade; else the setting setups_file."),
    ] = None,
    out: Out = None,
    bar_span: BarSpan = None,
    skip_bad: SkipBad = False,
    config: Config = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Trade setups over recorded ticks or bars, on a virtual clock."""
    source = _source(ticks, bars, bar_span)
    invocation = context.ensure_object(Invocation)
    settings = invocation.load(config, sets)
    chosen = setups or settings.setups_file
    if chosen is None:
        raise typer.BadParameter("give a setups file, or set setups_file", param_hint="--setups")
    from olaf_async.app.replay import run_replay
    from olaf_async.cli.runs import finish, watched

    out = out or settings.journal.dir / "replay"
    with watched(invocation) as observer:
        result = run_replay(settings, source, chosen, out, skip_bad=skip_bad, observer=observer)
    finish(invocation, result, out, as_json=as_json)


def scan(  # noqa: PLR0913 -- one parameter for each flag
    context: typer.Context,
    *,
    daily: Daily,
    day: Annotated[
        date | None,
        typer.Option(
            "--date",
            parser=read_day,
            metavar="DAY",
            help="The day to trade; it may be one session past the newest row.",
        ),
    ] = None,
    first: From = None,
    last: To = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the setups as CSV.")
    ] = None,
    tick_size: TickSize = None,
    skip_bad: SkipBad = False,
    config: Config = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Find 80-20 setups in daily bars."""
    if (day is None) == (first is None and last is None):
        raise typer.BadParameter("give either --date, or --from and --to")
    span = _span(first, last) if day is None else (day, day)
    invocation = context.ensure_object(Invocation)
    settings = invocation.load(config, sets)
    from olaf_async.app.replay import run_scan

    report = run_scan(
        settings, daily, span, out, is_live=day is not None, skip_bad=skip_bad, tick_size=tick_size
    )
    if as_json:
        typer.echo(json.dumps(_scan_as_json(report, out), indent=2, ensure_ascii=False))
    else:
        from olaf_async.cli.runs import print_scan

        print_scan(invocation, report, out)


def backtest(  # noqa: PLR0913 -- one parameter for each flag
    context: typer.Context,
    *,
    daily: Daily,
    first: From = None,
    last: To = None,
    ticks: Ticks = None,
    bars: Bars = None,
    out: Out = None,
    bar_span: BarSpan = None,
    tick_size: TickSize = None,
    skip_bad: SkipBad = False,
    config: Config = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Scan daily bars over a range of days and replay every setup found."""
    source = _source(ticks, bars, bar_span)
    span = _span(first, last)
    invocation = context.ensure_object(Invocation)
    settings = invocation.load(config, sets)
    from olaf_async.app.replay import run_backtest
    from olaf_async.cli.runs import finish, watched

    out = out or settings.journal.dir / "backtest"
    with watched(invocation) as observer:
        result = run_backtest(
            settings, daily, source, span, out, skip_bad=skip_bad, tick_size=tick_size, observer=observer
        )
    finish(invocation, result.run, out, as_json=as_json)


def _source(ticks: Path | None, bars: Path | None, bar_span: float | None) -> "Source":
    """The one folder of prices that was named."""
    if (ticks is None) == (bars is None):
        raise typer.BadParameter("give one of --ticks and --bars")
    if ticks is not None and bar_span is not None:
        raise typer.BadParameter("belongs to --bars", param_hint="--bar-span")
    from olaf_async.app.replay import Bars, Ticks

    if ticks is not None:
        return Ticks(ticks)
    assert bars is not None
    return Bars(bars, bar_span)


def _span(first: date | None, last: date | None) -> tuple[date, date]:
    if first is None or last is None:
        raise typer.BadParameter("give both --from and --to")
    return first, last


def _scan_as_json(report: "ScanReport", out: Path | None) -> dict[str, object]:
    from olaf_async.domain.price import to_text

    setups = [
        {
            "symbol": hit.setup.symbol,
            "entry_date": str(hit.setup.entry_date),
            "side": hit.setup.direction.word,
            "entry_price": to_text(hit.setup.entry_price),
            "trigger_price": to_text(hit.setup.trigger_price),
            "tick_size": to_text(hit.setup.tick_size),
            "true_range": to_text(hit.setup.true_range),
            "setup_date": str(hit.setup.setup_date),
            "mark": hit.mark,
        }
        for hit in report.hits
    ]
    return {
        "setups": setups,
        "symbols": report.symbols,
        "symbol_days": report.symbol_days,
        "dropped": {reason.value: count for reason, count in report.drop_counts.items()},
        "skipped_files": list(report.skipped),
        "out": None if out is None else str(out),
    }
