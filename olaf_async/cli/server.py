"""A paper server as the person who started it sees it: where it is, what it plays, and how it ends.

Owns signals and what is printed. The first line on standard output is for programs too.
"""

import asyncio
import json
import logging
import signal
from contextlib import suppress
from math import inf

import typer

from olaf_async.adapters.paper.server.running import PaperServer
from olaf_async.app.serve import Market, Serving, run_server, serve_rules
from olaf_async.cli.invocation import ERROR, Invocation
from olaf_async.logs import configure_logging
from olaf_async.settings import Settings


def serve_until_told(
    invocation: Invocation, settings: Settings, serving: Serving, market: Market, *, as_json: bool
) -> None:
    """Serve until Ctrl-C or SIGTERM, which is how it is meant to end.

    Raises:
        Exit: an address cannot be had.
    """
    log = settings.log
    configure_logging(log.level, log.file, settings.secrets(), timezone=settings.session.zone)
    # It reports each visitor, and with a traceback one who does not speak its language.
    logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
    try:
        asyncio.run(_serve(invocation, settings, serving, market, as_json=as_json))
    except OSError as error:
        invocation.errors.print(
            f"Olaf cannot listen: {error.strerror or error}. Choose another by --host, --port or --ws-port.",
            style="bold red",
            markup=False,
        )
        raise typer.Exit(ERROR) from None


async def _serve(
    invocation: Invocation, settings: Settings, serving: Serving, market: Market, *, as_json: bool
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # there are systems where a loop hears no signals
            loop.add_signal_handler(ending, stop.set)

    def started(server: PaperServer) -> None:
        if as_json:
            typer.echo(json.dumps(_as_json(server, market)))
            return
        typer.echo(f"REST {server.rest_url}  websocket {server.ws_url}")
        if invocation.console.is_terminal:
            _welcome(invocation, settings, serving, market)

    await run_server(settings, serving, market, started, stop)


def _as_json(server: PaperServer, market: Market) -> dict[str, object]:
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


def _welcome(invocation: Invocation, settings: Settings, serving: Serving, market: Market) -> None:
    """What a person wants to know who has just started it."""
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
