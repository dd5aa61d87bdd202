"""The desk: the only sender of orders. One lock per symbol, held from the check to the outcome of each call.

D1  Nothing is sent that the core, asked again while the lock is held, no longer wants.
D2  "sending" is on disk before each send. Where the journal fails, no entry is sent; what takes risk away is
    sent all the same. Every question to the core is journalled in its order, with its time and the answer.
D3  The lock is not held by a hung call: it is freed at the answer, at evidence that settles the question, at
    the time limit, or when protection of the same symbol is waiting. The call itself is never cancelled; its
    answer comes back as an event whenever it comes.
D4  A wait, for the order rate, for books that can be read, or for a broker that cannot be reached, limits or
    has no session, is waited out without the lock; then the core is asked again.
D5  A lost answer is LOST, never a failure: only the core decides what that means. A call that crashes is
    lost; what crashes before its call was not sent.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias

from olaf_async.core.engine import Drop, Engine, ReadFirst, Send, Verdict, Wait
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import Event, OrderAnswered, Outcome, QuoteRead, Verb
from olaf_async.domain.intents import CancelOrder, ModifyOrder, OrderIntent, PlaceOrder
from olaf_async.domain.order import Role
from olaf_async.errors import BrokerError, BrokerQueued, BrokerUndecided, NeedsApproval, NotNow
from olaf_async.ports.broker import Broker
from olaf_async.ports.clock import Clock
from olaf_async.ports.journal import Entry, Line, NotSent, PutOff
from olaf_async.shell.scribe import Scribe
from olaf_async.shell.waiting import is_cancelled_within

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


def _line_of(intent: OrderIntent, now_ns: int, verdict: Verdict) -> Line:
    """The core's answer to the desk, as the journal keeps it."""
    match verdict:
        case Send(admitted):
            return Line(Entry.SENDING, now_ns, admitted)
        case Wait(until_ns):
            return Line(Entry.PUT_OFF, now_ns, PutOff(intent, until_ns))
        case ReadFirst():
            return Line(Entry.PUT_OFF, now_ns, PutOff(intent, None))
        case Drop(why):
            return Line(Entry.NOT_SENT, now_ns, NotSent(intent, why, is_refused=True))


