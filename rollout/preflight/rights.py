"""Every right that a rollout needs on Kubernetes: the README's table, in the words of RBAC."""

from __future__ import annotations

from rollout.plan import Settings
from rollout.scouted import LIST_BUDGETS, Right

_ALWAYS = (
    *(Right(verb, "nodes") for verb in ("get", "list", "watch", "patch")),
    *(Right(verb, "pods") for verb in ("list", "watch", "delete")),
    Right("create", "pods/eviction"),
    Right("create", "configmaps", namespace="kube-system"),
    *(Right(verb, "configmaps", namespace="kube-system", name="eks-rollout") for verb in ("get", "patch", "delete")),
)

#: Rights without which a rollout goes all the same: what is not checked then is told at its start.
OPTIONAL = (Right("get", "namespaces", name="kube-system"), LIST_BUDGETS)


def rights(settings: Settings) -> tuple[Right, ...]:
    """Return the rights that a rollout with these settings may make use of."""
    needed = list(_ALWAYS)
    if settings.on_deadline == "job":
        needed.append(Right("delete", "jobs", "batch"))
    if where := settings.autoscaler:
        needed += (Right(verb, "deployments", "apps", where.namespace, where.name) for verb in ("get", "patch"))
    return tuple(needed)
