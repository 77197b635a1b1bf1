"""TERMINATING: the one Terminate was written down and sent. Ends when the group no longer lists the instance.

A group may retain an instance whose termination hook was abandoned: a person must end that one.
It is sent again only if it certainly was not applied, and only while all conditions for the first one are still true.
"""

from __future__ import annotations

from rollout.commands import resume_processes
from rollout.model.decision import Halt, StageDecision
from rollout.model.reasons import Reason
from rollout.stages import released
from rollout.stages.node_view import NodeView


def decide(view: NodeView) -> StageDecision:
    """Answer with `gone`, or with the same Terminate for the runner to judge whether it may be sent again."""
    if view.terminate_settled and view.instance is None:
        return StageDecision(trigger="gone")
    if view.instance and view.instance.retained:
        return view.until_ended()
    if view.terminate_settled or (view.instance and not view.instance.living):
        stopped = "Terminate" in view.group.suspended
        why = f" (Terminate is suspended: {resume_processes(view.row.group, ['Terminate'])})" if stopped else ""
        return view.until_aws(Reason.INSTANCE_TERMINATING, f"AWS to end the instance{why}")
    if view.instance is None:
        return StageDecision(waits_for="its termination to be settled", reason=Reason.EFFECT_PENDING)
    again = released.decide(view)
    if again.trigger == "terminate":
        return StageDecision(effects=again.effects, waits_for="its termination", reason=Reason.EFFECT_PENDING)
    why, reason = f"its termination, not now: {again.waits_for or again.because}", again.reason or Reason.PODS_COMING
    return StageDecision(
        waits_for=why, reason=reason, halt=_halt(view, reason, why) if view.past_blocked_deadline else None
    )


def _halt(view: NodeView, reason: Reason, why: str) -> Halt:
    """Nothing leads back from here: what keeps the terminate from being sent again is a person's to see to."""
    hint = "clear the cause (if a pod: let it finish or delete it)"
    return Halt(reason, f"{view.name} waits for {why}", hint)
