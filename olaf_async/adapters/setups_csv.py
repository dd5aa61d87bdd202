"""The setups file: what is to be traded, read strictly and written whole.

Owns the columns of the contract, one more that only informs (``mark``), and the refusals: every fault of a
file is told at once, with line and column, before anything can trade on the rest of it. It must never
guess: a name, price or day that is not plainly right is refused.
"""

import csv
import difflib
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

from olaf_async.adapters.decimal_text import read_price
from olaf_async.adapters.whole_files import write_whole
from olaf_async.domain.price import to_text
from olaf_async.domain.setup import Direction, Setup
from olaf_async.errors import ConfigError

REQUIRED = ("symbol", "entry_date", "entry_price", "trigger_price", "tick_size", "true_range")
OPTIONAL = ("quantity", "side", "setup_date", "exchange", "mark")
MARK = "mark"
"""What a scan says about a level it had to round. Read past, never acted on."""

FAULTS_SHOWN_MAX = 20

Fault: TypeAlias = tuple[str | None, str]
"""A column (None for the whole line) and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What stands in for a blank: ``trigger_ticks`` None leaves a blank trigger refused."""

    trigger_ticks: int | None = None
    exchange: str = "NSE"


def _no_faults(_setup: Setup) -> Iterable[Fault]:
    return ()


def read_setups(
    path: Path, defaults: Defaults | None = None, check: Callable[[Setup], Iterable[Fault]] = _no_faults
) -> tuple[Setup, ...]:
    """All setups of a file, in its order. ``check`` finds faults that a line by itself does not show.

    Raises:
        ConfigError: the file cannot be read, its header is not the contract's, or any line is faulty; the
            text names the file and, for each fault, line and column. Nothing of a faulty file is used.
    """
    records = _records(path)
    if not records:
        raise ConfigError(f"{path}: is empty; its first line must name {', '.join(REQUIRED)}")
    header_line, header = records[0]
    told = [f"{path}: line {header_line}, {problem}" for problem in _header_faults(header)]
    setups: list[Setup] = []
    line_of: dict[tuple[str, str], int] = {}
    for line, record in () if told else records[1:]:
        outcome = _read_line(header, record, defaults or Defaults())
        faults = [*check(outcome)] if isinstance(outcome, Setup) else outcome
        if isinstance(outcome, Setup):
            setups.append(outcome)
        if len(record) == len(header):
            key = (record[header.index("symbol")], record[header.index("entry_date")])
            if line_of.setdefault(key, line) != line:
                faults = [*faults, ("symbol", f"{key[0]} on {key[1]} is on line {line_of[key]} already")]
        told += [f"{path}: line {line}, {_words(fault)}" for fault in faults]
    if told:
        raise ConfigError(_joined(told))
    return tuple(setups)


def write_setups(
    path: Path, setups: Iterable[Setup], marks: Mapping[tuple[str, date], str] | None = None
) -> None:
    """Write setups by date and symbol; the same setups always give the same bytes.

    ``marks`` are notes by symbol and entry date; their column is written only where there are any.

    Raises:
        ConfigError: two setups for one symbol and date, or the file cannot be written. Nothing is left
            half-written.
    """
    ordered = sorted(setups, key=_key)
    for before, after in pairwise(ordered):
        if _key(before) == _key(after):
            raise ConfigError(f"{path}: {after.symbol} has two setups for {after.entry_date}; keep one")
    columns = [*REQUIRED, *OPTIONAL] if marks else [*REQUIRED, *OPTIONAL[:-1]]
    text = io.StringIO()
    rows = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    rows.writeheader()
    for setup in ordered:
        note = (marks or {}).get((setup.symbol, setup.entry_date), "")
        rows.writerow(_cells(setup) | {MARK: note})
    write_whole(path, text.getvalue())


def _key(setup: Setup) -> tuple[date, str]:
    return setup.entry_date, setup.symbol


def _cells(setup: Setup) -> dict[str, str]:
    return {
        "symbol": setup.symbol,
        "entry_date": setup.entry_date.isoformat(),
        "entry_price": to_text(setup.entry_price),
        "trigger_price": to_text(setup.trigger_price),
        "tick_size": to_text(setup.tick_size),
        "true_range": to_text(setup.true_range),
        "quantity": "" if setup.quantity is None else str(setup.quantity),
        "side": setup.direction.word,
        "setup_date": "" if setup.setup_date is None else setup.setup_date.isoformat(),
        "exchange": setup.exchange,
    }


