"""Random setups, rules and days for Hypothesis, drawn so that the interesting things happen often.

Owns the shape of the random days on which the engine is compared with the plain loop. A path is drawn in
ticks from the entry, in the direction of the trade, as steps of (how long, how far). Both come mostly from
near the levels and instants where a rule decides: the trigger, the entry, the initial stop, the ends of bars,
the timeout, the end of the window, the deadline. A step is one draw from a table, simplest first, so that
days are drawn fast and shrink to plain ones.
"""

from fractions import Fraction
from typing import Literal, NamedTuple

from hypothesis import strategies as st

from .plain_loop import SECOND, Trade, plain_loop

OPEN, CLOSE = 33300 * SECOND, 55800 * SECOND
TICKS = [1, 5, 10, 50, 100, 500]
CHEAPEST, FARTHEST = 500, 400  # ticks: an entry's least price, and how far from it a path may go


class Levels(NamedTuple):
    """A setup, named as the arguments of `plain_loop`: paise, `direction` +1 or -1."""

    entry: int
    trigger: int
    tick: int
    true_range: int
    direction: int


class Rules(NamedTuple):
    """The settings of the day, named as the arguments of `plain_loop`."""

    window_s: int = 3600
    ignore_initial_s: int = 0
    deadline_s: int = 53100
    timeout_s: int = 900
    max_attempts: int = 3
    tr_mult: Fraction = Fraction(1, 2)
    initial_stop: Literal["true_range", "ticks"] = "true_range"
    stop_ticks: int = 20
    bar_s: int = 900
    trail_buffer_ticks: int = 2
    trail_from: Literal["entry_bar", "next_bar"] = "entry_bar"
    reentry: Literal["retrigger", "immediate"] = "retrigger"
    entry_limit_pct: Fraction = Fraction(299, 100)
    stop_limit_pct: Fraction = Fraction(299, 100)
    take_profit_r: Fraction = Fraction(0)


class RandomDay(NamedTuple):
    """One symbol-day: prints are (microseconds since midnight, paise), in order, times never falling."""

    levels: Levels
    rules: Rules
    prints: list[tuple[int, int]]

    def reference(self, jumped_entry: Literal["out_of_scope", "rest"] = "out_of_scope") -> list[Trade]:
        """Return the trades of the plain loop; raises OutOfScope as it does."""
        loop_rules = self.rules._asdict() | {"jumped_entry": jumped_entry}
        return plain_loop(self.prints, **self.levels._asdict(), **loop_rules)


PLAIN_RULES = Rules()


def varied_rules(*, targets: bool = False) -> st.SearchStrategy[Rules]:
    """Draw rules that differ from the plain ones in several places; with `targets`, most take profit."""
    return st.builds(
        Rules,
        window_s=st.sampled_from([3600, 1800, 7200]),
        ignore_initial_s=st.sampled_from([0, 60, 300]),
        deadline_s=st.sampled_from([53100, 53099, 40000]),
        timeout_s=st.sampled_from([900, 60, 1800]),
        max_attempts=st.integers(1, 4),
        tr_mult=st.sampled_from([Fraction(1, 2), Fraction(3, 10), Fraction(7, 10), Fraction(1)]),
        initial_stop=st.sampled_from(["true_range", "ticks"]),
        stop_ticks=st.integers(1, 30),
        bar_s=st.sampled_from([900, 300, 60]),
        trail_buffer_ticks=st.integers(1, 5),
        trail_from=st.sampled_from(["entry_bar", "next_bar"]),
        reentry=st.sampled_from(["retrigger", "immediate"]),
        entry_limit_pct=st.sampled_from([Fraction(299, 100), Fraction(3), Fraction(3, 2)]),
        stop_limit_pct=st.sampled_from([Fraction(299, 100), Fraction(3), Fraction(3, 2)]),
        take_profit_r=st.sampled_from([Fraction(0), Fraction(1), Fraction(3, 2), Fraction(2)])
        if targets
        else st.just(Fraction(0)),
    )


@st.composite
def setups(draw: st.DrawFn) -> Levels:
    """Draw a long or short setup on any tick grid; 3 % of its price is always at least 15 ticks."""
    tick = draw(st.sampled_from(TICKS) | st.integers(1, 500))
    direction = draw(st.sampled_from([+1, -1]))
    entry = draw(st.integers(CHEAPEST, 8000)) * tick
    below = draw(st.just(10) | st.integers(1, 15)) * tick
    true_range = draw(st.integers(4, 60)) * tick
    return Levels(entry, entry - direction * below, tick, true_range, direction)


