"""The hours of one symbol on one day."""

from datetime import date

import pytest

from olaf_async.domain.session import Session
from olaf_async.errors import ConfigError

DAY = date(2026, 11, 23)


def test_a_session_may_act_from_its_open_and_exit_at_its_close() -> None:
    assert Session(DAY, 10, 10, 20, 20).exit_ns == 20


@pytest.mark.parametrize("times", [(11, 10, 20, 30), (10, 20, 20, 30), (10, 15, 31, 30)])
def test_hours_out_of_order_are_refused_with_the_settings_to_look_at(times: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"session\.exit_before_close_s"):
        Session(DAY, *times)
