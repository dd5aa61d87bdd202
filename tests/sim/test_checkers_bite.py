"""Each promise, broken once: by an engine with a part of it gone, or by one wrong act at the exchange.

The acts are done at the exchange of a calm world, and the checkers look on as they do on a simulated day.
Beside each wrong act stands the right one, of which nothing is said. I2, I3 and I4 are broken on whole days
in `test_days` too.
"""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from olaf_async.core.engine import Engine
from olaf_async.domain.events import BarClosed, Command, Commanded, Event, PriceTouched
from olaf_async.domain.intents import Intent, PlaceOrder, Say, Severity
from olaf_async.domain.order import PriceType, Role, Side, Terms
from olaf_async.ports.feed import Tick
from olaf_async.ports.journal import Line
from olaf_async.shell.poller import Poller
from olaf_async.shell.scribe import Scribe
from olaf_async.shell.supervisor import Supervisor
from olaf_async.sim.campaign import Plan, run_days
from olaf_async.sim.checkers import NEWS_NS, PATIENCE_NS, PROMISES
from olaf_async.sim.choices import calm
from olaf_async.sim.faults import SECOND_NS, Fault
from olaf_async.sim.power import PowerLoop
from olaf_async.sim.world import ENTRY, OPEN_NS, World

ABC = "ABC"
PLANNED = 10
STOP = ENTRY - 2_00


# --- whole days -----------------------------------------------------------------------------------


def broken_on(seeds: range, faults: tuple[Fault, ...] = ()) -> set[str]:
    """The promises that are broken first on these days."""
    return {day.violations[0].promise for day in run_days(seeds, Plan(faults=faults)) if day.violations}


def test_i5_an_engine_of_which_a_part_dies_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def dies(_engine: Supervisor) -> None:
        raise ValueError("planted")

    monkeypatch.setattr(Supervisor, "_follow_news", dies)
    assert broken_on(range(3)) == {"I5"}


def test_i6_an_engine_that_does_not_write_down_all_it_hears_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    write = Scribe.write

    def forgets_bars(scribe: Scribe, *lines: Line) -> bool:
        return write(scribe, *(line for line in lines if not isinstance(line.body, BarClosed)))

    monkeypatch.setattr(Scribe, "write", forgets_bars)
    assert broken_on(range(24)) == {"I6"}


def test_i6_an_engine_that_changes_its_mind_without_being_told_anything_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = Supervisor._judge

    def forgets_what_it_holds(engine: Supervisor) -> None:
        judge(engine)
        engine.engine.traders[ABC].state.account_net += 1

    monkeypatch.setattr(Supervisor, "_judge", forgets_what_it_holds)
    days = list(run_days(range(12), Plan(faults=(Fault.RESTART,))))
    assert {one.text[:38] for day in days for one in day.violations if one.promise == "I6"} == {
        "the journal, executed again, gives ano"
    }


def test_i8_an_engine_that_keeps_order_updates_waiting_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def dawdles(engine: Supervisor) -> None:
        async for event in engine._ports.broker.news():
            await engine._clock.sleep_until_ns(engine._clock.now_ns() + 20 * SECOND_NS)
            engine.pump.put(event)

    monkeypatch.setattr(Supervisor, "_follow_news", dawdles)
    assert broken_on(range(3)) == {"I8"}


def test_e1_e2_e4_an_engine_that_never_reads_the_books_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleeps(_poller: Poller) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Poller, "run", sleeps)
    days = list(run_days(range(30), Plan(faults=tuple(Fault))))
    assert {day.violations[0].promise for day in days if day.violations} >= {"E1", "E2", "E4"}
    assert any("is believed ending with" in one.text for day in days for one in day.violations)


def test_e5_an_engine_that_only_halts_where_it_should_sell_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    handle = Engine.handle

    def only_halts(engine: Engine, event: Event) -> list[Intent]:
        if isinstance(event, Commanded) and event.command in (Command.KILL, Command.FLATTEN):
            event = replace(event, command=Command.HALT)
        return handle(engine, event)

    monkeypatch.setattr(Engine, "handle", only_halts)
    assert broken_on(range(60), (Fault.OPERATOR,)) == {"E5"}


# --- one act --------------------------------------------------------------------------------------


