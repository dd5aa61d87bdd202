"""Every error Olaf raises on purpose, divided by the one question that matters to the reader.

OlafError
ConfigError         bad settings or input file; before anything trades; exit code 3
InvariantBroken     our own bug: the symbol is frozen; never swallowed below the pump
BrokerError         a call to the broker did not simply succeed
BrokerRejected    refused with an answer listed as definite: nothing happened, nor will by asking again
NeedsApproval   refused because every order needs a person's approval now
NotNow            nothing happened, and the same call may succeed later
RateLimited     refused by a limiter before acceptance
BrokerUnreachable never left this machine
SessionExpired  the server knows no key or no broker session for it; a person has to log in
BrokerQueued      kept by the server for a person's approval
BrokerUndecided   it may have happened: the only one that forbids a retry
FeedError           the price feed broke its protocol
JournalError        the record could not be written: no record, no new risk; protection goes on
ControlError        a running engine was asked for something, and could not be reached or did not do it
"""


class OlafError(Exception):
    """Base of all deliberate errors; never raised itself."""


class ConfigError(OlafError):
    """A setting, flag value or input file is wrong. The text names the file, key or field and what to do."""


class InvariantBroken(OlafError):
    """The engine's own state contradicts itself. Raised in production too: a wrong belief must not trade."""


class BrokerError(OlafError):
    """Base of broker failures; catch the leaves, they answer "may it have happened?"."""


class BrokerRejected(BrokerError):
    """The broker said a definite no; nothing happened."""


class NeedsApproval(BrokerRejected):
    """Refused because the server is in semi-auto mode: a person has to approve each order there."""


class NotNow(BrokerError):
    """Nothing happened, for a reason that passes. ``retry_after_s`` says when to ask again."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RateLimited(NotNow):
    """Refused by a limiter before acceptance."""


class BrokerUnreachable(NotNow):
    """The request never left this machine: no connection could be made."""


class SessionExpired(NotNow):
    """The server refuses the key: it is wrong, or the broker's daily session behind it has ended."""


class BrokerQueued(BrokerError):
    """The server keeps the order for a person's approval: it may be placed later, or never."""


class BrokerUndecided(BrokerError):
    """The outcome is unknown (timeout, reset, 5xx): it may have happened, so it must not be repeated."""


class FeedError(OlafError):
    """The price feed sent something outside its protocol."""


class JournalError(OlafError):
    """The journal could not be written, or read back. Nothing that takes risk is done without its record."""


class ControlError(OlafError):
    """What was asked of a running engine was not done, or nobody can tell. The text says why."""
