"""The strategy as one plain loop over prints: the reference that the engine is judged by.

Owns one symbol-day under the 80-20 rules, with a broker that has no latency and no slippage. It must never
import the engine, and must stay short enough to be checked by reading it. Prices are integer paise on the
tick grid, times are integer microseconds since local midnight, arguments ending in `_s` are seconds. A short
day is the long day with every price negated: "higher" below always means "better for the position", and
rounding down is rounding away from the market.
"""

from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from typing import Literal, NamedTuple

SECOND = 1_000_000
EXIT_LIMIT_PCT = 1  # a target exit is a limit this far through the print that reached the target ...
CHASE = 1 * SECOND  # ... and, once jumped, is re-priced to the last price at the next of these intervals

Reason = Literal["stop", "target", "session_end"]


class OutOfScope(Exception):
    """The day turns on how an order is re-priced after its limit was jumped, which is not modelled here."""


class Trade(NamedTuple):
    """One entry and its exit; `final_stop` is where the protective stop stood when the exit was decided."""

    entry_time: int
    entry_price: int
    exit_time: int
    exit_price: int
    reason: Reason
    initial_stop: int
    final_stop: int


class _Held(NamedTuple):
    time: int
    price: int
    first_stop: int
    stop: int
    target: Fraction | None


class _Bar(NamedTuple):
    end: int
    open: int
    low: int
    close: int


def limit_room(trigger: int, pct: Fraction, tick: int) -> int:
    """Paise from a stop order's trigger to its limit: outward to the tick, then inside the exchange cap."""
    wanted = -(-(abs(trigger) * pct / 100) // tick) * tick
    cap = 3 * abs(trigger) // 100 if abs(trigger) > 5000 else 150
    return min(wanted, cap // tick * tick)


def _closed(held: _Held, direction: int, time: int, price: int, reason: Reason) -> Trade:
    levels = (direction * held.first_stop, direction * held.stop)
    return Trade(held.time, direction * held.price, time, direction * price, reason, *levels)


def plain_loop(  # noqa: C901, PLR0912, PLR0915 - one loop read top to bottom is the point of it
    prints: Iterable[tuple[int, int]],
    *,
    entry: int,
    trigger: int,
    tick: int,
    true_range: int,
    direction: int = +1,
    open_s: int = 33300,
    window_s: int = 3600,
    ignore_initial_s: int = 0,
    deadline_s: int = 53100,
    close_s: int = 55800,
    timeout_s: int = 900,
    max_attempts: int = 3,
    tr_mult: Fraction = Fraction(1, 2),
    initial_stop: Literal["true_range", "ticks"] = "true_range",
    stop_ticks: int = 20,
    bar_s: int = 900,
    trail_buffer_ticks: int = 2,
    trail_from: Literal["entry_bar", "next_bar"] = "entry_bar",
    reentry: Literal["retrigger", "immediate"] = "retrigger",
    entry_limit_pct: Fraction = Fraction(299, 100),
    stop_limit_pct: Fraction = Fraction(299, 100),
    take_profit_r: Fraction | int = 0,
    jumped_entry: Literal["out_of_scope", "rest"] = "out_of_scope",
) -> list[Trade]:
    """Return the day's trades for prints in arrival order whose times never fall.

    `jumped_entry="rest"` lets an entry whose limit was jumped wait at that limit, as an exchange would.
    Raises OutOfScope where a stop's limit is jumped, where an entry's is (unless it may rest), where a rested
    entry is filled by a print beyond its stop, and where a target exit is still unfilled at the deadline.
    """
    entry, trigger = direction * entry, direction * trigger
    entry_limit = entry + limit_room(entry, entry_limit_pct, tick)
    distance = true_range * tr_mult if initial_stop == "true_range" else Fraction(stop_ticks * tick)
    opens, deadline = open_s * SECOND, min(deadline_s, close_s) * SECOND
    window = range(opens + ignore_initial_s * SECOND, opens + window_s * SECOND)

    trades: list[Trade] = []
    attempts, rearm = 0, False
    entry_sent: int | None = None  # the working entry, by the time it was sent
    jumped = False  # ... and whether its limit was jumped, so that it rests there
    held: _Held | None = None
    exit_sent: int | None = None  # the working target exit, by the time it was sent
    chase: int | None = None  # ... and when it is re-priced, if its limit was jumped so that it rests there
    exit_limit = last = 0
    bar: _Bar | None = None

    for time, signed in chain(prints, [(deadline, 0)]):
        now, price = min(time, deadline), direction * signed
        if now < opens:
            continue

        # Timers due by now run before the print.
        if held and chase is not None and chase <= now and chase < deadline:
            trades.append(_closed(held, direction, chase, last, "target"))
            held, exit_sent, chase, rearm = None, None, None, reentry == "immediate"
        if bar and bar.end <= now:
            may_trail = trail_from == "entry_bar" or (held and held.time < bar.end - bar_s * SECOND)
            if held and exit_sent is None and may_trail and bar.close >= bar.open:
                raised = (bar.low - trail_buffer_ticks * tick) // tick * tick
                held = held._replace(stop=max(held.stop, raised))
            bar = None
        if entry_sent is not None and entry_sent + timeout_s * SECOND <= now:
            entry_sent = None
        if now == deadline:
            if exit_sent is not None:
                raise OutOfScope("a target exit is unfilled at the deadline")
            if held:
                trades.append(_closed(held, direction, deadline, last, "session_end"))
            return trades

        # The print meets what was already resting; only if nothing was does it decide something new.
        if held and exit_sent is not None:
            if price >= exit_limit:
                paid = price if chase is None else exit_limit
                trades.append(_closed(held, direction, now, paid, "target"))
                held, exit_sent, chase, rearm = None, None, None, reentry == "immediate"
            elif chase is None:
                chase = exit_sent + ((now - exit_sent) // CHASE + 1) * CHASE
        elif held and price <= held.stop:
            if price < held.stop - limit_room(held.stop, stop_limit_pct, tick):
                raise OutOfScope("a protective stop's limit was jumped")
            trades.append(_closed(held, direction, now, price, "stop"))
            held, rearm = None, reentry == "immediate"
        elif held:
            if held.target is not None and price >= held.target:
                exit_sent = now
                exit_limit = (price - Fraction(abs(price) * EXIT_LIMIT_PCT, 100)) // tick * tick
        elif entry_sent is not None:
            if not jumped and price > entry_limit:
                if jumped_entry == "out_of_scope":
                    raise OutOfScope("an entry's limit was jumped")
                jumped = True
            elif price <= entry_limit if jumped else price >= entry:
                paid = entry_limit if jumped else price
                stop = (paid - distance) // tick * tick
                if price <= stop:
                    raise OutOfScope("an entry's limit was filled by a print beyond its stop")
                target = paid + take_profit_r * Fraction(paid - stop) if take_profit_r else None
                held, entry_sent, attempts = _Held(now, paid, stop, stop, target), None, attempts + 1
        elif attempts < max_attempts and ((now in window and price <= trigger) or (rearm and price < entry)):
            entry_sent, jumped, rearm = now, False, False

        if bar is None:
            bar = _Bar(opens + ((now - opens) // (bar_s * SECOND) + 1) * bar_s * SECOND, price, price, price)
        else:
            bar = bar._replace(low=min(bar.low, price), close=price)
        last = price
    raise AssertionError("the deadline ends every day")
