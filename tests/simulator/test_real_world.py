"""The instances of the account as nodes of a cluster that is not ours: here, an API server without controllers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eks_simulator.cloud.model import Instance
from eks_simulator.real.api import RealApi, connected
from eks_simulator.real.mirror import MIRRORED
from eks_simulator.real.server import NEEDED, RealSimulator
from eks_simulator.real.world import RealWorld, left_out
from eks_simulator.scenario import Scenario
from tests.simulator.clusters import Simulated, simulated
from tests.simulator.test_real import kubeconfig, until
from tests.simulator.worlds import condition, small

READY = {"boot": 1, "ready": 1, "in_service": 1, "gone": 5}


def scenario(**over: Any) -> Scenario:
    """One group of two nodes that come up in seconds."""
    group = {"name": "g", "template": "lt", "min": 1, "desired": 2, "max": 4, "slots": 2}
    return small(groups=[group | READY], **over)


@dataclass
class Joined:
    """A world whose instances are nodes of `server`; its time is the test's."""

    server: Simulated
    simulator: RealSimulator
    api: RealApi

    @property
    def world(self) -> RealWorld:
        """The world."""
        return self.simulator.world

    @property
    def first(self) -> Instance:
        """The first instance."""
        return self.world.original("g", 0)

    async def passes(self, seconds: float) -> None:
        """Let the world's time pass, second by second, and all that it writes be written and told."""
        for _ in range(int(seconds)):
            self.world.clock.run_until(self.world.clock.now + 1)
            await self.world.store.outbox.emptied()
            await self.world.store.level()

    def node(self, instance: Instance) -> dict[str, Any]:
        """The instance's Node in the cluster."""
        return self.server.store.get("nodes", None, instance.dns) or {}

    async def pod(self, name: str, node: str, **annotations: str) -> None:
        """Have a Job's pod bound to that node."""
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "j", "controller": True}
        meta = {"name": name, "namespace": "demo", "ownerReferences": [owner], "annotations": annotations}
        pod = {"metadata": meta, "spec": {"nodeName": node, "containers": []}}
        self.server.do(lambda: self.server.store.create("pods", pod))
        await self.world.store.level()

    def phase(self, name: str) -> str | None:
        """The pod's phase; None when it is gone."""
        found = self.server.store.get("pods", "demo", name)
        return str(found["status"]["phase"]) if found else None


@asynccontextmanager
async def joined(server: Simulated, directory: Path, chosen: Scenario) -> AsyncIterator[Joined]:
    async with connected(kubeconfig(server.url, directory), NEEDED) as api:
        simulator = RealSimulator(chosen, api)
        store = simulator.world.store
        tasks = [asyncio.ensure_future(one) for one in (*map(store.follow, MIRRORED), store.outbox.run())]
        await store.begun()
        one = Joined(server, simulator, api)
        await one.passes(3)
        yield one
        for task in tasks:
            task.cancel()


def on_a_cluster(directory: Path, test: Callable[[Joined], Coroutine[Any, Any, None]], **over: Any) -> None:
    async def run(server: Simulated) -> None:
        async with joined(server, directory, scenario(**over)) as one:
            await test(one)

    with simulated() as server:
        asyncio.run(run(server))


def test_instances_join_as_nodes(tmp_path: Path) -> None:
    """Each becomes a Ready node, whose taint is taken off where nobody else does, and has a lease."""

    async def test(one: Joined) -> None:
        nodes = [one.node(instance) for instance in one.world.cloud.groups["g"].living]
        assert [condition(node) for node in nodes] == ["True", "True"]
        assert all(node["spec"]["providerID"].startswith("aws:///") for node in nodes)
        assert not one.world.nodes.all_ready()
        await one.passes(20)
        assert one.world.nodes.all_ready()
        beats = asyncio.ensure_future(one.world.nodes.beat(one.api))
        await until(lambda: len(one.server.do(lambda: one.server.store.list("leases"))) == 2)
        beats.cancel()

    on_a_cluster(tmp_path, test)


def test_pods_run_on_our_nodes(tmp_path: Path) -> None:
    """One runs as long as its annotation says, and ends when it is deleted; those of others' nodes are left alone."""

    async def test(one: Joined) -> None:
        how = {"simulator/startup": "1s", "simulator/runtime": "20s", "simulator/stop": "3s"}
        for name, node in (("a", one.first.dns), ("b", one.first.dns), ("c", "another")):
            await one.pod(name, node, **how)
        await one.passes(3)
        assert [one.phase(name) for name in "abc"] == ["Running", "Running", "Pending"]
        one.server.do(lambda: one.server.store.delete("pods", "demo", "b"))
        await one.world.store.level()
        await one.passes(5)
        assert one.phase("b") is None
        await one.passes(15)
        assert [one.phase(name) for name in "ac"] == ["Succeeded", "Pending"]

    on_a_cluster(tmp_path, test)


