"""Who has fallen silent, and whether that means anything. Pure: times and quotes are passed in.

Owns the judgement of silence. A quiet share sends nothing for minutes, and the recorded server falls silent
for ten seconds and is well, so silence alone proves nothing: only a second source does, with a price that the
feed has not shown. Even that may be a print on its way, and gets some time before the line is given up, for
to reconnect to a server that is only busy makes it worse.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from olaf_async.domain.price import Paise

NS_PER_S: Final = 1_000_000_000
LOOK_EVERY_NS: Final = NS_PER_S
FEED_SILENT_NS: Final = 3 * NS_PER_S
"""With no symbol heard for so long, all are asked about."""
SYMBOL_SILENT_NS: Final = 10 * NS_PER_S
"""With others heard, a symbol silent for so long is asked about."""
ASK_EVERY_NS: Final = 5 * NS_PER_S
PATIENCE_NS: Final = 15 * NS_PER_S
"""How long a feed known to be behind may stay so. More than the freeze of ten seconds."""
PATIENCE_MAX_NS: Final = 300 * NS_PER_S
"""Where a new line does not help, the patience doubles up to this: the others need the line as well."""


class Silence:
    """Watches the subscribed symbols while the exchange trades, from ``open_ns`` until ``close_ns``."""

    def __init__(self, open_ns: int, close_ns: int) -> None:
        self._open_ns = open_ns
        self._close_ns = close_ns
        self._heard_ns: dict[str, int] = {}
        self._shown: dict[str, Paise] = {}
        self._behind_ns: dict[str, int] = {}
        self._feed_heard_ns = open_ns
        self._asked_ns = 0
        self._patience_ns = PATIENCE_NS

    @property
    def behind(self) -> frozenset[str]:
        """Symbols of which the feed is known to keep something back."""
        return frozenset(self._behind_ns)

    def subscribed(self, symbols: Iterable[str], now_ns: int) -> None:
        """The server says that it will send these: from now on their silence counts."""
        for symbol in symbols:
            self._heard_ns.setdefault(symbol, now_ns)

    def begin(self, now_ns: int) -> None:
        """A new line: nobody is subscribed yet, and whoever was behind gets the whole patience once more."""
        self._heard_ns.clear()
        self._feed_heard_ns = now_ns
        self._behind_ns = dict.fromkeys(self._behind_ns, now_ns)

    def heard(self, symbol: str, now_ns: int) -> bool:
        """A print of the symbol has come, believed or not; whether it was the last one that was behind."""
        self._heard_ns[symbol] = self._feed_heard_ns = now_ns
        if self._behind_ns.pop(symbol, None) is None or self._behind_ns:
            return False
        self._patience_ns = PATIENCE_NS
        return True

    def shown(self, symbol: str, price: Paise) -> None:
        """The feed's last price of the symbol is this."""
        self._shown[symbol] = price

    def to_ask(self, now_ns: int) -> tuple[str, ...]:
        """The symbols to ask the second source about now; most often none. To be called about each second."""
        if not self._open_ns <= now_ns < self._close_ns or now_ns - self._asked_ns < ASK_EVERY_NS:
            return ()
        is_all_silent = self._since(self._feed_heard_ns, now_ns) >= FEED_SILENT_NS
        limit_ns = FEED_SILENT_NS if is_all_silent else SYMBOL_SILENT_NS
        silent = (
            symbol for symbol, at_ns in self._heard_ns.items() if self._since(at_ns, now_ns) >= limit_ns
        )
        asked = tuple(silent)
        if asked:
            self._asked_ns = now_ns
        return asked

    def compare(self, quotes: Mapping[str, Paise | None], asked_ns: int, now_ns: int) -> tuple[str, ...]:
        """Take in the second source's answer; the symbols that are behind and were not before.

        The first quote of a symbol without a print is only noted: yesterday's close is nothing missed.
        """
        found = []
        for symbol, quote in quotes.items():
            if quote is None or self._heard_ns.get(symbol, now_ns) > asked_ns:
                continue
            if self._shown.setdefault(symbol, quote) != quote and symbol not in self._behind_ns:
                self._behind_ns[symbol] = now_ns
                found.append(symbol)
        return tuple(found)

    def is_lost(self, now_ns: int) -> bool:
        """Whether to give up the line: a symbol is behind for longer than the patience, which then grows."""
        if not self._open_ns <= now_ns < self._close_ns:
            return False
        if all(now_ns - since_ns < self._patience_ns for since_ns in self._behind_ns.values()):
            return False
        self._patience_ns = min(2 * self._patience_ns, PATIENCE_MAX_NS)
        return True

    def _since(self, heard_ns: int, now_ns: int) -> int:
        """How long it has been silent while the exchange was open."""
        return now_ns - max(heard_ns, self._open_ns)
