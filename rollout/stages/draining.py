"""DRAINING: the node is cordoned and its pods are evicted. Ends when a fresh list shows no pod that must leave.

The volumes of these pods must also be detached, for which it waits six minutes at most. Other nodes do not wait for
that.

No pod is evicted or deleted while too few nodes would serve without this one.

A protected pod that appears before the deadline sends the node back to WAITING. After the deadline it is evicted and
entered in the ledger. A Job's pod, or one that nobody replaces, is then deleted with its grace period, then without. A
replica of a service is then a pod like any other, and its budget is obeyed. So is a virtual machine of KubeVirt, which
moves when its eviction is asked. An error here never leads to termination.

If a pod comes back to the cordoned node again and again, it stays there, and so does the node. Protected work that was
made after the deadline stays there too: it came though the node is closed, and others would follow it. It ends by
itself, or a person must act.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from rollout.commands import WEBHOOKS, kubectl
from rollout.model.decision import Halt, StageDecision
from rollout.model.effects import Cordon, DeleteJob, DeletePod, Effect, Evict, OfJob, OnNode, occasions
from rollout.model.observation import PodSeen
from rollout.model.plan import listed
from rollout.model.reasons import Reason
from rollout.model.record import EffectRow, EffectState
from rollout.stages import stuck, volumes
from rollout.stages.node_view import NodeView
from rollout.stages.pods import in_words, is_protected, is_work, may_be_forced
from rollout.stages.replicas import came_back
from rollout.stages.stuck import in_grace

#: Seconds between the first and the last no of a budget before a pod is deleted past it, and for how long such a no
#: is believed: an older one is asked for once more.
BLOCKED_LONG_ENOUGH, BELIEVED = 60.0, 90.0
#: Times that a pod may come back to its node, which is closed, before nobody evicts it any more.
MOST_CAME_BACK = 3
#: Pods that a hint names.
MOST_NAMED = 3


def decide(view: NodeView) -> StageDecision:
    """Answer with evictions, with `release` once the node is empty, or with `back`.

    It is empty when only DaemonSet, mirror and finished pods are left on it, none of which holds it, and no volume of a
    pod that has left, as far as it is waited for.
    """
    if not view.fresh:
        return StageDecision(waits_for="a fresh list of its pods", reason=Reason.POD_LIST_STALE)
    if view.unknown:
        return StageDecision(trigger="back", because=f"it is not known which pods run here: waits for {view.unknown}")
    if not view.cordoned and view.enough:
        return StageDecision(effects=_cordons(view), waits_for="cordon", reason=Reason.EFFECT_PENDING)
    if view.cordoned and not view.busy:
        awaited = volumes.awaited(view)
        attached = StageDecision(waits_for=awaited, reason=Reason.VOLUMES_ATTACHED, stuck=True)
        return attached if awaited else StageDecision(trigger="release")
    if view.blocking_pods and not view.may_kill:
        return StageDecision(trigger="back", because=f"{in_words(view.blocking_pods)} turned up")
    if view.is_kept:
        return StageDecision(trigger="back", because="surplus, and not empty at the deadline")
    return _empty(view) if view.enough else view.short("being drained")


def _cordons(view: NodeView) -> tuple[Cordon, ...]:
    return tuple(
        Cordon(**OnNode.of(node, view.row.instance_id), occasion=view.occasion)
        for node in view.nodes
        if not node.unschedulable
    )


def _empty(view: NodeView) -> StageDecision:
    blocking = {pod.uid for pod in view.blocking_pods}
    effects: list[Effect] = []
    kept: list[PodSeen] = []
    for pod in view.leaving:
        effect = None if _keeps_coming(view, pod) else _kill(view, pod) if pod.uid in blocking else _evict(view, pod)
        if effect and not _in_vain(view, effect):
            effects.append(effect)
        elif view.blocked_too_long and (not in_grace(view, pod) or _has_long(view, pod)):
            kept.append(pod)
    return StageDecision(
        effects=tuple(effects),
        waits_for="; ".join(why(view, pod) for pod in view.leaving),
        reason=_worst(view, view.leaving),
        halt=_halt(view, kept) if kept else None,
        stuck=all(_stays(view, pod) for pod in view.leaving),
        kept_back=any(in_grace(view, pod) and not _lasts(view, pod, stuck.BLOCKED_AFTER) for pod in view.leaving),
    )


def _keeps_coming(view: NodeView, pod: PodSeen) -> bool:
    """Tell whether the end of a pod that tolerates a cordon brings the node no nearer to its end."""
    return not pod.deleting and (_returns(view, pod) or _is_late(view, pod))


def _returns(view: NodeView, pod: PodSeen) -> bool:
    """The scheduler likes this node best: what is evicted is back in a second."""
    return came_back(view.record, pod) >= MOST_CAME_BACK


def _is_late(view: NodeView, pod: PodSeen) -> bool:
    """Protected work that was made after the deadline, and came to a closed node all the same.

    It was not there when the time of Jobs was over. Each new one would be killed as soon as it has begun, and no
    controller comes three times where each has another name.
    """
    deadline = view.deadline
    late = deadline is not None and pod.created is not None and pod.created >= deadline
    return late and view.may_kill and is_work(pod) and is_protected(pod, view.record.plan.settings, view.now)


def _lasts(view: NodeView, pod: PodSeen, seconds: float) -> bool:
    """Tell whether the grace period of a pod lasts for longer than that from now on."""
    return pod.deleting is not None and pod.deleting > view.now + timedelta(seconds=seconds)


def _has_long(view: NodeView, pod: PodSeen) -> bool:
    """Tell whether a pod that somebody ends has so much time left that a person should know."""
    return _lasts(view, pod, stuck.LONG_GRACE)


def _stays(view: NodeView, pod: PodSeen) -> bool:
    """Tell whether a pod does not go for minutes: its node is in nobody's way then, if it has hours to end, too."""
    if pod.deleting:
        asked = next((one.at for one in view.record.left if one.effect.uid == pod.uid), view.row.since)
        return not in_grace(view, pod) or view.now >= asked + timedelta(seconds=stuck.BLOCKED_AFTER)
    if _keeps_coming(view, pod):
        return True
    row = request(view, pod)
    if row is None or row.state == "rejected":
        return row is not None
    since = row.blocked_since if row.state == "blocked" else row.tried
    return since is not None and view.now >= since + timedelta(seconds=stuck.BLOCKED_AFTER)


