"""What is asked of a server before anything trades there, and what the answers mean.

Owns the order of the questions and the words of each finding. Every judgement is a pure function of an
answer, or of the error that came in its place; the runner at the end only asks. It must never place an order,
and it never decides that trading may begin: the worst finding's exit code says what was found.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from enum import Enum
from typing import Final, Protocol, TypeAlias, TypeVar

from olaf_async.adapters.openalgo.broker import OpenAlgoBroker
from olaf_async.adapters.openalgo.limits import Urgency
from olaf_async.adapters.openalgo.rest import OpenAlgoRest
from olaf_async.adapters.openalgo.wire import requests
from olaf_async.adapters.openalgo.wire.answers import Funds, Hours, SymbolInfo
from olaf_async.domain.events import Mode, Verb
from olaf_async.domain.intents import CancelOrder
from olaf_async.domain.order import Role
from olaf_async.domain.price import Paise, to_text
from olaf_async.domain.setup import Direction, Setup
from olaf_async.errors import BrokerError, BrokerRejected, BrokerUnreachable, SessionExpired
from olaf_async.ports.broker import AccountNews, Books
from olaf_async.ports.clock import Clock

EXIT_UNREACHABLE: Final = 1
EXIT_SETTINGS: Final = 3
EXIT_UNSAFE: Final = 4

SKEW_S_WARN: Final = 2.0
"""A server tells its time in whole seconds, so a smaller difference cannot be told from none."""
SKEW_S_MAX: Final = 30.0
"""Past it one of the two clocks does not know when the session ends."""
NO_ORDER: Final = "olaf-asks-whether-orders-need-approval"
"""The id of an order that does not exist."""
INTRADAY_LEVERAGE: Final = 5
"""What intraday positions in shares are commonly margined at; only used to warn."""

_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000
_T = TypeVar("_T")


class Grade(Enum):
    """What a finding means for the start."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question. ``text`` says what was found and, unless it is fine, what to do."""

    name: str
    grade: Grade
    text: str
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the day needs of the server.

    ``is_trading`` False: only its prices are wanted. ``hours_ns`` are the exchange's by our own calendar,
    None where every day counts as a session. ``quantity`` is of setups that give none.
    """

    host: str
    setups: tuple[Setup, ...]
    day: date
    zone: tzinfo
    hours_ns: tuple[int, int] | None
    exchange: str = "NSE"
    product: str = "MIS"
    quantity: int = 1
    require_analyzer: bool | None = None
    is_trading: bool = True


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found, in the order asked; ``mode`` is None where that could not be learnt."""

    findings: tuple[Finding, ...]
    mode: Mode | None

    @property
    def exit_code(self) -> int:
        """0 where the start may go on; else that of the gravest failure."""
        return max((finding.exit_code for finding in self.findings), default=0)


class Server(Protocol):
    """The questions. Each raises a BrokerError where there is no answer."""

    async def ping(self) -> str:
        """The broker's name; needs the key and the broker's session."""
        ...

    async def search(self, query: str) -> None:
        """Needs the key alone."""
        ...

    async def analyzer(self) -> Mode:
        """Where orders go."""
        ...

    async def cancel_nothing(self) -> None:
        """Ask to cancel an order that does not exist. Raises, always: how tells the order mode."""
        ...

    async def skew_s(self) -> float | None:
        """How far the server's clock is ahead of ours; None where it tells no time."""
        ...

    async def timings(self, day: date) -> tuple[Hours, ...]:
        """The exchanges' hours."""
        ...

    async def symbol_info(self, symbol: str) -> SymbolInfo:
        """A row of the master contract."""
        ...

    async def funds(self) -> Funds | None:
        """The account's money."""
        ...

    async def books(self, mode: Mode) -> Books:
        """All three books of the account that orders of this mode go to."""
        ...


Answer: TypeAlias = _T | BrokerError
"""What came back, or why nothing did."""


# --- judgements -------------------------------------------------------------------------------------------


def judge_reachable(pong: Answer[str], host: str) -> Finding:
    """Whether an OpenAlgo server answers there at all; one that refuses the key does."""
    name = "reachable"
    match pong:
        case str() | SessionExpired():
            return Finding(name, Grade.OK, f"{host} answers")
        case BrokerUnreachable():
            text = f"nobody answers at {host}: start OpenAlgo there, or correct broker.host ({pong})"
        case BrokerRejected():
            text = f"what answers at {host} is no OpenAlgo server: correct broker.host ({pong})"
        case _:
            text = f"{host} gives no proper answer: look at that server and at broker.host ({pong})"
    return Finding(name, Grade.FAIL, text, EXIT_UNREACHABLE)


