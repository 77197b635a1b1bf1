"""DRAINING: cordon, evict, and after the deadline what the settings allow; errors never lead to termination."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from rollout.model.budget import BudgetSeen
from rollout.model.effects import Cordon, DeleteJob, DeletePod, Effect, Evict, OfJob
from rollout.model.machine import Stage
from rollout.model.observation import NodeSeen, Owner, PodSeen
from rollout.model.reasons import Reason
from rollout.model.record import EffectState, Left
from rollout.stages import draining
from rollout.stages.node_view import NodeView
from rollout.stages.stuck import STUCK_AFTER
from tests.core.build import FINISHED, NEVER_JOINED, NOW, OTHER_RUNS, at, bare, looked, node, owned, pod, unsettled
from tests.core.tables import Told, check_stage, goes, sends, stays

STAGE = Stage.DRAINING
CORDONED = node("o1", "NoSchedule", unschedulable=True)
WEB = pod("web-1", owner=owned("ReplicaSet", "web"))
JOB = pod()
DAEMON = pod("daemon", owner=owned("DaemonSet"))

FEW = (node("o2", ready=False), node("n1", unschedulable=True))

OVERDUE, TOO_LONG = at(7200), at(8100)


def emptied(*pods: PodSeen | NodeSeen, it: NodeSeen = CORDONED, **changes: Any) -> NodeView:
    """A cordoned node with these pods, freshly listed."""
    return looked(STAGE, it, *pods, **changes)


def evict(there: PodSeen, kills: str | None = None, occasion: str = "0") -> Evict:
    return Evict(namespace="ns", name=there.name, uid=there.uid, node="o1", kills=kills, occasion=occasion)


def delete(there: PodSeen, grace: int | None, occasion: str, kills: str | None = None) -> DeletePod:
    return DeletePod(
        namespace="ns", name=there.name, uid=there.uid, node="o1", grace=grace, kills=kills, occasion=occasion
    )


def after(effect: Effect, state: EffectState = "rejected", **changes: Any) -> dict[str, Any]:
    """What the record knows of one effect: that it was rejected, unless said otherwise."""
    return {"unsettled": (unsettled(effect, state, detail="budget web allows none", **changes),)}


def asked(effect: Effect, last: datetime, first: datetime) -> dict[str, Any]:
    """A budget said no to this effect for the first time, and for the last time."""
    return after(effect, "blocked", blocked_since=first, intended=last)


@pytest.mark.parametrize(
    ("it", "expected"),
    [
        pytest.param(emptied(), goes("release"), id="cordoned and empty"),
        pytest.param(emptied(DAEMON, replace(JOB, phase="Failed")), goes("release"),
                     id="daemons and finished pods stay"),
        pytest.param(emptied(it=node("o1", "NoSchedule")),
                     sends(Cordon(node="o1", uid="uid-o1", instance_id="i-o1", occasion="0.0")), id="not cordoned yet"),
        pytest.param(emptied(JOB, it=node("o1", "NoSchedule")), sends("cordon:o1:uid-o1:0.0"),
                     id="cordon before anything else"),
        pytest.param(emptied(row_={"drain_attempt": 3}, it=node("o1"), resume_count=2), sends("cordon:o1:uid-o1:2.3"),
                     id="a later passage"),
        pytest.param(emptied(fresh=()), stays("a fresh list"), id="the watch is not enough"),
        pytest.param(looked(STAGE, fresh=(), now=at(1200), **NEVER_JOINED), goes("release"),
                     id="never joined"),
        pytest.param(looked(STAGE, unjoined=("o1",)), goes("back"), id="its node object is gone, and its pods"),
        pytest.param(looked(STAGE, WEB, unjoined=("o1",)), goes("back"),
                     id="its node object is gone, a pod is not"),
        pytest.param(emptied(JOB), goes("back"), id="a Job turned up"),
        pytest.param(emptied(FINISHED, OTHER_RUNS), goes("back"), id="the controller of a finished pod has gone on"),
        pytest.param(emptied(FINISHED, WEB, OTHER_RUNS), goes("back"), id="the same beside others: nobody is evicted"),
        pytest.param(emptied(FINISHED, OTHER_RUNS, now=OVERDUE), goes("release"), id="at the deadline: not touched"),
        pytest.param(emptied(FINISHED, WEB, OTHER_RUNS, now=OVERDUE), sends(evict(WEB)),
                     id="at the deadline the others leave, it is not evicted"),
        pytest.param(emptied(FINISHED, OTHER_RUNS, row_={"role": "surplus"}, now=OVERDUE), goes("back"),
                     id="surplus with a finished pod at the deadline: kept"),
        pytest.param(emptied(WEB, JOB), goes("back"), id="a Job turned up beside others: nobody is evicted"),
        pytest.param(emptied(replace(JOB, deleting=NOW)), goes("back"), id="a Job that somebody else ends still runs"),
        pytest.param(emptied(replace(WEB, pinned=True)), goes("back"), id="a pod that says no turned up"),
        pytest.param(emptied(WEB), sends(evict(WEB), waits="pod ns/web-1 of ReplicaSet web to be evicted"), id="evict"),
        pytest.param(emptied(WEB, *FEW), stays("only 1 of the 2 nodes that g needs would serve without it"),
                     id="too few serve: nobody is evicted into nothing"),
        pytest.param(emptied(JOB, WEB, *FEW), goes("back"), id="too few serve, and a Job turned up"),
        pytest.param(emptied(*FEW, it=node("o1", "NoSchedule")), stays("only 1 of the 2"), id="too few: no cordon"),
        pytest.param(emptied(WEB, bare()), sends(evict(WEB), evict(bare())), id="all that must leave"),
        pytest.param(emptied(WEB, **after(evict(WEB))), sends(evict(WEB), waits="web-1 of ReplicaSet web: budget web"),
                     id="a budget blocks: the runner keeps the pause"),
        pytest.param(emptied(replace(WEB, deleting=NOW)), stays("web-1 of ReplicaSet web to end"), id="evicted"),
        pytest.param(emptied(replace(WEB, deleting=at(-61))), stays("does not end"), id="it does not end"),
        pytest.param(emptied(WEB, row_={"role": "surplus"}), sends(evict(WEB)), id="surplus, too"),
        pytest.param(emptied(WEB, row_={"role": "surplus"}, now=OVERDUE), goes("back"),
                     id="surplus at the deadline: kept, not forced"),
    ],
)  # fmt: skip
def test_before_the_deadline(it: NodeView, expected: Told) -> None:
    """A protected pod sends the node back; what else runs is evicted, past no budget."""
    check_stage(draining, it, expected)


def before(seconds: float) -> datetime:
    return OVERDUE - timedelta(seconds=seconds)


OWNER = "ns/job"
VOLCANO = replace(JOB, owner=Owner("batch.volcano.sh/v1alpha1", "Job", "job", "u"), pinned=True)
ENDS = replace(JOB, deleting=OVERDUE)
STUCK = replace(JOB, deleting=OVERDUE - timedelta(seconds=STUCK_AFTER))
GRACEFUL, AT_ONCE = delete(JOB, None, "graceful.0", OWNER), delete(JOB, 0, "now.0", OWNER)
OF_JOB = OfJob("job-1", "uid-job-1", "o1")
END_JOB = DeleteJob(
    namespace="ns", name="job", pod_uid="uid-job-1", node="o1", kills=OWNER, job_uid="uid-Job-job", pods=(OF_JOB,)
)


@pytest.mark.parametrize(
    ("it", "expected"),
    [
        pytest.param(emptied(JOB, now=OVERDUE - timedelta(seconds=1)), goes("back"), id="a second before"),
        pytest.param(emptied(JOB, now=OVERDUE), sends(evict(JOB, OWNER)), id="evicted first"),
        pytest.param(emptied(JOB, now=OVERDUE, **after(evict(JOB), "unknown")), sends(evict(JOB, OWNER)),
                     id="no reply: the runner looks before it is sent again"),
        pytest.param(emptied(JOB, now=OVERDUE, **after(evict(JOB))), sends(GRACEFUL),
                     id="rejected: deleted with its grace period"),
        pytest.param(emptied(JOB, now=OVERDUE, **asked(evict(JOB), OVERDUE, before(60))), sends(GRACEFUL),
                     id="a budget has said no for a minute: deleted with its grace period"),
        pytest.param(emptied(JOB, now=OVERDUE, **asked(evict(JOB), OVERDUE, before(59))), sends(evict(JOB, OWNER)),
                     id="a budget has said no just now: asked once more"),
        pytest.param(emptied(JOB, now=OVERDUE, **asked(evict(JOB), before(90), before(9000))),
                     sends(evict(JOB, OWNER)), id="a budget's no is old: asked once more"),
        pytest.param(emptied(ENDS, now=OVERDUE), stays("job-1 of Job job to end"), id="its grace period is left to it"),
        pytest.param(emptied(ENDS, now=OVERDUE + timedelta(seconds=STUCK_AFTER - 1)), stays("to end"), id="to its end"),
        pytest.param(emptied(STUCK, now=OVERDUE), sends(AT_ONCE, waits="does not end"), id="then without"),
        pytest.param(emptied(JOB, now=OVERDUE, on_deadline="job"), sends(END_JOB), id="job: the Job goes"),
        pytest.param(emptied(VOLCANO, now=OVERDUE, on_deadline="job"),
                     sends(evict(VOLCANO, "Job.batch.volcano.sh ns/job")), id="job: another API's Job is none"),
        pytest.param(emptied(STUCK, now=OVERDUE, on_deadline="job"), sends(AT_ONCE), id="job: a pod that does not end"),
        pytest.param(emptied(bare(pinned=True), now=OVERDUE, on_deadline="job"), sends(evict(bare(), "pod ns/bare")),
                     id="job: a protected pod without a Job is evicted"),
        pytest.param(emptied(JOB, now=OVERDUE, on_deadline="halt"), goes("back"), id="halt: nobody is killed"),
        pytest.param(emptied(ENDS, now=OVERDUE, on_deadline="halt"), goes("back"), id="halt: nor helped to die"),
        pytest.param(emptied(WEB, now=OVERDUE, on_deadline="halt"), sends(evict(WEB)), id="halt: others leave"),
        pytest.param(emptied(WEB, now=OVERDUE, **after(evict(WEB))), sends(evict(WEB)), id="a budget has 15 min more"),
        pytest.param(emptied(WEB, JOB, now=OVERDUE), sends(evict(WEB), evict(JOB, OWNER)), id="both kinds"),
        pytest.param(emptied(JOB, now=OVERDUE, drain_deadline=None), goes("back"), id="no deadline yet"),
        pytest.param(emptied(JOB, now=OVERDUE, resume_count=1, **after(evict(JOB))), sends(evict(JOB, OWNER, "1")),
                     id="resumed: evicted once more first"),
        pytest.param(emptied(JOB, *FEW, now=OVERDUE), stays("only 1 of the 2"), id="too few serve: nobody is killed"),
        pytest.param(emptied(JOB, *FEW, now=TOO_LONG),
                     stays("only 1 of the 2", halt="o1 is being drained and cannot go: only 1 of the 2"),
                     id="too few serve until the end: a person"),
    ],
)  # fmt: skip
def test_after_the_deadline(it: NodeView, expected: Told) -> None:
    """What still runs of Jobs is ended step by step, each with the name for the ledger, if the settings let it."""
    check_stage(draining, it, expected)


GONE_WEB = replace(WEB, deleting=TOO_LONG - timedelta(seconds=STUCK_AFTER))
WHY = "o1 cannot be drained 15 min after the deadline: "


@pytest.mark.parametrize(
    ("it", "expected"),
    [
        pytest.param(emptied(WEB, now=at(8099), **after(evict(WEB))), sends(evict(WEB)), id="a second before"),
        pytest.param(emptied(WEB, now=TOO_LONG, **after(evict(WEB))),
                     stays("budget web", halt=f"{WHY}pod ns/web-1 of ReplicaSet web: budget web allows none"),
                     id="the budget and the pod are named"),
        pytest.param(emptied(WEB, now=TOO_LONG), sends(evict(WEB)), id="never asked: asked now"),
        pytest.param(emptied(WEB, now=TOO_LONG, resume_count=1, **after(evict(WEB))), sends(evict(WEB, occasion="1")),
                     id="resumed: asked once more"),
        pytest.param(emptied(WEB, now=TOO_LONG, resume_count=1, **after(evict(WEB, occasion="1"))),
                     stays("budget", halt=WHY),
                     id="resumed, and refused again"),
        pytest.param(emptied(WEB, now=TOO_LONG, resume_count=1, deadline=at(8101), **after(evict(WEB, occasion="1"))),
                     sends(evict(WEB, occasion="1")),
                     id="refused by a budget in which a person made room: its time begins again"),
        pytest.param(emptied(WEB, now=TOO_LONG, **after(evict(WEB), "intended")), sends(evict(WEB)), id="under way"),
        pytest.param(emptied(GONE_WEB, now=TOO_LONG), stays("does not end", halt=f"{WHY}pod ns/web-1"),
                     id="a pod that does not end is named too"),
        pytest.param(emptied(replace(WEB, deleting=TOO_LONG), now=TOO_LONG), stays("to end"), id="in its grace period"),
        pytest.param(emptied(replace(WEB, deleting=at(11700)), now=TOO_LONG), stays("to end"),
                     id="it has an hour, which is waited for"),
        pytest.param(emptied(replace(WEB, deleting=at(11701)), now=at(8099)), stays("until 2025-06-01 15:15 UTC"),
                     id="it has longer than that, and budgets have their time"),
        pytest.param(emptied(replace(WEB, deleting=at(11701)), now=TOO_LONG),
                     stays("to end", halt=f"{WHY}pod ns/web-1 of ReplicaSet web to end, for which its grace period"),
                     id="then a person is told"),
        pytest.param(emptied(WEB, now=TOO_LONG, on_blocked="force", **after(evict(WEB))),
                     sends(delete(WEB, None, "graceful.0")), id="force: deleted past the budget"),
        pytest.param(emptied(WEB, now=OVERDUE, on_blocked="force", **after(evict(WEB))), sends(evict(WEB)),
                     id="force: not before the margin is over"),
        pytest.param(emptied(replace(WEB, deleting=TOO_LONG), now=TOO_LONG, on_blocked="force"), stays("to end"),
                     id="force: its grace period is left to it"),
        pytest.param(emptied(GONE_WEB, now=TOO_LONG, on_blocked="force"), sends(delete(WEB, 0, "now.0")),
                     id="force: then without"),
        pytest.param(emptied(STUCK, now=TOO_LONG), sends(AT_ONCE), id="a Job's pod that does not end"),
        pytest.param(emptied(STUCK, now=TOO_LONG, **after(AT_ONCE)), stays("does not end", halt=f"{WHY}pod ns/job-1"),
                     id="it was refused: a person"),
        pytest.param(emptied(STUCK, now=OVERDUE, **after(AT_ONCE, "not_applied", answered=NOW)), stays("does not end"),
                     id="answered yes, and it does not help: no use to repeat, before the margin either"),
        pytest.param(emptied(STUCK, now=TOO_LONG, **after(AT_ONCE, "not_applied", answered=NOW)),
                     stays("does not end", halt=f"{WHY}pod ns/job-1"), id="answered yes: then a person"),
        pytest.param(emptied(STUCK, now=TOO_LONG, resume_count=1, **after(AT_ONCE)),
                     sends(delete(JOB, 0, "now.1", OWNER)),
                     id="resumed: once more"),
        pytest.param(emptied(STUCK, now=OVERDUE, **after(AT_ONCE)), sends(AT_ONCE),
                     id="before the margin it is repeated"),
        pytest.param(emptied(WEB, JOB, now=TOO_LONG, **after(evict(WEB))),
                     Told(None, (evict(JOB, OWNER),), "budget", WHY), id="what else can be done is done"),
        pytest.param(emptied(WEB, JOB, now=TOO_LONG, on_deadline="halt", **after(evict(WEB))), goes("back"),
                     id="halt: a Job goes before a budget"),
    ],
)  # fmt: skip
def test_when_budgets_had_their_time(it: NodeView, expected: Told) -> None:
    """15 minutes after the deadline a person is asked, or the pods go, as the settings say."""
    check_stage(draining, it, expected)


NEVER_REFUSED = ("intended", "unknown", "not_sent", "not_applied")


@pytest.mark.parametrize("now", [OVERDUE, TOO_LONG, at(1e6)], ids=["overdue", "too long", "much later"])
@pytest.mark.parametrize("state", NEVER_REFUSED)
@pytest.mark.parametrize("changes", [{}, {"on_blocked": "force"}, {"blocked_since": at(0)}], ids=str)
@pytest.mark.parametrize("there", [JOB, replace(JOB, pinned=True), WEB], ids=["Job", "pinned", "web"])
def test_nothing_is_deleted_that_nobody_refused_to_evict(
    now: datetime, state: EffectState, changes: dict[str, Any], there: PodSeen
) -> None:
    """However late it is: an eviction that never came through is sent, not made a DELETE, and no budget is blamed."""
    since = {"blocked_since": changes.pop("blocked_since")} if "blocked_since" in changes else {}
    kills = OWNER if there.owner and there.owner.kind == "Job" else "ReplicaSet ns/web" if there.pinned else None
    eviction = evict(there, kills)
    answer = draining.decide(emptied(there, now=now, **changes, **after(eviction, state, **since)))
    assert answer.effects == (eviction,)
    assert answer.halt is None


def test_a_pod_is_named_once_where_its_eviction_is_refused() -> None:
    """The answer names it too, for people who read the journal's effects."""
    asked = unsettled(evict(WEB), "blocked", detail="pod ns/web-1: HTTP 500: This pod has two budgets")
    answer = draining.decide(emptied(WEB, unsettled=(asked,)))
    assert answer.waits_for == "pod ns/web-1 of ReplicaSet web: HTTP 500: This pod has two budgets"


