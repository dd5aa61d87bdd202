"""The scribe: writes into the journal for pump and desk, and knows whether it is kept.

Must never stop the one who writes: a failing journal ends new risk, which is the desk's and the supervisor's
to see to; it does not end protection.
"""

from collections.abc import Callable

from olaf_async.errors import JournalError
from olaf_async.ports.journal import Journal, Line


class Scribe:
    """``on_change`` hears why the journal begins to fail, and (with None) that it keeps again."""

    def __init__(self, journal: Journal, on_change: Callable[[JournalError | None], None]) -> None:
        self._journal = journal
        self._on_change = on_change
        self.is_failing = False

    def write(self, *lines: Line) -> bool:
        """Write these together; whether they, and all before them, are kept. Yields: never."""
        failure: JournalError | None = None
        for line in lines:
            try:
                self._journal.append(*line)
            except JournalError as error:
                failure = error
        try:
            self._journal.flush()
        except JournalError as error:
            failure = error
        was_failing, self.is_failing = self.is_failing, failure is not None
        if self.is_failing != was_failing:
            self._on_change(failure)
        return failure is None
