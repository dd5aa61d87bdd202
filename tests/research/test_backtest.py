"""A backtest on a made-up market, and on recorded ones: the same trades as a plain loop finds."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path

import pytest

from olaf_async.adapters.replay.files import DailyFolder, PriceColumns, TickFolder
from olaf_async.app import replay, rules
from olaf_async.domain.calendar import NseCalendar
from olaf_async.domain.setup import Direction
from olaf_async.domain.trade import ExitReason
from olaf_async.research.backtest import Backtest, Range, backtest
from olaf_async.research.results import LeftOut, TradeRecord
from olaf_async.research.scan import ScanRules
from olaf_async.settings import load_settings
from tests.made_market import MONDAY, TUESDAY, write_daily, write_market
from tests.reference.days import SKIPPED_WHY, data_dir, real_days
from tests.reference.plain_loop import plain_loop

DATA = data_dir()
needs_data = pytest.mark.skipif(DATA is None, reason=SKIPPED_WHY)

DEFAULTS = load_settings(env={})
AS_REFERENCE = load_settings(
    overrides={
        "strategy.entry_limit_pct": "2.99",
        "strategy.stop_limit_pct": "2.99",
        "session.ignore_initial_s": 0,
        "paper.charges": False,
    },
    env={},
)
"""The rules of the plain loop; all others are the defaults."""


class WatchedTicks(TickFolder):
    """A folder of ticks that remembers what was read of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, DEFAULTS.session.zone)
        self.asked: list[tuple[str, date]] = []

    def read(self, symbol: str, day: date) -> PriceColumns | None:
        self.asked.append((symbol, day))
        return super().read(symbol, day)


def prepared(daily: Path, prices: TickFolder, first: date = MONDAY, last: date = TUESDAY) -> Backtest:
    return backtest(
        DailyFolder(daily),
        prices,
        Range(first, last, NseCalendar(), ScanRules()),
        partial(rules.plans_for, DEFAULTS),
        replay.conditions(DEFAULTS),
    )


# ------------------------------------------------------------------------------------------ a made-up market


def test_what_the_scan_finds_is_replayed(tmp_path: Path) -> None:
    write_daily(tmp_path / "daily", "ALPHA")
    result = prepared(tmp_path / "daily", WatchedTicks(write_market(tmp_path / "ticks"))).finish()
    (hit,) = result.scan.hits
    assert (hit.setup.symbol, hit.setup.entry_date, hit.setup.entry_price) == ("ALPHA", MONDAY, 100_00)
    (record,) = result.run.trades
    assert (record.trade.entry_value, record.trade.exit_value) == (100_00, 99_00)
    assert record.trade.reason is ExitReason.STOP


def test_only_days_with_a_setup_are_read(tmp_path: Path) -> None:
    write_daily(tmp_path / "daily", "ALPHA")
    prices = WatchedTicks(write_market(tmp_path / "ticks"))
    waiting = prepared(tmp_path / "daily", prices)
    assert (prices.asked, waiting.run.days) == ([], (MONDAY,))
    waiting.finish()
    assert prices.asked == [("ALPHA", MONDAY)]


def test_a_setup_without_prices_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    for symbol in ("ALPHA", "GAMMA"):
        write_daily(tmp_path / "daily", symbol)
    result = prepared(tmp_path / "daily", WatchedTicks(write_market(tmp_path / "ticks"))).finish()
    (gone,) = result.run.left_out
    assert (gone.setup.symbol, gone.why) == ("GAMMA", "there are no prices of that day")
    assert (result.run.setups, len(result.run.trades)) == (2, 1)


def test_a_range_without_setups_is_an_empty_result(tmp_path: Path) -> None:
    write_daily(tmp_path / "daily", "ALPHA")
    result = prepared(tmp_path / "daily", WatchedTicks(write_market(tmp_path / "ticks")), TUESDAY).finish()
    assert (result.scan.hits, result.run.days, result.run.setups) == ((), (), 0)


