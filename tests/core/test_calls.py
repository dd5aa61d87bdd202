"""What is asked of the broker is marked in flight in the same step."""

import pytest

from olaf_async.core import calls
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder
from olaf_async.domain.order import Order, OrderState, PriceType, Role, Side, Terms
from tests.core.bench import Bench, where

TERMS = Terms(10, 98_00, 99_00)


@pytest.fixture(name="bench")
def make_bench() -> Bench:
    return Bench()


def place(bench: Bench, role: Role = Role.STOP) -> Order:
    return calls.place(bench.state, role, Side.SELL, PriceType.SL, TERMS)


@pytest.mark.parametrize("role", Role)
def test_an_order_is_in_its_slot_and_in_flight_before_anybody_can_send_it(bench: Bench, role: Role) -> None:
    order = place(bench, role)
    assert bench.state.slots == (order,)
    assert where(order) is OrderState.IN_FLIGHT
    assert bench.engine.account.out == [PlaceOrder("ABC", 1, order.key, role, Side.SELL, PriceType.SL, TERMS)]


def test_no_two_orders_share_a_name_and_no_two_calls_a_number(bench: Bench) -> None:
    first, second = place(bench, Role.STOP), place(bench, Role.EXIT)
    assert first.key != second.key
    assert [intent.request for intent in bench.engine.account.out if isinstance(intent, PlaceOrder)] == [1, 2]


def test_a_modify_is_marked_and_keeps_the_old_terms_until_its_answer(bench: Bench) -> None:
    order = place(bench)
    order.order_id, order.state = "7", OrderState.WORKING
    raised = Terms(10, 98_50, 99_50)
    calls.modify(bench.state, order, raised)
    assert (order.state, order.terms, order.pending) == (OrderState.MODIFYING, TERMS, raised)
    assert (order.modifications, order.modify_request) == (1, 2)
    assert bench.engine.account.out[-1] == ModifyOrder(
        "ABC", 2, order.key, Role.STOP, Side.SELL, PriceType.SL, raised, "7"
    )


def test_a_cancel_is_marked_and_not_repeated(bench: Bench) -> None:
    order = place(bench)
    order.order_id, order.state = "7", OrderState.WORKING
    for _ in range(3):
        calls.cancel(bench.state, order, now_ns=5)
    assert where(order) is OrderState.CANCELLING
    assert bench.engine.account.out[1:] == [CancelOrder("ABC", 2, order.key, Role.STOP, "7")]


@pytest.mark.parametrize("state", [OrderState.IN_FLIGHT, OrderState.UNDECIDED, OrderState.ENDING])
def test_an_order_that_cannot_be_named_or_is_ending_is_not_cancelled(bench: Bench, state: OrderState) -> None:
    order = place(bench)
    order.state = state
    calls.cancel(bench.state, order, now_ns=5)
    assert (order.state, len(bench.engine.account.out)) == (state, 1)


def test_a_cancel_that_failed_is_tried_again_a_second_later_and_not_before(bench: Bench) -> None:
    order = place(bench)
    order.order_id, order.state, order.next_cancel_ns = "7", OrderState.WORKING, SECOND_NS
    calls.cancel(bench.state, order, now_ns=SECOND_NS - 1)
    assert where(order) is OrderState.WORKING
    assert bench.state.wake_ns == SECOND_NS
    calls.cancel(bench.state, order, now_ns=SECOND_NS)
    assert where(order) is OrderState.CANCELLING


def test_everything_asked_makes_older_books_worthless(bench: Bench) -> None:
    bench.engine.account.seq = 40
    order = place(bench)
    assert bench.state.newest_seq == 40
    order.order_id, order.state = "7", OrderState.WORKING
    bench.engine.account.seq = 41
    calls.modify(bench.state, order, TERMS)
    assert bench.state.newest_seq == 41
    bench.engine.account.seq = 42
    calls.cancel(bench.state, order, now_ns=5)
    assert bench.state.newest_seq == 42


@pytest.mark.parametrize("role", Role)
def test_an_order_displaced_from_its_slot_is_not_forgotten(bench: Bench, role: Role) -> None:
    """The guards never let it happen; what may still fill is then cancelled on sight."""
    first, second = place(bench, role), place(bench, role)
    assert bench.state.phantoms == [first]
    assert bench.state.slots == (second,)
