"""Replicas of one service without a disruption budget leave one at a time; what comes back again and again stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from rollout.model.budget import BudgetSeen, Operator, Requirement
from rollout.model.decision import Act, Decision, Halt, StageDecision, Wait
from rollout.model.effects import DeletePod, Evict
from rollout.model.machine import Stage
from rollout.model.observation import Owner, PodSeen
from rollout.model.plan import Sizes
from rollout.model.reasons import Reason
from rollout.model.record import Left, Record
from rollout.phases import drain
from rollout.stages import draining
from rollout.stages.replicas import fewer, service
from tests.core.build import (
    NOW,
    at,
    bare,
    baseline,
    looked,
    new,
    node,
    node_group,
    old,
    owned,
    pod,
    record,
    row,
    seen,
    surged,
    unsettled,
)

CORDONED = (node("o1", "NoSchedule", unschedulable=True), node("o2", "NoSchedule", unschedulable=True))
BOTH = (row("i-o1", Stage.DRAINING), row("i-o2", Stage.DRAINING))


def web(name: str, on: str = "o1", kind: str = "ReplicaSet", **changes: Any) -> PodSeen:
    """A replica of the service `web`."""
    return pod(name, on, **{"owner": owned(kind, "web"), "labels": {"app": "web"}, **changes})


def left(name: str = "w0", ready: int = 3, seconds: float = 0, node: str = "o1", **changes: Any) -> Left:
    """A replica that left so many seconds after NOW, when so many were Ready."""
    effect = Evict(namespace="ns", name=name, uid=f"uid-{name}", node=node, service="ns/ReplicaSet web", ready=ready)
    return Left(replace(effect, **changes), at(seconds))


def drained(*pods: PodSeen, now: datetime = NOW, journal: Record | None = None, **changes: Any) -> Decision:
    """What DRAIN answers while both old nodes are being drained."""
    budgets = changes.pop("budgets", ())
    world = seen(surged(), *CORDONED, *pods, fresh=("o1", "o2"), budgets=budgets)
    return drain.decide(world, journal or record(nodes=BOTH, **changes), now)


def evicted(decision: Decision) -> list[str]:
    """Which pods leave by it."""
    effects = decision.effects if isinstance(decision, Act) else ()
    return [effect.name for effect in effects if isinstance(effect, Evict | DeletePod)]


def waits(decision: Decision) -> str:
    """What the nodes wait for."""
    assert isinstance(decision, Act | Wait)
    return "; ".join(one.waits_for for one in decision.waits)


ONE_ON_EACH = (web("w1"), web("w2", "o2"), web("w3", "n1"))


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet", "ReplicationController", "CloneSet"])
def test_replicas_leave_one_at_a_time_across_nodes(kind: str) -> None:
    """At one tick one leaves; its effect says how many were Ready before, itself among them."""
    decision = drained(*(replace(one, owner=owned(kind, "web")) for one in ONE_ON_EACH), bare("b", on="o2"))
    assert evicted(decision) == ["w1", "b"]
    assert isinstance(decision, Act)
    assert isinstance(decision.effects[0], Evict)
    assert (decision.effects[0].service, decision.effects[0].ready) == (f"ns/{kind} web", 3)


def test_replicas_leave_one_at_a_time_across_groups() -> None:
    """Each group drains by itself; a service that stands in both is one all the same."""
    other = surged(old("p1"), name="h")
    rows = (*BOTH[:1], row("i-p1", Stage.DRAINING, group="h"))
    journal = record(nodes=rows, groups=(node_group(), node_group("h")))
    baselines = (*journal.plan.baselines, baseline("h", Sizes(0, 0, 1)))
    journal = replace(journal, plan=replace(journal.plan, baselines=baselines))
    closed = (CORDONED[0], node("p1", "NoSchedule", unschedulable=True))
    ours = surged(old("o1"), new("n1"), new("n2"))
    world = seen(ours, other, *closed, web("w1"), web("w2", "p1"), fresh=("o1", "p1"), budgets=())
    assert evicted(drain.decide(world, journal, NOW)) == ["w1"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"owner": None}, id="pods without a controller"),
        pytest.param({"owner": Owner("v1", "Pod", "driver", "u")}, id="whose controller is a pod"),
        pytest.param({"owner": owned("Runner"), "restarts": "Never"}, id="that run to their end"),
    ],
)
def test_only_replicas_wait_for_each_other(changes: dict[str, Any]) -> None:
    """Others have no successor that could be waited for."""
    assert evicted(drained(*(replace(one, **changes) for one in ONE_ON_EACH))) == ["w1", "w2"]


#: What was Ready before w0 left: three, and so many are Ready beside it now.
TWO, THREE = (web("w1"), web("w2", "n1")), (web("w1"), web("w2", "n1"), web("w3", "n2"))
NOT_YET = web("w3", "n2", ready=False)


@pytest.mark.parametrize(
    ("pods", "journal", "now", "leaves"),
    [
        pytest.param(TWO, {"left": (left(),)}, at(299), [], id="its successor is not there"),
        pytest.param((*TWO, NOT_YET), {"left": (left(),)}, at(299), [], id="or not Ready"),
        pytest.param((*TWO, web("w3", "n2", deleting=NOW)), {"left": (left(),)}, at(9), [], id="or on its way out"),
        pytest.param((*TWO, web("w3", "n2", phase="Failed")), {"left": (left(),)}, at(9), [], id="or has failed"),
        pytest.param((*TWO, web("w0", "n2")), {"left": (left(),)}, at(9), [], id="the watch has not heard of it yet"),
        pytest.param(THREE, {"left": (left(),)}, at(9), ["w1"], id="it is Ready elsewhere"),
        pytest.param(TWO, {"left": (left(),)}, at(300), ["w1"], id="after five minutes all the same"),
        pytest.param(TWO, {"left": (left(ready=2),)}, at(9), ["w1"], id="no more were Ready before"),
        pytest.param(TWO, {"left": (left(service="ns/ReplicaSet other"),)}, at(9), ["w1"], id="of another service"),
    ],
)
def test_the_next_leaves_when_the_one_before_is_ready_elsewhere(
    pods: tuple[PodSeen, ...], journal: dict[str, Any], now: datetime, leaves: list[str]
) -> None:
    """As many are Ready as before, without the one that left; the journal tells who that was."""
    decision = drained(*pods, now=now, **journal)
    assert evicted(decision) == leaves
    if not leaves:
        assert "waits for the successor of w" in waits(decision)


def test_services_with_fewer_ready_replicas_than_before_are_counted() -> None:
    """Against what was Ready before the first one left; not Jobs, nor what is as it was."""
    gone = (
        left(),
        left("w1", ready=2),
        left("db-0", service="ns/StatefulSet db", ready=1),
        left("j", service="ns/Job j"),
    )
    there = (web("w2", "n1"), web("w3", "n1", ready=False), web("w4", deleting=NOW), web("w5", phase="Succeeded"))
    assert fewer(seen(surged(), *there), gone) == (
        "ns/ReplicaSet web: 1 of 3 replicas are Ready",
        "ns/StatefulSet db: 0 of 1 replicas are Ready",
    )
    assert fewer(seen(surged(), *there), gone[1:2]) == ("ns/ReplicaSet web: 1 of 2 replicas are Ready",)
    assert fewer(seen(surged(), *there, web("w6", "n1"), web("w7", "n1")), gone[:2]) == ()


def other(**changes: Any) -> PodSeen:
    """Another replica, which is not Ready."""
    return web("w2", "n1", ready=False, **{"created": at(-9000), **changes})


@pytest.mark.parametrize(
    ("earlier", "ready", "budgets", "told"),
    [
        pytest.param(left(), (), (),
                     "no successor of w0 is Ready after 5 min: pod ns/w1 of ReplicaSet web leaves anyway",
                     id="a quota lets nobody make one"),
        pytest.param(left(), (web("w9", "n1"), web("w8", "n1")), (), "", id="it has come"),
        pytest.param(left(name="w1"), (), (), "", id="it is the same pod"),
        pytest.param(left(seconds=1), (), (), "", id="it still has its time"),
        pytest.param(left(), (), (BudgetSeen("ns", "web", ()),), "", id="a budget alone decides"),
    ],
)  # fmt: skip
def test_that_a_successor_never_came_is_told(earlier: Left, ready: Any, budgets: Any, told: str) -> None:
    """With the replica that leaves in spite of it."""
    answer = drained(web("w1"), *ready, now=at(300), journal=record(nodes=BOTH, left=(earlier,)), budgets=budgets)
    assert isinstance(answer, Act)
    assert answer.tell == told


@pytest.mark.parametrize(
    ("beside", "now", "leaves"),
    [
        pytest.param(other(turned=at(-100)), at(100), [], id="it has just turned"),
        pytest.param(other(turned=at(-200)), at(100), ["w1"], id="it was so for five minutes"),
        pytest.param(other(turned=at(250)), at(300), ["w1"], id="one that turns again and again is not waited for"),
        pytest.param(other(created=at(9)), at(100), [], id="it is new"),
        pytest.param(other(deleting=at(-100)), at(100), [], id="somebody else ends it"),
        pytest.param(other(deleting=at(-200)), at(100), ["w1"], id="and it does not end"),
        pytest.param(other(turned=at(90), phase="Failed"), at(100), ["w1"], id="it has failed"),
        pytest.param(other(turned=at(90), owner=owned("ReplicaSet", "db")), at(100), ["w1"], id="another service's"),
        pytest.param(other(turned=at(90)), at(7200), ["w1"], id="the deadline has passed"),
    ],
)
def test_a_ready_replica_waits_for_one_that_turned_not_ready(beside: PodSeen, now: datetime, leaves: list[str]) -> None:
    """It is about to be Ready again, or replaced; for a controller that was unready before nobody waits."""
    decision = drained(web("w1"), beside, web("w3", "n2"), now=now)
    assert evicted(decision) == leaves
    assert leaves or "waits for w2 to be Ready, until 12:05:00 UTC at most" in waits(decision)
    assert isinstance(decision, Act | Wait)
    assert leaves or [one.reason for one in decision.waits] == [Reason.REPLICAS_NOT_READY]


def test_one_that_is_not_ready_waits_for_nobody_and_is_waited_for_once() -> None:
    """It is no loss; and the one that we took is waited for by its successor alone."""
    assert evicted(drained(web("w1", ready=False), other(turned=NOW), web("w3", "n2"), now=at(9))) == ["w1"]
    taken: dict[str, Any] = {"left": (left("w2", ready=2),)}
    assert evicted(drained(web("w1"), other(deleting=at(30)), web("w3", "n2"), now=at(9), **taken)) == ["w1"]


@pytest.mark.parametrize(
    ("beside", "now", "leaves"),
    [
        pytest.param(other(created=at(1), turned=at(2)), at(1000), [], id="a successor is Pending for long"),
        pytest.param(other(created=at(1)), at(7199), [], id="up to the deadline"),
        pytest.param(other(created=at(1)), at(7200), ["w1"], id="and not longer"),
        pytest.param(other(created=at(-7200)), at(1000), [], id="it was starting before we came"),
        pytest.param(other(created=at(-7201)), at(1000), ["w1"], id="it has been so for hours"),
        pytest.param(other(turned=at(900)), at(1000), [], id="it has just turned, once more"),
        pytest.param(other(turned=at(-900)), at(1000), ["w1"], id="it was so before"),
        pytest.param(other(deleting=at(900)), at(1000), [], id="its successor comes when it is gone"),
        pytest.param(other(created=at(1), phase="Failed"), at(1000), ["w1"], id="it has failed"),
    ],
)
def test_the_last_ready_replica_stays_while_another_is_on_its_way(
    beside: PodSeen, now: datetime, leaves: list[str]
) -> None:
    """Five minutes are no reason to take a service down; the drain deadline is the end of that."""
    decision = drained(web("w1"), beside, now=now, left=(left(),))
    assert evicted(decision) == leaves
    assert leaves or "is the last Ready one while w2 is not, until the drain deadline" in waits(decision)


@pytest.mark.parametrize(("seconds", "moved"), [(299, []), (300, ["i-o2"])])
def test_a_node_with_a_last_replica_is_in_nobodys_way(seconds: float, moved: list[str]) -> None:
    """After five minutes the next of its group drains beside it."""
    world = seen(
        surged(), CORDONED[0], node("o2", "NoSchedule"), web("w1"), other(created=at(1)), bare(on="o2"), fresh=("o1",)
    )
    journal = record(nodes=(BOTH[0], row("i-o2")))
    decision = drain.decide(world, journal, at(seconds))
    assert [move.instance_id for move in getattr(decision, "moves", ())] == moved


def test_past_a_budget_they_are_deleted_one_by_one_too() -> None:
    """The API server does not count for us there."""
    refused = tuple(
        unsettled(Evict(namespace="ns", name=name, uid=f"uid-{name}", node=on, occasion="0"), "rejected", retry_at=NOW)
        for name, on in (("w1", "o1"), ("w2", "o2"))
    )
    decision = drained(*ONE_ON_EACH, now=at(9000), budgets=(APP,), unsettled=refused, on_blocked="force")
    assert isinstance(decision, Act)
    assert [(effect.kind, effect.target) for effect in decision.effects] == [("delete-pod", "ns/w1/uid-w1")]


def test_after_the_deadline_still_one_by_one() -> None:
    """Protected ones too, and at any time."""
    jobs = record(nodes=BOTH, protected=replace(record().plan.settings.protected, kinds=("ReplicaSet",)))
    assert evicted(drained(*ONE_ON_EACH, now=at(7300))) == ["w1"]
    assert evicted(drained(*ONE_ON_EACH, now=at(7300), journal=jobs)) == ["w1"]
    assert evicted(drained(*ONE_ON_EACH, now=at(9000), left=(left(ready=4, seconds=8990),))) == []


def test_a_no_or_a_pause_holds_nobody_up() -> None:
    """The pod whose eviction is not sent at this tick has not left; one that is on its way has."""
    eviction = Evict(namespace="ns", name="w1", uid="uid-w1", node="o1", occasion="0")
    paused = unsettled(eviction, "blocked", retry_at=at(20))
    assert evicted(drained(*ONE_ON_EACH, unsettled=(paused,))) == ["w1", "w2"]
    sent: dict[str, Any] = {"unsettled": (unsettled(eviction),), "left": (left("w1"),)}
    assert evicted(drained(*ONE_ON_EACH, **sent)) == ["w1"]
    again: dict[str, Any] = {"unsettled": (paused,), "left": (left("w2", seconds=19),)}
    assert evicted(drained(web("w1"), web("w3", "n1"), now=at(20), **again)) == []


def test_one_that_goes_already_is_no_other() -> None:
    """To end it at once when its kubelet is stuck needs nobody's successor."""
    stuck = web("w1", deleting=at(8000))
    decision = drained(stuck, web("w2", "n1"), now=at(9000), left=(left("w1", seconds=7970),), on_blocked="force")
    assert evicted(decision) == ["w1"]


