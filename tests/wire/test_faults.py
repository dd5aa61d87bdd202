"""Whatever the wire does, and whenever: no second entry, no share sold twice, no position without its stop.

Each fault befalls each call of a day in turn. The clock only moves when all has been dealt with, so a fault
costs the time that it costs the engine: an answer that is lost is settled by the books, seconds later.
"""

import asyncio
from collections.abc import Callable

import pytest

from olaf_async.domain.intents import PlaceOrder
from olaf_async.domain.order import Side
from olaf_async.errors import BrokerRejected, BrokerUndecided
from tests.races.world import SHARES
from tests.wire import proxy
from tests.wire.day import DAY, END_S, PassingBroker, WireDay
from tests.wire.proxy import Fault, FrameFault

PROTECTED_WITHIN_S = 30
"""However the wire behaves, a stop stands or the shares are gone by then; the settling of one lost answer."""

ANSWER_FAULTS: dict[str, Fault] = {
    "the answer is lost": proxy.lose_answer,
    "the request is lost": proxy.lose_request,
    "a 500 comes after acceptance": proxy.fail_after_acceptance,
    "the order has no id": proxy.forget_order_id,
    "a limiter says no": proxy.too_many,
    "the session has expired": proxy.no_session,
}
CALLS = (
    *(("placeorder", nth) for nth in range(3)),  # the entry, its stop, the second entry
    *(("modifyorder", nth) for nth in range(3)),  # more shares, the stop raised
    ("cancelorder", 0),  # the stop, at the deadline
)
VERBS = {verb for verb, _ in CALLS}


async def watched(day: WireDay) -> None:
    """Play the day; at each second of it look at what protects the shares."""
    day.checks.append(day.never_twice)
    bare_since: float | None = None
    ahead = list(DAY)
    for second in range(1, END_S + 1):
        while ahead and ahead[0][0] <= second:
            at, price = ahead.pop(0)
            await day.until(at)
            await day.print(price)
        await day.until(second)
        is_bare = day.working(Side.SELL) < day.position
        bare_since = (bare_since if bare_since is not None else second) if is_bare else None
        assert bare_since is None or second - bare_since <= PROTECTED_WITHIN_S, "shares without a stop"


@pytest.mark.parametrize(("verb", "nth"), CALLS)
@pytest.mark.parametrize("fault", ANSWER_FAULTS)
async def test_a_fault_of_one_call_makes_no_second_position_and_loses_no_stop(
    fault: str, verb: str, nth: int
) -> None:
    async with WireDay().running() as day:
        day.proxy.next(verb, *[proxy.pass_on] * nth, ANSWER_FAULTS[fault])
        await watched(day)
        day.ends_well()
        assert not day.proxy.plan[verb], "the fault has happened"


@pytest.mark.parametrize("fault", ANSWER_FAULTS)
async def test_five_faults_in_a_row_are_survived(fault: str) -> None:
    async with WireDay().running() as day:
        for verb in VERBS:
            day.proxy.next(verb, *[ANSWER_FAULTS[fault]] * 5)
        await watched(day)
        day.ends_well()
        assert any(len(left) < 5 for left in day.proxy.plan.values()), "faults have happened"


class Forgetful(PassingBroker):
    """Takes what it does not know for a no."""

    async def place(self, intent: PlaceOrder) -> str:
        try:
            return await super().place(intent)
        except BrokerUndecided as lost:
            raise BrokerRejected("no answer, so no order") from lost


@pytest.mark.parametrize("nth", [0, 1])
async def test_an_engine_that_took_a_lost_answer_for_a_no_would_order_twice(nth: int) -> None:
    async with WireDay(Forgetful).running() as day:
        day.proxy.next("placeorder", *[proxy.pass_on] * nth, proxy.lose_answer)
        with pytest.raises(
            AssertionError, match=r"works beside what is held|more would be sold than is held"
        ):
            await watched(day)


FRAME_FAULTS: dict[str, Callable[[], FrameFault]] = {
    "are dropped": lambda: proxy.drop_order_updates,
    "come twice": lambda: proxy.double_order_updates,
    "come in the wrong order": proxy.Shuffled,
}


