"""The flags that several verbs share, and how their values are read. A wrong value is a usage error."""

from datetime import date
from math import inf, nan
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from olaf_async.domain.price import Paise, PriceError, to_paise


def read_day(text: str) -> date:
    """A day as files write it.

    Raises:
        BadParameter: it is not one.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise typer.BadParameter(f"{text!r} is not a day (YYYY-MM-DD)")
    return day


def read_tick(text: str) -> Paise:
    """A tick size in rupees.

    Raises:
        BadParameter: it is not one.
    """
    try:
        paise = to_paise(text)
    except PriceError as error:
        raise typer.BadParameter(str(error)) from None
    if paise <= 0:
        raise typer.BadParameter("must be greater than zero")
    return paise


def read_seconds(text: str) -> float:
    """A span of time.

    Raises:
        BadParameter: it is not one.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = nan
    if not 0 < seconds < inf:
        raise typer.BadParameter(f"{text!r} is not a number of seconds")
    return seconds


Config: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="Settings; else settings.toml of this folder, if it is there."
    ),
]
Sets: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="One setting, over file and environment. May be repeated."
    ),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", metavar="", help="Print the result as JSON.")]
Fast: TypeAlias = Annotated[
    bool, typer.Option("--fast", metavar="", help="Do not slow the day down to watch it.")
]
Day: TypeAlias = Annotated[
    date | None,
    typer.Option(
        "--day", parser=read_day, metavar="DAY", help="Another day of the sample, such as 2015-01-22."
    ),
]
Out: TypeAlias = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Where trades.csv, orders.csv and summary.json are written."),
]
Ticks: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--ticks", metavar="DIR", help="Recorded ticks: DIR/SYMBOL/YYYY-MM-DD.csv (.csv.gz, .parquet)."
    ),
]
Bars: TypeAlias = Annotated[
    Path | None,
    typer.Option("--bars", metavar="DIR", help="Recorded bars: DIR/SYMBOL.csv (.csv.gz, .parquet)."),
]
BarSpan: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--bar-span",
        parser=read_seconds,
        metavar="SECONDS",
        help="How long a bar lasts; else the smallest step between two.",
    ),
]
SkipBad: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--skip-bad",
        metavar="",
        help="Go on without files that cannot be read and setups for closed days; each is named at the end.",
    ),
]
Daily: TypeAlias = Annotated[
    Path, typer.Option("--daily", metavar="DIR", help="Daily bars: DIR/SYMBOL.csv (.csv.gz, .parquet).")
]
From: TypeAlias = Annotated[
    date | None, typer.Option("--from", parser=read_day, metavar="DAY", help="First day to trade.")
]
To: TypeAlias = Annotated[
    date | None, typer.Option("--to", parser=read_day, metavar="DAY", help="Last day to trade, included.")
]
TickSize: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--tick-size",
        parser=read_tick,
        metavar="RUPEES",
        help="Price step, for an exchange whose table is not known here.",
    ),
]
