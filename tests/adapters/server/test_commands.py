"""Whatever a client says, it is answered, and the answer can be written."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.adapters.paper.server.commands import Commands, Subscriber
from tests.adapters.server.talking import STUB_PRICES, new_desk

WORDS = ["subscribe", "unsubscribe", "unsubscribe_all", "auth", "ping", "subscribe_orders", "get_broker_info"]
plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["SBIN", "NSE", "LTP"])
)
anything = st.recursive(
    plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
entries = st.dictionaries(st.sampled_from(["symbol", "exchange", "mode", "depth"]), anything)
commands = st.fixed_dictionaries(
    {"action": st.sampled_from(WORDS) | anything},
    optional={
        "symbols": st.lists(entries | anything) | anything,
        "symbol": anything,
        "exchange": anything,
        "mode": anything,
        "api_key": anything,
        "timestamp": anything,
        "request_id": anything,
    },
)


@given(st.lists(commands | anything, max_size=5), st.booleans())
def test_any_json_is_answered_by_an_object_and_changes_nothing_but_what_may_be_asked_for(
    said: list[object], is_known: bool
) -> None:
    desk = new_desk()
    answering, client = Commands(desk), Subscriber()
    client.is_known = is_known
    for each in said:
        answer = answering.answer(client, json.dumps(each))
        assert {"status"} <= answer.keys()
        assert msgspec.json.encode(answer)
    assert set(client.symbols) <= set(STUB_PRICES)
    assert client.is_known or not client.symbols
    assert all(client.modes(symbol) for symbol in client.symbols)


@given(st.binary())
def test_any_bytes_are_answered_too(said: bytes) -> None:
    assert "status" in Commands(new_desk()).answer(Subscriber(), said)
