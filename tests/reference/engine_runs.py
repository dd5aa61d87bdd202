"""From the reference's values to a replayed day of the engine, and back: the one place where the two meet.

Owns the translation and nothing else; it decides nothing and compares nothing. The reference counts
microseconds since midnight, the engine nanoseconds since the epoch; both count paise.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone
from itertools import zip_longest
from typing import Final, NamedTuple

import numpy as np

from olaf_async.adapters.paper.exchange import PaperRules
from olaf_async.adapters.paper.orders import Change, Fill
from olaf_async.adapters.replay.files import PriceColumns
from olaf_async.adapters.replay.machine import ReplayDay
from olaf_async.core import rules as core
from olaf_async.core.engine import Plan
from olaf_async.core.fingerprint import fingerprint
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain import trade as domain
from olaf_async.domain.intents import Say
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Direction, Setup
from olaf_async.strategies.eighty_twenty import EightyTwenty, EightyTwentyRules

from .plain_loop import SECOND, Reason, Trade
from .strategies import CLOSE, OPEN, PLAIN_RULES, Levels, RandomDay, Rules

INDIA = timezone(timedelta(hours=5, minutes=30))
A_DAY = date(2021, 6, 11)
"""The day that random days are played on."""

REASONS: Final[dict[domain.ExitReason, Reason]] = {
    domain.ExitReason.STOP: "stop",
    domain.ExitReason.TARGET: "target",
    domain.ExitReason.SESSION_END: "session_end",
}
"""The exits the reference knows."""

UNLIMITED = core.Rules(max_open_positions=10_000, max_orders_per_s=10_000)
"""An account that never says no, as the reference has."""


@dataclass(frozen=True, slots=True)
class SymbolDay:
    """One symbol's day: its setup and its prints. ``continuous`` as in PriceColumns."""

    symbol: str
    levels: Levels
    prints: Sequence[tuple[int, int]]
    continuous: Sequence[bool] | None = None
    quantity: int = 1
    day: date = A_DAY
    close_s: int = CLOSE // SECOND


def symbol_day(day: RandomDay, symbol: str = "INFY", quantity: int = 1) -> SymbolDay:
    """A random day under a name."""
    return SymbolDay(symbol, day.levels, day.prints, None, quantity)


def midnight_ns(day: date) -> int:
    """The local midnight that the reference counts from, on the engine's clock."""
    return int(datetime.combine(day, time.min, INDIA).timestamp()) * SECOND_NS


def plan_of(day: SymbolDay, rules: Rules = PLAIN_RULES) -> Plan:
    """The engine's part of the day for one symbol."""
    start_ns = midnight_ns(day.day)
    open_ns, close_ns = start_ns + OPEN * 1000, start_ns + day.close_s * SECOND_NS
    session = Session(
        day=day.day,
        open_ns=open_ns,
        act_from_ns=open_ns + rules.ignore_initial_s * SECOND_NS,
        exit_ns=start_ns + rules.deadline_s * SECOND_NS,
        close_ns=close_ns,
    )
    levels = day.levels
    setup = Setup(
        symbol=day.symbol,
        entry_date=day.day,
        entry_price=levels.entry,
        trigger_price=levels.trigger,
        tick_size=levels.tick,
        true_range=levels.true_range,
        direction=Direction(levels.direction),
        quantity=day.quantity,
    )
    strategy = EightyTwentyRules(
        trigger_window_ns=rules.window_s * SECOND_NS,
        bar_ns=rules.bar_s * SECOND_NS,
        trail_buffer_ticks=rules.trail_buffer_ticks,
        trails_from_entry_bar=rules.trail_from == "entry_bar",
        reenters_at_once=rules.reentry == "immediate",
        initial_stop_tr_mult=rules.tr_mult,
        initial_stop_ticks=rules.stop_ticks if rules.initial_stop == "ticks" else None,
        take_profit_r=rules.take_profit_r,
    )
    return Plan(setup, session, EightyTwenty(setup, session, strategy))


