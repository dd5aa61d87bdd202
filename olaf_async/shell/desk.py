"""The desk: the only sender of orders. One lock per symbol, held from the check to the outcome of each call.

D1  Nothing is sent that the core, asked again while the lock is held, no longer wants.
D2  "sending" is journalled before each send; a journal that fails means nothing is sent.
D3  The lock is not held by a hung call: it is freed at the answer, at evidence that settles the question, at
    the time limit, or when protection of the same symbol is waiting. The call itself is never cancelled; its
    answer comes back as an event whenever it comes.
D4  A wait for the order rate is waited out without the lock.
D5  A lost answer is LOST, never a failure: only the core decides what that means.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias

from olaf_async.core.engine import Drop, Engine, ReadFirst, Send, Wait
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import Event, OrderAnswered, Outcome, QuoteRead, Verb
from olaf_async.domain.intents import CancelOrder, ModifyOrder, OrderIntent, PlaceOrder
from olaf_async.domain.order import Role
from olaf_async.errors import BrokerError, BrokerUndecided, JournalError, RateLimited
from olaf_async.ports.broker import Broker
from olaf_async.ports.clock import Clock
from olaf_async.ports.journal import Entry, Journal

Lock: TypeAlias = asyncio.Lock
ReadBooks: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

VERBS: Mapping[type[OrderIntent], Verb] = {
    PlaceOrder: Verb.PLACE,
    ModifyOrder: Verb.MODIFY,
    CancelOrder: Verb.CANCEL,
}


def is_protective(intent: OrderIntent) -> bool:
    """Whether it takes risk away: a hung call must not stand in its way."""
    return isinstance(intent, CancelOrder) or intent.role is not Role.ENTRY


class Desk:
    """Carries out order intents. ``submit`` never waits; outcomes go to ``report`` as events."""

    def __init__(  # noqa: PLR0913 -- the desk is where everything meets
        self,
        engine: Engine,
        broker: Broker,
        clock: Clock,
        journal: Journal,
        report: Callable[[Event], None],
        read_books: ReadBooks,
        *,
        timeout_ns: int,
        on_crash: Callable[[str, BaseException], None],
        new_lock: Callable[[], Lock] = asyncio.Lock,
    ) -> None:
        self._engine = engine
        self._broker = broker
        self._clock = clock
        self._journal = journal
        self._report = report
        self._read_books = read_books
        self._timeout_ns = timeout_ns
        self._on_crash = on_crash
        self._locks = {symbol: new_lock() for symbol in engine.traders}
        self._changed = {symbol: asyncio.Event() for symbol in engine.traders}
        self._protection_waiting = dict.fromkeys(engine.traders, 0)
        self._answered: dict[int, Outcome] = {}
        self._steps: set[asyncio.Task[None]] = set()
        self._calls: set[asyncio.Task[None]] = set()
        self.lock_waits_ns: list[int] = []

    # --- what the pump calls ----------------------------------------------------------------------

    def submit(self, intent: OrderIntent) -> None:
        """Begin to carry out an intent. Yields: never."""
        if is_protective(intent):
            self._protection_waiting[intent.symbol] += 1
            self.notice(intent.symbol)
        self._spawn(self._steps, self._step(intent), f"desk {intent.key} {VERBS[type(intent)].value}")

    def ask_quote(self, symbol: str) -> None:
        """Fetch a fresh price for the core. Yields: never."""
        self._spawn(self._calls, self._fetch_quote(symbol), f"quote {symbol}")

    def notice(self, symbol: str) -> None:
        """The core has learnt something about this symbol: whoever waits should look again."""
        changed = self._changed.get(symbol)
        if changed is not None:
            changed.set()

    @property
    def is_idle(self) -> bool:
        """No step is under way and no call is out."""
        return not self._steps and not self._calls

    async def drain(self) -> None:
        """Wait until every step has ended and every call has been answered. Yields: while any is open."""
        while self._steps or self._calls:
            await asyncio.wait({*self._steps, *self._calls}, return_when=asyncio.FIRST_COMPLETED)

    # --- one step ---------------------------------------------------------------------------------

    async def _step(self, intent: OrderIntent) -> None:
        is_waiting = is_protective(intent)
        asked_ns = self._clock.now_ns()
        while True:
            async with self._locks[intent.symbol]:
                if is_waiting:
                    self._protection_waiting[intent.symbol] -= 1
                    is_waiting = False
                    self.lock_waits_ns.append(self._clock.now_ns() - asked_ns)
                wait_until_ns = await self._try(intent)
            if wait_until_ns is None:
                return
            await self._clock.sleep_until_ns(wait_until_ns)

    async def _try(self, intent: OrderIntent) -> int | None:
        """Ask the core, send, and see the question settled; or return when to try again."""
        while True:
            match self._engine.admit(intent, self._clock.now_ns()):
                case Send(admitted):
                    return await self._send(intent, admitted)
                case Wait(until_ns):
                    return until_ns
                case ReadFirst():
                    await self._read_books()
                case Drop(why):
                    self._journal.append(Entry.NOT_SENT, self._clock.now_ns(), intent)
                    self._answer(intent, Outcome.NOT_SENT, None, why)
                    return None

    async def _send(self, intent: OrderIntent, admitted: OrderIntent) -> int | None:
        now_ns = self._clock.now_ns()
        try:
            self._journal.append(Entry.SENDING, now_ns, admitted)
        except JournalError as error:
            self._answer(intent, Outcome.NOT_SENT, None, f"the journal failed: {error}")
            return None
        call = self._spawn(self._calls, self._call(admitted), f"call {intent.key}")
        watch = self._spawn(
            self._calls, self._watch(intent, now_ns + self._timeout_ns), f"watch {intent.key}"
        )
        try:
            await self._settled(intent)
        finally:
            if call.done():
                watch.cancel()
            else:
                call.add_done_callback(lambda _: watch.cancel())
        return None

    async def _settled(self, intent: OrderIntent) -> None:
        """Wait for the answer or the evidence that makes it needless, or until protection needs the lock."""
        changed = self._changed[intent.symbol]
        while True:
            changed.clear()
            if intent.request in self._answered or not self._engine.is_open(intent):
                return
            if self._protection_waiting[intent.symbol]:
                return
            await changed.wait()

    async def _call(self, intent: OrderIntent) -> None:
        """Make the call and report its outcome; a limiter's refusal is waited out and tried again."""
        order_id: str | None = None
        outcome, message = Outcome.ACCEPTED, ""
        while True:
            try:
                order_id = await self._ask_broker(intent)
            except RateLimited as limited:
                await self._clock.sleep_until_ns(
                    self._clock.now_ns() + int(limited.retry_after_s * SECOND_NS)
                )
                if self._engine.is_open(intent):
                    continue
                outcome, message = Outcome.REFUSED, str(limited)
            except BrokerUndecided as undecided:
                outcome, message = Outcome.LOST, str(undecided)
            except BrokerError as refusal:
                outcome, message = Outcome.REFUSED, str(refusal)
            break
        self._answer(intent, outcome, order_id, message)

    async def _ask_broker(self, intent: OrderIntent) -> str | None:
        match intent:
            case PlaceOrder():
                return await self._broker.place(intent)
            case ModifyOrder():
                await self._broker.modify(intent)
                return intent.order_id
            case CancelOrder():
                await self._broker.cancel(intent)
                return intent.order_id

    async def _watch(self, intent: OrderIntent, until_ns: int) -> None:
        """Past the time limit the outcome is unknown, not failed; the call goes on."""
        await self._clock.sleep_until_ns(until_ns)
        if intent.request not in self._answered:
            self._answer(intent, Outcome.LOST, None, f"no answer in {self._timeout_ns / SECOND_NS:g} s")

    async def _fetch_quote(self, symbol: str) -> None:
        try:
            price = await self._broker.quote(symbol)
        except BrokerError:
            price = None
        self._report(QuoteRead(symbol, self._clock.now_ns(), price))

    # --- helpers ----------------------------------------------------------------------------------

    def _answer(self, intent: OrderIntent, outcome: Outcome, order_id: str | None, message: str) -> None:
        verb = VERBS[type(intent)]
        now_ns = self._clock.now_ns()
        self._report(
            OrderAnswered(intent.symbol, now_ns, intent.request, intent.key, verb, outcome, order_id, message)
        )

    def answered(self, event: OrderAnswered) -> None:
        """The core has taken in the answer to a request. Yields: never."""
        self._answered[event.request] = event.outcome
        self.notice(event.symbol)

    def _spawn(
        self, tasks: set[asyncio.Task[None]], coroutine: Coroutine[Any, Any, None], name: str
    ) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        tasks.add(task)
        task.add_done_callback(lambda done: self._ended(tasks, done))
        return task

    def _ended(self, tasks: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
        """A step or call that crashed is our bug: the time limit still turns its question into LOST."""
        tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_crash(task.get_name(), error)
