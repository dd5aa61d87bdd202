"""What is sent, byte by byte."""

import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.adapters.openalgo.wire import requests
from olaf_async.adapters.openalgo.wire.requests import Access, Request
from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder
from olaf_async.domain.order import PriceType, Role, Side, Terms

ACCESS = Access("secret-key", "olaf", "NSE", "MIS")
STOP = Terms(3, 50900, 51195)


def place(terms: Terms, symbol: str = "M&M", price_type: PriceType = PriceType.SL) -> PlaceOrder:
    return PlaceOrder(symbol, 7, "M&M-1-stop", Role.STOP, Side.SELL, price_type, terms)


def test_a_new_order_says_every_field_and_no_price_has_a_binary_tail() -> None:
    request = requests.place(ACCESS, place(STOP))

    assert request.route == "placeorder"
    assert request.body == (
        b'{"apikey":"secret-key","strategy":"olaf","symbol":"M&M","exchange":"NSE","product":"MIS",'
        b'"action":"SELL","pricetype":"SL","quantity":3,"price":509.00,"trigger_price":511.95,'
        b'"disclosed_quantity":0}'
    )


def test_a_change_says_every_field_again_and_the_id_as_text() -> None:
    intent = ModifyOrder("SBIN", 8, "k", Role.STOP, Side.BUY, PriceType.LIMIT, Terms(1, 5), "0012")

    request = requests.modify(ACCESS, intent)

    assert request.route == "modifyorder"
    assert request.body == (
        b'{"apikey":"secret-key","strategy":"olaf","orderid":"0012","symbol":"SBIN","exchange":"NSE",'
        b'"product":"MIS","action":"BUY","pricetype":"LIMIT","quantity":1,"price":0.05,"trigger_price":0.00,'
        b'"disclosed_quantity":0}'
    )


def test_a_cancel_names_the_order_and_our_strategy() -> None:
    request = requests.cancel(ACCESS, CancelOrder("SBIN", 9, "k", Role.ENTRY, "12"))

    assert (request.route, request.body) == (
        "cancelorder",
        b'{"apikey":"secret-key","strategy":"olaf","orderid":"12"}',
    )


@pytest.mark.parametrize(
    ("request_", "route", "fields"),
    [
        (requests.order_book(ACCESS), "orderbook", {}),
        (requests.trade_book(ACCESS), "tradebook", {}),
        (requests.position_book(ACCESS), "positionbook", {}),
        (requests.order_status(ACCESS, "12"), "orderstatus", {"strategy": "olaf", "orderid": "12"}),
        (
            requests.open_position(ACCESS, "SBIN"),
            "openposition",
            {"strategy": "olaf", "symbol": "SBIN", "exchange": "NSE", "product": "MIS"},
        ),
        (requests.quote(ACCESS, "SBIN"), "quotes", {"symbol": "SBIN", "exchange": "NSE"}),
        (
            requests.quotes(ACCESS, ["SBIN", "ITC"]),
            "multiquotes",
            {"symbols": [{"symbol": "SBIN", "exchange": "NSE"}, {"symbol": "ITC", "exchange": "NSE"}]},
        ),
        (requests.symbol_info(ACCESS, "SBIN"), "symbol", {"symbol": "SBIN", "exchange": "NSE"}),
        (
            requests.history(ACCESS, "SBIN", "D", date(2026, 11, 16), date(2026, 11, 20)),
            "history",
            {
                "symbol": "SBIN",
                "exchange": "NSE",
                "interval": "D",
                "start_date": "2026-11-16",
                "end_date": "2026-11-20",
                "source": "api",
            },
        ),
        (requests.funds(ACCESS), "funds", {}),
        (requests.ping(ACCESS), "ping", {}),
        (requests.analyzer(ACCESS), "analyzer", {}),
        (requests.timings(ACCESS, date(2026, 11, 23)), "market/timings", {"date": "2026-11-23"}),
    ],
)
def test_a_read_says_what_the_server_asks_for_and_no_more(
    request_: Request, route: str, fields: dict[str, object]
) -> None:
    assert request_.route == route
    assert json.loads(request_.body) == {"apikey": "secret-key", **fields}


def test_the_key_is_in_no_repr() -> None:
    assert "secret-key" not in repr(ACCESS)
    assert "secret-key" not in repr(requests.place(ACCESS, place(STOP)))


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(1, 10**9))
def test_every_price_arrives_as_the_same_paise(price: int, trigger: int, quantity: int) -> None:
    body = requests.place(ACCESS, place(Terms(quantity, price, trigger))).body

    sent = json.loads(body, parse_float=Decimal)

    assert (sent["price"], sent["trigger_price"]) == (Decimal(price) / 100, Decimal(trigger) / 100)
    assert sent["quantity"] == quantity
