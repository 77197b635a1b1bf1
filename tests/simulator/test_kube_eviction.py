from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.simulator.clusters import MERGE, READY, Api, Reply, Simulated, simulated

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCKED = "Cannot evict pod as it would violate the pod's disruption budget."
TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}


@pytest.fixture(scope="module")
def server() -> Iterator[Simulated]:
    """A simulated API server for the module."""
    with simulated() as one:
        yield one


@pytest.fixture
def api(server: Simulated) -> Api:
    """A client with a namespace and a node of its own."""
    client = Api(server.url)
    client.begin()
    return client


def evict(api: Api, name: str, **options: Any) -> Reply:
    body = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": name}, "deleteOptions": options}
    return api("POST", f"{api.pods}/{name}/eviction", body)


def budget(api: Api, name: str = "b", **spec: Any) -> None:
    spec.setdefault("selector", {"matchLabels": {"app": "x"}})
    assert (
        api("POST", api.of("policy/v1", "poddisruptionbudgets"), {"metadata": {"name": name}, "spec": spec}).code == 201
    )


def allowed(api: Api, name: str = "b") -> int:
    return int(api("GET", f"{api.of('policy/v1', 'poddisruptionbudgets')}/{name}").body["status"]["disruptionsAllowed"])


def replicas(api: Api, wanted: int, running: int) -> None:
    """A ReplicaSet of a Deployment that wants so many pods, of which so many run."""
    selector = {"matchLabels": {"app": "x"}}
    spec = {"replicas": wanted, "selector": selector, "template": TEMPLATE}
    deployment = api("POST", api.of("apps/v1", "deployments"), {"metadata": {"name": "d"}, "spec": spec}).body
    meta = {"name": "r", "ownerReferences": [owned_by("Deployment", deployment)]}
    replica_set = api("POST", api.of("apps/v1", "replicasets"), {"metadata": meta, "spec": spec | {"replicas": 1}}).body
    for number in range(running):
        pod(api, f"p{number}", ownerReferences=[owned_by("ReplicaSet", replica_set)])


def owned_by(kind: str, owner: dict[str, Any]) -> dict[str, Any]:
    meta = owner["metadata"]
    return {"apiVersion": "apps/v1", "kind": kind, "name": meta["name"], "uid": meta["uid"], "controller": True}


def pod(api: Api, name: str, phase: str = "Running", **meta: Any) -> str:
    return str(api.pod(name, phase=phase, **({"labels": {"app": "x"}} | meta))["metadata"]["uid"])


def test_eviction_ends_a_pod(api: Api) -> None:
    """An eviction is 201; the pod ends with its grace, and says by whom."""
    pod(api, "p")
    reply = evict(api, "p")
    assert (reply.code, reply.body["status"]) == (201, "Success")
    found = api("GET", f"{api.pods}/p").body
    assert found["metadata"]["deletionGracePeriodSeconds"] == 30
    conditions = {one["type"]: one.get("reason") for one in found["status"]["conditions"]}
    assert conditions["DisruptionTarget"] == "EvictionByEvictionAPI"


def test_eviction_of_a_terminating_pod(api: Api) -> None:
    """A pod that is ending already is evicted again: 201, and nothing changes."""
    pod(api, "p")
    evict(api, "p")
    version = api("GET", f"{api.pods}/p").body["metadata"]["resourceVersion"]
    assert evict(api, "p").code == 201
    assert api("GET", f"{api.pods}/p").body["metadata"]["resourceVersion"] == version


def test_eviction_of_nothing(api: Api) -> None:
    """An eviction of a pod that is not there is 404, under a wrong name 400."""
    assert evict(api, "p").refusal == (404, "NotFound", 'pods "p" not found')
    body = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": "other"}}
    assert api("POST", f"{api.pods}/p/eviction", body).code == 400


def test_uid_precondition(api: Api) -> None:
    """An eviction for another UID is 409 and leaves the pod as it was; for its own it is 201."""
    uid = pod(api, "p")
    before = api("GET", f"{api.pods}/p").body
    reply = evict(api, "p", preconditions={"uid": "other"})
    assert reply.refusal[:2] == (409, "Conflict")
    assert "the UID in the precondition (other) does not match the UID in record" in reply.body["message"]
    assert api("GET", f"{api.pods}/p").body == before
    assert evict(api, "p", preconditions={"uid": uid}).code == 201


def test_version_precondition(api: Api) -> None:
    """An eviction for an old resourceVersion is 409, for the present one 201."""
    pod(api, "p")
    version = api("GET", f"{api.pods}/p").body["metadata"]["resourceVersion"]
    assert evict(api, "p", preconditions={"resourceVersion": "1"}).refusal[:2] == (409, "Conflict")
    assert evict(api, "p", preconditions={"resourceVersion": version}).code == 201


def test_blocked_by_a_budget(api: Api) -> None:
    """What a budget forbids is 429 without a Retry-After, with the budget's name as the cause; a DELETE passes."""
    pod(api, "p")
    budget(api, minAvailable=1)
    reply = evict(api, "p")
    assert reply.refusal == (429, "TooManyRequests", BLOCKED)
    assert "Retry-After" not in reply.headers
    cause = {
        "reason": "DisruptionBudget",
        "message": "The disruption budget b needs 1 healthy pods and has 1 currently",
    }
    assert reply.body["details"] == {"causes": [cause]}
    assert "deletionTimestamp" not in api("GET", f"{api.pods}/p").body["metadata"]
    assert api("DELETE", f"{api.pods}/p").code == 200


