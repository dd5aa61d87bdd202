"""The market routes: quotes, depth, history, symbols and the exchange's days, for the symbols of the desk.

Owns what is made up because a paper exchange has no such thing: the book behind bid and ask, and the master
contract's broker names. It must never be asked by anything that decides on an order.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Final, Protocol

from olaf_async.adapters.paper.server.answers import Answer, Json, error, rupees, success
from olaf_async.adapters.paper.server.desk import EXCHANGE, PaperDesk, Quote
from olaf_async.adapters.paper.server.fields import Fields
from olaf_async.domain.calendar import NseCalendar
from olaf_async.domain.nse_sessions import HOLIDAYS, SPECIAL_SESSIONS
from olaf_async.domain.price import Paise
from olaf_async.errors import ConfigError

FOUND_MAX: Final = 500
_DEPTH: Final = 5
_BASE_QUANTITY: Final = 100


@dataclass(frozen=True, slots=True)
class Candle:
    """One row of history; ``start_s`` in seconds since the epoch."""

    start_s: int
    open: Paise
    high: Paise
    low: Paise
    close: Paise
    volume: int


class History(Protocol):
    """Where bars of the past come from."""

    @property
    def intervals(self) -> Sequence[str]:
        """Those it has, in OpenAlgo's words for them."""
        ...

    def candles(self, symbol: str, interval: str, start: date, end: date) -> Sequence[Candle]:
        """The bars of these days, both included, ascending; empty where there are none.

        Raises:
            ConfigError: a file of them cannot be read.
        """
        ...


class NoHistory:
    """A server that remembers no bars."""

    intervals = ()

    def candles(self, symbol: str, interval: str, start: date, end: date) -> Sequence[Candle]:  # noqa: ARG002
        """Nothing."""
        return ()


def ping(desk: PaperDesk, _fields: Fields) -> Answer:
    """Ping."""
    return success(data={"broker": desk.broker_name, "message": "pong"})


def quotes(desk: PaperDesk, fields: Fields) -> Answer:
    """Quotes of one symbol."""
    symbol, exchange = fields.text("symbol"), fields.text("exchange")
    if not desk.lists(symbol, exchange):
        return error(400, _not_listed(symbol, exchange))
    quote = desk.quote(symbol)
    return success(data=_quote_data(quote)) if quote else error(500, "Error fetching quotes: no price yet")


def multi_quotes(desk: PaperDesk, fields: Fields) -> Answer:
    """multiquotes: what failed comes first, as recorded."""
    failed: list[Json] = []
    found: list[Json] = []
    for row in fields.rows("symbols"):
        named: Json = {name: row.text(name) for name in ("exchange", "symbol")}
        quote = desk.quote(row.text("symbol"))
        if not desk.lists(row.text("symbol"), row.text("exchange")):
            failed.append({"error": _not_listed(row.text("symbol"), row.text("exchange")), **named})
        elif quote is None:
            failed.append({"error": "no price yet", **named})
        else:
            found.append({"data": _quote_data(quote), **named})
    return success(results=failed + found) if found else error(400, failed[0]["error"])


def depth(desk: PaperDesk, fields: Fields) -> Answer:
    """depth: five levels that are made up, a tick apart, behind bid and ask."""
    symbol, exchange = fields.text("symbol"), fields.text("exchange")
    if not desk.lists(symbol, exchange):
        return error(400, _not_listed(symbol, exchange))
    quote = desk.quote(symbol)
    if quote is None:
        return error(500, "Error fetching depth: no price yet")
    tick = desk.tick_sizes[symbol]
    data = _quote_data(quote)
    del data["ask"], data["bid"]
    total = sum(_BASE_QUANTITY * level for level in range(1, _DEPTH + 1))
    return success(
        data={
            **data,
            "asks": _levels(quote.ask, tick),
            "bids": _levels(quote.bid, -tick),
            "ltq": 1,
            "totalbuyqty": total,
            "totalsellqty": total,
        }
    )


def history(source: History, fields: Fields) -> Answer:
    """history: an unknown symbol or interval has no bars."""
    span = fields.day("start_date"), fields.day("end_date")
    try:
        candles = source.candles(fields.text("symbol"), fields.text("interval"), *span)
    except ConfigError as fault:
        return error(500, f"Error fetching history: {fault}")
    if not candles and fields.text("source") == "db":
        return error(404, "No data found for the specified parameters")
    return success(data=[_candle_row(candle) for candle in candles])


def intervals(source: History) -> Answer:
    """intervals, by their unit."""
    units = {"s": "seconds", "m": "minutes", "h": "hours", "D": "days", "W": "weeks", "M": "months"}
    return success(
        data={
            name: [known for known in source.intervals if known[-1] == unit] for unit, name in units.items()
        }
    )


def symbol(desk: PaperDesk, fields: Fields) -> Answer:
    """symbol: a row of the master contract."""
    name, exchange = fields.text("symbol"), fields.text("exchange")
    if not desk.lists(name, exchange):
        return error(404, f"Symbol {name} not found in exchange {exchange}")
    number = list(desk.tick_sizes).index(name) + 1
    return success(data={**_contract(desk, name), "freeze_qty": 1, "id": number})


