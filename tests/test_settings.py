"""What can be set, where it is read from, and how a wrong setting is told."""

import json
import pickle
import re
import string
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from olaf_async.domain.charges import ChargeRates
from olaf_async.errors import ConfigError
from olaf_async.settings import (
    ChargeRateSettings,
    FlagError,
    SessionSettings,
    Settings,
    StrategySettings,
    check,
    describe,
    example_toml,
    known_keys,
    load_settings,
    schema,
    variable,
)

EXAMPLE = Path(__file__).parents[1] / "settings.example.toml"
KEY = "kq7-very/secret key"

FIXED: dict[str, object] = {
    "mode": "paper",
    "setups_file": None,
    "broker.host": "http://127.0.0.1:5000",
    "broker.ws_url": "ws://127.0.0.1:8765",
    "broker.api_key": None,
    "broker.strategy": "olaf",
    "broker.exchange": "NSE",
    "broker.product": "MIS",
    "broker.request_timeout_s": Decimal(5),
    "broker.poll_interval_s": Decimal(5),
    "broker.settle_time_s": Decimal(130),
    "broker.require_analyzer": None,
    "session.timezone": "Asia/Kolkata",
    "session.calendar": "NSE",
    "session.open": time(9, 15),
    "session.close": time(15, 30),
    "session.ignore_initial_s": Decimal(60),
    "session.exit_before_close_s": Decimal(2700),
    "strategy.open_pos_min": Decimal("0.8"),
    "strategy.close_pos_max": Decimal("0.2"),
    "strategy.volume_min": 100_000,
    "strategy.trigger_ticks": 10,
    "strategy.trigger_window_s": Decimal(3600),
    "strategy.max_attempts": 3,
    "strategy.max_order_retries": 3,
    "strategy.order_timeout_s": Decimal(900),
    "strategy.reentry": "retrigger",
    "strategy.initial_stop": "true_range",
    "strategy.initial_stop_tr_mult": Decimal("0.5"),
    "strategy.initial_stop_ticks": 20,
    "strategy.trail_bar_s": Decimal(900),
    "strategy.trail_buffer_ticks": 2,
    "strategy.take_profit_r": Decimal(0),
    "strategy.trail_from": "entry_bar",
    "strategy.entry_limit_pct": Decimal("0.3"),
    "strategy.entry_limit_ticks": None,
    "strategy.stop_limit_pct": Decimal("1.0"),
    "strategy.exit_limit_pct": Decimal("1.0"),
    "strategy.chase_interval_s": Decimal(1),
    "paper.latency_ms": 0,
    "paper.slippage_ticks": 0,
    "paper.exchange_true": True,
    "paper.partial_fills": False,
    "paper.charges": True,
    "paper.capital": Decimal(1_000_000),
    "paper.charge_rates.brokerage_pct": Decimal("0.03"),
    "paper.charge_rates.brokerage_cap": Decimal(20),
    "paper.charge_rates.transaction_tax_pct": Decimal("0.025"),
    "paper.charge_rates.exchange_pct": Decimal("0.0030699"),
    "paper.charge_rates.investor_protection_pct": Decimal("0.0000001"),
    "paper.charge_rates.regulator_pct": Decimal("0.0001"),
    "paper.charge_rates.stamp_duty_pct": Decimal("0.003"),
    "paper.charge_rates.gst_pct": Decimal(18),
    "scan.ex_date_gap_pct": Decimal(20),
    "risk.quantity": 1,
    "risk.max_open_positions": 10,
    "risk.max_daily_loss": None,
    "risk.max_orders_per_s": 8,
    "risk.stale_feed_s": Decimal(30),
    "risk.unprotected_s_max": Decimal(3),
    "journal.dir": Path("var"),
    "web.host": "127.0.0.1",
    "web.port": 8787,
    "web.token": None,
}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def toml(text: str, path: str = "olaf.toml") -> Path:
    file = Path(path)
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def refusal(
    text: str = "", overrides: Mapping[str, object] | None = None, env: Mapping[str, str] | None = None
) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(toml(text), overrides, env or {})
    return str(caught.value)


# -------------------------------------------------------------------------------------------- names, defaults


