"""What a run leaves behind: charges, sums, and the join of the engine's orders with the exchange's."""

from dataclasses import replace
from fractions import Fraction

from olaf_async.adapters.paper.exchange import PaperExchange, PaperRules
from olaf_async.domain.charges import ChargeRates, ExecutedOrder
from olaf_async.domain.intents import Say, Severity
from olaf_async.domain.order import Order, OrderState, PriceType, Role, Side, Terms
from olaf_async.domain.setup import Direction
from olaf_async.domain.trade import ExitReason, Trade
from olaf_async.research.results import (
    DayResult,
    LeftOut,
    OpenPosition,
    OrderChange,
    RunResult,
    TradeRecord,
    order_changes,
    record_of,
)
from tests.made_market import MONDAY, TUESDAY, setup_of

FREE = ChargeRates(*(Fraction(0),) * 8)  # type: ignore[arg-type]  # the cap of nothing is nothing
SHORT_TRADE = Trade(
    symbol="ALPHA",
    day=MONDAY,
    attempt=1,
    direction=Direction.SHORT,
    quantity=10,
    entry_ns=1,
    entry_value=100_000,
    exit_ns=2,
    exit_value=99_000,
    reason=ExitReason.TARGET,
    initial_stop=10_100,
    final_stop=10_050,
    unprotected_ns=0,
    executed=(ExecutedOrder(is_buy=False, value=100_000), ExecutedOrder(is_buy=True, value=99_000)),
)


def day_with(*trades: TradeRecord, **more: object) -> DayResult:
    plain = DayResult(
        MONDAY, (setup_of(),), trades, (), (), (), ticks=7, triggers=2, entries=1, rows_dropped=3, until_ns=0
    )
    return replace(plain, **more)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------ sums


def test_a_trade_nets_its_gross_profit_less_the_charges_of_its_executed_orders() -> None:
    rates = replace(FREE, transaction_tax=Fraction(1, 100), stamp_duty=Fraction(1, 1000))
    record = record_of(SHORT_TRADE, rates)
    assert (record.gross, record.charges, record.net) == (1_000, 1_000 + 99, -99)


def test_without_rates_a_trade_costs_nothing() -> None:
    assert record_of(SHORT_TRADE, None) == TradeRecord(SHORT_TRADE, 0)


def test_a_run_sums_its_days_and_counts_left_out_setups_as_asked_for() -> None:
    position = OpenPosition("BETA", Direction.LONG, 1, 1, 20_000, 19_000, None, -1_000)
    alarm = (5, Say("BETA", Severity.ALARM, "exit_stuck", "still held"))
    note = (6, Say("BETA", Severity.NOTE, "trigger_denied", "not acted on"))
    result = RunResult(
        days=(
            day_with(TradeRecord(SHORT_TRADE, 30)),
            day_with(
                TradeRecord(SHORT_TRADE, 12),
                day=TUESDAY,
                setups=(setup_of(day=TUESDAY), setup_of("BETA", TUESDAY)),
                unclosed=(position,),
                says=(alarm, note),
            ),
        ),
        left_out=(LeftOut(setup_of("GAMMA"), "there are no prices of that day"),),
        elapsed_ns=7_000_000,
    )
    assert (result.setups, result.symbols) == (4, ("ALPHA", "BETA"))
    assert (result.ticks, result.triggers, result.entries, result.rows_dropped) == (14, 4, 2, 6)
    assert (result.gross, result.charges, result.net) == (2_000, 42, 1_958)
    assert (len(result.trades), result.unclosed, result.alarms) == (2, (position,), 1)
    assert result.ticks_per_s == 2_000


def test_a_run_of_nothing_is_all_zeros() -> None:
    empty = RunResult(())
    assert (empty.setups, empty.symbols, empty.ticks, empty.gross, empty.net) == (0, (), 0, 0, 0)
    assert (empty.trades, empty.orders, empty.ticks_per_s) == ((), (), 0)


