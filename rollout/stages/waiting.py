"""WAITING: protected pods run on the node. Ends when none does, or at the drain deadline.

It also waits until enough nodes serve without this one, and until a maintenance window is open. A node that is to be
drained is cordoned first.

In this stage the node keeps our NoSchedule taint and its scale-in protection. If it came back to this stage, both are
restored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollout import commands
from rollout.model.decision import Halt, StageDecision
from rollout.model.effects import Effect, Protect, occasions
from rollout.model.observation import PodSeen
from rollout.model.reasons import Reason
from rollout.model.windows import open_until, to_open
from rollout.stages import skipped, stuck
from rollout.stages.node_view import Condition, NodeView, unmet
from rollout.stages.pods import in_words
from rollout.stages.tainting import taint

#: Nodes that a halt for overdue pods names, and pods of one namespace that its commands name; the others it counts.
MOST_NAMED = 10


def decide(view: NodeView) -> StageDecision:
    """Answer with `drain` once no pod blocks the node any more, or the deadline has passed."""
    return unmet(CONDITIONS, view) or StageDecision(trigger="drain")


def _not_given_up(view: NodeView) -> StageDecision | None:
    if view.is_kept and view.busy:
        return StageDecision(trigger="keep", because=f"surplus, and still there at the deadline: {in_words(view.busy)}")
    return None


def _in_service(view: NodeView) -> StageDecision | None:
    if view.instance and not view.instance.in_service:
        return view.until_aws(Reason.INSTANCES_NOT_IN_SERVICE, f"instance is {view.instance.lifecycle}")
    return None


def _guarded(view: NodeView) -> StageDecision | None:
    guards = _guards(view)
    if not guards:
        return None
    return StageDecision(effects=guards, waits_for="taint and protection", reason=Reason.EFFECT_PENDING)


def _not_skipped(view: NodeView) -> StageDecision | None:
    return skipped.keep(view, view.skip) if view.skip else None


def _known(view: NodeView) -> StageDecision | None:
    """Wait until it is known which pods run here; when the margin after the deadline is over, a person must see."""
    if not view.unknown:
        return None
    why = f"{view.name} waits for {view.unknown}"
    hint = f"if nothing runs there that must not end: {stuck.register(view)}; its kubelet then registers"
    halt = Halt(Reason.PODS_UNKNOWN, why, hint) if view.past_blocked_deadline else None
    return StageDecision(waits_for=view.unknown, reason=Reason.PODS_UNKNOWN, halt=halt)


def _free(view: NodeView) -> StageDecision | None:
    if view.may_kill or not view.blocking_pods:
        return None
    names = in_words(view.blocking_pods)
    halt = overdue([view]) if view.is_overdue else None
    return StageDecision(waits_for=f"{names}{_silence(view)}", reason=Reason.JOBS_RUNNING, halt=halt)


def _spared(view: NodeView) -> StageDecision | None:
    return None if view.enough else view.short("to be drained")


def _in_window(view: NodeView) -> StageDecision | None:
    windows = view.record.plan.settings.windows
    if open_until(windows, view.now):
        return None
    return StageDecision(waits_for=to_open(windows, view.now), reason=Reason.WINDOW_CLOSED)


#: In this order; the first that is not met answers.
CONDITIONS: tuple[Condition, ...] = (
    _not_given_up,
    _in_service,
    _guarded,
    _not_skipped,
    _known,
    _free,
    _spared,
    _in_window,
)


def _guards(view: NodeView) -> tuple[Effect, ...]:
    key, occasion = (
        view.record.plan.settings.taint_key,
        occasions.closed_again(view.record.resume_count, view.row.drain_attempt),
    )
    bare = [view.row.instance_id] if view.instance and not view.instance.protected else []
    open_to_pods = [node for node in view.nodes if not node.doubt and node.tainted(key) != "NoSchedule"]
    return (
        *Protect.batches(view.row.group, bare, view.occasion),
        *(taint(view.record, view.row, node, "NoSchedule", occasion) for node in open_to_pods),
    )


def _silence(view: NodeView) -> str:
    """Say where a kubelet is silent that nobody knows whether its pods still run."""
    silence = stuck.silence(view)
    return f" ({silence}: if nothing runs there any more: {stuck.reboot(view)})" if silence else ""


def overdue(views: Sequence[NodeView]) -> Halt:
    """Halt for the protected pods of all nodes that still run past the drain deadline: a person sees to all at once."""
    pods = [pod for view in views for pod in view.blocking_pods]
    where = [f"{in_words(view.blocking_pods)} on {view.name}{_silence(view)}" for view in views]
    what = f"{len(pods)} protected pods on {len(views)} nodes still run: {'; '.join(where[:MOST_NAMED])}"
    if len(pods) == 1:
        what = f"{in_words(pods)} still runs on {views[0].name}{_silence(views[0])}"
    elif len(views) == 1:
        what = f"{len(pods)} protected pods still run: {where[0]}"
    more = f"; and on {len(views) - MOST_NAMED} more" if len(views) > MOST_NAMED else ""
    more_time = commands.extend(views[0].record.id, "--by", "1h")
    them, yourself = ("it", "it yourself") if len(pods) == 1 else ("them", "them yourself")
    return Halt(
        Reason.JOBS_RUNNING,
        why=f"the drain deadline has passed and {what}{more} (on_deadline: halt)",
        hint=f"let {them} finish ({more_time}), or delete {yourself} ({'; '.join(_deletes(pods))})",
    )


def _deletes(pods: Sequence[PodSeen]) -> Iterator[str]:
    """Yield a command for each namespace that deletes its pods."""
    by_namespace: dict[str, list[PodSeen]] = {}
    for pod in pods:
        by_namespace.setdefault(pod.namespace, []).append(pod)
    for some in by_namespace.values():
        yield stuck.delete(some[:MOST_NAMED])
        if len(some) > MOST_NAMED:
            yield f"and {len(some) - MOST_NAMED} more there"
