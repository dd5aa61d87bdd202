"""What may happen next in a situation of the model.

What has been asked is done at one instant, and time passes when nothing is under way any more; the price may
go anywhere and the deadline may come at any time. Everything else is a *fault*, of which a trial has so many:
a message is held back (it comes whenever it likes, or never) or told twice, the desk is slow, a call is
refused, a read fails or comes late, the market is thin, an order is ended by other hands. Beside them a crash
with a restart, and a person's own trade.
"""

from collections.abc import Iterator
from itertools import chain, islice

from olaf_async.domain.intents import CancelOrder, PlaceOrder
from olaf_async.domain.price import Paise
from olaf_async.sim.model import Call, Move, Situation


def possible(now: Situation) -> list[Move]:
    """Everything that may happen now; first what a calm world does, where it does anything."""
    moves = list(_under_way(now)) if now.scope.is_any_order else []
    moves = moves or list(islice(chain(_under_way(now), _time(now)), 1))
    moves += _held_back(now)
    moves += _from_outside(now)
    if now.faults:
        moves += _faults(now)
    if now.crashes:
        moves += (Move("crash", whole, "crash") for whole in (1, 0))
    return moves


def calm(now: Situation) -> Move | None:
    """What happens next where nothing goes wrong and the price stands; None where nothing does."""
    return next(chain(_under_way(now), _slow_desk(now), _time(now)), None)


def _under_way(now: Situation) -> Iterator[Move]:
    """What happens at this very instant, in whatever order."""
    step = _next_step(now)
    if step is not None:
        yield Move("desk", step)
    yield from (_on(call, number) for number, call in enumerate(now.calls) if not call.is_held)
    frames = (Move("frame", number) for number, frame in enumerate(now.frames) if not frame.is_held)
    yield from islice(frames, 1)
    given_up_ns = now.now_ns - now.scope.timeout_ns
    for number, call in enumerate(now.calls):
        if call.is_held and not call.is_given_up and call.sent_ns <= given_up_ns:
            yield Move("give up", number)
    if now.is_quote_asked:
        yield Move("quote")
    if not now.engine.account.is_stream_up:
        yield Move("stream", 1)
    if now.trader.guard.due_ns <= now.now_ns:
        yield Move("timer")
    if now.reading is None and now.read_due_ns <= now.now_ns:
        yield Move("books")
    if now.broker.first_met() is not None:
        yield Move("trade on")


def _on(call: Call, number: int) -> Move:
    return Move("reach" if call.answer is None else "answer", number)


def _slow_desk(now: Situation) -> Iterator[Move]:
    """What the desk was slow to take up: any time, but before a calm has come to its end."""
    return (Move("desk", number) for number, step in enumerate(now.desk) if step.is_held)


def _next_step(now: Situation) -> int | None:
    """Which intent the desk takes up now: while a call hangs, only what protects."""
    is_hanging = any(
        not call.is_given_up and not call.is_orphan and now.engine.is_open(call.intent) for call in now.calls
    )
    ready = ((number, step) for number, step in enumerate(now.desk) if not (step.wants_read or step.is_held))
    return next((number for number, step in ready if step.is_protective or not is_hanging), None)


def _time(now: Situation) -> Iterator[Move]:
    """Time goes on to what is due next, where anything is."""
    if now.next_due_ns <= now.now_ns + now.far_ns:
        yield Move("time")


def _held_back(now: Situation) -> Iterator[Move]:
    """What was held back may come at any time."""
    yield from _slow_desk(now)
    yield from (_on(call, number) for number, call in enumerate(now.calls) if call.is_held)
    yield from (Move("frame", number) for number, frame in enumerate(now.frames) if frame.is_held)
    if now.reading is not None:
        yield from (Move("late books", torn) for torn in range(3))


def _from_outside(now: Situation) -> Iterator[Move]:
    """The market, the clock on the wall, a person."""
    state, broker = now.state, now.broker
    if now.prints:
        yield from _prices(now)
    if now.bars and state.position.entered and state.stop_level is not None:
        yield Move("bar", 1, "bar")
        yield Move("bar", 0, "bar")
    if not now.is_late and not state.is_idle:
        yield Move("deadline")
    if now.hands:
        net = broker.net(is_ours=False)
        if net:
            yield Move("hand closes", abs(net), "hand")
        yield Move("hand buys", now.scope.rules.quantity, "hand")
        if not state.is_idle and state.frozen is None:
            yield Move("halt", 0, "hand")


def _prices(now: Situation) -> Iterator[Move]:
    """Where the price may go: one level of each kind that makes a difference to anybody."""
    kinds = {_kind_of(now, now.broker.price)}
    for number, (_, price) in enumerate(now.scope.prices):
        kind = _kind_of(now, price)
        if kind not in kinds:
            kinds.add(kind)
            yield Move("price", number, "print")


def _kind_of(now: Situation, price: Paise) -> tuple[bool, ...]:
    """What a price does: to the engine's guard and its stop, to orders that stand, to those on their way."""
    guard, state, sign = now.trader.guard, now.state, now.state.direction
    edges = [intent.terms for intent in now.asked if not isinstance(intent, CancelOrder)]
    edges += [held.terms for held in now.broker.orders if held.is_working]
    return (
        price <= guard.low,
        price >= guard.high,
        state.stop_level is not None and price * sign > state.stop_level,
        *(price * sign > terms.trigger * sign for terms in edges),
        *(price * sign >= terms.trigger * sign for terms in edges),
        *(price * sign > terms.price * sign for terms in edges),
        *(price * sign >= terms.price * sign for terms in edges),
    )


def _faults(now: Situation) -> Iterator[Move]:
    names = chain(_faults_of_calls(now), _faults_of_news(now), _faults_of_orders(now))
    kinds = now.scope.kinds
    return (Move(name, which, "fault") for name, which in names if kinds is None or name in kinds)


def _faults_of_calls(now: Situation) -> Iterator[tuple[str, int]]:
    for number, step in enumerate(now.desk):
        if not (step.is_held or step.wants_read):
            yield "hold desk", number
    for number, call in enumerate(now.calls):
        if not call.is_held:
            yield "hold call", number
        if call.answer is not None:
            yield "answer twice", number
        elif not (call.is_held or isinstance(call.intent, CancelOrder)):
            yield "refuse", number
            if isinstance(call.intent, PlaceOrder):
                yield "reject", number


def _faults_of_news(now: Situation) -> Iterator[tuple[str, int]]:
    for number, frame in enumerate(now.frames):
        if not frame.is_held:
            yield "hold frame", number
        yield "frame twice", number
    if now.engine.account.is_stream_up:
        yield "stream", 0
    if now.reading is None:
        yield "hold books", 0
        if now.read_due_ns <= now.now_ns:
            yield "books fail", 0


def _faults_of_orders(now: Situation) -> Iterator[tuple[str, int]]:
    working = [held for held in now.broker.orders if held.is_working]
    if not now.is_thin and any(held.remaining > 1 for held in working):
        yield "thin", 0
    yield from (("take away", int(held.order_id)) for held in working)