def test_what_was_skipped_by_the_scan_and_by_the_run_is_told_together(tmp_path: Path) -> None:
    write_daily(tmp_path / "daily", "ALPHA")
    write_daily(tmp_path / "daily", "BETA", "2021-06-04,x,1,1,1,1")
    market = write_market(tmp_path / "ticks")
    (market / "ALPHA" / f"{MONDAY}.csv").write_text("t,ltp\n09:20:00,0\n", encoding="utf-8")
    result = backtest(
        DailyFolder(tmp_path / "daily", skip_bad=True),
        TickFolder(market, DEFAULTS.session.zone, skip_bad=True),
        Range(MONDAY, TUESDAY, NseCalendar(), ScanRules()),
        partial(rules.plans_for, DEFAULTS),
        replay.conditions(DEFAULTS),
    ).finish()
    told = result.run.skipped_files
    assert [Path(each.split(":")[0]).name for each in told] == ["BETA.csv", f"{MONDAY}.csv"]
    assert result.run.left_out == (LeftOut(result.scan.hits[0].setup, "there are no prices of that day"),)


# ------------------------------------------------------------------------------------------- recorded markets


def plain(record: TradeRecord) -> tuple[object, ...]:
    """A trade of one share in the words of the plain loop: microseconds since midnight, paise."""
    trade = record.trade
    midnight = datetime.combine(trade.day, time(), UTC) - timedelta(hours=5, minutes=30)
    start_us = int(midnight.timestamp()) * 1_000_000
    return (
        trade.entry_ns // 1000 - start_us,
        trade.entry_value,
        trade.exit_ns // 1000 - start_us,
        trade.exit_value,
        trade.reason.value,
        trade.initial_stop,
        trade.final_stop,
    )


@needs_data
def test_a_backtest_on_the_ticks_of_2021_trades_exactly_as_the_plain_loop_does() -> None:
    assert DATA is not None
    span = date(2021, 3, 1), date(2021, 6, 30)
    result = replay.run_backtest(
        AS_REFERENCE, DATA / "daily_2021", replay.Ticks(DATA / "ticks_2021"), span
    ).run
    expected = {
        (day.symbol, day.date): [
            tuple(trade)
            for trade in plain_loop(
                day.prints,
                entry=day.setup.entry,
                trigger=day.setup.trigger,
                tick=day.setup.tick,
                true_range=day.setup.true_range,
                direction=day.setup.direction,
            )
        ]
        for day in real_days() or ()
    }
    found: dict[tuple[str, date], list[tuple[object, ...]]] = {key: [] for key in expected}
    for record in result.trades:
        found[record.trade.symbol, record.trade.day].append(plain(record))
    assert found == expected
    sides = Counter(record.trade.direction for record in result.trades)
    assert sides == {Direction.LONG: 19, Direction.SHORT: 4}
    assert (len(expected), len(result.left_out), result.alarms, result.unclosed) == (51, 219, 0, ())
    assert not any(change.is_intrabar for change in result.orders)


@needs_data
@pytest.mark.parametrize(
    ("bars", "daily", "first", "last"),
    [
        ("bars_1m_2015", "daily_2015", date(2014, 12, 18), date(2015, 10, 1)),
        ("bars_5m_2023", "daily_2023", date(2024, 5, 13), date(2024, 6, 12)),
        ("bars_1m_2021", "daily_2021", date(2021, 3, 1), date(2021, 6, 30)),
    ],
)
def test_a_backtest_on_recorded_bars_runs_clean(bars: str, daily: str, first: date, last: date) -> None:
    assert DATA is not None
    result = replay.run_backtest(DEFAULTS, DATA / daily, replay.Bars(DATA / bars), (first, last))
    run = result.run
    assert (run.setups, run.skipped_files, run.unclosed) == (len(result.scan.hits), (), ())
    assert 20 < len(run.trades) == run.entries <= run.triggers
    for record in run.trades:
        trade = record.trade
        assert trade.entry_ns < trade.exit_ns
        assert (record.charges > 0, trade.unprotected_ns, trade.quantity) == (True, 0, 1)
    fills = [change for change in run.orders if change.fill_price is not None]
    assert len(fills) == 2 * len(run.trades)
    assert 0 < sum(fill.is_intrabar for fill in fills) < len(fills)