def random_days(rules: st.SearchStrategy[Rules] | None = None) -> st.SearchStrategy[RandomDay]:
    """Draw days under the plain rules and, as often, under varied ones (or under `rules`)."""
    return _days(rules if rules is not None else st.just(PLAIN_RULES) | varied_rules())


# How long until the next print: "time" is microseconds; other kinds are instants, met early, exactly or late.
_COMMON_WAITS = [
    *(("time", length) for length in (0, 0, 0, 1, 400_000, 999_999)),
    *(("time", seconds * SECOND) for seconds in (1, 2, 5, 5, 13, 13, 30, 30, 60, 60, 90, 150, 240, 400)),
    *(("bar", late) for late in (0, -1, 1)),
]
_RARE_WAITS = [
    *(("time", seconds * SECOND) for seconds in (600, 600, 1200, 3600)),
    *(("timeout", 0), ("timeout", -1), ("window", 0), ("deadline", 0)),
]
# Where it goes: "step" is ticks from the last print; the other kinds are levels, met or missed by some ticks.
_MOVES = [
    *(("step", ticks) for ticks in (0, 0, 0, 1, 1, -1, 1, 2, -2, 2, 3, -3, 5, -4, 8, 8)),
    *(("trigger", ticks) for ticks in (0, 1, -2)),
    *(("entry", ticks) for ticks in (0, -1, 1, 3, 12, 30, -25, 60)),
    *(("stop", ticks) for ticks in (0, 1)),
]
_STEPS = st.sampled_from([(wait, move) for wait in _COMMON_WAITS * 3 + _RARE_WAITS for move in _MOVES])
# Hypothesis draws short lists by preference; a day that trades three times is long.
_PATHS = st.lists(_STEPS, min_size=1, max_size=59) | st.lists(_STEPS, min_size=60, max_size=250)
# What a path may open with, so that many short ones are in the market too.
_UNDERCUT, _RETURN = (("time", 13 * SECOND), ("trigger", 0)), (("time", 13 * SECOND), ("entry", 0))
_OPENINGS = st.sampled_from([[], [_UNDERCUT], [_UNDERCUT, _RETURN]])
# Seconds from the open to the first print: mostly at once, some before, some late.
_STARTS = st.sampled_from([0, 1, 2, 0, 1, 2, 45, 60, 61, -1, -300, 1200, 3540, 5000])


@st.composite
def _days(draw: st.DrawFn, rules: st.SearchStrategy[Rules]) -> RandomDay:
    levels, chosen = draw(setups()), draw(rules)
    time = OPEN + draw(_STARTS) * SECOND
    place = draw(st.integers(-15, 15))  # ticks from the entry, in the direction of the trade
    prints: list[tuple[int, int]] = []
    for (wait, length), (move, size) in draw(_OPENINGS) + draw(_PATHS):
        time = _after(time, wait, length, chosen)
        if time >= CLOSE:
            break
        place = max(-FARTHEST, min(FARTHEST, _next_place(place, move, size, levels, chosen)))
        prints.append((time, levels.entry + levels.direction * place * levels.tick))
    return RandomDay(levels, chosen, prints)


def _after(time: int, wait: str, length: int, rules: Rules) -> int:
    """The time of the next print; never before the last one."""
    if wait == "bar":
        bar = rules.bar_s * SECOND
        return max(time, OPEN + ((time - OPEN) // bar + 1) * bar + length)
    if wait == "timeout":
        return time + rules.timeout_s * SECOND + length
    if wait == "window":
        return max(time, OPEN + rules.window_s * SECOND + length)
    if wait == "deadline":
        return max(time, rules.deadline_s * SECOND + length)
    return time + length


def _next_place(place: int, move: str, size: int, levels: Levels, rules: Rules) -> int:
    """The next print's place in ticks from the entry; `size` is added to the named level."""
    if move == "trigger":
        return size - abs(levels.entry - levels.trigger) // levels.tick
    if move == "entry":
        return size
    if move == "stop":
        if rules.initial_stop == "ticks":
            return size - rules.stop_ticks
        return size - int(levels.true_range * rules.tr_mult / levels.tick)
    return place + size
