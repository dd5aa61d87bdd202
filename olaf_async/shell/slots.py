"""Where prints wait when they come faster than they can be handled: one slot per symbol, never dropped whole.

Of the prints waiting in a slot only four can matter to a guard or a bar: the first, the lowest, the highest
and the newest. They are kept in the order in which they came; the rest is merged away. Prints are never
merged across a timer: those on either side of a due time stay apart.

What is lost: which of two levels was touched first, where price came back and went further beyond the first.
"""

from dataclasses import dataclass

from olaf_async.domain.price import Paise

Print = tuple[int, Paise]
"""(time in ns, price)."""


@dataclass(slots=True)
class _Batch:
    """Prints between two timers. ``low`` and ``high`` carry their place in the order of arrival."""

    end_ns: int
    first: Print
    low: tuple[int, Print]
    high: tuple[int, Print]
    last: Print
    count: int = 1

    def add(self, print_: Print) -> None:
        if print_[1] < self.low[1][1]:
            self.low = (self.count, print_)
        if print_[1] > self.high[1][1]:
            self.high = (self.count, print_)
        self.last = print_
        self.count += 1

    def prints(self) -> list[Print]:
        kept = {
            0: self.first,
            self.low[0]: self.low[1],
            self.high[0]: self.high[1],
            self.count - 1: self.last,
        }
        return [kept[place] for place in sorted(kept)]


class Slot:
    """The waiting prints of one symbol."""

    __slots__ = ("_batches",)

    def __init__(self) -> None:
        self._batches: list[_Batch] = []

    def put(self, at_ns: int, price: Paise, due_ns: int) -> None:
        """Add a print; ``due_ns`` is the symbol's next timer, which separates batches."""
        print_ = (at_ns, price)
        if self._batches and at_ns < self._batches[-1].end_ns:
            self._batches[-1].add(print_)
            return
        end_ns = due_ns if at_ns < due_ns else at_ns + 1
        self._batches.append(_Batch(end_ns, print_, (0, print_), (0, print_), print_))

    def take(self) -> list[Print]:
        """Empty the slot: the prints that may matter, in the order in which they came."""
        if not self._batches:
            return []
        batches, self._batches = self._batches, []
        return [print_ for batch in batches for print_ in batch.prints()]

    @property
    def is_empty(self) -> bool:
        """Nothing is waiting."""
        return not self._batches