class Hand:
    """Does at the exchange what an engine might, in its name, with the checkers looking on."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.checkers = world.checkers
        self.checkers.now_ns = OPEN_NS
        self._requests = 0

    def asks(self, role: Role, shares: int = PLANNED, price_type: PriceType = PriceType.SL) -> PlaceOrder:
        """An order as the engine words it: a market order fills at once, all others rest."""
        self._requests += 1
        side = Side.BUY if role is Role.ENTRY else Side.SELL
        terms = {
            PriceType.MARKET: Terms(shares, 0),
            PriceType.LIMIT: Terms(shares, ENTRY + 5_00),
            PriceType.SL: Terms(shares, ENTRY + 6_00, ENTRY + 5_00)
            if side is Side.BUY
            else Terms(shares, STOP - 1_00, STOP),
        }[price_type]
        key = f"{ABC}/{self._requests}-{role.value}"
        return PlaceOrder(ABC, self._requests, key, role, side, price_type, terms)

    def places(self, role: Role, shares: int = PLANNED, price_type: PriceType = PriceType.SL) -> str:
        """An order of ours arrives at the exchange; nothing is said of how it was sent."""
        order_id = self.world.server._act(self.asks(role, shares, price_type))
        self.checkers.changed()
        return order_id

    def buys(self, shares: int = PLANNED) -> None:
        """An entry of ours is filled at once."""
        self.places(Role.ENTRY, shares, PriceType.MARKET)

    def sends(self, role: Role) -> PlaceOrder:
        """An order call leaves, as is right: written down, on a fresh print. It does not arrive."""
        intent = self.asks(role)
        self.checkers.kept(intent)
        self.hears()
        self.checkers.sending(intent)
        return intent

    def hears(self, price: int = ENTRY) -> None:
        """A print now, at the exchange and at the engine."""
        now_ns = self.checkers.now_ns
        self.world.exchange.on_print(ABC, price, now_ns)
        self.checkers.changed()
        self.checkers.heard(Tick(ABC, now_ns, price))

    def waits(self, span_ns: int) -> None:
        """Let time pass, and look."""
        self.checkers.time_passed()
        self.checkers.now_ns += span_ns
        self.checkers.time_passed()

    def alarms(self) -> None:
        """A person is called."""
        self.checkers.said(Say(ABC, Severity.ALARM, "unprotected", "shares without a stop"))

    @property
    def broken(self) -> list[str]:
        """The promises broken until now."""
        return [one.promise for one in self.checkers.violations]

    @property
    def fresh(self) -> Engine:
        """An engine that knows of nothing."""
        return Engine(self.world.plans.values(), self.world.rules)


@pytest.fixture
def hand() -> Iterator[Hand]:
    """The price stands at the entry, nothing is held, nothing works, and nothing is broken."""
    with ExitStack() as stack:
        loop = PowerLoop(start_ns=OPEN_NS)
        stack.callback(loop.close)
        it = Hand(World(loop, calm(), ()))
        it.hears()
        yield it


def test_i1_an_entry_beside_another(hand: Hand) -> None:
    hand.places(Role.ENTRY, 5)
    assert hand.broken == []
    hand.places(Role.ENTRY, 5)
    assert hand.broken == ["I1"]


def test_i1_an_entry_beside_shares(hand: Hand) -> None:
    hand.buys(5)
    assert hand.broken == []
    hand.places(Role.ENTRY, 5)
    assert hand.broken == ["I1"]


def test_i2_more_bought_than_planned(hand: Hand) -> None:
    hand.buys(PLANNED + 1)
    assert hand.broken == ["I2"]


def test_i2_more_sold_than_held(hand: Hand) -> None:
    hand.buys(5)
    hand.places(Role.EXIT, 5, PriceType.MARKET)
    assert hand.broken == []
    hand.places(Role.EXIT, 1, PriceType.MARKET)
    assert hand.broken == ["I2"]


def test_i2_more_for_sale_than_held(hand: Hand) -> None:
    hand.buys(5)
    hand.places(Role.STOP, 5)
    assert hand.broken == []
    hand.places(Role.EXIT, 1, PriceType.LIMIT)
    assert hand.broken == ["I2"]


def test_i3_sent_without_having_been_written_down(hand: Hand) -> None:
    hand.sends(Role.ENTRY)
    assert hand.broken == []
    hand.checkers.sending(hand.asks(Role.ENTRY))
    assert hand.broken == ["I3"]


def test_i3_an_entry_that_a_full_disk_could_not_keep_but_not_a_stop(hand: Hand) -> None:
    stop, entry = hand.asks(Role.STOP), hand.asks(Role.ENTRY)
    hand.checkers.unkept(stop)
    hand.checkers.sending(stop)
    assert hand.broken == []
    hand.checkers.unkept(entry)
    hand.checkers.sending(entry)
    assert hand.broken == ["I3"]


def test_i3_a_journal_that_fails_in_silence(hand: Hand) -> None:
    hand.checkers.journal_failed()
    hand.waits(0)
    assert hand.broken == []
    hand.waits(1)
    assert hand.broken == ["I3"]


def test_i4_an_entry_sent_while_another_may_still_arrive(hand: Hand) -> None:
    hand.world.server.call(hand.sends(Role.ENTRY))
    assert hand.broken == []
    hand.sends(Role.ENTRY)
    assert hand.broken == ["I4"]


def test_i4_an_entry_sent_while_a_sell_still_works(hand: Hand) -> None:
    hand.buys()
    hand.places(Role.STOP)
    hand.sends(Role.EXIT)
    assert hand.broken == []
    hand.sends(Role.ENTRY)
    assert hand.broken == ["I4"]


@pytest.mark.parametrize("command", [Command.HALT, Command.KILL])
def test_i4_an_entry_sent_after_a_person_has_forbidden_it(hand: Hand, command: Command) -> None:
    hand.checkers.commanded(command, None, OPEN_NS)
    hand.checkers.commanded(Command.RESUME, None, OPEN_NS)
    hand.waits(1)
    hand.sends(Role.ENTRY)
    assert hand.broken == []
    hand.checkers.commanded(command, None, hand.checkers.now_ns)
    hand.waits(1)
    hand.sends(Role.ENTRY)
    assert hand.broken == ["I4"]


@pytest.mark.parametrize("role", [Role.STOP, Role.EXIT])
def test_i4_a_second_order_that_closes_beside_one_that_may_still_arrive(hand: Hand, role: Role) -> None:
    hand.buys()
    hand.world.server.call(hand.sends(role))
    assert hand.broken == []
    hand.sends(role)
    assert hand.broken == ["I4"]


def test_i4_a_second_stop_beside_one_that_stands(hand: Hand) -> None:
    hand.buys()
    hand.places(Role.STOP)
    hand.sends(Role.STOP)
    assert hand.broken == ["I4"]


@pytest.mark.parametrize("code", ["task_died", "pump_died", "backlog", "cancel_failed"])
def test_i5_an_engine_that_says_that_something_of_it_has_died(hand: Hand, code: str) -> None:
    hand.checkers.said(Say(None, Severity.ALARM, "unprotected", "shares without a stop"))
    assert hand.broken == []
    hand.checkers.said(Say(None, Severity.ALARM, code, "planted"))
    assert hand.broken == ["I5"]


def test_i5_a_freeze_over_what_nobody_else_did(hand: Hand) -> None:
    hand.checkers.said(Say(ABC, Severity.ALARM, "frozen", "a person has halted it"))
    assert hand.broken == []
    hand.checkers.said(Say(ABC, Severity.ALARM, "frozen", "10 held, where our fills add up to 0"))
    assert hand.broken == ["I5"]


def test_i7_more_calls_in_a_second_than_the_limit(hand: Hand) -> None:
    most = hand.world.rules.max_orders_per_s
    for _ in range(2):
        hand.checkers.now_ns += SECOND_NS
        for _ in range(most):
            hand.sends(Role.STOP)
    assert hand.broken == []
    hand.sends(Role.STOP)
    assert hand.broken == ["I7"]


def test_i8_an_update_that_waits_for_time_to_pass(hand: Hand) -> None:
    hand.waits(0)
    hand.world.server.told += 1
    hand.waits(0)
    hand.checkers.handled += 1
    hand.waits(1)
    assert hand.broken == []
    hand.world.server.told += 1
    hand.waits(1)
    assert hand.broken == ["I8"]


def test_i9_an_entry_on_an_old_print(hand: Hand) -> None:
    entry, late = hand.asks(Role.ENTRY), hand.asks(Role.ENTRY)
    hand.checkers.kept(entry)
    hand.checkers.kept(late)
    hand.waits(hand.world.rules.stale_feed_ns - 1)
    hand.checkers.sending(entry)
    assert hand.broken == []
    hand.waits(1)
    hand.checkers.sending(late)
    assert hand.broken == ["I9"]


def test_e1_shares_that_the_engine_does_not_believe_in(hand: Hand) -> None:
    hand.checkers.belief(hand.fresh)
    assert hand.broken == []
    hand.buys()
    hand.checkers.belief(hand.fresh)
    assert hand.broken == [], "it may still be on its way to know"
    hand.checkers.now_ns += NEWS_NS
    hand.checkers.belief(hand.fresh)
    assert hand.broken == ["E1"]
    hand.checkers.violations.clear()
    engine = hand.fresh
    engine.traders[ABC].state.account_net = PLANNED
    hand.checkers.truths[ABC].orders.clear()
    hand.checkers.belief(engine)
    assert [one.text for one in hand.checkers.violations] == ["0 shares are believed held, 10 are"]


def test_e1_shares_of_others_that_the_engine_does_not_know_of(hand: Hand) -> None:
    hand.checkers.truths[ABC].by_others(3)
    hand.checkers.belief(hand.fresh)
    texts = [one.text for one in hand.checkers.violations]
    assert (hand.broken, texts) == (["E1"], ["the account is believed to hold 0, it holds 3"])


def test_e1_an_order_that_the_engine_does_not_know_of(hand: Hand) -> None:
    hand.places(Role.ENTRY)
    hand.checkers.now_ns += NEWS_NS
    hand.checkers.belief(hand.fresh)
    assert hand.broken == ["E1"]
    assert "the engine knows nothing of" in hand.checkers.violations[0].text


@pytest.mark.parametrize("is_told", [True, False])
def test_e2_shares_that_stay_without_a_stop_until_a_person_is_called(hand: Hand, is_told: bool) -> None:
    hand.buys()
    hand.waits(PATIENCE_NS - 1)
    assert hand.broken == []
    if is_told:
        hand.alarms()
    hand.waits(1)
    hand.checkers.protected()
    assert hand.broken == ([] if is_told else ["E2"])


def test_e2_shares_without_a_stop_once_all_is_calm(hand: Hand) -> None:
    hand.buys()
    hand.places(Role.STOP)
    hand.checkers.protected()
    assert hand.broken == []
    hand.world.exchange.cancel(hand.world.exchange.records()[-1].order_id, OPEN_NS)
    hand.checkers.changed()
    hand.checkers.protected()
    assert hand.broken == ["E2"]


@pytest.mark.parametrize("exit_code", [4, 0])
def test_e2_shares_left_without_a_stop_by_an_engine_that_says_it_is_fine(hand: Hand, exit_code: int) -> None:
    hand.buys()
    hand.waits(NEWS_NS + 1)
    hand.checkers.left_behind(exit_code)
    assert hand.broken == ([] if exit_code else ["E2"])


@pytest.mark.parametrize("is_told", [True, False])
def test_e3_a_stop_that_was_reached_and_sold_nothing(hand: Hand, is_told: bool) -> None:
    """The price is through the stop and its limit."""
    hand.buys()
    hand.places(Role.STOP)
    hand.waits(PATIENCE_NS)
    assert hand.broken == []
    hand.hears(STOP - 50_00)
    hand.waits(PATIENCE_NS - 1)
    assert hand.broken == []
    if is_told:
        hand.alarms()
    hand.waits(1)
    assert hand.broken == ([] if is_told else ["E3"])


@pytest.mark.parametrize("exit_code", [4, 0])
def test_e4_an_entry_left_by_an_engine_that_says_it_is_fine(hand: Hand, exit_code: int) -> None:
    hand.places(Role.ENTRY)
    hand.checkers.left_behind(exit_code)
    assert hand.broken == ([] if exit_code else ["E4"])


def test_e4_an_entry_on_its_way_of_an_engine_that_says_it_is_fine(hand: Hand) -> None:
    hand.checkers.left_behind(0)
    assert hand.broken == []
    hand.world.server.call(hand.sends(Role.ENTRY))
    hand.checkers.left_behind(0)
    assert hand.broken == ["E4"]


def test_e4_a_question_that_is_open_after_the_day(hand: Hand) -> None:
    engine = hand.fresh
    hand.checkers.ended(engine)
    assert hand.broken == []
    engine.handle(PriceTouched(ABC, OPEN_NS, hand.world.plans[ABC].setup.trigger_price))
    assert engine.traders[ABC].state.entry is not None, "it wants to enter, and nothing came of it"
    hand.checkers.ended(engine)
    assert hand.broken == ["E4"]


@pytest.mark.parametrize("command", [Command.HALT, Command.FLATTEN, Command.KILL])
def test_e5_what_a_person_has_ordered_flat_and_is_not(hand: Hand, command: Command) -> None:
    hand.buys()
    hand.places(Role.STOP)
    hand.checkers.commanded(command, None, OPEN_NS)
    hand.checkers.protected()
    assert hand.broken == ([] if command is Command.HALT else ["E5"])


def test_e5_an_order_that_works_after_the_day(hand: Hand) -> None:
    hand.checkers.ended(hand.fresh)
    assert hand.broken == []
    hand.places(Role.ENTRY)
    hand.checkers.ended(hand.fresh)
    assert hand.broken == ["E5"]


def test_e5_shares_that_are_left_after_the_day(hand: Hand) -> None:
    hand.buys()
    hand.checkers.ended(hand.fresh)
    assert hand.broken == ["E5"]


def test_every_promise_to_the_account_is_broken_by_a_test_here() -> None:
    words = {word for name in globals() if name.startswith("test_") for word in name.split("_")}
    assert {promise for promise in PROMISES if promise[0] != "Y" and promise.lower() not in words} == set()
