"""The simulated world with a real Kubernetes half: its AWS account, and what acts between the two.

Scheduler and controllers are the cluster's own. What the scenario says and such a cluster cannot be made to do is left
out, and said.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from eks_simulator.real.mirror import MirroredStore
from eks_simulator.real.nodes import RealFlaps, RealKubelet, RealNodes
from eks_simulator.world import pods
from eks_simulator.world.scheduler import Scheduler
from eks_simulator.world.world import World, deploy, found_account, unfold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_simulator.real.api import RealApi
    from eks_simulator.real.authors import Authors
    from eks_simulator.scenario import Scenario
    from eks_simulator.world.pods import Object

#: Seconds from now until the scenario's start: its nodes join and its pods are placed in that time.
SETTLING = 15.0


class Onlooker(Scheduler):
    """What every node carries, and which pods the cluster's scheduler has found no node for: the autoscaler asks it."""

    def _on_pod(self, event: str, pod: Object, previous: Object | None) -> None:
        super()._on_pod(event, pod, previous)
        if pods.key(pod) in self.waiting and _is_unschedulable(pod):
            self.refused.setdefault(pods.key(pod), self._clock.now)

    def _look_soon(self) -> None:
        """Nothing: somebody else places the pods."""


def _is_unschedulable(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(one["type"] == "PodScheduled" and one.get("reason") == "Unschedulable" for one in conditions)


class RealWorld(World):
    """The world of a scenario whose cluster is real. Create it with `build`."""

    store: MirroredStore
    kubelet: RealKubelet
    nodes: RealNodes

    def __init__(self, scenario: Scenario, api: RealApi, authors: Authors) -> None:
        self._api = api
        self._authors = authors
        super().__init__(scenario)

    def _make_cluster(self) -> None:
        scenario, clock = self.scenario, self.clock
        self.store = MirroredStore(clock, self.log, self._api, self._authors)
        self.scheduler = Onlooker(clock, self.store)
        self.kubelet = RealKubelet(clock, self.store, self.troubles, scenario.seed)
        self.nodes = RealNodes(clock, self.store, scenario, self.kubelet, self.troubles)
        self.flaps = RealFlaps(clock, self.store, self.nodes)

    def comes_back(self) -> None:
        """What a real cluster does after an outage it does by itself."""

    def deploy(self) -> None:
        """Have the scenario's workloads made, and its own doings begin at its start."""
        deploy(self)
        self.clock.at(self.scenario.start, lambda: unfold(self))


def build(scenario: Scenario, api: RealApi, authors: Authors) -> RealWorld:
    """Return the world of the scenario, some seconds before its start: its instances run, and will join as nodes."""
    settling = SETTLING + max(group.ready.high for group in scenario.groups)
    workloads = scenario.workloads.model_copy(update={"mirror_pods": (), "budgets": _budgets(scenario)})
    changed = {"start": time.time() + settling, "request_seconds": (0.0, 0.0), "workloads": workloads}
    world = RealWorld(scenario.model_copy(update=changed), api, authors)
    found_account(world)
    world.clock.run_until(time.time())
    return world


def _budgets(scenario: Scenario) -> tuple[object, ...]:
    return tuple(one.model_copy(update={"never_allows_until": None}) for one in scenario.workloads.budgets)


def left_out(scenario: Scenario) -> Iterator[str]:
    """Yield what of the scenario does not happen on a real cluster."""
    if scenario.workloads.mirror_pods:
        yield "mirror pods are not made"
    if any(one.never_allows_until is not None for one in scenario.workloads.budgets):
        yield "budgets allow what they allow: never_allows_until is not kept"
    if scenario.denied:
        yield "the cluster itself says who may do what: denied is not kept"
    if scenario.broken:
        yield "the cluster keeps its rules: what is broken there is not"
    if any(fault.late or fault.strip for fault in scenario.request_faults):
        yield "faults of the kinds late and strip do not strike"
