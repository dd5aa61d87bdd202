"""The crash test would tell: with one part of a restart taken out, it finds what that part prevents."""

from dataclasses import replace
from functools import partial

from olaf_async.core.guards import STANDARD
from olaf_async.ports.journal import Entry
from olaf_async.sim.power import Disk
from tests.crash.day import ALL, CrashDay, Cut, Outage, Parts, What
from tests.crash.test_every_cut import HAND, RISE, at_each, while_off
from tests.crash.truth import faults


def found(parts: Parts, cuts: list[Cut], outage: Outage | None = None) -> set[str]:
    """What goes wrong with these parts in one cut or another, the numbers left out."""
    told = [fault for cut in cuts for fault in faults(CrashDay(cut, outage=outage, parts=parts).play())]
    return {fault.rpartition(": ")[2].lstrip("0123456789. ") for fault in told}


def test_without_the_journals_belief_shares_are_left_without_a_stop() -> None:
    assert "s without protection, and no alarm" in found(Parts(reads_journal=False), at_each(What.CALL))


def test_where_sendings_are_not_waited_for_what_they_bought_is_left_without_a_stop() -> None:
    parts = Parts(new_disk=partial(Disk, durable={Entry.HEADER}))
    assert "s without protection, and no alarm" in found(parts, at_each(What.WRITE, ALL, RISE), RISE)


def test_where_orders_go_before_the_first_books_what_a_person_has_sold_is_sold_again() -> None:
    parts = Parts(guards=replace(STANDARD, is_watched=lambda _state: True))
    assert "more would be sold than is held" in found(parts, while_off(HAND), HAND)
