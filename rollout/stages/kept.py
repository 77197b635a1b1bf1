"""KEPT: a node that stays: somebody has skipped it, or it is surplus and was still busy at the drain deadline.

This stage is final. RESTORE opens the node to pods again, and reports it. After an abort the old nodes are kept.
"""

from __future__ import annotations

from rollout.model.decision import StageDecision
from rollout.stages.node_view import NodeView


def decide(view: NodeView) -> StageDecision:
    """Nothing is left to do."""
    return StageDecision()
