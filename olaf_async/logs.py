"""Logging: one-line records for people, JSON lines for programs, and no secret in either.

Owns the configuration of loguru and the road by which records of the standard library (aiohttp, websockets)
join it. Redaction happens here, at the sink: whoever logs need not think of it, and it covers the message,
everything bound to it, and the traceback. Values of variables never appear in tracebacks.

A record that cannot be written is lost; it must never be the reason that trading stops.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, tzinfo
from decimal import Decimal
from enum import Enum
from math import isfinite
from pathlib import Path, PurePath
from reprlib import Repr
from typing import TYPE_CHECKING, Final, TextIO, TypeAlias

from loguru import logger

from olaf_async.errors import ConfigError

if TYPE_CHECKING:
    from loguru import Message, Record

Json: TypeAlias = str | int | float | bool | list["Json"] | dict[str, "Json"] | None

REDACTED: Final = "[redacted]"

_SENSITIVE = r"(?:api[\-_ ]?key|secret|passw(?:or)?d|authorization)"
# As in: apikey=...  "api_key":"..."  \"apikey\": \"...\"  Authorization: Bearer ...
# Every repetition before the value is bounded: a long text of near misses must cost no more than its length.
_NAMED_SECRET = re.compile(
    rf"""({_SENSITIVE}\w{{0,20}}\\{{0,8}}["']?\s{{0,4}}[:=]\s{{0,4}})
        (?:\\*"[^"\\]*|\\*'[^'\\]*|(?:Bearer\s+|Basic\s+)?[^\s"'\\,;&)\]}}]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_URL_TOKEN = re.compile(r"([?&](?:access_)?token=)[^\s&\"'#]+", re.IGNORECASE)
_IS_SENSITIVE = re.compile(_SENSITIVE, re.IGNORECASE)
_DEPTH_MAX = 8
_BITS_MAX = 256

_COLOURS: Final = {
    "TRACE": "2",
    "DEBUG": "2",
    "SUCCESS": "32",
    "WARNING": "33",
    "ERROR": "31",
    "CRITICAL": "1;31",
}
_CONTROL: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}
_CONTROL_IN_LINES: Final = {code: shown for code, shown in _CONTROL.items() if code != ord("\n")}

# Only its guard against objects whose own repr fails is wanted; a text cut short could keep half a secret.
_describe = Repr()
_describe.maxother = sys.maxsize


class Redactor:
    """Takes known secrets, and what is named like one, out of text and nested values."""

    def __init__(self, secrets: Iterable[str]) -> None:
        longest_first = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._known = re.compile("|".join(map(_in_any_dress, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        text = _NAMED_SECRET.sub(rf"\g<1>{REDACTED}", text)
        return _URL_TOKEN.sub(rf"\g<1>{REDACTED}", text)

    def value(self, value: object, depth: int = 0) -> Json:
        """The value as JSON can hold it: no secret in keys, in values or in what objects call themselves."""
        inner = depth + 1
        match value:
            case Mapping() if depth < _DEPTH_MAX:
                return {self.text(_name(key)): self._named(_name(key), v, inner) for key, v in value.items()}
            case list() | tuple() if depth < _DEPTH_MAX:
                return [self.value(item, inner) for item in value]
            case AbstractSet() if depth < _DEPTH_MAX:
                return sorted((self.value(item, inner) for item in value), key=str)
            case _:
                return self._single(value)

    def _single(self, value: object) -> Json:
        match value:
            case Enum():
                return self.text(value.name)
            case int() if value.bit_length() <= _BITS_MAX:
                return self._number(value)
            case float() if isfinite(value):
                return self._number(value)
            case str() | float() | Decimal() | date() | time() | PurePath():
                return self.text(str(value))
            case None:
                return None
            case _:
                return self.text(_describe.repr_instance(value, 1))

    def _named(self, name: str, value: object, depth: int) -> Json:
        return REDACTED if _IS_SENSITIVE.search(name) else self.value(value, depth)

    def _number(self, value: float) -> Json:
        """Itself, unless its digits hold a secret (a key of digits read as a number)."""
        return REDACTED if self._known is not None and self._known.search(str(value)) else value


def configure_logging(
    level: str,
    log_file: Path | None = None,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
    timezone: tzinfo | None = None,
) -> None:
    """Send records of ``level`` and above to the stream (standard error) and, as JSON lines, to the file.

    Replaces whatever was configured before; the standard library's records come along, from INFO up.
    ``timezone`` is that of the times shown; without it the machine's.

    Raises:
        ConfigError: the file cannot be opened.
    """
    redactor = Redactor(secrets)
    human = _HumanSink(sys.stderr if stream is None else stream, redactor, timezone)
    sinks: list[_HumanSink | _JsonSink] = [human]
    if log_file is not None:
        sinks.append(_JsonSink(log_file, redactor, timezone, human))
    logger.remove()
    for sink in sinks:
        # The sinks read the record; a rendered text from loguru, with its own traceback, is never made.
        # What may fail in them they handle: loguru's own report of a failure would print the bare record.
        logger.add(
            sink, level=level, format=_no_text, colorize=False, backtrace=False, diagnose=False, catch=False
        )
    root = logging.getLogger()
    root.handlers[:] = [_StandardLibraryHandler()]
    # Below INFO, websockets and asyncio speak of every frame: keys among them, and far too many.
    root.setLevel(max(logger.level(level).no, logging.INFO))


def _no_text(_record: "Record") -> str:
    return ""


def _name(key: object) -> str:
    return key if isinstance(key, str) else _describe.repr_instance(key, 1)


def _in_any_dress(secret: str) -> str:
    """A pattern of the secret as URLs, JSON and reprs write it, also one inside another."""
    parts = re.findall(r"\\+|[\w.~-]+|.", secret, re.DOTALL | re.ASCII)
    return "".join(_dresses(part) for part in parts)


def _dresses(part: str) -> str:
    """Letters, digits and ``.~_-`` are written as they are everywhere; anything else in several ways."""
    if part.startswith("\\"):
        return rf"(?:\\{{{len(part)},}}|(?i:%5c){{{len(part)}}})"
    if re.fullmatch(r"[\w.~-]+", part, re.ASCII):
        return re.escape(part)
    in_bytes = part.encode("utf-8", "surrogatepass")
    escaped = (json.dumps(part)[1:-1], repr(part)[1:-1], "".join(f"\\x{byte:02x}" for byte in in_bytes))
    spelled = [re.escape(text).replace(r"\\", r"\\+") for text in escaped if text.startswith("\\")]
    in_url = [re.escape("".join(f"%{byte:02x}" for byte in in_bytes)), *([r"\+"] if part == " " else [])]
    return rf"(?:\\*{re.escape(part)}|(?i:{'|'.join(spelled + in_url)}))"


def _exception_text(record: "Record", redactor: Redactor) -> str:
    """The traceback with causes and groups, or nothing. It shows source lines, never variables."""
    raised = record["exception"]
    if raised is None or raised.value is None:
        return ""
    return redactor.text("".join(traceback.format_exception(raised.value)).rstrip("\n"))


class _HumanSink:
    """``09:15:00.123 INFO     M&M          entry placed  price=511.95``, with colour on a terminal only."""

    def __init__(self, stream: TextIO, redactor: Redactor, timezone: tzinfo | None) -> None:
        self._stream = stream
        self._redactor = redactor
        self._timezone = timezone
        self._has_colour = stream.isatty()

    def write(self, message: "Message") -> None:
        """One record: a line, and the traceback below it where there is one."""
        record = message.record
        extra = self._redactor.value(record["extra"])
        assert isinstance(extra, dict)
        symbol = _one_line(extra.pop("symbol", ""))
        pairs = " ".join(f"{key.translate(_CONTROL)}={_one_line(value)}" for key, value in extra.items())
        text = self._redactor.text(record["message"]).translate(_CONTROL)
        level = f"{record['level'].name:<8}"
        if self._has_colour:
            level = f"\x1b[{_COLOURS.get(record['level'].name, '0')}m{level}\x1b[0m"
        at = _local(record["time"], self._timezone)
        line = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d} {level} {symbol:<12} {text}  {pairs}".rstrip()
        raised = _exception_text(record, self._redactor).translate(_CONTROL_IN_LINES)
        self.print(f"{line}\n{raised}" if raised else line)

    def print(self, text: str) -> None:
        """Write whole lines, in what the stream can encode; a stream that is gone has no reader to tell."""
        encoding = self._stream.encoding or "utf-8"
        try:
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return


class _JsonSink:
    """One JSON object a line, appended; an outage of the file is told once on the human side."""

    def __init__(self, path: Path, redactor: Redactor, timezone: tzinfo | None, human: _HumanSink) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: a line is on its way at once, and none piles up in memory while the disk is full.
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise ConfigError(
                f"{path}: cannot be written ({error.strerror}); set log.file to another"
            ) from None
        self._path = path
        self._redactor = redactor
        self._timezone = timezone
        self._human = human
        self._is_failing = False

    def write(self, message: "Message") -> None:
        """One record."""
        # All of it ASCII: to some readers U+2028 and U+0085 end a line.
        line = json.dumps(self._object(message.record))
        # The write that began an outage may have left half a line.
        start = "\n" if self._is_failing else ""
        try:
            self._file.write(f"{start}{line}\n".encode("ascii"))
            self._is_failing = False
        except OSError as error:
            if not self._is_failing:
                self._human.print(
                    f"the log file {self._path} cannot be written, its records are lost: {error}"
                )
            self._is_failing = True

    def stop(self) -> None:
        """Close the file; loguru calls it when the sink is removed."""
        self._file.close()

    def _object(self, record: "Record") -> dict[str, Json]:
        shown: dict[str, Json] = {
            "time": _local(record["time"], self._timezone).isoformat(),
            "level": record["level"].name,
            "message": self._redactor.text(record["message"]),
            "module": self._redactor.text(record["name"] or ""),
            "line": record["line"],
            "extra": self._redactor.value(record["extra"]),
        }
        if exception := _exception_text(record, self._redactor):
            shown["exception"] = exception
        return shown


class _StandardLibraryHandler(logging.Handler):
    """Hands records of ``logging`` to loguru, with the place they came from."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on; one whose arguments do not fit its text is passed on unformatted."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            message = f"{record.msg} {record.args!r}"

        def from_there(target: "Record") -> None:
            target["name"] = record.name
            target["line"] = record.lineno

        logger.patch(from_there).opt(exception=record.exc_info).log(_level_of(record), message)


def _level_of(record: logging.LogRecord) -> str | int:
    return record.levelname if record.levelname in _LEVELS else record.levelno


_LEVELS: Final = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})


def _local(at: datetime, timezone: tzinfo | None) -> datetime:
    return at if timezone is None else at.astimezone(timezone)


def _one_line(value: Json) -> str:
    """Text as it is where that is clear, else as JSON."""
    if isinstance(value, str) and value and not re.search(r'[\s="]', value):
        return value.translate(_CONTROL)
    return "" if value == "" else json.dumps(value, ensure_ascii=False).translate(_CONTROL)