def test_an_eviction_that_comes_through_late_is_asked_for_until_the_no_is_certain() -> None:
    """The request failed for long, then a budget said no: that is a no of now, and becomes force only when it lasts."""
    late = {"tried": at(7000), "blocked_since": TOO_LONG + timedelta(seconds=500)}
    rows = after(evict(WEB), "blocked", intended=TOO_LONG + timedelta(seconds=500), **late)
    answer = draining.decide(emptied(WEB, now=TOO_LONG + timedelta(seconds=510), on_blocked="force", **rows))
    assert (answer.effects, answer.halt) == ((evict(WEB),), None)


def test_what_does_not_come_through_in_time_is_for_a_person() -> None:
    """The hint says where to look; a first try past the deadlines is made all the same."""
    for intended, effects in ((TOO_LONG, ()), (at(8099), (evict(WEB),))):
        rows = after(evict(WEB), "not_applied", tried=at(7000), intended=intended)
        answer = draining.decide(emptied(WEB, now=TOO_LONG, **rows))
        assert answer.effects == effects
        assert (answer.halt is None) == bool(effects)
        assert answer.reason is Reason.EVICTION_FAILS
        assert not answer.halt or answer.halt.hint.startswith("clear what blocks its eviction (kubectl get validating")


KAFKA = replace(WEB, owner=Owner("apps/v1", "StatefulSet", "kafka", "u"), pinned=True)
RAY = replace(
    KAFKA, owner=Owner("ray.io/v1", "RayCluster", "llm", "u"), labels={"ray.io/originated-from-crd": "RayService"}
)
OF_MACHINE = "VirtualMachineInstance.kubevirt.io ns/vm"
MACHINE = replace(KAFKA, owner=Owner("kubevirt.io/v1", "VirtualMachineInstance", "vm", "u"), restarts="Never")
ENDED = replace(KAFKA, deleting=TOO_LONG - timedelta(seconds=STUCK_AFTER))
NAMED = "StatefulSet ns/kafka"