@pytest.mark.parametrize(("key", "default"), FIXED.items())
def test_a_name_others_rely_on_keeps_its_default(key: str, default: object) -> None:
    value = load_settings(env={}).value(key)
    assert value == default
    assert type(value) in (type(default), type(Path()))


def test_settings_made_by_hand_depend_on_nothing_but_their_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    toml("mode = 'live'", "settings.toml")
    monkeypatch.setenv("OLAF_RISK__QUANTITY", "7")
    made = Settings(strategy=StrategySettings(max_attempts=2))
    assert (made.mode, made.risk.quantity, made.strategy.max_attempts) == ("paper", 1, 2)
    assert Settings() == load_settings(toml(""), env={})


def test_settings_cannot_be_changed() -> None:
    made = Settings()
    for part, name in ((made, "mode"), (made.risk, "quantity")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, name, part.model_dump()[name])


def test_settings_travel_to_another_process() -> None:
    loaded = load_settings(toml("[risk]\nmax_daily_loss = 5000.50"), env={})
    assert pickle.loads(pickle.dumps(loaded)) == loaded


def test_the_session_knows_its_zone() -> None:
    assert SessionSettings().zone == ZoneInfo("Asia/Kolkata")


def test_the_charges_of_the_settings_are_those_of_the_engine() -> None:
    assert ChargeRateSettings().rates() == ChargeRates()
    written = load_settings(toml("[paper.charge_rates]\nbrokerage_cap = 0.01\ngst_pct = 0.1"), env={})
    assert written.paper.charge_rates.rates() == replace(
        ChargeRates(), brokerage_cap=1, gst=Fraction(1, 1000)
    )


# ---------------------------------------------------------------------------------------------------- sources


def test_later_sources_win_and_each_value_knows_its_own() -> None:
    path = toml("[risk]\nquantity = 2\nmax_open_positions = 2\nmax_orders_per_s = 2")
    env = {"OLAF_RISK__MAX_OPEN_POSITIONS": "3", "OLAF_RISK__MAX_ORDERS_PER_S": "3", "HOME": "/"}
    loaded = load_settings(path, {"risk.max_orders_per_s": 4}, env)
    risk = loaded.risk
    assert (risk.quantity, risk.max_open_positions, risk.max_orders_per_s) == (2, 3, 4)
    assert [loaded.origin(f"risk.{name}") for name in ("stale_feed_s", "quantity")] == [
        "default",
        "olaf.toml",
    ]
    assert loaded.origin("risk.max_open_positions") == "environment variable OLAF_RISK__MAX_OPEN_POSITIONS"
    assert loaded.origin("risk.max_orders_per_s") == "command line"


def test_the_file_of_the_working_folder_counts_where_no_other_is_named() -> None:
    assert load_settings(env={}).mode == "paper"
    toml("mode = 'live'", "settings.toml")
    assert load_settings(env={}).mode == "live"
    assert load_settings(toml("", "other.toml"), env={}).mode == "paper"


def test_the_environment_of_the_process_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLAF_BROKER__API_KEY", KEY)
    assert load_settings().secrets() == (KEY,)


def test_an_empty_variable_counts_as_unset() -> None:
    assert load_settings(env={"OLAF_BROKER__API_KEY": "", "OLAF_RISK__QUANTITY": ""}) == Settings()


def test_flags_may_be_nested_or_dotted_and_none_means_not_given() -> None:
    given_flags = {
        "paper": {"charge_rates": {"gst_pct": "0"}},
        "risk.quantity": None,
        "setups_file": Path("a.csv"),
    }
    loaded = load_settings(overrides=given_flags, env={})
    assert (loaded.paper.charge_rates.gst_pct, loaded.risk.quantity) == (Decimal(0), 1)
    assert loaded.setups_file == Path("a.csv")


def test_a_setups_file_named_in_the_file_lies_beside_it() -> None:
    path = toml('setups_file = "lists/today.csv"', "conf/olaf.toml")
    assert load_settings(path, env={}).setups_file == Path("conf/lists/today.csv")
    assert load_settings(path, env={"OLAF_SETUPS_FILE": "x.csv"}).setups_file == Path("x.csv")
    absolute = toml('setups_file = "/lists/today.csv"', "conf/olaf.toml")
    assert load_settings(absolute, env={}).setups_file == Path("/lists/today.csv")


