"""Volumes that are still attached to a node which has been emptied: its instance does not end before they are detached.

A volume that goes down with its instance can be attached nowhere else until Kubernetes detaches it by force, six
minutes later; the pod that needs it waits for as long. Detached in good order it takes seconds. So it is waited for,
but no longer than those six minutes: some are never detached. Volumes of pods that stay with their node, such as a
DaemonSet's, are not waited for. Where volumes may not be read, none is.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from rollout.model.machine import Stage
from rollout.model.plan import listed
from rollout.stages.node_view import NodeView

#: Seconds after which Kubernetes itself detaches by force (kube-controller-manager, maxWaitForUnmountDuration).
DETACHED_WITHIN = 360.0
#: Seconds for which it is waited once a node is released, at least: a pod may have taken longer than that to end.
ONCE_RELEASED = 30.0


def awaited(view: NodeView) -> str:
    """Say which volumes are to be detached before the instance ends, and until when; "" where none is waited for."""
    until = _until(view)
    if not view.volumes or view.now >= until:
        return ""
    return f"volume {listed(view.volumes, 1)} to be detached, until {until:%H:%M:%S} UTC at most"


def _until(view: NodeView) -> datetime:
    """Six minutes after it began to drain, or the last pod was asked to leave: the journal has both."""
    own = DETACHED_WITHIN if view.row.stage is Stage.DRAINING else ONCE_RELEASED
    mine = {view.row.name, *(node.name for node in view.nodes)}
    last = (one.at + timedelta(seconds=DETACHED_WITHIN) for one in view.record.left if one.effect.node in mine)
    return max((view.row.since + timedelta(seconds=own), *last))
