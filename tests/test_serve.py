"""``serve-paper``: what its flags and settings mean, and how the process begins and ends."""

import asyncio
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from datetime import date
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

import olaf_async
from olaf_async.adapters.paper.server.prices import Step
from olaf_async.app.replay import Bars, Ticks
from olaf_async.app.serve import Serving, delayed, new_desk, prepare_market, read_symbols, serve_rules
from olaf_async.cli import main
from olaf_async.errors import ConfigError
from olaf_async.settings import Settings, load_settings
from tests.made_market import MONDAY, TUESDAY, write_market
from tests.paper_server import serve_paper
from tests.wire.step_clock import StepClock

SETTINGS = Settings()
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(olaf_async.__file__).parents[1])}


@pytest.fixture
def market(tmp_path: Path) -> Path:
    return write_market(tmp_path / "ticks")


# ------------------------------------------------------------------------------------------------- the rules


def test_nothing_set_means_the_sandbox_without_charges_and_without_square_off() -> None:
    rules = serve_rules(load_settings(env={}))
    assert (rules.exchange_true, rules.charges, rules.square_off_s) == (False, None, None)


def test_what_is_set_counts_even_where_it_is_the_default_of_replay() -> None:
    rules = serve_rules(load_settings(overrides={"paper.exchange_true": True}, env={}), 15 * 3600)
    assert rules.exchange_true
    assert rules.charges is not None
    assert rules.square_off_s == 15 * 3600
    charged = serve_rules(load_settings(overrides={"paper.charges": True}, env={}))
    assert (charged.exchange_true, charged.charges is None) == (False, False)


def test_the_key_of_the_settings_is_the_key_of_the_server() -> None:
    serving = Serving(symbols={"SBIN": None})
    made = prepare_market(SETTINGS, serving)
    keyed = load_settings(overrides={"broker.api_key": "sesame"}, env={})
    desk = new_desk(keyed, serving, made, StepClock(0))
    assert (desk.accepts("sesame"), desk.accepts("other")) == (True, False)
    assert new_desk(SETTINGS, serving, made, StepClock(0)).accepts("other")


# ------------------------------------------------------------------------------------------------ the symbols


def test_symbols_come_by_comma_or_from_a_file_with_tick_sizes(tmp_path: Path) -> None:
    assert read_symbols("SBIN, M&M,BAJAJ-AUTO") == {"SBIN": None, "M&M": None, "BAJAJ-AUTO": None}
    file = tmp_path / "symbols.csv"
    file.write_text("symbol,tick_size\nSBIN,0.10\n\nM&M  # no tick\n# nothing\nITC,0.01\n", encoding="utf-8")
    assert read_symbols(str(file)) == {"SBIN": 10, "M&M": None, "ITC": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SBIN,x", "line 1: tick size"),
        ("ITC\nSBIN,0", "line 2"),
        ("", "names no symbol"),
        ("SBIN,0.001", "line 1"),
    ],
)
def test_a_file_of_symbols_that_is_not_one_is_refused_by_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "symbols.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        read_symbols(str(file))


@pytest.mark.parametrize("text", [",", "", "a b", "./missing.csv", "missing.csv", "SBIN,missing.txt"])
def test_a_list_that_names_no_symbol_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        read_symbols(text)


# ------------------------------------------------------------------------------------------------- the market


def test_the_newest_day_is_played_by_time_and_then_by_symbol(market: Path) -> None:
    newest = prepare_market(SETTINGS, Serving(source=Ticks(market)))
    assert (newest.day, newest.prints) == (TUESDAY, 2)
    monday = prepare_market(SETTINGS, Serving(source=Ticks(market), day=MONDAY))
    steps = list(monday.steps)
    assert monday.prints == len(steps) == 11
    assert [step.symbol for step in steps[:4]] == ["ALPHA", "ALPHA", "BETA", "ALPHA"]
    assert steps == sorted(steps, key=lambda step: (step.at_ns, step.symbol))
    assert dict(monday.tick_sizes) == {"ALPHA": 5, "BETA": 5}


