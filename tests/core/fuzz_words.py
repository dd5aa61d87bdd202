"""What happens in the fuzz, in a few words a line: the story that a failing tape tells."""

from olaf_async.domain.events import BooksRead, OrderAnswered, OrderUpdated, Verb
from olaf_async.domain.intents import CancelOrder, ModifyOrder, OrderIntent, PlaceOrder, ReportTrade, Say

VERBS: dict[type[OrderIntent], Verb] = {
    PlaceOrder: Verb.PLACE,
    ModifyOrder: Verb.MODIFY,
    CancelOrder: Verb.CANCEL,
}


def brief(what: object) -> str:
    """An event or intent in a few words."""
    match what:
        case PlaceOrder() | ModifyOrder():
            terms = what.terms
            at = f"{terms.quantity} at {terms.price}, {terms.trigger}"
            words = f"{VERBS[type(what)].value} {what.key} {what.side.value} {at} #{what.request}"
        case CancelOrder():
            words = f"cancel {what.key} #{what.request}"
        case BooksRead(orders=orders, positions=positions):
            rows = " ".join(f"{row.order_id}:{row.status.value}:{row.filled}" for row in orders)
            words = f"books of {what.asked_seq}: {rows}; {[one.quantity for one in positions]}"
        case OrderUpdated(row=row):
            words = f"frame {row.order_id} {row.status.value} {row.filled} of {row.quantity} at {row.trigger}"
        case OrderAnswered():
            words = (
                f"answer {what.verb.value} {what.key} {what.outcome.value} {what.order_id} #{what.request}"
            )
        case Say():
            words = f"{what.severity.value}: {what.code}: {what.text}"
        case ReportTrade(trade=trade):
            words = f"trade {trade.quantity} {trade.entry_value}->{trade.exit_value} {trade.reason.value}"
        case _:
            words = str(what)
    return words
