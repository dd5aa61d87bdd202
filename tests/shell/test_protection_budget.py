"""The budget for shares without a confirmed stop, on the whole engine: an alarm at it, ticks or none."""

from dataclasses import dataclass

import pytest

from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import OrderUpdated, Verb
from olaf_async.domain.intents import ReportTrade, Severity
from olaf_async.domain.order import Role, Side
from olaf_async.ports.journal import Entry
from tests.races.world import ENTRY, INFY, SHARES, UNDERCUT, World, play

MS_NS = 1_000_000


@dataclass
class Seen:
    """When the first fill was heard of, when each alarm came, and what the trade reported."""

    heard_ns: int
    alarms_ns: list[int]
    reported_ns: list[int]


def seen(world: World) -> Seen:
    heard = next(
        record.at_ns
        for record in world.journal.records
        if isinstance(record.body, OrderUpdated) and record.body.row.filled
    )
    alarms = [
        at_ns
        for at_ns, say in world.alarms.said
        if (say.code, say.severity, say.symbol) == ("unprotected", Severity.ALARM, INFY)
    ]
    trades = [
        record.body.trade.unprotected_ns
        for record in world.journal.records
        if record.entry is Entry.INTENT and isinstance(record.body, ReportTrade)
    ]
    return Seen(heard, alarms, trades)


async def stop_never_arrives(world: World) -> None:
    """The request for the stop hangs; after the fill no price comes any more."""
    world.broker.keep_request(Verb.PLACE, Role.STOP)
    await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=0.5)
    assert world.position() == SHARES
    await world.wait(4)


@pytest.mark.parametrize("budget_s", [1, 3])
def test_without_a_tick_the_alarm_comes_at_the_budget_and_once(budget_s: int) -> None:
    found = seen(play(stop_never_arrives, rules={"unprotected_max_ns": budget_s * SECOND_NS}))
    assert found.alarms_ns == [found.heard_ns + budget_s * SECOND_NS]


def test_ticks_make_it_neither_earlier_nor_later() -> None:
    async def with_ticks(world: World) -> None:
        world.broker.keep_request(Verb.PLACE, Role.STOP)
        await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=0.5)
        await world.prints(*[ENTRY + 5] * 40, pause_s=0.1)

    found = seen(play(with_ticks))
    assert found.alarms_ns == [found.heard_ns + 3 * SECOND_NS]


def test_a_stop_for_a_part_of_the_shares_is_none_for_the_rest() -> None:
    async def in_parts(world: World) -> None:
        world.next_fills = [4]
        world.broker.keep_request(Verb.MODIFY, Role.STOP)
        await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=0.5)
        assert world.protected() == 4
        world.next_fills = [6]
        await world.prints(ENTRY)
        assert world.position() == SHARES
        await world.wait(4.5)

    world = play(in_parts)
    grown = [
        record.at_ns
        for record in world.journal.records
        if isinstance(record.body, OrderUpdated) and record.body.row.filled == SHARES
    ]
    assert seen(world).alarms_ns[:1] == [grown[0] + 3 * SECOND_NS]


def test_where_the_stop_comes_in_time_nobody_is_called_and_the_trade_tells_how_long_it_took() -> None:
    async def slow(world: World) -> None:
        world.broker.hold_frames()
        gate = world.broker.keep_request(Verb.PLACE, Role.STOP)
        await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=0.5)
        world.broker.release_frames()
        await world.wait(1.5)
        gate.open()
        await world.wait(20)
        await world.prints(ENTRY - 20_00, pause_s=2)

    world = play(slow)
    found = seen(world)
    assert found.alarms_ns == []
    (reported_ns,) = found.reported_ns
    placed_ns = next(
        change.at_ns
        for change in world.exchange.history
        if change.order_id == world.orders(Side.SELL)[0].order_id
    )
    assert abs(reported_ns - (placed_ns - found.heard_ns)) <= 20 * MS_NS, "but for the way of the answer"


def test_a_calm_entry_takes_the_way_there_and_back() -> None:
    async def calm(world: World) -> None:
        await world.enters()
        await world.prints(ENTRY - 20_00, pause_s=2)

    found = seen(play(calm))
    assert (found.alarms_ns, found.reported_ns) == ([], [10 * MS_NS])
