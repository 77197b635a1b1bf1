"""Whether a pod that can start only in one place has another node there: in one zone, or on one type of machine.

AWS launches where it likes: where a group has fewer instances than zones, no new one stands in the old one's zone. A
volume of EBS stays in its zone, and who chooses a zone or an instance type waits for ever elsewhere. Any node of the
cluster will do that takes the pod and need not go itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rollout.model.machine import Stage, terminal
from rollout.model.observation import NodeSeen, Observation, PodSeen
from rollout.model.record import Record
from rollout.stages.fitting import PLACES, chooses, devices, fits
from rollout.stages.pods import leaving

#: Labels that say in which zone a node is, the usual one first, and those that say which type of machine it is.
ZONES = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone", "topology.ebs.csi.aws.com/zone")
TYPES = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")

#: What lets such a pod start elsewhere.
REMEDY = (
    "let a node start where the pod can be (allow only that zone or type in the group for a while, and end a new "
    "instance on which nothing runs, without lowering desired), or delete the pod yourself"
)


def open_nodes(seen: Observation, record: Record) -> tuple[NodeSeen, ...]:
    """Return the nodes on which pods can start, and which need not go."""
    going = {row.instance_id for row in record.nodes if row.stage is not Stage.KEPT}
    return tuple(node for node in seen.nodes if node.usable and node.instance_id not in going)


def homeless(pods: Iterable[PodSeen], node: NodeSeen | None, *, volumes: bool, around: Collection[NodeSeen]) -> str:
    """Say which pod of a node no other one takes, for where it stands; "" for none.

    `volumes`: what is attached to the node, for pods that leave it, can be attached in its zone only.
    """
    if node is None:
        return ""
    told = (_told(pod, node, around, volumes=volumes and pod.claims > 0) for pod in pods)
    return next((text for text in told if text), "")


def in_doubt(seen: Observation, record: Record) -> bool:
    """Tell whether it matters which volumes are attached: with some, a pod would have no other node."""
    around = open_nodes(seen, record)
    rows = (row for row in record.nodes if not terminal(row.stage))
    nodes = (node for row in rows for node in seen.nodes_on(row.instance_id))
    return any(homeless(leaving(seen.pods_on(node.name)), node, volumes=True, around=around) for node in nodes)


def _told(pod: PodSeen, node: NodeSeen, around: Collection[NodeSeen], *, volumes: bool) -> str:
    zone = _zone(node) if volumes else ""
    asked = sorted({one.label for term in pod.wants for one in term} & {*ZONES, *TYPES}) if chooses(pod, node) else []
    if not (zone or asked) or any(_takes(other, pod, node, zone) for other in around):
        return ""
    if zone:
        return f"no other node in {zone} takes {pod.label}, whose volume is there"
    places = ", ".join(f"{label}={node.labels[label]}" for label in asked if label in node.labels)
    return f"no other node with {places} takes {pod.label}, which chooses by it"


def _takes(other: NodeSeen, pod: PodSeen, node: NodeSeen, zone: str) -> bool:
    """Tell whether another node takes a pod of `node`; `zone`: where it has to be, "" for anywhere."""
    if zone not in {"", _zone(other)} or not devices(pod, node) <= other.offers:
        return False
    own = {name: value for name, value in node.labels.items() if name.startswith(PLACES) and name not in ZONES + TYPES}
    lets_in = all(map(pod.tolerates, other.barriers))
    return lets_in and (not chooses(pod, node) or fits(pod.wants, {**other.labels, **own}))


def _zone(node: NodeSeen) -> str:
    return next((node.labels[label] for label in ZONES if label in node.labels), "")
