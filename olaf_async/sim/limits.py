"""The limits that a simulated day is traded within: the clocks of the rules are as short as the day.

Owns the numbers, which of them are drawn, and which a person may change between two runs.
"""

from dataclasses import replace
from fractions import Fraction

from olaf_async.core.rules import Rules
from olaf_async.sim.choices import Choices
from olaf_async.sim.faults import SECOND_NS


def rules_of(choices: Choices) -> Rules:
    """The rules of one day."""
    draw = choices.draw
    return Rules(
        quantity=(10, 1, 3)[draw("quantity", 3)],
        order_timeout_ns=60 * SECOND_NS,
        settle_ns=10 * SECOND_NS,
        retry_ns=2 * SECOND_NS,
        blind_after_ns=8 * SECOND_NS,
        idle_poll_ns=10 * SECOND_NS,
        stale_feed_ns=12 * SECOND_NS,
        max_orders_per_s=(8, 3)[draw("orders per second", 2, one_in=4)],
        max_daily_loss=(None, 30_00)[draw("daily loss", 2, one_in=4)],
        stop_limit_pct=(Fraction(1), Fraction(1, 10))[draw("stop limit", 2)],
        max_open_positions=(3, 2)[draw("positions", 2, one_in=4)],
    )


def changed(rules: Rules, choices: Choices) -> Rules:
    """The rules by which the next run of the day is started; 0 is those of the last."""
    others = (
        replace(rules, quantity=1),
        replace(rules, quantity=2 * rules.quantity),
        replace(rules, max_attempts=1),
        replace(rules, max_open_positions=1),
        replace(rules, order_timeout_ns=10 * SECOND_NS),
        replace(rules, max_daily_loss=None if rules.max_daily_loss else 30_00),
    )
    return (rules, *others)[choices.draw("other settings", 1 + len(others))]
