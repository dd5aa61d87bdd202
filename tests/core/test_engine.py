"""The whole machine: events in, intents out, and the questions the shell asks of it."""

from dataclasses import replace

import pytest

from olaf_async.core.engine import Drop, Engine, ReadFirst, Send, Wait
from olaf_async.core.fingerprint import fingerprint
from olaf_async.core.invariants import check
from olaf_async.core.rules import NEVER_NS, SECOND_NS
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import (
    BooksFailed,
    ClockSkewed,
    Command,
    Event,
    Marked,
    Mode,
    ModeSeen,
    OrderRow,
    OrderUpdated,
    PriceTouched,
    Status,
)
from olaf_async.domain.intents import CancelOrder, Intent, ModifyOrder, PlaceOrder, Severity
from olaf_async.domain.order import OrderState, PriceType, Role, Side
from olaf_async.errors import ConfigError, InvariantBroken
from tests.core.bench import ENTRY, INITIAL, RULES, TRIGGER, Bench, plan, where

# --- one account, many symbols ----------------------------------------------------------------------


def test_two_plans_for_one_symbol_are_refused() -> None:
    with pytest.raises(ConfigError, match="two setups for ABC on 2026-11-23"):
        Engine([plan(), plan()], RULES)


def test_every_event_and_every_admission_has_a_number_of_its_own() -> None:
    bench = Bench()
    bench.is_desk_busy = True
    before = bench.engine.seq
    bench.command(Command.RESUME)
    assert bench.engine.seq == before + 1
    bench.price(TRIGGER)
    before = bench.engine.seq
    bench.engine.admit(bench.waiting[0], bench.now_ns)
    assert bench.engine.seq == before + 1


def test_no_more_positions_are_opened_than_allowed_over_all_symbols() -> None:
    bench = Bench(symbols=("ABC", "DEF", "GHI"), rules=replace(RULES, max_open_positions=2))
    for bench.symbol in ("ABC", "DEF", "GHI"):
        bench.price(TRIGGER)
    assert [intent.symbol for intent in bench.take()] == ["ABC", "DEF"]
    assert "trigger_denied" in bench.said
    bench.symbol = "ABC"
    bench.fill(bench.hold_now())
    bench.settle()
    bench.symbol = "GHI"
    bench.price(TRIGGER)
    assert bench.state.entry is not None


def test_intents_come_out_once() -> None:
    bench = Bench()
    event: Event = PriceTouched("ABC", bench.later(), TRIGGER)
    first: list[Intent] = bench.engine.handle(event)
    assert [type(intent) for intent in first] == [PlaceOrder]
    assert bench.engine.handle(event) == []


def test_the_same_events_and_admissions_give_the_same_intents_and_the_same_beliefs() -> None:
    def day() -> tuple[list[object], str]:
        bench = Bench()
        bench.hold()
        bench.bar(100_00, 101_00, 99_80, 100_50)
        bench.settle()
        bench.fill(bench.stop)
        bench.settle()
        return [bench.sent, bench.trades, bench.says], fingerprint(bench.engine)

    assert day() == day()


# --- admission --------------------------------------------------------------------------------------


def test_what_is_admitted_counts_as_sent_then() -> None:
    bench = Bench()
    entry = bench.undercut()
    assert entry.sent_ns == bench.now_ns
    assert bench.state.newest_seq == entry.sent_seq


def test_an_entry_is_asked_to_read_the_books_first_inside_the_lock() -> None:
    bench = Bench()
    bench.is_desk_busy = True
    bench.price(TRIGGER)
    (intent,) = bench.waiting
    assert bench.engine.admit(intent, bench.now_ns) == ReadFirst()
    bench.books()
    assert bench.engine.admit(intent, bench.now_ns) == Send(intent)


def test_a_placing_is_admitted_once() -> None:
    bench = Bench()
    entry = bench.undercut()
    (intent,) = bench.take()
    bench.accept(entry)
    assert bench.engine.admit(intent, bench.now_ns) == Drop("the order is working")


