"""Reading the settings: defaults, then the file, then the environment, then the command line; later wins.

Owns where values come from and how a wrong one is reported. Every problem of every source is found in one
go and named by source, key and remedy, one line each; the value of a secret is never part of a message.
Numbers of the file go from its text to ``Decimal``, past no binary float.
"""

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import SequenceMatcher
from pathlib import Path

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import InitSettingsSource

from olaf_async.errors import ConfigError
from olaf_async.settings.model import Settings, is_secret, known_keys

DEFAULT_FILE = Path("settings.toml")
ENV_PREFIX = "OLAF_"
ENV_DELIMITER = "__"
COMMAND_LINE = "command line"
ENVIRONMENT = "environment variable"

_SHOWN_MAX = 80
_WORDS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "path_type": "must be a path in quotes",
    "string_pattern_mismatch": "must be capital letters",
    "string_too_short": "must not be empty",
    "string_type": "must be a text in quotes",
    "too_short": "must not be empty",
}
_SUBJECT = re.compile(r"^(Input|Decimal input) should ")
_CREDENTIALS = re.compile(r"//.*@")


class FlagError(ConfigError):
    """All that is wrong was said on the command line: exit code 2 rather than 3."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """What one source says, by dotted key."""

    name: str
    values: Mapping[str, object]

    def place(self, key: str) -> str:
        """Where in this source a person finds the key."""
        return f"{ENVIRONMENT} {variable(key)}" if self.name == ENVIRONMENT else self.name

    def spelling(self, key: str) -> str:
        """How this source writes the key."""
        return variable(key) if self.name == ENVIRONMENT else key


def load_settings(
    config: Path | None = None,
    overrides: Mapping[str, object] | None = None,
    env: Mapping[str, str] | None = None,
) -> Settings:
    """Read all sources. Without ``config``, ``settings.toml`` of the working folder counts where it exists.

    ``overrides`` come from flags: dotted keys or nested mappings; a value of None means "not given". ``env``
    replaces the process's environment; variables that are empty count as unset.

    Raises:
        FlagError: everything wrong came from ``overrides``.
        ConfigError: otherwise; one line for each problem.
    """
    layers = [
        _command_line_layer({} if overrides is None else overrides),
        _environment_layer(os.environ if env is None else env),
    ]
    if config is not None or DEFAULT_FILE.exists():
        layers.append(_file_layer(DEFAULT_FILE if config is None else config))
    wrong = [
        (layer, _unknown(layer, key)) for layer in layers for key in layer.values if key not in known_keys()
    ]
    found: Settings | None = None
    try:
        found = Settings(_build_sources=(tuple(_source(layer) for layer in layers), {}))
    except ValidationError as error:
        details = error.errors(include_url=False)
        wrong += [_refused(layers, detail) for detail in details]
    if wrong or found is None:
        only_flags = all(layer is layers[0] for layer, _ in wrong)
        raise (FlagError if only_flags else ConfigError)("\n".join(line for _, line in wrong))
    return found.with_origins({key: layer.place(key) for layer in reversed(layers) for key in layer.values})


def check(config: Path | None = None, env: Mapping[str, str] | None = None) -> list[str]:
    """Every problem of the settings, one line each; empty where ``load_settings`` would take them."""
    try:
        load_settings(config, env=env)
    except ConfigError as error:
        return str(error).splitlines()
    return []


def check_live(settings: Settings) -> None:
    """See whether a server can be spoken to with these settings; they are fine without that on paper.

    Raises:
        ConfigError: there is no API key.
    """
    if settings.broker.api_key is None:
        raise ConfigError(
            'broker.api_key: is not set, and orders of mode = "live" need it; give it as the environment '
            f'variable {variable("broker.api_key")}, or set mode = "paper"'
        )


def variable(key: str) -> str:
    """The environment variable of a dotted key."""
    return ENV_PREFIX + key.replace(".", ENV_DELIMITER).upper()


def _source(layer: _Layer) -> InitSettingsSource:
    """The layer's known keys as pydantic-settings takes them: nested, and merged with the other layers."""
    nested: dict[str, object] = {}
    for key, value in layer.values.items():
        if key in known_keys():
            *parents, name = key.split(".")
            table = nested
            for parent in parents:
                inner = table.setdefault(parent, {})
                assert isinstance(inner, dict)
                table = inner
            table[name] = value
    return InitSettingsSource(Settings, init_kwargs=nested)


