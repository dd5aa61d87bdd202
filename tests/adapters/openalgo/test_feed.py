"""Prices of a server as prints: what is believed of them, and what is done when they stop."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import pytest

from olaf_async.adapters.openalgo.connection import FIRST_DELAY_NS, Dialer
from olaf_async.adapters.openalgo.feed import (
    ACK_WITHIN_NS,
    CHECK_WITHIN_NS,
    RETRY_NS,
    SANE_AGE_NS,
    OpenAlgoFeed,
)
from olaf_async.adapters.openalgo.silence import FEED_SILENT_NS, NS_PER_S, PATIENCE_NS
from olaf_async.domain.intents import Say, Severity
from olaf_async.domain.price import Paise
from olaf_async.domain.session import Session
from olaf_async.errors import BrokerUnreachable
from olaf_async.ports.feed import Tick
from tests.adapters.openalgo.talking_server import (
    AUTH_BAD,
    BOUND_S,
    KEY,
    NOON_NS,
    Listener,
    Talk,
    TalkingServer,
    ack,
    listening,
    talking_server,
    tick,
    until,
)
from tests.wire.step_clock import StepClock

TRANSCRIPTS = Path(__file__).parents[4] / "shared" / "reference" / "openalgo-transcripts"
HOUR_NS = 3600 * NS_PER_S
OPEN_DAY = (NOON_NS - HOUR_NS, NOON_NS + HOUR_NS)
MS = 1_000_000


class Story:
    """A feed, its server, its second source, its clock, and what it says."""

    def __init__(self, server: TalkingServer, hours: tuple[int, int], near: Mapping[str, Paise]) -> None:
        self.server = server
        self.clock = StepClock(NOON_NS)
        self.said: list[Say] = []
        self.quoted: dict[str, Paise | None] = {}
        self.asked: list[tuple[int, list[str]]] = []
        self.is_reachable = self.does_answer = True
        opens_ns, closes_ns = hours
        self.feed = OpenAlgoFeed(
            Dialer(server.url, KEY, self.clock, lambda: 0.0, needs_prices=True),
            "NSE",
            near,
            session=Session(date(2026, 11, 22), opens_ns, opens_ns, closes_ns - 1, closes_ns),
            clock=self.clock,
            quotes=self._quotes,
            tell=self.said.append,
        )

    async def _quotes(self, symbols: Sequence[str]) -> Mapping[str, Paise | None]:
        self.asked.append((self.clock.now_ns() - NOON_NS, list(symbols)))
        await asyncio.sleep(0)
        if not self.is_reachable:
            raise BrokerUnreachable("nobody there")
        while not self.does_answer:
            await asyncio.Event().wait()
        return dict(self.quoted)

    async def entered(self, *symbols: str) -> Talk:
        talk = await self.server.talk()
        await talk.enter_feed(*(symbols or ("SBIN",)))
        return talk

    async def pass_time(self, until_ns: int) -> None:
        """Move the clock from sleeper to sleeper, and let each do what it woke for."""
        while self.clock.now_ns() < until_ns:
            await until(lambda: self.clock.next_ns is not None)
            assert self.clock.next_ns is not None
            self.clock.move_to(min(until_ns, self.clock.next_ns))
            for _ in range(20):
                await asyncio.sleep(0)

    def texts(self, code: str) -> list[str]:
        return [say.text for say in self.said if say.code == code]


@asynccontextmanager
async def told(
    *, hours: tuple[int, int] = OPEN_DAY, near: Mapping[str, Paise] | None = None
) -> AsyncIterator[tuple[Story, Listener[Tick]]]:
    async with talking_server() as server:
        story = Story(server, hours, near or {"SBIN": 800_00})
        async with listening(story.feed.ticks()) as ticks:
            yield story, ticks


def prices(ticks: Sequence[Tick]) -> list[Paise]:
    return [tick.price for tick in ticks]


# --- prints -------------------------------------------------------------------------------------------


async def test_a_tick_is_a_print_at_the_exchanges_time() -> None:
    async with told() as (story, ticks):
        talk = await story.entered()
        await talk.say(tick("SBIN", 800.05, NOON_NS - 20 * MS))
        assert await ticks.next() == Tick("SBIN", NOON_NS - 20 * MS, 800_05)


@pytest.mark.parametrize("at_ns", [None, NOON_NS - SANE_AGE_NS - MS, NOON_NS + MS, NOON_NS + 10**18])
async def test_a_time_that_is_old_or_of_the_future_gives_way_to_that_of_receipt(at_ns: int | None) -> None:
    async with told() as (story, ticks):
        talk = await story.entered()
        await talk.say(tick("SBIN", 800.05, at_ns))
        assert await ticks.next() == Tick("SBIN", NOON_NS, 800_05)


async def test_a_symbols_time_never_steps_back() -> None:
    async with told() as (story, ticks):
        talk = await story.entered()
        await talk.say(tick("SBIN", 800), tick("SBIN", 801, NOON_NS - 50 * MS))
        assert [print_.at_ns for print_ in await ticks.some(2)] == [NOON_NS, NOON_NS]


async def test_duplicates_and_late_frames_are_dropped_and_counted() -> None:
    """A client is recorded hearing each price twice while another one wants more of it."""
    async with told() as (story, ticks):
        talk = await story.entered()
        rich, thin = tick("SBIN", 805, NOON_NS - 30 * MS, volume=5), tick("SBIN", 805, NOON_NS - 30 * MS)
        await talk.say(rich, thin, tick("SBIN", 799, NOON_NS - 40 * MS), tick("SBIN", 806, NOON_NS - 20 * MS))
        assert prices(await ticks.some(2)) == [805_00, 806_00]
        assert (story.feed.counts.repeated, story.feed.counts.late) == (1, 1)


async def test_two_prints_of_one_millisecond_are_two_prints() -> None:
    async with told() as (story, ticks):
        talk = await story.entered()
        await talk.say(tick("SBIN", 800, NOON_NS), tick("SBIN", 799, NOON_NS))
        assert prices(await ticks.some(2)) == [800_00, 799_00]


async def test_what_was_not_asked_for_or_cannot_be_read_is_passed_over() -> None:
    async with told() as (story, ticks):
        talk = await story.entered()
        elsewhere = tick("SBIN", 800) | {"exchange": "BSE"}
        depth = {"type": "market_data", "symbol": "SBIN", "exchange": "NSE", "mode": 3, "data": {"depth": {}}}
        await talk.say("{", tick("SBIN", "NaN"), tick("SBIN", -1), tick("TCS", 3000), elsewhere, depth)
        await talk.say(tick("SBIN", 801))
        assert prices(await ticks.some(1)) == [801_00]
        assert story.feed.counts.unreadable == 3


async def test_prints_ahead_of_the_acknowledgement_are_prints() -> None:
    async with told() as (story, ticks):
        talk = await story.server.talk()
        await talk.enter()
        await talk.hear("subscribe")
        await talk.say(tick("SBIN", 801), ack("SBIN"))
        assert prices(await ticks.some(1)) == [801_00]


async def test_a_burst_of_ten_thousand_comes_through_whole_and_in_order() -> None:
    async with told() as (story, ticks):
        talk = await story.entered()
        burst = [80_000 + n % 500 for n in range(10_000)]
        sending = asyncio.create_task(talk.say(*(tick("SBIN", f"{p // 100}.{p % 100:02d}") for p in burst)))
        assert prices(await ticks.some(len(burst))) == burst
        await sending


async def test_a_slow_listener_does_not_keep_the_server_from_sending() -> None:
    async with told() as (story, ticks):
        await story.entered()
        await ticks.stop()
        source = story.feed.ticks()
        first = asyncio.ensure_future(anext(source))
        await story.pass_time(NOON_NS + FIRST_DELAY_NS)
        talk = await story.entered()
        async with asyncio.timeout(BOUND_S):
            await talk.say(tick("SBIN", 800))
            assert (await first).price == 800_00
            # Nobody takes anything from here on; more is sent than the sockets of both ends hold.
            await talk.say(*(tick("SBIN", 800 + n / 10_000, note="x" * 1000) for n in range(10_000)))
            await (await talk.connection.ping())
        await source.aclose()


# --- sanity -------------------------------------------------------------------------------------------


async def test_a_price_ten_times_the_last_is_not_acted_on_and_said_once() -> None:
    async with told() as (story, ticks):
        talk = await story.entered()
        await talk.say(tick("SBIN", 8000), tick("SBIN", 8000.5), tick("SBIN", 801), tick("SBIN", 80.1))
        await talk.say(tick("SBIN", 802))
        assert prices(await ticks.some(2)) == [801_00, 802_00]
        assert story.feed.counts.odd == 3
        assert story.texts("odd_price") == [
            "8000.00 after 800.00 is not believed",
            "80.10 after 801.00 is not believed",
        ]


async def test_a_price_outside_the_days_band_is_not_acted_on() -> None:
    async with told() as (story, ticks):
        talk = await story.entered()
        band = {"lower_circuit": 760, "upper_circuit": 840}
        await talk.say(tick("SBIN", 850, **band), tick("SBIN", 840, **band))
        assert prices(await ticks.some(1)) == [840_00]


async def test_a_true_gap_is_believed_once_a_quote_confirms_it() -> None:
    async with told() as (story, ticks):
        talk = await story.entered()
        story.quoted = {"SBIN": 498_00}
        await talk.say(tick("SBIN", 500))
        await until(lambda: story.feed.counts.odd == 1)
        await story.pass_time(NOON_NS + NS_PER_S)
        await until(lambda: len(story.texts("odd_price")) == 2)
        await talk.say(tick("SBIN", 501))
        assert prices(await ticks.some(1)) == [501_00]
        assert story.asked == [(NS_PER_S, ["SBIN"])]


async def test_a_confirmed_level_counts_as_shown() -> None:
    async with told() as (story, ticks):
        talk = await fall_silent(story, ticks)
        story.quoted = {"SBIN": 498_00}
        await talk.say(tick("SBIN", 500))
        await until(lambda: story.feed.counts.odd == 1)
        await story.pass_time(NOON_NS + 30 * NS_PER_S)
        assert len(story.asked) > 1
        assert story.texts("feed_stale") == []


async def test_an_odd_price_that_quotes_contradict_stays_unbelieved() -> None:
    async with told() as (story, ticks):
        talk = await fall_silent(story, ticks)
        story.quoted = {"SBIN": 801_00}
        await talk.say(tick("SBIN", 8000))
        await until(lambda: story.feed.counts.odd == 1)
        await story.pass_time(NOON_NS + 2 * NS_PER_S)
        await talk.say(tick("SBIN", 8000), tick("SBIN", 801))
        assert prices(await ticks.some(1)) == [801_00]
        # The question was about the odd price; that 801 had not been sent yet is no silence.
        assert story.asked == [(NS_PER_S, ["SBIN"])]
        assert story.texts("feed_stale") == []


# --- loss and return ----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1001, 1006, 4401])
async def test_after_a_loss_everything_is_asked_for_again(code: int) -> None:
    async with told() as (story, ticks):
        talk = await story.entered()
        await talk.say(tick("SBIN", 800))
        await ticks.next()
        assert story.feed.is_up
        if code == 1006:
            talk.connection.transport.abort()
        else:
            await talk.connection.close(code)
        await until(lambda: not story.feed.is_up)
        await story.pass_time(NOON_NS + FIRST_DELAY_NS)
        talk = await story.entered()
        await talk.say(tick("SBIN", 801))
        assert prices(await ticks.some(1)) == [801_00]
        assert [say.code for say in story.said] == ["feed_up", "feed_down", "feed_up"]
        assert story.feed.counts.lines == 2


async def test_an_outage_is_said_once_however_often_it_is_dialled() -> None:
    async with told() as (story, ticks):
        for attempt in range(3):
            talk = await story.server.talk()
            await talk.connection.close(1001)
            await talk.is_left()
            await story.pass_time(story.clock.now_ns() + 2**attempt * FIRST_DELAY_NS)
        talk = await story.entered()
        await talk.say(tick("SBIN", 801))
        await ticks.next()
        assert [say.code for say in story.said] == ["feed_down", "feed_up"]


async def test_a_refused_key_calls_a_person_and_prices_come_once_it_is_right() -> None:
    async with told() as (story, ticks):
        talk = await story.server.talk()
        await talk.hear("authenticate")
        await talk.say(AUTH_BAD)
        await talk.is_left()
        await story.pass_time(NOON_NS + 60 * NS_PER_S)
        assert [(say.severity, say.code) for say in story.said] == [(Severity.ALARM, "feed_down")]
        talk = await story.entered()
        await talk.say(tick("SBIN", 801))
        assert prices(await ticks.some(1)) == [801_00]


async def test_symbols_that_the_server_does_not_know_are_said_once_and_asked_for_again() -> None:
    async with told(near={"NOPE": 100_00, "SBIN": 800_00, "TCS": 3000_00}) as (story, ticks):
        talk = await story.server.talk()
        await talk.enter()
        await talk.hear("subscribe")
        # TCS is passed over in silence, as a server does with an entry it cannot read.
        await talk.say(ack("SBIN", refused=("NOPE",)), tick("SBIN", 801))
        await ticks.next()
        assert story.texts("not_subscribed") == [
            "no prices of NOPE: 'no'",
            "no prices of TCS: passed over in silence",
        ]
        await story.pass_time(NOON_NS + RETRY_NS)
        again = await talk.hear("subscribe")
        assert [entry["symbol"] for entry in again["symbols"]] == ["NOPE", "TCS"]
        await talk.say(ack("TCS", refused=("NOPE",)), tick("TCS", 3001))
        assert (await ticks.next()).symbol == "TCS"
        assert len(story.texts("not_subscribed")) == 2
        await story.pass_time(NOON_NS + 2 * RETRY_NS)
        again = await talk.hear("subscribe")
        assert [entry["symbol"] for entry in again["symbols"]] == ["NOPE"]
        await talk.connection.close(1001)
        await until(lambda: not story.feed.is_up)
        await story.pass_time(story.clock.now_ns() + FIRST_DELAY_NS)
        await story.entered("NOPE", "SBIN", "TCS")


@pytest.mark.parametrize("code", ["BROKER_ERROR", "NOT_AUTHENTICATED", "PROCESSING_ERROR"])
async def test_a_subscription_that_is_refused_whole_ends_the_line(code: str) -> None:
    async with told() as (story, _):
        talk = await story.server.talk()
        await talk.enter()
        await talk.hear("subscribe")
        await talk.say({"status": "error", "code": code, "message": "Broker adapter not found"})
        await talk.is_left()
        down = f"the price feed is down: no subscription: {code} Broker adapter not found"
        assert story.texts("feed_down") == [down]


async def test_a_subscription_that_is_never_answered_ends_the_line() -> None:
    async with told() as (story, _):
        talk = await story.server.talk()
        await talk.enter()
        await talk.hear("subscribe")
        await story.pass_time(NOON_NS + ACK_WITHIN_NS)
        await talk.is_left()
        assert story.texts("feed_down") == ["the price feed is down: no answer to a subscription in 20 s"]
        await story.pass_time(NOON_NS + ACK_WITHIN_NS + FIRST_DELAY_NS)
        await story.entered()
        await story.pass_time(NOON_NS + 3 * ACK_WITHIN_NS)
        assert story.feed.is_up
        assert story.feed.counts.lines == 2


# --- silence ------------------------------------------------------------------------------------------


async def fall_silent(story: Story, ticks: Listener[Tick]) -> Talk:
    """The feed has shown 800.00, and nothing more comes."""
    talk = await story.entered()
    await talk.say(tick("SBIN", 800))
    await ticks.next()
    return talk


@pytest.mark.parametrize("second_source", ["agrees", "knows nothing", "cannot be asked", "never answers"])
async def test_a_silence_that_nothing_contradicts_is_waited_out(second_source: str) -> None:
    async with told() as (story, ticks):
        talk = await fall_silent(story, ticks)
        if second_source == "agrees":
            story.quoted = {"SBIN": 800_00}
        story.is_reachable = second_source != "cannot be asked"
        story.does_answer = second_source != "never answers"
        await story.pass_time(NOON_NS + 2 * PATIENCE_NS)
        assert len(story.asked) >= 2
        await talk.say(tick("SBIN", 801))
        assert prices(await ticks.some(1)) == [801_00]
        assert story.feed.counts.lines == 1
        assert [say.code for say in story.said] == ["feed_up"]


async def test_a_question_that_is_not_answered_is_dropped_and_asked_anew() -> None:
    async with told() as (story, ticks):
        await fall_silent(story, ticks)
        story.does_answer = False
        await story.pass_time(NOON_NS + FEED_SILENT_NS + CHECK_WITHIN_NS)
        assert [at_ns for at_ns, _ in story.asked] == [FEED_SILENT_NS, FEED_SILENT_NS + CHECK_WITHIN_NS]


async def test_prices_that_only_quotes_show_are_asked_for_again_and_then_cost_the_line() -> None:
    async with told() as (story, ticks):
        talk = await fall_silent(story, ticks)
        story.quoted = {"SBIN": 801_00}
        await story.pass_time(NOON_NS + FEED_SILENT_NS)
        assert (await talk.hear("subscribe"))["symbols"] == [{"symbol": "SBIN", "exchange": "NSE"}]
        await talk.say(ack("SBIN"))
        await story.pass_time(NOON_NS + FEED_SILENT_NS + PATIENCE_NS - NS_PER_S)
        assert story.feed.counts.lines == 1
        await story.pass_time(NOON_NS + FEED_SILENT_NS + PATIENCE_NS + NS_PER_S)
        await talk.is_left()
        talk = await story.entered()
        await talk.say(tick("SBIN", 802))
        assert prices(await ticks.some(1)) == [802_00]
        assert [say.code for say in story.said] == [
            "feed_up",
            "feed_stale",
            "feed_down",
            "feed_up",
            "feed_up",
        ]
        assert story.texts("feed_down") == ["the price feed is down: prices move and are not sent: SBIN"]


async def test_a_new_line_gets_the_whole_of_a_longer_patience() -> None:
    async with told() as (story, ticks):
        await fall_silent(story, ticks)
        story.quoted = {"SBIN": 801_00}
        await story.pass_time(NOON_NS + FEED_SILENT_NS + PATIENCE_NS + NS_PER_S)
        await story.entered()
        began_ns = story.clock.now_ns()
        await story.pass_time(began_ns + 2 * PATIENCE_NS - NS_PER_S)
        assert (story.feed.is_up, story.feed.counts.lines) == (True, 2)
        await story.pass_time(began_ns + 2 * PATIENCE_NS + NS_PER_S)
        await story.entered()


async def test_a_freeze_of_ten_seconds_is_no_reason_to_reconnect() -> None:
    """Recorded: the websocket falls silent for ten seconds, REST goes on, and all comes late, at once."""
    async with told() as (story, ticks):
        talk = await fall_silent(story, ticks)
        story.quoted = {"SBIN": 801_00}
        await story.pass_time(NOON_NS + 10 * NS_PER_S)
        await talk.hear("subscribe")
        await talk.say(*(tick("SBIN", 800 + n, NOON_NS + n * NS_PER_S) for n in range(1, 10)), ack("SBIN"))
        assert prices(await ticks.some(9)) == [(800 + n) * 100 for n in range(1, 10)]
        story.quoted = {"SBIN": 809_00}
        await story.pass_time(NOON_NS + 60 * NS_PER_S)
        assert story.feed.counts.lines == 1
        assert [say.code for say in story.said] == ["feed_up", "feed_stale", "feed_up"]


async def test_one_silent_symbol_among_others_is_noticed() -> None:
    async with told(near={"SBIN": 800_00, "TCS": 3000_00}) as (story, ticks):
        talk = await story.entered("SBIN", "TCS")
        await talk.say(tick("SBIN", 800), tick("TCS", 3000))
        await ticks.some(2)
        story.quoted = {"SBIN": 800_00, "TCS": 3001_00}
        for second in range(1, 40):
            await story.pass_time(NOON_NS + second * NS_PER_S)
            if not story.feed.is_up:
                break
            await talk.say(tick("SBIN", 800 + second))
            await ticks.next()
        assert {name for _, names in story.asked for name in names} == {"TCS"}
        assert story.texts("feed_down") == ["the price feed is down: prices move and are not sent: TCS"]


@pytest.mark.parametrize(
    "hours",
    [
        (NOON_NS + HOUR_NS, NOON_NS + 2 * HOUR_NS),
        (NOON_NS - 2 * HOUR_NS, NOON_NS - HOUR_NS),
    ],
)
async def test_outside_the_session_silence_is_only_natural(hours: tuple[int, int]) -> None:
    async with told(hours=hours) as (story, ticks):
        await fall_silent(story, ticks)
        story.quoted = {"SBIN": 900_00}
        await story.pass_time(NOON_NS + 120 * NS_PER_S)
        assert story.asked == []
        assert story.feed.counts.lines == 1


async def test_while_the_second_source_is_asked_prints_go_on() -> None:
    async with told() as (story, ticks):
        talk = await fall_silent(story, ticks)
        story.does_answer = False
        await story.pass_time(NOON_NS + FEED_SILENT_NS)
        await until(lambda: len(story.asked) == 1)
        await talk.say(tick("SBIN", 801))
        assert prices(await ticks.some(1)) == [801_00]


# --- recordings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["05-websocket", "06-exit-fill-freezes-feed", "09-faults"])
async def test_recorded_ticks_come_through_as_prints(name: str) -> None:
    path = TRANSCRIPTS / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"the recordings of the real server are not at {path.parent}")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    frames = [line["frame"] for line in lines if line.get("dir") == "recv"]
    recorded = [frame for frame in frames if frame.get("type") == "market_data"]
    near = {frame["symbol"]: round(frame["data"]["ltp"] * 100) for frame in reversed(recorded)}
    async with told(near=near) as (story, ticks):
        talk = await story.entered(*sorted(near))
        await talk.say(*recorded)
        # The recordings are of before this clock's noon or after it: none is stamped with its own time.
        heard = await ticks.some(len(recorded))
        assert [(one.symbol, one.price) for one in heard] == [
            (frame["symbol"], round(frame["data"]["ltp"] * 100)) for frame in recorded
        ]
        assert story.feed.counts.odd == 0
