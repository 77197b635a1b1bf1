"""What of the simulator works on a real API server, tried on the simulated one: that is as good as real to it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eks_simulator.clock import VirtualClock
from eks_simulator.faults import Faults
from eks_simulator.kube import app as kube
from eks_simulator.listener import listening
from eks_simulator.log import ChangeLog
from eks_simulator.real.api import KubeconfigError, RealApi, connected
from eks_simulator.real.authors import Authors
from eks_simulator.real.mirror import MIRRORED, MirroredStore
from eks_simulator.real.proxy import proxy_app
from eks_simulator.real.server import NEEDED
from eks_simulator.requests import Costs, Requests
from eks_simulator.sessions import RealTime
from tests.simulator.clusters import CONTAINERS, START, Api, Simulated, simulated

TOKEN = "handed-out"  # noqa: S105 - of a test
RUNNER = {"User_Agent": "eks-rollout-run/runner", "Authorization": f"Bearer {TOKEN}"}


@dataclass
class Mirrored:
    """A simulated API server, what is known of it through the mirror, and the door to it."""

    server: Simulated
    store: MirroredStore
    log: ChangeLog
    api: RealApi
    door: Api

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request through the door, as the runner unless said otherwise."""
        return await asyncio.to_thread(lambda: self.door(method, path, body, **(RUNNER | headers)))

    def authors(self, name: str, field: str) -> list[tuple[str, str]]:
        """Who changed that field of the object, and how, in order."""
        found = (one for one in self.log.changes if (one.object, one.field) == (name, field))
        return [(one.actor, one.verb) for one in found]


@asynccontextmanager
async def mirrored(server: Simulated, directory: Path) -> AsyncIterator[Mirrored]:
    clock, authors = VirtualClock(START), Authors()
    log = ChangeLog(clock)
    async with connected(kubeconfig(server.url, directory), NEEDED) as api:
        store = MirroredStore(clock, log, api, authors)
        requests = Requests(log, RealTime(clock), Faults(), Costs(1, 0, 0))
        befalls = requests.middleware(kube.describe, kube.render_error)
        tasks = [asyncio.ensure_future(one) for one in (*map(store.follow, MIRRORED), store.outbox.run())]
        async with listening(proxy_app(api, authors, TOKEN, befalls)) as url:
            await store.begun()
            door = Api(url)
            door.namespace, door.node = "demo", "n"
            yield Mirrored(server, store, log, api, door)
        for task in tasks:
            task.cancel()


def kubeconfig(url: str, directory: Path) -> Path:
    """A kubeconfig of that server."""
    file = directory / "kubeconfig"
    cluster, user = {"name": "c", "cluster": {"server": url}}, {"name": "u", "user": {"token": "t"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    file.write_text(json.dumps({"clusters": [cluster], "users": [user], "contexts": [context], "current-context": "x"}))
    return file


async def until(holds: Callable[[], object]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - anything may come to hold
            await asyncio.sleep(0.01)


def on_a_mirror(directory: Path, test: Callable[[Mirrored], Coroutine[Any, Any, None]]) -> None:
    async def run(server: Simulated) -> None:
        async with mirrored(server, directory) as world:
            await test(world)

    with simulated() as server:
        asyncio.run(run(server))


def pod(name: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "demo"},
        "spec": {"nodeName": "n", "containers": CONTAINERS},
        "status": {"phase": "Running"},
    }


def test_an_eviction_is_whose_request_it_was(tmp_path: Path) -> None:
    """What the runner evicts ends by the runner; the pod's later end, and what others end, is the cluster's doing."""

    async def test(world: Mirrored) -> None:
        for name in ("a", "b"):
            world.server.do(lambda name=name: world.server.store.create("pods", pod(name)))  # type: ignore[misc]
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}}
        assert (await world.ask("POST", f"{world.door.pods}/a/eviction", body)).code == 201
        world.server.do(lambda: world.server.store.delete("pods", "demo", "b"))
        for name in ("a", "b"):
            world.server.do(lambda name=name: world.server.store.remove("pods", "demo", name))  # type: ignore[misc]
        await until(lambda: len(world.authors("pod/demo/b", "exists")) > 1)
        assert world.authors("pod/demo/a", "metadata.deletionTimestamp") == [("client:runner", "POST pods/eviction")]
        assert world.authors("pod/demo/b", "metadata.deletionTimestamp") == [("world", "")]
        assert world.authors("pod/demo/a", "exists") == [("world", "")] * 2

    on_a_mirror(tmp_path, test)


