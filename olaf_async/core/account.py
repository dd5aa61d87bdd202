"""What holds for the whole account: who may open, how fast orders may leave, how fresh the books are.

Owns the sequence number, the halts (each for its own reason, each lifted on its own terms), the count of
exposed symbols, the daily loss latch and the rate of orders. It never decides for a symbol; it only says
no.
"""

from collections import deque
from dataclasses import dataclass, field

from olaf_async.core.rules import SECOND_NS, Rules
from olaf_async.domain.events import Mode
from olaf_async.domain.intents import Intent, Say, Severity
from olaf_async.domain.price import Paise


@dataclass(slots=True)
class Account:
    """State shared by all symbols of one account on one day."""

    rules: Rules
    seq: int = 0
    requests: int = 0
    is_halted: bool = False
    is_stopping: bool = False
    is_loss_latched: bool = False
    is_stream_up: bool = True
    is_clock_skewed: bool = False
    clock_ahead_ns: int = 0
    is_order_queued: bool = False
    unread_since_ns: int | None = None
    is_blind: bool = False
    mode: Mode | None = None
    is_mode_foreign: bool = False
    realised: Paise = 0
    marked_realised: Paise = 0
    marked_ns: int = 0
    open_profit: Paise = 0
    exposed: dict[str, bool] = field(default_factory=dict)
    sends: deque[int] = field(default_factory=deque)
    urgent_until_ns: int = -1
    seen_ids: dict[str, int] = field(default_factory=dict)
    seen_digest: tuple[int, bytes] = (-1, b"")
    asked_seq: int = -1
    asked_ns: int = 0
    out: list[Intent] = field(default_factory=list)

    def begin_run(self) -> None:
        """Forget what only the run before could know; a person's halts and the loss latch stay."""
        self.is_stopping = self.is_clock_skewed = self.is_blind = False
        self.is_stream_up = True
        self.unread_since_ns = None
        self.asked_seq, self.asked_ns = -1, 0

    def next_request(self) -> int:
        """A number for one call to the broker, never used again."""
        self.requests += 1
        return self.requests

    def see(self, *order_ids: str) -> None:
        """Remember every order id of the day, whosever, with the sequence number of its first sight."""
        for order_id in order_ids:
            self.seen_ids.setdefault(order_id, self.seq)

    def say(self, symbol: str | None, severity: Severity, code: str, text: str) -> None:
        """Tell the log or a person."""
        self.out.append(Say(symbol, severity, code, text))

    def refusals(self) -> tuple[str, ...]:
        """Every reason why nothing new may be opened anywhere."""
        reasons = (
            (self.is_stopping, "the engine is stopping"),
            (self.is_halted, "trading is halted"),
            (self.is_loss_latched, "the daily loss limit has been reached"),
            (self.is_mode_foreign, "the server is not in the mode it was in at the start"),
            (self.is_clock_skewed, "the wall clock disagrees with the boot-time clock"),
            (self.is_order_queued, "an order waits at the server for a person's approval"),
            (self.is_blind, "the account's books cannot be relied on"),
        )
        return tuple(why for holds, why in reasons if holds)

    def refuses_new_risk(self) -> str | None:
        """Why nothing new may be opened anywhere, or None."""
        return next(iter(self.refusals()), None)

    def refuses_position(self, symbol: str) -> str | None:
        """Why this symbol may not open a position now, or None."""
        others = sum(is_open for name, is_open in self.exposed.items() if name != symbol)
        if others >= self.rules.max_open_positions:
            return f"{others} positions are open or being opened, the most allowed"
        return self.refuses_new_risk()

    def wait_for_rate(self, now_ns: int, *, keep: int = 0) -> int | None:
        """When the next order call may leave, or None for now; counts it where it may.

        ``keep`` calls of the second must stay free after it, for what may have to be protected; a call that
        keeps none protects, and while one of these has been told to wait no other leaves before it. Source
        of the sliding window: ten orders a second per client, 429 beyond.
        """
        window_start = now_ns - SECOND_NS
        while self.sends and self.sends[0] <= window_start:
            self.sends.popleft()
        most = self.rules.max_orders_per_s - keep
        if most < 1:
            return now_ns + SECOND_NS
        free_ns = now_ns if len(self.sends) < most else self.sends[len(self.sends) - most] + SECOND_NS
        if keep and now_ns <= self.urgent_until_ns:
            free_ns = max(free_ns, self.urgent_until_ns + 1)
        if free_ns == now_ns:
            self.sends.append(now_ns)
            return None
        if not keep:
            self.urgent_until_ns = max(self.urgent_until_ns, free_ns)
        return free_ns

    def mark(self, open_profit: Paise, now_ns: int) -> bool:
        """Take in the open positions' value against entry (paise); whether the loss latch closes now."""
        self.open_profit = open_profit
        self.marked_realised = self.realised
        self.marked_ns = now_ns
        limit = self.rules.max_daily_loss
        if limit is None or self.is_loss_latched or self.realised + open_profit > -limit:
            return False
        self.is_loss_latched = True
        return True

    def fail_to_read(self, at_ns: int, why: str) -> bool:
        """Take in that a read of the books failed or lacked something; whether that went on for too long now.

        Nobody could protect what an entry fills while nothing of the account is known.
        """
        if self.unread_since_ns is None:
            self.unread_since_ns = at_ns
        if self.is_blind or at_ns - self.unread_since_ns < self.rules.blind_after_ns:
            return False
        self.is_blind = True
        self.say(
            None,
            Severity.ALARM,
            "books_unreadable",
            f"the books cannot be relied on ({why}): no new entries; stops may not stand as last seen",
        )
        return True

    def read(self) -> bool:
        """Take in that the books were read whole; whether they could not be for long."""
        was_blind, self.is_blind, self.unread_since_ns = self.is_blind, False, None
        if was_blind:
            self.say(None, Severity.NOTE, "books_readable", "the books can be read again")
        return was_blind

    def see_mode(self, mode: Mode) -> None:
        """Pin the first mode seen; another later ends new risk for good."""
        if self.mode is None:
            self.mode = mode
        elif mode is not self.mode and not self.is_mode_foreign:
            self.is_mode_foreign = True
            self.say(
                None,
                Severity.ALARM,
                "mode_changed",
                f"the server answered in {mode.value} mode, the day began in {self.mode.value} mode:"
                " no new entries; existing stops can no longer be taken for granted",
            )
