"""The journal of a live day: where it lies, how it is begun, and which one a person means.

Owns the order of a start as far as it is on paper: first the lease, then the file of the day, whole or made
so, then what it tells of earlier runs, then the header. It must never trade, nor mend what a crash cannot
have done.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from olaf_async import __version__
from olaf_async.adapters.journal.codec import Account, EightyTwentyPlan, Header
from olaf_async.adapters.journal.lease import Lease
from olaf_async.adapters.journal.reading import cut, read
from olaf_async.adapters.journal.rerun import recover
from olaf_async.adapters.journal.sqlite import SqliteJournal
from olaf_async.app.connections import api_key
from olaf_async.app.paper import triggered_stops
from olaf_async.core.engine import Plan
from olaf_async.core.rules import Rules
from olaf_async.domain.events import Mode
from olaf_async.errors import ConfigError, JournalError
from olaf_async.ports.journal import Entry, Record
from olaf_async.settings import Settings

SUFFIX = ".journal"


def day_file(settings: Settings, day: date) -> Path:
    """Where the day is written; paper money has a file of its own beside that of the real account."""
    paper = "-paper" if settings.mode == "paper" else ""
    return settings.journal.dir / f"{day}{paper}{SUFFIX}"


def meant(settings: Settings, named: str | None) -> Path:
    """The journal a person names by its day or its file; without a name, the newest.

    Raises:
        ConfigError: there is none, or more than one.
    """
    folder = settings.journal.dir
    if named is None:
        found = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime_ns)[-1:]
    elif Path(named).is_file():
        found = [Path(named)]
    else:
        found = sorted(folder.glob(f"{named}*{SUFFIX}")) if _is_day(named) else []
    if len(found) > 1:
        raise ConfigError(f"there is more than one journal of {named}: name {' or '.join(map(str, found))}")
    if not found:
        raise ConfigError(f"there is no journal {named or ''} in {folder}".replace("  ", " "))
    return found[0]


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


class DayJournal:
    """Lease and journal of one run, and what earlier runs of the day have left in it.

    ``remark`` says what had to be done to the file, if anything; ``triggered`` is what paper needs to know of
    stops (`triggered_stops`).

    Raises:
        LeaseHeld: another engine has the directory.
        JournalError: the file cannot be written, holds what no crash of ours can have left in it, or does not
            lead this version to the beliefs it was written with.
    """

    def __init__(self, settings: Settings, day: date, now_ns: int) -> None:
        self._settings = settings
        self._day = day
        self._has_begun = False
        self._lease = Lease(settings.journal.dir, now_ns)
        try:
            path = day_file(settings, day)
            self.remark, records = _mended(path)
            self.past = recover(records)
            self.triggered = triggered_stops(records)
            self._account = _account(records)
            self.journal = SqliteJournal(path)
        except JournalError:
            self._lease.release()
            raise

    @property
    def open_symbols(self) -> tuple[str, ...]:
        """What the runs before have left that somebody has to look after."""
        return self.past.open_symbols if self.past is not None else ()

    def begin(self, plans: Sequence[Plan], rules: Rules, mode: Mode | None, now_ns: int) -> None:
        """Write down all that is needed to make this run's engine again.

        Raises:
            JournalError: it cannot be kept, or the day was begun on another account; nothing may be traded.
        """
        settings = self._settings
        kind = "paper" if mode is None or settings.mode == "paper" else mode.value
        account = Account.of(kind, settings.broker.host, api_key(settings), settings.broker.product)
        begun = self._account
        if begun is not None and begun != account:
            raise JournalError(
                f"{self.journal.path} was begun on another account ({begun.differs_by(account)}): "
                "put the settings back, or name another journal.dir"
            )
        kept = tuple(EightyTwentyPlan.of(plan) for plan in plans)
        self.journal.append(Entry.HEADER, now_ns, Header(__version__, account, self._day, rules, kept))
        self._has_begun = True

    def close(self, how: str | None, now_ns: int) -> None:
        """End the run: ``how``, or None where it broke off. The lease is freed whatever happens.

        Raises:
            JournalError: something of the day could not be written to the end.
        """
        try:
            if self._has_begun and how is not None:
                self.journal.append(Entry.CLOSED, now_ns, how)
        finally:
            try:
                self.journal.close()
            finally:
                self._lease.release()


def _mended(path: Path) -> tuple[str, tuple[Record, ...]]:
    """Cut off what a crash left half written; anything else is for a person. What was done, and what is kept.

    Raises:
        JournalError: the file is not as Olaf wrote it.
    """
    if not path.exists() or not path.stat().st_size:
        return "", ()
    reading = read(path, is_ours=True)
    if not reading.is_usual:
        raise JournalError(
            f"{path} is not as it was written: {reading.faults[0].text}. Look at it with `journal verify`, "
            "at the broker's books, and move it away before the next start"
        )
    if not reading.faults:
        return "", reading.records
    return f"{reading.faults[0].text}; the file as it was is now {cut(reading)}", reading.records


def _account(records: Sequence[Record]) -> Account | None:
    """Whose day it is."""
    headers = (record.body for record in records if record.entry is Entry.HEADER)
    return next((header.account for header in headers if isinstance(header, Header)), None)
