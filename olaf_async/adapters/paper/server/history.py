"""The server's bars of the past, from recorded prices on disk.

Owns how prices become bars of another span. It must never tell a day that the server is still playing, nor
bars shorter than those it reads. Volume is told by daily bars alone; recorded prices have none.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, tzinfo
from itertools import groupby
from typing import Final

from olaf_async.adapters.paper.server.market import Candle
from olaf_async.adapters.replay.files import DailyFolder, PriceColumns, PriceFolder
from olaf_async.domain.price import Paise

_NS_PER_S: Final = 1_000_000_000
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_OPEN: Final = time(9, 15)
"""Bars of a day are counted from here, as brokers do it."""


class FolderHistory:
    """An implementation of `market.History`; of days from ``before`` on it knows nothing."""

    def __init__(
        self,
        tz: tzinfo,
        *,
        prices: PriceFolder | None = None,
        daily: DailyFolder | None = None,
        before: date | None = None,
    ) -> None:
        self._tz = tz
        self._prices = prices
        self._daily = daily
        self._before = before or date.max

    @property
    def intervals(self) -> Sequence[str]:
        """See `market.History`."""
        intraday = ("1m", "5m", "15m", "30m", "1h") if self._prices is not None else ()
        return intraday + (("D",) if self._daily is not None else ())

    def candles(self, symbol: str, interval: str, start: date, end: date) -> Sequence[Candle]:
        """See `market.History`.

        Raises:
            ConfigError: a file is not as it should be.
        """
        if interval == "D":
            return self._daily_candles(symbol, start, end)
        unit_s = _SECONDS.get(interval[-1])
        if self._prices is None or unit_s is None:
            return ()
        seconds = int(interval[:-1]) * unit_s
        days = [day for day in self._prices.days(symbol) if start <= day <= end and day < self._before]
        read = (self._prices.read(symbol, day) for day in days)
        return [candle for columns in read if columns for candle in self._candles(columns, seconds)]

    def _daily_candles(self, symbol: str, start: date, end: date) -> Sequence[Candle]:
        bars = self._daily.read(symbol) if self._daily is not None else ()
        return [
            Candle(self._seconds(bar.day, time()), bar.open, bar.high, bar.low, bar.close, bar.volume)
            for bar in bars
            if start <= bar.day <= end and bar.day < self._before
        ]

    def _candles(self, columns: PriceColumns, seconds: int) -> Iterator[Candle]:
        times_ns: list[int] = columns.t_ns.tolist()
        prices: list[Paise] = columns.price.tolist()
        is_of_bars = columns.continuous is not None
        if is_of_bars and 4 * (times_ns[1] - times_ns[0]) > seconds * _NS_PER_S:
            return  # a bar is four prices, a quarter of its span apart
        open_s = self._seconds(columns.day, _OPEN)

        def number(row: int) -> int:
            return (times_ns[row] // _NS_PER_S - open_s) // seconds

        for count, rows in groupby(range(len(prices)), key=number):
            told = [prices[row] for row in rows]
            yield Candle(open_s + count * seconds, told[0], max(told), min(told), told[-1], 0)

    def _seconds(self, day: date, at: time) -> int:
        return int(datetime.combine(day, at, self._tz).timestamp())