@pytest.mark.parametrize(
    ("it", "expected"),
    [
        pytest.param(emptied(KAFKA, now=before(1)), goes("back"), id="it holds the node until the deadline"),
        pytest.param(emptied(KAFKA, now=OVERDUE), sends(evict(KAFKA, NAMED)), id="evicted, and named in the ledger"),
        pytest.param(emptied(KAFKA, now=at(8099), **asked(evict(KAFKA), at(8099), before(0))),
                     sends(evict(KAFKA, NAMED)), id="its budget says no for long: asked on, and not deleted"),
        pytest.param(emptied(KAFKA, now=at(8099), **after(evict(KAFKA))), sends(evict(KAFKA, NAMED)),
                     id="its eviction is rejected: not deleted either"),
        pytest.param(emptied(KAFKA, now=TOO_LONG, **asked(evict(KAFKA), TOO_LONG, before(0))),
                     stays("budget web", halt=f"{WHY}pod ns/web-1 of StatefulSet kafka"), id="then a person"),
        pytest.param(emptied(KAFKA, now=TOO_LONG, on_blocked="force", **asked(evict(KAFKA), TOO_LONG, before(0))),
                     sends(delete(KAFKA, None, "graceful.0", NAMED)), id="or by force, and named too"),
        pytest.param(emptied(ENDED, now=TOO_LONG), stays("does not end", halt=WHY), id="nobody helps it to die"),
        pytest.param(emptied(ENDED, now=TOO_LONG, on_blocked="force"), sends(delete(KAFKA, 0, "now.0", NAMED)),
                     id="but by force"),
        pytest.param(emptied(RAY, now=OVERDUE, **after(evict(RAY))), sends(evict(RAY, "RayCluster.ray.io ns/llm")),
                     id="a RayService's budget is obeyed too"),
        pytest.param(emptied(MACHINE, now=OVERDUE, **after(evict(MACHINE))), sends(evict(MACHINE, OF_MACHINE)),
                     id="a virtual machine moves while its eviction is refused"),
        pytest.param(emptied(MACHINE, now=before(1)), goes("back"), id="and is protected until the deadline"),
        pytest.param(emptied(replace(KAFKA, restarts="Never"), now=OVERDUE, **after(evict(KAFKA))),
                     sends(delete(KAFKA, None, "graceful.0", NAMED)), id="what runs to its end is no replica"),
        pytest.param(emptied(bare(pinned=True), now=OVERDUE, **after(evict(bare()))),
                     sends(delete(bare(), None, "graceful.0", "pod ns/bare")), id="nor what nobody replaces"),
    ],
)  # fmt: skip
def test_a_protected_replica_is_a_pod_like_any_other_after_the_deadline(it: NodeView, expected: Told) -> None:
    """Its budget is obeyed: only work that ends, and what nobody replaces, is killed past one."""
    check_stage(draining, it, expected)


