"""One line to the server: taken, lost and dialled again, and the key in nothing that a person reads."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from olaf_async.adapters.openalgo.connection import (
    AUTHENTICATE_WITHIN_NS,
    DELAY_MAX_NS,
    FIRST_DELAY_NS,
    FRAME_MAX,
    PROVED_NS,
    REFUSED_DELAY_NS,
    Dialer,
    KeyRefused,
    Line,
    LineLost,
)
from olaf_async.adapters.openalgo.numbers import WireError
from olaf_async.adapters.openalgo.wire.frames import ErrorFrame, TickFrame
from tests.adapters.openalgo.talking_server import (
    AUTH_BAD,
    BOUND_S,
    KEY,
    NO_BROKER,
    NOON_NS,
    Talk,
    TalkingServer,
    port_of,
    talking_server,
    tick,
    until,
    until_asleep,
)
from tests.wire.step_clock import StepClock

FAR_NS = NOON_NS + 10**18


def dialer(url: str, clock: StepClock, *, jitter: float = 0.0, needs_prices: bool = True) -> Dialer:
    return Dialer(url, KEY, clock, lambda: jitter, needs_prices=needs_prices)


class Call:
    """A line held open until it is hung up, in a task of its own."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._lines: asyncio.Queue[Line] = asyncio.Queue()
        self._hang_up = asyncio.Event()
        self.task = asyncio.create_task(self._hold())

    async def _hold(self) -> None:
        async with self._dialer.line() as line:
            self._lines.put_nowait(line)
            await self._hang_up.wait()

    async def line(self) -> Line:
        return await self._lines.get()

    async def hang_up(self) -> None:
        self._hang_up.set()
        await self.task


@asynccontextmanager
async def lines(server: TalkingServer, clock: StepClock) -> AsyncIterator[tuple[Line, Talk]]:
    """A line, and the server's end of it."""
    call = Call(dialer(server.url, clock))
    talk = await server.talk()
    await talk.enter()
    yield await call.line(), talk
    await call.hang_up()


# --- a line -------------------------------------------------------------------------------------------


async def test_a_line_shows_its_key_before_anything_else_and_then_hears() -> None:
    async with talking_server() as server, lines(server, StepClock(NOON_NS)) as (line, talk):
        await line.send('{"action":"subscribe"}')
        await talk.hear("subscribe")
        await talk.say(tick("SBIN", 800.05))
        assert isinstance(await line.receive(FAR_NS), TickFrame)


async def test_a_frame_that_cannot_be_read_leaves_the_line_as_good_as_before() -> None:
    async with talking_server() as server, lines(server, StepClock(NOON_NS)) as (line, talk):
        await talk.say("{", b"\xff\xfe", tick("SBIN", "many"), tick("SBIN", 800.05))
        for _ in range(3):
            with pytest.raises(WireError):
                await line.receive(FAR_NS)
        assert isinstance(await line.receive(FAR_NS), TickFrame)


async def test_a_deadline_ends_the_waiting_and_not_the_line() -> None:
    clock = StepClock(NOON_NS)
    async with talking_server() as server, lines(server, clock) as (line, talk):
        waiting = asyncio.create_task(line.receive(NOON_NS + 5))
        await until_asleep(clock, NOON_NS + 5)
        clock.move_to(NOON_NS + 5)
        assert await waiting is None
        await talk.say(tick("SBIN", 800.05))
        assert isinstance(await line.receive(FAR_NS), TickFrame)


async def test_something_else_that_is_done_ends_the_waiting() -> None:
    async with talking_server() as server, lines(server, StepClock(NOON_NS)) as (line, _):
        other = asyncio.get_running_loop().create_future()
        waiting = asyncio.create_task(line.receive(FAR_NS, other))
        other.set_result(None)
        assert await waiting is None


async def test_a_cancelled_receive_loses_no_frame() -> None:
    clock = StepClock(NOON_NS)
    async with talking_server() as server, lines(server, clock) as (line, talk):
        waiting = asyncio.create_task(line.receive(FAR_NS))
        await until_asleep(clock, FAR_NS)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await talk.say(tick("SBIN", 800.05))
        assert isinstance(await line.receive(FAR_NS), TickFrame)


