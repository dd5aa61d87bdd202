"""The pump: in which order things reach the core, and what is done before and after.

P1 to P4 are the rules of its docstring.
"""

import asyncio

import pytest

from olaf_async.adapters.clock import LoopClock
from olaf_async.adapters.journal.memory import MemoryJournal
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.domain.events import (
    BarClosed,
    Command,
    Commanded,
    Marked,
    OrderAnswered,
    OrderRow,
    OrderUpdated,
    Outcome,
    PriceTouched,
    RunBegan,
    Status,
    Verb,
)
from olaf_async.domain.intents import PlaceOrder
from olaf_async.errors import JournalError
from olaf_async.ports.journal import Entry
from olaf_async.shell.pump import BACKLOG_ALARM, Pump
from tests.races.world import CLOSE_NS, ENTRY, EXIT_NS, INFY, OPEN_NS, SHARES, UNDERCUT, plan_of

from .harness import PumpBench, on_virtual_time, pause

TCS = "TCS"
HALT = Commanded(OPEN_NS, Command.HALT)


def holding(*symbols: str, rules: Rules | None = None) -> PumpBench:
    """Positions of these symbols with confirmed stops, entered at the open: the core now wants their bars."""
    symbols = symbols or (INFY,)
    bench = PumpBench(*[plan_of(symbol) for symbol in symbols], rules=rules)
    for symbol in symbols:
        bench.offer(UNDERCUT, 0, symbol)
        bench.pump.turn()
        order = accept(bench, symbol)
        terms, order_id = order.terms, f"{order.key} at the broker"
        row = OrderRow(
            order_id,
            symbol,
            order.side,
            order.price_type,
            Status.COMPLETE,
            terms.quantity,
            terms.price,
            terms.trigger,
            SHARES,
            ENTRY,
        )
        bench.pump.put(OrderUpdated(OPEN_NS, row))
        bench.pump.turn()
        accept(bench, symbol)
        assert bench.engine.traders[symbol].state.held == SHARES
    bench.outlet.events.clear()
    bench.outlet.intents.clear()
    assert bench.pump.is_idle
    return bench


def accept(bench: PumpBench, symbol: str) -> PlaceOrder:
    """Send the newest order of the symbol and have it accepted."""
    placed = [intent for intent in bench.outlet.intents if isinstance(intent, PlaceOrder)]
    order = next(intent for intent in reversed(placed) if intent.symbol == symbol)
    bench.engine.admit(order, OPEN_NS)
    bench.pump.put(
        OrderAnswered(
            symbol,
            OPEN_NS,
            order.request,
            order.key,
            Verb.PLACE,
            Outcome.ACCEPTED,
            f"{order.key} at the broker",
        )
    )
    bench.pump.turn()
    return order


# --- P1: time -------------------------------------------------------------------------------------


def test_p1_what_is_due_at_an_instant_runs_before_a_print_of_that_instant() -> None:
    bench = holding()
    bench.at(60)
    bench.offer(900_00, 60)
    bench.pump.turn()
    assert bench.kinds()[:2] == ["BarClosed", "PriceTouched"]


def test_p1_what_is_due_runs_after_a_print_of_before_that_waited() -> None:
    """The pump's turn comes a moment too late; the print belongs to the bar it was made in."""
    bench = holding()
    bench.at(59.9)
    bench.offer(900_00, 59.9)
    bench.at(60.1)
    bench.pump.turn()
    assert bench.kinds()[:2] == ["PriceTouched", "BarClosed"]
    (closed,) = [event for event in bench.outlet.events if isinstance(event, BarClosed)]
    assert closed.bar.low == 900_00


def test_p1_of_one_instant_the_bars_of_all_symbols_come_before_any_timer() -> None:
    bench = holding(INFY, TCS)
    for symbol in (INFY, TCS):
        bench.offer(ENTRY, 1, symbol)
    bench.clock.at_ns = EXIT_NS
    bench.pump.turn()
    kinds = bench.kinds()
    assert kinds.count("BarClosed") == 2
    assert kinds.index("TimerDue") > max(number for number, kind in enumerate(kinds) if kind == "BarClosed")


def test_p1_prints_of_several_symbols_are_taken_by_their_time() -> None:
    bench = PumpBench(plan_of(INFY), plan_of(TCS))
    bench.at(3)
    bench.offer(UNDERCUT, 2, INFY)
    bench.offer(UNDERCUT, 1, TCS)
    bench.pump.turn()
    touched = [event.symbol for event in bench.outlet.events if isinstance(event, PriceTouched)]
    assert touched == [TCS, INFY]