def test_a_byte_order_mark_and_windows_line_ends_are_read_over() -> None:
    Path("olaf.toml").write_bytes(b"\xef\xbb\xbf[risk]\r\nquantity = 5\r\n")
    assert load_settings(Path("olaf.toml"), env={}).risk.quantity == 5


def test_an_empty_section_changes_nothing() -> None:
    assert load_settings(toml("[risk]\n[paper.charge_rates]"), env={}) == Settings()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.decimals(min_value=0, max_value=3, places=12))
def test_a_decimal_arrives_exactly_as_written_from_every_source(percent: Decimal) -> None:
    text = f"{percent:f}"
    name, key = "OLAF_STRATEGY__STOP_LIMIT_PCT", "strategy.stop_limit_pct"
    read = (
        load_settings(toml(f"[strategy]\nstop_limit_pct = {text}"), env={}),
        load_settings(toml(f"[strategy]\nstop_limit_pct = '{text}'"), env={}),
        load_settings(toml(""), env={name: text}),
        load_settings(toml(""), {key: percent}, env={}),
    )
    assert {loaded.strategy.stop_limit_pct for loaded in read} == {percent}


@pytest.mark.parametrize("written", ["09:15:30", '"09:15:30"', "09:15:30.000"])
def test_a_time_of_day_may_be_text_or_a_time(written: str) -> None:
    assert load_settings(toml(f"[session]\nopen = {written}"), env={}).session.open == time(9, 15, 30)


def test_the_level_of_the_log_may_be_in_small_letters() -> None:
    assert load_settings(toml(""), env={"OLAF_LOG__LEVEL": "debug"}).log.level == "DEBUG"


def test_an_address_loses_the_slash_at_its_end() -> None:
    assert load_settings(toml(""), {"broker.host": "https://olaf.example/api/"}, {}).broker.host.endswith(
        "/api"
    )


# ----------------------------------------------------------------------------------------------- wrong values

