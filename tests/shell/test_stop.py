"""The orderly stop: entries end with evidence, stops stay, and what cannot be proved is named. S2.

Twice for real: a child process with its own loop and clock, a paper broker and a signal.
"""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import Verb
from olaf_async.domain.intents import CancelOrder, PlaceOrder, Severity
from olaf_async.domain.order import Role, Side
from olaf_async.errors import BrokerRejected, BrokerUndecided
from olaf_async.shell.supervisor import EXIT_FINE, EXIT_UNSAFE
from tests.races.world import ENTRY, OPEN_NS, RISK, SHARES, UNDERCUT, Mood, World, plan_of, play


def named(world: World) -> str:
    """What the alarms about things left behind say."""
    messages = [message for _, message in world.alarms.said if message.code == "left_behind"]
    assert all(message.severity is Severity.ALARM for message in messages)
    return "\n".join(message.text for message in messages)


def ended(world: World) -> int:
    """The exit code of a run that has ended."""
    assert world.outcome is not None, "the run goes on"
    return world.outcome.exit_code


# --- what is clean --------------------------------------------------------------------------------


async def nothing_is_open(world: World) -> None:
    world.supervisor.request_stop()
    await world.wait(1)


def test_s2_with_nothing_open_the_stop_is_immediate() -> None:
    world = play(nothing_is_open)
    assert ended(world) == EXIT_FINE
    assert world.broker.calls == []


