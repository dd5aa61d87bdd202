"""``record`` put together: the prices of an OpenAlgo server, day after day, into files that replay reads.

Owns when is recorded: from the start until it is stopped, on every day that is a session. It must never
trade, and never end because a disk is full for a while or a server has gone away.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from olaf_async.adapters.clock import SystemClock
from olaf_async.adapters.openalgo.checks import Finding, RestServer, Wanted, examine
from olaf_async.adapters.openalgo.wire import answers, requests
from olaf_async.adapters.recorder import RecordingError, TickRecorder
from olaf_async.app.connections import exchange_hours_ns, log_message, new_feed, new_rest, today, watching
from olaf_async.app.rules import EXCHANGE_ZONE, session_for
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.intents import Say, Severity
from olaf_async.domain.price import Paise
from olaf_async.errors import BrokerError, ConfigError
from olaf_async.ports.clock import Clock
from olaf_async.settings import Settings
from olaf_async.shell.waiting import first_of

FLUSH_NS: Final = 5 * SECOND_NS
"""Between two flushes: what a sudden death of the process may cost."""
RETRY_NS: Final = 30 * SECOND_NS
"""Between two questions for the prices to begin a day with."""

EXIT_FINE: Final = 0
EXIT_ERROR: Final = 1


class Onlooker(Protocol):
    """Who looks on: a terminal, a log, a test."""

    def found(self, finding: Finding) -> None:
        """A check has been made."""
        ...

    async def watch(self, recorder: TickRecorder, clock: Clock) -> None:
        """Look on until cancelled."""
        ...


@dataclass(frozen=True, slots=True)
class Recorded:
    """How it ended; ``why`` is empty where all is well."""

    exit_code: int
    ticks: int = 0
    why: str = ""


class StopSignal:
    """Ends the recording; for `olaf_async.shell.signals.stop_on_signals`. There is nothing to force."""

    def __init__(self) -> None:
        self._pulled = asyncio.Event()

    def request_stop(self) -> None:
        """Stop. Yields: never."""
        self._pulled.set()

    def force_stop(self) -> None:
        """Stop. Yields: never."""
        self._pulled.set()

    async def wait(self) -> None:
        """Return once a stop has been asked for."""
        await self._pulled.wait()


class RecordRun:
    """One recording, to be run once.

    Raises:
        ConfigError: there is no key for the server.
    """

    def __init__(
        self,
        settings: Settings,
        symbols: Sequence[str],
        out: Path,
        onlooker: Onlooker,
        stop: StopSignal,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._symbols = tuple(symbols)
        self._out = out
        self._onlooker = onlooker
        self._stop = stop
        self._clock = clock or SystemClock()
        self._rest = new_rest(settings, self._clock)

    async def run(self) -> Recorded:
        """Record until stopped. Yields: always.

        Raises:
            ConfigError: the folder cannot be written to, or is being recorded into already.
        """
        recorder = TickRecorder(self._out, self._settings.session.zone, self._clock)
        code, why = EXIT_ERROR, ""
        try:
            await self._attempt(recorder.recover())
            async with self._rest:
                code = await self._check()
                if code == EXIT_FINE:
                    await self._record(recorder)
        finally:
            why = await self._attempt(recorder.close())
        return Recorded(EXIT_ERROR if why else code, recorder.taken, why)

    async def _check(self) -> int:
        """The checks that matter where nothing is traded; 0 or an exit code."""
        settings, day = self._settings, today(self._settings, self._clock)
        wanted = Wanted(
            host=settings.broker.host,
            setups=(),
            day=day,
            zone=EXCHANGE_ZONE,
            hours_ns=exchange_hours_ns(settings, day),
            exchange=settings.broker.exchange,
            is_trading=False,
        )
        return (await examine(RestServer(self._rest, self._clock), wanted, self._onlooker.found)).exit_code

    async def _record(self, recorder: TickRecorder) -> None:
        """Day after day until stopped, with the disk and the onlooker looked after beside it."""
        await first_of(
            self._record_days(recorder),
            self._flush(recorder),
            watching(self._onlooker.watch(recorder, self._clock)),
            self._stop.wait(),
        )

    async def _record_days(self, recorder: TickRecorder) -> None:
        while True:
            day = today(self._settings, self._clock)
            await first_of(self._record_day(recorder, day), self._sleep_over(day))

    async def _record_day(self, recorder: TickRecorder, day: date) -> None:
        """The prices of one day; ends only by being cancelled."""
        try:
            session = session_for(self._settings, day, self._symbols[0])
        except ConfigError as error:
            self._tell("no_session", f"nothing is recorded today: {error}")
            await self._sleep_over(day)
            return
        near = await self._near_prices()
        feed = new_feed(self._settings, self._rest, near, session, self._clock, log_message)
        async with aclosing(feed.ticks()) as ticks:
            async for tick in ticks:
                recorder.take(tick)

    async def _near_prices(self) -> Mapping[str, Paise]:
        """A price that each symbol is known to be near; asked for until there is one at least."""
        while True:
            try:
                quotes = await self._rest.read(
                    requests.quotes(self._rest.access, self._symbols), answers.quotes
                )
            except BrokerError as error:
                self._tell(
                    "no_quotes",
                    f"no prices to begin with ({error}); asked again in {RETRY_NS // SECOND_NS} s",
                )
            else:
                found = {name: quote.last or quote.previous_close for name, quote in quotes.items()}
                near = {name: price for name in self._symbols if (price := found.get(name)) is not None}
                missing = [name for name in self._symbols if name not in near]
                if missing:
                    self._tell(
                        "no_quote", f"not recorded, since the server has no price: {', '.join(missing)}"
                    )
                if near:
                    return near
            await self._clock.sleep_until_ns(self._clock.now_ns() + RETRY_NS)

    async def _flush(self, recorder: TickRecorder) -> None:
        while True:
            await self._clock.sleep_until_ns(self._clock.now_ns() + FLUSH_NS)
            await self._attempt(recorder.flush())

    async def _attempt(self, work: Awaitable[object]) -> str:
        """Do something with the disk; what is wrong with it, if anything, is told and tried again later."""
        try:
            await work
        except RecordingError as error:
            self._tell("not_written", str(error))
            return str(error)
        return ""

    async def _sleep_over(self, day: date) -> None:
        """Return when the local day is over."""
        end = datetime.combine(day + timedelta(days=1), datetime.min.time(), self._settings.session.zone)
        await self._clock.sleep_until_ns(int(end.timestamp()) * SECOND_NS)

    def _tell(self, code: str, text: str) -> None:
        log_message(Say(None, Severity.WARNING, code, text))
