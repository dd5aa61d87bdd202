"""The paper account of a live day: made when a run begins, and made again from the journal where it went on.

Owns what the engine's belief means for an account that died with its process. By definition nothing has
happened there that the journal does not know: what has an id and has not ended works on, and what was sent
and got no id never arrived. It must never change what the engine believes.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from olaf_async.adapters.paper.broker import PaperBroker
from olaf_async.adapters.paper.exchange import PaperExchange
from olaf_async.adapters.paper.kept import KeptOrder
from olaf_async.adapters.paper.orders import STOPS, OrderStatus
from olaf_async.app.rules import paper_rules
from olaf_async.core.engine import Engine, Plan
from olaf_async.core.past import Past
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import OrderUpdated, Status
from olaf_async.domain.order import Order, OrderState, Signal, Terms
from olaf_async.ports.clock import Clock
from olaf_async.ports.journal import Record
from olaf_async.settings import BrokerSettings, Settings

SAME_INSTANT_NS: Final = 5_000_000
"""The longest that an order takes from the print that caused it to the paper exchange."""


def paper_broker(
    settings: Settings,
    plans: Sequence[Plan],
    clock: Clock,
    past: Past | None = None,
    triggered: Collection[str] = (),
) -> PaperBroker:
    """A new account or, where there is a ``past``, that of then; ``triggered`` as for `kept_orders`."""
    rules, broker = paper_rules(settings), settings.broker
    if settings.session.calendar == "always":
        rules = replace(rules, square_off_s=None)  # the exchange's own hour means nothing on such a day
    tick_sizes = {plan.setup.symbol: plan.setup.tick_size for plan in plans}
    exchange = PaperExchange(
        rules,
        tick_sizes,
        sessions={plan.setup.symbol: (plan.session.open_ns, plan.session.close_ns) for plan in plans},
    )
    if past is not None:
        kept = kept_orders(past.engine, triggered, broker)
        # Where a symbol that was traded is planned no more, the engine refuses to begin.
        exchange.take_over((one for one in kept if one.symbol in tick_sizes), newest_prices(past.engine))
    return PaperBroker(
        exchange,
        clock,
        settings.paper.latency_ms * SECOND_NS // 1000,
        same_instant_ns=SAME_INSTANT_NS,
        strategy=broker.strategy,
        product=broker.product,
    )


def triggered_stops(records: Iterable[Record]) -> frozenset[str]:
    """Ids of which a second frame said, before any fill, that they work: their stops have been triggered.

    The engine has no need to know that. The paper exchange sends the first such frame when it takes an order
    and another only for a trigger.
    """
    seen: set[str] = set()
    again: set[str] = set()
    for record in records:
        match record.body:
            case OrderUpdated(row=row) if row.status is Status.WORKING and not row.filled:
                (again if row.order_id in seen else seen).add(row.order_id)
            case _:
                pass
    return frozenset(again)


def kept_orders(engine: Engine, triggered: Collection[str], broker: BrokerSettings) -> Iterator[KeptOrder]:
    """Every order that reached the account, as the engine last knew it; ``triggered`` are ids of stops."""
    for trader in engine.traders.values():
        for order in trader.state.orders:
            if order.order_id is not None:
                is_triggered = order.order_id in triggered
                yield _kept(order, order.order_id, broker, is_triggered=is_triggered)


def newest_prices(engine: Engine) -> dict[str, int]:
    """The last price the engine was told of each symbol."""
    states = (trader.state for trader in engine.traders.values())
    return {state.symbol: state.last for state in states if state.last is not None}


def _kept(order: Order, order_id: str, broker: BrokerSettings, *, is_triggered: bool) -> KeptOrder:
    status, terms = _status(order, is_triggered=is_triggered), _terms(order)
    if status is OrderStatus.COMPLETE:
        terms = replace(terms, quantity=order.filled)
    return KeptOrder(
        order_id=order_id,
        symbol=order.symbol,
        side=order.side,
        price_type=order.price_type,
        terms=terms,
        placed_ns=order.sent_ns or 0,
        status=status,
        filled=order.filled,
        value=order.value,
        product=broker.product,
        strategy=broker.strategy,
    )


def _status(order: Order, *, is_triggered: bool) -> OrderStatus:
    match order.state:
        case OrderState.FILLED:
            return OrderStatus.COMPLETE
        case OrderState.REJECTED:
            return OrderStatus.REJECTED
        case OrderState.ENDING if order.ended_as is Signal.PROVED_REJECTED:
            return OrderStatus.REJECTED
        case OrderState.ENDING | OrderState.CANCELLED | OrderState.EXPIRED | OrderState.ABSENT:
            return OrderStatus.CANCELLED
        case _ if order.price_type in STOPS and not (order.filled or is_triggered):
            return OrderStatus.TRIGGER_PENDING
        case _:
            return OrderStatus.OPEN


def _terms(order: Order) -> Terms:
    """The old ones while a change is open, but where its fills show that the change was made."""
    old, new = order.terms, order.pending
    if new is None:
        return old
    beyond = (order.value - old.price * order.filled) * order.side.sign
    is_at_work = order.state is not OrderState.FILLED
    return new if beyond > 0 or (is_at_work and order.filled >= old.quantity) else old
