"""Waiting prints: what is merged away could not have mattered, to a guard or to a bar."""

from hypothesis import given
from hypothesis import strategies as st

from olaf_async.core.market import NO_HIGH, NO_LOW, Guard, SymbolMarket
from olaf_async.core.rules import NEVER_NS, SECOND_NS
from olaf_async.domain.bar import Bar
from olaf_async.domain.events import PriceTouched
from olaf_async.shell.slots import Print, Slot
from tests.races.world import INFY, OPEN_NS, plan_of

BAR_NS = 60 * SECOND_NS
PRINTS = st.lists(st.tuples(st.integers(0, 200), st.integers(95, 105)), max_size=40).map(
    lambda prints: sorted((OPEN_NS + at * SECOND_NS, price) for at, price in prints)
)


def filled(prints: list[Print], due_ns: int = NEVER_NS) -> Slot:
    slot = Slot()
    for at_ns, price in prints:
        slot.put(at_ns, price, due_ns)
    return slot


def test_an_empty_slot_has_nothing_to_give() -> None:
    assert Slot().is_empty
    assert Slot().take() == []


def test_of_many_prints_the_first_the_extremes_and_the_last_are_kept_in_their_order() -> None:
    prices = [100, 101, 99, 103, 98, 102, 98, 103, 100]
    slot = filled([(OPEN_NS + number, price) for number, price in enumerate(prices)])
    assert not slot.is_empty
    assert slot.take() == [(OPEN_NS, 100), (OPEN_NS + 3, 103), (OPEN_NS + 4, 98), (OPEN_NS + 8, 100)]
    assert slot.is_empty


def test_a_print_that_is_several_things_at_once_is_given_once() -> None:
    slot = filled([(OPEN_NS, 100), (OPEN_NS + 1, 101)])
    assert slot.take() == [(OPEN_NS, 100), (OPEN_NS + 1, 101)]


def test_prints_on_either_side_of_a_timer_stay_apart() -> None:
    due_ns = OPEN_NS + 10
    prints = [(OPEN_NS + at, price) for at, price in ((1, 100), (2, 100), (9, 100), (10, 100), (11, 100))]
    slot = filled(prints, due_ns)
    assert slot.take() == [prints[0], prints[2], prints[3], prints[4]]


def test_while_a_timer_is_overdue_only_prints_of_one_instant_are_merged() -> None:
    """When the one after it will be due nobody knows before it has run."""
    due_ns = OPEN_NS + 10
    prints = [(OPEN_NS + at, 100) for at in (10, 10, 10, 11, 12, 12)]
    assert filled(prints, due_ns).take() == [prints[0], prints[2], prints[3], prints[4], prints[5]]


@given(PRINTS.filter(bool))
def test_what_is_kept_begins_ends_and_reaches_as_far_as_all_of_it_in_the_same_order(
    prints: list[Print],
) -> None:
    kept = filled(prints).take()
    rest = iter(prints)
    assert all(print_ in rest for print_ in kept), "it came in another order"
    assert len(kept) <= 4
    assert (kept[0], kept[-1]) == (prints[0], prints[-1])
    assert extremes(kept) == extremes(prints)


def extremes(prints: list[Print]) -> list[Print]:
    """The first lowest and the first highest print, in the order in which they came."""
    prices = [price for _, price in prints]
    return [prints[place] for place in sorted((prices.index(min(prices)), prices.index(max(prices))))]


@given(PRINTS, st.lists(st.integers(0, 200), max_size=5))
def test_no_timer_is_merged_across_whichever_is_next_when_a_print_comes(
    prints: list[Print], seconds: list[int]
) -> None:
    """On either side of each timer the lowest and the highest are still there."""
    timers = sorted(OPEN_NS + at * SECOND_NS for at in seconds)
    slot = Slot()
    for at_ns, price in prints:
        slot.put(at_ns, price, next((due for due in timers if due > at_ns), NEVER_NS))
    kept = slot.take()
    for start, end in zip([0, *timers], [*timers, NEVER_NS], strict=True):
        part = [print_ for print_ in prints if start <= print_[0] < end]
        left = [print_ for print_ in kept if start <= print_[0] < end]
        assert bool(part) == bool(left)
        assert not part or extremes(part) == extremes(left)


def played(market: SymbolMarket, prints: list[Print]) -> tuple[set[int], list[Bar]]:
    """The sides on which the guard was touched, and the bars."""
    sides: set[int] = set()
    bars: list[Bar] = []
    for at_ns, price in [*prints, (OPEN_NS + 300 * SECOND_NS, 100)]:
        while (bar := market.pop_bar(at_ns)) is not None:
            bars.append(bar.bar)
        touched = market.take(price, at_ns)
        if isinstance(touched, PriceTouched):
            sides.add(1 if touched.price >= market.guard.high else -1)
    return sides, bars


@given(
    PRINTS,
    st.sampled_from([NO_LOW, *range(95, 100)]),
    st.sampled_from([NO_HIGH, *range(101, 106)]),
)
def test_a_guard_and_the_bars_see_the_same_of_the_kept_prints_as_of_all(
    prints: list[Print], low: int, high: int
) -> None:
    """Merged in one slot between any two timers; here the ends of the bars are the timers."""

    def market() -> SymbolMarket:
        return SymbolMarket(INFY, plan_of().session, BAR_NS, Guard(low, high, NEVER_NS, wants_bars=True))

    kept: list[Print] = []
    for start in range(0, 300, 60):
        end_ns = OPEN_NS + (start + 60) * SECOND_NS
        part = [print_ for print_ in prints if end_ns - BAR_NS <= print_[0] < end_ns]
        kept += filled(part, end_ns).take()
    assert len(kept) <= 4 * 5
    assert played(market(), kept) == played(market(), prints)


def test_of_two_levels_the_one_touched_later_may_come_first_where_price_went_on_beyond_the_other() -> None:
    """What merging costs: of 96 only that 95 came later is left. Both levels are still heard of."""
    prints = [(OPEN_NS + number, price) for number, price in enumerate((97, 96, 101, 95))]
    assert [price for _, price in filled(prints).take()] == [97, 101, 95]
