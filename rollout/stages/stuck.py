"""Why a pod that was told to end does not, when that is known, and what really helps.

Its kubelet ends its containers; then what holds its object (finalizers) must let go. No request of ours does either.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from rollout.commands import aws, kubectl
from rollout.model.observation import PodSeen
from rollout.stages.node_view import NodeView

#: Seconds past a pod's own grace period after which its end counts as stuck.
STUCK_AFTER = 60.0
#: Seconds for which a node has not been Ready after which its kubelet counts as silent.
SILENT_AFTER = 120.0
#: Seconds for which a budget, or another no, has kept a pod, after which no other node waits for this one.
BLOCKED_AFTER = 300.0
#: Seconds that a pod in its grace period may still have, once budgets had their time, before a person is asked.
LONG_GRACE = 3600.0


def in_grace(view: NodeView, pod: PodSeen) -> bool:
    """Tell whether somebody ends a pod, and it may still be about to end."""
    return pod.deleting is not None and view.now < pod.deleting + timedelta(seconds=STUCK_AFTER)


def silence(view: NodeView) -> str:
    """Say that a node's kubelet has not reported for two minutes, and for how long; "" where it reports."""
    node = next(iter(view.nodes), None)
    if node is None or node.ready or node.turned is None:
        return ""
    away = view.now - node.turned
    if away < timedelta(seconds=SILENT_AFTER):
        return ""
    return f"the kubelet of {node.name} has not reported for {away.total_seconds() / 60:.0f} min"


def why(view: NodeView, pod: PodSeen) -> str:
    """Say what keeps a pod that does not end."""
    held = f"finalizer {', '.join(pod.finalizers)}" if pod.finalizers else "its kubelet does not end it"
    return silence(view) or held


def remedy(view: NodeView, pod: PodSeen) -> str:
    """Return what lets a pod end that does not."""
    named = (pod.name, "-n", pod.namespace)
    if pod.finalizers and not silence(view):
        take_off = kubectl("patch", "pod", *named, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        return f"let the controller that set the finalizer take it off, or: {take_off}"
    force = kubectl("delete", "pod", *named, "--force", "--grace-period=0")
    return f"{reboot(view)} (its kubelet then ends it), or, if the machine does not come back: {force}"


def delete(pods: Sequence[PodSeen]) -> str:
    """Return the command by which a person ends pods of one namespace in good order."""
    return kubectl("delete", "pod", *(pod.name for pod in pods), "-n", pods[0].namespace)


def register(view: NodeView) -> str:
    """Return the commands by which a kubelet registers under a Node object of its own."""
    return f"{kubectl('delete', 'node', view.stray)}; {reboot(view)}" if view.stray else reboot(view)


def reboot(view: NodeView) -> str:
    """Return the command by which a kubelet comes back; everything on the machine ends by it."""
    return aws("ec2", "reboot-instances", "--instance-ids", view.row.instance_id)