def test_a_job_that_fails_first(tmp_path: Path) -> None:
    """How many of its pods have failed before says the Job itself."""

    async def test(one: Joined) -> None:
        how = {"simulator/startup": "1s", "simulator/runtime": "5s", "simulator/failures": "1"}
        await one.pod("first", one.first.dns, **how)
        await one.passes(10)
        failed = {"metadata": {"name": "j", "namespace": "demo"}, "spec": {"template": {}}, "status": {"failed": 1}}
        one.server.do(lambda: one.server.store.create("jobs", failed))
        await until(lambda: one.world.store.get("jobs", "demo", "j"))
        await one.pod("second", one.first.dns, **how)
        await one.passes(10)
        assert [one.phase("first"), one.phase("second")] == ["Failed", "Succeeded"]

    on_a_cluster(tmp_path, test)


def test_nodes_that_flap(tmp_path: Path) -> None:
    """One says that it is not Ready for as long as it is told to; pods that turned not Ready then are Ready again."""

    async def test(one: Joined) -> None:
        await one.pod("a", one.first.dns, **{"simulator/startup": "1s", "simulator/runtime": "1h"})
        await one.passes(2)
        one.simulator.do({"do": "not_ready", "group": "g", "which": 0, "lasts": 10})
        await one.passes(2)
        assert condition(one.node(one.first)) == "False"

        def unsay(pod: dict[str, Any]) -> None:
            next(each for each in pod["status"]["conditions"] if each["type"] == "Ready").update(status="False")

        one.server.do(lambda: one.server.store.mutate("pods", "demo", "a", unsay))
        await one.passes(10)
        assert condition(one.node(one.first)) == "True"
        one.world.kubelet.mend(one.first.dns)
        await one.passes(1)
        found = one.server.store.get("pods", "demo", "a") or {}
        assert condition(found) == "True"

    on_a_cluster(tmp_path, test)


def test_a_node_goes_when_its_instance_does(tmp_path: Path) -> None:
    """Once the cluster finds it not Ready; where nobody looks, after a while all the same. Its pods are left to it."""

    async def test(one: Joined) -> None:
        silent, unseen = one.first, one.world.original("g", 1)
        for instance in (silent, unseen):
            one.simulator.do({"do": "terminate_instance", "group": "g", "which": instance.ordinal - 1})
        await one.passes(6)
        assert one.node(silent)

        def unknown(node: dict[str, Any]) -> None:
            next(each for each in node["status"]["conditions"] if each["type"] == "Ready").update(status="Unknown")

        one.server.do(lambda: one.server.store.mutate("nodes", None, silent.dns, unknown))
        await one.world.store.level()
        await one.passes(6)
        assert (bool(one.node(silent)), bool(one.node(unseen))) == (False, True)
        await one.passes(90)
        assert not one.node(unseen)

    on_a_cluster(tmp_path, test)


def test_what_was_made_is_removed(tmp_path: Path) -> None:
    """Workloads, the pods on our nodes and the nodes go; what others made stays."""

    async def test(one: Joined) -> None:
        store = one.server.store
        await one.pod("ours", one.first.dns)
        await one.pod("theirs", "another")
        one.server.do(lambda: store.create("deployments", {"metadata": {"name": "theirs"}, "spec": {}}))
        one.world.deploy()
        await one.passes(5)
        assert len(store.list("deployments")) == 2
        await one.simulator.remove_all()
        left = {
            kind: [each["metadata"]["name"] for each in store.list(kind)] for kind in ("nodes", "pods", "deployments")
        }
        assert left == {"nodes": [], "pods": ["theirs"], "deployments": ["theirs"]}

    on_a_cluster(tmp_path, test, workloads={"deployments": [{"name": "web"}]})


def test_what_cannot_happen_is_said() -> None:
    """Each thing that a scenario says and a cluster cannot be made to do has a sentence; nothing else has one."""
    budget = {"name": "b", "selector": {}, "max_unavailable": 1, "never_allows_until": 60}
    odd = scenario(
        workloads={"mirror_pods": [{"name": "m"}], "budgets": [budget]},
        denied=["patch nodes"],
        broken=["ignore-uid"],
        request_faults=[{"late": {"seconds": 5}}],
    )
    assert len(list(left_out(odd))) == 5
    assert list(left_out(scenario())) == []
