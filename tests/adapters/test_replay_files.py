"""Files of ticks, bars and daily bars: what they mean, and how a bad one is refused."""

import gzip
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet

from olaf_async.adapters.decimal_text import PRICE_PAISE_MAX
from olaf_async.adapters.replay import cells
from olaf_async.adapters.replay.files import BarFolder, DailyFolder, PriceColumns, PriceFolder, TickFolder
from olaf_async.adapters.replay.tables import CellFault
from olaf_async.domain.bar import DailyBar
from olaf_async.domain.price import to_paise, to_text
from olaf_async.errors import ConfigError

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the recorded market data, which may not be shipped, is not here"
)

INDIA = ZoneInfo("Asia/Kolkata")
NEW_YORK = ZoneInfo("America/New_York")
DAY = date(2021, 6, 11)
S = 1_000_000_000


def ns(text: str, tz: ZoneInfo = INDIA) -> int:
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=tz)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def at(*clocks: str) -> list[int]:
    return [ns(f"{DAY}T{clock}") for clock in clocks]


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def put_parquet(folder: Path, name: str, **columns: "pa.Array") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path)
    return path


def ticks(folder: Path, content: str, tz: ZoneInfo = INDIA) -> PriceColumns:
    put(folder, f"SBIN/{DAY}.csv", content)
    columns = TickFolder(folder, tz).read("SBIN", DAY)
    assert columns is not None
    return columns


def parquet_ticks(folder: Path, **columns: "pa.Array") -> PriceColumns:
    put_parquet(folder, f"SBIN/{DAY}.parquet", **columns)
    read = TickFolder(folder, INDIA).read("SBIN", DAY)
    assert read is not None
    return read


def bars(folder: Path, *rows: str, span_s: float | None = None, tz: ZoneInfo = INDIA) -> BarFolder:
    put(folder, "SBIN.csv", "\n".join(["ts,open,high,low,close,volume", *rows]) + "\n")
    return BarFolder(folder, tz, span_s)


def daily(folder: Path, *rows: str) -> tuple[DailyBar, ...]:
    put(folder, "SBIN.csv", "\n".join(["date,open,high,low,close,volume", *rows]) + "\n")
    return DailyFolder(folder).read("SBIN")


# ---------------------------------------------------------------------------------------------------- ticks


def test_ticks_become_epoch_nanoseconds_and_paise_in_the_order_of_arrival(tmp_path: Path) -> None:
    read = ticks(
        tmp_path, "t,ltp,cum_volume\n09:15:00,361.05,10\n09:15:01.25,361,20\n09:15:01.250001,0.05,\n"
    )
    assert read.t_ns.tolist() == at("09:15:00", "09:15:01.250000", "09:15:01.250001")
    assert read.price.tolist() == [36105, 36100, 5]
    assert (read.symbol, read.day, read.continuous) == ("SBIN", DAY, None)
    assert (read.rows_read, read.rows_dropped) == (3, 0)


def test_csv_gzip_and_parquet_of_the_same_ticks_read_the_same(tmp_path: Path) -> None:
    text = "t,ltp\n09:15:00,361.05\n09:15:02,361.10\n"
    put(tmp_path, "A/2021-06-11.csv", text)
    put(tmp_path, "B/2021-06-11.csv.gz", text)
    clock = pa.array([time(9, 15), time(9, 15, 2)], pa.time64("us"))
    put_parquet(tmp_path, "C/2021-06-11.parquet", t=clock, ltp=pa.array([36105, 36110], pa.int64()))
    folder = TickFolder(tmp_path, INDIA)
    read = [folder.read(symbol, DAY) for symbol in folder.symbols()]
    assert [(each.t_ns.tolist(), each.price.tolist()) for each in read if each] == [
        (at("09:15:00", "09:15:02"), [36105, 36110])
    ] * 3


def test_a_time_that_steps_back_is_taken_as_the_newest_so_far_and_its_price_counts(tmp_path: Path) -> None:
    read = ticks(tmp_path, "t,ltp\n09:15:05,10\n09:15:03,11\n09:15:04,12\n09:15:06,13\n")
    assert read.t_ns.tolist() == at("09:15:05", "09:15:05", "09:15:05", "09:15:06")
    assert read.price.tolist() == [1000, 1100, 1200, 1300]


def test_exact_repeats_are_kept(tmp_path: Path) -> None:
    read = ticks(tmp_path, "t,ltp\n" + "09:15:05,10\n" * 3)
    assert read.t_ns.tolist() == at("09:15:05") * 3


def test_rows_dated_other_than_the_file_are_dropped_counted_and_move_no_time(tmp_path: Path) -> None:
    read = ticks(
        tmp_path,
        "t,ltp\n2021-06-12 09:15:00,1\n2021-06-11 09:15:00,10\n1970-01-01 05:30:00,11\n"
        "9999-12-31 23:59:59,12\n2021-06-11 09:15:01,13\n",
    )
    assert read.t_ns.tolist() == at("09:15:00", "09:15:01")
    assert read.price.tolist() == [1000, 1300]
    assert (read.rows_read, read.rows_dropped) == (5, 3)