# ------------------------------------------------------------------------------------------------ the sources


def _command_line_layer(overrides: Mapping[str, object]) -> _Layer:
    return _Layer(COMMAND_LINE, {key: value for key, value in _flat(overrides) if value is not None})


def _environment_layer(env: Mapping[str, str]) -> _Layer:
    return _Layer(
        ENVIRONMENT,
        {
            name.removeprefix(ENV_PREFIX).lower().replace(ENV_DELIMITER, "."): value
            for name, value in env.items()
            if name.startswith(ENV_PREFIX) and value
        },
    )


def _file_layer(path: Path) -> _Layer:
    values = dict(_flat(_read_toml(path)))
    setups = values.get("setups_file")
    if isinstance(setups, str) and setups:
        values["setups_file"] = path.parent / setups
    return _Layer(str(path), values)


def _read_toml(path: Path) -> dict[str, object]:
    try:
        # utf-8-sig: editors on Windows put a byte-order mark first, which TOML forbids
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); give another file by --config"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    try:
        return tomllib.loads(text, parse_float=_exact)
    except (ValueError, RecursionError) as error:  # also a whole number of more digits than Python reads
        *before, last = text.split("\n")
        end = f"at the end, line {len(before) + 1}, column {len(last) + 1}"
        what = str(error).replace("at end of document", end)
        raise ConfigError(f"{path}: is not TOML: {what}; mend it there (texts need quotes)") from None


def _exact(number: str) -> Decimal | str:
    """The number as written; one that even ``Decimal`` cannot hold stays text, to be refused with its key."""
    try:
        return Decimal(number)
    except InvalidOperation:
        return number


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and (value or not _is_section(key)):
            yield from _flat(value, f"{key}.") if value else [(key, value)]
        elif not isinstance(value, Mapping):
            yield key, value


def _is_section(key: str) -> bool:
    return any(known.startswith(f"{key}.") for known in known_keys())


# ----------------------------------------------------------------------------------------------- the messages


def _unknown(layer: _Layer, key: str) -> str:
    where = f"{layer.place(key)}: {key}".encode("unicode_escape").decode()
    if _is_section(key):
        inner = next(known for known in known_keys() if known.startswith(f"{key}."))
        return f"{where}: is a section, not a setting; set its keys, such as {layer.spelling(inner)}"
    return f"{where}: is not a setting; did you mean {layer.spelling(_nearest(key))}?"


def _nearest(key: str) -> str:
    """The known key most alike, as a whole and by its last name: that finds one outside its section."""
    last = key.rpartition(".")[2]

    def likeness(known: str) -> float:
        whole = SequenceMatcher(None, key, known).ratio()
        return whole + SequenceMatcher(None, last, known.rpartition(".")[2]).ratio()

    return max(known_keys(), key=likeness)


def _refused(layers: Sequence[_Layer], detail: ErrorDetails) -> tuple[_Layer, str]:
    """The line for one refused value, blamed on the source that set it, or set what it disagrees with."""
    own = ".".join(str(part) for part in detail["loc"])
    also: tuple[str, ...] = detail.get("ctx", {}).get("also", ())
    layer, key = next((layer, key) for key in (own, *also) for layer in layers if key in layer.values)
    default = known_keys()[key].default
    shown = "" if also or is_secret(own) else f", not {_shown(detail['input'])}"
    otherwise = "leave it out" if default is None else f"leave it out for the default, {plain(default)}"
    return layer, f"{layer.place(key)}: {key}: {_said(detail)}{shown}; correct it or {otherwise}"


def _said(detail: ErrorDetails) -> str:
    """What is wrong, in words for someone who writes TOML rather than Python."""
    return _WORDS.get(detail["type"]) or _SUBJECT.sub("must ", detail["msg"])


def _shown(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > _SHOWN_MAX:
        return "one so large"
    text = _CREDENTIALS.sub("//***@", json.dumps(value) if isinstance(value, str) else str(value))
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}..."


def plain(value: object) -> str:
    """A value as a person writes it in the file, without quotes; secrets stay hidden."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case SecretStr():
            return "(hidden)"
        case Decimal() if value.is_finite():
            return f"{value:f}"
        case _:
            return str(value)
