"""A day executed again from its journal: the same code, told the same things, must want the same.

Every event and every question of the desk goes to a fresh engine, made from the first header, in the order
they were written; a later header begins another run of the same day, which goes on with what is known. The
engine must never be told anything else, and never reads a clock. The first difference ends it: whatever comes
after one proves nothing.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from olaf_async.adapters.journal.codec import Header
from olaf_async.core.engine import Drop, Engine, ReadFirst, Send, Verdict, Wait
from olaf_async.core.fingerprint import Stamp, fingerprint
from olaf_async.core.guards import STANDARD, Guards
from olaf_async.core.invariants import Check
from olaf_async.core.invariants import check as check_invariants
from olaf_async.core.past import Past
from olaf_async.domain.events import Event
from olaf_async.domain.intents import Intent, OrderIntent, PlaceOrder, ReportTrade
from olaf_async.domain.trade import Trade
from olaf_async.errors import ConfigError, JournalError
from olaf_async.ports.journal import Entry, NotSent, PutOff, Record


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the engine of today departs from that of the journal: what each says there."""

    record: Record
    written: str
    now: str


@dataclass(frozen=True, slots=True)
class Rerun:
    """What was compared, and the first difference if there was one."""

    runs: int
    events: int
    intents: int
    questions: int
    difference: Difference | None


def recover(
    records: Iterable[Record],
    *,
    guards: Guards = STANDARD,
    check: Check = check_invariants,
    stamp: Stamp = fingerprint,
) -> Past | None:
    """What the runs in this journal knew at its end; None where there has been none.

    Raises:
        JournalError: this version of Olaf does not come to the beliefs that the journal was written with.
    """
    rerunner = Rerunner(guards=guards, check=check, stamp=stamp)
    difference = rerunner.run(records).difference
    if difference is not None:
        raise JournalError(
            f"record {difference.record.seq} cannot be executed again: the journal says {difference.written},"
            f" this version {difference.now}; what is open is for a person to close"
        )
    return rerunner.past


class Rerunner:
    """One journal, executed again. ``guards``, ``check`` and ``stamp`` are those the engine ran with."""

    def __init__(
        self, *, guards: Guards = STANDARD, check: Check = check_invariants, stamp: Stamp = fingerprint
    ) -> None:
        self._guards = guards
        self._check = check
        self._stamp = stamp
        self._engine: Engine | None = None
        self._wanted: deque[Intent] = deque()
        self._told: Record | None = None
        self._belief = ""
        self._counts = dict.fromkeys(Entry, 0)
        self._unsent: dict[str, None] = {}
        self._trades: list[Trade] = []

    def run(self, records: Iterable[Record]) -> Rerun:
        """Execute the records in their order, up to the first difference."""
        steps = filter(None, map(self._step, records))
        difference = next(steps, None) or self._left_over("the journal ends")
        counts = self._counts
        asked = counts[Entry.SENDING] + counts[Entry.PUT_OFF] + counts[Entry.NOT_SENT]
        return Rerun(counts[Entry.HEADER], counts[Entry.EVENT], counts[Entry.INTENT], asked, difference)

    @property
    def past(self) -> Past | None:
        """What the next run goes on from."""
        if self._engine is None:
            return None
        return Past(self._engine, tuple(self._trades), tuple(self._unsent))

    def _step(self, record: Record) -> Difference | None:
        entry, body = record.entry, record.body
        is_of_the_core = entry is not Entry.NOT_SENT or (isinstance(body, NotSent) and body.is_refused)
        self._counts[entry] += is_of_the_core
        self._note(record)
        if entry is not Entry.INTENT and (left := self._left_over("nothing more was wanted")):
            return left
        match entry:
            case Entry.HEADER:
                assert isinstance(body, Header), "a header's record holds the header"
                return self._begin(record, body)
            case Entry.EVENT:
                assert isinstance(body, Event), "an event's record holds the event"
                return self._tell(record, body)
            case Entry.INTENT:
                wanted = self._wanted.popleft() if self._wanted else None
                return _compare(record, body, wanted)
            case Entry.SENDING | Entry.PUT_OFF | Entry.NOT_SENT if is_of_the_core:
                return self._ask(record)
        return None

    def _begin(self, record: Record, header: Header) -> Difference | None:
        """A run after the first goes on with what that one knew."""
        plans = [plan.plan() for plan in header.plans]
        if self._engine is None:
            self._engine = Engine(plans, header.rules, self._guards, self._check)
            return None
        try:
            self._engine.carry_on(plans, header.rules)
        except ConfigError as error:
            return Difference(record, "the day goes on", str(error))
        return None

    def _note(self, record: Record) -> None:
        """Keep what the next run has to be told of this one."""
        match record.entry, record.body:
            case Entry.SENDING, PlaceOrder(key=key):
                self._unsent.pop(key, None)
            case Entry.NOT_SENT, NotSent(PlaceOrder(key=key), is_refused=False):
                self._unsent[key] = None
            case Entry.INTENT, ReportTrade(trade):
                self._trades.append(trade)
            case _:
                pass

    def _tell(self, record: Record, event: Event) -> Difference | None:
        engine = self._engine
        if engine is None:
            return Difference(record, repr(event), "there is no header before it")
        self._told = record
        try:
            self._wanted.extend(engine.handle(event))
        except Exception as crash:  # noqa: BLE001 -- a crash of the day has to come again, and is told
            if record.fingerprint is None:
                return None
            return Difference(record, "the core took it in", f"the core crashes: {crash!r}")
        if record.fingerprint is None:
            return Difference(record, "the core crashed", "the core takes it in")
        self._belief = self._stamp(engine)
        return None

    def _left_over(self, written: str) -> Difference | None:
        """What is still different about the last event once its intents have been compared.

        A command says more than a fingerprint, so that is looked at last.
        """
        told, self._told = self._told, None
        if told is None:
            return None
        if self._wanted:
            return Difference(told, written, f"also wanted: {self._wanted[0]}")
        if told.fingerprint is not None and told.fingerprint != self._belief:
            return Difference(told, f"belief {told.fingerprint}", f"belief {self._belief}")
        return None

    def _ask(self, record: Record) -> Difference | None:
        asked, answer = _question(record)
        if self._engine is None:
            return Difference(record, repr(answer), "there is no header before it")
        try:
            now: Verdict = self._engine.admit(asked, record.at_ns)
        except Exception as crash:  # noqa: BLE001 -- as above
            now = Drop(f"the core crashed: {crash!r}")
        return _compare(record, answer, now)


def _question(record: Record) -> tuple[OrderIntent, Verdict]:
    """What the desk asked, and what the core answered.

    A SENDING holds the terms admitted; asked with these, the core admits them too.
    """
    match record.body:
        case PutOff(intent, until_ns):
            return intent, ReadFirst() if until_ns is None else Wait(until_ns)
        case NotSent(intent, why):
            return intent, Drop(why)
        case intent:
            assert isinstance(intent, OrderIntent), "a sending holds an order intent"
            return intent, Send(intent)


def _compare(record: Record, written: object, now: object) -> Difference | None:
    return None if written == now else Difference(record, repr(written), repr(now))