def test_p1_a_symbols_own_prints_keep_their_order_where_its_time_steps_back() -> None:
    bench = PumpBench()
    bench.at(3)
    bench.offer(UNDERCUT, 2)
    bench.offer(UNDERCUT + 50, 1)
    bench.pump.turn()
    touched = [event for event in bench.outlet.events if isinstance(event, PriceTouched)]
    assert touched[0].price == UNDERCUT
    assert [event.at_ns for event in touched] == sorted(event.at_ns for event in touched)


def test_p1_a_print_ahead_of_the_clock_brings_its_own_symbols_timers_with_it() -> None:
    bench = holding(INFY, TCS)
    bench.at(30)
    bench.offer(ENTRY, 30, INFY)
    bench.offer(ENTRY, 30, TCS)
    bench.pump.turn()
    bench.outlet.events.clear()
    bench.offer(ENTRY, 61, INFY)
    bench.pump.turn()
    closed = [event.symbol for event in bench.outlet.events if isinstance(event, BarClosed)]
    assert closed == [INFY]


# --- P2: prints first, and nothing is dropped -----------------------------------------------------


def test_p2_a_print_goes_before_other_events_that_wait_beside_it() -> None:
    bench = PumpBench()
    bench.pump.put(HALT)
    bench.offer(UNDERCUT, 0)
    bench.pump.turn()
    assert bench.kinds() == ["PriceTouched", "Commanded"]


def test_p2_no_event_is_dropped_however_many_wait_and_a_person_is_told_once() -> None:
    bench = PumpBench()
    for number in range(BACKLOG_ALARM + 5):
        bench.pump.put(Commanded(OPEN_NS + number, Command.RESUME))
    assert bench.outlet.said() == ["backlog"]
    bench.pump.turn()
    assert [event.at_ns - OPEN_NS for event in bench.outlet.events] == list(range(BACKLOG_ALARM + 5))
    assert bench.pump.is_idle


def test_p2_prints_that_come_before_the_pump_is_turned_are_merged_and_none_that_matters_is_lost() -> None:
    bench = PumpBench()
    for number in range(1000):
        bench.offer(UNDERCUT - number % 7 * 5, number / 1000)
    bench.pump.turn()
    touched = [event.price for event in bench.outlet.events if isinstance(event, PriceTouched)]
    assert touched[0] == UNDERCUT
    assert len(touched) <= 4


# --- P3: journalled before it is acted on ---------------------------------------------------------


def test_p3_an_event_and_its_intents_are_in_the_journal_before_anything_is_done() -> None:
    bench = PumpBench()
    bench.offer(UNDERCUT, 0)
    bench.pump.turn()
    (placed,) = [intent for intent in bench.outlet.intents if isinstance(intent, PlaceOrder)]
    at_that_moment = bench.outlet.journalled[bench.outlet.intents.index(placed)]
    assert {repr(PriceTouched(INFY, OPEN_NS, UNDERCUT)), repr(placed)} <= at_that_moment


def test_p3_each_event_is_journalled_once_with_what_the_core_believes_after_it() -> None:
    bench = PumpBench()
    bench.offer(UNDERCUT, 0)
    bench.pump.put(HALT)
    bench.pump.turn()
    events = [record for record in bench.journal.records if record.entry is Entry.EVENT]
    assert [type(record.body) for record in events] == [PriceTouched, Commanded]
    assert len({record.fingerprint for record in events}) == 2
    assert None not in {record.fingerprint for record in events}


class FullJournal(MemoryJournal):
    """A journal that can keep nothing."""

    def append(self, entry: Entry, at_ns: int, body: object, fingerprint: str | None = None) -> int:
        """See Journal."""
        raise JournalError("no space left on device")


def test_p3_a_journal_that_fails_is_told_of_once_and_the_core_goes_on() -> None:
    bench = PumpBench(journal=FullJournal())
    bench.pump.put(HALT)
    bench.pump.put(Commanded(OPEN_NS, Command.STOP))
    bench.pump.turn()
    assert [str(error) for error in bench.journal_changes] == ["no space left on device"]
    assert bench.kinds() == ["Commanded", "Commanded"]
    assert bench.engine.account.is_stopping


