"""KEPT: a surplus node that was still busy at the drain deadline. It stays, and RESTORE reports it.

This stage is final. Old nodes are never kept.
"""

from __future__ import annotations

from rollout.model.decision import StageDecision
from rollout.stages.node_view import NodeView


def decide(view: NodeView) -> StageDecision:
    """Nothing is left to do."""
    return StageDecision()
