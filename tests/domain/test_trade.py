"""One round trip, and the words that name how it ended."""

from datetime import date

import pytest

from olaf_async.domain.events import OrderRow, OrderUpdated, Status
from olaf_async.domain.order import PriceType, Side
from olaf_async.domain.setup import Direction
from olaf_async.domain.trade import ExitReason, Trade


@pytest.mark.parametrize(("direction", "gross"), [(Direction.LONG, 2_50), (Direction.SHORT, -2_50)])
def test_a_short_earns_what_a_long_would_lose(direction: Direction, gross: int) -> None:
    trade = Trade(
        symbol="ABC",
        day=date(2026, 11, 23),
        attempt=1,
        direction=direction,
        quantity=5,
        entry_ns=1,
        entry_value=5 * 100_00,
        exit_ns=2,
        exit_value=5 * 100_50,
        reason=ExitReason.TARGET,
        initial_stop=99_00,
        final_stop=99_00,
        unprotected_ns=0,
    )
    assert trade.gross == gross
    assert trade.executed == ()


def test_the_reasons_are_the_words_of_the_reports() -> None:
    assert [reason.value for reason in ExitReason] == [
        "stop",
        "target",
        "session_end",
        "halt",
        "risk",
        "operator",
    ]


def test_a_frame_is_about_the_symbol_of_its_row() -> None:
    row = OrderRow("7", "M&M", Side.BUY, PriceType.SL, Status.WORKING, 10, 100_30, 100_00)
    assert OrderUpdated(1, row).symbol == "M&M"