def test_what_a_dropped_row_says_its_price_is_does_not_matter(tmp_path: Path) -> None:
    read = ticks(
        tmp_path, "t,ltp\n1970-01-01 05:30:00,0.00\n2021-06-11 09:15:00,10\n1970-01-01 05:30:00,nan\n"
    )
    assert read.price.tolist() == [1000]
    assert read.rows_dropped == 2


def test_a_bad_price_after_dropped_rows_is_named_by_its_own_row(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"row 2 \(line 3\), column ltp: 0\.00 must be greater than zero"):
        ticks(tmp_path, "t,ltp\n1970-01-01 05:30:00,5\n2021-06-11 09:15:00,0.00 \n")


@pytest.mark.parametrize(
    "written",
    [
        "2021-06-11T09:15:00+05:30",
        "2021-06-11 03:45:00Z",
        "2021-06-10T23:45:00-0400",
        "2021-06-11 09:15",
        "09:15",
        " 09:15:00.000000 ",
        "2021-06-11 09:15:00.000000999",
    ],
)
@pytest.mark.parametrize("beside", ["", "09:15:00", "2021-06-11T09:15:00+05:30", "2021-06-11 09:15:00"])
def test_a_time_with_an_offset_a_local_one_and_a_clock_time_mean_the_same_moment(
    tmp_path: Path, written: str, beside: str
) -> None:
    other = f"{beside},5\n" if beside else ""
    read = ticks(tmp_path, f"t,ltp\n{written},5\n{other}")
    assert set(read.t_ns.tolist()) == set(at("09:15:00"))


def test_a_file_with_a_header_alone_has_no_prices(tmp_path: Path) -> None:
    read = ticks(tmp_path, "t,ltp\n")
    assert (len(read.t_ns), len(read.price), read.rows_read) == (0, 0, 0)
    assert read.t_ns.dtype == read.price.dtype == np.int64


def test_what_there_is_no_file_of_is_none(tmp_path: Path) -> None:
    put(tmp_path, "SBIN/2021-06-11.csv", "t,ltp\n")
    folder: PriceFolder = TickFolder(tmp_path, INDIA)
    assert folder.read("SBIN", date(2021, 6, 14)) is None
    assert folder.read("../SBIN", DAY) is None
    assert folder.days("TCS") == ()


def test_symbols_are_folder_names_as_the_exchange_writes_them(tmp_path: Path) -> None:
    for symbol in ("M&M", "BAJAJ-AUTO", "J.csv", ".hidden"):
        put(tmp_path, f"{symbol}/2021-06-11.csv", "t,ltp\n")
    put(tmp_path, "README.md", "not a symbol")
    assert TickFolder(tmp_path, INDIA).symbols() == ("BAJAJ-AUTO", "J.csv", "M&M")


def test_days_are_sorted_and_other_files_are_ignored(tmp_path: Path) -> None:
    for name in ("2021-06-14.csv.gz", "2021-06-11.csv", "notes.txt", ".2021-06-15.csv", "2021-06-16.csv.bak"):
        put(tmp_path, f"SBIN/{name}", "t,ltp\n")
    assert TickFolder(tmp_path, INDIA).days("SBIN") == (DAY, date(2021, 6, 14))


def test_the_arrays_cannot_be_written_to(tmp_path: Path) -> None:
    read = ticks(tmp_path, "t,ltp\n09:15:00,5\n")
    with pytest.raises(ValueError, match="read-only"):
        read.price[0] = 1


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("", "is blank"),
        ("  ", "is blank"),
        ("abc", "'abc' is not a decimal number"),
        ("nan", "'nan' is not a decimal number"),
        ("inf", "'inf' is not a decimal number"),
        ("1e2", "'1e2' is not a decimal number"),
        ("1_000", "'1_000' is not a decimal number"),
        ('"1,000.00"', "'1,000.00' is not a decimal number"),
        ("१.५", "'१.५' is not a decimal number"),
        ("5.125", "5.125 is finer than one paisa"),
        ("5.0000000001", "5.0000000001 is finer than one paisa"),
        ("0", "must be greater than zero"),
        ("0.00", "must be greater than zero"),
        ("-5.00", "-5.00 must be greater than zero"),
        ("10000000000.01", "is not a price: above 10,000,000,000 rupees"),
        ("9" * 40, "is not a decimal number"),
    ],
)
def test_a_price_that_is_none_is_refused_with_file_row_and_column(
    tmp_path: Path, cell: str, problem: str
) -> None:
    expected = rf"2021-06-11\.csv: row 2 \(line 3\), column ltp: .*{re.escape(problem)}.*--skip-bad"
    with pytest.raises(ConfigError, match=expected):
        ticks(tmp_path, f"t,ltp\n09:15:00,5.00\n09:15:01,{cell}\n")


