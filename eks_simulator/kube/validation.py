"""What the API server refuses of what a client writes, with its own words for it.

Only the rules that a tool working on nodes, pods, Jobs, Deployments, budgets, ConfigMaps and leases can run into. The
world's controllers write through the store and are believed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from eks_simulator.kube import errors as kube_errors
from eks_simulator.kube.errors import Cause, duplicate, forbidden, required, unsupported, wrong
from eks_simulator.kube.jsons import dumped

if TYPE_CHECKING:
    from eks_simulator.kube.resources import Resource

Object = dict[str, Any]

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
_LONGEST_LABEL = 63  # characters, RFC 1123
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


def check(resource: Resource, new: Object, old: Object | None, *, patched: bool = False) -> None:
    """Refuse what the API server refuses; `old` is None for a new object.

    Raises `ApiError`: 400 for a value of the wrong type (422 if a patch brought it), 422 with every field that is
    wrong.
    """
    for field, value in _not_texts(resource, new):
        raise _unreadable_patch(value) if patched else _unreadable(resource, field, value)
    causes = [*_metadata(new["metadata"]), *_KINDS.get(resource.plural, _nothing)(new, old)]
    if causes:
        raise kube_errors.invalid(resource, new["metadata"].get("name", ""), causes)


def _not_texts(resource: Resource, new: Object) -> Iterator[tuple[str, Any]]:
    """Numbers and booleans where texts are wanted, the commonest slip: the server cannot even read them."""
    maps = {f"ObjectMeta.metadata.{name}": new["metadata"].get(name) for name in ("labels", "annotations")}
    if resource.plural == "configmaps":
        maps["ConfigMap.data"] = new.get("data")
    for field, values in maps.items():
        yield from ((field, value) for value in (values or {}).values() if not isinstance(value, str))


def _unreadable(resource: Resource, field: str, value: Any) -> kube_errors.ApiError:
    found = {bool: "bool", int: "number", float: "number", list: "array"}.get(type(value), "object")
    return kube_errors.bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
        f"json: cannot unmarshal {found} into Go struct field {field} of type string"
    )


def _unreadable_patch(value: Any) -> kube_errors.ApiError:
    return kube_errors.invalid_kind("", "", "", [wrong("patch", value, "cannot be converted to string")])


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
    yield from _references(meta)


def _references(meta: Object) -> Iterator[Cause]:
    for number, reference in enumerate(meta.get("ownerReferences") or ()):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not isinstance(reference.get(field), str):
                yield required(f"metadata.ownerReferences[{number}].{field}")


def _is_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    return (
        len(name) <= _LONGEST_LABEL
        and re.fullmatch(_LABEL, name) is not None
        and (not slash or re.fullmatch(_SUBDOMAIN, prefix.lower()) is not None)
    )


def _is_label_value(value: str) -> bool:
    return len(value) <= _LONGEST_LABEL and (not value or re.fullmatch(_LABEL, value) is not None)


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
        if not key:
            yield wrong(f"{path}[{number}].key", key, "name part must be non-empty")
        if not _is_key(key):
            yield wrong(f"{path}[{number}].key", key, _KEY_RULE)
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
    """Return the part of a pod's spec that never changes."""
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
    for field in ("minAvailable", "maxUnavailable"):
        value = spec.get(field)
        if not (value is None or (type(value) is int and value >= 0) or _is_percentage(value)):
            yield wrong(f"spec.{field}", value, "must be an integer of at least 0 or a percentage (e.g '5%')")
    for number, one in enumerate((spec.get("selector") or {}).get("matchExpressions") or ()):
        if not one.get("key") or one.get("operator") not in _OPERATORS:
            yield unsupported(f"spec.selector.matchExpressions[{number}].operator", one.get("operator", ""), _OPERATORS)


def _is_percentage(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}%", value) is not None


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
