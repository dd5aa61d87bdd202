"""The reference itself, on small days whose trades were worked out by hand from the written rules.

The setup throughout: entry 100.00, trigger 99.50, tick 0.05, true range 4.00. So the initial stop lies 2.00
below the fill. The entry's limit is 103.00: 2.99 % is 102.99, outward to the tick 103.00, and the 3 % cap
is 103.00 too. A stop at 98.00 has its limit at 95.10: 2.99 % gives 95.0698, outward 95.05, back inside the
3 % cap of 95.06. A bar of a single print closes where it opened, so it is green.
"""

import ast
import sys
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest

from .plain_loop import OutOfScope, Trade, limit_room, plain_loop

LONG = partial(plain_loop, entry=10000, trigger=9950, tick=5, true_range=400)
SHORT = partial(plain_loop, entry=10000, trigger=10050, tick=5, true_range=400, direction=-1)


def at(clock: str) -> int:
    """Microseconds since midnight of `HH:MM:SS[.ffffff]`."""
    hours, minutes, seconds = clock.split(":")
    whole, _, part = seconds.partition(".")
    return (int(hours) * 3600 + int(minutes) * 60 + int(whole)) * 1_000_000 + int(part.ljust(6, "0") or 0)


def day(*rows: str) -> list[tuple[int, int]]:
    """Prints from rows of `HH:MM:SS price-in-paise`."""
    return [(at(clock), int(price)) for clock, price in (row.split() for row in rows)]


