"""The paper day: the bundled market, which of its days is shown, and the day as a row of still pictures.

Owns the choice of day and the cutting of a run into scenes, each true for a stretch of virtual time. How
fast they are shown, and on what, is not its business; it never prints and never waits.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.price import Paise, to_text
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Setup
from olaf_async.research.day_story import Line, average, story
from olaf_async.research.results import OpenPosition, WorkingOrder

if TYPE_CHECKING:  # live needs the scenes and nothing that brings numpy with it
    from olaf_async.adapters.replay.files import PriceColumns
    from olaf_async.research.runs import Progress, Run

SAMPLE: Final = Path(__file__).resolve().parent.parent / "sample"
"""The bundled market: ``bars/``, ``daily/``, ``setups.csv`` and its own ``settings.toml``."""

PAPER_DAY: Final = date(2015, 1, 20)
"""The day that shows everything at once; the sample's README says why."""

DAYS_WITH_TRADES: Final = (PAPER_DAY, date(2015, 1, 22), date(2015, 1, 27), date(2015, 2, 2))
"""The days of the sample on which an entry fills; on the others setups only wait."""


@dataclass(frozen=True, slots=True)
class SymbolScene:
    """One symbol at one moment.

    ``prices`` are those of its day until then; ``net`` counts its closed trades after charges and the open
    position at the last price.
    """

    symbol: str
    prices: Sequence[Paise]
    doing: str
    stop: Paise | None
    net: Paise
    is_held: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """The whole day at one moment."""

    at_ns: int
    symbols: tuple[SymbolScene, ...]
    lines: tuple[Line, ...]
    ticks: int
    ticks_per_s: int
    orders_working: int
    trades: int
    realised: Paise
    open_gross: Paise


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is believed from ``from_ns`` until just before ``until_ns``.

    ``ticks_per_s`` is the engine's own speed so far, the reading of files not counted.
    """

    from_ns: int
    until_ns: int
    progress: "Progress"
    ticks_per_s: int


def stretches(run: "Run", end_ns: int) -> Iterator[Stretch]:
    """The run as it goes, each state with the time it lasts; the engine is one happening ahead of it."""
    steps = run.steps()
    if next(steps, None) is None:
        return
    before = run.progress()
    reading_ns = before.so_far.elapsed_ns

    def lasting(until_ns: int) -> Stretch:
        running_ns = before.so_far.elapsed_ns - reading_ns
        speed = before.so_far.ticks * SECOND_NS // running_ns if running_ns else 0
        return Stretch(before.at_ns, until_ns, before, speed)

    for at_ns in steps:
        if at_ns > before.at_ns:
            yield lasting(at_ns)
        before = run.progress()
    yield lasting(end_ns)


class Director:
    """Makes scenes of stretches: the prices go on between the happenings, what is believed stands still."""

    def __init__(
        self,
        setups: Iterable[Setup],
        sessions: Mapping[str, Session],
        prices: "Mapping[str, PriceColumns]",
        window_ns: int,
    ) -> None:
        self._setups = tuple(sorted(setups, key=lambda setup: setup.symbol))
        self._sessions = sessions
        self._prices = prices
        self._window_ns = window_ns

    def scene(self, stretch: Stretch, at_ns: int) -> Scene:
        """The day at this moment of the stretch."""
        progress = stretch.progress
        symbols = tuple(self._symbol(setup, progress, at_ns) for setup in self._setups)
        held = self._held(progress, at_ns)
        return Scene(
            at_ns=at_ns,
            symbols=symbols,
            lines=story(progress.today) if progress.today else (),
            ticks=sum(len(symbol.prices) for symbol in symbols),
            ticks_per_s=stretch.ticks_per_s,
            orders_working=len(progress.orders),
            trades=len(progress.so_far.trades),
            realised=progress.so_far.net,
            open_gross=sum(position.gross for position in held.values()),
        )

    def _held(self, progress: "Progress", at_ns: int) -> dict[str, OpenPosition]:
        """The open positions at the last prices of this moment."""
        return {position.symbol: self._marked(position, at_ns) for position in progress.positions}

    def _marked(self, position: OpenPosition, at_ns: int) -> OpenPosition:
        prices = self._until(position.symbol, at_ns)
        last = int(prices[-1]) if len(prices) else position.last
        moved = (last - position.last) * position.quantity * position.direction
        return replace(position, last=last, gross=position.gross + moved)

    def _until(self, symbol: str, at_ns: int) -> Sequence[Paise]:
        columns = self._prices[symbol]
        prices: list[Paise] = columns.price[: int(columns.t_ns.searchsorted(at_ns, side="right"))].tolist()
        return prices

    def _symbol(self, setup: Setup, progress: "Progress", at_ns: int) -> SymbolScene:
        symbol = setup.symbol
        position = self._held(progress, at_ns).get(symbol)
        window_end_ns = self._sessions[symbol].open_ns + self._window_ns
        closed = sum(record.net for record in progress.so_far.trades if record.trade.symbol == symbol)
        return SymbolScene(
            symbol=symbol,
            prices=self._until(symbol, at_ns),
            doing=doing(setup, position, progress.orders, may_trigger=at_ns < window_end_ns),
            stop=position.stop if position else None,
            net=closed + (position.gross if position else 0),
            is_held=position is not None,
        )


def doing(
    setup: Setup,
    position: OpenPosition | None,
    orders: Iterable[WorkingOrder],
    *,
    may_trigger: bool,
) -> str:
    """What a symbol is about, in a few words; ``may_trigger`` while an undercut still counts."""
    if position is not None:
        price = average(position.entry_value, position.entered)
        return f"{position.direction.word} {position.quantity} from {price}"
    for order in orders:
        if order.symbol == setup.symbol:
            return f"{order.side.value.lower()} stop rests at {to_text(order.trigger)}"
    return f"waits for {to_text(setup.trigger_price)}" if may_trigger else "done for the day"