APP = BudgetSeen("ns", "web", (Requirement("app", "In", frozenset({"web"})),))


@pytest.mark.parametrize(
    ("budgets", "leaves"),
    [
        pytest.param((APP,), ["w1", "w2"], id="a budget selects them: it alone decides"),
        pytest.param((replace(APP, selector=()),), ["w1", "w2"], id="an empty selector takes all of its namespace"),
        pytest.param((replace(APP, selector=None),), ["w1"], id="none takes nobody"),
        pytest.param((replace(APP, namespace="other"),), ["w1"], id="it is of another namespace"),
        pytest.param((replace(APP, selector=(Requirement("app", "Exists"), Requirement("x", "Exists"))),), ["w1"],
                     id="it selects others"),
        pytest.param(None, ["w1"], id="nobody knows the budgets"),
    ],
)  # fmt: skip
def test_where_a_budget_selects_them_it_alone_decides(budgets: Any, leaves: list[str]) -> None:
    """The API server is asked for both, and says which may go."""
    assert evicted(drained(*ONE_ON_EACH, budgets=budgets)) == leaves


@pytest.mark.parametrize(
    ("operator", "values", "takes"),
    [
        ("In", {"web"}, (True, False, False)),
        ("NotIn", {"web"}, (False, True, True)),
        ("Exists", (), (True, True, False)),
        ("DoesNotExist", (), (False, False, True)),
    ],
)
def test_a_selector_takes_labels_as_kubernetes_says(operator: Operator, values: Any, takes: tuple[bool, ...]) -> None:
    """By value, by another value, and where there is no such label."""
    it = Requirement("app", operator, frozenset(values))
    assert tuple(it.takes(labels) for labels in ({"app": "web"}, {"app": "x"}, {})) == takes


