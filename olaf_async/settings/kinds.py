"""What a single value may be: exact numbers, durations, money, times of day, addresses, paths.

Each alias says how text becomes the value and what is refused, in words for the person who wrote it. It
never looks at another key.
"""

import re
from datetime import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from olaf_async.domain.price import PriceError, to_paise

PROTECTIVE_LIMIT_PCT_MAX = 3
"""The exchange refuses a stop-limit further than this from its trigger (NSE/CMTR cash segment, 3 %)."""

_CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?")
_SECONDS_PER_DAY = 86_400
_MONEY_MAX = 10**15
_EXPONENT_MAX = 30


class SettingProblem(PydanticCustomError):
    """A value is refused. ``also`` names the other keys (dotted, from the root) that it disagrees with."""

    def __new__(cls, text: str, *also: str) -> Self:
        """Carry the sentence, which is all the reader sees, and the other keys."""
        return super().__new__(cls, "setting", "{text}", {"text": text, "also": also})


def _number(value: object) -> object:
    """Refuse true and false, and exponents (``1e999999999``) whose digits alone would fill the memory."""
    if isinstance(value, bool):
        raise SettingProblem("must be a number")
    if isinstance(value, str | Decimal):
        try:
            magnitude = Decimal(value).adjusted()
        except InvalidOperation:
            raise SettingProblem("must be a decimal number") from None
        if abs(magnitude) > _EXPONENT_MAX:
            raise SettingProblem("must be a number of ordinary size")
    return value


def _clock_time(value: object) -> time:
    """``09:15``, ``"09:15:00"`` or a TOML local time; never a count of seconds, an offset or a fraction."""
    if isinstance(value, str) and _CLOCK_TIME.fullmatch(value):
        value = time.fromisoformat(value)
    if not isinstance(value, time) or value.tzinfo is not None or value.microsecond:
        raise SettingProblem('must be a local time such as "09:15:00"')
    return value


def _whole_paise(value: Decimal) -> Decimal:
    try:
        to_paise(value)
    except PriceError:
        raise SettingProblem("must be rupees and whole paise") from None
    return value


def _zone_name(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingProblem('must be a known time zone such as "Asia/Kolkata"') from None
    return value


def _root(value: str, schemes: tuple[str, str], port: int) -> str:
    try:
        parts = urlsplit(value)
        has_user = parts.username is not None
        is_root = parts.scheme in schemes and parts.hostname and parts.port != 0
        is_root = is_root and not parts.query and not parts.fragment
    except ValueError:  # a port past 65535, half an IPv6 address
        has_user = is_root = False
    if has_user:
        raise SettingProblem("must not carry a user name or password")
    if not is_root:
        raise SettingProblem(f'must be an address such as "{schemes[0]}://127.0.0.1:{port}"')
    return value.rstrip("/")


def _location(value: object) -> object:
    if value == "":
        raise SettingProblem("must not be empty")
    return value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


Exact: TypeAlias = Annotated[Decimal, BeforeValidator(_number), Field(decimal_places=12)]
Whole: TypeAlias = Annotated[int, BeforeValidator(_number), Field(le=10**12)]
Seconds: TypeAlias = Annotated[
    Decimal, BeforeValidator(_number), Field(ge=0, le=_SECONDS_PER_DAY, decimal_places=9)
]
Percent: TypeAlias = Annotated[Exact, Field(ge=0, le=100)]
LimitPercent: TypeAlias = Annotated[Exact, Field(ge=0, le=PROTECTIVE_LIMIT_PCT_MAX)]
Share: TypeAlias = Annotated[Exact, Field(ge=0, le=1)]
Rupees: TypeAlias = Annotated[
    Decimal, BeforeValidator(_number), Field(ge=0, le=_MONEY_MAX), AfterValidator(_whole_paise)
]
Location: TypeAlias = Annotated[Path, BeforeValidator(_location)]
LocalTime: TypeAlias = Annotated[time, BeforeValidator(_clock_time)]
Text: TypeAlias = Annotated[str, StringConstraints(min_length=1)]
HttpRoot: TypeAlias = Annotated[str, AfterValidator(lambda value: _root(value, ("http", "https"), 5000))]
SocketRoot: TypeAlias = Annotated[str, AfterValidator(lambda value: _root(value, ("ws", "wss"), 8765))]
Capitals: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Z_]+$")]
ZoneName: TypeAlias = Annotated[str, AfterValidator(_zone_name)]
LogLevel: TypeAlias = Annotated[
    Literal["TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)
]
