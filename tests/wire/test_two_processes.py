"""``live`` against ``serve-paper``, each in a process of its own: a whole scripted day on real clocks.

The script moves one print on when the engine is quiet: when no request of it is being answered and none has
come for a while. Only what a real clock makes uncertain is kept apart: no print falls on the end of a bar.
"""

import csv
import os
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

from olaf_async.app.replay import Ticks, run_replay
from olaf_async.research.runs import SEEDS_PER_SETTING
from olaf_async.settings import load_settings
from tests.paper_server import KEY, ServedProcess, serve_paper

SYMBOL = "ALPHA"
BAR_S = 1
OPENS_IN_S, OPEN_FOR_S, EXIT_BEFORE_CLOSE_S = 6, 20, 5
SEED = 5
STILL_S = 0.06
"""The engine has done what it had to once nothing has come from it for so long."""
CLEAR_S = 0.12
"""So far from the end of a bar, and from the deadline, no price is printed."""
NOT_COMPARED = {"entry_time", "exit_time", "unprotected_ms"}
"""A replay knows when a price was printed, and not when the news of a fill arrived."""


@dataclass(frozen=True)
class Hours:
    """A session around now, in a zone in which it is about noon."""

    opens: datetime

    @property
    def closes(self) -> datetime:
        return self.opens + timedelta(seconds=OPEN_FOR_S)

    @property
    def deadline(self) -> datetime:
        return self.closes - timedelta(seconds=EXIT_BEFORE_CLOSE_S)

    @property
    def zone(self) -> str:
        offset = self.opens.utcoffset()
        assert offset is not None
        hours = round(offset.total_seconds() / 3600)
        return f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT"

    def is_clear(self) -> bool:
        """Whether a price may be printed at this instant."""
        into_bar_s = (time.time() - self.opens.timestamp()) % BAR_S
        to_deadline_s = abs(time.time() - self.deadline.timestamp())
        return CLEAR_S < into_bar_s < BAR_S - CLEAR_S and to_deadline_s > CLEAR_S


def hours_around_now() -> Hours:
    now = datetime.now(UTC)
    zone = timezone(timedelta(hours=12 - now.hour))
    return Hours((now + timedelta(seconds=OPENS_IN_S)).astimezone(zone).replace(microsecond=0))


def settings_file(folder: Path, hours: Hours, server: ServedProcess) -> Path:
    file = folder / "settings.toml"
    file.write_text(
        f"""
mode = "live"
[broker]
host = "{server.told["rest"]}"
ws_url = "{server.told["ws"]}"
poll_interval_s = 1
request_timeout_s = 1
[session]
calendar = "always"
timezone = "{hours.zone}"
open = "{hours.opens:%H:%M:%S}"
close = "{hours.closes:%H:%M:%S}"
ignore_initial_s = 0
exit_before_close_s = {EXIT_BEFORE_CLOSE_S}
[strategy]
trail_bar_s = {BAR_S}
[risk]
quantity = 10
[paper]
exchange_true = true
partial_fills = true
seed = {SEED}
[journal]
dir = "{folder / "var"}"
""",
        encoding="utf-8",
    )
    return file


def script() -> list[str]:
    """An entry in parts, a rise with a trailed stop, a fall through it, a second entry that rises again."""
    first = ["101.00", "99.50", "99.80", "100.00", "100.00", "100.05"]
    rise = [f"{100.10 + 0.10 * step:.2f}" for step in range(40)]
    fall = [f"{104.00 - 0.15 * step:.2f}" for step in range(28)]  # slow enough for a stop that fills in parts
    again = ["99.50", "99.80", "100.00", "100.05", "100.05"]
    return [*first, *rise, *fall, *again]


