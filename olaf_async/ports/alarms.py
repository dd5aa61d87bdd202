"""What the shell needs of whatever calls a person."""

from typing import Protocol

from olaf_async.domain.intents import Say


class Alarms(Protocol):
    """Where notes, warnings and alarms go."""

    def say(self, at_ns: int, message: Say) -> None:
        """Pass the message on. Never raises and never waits: an alarm must not stop the engine."""
        ...
