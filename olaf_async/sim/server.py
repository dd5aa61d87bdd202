"""The simulated OpenAlgo: an exchange, an account at it, and the ways there and back, with their faults.

Owns what happens to a request, an answer, a read and an order update on their way. It knows nothing of the
engine's tasks: what was sent goes on after a power cut. What it does must be something that a real server can
do: a request takes effect within `LATEST_NS` of its sending or never, a book shows what was so at most
`STALE_NS` before it was asked for, and one order is lied about in one read only.

Facts it reproduces (OpenAlgo, restx_api/schemas.py:OrderSchema, and its documents of order book and stream):
an order carries no id of the client's, rows and updates carry no strategy, and the stream tells of every
order of the account, whoever sent it.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from olaf_async.adapters.paper.exchange import PaperExchange
from olaf_async.adapters.paper.orders import OrderStatus
from olaf_async.domain.events import Mode, ModeSeen, OrderRow, OrderUpdated, Status, StreamChanged, Verb
from olaf_async.domain.intents import CancelOrder, ModifyOrder, OrderIntent, PlaceOrder
from olaf_async.errors import (
    BrokerError,
    BrokerQueued,
    BrokerRejected,
    BrokerUndecided,
    BrokerUnreachable,
    NeedsApproval,
    RateLimited,
    SessionExpired,
)
from olaf_async.ports.broker import AccountNews, Books
from olaf_async.sim.choices import Choices
from olaf_async.sim.faults import MS_NS, SECOND_NS, Fault, Swarm
from olaf_async.sim.mailbox import Mailbox, wake
from olaf_async.sim.power import PowerLoop

WAYS_MS: Final = (5, 1, 50, 200)
"""How long a request, an answer or an update usually takes on a day."""
DELAYS_MS: Final = (50, 500, 1_900, 2_100, 5_000, 8_000)
"""How long one of them takes when it is late; the engine's patience ends at two seconds."""
LOGIN_S: Final = 5.0
LATEST_NS: Final = 9 * SECOND_NS
LIFE_NS: Final = 14 * SECOND_NS
"""After its sending, when nobody waits for an answer any longer: the connection is closed."""
STALE_NS: Final = SECOND_NS
HALF_NS: Final = SECOND_NS // 2
_VERBS: Final = {PlaceOrder: Verb.PLACE, ModifyOrder: Verb.MODIFY, CancelOrder: Verb.CANCEL}


@dataclass(slots=True, eq=False)
class Request:
    """One order call. ``may_act`` while it may still take effect at the exchange."""

    verb: Verb
    intent: OrderIntent
    sent_ns: int
    answer: asyncio.Future[str]
    may_act: bool = True
    order_id: str | None = None