def test_a_change_is_no_older_than_its_request(tmp_path: Path) -> None:
    """However long the machine was busy with something else: a change that was logged too early was sent by nobody."""

    async def test(world: Mirrored) -> None:
        before = time.time()
        made = {"metadata": {"name": "m", "namespace": "kube-system"}}
        await world.ask("POST", "/api/v1/namespaces/kube-system/configmaps", made)
        await until(lambda: world.authors("configmap/kube-system/m", "exists"))
        assert world.log.changes[-1].at >= before

    on_a_mirror(tmp_path, test)


def test_a_write_is_whose_request_it_was(tmp_path: Path) -> None:
    """Writes side by side to one object are told apart by the version that each made."""

    async def test(world: Mirrored) -> None:
        made = {"metadata": {"name": "m", "namespace": "kube-system"}}
        path = "/api/v1/namespaces/kube-system/configmaps"
        await world.ask("POST", path, made)
        for actor in ("one", "two"):
            body = {"data": {"by": actor}}
            agent = f"eks-rollout-run/{actor}"
            await world.ask("PATCH", f"{path}/m", body, Content_Type="application/merge-patch+json", User_Agent=agent)
        await world.ask("DELETE", f"{path}/m", User_Agent="kubectl")
        await until(lambda: len(world.authors("configmap/kube-system/m", "exists")) > 1)
        assert [one for one, _ in world.authors("configmap/kube-system/m", "data.by")] == ["client:one", "client:two"]
        assert [one for one, _ in world.authors("configmap/kube-system/m", "exists")] == [
            "client:runner",
            "client:other",
        ]

    on_a_mirror(tmp_path, test)


def test_what_is_written_to_the_mirror_becomes_requests(tmp_path: Path) -> None:
    """In their order: an object is made in its namespace, changed as it is by then, and deleted."""

    async def test(world: Mirrored) -> None:
        def taint(node: dict[str, Any]) -> None:
            node["spec"].setdefault("taints", []).append({"key": "mine", "effect": "NoSchedule"})

        store, real = world.store, world.server.store
        store.create("nodes", {"metadata": {"name": "n"}})
        store.create("pods", pod("p"))
        await until(lambda: store.get("nodes", None, "n") and store.get("pods", "demo", "p"))
        assert real.get("namespaces", None, "demo")
        store.mutate("nodes", None, "n", taint)
        store.mutate("pods", "demo", "p", lambda one: one["status"].update(phase="Succeeded"))
        await store.outbox.emptied()
        await store.level()
        node = store.get("nodes", None, "n") or {}
        assert [one["key"] for one in node["spec"]["taints"]] == ["node.kubernetes.io/not-ready", "mine"]
        store.delete("pods", "demo", "p", grace=0)
        await store.outbox.emptied()
        assert real.get("pods", "demo", "p") is None
        assert not store.outbox.refused

    on_a_mirror(tmp_path, test)


def test_the_mirror_is_level(tmp_path: Path) -> None:
    """After `level` all that was so before it has been told."""

    async def test(world: Mirrored) -> None:
        for number in range(20):
            world.server.do(lambda: world.server.store.create("pods", pod(f"p{number}")))  # noqa: B023 - done at once
            await world.store.level()
            assert world.store.get("pods", "demo", f"p{number}")
            world.server.do(lambda: world.server.store.remove("pods", "demo", f"p{number}"))  # noqa: B023
            await world.store.level()
            assert world.store.get("pods", "demo", f"p{number}") is None
        assert not world.store.unseen

    on_a_mirror(tmp_path, test)


def test_the_door_does_not_lend_the_administrator(tmp_path: Path) -> None:
    """Who brings the token that was handed out is the kubeconfig's user; others are who they say, or nobody."""
    seen: list[str | None] = []

    def accepts(authorization: str | None) -> bool:
        seen.append(authorization)
        return True

    async def run(server: Simulated) -> None:
        async with mirrored(server, tmp_path) as world:
            seen.clear()
            for said in (f"Bearer {TOKEN}", "Bearer mine", ""):
                await world.ask("GET", "/api/v1/nodes/n", Authorization=said)

    with simulated(accepts) as server:
        asyncio.run(run(server))
    assert [one or None for one in seen][:3] == ["Bearer t", "Bearer mine", None]


@pytest.mark.parametrize(
    ("group", "said"), [("policy/v1", ""), ("policy/v9", r"has no policy/v9, for a test"), ("", "does not answer")]
)
def test_a_cluster_that_will_not_do(group: str, said: str, tmp_path: Path) -> None:
    """One that lacks what is needed, or does not answer, is refused before anything is made."""

    async def run(url: str) -> None:
        async with connected(kubeconfig(url, tmp_path), {group or "policy/v1": "for a test"}):
            pass

    with simulated() as server:
        url = server.url if group else "http://127.0.0.1:9"
        if not said:
            asyncio.run(run(url))
            return
        with pytest.raises(KubeconfigError, match=said):
            asyncio.run(run(url))
