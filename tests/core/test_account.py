"""What holds for the whole account: it only ever says no, or not yet."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from olaf_async.core.account import Account
from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.domain.events import Mode
from olaf_async.domain.intents import Say, Severity


def account(**rules: int) -> Account:
    return Account(replace(Rules(), **rules))  # type: ignore[arg-type]


def test_requests_are_numbered_and_no_number_is_used_twice() -> None:
    ours = account()
    assert [ours.next_request() for _ in range(3)] == [1, 2, 3]


# --- new risk ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "why"),
    [
        ("is_stopping", "stopping"),
        ("is_halted", "halted"),
        ("is_loss_latched", "daily loss"),
        ("is_mode_foreign", "mode"),
        ("is_clock_skewed", "clock"),
        ("is_order_queued", "approval"),
    ],
)
def test_each_halt_ends_new_risk_for_its_own_reason(flag: str, why: str) -> None:
    ours = account()
    assert ours.refuses_new_risk() is None
    setattr(ours, flag, True)
    assert why in (ours.refuses_new_risk() or "")
    assert why in (ours.refuses_position("ABC") or "")


def test_no_more_positions_are_opened_than_allowed_and_ones_own_does_not_count() -> None:
    ours = account(max_open_positions=2)
    ours.exposed = {"ABC": True, "DEF": True, "GHI": False}
    assert "2 positions are open" in (ours.refuses_position("GHI") or "")
    assert ours.refuses_position("ABC") is None


# --- rate -------------------------------------------------------------------------------------------


def test_what_is_to_stay_free_for_protection_is_not_given_to_others() -> None:
    ours = account(max_orders_per_s=8)
    assert [ours.wait_for_rate(5, keep=2) for _ in range(6)] == [None] * 6
    assert ours.wait_for_rate(6, keep=2) == 5 + SECOND_NS
    assert [ours.wait_for_rate(7) for _ in range(2)] == [None] * 2
    assert ours.wait_for_rate(8) == 5 + SECOND_NS


def test_where_all_of_the_rate_is_to_stay_free_one_asks_again_in_a_second() -> None:
    ours = account(max_orders_per_s=2)
    assert ours.wait_for_rate(5, keep=2) == 5 + SECOND_NS
    assert not ours.sends


def test_a_single_order_a_second_is_not_divided() -> None:
    ours = account(max_orders_per_s=1)
    assert ours.wait_for_rate(0) is None
    assert ours.wait_for_rate(1) == SECOND_NS
    assert ours.wait_for_rate(SECOND_NS) is None


@example(rate=1, calls=[(0, 1), (0, 0), (0, 1)])
@given(
    st.integers(1, 12), st.lists(st.tuples(st.integers(0, SECOND_NS // 2), st.integers(0, 3)), max_size=60)
)
def test_no_second_ever_holds_more_orders_than_the_rate_and_who_waits_may_then_go(
    rate: int, calls: list[tuple[int, int]]
) -> None:
    ours, now_ns, left = account(max_orders_per_s=rate), 0, list[int]()
    for pause_ns, wished in calls:
        now_ns, keep = now_ns + pause_ns, min(wished, rate - 1)
        wait_ns = ours.wait_for_rate(now_ns, keep=keep)
        if wait_ns is not None:
            assert wait_ns > now_ns
            assert ours.wait_for_rate(wait_ns, keep=keep) is None
            now_ns = wait_ns
        left.append(now_ns)
        assert sum(now_ns - SECOND_NS < sent_ns for sent_ns in left) <= rate


# --- daily loss -------------------------------------------------------------------------------------


def test_the_loss_latch_closes_once_and_stays_closed() -> None:
    ours = account(max_daily_loss=100)
    ours.realised = -60
    assert not ours.mark(-39, 1)
    assert ours.mark(-40, 2)
    assert ours.is_loss_latched
    assert not ours.mark(-400, 3)
    assert not ours.mark(400, 4)
    assert ours.is_loss_latched
    assert (ours.open_profit, ours.marked_realised, ours.marked_ns) == (400, -60, 4)


def test_without_a_limit_no_loss_latches() -> None:
    ours = account()
    assert not ours.mark(-(10**12), 1)
    assert not ours.is_loss_latched


# --- mode -------------------------------------------------------------------------------------------


def test_the_first_mode_is_pinned_and_another_ends_new_risk_for_good() -> None:
    ours = account()
    ours.see_mode(Mode.LIVE)
    ours.see_mode(Mode.LIVE)
    assert ours.refuses_new_risk() is None
    ours.see_mode(Mode.ANALYZE)
    ours.see_mode(Mode.ANALYZE)
    ours.see_mode(Mode.LIVE)
    assert ours.is_mode_foreign
    assert [(say.severity, say.code) for say in ours.out if isinstance(say, Say)] == [
        (Severity.ALARM, "mode_changed")
    ]


def test_nothing_leaves_before_a_protective_order_that_was_told_to_wait() -> None:
    ours = account(max_orders_per_s=2)
    assert [ours.wait_for_rate(0) for _ in range(2)] == [None, None]
    assert ours.wait_for_rate(1) == SECOND_NS
    assert ours.wait_for_rate(SECOND_NS, keep=1) == SECOND_NS + 1
    assert ours.wait_for_rate(SECOND_NS) is None
    assert ours.wait_for_rate(SECOND_NS + 1, keep=1) == 2 * SECOND_NS
