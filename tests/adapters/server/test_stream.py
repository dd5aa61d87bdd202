"""The websocket half of the paper server, by itself; test_stream_transcripts holds it against a real one."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from olaf_async.adapters.paper.exchange import PaperExchange
from olaf_async.adapters.paper.server.stream import AUTH_GRACE_S
from olaf_async.domain.order import PriceType, Side, Terms
from tests.adapters.server.talking import Json, Talk, Talks, clock_of, new_desk, served

UNAUTHENTICATED = {"status": "error", "code": "NOT_AUTHENTICATED", "message": "You must authenticate first"}


def entry(symbol: str = "SBIN", **more: object) -> Json:
    return {"symbol": symbol, "exchange": "NSE", **more}


async def closing(talk: Talk) -> tuple[int, str]:
    """Code and reason with which the server ends it."""
    with pytest.raises(ConnectionClosed) as ended:
        await talk.hear()
    received = ended.value.rcvd
    assert received is not None
    return received.code, received.reason


# ------------------------------------------------------------------------------------------------- coming in


async def test_who_shows_no_key_in_time_is_closed_with_4401() -> None:
    async with served() as talks, talks.client() as late, talks.client() as known:
        await known.enter()
        assert await late.ask({"action": "ping"})  # it is there, and its time runs
        clock = clock_of(talks.desk)
        clock.move_to(clock.now_ns() + AUTH_GRACE_S * 1_000_000_000)
        assert await closing(late) == (4401, "auth timeout")
        assert await known.hears_nothing_more()


@pytest.mark.parametrize("action", ["authenticate", "auth"])
@pytest.mark.parametrize("command", ["action", "type"])
@pytest.mark.parametrize("key", ["api_key", "apikey"])
async def test_each_spelling_of_authentication_is_taken(action: str, command: str, key: str) -> None:
    async with served() as talks, talks.client() as talk:
        answer = await talk.ask({command: action, key: "test-key"})
    assert (answer["type"], answer["status"], answer["broker"]) == ("auth", "success", "stub")


async def test_any_key_is_good_where_none_is_set_but_there_must_be_one() -> None:
    async with served(new_desk(api_key="")) as talks, talks.client() as talk:
        assert (await talk.ask({"action": "authenticate"}))["message"] == "API key is required"
        assert (await talk.ask({"action": "authenticate", "api_key": "whatever"}))["status"] == "success"


@pytest.mark.parametrize("key", [1, True, ["test-key"], {"a": 1}, "test-key ", "Test-Key"])
async def test_what_is_not_the_key_is_refused_whatever_it_is(key: object) -> None:
    async with served() as talks, talks.client() as talk:
        answer = await talk.ask({"action": "authenticate", "api_key": key})
        assert answer == {"status": "error", "code": "AUTHENTICATION_ERROR", "message": "Invalid API key"}
        assert talks.stream.authenticated == 0


@pytest.mark.parametrize(
    "action",
    [
        "subscribe",
        "unsubscribe",
        "unsubscribe_all",
        "subscribe_orders",
        "unsubscribe_orders",
        "get_broker_info",
    ],
)
async def test_nothing_is_done_for_a_stranger(action: str) -> None:
    async with served() as talks, talks.client() as talk:
        assert await talk.ask({"action": action, "symbols": [entry()]}) == UNAUTHENTICATED
        talks.price("SBIN", 801_00)
        assert await talk.hears_nothing_more()


async def test_a_ping_is_answered_to_strangers_too_with_what_it_brought() -> None:
    async with served() as talks, talks.client() as talk:
        answer = await talk.ask({"type": "ping", "timestamp": 17, "_pingId": "x"})
        assert answer == {
            "type": "pong",
            "status": "success",
            "server_timestamp": clock_of(talks.desk).now_ns() // 1_000_000,
            "client_timestamp": 17,
            "_pingId": "x",
        }


async def test_the_socket_outlives_every_kind_of_nonsense() -> None:
    nonsense = {
        "{oops": "INVALID_JSON",
        "": "INVALID_JSON",
        "[" * 5000: "INVALID_JSON",
        "[1]": "SERVER_ERROR",
        "null": "SERVER_ERROR",
        "3": "SERVER_ERROR",
        "{}": "INVALID_ACTION",
        '{"action":["subscribe"]}': "INVALID_ACTION",
        '{"action":"subscribe","symbols":5}': "SERVER_ERROR",
        '{"action":"subscribe","symbols":["SBIN"]}': "SERVER_ERROR",
        '{"action":"subscribe","symbols":"SBIN"}': "SERVER_ERROR",
        '{"action":"subscribe","symbol":"SBIN"}': "INVALID_PARAMETERS",
        '{"action":"subscribe","mode":true,"symbol":"SBIN","exchange":"NSE"}': "INVALID_MODE",
        '{"action":"subscribe","mode":4,"symbol":"SBIN","exchange":"NSE"}': "INVALID_MODE",
        '{"action":"subscribe","mode":null,"symbol":"SBIN","exchange":"NSE"}': "INVALID_MODE",
        '{"action":"unsubscribe"}': "INVALID_PARAMETERS",
        '{"action":"unsubscribe","mode":"x","symbol":"SBIN","exchange":"NSE"}': "INVALID_MODE",
    }
    async with served() as talks, talks.client() as talk:
        await talk.enter()
        for said, code in nonsense.items():
            assert (said[:60], (await talk.ask(said))["code"]) == (said[:60], code)
        assert await talk.hears_nothing_more()


# -------------------------------------------------------------------------------------------- subscriptions


@pytest.mark.parametrize(
    ("mode", "label"), [(1, "LTP"), ("quote", "Quote"), ("DEPTH", "Depth"), (" ltp ", "LTP"), (3, "Depth")]
)
async def test_a_mode_is_a_number_or_a_word_in_any_case_and_is_acknowledged_as_a_label(
    mode: str | int, label: str
) -> None:
    async with served() as talks, talks.client() as talk:
        await talk.enter()
        answer = await talk.ask({"action": "subscribe", "symbols": [entry()], "mode": mode, "request_id": 7})
        assert answer["subscriptions"] == [entry(status="success", mode=label, depth=5, broker="stub")]
        assert (answer["status"], answer["request_id"]) == ("success", 7)


async def test_no_mode_means_quote() -> None:
    async with served() as talks, talks.client() as talk:
        await talk.enter()
        answer = await talk.ask({"action": "subscribe", **entry()})
        assert answer["subscriptions"][0]["mode"] == "Quote"


async def test_unknown_symbols_fail_by_themselves_and_an_entry_without_exchange_is_passed_over() -> None:
    async with served() as talks, talks.client() as talk:
        await talk.enter()
        entries = [entry("NOPE"), {"symbol": "SBIN"}, entry(), {"symbol": 3, "exchange": "NSE"}]
        answer = await talk.ask({"action": "subscribe", "symbols": entries, "mode": 1})
        assert answer["status"] == "partial"
        assert [(each["symbol"], each["status"]) for each in answer["subscriptions"]] == [
            ("NOPE", "error"),
            ("SBIN", "success"),
            (3, "error"),
        ]
        assert answer["subscriptions"][0]["message"] == "Symbol NOPE not found for exchange NSE"
        assert talks.stream.subscribed() == ("SBIN",)


async def test_an_entry_is_unsubscribed_in_its_own_mode_whatever_stands_above() -> None:
    async with served() as talks, talks.client() as talk:
        await talk.enter("SBIN", mode="LTP")
        answer = await talk.ask({"action": "unsubscribe", "symbols": [entry()], "mode": "LTP"})
        assert answer["status"] == "success"
        assert talks.stream.subscribed() == ("SBIN",)
        await talk.ask({"action": "unsubscribe", "symbols": [entry(mode=1)]})
        assert talks.stream.subscribed() == ()


async def test_a_single_symbol_is_unsubscribed_in_the_mode_beside_it() -> None:
    async with served() as talks, talks.client() as talk:
        await talk.enter("SBIN", mode="LTP")
        await talk.ask({"action": "unsubscribe", **entry(), "mode": "LTP"})
        assert talks.stream.subscribed() == ()


async def test_an_entry_with_a_bad_mode_fails_by_itself() -> None:
    async with served() as talks, talks.client() as talk:
        await talk.enter()
        both = await talk.ask({"action": "unsubscribe", "symbols": [entry(mode="x"), entry("ITC")]})
        assert (both["status"], len(both["failed"]), len(both["successful"])) == ("partial", 1, 1)
        alone = await talk.ask({"action": "unsubscribe", "symbols": [entry(mode="x")], "request_id": "r"})
        assert (alone["status"], alone["request_id"]) == ("error", "r")
        assert alone["failed"][0]["message"].startswith("Invalid mode 'x'")


async def test_unsubscribe_all_names_each_mode_and_leaves_order_updates() -> None:
    async with served() as talks, talks.client() as talk:
        await talk.enter("SBIN", "ITC", mode="LTP")
        await talk.ask({"action": "subscribe", "symbols": [entry()], "mode": "Depth"})
        await talk.ask({"action": "subscribe_orders"})
        answer = await talk.ask({"type": "unsubscribe_all"})
        assert sorted(each["symbol"] for each in answer["successful"]) == ["ITC", "SBIN", "SBIN"]
        assert (talks.stream.subscribed(), talks.stream.order_listeners) == ((), 1)


# --------------------------------------------------------------------------------------------- ticks, orders


async def test_only_subscribers_hear_a_tick_and_each_tick_is_told() -> None:
    async with served() as talks, talks.client() as talk, talks.client() as other:
        await talk.enter("SBIN")
        await other.enter("ITC")
        for price in (801_00, 801_00, 801_05):
            talks.price("SBIN", price)
        assert [(await talk.hear())["data"]["ltp"] for _ in range(3)] == [801.0, 801.0, 801.05]
        assert await talk.hears_nothing_more()
        assert await other.hears_nothing_more()


async def test_a_tick_carries_its_own_time_in_milliseconds() -> None:
    async with served() as talks, talks.client() as talk:
        await talk.enter("SBIN")
        talks.desk.on_price("SBIN", 801_00, 1_700_000_000_123_999_999)
        assert await talk.hear() == {
            "type": "market_data",
            "symbol": "SBIN",
            "exchange": "NSE",
            "mode": 1,
            "broker": "stub",
            "data": {
                "symbol": "SBIN",
                "exchange": "NSE",
                "mode": "ltp",
                "ltp": 801.0,
                "ltt": 1_700_000_000_123,
                "timestamp": 1_700_000_000_123,
            },
        }


async def test_a_quote_tells_the_day_and_its_change() -> None:
    async with served() as talks, talks.client() as talk:
        talks.desk.set_quote("SBIN", ltp=800_00, volume=12)
        await talk.enter("SBIN", mode="Quote")
        for price in (790_00, 804_00):
            talks.price("SBIN", price)
        await talk.hear()
        data = (await talk.hear())["data"]
    told = {name: data[name] for name in ("open", "high", "low", "close", "ltp", "volume")}
    assert told == {"open": 800.0, "high": 804.0, "low": 790.0, "close": 800.0, "ltp": 804.0, "volume": 12}
    assert (data["change"], data["change_percent"], data["mode"]) == (4.0, 0.5, "quote")


async def test_depth_stands_at_bid_and_ask() -> None:
    async with served() as talks, talks.client() as talk:
        await talk.enter("SBIN", mode="Depth")
        talks.desk.on_price("SBIN", 10, 0, bid=5, ask=800_50)
        depth = (await talk.hear())["data"]["depth"]
    assert depth["buy"] == [{"price": 0.05, "quantity": 100, "orders": 1}]  # no price is below one tick
    assert [level["price"] for level in depth["sell"]] == [800.5, 800.55, 800.6, 800.65, 800.7]


async def test_a_client_is_told_the_richest_tick_anybody_wants_and_then_the_price_alone() -> None:
    async with served() as talks, talks.client() as ltp, talks.client() as quote, talks.client() as depth:
        await ltp.enter("SBIN", mode="LTP")
        await quote.enter("SBIN", mode="Quote")
        await depth.enter("SBIN", mode="Depth")
        talks.price("SBIN", 801_00)
        first, second = await ltp.hear(), await ltp.hear()
        assert (first["mode"], first["data"]["mode"], "depth" in first["data"]) == (1, "full", True)
        assert (second["mode"], second["data"]["mode"], "ltt" in second["data"]) == (1, "ltp", False)
        assert ((await quote.hear())["mode"], (await depth.hear())["mode"]) == (2, 3)
        for talk in (ltp, quote, depth):
            assert await talk.hears_nothing_more()


async def test_a_tick_is_heard_before_the_fill_it_causes_and_the_fill_before_the_next_tick() -> None:
    async with served() as talks, talks.client() as talk:
        talks.price("SBIN", 800_00)
        await talk.enter("SBIN")
        await talk.ask({"action": "subscribe_orders"})
        placed = talks.desk.place(
            "SBIN", Side.BUY, PriceType.SL, Terms(1, 806_00, 805_00), strategy="t", product="MIS"
        )
        for price in (805_00, 805_05):
            talks.price("SBIN", price)
        heard = [await talk.hear() for _ in range(4)]
    assert [each["type"] for each in heard] == ["order_update", "market_data", "order_update", "market_data"]
    assert heard[0]["order_status"] == "trigger pending"
    assert heard[2] == {
        "type": "order_update",
        "user_id": "trader",
        "mode": "analyze",
        "broker": "sandbox",
        "orderid": placed.order_id,
        "symbol": "SBIN",
        "exchange": "NSE",
        "action": "BUY",
        "quantity": 1,
        "price": 805.0,
        "trigger_price": 805.0,
        "pricetype": "SL",
        "product": "MIS",
        "order_status": "complete",
        "filled_quantity": 1,
        "pending_quantity": 0,
        "average_price": 805.0,
        "rejection_reason": "",
    }


async def test_order_updates_say_live_where_the_server_does_and_show_what_is_filled_of_what() -> None:
    desk = new_desk(exchange_true=True)
    desk.is_analyze = False
    desk.exchange = PaperExchange(desk.exchange.rules, desk.tick_sizes, split=lambda _left: 1)
    async with served(desk) as talks, talks.client() as talk:
        talks.price("SBIN", 800_00)
        await talk.enter()
        await talk.ask({"action": "subscribe_orders"})
        desk.place("SBIN", Side.BUY, PriceType.LIMIT, Terms(3, 790_00), strategy="t", product="MIS")
        talks.price("SBIN", 790_00)
        resting, partial = await talk.hear(), await talk.hear()
    fills = ("order_status", "filled_quantity", "pending_quantity", "average_price", "price")
    assert [resting[name] for name in fills] == ["open", 0, 3, 0.0, 790.0]
    assert [partial[name] for name in fills] == ["open", 1, 2, 790.0, 790.0]
    assert (partial["mode"], partial["broker"]) == ("live", "stub")


async def test_who_has_unsubscribed_from_orders_hears_of_none() -> None:
    async with served() as talks, talks.client() as talk:
        await talk.enter()
        await talk.ask({"action": "subscribe_orders"})
        await talk.ask({"action": "unsubscribe_orders"})
        talks.desk.place("SBIN", Side.BUY, PriceType.LIMIT, Terms(1, 1_00), strategy="t", product="MIS")
        assert await talk.hears_nothing_more()


# ------------------------------------------------------------------------------------- many clients, the end


async def test_a_client_that_does_not_read_makes_nobody_wait_and_is_cut_off() -> None:
    async with served(behind_bytes_max=65_536) as talks, talks.client() as reader:
        await reader.enter("SBIN", mode="Depth")
        async with deaf_client(talks):
            sent = 0
            while talks.stream.connected == 2:
                for _ in range(50):
                    talks.price("SBIN", 801_00)
                    assert (await reader.hear())["mode"] == 3
                sent += 50
                assert sent < 100_000, "it is still there"
        assert await reader.hears_nothing_more()


@asynccontextmanager
async def deaf_client(talks: Talks) -> AsyncIterator[None]:
    """A client that subscribes and from then on reads nothing, with as little room on the way as there is."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", talks.port))
    async with connect(
        "ws://127.0.0.1", sock=narrow, compression=None, ping_interval=None, close_timeout=0.01
    ) as connection:
        talk = Talk(connection)
        await talk.enter("SBIN", mode="Depth")
        connection.transport.pause_reading()
        yield


