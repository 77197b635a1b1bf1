"""What keeps each node, from the journal and from one look."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from rollout.doctor import holding
from rollout.doctor.holding import Holding, Told
from rollout.model.budget import BudgetSeen
from rollout.model.decision import StageDecision
from rollout.model.effects import Cordon, DeleteJob, Evict, Protect, Suspend, Terminate
from rollout.model.machine import Phase, Stage
from rollout.model.observation import Observation
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases import drain
from tests.core.build import NOW, at, node, owned, pod, record, row, seen, surged, unsettled

CLOSED = (node("o1", "NoSchedule"), node("o2", "NoSchedule"))
TWO_JOBS = seen(surged(), *CLOSED, pod("job-1", "o1"), pod("job-2", "o2"))
WEB = pod("web-1", "o1", owner=owned("ReplicaSet", "web"), labels={"app": "web"})
BUDGET = BudgetSeen("ns", "web", (), expected=2, healthy=2, desired=2, allowed=0)
ASKED = Evict(namespace="ns", name="web-1", uid="uid-web-1", node="o1", occasion="0")


def looked(
    world: Observation, journal: Record, *, works: bool = False, now: datetime = NOW, jobs: Any = None
) -> dict[str, Holding]:
    """What keeps each node by this look, by its instance; `works`: somebody runs the rollout."""
    told = {one.instance_id: Told("JobsRunning", at(-60)) for one in journal.nodes if one.waits_for}
    return {one.row.instance_id: one for one in holding.by_look(journal, world, now, told, jobs or {}, works=works)}


def answered(world: Observation, journal: Record, now: datetime) -> StageDecision:
    """What the first node answers."""
    return next(step for one, _, step in drain.answer(world, journal, now).nodes if one.instance_id == "i-o1")


def blocked(**changes: Any) -> tuple[Observation, Record]:
    """A node that drains, whose last pod a budget keeps."""
    world = seen(surged(), node("o1", "NoSchedule", unschedulable=True), CLOSED[1], WEB, fresh=("o1",))
    asked = unsettled(ASKED, "blocked", blocked_since=at(-30), detail="the budget says no", tried=at(-30))
    rows = (row("i-o1", Stage.DRAINING), row("i-o2"))
    journal = record(nodes=rows, unsettled=(asked,), **changes)
    return replace(world, budgets=(BUDGET,)), journal


def test_a_job_keeps_its_node_until_the_drain_deadline() -> None:
    """Its pods are named, with the reason, the instant, and what comes then."""
    found = looked(TWO_JOBS, record())["i-o1"]
    assert (found.waits_for, found.reason, found.told) == ("pod ns/job-1 of Job job", Reason.JOBS_RUNNING, None)
    assert [(one.pod.name, one.protected) for one in found.pods] == [("job-1", True)]
    assert found.until == holding.Until(at(7200), "its protected pods are ended (drain.on_deadline: pod)")


def test_a_forced_node_keeps_its_pods_no_longer() -> None:
    """As the journal says it, which the process that runs the rollout has not written since."""
    forced = record(nodes=(row("i-o1", waits_for="pod ns/job-1", forced_at=NOW, forced_by="alice"), row("i-o2")))
    (found, _) = holding.by_journal(forced, {"i-o1": Told("JobsRunning", at(-60))})
    assert found.until == holding.Until(NOW, "its protected pods are ended (forced by alice)")


def test_a_pod_ends_by_what_ends_it_first() -> None:
    """Its own activeDeadlineSeconds or its Job's, the earlier of the two; nothing is told where neither has one."""
    world = seen(surged(), *CLOSED, pod("job-1", "o1", ends=at(900)), pod("job-2", "o2"))
    ends = [{uid: at(seconds)} for uid, seconds in (("uid-Job-job", 600), ("uid-Job-job", 1200), ("other", 1))]
    found = [[one.pods[0].ends for one in looked(world, record(), jobs=jobs).values()] for jobs in ends]
    assert found == [[at(600), at(600)], [at(900), at(1200)], [at(900), None]]


def test_since_when_it_waits_is_the_journals() -> None:
    """Where the journal says the same as the look, since then."""
    journal = record(nodes=(row("i-o1", waits_for="pod ns/job-1 of Job job"), row("i-o2", waits_for="another pod")))
    found = looked(TWO_JOBS, journal)
    assert (found["i-o1"].told, found["i-o2"].told) == (at(-60), None)


def test_where_nothing_keeps_it_the_next_stage_is_told() -> None:
    """Its Job has ended since the journal was written."""
    journal = record(nodes=(row("i-o1", waits_for="pod ns/job-1 of Job job"), row("i-o2")))
    found = looked(seen(surged(), *CLOSED, pod("job-2", "o2")), journal)["i-o1"]
    assert (found.waits_for, found.next, found.until) == ("", "DRAINING", None)


