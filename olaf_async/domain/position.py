"""A position as a fold over fills: nothing sets it, it is what the fills add up to."""

from dataclasses import dataclass

from olaf_async.domain.price import Paise


@dataclass(slots=True)
class Position:
    """One round trip in progress. Quantities in shares, values in paise (price times shares).

    ``entered`` and ``left`` are our own fills; ``taken`` is what other hands closed of it. ``held`` is what
    these leave in the trade's direction, kept up with each fill because it is asked for after every event;
    below zero it means that more was sold than was ever held.
    """

    entered: int = 0
    entry_value: Paise = 0
    left: int = 0
    exit_value: Paise = 0
    taken: int = 0
    entry_ns: int = 0
    exit_ns: int = 0
    held: int = 0

    def enter(self, quantity: int, value: Paise, at_ns: int) -> None:
        """Add an entry fill."""
        if not self.entered:
            self.entry_ns = at_ns
        self.entered += quantity
        self.held += quantity
        self.entry_value += value

    def leave(self, quantity: int, value: Paise, at_ns: int) -> None:
        """Add a closing fill of our own."""
        self.left += quantity
        self.held -= quantity
        self.exit_value += value
        self.exit_ns = at_ns

    def take(self, quantity: int, value: Paise, at_ns: int) -> None:
        """Add what somebody else closed of it."""
        self.taken += quantity
        self.held -= quantity
        self.exit_value += value
        self.exit_ns = at_ns
