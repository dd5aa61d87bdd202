"""The paper day: the sample shows what it was chosen for, and its scenes are true at every moment."""

from datetime import date, datetime, time
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from olaf_async.adapters.replay.files import PriceColumns
from olaf_async.app import replay, rules
from olaf_async.domain.order import Role
from olaf_async.domain.setup import Setup
from olaf_async.domain.trade import ExitReason
from olaf_async.research.paper_day import (
    DAYS_WITH_TRADES,
    PAPER_DAY,
    SAMPLE,
    Director,
    Scene,
    Stretch,
    stretches,
)
from olaf_async.research.results import RunResult
from olaf_async.research.safety_figures import Limits, Verdict, checks, safety_figures
from olaf_async.settings import Settings, load_settings

INDIA = ZoneInfo("Asia/Kolkata")
SETTINGS = load_settings(SAMPLE / "settings.toml", env={})


def at(clock: str, day: date = PAPER_DAY) -> int:
    return int(datetime.combine(day, time.fromisoformat(clock), INDIA).timestamp()) * 10**9


def setups(day: date = PAPER_DAY) -> tuple[Setup, ...]:
    return tuple(
        each for each in rules.load_setups(SETTINGS, SAMPLE / "setups.csv") if each.entry_date == day
    )


@cache
def result(settings: Settings = SETTINGS, day: date = PAPER_DAY) -> RunResult:
    return replay.prepare_replay(settings, replay.Bars(SAMPLE / "bars"), setups(day)).finish()


def is_calm(run: RunResult) -> bool:
    checked = checks(safety_figures(run.days), Limits(attempts_max=3, unprotected_ms_max=3000))
    return all(check.verdict is Verdict.GOOD for check in checked)


@cache
def watched() -> tuple[tuple[Stretch, ...], Director]:
    run = replay.prepare_replay(SETTINGS, replay.Bars(SAMPLE / "bars"), setups())
    folder = replay.open_prices(SETTINGS, replay.Bars(SAMPLE / "bars"))
    prices: dict[str, PriceColumns] = {}
    for setup in setups():
        columns = folder.read(setup.symbol, PAPER_DAY)
        assert columns is not None
        prices[setup.symbol] = columns
    sessions = {each.symbol: rules.session_for(SETTINGS, PAPER_DAY, each.symbol) for each in setups()}
    director = Director(setups(), sessions, prices, 3600 * 10**9)
    return tuple(stretches(run, at("15:30:00"))), director


def scene(clock: str) -> Scene:
    """The day as it is shown at this time."""
    stretched, director = watched()
    now_ns = at(clock)
    (stretch,) = (each for each in stretched if each.from_ns <= now_ns < each.until_ns)
    return director.scene(stretch, now_ns)


# ------------------------------------------------------------------------------------------ what it shows


def test_one_day_shows_all_that_the_sample_promises() -> None:
    day = result().days[0]
    reasons = {record.trade.symbol: record.trade.reason for record in day.trades}
    assert reasons == {"FORTIS": ExitReason.STOP, "FEDERALBNK": ExitReason.SESSION_END}
    assert (day.triggers, day.entries) == (5, 2)
    entries_cancelled = [o for o in day.orders if o.role is Role.ENTRY and o.change == "cancelled"]
    assert len(entries_cancelled) == 3
    raised = [o for o in day.orders if o.role is Role.STOP and o.change == "modified"]
    assert len(raised) >= 5, "the stop hardly trails"
    stopped = day.trades[0].trade
    assert stopped.symbol == "FORTIS"
    assert stopped.final_stop == stopped.initial_stop
    assert is_calm(result())


def test_with_the_default_bars_nothing_of_the_sample_lasts_until_the_deadline() -> None:
    listed = rules.load_setups(SETTINGS, SAMPLE / "setups.csv")
    trades = replay.prepare_replay(Settings(), replay.Bars(SAMPLE / "bars"), listed).finish().trades
    assert {record.trade.reason for record in trades} == {ExitReason.STOP}


