"""Every right on Kubernetes that a rollout makes use of, in the words of RBAC: required, or one that it can do without.

One table: `rollout start` asks for what stands here, docs/rights-kubernetes.md is written from it, and tests hold
deploy/kubernetes against it. A read that a later version brings is optional, so that nobody's upgrade is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollout.model.plan import Settings
from rollout.model.preflight_observation import (
    LIST_ATTACHMENTS,
    LIST_BUDGETS,
    LIST_JOBS,
    WATCH_MARKER,
    Right,
    watch_autoscaler,
)


@dataclass(frozen=True, slots=True)
class Need:
    """Rights, and what for. `unchecked`: what is not checked without them; `without`: what else comes of it.

    A rollout that has neither does not go without them.

    `setting`: the one with which alone they are needed, "" for always; `used`: whether these settings make use of them.
    """

    rights: tuple[Right, ...]
    why: str
    unchecked: str = ""
    without: str = ""
    setting: str = ""
    used: Callable[[Settings], bool] = lambda settings: True  # noqa: ARG005 - by all

    @property
    def optional(self) -> bool:
        """A rollout goes without it, with a warning."""
        return self.unchecked != "" or self.without != ""


def _on(resource: str, *verbs: str, group: str = "", namespace: str = "", name: str = "") -> tuple[Right, ...]:
    return tuple(Right(verb, resource, group, namespace, name) for verb in verbs)


_ALWAYS = (
    Need(_on("nodes", "get", "list", "watch", "patch"), "to observe, annotate, taint and cordon nodes"),
    Need(_on("pods", "list", "watch"), "to see which pods block a node, in all namespaces"),
    Need(_on("pods/eviction", "create"), "to evict pods as budgets allow"),
    Need(
        _on("pods", "delete"), "for Jobs that still run at the drain deadline, and pods that a budget blocks for ever"
    ),
    Need(
        _on("configmaps", "create", namespace="kube-system"),
        "to create the marker; RBAC cannot limit a create to one name",
    ),
    Need(
        _on("configmaps", "get", "patch", "delete", namespace="kube-system", name="eks-rollout"),
        "for the marker",
    ),
)

_JOBS = Need(
    _on("jobs", "delete", group="batch"), "to delete Jobs at the drain deadline", setting="drain.on_deadline: job"
)

#: Which cluster it is: read before anything is surveyed.
IDENTITY = Need(
    _on("namespaces", "get", name="kube-system"),
    "its uid distinguishes this cluster from another one with the same account, region and name",
    unchecked="that a kubeconfig leads to this cluster, and not to another one of its account, region and name",
)

BUDGETS = Need(
    (LIST_BUDGETS,),
    "to see which pods have a disruption budget, which budgets block, and that they are up to date after an outage",
    unchecked="which pods have a budget, nor whether it is up to date after an outage: all replicas leave one by one",
)
ATTACHMENTS = Need(
    (LIST_ATTACHMENTS,),
    "to see which pods have a volume that stays in its zone, and to wait until those of pods that left are detached",
    unchecked="whether the pods of a node have volumes that stay in its zone, nor whether they are detached in time",
)
#: Which kinds there are. Kubernetes lets everybody see that whom it knows, unless somebody took it away.
DISCOVERY = Need(
    tuple(Right("get", path) for path in ("/api", "/api/*", "/apis", "/apis/*")),
    "to see which kinds the API server serves: another kind in `protected.kinds` is a mistake",
    unchecked="whether the API server serves the kinds that `protected` names",
)
NAMESPACES = Need(
    _on("namespaces", "get"),
    "to find a namespace in `protected` that does not exist, which may be a mistake",
    unchecked="whether the namespaces that `protected` names exist",
    setting="protected.namespaces",
    used=lambda settings: bool(settings.protected.namespaces),
)
DEPLOYMENTS = Need(
    _on("deployments", "list", group="apps"),
    "to find a cluster-autoscaler that `autoscaler` does not name, by its image and labels",
    unchecked="whether the cluster has a cluster-autoscaler, which `autoscaler: none` says it has not",
    setting="autoscaler: none",
    used=lambda settings: settings.autoscaler is None,
)

MARKER = Need(
    WATCH_MARKER,
    "to be told of a change of the marker, and not to read it at each look",
    unchecked="by a watch whether the marker changes: it is read at each look",
)

#: What `rollout plan` alone makes use of: no start asks for it, or warns.
JOBS_END = Need(
    (LIST_JOBS,),
    "for `rollout plan` and `rollout why`, to tell when Jobs end at the latest (activeDeadlineSeconds), and how long "
    "Jobs like them lasted",
    unchecked="when Jobs end at the latest, nor how long others lasted; a rollout itself does not need it",
    used=lambda settings: False,  # noqa: ARG005 - by none
)

#: What monitoring makes use of: no start asks for it; where it lacks, the run itself warns once.
NODE_EVENTS = Need(
    _on("events", "create", namespace="default"),
    "to tell on each node, as an Event, what it waits for, that it drains, and halts",
    without="no Event is written, and the run warns once",
    setting="node_events: true",
    used=lambda settings: False,  # noqa: ARG005 - by none
)

#: Here goes each read that a rollout can do without, with what is not checked then.
OPTIONAL = (IDENTITY, BUDGETS, ATTACHMENTS, MARKER, DISCOVERY, NAMESPACES, DEPLOYMENTS)


def optional(settings: Settings) -> tuple[Need, ...]:
    """Return what a rollout can do without, whether these settings make use of it or not."""
    where = settings.autoscaler
    if where is None:
        return (*OPTIONAL, JOBS_END, NODE_EVENTS)
    told = Need(
        watch_autoscaler(where),
        "to be told of a change of the autoscaler's Deployment, and not to read it at each look",
        unchecked="by a watch whether the autoscaler's Deployment changes: it is read at each look",
        setting="autoscaler",
    )
    return (*OPTIONAL, told, JOBS_END, NODE_EVENTS)


def required(settings: Settings) -> tuple[Need, ...]:
    """Return what a rollout with these settings cannot go without."""
    jobs = (_JOBS,) if settings.on_deadline == "job" else ()
    where = settings.autoscaler
    if where is None:
        return (*_ALWAYS, *jobs)
    stop = _on("deployments", "get", "patch", group="apps", namespace=where.namespace, name=where.name)
    return (
        *_ALWAYS,
        *jobs,
        Need(stop, "to keep cluster-autoscaler at 0 replicas during the rollout", setting="autoscaler"),
    )


def rights(settings: Settings) -> tuple[Right, ...]:
    """Return each right that a rollout with these settings cannot go without."""
    return tuple(right for need in required(settings) for right in need.rights)
