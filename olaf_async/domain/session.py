"""The hours of one symbol on one day, as nanoseconds on the injected clock."""

from dataclasses import dataclass
from datetime import date

from olaf_async.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Session:
    """One symbol's hours.

    Continuous trading is ``[open_ns, close_ns)``; nothing is acted on before ``act_from_ns``; the exit starts
    at ``exit_ns``.

    Raises:
        ConfigError: the times are not in that order.
    """

    day: date
    open_ns: int
    act_from_ns: int
    exit_ns: int
    close_ns: int

    def __post_init__(self) -> None:
        if not self.open_ns <= self.act_from_ns < self.exit_ns <= self.close_ns:
            raise ConfigError(
                f"session of {self.day}: open, first action, exit and close must follow each other;"
                " check session.open, session.close, session.ignore_initial_s, session.exit_before_close_s"
            )
