"""Engine against plain loop on random days, and skipping against print by print on days no loop models.

`HYPOTHESIS_PROFILE=deep` multiplies the examples by fifty.
"""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple, TypeVar

from hypothesis import HealthCheck, event, given, reject, settings
from hypothesis import strategies as st

from olaf_async.adapters.paper.exchange import PaperRules
from olaf_async.adapters.replay.machine import ReplayDay
from olaf_async.core import rules as core
from olaf_async.core.rules import SECOND_NS

from .engine_runs import (
    UNLIMITED,
    SymbolDay,
    as_reference,
    differences,
    left_behind,
    replayed,
    symbol_day,
)
from .plain_loop import SECOND, OutOfScope, Trade
from .strategies import OPEN, PLAIN_RULES, Levels, RandomDay, Rules, random_days, varied_rules

Test = TypeVar("Test", bound=Callable[..., None])
SYMBOLS = ("ACC", "INFY", "M&M", "TCS")


def examples(thousands: float) -> Callable[[Test], Test]:
    """So many thousand examples of the chosen profile's hundred."""
    assert settings.default is not None
    return settings(
        max_examples=round(settings.default.max_examples * thousands * 10),
        suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow],
    )


def judged(day: RandomDay) -> list[Trade]:
    """The reference's trades; the example is dropped where it has no judgement."""
    try:
        return day.reference("rest")
    except OutOfScope as unmodelled:
        event(str(unmodelled))
        reject()


# ------------------------------------------------------------ against the plain loop


@given(random_days())
@examples(0.7)
def test_every_trade_of_a_random_day_is_the_plain_loops(day: RandomDay) -> None:
    expected = judged(day)
    for is_skipping in (True, False):
        replay = replayed([symbol_day(day)], day.rules, is_skipping=is_skipping)
        assert as_reference(replay.log.trades) == expected


@given(random_days(varied_rules(targets=True)))
@examples(0.3)
def test_every_trade_with_a_target_is_the_plain_loops(day: RandomDay) -> None:
    expected = judged(day)
    event(f"targets: {sum(trade.reason == 'target' for trade in expected)}")
    assert as_reference(replayed([symbol_day(day)], day.rules).log.trades) == expected


@given(random_days(), st.integers(2, 50))
@examples(0.1)
def test_more_shares_make_the_same_trades(day: RandomDay, quantity: int) -> None:
    replay = replayed([symbol_day(day, quantity=quantity)], day.rules)
    assert as_reference(replay.log.trades) == judged(day)
    assert {trade.quantity for trade in replay.log.trades} <= {quantity}


@st.composite
def accounts(draw: st.DrawFn) -> tuple[Rules, list[RandomDay]]:
    """Some symbols' days under the same rules; their prints fall between each other's and at one instant."""
    rules = draw(st.just(PLAIN_RULES) | varied_rules())
    return rules, draw(st.lists(random_days(st.just(rules)), min_size=2, max_size=len(SYMBOLS)))


@given(accounts())
@examples(0.12)
def test_symbols_of_one_account_trade_as_each_alone_while_the_account_allows(
    account: tuple[Rules, list[RandomDay]],
) -> None:
    rules, days = account
    expected = [judged(day) for day in days]
    replay = replayed([symbol_day(day, name) for name, day in zip(SYMBOLS, days, strict=False)], rules)
    assert [as_reference(replay.log.trades, name) for name in SYMBOLS[: len(days)]] == expected


# ------------------------------------------------------------ skipping against print by print


class World(NamedTuple):
    """What the reference does not model: a slow, partial, worse market and an account with limits.

    Its days are short, because an exit that no print fills is looked after once a second.
    """

    paper: PaperRules
    account: core.Rules
    latency_ns: int
    quantity: int
    entry_limit_pct: Fraction
    stop_limit_pct: Fraction
    minutes: int


NARROW = [Fraction(0), Fraction(1, 10), Fraction(1), Fraction(299, 100)]
WORLDS = st.builds(
    World,
    paper=st.builds(
        PaperRules,
        slippage_ticks=st.integers(0, 2),
        partial_fills=st.booleans(),
        seed=st.integers(0, 99),
        capital_paise=st.sampled_from([10**12, 10_000_00]),
    ),
    account=st.builds(
        replace,
        st.just(UNLIMITED),
        max_daily_loss=st.sampled_from([None, 1, 500, 20_000]),
        max_orders_per_s=st.sampled_from([10_000, 8, 2, 1]),
        max_open_positions=st.sampled_from([10_000, 2, 1]),
        idle_poll_ns=st.sampled_from([None, 120 * SECOND_NS]),
    ),
    latency_ns=st.sampled_from([0, 1, 1_000_000, 400_000_000, SECOND_NS, 7 * SECOND_NS]),
    quantity=st.integers(1, 60),
    entry_limit_pct=st.sampled_from(NARROW),
    stop_limit_pct=st.sampled_from(NARROW),
    minutes=st.sampled_from([30, 15, 45]),
)