class Desk:
    """Carries out order intents. ``submit`` never waits; outcomes go to ``report`` as events."""

    def __init__(  # noqa: PLR0913 -- the desk is where everything meets
        self,
        engine: Engine,
        broker: Broker,
        clock: Clock,
        scribe: Scribe,
        report: Callable[[Event], None],
        read_books: ReadBooks,
        *,
        timeout_ns: int,
        on_crash: Callable[[str, BaseException], None],
        on_approval: Callable[[str], None],
        new_lock: Callable[[], Lock] = asyncio.Lock,
    ) -> None:
        self._engine = engine
        self._broker = broker
        self._clock = clock
        self._scribe = scribe
        self._report = report
        self._read_books = read_books
        self._timeout_ns = timeout_ns
        self._on_crash = on_crash
        self._on_approval = on_approval
        self._locks = {symbol: new_lock() for symbol in engine.traders}
        self._changed = {symbol: asyncio.Event() for symbol in engine.traders}
        self._protection_waiting = dict.fromkeys(engine.traders, 0)
        self._answered: set[int] = set()
        self._turned_away: set[int] = set()
        self._is_closed = False
        self._steps: set[asyncio.Task[None]] = set()
        self._calls: set[asyncio.Task[None]] = set()
        self.lock_waits_ns: list[int] = []
        self.lock_holds_ns: list[int] = []

    # --- what the pump calls ----------------------------------------------------------------------

    def submit(self, intent: OrderIntent) -> None:
        """Begin to carry out an intent. Yields: never."""
        self._announce(intent)
        self._spawn(self._steps, self._step(intent), f"desk {intent.key} {VERBS[type(intent)].value}")

    def ask_quote(self, symbol: str) -> None:
        """Fetch a fresh price for the core. Yields: never."""
        self._spawn(self._calls, self._fetch_quote(symbol), f"quote {symbol}")

    def notice(self, symbol: str) -> None:
        """The core has learnt something about this symbol: whoever waits should look again."""
        changed = self._changed.get(symbol)
        if changed is not None:
            changed.set()

    def answered(self, event: OrderAnswered) -> None:
        """The core has taken in the answer to a request. Yields: never."""
        self._answered.add(event.request)
        self.notice(event.symbol)

    def close_to_entries(self) -> None:
        """Send no entry any more, whatever the core wanted last. Yields: never."""
        self._is_closed = True

    @property
    def is_idle(self) -> bool:
        """No step is under way and no call is out."""
        return not self._steps and not self._calls

    # --- one step ---------------------------------------------------------------------------------

    async def _step(self, intent: OrderIntent) -> None:
        """See one intent through: the lock, the core's word, the call; again where it had to wait."""
        while True:
            asked_ns = self._clock.now_ns()
            async with self._locks[intent.symbol]:
                taken_ns = self._clock.now_ns()
                if is_protective(intent):
                    self._protection_waiting[intent.symbol] -= 1
                    self.lock_waits_ns.append(taken_ns - asked_ns)
                try:
                    wait_until_ns = await self._try(intent)
                except Exception as crash:
                    self._answer(intent, Outcome.NOT_SENT, None, f"the desk crashed: {crash!r}")
                    raise
                finally:
                    self.lock_holds_ns.append(self._clock.now_ns() - taken_ns)
            if wait_until_ns is None:
                return
            await self._clock.sleep_until_ns(wait_until_ns)
            self._announce(intent)

    def _announce(self, intent: OrderIntent) -> None:
        """Protection wants the lock: whoever holds it for a call need not wait for its answer."""
        if is_protective(intent):
            self._protection_waiting[intent.symbol] += 1
            self.notice(intent.symbol)

    async def _try(self, intent: OrderIntent) -> int | None:
        """Ask the core, send, and see the question settled; or return when to try again."""
        has_read = False
        while True:
            match self._admit(intent):
                case Send(admitted):
                    await self._send(intent, admitted)
                    return None
                case Wait(until_ns):
                    return until_ns
                case ReadFirst():
                    if has_read:
                        # The read failed or proved nothing. Another one at once would not be better.
                        return self._clock.now_ns() + self._engine.account.rules.read_gap_ns
                    has_read = await self._has_read(intent.symbol)
                    if not has_read:
                        return self._clock.now_ns()
                case Drop(why):
                    self._answer(intent, Outcome.NOT_SENT, None, why)
                    return None

    def _admit(self, intent: OrderIntent) -> Verdict:
        """Ask the core whether this may go now, and write down what it says. Yields: never."""
        now_ns = self._clock.now_ns()
        if self._is_closed and not is_protective(intent):
            return self._keep_back(intent, now_ns, "nobody is left to look after it")
        try:
            verdict = self._engine.admit(intent, now_ns)
        except Exception as crash:
            crashed = NotSent(intent, f"the core crashed: {crash!r}", is_refused=True)
            self._scribe.write(Line(Entry.NOT_SENT, now_ns, crashed))
            raise
        is_kept = self._scribe.write(_line_of(intent, now_ns, verdict))
        if isinstance(verdict, Send) and not is_kept and not is_protective(intent):
            return self._keep_back(intent, now_ns, "the journal cannot keep it")
        return verdict

    def _keep_back(self, intent: OrderIntent, now_ns: int, why: str) -> Drop:
        """Send it not, without the core."""
        self._scribe.write(Line(Entry.NOT_SENT, now_ns, NotSent(intent, why, is_refused=False)))
        return Drop(why)

    async def _has_read(self, symbol: str) -> bool:
        """Read the books; False where protection needs the lock before they have come."""
        read = self._spawn(self._calls, self._read_books(), f"books for {symbol}")
        read.add_done_callback(lambda _: self.notice(symbol))
        await self._until(symbol, lambda: read.done() or self._protection_waiting[symbol] > 0)
        return read.done()

    async def _send(self, intent: OrderIntent, admitted: OrderIntent) -> None:
        """Make the call, and hold on until its question is settled or protection is waiting."""
        symbol, until_ns = intent.symbol, self._clock.now_ns() + self._timeout_ns
        self._turned_away.discard(intent.request)
        call = self._spawn(self._calls, self._call(intent, admitted), f"call {intent.key}")
        watch = self._spawn(self._calls, self._watch(intent, until_ns), f"watch {intent.key}")
        call.add_done_callback(lambda _: watch.cancel())
        await self._until(symbol, lambda: self._is_settled(intent) or self._protection_waiting[symbol] > 0)

    def _is_settled(self, intent: OrderIntent) -> bool:
        """Whether the core has the answer, or needs none any more, or another call will be made."""
        request = intent.request
        return request in self._answered or request in self._turned_away or not self._engine.is_open(intent)

    async def _until(self, symbol: str, holds: Callable[[], bool]) -> None:
        """Wait until something about the symbol makes this true. Yields: unless it is."""
        changed = self._changed[symbol]
        while not holds():
            changed.clear()
            await changed.wait()

    async def _call(self, intent: OrderIntent, admitted: OrderIntent) -> None:
        """Make the call and report its outcome."""
        order_id: str | None = None
        outcome, message = Outcome.ACCEPTED, ""
        try:
            order_id = await self._ask_broker(admitted)
        except NotNow as later:
            if self._engine.is_open(intent):
                self._turn_away(intent, later)
                return
            outcome, message = Outcome.REFUSED, str(later)
        except BrokerQueued as queued:
            outcome, message = Outcome.QUEUED, str(queued)
        except BrokerUndecided as undecided:
            outcome, message = Outcome.LOST, str(undecided)
        except BrokerError as refusal:
            outcome, message = Outcome.REFUSED, str(refusal)
            if isinstance(refusal, NeedsApproval):
                self._on_approval(message)
        except asyncio.CancelledError as crash:
            if not is_cancelled_within():
                raise
            self._answer(intent, Outcome.LOST, None, f"the call crashed: {crash!r}")
            raise RuntimeError("the call was cancelled within") from crash
        except Exception as crash:
            self._answer(intent, Outcome.LOST, None, f"the call crashed: {crash!r}")
            raise
        self._answer(intent, outcome, order_id, message)

    def _turn_away(self, intent: OrderIntent, later: NotNow) -> None:
        """Nothing happened, for a reason that passes: begin again when the refusal says, from the start."""
        now_ns = self._clock.now_ns()
        self._keep_back(intent, now_ns, str(later))
        self._turned_away.add(intent.request)
        self.notice(intent.symbol)
        again_ns = now_ns + int(later.retry_after_s * SECOND_NS)
        self._spawn(self._steps, self._again(intent, again_ns), f"desk {intent.key} again")

    async def _again(self, intent: OrderIntent, at_ns: int) -> None:
        await self._clock.sleep_until_ns(at_ns)
        self._announce(intent)
        await self._step(intent)

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

    def _spawn(
        self, tasks: set[asyncio.Task[None]], coroutine: Coroutine[Any, Any, None], name: str
    ) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        tasks.add(task)
        task.add_done_callback(lambda done: self._ended(tasks, done))
        return task

    def _ended(self, tasks: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
        """A step or call that crashed is our bug: a person is called, and new risk ends."""
        tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_crash(task.get_name(), error)
