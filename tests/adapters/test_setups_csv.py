"""The setups file: read strictly, refused as a whole, written whole."""

import re
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.adapters.setups_csv import FAULTS_SHOWN_MAX, Defaults, read_setups, write_setups
from olaf_async.domain.setup import Direction, Setup
from olaf_async.errors import ConfigError

HEADER = "symbol,entry_date,entry_price,trigger_price,tick_size,true_range"
LINE = "SBIN,2021-04-05,361.05,360.55,0.05,9.60"
SBIN = Setup("SBIN", date(2021, 4, 5), 36105, 36055, 5, 960)


def put(folder: Path, *lines: str) -> Path:
    path = folder / "setups.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def faults(folder: Path, *lines: str, defaults: Defaults | None = None) -> list[str]:
    path = put(folder, *lines)
    with pytest.raises(ConfigError) as refusal:
        read_setups(path, defaults)
    return [line.removeprefix(f"{path}: ") for line in str(refusal.value).splitlines()]


def test_the_six_columns_make_a_long_setup_at_nse_with_nothing_else_known(tmp_path: Path) -> None:
    assert read_setups(put(tmp_path, HEADER, LINE)) == (SBIN,)


def test_every_optional_column_is_read_in_any_order_and_the_mark_is_read_past(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        "exchange,mark,side,quantity,setup_date," + HEADER,
        "BSE,low 361.07 is off the tick,short,25,2021-04-01,M&M,2021-04-05,361.05,361.55,0.05,9.60",
    )
    assert read_setups(path) == (
        Setup("M&M", date(2021, 4, 5), 36105, 36155, 5, 960, Direction.SHORT, 25, date(2021, 4, 1), "BSE"),
    )


def test_blank_optional_cells_mean_the_default(tmp_path: Path) -> None:
    path = put(tmp_path, HEADER + ",quantity,side,setup_date,exchange,mark", LINE + ",,,,,")
    assert read_setups(path) == (SBIN,)
    assert read_setups(path, Defaults(exchange="BSE"))[0].exchange == "BSE"


def test_setups_keep_the_order_of_the_file_and_empty_lines_are_nothing(tmp_path: Path) -> None:
    second = LINE.replace("SBIN", "ACC")
    path = put(tmp_path, "", HEADER, "", LINE, ",,,,,", second)
    assert [setup.symbol for setup in read_setups(path)] == ["SBIN", "ACC"]


def test_a_file_with_a_header_alone_holds_no_setups(tmp_path: Path) -> None:
    assert read_setups(put(tmp_path, HEADER)) == ()


def test_a_byte_order_mark_and_crlf_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "setups.csv"
    path.write_bytes(f"\ufeff{HEADER}\r\n{LINE}\r\n".encode())
    assert read_setups(path) == (SBIN,)


@pytest.mark.parametrize(("side", "trigger"), [("long", 36055), ("short", 36155)])
def test_a_blank_trigger_is_so_many_ticks_beyond_the_entry_where_a_default_is_given(
    tmp_path: Path, side: str, trigger: int
) -> None:
    lines = (HEADER + ",side", f"SBIN,2021-04-05,361.05,,0.05,9.60,{side}")
    assert read_setups(put(tmp_path, *lines), Defaults(trigger_ticks=10))[0].trigger_price == trigger
    assert faults(tmp_path, *lines) == ["line 2, column trigger_price: is blank"]


def test_a_trigger_that_is_given_wins_over_the_default(tmp_path: Path) -> None:
    assert read_setups(put(tmp_path, HEADER, LINE), Defaults(trigger_ticks=3)) == (SBIN,)


def test_a_default_trigger_below_zero_is_refused(tmp_path: Path) -> None:
    told = faults(tmp_path, HEADER, "PENNY,2021-04-05,0.50,,0.05,0.10", defaults=Defaults(trigger_ticks=10))
    assert told == ["line 2, column trigger_price: trigger_price must be greater than zero"]


