"""Books with their times: whatever words a broker has for one, it is read right or not at all."""

import json
from datetime import date, datetime, timedelta, timezone
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.adapters.openalgo.numbers import WireError
from olaf_async.adapters.openalgo.wire.dated import dated_orders, dated_trades, time_ns
from olaf_async.adapters.openalgo.wire.rows import Scope
from olaf_async.domain.events import Mode
from tests.adapters.openalgo.corpus import CORPUS, ORDER, TRADE, orders, rows

INDIA = timezone(timedelta(hours=5, minutes=30))
DAY = date(2026, 11, 23)
SCOPE = Scope("NSE", "MIS")
TRANSCRIPTS = Path(__file__).parents[4] / "shared" / "reference" / "openalgo-transcripts"

order_book = partial(dated_orders, scope=SCOPE, day=DAY, zone=INDIA)
trade_book = partial(dated_trades, scope=SCOPE, day=DAY, zone=INDIA)


def ns(clock: str, day: date = DAY) -> int:
    return int(datetime.fromisoformat(f"{day}T{clock}+05:30").timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("words", "clock"),
    [
        ("2026-11-23 10:11:12", "10:11:12"),
        ("2026-11-23T10:11:12.345", "10:11:12"),
        ("2026-11-23T10:11:12+05:30", "10:11:12"),
        ("2026-11-23T04:41:12Z", "10:11:12"),
        ("23-11-2026 10:11:12", "10:11:12"),
        ("10:11:12 23-11-2026", "10:11:12"),
        ("23-Nov-2026 10:11:12", "10:11:12"),
        ("23/11/2026 10:11:12", "10:11:12"),
        ("10:11:12", "10:11:12"),
        ("02:11:12 PM", "14:11:12"),
        ("12:11:12 AM", "00:11:12"),
        (str(ns("10:11:12") // 1_000_000_000), "10:11:12"),
        (str(ns("10:11:12") // 1_000_000 + 345), "10:11:12"),
    ],
)
def test_the_words_of_many_brokers_for_one_second(words: str, clock: str) -> None:
    assert time_ns(words, DAY, INDIA) == ns(clock)


@pytest.mark.parametrize("words", ["", "NA", "0", "soon", "25:61:00", "10:11", "2026-11-23"])
def test_what_is_no_time_is_none(words: str) -> None:
    assert time_ns(words, DAY, INDIA) is None


@given(st.text(max_size=40))
def test_no_words_for_a_time_break_the_reading(words: str) -> None:
    found = time_ns(words, DAY, INDIA)
    assert found is None or found % 1_000_000_000 == 0


def test_rows_of_another_day_are_left_out_and_counted() -> None:
    yesterday = ORDER.replace(b'"10:11:12"', b'"2026-11-22 15:00:00"')
    book = order_book(orders(ORDER, yesterday))
    assert ([row.at_ns for row in book.rows], book.of_other_days) == ([ns("10:11:12")], 1)


def test_a_row_keeps_its_tag_and_what_of_its_prices_is_no_whole_paisa() -> None:
    odd = ORDER.replace(b'"511.95"', b"511.951").replace(b'"open pending"', b'"open","strategy":"by hand"')
    tail = ORDER.replace(b'"511.95"', b"511.95000000000005")
    found = [(row.tag, row.finer) for row in order_book(orders(odd, tail)).rows]
    assert found == [("by hand", ("511.951",)), ("", ())]


def test_executions_of_no_shares_are_none() -> None:
    nothing = TRADE.replace(b'"quantity":2', b'"quantity":"0"')
    (row,) = trade_book(rows(TRADE, nothing)).rows
    assert (row.row.quantity, row.at) == (2, "10:11:12")


@pytest.mark.parametrize("body", CORPUS)
def test_whatever_comes_is_a_book_or_a_wire_error(body: bytes) -> None:
    for book in (order_book, trade_book):
        try:
            assert book(body).mode in Mode
        except WireError:
            continue


@pytest.mark.skipif(not TRANSCRIPTS.is_dir(), reason="the recordings are not here")
def test_every_recorded_book_is_read_with_all_its_times() -> None:
    seen = 0
    for file in sorted(TRANSCRIPTS.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            told = json.loads(line)
            path = str((told.get("request") or told.get("wire_request") or {}).get("path"))
            answer = told.get("response") or told.get("wire_response")
            if not isinstance(answer, dict) or answer.get("status") != "success":
                continue
            body, when = json.dumps(answer).encode(), date(2026, 11, 22)
            if path.endswith("/orderbook"):
                found = [(row.at_ns, row.finer) for row in dated_orders(body, SCOPE, when, INDIA).rows]
            elif path.endswith("/tradebook"):
                found = [(row.at_ns, row.finer) for row in dated_trades(body, SCOPE, when, INDIA).rows]
            else:
                continue
            assert all(at_ns is not None and not finer for at_ns, finer in found)
            seen += len(found)
    assert seen > 50
