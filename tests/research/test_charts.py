"""The chart of a trade: the right prices at the right local times, and words nobody has to disentangle."""

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, tzinfo
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.adapters.replay.files import PriceFolder
from olaf_async.app import replay, rules
from olaf_async.domain.order import Role
from olaf_async.domain.price import to_paise
from olaf_async.domain.setup import Setup
from olaf_async.errors import ConfigError
from olaf_async.research.charts import Chart, spread, trade_chart, trade_charts
from olaf_async.research.paper_day import PAPER_DAY, SAMPLE
from olaf_async.research.results import DayResult, OrderChange, RunResult, TradeRecord
from olaf_async.settings import load_settings
from tests.made_market import MONDAY, setup_of, write_market, write_ticks

INDIA = ZoneInfo("Asia/Kolkata")
LETTER, LINE = 0.01, 15
"""What a letter takes of the width of a chart, and a line of its pixels."""


def replayed(
    source: replay.Source, setups: Iterable[Setup], **changes: object
) -> tuple[RunResult, PriceFolder]:
    settings = load_settings(
        SAMPLE / "settings.toml", {key.replace("__", "."): value for key, value in changes.items()}
    )
    result = replay.run_replay(settings, source, setups)
    return result, replay.open_prices(settings, source)


@cache
def sample(trail_bar_s: int = 1800) -> tuple[RunResult, PriceFolder]:
    """The whole bundled market: five trades on real bars, long and short."""
    setups = rules.load_setups(load_settings(SAMPLE / "settings.toml"), SAMPLE / "setups.csv")
    return replayed(replay.Bars(SAMPLE / "bars"), setups, strategy__trail_bar_s=trail_bar_s)


def sample_charts(trail_bar_s: int = 1800) -> list[Chart]:
    result, prices = sample(trail_bar_s)
    return list(trade_charts(result, prices, INDIA))


def made(folder: Path, prints: Iterable[tuple[str, str]], **changes: object) -> tuple[RunResult, PriceFolder]:
    write_ticks(folder, "ALPHA", MONDAY, prints)
    return replayed(replay.Ticks(folder), [setup_of()], **changes)


def only(result: RunResult, symbol: str, day: date = PAPER_DAY) -> tuple[DayResult, TradeRecord, Setup]:
    """The only trade of a symbol on a day, with its day and setup."""
    (of_day,) = (each for each in result.days if each.day == day)
    (record,) = (each for each in of_day.trades if each.trade.symbol == symbol)
    (setup,) = (each for each in of_day.setups if each.symbol == symbol)
    return of_day, record, setup


def bank() -> tuple[DayResult, TradeRecord, Setup]:
    """The trade of the paper day that lasted until the deadline."""
    return only(sample()[0], "FEDERALBNK")


def drawn(
    record: TradeRecord | None = None, orders: Iterable[OrderChange] | None = None, zone: tzinfo = INDIA
) -> dict[str, Any]:
    """Its chart, of the record and orders that are given in place of its own."""
    day, own, setup = bank()
    columns = sample()[1].read("FEDERALBNK", PAPER_DAY)
    assert columns is not None
    return trade_chart(record or own, setup, columns, tuple(day.orders if orders is None else orders), zone)