@pytest.mark.parametrize(
    ("column", "cell", "problem"),
    [
        ("symbol", "", "is blank"),
        ("symbol", "SB IN", "'SB IN' is not a symbol as the exchange writes it"),
        ("symbol", "../SBIN", "'../SBIN' is not a symbol as the exchange writes it"),
        ("entry_date", "", "is blank"),
        ("entry_date", "05-04-2021", "'05-04-2021' is not a date (YYYY-MM-DD)"),
        ("entry_date", "20210405", "'20210405' is not a date (YYYY-MM-DD)"),
        ("entry_date", "2021-02-30", "'2021-02-30' is not a date (YYYY-MM-DD)"),
        ("entry_price", "", "is blank"),
        ("entry_price", "abc", "'abc' is not a decimal number"),
        ("entry_price", "nan", "'nan' is not a decimal number"),
        ("entry_price", "3.61e2", "'3.61e2' is not a decimal number"),
        ("entry_price", "361.055", "361.055 is finer than one paisa"),
        ("entry_price", "-361.05", "-361.05 must be greater than zero"),
        ("entry_price", "361.07", "entry_price is not a multiple of tick_size"),
        ("entry_price", "99999999999", "is not a price"),
        ("trigger_price", "360.57", "trigger_price is not a multiple of tick_size"),
        ("trigger_price", "361.05", "trigger_price of a long setup must lie below entry_price"),
        ("trigger_price", "361.55", "trigger_price of a long setup must lie below entry_price"),
        ("tick_size", "0", "must be greater than zero"),
        ("tick_size", "", "is blank"),
        ("true_range", "0.00", "must be greater than zero"),
        ("true_range", "x", "'x' is not a decimal number"),
        ("quantity", "0", "'0' is not a whole number greater than zero"),
        ("quantity", "-1", "'-1' is not a whole number greater than zero"),
        ("quantity", "1.5", "'1.5' is not a whole number greater than zero"),
        ("quantity", "9" * 30, "is not a whole number greater than zero"),
        ("side", "LONG", "'LONG' is neither long nor short"),
        ("setup_date", "yesterday", "'yesterday' is not a date (YYYY-MM-DD)"),
        ("setup_date", "2021-04-05", "setup_date 2021-04-05 must lie before entry_date 2021-04-05"),
        ("exchange", "N SE", "'N SE' is not a symbol as the exchange writes it"),
    ],
)
def test_a_wrong_cell_is_refused_with_line_and_column(
    tmp_path: Path, column: str, cell: str, problem: str
) -> None:
    cells = dict(zip(HEADER.split(","), LINE.split(","), strict=True)) | {column: cell}
    told = faults(tmp_path, ",".join(cells), ",".join(cells.values()))
    assert len(told) == 1
    assert told[0].startswith(f"line 2, column {column}: ")
    assert problem in told[0]


def test_a_short_setup_must_trigger_above_its_entry(tmp_path: Path) -> None:
    assert faults(tmp_path, HEADER + ",side", LINE + ",short") == [
        "line 2, column trigger_price: trigger_price of a short setup must lie above entry_price"
    ]


def test_all_faults_of_a_file_are_told_together_in_its_order(tmp_path: Path) -> None:
    assert faults(
        tmp_path,
        HEADER + ",side",
        "SBIN,2021-04-05,x,360.55,0.05,y,long",
        LINE.replace("SBIN", "ACC") + ",long",
        "TCS,2021-04-05,361.07,360.55,0.05,9.60,long",
        "TCS,2021-04-06,1.00",
        LINE.replace("SBIN", "ACC") + ",sideways",
    ) == [
        "line 2, column entry_price: 'x' is not a decimal number",
        "line 2, column true_range: 'y' is not a decimal number",
        "line 4, column entry_price: entry_price is not a multiple of tick_size",
        "line 5, has 3 cells where the header has 7",
        "line 6, column side: 'sideways' is neither long nor short",
        "line 6, column symbol: ACC on 2021-04-05 is on line 3 already",
    ]


def test_one_symbol_on_two_days_and_two_symbols_on_one_day_are_no_repeats(tmp_path: Path) -> None:
    lines = (LINE, LINE.replace("04-05", "04-06"), LINE.replace("SBIN", "ACC"))
    assert len(read_setups(put(tmp_path, HEADER, *lines))) == 3


def test_more_faults_than_anyone_reads_are_counted(tmp_path: Path) -> None:
    told = faults(tmp_path, HEADER, *(f"S{n},,1,2,3,4" for n in range(FAULTS_SHOWN_MAX + 5)))
    assert len(told) == FAULTS_SHOWN_MAX + 1
    assert told[-1] == "... and 5 more"


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (HEADER + ",sid", "column 'sid' is unknown (nearest: side)"),
        (HEADER + ",qty", "column 'qty' is unknown (nearest: quantity)"),
        (HEADER + ",Side", "column 'Side' is unknown (nearest: side)"),
        (HEADER + ",zzzz", "column 'zzzz' is unknown (known: symbol, "),
        (HEADER + ",", "column '' is unknown (known: symbol, "),
        (HEADER + ",side,side", "column side is there twice"),
        (HEADER.replace(",true_range", ""), "column true_range is missing"),
        (HEADER.replace("symbol", "name"), "column 'name' is unknown"),
    ],
)
def test_a_header_that_is_not_the_contracts_is_refused(tmp_path: Path, header: str, problem: str) -> None:
    told = faults(tmp_path, header, LINE)
    assert told[0].startswith(f"line 1, {problem}")
    assert all(each.startswith("line 1, ") for each in told)


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "setups.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=r"setups\.csv: is empty; its first line must name symbol"):
        read_setups(tmp_path / "setups.csv")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", f'{HEADER}\n"SBIN'.encode()])
def test_a_file_that_is_not_csv_in_utf8_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "setups.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=r"setups\.csv: is not CSV in UTF-8"):
        read_setups(tmp_path / "setups.csv")


