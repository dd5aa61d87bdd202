"""Whatever a server does to a call: a write is sent once, and what is not known is called undecided."""

import asyncio
import socket
import traceback
from datetime import date
from decimal import Decimal

import pytest

from olaf_async.adapters.openalgo import rest as rest_module
from olaf_async.adapters.openalgo.limits import Urgency
from olaf_async.adapters.openalgo.rest import READ_TRIES, OpenAlgoRest
from olaf_async.adapters.openalgo.wire import requests
from olaf_async.adapters.openalgo.wire.answers import Funds, History, Hours, SymbolInfo
from olaf_async.adapters.openalgo.wire.outcomes import Accepted, Verdict
from olaf_async.adapters.openalgo.wire.requests import Access
from olaf_async.domain.events import Mode, Verb
from olaf_async.domain.intents import PlaceOrder
from olaf_async.domain.order import PriceType, Role, Side, Terms
from olaf_async.errors import BrokerError, BrokerRejected, BrokerUndecided, BrokerUnreachable, RateLimited
from tests.adapters.openalgo.hostile import (
    KEY,
    Deed,
    JumpingClock,
    S,
    aborts,
    echoes,
    hostile,
    response,
    says,
    sends,
    waits,
)

INTENT = PlaceOrder("SBIN", 1, "SBIN-1", Role.ENTRY, Side.BUY, PriceType.SL, Terms(1, 51200, 51195))
TAKEN = {"status": "success", "orderid": "12"}
PONG = {"status": "success", "data": {"message": "pong", "broker": "zerodha"}}
LIMITED = says({"message": "10 per 1 second"}, 429)


async def place(rest: OpenAlgoRest) -> Verdict:
    return await rest.write(Verb.PLACE, requests.place(rest.access, INTENT), Urgency.ENTRY)


async def test_an_order_is_placed_and_its_answer_judged() -> None:
    async with hostile(says(TAKEN)) as (rest, server):
        assert await place(rest) == Verdict(Accepted("12"), Mode.LIVE)

    (call,) = server.calls
    assert call.route == "placeorder"
    assert call.body["apikey"] == KEY
    assert call.body["trigger_price"] == 511.95


# --- writes: never twice ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "deed",
    [
        sends(b""),
        aborts(),
        sends(response(b'{"status":"success","orderid":"12"}', length=4000)),
        sends(b"HTTP/1.1 200"),
        sends(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"sta'),
        sends(b"\x16\x03\x01\x00 this is no HTTP\r\n\r\n"),
        sends(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n"),
        says({"status": "error", "message": "An unexpected error occurred"}, 500),
        says({"status": "success", "orderid": None}),
        says(b"<html>502 Bad Gateway</html>", 502),
        says(b"\x00\xff\xfe"),
        says(b"", 307, "Location: /api/v1/placeorder"),
        says(b"", 302, "Location: /api/v1/elsewhere"),
        says(b"not gzip", 200, "Content-Encoding: gzip"),
    ],
)
async def test_an_order_whose_answer_is_no_answer_is_undecided_and_sent_once(deed: Deed) -> None:
    async with hostile(deed, says(TAKEN)) as (rest, server):
        with pytest.raises(BrokerUndecided):
            raise_if_error(await place(rest))

    assert server.routes == ["placeorder"]


def raise_if_error(verdict: Verdict) -> None:
    if isinstance(verdict.result, BrokerError):
        raise verdict.result


async def test_an_answer_without_end_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_module, "BODY_MAX", 1000)
    async with hostile(says(b'{"status":"success","orderid":"' + b"1" * 1000 + b'"}')) as (rest, server):
        with pytest.raises(BrokerUndecided, match="longer than 1000 bytes"):
            await place(rest)

    assert len(server.calls) == 1


async def test_a_late_answer_to_a_write_is_still_an_answer_though_reads_have_given_up() -> None:
    release, never = asyncio.Event(), asyncio.Event()
    async with hostile(waits(release, says(TAKEN)), waits(never, says(PONG)), timeout_s=0.05) as (
        rest,
        server,
    ):
        placing = asyncio.create_task(place(rest))
        await server.arrived.wait()
        with pytest.raises(BrokerUndecided):
            await rest.ping()  # its time limit is the one that a write must outlive

        assert not placing.done()
        release.set()

        assert (await placing).result == Accepted("12")
        never.set()
    assert server.routes == ["placeorder", "ping"]


async def test_where_nobody_listens_nothing_was_sent() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{closed.getsockname()[1]}"
        async with OpenAlgoRest(host, Access(KEY), JumpingClock()) as rest:
            with pytest.raises(BrokerUnreachable):
                await place(rest)
            with pytest.raises(BrokerUnreachable):
                await rest.ping()


async def test_every_write_has_a_connection_of_its_own_and_reads_share_one() -> None:
    async with hostile(says(PONG), says(PONG), says(TAKEN), says(TAKEN), says(PONG)) as (rest, server):
        await rest.ping()
        await rest.ping()
        await place(rest)
        await place(rest)
        await rest.ping()

    assert [call.connection for call in server.calls] == [1, 1, 2, 3, 1]


