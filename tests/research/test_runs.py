"""A run of many days: what it replays, what it shows of itself on the way, and what it reads when."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime, time
from itertools import count
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from olaf_async.adapters.paper.exchange import PaperRules
from olaf_async.adapters.replay.files import PriceColumns
from olaf_async.core.engine import Plan
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.domain.charges import ChargeRates
from olaf_async.domain.order import Role, Side
from olaf_async.domain.price import to_paise
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Setup
from olaf_async.domain.trade import ExitReason
from olaf_async.errors import ConfigError, InvariantBroken
from olaf_async.research.results import LeftOut, RunResult, WorkingOrder
from olaf_async.research.runs import Conditions, Progress, Run
from olaf_async.strategies.eighty_twenty import EightyTwenty, EightyTwentyRules
from tests.made_market import (
    ALPHA_MONDAY,
    ALPHA_TUESDAY,
    BETA_MONDAY,
    MONDAY,
    SETUPS,
    TUESDAY,
    setup_of,
)

INDIA = ZoneInfo("Asia/Kolkata")
STRATEGY = EightyTwentyRules(trigger_window_ns=3600 * SECOND_NS, bar_ns=900 * SECOND_NS)
CONDITIONS = Conditions(Rules(), PaperRules(charges=ChargeRates()))


def at_ns(day: date, clock: str) -> int:
    return int(datetime.combine(day, time.fromisoformat(clock), INDIA).timestamp()) * SECOND_NS


def plan_of(setup: Setup) -> Plan:
    open_ns, exit_ns, close_ns = (at_ns(setup.entry_date, at) for at in ("09:15", "14:45", "15:30"))
    session = Session(setup.entry_date, open_ns, open_ns, exit_ns, close_ns)
    return Plan(setup, session, EightyTwenty(setup, session, STRATEGY))


def columns_of(symbol: str, day: date, prints: Iterable[tuple[str, str]]) -> PriceColumns:
    times, prices = zip(*prints, strict=True)
    return PriceColumns(
        symbol=symbol,
        day=day,
        t_ns=np.array([at_ns(day, clock) for clock in times], dtype=np.int64),
        price=np.array([to_paise(price) for price in prices], dtype=np.int64),
        continuous=None,
        rows_dropped=1,
        rows_read=len(times) + 1,
    )


class Shelf:
    """Prices in memory that remember who asked for them; ``bad`` days cannot be read."""

    def __init__(self, *columns: PriceColumns, bad: date | None = None) -> None:
        self.skipped: list[str] = []
        self.asked: list[tuple[str, date]] = []
        self._columns = {(each.symbol, each.day): each for each in columns}
        self._bad = bad

    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted({symbol for symbol, _ in self._columns}))

    def days(self, symbol: str) -> tuple[date, ...]:
        return tuple(sorted(day for name, day in self._columns if name == symbol))

    def read(self, symbol: str, day: date) -> PriceColumns | None:
        self.asked.append((symbol, day))
        if day == self._bad:
            raise ConfigError(f"{symbol}/{day}.csv: row 1, column ltp: 'x' is not a price")
        return self._columns.get((symbol, day))


def made_shelf(*, bad: date | None = None) -> Shelf:
    return Shelf(
        columns_of("ALPHA", MONDAY, ALPHA_MONDAY),
        columns_of("BETA", MONDAY, BETA_MONDAY),
        columns_of("ALPHA", TUESDAY, ALPHA_TUESDAY),
        bad=bad,
    )


def made_run(
    shelf: Shelf | None = None, setups: Iterable[Setup] = SETUPS, conditions: Conditions = CONDITIONS
) -> Run:
    return Run([plan_of(setup) for setup in setups], shelf or made_shelf(), conditions)


def timeless(result: RunResult) -> RunResult:
    return replace(result, elapsed_ns=0)


def upto(run: Run, day: date, clock: str) -> Progress:
    """The run as it stands after the last happening before this time."""
    progress = run.progress()
    for now_ns in run.steps():
        if now_ns >= at_ns(day, clock):
            break
        progress = run.progress()
    return progress


# --------------------------------------------------------------------------------------------------- results


def test_every_trade_of_the_made_up_days_is_as_worked_out_by_hand() -> None:
    result = made_run().finish()
    told = [
        (
            each.trade.symbol,
            each.trade.entry_ns,
            each.trade.entry_value,
            each.trade.exit_ns,
            each.trade.exit_value,
            each.trade.reason,
            each.trade.final_stop,
            each.charges,
        )
        for each in result.trades
    ]
    alpha = at_ns(MONDAY, "09:25"), 100_00, at_ns(MONDAY, "10:00"), 99_00, ExitReason.STOP
    beta = at_ns(MONDAY, "09:26"), 200_00, at_ns(MONDAY, "14:45"), 201_00, ExitReason.SESSION_END
    assert told == [("ALPHA", *alpha, 99_40, 10), ("BETA", *beta, 199_40, 21)]


def test_a_result_counts_days_ticks_triggers_entries_and_dropped_rows() -> None:
    result = made_run().finish()
    assert [day.day for day in result.days] == [MONDAY, TUESDAY]
    assert [day.ticks for day in result.days] == [len(ALPHA_MONDAY) + len(BETA_MONDAY), len(ALPHA_TUESDAY)]
    assert [(day.triggers, day.entries) for day in result.days] == [(2, 2), (0, 0)]
    assert [day.rows_dropped for day in result.days] == [2, 1]
    assert (result.setups, result.symbols, result.left_out, result.unclosed) == (3, ("ALPHA", "BETA"), (), ())


def test_days_come_in_order_whatever_the_order_of_the_plans() -> None:
    assert timeless(made_run(setups=reversed(SETUPS)).finish()) == timeless(made_run().finish())


def test_taking_every_price_gives_the_same_result_as_skipping() -> None:
    stepping = replace(CONDITIONS, is_skipping=False)
    assert timeless(made_run(conditions=stepping).finish()) == timeless(made_run().finish())


def test_every_order_is_told_with_its_role_from_placing_to_its_end() -> None:
    changes = [each for each in made_run().finish().orders if each.symbol == "BETA"]
    assert [(each.role, each.side, each.change) for each in changes] == [
        (Role.ENTRY, Side.BUY, "placed"),
        (Role.ENTRY, Side.BUY, "filled"),
        (Role.STOP, Side.SELL, "placed"),
        (Role.STOP, Side.SELL, "modified"),
        (Role.STOP, Side.SELL, "cancelled"),
        (Role.EXIT, Side.SELL, "placed"),
        (Role.EXIT, Side.SELL, "filled"),
    ]


def test_an_order_the_account_cannot_bear_is_told_as_refused_when_it_reached_the_exchange() -> None:
    poor = replace(CONDITIONS, paper=PaperRules(capital_paise=1), latency_ns=SECOND_NS)
    (refused, *_) = made_run(setups=SETUPS[:1], conditions=poor).finish().orders
    assert (refused.change, refused.order_id, refused.role) == ("refused", "", Role.ENTRY)
    books_read_ns = at_ns(MONDAY, "09:20") + SECOND_NS
    assert refused.at_ns == books_read_ns + SECOND_NS // 2


def test_a_position_that_cannot_be_closed_before_the_close_is_reported() -> None:
    """Every call takes an hour: the stop is cancelled at 15:15, and the exit order comes too late."""
    hour_ns = 3600 * SECOND_NS
    patient = Rules(order_timeout_ns=5 * hour_ns, stale_feed_ns=5 * hour_ns)
    slow = replace(CONDITIONS, rules=patient, latency_ns=hour_ns)
    prints = (("09:20:00", "199.50"), ("12:00:00", "200.50"))
    result = made_run(Shelf(columns_of("BETA", MONDAY, prints)), SETUPS[1:2], slow).finish()
    assert result.trades == ()
    (left,) = result.unclosed
    assert (left.symbol, left.quantity, left.last) == ("BETA", 1, 200_50)


# -------------------------------------------------------------------------------------------------- left out


def test_a_setup_without_prices_is_left_out_with_the_reason_and_the_others_are_replayed() -> None:
    gone = setup_of("GAMMA")
    result = made_run(setups=(*SETUPS, gone)).finish()
    assert result.left_out == (LeftOut(gone, "there are no prices of that day"),)
    assert (len(result.trades), result.setups) == (2, 4)


def test_prices_outside_the_session_alone_are_no_prices() -> None:
    shelf = Shelf(columns_of("ALPHA", MONDAY, [("09:10:00", "101.00"), ("15:30:00", "99.00")]))
    result = made_run(shelf, [setup_of()]).finish()
    assert result.left_out == (LeftOut(setup_of(), "no price is in its session"),)
    assert result.days == ()


def test_what_was_left_out_before_the_run_is_part_of_its_result() -> None:
    lapsed = LeftOut(setup_of("GAMMA"), "a short session")
    shelf = made_shelf()
    shelf.skipped = ["ticks/b.csv: bad", "daily/a.csv: bad"]
    plans = [plan_of(setup) for setup in SETUPS]
    run = Run(plans, shelf, CONDITIONS, [lapsed], skipped_files=["daily/a.csv: bad"])
    result = run.finish()
    assert result.left_out == (lapsed,)
    assert result.skipped_files == ("daily/a.csv: bad", "ticks/b.csv: bad")


def test_two_plans_for_one_symbol_and_day_are_refused() -> None:
    with pytest.raises(ConfigError, match="two setups for ALPHA on 2021-06-07"):
        made_run(setups=(setup_of(), setup_of(entry_price=9900))).finish()


def test_a_run_without_plans_is_over_at_once() -> None:
    run = made_run(setups=())
    assert (run.days, timeless(run.finish())) == ((), RunResult(()))


# -------------------------------------------------------------------------------------------------- progress


def test_progress_shows_what_is_held_and_what_works_at_that_moment() -> None:
    progress = upto(made_run(), MONDAY, "09:40")
    alpha, beta = progress.positions
    assert (alpha.symbol, alpha.quantity, alpha.entry_value, alpha.last) == ("ALPHA", 1, 100_00, 101_20)
    assert (alpha.stop, alpha.gross) == (99_40, 1_20)
    assert (beta.symbol, beta.stop, beta.gross) == ("BETA", 199_40, 1_00)
    assert progress.orders == (
        WorkingOrder("ALPHA", "ALPHA/2-stop", Role.STOP, Side.SELL, "working", 1, 0, 98_40, 99_40),
        WorkingOrder("BETA", "BETA/2-stop", Role.STOP, Side.SELL, "working", 1, 0, 197_40, 199_40),
    )
    assert (progress.days_done, progress.days_total) == (0, 2)
    assert progress.today is not None
    assert (progress.today.day, progress.today.triggers, progress.today.entries) == (MONDAY, 2, 2)


def test_progress_counts_money_of_closed_trades_after_charges_and_of_open_ones_at_the_last_price() -> None:
    progress = upto(made_run(), MONDAY, "14:45")
    assert (progress.so_far.gross, progress.so_far.charges) == (-1_00, 10)
    assert (progress.open_gross, progress.net) == (1_00, -10)


def test_progress_counts_the_prices_played_so_far() -> None:
    run = made_run()
    seen = [run.progress().so_far.ticks for _ in run.steps()]
    assert seen == sorted(seen)
    assert seen[-1] <= run.result().ticks == 13
    assert upto(made_run(), MONDAY, "09:40").so_far.ticks == 4 + 3  # the last happening is the bar of 09:30


def test_after_the_last_day_progress_is_the_result() -> None:
    run = made_run()
    result = run.finish()
    progress = run.progress()
    assert (progress.so_far, progress.today, progress.positions, progress.orders) == (result, None, (), ())
    assert (progress.days_done, progress.days_total, progress.net) == (2, 2, result.net)


def test_before_the_first_step_nothing_has_happened() -> None:
    progress = made_run().progress()
    assert (progress.at_ns, progress.days_done, progress.today) == (0, 0, None)
    assert progress.so_far == RunResult(())


def test_looking_at_every_step_changes_nothing() -> None:
    def look(run: Run) -> None:
        run.progress()

    assert timeless(made_run().finish(look)) == timeless(made_run().finish())


def test_the_observer_is_called_after_every_step() -> None:
    seen: list[int] = []
    made_run().finish(lambda run: seen.append(run.progress().at_ns))
    assert seen == list(made_run().steps())


def test_a_day_without_prices_counts_as_done() -> None:
    run = made_run(setups=(*SETUPS, setup_of("GAMMA", date(2021, 6, 9))))
    run.finish()
    assert run.progress().days_done == run.progress().days_total == 3


def ticking() -> Callable[[], int]:
    """A clock that is one nanosecond later each time it is asked."""
    readings = count()
    return lambda: next(readings)


def test_time_that_the_caller_spends_between_steps_is_not_elapsed() -> None:
    clock = ticking()
    run = Run([plan_of(setup) for setup in SETUPS], made_shelf(), CONDITIONS, clock_ns=clock)
    steps = 0
    for _ in run.steps():
        steps += 1
        for _ in range(1000):
            clock()
    assert run.result().elapsed_ns == steps + 1


def test_a_run_runs_once() -> None:
    run = made_run()
    run.finish()
    with pytest.raises(InvariantBroken, match="a run runs once"):
        run.finish()
    assert len(run.result().days) == 2


# --------------------------------------------------------------------------------------------------- reading


def test_each_file_is_asked_for_once_and_only_the_next_day_is_read_ahead() -> None:
    third = date(2021, 6, 9)
    shelf = made_shelf()
    run = made_run(shelf, (*SETUPS, setup_of(day=third)))
    assert shelf.asked == []
    next(run.steps())
    assert ("ALPHA", third) not in shelf.asked
    whole = made_shelf()
    made_run(whole, (*SETUPS, setup_of(day=third))).finish()
    assert (
        sorted(whole.asked)
        == sorted({*whole.asked})
        == [
            ("ALPHA", MONDAY),
            ("ALPHA", TUESDAY),
            ("ALPHA", third),
            ("BETA", MONDAY),
        ]
    )


def test_a_file_that_cannot_be_read_ends_the_run_after_the_days_before_it() -> None:
    run = made_run(made_shelf(bad=TUESDAY))
    with pytest.raises(ConfigError, match="column ltp"):
        run.finish()
    assert [day.day for day in run.result().days] == [MONDAY]


# ---------------------------------------------------------------------------------------------------- chance


def fills_of(seed: int) -> Iterator[tuple[date, tuple[int, ...]]]:
    """How the entries of a hundred shares were filled piece by piece, by day."""
    bought = [(f"09:{minute}:00", "100.00") for minute in range(25, 45)]
    stopped = [(f"09:50:{second}", "99.00") for second in range(10, 40)]
    prints = [("09:20:00", "99.50"), *bought, *stopped]
    days = [MONDAY, TUESDAY]
    shelf = Shelf(*(columns_of("ALPHA", day, prints) for day in days))
    setups = [replace(setup_of(day=day), quantity=100) for day in days]
    paper = PaperRules(partial_fills=True, seed=seed)
    for day in made_run(shelf, setups, replace(CONDITIONS, paper=paper)).finish().days:
        entry = [each for each in day.orders if each.role is Role.ENTRY and each.change == "filled"]
        yield day.day, tuple(each.filled for each in entry)


def test_partial_fills_are_the_same_for_a_seed_and_differ_by_seed_and_by_day() -> None:
    assert list(fills_of(1)) == list(fills_of(1))
    drawn = [pieces for seed in range(3) for _, pieces in fills_of(seed)]
    assert len(set(drawn)) > 3
