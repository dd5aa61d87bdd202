"""Settings become exactly the engine's numbers, days become sessions, and a run writes all or nothing."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from olaf_async.app import replay, rules
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.domain.calendar import AlwaysOpen, NseCalendar
from olaf_async.domain.charges import ChargeRates
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Direction, Setup
from olaf_async.errors import ConfigError
from olaf_async.research.results import RunResult
from olaf_async.research.runs import Conditions
from olaf_async.research.scan import ScanRules
from olaf_async.settings import FlagError, Settings, known_keys, load_settings
from olaf_async.strategies.eighty_twenty import EightyTwenty, EightyTwentyRules
from tests.made_market import (
    ALPHA_ROW,
    BETA_ROW,
    MONDAY,
    SETUPS,
    SETUPS_HEADER,
    SUNDAY,
    TUESDAY,
    TUESDAY_ROW,
    setup_of,
    write_daily,
    write_market,
    write_setups_file,
    write_ticks,
)

INDIA = ZoneInfo("Asia/Kolkata")
BUDGET_SUNDAY, MUHURAT, DRILL = date(2026, 2, 1), date(2023, 11, 12), date(2024, 3, 2)
LAST_BEFORE_AUCTION, FIRST_WITH_AUCTION = date(2026, 7, 31), date(2026, 8, 3)
UNKNOWN = date(2031, 6, 2)


def settings_with(**overrides: object) -> Settings:
    """Settings by dotted keys, dots written as two underscores."""
    return load_settings(
        overrides={key.replace("__", "."): value for key, value in overrides.items()}, env={}
    )


DEFAULTS = settings_with()


def clock(at_ns: int, zone: ZoneInfo = INDIA) -> str:
    seconds, rest = divmod(at_ns, SECOND_NS)
    assert rest == 0
    return f"{datetime.fromtimestamp(seconds, zone):%H:%M:%S}"


def hours(session: Session) -> tuple[str, str, str, str]:
    return (
        clock(session.open_ns),
        clock(session.act_from_ns),
        clock(session.exit_ns),
        clock(session.close_ns),
    )


# ---------------------------------------------------------------------------------------- settings as rules


def test_the_defaults_of_the_settings_are_the_defaults_of_the_engine() -> None:
    assert rules.core_rules(DEFAULTS) == Rules()
    assert replay.scan_rules(DEFAULTS) == ScanRules()
    assert rules.charge_rates(DEFAULTS) == ChargeRates()
    assert rules.strategy_rules(DEFAULTS) == EightyTwentyRules(3600 * SECOND_NS, 900 * SECOND_NS)


OTHER_VALUES: dict[str, object] = {
    "session.timezone": "Asia/Dubai",
    "session.calendar": "always",
    "session.open": "09:30:00",
    "session.close": "15:00:00",
    "session.ignore_initial_s": "0.5",
    "session.exit_before_close_s": 3000,
    "strategy.open_pos_min": "0.75",
    "strategy.close_pos_max": "0.25",
    "strategy.volume_min": 7,
    "strategy.trigger_ticks": 11,
    "strategy.trigger_window_s": "1800.000000001",
    "strategy.max_attempts": 2,
    "strategy.max_order_retries": 1,
    "strategy.order_timeout_s": 60,
    "strategy.reentry": "immediate",
    "strategy.initial_stop": "ticks",
    "strategy.initial_stop_tr_mult": "0.3",
    "strategy.trail_bar_s": 300,
    "strategy.trail_buffer_ticks": 3,
    "strategy.take_profit_r": "1.5",
    "strategy.trail_from": "next_bar",
    "strategy.entry_limit_pct": "0.1",
    "strategy.entry_limit_ticks": 4,
    "strategy.stop_limit_pct": "2.99",
    "strategy.exit_limit_pct": "0.7",
    "strategy.chase_interval_s": 2,
    "paper.latency_ms": 250,
    "paper.slippage_ticks": 1,
    "paper.exchange_true": False,
    "paper.partial_fills": True,
    "paper.seed": 5,
    "paper.charges": False,
    "paper.capital": "50000.05",
    "paper.charge_rates.brokerage_pct": "0.02",
    "paper.charge_rates.brokerage_cap": 15,
    "paper.charge_rates.transaction_tax_pct": "0.03",
    "paper.charge_rates.exchange_pct": "0.003",
    "paper.charge_rates.investor_protection_pct": "0.0000002",
    "paper.charge_rates.regulator_pct": "0.0002",
    "paper.charge_rates.stamp_duty_pct": "0.004",
    "paper.charge_rates.gst_pct": 12,
    "scan.ex_date_gap_pct": 15,
    "risk.quantity": 3,
    "risk.max_open_positions": 2,
    "risk.max_daily_loss": "1234.56",
    "risk.max_orders_per_s": 4,
    "risk.stale_feed_s": 10,
    "risk.unprotected_s_max": 1,
    "broker.poll_interval_s": 7,
    "broker.settle_time_s": 60,
}
"""For every setting that a replayed day depends on, a value other than its default."""

ELSEWHERE = {"strategy.initial_stop_ticks"}
"""Read only where another setting says so; has its own test."""


def everything(settings: Settings) -> tuple[object, ...]:
    return (
        rules.core_rules(settings),
        rules.strategy_rules(settings),
        replay.scan_rules(settings),
        replay.conditions(settings),
        rules.session_for(settings, MONDAY, "ALPHA"),
        rules.calendar(settings),
    )


def test_the_table_of_other_values_leaves_no_setting_out() -> None:
    sections = ("session.", "strategy.", "paper.", "scan.", "risk.")
    assert {key for key in known_keys() if key.startswith(sections)} - ELSEWHERE <= OTHER_VALUES.keys()


@pytest.mark.parametrize("key", OTHER_VALUES)
def test_every_setting_reaches_the_engine(key: str) -> None:
    assert everything(load_settings(overrides={key: OTHER_VALUES[key]}, env={})) != everything(DEFAULTS)


def test_numbers_arrive_exactly() -> None:
    settings = load_settings(overrides=OTHER_VALUES, env={})
    core, strategy, scan = (
        rules.core_rules(settings),
        rules.strategy_rules(settings),
        replay.scan_rules(settings),
    )
    assert (core.entry_limit_pct, core.stop_limit_pct) == (Fraction(1, 10), Fraction(299, 100))
    assert (core.max_daily_loss, core.quantity) == (1_234_56, 3)
    assert (core.retry_ns, core.settle_ns) == (7 * SECOND_NS, 60 * SECOND_NS)
    assert strategy.trigger_window_ns == 1_800_000_000_001
    assert (strategy.initial_stop_tr_mult, strategy.take_profit_r) == (Fraction(3, 10), Fraction(3, 2))
    assert (scan.open_pos_min, scan.close_pos_max) == (Fraction(3, 4), Fraction(1, 4))
    paper = rules.paper_rules(settings)
    assert (paper.capital_paise, paper.charges, paper.seed) == (50_000_05, None, 5)
    assert replay.conditions(settings) == Conditions(core, paper, latency_ns=250_000_000)


def test_stop_ticks_count_only_where_the_initial_stop_is_in_ticks() -> None:
    by_range = settings_with(strategy__initial_stop_ticks=7)
    in_ticks = settings_with(strategy__initial_stop_ticks=7, strategy__initial_stop="ticks")
    assert rules.strategy_rules(by_range).initial_stop_ticks is None
    assert rules.strategy_rules(in_ticks).initial_stop_ticks == 7


def test_only_a_live_engine_reads_books_while_nothing_is_asked() -> None:
    assert rules.core_rules(DEFAULTS).idle_poll_ns is None
    assert rules.core_rules(DEFAULTS, is_replay=False) == replace(Rules(), idle_poll_ns=5 * SECOND_NS)


def test_an_exchange_without_tick_bands_needs_a_tick_size() -> None:
    elsewhere = settings_with(broker__exchange="BSE")
    with pytest.raises(ConfigError, match="give --tick-size"):
        replay.scan_rules(elsewhere)
    assert replay.scan_rules(elsewhere, 5) == ScanRules(exchange="BSE", tick_size=5)


# ---------------------------------------------------------------------------------------- days and sessions


def test_an_ordinary_day_runs_by_the_clock_of_the_settings() -> None:
    session = rules.session_for(DEFAULTS, MONDAY, "ALPHA")
    assert session.day == MONDAY
    assert hours(session) == ("09:15:00", "09:16:00", "14:45:00", "15:30:00")


@pytest.mark.parametrize(
    ("day", "exit_before_s", "exit_at", "close"),
    [
        (LAST_BEFORE_AUCTION, 2700, "14:45:00", "15:30:00"),
        (LAST_BEFORE_AUCTION, 1860, "14:59:00", "15:30:00"),
        (LAST_BEFORE_AUCTION, 8, "14:59:00", "15:30:00"),
        (FIRST_WITH_AUCTION, 2700, "14:45:00", "15:15:00"),
        (FIRST_WITH_AUCTION, 8, "14:59:00", "15:15:00"),
        (BUDGET_SUNDAY, 3600, "14:30:00", "15:30:00"),
    ],
)
def test_the_exit_starts_by_1459_and_trading_ends_before_the_closing_auction(
    day: date, exit_before_s: int, exit_at: str, close: str
) -> None:
    session = rules.session_for(settings_with(session__exit_before_close_s=exit_before_s), day, "ALPHA")
    assert hours(session)[2:] == (exit_at, close)


def test_the_hours_of_the_settings_count_only_inside_those_of_the_exchange() -> None:
    longer = settings_with(session__open="08:00:00", session__close="18:00:00")
    shorter = settings_with(session__open="10:00:00", session__close="14:00:00")
    assert hours(rules.session_for(longer, MONDAY, "ALPHA")) == (
        "09:15:00",
        "09:16:00",
        "14:45:00",
        "15:30:00",
    )
    assert hours(rules.session_for(shorter, MONDAY, "ALPHA")) == (
        "10:00:00",
        "10:01:00",
        "13:15:00",
        "14:00:00",
    )


def test_the_exchange_keeps_its_own_time_whatever_zone_the_files_are_in() -> None:
    in_utc = settings_with(session__timezone="UTC", session__open="03:45:00", session__close="10:00:00")
    assert rules.session_for(in_utc, MONDAY, "ALPHA") == rules.session_for(DEFAULTS, MONDAY, "ALPHA")
    misled = settings_with(session__timezone="Asia/Dubai")
    assert hours(rules.session_for(misled, MONDAY, "ALPHA")) == (
        "10:45:00",
        "10:46:00",
        "14:45:00",
        "15:30:00",
    )


def test_always_is_always_open_from_the_first_to_the_last_minute_of_the_settings() -> None:
    drills = settings_with(session__calendar="always", session__exit_before_close_s=60)
    assert isinstance(rules.calendar(drills), AlwaysOpen)
    for day in (SUNDAY, MUHURAT, UNKNOWN, FIRST_WITH_AUCTION):
        session = rules.session_for(drills, day, "ALPHA")
        assert hours(session) == ("09:15:00", "09:16:00", "15:29:00", "15:30:00")
    assert rules.calendar(drills) == AlwaysOpen(time(9, 15), time(15, 30))
    assert rules.calendar(DEFAULTS) == NseCalendar()


@pytest.mark.parametrize(
    ("day", "why"),
    [
        (SUNDAY, "Sunday"),
        (date(2021, 5, 13), "closed"),
        (UNKNOWN, "an unknown day is closed"),
        (MUHURAT, "short session"),
        (DRILL, "short session"),
    ],
)
def test_no_session_is_made_for_a_day_that_is_not_a_full_one(day: date, why: str) -> None:
    with pytest.raises(ConfigError, match=f"ALPHA cannot be traded on {day}: .*{why}"):
        rules.session_for(DEFAULTS, day, "ALPHA")


def test_hours_that_leave_no_time_to_trade_are_refused_with_the_settings_to_mend() -> None:
    late = settings_with(session__open="15:00:00", session__exit_before_close_s=60)
    with pytest.raises(ConfigError, match=r"session of 2021-06-07: .*check session\.open"):
        rules.session_for(late, MONDAY, "ALPHA")


# ---------------------------------------------------------------------------------------------------- plans


def test_a_plan_is_the_setup_with_its_session_and_its_strategy() -> None:
    plan = rules.plan_for(DEFAULTS, setup_of())
    session = rules.session_for(DEFAULTS, MONDAY, "ALPHA")
    assert (plan.setup, plan.session) == (setup_of(), session)
    assert plan.strategy == EightyTwenty(setup_of(), session, rules.strategy_rules(DEFAULTS))


def test_plans_for_a_day_are_those_of_its_setups_alone() -> None:
    assert [plan.setup for plan in rules.plans_for(DEFAULTS, SETUPS).plans] == list(SETUPS)
    assert [plan.setup for plan in rules.plans_for(DEFAULTS, SETUPS, TUESDAY).plans] == [SETUPS[2]]
    # What another day of the file is good for is no concern of today's.
    assert rules.plans_for(DEFAULTS, (*SETUPS, setup_of(day=UNKNOWN)), TUESDAY).left_out == ()


def test_a_setup_for_a_short_session_lapses_and_says_so() -> None:
    planned = rules.plans_for(DEFAULTS, (*SETUPS, setup_of(day=MUHURAT)))
    assert len(planned.plans) == 3
    (lapsed,) = planned.left_out
    assert (lapsed.setup.entry_date, lapsed.why) == (MUHURAT, "it is a short session, in which setups lapse")


@pytest.mark.parametrize(("day", "why"), [(SUNDAY, "Sunday"), (UNKNOWN, "knows 2014-12-01 to the end of")])
def test_a_setup_for_a_closed_or_unknown_day_is_refused_or_left_out_on_request(day: date, why: str) -> None:
    setups = (*SETUPS, setup_of(day=day))
    with pytest.raises(ConfigError, match=f"setups: ALPHA on {day}, column entry_date: .*{why}.*--skip-bad"):
        rules.plans_for(DEFAULTS, setups)
    planned = rules.plans_for(DEFAULTS, setups, skip_bad=True)
    assert (len(planned.plans), [each.setup for each in planned.left_out]) == (3, [setups[-1]])


def wide(low_price: int) -> Setup:
    """A setup of ten rupees true range, so that its stop lies five rupees below its entry."""
    return Setup("WIDE", MONDAY, low_price, low_price - 50, 5, 1000)


def test_a_setup_whose_stop_would_lie_below_the_least_price_is_refused_or_left_out_on_request() -> None:
    assert len(rules.plans_for(DEFAULTS, [wide(505)]).plans) == 1, "its stop lies at one tick"
    with pytest.raises(ConfigError, match=r"setups: WIDE on 2021-06-07, column true_range: .* at 0\.00"):
        rules.plans_for(DEFAULTS, [wide(500)])
    (left,) = rules.plans_for(DEFAULTS, [wide(300)], skip_bad=True).left_out
    assert left.why.startswith("the initial stop would lie at -2.00, below the least price (0.05)")


def test_by_ticks_it_is_the_distance_in_ticks_that_counts() -> None:
    in_ticks = settings_with(strategy__initial_stop="ticks", strategy__initial_stop_ticks=100)
    assert len(rules.plans_for(in_ticks, [wide(505)]).plans) == 1
    with pytest.raises(ConfigError, match=r"column entry_price: .* strategy\.initial_stop_ticks"):
        rules.plans_for(in_ticks, [wide(500)])


def test_the_stop_of_a_short_setup_lies_above_and_is_never_too_low() -> None:
    short = Setup("WIDE", MONDAY, 300, 350, 5, 1000, Direction.SHORT)
    assert len(rules.plans_for(DEFAULTS, [short]).plans) == 1


def refused_lines(settings: Settings, tmp_path: Path, *rows: str) -> list[str]:
    path = write_setups_file(tmp_path / "setups.csv", *rows)
    with pytest.raises(ConfigError) as caught:
        rules.load_setups(settings, path)
    return [line.removeprefix(f"{path}: ") for line in str(caught.value).splitlines()]


def test_a_file_with_a_stop_below_the_least_price_is_refused_with_line_and_column(tmp_path: Path) -> None:
    (told,) = refused_lines(DEFAULTS, tmp_path, ALPHA_ROW, "WIDE,2021-06-07,3.00,2.50,0.05,10.00")
    assert told.startswith("line 3, column true_range: the initial stop would lie at -2.00, below the least")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("ALPHA,2021-06-07,100.00,99.50,0.01,10.00", "0.01 is no tick size of NSE for a share at 100.00"),
        ("ALPHA,2021-06-07,100.00,99.50,0.10,10.00", "on 2021-06-07; its table has 0.05"),
        ("ALPHA,2026-06-08,100.00,99.50,0.02,10.00", "its table has 0.01, 0.05, 0.10, 0.50, 1.00, 5.00"),
        ("ALPHA,2026-06-08,2000.00,1990.00,0.01,10.00", "its table has 0.05, 0.10, 0.50, 1.00, 5.00"),
    ],
)
def test_a_tick_the_exchange_did_not_have_is_refused_with_those_it_had(
    tmp_path: Path, row: str, said: str
) -> None:
    (told,) = refused_lines(DEFAULTS, tmp_path, row)
    assert told.startswith("line 2, column tick_size: ")
    assert said in told


@pytest.mark.parametrize(
    ("row", "changed"),
    [
        ("ALPHA,2021-06-07,100.00,99.50,0.05,10.00", {}),
        ("ALPHA,2026-06-08,400.00,399.50,0.01,10.00", {}),
        ("ALPHA,2026-06-08,100.00,99.50,0.50,10.00", {}),
        ("ALPHA,2021-06-07,100.00,99.50,0.01,10.00", {"broker__exchange": "BSE"}),
        ("ALPHA,2021-06-07,100.00,99.50,0.01,10.00", {"session__calendar": "always"}),
    ],
    ids=["its own", "as its price was last month", "kept through a split", "another exchange", "a drill"],
)
def test_a_tick_that_may_be_right_is_taken(tmp_path: Path, row: str, changed: dict[str, object]) -> None:
    path = write_setups_file(tmp_path / "setups.csv", row)
    assert len(rules.load_setups(settings_with(**changed), path)) == 1


def test_very_many_faults_are_told_in_part() -> None:
    with pytest.raises(ConfigError) as caught:
        rules.plans_for(DEFAULTS, [setup_of(day=SUNDAY)] * 25)
    lines = str(caught.value).splitlines()
    assert (len(lines), lines[-1]) == (21, "... and 5 more")


# --------------------------------------------------------------------------------------------------- replay


@pytest.fixture
def market(tmp_path: Path) -> Path:
    """A folder with ticks, daily bars and a setups file in which everything is right."""
    write_market(tmp_path / "ticks")
    write_daily(tmp_path / "daily", "ALPHA")
    write_setups_file(tmp_path / "setups.csv")
    return tmp_path


def replayed(market: Path, *, skip_bad: bool = False) -> RunResult:
    ticks, setups = replay.Ticks(market / "ticks"), market / "setups.csv"
    return replay.run_replay(DEFAULTS, ticks, setups, market / "out", skip_bad=skip_bad)


def contents(folder: Path) -> dict[str, str]:
    return {each.name: each.read_text(encoding="utf-8") for each in folder.iterdir()}


def test_a_replay_writes_its_trades_orders_and_sums(market: Path) -> None:
    result = replayed(market)
    files = contents(market / "out")
    assert sorted(files) == ["orders.csv", "summary.json", "trades.csv"]
    assert files["trades.csv"].splitlines()[1:] == [
        (
            "ALPHA,2021-06-07,1,long,1,2021-06-07T09:25:00.000000+05:30,100.00,"
            "2021-06-07T10:00:00.000000+05:30,99.00,stop,95.00,99.40,-1.00,0.10,-1.10,0.000"
        ),
        (
            "BETA,2021-06-07,1,long,1,2021-06-07T09:26:00.000000+05:30,200.00,"
            "2021-06-07T14:45:00.000000+05:30,201.00,session_end,195.00,199.40,1.00,0.21,0.79,0.000"
        ),
    ]
    summary = json.loads(files["summary.json"], parse_float=Decimal)
    assert (summary["setups"], summary["trades"], summary["net_pnl"]) == (3, 2, Decimal("-0.31"))
    assert (result.setups, len(result.trades), result.net) == (3, 2, -31)


def test_two_runs_write_the_same_bytes_but_for_what_measures_the_machine(market: Path) -> None:
    replayed(market)
    first = contents(market / "out")
    shutil.rmtree(market / "out")
    replayed(market)
    second = contents(market / "out")
    assert (first["trades.csv"], first["orders.csv"]) == (second["trades.csv"], second["orders.csv"])
    *first_lines, _, _, _ = first["summary.json"].splitlines()
    *second_lines, elapsed, speed, _ = second["summary.json"].splitlines()
    assert first_lines == second_lines
    assert ("elapsed_s" in elapsed, "ticks_per_s" in speed) == (True, True)


def test_setups_may_be_given_as_values_and_results_need_not_be_written(market: Path) -> None:
    result = replay.run_replay(DEFAULTS, replay.Ticks(market / "ticks"), SETUPS)
    assert len(result.trades) == 2
    assert not (market / "out").exists()


def test_the_observer_sees_the_run_go_on(market: Path) -> None:
    seen = []
    ticks = replay.Ticks(market / "ticks")
    replay.run_replay(DEFAULTS, ticks, SETUPS, observer=lambda run: seen.append(run.progress().so_far.ticks))
    assert seen == sorted(seen)
    assert seen[-1] > 0


def test_a_blank_trigger_lies_as_many_ticks_below_as_the_settings_say(market: Path) -> None:
    path = write_setups_file(market / "blank.csv", "ALPHA,2021-06-07,100.00,,0.05,10.00")
    (setup,) = rules.load_setups(settings_with(strategy__trigger_ticks=4, broker__exchange="BSE"), path)
    assert (setup.trigger_price, setup.exchange) == (99_80, "BSE")


def test_bars_are_replayed_as_four_prices_each_and_their_fills_marked(tmp_path: Path) -> None:
    rows = (
        "09:15,101,101.5,100.2,100.5,10",
        "09:20,100.3,100.4,99.3,99.4,10",
        "09:25,99.5,100.6,99.4,100.5,10",
    )
    text = "ts,open,high,low,close,volume\n" + "".join(f"2021-06-07 {row}\n" for row in rows)
    (tmp_path / "ALPHA.csv").write_text(text, encoding="utf-8")
    result = replay.run_replay(DEFAULTS, replay.Bars(tmp_path), [setup_of()])
    assert result.ticks == 4 * len(rows)
    (entry, *_) = [change for change in result.orders if change.change == "filled"]
    assert (entry.fill_price, entry.is_intrabar) == (100_00, True)
    with pytest.raises(ConfigError, match="cannot span 600 s"):
        replay.run_replay(DEFAULTS, replay.Bars(tmp_path, span_s=600), [setup_of()])


def test_a_folder_that_lacks_a_setups_prices_is_no_error(market: Path) -> None:
    shutil.rmtree(market / "ticks" / "BETA")
    result = replayed(market)
    assert [(each.setup.symbol, each.why) for each in result.left_out] == [
        ("BETA", "there are no prices of that day")
    ]
    assert len(result.trades) == 1


# ------------------------------------------------------------------------------------------------- bad input


def bad_tick(market: Path) -> None:
    write_ticks(market / "ticks", "ALPHA", TUESDAY, [("09:15:05", "105.00"), ("09:16:00", "cheap")])


def bad_setups(*rows: str, header: str = SETUPS_HEADER) -> Callable[[Path], None]:
    def spoil(market: Path) -> None:
        write_setups_file(market / "setups.csv", *rows, header=header)

    return spoil


def no_ticks(market: Path) -> None:
    shutil.rmtree(market / "ticks")


def no_column(market: Path) -> None:
    path = market / "ticks" / "ALPHA" / f"{MONDAY}.csv"
    path.write_text("t,price\n09:20:00,99.50\n", encoding="utf-8")


def no_day(market: Path) -> None:
    (market / "ticks" / "ALPHA" / "monday.csv").write_text("t,ltp\n", encoding="utf-8")


def out_is_a_file(market: Path) -> None:
    (market / "out").write_text("mine", encoding="utf-8")


BAD_INPUT: dict[str, tuple[Callable[[Path], None], str]] = {
    "a price that is none": (bad_tick, r"ALPHA/2021-06-08\.csv: row 2 \(line 3\), column ltp: "),
    "a missing column": (no_column, r"ALPHA/2021-06-07\.csv: column ltp .*is missing"),
    "a file named after no day": (no_day, r"ALPHA/monday\.csv: its name is not a day"),
    "no folder": (no_ticks, "ticks"),
    "a price off the tick grid": (
        bad_setups("ALPHA,2021-06-07,100.02,99.50,0.05,10.00"),
        r"setups\.csv: line 2, column entry_price: ",
    ),
    "a trigger on the wrong side": (
        bad_setups(ALPHA_ROW, "BETA,2021-06-07,200.00,200.50,0.05,10.00"),
        r"setups\.csv: line 3, column trigger_price: ",
    ),
    "a repeated symbol": (
        bad_setups(ALPHA_ROW, BETA_ROW, ALPHA_ROW),
        r"setups\.csv: line 4, column symbol: ALPHA on 2021-06-07 is on line 2 already",
    ),
    "an unknown column": (
        bad_setups(ALPHA_ROW + ",x", header=SETUPS_HEADER + ",colour"),
        r"setups\.csv: line 1, column 'colour' is unknown",
    ),
    "a closed day": (
        bad_setups(ALPHA_ROW.replace("2021-06-07", "2021-06-06")),
        r"setups\.csv: ALPHA on 2021-06-06, column entry_date: closed \(Sunday\)",
    ),
    "a file in the place of the folder": (out_is_a_file, "out: .* is not a folder"),
}


@pytest.mark.parametrize(("spoil", "message"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_input_is_refused_by_name_and_nothing_is_written(
    market: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(market)
    before = sorted(market.iterdir())
    with pytest.raises(ConfigError, match=message):
        replayed(market)
    assert sorted(market.iterdir()) == before


def test_a_run_that_breaks_midway_leaves_the_run_before_as_it_was(market: Path) -> None:
    replayed(market)
    before = contents(market / "out")
    bad_tick(market)
    with pytest.raises(ConfigError):
        replayed(market)
    assert contents(market / "out") == before


def test_with_skip_bad_a_run_goes_on_without_the_bad_file_and_says_so(market: Path) -> None:
    bad_tick(market)
    write_setups_file(
        market / "setups.csv", ALPHA_ROW, TUESDAY_ROW, "ALPHA,2021-06-06,100.00,99.50,0.05,10.00"
    )
    result = replayed(market, skip_bad=True)
    (told,) = result.skipped_files
    assert "row 2 (line 3), column ltp" in told
    assert [(each.setup.entry_date, each.why) for each in result.left_out] == [
        (SUNDAY, "closed (Sunday)"),
        (TUESDAY, "there are no prices of that day"),
    ]
    assert len(result.trades) == 1


# ------------------------------------------------------------------------------------------ scan and backtest


def test_a_scan_writes_the_setups_it_finds(market: Path) -> None:
    report = replay.run_scan(DEFAULTS, market / "daily", (MONDAY, TUESDAY), market / "found.csv")
    assert [hit.setup.symbol for hit in report.hits] == ["ALPHA"]
    assert rules.load_setups(DEFAULTS, market / "found.csv") == tuple(hit.setup for hit in report.hits)


def test_only_a_live_scan_reaches_one_session_past_the_newest_row(market: Path) -> None:
    rows = ("2021-06-03,106,107,105,106,500000", "2021-06-04,109,110,100,101,500000")
    write_daily(market / "daily", "ALPHA", *rows)
    assert replay.run_scan(DEFAULTS, market / "daily", (MONDAY, MONDAY)).hits == ()
    assert len(replay.run_scan(DEFAULTS, market / "daily", (MONDAY, MONDAY), is_live=True).hits) == 1


def test_a_backtest_writes_the_files_of_a_replay_and_the_setups_it_found(market: Path) -> None:
    ticks = replay.Ticks(market / "ticks")
    result = replay.run_backtest(DEFAULTS, market / "daily", ticks, (MONDAY, TUESDAY), market / "out")
    assert sorted(contents(market / "out")) == ["orders.csv", "setups.csv", "summary.json", "trades.csv"]
    again = replay.run_replay(DEFAULTS, ticks, market / "out" / "setups.csv", market / "again")
    assert again.trades == result.run.trades
    for name in ("trades.csv", "orders.csv"):
        assert (market / "again" / name).read_bytes() == (market / "out" / name).read_bytes()


def test_a_bad_daily_row_is_refused_by_name_or_left_out_on_request(market: Path) -> None:
    write_daily(market / "daily", "BETA", "2021-06-04,1,1,2,1,5")
    ticks, span = replay.Ticks(market / "ticks"), (MONDAY, TUESDAY)
    for refused in (
        lambda: replay.run_scan(DEFAULTS, market / "daily", span, market / "found.csv"),
        lambda: replay.run_backtest(DEFAULTS, market / "daily", ticks, span, market / "out"),
    ):
        with pytest.raises(ConfigError, match=r"BETA\.csv: row 1 \(line 2\), column high: is below the low"):
            refused()
    assert not (market / "found.csv").exists()
    assert not (market / "out").exists()
    result = replay.run_backtest(DEFAULTS, market / "daily", ticks, span, market / "out", skip_bad=True)
    assert len(result.run.skipped_files) == len(result.run.trades) == 1


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ((TUESDAY, MONDAY), "--from 2021-06-08 must not be later than --to 2021-06-07"),
        ((SUNDAY, SUNDAY), "there is no session on 2021-06-06: Sunday"),
        ((UNKNOWN, UNKNOWN.replace(day=9)), "there is no session on 2031-06-02 to 2031-06-09: .*unknown day"),
    ],
)
def test_a_span_without_a_session_is_a_wrong_flag(
    market: Path, span: tuple[date, date], message: str
) -> None:
    with pytest.raises(FlagError, match=message):
        replay.run_scan(DEFAULTS, market / "daily", span)
    with pytest.raises(FlagError, match=message):
        replay.run_backtest(DEFAULTS, market / "daily", replay.Ticks(market / "ticks"), span)


def test_an_unwritable_place_is_refused_before_a_backtest_begins(market: Path) -> None:
    out_is_a_file(market)
    ticks = replay.Ticks(market / "nowhere")
    with pytest.raises(ConfigError, match=r"out: .* is not a folder"):
        replay.run_backtest(DEFAULTS, market / "nowhere", ticks, (MONDAY, TUESDAY), market / "out")
