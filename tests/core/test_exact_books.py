"""The exact second and share at which the books say what is held.

As in `test_exact_edges.py`: each was found by changing one sign of the core (`make mutate`).
"""

from dataclasses import replace

from olaf_async.domain.events import Command
from olaf_async.domain.order import Order, OrderState, Side, Terms
from tests.core.bench import ENTRY, RULES, Bench, where

ONE_SHARE = replace(RULES, quantity=1)


# --- the first read of a run ----------------------------------------------------------------------------


def bought_like_ours(bench: Bench, quantity: int, order_id: str = "7") -> None:
    """The broker has an entry as we would send it, filled, of which the journal knows nothing."""
    row = bench.ledger.orders[bench.stranger(Side.BUY, quantity, tells=False)]
    del bench.ledger.orders[row.order_id]
    trade = bench.ledger.trades.pop()
    bench.ledger.trades.append(replace(trade, order_id=order_id))
    bench.ledger.orders[order_id] = replace(row, order_id=order_id, price=ENTRY + 50, trigger=ENTRY)


def test_a_book_that_shows_no_more_entries_than_the_journal_is_no_news() -> None:
    bench = Bench()
    bench.hold()
    bench.begin_again()
    bench.read_while_due()
    assert "attempts_found" not in bench.said


def test_an_entry_that_only_the_tradebook_knows_to_have_filled_was_an_attempt() -> None:
    bench = Bench()
    bought_like_ours(bench, 10)
    bench.ledger.orders["7"] = replace(bench.ledger.orders["7"], filled=None, average=0)
    bench.begin_again()
    bench.read_while_due()
    assert bench.state.attempts == 1


def test_shares_that_are_held_by_the_journal_are_not_those_of_an_entry_that_it_does_not_know() -> None:
    bench = Bench()
    bench.hold()
    bought_like_ours(bench, 10)
    bench.stranger(Side.SELL, 10, tells=False)
    bench.begin_again()
    bench.read_while_due()
    assert (bench.state.attempts, bench.frozen()) == (2, None)


def test_one_share_of_an_entry_that_the_journal_does_not_know_calls_a_person() -> None:
    bench = Bench(rules=ONE_SHARE)
    bought_like_ours(bench, 1)
    bench.begin_again()
    bench.read_while_due()
    assert "1 shares are held of an entry like ours" in (bench.frozen() or "")


# --- shares that no fill explains -----------------------------------------------------------------------


def seen(bench: Bench, quantity: int) -> None:
    """The position book shows shares that no trade explains yet."""
    bench.ledger.positions["ABC"] = quantity
    bench.books()


def test_of_the_shares_seen_those_of_another_hand_are_not_the_entrys() -> None:
    bench = Bench()
    bench.rest()
    bench.stranger(Side.BUY, 5)
    seen(bench, 9)
    assert bench.state.exposure == 4


def test_of_the_shares_seen_those_that_have_filled_are_counted_once() -> None:
    bench = Bench()
    bench.fill(bench.rest(), 4)
    bench.settle()
    seen(bench, 7)
    assert bench.state.exposure == 7


def test_the_shares_of_a_second_entry_are_seen_though_the_first_is_in_the_books_as_complete() -> None:
    bench = Bench()
    bench.hold_and_stop_out()
    bench.rest()
    seen(bench, 10)
    assert bench.state.exposure == 10
    assert bench.took()[-1] == "place stop"


def test_shares_are_seen_though_the_entry_itself_is_not_in_the_book() -> None:
    bench = Bench()
    bench.rest()
    bench.ledger.orders.clear()
    seen(bench, 10)
    assert bench.state.exposure == 10


def test_a_read_that_lacks_an_order_that_has_sold_one_share_shows_no_shares_of_the_next_entry() -> None:
    bench = Bench(rules=ONE_SHARE)
    bench.fill(bench.rest())
    older = bench.ask()
    bench.settle()
    bench.fill(bench.stop)
    bench.settle()
    bench.rest()
    bench.tell(replace(older, at_ns=bench.later(), asked_ns=bench.now_ns, asked_seq=bench.engine.seq))
    assert bench.state.provisional == 0


# --- shares that others have closed ---------------------------------------------------------------------


def test_of_several_hands_each_takes_what_it_has_sold_and_at_its_price() -> None:
    """The buyer among them none, the seller of seven no more than seven."""
    bench = Bench()
    entry = bench.rest()
    bench.stranger(Side.BUY, 3, 101_00, tells=False)
    bench.fill(entry, 4)
    bench.settle()
    bench.stranger(Side.SELL, 7, 98_00)
    bench.books()
    assert bench.state.position.taken == 4
    bench.fill(entry, 6, tells=False)
    bench.stranger(Side.SELL, 6, 97_00)
    bench.settle()
    assert bench.state.held == 0
    (trade,) = bench.trades
    assert trade.exit_value == 7 * 98_00 + 3 * 97_00


def test_what_the_account_lacks_was_not_sold_by_a_hand_that_sold_its_own() -> None:
    bench = Bench()
    bench.hold()
    bench.stranger(Side.BUY, 4)
    bench.stranger(Side.SELL, 4)
    bench.settle()
    bench.ledger.trades[0] = replace(bench.ledger.trades[0], quantity=7)
    bench.ledger.positions["ABC"] = 7
    bench.books()
    assert bench.state.position.taken == 0
    assert bench.state.held == 10