def test_an_unknown_order_is_not_sent() -> None:
    bench = Bench()
    bench.undercut()
    (intent,) = bench.take()
    assert isinstance(intent, PlaceOrder)
    assert isinstance(bench.engine.admit(replace(intent, key="?"), bench.now_ns), Drop)


def test_a_modify_that_was_overtaken_is_not_sent() -> None:
    bench = Bench()
    stop = bench.hold()
    bench.is_desk_busy = True
    bench.bar(100_00, 101_00, 99_80, 100_50)
    (raising,) = bench.waiting
    assert isinstance(raising, ModifyOrder)
    assert isinstance(bench.engine.admit(replace(raising, request=99), bench.now_ns), Drop)
    bench.fill(stop)
    assert bench.engine.admit(raising, bench.now_ns) == Drop("the order is filled")


def test_a_cancel_of_an_order_that_has_ended_is_not_sent() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.is_desk_busy = True
    bench.command(Command.HALT)
    (cancel,) = bench.waiting
    assert isinstance(cancel, CancelOrder)
    bench.fill(entry)
    assert bench.engine.admit(cancel, bench.now_ns) == Drop("the order is filled")


def rest_what_the_rate_allows(rate: int, seconds: int) -> Bench:
    """Ten symbols trigger at one instant; their entries leave when they may, and none fills."""
    symbols = tuple("ABCDEFGHIJ")
    bench = Bench(symbols=symbols, rules=replace(RULES, max_orders_per_s=rate))
    bench.is_desk_busy = True
    for bench.symbol in symbols:
        bench.price(TRIGGER)
    for _ in range(seconds):
        bench.books()
        bench.desk()
        bench.now_ns += SECOND_NS
    bench.now_ns -= SECOND_NS
    bench.is_desk_busy = True
    return bench


@pytest.mark.parametrize("seconds", [1, 2, 3, 9])
@pytest.mark.parametrize("rate", [2, 3, 8, 9, 50])
def test_when_all_entries_fill_at_one_instant_no_stop_waits_for_the_rate(rate: int, seconds: int) -> None:
    bench = rest_what_the_rate_allows(rate, seconds)
    resting = [intent.symbol for intent in bench.take()]
    assert resting
    for bench.symbol in resting:
        bench.accept(bench.entry)
        bench.fill(bench.entry)
    stops = [intent for intent in bench.waiting if intent.role is Role.STOP]
    assert [stop.symbol for stop in stops] == resting
    verdicts = [bench.engine.admit(stop, bench.now_ns) for stop in stops]
    assert {type(verdict) for verdict in verdicts} == {Send}


@pytest.mark.parametrize(
    ("rate", "seconds", "resting"), [(8, 1, 4), (8, 2, 6), (8, 9, 7), (3, 9, 2), (2, 9, 1), (1, 9, 1)]
)
def test_as_many_entries_rest_as_the_rate_could_protect_at_once(
    rate: int, seconds: int, resting: int
) -> None:
    bench = rest_what_the_rate_allows(rate, seconds)
    assert len(bench.take()) == resting


def test_an_entry_that_waited_for_the_rate_leaves_once_another_is_protected() -> None:
    bench = rest_what_the_rate_allows(rate=2, seconds=5)
    bench.symbol = "A"
    assert [intent.symbol for intent in bench.take()] == ["A"]
    bench.accept(bench.entry)
    bench.fill(bench.entry)
    bench.wait(2)
    for name in "AB":
        bench.symbol = name
        bench.books()
        bench.desk()
        bench.wait(2)
        bench.settle()
    assert [f"{intent.symbol} {intent.role.value}" for intent in bench.take()][:2] == ["A stop", "B entry"]


