"""GONE: the group no longer lists the instance.

This stage is final. The cluster removes the Node object and its pods.
"""

from __future__ import annotations

from rollout.decision import Step
from rollout.stages.view import View


def decide(view: View) -> Step:
    """Nothing is left to do."""
    return Step()
