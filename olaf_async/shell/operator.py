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
from olaf_async.ports.control import Comparison, Difference, Flattening, Standing, Status
from olaf_async.shell.comparison import compare
from olaf_async.shell.status import left, refusals, status_of
from olaf_async.shell.supervisor import Supervisor

LOOK_NS = SECOND_NS // 10
"""Between two looks at how far a flatten has come."""
LOOKS_MAX = 3
LOOK_AGAIN_NS = 2 * SECOND_NS
"""How far apart two reads have to be that show the same difference: books may be a moment behind."""
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
        """See Operations. What differs is looked at again before it is told: it may be on its way."""
        engine = self._supervisor.engine
        looks = 0
        while True:
            looks += 1
            seq = engine.seq
            books = await self._books()
            states = self._states(None)
            differences = compare(states, books, is_watched=True)
            moving = {state.symbol for state in states if state.newest_seq > seq}
            if looks == LOOKS_MAX or not _is_open(differences, moving):
                break
            await self._clock.sleep_until_ns(self._clock.now_ns() + LOOK_AGAIN_NS)
        orders = sum(len(state.orders) for state in states)
        at_ns = self._clock.now_ns()
        return Comparison(at_ns, "the running engine", len(states), orders, looks, differences)

    async def _command(self, command: Command, symbol: str | None) -> Standing:
        """Have the core take a command in.

        Raises:
            ControlError: the symbol is not traded; or nobody has taken it in.
        """
        self._states(symbol)
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


def _is_open(differences: tuple[Difference, ...], moving: set[str]) -> bool:
    """Whether a second look may tell more."""
    return any(one.needs_person or one.symbol in moving for one in differences)
