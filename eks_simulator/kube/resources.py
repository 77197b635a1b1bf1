"""The kinds of object that the simulated API server knows: one table, from which paths, discovery and tables follow.

The *plural* is the name of a kind everywhere in the simulator: `store.get("nodes", None, name)`.
"""

from __future__ import annotations

from dataclasses import dataclass

READ = ("get", "list", "watch")
ALL = ("create", "delete", *READ, "patch", "update")


@dataclass(frozen=True, slots=True)
class Subresource:
    """A part of an object with a path of its own; `kind` and `group_version` are those of what is sent there."""

    name: str
    kind: str
    group_version: str
    verbs: tuple[str, ...] = ("get", "patch", "update")


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object.

    `counts_generations`: `metadata.generation` follows the spec. `orphans`: what a DELETE without a propagation
    policy does to the dependents. `needs_version`: a PUT must say which state it is based on; `put_creates`: of an
    object that is not there, it makes one.
    """

    plural: str
    singular: str
    kind: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL
    subresources: tuple[Subresource, ...] = ()
    counts_generations: bool = False
    orphans: bool = False
    needs_version: bool = False
    put_creates: bool = False

    @property
    def group_version(self) -> str:
        """`v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`pods`, `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def has_status(self) -> bool:
        """Whether the status has a path of its own, so that writes to the object leave it alone."""
        return any(subresource.name == "status" for subresource in self.subresources)

    def details(self, name: str) -> dict[str, str]:
        """Return how a `Status` names an object of this kind."""
        group = {"group": self.group} if self.group else {}
        return {"name": name, **group, "kind": self.plural}

    def subresource(self, name: str) -> Subresource | None:
        """Return the subresource of that name."""
        return next((one for one in self.subresources if one.name == name), None)

    def path(self, namespace: str | None, name: str) -> str:
        """Return how the log of changes names the object: `node/NAME`, `pod/NS/NAME`."""
        return f"{self.singular}/{namespace}/{name}" if self.namespaced else f"{self.singular}/{name}"


def _status(kind: str, group_version: str) -> Subresource:
    return Subresource("status", kind, group_version)


def _apps(plural: str, kind: str, short: str, *, scales: bool = True) -> Resource:
    scale = (Subresource("scale", "Scale", "autoscaling/v1"),) if scales else ()
    return Resource(
        plural,
        kind.lower(),
        kind,
        group="apps",
        short=(short,),
        categories=("all",),
        subresources=(*scale, _status(kind, "apps/v1")),
        counts_generations=True,
    )


_TABLE = (
    Resource("configmaps", "configmap", "ConfigMap", short=("cm",)),
    Resource("events", "event", "Event", short=("ev",)),
    Resource(
        "namespaces",
        "namespace",
        "Namespace",
        namespaced=False,
        short=("ns",),
        # Without delete: the simulator has no namespace controller that would empty it.
        verbs=("create", *READ, "patch", "update"),
        subresources=(_status("Namespace", "v1"),),
    ),
    Resource("nodes", "node", "Node", namespaced=False, short=("no",), subresources=(_status("Node", "v1"),)),
    Resource(
        "pods",
        "pod",
        "Pod",
        short=("po",),
        categories=("all",),
        subresources=(
            Subresource("eviction", "Eviction", "policy/v1", verbs=("create",)),
            _status("Pod", "v1"),
        ),
    ),
    _apps("daemonsets", "DaemonSet", "ds", scales=False),
    _apps("deployments", "Deployment", "deploy"),
    _apps("replicasets", "ReplicaSet", "rs"),
    _apps("statefulsets", "StatefulSet", "sts"),
    Resource(
        "jobs",
        "job",
        "Job",
        group="batch",
        categories=("all",),
        subresources=(_status("Job", "batch/v1"),),
        counts_generations=True,
        orphans=True,
    ),
    Resource(
        "poddisruptionbudgets",
        "poddisruptionbudget",
        "PodDisruptionBudget",
        group="policy",
        short=("pdb",),
        subresources=(_status("PodDisruptionBudget", "policy/v1"),),
        counts_generations=True,
        needs_version=True,
    ),
    Resource(
        "volumeattachments",
        "volumeattachment",
        "VolumeAttachment",
        group="storage.k8s.io",
        namespaced=False,
        subresources=(_status("VolumeAttachment", "storage.k8s.io/v1"),),
    ),
    Resource("leases", "lease", "Lease", group="coordination.k8s.io", needs_version=True, put_creates=True),
    Resource(
        "selfsubjectaccessreviews",
        "selfsubjectaccessreview",
        "SelfSubjectAccessReview",
        group="authorization.k8s.io",
        namespaced=False,
        verbs=("create",),
    ),
)

RESOURCES = {resource.plural: resource for resource in _TABLE}
KINDS = {resource.kind: resource for resource in _TABLE}
GROUP_VERSIONS = tuple(sorted({resource.group_version for resource in _TABLE}, key=lambda name: ("/" in name, name)))
