"""A day executed again: what differs is found, at its place, whatever it is.

That nothing differs where nothing should is tried after each test that stages a day.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from olaf_async.adapters.journal.codec import Header
from olaf_async.adapters.journal.rerun import Difference, Rerunner, recover
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.domain.events import Event, OrderUpdated, PriceTouched
from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder, Say
from olaf_async.domain.order import Role
from olaf_async.errors import JournalError
from olaf_async.ports.journal import Entry, NotSent, PutOff, Record
from tests.journals import header_of
from tests.races.world import ENTRY, OPEN_NS, UNDERCUT, World, plan_of, play


async def a_trade_and_a_stop(world: World) -> None:
    await world.enters()
    await world.prints(ENTRY + 5_00, ENTRY + 9_00, pause_s=1)
    await world.until_ns(OPEN_NS + 70 * SECOND_NS)
    await world.prints(ENTRY - 20_00, pause_s=2)
    await world.prints(UNDERCUT, pause_s=2)


RULES = {"max_orders_per_s": 1}
"""One a second: the desk is put off, too."""


@pytest.fixture(scope="module")
def day() -> list[Record]:
    """A header, and the records of a day with everything in it."""
    world = play(a_trade_and_a_stop, rules=RULES)
    header = header_of([plan_of()], world.supervisor.engine.account.rules)
    first = Record(1, Entry.HEADER, 0, header, None)
    return [first, *(replace(record, seq=record.seq + 1) for record in world.journal.records)]


def difference(records: list[Record]) -> Difference:
    found = Rerunner().run(records).difference
    assert found is not None
    return found


def number_of(day: list[Record], wanted: Callable[[Record], bool]) -> int:
    return next(number for number, record in enumerate(day) if wanted(record))


def changed(day: list[Record], number: int, **changes: object) -> list[Record]:
    """The day with one record different."""
    return [*day[:number], replace(day[number], **changes), *day[number + 1 :]]  # type: ignore[arg-type]


def test_the_day_has_everything_in_it_and_no_difference(day: list[Record]) -> None:
    again = Rerunner().run(day)
    assert again.difference is None
    entries = [record.entry for record in day]
    assert (again.runs, again.events) == (1, entries.count(Entry.EVENT))
    assert again.intents == entries.count(Entry.INTENT)
    kinds = {type(record.body) for record in day}
    assert {PlaceOrder, ModifyOrder, OrderUpdated, PriceTouched, PutOff, Header} <= kinds


async def dies_and_goes_on(world: World) -> None:
    await world.enters()
    await world.dies()
    await world.wait(20)
    world.starts_again()
    await world.wait(2)
    await world.prints(ENTRY - 20_00, pause_s=2)


def test_a_second_run_goes_on_with_what_the_first_knew() -> None:
    world = play(dies_and_goes_on)
    header = header_of([plan_of()], world.rules)
    again = Rerunner().run([Record(0, Entry.HEADER, 0, header, None), *world.journal.records])
    assert (again.runs, again.difference) == (2, None)
    assert [trade.attempt for trade in world.supervisor.outcome.trades] == [1]


def test_a_second_run_that_plans_a_traded_share_otherwise_is_a_difference(day: list[Record]) -> None:
    header = header_of([plan_of(entry=ENTRY - 5)], Rules())
    found = difference([*day, Record(len(day) + 1, Entry.HEADER, 0, header, None)])
    assert found.now.startswith("INFY: traded today already")


def test_a_journal_that_cannot_be_executed_again_gives_no_belief(day: list[Record]) -> None:
    number = number_of(day, lambda record: isinstance(record.body, PriceTouched))
    with pytest.raises(JournalError, match="cannot be executed again"):
        recover([*day[:number], *day[number + 1 :]])


def test_of_no_run_nothing_is_recovered() -> None:
    assert recover([]) is None


def test_orders_whose_sending_was_called_off_are_known_until_they_are_sent_after_all(
    day: list[Record],
) -> None:
    number = number_of(day, lambda record: record.entry is Entry.SENDING)
    place = day[number].body
    assert isinstance(place, PlaceOrder)
    off = Record(0, Entry.NOT_SENT, 0, NotSent(place, "429", is_refused=False), None)
    called_off = recover([*day[: number + 1], off])
    assert called_off is not None
    assert called_off.unsent == (place.key,)
    sent = recover([*day[: number + 1], off, *day[number + 1 :]])
    assert sent is not None


def test_a_command_that_would_be_another_today_is_found_at_its_place(day: list[Record]) -> None:
    number = number_of(
        day, lambda record: record.entry is Entry.INTENT and isinstance(record.body, ModifyOrder)
    )
    body = day[number].body
    assert isinstance(body, ModifyOrder)
    other = replace(body, terms=replace(body.terms, trigger=body.terms.trigger + 5))
    found = difference(changed(day, number, body=other))
    assert found.record.seq == number + 1
    assert (found.written, found.now) == (repr(other), repr(body))


@pytest.mark.parametrize("entry", [Entry.EVENT, Entry.INTENT, Entry.SENDING, Entry.PUT_OFF])
def test_each_record_left_out_is_missed(day: list[Record], entry: Entry) -> None:
    for number in [number for number, record in enumerate(day[:-1]) if record.entry is entry]:
        first_seq = number if entry is Entry.INTENT else number + 1  # it is missed at the event before
        assert difference([*day[:number], *day[number + 1 :]]).record.seq >= first_seq


def test_a_sending_at_another_time_is_another_sending(day: list[Record]) -> None:
    number = number_of(day, lambda record: record.entry is Entry.SENDING)
    assert difference(changed(day, number, at_ns=day[number].at_ns + 1)).record.seq >= number + 1


def test_another_answer_to_the_desk_is_found(day: list[Record]) -> None:
    number = number_of(day, lambda record: record.entry is Entry.SENDING)
    intent = day[number].body
    assert isinstance(intent, PlaceOrder)
    refused = NotSent(intent, "a better idea", is_refused=True)
    found = difference(changed(day, number, entry=Entry.NOT_SENT, body=refused))
    assert (found.record.seq, "Drop" in found.written, "Send" in found.now) == (number + 1, True, True)


def test_what_happened_without_the_core_changes_nothing_for_it(day: list[Record]) -> None:
    intent = CancelOrder("INFY", 99, "INFY/99-stop", Role.STOP, "id")
    beside = [
        Record(0, Entry.NOT_SENT, 0, NotSent(intent, "a limiter", is_refused=False), None),
        Record(0, Entry.NOTE, 0, "a word", None),
        Record(0, Entry.CLOSED, 0, "exit code 0", None),
    ]
    assert Rerunner().run([*day, *beside]).difference is None


def test_another_belief_is_found_even_where_no_command_shows_it(day: list[Record]) -> None:
    number = number_of(day, lambda record: record.entry is Entry.EVENT)
    found = difference(changed(day, number, fingerprint="0" * 32))
    assert found.record.seq == number + 1
    assert (found.written, found.now) == (f"belief {'0' * 32}", f"belief {day[number].fingerprint}")


def test_other_rules_are_other_commands(day: list[Record]) -> None:
    header = day[0].body
    assert isinstance(header, Header)
    other = replace(header, rules=replace(header.rules, stop_limit_pct=Rules().stop_limit_pct))
    assert "PlaceOrder" in difference(changed(day, 0, body=other)).now


def test_a_journal_without_a_header_cannot_be_executed(day: list[Record]) -> None:
    assert difference(day[1:]).now == "there is no header before it"


def test_a_journal_that_ends_before_a_command_is_told_of(day: list[Record]) -> None:
    number = number_of(day, lambda record: record.entry is Entry.INTENT and not isinstance(record.body, Say))
    found = difference(day[:number])
    assert (found.written, found.record.seq) == ("the journal ends", number)


def a_print_of(symbol: str) -> Event:
    return PriceTouched(symbol, OPEN_NS, 100_00)


def test_a_crash_of_the_day_has_to_come_again(day: list[Record]) -> None:
    fatal = Record(2, Entry.EVENT, OPEN_NS, a_print_of("WIPRO"), None)
    assert Rerunner().run([day[0], fatal]).difference is None
    survived = difference([day[0], replace(fatal, fingerprint="0" * 32)])
    assert "the core crashes: KeyError" in survived.now
    harmless = difference([day[0], replace(fatal, body=a_print_of("INFY"))])
    assert (harmless.written, harmless.now) == ("the core crashed", "the core takes it in")
