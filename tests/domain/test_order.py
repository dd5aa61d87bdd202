"""One order: the table of its life, and the folding of its fills."""

from collections.abc import Iterator
from itertools import product

import pytest

from olaf_async.domain.order import (
    ENDS,
    TRANSITIONS,
    Order,
    OrderState,
    PriceType,
    Role,
    Side,
    Signal,
    Terms,
)
from olaf_async.errors import InvariantBroken

S = OrderState
MISSING = sorted(set(product(S, Signal)) - set(TRANSITIONS), key=lambda pair: (pair[0].value, pair[1].name))
ENDS_IN_ORDER = [state for state in S if state in ENDS]
LATE = {
    Signal.ACCEPTED,
    Signal.LOST,
    Signal.REFUSED,
    Signal.MODIFY_DONE,
    Signal.MODIFY_REFUSED,
    Signal.MODIFY_LOST,
    Signal.CANCEL_FAILED,
    Signal.SEEN_ENDED,
}


def order(state: OrderState = S.WORKING, quantity: int = 10) -> Order:
    made = Order("ABC/1-entry", "ABC", Role.ENTRY, Side.BUY, PriceType.SL, Terms(quantity, 100_30, 100_00))
    made.state = state
    return made


def reachable() -> Iterator[OrderState]:
    known, frontier = {S.IN_FLIGHT}, [S.IN_FLIGHT]
    while frontier:
        here = frontier.pop()
        for (old, _), new in TRANSITIONS.items():
            if old is here and new not in known:
                known.add(new)
                frontier.append(new)
    yield from known


# --- the table --------------------------------------------------------------------------------------


def test_every_state_can_be_reached_from_in_flight() -> None:
    assert set(reachable()) == set(S)


def test_every_signal_moves_something() -> None:
    assert {signal for _, signal in TRANSITIONS} == set(Signal)


@pytest.mark.parametrize("state", [state for state in S if state not in ENDS])
def test_from_every_state_an_end_can_be_reached(state: OrderState) -> None:
    known = {state}
    for _ in S:
        known |= {new for (old, _), new in TRANSITIONS.items() if old in known}
    assert known & ENDS


@pytest.mark.parametrize(("state", "signal"), MISSING)
def test_a_move_that_is_not_in_the_table_raises_and_leaves_the_order_untouched(
    state: OrderState, signal: Signal
) -> None:
    made = order(state)
    with pytest.raises(InvariantBroken, match=f"{signal.name} is impossible while {state.value}"):
        made.apply(signal)
    assert made.state is state


@pytest.mark.parametrize("pair", TRANSITIONS)
def test_a_move_of_the_table_is_made(pair: tuple[OrderState, Signal]) -> None:
    made = order(pair[0])
    made.apply(pair[1])
    assert made.state is TRANSITIONS[pair]


@pytest.mark.parametrize("end", [end for end in ENDS_IN_ORDER if end is not S.ABSENT])
def test_an_end_only_takes_late_news_and_moves_only_for_a_late_fill(end: OrderState) -> None:
    moves = {signal: new for (old, signal), new in TRANSITIONS.items() if old is end}
    assert set(moves) == LATE | {Signal.ALL_FILLED}
    assert moves.pop(Signal.ALL_FILLED) is S.FILLED
    assert set(moves.values()) == {end}


def test_an_order_concluded_absent_that_shows_up_is_alive() -> None:
    assert TRANSITIONS[S.ABSENT, Signal.ACCEPTED] is S.WORKING
    assert TRANSITIONS[S.ABSENT, Signal.SEEN_ENDED] is S.ENDING


def test_nothing_is_proved_absent_that_has_been_seen() -> None:
    assert [old for old, signal in TRANSITIONS if signal is Signal.PROVED_ABSENT] == [S.UNDECIDED]


def test_an_end_without_fills_is_proved_only_after_its_status_was_seen() -> None:
    proofs = {Signal.PROVED_CANCELLED, Signal.PROVED_REJECTED, Signal.PROVED_EXPIRED}
    assert {old for old, signal in TRANSITIONS if signal in proofs} == {S.ENDING}


def test_an_undecided_modify_never_blocks_a_cancel() -> None:
    assert TRANSITIONS[S.MODIFY_UNDECIDED, Signal.CANCEL_SENT] is S.CANCELLING
    assert TRANSITIONS[S.MODIFYING, Signal.CANCEL_SENT] is S.CANCELLING


def test_after_an_undecided_modify_no_other_may_be_sent() -> None:
    assert (S.MODIFY_UNDECIDED, Signal.MODIFY_SENT) not in TRANSITIONS
    assert (S.MODIFYING, Signal.MODIFY_SENT) not in TRANSITIONS


# --- sides ------------------------------------------------------------------------------------------


def test_a_side_knows_its_sign_and_its_other() -> None:
    assert [Side.BUY.sign, Side.SELL.sign] == [1, -1]
    assert [Side.BUY.other, Side.SELL.other] == [Side.SELL, Side.BUY]


# --- fills ------------------------------------------------------------------------------------------


def test_fills_are_cumulative_and_only_what_is_new_is_added() -> None:
    made = order()
    assert made.fold(4, 400) == (4, 400)
    assert made.fold(4, 400) == (0, 0)
    assert made.fold(3, 300) == (0, 0)
    assert made.fold(9, 900) == (5, 500)
    assert (made.filled, made.value, made.remaining) == (9, 900, 1)
    assert made.state is S.WORKING


