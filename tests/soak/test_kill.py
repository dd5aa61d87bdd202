"""A few of the kills of ``make soak-kill``, on one short day."""

from pathlib import Path

from tests.soak.kill import ATTEMPTS, SHARES, Books, Tally, campaign

ORDER = {"action": "BUY", "orderid": "1", "order_status": "open", "pricetype": "SL", "quantity": SHARES}
TRADE = {"action": "BUY", "orderid": "1", "quantity": 4}


async def test_an_engine_killed_five_times_and_started_again_trades_on_as_if_it_had_lived(
    tmp_path: Path,
) -> None:
    tally = Tally()
    await campaign(tally, 5, 11, tmp_path, trading_s=10, days=1)
    assert tally.faults == [], tally.text()
    assert tally.kills.total() > 0
    assert tally.replayed > 0


def test_books_are_one_account_in_a_phase_of_its_life() -> None:
    stop = {**ORDER, "action": "SELL", "orderid": "2"}
    exit_ = {**stop, "pricetype": "LIMIT", "orderid": "3"}
    rest = {**TRADE, "quantity": SHARES - 4}
    assert Books.of([], []).phase == "flat"
    assert Books.of([ORDER], []).phase == "entering"
    assert Books.of([stop, ORDER], [TRADE]).phase == "entering"
    ended = {**ORDER, "order_status": "complete"}
    assert Books.of([stop, ended], [rest, TRADE]).phase == "held"
    assert Books.of([exit_, ended], [rest, TRADE]).phase == "exiting"


def test_books_that_must_not_be_are_told() -> None:
    again = {**ORDER, "orderid": "2"}
    assert "double position: 4 held, 16 more to be bought" in Books.of([again, ORDER], [TRADE]).faults()
    sold = {**TRADE, "action": "SELL", "quantity": 5, "orderid": "3"}
    assert "over-sell: the account has held -1" in Books.of([ORDER], [sold, TRADE]).faults()
    stop = {**ORDER, "action": "SELL", "orderid": "3"}
    assert "over-sell: 4 held, 10 to be sold" in Books.of([stop, ORDER], [TRADE]).faults()
    filled = [{**ORDER, "orderid": str(number)} for number in range(ATTEMPTS + 1)]
    bought = [{**TRADE, "orderid": str(number), "quantity": 1} for number in range(ATTEMPTS + 1)]
    assert "attempts: 4 entries were filled, 3 are allowed" in Books.of(filled, bought).faults()
