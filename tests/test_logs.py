"""What is logged, how it reads, and that no secret gets through."""

import io
import json
import logging
import os
import re
import sys
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from time import process_time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loguru import logger
from pydantic import SecretStr

from olaf_async.errors import ConfigError
from olaf_async.logs import REDACTED, Redactor, configure_logging

KEY = "k€y/9+f4 \"quoted' back\\slash"
INDIA = ZoneInfo("Asia/Kolkata")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _leave_logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    logger.remove()
    root.handlers[:] = handlers
    root.setLevel(level)


@dataclass(frozen=True)
class Login:
    user: str
    code: str


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError(KEY)


def fail(error: Exception, cause: Exception | None = None) -> None:
    raise error from cause


def records(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


# ----------------------------------------------------------------------------------------------- how it reads


def test_a_person_reads_time_level_symbol_message_and_what_was_bound(out: io.StringIO) -> None:
    configure_logging("INFO", stream=out, timezone=INDIA)
    before = datetime.now(INDIA)
    logger.bind(symbol="M&M", price=Decimal("511.95"), reason="price through it").info("entry {}", "placed")
    clock, rest = out.getvalue().split(" ", 1)
    assert rest == 'INFO     M&M          entry placed  price=511.95 reason="price through it"\n'
    shown = datetime.strptime(f"{before:%Y-%m-%d} {clock}+0530", "%Y-%m-%d %H:%M:%S.%f%z")
    assert abs((shown - before).total_seconds()) % 86_400 < 60


def test_a_record_without_a_symbol_keeps_the_columns(out: io.StringIO) -> None:
    configure_logging("INFO", stream=out)
    logger.warning("books are late")
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} WARNING               books are late\n", out.getvalue())


def test_records_below_the_level_are_left_out(out: io.StringIO, tmp_path: Path) -> None:
    configure_logging("WARNING", tmp_path / "log", stream=out)
    logger.info("calm")
    logger.error("not calm")
    assert "not calm" in out.getvalue()
    assert len(out.getvalue().splitlines()) == len(records(tmp_path / "log")) == 1


def test_one_record_is_one_line_whatever_the_text_holds(out: io.StringIO, tmp_path: Path) -> None:
    configure_logging("INFO", tmp_path / "log", stream=out)
    logger.bind(answer="a\nb\u2028c", **{"k\n": 1}).info("ends\r\n\x1b[2J\x85here {braces}")
    assert out.getvalue().endswith(r'ends\r\n\x1b[2J\x85here {braces}  answer="a\nb\u2028c" k\n=1' + "\n")
    assert out.getvalue().count("\n") == 1
    assert len(records(tmp_path / "log")) == 1


def test_a_traceback_follows_its_line_with_causes_and_groups(out: io.StringIO) -> None:
    configure_logging("INFO", stream=out)
    try:
        several = ExceptionGroup("several", [ValueError("one\x1b[2J"), OSError("two")])
        fail(several, KeyError("first"))
    except ExceptionGroup:
        logger.exception("the task died")
    text = out.getvalue()
    assert text.split("\n")[0].endswith("the task died")
    for part in ("KeyError: 'first'", "ValueError: one\\x1b[2J", "OSError: two", "direct cause"):
        assert part in text


def test_colour_is_for_terminals() -> None:
    for stream, is_coloured in ((Terminal(), True), (io.StringIO(), False)):
        configure_logging("INFO", stream=stream)
        logger.error("red")
        logger.log("INFO", "plain")
        assert ("\x1b[31mERROR   \x1b[0m" in stream.getvalue()) is is_coloured
        assert ("\x1b[0mINFO" in stream.getvalue()) is is_coloured


