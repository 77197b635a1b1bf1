"""Faults in what is sent, when, and what is believed of it."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        name="acts-by-old-groups",
        breaks="What is done rests on a look at the groups that is up to a minute old.",
        file="rollout/engine/runner.py",
        old="if look and groups and not look.waits_on:",
        new="if groups and not groups:",
        killers=("tests/core/test_recent_groups.py::test_all_that_is_done_rests_on_a_look_of_now",),
    ),
    Mutant(
        name="no-intent",
        breaks="Requests leave before anything of them is written down.",
        file="rollout/engine/runner.py",
        old="        self.journal.intend(record.id, act.effects,",
        new="""        if act.effects:
            early = self._side_by_side(act.effects, record)
            self.journal.intend(record.id, act.effects, act.moves, _news(act.waits, record), act.nodes, now)
            return self.journal.receive(record.id, early)
        self.journal.intend(record.id, act.effects,""",
        killers=("tests/core/test_runner.py::test_nothing_is_sent_before_its_intent_is_committed",),
    ),
    Mutant(
        name="terminates-in-the-pool",
        breaks="Terminates leave side by side, and their receipts are written together.",
        file="rollout/engine/runner.py",
        old="alone, together = _in_order(act.effects)",
        new="alone, together = (), act.effects",
        killers=("tests/core/test_runner_order.py::test_terminates_leave_one_by_one",),
    ),
    Mutant(
        name="evictions-before-the-terminate",
        breaks="A terminate leaves after the evictions of the same look: a pod may come to its node in between.",
        file="rollout/engine/runner.py",
        old="        for effect in alone:\n",
        new="        together = [*together, *alone]\n        for effect in ():\n",
        killers=("tests/core/test_runner_order.py::test_a_terminate_leaves_before_what_the_same_look_evicts",),
    ),
    Mutant(
        name="settled-at-once",
        breaks="That an effect does not show yet is believed at once, though AWS may answer from a moment ago.",
        file="rollout/engine/settle.py",
        old="STALE_AFTER = 15.0",
        new="STALE_AFTER = 0.0",
        killers=("tests/core/test_settle.py::test_settle",),
    ),
    Mutant(
        name="halted-by-one-look",
        breaks="One look that shows a value of ours from a moment ago halts the rollout.",
        file="rollout/engine/tick.py",
        old="    return decision if now >= until else Wait(",
        new="    return decision if now >= now else Wait(",
        killers=("tests/core/test_third_parties.py::test_an_answer_from_a_moment_ago_changes_nothing",),
    ),
    Mutant(
        name="left-by-one-look",
        breaks="RESTORE takes a value of ours from a moment ago for somebody else's, and leaves what is ours.",
        file="rollout/phases/missing.py",
        old="_of_groups, ",
        new="",
        killers=("tests/core/test_third_parties.py::test_what_is_not_as_we_left_it",),
    ),
    Mutant(
        name="terminate-settled-at-once",
        breaks="That a terminate does not show is believed as soon as of an effect that is absolute.",
        file="rollout/engine/settle.py",
        old="return STALE_AFTER if effect.absolute else TERMINATE_STALE_AFTER",
        new="return STALE_AFTER",
        killers=("tests/core/test_settle.py::test_a_terminate_that_was_answered_has_a_minute",),
    ),
    Mutant(
        name="late-terminate-sent-twice",
        breaks="A terminate that was not answered is sent again while the first may still arrive.",
        file="rollout/engine/settle.py",
        old="    if row.answered is None and not row.effect.absolute:\n",
        new="    if not row.effect.key:\n",
        killers=("tests/core/test_settle.py::test_settle",),
    ),
    Mutant(
        name="late-request-undoes-a-newer-one",
        breaks="A field is written again while an older request without an answer may arrive and write it back.",
        file="rollout/engine/settle.py",
        old="    if _late(effect, record, now):\n",
        new="    if not effect.key:\n",
        killers=(
            "tests/core/test_settle.py::test_nothing_leaves_that_a_late_request_would_undo",
            "tests/core/test_runner_disturbed.py::test_requests_arrive_late[update_group-300]",
        ),
    ),
    Mutant(
        name="forgotten-once-it-was-sent-again",
        breaks="Only an effect's last request may arrive late, not an earlier one that was not answered.",
        file="rollout/journal/effect_index.py",
        old="    for number in range(sent, 0, -1):\n",
        new="    for number in [sent]:\n",
        killers=("tests/journal/test_store.py::test_what_may_arrive_late",),
    ),
    Mutant(
        name="gone-after-one-look",
        breaks="What is ours and one look did not show is believed to be gone.",
        file="rollout/engine/runner.py",
        old="        if not self._all_there(seen, record, now):\n",
        new="        if not record.id:\n",
        killers=("tests/core/test_runner_disturbed.py::test_what_one_look_misses_is_not_gone[an instance]",),
    ),
    Mutant(
        name="restored-before-the-late-one",
        breaks="RESTORE gives back, and ends, while a request of ours may still arrive and undo it.",
        file="rollout/phases/restore.py",
        old="    if record.late_until and now < record.late_until:\n",
        new="    if not record.id:\n",
        killers=("tests/core/test_phases_restore.py::test_what_may_arrive_late_is_waited_for",),
    ),
    Mutant(
        name="half-a-terminate-is-none",
        breaks="A terminate of which half shows counts as not applied, and is sent again.",
        file="rollout/model/effects/groups.py",
        old="while our call was under way.\n        return None",
        new="while our call was under way.\n        return False",
        killers=(
            "tests/core/test_settle.py::test_a_terminate_that_shows_by_half_is_settled_when_nothing_is_under_way",
        ),
    ),
    Mutant(
        name="one-thing-twice-at-a-time",
        breaks="An effect leaves while another on the same thing is under way.",
        file="rollout/engine/settle.py",
        old="return not any(other.under_way and _same_thing(other.effect, effect) for other in record.unsettled)",
        new="return True",
        killers=("tests/core/test_settle.py::test_sift",),
    ),
    Mutant(
        name="never-shows-is-sent-for-ever",
        breaks="What is answered yes and never shows is sent again without end.",
        file="rollout/engine/settle.py",
        old="MOST_YESES, NEVER_SHOWS_AFTER = 3, 180.0",
        new="MOST_YESES, NEVER_SHOWS_AFTER = 10**9, 180.0",
        killers=("tests/core/test_settle.py::test_sift",),
    ),
    Mutant(
        name="undone-is-done-again",
        breaks="What was done and seen, and undone by somebody, is done once more without a person.",
        file="rollout/engine/settle.py",
        old="    if effect.key in record.done:\n",
        new="    if not effect.key:\n",
        killers=(
            "tests/core/test_settle.py::test_sift",
            "tests/core/test_settle.py::test_nothing_leaves_beside_drift",
        ),
    ),
    Mutant(
        name="unknown-is-refused",
        breaks="A reply that cannot be read is taken for a refusal: certainly not applied.",
        file="rollout/engine/send.py",
        old='return Receipt(effect, "unknown"',
        new='return Receipt(effect, "rejected"',
        killers=("tests/core/test_send.py::test_each_failure_is_an_outcome",),
    ),
    Mutant(
        name="unclear-for-ever",
        breaks="An effect of which the world never tells is waited for without end, and nobody is asked.",
        file="rollout/engine/settle.py",
        old="UNCLEAR_AFTER = 900.0",
        new="UNCLEAR_AFTER = 1e9",
        killers=("tests/core/test_settle.py::test_what_stays_unclear_needs_a_person",),
    ),
)
