"""What became of an order: the definite answers, and that everything else is undecided."""

import json

import pytest

from olaf_async.adapters.openalgo.wire.outcomes import LOGIN_S, Accepted, judge_failed_read, judge_write
from olaf_async.domain.events import Mode, Verb
from olaf_async.errors import (
    BrokerError,
    BrokerQueued,
    BrokerRejected,
    BrokerUndecided,
    NeedsApproval,
    NotNow,
    RateLimited,
    SessionExpired,
)

PLACE, MODIFY, CANCEL = Verb.PLACE, Verb.MODIFY, Verb.CANCEL
ALL = (PLACE, MODIFY, CANCEL)
BANNED = b"Access Denied: Your IP has been banned"
SCHEMA = "{'quantity': ['Quantity must be a positive number.']}"
BROWSER = "The browser (or proxy) sent a request that this server could not understand."


def success(**fields: object) -> dict[str, object]:
    return {"status": "success", **fields}


def error(message: object, **fields: object) -> dict[str, object]:
    return {"status": "error", "message": message, **fields}


QUEUED = success(message="Order queued for approval", mode="semi_auto", pending_order_id=7)

ACCEPTED: list[tuple[tuple[Verb, ...], int, object, str]] = [
    (ALL, 200, success(orderid="250408000989443"), "250408000989443"),
    (ALL, 200, success(orderid=250408000989443), "250408000989443"),
    (ALL, 200, success(orderid=" 26:17 "), "26:17"),
    (ALL, 200, success(orderid="12", mode="analyze", message="done"), "12"),
    ((PLACE,), 400, error("Cannot sell ITC in CNC.", orderid="12", mode="analyze"), "12"),
]

DEFINITE: list[tuple[tuple[Verb, ...], int, object, type[BrokerError]]] = [
    (ALL, 200, QUEUED, BrokerQueued),
    (ALL, 200, {**QUEUED, "orderid": "12"}, BrokerQueued),
    (ALL, 400, error(SCHEMA), BrokerRejected),
    (ALL, 400, error("Insufficient funds.", mode="analyze"), BrokerRejected),
    (ALL, 400, {"message": BROWSER}, BrokerRejected),
    ((MODIFY, CANCEL), 400, error("Cannot cancel order in complete status", orderid="12"), BrokerRejected),
    ((MODIFY, CANCEL), 404, error("Order 99999999999999 not found", mode="analyze"), BrokerRejected),
    (ALL, 403, error("Invalid openalgo apikey"), SessionExpired),
    (ALL, 403, BANNED, SessionExpired),
    (ALL, 403, error("Operation modify_order is not allowed in Semi-Auto mode."), NeedsApproval),
    (ALL, 404, error("Not found", path="/api/v1/placeorder"), BrokerRejected),
    (ALL, 404, error("Broker-specific module not found"), BrokerRejected),
    (ALL, 429, {"message": "10 per 1 second"}, RateLimited),
]

NO_IDS: list[object] = [
    *(None, "", " ", "ORDER_PLACED", "None", "null", 0, True, [], 1.5),
    *("order placed", "12\n34", "x" * 101),
]

UNDECIDED: list[tuple[tuple[Verb, ...], int, object]] = [
    *((ALL, 200, success(orderid=no_id)) for no_id in NO_IDS),
    (ALL, 200, success()),
    (ALL, 200, error("Insufficient funds")),
    (ALL, 200, {"orderid": "12"}),
    (ALL, 200, []),
    (ALL, 200, b""),
    (ALL, 200, b"<html></html>"),
    (ALL, 200, b'{"status":"success","orderid":"1'),
    (ALL, 201, success(orderid="12")),
    (ALL, 302, b""),
    ((PLACE,), 400, error("refused", orderid=None)),
    (ALL, 400, b"<html>400 Bad Request</html>"),
    (ALL, 400, success(orderid="")),
    (ALL, 400, {"message": "refused", "code": 7}),
    (ALL, 401, error("Unauthorized")),
    (ALL, 403, error("IP not allowed by the broker")),
    (ALL, 403, {"message": "Invalid openalgo apikey"}),
    (ALL, 403, b"<html>Forbidden</html>"),
    ((PLACE,), 404, error("Order 12 not found")),
    (ALL, 404, error("Not found")),
    (ALL, 404, b"404"),
    (ALL, 429, error("10 per 1 second")),
    (ALL, 429, {"message": "Too many requests, by the broker"}),
    (ALL, 429, b"<html>429 Too Many Requests</html>"),
    (ALL, 500, error("An unexpected error occurred in the API endpoint")),
    (ALL, 500, error("Failed to place order due to internal error", orderid="12")),
    (ALL, 500, error("Failed to cancel order: order is complete")),
    (ALL, 501, error("unsupported")),
    (ALL, 502, b"<html>Bad Gateway</html>"),
    (ALL, 504, b""),
]