def test_raising_a_stop_leaves_the_rate_to_what_may_have_to_be_protected() -> None:
    bench = Bench(symbols=("ABC", "DEF", "XYZ"), rules=replace(RULES, max_orders_per_s=2))
    for bench.symbol in ("ABC", "DEF"):
        bench.hold()
        bench.wait(2)
    bench.symbol = "XYZ"
    bench.rest()
    bench.wait(2)
    bench.is_desk_busy = True
    for bench.symbol in ("ABC", "DEF"):
        bench.bar(100_00, 101_00, 99_80, 100_50)
    first, second = bench.waiting
    now_ns = bench.now_ns
    assert [type(bench.engine.admit(first, now_ns)), type(bench.engine.admit(second, now_ns))] == [Send, Wait]
    bench.symbol = "XYZ"
    bench.fill(bench.entry)
    assert isinstance(bench.engine.admit(bench.waiting[-1], now_ns), Send)


def test_taking_an_entry_back_may_use_the_rate_that_is_kept_for_getting_out() -> None:
    bench = Bench(symbols=("ABC", "XYZ"), rules=replace(RULES, max_orders_per_s=3))
    bench.rest()
    bench.wait(2)
    bench.symbol = "XYZ"
    bench.price(TRIGGER)
    bench.is_desk_busy = True
    bench.command(Command.HALT)
    (cancel,) = bench.waiting
    assert isinstance(cancel, CancelOrder)
    assert isinstance(bench.engine.admit(cancel, bench.now_ns), Send)


def test_who_had_to_wait_is_not_counted_as_sent() -> None:
    bench = Bench(symbols=("ABC", "XYZ"), rules=replace(RULES, max_orders_per_s=3))
    for bench.symbol in ("ABC", "XYZ"):
        bench.price(TRIGGER)
    assert [intent.symbol for intent in bench.take()] == ["ABC"]
    assert bench.entry.sent_ns is None
    bench.wait(1)
    bench.desk()
    assert [intent.symbol for intent in bench.take()] == ["XYZ"]


def test_an_entry_is_dropped_where_the_books_show_the_share_held() -> None:
    bench = Bench()
    bench.stranger(Side.BUY, 5, tells=False)
    bench.price(TRIGGER)
    assert bench.took() == []
    assert bench.dropped == ["the account already holds the share"]


def test_a_closing_order_that_had_to_wait_leaves_with_what_is_held_by_then() -> None:
    bench = Bench(rules=replace(RULES, max_orders_per_s=2))
    entry = bench.rest()
    bench.wait(5)
    bench.is_desk_busy = True
    bench.fill(entry)
    (placing,) = bench.waiting
    bench.stranger(Side.SELL, 4)
    bench.engine.account.sends.extend([bench.now_ns, bench.now_ns])
    assert isinstance(bench.engine.admit(placing, bench.now_ns), Wait)
    bench.wait(1)
    verdict = bench.engine.admit(placing, bench.now_ns)
    assert isinstance(verdict, Send)
    assert isinstance(verdict.intent, PlaceOrder)
    assert (verdict.intent.terms.quantity, bench.stop.terms.quantity) == (6, 6)


def test_a_stop_whose_shares_are_gone_is_not_sent() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.is_desk_busy = True
    bench.fill(entry)
    bench.stranger(Side.SELL, 10)
    bench.desk()
    assert bench.took() == []
    assert bench.dropped == ["nothing is held any more"]


# --- is the question still open? --------------------------------------------------------------------


def test_the_desk_need_not_wait_for_an_answer_once_evidence_has_settled_the_question() -> None:
    bench = Bench()
    engine = bench.engine
    entry = bench.undercut()
    (place,) = bench.take()
    assert engine.is_open(place)
    bench.reach(entry, place)
    bench.fill(entry)
    assert not engine.is_open(place)
    bench.accept(bench.stop)
    bench.take()
    bench.bar(100_00, 101_00, 99_80, 100_50)
    (raising,) = bench.take()
    assert engine.is_open(raising)
    bench.accept(bench.stop)
    assert not engine.is_open(raising)
    bench.command(Command.FLATTEN)
    (cancel,) = bench.take()
    assert engine.is_open(cancel)
    bench.end(bench.stop)
    assert not engine.is_open(cancel)
    assert isinstance(cancel, CancelOrder)
    assert not engine.is_open(replace(cancel, key="?"))


