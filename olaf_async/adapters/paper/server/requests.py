"""The table of fields of every request the server takes, as recorded and read from OpenAlgo 2.0.2.1."""

from dataclasses import replace
from typing import Final

from olaf_async.adapters.paper.server.fields import (
    Faults,
    Field,
    Fields,
    Table,
    above_zero,
    day,
    flag,
    list_of,
    number,
    number_text,
    one_of,
    text,
    text_of,
    whole,
    whole_between,
    zero_or_more,
)

EXCHANGES: Final = (
    "NSE", "NFO", "CDS", "BSE", "BFO", "BCD", "MCX", "NCDEX", "NCO", "NSE_INDEX", "BSE_INDEX", "MCX_INDEX",
    "GLOBAL_INDEX", "CRYPTO",
)  # fmt: skip
INTERVALS: Final = (
    "1s", "5s", "10s", "15s", "30s", "45s", "1m", "2m", "3m", "5m", "10m", "15m", "20m", "30m", "1h", "2h",
    "3h", "4h", "D", "W", "M", "Q", "Y",
)  # fmt: skip
LEGS_MAX: Final = 50


def _whole_shares(fields: Fields) -> Faults:
    """Only coins come in fractions."""
    quantity = fields.number("quantity")
    if quantity == quantity.to_integral_value() or fields.text("exchange") == "CRYPTO":
        return {}
    words = f"Fractional quantity ({float(quantity)}) is not allowed for non-crypto exchanges."
    return {"quantity": [words]}


_TEXT: Final = Field(text)
_KEY: Final = {"apikey": Field(text_of(1, 256))}
_STRATEGY: Final = {**_KEY, "strategy": _TEXT}
_EXCHANGE: Final = Field(one_of(*EXCHANGES))
_ACTION: Final = Field(one_of("BUY", "SELL", "buy", "sell"))
_PRODUCT: Final = Field(one_of("MIS", "NRML", "CNC"))
_PRICE_TYPE: Final = Field(one_of("MARKET", "LIMIT", "SL", "SL-M"))
_QUANTITY: Final = Field(above_zero("Quantity"))
_PRICE: Final = Field(zero_or_more("Price"))
_TRIGGER: Final = Field(zero_or_more("Trigger price"))
_DISCLOSED: Final = Field(zero_or_more("Disclosed quantity", whole))

_TERMS: Final = {
    "exchange": _EXCHANGE,
    "symbol": _TEXT,
    "action": _ACTION,
    "quantity": _QUANTITY,
    "pricetype": replace(_PRICE_TYPE, default="MARKET"),
    "product": replace(_PRODUCT, default="MIS"),
    "price": replace(_PRICE, default=number("0")),
    "trigger_price": replace(_TRIGGER, default=number("0")),
    "disclosed_quantity": replace(_DISCLOSED, default=number("0")),
}
_INSTRUMENT: Final = {"symbol": _TEXT, "exchange": _EXCHANGE}

KEY_ONLY: Final = Table(_KEY)
STRATEGY_ONLY: Final = Table(_STRATEGY)
ORDER: Final = Table(
    {**_STRATEGY, **_TERMS, "underlying_ltp": Field(number, None, is_nullable=True)}, _whole_shares
)
SMART_ORDER: Final = Table(
    {
        **_STRATEGY,
        **_TERMS,
        "quantity": Field(zero_or_more("Quantity")),
        "position_size": Field(number),
    },
    _whole_shares,
)
BASKET: Final = Table({**_STRATEGY, "orders": Field(list_of(Table(_TERMS, _whole_shares)))})
SPLIT_ORDER: Final = Table(
    {**_STRATEGY, **_TERMS, "splitsize": Field(above_zero("Split size"))}, _whole_shares
)
MODIFY: Final = Table(
    {
        **_STRATEGY,
        "exchange": _EXCHANGE,
        "symbol": _TEXT,
        "orderid": _TEXT,
        "action": _ACTION,
        "product": _PRODUCT,
        "pricetype": _PRICE_TYPE,
        "price": _PRICE,
        "quantity": _QUANTITY,
        "disclosed_quantity": _DISCLOSED,
        "trigger_price": _TRIGGER,
    },
    _whole_shares,
)
ONE_ORDER: Final = Table({**_STRATEGY, "orderid": _TEXT})
OPEN_POSITION: Final = Table({**_STRATEGY, "symbol": _TEXT, "exchange": _TEXT, "product": _PRODUCT})
TOGGLE: Final = Table({**_KEY, "mode": Field(flag)})
MARGIN: Final = Table(
    {
        **_KEY,
        "positions": Field(
            list_of(
                Table(
                    {
                        **_INSTRUMENT,
                        "action": _ACTION,
                        "product": _PRODUCT,
                        "pricetype": _PRICE_TYPE,
                        "quantity": Field(number_text),
                        "price": Field(number_text, number("0")),
                        "trigger_price": Field(number_text, number("0")),
                    }
                ),
                LEGS_MAX,
            )
        ),
    }
)
INSTRUMENT: Final = Table({**_KEY, **_INSTRUMENT})
INSTRUMENTS: Final = Table({**_KEY, "symbols": Field(list_of(Table(_INSTRUMENT)))})
HISTORY: Final = Table(
    {
        **_KEY,
        **_INSTRUMENT,
        "interval": Field(one_of(*INTERVALS)),
        "start_date": Field(day),
        "end_date": Field(day),
        "source": Field(one_of("api", "db"), "api"),
    }
)
SEARCH: Final = Table({**_KEY, "query": _TEXT, "exchange": replace(_EXCHANGE, default=None)})
EXPIRY: Final = Table({**_KEY, **_INSTRUMENT, "instrumenttype": Field(one_of("futures", "options"))})
HOLIDAYS: Final = Table({**_KEY, "year": Field(whole_between(2020, 2050), None)})
TIMINGS: Final = Table({**_KEY, "date": Field(day)})
NOTIFY: Final = Table(
    {
        **_KEY,
        "username": _TEXT,
        "message": _TEXT,
        "priority": Field(whole_between(1, 10), number("5")),
        "wait_for_delivery": Field(flag, default=False),
    }
)
LISTING: Final = Table({**_KEY, "exchange": _EXCHANGE, "format": Field(one_of("json", "csv"), "json")})
