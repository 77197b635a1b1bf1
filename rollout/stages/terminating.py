"""TERMINATING: the one Terminate was written down and sent. Left when the group does not list the instance any more.

It is sent again only when it certainly was not applied, and only while the node is still empty.
"""

from __future__ import annotations

from rollout.decision import Step
from rollout.stages.pods import in_words
from rollout.stages.released import terminate
from rollout.stages.view import View


def decide(view: View) -> Step:
    """Answer with `gone`, or with the same Terminate for the runner to judge whether it may be sent again."""
    if holds(view):
        return Step(trigger="gone")
    if view.terminate_settled or (view.instance and not view.instance.living):
        return Step(waits_for="AWS to end the instance")
    if view.instance is None:
        return Step(waits_for="its termination to be settled")
    if not view.fresh or view.leaving:
        return Step(waits_for=f"{in_words(view.leaving)} turned up: not terminated while it runs")
    return Step(effects=(terminate(view),), waits_for="its termination")


def holds(view: View) -> bool:
    """Tell whether our termination is settled and the instance is gone from its group."""
    return view.terminate_settled and view.instance is None
