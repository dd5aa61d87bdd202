"""The numbers the core trades by, exact and in its own units."""

from dataclasses import dataclass
from fractions import Fraction

from olaf_async.domain.price import Paise

SECOND_NS = 1_000_000_000
NEVER_NS = 1 << 62
"""Later than any clock reading: "no timer"."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings of the core. Percentages are of the price they apply to; durations in ns; money in paise.

    ``idle_poll_ns`` None reads the books only when a question is open (a replay's exchange hides nothing).
    ``modifications_max`` is the broker's cap per order, ``modifications_reserve`` what is kept of it for
    getting out.
    """

    quantity: int = 1
    max_attempts: int = 3
    max_order_retries: int = 3
    order_timeout_ns: int = 900 * SECOND_NS
    retry_ns: int = 5 * SECOND_NS
    settle_ns: int = 130 * SECOND_NS
    chase_ns: int = SECOND_NS
    read_gap_ns: int = SECOND_NS
    blind_after_ns: int = 15 * SECOND_NS
    idle_poll_ns: int | None = None
    quote_after_ns: int = 5 * SECOND_NS
    phantom_stop_ns: int = 2 * SECOND_NS
    entry_limit_pct: Fraction = Fraction(3, 10)
    entry_limit_ticks: int | None = None
    stop_limit_pct: Fraction = Fraction(1)
    exit_limit_pct: Fraction = Fraction(1)
    quoteless_exit_pct: Fraction = Fraction(3)
    stale_feed_ns: int = 30 * SECOND_NS
    unprotected_max_ns: int = 3 * SECOND_NS
    max_open_positions: int = 10
    max_daily_loss: Paise | None = None
    max_orders_per_s: int = 8
    modifications_max: int = 25
    modifications_reserve: int = 5
    stop_rejections_max: int = 3
    exit_tries_max: int = 20
    clock_skew_max_ns: int = 2 * SECOND_NS
