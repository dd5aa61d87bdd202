"""The tape of prices, and the pace at which files are played."""

import asyncio
from math import inf

import pytest

from olaf_async.adapters.paper.server.prices import PriceBoard, Step
from olaf_async.domain.order import PriceType, Side, Terms
from tests.adapters.server.talking import SUNDAY_NOON_NS, clock_of, new_desk, served

S = 1_000_000_000
STEPS = [
    Step(100 * S, "SBIN", 800_00),
    Step(101 * S, "ITC", 400_00),
    Step(101 * S, "SBIN", 801_00),
    Step(105 * S, "SBIN", 802_00),
]


class Hall:
    """An audience that says when it wants to hear, and counts how often it was waited for."""

    def __init__(self) -> None:
        self.wants = asyncio.Event()
        self.waits = 0

    async def asked(self) -> None:
        await self.wants.wait()

    async def taken(self) -> None:
        self.waits += 1


async def turns() -> None:
    """Let whoever has something to do now do it."""
    for _ in range(5):
        await asyncio.sleep(0)


def tape(board: PriceBoard) -> list[tuple[int, str, int, int]]:
    """Number, symbol, price, and milliseconds since the start."""
    return [
        (print_.number, print_.symbol, print_.price, (print_.at_ns - SUNDAY_NOON_NS) // 1_000_000)
        for print_ in board.tape
    ]


@pytest.mark.parametrize(("speed", "ms"), [(1.0, [0, 1000, 1000, 5000]), (2.5, [0, 400, 400, 2000])])
async def test_prices_come_at_their_own_distances_divided_by_the_speed(speed: float, ms: list[int]) -> None:
    desk = new_desk()
    board, clock = PriceBoard(desk), clock_of(desk)
    playing = asyncio.create_task(board.play(STEPS, speed, Hall(), waits=False))
    await turns()
    while (next_ns := clock.next_ns) is not None:
        assert board.is_playing
        clock.move_to(next_ns)
        await turns()
    await playing
    assert [row[3] for row in tape(board)] == ms
    assert [row[:3] for row in tape(board)] == [
        (1, "SBIN", 800_00),
        (2, "ITC", 400_00),
        (3, "SBIN", 801_00),
        (4, "SBIN", 802_00),
    ]
    assert not board.is_playing
    assert desk.exchange.last("SBIN") == 802_00  # and there it stands


async def test_a_late_player_catches_up_instead_of_shifting_the_day() -> None:
    desk = new_desk()
    board, clock = PriceBoard(desk), clock_of(desk)
    playing = asyncio.create_task(board.play(STEPS, 1.0, Hall(), waits=False))
    await turns()
    clock.move_to(SUNDAY_NOON_NS + 3 * S)  # woken two seconds late
    await turns()
    clock.move_to(SUNDAY_NOON_NS + 5 * S)
    await playing
    assert [row[3] for row in tape(board)] == [0, 3000, 3000, 5000]


async def test_at_full_speed_nothing_is_played_faster_than_it_is_taken() -> None:
    board, hall = PriceBoard(new_desk()), Hall()
    await board.play([Step(0, "SBIN", 800_00)] * 100, inf, hall, waits=False)
    assert (board.published, hall.waits) == (100, 4)


async def test_a_day_that_waits_begins_when_somebody_wants_to_hear_it() -> None:
    board, hall = PriceBoard(new_desk()), Hall()
    playing = asyncio.create_task(board.play(STEPS, inf, hall, waits=True))
    await turns()
    assert (board.published, board.is_playing) == (0, False)
    hall.wants.set()
    await playing
    assert board.published == 4


async def test_a_print_is_stamped_in_whole_milliseconds_and_so_is_its_frame() -> None:
    async with served() as talks, talks.client() as talk:
        await talk.enter("SBIN")
        board, clock = PriceBoard(talks.desk), clock_of(talks.desk)
        clock.move_to(SUNDAY_NOON_NS + 1_999_999)
        assert board.publish("SBIN", 801_00).at_ns == SUNDAY_NOON_NS + 1_000_000
        assert (await talk.hear())["data"]["timestamp"] == SUNDAY_NOON_NS // 1_000_000 + 1
        assert board.publish("SBIN", 801_00, at_ns=5_999_999).at_ns == 5_000_000


async def test_between_two_prices_of_one_bar_a_stop_fills_at_its_trigger() -> None:
    desk = new_desk()
    board = PriceBoard(desk)
    board.publish("SBIN", 800_00)
    for trigger in (803_00, 808_00):
        desk.place("SBIN", Side.BUY, PriceType.SL_M, Terms(1, 0, trigger), strategy="t", product="MIS")
    steps = [Step(0, "SBIN", 805_00, continuous=True), Step(1, "SBIN", 810_00)]
    await board.play(steps, inf, Hall(), waits=False)
    assert [fill.price for fill in desk.exchange.fills] == [803_00, 810_00]