@pytest.mark.parametrize("cell", ["5.", "+5.00", "005.0", "5.000000", " 5"])
def test_odd_but_exact_ways_to_write_a_price_are_read(tmp_path: Path, cell: str) -> None:
    assert ticks(tmp_path, f"t,ltp\n09:15:00,{cell}\n").price.tolist() == [500]


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("", "is blank"),
        ("soon", "'soon' is not HH:MM:SS"),
        ("09", "'09' is not HH:MM:SS"),
        ("9:15:00", "is not HH:MM:SS"),
        ("09:15:00Z", "is not HH:MM:SS"),
        ("2021-06-11", "is not HH:MM:SS"),
        ("24:00:00", "is not a time that exists"),
        ("23:59:60", "is not a time that exists"),
        ("2021-02-30 09:15:00", "'2021-02-30' is not a day that exists"),
        ("2021-06-11T09:15:00+99:00", "is not a time that exists"),
    ],
)
def test_a_time_that_is_none_is_refused_with_file_row_and_column(
    tmp_path: Path, cell: str, problem: str
) -> None:
    expected = rf"2021-06-11\.csv: row 2 \(line 3\), column t: .*{re.escape(problem)}"
    with pytest.raises(ConfigError, match=expected):
        ticks(tmp_path, f"t,ltp\n09:15:00,5.00\n{cell},5.00\n")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", r"is empty; it needs a header with t, ltp"),
        ("t,price\n", r"column ltp is missing; the header must name t, ltp"),
        ("t,Ltp\n", r"column ltp \(nearest: 'Ltp'\) is missing"),
        ("time,price\n09:15:00,5\n", r"column t( \(.*\))?, ltp is missing"),
        ("t,ltp,ltp\n09:15:00,5,6\n", r"column ltp is there 2 times"),
        ("t,ltp\n09:15:00,5\n09:15:01\n", r"row 2 \(line 3\): has 1 cells where the header has 2"),
        ("t,ltp\n09:15:00,5,6\n", r"row 1 \(line 2\): has 3 cells where the header has 2"),
        (b"t,ltp\n09:15:00,\xff\xfe\n", r"cannot be read: .*utf-8"),
        ('t,ltp\n"09:15:00,5\n', r"row 1 \(line 2\): has 1 cells where the header has 2"),
    ],
)
def test_a_file_that_is_not_such_a_table_is_refused(
    tmp_path: Path, content: str | bytes, problem: str
) -> None:
    put(tmp_path, "SBIN/2021-06-11.csv", content)
    with pytest.raises(ConfigError, match=rf"2021-06-11\.csv: {problem}"):
        TickFolder(tmp_path, INDIA).read("SBIN", DAY)


def test_a_byte_order_mark_crlf_and_extra_columns_in_any_order_are_no_fault(tmp_path: Path) -> None:
    read = ticks(tmp_path, "\ufeffnote,ltp,t\r\nhello,5.00,09:15:00\r\n\r\n,6.00,09:15:01\r\n")
    assert read.price.tolist() == [500, 600]


def test_the_line_is_right_behind_empty_lines(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"row 2 \(line 5\), column ltp"):
        ticks(tmp_path, "t,ltp\n09:15:00,5\n\n\n09:15:01,x\n")


@pytest.mark.parametrize("name", ["2021-06-11.csv.gz", "2021-06-11.parquet"])
@pytest.mark.parametrize("cut", [0, 3, 40])
def test_a_damaged_file_is_refused_and_named(tmp_path: Path, name: str, cut: int) -> None:
    if name.endswith(".gz"):
        path = put(
            tmp_path, f"SBIN/{name}", "t,ltp\n" + "".join(f"09:15:{n:02},5.{n:02}\n" for n in range(60))
        )
    else:
        path = put_parquet(tmp_path, f"SBIN/{name}", t=pa.array(["09:15:00"]), ltp=pa.array([1]))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ConfigError, match=re.escape(name)):
        TickFolder(tmp_path, INDIA).read("SBIN", DAY)


def test_two_files_for_one_day_are_refused(tmp_path: Path) -> None:
    for name in ("2021-06-11.csv", "2021-06-11.csv.gz"):
        put(tmp_path, f"SBIN/{name}", "t,ltp\n")
    with pytest.raises(ConfigError, match=r"2021-06-11\.csv and 2021-06-11\.csv\.gz stand for the same data"):
        TickFolder(tmp_path, INDIA).read("SBIN", DAY)


@pytest.mark.parametrize("name", ["11-06-2021.csv", "20210611.csv", "2021-06-31.csv.gz", "ticks.parquet"])
def test_a_tick_file_whose_name_is_no_day_is_refused(tmp_path: Path, name: str) -> None:
    put(tmp_path, f"SBIN/{name}", "t,ltp\n")
    with pytest.raises(ConfigError, match=rf"{re.escape(name)}: its name is not a day"):
        TickFolder(tmp_path, INDIA).days("SBIN")


def test_a_folder_that_is_missing_or_holds_nothing_is_refused(tmp_path: Path) -> None:
    for make in (lambda p: TickFolder(p, INDIA), lambda p: BarFolder(p, INDIA), DailyFolder):
        with pytest.raises(ConfigError, match="nowhere: cannot be listed"):
            make(tmp_path / "nowhere")
        with pytest.raises(ConfigError, match="holds no <SYMBOL>"):
            make(tmp_path)


