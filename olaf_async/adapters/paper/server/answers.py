"""What every answer of the server is made of: a status, a body, and numbers as JSON has them.

Owns the way from paise and nanoseconds to the wire. Must never be used on the way in.
"""

from typing import TypeAlias

from olaf_async.domain.price import PAISE_PER_RUPEE, Paise

Json: TypeAlias = dict[str, object]
Answer: TypeAlias = tuple[int, Json]
"""HTTP status and body."""


def success(**fields: object) -> Answer:
    """All went well; the status is 200 and no other, since clients take every other for a failure."""
    return 200, {"status": "success", **fields}


def error(status: int, message: object, **fields: object) -> Answer:
    """It did not go well."""
    return status, {"status": "error", "message": message, **fields}


def rupees(paise: Paise) -> float:
    """Paise as the JSON number nearest to them, which is written with their two places."""
    return paise / PAISE_PER_RUPEE