@pytest.mark.parametrize(
    ("owner", "labels", "named"),
    [
        (None, {}, ""),
        (owned("ReplicaSet", "web-5f"), {"pod-template-hash": "5f"}, "ns/Deployment web"),
        (owned("ReplicaSet", "web-5f"), {"rollouts-pod-template-hash": "5f"}, "ns/Deployment web"),
        (owned("ReplicaSet", "web-5f"), {"pod-template-hash": "77"}, "ns/ReplicaSet web-5f"),
        (owned("StatefulSet", "db"), {}, "ns/StatefulSet db"),
        (owned("StatefulSet", "llm-0"), {"leaderworkerset.sigs.k8s.io/name": "llm"}, "ns/LeaderWorkerSet llm"),
    ],
)
def test_all_replica_sets_of_a_deployment_are_one_service(
    owner: Owner | None, labels: dict[str, str], named: str
) -> None:
    """In the midst of an update a Deployment has two of them, and so has a Rollout of Argo."""
    assert service(bare(owner=owner, labels=labels)) == named


# ---- groups of a LeaderWorkerSet


def part(name: str, on: str, **changes: Any) -> PodSeen:
    """A leader `llm-GROUP` of the StatefulSet `llm`, or another pod `llm-GROUP-WORKER` of its group's StatefulSet."""
    labels = {"leaderworkerset.sigs.k8s.io/name": "llm"}
    return pod(name, on, **{"owner": owned("StatefulSet", name.rpartition("-")[0]), "labels": labels, **changes})


