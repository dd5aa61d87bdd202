"""Garbage among the prices: what nobody could have traded at is not acted on, and nobody stumbles over it."""

import json

import pytest

from tests.wire.day import WireDay, replayed
from tests.wire.proxy import Deliver, FrameFault, Json


def times(factor: float) -> FrameFault:
    """Before each tick comes another one, at so many times its price."""

    async def garble(frame: Json, text: str, onward: Deliver) -> None:
        if frame.get("type") == "market_data":
            odd = {**frame["data"], "ltp": frame["data"]["ltp"] * factor}
            await onward(json.dumps({**frame, "data": odd}))
        await onward(text)

    return garble


def says(garbage: str) -> FrameFault:
    """Before each frame comes something that is none."""

    async def garble(_: Json, text: str, onward: Deliver) -> None:
        await onward(garbage)
        await onward(text)

    return garble


@pytest.mark.parametrize(
    "fault",
    [
        times(10),
        times(0.1),
        times(-1),
        times(0),
        says("{"),
        says('{"type": "market_data", "symbol": "INFY", "exchange": "NSE", "data": {"ltp": "cheap"}}'),
        says('{"type": "order_update", "orderid": null}'),
    ],
    ids=["ten times", "a tenth", "negative", "nothing", "no JSON", "no number", "no order"],
)
async def test_a_day_with_garbage_among_its_frames_has_the_same_trades(fault: FrameFault) -> None:
    async with WireDay().running() as day:
        day.checks.append(day.never_twice)
        day.proxy.on_frame = fault
        await day.play()
        day.ends_well()
    assert day.trades == replayed()
