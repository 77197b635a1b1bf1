"""Facts of evictions and budgets, put to the simulated server and, where a kubeconfig is given, to a real one.

On a real one controllers work out budgets and make pods, a moment later. What an old server does not do yet is skipped,
with the version from which on it does.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.clusters import MERGE, READY, Api, Reply, eventually, simulated
from tests.simulator.conftest import Asked

BLOCKED = "Cannot evict pod as it would violate the pod's disruption budget."
SPEC = {"containers": [{"name": "c", "image": "i"}]}
TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": SPEC}


@pytest.fixture
def api(fresh: Api) -> Api:
    """A client of each server in turn."""
    return fresh


@pytest.fixture
def controllers(asked: Asked) -> bool:
    """Whether somebody there makes the pods of what is created."""
    return asked.simulated is None


def since(api: Api, minor: int) -> None:
    """Skip a fact that the server is too old for."""
    found = int(str(api("GET", "/version").body["minor"]).rstrip("+"))
    if found < minor:
        pytest.skip(f"true from Kubernetes 1.{minor} on; this server is 1.{found}")


def evict(api: Api, name: str, **options: Any) -> Reply:
    body = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": name}, "deleteOptions": options}
    return api("POST", f"{api.pods}/{name}/eviction", body)


def budget(api: Api, name: str = "b", *, healthy: int | None = None, **spec: Any) -> None:
    """Make a budget, and wait until it knows so many healthy pods (None: all that are Ready)."""
    spec.setdefault("selector", {"matchLabels": {"app": "x"}})
    made = api("POST", api.of("policy/v1", "poddisruptionbudgets"), {"metadata": {"name": name}, "spec": spec})
    assert made.code == 201, made.body
    knows(api, name, healthy)


def knows(api: Api, name: str = "b", healthy: int | None = None) -> None:
    """Wait until the budget knows so many healthy pods (None: all that are Ready)."""
    ready = sum(map(is_ready, api("GET", api.pods).body["items"])) if healthy is None else healthy

    def holds() -> bool:
        found = status(api, name)
        return "observedGeneration" in found and found["currentHealthy"] == ready

    assert eventually(holds), status(api, name)


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", ())
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def status(api: Api, name: str = "b") -> dict[str, Any]:
    return dict(api("GET", f"{api.of('policy/v1', 'poddisruptionbudgets')}/{name}").body["status"])


def replicas(api: Api, wanted: int, running: int, *, controllers: bool) -> list[str]:
    """The pods of a Deployment that wants so many, of which so many run: those first."""
    selector = {"matchLabels": {"app": "x"}}
    spec = {"replicas": wanted, "selector": selector, "template": TEMPLATE}
    if controllers:
        spec["template"] = TEMPLATE | {"spec": SPEC | {"nodeSelector": {"no": "where"}}}
    deployment = api("POST", api.of("apps/v1", "deployments"), {"metadata": {"name": "d"}, "spec": spec}).body
    if controllers:
        assert eventually(lambda: len(api.names(api.pods)) == wanted)
        names = api.names(api.pods)
        for name in names[:running]:
            run(api, name)
        return names
    meta = {"name": "r", "ownerReferences": [owned_by("Deployment", deployment)]}
    replica_set = api("POST", api.of("apps/v1", "replicasets"), {"metadata": meta, "spec": spec | {"replicas": 1}}).body
    for number in range(running):
        pod(api, f"p{number}", ownerReferences=[owned_by("ReplicaSet", replica_set)])
    return [f"p{number}" for number in range(running)]


def run(api: Api, name: str) -> None:
    """Have a pod run and be Ready, as its kubelet would."""
    body = {"status": {"phase": "Running", "conditions": READY}}
    assert api("PATCH", f"{api.pods}/{name}/status", body, MERGE).code == 200


def owned_by(kind: str, owner: dict[str, Any]) -> dict[str, Any]:
    meta = owner["metadata"]
    return {"apiVersion": "apps/v1", "kind": kind, "name": meta["name"], "uid": meta["uid"], "controller": True}


def pod(api: Api, name: str, phase: str = "Running", **meta: Any) -> str:
    return str(api.pod(name, phase=phase, **({"labels": {"app": "x"}} | meta))["metadata"]["uid"])


def test_eviction_ends_a_pod(api: Api) -> None:
    """An eviction is 201; the pod ends with its grace."""
    pod(api, "p")
    reply = evict(api, "p")
    assert (reply.code, reply.body["status"]) == (201, "Success")
    found = api("GET", f"{api.pods}/p").body
    assert found["metadata"]["deletionGracePeriodSeconds"] == 30


def test_eviction_says_by_whom(api: Api) -> None:
    """The pod that is evicted has a condition that says so."""
    since(api, 26)
    pod(api, "p")
    evict(api, "p")
    found = api("GET", f"{api.pods}/p").body
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


def test_one_leaves_at_a_time(api: Api, controllers: bool) -> None:  # noqa: FBT001 - a fixture
    """With one disruption allowed the second eviction waits until the first pod has been replaced."""
    first, second = replicas(api, 2, 2, controllers=controllers)
    budget(api, maxUnavailable=1)
    assert [evict(api, name).code for name in (first, second)] == [201, 429]
    api("DELETE", f"{api.pods}/{first}", {"gracePeriodSeconds": 0})
    assert evict(api, second).code == 429
    if controllers:
        assert eventually(lambda: set(api.names(api.pods)) - {first, second})
        (third,) = set(api.names(api.pods)) - {first, second}
        run(api, third)
    else:
        owner = api("GET", f"{api.pods}/{second}").body["metadata"]["ownerReferences"]
        pod(api, "p2", ownerReferences=owner)
    knows(api, healthy=2)
    assert eventually(lambda: status(api)["disruptionsAllowed"] == 1)
    assert evict(api, second).code == 201


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
def test_allowance(
    api: Api,
    spec: dict[str, Any],
    wanted: int,
    running: int,
    disruptions: int,
    controllers: bool,  # noqa: FBT001 - a fixture
) -> None:
    """A budget allows what is healthy beyond what must be; percentages are of the wanted replicas, rounded up."""
    replicas(api, wanted, running, controllers=controllers)
    others = spec.get("selector", {}).get("matchLabels") == {"app": "other"}
    budget(api, healthy=0 if others else running, **spec)
    assert eventually(lambda: status(api)["disruptionsAllowed"] == disruptions), status(api)


def of_a_job(api: Api, *, controllers: bool) -> str:
    """A running pod of a Job, which has no scale, under a budget of its own: the pod's name."""
    spec = {"template": TEMPLATE | {"spec": SPEC | {"restartPolicy": "Never", "nodeSelector": {"no": "where"}}}}
    job = api("POST", api.of("batch/v1", "jobs"), {"metadata": {"name": "j"}, "spec": spec}).body
    name = "p"
    if controllers:
        assert eventually(lambda: api.names(api.pods))
        (name,) = api.names(api.pods)
        run(api, name)
    else:
        pod(api, name, ownerReferences=[owned_by("Job", job)])
    rule = {"selector": {"matchLabels": {"app": "x"}}, "maxUnavailable": 1}
    path = api.of("policy/v1", "poddisruptionbudgets")
    api("POST", path, {"metadata": {"name": "b"}, "spec": rule})
    assert eventually(lambda: api("GET", f"{path}/b").body.get("status"))
    return name