def judge_key(pong: Answer[str], found: Answer[None]) -> Finding:
    """A wrong key and a broker session that has ended are refused alike; a search needs no session."""
    if isinstance(pong, SessionExpired) and isinstance(found, SessionExpired):
        text = (
            "the server does not know this key: create one in OpenAlgo and put it into OLAF_BROKER__API_KEY"
        )
        return Finding("key", Grade.FAIL, text, EXIT_SETTINGS)
    return Finding("key", Grade.OK, "accepted")


def judge_session(pong: Answer[str]) -> Finding:
    """Whether the server is logged in to its broker."""
    if isinstance(pong, str):
        return Finding("broker session", Grade.OK, f"logged in to {pong}")
    text = f"the server is not logged in to its broker ({pong}): log in there, then start again"
    return Finding("broker session", Grade.FAIL, text, EXIT_UNREACHABLE)


def judge_mode(mode: Answer[Mode], wanted: Wanted) -> Finding:
    """Whether orders go where the settings say they must."""
    name = "analyzer mode"
    if isinstance(mode, BrokerError):
        text = f"cannot be told ({mode}), so it is unknown where orders would go: do not trade"
        return Finding(name, Grade.FAIL, text, EXIT_UNSAFE)
    is_analyzer = mode is Mode.ANALYZE
    where = "simulated by the server" if is_analyzer else "sent to the real broker"
    if wanted.require_analyzer in (None, is_analyzer):
        return Finding(name, Grade.OK, f"{'on' if is_analyzer else 'off'}: orders are {where}")
    text = (
        f"orders would be {where}, and broker.require_analyzer = {str(not is_analyzer).lower()} forbids it: "
        f"switch the analyzer {'off' if is_analyzer else 'on'} in OpenAlgo, or change the setting"
    )
    return Finding(name, Grade.FAIL, text, EXIT_UNSAFE)


def judge_order_mode(refusal: BrokerError | None) -> Finding:
    """Whether orders wait for a person's approval: the server then refuses every cancel before it looks."""
    name = "order mode"
    if refusal is not None and "semi-auto" in str(refusal).lower():
        text = (
            "semi-auto: every order would wait for a person, and stops could be neither moved nor cancelled: "
            "switch the key to auto in OpenAlgo"
        )
        return Finding(name, Grade.FAIL, text, EXIT_UNSAFE)
    if isinstance(refusal, BrokerRejected):
        return Finding(name, Grade.OK, "auto: orders go out at once")
    # A live broker's own answer to a cancel of nothing is anything; it was asked, so nobody has to approve.
    return Finding(name, Grade.OK, f"not semi-auto, as far as the server tells ({refusal})")


def judge_clock(skew_s: Answer[float | None]) -> Finding:
    """Whether both clocks show the same time; which of them is wrong cannot be told."""
    if skew_s is None or isinstance(skew_s, BrokerError):
        return Finding("clock", Grade.WARN, "the server tells no time: make sure that ours is right")
    size = f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} ours"
    if abs(skew_s) > SKEW_S_MAX:
        return Finding("clock", Grade.FAIL, f"the server's is {size}: correct the wrong one", EXIT_UNSAFE)
    if abs(skew_s) > SKEW_S_WARN:
        return Finding("clock", Grade.WARN, f"the server's is {size}: correct the wrong one")
    return Finding("clock", Grade.OK, "agrees with the server's")


def judge_calendar(hours: Answer[Sequence[Hours]], wanted: Wanted) -> Finding:
    """What the server says of the day's hours. It is advisory: known to be wrong about special sessions."""
    name = "calendar"
    if isinstance(hours, BrokerError):
        return Finding(name, Grade.WARN, f"the server does not tell its hours ({hours}); ours count")
    theirs = next((each for each in hours if each.exchange == wanted.exchange), None)
    told = "closed"
    if theirs is not None:
        told = _hours_text(theirs.start_ms * _NS_PER_MS, theirs.end_ms * _NS_PER_MS, wanted.zone)
    if wanted.hours_ns is None:
        return Finding(name, Grade.OK, f"every day is a session here; the server says {told}")
    ours = _hours_text(*wanted.hours_ns, wanted.zone)
    if ours == told:
        return Finding(name, Grade.OK, f"{ours}, as the server has it")
    text = f"ours says {ours}, the server's {told} for {wanted.day}; ours counts: make sure that it is right"
    return Finding(name, Grade.WARN, text)


