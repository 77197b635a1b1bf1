"""The scheduler: binds pending pods to nodes, the oldest first, with no chance in it.

Taints, cordons, node selectors, CPU and the number of pods are filters; PreferNoSchedule taints, siblings on the node
and its load are preferences, in this order. It looks whenever something may have changed for a pod that waits.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from eks_simulator.clock import iso
from eks_simulator.world import pods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from eks_simulator.clock import Timer, VirtualClock
    from eks_simulator.kube.store import Store
    from eks_simulator.world.pods import Key, Object, Owner

ZONE = "topology.kubernetes.io/zone"
LATENCY = 0.5  # seconds from a change until the scheduler has acted on it
# A cordon is a taint to the scheduler: who tolerates it is scheduled there (source: the plugin `NodeUnschedulable`).
CORDONED = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


@dataclass(slots=True)
class Load:
    """What one node carries; a pod counts until it is finished or gone."""

    node: Object
    held: dict[Key, Object] = field(default_factory=dict)
    cpu: float = 0.0
    movable: int = 0  # pods that are neither mirror nor DaemonSet pods: they could run elsewhere
    of: Counter[Owner | None] = field(default_factory=Counter)  # pods by controller

    def add(self, pod: Object) -> None:
        """Count the pod, once."""
        if pods.key(pod) not in self.held:
            self.held[pods.key(pod)] = pod
            self._count(pod, 1)

    def drop(self, pod: Object) -> None:
        """The pod does not count any more."""
        if self.held.pop(pods.key(pod), None) is not None:
            self._count(pod, -1)

    def _count(self, pod: Object, sign: int) -> None:
        self.cpu += sign * pods.slots(pod)
        self.movable += sign * (not pods.stays_with_node(pod))
        self.of[pods.owner(pod)] += sign

    def has_room(self, pod: Object) -> bool:
        """Tell whether CPU and number of pods allow one more; a Node that a person made has neither."""
        size = (self.node.get("status") or {}).get("allocatable") or {}
        room = self.cpu + pods.slots(pod) <= pods.cpus(size.get("cpu", "0"))
        return room and len(self.held) < int(size.get("pods", 0))


class Scheduler:
    """Keeps what every node carries, and the pods that wait for one."""

    def __init__(self, clock: VirtualClock, store: Store) -> None:
        self._clock = clock
        self._store = store
        self._round: Timer | None = None
        self.loads: dict[str, Load] = {}
        self.waiting: dict[Key, Object] = {}  # in the order of creation
        self.refused: dict[Key, float] = {}  # pods that found no node, and since when
        self.zone_of: Callable[[Object], str | None] = lambda _: None  # where a pod's volumes are
        store.on("nodes", self._on_node)
        store.on("pods", self._on_pod)

    def fits(self, pod: Object, node: Object) -> bool:
        """Tell whether the node would take the pod if it were empty: selector, volumes, cordon and hard taints."""
        spec = pod["spec"]
        labels = node["metadata"].get("labels", {})
        if self.zone_of(pod) not in {None, labels.get(ZONE)}:
            return False
        if any(labels.get(name) != value for name, value in spec.get("nodeSelector", {}).items()):
            return False
        if node["spec"].get("unschedulable") and not pods.tolerated(CORDONED, spec.get("tolerations", ())):
            return False
        return not _untolerated(pod, node, ("NoSchedule", "NoExecute"))

    def _on_node(self, event: str, node: Object, previous: Object | None) -> None:
        name = node["metadata"]["name"]
        if event == "DELETED":
            self.loads.pop(name, None)
            return
        load = self.loads.setdefault(name, Load(node))
        load.node = node
        if previous is None or previous["spec"] != node["spec"]:
            self._look_soon()

    def _on_pod(self, event: str, pod: Object, previous: Object | None) -> None:
        key = pods.key(pod)
        node = pods.node_of(pod)
        if event == "DELETED" or pods.finished(pod):
            self._drop(key, pod, node)
        elif node is not None:
            self.waiting.pop(key, None)
            self.refused.pop(key, None)
            if node in self.loads:
                self.loads[node].add(pod)
        elif previous is None:
            self.waiting[key] = pod
            self._look_soon()
        else:
            self.waiting[key] = pod

    def _drop(self, key: Key, pod: Object, node: str | None) -> None:
        self.waiting.pop(key, None)
        self.refused.pop(key, None)
        if node in self.loads:
            self.loads[node].drop(pod)
            self._look_soon()

    def _look_soon(self) -> None:
        if self.waiting and (self._round is None or not self._round.pending):
            self._round = self._clock.after(LATENCY, self._look)

    def _look(self) -> None:
        by_kind: dict[str, list[Load]] = {}
        for key, pod in list(self.waiting.items()):
            if pods.terminating(pod):
                continue
            kind = repr((pod["spec"].get("nodeSelector"), pod["spec"].get("tolerations"), self.zone_of(pod)))
            if kind not in by_kind:
                by_kind[kind] = [load for load in self.loads.values() if self.fits(pod, load.node)]
            best = _best(pod, by_kind[kind])
            if best is None:
                self._refuse(key)
            else:
                self._bind(key, best.node["metadata"]["name"])

    def _bind(self, key: Key, node: str) -> None:
        def bind(pod: Object) -> None:
            pod["spec"]["nodeName"] = node
            _set_scheduled(pod, "True", iso(self._clock.now))

        self._store.mutate("pods", *key, bind)

    def _refuse(self, key: Key) -> None:
        if key not in self.refused:
            self.refused[key] = self._clock.now
            self._store.mutate("pods", *key, lambda pod: _set_scheduled(pod, "False", iso(self._clock.now)))


def _set_scheduled(pod: Object, status: str, moment: str) -> None:
    condition = {"type": "PodScheduled", "status": status, "lastTransitionTime": moment}
    if status == "False":
        condition["reason"] = "Unschedulable"
    pod.setdefault("status", {})["conditions"] = [condition]


def _untolerated(pod: Object, node: Object, effects: Iterable[str]) -> list[Object]:
    tolerations = pod["spec"].get("tolerations", ())
    taints = (taint for taint in node["spec"].get("taints", ()) if taint["effect"] in effects)
    return [taint for taint in taints if not pods.tolerated(taint, tolerations)]


def _best(pod: Object, candidates: Iterable[Load]) -> Load | None:
    controller = pods.owner(pod)

    def cost(load: Load) -> tuple[int, int, float, int, str]:
        avoided = len(_untolerated(pod, load.node, ("PreferNoSchedule",)))
        name = load.node["metadata"]["name"]
        siblings = load.of[controller] if controller else 0
        return avoided, siblings, load.cpu, len(load.held), name

    return min((load for load in candidates if load.has_room(pod)), key=cost, default=None)
