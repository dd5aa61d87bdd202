"""A small day on the machine's own clock, on asyncio's loop and on uvloop.

In, stopped out, in again, ordered out; each step waits for the one before, however long that takes.
"""

import pytest

from olaf_async.domain.events import Command, Commanded
from olaf_async.domain.order import Side
from olaf_async.domain.trade import ExitReason
from olaf_async.shell.supervisor import EXIT_FINE
from tests.races.world import ENTRY, RISK, SHARES, UNDERCUT, World

from .harness import LOOPS, NewLoop, for_real


async def a_small_day(world: World) -> None:
    for _ in range(2):
        await world.prints(UNDERCUT)
        await world.comes_true(lambda: len(world.working(Side.BUY)) == 1)
        await world.prints(ENTRY - 1_00, ENTRY, pause_s=0.01)
        await world.comes_true(lambda: world.protected() == SHARES)
        if not world.supervisor.outcome.trades:
            await world.prints(ENTRY - RISK - 5)
            await world.comes_true(lambda: len(world.supervisor.outcome.trades) == 1)
    world.supervisor.pump.put(Commanded(world.clock.now_ns(), Command.FLATTEN))
    await world.comes_true(lambda: len(world.supervisor.outcome.trades) == 2)
    world.supervisor.request_stop()
    await world.comes_true(lambda: world.outcome is not None)


@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)
def test_a_small_day_is_the_same_on_every_loop(new_loop: NewLoop) -> None:
    world = for_real(new_loop, a_small_day)
    assert world.outcome is not None
    assert world.outcome.exit_code == EXIT_FINE
    assert [trade.reason for trade in world.outcome.trades] == [ExitReason.STOP, ExitReason.OPERATOR]
    assert world.positions() == [0, SHARES, 0, SHARES, 0]
    assert world.working(Side.SELL) == []
    assert [message.code for _, message in world.alarms.said] == []
