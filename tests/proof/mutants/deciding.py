"""Faults in what decides: plan, phases and stages."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        name="random-token",
        breaks="The ClientToken of a template version is another one after each restart.",
        file="rollout/phases/launch_template.py",
        old='token=f"{record.id}-{template_id}-{source}-{record.round}",',
        new='token=__import__("uuid").uuid4().hex,',
        killers=("tests/core/test_phases_launch_template.py::test_decides",),
    ),
    Mutant(
        name="no-look-for-the-description",
        breaks="A template version that was made before the crash is not looked for.",
        file="rollout/phases/launch_template.py",
        old="seen.template(pair[0]).described(description(record, *pair)) for pair",
        new="None for pair",
        killers=("tests/core/test_phases_launch_template.py::test_decides",),
    ),
    Mutant(
        name="baseline-read-again",
        breaks="The baseline is read once more when SURGE ends: what we wrote is taken for what was found.",
        file="rollout/phases/surge.py",
        old='Advance("baseline and surge instances are InService")',
        new="""Advance(
            "baseline and surge instances are InService",
            plan=replace(
                record.plan,
                baselines=tuple(
                    replace(one, sizes=seen.group(one.group).sizes, suspended=tuple(seen.group(one.group).suspended))
                    for one in record.plan.baselines
                ),
            ),
        )""",
        killers=("tests/core/test_runner.py::test_surplus_retires",),
    ),
    Mutant(
        name="deadline-computed-anew",
        breaks="The drain deadline is counted from when the phase began, not read from the journal.",
        file="rollout/stages/view.py",
        old="    deadline = record.drain_deadline\n",
        new="    deadline = record.since + timedelta(seconds=record.plan.settings.drain_seconds)\n",
        killers=("tests/core/test_drain_deadline.py::test_the_stored_instant_counts",),
    ),
    Mutant(
        name="killed-before-the-deadline",
        breaks="Jobs may be ended before the stored deadline.",
        file="rollout/stages/view.py",
        old='return self.overdue and self.record.plan.settings.on_deadline != "halt"',
        new='return self.record.plan.settings.on_deadline != "halt"',
        killers=(
            "tests/core/test_stages.py::test_waiting",
            "tests/core/test_stages_draining.py::test_before_the_deadline",
        ),
    ),
    Mutant(
        name="drained-by-the-cache",
        breaks="That a node is empty is taken from the watch, which may be behind, not from a fresh list.",
        file="rollout/stages/view.py",
        old="fresh = name is None or name in seen.fresh",
        new="fresh = True",
        killers=(
            "tests/core/test_stages.py::test_released[not fresh]",
            "tests/core/test_stages_draining.py::test_before_the_deadline[the watch is not enough]",
        ),
    ),
    Mutant(
        name="no-fresh-list-before-the-terminate",
        breaks="A node that is RELEASED is not looked at past the watch any more.",
        file="rollout/phases/drain.py",
        old="row.stage in {Stage.DRAINING, Stage.RELEASED}",
        new="row.stage in {Stage.DRAINING}",
        killers=("tests/core/test_phases_observe.py::test_pods_past_the_cache",),
    ),
    Mutant(
        name="no-floor",
        breaks="A terminate leaves without MinSize one below desired: AWS would carry out a second one too.",
        file="rollout/stages/released.py",
        old="floored = view.group.sizes.minimum == view.group.sizes.desired - 1",
        new="floored = True",
        killers=(
            "tests/core/test_stages.py::test_released",
            "tests/core/test_runner.py::test_what_stands_when_a_terminate_leaves",
        ),
    ),
    Mutant(
        name="too-few-remain",
        breaks="An old node goes although fewer Ready nodes would remain than the baseline has.",
        file="rollout/stages/released.py",
        old="released and floored and view.remaining >= view.needed",
        new="released and floored",
        killers=("tests/core/test_stages.py::test_released",),
    ),
    Mutant(
        name="terminated-though-busy",
        breaks="The last look before the terminate does not ask for pods that turned up.",
        file="rollout/stages/released.py",
        old="return view.fresh and not view.leaving and released",
        new="return view.fresh and released",
        killers=("tests/core/test_stages.py::test_released",),
    ),
    Mutant(
        name="terminate-again-at-once",
        breaks="A node that is TERMINATING gets its terminate again without what let it be sent at first.",
        file="rollout/stages/terminating.py",
        old='    if again.trigger == "terminate":\n        return Step(effects=again.effects',
        new="    if again:\n        return Step(effects=(released.terminate(view),)",
        killers=("tests/core/test_stages.py::test_terminating",),
    ),
    Mutant(
        name="two-released-at-a-time",
        breaks="Two nodes of one group are on their way out at a time: two terminates may be unsettled.",
        file="rollout/phases/drain.py",
        old='if step.trigger == "release" and row.group in self.releasing:',
        new='if step.trigger == "release" and not row.group:',
        killers=("tests/core/test_phases_drain.py::test_turns",),
    ),
    Mutant(
        name="restore-without-merge",
        breaks="RESTORE writes the baseline over a size that somebody else wrote.",
        file="rollout/phases/restore.py",
        old="return baseline if current == mine else current",
        new="return baseline",
        killers=("tests/core/test_phases_restore.py::test_sizes",),
    ),
    Mutant(
        name="restore-below-the-living",
        breaks="RESTORE lowers desired below the living count: AWS chooses who goes.",
        file="rollout/phases/restore.py",
        old="max(before.desired, min(living, mine.desired))",
        new="before.desired",
        killers=("tests/core/test_phases_restore.py::test_sizes",),
    ),
    Mutant(
        name="resumed-though-found-suspended",
        breaks="RESTORE resumes processes that somebody had suspended before us.",
        file="rollout/phases/restore.py",
        old="if p not in before and p in group.suspended]",
        new="if p in group.suspended]",
        killers=("tests/core/test_phases_restore.py::test_steps",),
    ),
    Mutant(
        name="no-drift",
        breaks="Somebody else's change of a size in mid-run is not noticed.",
        file="rollout/phases/expected.py",
        old="return problems + _size_drift(record, group, current)",
        new="return problems",
        killers=("tests/core/test_phases_expected.py::test_drift",),
    ),
    Mutant(
        name="marker-left-behind",
        breaks="The marker is not brought up to date: with the journal what there was to restore is lost.",
        file="rollout/phases/marking.py",
        old="if record.phase is Phase.PLANNED or marker.mark == now:",
        new="if marker.mark:",
        killers=(
            "tests/core/test_phases_marking.py::test_each_phase_begins_with_the_marker",
            "tests/core/test_phases_marking.py::test_what_is_lost_is_in_the_marker_before_it_is_changed",
        ),
    ),
    Mutant(
        name="older-copy-of-the-journal",
        breaks="A journal that is older than the marker is worked with: what was done is done once more.",
        file="rollout/phases/marking.py",
        old="    if not more:\n        return None\n    where",
        new="    if more is not None:\n        return None\n    where",
        killers=("tests/core/test_phases_marking.py::test_a_journal_that_is_older_than_the_marker",),
    ),
    Mutant(
        name="begun-anew-beside-a-marker",
        breaks="A rollout begins although the cluster's marker says that another one never ended.",
        file="rollout/preflight/refusals/cluster.py",
        old="    if found.marker:\n",
        new="    if not found:\n",
        killers=("tests/core/test_preflight.py::test_a_reason_is_told_with_what_to_do_next[marker]",),
    ),
)
