"""An audit put together: whose books, which journal, and what of them nobody can show.

Owns where the rows come from: today's books of the server, or the books as the broker last told them and the
journal kept them. It must never write to the account, nor judge by itself.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Final

from olaf_async.adapters.journal.codec import Account as KeptAccount
from olaf_async.adapters.journal.reading import Reading, read
from olaf_async.adapters.openalgo.rest import OpenAlgoRest
from olaf_async.adapters.openalgo.wire import answers, requests
from olaf_async.adapters.openalgo.wire.dated import Dated, dated_orders, dated_trades
from olaf_async.adapters.openalgo.wire.rows import Scope
from olaf_async.app.connections import api_key, new_rest, today
from olaf_async.app.journal import day_file
from olaf_async.app.rules import EXCHANGE_ZONE
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import Mode, OrderRow
from olaf_async.domain.order import Side
from olaf_async.domain.setup import Direction
from olaf_async.errors import BrokerUndecided, ConfigError, JournalError
from olaf_async.ports.clock import Clock
from olaf_async.research.audit.account import Account, Case, Promise, Proof, SymbolPlan, Verdict
from olaf_async.research.audit.judge import judge, others, unordered
from olaf_async.research.audit.witness import Witness, listen
from olaf_async.settings import Settings

SECOND_LOOK_NS: Final = 2 * SECOND_NS
"""A fill may be in one book and not yet in the next; what looks broken is looked at again so much later."""


class Outcome(Enum):
    """What an audit comes to."""

    SAFE = "safe"
    UNSAFE = "not safe"
    UNPROVED = "not proved"


@dataclass(frozen=True, slots=True)
class Audit:
    """The judgement on a day. ``said`` is where the rows come from, and what they cannot show."""

    day: date
    books: str
    case: Case
    proofs: tuple[Proof, ...]
    others: tuple[Dated[OrderRow], ...]
    said: tuple[str, ...]

    @property
    def outcome(self) -> Outcome:
        """Whether every promise was kept, one was broken, or one can be neither shown nor denied."""
        verdicts = {proof.verdict for proof in self.proofs}
        if Verdict.BROKEN in verdicts:
            return Outcome.UNSAFE
        return Outcome.UNPROVED if Verdict.NOT_SHOWN in verdicts else Outcome.SAFE

    def verdict(self, promise: Promise) -> Verdict:
        """What became of one promise."""
        return next(proof.verdict for proof in self.proofs if proof.promise is promise)


@dataclass(frozen=True, slots=True)
class _Books:
    """The server's books, and how many rows of them are of another day."""

    account: Account
    mode: Mode
    of_other_days: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """A day's journal in which a run began: the file, and what it testifies."""

    reading: Reading
    witness: Witness


async def audit(
    settings: Settings, day: date, clock: Clock, *, setups: Path | None = None, from_journal: bool = False
) -> Audit:
    """Judge a day. Yields: where the server is asked.

    Raises:
        ConfigError: there is neither a journal nor a setups file, or the journal is of another account.
        JournalError: the journal is not as it was written.
        BrokerError: the server's books cannot be read.
    """
    auditor = _Auditor(settings, day)
    if settings.mode == "live" and day == today(settings, clock) and not from_journal:
        return await auditor.of_the_server(clock, setups or settings.setups_file)
    return auditor.of_the_journal("as asked" if from_journal else "")


