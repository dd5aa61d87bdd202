"""All that can be set, where it was set, and what is wrong with it; imported from here."""

from olaf_async.settings.load import FlagError, check, check_live, load_settings, variable
from olaf_async.settings.model import (
    BrokerSettings,
    ChargeRateSettings,
    JournalSettings,
    LogSettings,
    PaperSettings,
    RiskSettings,
    ScanSettings,
    SessionSettings,
    Settings,
    StrategySettings,
    WebSettings,
    known_keys,
)
from olaf_async.settings.show import SettingRow, describe, example_toml, schema

__all__ = [
    "BrokerSettings",
    "ChargeRateSettings",
    "FlagError",
    "JournalSettings",
    "LogSettings",
    "PaperSettings",
    "RiskSettings",
    "ScanSettings",
    "SessionSettings",
    "SettingRow",
    "Settings",
    "StrategySettings",
    "WebSettings",
    "check",
    "check_live",
    "describe",
    "example_toml",
    "known_keys",
    "load_settings",
    "schema",
    "variable",
]