class Server:
    """One account at one server. ``changed`` is called after whatever may have changed at the exchange."""

    def __init__(
        self,
        loop: PowerLoop,
        exchange: PaperExchange,
        choices: Choices,
        faults: Swarm,
        changed: Callable[[], None],
        saw: Callable[[str], None],
    ) -> None:
        self.exchange = exchange
        self.ours: dict[str, PlaceOrder] = {}
        self.requests: list[Request] = []
        self.listener: Mailbox[AccountNews] | None = None
        self.told = 0
        self._loop = loop
        self._choices = choices
        self._faults = faults
        self._changed = changed
        self._saw = saw
        self._way_ns = WAYS_MS[choices.draw("way", len(WAYS_MS))] * MS_NS
        self._frame_ns = WAYS_MS[choices.draw("way of updates", len(WAYS_MS))] * MS_NS
        self._is_stream_up = True
        self._is_stream_mute = False
        self._down_until_ns = self._refusing_until_ns = 0
        self._switched_until_ns = self._asking_until_ns = 0
        self._told_mode: Mode | None = None
        self._reconnects = 0
        self._lied_about: set[str] = set()
        self.on_act: Callable[[], None] | None = None
        self._snapshots: deque[tuple[int, Books]] = deque(maxlen=8)

    # --- order calls ------------------------------------------------------------------------------

    def call(self, intent: OrderIntent) -> asyncio.Future[str]:
        """Send an order call; the future brings the order's id or a BrokerError."""
        loop, verb = self._loop, _VERBS[type(intent)]
        request = Request(verb, intent, loop.now_ns, loop.create_future())
        kind = self._faults.kind(
            Fault.REQUESTS, f"{verb.value} request", ("unreachable", "lost", "reset", "limited", "refused")
        )
        if self.is_down:
            kind = "unreachable"
        elif self.is_refusing:
            kind = "expired"
        elif self.is_switched:
            kind = "switched"
        elif self.is_asking and kind is None:
            kind = "asking"
        self.requests.append(request)
        self._later(LIFE_NS, self._give_up, request)
        there_ns = self._delay(self._way_ns, "request late")
        match kind:
            case None:
                self._later(there_ns, self._arrive, request)
            case "lost":
                self._saw("request lost")
                self._later(LATEST_NS, self._lose, request)
            case "unreachable":
                request.may_act = False
                self._later(self._way_ns, self._fail, request, BrokerUnreachable("no connection"))
            case _:
                self._later(there_ns, self._turn_away, request, kind)
        return request.answer

    @property
    def is_down(self) -> bool:
        """Whether it cannot be reached now."""
        return self._loop.now_ns < self._down_until_ns

    @property
    def is_refusing(self) -> bool:
        """Whether it knows no session for the key now."""
        return self._loop.now_ns < self._refusing_until_ns

    def end_session(self, for_ns: int) -> None:
        """Every call is refused for so long, until a person has logged in."""
        self._refusing_until_ns = self._loop.now_ns + for_ns

    @property
    def is_switched(self) -> bool:
        """Whether it answers for another account than the one the engine trades on."""
        return self._loop.now_ns < self._switched_until_ns

    def switch(self, for_ns: int) -> None:
        """The analyzer is switched: what is sent goes elsewhere, and the books are of elsewhere."""
        self._switched_until_ns = self._loop.now_ns + for_ns

    def _tell_mode(self) -> None:
        """The adapter tells the engine of the mode that an answer was of, once for each change."""
        mode = Mode.ANALYZE if self.is_switched else Mode.LIVE
        if mode is not self._told_mode and self.listener is not None:
            self._told_mode = mode
            self.listener.put(ModeSeen(self._loop.now_ns, mode))

    def tell_mode_anew(self) -> None:
        """A run begins, and with the mode: the adapter has asked for it."""
        self._told_mode = None
        self._tell_mode()

    @property
    def is_asking(self) -> bool:
        """Whether each order waits for a person's approval now."""
        return self._loop.now_ns < self._asking_until_ns

    def ask_approval(self, for_ns: int) -> None:
        """Semi-auto mode begins, for so long."""
        self._asking_until_ns = self._loop.now_ns + for_ns

    def _ask_a_person(self, request: Request) -> None:
        """Changes are refused; a new order waits, and a person approves it in good time or never."""
        if request.verb is not Verb.PLACE:
            self._fail(request, NeedsApproval("not allowed in Semi-Auto mode"))
            return
        self._saw("order queued")
        self._fail(request, BrokerQueued("queued for approval"))
        after_s = (0, 1, 5)[self._choices.draw("approved", 3)]
        if after_s:
            request.may_act = True
            # Who never heard that it waits believes after the settle time that there is no such order.
            latest_ns = request.sent_ns + LATEST_NS - self._loop.now_ns
            self._later(min(after_s * SECOND_NS, latest_ns), self._approve, request)

    def _approve(self, request: Request) -> None:
        if request.may_act:
            request.may_act = False
            self._saw("order approved")
            with suppress(BrokerRejected):
                request.order_id = self._act(request.intent)
                self.push()

    def calm_down(self) -> None:
        """A person has logged in, and set both modes back."""
        self._refusing_until_ns = self._switched_until_ns = self._asking_until_ns = 0

    def _delay(self, usual_ns: int, label: str) -> int:
        late_ms = self._faults.kind(Fault.LATE, label, DELAYS_MS)
        return usual_ns if late_ms is None else late_ms * MS_NS

    def _later(self, delay_ns: int, act: Callable[..., None], *args: object) -> None:
        # In the world's name: what is on its way goes on after a power cut of the one who sent it.
        self._loop.call_at_ns(self._loop.now_ns + delay_ns, act, *args, context=self._loop.world)

    def _lose(self, request: Request) -> None:
        request.may_act = False

    def _turn_away(self, request: Request, kind: str) -> None:
        request.may_act = False
        match kind:
            case "reset":
                self._fail(request, BrokerUndecided("the connection was reset"))
            case "limited":
                self._fail(request, RateLimited("10 per 1 second"))
            case "asking":
                self._ask_a_person(request)
            case "switched":
                self._saw("other mode")
                self._tell_mode()
                self._fail(request, BrokerUndecided("taken in the other mode"))
            case "expired":
                self._saw("key refused")
                self._fail(request, _no_session())
            case _:
                self._fail(request, BrokerRejected("RMS: refused"))

    def _give_up(self, request: Request) -> None:
        """The connection is closed after so long, whatever is still on its way in it."""
        self.requests.remove(request)
        self._fail(request, BrokerUndecided("no answer came"))

    def _fail(self, request: Request, failure: BrokerError) -> None:
        if not request.answer.done():
            request.answer.set_exception(failure)
            request.answer.exception()  # there may be nobody left to hear of it: that is no error of ours

    def _arrive(self, request: Request) -> None:
        """The server takes the request up; what it does is done, whatever becomes of the answer."""
        if not request.may_act:
            return
        request.may_act = False
        verb = request.verb.value
        if self._loop.now_ns > request.sent_ns + 2 * SECOND_NS:
            self._saw(f"late {verb}")
        try:
            order_id = request.order_id = self._act(request.intent)
        except BrokerRejected as refusal:
            self._later(self._delay(self._way_ns, "answer late"), self._fail, request, refusal)
            return
        self.push()
        if self.on_act is not None:
            self.on_act()
        lost = self._faults.kind(
            Fault.ANSWERS,
            f"{verb} answer",
            ("", "the connection was reset", "HTTP 500", "the answer is not JSON", "the order id is null"),
        )
        if lost is None:
            self._later(self._delay(self._way_ns, "answer late"), self._answer, request, order_id)
            return
        self._saw(f"{verb} answer lost")
        if lost:
            self._later(self._way_ns, self._fail, request, BrokerUndecided(lost))

    def _answer(self, request: Request, order_id: str) -> None:
        if not request.answer.done():
            request.answer.set_result(order_id)

    def _act(self, intent: OrderIntent) -> str:
        now_ns = self._loop.now_ns
        match intent:
            case PlaceOrder(symbol=symbol, side=side, price_type=price_type, terms=terms):
                order_id = self.exchange.place(symbol, side, price_type, terms, now_ns)
                self.ours[order_id] = intent
                after_ms = self._faults.kind(Fault.REJECTS, "rejected after all", (200, 3_000))
                if after_ms is not None:
                    self._later(after_ms * MS_NS, self.take_away, order_id, OrderStatus.REJECTED)
                return order_id
            case ModifyOrder():
                self.exchange.modify(intent.order_id, intent.terms, now_ns, price_type=intent.price_type)
            case CancelOrder():
                self._cancel(intent.order_id)
        return intent.order_id

    def _cancel(self, order_id: str) -> None:
        late_ms = self._faults.kind(Fault.FILLS, "cancel slow", (300, 1_500, 4_000))
        if late_ms is None or not self.exchange.is_working(order_id):
            self.exchange.cancel(order_id, self._loop.now_ns)
        else:
            self._later(late_ms * MS_NS, self._cancel_late, order_id)

    def _cancel_late(self, order_id: str) -> None:
        if self.exchange.is_working(order_id):
            self.exchange.cancel(order_id, self._loop.now_ns)
            self.push()
        else:
            self._saw("fill during cancel")

    def take_away(self, order_id: str, status: OrderStatus) -> None:
        """Somebody other than the engine ends an order of the account."""
        if self.exchange.is_working(order_id):
            self._saw(f"{status.value} by others")
            self.exchange.end(order_id, status, "RMS: blocked", self._loop.now_ns)
            self.push()

    def may_become_orders(self, symbol: str) -> list[PlaceOrder]:
        """What was sent for this symbol, has not arrived, and still may."""
        return [
            request.intent
            for request in self.requests
            if request.may_act and isinstance(request.intent, PlaceOrder) and request.intent.symbol == symbol
        ]

    def go_down(self, for_ns: int) -> None:
        """The server restarts: connections break; what it had not taken up is gone."""
        self._down_until_ns = self._loop.now_ns + for_ns
        for request in self.requests:
            request.may_act = False
            self._fail(request, BrokerUndecided("the connection was reset"))
        self.stream_goes_down(for_ns)

    # --- order updates ----------------------------------------------------------------------------

    def push(self) -> None:
        """Whatever has changed is looked at, and told on the stream."""
        self._changed()
        for record in self.exchange.take_frames():
            if self._is_stream_up and not self._is_stream_mute and not self.is_switched:
                self._send_update(record.row)

    def _send_update(self, row: OrderRow) -> None:
        kind = self._faults.kind(Fault.FRAMES, "update", ("lost", "doubled", "overtaken"))
        if kind == "lost":
            self._saw("update lost")
            return
        delay_ns = self._delay(self._frame_ns, "update late")
        self._later(delay_ns + (HALF_NS if kind == "overtaken" else 0), self._tell, row)
        if kind == "doubled":
            self._later(delay_ns + HALF_NS, self._tell, row)

    def _tell(self, row: OrderRow) -> None:
        if self._is_stream_up and not self._is_stream_mute and self.listener is not None:
            self.told += 1
            if any(one.order_id == row.order_id and not one.answer.done() for one in self.requests):
                self._saw("update before the answer")
            self.listener.put(OrderUpdated(self._loop.now_ns, row))

    def _tell_of_stream(self) -> None:
        if self.listener is not None:
            self.listener.put(StreamChanged(self._loop.now_ns, is_up=self._is_stream_up))

    def stream_goes_mute(self, for_ns: int) -> None:
        """Half open: nothing comes any more, and nobody says so until the reader's own patience ends."""
        if self._is_stream_up and not self._is_stream_mute:
            self._is_stream_mute = True
            self._later(for_ns, self.stream_goes_down, SECOND_NS)

    def stream_goes_down(self, for_ns: int) -> None:
        """The connection to the stream is known to be gone, for so long."""
        if self._is_stream_up:
            self._is_stream_up = False
            self._tell_of_stream()
            self._later(for_ns, self._stream_comes_up)

    def _stream_comes_up(self) -> None:
        if self.is_down:
            self._later(self._down_until_ns - self._loop.now_ns, self._stream_comes_up)
            return
        self._is_stream_up, self._is_stream_mute = True, False
        self._saw("reconnect" if not self._reconnects else "double reconnect")
        self._reconnects += 1
        self._tell_of_stream()

    # --- reads ------------------------------------------------------------------------------------

    async def read(self) -> Books:
        """All three books, each as it was at some instant. Yields: always."""
        kind = self._faults.kind(
            Fault.BOOKS, "books", ("stale", "torn", "row missing", "wrong status", "429", "500", "hangs")
        )
        if kind == "hangs":
            await self._sleep(LIFE_NS)
        await self._sleep(self._delay(self._way_ns, "read late"))
        if self.is_down:
            raise BrokerUnreachable("no connection")
        if self.is_refusing:
            raise _no_session()
        self._tell_mode()
        if self.is_switched:
            raise BrokerUndecided("of the other account, not of ours")
        now = self._now()
        match kind:
            case "429":
                raise RateLimited("50 per 1 second")
            case "500":
                raise BrokerUndecided("HTTP 500")
            case "stale":
                return self._stale(now)
            case "torn":
                await self._sleep(HALF_NS)
                later = self._now()
                await self._sleep(HALF_NS)
                self._saw("torn books")
                return Books(now.orders, later.trades, self._now().positions)
            case "row missing" | "wrong status":
                return replace(now, orders=self._lie(now.orders, kind))
            case _:
                return now

    async def _sleep(self, span_ns: int) -> None:
        woken: asyncio.Future[None] = self._loop.create_future()
        self._later(span_ns, wake, woken)
        await woken

    def _now(self) -> Books:
        exchange = self.exchange
        return Books(exchange.order_rows(), exchange.trade_rows(), exchange.position_rows())

    def remember(self) -> None:
        """Keep what the books show, for a read that will be stale."""
        if self._faults.has(Fault.BOOKS):
            self._snapshots.append((self._loop.now_ns, self._now()))

    def _stale(self, now: Books) -> Books:
        then_ns = self._loop.now_ns - STALE_NS
        old = next((shown for at_ns, shown in reversed(self._snapshots) if at_ns <= then_ns), now)
        if old != now:
            self._saw("stale books")
        return old

    def _lie(self, rows: tuple[OrderRow, ...], kind: str) -> tuple[OrderRow, ...]:
        """Leave a row out, or show it with a neighbour's status; each order only once."""
        fresh = [row for row in reversed(rows) if row.order_id not in self._lied_about]
        if not fresh:
            return rows
        row = fresh[self._choices.draw("which row", len(fresh))]
        self._lied_about.add(row.order_id)
        self._saw(kind)
        if kind == "row missing":
            return tuple(other for other in rows if other is not row)
        if row.status is not Status.WORKING:
            return rows
        return tuple(replace(row, status=Status.CANCELLED) if other is row else other for other in rows)


def _no_session() -> SessionExpired:
    return SessionExpired("the server refuses the key, or its broker session has ended", LOGIN_S)
