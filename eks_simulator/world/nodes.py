"""From instance to node and back: an EC2 instance boots, joins, becomes Ready; when it goes, so do its node and pods.

Plays the kubelet's registration, the node lifecycle controller (conditions and their taints), the cloud controller
(removes the Node of an instance that is gone) and PodGC (removes the pods of a node that is gone).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eks_simulator.clock import iso
from eks_simulator.cloud import types
from eks_simulator.fields import Range
from eks_simulator.world import pods
from eks_simulator.world.workloads import controlled_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_simulator.account import Group
    from eks_simulator.clock import VirtualClock
    from eks_simulator.cloud.model import Instance
    from eks_simulator.kube.store import Store
    from eks_simulator.scenario import Scenario
    from eks_simulator.world.kubelet import Kubelet
    from eks_simulator.world.pods import Object
    from eks_simulator.world.trouble import Kind, Troubles

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure")

TO_NOT_READY = Range(40, 50)  # kube-controller-manager, --node-monitor-grace-period
TO_REMOVAL = Range(60, 120)  # after the instance began to shut down
TO_POD_GC = Range(20, 60)  # PodGC's quarantine of a node's pods


class Nodes:
    """The nodes of the cluster, one for each instance of the scenario's groups that has joined."""

    def __init__(
        self, clock: VirtualClock, store: Store, scenario: Scenario, kubelet: Kubelet, troubles: Troubles
    ) -> None:
        self._clock = clock
        self._store = store
        self._scenario = scenario
        self._kubelet = kubelet
        self._troubles = troubles
        self._gone: set[str] = set()  # ids of instances that are shutting down
        self.node_of: dict[str, str] = {}  # instance id → name of the node that it last was
        store.on("nodes", self._on_node)

    def launched(self, instance: Instance) -> None:
        """EC2 runs the instance: let it boot and join."""
        group = self._scenario.group(instance.group)
        boot = group.boot.draw(self._scenario.seed, "boot", instance.group, instance.ordinal)
        self._clock.after(boot, lambda: self._unless("never_joins", instance, lambda: self._join(instance, group)))

    def has_joined(self, instance: Instance) -> bool:
        """Tell whether the instance has a node."""
        name = self.node_of.get(instance.id)
        return name is not None and self._is(instance, name)

    def register(self, instance: Instance) -> None:
        """The kubelet starts once more: where its Node object is gone it makes another one."""
        if self._store.get("nodes", None, instance.dns) is None:
            self._join(instance, self._scenario.group(instance.group))

    def shutting_down(self, instance: Instance) -> None:
        """EC2 takes the instance away: its containers die now, its node is missed later."""
        self._gone.add(instance.id)
        node = self.node_of.get(instance.id)
        if node is None:
            return
        self._kubelet.node_dies(node)
        self._later(TO_NOT_READY, "not ready", instance, lambda: self._missed(instance, node))
        self._later(TO_REMOVAL, "removed", instance, lambda: self._remove(instance))

    def _later(self, after: Range, what: str, instance: Instance, action: Callable[[], None]) -> None:
        self._clock.after(after.draw(self._scenario.seed, what, instance.group, instance.ordinal), action)

    def _unless(self, kind: Kind, instance: Instance, happen: Callable[[], None]) -> None:
        def still_there() -> None:
            if instance.id not in self._gone:
                happen()

        self._troubles.unless(kind, instance.group, still_there)

    def _join(self, instance: Instance, group: Group) -> None:
        name = instance.dns
        self.node_of[instance.id] = name
        self._kubelet.node_lives(name)
        node = self._store.create("nodes", node_object(instance, group, self._clock.now))
        self._start_mirror_pods(instance, node)
        ready = group.ready.draw(self._scenario.seed, "ready", instance.group, instance.ordinal)
        self._clock.after(ready, lambda: self._unless("never_ready", instance, lambda: self._ready(instance, name)))

    def _start_mirror_pods(self, instance: Instance, node: Object) -> None:
        for mirror in self._scenario.workloads.mirror_pods:
            if mirror.group in (None, instance.group):
                pod = mirror_object(mirror.name, mirror.namespace, node)
                if self._store.get("pods", mirror.namespace, pod["metadata"]["name"]) is None:
                    self._store.create("pods", pod)

    def _ready(self, instance: Instance, name: str) -> None:
        self._change(instance, name, lambda node: set_condition(node, "True", "KubeletReady", self._clock.now))
        self._clock.after(1, lambda: self._change(instance, name, lambda node: set_taint(node, NOT_READY, on=False)))

    def _missed(self, instance: Instance, name: str) -> None:
        def unreachable(node: Object) -> None:
            set_condition(node, "Unknown", "NodeStatusUnknown", self._clock.now)
            set_taint(node, UNREACHABLE, on=True)

        self._change(instance, name, unreachable)

    def _change(self, instance: Instance, name: str, change: Callable[[Object], None]) -> None:
        if self._is(instance, name):
            self._store.mutate("nodes", None, name, change)

    def _is(self, instance: Instance, name: str) -> bool:
        node = self._store.get("nodes", None, name)
        return node is not None and bool(node["spec"].get("providerID") == instance.provider_id)

    def _remove(self, instance: Instance) -> None:
        """The cloud controller removes every Node object of an instance that is gone."""
        names = [node["metadata"]["name"] for node in self._store.list("nodes")]
        for name in names:
            if self._is(instance, name):
                self._store.delete("nodes", None, name)

    def _on_node(self, event: str, node: Object, previous: Object | None) -> None:
        name = node["metadata"]["name"]
        if event == "DELETED":
            quarantine = TO_POD_GC.draw(self._scenario.seed, "pod gc", name)
            self._clock.after(quarantine, lambda: self._collect_pods(name))
            return
        before = bool(previous and previous["spec"].get("unschedulable"))
        if before != bool(node["spec"].get("unschedulable")):
            self._clock.after(0.1, lambda: self._mirror_unschedulable(name))
        if any(taint["effect"] == "NoExecute" for taint in node["spec"].get("taints", ())):
            self._clock.after(0.1, lambda: self._execute_taints(name))

    def _mirror_unschedulable(self, name: str) -> None:
        """The node lifecycle controller shows `spec.unschedulable` as a taint too."""
        if self._store.get("nodes", None, name) is not None:
            self._store.mutate(
                "nodes",
                None,
                name,
                lambda node: set_taint(node, UNSCHEDULABLE, on=bool(node["spec"].get("unschedulable"))),
            )

    def _execute_taints(self, name: str) -> None:
        node = self._store.get("nodes", None, name) or {"spec": {}}
        taints = [taint for taint in node["spec"].get("taints", ()) if taint["effect"] == "NoExecute"]
        for pod in list(self._store.pods_on(name)):
            tolerations = pod["spec"].get("tolerations", ())
            if pods.active(pod) and not all(pods.tolerated(taint, tolerations) for taint in taints):
                self._store.delete("pods", *pods.key(pod))

    def _collect_pods(self, name: str) -> None:
        if self._store.get("nodes", None, name) is not None:
            return
        for pod in list(self._store.pods_on(name)):
            if not pods.finished(pod):
                self._store.mutate("pods", *pods.key(pod), _fail)
            self._store.delete("pods", *pods.key(pod), grace=0)