def test_p3_what_the_core_could_not_bear_is_in_the_journal_too() -> None:
    bench = PumpBench()
    touched = PriceTouched("WIPRO", OPEN_NS, UNDERCUT)
    bench.pump.put(touched)
    with pytest.raises(KeyError):
        bench.pump.turn()
    (record,) = bench.journal.records
    assert (record.body, record.fingerprint) == (touched, None)


# --- P4: quiet prints -----------------------------------------------------------------------------


def test_p4_a_print_inside_its_guard_wakes_nobody_and_still_makes_the_bar() -> None:
    bench = holding()
    bench.at(30)
    for price in (1001_00, 1007_00, 999_00, 1002_00):
        bench.offer(price, 30)
        assert bench.pump.is_idle
    assert bench.outlet.events == []
    bench.at(60)
    bench.pump.turn()
    (closed,) = [event for event in bench.outlet.events if isinstance(event, BarClosed)]
    bar = closed.bar
    assert (bar.high, bar.close) == (1007_00, 1002_00)


def test_p4_a_print_that_reaches_its_guard_wakes_the_pump() -> None:
    bench = PumpBench()
    bench.offer(UNDERCUT, 0)
    assert not bench.pump.is_idle


def test_p4_prints_of_a_symbol_nobody_trades_are_nothing() -> None:
    bench = PumpBench()
    bench.offer(UNDERCUT, 0, "WIPRO")
    assert bench.pump.is_idle


def test_p4_a_quiet_print_does_not_overtake_one_that_waits() -> None:
    bench = PumpBench()
    bench.offer(UNDERCUT, 0)
    bench.offer(ENTRY, 0)
    bench.pump.turn()
    assert bench.pump.markets[INFY].last == ENTRY


@pytest.mark.parametrize("before", [60, 0.001])
def test_prints_of_before_the_open_are_nothing_however_far_they_reach(before: float) -> None:
    bench = PumpBench()
    bench.at(-before)
    bench.offer(UNDERCUT - 50, -before)
    assert bench.pump.is_idle
    bench.at(1)
    bench.offer(UNDERCUT - 50, -before)
    bench.offer(UNDERCUT, 0)
    bench.offer(UNDERCUT + 50, 1)
    bench.pump.turn()
    (touched,) = [event for event in bench.outlet.events if isinstance(event, PriceTouched)]
    assert touched == PriceTouched(INFY, OPEN_NS, UNDERCUT)


def test_prints_from_the_close_on_are_nothing() -> None:
    bench = holding()
    close_s = (CLOSE_NS - OPEN_NS) / SECOND_NS
    last = bench.pump.markets[INFY].last
    bench.at(close_s + 5)
    bench.offer(900_00, close_s)
    bench.offer(890_00, close_s + 5)
    bench.pump.turn()
    assert "PriceTouched" not in bench.kinds()
    assert bench.pump.markets[INFY].last == last


# --- the mark, and the loop -----------------------------------------------------------------------


def test_while_a_loss_limit_watches_a_position_it_is_valued_at_the_last_price_once_a_second() -> None:
    bench = holding(rules=Rules(max_daily_loss=100_000_00))
    for second in range(30):
        bench.offer(ENTRY + second * 5, second / 10)
        bench.at(second / 10)
        bench.pump.turn()
    marks = [event for event in bench.outlet.events if isinstance(event, Marked)]
    assert [mark.at_ns - OPEN_NS for mark in marks] == [SECOND_NS, 2 * SECOND_NS]
    assert [mark.prices for mark in marks] == [((INFY, ENTRY + 50),), ((INFY, ENTRY + 100),)]


def test_the_mark_needs_no_print_to_be_due() -> None:
    bench = holding(rules=Rules(max_daily_loss=100_000_00))
    bench.at(0.5)
    assert bench.pump.is_idle
    bench.at(1)
    assert not bench.pump.is_idle


def test_without_a_loss_limit_nothing_is_ever_marked() -> None:
    bench = holding()
    bench.at(30)
    bench.pump.turn()
    assert "Marked" not in bench.kinds()


def test_the_pump_wakes_for_its_timers_without_any_print() -> None:
    async def story(clock: LoopClock) -> list[str]:
        bench = PumpBench()
        pump = Pump(bench.engine, {INFY: plan_of()}, clock, bench.scribe)
        pump.connect(bench.outlet)
        task = asyncio.get_running_loop().create_task(pump.run(RunBegan(clock.now_ns())))
        await pause(clock, (EXIT_NS - OPEN_NS) / SECOND_NS + 1)
        task.cancel()
        return bench.kinds()

    assert "TimerDue" in on_virtual_time(story)
