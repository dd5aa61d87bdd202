"""What the paper exchange says no to, and in which words.

Owns every check of a request before anything changes. It must never change anything itself. Where OpenAlgo's
sandbox has words for a refusal they are its own, recorded from a real server (2.0.2.1); the checks that only
an exchange makes have words of ours.
"""

from olaf_async.adapters.paper.orders import LIMITED, STOPS, PaperOrder
from olaf_async.domain.order import PriceType, Side, Terms
from olaf_async.domain.price import Paise, is_on_tick, to_text
from olaf_async.errors import BrokerRejected

STOP_RANGE_PCT = 3
CHEAP_TRIGGER: Paise = 50_00
CHEAP_STOP_RANGE: Paise = 1_50
_MIS_FROM_S = 9 * 3600


def refuse_malformed(price_type: PriceType, terms: Terms, product: str) -> None:
    """Check what the request schema and the sandbox check of the fields alone.

    Raises:
        BrokerRejected: a quantity not above zero, a negative price, a product NSE equity does not have, or a
            missing price that the price type needs.
    """
    _refuse_numbers(terms)
    if product not in {"MIS", "CNC", "NRML"}:
        raise BrokerRejected("{'product': ['Must be one of: MIS, NRML, CNC.']}")
    if product == "NRML":
        raise BrokerRejected(
            "NRML product not allowed for NSE equity segment. Use CNC for delivery or MIS for intraday."
        )
    if price_type in LIMITED and not terms.price:
        raise BrokerRejected(f"{price_type.value} orders require price")
    if price_type in STOPS and not terms.trigger:
        raise BrokerRejected(f"{price_type.value} orders require trigger_price")


def refuse_ended(order: PaperOrder, verb: str) -> None:
    """Check that there is still something to ``verb``.

    Raises:
        BrokerRejected: the order is complete, cancelled or rejected.
    """
    if not order.is_working:
        raise BrokerRejected(f"Cannot {verb} order in {order.status} status")


def refuse_below_filled(order: PaperOrder, terms: Terms) -> None:
    """Check that a modify leaves something to fill.

    Raises:
        BrokerRejected: a quantity not above zero, or not above what is filled; a negative price.
    """
    _refuse_numbers(terms)
    if terms.quantity <= order.filled:
        raise BrokerRejected(f"Quantity {terms.quantity} is not above the {order.filled} already filled")


def refuse_sandbox_modify(order: PaperOrder, terms: Terms) -> None:
    """Check what the sandbox checks of a modify: no price for an order that has none.

    Raises:
        BrokerRejected: a price on MARKET or SL-M, or a trigger on MARKET or LIMIT.
    """
    word = order.price_type.value
    if terms.price and order.price_type not in LIMITED:
        raise BrokerRejected(f"{word} orders do not accept a price")
    if terms.trigger and order.price_type not in STOPS:
        raise BrokerRejected(f"{word} orders do not accept a trigger_price")


def refuse_late_mis(local_s: int, square_off_s: int) -> None:
    """Check the sandbox's hours for opening an MIS position. ``local_s``: seconds since local midnight.

    Raises:
        BrokerRejected: at or after the square-off time, or before 09:00.
    """
    if _MIS_FROM_S <= local_s < square_off_s:
        return
    at = "{:02d}:{:02d}".format(*divmod(square_off_s // 60, 60))
    raise BrokerRejected(
        f"MIS orders cannot be placed after square-off time ({at} IST). "  # codespell:ignore
        "Trading resumes at 09:00 AM IST."  # codespell:ignore
    )


def refuse_unaffordable(required: Paise, available: Paise) -> None:
    """Check the margin.

    Raises:
        BrokerRejected: more is required than is available.
    """
    if required > max(0, available):
        raise BrokerRejected(
            f"Insufficient funds. Required: ₹{_rupees(required)}, Available: ₹{_rupees(available)}, "
            f"Shortage: ₹{_rupees(required - available)}"
        )


def refuse_off_tick(order: PaperOrder, tick: Paise) -> None:
    """Check that both prices lie on the exchange's grid (0 is on every grid).

    Raises:
        BrokerRejected: one does not.
    """
    for word, price in (("Price", order.price), ("Trigger price", order.trigger)):
        if not is_on_tick(price, tick):
            raise BrokerRejected(
                f"{word} {to_text(price)} is not a multiple of the tick size {to_text(tick)}"
            )


def refuse_bad_stop(order: PaperOrder, last: Paise | None) -> None:
    """Check an untriggered stop as NSE and its brokers do (range of the limit: circular NSE/CM/57613).

    Raises:
        BrokerRejected: its limit lies on the wrong side of the trigger or too far from it, or the last price
            has already reached the trigger.
    """
    is_buy = order.side is Side.BUY
    kind = "buy stop" if is_buy else "sell stop"
    trigger = to_text(order.trigger)
    if order.price_type is PriceType.SL:
        if not order.allows(order.trigger):
            relation = "below" if is_buy else "above"
            raise BrokerRejected(
                f"Price {to_text(order.price)} of a {kind} is {relation} its trigger price {trigger}"
            )
        if not _is_in_range(abs(order.price - order.trigger), order.trigger):
            raise BrokerRejected(
                f"Price {to_text(order.price)} is further from its trigger price {trigger} than allowed"
            )
    if last is not None and order.is_triggered_at(last):
        relation = "not above" if is_buy else "not below"
        raise BrokerRejected(
            f"Trigger price {trigger} of a {kind} is {relation} the last price {to_text(last)}"
        )


def delivery_oversold(symbol: str) -> str:
    """Why a delivery sell of more than is held becomes a rejected order."""
    return (
        f"Cannot sell {symbol} in CNC. No positions or holdings available. "
        "CNC (delivery) requires existing shares. Use MIS for intraday short selling."
    )


def _refuse_numbers(terms: Terms) -> None:
    if terms.quantity <= 0:
        raise BrokerRejected("{'quantity': ['Quantity must be a positive number.']}")
    if terms.price < 0:
        raise BrokerRejected("{'price': ['Price must be a non-negative number.']}")
    if terms.trigger < 0:
        raise BrokerRejected("{'trigger_price': ['Trigger price must be a non-negative number.']}")


def _is_in_range(room: Paise, trigger: Paise) -> bool:
    if trigger <= CHEAP_TRIGGER:
        return room <= CHEAP_STOP_RANGE
    return 100 * room <= STOP_RANGE_PCT * trigger


def _rupees(amount: Paise) -> str:
    """As the server prints its floats: at least one decimal, no trailing zero beyond it."""
    text = to_text(amount)
    return text.removesuffix("0")