def test_skip_bad_goes_on_without_the_file_and_says_so_once(tmp_path: Path) -> None:
    put(tmp_path, "SBIN/2021-06-11.csv", "t,ltp\n09:15:00,x\n")
    put(tmp_path, "SBIN/2021-06-14.csv", "t,ltp\n09:15:00,5\n")
    put(tmp_path, "SBIN/spare.csv", "t,ltp\n09:15:00,5\n")
    folder = TickFolder(tmp_path, INDIA, skip_bad=True)
    assert folder.days("SBIN") == (DAY, date(2021, 6, 14))
    assert folder.read("SBIN", DAY) is None
    assert folder.read("SBIN", DAY) is None
    assert folder.read("SBIN", date(2021, 6, 14)) is not None
    assert [re.sub(r"^.*SBIN.", "", each)[:20] for each in folder.skipped] == [
        "spare.csv: its name ",
        "2021-06-11.csv: row ",
    ]


# ------------------------------------------------------------------------------------------ types of Parquet

CLOCK = pa.array(["09:15:00", "09:15:01"])


@pytest.mark.parametrize(
    "column",
    [
        pa.array([Decimal("5.05"), Decimal("6.10")], pa.decimal128(10, 2)),
        pa.array([Decimal("5.0500"), Decimal("6.1000")], pa.decimal128(12, 4)),
        pa.array([Decimal("5.05"), Decimal("6.10")], pa.decimal256(40, 2)),
        pa.array([505, 610], pa.int64()),
        pa.array([5.05, 6.1], pa.float64()),
        pa.array([5.0499999, 6.1000001], pa.float64()),
        pa.array(["5.05", "6.1"]),
        pa.array(["5.05", "6.1"], pa.large_string()),
        pa.array(["5.05", "6.1"]).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
def test_parquet_prices_may_be_decimals_whole_paise_floats_or_text(
    tmp_path: Path, column: "pa.Array"
) -> None:
    assert parquet_ticks(tmp_path, t=CLOCK, ltp=column).price.tolist() == [505, 610]


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        (pa.array([5.0, float("nan")]), "row 2, column ltp: is not a finite number"),
        (pa.array([5.0, float("inf")]), "row 2, column ltp: is not a finite number"),
        (pa.array([5.0, 1e300]), "row 2, column ltp: is not a price"),
        (pa.array([5.0, None]), "row 2, column ltp: is blank"),
        (pa.array([5.0, 0.001]), "row 2, column ltp: must be greater than zero"),
        (pa.array([500, None]), "row 2, column ltp: is blank"),
        (pa.array([500, -5]), "row 2, column ltp: must be greater than zero"),
        (pa.array([500, 2**62]), "row 2, column ltp: is not a price"),
        (pa.array([Decimal("5.00"), None], pa.decimal128(9, 2)), "row 2, column ltp: is blank"),
        (pa.array([Decimal("5.000"), Decimal("5.005")]), "row 2, column ltp: 5.005 is finer than one paisa"),
        (pa.array(["5.00", None]), "row 2, column ltp: is blank"),
        (pa.array([5.0, 6.0], pa.float32()), "column ltp: has the type float"),
        (pa.array([5, 6], pa.int32()), "column ltp: has the type int32"),
        (pa.array([True, False]), "column ltp: has the type bool"),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else value,
)
def test_parquet_prices_that_are_none_are_refused(tmp_path: Path, column: "pa.Array", problem: str) -> None:
    with pytest.raises(ConfigError, match=rf"2021-06-11\.parquet: {re.escape(problem)}"):
        parquet_ticks(tmp_path, t=CLOCK, ltp=column)


LOCAL = [datetime(2021, 6, 11, 9, 15), datetime(2021, 6, 11, 9, 15, 1)]  # noqa: DTZ001


@pytest.mark.parametrize(
    "column",
    [
        pa.array([9 * 3600 + 900, 9 * 3600 + 901], pa.time32("s")),
        pa.array([time(9, 15), time(9, 15, 1)], pa.time64("ns")),
        pa.array(LOCAL, pa.timestamp("s")),
        pa.array(LOCAL, pa.timestamp("ns")),
        pa.array([each.replace(tzinfo=INDIA) for each in LOCAL], pa.timestamp("us", "UTC")),
        pa.array([each.replace(tzinfo=INDIA) for each in LOCAL], pa.timestamp("ms", "Asia/Kolkata")),
    ],
    ids=lambda column: str(column.type),
)
def test_parquet_times_may_be_clock_times_local_times_or_times_with_a_zone(
    tmp_path: Path, column: "pa.Array"
) -> None:
    read = parquet_ticks(tmp_path, t=column, ltp=pa.array([1, 2]))
    assert read.t_ns.tolist() == at("09:15:00", "09:15:01")


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        (pa.array([1, 2]), "column t: has the type int64"),
        (pa.array([LOCAL[0], None]), "row 2, column t: is blank"),
        (pa.array([time(9), None]), "row 2, column t: is blank"),
        (pa.array(["09:15", None]), "row 2, column t: is blank"),
    ],
)
def test_parquet_times_that_are_none_are_refused(tmp_path: Path, column: "pa.Array", problem: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(problem)):
        parquet_ticks(tmp_path, t=column, ltp=pa.array([1, 2]))


