"""The start-up checks: what each answer of a server means, and in which order it is asked."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from olaf_async.adapters.clock import SystemClock
from olaf_async.adapters.openalgo.checks import Finding, Findings, Grade, RestServer, Wanted, examine
from olaf_async.adapters.openalgo.rest import OpenAlgoRest
from olaf_async.adapters.openalgo.wire.answers import Funds, Hours, SymbolInfo
from olaf_async.adapters.openalgo.wire.requests import Access
from olaf_async.adapters.paper.exchange import PaperRules
from olaf_async.adapters.paper.server.desk import PaperDesk
from olaf_async.adapters.paper.server.running import running
from olaf_async.domain.events import Mode, PositionRow
from olaf_async.domain.setup import Direction, Setup
from olaf_async.errors import BrokerRejected, BrokerUndecided, BrokerUnreachable, SessionExpired
from olaf_async.ports.broker import Books

INDIA = ZoneInfo("Asia/Kolkata")
MONDAY = date(2026, 11, 23)
HOST = "http://127.0.0.1:5000"
RICH = Funds(1_000_000_00, 0)
EMPTY = Books((), (), ())
SEMI_AUTO = "Cancel order is not allowed in Semi-Auto mode"


def ms(clock: str, day: date = MONDAY) -> int:
    return int(datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=INDIA).timestamp()) * 1000


NSE_HOURS = Hours("NSE", ms("09:15"), ms("15:30"))


def setup_of(symbol: str = "ALPHA", tick_size: int = 5, direction: Direction = Direction.LONG) -> Setup:
    return Setup(symbol, MONDAY, 100_00, 100_00 - 500 * direction, tick_size, 4_00, direction)


WANTED = Wanted(
    host=HOST,
    setups=(setup_of(),),
    day=MONDAY,
    zone=INDIA,
    hours_ns=(ms("09:15") * 1_000_000, ms("15:30") * 1_000_000),
    quantity=10,
)


@dataclass(slots=True)
class FakeServer:
    """A server with moods; it refuses in the order in which the real one does."""

    is_up: bool = True
    is_openalgo: bool = True
    knows_key: bool = True
    is_logged_in: bool = True
    mode: Mode | None = Mode.ANALYZE
    is_semi_auto: bool = False
    has_live_broker: bool = False
    skew: float | None = 0.4
    hours: tuple[Hours, ...] | None = (Hours("MCX", ms("09:00"), ms("23:55")), NSE_HOURS)
    ticks: dict[str, Decimal | None] = field(default_factory=lambda: {"ALPHA": Decimal("0.05")})
    is_slow: bool = False
    money: Funds | None = RICH
    account: Books | None = EMPTY
    asked: list[str] = field(default_factory=list)

    def _answer(self, question: str, *, needs_key: bool = True, needs_session: bool = True) -> None:
        self.asked.append(question)
        if not self.is_up:
            raise BrokerUnreachable("connection refused")
        if not self.is_openalgo:
            raise BrokerRejected("Not found")
        if (needs_key and not self.knows_key) or (needs_session and not self.is_logged_in):
            raise SessionExpired("Invalid openalgo apikey")

    async def ping(self) -> str:
        self._answer("ping")
        return "zerodha"

    async def search(self, query: str) -> None:
        assert query, "the server refuses an empty query"
        self._answer("search", needs_session=False)

    async def analyzer(self) -> Mode:
        self._answer("analyzer")
        if self.mode is None:
            raise BrokerUndecided("no clear mode")
        return self.mode

    async def cancel_nothing(self) -> None:
        self._answer("cancel")
        if self.is_semi_auto:
            raise BrokerRejected(SEMI_AUTO)
        if self.has_live_broker:
            raise BrokerUndecided("HTTP 500: Failed to cancel order")
        raise BrokerRejected("Order olaf-probe not found")

    async def skew_s(self) -> float | None:
        self._answer("time")
        return self.skew

    async def timings(self, day: date) -> tuple[Hours, ...]:
        assert day == MONDAY
        self._answer("timings", needs_key=False, needs_session=False)
        if self.hours is None:
            raise BrokerUndecided("HTTP 500")
        return self.hours

    async def symbol_info(self, symbol: str) -> SymbolInfo:
        self._answer("symbol")
        if self.is_slow:
            raise BrokerUndecided("no answer in time")
        if symbol not in self.ticks:
            raise BrokerRejected(f"Symbol {symbol} not found in exchange NSE")
        return SymbolInfo(symbol, self.ticks[symbol], 1)

    async def funds(self) -> Funds | None:
        self._answer("funds")
        return self.money

    async def books(self, mode: Mode) -> Books:
        assert mode is self.mode
        self._answer("books")
        if self.account is None:
            raise BrokerUndecided("orderbook: HTTP 500")
        return self.account


async def findings(server: FakeServer, wanted: Wanted = WANTED) -> Findings:
    told: list[Finding] = []
    found = await examine(server, wanted, told.append)
    assert list(found.findings) == told, "each is told as it is found"
    return found


async def finding(name: str, server: FakeServer, wanted: Wanted = WANTED) -> Finding:
    (found,) = [each for each in (await findings(server, wanted)).findings if each.name == name]
    return found


# ------------------------------------------------------------------------------------- the order


async def test_everything_is_asked_in_order_and_a_good_server_has_only_fine_findings() -> None:
    server = FakeServer()
    found = await findings(server)
    assert [each.name for each in found.findings] == [
        "reachable",
        "key",
        "broker session",
        "analyzer mode",
        "order mode",
        "clock",
        "calendar",
        "tick sizes",
        "product",
        "funds",
        "books",
    ]
    assert {each.grade for each in found.findings} == {Grade.OK}
    assert (found.exit_code, found.mode) == (0, Mode.ANALYZE)
    assert "search" not in server.asked, "a ping that succeeds proves the key"


async def test_where_only_prices_are_wanted_nothing_is_asked_about_orders() -> None:
    server = FakeServer(is_semi_auto=True, account=None, money=None)
    found = await findings(server, replace(WANTED, is_trading=False))
    assert [each.name for each in found.findings] == [
        "reachable",
        "key",
        "broker session",
        "clock",
        "calendar",
        "tick sizes",
    ]
    assert (found.exit_code, found.mode) == (0, None)
    assert not {"cancel", "books", "funds", "analyzer"} & set(server.asked)


async def test_one_failure_does_not_hide_the_next() -> None:
    found = await findings(FakeServer(is_semi_auto=True, skew=90.0, ticks={}))
    assert [each.name for each in found.findings if each.grade is Grade.FAIL] == [
        "order mode",
        "clock",
        "tick sizes",
    ]
    assert found.exit_code == 4, "the gravest counts"


async def test_no_setups_are_no_reason_to_fail() -> None:
    assert (await findings(FakeServer(ticks={}), replace(WANTED, setups=()))).exit_code == 0


# ------------------------------------------------------------------------------------- no server


@pytest.mark.parametrize(
    ("server", "last", "exit_code", "words"),
    [
        (FakeServer(is_up=False), "reachable", 1, "start OpenAlgo there, or correct broker.host"),
        (FakeServer(is_openalgo=False), "reachable", 1, "is no OpenAlgo server"),
        (FakeServer(knows_key=False), "key", 3, "OLAF_BROKER__API_KEY"),
        (FakeServer(knows_key=False, is_logged_in=False), "key", 3, "does not know this key"),
        (FakeServer(is_logged_in=False), "broker session", 1, "log in there, then start again"),
    ],
    ids=["refused connection", "another program", "wrong key", "wrong key, no session", "no session"],
)
async def test_without_a_session_the_questions_end_with_what_to_do(
    server: FakeServer, last: str, exit_code: int, words: str
) -> None:
    found = await findings(server)
    assert found.findings[-1].name == last
    assert found.findings[-1].grade is Grade.FAIL
    assert words in found.findings[-1].text
    assert all(each.grade is Grade.OK for each in found.findings[:-1])
    assert found.exit_code == exit_code


# ------------------------------------------------------------------------------------- each finding


@pytest.mark.parametrize(
    ("required", "mode", "grade", "words"),
    [
        (None, Mode.ANALYZE, Grade.OK, "on: orders are simulated by the server"),
        (None, Mode.LIVE, Grade.OK, "off: orders are sent to the real broker"),
        (True, Mode.ANALYZE, Grade.OK, "on"),
        (False, Mode.LIVE, Grade.OK, "off"),
        (True, Mode.LIVE, Grade.FAIL, "require_analyzer = true forbids it: switch the analyzer on"),
        (False, Mode.ANALYZE, Grade.FAIL, "require_analyzer = false forbids it: switch the analyzer off"),
    ],
)
async def test_the_mode_must_be_the_one_configured(
    required: bool | None,
    mode: Mode,
    grade: Grade,
    words: str,
) -> None:
    found = await finding("analyzer mode", FakeServer(mode=mode), replace(WANTED, require_analyzer=required))
    assert (found.grade, found.exit_code) == (grade, 4 if grade is Grade.FAIL else 0)
    assert words in found.text


async def test_a_mode_that_cannot_be_told_is_unsafe_and_no_books_are_believed() -> None:
    server = FakeServer(mode=None)
    found = await findings(server)
    assert (found.exit_code, found.mode) == (4, None)
    assert "books" not in server.asked


async def test_semi_auto_is_seen_by_the_refusal_to_cancel_what_does_not_exist() -> None:
    found = await finding("order mode", FakeServer(is_semi_auto=True))
    assert (found.grade, found.exit_code) == (Grade.FAIL, 4)
    assert "switch the key to auto" in found.text


async def test_a_live_broker_may_refuse_that_cancel_in_any_words_of_its_own() -> None:
    found = await finding("order mode", FakeServer(mode=Mode.LIVE, has_live_broker=True))
    assert found.grade is Grade.OK
    assert "Failed to cancel order" in found.text


@pytest.mark.parametrize(
    ("skew", "grade", "words"),
    [
        (0.0, Grade.OK, "agrees"),
        (2.0, Grade.OK, "agrees"),
        (-3.2, Grade.WARN, "3 s behind ours"),
        (30.0, Grade.WARN, "30 s ahead of ours"),
        (31.0, Grade.FAIL, "31 s ahead of ours"),
        (-19_800.0, Grade.FAIL, "19800 s behind ours"),
        (None, Grade.WARN, "tells no time"),
    ],
)
async def test_clocks_are_compared(skew: float | None, grade: Grade, words: str) -> None:
    found = await finding("clock", FakeServer(skew=skew))
    assert (found.grade, found.exit_code) == (grade, 4 if grade is Grade.FAIL else 0)
    assert words in found.text


@pytest.mark.parametrize(
    ("hours", "grade", "words"),
    [
        ((NSE_HOURS,), Grade.OK, "2026-11-23 09:15 to 15:30, as the server has it"),
        ((), Grade.WARN, "the server's closed"),
        ((replace(NSE_HOURS, end_ms=ms("14:00")),), Grade.WARN, "09:15 to 14:00"),
        ((Hours("NSE", ms("09:15", date(2025, 11, 23)), ms("15:30")),), Grade.WARN, "2025-11-23 09:15"),
        (None, Grade.WARN, "does not tell its hours"),
    ],
)
async def test_the_server_s_calendar_warns_and_never_decides(
    hours: tuple[Hours, ...] | None, grade: Grade, words: str
) -> None:
    found = await finding("calendar", FakeServer(hours=hours))
    assert (found.grade, found.exit_code) == (grade, 0)
    assert words in found.text


async def test_where_every_day_is_a_session_the_server_s_hours_are_reported_and_not_obeyed() -> None:
    found = await finding("calendar", FakeServer(hours=()), replace(WANTED, hours_ns=None))
    assert found.grade is Grade.OK
    assert found.text == "every day is a session here; the server says closed"


@pytest.mark.parametrize(
    ("ours", "written", "grade", "words"),
    [
        (5, "0.05", Grade.OK, "agree"),
        (5, "5", Grade.OK, "agree"),
        (500, "5", Grade.OK, "agree"),
        (10, "0.05", Grade.OK, "agree"),
        (1, "0.05", Grade.FAIL, "the setup says 0.01, the server writes 0.05: orders would be refused"),
        (5, "0.10", Grade.FAIL, "orders would be refused"),
        (5, "50", Grade.FAIL, "orders would be refused"),
        (5, "1", Grade.WARN, "fine if it means paise"),
        (5, "0", Grade.WARN, "the server knows none; the setup's 0.05 counts"),
        (5, None, Grade.WARN, "the server knows none"),
    ],
)
async def test_ticks_are_compared_in_rupees_and_in_paise(
    ours: int, written: str | None, grade: Grade, words: str
) -> None:
    server = FakeServer(ticks={"ALPHA": None if written is None else Decimal(written)})
    found = await finding("tick sizes", server, replace(WANTED, setups=(setup_of(tick_size=ours),)))
    assert (found.grade, found.exit_code) == (grade, 3 if grade is Grade.FAIL else 0)
    assert words in found.text


async def test_every_symbol_with_the_worst_fault_is_named() -> None:
    setups = tuple(setup_of(symbol) for symbol in ("ALPHA", "BETA", "GAMMA", "DELTA"))
    ticks = {"ALPHA": Decimal("0.05"), "GAMMA": None, "DELTA": Decimal("0.10")}
    found = await finding("tick sizes", FakeServer(ticks=dict(ticks)), replace(WANTED, setups=setups))
    assert (found.grade, found.exit_code) == (Grade.FAIL, 3)
    assert "BETA: not in the server's master contract" in found.text
    assert "DELTA: " in found.text
    assert "ALPHA" not in found.text
    assert "GAMMA" not in found.text


async def test_a_tick_that_cannot_be_asked_now_is_no_reason_not_to_start() -> None:
    found = await finding("tick sizes", FakeServer(is_slow=True))
    assert (found.grade, found.exit_code) == (Grade.WARN, 0)


@pytest.mark.parametrize(
    ("product", "exchange", "direction", "grade"),
    [
        ("MIS", "NSE", Direction.SHORT, Grade.OK),
        ("MIS", "NFO", Direction.LONG, Grade.OK),
        ("CNC", "NSE", Direction.LONG, Grade.WARN),
        ("CNC", "NSE", Direction.SHORT, Grade.FAIL),
        ("CNC", "NFO", Direction.LONG, Grade.FAIL),
        ("NRML", "NSE", Direction.LONG, Grade.FAIL),
        ("NRML", "NFO", Direction.LONG, Grade.WARN),
    ],
)
async def test_a_product_that_the_exchange_does_not_take_is_a_wrong_setting(
    product: str, exchange: str, direction: Direction, grade: Grade
) -> None:
    setups = (setup_of(direction=direction),)
    wanted = replace(WANTED, product=product, exchange=exchange, setups=setups)
    found = await finding("product", FakeServer(), wanted)
    assert (found.grade, found.exit_code) == (grade, 3 if grade is Grade.FAIL else 0)


@pytest.mark.parametrize(
    ("money", "product", "grade", "words"),
    [
        (Funds(200_00, 0), "MIS", Grade.OK, "200.00 available"),
        (Funds(199_99, 0), "MIS", Grade.WARN, "the dearest entry needs some 200.00"),
        (Funds(999_99, 0), "CNC", Grade.WARN, "needs some 1000.00"),
        (None, "MIS", Grade.WARN, "the server could not learn it"),
    ],
)
async def test_money_only_warns(money: Funds | None, product: str, grade: Grade, words: str) -> None:
    found = await finding("funds", FakeServer(money=money), replace(WANTED, product=product))
    assert (found.grade, found.exit_code) == (grade, 0)
    assert words in found.text


async def test_books_that_cannot_be_read_are_unsafe() -> None:
    found = await finding("books", FakeServer(account=None))
    assert (found.grade, found.exit_code) == (Grade.FAIL, 4)


async def test_shares_held_before_the_start_are_named() -> None:
    held = Books((), (), (PositionRow("ALPHA", -3), PositionRow("OTHER", 9), PositionRow("BETA", 0)))
    found = await finding("books", FakeServer(account=held))
    assert (found.grade, found.exit_code) == (Grade.WARN, 0)
    assert "holds -3 ALPHA already" in found.text


# ------------------------------------------------------------------------------------- a real conversation


async def examined(key: str, *, require_analyzer: bool | None = None) -> Findings:
    """What is found of a paper server, over real sockets."""
    clock = SystemClock()
    desk = PaperDesk(PaperRules(), {"ALPHA": 5}, clock, api_key="sesame")
    async with running(desk) as server:
        wanted = replace(WANTED, host=server.rest_url, require_analyzer=require_analyzer)
        async with OpenAlgoRest(server.rest_url, Access(key), clock) as rest:
            return await examine(RestServer(rest, clock), wanted, lambda _: None)


async def test_a_paper_server_is_found_fit_to_trade_with() -> None:
    found = await examined("sesame", require_analyzer=True)
    faults = [each for each in found.findings if each.grade is Grade.FAIL]
    assert (faults, found.exit_code, found.mode) == ([], 0, Mode.ANALYZE)
    told = {each.name: each.text for each in found.findings}
    assert told["broker session"] == "logged in to paper"
    assert told["order mode"] == "auto: orders go out at once"
    assert told["clock"] == "agrees with the server's"
    assert told["books"] == "readable: orders 0, trades 0, positions 0"


async def test_a_paper_server_that_does_not_know_the_key_says_so() -> None:
    found = await examined("wrong")
    assert (found.findings[-1].name, found.exit_code) == ("key", 3)
    assert not any("wrong" in each.text for each in found.findings), "a key is never told"


async def test_a_paper_server_in_the_wrong_mode_is_refused() -> None:
    assert (await examined("sesame", require_analyzer=False)).exit_code == 4
