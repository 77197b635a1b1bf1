"""Promises 7 to 9, joined from a journal and a log of applied changes: kept, broken, and never put to the test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollout.demo import journal_promises
from rollout.fence import Fence
from rollout.journal import lease_acquire
from rollout.journal.lease_row import Holder
from rollout.model import effects
from rollout.model.machine import Phase
from rollout.ports import Summary
from tests.cli import samples
from tests.journal.samples import tamper

FIRST = Summary("r1", None, "c", "ami", ("a",), Phase.DONE, None, samples.NOW, samples.after(10))
SUSPEND = effects.Suspend(group="workers", processes=("AZRebalance",))


def change(at: float, **other: Any) -> dict[str, Any]:
    fields = {"object": "asg/workers", "field": "SuspendedProcesses", "verb": "SuspendProcesses", "actor": "client:abc"}
    return {**fields, "at": samples.after(at).timestamp(), **other}


def test_changes_in_the_order_of_epochs_keep_promise_7(tmp_path: Path) -> None:
    """A run that changes something after a later one did, or that never held the cluster, breaks it and is named."""
    journal = samples.draining(tmp_path)
    for run in ("first", "second"):
        with lease_acquire.acquire(
            journal, "c", Holder("host", 1, run), lambda: samples.NOW, Fence(lambda: ()), lambda: False
        ):
            pass
    one, two, stranger = (change(1, actor=f"client:{run}") for run in ("first", "second", "stranger"))
    kept = journal_promises.fenced(journal, [one, two, two, change(2, actor="world")])
    assert (kept.kept, kept.checks) == (True, 3)
    assert "run first held epoch 1, while 2 was at work" in journal_promises.fenced(journal, [two, one]).violations[0]
    assert "run stranger never held the cluster" in journal_promises.fenced(journal, [stranger]).violations[0]


def test_rollouts_one_after_the_other_keep_promise_8() -> None:
    """A rollout that begins when the other has ended is no second one; neither is one of another cluster."""
    later = replace(FIRST, id="r2", begun=samples.after(10), ended=None)
    elsewhere = replace(FIRST, id="r3", cluster="d", begun=samples.after(1))
    judged = journal_promises.one_at_a_time([later, FIRST, elsewhere])
    assert judged.kept
    assert judged.checks == 3


def test_two_at_once_break_promise_8() -> None:
    """A rollout that begins before the other of its cluster has ended is named."""
    early = replace(FIRST, id="r2", begun=samples.after(9))
    assert journal_promises.one_at_a_time([early, FIRST]).violations == ("r2 began while r1 was active on c",)


def test_a_second_start_must_be_refused() -> None:
    """What was tried and not refused breaks promise 8; what was refused is one more check."""
    assert not journal_promises.one_at_a_time([FIRST], refused=False).kept
    assert journal_promises.one_at_a_time([FIRST], refused=True).checks == 2


def test_nothing_to_check_is_no_promise_kept() -> None:
    """A promise that was never put to the test is not kept."""
    assert not journal_promises.one_at_a_time([]).kept


def test_a_change_after_its_intent_keeps_promise_9(tmp_path: Path) -> None:
    """Applied changes of ours with an earlier intent for the thing are in order; other people's are not our matter."""
    journal = samples.draining(tmp_path)
    journal.intend(samples.ID, [SUSPEND], (), (), (), samples.after(9))
    others = [change(1, actor="world"), change(1, actor="client:other", object="asg/x")]
    judged = journal_promises.written_first(journal, samples.ID, [change(9), *others])
    assert judged.kept
    # The world's moments are finer than the microseconds that the journal keeps.
    at_once = {**change(9), "at": change(9)["at"] - 5e-7}
    assert journal_promises.written_first(journal, samples.ID, [at_once]).kept
    assert judged.checks == len(journal.events(samples.ID)) + 1
    told = change(1, object=f"event/default/{samples.ID}.3.i-1")  # an Event on a node is no effect
    assert journal_promises.written_first(journal, samples.ID, [change(9), told]).checks == judged.checks


def test_the_pods_of_a_deleted_job_go_with_it(tmp_path: Path) -> None:
    """Who intended to delete a Job intended to delete its pods; those of a Job with a longer name are another's."""
    journal = samples.draining(tmp_path)
    job = effects.DeleteJob(namespace="n", name="j", pod_uid="u", node="x", kills="j", job_uid="u")
    journal.intend(samples.ID, [job], (), (), (), samples.after(9))
    pod, other = (change(9, object=f"pod/n/{name}-x7k2p", verb="DELETE jobs") for name in ("j", "j-2"))
    assert journal_promises.written_first(journal, samples.ID, [pod]).kept
    assert not journal_promises.written_first(journal, samples.ID, [other]).kept


@pytest.mark.parametrize("wrong", [change(8), change(10, object="asg/other"), change(1, object="event/default/r-2")])
def test_a_change_without_earlier_intent_breaks_promise_9(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """Applied before it was intended, or on a thing that no intent names."""
    journal = samples.draining(tmp_path)
    journal.intend(samples.ID, [SUSPEND], (), (), (), samples.after(9))
    assert not journal_promises.written_first(journal, samples.ID, [wrong]).kept


def test_a_changed_event_breaks_promise_9(tmp_path: Path) -> None:
    """An event that was rewritten afterwards does not fit its chain."""
    journal = samples.draining(tmp_path)
    tamper(journal, "UPDATE events SET text = 'all was well' WHERE seq = 3")
    assert not journal_promises.written_first(journal, samples.ID, []).kept


@pytest.mark.parametrize(
    ("effect", "things"),
    [
        (effects.CreateMarker(rollout_id="r", mark=None), {"configmap/kube-system/eks-rollout"}),
        (effects.StopAutoscaler(namespace="n", name="a", rollout_id="r", replicas_before=1), {"deployment/n/a"}),
        (effects.Cordon(node="x", uid="u", instance_id="i-1"), {"node/x"}),
        (effects.Evict(namespace="n", name="p", uid="u", node="x"), {"pod/n/p"}),
        (
            effects.DeleteJob(namespace="n", name="j", pod_uid="u", node="x", kills="j", job_uid="u"),
            {"job/n/j", "pod/n/j-*"},
        ),
        (effects.SetDefaultVersion(template_id="lt-1", before=1, number=2), {"template/lt-1"}),
        (effects.Protect(group="g", instance_ids=("i-1", "i-2"), protected=True), {"instance/i-1", "instance/i-2"}),
        (effects.Terminate(group="g", instance_id="i-1", desired_before=2), {"asg/g", "instance/i-1"}),
        (SUSPEND, {"asg/workers"}),
    ],
)
def test_an_effect_names_what_it_touches(effect: effects.Effect, things: set[str]) -> None:
    """The names are those of the simulator's log."""
    assert set(journal_promises.touched(effect)) == things
