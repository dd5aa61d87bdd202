"""What the engine asks of a clock. An implementation must never let its time step back."""

from typing import Protocol


class Clock(Protocol):
    """Wall time that was read once, at start, and from then on runs on a clock that nobody sets.

    Wall clocks are corrected, by operators and by NTP; a deadline must not jump with them.
    """

    def now_ns(self) -> int:
        """Nanoseconds since the epoch; never less than at an earlier call."""
        ...

    async def sleep_until_ns(self, when_ns: int) -> None:
        """Return once `now_ns` has reached ``when_ns``. Yields: always, also where that is past."""
        ...
