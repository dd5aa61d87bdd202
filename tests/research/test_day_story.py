"""The day in sentences: each happening once, in the order of time, in words that are true of it."""

from dataclasses import replace

import pytest

from olaf_async.domain.intents import Say, Severity
from olaf_async.domain.order import Side
from olaf_async.domain.setup import Direction
from olaf_async.domain.trade import ExitReason
from olaf_async.research.day_story import MINUS, REASONS, Mood, average, money, r_multiple, r_text, story
from olaf_async.research.results import TradeRecord
from tests.research.made_days import CALM, OPEN_NS, TRADE, alarm, change, day


def texts(*orders: object, **more: object) -> list[str]:
    return [line.text for line in story(day(*orders, **more))]  # type: ignore[arg-type]


def test_a_calm_trade_is_told_from_undercut_to_stop() -> None:
    lines = story(day(*CALM))
    assert [line.text.replace(MINUS, "-") for line in lines] == [
        "undercut seen: buy stop placed at 100.00",
        "bought 10 at 100.00",
        "protected: sell stop placed at 95.00",
        "stop trailed from 95.00 to 99.40",
        "stop: sold at 99.00, net -11.50 (-0.2 R)",
    ]
    assert [line.mood for line in lines] == [Mood.QUIET, Mood.PLAIN, Mood.PLAIN, Mood.PLAIN, Mood.BAD]
    assert {line.symbol for line in lines} == {"ALPHA"}


def test_a_short_is_sold_short_and_bought_back() -> None:
    short = replace(TRADE, direction=Direction.SHORT, initial_stop=10500, reason=ExitReason.SESSION_END)
    orders = (
        change("entry-1", "placed", 5, side=Side.SELL),
        change("entry-1", "filled", 10, side=Side.SELL, filled=10, fill_price=10000),
    )
    lines = story(day(*orders, trades=(TradeRecord(short, 150),)))
    assert [line.text for line in lines] == [
        "undercut seen: sell stop placed at 100.00",
        "sold short 10 at 100.00",
        "deadline: bought back at 99.00, net +8.50 (+0.2 R)",
    ]
    assert lines[-1].mood is Mood.GOOD


def test_parts_of_an_entry_are_told_as_they_fill() -> None:
    first = change("entry-1", "filled", 10, filled=4, fill_price=10000, status="open")
    rest = change("entry-1", "filled", 11, filled=10, fill_price=10005)
    assert texts(CALM[0], first, rest, trades=())[1:] == ["bought 4 at 100.00", "bought 6 at 100.05"]


@pytest.mark.parametrize(
    ("what", "text"),
    [
        (change("entry-1", "cancelled", 20), "entry at 100.00 not reached, cancelled"),
        (change("stop-2", "cancelled", 20), "stop at 95.00 cancelled to leave"),
        (change("stop-2", "refused", 20), "stop order refused"),
        (change("exit-3", "rejected", 20), "exit order refused"),
        (change("exit-3", "refused", 20, role=None), "foreign order refused"),
    ],
)
def test_what_comes_to_nothing_is_told_too(what: object, text: str) -> None:
    assert texts(what, trades=()) == [text]


def test_what_another_line_says_is_not_said_twice() -> None:
    quiet = (
        change("stop-2", "triggered", 20),
        change("exit-3", "placed", 20),
        change("exit-3", "filled", 20, filled=10, fill_price=9900),
        change("entry-1", "triggered", 20),
    )
    assert texts(*quiet, trades=()) == []
    assert texts(CALM[2], replace(CALM[2], change="modified", quantity=12), trades=()) == [
        "protected: sell stop placed at 95.00"
    ]


def test_warnings_and_alarms_stand_at_their_time_and_notes_do_not() -> None:
    says = (
        (OPEN_NS, Say("ALPHA", Severity.NOTE, "x", "nothing much")),
        (OPEN_NS + 1, Say(None, Severity.WARNING, "x", "careful")),
        alarm("stop_jumped"),
    )
    lines = story(day(*CALM, says=says))
    assert (lines[0].symbol, lines[0].text, lines[0].mood) == ("", "careful", Mood.BAD)
    assert (lines[-1].text, lines[-1].mood) == ("stop_jumped", Mood.ALARM)
    assert len(lines) == 7
    assert [line.at_ns for line in lines] == sorted(line.at_ns for line in lines)


@pytest.mark.parametrize(
    ("paise", "text"),
    [(0, "0.00"), (5, "+0.05"), (-1, "-0.01"), (123_456_789, "+1,234,567.89"), (-95_820, "-958.20")],
)
def test_money_carries_its_sign(paise: int, text: str) -> None:
    assert money(paise) == text.replace("-", MINUS)


@pytest.mark.parametrize(
    ("value", "quantity", "text"), [(100_000, 10, "100.00"), (10_001, 2, "50.01"), (10, 3, "0.03")]
)
def test_an_average_is_the_nearest_paisa_half_up(value: int, quantity: int, text: str) -> None:
    assert average(value, quantity) == text


def test_r_is_profit_in_units_of_the_risk_at_entry() -> None:
    assert r_multiple(TRADE) == pytest.approx(-0.2)
    assert r_text(TRADE) == f"{MINUS}0.2"
    doubled = replace(TRADE, exit_value=110_000)
    assert r_multiple(doubled) == pytest.approx(2.0)
    assert r_text(doubled) == "+2.0"
    no_risk = replace(TRADE, initial_stop=10_000)
    assert r_multiple(no_risk) is None
    assert r_text(no_risk) == "–"


def test_every_reason_has_its_word() -> None:
    assert set(REASONS) == set(ExitReason)
    assert len(set(REASONS.values())) == len(REASONS)


def test_what_is_said_again_and_again_is_one_line_with_a_count() -> None:
    says = tuple(
        (OPEN_NS + at, Say(symbol, severity, "stale", f"{symbol}: silent for {at} s"))
        for at, symbol, severity in (
            (1, "ALPHA", Severity.WARNING),
            (2, "ALPHA", Severity.WARNING),
            (3, "BETA", Severity.WARNING),
            (4, "ALPHA", Severity.ALARM),
        )
    )
    told = [(line.at_ns - OPEN_NS, line.text, line.mood) for line in story(day(says=says, trades=()))]
    assert told == [
        (1, "silent for 1 s (2 times)", Mood.BAD),
        (3, "silent for 3 s", Mood.BAD),
        (4, "silent for 4 s", Mood.ALARM),
    ]
