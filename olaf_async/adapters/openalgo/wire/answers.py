"""Answers that say success: bodies to values, tolerantly where brokers differ and strictly where it counts.

Owns the shape of each answer. It never guesses what a missing statement means: a book that is not there, or
one of whose rows cannot be read, is a `WireError` and not an empty book, for what a book does not show counts
as absent. Money that a failed broker reports as nothing is None.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

from olaf_async.adapters.openalgo.numbers import (
    Fields,
    Json,
    WireError,
    fields,
    items,
    number_or_none,
    paise_or_none,
    read_json,
    required_text,
    required_whole,
    shown,
    text,
    whole_or_none,
)
from olaf_async.adapters.openalgo.wire.rows import Scope, mode_of, order_row, side_of
from olaf_async.domain.events import Mode, OrderRow, PositionRow, TradeRow
from olaf_async.domain.price import Paise

_Row = TypeVar("_Row", OrderRow, TradeRow, PositionRow)


@dataclass(frozen=True, slots=True)
class Book(Generic[_Row]):
    """One book read whole: our rows of it, and the mode of the account it is of."""

    mode: Mode
    rows: tuple[_Row, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """Prices of a symbol; None where the broker gave none or 0. A quote has no time: its age is unknown."""

    last: Paise | None
    bid: Paise | None
    ask: Paise | None
    low: Paise | None
    high: Paise | None
    previous_close: Paise | None


@dataclass(frozen=True, slots=True)
class SymbolInfo:
    """A row of the master contract. ``tick_size`` is as written: rupees with most, paise with some."""

    symbol: str
    tick_size: Decimal | None
    lot_size: int | None


@dataclass(frozen=True, slots=True)
class HistoryBar:
    """One bar; ``start_s`` is its start in seconds since the epoch.

    Of a daily bar only the date in India counts: brokers differ between midnight there and in UTC.
    """

    start_s: int
    open: Paise
    high: Paise
    low: Paise
    close: Paise
    volume: int


@dataclass(frozen=True, slots=True)
class History:
    """Bars as they came; ``unreadable`` counts those left out because a number was missing in them."""

    bars: tuple[HistoryBar, ...]
    unreadable: int


@dataclass(frozen=True, slots=True)
class Funds:
    """The account's money in paise."""

    available: Paise
    used: Paise


@dataclass(frozen=True, slots=True)
class Hours:
    """One exchange's hours on a day, milliseconds since the epoch."""

    exchange: str
    start_ms: int
    end_ms: int


# --- books ------------------------------------------------------------------------------------------------


def order_book(body: bytes, scope: Scope) -> Book[OrderRow]:
    """The order book. A live one has no fills, and a row's end is a hint, see `status_of`.

    Raises:
        WireError: not a whole order book.
    """
    answer = success(body)
    rows = items(fields(answer.get("data"), "data").get("orders"), "orders")
    return Book(account_mode(answer), tuple(order_row(row) for row in ours_of(rows, scope)))


def trade_book(body: bytes, scope: Scope) -> Book[TradeRow]:
    """The tradebook: one row a fill, without an id of its own on live servers.

    Raises:
        WireError: not a whole tradebook.
    """
    answer = success(body)
    rows = ours_of(items(answer.get("data"), "data"), scope)
    return Book(
        account_mode(answer), tuple(trade_row(row) for row in rows if whole_or_none(row, "quantity") != 0)
    )


def position_book(body: bytes, scope: Scope) -> Book[PositionRow]:
    """The position book; positions that were closed stay in it with quantity 0.

    Raises:
        WireError: not a whole position book.
    """
    answer = success(body)
    rows = ours_of(items(answer.get("data"), "data"), scope)
    held = (PositionRow(required_text(row, "symbol"), required_whole(row, "quantity")) for row in rows)
    return Book(account_mode(answer), tuple(held))


def order_status(body: bytes) -> OrderRow:
    """One order.

    Raises:
        WireError: it cannot be read.
    """
    return order_row(_data(body))


def open_position(body: bytes) -> int:
    """A net quantity. 0 proves nothing: it is also the answer where the broker could not be asked.

    Raises:
        WireError: there is no quantity.
    """
    return required_whole(success(body), "quantity")


def ours_of(rows: Json, scope: Scope) -> list[Fields]:
    """The rows of a book that are of our exchange and product.

    Raises:
        WireError: it is no list of rows, or one does not say of what it is.
    """
    read = [fields(row, "a row") for row in items(rows, "rows")]
    return [row for row in read if scope.holds(row)]


def trade_row(row: Fields) -> TradeRow:
    """One row of the tradebook.

    Raises:
        WireError: a part of it is missing or cannot be read.
    """
    quantity, price = required_whole(row, "quantity"), _price(row, "average_price") or _price(row, "price")
    if quantity < 0 or price is None:
        raise WireError(f"no execution: {quantity} at {shown(row.get('average_price'))}")
    return TradeRow(
        order_id=required_text(row, "orderid"),
        symbol=required_text(row, "symbol"),
        side=side_of(row),
        quantity=quantity,
        price=price,
    )


# --- market data ------------------------------------------------------------------------------------------


