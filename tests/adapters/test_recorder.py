"""The recorder: what was taken is read back exactly; what was flushed outlives any death of the process."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

import olaf_async
from olaf_async.adapters.recorder import DayFiles, RecordingError, Rows, TickRecorder
from olaf_async.adapters.replay.files import PriceColumns, TickFolder
from olaf_async.errors import ConfigError
from olaf_async.ports.feed import Tick

INDIA = ZoneInfo("Asia/Kolkata")
MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
MS = 1_000_000


def at(day: date, clock: str) -> int:
    return int(datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=INDIA).timestamp() * 1000) * MS


class SetClock:
    """A clock that stands where it was set."""

    def __init__(self, now_ns: int = at(MONDAY, "10:00")) -> None:
        self.time_ns = now_ns

    def now_ns(self) -> int:
        return self.time_ns

    async def sleep_until_ns(self, when_ns: int) -> None:
        self.time_ns = max(self.time_ns, when_ns)


def recorder(folder: Path, clock: SetClock | None = None) -> TickRecorder:
    return TickRecorder(folder, INDIA, clock or SetClock())


def made(count: int, symbol: str = "ALPHA", start: int = 0) -> list[Tick]:
    """Ticks one second apart, each with its own price."""
    open_ns = at(MONDAY, "09:15")
    return [Tick(symbol, open_ns + n * 1000 * MS, 10_000 + 5 * n) for n in range(start, start + count)]


def read(folder: Path, symbol: str = "ALPHA", day: date = MONDAY) -> PriceColumns:
    columns = TickFolder(folder, INDIA).read(symbol, day)
    assert columns is not None, f"nothing is there of {symbol} on {day}"
    return columns


def seen(folder: Path, symbol: str = "ALPHA", day: date = MONDAY) -> list[tuple[int, int]]:
    columns = read(folder, symbol, day)
    return list(zip(columns.t_ns.tolist(), columns.price.tolist(), strict=True))


def meant(ticks: Iterable[Tick]) -> list[tuple[int, int]]:
    return [(tick.at_ns, tick.price) for tick in ticks]


def files(folder: Path) -> list[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in paths if not path.name.startswith("."))


async def record(folder: Path, *batches: Sequence[Tick]) -> None:
    """One orderly run: each batch flushed, then closed."""
    keeper = recorder(folder)
    for batch in batches:
        for tick in batch:
            keeper.take(tick)
        await keeper.flush()
    await keeper.close()


# ------------------------------------------------------------------------------------- what is kept


async def test_a_finished_day_is_one_file_that_replay_reads_back_exactly(tmp_path: Path) -> None:
    ticks = made(5)
    await record(tmp_path, ticks[:2], ticks[2:])
    assert files(tmp_path) == [f"ALPHA/{MONDAY}.parquet"]
    assert seen(tmp_path) == meant(ticks)


async def test_symbols_as_the_exchange_writes_them_each_have_a_folder(tmp_path: Path) -> None:
    await record(tmp_path, [*made(1, "M&M"), *made(2, "BAJAJ-AUTO")])
    assert TickFolder(tmp_path, INDIA).symbols() == ("BAJAJ-AUTO", "M&M")
    assert seen(tmp_path, "BAJAJ-AUTO") == meant(made(2))


async def test_the_time_of_receipt_stands_beside_the_tick_s_own_to_the_nanosecond(tmp_path: Path) -> None:
    clock = SetClock(at(MONDAY, "10:00") + 7)
    keeper = recorder(tmp_path, clock)
    keeper.take(Tick("ALPHA", at(MONDAY, "09:59:59") + 3, 10_005))
    await keeper.close()
    table = parquet.read_table(tmp_path / "ALPHA" / f"{MONDAY}.parquet")
    assert table.column_names == ["t", "ltp", "received"]
    assert [table[name].cast("int64").to_pylist() for name in ("t", "received")] == [
        [at(MONDAY, "09:59:59") + 3],
        [at(MONDAY, "10:00") + 7],
    ]
    assert [str(price) for price in table["ltp"].to_pylist()] == ["100.05"]


async def test_the_day_of_receipt_names_the_file_and_a_row_of_another_day_is_counted(tmp_path: Path) -> None:
    stale = Tick("ALPHA", at(date(2026, 11, 20), "15:29"), 9_900)
    await record(tmp_path, [stale, *made(1)])
    columns = read(tmp_path)
    assert (columns.price.tolist(), columns.rows_dropped) == ([10_000], 1)


async def test_a_new_day_finishes_the_old_one_while_the_recorder_runs(tmp_path: Path) -> None:
    clock = SetClock(at(MONDAY, "23:59:59"))
    keeper = recorder(tmp_path, clock)
    keeper.take(Tick("ALPHA", clock.time_ns, 10_000))
    clock.time_ns = at(TUESDAY, "00:00")
    keeper.take(Tick("ALPHA", clock.time_ns, 10_005))
    await keeper.flush()
    assert files(tmp_path) == [f"ALPHA/{MONDAY}.parquet", f"ALPHA/{TUESDAY}.parts/000001.parquet"]
    await keeper.close()
    assert seen(tmp_path, day=MONDAY) == [(at(MONDAY, "23:59:59"), 10_000)]
    assert seen(tmp_path, day=TUESDAY) == [(at(TUESDAY, "00:00"), 10_005)]


async def test_a_quiet_night_finishes_the_day_too(tmp_path: Path) -> None:
    clock = SetClock()
    keeper = recorder(tmp_path, clock)
    keeper.take(made(1)[0])
    await keeper.flush()
    clock.time_ns = at(TUESDAY, "00:00")
    await keeper.flush()
    assert files(tmp_path) == [f"ALPHA/{MONDAY}.parquet"]
    await keeper.close()


async def test_nothing_taken_leaves_no_file(tmp_path: Path) -> None:
    await record(tmp_path, [])
    assert files(tmp_path) == []


async def test_a_second_run_of_the_day_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    ticks = made(6)
    await record(tmp_path, ticks[:3])
    await record(tmp_path, ticks[3:4], ticks[4:])
    assert files(tmp_path) == [f"ALPHA/{MONDAY}.parquet"]
    assert seen(tmp_path) == meant(ticks)


@given(cuts=st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.booleans()), max_size=8))
async def test_however_runs_and_flushes_fall_every_tick_is_there_once_and_in_order(
    cuts: list[tuple[int, bool, bool]],
) -> None:
    """A run that is not closed is one whose process died: what it had not flushed is lost, no more."""
    with tempfile.TemporaryDirectory() as made_for_this:
        folder, kept, start = Path(made_for_this), list[Tick](), 0
        for count, is_flushed, is_closed in cuts:
            files_ = DayFiles(folder)
            batch = made(count, start=start)
            start += count
            if batch and (is_flushed or is_closed):
                files_.add("ALPHA", MONDAY, rows_of(batch))
                kept += batch
            if is_closed:
                for key in files_.unfinished:
                    files_.finish(*key)
            assert not kept or seen(folder) == meant(kept)


def rows_of(ticks: Iterable[Tick]) -> Rows:
    rows = Rows()
    for tick in ticks:
        rows.append(tick.at_ns, tick.price, tick.at_ns)
    return rows


# ------------------------------------------------------------------------------------- what may go wrong


async def test_a_day_in_progress_is_read_from_its_parts(tmp_path: Path) -> None:
    ticks = made(3)
    keeper = recorder(tmp_path)
    for tick in ticks:
        keeper.take(tick)
        await keeper.flush()
    assert files(tmp_path) == [f"ALPHA/{MONDAY}.parts/{n:06}.parquet" for n in (1, 2, 3)]
    assert TickFolder(tmp_path, INDIA).days("ALPHA") == (MONDAY,)
    assert seen(tmp_path) == meant(ticks)
    await keeper.close()


async def test_a_part_half_written_is_not_there(tmp_path: Path) -> None:
    files_ = DayFiles(tmp_path)
    files_.add("ALPHA", MONDAY, rows_of(made(2)))
    (tmp_path / "ALPHA" / f"{MONDAY}.parts" / ".000002.parquet.tmp").write_bytes(
        b"PAR1 and then the power went"
    )
    assert seen(tmp_path) == meant(made(2))
    assert list(DayFiles(tmp_path).recover()) == [("ALPHA", MONDAY)]
    assert files(tmp_path) == [f"ALPHA/{MONDAY}.parquet"]
    assert seen(tmp_path) == meant(made(2))


async def test_parts_that_a_death_left_beside_the_merged_file_count_once(tmp_path: Path) -> None:
    files_ = DayFiles(tmp_path)
    files_.add("ALPHA", MONDAY, rows_of(made(2)))
    part = tmp_path / "ALPHA" / f"{MONDAY}.parts" / "000001.parquet"
    (tmp_path / "ALPHA" / f"{MONDAY}.parquet").write_bytes(part.read_bytes())
    assert seen(tmp_path) == meant(made(2))
    await record(tmp_path, made(1, start=2))
    assert seen(tmp_path) == meant(made(3))
    assert files(tmp_path) == [f"ALPHA/{MONDAY}.parquet"]


async def test_what_an_earlier_process_left_is_finished_at_the_start(tmp_path: Path) -> None:
    DayFiles(tmp_path).add("ALPHA", MONDAY, rows_of(made(2)))
    (tmp_path / "ALPHA" / "notes.parts").mkdir()
    (tmp_path / "BETA" / f"{MONDAY}.parts").mkdir(parents=True)
    keeper = recorder(tmp_path, SetClock(at(TUESDAY, "09:00")))
    assert await keeper.recover() == [("ALPHA", MONDAY)]
    assert files(tmp_path) == [f"ALPHA/{MONDAY}.parquet"]
    assert seen(tmp_path) == meant(made(2))
    await keeper.close()


async def test_what_cannot_be_written_is_kept_and_written_by_the_next_flush(tmp_path: Path) -> None:
    in_the_way = tmp_path / "ALPHA"
    in_the_way.write_text("a file where a folder must be")
    keeper = recorder(tmp_path)
    keeper.take(made(1)[0])
    with pytest.raises(RecordingError, match="cannot be written"):
        await keeper.flush()
    keeper.take(made(1, start=1)[0])
    in_the_way.unlink()
    await keeper.close()
    assert seen(tmp_path) == meant(made(2))


async def test_a_part_that_cannot_be_read_stays_and_is_named(tmp_path: Path) -> None:
    files_ = DayFiles(tmp_path)
    files_.add("ALPHA", MONDAY, rows_of(made(2)))
    (tmp_path / "ALPHA" / f"{MONDAY}.parts" / "000002.parquet").write_bytes(b"not Parquet at all")
    keeper = recorder(tmp_path)
    with pytest.raises(RecordingError, match=r"000002\.parquet"):
        await keeper.recover()
    assert len(files(tmp_path)) == 2
    with pytest.raises(ConfigError, match=r"000002\.parquet"):
        read(tmp_path)
    await keeper.close()


async def test_two_recorders_never_share_a_folder(tmp_path: Path) -> None:
    keeper = recorder(tmp_path)
    with pytest.raises(ConfigError, match="another process is recording"):
        recorder(tmp_path)
    await keeper.close()
    await recorder(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written to"):
        recorder(tmp_path / "file" / "ticks")


ENDLESS = """
import asyncio, sys
from pathlib import Path
from zoneinfo import ZoneInfo
from olaf_async.adapters.recorder import TickRecorder
from olaf_async.ports.feed import Tick