WRONG = [
    ("mode", '"demo"', "must be 'paper' or 'live', not \"demo\""),
    ("mode", "3", "must be 'paper' or 'live', not 3"),
    ("setups_file", '""', "must not be empty"),
    ("setups_file", "7", "must be a path in quotes, not 7"),
    ("broker.host", '"127.0.0.1:5000"', 'must be an address such as "http://127.0.0.1:5000"'),
    ("broker.host", '"ws://127.0.0.1"', "must be an address"),
    ("broker.host", '"http://"', "must be an address"),
    ("broker.host", '"http://a:70000"', "must be an address"),
    ("broker.host", '"http://[::1"', "must be an address"),
    ("broker.host", '"http://a/?b=c"', "must be an address"),
    ("broker.host", '"http://a/#b"', "must be an address"),
    ("broker.ws_url", '"http://a"', 'must be an address such as "ws://'),
    ("broker.strategy", '""', "must not be empty"),
    ("broker.strategy", "3", "must be a text in quotes, not 3"),
    ("broker.exchange", '"nse"', "must be capital letters"),
    ("broker.product", '"BO"', "must be 'MIS', 'CNC' or 'NRML'"),
    ("broker.request_timeout_s", "0", "must be greater than 0, not 0"),
    ("broker.poll_interval_s", "-1", "must be greater than 0, not -1"),
    ("broker.settle_time_s", '"2m"', 'must be a decimal number, not "2m"'),
    ("broker.settle_time_s", "1e-10", "must have no more than 9 decimal places, not 1E-10"),
    ("broker.require_analyzer", '"maybe"', 'must be true or false, not "maybe"'),
    ("broker.require_analyzer", "[]", "must be true or false, not []"),
    ("session.timezone", '"Asia/Calcuta"', "must be a known time zone"),
    ("session.timezone", '"Asia"', "must be a known time zone"),
    ("session.timezone", '"../etc/passwd"', "must be a known time zone"),
    ("session.calendar", '"BSE"', "must be 'NSE' or 'always'"),
    ("session.open", '"9:15"', 'must be a local time such as "09:15:00", not "9:15"'),
    ("session.open", '"24:00"', "must be a local time"),
    ("session.open", '"09:15+05:30"', "must be a local time"),
    ("session.open", "33300", "must be a local time"),
    ("session.open", "09:15:00.5", "must be a local time"),
    ("session.open", "2026-01-01T09:15:00", "must be a local time"),
    ("session.ignore_initial_s", "-1", "must be greater than or equal to 0"),
    ("session.exit_before_close_s", "90000", "must be less than or equal to 86400"),
    ("strategy.open_pos_min", "1.1", "must be less than or equal to 1, not 1.1"),
    ("strategy.close_pos_max", "-0.1", "must be greater than or equal to 0"),
    ("strategy.volume_min", "-1", "must be greater than or equal to 0"),
    ("strategy.volume_min", "10000000000000", "must be less than or equal to 1000000000000"),
    (
        "strategy.volume_min",
        f"0x{'f' * 4000}",
        "must be less than or equal to 1000000000000, not one so large",
    ),
    ("strategy.trigger_ticks", "0", "must be greater than or equal to 1"),
    ("strategy.trigger_window_s", "0", "must be greater than 0"),
    ("strategy.max_attempts", "0", "must be greater than or equal to 1"),
    ("strategy.max_attempts", "2.5", "must be a whole number, not 2.5"),
    ("strategy.max_attempts", "true", "must be a number, not True"),
    ("strategy.max_attempts", "1e999999999", "must be a number of ordinary size"),
    ("strategy.max_attempts", "[1]", "must be a whole number, not [1]"),
    ("strategy.max_order_retries", "-1", "must be greater than or equal to 0"),
    ("strategy.order_timeout_s", "0", "must be greater than 0"),
    ("strategy.reentry", '"always"', "must be 'retrigger' or 'immediate'"),
    ("strategy.initial_stop", '"atr"', "must be 'true_range' or 'ticks'"),
    ("strategy.initial_stop_tr_mult", "0", "must be greater than 0"),
    ("strategy.initial_stop_ticks", "0", "must be greater than or equal to 1"),
    ("strategy.trail_bar_s", "0.5", "must be greater than or equal to 1, not 0.5"),
    ("strategy.trail_buffer_ticks", "-1", "must be greater than or equal to 0"),
    ("strategy.take_profit_r", "-1", "must be greater than or equal to 0"),
    ("strategy.take_profit_r", "nan", "must be a finite number"),
    ("strategy.take_profit_r", "inf", "must be a finite number"),
    ("strategy.take_profit_r", f"1e{'9' * 30}", "must be a decimal number"),
    ("strategy.take_profit_r", '"1e-999999999"', "must be a number of ordinary size"),
    ("strategy.trail_from", '"fill"', "must be 'entry_bar' or 'next_bar'"),
    ("strategy.entry_limit_pct", "3.01", "must be less than or equal to 3, not 3.01"),
    ("strategy.entry_limit_ticks", "-1", "must be greater than or equal to 0"),
    ("strategy.stop_limit_pct", "3.000000000001", "must be less than or equal to 3"),
    ("strategy.exit_limit_pct", "4", "must be less than or equal to 3"),
    ("strategy.chase_interval_s", "0", "must be greater than 0"),
    ("paper.latency_ms", "-5", "must be greater than or equal to 0"),
    ("paper.slippage_ticks", "1.5", "must be a whole number"),
    ("paper.exchange_true", '"sandbox"', "must be true or false"),
    ("paper.capital", "0", "must be greater than 0"),
    ("paper.capital", "1000.001", "must be rupees and whole paise, not 1000.001"),
    ("paper.capital", "1e20", "must be less than or equal to"),
    ("paper.charge_rates.gst_pct", "101", "must be less than or equal to 100"),
    ("paper.charge_rates.brokerage_cap", "20.005", "must be rupees and whole paise"),
    ("paper.charge_rates.brokerage_cap", "-1", "must be greater than or equal to 0"),
    ("scan.ex_date_gap_pct", "0", "must be greater than 0"),
    ("risk.quantity", "0", "must be greater than or equal to 1"),
    ("risk.max_open_positions", "0", "must be greater than or equal to 1"),
    ("risk.max_daily_loss", "0", "must be greater than 0"),
    ("risk.max_daily_loss", "0.005", "must be rupees and whole paise"),
    ("risk.max_orders_per_s", "0", "must be greater than or equal to 1"),
    ("risk.stale_feed_s", "0", "must be greater than 0"),
    ("risk.unprotected_s_max", "0", "must be greater than 0"),
    ("journal.dir", '""', "must not be empty"),
    ("web.host", '""', "must not be empty"),
    ("web.port", "65536", "must be less than or equal to 65535"),
    ("log.level", '"loud"', "must be 'TRACE', 'DEBUG'"),
    ("log.level", "3", "must be 'TRACE', 'DEBUG'"),
]