def _fail(pod: Object) -> None:
    pod.setdefault("status", {}).update(phase="Failed", reason="NodeLost")


def set_condition(node: Object, ready: str, reason: str, now: float) -> None:
    """Have the node's Ready condition say so, since now."""
    for condition in (node.get("status") or {}).get("conditions") or ():
        if condition["type"] == "Ready" and condition["status"] != ready:
            condition.update(status=ready, reason=reason, lastTransitionTime=iso(now))


def set_taint(node: Object, key: str, *, on: bool) -> None:
    """Have exactly one or no NoSchedule taint of that key, and leave all others."""
    others = [taint for taint in node["spec"].get("taints", ()) if taint["key"] != key]
    taints = [*others, {"key": key, "effect": "NoSchedule"}] if on else others
    if taints:
        node["spec"]["taints"] = taints
    else:
        node["spec"].pop("taints", None)


def node_object(instance: Instance, group: Group, now: float) -> Object:
    """Return the Node as the kubelet of a new instance registers it: not Ready, and tainted so."""
    architecture = "arm64" if types.architecture(instance.type) == "arm64" else "amd64"
    labels = {
        "kubernetes.io/hostname": instance.dns,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        "node.kubernetes.io/instance-type": instance.type,
        "topology.kubernetes.io/region": instance.region,
        "topology.kubernetes.io/zone": instance.zone,
        **group.labels,
    }
    size = {"cpu": str(group.slots), "memory": "32Gi", "pods": str(group.max_pods)}
    conditions = [_condition(kind, "False", "KubeletHasSufficient", now) for kind in PRESSURES]
    return {
        "metadata": {
            "name": instance.dns,
            "labels": labels,
            "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
        },
        "spec": {"providerID": instance.provider_id, "taints": [{"key": NOT_READY, "effect": "NoSchedule"}]},
        "status": {
            "conditions": [*conditions, _condition("Ready", "False", "KubeletNotReady", now)],
            "addresses": [
                {"type": "InternalIP", "address": instance.ip},
                {"type": "Hostname", "address": instance.dns},
            ],
            "capacity": size,
            "allocatable": size,
            "nodeInfo": {"kubeletVersion": "v1.33.5-eks", "osImage": instance.image, "architecture": architecture},
        },
    }


def _condition(kind: str, status: str, reason: str, now: float) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "lastTransitionTime": iso(now)}


def mirror_object(name: str, namespace: str, node: Object) -> Object:
    """Return the pod that the kubelet shows for a static pod."""
    node_name = node["metadata"]["name"]
    return {
        "metadata": {
            "name": f"{name}-{node_name}",
            "namespace": namespace,
            "annotations": {pods.MIRROR: "static", "kubernetes.io/config.source": "file"},
            "ownerReferences": [controlled_by("Node", node)],
        },
        "spec": {
            "nodeName": node_name,
            "containers": [{"name": "main", "image": f"example.com/{name}:1"}],
            "tolerations": [{"operator": "Exists"}],
        },
        "status": {"phase": "Pending"},
    }