# --- when to read the books -------------------------------------------------------------------------


def test_the_books_are_read_at_the_start() -> None:
    bench = Bench()
    assert bench.engine.books_due_ns(bench.now_ns) == bench.now_ns


def test_without_a_question_the_books_are_read_at_the_poll_or_not_at_all() -> None:
    bench = Bench()
    bench.books()
    assert bench.engine.books_due_ns(bench.now_ns) == NEVER_NS
    polling = Bench(rules=replace(RULES, idle_poll_ns=5 * SECOND_NS))
    polling.books()
    assert polling.engine.books_due_ns(polling.now_ns) == polling.engine.account.asked_ns + 5 * SECOND_NS


def test_a_new_question_asks_for_the_books_now_and_then_every_second_until_it_is_answered() -> None:
    bench = Bench()
    bench.rest()
    bench.stream(is_up=False)
    assert bench.engine.books_due_ns(bench.now_ns) == bench.now_ns
    bench.tell(BooksFailed(bench.later(), bench.engine.seq, "timeout"))
    assert bench.engine.books_due_ns(bench.now_ns) == bench.now_ns + SECOND_NS
    bench.wait(1)
    bench.books()
    assert bench.engine.books_due_ns(bench.now_ns) == NEVER_NS


# --- the once-a-second mark -------------------------------------------------------------------------


def test_open_positions_are_valued_once_a_second_and_at_once_after_a_trade() -> None:
    bench = Bench(rules=replace(RULES, max_daily_loss=1000_00))
    engine = bench.engine
    assert engine.mark_due_ns() == NEVER_NS
    bench.hold()
    bench.tell(Marked(bench.later(), (("ABC", 100_00),)))
    assert list(engine.held_symbols) == ["ABC"]
    assert engine.mark_due_ns() == bench.now_ns + SECOND_NS
    marked_ns = bench.now_ns
    bench.fill(bench.stop)
    bench.settle()
    assert engine.mark_due_ns() == marked_ns
    bench.tell(Marked(bench.later(), ()))
    assert engine.mark_due_ns() == NEVER_NS
    assert list(engine.held_symbols) == []


def test_without_a_limit_nothing_is_marked_and_a_latched_loss_needs_no_more_marks() -> None:
    bench = Bench()
    bench.hold()
    assert bench.engine.mark_due_ns() == NEVER_NS
    limited = Bench(rules=replace(RULES, max_daily_loss=5_00))
    limited.hold()
    limited.tell(Marked(limited.later(), (("ABC", 90_00),)))
    assert limited.engine.account.is_loss_latched
    assert limited.engine.mark_due_ns() == NEVER_NS


def test_the_daily_loss_adds_what_is_realised_to_what_is_open_over_all_symbols() -> None:
    bench = Bench(symbols=("ABC", "XYZ"), rules=replace(RULES, max_daily_loss=15_00))
    bench.hold()
    bench.fill(bench.stop)
    bench.settle()
    assert bench.engine.account.realised == -10_00
    bench.symbol = "XYZ"
    bench.hold()
    bench.tell(Marked(bench.later(), (("XYZ", 99_51),)))
    assert bench.engine.account.refuses_new_risk() is None
    bench.tell(Marked(bench.later(), (("XYZ", 99_50),)))
    assert bench.engine.account.refuses_new_risk() == "the daily loss limit has been reached"
    assert bench.took()[-1] == "cancel stop"


def test_a_loss_counts_from_the_fill_on_and_not_only_once_the_tradebook_has_told_its_worth() -> None:
    bench = Bench(rules=replace(RULES, max_daily_loss=10_00))
    stop = bench.hold()
    bench.tell(Marked(bench.later(), (("ABC", ENTRY),)))
    bench.fill(stop, price=INITIAL)
    assert bench.engine.account.realised == 0
    assert list(bench.engine.held_symbols) == ["ABC"]
    assert bench.engine.mark_due_ns() <= bench.now_ns + SECOND_NS
    bench.tell(Marked(bench.later(), (("ABC", INITIAL),)))
    assert bench.engine.account.is_loss_latched
    bench.settle()
    assert bench.engine.account.realised == -10_00
    assert list(bench.engine.held_symbols) == []


