"""What the API server makes of an object before it stores it: defaults, what a write may touch, what is refused.

Only the rules that a tool working on nodes, pods, Jobs, Deployments, budgets, ConfigMaps and leases can run into. The
world's controllers write through the store and are believed; clients are checked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rollout.simulator import kube_errors
from rollout.simulator.kube_errors import Cause, duplicate, forbidden, required, unsupported, wrong
from rollout.simulator.kube_json import dumped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollout.simulator.kube_resources import Resource

Object = dict[str, Any]

NOT_READY_TAINT = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")

# What the server keeps in the metadata, whatever a client sends.
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

_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_NAME_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_LABEL = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_KEY_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    f"character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'({_LABEL})?')"
)
_POD_RULE = (
    "pod updates may not change fields other than `spec.containers[*].image`, `spec.initContainers[*].image`, "
    "`spec.activeDeadlineSeconds`, `spec.tolerations` (only additions to existing tolerations), "
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def defaulted(resource: Resource, obj: Object) -> Object:
    """The new object with the fields that the server fills in; changes it."""
    if fill := _DEFAULTS.get(resource.plural):
        fill(obj)
    return normalised(resource, obj)


def _default_pod(pod: Object) -> None:
    pod["spec"] = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30} | pod.get("spec", {})
    pod["status"] = {"phase": "Pending"} | pod.get("status", {})


def _default_replicas(workload: Object) -> None:
    workload["spec"] = {"replicas": 1} | workload.get("spec", {})
    workload.setdefault("status", {})


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
    "deployments": _default_replicas,
    "replicasets": _default_replicas,
    "statefulsets": _default_replicas,
    "jobs": _default_job,
    "namespaces": _default_namespace,
}


def normalised(resource: Resource, obj: Object) -> Object:
    """The object without what Go's `omitempty` leaves out: an emptied list is as if never set; changes it."""
    meta = obj["metadata"]
    for name in ("annotations", "labels", "finalizers", "ownerReferences"):
        if name in meta and not meta[name]:
            del meta[name]
    for name in ("data", "binaryData"):
        if name in obj and not obj[name]:
            del obj[name]
    if resource.plural == "nodes":
        obj["spec"] = {name: value for name, value in (obj.get("spec") or {}).items() if value}
    return obj


def without_nulls(value: Any) -> Any:
    """A JSON value as the server reads it: a null in an object is the same as no field."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def admitted(resource: Resource, obj: Object) -> Object:
    """What a client creates, as admission lets it in: without the server's own fields; a node is born tainted."""
    new = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
    own = {"name", "generateName", "namespace"}
    new["metadata"] = {key: value for key, value in new["metadata"].items() if key in own or key not in _SERVERS}
    if resource.has_status and resource.plural != "nodes":
        new.pop("status", None)
    if resource.plural == "nodes":
        spec = new["spec"] = dict(new.get("spec") or {})
        if NOT_READY_TAINT not in (taints := spec.get("taints") or []):
            spec["taints"] = [*taints, NOT_READY_TAINT]
    return new


def carried_over(resource: Resource, subresource: str, old: Object, new: Object) -> Object:
    """What a client's write makes of ``old``: the server's metadata stays, and so does what has a path of its own."""
    kept = {key: value for key, value in old["metadata"].items() if key in _SERVERS}
    meta = {key: value for key, value in (new.get("metadata") or {}).items() if key not in _SERVERS}
    theirs, ours = (old, new) if subresource == "status" else (new, old)
    result = {key: value for key, value in theirs.items() if key not in ("kind", "apiVersion", "status")}
    status = (ours if resource.has_status else new).get("status")
    return normalised(resource, result | {"metadata": kept | meta} | ({} if status is None else {"status": status}))


def check(resource: Resource, new: Object, old: Object | None) -> None:
    """Refuse what the API server refuses.

    Raises:
        ApiError: 400 for a value of the wrong type, 422 with every field that is wrong.
    """
    _check_types(resource, new)
    causes = [*_metadata(new["metadata"]), *_KINDS.get(resource.plural, _nothing)(new, old)]
    if causes:
        raise kube_errors.invalid(resource, new["metadata"].get("name", ""), causes)


def _check_types(resource: Resource, new: Object) -> None:
    """A number or a boolean where a text is wanted is the commonest slip: the server cannot even read it."""
    for field in ("labels", "annotations"):
        for value in (new["metadata"].get(field) or {}).values():
            if not isinstance(value, str):
                name = {bool: "bool", int: "number", float: "number", list: "array"}.get(type(value), "object")
                raise kube_errors.bad_request(
                    f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
                    f"json: cannot unmarshal {name} into Go struct field ObjectMeta.metadata.{field} of type string"
                )


