"""A digest of everything the core believes; equal digests mean equal beliefs."""

from collections.abc import Callable
from hashlib import blake2b
from typing import TypeAlias

from olaf_async.core.engine import Engine
from olaf_async.core.state import SymbolState
from olaf_async.domain.order import Order

Stamp: TypeAlias = Callable[[Engine], str]
"""What a journal keeps of the belief after each event: `fingerprint`, or less where that costs too much."""


def fingerprint(engine: Engine) -> str:
    """32 hex digits over the account and every symbol, independent of process and hash seed."""
    account = engine.account
    digest = blake2b(digest_size=16)
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
        tuple(account.seen_ids.items()),
        account.asked_seq,
        account.asked_ns,
    )
    digest.update(repr(flags).encode())
    for symbol, trader in engine.traders.items():
        digest.update(f"{symbol}:{_symbol(trader.state)!r};{trader.guard!r};{trader.absorbed!r}".encode())
    return digest.hexdigest()


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
