"""What the API server makes of an object before it stores it: defaults, and what a client's write may touch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eks_simulator.kube.resources import Resource

Object = dict[str, Any]

NOT_READY_TAINT = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}

# What the server keeps in the metadata, also if a client sends something else.
_SERVERS = (
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
)


def defaulted(resource: Resource, obj: Object) -> Object:
    """Return the new object with the fields that the server fills in; changes it."""
    if fill := _DEFAULTS.get(resource.plural):
        fill(obj)
    return normalised(resource, obj)


def _default_pod(pod: Object) -> None:
    pod["spec"] = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30} | pod.get("spec", {})
    pod["status"] = {"phase": "Pending"} | pod.get("status", {})


def _default_replicas(workload: Object) -> None:
    workload["spec"] = {"replicas": 1} | workload.get("spec", {})
    workload.setdefault("status", {})


def _default_deployment(deployment: Object) -> None:
    _default_replicas(deployment)
    rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
    deployment["spec"].setdefault("strategy", {"type": "RollingUpdate", "rollingUpdate": rolling})


def _default_job(job: Object) -> None:
    meta, spec = job["metadata"], job.setdefault("spec", {})
    if spec.get("parallelism") is None and spec.get("completions") is None:
        spec["completions"] = 1
    for name, value in (("parallelism", 1), ("backoffLimit", 6), ("completionMode", "NonIndexed"), ("suspend", False)):
        spec.setdefault(name, value)
    if not spec.get("manualSelector"):
        selector = {"batch.kubernetes.io/controller-uid": meta["uid"]}
        spec["selector"] = {"matchLabels": selector}
        labels = spec.setdefault("template", {}).setdefault("metadata", {}).setdefault("labels", {})
        labels |= selector | {"batch.kubernetes.io/job-name": meta["name"]}
        labels |= {"controller-uid": meta["uid"], "job-name": meta["name"]}
    job.setdefault("status", {})


def _default_namespace(namespace: Object) -> None:
    labels = namespace["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = namespace["metadata"]["name"]
    namespace.setdefault("status", {"phase": "Active"})


_DEFAULTS: dict[str, Callable[[Object], None]] = {
    "pods": _default_pod,
    "deployments": _default_deployment,
    "replicasets": _default_replicas,
    "statefulsets": _default_replicas,
    "jobs": _default_job,
    "namespaces": _default_namespace,
}


def normalised(resource: Resource, obj: Object) -> Object:
    """Return the object without what Go's `omitempty` leaves out: an emptied list is as if never set; changes it."""
    meta = obj["metadata"]
    for name in ("annotations", "labels", "finalizers", "ownerReferences"):
        if name in meta and not meta[name]:
            del meta[name]
    for name in ("data", "binaryData"):
        if name in obj and not obj[name]:
            del obj[name]
    if resource.has_status:
        obj["spec"] = obj.get("spec") or {}
    if resource.plural == "nodes":
        obj["spec"] = {name: value for name, value in obj["spec"].items() if value}
    return obj


def without_nulls(value: Any) -> Any:
    """Return a JSON value as the server reads it: a null in an object is the same as no field."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def admitted(resource: Resource, obj: Object) -> Object:
    """Return what a client creates, as admission lets it in: without the server's fields; a node is born tainted."""
    new = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
    own = {"name", "generateName", "namespace"}
    meta = new.get("metadata") or {}
    new["metadata"] = {key: value for key, value in meta.items() if key in own or key not in _SERVERS}
    if resource.has_status and resource.plural != "nodes":
        new.pop("status", None)
    if resource.plural == "nodes":
        spec = new["spec"] = dict(new.get("spec") or {})
        if NOT_READY_TAINT not in (taints := spec.get("taints") or []):
            spec["taints"] = [*taints, NOT_READY_TAINT]
    return new


def carried_over(resource: Resource, subresource: str, old: Object, new: Object) -> Object:
    """Return what a client's write makes of `old`: the server's metadata stays, as does what has its own path."""
    kept = {key: value for key, value in old["metadata"].items() if key in _SERVERS}
    meta = {key: value for key, value in (new.get("metadata") or {}).items() if key not in _SERVERS}
    theirs, ours = (old, new) if subresource == "status" else (new, old)
    result = {key: value for key, value in theirs.items() if key not in ("kind", "apiVersion", "status")}
    status = (ours if resource.has_status else new).get("status")
    return normalised(resource, result | {"metadata": kept | meta} | ({} if status is None else {"status": status}))