def test_standard_error_is_where_it_goes_unless_told(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    logger.info("here")
    assert capsys.readouterr().err.endswith("here\n")


def test_a_terminal_that_knows_only_ascii_gets_escapes() -> None:
    raw = io.BytesIO()
    configure_logging("INFO", stream=io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    logger.info("₹500")
    assert raw.getvalue().endswith(b"\\u20b9500\n")


def test_a_reader_that_went_away_stops_nobody(tmp_path: Path) -> None:
    closed = io.StringIO()
    configure_logging("INFO", tmp_path / "log", stream=closed)
    closed.close()
    logger.info("still told")
    assert records(tmp_path / "log")[0]["message"] == "still told"


# ------------------------------------------------------------------------------------------------- JSON lines


def test_a_program_reads_one_object_a_line(out: io.StringIO, tmp_path: Path) -> None:
    configure_logging("INFO", tmp_path / "new" / "log", stream=out, timezone=INDIA)
    logger.bind(symbol="M&M", price=51195, ratio=0.5, is_live=False, nothing=None).info("₹ {}", 5)
    try:
        fail(ValueError("why"))
    except ValueError:
        logger.exception("failed")
    first, second = records(tmp_path / "new" / "log")
    at = datetime.fromisoformat(str(first.pop("time")))
    assert at.utcoffset() == INDIA.utcoffset(at)
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    assert isinstance(first.pop("line"), int)
    assert first == {
        "level": "INFO",
        "message": "₹ 5",
        "module": __name__,
        "extra": {"symbol": "M&M", "price": 51195, "ratio": 0.5, "is_live": False, "nothing": None},
    }
    assert str(second["exception"]).endswith("ValueError: why")


def test_the_file_is_added_to_and_closed_when_logging_is_set_up_anew(
    out: io.StringIO, tmp_path: Path
) -> None:
    for text in ("one", "two"):
        configure_logging("INFO", tmp_path / "log", stream=out)
        logger.info(text)
    configure_logging("INFO", stream=out)
    logger.info("three")
    assert [record["message"] for record in records(tmp_path / "log")] == ["one", "two"]
    assert len(out.getvalue().splitlines()) == 3


def test_half_a_character_is_escaped(out: io.StringIO, tmp_path: Path) -> None:
    configure_logging("INFO", tmp_path / "log", stream=out)
    logger.info("\udc80")
    assert records(tmp_path / "log")[0]["message"] == "\udc80"


def test_a_file_that_cannot_be_opened_is_an_error_of_settings_and_changes_nothing(
    out: io.StringIO, tmp_path: Path
) -> None:
    configure_logging("INFO", stream=out)
    with pytest.raises(ConfigError, match=r"cannot be written \(Is a directory\); set log\.file"):
        configure_logging("INFO", tmp_path)
    logger.info("as before")
    assert "as before" in out.getvalue()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk_is_told_once_and_stops_nobody(out: io.StringIO) -> None:
    configure_logging("INFO", Path("/dev/full"), stream=out)
    for text in ("one", "two"):
        logger.info(text)
    lines = [
        line.split()[-1] if "cannot be written" not in line else "told"
        for line in out.getvalue().splitlines()
    ]
    assert lines == ["one", "told", "two"]


def test_after_an_outage_the_next_record_begins_a_line_of_its_own(
    out: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"

    class Disk:
        """A file whose second write stops half-way."""

        def __init__(self) -> None:
            self.count = 0

        def write(self, data: bytes) -> int:
            self.count += 1
            with real_open(path, "ab") as file:
                file.write(data[:20] if self.count == 2 else data)
            if self.count == 2:
                raise OSError(28, "No space left on device")
            return len(data)

        def close(self) -> None:
            pass

    real_open = Path.open
    monkeypatch.setattr(Path, "open", lambda *_args, **_options: Disk())
    configure_logging("INFO", path, stream=out)
    monkeypatch.undo()
    for text in ("one", "two", "three", "four"):
        logger.info(text)
    whole = [line for line in path.read_text().splitlines() if line.endswith("}")]
    assert [json.loads(line)["message"] for line in whole] == ["one", "three", "four"]


# --------------------------------------------------------------------------------------- the standard library


def test_records_of_libraries_join_in_with_their_own_place(out: io.StringIO, tmp_path: Path) -> None:
    configure_logging("DEBUG", tmp_path / "log", [KEY], out)
    library = logging.getLogger("aiohttp.client")
    library.debug("every frame")
    library.info("{braces} %s", KEY)
    library.log(35, "between")
    try:
        fail(OSError(KEY))
    except OSError:
        library.exception("lost")
    first, between, lost = records(tmp_path / "log")
    assert (first["message"], first["module"], first["level"]) == (
        f"{{braces}} {REDACTED}",
        "aiohttp.client",
        "INFO",
    )
    assert between["level"] == "Level 35"
    assert str(lost["exception"]).endswith(f"OSError: {REDACTED}")
    assert "every frame" not in out.getvalue()


def test_a_library_record_without_an_exception_after_all_has_no_traceback(
    out: io.StringIO, tmp_path: Path
) -> None:
    configure_logging("INFO", tmp_path / "log", stream=out)
    logging.getLogger("lib").error("none was active", exc_info=(None, None, None))
    assert "exception" not in records(tmp_path / "log")[0]


def test_a_library_record_whose_arguments_do_not_fit_is_told_unformatted(out: io.StringIO) -> None:
    configure_logging("INFO", secrets=[KEY], stream=out)
    wrong = ("%d and %s", KEY)
    logging.getLogger("lib").warning(*wrong)
    assert f"%d and %s ('{REDACTED}',)" in out.getvalue()


# ---------------------------------------------------------------------------------------------------- secrets


def forms_of(secret: str) -> list[str]:
    return [
        secret,
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        urllib.parse.urlencode({"a": secret}),
        json.dumps(json.dumps({"a": secret})),
        repr(secret),
        repr({"a": json.dumps(secret)}),
        repr(secret.encode()),
    ]


@pytest.mark.parametrize("form", forms_of(KEY))
def test_a_secret_is_found_in_every_dress(form: str) -> None:
    shown = Redactor([KEY]).text(f"GET {form} done")
    assert "9+f4" not in shown
    assert "f4" not in shown
    assert shown.startswith("GET ")
    assert shown.endswith(" done")


def test_a_secret_appears_nowhere_however_it_is_logged(out: io.StringIO, tmp_path: Path) -> None:
    configure_logging("TRACE", tmp_path / "log", ["", KEY, "123456789"], out)
    nested = {"a": [{"b": (KEY, {KEY: 1}, {KEY}, frozenset({KEY}))}], "deep": [[[[[[[[[[KEY]]]]]]]]]]}
    logger.bind(nested=nested, login=Login("me", KEY), raw=KEY.encode(), symbol=KEY).info("sent {}", KEY)
    logger.bind(number=123456789, exact=Decimal(123456789), path=Path(f"/{KEY}"), error=ValueError(KEY)).info(
        "x"
    )
    logger.bind(shown=SecretStr("other"), **{KEY: 1}).info("y")
    logger.bind(broken=Broken()).info("z")
    try:
        key = KEY
        fail(ValueError(f"cannot log in with {key!r}"), KeyError(key))
    except ValueError:
        logger.exception("failed for {}", KEY)
    whole = out.getvalue() + (tmp_path / "log").read_text(encoding="utf-8")
    assert REDACTED in whole
    assert "Broken" in whole
    assert not [trace for trace in (*forms_of(KEY), "9+f4", "9%2Bf4", "123456789", "other") if trace in whole]


def test_variables_are_never_part_of_a_traceback(out: io.StringIO) -> None:
    configure_logging("INFO", stream=out)
    held = " ".join("unknown")
    try:
        fail(ValueError(len(held)))
    except ValueError:
        logger.exception("failed")
    assert "fail(ValueError(len(held)))" in out.getvalue()
    assert held not in out.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "POST /x?apikey=zq81 HTTP/1.1",
        "{'apikey': 'zq81'}",
        '{"api_key":"zq81","symbol":"TCS"}',
        '{"apikey": "zq81 zq81"}',
        r'"{\"apikey\": \"zq81\"}"',
        "x-api-key: zq81",
        "OLAF_BROKER__API_KEY=zq81",
        "api_secret = zq81",
        "password=zq81&user=me",
        "Authorization: Bearer zq81",
        "Login(api_key='zq81')",
        "http://127.0.0.1:8787/?token=zq81",
        "wss://feed/?a=b&access_token=zq81",
    ],
)
def test_what_is_named_like_a_secret_is_redacted_without_being_known(text: str) -> None:
    shown = Redactor([]).text(text)
    assert "zq81" not in shown
    assert REDACTED in shown


@pytest.mark.parametrize(
    "text",
    [
        "the api key is wrong",
        "token=2885 of RELIANCE",
        "price=511.95 quantity=10",
        '{"symbol":"KEYSTONE","ltp":5}',
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert Redactor([KEY]).text(text) == text


def test_a_value_under_a_secret_name_is_redacted_whole() -> None:
    held = {"api_key": ["a", "b"], "headers": {"Authorization": "Bearer a"}, "symbol": "TCS"}
    assert Redactor([]).value(held) == {
        "api_key": REDACTED,
        "headers": {"Authorization": REDACTED},
        "symbol": "TCS",
    }


def test_a_long_text_of_near_misses_costs_no_more_than_its_length() -> None:
    redactor = Redactor([KEY, "a\"'b\\c"])
    started_s = process_time()
    for part in ("apikey", "api_key_", "?token=", 'apikey\\\\"', "\\", 'a"'):
        assert redactor.text(part * 20_000)
    assert process_time() - started_s < 10  # 0.1 s as it is; a minute if one repetition were unbounded


def test_the_longer_of_two_secrets_goes_first() -> None:
    assert Redactor(["abc", "abcdef"]).text("abcdef") == REDACTED


class Colour(Enum):
    RED = "r"


class Side(IntEnum):
    LONG = 1


def test_values_become_what_json_can_hold() -> None:
    loop: list[object] = [1]
    loop.append(loop)
    redact = Redactor([]).value
    assert redact({1: {True, None}, "e": [Colour.RED, Side.LONG], "d": date(2026, 1, 2)}) == {
        "1": [None, True],
        "e": ["RED", "LONG"],
        "d": "2026-01-02",
    }
    assert redact([Decimal("1E-7"), float("nan"), Path("a"), 1.5]) == ["1E-7", "nan", "a", 1.5]
    assert isinstance(redact(10**5000), str)
    assert "[...]" in json.dumps(redact(loop))


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.decimals()
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(anything, st.text())
def test_any_value_gives_one_line_of_json_and_one_for_people(value: object, text: str) -> None:
    stream = io.StringIO()
    path = Path(os.devnull)
    configure_logging("INFO", path, ["secret"], stream)
    logger.bind(value=value).info(text)
    assert len(stream.getvalue().splitlines()) == 1
    json.loads(json.dumps(Redactor(["secret"]).value({"value": value}), allow_nan=False))


@settings(max_examples=150, deadline=None)
@given(st.text("ab\"'\\ /%€\n", min_size=3, max_size=12), st.text(max_size=5), st.text(max_size=5))
def test_no_secret_survives_in_any_text_around_it(secret: str, before: str, after: str) -> None:
    redactor = Redactor([secret])
    shown = redactor.text(before + secret + after)
    assert secret not in shown.replace(REDACTED, "\0")
    assert redactor.value({"x": [before + secret + after], secret: (secret,)}) == {
        "x": [shown],
        REDACTED: [REDACTED],
    }


def test_the_configuration_is_the_only_one_left() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure_logging("INFO", stream=first)
    configure_logging("INFO", stream=second)
    logger.info("once")
    logging.getLogger("lib").warning("twice")
    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 2
    assert sys.stderr is not second
