"""Random sequences of lost, doubled, torn and reordered evidence, against what must always hold.

The broker of `fuzz` keeps the truth and tells it badly; every happening is checked against that truth, and
after each run a calm must bring belief and truth together. What hypothesis shrinks a failure to is a tape;
its story is printed. `HYPOTHESIS_PROFILE=deep` plays fifty times as many.
"""

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.core.fuzz import World

LOG_LINES = 120
TAPES = st.binary(min_size=300, max_size=900) | st.binary(max_size=300)


def examples(times: int) -> settings:
    """So many times the examples of the chosen profile."""
    assert settings.default is not None, "a profile is loaded"
    return settings(
        max_examples=settings.default.max_examples * times,
        suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow],
    )


@given(TAPES)
@examples(10)
def test_whatever_a_broker_does_nothing_forbidden_happens_and_belief_comes_right(tape: bytes) -> None:
    world = World(tape)
    try:
        world.play()
    except AssertionError:
        note("\n".join(world.log[-LOG_LINES:]))
        raise