def test_a_loss_counts_while_the_rest_of_its_entry_is_still_being_taken_back() -> None:
    bench = Bench(rules=replace(RULES, max_daily_loss=4_00))
    bench.fill(bench.rest(), 4)
    bench.accept(bench.stop)
    bench.fill(bench.stop)
    assert (bench.state.held, where(bench.entry)) == (0, OrderState.CANCELLING)
    bench.tell(Marked(bench.later(), (("ABC", INITIAL),)))
    assert bench.engine.account.is_loss_latched


# --- commands ---------------------------------------------------------------------------------------


def test_a_halt_of_one_symbol_leaves_the_others_trading_and_is_lifted_by_its_name() -> None:
    bench = Bench(symbols=("ABC", "XYZ"))
    bench.command(Command.HALT, "ABC")
    for bench.symbol in ("ABC", "XYZ"):
        bench.price(TRIGGER)
    assert [intent.symbol for intent in bench.take()] == ["XYZ"]
    bench.command(Command.RESUME)
    bench.symbol = "ABC"
    bench.price(TRIGGER)
    assert bench.took() == []
    bench.command(Command.RESUME, "ABC")
    bench.price(TRIGGER)
    assert bench.took() == ["place entry"]


def test_a_halt_of_the_account_is_lifted_by_a_resume_of_the_account_only() -> None:
    bench = Bench()
    bench.command(Command.HALT)
    bench.command(Command.RESUME, "ABC")
    bench.price(TRIGGER)
    assert bench.took() == []
    bench.command(Command.RESUME)
    bench.price(TRIGGER)
    assert bench.took() == ["place entry"]


@pytest.mark.parametrize("command", [Command.FLATTEN, Command.KILL])
def test_one_symbol_may_be_flattened_alone(command: Command) -> None:
    bench = Bench(symbols=("ABC", "XYZ"))
    for bench.symbol in ("ABC", "XYZ"):
        bench.hold()
    bench.take()
    bench.command(command, "XYZ")
    assert [(intent.symbol, intent.role) for intent in bench.take()] == [("XYZ", Role.STOP)]
    assert not bench.engine.account.is_halted


def test_a_command_for_a_symbol_that_is_not_traded_changes_nothing() -> None:
    bench = Bench()
    bench.hold()
    for command in Command:
        bench.command(command, "NIFTY")
    assert bench.took() == []
    assert bench.engine.account.refuses_new_risk() is None


def test_a_person_ends_a_freezing() -> None:
    bench = Bench()
    entry = bench.undercut()
    bench.reach(entry, bench.open[0])
    bench.frame("1")
    bench.refuse(entry)
    assert bench.frozen() is not None
    bench.settle()
    bench.command(Command.RESUME, "ABC")
    assert bench.frozen() is None


def test_neither_a_resting_entry_nor_an_undecided_stop_is_quiet() -> None:
    bench = Bench()
    assert bench.is_quiet()
    entry = bench.rest()
    assert not bench.is_quiet()
    bench.fill(entry)
    bench.lose(bench.stop)
    assert not bench.is_quiet()


def test_only_the_whole_account_can_be_stopped() -> None:
    bench = Bench()
    bench.command(Command.STOP, "ABC")
    assert bench.engine.account.refuses_new_risk() is None
    (say,) = bench.says
    assert (say.symbol, say.severity) == ("ABC", Severity.WARNING)
    assert "halt the symbol" in say.text