def judge_tick(setup: Setup, info: Answer[SymbolInfo]) -> Finding:
    """Whether every price of a setup is one the exchange takes.

    Master contracts write a tick in rupees with most brokers and in paise with some, so both are tried.
    """
    grade, text = Grade.OK, to_text(setup.tick_size)
    written = None if isinstance(info, BrokerError) else info.tick_size
    if isinstance(info, BrokerRejected):
        grade = Grade.FAIL
        text = f"not in the server's master contract ({info}): correct the setups, or download it there"
    elif written is None or written <= 0:
        why = f"cannot be asked ({info})" if isinstance(info, BrokerError) else "the server knows none"
        grade, text = Grade.WARN, f"{why}; the setup's {text} counts"
    elif setup.tick_size == written:
        text += f" (the server writes {written}, in paise)"
    elif setup.tick_size % (written * 100) != 0:
        is_finer_in_paise = written % 1 == 0 and setup.tick_size % written == 0
        grade = Grade.WARN if is_finer_in_paise else Grade.FAIL
        text = f"the setup says {text}, the server writes {written}: " + (
            "fine if it means paise; make sure"
            if is_finer_in_paise
            else "orders would be refused; correct the setup"
        )
    exit_code = EXIT_SETTINGS if grade is Grade.FAIL else 0
    return Finding("tick size", grade, f"{setup.symbol}: {text}", exit_code)


def judge_ticks(setups: Sequence[Setup], infos: Sequence[Answer[SymbolInfo]]) -> Finding:
    """All symbols' ticks in one finding: what is wrong, or else how many are right."""
    found = [judge_tick(setup, info) for setup, info in zip(setups, infos, strict=True)]
    worst = max((each.grade for each in found), key=list(Grade).index)
    if worst is Grade.OK:
        return Finding("tick sizes", worst, f"agree with the server's in all symbols ({len(found)})")
    told = "; ".join(each.text for each in found if each.grade is worst)
    return Finding("tick sizes", worst, told, max(each.exit_code for each in found))


def judge_product(wanted: Wanted) -> Finding:
    """Whether the exchange takes this product at all, and for what is to be done with it."""
    product, exchange = wanted.product, wanted.exchange
    is_shares = exchange in ("NSE", "BSE")
    if is_shares and product == "NRML":
        text = "NRML is not for shares: set broker.product to MIS"
    elif not is_shares and product == "CNC":
        text = f"CNC is not for {exchange}: set broker.product to MIS or NRML"
    elif product == "CNC" and any(setup.direction is Direction.SHORT for setup in wanted.setups):
        text = "CNC cannot be sold short, and there are short setups: set broker.product to MIS"
    elif product != "MIS":
        text = f"{product}: what is left open at the close is carried on, the broker closes nothing"
        return Finding("product", Grade.WARN, text)
    else:
        return Finding("product", Grade.OK, f"{product} on {exchange}")
    return Finding("product", Grade.FAIL, text, EXIT_SETTINGS)


def judge_funds(funds: Answer[Funds | None], wanted: Wanted) -> Finding:
    """Whether the dearest entry could be paid for. Money does no harm by its absence: only a warning."""
    if funds is None or isinstance(funds, BrokerError):
        why = "the server could not learn it" if funds is None else str(funds)
        return Finding("funds", Grade.WARN, f"unknown ({why}): look at the broker's own page")
    leverage = INTRADAY_LEVERAGE if wanted.product == "MIS" else 1
    values = (setup.entry_price * (setup.quantity or wanted.quantity) for setup in wanted.setups)
    needed: Paise = max(values, default=0) // leverage
    if funds.available < needed:
        lacking = f"the dearest entry needs some {to_text(needed)}: add money"
        return Finding("funds", Grade.WARN, f"{to_text(funds.available)} available, {lacking}")
    return Finding("funds", Grade.OK, f"{to_text(funds.available)} available")


