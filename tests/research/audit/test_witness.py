"""What a journal testifies: whose orders, what was sent, how long shares stood without a confirmed stop."""

from dataclasses import replace

import pytest

from olaf_async.adapters.openalgo.wire.dated import Dated
from olaf_async.core.rules import Rules
from olaf_async.domain.events import (
    BooksRead,
    OrderAnswered,
    OrderRow,
    OrderUpdated,
    Outcome,
    Status,
    TradeRow,
    Verb,
)
from olaf_async.domain.intents import ModifyOrder, PlaceOrder
from olaf_async.domain.order import PriceType, Role, Side, Terms
from olaf_async.ports.journal import Entry, NotSent, Record
from olaf_async.research.audit.account import Account, Promise, Spell, Told, Verdict
from olaf_async.research.audit.judge import judge
from olaf_async.research.audit.witness import Witness, listen
from tests.journals import header_of
from tests.races.world import DAY, plan_of

MS = 1_000_000
BUY, SELL = Side.BUY, Side.SELL
ENTRY_TERMS, STOP_TERMS = Terms(10, 100_30, 100_00), Terms(10, 98_00, 99_00)


class Tape:
    """A journal as it grows; times are milliseconds."""

    def __init__(self) -> None:
        header = header_of([plan_of()], Rules())
        self.records = [Record(1, Entry.HEADER, 0, header, None)]

    def add(self, ms: int, entry: Entry, body: object) -> None:
        self.records.append(Record(len(self.records) + 1, entry, ms * MS, body, None))

    def sends(self, ms: int, key: str, role: Role, terms: Terms, request: int = 1) -> PlaceOrder:
        side = BUY if role is Role.ENTRY else SELL
        place = PlaceOrder("INFY", request, key, role, side, PriceType.SL, terms)
        self.add(ms, Entry.SENDING, place)
        return place

    def answers(
        self, ms: int, key: str, order_id: str | None, outcome: Outcome = Outcome.ACCEPTED, request: int = 1
    ) -> None:
        answer = OrderAnswered("INFY", ms * MS, request, key, Verb.PLACE, outcome, order_id)
        self.add(ms, Entry.EVENT, answer)

    def frames(self, ms: int, order: OrderRow) -> None:
        self.add(ms, Entry.EVENT, OrderUpdated(ms * MS, order))

    def reads(self, ms: int, *rows: OrderRow, trades: tuple[TradeRow, ...] = (), asked_ms: int = 0) -> None:
        self.add(ms, Entry.EVENT, BooksRead(ms * MS, (asked_ms or ms) * MS, 0, rows, trades, ()))

    def enters(self, ms: int = 100) -> None:
        """Sent, confirmed, filled at that time."""
        self.sends(ms - 50, "INFY/1-entry", Role.ENTRY, ENTRY_TERMS)
        self.answers(ms - 40, "INFY/1-entry", "1")
        self.frames(ms, row("1", BUY, ENTRY_TERMS, Status.COMPLETE, 10))

    @property
    def witness(self) -> Witness:
        witness = listen(self.records)
        assert witness is not None
        return witness

    def spells(self) -> tuple[Spell, ...]:
        spells = self.witness.case(self.witness.account, is_over=True).spells
        assert spells is not None
        return spells


def row(
    order_id: str, side: Side, terms: Terms, status: Status = Status.WORKING, filled: int | None = 0
) -> OrderRow:
    return OrderRow(
        order_id, "INFY", side, PriceType.SL, status, terms.quantity, terms.price, terms.trigger, filled
    )


@pytest.fixture
def tape() -> Tape:
    return Tape()


def test_without_a_header_nobody_testifies() -> None:
    assert listen([]) is None


def test_the_plan_is_that_of_the_header(tape: Tape) -> None:
    plan = tape.witness.plans["INFY"]
    assert (plan.opens, plan.quantity, plan.tick_size, plan.attempts_max) == (BUY, 10, 5, 3)
    assert tape.witness.header.day == DAY


