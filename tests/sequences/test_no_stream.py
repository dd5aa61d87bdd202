"""No order stream, or it is down: the prints tell when to look, and the books what has happened."""

from collections.abc import Callable

import pytest

from olaf_async.core import entries, protection
from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import StreamChanged
from olaf_async.domain.order import Side
from olaf_async.domain.price import Paise
from tests.races.world import ENTRY, RISK, SHARES, UNDERCUT, World, play

SLOW_POLL = {"idle_poll_ns": 60 * SECOND_NS}


async def loses_the_stream(world: World) -> None:
    world.broker.loses_frames = True
    world.supervisor.pump.put(StreamChanged(world.clock.now_ns(), is_up=False))
    await world.wait(1)


async def an_entry_fills_and_no_stream_tells(world: World) -> None:
    await loses_the_stream(world)
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=1)
    await world.wait(5)
    reads = world.broker.reads
    await world.wait(10)
    assert world.broker.reads == reads, "nothing has happened, and nothing is asked"
    await world.prints(ENTRY, pause_s=2)


def test_a_print_at_the_resting_entry_asks_for_the_books_now_and_its_fill_is_protected() -> None:
    world = play(an_entry_fills_and_no_stream_tells, rules=SLOW_POLL)
    assert world.protected() == SHARES
    (bought,) = world.exchange.fills
    assert world.orders(Side.SELL)[0].placed_ns - bought.at_ns <= SECOND_NS


def minds_no_print(_state: SymbolState, _price: Paise) -> None:
    """The next poll will tell."""


def test_twin_that_waits_for_the_poll_holds_naked_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "_notice_touch", minds_no_print)
    world = play(an_entry_fills_and_no_stream_tells, rules=SLOW_POLL)
    assert (world.position(), world.protected()) == (SHARES, 0)


async def it_fills_share_by_share(world: World) -> None:
    await loses_the_stream(world)
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=1)
    reads = world.broker.reads
    world.next_fills = [1, 2]
    await world.prints(ENTRY, ENTRY + 3_50, pause_s=5)  # beyond the entry's limit: it fills no further
    assert world.broker.reads - reads >= 9, "every second, also where the price has gone on"
    assert world.protected() == world.position() == 1
    await world.prints(ENTRY, pause_s=2)
    assert world.protected() == world.position() == 3


def test_while_a_touched_entry_works_the_books_are_read_every_second() -> None:
    play(it_fills_share_by_share, rules=SLOW_POLL)


async def the_stop_fills_and_no_stream_tells(world: World) -> None:
    await world.enters()
    await loses_the_stream(world)
    await world.wait(3)
    await world.prints(ENTRY - RISK - 5, pause_s=3)


def test_a_print_at_the_stop_asks_for_the_books_now() -> None:
    world = play(the_stop_fills_and_no_stream_tells, rules=SLOW_POLL)
    assert world.positions() == [0, SHARES, 0]
    assert world.state().held == 0


consider: Callable[[SymbolState, Paise, int], None] = protection.consider


def touches_without_asking(state: SymbolState, price: Paise, now_ns: int) -> None:
    """As before, but nothing is asked because of it."""
    wanted = state.want_seq
    consider(state, price, now_ns)
    state.want_seq, state.touched_ns = wanted, None


def test_twin_that_does_not_ask_believes_for_a_minute_that_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protection, "consider", touches_without_asking)
    world = play(the_stop_fills_and_no_stream_tells, rules=SLOW_POLL)
    assert world.position() == 0
    assert world.state().held == SHARES


async def the_stream_comes_back(world: World) -> None:
    await loses_the_stream(world)
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=1)
    reads = world.broker.reads
    world.broker.loses_frames = False
    world.supervisor.pump.put(StreamChanged(world.clock.now_ns(), is_up=True))
    await world.wait(1)
    assert world.broker.reads > reads, "what it has missed is read at once"


def test_when_it_is_back_the_books_are_read_before_it_is_relied_on() -> None:
    play(the_stream_comes_back, rules=SLOW_POLL)
