"""Every frame that was recorded is understood, and nothing that may come raises anything but `WireError`."""

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from olaf_async.adapters.openalgo.numbers import WireError
from olaf_async.adapters.openalgo.wire import frames
from olaf_async.adapters.openalgo.wire.frames import (
    AuthResult,
    Band,
    ErrorFrame,
    OrderFrame,
    OrdersAck,
    SubscribeAck,
    TickFrame,
    Unknown,
)
from olaf_async.domain.events import Mode, Status
from tests.adapters.openalgo.talking_server import AUTH_BAD, AUTH_OK, KEY, ORDERS_OK, ack, order, tick

TRANSCRIPTS = Path(__file__).parents[4] / "shared" / "reference" / "openalgo-transcripts"
RECORDINGS = ("02-order-lifecycle", "05-websocket", "06-exit-fill-freezes-feed", "08-python-sdk", "09-faults")
MS = 1_000_000
NOON_MS = 1_795_332_000_000


def decode(frame: dict[str, Any]) -> frames.Frame:
    return frames.decode(json.dumps(frame))


def market_data(data: str) -> str:
    """A tick frame around ``data`` as it is written on the wire."""
    return f'{{"type":"market_data","symbol":"SBIN","exchange":"NSE","mode":1,"data":{data}}}'


def tick_of(data: str) -> TickFrame:
    decoded = frames.decode(market_data(data))
    assert isinstance(decoded, TickFrame)
    return decoded


# --- commands -----------------------------------------------------------------------------------------


def test_commands_are_what_the_server_was_recorded_taking() -> None:
    assert json.loads(frames.authenticate(KEY)) == {"action": "authenticate", "api_key": KEY}
    assert json.loads(frames.subscribe("NSE", ["SBIN", "M&M"])) == {
        "action": "subscribe",
        "symbols": [{"symbol": "SBIN", "exchange": "NSE"}, {"symbol": "M&M", "exchange": "NSE"}],
        "mode": "LTP",
    }
    assert json.loads(frames.SUBSCRIBE_ORDERS) == {"action": "subscribe_orders"}


# --- ticks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "paise"),
    [
        ("800", 800_00),
        ("800.05", 800_05),
        ("511.95000000000005", 511_95),
        ("511.94999999999993", 511_95),
        ('"1234.50"', 1234_50),
        ("0.05", 5),
        ("9999999.99", 9999999_99),
    ],
)
def test_a_price_is_read_to_the_nearest_paisa(written: str, paise: int) -> None:
    assert tick_of(f'{{"ltp":{written}}}').price == paise


@given(st.integers(min_value=1, max_value=frames.PRICE_MAX))
def test_every_price_survives_a_server_that_counts_in_binary_floats(paise: int) -> None:
    assert tick_of(f'{{"ltp":{paise / 100!r}}}').price == paise


@pytest.mark.parametrize(
    "written", ["0", "0.001", "-800", "1e300", "10000000.01", '"abc"', "true", "[]", "{}", '"8e5e5"']
)
def test_what_is_no_price_is_no_tick(written: str) -> None:
    with pytest.raises(WireError):
        frames.decode(market_data(f'{{"ltp":{written}}}'))


@pytest.mark.parametrize("data", ["{}", '{"ltp":null}', '{"ltp":NaN}', '{"ltp":""}', '{"depth":{"buy":[]}}'])
def test_market_data_without_a_price_is_of_no_use(data: str) -> None:
    assert frames.decode(market_data(data)) == Unknown("market_data")


@pytest.mark.parametrize("mode", ["1", "2", "3", '"LTP"', "null", '"??"'])
def test_the_keys_of_a_tick_decide_and_not_its_mode(mode: str) -> None:
    """A client that asked for prices alone was recorded being sent a whole quote labelled mode 1."""
    rich = '{"ltp":805.0,"volume":1100,"open":800.0,"close":800.0,"depth":{"buy":[],"sell":[]}}'
    decoded = frames.decode(market_data(rich).replace('"mode":1', f'"mode":{mode}'))
    assert isinstance(decoded, TickFrame)
    assert decoded.price == 805_00