@asynccontextmanager
async def live(*flags: str) -> AsyncIterator[Process]:
    command = ("-m", "olaf_async", "live", *flags)
    environment = {**os.environ, "OLAF_BROKER__API_KEY": KEY}
    process = await create_subprocess_exec(
        sys.executable, *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=environment
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def quiet(server: ServedProcess) -> None:
    """Return once the engine has done all that it had to do because of the last print."""
    requests, since_s = -1, time.monotonic()
    while time.monotonic() - since_s < STILL_S:
        state = await server.control("/paper/state")
        if state["requests"] != requests or state["in_flight"]:
            requests, since_s = state["requests"], time.monotonic()


async def printed(server: ServedProcess, hours: Hours, price: str) -> None:
    await quiet(server)
    while not hours.is_clear():
        await quiet(server)
    await server.price(SYMBOL, price)


async def test_a_scripted_day_between_two_processes_has_the_trades_of_its_replay(tmp_path: Path) -> None:
    # Each day of a replay has draws of its own, made from the seed and the day.
    seed = SEED * SEEDS_PER_SETTING + hours_around_now().opens.toordinal()
    drawn = [f"--set=paper.{rule}" for rule in ("exchange_true=true", "partial_fills=true", f"seed={seed}")]
    async with serve_paper("--symbols", SYMBOL, "--tick-size", "0.05", *drawn) as server:
        hours = hours_around_now()
        config = settings_file(tmp_path, hours, server)
        setups = tmp_path / "setups.csv"
        setups.write_text(
            "symbol,entry_date,entry_price,trigger_price,tick_size,true_range\n"
            f"{SYMBOL},{hours.opens:%Y-%m-%d},100.00,99.50,0.05,10.00\n",
            encoding="utf-8",
        )
        await server.price(SYMBOL, "102.00")
        async with live("--config", str(config), "--setups", str(setups)) as engine:
            while not (await server.control("/paper/state"))["subscribed"]:
                assert engine.returncode is None, await engine.communicate()
            while time.time() < hours.opens.timestamp() + CLEAR_S:
                await quiet(server)
            for price in script():
                await printed(server, hours, price)
            price_paise = 100_10
            while time.time() < hours.deadline.timestamp() + 1:
                await printed(server, hours, f"{price_paise / 100:.2f}")
                price_paise += 5
            out, err = await engine.communicate()
        assert engine.returncode == 0, err.decode()
        ticks = (await server.control("/paper/ticks"))["ticks"]
    traded = rows(tmp_path / "var" / f"{hours.opens:%Y-%m-%d}" / "trades.csv")
    assert [row["exit_reason"] for row in traded] == ["stop", "session_end"], out.decode()
    assert all(Decimal(row["final_stop"]) > Decimal(row["initial_stop"]) for row in traded), (
        "both stops were trailed"
    )
    assert traded == replayed(tmp_path, hours, config, setups, ticks)
    assert KEY not in out.decode() + err.decode() + kept(tmp_path)


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return [
            {name: told for name, told in row.items() if name not in NOT_COMPARED}
            for row in csv.DictReader(lines)
        ]


def replayed(
    folder: Path, hours: Hours, config: Path, setups: Path, ticks: list[dict[str, int]]
) -> list[dict[str, str]]:
    """The trades of a replay of what the server printed, when it did."""
    day = folder / "ticks" / SYMBOL / f"{hours.opens:%Y-%m-%d}.csv"
    day.parent.mkdir(parents=True)
    zone = hours.opens.tzinfo
    lines = (
        f"{datetime.fromtimestamp(tick['at_ms'] / 1000, zone).isoformat()},{tick['ltp']}" for tick in ticks
    )
    day.write_text("t,ltp\n" + "\n".join(lines) + "\n", encoding="utf-8")
    settings = load_settings(config, env={})
    run_replay(settings, Ticks(folder / "ticks"), setups, folder / "out")
    return rows(folder / "out" / "trades.csv")


def kept(folder: Path) -> str:
    return "".join(
        file.read_text(encoding="utf-8", errors="replace") for file in folder.rglob("*") if file.is_file()
    )
