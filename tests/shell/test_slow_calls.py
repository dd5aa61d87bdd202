"""A slow call of one symbol delays nobody: prints are taken on time, and others' orders leave at once.

On virtual time, where two seconds are two seconds and a delay can be required to be nothing; and for real, on
asyncio's own loop and on uvloop, where the call is scaled down and delays are measured and bounded.
"""

from collections.abc import Iterator

import pytest

from olaf_async.adapters.journal.memory import MemoryJournal
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import OrderAnswered, Outcome, PriceTouched, Verb
from olaf_async.domain.intents import PlaceOrder
from olaf_async.domain.order import Role, Side
from olaf_async.ports.clock import Clock
from olaf_async.ports.journal import Entry
from tests.races.world import INFY, LATENCY_NS, UNDERCUT, World, plan_of, play

from .harness import LOOPS, NewLoop, for_real

TCS, WIPRO = "TCS", "WIPRO"
STEPS = 20
"""Rounds of prints while the call is out."""


class StampedJournal(MemoryJournal):
    """Also keeps when each record was written."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.stamps_ns: list[int] = []

    def append(self, entry: Entry, at_ns: int, body: object, fingerprint: str | None = None) -> int:
        """See Journal."""
        self.stamps_ns.append(self._clock.now_ns())
        return super().append(entry, at_ns, body, fingerprint)

    def written(self, entry: Entry) -> Iterator[tuple[int, object]]:
        """(when it was written, the body) of all records of a kind."""
        for stamp_ns, record in zip(self.stamps_ns, self.records, strict=True):
            if record.entry is entry:
                yield stamp_ns, record.body


async def one_call_is_slow(world: World, call_s: float) -> None:
    """INFY's entry takes this long to be answered; meanwhile all symbols trade, and TCS triggers."""
    pause_s = call_s / STEPS / 3
    answer = world.broker.keep_answer(Verb.PLACE, Role.ENTRY, INFY)
    world.broker.loses_frames = True  # nor is INFY's lock to be freed by evidence
    await world.prints(UNDERCUT, pause_s=0.1)
    for step in range(STEPS):
        tcs = UNDERCUT if step == STEPS // 4 else 999_00 - step * 5
        await world.prints(999_00 - step * 5, symbol=INFY, pause_s=pause_s)
        await world.prints(tcs, symbol=TCS, pause_s=pause_s)
        await world.prints(999_00 + step * 5, symbol=WIPRO, pause_s=pause_s)
    answer.open()
    await world.wait(0.1)


def tick_delays_ns(journal: StampedJournal) -> list[int]:
    """From each print to the moment the core was told of it."""
    told = journal.written(Entry.EVENT)
    return [stamp_ns - event.at_ns for stamp_ns, event in told if isinstance(event, PriceTouched)]


def order_delay_ns(journal: StampedJournal, symbol: str) -> int:
    """From the print that triggered to the moment the symbol's first entry left."""
    sent_ns = next(
        stamp_ns
        for stamp_ns, intent in journal.written(Entry.SENDING)
        if isinstance(intent, PlaceOrder) and intent.symbol == symbol
    )
    triggered_ns = next(
        event.at_ns
        for _, event in journal.written(Entry.EVENT)
        if isinstance(event, PriceTouched) and event.symbol == symbol and event.price == UNDERCUT
    )
    return sent_ns - triggered_ns


def answered_after_ns(journal: StampedJournal) -> int:
    """From INFY's undercut to the answer to its entry."""
    return next(
        stamp_ns - journal.stamps_ns[0]
        for stamp_ns, event in journal.written(Entry.EVENT)
        if isinstance(event, OrderAnswered) and event.symbol == INFY and event.outcome is Outcome.ACCEPTED
    )


def test_while_a_call_takes_two_seconds_no_print_waits_and_another_symbols_order_leaves_at_once() -> None:
    async def story(world: World) -> None:
        await one_call_is_slow(world, 2)

    world = play(story, plan_of(INFY), plan_of(TCS), plan_of(WIPRO), new_journal=StampedJournal)
    journal = world.journal
    assert isinstance(journal, StampedJournal)
    assert len(tick_delays_ns(journal)) >= 3 * STEPS + 1
    assert set(tick_delays_ns(journal)) == {0}
    assert order_delay_ns(journal, TCS) == LATENCY_NS, "one read of the books, and nothing else"
    assert answered_after_ns(journal) >= 2 * SECOND_NS
    assert len(world.orders(Side.BUY, TCS)) == 1


@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)
def test_and_so_it_is_for_real(new_loop: NewLoop) -> None:
    """The call is cut to 0.4 s. A print that waited for it, or an order, would be late by most of that."""

    async def story(world: World) -> None:
        await one_call_is_slow(world, 0.4)

    world = for_real(new_loop, story, INFY, TCS, WIPRO, new_journal=StampedJournal)
    journal = world.journal
    assert isinstance(journal, StampedJournal)
    delays_ns = sorted(tick_delays_ns(journal))
    assert len(delays_ns) >= 3 * STEPS + 1
    assert delays_ns[len(delays_ns) // 2] < SECOND_NS // 50
    assert delays_ns[-1] < SECOND_NS // 5
    assert order_delay_ns(journal, TCS) < LATENCY_NS + SECOND_NS // 5
    assert answered_after_ns(journal) >= 4 * SECOND_NS // 10
    assert len(world.orders(Side.BUY, TCS)) == 1
