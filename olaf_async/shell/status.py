"""How a running engine stands, in the words a person is told. It only looks; nothing here is remembered."""

import os
from collections.abc import Iterator, Sequence

from olaf_async.core.account import Account
from olaf_async.core.state import SymbolState
from olaf_async.domain.order import Order
from olaf_async.domain.price import Paise, to_text
from olaf_async.domain.setup import Direction
from olaf_async.domain.trade import Trade
from olaf_async.ports.control import LockWaits, OrdersSent, OrderStatus, Status, SymbolStatus
from olaf_async.shell.supervisor import Supervisor

_NS_PER_MS = 1_000_000


def status_of(supervisor: Supervisor, program: str, began_ns: int, now_ns: int) -> Status:
    """The engine at this moment; ``program`` is the version that runs."""
    engine, account = supervisor.engine, supervisor.engine.account
    states = [trader.state for trader in engine.traders.values()]
    trades = supervisor.outcome.trades
    return Status(
        at_ns=now_ns,
        began_ns=began_ns,
        pid=os.getpid(),
        program=program,
        mode="paper" if account.mode is None else account.mode.value,
        refusals=refusals(supervisor),
        unsafe=_unsafe(supervisor, now_ns),
        symbols=tuple(_symbol(supervisor, state, trades, now_ns) for state in states),
        realised=to_text(account.realised),
        trades=len(trades),
        lock_waits=_lock_waits(supervisor.desk.lock_waits_ns),
        orders_sent=_sent([order for state in states for order in state.orders]),
        books_age_ms=_books_age_ms(account, now_ns),
        are_books_failing=account.unread_since_ns is not None,
        is_stream_up=account.is_stream_up,
        is_journal_kept=not supervisor.scribe.is_failing,
    )


def refusals(supervisor: Supervisor, symbol: str | None = None) -> tuple[str, ...]:
    """Why nothing new is opened now: in the whole account, and where one is named in that symbol."""
    account = supervisor.engine.account
    told = list(account.refusals())
    if account.is_halted:
        why = "; ".join(supervisor.halted_by.values()) or "halted before this run began"
        told = [f"{text} ({why})" if text == "trading is halted" else text for text in told]
    if symbol is not None:
        told += _symbol_refusals(supervisor.engine.traders[symbol].state)
    return tuple(told)


def left(state: SymbolState) -> tuple[str, ...]:
    """What keeps a symbol from being flat: shares, and orders that may still fill."""
    shares = state.held + state.provisional
    told = (
        [f"{_shares(shares)} held" if shares > 0 else f"{_shares(-shares)} sold too much"] if shares else []
    )
    told += [
        f"{order.role.value} {order.order_id or order.key} {order.state.value}"
        for order in (*state.slots, *state.phantoms)
        if order.is_outstanding
    ]
    return tuple(told)


def _symbol_refusals(state: SymbolState) -> tuple[str, ...]:
    told = (
        (state.frozen is not None, f"{state.symbol} is frozen: {state.frozen}"),
        (state.is_done, f"{state.symbol} is done for today"),
    )
    return tuple(text for holds, text in told if holds)


def _symbol(supervisor: Supervisor, state: SymbolState, trades: Sequence[Trade], now_ns: int) -> SymbolStatus:
    market = supervisor.pump.markets[state.symbol]
    position, bare_ms = state.position, _bare_ms(state, now_ns)
    past_ns = sum(trade.unprotected_ns for trade in trades if trade.symbol == state.symbol)
    return SymbolStatus(
        symbol=state.symbol,
        side="long" if state.direction is Direction.LONG else "short",
        words=_words(state),
        held=state.held,
        average=_average(position.entry_value, position.entered),
        stop=_price(state.stop.terms.trigger) if state.stop is not None else None,
        last=_price(market.last),
        last_age_ms=None if market.last is None else max(0, now_ns - market.last_ns) // _NS_PER_MS,
        attempts=state.attempts,
        attempts_max=state.rules.max_attempts,
        unprotected_ms=(past_ns + state.unprotected_ns) // _NS_PER_MS + (bare_ms or 0),
        bare_ms=bare_ms,
        frozen=state.frozen,
        refusals=_symbol_refusals(state),
        orders=tuple(_order(order) for order in (*state.slots, *state.phantoms) if order.is_outstanding),
    )


