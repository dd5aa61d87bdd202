"""What is pushed about orders becomes news: ours, of our mode, and every hole that can be noticed."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from olaf_async.adapters.openalgo.connection import FIRST_DELAY_NS, Dialer
from olaf_async.adapters.openalgo.order_stream import ACK_WITHIN_NS, HOLE_EVERY_NS, OrderStream
from olaf_async.adapters.openalgo.wire.rows import Scope
from olaf_async.domain.events import Mode, ModeSeen, OrderUpdated, Status, StreamChanged
from olaf_async.domain.intents import Say, Severity
from olaf_async.ports.broker import AccountNews
from tests.adapters.openalgo.talking_server import (
    AUTH_BAD,
    KEY,
    NO_BROKER,
    NOON_NS,
    ORDERS_OK,
    Listener,
    Talk,
    TalkingServer,
    listening,
    order,
    talking_server,
    until_asleep,
)
from tests.wire.step_clock import StepClock

TRANSCRIPTS = Path(__file__).parents[4] / "shared" / "reference" / "openalgo-transcripts"
DOWN, UP = (StreamChanged(NOON_NS, is_up=False), StreamChanged(NOON_NS, is_up=True))
ANALYZE, LIVE = (ModeSeen(NOON_NS, mode) for mode in (Mode.ANALYZE, Mode.LIVE))


class Story:
    """An order stream, its server, its clock, and what it says."""

    def __init__(self, server: TalkingServer) -> None:
        self.server = server
        self.clock = StepClock(NOON_NS)
        self.said: list[Say] = []
        dialer = Dialer(server.url, KEY, self.clock, lambda: 0.0, needs_prices=False)
        self.stream = OrderStream(dialer, Scope("NSE", "MIS"), Mode.ANALYZE, self.clock, self.said.append)

    async def entered(self) -> Talk:
        """The server's end of the next connection, with the stream agreed to."""
        talk = await self.server.talk()
        await talk.enter()
        await talk.hear("subscribe_orders")
        await talk.say(ORDERS_OK)
        return talk

    @property
    def codes(self) -> list[str]:
        return [say.code for say in self.said]


@asynccontextmanager
async def told() -> AsyncIterator[tuple[Story, Listener[AccountNews]]]:
    async with talking_server() as server:
        story = Story(server)
        async with listening(story.stream.news()) as news:
            yield story, news


def ids(events: list[AccountNews]) -> list[str]:
    return [event.row.order_id for event in events if isinstance(event, OrderUpdated)]


async def test_the_stream_is_down_until_the_server_has_agreed_to_send() -> None:
    async with told() as (story, news):
        assert await news.next() == DOWN
        talk = await story.server.talk()
        await talk.enter()
        await talk.hear("subscribe_orders")
        assert news.taken.empty()
        await talk.say(ORDERS_OK)
        assert await news.next() == UP
        assert story.codes == ["orders_up"]


async def test_an_update_ahead_of_the_agreement_is_news_already() -> None:
    async with told() as (story, news):
        talk = await story.server.talk()
        await talk.enter()
        await talk.hear("subscribe_orders")
        await talk.say(order("1"), ORDERS_OK)
        events = await news.some(4)
        assert [events[0], events[1], events[3]] == [DOWN, ANALYZE, UP]
        assert ids(events) == ["1"]


async def test_updates_of_ours_are_passed_on_and_other_peoples_products_are_not() -> None:
    async with told() as (story, news):
        talk = await story.entered()
        await talk.say(
            order("1"),
            order("2", product="CNC"),
            order("3", exchange="NFO", product="NRML"),
            order("4", exchange="BSE"),
            order("5", "complete", filled_quantity=2, average_price=800.05, symbol="TCS"),
        )
        events = await news.some(5)
        assert ids(events) == ["1", "5"]
        last = events[-1]
        assert isinstance(last, OrderUpdated)
        assert (last.row.status, last.row.filled, last.row.average) == (Status.COMPLETE, 2, 800_05)
        assert (story.stream.counts.updates, story.stream.counts.of_others) == (2, 3)


async def test_frames_of_the_other_mode_tell_of_the_mode_and_of_nothing_else() -> None:
    async with told() as (story, news):
        talk = await story.entered()
        await talk.say(
            order("1"), order("2", mode="live"), order("3", mode="live"), order("4"), order("5", mode="live")
        )
        events = await news.some(7)
        assert events[2] == ANALYZE
        assert events[4:] == [LIVE, ANALYZE, events[6]]
        assert ids(events) == ["1", "4"]
        assert await news.next() == LIVE
        assert story.stream.counts.of_other_mode == 3


@pytest.mark.parametrize("loss", ["closed 1001", "broken off", "closed 4401"])
async def test_a_loss_is_told_and_the_stream_asks_anew(loss: str) -> None:
    async with told() as (story, news):
        talk = await story.entered()
        assert await news.some(2) == [DOWN, UP]
        if loss == "broken off":
            talk.connection.transport.abort()
        else:
            await talk.connection.close(int(loss.split()[1]))
        assert await news.next() == DOWN
        await until_asleep(story.clock, NOON_NS + FIRST_DELAY_NS)
        story.clock.move_to(NOON_NS + FIRST_DELAY_NS)
        talk = await story.entered()
        assert await news.next() == StreamChanged(NOON_NS + FIRST_DELAY_NS, is_up=True)
        await talk.say(order("9"))
        assert ids(await news.some(2)) == ["9"]
        assert story.codes == ["orders_up", "orders_down", "orders_up"]