@pytest.mark.parametrize(("key", "written", "said"), WRONG)
def test_a_wrong_value_is_told_with_file_key_reason_and_remedy(key: str, written: str, said: str) -> None:
    section, _, name = key.rpartition(".")
    message = refusal(f"[{section}]\n{name} = {written}" if section else f"{name} = {written}")
    assert message.startswith(f"olaf.toml: {key}: {said}")
    assert "; correct it or leave it out" in message
    assert "\n" not in message


def test_a_wrong_value_of_the_environment_is_told_by_its_variable() -> None:
    said = refusal(env={"OLAF_STRATEGY__MAX_ATTEMPTS": "many"})
    assert said == (
        "environment variable OLAF_STRATEGY__MAX_ATTEMPTS: strategy.max_attempts: must be a decimal number, "
        'not "many"; correct it or leave it out for the default, 3'
    )


def test_only_what_flags_got_wrong_is_an_error_of_usage() -> None:
    flags = {"strategy.max_attempts": 0}
    with pytest.raises(FlagError, match=r"^command line: strategy.max_attempts: must be greater"):
        load_settings(toml(""), flags, {})
    with pytest.raises(
        FlagError, match=r"^command line: max_attempt: .* did you mean strategy.max_attempts\?$"
    ):
        load_settings(toml(""), {"max_attempt": 1}, {})
    with pytest.raises(ConfigError) as caught:
        load_settings(toml("mode = 1"), flags, {})
    assert not isinstance(caught.value, FlagError)


def test_a_wrong_value_that_a_later_source_replaces_does_no_harm() -> None:
    loaded = load_settings(toml("[risk]\nquantity = 'x'"), {"risk.quantity": 4}, {})
    assert loaded.risk.quantity == 4


def test_everything_wrong_is_told_at_once_one_line_each() -> None:
    said = refusal(
        "mode = 'x'\nmax_atempts = 1\n[risk]\nquantity = 0\n[web]\nport = 'x'",
        {"paper.capital": "x"},
        {"OLAF_LOG__LEVEL": "x", "OLAF_BROKER_API_KEY": KEY},
    )
    starts = [": ".join(line.split(": ")[:2]) for line in said.splitlines()]
    assert sorted(starts) == [
        "command line: paper.capital",
        "environment variable OLAF_BROKER_API_KEY: broker_api_key",
        "environment variable OLAF_LOG__LEVEL: log.level",
        "olaf.toml: max_atempts",
        "olaf.toml: mode",
        "olaf.toml: risk.quantity",
        "olaf.toml: web.port",
    ]


DISAGREE = [
    (
        "[session]\nclose = '09:15:00'",
        "session.close",
        "session.close (09:15:00) must be later than session.open",
    ),
    (
        "[session]\nopen = '16:00:00'",
        "session.open",
        "session.close (15:30:00) must be later than session.open",
    ),
    (
        "[session]\nexit_before_close_s = 22440",
        "session.exit_before_close_s",
        "less than the session's 22500 sec",
    ),
    (
        "[session]\nignore_initial_s = 19800",
        "session.ignore_initial_s",
        "session.exit_before_close_s (2700) plus",
    ),
    ("[session]\nclose = '10:00:30'", "session.close", "must be less than the session's 2730 seconds"),
    ("[session]\nopen = '14:44:00'", "session.open", "must be less than the session's 2760 seconds"),
    (
        "[session]\nexit_before_close_s = 7",
        "session.exit_before_close_s",
        "strategy.chase_interval_s (1) take 8 seconds; correct it or leave it out for the default, 2700",
    ),
    ("[session]\nexit_before_close_s = 0", "session.exit_before_close_s", "leaves no time to get out"),
    ("[broker]\nrequest_timeout_s = 3000", "broker.request_timeout_s", "take 3003 seconds"),
    ("[strategy]\nchase_interval_s = 900", "strategy.chase_interval_s", "take 2705 seconds"),
    (
        "[strategy]\nclose_pos_max = 0.8",
        "strategy.close_pos_max",
        "must be less than strategy.open_pos_min (0.8)",
    ),
    (
        "[strategy]\nopen_pos_min = 0.1",
        "strategy.open_pos_min",
        "strategy.close_pos_max (0.2) must be less than",
    ),
]