def test_a_stop_waits_for_every_question_and_leaves_the_protective_stops() -> None:
    bench = Bench()
    bench.fill(bench.rest())
    bench.command(Command.STOP)
    assert not bench.is_quiet()
    bench.settle()
    assert bench.is_quiet()
    assert where(bench.stop) is OrderState.WORKING
    bench.bar(100_00, 101_00, 99_80, 100_50)
    assert not bench.is_quiet()
    bench.settle()
    assert bench.is_quiet()


# --- the account's surroundings ---------------------------------------------------------------------


def test_a_clock_that_is_off_is_alarmed_once_and_ends_new_risk_until_it_is_right() -> None:
    bench = Bench()
    for _ in range(3):
        bench.tell(ClockSkewed(bench.later(), -3 * SECOND_NS))
    assert bench.said == ["clock_skew"]
    assert "-3.0 s" in bench.says[0].text
    bench.price(TRIGGER)
    assert bench.took() == []
    bench.tell(ClockSkewed(bench.later(), 2 * SECOND_NS))
    bench.price(TRIGGER)
    assert bench.took() == ["place entry"]


def test_a_change_of_mode_ends_new_risk_for_the_day() -> None:
    bench = Bench()
    for mode in (Mode.LIVE, Mode.ANALYZE, Mode.LIVE):
        bench.tell(ModeSeen(bench.later(), mode))
    bench.price(TRIGGER)
    assert bench.took() == []
    assert bench.says[0].severity is Severity.ALARM


def test_when_the_stream_comes_or_goes_the_books_are_read() -> None:
    bench = Bench()
    bench.rest()
    for is_up in (False, True):
        bench.stream(is_up=is_up)
        assert bench.read_while_due() == 1


# --- a contradiction in one symbol ------------------------------------------------------------------


class Faulty:
    """Invariants that fail for one symbol as often as told."""

    def __init__(self, symbol: str = "ABC") -> None:
        self.symbol = symbol
        self.failures = 0

    def __call__(self, state: SymbolState) -> None:
        check(state)
        if self.failures and state.symbol == self.symbol:
            self.failures -= 1
            raise InvariantBroken(f"{self.symbol}: made to fail")


@pytest.mark.parametrize("failures", [1, 2])
def test_what_a_contradiction_asked_for_is_taken_back_and_protection_goes_on(failures: int) -> None:
    faulty = Faulty()
    bench = Bench(check=faulty)
    entry = bench.rest()
    faulty.failures = failures
    bench.fill(entry)
    assert "made to fail" in (bench.frozen() or "")
    bench.wait(1)
    assert bench.took() == ["place stop"]
    assert bench.stop.terms.quantity == 10


def test_a_modify_and_a_cancel_that_were_taken_back_leave_the_order_as_it_was() -> None:
    faulty = Faulty()
    bench = Bench(check=faulty)
    stop = bench.hold()
    faulty.failures = 2
    bench.bar(100_00, 101_00, 99_80, 100_50)
    assert (where(stop), stop.pending, stop.modifications) == (OrderState.WORKING, None, 0)
    bench.wait(2)
    bench.settle()
    bench.take()
    faulty.failures = 2
    bench.command(Command.FLATTEN)
    assert (where(stop), stop.cancels) == (OrderState.WORKING, 0)
    assert bench.took() == []
    bench.wait(2)
    assert bench.took() == ["cancel stop"]


def test_a_contradiction_in_one_symbol_leaves_the_others_their_evidence() -> None:
    faulty = Faulty()
    bench = Bench(symbols=("ABC", "XYZ"), check=faulty)
    bench.symbol = "ABC"
    bench.rest()
    bench.symbol = "XYZ"
    bench.fill(bench.rest(), tells=False)
    faulty.failures = 2
    bench.symbol = "ABC"
    bench.end(bench.entry, tells=False)
    bench.books()
    assert bench.frozen() is not None
    bench.symbol = "XYZ"
    assert bench.frozen() is None
    assert bench.state.held == 10
    assert bench.stop.terms.trigger == INITIAL


