"""The reader of real days: its rules on made-up rows, and its counts on the recorded data where those are."""

import csv
import gzip
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from .days import (
    CLOSED,
    SKIPPED_WHY,
    DayBar,
    RealDay,
    Setup,
    convert_raw_sample,
    paise,
    read_prints,
    real_days,
    sessions,
    setups,
    setups_of,
)
from .plain_loop import SECOND, Trade, plain_loop

BEFORE, DAY, AFTER = (
    date(2021, 3, 10),
    date(2021, 3, 12),
    date(2021, 3, 15),
)  # closed on the 11th, then a weekend
QUIET = DayBar(10000, 10000, 10000, 10000, 1_000_000)
# Range 100.00 to 110.00; opened in its top fifth exactly, closed in its bottom fifth exactly.
EIGHTY_TWENTY = DayBar(open=10800, high=11000, low=10000, close=10200, volume=100_000)


def found(day: DayBar, before: DayBar = QUIET, direction: int = +1) -> list[Setup]:
    return list(setups_of("M&M", {BEFORE: before, DAY: day, AFTER: QUIET}, direction))


def test_a_long_setup_stands_at_the_low_and_is_for_the_next_session() -> None:
    assert found(EIGHTY_TWENTY) == [Setup("M&M", DAY, AFTER, +1, 10000, 9950, 5, 1000)]


@pytest.mark.parametrize(
    "missed",
    [
        EIGHTY_TWENTY._replace(open=10795),
        EIGHTY_TWENTY._replace(close=10205),
        EIGHTY_TWENTY._replace(volume=99_999),
        DayBar(10000, 10000, 10000, 10000, 100_000),
    ],
)
def test_one_tick_or_one_share_short_is_no_setup_and_neither_is_a_zero_range(missed: DayBar) -> None:
    assert found(missed) == []


def test_the_true_range_reaches_to_the_previous_close() -> None:
    assert found(EIGHTY_TWENTY, before=QUIET._replace(close=11005)) == []  # 80 % of it is now above the open
    (setup,) = found(EIGHTY_TWENTY._replace(open=11000), before=QUIET._replace(close=11200))
    assert (setup.true_range, setup.entry) == (1200, 10000)


def test_a_short_setup_is_the_mirror_at_the_high() -> None:
    upwards = DayBar(open=10200, high=11000, low=10000, close=10800, volume=100_000)
    assert found(upwards, direction=-1) == [Setup("M&M", DAY, AFTER, -1, 11000, 11050, 5, 1000)]
    assert found(upwards) == found(EIGHTY_TWENTY, direction=-1) == []


@pytest.mark.parametrize("absent", [BEFORE, DAY, AFTER])
def test_a_missing_row_on_either_side_drops_the_setup(absent: date) -> None:
    rows = {BEFORE: QUIET, DAY: EIGHTY_TWENTY, AFTER: QUIET}
    del rows[absent]
    assert list(setups_of("M&M", rows, +1)) == []


def test_every_weekday_but_the_closed_ones_is_a_session() -> None:
    days = sessions()
    assert len(days) == 88 - 6
    assert not CLOSED & set(days)


def test_prices_become_exact_paise_or_are_refused() -> None:
    assert [paise(text) for text in ("2189.0", "0.05", "1000", "33.10")] == [218900, 5, 100000, 3310]
    with pytest.raises(ValueError, match="paise"):
        paise("1.005")


def test_a_time_that_steps_back_is_taken_as_the_newest_and_its_price_counts(tmp_path: Path) -> None:
    file = tmp_path / "2021-03-15.csv.gz"
    with gzip.open(file, "wt", encoding="utf-8") as out:
        out.write(
            "t,ltp,cum_volume\n09:15:02,10.00,1\n09:15:01.5,9.95,0\n09:15:02,10.00,1\n09:15:03.25,10.05,2\n"
        )
    second = 33302 * SECOND
    assert read_prints(file) == [(second, 1000), (second, 995), (second, 1000), (second + 1_250_000, 1005)]


# ------------------------------------------------------------ on the recorded data


@pytest.fixture(scope="module")
def recorded() -> list[RealDay]:
    days = real_days()
    if days is None:
        pytest.skip(SKIPPED_WHY)
    return list(days)


def run(day: RealDay) -> list[Trade]:
    setup = day.setup
    return plain_loop(
        day.prints,
        entry=setup.entry,
        trigger=setup.trigger,
        tick=setup.tick,
        true_range=setup.true_range,
        direction=setup.direction,
    )


def triggers(day: RealDay) -> bool:
    side = day.setup.direction
    hour = [price for time, price in day.prints if 33300 * SECOND <= time < 36900 * SECOND]
    return any(side * price <= side * day.setup.trigger for price in hour)


def test_the_recorded_data_hold_the_setups_their_description_counts(recorded: list[RealDay]) -> None:
    every = setups()
    assert every is not None
    assert Counter(setup.direction for setup in every) == {+1: 137, -1: 133}
    assert Counter(day.setup.direction for day in recorded) == {+1: 45, -1: 6}
    assert Counter(day.setup.direction for day in recorded if triggers(day)) == {+1: 21, -1: 4}


def test_every_recorded_day_is_within_the_scope_of_the_plain_loop(recorded: list[RealDay]) -> None:
    trades = [(day.setup.direction, trade) for day in recorded for trade in run(day)]
    assert Counter((side, trade.reason) for side, trade in trades) == {
        (+1, "stop"): 18,
        (+1, "session_end"): 1,
        (-1, "stop"): 4,
    }
    profit = Counter[int]()
    for side, trade in trades:
        profit[side] += side * (trade.exit_price - trade.entry_price)
    assert profit == {+1: -575, -1: -60}


def test_one_recorded_trade_agrees_with_a_walk_through_its_ticks_by_hand(recorded: list[RealDay]) -> None:
    # Entry 988.55: undercut at 988.05 at 09:30:37, filled at 988.75 at 09:30:58; the last green bar is 10:30
    # with low 987.85; there the recording ends, at 989.50.
    (day,) = (day for day in recorded if (day.symbol, day.date) == ("TECHM", date(2021, 4, 7)))
    assert run(day) == [Trade(34258 * SECOND, 98875, 53100 * SECOND, 98950, "session_end", 97900, 98775)]


def test_the_raw_sample_keeps_its_foreign_rows_recognisable(tmp_path: Path) -> None:
    file = convert_raw_sample(tmp_path)
    if file is None:
        pytest.skip(SKIPPED_WHY)
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert file.relative_to(tmp_path) == Path("RELIANCE/2021-06-11.csv")
    assert rows[0] == {"t": "2021-06-11T09:15:52", "ltp": "2188.65", "cum_volume": "133620"}
    assert Counter(row["t"][:10] for row in rows) == {
        "2021-06-11": 19740,
        "1970-01-01": 1085,
        "2021-06-12": 835,
    }
