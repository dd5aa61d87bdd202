"""``live`` and ``record`` as they are called: what flags and settings mean, and how the processes end."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from datetime import date, timedelta
from pathlib import Path

import pytest

from olaf_async.adapters.recorder import TickRecorder
from olaf_async.cli import main
from olaf_async.settings import Settings
from tests.made_market import write_setups_file
from tests.paper_server import KEY, STARTED_WITHIN_S, ServedProcess, serve_paper
from tests.wire.step_clock import StepClock

TOMORROW = date.today() + timedelta(days=1)  # noqa: DTZ011 -- any day that has not begun will do
NOWHERE = "broker.host=http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OLAF_BROKER__API_KEY", KEY)
    monkeypatch.setenv("OLAF_SESSION__CALENDAR", "always")
    monkeypatch.setenv("COLUMNS", "200")


def setups(tmp_path: Path, day: date = TOMORROW) -> str:
    row = f"ALPHA,{day},100.00,99.50,0.05,10.00"
    return str(write_setups_file(tmp_path / "setups.csv", row))


def live(tmp_path: Path, *flags: str) -> int:
    return main(["live", "--setups", setups(tmp_path), "--date", str(TOMORROW), *flags])


def test_nothing_to_trade_is_said_and_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    later = str(TOMORROW + timedelta(days=1))
    assert main(["live", "--setups", setups(tmp_path), "--date", later]) == 0
    assert f"There is no setup to trade on {later}." in capsys.readouterr().out


def test_a_past_day_has_passed_its_deadline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = setups(tmp_path, date(2021, 6, 7))
    assert main(["live", "--setups", file, "--date", "2021-06-07"]) == 0
    assert "The deadline of 2021-06-07 has passed" in capsys.readouterr().out


@pytest.mark.parametrize("mode", ["paper", "live"])
def test_without_a_key_the_setting_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    monkeypatch.delenv("OLAF_BROKER__API_KEY")
    assert live(tmp_path, "--set", f"mode={mode}") == 3
    assert "broker.api_key is not set" in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["paper", "live"])
def test_where_nobody_answers_that_is_said_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    assert live(tmp_path, "--set", NOWHERE, "--set", f"mode={mode}") == 1
    told = capsys.readouterr().out
    assert "start OpenAlgo there, or correct broker.host" in told
    assert told.endswith("Nothing was traded.\n")
    assert not (tmp_path / "var" / str(TOMORROW)).exists()


def test_setups_have_to_be_named_somewhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["live"]) == 2
    assert "--setups" in capsys.readouterr().err


def test_record_wants_symbols_or_setups_and_not_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record"]) == 2
    assert main(["record", "--symbols", "ALPHA", "--setups", setups(tmp_path)]) == 2
    assert "give one of --symbols and --setups" in re.sub(r"[\s│]+", " ", capsys.readouterr().err)


@pytest.mark.parametrize("flag", ["--symbols", "--setups"])
def test_record_says_where_nobody_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    value = "ALPHA" if flag == "--symbols" else setups(tmp_path)
    assert main(["record", flag, value, "--set", NOWHERE]) == 1
    assert "nobody answers at http://127.0.0.1:1" in capsys.readouterr().err


def test_a_folder_that_another_process_records_into_is_a_wrong_flag_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = TickRecorder(tmp_path / "ticks", Settings().session.zone, StepClock(0))
    flags = ["record", "--symbols", "ALPHA", "--out", str(tmp_path / "ticks"), "--set", NOWHERE]
    assert main(flags) == 3
    assert "another process is recording into it" in capsys.readouterr().err
    asyncio.run(first.close())


# ------------------------------------------------------------------------------------------------- processes


async def ended_by(
    by: signal.Signals, server: ServedProcess, sign: str, *arguments: str
) -> tuple[int, str, str]:
    """Start a verb against the server, end it once it has said ``sign``; its code and what it said."""
    where = ("--set", f"broker.host={server.told['rest']}", "--set", f"broker.ws_url={server.told['ws']}")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = await create_subprocess_exec(
        sys.executable, "-m", "olaf_async", *arguments, *where, stdout=PIPE, stderr=PIPE, env=environment
    )
    assert process.stdout is not None
    assert process.stderr is not None
    stream = process.stdout if arguments[0] == "live" else process.stderr
    said = ""
    try:
        async with asyncio.timeout(STARTED_WITHIN_S):
            while sign not in said:
                line = (await stream.readline()).decode()
                assert line, said + (await process.stderr.read()).decode()
                said += line
            process.send_signal(by)
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode is not None
    return process.returncode, said + out.decode(), err.decode()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("mode", ["paper", "live"])
async def test_live_waits_for_the_open_and_ends_orderly(
    tmp_path: Path, by: signal.Signals, mode: str
) -> None:
    flags = ("--setups", setups(tmp_path), "--date", str(TOMORROW), "--set", f"mode={mode}")
    async with serve_paper("--symbols", "ALPHA") as server:
        await server.price("ALPHA", "101.00")
        code, said, err = await ended_by(by, server, "Ready.", "live", *flags)
    assert (code, "Traceback" in err) == (0, False)
    assert said.endswith("Stopped before the open; nothing was traded.\n")
    assert ("order mode" in said) is (mode == "live")
    assert KEY not in said + err
    kept = [path.read_bytes() for path in (tmp_path / "var").rglob("*") if path.is_file()]
    assert not any(KEY.encode() in text for text in kept)


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
async def test_record_ends_orderly(tmp_path: Path, by: signal.Signals) -> None:
    flags = ("--symbols", "ALPHA", "--out", str(tmp_path / "ticks"))
    async with serve_paper("--symbols", "ALPHA") as server:
        await server.price("ALPHA", "101.00")
        code, _, err = await ended_by(by, server, "price feed is connected", "record", *flags)
    assert (code, "Traceback" in err) == (0, False)
