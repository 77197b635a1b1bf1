"""The tables that kubectl asks the server to make of objects: what `kubectl get` prints."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from eks_simulator.kube.jsons import dumped

if TYPE_CHECKING:
    from eks_simulator.kube.resources import Resource
    from eks_simulator.kube.store import Revision

Object = dict[str, Any]


class Column(NamedTuple):
    """One column; `cell` works it out of an object. `priority` 1: with `-o wide` only."""

    name: str
    cell: Callable[[Object], Any]
    type: str = "string"
    priority: int = 0


def wants_table(accept: str) -> bool:
    """Tell whether the Accept header prefers a table."""
    return any("as=table" in part.lower().replace(" ", "") for part in accept.split(",")[:1])


def table(resource: Resource, revisions: list[Revision], meta: Object, include: str, now: float) -> bytes:
    """Return the objects as a `Table`; `include` says what comes with each row: "None", "Metadata" or "Object"."""
    columns = [_NAME, *_COLUMNS.get(resource.plural, ()), _age(now)]
    definitions = [
        {"name": one.name, "type": one.type, "format": "", "description": "", "priority": one.priority}
        for one in columns
    ]
    definitions[0]["format"] = "name"
    return dumped(
        {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": meta,
            "columnDefinitions": definitions,
            "rows": [_row(revision, columns, include) for revision in revisions],
        }
    )


def _row(revision: Revision, columns: list[Column], include: str) -> Object:
    row: Object = {"cells": [column.cell(revision.object) for column in columns]}
    if include == "Object":
        resource = revision.resource
        row["object"] = {"kind": resource.kind, "apiVersion": resource.group_version} | revision.object
    elif include != "None":
        metadata = revision.object["metadata"]
        row["object"] = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
    return row


def age(seconds: float) -> str:
    """Return a duration as kubectl shows it, roughly: `40s`, `12m`, `5h`, `3d`."""
    for unit, length, until in (("s", 1, 120), ("m", 60, 3 * 3600), ("h", 3600, 2 * 86400)):
        if seconds < until:
            return f"{int(seconds / length)}{unit}"
    return f"{int(seconds / 86400)}d"


def _age(now: float) -> Column:
    def since(obj: Object) -> str:
        return age(now - datetime.fromisoformat(obj["metadata"]["creationTimestamp"]).timestamp())

    return Column("Age", since)


def _spec(name: str, default: Any = "<none>") -> Callable[[Object], Any]:
    return lambda obj: (obj.get("spec") or {}).get(name, default)


def _status(name: str, default: Any = 0) -> Callable[[Object], Any]:
    return lambda obj: (obj.get("status") or {}).get(name, default)


def _node_status(node: Object) -> str:
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = next((one.get("status") for one in conditions if one.get("type") == "Ready"), "Unknown")
    text = {"True": "Ready", "False": "NotReady"}.get(str(ready), "Unknown")
    return f"{text},SchedulingDisabled" if (node.get("spec") or {}).get("unschedulable") else text


def _kubelet(node: Object) -> str:
    return str(((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion", ""))


def _containers(pod: Object) -> list[Object]:
    return (pod.get("status") or {}).get("containerStatuses") or []


def _pod_ready(pod: Object) -> str:
    ready = sum(bool(one.get("ready")) for one in _containers(pod))
    return f"{ready}/{len((pod.get('spec') or {}).get('containers') or [])}"


def _pod_status(pod: Object) -> str:
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    phase = (pod.get("status") or {}).get("phase", "Pending")
    return {"Succeeded": "Completed", "Failed": "Error"}.get(phase, str(phase))


def _restarts(pod: Object) -> str:
    return str(sum(one.get("restartCount", 0) for one in _containers(pod)))


def _ready_of(wanted: str, ready: str) -> Callable[[Object], str]:
    return lambda obj: f"{_status(ready)(obj)}/{_spec(wanted, 1)(obj)}"


def _job_status(job: Object) -> str:
    conditions = (job.get("status") or {}).get("conditions") or ()
    true = [one.get("type") for one in conditions if one.get("status") == "True"]
    return next((one for one in ("Complete", "Failed", "Suspended") if one in true), "Running")


def _data(obj: Object) -> int:
    return len(obj.get("data") or {})


_NAME = Column("Name", lambda obj: obj["metadata"]["name"])
_REPLICAS = (
    Column("Desired", _spec("replicas", 1), "integer"),
    Column("Current", _status("replicas"), "integer"),
    Column("Ready", _status("readyReplicas"), "integer"),
)
_COLUMNS: dict[str, tuple[Column, ...]] = {
    "nodes": (
        Column("Status", _node_status),
        Column("Roles", lambda _node: "<none>"),
        Column("Version", _kubelet),
        Column("Provider-ID", _spec("providerID"), priority=1),
    ),
    "pods": (
        Column("Ready", _pod_ready),
        Column("Status", _pod_status),
        Column("Restarts", _restarts),
        Column("Node", _spec("nodeName"), priority=1),
    ),
    "deployments": (
        Column("Ready", _ready_of("replicas", "readyReplicas")),
        Column("Up-to-date", _status("updatedReplicas"), "integer"),
        Column("Available", _status("availableReplicas"), "integer"),
    ),
    "daemonsets": (
        Column("Desired", _status("desiredNumberScheduled"), "integer"),
        Column("Ready", _status("numberReady"), "integer"),
    ),
    "replicasets": _REPLICAS,
    "statefulsets": (Column("Ready", _ready_of("replicas", "readyReplicas")),),
    "jobs": (Column("Status", _job_status), Column("Completions", _ready_of("completions", "succeeded"))),
    "namespaces": (Column("Status", _status("phase", "Active")),),
    "configmaps": (Column("Data", _data, "integer"),),
    "poddisruptionbudgets": (
        Column("Min Available", _spec("minAvailable", "N/A")),
        Column("Max Unavailable", _spec("maxUnavailable", "N/A")),
        Column("Allowed Disruptions", _status("disruptionsAllowed"), "integer"),
    ),
    "leases": (Column("Holder", _spec("holderIdentity", "")),),
}
