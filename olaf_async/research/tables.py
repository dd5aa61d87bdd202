"""The files of a run: trades.csv, orders.csv and summary.json, written whole or not at all.

Owns columns, number and time formats, and the step from a folder without a run to one with it. It must
never round a price it can write exactly, nor let money pass a binary float: whole paise become decimal text.

Two runs over the same input write, byte for byte, the same trades.csv and orders.csv, and the same
summary.json but for its last two keys, ``elapsed_s`` and ``ticks_per_s``: those measure the machine.
"""

import csv
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TypeAlias

from olaf_async.adapters.whole_files import write_whole
from olaf_async.domain.price import PAISE_PER_RUPEE, Paise, to_text
from olaf_async.errors import ConfigError
from olaf_async.research.results import OrderChange, RunResult, TradeRecord
from olaf_async.research.spread import spread

TRADES = "trades.csv"
ORDERS = "orders.csv"
SUMMARY = "summary.json"

Fill: TypeAlias = Callable[[Path], None]
"""Writes files into a folder that is empty."""

TRADE_COLUMNS = (
    "symbol",
    "date",
    "attempt",
    "side",
    "quantity",
    "entry_time",
    "entry_price",
    "exit_time",
    "exit_price",
    "exit_reason",
    "initial_stop",
    "final_stop",
    "gross_pnl",
    "charges",
    "net_pnl",
    "unprotected_ms",
)
ORDER_COLUMNS = (
    "time",
    "symbol",
    "date",
    "order_id",
    "key",
    "role",
    "side",
    "price_type",
    "change",
    "status",
    "quantity",
    "filled",
    "limit_price",
    "trigger_price",
    "fill_price",
    "intrabar",
)

_AVERAGE_PLACES = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write_run(out: Path, result: RunResult, zone: tzinfo, also: Fill | None = None) -> None:
    """Write the three files of a run, and what ``also`` writes, into a folder; make it where there is none.

    All are written beside their places first; then each takes its place in one step, the summary last. So a
    folder that holds a summary holds the rest of the same run.

    Raises:
        ConfigError: the folder cannot be written to; what it held before is still there.
    """

    def fill(folder: Path) -> None:
        if also is not None:
            also(folder)
        write_whole(folder / TRADES, trades_csv(result.trades, zone))
        write_whole(folder / ORDERS, orders_csv(result.orders, zone))
        write_whole(folder / SUMMARY, summary_json(result))

    _put_files(out, fill)


def check_folder(out: Path) -> None:
    """See before a long run whether its files will find a place; nothing is made.

    Raises:
        ConfigError: a file or folder is in the way, or there is no right to write.
    """
    try:
        nearest = next(each for each in (out, *out.absolute().parents) if each.exists())
        _refuse_folders(out, (TRADES, ORDERS, SUMMARY))
    except OSError as error:
        raise _unwritable(out, error) from None
    if not nearest.is_dir():
        raise ConfigError(f"{out}: {nearest} is not a folder; name another by --out")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError(f"{out}: {nearest} may not be written to; name another folder by --out")


def _refuse_folders(out: Path, names: Iterable[str]) -> None:
    """A folder is the one thing that a file cannot take the place of."""
    for name in names:
        if (out / name).is_dir():
            raise ConfigError(f"{out / name}: is a folder where a file is to be written; move it away")


def trades_csv(trades: Iterable[TradeRecord], zone: tzinfo) -> str:
    """The table of trades, in the order given."""
    return _csv(TRADE_COLUMNS, (_trade_cells(record, zone) for record in trades))


def orders_csv(changes: Iterable[OrderChange], zone: tzinfo) -> str:
    """The table of orders: one line for each change of each order, in the order given.

    ``limit_price`` and ``trigger_price`` are the order's own, empty where it has none; ``fill_price`` is
    that of a fill; ``filled`` counts all fills of the order so far. ``intrabar`` is true for a fill that
    rests on the path a bar is assumed to have taken.
    """
    return _csv(ORDER_COLUMNS, (_order_cells(change, zone) for change in changes))


