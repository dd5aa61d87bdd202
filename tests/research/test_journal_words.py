"""Records in words: each kind in one line, with every number a person would ask for."""

from datetime import date

import pytest

from olaf_async.core.rules import Rules
from olaf_async.domain import events
from olaf_async.domain.bar import Bar
from olaf_async.domain.events import OrderRow, Outcome, PositionRow, Status, TradeRow, Verb
from olaf_async.domain.intents import (
    CancelOrder,
    ModifyOrder,
    PlaceOrder,
    ReadQuote,
    ReportTrade,
    Say,
    Severity,
)
from olaf_async.domain.order import PriceType, Role, Side, Terms
from olaf_async.domain.setup import Direction
from olaf_async.domain.trade import ExitReason, Trade
from olaf_async.ports.journal import NotSent, PutOff
from olaf_async.research.journal_words import words
from tests.journals import header_of
from tests.races.world import plan_of

ROW = OrderRow("id", "INFY", Side.BUY, PriceType.SL, Status.WORKING, 10, 100_30, 100_00, 4, 100_05)
TRADE = TradeRow("id", "INFY", Side.BUY, 4, 100_05)
PLACE = PlaceOrder("INFY", 1, "INFY/1-entry", Role.ENTRY, Side.BUY, PriceType.SL, Terms(10, 100_30, 100_00))
EXIT = PlaceOrder("INFY", 2, "INFY/2-exit", Role.EXIT, Side.SELL, PriceType.LIMIT, Terms(10, 99_00))
MODIFY = ModifyOrder("INFY", 3, "k", Role.STOP, Side.SELL, PriceType.SL, Terms(4, 94_05, 95_00), "id")
CANCEL = CancelOrder("INFY", 4, "k", Role.STOP, "id")
OVER = Trade(
    "INFY", date(2026, 11, 23), 2, Direction.LONG, 10, 0, 1000_00, 1, 990_00, ExitReason.STOP, 95_00, 99_00, 0
)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (events.PriceTouched("INFY", 1, 99_50), "print at 99.50"),
        (events.BarClosed("INFY", 1, Bar(0, 1, 1, 200, 3, 4)), "bar closed: 0.01 2.00 0.03 0.04"),
        (events.TimerDue("INFY", 1, None, 0), "timer, last price none"),
        (events.TimerDue("INFY", 1, 99_50, 0), "timer, last price 99.50"),
        (events.QuoteRead("INFY", 1, None), "quote unknown"),
        (events.QuoteRead("INFY", 1, 99_50), "quote 99.50"),
        (
            events.OrderAnswered("INFY", 1, 1, "k", Verb.PLACE, Outcome.REFUSED, None, "no\nmargin\x1b[2J"),
            "place k refused: no margin [2J",
        ),
        (events.OrderAnswered("INFY", 1, 1, "k", Verb.CANCEL, Outcome.LOST), "cancel k lost"),
        (
            events.OrderUpdated(1, ROW),
            "order id working: BUY 10 SL at 100.30, trigger 100.00, 4 filled at 100.05",
        ),
        (
            events.BooksRead(1, 1, 7, (ROW,), (TRADE,), (PositionRow("INFY", 4), PositionRow("TCS", 0))),
            "books as of 7: 1 orders, 1 trades, INFY 4",
        ),
        (events.BooksRead(1, 1, 7, (), (), ()), "books as of 7: 0 orders, 0 trades, flat"),
        (events.BooksFailed(1, 7, "no answer"), "the books could not be read: no answer"),
        (events.StreamChanged(1, is_up=True), "order stream up"),
        (events.ModeSeen(1, events.Mode.LIVE), "the server is in live mode"),
        (events.Commanded(1, events.Command.HALT), "command: halt"),
        (events.Marked(1, (("INFY", 99_50), ("TCS", 1))), "mark: INFY 99.50, TCS 0.01"),
        (events.ClockSkewed(1, -5), "the wall clock is -5 ns off"),
        (PLACE, "place INFY/1-entry: BUY 10 SL at 100.30, trigger 100.00"),
        (EXIT, "place INFY/2-exit: SELL 10 LIMIT at 99.00"),
        (MODIFY, "modify k (id): 4 at 94.05, trigger 95.00"),
        (CANCEL, "cancel k (id)"),
        (ReadQuote("INFY"), "read a quote"),
        (Say(None, Severity.ALARM, "frozen", "INFY is frozen"), "alarm frozen: INFY is frozen"),
        (ReportTrade(OVER), "trade 2 over: stop, gross -10.00"),
        (PutOff(CANCEL, 5), "not yet: cancel k (id)"),
        (PutOff(CANCEL, None), "the books first: cancel k (id)"),
        (NotSent(CANCEL, "a limiter", is_refused=False), "a limiter: cancel k (id)"),
        ("exit code 0", "exit code 0"),
    ],
)
def test_a_record_in_words(body: object, line: str) -> None:
    assert words(body) == line


def test_a_header_tells_which_account_by_which_version() -> None:
    header = header_of([plan_of(), plan_of("TCS")], Rules())
    assert words(header) == "2026-11-23, paper at 127.0.0.1:5000, by version test: INFY, TCS"
