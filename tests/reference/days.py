"""Real recorded days to judge the engine on, read with the standard library alone.

Owns the way from the shared data folder (next to the repository, never shipped with it) to setups and prints:
its own scan for 80-20 setups, its own table of sessions, its own reader of ticks. It must never import the
engine, and must never be needed: where the folder is absent, everything here answers None and tests skip.
Prices are integer paise, times are integer microseconds since local midnight.
"""

import csv
import gzip
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import NamedTuple

SKIPPED_WHY = "the recorded market data of ../shared/data are not here, and they may not be shipped"

TICK = 5
TRIGGER_TICKS = 10
VOLUME_MIN = 100_000
FIRST_DAY, LAST_DAY = date(2021, 3, 1), date(2021, 6, 30)
# Weekdays on which NSE was closed in those four months.
CLOSED = {date(2021, *day) for day in ((3, 11), (3, 29), (4, 2), (4, 14), (4, 21), (5, 13))}
RAW_SAMPLE = ("RELIANCE", date(2021, 6, 11))


class DayBar(NamedTuple):
    """One session of one symbol, in paise and shares."""

    open: int
    high: int
    low: int
    close: int
    volume: int


class Setup(NamedTuple):
    """What yesterday left for today: levels in paise, `direction` +1 to buy and -1 to sell short."""

    symbol: str
    setup_date: date
    entry_date: date
    direction: int
    entry: int
    trigger: int
    tick: int
    true_range: int


class RealDay(NamedTuple):
    """A setup with every recorded print of the day it is for, in arrival order with times that never fall."""

    symbol: str
    date: date
    setup: Setup
    prints: list[tuple[int, int]]
    ticks_file: Path


def data_dir() -> Path | None:
    """Return the folder of recorded market data, or None where this machine has none."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data"
    return folder if (folder / "ticks_2021").is_dir() and (folder / "daily_2021").is_dir() else None


def sessions() -> list[date]:
    """Return the trading days of NSE from FIRST_DAY to LAST_DAY, which held no special session."""
    every = [FIRST_DAY + timedelta(days) for days in range((LAST_DAY - FIRST_DAY).days + 1)]
    return [day for day in every if day.weekday() < 5 and day not in CLOSED]


@cache
def paise(text: str) -> int:
    """Return a price in decimal rupees as paise; raises ValueError if it is not a whole number of them."""
    exact = Decimal(text) * 100
    if exact != int(exact):
        raise ValueError(f"{text} is not a whole number of paise")
    return int(exact)


def setups() -> list[Setup] | None:
    """Return every long and short 80-20 setup of the 2021 daily files, by symbol, side and day."""
    folder = data_dir()
    if folder is None:
        return None
    found: list[Setup] = []
    for file in sorted((folder / "daily_2021").glob("*.csv")):
        rows = _daily(file)
        for direction in (+1, -1):
            found.extend(setups_of(file.stem, rows, direction))
    return found


def setups_of(symbol: str, rows: dict[date, DayBar], direction: int) -> Iterator[Setup]:
    """Yield the setups of one symbol's daily rows; each needs the rows of the sessions on both sides."""
    days = sessions()
    for before, day, after in zip(days, days[1:], days[2:], strict=False):
        if before not in rows or day not in rows or after not in rows:
            continue
        # A short setup is the long one with every price negated, so its low is the high.
        bar, previous = rows[day], direction * rows[before].close
        opened, closed = direction * bar.open, direction * bar.close
        low, high = sorted((direction * bar.low, direction * bar.high))
        true_low = min(low, previous)
        true_range = max(high, previous) - true_low
        is_setup = 5 * (opened - true_low) >= 4 * true_range and 5 * (closed - true_low) <= true_range
        if true_range > 0 and is_setup and bar.volume >= VOLUME_MIN:
            entry = direction * low
            trigger = entry - direction * TRIGGER_TICKS * TICK
            yield Setup(symbol, day, after, direction, entry, trigger, TICK, true_range)


def real_days() -> Iterator[RealDay] | None:
    """Return the setups whose following session was recorded tick by tick, with that session's prints."""
    folder, found = data_dir(), setups()
    if folder is None or found is None:
        return None
    paths = ((setup, folder / "ticks_2021" / setup.symbol / f"{setup.entry_date}.csv.gz") for setup in found)
    return (
        RealDay(setup.symbol, setup.entry_date, setup, read_prints(path), path)
        for setup, path in paths
        if path.is_file()
    )


def read_prints(file: Path) -> list[tuple[int, int]]:
    """Return a gzipped tick file's prints; a time that steps back is taken as the newest one seen so far."""
    prints: list[tuple[int, int]] = []
    newest = 0
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            newest = max(newest, _microseconds(row["t"]))
            prints.append((newest, paise(row["ltp"])))
    return prints


def convert_raw_sample(ticks_dir: Path) -> Path | None:
    """Write the feed file kept exactly as it was recorded as `<ticks_dir>/<SYMBOL>/<date>.csv` for a replay.

    The columns become `t,ltp,cum_volume`; the times are written in ISO form with their date, so that the rows
    of 1970 and of the next day can be told from those of the day itself.
    """
    folder = data_dir()
    if folder is None:
        return None
    symbol, day = RAW_SAMPLE
    target = ticks_dir / symbol / f"{day}.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    source = folder / "raw_sample" / f"{symbol}_{day}_.csv.gz"
    with (
        gzip.open(source, "rt", encoding="utf-8", newline="") as lines,
        target.open("w", encoding="utf-8", newline="") as out,
    ):
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("t", "ltp", "cum_volume"))
        for row in csv.DictReader(lines):
            writer.writerow((row["timestamp"].replace(" ", "T"), row["ltp"], row["volume"]))
    return target


def _daily(file: Path) -> dict[date, DayBar]:
    with file.open(encoding="utf-8", newline="") as lines:
        return {
            date.fromisoformat(row["date"]): DayBar(
                open=paise(row["open"]),
                high=paise(row["high"]),
                low=paise(row["low"]),
                close=paise(row["close"]),
                volume=int(row["volume"]),
            )
            for row in csv.DictReader(lines)
        }


@cache
def _microseconds(clock: str) -> int:
    hours, minutes, seconds = clock.split(":")
    return (int(hours) * 3600 + int(minutes) * 60) * 1_000_000 + int(Decimal(seconds) * 1_000_000)