@pytest.mark.parametrize(("text", "key", "said"), DISAGREE)
def test_settings_that_disagree_are_blamed_on_the_one_that_was_set(text: str, key: str, said: str) -> None:
    message = refusal(text)
    assert message.startswith(f"olaf.toml: {key}: ")
    assert said in message


def test_a_disagreement_is_not_reported_about_a_value_that_is_itself_wrong() -> None:
    assert len(refusal("[session]\nopen = 'x'\nexit_before_close_s = 80000").splitlines()) == 1
    assert len(refusal("[strategy]\nopen_pos_min = 'x'\nclose_pos_max = 0.9").splitlines()) == 1


def test_the_longest_exit_time_that_leaves_a_second_is_taken() -> None:
    assert (
        load_settings(toml("[session]\nexit_before_close_s = 22439"), env={}).session.exit_before_close_s
        == 22439
    )


def test_a_drill_of_a_minute_can_leave_ten_seconds_before_its_end() -> None:
    drill = '[session]\ncalendar = "always"\nopen = "12:00:00"\nclose = "12:01:00"\nignore_initial_s = 0\n'
    session = load_settings(toml(drill + "exit_before_close_s = 10"), env={}).session
    assert session.exit_before_close_s == 10


# ---------------------------------------------------------------------------------------------- unknown names

UNKNOWN = [
    ("max_attempts = 3", "max_attempts", "strategy.max_attempts"),
    ("[strategy]\nmax_atempts = 3", "strategy.max_atempts", "strategy.max_attempts"),
    ("[stratgy]\nmax_attempts = 3", "stratgy.max_attempts", "strategy.max_attempts"),
    ("[broker]\nurl = 'x'", "broker.url", "broker.ws_url"),
    ("[broker.api_key]\nvalue = 'x'", "broker.api_key.value", "broker.api_key"),
    (
        "[paper.charge_rates]\ntransaction_tx_pct = 1",
        "paper.charge_rates.transaction_tx_pct",
        "paper.charge_rates.transaction_tax_pct",
    ),
]


@pytest.mark.parametrize(("text", "key", "near"), UNKNOWN)
def test_an_unknown_key_of_the_file_is_named_with_the_nearest_known_one(
    text: str, key: str, near: str
) -> None:
    assert refusal(text) == f"olaf.toml: {key}: is not a setting; did you mean {near}?"


def test_an_unknown_section_is_refused_even_while_empty() -> None:
    assert refusal("[riks]").startswith("olaf.toml: riks: is not a setting; did you mean ")


def test_an_unknown_variable_is_named_with_the_nearest_known_one() -> None:
    place = "environment variable OLAF_STRATEGY__MAX_ATEMPTS: strategy.max_atempts"
    near = "OLAF_STRATEGY__MAX_ATTEMPTS"
    assert (
        refusal(env={"OLAF_STRATEGY__MAX_ATEMPTS": "3"}) == f"{place}: is not a setting; did you mean {near}?"
    )


def test_a_section_is_not_taken_for_a_setting() -> None:
    assert (
        refusal("risk = 3")
        == "olaf.toml: risk: is a section, not a setting; set its keys, such as risk.quantity"
    )
    said = refusal(env={"OLAF_PAPER__CHARGE_RATES": "{}"})
    assert said.endswith("such as OLAF_PAPER__CHARGE_RATES__BROKERAGE_PCT")


def test_a_strange_name_cannot_break_the_message_into_lines() -> None:
    assert len(refusal('"a\\nb" = 3').splitlines()) == 1


