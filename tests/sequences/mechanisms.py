"""What protects, one row each: what it is, how it is switched off, and the tests that fail then.

Owns the list; `docs/sequences.md` shows it, and `python -m tests.sequences.switch_off` proves it: it switches
each off in a copy of the project and runs its tests there, which have to fail.
"""

from dataclasses import dataclass
from functools import partial

CORE, SHELL = "olaf_async/core", "olaf_async/shell"


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One protection. Where ``on`` stands in ``file``, ``off`` stands once it is switched off.

    ``tests`` are names of tests as pytest takes them; each of them fails then.
    """

    name: str
    file: str
    on: str
    off: str
    tests: tuple[str, ...]


# --- the guards ---------------------------------------------------------------------------------------


def _entry_guard(name: str, what: str, body: str, *more: str) -> Mechanism:
    """One of the claims an entry needs: switched off, it holds whatever is the case."""
    tests = ("tests/core/test_guards.py::test_each_entry_guard_denies_alone", *more)
    return Mechanism(
        f"`{name}`: {what}", f"{CORE}/guards.py", f"    return {body}\n", "    return True\n", tests
    )


def _claim(name: str, what: str, body: str, off: str, *more: str) -> Mechanism:
    """One of the other claims of the table."""
    tests = ("tests/core/test_guards.py::test_what_a_claim_prevents_happens_without_it", *more)
    return Mechanism(
        f"`{name}`: {what}", f"{CORE}/guards.py", f"    return {body}\n", f"    return {off}\n", tests
    )


ENTRY_GUARDS = (
    _entry_guard("has_no_entry_outstanding", "in flight counts as present", "state.entry is None"),
    _entry_guard(
        "is_flat_by_belief",
        "nothing is held, and the trade before is reported",
        "state.held == 0 and state.provisional == 0 and not state.is_unreported",
    ),
    _entry_guard(
        "has_no_closing_order",
        "neither stop nor exit may still sell",
        "state.stop is None and state.exit is None",
    ),
    _entry_guard(
        "has_nothing_undecided",
        "no order of today is unexplained",
        "not state.phantoms",
        "tests/races/test_race_07_checks_one_by_one.py::test_while_a_stop_is_undecided_nothing_new_is_risked",
    ),
    _entry_guard(
        "has_attempts_left", "fewer filled entries than allowed", "state.attempts < state.rules.max_attempts"
    ),
    _entry_guard(
        "is_before_the_exit",
        "inside the session and not leaving",
        "state.session.act_from_ns <= now_ns < state.exit_ns and state.leaving is None",
        "tests/core/test_guards.py::test_an_entry_needs_the_time_between_first_action_and_exit",
    ),
    _entry_guard(
        "is_feed_fresh",
        "the newest print is young enough",
        "now_ns - state.last_ns < state.rules.stale_feed_ns",
        "tests/sequences/test_clocks_and_mode.py::test_on_a_feed_that_has_fallen_silent_no_entry_is_tried_again",
    ),
    _entry_guard(
        "is_level_ahead",
        "the price has not passed the entry",
        "state.last is not None and state.orient(state.last) < state.strategy.entry",
        "tests/core/test_entries.py::test_a_retry_is_denied_where_price_has_passed_the_level_meanwhile",
    ),
    _entry_guard(
        "can_be_protected",
        "its stop would lie at a price that exists",
        "stop_at_entry(state.strategy) >= state.setup.tick_size",
    ),
    _entry_guard("is_not_frozen", "no contradiction is open", "state.frozen is None and not state.is_done"),
    _entry_guard(
        "does_account_allow",
        "limits of the whole account, what is in flight included",
        "state.account.refuses_position(state.symbol) is None",
        "tests/races/test_race_07_checks_one_by_one.py::test_two_symbols_do_not_share_the_last_free_position",
    ),
)

CLAIMS = (
    _claim(
        "books_allow_entry",
        "the books are newer than all that is known, and flat",
        "state.books_seq >= state.newest_seq and state.account_net == 0",
        "True",
        "tests/sequences/test_clocks_and_mode.py::test_after_a_silence_the_books_are_read_before_anything_new_is_risked",
        "tests/races/test_race_07_checks_one_by_one.py::test_a_position_that_came_between_the_check_and_the_order_stops_the_order",
    ),
    _claim(
        "is_watched",
        "nothing but a cancel leaves before a read of this run's own",
        "not state.is_unread",
        "True",
        "tests/core/test_restart.py::test_a_stop_that_never_left_is_placed_after_a_read_of_the_books_and_not_before",
    ),
    _claim(
        "may_place_stop",
        "no protective order stands, not even one in flight",
        "state.stop is None",
        "True",
        "tests/races/test_race_06_emergency_stop.py::test_a_stop_in_flight_is_a_stop_however_many_prints_come",
    ),
    _claim(
        "may_place_exit",
        "entry, stop and exit have ended",
        "state.entry is None and state.stop is None and state.exit is None",
        "True",
        "tests/races/test_race_05_exit_at_the_deadline.py::test_a_stop_that_fills_while_it_is_cancelled_leaves_nothing_to_sell",
    ),
    _claim(
        "may_forget",
        "an order leaves its slot only upon evidence of its end",
        "not order.is_outstanding",
        "order.state is not OrderState.IN_FLIGHT",
    ),
    _claim(
        "may_raise",
        "a stop only rises",
        "wished > current",
        "wished != current",
        "tests/races/test_race_02_trailing_stop.py::test_a_raise_that_arrives_late_is_not_followed_by_a_lower_one",
    ),
    _claim(
        "is_read_current",
        "a read asked for before our newest order event says nothing",
        "asked_seq >= state.newest_seq",
        "True",
        "tests/races/test_race_10_answer_for_another_order.py::test_a_snapshot_from_before_the_raise_does_not_undo_it",
    ),
    _claim(
        "is_still_wanted",
        "the desk sends only what is still in its slot",
        "any(slot is order for slot in state.slots)",
        "True",
    ),
    _claim(
        "shares_to_close",
        "no more is sold than is held when it leaves",
        "state.exposure if side is state.entry_side.other else state.oversold",
        "state.planned",
        "tests/races/test_race_08_stop_for_a_closed_position.py::test_a_stop_for_shares_that_somebody_sold_meanwhile_is_not_sent",
    ),
    _claim(
        "order_asked_about",
        "an answer is for the order it was asked about",
        "next((order for order in state.orders if order.key == answer.key), None)",
        "next(iter(state.orders), None)",
    ),
    _claim(
        "is_answer_for",
        "a change's answer is for the newest change only",
        "order.modify_request == answer.request",
        "True",
        "tests/races/test_race_02_trailing_stop.py::test_the_answer_to_an_older_raise_does_not_stand_for_the_newer_one",
    ),
    _claim(
        "is_modify_free",
        "one change outstanding per order",
        "order.state is OrderState.WORKING and order.pending is None",
        "True",
    ),
)


# --- the invariants -----------------------------------------------------------------------------------


def _invariant(name: str, what: str, on: str, off: str) -> Mechanism:
    return Mechanism(
        f"{name}: {what}",
        f"{CORE}/invariants.py",
        on,
        off,
        ("tests/core/test_invariants.py::test_a_broken_invariant_is_named",),
    )


INVARIANTS = (
    _invariant("I1", "no exit beside an entry or a stop", "if state.exit is not None:", "if False:"),
    _invariant("I2", "no more is closed than is held", "terms.quantity - already <= allowed,", "True,"),
    _invariant("I3", "every price is on the tick", "_require(is_on_tick,", "_require(True,"),
    _invariant(
        "I4",
        "no stop below the first one",
        "_require(state.stop_level >= state.initial_level,",
        "_require(True,",
    ),
    _invariant("I5", "an entry stands alone", "_require(is_alone,", "_require(True,"),
    _invariant("I6", "filled entries within the limit", "_require(is_within,", "_require(True,"),
    Mechanism(
        "a broken invariant freezes its symbol and takes back what it asked for",
        f"{CORE}/containment.py",
        "        _take_back(account, trader, mark)\n        trader.stand_back(str(broken), at_ns)\n",
        "        trader.stand_back(str(broken), at_ns)\n",
        ("tests/core/test_exact_account.py::test_what_was_asked_for_in_such_a_step_is_never_sent",),
    ),
    Mechanism(
        "an impossible move of an order's life raises",
        "olaf_async/domain/order.py",
        "        if new is None:\n            raise InvariantBroken(",
        "        if new is None:\n            return\n            raise InvariantBroken(",
        (
            "tests/domain/test_order.py::test_a_move_that_is_not_in_the_table_raises_and_leaves_the_order_untouched",
            "tests/races/test_race_02_trailing_stop.py::test_without_the_guard_the_table_of_an_orders_life_still_holds",
        ),
    ),
)

# --- the desk, the journal, the rate --------------------------------------------------------------------

_DESK = partial(Mechanism, file=f"{SHELL}/desk.py")
_SUPERVISOR = partial(Mechanism, file=f"{SHELL}/supervisor.py")

DESK = (
    _DESK(
        "the lock: held from the check to the outcome",
        on="async with self._locks[intent.symbol]:",
        off="async with asyncio.Lock():",
        tests=("tests/shell/test_desk.py::test_d3_the_lock_is_held_from_the_check_to_the_answer",),
    ),
    _DESK(
        "the second question: the core is asked again inside the lock",
        on="            verdict = self._engine.admit(intent, now_ns)\n",
        off="            verdict = self._engine.admit(intent, now_ns)\n"
        "            verdict = verdict if isinstance(verdict, Wait | Send) else Send(intent)\n",
        tests=(
            "tests/shell/test_desk.py::test_d1_what_the_core_no_longer_wants_is_not_sent_and_said_to_be_so",
            "tests/shell/test_desk.py::test_d1_a_halt_stops_an_entry_that_is_decided_and_not_yet_sent",
        ),
    ),
    _DESK(
        "the lock is freed by evidence that settles the question",
        on=" or not self._engine.is_open(intent)\n",
        off="\n",
        tests=(
            "tests/shell/test_desk.py::test_d3_the_lock_is_free_once_evidence_from_elsewhere_settles_the_question",
        ),
    ),
    _DESK(
        "the lock is freed where protection waits for it",
        on="            self._protection_waiting[intent.symbol] += 1\n",
        off="            pass\n",
        tests=("tests/shell/test_desk.py::test_d3_protection_does_not_wait_for_a_hung_call",),
    ),
    _DESK(
        "the lock is freed at the time limit, and what is unknown is told as unknown",
        on="        if intent.request not in self._answered:\n            self._answer(intent, Outcome.LOST",
        off="        if False:\n            self._answer(intent, Outcome.LOST",
        tests=("tests/shell/test_desk.py::test_d3_the_lock_is_free_at_the_time_limit_and_the_call_goes_on",),
    ),
    _DESK(
        "a lost answer is not a refusal",
        on="            outcome, message = Outcome.LOST, str(undecided)\n",
        off="            outcome, message = Outcome.REFUSED, str(undecided)\n",
        tests=(
            "tests/shell/test_desk.py::test_d5_each_end_of_a_call_is_told_for_what_it_is",
            "tests/races/test_race_09_retry.py::test_an_entry_whose_answer_was_lost_is_looked_for_and_not_retried",
        ),
    ),
    _DESK(
        "write-ahead: `sending` is in the journal before the call",
        on="        is_kept = self._scribe.write(_line_of(intent, now_ns, verdict))\n",
        off="        is_kept = True\n",
        tests=(
            "tests/shell/test_desk.py::test_d2_each_send_is_in_the_journal_before_the_broker_hears_of_it",
        ),
    ),
    _DESK(
        "an entry that the journal cannot keep is not sent",
        on="isinstance(verdict, Send) and not is_kept and",
        off="isinstance(verdict, Send) and is_kept is None and",
        tests=(
            "tests/shell/test_desk.py::test_d2_an_entry_that_the_journal_cannot_keep_is_not_sent_and_that_is_told",
        ),
    ),
    Mechanism(
        "an event is in the journal before anything is done because of it",
        f"{SHELL}/pump.py",
        "        self._scribe.write(told, ",
        "        self._scribe.write(",
        (
            "tests/shell/test_pump.py::test_p3_an_event_and_its_intents_are_in_the_journal_before_anything_is_done",
        ),
    ),
    Mechanism(
        "no more orders in a second than allowed",
        f"{CORE}/account.py",
        "now_ns if len(self.sends) < most else",
        "now_ns if True else",
        (
            "tests/core/test_account.py::test_no_second_ever_holds_more_orders_than_the_rate_and_who_waits_may_then_go",
        ),
    ),
    Mechanism(
        "the rate keeps a call free for every stop that may become due",
        f"{CORE}/engine.py",
        "        if not is_entry and not _is_raise(order, intent):\n            return 0\n",
        "        return 0\n",
        ("tests/core/test_engine.py::test_when_all_entries_fill_at_one_instant_no_stop_waits_for_the_rate",),
    ),
    Mechanism(
        "a raise gives way to what may have to be protected",
        f"{CORE}/engine.py",
        "        if not is_entry and not _is_raise(order, intent):\n",
        "        if not is_entry:\n",
        ("tests/core/test_engine.py::test_raising_a_stop_leaves_the_rate_to_what_may_have_to_be_protected",),
    ),
    Mechanism(
        "nothing leaves before a protective order that was told to wait",
        f"{CORE}/account.py",
        "        if keep and now_ns <= self.urgent_until_ns:\n",
        "        if False:\n",
        ("tests/core/test_account.py::test_nothing_leaves_before_a_protective_order_that_was_told_to_wait",),
    ),
    Mechanism(
        "a read is stamped with the number at which it was asked for",
        f"{SHELL}/poller.py",
        "return BooksRead(now_ns, asked_ns, asked_seq,",
        "return BooksRead(now_ns, asked_ns, self._engine.seq,",
        ("tests/shell/test_poller.py::test_what_is_learnt_while_a_read_is_out_is_not_credited_to_it",),
    ),
)

# --- the supervisor ---------------------------------------------------------------------------------------

SUPERVISOR = (
    _SUPERVISOR(
        "S1: a task that dies ends new risk and is started again",
        on='        self._end_new_risk("task_died", text)\n',
        off='        self._alarm(None, "task_died", text)\n',
        tests=(
            "tests/shell/test_supervisor.py::test_s1_a_feed_that_breaks_is_read_again_and_ends_new_risk_but_not_protection",
        ),
    ),
    _DESK(
        "D5: a call that was cancelled inside a library is lost, not gone",
        on="            if not is_cancelled_within():\n",
        off="            if True:\n",
        tests=(
            "tests/shell/test_cancelled_within.py::test_an_order_call_that_is_cancelled_within_is_lost_and_told",
        ),
    ),
    Mechanism(
        "a read that was cancelled inside a library does not end the reading",
        file=f"{SHELL}/poller.py",
        on="            if not is_cancelled_within():\n",
        off="            if True:\n",
        tests=(
            "tests/shell/test_cancelled_within.py::test_a_read_of_the_books_that_is_cancelled_within_does_not_end_the_reading",
        ),
    ),
    _SUPERVISOR(
        "S2: a stop waits for evidence of every entry's end",
        on="while self._has_pump and not self._is_settled() and not self._is_forced:",
        off="while False:",
        tests=(
            "tests/shell/test_stop.py::test_s2_a_resting_entry_is_cancelled_and_its_end_seen",
            "tests/shell/test_stop.py::test_s2_a_fill_during_that_cancel_gets_its_stop_before_the_engine_goes",
        ),
    ),
    _SUPERVISOR(
        "S2: they are looked at last of all, whatever else there was to wait for",
        on="        await self._look_once_more(self._in_ns(self._timeout_ns))\n",
        off="",
        tests=(
            "tests/shell/test_stop.py::test_s2_the_stops_are_looked_at_last_of_all",
            "tests/shell/test_stop.py::test_s2_what_the_last_look_had_to_mend_is_looked_at_again",
        ),
    ),
    Mechanism(
        "S2: the stops that stay are looked at once more before the engine goes",
        file=f"{CORE}/engine.py",
        on="needs_books=event.command is Command.STOP",
        off="needs_books=False",
        tests=(
            "tests/shell/test_stop.py::test_s2_a_stop_is_looked_at_once_more_before_the_engine_goes",
            "tests/shell/test_stop.py::test_s2_a_stop_that_could_not_be_looked_at_is_named",
        ),
    ),
    _SUPERVISOR(
        "S2: what a stop leaves behind is named, and makes the exit code 4",
        on="                self.outcome.exit_code = EXIT_UNSAFE\n                text",
        off="                text",
        tests=(
            "tests/shell/test_stop.py::test_s2_an_entry_whose_end_cannot_be_proved_is_named_and_makes_the_exit_code_4",
            "tests/sequences/test_deadline.py::test_a_day_that_ends_with_an_undecided_entry_says_so_with_its_exit_code",
        ),
    ),
    _SUPERVISOR(
        "S4: without the pump the entries known to work are cancelled directly",
        on="await first_of(self._cancel_entries(), self._clock.sleep_until_ns(until_ns))",
        off="pass",
        tests=(
            "tests/shell/test_supervisor.py::test_s4_without_the_pump_a_resting_entry_is_cancelled_and_a_person_is_called",
        ),
    ),
    _SUPERVISOR(
        "S5: a journal that fails ends new risk",
        on='        self._end_new_risk("journal_failing", text)\n\n',
        off='        self._alarm(None, "journal_failing", text)\n\n',
        tests=(
            "tests/shell/test_supervisor.py::test_s5_a_full_disk_takes_a_resting_entry_back_and_lets_no_other_go",
        ),
    ),
)

# --- evidence ---------------------------------------------------------------------------------------------

_RECONCILE = partial(Mechanism, file=f"{CORE}/reconcile.py")
_EVIDENCE = partial(Mechanism, file=f"{CORE}/evidence.py")

EVIDENCE = (
    _RECONCILE(
        "an end that a book claims needs a second read, two seconds later",
        on="CLAIM_GAP_NS = 2 * SECOND_NS",
        off="CLAIM_GAP_NS = 0",
        tests=(
            "tests/sequences/test_known_ends.py::test_a_stop_that_a_book_wrongly_shows_as_cancelled_is_not_placed_a_second_time",
            "tests/core/test_evidence.py::test_an_end_in_a_book_needs_a_second_read_two_seconds_later",
        ),
    ),
    _RECONCILE(
        "an end counts only beside a complete tradebook",
        on="order.ended_as is not None and is_second and books.is_complete:",
        off="order.ended_as is not None and is_second:",
        tests=(
            "tests/sequences/test_known_ends.py::test_what_the_stop_sold_during_its_cancel_is_known_before_the_rest_is_sold",
        ),
    ),
    _RECONCILE(
        "a read is complete only with every order seen earlier today, and trades that add up to the position",
        on="            and net[symbol] == traded[symbol],\n",
        off=",\n",
        tests=(
            "tests/core/test_reconcile.py::test_an_empty_position_book_counts_only_beside_a_tradebook_that_nets_to_it",
        ),
    ),
    _RECONCILE(
        "a read that lacks a fill or an order of ours that is known shows no unseen shares",
        on="        return order.filled > 0\n",
        off="        return False\n",
        tests=(
            "tests/core/test_reconcile.py::test_nor_does_a_read_that_lacks_an_order_known_to_have_filled",
        ),
    ),
    _RECONCILE(
        "other terms of an order that was changed count only once they last",
        on="elif order.modifications and not order.changed_ns",
        off="elif False and not order.changed_ns",
        tests=(
            "tests/core/test_evidence.py::test_a_book_that_lags_behind_a_raise_that_landed_late_is_no_other_terms",
            "tests/core/test_protection.py::test_a_book_that_lags_behind_an_accepted_change_is_read_again_and_nothing_is_put_right",
        ),
    ),
    _RECONCILE(
        "a larger quantity that landed late stands, where that much is held",
        on="not (is_for_all or shown.quantity == terms.quantity)",
        off="shown.quantity != terms.quantity",
        tests=(
            "tests/core/test_evidence.py::test_a_larger_quantity_that_counted_as_never_done_and_lands_after_all_stands",
        ),
    ),
    Mechanism(
        "a repair whose answer was lost was refused by nobody",
        file=f"{CORE}/evidence.py",
        on="    if order.restore is None:\n        modify_refused(",
        off="    if True:\n        modify_refused(",
        tests=(
            "tests/core/test_evidence.py::test_a_repair_whose_answer_was_lost_is_asked_for_again_and_was_refused_by_nobody",
        ),
    ),
    _RECONCILE(
        "absence counts only after the settle time",
        on="    if _is_past_settling(state, order, books) and not order.is_queued:\n",
        off="    if not order.is_queued:\n",
        tests=(
            "tests/sequences/test_undecided_stop.py::test_absent_in_two_complete_reads_after_its_time_it_is_placed_again",
            "tests/sequences/test_undecided_entry.py::test_one_concluded_absent_that_appears_is_cancelled_and_the_symbol_trades_no_more",
        ),
    ),
    _RECONCILE(
        "absence counts only in two reads",
        on="        if order.absent_reads >= CONFIRMING_READS:\n",
        off="        if order.absent_reads:\n",
        tests=(
            "tests/core/test_entries.py::test_an_entry_is_concluded_absent_after_two_complete_reads_past_the_settle_time",
        ),
    ),
    _RECONCILE(
        "missing shares count only in two reads",
        on="        if state.shortfall_reads >= CONFIRMING_READS:\n",
        off="        if state.shortfall_reads:\n",
        tests=(
            "tests/core/test_reconcile.py::test_a_single_read_below_our_quantity_changes_nothing",
            "tests/sequences/test_other_hands.py::test_shares_missing_in_a_single_read_change_nothing",
        ),
    ),
    _RECONCILE(
        "an undecided stop is given up only with the price through it, after two reads that show the shares",
        on="    if stop.doubtful_reads >= CONFIRMING_READS and state.orient(books.net) >= state.held:\n",
        off="    if True:\n",
        tests=(
            "tests/core/test_protection.py::test_an_undecided_stop_with_price_through_it_for_2_s_and_two_reads_is_given_up_and_exited",
            "tests/core/test_protection.py::test_a_doubted_stop_is_kept_where_the_account_no_longer_holds_the_shares",
        ),
    ),
    _RECONCILE(
        "shares seen only in the position book are protected at once",
        on="    if state.provisional:\n        evidence.protect_unseen(state)\n",
        off="    state.provisional = 0\n",
        tests=(
            "tests/sequences/test_undecided_entry.py::test_shares_seen_only_in_the_position_book_are_protected_at_once_and_sold_once",
        ),
    ),
    _RECONCILE(
        "a second order that could be the lost one is watched for",
        on="    order.is_bound_by_books = True\n",
        off="    order.is_bound_by_books = False\n",
        tests=(
            "tests/sequences/test_undecided_entry.py::test_a_second_candidate_freezes_the_symbol_and_both_quantities_are_protected",
        ),
    ),
    _RECONCILE(
        "of two orders alike each takes one row of the books",
        on="                fresh.remove(row)\n                _found(",
        off="                _found(",
        tests=("tests/core/test_exact_orders.py::test_each_of_two_orders_alike_takes_one_row",),
    ),
    _RECONCILE(
        "of what others have done in one read what opened comes first",
        on="key=lambda item: item[1].quantity * closing)",
        off="key=lambda item: 0)",
        tests=(
            "tests/core/test_exact_books.py::test_of_what_others_have_done_in_one_read_what_opened_comes_first",
        ),
    ),
    Mechanism(
        "an order that cannot be taken back calls a person",
        f"{CORE}/calls.py",
        "    if order.cancels % state.rules.exit_tries_max == 0:\n",
        "    if False:\n",
        (
            "tests/core/test_exact_exits.py::test_a_stop_that_cannot_be_taken_back_on_the_way_out_calls_a_person_every_twenty_times",
        ),
    ),
    _RECONCILE(
        "what the broker keeps is read back, and put right",
        on="        order.restore = wanted\n",
        off="        pass\n",
        tests=(
            "tests/sequences/test_one_modify.py::test_a_stop_that_the_broker_keeps_otherwise_than_sent_is_put_right_once_with_an_alarm",
        ),
    ),
    _RECONCILE(
        "it is put right once, then a person is called",
        on="    order.repairs += 1\n",
        off="    order.repairs = 0\n",
        tests=(
            "tests/sequences/test_one_modify.py::test_terms_that_are_never_kept_are_put_right_once_and_then_a_person_is_called",
        ),
    ),
    _RECONCILE(
        "each change that was lost may land late, and is put right",
        on="    is_explained = order.lost_changes > 0\n",
        off="    is_explained = False\n",
        tests=("tests/core/test_evidence.py::test_each_change_that_was_lost_may_land_late_and_is_put_right",),
    ),
    _RECONCILE(
        "a book that lags behind an accepted change is not believed",
        on="BOOK_LAG_NS = 5 * SECOND_NS",
        off="BOOK_LAG_NS = 0",
        tests=(
            "tests/core/test_protection.py::test_a_book_that_lags_behind_an_accepted_change_is_read_again_and_nothing_is_put_right",
        ),
    ),
    _RECONCILE(
        "more executions of others than seen are found in the books",
        on="            evidence.foreign_fill(state, order_id, done.quantity, price, now_ns)\n",
        off="            pass\n",
        tests=(
            "tests/core/test_reconcile.py::test_a_foreign_fill_learnt_from_the_books_reduces_the_stop_as_well",
        ),
    ),
    _EVIDENCE(
        "what others close is out of our hands at once",
        on="    if closed:\n        other.taken += closed\n",
        off="    if False:\n        other.taken += closed\n",
        tests=(
            "tests/sequences/test_other_hands.py::test_a_position_that_a_person_closes_loses_its_stop_and_the_symbol_is_left_to_him",
            "tests/core/test_protection.py::test_a_foreign_fill_that_closes_part_of_ours_reduces_the_stop_at_once",
        ),
    ),
    _EVIDENCE(
        "an id is one order's",
        on="if find_by_id(state, answer.order_id) in (None, order):",
        off="if True:",
        tests=(
            "tests/sequences/test_undecided_stop.py::test_two_stops_that_are_alike_are_told_apart_and_the_shares_are_sold_once",
            "tests/races/test_race_10_answer_for_another_order.py::test_that_an_id_is_one_orders_holds_alone_too",
        ),
    ),
    _EVIDENCE(
        "an order is taken for ours only where it was first seen after the sending",
        on="state.account.seen_ids[row.order_id] <= order.sent_seq:",
        off="False:",
        tests=(
            "tests/sequences/test_other_hands.py::test_an_order_just_like_ours_that_was_there_before_is_not_taken_for_it",
        ),
    ),
    Mechanism(
        "a tombstone: what was concluded absent is hunted for the day",
        f"{CORE}/state.py",
        "(self.phantoms if order.state is OrderState.ABSENT else self.retired).append(order)",
        "self.retired.append(order)",
        (
            "tests/sequences/test_undecided_exit.py::test_one_that_arrives_after_the_next_has_sold_is_cancelled_on_sight",
            "tests/sequences/test_undecided_entry.py::test_one_concluded_absent_that_appears_is_cancelled_and_the_symbol_trades_no_more",
        ),
    ),
    Mechanism(
        "a phantom is cancelled on sight",
        f"{CORE}/trader.py",
        "            calls.cancel(state, phantom, now_ns)\n",
        "            pass\n",
        ("tests/sequences/test_undecided_stop.py::test_a_phantom_that_appears_is_cancelled_on_sight",),
    ),
    Mechanism(
        "books that lack for long what they showed end new risk",
        f"{CORE}/engine.py",
        "        if not missing:\n",
        "        if True:\n",
        (
            "tests/sequences/test_protection.py::test_a_stop_that_the_books_lack_is_not_placed_again_on_their_word_and_a_person_is_called",
        ),
    ),
    Mechanism(
        "books that cannot be read for long end new risk",
        f"{CORE}/account.py",
        "        self.is_blind = True\n",
        "        self.is_blind = False\n",
        (
            "tests/core/test_engine.py::test_books_that_cannot_be_read_for_long_end_new_risk_with_one_alarm_until_they_can",
        ),
    ),
)

# --- protection and exits ---------------------------------------------------------------------------------

_PROTECTION = partial(Mechanism, file=f"{CORE}/protection.py")
_EXITS = partial(Mechanism, file=f"{CORE}/exits.py")

PROTECTION = (
    _PROTECTION(
        "the stop's quantity follows what is held",
        on="    quantity = stop.filled + state.exposure\n",
        off="    quantity = base.quantity\n",
        tests=(
            "tests/sequences/test_protection.py::test_each_part_that_fills_is_covered_by_the_one_stop_at_once",
        ),
    ),
    _PROTECTION(
        "shares without a confirmed stop beyond the budget are told",
        on="        elif not state.has_alarmed_unprotected:\n",
        off="        elif False:\n",
        tests=(
            "tests/sequences/test_protection.py::test_shares_without_a_confirmed_stop_for_longer_than_the_budget_are_told_once",
        ),
    ),
    _PROTECTION(
        "a stop that was refused is followed by an exit where the price is through it",
        on="        if state.orient(state.newest) <= state.stop_level:\n",
        off="        if False:\n",
        tests=(
            "tests/core/test_protection.py::test_a_stop_refused_because_price_is_through_it_is_followed_by_an_exit_at_once",
        ),
    ),
    _PROTECTION(
        "a refused stop is tried at the pace of a clock",
        on="        state.stop_retry_ns = now_ns + state.rules.chase_ns\n",
        off="        state.stop_retry_ns = now_ns\n",
        tests=(
            "tests/races/test_also_seen.py::test_a_refused_stop_is_tried_again_at_the_pace_of_a_clock_and_given_up_for_an_exit",
        ),
    ),
    _PROTECTION(
        "a stop that is refused again and again is given up for an exit",
        on="    if state.stop_rejections >= state.rules.stop_rejections_max:\n",
        off="    if False:\n",
        tests=(
            "tests/races/test_also_seen.py::test_a_refused_stop_is_tried_again_at_the_pace_of_a_clock_and_given_up_for_an_exit",
        ),
    ),
    _PROTECTION(
        "a stop that was jumped is re-priced to cross",
        on="    state.exit_tries += 1\n    if state.exit_tries == 1:\n",
        off="    return\n    if state.exit_tries == 1:\n",
        tests=(
            "tests/sequences/test_protection.py::test_a_stop_whose_limit_was_jumped_is_repriced_to_cross_within_two_seconds_with_an_alarm",
        ),
    ),
    _PROTECTION(
        "that chase is paced",
        on="    due_ns = state.touched_ns + state.rules.chase_ns\n",
        off="    due_ns = state.touched_ns\n",
        tests=(
            "tests/core/test_protection.py::test_a_triggered_stop_whose_limit_was_jumped_is_repriced_to_cross_once_a_second_with_one_alarm",
        ),
    ),
    _PROTECTION(
        "that chase is bounded",
        on="stop.modifications >= state.rules.modifications_max or"
        " state.exit_tries > state.rules.exit_tries_max:",
        off="False:",
        tests=("tests/core/test_protection.py::test_a_chase_is_bounded_and_ends_in_an_exit",),
    ),
    _PROTECTION(
        "the broker's changes are budgeted, with a reserve for getting out",
        on="(0 if is_resized else state.rules.modifications_reserve)",
        off="0",
        tests=("tests/sequences/test_one_modify.py::test_raises_stop_at_the_reserve_and_the_stop_stays",),
    ),
    Mechanism(
        "with the reserve reached the rest of the entry is taken back",
        f"{CORE}/entries.py",
        "    if state.stop is not None and state.stop.modifications >= _modifications_free(state):\n",
        "    if False:\n",
        (
            "tests/sequences/test_one_modify.py::test_with_the_reserve_of_changes_reached_the_rest_of_the_entry_is_taken_back",
        ),
    ),
    _PROTECTION(
        "a stop that others take away is placed again once, not twice",
        on="    if state.stops_gone > 1 or (state.stops_gone and now_ns >= state.exit_ns):\n",
        off="    if False:\n",
        tests=(
            "tests/sequences/test_other_hands.py::test_taken_away_a_second_time_it_is_not_fought_for_a_person_is_called_and_the_books_are_watched",
        ),
    ),
    _PROTECTION(
        "and only upon a read of the position newer than its end",
        on="    elif state.stops_gone and state.books_seq < state.newest_seq:\n",
        off="    elif False:\n",
        tests=(
            "tests/core/test_protection.py::test_a_fill_in_the_read_that_proves_the_stops_end_asks_for_one_more_before_it_is_placed_again",
        ),
    ),
    _PROTECTION(
        "a refused raise does not take along what was wished for since",
        on=" and state.stop_level == state.orient(refused.trigger):\n",
        off=":\n",
        tests=(
            "tests/sequences/test_one_modify.py::test_after_an_undecided_change_there_is_none_until_a_book_shows_old_or_new_terms",
        ),
    ),
    Mechanism(
        "a stop's limit stays inside the exchange's three percent",
        f"{CORE}/limits.py",
        "    return max(wished, ceil_to_tick(ceil(trigger - cap), tick), tick)",
        "    return max(wished, tick)",
        ("tests/core/test_limits.py::test_a_limit_never_leaves_the_exchanges_cap",),
    ),
    _EXITS(
        "before each further sale the position is read anew",
        on="    if state.exit_tries and state.books_seq < state.newest_seq:\n",
        off="    if False:\n",
        tests=("tests/core/test_exits.py::test_before_each_further_sell_the_position_is_read_anew",),
    ),
    _EXITS(
        "exits are bounded, then slow, and a person is called",
        on="    if state.exit_tries >= state.rules.exit_tries_max:\n",
        off="    if False:\n",
        tests=(
            "tests/sequences/test_deadline.py::test_exits_that_are_refused_are_bounded_and_a_person_is_called",
        ),
    ),
    _EXITS(
        "an exit that is left behind is chased in place",
        on="    if is_better or _is_of_before_the_deadline(state, order, now_ns):\n",
        off="    if False:\n",
        tests=("tests/sequences/test_deadline.py::test_an_exit_that_is_left_behind_is_chased_in_place",),
    ),
    _EXITS(
        "an exit without a fresh print is priced from a quote, else three percent away",
        on="    if now_ns - state.last_ns > state.rules.quote_after_ns:\n",
        off="    if False:\n",
        tests=(
            "tests/sequences/test_deadline.py::test_an_exit_after_five_silent_seconds_is_priced_from_a_quote_or_three_percent_away",
        ),
    ),
    Mechanism(
        "a quote that cannot follow on the last print prices nothing",
        f"{CORE}/trader.py",
        "        if price is not None and last is not None and not is_near(price, last):\n",
        "        if False:\n",
        ("tests/core/test_exits.py::test_a_quote_that_cannot_follow_on_the_last_price_is_none",),
    ),
    Mechanism(
        "what was sold too much is bought back only after two confirming reads",
        f"{CORE}/state.py",
        "        if self.oversold_reads < CONFIRMING_READS:\n",
        "        if False:\n",
        (
            "tests/core/test_guards.py::test_a_closing_order_may_close_what_is_held_and_a_buy_back_what_is_confirmed_short",
            "tests/sequences/test_undecided_stop.py::test_a_phantom_that_fills_beside_the_exit_is_bought_back_as_far_as_our_fills_explain_it",
        ),
    ),
    Mechanism(
        "and only as far as our own fills and the account explain it",
        f"{CORE}/state.py",
        "return max(0, min(-self.held, -self.orient(self.account_net)))",
        "return max(0, -self.held)",
        ("tests/core/test_exits.py::test_a_short_is_bought_back_only_as_far_as_the_account_is_short",),
    ),
    Mechanism(
        "of two entries that both filled the excess is sold",
        f"{CORE}/trader.py",
        " and state.frozen is None and state.held > state.intended:\n",
        " and False:\n",
        (
            "tests/core/test_exits.py::test_of_two_entries_that_filled_the_excess_is_sold_and_the_rest_protected_again",
        ),
    ),
)

# --- the account and its surroundings ---------------------------------------------------------------------

ACCOUNT = (
    Mechanism(
        "a resting entry is taken back where nothing new may be risked",
        f"{CORE}/entries.py",
        "    return bool(entry.repairs) or state.account.refuses_new_risk() is not None\n",
        "    return bool(entry.repairs)\n",
        (
            "tests/sequences/test_stopping.py::test_a_resting_entry_is_taken_back_and_fills_nothing_afterwards",
        ),
    ),
    Mechanism(
        "an entry grown old is taken back",
        f"{CORE}/entries.py",
        "    if state.armed_ns is None or now_ns >= state.armed_ns + state.rules.order_timeout_ns:\n",
        "    if state.armed_ns is None:\n",
        (
            "tests/core/test_entries.py::test_an_unfilled_entry_is_cancelled_at_its_timeout_counted_from_the_first_send",
        ),
    ),
    Mechanism(
        "a broker that refuses every entry is not asked all day",
        f"{CORE}/entries.py",
        "    state.refusals += 1\n",
        "    pass\n",
        (
            "tests/core/test_entries.py::test_a_broker_that_refuses_every_entry_is_asked_no_more_after_so_many_of_a_day",
        ),
    ),
    Mechanism(
        "the daily loss closes everything",
        f"{CORE}/account.py",
        "self.realised + open_profit > -limit:",
        "True:",
        (
            "tests/sequences/test_stopping.py::test_the_daily_loss_closes_what_is_held_and_counts_what_is_not_realised_yet",
            "tests/sequences/test_stopping.py::test_the_daily_loss_takes_the_resting_entries_of_all_symbols_back",
        ),
    ),
    Mechanism(
        "no more positions than allowed",
        f"{CORE}/account.py",
        "        if others >= self.rules.max_open_positions:\n",
        "        if False:\n",
        ("tests/core/test_engine.py::test_no_more_positions_are_opened_than_allowed_over_all_symbols",),
    ),
    Mechanism(
        "the first mode seen is pinned; another ends new risk",
        f"{CORE}/account.py",
        "            self.is_mode_foreign = True\n",
        "            pass\n",
        (
            "tests/sequences/test_clocks_and_mode.py::test_another_mode_ends_new_risk_for_good_and_makes_protection_unconfirmed",
        ),
    ),
    Mechanism(
        "a wall clock that strays ends new risk",
        f"{CORE}/engine.py",
        "        self.account.is_clock_skewed = is_skewed\n",
        "        self.account.is_clock_skewed = False\n",
        ("tests/shell/test_supervisor.py::test_a_wall_clock_that_strays_is_told_once_and_so_is_its_return",),
    ),
    Mechanism(
        "of two clocks the one that is ahead tells the deadline",
        f"{CORE}/engine.py",
        "max(0, skew_ns) if is_skewed else 0",
        "0",
        ("tests/sequences/test_clocks_and_mode.py::test_the_deadline_comes_at_the_earlier_of_two_readings",),
    ),
    Mechanism(
        "an order queued for a person ends new risk in the account",
        f"{CORE}/evidence.py",
        "order.is_queued = state.account.is_order_queued = True",
        "order.is_queued = True",
        (
            "tests/sequences/test_stopping.py::test_an_order_queued_for_a_person_ends_new_risk_in_the_whole_account",
        ),
    ),
    Mechanism(
        "a server that wants approval for each order ends new risk",
        f"{SHELL}/supervisor.py",
        '            self._end_new_risk("semi_auto", text)\n',
        '            self._alarm(None, "semi_auto", text)\n',
        ("tests/sequences/test_stopping.py::test_a_server_that_wants_approval_for_each_order_ends_new_risk",),
    ),
    Mechanism(
        "without a stream a print at the resting entry asks for the books",
        f"{CORE}/entries.py",
        "    if is_watched and state.orient(price) >= state.strategy.entry:\n",
        "    if False:\n",
        (
            "tests/sequences/test_no_stream.py::test_a_print_at_the_resting_entry_asks_for_the_books_now_and_its_fill_is_protected",
        ),
    ),
    Mechanism(
        "without a stream a print at the stop asks for the books",
        f"{CORE}/protection.py",
        "        if not state.account.is_stream_up:\n",
        "        if False:\n",
        (
            "tests/core/test_protection.py::test_without_a_stream_a_print_at_the_stop_asks_for_the_books_at_once_and_then_every_second",
        ),
    ),
)

# --- after a restart --------------------------------------------------------------------------------------

RESTART = (
    Mechanism(
        "attempts used are the larger of the journal's and the book's",
        f"{CORE}/reconcile.py",
        "    if filled > state.attempts:\n",
        "    if False:\n",
        ("tests/core/test_restart.py::test_attempts_used_are_the_larger_of_the_journals_and_the_books",),
    ),
    Mechanism(
        "an entry at work that the journal does not know ends new risk in its symbol",
        f"{CORE}/reconcile.py",
        "        if row.status is Status.WORKING and evidence.find_by_id(state, row.order_id) is None:\n",
        "        if False:\n",
        (
            "tests/core/test_restart.py::test_an_entry_at_work_that_the_journal_does_not_know_ends_new_risk_in_the_symbol",
        ),
    ),
    Mechanism(
        "what was sent and never answered is undecided",
        f"{CORE}/evidence.py",
        "        case OrderState.IN_FLIGHT:\n            order.apply(Signal.LOST)\n",
        "        case OrderState.IN_FLIGHT:\n            order.apply(Signal.REFUSED)\n",
        ("tests/core/test_restart.py::test_an_entry_sent_and_never_answered_is_ours_once_the_books_show_it",),
    ),
    Mechanism(
        "a run with a smaller quantity leaves what is held, and its stop, alone",
        f"{CORE}/state.py",
        "if not order.repairs), default=self.planned)\n",
        "if False), default=self.planned)\n",
        (
            "tests/core/test_restart.py::test_a_run_with_a_smaller_quantity_sells_nothing_of_what_is_held_and_leaves_its_stop",
        ),
    ),
    Mechanism(
        "a day is not gone on with on another account, or for another product",
        "olaf_async/app/journal.py",
        "        if begun is not None and begun != account:\n",
        "        if False:\n",
        (
            "tests/test_live_restart.py::test_with_another_product_a_day_is_not_gone_on_with",
            "tests/test_live_restart.py::test_a_journal_of_another_account_is_not_gone_on_with",
        ),
    ),
    Mechanism(
        "what a clock that was ahead has put off is not put off until it is that time again",
        f"{CORE}/trader.py",
        "        clock_back.believe_symbol(state, event.at_ns)\n",
        "",
        (
            "tests/core/test_restart.py::test_a_stop_that_was_refused_is_placed_again_at_its_pace_though_the_clock_was_set_back",
            "tests/core/test_restart.py::test_a_cancel_that_was_refused_is_asked_for_again_though_the_clock_was_set_back",
            "tests/core/test_restart.py::test_a_stop_for_too_few_is_made_bigger_though_the_clock_was_set_back",
        ),
    ),
    Mechanism(
        "the rate of orders is not counted by a clock that was ahead",
        f"{CORE}/engine.py",
        "        clock_back.believe_account(self.account, event.at_ns)\n",
        "",
        ("tests/core/test_restart.py::test_a_stop_does_not_wait_for_the_rate_of_a_clock_that_was_set_back",),
    ),
    Mechanism(
        "a symbol that was told to leave stays out by whichever plan",
        f"{CORE}/engine.py",
        "                known.state.is_done |= is_dismissed\n",
        "",
        ("tests/core/test_restart.py::test_nor_does_it_by_other_settings",),
    ),
    Mechanism(
        "with no attempt left by the books or the new rules an entry at rest is taken back",
        f"{CORE}/reconcile.py",
        "not state.entry.filled and state.attempts >= state.rules.max_attempts:",
        "False:",
        (
            "tests/core/test_restart.py::test_an_entry_at_rest_is_taken_back_once_the_book_shows_that_no_attempt_is_left",
            "tests/core/test_restart.py::test_a_run_that_is_allowed_fewer_attempts_takes_an_entry_at_rest_back",
        ),
    ),
    Mechanism(
        "shares of an entry like ours that the journal does not know call a person",
        f"{CORE}/reconcile.py",
        "        if books.is_complete and unknown > 0:\n",
        "        if False:\n",
        (
            "tests/core/test_restart.py::test_shares_that_an_entry_like_ours_brought_and_the_journal_does_not_know_call_a_person",
        ),
    ),
)

GROUPS: dict[str, tuple[Mechanism, ...]] = {
    "What an entry needs": ENTRY_GUARDS,
    "The other claims of the table": CLAIMS,
    "Invariants": INVARIANTS,
    "Desk, journal, rate": DESK,
    "Supervisor": SUPERVISOR,
    "Evidence": EVIDENCE,
    "Protection and exits": PROTECTION,
    "The account and its surroundings": ACCOUNT,
    "After a restart": RESTART,
}
