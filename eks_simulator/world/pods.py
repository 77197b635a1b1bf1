"""What can be read off a pod, and the index that every controller of the world shares.

Functions take the stored object and never change it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eks_simulator.kube.store import Store

Object = dict[str, Any]

MIRROR = "kubernetes.io/config.mirror"
# How the simulated kubelet treats a pod stands in annotations, so that a Job created through the API can say it too.
RUNTIME = "simulator/runtime"  # how long a Job's pod runs: "90m" or "5m..30m"
FAILURES = "simulator/failures"  # how many of the Job's first attempts fail
STARTUP = "simulator/startup"  # from being bound to Running and Ready
STOP = "simulator/stop"  # from the deletion until the containers have ended, at most the grace period
ATTEMPT = "simulator/attempt"  # which of its Job's pods it is, from 0
FINISHED = ("Succeeded", "Failed")


class Key(NamedTuple):
    """What names a namespaced object of a known kind."""

    namespace: str
    name: str


class Owner(NamedTuple):
    """The controller of a pod; `group` is that of its API, "" for the core's."""

    kind: str
    namespace: str
    name: str
    group: str = ""


def key(obj: Object) -> Key:
    """Namespace and name."""
    return Key(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def owner(pod: Object) -> Owner | None:
    """Return the object that controls the pod; None for a bare pod."""
    for reference in pod["metadata"].get("ownerReferences", ()):
        if reference.get("controller"):
            group = reference.get("apiVersion", "").rpartition("/")[0]
            return Owner(reference["kind"], pod["metadata"]["namespace"], reference["name"], group)
    return None


def node_of(pod: Object) -> str | None:
    """Return the node that the pod is bound to."""
    name = pod["spec"].get("nodeName")
    return str(name) if name else None


def phase(pod: Object) -> str:
    """Pending, Running, Succeeded or Failed."""
    return str(pod.get("status", {}).get("phase", "Pending"))


def finished(pod: Object) -> bool:
    """Tell whether no container of it will run any more."""
    return phase(pod) in FINISHED


def is_ready(pod: Object) -> bool:
    """Tell whether its Ready condition is true."""
    for condition in pod.get("status", {}).get("conditions", ()):  # a loop: asked for each replica at each change
        if condition["type"] == "Ready":
            return bool(condition["status"] == "True")
    return False


def terminating(pod: Object) -> bool:
    """Tell whether somebody has deleted it."""
    return "deletionTimestamp" in pod["metadata"]


def active(pod: Object) -> bool:
    """Tell whether it counts for its controller: neither finished nor going."""
    return not finished(pod) and not terminating(pod)


def stays_with_node(pod: Object) -> bool:
    """Tell whether it belongs to its node and so holds nothing up: a mirror pod or a DaemonSet's."""
    controller = owner(pod)
    return MIRROR in pod["metadata"].get("annotations", {}) or (
        controller is not None and controller.kind == "DaemonSet"
    )


def slots(pod: Object) -> float:
    """Return the CPUs that its containers request: what it takes of a node's slots."""
    requests = (container.get("resources", {}).get("requests", {}) for container in pod["spec"].get("containers", ()))
    return sum(cpus(str(request.get("cpu", "0"))) for request in requests)


def cpus(quantity: str) -> float:
    """Return a Kubernetes quantity of CPU as a number: `4`, `250m`."""
    return float(quantity.removesuffix("m")) / 1000 if quantity.endswith("m") else float(quantity)


class PodIndex:
    """The pods of each controller, kept by the store's events; the store itself indexes them by node."""

    def __init__(self, store: Store) -> None:
        self._by_owner: defaultdict[Owner, dict[str, Object]] = defaultdict(dict)
        store.on("pods", self._keep)

    def of(self, controller: Owner) -> list[Object]:
        """Return the pods that it controls, in the order of their creation."""
        return list(self._by_owner.get(controller, {}).values())

    def _keep(self, event: str, pod: Object, _previous: Object | None) -> None:
        if (controller := owner(pod)) is None:
            return
        if event == "DELETED":
            self._by_owner[controller].pop(pod["metadata"]["name"], None)
        else:
            self._by_owner[controller][pod["metadata"]["name"]] = pod


def annotation(obj: Object, name: str, default: str = "") -> str:
    """Return the annotation's value, of a pod or of anything else."""
    return str(obj["metadata"].get("annotations", {}).get(name, default))


def tolerated(taint: Object, tolerations: Iterable[Object]) -> bool:
    """Tell whether one of the tolerations fits the taint (`ToleratesTaint` of the Kubernetes API)."""
    return any(_fits(toleration, taint) for toleration in tolerations)


def _fits(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")
