"""Protected Jobs' pods that we ended before the drain deadline that we told ourselves, by the log of changes alone.

A pod is ended by its deletion, or by the end of the instance on which it runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from math import inf
from typing import Any

Change = Mapping[str, Any]
State = Mapping[str, Any]

_DEADLINE = re.compile(r"old ones drain until (\S+)")
#: Pods of the Jobs that every generated world protects, by name.
_PROTECTED = "pod/demo/job-"
_RUNS = {"Pending", "Running", None}


def ended(changes: Sequence[Change], before: State, after: State, said: Sequence[str]) -> Iterator[str]:
    """Yield each end of a protected pod, between two moments, that we caused too early; `said`: our output."""
    told = [found[1] for found in map(_DEADLINE.search, said) if found]
    deadline = datetime.fromisoformat(told[0]).timestamp() if told else inf
    pods: dict[str, dict[str, Any]] = {}
    nodes = _nodes(before) | _nodes(after)
    for one in changes:
        thing, field, value = one["object"], one["field"], one["after"]
        ours = one["actor"].startswith("client:") and before["at"] <= one["at"] < deadline
        if thing.startswith(_PROTECTED):
            pod = pods.setdefault(thing, {})
            if ours and field in {"metadata.deletionTimestamp", "exists"} and value is not True and _runs(pod):
                yield f"{thing} was ended by {one['verb']}, before {deadline}"
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