def test_an_order_whose_every_share_has_traded_is_filled() -> None:
    made = order()
    made.fold(10, 1000)
    assert made.state is S.FILLED
    assert made.remaining == 0


def test_a_value_summed_from_executions_corrects_one_from_an_average() -> None:
    made = order()
    made.fold(3, 299)
    assert made.fold(3, 300) == (0, 0)
    assert made.fold(3, 300, is_exact=True) == (0, 1)
    assert made.value == 300


def test_more_filled_than_was_asked_for_is_a_lie() -> None:
    made = order()
    with pytest.raises(InvariantBroken, match="11 filled of 10"):
        made.fold(11, 1100)
    assert made.filled == 0


@pytest.mark.parametrize("end", [end for end in ENDS_IN_ORDER if end is not S.FILLED])
def test_a_late_fill_counts_after_every_end(end: OrderState) -> None:
    made = order(end)
    assert made.fold(4, 400) == (4, 400)
    assert made.state is end
    made.fold(10, 1000)
    assert made.state is S.FILLED


def test_a_larger_quantity_asked_for_may_fill_before_its_answer() -> None:
    made = order(S.MODIFYING)
    made.pending = Terms(15, 100_30, 100_00)
    assert made.fold(12, 1200) == (12, 1200)


def changing(quantity: int, filled: int = 0) -> Order:
    """An order of ten, with a change of its quantity under way."""
    made = order(S.MODIFYING)
    made.pending = Terms(quantity, 100_35, 100_05)
    if filled:
        made.fold(filled, filled * 100)
    return made


def test_a_change_that_took_effect_leaves_its_terms_and_one_that_did_not_the_old() -> None:
    done, refused = changing(15), changing(15)
    done.resolve(is_done=True)
    assert (done.terms, done.pending, done.state) == (Terms(15, 100_35, 100_05), None, S.WORKING)
    refused.resolve(is_done=False)
    assert (refused.terms, refused.pending, refused.state) == (Terms(10, 100_30, 100_00), None, S.WORKING)


def test_shares_filled_to_the_old_quantity_end_an_order_under_change_only_once_it_is_settled() -> None:
    grown, stayed = changing(15, filled=10), changing(15, filled=10)
    assert (grown.state, stayed.state) == (S.MODIFYING, S.MODIFYING)
    grown.resolve(is_done=True)
    assert (grown.state, grown.remaining) == (S.WORKING, 5)
    stayed.resolve(is_done=False)
    assert (stayed.state, stayed.remaining) == (S.FILLED, 0)


def test_an_order_shrunk_to_what_has_filled_is_filled() -> None:
    shrunk = changing(6, filled=6)
    assert shrunk.state is S.MODIFYING
    shrunk.resolve(is_done=True)
    assert (shrunk.state, shrunk.terms.quantity) == (S.FILLED, 6)


def test_shares_that_fill_to_the_larger_of_two_quantities_end_the_order_at_once() -> None:
    assert changing(15, filled=15).state is S.FILLED
    assert changing(6, filled=10).state is S.FILLED


def test_a_change_to_fewer_shares_that_counted_as_done_and_came_too_late_hides_no_fill() -> None:
    shrunk = changing(6)
    shrunk.resolve(is_done=True)
    assert shrunk.fold(8, 800) == (8, 800)
    assert (shrunk.state, shrunk.terms.quantity, shrunk.remaining) == (S.WORKING, 10, 2)
    assert shrunk.fold(10, 1000) == (2, 200)
    assert shrunk.state is S.FILLED


def test_a_change_to_more_shares_that_counted_as_never_done_hides_no_fill() -> None:
    grown = changing(15, filled=10)
    grown.resolve(is_done=False)
    assert grown.fold(15, 1500) == (5, 500)
    assert (grown.state, grown.terms.quantity) == (S.FILLED, 15)
    with pytest.raises(InvariantBroken, match="16 filled of 15"):
        grown.fold(16, 1600)


@pytest.mark.parametrize("state", S)
def test_an_order_is_outstanding_until_it_has_ended(state: OrderState) -> None:
    assert order(state).is_outstanding is (state not in ENDS)
    assert order(state).remaining == (0 if state in ENDS else 10)


def test_a_question_is_open_while_only_the_broker_can_answer_it() -> None:
    unsettled = {state for state in S if order(state).is_unsettled}
    assert unsettled == {S.UNDECIDED, S.MODIFY_UNDECIDED, S.CANCELLING, S.ENDING}


def test_terms_are_told_in_rupees() -> None:
    assert str(Terms(10, 98_00, 99_05)) == "10 at 98.00, trigger 99.05"
    assert str(Terms(10, 98_00)) == "10 at 98.00"


def test_a_value_is_exact_only_as_a_sum_of_executions() -> None:
    averaged, summed = order(), order()
    averaged.fold(3, 299)
    summed.fold(3, 300, is_exact=True)
    assert (averaged.is_value_exact, summed.is_value_exact) == (False, True)
    averaged.fold(3, 300, is_exact=True)
    assert averaged.value == summed.value
