"""The files of a run: exact text, one format a column, and all of them or none."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.adapters.whole_files import write_whole
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.order import PriceType, Role, Side
from olaf_async.domain.setup import Direction
from olaf_async.domain.trade import ExitReason, Trade
from olaf_async.errors import ConfigError
from olaf_async.research.results import DayResult, OrderChange, RunResult, TradeRecord
from olaf_async.research.tables import (
    ORDERS,
    SUMMARY,
    TRADES,
    average_text,
    check_folder,
    orders_csv,
    summary_json,
    time_text,
    trades_csv,
    write_run,
)
from tests.made_market import MONDAY, setup_of

INDIA = ZoneInfo("Asia/Kolkata")
NINE_TWENTY_NS = 1_623_037_800 * SECOND_NS  # 2021-06-07 09:20:00 in India

TRADE = Trade(
    symbol="M&M",
    day=MONDAY,
    attempt=2,
    direction=Direction.SHORT,
    quantity=3,
    entry_ns=NINE_TWENTY_NS,
    entry_value=30_001,
    exit_ns=NINE_TWENTY_NS + 1_500_000_000,
    exit_value=30_300,
    reason=ExitReason.SESSION_END,
    initial_stop=10_505,
    final_stop=10_200,
    unprotected_ns=12_345_678,
)
CHANGE = OrderChange(
    day=MONDAY,
    at_ns=NINE_TWENTY_NS,
    symbol="M&M",
    order_id="21060700000001",
    key="M&M/1-entry",
    role=Role.ENTRY,
    side=Side.SELL,
    price_type=PriceType.SL,
    change="placed",
    status="trigger pending",
    quantity=3,
    filled=0,
    limit=9_970,
    trigger=10_000,
    fill_price=None,
    is_intrabar=False,
)
DAY = DayResult(
    MONDAY, (setup_of("M&M"),), (TradeRecord(TRADE, 5),), (CHANGE,), (), (), ticks=9, triggers=2, entries=1,
    rows_dropped=0, until_ns=0,
)  # fmt: skip
RUN = RunResult((DAY,), elapsed_ns=3_000_000_000)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


# ------------------------------------------------------------------------------------------------------ text


@pytest.mark.parametrize(
    ("value", "quantity", "text"),
    [
        (10_000, 1, "100.00"),
        (20_001, 2, "100.005"),
        (40_001, 4, "100.0025"),
        (30_001, 3, "100.0033"),
        (30_002, 3, "100.0067"),
        (80_004, 8, "100.005"),
        (5, 1, "0.05"),
        (1, 100, "0.0001"),
        (1, 200, "0.0001"),  # half up
        (1, 201, "0.00"),
    ],
)
def test_an_average_has_more_than_two_decimals_only_where_it_needs_them(
    value: int, quantity: int, text: str
) -> None:
    assert average_text(value, quantity) == text


@given(st.integers(1, 10**12), st.integers(1, 10**6))
def test_an_average_is_exact_where_four_decimals_suffice_and_the_nearest_such_number_elsewhere(
    value: int, quantity: int
) -> None:
    exact = Fraction(value, 100 * quantity)
    written = Fraction(average_text(value, quantity))
    assert abs(written - exact) <= Fraction(1, 20_000)
    if (10_000 * exact).denominator == 1:
        assert written == exact


@pytest.mark.parametrize(
    ("at_ns", "text"),
    [
        (NINE_TWENTY_NS, "2021-06-07T09:20:00.000000+05:30"),
        (NINE_TWENTY_NS + 1_500_000_999, "2021-06-07T09:20:01.500000+05:30"),
    ],
)
def test_times_are_local_with_offset_and_always_six_decimals(at_ns: int, text: str) -> None:
    assert time_text(at_ns, INDIA) == text


@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 -- hypothesis wants bounds without one
def test_a_time_reads_back_as_the_same_instant(instant: datetime) -> None:
    whole_s = int(instant.replace(microsecond=0).timestamp())
    at_ns = whole_s * SECOND_NS + instant.microsecond * 1000
    assert datetime.fromisoformat(time_text(at_ns, INDIA)) == instant


# ---------------------------------------------------------------------------------------------------- tables


def test_a_trade_is_one_line_of_the_contracts_columns() -> None:
    header, line = trades_csv((TradeRecord(TRADE, 5),), INDIA).splitlines()
    assert header == (
        "symbol,date,attempt,side,quantity,entry_time,entry_price,exit_time,exit_price,exit_reason,"
        "initial_stop,final_stop,gross_pnl,charges,net_pnl,unprotected_ms"
    )
    assert line == (
        "M&M,2021-06-07,2,short,3,2021-06-07T09:20:00.000000+05:30,100.0033,"
        "2021-06-07T09:20:01.500000+05:30,101.00,session_end,105.05,102.00,-2.99,0.05,-3.04,12.345"
    )


@pytest.mark.parametrize("reason", list(ExitReason))
def test_the_reason_is_a_word_of_the_contract(reason: ExitReason) -> None:
    (row,) = rows(trades_csv((TradeRecord(replace(TRADE, reason=reason), 0),), INDIA))
    assert row["exit_reason"] in {"stop", "target", "session_end", "halt", "risk", "operator"}


def test_an_order_change_is_one_line_with_blanks_for_what_it_has_not() -> None:
    filled = replace(CHANGE, change="filled", status="complete", filled=3, fill_price=9_990, is_intrabar=True)
    nameless = replace(CHANGE, key="", role=None, price_type=PriceType.LIMIT, trigger=0)
    market = replace(CHANGE, price_type=PriceType.MARKET, limit=0, trigger=0)
    placed, done, unknown, bare = rows(orders_csv((CHANGE, filled, nameless, market), INDIA))
    assert placed == {
        "time": "2021-06-07T09:20:00.000000+05:30",
        "symbol": "M&M",
        "date": "2021-06-07",
        "order_id": "21060700000001",
        "key": "M&M/1-entry",
        "role": "entry",
        "side": "SELL",
        "price_type": "SL",
        "change": "placed",
        "status": "trigger pending",
        "quantity": "3",
        "filled": "0",
        "limit_price": "99.70",
        "trigger_price": "100.00",
        "fill_price": "",
        "intrabar": "false",
    }
    assert (done["filled"], done["fill_price"], done["intrabar"]) == ("3", "99.90", "true")
    assert (unknown["key"], unknown["role"], unknown["trigger_price"]) == ("", "", "")
    assert (bare["limit_price"], bare["trigger_price"]) == ("", "")


def test_tables_of_nothing_are_headers() -> None:
    assert rows(trades_csv((), INDIA)) == rows(orders_csv((), INDIA)) == []
    assert trades_csv((), INDIA).count("\n") == orders_csv((), INDIA).count("\n") == 1


def test_the_summary_counts_and_sums_with_exact_money_and_what_measures_the_machine_comes_last() -> None:
    summary = json.loads(summary_json(RUN), parse_float=Decimal)
    assert list(summary)[-2:] == ["elapsed_s", "ticks_per_s"]
    assert summary == {
        "ticks": 9,
        "symbols": 1,
        "days": 1,
        "setups": 1,
        "setups_left_out": 0,
        "triggers": 2,
        "entries": 1,
        "trades": 1,
        "gross_pnl": Decimal("-2.99"),
        "charges": Decimal("0.05"),
        "net_pnl": Decimal("-3.04"),
        "unprotected_ms_p50": Decimal("12.346"),
        "unprotected_ms_p95": Decimal("12.346"),
        "unprotected_ms_worst": Decimal("12.346"),
        "alarms": 0,
        "positions_unclosed": 0,
        "rows_dropped": 0,
        "files_skipped": 0,
        "elapsed_s": Decimal("3.000"),
        "ticks_per_s": 3,
    }


# --------------------------------------------------------------------------------------------- whole or not


def contents(folder: Path) -> dict[str, str]:
    return {each.name: each.read_text(encoding="utf-8") for each in folder.iterdir()}


def test_a_run_is_three_files_in_a_folder_that_is_made_for_them(tmp_path: Path) -> None:
    write_run(tmp_path / "deep" / "out", RUN, INDIA)
    assert contents(tmp_path / "deep" / "out") == {
        TRADES: trades_csv(RUN.trades, INDIA),
        ORDERS: orders_csv(RUN.orders, INDIA),
        SUMMARY: summary_json(RUN),
    }


def test_a_second_run_takes_the_place_of_the_first_and_leaves_other_files_alone(tmp_path: Path) -> None:
    write_run(tmp_path, RUN, INDIA)
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    write_run(tmp_path, RunResult(()), INDIA, also=lambda folder: write_whole(folder / "more.csv", "more"))
    assert contents(tmp_path) == {
        "notes.txt": "mine",
        "more.csv": "more",
        TRADES: trades_csv((), INDIA),
        ORDERS: orders_csv((), INDIA),
        SUMMARY: summary_json(RunResult(())),
    }


def fail_with(error: Exception) -> Callable[[Path], None]:
    """Writes one file and then breaks, as a full disk or a bug would."""

    def fill(folder: Path) -> None:
        (folder / "half.csv").write_text("half", encoding="utf-8")
        raise error

    return fill


@pytest.mark.parametrize(
    ("cause", "seen"),
    [
        (OSError(28, "No space left on device"), ConfigError),
        (ConfigError("no"), ConfigError),
        (KeyError("bug"), KeyError),
    ],
)
def test_what_breaks_halfway_leaves_the_run_before_as_it_was(
    tmp_path: Path, cause: Exception, seen: type[Exception]
) -> None:
    write_run(tmp_path, RUN, INDIA)
    before = contents(tmp_path)
    with pytest.raises(seen):
        write_run(tmp_path, RunResult(()), INDIA, fail_with(cause))
    assert contents(tmp_path) == before


def test_what_breaks_halfway_leaves_no_folder_where_there_was_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"out: cannot be written to \(No space left on device\)"):
        write_run(tmp_path / "out", RUN, INDIA, fail_with(OSError(28, "No space left on device")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [TRADES, ORDERS, SUMMARY])
def test_a_folder_in_the_place_of_a_file_is_refused_before_any_file_moves(tmp_path: Path, name: str) -> None:
    write_run(tmp_path, RUN, INDIA)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    kept = {each.name for each in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match=f"{name}: is a folder where a file is to be written"):
        check_folder(tmp_path)
    with pytest.raises(ConfigError, match=f"{name}: is a folder where a file is to be written"):
        write_run(tmp_path, RunResult(()), INDIA)
    assert {each.name for each in tmp_path.iterdir()} == kept


@pytest.mark.parametrize("path", ["taken", "taken/out", "taken/deep/out"])
def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    with pytest.raises(ConfigError, match="taken is not a folder; name another by --out"):
        check_folder(tmp_path / path)
    with pytest.raises(ConfigError, match="--out"):
        write_run(tmp_path / path, RUN, INDIA)
    assert contents(tmp_path) == {"taken": "a file"}


def test_a_place_that_will_do_is_not_touched_by_the_look_at_it(tmp_path: Path) -> None:
    check_folder(tmp_path)
    check_folder(tmp_path / "deep" / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_the_right_to_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root, whom tests may run as, is never denied
    with pytest.raises(ConfigError, match="may not be written to"):
        check_folder(tmp_path / "out")


def test_a_name_that_no_system_takes_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be written to \(File name too long\)"):
        check_folder(tmp_path / ("x" * 5000))
