"""The journal's text: each record's body to bytes and back, exactly.

Owns the format and its version. A body is a JSON array of two, its kind and its fields: whole numbers stay
whole numbers, enums are their values, fractions are "numerator/denominator", so that a person can read it and
nothing is rounded. What is read must be what this module would write, byte for byte; it never guesses.
"""

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from hashlib import blake2b
from typing import Final
from urllib.parse import urlsplit

import msgspec

from olaf_async.core.engine import Plan
from olaf_async.core.rules import Rules
from olaf_async.domain import events, intents
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Setup
from olaf_async.errors import JournalError, OlafError
from olaf_async.ports.journal import NotSent, PutOff
from olaf_async.strategies.eighty_twenty import EightyTwenty, EightyTwentyRules

VERSION: Final = 1
"""The format's. A later version of this module reads earlier formats, or says that it does not."""


class Account(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whose orders a journal tells of. ``key`` tells two keys apart and neither from nothing.

    ``product`` belongs to it, since books and orders of another product do not see what is held by this one;
    it is written only where it is not the usual one, as files from before it was kept have none.
    """

    mode: str
    server: str
    key: str
    product: str = "MIS"

    @classmethod
    def of(cls, mode: str, host: str, key: str, product: str) -> "Account":
        """The account that this key opens at this server; no secret can be read from it."""
        server = urlsplit(host).netloc.rpartition("@")[2]
        digest = blake2b(key.encode(), digest_size=8, key=server.encode()[:64], person=b"olaf journal")
        return cls(mode, server, digest.hexdigest(), product)

    def differs_by(self, other: "Account") -> str:
        """The first thing in which another account is not this one, as it was and as it is now."""
        for name in ("mode", "server", "product"):
            was, now = getattr(self, name), getattr(other, name)
            if was != now:
                return f"{name} {was} then, {now} now"
        return "another key"


@dataclass(frozen=True, slots=True)
class EightyTwentyPlan:
    """A plan for the 80-20 reversal, as it is written."""

    setup: Setup
    session: Session
    rules: EightyTwentyRules

    @classmethod
    def of(cls, plan: Plan) -> "EightyTwentyPlan":
        """The plan to be written.

        Raises:
            JournalError: it follows a strategy that this format does not know.
        """
        strategy = plan.strategy
        if not isinstance(strategy, EightyTwenty) or (strategy.setup, strategy.session) != (
            plan.setup,
            plan.session,
        ):
            raise JournalError(f"the journal cannot keep a plan by {type(strategy).__name__}")
        return cls(plan.setup, plan.session, strategy.rules)

    def plan(self) -> Plan:
        """The plan that was written."""
        return Plan(self.setup, self.session, EightyTwenty(self.setup, self.session, self.rules))


@dataclass(frozen=True, slots=True)
class Header:
    """How a run began: with this the same engine can be made again. ``program`` is the version that ran."""

    program: str
    account: Account
    day: date
    rules: Rules
    plans: tuple[EightyTwentyPlan, ...]


@dataclass(frozen=True, slots=True)
class _PutOffForm:
    """How PutOff is written: its intent with the kind of it."""

    intent: msgspec.Raw
    until_ns: int | None


@dataclass(frozen=True, slots=True)
class _NotSentForm:
    """How NotSent is written."""

    intent: msgspec.Raw
    why: str
    is_refused: bool


_KINDS: Final[dict[str, type]] = {
    "run began": events.RunBegan,
    "price touched": events.PriceTouched,
    "bar closed": events.BarClosed,
    "timer due": events.TimerDue,
    "quote read": events.QuoteRead,
    "order answered": events.OrderAnswered,
    "order updated": events.OrderUpdated,
    "books read": events.BooksRead,
    "books failed": events.BooksFailed,
    "stream changed": events.StreamChanged,
    "mode seen": events.ModeSeen,
    "commanded": events.Commanded,
    "marked": events.Marked,
    "clock skewed": events.ClockSkewed,
    "place": intents.PlaceOrder,
    "modify": intents.ModifyOrder,
    "cancel": intents.CancelOrder,
    "read quote": intents.ReadQuote,
    "say": intents.Say,
    "report trade": intents.ReportTrade,
    "put off": PutOff,
    "not sent": NotSent,
    "header": Header,
    "text": str,
}
"""The words stand in files: one is never given to another type."""

_NAMES: Final = {kind: name for name, kind in _KINDS.items()}


def _to_text(value: object) -> str:
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    raise TypeError(f"a {type(value).__name__} cannot be kept")


def _from_text(kind: type, value: object) -> object:
    if kind is Fraction and isinstance(value, str):
        return Fraction(value)
    raise ValueError(f"{value!r} is no {kind.__name__}")


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_to_text)
_OUTER: Final = msgspec.json.Decoder(tuple[str, msgspec.Raw])
_FORMS: Final[dict[type, type]] = {PutOff: _PutOffForm, NotSent: _NotSentForm}
_DECODERS: Final[dict[str, msgspec.json.Decoder[object]]] = {
    name: msgspec.json.Decoder(_FORMS.get(kind, kind), dec_hook=_from_text) for name, kind in _KINDS.items()
}


def kind_of(body: object) -> str:
    """The word for what kind of body it is.

    Raises:
        JournalError: the journal knows none.
    """
    name = _NAMES.get(type(body))
    if name is None:
        raise JournalError(f"the journal cannot keep a {type(body).__name__}")
    return name


def encode(body: object) -> bytes:
    """The body as it is written.

    Raises:
        JournalError: it is of no known kind, or holds what no text can say exactly.
    """
    try:
        return _ENCODER.encode((kind_of(body), _formed(body)))
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise JournalError(f"the journal cannot keep {body!r}: {error}") from error


def _formed(body: object) -> object:
    match body:
        case PutOff(intent, until_ns):
            return _PutOffForm(msgspec.Raw(encode(intent)), until_ns)
        case NotSent(intent, why, is_refused):
            return _NotSentForm(msgspec.Raw(encode(intent)), why, is_refused)
        case _:
            return body


def _unformed(body: object) -> object:
    match body:
        case _PutOffForm(intent, until_ns):
            return PutOff(_order_intent(intent), until_ns)
        case _NotSentForm(intent, why, is_refused):
            return NotSent(_order_intent(intent), why, is_refused)
        case _:
            return body


def _order_intent(raw: msgspec.Raw) -> intents.OrderIntent:
    intent = _decode(bytes(raw))
    if not isinstance(intent, intents.OrderIntent):
        raise JournalError(f"a {kind_of(intent)} is no order intent")
    return intent


def check_version(version: int) -> None:
    """See that this module knows the format.

    Raises:
        JournalError: it does not.
    """
    if not 1 <= version <= VERSION:
        raise JournalError(
            f"the journal is of format {version}, and this version of Olaf reads up to {VERSION}: "
            "read it with the version that wrote it, or a later one"
        )


def decode(data: bytes, version: int = VERSION) -> object:
    """The body that was written.

    Raises:
        JournalError: an unknown format, or bytes that this module would not have written.
    """
    check_version(version)
    try:
        body = _decode(data)
    except (ValueError, ZeroDivisionError, OlafError, msgspec.MsgspecError) as error:
        raise JournalError(f"not a record of the journal: {error}") from error
    if encode(body) != data:
        raise JournalError(f"not a record of the journal: a {kind_of(body)} is not written like this")
    return body


def _decode(data: bytes) -> object:
    name, fields = _OUTER.decode(data)
    decoder = _DECODERS.get(name)
    if decoder is None:
        raise JournalError(f"there is no kind {name!r}")
    return _unformed(decoder.decode(fields))
