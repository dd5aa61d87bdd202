"""The paper server's history from files."""

from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from olaf_async.adapters.paper.server.history import FolderHistory
from olaf_async.adapters.paper.server.market import Candle
from olaf_async.adapters.replay.files import BarFolder, DailyFolder, TickFolder

INDIA = ZoneInfo("Asia/Kolkata")
THURSDAY, FRIDAY, SATURDAY = date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 21)
OPEN_S = 1_795_146_300  # Friday 09:15 in India

BARS = """ts,open,high,low,close,volume
2026-11-19T09:15:00+05:30,700.00,700.00,700.00,700.00,1
2026-11-20T09:15:00+05:30,800.00,803.00,799.00,801.00,10
2026-11-20T09:16:00+05:30,801.00,802.00,800.50,800.55,10
2026-11-20T09:20:00+05:30,805.00,806.00,805.00,806.00,10
"""
DAILY = """date,open,high,low,close,volume
2026-11-19,700.00,710.00,690.00,705.00,5
2026-11-20,800.00,806.00,799.00,806.00,30
"""


@pytest.fixture
def bars(tmp_path: Path) -> BarFolder:
    (tmp_path / "bars").mkdir()
    (tmp_path / "bars" / "SBIN.csv").write_text(BARS, encoding="utf-8")
    return BarFolder(tmp_path / "bars", INDIA)


@pytest.fixture
def daily(tmp_path: Path) -> DailyFolder:
    (tmp_path / "daily").mkdir()
    (tmp_path / "daily" / "SBIN.csv").write_text(DAILY, encoding="utf-8")
    return DailyFolder(tmp_path / "daily")


def test_bars_are_joined_from_the_open_of_the_day_on(bars: BarFolder) -> None:
    history = FolderHistory(INDIA, prices=bars)
    assert history.candles("SBIN", "5m", FRIDAY, SATURDAY) == [
        Candle(OPEN_S, 800_00, 803_00, 799_00, 800_55, 0),
        Candle(OPEN_S + 300, 805_00, 806_00, 805_00, 806_00, 0),
    ]
    assert [candle.start_s for candle in history.candles("SBIN", "1h", FRIDAY, FRIDAY)] == [OPEN_S]


def test_bars_of_the_file_s_own_span_come_back_as_they_are_and_shorter_ones_do_not(bars: BarFolder) -> None:
    history = FolderHistory(INDIA, prices=bars)
    minutes = history.candles("SBIN", "1m", FRIDAY, FRIDAY)
    assert minutes[1] == Candle(OPEN_S + 60, 801_00, 802_00, 800_50, 800_55, 0)
    assert len(minutes) == 3
    assert history.candles("SBIN", "30s", FRIDAY, FRIDAY) == []


def test_ticks_become_bars_too(tmp_path: Path) -> None:
    (tmp_path / "SBIN").mkdir()
    ticks = "t,ltp\n09:14:59,799.00\n09:15:00,800.00\n09:15:30,801.00\n09:16:00,800.50\n"
    (tmp_path / "SBIN" / "2026-11-20.csv").write_text(ticks, encoding="utf-8")
    history = FolderHistory(INDIA, prices=TickFolder(tmp_path, INDIA))
    assert history.candles("SBIN", "1m", FRIDAY, FRIDAY) == [
        Candle(OPEN_S - 60, 799_00, 799_00, 799_00, 799_00, 0),
        Candle(OPEN_S, 800_00, 801_00, 800_00, 801_00, 0),
        Candle(OPEN_S + 60, 800_50, 800_50, 800_50, 800_50, 0),
    ]


def test_daily_bars_start_at_midnight_and_tell_their_volume(daily: DailyFolder) -> None:
    history = FolderHistory(INDIA, daily=daily)
    friday = Candle(1_795_113_000, 800_00, 806_00, 799_00, 806_00, 30)
    assert history.candles("SBIN", "D", FRIDAY, SATURDAY) == [friday]


def test_the_day_that_is_played_is_not_told(bars: BarFolder, daily: DailyFolder) -> None:
    history = FolderHistory(INDIA, prices=bars, daily=daily, before=FRIDAY)
    assert [bar.close for bar in history.candles("SBIN", "D", THURSDAY, SATURDAY)] == [705_00]
    assert [bar.close for bar in history.candles("SBIN", "1m", THURSDAY, SATURDAY)] == [700_00]


def test_what_there_is_no_file_of_is_empty(bars: BarFolder, daily: DailyFolder) -> None:
    both = FolderHistory(INDIA, prices=bars, daily=daily)
    assert both.intervals == ("1m", "5m", "15m", "30m", "1h", "D")
    assert FolderHistory(INDIA).intervals == ()
    for history, symbol, interval in (
        (both, "NOPE", "1m"),
        (both, "NOPE", "D"),
        (both, "SBIN", "W"),
        (FolderHistory(INDIA), "SBIN", "1m"),
        (FolderHistory(INDIA), "SBIN", "D"),
    ):
        assert list(history.candles(symbol, interval, THURSDAY, SATURDAY)) == []
