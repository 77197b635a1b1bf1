"""The nodes of a real cluster whose instances are simulated: they join, are heard of every ten seconds, and go.

Plays the kubelets and the cloud's node lifecycle controller; the taints and conditions of a node that is silent are the
cluster's own doing. Where nobody does that there, a new node's taint is taken off here, after a while.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from eks_simulator.clock import iso
from eks_simulator.kube.resources import RESOURCES
from eks_simulator.real.api import LOST, MERGE, STRATEGIC, path_of
from eks_simulator.world import pods
from eks_simulator.world.flaps import Flaps
from eks_simulator.world.kubelet import Kubelet
from eks_simulator.world.nodes import NOT_READY, PRESSURES, Nodes, node_object, set_condition, set_taint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eks_simulator.account import Group
    from eks_simulator.clock import VirtualClock
    from eks_simulator.cloud.model import Instance
    from eks_simulator.kube.store import Store
    from eks_simulator.real.api import RealApi
    from eks_simulator.scenario import Scenario
    from eks_simulator.world.pods import Object
    from eks_simulator.world.trouble import Troubles

HEARD_EVERY = 10.0  # seconds; a lease is old after forty (kube-controller-manager, --node-monitor-grace-period)
_LOOKS_EVERY = 5.0  # the cloud's node lifecycle controller, --node-monitor-period
_GONE_ANYWAY = 90.0  # seconds after which the node of an instance that is gone is removed in any case
_TAINTED = 15.0  # seconds after which nobody seems to take the taint off
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class RealKubelet(Kubelet):
    """Runs the pods of the nodes that were made here, and of no others."""

    def __init__(self, clock: VirtualClock, store: Store, troubles: Troubles, seed: int) -> None:
        self.living: set[str] = set()
        super().__init__(clock, store, troubles, seed)

    def node_lives(self, node: str) -> None:
        self.living.add(node)
        super().node_lives(node)

    def node_dies(self, node: str) -> None:
        self.living.discard(node)
        super().node_dies(node)

    def _look(self, event: str, pod: Object, previous: Object | None) -> None:
        if event == "DELETED" or pods.node_of(pod) in self.living:
            super()._look(event, pod, previous)

    def _attempt(self, pod: Object) -> int:
        """As many of its Job's pods as have failed before it."""
        controller = pods.owner(pod)
        job = controller and self._store.get("jobs", controller.namespace, controller.name)
        return int((job or {}).get("status", {}).get("failed", 0))

    def mend(self, node: str) -> None:
        """Say again that what runs is Ready: the node lifecycle controller unsays it while the node is not."""
        for pod in self._store.pods_on(node):
            if pods.phase(pod) == "Running" and pods.active(pod) and not pods.is_ready(pod):
                self._store.mutate("pods", *pods.key(pod), lambda one: _ready_again(one, self._clock.now))


def _ready_again(pod: dict[str, Any], now: float) -> None:
    for condition in pod["status"].get("conditions", ()):
        if condition["type"] in ("Ready", "ContainersReady") and condition["status"] != "True":
            condition.update(status="True", lastTransitionTime=iso(now))


