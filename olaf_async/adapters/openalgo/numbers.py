"""Tolerant reading of JSON and of the numbers and texts in it.

Owns how one value is read. OpenAlgo hands through what some thirty brokers write: a number may come as
JSON number, as text, as blank or as null, an order id as number, a missing float as a bare NaN. What cannot
be read is a `WireError`; nothing here ever raises anything else, whatever the bytes, and nothing becomes a
binary float.
"""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TypeAlias

import msgspec

from olaf_async.domain.price import PAISE_PER_RUPEE, Paise
from olaf_async.errors import OlafError

Json: TypeAlias = object
"""None, bool, int, Decimal, str, list or dict with text keys, as `read_json` makes them."""
Fields: TypeAlias = Mapping[str, Json]
"""A JSON object."""

WHOLE_MAX = 10**15
"""Past this a number is garbage: no share has such a price, no account such a sum, no clock such a time."""
_SHOWN_MAX = 60
_HUGE = 10**40
_NUMBER = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_PAISA = Decimal("0.01")


class WireError(OlafError):
    """What arrived is outside the protocol. The text names the place, and shows the value shortened."""


def read_json(body: bytes | str) -> Json:
    """Decode one JSON document; numbers with a point become ``Decimal``, a bare NaN or Infinity None.

    Python's ``json`` writes NaN where a value is missing, which is no JSON: recorded servers do that.

    Raises:
        WireError: it is not JSON.
    """
    try:
        try:
            return _DECODER.decode(body)
        except msgspec.DecodeError:
            if not _may_hold_nan(body):
                raise
            return _with_nan(body)
    except (ValueError, ArithmeticError, RecursionError) as error:
        # The cause could quote the body, and a body may quote the request with its key.
        raise WireError(f"not JSON: {type(error).__name__}") from None


def _decimal(digits: str) -> Decimal:
    return Decimal(digits)


_DECODER = msgspec.json.Decoder(float_hook=_decimal)


def _may_hold_nan(body: bytes | str) -> bool:
    words = ("NaN", "Infinity")
    if isinstance(body, str):
        return any(word in body for word in words)
    return any(word.encode() in body for word in words)


def _with_nan(body: bytes | str) -> Json:
    found: Json = json.loads(body, parse_float=_decimal, parse_constant=lambda _: None)
    # json takes lone surrogates, which no text that leaves us could carry.
    json.dumps(found, ensure_ascii=False, default=str).encode()
    return found


def fields(value: Json, what: str) -> Fields:
    """The value as a JSON object.

    Raises:
        WireError: it is something else.
    """
    if not isinstance(value, dict):
        raise WireError(f"{what} is no object: {shown(value)}")
    return value


def items(value: Json, what: str) -> Sequence[Json]:
    """The value as a JSON list.

    Raises:
        WireError: it is something else, null included: an empty list is a statement, nothing is none.
    """
    if not isinstance(value, list):
        raise WireError(f"{what} is no list: {shown(value)}")
    return value


def text(value: Json) -> str:
    """The value as text without blanks around it; whole numbers as their digits, anything else as ``""``."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _HUGE:
        return str(value)
    return ""


def required_text(row: Fields, key: str) -> str:
    """The text of a field that must have one.

    Raises:
        WireError: missing, blank, or neither text nor whole number.
    """
    found = text(row.get(key))
    if not found:
        raise WireError(f"{key} is missing: {shown(row.get(key))}")
    return found


def number_or_none(row: Fields, key: str) -> Decimal | None:
    """The number of a field; None where it is missing, blank or null.

    Raises:
        WireError: there is something that is no number, or a number past ``WHOLE_MAX``.
    """
    value = row.get(key)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value.strip()):
            raise WireError(f"{key} is no number: {shown(value)}")
        found = Decimal(value.strip())
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        found = Decimal(value)
    else:
        raise WireError(f"{key} is no number: {shown(value)}")
    if not -WHOLE_MAX <= found <= WHOLE_MAX:  # comparing is exact, abs() could overflow
        raise WireError(f"{key} is out of range: {shown(value)}")
    return found


def whole_or_none(row: Fields, key: str) -> int | None:
    """The whole number of a field (``10``, ``"10"``, ``10.0``); None where it is missing, blank or null.

    Raises:
        WireError: there is something that is no whole number.
    """
    found = number_or_none(row, key)
    if found is None:
        return None
    if found != found.to_integral_value():
        raise WireError(f"{key} is no whole number: {shown(row.get(key))}")
    return int(found)


def required_whole(row: Fields, key: str) -> int:
    """The whole number of a field that must have one.

    Raises:
        WireError: missing, blank, or no whole number.
    """
    found = whole_or_none(row, key)
    if found is None:
        raise WireError(f"{key} is missing")
    return found


def paise_or_none(row: Fields, key: str) -> Paise | None:
    """Rupees of a field to the nearest paisa; None where it is missing, blank or null.

    Averages have more places than a price, and servers that count in binary floats write 511.95000000000005.

    Raises:
        WireError: there is something that is no number.
    """
    found = number_or_none(row, key)
    if found is None:
        return None
    return int(found.quantize(_PAISA, rounding=ROUND_HALF_EVEN) * PAISE_PER_RUPEE)


def paise(row: Fields, key: str) -> Paise:
    """Rupees of a field to the nearest paisa; 0 where it is missing, blank or null, as brokers mean it.

    Raises:
        WireError: there is something that is no number.
    """
    return paise_or_none(row, key) or 0


def shown(value: Json) -> str:
    """A value for a message, short enough for a log line; of lists and objects only what they are."""
    if isinstance(value, dict | list):
        return f"{type(value).__name__} of {len(value)}"
    if isinstance(value, int) and abs(value) >= _HUGE:
        return "a huge number"
    whole = ascii(value)
    return whole if len(whole) <= _SHOWN_MAX else whole[:_SHOWN_MAX] + "..."