def test_every_day_of_the_sample_runs_safely() -> None:
    days = {each.entry_date for each in rules.load_setups(SETTINGS, SAMPLE / "setups.csv")}
    assert len(days) == 8
    for day in sorted(days):
        run = result(SETTINGS, day)
        assert run.left_out == ()
        assert run.unclosed == ()
        assert is_calm(run), day
    assert tuple(day for day in sorted(days) if result(SETTINGS, day).trades) == DAYS_WITH_TRADES


# ------------------------------------------------------------------------------------------ scenes


def test_stretches_follow_each_other_without_a_gap_until_the_close() -> None:
    stretched, _ = watched()
    assert len(stretched) > 20
    for before, after in pairwise(stretched):
        assert before.from_ns < before.until_ns == after.from_ns
    assert stretched[-1].until_ns == at("15:30:00")


def test_watching_changes_nothing() -> None:
    stretched, _ = watched()
    last = stretched[-1].progress.so_far
    assert last.trades == result().trades
    assert last.orders == result().orders


@pytest.mark.parametrize(
    ("clock", "doing", "stop"),
    [
        ("09:17:00", "waits for 109.30", None),
        ("09:20:45", "sell stop rests at 108.80", None),
        ("09:30:00", "short 500 from 108.80", 11060),
        ("11:00:00", "done for the day", None),
    ],
)
def test_a_symbol_says_what_it_is_doing(clock: str, doing: str, stop: int | None) -> None:
    (fortis,) = (each for each in scene(clock).symbols if each.symbol == "FORTIS")
    assert (fortis.doing, fortis.stop) == (doing, stop)
    assert fortis.is_held == doing.startswith("short")


def test_nothing_is_shown_before_its_time() -> None:
    stretched, director = watched()
    for stretch in stretched:
        for now_ns in (stretch.from_ns, stretch.until_ns - 1):
            shown = director.scene(stretch, now_ns)
            assert all(line.at_ns <= now_ns for line in shown.lines)
            for symbol in shown.symbols:
                columns = director._prices[symbol.symbol]
                assert len(symbol.prices) == int((columns.t_ns <= now_ns).sum())


def test_sums_are_of_the_moment() -> None:
    before, during, after = (scene(clock) for clock in ("09:16:00", "12:00:00", "15:00:00"))
    assert (before.realised, before.open_gross, before.trades) == (0, 0, 0)
    assert during.trades == 1
    assert during.realised == -95820
    (bank,) = (each for each in during.symbols if each.symbol == "FEDERALBNK")
    assert during.open_gross == (14740 - bank.prices[-1]) * 500 == bank.net
    assert during.orders_working == 1
    assert (after.trades, after.open_gross, after.orders_working) == (2, 0, 0)
    assert after.realised == result().net == 26853
    assert before.ticks < during.ticks < after.ticks < result().ticks


def test_an_open_position_moves_with_the_price_between_two_happenings() -> None:
    stretched, director = watched()
    held = [
        each for each in stretched if each.progress.positions and each.until_ns - each.from_ns > 600 * 10**9
    ]
    assert held
    for stretch in held:
        worths = {
            director.scene(stretch, ns).open_gross
            for ns in range(stretch.from_ns, stretch.until_ns, 60 * 10**9)
        }
        assert len(worths) > 1


def test_a_run_without_a_happening_has_no_scene() -> None:
    run = replay.prepare_replay(SETTINGS, replay.Bars(SAMPLE / "bars"), ())
    assert list(stretches(run, 0)) == []


def test_the_speed_shown_leaves_out_the_reading_of_files() -> None:
    stretched, _ = watched()
    speeds = [each.ticks_per_s for each in stretched]
    assert speeds[0] == 0
    assert speeds[-1] > stretched[-1].progress.so_far.ticks_per_s
