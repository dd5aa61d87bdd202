"""The 80-20 scan: from daily bars to the setups of the days after them.

Owns the rule of Connors and Raschke, *Street Smarts* (1995), chapter "80-20's", with the true range in the
place of the range, and everything that disqualifies a day. It must never compare a float: positions are
compared as whole numbers, thresholds are exact fractions. A short setup is the long one on negated prices,
by the same lines of code.

Three days make a setup: the *setup day* itself, the session *before* it (whose close belongs to the true
range) and the *entry day* after it, all consecutive sessions of the exchange, not of the file. Each must
have a row. One exception: a live scan looks at an entry day that no file of the folder reaches yet; its
row cannot exist, and the ex-date guard on its open is then left to whoever sees that open.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction

from olaf_async.adapters.replay.files import DailyFolder
from olaf_async.domain.bar import DailyBar
from olaf_async.domain.calendar import Calendar
from olaf_async.domain.price import Paise, floor_to_tick, to_text
from olaf_async.domain.setup import Direction, Setup
from olaf_async.domain.tick_sizes import tick_size
from olaf_async.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ScanRules:
    """The thresholds of the scan; the defaults are the contract's.

    ``tick_size`` (paise) is for an exchange whose price bands this project has no table of; on ``NSE`` the
    dated bands speak. ``quantity`` is copied into each setup.

    Raises:
        ConfigError: ``close_pos_max`` not below ``open_pos_min`` (a day could be both), or an exchange
            without a table and no ``tick_size``.
    """

    open_pos_min: Fraction = Fraction(4, 5)
    close_pos_max: Fraction = Fraction(1, 5)
    volume_min: int = 100_000
    ex_date_gap_pct: Fraction = Fraction(20)
    trigger_ticks: int = 10
    quantity: int | None = None
    exchange: str = "NSE"
    tick_size: Paise | None = None

    def __post_init__(self) -> None:
        if self.close_pos_max >= self.open_pos_min:
            raise ConfigError("strategy.close_pos_max must be below strategy.open_pos_min")
        if self.exchange != "NSE" and self.tick_size is None:
            raise ConfigError(f"the tick sizes of {self.exchange} are not known here; give --tick-size")
        if self.tick_size is not None and self.tick_size <= 0:
            raise ConfigError("--tick-size must be greater than zero")


class Drop(StrEnum):
    """Why a symbol-day gave no setup. The value is what a person reads."""

    SETUP_ROW_MISSING = "no row for the session before the entry day"
    BEFORE_ROW_MISSING = "no row for the session before the setup day"
    ZERO_RANGE = "true range of zero"
    SHORT_SESSION = "setup or entry day is a short session"
    VOLUME = "volume below the minimum"
    ENTRY_ROW_MISSING = "no row for the entry day"
    EX_DATE_GAP = "open too far from the close before it (ex-date?)"
    TOO_CHEAP = "trigger not above zero"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A symbol-day that was examined, and why it gave nothing. Days of ordinary shape are not listed."""

    symbol: str
    entry_date: date
    reason: Drop


@dataclass(frozen=True, slots=True)
class ScanHit:
    """A setup, and what had to be done to its level (empty where the level was on the tick grid)."""

    setup: Setup
    mark: str


@dataclass(frozen=True, slots=True)
class ScanReport:
    """The setups by date and symbol, what was dropped, and how much was looked at.

    ``symbol_days`` counts entry days times symbols; ``skipped`` are the files left out as bad.
    """

    hits: tuple[ScanHit, ...]
    dropped: tuple[Dropped, ...]
    symbols: int
    symbol_days: int
    skipped: tuple[str, ...]

    @property
    def drop_counts(self) -> Counter[Drop]:
        """How many symbol-days each reason took out."""
        return Counter(each.reason for each in self.dropped)

    @property
    def marks(self) -> dict[tuple[str, date], str]:
        """The marks as ``write_setups`` takes them."""
        return {(hit.setup.symbol, hit.setup.entry_date): hit.mark for hit in self.hits if hit.mark}


@dataclass(frozen=True, slots=True)
class ScanDay:
    """An entry day with the two sessions before it; ``is_full`` where both days traded are full-length."""

    entry: date
    setup: date
    before: date
    is_full: bool


def scan_days(calendar: Calendar, first: date, last: date) -> tuple[ScanDay, ...]:
    """The sessions from ``first`` to ``last`` as entry days, where the calendar knows two sessions before."""
    return tuple(_scan_days(calendar, first, last))


def scan_symbol(
    bars: Sequence[DailyBar],
    symbol: str,
    days: Sequence[ScanDay],
    rules: ScanRules,
    newest: date | None = None,
) -> tuple[list[ScanHit], list[Dropped]]:
    """The setups of one symbol on the given entry days.

    ``newest`` is the last day that any file reaches: an entry day after it needs no row. None: every entry
    day needs one.
    """
    rows = {bar.day: bar for bar in bars}
    hits: list[ScanHit] = []
    dropped: list[Dropped] = []
    for day in days:
        verdict = _verdict(rows, symbol, day, rules, newest)
        if isinstance(verdict, Drop):
            dropped.append(Dropped(symbol, day.entry, verdict))
        elif verdict is not None:
            hits.append(verdict)
    return hits, dropped