# ----------------------------------------------------------------------------------------------- broken files


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(
        ConfigError, match=r"^none\.toml: cannot be read \(No such file or directory\); .*--config"
    ):
        load_settings(Path("none.toml"), env={})


def test_a_folder_is_not_taken_for_a_file() -> None:
    Path("settings.toml").mkdir()
    with pytest.raises(ConfigError, match=r"^settings\.toml: cannot be read \(Is a directory\)"):
        load_settings(env={})


def test_a_file_in_another_encoding_is_told() -> None:
    Path("olaf.toml").write_bytes("mode = 'päper'".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"^olaf\.toml: is not UTF-8 text"):
        load_settings(Path("olaf.toml"), env={})


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("mode = 'paper'\n[risk]\nquantity = one", "(at line 3, column 12)"),
        ("mode = 'paper'\nmode = 'live'", "(at the end, line 2, column 14)"),
        ("[risk\n", "(at line 1, column 6)"),
        (f"mode = {'1' * 5000}", "digits"),
        (f"mode = {'[' * 100_000}", "recursion"),
    ],
)
def test_a_file_that_is_not_toml_is_told_with_line_and_column(text: str, place: str) -> None:
    said = refusal(text)
    assert said.startswith("olaf.toml: is not TOML: ")
    assert place in said


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.dictionaries(
        st.one_of(st.sampled_from(sorted(known_keys())), st.text(string.ascii_lowercase + "._", min_size=1)),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.decimals(),
            st.text(),
            st.times(),
            st.lists(st.integers()),
            st.just({}),
        ),
        max_size=5,
    )
)
def test_any_values_at_all_are_taken_or_refused_in_words(values: dict[str, object]) -> None:
    said: list[str] = []
    try:
        load_settings(toml(""), values, {})
    except ConfigError as error:
        said = str(error).splitlines()
    assert all(line.startswith("command line: ") for line in said)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.sampled_from([*"[]{}=.\"'\n#,-: 0", "1e9", "mode", "risk", "quantity", "session", "open", "true"]),
        max_size=14,
    )
)
def test_any_text_at_all_is_read_or_refused_in_words(parts: list[str]) -> None:
    assert all(line.startswith("olaf.toml: ") for line in check(toml(" ".join(parts) + "\n"), {}))


# ---------------------------------------------------------------------------------------------------- secrets


def test_a_secret_is_in_nothing_that_can_be_printed() -> None:
    loaded = load_settings(toml(f'[broker]\napi_key = "{KEY}"\n[web]\ntoken = "{KEY}"'), env={})
    shown = (
        str(loaded),
        repr(loaded),
        str(loaded.model_dump()),
        str(loaded.model_dump(mode="json")),
        loaded.model_dump_json(),
        str(describe(loaded)),
        json.dumps(schema()),
        example_toml(),
    )
    assert not [text for text in shown if KEY in text]
    assert loaded.secrets() == (KEY, KEY)
    assert Settings().secrets() == ()


@pytest.mark.parametrize(
    "text",
    [
        f'[broker]\napi_ky = "{KEY}"',
        f'[broker]\napi_key = ["{KEY}"]',
        f'[broker]\napi_key = {{ value = "{KEY}" }}',
        f'broker = "{KEY}"',
        f'[broker]\nhost = "http://olaf:{KEY}@127.0.0.1"',
    ],
)
def test_a_secret_is_in_no_error(text: str) -> None:
    assert KEY not in refusal(text)


def test_an_empty_or_wrong_secret_is_refused_unseen() -> None:
    assert "api_key: must not be empty; correct it or leave it out" in refusal('[broker]\napi_key = ""')
    assert "api_key: must be a text in quotes; correct it" in refusal("[broker]\napi_key = 12345678")
    assert "12345678" not in refusal("[broker]\napi_key = 12345678")


def test_an_address_with_a_password_is_refused_and_not_repeated() -> None:
    said = refusal('[broker]\nhost = "http://olaf:pass@127.0.0.1"')
    assert 'must not carry a user name or password, not "http://***@127.0.0.1"' in said


def test_a_long_value_is_cut_in_its_message() -> None:
    assert len(refusal(f'mode = "{"x" * 10_000}"')) < 250