def test_budgets_are_asked_first(api: Api) -> None:
    """A budget is asked before the UID is looked at: for another pod by that name the answer is 429, not 409."""
    pod(api, "p")
    budget(api, minAvailable=1)
    assert evict(api, "p", preconditions={"uid": "other"}).code == 429


def test_two_budgets(api: Api) -> None:
    """A pod under two budgets cannot be evicted at all: 500."""
    pod(api, "p")
    budget(api, "one", minAvailable=0)
    budget(api, "two", minAvailable=0)
    reply = evict(api, "p")
    assert reply.code == 500
    assert "more than one PodDisruptionBudget" in reply.body["message"]


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
def test_pods_that_pass_any_budget(api: Api, phase: str) -> None:
    """Pods that do not run, yet or any more, pass any budget, and two."""
    pod(api, "p", phase)
    budget(api, "one", minAvailable=1)
    budget(api, "two", minAvailable=1)
    assert evict(api, "p").code == 201


def test_one_leaves_at_a_time(api: Api) -> None:
    """With one disruption allowed the second eviction waits until the first pod has been replaced."""
    replicas(api, 2, 2)
    budget(api, maxUnavailable=1)
    assert [evict(api, name).code for name in ("p0", "p1")] == [201, 429]
    api("DELETE", f"{api.pods}/p0", {"gracePeriodSeconds": 0})
    assert evict(api, "p1").code == 429
    owner = api("GET", f"{api.pods}/p1").body["metadata"]["ownerReferences"]
    pod(api, "p2", ownerReferences=owner)
    assert evict(api, "p1").code == 201


@pytest.mark.parametrize(
    ("spec", "wanted", "running", "disruptions"),
    [
        ({"minAvailable": 1}, 3, 3, 2),
        ({"minAvailable": 3}, 3, 3, 0),
        ({"minAvailable": "50%"}, 3, 3, 1),  # 1.5 pods are 2
        ({"minAvailable": "50%"}, 4, 3, 1),  # of what is wanted, not of what runs
        ({"minAvailable": "100%"}, 3, 3, 0),
        ({"maxUnavailable": 1}, 3, 3, 1),
        ({"maxUnavailable": 1}, 3, 2, 0),
        ({"maxUnavailable": "34%"}, 3, 3, 2),
        ({"maxUnavailable": 0}, 3, 3, 0),
        ({"maxUnavailable": 9}, 3, 3, 3),
        ({"minAvailable": 1, "selector": {}}, 3, 3, 2),
        ({"minAvailable": 1, "selector": {"matchLabels": {"app": "other"}}}, 3, 3, 0),
        ({"minAvailable": 1, "selector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}, 3, 3, 2),
    ],
)
def test_allowance(api: Api, spec: dict[str, Any], wanted: int, running: int, disruptions: int) -> None:
    """A budget allows what is healthy beyond what must be; percentages are of the wanted replicas, rounded up."""
    replicas(api, wanted, running)
    budget(api, **spec)
    assert allowed(api) == disruptions


def test_pods_without_a_scale_allow_nothing(api: Api) -> None:
    """A percentage of pods whose controller has no scale is an error to a budget: it allows nothing."""
    spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}
    job = api("POST", api.of("batch/v1", "jobs"), {"metadata": {"name": "j"}, "spec": spec}).body
    pod(api, "p", ownerReferences=[owned_by("Job", job)])
    budget(api, maxUnavailable=1)
    assert evict(api, "p").code == 429


def test_unready_pods_leave_while_the_budget_is_met(api: Api) -> None:
    """A pod that is not Ready is no loss as long as enough others are; otherwise only AlwaysAllow lets it go."""
    for name in ("p", "q"):
        pod(api, name)
    conditions = [READY[0] | {"status": "False"}]
    api("PATCH", f"{api.pods}/q/status", {"status": {"conditions": conditions}}, MERGE)
    budget(api, minAvailable=1)
    assert evict(api, "q").code == 201
    api("PATCH", f"{api.pods}/p/status", {"status": {"conditions": conditions}}, MERGE)
    assert evict(api, "p").code == 429
    path = f"{api.of('policy/v1', 'poddisruptionbudgets')}/b"
    api("PATCH", path, {"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}}, MERGE)
    assert evict(api, "p").code == 201


def test_world_blocks_a_budget(api: Api, server: Simulated) -> None:
    """A budget that the world has blocked allows nothing, whatever its pods do, until it is let go."""
    replicas(api, 3, 3)
    budget(api, minAvailable=1)
    server.do(lambda: server.store.blocked_budgets.add((api.namespace, "b")))
    assert allowed(api) == 0
    assert evict(api, "p0").refusal == (429, "TooManyRequests", BLOCKED)
    server.do(lambda: server.store.blocked_budgets.discard((api.namespace, "b")))
    assert evict(api, "p0").code == 201


def test_budgets_end_at_their_namespace(api: Api) -> None:
    """A budget of another namespace, and one without a selector, protect nothing."""
    pod(api, "p")
    selector = {"matchLabels": {"app": "x"}}
    path = "/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets"
    api("POST", path, {"metadata": {"generateName": "b-"}, "spec": {"minAvailable": 1, "selector": selector}})
    budget(api, minAvailable=1, selector=None)
    assert evict(api, "p").code == 201
