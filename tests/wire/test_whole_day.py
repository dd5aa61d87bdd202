"""A day over real sockets: entry in parts, trailing, a stop that is hit, a second entry, the deadline."""

from olaf_async.domain.trade import ExitReason
from tests.wire.day import KEY, WireDay, replayed


async def test_a_day_over_sockets_has_the_trades_of_a_replay() -> None:
    async with WireDay().running() as day:
        day.checks.append(day.never_twice)
        await day.play()
        day.ends_well()
    assert [trade.reason for trade in day.trades] == [ExitReason.STOP, ExitReason.SESSION_END]
    assert all(trade.final_stop > trade.initial_stop for trade in day.trades), "both stops were trailed"
    assert any(0 < held < 10 for held in day.course()), "some fills were partial"
    assert day.trades == replayed()


async def test_the_key_is_in_nothing_that_is_kept() -> None:
    async with WireDay().running() as day:
        await day.play()
    kept = repr((day.journal.records, day.alarms.said, day.trades, day.supervisor.engine.traders))
    assert len(kept) > 10_000
    assert KEY not in kept