# ---------------------------------------------------------------------------------------------------- orders


def order(key: str, role: Role, side: Side, order_id: str | None, sent_ns: int | None = 1) -> Order:
    made = Order(key, "ALPHA", role, side, PriceType.SL, Terms(10, 10_030, 10_000))
    made.order_id, made.sent_ns = order_id, sent_ns
    return made


def exchange_with_a_jumped_stop() -> tuple[PaperExchange, str]:
    """A stop modified, triggered beyond its limit, re-priced and filled in the middle of a bar."""
    exchange = PaperExchange(PaperRules(), {"ALPHA": 5})
    exchange.on_print("ALPHA", 10_100, 1)
    order_id = exchange.place("ALPHA", Side.SELL, PriceType.SL, Terms(10, 9_900, 10_000), 2)
    exchange.modify(order_id, Terms(10, 9_950, 10_050), 3)
    exchange.on_print("ALPHA", 9_900, 4)
    exchange.modify(order_id, Terms(10, 9_930, 10_050), 5)
    exchange.on_print("ALPHA", 9_940, 6, continuous=True)
    return exchange, order_id


def joined(exchange: PaperExchange, *orders: Order, way_ns: int = 0) -> tuple[OrderChange, ...]:
    return order_changes(MONDAY, exchange.history, exchange.records(), orders, way_ns)


def test_each_change_carries_the_engines_name_and_role_and_the_exchanges_numbers() -> None:
    exchange, order_id = exchange_with_a_jumped_stop()
    changes = joined(exchange, order("ALPHA/2-stop", Role.STOP, Side.SELL, order_id))
    assert {(each.key, each.role, each.side, each.price_type) for each in changes} == {
        ("ALPHA/2-stop", Role.STOP, Side.SELL, PriceType.SL)
    }
    assert [(each.at_ns, each.change, each.limit, each.trigger, each.filled) for each in changes] == [
        (2, "placed", 9_900, 10_000, 0),
        (3, "modified", 9_950, 10_050, 0),
        (4, "triggered", 9_950, 10_050, 0),
        (5, "modified", 9_930, 10_050, 0),
        (6, "filled", 9_930, 10_050, 10),
    ]


def test_a_fill_shows_its_own_price_beside_the_limit_it_was_under_and_whether_it_lies_inside_a_bar() -> None:
    exchange, order_id = exchange_with_a_jumped_stop()
    changes = joined(exchange, order("ALPHA/2-stop", Role.STOP, Side.SELL, order_id))
    assert [each.fill_price for each in changes] == [None, None, None, None, 9_930]
    assert [each.is_intrabar for each in changes] == [False, False, False, False, True]


def test_a_refused_order_has_a_line_of_when_it_was_refused_and_one_held_back_has_none() -> None:
    exchange, order_id = exchange_with_a_jumped_stop()
    refused = order("ALPHA/1-entry", Role.ENTRY, Side.BUY, None, sent_ns=3)
    refused.state = OrderState.REJECTED
    held_back = order("ALPHA/3-entry", Role.ENTRY, Side.BUY, None, sent_ns=None)
    held_back.state = OrderState.REJECTED
    under_way = order("ALPHA/4-entry", Role.ENTRY, Side.BUY, None, sent_ns=3)
    stop = order("ALPHA/2-stop", Role.STOP, Side.SELL, order_id)
    changes = joined(exchange, refused, held_back, under_way, stop, way_ns=1)
    assert [(each.at_ns, each.key, each.change) for each in changes if each.key != stop.key] == [
        (4, "ALPHA/1-entry", "refused")
    ]
    assert [each.at_ns for each in changes] == [2, 3, 4, 4, 5, 6]


def test_an_order_whose_id_the_engine_never_learnt_is_still_told_without_its_name() -> None:
    exchange, _ = exchange_with_a_jumped_stop()
    assert {(each.key, each.role, each.symbol) for each in joined(exchange)} == {("", None, "ALPHA")}
