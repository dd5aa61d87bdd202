"""Charges of intraday equity trades."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olaf_async.domain.charges import ChargeRates, Charges, ExecutedOrder, charges_of
from olaf_async.domain.price import Paise, to_paise
from olaf_async.errors import ConfigError, InvariantBroken

RATES = ChargeRates()
NOTHING = Fraction(0)
FREE = ChargeRates(
    brokerage=NOTHING,
    brokerage_cap=0,
    transaction_tax=NOTHING,
    exchange=NOTHING,
    investor_protection=NOTHING,
    regulator=NOTHING,
    stamp_duty=NOTHING,
    gst=NOTHING,
)
MILLE = Fraction(1, 1000)
BELOW_ZERO = Fraction(-1, 1000)

orders = st.lists(st.builds(ExecutedOrder, st.booleans(), st.integers(1, 10**12)), max_size=6)


def round_trip(value: str) -> list[ExecutedOrder]:
    return [ExecutedOrder(is_buy, to_paise(value)) for is_buy in (True, False)]


def test_one_lakh_bought_and_sold_costs_82_68() -> None:
    charges = charges_of(RATES, round_trip("100000"))
    assert charges == Charges(
        brokerage=40_00,
        transaction_tax=25_00,
        exchange=6_14,
        investor_protection=0,
        regulator=20,
        stamp_duty=3_00,
        gst=8_34,
    )
    assert charges.total == 82_68


def test_fifty_thousand_bought_and_sold_costs_53_14() -> None:
    charges = charges_of(RATES, round_trip("50000"))
    assert charges == Charges(
        brokerage=30_00,
        transaction_tax=12_50,
        exchange=3_07,
        investor_protection=0,
        regulator=10,
        stamp_duty=1_50,
        gst=5_97,
    )
    assert charges.total == 53_14


def test_no_order_costs_nothing() -> None:
    assert charges_of(RATES, []) == Charges()
    assert Charges().total == 0


@pytest.mark.parametrize(
    ("value", "brokerage"),
    [("66666.66", 20_00), ("66666.67", 20_00), ("66650.01", 20_00), ("66649.99", 19_99), ("10000000", 20_00)],
)
def test_brokerage_is_a_rate_until_the_cap(value: str, brokerage: Paise) -> None:
    assert charges_of(RATES, [ExecutedOrder(is_buy=True, value=to_paise(value))]).brokerage == brokerage


def test_the_cap_binds_each_order_and_not_their_sum() -> None:
    cheap, dear = ExecutedOrder(is_buy=True, value=to_paise("10000")), round_trip("200000")[1]
    assert charges_of(RATES, [cheap, dear]).brokerage == 3_00 + 20_00


def test_tax_falls_on_the_sale_and_stamp_duty_on_the_purchase() -> None:
    bought, sold = (charges_of(RATES, [order]) for order in round_trip("100000"))
    assert (bought.transaction_tax, bought.stamp_duty) == (0, 3_00)
    assert (sold.transaction_tax, sold.stamp_duty) == (25_00, 0)


@pytest.mark.parametrize(
    ("name", "rates", "cost"),
    [
        ("brokerage", replace(FREE, brokerage=MILLE, brokerage_cap=70_00), 140_00),
        ("transaction_tax", replace(FREE, transaction_tax=MILLE), 100_00),
        ("exchange", replace(FREE, exchange=MILLE), 200_00),
        ("investor_protection", replace(FREE, investor_protection=MILLE), 200_00),
        ("regulator", replace(FREE, regulator=MILLE), 200_00),
        ("stamp_duty", replace(FREE, stamp_duty=MILLE), 100_00),
    ],
)
def test_every_rate_can_be_set_alone(name: str, rates: ChargeRates, cost: Paise) -> None:
    charges = charges_of(rates, round_trip("100000"))
    assert charges.total == getattr(charges, name) == cost


def test_gst_is_taken_from_brokerage_exchange_investor_protection_and_regulator() -> None:
    rates = ChargeRates(
        brokerage=Fraction(1, 100),
        brokerage_cap=1000_00,
        transaction_tax=Fraction(1, 10),
        exchange=Fraction(2, 100),
        investor_protection=Fraction(3, 100),
        regulator=Fraction(4, 100),
        stamp_duty=Fraction(1, 10),
        gst=Fraction(1, 2),
    )
    charges = charges_of(rates, [ExecutedOrder(is_buy=True, value=100_00)])
    assert (charges.brokerage, charges.exchange, charges.investor_protection, charges.regulator) == (
        100,
        200,
        300,
        400,
    )
    assert charges.gst == 500
    assert charges.total == 1000 + 500 + 10_00


@pytest.mark.parametrize(("value", "expected"), [(49, 0), (50, 1), (149, 1), (150, 2), (151, 2)])
def test_half_a_paisa_is_rounded_up(value: Paise, expected: Paise) -> None:
    rates = replace(FREE, regulator=Fraction(1, 100))
    assert charges_of(rates, [ExecutedOrder(is_buy=True, value=value)]).regulator == expected


def test_an_item_is_rounded_once_over_all_orders() -> None:
    rates = replace(FREE, regulator=Fraction(1, 100))
    assert charges_of(rates, [ExecutedOrder(is_buy=True, value=40)] * 5).regulator == 2


@given(orders)
def test_the_total_is_within_half_a_paisa_per_item_of_the_exact_amount(executed: list[ExecutedOrder]) -> None:
    bought = sum(order.value for order in executed if order.is_buy)
    sold = sum(order.value for order in executed if not order.is_buy)
    brokerage = sum(min(Fraction(order.value) * 3 / 10_000, Fraction(2000)) for order in executed)
    venue = Fraction(bought + sold) * (30699 + 1 + 1000) / 10**9
    exact = Fraction(sold) / 4000 + Fraction(bought) * 3 / 100_000 + (brokerage + venue) * Fraction(118, 100)
    assert abs(charges_of(RATES, executed).total - exact) <= Fraction(7, 2)


@given(orders)
def test_the_order_of_the_orders_does_not_matter(executed: list[ExecutedOrder]) -> None:
    assert charges_of(RATES, executed) == charges_of(RATES, executed[::-1])


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("brokerage", lambda: ChargeRates(brokerage=BELOW_ZERO)),
        ("brokerage_cap", lambda: ChargeRates(brokerage_cap=-1)),
        ("transaction_tax", lambda: ChargeRates(transaction_tax=BELOW_ZERO)),
        ("exchange", lambda: ChargeRates(exchange=BELOW_ZERO)),
        ("investor_protection", lambda: ChargeRates(investor_protection=BELOW_ZERO)),
        ("regulator", lambda: ChargeRates(regulator=BELOW_ZERO)),
        ("stamp_duty", lambda: ChargeRates(stamp_duty=BELOW_ZERO)),
        ("gst", lambda: ChargeRates(gst=BELOW_ZERO)),
    ],
)
def test_a_rate_below_zero_is_refused_by_name(name: str, build: Callable[[], ChargeRates]) -> None:
    with pytest.raises(ConfigError, match=f"^{name} must not be less than zero"):
        build()


@pytest.mark.parametrize("value", [0, -1])
def test_an_executed_order_without_value_is_our_own_mistake(value: Paise) -> None:
    with pytest.raises(InvariantBroken, match="executed order"):
        ExecutedOrder(is_buy=True, value=value)
