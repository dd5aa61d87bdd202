"""Where the prices of the paper server come from, and the tape of those that were published.

Owns pace and numbering. Must never read a file: what is played is handed in as steps. A print is stamped in
whole milliseconds, since a frame can say no more; whoever replays the tape has the times the clients had.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import isinf
from typing import Final, Protocol

from olaf_async.adapters.paper.server.desk import PaperDesk
from olaf_async.domain.price import Paise

TAPE_MAX: Final = 1_000_000
"""So many of the newest prints are kept."""

_NS_PER_MS: Final = 1_000_000
_PRINTS_AT_A_TIME: Final = 32
"""At full speed, so many prints go out before it is asked whether the clients have taken them."""


@dataclass(frozen=True, slots=True)
class Print:
    """A price that was published; numbered from 1."""

    number: int
    symbol: str
    price: Paise
    at_ns: int


@dataclass(frozen=True, slots=True)
class Step:
    """A price to be played; ``at_ns`` counts only as a distance. ``continuous`` as in `PaperExchange`."""

    at_ns: int
    symbol: str
    price: Paise
    continuous: bool = False


class Audience(Protocol):
    """Those for whom prices are played."""

    async def asked(self) -> None:
        """Return once somebody wants to hear ticks."""
        ...

    async def taken(self) -> None:
        """Return once everybody has taken in what was published."""
        ...


class PriceBoard:
    """Publishes prices through the desk, which tells orders and clients, and keeps them on a tape."""

    def __init__(self, desk: PaperDesk) -> None:
        self.tape: deque[Print] = deque(maxlen=TAPE_MAX)
        self.is_playing = False
        self._desk = desk
        self._published = 0

    @property
    def published(self) -> int:
        """The number of the newest print, 0 before the first."""
        return self._published

    def publish(  # noqa: PLR0913 -- a tick with its quote
        self,
        symbol: str,
        price: Paise,
        *,
        at_ns: int | None = None,
        continuous: bool = False,
        bid: Paise | None = None,
        ask: Paise | None = None,
        volume: int | None = None,
    ) -> Print:
        """Let a price be printed now, stamped ``at_ns`` where that is given.

        Raises:
            KeyError: the symbol is not listed here.
        """
        at_ns = self._desk.clock.now_ns() if at_ns is None else at_ns
        at_ns -= at_ns % _NS_PER_MS
        self._desk.on_price(symbol, price, at_ns, continuous=continuous, bid=bid, ask=ask, volume=volume)
        self._published += 1
        printed = Print(self._published, symbol, price, at_ns)
        self.tape.append(printed)
        return printed

    async def play(self, steps: Iterable[Step], speed: float, audience: Audience, *, waits: bool) -> None:
        """Publish steps at ``speed`` times their own distances; then the last prices stand. Yields: always.

        A speed of inf is as fast as the audience takes them. ``waits``: nothing is played before somebody
        wants to hear it.
        """
        if waits:
            await audience.asked()
        self.is_playing = True
        if isinf(speed):
            await self._play_at_once(steps, audience)
        else:
            await self._play_in_time(steps, speed)
        self.is_playing = False

    async def _play_in_time(self, steps: Iterable[Step], speed: float) -> None:
        clock = self._desk.clock
        begin_ns = clock.now_ns()
        first_ns: int | None = None
        for step in steps:
            first_ns = step.at_ns if first_ns is None else first_ns
            await clock.sleep_until_ns(begin_ns + round((step.at_ns - first_ns) / speed))
            self._publish_step(step)

    async def _play_at_once(self, steps: Iterable[Step], audience: Audience) -> None:
        for number, step in enumerate(steps, 1):
            self._publish_step(step)
            if number % _PRINTS_AT_A_TIME == 0:
                await audience.taken()
        await audience.taken()

    def _publish_step(self, step: Step) -> None:
        self.publish(step.symbol, step.price, continuous=step.continuous)