# ----------------------------------------------------------------------------------------------------- bars


def test_a_bar_is_played_as_four_prices_at_the_quarters_of_its_span(tmp_path: Path) -> None:
    folder = bars(
        tmp_path,
        "2021-06-11 09:15,10,12,9,11,5",
        "2021-06-11 09:16,11,13,8,10,5",
        "2021-06-11 09:20,7,8,6,7,5",
    )
    read = folder.read("SBIN", DAY)
    assert read is not None
    rising, falling, level = (10, 9, 12, 11), (11, 13, 8, 10), (7, 6, 8, 7)
    assert read.price.tolist() == [rupees * 100 for rupees in (*rising, *falling, *level)]
    assert read.t_ns.tolist() == at(
        *(f"09:{minute}:{second:02}" for minute in (15, 16, 20) for second in (0, 15, 30, 45))
    )
    assert read.continuous is not None
    assert read.continuous.tolist() == [False, True, True, True] * 3
    assert (read.rows_read, read.rows_dropped) == (3, 0)


@pytest.mark.parametrize(
    ("row", "prices"),
    [
        ("13,12,9,11,5", [13, 13, 9, 11]),  # opens above its high, falls
        ("8,12,9,11,5", [8, 8, 12, 11]),  # opens below its low, rises
        ("10,12,9,14,5", [10, 9, 14, 14]),  # closes above its high
        ("10,12,9,8,5", [10, 12, 8, 8]),  # closes below its low
    ],
)
def test_an_open_or_close_outside_high_and_low_widens_the_bar(
    tmp_path: Path, row: str, prices: list[int]
) -> None:
    read = bars(tmp_path, f"2021-06-11 09:15,{row}", span_s=60).read("SBIN", DAY)
    assert read is not None
    assert read.price.tolist() == [rupees * 100 for rupees in prices]


def test_the_span_is_the_smallest_step_seen_anywhere_in_the_file_unless_given(tmp_path: Path) -> None:
    rows = ("2021-06-11 09:15,1,1,1,1,0", "2021-06-11 10:15,1,1,1,1,0", "2021-06-14 09:15,1,1,1,1,0")
    steps = np.array([0, 15, 30, 45]) * 60 * S
    read = bars(tmp_path, *rows).read("SBIN", date(2021, 6, 14))
    assert read is not None
    assert (read.t_ns - read.t_ns[0]).tolist() == steps.tolist()
    read = bars(tmp_path, *rows, span_s=0.5).read("SBIN", date(2021, 6, 14))
    assert read is not None
    assert (read.t_ns - read.t_ns[0]).tolist() == (steps // 7200).tolist()


def test_one_bar_alone_does_not_show_its_span(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"SBIN\.csv: one bar alone .* --bar-span"):
        bars(tmp_path, "2021-06-11 09:15,1,1,1,1,0").days("SBIN")


def test_a_span_longer_than_the_bars_are_apart_is_refused(tmp_path: Path) -> None:
    folder = bars(tmp_path, "2021-06-11 09:15,1,1,1,1,0", "2021-06-11 09:16,1,1,1,1,0", span_s=300)
    with pytest.raises(ConfigError, match=r"SBIN\.csv: bars 60 s apart cannot span 300 s"):
        folder.days("SBIN")


@pytest.mark.parametrize("span_s", [0, -60])
def test_a_span_that_is_none_is_refused(tmp_path: Path, span_s: float) -> None:
    with pytest.raises(ConfigError, match="--bar-span must be greater than zero"):
        bars(tmp_path, "2021-06-11 09:15,1,1,1,1,0", span_s=span_s)


def test_bars_in_any_order_are_sorted_and_sliced_by_local_day(tmp_path: Path) -> None:
    folder = bars(
        tmp_path,
        "2021-06-14T00:00:00+05:30,3,3,3,3,0",
        "2021-06-11 23:59,2,2,2,2,0",
        "2021-06-11 00:00,1,1,1,1,0",
        "2021-06-10T18:31:00Z,4,4,4,4,0",
    )
    assert folder.symbols() == ("SBIN",)
    assert folder.days("SBIN") == (DAY, date(2021, 6, 14))
    read = folder.read("SBIN", DAY)
    assert read is not None
    assert read.price[::4].tolist() == [100, 400, 200]
    assert folder.read("SBIN", date(2021, 6, 12)) is None
    assert folder.read("TCS", DAY) is None
    assert folder.days("TCS") == ()


def test_local_times_follow_a_zone_whose_clocks_change(tmp_path: Path) -> None:
    starts = ["2021-03-12 09:30", "2021-03-14 01:30", "2021-03-14 03:30", "2021-11-07 09:30"]
    folder = bars(tmp_path, *(f"{start},1,1,1,1,0" for start in starts), tz=NEW_YORK)
    read = [folder.read("SBIN", day) for day in folder.days("SBIN")]
    found = [int(each) for columns in read if columns for each in columns.t_ns[::4]]
    assert found == [ns(start, NEW_YORK) for start in starts]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (["2021-06-11 09:15,1,1,2,1,0"], "row 1 (line 2), column high: is below the low"),
        (["2021-06-11 09:15,1,1,1,0,0"], "row 1 (line 2), column close: must be greater than zero"),
        (["2021-06-11 09:15,1,1,1,x,0"], "row 1 (line 2), column close: 'x' is not a decimal number"),
        (["09:15:00,1,1,1,1,0"], "row 1 (line 2), column ts: '09:15:00' is not YYYY-MM-DD HH:MM:SS"),
        (["1600-01-01 09:15,1,1,1,1,0"], "row 1 (line 2), column ts: has a year outside 1900 to 2199"),
        (
            ["2021-06-11 09:16,1,1,1,1,0", "2021-06-11 09:15,1,1,1,1,0", "2021-06-11 09:16,1,1,1,1,0"],
            "row 3 (line 4), column ts: this bar is there twice",
        ),
    ],
)
def test_a_bar_that_is_none_is_refused_with_file_row_and_column(
    tmp_path: Path, rows: list[str], problem: str
) -> None:
    with pytest.raises(ConfigError, match=rf"SBIN\.csv: {re.escape(problem)}"):
        bars(tmp_path, *rows).days("SBIN")


