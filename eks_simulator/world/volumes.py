"""Volumes that pods claim: attached to the node before a pod starts, and detached some time after it is gone.

A volume is made in the zone of its first pod's node, and stays there: so does the pod.

Plays the attach-detach controller and the storage's driver. A volume is attached to one node at a time: a pod elsewhere
waits for it. The kubelet of a node that is gone lets go of nothing; then the controller detaches by force, six minutes
later (kube-controller-manager, maxWaitForUnmountDuration).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_simulator.fields import Range, parse_range
from eks_simulator.seeded import token, uid
from eks_simulator.world import pods
from eks_simulator.world.scheduler import ZONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_simulator.clock import VirtualClock
    from eks_simulator.kube.store import Store
    from eks_simulator.world.kubelet import Kubelet
    from eks_simulator.world.pods import Object
    from eks_simulator.world.trouble import Troubles

DETACH = "simulator/detach"  # how long a volume stays attached after its pod
ATTACHED_AFTER = Range(3, 8)
BY_FORCE = 360.0
_KIND = "volumeattachments"


class Volumes:
    """Every VolumeAttachment of the cluster."""

    def __init__(self, clock: VirtualClock, store: Store, kubelet: Kubelet, troubles: Troubles, seed: int) -> None:
        self._clock = clock
        self._store = store
        self._kubelet = kubelet
        self._troubles = troubles
        self._seed = seed
        self._wanted: dict[str, Object] = {}  # by volume: the pod that claimed it last
        self._zones: dict[str, str] = {}  # by volume: the zone in which it was made, with its first pod
        kubelet.mounted = self.mounted
        store.on("pods", self._look)
        store.on("nodes", self._on_node)

    def mounted(self, pod: Object) -> bool:
        """Tell whether everything that the pod claims is attached to its node; what is not is tried to attach."""
        missing = [one for one in self._claimed(pod) if self._node_of(one) != pods.node_of(pod)]
        for volume in missing:
            self._attach(volume)
        return not missing

    def zone_of(self, pod: Object) -> str | None:
        """The only zone in which the pod can start: that of its volumes; None for any."""
        return next((zone for one in self._claimed(pod) if (zone := self._zones.get(one))), None)

    def _look(self, event: str, pod: Object, _previous: Object | None) -> None:
        node = pods.node_of(pod)
        for volume in self._claimed(pod) if node else ():
            if event == "DELETED" or pods.finished(pod):
                self._let_go(pod, volume, str(node))
            elif pods.active(pod):
                self._wanted[volume] = pod
                self._make(volume, str(node))

    def _make(self, volume: str, node: str) -> None:
        there = self._store.get("nodes", None, node)
        if there is not None and volume not in self._zones:
            self._zones[volume] = there["metadata"]["labels"][ZONE]

    def _claimed(self, pod: Object) -> Iterator[str]:
        for one in pod["spec"].get("volumes", ()):
            if claim := one.get("persistentVolumeClaim"):
                yield f"pvc-{uid(self._seed, 'volume', pod['metadata']['namespace'], claim['claimName'])}"

    def _node_of(self, volume: str) -> str | None:
        found = self._attachment(volume)
        return found["spec"]["nodeName"] if found else None

    def _attachment(self, volume: str) -> Object | None:
        return self._store.get(_KIND, None, self._name(volume))

    def _name(self, volume: str) -> str:
        return f"csi-{token(self._seed, 16, volume)}"

    def _attach(self, volume: str) -> None:
        pod = self._wanted.get(volume)
        if pod is None or self._attachment(volume) is not None:
            return
        source = {"persistentVolumeName": volume}
        spec = {"attacher": "ebs.csi.aws.com", "nodeName": pods.node_of(pod), "source": source}
        self._store.create(
            _KIND, {"metadata": {"name": self._name(volume)}, "spec": spec, "status": {"attached": False}}
        )
        self._clock.after(ATTACHED_AFTER.draw(self._seed, volume), lambda: self._attached(volume))

    def _attached(self, volume: str) -> None:
        if self._attachment(volume) is not None:
            self._store.mutate(_KIND, None, self._name(volume), lambda one: one.update(status={"attached": True}))

    def _let_go(self, pod: Object, volume: str, node: str) -> None:
        after = parse_range(pods.annotation(pod, DETACH, "2s..40s"))
        name = "/".join(pods.key(pod))
        seconds = after.draw(self._seed, "detach", volume, node)
        detach = lambda: self._detached(volume, node)  # noqa: E731  what a trouble may hold back
        self._clock.after(seconds, lambda: self._troubles.unless("stuck_volume", name, detach))

    def _detached(self, volume: str, node: str) -> None:
        if node in self._kubelet.dead:
            return  # nobody unmounts there: by force, when its Node is gone
        if not any(volume in self._claimed(pod) for pod in self._store.pods_on(node) if not pods.finished(pod)):
            self._remove(volume, node)

    def _remove(self, volume: str, node: str) -> None:
        if self._node_of(volume) == node:
            self._store.delete(_KIND, None, self._name(volume), grace=0)

    def _on_node(self, event: str, node: Object, _previous: Object | None) -> None:
        if event == "DELETED":
            self._clock.after(BY_FORCE, lambda: self._force(node["metadata"]["name"]))

    def _force(self, node: str) -> None:
        if self._store.get("nodes", None, node) is None:
            for one in list(self._store.list(_KIND)):
                self._remove(one["spec"]["source"]["persistentVolumeName"], node)
