"""The price paths of a simulated day: legs from level to level, with a jump here and there.

Owns where prices go. The levels are those that matter to the strategy under test, so that a few hundred
prints hold undercuts, fills, raises, stops and jumps beyond a limit. Must never know what the engine does.
"""

from dataclasses import dataclass
from typing import Final

from olaf_async.domain.price import Paise
from olaf_async.domain.setup import Setup
from olaf_async.sim.choices import Choices
from olaf_async.sim.faults import SECOND_NS, Fault, Swarm

LEGS: Final = (
    ("back above the entry", 3),
    ("under the trigger", -14),
    ("a run in our favour", 24),
    ("a little higher", 9),
    ("down to the stop", -24),
    ("a lull", 0),
    ("a long run", 60),
    ("just under the entry", -3),
)
"""Where a leg may lead: levels in ticks from the entry, towards profit. The first is the calm one."""

JUMP: Final = ("a jump through stop and limit", -64)
LEG_S: Final = (10, 5, 20, 40)
STEPS: Final = (4, 2, 8)
WOBBLE: Final = (0, 1, -1, 0, 2, -1, 0, -2)


@dataclass(frozen=True, slots=True)
class Print:
    """One trade at the exchange."""

    at_ns: int
    symbol: str
    price: Paise


def path(setup: Setup, choices: Choices, faults: Swarm, span: tuple[int, int]) -> list[Print]:
    """All prints of one symbol's day, by time. The calm path undercuts, goes in, up, and out at the stop."""
    calm = (5, 1, 0, 2, 4)
    prints: list[Print] = []
    draw = choices.draw
    at_ns, close_ns = span
    level = leg = 0
    while at_ns < close_ns:
        change = draw("leg", len(LEGS))
        goal = LEGS[(calm[leg % len(calm)] + change) % len(LEGS)][1]
        span_ns = LEG_S[draw("leg span", len(LEG_S))] * SECOND_NS
        steps = STEPS[draw("leg steps", len(STEPS))]
        if faults.strikes(Fault.MARKET, "jump"):
            goal, steps = JUMP[1], 1
        for step in range(1, steps + 1):
            print_ns = at_ns + span_ns * step // steps
            if print_ns >= close_ns:
                break
            ticks = level + (goal - level) * step // steps + WOBBLE[(leg * 3 + step) % len(WOBBLE)]
            price = setup.entry_price + ticks * setup.tick_size * setup.direction
            prints.append(Print(print_ns, setup.symbol, max(setup.tick_size, price)))
        level, at_ns, leg = goal, at_ns + span_ns, leg + 1
    return prints
