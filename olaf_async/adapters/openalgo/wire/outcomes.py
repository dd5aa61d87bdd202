"""What became of a request, told from its HTTP status and body alone.

Owns the list of definite answers. What is not on it is undecided, whatever it says: a server that relays
some thirty brokers answers success with no order, failure after the order was made, and its broker's own
codes as if they were its own. No network failure is judged here; those never had an answer.
"""

import re
from dataclasses import dataclass

from olaf_async.adapters.openalgo.numbers import Fields, WireError, fields, read_json, text
from olaf_async.adapters.openalgo.wire.answers import message_of
from olaf_async.adapters.openalgo.wire.rows import mode_of
from olaf_async.domain.events import Mode, Verb
from olaf_async.errors import (
    BrokerError,
    BrokerQueued,
    BrokerRejected,
    BrokerUndecided,
    NeedsApproval,
    RateLimited,
    SessionExpired,
)

LIMITED_S = 1.0
"""The server's windows are a second long; a refused call uses nothing of them up."""
LOGIN_S = 5.0
"""A person has to act; and a server may be set to ban an address after a hundred refused keys."""

_LIMITER = re.compile(r"\d+ per \d+ (?:second|minute|hour|day)", re.ASCII)
_BANNED = b"Access Denied: Your IP has been banned"
_NO_ID = {"none", "null", "nan", "undefined", "true", "false", "0", "-1", "order_placed"}
_ID_MAX = 100


@dataclass(frozen=True, slots=True)
class Accepted:
    """The broker took the request: the order is, or will soon be, in the books under this id."""

    order_id: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a write, and the mode that the answer told, if it told one."""

    result: Accepted | BrokerError
    mode: Mode | None


def judge_write(verb: Verb, status: int, body: bytes) -> Verdict:
    """Classify the answer to a place, modify or cancel. Never raises."""
    try:
        answer = fields(read_json(body), "the answer")
    except WireError as error:
        return Verdict(_banned(status, body) or BrokerUndecided(f"HTTP {status}, {error}"), None)
    result = (
        _accepted(verb, status, answer)
        or _queued(status, answer)
        or _refused(verb, status, answer)
        or BrokerUndecided(f"HTTP {status}: {message_of(answer)}")
    )
    return Verdict(result, _mode(status, answer, result))


def judge_failed_read(status: int, body: bytes) -> BrokerError:
    """What an answer to a read that is no 200 means. Reads change nothing: undecided ones may be repeated."""
    try:
        answer = fields(read_json(body), "the answer")
    except WireError as error:
        return _banned(status, body) or BrokerUndecided(f"HTTP {status}, {error}")
    refused = _refused(None, status, answer)
    if refused is None and status == 404:
        return BrokerRejected(message_of(answer))
    return refused or BrokerUndecided(f"HTTP {status}: {message_of(answer)}")


def _accepted(verb: Verb, status: int, answer: Fields) -> Accepted | None:
    """A usable order id with success; or with the refusal that leaves a rejected order in the books.

    Recorded: selling CNC shares one does not hold is a 400 with an order id, and a row under it.
    """
    if text(answer.get("mode")) == "semi_auto":
        return None
    is_success = status == 200 and answer.get("status") == "success"
    is_kept_refusal = verb is Verb.PLACE and status == 400 and answer.get("status") == "error"
    order_id = text(answer.get("orderid"))
    if not (is_success or is_kept_refusal) or not _is_id(order_id):
        return None
    return Accepted(order_id)


def _is_id(order_id: str) -> bool:
    """Some brokers' refusals come through as success with null, a blank or a word where the id belongs."""
    is_word = order_id.isprintable() and " " not in order_id and 0 < len(order_id) <= _ID_MAX
    return is_word and order_id.casefold() not in _NO_ID


def _queued(status: int, answer: Fields) -> BrokerQueued | None:
    """In semi-auto mode the server answers success with a number of its own and no order id."""
    if status != 200 or answer.get("status") != "success" or text(answer.get("mode")) != "semi_auto":
        return None
    return BrokerQueued(f"{message_of(answer)} (pending order {text(answer.get('pending_order_id'))})")


def _refused(verb: Verb | None, status: int, answer: Fields) -> BrokerError | None:
    """The definite refusals. ``verb`` None is a read."""
    message, is_error = message_of(answer), answer.get("status") == "error"
    match status:
        case 400 if _is_plain_400(verb, answer):
            return BrokerRejected(message)
        case 403 if is_error and message == "Invalid openalgo apikey":
            return SessionExpired("the server refuses the key, or its broker session has ended", LOGIN_S)
        case 403 if is_error and "not allowed in Semi-Auto mode" in message:
            return NeedsApproval(message)
        case 404 if is_error and _is_plain_404(verb, answer, message):
            return BrokerRejected(message)
        case 429 if "status" not in answer and _LIMITER.fullmatch(message):
            return RateLimited(message, LIMITED_S)
        case _:
            return None


def _is_plain_400(verb: Verb | None, answer: Fields) -> bool:
    """Refused by the server's own checks. A 400 to a place that has anything to say of an order id is not."""
    if verb is Verb.PLACE and "orderid" in answer:
        return False
    return answer.get("status") == "error" or ("status" not in answer and set(answer) == {"message"})


def _is_plain_404(verb: Verb | None, answer: Fields, message: str) -> bool:
    if message == "Broker-specific module not found" or (message == "Not found" and "path" in answer):
        return True
    return verb in (Verb.MODIFY, Verb.CANCEL) and re.fullmatch(r"Order \S+ not found", message) is not None


def _banned(status: int, body: bytes) -> SessionExpired | None:
    if status == 403 and body.lstrip().startswith(_BANNED):
        return SessionExpired("the server has banned this machine's address", LOGIN_S)
    return None


def _mode(status: int, answer: Fields, result: Accepted | BrokerError) -> Mode | None:
    """Only the analyzer puts its mode on an answer to an order: an accepted one without is live."""
    is_plain = status == 200 and isinstance(result, Accepted)
    return mode_of(answer) or (Mode.LIVE if is_plain else None)
