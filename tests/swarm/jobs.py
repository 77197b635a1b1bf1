"""Protected Jobs' pods that we ended before the drain deadline that we told ourselves, by the log of changes alone.

What the operator asked for counts, too: more time, and the way back. A pod is ended by its deletion, or by the end of
the instance on which it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.swarm.operating import Deadlines

Change = Mapping[str, Any]
State = Mapping[str, Any]

#: Pods of the Jobs that every generated world protects, by name.
_PROTECTED = "pod/demo/job-"
_RUNS = {"Pending", "Running", None}


def ended(changes: Sequence[Change], before: State, after: State, deadlines: Deadlines) -> Iterator[str]:
    """Yield each end of a protected pod, between two moments, that we caused too early."""
    pods: dict[str, dict[str, Any]] = {}
    nodes = _nodes(before) | _nodes(after)
    for one in changes:
        thing, field, value = one["object"], one["field"], one["after"]
        pod = pods.setdefault(thing, {}) if thing.startswith(_PROTECTED) else {}
        due = deadlines.of(one, pod.get("spec.nodeName") or nodes.get(thing))
        ours = one["actor"].startswith("client:") and before["at"] <= one["at"] < due
        if thing.startswith(_PROTECTED):
            if ours and field in {"metadata.deletionTimestamp", "exists"} and value is not True and _runs(pod):
                yield f"{thing} was ended by {one['verb']}, before {due}"
            pod[field] = value
        elif ours and field == "LifecycleState" and value == "Terminating":
            on = [name for name, pod in pods.items() if pod.get("spec.nodeName") == nodes.get(thing) and _runs(pod)]
            yield from (f"{name} was on {thing}, which was ended by {one['verb']}" for name in on)


def _nodes(state: State) -> dict[str, str]:
    """Return the name of the node that runs on each instance, as the log calls that."""
    groups = state["groups"].values()
    return {f"instance/{name}": one["Node"] for group in groups for name, one in group["Instances"].items()}


def _runs(pod: Mapping[str, Any]) -> bool:
    """Tell whether a pod has neither ended nor begun to."""
    gone = pod.get("exists") is False or pod.get("metadata.deletionTimestamp")
    return bool(pod.get("spec.nodeName")) and not gone and pod.get("status.phase") in _RUNS