class _Auditor:
    """One day, and the settings that say where its books and its journal are."""

    def __init__(self, settings: Settings, day: date) -> None:
        self._settings = settings
        self._day = day
        self._path = day_file(settings, day)

    # --- the server's books -----------------------------------------------------------------------

    async def of_the_server(self, clock: Clock, setups: Path | None) -> Audit:
        """Judge the books as they are now; what looks broken is looked at again."""
        kept = self._kept()
        if kept is None and setups is None:
            raise ConfigError(
                f"{self._nothing_kept()} to tell which orders were ours. With --setups FILE all orders in"
                " its symbols are judged"
            )
        if kept is not None:
            self._check_account(kept.witness)
        async with new_rest(self._settings, clock) as rest:
            made = await self._asked(rest, kept, setups)
            if made.outcome is Outcome.UNSAFE:
                await clock.sleep_until_ns(clock.now_ns() + SECOND_LOOK_NS)
                made = await self._asked(rest, self._kept(), setups)
        return made

    async def _asked(self, rest: OpenAlgoRest, kept: _Kept | None, setups: Path | None) -> Audit:
        books = await self._books(rest)
        said = [f"{books.of_other_days} rows of another day were left out"] if books.of_other_days else []
        if kept is None:
            assert setups is not None, "something says what was traded"
            case = self._case_of_setups(books.account, setups)
            tag = self._settings.broker.strategy
            said.append(f"there is no journal: orders here with the tag {tag!r}, or with none, count as ours")
        else:
            traded_in = kept.witness.header.account.mode
            if traded_in != books.mode.value:
                raise BrokerUndecided(
                    f"the server is in {books.mode.value} mode now, and the day was traded in {traded_in}"
                    " mode: switch it back"
                )
            case = kept.witness.case(books.account, is_over=not kept.reading.is_live)
            said += self._said_of(kept, case)
        counts = f"orders {len(books.account.orders):,}, executions {len(books.account.trades):,}"
        told = f"{self._settings.broker.host}, asked now ({books.mode.value} mode): {counts}"
        return self._judged(told, case, said)

    async def _books(self, rest: OpenAlgoRest) -> _Books:
        """All three books, each asked for after the answer to the one before."""
        access = rest.access
        scope = Scope(access.exchange, access.product)
        read_orders = partial(dated_orders, scope=scope, day=self._day, zone=EXCHANGE_ZONE)
        read_trades = partial(dated_trades, scope=scope, day=self._day, zone=EXCHANGE_ZONE)
        orders = await rest.read(requests.order_book(access), read_orders)
        trades = await rest.read(requests.trade_book(access), read_trades)
        held = await rest.read(requests.position_book(access), partial(answers.position_book, scope=scope))
        if not orders.mode is trades.mode is held.mode:
            raise BrokerUndecided("the server's mode was switched while its books were read")
        account = Account(orders.rows, trades.rows, held.rows)
        return _Books(account, orders.mode, orders.of_other_days + trades.of_other_days)

    def _check_account(self, witness: Witness) -> None:
        """See that the server we would ask is the one that the journal is of."""
        kept = witness.header.account
        broker = self._settings.broker
        now = KeptAccount.of(kept.mode, broker.host, api_key(self._settings), broker.product)
        if now != kept:
            raise ConfigError(
                f"the journal of {self._day} is of another account than the settings name"
                f" ({kept.differs_by(now)}): put them back, or audit with --from-journal"
            )

    def _case_of_setups(self, account: Account, setups: Path) -> Case:
        """Without a journal: all orders in the setups' symbols, where a book has tags those with ours."""
        from olaf_async.app.live import plans_of_day

        settings = self._settings
        plans = {
            plan.setup.symbol: SymbolPlan(
                plan.setup.symbol,
                Side.BUY if plan.setup.direction is Direction.LONG else Side.SELL,
                plan.setup.quantity or settings.risk.quantity,
                plan.setup.tick_size,
                settings.strategy.max_attempts,
            )
            for plan in plans_of_day(settings, setups, self._day).plans
        }
        ours = {
            order.row.order_id: order.row.symbol
            for order in account.orders
            if order.row.symbol in plans and order.tag in ("", settings.broker.strategy)
        }
        budget_ns = int(settings.risk.unprotected_s_max * SECOND_NS)
        return Case(account, plans, frozenset(ours), budget_ns, known_ids=ours)

    # --- the journal's books ----------------------------------------------------------------------

    def of_the_journal(self, why: str) -> Audit:
        """Judge the broker's own words as they were last read and kept; ``why`` not those of now."""
        kept, why = self._kept(), why or self._why_kept()
        if kept is None:
            raise ConfigError(f"{self._nothing_kept()}, and {self._why_kept()}")
        witness, books = kept.witness, kept.witness.last_books
        if books is None:
            raise ConfigError(f"{self._path} has no read of the books: nothing can be shown of {self._day}")
        case = witness.case(witness.account, is_over=not kept.reading.is_live, asked_ns=books.asked_ns)
        at = self._clock(books.at_ns)
        told = f"as last read at {at}, kept in {self._path} (record {witness.last_books_seq})"
        said = [f"the broker's books are from the journal: {why}", *self._said_of(kept, case)]
        made = self._judged(told, case, said)
        if witness.is_read_to_the_end or kept.reading.is_live:
            return made
        return replace(made, proofs=tuple(_not_to_the_end(proof, at) for proof in made.proofs))

    def _kept(self) -> _Kept | None:
        """The day's journal; None where there is none, or no run began in it."""
        if not self._path.is_file():
            return None
        reading = read(self._path)
        if reading.is_altered:
            raise JournalError(f"{self._path} is not as it was written: {reading.faults[0].text}")
        witness = listen(reading.records)
        return None if witness is None else _Kept(reading, witness)

    def _nothing_kept(self) -> str:
        if self._path.is_file():
            return f"no run began in the journal of {self._day}"
        return f"there is no journal of {self._day} in {self._settings.journal.dir}"

    def _why_kept(self) -> str:
        """Why the books of another day, or of the paper broker, can only be had from a journal."""
        if self._settings.mode == "paper":
            return "the paper broker's books are only in its process"
        return "OpenAlgo's books are only of today"

    # --- what is said -----------------------------------------------------------------------------

    def _said_of(self, kept: _Kept, case: Case) -> list[str]:
        """What the journal was needed for, and what it cannot show either."""
        said = [
            "from the journal: which orders are ours, plan, tick sizes, each price sent, and milliseconds"
        ]
        if kept.reading.faults:
            said.append(f"the journal is whole only up to its end: {kept.reading.faults[0].text}")
        if kept.reading.is_live:
            said.append("the engine is running: what is still open is not held against it")
        said += [
            f"nobody watched from {self._clock(begin_ns)} to {self._clock(end_ns)}: what was filled then"
            " counts from when it was heard of"
            for begin_ns, end_ns in kept.witness.gaps
        ]
        lost = kept.witness.never_arrived(case.account)
        if lost:
            said.append(f"{lost} of our orders had no answer and are in no book: they never arrived")
        return said

    def _judged(self, books: str, case: Case, said: list[str]) -> Audit:
        made = Audit(self._day, books, case, judge(case), others(case), tuple(said))
        shared = unordered(case)
        if not shared or made.verdict(Promise.ONE_POSITION) is not Verdict.KEPT:
            return made
        told = f"{shared} executions share their time with another: some order of them is safe"
        return replace(made, said=(*made.said, told))

    def _clock(self, at_ns: int) -> str:
        return f"{datetime.fromtimestamp(at_ns // SECOND_NS, self._settings.session.zone):%H:%M:%S}"


def _not_to_the_end(proof: Proof, at: str) -> Proof:
    if proof.promise is not Promise.NOTHING_LEFT or proof.verdict is Verdict.BROKEN:
        return proof
    why = f"orders moved after the last read ({at})"
    return replace(proof, verdict=Verdict.NOT_SHOWN, measured=why)
