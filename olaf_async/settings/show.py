"""Settings as people read them: each value with its source, the JSON schema, the example file.

It never shows a secret.
"""

import json
from dataclasses import dataclass
from datetime import time
from pathlib import Path

from olaf_async.settings.load import plain
from olaf_async.settings.model import Settings, known_keys


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting: dotted key, value as text (``(hidden)`` for a secret), where it came from, its meaning."""

    key: str
    value: str
    origin: str
    meaning: str


def describe(settings: Settings) -> list[SettingRow]:
    """Every setting in the order of the example file."""
    return [
        SettingRow(key, plain(settings.value(key)), settings.origin(key), field.description or "")
        for key, field in known_keys().items()
    ]


def schema() -> dict[str, object]:
    """The JSON schema of the file, for editors that complete and check TOML."""
    return Settings.model_json_schema()


def example_toml() -> str:
    """The text of ``settings.example.toml``; a key whose default is none is commented out."""
    lines = [
        "# Every setting of Olaf with its default. Copy to settings.toml and keep the lines you change.",
        "# The environment (OLAF_RISK__QUANTITY=5) and then flags of the command line go before this file.",
    ]
    section = ""
    for key, field in known_keys().items():
        parent, _, name = key.rpartition(".")
        if parent != section:
            section = parent
            lines += ["", f"[{section}]"]
        lines += ["", f"# {field.description}"] if not section else [f"# {field.description}"]
        lines.append(
            f"# {name} = {_EXAMPLE[key]}" if field.default is None else f"{name} = {_toml(field.default)}"
        )
    return "\n".join(lines) + "\n"


_EXAMPLE = {
    "setups_file": '"setups.csv"',
    "broker.api_key": '"..."',
    "broker.require_analyzer": "true",
    "strategy.entry_limit_ticks": "5",
    "risk.max_daily_loss": "5000",
    "web.token": '"..."',
    "log.file": '"var/olaf.log.jsonl"',
}
"""What the commented line of a key without a default shows."""


def _toml(value: object) -> str:
    return json.dumps(str(value)) if isinstance(value, str | Path | time) else plain(value)
