"""RELEASED: the node is empty, its scale-in protection is removed, and MinSize is one below desired.

It ends with `terminate`, and the one Terminate is written in the same transaction. Before that, one more fresh list
must show that the node is still empty. Enough nodes must serve without it, and no pod that tolerates a cordoned node
may be on its way.

A pod that appears sends the node back to WAITING, which protects it again. So does a person who uncordons the node,
and a node that registers again: its list of pods may then change at any moment.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from rollout.model.decision import StageDecision
from rollout.model.effects import Protect, Resize, Terminate, occasions
from rollout.model.reasons import Reason
from rollout.stages import volumes
from rollout.stages.node_view import Condition, NodeView, unmet
from rollout.stages.pods import in_words

#: Seconds for which the scheduler tries to bind a pod to the node that it chose (its bindTimeoutSeconds).
BOUND_WITHIN = 600.0


def decide(view: NodeView) -> StageDecision:
    """Answer with the preparations one by one, then with `terminate`."""
    return unmet(CONDITIONS, view) or StageDecision(trigger="terminate", effects=(terminate(view),))


def _listed(view: NodeView) -> StageDecision | None:
    return None if view.fresh else StageDecision(waits_for="a fresh list of its pods", reason=Reason.POD_LIST_STALE)


def _empty(view: NodeView) -> StageDecision | None:
    if view.busy:
        return StageDecision(trigger="back", because=f"{in_words(view.busy)} turned up")
    return None


def _cordoned(view: NodeView) -> StageDecision | None:
    return None if view.cordoned else StageDecision(trigger="back", because=f"{view.name} is not cordoned any more")


def _in_service(view: NodeView) -> StageDecision | None:
    if view.instance and view.instance.in_service:
        return None
    state = view.instance.lifecycle if view.instance else "gone"
    return view.until_aws(Reason.INSTANCES_NOT_IN_SERVICE, f"instance is {state}")


def _known(view: NodeView) -> StageDecision | None:
    if not view.unknown:
        return None
    return StageDecision(trigger="back", because=f"it is not known which pods run here: waits for {view.unknown}")


def _unprotected(view: NodeView) -> StageDecision | None:
    if view.instance and view.instance.protected:
        return StageDecision(
            effects=(_unprotect(view),), waits_for="scale-in protection off", reason=Reason.EFFECT_PENDING
        )
    return None


def _spared(view: NodeView) -> StageDecision | None:
    return None if view.enough else view.short("drained")


def _nothing_awaited(view: NodeView) -> StageDecision | None:
    awaited = _awaited(view)
    return StageDecision(waits_for=awaited[1], reason=awaited[0]) if awaited else None


def _floored(view: NodeView) -> StageDecision | None:
    floored = view.group.sizes.minimum == view.group.sizes.desired - 1
    if floored:
        return None
    return StageDecision(effects=(_floor(view),), waits_for="MinSize one below desired", reason=Reason.EFFECT_PENDING)


#: In this order; the first that is not met answers.
CONDITIONS: tuple[Condition, ...] = (
    _listed,
    _empty,
    _cordoned,
    _in_service,
    _known,
    _unprotected,
    _spared,
    _nothing_awaited,
    _floored,
)


def terminate(view: NodeView) -> Terminate:
    """Return the one Terminate of this instance, good at the desired capacity that stands now."""
    group = view.row.group
    return Terminate(group=group, instance_id=view.row.instance_id, desired_before=view.group.sizes.desired)


def _awaited(view: NodeView) -> tuple[Reason, str] | None:
    """Say which pod may still come here, not by a look at the node alone, or which volume is attached.

    One that is under way for as long as budgets get is waited for no more; nor is one that the scheduler had placed
    before the cordon, once it has given up to bind it.
    """
    if view.coming and not view.past_blocked_deadline:
        return Reason.PODS_COMING, f"{in_words(view.coming)} to be bound elsewhere: it tolerates a cordon"
    if view.nominated and view.now < view.row.since + timedelta(seconds=BOUND_WITHIN):
        what = f"{in_words(view.nominated)} to be bound: the scheduler had chosen {view.name} for it"
        return Reason.PODS_COMING, what
    attached = volumes.awaited(view)
    return (Reason.VOLUMES_ATTACHED, attached) if attached else None


def _unprotect(view: NodeView) -> Protect:
    return Protect(group=view.row.group, instance_ids=(view.row.instance_id,), protected=False, occasion=view.occasion)


def _floor(view: NodeView) -> Resize:
    # AWS itself then refuses a second decrement ("would violate group's min size constraint").
    sizes = view.group.sizes
    floored = replace(sizes, minimum=sizes.desired - 1)
    occasion = occasions.floor(view.row.instance_id, view.record.resume_count, view.row.drain_attempt)
    return Resize(group=view.row.group, before=sizes, sizes=floored, occasion=occasion)
