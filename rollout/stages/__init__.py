"""One module for each stage of a node that must go: `decide(view) -> Step`, pure."""

from __future__ import annotations

from collections.abc import Callable

from rollout.decision import Step
from rollout.machine import Stage
from rollout.stages import draining, gone, kept, released, terminating, waiting
from rollout.stages.steadiness import steadied
from rollout.stages.takeover_delay import after_takeover
from rollout.stages.view import View

STAGES: dict[Stage, Callable[[View], Step]] = {
    Stage.WAITING: waiting.decide,
    Stage.DRAINING: draining.decide,
    Stage.RELEASED: released.decide,
    Stage.TERMINATING: terminating.decide,
    Stage.GONE: gone.decide,
    Stage.KEPT: kept.decide,
}


def decide(view: View) -> Step:
    """Return what the node's stage answers, but for what a takeover, or a cluster that is not steady, keeps back."""
    return steadied(after_takeover(STAGES[view.row.stage](view), view), view)
