"""The engine without some of its protections: what the twins of the stories are built with.

Owns what may be taken out, each by the name of what it was. What a twin shows is worth nothing where another
wall still stands, so most of them name several.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, TypedDict

from olaf_async.core.guards import STANDARD, EntryGuard, Guards
from olaf_async.core.invariants import Check
from olaf_async.core.state import SymbolState
from olaf_async.shell.desk import Lock


class Walls(TypedDict, total=False):
    """What may be taken out of an engine, in a test."""

    guards: Guards
    check: Check
    new_lock: Callable[[], Lock]


class OpenDoor(asyncio.Lock):
    """A lock that does not lock."""

    async def acquire(self) -> Literal[True]:
        """Let everybody in. Yields: never."""
        return True

    def release(self) -> None:
        """Nothing was taken."""


def without_entry_guards(*names: str, guards: Guards = STANDARD) -> Guards:
    """The table without these entry guards."""
    assert set(names) <= set(guards.entry), "there is no such guard"
    return replace(guards, entry={name: it for name, it in guards.entry.items() if name not in names})


def with_entry_guard(name: str, guard: EntryGuard, guards: Guards = STANDARD) -> Guards:
    """The table with another entry guard in the place of this one."""
    assert name in guards.entry, "there is no such guard"
    return replace(guards, entry={**guards.entry, name: guard})


def counts_in_flight_as_absent(state: SymbolState, _now_ns: int) -> bool:
    """The old engine's mistake: an entry is known by its id, and while its call is out there is none."""
    entry = state.entry
    return entry is None or (entry.sent_ns is not None and entry.order_id is None)


def trusts_any_books(_state: SymbolState) -> bool:
    """No look at the account before an entry leaves."""
    return True


UNMARKED = without_entry_guards(
    "has_nothing_undecided", guards=with_entry_guard("has_no_entry_outstanding", counts_in_flight_as_absent)
)
"""The first wall out: what is in flight is not seen."""

ONE_WALL_LEFT: Mapping[str, Walls] = {
    "the mark": {"guards": replace(STANDARD, books_allow_entry=trusts_any_books), "new_lock": OpenDoor},
    "the lock": {"guards": replace(UNMARKED, books_allow_entry=trusts_any_books)},
    "the books": {"guards": UNMARKED, "new_lock": OpenDoor},
}
"""Before a second entry stand the mark, the lock with its second question, and the read of the books."""

NO_WALL_LEFT: Walls = {
    "guards": replace(UNMARKED, books_allow_entry=trusts_any_books),
    "new_lock": OpenDoor,
}


def checks_nothing(_state: SymbolState) -> None:
    """Invariants are a wall of their own; a twin that shows another wall's worth takes them out too."""