def test_bars_without_their_columns_are_refused_naming_each(tmp_path: Path) -> None:
    put(tmp_path, "SBIN.csv", "time,open,high,low,close\n")
    with pytest.raises(ConfigError, match=r"SBIN\.csv: column ts.*, volume.* is missing"):
        BarFolder(tmp_path, INDIA).read("SBIN", DAY)


def test_a_bar_file_with_a_header_alone_has_no_days(tmp_path: Path) -> None:
    assert bars(tmp_path).days("SBIN") == ()


def test_symbols_of_bars_are_file_names_less_the_known_endings(tmp_path: Path) -> None:
    for name in ("M&M.csv", "BAJAJ-AUTO.csv.gz", "A.B.parquet", "notes.txt", "X.gz", ".Y.csv"):
        put(tmp_path, name, "")
    assert BarFolder(tmp_path, INDIA).symbols() == ("A.B", "BAJAJ-AUTO", "M&M")
    assert DailyFolder(tmp_path).symbols() == ("A.B", "BAJAJ-AUTO", "M&M")


def test_skip_bad_leaves_bar_and_daily_files_out_and_says_so(tmp_path: Path) -> None:
    put(tmp_path, "GOOD.csv", "date,ts,open,high,low,close,volume\n2021-06-11,2021-06-11 09:15,1,1,1,1,0\n")
    put(tmp_path, "BAD.csv", "date,ts,open,high,low,close,volume\n,,1,1,1,1,0\n")
    for name in ("TWICE.csv", "TWICE.csv.gz"):
        put(tmp_path, name, "")
    bar_folder = BarFolder(tmp_path, INDIA, 60, skip_bad=True)
    daily_folder = DailyFolder(tmp_path, skip_bad=True)
    assert bar_folder.symbols() == daily_folder.symbols() == ("BAD", "GOOD")
    assert [bar_folder.days(symbol) for symbol in bar_folder.symbols()] == [(), (DAY,)]
    assert bar_folder.read("BAD", DAY) is None
    assert [len(daily_folder.read(symbol)) for symbol in daily_folder.symbols()] == [0, 1]
    for skipped in (bar_folder.skipped, daily_folder.skipped):
        assert len(skipped) == 2
        assert "TWICE.csv and TWICE.csv.gz" in skipped[0]
        assert "BAD.csv: row 1" in skipped[1]


# ---------------------------------------------------------------------------------------------------- daily


def test_daily_bars_come_by_rising_date_whatever_the_order_of_the_file(tmp_path: Path) -> None:
    read = daily(tmp_path, "2021-06-14,4,5.5,3,4,7", "2021-06-11,1,2,0.5,1.05,100000")
    assert read == (
        DailyBar(DAY, 100, 200, 50, 105, 100_000),
        DailyBar(date(2021, 6, 14), 400, 550, 300, 400, 7),
    )
    assert DailyFolder(tmp_path).read("TCS") == ()


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("2021-06-11,1,1,1,1,5", "column date: 2021-06-11 is there twice"),
        ("11-06-2021,1,1,1,1,5", "column date: '11-06-2021' is not a date (YYYY-MM-DD)"),
        ("2021-06-31,1,1,1,1,5", "column date: '2021-06-31' is not a day that exists"),
        (",1,1,1,1,5", "column date: is blank"),
        ("2021-06-14,1,1,2,1,5", "column high: is below the low"),
        ("2021-06-14,1,1,1,0.001,5", "column close: 0.001 is finer than one paisa"),
        ("2021-06-14,1,1,1,1,", "column volume: is blank"),
        ("2021-06-14,1,1,1,1,-5", "column volume: '-5' is not a whole number of shares"),
        ("2021-06-14,1,1,1,1,5.5", "column volume: '5.5' is not a whole number of shares"),
        ("2021-06-14,1,1,1,1,1e5", "column volume: '1e5' is not a whole number of shares"),
    ],
)
def test_a_daily_bar_that_is_none_is_refused_with_file_row_and_column(
    tmp_path: Path, row: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=rf"SBIN\.csv: row 2 \(line 3\), {re.escape(problem)}"):
        daily(tmp_path, "2021-06-11,1,1,1,1,5", row)