LEADERS = (part("llm-0", "o1"), part("llm-1", "o2"))
WORKERS = (part("llm-0-0", "o2"), part("llm-1-0", "o1"))


LOADING = part("llm-0-0", "n1", uid="u3", ready=False, created=at(60))


def gone(name: str, seconds: float) -> Left:
    return left(name, ready=2, seconds=seconds, service="ns/LeaderWorkerSet llm")


def test_a_group_is_one_replica_and_its_pods_leave_together() -> None:
    """Its leader and its other pods are of two StatefulSets; without one of them none serves."""
    decision = drained(*LEADERS, *WORKERS)
    assert sorted(evicted(decision)) == ["llm-0", "llm-0-0"]
    assert isinstance(decision, Act)
    assert {effect.service for effect in decision.effects if isinstance(effect, Evict)} == {"ns/LeaderWorkerSet llm"}
    assert decision.tell == ""


@pytest.mark.parametrize(
    ("others", "seconds", "goes"),
    [
        pytest.param((part("llm-0", "n1", uid="u2"),), 299, False, id="its leader is there, and nothing else of it"),
        pytest.param((part("llm-0", "n1", uid="u2"), LOADING), 900, False,
                     id="a model is loading for long: the other group is the last that serves"),
        pytest.param((part("llm-0", "n1", uid="u2"), part("llm-0-0", "n1", uid="u3")), 60, True,
                     id="it is whole again"),
        pytest.param((), 900, True, id="it never came, after its time"),
    ],
)  # fmt: skip
def test_the_next_group_leaves_when_the_one_before_is_whole(
    others: tuple[PodSeen, ...],
    seconds: float,
    goes: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """A leader that is Ready serves nobody while the rest of its group is not."""
    before = (gone("llm-0", 0), gone("llm-0-0", 0))
    decision = drained(LEADERS[1], WORKERS[1], *others, now=at(seconds), left=before)
    assert (sorted(evicted(decision)) == ["llm-1", "llm-1-0"]) is goes


def test_a_pod_of_another_name_is_a_replica_of_its_own() -> None:
    """Those that nobody knows to be a group never leave together."""
    assert evicted(drained(part("odd-0", "o1"), part("odd-0-0", "o2"))) == ["odd-0"]


def test_the_only_group_does_not_wait_for_itself() -> None:
    """What is left of it serves nobody."""
    rest = part("llm-0-0", "o2")
    loading = part("llm-0", "n1", ready=False, created=at(60))
    assert evicted(drained(rest, loading, now=at(90), left=(gone("llm-0", 0),))) == ["llm-0-0"]


def test_groups_that_do_not_serve_at_the_end_are_counted() -> None:
    """As replicas are: the pods of one count together."""
    there = seen(surged(), LEADERS[0], part("llm-0-0", "n1"), part("llm-1", "n1"))
    assert fewer(there, (gone("llm-1", 0),)) == ("ns/LeaderWorkerSet llm: 1 of 2 replicas are Ready",)


# ---- what comes back to a closed node


def back(*before: Left, created: float = 10, now: float = 12, **changes: Any) -> StageDecision:
    """What its node answers to a pod that is there once more."""
    there = web("w9", created=at(created), **changes)
    return draining.decide(looked(Stage.DRAINING, CORDONED[0], there, now=at(now), left=before))


def test_how_often_a_pod_came_back_is_noted_with_its_eviction() -> None:
    """One after the other, on this node; replicas that were there from the start have not come back."""
    before = (left("w0", seconds=10.5, came_back=1), left("w5", node="o2", came_back=5))
    for created, times in ((at(10), 2), (at(9), 0), (None, 0)):
        decision = drained(web("w9", created=created), web("w3", "n1"), web("w4", "n1"), now=at(400), left=before)
        assert isinstance(decision, Act)
        assert [effect.came_back for effect in decision.effects if isinstance(effect, Evict)] == [times]


def test_what_comes_back_again_and_again_is_not_evicted_any_more() -> None:
    """The node waits with the reason, in nobody's way, and a person must act once budgets had their time too."""
    assert back(left(came_back=1)).effects
    often = back(left(came_back=2))
    assert (often.effects, often.trigger, often.halt, often.stuck) == ((), None, None, True)
    assert "w9 of ReplicaSet web, which tolerates a cordon and has come back 3 times" in often.waits_for
    late = back(left(came_back=2, seconds=8090), created=8095, now=8100)
    assert isinstance(late.halt, Halt)
    assert "has come back 3 times" in late.halt.why
    assert (often.reason, late.halt.reason) == (Reason.POD_COMES_BACK, Reason.POD_COMES_BACK)
    assert late.halt.hint.startswith("remove its toleration of every taint, or scale it to 0")


RUNNER = bare("runner", created=at(7200), restarts="Never", pinned=True)


@pytest.mark.parametrize(
    ("there", "killed"),
    [
        pytest.param(pod(created=at(7199)), True, id="a Job's pod that was there at the deadline"),
        pytest.param(pod(created=None), True, id="one that does not say since when"),
        pytest.param(pod(created=at(7200)), False, id="one that was made at the deadline or after it"),
        pytest.param(RUNNER, False, id="one without a controller"),
        pytest.param(replace(RUNNER, pinned=False), True, id="work that the settings do not protect"),
        pytest.param(web("w9", created=at(7200), pinned=True), True, id="a replica that is protected"),
    ],
)
def test_protected_work_that_was_made_after_the_deadline_is_not_killed(there: PodSeen, killed: bool) -> None:  # noqa: FBT001 - a column
    """It tolerates a cordon, and each new one has another name: nobody would count how often one came."""
    step = draining.decide(looked(Stage.DRAINING, CORDONED[0], there, now=at(7300)))
    assert (len(step.effects), step.stuck, step.trigger) == (int(killed), not killed, None)
    assert killed or (step.reason, step.halt) == (Reason.POD_COMES_BACK, None)
    assert killed or "tolerates a cordon and was made after the deadline: it is not killed" in step.waits_for


def test_a_stream_of_jobs_is_for_a_person_once_budgets_had_their_time() -> None:
    """The halt names what makes the pods, and how to end what runs."""
    jobs = [pod(f"j{n}", created=at(7300), owner=owned("Job", f"j{n}")) for n in range(4)]
    step = draining.decide(looked(Stage.DRAINING, CORDONED[0], *jobs, RUNNER, now=at(8100)))
    assert isinstance(step.halt, Halt)
    assert step.halt.reason is Reason.POD_COMES_BACK
    assert step.halt.hint.startswith(
        "stop what makes such pods (Job ns/j0, Job ns/j1, Job ns/j2 and 2 more): suspend its CronJob or its queue"
    )
    assert step.halt.hint.endswith(
        "(kubectl delete job j0 -n ns; kubectl delete job j1 -n ns; kubectl delete job j2 -n ns)"
    )
    alone = draining.decide(looked(Stage.DRAINING, CORDONED[0], RUNNER, now=at(8100)))
    assert isinstance(alone.halt, Halt)
    assert "(pod ns/runner)" in alone.halt.hint
    assert "(kubectl delete pod runner -n ns)" in alone.halt.hint


def test_one_that_goes_is_waited_for() -> None:
    """It will not be there again by itself."""
    assert "w9 of ReplicaSet web to end" in back(left(came_back=2), deleting=at(30)).waits_for


def test_one_whose_eviction_was_not_applied_has_not_left() -> None:
    """It counts among the Ready when it is evicted again: the next waits for its successor, and it waits for nobody."""
    lost = unsettled(
        Evict(namespace="ns", name="w1", uid="uid-w1", node="o1", occasion="0"), "not_applied", retry_at=NOW
    )
    before: dict[str, Any] = {"left": (left("w0", seconds=-30), left("w1", ready=3)), "unsettled": (lost,)}
    decision = drained(*ONE_ON_EACH, now=at(20), **before)
    assert evicted(decision) == ["w1"]
    assert isinstance(decision, Act)
    assert isinstance(decision.effects[0], Evict)
    assert decision.effects[0].ready == 3