REBOOT = "aws ec2 reboot-instances --instance-ids i-o1"
TAKE_OFF = """kubectl patch pod web-1 -n ns --type=merge -p '{"metadata":{"finalizers":null}}'"""
FORCE = "kubectl delete pod web-1 -n ns --force --grace-period=0"


@pytest.mark.parametrize(
    ("there", "state", "hint"),
    [
        (WEB, "blocked", "make room in the budget, clear what else blocks the eviction, or delete the pod yourself"),
        (WEB, "rejected", "change what rejects its eviction or delete the pod yourself"),
        (
            replace(WEB, deleting=at(90000)),
            "not_sent",
            "wait until it has ended, or give it less time yourself (kubectl delete pod web-1 -n ns --grace-period=60)",
        ),
        (GONE_WEB, "not_sent", f"{REBOOT} (its kubelet then ends it), or, if the machine does not come back: {FORCE}"),
        (
            replace(GONE_WEB, finalizers=("x.io/a",)),
            "not_sent",
            f"let the controller that set the finalizer take it off, or: {TAKE_OFF}",
        ),
    ],
)
def test_a_halt_speaks_of_a_budget_where_one_was_asked(there: PodSeen, state: EffectState, hint: str) -> None:
    """What a person is to do follows from what was answered."""
    halt = draining.decide(emptied(there, now=TOO_LONG, **after(evict(there), state))).halt
    assert halt is not None
    assert halt.hint == hint
    by_state = {"blocked": Reason.POD_DISRUPTION_BUDGET_BLOCKS, "rejected": Reason.EVICTION_REJECTED}
    ends = Reason.PODS_LEAVING if there.deleting == at(90000) else Reason.POD_DOES_NOT_END
    assert halt.reason is by_state.get(state, ends)