def _in_vain(view: NodeView, effect: Effect) -> bool:
    """Tell whether what would end a pod does not get through, though budgets had their time after the deadline.

    An eviction that is blocked is another matter: that is a no, from which force may follow.
    """
    row, over = view.record.row(effect.key), view.eviction_deadline
    if row is None or over is None or not view.blocked_too_long:
        return False
    if isinstance(effect, Evict) and row.state == "blocked":
        return False
    return row.in_vain(over, stuck.BLOCKED_AFTER)


def _evict(view: NodeView, pod: PodSeen, kills: str | None = None) -> Effect | None:
    """A pod that nobody kills: evicted; past the deadline and its margin forced, where the settings say so."""
    force = view.blocked_too_long and view.record.plan.settings.on_blocked == "force"
    if pod.deleting:
        return _finish(view, pod, kills) if force else None
    eviction = _eviction(view, pod, kills)
    if force and _said_no(view, eviction.key):
        return _delete(view, pod, grace=None, kills=kills)
    given_up = view.blocked_too_long and not force and _is(view, eviction.key, "blocked", "rejected")
    return None if given_up else eviction


def _kill(view: NodeView, pod: PodSeen) -> Effect | None:
    """A protected pod past the deadline: evicted; work is then deleted with its grace period, then without."""
    owner = _loser(pod)
    if not may_be_forced(pod):
        return _evict(view, pod, kills=owner)
    if pod.deleting:
        return _finish(view, pod, kills=owner)
    if job := _job(view, pod):
        return job
    eviction = _eviction(view, pod, kills=owner)
    return _delete(view, pod, grace=None, kills=owner) if _said_no(view, eviction.key) else eviction


def _job(view: NodeView, pod: PodSeen) -> DeleteJob | None:
    """The end of the Job that a protected pod is of, past the drain deadline and where the settings say so.

    Of a node that is forced before it only the pod ends: the Job's other pods stand on nodes that may wait.
    """
    owner = pod.owner
    if view.record.plan.settings.on_deadline != "job" or owner is None or not owner.is_job or not view.may_delete_jobs:
        return None
    lost = tuple(OfJob(one.name, one.uid, one.node or view.name) for one in view.of_jobs.get(owner.uid, ()))
    name, uid, kills = owner.name, owner.uid, _loser(pod)
    return DeleteJob(
        namespace=pod.namespace, name=name, job_uid=uid, pod_uid=pod.uid, node=view.name, kills=kills, pods=lost
    )


