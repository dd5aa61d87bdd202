"""Settings become connections to an OpenAlgo server, and what else ``live`` and ``record`` share.

Owns which setting goes where. It must never connect by itself: what it makes connects when it is used.
"""

import asyncio
import random
from collections.abc import Coroutine, Mapping, Sequence
from datetime import date, datetime
from typing import Final

from loguru import logger

from olaf_async.adapters.openalgo.connection import Dialer
from olaf_async.adapters.openalgo.feed import OpenAlgoFeed, Tell
from olaf_async.adapters.openalgo.order_stream import OrderStream
from olaf_async.adapters.openalgo.rest import OpenAlgoRest
from olaf_async.adapters.openalgo.wire import answers, requests
from olaf_async.adapters.openalgo.wire.requests import Access
from olaf_async.adapters.openalgo.wire.rows import Scope
from olaf_async.app.rules import EXCHANGE_ZONE, calendar
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import Mode
from olaf_async.domain.intents import Say, Severity
from olaf_async.domain.price import Paise, to_text
from olaf_async.domain.session import Session
from olaf_async.domain.trade import Trade
from olaf_async.errors import ConfigError
from olaf_async.ports.clock import Clock
from olaf_async.settings import Settings

MS_NS: Final = 1_000_000
_LEVELS: Final = {Severity.NOTE: "INFO", Severity.WARNING: "WARNING", Severity.ALARM: "CRITICAL"}


def api_key(settings: Settings) -> str:
    """The server's key.

    Raises:
        ConfigError: there is none.
    """
    if settings.broker.api_key is None:
        raise ConfigError(
            "broker.api_key is not set: make a key in OpenAlgo and put it into OLAF_BROKER__API_KEY"
            " (serve-paper takes any)"
        )
    return settings.broker.api_key.get_secret_value()


def today(settings: Settings, clock: Clock) -> date:
    """The local day it is."""
    return datetime.fromtimestamp(clock.now_ns() // SECOND_NS, settings.session.zone).date()


def exchange_hours_ns(settings: Settings, day: date) -> tuple[int, int] | None:
    """When the exchange opens and closes by our own calendar; None where it does not, or every day counts."""
    hours = calendar(settings).session(day)
    if settings.session.calendar != "NSE" or hours is None:
        return None
    start, end = (
        int(datetime.combine(day, at, EXCHANGE_ZONE).timestamp()) * SECOND_NS
        for at in (hours.open, hours.close)
    )
    return start, end


def log_message(message: Say) -> None:
    """Put what the engine or a connection says into the log. Never raises and never waits."""
    about = {} if message.symbol is None else {"symbol": message.symbol}
    text = message.text.removeprefix(f"{message.symbol}: ")  # it has a place of its own in each line
    logger.bind(code=message.code, **about).log(_LEVELS[message.severity], text)


def log_trade(trade: Trade) -> None:
    """Put a closed position into the log, one line. Never raises and never waits."""
    bare_ms = trade.unprotected_ns / MS_NS
    text = f"trade {trade.attempt} over: {trade.reason.value}, gross {to_text(trade.gross)}"
    logger.bind(code="trade", symbol=trade.symbol, unprotected_ms=bare_ms, quantity=trade.quantity).info(
        f"{text}, {bare_ms:,.0f} ms without a confirmed stop"
    )


async def watching(onlooker: Coroutine[object, object, object]) -> None:
    """Let somebody look on. Should that fail, the log says so, and what is looked at goes on unseen."""
    try:
        await onlooker
    except Exception as error:  # noqa: BLE001 -- a display's border: it must take nothing with it
        logger.opt(exception=error).error("this run cannot be shown any more")
    await asyncio.Event().wait()


def new_rest(settings: Settings, clock: Clock) -> OpenAlgoRest:
    """The server's REST interface, to be entered.

    Raises:
        ConfigError: there is no key.
    """
    broker = settings.broker
    return OpenAlgoRest(
        broker.host,
        Access(api_key(settings), broker.strategy, broker.exchange, broker.product),
        clock,
        timeout_s=float(broker.request_timeout_s),
        orders_per_s=settings.risk.max_orders_per_s,
    )


def new_feed(
    settings: Settings,
    rest: OpenAlgoRest,
    near: Mapping[str, Paise],
    session: Session,
    clock: Clock,
    tell: Tell,
) -> OpenAlgoFeed:
    """Prices of the symbols of ``near``, each with a price it is known to be near.

    Raises:
        ConfigError: there is no key.
    """

    async def ask(symbols: Sequence[str]) -> Mapping[str, Paise | None]:
        quotes = await rest.read(requests.quotes(rest.access, symbols), answers.quotes)
        return {symbol: quote.last for symbol, quote in quotes.items()}

    return OpenAlgoFeed(
        _dialer(settings, clock, needs_prices=True),
        settings.broker.exchange,
        near,
        session=session,
        clock=clock,
        quotes=ask,
        tell=tell,
    )


def new_order_stream(settings: Settings, mode: Mode, clock: Clock, tell: Tell) -> OrderStream:
    """The account's pushed news. Raises as ``new_feed``."""
    scope = Scope(settings.broker.exchange, settings.broker.product)
    return OrderStream(_dialer(settings, clock, needs_prices=False), scope, mode, clock, tell)


def _dialer(settings: Settings, clock: Clock, *, needs_prices: bool) -> Dialer:
    return Dialer(settings.broker.ws_url, api_key(settings), clock, random.random, needs_prices=needs_prices)
