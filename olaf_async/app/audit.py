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


@dataclass(frozen=True, slots=True)
class _Books:
    """The server's books, and how many rows of them are of another day."""

    account: Account
    mode: Mode
    of_other_days: int


async def audit(
    settings: Settings, day: date, clock: Clock, *, setups: Path | None = None, from_journal: bool = False
) -> Audit:
    """Judge a day. Yields: where the server is asked.

    Raises:
        ConfigError: there is neither a journal nor a setups file, or the journal is of another account.
        JournalError: the journal is not as it was written.
        BrokerError: the server's books cannot be read.
    """
    reading, witness = _testimony(settings, day)
    if settings.mode == "live" and day == today(settings, clock) and not from_journal:
        return await _of_the_server(settings, day, clock, reading, witness, setups)
    if witness is None:
        begun = f"no run began in the journal of {day}" if reading is not None else _no_journal(settings, day)
        raise ConfigError(f"{begun}, and {_why_kept(settings)}")
    if witness.last_books is None:
        raise ConfigError(
            f"{day_file(settings, day)} has no read of the books: nothing can be shown of {day}"
        )
    assert reading is not None, "there is a witness"
    why = "as asked" if from_journal else _why_kept(settings)
    return _of_the_journal(settings, day, reading, witness, why)


def _testimony(settings: Settings, day: date) -> tuple[Reading | None, Witness | None]:
    """The day's journal, if there is one."""
    path = day_file(settings, day)
    if not path.is_file():
        return None, None
    reading = read(path)
    if reading.is_altered:
        raise JournalError(f"{path} is not as it was written: {reading.faults[0].text}")
    return reading, listen(reading.records)


def _no_journal(settings: Settings, day: date) -> str:
    return f"there is no journal of {day} in {settings.journal.dir}"


def _why_kept(settings: Settings) -> str:
    """Why the books of another day, or of the paper broker, can only be had from a journal."""
    if settings.mode == "paper":
        return "the paper broker's books ended with its process"
    return "OpenAlgo's books are only of today"


# ------------------------------------------------------------------------------------- the server's books


async def _of_the_server(
    settings: Settings,
    day: date,
    clock: Clock,
    reading: Reading | None,
    witness: Witness | None,
    setups: Path | None,
) -> Audit:
    setups = setups or settings.setups_file
    if witness is None and setups is None:
        raise ConfigError(
            f"{_no_journal(settings, day)} to tell which orders were ours. With --setups FILE all orders in"
            " its symbols are judged"
        )
    if witness is not None:
        _check_account(settings, witness, day)
    plans = _plans_of(settings, setups, day) if witness is None and setups is not None else {}
    async with new_rest(settings, clock) as rest:
        made = await _asked(settings, day, rest, reading, witness, plans)
        if made.outcome is Outcome.UNSAFE:
            await clock.sleep_until_ns(clock.now_ns() + SECOND_LOOK_NS)
            made = await _asked(settings, day, rest, reading, witness, plans)
    return made


async def _asked(
    settings: Settings,
    day: date,
    rest: OpenAlgoRest,
    reading: Reading | None,
    witness: Witness | None,
    plans: dict[str, SymbolPlan],
) -> Audit:
    books = await _books(day, rest)
    said = [f"{books.of_other_days} rows of another day were left out"] if books.of_other_days else []
    if witness is None:
        case = _case_without(settings, books.account, plans)
        tag = settings.broker.strategy
        said.append(f"there is no journal: orders here with the tag {tag!r}, or with none, count as ours")
    else:
        kept = witness.header.account.mode
        if kept != books.mode.value:
            raise BrokerUndecided(
                f"the server is in {books.mode.value} mode now, and the day was traded in {kept} mode:"
                " switch it back"
            )
        is_running = reading is not None and reading.is_live
        case = witness.case(books.account, is_over=not is_running)
        said += _said_of(witness, case, reading, settings)
    counts = f"orders {len(books.account.orders):,}, executions {len(books.account.trades):,}"
    told = f"{settings.broker.host}, asked now ({books.mode.value} mode): {counts}"
    return _judged(day, told, case, said)


