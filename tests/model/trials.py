"""What the model is tried with: a plan, the scopes of the searches, and engines without a protection."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from olaf_async.core.engine import Engine, Plan
from olaf_async.core.guards import ENTRY_GUARDS, STANDARD, EntryGuard, Guards
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import Event, OrderAnswered, Outcome
from olaf_async.domain.intents import Intent
from olaf_async.domain.order import ENDS, Order, OrderState
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Direction, Setup
from olaf_async.sim.model import RULES, Scope, levels
from olaf_async.strategies.eighty_twenty import EightyTwenty, EightyTwentyRules

DAY = date(2026, 11, 23)
OPEN_NS = 33_300 * SECOND_NS
SESSION = Session(DAY, OPEN_NS, OPEN_NS, OPEN_NS + 20_000 * SECOND_NS, OPEN_NS + 22_000 * SECOND_NS)
WINDOW_NS, BAR_NS = 15_000 * SECOND_NS, 900 * SECOND_NS


def plan(direction: Direction = Direction.LONG) -> Plan:
    setup = Setup("ABC", DAY, 100_00, 100_00 - 50 * direction, 5, 2_00, direction)
    rules = EightyTwentyRules(trigger_window_ns=WINDOW_NS, bar_ns=BAR_NS)
    return Plan(setup, SESSION, EightyTwenty(setup, SESSION, rules))


def scope(
    *,
    attempts: int = 1,
    direction: Direction = Direction.LONG,
    guards: Guards = STANDARD,
    rules: Rules = RULES,
    engine: type[Engine] = Engine,
    faults: int | tuple[str, ...] = 0,
    prints: int = 3,
) -> Scope:
    """``faults`` says how many of any kind, or which, as many as are named."""
    chosen = plan(direction)
    return Scope(
        chosen,
        levels(chosen),
        replace(rules, max_attempts=attempts),
        begin=lambda plan, rules: engine([plan], rules, guards),
        faults=faults if isinstance(faults, int) else len(faults),
        kinds=None if isinstance(faults, int) else frozenset(faults),
        prints=prints,
    )


# --- engines that lack something ------------------------------------------------------------------------


class Hasty(Engine):
    """Takes an answer that does not come in time for a refusal."""

    def handle(self, event: Event) -> list[Intent]:
        if isinstance(event, OrderAnswered) and event.outcome is Outcome.LOST:
            event = replace(event, outcome=Outcome.REFUSED)
        return super().handle(event)


def in_the_slot_now(state: SymbolState, answer: OrderAnswered) -> Order | None:
    """The old mistake: an answer is taken to be about whatever order of its role stands by then."""
    return next((order for order in state.slots if order.key.endswith(answer.key.split("-")[-1])), None)


def is_seen_to_end(order: Order) -> bool:
    """Forgets on a claim, without the proof."""
    return order.state in ENDS or order.state is OrderState.ENDING


def in_flight_is_absent(state: SymbolState, _now_ns: int) -> bool:
    """An entry whose answer has not come counts as none."""
    return state.entry is None or state.entry.state is OrderState.IN_FLIGHT


def starts_afresh(engine: Engine) -> Engine:
    """No journal: a restart knows nothing of the run before."""
    (trader,) = engine.traders.values()
    state = trader.state
    return Engine([Plan(state.setup, SESSION, state.strategy)], engine.account.rules)


def always(*_args: object) -> bool:
    return True


def is_free_though_changing(order: Order) -> bool:
    return order.state in (OrderState.WORKING, OrderState.MODIFYING)


IN_FLIGHT_IS_ABSENT = {"has_no_entry_outstanding": in_flight_is_absent}
PHANTOMS_COUNT_FOR_NOTHING = {"has_nothing_undecided": always}


def entry_without(*replaced: Mapping[str, EntryGuard], is_still_wanted: bool = True) -> Scope:
    """The three walls behind which an entry in flight stands, each of which may be taken out."""
    entry = dict(ENTRY_GUARDS)
    for guards in replaced:
        entry.update(guards)
    table = replace(STANDARD, entry=entry)
    if not is_still_wanted:
        table = replace(table, is_still_wanted=always)
    return scope(guards=table, prints=2)


WALLS = {
    "the mark in flight": entry_without(IN_FLIGHT_IS_ABSENT),
    "what is undecided": entry_without(PHANTOMS_COUNT_FOR_NOTHING),
    "the order's own slot": entry_without(is_still_wanted=False),
    "mark and undecided": entry_without(IN_FLIGHT_IS_ABSENT, PHANTOMS_COUNT_FOR_NOTHING),
    "mark and slot": entry_without(IN_FLIGHT_IS_ABSENT, is_still_wanted=False),
    "undecided and slot": entry_without(PHANTOMS_COUNT_FOR_NOTHING, is_still_wanted=False),
}
NO_WALL = entry_without(IN_FLIGHT_IS_ABSENT, PHANTOMS_COUNT_FOR_NOTHING, is_still_wanted=False)


def lacking(name: str, guard: object) -> Guards:
    """The table with one claim replaced."""
    return replace(STANDARD, **{name: guard})  # type: ignore[arg-type]  # the names are the table's own


LACKING: Mapping[str, tuple[Scope, str]] = {
    "an answer is about the order it was asked about": (
        scope(
            guards=lacking("order_asked_about", in_the_slot_now), faults=("refuse", "answer twice"), prints=2
        ),
        "was refused (no) after it had been seen",
    ),
    "a timeout is no failure": (
        scope(engine=Hasty, faults=("hold call",), prints=2),
        "was refused (no answer in time) after it had been seen",
    ),
    "absence counts after the settle time": (
        scope(rules=replace(RULES, settle_ns=0), faults=("hold call",)),
        "4 shares are for sale, 2 are held",
    ),
    "a restart knows the journal": (
        replace(scope(), recover=starts_afresh, crashes=1),
        "the journal does not know it",
    ),
    "an entry looks at no old position": (
        replace(scope(guards=lacking("books_allow_entry", lambda state: state.account_net == 0)), hands=1),
        "leaves although the stream has told of shares that the account holds",
    ),
    "an entry looks at the account": (
        replace(scope(guards=lacking("books_allow_entry", always)), hands=1),
        "leaves although",
    ),
    "a stop in flight counts as present": (
        scope(guards=lacking("may_place_stop", always), prints=2),
        "4 shares are for sale, 2 are held",
    ),
    "an exit waits for the end of the stop": (
        scope(guards=lacking("may_place_exit", always), prints=2),
        "an exit beside an entry or a stop",
    ),
    "an order ends by proof only": (
        scope(guards=lacking("may_forget", is_seen_to_end), faults=("take away",), prints=2),
        "is believed ending",
    ),
    "no more is sold than is held": (
        scope(
            guards=lacking("shares_to_close", lambda state, _side: state.planned), faults=("thin",), prints=2
        ),
        "2 shares are for sale, 1 are held",
    ),
    "one change at a time": (
        scope(
            guards=lacking("is_modify_free", is_free_though_changing), faults=("thin", "hold call"), prints=2
        ),
        "MODIFY_SENT is impossible while modify in flight",
    ),
    "a stop only rises": (
        replace(scope(guards=lacking("may_raise", lambda old, new: old != new), prints=2), bars=1),
        "the stop lies below the initial stop",
    ),
}
"""What is taken out, where that is tried, and the promise that is broken then."""