async def test_frames_sent_before_the_loss_are_heard_and_then_the_loss() -> None:
    async with talking_server() as server, lines(server, StepClock(NOON_NS)) as (line, talk):
        await talk.say(tick("SBIN", 800.05))
        await talk.connection.close(1001)
        assert isinstance(await line.receive(FAR_NS), TickFrame)
        with pytest.raises(LineLost, match="closed with 1001"):
            await line.receive(FAR_NS)
        with pytest.raises(LineLost, match="closed with 1001"):
            await line.send("{}")


async def test_a_connection_that_breaks_without_a_word_is_lost() -> None:
    async with talking_server() as server, lines(server, StepClock(NOON_NS)) as (line, talk):
        talk.connection.transport.abort()
        with pytest.raises(LineLost, match="broke off"):
            await line.receive(FAR_NS)


async def test_a_frame_past_the_bound_is_the_end_of_the_line() -> None:
    async with talking_server() as server, lines(server, StepClock(NOON_NS)) as (line, talk):
        await talk.say("x" * (FRAME_MAX + 1))
        with pytest.raises(LineLost, match="broke off"):
            await line.receive(FAR_NS)


# --- the key ------------------------------------------------------------------------------------------


async def test_the_key_is_in_no_log_message_or_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("websockets", "websockets.client", "olaf.websocket"):
        caplog.set_level(logging.DEBUG, logger=name)
    clock = StepClock(NOON_NS)
    async with talking_server() as server:
        ours = dialer(server.url, clock)
        call = Call(ours)
        talk = await server.talk()
        await talk.enter()
        line = await call.line()
        await talk.say({"status": "error", "code": "INVALID_JSON", "message": f"what is {KEY}?"})
        assert await line.receive(FAR_NS) == ErrorFrame("INVALID_JSON", "what is ***?")
        await talk.connection.close(4000, f"no {KEY}")
        with pytest.raises(LineLost) as lost:
            await line.receive(FAR_NS)
        await call.hang_up()
    ours_logged = [record for record in caplog.records if not record.name.startswith("websockets.server")]
    said = [str(lost.value), repr(ours), repr(line), *(record.getMessage() for record in ours_logged)]
    assert not any(KEY in text for text in said)


async def test_a_redirect_is_a_failure_and_the_key_goes_nowhere_else() -> None:
    def elsewhere(connection: ServerConnection, _: Request) -> Response:
        response = connection.respond(HTTPStatus.FOUND, "")
        response.headers["Location"] = other.url
        return response

    async with (
        talking_server() as other,
        serve(other.converse, "127.0.0.1", 0, process_request=elsewhere) as first,
    ):
        async with asyncio.timeout(BOUND_S):
            with pytest.raises(LineLost, match="302"):
                await Call(dialer(f"ws://127.0.0.1:{port_of(first)}", StepClock(NOON_NS))).task
        assert other.conversations.empty()


# --- authentication -----------------------------------------------------------------------------------


async def test_a_refused_key_is_said_and_tried_again_only_much_later() -> None:
    clock = StepClock(NOON_NS)
    async with talking_server() as server:
        ours = dialer(server.url, clock)
        call = Call(ours)
        talk = await server.talk()
        await talk.hear("authenticate")
        await talk.say(AUTH_BAD)
        with pytest.raises(KeyRefused, match="Invalid API key"):
            await call.task
        again = Call(ours)
        await until_asleep(clock, NOON_NS + REFUSED_DELAY_NS)
        assert server.conversations.empty()
        clock.move_to(NOON_NS + REFUSED_DELAY_NS)
        await (await server.talk()).enter()
        await again.line()
        await again.hang_up()


async def test_a_server_that_closes_an_unproved_line_is_said_as_it_said() -> None:
    async with talking_server() as server:
        call = Call(dialer(server.url, StepClock(NOON_NS)))
        talk = await server.talk()
        await talk.connection.close(4401, "auth timeout")
        with pytest.raises(LineLost, match="closed with 4401 auth timeout"):
            await call.task


