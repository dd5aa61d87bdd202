"""A journal that lasts as long as the process: for paper days, tests and notebooks."""

from olaf_async.ports.journal import Entry, Record


class MemoryJournal:
    """Keeps every record, in order, in ``records``."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def append(self, entry: Entry, at_ns: int, body: object, fingerprint: str | None = None) -> int:
        """See Journal; this one never fails."""
        seq = len(self.records) + 1
        self.records.append(Record(seq, entry, at_ns, body, fingerprint))
        return seq

    def flush(self) -> None:
        """See Journal; there is nothing to hand on."""
