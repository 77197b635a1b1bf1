"""A name is not an identity: what only looks like a thing of ours, or like none, through the real command line."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from tests.e2e.conftest import Worlds
from tests.e2e.proving import is_proven
from tests.e2e.simulated import Simulated


def kube(simulated: Simulated, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Ask the simulated API server."""
    url = json.loads((simulated.directory / "endpoints.json").read_text())["kubernetes"]
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{url}{path}",
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": "Bearer simulator"},
        method=method,
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request) as answer:
        return json.load(answer)


def add_stale_nodes(simulated: Simulated) -> list[str]:
    """Give each old instance a Node object under its host's first name, listed before the living one's."""
    names = []
    for number, node in enumerate(kube(simulated, "GET", "/api/v1/nodes")["items"]):
        metadata = {"name": f"z-localhost{number}.localdomain", "labels": node["metadata"]["labels"]}
        spec = {"providerID": node["spec"]["providerID"]}
        status = {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]}
        stale = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec, "status": status}
        names.append(kube(simulated, "POST", "/api/v1/nodes", stale)["metadata"]["name"])
    return names


@pytest.mark.exhaustive
def test_all_node_objects_of_an_instance_count(world: Worlds) -> None:
    """Where a stale Node object has the providerID of a living one, no protected pod dies, and both are closed."""
    simulated = world("plain")
    stale = add_stale_nodes(simulated)
    result = simulated.start()
    assert result.code == 0, result
    is_proven(simulated)
    cordoned = {
        one["object"].rpartition("/")[2]
        for one in simulated.get("/log?actor=client:")
        if one["field"] == "spec.unschedulable" and one["after"]
    }
    assert cordoned.issuperset(stale)