def body_of(said: object) -> bytes:
    return said if isinstance(said, bytes) else json.dumps(said).encode()


@pytest.mark.parametrize(("verbs", "status", "said", "order_id"), ACCEPTED)
def test_an_order_is_taken_where_a_usable_id_says_so(
    verbs: tuple[Verb, ...], status: int, said: object, order_id: str
) -> None:
    for verb in verbs:
        assert judge_write(verb, status, body_of(said)).result == Accepted(order_id)


@pytest.mark.parametrize(("verbs", "status", "said", "error_"), DEFINITE)
def test_the_definite_refusals(
    verbs: tuple[Verb, ...], status: int, said: object, error_: type[BrokerError]
) -> None:
    for verb in verbs:
        assert type(judge_write(verb, status, body_of(said)).result) is error_


@pytest.mark.parametrize(("verbs", "status", "said"), UNDECIDED)
def test_everything_else_is_undecided(verbs: tuple[Verb, ...], status: int, said: object) -> None:
    for verb in verbs:
        assert type(judge_write(verb, status, body_of(said)).result) is BrokerUndecided


def test_an_accepted_answer_without_a_mode_is_the_live_account_s() -> None:
    told = {
        (200, b'{"status":"success","orderid":"1"}'): Mode.LIVE,
        (200, b'{"status":"success","orderid":"1","mode":"analyze"}'): Mode.ANALYZE,
        (400, b'{"status":"error","message":"no","mode":"analyze"}'): Mode.ANALYZE,
        (400, b'{"status":"error","message":"no","orderid":"1"}'): None,
        (400, b'{"status":"error","message":"no"}'): None,
        (200, b'{"status":"success","orderid":null}'): None,
        (200, b'{"status":"success","mode":"semi_auto"}'): None,
        (500, b""): None,
    }
    for (status, body), mode in told.items():
        assert judge_write(PLACE, status, body).mode is mode


def test_a_refusal_says_when_to_come_again() -> None:
    limited = judge_write(PLACE, 429, b'{"message":"10 per 1 second"}').result
    expired = judge_write(PLACE, 403, BANNED).result

    assert isinstance(limited, NotNow)
    assert isinstance(expired, NotNow)
    assert (limited.retry_after_s, expired.retry_after_s) == (1.0, LOGIN_S)


@pytest.mark.parametrize(
    ("status", "said", "error_"),
    [
        (400, error({"exchange": ["Must be one of: NSE"]}), BrokerRejected),
        (400, error("Symbol 'NOPE' not found"), BrokerRejected),
        (403, error("Invalid openalgo apikey"), SessionExpired),
        (403, BANNED, SessionExpired),
        (404, error("Symbol NOPE not found in exchange NSE"), BrokerRejected),
        (404, b"404", BrokerUndecided),
        (429, {"message": "50 per 1 second"}, RateLimited),
        (500, error("Error fetching quotes: feed down"), BrokerUndecided),
        (502, b"", BrokerUndecided),
    ],
)
def test_a_read_that_failed_says_why(status: int, said: object, error_: type[BrokerError]) -> None:
    assert type(judge_failed_read(status, body_of(said))) is error_