def search(desk: PaperDesk, fields: Fields) -> Answer:
    """search: symbols that contain the text, in whatever case."""
    wanted = fields.text("query").upper()
    is_here = not fields.has("exchange") or fields.text("exchange") == EXCHANGE
    found = [name for name in desk.tick_sizes if wanted in name and is_here]
    if not found:
        return error(404, "No matching symbols found")
    return success(
        data=[{**_contract(desk, name), "freeze_qty": 1} for name in found[:FOUND_MAX]],
        message=f"Found {len(found)} matching symbols",
    )


def expiry(_desk: PaperDesk, _fields: Fields) -> Answer:
    """expiry: none, as only shares are listed."""
    return success(data=[], message="Found 0 expiry dates")


def instruments(desk: PaperDesk, fields: Fields) -> Answer:
    """Instruments of one exchange."""
    return success(data=_instrument_rows(desk, fields))


def instruments_csv(desk: PaperDesk, fields: Fields) -> str:
    """The same as a table."""
    file = io.StringIO()
    rows = _instrument_rows(desk, fields)
    if rows:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return file.getvalue()


def holidays(desk: PaperDesk, fields: Fields) -> Answer:
    """market/holidays of a year, by the project's own calendar."""
    year = fields.whole("year") if fields.has("year") else desk.local(desk.clock.now_ns()).year
    zone = _zone(desk)
    rows = [_holiday(day, why, zone) for day, why in sorted(HOLIDAYS.get(year, {}).items())]
    return success(data=rows, timezone="Asia/Kolkata", year=year)


def timings(desk: PaperDesk, fields: Fields) -> Answer:
    """market/timings of a date: the exchange's hours, nothing where it is closed."""
    session = NseCalendar().session(fields.day("date"))
    return success(
        data=[] if session is None else [_hours(session.day, session.open, session.close, _zone(desk))]
    )


def notify(desk: PaperDesk, fields: Fields) -> Answer:
    """telegram/notify: kept in the desk's notes, and sent to nobody."""
    desk.notes.append(fields.text("message"))
    is_waiting = fields.flag("wait_for_delivery")
    return success(
        message="Notification sent successfully" if is_waiting else "Notification queued for delivery"
    )


def _not_listed(symbol: str, exchange: str) -> str:
    return (
        f"Symbol '{symbol}' not found for exchange '{exchange}'. "
        "Please verify the symbol name and ensure master contracts are downloaded."
    )


def _quote_data(quote: Quote) -> Json:
    return {
        "ask": rupees(quote.ask),
        "bid": rupees(quote.bid),
        "high": rupees(quote.high),
        "low": rupees(quote.low),
        "ltp": rupees(quote.ltp),
        "oi": 0,
        "open": rupees(quote.open),
        "prev_close": rupees(quote.prev_close),
        "volume": quote.volume,
    }


def _levels(best: Paise, step: Paise) -> list[Json]:
    prices = [best + step * level for level in range(_DEPTH)] if best else []
    return [
        {"price": rupees(price), "quantity": _BASE_QUANTITY * level}
        for level, price in enumerate(prices, 1)
        if price > 0
    ]


def _candle_row(candle: Candle) -> Json:
    return {
        "close": rupees(candle.close),
        "high": rupees(candle.high),
        "low": rupees(candle.low),
        "oi": 0,
        "open": rupees(candle.open),
        "timestamp": candle.start_s,
        "volume": candle.volume,
    }


def _contract(desk: PaperDesk, name: str) -> Json:
    return {
        "brexchange": EXCHANGE,
        "brsymbol": name,
        "exchange": EXCHANGE,
        "expiry": "",
        "instrumenttype": "EQ",
        "lotsize": 1,
        "name": name,
        "strike": -1.0,
        "symbol": name,
        "tick_size": rupees(desk.tick_sizes[name]),
        "token": name,
    }


def _instrument_rows(desk: PaperDesk, fields: Fields) -> list[Json]:
    return [_contract(desk, name) for name in desk.tick_sizes] if fields.text("exchange") == EXCHANGE else []


def _holiday(day: date, why: str, zone: timezone) -> Json:
    special = SPECIAL_SESSIONS.get(day)
    return {
        "closed_exchanges": [] if special else [EXCHANGE],
        "date": day.isoformat(),
        "description": why,
        "holiday_type": "SPECIAL_SESSION" if special else "TRADING_HOLIDAY",
        "open_exchanges": [_hours(day, special.open, special.close, zone)] if special else [],
    }


def _hours(day: date, opens: time, closes: time, zone: timezone) -> Json:
    start, end = (int(datetime.combine(day, at, zone).timestamp()) * 1000 for at in (opens, closes))
    return {"end_time": end, "exchange": EXCHANGE, "start_time": start}


def _zone(desk: PaperDesk) -> timezone:
    return timezone(timedelta(seconds=desk.exchange.rules.utc_offset_s))
