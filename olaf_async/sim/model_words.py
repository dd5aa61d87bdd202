"""A way through the model in words: a line for what happens, one for what the engine wants because of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import OrderRow
from olaf_async.domain.intents import CancelOrder, ModifyOrder, OrderIntent, PlaceOrder
from olaf_async.domain.price import to_text
from olaf_async.sim.model import Move, Scope, Situation
from olaf_async.sim.model_acts import after


def story(scope: Scope, way: Iterable[Move]) -> Iterator[str]:
    """The way from the start, each line with the seconds since then."""
    now = Situation.of(scope)
    start_ns = now.now_ns
    for move in way:
        then = after(now, move)
        seconds = (now.now_ns - start_ns) / SECOND_NS
        yield f"{seconds:6.1f} s  {_words(now, move, then)}"
        wishes = [step for step in then.desk if all(step.intent is not old.intent for old in now.desk)]
        for step in wishes:
            yield f"            the engine wants to {_intent(step.intent)}"
        now = then
    held, true = now.state.held, now.state.orient(now.broker.net(is_ours=True))
    yield f"The engine believes that {held} shares are held; at the broker it is {true}."


def _words(now: Situation, move: Move, then: Situation) -> str:
    words = _WORDS.get(move.name)
    return words if words is not None else _TELLERS[move.name](now, move.which, then)


def _intent(intent: OrderIntent) -> str:
    match intent:
        case PlaceOrder() | ModifyOrder():
            terms = intent.terms
            verb = "place" if isinstance(intent, PlaceOrder) else "change"
            at = f"trigger {to_text(terms.trigger)}, " if terms.trigger else ""
            side = intent.side.value.lower()
            return f"{verb} {intent.key}: {side} {terms.quantity}, {at}limit {to_text(terms.price)}"
        case CancelOrder():
            return f"cancel {intent.key}"


def _row(row: OrderRow) -> str:
    return f"order {row.order_id} is {row.status.value}, {row.filled} of {row.quantity} filled"


def _desk(now: Situation, which: int, then: Situation) -> str:
    step = now.desk[which]
    if len(then.calls) > len(now.calls):
        what = "sent"
    elif any(later.intent is step.intent for later in then.desk):
        what = "not before the books are read"
    else:
        what = "dropped"
    return f"the desk takes up: {_intent(step.intent)} - {what}"


def _reach(now: Situation, which: int, then: Situation) -> str:
    call = now.calls[which]
    if call.is_orphan:
        return f"from before the crash, it reaches the broker: {_intent(call.intent)}"
    answer = then.calls[which].answer
    assert answer is not None, "what has reached the broker is answered"
    return f"it reaches the broker: {_intent(call.intent)} - {answer[0].value} {answer[1] or answer[2]}"


def _answer(now: Situation, which: int, _then: Situation) -> str:
    call = now.calls[which]
    assert call.answer is not None, "there is an answer"
    late = "late, " if call.is_given_up else ""
    return f"{late}the answer comes: {_intent(call.intent)} - {call.answer[0].value} {call.answer[1] or ''}"


def _call(text: str) -> Callable[[Situation, int, Situation], str]:
    return lambda now, which, _then: f"{text}: {_intent(now.calls[which].intent)}"


def _frame(text: str) -> Callable[[Situation, int, Situation], str]:
    return lambda now, which, _then: f"{text}: {_row(now.frames[which].row)}"


def _price(now: Situation, which: int, _then: Situation) -> str:
    name, price = now.scope.prices[which]
    return f"the price is {name}, {to_text(price)}"


def _late_books(now: Situation, torn: int, _then: Situation) -> str:
    what = ("all as of then", "the positions as of now", "all but the order book as of now")[torn]
    assert now.reading is not None, "a read is under way"
    rows = "; ".join(map(_row, now.reading.orders))
    return f"the books asked for earlier come, {what}: {rows or 'no orders'}"


def _books(now: Situation, _which: int, _then: Situation) -> str:
    rows = "; ".join(map(_row, now.broker.order_book()))
    return f"the books are read: {rows or 'no orders'}; net {now.broker.net(is_ours=False)}"


_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "quote": "a fresh price is read",
        "timer": "a timer is due",
        "trade on": "what is left of it trades",
        "time": "time passes",
        "deadline": "it is the deadline",
        "hand closes": "another hand closes what the account holds",
        "hand buys": "another hand trades on the same side",
        "halt": "a person halts trading",
        "hold books": "the books are asked for; their answer is long on its way",
        "books fail": "the read of the books fails",
        "thin": "the market is thin: the next order to trade trades one share",
    }
)

_TELLERS: Mapping[str, Callable[[Situation, int, Situation], str]] = MappingProxyType(
    {
        "desk": _desk,
        "reach": _reach,
        "bar": lambda _now, which, _then: f"a bar closes {'before' if which else 'beyond'} the stop",
        "stream": lambda _now, is_up, _then: (
            f"the order-update stream {'comes back' if is_up else 'breaks off'}"
        ),
        "answer": _answer,
        "frame": _frame("the stream tells"),
        "give up": _call("no answer in time"),
        "books": _books,
        "late books": _late_books,
        "price": _price,
        "hold desk": lambda now, which, _then: f"the desk is slow: {_intent(now.desk[which].intent)}",
        "hold call": _call("held up on its way"),
        "answer twice": _call("its answer comes, and will come again"),
        "refuse": _call("the server refuses it"),
        "reject": _call("the server takes it, the exchange rejects it"),
        "hold frame": _frame("held up on its way, news that"),
        "frame twice": _frame("the stream tells, and will tell again"),
        "take away": lambda _now, which, _then: f"other hands cancel order {which}",
        "crash": lambda _now, is_whole, _then: (
            "the power goes and comes" + ("" if is_whole else "; the end of the journal is lost")
        ),
    }
)