# ---------------------------------------------------------------------------------- without a stop


def test_a_position_counts_from_its_fill_and_its_stop_from_its_confirmation(tape: Tape) -> None:
    tape.enters(100)
    tape.sends(110, "INFY/2-stop", Role.STOP, STOP_TERMS, 2)
    tape.answers(170, "INFY/2-stop", "2", request=2)
    tape.frames(5000, row("2", SELL, STOP_TERMS, Status.COMPLETE, 10))
    (spell,) = tape.spells()
    assert (spell.bare_ns, spell.begin_ns, spell.end_ns) == (70 * MS, 100 * MS, 5000 * MS)
    assert (spell.shares, spell.entry_ids) == (10, frozenset({"1"}))
    assert [line.seq for line in spell.lines] == [4, 6]


def test_shares_that_never_had_a_stop_are_bare_to_the_end_of_the_journal(tape: Tape) -> None:
    tape.enters(100)
    tape.sends(110, "INFY/2-stop", Role.STOP, STOP_TERMS, 2)
    tape.answers(120, "INFY/2-stop", None, Outcome.REFUSED, 2)
    tape.reads(9100, row("1", BUY, ENTRY_TERMS, Status.COMPLETE, 10))
    (spell,) = tape.spells()
    assert (spell.bare_ns, spell.end_ns) == (9000 * MS, None)


def test_a_stop_for_a_part_covers_only_that_until_it_is_made_bigger(tape: Tape) -> None:
    tape.enters(100)
    small = replace(STOP_TERMS, quantity=4)
    tape.sends(100, "INFY/2-stop", Role.STOP, small, 2)
    tape.answers(110, "INFY/2-stop", "2", request=2)
    modify = ModifyOrder("INFY", 3, "INFY/2-stop", Role.STOP, SELL, PriceType.SL, STOP_TERMS, "2")
    tape.add(120, Entry.SENDING, modify)
    tape.add(
        180,
        Entry.EVENT,
        OrderAnswered("INFY", 180 * MS, 3, "INFY/2-stop", Verb.MODIFY, Outcome.ACCEPTED, "2"),
    )
    (spell,) = tape.spells()
    assert spell.bare_ns == 80 * MS


def test_a_stop_for_one_share_too_few_leaves_one_bare(tape: Tape) -> None:
    tape.enters(100)
    tape.sends(100, "INFY/2-stop", Role.STOP, replace(STOP_TERMS, quantity=9), 2)
    tape.answers(110, "INFY/2-stop", "2", request=2)
    tape.reads(4100)
    (spell,) = tape.spells()
    assert spell.bare_ns == 4000 * MS


def test_an_exit_that_rests_covers_nothing(tape: Tape) -> None:
    tape.enters(100)
    tape.sends(100, "INFY/2-exit", Role.EXIT, STOP_TERMS, 2)
    tape.answers(110, "INFY/2-exit", "2", request=2)
    tape.frames(5100, row("2", SELL, STOP_TERMS, Status.COMPLETE, 10))
    (spell,) = tape.spells()
    assert spell.bare_ns == 5000 * MS


def test_a_frame_older_than_the_answer_to_a_change_takes_no_cover_away(tape: Tape) -> None:
    tape.enters(100)
    tape.sends(100, "INFY/2-stop", Role.STOP, STOP_TERMS, 2)
    tape.answers(150, "INFY/2-stop", "2", request=2)
    tape.frames(160, row("2", SELL, replace(STOP_TERMS, quantity=4)))
    tape.reads(170, row("2", SELL, replace(STOP_TERMS, quantity=4)), asked_ms=140)
    tape.reads(900, row("2", SELL, STOP_TERMS))
    (spell,) = tape.spells()
    assert spell.bare_ns == 50 * MS


