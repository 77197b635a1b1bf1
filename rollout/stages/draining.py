"""DRAINING: the node is cordoned and its pods are evicted. Left when a fresh list shows that nothing is left to leave.

Nothing leaves, by eviction or by force, while fewer nodes would serve without it than must.

A protected pod that turns up before the deadline sends the node back to WAITING. After the deadline it is evicted, then
deleted with its grace period, then without; each is named in the ledger. Errors here never lead to termination.
"""

from __future__ import annotations

from datetime import timedelta

from rollout.decision import Halt, Step
from rollout.effects import Cordon, DeleteJob, DeletePod, Effect, Evict
from rollout.seen import NodeSeen, PodSeen
from rollout.stages.pods import in_words
from rollout.stages.view import View

#: Seconds past a pod's own grace period after which its kubelet counts as stuck.
STUCK_AFTER = 60.0


def decide(view: View) -> Step:
    """Answer with evictions, with `release` once the node is empty, or with `back`."""
    if holds(view):
        return Step(trigger="release")
    if not view.fresh:
        return Step(waits_for="a fresh list of its pods")
    if view.node and not view.node.unschedulable and view.enough:
        return Step(effects=(_cordon(view, view.node),), waits_for="cordon")
    if view.holders and not view.may_kill:
        return Step(trigger="back", reason=f"{in_words(view.holders)} turned up")
    if view.given_up:
        return Step(trigger="back", reason="surplus, and not empty at the deadline")
    return _empty(view) if view.enough else view.short("being drained")


def holds(view: View) -> bool:
    """Tell whether the node is cordoned and empty: only DaemonSet, mirror and finished pods are left on it."""
    cordoned = view.node is None or view.node.unschedulable
    return view.fresh and cordoned and not view.leaving


def _cordon(view: View, node: NodeSeen) -> Cordon:
    return Cordon(node=node.name, uid=node.uid, instance_id=view.row.instance_id, occasion=view.occasion)


def _empty(view: View) -> Step:
    holders = {pod.uid for pod in view.holders}
    effects: list[Effect] = []
    stuck: list[PodSeen] = []
    for pod in view.leaving:
        effect = _kill(view, pod) if pod.uid in holders else _evict(view, pod)
        if effect:
            effects.append(effect)
        elif view.blocked_too_long and not _in_grace(view, pod):
            stuck.append(pod)
    return Step(
        effects=tuple(effects),
        waits_for="; ".join(_why(view, pod) for pod in view.leaving),
        halt=_halt(view, stuck) if stuck else None,
    )


def _evict(view: View, pod: PodSeen) -> Effect | None:
    """A pod that nobody protects: evicted; past the deadline and its margin forced, where the settings say so."""
    force = view.blocked_too_long and view.record.plan.settings.on_blocked == "force"
    if pod.deleting:
        return _finish(view, pod) if force else None
    if force:
        return _delete(view, pod, grace=None)
    eviction = _eviction(view, pod)
    return None if view.blocked_too_long and _refused(view, eviction.key) else eviction


def _kill(view: View, pod: PodSeen) -> Effect | None:
    """A protected pod past the deadline: evicted, then deleted with its grace period, then without."""
    owner = f"{pod.namespace}/{pod.owner.name if pod.owner else pod.name}"
    if pod.deleting:
        return _finish(view, pod, kills=owner)
    if view.record.plan.settings.on_deadline == "job" and pod.owner and pod.owner.kind == "Job":
        return DeleteJob(namespace=pod.namespace, name=pod.owner.name, pod_uid=pod.uid, node=view.name, kills=owner)
    eviction = _eviction(view, pod, kills=owner)
    return _delete(view, pod, grace=None, kills=owner) if _refused(view, eviction.key) else eviction


def _finish(view: View, pod: PodSeen, kills: str | None = None) -> Effect | None:
    """A pod that somebody deletes already: ended at once when its grace period is over, unless that did not help."""
    if _in_grace(view, pod):
        return None
    at_once = _delete(view, pod, grace=0, kills=kills)
    return None if view.blocked_too_long and _refused(view, at_once.key) else at_once


def _eviction(view: View, pod: PodSeen, kills: str | None = None) -> Evict:
    # With the round in it: after a resume what was refused is tried once more before it halts again.
    occasion = str(view.record.round)
    return Evict(
        namespace=pod.namespace, name=pod.name, uid=pod.uid, node=_node(view, pod), kills=kills, occasion=occasion
    )


def _delete(view: View, pod: PodSeen, grace: int | None, kills: str | None = None) -> DeletePod:
    occasion = f"{'now' if grace == 0 else 'graceful'}.{view.record.round}"
    node = _node(view, pod)
    return DeletePod(
        namespace=pod.namespace, name=pod.name, uid=pod.uid, node=node, grace=grace, kills=kills, occasion=occasion
    )


def _node(view: View, pod: PodSeen) -> str:
    return pod.node or view.name


def _refused(view: View, key: str) -> bool:
    row = view.record.row(key)
    return row is not None and row.state == "refused"


def _in_grace(view: View, pod: PodSeen) -> bool:
    return pod.deleting is not None and view.now < pod.deleting + timedelta(seconds=STUCK_AFTER)


def _why(view: View, pod: PodSeen) -> str:
    if pod.deleting:
        return f"{pod.label} ends" if _in_grace(view, pod) else f"{pod.label} does not end (kubelet or finalizer)"
    row = view.record.row(_eviction(view, pod).key)
    return f"{pod.label}: {row.detail}" if row and row.detail else f"{pod.label} to be evicted"


def _halt(view: View, stuck: list[PodSeen]) -> Halt:
    reasons = "; ".join(_why(view, pod) for pod in stuck)
    minutes = view.record.plan.settings.blocked_seconds / 60
    return Halt(
        why=f"{view.name} cannot be drained {minutes:.0f} min after the deadline: {reasons}",
        hint=f"make room in the budget or delete the pod yourself, then: rollout resume {view.record.id}",
    )
