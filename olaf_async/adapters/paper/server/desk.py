"""The one account that the REST half and the websocket half of the paper server share.

Owns the paper exchange, the quotes beside it, who hears its order updates, and what the sandbox does by the
clock. It must never speak JSON, nor know which of the two halves asks.
"""

import asyncio
import hmac
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Final, TypeAlias

from olaf_async.adapters.paper.exchange import SQUARE_OFF_STRATEGY, PaperExchange, PaperRules
from olaf_async.adapters.paper.orders import OrderRecord
from olaf_async.domain.order import PriceType, Side, Terms
from olaf_async.domain.price import Paise
from olaf_async.errors import BrokerRejected
from olaf_async.ports.clock import Clock

NS_PER_S: Final = 1_000_000_000
EXCHANGE: Final = "NSE"
"""The only one there is here."""

_DAY_S: Final = 86_400
_POLL_EVERY_NS: Final = 5 * NS_PER_S
_NOTES_MAX: Final = 100
_FEED_SILENT_NS: Final = 30 * NS_PER_S

OrderListener: TypeAlias = Callable[[OrderRecord], None]
"""Hears every order update at the moment it happens, and before the call that caused it is answered."""

TickListener: TypeAlias = Callable[[str, "Quote", int], None]
"""Hears a tick (symbol, the quote with it, its time) before any order meets it."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What the broker's quote service says of one symbol; prices in paise, 0 where there is none."""

    ltp: Paise
    bid: Paise
    ask: Paise
    open: Paise
    high: Paise
    low: Paise
    prev_close: Paise
    volume: int

    @property
    def is_sane(self) -> bool:
        """Whether the last price lies within the quote's own range of the day."""
        return self.low <= self.ltp <= self.high


@dataclass(frozen=True, slots=True)
class Placed:
    """The answer to an order: its id, "" where none came to be; ``refusal`` says why it does not work."""

    order_id: str
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """How many positions were closed, and how many could not be."""

    done: int
    failed: int