def mirrored(prints: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same path reflected at 100.00, for the short side."""
    return [(time, 20000 - price) for time, price in prints]


ENTERED = ("09:15:01 10010", "09:16:00 9950", "09:17:00 10000")  # filled at 100.00, stop at 98.00
END = at("14:45:00")
PRICES = {"entry_price", "exit_price", "initial_stop", "final_stop"}


def test_no_print_at_the_trigger_means_no_trade() -> None:
    assert LONG(day("09:15:00 10010", "09:16:00 9955", "09:17:00 10000", "09:18:00 10050")) == []


def test_an_empty_day_has_no_trade() -> None:
    assert LONG([]) == []


def test_an_undercut_arms_the_entry_and_a_print_at_it_fills_it() -> None:
    (trade,) = LONG(day(*ENTERED, "14:00:00 10120"))
    assert trade == Trade(at("09:17:00"), 10000, END, 10120, "session_end", 9800, 10110)


def test_an_undercut_without_a_return_to_the_entry_is_no_trade() -> None:
    assert LONG(day("09:16:00 9950", "09:17:00 9995", "09:18:00 9990")) == []


def test_a_stop_order_fills_at_the_print_that_gaps_through_the_entry() -> None:
    (trade,) = LONG(day("09:16:00 9940", "09:17:00 10040", "09:31:00 9990"))
    assert (trade.entry_price, trade.initial_stop) == (10040, 9840)


def test_a_gap_exactly_to_the_entry_limit_still_fills_there() -> None:
    (trade,) = LONG(day("09:16:00 9940", "09:17:00 10300", "09:31:00 10290"))
    assert (trade.entry_price, trade.initial_stop) == (10300, 10100)


def test_a_gap_over_the_entry_limit_is_out_of_scope() -> None:
    with pytest.raises(OutOfScope, match="entry"):
        LONG(day("09:16:00 9940", "09:17:00 10305"))


def test_a_jumped_entry_may_be_told_to_rest_and_then_fills_at_its_limit_from_above() -> None:
    rows = day("09:16:00 9940", "09:17:00 10305", "09:18:00 10320", "09:19:00 10290", "09:20:00 10280")
    (trade,) = LONG(rows, jumped_entry="rest")
    assert trade[:4] == (at("09:19:00"), 10300, END, 10280)


def test_a_jumped_entry_that_rests_fills_when_its_limit_is_just_touched() -> None:
    (trade,) = LONG(day("09:16:00 9940", "09:17:00 10305", "09:18:00 10300"), jumped_entry="rest")
    assert trade[:2] == (at("09:18:00"), 10300)


def test_the_entry_after_a_jumped_one_is_a_stop_order_again() -> None:
    rows = day("09:16:00 9940", "09:17:00 10305", "09:32:00 9940", "09:33:00 9960", "09:34:00 10005")
    (trade,) = LONG(rows, jumped_entry="rest")
    assert trade[:2] == (at("09:34:00"), 10005)


def test_a_jumped_entry_that_rests_is_cancelled_by_the_timeout_all_the_same() -> None:
    rows = day("09:16:00 9940", "09:17:00 10305", "09:31:00 10290")
    assert LONG(rows, jumped_entry="rest") == []


def test_the_undercut_print_cannot_fill_the_entry_it_places() -> None:
    assert LONG(day("09:16:00 9950")) == []


def test_prints_of_one_instant_are_taken_in_arrival_order() -> None:
    (trade,) = LONG(day("09:16:00 9950", "09:16:00 10000", "09:16:00 9800"))
    assert trade[:5] == (at("09:16:00"), 10000, at("09:16:00"), 9800, "stop")


def test_the_stop_fills_at_the_first_print_at_it() -> None:
    (trade,) = LONG(day(*ENTERED, "09:18:00 9805", "09:19:00 9800", "09:20:00 9790"))
    assert trade == Trade(at("09:17:00"), 10000, at("09:19:00"), 9800, "stop", 9800, 9800)


def test_a_gap_through_the_stop_fills_at_the_print_if_its_limit_allows() -> None:
    (trade,) = LONG(day(*ENTERED, "09:18:00 9510"))
    assert trade[2:] == (at("09:18:00"), 9510, "stop", 9800, 9800)


def test_a_gap_over_the_stop_limit_is_out_of_scope() -> None:
    with pytest.raises(OutOfScope, match="stop"):
        LONG(day(*ENTERED, "09:18:00 9505"))


def test_the_initial_stop_is_rounded_down_to_the_tick() -> None:
    # Half of 4.05 is 2.025: 97.975 is off the grid and becomes 97.95.
    (trade,) = LONG(day(*ENTERED, "09:18:00 9800", "09:19:00 9795"), true_range=405)
    assert trade[2:] == (at("09:19:00"), 9795, "stop", 9795, 9795)


def test_the_initial_stop_may_be_a_number_of_ticks() -> None:
    (trade,) = LONG(day(*ENTERED, "09:18:00 9900"), initial_stop="ticks")
    assert trade[2:] == (at("09:18:00"), 9900, "stop", 9900, 9900)


def test_the_multiple_of_the_true_range_is_exact() -> None:
    # 0.3 of 4.00 is 1.20 exactly: a binary 0.3 would put the stop a tick lower.
    (trade,) = LONG(day(*ENTERED, "09:18:00 9880"), tr_mult=Fraction(3, 10))
    assert trade[2:] == (at("09:18:00"), 9880, "stop", 9880, 9880)


def test_a_green_bar_raises_the_stop_to_its_low_less_two_ticks_when_it_closes() -> None:
    rows = day(*ENTERED, "09:31:00 10050", "09:35:00 10020", "09:44:59.999999 10060", "09:45:00 10010")
    (trade,) = LONG(rows)  # 09:30 has open 100.50, low 100.20, close 100.60
    assert trade[2:] == (at("09:45:00"), 10010, "stop", 9800, 10010)


def test_a_red_bar_does_not_raise_the_stop() -> None:
    rows = day(*ENTERED, "09:31:00 10050", "09:35:00 10020", "09:44:59.999999 10045", "09:45:00 10010")
    (trade,) = LONG(rows, deadline_s=at("09:59:59") // 1_000_000)
    # The bar of the fill (opened at 100.10, closed at 100.00) is red as well.
    assert trade[2:] == (at("09:59:59"), 10010, "session_end", 9800, 9800)


def test_a_bar_that_closes_where_it_opened_is_green() -> None:
    (trade,) = LONG(day(*ENTERED, "09:31:00 10050", "09:32:00 10030", "09:33:00 10050", "09:46:00 10020"))
    assert trade[2:] == (at("09:46:00"), 10020, "stop", 9800, 10020)


def test_the_stop_is_never_lowered() -> None:
    rows = day(*ENTERED, "09:31:00 10050", "09:46:00 10045", "09:47:00 10045", "10:01:00 10040")
    (trade,) = LONG(rows)  # 09:30 raises to 100.40, 09:45 would only allow 100.35
    assert trade[2:] == (at("10:01:00"), 10040, "stop", 9800, 10040)


def test_the_bar_of_the_fill_may_raise_the_stop_and_counts_prints_before_the_fill() -> None:
    rows = day("09:15:00 9960", "09:16:00 9940", "09:17:00 10000", "09:31:00 9930")
    (trade,) = LONG(rows)  # low 99.40 came before the fill: stop 99.30
    assert trade[2:] == (at("09:31:00"), 9930, "stop", 9800, 9930)


def test_with_next_bar_the_bar_of_the_fill_does_not_raise_the_stop() -> None:
    rows = day("09:15:00 9960", "09:16:00 9940", "09:17:00 10000", "09:31:00 9930", "09:46:00 9920")
    (trade,) = LONG(rows, trail_from="next_bar")  # bar 09:30 (99.30, closes where it opened) raises to 99.20
    assert trade[2:] == (at("09:46:00"), 9920, "stop", 9800, 9920)


def test_a_fill_on_the_boundary_belongs_to_the_bar_that_begins_there() -> None:
    rows = day("09:20:00 9940", "09:29:00 9990", "09:30:00 10000", "09:31:00 10010", "09:46:00 9980")
    (trade,) = LONG(rows, trail_from="next_bar")  # neither 09:15 (before the fill) nor 09:30 (of the fill)
    assert trade.final_stop == 9970  # the 09:45 bar: 99.80 less 0.10
    assert trade[2:5] == (END, 9980, "session_end")
    assert LONG(rows)[0][2:] == (at("09:46:00"), 9980, "stop", 9800, 9990)


def test_a_silent_bar_is_no_bar() -> None:
    rows = day(*ENTERED, "09:31:00 10050", "13:00:00 10041")
    (trade,) = LONG(rows, deadline_s=at("13:10:00") // 1_000_000)  # only 09:30 has closed: 100.50 less 0.10
    assert trade[2:] == (at("13:10:00"), 10041, "session_end", 9800, 10040)


def test_a_bar_closes_at_its_end_though_no_print_follows() -> None:
    (trade,) = LONG(day(*ENTERED, "09:31:00 10050"))
    assert trade[2:] == (END, 10050, "session_end", 9800, 10040)


def test_an_unfilled_entry_is_cancelled_at_900_s_before_a_print_of_that_instant() -> None:
    assert LONG(day("09:16:00 9950", "09:31:00 10000")) == []
    (trade,) = LONG(day("09:16:00 9950", "09:30:59.999999 10000"))
    assert trade.entry_time == at("09:30:59.999999")


def test_the_timeout_counts_from_the_first_undercut_not_from_later_ones() -> None:
    assert LONG(day("09:16:00 9950", "09:30:00 9940", "09:31:00 10000")) == []


def test_after_a_timeout_a_new_undercut_arms_again() -> None:
    (trade,) = LONG(day("09:16:00 9950", "09:31:00 9950", "09:32:00 10000"))
    assert trade.entry_time == at("09:32:00")


def test_the_exit_print_does_not_rearm_but_a_later_undercut_does() -> None:
    rows = (*ENTERED, "09:18:00 9800", "09:19:00 10000")
    assert len(LONG(day(*rows))) == 1
    first, second = LONG(day(*rows[:-1], "09:18:00 9800", "09:19:00 10000"))
    assert first.exit_time == at("09:18:00")
    assert second[:2] == (at("09:19:00"), 10000)


def test_three_filled_entries_are_all() -> None:
    cycle = ("9950", "10000", "9800")
    rows = [f"09:{16 + i}:00 {cycle[i % 3]}" for i in range(12)]
    trades = LONG(day(*rows))
    assert [trade.exit_time for trade in trades] == [at("09:18:00"), at("09:21:00"), at("09:24:00")]
    assert len(LONG(day(*rows), max_attempts=4)) == 4


def test_entries_that_time_out_are_not_attempts() -> None:
    lapsed = ("09:16:00 9950", "09:31:00 9950", "09:46:00 9950")
    (trade,) = LONG(day(*lapsed, "10:01:00 9950", "10:02:00 10000"), max_attempts=1)
    assert trade.entry_time == at("10:02:00")


def test_the_window_includes_its_start_and_excludes_its_end() -> None:
    (trade,) = LONG(day("09:15:00 9950", "09:16:00 10000"))
    assert trade.entry_time == at("09:16:00")
    assert LONG(day("10:15:00 9950", "10:16:00 10000")) == []
    (late,) = LONG(day("10:14:59.999999 9950", "10:15:00 10000"))
    assert late.entry_time == at("10:15:00")


def test_a_working_entry_outlives_the_window_but_not_its_timeout() -> None:
    (trade,) = LONG(day("10:14:00 9950", "10:28:59 10000"))
    assert trade.entry_time == at("10:28:59")
    assert LONG(day("10:14:00 9950", "10:29:00 10000")) == []


def test_prints_in_the_ignored_first_seconds_build_bars_but_arm_nothing() -> None:
    rows = day("09:15:00 9900", "09:15:59.999999 9950", "09:17:00 10000", "09:18:00 9950", "09:19:00 10000")
    (trade,) = LONG(rows, ignore_initial_s=60)
    assert trade.entry_time == at("09:19:00")
    assert trade.final_stop == 9890  # the low of 99.00 was printed in the ignored minute
    (early,) = LONG(rows)
    assert early.entry_time == at("09:17:00")


def test_the_first_instant_after_the_ignored_ones_counts() -> None:
    (trade,) = LONG(day("09:16:00 9950", "09:17:00 10000"), ignore_initial_s=60)
    assert trade.entry_time == at("09:17:00")


def test_prints_before_the_open_do_not_exist() -> None:
    rows = day("09:14:59.999999 9900", "09:16:00 9960", "09:17:00 10000", "09:31:00 9950")
    assert LONG(rows) == []
    (trade,) = LONG(day("09:10:00 9900", "09:16:00 9950", "09:17:00 10000"))
    assert trade.final_stop == 9940  # nor do they make the bar's low


def test_the_deadline_exit_takes_the_last_print_before_it_and_not_one_at_it() -> None:
    (trade,) = LONG(day(*ENTERED, "14:44:59.999999 10500", "14:45:00 10600", "15:00:00 9000"))
    assert trade[2:5] == (END, 10500, "session_end")


def test_the_bar_that_ends_at_the_deadline_raises_the_stop_first() -> None:
    (trade,) = LONG(day(*ENTERED, "14:40:00 10500"))
    assert trade.final_stop == 10490


def test_a_bar_that_ends_after_the_deadline_does_not_raise_the_stop() -> None:
    (trade,) = LONG(day(*ENTERED, "14:40:00 10500", "15:20:00 10600"), deadline_s=53099)
    assert trade[2:] == (at("14:44:59"), 10500, "session_end", 9800, 9800)


def test_a_file_that_falls_silent_does_not_stop_the_clock() -> None:
    (trade,) = LONG(day(*ENTERED))
    assert trade[2:] == (END, 10000, "session_end", 9800, 9800)


def test_a_recording_that_begins_late_has_what_is_left_of_the_window() -> None:
    (trade,) = LONG(day("10:10:00 9900", "10:20:00 10020", "10:21:00 9820"))
    assert trade == Trade(at("10:20:00"), 10020, at("10:21:00"), 9820, "stop", 9820, 9820)
    assert LONG(day("10:59:00 9900", "11:00:00 10020")) == []


def test_a_working_entry_ends_with_the_deadline() -> None:
    assert LONG(day("14:44:00 9950", "14:45:00 10000", "14:46:00 10000"), window_s=20000) == []


def test_the_deadline_is_never_later_than_the_close() -> None:
    (trade,) = LONG(day(*ENTERED, "15:29:59 10100", "15:30:00 9000"), deadline_s=60000)
    assert trade[2:5] == (at("15:30:00"), 10100, "session_end")


def test_a_target_is_sold_at_the_next_print_after_the_one_that_reached_it() -> None:
    rows = day(*ENTERED, "09:18:00 10400", "09:18:00.500000 10390", "09:19:00 9000")
    (trade,) = LONG(rows, take_profit_r=2)  # 2 R is 4.00 above 100.00
    assert trade[2:] == (at("09:18:00.500000"), 10390, "target", 9800, 9800)


def test_a_target_exit_that_meets_no_print_waits_since_no_other_price_would_cross_more() -> None:
    rows = day(*ENTERED, "09:18:00 10400", "09:18:03 10390")
    (trade,) = LONG(rows, take_profit_r=2)
    assert trade[2:5] == (at("09:18:03"), 10390, "target")


def test_a_target_exit_that_is_jumped_waits_for_its_repricing() -> None:
    rows = day(*ENTERED, "09:18:00 10400", "09:18:00.100000 10290", "09:18:00.900000 10280", "09:19:00 10400")
    (trade,) = LONG(rows, take_profit_r=2)  # its limit is 104.00 less 1 %, 102.96, down to 102.95
    assert trade[2:5] == (at("09:18:01"), 10280, "target")
    late = day(*ENTERED, "09:18:00 10400", "09:18:02 10290", "09:18:02.900000 10280", "09:19:00 10400")
    assert LONG(late, take_profit_r=2)[0][2:5] == (at("09:18:03"), 10280, "target")
    touched = day(*ENTERED, "09:18:00 10400", "09:18:00.100000 10290", "09:18:00.900000 10300")
    assert LONG(touched, take_profit_r=2)[0][2:5] == (at("09:18:00.900000"), 10295, "target")


def test_a_target_keeps_the_initial_stop_as_its_measure() -> None:
    rows = day(*ENTERED, "09:31:00 10050", "09:46:00 10195", "09:47:00 10200", "09:48:00 10150")
    (trade,) = LONG(rows, take_profit_r=1)
    assert trade[2:] == (at("09:48:00"), 10150, "target", 9800, 10040)


def test_a_target_exit_still_unfilled_at_the_deadline_is_out_of_scope() -> None:
    with pytest.raises(OutOfScope, match="deadline"):
        LONG(day(*ENTERED, "14:44:59.500000 10400"), take_profit_r=2)
    jumped = "14:44:59.999999 10200"
    with pytest.raises(OutOfScope, match="deadline"):
        LONG(day(*ENTERED, "14:44:59 10400", jumped), take_profit_r=2)
    (trade,) = LONG(day(*ENTERED, "14:44:58.999999 10400", "14:44:59.500000 10200"), take_profit_r=2)
    assert trade[2:5] == (at("14:44:59.999999"), 10200, "target")


def test_the_stop_does_not_move_once_the_target_exit_is_sent() -> None:
    rows = day(*ENTERED, "09:44:59.500000 10400", "09:45:00.200000 10390")
    (trade,) = LONG(rows, take_profit_r=2)
    assert trade[2:] == (at("09:45:00.200000"), 10390, "target", 9800, 9800)


def test_after_a_target_only_a_new_undercut_rearms() -> None:
    rows = day(*ENTERED, "09:18:00 10400", "09:18:01 10390", "09:20:00 9955", "09:21:00 10000")
    assert len(LONG(rows, take_profit_r=2)) == 1
    assert len(LONG(rows, take_profit_r=2, reentry="immediate")) == 2
    quick = day(*ENTERED, "09:18:00 10400", "09:18:00.5 10390", "09:20:00 9955", "09:21:00 10000")
    assert len(LONG(quick, take_profit_r=2)) == 1
    assert len(LONG(quick, take_profit_r=2, reentry="immediate")) == 2


def test_immediate_reentry_needs_a_later_print_strictly_below_the_entry() -> None:
    stopped = (*ENTERED, "09:31:00 10050", "09:46:00 10040")  # stopped above the entry, at 100.40
    assert len(LONG(day(*stopped, "09:47:00 10000", "09:48:00 10005"), reentry="immediate")) == 1
    first, second = LONG(day(*stopped, "09:47:00 9995", "09:48:00 10005"), reentry="immediate")
    assert first[2:5] == (at("09:46:00"), 10040, "stop")
    assert second[:2] == (at("09:48:00"), 10005)
    assert len(LONG(day(*stopped, "09:47:00 9995", "09:48:00 10005"))) == 1


def test_immediate_reentry_is_not_done_by_the_exit_print() -> None:
    rows = day(*ENTERED, "09:18:00 9800", "09:19:00 10000", "09:20:00 10010")
    assert len(LONG(rows, reentry="immediate")) == 1


def test_immediate_reentry_is_not_an_undercut_and_so_not_bound_by_the_window() -> None:
    rows = day(*ENTERED, "10:20:00 9800", "10:21:00 9990", "10:22:00 10000")
    assert len(LONG(rows, reentry="immediate")) == 2
    assert len(LONG(rows)) == 1


def test_an_immediate_entry_that_timed_out_needs_a_new_undercut() -> None:
    rows = day(*ENTERED, "09:18:00 9800", "09:19:00 9990", "09:34:00 9990", "09:35:00 10000")
    assert len(LONG(rows, reentry="immediate")) == 1


@pytest.mark.parametrize(
    "rows",
    [
        ENTERED,
        (*ENTERED, "09:18:00 9510"),
        (*ENTERED, "09:31:00 10050", "09:35:00 10020", "09:44:59 10060", "09:45:00 10010"),
        ("09:16:00 9940", "09:17:00 10040", "14:44:00 10200"),
        ("09:16:00 9950", "09:31:00 10000"),
        (*ENTERED, "09:18:00 9800", "09:19:00 9950", "09:20:00 10000", "09:21:00 9800"),
    ],
)
def test_a_short_day_is_the_long_day_reflected(rows: tuple[str, ...]) -> None:
    reflected = [
        trade._replace(**{name: 20000 - getattr(trade, name) for name in trade._fields if name in PRICES})
        for trade in LONG(day(*rows))
    ]
    assert SHORT(mirrored(day(*rows))) == reflected


def test_a_short_day_by_hand() -> None:
    # Undercut upwards at 100.50, sold at 100.00; half of 4.05 above it is 102.025, up to 102.05; the red bar
    # of 09:30 (99.50, high 99.80, close 99.40) lowers the stop to 99.90.
    entered = day("09:16:00 10050", "09:17:00 10000")
    trailed = day("09:31:00 9950", "09:35:00 9980", "09:44:00 9940", "09:46:00 9995")
    assert SHORT(entered + trailed, true_range=405) == [
        Trade(at("09:17:00"), 10000, at("09:46:00"), 9995, "stop", 10205, 9990)
    ]


def test_a_short_entry_jumped_over_its_limit_is_out_of_scope() -> None:
    with pytest.raises(OutOfScope, match="entry"):
        SHORT(day("09:16:00 10050", "09:17:00 9695"))
    assert len(SHORT(day("09:16:00 10050", "09:17:00 9700"))) == 1


@pytest.mark.parametrize(
    ("trigger", "pct", "tick", "room"),
    [
        (10000, "2.99", 5, 300),  # 299 paise, outward
        (9800, "2.99", 5, 290),  # 293.02, outward 295, but 3 % is 294
        (-9800, "2.99", 5, 290),  # a short's level
        (5000, "2.99", 5, 150),  # at Rs 50 the cap is Rs 1.50: 149.5, outward
        (3000, "2.99", 1, 90),  # 89.7, outward; the cap of Rs 1.50 is further
        (3000, "6", 1, 150),
        (5001, "2.99", 1, 150),  # 149.5299, outward; 3 % is 150.03
        (2_500_000, "0.3", 500, 7500),
        (10000, "0.3", 500, 0),  # one tick outward is 5 %: the cap leaves none
    ],
)
def test_the_room_to_a_limit_is_outward_then_capped(trigger: int, pct: str, tick: int, room: int) -> None:
    assert limit_room(trigger, Fraction(pct), tick) == room


def test_the_reference_shares_no_code_with_the_engine() -> None:
    reference = ("days", "plain_loop", "strategies")
    allowed = set(sys.stdlib_module_names) | {"hypothesis", *reference}
    for name in reference:
        path = Path(__file__).with_name(f"{name}.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= allowed, path.name
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] in allowed, path.name
