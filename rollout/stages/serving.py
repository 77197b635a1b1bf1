"""What serves in a group, the rule that lets nothing leave before it holds, and what may still come to a closed node.

A new node serves while pods can start on it: Ready, schedulable, and fit for the moved pods (`fitting`). An old
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

from rollout.commands import aws, end_instance, kubectl
from rollout.model.machine import Stage
from rollout.model.observation import CORDON, GroupSeen, InstanceSeen, NodeSeen, Observation, PodSeen, Taint
from rollout.model.plan import Node
from rollout.model.record import Record
from rollout.stages.fitting import Sort, stranded
from rollout.stages.homes import open_nodes
from rollout.stages.pods import at_work

#: Seconds after which a pod that found no node counts as one that none will take, and a pod's end as stuck.
COMES_WITHIN = 60.0
#: Seconds after which a node that is not Ready serves nobody any more: Kubernetes has taken its pods off by then.
DEAD_AFTER = 300.0


@dataclass(frozen=True, slots=True)
class Serving:
    """The instances of one group that serve: `old` run what they have; `new` take the pods that fit them (`fitting`).

    `new`: by sort and instance, the node's name. `idle`: by instance, why it serves nobody, in words; not of those
    that are on their way out.
    """

    old: frozenset[str] = frozenset()
    new: Mapping[Sort, Mapping[str, str]] = field(default_factory=dict)
    idle: Mapping[str, str] = field(default_factory=dict)

    def without(self, instance_id: str, moved: Iterable[PodSeen], node: NodeSeen | None) -> int:
        """Count what serves the pods that are moved from an instance, its own node not among it."""
        pods, olds = tuple(moved), len(self.old) - (instance_id in self.old)
        if stranded(self.new, pods, node):
            return olds
        open_to = (nodes for sort, nodes in self.new.items() if sort.lets_in(pods, node))
        return olds + sum(len(nodes) - (instance_id in nodes) for nodes in open_to)

    def why_not(self, instance_id: str, moved: Iterable[PodSeen], node: NodeSeen | None) -> tuple[str, ...]:
        """Return why other instances do not serve those pods, in words."""
        pods = tuple(moved)
        lost, closed = stranded(self.new, pods, node), dict(self.idle)
        for sort, nodes in self.new.items():
            if not sort.lets_in(pods, node):
                closed |= {id_: sort.barred(name, pods, node) for id_, name in nodes.items()}
            elif lost and node:
                closed |= {id_: sort.otherwise(name, lost, node) for id_, name in nodes.items()}
        return tuple(why for id_, why in closed.items() if id_ != instance_id)


@dataclass(frozen=True)
class Surroundings:
    """What all nodes that must go have in common at one tick. `coming`: pods that may be bound to a closed node.

    `nominated`: by node, the pods that the scheduler chose it for, perhaps before it was closed, and has not bound yet.
    `at_work`: the uids of controllers of which a pod has not finished, anywhere in the cluster.
    `open_nodes`: the nodes of the cluster on which pods can start, and which need not go.
    `of_jobs`: by a Job's uid, its pods on any node that nobody ends yet, where the settings let Jobs be deleted.
    """

    serving: Mapping[str, Serving]
    coming: tuple[PodSeen, ...] = ()
    nominated: Mapping[str, tuple[PodSeen, ...]] = field(default_factory=dict)
    at_work: frozenset[str] = frozenset()
    open_nodes: tuple[NodeSeen, ...] = ()
    of_jobs: Mapping[str, tuple[PodSeen, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, seen: Observation, record: Record, now: datetime) -> Surroundings:
        """Work it out."""
        rows = {row.instance_id: row for row in record.nodes}
        serving = {group.name: _serving(group, seen, record, rows) for group in seen.groups}
        pods = tuple(chain(seen.pods, *seen.fresh.values()))
        return cls(
            serving,
            _coming(seen, record, now),
            _nominated(seen),
            at_work(pods),
            open_nodes(seen, record),
            _of_jobs(pods) if record.plan.settings.on_deadline == "job" else {},
        )


def dead(node: NodeSeen, now: datetime) -> bool:
    """Tell whether a node has not been Ready for so long that nothing on it serves."""
    return not node.ready and node.turned is not None and now >= node.turned + timedelta(seconds=DEAD_AFTER)


def _serving(group: GroupSeen, seen: Observation, record: Record, rows: Mapping[str, Node]) -> Serving:
    olds: set[str] = set()
    new: defaultdict[Sort, dict[str, str]] = defaultdict(dict)
    idle: dict[str, str] = {}
    for instance in group.instances:
        row = rows.get(instance.id)
        if not instance.in_service or _leaves(row):
            continue
        node = _serves(instance, seen, record, row)
        if node is None:
            idle[instance.id] = _idle(instance, seen)
        elif row is not None and row.role == record.plan.leaving:
            olds.add(instance.id)
        else:
            new[Sort.of(node)][instance.id] = node.name
    return Serving(frozenset(olds), new, idle)


def _leaves(row: Node | None) -> bool:
    return row is not None and row.stage not in {Stage.WAITING, Stage.KEPT}


def _idle(instance: InstanceSeen, seen: Observation) -> str:
    """Say why an instance does not serve, and what to type where a command helps."""
    node = seen.node_of(instance.id)
    if node is None and instance.id in seen.ended:
        return f"{instance.id} ended in EC2 (its group replaces it by: {end_instance(instance.id)})"
    if node is None:
        reboot = aws("ec2", "reboot-instances", "--instance-ids", instance.id)
        return f"{instance.id} has no Node (if nothing runs there that must not end: {reboot})"
    if node.ready and node.unschedulable:
        return f"{node.name} is cordoned ({kubectl('uncordon', node.name)})"
    return f"{node.name} is {'tainted, about to go, or without scale-down-disabled' if node.ready else 'not Ready'}"


def _serves(instance: InstanceSeen, seen: Observation, record: Record, row: Node | None) -> NodeSeen | None:
    """Return the node by which an instance serves, None where it does not."""
    no_autoscaler = record.plan.settings.autoscaler is None
    for node in seen.nodes_on(instance.id):
        fit = node.usable or (
            row and row.role == record.plan.leaving and node.ready and not (node.unschedulable or node.going)
        )
        if fit and (no_autoscaler or node.scale_down_disabled == "true"):
            return node
    return None


def _coming(seen: Observation, record: Record, now: datetime) -> tuple[PodSeen, ...]:
    """Return the pods, or those whose successors, may be bound to a node that is cordoned and has our taint."""
    closed = (CORDON, Taint(record.plan.settings.taint_key, record.id, "NoSchedule"))
    tolerant = (pod for pod in seen.pods if pod.tolerations and not (pod.finished or pod.stays_with_node))
    # What we evicted is on its way out, whether the watch tells so by now or not.
    evicted = {one.effect.uid for one in record.left if now < one.at + timedelta(seconds=COMES_WITHIN)}
    moving = (pod for pod in tolerant if pod.uid in evicted or _under_way(pod, now))
    return tuple(pod for pod in moving if all(map(pod.tolerates, closed)))


def _nominated(seen: Observation) -> dict[str, tuple[PodSeen, ...]]:
    found: defaultdict[str, tuple[PodSeen, ...]] = defaultdict(tuple)
    for pod in seen.pods:
        if pod.nominated and pod.node is None and not (pod.finished or pod.deleting):
            found[pod.nominated] += (pod,)
    return dict(found)


def _of_jobs(pods: Iterable[PodSeen]) -> dict[str, tuple[PodSeen, ...]]:
    found: defaultdict[str, dict[str, PodSeen]] = defaultdict(dict)
    for pod in pods:
        if pod.owner and pod.owner.is_job and pod.node and not (pod.finished or pod.deleting):
            found[pod.owner.uid][pod.uid] = pod
    return {uid: tuple(by_uid.values()) for uid, by_uid in found.items()}


def _under_way(pod: PodSeen, now: datetime) -> bool:
    soon = timedelta(seconds=COMES_WITHIN)
    if pod.deleting:
        return now < pod.deleting + soon
    return pod.node is None and pod.created is not None and now < pod.created + soon
