"""The process dies and its paper account with it: both are made again from the journal, and agree.

The day and its cuts are those of `test_every_cut`; the account is that of ``live`` on paper. Only what the
journal says has happened there, so a fill whose frame was lost is no fill, and the next print decides anew.
"""

import asyncio
from collections.abc import Iterator

import pytest

from olaf_async.adapters.journal.rerun import recover
from olaf_async.adapters.paper.broker import PaperBroker
from olaf_async.adapters.paper.exchange import PaperExchange, PaperRules
from olaf_async.app.paper import kept_orders, newest_prices, triggered_stops
from olaf_async.core.rules import SECOND_NS
from olaf_async.ports.journal import Record
from olaf_async.settings import BrokerSettings
from olaf_async.shell.supervisor import Outcome
from tests.crash.day import ALL, LATENCY_NS, PRICES, CrashDay, Cut, Outage, What
from tests.crash.test_every_cut import CROSS, FALL, RISE, calm
from tests.crash.truth import course, faults
from tests.races.world import INFY, SHARES

NAKED = "without protection"
"""What the account's history cannot tell: it has what happened before a restart at the time of placing."""
STRIDE = 29


class PaperCrashDay(CrashDay):
    """A day whose exchange is in the process that loses its power; there are prints until the close."""

    def _boot(
        self, kept: list[Record], cut: Cut | None
    ) -> tuple[asyncio.Future[Outcome], asyncio.Future[None]]:
        past = recover(kept)
        if past is not None:
            self.exchange = PaperExchange(PaperRules(), {INFY: 5}, split=lambda left: min(left, 4))
            orders = kept_orders(past.engine, triggered_stops(kept), BrokerSettings())
            self.exchange.take_over(orders, newest_prices(past.engine))
            self._broker = PaperBroker(self.exchange, self._clock, LATENCY_NS)
        return super()._boot(kept, cut)

    async def _print_all(self) -> None:
        await super()._print_all()
        while (now_ns := self._clock.now_ns()) < self.plan.session.close_ns:
            self._print(PRICES[-1][1])
            await self._clock.sleep_until_ns(now_ns + SECOND_NS)


def faults_after(*cuts: Cut, outage: Outage | None = None) -> Iterator[tuple[object, ...]]:
    """What must not have happened, where there were prints enough left to do something."""
    day = PaperCrashDay(*cuts, outage=outage).play()
    if day.lives[-1].began_ns < day.plan.session.close_ns - 5 * SECOND_NS:
        yield from ((*cuts, fault) for fault in faults(day) if NAKED not in fault)


@pytest.mark.parametrize("outage", [None, FALL, RISE, CROSS], ids=["at once", "falls", "rises", "crosses"])
@pytest.mark.parametrize("lost", [0, ALL])
@pytest.mark.parametrize("what", What)
def test_wherever_it_dies_belief_and_account_agree_and_the_day_ends_flat(
    what: What, lost: int, outage: Outage | None
) -> None:
    for number in range(1 + STRIDE // 2 * bool(lost), calm(outage).counts[what] + 1, STRIDE):
        assert list(faults_after(Cut(what, number, lost), outage=outage)) == []


@pytest.mark.parametrize("first", range(20, 700, 85))
def test_it_may_die_again_and_again(first: int) -> None:
    for second in range(1, 120, 17):
        cuts = [Cut(What.CALLBACK, number, ALL) for number in (first, second, 25)]
        assert list(faults_after(*cuts)) == []


def test_what_was_traded_before_is_traded_once() -> None:
    """Cut in the second trade: the first one's shares stay bought and sold, for what they were."""
    first, second = CrashDay().play().outcome.trades  # type: ignore[union-attr] # it has one
    day = PaperCrashDay(Cut(What.CALL, calm().counts[What.CALL] - 6)).play()
    assert day.outcome is not None
    told = [(trade.quantity, trade.entry_value, trade.exit_value) for trade in day.outcome.trades]
    assert told[0] == (first.quantity, first.entry_value, first.exit_value)
    assert told[1][:2] == (second.quantity, second.entry_value)
    value = sum(fill.side.sign * fill.quantity * fill.price for fill in day.exchange.fills)
    assert value == sum(paid - got for _, paid, got in told)
    assert max(moment.held for moment in course(day)) == SHARES
