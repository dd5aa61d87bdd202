"""The power goes at every point of a day, one after another; each time the engine is started again.

Nothing is sampled but where a second cut is said to be. Where the machine stays off for a while it matters no
more in which order things happened at the end, only what had been written and what had been sent: so there
the cuts are at each write and before each request, and at the others they are before each callback.
"""

from collections.abc import Callable, Iterable
from functools import cache
from itertools import groupby

import pytest

from olaf_async.domain.trade import ExitReason
from olaf_async.ports.journal import Entry
from tests.crash.day import ALL, CrashDay, Cut, Life, Outage, What
from tests.crash.truth import course, faults, naked_ns
from tests.races.world import ENTRY, SHARES

SLICES = 8
FALL = Outage(30, (ENTRY - 4_00, ENTRY - 12_00, ENTRY - 12_00, ENTRY - 13_00, ENTRY + 3_00))
"""Through every stop, and back to where the entry may be tried again."""
RISE = Outage(6, (ENTRY + 50, ENTRY + 60))
"""Through an entry that rests."""
CROSS = Outage(20, (ENTRY + 50, ENTRY + 60, ENTRY - 12_00))
"""Through an entry that rests, and then through where its stop should have been."""
HAND = Outage(6, (ENTRY + 2_00,), is_closed_by_hand=True)
"""A person sees that the machine is dead, cancels everything and sells what is held."""


@cache
def calm(outage: Outage | None = None) -> Life:
    """What there is to cut: the same day with the power on."""
    return CrashDay(outage=outage).play().lives[0]


def at_each(what: What, lost: int = 0, outage: Outage | None = None) -> list[Cut]:
    """A cut at each of them."""
    return [Cut(what, number, lost) for number in range(1, calm(outage).counts[what] + 1)]


def losing_all() -> list[Cut]:
    """Before each callback, where there is something that the disk may lose."""
    left = 0
    by_callback = dict[int, int]()
    for unsynced, callback in calm().unsynced:
        by_callback[callback] = unsynced
    cuts = []
    for cut in at_each(What.CALLBACK, ALL):
        left = by_callback.get(cut.number - 1, left)
        if left:
            cuts.append(cut)
    return cuts


def losing_each_tail() -> list[Cut]:
    """At each write, each number of writes that the disk may lose."""
    return [
        Cut(What.WRITE, number, lost)
        for number, (unsynced, _) in enumerate(calm().unsynced, 1)
        for lost in range(unsynced + 1)
    ]


def while_off(outage: Outage) -> list[Cut]:
    """At each write and before each request, with everything kept and with all lost that can be."""
    return [
        cut for what in (What.WRITE, What.CALL) for lost in (0, ALL) for cut in at_each(what, lost, outage)
    ]


def survives(cuts: Iterable[Cut], outage: Outage | None = None) -> None:
    """Each of them alone, and nothing that must not happen."""
    for cut in cuts:
        day = CrashDay(cut, outage=outage).play()
        assert list(faults(day)) == [], (cut, [life.alarms.said for life in day.lives])
        assert len(day.lives) == 2


SWEEPS: dict[str, Callable[[], list[Cut]]] = {
    "each callback": lambda: at_each(What.CALLBACK),
    "each callback, the unsynced lost": losing_all,
    "each write, each tail lost": losing_each_tail,
    "each request": lambda: at_each(What.CALL),
}
OUTAGES = {"falls": FALL, "rises": RISE, "crosses": CROSS, "closed by hand": HAND}


@pytest.mark.parametrize("part", range(SLICES))
@pytest.mark.parametrize("sweep", SWEEPS)
def test_power_that_comes_back_at_once_leaves_one_position_protected_and_the_belief_true(
    sweep: str, part: int
) -> None:
    survives(SWEEPS[sweep]()[part::SLICES])


@pytest.mark.parametrize("part", range(SLICES // 2))
@pytest.mark.parametrize("market", OUTAGES)
def test_power_that_stays_away_while_the_market_moves_does_so_too(market: str, part: int) -> None:
    survives(while_off(OUTAGES[market])[part :: SLICES // 2], OUTAGES[market])


def test_the_day_has_in_it_what_is_to_be_survived() -> None:
    day = CrashDay().play()
    assert list(faults(day)) == []
    assert day.outcome is not None
    assert [trade.reason for trade in day.outcome.trades] == [ExitReason.STOP, ExitReason.SESSION_END]
    assert all(trade.final_stop > trade.initial_stop for trade in day.outcome.trades), (
        "both stops were raised"
    )
    held = [shares for shares, _ in groupby(moment.held for moment in course(day))]
    assert held == 2 * [0, 4, 10, 6] + [0], "entry, stop and exit all fill in parts"


def test_there_are_as_many_cuts_as_is_said() -> None:
    at_once = {name: len(cuts()) for name, cuts in SWEEPS.items()}
    off = {name: len(while_off(outage)) for name, outage in OUTAGES.items()}
    print(f"cut points: {at_once}, {off}: {sum(at_once.values()) + sum(off.values())} in all")  # noqa: T201
    assert at_once["each callback"] > 700
    assert at_once["each callback, the unsynced lost"] > 500
    assert at_once["each write, each tail lost"] > 250
    assert all(count > 200 for count in off.values())


@pytest.mark.parametrize("first", range(10, 700, 46))
def test_a_second_cut_while_the_first_is_being_recovered_from_is_survived(first: int) -> None:
    for second in (*range(1, 40, 3), *range(40, 120, 20)):
        for lost in (0, ALL):
            day = CrashDay(Cut(What.CALLBACK, first, lost), Cut(What.CALLBACK, second, lost)).play()
            assert list(faults(day)) == [], (first, second, lost)


def test_shares_that_were_filled_while_the_power_was_off_have_a_stop_soon_after_the_first_books() -> None:
    at_once = undecided = 0
    for cut in (*at_each(What.WRITE, 0, RISE), *at_each(What.CALL, 0, RISE)):
        day = CrashDay(cut, outage=RISE).play()
        moments, life = course(day), day.lives[1]
        at_boot = [moment for moment in moments if moment.at_ns <= life.began_ns][-1]
        if (at_boot.held, at_boot.selling) == (SHARES, 0):
            # A stop that may have been sent has to be looked for twice before another is.
            is_undecided = day.lives[0].disk.records()[-1].entry is Entry.SENDING
            assert naked_ns(day, life, moments) < (1_100_000_000 if is_undecided else 100_000_000), cut
            undecided += is_undecided
            at_once += not is_undecided
    assert at_once > 5
    assert undecided > 2
