"""What a verb reads before it changes something may make no sense: then it is looked at again, and nothing fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from rollout.adapters import aws_records
from rollout.adapters.kube import ApiKubernetes
from rollout.adapters.kube_api import Answer, KubeApi
from rollout.errors import EdgeError, Retry
from rollout.model.machine import Phase
from rollout.model.observation import AutoscalerSeen, Taint
from rollout.model.plan import Autoscaler
from rollout.phases.cluster_lock import checkpoint
from rollout.ports import NodeChange
from tests.core.build import record

_NODE: dict[str, Any] = {
    "metadata": {"name": "n1", "uid": "u", "resourceVersion": "7", "annotations": {"a": "b"}},
    "spec": {"providerID": "aws:///z/i-1", "taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]},
}
_NAMED: dict[str, Any] = {"metadata": {"name": "eks-rollout", "uid": "u", "resourceVersion": "7"}, "spec": {}}
_SENSELESS: tuple[Any, ...] = (None, 7, -1, 10**30, "nonsense", [], {}, [None], True, {"nonsense": 7})
_CONFLICT = Answer(409, {"kind": "Status", "reason": "Conflict", "message": "not now"})
_MARK = checkpoint(record(Phase.PLANNED))
_CHANGE = NodeChange(Taint("ours", "r-1", "NoSchedule"), "theirs", {"a": "c"}, unschedulable=True)

Verb = Callable[[ApiKubernetes], object]


class _Line:
    """A client with one answer for all requests; what was sent is counted."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.client = SimpleNamespace(rest_client=SimpleNamespace(pool_manager=SimpleNamespace(clear=lambda: None)))
        self.sent = 0

    def ask(self, *_request: object, **_more: object) -> Answer:
        self.sent += 1
        return self.answer


def _api(read: dict[str, Any], writer: _Line | None = None) -> KubeApi:
    api = object.__new__(KubeApi)
    reader = _Line(Answer(200, read))
    api.__dict__.update(_reader=reader, _watcher=reader, _writer=writer or _Line(_CONFLICT), _renew=lambda: None)
    return api


def _cluster(read: dict[str, Any], begin: Callable[..., Any] | None = None) -> tuple[ApiKubernetes, _Line]:
    writer = _Line(_CONFLICT)
    return ApiKubernetes(_api(read, writer), SimpleNamespace(), SimpleNamespace(), begin), writer  # type: ignore[arg-type]


def _spoilt(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield copies, each with one field left out, or with a senseless value in it."""
    for path in _paths(whole):
        for value in (..., *_SENSELESS):
            copy = json.loads(json.dumps(whole))
            holder = copy
            for part in path[:-1]:
                holder = holder[part]
            if value is ...:
                del holder[path[-1]]
            else:
                holder[path[-1]] = value
            yield copy


def _paths(value: Any) -> Iterator[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, one in inside:
        yield (part,)
        yield from ((part, *rest) for rest in _paths(one))


@pytest.mark.parametrize(
    ("read", "verb"),
    [
        pytest.param(_NODE, lambda to: to.change_node("n1", "u", "i-1", _CHANGE), id="change_node"),
        pytest.param(_NAMED, lambda to: to.scale(Autoscaler("ns", "eks-rollout"), 0, {"a": None}), id="scale"),
        pytest.param(_NAMED, lambda to: to.write_marker(_MARK, "u"), id="write_marker"),
        pytest.param(_NAMED, lambda to: to.delete_marker("u"), id="delete_marker"),
        pytest.param(_NAMED, lambda to: to.evict("ns", "eks-rollout", "u"), id="evict"),
        pytest.param(_NAMED, lambda to: to.delete_pod("ns", "eks-rollout", "u", 0), id="delete_pod"),
        pytest.param(_NAMED, lambda to: to.delete_job("ns", "eks-rollout", "u"), id="delete_job"),
    ],
)
def test_a_senseless_read_of_a_verb_is_a_failure_at_the_edge(read: dict[str, Any], verb: Verb) -> None:
    """With any value in one field, or without the field: no error but the edge's own, and at most one request."""
    for body in _spoilt(read):
        cluster, writer = _cluster(body)
        with suppress(EdgeError):
            verb(cluster)
        assert writer.sent <= 1, body


_GROUP: dict[str, Any] = {
    "AutoScalingGroupName": "g",
    "MinSize": 1,
    "DesiredCapacity": 1,
    "MaxSize": 2,
    "AvailabilityZones": ["z"],
    "Instances": [
        {
            "InstanceId": "i-1",
            "LifecycleState": "InService",
            "AvailabilityZone": "z",
            "ProtectedFromScaleIn": False,
            "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "1"},
        }
    ],
    "MixedInstancesPolicy": {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": "lt-1", "LaunchTemplateName": "t", "Version": "1"},
            "Overrides": [{"LaunchTemplateSpecification": {"LaunchTemplateId": "lt-2", "Version": "2"}}],
        }
    },
}