def _first(view: NodeView, pod: PodSeen) -> Effect:
    """What is asked for at first so that a pod goes: its eviction, or the end of its Job."""
    job = _job(view, pod) if view.may_kill and pod in view.blocking_pods else None
    return job or _eviction(view, pod)


def request(view: NodeView, pod: PodSeen) -> EffectRow | None:
    """Return what was asked for at first so that a pod goes, if it is not settled; None too if nothing was yet."""
    return view.record.row(_first(view, pod).key)


def _loser(pod: PodSeen) -> str:
    """Return who loses a pod, for the ledger; a name without a kind is a Job's."""
    if pod.owner is None:
        return f"pod {pod.namespace}/{pod.name}"
    name = f"{pod.namespace}/{pod.owner.name}"
    return name if pod.owner.is_job else f"{pod.owner.full_kind} {name}"


def _finish(view: NodeView, pod: PodSeen, kills: str | None = None) -> Effect | None:
    """A pod that somebody deletes already: ended at once when its grace period is over, unless that did not help."""
    if in_grace(view, pod):
        return None
    at_once = _delete(view, pod, grace=0, kills=kills)
    row = view.record.row(at_once.key)
    answered = row is not None and row.state == "not_applied" and row.answered is not None  # a finalizer holds it
    in_vain = _is(view, at_once.key, "blocked", "rejected", "not_applied")
    return None if answered or (view.blocked_too_long and in_vain) else at_once


def _eviction(view: NodeView, pod: PodSeen, kills: str | None = None) -> Evict:
    # With the round in it: after a resume what was rejected is tried once more before it halts again.
    occasion = occasions.once(view.record.resume_count)
    return Evict(
        namespace=pod.namespace, name=pod.name, uid=pod.uid, node=_node(view, pod), kills=kills, occasion=occasion
    )


def _delete(view: NodeView, pod: PodSeen, grace: int | None, kills: str | None = None) -> DeletePod:
    occasion = (occasions.now if grace == 0 else occasions.graceful)(view.record.resume_count)
    node = _node(view, pod)
    return DeletePod(
        namespace=pod.namespace, name=pod.name, uid=pod.uid, node=node, grace=grace, kills=kills, occasion=occasion
    )


def _node(view: NodeView, pod: PodSeen) -> str:
    return pod.node or view.name


def _said_no(view: NodeView, key: str) -> bool:
    """Tell whether the API server itself said no to an eviction, and stays with it; else nothing is deleted.

    An eviction that was not sent, throttled, not applied or not answered was never refused by anybody.
    """
    row = view.record.row(key)
    if row is None or row.state != "blocked" or row.blocked_since is None:
        return _is(view, key, "rejected")
    again_and_again = row.intended >= row.blocked_since + timedelta(seconds=BLOCKED_LONG_ENOUGH)
    return again_and_again and view.now < row.intended + timedelta(seconds=BELIEVED)


def _is(view: NodeView, key: str, *states: EffectState) -> bool:
    row = view.record.row(key)
    return row is not None and row.state in states


def _several_budgets(view: NodeView, pod: PodSeen) -> str:
    """Say that one budget must go where several select a pod: room in them never helps. "" where at most one does."""
    names = [budget.name for budget in view.budgets if budget.selects(pod.namespace, pod.labels)]
    if not names[1:]:
        return ""
    delete = " or ".join(kubectl("delete", "pdb", name, "-n", pod.namespace) for name in names)
    return f"keep one of the budgets {' and '.join(names)}: Kubernetes evicts no pod that two of them select ({delete})"


#: What keeps pods on a node, the worst first: where several do, this one is told in one word.
BY_WEIGHT = (
    Reason.POD_COMES_BACK,
    Reason.POD_DISRUPTION_BUDGET_BLOCKS,
    Reason.EVICTION_FAILS,
    Reason.EVICTION_REJECTED,
    Reason.KUBELET_SILENT,
    Reason.POD_DOES_NOT_END,
    Reason.PODS_LEAVING,
)


def _worst(view: NodeView, pods: Iterable[PodSeen]) -> Reason:
    return min((_reason(view, pod) for pod in pods), key=BY_WEIGHT.index)


