"""GONE: the instance is no longer listed by its group.

Terminal; its node object and pods are the cluster's to remove.
"""

from __future__ import annotations

from rollout.decision import Step
from rollout.stages.view import View


def decide(view: View) -> Step:
    """Nothing is left to do."""
    return Step()


def holds(view: View) -> bool:
    """Nothing leads on from here."""
    return False