def test_what_is_read_of_a_group_can_be_written() -> None:
    """Where any text of it is spoilt it makes no sense, or the client still takes the update that is made from it."""
    shape = Session().get_service_model("autoscaling").operation_model("UpdateAutoScalingGroup").input_shape
    for path, spoilt in product(_paths(_GROUP), ("", "nonsense", "²")):
        body = json.loads(json.dumps(_GROUP))
        holder = body
        for part in path[:-1]:
            holder = holder[part]
        if not isinstance(holder[path[-1]], str):
            continue
        holder[path[-1]] = spoilt
        with suppress(ValueError):
            group = aws_records.group(body)
            assert all(use.reference.startswith("$") or int(use.reference) for use in group.uses)
            fields = aws_records.references(body, group.uses) or {}
            assert ParamValidator().validate({"AutoScalingGroupName": "g", **fields}, shape).generate_report() == ""


@pytest.mark.parametrize(
    "spoilt", [{"Version": "nonsense"}, {"Version": ""}, {"Version": "²"}, {"LaunchTemplateId": ""}, None]
)
def test_a_new_instance_is_never_taken_for_an_old_one(spoilt: dict[str, str] | None) -> None:
    """What says by half which version an instance runs is no answer: one without our version would have to go."""
    body = json.loads(json.dumps(_GROUP))
    template = body["Instances"][0]["LaunchTemplate"]
    for change in [spoilt] if spoilt else [{key: None} for key in template]:
        body["Instances"][0]["LaunchTemplate"] = {
            key: value for key, value in (template | change).items() if value is not None
        }
        with pytest.raises((ValueError, LookupError)):
            aws_records.group(body)


def test_an_instance_that_was_attached_has_no_version() -> None:
    """It was launched without a template, so its group's new version is not its own."""
    body = json.loads(json.dumps(_GROUP))
    del body["Instances"][0]["LaunchTemplate"]
    assert aws_records.group(body).instances[0].version is None


@pytest.mark.parametrize(
    "change", [{"items": None}, {"items": {}}, {"kind": "Banana"}, {"kind": None}, {"metadata": None}], ids=str
)
def test_nothing_is_what_a_list_says_is_nothing(change: dict[str, Any]) -> None:
    """A list that is taken for an empty one shows no pod on any node: API servers send [] since 1.5.3, never null."""
    empty = {"kind": "PodList", "metadata": {"resourceVersion": "7"}, "items": []}
    assert _api(empty).collect("/api/v1/pods") == ([], "7")
    with pytest.raises(Retry):
        _api(empty | change).collect("/api/v1/pods")


def test_the_object_that_is_watched_is_the_one_that_was_asked_for() -> None:
    """Where a list was not selected by name, what comes first in it is another Deployment."""
    begun: dict[str, Callable[[dict[str, Any]], object]] = {}
    cluster, _ = _cluster({"status": {"allowed": True}}, begun.__setitem__)
    cluster.follow(Autoscaler("kube-system", "cluster-autoscaler"))
    path = "/apis/apps/v1/namespaces/kube-system/deployments/cluster-autoscaler"
    seen = begun[path]({"metadata": {"name": "cluster-autoscaler"}, "spec": {"replicas": 3}})
    assert seen == AutoscalerSeen(3, None, None)
    with pytest.raises(ValueError, match="it is about coredns"):
        begun[path]({"metadata": {"name": "coredns"}, "spec": {"replicas": 3}})
