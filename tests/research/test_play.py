"""A run on an event loop it shares with others: the same result, and everybody gets a turn."""

import asyncio
from dataclasses import replace
from datetime import date

from olaf_async.app import replay, rules
from olaf_async.research.paper_day import PAPER_DAY, SAMPLE
from olaf_async.research.play import STEPS, play
from olaf_async.research.results import RunResult
from olaf_async.research.runs import Run
from olaf_async.settings import load_settings


def made_run(day: date = PAPER_DAY) -> Run:
    settings = load_settings(SAMPLE / "settings.toml")
    setups = [
        setup for setup in rules.load_setups(settings, SAMPLE / "setups.csv") if setup.entry_date == day
    ]
    return replay.prepare_replay(settings, replay.Bars(SAMPLE / "bars"), setups)


def timeless(result: RunResult) -> RunResult:
    return replace(result, elapsed_ns=0)


HAPPENINGS = sum(1 for _ in made_run().steps())


async def test_a_run_on_the_loop_gives_what_a_run_off_it_gives() -> None:
    result = await play(made_run())
    assert timeless(result) == timeless(made_run().finish())
    assert len(result.trades) == 2


async def test_other_tasks_get_a_turn_every_few_happenings() -> None:
    run = made_run()
    turns: list[int] = []
    seen = 0

    def look(_: Run) -> None:
        nonlocal seen
        seen += 1

    async def others() -> None:
        while True:
            turns.append(seen)
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    await play(run, look)
    other.cancel()
    assert HAPPENINGS > 5 * STEPS
    assert seen == HAPPENINGS
    assert turns[: HAPPENINGS // STEPS + 1] == [STEPS * number for number in range(HAPPENINGS // STEPS + 1)]


async def test_two_runs_share_the_loop_without_touching_each_other() -> None:
    days = (PAPER_DAY, date(2015, 1, 27))
    runs = [made_run(day) for day in days]
    order: list[int] = []
    looks = [lambda _, number=number: order.append(number) for number in range(2)]
    results = await asyncio.gather(*(play(run, look) for run, look in zip(runs, looks, strict=True)))
    assert [timeless(result) for result in results] == [timeless(made_run(day).finish()) for day in days]
    assert order[: 3 * STEPS] == [0] * STEPS + [1] * STEPS + [0] * STEPS


async def test_a_cancelled_run_keeps_what_it_has_replayed_so_far() -> None:
    run = made_run()

    def cancel_after_a_trade(_: Run) -> None:
        if run.result().trades:
            task.cancel()

    task = asyncio.create_task(play(run, cancel_after_a_trade))
    (outcome,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(outcome, asyncio.CancelledError)
    assert run.result().trades == made_run().finish().trades[:1]