async def an_entry_rests(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    world.supervisor.request_stop()
    await world.wait(21)


def test_s2_a_resting_entry_is_cancelled_and_its_end_seen() -> None:
    world = play(an_entry_rests)
    assert ended(world) == EXIT_FINE
    assert [order.status for order in world.orders(Side.BUY)] == ["cancelled"]
    assert world.state().entry is None
    assert named(world) == ""


async def a_position_is_held(world: World) -> None:
    await world.enters()
    world.supervisor.request_stop()
    await world.wait(21)


def test_s2_the_stop_of_a_held_position_stays() -> None:
    world = play(a_position_is_held)
    assert ended(world) == EXIT_FINE
    assert world.protected() == world.position() == SHARES
    assert world.asked(CancelOrder, Role.STOP) == []
    assert named(world) == ""


async def another_hand_has_just_taken_the_stop_away(world: World) -> None:
    await world.enters()
    await world.wait(3)
    world.broker.loses_frames = True
    world.exchange.cancel(world.working(Side.SELL)[0].order_id, world.clock.now_ns())
    world.supervisor.request_stop()
    await world.wait(21)


def test_s2_a_stop_is_looked_at_once_more_before_the_engine_goes() -> None:
    world = play(another_hand_has_just_taken_the_stop_away)
    assert ended(world) == EXIT_FINE
    assert world.protected() == world.position() == SHARES


async def the_stop_goes_as_the_time_for_another_entry_is_over(world: World) -> None:
    await world.enters()
    await world.prints(UNDERCUT, ENTRY - 1_00, symbol="TCS", pause_s=0.5)
    for _ in range(100):
        world.broker.meets(Verb.CANCEL, Mood(fails=BrokerUndecided("504"), acts=False), Role.ENTRY)
    world.supervisor.request_stop()
    await world.wait(14)
    reads = world.broker.reads
    await world.comes_true(lambda: world.broker.reads > reads, within_s=1)
    await world.wait(0.05)
    world.broker.loses_frames = True
    world.exchange.cancel(world.working(Side.SELL)[0].order_id, world.clock.now_ns())
    await world.wait(21)


def test_s2_the_stops_are_looked_at_last_of_all() -> None:
    """While the end of another symbol's entry was waited for, this stop could be taken away unheard."""
    world = play(the_stop_goes_as_the_time_for_another_entry_is_over, plan_of(), plan_of("TCS"))
    assert ended(world) == EXIT_UNSAFE
    assert "TCS" in named(world)
    assert world.protected() == world.position() == SHARES


async def the_stop_goes_and_so_does_the_next(world: World) -> None:
    await world.enters()
    await world.wait(3)
    world.broker.loses_frames = True
    world.supervisor.request_stop()
    for _ in range(2):
        await world.comes_true(lambda: world.working(Side.SELL) != [])
        await world.wait(0.05)
        world.exchange.cancel(world.working(Side.SELL)[0].order_id, world.clock.now_ns())
    await world.wait(21)


def test_s2_what_the_last_look_had_to_mend_is_looked_at_again() -> None:
    world = play(the_stop_goes_and_so_does_the_next)
    assert ended(world) == EXIT_UNSAFE
    assert f"{SHARES} shares without" in named(world)


async def the_entry_fills_during_its_cancel(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    cancel = world.broker.keep_request(Verb.CANCEL, Role.ENTRY)
    world.supervisor.request_stop()
    await world.wait(0.3)
    await world.prints(ENTRY, pause_s=0.2)
    cancel.open()
    await world.wait(21)


def test_s2_a_fill_during_that_cancel_gets_its_stop_before_the_engine_goes() -> None:
    world = play(the_entry_fills_during_its_cancel)
    assert ended(world) == EXIT_FINE
    assert world.protected() == world.position() == SHARES
    assert world.stop_levels() == [ENTRY - RISK]


async def the_entry_fills_in_part_during_its_cancel(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    cancel = world.broker.keep_request(Verb.CANCEL, Role.ENTRY)
    world.supervisor.request_stop()
    await world.wait(0.3)
    world.next_fills = [4]
    await world.prints(ENTRY, pause_s=0)
    cancel.open()
    await world.wait(21)


def test_s2_of_a_part_that_filled_the_part_is_protected() -> None:
    world = play(the_entry_fills_in_part_during_its_cancel)
    assert ended(world) == EXIT_FINE
    assert world.protected() == world.position() == 4


async def an_undercut_comes_after_the_stop_was_asked_for(world: World) -> None:
    await world.enters()
    answer = world.broker.keep_answer(Verb.MODIFY, Role.STOP)
    await world.until_ns(OPEN_NS + 61 * SECOND_NS)
    world.supervisor.request_stop()
    await world.prints(ENTRY - RISK - 5, UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    answer.open()
    await world.wait(21)


def test_s2_no_entry_is_placed_once_the_stop_was_asked_for() -> None:
    world = play(an_undercut_comes_after_the_stop_was_asked_for)
    assert ended(world) == EXIT_FINE
    assert len(world.asked(PlaceOrder, Role.ENTRY)) == 1


async def the_first_stop_is_refused_while_the_engine_stops(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    for _ in range(2):
        world.broker.meets(Verb.PLACE, Mood(fails=BrokerRejected("try again"), acts=False), Role.STOP)
    cancel = world.broker.keep_request(Verb.CANCEL, Role.ENTRY)
    world.supervisor.request_stop()
    await world.wait(0.1)
    await world.prints(ENTRY, pause_s=0.2)
    cancel.open()
    await world.wait(21)


def test_s2_the_engine_does_not_go_before_a_refused_stop_stands_after_all() -> None:
    world = play(the_first_stop_is_refused_while_the_engine_stops)
    assert len(world.asked(PlaceOrder, Role.STOP)) == 3
    assert ended(world) == EXIT_FINE
    assert world.protected() == world.position() == SHARES


async def a_stop_is_asked_for_twice(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    world.supervisor.request_stop()
    world.supervisor.request_stop()
    await world.wait(21)


def test_s2_asking_twice_is_asking_once() -> None:
    world = play(a_stop_is_asked_for_twice)
    assert ended(world) == EXIT_FINE
    assert len(world.asked(CancelOrder, Role.ENTRY)) == 1


# --- what is not ----------------------------------------------------------------------------------


async def the_cancel_is_never_confirmed(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    for _ in range(100):
        world.broker.meets(Verb.CANCEL, Mood(fails=BrokerUndecided("504"), acts=False), Role.ENTRY)
    world.supervisor.request_stop()
    await world.wait(21)


def test_s2_an_entry_whose_end_cannot_be_proved_is_named_and_makes_the_exit_code_4() -> None:
    world = play(the_cancel_is_never_confirmed)
    assert ended(world) == EXIT_UNSAFE == 4
    (entry,) = world.working(Side.BUY)
    assert entry.order_id in named(world)
    assert len(world.asked(CancelOrder, Role.ENTRY)) > 1, "it was tried while there was time"


async def the_broker_says_nothing_any_more(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    world.broker.loses_frames = True
    for _ in range(100):
        world.broker.keep_request(Verb.CANCEL)
        world.broker.keep_request("books")
    world.supervisor.request_stop()
    await world.wait(20.5)


def test_s2_the_wait_for_evidence_is_bounded_though_everything_hangs() -> None:
    world = play(the_broker_says_nothing_any_more)
    assert ended(world) == EXIT_UNSAFE
    assert world.orders(Side.BUY)[0].order_id in named(world)


async def the_stop_of_a_position_cannot_be_placed(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    for _ in range(100):
        refusal = Mood(fails=BrokerRejected("RMS: blocked"), acts=False)
        world.broker.meets(Verb.PLACE, refusal)
    world.supervisor.request_stop()
    await world.prints(ENTRY, pause_s=25)


def test_s2_shares_without_a_stop_are_named() -> None:
    world = play(the_stop_of_a_position_cannot_be_placed)
    assert ended(world) == EXIT_UNSAFE
    assert f"{SHARES} shares without" in named(world)


async def nobody_can_see_the_stop_of_a_position(world: World) -> None:
    await world.enters()
    await world.wait(3)
    for _ in range(100):
        world.broker.keep_request("books")
    world.supervisor.request_stop()
    await world.wait(21)


def test_s2_a_stop_that_could_not_be_looked_at_is_named() -> None:
    world = play(nobody_can_see_the_stop_of_a_position)
    assert ended(world) == EXIT_UNSAFE
    assert f"{SHARES} shares whose stop could not be looked at" in named(world)


async def the_wait_is_cut_short(world: World) -> None:
    await world.prints(UNDERCUT, ENTRY - 1_00, pause_s=0.5)
    world.broker.keep_request(Verb.CANCEL)
    world.supervisor.request_stop()
    await world.wait(1)
    assert world.supervisor.outcome.exit_code == EXIT_FINE, "it is still waiting"
    world.supervisor.force_stop()
    await world.wait(0.1)


def test_s2_a_forced_stop_waits_for_nothing_and_still_names_what_is_open() -> None:
    world = play(the_wait_is_cut_short)
    assert ended(world) == EXIT_UNSAFE
    assert world.orders(Side.BUY)[0].order_id in named(world)


# --- signals, for real ----------------------------------------------------------------------------

ENGINE = """
import asyncio, sys

from olaf_async.adapters.clock import SystemClock
from olaf_async.core.rules import SECOND_NS
from olaf_async.domain.events import Verb
from olaf_async.domain.order import Side
from olaf_async.shell.signals import stop_on_signals
from tests.races.world import ENTRY, UNDERCUT, World, plan_of


async def main():
    clock = SystemClock()
    now_ns = clock.now_ns()
    day = {"open_ns": now_ns - SECOND_NS, "exit_ns": now_ns + 300 * SECOND_NS}
    plan = plan_of(**day, close_ns=now_ns + 600 * SECOND_NS)
    world = World([plan], {}, clock)
    if "hang" in sys.argv:
        world.broker.keep_request(Verb.CANCEL)
    with stop_on_signals(world.supervisor):
        running = asyncio.ensure_future(world.supervisor.run())
        await world.prints(UNDERCUT)
        await world.comes_true(lambda: world.working(Side.BUY))
        await world.prints(ENTRY - 1_00)
        if "held" in sys.argv:
            await world.prints(ENTRY)
            await world.comes_true(world.protected)
        print("ready", flush=True)
        outcome = await running
    orders = [(order.side.value, str(order.status)) for order in world.exchange.records()]
    print(orders, [message.code for _, message in world.alarms.said], flush=True)
    return outcome.exit_code


sys.exit(asyncio.run(main()))
"""
ROOT = Path(__file__).parents[2]


def signalled(*signals: signal.Signals, said: str = "") -> tuple[int, str]:
    """Run the engine in a process of its own, signal it once it is ready; its exit code and last words."""
    process = subprocess.Popen(
        [sys.executable, "-c", ENGINE, said], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for number in signals:
            process.send_signal(number)
        out, _ = process.communicate(timeout=20)
    return process.returncode, out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_engine_in_order(number: signal.Signals) -> None:
    code, out = signalled(number)
    assert code == EXIT_FINE
    assert out == "[('BUY', 'cancelled')] []\n"


def test_a_signal_leaves_the_stop_of_a_position_standing() -> None:
    code, out = signalled(signal.SIGTERM, said="held")
    assert code == EXIT_FINE
    assert out == "[('BUY', 'complete'), ('SELL', 'trigger pending')] []\n"


def test_a_second_signal_ends_the_waiting() -> None:
    code, out = signalled(signal.SIGINT, signal.SIGTERM, said="hang")
    assert code == EXIT_UNSAFE
    assert out == "[('BUY', 'trigger pending')] ['left_behind']\n"
