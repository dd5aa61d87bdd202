"""Silence alone proves nothing; prices that only the second source shows do, after a while."""

import pytest

from olaf_async.adapters.openalgo.silence import (
    ASK_EVERY_NS,
    FEED_SILENT_NS,
    NS_PER_S,
    PATIENCE_MAX_NS,
    PATIENCE_NS,
    SYMBOL_SILENT_NS,
    Silence,
)

OPEN_NS = 1_795_332_000 * NS_PER_S
CLOSE_NS = OPEN_NS + 6 * 3600 * NS_PER_S
SOON_NS = OPEN_NS + 60 * NS_PER_S


def watch(*symbols: str, at_ns: int = SOON_NS) -> Silence:
    """All subscribed and just heard, at 800.00."""
    silence = Silence(OPEN_NS, CLOSE_NS)
    silence.begin(at_ns)
    silence.subscribed(symbols, at_ns)
    for symbol in symbols:
        silence.shown(symbol, 800_00)
    return silence


def behind_since(silence: Silence, at_ns: int) -> None:
    """The second source shows a price of SBIN that the feed has not."""
    assert silence.compare({"SBIN": 801_00}, at_ns, at_ns) == ("SBIN",)


def test_a_feed_in_which_nobody_is_heard_is_asked_about_as_a_whole() -> None:
    silence = watch("SBIN", "TCS")
    assert silence.to_ask(SOON_NS + FEED_SILENT_NS - 1) == ()
    assert silence.to_ask(SOON_NS + FEED_SILENT_NS) == ("SBIN", "TCS")


def test_among_symbols_that_are_heard_a_quiet_one_gets_longer() -> None:
    silence = watch("SBIN", "TCS")
    silence.heard("TCS", SOON_NS + SYMBOL_SILENT_NS - 1)
    assert silence.to_ask(SOON_NS + SYMBOL_SILENT_NS - 1) == ()
    assert silence.to_ask(SOON_NS + SYMBOL_SILENT_NS) == ("SBIN",)


def test_the_second_source_is_not_asked_too_often() -> None:
    silence = watch("SBIN")
    at_ns = SOON_NS + FEED_SILENT_NS
    assert silence.to_ask(at_ns)
    assert not silence.to_ask(at_ns + ASK_EVERY_NS - 1)
    assert silence.to_ask(at_ns + ASK_EVERY_NS)


def test_symbols_that_the_server_has_not_agreed_to_send_are_not_watched() -> None:
    silence = watch("SBIN")
    silence.begin(SOON_NS)
    assert silence.to_ask(SOON_NS + SYMBOL_SILENT_NS) == ()


@pytest.mark.parametrize(
    ("at_ns", "is_watched"),
    [
        (OPEN_NS - 1, False),
        (OPEN_NS, False),
        (OPEN_NS + FEED_SILENT_NS - 1, False),
        (OPEN_NS + FEED_SILENT_NS, True),
        (CLOSE_NS - 1, True),
        (CLOSE_NS, False),
    ],
)
def test_only_the_silence_of_an_open_exchange_counts(at_ns: int, is_watched: bool) -> None:
    silence = watch("SBIN", at_ns=OPEN_NS - 3600 * NS_PER_S)
    assert bool(silence.to_ask(at_ns)) is is_watched


def test_a_quote_that_agrees_or_is_missing_proves_nothing() -> None:
    silence = watch("SBIN", "TCS")
    assert silence.compare({"SBIN": 800_00, "TCS": None}, SOON_NS, SOON_NS) == ()
    assert not silence.is_lost(SOON_NS + PATIENCE_MAX_NS)


def test_the_first_quote_of_a_symbol_without_prints_is_only_noted() -> None:
    silence = Silence(OPEN_NS, CLOSE_NS)
    silence.begin(SOON_NS)
    silence.subscribed(["SBIN"], SOON_NS)
    assert silence.compare({"SBIN": 800_00}, SOON_NS, SOON_NS) == ()
    assert silence.compare({"SBIN": 801_00}, SOON_NS, SOON_NS) == ("SBIN",)


def test_what_was_heard_after_the_question_makes_its_answer_worthless() -> None:
    silence = watch("SBIN")
    silence.heard("SBIN", SOON_NS + 1)
    assert silence.compare({"SBIN": 801_00}, SOON_NS, SOON_NS + 2) == ()


def test_a_symbol_that_stays_behind_costs_the_line_only_after_the_patience() -> None:
    silence = watch("SBIN")
    behind_since(silence, SOON_NS)
    assert silence.behind == {"SBIN"}
    assert not silence.is_lost(SOON_NS + PATIENCE_NS - 1)
    assert silence.is_lost(SOON_NS + PATIENCE_NS)


def test_a_symbol_behind_is_reported_once() -> None:
    silence = watch("SBIN")
    behind_since(silence, SOON_NS)
    assert silence.compare({"SBIN": 802_00}, SOON_NS, SOON_NS + 1) == ()


def test_a_symbol_heard_again_is_behind_no_more() -> None:
    silence = watch("SBIN", "TCS")
    assert silence.compare({"SBIN": 801_00, "TCS": 801_00}, SOON_NS, SOON_NS) == ("SBIN", "TCS")
    assert not silence.heard("SBIN", SOON_NS + 1)
    assert silence.heard("TCS", SOON_NS + 2)
    assert not silence.heard("TCS", SOON_NS + 3)
    assert not silence.is_lost(SOON_NS + PATIENCE_MAX_NS)


def test_where_new_lines_do_not_help_the_patience_grows_and_is_small_again_once_they_do() -> None:
    silence = watch("SBIN")
    behind_since(silence, SOON_NS)
    at_ns, patience_ns = SOON_NS, PATIENCE_NS
    for _ in range(8):
        assert not silence.is_lost(at_ns + patience_ns - 1)
        at_ns += patience_ns
        assert silence.is_lost(at_ns)
        silence.begin(at_ns)
        patience_ns = min(2 * patience_ns, PATIENCE_MAX_NS)
    assert patience_ns == PATIENCE_MAX_NS
    assert silence.heard("SBIN", at_ns)
    assert silence.compare({"SBIN": 801_00}, at_ns, at_ns) == ("SBIN",)
    assert silence.is_lost(at_ns + PATIENCE_NS)


def test_after_the_close_no_line_is_given_up() -> None:
    silence = watch("SBIN", at_ns=CLOSE_NS - 5 * NS_PER_S)
    behind_since(silence, CLOSE_NS - 1)
    assert not silence.is_lost(CLOSE_NS + PATIENCE_MAX_NS)


def test_the_patience_is_longer_than_the_freeze_of_a_server_that_is_well() -> None:
    assert PATIENCE_NS > 10 * NS_PER_S
