"""What live trading and replay share: settings become rules, a file becomes setups, setups become plans.

Light to import, since a live start waits for it: no numpy, no pyarrow. It must never decide anything itself:
every number it hands on is a setting turned exactly into the engine's units (paise, nanoseconds, fractions),
every day a session of the calendar.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, tzinfo
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from olaf_async.adapters.paper.account import PaperRules
from olaf_async.adapters.setups_csv import Defaults, Fault, read_setups
from olaf_async.core.engine import Plan
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.domain.calendar import (
    AlwaysOpen,
    Calendar,
    NseCalendar,
    continuous_close,
    latest_exit_start,
)
from olaf_async.domain.charges import ChargeRates
from olaf_async.domain.price import to_paise, to_text
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Setup
from olaf_async.domain.tick_sizes import tick_size, tick_sizes
from olaf_async.errors import ConfigError
from olaf_async.research.results import LeftOut, Planned
from olaf_async.settings import Settings
from olaf_async.strategies.eighty_twenty import EightyTwenty, EightyTwentyRules
from olaf_async.strategies.protocol import oriented

EXCHANGE_ZONE: Final = ZoneInfo("Asia/Kolkata")
"""The calendar's times are the exchange's own, in whatever zone files and settings are written."""

FAULTS_SHOWN_MAX = 20


# ------------------------------------------------------------------------------------- settings as rules


def core_rules(settings: Settings, *, is_replay: bool = True) -> Rules:
    """The core's numbers. A replay reads books only when asked: its exchange hides nothing."""
    broker, strategy, risk = settings.broker, settings.strategy, settings.risk
    poll_ns = _ns(broker.poll_interval_s)
    return Rules(
        quantity=risk.quantity,
        max_attempts=strategy.max_attempts,
        max_order_retries=strategy.max_order_retries,
        order_timeout_ns=_ns(strategy.order_timeout_s),
        retry_ns=poll_ns,
        settle_ns=_ns(broker.settle_time_s),
        chase_ns=_ns(strategy.chase_interval_s),
        idle_poll_ns=None if is_replay else poll_ns,
        entry_limit_pct=Fraction(strategy.entry_limit_pct),
        entry_limit_ticks=strategy.entry_limit_ticks,
        stop_limit_pct=Fraction(strategy.stop_limit_pct),
        exit_limit_pct=Fraction(strategy.exit_limit_pct),
        stale_feed_ns=_ns(risk.stale_feed_s),
        unprotected_max_ns=_ns(risk.unprotected_s_max),
        max_open_positions=risk.max_open_positions,
        max_daily_loss=None if risk.max_daily_loss is None else to_paise(risk.max_daily_loss),
        max_orders_per_s=risk.max_orders_per_s,
    )


def strategy_rules(settings: Settings) -> EightyTwentyRules:
    """The strategy's numbers."""
    strategy = settings.strategy
    return EightyTwentyRules(
        trigger_window_ns=_ns(strategy.trigger_window_s),
        bar_ns=_ns(strategy.trail_bar_s),
        trail_buffer_ticks=strategy.trail_buffer_ticks,
        trails_from_entry_bar=strategy.trail_from == "entry_bar",
        reenters_at_once=strategy.reentry == "immediate",
        initial_stop_tr_mult=Fraction(strategy.initial_stop_tr_mult),
        initial_stop_ticks=strategy.initial_stop_ticks if strategy.initial_stop == "ticks" else None,
        take_profit_r=Fraction(strategy.take_profit_r),
    )


def charge_rates(settings: Settings) -> ChargeRates | None:
    """What trades cost on paper and in replay; None where they cost nothing."""
    return settings.paper.charge_rates.rates() if settings.paper.charges else None


def paper_rules(settings: Settings) -> PaperRules:
    """How the paper exchange behaves."""
    paper = settings.paper
    return PaperRules(
        slippage_ticks=paper.slippage_ticks,
        exchange_true=paper.exchange_true,
        partial_fills=paper.partial_fills,
        seed=paper.seed,
        capital_paise=to_paise(paper.capital),
        charges=charge_rates(settings),
    )


def _ns(seconds: Decimal) -> int:
    """Whole nanoseconds; settings have no more than nine places."""
    return int(seconds * SECOND_NS)


# ------------------------------------------------------------------------------------- days and sessions


def calendar(settings: Settings) -> Calendar:
    """Which days are sessions."""
    hours = settings.session
    return NseCalendar() if hours.calendar == "NSE" else AlwaysOpen(hours.open, hours.close)


def session_for(settings: Settings, day: date, symbol: str) -> Session:
    """The symbol's hours on a day: those of the settings, inside those of the exchange.

    The exit starts ``exit_before_close_s`` before the close. With the NSE calendar it starts by 14:59 and by
    16 minutes before the symbol's own continuous close, which from August 2026 on is 15:15 for shares in the
    closing auction; every symbol is taken to be in it, which is the safe side.

    Raises:
        ConfigError: there is no full session that day, or these hours leave no time to trade in.
    """
    hours, exchange = settings.session, calendar(settings).session(day)
    if exchange is None or not exchange.is_full_length:
        raise ConfigError(f"{symbol} cannot be traded on {day}: {_why_not(calendar(settings), day)}")
    open_ns, close_ns = (_instant_ns(day, at, hours.zone) for at in (hours.open, hours.close))
    end_ns, latest_ns = close_ns, close_ns
    if hours.calendar == "NSE":
        at_exchange = partial(_instant_ns, day, zone=EXCHANGE_ZONE)
        open_ns = max(open_ns, at_exchange(exchange.open))
        close_ns = min(close_ns, at_exchange(exchange.close))
        end_ns = min(close_ns, at_exchange(continuous_close(day, exchange.close)))
        latest_ns = at_exchange(latest_exit_start(day, exchange.close))
    return Session(
        day=day,
        open_ns=open_ns,
        act_from_ns=open_ns + _ns(hours.ignore_initial_s),
        exit_ns=min(close_ns - _ns(hours.exit_before_close_s), latest_ns),
        close_ns=end_ns,
    )