def test_named_symbols_alone_are_played_and_those_without_prices_are_listed_too(market: Path) -> None:
    serving = Serving(source=Ticks(market), day=MONDAY, symbols={"BETA": 10, "SBIN": None})
    made = prepare_market(SETTINGS, serving)
    assert dict(made.tick_sizes) == {"BETA": 10, "SBIN": 5}
    assert {step.symbol for step in made.steps} == {"BETA"}


def test_a_tick_size_comes_from_the_flag_before_the_table_of_its_day(market: Path) -> None:
    made = prepare_market(SETTINGS, Serving(source=Ticks(market), day=MONDAY, tick_size=1))
    assert set(made.tick_sizes.values()) == {1}


def test_a_bar_is_played_as_four_prices_of_which_three_are_reached_without_a_gap(tmp_path: Path) -> None:
    bars = tmp_path / "SBIN.csv"
    rows = "2026-11-20 09:15:00,800,804,798,802,1\n2026-11-20 09:16:00,801,801,799,799,1\n"
    bars.write_text("ts,open,high,low,close,volume\n" + rows, encoding="utf-8")
    steps = list(prepare_market(SETTINGS, Serving(source=Bars(tmp_path))).steps)
    start = steps[0].at_ns
    assert [Step(step.at_ns - start, *rest_of(step)) for step in steps] == [
        Step(second * 1_000_000_000, "SBIN", price * 100, is_reached)
        for second, price, is_reached in (
            (0, 800, False), (15, 798, True), (30, 804, True), (45, 802, True),
            (60, 801, False), (75, 801, True), (90, 799, True), (105, 799, True),
        )
    ]  # fmt: skip


def rest_of(step: Step) -> tuple[str, int, bool]:
    return step.symbol, step.price, step.continuous


def test_a_day_or_a_symbol_without_prices_is_refused(market: Path) -> None:
    for serving in (
        Serving(source=Ticks(market), day=date(2021, 6, 9)),
        Serving(source=Ticks(market), symbols={"SBIN": None}),
    ):
        with pytest.raises(ConfigError, match="has no prices"):
            prepare_market(SETTINGS, serving)


# ------------------------------------------------------------------------------------------------ the process


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
async def test_it_says_where_it_is_and_ends_well_closing_its_clients(by: signal.Signals) -> None:
    async with serve_paper("--symbols", "SBIN") as served:
        assert served.told["symbols"] == ["SBIN"]
        assert served.told["rest"] == f"http://127.0.0.1:{served.told['port']}"
        async with connect(served.told["ws"]) as connection:
            assert await served.end(by) == (0, "")
            with pytest.raises(ConnectionClosed) as ended:
                await connection.recv()
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 1001


def test_a_person_is_told_what_is_served_and_how_it_ends(market: Path) -> None:
    flags = ("--ticks", str(market), "--wait", "--speed", "60", "--port", "0", "--ws-port", "0")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "olaf_async", "serve-paper", *flags], stdout=theirs, env=ENVIRONMENT
    ) as process:
        os.close(theirs)
        said = ""
        while "Ctrl-C" not in said:
            said += os.read(ours, 4096).decode()
        process.send_signal(signal.SIGINT)
    os.close(ours)
    assert process.returncode == 0
    for told in (
        "REST http://127.0.0.1:",
        "ALPHA",
        f"2 of {TUESDAY}, at speed 60, from the first client",
        "any",
    ):
        assert told in said


async def test_a_visitor_who_does_not_speak_websocket_disturbs_nobody() -> None:
    async with serve_paper("--symbols", "SBIN") as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.told["ws_port"])
        writer.write(b"HELLO\r\n\r\n")
        await reader.read()  # a refusal or not, it ends
        writer.close()
        await writer.wait_closed()
        async with connect(served.told["ws"]) as connection:
            await connection.send('{"action": "ping"}')
            assert json.loads(await connection.recv())["type"] == "pong"
        assert await served.end() == (0, "")


