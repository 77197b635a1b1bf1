"""The official Python client on the simulated cluster: raw calls, as the tool makes them, and typed ones.

Typed calls check every answer against the API's schema: what the simulator leaves out or misspells fails here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import kubernetes
import pytest

from tests.simulator.clusters import CONTAINERS, Api, Simulated, simulated

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[Simulated]:
    """A simulated API server for the module."""
    with simulated() as one:
        yield one


@pytest.fixture(scope="module")
def api(server: Simulated) -> Api:
    """A namespace and a node."""
    client = Api(server.url)
    client.begin()
    return client


@pytest.fixture(scope="module")
def client(server: Simulated) -> Iterator[Any]:
    """The official client."""
    configuration = kubernetes.client.Configuration(host=server.url)
    configuration.retries = False
    with kubernetes.client.ApiClient(configuration) as one:
        one.user_agent = "eks-rollout-run/me"
        yield one


def raw(client: Any, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
    """One call past the client's types; status and JSON."""
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if method == "PATCH":
        headers["Content-Type"] = "application/merge-patch+json"
    request = client.param_serialize(method, path, query_params=list(query.items()), header_params=headers, body=body)
    answer = client.call_api(*request)
    return answer.status, json.loads(answer.read())


def test_raw_calls(client: Any, api: Api) -> None:
    """Raw calls read, patch with a version, evict, and see a conflict as such."""
    api.pod("raw", phase="Running")
    code, node = raw(client, "GET", f"/api/v1/nodes/{api.node}")
    assert (code, node["metadata"]["name"]) == (200, api.node)
    patch = {"metadata": {"resourceVersion": node["metadata"]["resourceVersion"]}, "spec": {"unschedulable": True}}
    assert raw(client, "PATCH", f"/api/v1/nodes/{api.node}", patch)[0] == 200
    assert raw(client, "PATCH", f"/api/v1/nodes/{api.node}", patch)[0] == 409
    eviction = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": "raw"}}
    assert raw(client, "POST", f"{api.pods}/raw/eviction", eviction)[0] == 201
    assert [
        one["metadata"]["name"]
        for one in raw(client, "GET", api.pods, fieldSelector=f"spec.nodeName={api.node}")[1]["items"]
    ]


def test_watches_know_their_client(client: Any, api: Api, server: Simulated) -> None:
    """A watch belongs to the client that its User-Agent names."""
    version = str(server.store.resource_version)
    query = [("watch", "1"), ("resourceVersion", version)]
    answer = client.call_api(*client.param_serialize("GET", api.configmaps, query_params=query))
    server.events.clear()
    api("POST", api.configmaps, {"metadata": {"name": "seen"}})
    assert json.loads(next(iter(answer.response.stream())))["object"]["metadata"]["name"] == "seen"
    assert set(server.events) == {"me"}
    answer.response.close()


def test_typed_answers(client: Any, api: Api) -> None:
    """Every kind that the tool touches is read back through the client's own types."""
    core: Any
    apps: Any
    core, apps = kubernetes.client.CoreV1Api(client), kubernetes.client.AppsV1Api(client)
    api.pod("typed", phase="Running")
    assert api.node in [one.metadata.name for one in core.list_node().items]
    assert core.read_namespaced_pod("typed", api.namespace).status.phase == "Running"
    selector = {"matchLabels": {"app": "x"}}
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": CONTAINERS}}
    api(
        "POST",
        api.of("apps/v1", "deployments"),
        {"metadata": {"name": "d"}, "spec": {"selector": selector, "template": template}},
    )
    scaled = apps.patch_namespaced_deployment_scale("d", api.namespace, {"spec": {"replicas": 0}})
    assert scaled.spec.replicas is None
    assert apps.read_namespaced_deployment("d", api.namespace).spec.replicas == 0
    job = {
        "metadata": {"name": "j"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": CONTAINERS}}},
    }
    api("POST", api.of("batch/v1", "jobs"), job)
    batch: Any = kubernetes.client.BatchV1Api(client)
    assert batch.read_namespaced_job("j", api.namespace).spec.backoff_limit == 6