async def test_a_write_that_the_limiter_refuses_is_sent_once_and_the_next_waits() -> None:
    clock = JumpingClock()
    began_ns = clock.ns
    async with hostile(LIMITED, says(TAKEN), clock=clock) as (rest, server):
        refused = await place(rest)
        assert isinstance(refused.result, RateLimited)
        assert len(server.calls) == 1

        assert (await place(rest)).result == Accepted("12")
    assert clock.ns - began_ns == S


async def test_a_write_that_would_wait_too_long_for_our_own_limit_is_not_sent() -> None:
    clock = JumpingClock()
    async with hostile(says(TAKEN), clock=clock) as (rest, server):
        await place(rest)
        rest._limits.refused("placeorder", 3.0)
        with pytest.raises(RateLimited) as refusal:
            await place(rest)

    assert refusal.value.retry_after_s == 3.0
    assert len(server.calls) == 1


# --- reads: as often as it takes, within bounds -----------------------------------------------------------


async def test_a_read_that_the_limiter_refuses_waits_and_asks_again() -> None:
    clock = JumpingClock()
    began_ns = clock.ns
    async with hostile(LIMITED, LIMITED, says(PONG), clock=clock) as (rest, server):
        assert await rest.ping() == "zerodha"

    assert len(server.calls) == 3
    assert clock.ns - began_ns == 2 * S


async def test_a_read_that_the_limiter_never_lets_through_ends() -> None:
    async with hostile(*[LIMITED] * READ_TRIES) as (rest, server):
        with pytest.raises(RateLimited):
            await rest.ping()

    assert len(server.calls) == READ_TRIES


async def test_a_read_on_a_connection_that_the_server_has_closed_is_asked_again() -> None:
    closing = sends(response(b'{"status":"success","data":{"message":"pong","broker":"zerodha"}}'))
    async with hostile(closing, says(PONG), sends(b""), says(PONG), aborts(), aborts()) as (rest, server):
        for _ in range(3):
            assert await rest.ping() == "zerodha"
        with pytest.raises(BrokerUndecided):
            await rest.ping()

    assert len(server.calls) == 6


async def test_what_the_start_asks_for_is_asked_and_decoded() -> None:
    monday = date(2026, 11, 23)
    told: list[object] = [
        {"mode": "live", "analyze_mode": False},
        {"availablecash": "100.50"},
        {"symbol": "SBIN", "tick_size": 5, "lotsize": 1},
        [],
        [{"exchange": "NSE", "start_time": 1, "end_time": 2}],
    ]
    async with hostile(*(says({"status": "success", "data": data}) for data in told)) as (rest, server):
        assert await rest.analyzer() is Mode.LIVE
        assert await rest.funds() == Funds(10050, 0)
        assert await rest.symbol_info("SBIN") == SymbolInfo("SBIN", Decimal(5), 1)
        assert await rest.history("SBIN", "1m", monday, monday) == History((), 0)
        assert await rest.timings(monday) == (Hours("NSE", 1, 2),)

    assert server.routes == ["analyzer", "funds", "symbol", "history", "market/timings"]


@pytest.mark.parametrize(
    ("deed", "error"),
    [
        (says({"status": "error", "message": "Symbol NOPE not found in exchange NSE"}, 404), BrokerRejected),
        (says({"status": "error", "message": "Error fetching quotes: feed down"}, 500), BrokerUndecided),
        (says({"status": "success", "data": {"message": "what?"}}), BrokerUndecided),
        (says(b"[" * 100_000), BrokerUndecided),
        (says(b"", 302, "Location: /api/v1/ping"), BrokerUndecided),
        (sends(response(b"{}", length=9)), BrokerUndecided),
    ],
)
async def test_a_read_that_fails_says_so_at_once(deed: Deed, error: type[BrokerError]) -> None:
    async with hostile(deed) as (rest, server):
        with pytest.raises(error):
            await rest.ping()

    assert len(server.calls) == 1


# --- the key ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "deed",
    [
        echoes(400),
        echoes(500),
        echoes(200),
        sends(f"HTTP/1.1 {KEY}\r\n\r\n".encode()),
        sends(f"{KEY} HTTP/1.1\r\n{KEY}\r\n\r\n".encode()),
        says(KEY.encode()),
        says({"status": "error", "message": "x" * 290 + KEY}, 400),
    ],
)
async def test_the_key_is_in_no_error_even_where_the_server_quotes_it(deed: Deed) -> None:
    async with hostile(deed, deed) as (rest, _):
        with pytest.raises(BrokerError) as write_error:
            raise_if_error(await place(rest))
        with pytest.raises(BrokerError) as read_error:
            await rest.ping()

    for error in (write_error.value, read_error.value):
        told = "".join(traceback.format_exception(error))
        assert KEY not in told
        assert KEY[:10] not in told
        assert KEY not in repr(error)
