"""A cluster-autoscaler that really interferes, for as long as its Deployment has a running pod.

Every look it raises the desired capacity of a group for pods that found no node, and ends nodes that carried nothing
for too long, by terminating their instances with decrement, protected from scale-in or not, as the real one does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from eks_simulator.world import pods
from eks_simulator.world.pods import Owner

if TYPE_CHECKING:
    from eks_simulator.clock import Timer, VirtualClock
    from eks_simulator.cloud.cloud import Cloud
    from eks_simulator.cloud.model import Group, Instance
    from eks_simulator.kube.store import Store
    from eks_simulator.scenario import Scenario
    from eks_simulator.world.pods import Object
    from eks_simulator.world.scheduler import Load, Scheduler

SCALE_DOWN_DISABLED = "cluster-autoscaler.kubernetes.io/scale-down-disabled"


class ClusterAutoscaler:
    """Looks every few seconds while it runs; books nothing while it does not."""

    def __init__(
        self, clock: VirtualClock, store: Store, cloud: Cloud, scheduler: Scheduler, scenario: Scenario
    ) -> None:
        self._clock = clock
        self._cloud = cloud
        self._log = cloud.log
        self._scheduler = scheduler
        self._scenario = scenario
        self._running: set[str] = set()  # UIDs of its running pods
        self._next: Timer | None = None
        self._idle_since: dict[str, float] = {}  # by node
        if scenario.autoscaler is not None:
            self._settings = scenario.autoscaler
            store.on("pods", self._on_pod)

    def _on_pod(self, event: str, pod: Object, _previous: Object | None) -> None:
        if not self._is_mine(pods.owner(pod)):
            return
        uid = pod["metadata"]["uid"]
        if event != "DELETED" and pods.phase(pod) == "Running":
            self._running.add(uid)
        else:
            self._running.discard(uid)
        if self._running and (self._next is None or not self._next.pending):
            self._idle_since.clear()
            self._next = self._clock.after(self._settings.look_every, self._look)

    def _is_mine(self, controller: Owner | None) -> bool:
        mine = (self._settings.namespace, self._settings.name)
        return controller is not None and (controller.namespace, controller.name.rpartition("-")[0]) == mine

    def _look(self) -> None:
        if not self._running:
            return
        self._next = self._clock.after(self._settings.look_every, self._look)
        nodes = self._nodes()
        with self._log.acting("world", "cluster-autoscaler", 0):
            self._scale_up(nodes)
            self._scale_down(nodes)

    def _nodes(self) -> dict[str, Instance]:
        """Return the living instances of the groups by the name of their node."""
        return {one.dns: one for group in self._cloud.groups.values() for one in group.living}

    def _scale_up(self, nodes: dict[str, Instance]) -> None:
        waiting = [self._scheduler.waiting[key] for key in self._scheduler.refused if key in self._scheduler.waiting]
        for group in self._cloud.groups.values():
            ours = [pod for pod in waiting if self._could_run(pod, group.name)]
            if not ours:
                continue
            waiting = [pod for pod in waiting if pod not in ours]
            upcoming = group.desired - sum(
                one.group == group.name for name, one in nodes.items() if self._is_ready(name)
            )
            self._raise(group, self._needed(group, ours) - max(upcoming, 0))

    def _could_run(self, pod: Object, group_name: str) -> bool:
        group = self._scenario.group(group_name)
        selector = pod["spec"].get("nodeSelector", {})
        return pods.slots(pod) <= group.slots and all(group.labels.get(key) == want for key, want in selector.items())

    def _is_ready(self, node: str) -> bool:
        load = self._scheduler.loads.get(node)
        return load is not None and not load.node["spec"].get("taints")

    def _needed(self, group: Group, waiting: list[Object]) -> int:
        slots = self._scenario.group(group.name).slots
        return max(1, math.ceil(sum(map(pods.slots, waiting)) / slots)) if slots else 1

    def _raise(self, group: Group, by: int) -> None:
        wanted = min(group.desired + by, group.max_size)
        if wanted > group.desired:
            self._cloud.set_desired(group.name, wanted)

    def _scale_down(self, nodes: dict[str, Instance]) -> None:
        for name, instance in nodes.items():
            load = self._scheduler.loads.get(name)
            if load is None or load.movable or not self._may_go(load):
                self._idle_since.pop(name, None)
            elif (
                self._clock.now - self._idle_since.setdefault(name, self._clock.now)
                >= self._settings.idle_before_removal
            ):
                self._end(instance)

    def _may_go(self, load: Load) -> bool:
        return pods.annotation(load.node, SCALE_DOWN_DISABLED) != "true"

    def _end(self, instance: Instance) -> None:
        group = self._cloud.groups[instance.group]
        if group.desired > group.min_size:
            self._cloud.terminate_in_group(instance.id, decrement=True)
