"""A digest of everything the core believes; equal digests mean equal beliefs.

It is taken after every event, so what has not changed since is not digested again: `containment.let_act` and
`Engine.admit` are the only ways by which a symbol changes, and both clear its digest.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import TypeAlias

from olaf_async.core.account import Account
from olaf_async.core.engine import Engine
from olaf_async.core.state import SymbolState
from olaf_async.core.trader import Trader
from olaf_async.domain.order import Order

Stamp: TypeAlias = Callable[[Engine], str]
"""What a journal keeps of the belief after each event: `fingerprint`, or less where that costs too much."""
_SIZE = 16


def fingerprint(engine: Engine) -> str:
    """32 hex digits over the account and every symbol, independent of process and hash seed."""
    account = engine.account
    digest = blake2b(digest_size=_SIZE)
    flags = (
        account.seq,
        account.requests,
        account.is_halted,
        account.is_stopping,
        account.is_loss_latched,
        account.is_stream_up,
        account.is_clock_skewed,
        account.clock_ahead_ns,
        account.is_order_queued,
        account.unread_since_ns,
        account.is_blind,
        account.mode,
        account.is_mode_foreign,
        account.realised,
        account.marked_realised,
        account.marked_ns,
        account.open_profit,
        tuple(account.sends),
        account.urgent_until_ns,
        _seen(account),
        account.asked_seq,
        account.asked_ns,
    )
    digest.update(repr(flags).encode())
    for symbol, trader in engine.traders.items():
        if trader.digest is None:
            belief = f"{symbol}:{_symbol(trader.state)!r};{trader.guard!r}"
            trader.digest = _digest(belief) + _absorbed(trader)
        digest.update(trader.digest)
    return digest.hexdigest()


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=_SIZE).digest()


def _seen(account: Account) -> bytes:
    """The ids seen, in their order; there are never fewer."""
    count = len(account.seen_ids)
    if account.seen_digest[0] != count:
        account.seen_digest = count, _digest(repr(tuple(account.seen_ids.items())))
    return account.seen_digest[1]


def _absorbed(trader: Trader) -> bytes:
    """The books absorbed last; they are replaced, never changed."""
    if trader.absorbed_digest[0] is not trader.absorbed:
        trader.absorbed_digest = trader.absorbed, _digest(repr(trader.absorbed))
    return trader.absorbed_digest[1]


_SKIPPED = frozenset(
    {"setup", "session", "strategy", "account", "entry", "stop", "exit", "phantoms", "retired"}
)
_FACTS = tuple(name for name in SymbolState.__dataclass_fields__ if name not in _SKIPPED)


def _symbol(state: SymbolState) -> tuple[object, ...]:
    facts = tuple(getattr(state, name) for name in _FACTS)
    slots = tuple(_order(order) for order in (state.entry, state.stop, state.exit))
    rest = tuple(_order(order) for order in (*state.phantoms, *state.retired))
    return facts, slots, rest


def _order(order: Order | None) -> tuple[object, ...] | None:
    return None if order is None else tuple(getattr(order, name) for name in Order.__dataclass_fields__)
