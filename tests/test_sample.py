"""The bundled market: licensed, small, as the contract's formats say, and showing what it is said to show."""

import gzip
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import olaf_async
from olaf_async.adapters.replay.files import BarFolder, DailyFolder
from olaf_async.adapters.setups_csv import read_setups
from olaf_async.domain.calendar import NseCalendar
from olaf_async.research.scan import ScanRules, scan
from olaf_async.settings import load_settings

SAMPLE = Path(olaf_async.__file__).parent / "sample"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
FIRST, LAST = date(2015, 1, 14), date(2015, 2, 3)
INDIA = ZoneInfo("Asia/Kolkata")


def sessions() -> tuple[date, ...]:
    days, day = [], NseCalendar().next_session(date(2015, 1, 13))
    while day is not None and day <= LAST:
        days.append(day)
        day = NseCalendar().next_session(day)
    return tuple(days)


def test_the_sample_is_small_enough_to_travel_with_the_program() -> None:
    size = sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file())
    assert 100_000 < size < 500_000


def test_the_prices_carry_their_licence_and_their_source() -> None:
    notice = (SAMPLE / "NOTICE").read_text(encoding="utf-8")
    assert "Copyright (c) 2016 Ramanathan Perumal" in notice
    assert "ramamet/nse1minR" in notice
    assert "Permission is hereby granted, free of charge" in notice
    assert "The above copyright notice and this permission notice shall be included" in notice.replace(
        "\n", " "
    )


def test_every_symbol_has_every_session_as_minutes_and_as_a_day() -> None:
    bars, daily = BarFolder(SAMPLE / "bars", INDIA), DailyFolder(SAMPLE / "daily")
    assert bars.symbols() == daily.symbols() == ("FEDERALBNK", "FIEMIND", "FORTIS", "FRL", "FSL")
    assert len(sessions()) == 14
    for symbol in bars.symbols():
        assert bars.days(symbol) == sessions()
        assert tuple(bar.day for bar in daily.read(symbol)) == sessions()


def test_each_daily_bar_is_what_its_minutes_make() -> None:
    bars = BarFolder(SAMPLE / "bars", INDIA)
    for symbol in bars.symbols():
        for day in DailyFolder(SAMPLE / "daily").read(symbol):
            minutes = bars.read(symbol, day.day)
            assert minutes is not None
            made = minutes.price[0], minutes.price.max(), minutes.price.min(), minutes.price[-1]
            assert made == (day.open, day.high, day.low, day.close)


def test_the_setups_are_those_that_a_scan_of_the_days_finds() -> None:
    report = scan(DailyFolder(SAMPLE / "daily"), NseCalendar(), ScanRules(), FIRST, LAST)
    assert tuple(hit.setup for hit in report.hits) == read_setups(SAMPLE / "setups.csv")
    assert len(report.hits) == 11
    assert report.marks == {}


def test_the_settings_of_the_paper_day_are_settings() -> None:
    settings = load_settings(SAMPLE / "settings.toml", env={})
    assert settings.strategy.trail_bar_s == 1800
    assert settings.risk.quantity == 500


def test_the_minutes_are_those_of_the_source() -> None:
    if not SHARED.is_dir():
        pytest.skip(f"the recorded data are not here ({SHARED.name})")
    for path in sorted((SAMPLE / "bars").iterdir()):
        with gzip.open(SHARED / "bars_1m_2015" / path.name, "rt", encoding="utf-8") as file:
            header, *rows = file.read().splitlines()
        wanted = [header, *(row for row in rows if FIRST.isoformat() <= row[:10] <= LAST.isoformat())]
        with gzip.open(path, "rt", encoding="utf-8") as file:
            assert file.read().splitlines() == wanted
