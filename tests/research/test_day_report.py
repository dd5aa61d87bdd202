"""The day report: complete, the same each time, true to the result, and inside its columns."""

import io
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from olaf_async.adapters.replay.files import PriceColumns
from olaf_async.domain.order import Role
from olaf_async.domain.setup import Direction
from olaf_async.domain.trade import ExitReason
from olaf_async.research.day_report import CHARTS_MAX, ReportFrame, day_report, headline, safety
from olaf_async.research.day_story import MINUS
from olaf_async.research.results import LeftOut, OpenPosition, RunResult, TradeRecord
from olaf_async.research.safety_figures import Limits, checks, safety_figures
from olaf_async.research.trade_chart import chart, stop_steps
from tests.made_market import MONDAY, TUESDAY, setup_of
from tests.research.made_days import CALM, MINUTE_NS, OPEN_NS, TRADE, alarm, change, day, run

INDIA = ZoneInfo("Asia/Kolkata")
FRAME = ReportFrame("A day", INDIA, 80, Limits(attempts_max=3, unprotected_ms_max=3000))


def prices(*points: tuple[float, int], day: date = MONDAY) -> PriceColumns:
    """A line through these (minute, price), one print a second."""
    seconds = np.arange(int(points[0][0] * 60), int(points[-1][0] * 60) + 1)
    path = np.interp(seconds, [minute * 60 for minute, _ in points], [price for _, price in points])
    times = OPEN_NS + seconds.astype(np.int64) * 10**9
    return PriceColumns("ALPHA", day, times, path.astype(np.int64), None, 0, len(times))


PRICES = {("ALPHA", MONDAY): prices((0, 10100), (5, 9950), (20, 10120), (45, 9900), (375, 10000))}


def shown(renderable: RenderableType, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), record=True, legacy_windows=False)
    console.print(renderable)
    return console.export_text().replace(MINUS, "-")


def flat(text: str) -> str:
    return " ".join(text.split())


def test_the_headline_is_the_net_result_and_how_it_came_about() -> None:
    text = shown(headline(run(), "A day"))
    assert "A day" in text
    assert "-11.50 rupees net" in text
    assert "-10.00 from trading, -1.50 brokerage and taxes" in text
    assert "1 setup, 1 undercut, 1 trade: 0 won, 1 lost" in text


HELD = OpenPosition("ALPHA", Direction.LONG, 10, 10, 100_000, 9900, None, -1000)


def test_the_headline_says_what_is_still_open() -> None:
    text = shown(headline(run(day(*CALM, unclosed=(HELD,))), "A day"))
    assert "STILL OPEN, and in no sum above: 1 position (ALPHA long 10)" in text
    many = flat(shown(headline(run(day(*CALM, unclosed=(HELD,) * 5)), "A day"), 200))
    assert "5 positions (ALPHA long 10, ALPHA long 10, ALPHA long 10, ALPHA long 10, ...)" in many
    assert "STILL OPEN" not in shown(headline(run(), "A day"))


def test_the_headline_of_a_run_of_which_every_setup_was_left_out_is_no_result() -> None:
    left = LeftOut(setup_of(), "there are no prices of that day")
    text = shown(headline(RunResult((), (left, left)), "No day"))
    assert "NOTHING WAS REPLAYED. All 2 setups were left out." in text
    assert "The only setup was left out." in shown(headline(RunResult((), (left,)), "No day"))
    assert "There was no setup to trade." in shown(headline(RunResult(()), "No day"))
    assert "rupees" not in text
    assert "1 of 2 setups left out" in shown(headline(RunResult((day(*CALM),), (left,)), "A day"))


def test_the_headline_says_by_which_rules_the_day_was_traded() -> None:
    frame = replace(FRAME, rules="Rules: 30-minute bars")
    assert "Rules: 30-minute bars" in shown(day_report(run(), {}, frame))
    assert "Rules" not in shown(day_report(run(), {}, FRAME))


def test_a_day_without_a_trade_is_reported_without_a_table() -> None:
    text = shown(day_report(run(day(trades=(), entries=0)), PRICES, FRAME))
    assert "0.00 rupees net" in text
    assert "1 setup, 1 undercut, 0 trades: 0 won, 0 lost" in text
    assert "Ended by" not in text
    assert "resting stop" not in text


def test_the_table_tells_a_trade_whole() -> None:
    text = flat(shown(day_report(run(), {}, FRAME)))
    assert "ALPHA 09:25:00 10:00:00 stop 95.00 -0.2 -10.00 -11.50" in text
    assert "long 10 100.00 99.00 60 ms 99.40 -1.50" in text
    assert "all -10.00 -11.50 -1.50" in text


def test_a_run_of_several_days_says_which_trade_was_when() -> None:
    second = day(*CALM, day=TUESDAY, trades=(TradeRecord(replace(TRADE, day=TUESDAY), 150),))
    text = flat(shown(day_report(run(day(*CALM), second), {}, FRAME)))
    assert "long 10 07 Jun" in text
    assert "long 10 08 Jun" in text
    assert "all -20.00 -23.00 -3.00" in text
    assert "07 Jun" not in shown(day_report(run(), {}, FRAME))


