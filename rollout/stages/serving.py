"""What serves in a group, the rule that lets nothing leave before it holds, and what may still come to a closed node.

A new node serves while pods can start on it: Ready, schedulable, without a taint that keeps the moved pods out. An old
one serves while it is Ready, not cordoned and not being drained. As many as the baseline's desired capacity must serve
without a node before it is cordoned, before a pod leaves it, and before it is ended. It is worked out once for a tick.

A node that was drained is not opened again while its group lacks serving nodes. Our taint would keep pods off it all
the same; without the taint Jobs would begin on a node that must go; and it would count as one that serves, and let
others go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain

from rollout.commands import aws, kubectl
from rollout.machine import Stage
from rollout.plan import Node
from rollout.record import Record
from rollout.seen import CORDON, GroupSeen, InstanceSeen, NodeSeen, PodSeen, Seen, Taint
from rollout.stages.pods import at_work

#: Seconds after which a pod that found no node counts as one that none will take, and a pod's end as stuck.
COMES_WITHIN = 60.0
#: Seconds after which a node that is not Ready serves nobody any more: Kubernetes has taken its pods off by then.
DEAD_AFTER = 300.0


@dataclass(frozen=True, slots=True)
class Serving:
    """The instances of one group that serve: `sure` whoever comes, `tainted` only pods that tolerate these taints.

    `idle`: by new instance, why it does not serve, or not all pods, in words; not of those that are on their way out.
    """

    sure: frozenset[str] = frozenset()
    tainted: Mapping[str, tuple[Taint, ...]] = field(default_factory=dict)
    idle: Mapping[str, str] = field(default_factory=dict)

    def without(self, instance_id: str, moved: Iterable[PodSeen], node: NodeSeen | None) -> int:
        """Count what serves the pods that are moved from an instance, its own node not among it."""
        open_to = len(self.tainted.keys() - {instance_id}) - len(self._closed(instance_id, moved, node))
        return len(self.sure) - (instance_id in self.sure) + open_to

    def why_not(self, instance_id: str, moved: Iterable[PodSeen], node: NodeSeen | None) -> tuple[str, ...]:
        """Return why other instances do not serve those pods, in words."""
        for_all = self.idle.keys() - self.tainted.keys()
        named = (for_all | self._closed(instance_id, moved, node)) - {instance_id}
        return tuple(why for id_, why in self.idle.items() if id_ in named)

    def _closed(self, instance_id: str, moved: Iterable[PodSeen], node: NodeSeen | None) -> set[str]:
        """Return the other instances that are closed to the moved pods."""
        pods = tuple(moved) if self.tainted else ()
        others = ((id_, taints) for id_, taints in self.tainted.items() if id_ != instance_id)
        return {id_ for id_, taints in others if not _lets_in(taints, pods, node)}


@dataclass(frozen=True)
class Surroundings:
    """What all nodes that must go have in common at one tick. `coming`: pods that may be bound to a closed node.

    `nominated`: by node, the pods that the scheduler chose it for, perhaps before it was closed, and has not bound yet.
    `at_work`: the uids of controllers of which a pod has not finished, anywhere in the cluster.
    """

    serving: Mapping[str, Serving]
    coming: tuple[PodSeen, ...] = ()
    nominated: Mapping[str, tuple[PodSeen, ...]] = field(default_factory=dict)
    at_work: frozenset[str] = frozenset()

    @classmethod
    def of(cls, seen: Seen, record: Record, now: datetime) -> Surroundings:
        """Work it out."""
        rows = {row.instance_id: row for row in record.nodes}
        serving = {group.name: _serving(group, seen, record, rows) for group in seen.groups}
        pods = chain(seen.pods, *seen.fresh.values())
        return cls(serving, _coming(seen, record, now), _nominated(seen), at_work(pods))


def dead(node: NodeSeen, now: datetime) -> bool:
    """Tell whether a node has not been Ready for so long that nothing on it serves."""
    return not node.ready and node.turned is not None and now >= node.turned + timedelta(seconds=DEAD_AFTER)


def _serving(group: GroupSeen, seen: Seen, record: Record, rows: Mapping[str, Node]) -> Serving:
    sure: set[str] = set()
    tainted: dict[str, tuple[Taint, ...]] = {}
    idle: dict[str, str] = {}
    for instance in group.instances:
        row = rows.get(instance.id)
        if not instance.in_service or _leaves(row):
            continue
        node = _serves(instance, seen, record, row)
        old = row is not None and row.role == "old"
        if node is None:
            idle |= {} if old else {instance.id: _idle(instance, seen)}
            continue
        if node.barriers and not old:
            tainted[instance.id] = node.barriers
            idle[instance.id] = _barred(node)
        else:
            sure.add(instance.id)
    return Serving(frozenset(sure), tainted, idle)


def _leaves(row: Node | None) -> bool:
    return row is not None and row.stage not in {Stage.WAITING, Stage.KEPT}


def _idle(instance: InstanceSeen, seen: Seen) -> str:
    """Say why an instance does not serve, and what to type where a command helps."""
    node = seen.node_of(instance.id)
    if node is None:
        reboot = aws("ec2", "reboot-instances", "--instance-ids", instance.id)
        return f"{instance.id} has no Node (if nothing runs there that must not end: {reboot})"
    if node.ready and node.unschedulable:
        return f"{node.name} is cordoned ({kubectl('uncordon', node.name)})"
    return f"{node.name} is {'tainted, about to go, or not held' if node.ready else 'not Ready'}"


def _barred(node: NodeSeen) -> str:
    """Say which taints keep pods out, and what takes them off."""
    marks = [f"{taint.key}:{taint.effect}" for taint in node.barriers]
    off = kubectl("taint", "node", node.name, *(f"{mark}-" for mark in marks))
    return f"{node.name} bears {', '.join(marks)}, which pods here do not tolerate ({off})"


def _serves(instance: InstanceSeen, seen: Seen, record: Record, row: Node | None) -> NodeSeen | None:
    """Return the node by which an instance serves, None where it does not."""
    held = record.plan.settings.autoscaler is None
    for node in seen.nodes_on(instance.id):
        fit = node.usable or (row and row.role == "old" and node.ready and not (node.unschedulable or node.going))
        if fit and (held or node.held == "true"):
            return node
    return None


def _lets_in(taints: Iterable[Taint], moved: tuple[PodSeen, ...], node: NodeSeen | None) -> bool:
    """Tell whether the moved pods may start beside these taints; with none to move, what their node bears is usual."""
    if moved:
        return all(pod.tolerates(taint) for pod in moved for taint in taints)
    return node is not None and all(taint in node.taints for taint in taints)


def _coming(seen: Seen, record: Record, now: datetime) -> tuple[PodSeen, ...]:
    """Return the pods, or those whose successors, may be bound to a node that is cordoned and bears our taint."""
    closed = (CORDON, Taint(record.plan.settings.taint_key, record.id, "NoSchedule"))
    tolerant = (pod for pod in seen.pods if pod.tolerations and not (pod.finished or pod.stays_with_node))
    # What we evicted is on its way out, whether the watch tells so by now or not.
    evicted = {one.effect.uid for one in record.left if now < one.at + timedelta(seconds=COMES_WITHIN)}
    moving = (pod for pod in tolerant if pod.uid in evicted or _under_way(pod, now))
    return tuple(pod for pod in moving if all(map(pod.tolerates, closed)))


def _nominated(seen: Seen) -> dict[str, tuple[PodSeen, ...]]:
    found: defaultdict[str, tuple[PodSeen, ...]] = defaultdict(tuple)
    for pod in seen.pods:
        if pod.nominated and pod.node is None and not (pod.finished or pod.deleting):
            found[pod.nominated] += (pod,)
    return dict(found)


def _under_way(pod: PodSeen, now: datetime) -> bool:
    soon = timedelta(seconds=COMES_WITHIN)
    if pod.deleting:
        return now < pod.deleting + soon
    return pod.node is None and pod.created is not None and now < pod.created + soon