NEVER, PERCENT = (BudgetSeen("ns", name, ()) for name in ("never", "pct"))
ELSEWHERE = BudgetSeen("other", "all", ())


@pytest.mark.parametrize(
    ("budgets", "hint"),
    [
        (
            (NEVER, ELSEWHERE, PERCENT),
            "(kubectl delete pdb never -n ns or kubectl delete pdb pct -n ns)",
        ),
        ((NEVER, ELSEWHERE), "make room in the budget, "),
        ((), "make room in the budget, "),
    ],
    ids=["two select it", "one does", "budgets may not be read"],
)
def test_room_in_a_budget_is_asked_for_where_it_helps(budgets: tuple[BudgetSeen, ...], hint: str) -> None:
    """The API for evictions refuses a pod under two budgets, however much they allow: one of them must go."""
    view = replace(emptied(WEB, now=TOO_LONG, **after(evict(WEB), "blocked")), budgets=budgets)
    halt = draining.decide(view).halt
    assert halt is not None
    assert hint in halt.hint


def test_a_pod_without_a_node_name_is_looked_for_where_it_was_listed() -> None:
    """The effect names the node whose list is asked whether it landed."""
    it = replace(emptied(WEB), pods=(replace(WEB, node=None),))
    (effect,) = draining.decide(it).effects
    assert isinstance(effect, Evict)
    assert effect.node == "o1"


