from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eks_simulator.clock import VirtualClock
from eks_simulator.kube import protobuf
from eks_simulator.kube.errors import ApiError
from eks_simulator.kube.eviction import refresh_status
from eks_simulator.kube.patch import MERGE_PATCH
from eks_simulator.kube.paths import Location, locate
from eks_simulator.kube.resources import RESOURCES
from eks_simulator.kube.store import Store
from eks_simulator.kube.tables import table
from eks_simulator.kube.writes import Writes
from eks_simulator.log import ChangeLog

LEAVES = st.none() | st.booleans() | st.integers(-3, 9) | st.sampled_from(["", "a", "Ready", "True", "50%", "Pending"])
ANY = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
)
NAMES = """
    metadata name labels annotations finalizers ownerReferences uid kind spec taints key effect replicas selector
    matchLabels matchExpressions operator values template containers image nodeName tolerations minAvailable
    maxUnavailable status conditions type phase data providerID unschedulable completions gracePeriodSeconds
    preconditions propagationPolicy deleteOptions
"""
# Bodies that look like objects but hold anything anywhere.
BODIES = st.recursive(
    ANY,
    lambda inner: st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=5) | st.lists(inner, max_size=2),
    max_leaves=30,
)
MEANT = st.fixed_dictionaries({"metadata": BODIES, "spec": BODIES, "status": BODIES}) | BODIES


def at(path: str) -> Location:
    found = locate(path)
    assert found
    return found


def path_of(plural: str) -> str:
    resource = RESOURCES[plural]
    base = f"/apis/{resource.group_version}" if resource.group else f"/api/{resource.group_version}"
    return f"{base}/namespaces/default/{plural}" if resource.namespaced else f"{base}/{plural}"


VALID: dict[str, dict[str, Any]] = {
    "deployments": {"selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": []}}},
    "pods": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]},
    "jobs": {"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}},
    "poddisruptionbudgets": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}},
    "nodes": {},
    "configmaps": {},
}


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_whatever_is_sent_is_answered(data: st.DataObject) -> None:
    """No body, of any shape, breaks the server: it is applied or refused, and everything can still be read."""
    clock = VirtualClock(1767600000.0)
    store = Store(clock, ChangeLog(clock))
    writes = Writes(store, lambda _attributes: True)
    plural = data.draw(st.sampled_from(sorted(VALID)))
    path = path_of(plural)
    writes.create(at(path), {"metadata": {"name": "x"}, "spec": VALID[plural]})
    store.create("pods", {"metadata": {"name": "y", "labels": {"a": "b"}}, "spec": {"nodeName": "n"}})
    body: Any = data.draw(MEANT)
    calls = {
        "create": lambda: writes.create(at(path), body),
        "update": lambda: writes.update(at(f"{path}/x"), {"metadata": {"name": "x"}} | body),
        "patch": lambda: writes.patch(at(f"{path}/x"), MERGE_PATCH, body),
        "delete": lambda: writes.delete(at(f"{path}/x"), body, {}),
        "evict": lambda: writes.create(
            at("/api/v1/namespaces/default/pods/y/eviction"), {"metadata": {"name": "y"}} | body
        ),
    }
    if plural == "pods":
        calls["status"] = lambda: writes.patch(at(f"{path}/x/status"), MERGE_PATCH, body)
    call = data.draw(st.sampled_from(sorted(calls)))
    if not isinstance(body, dict) and call != "patch":
        return
    with suppress(ApiError):
        calls[call]()
    refresh_status(store, None)
    table(RESOURCES[plural], store.revisions(plural), {}, "Metadata", clock.now)
    for revision in store.revisions(plural):
        store.delete(plural, *revision.key, grace=0)


@pytest.mark.parametrize("containers", [{"metadata": []}, ["c"], "c"])
def test_a_list_is_a_list_of_objects(containers: Any) -> None:
    """An object, a text, or a list of texts where a list of objects belongs: 400."""
    clock = VirtualClock(1767600000.0)
    writes = Writes(Store(clock, ChangeLog(clock)), lambda _attributes: True)
    with pytest.raises(ApiError, match="cannot unmarshal") as refused:
        writes.create(at(path_of("pods")), {"metadata": {"name": "x"}, "spec": {"containers": containers}})
    assert refused.value.code == 400


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/v1/nodes", ""),
        ("/api/v1/nodes/n/status", "n"),
        ("/api/v1/pods", ""),
        ("/api/v1/namespaces/a/pods", "a"),
        ("/api/v1/namespaces/a/pods/p/eviction", "a/p"),
        ("/api/v1/namespaces/a", "a"),
        ("/api/v1/namespaces/a/status", "a"),
        ("/apis/apps/v1/namespaces/a/deployments/d/scale", "a/d"),
    ],
)
def test_paths_name_their_target(path: str, target: str) -> None:
    """A path is known by the object it names, for faults and costs."""
    assert at(path).target == target


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api",
        "/api/v1",
        "/apis/apps/v1",
        "/api/v1/deployments",
        "/apis/apps/v2/deployments",
        "/api/v1/nodes/n/log/x",
    ],
)
def test_paths_of_nothing(path: str) -> None:
    """A path that names no kind of object names nothing."""
    assert locate(path) is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{}", "no protobuf of Kubernetes"),
        (b"k8s\x00\x0a\x7f", "cut off"),
        (b"k8s\x00\x0b", "cut off"),
        (b"k8s\x00\x0a\x0c\x0a\x02v1\x12\x06Secret", "a Secret is read as JSON only: kubectl create --dry-run=client"),
        (b"k8s\x00\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x06\x1a\x04\x0a\x02ab", "field 3 of ConfigMap"),
    ],
)
def test_protobuf_that_is_not_read_is_refused_in_words(body: bytes, said: str) -> None:
    """No part of an object is lost in silence."""
    with pytest.raises(ApiError, match=said):
        protobuf.decoded(body)