class RealNodes(Nodes):
    """The nodes that were made here; `ready` is what the kubelet of each says of it."""

    def __init__(
        self, clock: VirtualClock, store: Store, scenario: Scenario, kubelet: RealKubelet, troubles: Troubles
    ) -> None:
        super().__init__(clock, store, scenario, kubelet, troubles)
        self.living = kubelet.living
        self._mends = kubelet.mend
        self._joined: dict[str, Instance] = {}  # by node
        self.ready: dict[str, bool] = {}

    def all_ready(self) -> bool:
        """Tell whether every node that has joined takes pods."""
        nodes = [self._store.get("nodes", None, name) for name in self.living]
        return bool(nodes) and all(
            node and self.ready.get(node["metadata"]["name"]) and not node["spec"].get("taints") for node in nodes
        )

    def says(self, name: str, *, ready: bool) -> None:
        """Have the kubelet say so, now and until it says otherwise."""
        self.ready[name] = ready
        status, reason = ("True", "KubeletReady") if ready else ("False", "KubeletNotReady")
        if self._store.get("nodes", None, name) is not None:
            self._store.mutate("nodes", None, name, lambda one: set_condition(one, status, reason, self._clock.now))

    def _join(self, instance: Instance, group: Group) -> None:
        name = instance.dns
        self.node_of[instance.id] = name
        self._joined[name] = instance
        self.ready[name] = False
        self._kubelet.node_lives(name)
        self._store.create("nodes", node_object(instance, group, self._clock.now))

    def _on_node(self, event: str, node: Object, previous: Object | None) -> None:  # noqa: ARG002 - the hook's form
        name = node["metadata"]["name"]
        instance = self._joined.get(name)
        if event != "ADDED" or instance is None:
            return
        group = self._scenario.group(instance.group)
        ready = group.ready.draw(self._scenario.seed, "ready", instance.group, instance.ordinal)
        self._clock.after(ready, lambda: self._unless("never_ready", instance, lambda: self._ready(instance, name)))

    def _ready(self, instance: Instance, name: str) -> None:
        if self._is(instance, name):
            self.says(name, ready=True)
        self._clock.after(_TAINTED, lambda: self._untaint(name))

    def _untaint(self, name: str) -> None:
        node = self._store.get("nodes", None, name)
        if node is not None and any(taint["key"] == NOT_READY for taint in node["spec"].get("taints", ())):
            self._store.mutate("nodes", None, name, lambda one: set_taint(one, NOT_READY, on=False))

    def shutting_down(self, instance: Instance) -> None:
        """EC2 takes the instance away: its kubelet is silent from now on, and its node goes when that has shown."""
        self._gone.add(instance.id)
        if node := self.node_of.get(instance.id):
            self._kubelet.node_dies(node)
            self._look_at(instance, node, self._clock.now + _GONE_ANYWAY)

    def _look_at(self, instance: Instance, name: str, end: float) -> None:
        node = self._store.get("nodes", None, name)
        if node is None or not self._is(instance, name):
            return
        said = {one["type"]: one["status"] for one in node.get("status", {}).get("conditions", ())}
        if said.get("Ready") != "True" or self._clock.now >= end:
            self._store.delete("nodes", None, name)
        else:
            self._clock.after(_LOOKS_EVERY, lambda: self._look_at(instance, name, end))

    async def beat(self, api: RealApi) -> None:
        """Say of every living node that it is there, again and again."""
        while True:
            await asyncio.gather(*(self._heard(api, name) for name in sorted(self.living)))
            await asyncio.sleep(HEARD_EVERY)

    async def _heard(self, api: RealApi, name: str) -> None:
        node = self._store.get("nodes", None, name)
        if node is None:
            return
        try:
            await _renew(api, name)
            await api("PATCH", f"{path_of(RESOURCES['nodes'], None, name)}/status", self._status(node), STRATEGIC)
        except LOST:
            return
        if self.ready.get(name):
            self._mends(name)

    def _status(self, node: Object) -> Object:
        """Return what the kubelet says now: since when it is so is said again where somebody said otherwise."""
        now, ready = iso(self._clock.now), self.ready.get(node["metadata"]["name"], False)
        known = {one["type"]: one["status"] for one in node["status"].get("conditions", ())}
        says = {"Ready": (str(ready), "KubeletReady" if ready else "KubeletNotReady")}
        says |= dict.fromkeys(PRESSURES, ("False", "KubeletHasSufficient"))
        conditions = [
            {"type": kind, "status": status, "reason": reason, "lastHeartbeatTime": now}
            | ({} if known.get(kind) == status else {"lastTransitionTime": now})
            for kind, (status, reason) in says.items()
        ]
        return {"status": {"conditions": conditions}}


async def _renew(api: RealApi, name: str) -> None:
    """Renew the node's lease, with the time that this machine has."""
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": moment}
    found = await api("PATCH", f"{_LEASES}/{name}", {"spec": spec}, MERGE)
    if found.code == 404:  # noqa: PLR2004 - not found
        await api("POST", _LEASES, {"metadata": {"name": name}, "spec": spec})


class RealFlaps(Flaps):
    """Nodes whose kubelets say for a while that they are not Ready; what follows is the cluster's own doing."""

    def __init__(self, clock: VirtualClock, store: Store, nodes: RealNodes) -> None:
        super().__init__(clock, store)
        self._nodes = nodes

    def begin(self, nodes: Iterable[str], seconds: float) -> None:
        """Let those of the nodes that are Ready say otherwise until so many seconds from now."""
        for name in [one for one in nodes if self._nodes.ready.get(one)]:
            self._until[name] = self._clock.now + seconds
            self._nodes.says(name, ready=False)
            self._clock.after(seconds, lambda name=name: self._end(name))  # type: ignore[misc]

    def _end(self, name: str) -> None:
        if self._until.get(name, 0.0) <= self._clock.now:
            self._nodes.says(name, ready=True)
