"""What kubectl makes by itself arrives as protobuf: read here into the JSON that everything else goes by.

`kubectl create configmap`, `job`, `deployment` and `poddisruptionbudget` send it, and take no 415 for a reason to send
JSON. Field numbers are those of Kubernetes' generated.proto files. A field that is not known here is refused unless it
is empty: kubectl writes out each field that is no pointer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eks_simulator.kube.errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Object = dict[str, Any]

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"

# A field's name and what it holds: `str`, `int`, `bool`, `bound` (an int or a text), `map` (of texts), `amounts` (a map
# of quantities), or a message; [] stands behind what may be there more than once.
_MESSAGES: Mapping[str, Mapping[int, tuple[str, str]]] = {
    "Unknown": {1: ("typeMeta", "TypeMeta"), 2: ("raw", "bytes"), 3: ("contentEncoding", "str")},
    "TypeMeta": {1: ("apiVersion", "str"), 2: ("kind", "str")},
    "ObjectMeta": {
        1: ("name", "str"),
        2: ("generateName", "str"),
        3: ("namespace", "str"),
        11: ("labels", "map"),
        12: ("annotations", "map"),
    },
    "LabelSelector": {1: ("matchLabels", "map")},
    "ConfigMap": {1: ("metadata", "ObjectMeta"), 2: ("data", "map"), 4: ("immutable", "bool")},
    "Job": {1: ("metadata", "ObjectMeta"), 2: ("spec", "JobSpec")},
    "JobSpec": {
        1: ("parallelism", "int"),
        2: ("completions", "int"),
        3: ("activeDeadlineSeconds", "int"),
        6: ("template", "PodTemplateSpec"),
        7: ("backoffLimit", "int"),
        8: ("ttlSecondsAfterFinished", "int"),
    },
    "Deployment": {1: ("metadata", "ObjectMeta"), 2: ("spec", "DeploymentSpec")},
    "DeploymentSpec": {
        1: ("replicas", "int"),
        2: ("selector", "LabelSelector"),
        3: ("template", "PodTemplateSpec"),
    },
    "PodDisruptionBudget": {1: ("metadata", "ObjectMeta"), 2: ("spec", "PodDisruptionBudgetSpec")},
    "PodDisruptionBudgetSpec": {
        1: ("minAvailable", "bound"),
        2: ("selector", "LabelSelector"),
        3: ("maxUnavailable", "bound"),
    },
    "PodTemplateSpec": {1: ("metadata", "ObjectMeta"), 2: ("spec", "PodSpec")},
    "PodSpec": {2: ("containers", "Container[]"), 3: ("restartPolicy", "str"), 7: ("nodeSelector", "map")},
    "Container": {
        1: ("name", "str"),
        2: ("image", "str"),
        3: ("command", "str[]"),
        4: ("args", "str[]"),
        6: ("ports", "ContainerPort[]"),
        8: ("resources", "ResourceRequirements"),
    },
    "ContainerPort": {1: ("name", "str"), 3: ("containerPort", "int"), 4: ("protocol", "str")},
    "Quantity": {1: ("string", "str")},
    "ResourceRequirements": {1: ("limits", "amounts"), 2: ("requests", "amounts")},
}
_KINDS = ("ConfigMap", "Job", "Deployment", "PodDisruptionBudget")
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}


def decoded(body: bytes) -> Object:
    """Return the object that a body holds. Raises `ApiError`: 400, with what cannot be read."""
    if not body.startswith(_MAGIC):
        raise bad_request("the body is no protobuf of Kubernetes")
    try:
        outer = _message("Unknown", body[len(_MAGIC) :])
        types = outer.get("typeMeta", {})
        if types.get("kind") not in _KINDS:
            hint = "kubectl create --dry-run=client -o yaml … | kubectl create -f -"
            raise bad_request(f"a {types.get('kind')} is read as JSON only: {hint}")
        return {**types, **_message(types["kind"], outer.get("raw", b""))}
    except (IndexError, UnicodeDecodeError) as error:
        raise bad_request(f"the body is cut off: {error}") from error


def _message(name: str, data: bytes) -> Object:
    fields, found = _MESSAGES[name], Object()
    for number, value in _fields(data):
        if number not in fields:
            if not _empty(value):
                raise bad_request(f"field {number} of {name} is not simulated: send JSON")
            continue
        field, kind = fields[number]
        read = _value(kind.removesuffix("[]"), value)
        if kind.endswith("[]"):
            found.setdefault(field, []).append(read)
        elif kind in {"map", "amounts"}:
            found.setdefault(field, {}).update(read)
        elif read not in ("", {}):
            found[field] = read
    return found


def _value(kind: str, value: int | bytes) -> Any:
    match kind:
        case "int":
            return value
        case "bool":
            return bool(value)
    assert isinstance(value, bytes)  # noqa: S101  for mypy
    match kind:
        case "bytes":
            return value
        case "str":
            return value.decode()
        case "bound":
            parts = dict(_fields(value))
            return _value("str", parts.get(3, b"")) if parts.get(1) else parts.get(2, 0)
        case "map" | "amounts":
            parts = dict(_fields(value))
            held = _value("str" if kind == "map" else "Quantity", parts.get(2, b""))
            return {_value("str", parts.get(1, b"")): held if kind == "map" else held.get("string", "0")}
    return _message(kind, value)


def _empty(value: int | bytes) -> bool:
    """Tell whether a field says nothing: zero, no text, or a message of such fields."""
    if isinstance(value, int):
        return value == 0
    try:
        return all(_empty(one) for _, one in _fields(value))
    except IndexError:  # a text
        return False


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field; `IndexError` where the bytes are none."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire in _FIXED:
            length = _FIXED[wire]
        else:
            raise IndexError(f"wire type {wire}")
        if at + length > len(data):
            raise IndexError(f"{length} bytes are missing")
        yield number, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004  the bit that says that more follows
            return value, at
