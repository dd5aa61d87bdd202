"""The metrics have the names that the documentation gives, and the figures that are in the report."""

import re
from dataclasses import replace
from pathlib import Path

from olaf_async.research.metrics import metrics_of
from olaf_async.research.results import Watch
from olaf_async.research.safety_figures import Limits, SafetyFigures, Verdict, checks, safety_figures
from tests.research.made_days import CALM, day

LIMITS = Limits(attempts_max=3, unprotected_ms_max=3000)
MS_NS = 1_000_000
WATCH = Watch(120, 118, (0, 4 * MS_NS), (9 * MS_NS, 30 * MS_NS, 20 * MS_NS))
DOCS = Path(__file__).parents[2] / "docs" / "audit.md"


def figures() -> SafetyFigures:
    """Of a live day."""
    return safety_figures([replace(day(*CALM), watch=WATCH)])


def test_every_metric_is_documented_and_no_other() -> None:
    names = [metric.name for metric in metrics_of(figures(), LIMITS)]
    written = re.findall(r"`(olaf_\w+)`", DOCS.read_text(encoding="utf-8"))
    assert sorted(written) == sorted(names)


def test_the_metrics_are_the_figures() -> None:
    found = {metric.name: metric.value for metric in metrics_of(figures(), LIMITS)}
    assert (found["olaf_entries_filled_most"], found["olaf_entries_allowed"]) == (1, 3)
    assert (found["olaf_stops_at_first_try_total"], found["olaf_stops_needed_total"]) == (1, 1)
    assert found["olaf_unprotected_worst_ms"] == 60
    assert (found["olaf_polls_total"], found["olaf_polls_agreed_total"]) == (120, 118)
    assert (found["olaf_lock_hold_p50_ms"], found["olaf_lock_hold_worst_ms"]) == (20, 30)


def test_a_replay_has_no_polls_and_no_lock_to_wait_for() -> None:
    names = {metric.name for metric in metrics_of(safety_figures([day(*CALM)]), LIMITS)}
    assert not any("poll" in name or "lock" in name for name in names)


def test_a_live_day_reports_polls_and_locks_and_a_read_that_differed_is_worth_a_look() -> None:
    told = {check.what: check for check in checks(figures(), LIMITS)}
    assert told["books read that agreed"].measured == "118 of 120"
    assert told["books read that agreed"].verdict is Verdict.NOTED
    assert told["longest wait for a lock"].measured == "4 ms (p50 0, p95 4)"
    assert told["longest hold of a lock"].measured == "30 ms (p50 20, p95 30)"


def test_watches_of_several_days_are_one() -> None:
    both = safety_figures([replace(day(*CALM), watch=WATCH), replace(day(*CALM), watch=WATCH)])
    assert both.watch == Watch(240, 236, WATCH.lock_waits_ns * 2, WATCH.lock_holds_ns * 2)