def _instant_ns(day: date, at: time, zone: tzinfo) -> int:
    return int(datetime.combine(day, at, zone).timestamp()) * SECOND_NS


def _why_not(known: Calendar, day: date) -> str:
    closed = known.why_closed(day)
    return "it is a short session, in which setups lapse" if closed is None else f"closed ({closed})"


# ------------------------------------------------------------------------------------- setups and plans


def load_setups(settings: Settings, path: Path) -> tuple[Setup, ...]:
    """A setups file; where it leaves them blank, the settings give the trigger and the exchange.

    Raises:
        ConfigError: it is not as it should be, with line and column. That includes what these settings make
            of a line: an initial stop below the least price, a tick the exchange did not have that day.
    """
    defaults = Defaults(settings.strategy.trigger_ticks, settings.broker.exchange)
    return read_setups(path, defaults, partial(_faults, settings))


def plan_for(settings: Settings, setup: Setup) -> Plan:
    """One setup with its session and its strategy.

    Raises:
        ConfigError: as ``session_for``.
    """
    session = session_for(settings, setup.entry_date, setup.symbol)
    return Plan(setup, session, EightyTwenty(setup, session, strategy_rules(settings)))


def plans_for(
    settings: Settings,
    setups: Iterable[Setup],
    day: date | None = None,
    *,
    skip_bad: bool = False,
    file: Path | None = None,
) -> Planned:
    """The plans of all setups, or of those for ``day``. A setup for a short session lapses.

    ``file`` is where the setups are from, for the words of a refusal.

    Raises:
        ConfigError: setups for days on which the exchange is closed, or which the calendar does not know, or
            that could not be protected; with ``skip_bad`` they are left out instead. Also as ``session_for``.
    """
    known = calendar(settings)
    plans, left_out = [], []
    faults: list[tuple[Setup, Fault]] = []
    for setup in setups:
        if day not in (None, setup.entry_date):
            continue
        exchange = known.session(setup.entry_date)
        if exchange is None or not exchange.is_full_length:
            left_out.append(LeftOut(setup, _why_not(known, setup.entry_date)))
            if exchange is None:
                faults.append((setup, ("entry_date", left_out[-1].why)))
            continue
        plan = plan_for(settings, setup)
        fault = _stop_fault(settings, plan)
        if fault is None:
            plans.append(plan)
        else:
            left_out.append(LeftOut(setup, fault[1]))
            faults.append((setup, fault))
    if faults and not skip_bad:
        raise ConfigError(_told(faults, "setups" if file is None else str(file)))
    return Planned(tuple(plans), tuple(left_out))


def _told(faults: Sequence[tuple[Setup, Fault]], where: str) -> str:
    lines = [
        f"{where}: {setup.symbol} on {setup.entry_date}, column {column}: {problem}; "
        "correct it, or go on without it by --skip-bad"
        for setup, (column, problem) in faults
    ]
    more = len(lines) - FAULTS_SHOWN_MAX
    return "\n".join(lines[:FAULTS_SHOWN_MAX] + ([f"... and {more} more"] if more > 0 else []))


def _faults(settings: Settings, setup: Setup) -> Iterator[Fault]:
    """What is wrong with a setup under these settings, where its day is one that can be traded at all."""
    exchange = calendar(settings).session(setup.entry_date)
    if exchange is not None and exchange.is_full_length:
        found = (_stop_fault(settings, plan_for(settings, setup)), _tick_fault(settings, setup))
        yield from (fault for fault in found if fault is not None)


def _stop_fault(settings: Settings, plan: Plan) -> Fault | None:
    """A stop below one tick is no order: the position it belongs to could not be protected."""
    setup, strategy = plan.setup, plan.strategy
    stop = oriented(strategy.initial_stop(strategy.entry), strategy.direction)
    if stop >= setup.tick_size:
        return None
    is_by_range = settings.strategy.initial_stop == "true_range"
    column, key = ("true_range", "tr_mult") if is_by_range else ("entry_price", "ticks")
    where = (
        f"the initial stop would lie at {to_text(stop)}, below the least price ({to_text(setup.tick_size)})"
    )
    return column, f"{where}; strategy.initial_stop_{key} sets how far it lies from the entry"


def _tick_fault(settings: Settings, setup: Setup) -> Fault | None:
    """A tick the exchange had for no share on that day, or a finer one than for a share of half the price.

    The price that decides is the close of the month before, which a setup does not carry, hence the half; and
    a share keeps a coarser tick through a split until the month ends, so too coarse a one may be right.
    """
    if settings.session.calendar != "NSE" or setup.exchange != "NSE":
        return None
    possible, tick = tick_sizes(setup.entry_date), setup.tick_size
    finest = tick_size(setup.entry_date, max(1, setup.entry_price // 2))
    if tick in possible and tick >= finest:
        return None
    listed = ", ".join(to_text(each) for each in possible if each >= finest)
    known = f"{to_text(tick)} is no tick size of NSE for a share at {to_text(setup.entry_price)}"
    return "tick_size", f"{known} on {setup.entry_date}; its table has {listed}"