async def _books(day: date, rest: OpenAlgoRest) -> _Books:
    """All three books, each asked for after the answer to the one before."""
    access, zone = rest.access, EXCHANGE_ZONE
    scope = Scope(access.exchange, access.product)
    orders = await rest.read(
        requests.order_book(access), partial(dated_orders, scope=scope, day=day, zone=zone)
    )
    trades = await rest.read(
        requests.trade_book(access), partial(dated_trades, scope=scope, day=day, zone=zone)
    )
    held = await rest.read(requests.position_book(access), partial(answers.position_book, scope=scope))
    if not orders.mode is trades.mode is held.mode:
        raise BrokerUndecided("the server's mode was switched while its books were read")
    account = Account(orders.rows, trades.rows, held.rows)
    return _Books(account, orders.mode, orders.of_other_days + trades.of_other_days)


def _check_account(settings: Settings, witness: Witness, day: date) -> None:
    """See that the server we would ask is the one that the journal is of."""
    kept = witness.header.account
    now = KeptAccount.of(kept.mode, settings.broker.host, api_key(settings))
    if now != kept:
        what = "server" if now.server != kept.server else "API key"
        raise ConfigError(
            f"the journal of {day} is of another {what} than the settings name ({kept.server}):"
            " put them back, or audit with --from-journal"
        )


def _plans_of(settings: Settings, setups: Path, day: date) -> dict[str, SymbolPlan]:
    from olaf_async.app.live import plans_of_day

    return {
        plan.setup.symbol: SymbolPlan(
            plan.setup.symbol,
            Side.BUY if plan.setup.direction is Direction.LONG else Side.SELL,
            plan.setup.quantity or settings.risk.quantity,
            plan.setup.tick_size,
            settings.strategy.max_attempts,
        )
        for plan in plans_of_day(settings, setups, day).plans
    }


def _case_without(settings: Settings, account: Account, plans: dict[str, SymbolPlan]) -> Case:
    ours = {
        order.row.order_id: order.row.symbol
        for order in account.orders
        if order.row.symbol in plans and order.tag in ("", settings.broker.strategy)
    }
    budget_ns = int(settings.risk.unprotected_s_max * SECOND_NS)
    return Case(account, plans, frozenset(ours), budget_ns, known_ids=ours)


# ------------------------------------------------------------------------------------- the journal's books


def _of_the_journal(settings: Settings, day: date, reading: Reading, witness: Witness, why: str) -> Audit:
    """The broker's own words, as they were last read and kept."""
    assert witness.last_books is not None, "there is a read of the books"
    read_ns = witness.last_books.asked_ns
    case = witness.case(witness.account, is_over=not reading.is_live, asked_ns=read_ns)
    at = _clock(witness.last_books.at_ns, settings)
    told = f"as last read at {at}, kept in {reading.path} (record {witness.last_books_seq})"
    said = [f"the broker's books are from the journal: {why}"]
    made = _judged(day, told, case, said + _said_of(witness, case, reading, settings))
    if witness.is_read_to_the_end or reading.is_live:
        return made
    return replace(made, proofs=tuple(_not_to_the_end(proof, at) for proof in made.proofs))


def _not_to_the_end(proof: Proof, at: str) -> Proof:
    if proof.promise is not Promise.NOTHING_LEFT or proof.verdict is Verdict.BROKEN:
        return proof
    why = f"orders moved after the last read ({at})"
    return replace(proof, verdict=Verdict.NOT_SHOWN, measured=why)


# ------------------------------------------------------------------------------------- what is said


def _said_of(witness: Witness, case: Case, reading: Reading | None, settings: Settings) -> list[str]:
    said = ["from the journal: which orders are ours, plan, tick sizes, each price sent, and milliseconds"]
    if reading is not None and reading.faults:
        said.append(f"the journal is torn, its records are whole up to there: {reading.faults[0].text}")
    if reading is not None and reading.is_live:
        said.append("the engine is running: what is still open is not held against it")
    said += [
        f"nobody watched from {_clock(begin_ns, settings)} to {_clock(end_ns, settings)}: what was filled"
        " then counts from when it was heard of"
        for begin_ns, end_ns in witness.gaps
    ]
    lost = witness.never_arrived(case.account)
    if lost:
        said.append(f"{lost} of our orders had no answer and are in no book: they never arrived")
    return said


def _judged(day: date, books: str, case: Case, said: list[str]) -> Audit:
    shared = unordered(case)
    if shared:
        said = [*said, f"{shared} executions share their time with another: some order of them is safe"]
    return Audit(day, books, case, judge(case), others(case), tuple(said))


def _clock(at_ns: int, settings: Settings) -> str:
    return f"{datetime.fromtimestamp(at_ns // SECOND_NS, settings.session.zone):%H:%M:%S}"