JOBS_END: dict[str, Any] = {"now": OVERDUE, "on_deadline": "job"}
HELD = replace(WEB, deleting=at(-61), finalizers=("x.io/a", "x.io/b"))


@pytest.mark.parametrize(
    ("there", "turned", "words"),
    [
        pytest.param(HELD, None, "(finalizer x.io/a, x.io/b): let the controller", id="a finalizer"),
        pytest.param(HELD, -119, "(finalizer x.io/a, x.io/b): let the controller", id="not Ready for a moment"),
        pytest.param(HELD, -120, f"(the kubelet of o1 has not reported for 2 min): {REBOOT}",
                     id="silent: nobody ends it, so its finalizers wait too"),
        pytest.param(replace(HELD, finalizers=()), -300, f"(the kubelet of o1 has not reported for 5 min): {REBOOT}",
                     id="silent"),
        pytest.param(replace(HELD, finalizers=()), None, f"(its kubelet does not end it): {REBOOT}", id="it reports"),
        pytest.param(replace(HELD, deleting=at(-59)), -300, "web-1 of ReplicaSet web to end", id="it may still end"),
    ],
)  # fmt: skip
def test_why_a_pod_does_not_end_is_said_with_what_helps(there: PodSeen, turned: float | None, words: str) -> None:
    """Two minutes after a kubelet fell silent it is named, and so is the command that really ends its pods."""
    it = CORDONED if turned is None else replace(CORDONED, ready=False, turned=at(turned))
    step = draining.decide(emptied(there, it=it))
    assert words in step.waits_for
    silent = Reason.KUBELET_SILENT if "not reported" in words else Reason.POD_DOES_NOT_END
    assert step.reason is (Reason.PODS_LEAVING if words.endswith(" to end") else silent)