def test_a_book_read_after_the_answer_that_shows_fewer_shares_does(tape: Tape) -> None:
    tape.enters(100)
    tape.sends(100, "INFY/2-stop", Role.STOP, STOP_TERMS, 2)
    tape.answers(150, "INFY/2-stop", "2", request=2)
    tape.reads(900, row("2", SELL, replace(STOP_TERMS, quantity=4)))
    tape.reads(2900, row("2", SELL, STOP_TERMS))
    (spell,) = tape.spells()
    assert (spell.bare_ns, spell.bare_total_ns) == (2000 * MS, 2050 * MS)


@pytest.mark.parametrize("end", [Status.CANCELLED, Status.REJECTED, Status.EXPIRED])
def test_a_stop_that_ends_leaves_its_shares_bare(tape: Tape, end: Status) -> None:
    tape.enters(100)
    tape.sends(100, "INFY/2-stop", Role.STOP, STOP_TERMS, 2)
    tape.frames(150, row("2", SELL, STOP_TERMS))
    tape.answers(160, "INFY/2-stop", "2", request=2)
    tape.frames(1000, row("2", SELL, STOP_TERMS, end))
    tape.reads(4000, row("1", BUY, ENTRY_TERMS, Status.COMPLETE, 10))
    (spell,) = tape.spells()
    assert spell.bare_ns == 3000 * MS


def test_an_end_that_a_later_book_takes_back_was_none(tape: Tape) -> None:
    tape.enters(100)
    tape.sends(100, "INFY/2-stop", Role.STOP, STOP_TERMS, 2)
    tape.answers(150, "INFY/2-stop", "2", request=2)
    tape.reads(1000, row("2", SELL, STOP_TERMS, Status.REJECTED))
    tape.reads(6000, row("2", SELL, STOP_TERMS))
    (spell,) = tape.spells()
    assert spell.bare_ns == 50 * MS


def test_a_stop_that_was_taken_and_then_rejected_never_covered(tape: Tape) -> None:
    tape.enters(100)
    tape.sends(100, "INFY/2-stop", Role.STOP, STOP_TERMS, 2)
    tape.answers(150, "INFY/2-stop", "2", request=2)
    tape.frames(400, row("2", SELL, STOP_TERMS, Status.REJECTED))
    tape.reads(600, row("1", BUY, ENTRY_TERMS, Status.COMPLETE, 10))
    (spell,) = tape.spells()
    assert spell.bare_ns == 500 * MS


def test_a_stop_that_shows_as_a_limit_order_since_it_was_set_off_still_covers(tape: Tape) -> None:
    tape.enters(100)
    tape.sends(100, "INFY/2-stop", Role.STOP, STOP_TERMS, 2)
    tape.answers(150, "INFY/2-stop", "2", request=2)
    tape.frames(4000, replace(row("2", SELL, STOP_TERMS), price_type=PriceType.LIMIT))
    tape.reads(9000)
    (spell,) = tape.spells()
    assert spell.bare_ns == 50 * MS


def test_what_somebody_else_has_sold_needs_no_stop_any_more(tape: Tape) -> None:
    tape.enters(100)
    tape.frames(300, row("77", SELL, STOP_TERMS, Status.COMPLETE, 10))
    tape.reads(900)
    (spell,) = tape.spells()
    assert (spell.bare_ns, spell.end_ns) == (200 * MS, 300 * MS)


def test_a_fill_counts_once_by_whichever_channel_told_it_first(tape: Tape) -> None:
    tape.enters(100)
    tape.reads(
        200,
        row("1", BUY, ENTRY_TERMS, Status.COMPLETE, 10),
        trades=(TradeRow("1", "INFY", BUY, 6, 100_00), TradeRow("1", "INFY", BUY, 4, 100_00)),
    )
    (spell,) = tape.spells()
    assert (spell.begin_ns, spell.shares) == (100 * MS, 10)
    assert [trade.at_ns for trade in tape.witness.account.trades] == [100 * MS, 100 * MS]


# ---------------------------------------------------------------------------------- whose orders


def book_of(*orders: OrderRow) -> Account:
    return Account(tuple(Dated(order, number * MS) for number, order in enumerate(orders)), (), ())


