"""What must hold in a small day, judged from the exchange's own history; the engine's belief only at the end.

Each gives the first moment at which its property did not hold. Orders and trades by another hand are part of
the truth; what is asked of the engine is asked of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from olaf_async.adapters.paper.orders import Change, OrderRecord
from olaf_async.core.rules import NEVER_NS, SECOND_NS
from olaf_async.domain.events import Command
from olaf_async.domain.intents import PlaceOrder, Severity
from olaf_async.domain.order import PriceType, Role, Side
from olaf_async.domain.price import to_text
from olaf_async.shell.supervisor import EXIT_FINE
from olaf_async.sim.explore import Broken
from tests.races.world import BY_HAND, SHARES

from .stage import Judge, Stage

BARE_S = 8
WORKING = ("open", "trigger pending")


@dataclass(slots=True)
class Moment:
    """The account after one change: its net position, and what each of our orders may still trade."""

    at_ns: int = 0
    net: int = 0
    is_by_hand: bool = False
    open_shares: dict[str, int] = field(default_factory=dict)
    orders: dict[str, OrderRecord] = field(default_factory=dict)

    def working(self, side: Side) -> int:
        """Shares of our working orders of this side."""
        return sum(
            shares for order_id, shares in self.open_shares.items() if self.orders[order_id].side is side
        )

    def count(self, side: Side) -> int:
        """How many of our orders of this side work."""
        working = (order_id for order_id, shares in self.open_shares.items() if shares)
        return sum(self.orders[order_id].side is side for order_id in working)


def moments(stage: Stage) -> Iterator[tuple[Change, Moment]]:
    """The account after each change, oldest first; one and the same object."""
    moment = Moment(orders={order.order_id: order for order in stage.exchange.records()})
    filled: dict[str, int] = {}
    for change in stage.exchange.history:
        order = moment.orders[change.order_id]
        moment.at_ns = change.at_ns
        moment.is_by_hand = order.strategy == BY_HAND
        moment.net += order.side.sign * (change.filled - filled.get(change.order_id, 0))
        filled[change.order_id] = change.filled
        if not moment.is_by_hand:
            is_open = change.status in WORKING
            moment.open_shares[change.order_id] = change.quantity - change.filled if is_open else 0
        yield change, moment


def buys_once(stage: Stage) -> Broken | None:
    """The account never holds more than one plan's shares."""
    for _, moment in moments(stage):
        if moment.net > SHARES and not moment.is_by_hand:
            return Broken("bought too much", moment.at_ns, f"{moment.net} shares held, {SHARES} planned")
    return None


def never_short(stage: Stage) -> Broken | None:
    """Nothing is sold that is not held."""
    for _, moment in moments(stage):
        if moment.net < 0 and not moment.is_by_hand:
            return Broken("sold short", moment.at_ns, f"{-moment.net} shares sold that were not held")
    return None


def one_entry(stage: Stage) -> Broken | None:
    """At most one entry works, and none beside shares that are held; what fills in parts is one entry."""
    for _, moment in moments(stage):
        if moment.count(Side.BUY) > 1:
            return Broken("two entries", moment.at_ns, f"{moment.count(Side.BUY)} entries work at once")
        if moment.net + moment.working(Side.BUY) > SHARES and not moment.is_by_hand:
            text = f"{moment.working(Side.BUY)} more to buy beside {moment.net} held"
            return Broken("two entries", moment.at_ns, text)
    return None


def never_too_much_to_sell(stage: Stage) -> Broken | None:
    """Our working sells never exceed what is held, unless another hand has just sold it."""
    for change, moment in moments(stage):
        excess = moment.working(Side.SELL) - max(0, moment.net)
        if excess > 0 and not moment.is_by_hand and moment.orders[change.order_id].side is Side.SELL:
            return Broken("too much to sell", moment.at_ns, f"{excess} more to sell than is held")
    return None


def none_on_top(stage: Stage) -> Broken | None:
    """No entry leaves once another hand holds the symbol, whether that has been told or not."""
    since_ns = min(
        (fill.at_ns for fill in stage.exchange.fills if fill.strategy == BY_HAND and fill.side is Side.BUY),
        default=NEVER_NS,
    )
    for at_ns, intent in stage.calls:
        if at_ns > since_ns and isinstance(intent, PlaceOrder) and intent.role is Role.ENTRY:
            return Broken("bought on top", at_ns, "an entry leaves for a symbol that is held already")
    return None


def stop_rises(stage: Stage) -> Broken | None:
    """The stop of a position never comes to lie lower at the exchange than it was."""
    levels: dict[str, int] = {}
    for change, moment in moments(stage):
        order = moment.orders[change.order_id]
        if order.side is Side.SELL and order.price_type is PriceType.SL and not moment.is_by_hand:
            before = levels.get(change.order_id, 0)
            if change.trigger < before:
                text = f"the stop fell from {to_text(before)} to {to_text(change.trigger)}"
                return Broken("the stop fell", moment.at_ns, text)
            levels[change.order_id] = change.trigger
    return None


