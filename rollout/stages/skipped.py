"""What somebody has skipped stays: from any stage a node leads to KEPT, as long as its terminate was not sent.

While other nodes go it keeps our taint, and its scale-in protection: a node that has lost that gets it back before.
Nothing may be under way about it then: until RESTORE nothing of it is looked after but its protection.
"""

from __future__ import annotations

from rollout.model.decision import StageDecision
from rollout.model.effects import Protect, occasions
from rollout.model.machine import Stage
from rollout.model.reasons import Reason
from rollout.model.steering import Skip
from rollout.stages.node_view import NodeView


def spared(view: NodeView) -> StageDecision | None:
    """Answer in place of a node's stage where somebody has skipped it; None where nobody did, or it is too late.

    WAITING leads to KEPT by itself, when the node is as it must be.
    """
    if view.skip is None or view.row.stage is Stage.WAITING or view.terminate_sent:
        return None
    if view.row.stage is not Stage.TERMINATING:
        return StageDecision(trigger="back", because=because(view.skip))
    return _protected(view) or keep(view, view.skip)


def keep(view: NodeView, skip: Skip) -> StageDecision:
    """Let it stay, once all that we asked for about it is settled."""
    if view.pending:
        return StageDecision(waits_for="our requests about it to be settled: skipped", reason=Reason.EFFECT_PENDING)
    return StageDecision(trigger="keep", because=because(skip))


def _protected(view: NodeView) -> StageDecision | None:
    """Nothing leads from TERMINATING to WAITING, where it would be protected again: that is done here."""
    if view.instance is None or view.instance.protected:
        return None
    occasion = occasions.passage(view.record.resume_count, view.row.drain_attempt + 1)
    again = Protect.batches(view.row.group, [view.row.instance_id], occasion)
    return StageDecision(effects=tuple(again), waits_for="scale-in protection", reason=Reason.EFFECT_PENDING)


def because(skip: Skip) -> str:
    """Say why a node stays, as its row keeps it."""
    return f"skipped by {skip.label}"
