"""The 80-20 scan: which days make a setup, which are dropped and why, and real years counted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.adapters.replay.files import DailyFolder
from olaf_async.adapters.setups_csv import read_setups, write_setups
from olaf_async.domain.bar import DailyBar
from olaf_async.domain.calendar import AlwaysOpen, NseCalendar
from olaf_async.domain.setup import Direction, Setup
from olaf_async.errors import ConfigError
from olaf_async.research.scan import Drop, ScanHit, ScanReport, ScanRules, scan, scan_days, scan_symbol

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the recorded market data, which may not be shipped, is not here"
)

NSE = NseCalendar()
RULES = ScanRules()
WED, THU, FRI = date(2021, 6, 9), date(2021, 6, 10), date(2021, 6, 11)
MON = date(2021, 6, 14)

BEFORE = DailyBar(WED, 10500, 10600, 10400, 10550, 500_000)
LONG = DailyBar(
    THU, 10800, 11000, 10000, 10200, 100_000
)  # range 10000 to 11000: opens at 80 %, closes at 20 %
SHORT = DailyBar(THU, 10200, 11000, 10000, 10800, 100_000)
ENTRY = DailyBar(FRI, 10200, 10300, 10100, 10250, 500_000)


def examine(
    *bars: DailyBar, rules: ScanRules = RULES, day: date = FRI, newest: date | None = None
) -> ScanHit | Drop | None:
    """What the scan makes of one entry day."""
    hits, dropped = scan_symbol(bars, "SBIN", scan_days(NSE, day, day), rules, newest)
    assert len(hits) + len(dropped) <= 1
    assert all((each.symbol, each.entry_date) == ("SBIN", day) for each in dropped)
    return hits[0] if hits else dropped[0].reason if dropped else None


def setup_of(verdict: ScanHit | Drop | None) -> Setup:
    assert isinstance(verdict, ScanHit)
    return verdict.setup


def test_a_day_that_opens_high_and_closes_low_is_a_long_setup_at_its_low() -> None:
    verdict = examine(BEFORE, LONG, ENTRY, rules=ScanRules(quantity=25))
    assert verdict == ScanHit(
        Setup("SBIN", FRI, 10000, 9950, 5, 1000, Direction.LONG, 25, setup_date=THU, exchange="NSE"), ""
    )


def test_a_day_that_opens_low_and_closes_high_is_a_short_setup_at_its_high() -> None:
    verdict = examine(BEFORE, SHORT, ENTRY)
    assert verdict == ScanHit(Setup("SBIN", FRI, 11000, 11050, 5, 1000, Direction.SHORT, None, THU), "")


@pytest.mark.parametrize(
    "bar",
    [
        replace(LONG, open=10799),
        replace(LONG, close=10201),
        replace(SHORT, open=10201),
        replace(SHORT, close=10799),
    ],
)
def test_one_paisa_short_of_the_threshold_is_no_setup_and_nothing_to_report(bar: DailyBar) -> None:
    assert examine(BEFORE, bar, ENTRY) is None


def test_the_range_reaches_to_the_close_before() -> None:
    above = replace(BEFORE, close=11001)  # the gap down below it makes the open less than 80 %
    assert examine(above, LONG, ENTRY) is None
    below = replace(BEFORE, close=9950)
    assert setup_of(examine(below, replace(LONG, open=10900, close=10100), ENTRY)).true_range == 1050


def test_thresholds_are_fractions_and_compared_exactly() -> None:
    thirds = ScanRules(open_pos_min=Fraction(2, 3), close_pos_max=Fraction(1, 3))
    bar = DailyBar(THU, 10002, 10003, 10000, 10001, 100_000)
    before = replace(BEFORE, close=10001)
    assert isinstance(examine(before, bar, ENTRY, rules=thirds), ScanHit)
    barely_more = ScanRules(open_pos_min=Fraction(2, 3) + Fraction(1, 10**30), close_pos_max=Fraction(1, 3))
    assert examine(before, bar, ENTRY, rules=barely_more) is None


def test_a_day_without_any_range_is_rejected() -> None:
    locked = DailyBar(THU, 10550, 10550, 10550, 10550, 500_000)
    assert examine(BEFORE, locked, ENTRY) is Drop.ZERO_RANGE


def test_a_day_locked_at_one_price_has_the_range_of_its_gap() -> None:
    locked = DailyBar(THU, 10450, 10450, 10450, 10450, 500_000)
    assert examine(BEFORE, locked, ENTRY) is None


def test_the_volume_must_reach_the_minimum() -> None:
    assert examine(BEFORE, replace(LONG, volume=99_999), ENTRY) is Drop.VOLUME
    assert isinstance(examine(BEFORE, LONG, ENTRY), ScanHit)


@pytest.mark.parametrize(
    ("bars", "reason"),
    [
        ([BEFORE, ENTRY], Drop.SETUP_ROW_MISSING),
        ([LONG, ENTRY], Drop.BEFORE_ROW_MISSING),
        ([replace(BEFORE, day=date(2021, 6, 8)), LONG, ENTRY], Drop.BEFORE_ROW_MISSING),
        ([BEFORE, LONG], Drop.ENTRY_ROW_MISSING),
        ([BEFORE, LONG, replace(ENTRY, day=MON)], Drop.ENTRY_ROW_MISSING),
        ([], Drop.SETUP_ROW_MISSING),
    ],
)
def test_each_of_the_three_consecutive_sessions_must_have_a_row(bars: list[DailyBar], reason: Drop) -> None:
    assert examine(*bars) is reason


def test_the_day_to_trade_needs_no_row_where_no_file_reaches_it_yet() -> None:
    assert isinstance(examine(BEFORE, LONG, newest=THU), ScanHit)
    assert examine(BEFORE, LONG, newest=FRI) is Drop.ENTRY_ROW_MISSING


def test_the_session_before_is_the_exchanges_not_yesterday() -> None:
    friday = replace(LONG, day=FRI)
    monday = replace(ENTRY, day=MON)
    assert setup_of(examine(replace(BEFORE, day=THU), friday, monday, day=MON)).setup_date == FRI
    holiday_eve, after_holiday = date(2024, 3, 28), date(2024, 4, 1)  # Good Friday lies between
    bars = (
        replace(BEFORE, day=date(2024, 3, 27)),
        replace(LONG, day=holiday_eve),
        replace(ENTRY, day=after_holiday),
    )
    assert setup_of(examine(*bars, day=after_holiday)).setup_date == holiday_eve


def test_a_closed_day_and_a_day_the_calendar_does_not_know_are_no_entry_days() -> None:
    assert scan_days(NSE, date(2021, 6, 12), date(2021, 6, 13)) == ()
    assert scan_days(NSE, date(2031, 1, 1), date(2031, 1, 31)) == ()
    assert scan_days(NSE, FRI, WED) == ()


def test_the_first_sessions_of_the_calendar_have_no_two_sessions_before() -> None:
    days = scan_days(NSE, date(2014, 12, 1), date(2014, 12, 5))
    assert [day.entry for day in days] == [date(2014, 12, 3), date(2014, 12, 4), date(2014, 12, 5)]


def test_any_calendar_will_do() -> None:
    always = AlwaysOpen(time(9, 15), time(15, 30))
    saturday = date(2021, 6, 12)
    days = scan_days(always, saturday, saturday)
    bars = (replace(BEFORE, day=THU), replace(LONG, day=FRI), replace(ENTRY, day=saturday))
    hits, dropped = scan_symbol(bars, "SBIN", days, RULES)
    assert [(hit.setup.setup_date, hit.setup.entry_date) for hit in hits] == [(FRI, saturday)]
    assert dropped == []


# Diwali 2023: Muhurat trading of one hour on Sunday 12 November; the 14th is closed.
D9, D10, MUHURAT, D13, D15 = (date(2023, 11, day) for day in (9, 10, 12, 13, 15))


def run_of(*days: date, shaped: date) -> list[DailyBar]:
    """Rows for these days, one of them of the 80-20 shape."""
    return [replace(LONG if day == shaped else BEFORE, day=day) for day in days]


def test_a_setup_before_a_short_session_lapses() -> None:
    bars = run_of(D9, D10, MUHURAT, D13, shaped=D10)
    assert examine(*bars, day=MUHURAT) is Drop.SHORT_SESSION
    assert examine(*bars, day=D13) is None


def test_a_short_session_gives_no_setup() -> None:
    assert examine(*run_of(D10, MUHURAT, D13, shaped=MUHURAT), day=D13) is Drop.SHORT_SESSION


def test_the_close_of_a_short_session_is_the_close_before() -> None:
    bars = run_of(MUHURAT, D13, D15, shaped=D13)
    assert isinstance(examine(*bars, day=D15), ScanHit)
    higher = [replace(bars[0], close=11001), *bars[1:]]
    assert examine(*higher, day=D15) is None
    assert examine(*bars[1:], day=D15) is Drop.BEFORE_ROW_MISSING


def test_a_full_length_weekend_session_is_an_ordinary_one() -> None:
    friday, saturday, tuesday = date(2024, 1, 19), date(2024, 1, 20), date(2024, 1, 23)
    given = run_of(friday, saturday, tuesday, shaped=saturday)
    assert setup_of(examine(*given, day=tuesday)).setup_date == saturday
    received = run_of(date(2024, 1, 18), friday, saturday, shaped=friday)
    assert setup_of(examine(*received, day=saturday)).entry_date == saturday


@pytest.mark.parametrize(
    ("entry_open", "is_dropped"), [(8160, False), (8159, True), (12240, False), (12241, True)]
)
def test_an_entry_day_that_opens_too_far_away_drops_the_setup(entry_open: int, is_dropped: bool) -> None:
    verdict = examine(BEFORE, LONG, replace(ENTRY, open=entry_open))
    assert (verdict is Drop.EX_DATE_GAP) is is_dropped
    assert isinstance(verdict, ScanHit) is not is_dropped


@pytest.mark.parametrize(("setup_open", "is_dropped"), [(12000, False), (12001, True)])
def test_a_setup_day_that_opens_too_far_away_drops_the_setup(setup_open: int, is_dropped: bool) -> None:
    bar = replace(LONG, open=setup_open, high=12500, low=9900, close=10000)
    verdict = examine(replace(BEFORE, close=10000), bar, ENTRY)
    assert (verdict is Drop.EX_DATE_GAP) is is_dropped


def test_the_gap_allowed_is_a_setting() -> None:
    tight = ScanRules(ex_date_gap_pct=Fraction(3))
    assert examine(BEFORE, LONG, replace(ENTRY, open=10507), rules=tight) is Drop.EX_DATE_GAP
    assert isinstance(examine(BEFORE, LONG, replace(ENTRY, open=10506), rules=tight), ScanHit)


def test_levels_off_the_tick_grid_are_moved_outward_and_marked() -> None:
    low = examine(BEFORE, replace(LONG, open=10900, low=9998, close=10100), ENTRY)
    assert isinstance(low, ScanHit)
    assert (low.setup.entry_price, low.setup.trigger_price, low.setup.true_range) == (9995, 9945, 1002)
    assert low.mark == "low 99.98 is off the tick of 0.05"
    high = examine(BEFORE, replace(SHORT, open=10100, high=11002, close=10900), ENTRY)
    assert isinstance(high, ScanHit)
    assert (high.setup.entry_price, high.setup.trigger_price) == (11005, 11055)
    assert high.mark == "high 110.02 is off the tick of 0.05"


def test_a_share_too_cheap_for_its_trigger_is_dropped() -> None:
    before = DailyBar(WED, 60, 60, 60, 60, 500_000)
    bar = DailyBar(THU, 60, 60, 50, 50, 500_000)
    entry = DailyBar(FRI, 50, 50, 50, 50, 500_000)
    assert examine(before, bar, entry) is Drop.TOO_CHEAP
    assert setup_of(examine(before, bar, entry, rules=ScanRules(trigger_ticks=9))).trigger_price == 5


def test_the_tick_is_that_of_the_entry_day_by_the_last_close_of_the_month_before() -> None:
    # From 2025-04-15 on a share above 1,000 moves by 0.10. May's last close was below, June's price is above.
    june = [date(2025, 6, 10), date(2025, 6, 11), date(2025, 6, 12)]
    shaped = replace(LONG, open=10900, close=10100)
    bars = [replace(bar, day=day) for bar, day in zip((BEFORE, shaped, ENTRY), june, strict=True)]
    dearer = [
        replace(bar, open=bar.open * 10, high=bar.high * 10, low=bar.low * 10 - 5, close=bar.close * 10)
        for bar in bars
    ]
    may = DailyBar(date(2025, 5, 30), 99000, 99000, 99000, 99000, 1)
    assert setup_of(examine(may, *dearer, day=june[2])).tick_size == 5
    april = replace(may, day=date(2025, 4, 30))
    by_the_setup_day = setup_of(examine(april, *dearer, day=june[2]))
    assert (by_the_setup_day.tick_size, by_the_setup_day.entry_price) == (10, 99990)


def test_a_given_tick_size_serves_an_exchange_without_bands_and_never_overrules_them() -> None:
    bse = ScanRules(exchange="BSE", tick_size=100)
    setup = setup_of(examine(BEFORE, LONG, ENTRY, rules=bse))
    assert (setup.tick_size, setup.trigger_price, setup.exchange) == (100, 9000, "BSE")
    assert setup_of(examine(BEFORE, LONG, ENTRY, rules=ScanRules(tick_size=100))).tick_size == 5


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: ScanRules(open_pos_min=Fraction(1, 2), close_pos_max=Fraction(1, 2)), "must be below"),
        (lambda: ScanRules(exchange="BSE"), "tick sizes of BSE are not known here; give --tick-size"),
        (lambda: ScanRules(tick_size=0), "--tick-size must be greater than zero"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(make: "type[ScanRules]", problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        make()


# ------------------------------------------------------------------------------------------------- a folder


def write_daily(folder: Path, symbol: str, bars: Sequence[DailyBar]) -> None:
    lines = ["date,open,high,low,close,volume"]
    for bar in bars:
        prices = ",".join(
            f"{price // 100}.{price % 100:02}" for price in (bar.open, bar.high, bar.low, bar.close)
        )
        lines.append(f"{bar.day},{prices},{bar.volume}")
    (folder / f"{symbol}.csv").write_text("\n".join(lines) + "\n")


def test_a_folder_gives_its_setups_by_day_and_symbol_and_what_was_dropped(tmp_path: Path) -> None:
    write_daily(tmp_path, "SBIN", [BEFORE, LONG, ENTRY])
    write_daily(
        tmp_path,
        "M&M",
        [BEFORE, replace(SHORT, open=10100, high=11001, close=10900), ENTRY, replace(ENTRY, day=MON)],
    )
    write_daily(tmp_path, "THIN", [BEFORE, replace(LONG, volume=5), ENTRY])
    report = scan(DailyFolder(tmp_path), NSE, RULES, FRI, MON)
    assert [(hit.setup.symbol, hit.setup.entry_date) for hit in report.hits] == [("M&M", FRI), ("SBIN", FRI)]
    assert report.marks == {("M&M", FRI): "high 110.01 is off the tick of 0.05"}
    assert report.drop_counts == {Drop.VOLUME: 1}
    assert [(each.symbol, each.entry_date) for each in report.dropped] == [("THIN", FRI)]
    assert (report.symbols, report.symbol_days, report.skipped) == (3, 6, ())


def test_a_live_scan_looks_one_session_past_the_newest_row_of_the_folder(tmp_path: Path) -> None:
    write_daily(tmp_path, "SBIN", [BEFORE, LONG])
    write_daily(tmp_path, "STALE", [replace(BEFORE, day=date(2021, 6, 8)), replace(LONG, day=WED)])
    folder = DailyFolder(tmp_path)
    past = scan(folder, NSE, RULES, FRI, FRI)
    assert (past.hits, past.drop_counts) == ((), {Drop.ENTRY_ROW_MISSING: 1, Drop.SETUP_ROW_MISSING: 1})
    live = scan(folder, NSE, RULES, FRI, FRI, live=True)
    assert [hit.setup.symbol for hit in live.hits] == ["SBIN"]
    assert live.drop_counts == {Drop.SETUP_ROW_MISSING: 1}
    assert scan(folder, NSE, RULES, MON, MON, live=True).drop_counts == {Drop.SETUP_ROW_MISSING: 2}


def test_a_live_scan_of_a_day_others_already_have_needs_every_row(tmp_path: Path) -> None:
    write_daily(tmp_path, "HALTED", [BEFORE, LONG])
    write_daily(tmp_path, "SBIN", [BEFORE, LONG, ENTRY])
    report = scan(DailyFolder(tmp_path), NSE, RULES, FRI, FRI, live=True)
    assert [hit.setup.symbol for hit in report.hits] == ["SBIN"]
    assert report.drop_counts == {Drop.ENTRY_ROW_MISSING: 1}


def test_a_bad_file_stops_the_scan_or_is_named_where_bad_ones_are_skipped(tmp_path: Path) -> None:
    write_daily(tmp_path, "SBIN", [BEFORE, LONG, ENTRY])
    (tmp_path / "BAD.csv").write_text("date,open\n")
    with pytest.raises(ConfigError, match=r"BAD\.csv: column high, low, close, volume is missing"):
        scan(DailyFolder(tmp_path), NSE, RULES, FRI, FRI)
    report = scan(DailyFolder(tmp_path, skip_bad=True), NSE, RULES, FRI, FRI)
    assert len(report.hits) == 1
    assert "BAD.csv" in report.skipped[0]


def test_an_empty_daily_file_is_a_symbol_without_rows(tmp_path: Path) -> None:
    write_daily(tmp_path, "NEW", [])
    report = scan(DailyFolder(tmp_path), NSE, RULES, FRI, FRI, live=True)
    assert report.drop_counts == {Drop.SETUP_ROW_MISSING: 1}


# ----------------------------------------------------------------------------------------------- properties

price = st.integers(9000, 11000)


@st.composite
def sessions(draw: st.DrawFn) -> tuple[DailyBar, DailyBar, DailyBar]:
    made = []
    for day in (WED, THU, FRI):
        low, high = sorted((draw(price), draw(price)))
        opened, closed = (draw(st.sampled_from([low, high]) | st.integers(low, high)) for _ in range(2))
        made.append(DailyBar(day, opened, high, low, closed, draw(st.integers(50_000, 200_000))))
    return made[0], made[1], made[2]


@given(sessions(), st.fractions(Fraction(1, 2), 1), st.fractions(0, Fraction(49, 100)))
def test_the_scan_agrees_with_the_rule_written_as_positions_in_the_range(
    bars: tuple[DailyBar, DailyBar, DailyBar], opens: Fraction, closes: Fraction
) -> None:
    before, bar, _ = bars
    top, bottom = max(bar.high, before.close), min(bar.low, before.close)
    expected = None
    if top > bottom and bar.volume >= 100_000:
        opened, closed = (Fraction(each - bottom, top - bottom) for each in (bar.open, bar.close))
        if opened >= opens and closed <= closes:
            expected = Direction.LONG
        elif 1 - opened >= opens and 1 - closed <= closes:
            expected = Direction.SHORT
    rules = ScanRules(open_pos_min=opens, close_pos_max=closes, ex_date_gap_pct=Fraction(100))
    verdict = examine(*bars, rules=rules)
    assert (verdict.setup.direction if isinstance(verdict, ScanHit) else None) == expected


@given(sessions())
def test_a_market_turned_upside_down_gives_the_mirrored_setup(
    bars: tuple[DailyBar, DailyBar, DailyBar],
) -> None:
    mirror = 20_000  # a multiple of the tick, so that the grid maps onto itself
    turned = [
        DailyBar(b.day, mirror - b.open, mirror - b.low, mirror - b.high, mirror - b.close, b.volume)
        for b in bars
    ]
    rules = ScanRules(ex_date_gap_pct=Fraction(100))
    there, back = examine(*bars, rules=rules), examine(*turned, rules=rules)
    if not isinstance(there, ScanHit):
        assert there == back
        return
    setup, mirrored = there.setup, setup_of(back)
    assert mirrored == replace(
        setup,
        entry_price=mirror - setup.entry_price,
        trigger_price=mirror - setup.trigger_price,
        direction=Direction(-setup.direction),
    )


@given(sessions())
def test_every_setup_survives_its_file(
    tmp_path_factory: pytest.TempPathFactory, bars: tuple[DailyBar, DailyBar, DailyBar]
) -> None:
    verdict = examine(*bars, rules=ScanRules(quantity=3))
    if isinstance(verdict, ScanHit):
        path = tmp_path_factory.mktemp("scan") / "setups.csv"
        write_setups(path, [verdict.setup], {("SBIN", FRI): verdict.mark} if verdict.mark else {})
        assert read_setups(path) == (verdict.setup,)


# ------------------------------------------------------------------------------------------------ real data


def scanned(name: str, first: date, last: date) -> ScanReport:
    return scan(DailyFolder(DATA / name), NSE, RULES, first, last)


def longs(report: ScanReport) -> set[tuple[str, date, date]]:
    return {
        (hit.setup.symbol, hit.setup.setup_date, hit.setup.entry_date)
        for hit in report.hits
        if hit.setup.direction is Direction.LONG and hit.setup.setup_date is not None
    }


def longs_by_rows(name: str, without: Sequence[date] = ()) -> set[tuple[str, date, date]]:
    """The rule as the text has it, on consecutive rows of each file, with no calendar and no guard."""
    folder = DailyFolder(DATA / name)
    found = set()
    for symbol in folder.symbols():
        bars = [bar for bar in folder.read(symbol) if bar.day not in without]
        for before, bar, after in zip(bars, bars[1:], bars[2:], strict=False):
            top, bottom = max(bar.high, before.close), min(bar.low, before.close)
            span = top - bottom
            shaped = 5 * (bar.open - bottom) >= 4 * span and 5 * (bar.close - bottom) <= span
            if span > 0 and shaped and bar.volume >= 100_000:
                found.add((symbol, bar.day, after.day))
    return found


@needs_data
@pytest.mark.parametrize(
    ("name", "year", "long_count", "short_count"),
    [("daily_2015", 2015, 79, 43), ("daily_2021", 2021, 137, 133)],
)
def test_the_setups_of_2015_and_2021_are_as_many_as_counted_elsewhere(
    name: str, year: int, long_count: int, short_count: int
) -> None:
    report = scanned(name, date(year - 1, 12, 1), date(year, 12, 31))
    counts = Counter(hit.setup.direction for hit in report.hits)
    assert counts == {Direction.LONG: long_count, Direction.SHORT: short_count}


@needs_data
def test_the_halved_price_of_2015_07_03_drops_a_setup() -> None:
    report = scanned("daily_2015", date(2014, 12, 1), date(2015, 12, 31))
    gaps = [(each.symbol, each.entry_date) for each in report.dropped if each.reason is Drop.EX_DATE_GAP]
    assert gaps == [("FEDERALBNK", date(2015, 7, 3))]


@needs_data
def test_a_row_that_is_missing_in_2015_is_not_bridged() -> None:
    """Where the previous row is not the previous session, rows alone would find setups that are none."""
    report = scanned("daily_2015", date(2014, 12, 1), date(2015, 12, 31))
    assert longs(report) < longs_by_rows("daily_2015")
    days = {day.entry: day for day in scan_days(NSE, date(2014, 12, 1), date(2015, 12, 31))}
    for _, setup_day, entry_day in longs_by_rows("daily_2015") - longs(report):
        rows = {bar.day for bar in DailyFolder(DATA / "daily_2015").read("FSL")}
        assert (
            entry_day not in days or days[entry_day].setup != setup_day or days[entry_day].before not in rows
        )


SHORT_SESSIONS = [date(2023, 11, 12), date(2024, 3, 2), date(2024, 5, 18)]


@needs_data
def test_the_setups_of_2023_are_those_of_the_rows_less_what_lapses_at_short_sessions() -> None:
    """1,454 on the rows of full sessions; 12 of them lie before a short session and lapse.

    Of the 1,454, 98 have an entry day in June 2023, before the intraday data begin: 1,356 have some.
    """
    report = scanned("daily_2023", date(2023, 6, 1), date(2024, 6, 28))
    by_rows = longs_by_rows("daily_2023", SHORT_SESSIONS)
    assert len(by_rows) == 1454
    assert sum(entry >= date(2023, 7, 3) for _, _, entry in by_rows) == 1356
    lapsed = by_rows - longs(report)
    assert longs(report) < by_rows
    assert Counter(setup for _, setup, _ in lapsed) == {
        date(2023, 11, 10): 2,
        date(2024, 3, 1): 2,
        date(2024, 5, 17): 8,
    }
    assert len(longs(report)) == 1442


@needs_data
def test_only_split_adjusted_history_is_off_the_grid_and_marked() -> None:
    report = scanned("daily_2023", date(2023, 6, 1), date(2024, 6, 28))
    assert {symbol for symbol, _ in report.marks} == {"CANBK"}
    assert all(hit.setup.entry_price % hit.setup.tick_size == 0 for hit in report.hits)
    assert {hit.setup.tick_size for hit in report.hits if hit.setup.entry_date < date(2024, 6, 10)} == {5}
    assert {hit.setup.tick_size for hit in report.hits if hit.setup.entry_date >= date(2024, 6, 10)} == {1, 5}