def protected_at_last(stage: Stage) -> Broken | None:
    """Once nothing goes wrong any more, every share held has a working sell."""
    moment = _last(stage)
    bare = moment.net - moment.working(Side.SELL)
    if bare > 0:
        return Broken("naked", stage.clock.now_ns(), f"{bare} of {moment.net} shares have no stop")
    return None


def told_where_naked(stage: Stage) -> Broken | None:
    """No shares are without a working sell for longer than `BARE_S`, unless a person has been called."""
    bare_ns: int | None = None
    spans: list[tuple[int, int]] = []
    for _, moment in moments(stage):
        is_bare = moment.net > moment.working(Side.SELL)
        if is_bare and bare_ns is None:
            bare_ns = moment.at_ns
        elif not is_bare and bare_ns is not None:
            spans.append((bare_ns, moment.at_ns))
            bare_ns = None
    if bare_ns is not None:
        spans.append((bare_ns, stage.clock.now_ns()))
    for bare_from_ns, until_ns in spans:
        # Without power nobody can tell.
        from_ns = max(bare_from_ns, *(at_ns for at_ns in stage.starts if at_ns <= until_ns))
        late_ns = from_ns + BARE_S * SECOND_NS
        is_told = any(
            said.severity is Severity.ALARM and from_ns <= at_ns <= late_ns for at_ns, said in stage.alarms
        )
        if until_ns > late_ns and not is_told:
            return Broken("naked, and nobody told", late_ns, f"shares without a stop for {BARE_S} s")
    return None


def nothing_left_at_last(stage: Stage) -> Broken | None:
    """Once nothing goes wrong any more, no sell is left without shares, and none in excess of them."""
    moment = _last(stage)
    excess = moment.working(Side.SELL) - max(0, moment.net)
    if excess > 0:
        return Broken("left behind", stage.clock.now_ns(), f"{excess} more to sell than is held, for good")
    return None


def believes_the_truth_at_last(stage: Stage) -> Broken | None:
    """Once nothing goes wrong any more, the engine knows what it holds, and has no question open."""
    own = sum(fill.side.sign * fill.quantity for fill in stage.exchange.fills if fill.strategy != BY_HAND)
    by_hand = sum(fill.side.sign * fill.quantity for fill in stage.exchange.fills if fill.strategy == BY_HAND)
    state = stage.state
    if state.held not in (own, own + by_hand):
        return Broken("believes otherwise", stage.clock.now_ns(), f"holds {own}, believes {state.held}")
    open_questions = [order.key for order in state.orders if order.is_unsettled]
    if open_questions:
        return Broken("undecided for ever", stage.clock.now_ns(), ", ".join(open_questions))
    return None


def out_at_last(stage: Stage) -> Broken | None:
    """Once nothing goes wrong any more, a breached stop has led out."""
    net = _last(stage).net
    return Broken("not out", stage.clock.now_ns(), f"{net} shares are still held") if net else None


def killed_at_last(stage: Stage) -> Broken | None:
    """Whoever was told to end it all holds nothing, and will not buy again."""
    moment = _last(stage)
    if Command.KILL in stage.commanded and (moment.net or moment.working(Side.BUY)):
        text = f"{moment.net} shares held, {moment.working(Side.BUY)} more may be bought"
        return Broken("not out", stage.clock.now_ns(), text)
    return None


def safe_when_stopped(stage: Stage) -> Broken | None:
    """An engine that was asked to stop has stopped, and says it is fine only where nothing is left to do."""
    if not stage.running.done():
        return Broken("does not stop", stage.clock.now_ns(), "the engine still runs")
    moment = _last(stage)
    left = moment.working(Side.BUY), moment.net - moment.working(Side.SELL)
    if any(left) and stage.running.result().exit_code == EXIT_FINE:
        text = f"{left[0]} may still be bought, {left[1]} have no stop, and the exit code is 0"
        return Broken("left behind in silence", stage.clock.now_ns(), text)
    return None


def nothing_dies(stage: Stage) -> Broken | None:
    """No task of the engine crashes, and no symbol contradicts itself."""
    for at_ns, said in stage.alarms:
        if said.code in ("pump_died", "task_died"):
            return Broken("crashed", at_ns, said.text)
    return None


def _last(stage: Stage) -> Moment:
    last = Moment()
    for _, last in moments(stage):  # noqa: B007 -- the last one is wanted
        pass
    return last


ALWAYS: tuple[Judge, ...] = (
    buys_once,
    never_short,
    one_entry,
    never_too_much_to_sell,
    stop_rises,
    told_where_naked,
)
AT_LAST: tuple[Judge, ...] = (protected_at_last, nothing_left_at_last, believes_the_truth_at_last)
ALL: tuple[Judge, ...] = (nothing_dies, *ALWAYS, *AT_LAST)