@pytest.mark.parametrize("fault", FRAME_FAULTS)
async def test_order_updates_that_go_astray_change_no_trade(fault: str) -> None:
    async with WireDay().running() as day:
        day.proxy.on_frame = FRAME_FAULTS[fault]()
        await watched(day)
        day.ends_well()
    assert [trade.quantity for trade in day.trades] == [SHARES, SHARES]


async def test_an_answer_that_comes_a_minute_late_finds_its_order_known() -> None:
    async with WireDay().running() as day:
        released = asyncio.Event()
        day.proxy.next("placeorder", proxy.hold_until(released))
        day.checks.append(day.never_twice)
        for at, price in DAY:
            if at > 70:
                released.set()
            await day.until(at)
            await day.print(price)
        await day.until(END_S)
        day.ends_well()
    assert len(day.trades) == 2


async def test_an_entry_that_reaches_the_server_after_the_engine_gave_up_waiting_is_the_only_one() -> None:
    async with WireDay().running() as day:
        released = asyncio.Event()
        day.proxy.next("placeorder", proxy.act_when(released))
        day.checks.append(day.never_twice)
        await day.until(10)
        await day.print(DAY[1][1])
        await day.until(18)  # past the time limit of 5 s: the engine does not know
        released.set()
        for at, price in DAY[3:]:
            await day.until(at)
            await day.print(price)
        await day.until(END_S)
        day.ends_well()
    assert day.trades


async def test_a_session_that_ends_stops_new_risk_and_trading_goes_on_when_it_is_back() -> None:
    async with WireDay().running() as day:
        day.checks.append(day.never_twice)
        day.proxy.always = proxy.no_session
        for at, price in DAY[:8]:
            await day.until(at)
            await day.print(price)
        assert day.position == 0
        day.proxy.always = proxy.pass_on
        for at, price in DAY[8:]:
            await day.until(at)
            await day.print(price)
        await day.until(END_S)
        day.ends_well()
    assert len(day.trades) == 1, "the second undercut was traded"


@pytest.mark.parametrize("at_s", [12, 23, 100, 201, 245, 589])
async def test_a_server_that_restarts_costs_no_stop_and_no_second_position(at_s: int) -> None:
    async with WireDay().running() as day:
        day.checks.append(day.never_twice)
        ahead = list(DAY)
        for at, price in ahead:
            if at > at_s and day.server is not None and day.restarts == 0:
                await day.until(at_s)
                await day.stop_server()
                await day.until(at_s + 8)
                await day.start_server()
            await day.until(max(at, day.seconds))
            await day.print(price)
        await day.until(END_S)
        day.ends_well()
    assert day.restarts == 1


@pytest.mark.parametrize("at_s", [12, 23, 100, 201, 245])
async def test_a_stream_that_breaks_is_made_again_and_what_it_missed_is_read(at_s: int) -> None:
    async with WireDay().running() as day:
        day.checks.append(day.never_twice)
        is_cut = False
        for at, price in DAY:
            if at > at_s and not is_cut:
                is_cut = True
                await day.until(at_s)
                await day.proxy.cut_streams()
                await day.settle()
            await day.until(at)
            await day.print(price)
        await day.until(END_S)
        day.ends_well()
    assert day.alarms.codes.count("orders_up") == 2


async def test_a_feed_that_goes_mute_leaves_the_shares_protected_and_is_noticed() -> None:
    async with WireDay().running() as day:
        day.checks.append(day.never_twice)
        for at, price in DAY[:8]:
            await day.until(at)
            await day.print(price)
        day.proxy.is_mute = True
        for at, price in DAY[8:11]:
            await day.until(at)
            await day.print(price)
        assert day.working(Side.SELL) == day.position == SHARES
        day.proxy.is_mute = False
        for at, price in DAY[11:]:
            await day.until(at)
            await day.print(price)
        await day.until(END_S)
        day.ends_well()
    assert "feed_stale" in day.alarms.codes
