"""A position is what its fills add up to."""

from hypothesis import given
from hypothesis import strategies as st

from olaf_async.domain.position import Position

quantities = st.lists(st.integers(1, 1000), max_size=5)


@given(quantities, quantities, quantities)
def test_what_is_held_is_what_was_entered_less_what_was_left_or_taken(
    entered: list[int], left: list[int], taken: list[int]
) -> None:
    position = Position()
    for quantity in entered:
        position.enter(quantity, quantity * 100, 1)
    for quantity in left:
        position.leave(quantity, quantity * 101, 2)
    for quantity in taken:
        position.take(quantity, quantity * 99, 3)
    assert position.held == sum(entered) - sum(left) - sum(taken)
    assert position.entry_value == 100 * sum(entered)
    assert position.exit_value == 101 * sum(left) + 99 * sum(taken)


def test_a_trade_begins_with_its_first_fill_and_ends_with_its_last() -> None:
    position = Position()
    for at_ns in (10, 20):
        position.enter(5, 500, at_ns)
    for at_ns in (30, 40):
        position.leave(3, 300, at_ns)
    assert (position.entry_ns, position.exit_ns) == (10, 40)
    position.take(4, 400, 50)
    assert (position.held, position.exit_ns) == (0, 50)


def test_selling_more_than_was_held_is_a_number_below_zero_and_not_hidden() -> None:
    position = Position()
    position.enter(10, 1000, 1)
    position.leave(14, 1400, 2)
    assert position.held == -4