def wrongs(replay: ReplayDay, days: list[SymbolDay]) -> list[str]:
    """What a slow and stingy but honest broker must never see: more held than planned, or less than nothing,
    or money that the trades do not explain."""
    found = []
    held = dict.fromkeys((day.symbol for day in days), 0)
    planned = {day.symbol: day.quantity for day in days}
    side = {day.symbol: day.levels.direction for day in days}
    for fill in replay.exchange.fills:
        held[fill.symbol] += fill.side.sign * side[fill.symbol] * fill.quantity
        if not 0 <= held[fill.symbol] <= planned[fill.symbol]:
            found.append(f"{fill}: now {held[fill.symbol]} held")
    # A close that comes before the slow broker answers leaves a trade that is over but not reported.
    is_reported = not any(trader.state.position.entered for trader in replay.engine.traders.values())
    if is_reported and not any(held.values()):
        profit = sum(trade.gross for trade in replay.log.trades)
        realised = replay.exchange.funds().realised
        if profit != realised:
            found.append(f"the trades made {profit}, the account {realised}")
    return found


def played_both_ways(days: list[SymbolDay], rules: Rules, world: World) -> list[str]:
    """What is wrong on these days in this world, and what differs between the two ways of replaying them."""
    narrowed = rules._replace(
        deadline_s=OPEN // SECOND + world.minutes * 60,
        entry_limit_pct=world.entry_limit_pct,
        stop_limit_pct=world.stop_limit_pct,
    )
    played = [
        replace(day, quantity=world.quantity, close_s=narrowed.deadline_s + world.quantity * 10)
        for day in days
    ]
    skipped, stepped = (
        replayed(
            played,
            narrowed,
            is_skipping=is_skipping,
            account=world.account,
            paper=world.paper,
            latency_ns=world.latency_ns,
        )
        for is_skipping in (True, False)
    )
    event(f"trades: {min(4, len(skipped.log.trades))}")
    return wrongs(skipped, played) + differences(left_behind(skipped), left_behind(stepped))


@given(accounts(), WORLDS)
@examples(0.2)
def test_skipping_leaves_exactly_the_day_behind_that_taking_every_print_does(
    account: tuple[Rules, list[RandomDay]], world: World
) -> None:
    rules, days = account
    played = [symbol_day(day, name) for name, day in zip(SYMBOLS, days, strict=False)]
    assert played_both_ways(played, rules, world) == []


@given(accounts(), WORLDS, st.data())
@examples(0.08)
def test_skipping_bars_leaves_the_same_day_behind_too(
    account: tuple[Rules, list[RandomDay]], world: World, data: st.DataObject
) -> None:
    """Prices of bars: between some prints, price is taken to pass every level."""
    rules, days = account
    every = data.draw(st.sampled_from([4, 2, 3]))
    played = [
        replace(symbol_day(day, name), continuous=[n % every > 0 for n in range(len(day.prints))])
        for name, day in zip(SYMBOLS, days, strict=False)
    ]
    assert played_both_ways(played, rules, world) == []


# ------------------------------------------------------------ days that were once told wrong


LEVELS = Levels(entry=10000, trigger=9950, tick=5, true_range=400, direction=+1)
ENTERED = ((60, 9950), (120, 10000))  # filled at 100.00, stop at 98.00


def told(*prints: tuple[int, int], rules: Rules = PLAIN_RULES) -> list[Trade]:
    """The engine's trades for prints given as seconds after the open and paise."""
    day = RandomDay(LEVELS, rules, [(OPEN + seconds * SECOND, price) for seconds, price in prints])
    return as_reference(replayed([symbol_day(day)], rules).log.trades)


def after(seconds: int) -> int:
    return OPEN + seconds * SECOND


def test_a_quote_read_in_a_silence_is_not_overruled_by_the_older_print() -> None:
    rules = PLAIN_RULES._replace(take_profit_r=Fraction(2))
    assert told(*ENTERED, (180, 10400), (193, 10395), rules=rules) == [
        Trade(after(120), 10000, after(193), 10395, "target", 9800, 9800)
    ]


def test_an_exit_arms_the_next_entry_once_and_not_again_when_that_entry_has_lapsed() -> None:
    rules = PLAIN_RULES._replace(reentry="immediate", bar_s=7200)
    stopped = (*ENTERED, (180, 9800), (240, 9990))  # the entry of 240 s lapses at 1140 s
    assert len(told(*stopped, (1139, 10000), rules=rules)) == 2
    assert len(told(*stopped, (1140, 10000), rules=rules)) == 1
    assert len(told(*stopped, (1150, 9990), (1160, 10000), rules=rules)) == 1
    assert len(told(*stopped, (1150, 9950), (1160, 10000), rules=rules)) == 2


def test_a_stop_refused_because_the_price_is_through_it_means_out_at_once() -> None:
    jumped = ((60, 9950), (120, 10305), (125, 9700))  # it rests at 103.00, and is filled far below its stop
    assert told(*jumped, (126, 9690)) == [
        Trade(after(125), 10300, after(126), 9690, "stop", 10100, 10100),
    ]
