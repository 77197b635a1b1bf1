"""One module for each stage of a node that must go: `decide(view) -> StageDecision`, pure."""

from __future__ import annotations

from collections.abc import Callable

from rollout.model.decision import StageDecision
from rollout.model.machine import Stage
from rollout.stages import draining, gone, kept, released, skipped, terminating, waiting
from rollout.stages.node_view import NodeView
from rollout.stages.steadiness import steadied
from rollout.stages.takeover_delay import after_takeover

STAGES: dict[Stage, Callable[[NodeView], StageDecision]] = {
    Stage.WAITING: waiting.decide,
    Stage.DRAINING: draining.decide,
    Stage.RELEASED: released.decide,
    Stage.TERMINATING: terminating.decide,
    Stage.GONE: gone.decide,
    Stage.KEPT: kept.decide,
}


def decide(view: NodeView) -> StageDecision:
    """Return what the node's stage answers, but for what a takeover, or a cluster that is not steady, keeps back.

    What a person asked for comes first: a node that was skipped stays.
    """
    answered = skipped.spared(view) or STAGES[view.row.stage](view)
    return steadied(after_takeover(answered, view), view)
