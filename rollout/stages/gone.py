"""GONE: the group no longer lists the instance.

This stage is final. The cluster removes the Node object and its pods.
"""

from __future__ import annotations

from rollout.model.decision import StageDecision
from rollout.stages.node_view import NodeView


def decide(view: NodeView) -> StageDecision:
    """Nothing is left to do."""
    return StageDecision()
