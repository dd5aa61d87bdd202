"""``record``: the prices of a server over real sockets, into files that replay reads, day after day."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path

import pytest
from loguru import logger

from olaf_async.adapters.openalgo.checks import Finding, Grade
from olaf_async.adapters.paper.account import PaperRules
from olaf_async.adapters.paper.server.desk import PaperDesk
from olaf_async.adapters.paper.server.running import PaperServer, running
from olaf_async.adapters.recorder import TickRecorder
from olaf_async.adapters.replay.files import TickFolder
from olaf_async.app.record import Recorded, RecordRun, StopSignal
from olaf_async.core.rules import SECOND_NS
from olaf_async.errors import ConfigError
from olaf_async.ports.clock import Clock
from olaf_async.settings import Settings, load_settings
from tests.test_live import dated
from tests.wire.step_clock import StepClock

KEY = "open-sesame"
STUCK_S = 60
SUNDAY, MONDAY, TUESDAY = date(2026, 11, 22), date(2026, 11, 23), date(2026, 11, 24)
ZONE = Settings().session.zone


def at(day: date, clock: str) -> int:
    return int(datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZONE).timestamp()) * SECOND_NS


class Notes:
    """An onlooker that keeps what it is told."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def found(self, finding: Finding) -> None:
        self.findings.append(finding)

    async def watch(self, recorder: TickRecorder, clock: Clock) -> None:
        while True:
            await clock.sleep_until_ns(clock.now_ns() + SECOND_NS)


class Stage:
    """A server whose prices are recorded, and the time of day."""

    def __init__(self, folder: Path, desk: PaperDesk, server: PaperServer, clock: StepClock) -> None:
        self.folder, self.desk, self.server, self.clock = folder, desk, server, clock
        self.stop, self.notes = StopSignal(), Notes()
        self.task: asyncio.Task[Recorded]

    def begin(self, *symbols: str, calendar: str = "always", key: str = KEY) -> None:
        overrides = {
            "broker.api_key": key,
            "broker.host": self.server.rest_url,
            "broker.ws_url": self.server.ws_url,
            "session.calendar": calendar,
        }
        settings = load_settings(overrides=overrides, env={})
        run = RecordRun(settings, symbols, self.folder, self.notes, self.stop, clock=self.clock)
        self.task = asyncio.create_task(run.run())

    async def until(self, happens: Callable[[], bool]) -> None:
        async with asyncio.timeout(STUCK_S):
            while not happens():
                assert not self.task.done(), self.task.result()
                await asyncio.sleep(0)

    async def pass_time_until(self, happens: Callable[[], bool]) -> None:
        """As ``until``, where it takes a flush; a flush takes the time it takes, whatever the clock says."""
        async with asyncio.timeout(STUCK_S):
            while not happens():
                await self.move_to(self.clock.now_ns() + SECOND_NS)
                await asyncio.to_thread(int)

    async def move_to(self, when_ns: int) -> None:
        """Let time run; whatever is due on the way happens then."""
        while (next_ns := self.clock.next_ns) is not None and next_ns <= when_ns:
            self.clock.move_to(max(next_ns, self.clock.now_ns()))
            for _ in range(20):
                await asyncio.sleep(0)
        self.clock.move_to(when_ns)

    def print(self, symbol: str, price: int) -> None:
        """A print, at a time of its own: the same price at the same time is the same print."""
        self.clock.move_to(self.clock.now_ns() + 1_000_000)
        self.server.board.publish(symbol, price, at_ns=self.clock.now_ns())

    def prices(self, symbol: str, day: date) -> list[int]:
        """What replay would read now."""
        if not (self.folder / symbol).is_dir():
            return []
        columns = TickFolder(self.folder, ZONE).read(symbol, day)
        return [] if columns is None else columns.price.tolist()

    async def end(self) -> Recorded:
        self.stop.request_stop()
        async with asyncio.timeout(STUCK_S):
            return await self.task


@asynccontextmanager
async def stage(folder: Path, day: date = MONDAY, start: str = "10:00:00") -> AsyncIterator[Stage]:
    clock = StepClock(at(day, start))
    desk = PaperDesk(PaperRules(), {"ALPHA": 5, "BETA": 5, "MUTE": 5}, clock, api_key=KEY)
    async with running(desk, middlewares=(dated(clock),)) as server:
        for symbol in ("ALPHA", "BETA"):
            desk.on_price(symbol, 100_00, clock.now_ns())
        made = Stage(folder, desk, server, clock)
        try:
            yield made
        finally:
            if hasattr(made, "task") and not made.task.done():
                made.task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await made.task


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture(autouse=True)
def hear(said: list[str]) -> Iterator[None]:
    number = logger.add(lambda message: said.append(message.record["message"]), level="INFO")
    yield
    logger.remove(number)


