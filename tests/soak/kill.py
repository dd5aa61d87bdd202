"""A real engine process, killed with SIGKILL at random instants and started again, until it was enough.

``python -m tests.soak.kill --kills 300 --seed 7`` plays as many short days as it takes. In each, ``live``
trades through real sockets at a ``serve-paper`` process that outlives it, while the price goes round and
round; the engine dies and is started again at once on the same journal. What happened is read from the
server's own books alone. A day ends some time after its deadline, once the account is flat; whatever must not
have happened is printed, and makes the exit code 1.

Owns the killing and the looking. It waits on real time, and draws its instants from the seed; the same seed
draws the same instants, the machine does what it likes between them.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process, create_subprocess_exec
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from olaf_async.adapters.journal.reading import read
from olaf_async.adapters.journal.rerun import Rerunner
from tests.paper_server import KEY, ServedProcess, serve_paper

SYMBOL: Final = "ALPHA"
SHARES: Final = 10
ATTEMPTS: Final = 3
WORKING: Final = frozenset({"open", "trigger pending"})
LOOK_S: Final = 0.2
"""Between two looks at the books; the server allows 50 reads in a second, and the engine needs some."""
PRINT_S: Final = 0.06
OVER_AFTER_S: Final = 45
"""After the deadline; a day that is not flat by then never will be."""
EXIT_NEAR_S: Final = 4
"""A life that is connected so shortly before the deadline, or after it, ends in the exit."""
BARE_S: Final = 6
"""The longest that shares may have no stop while one engine is connected: its budget, on a busy machine."""

Row = dict[str, Any]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Books:
    """The account at one instant, from the server's own books."""

    held: int
    buying: int
    selling: int
    selling_at_limit: int
    entries: int
    course: tuple[int, ...]

    @classmethod
    def of(cls, orders: list[Row], trades: list[Row]) -> "Books":
        """What the rows add up to; both books come newest first."""
        filled: Counter[str] = Counter()
        course = [0]
        for trade in reversed(trades):
            shares = int(trade["quantity"])
            filled[trade["orderid"]] += shares
            course.append(course[-1] + (shares if trade["action"] == "BUY" else -shares))
        left: Counter[str] = Counter()
        for order in orders:
            if order["order_status"] in WORKING:
                kind = order["action"] + ("" if order["pricetype"] == "SL" else " at limit")
                left[kind] += int(order["quantity"]) - filled[order["orderid"]]
        entries = sum(order["action"] == "BUY" and filled[order["orderid"]] > 0 for order in orders)
        at_limit = left["SELL at limit"]
        buying = left["BUY"] + left["BUY at limit"]
        return cls(course[-1], buying, left["SELL"] + at_limit, at_limit, entries, tuple(course))

    @property
    def phase(self) -> str:
        """Where in a trade's life the engine is."""
        if self.held:
            if self.buying:
                return "entering"
            return "held" if self.selling > self.selling_at_limit else "exiting"
        return "entering" if self.buying else "flat"

    def faults(self) -> Iterator[str]:
        """What must never be, at whatever instant."""
        if self.held + self.buying > SHARES:
            yield f"double position: {self.held} held, {self.buying} more to be bought"
        if max(self.course) > SHARES:
            yield f"double position: the account has held {max(self.course)}"
        if min(self.course) < 0:
            yield f"over-sell: the account has held {min(self.course)}"
        if self.selling > max(self.held, 0):
            yield f"over-sell: {self.held} held, {self.selling} to be sold"
        if self.entries > ATTEMPTS:
            yield f"attempts: {self.entries} entries were filled, {ATTEMPTS} are allowed"


async def look(server: ServedProcess) -> Books:
    """Read until no trade came between the two books."""
    before: list[Row] | None = None
    while True:
        orders = (await asked(server, "orderbook"))["orders"]
        trades: list[Row] = await asked(server, "tradebook")
        if before is not None and len(before) == len(trades):
            return Books.of(orders, trades)
        before = trades