async def test_a_server_that_stops_closes_its_clients_as_going_away_and_hears_no_more_ticks() -> None:
    desk = new_desk()
    async with AsyncExitStack() as clients:
        async with served(desk) as talks:
            talk = await clients.enter_async_context(talks.client())
            await talk.enter("SBIN")
        assert await closing(talk) == (1001, "")
        desk.on_price("SBIN", 801_00, 1)
        assert talks.stream.connected == 0


async def test_what_is_left_of_a_client_that_went_away_is_nothing() -> None:
    async with served() as talks:
        async with talks.client() as talk:
            await talk.enter("SBIN")
            assert (talks.stream.connected, talks.stream.authenticated) == (1, 1)
        async with talks.client() as other:  # the server has seen the first one go when it greets the second
            await other.enter()
            assert (talks.stream.connected, talks.stream.subscribed()) == (1, ())


async def test_it_is_known_when_clients_have_taken_in_all_they_were_told() -> None:
    async with served() as talks, talks.client() as talk:
        waiting = asyncio.create_task(talks.stream.asked())
        await talk.enter()
        assert not waiting.done()
        await talk.enter("SBIN")
        await waiting
        talks.price("SBIN", 801_00)
        await talks.stream.taken()
        assert (await talk.hear())["data"]["ltp"] == 801.0