def daily_parquet(folder: Path, days: "pa.Array", volume: "pa.Array") -> tuple[DailyBar, ...]:
    ones = pa.array([1.0] * len(days))
    put_parquet(folder, "SBIN.parquet", date=days, open=ones, high=ones, low=ones, close=ones, volume=volume)
    return DailyFolder(folder).read("SBIN")


@pytest.mark.parametrize(
    "days",
    [
        pa.array([DAY], pa.date32()),
        pa.array([DAY], pa.date64()),
        pa.array([datetime(2021, 6, 11)], pa.timestamp("ns")),  # noqa: DTZ001
        pa.array(["2021-06-11"]),
    ],
    ids=lambda column: str(column.type),
)
@pytest.mark.parametrize(
    "volume",
    [pa.array([7]), pa.array([7.0]), pa.array([Decimal("7.00")]), pa.array(["7"]), pa.array([7], pa.int32())],
    ids=lambda column: str(column.type),
)
def test_daily_parquet_may_hold_days_and_volumes_in_several_types(
    tmp_path: Path, days: "pa.Array", volume: "pa.Array"
) -> None:
    assert daily_parquet(tmp_path, days, volume) == (DailyBar(DAY, 100, 100, 100, 100, 7),)


@pytest.mark.parametrize(
    ("days", "volume", "problem"),
    [
        (pa.array([datetime(2021, 6, 11, 9)]), pa.array([7]), "row 1, column date: is a time of day"),  # noqa: DTZ001
        (pa.array([None], pa.date32()), pa.array([7]), "row 1, column date: is blank"),
        (pa.array([5]), pa.array([7]), "column date: has the type int64"),
        (pa.array([datetime(2021, 6, 11, tzinfo=UTC)]), pa.array([7]), "column date: has the type timestamp"),
        (pa.array([DAY]), pa.array([None], pa.int64()), "row 1, column volume: is blank"),
        (pa.array([DAY]), pa.array([7.5]), "row 1, column volume: '7.5"),
        (pa.array([DAY]), pa.array([float("nan")]), "row 1, column volume: 'nan' is not a whole number"),
        (pa.array([DAY]), pa.array([True]), "column volume: has the type bool"),
    ],
)
def test_daily_parquet_of_other_types_is_refused(
    tmp_path: Path, days: "pa.Array", volume: "pa.Array", problem: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(problem)):
        daily_parquet(tmp_path, days, volume)


# ----------------------------------------------------------------------------------------------- properties

paise = st.integers(1, PRICE_PAISE_MAX)


def column(values: Sequence[str]) -> "pa.ChunkedArray":
    return pa.chunked_array([pa.array(values, pa.string())])


@given(st.lists(paise))
def test_every_price_written_as_text_reads_back_exactly(values: list[int]) -> None:
    assert cells.prices(column([to_text(each) for each in values])).tolist() == values


@given(st.lists(paise))
def test_every_price_stored_as_a_float_reads_back_exactly(values: list[int]) -> None:
    floats = pa.chunked_array([pa.array([each / 100 for each in values], pa.float64())])
    assert cells.prices(floats).tolist() == values


@given(st.text(alphabet="0123456789.+-eE_ n,", max_size=14), st.booleans())
def test_the_fast_way_reads_a_text_as_the_rule_for_one_cell_does(text: str, has_odd_neighbour: bool) -> None:
    beside = [" 1.00"] if has_odd_neighbour else []  # one odd cell sends the whole column the slow way
    try:
        read: list[int] | None = cells.prices(column([text, *beside])).tolist()
    except CellFault:
        read = None
    whole = re.fullmatch(r"\+?(\d{1,12})?(?:\.(\d{0,12}))?", text.strip())
    is_price = whole is not None and any(whole.groups()) and not (whole[2] or "00")[2:].strip("0")
    expected = to_paise(text.strip()) if is_price else 0
    assert read == ([expected, *[100 for _ in beside]] if 0 < expected <= PRICE_PAISE_MAX else None)


moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001
zones = st.sampled_from([INDIA, NEW_YORK, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("UTC")])
OFFSETS = [None, UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-9, minutes=-30))]


@given(
    st.lists(st.tuples(moments, st.sampled_from(OFFSETS), st.sampled_from("T ")), max_size=5),
    st.booleans(),
    zones,
)
def test_every_time_written_as_iso_text_reads_back_exactly(
    written: list[tuple[datetime, timezone | None, str]], alike: bool, tz: ZoneInfo
) -> None:
    texts, expected = [], []
    for moment, own_offset, between in written:
        offset = written[0][1] if alike else own_offset
        texts.append(moment.replace(tzinfo=offset).isoformat(between))
        expected.append(ns(texts[-1], tz))
    assert cells.times(column(texts), tz).tolist() == expected