@pytest.mark.parametrize(
    ("times", "expected_ms"),
    [
        (f'"timestamp":{NOON_MS}', NOON_MS),
        (f'"timestamp":{NOON_MS // 1000}', NOON_MS),
        (f'"timestamp":"{NOON_MS}"', NOON_MS),
        (f'"timestamp":{NOON_MS}.0', NOON_MS),
        (f'"timestamp":{NOON_MS},"ltt":{NOON_MS - 5000}', NOON_MS),
        (f'"ltt":{NOON_MS}', NOON_MS),
        (f'"ltt":{NOON_MS // 1000}', NOON_MS),
        (f'"timestamp":"2026-11-22 12:50:00","ltt":{NOON_MS}', NOON_MS),
        ('"timestamp":"2026-11-22T12:50:00+05:30"', None),
        ('"timestamp":0', None),
        ('"timestamp":-5', None),
        ('"timestamp":1e400', None),
        ('"timestamp":{}', None),
        ('"open":800', None),
    ],
)
def test_the_time_of_a_tick_is_read_in_either_unit(times: str, expected_ms: int | None) -> None:
    expected_ns = None if expected_ms is None else expected_ms * MS
    assert tick_of(f'{{"ltp":800,{times}}}').exchange_ns == expected_ns


@pytest.mark.parametrize(
    ("limits", "band"),
    [
        ('"lower_circuit":640.0,"upper_circuit":960.0', Band(640_00, 960_00)),
        ('"lower_circuit":"640","upper_circuit":"960"', Band(640_00, 960_00)),
        ('"lower_circuit":0,"upper_circuit":0', None),
        ('"lower_circuit":960,"upper_circuit":640', None),
        ('"lower_circuit":640', None),
        ('"lower_circuit":"?","upper_circuit":960', None),
        ('"volume":5', None),
    ],
)
def test_the_band_of_the_day_is_read_where_a_feed_has_one(limits: str, band: Band | None) -> None:
    assert tick_of(f'{{"ltp":800,{limits}}}').band == band


# --- orders -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["open", "trigger pending", "cancelled", "rejected", "complete"])
def test_a_filled_quantity_of_0_says_nothing(status: str) -> None:
    """The simulation was recorded writing 0 in every frame that is no fill, whatever had filled."""
    decoded = decode(order(status=status))
    assert isinstance(decoded, OrderFrame)
    assert decoded.row.filled is None


def test_an_order_update_is_read_whole() -> None:
    decoded = decode(order("77", "complete", filled_quantity=2, average_price=800.05))
    assert isinstance(decoded, OrderFrame)
    assert (decoded.mode, decoded.exchange, decoded.product) == (Mode.ANALYZE, "NSE", "MIS")
    assert (decoded.row.order_id, decoded.row.status, decoded.row.filled) == ("77", Status.COMPLETE, 2)
    assert (decoded.row.price, decoded.row.average) == (800_05, 800_05)


@pytest.mark.parametrize("field", ["mode", "orderid", "symbol", "action", "quantity", "exchange", "product"])
def test_an_order_update_without_what_it_needs_is_not_guessed_at(field: str) -> None:
    frame = order()
    del frame[field]
    with pytest.raises(WireError):
        decode(frame)


# --- answers ------------------------------------------------------------------------------------------


def test_entries_of_an_acknowledgement_are_counted_and_its_status_ignored() -> None:
    """An answer to nothing but unknown symbols was recorded calling itself partial."""
    assert decode(ack("SBIN", refused=("NOPE",))) == SubscribeAck(frozenset({"SBIN"}), (("NOPE", "no"),))
    assert decode(ack(refused=("NOPE",))) == SubscribeAck(frozenset(), (("NOPE", "no"),))
    assert decode(ack()) == SubscribeAck(frozenset(), ())


