"""``live``: one day from the checks to the report, over real sockets, on a clock that the test moves on."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from loguru import logger

from olaf_async.adapters.clock import SystemClock
from olaf_async.adapters.journal.reading import read
from olaf_async.adapters.journal.rerun import Rerunner
from olaf_async.adapters.journal.sqlite import SqliteJournal
from olaf_async.adapters.openalgo.checks import Finding, Grade
from olaf_async.adapters.paper.account import PaperRules
from olaf_async.adapters.paper.server.desk import PaperDesk
from olaf_async.adapters.paper.server.running import PaperServer, running
from olaf_async.app.live import Ended, LiveRun, StopSwitch, plans_of_day
from olaf_async.app.replay import Ticks, run_replay
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.trade import ExitReason
from olaf_async.errors import ConfigError
from olaf_async.ports.clock import Clock
from olaf_async.ports.journal import Entry
from olaf_async.research.live_day import LiveDay
from olaf_async.research.results import OrderChange, TradeRecord
from olaf_async.settings import Settings, load_settings
from olaf_async.shell.supervisor import Supervisor
from tests.made_market import MONDAY, SETUPS_HEADER, setup_of, write_setups_file, write_ticks
from tests.wire.step_clock import StepClock

KEY = "open-sesame"
STUCK_S = 60
"""A bound for a broken run on a busy machine; nothing waits it out."""

ALPHA_ROW = "ALPHA,2021-06-07,100.00,99.50,0.05,10.00"
PRINTS = (
    ("09:15:30", "101.00"),
    ("09:16:30", "99.50"),  # the undercut
    ("09:17:10", "99.80"),
    ("09:17:20", "100.00"),  # bought, stop at 95.00
    ("09:17:40", "100.60"),
    ("09:18:10", "101.00"),
    ("09:19:10", "101.50"),
    ("09:20:10", "101.60"),
    ("09:21:30", "101.70"),  # held until the deadline at 09:22:10
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def at(clock: str, day: date = MONDAY) -> int:
    zone = Settings().session.zone
    return int(datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=zone).timestamp()) * SECOND_NS


def settings_of(mode: str = "paper", **changes: object) -> Settings:
    overrides: dict[str, object] = {
        "mode": mode,
        "broker.api_key": KEY,
        "session.calendar": "always",
        "session.close": "09:25:00",
        "session.exit_before_close_s": 170,
        "strategy.trail_bar_s": 60,
        **{name.replace("__", "."): value for name, value in changes.items()},
    }
    return load_settings(overrides=overrides, env={})


class Stand(StopSwitch):
    """A stop switch that lets the test see the engine."""

    engine: Supervisor | None = None

    def connect(self, engine: Supervisor) -> None:
        super().connect(engine)
        self.engine = engine


class Notes:
    """A watcher that keeps what it sees."""

    def __init__(self, *, breaks: bool = False) -> None:
        self.findings: list[Finding] = []
        self.waited: list[int] = []
        self.pictures = 0
        self._breaks = breaks

    def found(self, finding: Finding) -> None:
        self.findings.append(finding)

    def waits(self, until_ns: int) -> None:
        self.waited.append(until_ns)

    async def watch(self, day: LiveDay, clock: Clock) -> None:
        while True:
            scene = day.scene(clock.now_ns(), 3600 * SECOND_NS, 0)
            assert [symbol.symbol for symbol in scene.symbols] == ["ALPHA"]
            self.pictures += 1
            if self._breaks:
                raise RuntimeError("no room on the screen")
            await clock.sleep_until_ns(clock.now_ns() + SECOND_NS)


class Stage:
    """A server, a live run against it, and the time of day."""

    def __init__(
        self, settings: Settings, setups: Path, desk: PaperDesk, server: PaperServer, clock: StepClock
    ) -> None:
        self.step, self.server, self.notes, self.stop = clock, server, Notes(), Stand()
        self.desk = desk
        there = {"host": server.rest_url, "ws_url": server.ws_url}
        self.settings = settings.model_copy(update={"broker": settings.broker.model_copy(update=there)})
        self._setups = setups
        self.run: LiveRun
        self.task: asyncio.Task[Ended]

    def begin(self, day: date = MONDAY) -> None:
        planned = plans_of_day(self.settings, self._setups, day)
        clock = SystemClock(wall_ns=self.step.now_ns, boot_ns=self.step.now_ns, sleep_s=self._nap)
        self.run = LiveRun(self.settings, planned, day, self.notes, self.stop, clock=clock)
        self.task = asyncio.create_task(self.run.run())

    async def _nap(self, seconds: float) -> None:
        await self.step.sleep_until_ns(self.step.now_ns() + round(seconds * SECOND_NS))

    async def until(self, happens: Callable[[], bool]) -> None:
        """Let the loop turn until something has happened; the clock stands."""
        async with asyncio.timeout(STUCK_S):
            while not happens():  # noqa: ASYNC110 -- no event tells of it, and time has no part in it
                await asyncio.sleep(0)

    async def settle(self) -> None:
        """Let the engine do what it has to do now."""
        engine = self.stop.engine
        if engine is not None:
            await self.until(lambda: engine.is_quiet or self.task.done())
        for _ in range(20):
            await asyncio.sleep(0)

    async def move_to(self, when: str) -> None:
        """Let time run; whatever is due on the way happens then."""
        when_ns = at(when)
        while not self.task.done() and (next_ns := self.step.next_ns) is not None and next_ns <= when_ns:
            self.step.move_to(max(next_ns, self.step.now_ns()))
            await self.settle()
        if not self.task.done():
            self.step.move_to(when_ns)
            await self.settle()

    async def print(self, when: str, price: str) -> None:
        """A print, and all that comes of it."""
        await self.move_to(when)
        heard = self.run.day.ticks + 1
        rupees, paise = price.split(".")
        self.server.board.publish("ALPHA", int(rupees) * 100 + int(paise), at_ns=self.step.now_ns())
        await self.until(lambda: self.run.day.ticks >= heard)
        await self.settle()

    async def ended(self) -> Ended:
        """How it ended; nothing more is needed for that than turns of the loop."""
        await self.until(self.task.done)
        return self.task.result()


def dated(clock: StepClock) -> Middleware:
    """The server's answers carry the time of the stage."""

    @web.middleware
    async def date_it(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        now = datetime.fromtimestamp(clock.now_ns() // SECOND_NS, UTC)
        response.headers["Date"] = format_datetime(now, usegmt=True)
        return response

    return date_it


@asynccontextmanager
async def stage(
    tmp_path: Path, settings: Settings | None = None, *, start: str = "09:14:00", row: str = ALPHA_ROW
) -> AsyncIterator[Stage]:
    clock = StepClock(at(start))
    desk = PaperDesk(PaperRules(square_off_s=None), {"ALPHA": 5}, clock, api_key=KEY)
    setups = write_setups_file(tmp_path / "setups.csv", row)
    async with running(desk, middlewares=(dated(clock),)) as server:
        desk.on_price("ALPHA", 101_00, clock.now_ns())
        made = Stage(settings or settings_of(), setups, desk, server, clock)
        try:
            yield made
        finally:
            if hasattr(made, "task"):
                made.task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await made.task


def lives(orders: tuple[OrderChange, ...]) -> list[tuple[object, ...]]:
    """What happened to orders, in the words both views share; a replay also tells when a stop is set off."""
    return [
        (o.at_ns // SECOND_NS, o.role, o.change, o.quantity, o.filled, o.trigger, o.fill_price)
        for o in orders
        if o.change != "triggered"
    ]


def worth(record: TradeRecord) -> tuple[object, ...]:
    trade = record.trade
    return (
        trade.entry_value,
        trade.exit_value,
        trade.reason,
        trade.initial_stop,
        trade.final_stop,
        record.charges,
    )


def replayed(tmp_path: Path, settings: Settings) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Orders and trades of a replay of the same prints."""
    write_ticks(tmp_path / "ticks", "ALPHA", MONDAY, PRINTS)
    result = run_replay(settings, Ticks(tmp_path / "ticks"), [setup_of()])
    return lives(result.orders), [worth(each) for each in result.trades]


# ------------------------------------------------------------------------------------------------- a day


def assert_journal_tells_the_day(path: Path) -> None:
    """It is whole, closed, without the key, and executed again it gives each of its commands."""
    assert KEY.encode() not in path.read_bytes()
    reading = read(path)
    assert (reading.faults, reading.is_closed) == ((), True)
    sent = [record for record in reading.records if record.entry is Entry.SENDING]
    assert len(sent) > 3
    again = Rerunner().run(reading.records)
    assert again.difference is None
    assert again.questions >= len(sent)


@pytest.mark.parametrize("mode", ["paper", "live"])
async def test_a_live_day_has_the_trades_and_orders_of_a_replay_of_its_prints(
    tmp_path: Path, mode: str
) -> None:
    async with stage(tmp_path, settings_of(mode)) as day:
        day.begin()
        await day.until(lambda: day.stop.engine is not None)
        await day.until(lambda: day.server.stream.subscribed() == ("ALPHA",))
        await day.until(lambda: day.server.stream.order_listeners == (mode == "live"))
        for when, price in PRINTS:
            await day.print(when, price)
        await day.move_to("09:25:30")
        ended = await day.ended()
    assert ended.exit_code == 0, day.notes.findings
    assert ended.result is not None
    (record,) = ended.result.trades
    assert record.trade.reason is ExitReason.SESSION_END
    assert record.trade.final_stop > record.trade.initial_stop
    assert (ended.result.ticks, ended.result.triggers, ended.result.entries) == (len(PRINTS), 1, 1)
    watch = ended.result.days[0].watch
    assert watch is not None
    assert watch.polls == watch.polls_agreed > 10
    assert len(watch.lock_holds_ns) > len(watch.lock_waits_ns) > 2
    orders, trades = replayed(tmp_path, day.settings)
    assert lives(ended.result.orders) == orders
    assert [worth(each) for each in ended.result.trades] == trades
    assert day.notes.pictures > 60, "somebody could look on all the time"
    assert {finding.grade for finding in day.notes.findings} == {Grade.OK}
    assert KEY not in repr(ended) + repr(day.notes.findings)
    assert_journal_tells_the_day(tmp_path / "var" / f"{MONDAY}{'-paper' * (mode == 'paper')}.journal")


async def test_a_trade_is_a_line_of_the_log_with_its_time_without_a_stop(tmp_path: Path) -> None:
    lines: list[tuple[str, object]] = []
    number = logger.add(
        lambda line: lines.append((line.record["message"], line.record["extra"].get("unprotected_ms"))),
        filter=lambda record: record["extra"].get("code") == "trade",
    )
    try:
        async with stage(tmp_path) as day:
            day.begin()
            await day.until(lambda: day.server.stream.subscribed() == ("ALPHA",))
            for when, price in PRINTS:
                await day.print(when, price)
            await day.move_to("09:25:30")
            ended = await day.ended()
    finally:
        logger.remove(number)
    assert ended.result is not None
    (bare_ms,) = ended.result.unprotected_ms
    told = f"trade 1 over: session_end, gross 1.70, {bare_ms:,.0f} ms without a confirmed stop"
    assert lines == [(told, bare_ms)]


async def test_a_display_that_breaks_takes_nothing_with_it(tmp_path: Path) -> None:
    async with stage(tmp_path) as day:
        day.notes = Notes(breaks=True)
        day.begin()
        await day.until(lambda: day.server.stream.subscribed() == ("ALPHA",))
        for when, price in PRINTS:
            await day.print(when, price)
        await day.move_to("09:25:30")
        ended = await day.ended()
    assert day.notes.pictures == 1
    assert ended.result is not None
    assert len(ended.result.trades) == 1


# ------------------------------------------------------------------------------------- before the day


async def test_before_the_open_everything_is_checked_and_then_waited_for(tmp_path: Path) -> None:
    async with stage(tmp_path, settings_of("live"), start="08:00:00") as day:
        day.begin()
        await day.until(lambda: bool(day.notes.waited))
        assert day.notes.waited == [at("09:13:00")]
        checked = len(day.notes.findings)
        await day.move_to("09:12:59")
        assert day.stop.engine is None
        await day.move_to("09:13:00")
        await day.until(lambda: day.stop.engine is not None)
    assert len(day.notes.findings) == checked, "the second round of checks tells only what is wrong"


async def test_what_has_changed_while_waiting_is_found_before_the_open(tmp_path: Path) -> None:
    settings = settings_of("live", broker__require_analyzer=True)
    async with stage(tmp_path, settings, start="08:00:00") as day:
        day.begin()
        await day.until(lambda: bool(day.notes.waited))
        day.desk.is_analyze = False
        await day.move_to("09:13:00")
        ended = await day.ended()
    assert (ended.exit_code, ended.result, day.stop.engine) == (4, None, None)
    assert "switch the analyzer on" in day.notes.findings[-1].text


async def test_a_stop_before_the_open_ends_it_at_once(tmp_path: Path) -> None:
    async with stage(tmp_path, start="08:00:00") as day:
        day.begin()
        await day.until(lambda: bool(day.notes.waited))
        day.stop.request_stop()
        ended = await day.ended()
    assert ended == Ended(0, "Stopped before the open; nothing was traded.")


async def test_a_server_that_is_not_as_configured_is_not_traded_with(tmp_path: Path) -> None:
    async with stage(tmp_path, settings_of("live", broker__require_analyzer=False)) as day:
        day.begin()
        ended = await day.ended()
        assert day.desk.exchange.history == []
    assert ended == Ended(4, "Nothing was traded.")


async def test_a_stop_while_shares_are_held_leaves_their_stop_and_asks_for_a_person(tmp_path: Path) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        day.begin()
        await day.until(lambda: day.server.stream.subscribed() == ("ALPHA",))
        for when, price in PRINTS[:5]:
            await day.print(when, price)
        day.stop.request_stop()
        for _ in range(100):
            await day.settle()
            if day.task.done() or (next_ns := day.step.next_ns) is None:
                break
            day.step.move_to(max(next_ns, day.step.now_ns()))
        ended = await day.ended()
        (stop,) = [order for order in day.desk.exchange.records() if order.status.value == "trigger pending"]
    assert ended.result is not None
    (held,) = ended.result.unclosed
    assert (held.quantity, held.stop) == (1, stop.trigger)


async def test_a_second_engine_on_the_same_journals_refuses_and_names_the_first(tmp_path: Path) -> None:
    async with stage(tmp_path) as day:
        day.begin()
        await day.until(lambda: day.stop.engine is not None)
        planned = plans_of_day(day.settings, tmp_path / "setups.csv", MONDAY)
        ended = await LiveRun(day.settings, planned, MONDAY, Notes(), Stand(), clock=day.run._clock).run()
        assert day.stop.engine is not None
    assert ended.exit_code == 1
    assert f"the engine of process {os.getpid()} has the journals in" in ended.why
    assert ended.result is None


async def test_a_day_is_not_begun_on_a_journal_that_is_not_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "var" / f"{MONDAY}-paper.journal"
    journal = SqliteJournal(file)
    for _ in range(2):
        journal.append(Entry.CLOSED, 0, "exit code 0")
    journal.close()
    altered = file.read_bytes().replace(b"exit code 0", b"exit code 1", 1)
    file.write_bytes(altered)
    async with stage(tmp_path) as day:
        day.begin()
        ended = await day.ended()
    assert ended.exit_code == 4
    assert "is not what was written" in ended.why
    assert file.read_bytes() == altered


async def test_what_a_crash_left_half_written_is_cut_off_and_said(tmp_path: Path) -> None:
    file = tmp_path / "var" / f"{MONDAY}-paper.journal"
    journal = SqliteJournal(file)
    for _ in range(2):
        journal.append(Entry.CLOSED, 0, "exit code 0")
    left = {path: path.read_bytes() for path in (file, Path(f"{file}-wal"))}
    journal.close()
    for path, content in left.items():
        path.write_bytes(content[: len(content) - (path != file)])
    async with stage(tmp_path) as day:
        day.begin()
        await day.until(lambda: day.stop.engine is not None)
    assert [record.entry for record in read(file).records][:2] == [Entry.CLOSED, Entry.HEADER]
    aside = file.with_suffix(".journal.torn")
    assert aside in list(aside.parent.glob("*"))


async def test_without_a_setup_for_the_day_nothing_is_asked(tmp_path: Path) -> None:
    async with stage(tmp_path) as day:
        day.begin(date(2021, 6, 8))
        ended = await day.ended()
    assert ended == Ended(0, "There is no setup to trade on 2021-06-08.")
    assert day.notes.findings == []


async def test_after_the_deadline_nothing_is_begun(tmp_path: Path) -> None:
    async with stage(tmp_path, start="09:22:10") as day:
        day.begin()
        ended = await day.ended()
    assert ended == Ended(0, "The deadline of 2021-06-07 has passed: nothing is begun any more.")
    assert day.notes.findings == []


async def test_a_setup_of_another_exchange_is_refused(tmp_path: Path) -> None:
    settings = settings_of(broker__exchange="BSE")
    row = ALPHA_ROW + ",NSE"
    setups = write_setups_file(tmp_path / "setups.csv", row, header=SETUPS_HEADER + ",exchange")
    with pytest.raises(ConfigError, match=r"ALPHA is of NSE, and orders go to BSE"):
        plans_of_day(settings, setups, MONDAY)


@pytest.mark.parametrize("mode", ["paper", "live"])
def test_without_a_key_there_is_no_server_to_speak_to(tmp_path: Path, mode: str) -> None:
    settings = load_settings(overrides={"mode": mode, "session.calendar": "always"}, env={})
    planned = plans_of_day(settings, write_setups_file(tmp_path / "setups.csv", ALPHA_ROW), MONDAY)
    with pytest.raises(ConfigError, match=r"broker\.api_key is not set"):
        LiveRun(settings, planned, MONDAY, Notes(), StopSwitch())
