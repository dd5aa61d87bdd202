"""One symbol as the exchange has it: what the promises are held against.

Owns the sums. Must never know what the engine believes.
"""

from dataclasses import dataclass, field

from olaf_async.domain.order import Role
from olaf_async.domain.price import Paise
from olaf_async.domain.setup import Setup


@dataclass(slots=True, eq=False)
class Standing:
    """One order of ours at the exchange."""

    order_id: str
    role: Role
    sign: int
    left: int
    filled: int
    trigger: int
    is_working: bool = True


@dataclass(slots=True)
class Truth:
    """One symbol as the exchange has it, oriented: ``held`` by our own orders, ``net`` by everybody's.

    ``others``: what others hold by their own trades. ``strange``: shares that others have taken on our side;
    they may look like those of an unanswered entry. ``against``: shares that others have traded the other
    way; ``taken``: those of them that closed what was ours.
    ``is_unrecorded``: a full disk did not keep what was sent, and the process that knew of it has died.
    ``stop``: the price that sets off the stop. ``bare_since_ns``, ``passed_since_ns``: since when shares are
    held without a stop, or the price is through it.
    """

    setup: Setup
    planned: int
    orders: dict[str, Standing] = field(default_factory=dict)
    foreign: dict[str, int] = field(default_factory=dict)
    held: int = 0
    net: int = 0
    others: int = 0
    strange: int = 0
    against: int = 0
    taken: int = 0
    opened_ns: int = 0
    changed_ns: int = 0
    stop: int | None = None
    bare_since_ns: int | None = None
    passed_since_ns: int | None = None
    last_call_ns: int = -1
    codes: set[str] = field(default_factory=set)
    must_be_flat: bool = False
    is_unrecorded: bool = False

    @property
    def at_risk(self) -> int:
        """Shares of ours that could still be lost on."""
        return max(0, min(self.held - self.taken, self.net))

    def by_others(self, shares: int) -> None:
        """Somebody else trades: what goes beyond closing their own position closes ours."""
        self.net += shares
        self.others += shares
        if shares > 0:
            self.strange = min(self.planned, self.strange + shares)
            return
        self.against -= shares
        self.taken += min(max(0, -self.others - self.taken), max(0, self.held - self.taken))

    def is_passed(self, price: Paise | None) -> bool:
        """Whether this price has set the stop off."""
        return price is not None and self.stop is not None and price * self.setup.direction <= self.stop

    @property
    def for_sale(self) -> int:
        """Shares that working orders of ours would sell."""
        return sum(order.left for order in self.orders.values() if order.is_working and order.sign < 0)

    @property
    def may_double(self) -> bool:
        """The engine has knowingly let an exit go beside a stop that was never confirmed."""
        return "stop_phantom" in self.codes
