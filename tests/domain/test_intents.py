"""What the core asks for is a value: comparable, and never changed once asked."""

from dataclasses import FrozenInstanceError, replace

import pytest

from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder
from olaf_async.domain.order import PriceType, Role, Side, Terms

TERMS = Terms(10, 98_01, 99_00)
PLACE = PlaceOrder("ABC", 1, "ABC/2-stop", Role.STOP, Side.SELL, PriceType.SL, TERMS)
MODIFY = ModifyOrder("ABC", 2, "ABC/2-stop", Role.STOP, Side.SELL, PriceType.SL, TERMS, "17")
CANCEL = CancelOrder("ABC", 3, "ABC/2-stop", Role.STOP, "17")


@pytest.mark.parametrize("intent", [PLACE, MODIFY, CANCEL])
def test_an_intent_is_equal_to_its_like_and_to_nothing_else(
    intent: PlaceOrder | ModifyOrder | CancelOrder,
) -> None:
    assert intent == replace(intent)
    assert intent != replace(intent, request=9)


@pytest.mark.parametrize("intent", [PLACE, MODIFY, CANCEL])
def test_an_intent_cannot_be_changed_on_its_way_to_the_desk(
    intent: PlaceOrder | ModifyOrder | CancelOrder,
) -> None:
    with pytest.raises(FrozenInstanceError):
        intent.request = 9  # type: ignore[misc]