def _reason(view: NodeView, pod: PodSeen) -> Reason:
    if pod.deleting and in_grace(view, pod):
        return Reason.PODS_LEAVING
    if pod.deleting:
        return Reason.KUBELET_SILENT if stuck.silence(view) else Reason.POD_DOES_NOT_END
    if _keeps_coming(view, pod):
        return Reason.POD_COMES_BACK
    row = request(view, pod)
    return _BY_STATE.get(row.state, Reason.PODS_LEAVING) if row else Reason.PODS_LEAVING


#: What the state of an eviction says of its pod; while it is under way, the pod is about to leave.
_BY_STATE: Mapping[EffectState, Reason] = {
    "blocked": Reason.POD_DISRUPTION_BUDGET_BLOCKS,
    "not_sent": Reason.EVICTION_FAILS,
    "not_applied": Reason.EVICTION_FAILS,
    "rejected": Reason.EVICTION_REJECTED,
}


def why(view: NodeView, pod: PodSeen) -> str:
    """Say what a pod is waited for."""
    if pod.deleting and _has_long(view, pod):
        return f"{pod.label} to end, for which its grace period lasts until {pod.deleting:%Y-%m-%d %H:%M} UTC"
    if pod.deleting and in_grace(view, pod):
        return f"{pod.label} to end"
    if pod.deleting:
        return f"{pod.label}, which does not end ({stuck.why(view, pod)}): {stuck.remedy(view, pod)}"
    if _returns(view, pod):
        return f"{pod.label}, which tolerates a cordon and has come back {came_back(view.record, pod)} times"
    if _is_late(view, pod):
        return f"{pod.label}, which tolerates a cordon and was made after the deadline: it is not killed"
    row = request(view, pod)
    answered = row.detail.removeprefix(f"pod {pod.namespace}/{pod.name}: ") if row else ""
    return f"{pod.label}: {answered}" if answered else f"{pod.label} to be evicted"


def _halt(view: NodeView, kept: list[PodSeen]) -> Halt:
    reasons = "; ".join(why(view, pod) for pod in kept)
    deadline, over = view.deadline, view.eviction_deadline
    minutes = (over - deadline).total_seconds() / 60 if deadline and over else 0
    return Halt(
        _worst(view, kept),
        why=f"{view.name} cannot be drained {minutes:.0f} min after the deadline: {reasons}",
        hint=_to_do(view, kept),
    )


def _to_do(view: NodeView, kept: list[PodSeen]) -> str:
    """Say what helps: room in a budget only where a budget was asked and said no."""
    asked = [pod for pod in kept if not pod.deleting]
    if late := [pod for pod in asked if _is_late(view, pod)]:
        return _to_stop(late)
    if any(_returns(view, pod) for pod in asked):
        return "remove its toleration of every taint, or scale it to 0 until the node is gone"
    blocked = [pod for pod in asked if _is(view, _first(view, pod).key, "blocked")]
    if several := next((hint for pod in blocked if (hint := _several_budgets(view, pod))), ""):
        return several
    if blocked:
        return "make room in the budget, clear what else blocks the eviction, or delete the pod yourself"
    if any(_is(view, _first(view, pod).key, "not_sent", "not_applied") for pod in asked):
        return f"clear what blocks its eviction ({kubectl('get', WEBHOOKS)}), or delete the pod yourself"
    if asked:
        return "change what rejects its eviction or delete the pod yourself"
    if stays := next((pod for pod in kept if not in_grace(view, pod)), None):
        return stuck.remedy(view, stays)
    less = kubectl("delete", "pod", kept[0].name, "-n", kept[0].namespace, "--grace-period=60")
    return f"wait until it has ended, or give it less time yourself ({less})"


def _to_stop(late: list[PodSeen]) -> str:
    """Say how a person stops what makes work after the deadline, and ends what of it is here."""
    makers = dict.fromkeys(_maker(pod) for pod in late)
    ends = dict.fromkeys(_end(pod) for pod in late)
    return (
        f"stop what makes such pods ({listed(list(makers), MOST_NAMED)}): suspend its CronJob or its queue, or remove "
        f"its toleration of every taint; then let them finish, or end them yourself "
        f"({'; '.join(list(ends)[:MOST_NAMED])})"
    )


def _maker(pod: PodSeen) -> str:
    return f"Job {_loser(pod)}" if pod.owner and pod.owner.is_job else _loser(pod)


def _end(pod: PodSeen) -> str:
    """Return the command that ends a pod's work: where a Job is its owner, the pod alone would be made again."""
    if pod.owner and pod.owner.is_job:
        return kubectl("delete", "job", pod.owner.name, "-n", pod.namespace)
    return stuck.delete([pod])