def scan(
    folder: DailyFolder, calendar: Calendar, rules: ScanRules, first: date, last: date, *, live: bool = False
) -> ScanReport:
    """The setups of a whole folder for the entry days from ``first`` to ``last``.

    ``live`` is for the day to trade: it may lie one session past the newest row of the folder. A symbol
    whose own file ends earlier is dropped all the same.

    Raises:
        ConfigError: a file that is not as the contract says (unless the folder skips bad ones).
    """
    days = scan_days(calendar, first, last)
    bars = {symbol: folder.read(symbol) for symbol in folder.symbols()}
    newest = max((rows[-1].day for rows in bars.values() if rows), default=None) if live else None
    hits: list[ScanHit] = []
    dropped: list[Dropped] = []
    for symbol, rows in bars.items():
        found, lost = scan_symbol(rows, symbol, days, rules, newest)
        hits += found
        dropped += lost
    hits.sort(key=lambda hit: (hit.setup.entry_date, hit.setup.symbol))
    dropped.sort(key=lambda each: (each.entry_date, each.symbol))
    return ScanReport(tuple(hits), tuple(dropped), len(bars), len(bars) * len(days), tuple(folder.skipped))


def _scan_days(calendar: Calendar, first: date, last: date) -> Iterator[ScanDay]:
    for offset in range((last - first).days + 1):
        entry = first + timedelta(days=offset)
        session = calendar.session(entry)
        setup = calendar.previous_session(entry)
        before = None if setup is None else calendar.previous_session(setup)
        if session is None or setup is None or before is None:
            continue
        traded = calendar.session(setup)
        yield ScanDay(entry, setup, before, session.is_full_length and bool(traded and traded.is_full_length))


def _verdict(
    rows: Mapping[date, DailyBar], symbol: str, day: ScanDay, rules: ScanRules, newest: date | None
) -> ScanHit | Drop | None:
    """A setup, the reason against one, or None for a day of ordinary shape."""
    bar, before = rows.get(day.setup), rows.get(day.before)
    if bar is None or before is None:
        return Drop.SETUP_ROW_MISSING if bar is None else Drop.BEFORE_ROW_MISSING
    high, low = max(bar.high, before.close), min(bar.low, before.close)
    if high <= low:
        return Drop.ZERO_RANGE
    direction = _direction(bar, high, low, rules)
    if direction is None:
        return None
    obstacle = _obstacle(rows, day, rules, newest)
    if obstacle is not None:
        return obstacle
    return _hit(rows, symbol, day, direction, rules)


def _direction(bar: DailyBar, high: Paise, low: Paise, rules: ScanRules) -> Direction | None:
    """Which way the shape points: opened at one end of the true range, closed at the other."""
    opens, closes = rules.open_pos_min, rules.close_pos_max
    for direction in Direction:
        bottom = low if direction is Direction.LONG else -high
        opened, closed = direction * bar.open - bottom, direction * bar.close - bottom
        if opened * opens.denominator >= opens.numerator * (
            high - low
        ) and closed * closes.denominator <= closes.numerator * (high - low):
            return direction
    return None


def _obstacle(
    rows: Mapping[date, DailyBar], day: ScanDay, rules: ScanRules, newest: date | None
) -> Drop | None:
    """What stands against a day of the right shape."""
    before, bar, entry = rows[day.before], rows[day.setup], rows.get(day.entry)
    if not day.is_full:
        return Drop.SHORT_SESSION
    if bar.volume < rules.volume_min:
        return Drop.VOLUME
    if entry is None and (newest is None or day.entry <= newest):
        return Drop.ENTRY_ROW_MISSING
    gaps = [(before.close, bar.open)] + ([] if entry is None else [(bar.close, entry.open)])
    if any(abs(opened - closed) * 100 > rules.ex_date_gap_pct * closed for closed, opened in gaps):
        return Drop.EX_DATE_GAP
    return None


def _tick(rows: Mapping[date, DailyBar], day: ScanDay, rules: ScanRules) -> Paise:
    """The tick on the entry day: set for a whole month, by the last close of the month before.

    Source: nse-market-rules.md section 2. Where that month has no row, the setup day's close stands in.
    """
    if rules.tick_size is not None and rules.exchange != "NSE":
        return rules.tick_size
    first = day.entry.replace(day=1)
    month_before = (first - timedelta(days=back) for back in range(1, 32))
    reference = next((each for each in month_before if each in rows), day.setup)
    return tick_size(day.entry, rows[reference].close)


def _hit(
    rows: Mapping[date, DailyBar], symbol: str, day: ScanDay, direction: Direction, rules: ScanRules
) -> ScanHit | Drop:
    """The setup at the day's far end: a level off the tick grid is moved outward, and marked."""
    bar, before = rows[day.setup], rows[day.before]
    tick = _tick(rows, day, rules)
    end, level = ("low", bar.low) if direction is Direction.LONG else ("high", bar.high)
    entry_price = direction * floor_to_tick(direction * level, tick)
    trigger_price = entry_price - direction * rules.trigger_ticks * tick
    if min(entry_price, trigger_price) <= 0:
        return Drop.TOO_CHEAP
    setup = Setup(
        symbol=symbol,
        entry_date=day.entry,
        entry_price=entry_price,
        trigger_price=trigger_price,
        tick_size=tick,
        true_range=max(bar.high, before.close) - min(bar.low, before.close),
        direction=direction,
        quantity=rules.quantity,
        setup_date=day.setup,
        exchange=rules.exchange,
    )
    moved = f"{end} {to_text(level)} is off the tick of {to_text(tick)}"
    return ScanHit(setup, "" if entry_price == level else moved)
