"""The journal's text: whatever can be written is read back equal, and nothing else is taken for a record."""

import enum
from contextlib import suppress
from dataclasses import fields, replace
from datetime import date
from fractions import Fraction
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.adapters.journal import codec
from olaf_async.adapters.journal.codec import Account, EightyTwentyPlan, Header, decode, encode, kind_of
from olaf_async.core.rules import Rules
from olaf_async.domain import events, intents
from olaf_async.domain.charges import ExecutedOrder
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Direction, Setup
from olaf_async.errors import JournalError
from olaf_async.ports.journal import NotSent, PutOff
from olaf_async.strategies.eighty_twenty import EightyTwenty, EightyTwentyRules
from olaf_async.strategies.protocol import Strategy
from tests.races.world import plan_of

WHOLE = st.integers()
SHARE = st.fractions(min_value=0)


def a_plan() -> st.SearchStrategy[EightyTwentyPlan]:
    """Plans, as far as setups and sessions may differ."""
    tick = st.sampled_from([1, 5, 10])

    def of(rules: EightyTwentyRules, tick: int, entry: int, below: int, *, is_long: bool) -> EightyTwentyPlan:
        trigger, direction = (entry, Direction.LONG) if is_long else (entry + 2 * below, Direction.SHORT)
        setup = Setup("M&M", DAY, (entry + below) * tick, trigger * tick, tick, 7, direction)
        return EightyTwentyPlan(setup, Session(DAY, 0, 1, 2, 3), rules)

    rules = st.builds(EightyTwentyRules, trigger_window_ns=WHOLE, bar_ns=WHOLE, initial_stop_tr_mult=SHARE)
    counts = st.integers(1, 10**6)
    return st.builds(of, rules, tick, counts, counts, is_long=st.booleans())


DAY = date(2026, 11, 23)
st.register_type_strategy(ExecutedOrder, st.builds(ExecutedOrder, st.booleans(), st.integers(1, 2**62)))
st.register_type_strategy(EightyTwentyPlan, a_plan())

KINDS: set[type] = {
    *get_args(events.Event),
    *get_args(intents.OrderIntent),
    intents.ReadQuote,
    intents.Say,
    intents.ReportTrade,
    PutOff,
    NotSent,
    Header,
    str,
}


def test_every_event_and_every_intent_has_a_word() -> None:
    assert set(codec._KINDS.values()) == KINDS
    assert {*get_args(events.Event), *get_args(intents.Intent)} <= KINDS


@pytest.mark.parametrize("kind", sorted(KINDS, key=repr))
@given(data=st.data())
def test_what_is_written_is_read_back_equal(kind: type, data: st.DataObject) -> None:
    body = data.draw(st.from_type(kind))
    again = decode(encode(body))
    assert again == body
    assert types_of(again) == types_of(body)


def types_of(value: object) -> object:
    """The types of a value and all within it: 1, True and 1.0 are equal, and not the same."""
    if isinstance(value, tuple):
        return tuple(map(types_of, value))
    if hasattr(type(value), "__dataclass_fields__"):
        return type(value), *(types_of(getattr(value, field.name)) for field in fields(value))  # type: ignore[arg-type]
    return value if isinstance(value, enum.Enum) else type(value)


def test_a_plan_comes_back_with_its_strategy() -> None:
    plan = plan_of(take_profit_r=Fraction(7, 3))
    assert EightyTwentyPlan.of(plan).plan() == plan


class Other:
    """A strategy that files know nothing of."""


def test_a_plan_by_a_strategy_that_files_do_not_know_is_refused() -> None:
    stranger: Strategy = Other()  # type: ignore[assignment] # only its type is looked at
    with pytest.raises(JournalError, match="a plan by Other"):
        EightyTwentyPlan.of(replace(plan_of(), strategy=stranger))


def test_a_strategy_for_another_setup_than_the_plans_is_refused() -> None:
    plan, other = plan_of(), plan_of("TCS")
    assert isinstance(other.strategy, EightyTwenty)
    with pytest.raises(JournalError):
        EightyTwentyPlan.of(replace(plan, strategy=other.strategy))


@pytest.mark.parametrize("body", [b"bytes", object(), 1, "half a pair: \ud800", events.Mode.LIVE])
def test_what_cannot_be_written_exactly_is_refused(body: object) -> None:
    with pytest.raises(JournalError):
        encode(body)


PRINT = events.PriceTouched("INFY", 5, 100_00)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'["price touched"]',
        b'["price touched",{}]',
        b'["something else",{}]',
        b'["price touched",{"symbol":"INFY","at_ns":5,"price":10000.0}]',
        b'["price touched",{"symbol":"INFY","at_ns":"5","price":10000}]',
        b'["price touched",{"symbol":"INFY","at_ns":5,"price":10000,"more":1}]',
        b'["price touched", {"symbol":"INFY","at_ns":5,"price":10000}]',
        b'["price touched",{"at_ns":5,"symbol":"INFY","price":10000}]',
        b'["mode seen",{"at_ns":5,"mode":"maybe"}]',
        b'["put off",{"intent":["price touched",{"symbol":"I","at_ns":5,"price":1}],"until_ns":null}]',
        b'["text","\xff"]',
    ],
)
def test_what_this_version_would_not_have_written_is_refused(data: bytes) -> None:
    with pytest.raises(JournalError, match="not a record"):
        decode(data)


@given(data=st.binary() | st.text().map(str.encode))
def test_whatever_is_read_is_read_or_refused(data: bytes) -> None:
    try:
        body = decode(data)
    except JournalError:
        return
    assert encode(body) == data


@given(data=st.data())
def test_another_byte_anywhere_is_another_record_or_none(data: st.DataObject) -> None:
    text = bytearray(encode(PRINT))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] ^= data.draw(st.integers(1, 255))
    with suppress(JournalError):
        assert decode(bytes(text)) != PRINT


@pytest.mark.parametrize("version", [0, codec.VERSION + 1])
def test_another_format_is_refused_and_named(version: int) -> None:
    with pytest.raises(JournalError, match=f"format {version}"):
        decode(encode(PRINT), version)


def test_each_kind_has_a_name_for_people() -> None:
    assert kind_of(PRINT) == "price touched"


def test_the_usual_product_is_not_written_so_that_older_files_are_read_as_they_are() -> None:
    usual = Header("1", Account("live", "here", "k"), DAY, Rules(), ())
    assert b'"product"' not in encode(usual)
    assert decode(encode(usual)) == usual
    other = Header("1", Account("live", "here", "k", "CNC"), DAY, Rules(), ())
    assert decode(encode(other)) == other


def test_rules_are_written_exactly() -> None:
    header = Header("1", Account("live", "here", "k"), DAY, Rules(stop_limit_pct=Fraction(1, 3)), ())
    assert b'"stop_limit_pct":"1/3"' in encode(header)


@pytest.mark.parametrize("host", ["http://127.0.0.1:5000", "https://me:secret-word@olaf.example/api"])
def test_an_account_tells_keys_apart_and_none_of_them(host: str) -> None:
    one, other = Account.of("live", host, "sesame-one", "MIS"), Account.of("live", host, "sesame-two", "MIS")
    assert one.key != other.key
    assert one == Account.of("live", host, "sesame-one", "MIS")
    assert "sesame" not in repr(one)
    assert "secret-word" not in repr(one)
    assert one.server in {"127.0.0.1:5000", "olaf.example"}
