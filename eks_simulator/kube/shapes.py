"""Of which JSON type the fields are that the simulator reads: a body of another shape is refused before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eks_simulator.kube.errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# `dict`, `list` and so on; a type in a list means a list of such. Where a field is missing or null nothing is wrong.
Shape = type | list[type]

_POD: dict[str, Shape] = {
    "containers": [dict],
    "initContainers": [dict],
    "tolerations": [dict],
    "nodeName": str,
    "terminationGracePeriodSeconds": int,
}
OBJECT: dict[str, Shape] = {
    "kind": str,
    "apiVersion": str,
    "metadata": dict,
    "metadata.name": str,
    "metadata.generateName": str,
    "metadata.namespace": str,
    "metadata.uid": str,
    "metadata.resourceVersion": str,
    "metadata.labels": dict,
    "metadata.annotations": dict,
    "metadata.finalizers": [str],
    "metadata.ownerReferences": [dict],
    "spec": dict,
    "spec.taints": [dict],
    "spec.replicas": int,
    "spec.manualSelector": bool,
    "spec.selector": dict,
    "spec.selector.matchLabels": dict,
    "spec.selector.matchExpressions": [dict],
    "spec.template": dict,
    "spec.template.metadata": dict,
    "spec.template.metadata.labels": dict,
    "spec.template.spec": dict,
    **{f"spec.{path}": shape for path, shape in _POD.items()},
    **{f"spec.template.spec.{path}": shape for path, shape in _POD.items()},
    "status": dict,
    "status.phase": str,
    "status.conditions": [dict],
    "status.containerStatuses": [dict],
    "status.nodeInfo": dict,
    "data": dict,
    "binaryData": dict,
}
DELETE_OPTIONS: dict[str, Shape] = {
    "gracePeriodSeconds": int,
    "propagationPolicy": str,
    "preconditions": dict,
    "preconditions.uid": str,
    "preconditions.resourceVersion": str,
}
EVICTION: dict[str, Shape] = {
    "kind": str,
    "apiVersion": str,
    "metadata": dict,
    "metadata.name": str,
    "deleteOptions": dict,
    **{f"deleteOptions.{path}": shape for path, shape in DELETE_OPTIONS.items()},
}
REVIEW: dict[str, Shape] = {"kind": str, "apiVersion": str, "spec": dict, "spec.resourceAttributes": dict}

_NAMES = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "bool",
    int: "number",
    float: "number",
    type(None): "null",
}


def check_types(body: Any, shapes: Mapping[str, Shape]) -> None:
    """Refuse a body in which a field has another type than the API's.

    Raises `ApiError`: 400.
    """
    if not isinstance(body, dict):
        raise bad_request(f"json: cannot unmarshal {_NAMES[type(body)]} into an object")
    for path, shape in shapes.items():
        for value, wanted in _values(body, path, shape):
            if type(value) is not wanted:  # a bool is no int here
                raise bad_request(f"json: cannot unmarshal {_NAMES[type(value)]} into {path} of type {_NAMES[wanted]}")


def _values(body: Any, path: str, shape: Shape) -> Iterator[tuple[Any, type]]:
    """Yield what is at the path, with the type it should have; of a list, its elements with theirs."""
    value = body
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if value is None:
        return
    if isinstance(shape, list):
        yield value, list
        yield from ((element, shape[0]) for element in (value if isinstance(value, list) else ()))
    else:
        yield value, shape