def test_a_contradiction_is_looked_at_again_a_second_later_and_not_without_pause() -> None:
    faulty = Faulty()
    bench = Bench(check=faulty)
    bench.rest()
    faulty.failures = 10**6
    bench.price(ENTRY)
    bench.command(Command.HALT)
    for _ in range(5):
        assert bench.engine.guard("ABC").due_ns == bench.now_ns + SECOND_NS
        bench.wait(1)


def test_a_contradiction_that_stays_is_looked_at_once_a_second_also_where_nothing_else_is_due() -> None:
    faulty = Faulty()
    bench = Bench(check=faulty)
    bench.hold()
    faulty.failures = 10**6
    bench.command(Command.RESUME)
    assert bench.engine.guard("ABC").due_ns == bench.now_ns + SECOND_NS


def test_more_fills_than_were_asked_for_freeze_the_symbol_and_the_other_evidence_still_counts() -> None:
    bench = Bench()
    entry = bench.rest()
    row = bench.ledger.orders["1"]
    bench.frame_of(replace(row, filled=11, average=ENTRY))
    assert "11 filled of 10" in (bench.frozen() or "")
    assert entry.filled == 0
    bench.fill(entry, 10)
    assert bench.took()[-1] == "place stop"


def test_a_stranger_in_a_symbol_of_nobodys_is_nobodys_business() -> None:
    bench = Bench()
    bench.symbol = "NIFTY"
    order_id = bench.stranger(Side.BUY, 75, tells=False)
    bench.symbol = "ABC"
    bench.frame(order_id)
    bench.books()
    assert bench.took() == []
    assert bench.says == []


def test_an_order_seen_after_a_read_was_asked_for_may_be_missing_from_it() -> None:
    bench = Bench(symbols=("ABC", "DEF"))
    read = bench.ask()
    row = OrderRow("77", "DEF", Side.BUY, PriceType.LIMIT, Status.WORKING, 1, ENTRY, 0)
    bench.tell(OrderUpdated(bench.later(), row))
    bench.tell(read)
    assert bench.state.books_seq == read.asked_seq
    later = bench.ask()
    bench.tell(later)
    assert bench.state.books_seq < later.asked_seq, "by now it must be there"


# --- books that cannot be read ------------------------------------------------------------------------


def fail_to_read(bench: Bench, seconds: int) -> None:
    for _ in range(seconds):
        bench.wait(1)
        bench.tell(BooksFailed(bench.now_ns, bench.engine.seq, "403"))


def test_books_that_cannot_be_read_for_long_end_new_risk_with_one_alarm_until_they_can() -> None:
    bench = Bench()
    fail_to_read(bench, 15)
    bench.price(TRIGGER)
    assert bench.took() == ["place entry"], "a hiccup is no reason"
    entry = bench.entry
    bench.accept(entry)
    fail_to_read(bench, 40)
    assert bench.took()[0] == "cancel entry", "nobody could protect what it fills"
    assert bench.said.count("books_unreadable") == 1
    bench.end(entry)
    bench.books()
    bench.books()
    assert bench.said.count("books_readable") == 1
    bench.price(TRIGGER)
    assert bench.took() == ["place entry"]


def test_a_read_between_failures_begins_the_count_anew() -> None:
    bench = Bench()
    for _ in range(5):
        fail_to_read(bench, 14)
        bench.books()
    assert "books_unreadable" not in bench.said


def test_books_that_lack_for_long_what_they_showed_are_as_good_as_unread() -> None:
    """A server that has forgotten its account shows books that are empty and answers all else."""
    bench = Bench()
    bench.hold()
    orders, bench.ledger.orders = bench.ledger.orders, {}
    for _ in range(20):
        bench.wait(1)
        bench.books()
    assert bench.said.count("books_unreadable") == 1
    assert "is missing" in next(say.text for say in bench.says if say.code == "books_unreadable")
    assert bench.engine.account.refuses_new_risk() is not None
    assert bench.state.held == 10, "absence from such books proves nothing"
    bench.ledger.orders = orders
    bench.books()
    assert bench.engine.account.refuses_new_risk() is None