def summary_json(result: RunResult) -> str:
    """The sums, one a line. Money is a JSON number in rupees with two decimals, exact as text.

    ``unprotected_ms_*`` are of all trades, each with the sum of its times without a confirmed stop.
    """
    unprotected = spread(result.unprotected_ms)
    cells = {
        "ticks": str(result.ticks),
        "symbols": str(len(result.symbols)),
        "days": str(len(result.days)),
        "setups": str(result.setups),
        "setups_left_out": str(len(result.left_out)),
        "triggers": str(result.triggers),
        "entries": str(result.entries),
        "trades": str(len(result.trades)),
        "gross_pnl": to_text(result.gross),
        "charges": to_text(result.charges),
        "net_pnl": to_text(result.net),
        **{f"unprotected_ms_{name}": f"{ms:.3f}" for name, ms in unprotected.named()},
        "alarms": str(result.alarms),
        "positions_unclosed": str(len(result.unclosed)),
        "rows_dropped": str(result.rows_dropped),
        "files_skipped": str(len(result.skipped_files)),
        "elapsed_s": f"{result.elapsed_ns / 1e9:.3f}",
        "ticks_per_s": str(result.ticks_per_s),
    }
    return "{\n" + ",\n".join(f'  "{name}": {cell}' for name, cell in cells.items()) + "\n}\n"


def average_text(value: Paise, quantity: int) -> str:
    """The price per share of ``quantity`` shares worth ``value``, in rupees.

    Exact with two to four decimals where that can be; else rounded to four, half up.
    """
    scale = 10 ** (_AVERAGE_PLACES - 2)
    parts = (2 * value * scale + quantity) // (2 * quantity)
    rupees, rest = divmod(parts, PAISE_PER_RUPEE * scale)
    decimals = f"{rest:0{_AVERAGE_PLACES}d}"
    return f"{rupees}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def ms_text(ns: int) -> str:
    """Milliseconds to the microsecond, rounded down."""
    ms, rest = divmod(ns, 1_000_000)
    return f"{ms}.{rest // 1000:03d}"


def time_text(at_ns: int, zone: tzinfo) -> str:
    """ISO 8601 with offset and always six decimals, so that a column has one format."""
    return (
        (_EPOCH + timedelta(microseconds=at_ns // 1000)).astimezone(zone).isoformat(timespec="microseconds")
    )


def _trade_cells(record: TradeRecord, zone: tzinfo) -> tuple[str, ...]:
    trade = record.trade
    return (
        trade.symbol,
        trade.day.isoformat(),
        str(trade.attempt),
        trade.direction.word,
        str(trade.quantity),
        time_text(trade.entry_ns, zone),
        average_text(trade.entry_value, trade.quantity),
        time_text(trade.exit_ns, zone),
        average_text(trade.exit_value, trade.quantity),
        trade.reason.value,
        to_text(trade.initial_stop),
        to_text(trade.final_stop),
        to_text(record.gross),
        to_text(record.charges),
        to_text(record.net),
        ms_text(trade.unprotected_ns),
    )


def _order_cells(change: OrderChange, zone: tzinfo) -> tuple[str, ...]:
    return (
        time_text(change.at_ns, zone),
        change.symbol,
        change.day.isoformat(),
        change.order_id,
        change.key,
        "" if change.role is None else change.role.value,
        change.side.value,
        change.price_type.value,
        change.change,
        change.status,
        str(change.quantity),
        str(change.filled),
        to_text(change.limit) if change.limit else "",
        to_text(change.trigger) if change.trigger else "",
        "" if change.fill_price is None else to_text(change.fill_price),
        "true" if change.is_intrabar else "false",
    )


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _put_files(out: Path, fill: Fill) -> None:
    """Let ``fill`` write into a folder inside ``out``, then move each file up, the summary last."""
    was_there = out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=".new-", dir=out))
    except OSError as error:
        raise _unwritable(out, error) from None
    is_done = False
    try:
        fill(staged)
        names = sorted((each.name for each in staged.iterdir()), key=lambda name: (name == SUMMARY, name))
        _refuse_folders(out, names)
        (out / SUMMARY).unlink(missing_ok=True)
        for name in names:
            (staged / name).replace(out / name)
        is_done = True
    except OSError as error:
        raise _unwritable(out, error) from None
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        if not is_done and not was_there:
            with suppress(OSError):
                out.rmdir()


def _unwritable(out: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{out}: cannot be written to ({error.strerror}); name another folder by --out")