async def test_what_cannot_be_read_may_be_of_ours_and_is_told_as_a_hole() -> None:
    async with told() as (story, news):
        talk = await story.entered()
        assert await news.some(2) == [DOWN, UP]
        await talk.say("not json")
        assert await news.some(2) == [DOWN, UP]
        await talk.say("not json", order("1"))
        assert ids(await news.some(2)) == ["1"]
        story.clock.move_to(NOON_NS + HOLE_EVERY_NS)
        await talk.say(order("2", product="INTRADAY"))
        events = await news.some(2)
        assert [event.is_up for event in events if isinstance(event, StreamChanged)] == [False, True]
        assert story.stream.counts.unreadable == 3


async def test_nothing_but_the_agreement_itself_brings_the_stream_up_and_only_once() -> None:
    async with told() as (story, news):
        talk = await story.server.talk()
        await talk.enter()
        await talk.hear("subscribe_orders")
        await talk.say("not json", ORDERS_OK, ORDERS_OK, order("1"))
        events = await news.some(4)
        assert events[:3] == [DOWN, UP, ANALYZE]
        assert ids(events) == ["1"]


async def test_whoever_begins_to_listen_anew_is_told_all_anew() -> None:
    async with talking_server() as server:
        story = Story(server)
        for has_dialled in (False, True):
            async with listening(story.stream.news()) as news:
                if has_dialled:
                    await until_asleep(story.clock, NOON_NS + FIRST_DELAY_NS)
                    story.clock.move_to(NOON_NS + FIRST_DELAY_NS)
                talk = await story.entered()
                await talk.say(order("1"))
                kinds = [type(event) for event in await news.some(4)]
                assert kinds == [StreamChanged, StreamChanged, ModeSeen, OrderUpdated]


async def test_a_server_without_its_broker_still_tells_of_orders() -> None:
    async with told() as (story, news):
        talk = await story.server.talk()
        await talk.hear("authenticate")
        await talk.say(NO_BROKER)
        await talk.hear("subscribe_orders")
        await talk.say(ORDERS_OK)
        assert await news.some(2) == [DOWN, UP]


async def test_a_refused_key_calls_a_person_once() -> None:
    async with told() as (story, news):
        for _ in range(3):
            talk = await story.server.talk()
            await talk.hear("authenticate")
            await talk.say(AUTH_BAD)
            await talk.is_left()
            await until_asleep(story.clock, story.clock.now_ns() + 60 * 10**9)
            story.clock.move_to(story.clock.now_ns() + 60 * 10**9)
        assert [(say.severity, say.code) for say in story.said] == [(Severity.ALARM, "orders_down")]
        await story.entered()
        await news.next()
        up = await news.next()
        assert isinstance(up, StreamChanged)
        assert up.is_up


async def test_a_subscription_that_is_refused_or_never_answered_ends_the_line() -> None:
    async with told() as (story, _):
        talk = await story.server.talk()
        await talk.enter()
        await talk.hear("subscribe_orders")
        await talk.say({"status": "error", "code": "SERVER_ERROR", "message": "no"})
        await talk.is_left()
        await until_asleep(story.clock, NOON_NS + FIRST_DELAY_NS)
        story.clock.move_to(NOON_NS + FIRST_DELAY_NS)
        talk = await story.server.talk()
        await talk.enter()
        await talk.hear("subscribe_orders")
        due_ns = story.clock.now_ns() + ACK_WITHIN_NS
        await until_asleep(story.clock, due_ns)
        story.clock.move_to(due_ns)
        await talk.is_left()
        assert [say.text.rpartition(": ")[2] for say in story.said] == [
            "SERVER_ERROR no",
            "no answer to the subscription in 20 s",
        ]


@pytest.mark.parametrize(
    "name", ["02-order-lifecycle", "05-websocket", "06-exit-fill-freezes-feed", "09-faults"]
)
async def test_recorded_order_updates_come_through_in_order(name: str) -> None:
    path = TRANSCRIPTS / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"the recordings of the real server are not at {path.parent}")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    frames = [line["frame"] for line in lines if line.get("dir") == "recv"]
    pushed = [frame for frame in frames if frame.get("type") == "order_update"]
    updates = [frame for frame in pushed if (frame["exchange"], frame["product"]) == ("NSE", "MIS")]
    async with told() as (story, news):
        talk = await story.entered()
        await news.some(2)
        await talk.say(*pushed)
        events = await news.some(len(updates) + 1) if updates else []
        assert ids(events) == [frame["orderid"] for frame in updates]
        for event, frame in zip(events[1:], updates, strict=True):
            assert isinstance(event, OrderUpdated)
            assert event.row.filled == (frame["filled_quantity"] or None)
            assert (event.row.status is Status.COMPLETE) == (frame["order_status"] == "complete")