def test_an_order_that_was_answered_is_ours_by_its_id(tape: Tape) -> None:
    tape.enters()
    assert tape.witness.ours(book_of()) == {"1": "INFY"}


def test_an_order_whose_answer_was_lost_is_the_one_that_is_all_that_was_sent(tape: Tape) -> None:
    tape.sends(50, "INFY/1-entry", Role.ENTRY, ENTRY_TERMS)
    tape.answers(5050, "INFY/1-entry", None, Outcome.LOST)
    alike, again = row("8", BUY, ENTRY_TERMS), row("9", BUY, ENTRY_TERMS)
    others = row("5", BUY, replace(ENTRY_TERMS, quantity=3)), row("6", SELL, ENTRY_TERMS)
    assert tape.witness.ours(book_of(*others, alike)) == {"8": "INFY"}
    assert tape.witness.ours(book_of(alike, again)) == {"8": "INFY"}, "one was sent, so one is ours"
    assert tape.witness.never_arrived(book_of(*others)) == 1
    assert tape.witness.never_arrived(book_of(alike)) == 0


def test_two_orders_without_an_answer_are_two_rows(tape: Tape) -> None:
    tape.sends(50, "INFY/1-entry", Role.ENTRY, ENTRY_TERMS)
    tape.sends(60, "INFY/2-entry", Role.ENTRY, ENTRY_TERMS, 2)
    one, two = row("8", BUY, ENTRY_TERMS), row("9", BUY, ENTRY_TERMS)
    assert tape.witness.ours(book_of(one, two)) == {"8": "INFY", "9": "INFY"}
    assert tape.witness.never_arrived(book_of(one)) == 1


def test_a_stop_whose_answer_was_lost_may_have_been_changed_since(tape: Tape) -> None:
    tape.sends(50, "INFY/1-stop", Role.STOP, STOP_TERMS)
    assert tape.witness.ours(book_of(row("8", SELL, Terms(4, 99_00, 99_90)))) == {"8": "INFY"}


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.NOT_SENT])
def test_an_order_that_was_not_placed_is_nobody_s(tape: Tape, outcome: Outcome) -> None:
    tape.sends(50, "INFY/1-entry", Role.ENTRY, ENTRY_TERMS)
    tape.answers(60, "INFY/1-entry", None, outcome)
    assert tape.witness.ours(book_of(row("8", BUY, ENTRY_TERMS))) == {}
    assert tape.witness.never_arrived(book_of()) == 0


def test_an_order_called_off_before_its_call_never_left(tape: Tape) -> None:
    place = tape.sends(50, "INFY/1-entry", Role.ENTRY, ENTRY_TERMS)
    tape.add(50, Entry.NOT_SENT, NotSent(place, "a limiter", is_refused=False))
    assert tape.witness.ours(book_of(row("8", BUY, ENTRY_TERMS))) == {}
    tape.sends(60, "INFY/1-entry", Role.ENTRY, ENTRY_TERMS)
    assert tape.witness.ours(book_of(row("8", BUY, ENTRY_TERMS))) == {"8": "INFY"}


def test_a_change_names_the_order_it_is_of(tape: Tape) -> None:
    tape.sends(50, "INFY/1-stop", Role.STOP, STOP_TERMS)
    modify = ModifyOrder("INFY", 3, "INFY/1-stop", Role.STOP, SELL, PriceType.SL, STOP_TERMS, "7")
    tape.add(120, Entry.SENDING, modify)
    assert tape.witness.ours(book_of()) == {"7": "INFY"}


# ---------------------------------------------------------------------------------- the books


def test_rows_are_kept_when_a_later_read_lacks_them(tape: Tape) -> None:
    tape.reads(100, row("1", BUY, ENTRY_TERMS), trades=(TradeRow("1", "INFY", BUY, 10, 100_00),))
    tape.reads(200)
    account = tape.witness.account
    assert [order.row.order_id for order in account.orders] == ["1"]
    assert [(trade.row.quantity, trade.at_ns) for trade in account.trades] == [(10, 100 * MS)]