@given(moments, zones)
@example(datetime(2021, 6, 10, 18, 30), INDIA)  # noqa: DTZ001  midnight belongs to the day it begins
def test_the_day_of_a_time_is_its_day_in_the_session_zone(moment: datetime, tz: ZoneInfo) -> None:
    local = moment.replace(tzinfo=UTC).astimezone(tz)
    text = column([moment.replace(tzinfo=UTC).isoformat()])
    for day in (local.date() + timedelta(days=shift) for shift in (-1, 0, 1)):
        t_ns, kept = cells.times_of_day(text, day, tz)
        assert kept.tolist() == [day == local.date()]
        assert t_ns.tolist() == ([ns(moment.replace(tzinfo=UTC).isoformat())] if kept[0] else [])


@given(st.lists(st.tuples(paise, paise, paise, paise), min_size=1, max_size=4))
def test_the_four_prices_of_a_bar_keep_its_open_close_and_whole_range(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[int, int, int, int]]
) -> None:
    rows = [(o, max(h, low), min(h, low), c) for o, h, low, c in drawn]
    text = [
        f"2021-06-11 09:{minute:02}," + ",".join(map(to_text, row)) + ",0" for minute, row in enumerate(rows)
    ]
    read = bars(tmp_path_factory.mktemp("bars"), *text, span_s=60).read("SBIN", DAY)
    assert read is not None
    for row, played in zip(rows, read.price.reshape(-1, 4).tolist(), strict=True):
        assert (played[0], played[3]) == (row[0], row[3])
        assert (min(played), max(played)) == (min(row), max(row))
        assert (played[1] <= played[2]) == (row[3] >= row[0]) or played[1] == played[2]
    assert (np.diff(read.t_ns) == 15 * S).all()


# ------------------------------------------------------------------------------------------------ real data


@needs_data
def test_every_recorded_tick_file_reads_as_a_plain_loop_reads_it() -> None:
    folder = TickFolder(DATA / "ticks_2021", INDIA)
    assert {"M&M", "BAJAJ-AUTO"} <= set(folder.symbols())
    for symbol in ("M&M", "BAJAJ-AUTO", "TATAMOTORS"):
        for day in folder.days(symbol):
            read = folder.read(symbol, day)
            assert read is not None
            newest, t_ns, price = 0, [], []
            with gzip.open(DATA / "ticks_2021" / symbol / f"{day}.csv.gz", "rt") as file:
                for line in list(file)[1:]:
                    clock, ltp, _ = line.split(",")
                    hours, minutes, seconds = map(int, clock.split(":"))
                    newest = max(newest, (hours * 60 + minutes) * 60 + seconds)
                    t_ns.append(newest * S + ns(f"{day}T00:00:00"))
                    price.append(int(ltp.replace(".", "")))
            assert read.t_ns.tolist() == t_ns
            assert read.price.tolist() == price
            assert read.rows_dropped == 0


@needs_data
def test_a_feed_file_as_recorded_gives_its_day_and_drops_the_rows_of_other_days(tmp_path: Path) -> None:
    source = next((DATA / "raw_sample").rglob("*.gz"))
    recorded = gzip.decompress(source.read_bytes()).decode()
    read = ticks(tmp_path, recorded.replace("timestamp,ltp,volume", "t,ltp,cum_volume", 1))
    of_the_day = sum(line.startswith("2021-06-11") for line in recorded.splitlines())
    assert 0 < of_the_day == len(read.t_ns) == read.rows_read - read.rows_dropped
    assert read.rows_dropped > 0
    assert (np.diff(read.t_ns) >= 0).all()


@needs_data
@pytest.mark.parametrize(
    ("name", "span_s", "bar_count"), [("bars_1m_2015", 60, 294_795), ("bars_5m_2023", 300, None)]
)
def test_every_recorded_bar_is_played(name: str, span_s: int, bar_count: int | None) -> None:
    folder = BarFolder(DATA / name, INDIA)
    symbols = folder.symbols() if bar_count else ("BANKBARODA", "CANBK", "M&M")
    seen = 0
    for symbol in symbols:
        for day in folder.days(symbol):
            read = folder.read(symbol, day)
            assert read is not None
            seen += read.rows_read
            assert set(np.diff(read.t_ns.reshape(-1, 4)).ravel().tolist()) == {span_s * S // 4}
            assert (np.diff(read.t_ns) > 0).all()
    assert seen == bar_count or bar_count is None


@needs_data
def test_the_bar_of_2024_06_25_whose_open_lies_outside_is_played_from_that_open() -> None:
    read = BarFolder(DATA / "bars_5m_2023", INDIA).read("BANKBARODA", date(2024, 6, 25))
    assert read is not None
    with gzip.open(DATA / "bars_5m_2023" / "BANKBARODA.csv.gz", "rt") as file:
        row = next(line for line in file if line.startswith("2024-06-25 09:15")).split(",")
    opened, high, low, _ = (to_paise(cell) for cell in row[1:5])
    assert not low <= opened <= high
    assert read.price[0] == opened


@needs_data
@pytest.mark.parametrize(("name", "rows"), [("daily_2015", 915), ("daily_2021", 1916), ("daily_2023", 15791)])
def test_every_recorded_daily_file_reads(name: str, rows: int) -> None:
    folder = DailyFolder(DATA / name)
    assert sum(len(folder.read(symbol)) for symbol in folder.symbols()) == rows