ENDING = replace(HELD, deleting=at(20000))
ASKED = Left(evict(ENDING), at(210))


@pytest.mark.parametrize(
    ("pods", "changes", "stuck"),
    [
        pytest.param((HELD,), {}, True, id="it does not end"),
        pytest.param((replace(HELD, deleting=NOW),), {}, False, id="it ends"),
        pytest.param((ENDING,), {"now": at(299)}, False, id="it has hours to end, and began to drain a while ago"),
        pytest.param((ENDING,), {"now": at(300)}, True, id="and began to drain five minutes ago"),
        pytest.param((ENDING,), {"now": at(500), "left": (ASKED,)}, False, id="it was asked to end a while ago"),
        pytest.param((ENDING,), {"now": at(510), "left": (ASKED,)}, True, id="it was asked to five minutes ago"),
        pytest.param((HELD, bare()), {}, False, id="another may still go"),
        pytest.param((WEB,), {}, False, id="to be evicted"),
        pytest.param((WEB,), after(evict(WEB), "not_sent", blocked_since=at(-999)), False, id="throttled"),
        pytest.param((WEB,), after(evict(WEB), "not_applied"), False, id="not applied"),
        pytest.param((WEB,), after(evict(WEB)), True, id="rejected"),
        pytest.param((WEB,), after(evict(WEB), "not_sent", tried=at(-299)), False, id="not come through for a while"),
        pytest.param((WEB,), after(evict(WEB), "unknown", tried=at(-300)), True, id="not come through for 5 minutes"),
        pytest.param((WEB,), after(evict(WEB), "blocked"), False, id="blocked, since when is not known"),
        pytest.param((WEB,), after(evict(WEB), "blocked", blocked_since=at(-299)), False, id="blocked for a while"),
        pytest.param((WEB,), after(evict(WEB), "blocked", blocked_since=at(-300)), True, id="blocked for five minutes"),
        pytest.param((JOB,), {**JOBS_END, **after(END_JOB, "blocked", blocked_since=at(6901))}, False,
                     id="its Job is blocked for a while"),
        pytest.param((JOB,), {**JOBS_END, **after(END_JOB, "blocked", blocked_since=at(6900))}, True,
                     id="its Job is blocked for five minutes"),
    ],
)  # fmt: skip
def test_a_node_whose_pods_do_not_go_is_stuck(pods: tuple[PodSeen, ...], changes: dict[str, Any], stuck: bool) -> None:  # noqa: FBT001 - a column
    """Only if none of them does: then the others of its group need not wait for it."""
    assert draining.decide(emptied(*pods, **changes)).stuck is stuck


