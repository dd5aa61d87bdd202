"""``live`` on paper, begun again on the same day: the account is the one of before."""

from pathlib import Path

import pytest

from olaf_async.domain.intents import Severity
from olaf_async.domain.order import Terms
from olaf_async.domain.trade import ExitReason
from tests.test_live import PRINTS, Stage, here, replayed, settings_of, stage, worth
from tests.test_live_restart import HELD, begins, dies, executed_again, plays

__all__ = ["here"]


def codes(day: Stage) -> set[str]:
    """What this run has said that is more than a note."""
    (today,) = day.run.day.result(day.step.now_ns()).days
    return {say.code for _, say in today.says if say.severity is not Severity.NOTE}


def held_and_working(day: Stage) -> tuple[int, int]:
    """Shares and orders that the engine believes in."""
    assert day.stop.engine is not None
    (trader,) = day.stop.engine.engine.traders.values()
    return trader.state.held, len(trader.state.slots)


def the_stop(day: Stage) -> Terms:
    """What the order at work was sent with."""
    assert day.stop.engine is not None
    (trader,) = day.stop.engine.engine.traders.values()
    (stop,) = trader.state.slots
    return stop.terms


@pytest.mark.parametrize("after", range(1, len(PRINTS)))
async def test_a_day_that_is_cut_between_any_two_prints_has_the_trade_of_one_that_is_not(
    tmp_path: Path, after: int
) -> None:
    async with stage(tmp_path) as day:
        await begins(day)
        await plays(day, PRINTS[:after])
        before = held_and_working(day)
        await dies(day)
        await begins(day)
        assert held_and_working(day) == before
        await plays(day, PRINTS[after:])
        await day.move_to("09:25:30")
        ended = await day.ended()
        assert codes(day) == set()
    assert ended.exit_code == 0
    assert ended.result is not None
    _, (whole,) = replayed(tmp_path, day.settings)
    (record,) = ended.result.trades
    assert record.trade.reason is ExitReason.SESSION_END
    entry_value, exit_value, reason, initial_stop, _, charges = worth(record)
    assert (entry_value, exit_value, reason, initial_stop, charges) == (*whole[:4], whole[5])
    (journal,) = (tmp_path / "var").glob("*-paper.journal")
    assert executed_again(journal) == (2, None)


async def test_a_stop_that_the_price_passed_meanwhile_fills_at_the_next_print(tmp_path: Path) -> None:
    async with stage(tmp_path) as day:
        await begins(day)
        await plays(day, HELD)
        await dies(day)
        await day.move_to("09:18:00")
        await begins(day)
        await day.print("09:18:10", "94.80")
        await day.move_to("09:25:30")
        ended = await day.ended()
    assert ended.exit_code == 0
    assert ended.result is not None
    (record,) = ended.result.trades
    assert (record.trade.reason, record.trade.exit_value) == (ExitReason.STOP, 94_80)


async def test_the_account_is_the_same_after_any_number_of_runs(tmp_path: Path) -> None:
    async with stage(tmp_path, settings_of(paper__partial_fills=True, risk__quantity=7)) as day:
        for print_ in PRINTS:
            await begins(day)
            await plays(day, (print_,))
            await dies(day)
        await begins(day)
        await plays(day, tuple((f"09:22:{second}", "101.70") for second in range(20, 50, 2)))
        await day.move_to("09:25:30")
        ended = await day.ended()
    assert ended.exit_code == 0
    assert ended.result is not None
    (record,) = ended.result.trades
    assert record.trade.quantity == 7
    assert not ended.result.unclosed


async def test_a_stop_that_was_jumped_before_is_re_priced_and_takes_the_next_print(tmp_path: Path) -> None:
    async with stage(tmp_path) as day:
        await begins(day)
        await plays(day, HELD)
        await day.print("09:17:45", "88.00")
        await dies(day)
        await begins(day)
        await day.print("09:17:50", "87.50")
        await day.move_to("09:25:30")
        ended = await day.ended()
    assert ended.result is not None
    (record,) = ended.result.trades
    assert (record.trade.reason, record.trade.exit_value) == (ExitReason.STOP, 87_50)


async def test_one_that_the_price_has_come_back_to_needs_no_second_trigger(tmp_path: Path) -> None:
    async with stage(tmp_path) as day:
        await begins(day)
        await plays(day, HELD)
        await day.print("09:17:45", "88.00")
        stop = the_stop(day)
        await dies(day)
        await begins(day)
        await day.print("09:17:45", "99.00")
        await day.move_to("09:25:30")
        ended = await day.ended()
    assert ended.result is not None
    (record,) = ended.result.trades
    assert (stop.trigger, record.trade.exit_value) == (95_00, stop.price)