def test_answers_and_errors_are_told_apart() -> None:
    assert decode(AUTH_OK) == AuthResult()
    assert decode(ORDERS_OK) == OrdersAck()
    assert decode(AUTH_BAD) == ErrorFrame("AUTHENTICATION_ERROR", "Invalid API key")
    assert decode(AUTH_OK | {"status": "error"}) == ErrorFrame("", "Authentication successful")
    assert decode({"type": "subscribe", "status": "error", "message": "m"}) == ErrorFrame("", "m")
    assert decode({"type": "pong", "status": "success"}) == Unknown("pong")
    assert decode({}) == Unknown("")


# --- recordings ---------------------------------------------------------------------------------------


def recorded(name: str) -> Iterator[dict[str, Any]]:
    path = TRANSCRIPTS / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"the recordings of the real server are not at {path.parent}")
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry.get("dir") == "recv":
            yield entry["frame"]


EXPECTED = {
    "auth": AuthResult,
    "subscribe": SubscribeAck,
    "subscribe_orders": OrdersAck,
    "market_data": TickFrame,
    "order_update": OrderFrame,
    None: ErrorFrame,
}


@pytest.mark.parametrize("name", [*RECORDINGS, "10-split-layout"])
def test_every_recorded_frame_is_understood(name: str) -> None:
    for frame in recorded(name):
        assert isinstance(decode(frame), EXPECTED.get(frame.get("type"), Unknown)), frame


@pytest.mark.parametrize("name", RECORDINGS)
def test_recorded_prices_and_times_are_read_as_they_were_written(name: str) -> None:
    for frame in recorded(name):
        decoded = decode(frame)
        if isinstance(decoded, TickFrame):
            assert Decimal(str(frame["data"]["ltp"])) * 100 == decoded.price
            assert frame["data"]["timestamp"] * MS == decoded.exchange_ns


# --- anything -----------------------------------------------------------------------------------------

SAMPLES = [
    json.dumps(frame)
    for frame in (
        AUTH_OK,
        AUTH_BAD,
        ORDERS_OK,
        ack("SBIN", refused=("NOPE",)),
        tick("SBIN", 800.05, NOON_MS * MS, lower_circuit=640, upper_circuit=960, ltt=NOON_MS // 1000),
        order(),
        order("2", "complete", filled_quantity=2, average_price=800.05),
    )
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
TYPES = ["market_data", "order_update", "subscribe", "auth", "subscribe_orders", "pong"]


def survive(message: str | bytes) -> None:
    with suppress(WireError):
        frames.decode(message)


@given(st.binary(max_size=200) | st.text(max_size=200))
@example(b"[" * 100_000)
@example('{"type":"market_data","data":{"ltp":1E-999999}}')
@example('{"type":"market_data","symbol":"A","exchange":"NSE","data":{"ltp":1,"timestamp":1E-999999}}')
def test_no_bytes_raise_anything_but_a_wire_error(message: bytes | str) -> None:
    survive(message)


@given(kind=st.sampled_from(TYPES), fields=st.dictionaries(st.text(max_size=8), JSON, max_size=6), data=JSON)
def test_no_json_raises_anything_but_a_wire_error(kind: str, fields: dict[str, object], data: object) -> None:
    frame = {**fields, "type": kind, "data": data, "subscriptions": data}
    survive(json.dumps(frame))


@given(sample=st.sampled_from(SAMPLES), seed=st.integers(0, 2**32))
def test_no_mutation_of_a_frame_raises_anything_but_a_wire_error(sample: str, seed: int) -> None:
    chance = random.Random(seed)
    body = bytearray(sample.encode())
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(body))
        body[at : at + chance.randint(0, 3)] = chance.choice(
            [b"", b"9", b'"', b"-", b"e9", b"null", b"\xff", b"{"]
        )
    survive(bytes(body))


@given(sample=st.sampled_from(SAMPLES), value=JSON, seed=st.integers(0, 2**32))
def test_no_wrong_value_in_any_field_raises_anything_but_a_wire_error(
    sample: str, value: object, seed: int
) -> None:
    frame = json.loads(sample)
    chance = random.Random(seed)
    holder = frame["data"] if "data" in frame and chance.random() < 0.7 else frame
    holder[chance.choice(sorted(holder))] = value
    survive(json.dumps(frame))