def test_a_missing_file_is_refused_and_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.csv: cannot be read \(No such file"):
        read_setups(tmp_path / "nowhere.csv")


# -------------------------------------------------------------------------------------------------- writing


def test_setups_are_written_by_date_and_symbol_with_every_column_but_the_mark(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    short = Setup("M&M", date(2021, 4, 5), 36105, 36155, 5, 960, Direction.SHORT, 25, date(2021, 4, 1), "BSE")
    later = Setup("ACC", date(2021, 4, 6), 36105, 36055, 5, 960)
    write_setups(path, [later, SBIN, short])
    assert path.read_bytes().decode() == (
        f"{HEADER},quantity,side,setup_date,exchange\n"
        "M&M,2021-04-05,361.05,361.55,0.05,9.60,25,short,2021-04-01,BSE\n"
        "SBIN,2021-04-05,361.05,360.55,0.05,9.60,,long,,NSE\n"
        "ACC,2021-04-06,361.05,360.55,0.05,9.60,,long,,NSE\n"
    )


def test_marks_are_written_beside_their_setups_and_read_past(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    other = Setup("ACC", SBIN.entry_date, 36105, 36055, 5, 960)
    write_setups(path, [SBIN, other], {("SBIN", SBIN.entry_date): "low 361.07 is off the tick of 0.05"})
    header, acc, sbin = path.read_text().splitlines()
    assert header.endswith(",exchange,mark")
    assert acc.endswith(",NSE,")
    assert sbin.endswith(",NSE,low 361.07 is off the tick of 0.05")
    assert read_setups(path) == (other, SBIN)


def test_two_setups_for_one_symbol_and_day_are_not_written(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with pytest.raises(ConfigError, match=r"SBIN has two setups for 2021-04-05"):
        write_setups(path, [SBIN, SBIN])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_nothing_beside_it(tmp_path: Path) -> None:
    taken = tmp_path / "out.csv"
    taken.mkdir()  # no file can be put in the place of a folder
    with pytest.raises(ConfigError, match=r"out\.csv: cannot be written \("):
        write_setups(taken, [SBIN])
    assert list(tmp_path.iterdir()) == [taken]
    with pytest.raises(ConfigError, match=r"nowhere.*cannot be written \(No such file"):
        write_setups(tmp_path / "nowhere" / "out.csv", [SBIN])


def test_writing_replaces_an_older_file_whole(tmp_path: Path) -> None:
    path = put(tmp_path, *(LINE for _ in range(1000)))
    write_setups(path, [SBIN])
    assert read_setups(path) == (SBIN,)
    assert list(tmp_path.iterdir()) == [path]


days = st.dates(date(2015, 1, 1), date(2026, 12, 31))
names = st.from_regex(re.compile(r"[A-Z0-9][A-Z0-9&\-]{0,9}", re.ASCII), fullmatch=True)


@st.composite
def setups(draw: st.DrawFn) -> Setup:
    tick = draw(st.sampled_from([1, 5, 10, 50, 100, 500]))
    direction = draw(st.sampled_from(Direction))
    away = draw(st.integers(1, 50))
    entry = draw(st.integers(51, 10**8)) * tick
    entry_date = draw(days)
    return Setup(
        symbol=draw(names),
        entry_date=entry_date,
        entry_price=entry,
        trigger_price=entry - direction * away * tick,
        tick_size=tick,
        true_range=draw(st.integers(1, 10**9)),
        direction=direction,
        quantity=draw(st.none() | st.integers(1, 10**9)),
        setup_date=draw(st.none() | st.integers(1, 10).map(lambda back: entry_date - timedelta(days=back))),
        exchange=draw(st.sampled_from(["NSE", "BSE"])),
    )


@given(st.lists(setups(), unique_by=lambda setup: (setup.symbol, setup.entry_date)), st.randoms())
def test_what_is_written_reads_back_the_same_and_the_bytes_do_not_depend_on_the_order(
    tmp_path_factory: pytest.TempPathFactory, written: list[Setup], chance: Random
) -> None:
    folder = tmp_path_factory.mktemp("setups")
    write_setups(folder / "a.csv", written)
    assert read_setups(folder / "a.csv") == tuple(
        sorted(written, key=lambda setup: (setup.entry_date, setup.symbol))
    )
    write_setups(folder / "b.csv", chance.sample(written, len(written)))
    assert (folder / "a.csv").read_bytes() == (folder / "b.csv").read_bytes()


@given(setups(), st.integers(1, 50))
def test_the_default_trigger_is_exact_for_every_tick_size(
    tmp_path_factory: pytest.TempPathFactory, setup: Setup, ticks: int
) -> None:
    path = tmp_path_factory.mktemp("setups") / "a.csv"
    write_setups(path, [setup])
    header, line = path.read_text().splitlines()
    cells = line.split(",")
    cells[header.split(",").index("trigger_price")] = ""
    path.write_text(f"{header}\n{','.join(cells)}\n")
    away = setup.entry_price - read_setups(path, Defaults(trigger_ticks=ticks))[0].trigger_price
    assert away * setup.direction == ticks * setup.tick_size
