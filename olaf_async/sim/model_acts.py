"""What comes of each move of the model.

Must never: tell the engine what was not so at the broker at some instant after it asked.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

from olaf_async.core.engine import Drop, ReadFirst, Send, Wait
from olaf_async.domain.bar import Bar
from olaf_async.domain.events import (
    BarClosed,
    BooksFailed,
    BooksRead,
    Command,
    Commanded,
    OrderAnswered,
    OrderUpdated,
    Outcome,
    QuoteRead,
    RunBegan,
    Status,
    StreamChanged,
    TimerDue,
    Verb,
)
from olaf_async.domain.intents import CancelOrder, ModifyOrder, OrderIntent, PlaceOrder
from olaf_async.domain.order import Role, Side
from olaf_async.errors import BrokerRejected
from olaf_async.sim.beliefs import copy_of
from olaf_async.sim.model import Call, Move, Reading, Situation
from olaf_async.sim.model_checks import offence_of

T = TypeVar("T")

VERBS: Mapping[type[OrderIntent], Verb] = MappingProxyType(
    {PlaceOrder: Verb.PLACE, ModifyOrder: Verb.MODIFY, CancelOrder: Verb.CANCEL}
)


def after(now: Situation, move: Move) -> Situation:
    """The situation that a move leads to; the one it comes from stays as it is."""
    new = now.copy()
    match move.costs:
        case "print":
            new.prints -= 1
        case "fault":
            new.faults -= 1
        case "crash":
            new.crashes -= 1
        case "hand":
            new.hands -= 1
        case "bar":
            new.bars -= 1
        case _:
            pass
    _ACTS[move.name](new, move.which)
    return new


def _without(items: tuple[T, ...], number: int) -> tuple[T, ...]:
    return (*items[:number], *items[number + 1 :])


def _instead(items: tuple[T, ...], number: int, item: T) -> tuple[T, ...]:
    return (*items[:number], item, *items[number + 1 :])


def _desk(now: Situation, which: int) -> None:
    step = now.desk[which]
    now.desk = _without(now.desk, which)
    intent = step.intent
    match now.engine.admit(intent, now.now_ns):
        case Send(admitted):
            if isinstance(admitted, PlaceOrder) and admitted.role is Role.ENTRY:
                now.offence = offence_of(now, admitted)
            now.calls = (*now.calls, Call(admitted, now.now_ns))
            now.keep()
        case Drop(why):
            _tell_answer(now, intent, Outcome.NOT_SENT, None, why)
        case ReadFirst() if not step.has_read:
            now.desk = (replace(step, is_held=False, wants_read=True), *now.desk)
        case ReadFirst() | Wait():
            now.desk = (*now.desk, replace(step, is_held=False, has_read=False))


def _tell_answer(
    now: Situation, intent: OrderIntent, outcome: Outcome, order_id: str | None, why: str
) -> None:
    verb = VERBS[type(intent)]
    now.tell(
        OrderAnswered(intent.symbol, now.now_ns, intent.request, intent.key, verb, outcome, order_id, why)
    )


def _reach(now: Situation, which: int) -> None:
    call = now.calls[which]
    try:
        order_id = _carry_out(now, call.intent)
    except BrokerRejected as refused:
        _come_back(now, which, (Outcome.REFUSED, None, str(refused)))
    else:
        _come_back(now, which, (Outcome.ACCEPTED, order_id, ""))
        now.fill_what_is_met()


def _carry_out(now: Situation, intent: OrderIntent) -> str:
    broker = now.broker
    match intent:
        case PlaceOrder():
            now.broker = broker.place(intent)
            return broker.next_id
        case ModifyOrder():
            now.broker = broker.modify(intent)
        case CancelOrder():
            now.broker = broker.end(intent.order_id, Status.CANCELLED)
    return intent.order_id


def _come_back(now: Situation, which: int, answer: tuple[Outcome, str | None, str]) -> None:
    call = now.calls[which]
    if call.is_orphan:
        now.calls = _without(now.calls, which)
    else:
        now.calls = _instead(now.calls, which, replace(call, answer=answer, is_held=False))


def _refuse(now: Situation, which: int) -> None:
    _come_back(now, which, (Outcome.REFUSED, None, "no"))


def _reject(now: Situation, which: int) -> None:
    """Taken by the server, rejected by the exchange a moment later."""
    try:
        order_id = _carry_out(now, now.calls[which].intent)
    except BrokerRejected as refused:
        _come_back(now, which, (Outcome.REFUSED, None, str(refused)))
        return
    now.broker = now.broker.end(order_id, Status.REJECTED)
    now.send_news()
    _come_back(now, which, (Outcome.ACCEPTED, order_id, ""))


def _answer(now: Situation, which: int) -> None:
    call = now.calls[which]
    assert call.answer is not None, "there is an answer"
    now.calls = _without(now.calls, which)
    _tell_answer(now, call.intent, *call.answer)


def _answer_twice(now: Situation, which: int) -> None:
    call = now.calls[which]
    _answer(now, which)
    now.calls = (*now.calls, replace(call, is_held=True, is_given_up=True))


def _hold_desk(now: Situation, which: int) -> None:
    now.desk = _instead(now.desk, which, replace(now.desk[which], is_held=True))


def _hold_call(now: Situation, which: int) -> None:
    now.calls = _instead(now.calls, which, replace(now.calls[which], is_held=True))


def _give_up(now: Situation, which: int) -> None:
    call = now.calls[which]
    now.calls = _instead(now.calls, which, replace(call, is_given_up=True))
    _tell_answer(now, call.intent, Outcome.LOST, None, "no answer in time")


def _frame(now: Situation, which: int) -> None:
    row = now.frames[which].row
    now.frames = _without(now.frames, which)
    now.tell(OrderUpdated(now.now_ns, row))


def _frame_twice(now: Situation, which: int) -> None:
    frame = now.frames[which]
    _frame(now, which)
    now.frames = (*now.frames, replace(frame, is_held=True))


def _hold_frame(now: Situation, which: int) -> None:
    now.frames = _instead(now.frames, which, replace(now.frames[which], is_held=True))


def _stream(now: Situation, is_up: int) -> None:
    """The order-update stream goes, and all that was on its way with it, or comes back."""
    now.frames = ()
    now.tell(StreamChanged(now.now_ns, is_up=bool(is_up)))


def _quote(now: Situation, _which: int) -> None:
    now.is_quote_asked = False
    now.tell(QuoteRead(now.broker.symbol, now.now_ns, now.broker.price))


def _timer(now: Situation, _which: int) -> None:
    now.tell(TimerDue(now.broker.symbol, now.now_ns, now.broker.price, now.now_ns))


def _time_passes(now: Situation, _which: int) -> None:
    """To what is due next; what was held back for longer than anything takes effect is lost."""
    now.now_ns = at_ns = now.next_due_ns
    lost_ns = at_ns - now.scope.settle_ns
    now.calls = tuple(call for call in now.calls if call.sent_ns > lost_ns)
    now.frames = tuple(frame for frame in now.frames if frame.at_ns > lost_ns)
    reading = now.reading
    if reading is not None and at_ns >= reading.asked_ns + now.scope.read_timeout_ns:
        now.reading = None
        now.tell(BooksFailed(at_ns, reading.asked_seq, "no answer in time"))
        _wake_readers(now)


def _wake_readers(now: Situation) -> None:
    now.desk = tuple(
        replace(step, wants_read=False, has_read=True) if step.wants_read else step for step in now.desk
    )


def _ask_books(now: Situation) -> Reading:
    broker = now.broker
    books = broker.order_book(), broker.trade_book(), broker.positions()
    return Reading(now.now_ns, now.engine.seq, *books)


def _deliver_books(now: Situation, asked: Reading) -> None:
    books = asked.orders, asked.trades, asked.positions
    net = sum(position.quantity for position in asked.positions)
    signs = {row.order_id: row.side.sign for row in asked.orders}
    if net == sum(signs.get(trade.order_id, 0) * trade.quantity for trade in asked.trades):
        now.shown = net
    now.tell(BooksRead(now.now_ns, asked.asked_ns, asked.asked_seq, *books))
    _wake_readers(now)


def _books(now: Situation, _which: int) -> None:
    _deliver_books(now, _ask_books(now))


def _hold_books(now: Situation, _which: int) -> None:
    now.reading = _ask_books(now)


def _late_books(now: Situation, torn: int) -> None:
    """The books of then: all of them, or only the order book, or all but the positions."""
    asked, now.reading = now.reading, None
    assert asked is not None, "a read is under way"
    if torn:
        asked = replace(asked, positions=now.broker.positions())
    if torn > 1:
        asked = replace(asked, trades=now.broker.trade_book())
    _deliver_books(now, asked)


def _books_fail(now: Situation, _which: int) -> None:
    now.tell(BooksFailed(now.now_ns, now.engine.seq, "500"))
    _wake_readers(now)


def _price(now: Situation, which: int) -> None:
    now.print_at(now.scope.prices[which][1])


def _trade_on(now: Situation, _which: int) -> None:
    now.fill_what_is_met()


def _thin(now: Situation, _which: int) -> None:
    now.is_thin = True


def _take_away(now: Situation, which: int) -> None:
    now.broker = now.broker.end(str(which), Status.CANCELLED)
    now.send_news()


def _bar(now: Situation, is_higher: int) -> None:
    """A bar closes whose far end lies between stop and price, or beyond the stop."""
    state, price, span_ns = now.state, now.broker.price, now.scope.plan.strategy.bar_ns
    assert state.stop_level is not None, "there is a stop to raise"
    reach = (state.orient(price) - state.stop_level) // 4 * (1 if is_higher else 8)
    edge = price - state.orient(reach)
    low, high = sorted((edge, price))
    now.tell(
        BarClosed(
            now.broker.symbol, now.now_ns, Bar(now.now_ns - span_ns, now.now_ns, edge, high, low, price)
        )
    )


def _deadline(now: Situation, _which: int) -> None:
    """The day turns out to be one whose deadline is now."""
    session = now.state.session
    now.state.session = replace(session, exit_ns=now.now_ns)
    now.is_late = True
    _timer(now, 0)


def _crash(now: Situation, is_whole: int) -> None:
    """The power goes and comes: the journal is whole, or has only what it is sure to have."""
    kept = now.engine if is_whole or now.kept is None else now.kept
    now.engine = now.scope.recover(copy_of(kept))
    if now.is_late:
        now.state.session = replace(now.state.session, exit_ns=now.now_ns)
    now.desk, now.frames, now.reading, now.is_quote_asked = (), (), None, False
    now.calls = tuple(
        replace(call, is_given_up=True, is_orphan=True) for call in now.calls if call.answer is None
    )
    now.tell(RunBegan(now.now_ns))
    now.keep()


def _hand_closes(now: Situation, quantity: int) -> None:
    side = Side.SELL if now.broker.net(is_ours=False) > 0 else Side.BUY
    now.broker = now.broker.another_hand(side, quantity)
    now.send_news()


def _hand_buys(now: Situation, quantity: int) -> None:
    now.broker = now.broker.another_hand(now.state.entry_side, quantity)
    now.send_news()


def _halt(now: Situation, _which: int) -> None:
    now.tell(Commanded(now.now_ns, Command.HALT))


_ACTS: Mapping[str, Callable[[Situation, int], None]] = MappingProxyType(
    {
        "desk": _desk,
        "reach": _reach,
        "answer": _answer,
        "frame": _frame,
        "give up": _give_up,
        "quote": _quote,
        "stream": _stream,
        "timer": _timer,
        "books": _books,
        "trade on": _trade_on,
        "time": _time_passes,
        "late books": _late_books,
        "price": _price,
        "bar": _bar,
        "deadline": _deadline,
        "hand closes": _hand_closes,
        "hand buys": _hand_buys,
        "halt": _halt,
        "hold desk": _hold_desk,
        "hold call": _hold_call,
        "answer twice": _answer_twice,
        "refuse": _refuse,
        "reject": _reject,
        "hold frame": _hold_frame,
        "frame twice": _frame_twice,
        "hold books": _hold_books,
        "books fail": _books_fail,
        "thin": _thin,
        "take away": _take_away,
        "crash": _crash,
    }
)
