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
from tests.races.world import BY_HAND, RISK, SHARES

from .stage import Judge, Stage

BARE_S = 14
"""A poll is due every 3 s in these stories, and two of its answers may be waited for in vain, 5 s each."""
ANSWERED_S = 9
"""The longest that an answer is on its way here, and a cancel after it."""
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
    for at_ns, _ in entries_of(stage):
        if at_ns > since_ns:
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
    if any(command is Command.KILL for _, command in stage.commanded) and (
        moment.net or moment.working(Side.BUY)
    ):
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


def entries_of(stage: Stage) -> Iterator[tuple[int, PlaceOrder]]:
    """The calls that ask for an entry, and when each left."""
    for at_ns, intent in stage.calls:
        if isinstance(intent, PlaceOrder) and intent.role is Role.ENTRY:
            yield at_ns, intent


def none_after_halt(stage: Stage) -> Broken | None:
    """No entry leaves once a person has halted it."""
    halted_ns = min(
        (at_ns for at_ns, command in stage.commanded if command is Command.HALT), default=NEVER_NS
    )
    for at_ns, _ in entries_of(stage):
        if at_ns > halted_ns:
            return Broken("entry after a halt", at_ns, "an entry leaves although a person has halted it")
    return None


def none_bought_long_after_halt(stage: Stage) -> Broken | None:
    """An entry that was out when a person halted it is taken back as soon as its answer allows."""
    halts = (at_ns for at_ns, command in stage.commanded if command is Command.HALT)
    late_ns = min(halts, default=NEVER_NS) + ANSWERED_S * SECOND_NS
    for fill in stage.exchange.fills:
        if fill.side is Side.BUY and fill.at_ns > late_ns:
            return Broken("bought after a halt", fill.at_ns, f"an entry filled {ANSWERED_S} s after it")
    return None


def none_after_the_deadline(stage: Stage) -> Broken | None:
    """No entry leaves once the time to get out has come."""
    for at_ns, _ in entries_of(stage):
        if at_ns >= stage.plan.session.exit_ns:
            return Broken("entry after the deadline", at_ns, "an entry leaves when all have to be out")
    return None


def none_on_a_stale_price(stage: Stage) -> Broken | None:
    """No entry leaves on prices older than the rules allow."""
    for at_ns, _ in entries_of(stage):
        newest_ns = max(printed_ns for printed_ns, _ in stage.printed if printed_ns <= at_ns)
        if at_ns - newest_ns >= stage.rules.stale_feed_ns:
            age_s = (at_ns - newest_ns) / SECOND_NS
            return Broken("entry on a stale price", at_ns, f"the newest print is {age_s:g} s old")
    return None


def none_while_on_the_wire(stage: Stage) -> Broken | None:
    """No entry leaves while an order of ours may still be on its way to the exchange."""
    for at_ns, _ in entries_of(stage):
        for label, left_ns, arrived_ns in stage.trips:
            if left_ns < at_ns < arrived_ns:
                return Broken("entry beside a question", at_ns, f"a {label} is still on its way")
    return None


def none_beside_a_sell(stage: Stage) -> Broken | None:
    """No entry leaves while a sell of ours works at the exchange."""
    spans: dict[str, tuple[int, int]] = {}
    for change, moment in moments(stage):
        if moment.orders[change.order_id].side is Side.SELL and not moment.is_by_hand:
            from_ns, _ = spans.get(change.order_id, (change.at_ns, NEVER_NS))
            is_open = change.status in WORKING
            spans[change.order_id] = (from_ns, NEVER_NS if is_open else change.at_ns)
    for at_ns, _ in entries_of(stage):
        if any(from_ns < at_ns < until_ns for from_ns, until_ns in spans.values()):
            return Broken("entry beside a sell", at_ns, "an order that closes still works")
    return None


def none_past_its_level(stage: Stage) -> Broken | None:
    """No stop entry leaves when the price is through its trigger already."""
    for at_ns, intent in entries_of(stage):
        _, price = [printed for printed in stage.printed if printed[0] < at_ns][-1]
        if price >= intent.terms.trigger:
            text = f"the price is {to_text(price)}, the trigger {to_text(intent.terms.trigger)}"
            return Broken("entry past its level", at_ns, text)
    return None


def none_unprotectable(stage: Stage) -> Broken | None:
    """No entry leaves whose stop would have to lie at or below nothing."""
    for at_ns, intent in entries_of(stage):
        if intent.terms.trigger <= RISK:
            text = f"a stop {to_text(RISK)} below {to_text(intent.terms.trigger)} does not exist"
            return Broken("cannot be protected", at_ns, text)
    return None


def attempts_kept(stage: Stage) -> Broken | None:
    """No more entries fill than are allowed."""
    filled = {fill.order_id: fill for fill in stage.exchange.fills if fill.side is Side.BUY}
    if len(filled) > stage.rules.max_attempts:
        last = max(fill.at_ns for fill in filled.values())
        return Broken(
            "too many entries", last, f"{len(filled)} entries filled, {stage.rules.max_attempts} allowed"
        )
    return None


def journalled_first(stage: Stage) -> Broken | None:
    """What leaves is on disk."""
    for at_ns, intent in stage.unwritten:
        return Broken("sent, not written", at_ns, f"{intent.key} leaves, and no disk knows")
    return None


def undercut_acted_on(stage: Stage) -> Broken | None:
    """A print that reaches the trigger arms the entry, however fast the next ones follow."""
    if not list(entries_of(stage)):
        return Broken("print missed", stage.clock.now_ns(), "an undercut was printed, and nothing came of it")
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