async def asked(server: ServedProcess, route: str) -> Any:  # noqa: ANN401 -- JSON of either book
    """The data of a read, once the server's own limits let it pass."""
    url = f"{server.told['rest']}/api/v1/{route}"
    while True:
        async with server.session.post(url, json={"apikey": KEY}) as response:
            if response.status == 200:
                return (await response.json())["data"]
        await asyncio.sleep(LOOK_S)


@dataclass(slots=True)
class Tally:
    """What a campaign has come to."""

    kills: Counter[str] = field(default_factory=Counter)
    starting: int = 0
    days: int = 0
    entries: int = 0
    trades: int = 0
    looks: int = 0
    replayed: int = 0
    faults: list[str] = field(default_factory=list)

    def text(self) -> str:
        """For a person."""
        phases = ", ".join(f"{count} {phase}" for phase, count in sorted(self.kills.items()))
        lines = (
            f"{self.kills.total()} kills on {self.days} days: {phases}; {self.starting} while starting",
            f"{self.entries} entries filled, {self.trades} executions, {self.looks} looks at the books",
            f"{self.replayed} events of the journals executed again without a difference",
            f"{len(self.faults)} violations",
            *self.faults,
        )
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Hours:
    """A session that begins now, in a zone in which it is about noon."""

    opens: datetime
    trading_s: int

    @classmethod
    def now(cls, trading_s: int) -> "Hours":
        """From the next whole second but one."""
        now = datetime.now(UTC)
        zone = timezone(timedelta(hours=12 - now.hour))
        return cls((now + timedelta(seconds=2)).astimezone(zone).replace(microsecond=0), trading_s)

    @property
    def deadline_s(self) -> float:
        """When the exit begins, as `time.time` counts."""
        return self.opens.timestamp() + self.trading_s

    def settings(self, folder: Path, server: ServedProcess) -> str:
        """All that differs from a day as it comes."""
        offset = self.opens.utcoffset()
        assert offset is not None
        hours = round(offset.total_seconds() / 3600)
        closes = self.opens + timedelta(seconds=self.trading_s + OVER_AFTER_S)
        return f"""
mode = "live"
[broker]
host = "{server.told["rest"]}"
ws_url = "{server.told["ws"]}"
poll_interval_s = 1
request_timeout_s = 2
settle_time_s = 3
[session]
calendar = "always"
timezone = "{f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT"}"
open = "{self.opens:%H:%M:%S}"
close = "{closes:%H:%M:%S}"
ignore_initial_s = 0
exit_before_close_s = {OVER_AFTER_S}
[strategy]
trail_bar_s = 1
max_attempts = {ATTEMPTS}
[risk]
quantity = {SHARES}
[journal]
dir = "{folder / "var"}"
"""


def round_and_round() -> Iterator[str]:
    """Prices without end: an undercut, a way in, a rise under which the stop is raised, a fall through it."""
    while True:
        paise = [101_00, 99_50, 99_80, 100_00, 100_00, 100_05]
        paise += [100_10 + 10 * step for step in range(40)]
        paise += [104_00 - 15 * step for step in range(29)]
        for price in paise:
            yield f"{price / 100:.2f}"