class PaperDesk:
    """A paper account with its prices, on one event loop. Times come from the clock, prices in paise.

    ``api_key`` "" lets every caller in. ``sessions`` as in `PaperExchange`. ``broker_name`` and ``user`` are
    words that clients are told. ``is_analyze`` False makes the server answer as a live one does, without a
    mode; the account is the same. ``started_ns`` is when the account began. ``notes`` are the newest messages
    that clients asked to be sent to a person; nobody sends them. Let `keep_time` run beside the servers.
    """

    def __init__(
        self,
        rules: PaperRules,
        tick_sizes: Mapping[str, Paise],
        clock: Clock,
        *,
        api_key: str = "",
        sessions: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        self.exchange = PaperExchange(rules, tick_sizes, sessions=sessions)
        self.tick_sizes = dict(tick_sizes)
        self.clock = clock
        self.broker_name = "paper"
        self.user = "paper"
        self.is_analyze = True
        self.notes: deque[str] = deque(maxlen=_NOTES_MAX)
        self._api_key = _bytes(api_key)
        self._quotes: dict[str, Quote] = {}
        self._listeners: list[OrderListener] = []
        self._tick_listeners: list[TickListener] = []
        self.started_ns = self._heard_ns = clock.now_ns()

    def local(self, at_ns: int) -> datetime:
        """A time as the account's wall clock showed it."""
        zone = timezone(timedelta(seconds=self.exchange.rules.utc_offset_s))
        return datetime.fromtimestamp(at_ns // NS_PER_S, zone)

    @property
    def mode(self) -> str:
        """The word order updates carry: ``analyze`` or ``live``."""
        return "analyze" if self.is_analyze else "live"

    def accepts(self, api_key: str) -> bool:
        """Whether this key opens the account."""
        return not self._api_key or hmac.compare_digest(self._api_key, _bytes(api_key))

    def subscribe(self, listener: OrderListener) -> Callable[[], None]:
        """Let ``listener`` hear every order update from now on; call what is returned to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def watch(self, listener: TickListener) -> Callable[[], None]:
        """Let ``listener`` hear every tick from now on; call what is returned to stop."""
        self._tick_listeners.append(listener)
        return lambda: self._tick_listeners.remove(listener)

    # ------------------------------------------------------------------------------------------------- prices

    def quote(self, symbol: str) -> Quote | None:
        """What is known of a symbol's prices; None before the first."""
        return self._quotes.get(symbol)

    def on_price(  # noqa: PLR0913 -- a tick with its quote
        self,
        symbol: str,
        price: Paise,
        at_ns: int,
        *,
        continuous: bool = False,
        bid: Paise | None = None,
        ask: Paise | None = None,
        volume: int | None = None,
    ) -> None:
        """Take in a tick: the quote follows, then orders meet it.

        Bid and ask, where they are not given, are one tick around the price. ``continuous`` as in
        `PaperExchange.on_print`.

        Raises:
            KeyError: the symbol is not listed here.
        """
        self._heard_ns = self.clock.now_ns()
        old = self._quotes.get(symbol) or Quote(price, 0, 0, price, price, price, price, 0)
        tick = self.tick_sizes[symbol]
        self._quotes[symbol] = replace(
            old,
            ltp=price,
            bid=max(tick, price - tick) if bid is None else bid,
            ask=price + tick if ask is None else ask,
            volume=old.volume if volume is None else volume,
            high=max(old.high, price),
            low=min(old.low, price),
        )
        for listener in tuple(self._tick_listeners):
            listener(symbol, self._quotes[symbol], at_ns)
        self._print(symbol, price, at_ns, continuous=continuous)

    def set_quote(  # noqa: PLR0913 -- the fields of a quote
        self,
        symbol: str,
        *,
        ltp: Paise | None = None,
        bid: Paise | None = None,
        ask: Paise | None = None,
        open: Paise | None = None,  # noqa: A002 -- the wire's own word
        high: Paise | None = None,
        low: Paise | None = None,
        prev_close: Paise | None = None,
        volume: int | None = None,
    ) -> None:
        """Change what quotes say, without a tick; what is None stays, and is ``ltp`` in a first quote.

        Working orders do not see it, but for the polling of `keep_time`. MARKET takes ``bid`` and ``ask``.

        Raises:
            KeyError: the symbol is not listed here.
            ValueError: a first quote without ``ltp``.
        """
        given = {
            "ltp": ltp, "bid": bid, "ask": ask, "open": open, "high": high, "low": low,
            "prev_close": prev_close, "volume": volume,
        }  # fmt: skip
        old = self._quotes.get(symbol)
        if old is None:
            if ltp is None:
                raise ValueError(f"the first quote of {symbol} needs a last price")
            old = Quote(ltp, 0, 0, ltp, ltp, ltp, ltp, 0)
        quote = replace(old, **{name: value for name, value in given.items() if value is not None})
        self._quotes[symbol] = quote
        self.exchange.set_quote(symbol, quote.bid, quote.ask)

    # ------------------------------------------------------------------------------------------------- orders

    def place(
        self, symbol: str, side: Side, price_type: PriceType, terms: Terms, *, strategy: str, product: str
    ) -> Placed:
        """Send a new order. The sandbox fills nothing at placement on a quote outside its own range."""
        changes = len(self.exchange.history)
        quote = self._quotes.get(symbol)
        is_guarded = not self.exchange.rules.exchange_true and quote is not None and not quote.is_sane
        try:
            order_id = self.exchange.place(
                symbol,
                side,
                price_type,
                terms,
                self.clock.now_ns(),
                on_print=is_guarded,
                strategy=strategy,
                product=product,
            )
        except BrokerRejected as refusal:
            # A delivery sell of more than is held leaves a row.
            is_kept = len(self.exchange.history) > changes
            return Placed(self.exchange.history[-1].order_id if is_kept else "", str(refusal))
        else:
            return Placed(order_id)
        finally:
            self._publish()

    def lists(self, symbol: str, exchange: str) -> bool:
        """Whether this symbol is traded here."""
        return exchange == EXCHANGE and symbol in self.tick_sizes

    def held(self, symbol: str, product: str) -> int:
        """Net shares of a position; short is negative."""
        rows = self.exchange.position_rows(product)
        return next((row.quantity for row in rows if row.symbol == symbol), 0)

    def find(self, order_id: str) -> OrderRecord | None:
        """One order in full; None where there is none of this id."""
        try:
            return self.exchange.record(order_id)
        except BrokerRejected:
            return None

    def modify(self, order_id: str, terms: Terms, price_type: PriceType) -> None:
        """Change a working order.

        Raises:
            BrokerRejected: unknown, ended, or not to be changed so.
        """
        try:
            self.exchange.modify(order_id, terms, self.clock.now_ns(), price_type=price_type)
        finally:
            self._publish()

    def cancel(self, order_id: str) -> None:
        """End a working order.

        Raises:
            BrokerRejected: unknown, or already ended.
        """
        try:
            self.exchange.cancel(order_id, self.clock.now_ns())
        finally:
            self._publish()

    def cancel_all(self) -> tuple[str, ...]:
        """Cancel all working orders (the sandbox spares untriggered stops); return the ids."""
        try:
            return self.exchange.cancel_all(self.clock.now_ns())
        finally:
            self._publish()

    def close_positions(self, *products: str) -> Closed:
        """Send a market order against every position (of these products, where any are named)."""
        answers = [
            self.place(
                position.symbol,
                Side.SELL if position.quantity > 0 else Side.BUY,
                PriceType.MARKET,
                Terms(abs(position.quantity), 0),
                strategy=SQUARE_OFF_STRATEGY,
                product=position.product,
            )
            for position in self.exchange.positions()
            if position.quantity and (not products or position.product in products)
        ]
        failed = sum(bool(answer.refusal) for answer in answers)
        return Closed(len(answers) - failed, failed)

    def square_off(self) -> None:
        """Cancel what works of MIS, newest first as recorded, and close what is held of it."""
        for record in reversed(self.exchange.records()):
            if record.product == "MIS" and record.status in {"open", "trigger pending"}:
                self.cancel(record.order_id)
        self.close_positions("MIS")

    # -------------------------------------------------------------------------------------------------- clock

    async def keep_time(self) -> None:
        """Do what the sandbox does by the clock, until cancelled; an exchange-true desk has nothing to do.

        MIS is squared off at its time of each day. Where no symbol ticked for 30 s, quotes are looked at
        every 5 s instead, as the sandbox's fallback does. Yields: always.
        """
        if self.exchange.rules.exchange_true:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_square_off())
            group.create_task(self._keep_polling())

    async def _keep_square_off(self) -> None:
        rules = self.exchange.rules
        if rules.square_off_s is None:
            return
        due_ns = (rules.square_off_s - rules.utc_offset_s) % _DAY_S * NS_PER_S
        while True:
            now_ns = self.clock.now_ns()
            await self.clock.sleep_until_ns(now_ns + ((due_ns - now_ns - 1) % (_DAY_S * NS_PER_S)) + 1)
            self.square_off()

    async def _keep_polling(self) -> None:
        while True:
            await self.clock.sleep_until_ns(self.clock.now_ns() + _POLL_EVERY_NS)
            if self.clock.now_ns() - self._heard_ns >= _FEED_SILENT_NS:
                self._poll()

    def _poll(self) -> None:
        for symbol, quote in self._quotes.items():
            if quote.ltp != self.exchange.last(symbol) and quote.is_sane:
                self._print(symbol, quote.ltp, self.clock.now_ns())

    def _print(self, symbol: str, price: Paise, at_ns: int, *, continuous: bool = False) -> None:
        quote = self._quotes[symbol]
        self.exchange.on_print(symbol, price, at_ns, continuous=continuous)
        self.exchange.set_quote(symbol, quote.bid, quote.ask)
        self._publish()

    def _publish(self) -> None:
        for record in self.exchange.take_frames():
            for listener in tuple(self._listeners):
                listener(record)


def _bytes(api_key: str) -> bytes:
    return api_key.encode(errors="surrogatepass")  # JSON can spell text that UTF-8 cannot