def test_pods_without_a_scale_allow_nothing(api: Api, controllers: bool) -> None:  # noqa: FBT001 - a fixture
    """Pods whose controller has no scale are an error to a budget: it is never worked out, and allows nothing."""
    name = of_a_job(api, controllers=controllers)
    assert "observedGeneration" not in status(api)
    reply = evict(api, name)
    assert reply.refusal == (429, "TooManyRequests", BLOCKED)
    cause = {
        "reason": "DisruptionBudget",
        "message": "The disruption budget b is still being processed by the server.",
    }
    assert reply.body["details"]["causes"] == [cause]


def test_a_budget_that_is_not_worked_out_asks_to_wait(api: Api, controllers: bool) -> None:  # noqa: FBT001 - a fixture
    """Its no has a Retry-After, unlike that of a budget that is."""
    since(api, 22)
    assert evict(api, of_a_job(api, controllers=controllers)).headers["Retry-After"] == "10"


def test_unready_pods_leave_while_the_budget_is_met(api: Api) -> None:
    """A pod that is not Ready is no loss as long as enough others are."""
    for name in ("p", "q"):
        pod(api, name)
    unready(api, "q")
    budget(api, minAvailable=1)
    assert evict(api, "q").code == 201
    unready(api, "p")
    knows(api, healthy=0)
    assert evict(api, "p").code == 429


def unready(api: Api, name: str) -> None:
    conditions = [READY[0] | {"status": "False"}]
    api("PATCH", f"{api.pods}/{name}/status", {"status": {"conditions": conditions}}, MERGE)


def test_a_budget_may_let_unready_pods_go(api: Api) -> None:
    """Where it is not met, only AlwaysAllow lets a pod go that is not Ready."""
    since(api, 27)
    pod(api, "p")
    unready(api, "p")
    budget(api, healthy=0, minAvailable=1)
    assert evict(api, "p").code == 429
    path = f"{api.of('policy/v1', 'poddisruptionbudgets')}/b"
    api("PATCH", path, {"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}}, MERGE)
    assert eventually(lambda: evict(api, "p").code == 201)


def test_world_blocks_a_budget() -> None:
    """A budget that the world has blocked allows nothing, in any state of its pods, until it is let go."""
    with simulated() as server:
        api = Api(server.url)
        api.begin()
        replicas(api, 3, 3, controllers=False)
        budget(api, minAvailable=1)
        server.do(lambda: server.store.blocked_budgets.add((api.namespace, "b")))
        assert status(api)["disruptionsAllowed"] == 0
        assert evict(api, "p0").refusal == (429, "TooManyRequests", BLOCKED)
        server.do(lambda: server.store.blocked_budgets.discard((api.namespace, "b")))
        assert evict(api, "p0").code == 201


def test_budgets_end_at_their_namespace(api: Api) -> None:
    """A budget of another namespace, and one without a selector, protect nothing."""
    pod(api, "p")
    selector = {"matchLabels": {"app": "x"}}
    path = "/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets"
    api("POST", path, {"metadata": {"generateName": "b-"}, "spec": {"minAvailable": 1, "selector": selector}})
    budget(api, healthy=0, minAvailable=1, selector=None)
    assert evict(api, "p").code == 201