def _records(path: Path) -> list[tuple[int, list[str]]]:
    """The lines that say something, each with its number, cells stripped of the space around them."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            cells = ((reader.line_num, [cell.strip() for cell in record]) for record in reader)
            return [(line, record) for line, record in cells if any(record)]
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); name an existing setups file"
        ) from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not CSV in UTF-8 ({error}); save it as such") from None


def _header_faults(header: list[str]) -> list[str]:
    known = (*REQUIRED, *OPTIONAL)
    faults = []
    for number, name in enumerate(header):
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            advice = f"nearest: {close[0]}" if close else f"known: {', '.join(known)}"
            faults.append(f"column {name!r} is unknown ({advice})")
        elif name in header[:number]:
            faults.append(f"column {name} is there twice")
    return faults + [f"column {name} is missing" for name in REQUIRED if name not in header]


def _read_line(header: list[str], record: list[str], defaults: Defaults) -> Setup | list[Fault]:
    if len(record) != len(header):
        return [(None, f"has {len(record)} cells where the header has {len(header)}")]
    cells = dict(zip(header, record, strict=True))
    faults: list[Fault] = []
    for column, cell in cells.items():
        try:
            _check(column, cell, defaults)
        except ValueError as error:
            faults.append((column, str(error)))
    if faults:
        return faults
    try:
        return _setup(cells, defaults)
    except ConfigError as error:  # a setup's own refusals open with the name of the field
        return [(str(error).split(" ", 1)[0], str(error))]


def _check(column: str, cell: str, defaults: Defaults) -> None:
    """One cell by itself.

    Raises:
        ValueError: what is wrong with it.
    """
    may_be_blank = column in OPTIONAL or (column == "trigger_price" and defaults.trigger_ticks is not None)
    if cell:
        _PARSERS[column](cell)
    elif not may_be_blank:
        raise ValueError("is blank")


def _setup(cells: Mapping[str, str], defaults: Defaults) -> Setup:
    direction = _side(cells.get("side") or "long")
    entry_price, tick = read_price(cells["entry_price"]), read_price(cells["tick_size"])
    entry_date = _day(cells["entry_date"])
    setup_date = _day(cells["setup_date"]) if cells.get("setup_date") else None
    if setup_date is not None and setup_date >= entry_date:
        raise ConfigError(f"setup_date {setup_date} must lie before entry_date {entry_date}")
    return Setup(
        symbol=cells["symbol"],
        entry_date=entry_date,
        entry_price=entry_price,
        trigger_price=(
            read_price(cells["trigger_price"])
            if cells["trigger_price"]
            else entry_price - direction * (defaults.trigger_ticks or 0) * tick
        ),
        tick_size=tick,
        true_range=read_price(cells["true_range"]),
        direction=direction,
        quantity=_quantity(cells["quantity"]) if cells.get("quantity") else None,
        setup_date=setup_date,
        exchange=cells.get("exchange") or defaults.exchange,
    )


def _symbol(cell: str) -> str:
    if any(letter.isspace() or not letter.isprintable() or letter in "/\\" for letter in cell):
        raise ValueError(f"{cell!r} is not a symbol as the exchange writes it")
    return cell


def _day(cell: str) -> date:
    try:
        day = date.fromisoformat(cell)
    except ValueError:
        day = None
    if day is None or day.isoformat() != cell:
        raise ValueError(f"{cell!r} is not a date (YYYY-MM-DD)")
    return day


def _quantity(cell: str) -> int:
    if not (cell.isascii() and cell.isdigit()) or len(cell) > 12 or int(cell) == 0:
        raise ValueError(f"{cell!r} is not a whole number greater than zero")
    return int(cell)


def _side(cell: str) -> Direction:
    for direction in Direction:
        if direction.word == cell:
            return direction
    raise ValueError(f"{cell!r} is neither long nor short")


_PARSERS: dict[str, Callable[[str], object]] = {
    "symbol": _symbol,
    "entry_date": _day,
    "entry_price": read_price,
    "trigger_price": read_price,
    "tick_size": read_price,
    "true_range": read_price,
    "quantity": _quantity,
    "side": _side,
    "setup_date": _day,
    "exchange": _symbol,
    MARK: str,
}


def _words(fault: Fault) -> str:
    column, problem = fault
    return problem if column is None else f"column {column}: {problem}"


def _joined(told: list[str]) -> str:
    more = len(told) - FAULTS_SHOWN_MAX
    return "\n".join(told[:FAULTS_SHOWN_MAX] + ([f"... and {more} more"] if more > 0 else []))