def quote(body: bytes) -> Quote:
    """The prices of one symbol.

    Raises:
        WireError: no prices are in it, or one that cannot be read.
    """
    return _quote(_data(body))


def quotes(body: bytes) -> Mapping[str, Quote]:
    """The prices of several symbols, by symbol; those the server had an error for are missing.

    Raises:
        WireError: an entry cannot be read.
    """
    entries = [fields(entry, "a result") for entry in items(success(body).get("results"), "results")]
    return {
        required_text(entry, "symbol"): _quote(fields(entry["data"], "data"))
        for entry in entries
        if "data" in entry
    }


def symbol_info(body: bytes) -> SymbolInfo:
    """The master contract's row of a symbol.

    Raises:
        WireError: it cannot be read.
    """
    data = _data(body)
    return SymbolInfo(
        required_text(data, "symbol"), number_or_none(data, "tick_size"), whole_or_none(data, "lotsize")
    )


def history(body: bytes) -> History:
    """Bars; servers send a bare NaN where a price is missing, and such a bar is left out and counted.

    Raises:
        WireError: it is no list of bars.
    """
    rows = [fields(row, "a bar") for row in items(success(body).get("data"), "data")]
    bars = [bar for row in rows if (bar := _bar(row)) is not None]
    return History(tuple(bars), len(rows) - len(bars))


def _quote(data: Fields) -> Quote:
    if "ltp" not in data:
        raise WireError("no ltp")
    low, high, close = (_price(data, name) for name in ("low", "high", "prev_close"))
    return Quote(_price(data, "ltp"), _price(data, "bid"), _price(data, "ask"), low, high, close)


def _bar(row: Fields) -> HistoryBar | None:
    prices = [_price(row, name) for name in ("open", "high", "low", "close")]
    start_s, volume = whole_or_none(row, "timestamp"), whole_or_none(row, "volume")
    start, high, low, close = prices
    if start is None or high is None or low is None or close is None or start_s is None:
        return None
    return HistoryBar(start_s, start, high, low, close, volume or 0)


def _price(row: Fields, key: str) -> Paise | None:
    """A price; 0 is how brokers write that there is none."""
    price = paise_or_none(row, key)
    if price is not None and price < 0:
        raise WireError(f"{key} is negative: {shown(row.get(key))}")
    return price or None


# --- account and server -----------------------------------------------------------------------------------


def funds(body: bytes) -> Funds | None:
    """The account's money; None where the server could not learn it.

    A failed broker call is answered with success and ``{}``, or with every figure 0.

    Raises:
        WireError: there is something that is no amount.
    """
    data = _data(body)
    names = ("availablecash", "utiliseddebits", "collateral", "m2mrealized", "m2munrealized")
    told = {name: paise_or_none(data, name) for name in names}
    if told["availablecash"] is None or not any(told.values()):
        return None
    return Funds(told["availablecash"], told["utiliseddebits"] or 0)


def ping(body: bytes) -> str:
    """The name of the broker behind the server; that it came proves key and session.

    Raises:
        WireError: it is no pong.
    """
    data = _data(body)
    if text(data.get("message")) != "pong":
        raise WireError(f"no pong: {shown(data.get('message'))}")
    return required_text(data, "broker")


def analyzer(body: bytes) -> Mode:
    """Where the server sends orders now; it can be switched at any moment.

    Raises:
        WireError: it does not say, or says two things.
    """
    data = _data(body)
    mode = mode_of(data)
    if mode is None or data.get("analyze_mode", mode is Mode.ANALYZE) is not (mode is Mode.ANALYZE):
        raise WireError(f"no clear mode: {shown(data.get('mode'))}, {shown(data.get('analyze_mode'))}")
    return mode


def timings(body: bytes) -> tuple[Hours, ...]:
    """The exchanges' hours; an exchange that does not open is missing. Advisory: known to be wrong at times.

    Raises:
        WireError: they cannot be read.
    """
    rows = [fields(row, "an exchange") for row in items(success(body).get("data"), "data")]
    return tuple(
        Hours(
            required_text(row, "exchange"), required_whole(row, "start_time"), required_whole(row, "end_time")
        )
        for row in rows
    )


# --- what they have in common -----------------------------------------------------------------------------


def success(body: bytes) -> Fields:
    """An answer that says success.

    Raises:
        WireError: it says anything else, or nothing.
    """
    answer = fields(read_json(body), "the answer")
    if answer.get("status") != "success":
        raise WireError(f"no success: {message_of(answer)}")
    return answer


def message_of(answer: Fields) -> str:
    """What the server says, on one line: a text, or an object of complaints by field."""
    message = answer.get("message")
    if isinstance(message, dict):
        return "; ".join(f"{name}: {_complaints(said)}" for name, said in list(message.items())[:5])
    return text(message) or shown(message)


def _complaints(said: Json) -> str:
    if not isinstance(said, list):
        return shown(said)
    return ", ".join(map(text, said[:3]))


def _data(body: bytes) -> Fields:
    return fields(success(body).get("data"), "data")


def account_mode(answer: Fields) -> Mode:
    """Books of the analyzer's account say so; those of the live account say nothing."""
    return mode_of(answer) or Mode.LIVE
