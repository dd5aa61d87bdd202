"""A small made-up market in a folder: four files whose every trade can be worked out in the head.

Owns two days of two symbols and the setups for them. ALPHA on MONDAY: undercut 09:20, bought at 100.00 at
09:25 under a stop at 95.00, which the green bar of 09:30 raises to 99.40; sold through it at 99.00 at 10:00.
BETA on MONDAY: an undercut, bought at 200.00, nothing after, so the deadline sells it at 201.00 at 14:45.
ALPHA on TUESDAY: never undercut.
"""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

from olaf_async.domain.setup import Direction, Setup

MONDAY, TUESDAY, SUNDAY = date(2021, 6, 7), date(2021, 6, 8), date(2021, 6, 6)

ALPHA_MONDAY = (
    ("09:15:05", "101.00"),
    ("09:20:00", "99.50"),
    ("09:25:00", "100.00"),
    ("09:29:00", "101.20"),
    ("09:31:00", "101.00"),
    ("09:35:00", "100.80"),
    ("10:00:00", "99.00"),
    ("15:00:00", "99.10"),
)
BETA_MONDAY = (("09:20:00", "199.50"), ("09:26:00", "200.00"), ("09:27:00", "201.00"))
ALPHA_TUESDAY = (("09:15:05", "105.00"), ("12:00:00", "104.00"))

SETUPS_HEADER = "symbol,entry_date,entry_price,trigger_price,tick_size,true_range"
ALPHA_ROW = "ALPHA,2021-06-07,100.00,99.50,0.05,10.00"
BETA_ROW = "BETA,2021-06-07,200.00,199.50,0.05,10.00"
TUESDAY_ROW = "ALPHA,2021-06-08,100.00,99.50,0.05,10.00"


def setup_of(symbol: str = "ALPHA", day: date = MONDAY, entry_price: int = 10000) -> Setup:
    """A long setup ten ticks above its trigger, with a true range of ten rupees."""
    return Setup(symbol, day, entry_price, entry_price - 50, 5, 1000, Direction.LONG)


SETUPS = (setup_of(), setup_of("BETA", entry_price=20000), setup_of(day=TUESDAY))


def write_ticks(folder: Path, symbol: str, day: date, prints: Iterable[tuple[str, str]]) -> Path:
    """One tick file as the contract describes it."""
    path = folder / symbol / f"{day}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("t,ltp\n" + "".join(f"{at},{price}\n" for at, price in prints), encoding="utf-8")
    return path


def write_market(folder: Path) -> Path:
    """The whole market as a folder of ticks."""
    write_ticks(folder, "ALPHA", MONDAY, ALPHA_MONDAY)
    write_ticks(folder, "BETA", MONDAY, BETA_MONDAY)
    write_ticks(folder, "ALPHA", TUESDAY, ALPHA_TUESDAY)
    return folder


def write_setups_file(path: Path, *rows: str, header: str = SETUPS_HEADER) -> Path:
    """A setups file; all three setups unless told otherwise."""
    lines = (header, *(rows or (ALPHA_ROW, BETA_ROW, TUESDAY_ROW)))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_daily(folder: Path, symbol: str, *rows: str) -> Path:
    """A daily file; unless told otherwise one that makes a long setup at 100.00 for MONDAY."""
    path = folder / f"{symbol}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    made = (
        "2021-06-03,106.00,107.00,105.00,106.00,500000",
        "2021-06-04,109.00,110.00,100.00,101.00,500000",
        "2021-06-07,101.00,102.00,99.00,99.10,500000",
    )
    path.write_text("\n".join(("date,open,high,low,close,volume", *(rows or made))) + "\n", encoding="utf-8")
    return path