def trace(chart: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = (each for each in chart["data"] if each["name"] == name)
    return found


def points(chart: dict[str, Any], name: str) -> list[tuple[str, float]]:
    """A line's or a mark's places, the times to the second."""
    of = trace(chart, name)
    return [(at[11:19], price) for at, price in zip(of["x"], of["y"], strict=True)]


def words(chart: dict[str, Any]) -> list[str]:
    return [each["text"] for each in chart["layout"]["annotations"]]


# -------------------------------------------------------------------------------- what it is made of


def test_a_chart_is_plain_json_that_plotly_takes_as_it_is() -> None:
    charts = sample_charts()
    assert len(charts) == len(sample()[0].trades) == 5
    for chart in charts:
        assert json.loads(json.dumps(chart)) == chart
        figure = go.Figure(chart).to_dict()
        assert [each["type"] for each in figure["data"]] == [each["type"] for each in chart["data"]]  # type: ignore[attr-defined]
        assert len(json.dumps(chart)) < 30_000


def test_a_chart_is_made_without_loading_plotly() -> None:
    code = "import sys, olaf_async.research.charts; sys.exit('plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -------------------------------------------------------------------------------- what is drawn


def test_the_stop_is_drawn_as_it_was_trailed_from_its_placing_to_the_exit() -> None:
    steps = [("09:47:30", 148.70), ("10:15:00", 147.85), ("10:45:00", 146.60), ("11:45:00", 146.25)]
    steps += [("12:45:00", 146.10), ("13:15:00", 145.50), ("13:45:00", 145.30)]
    chart = drawn()
    assert points(chart, "stop") == [*steps, ("14:45:00", 145.30)]
    assert trace(chart, "stop")["line"]["shape"] == "hv"
    assert trace(chart, "stop")["text"][1] == "10:15:00 stop 147.85"


def test_arming_entry_order_entry_and_exit_stand_where_they_happened() -> None:
    chart = drawn()
    assert points(chart, "armed") == [("09:36:30", 148.15)]
    assert trace(chart, "armed")["text"] == ["09:36:30 entry order placed, last price 148.15"]
    assert points(chart, "entry order") == [("09:36:30", 147.40), ("09:47:30", 147.40)]
    assert points(chart, "entry") == [("09:47:30", 147.40)]
    assert points(chart, "exit") == [("14:45:00", 144.80)]
    assert {price for _, price in points(chart, "setup level")} == {147.40}
    assert {price for _, price in points(chart, "undercut level")} == {147.90}


def test_a_candle_holds_the_first_highest_lowest_and_last_price_of_its_span(tmp_path: Path) -> None:
    inside = [("09:29:00", "101.20"), ("09:29:10", "101.50"), ("09:29:50", "100.90"), ("09:29:59", "101.30")]
    prints = [
        ("09:20:00", "99.50"),
        ("09:25:00", "100.00"),
        *inside,
        ("10:00:00", "94.90"),
        ("15:00:00", "97.00"),
    ]
    result, prices = made(tmp_path, prints, strategy__trail_bar_s=900, strategy__trail_from="next_bar")
    (chart,) = trade_charts(result, prices, INDIA)
    candles = trace(chart, "price")
    rows = zip(*(candles[name] for name in ("x", "open", "high", "low", "close")), strict=True)
    assert [(at[11:19], *ohlc) for at, *ohlc in rows] == [
        ("09:20:30", 99.5, 99.5, 99.5, 99.5),
        ("09:25:30", 100.0, 100.0, 100.0, 100.0),
        ("09:29:30", 101.2, 101.5, 100.9, 101.3),
        ("10:00:30", 94.9, 94.9, 94.9, 94.9),
    ], "nothing stands where nothing was traded, and the afternoon is out of sight"
    assert (
        candles["hovertext"][2] == "09:29–09:30<br>open 101.20<br>high 101.50<br>low 100.90<br>close 101.30"
    )


def test_a_longer_trade_has_longer_candles_never_too_many() -> None:
    result, _ = sample()
    held_ns = [record.trade.exit_ns - record.trade.entry_ns for record in result.trades]
    steps_s = []
    for chart in sample_charts():
        at = [datetime.fromisoformat(each) for each in trace(chart, "price")["x"]]
        assert 20 < len(at) <= 102
        steps_s.append(min((after - before).seconds for before, after in pairwise(at)))
        assert all((each.minute * 60 + each.second - steps_s[-1] // 2) % steps_s[-1] == 0 for each in at)
    by_length = [step for _, step in sorted(zip(held_ns, steps_s, strict=True))]
    assert by_length == sorted(by_length) == [60, 60, 180, 180, 300]


def test_everything_drawn_lies_within_the_picture() -> None:
    for chart in sample_charts(300) + sample_charts():
        layout: dict[str, Any] = chart["layout"]  # type: ignore[assignment]
        (left, right), (low, high) = layout["xaxis"]["range"], layout["yaxis"]["range"]
        for each in chart["data"]:  # type: ignore[attr-defined]
            assert all(left <= at <= right for at in each["x"]), each["name"]
            values = [each[name] for name in ("y", "low", "high") if name in each]
            assert all(low < price < high for column in values for price in column), each["name"]


def test_the_clock_on_the_wall_is_the_one_of_the_zone() -> None:
    assert points(drawn(zone=INDIA), "entry") == [("09:47:30", 147.40)]
    assert points(drawn(zone=UTC), "entry") == [("04:17:30", 147.40)]
    for zone in (INDIA, UTC):
        assert datetime.combine(PAPER_DAY, time(), zone).tzname() in words(drawn(zone=zone))
    opening = datetime.combine(PAPER_DAY, time(9, 15), INDIA).astimezone(UTC)
    assert trace(drawn(zone=UTC), "price")["x"][0] == f"{opening:%Y-%m-%dT%H}:47:30.000"


def test_a_second_attempt_shows_its_own_entry_order_and_stops_only(tmp_path: Path) -> None:
    first = [("09:20:00", "99.50"), ("09:25:00", "100.00"), ("09:26:00", "94.90")]
    second = [("09:31:00", "99.40"), ("09:33:00", "100.05"), ("09:50:00", "101.00")]
    result, prices = made(tmp_path, [*first, *second], strategy__trail_bar_s=900)
    one, two = trade_charts(result, prices, INDIA)
    assert points(one, "armed") == [("09:20:00", 99.5)]
    assert points(one, "stop") == [("09:25:00", 95.0), ("09:26:00", 95.0)]
    assert points(two, "armed") == [("09:31:00", 99.4)]
    assert points(two, "stop")[0] == ("09:33:00", 95.05)
    assert points(two, "exit")[0][0] == "14:45:00"
    assert "attempt 2" in two["layout"]["title"]["text"]  # type: ignore[index]


def test_without_the_engines_word_on_an_order_the_rest_is_still_drawn() -> None:
    nameless = [replace(change, role=None, key="") for change in bank()[0].orders]
    chart = drawn(orders=nameless)
    assert points(chart, "stop") == []
    assert {each["name"] for each in chart["data"]} == {
        *("setup level", "undercut level", "price", "stop", "entry", "exit")
    }
    assert go.Figure(chart)


def test_the_sample_has_what_these_charts_are_judged_by() -> None:
    result, _ = sample()
    assert {record.trade.direction.word for record in result.trades} == {"long", "short"}
    assert {record.trade.reason.value for record in result.trades} == {"stop", "session_end"}
    assert {change.role for change in result.orders} == set(Role)


def test_prices_that_are_gone_since_the_replay_are_an_error(tmp_path: Path) -> None:
    result, _ = sample()
    write_market(tmp_path)
    with pytest.raises(
        ConfigError, match="prices of FORTIS on 2015-01-20, replayed before, are no longer there"
    ):
        next(trade_charts(result, replay.open_prices(load_settings(), replay.Ticks(tmp_path)), INDIA))


# -------------------------------------------------------------------------------- what is said


def test_title_and_marks_tell_the_trade_in_exact_prices() -> None:
    _, record, _ = bank()
    trade = replace(record.trade, quantity=3, entry_value=44_225, exit_value=43_441)
    chart = drawn(replace(record, trade=trade, charges=1))
    title = chart["layout"]["title"]
    assert title["text"].startswith("<b>FEDERALBNK</b>  short, attempt 1, 20 January 2015")
    assert "+7.83 net" in title["text"]
    assert title["subtitle"]["text"] == (
        "09:47:30 sold short 3 at 147.42, 14:45:00 bought back at 144.80 (deadline)"
    )
    assert trace(chart, "exit")["text"] == ["14:45:00 bought back at 144.80 (deadline)"]
    assert "144.80 deadline" in words(chart)


def test_a_gain_that_the_charges_eat_up_is_shown_as_a_loss() -> None:
    _, record, _ = bank()
    assert record.gross == 130_000
    won, lost = (drawn(replace(record, charges=charges)) for charges in (129_999, 130_000))
    colours = [trace(chart, "exit")["marker"]["color"] for chart in (won, lost)]
    assert colours[0] != colours[1]
    for chart, colour in zip((won, lost), colours, strict=True):
        assert f"color:{colour}" in chart["layout"]["title"]["text"]
        (label,) = (each for each in chart["layout"]["annotations"] if each["text"] == "144.80 deadline")
        assert label["font"]["color"] == colour


def test_the_entry_of_a_long_points_up_with_the_stop_written_below_and_a_short_is_its_mirror() -> None:
    by_side = {
        record.trade.direction.word: chart
        for record, chart in zip(sample()[0].trades, sample_charts(), strict=True)
    }
    for side, symbol, sign in (("long", "triangle-up", -1), ("short", "triangle-down", 1)):
        chart: dict[str, Any] = by_side[side]
        assert trace(chart, "entry")["marker"]["symbol"] == symbol
        lifts = [
            each["yshift"] for each in chart["layout"]["annotations"] if each["text"].startswith("stop ")
        ]
        assert [lift * sign > 0 for lift in lifts] == [True]


def test_the_name_of_a_share_is_written_as_it_is_and_never_as_markup() -> None:
    _, record, _ = bank()
    chart = drawn(replace(record, trade=replace(record.trade, symbol="M&M<b>")))
    assert chart["layout"]["title"]["text"].startswith("<b>M&amp;M&lt;b&gt;</b>")


def boxes(chart: Chart) -> list[tuple[float, float, int, str]]:
    """Each of the words inside the picture: left edge, middle in pixels, number of letters, the words."""
    layout: dict[str, Any] = chart["layout"]  # type: ignore[assignment]
    left, right = (datetime.fromisoformat(each) for each in layout["xaxis"]["range"])
    low, high = layout["yaxis"]["range"]
    height = layout["height"] - layout["margin"]["t"] - layout["margin"]["b"]
    return [
        (
            (datetime.fromisoformat(each["x"]) - left) / (right - left),
            (each["y"] - low) / (high - low) * height + each["yshift"],
            len(each["text"]),
            each["text"],
        )
        for each in layout["annotations"]
        if each.get("xref") != "paper"
    ]


@pytest.mark.parametrize("trail_bar_s", [60, 300, 900, 1800])
def test_no_words_are_written_over_others_however_often_the_stop_moves(trail_bar_s: int) -> None:
    charts = sample_charts(trail_bar_s)
    for chart in charts:
        placed = sorted(boxes(chart))
        assert sum(text.startswith("stop ") for *_, text in placed) == 1
        for number, (left, height, letters, text) in enumerate(placed):
            for other_left, other_height, _, other in placed[number + 1 :]:
                is_apart = (
                    other_left - left >= 0.95 * letters * LETTER or abs(height - other_height) > 0.95 * LINE
                )
                assert is_apart, f"{text} and {other}"
    assert any(len(boxes(chart)) > 3 for chart in charts)


def test_the_labels_of_two_levels_a_tick_apart_are_a_line_apart() -> None:
    day, record, setup = bank()
    columns = sample()[1].read("FEDERALBNK", PAPER_DAY)
    assert columns is not None
    near = replace(setup, trigger_price=setup.entry_price + to_paise("0.05"))
    chart: dict[str, Any] = trade_chart(record, near, columns, day.orders, INDIA)
    low, high = chart["layout"]["yaxis"]["range"]
    tick_px = 0.05 / (high - low) * (chart["layout"]["height"] - 116)
    labels = {each["text"]: each["yshift"] for each in chart["layout"]["annotations"]}
    assert tick_px < LINE / 2
    assert labels["undercut 147.45"] - labels["setup level 147.40"] + tick_px == pytest.approx(LINE, abs=1)


places = st.lists(st.floats(-1000, 1000), max_size=12).map(sorted)


@given(places)
def test_spread_places_are_apart_in_the_same_order_around_the_same_middle(wanted: list[float]) -> None:
    found = spread(wanted, LINE)
    assert all(after - before >= LINE - 1e-6 for before, after in pairwise(found))
    assert sum(found) == pytest.approx(sum(wanted), abs=1e-6)


@given(places)
def test_places_that_are_apart_already_stay_where_they_are(wanted: list[float]) -> None:
    apart = [place + LINE * number for number, place in enumerate(wanted)]
    assert spread(apart, LINE) == pytest.approx(apart)
