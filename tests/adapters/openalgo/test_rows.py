"""One value, one order: what thirty brokers write, and what may be believed of it."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.adapters.openalgo.numbers import (
    Json,
    WireError,
    number_or_none,
    paise,
    paise_or_none,
    read_json,
    required_text,
    required_whole,
    shown,
    text,
    whole_or_none,
)
from olaf_async.adapters.openalgo.wire.rows import Scope, mode_of, order_row, status_of
from olaf_async.domain.events import Mode, Status
from olaf_async.domain.order import PriceType, Side

ROW: dict[str, Json] = {
    "orderid": "26112289803740",
    "symbol": "SBIN",
    "exchange": "NSE",
    "product": "MIS",
    "action": "BUY",
    "quantity": 2,
    "price": Decimal("800.05"),
    "trigger_price": Decimal("0.0"),
    "pricetype": "LIMIT",
    "order_status": "open",
}


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, Decimal(5)),
        ("5", Decimal(5)),
        (" 5.50 ", Decimal("5.5")),
        ("-1e3", Decimal(-1000)),
        (Decimal("0.05"), Decimal("0.05")),
        ("", None),
        ("  ", None),
        (None, None),
    ],
)
def test_a_number_may_be_a_number_a_text_a_blank_or_null(value: Json, number: Decimal | None) -> None:
    assert number_or_none({"n": value}, "n") == number


@pytest.mark.parametrize(
    "value",
    [
        Decimal("1E+999999"),
        Decimal("-1E+999999"),
        True,
        "abc",
        "1,000",
        "1_000",
        "NaN",
        "inf",
        [],
        {},
        10**16,
        "1e99",
        10**4000,
        "٣",
        "0x10",
        "1" * 50,
    ],
)
def test_what_is_no_number_is_an_error_and_never_a_zero(value: Json) -> None:
    for read in (number_or_none, whole_or_none, required_whole, paise, paise_or_none):
        with pytest.raises(WireError):
            read({"n": value}, "n")


def test_a_quantity_is_whole_and_there() -> None:
    assert required_whole({"n": "10.0"}, "n") == 10
    halves: list[Json] = ["10.5", None, ""]
    for value in halves:
        with pytest.raises(WireError):
            required_whole({"n": value}, "n")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("511.95000000000005", 51195),
        (Decimal("511.95"), 51195),
        ("100.00", 10000),
        ("", 0),
        (None, 0),
        (Decimal("1E-400"), 0),
        (Decimal("-1E-999999"), 0),
        (Decimal("0." + "9" * 5000), 100),
        (Decimal("0.015"), 2),
        (Decimal("0.025"), 2),
    ],
)
def test_rupees_become_the_nearest_paisa_and_a_blank_none_of_them(value: Json, expected: int) -> None:
    assert paise({"p": value}, "p") == expected


def test_an_order_id_may_be_a_number_but_not_a_truth_or_a_fraction() -> None:
    assert required_text({"orderid": 250408000989443}, "orderid") == "250408000989443"
    assert text(" 7:42 ") == "7:42"
    strange: list[Json] = [True, Decimal("1.5"), None, "", " ", [], 10**60]
    for value in strange:
        with pytest.raises(WireError):
            required_text({"orderid": value}, "orderid")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[" * 100_000,
        b"[" * 100_000 + b"NaN",
        b'{"a":' * 100_000,
        b'"\\ud800"',
        b'["\\ud800", NaN]',
        b'["\xff", NaN]',
        b"1" * 5_000,
        b"[NaN, " + b"1" * 5_000 + b"]",
        b"1e99999999999999999999",
        b"[NaN, 1e99999999999999999999]",
        b"\xef\xbb\xbf{}",
        b"<html>Access Denied</html>",
        "\ud800",
    ],
)
def test_no_body_raises_anything_but_the_wire_error(body: bytes | str) -> None:
    with pytest.raises(WireError):
        read_json(body)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_random_bytes_are_read_or_refused(body: bytes | str) -> None:
    with suppress(WireError):
        read_json(body)


def test_json_numbers_never_pass_through_binary_floats() -> None:
    assert read_json(b'{"price": 511.95, "id": 123456789012345678901}') == {
        "price": Decimal("511.95"),
        "id": 123456789012345678901,
    }


def test_a_bare_nan_says_nothing() -> None:
    assert read_json(b'[NaN, -Infinity, 1.50, "NaN"]') == [None, None, Decimal("1.50"), "NaN"]
    assert read_json("[NaN]") == [None]


def test_a_value_is_shown_short() -> None:
    values: list[Json] = ["x" * 1000, 10**4000, {"apikey": "k"}, ["k"] * 9]
    for value in values:
        assert len(shown(value)) < 70
        assert "k" not in shown(value)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("complete", Status.COMPLETE),
        (" COMPLETE ", Status.COMPLETE),
        ("completed", Status.COMPLETE),
        ("cancelled", Status.CANCELLED),
        ("Canceled", Status.CANCELLED),
        ("CANCELLED AMO", Status.CANCELLED),
        ("rejected", Status.REJECTED),
        ("EXPIRED", Status.EXPIRED),
        ("open", Status.WORKING),
        ("trigger pending", Status.WORKING),
        ("cancel pending", Status.WORKING),
        ("PART_TRADED", Status.WORKING),
        ("PartiallyFilled", Status.WORKING),
        ("put order req received", Status.WORKING),
        ("unknown", Status.WORKING),
        ("", Status.WORKING),
        (None, Status.WORKING),
        (7, Status.WORKING),
        ([], Status.WORKING),
    ],
)
def test_only_known_ends_end_an_order(word: Json, status: Status) -> None:
    assert status_of(word) is status


def test_a_live_row_says_nothing_of_fills() -> None:
    row = order_row(ROW)

    assert (row.order_id, row.symbol, row.side) == ("26112289803740", "SBIN", Side.BUY)
    assert (row.price_type, row.status) == (PriceType.LIMIT, Status.WORKING)
    assert (row.quantity, row.price, row.trigger) == (2, 80005, 0)
    assert row.filled is None


def test_a_row_of_texts_and_blanks_reads_the_same() -> None:
    texts = {
        **ROW,
        "orderid": 26112289803740,
        "quantity": "2",
        "price": "800.050",
        "trigger_price": "",
        "filled_quantity": "1",
        "average_price": "800.0466667",
        "rejection_reason": None,
        "action": "buy",
    }

    row = order_row(texts)

    assert (row.order_id, row.quantity, row.price, row.trigger) == ("26112289803740", 2, 80005, 0)
    assert (row.filled, row.average, row.reason) == (1, 80005, "")


def test_an_order_status_names_its_kind_in_another_word() -> None:
    row = {name: value for name, value in ROW.items() if name != "pricetype"}

    assert order_row({**row, "price_type": "SL"}).price_type is PriceType.SL
    assert order_row({**row, "price_type": "STOP_LIMIT"}).price_type is PriceType.LIMIT
    assert order_row({**row, "trigger_price": "801"}).price_type is PriceType.SL


@pytest.mark.parametrize(
    "change",
    [
        {"orderid": None},
        {"orderid": ""},
        {"symbol": None},
        {"action": "HOLD"},
        {"action": None},
        {"quantity": None},
        {"quantity": "two"},
        {"quantity": -1},
        {"quantity": True},
        {"price": "n/a"},
        {"price": -1},
        {"trigger_price": {}},
        {"filled_quantity": -1},
        {"average_price": "x"},
    ],
)
def test_a_row_with_a_hole_is_no_row(change: dict[str, Json]) -> None:
    with pytest.raises(WireError):
        order_row({**ROW, **change})


@pytest.mark.parametrize(
    ("exchange", "product", "is_ours"),
    [
        ("NSE", "MIS", True),
        ("NSE", "CNC", False),
        ("NSE", "MTF", False),
        ("NFO", "MIS", False),
        ("CRYPTO", "ISOLATED", False),
    ],
)
def test_rows_of_another_exchange_or_product_are_not_ours(exchange: str, product: str, is_ours: bool) -> None:
    assert Scope("NSE", "MIS").holds({"exchange": exchange, "product": product}) is is_ours


@pytest.mark.parametrize(
    "row", [{}, {"exchange": "NSE_EQ", "product": "MIS"}, {"exchange": "NSE", "product": "INTRADAY"}]
)
def test_a_row_that_might_be_ours_under_another_name_is_an_error(row: dict[str, Json]) -> None:
    with pytest.raises(WireError):
        Scope("NSE", "MIS").holds(row)


def test_only_two_words_tell_a_mode() -> None:
    assert mode_of({"mode": "analyze"}) is Mode.ANALYZE
    assert mode_of({"mode": "live"}) is Mode.LIVE
    words: list[Json] = ["semi_auto", None, 1, ["live"]]
    for word in words:
        assert mode_of({"mode": word}) is None
    assert mode_of({}) is None