async def test_prices_are_on_disk_after_a_few_seconds_and_one_file_at_the_end(tmp_path: Path) -> None:
    async with stage(tmp_path / "ticks") as day:
        day.begin("ALPHA", "BETA")
        await day.until(lambda: day.server.stream.subscribed() == ("ALPHA", "BETA"))
        for price in (100_05, 100_10, 100_10, 99_95):
            day.print("ALPHA", price)
        day.print("BETA", 101_00)
        await day.server.stream.taken()
        await day.pass_time_until(lambda: day.prices("ALPHA", MONDAY) == [100_05, 100_10, 100_10, 99_95])
        assert day.clock.now_ns() >= at(MONDAY, "10:00:05"), "not before a flush was due"
        day.print("BETA", 101_05)
        await day.server.stream.taken()
        ended = await day.end()
    assert ended == Recorded(0, 6)
    assert day.prices("BETA", MONDAY) == [101_00, 101_05]
    whole = sorted(path.name for path in (tmp_path / "ticks").rglob("*.parquet"))
    assert whole == [f"{MONDAY}.parquet"] * 2
    assert {finding.grade for finding in day.notes.findings} == {Grade.OK}


async def test_a_new_day_is_a_new_file_and_the_old_one_is_finished(tmp_path: Path) -> None:
    async with stage(tmp_path, start="23:59:50") as day:
        day.begin("ALPHA")
        await day.until(lambda: day.server.stream.subscribed() == ("ALPHA",))
        day.print("ALPHA", 100_05)
        await day.server.stream.taken()
        await day.pass_time_until((tmp_path / "ALPHA" / f"{MONDAY}.parquet").exists)
        assert day.clock.now_ns() >= at(TUESDAY, "00:00:00"), "not before the day was over"
        await day.until(lambda: day.server.stream.subscribed() == ("ALPHA",))
        day.print("ALPHA", 100_10)
        await day.server.stream.taken()
        assert await day.end() == Recorded(0, 2)
    assert day.prices("ALPHA", MONDAY) == [100_05]
    assert day.prices("ALPHA", TUESDAY) == [100_10]


async def test_on_a_closed_day_it_says_so_and_waits_for_the_next(tmp_path: Path, said: list[str]) -> None:
    async with stage(tmp_path, SUNDAY, "23:59:50") as day:
        day.begin("ALPHA", calendar="NSE")
        await day.until(lambda: any("nothing is recorded today" in each for each in said))
        assert day.server.stream.connected == 0
        await day.move_to(at(MONDAY, "00:00:00"))
        await day.until(lambda: day.server.stream.subscribed() == ("ALPHA",))
        assert await day.end() == Recorded(0, 0)


async def test_a_symbol_without_a_price_is_named_and_the_others_are_recorded(
    tmp_path: Path, said: list[str]
) -> None:
    async with stage(tmp_path) as day:
        day.begin("ALPHA", "MUTE")
        await day.until(lambda: day.server.stream.subscribed() == ("ALPHA",))
        await day.end()
    assert any("no price: MUTE" in each for each in said)


async def test_without_any_price_it_asks_again_until_there_is_one(tmp_path: Path, said: list[str]) -> None:
    async with stage(tmp_path) as day:
        day.begin("MUTE")
        await day.until(lambda: bool(said))
        day.desk.on_price("MUTE", 50_00, day.clock.now_ns())
        await day.move_to(at(MONDAY, "10:00:31"))
        await day.until(lambda: day.server.stream.subscribed() == ("MUTE",))
        await day.end()


async def test_a_wrong_key_ends_it_before_anything_is_recorded(tmp_path: Path) -> None:
    async with stage(tmp_path) as day:
        day.begin("ALPHA", key="wrong")
        assert await day.task == Recorded(3, 0)
    assert day.notes.findings[-1].name == "key"


async def test_a_disk_that_refuses_is_told_and_what_is_lost_at_the_end_is_an_error(
    tmp_path: Path, said: list[str]
) -> None:
    (tmp_path / "ALPHA").write_text("a file where a folder must be")
    async with stage(tmp_path) as day:
        day.begin("ALPHA")
        await day.until(lambda: day.server.stream.subscribed() == ("ALPHA",))
        day.print("ALPHA", 100_05)
        await day.server.stream.taken()
        await day.pass_time_until(lambda: any("cannot be written" in each for each in said))
        ended = await day.end()
    assert (ended.exit_code, ended.ticks) == (1, 1)
    assert "cannot be written" in ended.why


async def test_a_folder_that_is_being_recorded_into_is_refused(tmp_path: Path) -> None:
    first = TickRecorder(tmp_path, ZONE, StepClock(at(MONDAY, "10:00:00")))
    async with stage(tmp_path) as day:
        day.begin("ALPHA")
        with pytest.raises(ConfigError, match="another process is recording"):
            await day.task
    await first.close()