def test_a_blocked_eviction_is_told_with_its_budget_and_the_blocked_deadline() -> None:
    """The request, since when it is blocked, and the budget's numbers."""
    (one,) = (found := looked(*blocked())["i-o1"]).pods
    assert (found.reason, one.asked and one.asked.blocked_since) == (Reason.POD_DISRUPTION_BUDGET_BLOCKS, at(-30))
    assert (one.protected, one.budgets, one.why) == (
        False,
        (BUDGET,),
        "pod ns/web-1 of ReplicaSet web: the budget says no",
    )
    assert found.until == holding.Until(at(8100), "the rollout halts")


@pytest.mark.parametrize(
    ("changes", "then"),
    [
        pytest.param({}, "its protected pods are ended (drain.on_deadline: pod)", id="ended"),
        pytest.param({"on_deadline": "halt"}, "the rollout halts (drain.on_deadline: halt)", id="halts"),
    ],
)
def test_what_is_said_of_the_drain_deadline_is_what_the_rollout_does(changes: dict[str, Any], then: str) -> None:
    """A second before it nothing happens; at it, what was told."""
    journal = record(**changes)
    until = looked(TWO_JOBS, journal)["i-o1"].until
    assert until == holding.Until(at(7200), then)
    before, after = (answered(TWO_JOBS, journal, moment) for moment in (at(7199), until.at))
    assert (before.trigger, before.halt) == (None, None)
    assert (after.trigger, after.halt is not None) == ((None, True) if "halts" in then else ("drain", False))


@pytest.mark.parametrize("on_blocked", ["halt", "force"])
def test_what_is_said_of_the_blocked_deadline_is_what_the_rollout_does(on_blocked: str) -> None:
    """At it the rollout halts, or deletes the pods: as it was told."""
    world, journal = blocked(on_blocked=on_blocked)
    until = looked(world, journal)["i-o1"].until
    assert until
    late = replace(journal, unsettled=(replace(journal.unsettled[0], intended=at(8090)),))
    before, after = (answered(world, late, moment) for moment in (at(8099), until.at))
    assert ([effect.kind for effect in before.effects], before.halt) == (["evict"], None)
    deleted, halts = [effect.kind for effect in after.effects] == ["delete-pod"], after.halt is not None
    assert (deleted, halts) == (on_blocked == "force", on_blocked == "halt")
    told = {"halt": "the rollout halts", "force": "its pods are deleted (drain.on_blocked: force)"}
    assert until.then == told[on_blocked]


def test_surplus_stays_at_the_deadline() -> None:
    """Nobody is ended for a surplus node, and no budget's time counts for it."""
    journal = record(nodes=(row("i-n1", role="surplus"),))
    found = looked(seen(surged(), pod("job-1", "n1"), node("n1", "NoSchedule")), journal)["i-n1"]
    assert found.until == holding.Until(at(7200), "the node stays")


@pytest.mark.parametrize("works", [True, False])
def test_the_runner_is_believed_in_what_it_alone_knows(works: bool) -> None:  # noqa: FBT001  a parameter of the table
    """A takeover delay, as long as somebody works; who looks from aside knows of none."""
    journal = record(nodes=(row("i-o1", waits_for="the takeover delay"), row("i-o2")))
    told = {"i-o1": Told(Reason.TAKEOVER_DELAY, NOW)}
    found = holding.by_look(journal, TWO_JOBS, NOW, told, {}, works=works)
    waits = {one.row.instance_id: one.waits_for for one in found}
    assert waits["i-o1"] == ("the takeover delay" if works else "pod ns/job-1 of Job job")


def test_before_drain_the_journal_is_told() -> None:
    """No node has begun to drain, and a look would say of each what is not asked of it yet."""
    found = looked(TWO_JOBS, record(Phase.READY))
    assert [(one.waits_for, one.until, one.pods) for one in found.values()] == [("", None, ())] * 2


def test_by_the_journal_alone() -> None:
    """Words, reason and instant as they were written, and the requests about the node that are not settled."""
    cordon = Cordon(node="o1", uid="uid-o1", instance_id="i-o1", occasion="0.0")
    protect = Protect(group="g", instance_ids=("i-o2",), protected=True, occasion="0")
    job = DeleteJob(namespace="ns", name="job", job_uid="u", pod_uid="p", node="o2", kills="ns/job")
    end = Terminate(group="g", instance_id="i-o2", desired_before=4)
    elsewhere = Suspend(group="g", processes=("Launch",), occasion="0")
    rows = (row("i-o1", waits_for="a pod"), row("i-o2"), row("i-o3", Stage.GONE))
    journal = record(
        nodes=rows, unsettled=tuple(unsettled(one) for one in (ASKED, cordon, protect, job, end, elsewhere))
    )
    found = holding.by_journal(journal, {"i-o1": Told("JobsRunning", NOW)})
    assert [(one.row.instance_id, one.waits_for, one.reason, one.told) for one in found] == [
        ("i-o1", "a pod", "JobsRunning", NOW),
        ("i-o2", "", None, None),
    ]
    assert [[request.effect.kind for request in one.requests] for one in found] == [
        ["evict", "cordon"],
        ["protect", "delete-job", "terminate"],
    ]
    assert found[0].until is not None
