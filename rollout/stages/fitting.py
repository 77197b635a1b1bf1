"""Whether pods of a node that goes may start on new nodes of its group: by their taints, labels and devices.

A taint keeps out who does not tolerate it. A label keeps out who chooses by it, where the old node has it and no new
one has. So does a device, such as a GPU, that the old node offers and no new one does; and room for a pod that an old
node has, and no new one would have, were it empty. What a node says of its own place and machine (zone, host, instance
type) differs from node to node: a pod that chooses by that is asked as if the new nodes stood where the old one does.
Whether anything stands there is `homes`' business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from rollout.commands import kubectl
from rollout.model.budget import Requirement
from rollout.model.observation import NodeSeen, PodSeen, Taint

#: Bytes of memory: what people count in, and what nodes of one sort may differ by.
GIB, GRAIN = 2.0**30, 2.0**26
# A taint that nobody knows: who tolerates it tolerates every one.
_UNKNOWN = Taint("\0", "", "NoSchedule")
#: Labels that say where a node is, or which machine, by the beginning of their names.
PLACES = (
    "topology.",
    "failure-domain.beta.kubernetes.io/",
    "kubernetes.io/hostname",
    "alpha.eksctl.io/instance-id",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
)


@dataclass(frozen=True, slots=True)
class Sort:
    """What new nodes have in common, as far as pods ask: taints that keep out, labels but for places, devices, room."""

    taints: tuple[Taint, ...]
    labels: frozenset[tuple[str, str]]
    offers: frozenset[str]
    room: tuple[float, float] | None

    @classmethod
    def of(cls, node: NodeSeen) -> Sort:
        """Return what sort of a node it is."""
        labels = ((name, value) for name, value in node.labels.items() if not name.startswith(PLACES))
        return cls(node.barriers, frozenset(labels), node.offers, node.room and _rounded(*node.room))

    def lets_in(self, moved: Sequence[PodSeen], node: NodeSeen | None) -> bool:
        """Tell whether moved pods may start with these taints; where none tells, those of their node are usual."""
        if pods := telling(moved):
            return all(pod.tolerates(taint) for pod in pods for taint in self.taints)
        return not self.taints or (node is not None and all(taint in node.taints for taint in self.taints))

    def keeps_out(self, pods: Iterable[PodSeen], node: NodeSeen) -> bool:
        """Tell whether a pod of `node` does not tolerate a taint that this node does not have."""
        new = [taint for taint in self.taints if taint not in node.taints]
        return not all(pod.tolerates(taint) for pod in pods for taint in new)

    def barred(self, name: str, moved: Sequence[PodSeen], node: NodeSeen | None) -> str:
        """Say which taints of a node of this sort keep moved pods out, as `lets_in` asks; they are others' to take off.

        Who put one there waits for something, or keeps the node for other work.
        """
        pods, there = telling(moved), node.taints if node else ()
        shut = [one for one in self.taints if not (all(pod.tolerates(one) for pod in pods) if pods else one in there)]
        marks = ", ".join(f"{taint.key}:{taint.effect}" for taint in shut)
        taints, them = ("taint", "it") if len(shut) == 1 else ("taints", "them")
        why = "pods here do not tolerate" if pods else "the old nodes have not"
        who = f"who put {them} there: {kubectl('describe', 'node', name)}"
        return f"{name} has the {taints} {marks}, which {why} ({who})"

    def suits(self, pod: PodSeen, node: NodeSeen) -> bool:
        """Tell whether a pod of `node` may start here by the labels and the devices that it has there."""
        if not devices(pod, node) <= self.offers or self._is_smaller(pod, node):
            return False
        return not chooses(pod, node) or fits(pod.wants, self._in_place_of(node))

    def otherwise(self, name: str, pod: PodSeen, node: NodeSeen) -> str:
        """Say which devices a pod lacks here, or by which labels it chooses that are others, with what helps."""
        lacking = sorted(devices(pod, node) - self.offers)
        if lacking:
            look = f"why its device plugin does not: {kubectl('describe', 'node', name)}"
            return f"{name} offers no {', '.join(lacking)}, which {pod.label} asks for ({look})"
        if self.room and self._is_smaller(pod, node):
            sizes = f"{self.room[0]:g} CPU and {self.room[1] / GIB:.1f} GiB"
            look = f"what is reserved: {kubectl('describe', 'node', name)}"
            return f"{name} has {sizes} for pods, less than {pod.label} asks for ({look})"
        here, there = self._in_place_of(node), node.labels
        asked = sorted({one.label for term in pod.wants for one in term if there.get(one.label) != here.get(one.label)})
        put = kubectl(
            "label",
            "node",
            name,
            "--overwrite",
            *(f"{one}={there[one]}" if one in there else f"{one}-" for one in asked),
        )
        return f"{name} has another {', '.join(asked)} than the node of {pod.label}, which chooses by it ({put})"

    def _is_smaller(self, pod: PodSeen, node: NodeSeen) -> bool:
        """Tell whether a pod that its node has room for would find none on an empty node of this sort."""
        known = self.room is not None and _has_room(node.room, pod)
        return known and not _has_room(self.room, pod)

    def _in_place_of(self, node: NodeSeen) -> dict[str, str]:
        return dict(self.labels) | {name: value for name, value in node.labels.items() if name.startswith(PLACES)}


def telling(pods: Iterable[PodSeen]) -> tuple[PodSeen, ...]:
    """Return the pods that tell which taints are usual; who tolerates every taint does not."""
    return tuple(pod for pod in pods if not pod.tolerates(_UNKNOWN))


def stranded(sorts: Collection[Sort], moved: Iterable[PodSeen], node: NodeSeen | None) -> PodSeen | None:
    """Return the first pod that has on its node the labels and devices it asks for, and on no new node; or None."""
    if node is None or not sorts:
        return None
    asking = (pod for pod in moved if chooses(pod, node) or devices(pod, node) or any(pod.asks))
    return next((pod for pod in asking if not any(sort.suits(pod, node) for sort in sorts)), None)


def chooses(pod: PodSeen, node: NodeSeen) -> bool:
    """Tell whether a pod chooses by labels, and its node has them."""
    return bool(pod.wants) and fits(pod.wants, node.labels)


def devices(pod: PodSeen, node: NodeSeen) -> frozenset[str]:
    """Return the devices for which a pod asks, as far as its node offers them."""
    return pod.needs & node.offers


def _has_room(room: tuple[float, float] | None, pod: PodSeen) -> bool:
    return room is not None and all(ask <= there for ask, there in zip(pod.asks, room, strict=True))


def _rounded(cpu: float, memory: float) -> tuple[float, float]:
    """Round memory up: machines of one type differ by a little, and are one sort all the same."""
    return cpu, ceil(memory / GRAIN) * GRAIN


def fits(wants: Iterable[Iterable[Requirement]], labels: Mapping[str, str]) -> bool:
    """Tell whether labels are what a pod wants."""
    return any(all(one.takes(labels) for one in term) for term in wants)
