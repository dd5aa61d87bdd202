"""Days made by hand: order changes and trades of which every figure is known."""

from dataclasses import replace

from olaf_async.domain.intents import Say, Severity
from olaf_async.domain.order import PriceType, Role, Side
from olaf_async.domain.setup import Direction
from olaf_async.domain.trade import ExitReason, Trade
from olaf_async.research.results import DayResult, OrderChange, RunResult, TradeRecord
from tests.made_market import MONDAY, setup_of

MINUTE_NS = 60 * 10**9
OPEN_NS = 1_623_037_500 * 10**9
"""09:15 in India on MONDAY."""


def change(key: str, what: str, minute: float, **more: object) -> OrderChange:
    """One change of ALPHA's order ``key``, which begins with its role."""
    role = Role(key.partition("-")[0])
    plain = OrderChange(
        day=MONDAY,
        at_ns=OPEN_NS + int(minute * MINUTE_NS),
        symbol="ALPHA",
        order_id=key,
        key=key,
        role=role,
        side=Side.BUY if role is Role.ENTRY else Side.SELL,
        price_type=PriceType.SL,
        change=what,
        status={"filled": "complete", "cancelled": "cancelled", "refused": "rejected"}.get(what, "open"),
        quantity=10,
        filled=0,
        limit=9900 if role is Role.STOP else 10100,
        trigger=9500 if role is Role.STOP else 10000,
        fill_price=None,
        is_intrabar=False,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


CALM = (
    change("entry-1", "placed", 5),
    change("entry-1", "filled", 10, filled=10, fill_price=10000),
    change("stop-2", "placed", 10.001),
    change("stop-2", "modified", 15, trigger=9940),
    change("stop-2", "filled", 45, filled=10, fill_price=9900, trigger=9940),
)
"""Bought at 100.00 under a stop at 95.00, which rises to 99.40 and fills at 99.00."""

TRADE = Trade(
    symbol="ALPHA",
    day=MONDAY,
    attempt=1,
    direction=Direction.LONG,
    quantity=10,
    entry_ns=OPEN_NS + 10 * MINUTE_NS,
    entry_value=100_000,
    exit_ns=OPEN_NS + 45 * MINUTE_NS,
    exit_value=99_000,
    reason=ExitReason.STOP,
    initial_stop=9500,
    final_stop=9940,
    unprotected_ns=60_000_000,
)


def day(*orders: OrderChange, **more: object) -> DayResult:
    """A day of ALPHA with these order changes; CALM's trade unless told otherwise."""
    plain = DayResult(
        day=MONDAY,
        setups=(setup_of(),),
        trades=(TradeRecord(TRADE, 150),),
        orders=orders,
        says=(),
        unclosed=(),
        ticks=40,
        triggers=1,
        entries=1,
        rows_dropped=0,
        until_ns=OPEN_NS + 375 * MINUTE_NS,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def run(*days: DayResult) -> RunResult:
    """A run of these days; of one calm day where none are given."""
    return RunResult(days or (day(*CALM),))


def alarm(code: str) -> tuple[int, Say]:
    """An alarm at noon."""
    return OPEN_NS + 165 * MINUTE_NS, Say("ALPHA", Severity.ALARM, code, f"ALPHA: {code}")