class KillDay:
    """One day of one server, with as many engines after one another as it takes."""

    def __init__(
        self, folder: Path, server: ServedProcess, draw: random.Random, tally: Tally, trading_s: int
    ) -> None:
        self._server = server
        self._draw = draw
        self._tally = tally
        self._folder = folder
        self._hours = Hours.now(trading_s)
        self._books = Books(0, 0, 0, 0, 0, (0,))
        self._naked_s = time.monotonic()
        self._connected_s: float | None = None
        self._log = (folder / "engine.log").open("ab")
        (folder / "settings.toml").write_text(self._hours.settings(folder, server), encoding="utf-8")
        (folder / "setups.csv").write_text(
            "symbol,entry_date,entry_price,trigger_price,tick_size,true_range\n"
            f"{SYMBOL},{self._hours.opens:%Y-%m-%d},100.00,99.50,0.05,2.00\n",
            encoding="utf-8",
        )

    async def play(self, kills: int) -> None:
        """Let the engine die so often, where the day is long enough, and then come to its end."""
        await self._server.price(SYMBOL, "101.00")
        tasks = [asyncio.create_task(act()) for act in (self._print_all, self._look_all)]
        try:
            for _ in range(kills):
                if not await self._live_and_die():
                    break
            await self._live_on()
        finally:
            for task in tasks:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks)
            self._log.close()
        self._tally.days += 1
        self._tally.entries += self._books.entries
        self._tally.trades += len(self._books.course) - 1
        self._replay()

    # --- the world --------------------------------------------------------------------------------

    async def _print_all(self) -> None:
        for price in round_and_round():
            await self._server.price(SYMBOL, price)
            await asyncio.sleep(PRINT_S)
            while time.time() > self._hours.deadline_s:
                await self._server.price(SYMBOL, price)
                await asyncio.sleep(PRINT_S)

    async def _look_all(self) -> None:
        while True:
            self._judge(await look(self._server))
            if not await self._told("order_listeners"):
                self._connected_s = None
            elif self._connected_s is None:
                self._connected_s = time.monotonic()
            await asyncio.sleep(LOOK_S)

    def _judge(self, books: Books) -> None:
        self._tally.looks += 1
        now_s = time.monotonic()
        if books.held <= books.selling:
            self._naked_s = now_s
        naked_s = 0 if self._connected_s is None else now_s - max(self._naked_s, self._connected_s)
        if naked_s > BARE_S:
            self._fault(f"unprotected: {books.held - books.selling} shares for {naked_s:.1f} s of one life")
            self._naked_s = now_s
        for fault in books.faults():
            self._fault(fault)
        self._books = books

    def _fault(self, text: str) -> None:
        told = f"{self._folder.name}: {text}"
        if told not in self._tally.faults:
            self._tally.faults.append(told)
            say(told)

    # --- the engine -------------------------------------------------------------------------------

    async def _start(self) -> Process:
        files = (
            "--config",
            str(self._folder / "settings.toml"),
            "--setups",
            str(self._folder / "setups.csv"),
        )
        return await create_subprocess_exec(
            sys.executable,
            *("-m", "olaf_async", "live", *files),
            stdin=DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, "OLAF_BROKER__API_KEY": KEY},
        )

    async def _live_and_die(self) -> bool:
        """One life, cut short; False where the day is nearly over, or the engine was faster."""
        engine = await self._start()
        try:
            await self._until_the_moment()
            state = await self._server.control("/paper/state")
        finally:
            with suppress(ProcessLookupError):
                engine.send_signal(signal.SIGKILL)
            ended = await engine.wait()
            self._connected_s = None
        if ended != -signal.SIGKILL:
            if ended or time.time() < self._hours.deadline_s:  # after it, and flat, there is nothing to begin
                self._fault(f"the engine ended by itself: {ended}")
            return False
        is_late = time.time() > self._hours.deadline_s
        phase = self._books.phase
        self._tally.kills["exiting" if is_late and self._books.held else phase] += 1
        self._tally.starting += not state["order_listeners"]
        return time.time() < self._hours.deadline_s + 2

    async def _until_the_moment(self) -> None:
        """Any instant, one at which a request is on its way, one within a trade, or one within the exit."""
        kind = self._draw.choice(("any", "request", "entering", "held"))
        wait_s, number = self._draw.uniform(0, 1.5), self._draw.randrange(1, 6)
        if kind == "any":
            await asyncio.sleep(wait_s * 3)
            return
        await self._reached("order_listeners", 1, within_s=15)
        to_deadline_s = self._hours.deadline_s - time.time()
        if to_deadline_s < EXIT_NEAR_S:
            await asyncio.sleep(max(0, to_deadline_s) + wait_s / 3)
            return
        if kind == "request":
            await asyncio.sleep(wait_s)
            await self._reached("requests", await self._told("requests") + number)
            return
        until_s = time.monotonic() + 6
        while self._books.phase != kind and time.monotonic() < until_s:  # noqa: ASYNC110 -- the account is elsewhere
            await asyncio.sleep(LOOK_S / 4)
        await asyncio.sleep(wait_s / 5)

    async def _reached(self, what: str, count: int, within_s: float = 4) -> None:
        """Ask until the server has counted so many, as fast as it answers; not for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while await self._told(what) < count:
                    pass

    async def _told(self, what: str) -> int:
        told: int = (await self._server.control("/paper/state"))[what]
        return told

    async def _live_on(self) -> None:
        """The last life: to the deadline, to a flat account, and to an orderly end."""
        engine = await self._start()
        try:
            await self._until_flat(engine)
            with suppress(ProcessLookupError):
                engine.send_signal(signal.SIGTERM)
            ended = await engine.wait()
        finally:
            if engine.returncode is None:
                engine.kill()
                await engine.wait()
        books = await look(self._server)
        self._judge(books)
        if ended:
            self._fault(f"the last engine ended with exit code {ended}")
        if (books.held, books.buying, books.selling) != (0, 0, 0):
            self._fault(
                f"left over: {books.held} held, {books.buying} to be bought, {books.selling} to be sold"
            )

    async def _until_flat(self, engine: Process) -> None:
        """Return when the account is flat after the deadline, or never will be."""
        over_s = self._hours.deadline_s + OVER_AFTER_S - 5
        while time.time() < over_s and engine.returncode is None:
            await asyncio.sleep(LOOK_S)
            is_flat = self._books.phase == "flat" and not self._books.selling
            if is_flat and time.time() > self._hours.deadline_s + 2 and await self._told("order_listeners"):
                break

    def _replay(self) -> None:
        """What all those lives have written, executed again."""
        for path in (self._folder / "var").glob("*.journal"):
            reading = read(path)
            again = Rerunner().run(reading.records)
            self._tally.replayed += again.events
            if reading.faults or again.difference is not None:
                self._fault(f"the journal: {reading.faults or again.difference}")


async def campaign(
    tally: Tally, kills: int, seed: int, folder: Path, *, trading_s: int = 40, days: int = 1_000_000
) -> None:
    """Day after day until the engine has died so often, or so many days have passed."""
    draw = random.Random(seed)
    flags = ("--symbols", SYMBOL, "--tick-size", "0.05", "--set=paper.partial_fills=true")
    while tally.kills.total() < kills and tally.days < days:
        number = tally.days
        place = folder / f"day {number}"
        place.mkdir()
        drawn = (
            f"--set=paper.exchange_true={str(number % 2 == 0).lower()}",
            f"--set=paper.seed={seed + number}",
        )
        async with serve_paper(*flags, *drawn) as server:
            await KillDay(place, server, draw, tally, trading_s).play(kills - tally.kills.total())
        say(f"day {number}: {tally.kills.total()} kills so far, {len(tally.faults)} violations")
        if not tally.kills:
            break


def say(text: str) -> None:
    """To whoever waits."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Play, print, and say by the exit code whether something happened that must not."""
    parser = argparse.ArgumentParser(description="Kill the engine at random instants, hundreds of times.")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=None, help="else one is drawn, and printed")
    parser.add_argument("--keep", type=Path, default=None, help="folder for logs and journals; else they go")
    asked_for = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if asked_for.seed is None else asked_for.seed
    say(f"seed {seed}")
    with TemporaryDirectory(prefix="olaf-kill-") as folder:
        if asked_for.keep is not None:
            asked_for.keep.mkdir(parents=True)
        tally = Tally()
        with suppress(KeyboardInterrupt):
            asyncio.run(campaign(tally, asked_for.kills, seed, asked_for.keep or Path(folder)))
    say(tally.text())
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
