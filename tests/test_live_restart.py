"""``live`` begun again on a day that an earlier run has left open: over real sockets, on a clock moved on."""

import asyncio
import contextlib
from pathlib import Path

from olaf_async.adapters.journal.reading import read
from olaf_async.adapters.journal.rerun import Rerunner
from olaf_async.adapters.paper.orders import OrderRecord
from olaf_async.adapters.paper.server.desk import PaperDesk
from olaf_async.domain.order import Side
from olaf_async.domain.trade import ExitReason
from tests.made_market import MONDAY, TUESDAY_ROW, write_setups_file
from tests.test_live import PRINTS, Stage, Stand, here, settings_of, stage

__all__ = ["here"]

HELD = PRINTS[:5]
"""Until shares are held and their stop rests."""


async def begins(day: Stage) -> None:
    """A run begins; its feed is at work."""
    day.stop = Stand()
    day.begin()
    await day.until(lambda: day.stop.engine is not None)
    await day.until(lambda: day.server.stream.subscribed() == ("ALPHA",))
    await day.settle()


async def dies(day: Stage) -> None:
    """The run ends at once."""
    day.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await day.task
    await day.until(lambda: day.server.stream.subscribed() == ())


async def plays(day: Stage, prints: tuple[tuple[str, str], ...]) -> None:
    for when, price in prints:
        await day.print(when, price)


def orders(desk: PaperDesk, side: Side) -> list[OrderRecord]:
    return [order for order in desk.exchange.records() if order.side is side]


def executed_again(path: Path) -> tuple[int, object]:
    again = Rerunner().run(read(path).records)
    return again.runs, again.difference


async def test_a_day_goes_on_where_the_engine_died_while_shares_were_held(tmp_path: Path) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        await begins(day)
        await plays(day, HELD)
        await dies(day)
        await begins(day)
        await plays(day, PRINTS[5:])
        await day.move_to("09:25:01")
        ended = await day.ended()
        assert len(orders(day.desk, Side.BUY)) == 1
        assert [order.status.value for order in orders(day.desk, Side.SELL)] == ["cancelled", "complete"]
    assert ended.exit_code == 0
    assert ended.result is not None
    (record,) = ended.result.trades
    assert record.trade.reason is ExitReason.SESSION_END
    assert executed_again(tmp_path / "var" / f"{MONDAY}.journal") == (2, None)


async def test_the_bar_in_which_the_engine_came_back_raises_no_stop_and_the_next_one_does(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        await begins(day)
        await plays(day, HELD)
        await dies(day)
        await day.move_to("09:17:50")
        await begins(day)
        (stop,) = orders(day.desk, Side.SELL)
        before = stop.trigger
        await day.print("09:17:55", "100.90")
        await day.move_to("09:18:05")
        assert orders(day.desk, Side.SELL)[0].trigger == before
        await plays(day, PRINTS[5:7])
        assert orders(day.desk, Side.SELL)[0].trigger > before
        day.stop.force_stop()
        await day.ended()


async def test_shares_still_held_when_the_deadline_has_passed_are_sold_by_the_next_run(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        await begins(day)
        await plays(day, HELD)
        await dies(day)
        await day.move_to("09:22:40")
        await begins(day)
        await day.move_to("09:25:01")
        ended = await day.ended()
        assert sum(order.side.sign * order.filled for order in day.desk.exchange.records()) == 0
    assert ended.exit_code == 0


async def test_a_run_that_may_not_begin_tries_until_it_may_or_a_person_ends_it(tmp_path: Path) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        await begins(day)
        await plays(day, HELD)
        await dies(day)
        settings = day.settings
        day.settings = settings.model_copy(
            update={"broker": settings.broker.model_copy(update={"require_analyzer": False})}
        )
        found = len(day.notes.findings)
        day.stop = Stand()
        day.begin()
        await day.until(lambda: len(day.notes.findings) > found)
        await day.move_to("09:18:00")
        assert not day.task.done()
        day.stop.request_stop()
        ended = await day.ended()
    assert ended.exit_code == 4
    assert ended.why.endswith("An earlier run of the day left ALPHA open: look at the broker now.")


async def test_other_setups_do_not_make_it_forget_what_is_held(tmp_path: Path) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        await begins(day)
        await plays(day, HELD)
        await dies(day)
        write_setups_file(tmp_path / "setups.csv", "ALPHA,2021-06-07,100.05,99.50,0.05,10.00")
        day.stop = Stand()
        day.begin()
        ended = await day.ended()
    assert ended.exit_code == 4
    assert ended.why.startswith("ALPHA: traded today already, and planned otherwise now.")
    assert executed_again(tmp_path / "var" / f"{MONDAY}.journal") == (1, None)


async def test_without_any_setup_left_what_is_held_is_named(tmp_path: Path) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        await begins(day)
        await plays(day, HELD)
        await dies(day)
        write_setups_file(tmp_path / "setups.csv", TUESDAY_ROW)
        day.stop = Stand()
        day.begin()
        ended = await day.ended()
    assert ended.exit_code == 4
    assert ended.why == (
        f"There is no setup to trade on {MONDAY}."
        " An earlier run of the day left ALPHA open: look at the broker now."
    )


async def test_with_another_product_a_day_is_not_gone_on_with(tmp_path: Path) -> None:
    """Its books would not show what is held, and what it sells would be something else."""
    async with stage(tmp_path, settings_of("live")) as day:
        await begins(day)
        await plays(day, HELD)
        await dies(day)
        broker = day.settings.broker.model_copy(update={"product": "CNC"})
        day.settings = day.settings.model_copy(update={"broker": broker})
        day.stop = Stand()
        day.begin()
        ended = await day.ended()
        assert [order.status.value for order in orders(day.desk, Side.SELL)] == ["trigger pending"]
    assert ended.exit_code == 4
    assert "was begun on another account (product MIS then, CNC now)" in ended.why


async def test_a_journal_of_another_account_is_not_gone_on_with(tmp_path: Path) -> None:
    async with stage(tmp_path, settings_of("live")) as day:
        await begins(day)
        await dies(day)
        there = {"host": day.server.rest_url.replace("127.0.0.1", "localhost")}
        day.settings = day.settings.model_copy(
            update={"broker": day.settings.broker.model_copy(update=there)}
        )
        day.stop = Stand()
        day.begin()
        ended = await day.ended()
    assert ended.exit_code == 4
    assert "was begun on another account (server 127.0.0.1:" in ended.why
