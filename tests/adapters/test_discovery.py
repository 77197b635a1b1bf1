"""What there is in the cluster: kinds as the API server serves them, namespaces, and Deployments by their looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from rollout.adapters import Edge, kube_records
from rollout.adapters.discovery import kinds
from rollout.adapters.kube_api import KubeApi
from rollout.errors import Denied, Retry
from rollout.model.plan import Autoscaler
from rollout.model.preflight_observation import Kinds, Right
from tests.adapters.living import Living


def resources(*names: str) -> dict[str, Any]:
    return {"resources": [{"name": f"{name.lower()}s", "kind": name} for name in names]}


def group(name: str, *versions: str) -> dict[str, Any]:
    return {"name": name, "versions": [{"groupVersion": f"{name}/{version}"} for version in versions]}


SERVED: Mapping[str, Any] = {
    "/api/v1": {"resources": [{"name": "pods", "kind": "Pod"}, {"name": "pods/eviction", "kind": "Eviction"}]},
    "/apis": {"groups": [group("example.com", "v2", "v1"), group("apps", "v1"), group("batch", "v1")]},
    "/apis/apps/v1": resources("Deployment"),
    "/apis/batch/v1": resources("Job"),
    "/apis/example.com/v1": resources("Old"),
    "/apis/example.com/v2": resources("Task"),
}
EVERY = frozenset({"Pod", "Job.batch", "Deployment.apps", "Old.example.com", "Task.example.com"})


class Server:
    """Serves documents; `wrong`: by path, what it raises before it does, each once."""

    def __init__(self, wrong: Mapping[str, Sequence[Exception]], served: Mapping[str, Any] = SERVED) -> None:
        self.wrong = {path: list(errors) for path, errors in wrong.items()}
        self.served = served
        self.asked: list[str] = []
        self.pauses = 0

    def document(self, path: str) -> Any:
        self.asked.append(path)
        if self.wrong.get(path):
            raise self.wrong[path].pop(0)
        return self.served[path]

    def pause(self) -> None:
        self.pauses += 1

    def kinds(self, *wanted: str) -> Kinds:
        return kinds(cast("KubeApi", self), wanted, self.pause)


def test_the_simulated_server_says_what_it_serves(edge: Edge) -> None:
    """Kubernetes' own kinds with their groups, subresources left out; a kind that is not there was looked for."""
    assert edge.probe.kinds(["Job"]).missing(["Job", "Job.batch", "Pod"]) == ()
    found = edge.probe.kinds(["Jbo"])
    assert {"Pod", "Node", "Job.batch", "Deployment.apps", "PodDisruptionBudget.policy"} <= found.served
    assert {"RayCluster.ray.io", "Job.batch.volcano.sh"} <= found.served
    assert (found.missing(["Jbo", "Eviction"]), found.unread) == (("Jbo", "Eviction"), "")


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        (("Pod", "Job"), ["/api/v1", "/apis", "/apis/apps/v1", "/apis/batch/v1"]),
        (("Task.example.com",), ["/api/v1", "/apis", "/apis/example.com/v2"]),
        (("Old",), list(SERVED)),
    ],
)
def test_no_more_is_read_than_what_is_wanted_takes(wanted: tuple[str, ...], asked: list[str]) -> None:
    """Groups that are named first, then Kubernetes' own, then others, in every version; each once."""
    server = Server({})
    assert server.kinds(*wanted).missing(wanted) == ()
    assert sorted(server.asked) == sorted(asked)


def test_what_fails_is_asked_again() -> None:
    """An API whose server has just begun is there in a moment; what was read is not read once more."""
    server = Server({"/apis": [Retry("away")], "/apis/example.com/v1": [Retry("503"), Retry("503")]})
    assert server.kinds("Old") == Kinds(EVERY)
    assert (server.pauses, server.asked.count("/api/v1"), server.asked.count("/apis/batch/v1")) == (3, 1, 1)


def test_what_stays_away_is_told_only_where_something_is_missing() -> None:
    """A broken API of others keeps nobody waiting who does not need it."""
    broken = {"/apis/example.com/v1": [Retry("503")] * 9}
    assert Server(broken).kinds("Old").unread == "503"
    fine = Server(broken)
    assert (fine.kinds("Job", "Task").unread, fine.pauses) == ("", 0)


def test_what_we_may_not_ask_is_told_at_once() -> None:
    """No right: nothing is concluded, and nobody waits."""
    server = Server({"/apis": [Denied("HTTP 403")]})
    assert (server.kinds("Job"), server.pauses) == (Kinds(frozenset({"Pod"}), "HTTP 403"), 0)


@pytest.mark.parametrize("odd", [{}, {"groups": "none"}, {"groups": [{"name": "x"}]}, {"groups": [{"versions": []}]}])
def test_an_answer_that_makes_no_sense_is_none(odd: dict[str, Any]) -> None:
    """It is looked at again, and told in the end."""
    server = Server({}, {**SERVED, "/apis": odd})
    assert "makes no sense" in server.kinds("Job").unread


def test_namespaces_that_do_not_exist_are_named(edge: Edge) -> None:
    """Those of the question, in its order."""
    assert edge.probe.absent(["nowhere", "kube-system", "gone"]) == ("nowhere", "gone")
    assert edge.probe.absent([]) == ()


def test_an_autoscaler_is_found_by_its_looks(edge: Edge, world: Living) -> None:
    """Among all Deployments of the cluster."""
    settings = world.simulator.scenario.autoscaler
    assert settings is not None
    assert edge.probe.autoscalers() == (Autoscaler(settings.namespace, settings.name),)


def deployment(image: str = "nginx:1", labels: Any = None, of_pods: Any = None) -> dict[str, Any]:
    template = {"metadata": {"labels": of_pods}, "spec": {"containers": [{"name": "main", "image": image}]}}
    return {"metadata": {"namespace": "ns", "name": "x", "labels": labels}, "spec": {"template": template}}


@pytest.mark.parametrize(
    ("raw", "is_one"),
    [
        (deployment("registry.k8s.io/autoscaling/cluster-autoscaler:v1.33.0"), True),
        (deployment("mirror.example/k8s/cluster-autoscaler-arm64@sha256:0"), True),
        (deployment(labels={"k8s-app": "cluster-autoscaler"}), True),
        (deployment(labels={"app.kubernetes.io/name": "aws-cluster-autoscaler"}), True),
        (deployment(of_pods={"app": "cluster-autoscaler"}), True),
        (deployment("example.com/cluster-autoscaler/dashboard:1"), False),
        (deployment(labels={"app.kubernetes.io/part-of": "cluster-autoscaler"}), False),
        (deployment(), False),
        ({"metadata": {"name": "x"}, "spec": {}}, False),
    ],
)
def test_what_looks_like_an_autoscaler(raw: dict[str, Any], is_one: bool) -> None:  # noqa: FBT001 - a column of the table
    """By its image's name, or by a label that names an application."""
    assert kube_records.is_autoscaler(raw) is is_one


def test_a_path_is_asked_for_as_one() -> None:
    """What is no resource has a kind of review of its own."""
    spec = kube_records.review(Right("get", "/apis"))["spec"]
    assert spec == {"nonResourceAttributes": {"verb": "get", "path": "/apis"}}
