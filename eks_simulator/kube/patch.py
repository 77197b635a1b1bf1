"""The patches of the Kubernetes API as pure functions: JSON patch, merge patch, strategic merge patch.

Sources: RFC 6902, RFC 7386, and k8s.io/apimachinery `pkg/util/strategicpatch` with the merge keys of the API types. A
list without a merge key is replaced as a whole; a node's taints are such a list, its conditions are not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from eks_simulator.kube.errors import bad_request, unprocessable
from eks_simulator.kube.jsons import copied

if TYPE_CHECKING:
    from collections.abc import Sequence

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

Object = dict[str, Any]

# patchMergeKey of the fields of the types that the simulator knows; field names are unambiguous among these.
_MERGE_KEYS = {
    "addresses": "type",
    "conditions": "type",
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "hostIPs": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "podIPs": "ip",
    "ports": "containerPort",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
# Lists of plain values with patchStrategy=merge: a patch adds to them.
_SETS = ("finalizers", "podCIDRs")

_DIRECTIVE = "$patch"
_ORDER = "$setElementOrder/"
_REMOVAL = "$deleteFromPrimitiveList/"
_RETAIN = "$retainKeys"


def apply_patch(content_type: str, target: Object, patch: Any) -> Object:
    """Return the target with the patch applied; neither argument is changed.

    Raises `ApiError`: 400 for a patch of the wrong shape, 422 for a JSON patch that does not fit the target.
    `KeyError`: the content type is none of those above.
    """
    result = _PATCHES[content_type](target, patch)
    if not isinstance(result, dict):
        raise bad_request("the patch does not leave an object")
    return result


# -- RFC 7386


def merge_patch(target: Any, patch: Any) -> Any:
    """JSON merge patch: objects are merged, null removes, everything else replaces."""
    if not isinstance(patch, dict):
        return copied(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


# -- RFC 6902


def json_patch(target: Object, patch: Any) -> Any:
    """JSON patch: the operations in order; all of them, or 422."""
    if not isinstance(patch, list) or not all(isinstance(one, dict) for one in patch):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    result: Any = copied(target)
    for operation in patch:
        try:
            result = _operate(result, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise unprocessable() from error
    return result


def _operate(document: Any, operation: Object) -> Any:
    path = _pointer(operation["path"])
    match operation["op"]:
        case "add":
            return _put(document, path, copied(operation["value"]), insert=True)
        case "replace":
            _look(document, path)
            return _put(document, path, copied(operation["value"]), insert=False)
        case "remove":
            return _take(document, path)
        case "move":
            source = _pointer(operation["from"])
            value = _look(document, source)
            return _put(_take(document, source), path, value, insert=True)
        case "copy":
            return _put(document, path, copied(_look(document, _pointer(operation["from"]))), insert=True)
        case "test":
            return _test(document, path, operation.get("value"))
        case unknown:
            raise ValueError(unknown)


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise ValueError(text)
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _index(sequence: Sequence[Any], part: str) -> int:
    number = int(part)
    if not -len(sequence) <= number < len(sequence):
        raise IndexError(part)
    return number


def _look(document: Any, path: Sequence[str]) -> Any:
    for part in path:
        document = document[_index(document, part)] if isinstance(document, list) else document[part]
    return document


def _put(document: Any, path: Sequence[str], value: Any, *, insert: bool) -> Any:
    if not path:
        return value
    parent, last = _look(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif not isinstance(parent, list):
        raise TypeError(last)
    elif insert:
        parent.insert(len(parent) if last == "-" or int(last) == len(parent) else _index(parent, last), value)
    else:
        parent[_index(parent, last)] = value
    return document


def _take(document: Any, path: Sequence[str]) -> Any:
    parent, last = _look(document, path[:-1]), path[-1]
    del parent[_index(parent, last) if isinstance(parent, list) else last]
    return document


def _test(document: Any, path: Sequence[str], value: Any) -> Any:
    try:
        found = _look(document, path)
    except KeyError:
        found = None  # a missing member passes for null, as in the library that the real server uses
    if found != value:
        raise ValueError(value)
    return document


# -- strategic merge patch


def strategic_patch(target: Object, patch: Any) -> Any:
    """Strategic merge patch, with its directives."""
    if not isinstance(patch, dict):
        raise bad_request("strategic merge patch must be an object")
    return _merge_objects(copied(target), patch)


def _merge_objects(target: Object, patch: Object) -> Object:
    match patch.get(_DIRECTIVE):
        case "replace":
            return _plain_object(patch)
        case "delete":
            return {}
        case None | "merge":
            pass
        case unknown:
            raise bad_request(f"unknown patch type: {unknown}")
    if _RETAIN in patch:
        target = {key: value for key, value in target.items() if key in patch[_RETAIN]}
    for key in patch:
        if key.startswith(_REMOVAL):
            name = key.removeprefix(_REMOVAL)
            target[name] = [one for one in target.get(name) or [] if one not in patch[key]]
    for key, value in patch.items():
        if not key.startswith("$"):
            _merge_field(target, key, value, patch.get(_ORDER + key))
    return target


def _merge_field(target: Object, key: str, value: Any, order: list[Any] | None) -> None:
    if value is None:
        target.pop(key, None)
    elif isinstance(value, dict):
        old = target.get(key)
        target[key] = _merge_objects(old if isinstance(old, dict) else {}, value)
    elif isinstance(value, list) and key in _MERGE_KEYS:
        old = target.get(key) or []
        merged = _merge_lists(old, value, _MERGE_KEYS[key])
        target[key] = _in_order(merged, value if order is None else order, old, _MERGE_KEYS[key])
    elif isinstance(value, list) and key in _SETS:
        old = target.get(key) or []
        merged = old + [one for one in value if one not in old]
        target[key] = _in_order(merged, value if order is None else order, old, None)
    else:
        # Also a list without a merge key: its directives are then unknown fields, which the server drops.
        target[key] = _plain(value)


def _merge_lists(target: list[Any], patch: list[Any], key: str) -> list[Any]:
    if {_DIRECTIVE: "replace"} in patch:
        return [_plain(one) for one in patch if one != {_DIRECTIVE: "replace"}]
    result = list(target)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        at = next((number for number, one in enumerate(result) if one.get(key) == item[key]), None)
        if item.get(_DIRECTIVE) == "delete":
            result = [one for one in result if one.get(key) != item[key]]
        elif at is None:
            result.append(_merge_objects({}, item))
        else:
            result[at] = _merge_objects(result[at], item)
    return result


def _in_order(items: list[Any], order: list[Any], before: list[Any], key: str | None) -> list[Any]:
    """Return the items that the patch names, in its order; each other one before the first that it stood before."""

    def name(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    named = {name(item): number for number, item in enumerate(order)}
    old = {name(item): number for number, item in enumerate(before)}
    theirs = sorted((item for item in items if name(item) in named), key=lambda item: named[name(item)])
    result: list[Any] = []
    for item in (one for one in items if name(one) not in named):
        while theirs and old.get(name(theirs[0]), -1) < old[name(item)]:
            result.append(theirs.pop(0))
        result.append(item)
    return result + theirs


def _plain_object(value: Object) -> Object:
    return {key: _plain(item) for key, item in value.items() if not key.startswith("$") and item is not None}


def _plain(value: Any) -> Any:
    """Return the value without directives and without nulls."""
    if isinstance(value, dict):
        return _plain_object(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value


_PATCHES: dict[str, Callable[[Object, Any], Any]] = {
    JSON_PATCH: json_patch,
    MERGE_PATCH: merge_patch,
    STRATEGIC_PATCH: strategic_patch,
}
