"""``serve-paper`` put together: settings and flags become a desk, its prices, and a server that runs.

It must never decide anything itself. What is played is the prices of one day of a folder, whatever the time
of day is now; so the hours of the exchange are not enforced here.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from math import isinf
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from olaf_async.adapters.clock import SystemClock
from olaf_async.adapters.paper.account import PaperRules
from olaf_async.adapters.paper.server.desk import PaperDesk
from olaf_async.adapters.paper.server.prices import Step
from olaf_async.adapters.paper.server.running import Address, PaperServer, running
from olaf_async.app.rules import paper_rules
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.price import Paise, PriceError, to_paise
from olaf_async.domain.tick_sizes import tick_size
from olaf_async.errors import ConfigError
from olaf_async.ports.clock import Clock
from olaf_async.settings import Settings

if TYPE_CHECKING:
    from olaf_async.adapters.replay.files import PriceColumns
    from olaf_async.app.replay import Source

TICK: Final[Paise] = 5
"""The tick size of a symbol of which neither a file nor a price tells one."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What is to be served.

    ``symbols`` are those to be traded, with a tick size (paise) where one is known; empty: all of ``source``.
    ``source`` None: prices come by control alone. ``day`` None: the newest that the source has. ``speed`` is
    that of the day's own clock, inf: as fast as clients take it. ``waits``: it begins with the first client
    that wants ticks. ``square_off_s`` (seconds since midnight, None: never): when the sandbox ends MIS.
    """

    address: Address = field(default_factory=Address)
    symbols: Mapping[str, Paise | None] = field(default_factory=dict)
    source: "Source | None" = None
    day: date | None = None
    speed: float = 1.0
    waits: bool = False
    tick_size: Paise | None = None
    square_off_s: int | None = None
    skip_bad: bool = False


@dataclass(frozen=True, slots=True)
class Market:
    """The symbols that are traded, their tick sizes, and what will be played of them."""

    tick_sizes: Mapping[str, Paise]
    day: date | None
    steps: Iterable[Step]
    prints: int
    skipped: tuple[str, ...] = ()


def serve_rules(settings: Settings, square_off_s: int | None = None) -> PaperRules:
    """How the account behaves: where nothing is set as OpenAlgo's sandbox, without charges."""
    rules = paper_rules(settings)
    if settings.origin("paper.exchange_true") == "default":
        rules = replace(rules, exchange_true=False)
    if not rules.exchange_true and settings.origin("paper.charges") == "default":
        rules = replace(rules, charges=None)
    return replace(rules, square_off_s=square_off_s)


def read_symbols(text: str) -> dict[str, Paise | None]:
    """A file of symbols, one a line, each with its tick size after a comma or without; or a list of them.

    Raises:
        ConfigError: the file cannot be read, or a line is not as it should be.
    """
    path = Path(text)
    if not path.is_file():
        return _checked_symbols({name.strip(): None for name in text.split(",") if name.strip()}, text)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    found: dict[str, Paise | None] = {}
    for number, line in enumerate(lines, 1):
        name, _, tick = (part.strip() for part in line.partition("#")[0].partition(","))
        if not name or (number == 1 and name.lower() == "symbol"):
            continue
        try:
            found[name] = _tick_size(tick) if tick else None
        except PriceError as error:
            raise ConfigError(f"{path}: line {number}: tick size: {error}") from None
    return _checked_symbols(found, text)


def _tick_size(text: str) -> Paise:
    paise = to_paise(text)
    if paise <= 0:
        raise PriceError(f"{text} is not greater than zero")
    return paise


def _is_of_a_file(name: str) -> bool:
    return " " in name or "/" in name or name.lower().endswith((".csv", ".txt"))


def _checked_symbols(found: dict[str, Paise | None], where: str) -> dict[str, Paise | None]:
    if not found:
        raise ConfigError(f"{where or 'an empty list'}: names no symbol")
    odd = next((name for name in found if not name.isprintable() or set(name) & set(" /\\.")), None)
    if odd is not None:
        raise ConfigError(f"{odd!r} is neither a symbol nor a file that is there")
    return found