@pytest.mark.parametrize("width", [80, 91, 92, 100])
def test_the_report_stays_inside_its_columns_with_large_numbers_too(width: int) -> None:
    large = replace(
        TRADE, symbol="BAJAJ-AUTO", quantity=5000, entry_value=5000 * 905_000, exit_value=5000 * 899_995
    )
    large = replace(large, initial_stop=899_995, final_stop=899_995, reason=ExitReason.SESSION_END)
    result = run(day(*CALM, trades=(TradeRecord(large, 123_456),)))
    text = shown(day_report(result, PRICES, replace(FRAME, width=width)), width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    assert "…" not in text


def test_the_same_result_gives_the_same_report() -> None:
    one, two = (shown(day_report(run(), PRICES, FRAME)) for _ in range(2))
    assert one == two


def test_there_is_a_picture_for_each_trade_up_to_a_limit() -> None:
    many = run(day(*CALM, trades=(TradeRecord(TRADE, 150),) * (CHARTS_MAX + 2)))
    text = shown(day_report(many, PRICES, FRAME))
    assert text.count("▲") == CHARTS_MAX + 1, "one for each and one in the legend"
    assert "▲" not in shown(day_report(many, PRICES, replace(FRAME, is_drawn=False)))
    assert "▲" not in shown(day_report(many, {}, FRAME))


# --------------------------------------------------------------------------------------------- the picture


def picture(width: int = 46, **more: object) -> list[str]:
    trade = replace(TRADE, **more)  # type: ignore[arg-type]
    lines = chart(trade, PRICES["ALPHA", MONDAY], stop_steps(CALM, trade), INDIA, width)
    return [line.plain for line in lines]


def column(lines: list[str], letter: str) -> int:
    (found,) = {line.index(letter) for line in lines if letter in line}
    return found


def test_the_picture_marks_entry_and_exit_over_their_times_and_beside_their_prices() -> None:
    lines = picture()
    assert len(lines) == 8
    assert max(map(cell_len, lines)) <= 46
    (entry,) = (line for line in lines if "▲" in line)
    (out,) = (line for line in lines if "●" in line)
    assert entry.startswith("  100.00 ┤")
    assert out.startswith("   99.00 ┤")
    at = lines[-1].index("09:25"), lines[-1].index("10:00")
    assert at[0] <= column(lines, "▲") <= at[0] + 4
    assert at[1] <= column(lines, "●") <= at[1] + 4


def test_the_resting_stop_is_a_line_from_entry_to_exit_that_rises() -> None:
    lines = picture()
    rows = [row for row, line in enumerate(lines[:-1]) if "─" in line]
    assert len(rows) == 2, "one height before it was raised and one after"
    low, high = lines[rows[1]], lines[rows[0]]
    assert low.startswith("   95.00 ┤")
    assert low.rindex("─") < high.index("─", 10)


def test_a_short_points_down() -> None:
    lines = picture(direction=Direction.SHORT)
    assert any("▼" in line for line in lines)
    assert not any("▲" in line for line in lines)


def test_the_price_is_drawn_through_every_height_it_passes() -> None:
    lines = picture()
    braille = [[0x2800 < ord(letter) < 0x2900 for letter in line] for line in lines[:-1]]
    assert sum(map(any, braille)) >= 2
    first, last = column(lines, "▲"), column(lines, "●")
    for x in range(first + 1, last):
        assert any(row[x] for row in braille if x < len(row)), f"nothing is drawn in column {x}"


def test_a_trade_that_lasts_an_instant_and_a_price_that_never_moves_can_be_drawn() -> None:
    still = PriceColumns("ALPHA", MONDAY, np.array([OPEN_NS]), np.array([10000]), None, 0, 1)
    trade = replace(TRADE, entry_ns=OPEN_NS, exit_ns=OPEN_NS, exit_value=100_000, initial_stop=10_000)
    lines = chart(trade, still, [], INDIA, 40)
    assert len(lines) == 8
    assert any("●" in line.plain for line in lines)


def test_the_stops_of_a_trade_are_those_of_its_symbol_and_its_time() -> None:
    others = (
        change("stop-9", "placed", 5),
        change("stop-9", "placed", 50),
        change("stop-9", "placed", 20, symbol="BETA"),
        change("entry-9", "placed", 20, role=Role.ENTRY),
        change("stop-9", "cancelled", 20),
    )
    steps = stop_steps((*others, *CALM), TRADE)
    assert steps == [(OPEN_NS + int(10.001 * MINUTE_NS), 9500), (OPEN_NS + 15 * MINUTE_NS, 9940)]


# ---------------------------------------------------------------------------------------------- was it safe?


def panel(result: RunResult, limits: Limits = FRAME.limits, width: int = 80) -> str:
    return shown(safety(checks(safety_figures(result.days), limits), width), width)


def marked(text: str, mark: str) -> list[str]:
    """The figures that have this mark."""
    lines = (line for line in text.splitlines() if line.startswith(mark) and "  " in line.rstrip())
    return [line[2:].split("  ")[0] for line in lines]


def test_a_calm_day_has_every_line_ticked() -> None:
    text = panel(run())
    assert text.count("✓") == 10
    assert "✗" not in text
    assert "!" not in text
    for line in ("1 of 3 allowed", "1 of 1", "60 ms", "0 of 6"):
        assert line in text


def test_what_needs_a_person_is_crossed_and_the_cross_is_explained() -> None:
    text = panel(run(day(*CALM, unclosed=(HELD,))))
    assert marked(text, "✗") == ["positions still open"]
    assert marked(text, "!") == []
    assert "✗ needs a person" in text


def test_what_was_dealt_with_has_a_mark_of_its_own() -> None:
    text = panel(run(day(*CALM, says=(alarm("stop_jumped"),))))
    assert marked(text, "!") == ["alarms"]
    assert marked(text, "✗") == []
    assert "! was dealt with, and is worth a look" in text


def test_on_a_wide_terminal_the_figures_stand_beside_each_other() -> None:
    narrow, wide = (panel(run(), width=width).splitlines() for width in (80, 100))
    assert len(narrow) - len(wide) == 5