def judge_books(books: Answer[Books], symbols: Iterable[str]) -> Finding:
    """Whether orders, trades and positions can be read; without them nothing is ever known for certain."""
    if isinstance(books, BrokerError):
        text = f"cannot be read ({books}): do not trade before OpenAlgo shows orders, trades and positions"
        return Finding("books", Grade.FAIL, text, EXIT_UNSAFE)
    traded = set(symbols)
    held = [row for row in books.positions if row.quantity and row.symbol in traded]
    if held:
        told = ", ".join(f"{row.quantity} {row.symbol}" for row in held)
        text = f"the account holds {told} already: what Olaf did not open it leaves alone"
        return Finding("books", Grade.WARN, text)
    counts = f"orders {len(books.orders)}, trades {len(books.trades)}, positions {len(books.positions)}"
    return Finding("books", Grade.OK, f"readable: {counts}")


def _hours_text(start_ns: int, end_ns: int, zone: tzinfo) -> str:
    """The hours with their day: a table that is a year behind shows the right clock and the wrong date."""
    start, end = (datetime.fromtimestamp(ns // _NS_PER_S, zone) for ns in (start_ns, end_ns))
    return f"{start:%Y-%m-%d %H:%M} to {end:%H:%M}"


# --- asking -----------------------------------------------------------------------------------------------


class RestServer:
    """The questions put to a real server."""

    def __init__(self, rest: OpenAlgoRest, clock: Clock) -> None:
        self.ping = rest.ping
        self.search = rest.search
        self.analyzer = rest.analyzer
        self.timings = rest.timings
        self.symbol_info = rest.symbol_info
        self.funds = rest.funds
        self._rest = rest
        self._clock = clock

    async def cancel_nothing(self) -> None:
        """See Server. No broker gives such an id, so nothing can come of it but a refusal."""
        nothing = CancelOrder("", 0, "", Role.ENTRY, NO_ORDER)
        request = requests.cancel(self._rest.access, nothing)
        verdict = await self._rest.write(Verb.CANCEL, request, Urgency.ENTRY)
        if isinstance(verdict.result, BrokerError):
            raise verdict.result

    async def skew_s(self) -> float | None:
        """See Server; every answer carries the server's time."""
        await self._rest.ping()
        return self._rest.server_ahead_s

    async def books(self, mode: Mode) -> Books:
        """See Server."""
        return await OpenAlgoBroker(self._rest, _no_news, self._clock, mode).books()


async def _no_news() -> AsyncGenerator[AccountNews, None]:
    nothing: tuple[AccountNews, ...] = ()
    for news in nothing:
        yield news


async def examine(server: Server, wanted: Wanted, tell: Callable[[Finding], None]) -> Findings:
    """Ask everything in order, telling each finding at once; without a session there is nothing more to ask.

    Yields: always.
    """
    found: list[Finding] = []

    def note(finding: Finding) -> bool:
        found.append(finding)
        tell(finding)
        return finding.grade is not Grade.FAIL

    pong = await _ask(server.ping())
    searched = await _ask(server.search(_a_symbol(wanted))) if isinstance(pong, SessionExpired) else None
    is_usable = (
        note(judge_reachable(pong, wanted.host))
        and note(judge_key(pong, searched))
        and note(judge_session(pong))
    )
    mode = await _ask_as_trader(server, wanted, note) if is_usable and wanted.is_trading else None
    if is_usable:
        await _ask_as_watcher(server, wanted, note)
    if mode is not None:
        note(judge_product(wanted))
        note(judge_funds(await _ask(server.funds()), wanted))
        note(judge_books(await _ask(server.books(mode)), (setup.symbol for setup in wanted.setups)))
    return Findings(tuple(found), mode)


async def _ask_as_trader(server: Server, wanted: Wanted, note: Callable[[Finding], bool]) -> Mode | None:
    """Where orders would go, and whether at once."""
    mode = await _ask(server.analyzer())
    note(judge_mode(mode, wanted))
    refusal = await _ask(server.cancel_nothing())
    note(judge_order_mode(refusal))
    return None if isinstance(mode, BrokerError) else mode


async def _ask_as_watcher(server: Server, wanted: Wanted, note: Callable[[Finding], bool]) -> None:
    """What also counts where only prices are wanted."""
    note(judge_clock(await _ask(server.skew_s())))
    note(judge_calendar(await _ask(server.timings(wanted.day)), wanted))
    if wanted.setups:
        infos = [await _ask(server.symbol_info(setup.symbol)) for setup in wanted.setups]
        note(judge_ticks(wanted.setups, infos))


async def _ask(answer: Awaitable[_T]) -> _T | BrokerError:
    try:
        return await answer
    except BrokerError as error:
        return error


def _a_symbol(wanted: Wanted) -> str:
    return wanted.setups[0].symbol if wanted.setups else wanted.exchange
