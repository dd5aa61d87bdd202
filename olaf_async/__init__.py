"""Olaf: a trading engine for Indian equities: never two positions in a symbol, never an unprotected one.

What a notebook needs of it stands here and is loaded when it is first asked for: importing the package itself
loads nothing. Only the version is at home here.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from olaf_async.app.replay import Bars, Ticks, open_prices, prepare_replay
    from olaf_async.app.rules import load_setups
    from olaf_async.domain.price import to_text
    from olaf_async.research.charts import trade_charts
    from olaf_async.research.paper_day import PAPER_DAY, SAMPLE
    from olaf_async.research.play import play
    from olaf_async.research.safety_figures import safety_figures
    from olaf_async.research.tables import orders_csv, trades_csv
    from olaf_async.settings import load_settings

__version__ = "0.1.0"

__all__ = [
    "PAPER_DAY",
    "SAMPLE",
    "Bars",
    "Ticks",
    "load_settings",
    "load_setups",
    "open_prices",
    "orders_csv",
    "play",
    "prepare_replay",
    "safety_figures",
    "to_text",
    "trade_charts",
    "trades_csv",
]

_HOMES: Final = {
    "app.replay": ("Bars", "Ticks", "open_prices", "prepare_replay"),
    "app.rules": ("load_setups",),
    "domain.price": ("to_text",),
    "research.charts": ("trade_charts",),
    "research.paper_day": ("PAPER_DAY", "SAMPLE"),
    "research.play": ("play",),
    "research.safety_figures": ("safety_figures",),
    "research.tables": ("orders_csv", "trades_csv"),
    "settings": ("load_settings",),
}
"""Where each name is at home, as the type checker is told above."""


if not TYPE_CHECKING:  # so that the checker knows a wrong name for one

    def __getattr__(name: str) -> object:
        for home, names in _HOMES.items():
            if name in names:
                return getattr(import_module(f"{__name__}.{home}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
