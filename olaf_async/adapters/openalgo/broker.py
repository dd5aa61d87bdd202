"""The OpenAlgo account as the Broker port: writes, books and quotes over REST, news over both ways.

Owns the translation between intents and the wire, and which mode the account is in. A server can be switched
between its real broker and its simulation at any moment by anybody; what was said of the one account proves
nothing of the other, so an answer of the other mode is never passed on as one of ours, and an order that went
there is taken back.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import TypeVar

from olaf_async.adapters.openalgo.limits import Urgency
from olaf_async.adapters.openalgo.rest import OpenAlgoRest
from olaf_async.adapters.openalgo.wire import answers, requests
from olaf_async.adapters.openalgo.wire.answers import Book
from olaf_async.adapters.openalgo.wire.outcomes import Accepted
from olaf_async.adapters.openalgo.wire.requests import Request
from olaf_async.adapters.openalgo.wire.rows import Scope
from olaf_async.domain.events import Mode, ModeSeen, OrderRow, PositionRow, TradeRow, Verb
from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder
from olaf_async.domain.order import Role
from olaf_async.domain.price import Paise
from olaf_async.errors import BrokerError, BrokerUndecided
from olaf_async.ports.broker import AccountNews, Books
from olaf_async.ports.clock import Clock

_Row = TypeVar("_Row", OrderRow, TradeRow, PositionRow)
NewsSource = Callable[[], AsyncGenerator[AccountNews, None]]
"""Where pushed order updates come from: the order stream."""


class OpenAlgoBroker:
    """An implementation of `olaf_async.ports.broker.Broker`. ``mode`` is what the server was in at the start.

    ``news`` has one listener at a time.
    """

    def __init__(self, rest: OpenAlgoRest, stream: NewsSource, clock: Clock, mode: Mode) -> None:
        self._rest = rest
        self._stream = stream
        self._clock = clock
        self._mode = mode
        self._told: Mode | None = None
        self._modes: deque[ModeSeen] = deque()
        self._has_modes = asyncio.Event()
        self._note(mode)

    async def place(self, intent: PlaceOrder) -> str:
        """Send a new order; return its id. Yields: always.

        The answer may come up to two minutes later; whoever does not wait that long leaves the call running.

        Raises:
            BrokerRejected: the server says that nothing was placed.
            NotNow: nothing left this machine, or a limiter, or a missing session, turned it away.
            BrokerQueued: the server keeps it for a person's approval.
            BrokerUndecided: anything else; also an order taken in the other mode than ours.
        """
        urgency = Urgency.ENTRY if intent.role is Role.ENTRY else Urgency.PROTECTION
        return await self._write(Verb.PLACE, requests.place(self._rest.access, intent), urgency)

    async def modify(self, intent: ModifyOrder) -> None:
        """Change a working order. Raises as `place`."""
        urgency = Urgency.ENTRY if intent.role is Role.ENTRY else Urgency.PROTECTION
        await self._write(Verb.MODIFY, requests.modify(self._rest.access, intent), urgency)

    async def cancel(self, intent: CancelOrder) -> None:
        """Ask for a cancel. Raises as `place`."""
        request = requests.cancel(self._rest.access, intent)
        await self._write(Verb.CANCEL, request, Urgency.PROTECTION)

    async def books(self) -> Books:
        """Order book, then tradebook, then position book, each asked after the answer of the one before.

        Only rows of our exchange and product; every one of those was read. Yields: always.

        Raises:
            BrokerError: one of them failed, cannot be read whole, or is the other mode's account.
        """
        access = self._rest.access
        scope = Scope(access.exchange, access.product)
        orders = await self._book(requests.order_book(access), partial(answers.order_book, scope=scope))
        trades = await self._book(requests.trade_book(access), partial(answers.trade_book, scope=scope))
        held = await self._book(requests.position_book(access), partial(answers.position_book, scope=scope))
        return Books(orders, trades, held)

    async def quote(self, symbol: str) -> Paise | None:
        """The last price the server's broker gives, of unknown age; None where it gives none.

        Raises:
            BrokerError: it cannot be asked.
        """
        return (await self._rest.quote(symbol)).last

    async def news(self) -> AsyncGenerator[AccountNews, None]:
        """What the order stream tells, and each change of mode that an answer told. Close it to stop."""
        loop = asyncio.get_running_loop()
        async with aclosing(self._stream()) as stream:
            pushed = loop.create_task(_next(stream))
            noted = loop.create_task(self._has_modes.wait())
            try:
                while True:
                    await asyncio.wait((pushed, noted), return_when=asyncio.FIRST_COMPLETED)
                    while self._modes:
                        yield self._modes.popleft()
                    if noted.done():
                        self._has_modes.clear()
                        noted = loop.create_task(self._has_modes.wait())
                    if pushed.done():
                        event = pushed.result()
                        if event is None:
                            return
                        yield event
                        pushed = loop.create_task(_next(stream))
            finally:
                pushed.cancel()
                noted.cancel()
                await asyncio.gather(pushed, noted, return_exceptions=True)

    async def _write(self, verb: Verb, request: Request, urgency: Urgency) -> str:
        verdict = await self._rest.write(verb, request, urgency)
        if verdict.mode is not None:
            self._note(verdict.mode)
        if not isinstance(verdict.result, Accepted):
            raise verdict.result
        if verdict.mode not in (None, self._mode):
            text = f"{request.route} was taken in the other mode than {self._mode.value}"
            if verb is Verb.PLACE:
                text += f": {await self._take_back(verdict.result.order_id)}"
            raise BrokerUndecided(text)
        return verdict.result.order_id

    async def _take_back(self, order_id: str) -> str:
        """Cancel an order that went to the other account: nobody watches it there; it may be real money."""
        request = requests.cancel(self._rest.access, CancelOrder("", 0, "", Role.EXIT, order_id))
        try:
            verdict = await self._rest.write(Verb.CANCEL, request, Urgency.PROTECTION)
        except BrokerError as error:
            return f"cancel {order_id} there by hand, it could not be cancelled from here ({error})"
        if isinstance(verdict.result, BrokerError):
            return f"cancel {order_id} there by hand, it could not be cancelled from here ({verdict.result})"
        return f"{order_id} is being cancelled there, make sure of it"

    async def _book(self, request: Request, decode: Callable[[bytes], Book[_Row]]) -> tuple[_Row, ...]:
        book = await self._rest.read(request, decode)
        self._note(book.mode)
        if book.mode is not self._mode:
            raise BrokerUndecided(f"{request.route} is of the {book.mode.value} account, not of ours")
        return book.rows

    def _note(self, mode: Mode) -> None:
        """Tell a mode once; it is the change that matters."""
        if mode is not self._told:
            self._told = mode
            self._modes.append(ModeSeen(self._clock.now_ns(), mode))
            self._has_modes.set()


async def _next(stream: AsyncGenerator[AccountNews, None]) -> AccountNews | None:
    return await anext(stream, None)