async def test_a_day_at_full_speed_waits_for_its_first_client_and_then_each_tick_arrives(
    market: Path,
) -> None:
    flags = ("--ticks", str(market), "--date", str(MONDAY), "--speed", "0")
    async with serve_paper(*flags) as served, connect(served.told["ws"]) as connection:
        assert (await served.control("/paper/state"))["prints"] == 0
        await connection.send(json.dumps({"action": "auth", "api_key": "test-key"}))
        entries = [{"symbol": symbol, "exchange": "NSE"} for symbol in served.told["symbols"]]
        await connection.send(json.dumps({"action": "subscribe", "symbols": entries, "mode": 1}))
        heard = [json.loads(await connection.recv()) for _ in range(2 + served.told["prints"])]
        ticks = (await served.control("/paper/ticks"))["ticks"]
        frames = [(each["symbol"], each["data"]["ltp"], each["data"]["timestamp"]) for each in heard[2:]]
        assert frames == [(tick["symbol"], tick["ltp"], tick["at_ms"]) for tick in ticks]
        assert len(frames) == 11


async def test_a_request_acts_after_half_the_latency_and_is_answered_after_all_of_it() -> None:
    clock, acted_ns = StepClock(0), []

    async def act(_request: web.Request) -> web.Response:
        acted_ns.append(clock.now_ns())
        return web.Response()

    request = make_mocked_request("POST", "/api/v1/ping")
    answered = asyncio.ensure_future(delayed(clock, 1000)(request, act))
    for when_ns in (500, 1000):
        for _ in range(5):  # let it come to where it waits
            await asyncio.sleep(0)
        assert not answered.done()
        assert clock.next_ns == when_ns
        clock.move_to(when_ns)
    assert (await answered).status == 200
    assert acted_ns == [500]


async def test_orders_are_treated_as_the_settings_say() -> None:
    flags = ("--symbols", "SBIN", "--set", "paper.latency_ms=1", "--set", "paper.exchange_true=true")
    async with serve_paper(*flags) as served, aiohttp.ClientSession() as session:
        await served.price("SBIN", "800")
        order = {
            "apikey": "test-key", "strategy": "t", "symbol": "SBIN", "exchange": "NSE", "action": "BUY",
            "quantity": 1, "pricetype": "LIMIT", "price": 790.03,
        }  # fmt: skip
        async with session.post(served.told["rest"] + "/api/v1/placeorder", json=order) as response:
            assert response.status == 400  # off the tick, which the sandbox would take
            assert "tick" in (await response.json())["message"]


# ------------------------------------------------------------------------------------------------ exit codes


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--ticks", "a", "--bars", "b"),
        ("--symbols", "SBIN", "--speed", "1"),
        ("--symbols", "SBIN", "--wait"),
        ("--ticks", "a", "--speed", "-1"),
        ("--ticks", "a", "--speed", "fast"),
        ("--ticks", "a", "--speed", "nan"),
        ("--ticks", "a", "--bar-span", "60"),
        ("--symbols", "SBIN", "--square-off", "25:00"),
        ("--symbols", "SBIN", "--port", "70000"),
        ("--symbols", "SBIN", "--set", "paper.latency_ms=-1"),
    ],
)
def test_flags_that_make_no_sense_are_a_usage_error(
    flags: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["serve-paper", *flags]) == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize("flags", [("--ticks", "missing"), ("--bars", "."), ("--symbols", "./missing.csv")])
def test_files_that_cannot_be_used_are_exit_code_3(
    flags: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["serve-paper", *flags]) == 3
    assert "Olaf cannot go on" in capsys.readouterr().err


@pytest.mark.parametrize(("taken", "other"), [("--port", "--ws-port"), ("--ws-port", "--port")])
def test_a_port_in_use_is_said_in_a_sentence_with_exit_code_1(taken: str, other: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = str(somebody.getsockname()[1])
        command = ("-m", "olaf_async", "serve-paper", "--symbols", "SBIN", taken, port, other, "0")
        ended = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Olaf cannot listen" in ended.stderr
    assert port in ended.stderr
    assert "Traceback" not in ended.stderr