def _words(state: SymbolState) -> tuple[str, ...]:
    """What it is about, the gravest first."""
    if state.leaving is not None and state.exposure:
        doing = f"leaving: {state.leaving.value}"
    elif state.held < 0:
        doing = "buying back"
    elif state.exposure:
        doing = "holding"
    elif state.entry is not None:
        doing = f"entry {state.entry.state.value}"
    elif state.armed_ns is not None:
        doing = "armed"
    else:
        doing = "done" if state.is_done else f"waits for {to_text(state.setup.trigger_price)}"
    undecided = sum(order.is_unsettled for order in (*state.slots, *state.phantoms))
    told = (
        (state.frozen is not None, "frozen"),
        (state.unprotected_since_ns is not None, "unprotected"),
        (undecided > 0, f"{undecided} undecided"),
        (True, doing),
    )
    return tuple(word for holds, word in told if holds)


def _bare_ms(state: SymbolState, now_ns: int) -> int | None:
    since_ns = state.unprotected_since_ns
    return None if since_ns is None else max(0, now_ns - since_ns) // _NS_PER_MS


def _unsafe(supervisor: Supervisor, now_ns: int) -> tuple[str, ...]:
    told = [] if supervisor.is_deciding else ["the pump died: nothing is decided any more, the run is ending"]
    for trader in supervisor.engine.traders.values():
        told += _dangers(trader.state, now_ns)
    return tuple(told)


def _dangers(state: SymbolState, now_ns: int) -> Iterator[str]:
    """What of a symbol cannot wait for a person."""
    since_ns = state.unprotected_since_ns
    if since_ns is not None and now_ns - since_ns > state.rules.unprotected_max_ns:
        seconds = (now_ns - since_ns) / 1e9
        yield f"{state.symbol}: {_shares(state.exposure)} without a confirmed stop for {seconds:.1f} s"
    if state.frozen is not None and state.exposure:
        yield f"{state.symbol}: frozen with {_shares(state.exposure)}: {state.frozen}"
    if state.held < 0:
        yield f"{state.symbol}: {_shares(-state.held)} sold too much"


def _order(order: Order) -> OrderStatus:
    return OrderStatus(
        key=order.key,
        order_id=order.order_id,
        role=order.role.value,
        side=order.side.value,
        kind=order.price_type.value,
        state=order.state.value,
        quantity=order.terms.quantity,
        filled=order.filled,
        price=to_text(order.terms.price),
        trigger=_price(order.terms.trigger or None),
    )


def _shares(number: int) -> str:
    return f"{number} share{'' if number == 1 else 's'}"


def _average(value: Paise, shares: int) -> str | None:
    """To the nearest paisa."""
    return to_text((2 * value + shares) // (2 * shares)) if shares else None


def _price(paise: Paise | None) -> str | None:
    return None if paise is None else to_text(paise)


def _lock_waits(waits_ns: Sequence[int]) -> LockWaits:
    if not waits_ns:
        return LockWaits(0, 0.0, 0.0)
    middle = sorted(waits_ns)[len(waits_ns) // 2]
    return LockWaits(len(waits_ns), middle / _NS_PER_MS, max(waits_ns) / _NS_PER_MS)


def _sent(orders: Sequence[Order]) -> OrdersSent:
    placed = sum(order.sent_ns is not None for order in orders)
    changed = sum(order.modifications for order in orders)
    return OrdersSent(placed, changed, sum(order.cancels for order in orders))


def _books_age_ms(account: Account, now_ns: int) -> int | None:
    if account.unread_since_ns is not None:
        return (now_ns - account.unread_since_ns) // _NS_PER_MS
    return None if account.asked_seq < 0 else (now_ns - account.asked_ns) // _NS_PER_MS