# -------------------------------------------------------------------------------------- what people are shown


def test_the_rows_name_value_source_and_meaning_of_every_key() -> None:
    loaded = load_settings(toml("[risk]\nquantity = 5"), {"mode": "live"}, {"OLAF_BROKER__API_KEY": KEY})
    rows = {row.key: row for row in describe(loaded)}
    assert list(rows) == list(known_keys())
    assert (rows["risk.quantity"].value, rows["risk.quantity"].origin) == ("5", "olaf.toml")
    assert (rows["mode"].value, rows["mode"].origin) == ("live", "command line")
    assert rows["broker.api_key"].value == "(hidden)"
    assert rows["broker.api_key"].origin == "environment variable OLAF_BROKER__API_KEY"
    assert (rows["web.token"].value, rows["web.token"].origin) == ("none", "default")
    assert rows["paper.charge_rates.investor_protection_pct"].value == "0.0000001"
    assert rows["paper.charges"].value == "true"
    assert rows["session.open"].value == "09:15:00"
    assert all(row.meaning for row in rows.values())


def test_check_lists_the_problems_or_nothing() -> None:
    assert check(toml("[risk]\nquantity = 5"), {}) == []
    assert len(check(toml("mode = 1\n[risk]\nquantity = 0"), {})) == 2


def test_the_schema_knows_every_section_and_closes_it() -> None:
    shape = schema()
    sections = shape["$defs"]
    assert isinstance(sections, dict)
    assert {"BrokerSettings", "ChargeRateSettings", "LogSettings"} <= sections.keys()
    assert all(section["additionalProperties"] is False for section in (shape, *sections.values()))
    json.dumps(shape)


def test_every_variable_leads_back_to_its_key() -> None:
    names = {variable(key) for key in known_keys()}
    assert len(names) == len(known_keys())
    assert all(re.fullmatch(r"OLAF_[A-Z]+(_[A-Z]+)*(__[A-Z]+(_[A-Z]+)*)*", name) for name in names)


# ------------------------------------------------------------------------------------------- the example file


def model_fields(model: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    """The model walked by itself, so that the file is held against it and not against its own writer."""
    fields: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            fields |= model_fields(inner, f"{prefix}{name}.")
        else:
            fields[prefix + name] = field
    return fields


def example_keys(text: str) -> list[tuple[str, str, bool]]:
    """Key, the comment line above it, and whether it is commented out; in the order of the file."""
    found, section, above = [], "", ""
    for line in text.splitlines():
        if header := re.fullmatch(r"\[(.+)\]", line):
            section = f"{header[1]}."
        elif entry := re.fullmatch(r"(# )?([a-z_]+) = .+", line):
            found.append((section + entry[2], above, entry[1] is not None))
        above = line
    return found


def test_the_example_file_is_the_one_the_model_writes() -> None:
    # To write it anew: python -c "from olaf_async.settings import *; print(example_toml(), end='')"
    assert EXAMPLE.read_text(encoding="utf-8") == example_toml()


def test_the_example_file_holds_every_key_in_order_with_one_line_of_comment() -> None:
    expected = [
        (key, f"# {field.description}", field.default is None)
        for key, field in model_fields(Settings).items()
    ]
    assert example_keys(EXAMPLE.read_text(encoding="utf-8")) == expected
    assert FIXED.keys() <= {key for key, _, _ in expected}


def test_the_example_file_says_the_defaults_and_loads() -> None:
    loaded = load_settings(EXAMPLE, env={})
    assert loaded.model_dump() == Settings().model_dump()
    unset = {
        key
        for key, field in known_keys().items()
        if loaded.origin(key) == "default" and field.default is not None
    }
    assert unset == set()


def test_the_example_file_loads_with_its_commented_lines_put_in_force() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    for key, _, is_out in example_keys(text):
        if is_out:
            text = text.replace(f"# {key.rpartition('.')[2]} = ", f"{key.rpartition('.')[2]} = ")
    loaded = load_settings(toml(text), env={})
    assert {loaded.origin(key) for key in known_keys()} == {"olaf.toml"}
    assert tomllib.loads(text).keys() == Settings.model_fields.keys()
