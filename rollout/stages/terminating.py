"""TERMINATING: the one Terminate was written down and sent. Ends when the group no longer lists the instance.

It is sent again only if it certainly was not applied, and only while all conditions for the first one are still true.
"""

from __future__ import annotations

from rollout.commands import resume_processes
from rollout.decision import Halt, Step
from rollout.stages import released
from rollout.stages.view import View


def decide(view: View) -> Step:
    """Answer with `gone`, or with the same Terminate for the runner to judge whether it may be sent again."""
    if view.terminate_settled and view.instance is None:
        return Step(trigger="gone")
    if view.terminate_settled or (view.instance and not view.instance.living):
        stopped = "Terminate" in view.group.suspended
        why = f" (Terminate is suspended: {resume_processes(view.row.group, ['Terminate'])})" if stopped else ""
        return view.until_aws(f"AWS to end the instance{why}")
    if view.instance is None:
        return Step(waits_for="its termination to be settled")
    again = released.decide(view)
    if again.trigger == "terminate":
        return Step(effects=again.effects, waits_for="its termination")
    why = f"its termination, not now: {again.waits_for or again.reason}"
    return Step(waits_for=why, halt=_halt(view, why) if view.out_of_time else None)


def _halt(view: View, why: str) -> Halt:
    """Nothing leads back from here: what keeps the terminate from being sent again is a person's to see to."""
    hint = f"clear the cause (a pod: let it end, or delete it), then: rollout resume {view.record.id}"
    return Halt(f"{view.name} waits for {why}", hint)