def core_rules(rules: Rules = PLAIN_RULES, account: core.Rules = UNLIMITED) -> core.Rules:
    """The engine's numbers: what the reference names from ``rules``, everything else from ``account``."""
    return replace(
        account,
        max_attempts=rules.max_attempts,
        order_timeout_ns=rules.timeout_s * SECOND_NS,
        entry_limit_pct=rules.entry_limit_pct,
        stop_limit_pct=rules.stop_limit_pct,
    )


def columns_of(day: SymbolDay) -> PriceColumns:
    """The prints as the replay reads them from a file."""
    start_ns = midnight_ns(day.day)
    return PriceColumns(
        symbol=day.symbol,
        day=day.day,
        t_ns=np.array([start_ns + at * 1000 for at, _ in day.prints], dtype=np.int64),
        price=np.array([price for _, price in day.prints], dtype=np.int64),
        continuous=None if day.continuous is None else np.array(day.continuous, dtype=np.bool_),
        rows_dropped=0,
        rows_read=len(day.prints),
    )


def replayed(
    days: Iterable[SymbolDay],
    rules: Rules = PLAIN_RULES,
    *,
    is_skipping: bool = True,
    account: core.Rules = UNLIMITED,
    paper: PaperRules | None = None,
    latency_ns: int = 0,
    columns: Mapping[str, PriceColumns] | None = None,
) -> ReplayDay:
    """Replay these symbols together through engine and paper exchange, to the end of the day."""
    days = list(days)
    replay = ReplayDay(
        [plan_of(day, rules) for day in days],
        columns or {day.symbol: columns_of(day) for day in days},
        core_rules(rules, account),
        paper or PaperRules(),
        latency_ns=latency_ns,
        is_skipping=is_skipping,
    )
    replay.run()
    return replay


def as_reference(trades: Iterable[domain.Trade], symbol: str | None = None) -> list[Trade]:
    """The engine's trades (of one symbol) in the words of the reference, prices per share.

    Every field is exact: a price that is not the same for all shares, or a time that is no whole number of
    microseconds, would not come out equal to anything the reference says.
    """
    return [_as_reference(trade) for trade in trades if symbol in (None, trade.symbol)]


def _as_reference(trade: domain.Trade) -> Trade:
    start_ns = midnight_ns(trade.day)
    entry_price, entry_rest = divmod(trade.entry_value, trade.quantity)
    exit_price, exit_rest = divmod(trade.exit_value, trade.quantity)
    entry_time, early = divmod(trade.entry_ns - start_ns, 1000)
    exit_time, late = divmod(trade.exit_ns - start_ns, 1000)
    assert (entry_rest, exit_rest, early, late) == (0, 0, 0, 0), trade
    levels = trade.initial_stop, trade.final_stop
    return Trade(entry_time, entry_price, exit_time, exit_price, REASONS[trade.reason], *levels)


class LeftBehind(NamedTuple):
    """All that a replayed day leaves behind; two replays of one day must not differ in any of it."""

    trades: list[domain.Trade]
    says: list[tuple[int, Say]]
    counts: tuple[int, int, int, int]
    history: list[Change]
    fills: list[Fill]
    core: str


def left_behind(replay: ReplayDay) -> LeftBehind:
    """What there is to compare; the last field is the fingerprint of everything the core believes."""
    log = replay.log
    counts = (log.triggers, log.entries, log.ticks, log.events)
    exchange = replay.exchange
    return LeftBehind(
        log.trades, log.says, counts, exchange.history, exchange.fills, fingerprint(replay.engine)
    )


def differences(one: LeftBehind, other: LeftBehind) -> list[str]:
    """The first difference of each kind, in words; empty where there is none."""
    found = []
    for name, left, right in zip(LeftBehind._fields, one, other, strict=True):
        if left == right:
            continue
        pairs = (
            zip_longest(left, right)
            if isinstance(left, list) and isinstance(right, list)
            else [(left, right)]
        )
        place, pair = next((n, pair) for n, pair in enumerate(pairs) if pair[0] != pair[1])
        found.append(f"{name}[{place}]: {pair[0]} <> {pair[1]}")
    return found
