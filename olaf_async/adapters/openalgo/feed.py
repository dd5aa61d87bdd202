"""The server's prices as the Feed port: one line, its subscriptions, and what is believed of what it says.

Owns the way from frame to print. Duplicates, frames out of order, odd prices and frames that cannot be read
are counted and dropped; a silent feed is asked about elsewhere before anything is done (`silence`). It must
never wait for such a question before it reads on: whoever does not read makes all the server's clients wait.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

from olaf_async.adapters.openalgo.connection import Dialer, KeyRefused, Line, LineLost
from olaf_async.adapters.openalgo.numbers import WireError, shown
from olaf_async.adapters.openalgo.sanity import PriceSanity
from olaf_async.adapters.openalgo.silence import LOOK_EVERY_NS, Silence
from olaf_async.adapters.openalgo.wire import frames
from olaf_async.adapters.openalgo.wire.frames import ErrorFrame, SubscribeAck, TickFrame
from olaf_async.domain.intents import Say, Severity
from olaf_async.domain.price import Paise, to_text
from olaf_async.domain.session import Session
from olaf_async.errors import BrokerError
from olaf_async.ports.clock import Clock
from olaf_async.ports.feed import Tick

NS_PER_S: Final = 1_000_000_000
SANE_AGE_NS: Final = 5 * NS_PER_S
"""A print says when it was made; older than this, or of the future, that is not believed."""
ACK_WITHIN_NS: Final = 20 * NS_PER_S
"""How long a subscription may go unanswered: twice the freeze of ten seconds."""
CHECK_WITHIN_NS: Final = 10 * NS_PER_S
RETRY_NS: Final = 60 * NS_PER_S
"""How often symbols that the server refused are asked for again: its list of them may come late."""
_NEVER_NS: Final = 2**63 - 1
_NAMED_MAX: Final = 5

Quotes: TypeAlias = Callable[[Sequence[str]], Awaitable[Mapping[str, Paise | None]]]
"""The second source: last prices over REST. Raises a BrokerError where it cannot be asked."""
Tell: TypeAlias = Callable[[Say], None]
"""Where texts for people go. Never raises and never waits."""


@dataclass(slots=True)
class FeedCounts:
    """What has come since the start; ``lines`` counts connections."""

    lines: int = 0
    ticks: int = 0
    repeated: int = 0
    late: int = 0
    odd: int = 0
    unreadable: int = 0


@dataclass(slots=True)
class _Symbol:
    sanity: PriceSanity
    at_ns: int = 0
    exchange_ns: int = 0
    price: Paise = 0
    is_odd: bool = False


@dataclass(frozen=True, slots=True)
class _Check:
    """A question to the second source that is out: about symbols fallen silent, and odd prices."""

    asked_ns: int
    silent: tuple[str, ...]
    doubted: tuple[str, ...]
    task: asyncio.Future[Mapping[str, Paise | None]]


class OpenAlgoFeed:
    """An implementation of `olaf_async.ports.feed.Feed`; one listener at a time.

    ``near`` names the symbols, each with a price it is known to be near (the setup's entry). ``tell`` hears
    what people should: ``feed_up`` and ``feed_down`` of the line, ``feed_stale`` of symbols that are behind,
    ``not_subscribed`` of those the server refuses, ``odd_price`` of what was not believed.
    """

    def __init__(  # noqa: PLR0913 -- each is another door to the world
        self,
        dialer: Dialer,
        exchange: str,
        near: Mapping[str, Paise],
        *,
        session: Session,
        clock: Clock,
        quotes: Quotes,
        tell: Tell,
    ) -> None:
        self._dialer = dialer
        self._exchange = exchange
        self._symbols = {symbol: _Symbol(PriceSanity(price)) for symbol, price in near.items()}
        self._silence = Silence(session.open_ns, session.close_ns)
        self._clock = clock
        self._quotes = quotes
        self._tell = tell
        self._unanswered: set[str] = set()
        self._acks_due = 0
        self._ack_due_ns = self._retry_ns = _NEVER_NS
        self._refused: set[str] = set()
        self._look_ns = 0
        self._check: _Check | None = None
        self.counts = FeedCounts()
        self.is_up = False

    async def ticks(self) -> AsyncGenerator[Tick, None]:
        """Prints in order of arrival, without end; reconnects by itself. Close it to stop. Yields: always."""
        told = ""
        while True:
            try:
                async with self._dialer.line() as line, aclosing(self._follow(line)) as ticks:
                    self._connected()
                    told = ""
                    async for tick in ticks:
                        yield tick
            except LineLost as lost:
                if str(lost) != told:
                    told = str(lost)
                    severity = Severity.ALARM if isinstance(lost, KeyRefused) else Severity.WARNING
                    self._say(severity, "feed_down", f"the price feed is down: {lost}")
            finally:
                self.is_up = False

    def _connected(self) -> None:
        self.counts.lines += 1
        self.is_up = True
        now_ns = self._clock.now_ns()
        self._silence.begin(now_ns)
        self._unanswered.clear()
        self._acks_due = 0
        self._ack_due_ns = self._retry_ns = _NEVER_NS
        self._look_ns = now_ns + LOOK_EVERY_NS
        self._say(Severity.NOTE, "feed_up", "the price feed is connected")

    async def _follow(self, line: Line) -> AsyncGenerator[Tick, None]:
        try:
            await self._subscribe(line, self._symbols)
            while True:
                tick = await self._hear(line)
                if tick is not None:
                    yield tick
                await self._tend(line)
        finally:
            await self._end_check()

    async def _hear(self, line: Line) -> Tick | None:
        """The next frame taken in; None where it was no print, or something else is due first."""
        pending = () if self._check is None else (self._check.task,)
        try:
            frame = await line.receive(self._look_ns, *pending)
        except WireError:
            self.counts.unreadable += 1
            return None
        match frame:
            case TickFrame():
                return self._take(frame)
            case SubscribeAck():
                self._acked(frame)
            case ErrorFrame(code, message):
                # Nothing but subscriptions is asked for here, and without them there are no prices.
                raise LineLost(f"no subscription: {code} {message}")
        return None

    # --- prints -----------------------------------------------------------------------------------

    def _take(self, frame: TickFrame) -> Tick | None:
        symbol = self._symbols.get(frame.symbol)
        if symbol is None or frame.exchange != self._exchange:
            return None
        now_ns = self._clock.now_ns()
        if self._silence.heard(frame.symbol, now_ns):
            self._say(Severity.NOTE, "feed_up", "the price feed is complete again")
        told_ns = frame.exchange_ns or 0
        exchange_ns = told_ns if now_ns - SANE_AGE_NS <= told_ns <= now_ns else None
        if exchange_ns is not None and exchange_ns < symbol.exchange_ns:
            self.counts.late += 1
            return None
        if (exchange_ns, frame.price) == (symbol.exchange_ns, symbol.price):
            self.counts.repeated += 1
            return None
        if not symbol.sanity.accepts(frame.price, frame.band):
            self._doubt(frame, symbol)
            return None
        symbol.is_odd = False
        symbol.price = frame.price
        symbol.exchange_ns = exchange_ns or symbol.exchange_ns
        symbol.at_ns = max(symbol.at_ns, exchange_ns or now_ns)
        self._silence.shown(frame.symbol, frame.price)
        self.counts.ticks += 1
        return Tick(frame.symbol, symbol.at_ns, frame.price)

    def _doubt(self, frame: TickFrame, symbol: _Symbol) -> None:
        self.counts.odd += 1
        if not symbol.is_odd:
            symbol.is_odd = True
            text = f"{to_text(frame.price)} after {to_text(symbol.sanity.reference)} is not believed"
            self._say(Severity.WARNING, "odd_price", text, frame.symbol)

    # --- subscriptions ----------------------------------------------------------------------------

    async def _subscribe(self, line: Line, symbols: Iterable[str]) -> None:
        wanted = sorted(symbols)
        self._unanswered.update(wanted)
        self._acks_due += 1
        self._ack_due_ns = min(self._ack_due_ns, self._clock.now_ns() + ACK_WITHIN_NS)
        await line.send(frames.subscribe(self._exchange, wanted))

    def _acked(self, ack: SubscribeAck) -> None:
        now_ns = self._clock.now_ns()
        self._silence.subscribed(ack.taken & self._symbols.keys(), now_ns)
        self._refused -= ack.taken
        refused = {symbol: shown(why) for symbol, why in ack.refused if symbol in self._symbols}
        self._unanswered -= ack.taken | refused.keys()
        self._acks_due = max(0, self._acks_due - 1)
        self._ack_due_ns = now_ns + ACK_WITHIN_NS if self._acks_due else _NEVER_NS
        if not self._acks_due:
            # An entry that the server cannot read is left out of its answer, which still says success.
            refused |= dict.fromkeys(self._unanswered, "passed over in silence")
            self._unanswered.clear()
        for symbol in sorted(refused.keys() - self._refused):
            text = f"no prices of {symbol}: {refused[symbol]}"
            self._say(Severity.WARNING, "not_subscribed", text, symbol)
        self._refused |= refused.keys()
        self._retry_ns = now_ns + RETRY_NS if self._refused else _NEVER_NS

    # --- silence ----------------------------------------------------------------------------------

    async def _tend(self, line: Line) -> None:
        """Do what has become due: judge an answer of the second source, ask it, ask the server again.

        Raises:
            LineLost: this line had better be given up.
        """
        now_ns = self._clock.now_ns()
        check = self._check
        if check is not None and (check.task.done() or now_ns - check.asked_ns >= CHECK_WITHIN_NS):
            await self._judge(line, check)
            await self._end_check()
        if now_ns < self._look_ns:
            return
        self._look_ns = now_ns + LOOK_EVERY_NS
        if now_ns >= self._ack_due_ns:
            raise LineLost(f"no answer to a subscription in {ACK_WITHIN_NS // NS_PER_S} s")
        if self._silence.is_lost(now_ns):
            raise LineLost(f"prices move and are not sent: {_named(self._silence.behind)}")
        if now_ns >= self._retry_ns:
            self._retry_ns = now_ns + RETRY_NS
            await self._subscribe(line, self._refused)
        self._ask(now_ns)

    def _ask(self, now_ns: int) -> None:
        """Ask the second source, where somebody is silent or in doubt and no question is out."""
        if self._check is not None:
            return
        silent = self._silence.to_ask(now_ns)
        doubted = tuple(name for name, symbol in self._symbols.items() if symbol.sanity.has_doubt)
        names = sorted({*silent, *doubted})
        if names:
            task = asyncio.ensure_future(self._quotes(names))
            self._check = _Check(now_ns, silent, doubted, task)

    async def _judge(self, line: Line, check: _Check) -> None:
        quotes: Mapping[str, Paise | None] = {}
        if check.task.done():
            # Where it cannot be asked nothing is known, and nothing is done.
            with suppress(BrokerError):
                quotes = check.task.result()
        for name in check.doubted:
            quote = quotes.get(name)
            if quote is not None and self._symbols[name].sanity.compare(quote):
                self._silence.shown(name, quote)
                text = f"a quote confirms {to_text(quote)}"
                self._say(Severity.WARNING, "odd_price", text, name)
        now_ns = self._clock.now_ns()
        silent = {name: quotes.get(name) for name in check.silent}
        behind = self._silence.compare(silent, check.asked_ns, now_ns)
        if behind:
            text = f"prices move and are not sent: {_named(behind)}; asked for again"
            self._say(Severity.WARNING, "feed_stale", text)
            await self._subscribe(line, behind)

    async def _end_check(self) -> None:
        check, self._check = self._check, None
        if check is not None:
            check.task.cancel()
            await asyncio.gather(check.task, return_exceptions=True)

    def _say(self, severity: Severity, code: str, text: str, symbol: str | None = None) -> None:
        self._tell(Say(symbol, severity, code, text))


def _named(symbols: Collection[str]) -> str:
    names = sorted(symbols)
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return ", ".join(names[:_NAMED_MAX]) + more
