"""``serve-paper``: what its flags mean. The server itself is run by ``server``, which is heavier to load."""

from datetime import date, time
from math import inf, nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from olaf_async.cli.invocation import Invocation
from olaf_async.cli.options import AsJson, Bars, BarSpan, Config, Sets, SkipBad, Ticks, TickSize, read_day

if TYPE_CHECKING:
    from olaf_async.app.replay import Source


def _read_speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = nan
    if not speed >= 0:
        raise typer.BadParameter(f"{text!r} is not a speed; 1 is real time, 0 as fast as clients take it")
    return speed or inf


def _read_time(text: str) -> int:
    try:
        at = time.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is not None or at.microsecond:
        raise typer.BadParameter(f"{text!r} is not a time of day (HH:MM)")
    return at.hour * 3600 + at.minute * 60 + at.second


Port = Annotated[
    int,
    typer.Option("--port", min=0, max=65_535, metavar="PORT", help="REST and control; 0: any free one."),
]
WsPort = Annotated[
    int, typer.Option("--ws-port", min=0, max=65_535, metavar="PORT", help="Websocket; 0: any free one.")
]


def serve_paper(  # noqa: PLR0913 -- one parameter for each flag
    context: typer.Context,
    *,
    port: Port = 5000,
    ws_port: WsPort = 8765,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")
    ] = "127.0.0.1",
    ticks: Ticks = None,
    bars: Bars = None,
    bar_span: BarSpan = None,
    symbols: Annotated[
        str | None,
        typer.Option(
            "--symbols", metavar="LIST", help="Symbols, by comma, or a file with one a line (SYMBOL[,TICK])."
        ),
    ] = None,
    day: Annotated[
        date | None,
        typer.Option("--date", parser=read_day, metavar="DAY", help="The day to play; else the newest."),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            "--speed",
            parser=_read_speed,
            metavar="X",
            help="1: as it was (default); 0: as fast as it is read.",
        ),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option("--wait", metavar="", help="Let the day begin with the first client that wants ticks."),
    ] = False,
    tick_size: TickSize = None,
    square_off: Annotated[
        int | None,
        typer.Option(
            "--square-off",
            parser=_read_time,
            metavar="HH:MM",
            help="When the sandbox ends MIS orders and positions; else never.",
        ),
    ] = None,
    open_control: Annotated[
        bool, typer.Option("--open-control", metavar="", help="Let other machines use /paper/ too.")
    ] = False,
    skip_bad: SkipBad = False,
    config: Config = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """An OpenAlgo-compatible server (REST and websocket) on the paper broker."""
    source = _source(ticks, bars, bar_span)
    if source is None and symbols is None:
        raise typer.BadParameter("give --ticks or --bars, or --symbols for prices by control alone")
    if source is None and (day is not None or speed is not None or wait):
        raise typer.BadParameter("--date, --speed and --wait belong to --ticks and --bars")
    invocation = context.ensure_object(Invocation)
    settings = invocation.load(config, sets)
    from olaf_async.adapters.paper.server.running import Address
    from olaf_async.app.serve import Serving, prepare_market, read_symbols
    from olaf_async.cli.server import serve_until_told

    serving = Serving(
        Address(host, port, ws_port, is_control_open=open_control),
        {} if symbols is None else read_symbols(symbols),
        source,
        day,
        1.0 if speed is None else speed,
        wait,
        tick_size,
        square_off,
        skip_bad,
    )
    market = prepare_market(settings, serving)
    serve_until_told(invocation, settings, serving, market, as_json=as_json)


def _source(ticks: Path | None, bars: Path | None, bar_span: float | None) -> "Source | None":
    if ticks is not None and bars is not None:
        raise typer.BadParameter("give one of --ticks and --bars")
    if bars is None and bar_span is not None:
        raise typer.BadParameter("belongs to --bars", param_hint="--bar-span")
    if ticks is None and bars is None:
        return None
    from olaf_async.app import replay

    if ticks is not None:
        return replay.Ticks(ticks)
    assert bars is not None
    return replay.Bars(bars, bar_span)
