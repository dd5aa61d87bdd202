"""The scribe: writes into the journal for pump and desk, and knows whether it is kept.

Must never stop the one who writes: a failing journal ends new risk, which is the desk's and the supervisor's
to see to; it does not end protection.
"""

from collections.abc import Callable

from olaf_async.errors import JournalError
from olaf_async.ports.journal import Journal, Line


class Scribe:
    """``on_failure`` hears once of each time that the journal begins to fail."""

    def __init__(self, journal: Journal, on_failure: Callable[[JournalError], None]) -> None:
        self._journal = journal
        self._on_failure = on_failure
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
        if failure is not None and not was_failing:
            self._on_failure(failure)
        return failure is None
