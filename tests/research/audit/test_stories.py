"""The races' stories, audited from their journals: the engine's own days pass, each twin's is found out."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from olaf_async.core.guards import STANDARD
from olaf_async.domain.events import Verb
from olaf_async.domain.intents import Say
from olaf_async.domain.order import Role
from olaf_async.ports.journal import Entry, Record
from olaf_async.research.audit.account import Case, Promise, Verdict
from olaf_async.research.audit.judge import judge
from olaf_async.research.audit.witness import listen
from tests.journals import header_of
from tests.races import test_also_seen as also_seen
from tests.races import test_race_04_reentry as race_4
from tests.races import test_race_05_exit_at_the_deadline as race_5
from tests.races import test_race_08_stop_for_a_closed_position as race_8
from tests.races.walls import NO_WALL_LEFT, checks_nothing
from tests.races.world import ENTRY, SHARES, UNDERCUT, World, play


def case_of(world: World) -> Case:
    """The world's day as an audit of its journal has it."""
    header = header_of([*world.plans.values()], world.rules)
    witness = listen([Record(0, Entry.HEADER, 0, header, None), *world.journal.records])
    assert witness is not None
    return witness.case(witness.account, is_over=False)


def broken(world: World) -> set[Promise]:
    return {proof.promise for proof in judge(case_of(world)) if proof.verdict is Verdict.BROKEN}


REENTRY = race_4.the_fill_of_an_entry_is_not_yet_known_when_the_next_is_due
DEADLINE = race_5.the_stop_fills_while_it_is_cancelled_for_the_exit
BY_HAND = race_8.somebody_sells_while_the_stop_waits_to_be_sent
SIX_TIMES = also_seen.the_setup_triggers_and_is_stopped_out_six_times
REFUSED = also_seen.the_stop_is_refused_again_and_again_while_prints_rain

Played = Callable[[], World]
SAFE: dict[str, Played] = {
    "a fill not yet known when the next entry is due": lambda: play(REENTRY),
    "a stop that fills while it is cancelled": lambda: play(DEADLINE, race_5.PLAN),
    "somebody sells while the stop waits": lambda: play(BY_HAND, rules=race_8.ONE_ORDER_A_SECOND),
    "stopped out again and again": lambda: play(SIX_TIMES),
    "a stop refused again and again": lambda: play(REFUSED),
    "an entry in five parts": lambda: play(also_seen.an_entry_fills_in_five_parts),
    "a person sells some": lambda: play(race_8.a_person_sells_some_while_the_stop_stands),
    "a person sells all": lambda: play(race_8.a_person_sells_all_while_the_stop_stands),
}
TWINS: dict[str, tuple[Played, Promise]] = {
    "buys twice": (lambda: play(REENTRY, **NO_WALL_LEFT), Promise.ONE_POSITION),
    "sells what its stop sells": (
        lambda: play(DEADLINE, race_5.PLAN, guards=race_5.HASTY, check=checks_nothing),
        Promise.ONE_POSITION,
    ),
    "sells what somebody sold": (
        lambda: play(
            BY_HAND,
            rules=race_8.ONE_ORDER_A_SECOND,
            guards=replace(STANDARD, shares_to_close=race_8.closes_what_was_asked),
        ),
        Promise.ONE_POSITION,
    ),
    "never gives a refused stop up": (
        lambda: play(REFUSED, rules={"chase_ns": 0, "stop_rejections_max": 1_000}),
        Promise.STOPPED,
    ),
}


@pytest.mark.parametrize("played", SAFE.values(), ids=SAFE)
def test_the_engine_s_own_day_is_safe(played: Played) -> None:
    assert broken(played()) == set()


@pytest.mark.parametrize(("played", "promise"), TWINS.values(), ids=TWINS)
def test_a_twin_s_day_is_not(played: Played, promise: Promise) -> None:
    assert promise in broken(played())


@pytest.mark.parametrize("seconds", [2, 4])
def test_the_audit_s_milliseconds_and_the_engine_s_alarm_agree(seconds: int) -> None:
    async def slow_stop(world: World) -> None:
        gate = world.broker.keep_request(Verb.PLACE, Role.STOP)
        await world.prints(UNDERCUT, ENTRY - 1_00, ENTRY, pause_s=0.5)
        assert world.position() == SHARES
        await world.wait(seconds)
        gate.open()
        await world.wait(1)

    world = play(slow_stop)
    bodies = [record.body for record in world.journal.records]
    has_alarmed = any(isinstance(body, Say) and body.code == "unprotected" for body in bodies)
    assert has_alarmed is (seconds == 4)
    assert (Promise.IN_TIME in broken(world)) is has_alarmed
    spells = case_of(world).spells
    assert spells is not None
    assert spells[0].bare_ns // 1_000_000_000 == seconds