class Standing:
    def now_ns(self): return START
    async def sleep_until_ns(self, when_ns): pass

START = int(sys.argv[2])

async def main():
    keeper = TickRecorder(Path(sys.argv[1]), ZoneInfo("Asia/Kolkata"), Standing())
    number = 0
    while True:
        for _ in range(50):
            keeper.take(Tick("ALPHA", START + number * 1_000_000, 10_000 + number))
            number += 1
        await keeper.flush()
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("flushes", [1, 7, 20])
def test_what_was_flushed_is_read_after_kill_9(tmp_path: Path, flushes: int) -> None:
    start = at(MONDAY, "10:00")
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path), str(start)],
        stdout=subprocess.PIPE,
        cwd=Path(olaf_async.__file__).parents[1],
        text=True,
    ) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(flushes)]
        process.send_signal(signal.SIGKILL)  # in the midst of whatever it is writing
        assert process.wait() == -signal.SIGKILL
        told += [int(line) for line in process.stdout if line.endswith("\n")]
    there = seen(tmp_path)
    assert len(there) >= told[-1] >= 50 * flushes
    assert there == [(start + n * MS, 10_000 + n) for n in range(len(there))]
    assert list(DayFiles(tmp_path).recover()) == [("ALPHA", MONDAY)]
    assert seen(tmp_path) == there
