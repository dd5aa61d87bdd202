"""One simulated day: the market, the server, other hands, the clock, and the engine that lives through it.

Owns what happens when. The engine is the shipped one, reached through its ports and nothing else. Every
choice is a draw; the same draws give the same day to the nanosecond.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Final

from olaf_async.adapters.journal.rerun import recover
from olaf_async.adapters.openalgo.sanity import PriceSanity
from olaf_async.adapters.paper.exchange import PaperExchange, PaperRules
from olaf_async.adapters.paper.orders import OrderStatus, PaperOrder
from olaf_async.core.engine import Plan
from olaf_async.core.fingerprint import fingerprint
from olaf_async.core.guards import STANDARD, Guards
from olaf_async.core.invariants import Check
from olaf_async.core.invariants import check as check_invariants
from olaf_async.core.past import Past
from olaf_async.domain.events import Command, Commanded, OrderAnswered, OrderUpdated, Verb
from olaf_async.domain.intents import Say
from olaf_async.domain.order import PriceType, Side, Terms
from olaf_async.domain.price import Paise
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Direction, Setup
from olaf_async.ports.feed import Tick
from olaf_async.ports.journal import Record
from olaf_async.shell.desk import Lock
from olaf_async.sim.checkers import Checkers
from olaf_async.sim.choices import Choices
from olaf_async.sim.faults import MS_NS, RARER, SECOND_NS, Fault, Swarm
from olaf_async.sim.life import Life, unstamped
from olaf_async.sim.limits import changed, rules_of
from olaf_async.sim.mailbox import wake
from olaf_async.sim.power import PowerLoop
from olaf_async.sim.prices import Print, path
from olaf_async.sim.server import Server
from olaf_async.sim.yours import Asked, Beside, NewStrategy
from olaf_async.strategies.eighty_twenty import EightyTwenty, EightyTwentyRules

DAY: Final = date(2026, 11, 23)
OPEN_NS: Final = 1_795_405_500 * SECOND_NS
"""09:15 in Mumbai on that day."""
EXIT_NS: Final = OPEN_NS + 200 * SECOND_NS
CLOSE_NS: Final = EXIT_NS + 80 * SECOND_NS
CALM_NS: Final = (EXIT_NS + 20 * SECOND_NS, OPEN_NS + 140 * SECOND_NS)
"""When faults end: in the midst of the exits, or before they begin."""
SETTLED_NS: Final = 45 * SECOND_NS
"""How long after that belief must be truth."""
SYMBOLS: Final = ("ABC", "M&M", "XYZ")
ENTRY: Final = 100_00
COMMANDS: Final = (Command.HALT, Command.RESUME, Command.FLATTEN, Command.KILL)
BY_HAND: Final = "by hand"
MISCHIEF_NS: Final = 5 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Walls:
    """What may be taken out of the engine, to see whether its absence is noticed.

    And what a person puts into it, or ``beside`` it, to see whether that keeps the promises too.
    """

    guards: Guards = STANDARD
    check: Check = check_invariants
    new_lock: Callable[[], Lock] = asyncio.Lock
    new_strategy: NewStrategy | None = None
    beside: Beside | None = None


STANDING: Final = Walls()


class World:
    """Everything but the order of callbacks, which is the loop's."""

    def __init__(
        self, loop: PowerLoop, choices: Choices, allowed: Iterable[Fault], walls: Walls = STANDING
    ) -> None:
        self.loop = loop
        self.choices = choices
        self.walls = walls
        self.sometimes: set[str] = set()
        self.alarms: list[tuple[int, Say]] = []
        self.aside: list[tuple[int, object]] = []
        self.own_error: Exception | None = None
        self.faults = Swarm(choices, allowed)
        self.rules = rules_of(choices)
        self.plans = {symbol: self.owned(plan_of(symbol, choices)) for symbol in SYMBOLS}
        setups = {symbol: plan.setup for symbol, plan in self.plans.items()}
        self.exchange = PaperExchange(
            PaperRules(square_off_s=None),
            {symbol: setup.tick_size for symbol, setup in setups.items()},
            sessions=dict.fromkeys(setups, (OPEN_NS, CLOSE_NS)),
            depth=self._depth,
        )
        self.server = Server(loop, self.exchange, choices, self.faults, self._changed, self.saw)
        self.checkers = Checkers(self.server, setups, self.rules)
        self.last: dict[str, Paise] = {}
        self.skew_ns = 0
        self._halted: dict[str, int] = {}
        self._one_sided: dict[str, tuple[int, int]] = {}
        self._feed_mute_until_ns = 0
        self._full_until_ns = 0
        self._held_back: list[Tick] = []
        self._hold_until_ns = 0
        self._sanity = {symbol: PriceSanity(ENTRY) for symbol in SYMBOLS}
        self.life: Life | None = None
        self._cuts_left = choices.draw("cuts", 4) if self.faults.has(Fault.CUT) else 0
        self.executes_at_end = not choices.draw("executes again at the end", 8)
        self.over: asyncio.Future[None] = loop.create_future()
        self._schedule()

    def saw(self, what: str) -> None:
        """Note that something has happened which a campaign must see sometimes."""
        self.sometimes.add(what)

    def owned(self, plan: Plan) -> Plan:
        """The plan with the strategy that a person has brought, if one has."""
        new_strategy, setup = self.walls.new_strategy, plan.setup
        if new_strategy is None:
            return plan
        own = new_strategy(setup, plan.session)
        return replace(plan, strategy=Asked(own, setup, partial(self._own_broken, setup.symbol), self.failed))

    def _own_broken(self, symbol: str, promise: str, text: str) -> None:
        self.checkers.now_ns = self.loop.now_ns
        self.checkers.broken(promise, symbol, text)
        self.end()

    def failed(self, error: Exception) -> None:
        """A person's own code has raised: the day proves nothing any more."""
        self.own_error = self.own_error or error
        self.end()

    # --- what happens when ------------------------------------------------------------------------

    def _schedule(self) -> None:
        loop = self.loop
        prints: list[Print] = []
        for plan in self.plans.values():
            prints += path(plan.setup, self.choices, self.faults, (OPEN_NS, CLOSE_NS))
        prints.sort(key=lambda one: one.at_ns)
        self._prints = iter(prints)
        self._next_print()
        self.calm_ns = CALM_NS[self.choices.draw("calm from", len(CALM_NS))]
        loop.call_at_ns(self.calm_ns, self._calm_down)
        loop.call_at_ns(self.calm_ns + SETTLED_NS, self._has_settled)
        timed = {
            Fault.STREAM: self._stream_breaks,
            Fault.MARKET: self._market_breaks,
            Fault.HANDS: self._hands,
            Fault.SQUAREOFF: self._square_off,
            Fault.CLOCK: self._clock_steps,
            Fault.OPERATOR: self._operator,
            Fault.SERVER: self._server_restarts,
            Fault.RESTART: self._stops,
            Fault.DISK: self._disk_fills,
            Fault.SESSION: self._session_ends,
            Fault.MODE: self._mode_switches,
            Fault.APPROVAL: self._semi_auto,
        }
        self._timed = {fault: act for fault, act in timed.items() if self.faults.has(fault)}
        if self._timed:
            loop.call_at_ns(OPEN_NS + MISCHIEF_NS, self._mischief)

    def _next_print(self) -> None:
        coming = next(self._prints, None)
        if coming is not None:
            self.loop.call_at_ns(coming.at_ns, self._print, coming)

    def _print(self, print_: Print) -> None:
        self._next_print()
        symbol, price, now_ns = print_.symbol, print_.price, self.loop.now_ns
        if now_ns < self._halted.get(symbol, 0):
            return
        self.last[symbol] = price
        self.checkers.now_ns = now_ns
        self.exchange.on_print(symbol, price, now_ns)
        self.server.push()
        if self.life is not None and self.life.is_on:
            self.checkers.time_passed()
        self._feed(Tick(symbol, now_ns, price))
        if self.checkers.violations:
            self.end()

    def _changed(self) -> None:
        self.checkers.now_ns = self.loop.now_ns
        self.checkers.changed()
        self.server.remember()

    def end(self) -> None:
        """The day need not go on."""
        if not self.over.done():
            self.over.set_result(None)

    def _calm_down(self) -> None:
        self.faults.calm_down()
        self.server.calm_down()
        self._halted.clear()
        self._one_sided.clear()
        self.skew_ns = 0
        self._release()

    def _has_settled(self) -> None:
        life = self.life
        if life is not None and life.is_on:
            self.checkers.now_ns = self.loop.now_ns
            self.checkers.belief(life.engine)
            self.checkers.protected()

    # --- engine runs ------------------------------------------------------------------------------

    def begin(self, life: Life) -> None:
        """An engine run begins; how its machine will lose its power is drawn now."""
        self.life = life
        self.server.listener = life.news_heard
        self.server.tell_mode_anew()
        self.checkers.now_ns = self.loop.now_ns
        self.checkers.begun()
        self.server.on_act = self.loop.on_callback = None
        if not self._cuts_left or self.loop.now_ns >= self.calm_ns:
            return
        self._cuts_left -= 1
        match self.choices.draw("cut after", 3):
            case 0:
                self._count_down("steps until the cut", 1_500, life.cut)
                self.loop.on_callback = self._counted
            case 1:
                self._count_down("writes until the cut", 120, life.cut)
                life.disk.on_write = self._counted
            case _:
                self._count_down("acts until the cut", 12, life.cut)
                self.server.on_act = self._counted

    def _count_down(self, label: str, most: int, act: Callable[[], None]) -> None:
        self._count, self._at_zero = 1 + self.choices.draw(label, most), act

    def _counted(self) -> None:
        self._count -= 1
        if self._count == 0:
            self.loop.on_callback = self.server.on_act = None
            if self.loop.now_ns < self.calm_ns:
                self._at_zero()

    def kept(self, life: Life) -> list[Record]:
        """What the disk has of a run that was cut."""
        self.saw("power cut")
        if any(request.verb is Verb.PLACE and not request.answer.done() for request in self.server.requests):
            self.saw("cut with an order on its way")
        lost = self.choices.draw("writes lost", life.disk.unsynced + 1)
        records = life.disk.records(lost)
        self.checkers.forgotten(life.disk.unwritten)
        if self._knows_less(records):
            self.saw("cut between accept and journal")
        return records

    def stopped(self, life: Life) -> None:
        """A run has come to its own end: at the close, or because it was told to stop."""
        self.checkers.now_ns = self.loop.now_ns
        self.checkers.forgotten(life.disk.unwritten)
        if self.loop.now_ns >= CLOSE_NS:
            self.checkers.belief(life.engine)
            self.checkers.ended(life.engine)
        else:
            assert life.outcome is not None, "it has ended"
            self.checkers.left_behind(life.outcome.exit_code)

    def executes_again(self, life: Life, past: Past | None) -> None:
        """I6: what the whole journal gives is what the engine believed when it came to its end."""
        if life.disk.unwritten:
            return
        if past is None or fingerprint(past.engine) != fingerprint(life.engine):
            self.checkers.broken(
                "I6",
                None,
                "the journal, executed again, gives another belief: something in the engine depends on more"
                " than it was told",
            )

    async def downtime(self) -> None:
        """Until somebody starts the engine again; in the calm that is soon.

        It does not start where there is no room for its journal, nor on another account.
        """
        until_ns = self.loop.now_ns + (1, 4, 20)[self.choices.draw("downtime", 3)] * SECOND_NS
        await self._until(min(until_ns, max(self.calm_ns, self.loop.now_ns + SECOND_NS)))
        while self.is_disk_full() or self.server.is_switched:
            await self._until(self.loop.now_ns + SECOND_NS)

    def settings_may_change(self) -> None:
        """Whoever starts the engine again may have set something otherwise."""
        if self.faults.has(Fault.SETTINGS) and (rules := changed(self.rules, self.choices)) != self.rules:
            self.saw("other settings")
            self.rules = rules
            self.checkers.hold_to(rules)

    async def _until(self, at_ns: int) -> None:
        sent_on = self.loop.create_future()
        self.loop.call_at_ns(at_ns, wake, sent_on)
        await sent_on

    def _knows_less(self, records: Sequence[Record]) -> bool:
        told = {record.body.order_id for record in records if isinstance(record.body, OrderAnswered)} | {
            record.body.row.order_id for record in records if isinstance(record.body, OrderUpdated)
        }
        return any(order_id not in told for order_id in self.server.ours)

    def recovered(self, records: Sequence[Record]) -> Past | None:
        """What a journal says that the engine knew.

        Raises:
            JournalError: executed again it gives something else (I6).
        """
        return recover(records, guards=self.walls.guards, check=self.walls.check, stamp=unstamped)

    # --- the market -------------------------------------------------------------------------------

    def _depth(self, order: PaperOrder, _price: Paise) -> int:
        """What the other side of the book has for this order."""
        until_ns, side = self._one_sided.get(order.symbol, (0, 0))
        if self.loop.now_ns < until_ns and side in (0, order.side.sign) and order.strategy != BY_HAND:
            return 0
        left = order.remaining
        if left > 1 and self.faults.strikes(Fault.FILLS, "in parts"):
            self.saw("partial fill")
            return 1 + self.choices.draw("part", left - 1)
        return left

    def _feed(self, tick: Tick) -> None:
        """A print on its way to the engine."""
        now_ns = self.loop.now_ns
        if now_ns < self._feed_mute_until_ns or self.server.is_down:
            return
        kind = self.faults.kind(
            Fault.FEED, "print", ("lost", "doubled", "absurd", "zero", "held back", "mute", "broken"), rarer=4
        )
        match kind:
            case "lost":
                return
            case "held back":
                self._hold_until_ns = now_ns + 8 * SECOND_NS
                self.loop.call_at_ns(self._hold_until_ns, self._release)
            case "mute":
                self._feed_mute_until_ns = now_ns + (8 + 12 * self.choices.draw("mute", 2)) * SECOND_NS
                return
            case "broken":
                # The adapter reconnects by itself; nobody hears of it but by what is missing.
                self.saw("feed reconnects")
                self._feed_mute_until_ns = now_ns + (1 + 2 * self.choices.draw("reconnect", 3)) * SECOND_NS
                return
            case "absurd" | "zero":
                self._hear(Tick(tick.symbol, tick.at_ns, tick.price * 10 if kind == "absurd" else 0))
            case "doubled":
                self._hear(tick)
        if now_ns < self._hold_until_ns:
            self._held_back.append(tick)
        else:
            self._hear(tick)

    def _release(self) -> None:
        """A burst: all that was held back comes at once, the last two the wrong way round."""
        ticks, self._held_back, self._hold_until_ns = self._held_back, [], 0
        if len(ticks) > 1:
            self.saw("burst")
            ticks[-2:] = reversed(ticks[-2:])
        for tick in ticks:
            self._hear(tick)

    def _hear(self, tick: Tick) -> None:
        """What the adapter lets through: it does not believe a price far from the last (`PriceSanity`)."""
        if self.life is None or tick.price <= 0 or not self._sanity[tick.symbol].accepts(tick.price):
            return
        if kind := self.faults.kind(Fault.CLOCK, "stamp", (-700, 400)):
            tick = Tick(tick.symbol, tick.at_ns + kind * MS_NS, tick.price)
        self.checkers.heard(tick)
        self.life.feed.put(tick)

    # --- other hands, the clock, the operator -----------------------------------------------------

    def _mischief(self) -> None:
        """Every few seconds, whatever else may go wrong has its chance."""
        self.loop.call_at_ns(self.loop.now_ns + MISCHIEF_NS, self._mischief)
        self.checkers.now_ns = self.loop.now_ns
        faults = self.faults
        for fault, act in self._timed.items():
            if faults.strikes(fault, fault.value, rarer=RARER.get(fault, 2)):
                act()

    def _some(self) -> str:
        return SYMBOLS[self.choices.draw("symbol", len(SYMBOLS))]

    def _seconds(self, *menu: int) -> int:
        return menu[self.choices.draw("span", len(menu))] * SECOND_NS

    def _stream_breaks(self) -> None:
        if self.choices.draw("stream breaks", 2):
            self.server.stream_goes_mute(self._seconds(2, 6))
        else:
            self.server.stream_goes_down(self._seconds(1, 5, 20))

    def _market_breaks(self) -> None:
        symbol, now_ns = self._some(), self.loop.now_ns
        match self.choices.draw("market", 3):
            case 0:
                self.saw("halt")
                self._halted[symbol] = until_ns = now_ns + self._seconds(10, 20)
                self._one_sided[symbol] = until_ns, 0
            case side:
                self.saw("circuit")
                self._one_sided[symbol] = now_ns + self._seconds(5, 20, 40), (1, -1)[side - 1]

    def _hands(self) -> None:
        """A person trades on the account, or ends an order of ours."""
        symbol = self._some()
        truth = self.checkers.truths[symbol]
        working = [order_id for order_id, order in truth.orders.items() if order.is_working]
        if working and self.choices.draw("hand", 2):
            self.server.take_away(working[-1], OrderStatus.CANCELLED)
            return
        if symbol not in self.last:
            return
        quantity = (truth.planned, 1, 2 * truth.planned)[self.choices.draw("hand's quantity", 3)]
        side = (Side.SELL, Side.BUY)[self.choices.draw("hand's side", 2)]
        self.saw("other hand")
        self.exchange.place(
            symbol, side, PriceType.MARKET, Terms(quantity, 0), self.loop.now_ns, strategy=BY_HAND
        )
        self.server.push()

    def _square_off(self) -> None:
        self.saw("square-off")
        self.exchange.cancel_all(self.loop.now_ns)
        self.exchange.close_positions(self.loop.now_ns)
        self.server.push()

    def _clock_steps(self) -> None:
        self.skew_ns = self._seconds(0, 1, 3, -4)

    def wall_skew_ns(self) -> int:
        """How far the wall clock is ahead of the boot-time clock."""
        return self.skew_ns

    def _operator(self) -> None:
        if self.life is not None and self.life.is_on:
            symbol: str | None = (None, self._some())[self.choices.draw("of one symbol", 2)]
            command = COMMANDS[self.choices.draw("command", len(COMMANDS))]
            self.life.supervisor.pump.put(Commanded(self.loop.now_ns, command, symbol))

    def _stops(self) -> None:
        if self.life is not None and self.life.is_on:
            self.saw("orderly stop")
            self.life.supervisor.request_stop()

    def is_disk_full(self) -> bool:
        """Whether nothing can be written now."""
        return self.loop.now_ns < min(self._full_until_ns, self.calm_ns)

    def _disk_fills(self) -> None:
        self._full_until_ns = self.loop.now_ns + self._seconds(2, 10, 40)
        if self.choices.draw("resumed after", 2):
            self.loop.call_at_ns(self._full_until_ns + SECOND_NS, self._resume)

    def _resume(self) -> None:
        if self.life is not None and self.life.is_on:
            self.life.supervisor.pump.put(Commanded(self.loop.now_ns, Command.RESUME))

    def _session_ends(self) -> None:
        for_ns = min(self._seconds(5, 15, 40), self.calm_ns - self.loop.now_ns)
        self.server.end_session(for_ns)
        if self.choices.draw("streams end too", 2):
            self.server.stream_goes_down(for_ns)
            self._feed_mute_until_ns = self.loop.now_ns + for_ns

    def _mode_switches(self) -> None:
        self.server.switch(self._seconds(2, 10, 30))

    def _semi_auto(self) -> None:
        self.server.ask_approval(self._seconds(2, 10, 30))

    def _server_restarts(self) -> None:
        self.saw("server restart")
        self.server.go_down(self._seconds(2, 5, 12))


def plan_of(symbol: str, choices: Choices) -> Plan:
    """What is traded of this symbol on a day, by the 80-20."""
    direction = (Direction.LONG, Direction.SHORT)[choices.draw("direction", 2, one_in=4)]
    session = Session(DAY, OPEN_NS, OPEN_NS, EXIT_NS, CLOSE_NS)
    setup = Setup(symbol, DAY, ENTRY, ENTRY - direction * 50, 5, 2_00, direction)
    rules = EightyTwentyRules(
        trigger_window_ns=EXIT_NS - OPEN_NS,
        bar_ns=20 * SECOND_NS,
        reenters_at_once=bool(choices.draw("re-enters at once", 2)),
    )
    return Plan(setup, session, EightyTwenty(setup, session, rules))