def _metadata(meta: Object) -> Iterator[Cause]:
    name, prefix = meta.get("name"), meta.get("generateName")
    if not name and not prefix:
        yield required("metadata.name", "name or generateName is required")
    elif name and not re.fullmatch(_SUBDOMAIN, name):
        yield wrong("metadata.name", name, _NAME_RULE)
    for field in ("labels", "annotations"):
        for key in meta.get(field) or ():
            if not _is_key(key):
                yield wrong(f"metadata.{field}", key, _KEY_RULE)
    for value in (meta.get("labels") or {}).values():
        if not _is_label_value(value):
            yield wrong("metadata.labels", value, _VALUE_RULE)


def _is_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    return (
        len(name) <= 63
        and re.fullmatch(_LABEL, name) is not None
        and (  # noqa: PLR2004 - RFC 1123 label
            not slash or re.fullmatch(_SUBDOMAIN, prefix.lower()) is not None
        )
    )


def _is_label_value(value: str) -> bool:
    return len(value) <= 63 and (not value or re.fullmatch(_LABEL, value) is not None)  # noqa: PLR2004 - RFC 1123 label


def _nothing(_new: Object, _old: Object | None) -> Iterator[Cause]:
    yield from ()


def _node(new: Object, old: Object | None) -> Iterator[Cause]:
    # The path says metadata where it should say spec: so does the real server.
    yield from _taints(new["spec"].get("taints") or [], "metadata.taints" if old else "spec.taints")
    before = (old or {}).get("spec", {}).get("providerID")
    if before and before != new["spec"].get("providerID"):
        yield forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid')


def _taints(taints: list[Object], path: str) -> Iterator[Cause]:
    seen: set[tuple[str, str]] = set()
    for number, taint in enumerate(taints):
        key, effect = taint.get("key") or "", taint.get("effect") or ""
        if not key or not _is_key(key):
            yield wrong(f"{path}[{number}].key", key, _KEY_RULE if key else f"name part must be non-empty; {_KEY_RULE}")
        if not _is_label_value(taint.get("value") or ""):
            yield wrong(f"{path}[{number}].value", taint["value"], _VALUE_RULE)
        if not effect:
            yield required(f"{path}[{number}].effect")
        elif effect not in _EFFECTS:
            yield unsupported(f"{path}[{number}].effect", effect, _EFFECTS)
        if (key, effect) in seen:
            value = dumped({"key": key, "effect": effect}).decode()
            yield duplicate(f"{path}[{number}]", value, "taints must be unique by key and effect pair")
        seen.add((key, effect))


def _pod(new: Object, old: Object | None) -> Iterator[Cause]:
    if old is None:
        yield from _containers(new.get("spec") or {}, "spec")
    elif _fixed(new["spec"]) != _fixed(old["spec"]) or not _all_in(old["spec"], new["spec"]):
        yield forbidden("spec", _POD_RULE)


def _containers(spec: Object, path: str) -> Iterator[Cause]:
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    for number, container in enumerate(spec.get("containers") or []):
        for field in ("name", "image"):
            if not container.get(field):
                yield required(f"{path}.containers[{number}].{field}")


def _fixed(spec: Object) -> Object:
    """The part of a pod's spec that never changes."""
    free = ("tolerations", "activeDeadlineSeconds")
    fixed = {key: value for key, value in spec.items() if key not in free}
    for name in ("containers", "initContainers"):
        fixed[name] = [container | {"image": ""} for container in spec.get(name) or []]
    return fixed


def _all_in(old: Object, new: Object) -> bool:
    return all(one in (new.get("tolerations") or []) for one in old.get("tolerations") or [])


def _workload(new: Object, old: Object | None) -> Iterator[Cause]:
    spec = new.get("spec") or {}
    replicas = spec.get("replicas")
    if isinstance(replicas, int) and replicas < 0:
        yield wrong("spec.replicas", replicas, "must be greater than or equal to 0")
    if not spec.get("selector"):
        yield required("spec.selector")
    elif old and old["spec"].get("selector") != spec["selector"]:
        yield wrong("spec.selector", spec["selector"], "field is immutable")


def _job(new: Object, old: Object | None) -> Iterator[Cause]:
    spec = new.get("spec") or {}
    if old is None:
        yield from _containers((spec.get("template") or {}).get("spec") or {}, "spec.template.spec")
        return
    for field in ("template", "selector", "completions"):
        if spec.get(field) != old["spec"].get(field):
            yield wrong(f"spec.{field}", spec.get(field), "field is immutable")


def _budget(new: Object, _old: Object | None) -> Iterator[Cause]:
    spec = new.get("spec") or {}
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        yield wrong("spec", spec, "minAvailable and maxUnavailable cannot be both set")


_KINDS: dict[str, Callable[[Object, Object | None], Iterator[Cause]]] = {
    "nodes": _node,
    "pods": _pod,
    "deployments": _workload,
    "daemonsets": _workload,
    "replicasets": _workload,
    "statefulsets": _workload,
    "jobs": _job,
    "poddisruptionbudgets": _budget,
}
