"""The delay after a takeover: what cannot be taken back stays while a request of an older runner may still arrive.

Two runners that set an absolute value leave it as one does. Two that terminate, or end Jobs, end more than either
decided to. So until then nodes are looked at and everything else goes on, but nobody is terminated or killed.
"""

from __future__ import annotations

from dataclasses import replace

from rollout.model.decision import StageDecision
from rollout.model.reasons import Reason
from rollout.stages.node_view import NodeView


def after_takeover(step: StageDecision, view: NodeView) -> StageDecision:
    """Return the step without what has to wait; a move that goes with it waits too."""
    end = view.record.takeover_delay_until
    rest = tuple(effect for effect in step.effects if not effect.irreversible)
    if end is None or view.now >= end or rest == step.effects:
        return step
    until = f"the takeover delay until {end:%H:%M:%S} UTC"
    why = f"{until}: the previous runner's last requests may still take effect"
    waits_for = f"{step.waits_for}; {why}" if step.waits_for else why
    return replace(step, effects=rest, trigger=None, waits_for=waits_for, reason=Reason.TAKEOVER_DELAY, kept_back=True)
