"""A person's hand on a running engine: each operation once, whatever way the wish comes.

What is commanded goes through the core as an event, so that it is journalled and outlives a crash; an answer
is given only once the core has taken it in, and says what holds then. Must never touch an order, nor tell
the core anything but a command.
"""

import asyncio
from collections.abc import AsyncGenerator

from olaf_async.core.rules import SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import Command
from olaf_async.errors import BrokerError, ControlError
from olaf_async.ports.broker import Books, Broker
from olaf_async.ports.clock import Clock
from olaf_async.ports.control import Comparison, Flattening, Standing, Status
from olaf_async.shell.comparison import look
from olaf_async.shell.status import left, refusals, status_of
from olaf_async.shell.supervisor import Supervisor

LOOK_NS = SECOND_NS // 10
"""Between two looks at how far a flatten has come."""
_NAMED_MAX = 8


class Operator:
    """An implementation of `olaf_async.ports.control.Operations` over one engine run.

    ``program`` is the version that runs.
    """

    def __init__(
        self, supervisor: Supervisor, broker: Broker, clock: Clock, *, timeout_ns: int, program: str = ""
    ) -> None:
        self._supervisor = supervisor
        self._broker = broker
        self._clock = clock
        self._timeout_s = timeout_ns / SECOND_NS
        self._program = program
        self._began_ns = clock.now_ns()

    def status(self) -> Status:
        """See Operations."""
        return status_of(self._supervisor, self._program, self._began_ns, self._clock.now_ns())

    async def halt(self, symbol: str | None) -> Standing:
        """See Operations."""
        return await self._command(Command.HALT, symbol)

    async def resume(self, symbol: str | None) -> Standing:
        """See Operations."""
        return await self._command(Command.RESUME, symbol)

    async def flatten(self, symbol: str | None, limit_s: float) -> AsyncGenerator[Flattening, None]:
        """See Operations."""
        until_ns = self._clock.now_ns() + round(limit_s * SECOND_NS)
        await self._command(Command.FLATTEN, symbol)
        told: tuple[str, ...] | None = None
        while True:
            now_ns, still = self._clock.now_ns(), self._left(symbol)
            is_over = not still or now_ns >= until_ns
            if still != told or is_over:
                yield Flattening(now_ns, still, is_over)
            if is_over:
                return
            told = still
            await self._clock.sleep_until_ns(min(until_ns, now_ns + LOOK_NS))

    async def reconcile(self) -> Comparison:
        """See Operations."""
        states = self._states(None)
        return await look(states, self._books, self._clock, belief="the running engine", is_watched=True)

    async def _command(self, command: Command, symbol: str | None) -> Standing:
        """Have the core take a command in.

        Raises:
            ControlError: the symbol is not traded; or nobody has taken it in.
        """
        self._states(symbol)
        if not self._supervisor.is_deciding:
            raise ControlError("the engine's pump died: it takes nothing in any more. Look at the broker now")
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._supervisor.command(command, symbol)
        except TimeoutError:
            raise ControlError(
                f"the engine has not taken the {command.value} in within {self._timeout_s:g} s: it may be at"
                " its end. Look at its log, and at the broker"
            ) from None
        return Standing(symbol, refusals(self._supervisor, symbol))

    async def _books(self) -> Books:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._broker.books()
        except TimeoutError:
            raise ControlError(f"the books cannot be read: no answer in {self._timeout_s:g} s") from None
        except BrokerError as error:
            raise ControlError(f"the books cannot be read: {error}") from error

    def _states(self, symbol: str | None) -> list[SymbolState]:
        """Those of one symbol, or of all.

        Raises:
            ControlError: the symbol is not traded.
        """
        traders = self._supervisor.engine.traders
        if symbol is None:
            return [trader.state for trader in traders.values()]
        if symbol not in traders:
            named = ", ".join(sorted(traders)[:_NAMED_MAX])
            more = f" and {len(traders) - _NAMED_MAX} more" if len(traders) > _NAMED_MAX else ""
            raise ControlError(f"{symbol} is not traded by this engine, which trades {named}{more}")
        return [traders[symbol].state]

    def _left(self, symbol: str | None) -> tuple[str, ...]:
        return tuple(f"{state.symbol}: {text}" for state in self._states(symbol) for text in left(state))
