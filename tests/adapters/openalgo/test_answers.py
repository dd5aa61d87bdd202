"""What comes back, decoded: tolerantly where brokers differ, not at all where something is missing."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.adapters.openalgo.numbers import WireError
from olaf_async.adapters.openalgo.wire import answers
from olaf_async.adapters.openalgo.wire.answers import Funds, HistoryBar, Hours, SymbolInfo
from olaf_async.adapters.openalgo.wire.outcomes import Accepted, judge_failed_read, judge_write
from olaf_async.adapters.openalgo.wire.rows import Scope
from olaf_async.domain.events import Mode, PositionRow, TradeRow, Verb
from olaf_async.domain.order import Side
from olaf_async.errors import BrokerError, BrokerUndecided
from tests.adapters.openalgo.corpus import CORPUS, FLAT, ORDER, POSITION, RESULTS, TRADE, data, orders, rows

SCOPE = Scope("NSE", "MIS")
TRANSCRIPTS = Path(__file__).parents[4] / "shared" / "reference" / "openalgo-transcripts"

order_book = partial(answers.order_book, scope=SCOPE)
trade_book = partial(answers.trade_book, scope=SCOPE)
position_book = partial(answers.position_book, scope=SCOPE)

DECODERS: dict[str, Callable[[bytes], object]] = {
    "orderbook": order_book,
    "tradebook": trade_book,
    "positionbook": position_book,
    "orderstatus": answers.order_status,
    "openposition": answers.open_position,
    "quotes": answers.quote,
    "multiquotes": answers.quotes,
    "symbol": answers.symbol_info,
    "history": answers.history,
    "funds": answers.funds,
    "ping": answers.ping,
    "analyzer": answers.analyzer,
    "market/timings": answers.timings,
}
VERBS = {"placeorder": Verb.PLACE, "modifyorder": Verb.MODIFY, "cancelorder": Verb.CANCEL}
STRANGERS = {
    "cancelallorder",
    "closeposition",
    "depth",
    "holdings",
    "intervals",
    "nosuchthing",
    "placesmartorder",
    "search",
}
"""Routes of the recordings that we never use: whole-account verbs and what an engine has no need of."""


# --- books ------------------------------------------------------------------------------------------------


def test_a_live_order_book_is_read_though_it_is_all_texts() -> None:
    book = order_book(orders(ORDER))

    assert book.mode is Mode.LIVE
    (row,) = book.rows
    assert (row.order_id, row.quantity, row.price, row.trigger) == ("250408000989443", 5, 51195, 0)
    assert row.filled is None


def test_an_empty_book_is_a_statement_and_a_missing_one_is_none() -> None:
    assert order_book(orders()).rows == ()
    assert trade_book(rows()).rows == ()
    assert position_book(rows()).rows == ()
    for body in (data(b"null"), data(b"{}"), data(b'{"orders":null}'), b'{"status":"success"}'):
        for read in (order_book, trade_book, position_book):
            with pytest.raises(WireError):
                read(body)


def test_one_row_that_cannot_be_read_makes_the_whole_book_unreadable() -> None:
    for hole in (b"null", b"[]", b"7", b"{}", ORDER.replace(b"250408000989443", b"null")):
        with pytest.raises(WireError):
            order_book(orders(ORDER, hole))
    with pytest.raises(WireError):
        trade_book(rows(TRADE, TRADE.replace(b'"12"', b'""')))
    with pytest.raises(WireError):
        position_book(rows(POSITION, FLAT.replace(b":0,", b":null,")))


def test_a_row_of_another_product_may_be_as_odd_as_it_likes() -> None:
    other = b'{"exchange":"NFO","product":"NRML","quantity":"lots"}'

    assert len(order_book(orders(ORDER, other)).rows) == 1
    assert len(trade_book(rows(TRADE, other)).rows) == 1
    assert len(position_book(rows(POSITION, other)).rows) == 1


def test_a_book_of_the_analyzer_says_so() -> None:
    assert trade_book(b'{"status":"success","mode":"analyze","data":[]}').mode is Mode.ANALYZE


def test_an_execution_has_a_price_to_the_nearest_paisa() -> None:
    assert trade_book(rows(TRADE)).rows == (TradeRow("12", "SBIN", Side.SELL, 2, 51195),)
    by_price = TRADE.replace(b"511.95000000000005", b'""').replace(b'"trade_value"', b'"price"')
    assert trade_book(rows(by_price)).rows[0].price == 102390


def test_an_execution_of_nothing_is_none_and_one_without_a_price_is_an_error() -> None:
    assert trade_book(rows(TRADE.replace(b":2,", b":0,"))).rows == ()
    for odd in (TRADE.replace(b":2,", b":-2,"), TRADE.replace(b"511.95000000000005", b"0.0")):
        with pytest.raises(WireError):
            trade_book(rows(odd))


def test_closed_positions_stay_in_the_book_with_nothing_held() -> None:
    assert position_book(rows(POSITION, FLAT)).rows == (PositionRow("SBIN", -3), PositionRow("ITC", 0))


# --- everything else --------------------------------------------------------------------------------------


def test_money_that_a_failed_broker_reports_is_unknown() -> None:
    zeros = b'{"availablecash":"0.00","utiliseddebits":0,"collateral":"","m2mrealized":null}'
    assert answers.funds(data(b"{}")) is None
    assert answers.funds(data(zeros)) is None
    assert answers.funds(data(b'{"availablecash":"0.00","utiliseddebits":"10.00"}')) == Funds(0, 1000)
    assert answers.funds(data(b'{"availablecash":10000000.0}')) == Funds(10**9, 0)


def test_a_price_of_zero_is_no_price() -> None:
    quote = answers.quote(data(b'{"ltp":511.95,"bid":0,"ask":"","high":"512"}'))

    assert (quote.last, quote.bid, quote.ask, quote.high, quote.low) == (51195, None, None, 51200, None)
    for body in (data(b"{}"), data(b'{"ltp":-1}'), data(b'{"ltp":"x"}')):
        with pytest.raises(WireError):
            answers.quote(body)


def test_quotes_of_several_symbols_leave_out_those_with_an_error() -> None:
    body = b'{"status":"success","results":[' + RESULTS + b"]}"
    assert {symbol: quote.last for symbol, quote in answers.quotes(body).items()} == {"SBIN": 150}


def test_a_bar_without_a_number_is_left_out_and_counted() -> None:
    bar = b'{"timestamp":1794767400,"open":1.5,"high":2,"low":"1","close":1.75,"volume":"","oi":0}'

    history = answers.history(rows(bar, bar.replace(b"1.75", b"NaN"), bar.replace(b"1794767400", b"null")))

    assert history.bars == (HistoryBar(1794767400, 150, 200, 100, 175, 0),)
    assert history.unreadable == 2


def test_a_mode_that_contradicts_itself_is_none() -> None:
    assert answers.analyzer(data(b'{"mode":"live","analyze_mode":false}')) is Mode.LIVE
    assert answers.analyzer(data(b'{"mode":"analyze"}')) is Mode.ANALYZE
    for body in (b'{"mode":"live","analyze_mode":true}', b"{}", b'{"mode":"paper","analyze_mode":true}'):
        with pytest.raises(WireError):
            answers.analyzer(data(body))


def test_small_answers_are_read() -> None:
    assert answers.ping(data(b'{"message":"pong","broker":"zerodha"}')) == "zerodha"
    assert answers.open_position(b'{"status":"success","quantity":"-5"}') == -5
    info = answers.symbol_info(data(b'{"symbol":"SBIN","tick_size":5.0,"lotsize":1}'))
    assert info == SymbolInfo("SBIN", Decimal("5.0"), 1)
    hours = answers.timings(data(b'[{"exchange":"NSE","start_time":1,"end_time":2}]'))
    assert hours == (Hours("NSE", 1, 2),)
    with pytest.raises(WireError):
        answers.ping(data(b'{"message":"maintenance","broker":"zerodha"}'))


def test_what_the_server_complains_of_is_told_in_a_line() -> None:
    said = {
        b'{"status":"error","message":"no such"}': "no such",
        b'{"status":"error","message":{"exchange":["Must be NSE"],"x":1}}': "exchange: Must be NSE; x: 1",
        b'{"status":"error"}': "None",
    }
    for body, message in said.items():
        with pytest.raises(WireError, match=message):
            answers.ping(body)


# --- any bytes at all -------------------------------------------------------------------------------------


def read_all(body: bytes) -> None:
    """Try everything on a body: only `WireError` may come out, and the judges never raise at all."""
    for decode in DECODERS.values():
        with suppress(WireError):
            decode(body)
    for status in (200, 400, 403, 404, 429, 500):
        assert isinstance(judge_failed_read(status, body), BrokerError)
        for verb in Verb:
            assert isinstance(judge_write(verb, status, body).result, Accepted | BrokerError)


@pytest.mark.parametrize("body", CORPUS)
def test_every_shape_is_read_or_refused_by_every_decoder(body: bytes) -> None:
    read_all(body)


@given(st.binary(max_size=300))
def test_random_bytes_raise_nothing_but_the_wire_error(body: bytes) -> None:
    read_all(body)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**50), 10**50)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["success", "error", "NSE", "MIS", "BUY", "SBIN", "1.50", "NaN", "1e999", "analyze"])
)
KEYS = st.sampled_from(sorted({key.decode() for key in re.findall(rb'"(\w+)":', b"".join(CORPUS))}))
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=12)
BODIES = JSON | st.builds(lambda inner: {"status": "success", "data": inner}, JSON)


@given(BODIES)
def test_random_json_raises_nothing_but_the_wire_error(body: object) -> None:
    read_all(json.dumps(body).encode())


@given(st.sampled_from(CORPUS), st.data())
def test_a_body_cut_or_bent_anywhere_raises_nothing_but_the_wire_error(
    body: bytes, drawn: st.DataObject
) -> None:
    at = drawn.draw(st.integers(0, len(body)))
    length = drawn.draw(st.integers(0, 4))
    junk = drawn.draw(
        st.sampled_from([b"", b"NaN", b"1e9999", b'"\\ud800"', b"{", b"]", b"\x00", b"true", b"-"])
    )
    read_all(body[:at] + junk + body[at + length :])


# --- the recordings ---------------------------------------------------------------------------------------


def recorded() -> list[tuple[str, str, int, Any]]:
    """Every REST answer there is: case, route, status, body."""
    found = []
    for path in sorted(TRANSCRIPTS.glob("*.jsonl")):
        for text in path.read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            request = line.get("request") or line.get("wire_request")
            status = line.get("status") or line.get("wire_status")
            if request is None or status is None:
                continue
            body = line.get("response") or line.get("wire_response")
            route = request["path"].removeprefix("/api/v1/").strip("/").split("?")[0]
            found.append((line["case"], route, status, body))
    if not found:
        pytest.skip(f"the recordings of the real server are not at {TRANSCRIPTS}")
    return found


def test_every_recorded_answer_is_understood() -> None:
    counts = {"read": 0, "written": 0}
    for case, route, status, body in recorded():
        raw = json.dumps(body).encode()
        if route in VERBS:
            counts["written"] += 1
            verdict = judge_write(VERBS[route], status, raw)
            is_failure = isinstance(verdict.result, BrokerUndecided)
            assert is_failure == (status == 500), f"{case}: {verdict}"
            assert isinstance(verdict.result, Accepted) == ("orderid" in body), f"{case}: {verdict}"
            assert verdict.mode is (Mode.ANALYZE if "mode" in body else None), f"{case}: {verdict}"
        elif route in DECODERS and status == 200:
            counts["read"] += 1
            DECODERS[route](raw)
        elif route in DECODERS:
            is_failure = isinstance(judge_failed_read(status, raw), BrokerUndecided)
            assert is_failure == (status == 500), f"{case}: {body}"
        else:
            assert route in STRANGERS, f"{case}: {route}"
    assert counts["read"] > 180
    assert counts["written"] > 230


def test_mutated_recordings_raise_nothing_but_the_wire_error() -> None:
    bodies = {json.dumps(body): route for _, route, _, body in recorded()}
    shapes = {(route, len(text) // 400): text for text, route in bodies.items()}
    for text in shapes.values():
        raw = text.encode()
        for at in range(0, min(len(raw), 600), 11):
            for junk in (b"", b"NaN", b"1e400"):
                read_all(raw[:at] + junk + raw[at + 5 :])