def test_a_book_that_lacks_the_sale_of_one_hand_takes_nothing_by_another() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.stranger(Side.BUY, 4)
    bench.stranger(Side.SELL, 4)
    bench.stranger(Side.SELL, 6)
    bench.ledger.trades.pop()
    bench.ledger.positions["ABC"] = 0
    bench.fill(entry, 6, tells=False)
    bench.books()
    assert (bench.state.held, bench.state.account_net) == (6, 6)
    assert bench.state.position.taken == 0


def test_of_what_others_have_done_in_one_read_what_opened_comes_first() -> None:
    """Found by the simulator: the other way round shares that the account still held lost their stop."""
    bench = Bench()
    stop = bench.hold()
    seller = bench.stranger(Side.SELL, 6)
    bench.settle()
    assert (bench.state.held, stop.terms.quantity) == (4, 4)
    row = bench.ledger.orders[seller]
    bench.ledger.orders[seller] = replace(row, quantity=10)
    bench.stranger(Side.BUY, 4, tells=False)
    bench.ledger.execute(seller, 4, ENTRY)
    bench.take()
    bench.books()
    assert (bench.state.account_net, bench.state.held) == (4, 4)
    assert bench.took() == []


def test_one_share_that_another_hand_has_sold_is_taken_once_a_read_explains_it() -> None:
    bench = Bench()
    entry = bench.rest()
    bench.fill(entry, 9)
    bench.settle()
    bench.fill(entry, 1, tells=False)
    bench.stranger(Side.SELL, 10)
    bench.settle()
    assert bench.state.held == 0
    assert bench.frozen() is None


# --- fewer than we hold, and less than nothing ----------------------------------------------------------


def test_what_an_unsettled_order_may_have_sold_is_no_shortfall_however_long_it_lasts() -> None:
    bench = Bench()
    stop = bench.raising()
    bench.lose(stop)
    bench.show("2", Terms(10, 98_70, 99_65))
    bench.ledger.trades.clear()
    bench.ledger.positions["ABC"] = 0
    bench.take()
    bench.read_apart(4)
    assert where(stop) is OrderState.MODIFY_UNDECIDED
    assert (bench.state.ceiling, bench.frozen()) == (None, None)


def test_a_short_of_others_is_no_shortfall_of_ours_while_we_hold_nothing() -> None:
    bench = Bench()
    bench.stranger(Side.SELL, 5)
    bench.read_apart(4)
    assert bench.frozen() is None


def test_a_single_share_that_the_account_lacks_is_missed() -> None:
    bench = Bench(rules=ONE_SHARE)
    bench.hold(1)
    bench.ledger.trades.clear()
    bench.ledger.positions["ABC"] = 0
    bench.read_apart(2)
    assert "the account holds 0 shares where our fills add up to 1" in (bench.frozen() or "")


def out_by_an_exit(bench: Bench) -> Order:
    """The way out is over, by an exit; the stop that was proved cancelled is told of."""
    stop = bench.hold()
    bench.command(Command.FLATTEN)
    bench.end(stop)
    bench.price(100_00)
    bench.books()
    bench.accept(bench.exit)
    bench.fill(bench.exit)
    bench.settle()
    bench.take()
    return stop


def confirmed_by(bench: Bench) -> int:
    """How many reads from now on it takes until what was sold too much is bought back."""
    for count in range(1, 5):
        bench.books()
        bench.wait(1)
        bench.price(100_00)
        if bench.took() == ["place exit"]:
            return count
    raise AssertionError("it is never bought back")


def test_a_short_is_confirmed_by_two_reads_and_one_that_shows_none_begins_anew() -> None:
    bench = Bench()
    stop = out_by_an_exit(bench)
    bench.stranger(Side.BUY, 4)
    bench.fill(stop, 4)
    bench.books()
    bench.stranger(Side.SELL, 4)
    assert confirmed_by(bench) == 2


def test_a_short_of_others_confirms_no_short_of_ours() -> None:
    bench = Bench()
    stop = out_by_an_exit(bench)
    bench.stranger(Side.SELL, 5)
    bench.read_apart(3)
    bench.fill(stop, 4, tells=False)
    assert confirmed_by(bench) == 2


def test_an_account_that_holds_nothing_confirms_no_short() -> None:
    bench = Bench()
    stop = out_by_an_exit(bench)
    bench.stranger(Side.BUY, 4)
    bench.fill(stop, 4, tells=False)
    bench.read_apart(3)
    assert (bench.state.held, bench.state.account_net) == (-4, 0)
    bench.stranger(Side.SELL, 4)
    assert confirmed_by(bench) == 2


def test_of_more_that_another_hand_has_traded_only_what_is_new_is_told() -> None:
    bench = Bench()
    row = bench.ledger.orders[bench.stranger(Side.BUY, 2)]
    bench.frame_of(replace(row, filled=5, quantity=5))
    assert "+3 shares by another hand" in bench.says[-1].text


def test_a_late_value_of_the_trade_before_changes_nothing_of_what_is_held() -> None:
    bench = Bench()
    bench.hold_and_stop_out()
    bench.hold()
    assert bench.state.held == 10
    before = bench.engine.account.realised
    bench.ledger.trades[0] = replace(bench.ledger.trades[0], price=ENTRY + 1)
    bench.books()
    assert bench.engine.account.realised == before - 10
    assert bench.state.position.entry_value == 10 * ENTRY
