"""Records of a journal in words: one line for each thing that can be in one. Must never lose a number."""

from olaf_async.adapters.journal.codec import Header
from olaf_async.domain.events import (
    BarClosed,
    BooksFailed,
    BooksRead,
    ClockSkewed,
    Commanded,
    Event,
    Marked,
    ModeSeen,
    OrderAnswered,
    OrderUpdated,
    PriceTouched,
    QuoteRead,
    RunBegan,
    StreamChanged,
    TimerDue,
)
from olaf_async.domain.intents import (
    CancelOrder,
    Intent,
    ModifyOrder,
    PlaceOrder,
    ReadQuote,
    ReportTrade,
    Say,
)
from olaf_async.domain.order import Terms
from olaf_async.domain.price import to_text
from olaf_async.ports.journal import NotSent, PutOff


def words(body: object) -> str:
    """What a record says, in one line; whatever a broker put into a message, it moves no cursor."""
    return "".join(letter if letter.isprintable() else " " for letter in _words(body))


def _words(body: object) -> str:
    match body:
        case PutOff(intent, until_ns):
            return f"{'not yet' if until_ns else 'the books first'}: {_intent(intent)}"
        case NotSent(intent, why):
            return f"{why}: {_intent(intent)}"
        case Header(program, account, day, _, plans):
            names = ", ".join(plan.setup.symbol for plan in plans)
            return f"{day}, {account.mode} at {account.server}, by version {program}: {names}"
        case _ if isinstance(body, Event):
            return _event(body)
        case _ if isinstance(body, Intent):
            return _intent(body)
        case _:
            return str(body)


def _event(event: Event) -> str:  # noqa: C901, PLR0911, PLR0912 -- a line for each kind of event
    match event:
        case RunBegan(unsent=unsent):
            return "a run begins" + (f"; called off before it: {', '.join(unsent)}" if unsent else "")
        case PriceTouched(price=price):
            return f"print at {to_text(price)}"
        case BarClosed(bar=bar):
            levels = " ".join(to_text(price) for price in (bar.open, bar.high, bar.low, bar.close))
            return f"bar closed: {levels}"
        case TimerDue(last=last):
            return f"timer, last price {'none' if last is None else to_text(last)}"
        case QuoteRead(price=price):
            return f"quote {'unknown' if price is None else to_text(price)}"
        case OrderAnswered():
            told = " ".join(filter(None, (event.order_id, event.message)))
            return f"{event.verb.value} {event.key} {event.outcome.value}" + (f": {told}" if told else "")
        case OrderUpdated(row=row):
            filled = "" if row.filled is None else f", {row.filled} filled at {to_text(row.average)}"
            what = f"{row.side.value} {row.quantity} {row.price_type.value}"
            return f"order {row.order_id} {row.status.value}: {what}{_levels(row.price, row.trigger)}{filled}"
        case BooksRead():
            net = ", ".join(f"{row.symbol} {row.quantity}" for row in event.positions if row.quantity)
            counts = f"{len(event.orders)} orders, {len(event.trades)} trades"
            return f"books as of {event.asked_seq}: {counts}, {net or 'flat'}"
        case BooksFailed(why=why):
            return f"the books could not be read: {why}"
        case StreamChanged(is_up=is_up):
            return f"order stream {'up' if is_up else 'down'}"
        case ModeSeen(mode=mode):
            return f"the server is in {mode.value} mode"
        case Commanded(command=command):
            return f"command: {command.value}"
        case Marked(prices=prices):
            return "mark: " + ", ".join(f"{symbol} {to_text(price)}" for symbol, price in prices)
        case ClockSkewed(skew_ns=skew_ns):
            return f"the wall clock is {skew_ns} ns off"


def _intent(intent: Intent) -> str:
    match intent:
        case PlaceOrder():
            kind = f"{intent.side.value} {intent.terms.quantity} {intent.price_type.value}"
            return f"place {intent.key}: {kind}{_terms(intent.terms)}"
        case ModifyOrder():
            return f"modify {intent.key} ({intent.order_id}): {intent.terms.quantity}{_terms(intent.terms)}"
        case CancelOrder():
            return f"cancel {intent.key} ({intent.order_id})"
        case ReadQuote():
            return "read a quote"
        case Say():
            return f"{intent.severity.value} {intent.code}: {intent.text}"
        case ReportTrade(trade):
            return f"trade {trade.attempt} over: {trade.reason.value}, gross {to_text(trade.gross)}"


def _terms(terms: Terms) -> str:
    return _levels(terms.price, terms.trigger)


def _levels(price: int, trigger: int) -> str:
    return f" at {to_text(price)}" + (f", trigger {to_text(trigger)}" if trigger else "")
