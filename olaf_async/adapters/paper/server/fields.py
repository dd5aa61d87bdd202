"""What a request to the server may contain: kinds of fields, tables of them, and the words for a bad one.

Owns reading and refusing of request bodies, in the very words of the server that is imitated (recorded from
OpenAlgo 2.0.2.1 and its validation library marshmallow 3). It must never know what a request is for.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final, TypeAlias

from olaf_async.errors import OlafError

Rule: TypeAlias = Callable[[object], object]
"""Reads one JSON value; raises `Unfit`."""

Faults: TypeAlias = dict[str, object]
"""Field -> list of messages, or for a field with parts, index -> faults of the part."""

_REQUIRED: Final = object()
_EXPONENT_MAX: Final = 308


class Unfit(OlafError):
    """A value that a field does not take; ``fault`` is what the answer says of it."""

    def __init__(self, fault: object) -> None:
        super().__init__(fault)
        self.fault = fault if isinstance(fault, dict) else [fault]


class NotJson(OlafError):
    """The body is no JSON at all."""


@dataclass(frozen=True, slots=True)
class Field:
    """How one field is read; required where no ``default`` is given."""

    rule: Rule
    default: object = _REQUIRED
    is_nullable: bool = False

    @property
    def is_required(self) -> bool:
        """Whether a request without it is refused."""
        return self.default is _REQUIRED


class Fields:
    """The fields of a request that passed its table, each asked for as what its table makes of it."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        """A text field."""
        value = self._values[name]
        assert isinstance(value, str)
        return value

    def number(self, name: str) -> Decimal:
        """A number field, exactly as it was written."""
        value = self._values[name]
        assert isinstance(value, Decimal)
        return value

    def whole(self, name: str) -> int:
        """A number field without its fraction."""
        return int(self.number(name))

    def flag(self, name: str) -> bool:
        """A field that is true or false."""
        value = self._values[name]
        assert isinstance(value, bool)
        return value

    def day(self, name: str) -> date:
        """A date field."""
        value = self._values[name]
        assert isinstance(value, date)
        return value

    def rows(self, name: str) -> list["Fields"]:
        """A field that is a list of parts."""
        rows = self._values[name]
        assert isinstance(rows, list)
        return rows

    def has(self, name: str) -> bool:
        """Whether an optional field is there, and not null."""
        return self._values.get(name) is not None


@dataclass(frozen=True, slots=True)
class Table:
    """The fields a request has. ``check`` finds faults that concern several fields of a sound request."""

    fields: Mapping[str, Field]
    check: Callable[[Fields], Faults] = field(default=lambda _: {})

    def read(self, body: object) -> Fields:
        """Read a decoded body.

        Raises:
            Unfit: with every fault found, in the order of the table, unknown fields last.
        """
        if not isinstance(body, dict):
            raise Unfit({"_schema": ["Invalid input type."]})
        values: dict[str, object] = {}
        faults: Faults = {}
        for name, known in self.fields.items():
            try:
                values[name] = self._value(body, name, known)
            except Unfit as unfit:
                faults[name] = unfit.fault
        faults |= {name: ["Unknown field."] for name in body if name not in self.fields}
        fields = Fields(values)
        faults = faults or self.check(fields)
        if faults:
            raise Unfit(faults)
        return fields

    @staticmethod
    def _value(body: Mapping[str, object], name: str, known: Field) -> object:
        if name not in body:
            if known.is_required:
                raise Unfit("Missing data for required field.")
            return known.default
        value = body[name]
        if value is not None:
            return known.rule(value)
        if known.is_nullable:
            return None
        raise Unfit("Field may not be null.")


def decoded(body: bytes) -> object:
    """Decode JSON, numbers as Decimal.

    Raises:
        NotJson: it is none.
    """
    try:
        # NaN and Infinity are JSON to the server; its fields refuse them.
        return json.loads(body, parse_int=Decimal, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, RecursionError):
        raise NotJson from None


# ---------------------------------------------------------------------------------------------- kinds of rule


def text(value: object) -> str:
    """Any text, also none."""
    if not isinstance(value, str):
        raise Unfit("Not a valid string.")
    return value


def text_of(shortest: int, longest: int) -> Rule:
    """Text of so many characters."""

    def rule(value: object) -> str:
        told = text(value)
        if not shortest <= len(told) <= longest:
            raise Unfit(f"Length must be between {shortest} and {longest}.")
        return told

    return rule


def one_of(*words: str) -> Rule:
    """One of these words, spelled so."""

    def rule(value: object) -> str:
        told = text(value)
        if told not in words:
            raise Unfit(f"Must be one of: {', '.join(words)}.")
        return told

    return rule


def number(value: object) -> Decimal:
    """A number or numeric text."""
    if not isinstance(value, Decimal | str):
        raise Unfit("Not a valid number.")
    try:
        told = Decimal(value)
    except InvalidOperation:
        raise Unfit("Not a valid number.") from None
    if not told.is_finite() or told.adjusted() > _EXPONENT_MAX:
        raise Unfit("Special numeric values (nan or infinity) are not permitted.")
    return told


def number_text(value: object) -> Decimal:
    """A number that has to come as text."""
    return number(text(value))


def whole(value: object) -> Decimal:
    """A number, its fraction ignored, or the text of a whole one."""
    try:
        told = number(value)
    except Unfit:
        raise Unfit("Not a valid integer.") from None
    if isinstance(value, str) and not value.strip().lstrip("+-").isdecimal():
        raise Unfit("Not a valid integer.")
    return Decimal(int(told))


def above_zero(what: str, rule: Rule = number) -> Rule:
    """A number greater than zero."""
    return _no_less(rule, f"{what} must be a positive number.", lambda told: told > 0)


def zero_or_more(what: str, rule: Rule = number) -> Rule:
    """A number that is not negative."""
    kind = "integer" if rule is whole else "number"
    return _no_less(rule, f"{what} must be a non-negative {kind}.", lambda told: told >= 0)


def whole_between(least: int, most: int) -> Rule:
    """A whole number of this range."""

    def rule(value: object) -> Decimal:
        told = whole(value)
        if not least <= told <= most:
            raise Unfit(f"Must be greater than or equal to {least} and less than or equal to {most}.")
        return told

    return rule


def flag(value: object) -> bool:
    """True or false, as itself, as a word or as a number."""
    told = value.lower() if isinstance(value, str) else value
    if isinstance(told, str | bool | Decimal):
        if told in {"true", "t", "yes", "y", "on", "1", True}:
            return True
        if told in {"false", "f", "no", "n", "off", "0", False}:
            return False
    raise Unfit("Not a valid boolean.")


def day(value: object) -> date:
    """A date as YYYY-MM-DD."""
    told = text(value)
    try:
        if told[4:5] == told[7:8] == "-":  # the other spellings of ISO 8601 are not taken
            return date.fromisoformat(told)
    except ValueError:
        pass
    raise Unfit("Not a valid date.")


def list_of(table: Table, most: int | None = None) -> Rule:
    """At least one part, each by its own table."""

    def rule(value: object) -> list[Fields]:
        if not isinstance(value, list):
            raise Unfit("Not a valid list.")
        rows: list[Fields] = []
        faults: dict[int, object] = {}
        for index, part in enumerate(value):
            try:
                rows.append(table.read(part))
            except Unfit as unfit:
                faults[index] = unfit.fault
        if faults:
            raise Unfit(faults)
        if not rows:
            raise Unfit("Shorter than minimum length 1.")
        if most is not None and len(rows) > most:
            raise Unfit(f"Longer than maximum length {most}.")
        return rows

    return rule


def _no_less(rule: Rule, words: str, is_fit: Callable[[Decimal], bool]) -> Rule:
    def checked(value: object) -> object:
        told = rule(value)
        assert isinstance(told, Decimal)
        if not is_fit(told):
            raise Unfit(words)
        return told

    return checked
