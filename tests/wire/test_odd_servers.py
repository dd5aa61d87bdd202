"""What is no fault of the wire: a server that holds orders back, changes its account, or lags behind itself.

Each befalls the day for a while in several of its parts: with an entry at work, with the shares held, at the
deadline. What must hold each time: never two positions, never more for sale than is held, flat at the end.
"""

from collections import defaultdict, deque
from itertools import count
from operator import itemgetter

import pytest
from aiohttp import web

from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.intents import Severity
from olaf_async.domain.order import Side
from olaf_async.domain.price import Paise
from tests.wire import proxy
from tests.wire.day import DAY, END_S, TIMEOUT_S, WireDay
from tests.wire.proxy import Fault, Forward

PARTS = {"an entry works": 11, "shares are held": 100, "the deadline": 599}
FOR_S = 40
BOOKS = {"orderbook": {"orders": [], "statistics": {}}, "tradebook": [], "positionbook": []}


def verb_of(request: web.Request) -> str:
    return request.path.strip("/").split("/")[-1]


def semi_auto(_: WireDay) -> Fault:
    """A person has to approve each order, and does not; what works can be neither moved nor cancelled."""
    numbers = count(1)

    async def fault(request: web.Request, forward: Forward) -> web.StreamResponse:
        match verb_of(request):
            case "placeorder":
                queued = {"message": "Order queued for approval", "mode": "semi_auto"}
                return web.json_response({"status": "success", "pending_order_id": next(numbers), **queued})
            case "modifyorder" | "cancelorder":
                message = "Operation is not allowed in Semi-Auto mode"
                return web.json_response({"status": "error", "message": message}, status=403)
        return await proxy.pass_on(request, forward)

    return fault


def other_account(_: WireDay) -> Fault:
    """The server has been switched to live: its books are empty, and what is sent there goes there."""
    numbers = count(900_001)

    async def fault(request: web.Request, forward: Forward) -> web.StreamResponse:
        verb = verb_of(request)
        if verb in BOOKS:
            return web.json_response({"status": "success", "data": BOOKS[verb]})
        if verb == "placeorder":
            return web.json_response({"status": "success", "orderid": str(next(numbers))})
        if verb in ("modifyorder", "cancelorder"):
            return web.json_response({"status": "error", "message": "Order not found"}, status=404)
        return await proxy.pass_on(request, forward)

    return fault


def lagging_books(day: WireDay, lag_s: float) -> Fault:
    """Every book is as it was so long ago; the calls are as quick as ever."""
    past: defaultdict[str, deque[tuple[int, bytes]]] = defaultdict(deque)

    async def fault(request: web.Request, forward: Forward) -> web.StreamResponse:
        verb, now_ns = verb_of(request), day.clock.now_ns()
        if verb not in BOOKS:
            return await proxy.pass_on(request, forward)
        _, body = await forward()
        known = past[verb]
        known.append((now_ns, body))
        while len(known) > 1 and known[1][0] <= now_ns - lag_s * SECOND_NS:
            known.popleft()
        return web.Response(body=known[0][1], content_type="application/json")

    return fault


async def played(day: WireDay, fault: Fault, from_s: float, for_s: float = FOR_S) -> None:
    """The day, with a server that is odd for a while."""
    day.checks.append(day.never_twice)
    steps: list[tuple[float, Paise | Fault]] = [*DAY, (from_s, fault), (from_s + for_s, proxy.pass_on)]
    for at, what in sorted(steps, key=itemgetter(0)):
        await day.until(at)
        if isinstance(what, int):
            await day.print(what)
        else:
            day.proxy.always = what
    await day.until(END_S + 3 * TIMEOUT_S)  # what is open at the close is waited for, bounded
    assert day.position == 0
    assert (day.working(Side.BUY), day.working(Side.SELL)) == (0, 0)


def alarms_of(day: WireDay) -> set[str]:
    """What a person was called for."""
    return {message.code for _, message in day.alarms.said if message.severity is Severity.ALARM}


@pytest.mark.parametrize(
    ("part", "trades", "calls"),
    [
        ("an entry works", 1, {"queued", "semi_auto", "unprotected"}),
        ("shares are held", 1, {"semi_auto"}),
        ("the deadline", 2, {"semi_auto"}),
    ],
)
async def test_a_server_that_wants_each_order_approved_is_given_no_new_risk_and_what_it_keeps_is_hunted(
    part: str, trades: int, calls: set[str]
) -> None:
    async with WireDay().running() as day:
        await played(day, semi_auto(day), PARTS[part])
        assert len(day.trades) == trades
        assert alarms_of(day) >= calls
        assert day.outcome is not None
        is_anything_kept = "queued" in calls
        assert day.outcome.exit_code == (4 if is_anything_kept else 0), "a person may yet approve it"


@pytest.mark.parametrize(
    ("part", "trades"), [("an entry works", 1), ("shares are held", 1), ("the deadline", 2)]
)
async def test_a_server_that_shows_another_account_is_not_believed_and_given_no_new_risk(
    part: str, trades: int
) -> None:
    async with WireDay().running() as day:
        await played(day, other_account(day), PARTS[part])
        assert len(day.trades) == trades
        assert alarms_of(day) >= {"mode_changed", "unprotected"}
        day.ends_well()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("lag_s", [1.5, 3])
async def test_books_that_lag_cost_no_second_order_and_no_share(part: str, lag_s: float) -> None:
    """Up to two seconds nobody notices; beyond, books that deny a known fill for so long call a person."""
    async with WireDay().running() as day:
        await played(day, lagging_books(day, lag_s), PARTS[part])
        assert ("frozen" in alarms_of(day)) is (lag_s > 2 and part == "an entry works")
        day.ends_well()
