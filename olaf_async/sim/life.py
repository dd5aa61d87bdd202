"""One engine run in a simulated day, from its start to its stop or its power cut, and all the ports of it.

Owns the machine the engine runs on and what its disk keeps. The engine is the shipped one, `Supervisor` and
all that hangs on it, reached through its ports and nothing else. Must never decide what goes wrong.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from olaf_async.adapters.clock import LoopClock
from olaf_async.adapters.journal.codec import Account, EightyTwentyPlan, Header
from olaf_async.core.engine import Engine, Plan
from olaf_async.core.past import Past
from olaf_async.domain.events import Commanded, OrderUpdated
from olaf_async.domain.intents import CancelOrder, ModifyOrder, OrderIntent, PlaceOrder, Say
from olaf_async.domain.price import Paise
from olaf_async.errors import JournalError
from olaf_async.ports.broker import AccountNews, Books
from olaf_async.ports.feed import Tick
from olaf_async.ports.journal import Entry, Record
from olaf_async.shell.supervisor import Outcome, Ports, Supervisor
from olaf_async.sim.faults import SECOND_NS, Fault
from olaf_async.sim.mailbox import Doubled, Mailbox, wake
from olaf_async.sim.power import Disk, Machine
from olaf_async.sim.yours import Aside, Beside

if TYPE_CHECKING:
    from olaf_async.sim.world import World

TIMEOUT_NS: Final = 2 * SECOND_NS
ACCOUNT: Final = Account.of("paper", "http://127.0.0.1:5000", "simulated", "MIS")


class Life:
    """A run after those whose ``past`` it goes on from; ``records`` is what the disk kept of them."""

    def __init__(self, world: "World", past: Past | None, records: Sequence[Record]) -> None:
        self._world = world
        self._loop = world.loop
        self.machine = Machine(world.loop)
        self.disk = Disk(records, is_full=world.is_disk_full)
        kind = Mailbox if world.walls.beside is None else Doubled
        self.feed: Mailbox[Tick] = kind(world.loop)
        self.news_heard: Mailbox[AccountNews] = kind(world.loop)
        self.is_cut: asyncio.Future[None] = world.loop.create_future()
        self.outcome: Outcome | None = None
        has_clock = world.faults.has(Fault.CLOCK)
        self._ports = Ports(
            *(self, self, LoopClock(world.loop), self, self),
            wall_skew_ns=world.wall_skew_ns if has_clock else None,
        )
        self.supervisor = Supervisor(
            world.plans,
            world.rules,
            self._ports,
            timeout_ns=TIMEOUT_NS,
            past=past,
            guards=world.walls.guards,
            check=world.walls.check,
            new_lock=world.walls.new_lock,
        )
        self.supervisor.pump.stamp = unstamped

    @property
    def engine(self) -> Engine:
        """The engine of this run."""
        return self.supervisor.engine

    @property
    def is_on(self) -> bool:
        """Whether it runs: neither ended nor cut."""
        return self.outcome is None and self.machine.is_on

    def start(self) -> asyncio.Task[None]:
        """Begin the run on its machine."""
        kept = tuple(_kept(self._world, plan) for plan in self._world.plans.values())
        day = next(iter(self._world.plans.values())).session.day
        self.disk.append(
            Entry.HEADER, self._loop.now_ns, Header("sim", ACCOUNT, day, self._world.rules, kept)
        )
        running = self.machine.start(self._run(), "engine")
        if self._world.walls.beside is not None:
            self.machine.start(self._beside(self._world.walls.beside), "beside")
        return running

    async def _run(self) -> None:
        self.outcome = await self.supervisor.run()

    async def _beside(self, beside: Beside) -> None:
        aside = Aside(self._world, self)
        try:
            await beside(replace(self._ports, broker=aside, feed=aside))
        except Exception as error:  # noqa: BLE001 -- it is a person's own code: whatever it raises is told
            self._world.failed(error)

    def cut(self) -> None:
        """The power is gone."""
        if self.is_on:
            self.machine.cut()
            wake(self.is_cut)

    def exit(self) -> None:
        """The program has come to its end, and its process with it: nothing of it goes on."""
        with suppress(JournalError):
            self.disk.close()
        self.machine.cut()

    # --- Broker -----------------------------------------------------------------------------------

    async def place(self, intent: PlaceOrder) -> str:
        """See Broker."""
        return await self._call(intent)

    async def modify(self, intent: ModifyOrder) -> None:
        """See Broker."""
        await self._call(intent)

    async def cancel(self, intent: CancelOrder) -> None:
        """See Broker."""
        await self._call(intent)

    async def _call(self, intent: OrderIntent) -> str:
        if not self.machine.is_on:
            await self._loop.create_future()
        checkers = self._world.checkers
        checkers.now_ns = self._loop.now_ns
        checkers.sending(intent)
        return await self._world.server.call(intent)

    async def books(self) -> Books:
        """See Broker."""
        return await self._world.server.read()

    async def quote(self, symbol: str) -> Paise | None:
        """See Broker."""
        await self._world.server.read()
        return self._world.last.get(symbol)

    def news(self) -> AsyncIterator[AccountNews]:
        """See Broker."""
        return self.news_heard.read()

    # --- Feed, Alarms, Journal --------------------------------------------------------------------

    def ticks(self) -> AsyncIterator[Tick]:
        """See Feed."""
        return self.feed.read()

    def say(self, at_ns: int, message: Say) -> None:
        """See Alarms."""
        if not self.machine.is_on:
            return
        self._world.alarms.append((at_ns, message))
        self._world.checkers.now_ns = self._loop.now_ns
        self._world.checkers.said(message)

    def append(self, entry: Entry, at_ns: int, body: object, fingerprint: str | None = None) -> int:
        """See Journal."""
        checkers = self._world.checkers
        match body:
            case PlaceOrder() | ModifyOrder() | CancelOrder() if entry is Entry.SENDING:
                return self._sending(body, at_ns)
            case OrderUpdated():
                checkers.handled += 1
            case Commanded(command=command, symbol=symbol) if self.machine.is_on:
                checkers.commanded(command, symbol, self._loop.now_ns)
        return self.disk.append(entry, at_ns, body, fingerprint)

    def _sending(self, intent: OrderIntent, at_ns: int) -> int:
        checkers = self._world.checkers
        try:
            seq = self.disk.append(Entry.SENDING, at_ns, intent)
        except JournalError:
            checkers.unkept(intent)
            self._world.saw("send without a record")
            raise
        checkers.kept(intent)
        return seq

    def flush(self) -> None:
        """See Journal."""
        try:
            self.disk.flush()
        except JournalError:
            self._world.saw("journal fails")
            self._world.checkers.journal_failed()
            raise


@dataclass(frozen=True, slots=True)
class _OwnPlan:
    """What the header of a simulated journal has of a plan with a person's own strategy."""

    world: "World"
    setup_of: Plan

    def plan(self) -> Plan:
        """The plan with the strategy made anew, as another process would."""
        return self.world.owned(self.setup_of)


def _kept(world: "World", plan: Plan) -> EightyTwentyPlan:
    if world.walls.new_strategy is None:
        return EightyTwentyPlan.of(plan)
    # This journal never becomes bytes; all that is asked of the plan is to be made again.
    return cast("EightyTwentyPlan", _OwnPlan(world, plan))


def unstamped(_engine: Engine) -> str:
    """A fingerprint costs more than the event it is of; a simulated day is executed again instead (I6)."""
    return ""