def test_executions_that_an_account_made_again_tells_as_one_are_not_counted_twice(tape: Tape) -> None:
    parts = TradeRow("1", "INFY", BUY, 4, 100_00), TradeRow("1", "INFY", BUY, 6, 100_10)
    tape.reads(100, row("1", BUY, ENTRY_TERMS), trades=parts)
    tape.reads(200, row("1", BUY, ENTRY_TERMS), trades=parts[1:])
    assert [trade.row for trade in tape.witness.account.trades] == [*parts]
    whole = TradeRow("1", "INFY", BUY, 10, 100_06)
    tape.reads(300, row("1", BUY, ENTRY_TERMS), trades=(whole,))
    tape.reads(400, row("1", BUY, ENTRY_TERMS), trades=(whole,))
    assert [(trade.row, trade.at_ns) for trade in tape.witness.account.trades] == [(whole, 100 * MS)]


def test_older_news_of_a_fill_takes_no_share_back(tape: Tape) -> None:
    tape.enters(100)
    tape.frames(150, row("1", BUY, ENTRY_TERMS, Status.WORKING, 4))
    tape.frames(160, row("1", BUY, ENTRY_TERMS, Status.COMPLETE, 10))
    (spell,) = tape.spells()
    assert spell.shares == 10


def test_two_executions_that_are_alike_are_two(tape: Tape) -> None:
    part = TradeRow("1", "INFY", BUY, 5, 100_00)
    tape.reads(100, row("1", BUY, ENTRY_TERMS), trades=(part,))
    tape.reads(200, row("1", BUY, ENTRY_TERMS), trades=(part, part))
    assert [trade.at_ns for trade in tape.witness.account.trades] == [100 * MS, 200 * MS]


def test_books_read_before_the_last_order_do_not_reach_to_the_end(tape: Tape) -> None:
    tape.enters(100)
    reaches = [tape.witness.is_read_to_the_end]
    tape.reads(200, row("1", BUY, ENTRY_TERMS))
    reaches.append(tape.witness.is_read_to_the_end)
    tape.sends(300, "INFY/2-stop", Role.STOP, STOP_TERMS, 2)
    reaches.append(tape.witness.is_read_to_the_end)
    assert reaches == [False, True, False]


def test_books_need_not_have_an_order_that_was_first_heard_of_after_their_read(tape: Tape) -> None:
    tape.reads(10)
    tape.enters(100)
    witness = tape.witness
    assert witness.case(witness.account, is_over=True).ours == {"1"}
    assert witness.case(witness.account, is_over=True, asked_ns=10 * MS).ours == frozenset()


def test_the_time_in_which_nobody_watched_is_between_two_headers(tape: Tape) -> None:
    tape.enters(100)
    tape.add(700, Entry.HEADER, tape.records[0].body)
    assert tape.witness.gaps == [(100 * MS, 700 * MS)]


def test_what_an_earlier_run_was_allowed_is_not_held_against_it_in_a_later_one(tape: Tape) -> None:
    for rules in (Rules(quantity=10, max_attempts=2), Rules(quantity=4, max_attempts=1)):
        tape.add(100, Entry.HEADER, header_of([plan_of()], rules))
    (plan,) = tape.witness.plans.values()
    assert (plan.quantity, plan.attempts_max) == (10, 3)


def prices_off_the_tick(tape: Tape) -> list[int]:
    case = tape.witness.case(tape.witness.account, is_over=True)
    proof = next(each for each in judge(case) if each.promise is Promise.ON_TICK)
    assert (proof.verdict is Verdict.BROKEN) is bool(proof.breaches)
    return [row.seq for breach in proof.breaches for row in breach.rows if isinstance(row, Told)]


def test_every_price_that_was_sent_is_held_against_the_tick(tape: Tape) -> None:
    tape.enters(100)
    assert prices_off_the_tick(tape) == []
    tape.sends(110, "INFY/2-stop", Role.STOP, Terms(10, 98_01, 99_02), 2)
    assert prices_off_the_tick(tape) == [5, 5]
