"""``serve-paper``: flags in, one line that says where the server is, and a clean end on Ctrl-C or SIGTERM."""

import json
import logging
import signal
from contextlib import suppress
from datetime import date, time
from math import inf, nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from olaf_async.cli.invocation import ERROR, Invocation
from olaf_async.cli.options import AsJson, Bars, BarSpan, Config, Sets, SkipBad, Ticks, TickSize, read_day

if TYPE_CHECKING:
    from olaf_async.adapters.paper.server.running import PaperServer
    from olaf_async.app.replay import Source
    from olaf_async.app.serve import Market, Serving
    from olaf_async.settings import Settings


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


Port = Annotated[int, typer.Option("--port", min=0, max=65_535, help="REST and control; 0: any free one.")]
WsPort = Annotated[int, typer.Option("--ws-port", min=0, max=65_535, help="Websocket; 0: any free one.")]


def serve_paper(  # noqa: PLR0913 -- one parameter for each flag
    context: typer.Context,
    *,
    port: Port = 5000,
    ws_port: WsPort = 8765,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
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
    import asyncio

    from olaf_async.adapters.paper.server.running import Address
    from olaf_async.app.serve import Serving, prepare_market, read_symbols

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
    try:
        asyncio.run(_serve(invocation, settings, serving, market, as_json=as_json))
    except OSError as error:
        invocation.errors.print(
            f"Olaf cannot listen: {error.strerror or error}. Choose another by --host, --port or --ws-port.",
            style="bold red",
            markup=False,
        )
        raise typer.Exit(ERROR) from None


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


async def _serve(
    invocation: Invocation, settings: "Settings", serving: "Serving", market: "Market", *, as_json: bool
) -> None:
    import asyncio

    from olaf_async.app.serve import run_server
    from olaf_async.logs import configure_logging

    configure_logging(
        settings.log.level, settings.log.file, settings.secrets(), timezone=settings.session.zone
    )
    logging.getLogger("websockets.server").setLevel(
        logging.CRITICAL
    )  # it reports each visitor, well-bred or not
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # there are systems where a loop hears no signals
            loop.add_signal_handler(ending, stop.set)

    def started(server: "PaperServer") -> None:
        if as_json:
            typer.echo(json.dumps(_as_json(server, market)))
        else:
            typer.echo(f"REST {server.rest_url}  websocket {server.ws_url}")
            if invocation.console.is_terminal:
                _welcome(invocation, settings, serving, market)

    await run_server(settings, serving, market, started, stop)


def _as_json(server: "PaperServer", market: "Market") -> dict[str, object]:
    return {
        "rest": server.rest_url,
        "ws": server.ws_url,
        "port": server.port,
        "ws_port": server.ws_port,
        "symbols": list(market.tick_sizes),
        "day": None if market.day is None else str(market.day),
        "prints": market.prints,
        "skipped_files": list(market.skipped),
    }


def _welcome(invocation: Invocation, settings: "Settings", serving: "Serving", market: "Market") -> None:
    """What a person wants to know who has just started it."""
    from olaf_async.app.serve import serve_rules

    names = list(market.tick_sizes)
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    key = "any" if settings.broker.api_key is None else "that of broker.api_key"
    fills = "an exchange" if serve_rules(settings).exchange_true else "OpenAlgo's sandbox (analyze mode)"
    if market.day is None:
        prices = "by hand: POST /paper/price"
    else:
        pace = "as fast as clients take them" if serving.speed == inf else f"at speed {serving.speed:g}"
        prices = f"{market.prints:,} of {market.day}, {pace}"
        if serving.waits or serving.speed == inf:
            prices += ", from the first client that wants ticks"
    rows = {"symbols": shown, "prices": prices, "fills as": fills, "key": key, "ends with": "Ctrl-C"}
    for name, told in rows.items():
        invocation.console.print(f"[dim]{name:>10}[/]  ", end="")
        invocation.console.print(told, markup=False)
    for line in market.skipped:
        invocation.errors.print(f"left out: {line}", style="yellow", markup=False)