def test_a_pod_with_hours_to_end_keeps_no_halt_back() -> None:
    """One that ends within five minutes does: its node goes on by itself then."""
    steps = [draining.decide(emptied(replace(WEB, deleting=at(7000 + left)), now=at(7000))) for left in (300, 301)]
    assert [step.kept_back for step in steps] == [True, False]


def test_a_job_that_is_deleted_loses_all_its_pods() -> None:
    """Those on new nodes and on other old ones too: not what has finished, is ended already, or was not bound yet."""
    others = (
        pod("job-2", "n1"),
        pod("job-3", "o2"),
        pod("job-4", "n1", phase="Succeeded"),
        pod("job-5", "n1", deleting=OVERDUE),
        pod("job-6", None, phase="Pending"),
        pod("other-1", "n1", owner=owned("Job", "other")),
        pod("web-2", "n1", owner=owned("ReplicaSet", "web")),
    )
    (effect,) = draining.decide(emptied(JOB, *others, now=OVERDUE, on_deadline="job")).effects
    lost = (OF_JOB, OfJob("job-2", "uid-job-2", "n1"), OfJob("job-3", "uid-job-3", "o2"))
    assert effect == replace(END_JOB, pods=lost)


def test_why_a_job_does_not_end_is_said() -> None:
    """Where Jobs are deleted, what was answered to that is the reason."""
    it = emptied(JOB, **JOBS_END, **after(END_JOB, "blocked", blocked_since=at(7100)))
    assert "budget web allows none" in draining.decide(it).waits_for
