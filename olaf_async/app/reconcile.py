"""``reconcile`` where no engine runs: today's journal executed again, against the account's books of now.

Owns which journal and which account. It takes no lease, writes nothing and sends no order; the engine that it
makes of the journal is thrown away.
"""

from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import TypeVar

from olaf_async.adapters.journal.codec import Account, Header
from olaf_async.adapters.journal.reading import read
from olaf_async.adapters.journal.rerun import recover
from olaf_async.adapters.openalgo.checks import RestServer
from olaf_async.app.connections import api_key, new_rest, today
from olaf_async.app.journal import day_file, meant
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import RunBegan
from olaf_async.errors import BrokerError, ControlError, JournalError
from olaf_async.ports.clock import Clock
from olaf_async.ports.control import Comparison
from olaf_async.ports.journal import Entry, Record
from olaf_async.settings import Settings
from olaf_async.shell.comparison import look

_T = TypeVar("_T")


async def reconcile_journal(settings: Settings, named: str | None, clock: Clock) -> Comparison:
    """Hold a journal's belief (today's, or the one named) against books read now. Changes nothing.

    Raises:
        ConfigError: there is no journal of that name, or no key for the server.
        JournalError: the journal is not as it was written, or this version does not come to its beliefs.
        ControlError: there is nothing to compare it with.
    """
    path = _journal(settings, named, clock)
    reading = read(path)
    if reading.is_altered:
        raise JournalError(f"{path} is not as it was written: {reading.faults[0].text}")
    account, states = _belief(path, reading.records, clock.now_ns())
    async with new_rest(settings, clock) as rest:
        server = RestServer(rest, clock)
        mode = await _asked("the server", server.analyzer())
        broker = settings.broker
        found = Account.of(mode.value, broker.host, api_key(settings), broker.product)
        if found != account:
            raise ControlError(
                f"{path} is of another account than the settings open ({account.differs_by(found)})"
            )
        return await look(
            states,
            lambda: _asked("the books", server.books(mode)),
            clock,
            belief=str(path),
            is_watched=False,
        )


def _journal(settings: Settings, named: str | None, clock: Clock) -> Path:
    if settings.mode == "paper":
        raise ControlError(
            "mode = paper: the paper broker lives in the engine, and without one there are no books"
        )
    if named is not None:
        return meant(settings, named)
    path = day_file(settings, today(settings, clock))
    if not path.is_file():
        raise ControlError(
            f"there is no journal of today, {path}: nothing is believed. The broker's books tell of today"
            " only; name another journal to compare it with them all the same"
        )
    return path


def _belief(path: Path, records: Sequence[Record], now_ns: int) -> tuple[Account, list[SymbolState]]:
    """Whose journal it is, and what an engine begun now would believe before it has read the books."""
    headers = (record.body for record in records if record.entry is Entry.HEADER)
    header = next((header for header in headers if isinstance(header, Header)), None)
    past = recover(records)
    if header is None or past is None:
        raise ControlError(f"{path} tells of no run: nothing is believed")
    past.engine.handle(RunBegan(now_ns, past.unsent))
    return header.account, [trader.state for trader in past.engine.traders.values()]


async def _asked(what: str, answer: Awaitable[_T]) -> _T:
    try:
        return await answer
    except BrokerError as error:
        raise ControlError(f"{what} cannot be read: {error}") from error