async def test_a_server_that_never_answers_the_key_is_given_up() -> None:
    clock = StepClock(NOON_NS)
    async with talking_server() as server:
        call = Call(dialer(server.url, clock))
        talk = await server.talk()
        await talk.hear("authenticate")
        await talk.say("garbage", tick("SBIN", 800.05))
        await until_asleep(clock, NOON_NS + AUTHENTICATE_WITHIN_NS)
        clock.move_to(NOON_NS + AUTHENTICATE_WITHIN_NS)
        with pytest.raises(LineLost, match="no answer to the key"):
            await call.task


async def test_a_server_without_its_broker_serves_order_updates_and_no_prices() -> None:
    clock = StepClock(NOON_NS)
    async with talking_server() as server:
        for_prices = Call(dialer(server.url, clock))
        talk = await server.talk()
        await talk.hear("authenticate")
        await talk.say(NO_BROKER)
        with pytest.raises(LineLost, match="BROKER_INIT_ERROR no session"):
            await for_prices.task
        for_orders = Call(dialer(server.url, clock, needs_prices=False))
        talk = await server.talk()
        await talk.hear("authenticate")
        await talk.say(NO_BROKER)
        await for_orders.line()
        await for_orders.hang_up()


# --- dialling again -----------------------------------------------------------------------------------


async def delays(ours: Dialer, clock: StepClock, count: int) -> list[int]:
    """How long the dialer waits before each of its next tries, all of which fail."""
    found = []
    for _ in range(count):
        began_ns = clock.now_ns()
        call = Call(ours)
        await until(lambda call=call: call.task.done() or clock.next_ns is not None)  # type: ignore[misc]
        if clock.next_ns is not None:
            clock.move_to(clock.next_ns)
        with pytest.raises(LineLost):
            await call.task
        found.append(clock.now_ns() - began_ns)
    return found


async def unused_url() -> str:
    async with talking_server() as server:
        return server.url


async def test_each_wait_is_twice_the_one_before_up_to_a_bound() -> None:
    clock = StepClock(NOON_NS)
    ours = dialer(await unused_url(), clock)
    doubled = [FIRST_DELAY_NS * 2**n for n in range(6)]
    assert await delays(ours, clock, 9) == [0, *doubled, DELAY_MAX_NS, DELAY_MAX_NS]


async def test_jitter_shortens_a_wait_by_up_to_half() -> None:
    clock = StepClock(NOON_NS)
    ours = dialer(await unused_url(), clock, jitter=1.0)
    assert await delays(ours, clock, 3) == [0, FIRST_DELAY_NS // 2, FIRST_DELAY_NS]


@pytest.mark.parametrize(
    ("lasted_ns", "delay_ns"),
    [
        (PROVED_NS, FIRST_DELAY_NS),
        (PROVED_NS - 1, FIRST_DELAY_NS * 2),
    ],
)
async def test_only_a_line_that_lasted_makes_the_waits_short_again(lasted_ns: int, delay_ns: int) -> None:
    clock = StepClock(NOON_NS)
    async with talking_server() as server:
        ours = dialer(server.url, clock)
        for wait_ns in (0, FIRST_DELAY_NS):
            call = Call(ours)
            if wait_ns:
                await until_asleep(clock, clock.now_ns() + wait_ns)
                clock.move_to(clock.now_ns() + wait_ns)
            talk = await server.talk()
            await talk.enter()
            await call.line()
            clock.move_to(clock.now_ns() + (lasted_ns if wait_ns else 0))
            await call.hang_up()
        next_call = Call(ours)
        await until_asleep(clock, clock.now_ns() + delay_ns)
        next_call.task.cancel()


async def test_a_line_is_closed_when_its_user_is_done_or_fails() -> None:
    async with talking_server() as server:
        ours = dialer(server.url, StepClock(NOON_NS))

        async def fail() -> None:
            async with ours.line():
                raise ZeroDivisionError

        failing = asyncio.create_task(fail())
        talk = await server.talk()
        await talk.enter()
        with pytest.raises(ZeroDivisionError):
            await failing
        await talk.is_left()