# ------------------------------------------------------------------------------------------------- market


def prepare_market(settings: Settings, serving: Serving) -> Market:
    """The symbols and the day's prices, read whole before anything is served.

    Raises:
        ConfigError: the folder or a file of it is not as it should be, or it has no prices of that day.
    """
    if serving.source is None:
        ticks = {name: tick or serving.tick_size or TICK for name, tick in serving.symbols.items()}
        return Market(ticks, None, (), 0)
    from olaf_async.app.replay import open_prices

    folder = open_prices(settings, serving.source, skip_bad=serving.skip_bad)
    there = [name for name in folder.symbols() if not serving.symbols or name in serving.symbols]
    day = serving.day or max((day for name in there for day in folder.days(name)), default=None)
    columns = [] if day is None else [each for name in there if (each := folder.read(name, day)) is not None]
    columns = [each for each in columns if len(each.price)]
    if day is None or not columns:
        what = "of these symbols" if serving.symbols else "at all"
        raise ConfigError(
            f"{serving.source.folder}: has no prices {what}" + (f" on {day}" if day is not None else "")
        )
    first = {each.symbol: int(each.price[0]) for each in columns}
    names = serving.symbols or dict.fromkeys(sorted(first))
    ticks = {
        name: tick or serving.tick_size or (tick_size(day, first[name]) if name in first else TICK)
        for name, tick in names.items()
    }
    return Market(
        ticks, day, _steps(columns), sum(len(each.price) for each in columns), tuple(folder.skipped)
    )


def _steps(columns: "list[PriceColumns]") -> Iterator[Step]:
    """All prices of the day by time, then symbol, as replay merges them."""
    return heapq.merge(*map(_steps_of, columns), key=lambda step: (step.at_ns, step.symbol))


def _steps_of(columns: "PriceColumns") -> Iterator[Step]:
    count = len(columns.price)
    flags = [False] * count if columns.continuous is None else columns.continuous.tolist()
    for at_ns, price, flag in zip(columns.t_ns.tolist(), columns.price.tolist(), flags, strict=True):
        yield Step(at_ns, columns.symbol, price, flag)


# ---------------------------------------------------------------------------------------------------- run


def new_desk(settings: Settings, serving: Serving, market: Market, clock: Clock) -> PaperDesk:
    """The account that is served; its key is ``broker.api_key``, and any key where that is not set."""
    key = settings.broker.api_key
    return PaperDesk(
        serve_rules(settings, serving.square_off_s),
        market.tick_sizes,
        clock,
        api_key="" if key is None else key.get_secret_value(),
    )


async def run_server(
    settings: Settings,
    serving: Serving,
    market: Market,
    started: Callable[[PaperServer], None],
    stop: asyncio.Event,
) -> None:
    """Serve until ``stop``; ``started`` is told where, before the first price.

    Raises:
        OSError: an address cannot be had.
    """
    clock = SystemClock()
    desk = new_desk(settings, serving, market, clock)
    latency_ns = settings.paper.latency_ms * SECOND_NS // 1000
    middlewares = (delayed(clock, latency_ns),) if latency_ns else ()
    async with running(desk, serving.address, middlewares=middlewares) as server:
        started(server)
        waits = serving.waits or isinf(serving.speed)
        async with asyncio.TaskGroup() as group:
            play = group.create_task(
                server.board.play(market.steps, serving.speed, server.stream, waits=waits)
            )
            await stop.wait()
            play.cancel()


def delayed(clock: Clock, latency_ns: int) -> Middleware:
    """A request acts half the latency after it came and is answered the other half later."""

    @web.middleware
    async def delay(request: web.Request, handler: Handler) -> web.StreamResponse:
        await clock.sleep_until_ns(clock.now_ns() + latency_ns // 2)
        try:
            return await handler(request)
        finally:
            await clock.sleep_until_ns(clock.now_ns() + latency_ns // 2)

    return delay
